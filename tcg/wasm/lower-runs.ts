// Looks at a block before it is lowered: where its straight runs are, and how often each value will be used.
import { type Block, callsHelper, type Op } from '../ir/block.ts';
import { OP_LIST, OPS } from '../ir/ops.ts';
import { Const, type Global } from '../ir/value.ts';
import { CodeWriter, VALTYPE_NUMBER } from './module-writer.ts';

/*
 * Every write of a variable makes a new version, numbered by the op that wrote it; `first + id` is the version a variable
 * has where a run begins (a run: a straight piece between labels). The walk backward counts the uses of each version.
 */

// Where a version is (`place`): a local, or one of these.
export const PENDING = -1;
/** Never needed. */
export const DEAD = -2;
/** A constant, written out at each use. */
export const CONSTANT = -3;
/** Used for the last time. */
export const SPENT = -4;

/** Added to the use count of a version for each place where it must be in the home of a variable. */
export const AT_BORDER = 0x10000;

// Classes of ops, by what the lowering does with them.
export const C_PURE = 0;
export const C_MOVE = 1;
export const C_ENV_LOAD = 2;
const C_LAST_REMOVABLE = 2;
export const C_LOAD = 3;
/** Emitted where it stands, operands a, b, c. */
export const C_EFFECT = 4;
export const C_INSN = 5;
export const C_LABEL = 6;
export const C_BR = 7;
export const C_BRCOND = 8;
export const C_CALL = 9;
export const C_POLL = 10;
export const C_EXIT = 11;
/** It leaves, or goes on. */
const C_LEAVE = 12;
const C_CHECKPOINT = 13;

/** The class of each op code. */
export const CLASS = new Uint8Array(OP_LIST.length);
for (const { name, code, flags } of OP_LIST) {
  CLASS[code] = name.startsWith('mov_')
    ? C_MOVE
    : name.startsWith('env_ld_')
      ? C_ENV_LOAD
      : name.startsWith('guest_ld_')
        ? C_LOAD
        : flags.effect
          ? C_EFFECT
          : C_PURE;
}
CLASS[OPS.insn_start.code] = C_INSN;
CLASS[OPS.label.code] = C_LABEL;
CLASS[OPS.br.code] = C_BR;
CLASS[OPS.brcond_i32.code] = CLASS[OPS.brcond_i64.code] = C_BRCOND;
for (const row of OP_LIST) if (callsHelper(row)) CLASS[row.code] = C_CALL;
CLASS[OPS.poll.code] = C_POLL;
CLASS[OPS.leave_if.code] = C_LEAVE;
CLASS[OPS.checkpoint_i32.code] = C_CHECKPOINT;
CLASS[OPS.goto_tb.code] = CLASS[OPS.goto_ptr.code] = CLASS[OPS.exit_tb.code] = C_EXIT;

const GOTO_TB = OPS.goto_tb.code;

/** Bytes of code an op takes at most, arguments and `sync` aside; and each value stored, passed or brought home. */
const BYTES_PER_OP = 224;
const BYTES_PER_VALUE = 36;

/** The first half of the lowering. Its tables are kept from block to block. */
export class RunAnalysis extends CodeWriter {
  protected ops: Op[] = [];
  protected block!: Block;

  // ---- the guest's globals
  protected globals: readonly Global[] = [];
  protected globalType = new Uint8Array(0);
  protected globalOffset = new Int32Array(0);

  // ---- versions, by number
  /** Version number of value id 0 at the start of a run. */
  protected first = 0;
  protected place = new Int32Array(0);
  /** Uses still to come. */
  protected left = new Int32Array(0);
  /** The global in whose home the version wants to be, or -1. */
  protected wantsHome = new Int32Array(0);
  /** Versions of the operands of an op; of a call that writes globals: its part of `pairs`. */
  protected refA = new Int32Array(0);
  protected refB = new Int32Array(0);
  protected refC = new Int32Array(0);

  // ---- variables, by value id
  /** The version a variable has now. */
  protected current = new Int32Array(0);
  /** Uses of the version a variable has here, while going backward; all 0 between blocks. */
  private count = new Int32Array(0);
  /** Temporaries whose value goes from one run to another; all 0 between blocks. */
  protected crosses = new Uint8Array(0);
  protected tempType = new Uint8Array(0);
  protected homeOf = new Int32Array(0);
  /** The version a home holds, and the run that put it there. */
  protected homeHolds = new Int32Array(0);
  protected homeRun = new Int32Array(0);

