// Decides where generated code stores changed guest registers to CPU state, and where CPU state becomes precise.
import type { Block, Op } from '../ir/block.ts';
import { OP_LIST, OPS } from '../ir/ops.ts';
import type { Global } from '../ir/value.ts';

/**
 * How often CPU state becomes precise. A fault is handled by replaying the guest from the last precise point in the
 * interpreter, so a point is needed wherever a replay from the one before would not do the same again.
 * - `every`: at every instruction that may fault.
 * - `spans`: a new point only when an earlier instruction of the span wrote memory or CPU state: loads are replayed.
 * - `idempotent`: also plain stores are replayed while the span has not loaded anything they might have overwritten. Another
 *   thread can see such a store twice, so this is for guests with one thread.
 */
export type SyncMode = 'every' | 'spans' | 'idempotent';

const INSN_START = OPS.insn_start.code;
const LABEL = OPS.label.code;
const BR = OPS.br.code;
const BRCOND32 = OPS.brcond_i32.code;
const BRCOND64 = OPS.brcond_i64.code;
const CALL = OPS.call.code;
const POLL = OPS.poll.code;
const LEAVE_IF = OPS.leave_if.code;
const CHECKPOINT = OPS.checkpoint_i32.code;
const FENCE = OPS.fence.code;

/** What the pass must know of an op, by code: bits of the F_ constants. */
const FACTS = new Uint8Array(OP_LIST.length);
const F_FAULTS = 1;
const F_WRITES = 2;
/** It reads guest memory. */
const F_READS = 4;
/** It leaves the block. */
const F_EXIT = 8;
/** None of the plain ops: the pass must look at it even when it has no effect on memory. */
const F_CONTROL = 16;
/** It writes guest memory and doing so twice is the same as once. */
const F_STORE = 32;
for (const row of OP_LIST) {
  const { flags, name, code } = row;
  const atomic = name.startsWith('atomic_');
  FACTS[code] =
    (flags.faults ? F_FAULTS : 0) |
    (flags.writes ? F_WRITES : 0) |
    (flags.faults && (!flags.writes || atomic) ? F_READS : 0) |
    (flags.faults && flags.writes && !atomic ? F_STORE : 0) |
    (flags.ends && code !== BR ? F_EXIT : 0);
}
const CONTROL = [INSN_START, LABEL, BR, BRCOND32, BRCOND64, CALL, POLL, LEAVE_IF, CHECKPOINT, FENCE];
for (const code of CONTROL) FACTS[code]! |= F_CONTROL;

/** State at a label, besides the dirty globals: bits of the L_ constants. */
const L_REACHED = 1;
const L_SPOILED = 2;
const L_LOADED = 4;
/** A branch comes back to it. */
const L_LOOP = 8;
/** No precise point was made on some way here since the last loop head. */
const L_UNPOINTED = 16;
/** A checkpoint stands right behind it. */
const L_CHECKED = 32;
const L_CHECKED_LOOP = L_CHECKED | L_LOOP;

/** What is known of `early` at a label: nothing yet; the same on all ways so far; or different. */
const E_UNKNOWN = 0;
const E_SAME = 1;
const E_NONE = 2;

/** What `scanInsn` finds in one instruction: bits of the I_ constants. */
const I_FAULTS = 1;
/** It must have a precise point of its own: running it from an earlier one may run a side effect twice. */
const I_OWN_POINT = 2;
/** Something may fault after it has written already. */
const I_WRITES_EARLY = 4;
const I_LOADS = 8;

const EMPTY: readonly Global[] = [];

/**
 * Sets `sync` of every op of the block (see `Op.sync`). It relies on CPU state being precise at block entry, PC included:
 * whoever enters a block has stored the PC. A loop inside one instruction that writes memory needs an `insn_start` at its
 * head where the instruction can be restarted. Each round of a loop has a point before what may fault, or the loop begins
 * with a checkpoint, which makes one now and then: replays stay short.
 */
export function syncState(block: Block, mode: SyncMode = 'spans'): void {
  pass.run(block, mode);
}

