// Joins warm blocks that control reaches from one other warm block only into that one, to be compiled as one function.
import { type Block, makeOp, type Op } from '../../tcg/ir/block.ts';
import { Jump, OPS } from '../../tcg/ir/ops.ts';
import type { Label, Value, Variable } from '../../tcg/ir/value.ts';
import { defineCounter } from '../log/counters.ts';
import { type Entry, Tier } from './code-cache.ts';
import { COUNTER_BASE } from './layout.ts';
import type { Translator } from './translator.ts';

/** Blocks of one function at most, and its ops before those of another are added. */
const MAX_BLOCKS = 16;
const MAX_OPS = 600;

const JOINED = defineCounter('exec.joined', 'blocks compiled into the function of the block before them');

/** Warm blocks as they will be compiled: `root` is where control enters, `inner` have become parts of its IR. */
export interface Joined {
  readonly root: Entry;
  readonly block: Block;
  readonly inner: readonly Entry[];
}

/**
 * Makes trees of blocks that all have IR: one is put in place of the only jump of them all that leads to it. A block stays on
 * its own where control is known to come to it in another way: by a call, a return, a jump back, or from code that is compiled.
 * The IR of those joined is used up.
 */
export function joinBlocks(cpu: Translator, entries: readonly Entry[], flags: number): Joined[] {
  const { cache } = cpu;
  const wanted = new Set(entries);
  const jumps = new Map<Entry, number>();
  for (const entry of entries) {
    for (const op of entry.ir!.ops) {
      if (op.row !== OPS.goto_tb) continue;
      const target = cache.find(op.imm >>> 0, flags);
      if (target !== undefined) jumps.set(target, (jumps.get(target) ?? 0) + 1);
    }
  }
  const mayJoin = (entry: Entry) => wanted.has(entry) && !entry.linked && jumps.get(entry) === 1;
  const joined: Joined[] = [];
  const join = (root: Entry) => {
    wanted.delete(root);
    const tree = new Tree(cpu, root, flags, mayJoin, (entry) => wanted.delete(entry));
    joined.push({ root, block: tree.block, inner: tree.inner });
  };
  for (const entry of entries) if (wanted.has(entry) && !mayJoin(entry)) join(entry);
  // What is left goes round in circles.
  for (const entry of entries) if (wanted.has(entry)) join(entry);
  return joined;
}

/** One function in the making. */
class Tree {
  readonly block: Block;
  readonly inner: Entry[] = [];
  private readonly ops: Op[] = [];

  constructor(
    private readonly cpu: Translator,
    private readonly root: Entry,
    private readonly flags: number,
    private readonly mayJoin: (entry: Entry) => boolean,
    private readonly take: (entry: Entry) => void,
  ) {
    this.block = root.ir!;
    const { ops } = this.block;
    this.block.ops = this.ops;
    this.append(ops);
  }

  private append(ops: readonly Op[]): void {
    const out = this.ops;
    for (let n = 0; n < ops.length; n++) {
      const op = ops[n]!;
      const next = op.row === OPS.goto_tb ? this.joinable(op, ops[n - 1]) : null;
      if (next === null) {
        out.push(op);
        continue;
      }
      this.take(next);
      this.inner.push(next);
      JOINED.n++;
      if (this.cpu.options.regions) out.push(makeOp('count_run', null, null, null, null, counterOf(next) | 0));
      const { ir } = next;
      renumber(ir!, this.block);
      this.append(ir!.ops);
    }
  }

  /** The block that a jump leads to, if it is to take the jump's place. */
  private joinable(jump: Op, before: Op | undefined): Entry | null {
    // A jump back polls. It stays a jump: each loop has one, so that a function of joined blocks has no loops.
    if (jump.imm2 === Jump.CALL || before?.row === OPS.poll) return null;
    if (this.inner.length + 1 >= MAX_BLOCKS || this.ops.length >= MAX_OPS) return null;
    const target = this.cpu.cache.find(jump.imm >>> 0, this.flags);
    if (target === undefined || target.space !== this.root.space || !this.mayJoin(target)) return null;
    // An indirect jump notes its targets for the block that its function begins with.
    const { ops } = target.ir!;
    const last = ops[ops.length - 1]!;
    return last.row === OPS.goto_ptr && last.imm !== Jump.RETURN ? null : target;
  }
}

function counterOf(entry: Entry): number {
  return COUNTER_BASE + 4 * entry.slot;
}

/** Gives the temporaries and labels of `from` numbers of their own in `into`. */
function renumber(from: Block, into: Block): void {
  const globals = from.globals.length;
  const temps: Variable[] = [];
  const labels: Label[] = [];
  const variable = (value: Variable): Variable =>
    value.kind === 'temp' ? (temps[value.id - globals] ??= into.temp(value.type)) : value;
  const operand = (value: Value | null): Value | null =>
    value === null || value.kind !== 'temp' ? value : variable(value);
  for (const op of from.ops) {
    op.a = operand(op.a);
    op.b = operand(op.b);
    op.c = operand(op.c);
    if (op.args !== null && op.args.length > 0) op.args = op.args.map((value) => operand(value)!);
    if (op.out !== null) op.out = variable(op.out);
    if (op.label === null) continue;
    let label = labels[op.label.id];
    if (label === undefined) {
      labels[op.label.id] = label = into.label();
      label.uses = op.label.uses;
    }
    op.label = label;
  }
}

/** Notes what became of blocks that were joined to another one. `Tier` stays NONE: their slots lead to no code. */
export function enterInner(cpu: Translator, entry: Entry): void {
  entry.inner = true;
  entry.ir = null;
  entry.runs = 0;
  entry.tier = Tier.NONE;
  if (cpu.options.regions) cpu.view.setInt32(counterOf(entry), cpu.options.hotThreshold, true);
}
