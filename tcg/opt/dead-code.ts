// Removes what has no effect: results nobody reads, flag words that are overwritten, code that is not reached.
import type { Block, Op } from '../ir/block.ts';
import { OP_LIST, OPS } from '../ir/ops.ts';
import { Liveness } from './liveness.ts';

const LABEL = OPS.label.code;

/** Ops that end a straight run, by code. */
const ENDS = new Uint8Array(OP_LIST.length);
for (const { code, flags } of OP_LIST) ENDS[code] = flags.ends ? 1 : 0;

/** Its arrays are used again for each block. */
const liveness = new Liveness();

/**
 * Removes dead ops, branches to where control goes anyway, unreachable code and labels without branches. A write to a
 * global is dead when it is overwritten before anything reads it or any `sync` names it.
 */
export function removeDeadCode(block: Block): void {
  liveness.begin(block);
  if (!sweep(block)) {
    liveness.solve(block);
    liveness.begin(block, true);
    sweep(block);
  }
  removeUnreachable(block);
}

/** Goes over the block backwards and drops dead ops. Returns false, half way, when it finds a loop not yet solved. */
function sweep(block: Block): boolean {
  const { ops } = block;
  // Kept ops move to the end of the array, [kept, ops.length).
  let kept = ops.length;
  let i = ops.length - 1;
  let straight = true;
  for (; i >= 0; i--) {
    const op = ops[i]!;
    if (op.label !== null && op.row.code !== LABEL && op.sync === null && goesToNext(ops, kept, op)) {
      op.label.uses--;
      continue;
    }
    if (liveness.isDead(op)) continue;
    liveness.step(op);
    if (liveness.loop) {
      straight = false;
      break;
    }
    ops[--kept] = op;
  }
  const rest = i + 1;
  if (kept > rest) {
    let to = rest;
    for (let from = kept; from < ops.length; from++) ops[to++] = ops[from]!;
    ops.length = to;
  }
  return straight;
}

/** Whether a branch's label is among those directly behind it. */
function goesToNext(ops: readonly Op[], next: number, branch: Op): boolean {
  for (let i = next; i < ops.length && ops[i]!.row.code === LABEL; i++) {
    if (ops[i]!.label === branch.label) return true;
  }
  return false;
}

/** Removes unreachable ops (behind one that ends a run, up to the next label in use) and labels without branches. */
export function removeUnreachable(block: Block): void {
  const { ops } = block;
  let to = 0;
  let reachable = true;
  for (let from = 0; from < ops.length; from++) {
    const op = ops[from]!;
    const code = op.row.code;
    if (code === LABEL) {
      if (op.label!.uses === 0) continue;
      reachable = true;
    } else if (!reachable) {
      if (op.label !== null) op.label.uses--;
      continue;
    }
    if (to !== from) ops[to] = op;
    to++;
    if (ENDS[code] !== 0) reachable = false;
  }
  ops.length = to;
}