/** The pass. One object serves all blocks: its tables are kept. */
class StateSync {
  private block!: Block;
  private mode: SyncMode = 'spans';
  private ops: Op[] = [];
  /** Words in a set of globals, 32 to a word. */
  private words = 0;
  /** The globals written since they were stored. */
  private dirty = new Int32Array(0);
  /** The same as a list, null when it must be made anew. */
  private list: readonly Global[] | null = EMPTY;
  /** A replay from the last precise point would not do the same again. */
  private spoiled = false;
  /** Memory was loaded since the last precise point. */
  private loaded = false;
  /** The last precise point is the current instruction. */
  private fresh = true;
  /** Control has come straight from the block's entry, no instruction and no label in between. */
  private atEntry = true;
  /** A precise point was made since the last loop head. */
  private pointed = true;
  private changed = false;
  /**
   * Where the next precise point is cheapest: an instruction behind what spoiled the span, with the fewest globals to store.
   * The point is made when it is needed. What is computed in between is often dead by then, lazily kept flags above all.
   */
  private early: Op | null = null;
  /** The globals to store there, and how many. */
  private earlyGlobals = new Int32Array(0);
  private earlyCount = 0;
  /** Globals written, and whether memory was loaded, since `early`. */
  private sinceEarly = new Int32Array(0);
  private loadedSinceEarly = false;

  /** `early` and what belongs to it on the forward ways to each label; made anew in each pass. */
  private readonly labelEarly: (Op | null)[] = [];
  private labelEarlyState = new Uint8Array(0);
  private readonly labelEarlyCount: number[] = [];
  private readonly labelEarlyLoaded: boolean[] = [];
  /** For each label the words of `earlyGlobals`, then those of `sinceEarly`. */
  private labelEarlySets = new Int32Array(0);

  private labelBits = new Uint8Array(0);
  private labelDirty = new Int32Array(0);
  /** Labels placed so far in this pass; for `scanInsn`, the index of the instruction that placed them. */
  private placed = new Uint8Array(0);
  private insnOfLabel = new Int32Array(0);

  run(block: Block, mode: SyncMode): void {
    this.block = block;
    this.mode = mode;
    this.ops = block.ops;
    const words = (block.globals.length + 31) >> 5;
    const labels = block.labelCount;
    this.words = words;
    if (words > this.dirty.length) {
      this.dirty = new Int32Array(words);
      this.sinceEarly = new Int32Array(words);
      this.earlyGlobals = new Int32Array(words);
    }
    if (labels > 0) this.prepareLabels(labels, words);
    do {
      this.changed = false;
      this.clean();
      this.spoiled = false;
      this.loaded = false;
      this.fresh = true;
      this.atEntry = true;
      this.pointed = true;
      this.early = null;
      if (labels > 0) {
        this.placed.fill(0, 0, labels);
        this.labelEarlyState.fill(E_UNKNOWN, 0, labels);
      }
      this.walk();
    } while (this.changed);
  }

  private prepareLabels(labels: number, words: number): void {
    if (labels > this.placed.length) {
      const size = labels * 2;
      this.placed = new Uint8Array(size);
      this.labelBits = new Uint8Array(size);
      this.labelEarlyState = new Uint8Array(size);
      this.insnOfLabel = new Int32Array(size);
    }
    if (labels * words > this.labelDirty.length) {
      this.labelDirty = new Int32Array(labels * words * 2);
      this.labelEarlySets = new Int32Array(labels * words * 4);
    }
    this.placed.fill(0, 0, labels);
    this.labelBits.fill(0, 0, labels);
    this.labelDirty.fill(0, 0, labels * words);
    this.insnOfLabel.fill(-1, 0, labels);
    this.findLoops();
  }

  private findLoops(): void {
    const ops = this.ops;
    for (let i = 0; i < ops.length; i++) {
      const label = ops[i]!.label;
      if (label === null) continue;
      if (ops[i]!.row.code === LABEL) {
        this.placed[label.id] = 1;
        if (ops[i + 1]?.row.code === CHECKPOINT) this.labelBits[label.id]! |= L_CHECKED;
      } else if (this.placed[label.id] !== 0) this.labelBits[label.id]! |= L_LOOP;
    }
  }