  // ---- runs and labels
  protected runs = 1;
  protected hasLoops = false;
  protected readonly runStart: number[] = [0];
  protected readonly runEnd: number[] = [0];
  /** The label a run begins with, or -1. */
  protected readonly runLabel: number[] = [-1];
  /** Pairs (value id, uses) of the versions at the start of a run: from here to there in `pairs`. */
  protected readonly runPairs: number[] = [0];
  protected readonly runPairsEnd: number[] = [0];
  protected readonly pairs: number[] = [];
  private pairCount = 0;
  protected runOfLabel = new Int32Array(0);
  private labelRefs = new Int32Array(0);
  private labelPlace = new Int32Array(0);
  private labelLastRef = new Int32Array(0);
  /** Number of a label's wasm block in order of placement, or -1 when a plain `if` does. */
  protected labelBlock = new Int32Array(0);
  private branches = 0;
  /** Globals live at the start of a run, as words of bits. */
  protected live = new Int32Array(0);
  protected liveWords = 0;
  private grew = false;
  /** Value ids whose count has left 0 in this run; only the first `touchedCount` count. */
  private readonly touched: number[] = [];
  private touchedCount = 0;
  /** Values in `sync` lists and arguments. */
  private listed = 0;

  /** Takes up a block: finds its runs, counts uses, and makes room for its code. */
  protected examine(block: Block): void {
    this.block = block;
    this.ops = block.ops;
    const n = block.ops.length;
    this.first = n;
    if (block.globals !== this.globals) this.useGlobals(block.globals);
    this.ensureTables(n, block.valueCount);
    this.runs = 1;
    this.runEnd[0] = n;
    this.hasLoops = false;
    if (block.labelCount > 0) this.findRuns();
    this.listed = 0;
    if (this.runs === 1) {
      this.pairCount = 0;
      this.place.fill(PENDING, 0, n);
      this.analyseRun(0);
    } else {
      this.analyseRuns();
    }
    const versions = n + block.valueCount + this.pairCount;
    if (versions > this.place.length) this.growVersions(versions * 2);
    let room = BYTES_PER_OP * n + BYTES_PER_VALUE * this.listed;
    if (this.runs > 1) room += BYTES_PER_VALUE * this.globals.length * (this.branches + 2 * this.runs);
    this.reserve(room);
  }

  private useGlobals(globals: readonly Global[]): void {
    this.globals = globals;
    this.globalType = new Uint8Array(globals.length);
    this.globalOffset = new Int32Array(globals.length);
    for (let i = 0; i < globals.length; i++) {
      this.globalType[i] = VALTYPE_NUMBER[globals[i]!.type];
      this.globalOffset[i] = globals[i]!.offset;
    }
    this.liveWords = (globals.length + 31) >> 5;
  }

  private ensureTables(n: number, values: number): void {
    if (values > this.count.length) {
      const size = values * 2;
      this.current = new Int32Array(size);
      this.count = new Int32Array(size);
      this.crosses = new Uint8Array(size);
      this.tempType = new Uint8Array(size);
      this.homeOf = new Int32Array(size);
      this.homeHolds = new Int32Array(size);
      this.homeRun = new Int32Array(size);
    }
    if (n + values > this.place.length) this.growVersions((n + values) * 2);
    if (n > this.refA.length) {
      const size = n * 2;
      this.refA = new Int32Array(size);
      this.refB = new Int32Array(size);
      this.refC = new Int32Array(size);
    }
    const labels = this.block.labelCount;
    if (labels > this.labelRefs.length) {
      const size = labels * 2;
      this.runOfLabel = new Int32Array(size);
      this.labelRefs = new Int32Array(size);
      this.labelPlace = new Int32Array(size);
      this.labelLastRef = new Int32Array(size);
      this.labelBlock = new Int32Array(size);
    }
  }

  private growVersions(size: number): void {
    const grown = (old: Int32Array) => {
      const table = new Int32Array(size);
      table.set(old);
      return table;
    };
    this.place = grown(this.place);
    this.left = grown(this.left);
    this.wantsHome = grown(this.wantsHome);
  }

  // ---- runs

