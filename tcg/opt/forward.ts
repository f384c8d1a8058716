// One walk over a block in order that folds constants, propagates copies and follows branches that are decided.
import type { Block, Op } from '../ir/block.ts';
import { OP_LIST, OPS } from '../ir/ops.ts';
import { invertCond } from '../ir/types.ts';
import type { Label, Value } from '../ir/value.ts';
import { decideBranch, simplify } from './fold.ts';
import { Knowledge } from './knowledge.ts';

const BR = OPS.br.code;
const BRCOND32 = OPS.brcond_i32.code;
const BRCOND64 = OPS.brcond_i64.code;

// What the walk does with an op; small consecutive numbers, so that the switch below becomes a jump table.
/** It has no operands and no result. */
const BARE = 0;
const MOVE = 1;
/** It has a result and may be simplified. */
const COMPUTE = 2;
/** It has operands but no result. */
const EFFECT = 3;
const LABEL = 4;
const BRANCH = 5;
const CALL = 6;

const STEPS = new Uint8Array(OP_LIST.length);
const ENDS = new Uint8Array(OP_LIST.length);
for (const { code, name, flags, ins, out } of OP_LIST) {
  ENDS[code] = flags.ends ? 1 : 0;
  if (name === 'label') STEPS[code] = LABEL;
  else if (name === 'call' || name.startsWith('cold_')) STEPS[code] = CALL;
  else if (name === 'br' || name.startsWith('brcond')) STEPS[code] = BRANCH;
  else if (name.startsWith('mov_')) STEPS[code] = MOVE;
  else if (out !== null) STEPS[code] = COMPUTE;
  else STEPS[code] = ins.length > 0 ? EFFECT : BARE;
}

/** Its arrays are used again for each block. */
const known = new Knowledge();

/**
 * Replaces operands by constants and by what they were copied from, simplifies ops (see `fold.ts`), decides branches whose
 * outcome is known and drops what is then unreachable. Dead results are left for the dead-code pass.
 */
export function propagateForward(block: Block): void {
  const { ops } = block;
  known.begin(block);
  let to = 0;
  let reachable = true;
  for (let from = 0; from < ops.length; from++) {
    const op = ops[from]!;
    const code = op.row.code;
    const step = STEPS[code]!;
    if (!reachable && step !== LABEL) {
      if (op.label !== null) op.label.uses--;
      continue;
    }
    switch (step) {
      case BARE:
        break;
      case MOVE: {
        const a = known.resolve(op.a!);
        const out = op.out!;
        if (a === out) continue;
        op.a = a;
        known.copied(out, a);
        break;
      }
      case COMPUTE: {
        resolveOperands(op);
        const mask = simplify(op, known);
        const out = op.out!;
        if (STEPS[op.row.code] !== MOVE) {
          known.wrote(out, op, mask);
          if ((op.row === OPS.setlane_f64 || op.row === OPS.setlane_f32) && op.imm === 0)
            known.wroteLowLane(out, op.b!);
        } else if (op.a === out) continue;
        else known.copied(out, op.a!);
        break;
      }
      case EFFECT:
        resolveOperands(op);
        break;
      case LABEL: {
        const label = op.label!;
        const kept = straighten(ops, to, label);
        if (kept !== to) reachable = true;
        to = kept;
        if (label.uses === 0) continue;
        if (!reachable && label.uses === 1) known.resume(label);
        else known.forget();
        reachable = true;
        break;
      }
      case BRANCH: {
        const label = op.label!;
        if (code !== BR) {
          resolveOperands(op);
          const taken = decideBranch(op, known);
          if (taken === 0) {
            label.uses--;
            continue;
          }
          if (taken === 1) {
            op.row = OPS.br;
            op.a = op.b = null;
            op.imm = 0;
          }
        }
        known.branch(label);
        break;
      }
      case CALL:
        resolveOperands(op);
        if (isZero(op.b) || isZero(op.c)) {
          becomesCopy(op);
          if (op.a === op.out) continue;
          known.copied(op.out!, op.a!);
          break;
        }
        call(op);
        break;
    }
    ops[to++] = op;
    if (ENDS[op.row.code] !== 0) reachable = false;
  }
  ops.length = to;
}

function resolveOperands(op: Op): void {
  const { a, b, c } = op;
  if (a !== null) op.a = known.resolve(a);
  if (b !== null) op.b = known.resolve(b);
  if (c !== null) op.c = known.resolve(c);
}

function isZero(value: Value | null): boolean {
  return value !== null && value.kind === 'const' && value.value === 0;
}

/** Turns a `cold` op that never calls into a move. */
function becomesCopy(op: Op): void {
  op.row = OPS[`mov_${op.out!.type}`];
  op.imm = 0;
  op.b = op.c = null;
  op.helper = null;
  op.args = null;
}

function call(op: Op): void {
  const args = op.args!;
  let simpler: Value[] | null = null;
  for (let i = 0; i < args.length; i++) {
    const arg = known.resolve(args[i]!);
    if (arg === args[i]) continue;
    simpler ??= args.slice();
    simpler[i] = arg;
  }
  if (simpler !== null) op.args = simpler;
  if (op.helper!.writesGlobals) known.globalsLost();
  if (op.out !== null) known.wrote(op.out, op, -1);
}

/**
 * `label` is placed next. Drops branches to it from right before it; a conditional branch to it around nothing but another
 * branch becomes the opposite branch to where that one goes. Returns the number of ops then kept; when it is less than
 * before, control falls into the label.
 */
function straighten(ops: Op[], kept: number, label: Label): number {
  while (kept > 0) {
    const last = ops[kept - 1]!;
    const code = last.row.code;
    if (code !== BR && code !== BRCOND32 && code !== BRCOND64) break;
    if (last.label === label) {
      label.uses--;
      kept--;
      continue;
    }
    const before = kept > 1 ? ops[kept - 2]! : null;
    if (code !== BR || before === null || before.label !== label) break;
    if (before.row.code !== BRCOND32 && before.row.code !== BRCOND64) break;
    before.imm = invertCond(before.imm);
    before.label = last.label;
    label.uses--;
    kept--;
    break;
  }
  return kept;
}