  /** One pass in layout order; backward branches that teach a label something new ask for another. */
  private walk(): void {
    const ops = this.ops;
    let reachable = true;
    for (let i = 0; i < ops.length; i++) {
      const op = ops[i]!;
      op.sync = null;
      const code = op.row.code;
      const facts = FACTS[code]!;
      if (code === LABEL) {
        if (this.enterLabel(op.label!.id, reachable)) reachable = true;
        continue;
      }
      if (!reachable) continue;
      if (facts !== 0) {
        if ((facts & F_WRITES) !== 0) {
          if (this.mode !== 'idempotent' || (facts & F_STORE) === 0 || this.loaded) this.spoil();
        }
        if ((facts & F_READS) !== 0) this.loaded = this.loadedSinceEarly = true;
        if ((facts & F_EXIT) !== 0) {
          op.sync = this.dirtyList();
          reachable = false;
        } else if ((facts & F_CONTROL) !== 0) {
          if (code === INSN_START) {
            this.insnStart(op, i);
          } else if (code === BR) {
            this.branchTo(op.label!.id);
            reachable = false;
          } else if (code === CALL) {
            this.call(op);
          } else if (code === POLL || code === LEAVE_IF || code === CHECKPOINT) {
            op.sync = this.dirtyList();
          } else if (code !== FENCE) {
            if (this.leavesBothWays(i)) {
              op.sync = this.dirtyList();
              this.clean();
            }
            this.branchTo(op.label!.id);
          }
        }
      }
      const out = op.out;
      if (out !== null && out.kind === 'global') this.write(out);
    }
  }

  private write(global: Global): void {
    const word = global.id >> 5;
    const bit = 1 << (global.id & 31);
    this.sinceEarly[word]! |= bit;
    const old = this.dirty[word]!;
    if ((old & bit) !== 0) return;
    this.dirty[word] = old | bit;
    this.list = null;
  }

  /** A replay from the last precise point would do something twice; so it would from an early point chosen before. */
  private spoil(): void {
    this.spoiled = true;
    this.early = null;
  }

  private clean(): void {
    for (let word = 0; word < this.words; word++) this.dirty[word] = 0;
    this.list = EMPTY;
  }

  /** The dirty globals in order of their ids. Lists are shared between ops: nobody may change them. */
  private dirtyList(): readonly Global[] {
    return (this.list ??= this.listOf(this.dirty));
  }

  private listOf(set: Int32Array): readonly Global[] {
    const globals = this.block.globals;
    const list: Global[] = [];
    for (let word = 0; word < this.words; word++) {
      for (let bits = set[word]!; bits !== 0; bits &= bits - 1) {
        list.push(globals[(word << 5) + 31 - Math.clz32(bits & -bits)]!);
      }
    }
    return list;
  }

  private insnStart(op: Op, index: number): void {
    this.fresh = this.atEntry && op.imm >>> 0 === this.block.pc >>> 0;
    this.atEntry = false;
    if (this.spoiled && this.mode !== 'every') this.considerEarly(op);
    const insn = this.scanInsn(index);
    if (this.fresh || insn === 0) return;
    let point: boolean;
    if ((insn & I_OWN_POINT) !== 0) point = true;
    else if (this.mode === 'every') point = (insn & I_FAULTS) !== 0;
    else if ((insn & I_WRITES_EARLY) !== 0) {
      // Its second access may fault when its first has overwritten what the span loaded.
      point = this.spoiled || this.mode === 'spans' || this.loaded || (insn & I_LOADS) !== 0;
    } else if ((insn & I_FAULTS) !== 0 && this.spoiled) {
      if (this.early !== null && this.early !== op) {
        this.makeEarlyPoint(this.early);
        return;
      }
      point = true;
    } else point = false;
    if (!point) return;
    op.sync = this.dirtyList();
    this.clean();
    this.spoiled = false;
    this.loaded = false;
    this.pointed = true;
    this.early = null;
    this.fresh = true;
  }

