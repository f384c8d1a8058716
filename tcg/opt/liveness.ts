// Which variables are live: a backward walk's set of value ids and what each op does to it.
import { type Block, callsHelper, type Op } from '../ir/block.ts';
import { OP_LIST, OPS } from '../ir/ops.ts';

const LABEL = OPS.label.code;
const BR = OPS.br.code;
const POLL = OPS.poll.code;
const LEAVE_IF = OPS.leave_if.code;
const CHECKPOINT = OPS.checkpoint_i32.code;

/** What each op code means for liveness: bits of the F_ constants. */
const FACTS = new Uint8Array(OP_LIST.length);
/** It must be kept even when its result is dead. */
const F_KEEP = 1;
/** It leaves the block. */
const F_EXIT = 2;
/** It goes to a label. */
const F_BRANCH = 4;
/** It needs more than its operands looked at. */
const F_SPECIAL = 8;
for (const { code, flags, name } of OP_LIST) {
  const branch = name === 'br' || name.startsWith('brcond');
  const special = branch || flags.ends || /^(label|poll|leave_if|checkpoint_i32)$/.test(name) || callsHelper(OPS[name]);
  FACTS[code] =
    (flags.effect ? F_KEEP : 0) |
    (flags.ends && name !== 'br' ? F_EXIT : 0) |
    (branch ? F_BRANCH : 0) |
    (special ? F_SPECIAL : 0);
}

/**
 * The set of live value ids while a block is walked from its last op to its first. A global is live where CPU state may
 * still need its value: before ops whose `sync` names it, and before ways out without `sync` (the pass has not run).
 * Guest accesses need nothing: a fault is replayed from CPU state, so the point where that became precise counts.
 */
export class Liveness {
  /** One bit per value id. */
  private live = new Int32Array(8);
  private words = 0;
  private globalCount = 0;
  /** The live sets at the labels, `words` each. */
  private labels = new Int32Array(64);
  private known = new Uint8Array(16);
  /** Set when a branch met a label not yet walked over: a loop. */
  loop = false;
  /** The label sets are final and are not written again. */
  private solved = false;

  /** Begins a walk at the end of `block`; sets at labels are kept when `keepLabels` says they are final. */
  begin(block: Block, keepLabels = false): void {
    this.words = (block.valueCount + 31) >> 5;
    this.globalCount = block.globals.length;
    if (this.live.length < this.words) this.live = new Int32Array(this.words * 2);
    this.live.fill(0, 0, this.words);
    this.solved = keepLabels;
    this.loop = false;
    if (keepLabels) return;
    const { labelCount } = block;
    if (labelCount === 0) return;
    const size = labelCount * this.words;
    if (this.labels.length < size) this.labels = new Int32Array(size * 2);
    if (this.known.length < labelCount) this.known = new Uint8Array(labelCount * 2);
    this.known.fill(0, 0, labelCount);
  }

  /** Computes the final sets at all labels of a block with loops; afterwards `begin(block, true)` starts a last walk. */
  solve(block: Block): void {
    this.begin(block);
    this.labels.fill(0, 0, block.labelCount * this.words);
    const { ops } = block;
    let changed = true;
    while (changed) {
      changed = false;
      this.live.fill(0, 0, this.words);
      for (let i = ops.length - 1; i >= 0; i--) {
        const op = ops[i]!;
        if (op.row.code === LABEL) changed = this.widen(op.label!.id) || changed;
        else if (!this.isDead(op)) this.step(op);
      }
      this.known.fill(1, 0, block.labelCount);
    }
  }

  has(id: number): boolean {
    return (this.live[id >> 5]! & (1 << (id & 31))) !== 0;
  }

  /** Whether an op can be left out: its result is not live and it does nothing else. */
  isDead(op: Op): boolean {
    const { out, row } = op;
    if (out !== null && this.has(out.id)) return false;
    const { helper } = op;
    if (helper !== null) {
      const { readsGlobals, writesGlobals, sideEffects, accumulates, raises } = helper;
      return !(readsGlobals || writesGlobals || sideEffects || accumulates || raises);
    }
    return (FACTS[row.code]! & F_KEEP) === 0;
  }

  /** Goes over an op, from behind it to before it. */
  step(op: Op): void {
    const live = this.live;
    const { a, b, c, out } = op;
    if (out !== null) live[out.id >> 5]! &= ~(1 << (out.id & 31));
    if ((FACTS[op.row.code]! & F_SPECIAL) !== 0) this.special(op);
    const sync = op.sync;
    if (sync !== null) {
      for (let i = 0; i < sync.length; i++) {
        const id = sync[i]!.id;
        live[id >> 5]! |= 1 << (id & 31);
      }
    }
    if (a !== null && a.kind !== 'const') live[a.id >> 5]! |= 1 << (a.id & 31);
    if (b !== null && b.kind !== 'const') live[b.id >> 5]! |= 1 << (b.id & 31);
    if (c !== null && c.kind !== 'const') live[c.id >> 5]! |= 1 << (c.id & 31);
  }

  private special(op: Op): void {
    const code = op.row.code;
    const facts = FACTS[code]!;
    const live = this.live;
    if ((facts & F_EXIT) !== 0) {
      live.fill(0, 0, this.words);
      if (op.sync === null) this.addGlobals();
    } else if ((facts & F_BRANCH) !== 0) {
      const { words, labels } = this;
      const { id } = op.label!;
      if (this.known[id] === 0) this.loop = true;
      const from = id * words;
      if (code === BR) for (let i = 0; i < words; i++) live[i] = labels[from + i]!;
      else for (let i = 0; i < words; i++) live[i]! |= labels[from + i]!;
    } else if (code === LABEL) {
      if (this.solved) return;
      const { words, labels } = this;
      const { id } = op.label!;
      this.known[id] = 1;
      const to = id * words;
      for (let i = 0; i < words; i++) labels[to + i] = live[i]!;
    } else if (op.helper !== null) {
      const { helper } = op;
      if (helper.writesGlobals) this.removeGlobals();
      if (op.sync === null && (helper.readsGlobals || helper.writesGlobals)) this.addGlobals();
      const args = op.args!;
      for (let i = 0; i < args.length; i++) {
        const arg = args[i]!;
        if (arg.kind !== 'const') live[arg.id >> 5]! |= 1 << (arg.id & 31);
      }
    } else if ((code === POLL || code === LEAVE_IF || code === CHECKPOINT) && op.sync === null) this.addGlobals();
  }

  /** Adds the current set to that of a label; returns whether it grew. */
  private widen(id: number): boolean {
    const { words, labels, live } = this;
    const to = id * words;
    let grew = false;
    for (let i = 0; i < words; i++) {
      const old = labels[to + i]!;
      const all = old | live[i]!;
      if (all === old) continue;
      labels[to + i] = all;
      grew = true;
    }
    return grew;
  }

  private addGlobals(): void {
    const { live, globalCount } = this;
    const full = globalCount >> 5;
    for (let i = 0; i < full; i++) live[i] = -1;
    if ((globalCount & 31) !== 0) live[full]! |= (1 << (globalCount & 31)) - 1;
  }

  private removeGlobals(): void {
    const { live, globalCount } = this;
    const full = globalCount >> 5;
    for (let i = 0; i < full; i++) live[i] = 0;
    if ((globalCount & 31) !== 0) live[full]! &= ~((1 << (globalCount & 31)) - 1);
  }
}