  /** Cuts the block at the labels that branches name (with loops also behind conditional branches). */
  private findRuns(): void {
    const { ops, labelRefs, labelPlace, labelLastRef, runStart, runEnd } = this;
    const n = ops.length;
    const labels = this.block.labelCount;
    labelRefs.fill(0, 0, labels);
    labelPlace.fill(-1, 0, labels);
    this.branches = 0;
    for (let i = 0; i < n; i++) {
      const op = ops[i]!;
      if (op.label === null) continue;
      const label = op.label.id;
      if (CLASS[op.row.code] === C_LABEL) {
        labelPlace[label] = i;
      } else {
        labelRefs[label]!++;
        labelLastRef[label] = i;
        this.branches++;
        if (labelPlace[label]! >= 0) this.hasLoops = true;
      }
    }
    let run = 0;
    let open = true;
    let lastPlace = -1;
    let blocks = 0;
    for (let i = 0; i < n; i++) {
      const op = ops[i]!;
      const cls = CLASS[op.row.code]!;
      if (cls < C_LABEL) continue;
      if (cls === C_LABEL) {
        const label = op.label!.id;
        const refs = labelRefs[label]!;
        if (refs === 0) continue;
        if (open) runEnd[run] = i;
        run++;
        runStart[run] = i + 1;
        this.runLabel[run] = label;
        this.runOfLabel[label] = run;
        const ref = labelLastRef[label]!;
        const plainIf = refs === 1 && ref > lastPlace && CLASS[ops[ref]!.row.code] === C_BRCOND;
        this.labelBlock[label] = plainIf ? -1 : blocks++;
        lastPlace = i;
        open = true;
      } else if (open && (cls === C_BR || cls === C_EXIT)) {
        runEnd[run] = i + 1;
        open = false;
      } else if (open && this.hasLoops && cls === C_BRCOND) {
        runEnd[run] = i + 1;
        run++;
        runStart[run] = i + 1;
        this.runLabel[run] = -1;
      }
    }
    if (open) runEnd[run] = n;
    this.runs = run + 1;
    const words = this.runs * this.liveWords;
    if (this.live.length < words) this.live = new Int32Array(words * 2);
  }

  /** Whether control falls from the end of a run into the next. */
  protected falls(run: number): boolean {
    const end = this.runEnd[run]!;
    if (end === this.runStart[run]) return true;
    const cls = CLASS[this.ops[end - 1]!.row.code]!;
    return cls !== C_BR && cls !== C_EXIT;
  }

  /** Where control goes from a run; of two, first where a true condition leads. */
  protected successorsOf(run: number): number[] {
    const end = this.runEnd[run]!;
    if (end === this.runStart[run]) return [run + 1];
    const last = this.ops[end - 1]!;
    switch (CLASS[last.row.code]) {
      case C_EXIT:
        return [];
      case C_BR:
        return [this.runOfLabel[last.label!.id]!];
      case C_BRCOND:
        return [this.runOfLabel[last.label!.id]!, run + 1];
      default:
        return [run + 1];
    }
  }

  // ---- uses

  /** Counts the uses of every version, finds what is live where runs begin, and what is never needed. */
  private analyseRuns(): void {
    const values = this.block.valueCount;
    this.live.fill(0, 0, this.runs * this.liveWords);
    this.homeOf.fill(0, 0, values);
    this.homeRun.fill(-1, 0, values);
    do {
      this.grew = false;
      this.pairCount = 0;
      this.listed = 0;
      this.place.fill(PENDING, 0, this.first);
      for (let run = this.runs - 1; run >= 0; run--) this.analyseRun(run);
    } while (this.grew && this.hasLoops);
  }

  private analyseRun(run: number): void {
    const { ops, count, left, place, crosses, touched, tempType } = this;
    const multi = this.runs > 1;
    // Temporaries do not live at the start of a block: their counts return to 0 by themselves.
    const touchLimit = multi ? this.block.valueCount : this.globals.length;
    this.touchedCount = 0;
    if (multi && run + 1 < this.runs && this.falls(run)) this.useLive(run + 1);
    const start = this.runStart[run]!;
    for (let i = this.runEnd[run]! - 1; i >= start; i--) {
      const op = ops[i]!;
      const cls = CLASS[op.row.code]!;
      if (cls === C_INSN) {
        const sync = op.sync;
        if (sync !== null && sync.length > 0) this.useList(sync);
        continue;
      }
      const out = op.out;
      let uses = 0;
      if (out !== null) {
        const id = out.id;
        uses = count[id]!;
        if (uses === 0) {
          if (cls <= C_LAST_REMOVABLE && crosses[id] === 0) {
            place[i] = DEAD;
            continue;
          }
        } else {
          count[id] = 0;
        }
        left[i] = uses;
        if (multi) tempType[id] = VALTYPE_NUMBER[out.type];
      }
      const a = op.a;
      if (cls === C_MOVE) {
        if (a instanceof Const) {
          place[i] = CONSTANT;
        } else {
          const id = a!.id;
          const known = count[id]!;
          if (known === 0 && id < touchLimit) touched[this.touchedCount++] = id;
          count[id] = known + (crosses[out!.id] !== 0 ? 1 : uses);
        }
        continue;
      }
      if (a !== null) {
        if (!(a instanceof Const)) {
          const id = a.id;
          const known = count[id]!;
          if (known === 0 && id < touchLimit) touched[this.touchedCount++] = id;
          count[id] = known + 1;
        }
        const b = op.b;
        if (b !== null) {
          if (!(b instanceof Const)) {
            const id = b.id;
            const known = count[id]!;
            if (known === 0 && id < touchLimit) touched[this.touchedCount++] = id;
            count[id] = known + 1;
          }
          const c = op.c;
          if (c !== null && !(c instanceof Const)) this.useId(c.id, 1);
        }
      }
      if (cls > C_INSN) this.analyseControl(op, i, cls);
    }
    this.endAnalyseRun(run);
  }