  /**
   * Takes the instruction that begins with `op` for the next precise point if it has less to store than the one chosen
   * before. Dirty globals do not count where the pass `overwritten` has found that a replay does not need them.
   */
  private considerEarly(op: Op): void {
    const { dirty, words } = this;
    let count = 0;
    for (let word = 0; word < words; word++) {
      const needed = word === 0 ? dirty[0]! & ~op.imm2 : dirty[word]!;
      for (let bits = needed; bits !== 0; bits &= bits - 1) count++;
    }
    if (this.early !== null && count >= this.earlyCount) return;
    this.early = op;
    this.earlyCount = count;
    for (let word = 0; word < words; word++) {
      this.earlyGlobals[word] = word === 0 ? dirty[0]! & ~op.imm2 : dirty[word]!;
      this.sinceEarly[word] = 0;
    }
    this.loadedSinceEarly = false;
  }

  /** Makes CPU state precise at `early`, since when nothing was written that a replay would write twice. */
  private makeEarlyPoint(early: Op): void {
    early.sync = this.listOf(this.earlyGlobals);
    for (let word = 0; word < this.words; word++) this.dirty[word] = this.sinceEarly[word]!;
    // Not stored, and perhaps not written any more: writing what is there already is no op.
    this.dirty[0]! |= early.imm2;
    this.list = null;
    this.spoiled = false;
    this.loaded = this.loadedSinceEarly;
    this.pointed = true;
    this.early = null;
  }

  /** Looks ahead over the instruction that begins at `index`. */
  private scanInsn(index: number): number {
    const ops = this.ops;
    let found = 0;
    let wrote = false;
    for (let i = index + 1; i < ops.length; i++) {
      const op = ops[i]!;
      const code = op.row.code;
      const facts = FACTS[code]!;
      if (facts === 0) continue;
      if (code === INSN_START) break;
      if ((facts & F_FAULTS) !== 0) {
        found |= wrote ? I_FAULTS | I_WRITES_EARLY : I_FAULTS;
        if ((facts & F_READS) !== 0) found |= I_LOADS;
      }
      if ((facts & F_WRITES) !== 0) wrote = true;
      if ((facts & F_CONTROL) === 0) continue;
      if (code === CALL) {
        const helper = op.helper!;
        const globals = helper.readsGlobals || helper.writesGlobals;
        if (helper.raises) found |= wrote ? I_FAULTS | I_WRITES_EARLY | I_LOADS : I_FAULTS | I_LOADS;
        if (helper.sideEffects || (helper.raises && globals)) found |= I_OWN_POINT;
        if (helper.sideEffects || globals) wrote = true;
      } else if (code === LABEL) {
        this.insnOfLabel[op.label!.id] = index;
      } else if ((code === BR || code === BRCOND32 || code === BRCOND64) && wrote) {
        // A loop inside the instruction: what it has written comes before what it accesses next time around.
        if (this.insnOfLabel[op.label!.id] === index && (found & I_FAULTS) !== 0) found |= I_WRITES_EARLY;
      }
    }
    return found;
  }

  private call(op: Op): void {
    const helper = op.helper!;
    if (helper.raises) this.loaded = this.loadedSinceEarly = true;
    if (helper.sideEffects) this.spoil();
    if (!helper.readsGlobals && !helper.writesGlobals) return;
    op.sync = this.dirtyList();
    // Registers in CPU state are newer than its PC from here on.
    if (op.sync.length > 0 || helper.writesGlobals) this.spoil();
    this.clean();
  }

  /** Merges the current state into that of a label. */
  private branchTo(label: number): void {
    const labelBits = this.labelBits;
    this.settleBefore(label);
    const labelDirty = this.labelDirty;
    const words = this.words;
    const old = labelBits[label]!;
    const back = this.placed[label] !== 0;
    // A round without a point makes the next one begin with one, unless the loop has a checkpoint.
    const spoiled = this.spoiled || (back && !this.pointed && (old & L_CHECKED) === 0);
    const bits =
      old | L_REACHED | (spoiled ? L_SPOILED : 0) | (this.loaded ? L_LOADED : 0) | (this.pointed ? 0 : L_UNPOINTED);
    let grew = bits !== old;
    labelBits[label] = bits;
    for (let word = 0; word < words; word++) {
      const before = labelDirty[label * words + word]!;
      const after = before | this.dirty[word]!;
      if (after === before) continue;
      labelDirty[label * words + word] = after;
      grew = true;
    }
    if (grew && back) this.changed = true;
    if (!back) this.mergeEarly(label);
  }

