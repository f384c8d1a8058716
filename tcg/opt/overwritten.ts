// Finds for each instruction the guest registers nobody needs there any more: a precise point at it need not store them.
import type { Block } from '../ir/block.ts';
import { OP_LIST, OPS } from '../ir/ops.ts';
import type { Global, Value } from '../ir/value.ts';

const INSN_START = OPS.insn_start.code;

/** Ops at which the guest's registers may be seen, or behind which control may be elsewhere. */
const BARRIER = new Uint8Array(OP_LIST.length);
for (const { code, flags, name } of OP_LIST) {
  const control = flags.ends || /^(label|brcond|call|cold|leave_if|poll|checkpoint)/.test(name);
  BARRIER[code] = control || flags.faults ? 1 : 0;
}

/** Of the globals of a guest that are tracked: which are (one bit each), and which the word of `insn_start` speaks of. */
interface Tracked {
  readonly all: number;
  readonly hidden: number;
}

let lastGlobals: readonly Global[] | null = null;
let lastTracked: Tracked = { all: 0, hidden: 0 };

function trackedOf(globals: readonly Global[]): Tracked {
  if (globals === lastGlobals) return lastTracked;
  let all = 0;
  let hidden = 0;
  for (let id = 0; id < Math.min(32, globals.length); id++) {
    const { tracked } = globals[id]!;
    if (tracked !== 'no') all |= 1 << id;
    if (tracked === 'hidden') hidden |= 1 << id;
  }
  lastGlobals = globals;
  lastTracked = { all, hidden };
  return lastTracked;
}

/** The bit of a value that is a global; 0 for others, and for globals beyond the first 32. */
function bitOf(value: Value | null): number {
  return value !== null && value.kind === 'global' && value.id < 32 ? 1 << value.id : 0;
}

/**
 * Sets `imm2` of every `insn_start` to the globals, bit by id, that it or the instructions behind it overwrite before anything
 * reads them, faults, or leaves the straight run. A replay from there need not have their values. It must run on the ops as
 * the translator made them: later passes replace reads of registers by values of which a replay knows nothing. Without
 * `search` nothing counts as overwritten.
 */
export function findOverwritten(block: Block, search = true): void {
  const { all, hidden } = trackedOf(block.globals);
  if (all === 0) return;
  const { ops } = block;
  let dead = 0;
  let reads = 0;
  let writes = 0;
  let barrier = false;
  for (let i = ops.length - 1; i >= 0; i--) {
    const op = ops[i]!;
    const code = op.row.code;
    if (code === INSN_START) {
      if (op.imm2 !== 0) reads |= hidden;
      dead = barrier || !search ? 0 : (dead | (writes & all)) & ~reads;
      op.imm2 = dead;
      reads = writes = 0;
      barrier = false;
    } else if (BARRIER[code] !== 0) {
      barrier = true;
    } else {
      writes |= bitOf(op.out);
      reads |= bitOf(op.a) | bitOf(op.b) | bitOf(op.c);
    }
  }
}