  private analyseControl(op: Op, i: number, cls: number): void {
    if (cls === C_CALL) {
      if (op.helper!.writesGlobals) this.redefineGlobals(i);
      const args = op.args!;
      this.listed += args.length;
      for (let k = 0; k < args.length; k++) {
        const arg = args[k]!;
        if (!(arg instanceof Const)) this.useId(arg.id, 1);
      }
    } else if (cls === C_BR || cls === C_BRCOND) {
      this.useLive(this.runOfLabel[op.label!.id]!);
    } else if (cls === C_POLL && this.pollsInGoto(i)) {
      return;
    }
    const sync = op.sync;
    if (sync !== null && sync.length > 0) this.useList(sync);
  }

  private useList(list: readonly Global[]): void {
    const { count, touched } = this;
    this.listed += list.length;
    for (let k = 0; k < list.length; k++) {
      const id = list[k]!.id;
      const known = count[id]!;
      if (known === 0) touched[this.touchedCount++] = id;
      count[id] = known + 1;
    }
  }

  private useId(id: number, uses: number): void {
    const known = this.count[id]!;
    if (known === 0) this.touched[this.touchedCount++] = id;
    this.count[id] = known + uses;
  }

  /** Counts the globals live at the start of `run` as wanted in their homes. */
  private useLive(run: number): void {
    const words = this.liveWords;
    for (let word = 0; word < words; word++) {
      for (let bits = this.live[run * words + word]!; bits !== 0; bits &= bits - 1) {
        this.useId((word << 5) + 31 - Math.clz32(bits & -bits), AT_BORDER);
      }
    }
  }

  /** All globals get new versions in the call at `i`; those with uses are listed in `pairs` from refA[i] to refB[i]. */
  private redefineGlobals(i: number): void {
    const { count, pairs } = this;
    this.refA[i] = this.pairCount;
    for (let id = 0; id < this.globals.length; id++) {
      if (count[id] === 0) continue;
      pairs[this.pairCount++] = id;
      pairs[this.pairCount++] = count[id]!;
      count[id] = 0;
    }
    this.refB[i] = this.pairCount;
    this.listed += this.globals.length;
  }

  private endAnalyseRun(run: number): void {
    const { touched, count, pairs } = this;
    const globals = this.globals.length;
    const multi = this.runs > 1;
    let pair = this.pairCount;
    this.runPairs[run] = pair;
    for (let k = 0; k < this.touchedCount; k++) {
      const id = touched[k]!;
      const uses = count[id]!;
      if (uses === 0) continue;
      count[id] = 0;
      pairs[pair++] = id;
      pairs[pair++] = uses;
      if (!multi) continue;
      if (id < globals) {
        const word = run * this.liveWords + (id >> 5);
        const old = this.live[word]!;
        const bit = 1 << (id & 31);
        if ((old & bit) === 0) {
          this.live[word] = old | bit;
          this.grew = true;
        }
      } else if (this.crosses[id] === 0) {
        this.crosses[id] = 1;
        this.grew = true;
      }
    }
    this.runPairsEnd[run] = pair;
    this.pairCount = pair;
  }

  /** Whether the poll at `i` is done by the `goto_tb` behind it, which goes to the same PC. */
  pollsInGoto(i: number): boolean {
    const next = this.ops[i + 1];
    return next !== undefined && next.row.code === GOTO_TB && next.imm >>> 0 === this.ops[i]!.imm >>> 0;
  }
}