  /** A loop with checkpoints needs no point of its own in each round when control comes to it replayable, on all ways. */
  private settleBefore(label: number): void {
    if (!this.spoiled || this.early === null || (this.labelBits[label]! & L_CHECKED_LOOP) !== L_CHECKED_LOOP) return;
    this.makeEarlyPoint(this.early);
  }

  /** Brings `early` along one more way to a label: it stays where all ways come through the same. */
  private mergeEarly(label: number): void {
    const state = this.labelEarlyState;
    const sets = this.labelEarlySets;
    const words = this.words;
    const at = 2 * words * label;
    if (state[label] === E_UNKNOWN && this.early !== null) {
      state[label] = E_SAME;
      this.labelEarly[label] = this.early;
      this.labelEarlyCount[label] = this.earlyCount;
      this.labelEarlyLoaded[label] = this.loadedSinceEarly;
      for (let word = 0; word < words; word++) {
        sets[at + word] = this.earlyGlobals[word]!;
        sets[at + words + word] = this.sinceEarly[word]!;
      }
    } else if (state[label] === E_SAME && this.early === this.labelEarly[label]) {
      if (this.loadedSinceEarly) this.labelEarlyLoaded[label] = true;
      for (let word = 0; word < words; word++) sets[at + words + word]! |= this.sinceEarly[word]!;
    } else {
      state[label] = E_NONE;
    }
  }

  /** Takes up `early` where the forward ways to a label meet. */
  private enterEarly(label: number): void {
    if (this.labelEarlyState[label] !== E_SAME) {
      this.early = null;
      return;
    }
    const sets = this.labelEarlySets;
    const words = this.words;
    const at = 2 * words * label;
    this.early = this.labelEarly[label]!;
    this.earlyCount = this.labelEarlyCount[label]!;
    this.loadedSinceEarly = this.labelEarlyLoaded[label]!;
    for (let word = 0; word < words; word++) {
      this.earlyGlobals[word] = sets[at + word]!;
      this.sinceEarly[word] = sets[at + words + word]!;
    }
  }

  /** Takes up the state at a label; returns whether any branch goes there. `falls`: control also falls into it. */
  private enterLabel(label: number, falls: boolean): boolean {
    this.placed[label] = 1;
    const bits = this.labelBits[label]!;
    const loop = (bits & L_LOOP) !== 0;
    if ((bits & L_REACHED) === 0 && !(loop && falls)) return falls;
    if (falls && !loop) this.mergeEarly(label);
    if (falls) this.settleBefore(label);
    const words = this.words;
    for (let word = 0; word < words; word++) {
      const merged = this.labelDirty[label * words + word]! | (falls ? this.dirty[word]! : 0);
      if (merged === this.dirty[word]) continue;
      this.dirty[word] = merged;
      this.list = null;
    }
    this.spoiled = (falls && this.spoiled) || (bits & L_SPOILED) !== 0;
    this.loaded = (falls && this.loaded) || (bits & L_LOADED) !== 0;
    this.pointed = !loop && (!falls || this.pointed) && (bits & L_UNPOINTED) === 0;
    this.fresh = false;
    this.atEntry = false;
    if (loop) this.early = null;
    else this.enterEarly(label);
    return true;
  }

  /**
   * Whether the conditional branch at `index` decides between two ways out of the block and nothing else, the usual end of
   * a block. Both need the same stores, which are better done once in front of it.
   */
  private leavesBothWays(index: number): boolean {
    const label = this.ops[index]!.label;
    const behind = this.exitAt(index + 1);
    return (
      behind >= 0 &&
      behind < this.ops.length &&
      this.ops[behind]!.row.code === LABEL &&
      this.ops[behind]!.label === label &&
      this.exitAt(behind + 1) >= 0
    );
  }

  /** The index behind the exit (with or without a poll) that begins at `index`, or -1 when there is none. */
  private exitAt(index: number): number {
    const ops = this.ops;
    if (index < ops.length && ops[index]!.row.code === POLL) index++;
    return index < ops.length && (FACTS[ops[index]!.row.code]! & F_EXIT) !== 0 ? index + 1 : -1;
  }
}

const pass = new StateSync();
