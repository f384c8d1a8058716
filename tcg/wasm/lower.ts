// Lowers one block of IR to one WebAssembly function: which values exist, where they are kept, when they are computed.
import type { CodegenLayout } from '../engine.ts';
import type { Block, Op } from '../ir/block.ts';
import type { HelperRow } from '../ir/helper-table.ts';
import { OP_LIST, OPS } from '../ir/ops.ts';
import { Const, type Global, type Value } from '../ir/value.ts';
import { emitCounter, emitSync } from './lower-control.ts';
import { emitCondition, LOWERING, type Rule } from './lower-table.ts';
import { CodeWriter, VALTYPE_NUMBER, type ValType } from './module-writer.ts';
import { W } from './opcodes.ts';
import { SCRIPT, type Successors, structure } from './structure.ts';

/*
 * How values are kept. Every write of a variable makes a new version, numbered by the op that wrote it; `first + id` is the
 * version a variable has where a run begins (a run: a straight piece between labels). A version is computed where it is
 * first used, so that expressions nest in place of going through locals; if it has more uses it stays in a local from then
 * on. Copies only give a version another name. What may not move past an effect (a load past a store) is computed when the
 * effect comes. Only variables that live across labels have a local of their own, their home, which holds their value
 * wherever runs meet.
 */

/** Where a version is (`place`): a local, or one of these. */
const PENDING = -1;
/** Never needed. */
const DEAD = -2;
/** A constant, written out at each use. */
const CONSTANT = -3;
/** Used for the last time. */
const SPENT = -4;

/** In place of a version number: the operand is a constant. */
const CONST_REF = -1;
/** Added to the use count of a version for each place where it must be in the home of a variable. */
const AT_BORDER = 0x10000;
/** Bytes that may be written without asking for room again. */
const ROOM = 256;
/** A run of this many ops computes what is still pending, so that expressions do not nest without end. */
const MAX_PENDING_OPS = 400;

/** Classes of ops, by what the passes do with them. */
const C_PURE = 0;
const C_MOVE = 1;
const C_ENV_LOAD = 2;
const C_LAST_REMOVABLE = 2;
const C_LOAD = 3;
/** Emitted where it stands, operands a, b, c. */
const C_EFFECT = 4;
const C_INSN = 5;
const C_LABEL = 6;
const C_BR = 7;
const C_BRCOND = 8;
const C_CALL = 9;
const C_POLL = 10;
const C_EXIT = 11;

const CLASS = new Uint8Array(OP_LIST.length);
/** Opcode of ops that are one instruction on operands a, b, c in order; 0 for the others. */
const PLAIN = new Int32Array(OP_LIST.length);
const RULES: (Rule | null)[] = [];
const ARITY = new Uint8Array(OP_LIST.length);
/** Value type of the result. */
const OUT_TYPE = new Uint8Array(OP_LIST.length);

for (const row of OP_LIST) {
  const { name, code, flags } = row;
  const rule = LOWERING[name];
  PLAIN[code] = typeof rule === 'number' ? rule : 0;
  RULES.push(typeof rule === 'number' ? null : rule);
  ARITY[code] = row.ins.length;
  OUT_TYPE[code] = row.out === null ? 0 : VALTYPE_NUMBER[row.out];
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
CLASS[OPS.call.code] = C_CALL;
CLASS[OPS.poll.code] = C_POLL;
CLASS[OPS.goto_tb.code] = CLASS[OPS.goto_ptr.code] = CLASS[OPS.exit_tb.code] = C_EXIT;

const ADD_I32 = OPS.add_i32.code;
const GOTO_TB = OPS.goto_tb.code;

const LOCAL_GET = W['local.get'];
const LOCAL_SET = W['local.set'];
const LOCAL_TEE = W['local.tee'];
/** Load and store of a whole value by type. */
const LOAD_WHOLE = [W['i32.load'], W['i64.load'], W['f32.load'], W['f64.load'], W['v128.load']];
const STORE_WHOLE = [W['i32.store'], W['i64.store'], W['f32.store'], W['f64.store'], W['v128.store']];
const ALIGN_WHOLE = [2, 3, 2, 3, 4];

/**
 * Constant displacements below this become the offset of the access. Where address plus offset leaves 4 GiB the guest's
 * address would have wrapped around: the engine traps instead, and the replay accesses the right address.
 */
const MAX_FOLDED_OFFSET = 0x10000;

/** What the lowering must know of its surroundings. */
export interface LoweringOptions {
  readonly layout: CodegenLayout;
  /** Offset from `env` of a word that nobody reads; loops store to it so that the engine loads the poll word each time. */
  readonly scratch?: number;
  /** Leave by tail calls through the table; otherwise every exit returns to the execution loop. */
  readonly chain: boolean;
  /** The table slot through which the block at `pc` is entered. */
  slotOf(pc: number): number;
  /** The function index of a helper. */
  indexOf(helper: HelperRow): number;
}

/** Lowers blocks one after the other into its own code buffer. Its tables are kept from block to block. */
export class Lowering extends CodeWriter {
  options!: LoweringOptions;
  private ops: Op[] = [];
  private block!: Block;

  // ---- the guest's globals
  private globals: readonly Global[] = [];
  private globalType = new Uint8Array(0);

  // ---- versions, by number
  /** Version number of value id 0 at the start of a run. */
  private first = 0;
  private place = new Int32Array(0);
  /** Uses still to come. */
  private left = new Int32Array(0);
  /** The global in whose home the version wants to be, or -1. */
  private wantsHome = new Int32Array(0);
  /** Versions of the operands of an op. */
  refA = new Int32Array(0);
  refB = new Int32Array(0);
  refC = new Int32Array(0);

  // ---- variables, by value id
  /** The version a variable has now. */
  private current = new Int32Array(0);
  /** Uses of the version a variable has here, while going backward; all 0 between blocks. */
  private count = new Int32Array(0);
  /** Temporaries whose value goes from one run to another. */
  private crosses = new Uint8Array(0);
  private tempType = new Uint8Array(0);
  private homeOf = new Int32Array(0);
  /** The version a home holds, and the run that put it there. */
  private homeHolds = new Int32Array(0);
  private homeRun = new Int32Array(0);

  // ---- runs and labels
  private runs = 1;
  private run = 0;
  private hasLoops = false;
  private runStart: number[] = [];
  private runEnd: number[] = [];
  /** Pairs (value id, uses) of the versions at the start of a run: from here to there in `pairs`. */
  private runPairs: number[] = [];
  private runPairsEnd: number[] = [];
  private pairs: number[] = [];
  private runLabel: number[] = [];
  private runOfLabel = new Int32Array(0);
  private labelRefs = new Int32Array(0);
  private labelPlace = new Int32Array(0);
  private labelLastRef = new Int32Array(0);
  /** Number of a label's wasm block in order of placement, or -1 when a plain `if` does. */
  private labelBlock = new Int32Array(0);
  private closedBlocks = 0;
  private ifOpen = false;
  /** Globals live at the start of a run, as words of bits. */
  private live = new Int32Array(0);
  private liveWords = 0;
  private grew = false;
  private touched: number[] = [];

  // ---- computed later
  private loads: number[] = [];
  private envLoads: number[] = [];
  private lastSettled = 0;

  // ---- locals
  private localCount = 0;
  private localType = new Uint8Array(64);
  private localIsHome = new Uint8Array(65);
  private readonly freeLocals: number[][] = [[], [], [], [], []];

  /** Starts a new group of functions. */
  begin(options: LoweringOptions): void {
    this.options = options;
    this.pos = 0;
  }

  /**
   * Appends the function of a block whose `sync` lists are set. `counter` is the absolute address of the word that counts
   * the runs left until the function returns HOT, or 0. Throws when the block calls a helper in a way that cannot be.
   */
  lowerBlock(block: Block, counter: number): void {
    this.block = block;
    this.ops = block.ops;
    const n = block.ops.length;
    this.first = n;
    if (block.globals !== this.globals) this.useGlobals(block.globals);
    this.ensureTables(n, block.valueCount);
    this.findRuns();
    this.analyse();
    this.beginFunction();
    this.localCount = 0;
    for (const free of this.freeLocals) free.length = 0;
    this.reserve(ROOM);
    if (counter !== 0) emitCounter(this, counter);
    this.place.fill(DEAD, n, n + this.globals.length);
    this.lastSettled = 0;
    if (this.hasLoops) this.emitStructured();
    else this.emitLinear();
    this.endFunction(this.localType, this.localCount);
    if (this.runs > 1) this.crosses.fill(0, 0, block.valueCount);
  }

  private useGlobals(globals: readonly Global[]): void {
    this.globals = globals;
    this.globalType = new Uint8Array(globals.length);
    for (let i = 0; i < globals.length; i++) this.globalType[i] = VALTYPE_NUMBER[globals[i]!.type];
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
    this.runs = 1;
    this.runStart[0] = 0;
    this.runEnd[0] = this.ops.length;
    this.hasLoops = false;
    const labels = this.block.labelCount;
    if (labels === 0) return;
    const { ops, labelRefs, labelPlace, labelLastRef } = this;
    const n = ops.length;
    labelRefs.fill(0, 0, labels);
    labelPlace.fill(-1, 0, labels);
    for (let i = 0; i < n; i++) {
      const op = ops[i]!;
      const cls = CLASS[op.row.code]!;
      if (cls === C_LABEL) {
        labelPlace[op.label!.id] = i;
      } else if (cls === C_BR || cls === C_BRCOND) {
        const label = op.label!.id;
        labelRefs[label]!++;
        labelLastRef[label] = i;
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
      if (cls === C_LABEL) {
        const label = op.label!.id;
        if (labelRefs[label] === 0) continue;
        if (open) this.runEnd[run] = i;
        run++;
        this.runStart[run] = i + 1;
        this.runLabel[run] = label;
        this.runOfLabel[label] = run;
        const plainIf =
          labelRefs[label] === 1 &&
          labelLastRef[label]! > lastPlace &&
          CLASS[ops[labelLastRef[label]!]!.row.code] === C_BRCOND;
        this.labelBlock[label] = plainIf ? -1 : blocks++;
        lastPlace = i;
        open = true;
      } else if (open && (cls === C_BR || cls === C_EXIT)) {
        this.runEnd[run] = i + 1;
        open = false;
      } else if (open && this.hasLoops && cls === C_BRCOND) {
        this.runEnd[run] = i + 1;
        run++;
        this.runStart[run] = i + 1;
        this.runLabel[run] = -1;
      }
    }
    if (open) this.runEnd[run] = n;
    this.runs = run + 1;
    this.live.length < this.runs * this.liveWords && (this.live = new Int32Array(this.runs * this.liveWords * 2));
  }

  /** Whether control falls from the end of a run into the next. */
  private falls(run: number): boolean {
    const end = this.runEnd[run]!;
    if (end === this.runStart[run]) return true;
    const cls = CLASS[this.ops[end - 1]!.row.code]!;
    return cls !== C_BR && cls !== C_EXIT;
  }

  // ---- backward: uses

  /** Counts the uses of every version, finds what is live where runs begin, and what is never needed. */
  private analyse(): void {
    if (this.runs > 1) {
      this.live.fill(0, 0, this.runs * this.liveWords);
      this.homeOf.fill(0, 0, this.block.valueCount);
      this.homeRun.fill(-1, 0, this.block.valueCount);
    }
    do {
      this.grew = false;
      this.pairs.length = 0;
      for (let run = this.runs - 1; run >= 0; run--) this.analyseRun(run);
    } while (this.grew && this.hasLoops);
  }

  private analyseRun(run: number): void {
    const { ops, count, left, place, crosses, touched } = this;
    const multi = this.runs > 1;
    touched.length = 0;
    if (multi && run + 1 < this.runs && this.falls(run)) this.useLive(run + 1);
    const start = this.runStart[run]!;
    for (let i = this.runEnd[run]! - 1; i >= start; i--) {
      const op = ops[i]!;
      const code = op.row.code;
      const cls = CLASS[code]!;
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
        place[i] = PENDING;
        if (multi) this.tempType[id] = VALTYPE_NUMBER[out.type];
      }
      const a = op.a;
      if (cls === C_MOVE) {
        if (a instanceof Const) {
          place[i] = CONSTANT;
        } else {
          const id = a!.id;
          const known = count[id]!;
          if (known === 0) touched.push(id);
          count[id] = known + (crosses[out!.id] !== 0 ? 1 : uses);
        }
        continue;
      }
      if (a !== null && !(a instanceof Const)) {
        const known = count[a.id]!++;
        if (known === 0) touched.push(a.id);
      }
      const b = op.b;
      if (b !== null && !(b instanceof Const)) {
        const known = count[b.id]!++;
        if (known === 0) touched.push(b.id);
      }
      const c = op.c;
      if (c !== null && !(c instanceof Const)) {
        const known = count[c.id]!++;
        if (known === 0) touched.push(c.id);
      }
      if (cls >= C_INSN) this.analyseControl(op, i, cls);
    }
    this.endAnalyseRun(run);
  }

  private analyseControl(op: Op, i: number, cls: number): void {
    if (cls === C_CALL) {
      if (op.helper!.writesGlobals) this.redefineGlobals(i);
      const args = op.args!;
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
    if (sync !== null) for (let k = 0; k < sync.length; k++) this.useId(sync[k]!.id, 1);
  }

  private useId(id: number, uses: number): void {
    const known = this.count[id]!;
    if (known === 0) this.touched.push(id);
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
    const count = this.count;
    this.refA[i] = this.pairs.length;
    for (let id = 0; id < this.globals.length; id++) {
      if (count[id] === 0) continue;
      this.pairs.push(id, count[id]!);
      count[id] = 0;
    }
    this.refB[i] = this.pairs.length;
  }

  private endAnalyseRun(run: number): void {
    const { touched, count, pairs } = this;
    const globals = this.globals.length;
    this.runPairs[run] = pairs.length;
    for (let k = 0; k < touched.length; k++) {
      const id = touched[k]!;
      const uses = count[id]!;
      if (uses === 0) continue;
      count[id] = 0;
      pairs.push(id, uses);
      if (this.runs === 1) continue;
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
    this.runPairsEnd[run] = pairs.length;
  }

  // ---- forward: drivers

  /** Emits a block whose branches all go forward: every label is the end of a wasm block. */
  private emitLinear(): void {
    this.startRun(0);
    if (this.runs > 1) {
      for (let run = 1; run < this.runs; run++) {
        if (this.labelBlock[this.runLabel[run]!]! < 0) continue;
        this.reserve(ROOM);
        this.open(W.block);
      }
      this.closedBlocks = 0;
      this.ifOpen = false;
    }
    for (let run = 0; ; ) {
      const end = this.runEnd[run]!;
      for (let i = this.runStart[run]!; i < end; i++) {
        const cls = this.statement(i);
        if (cls >= C_BR && cls <= C_BRCOND) this.branchForward(i, cls);
        else if (cls === C_EXIT) break;
      }
      if (++run === this.runs) break;
      if (this.falls(run - 1)) {
        this.settleLoads();
        this.border(run);
      }
      this.reserve(ROOM);
      this.op(W.end);
      if (this.labelBlock[this.runLabel[run]!]! < 0) this.ifOpen = false;
      else this.closedBlocks++;
      this.startRun(run);
    }
  }

  private branchForward(i: number, cls: number): void {
    const op = this.ops[i]!;
    const label = op.label!.id;
    const target = this.runOfLabel[label]!;
    if (op.sync !== null) emitSync(this, op.sync);
    this.settleLoads();
    this.border(target);
    const block = this.labelBlock[label]!;
    if (cls === C_BRCOND) {
      emitCondition(this, op, i, block < 0);
      if (block < 0) {
        this.open(W.if);
        this.ifOpen = true;
        return;
      }
    } else if (this.runStart[target] === i + 2) {
      // The label is the next op.
      return;
    }
    this.opU32(cls === C_BRCOND ? W.br_if : W.br, block - this.closedBlocks + (this.ifOpen ? 1 : 0));
  }

  /** Emits a block with loops by the plan of `structure`. */
  private emitStructured(): void {
    const successors: Successors = [];
    for (let run = 0; run < this.runs; run++) successors.push(this.successorsOf(run));
    const script = structure(successors);
    let selector = 0;
    for (let at = 0; at < script.length; ) {
      this.reserve(ROOM);
      switch (script[at++]) {
        case SCRIPT.CODE:
          this.emitRun(script[at++]!);
          break;
        case SCRIPT.CONDITION: {
          const i = this.runEnd[script[at++]!]! - 1;
          emitCondition(this, this.ops[i]!, i, script[at++] === 1);
          break;
        }
        case SCRIPT.BLOCK:
          this.open(W.block);
          break;
        case SCRIPT.LOOP:
          this.open(W.loop);
          break;
        case SCRIPT.IF:
          this.open(W.if);
          break;
        case SCRIPT.END:
          this.op(W.end);
          break;
        case SCRIPT.BR:
          this.opU32(W.br, script[at++]!);
          break;
        case SCRIPT.BR_IF:
          this.opU32(W.br_if, script[at++]!);
          break;
        case SCRIPT.SELECT_TARGET:
          if (selector === 0) selector = this.allocate(0);
          this.i32Const(script[at++]!);
          this.opU32(LOCAL_SET, selector);
          break;
        case SCRIPT.BR_TABLE: {
          const targets = script[at++]!;
          this.opU32(LOCAL_GET, selector);
          this.opU32(W.br_table, targets - 1);
          for (let k = 0; k < targets; k++) {
            this.reserve(ROOM);
            this.u32(script[at++]!);
          }
          break;
        }
      }
    }
    this.reserve(ROOM);
    this.op(W.unreachable);
  }

  /** Where control goes from a run; of two, first where a true condition leads. */
  private successorsOf(run: number): number[] {
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

  private emitRun(run: number): void {
    this.startRun(run);
    const end = this.runEnd[run]!;
    for (let i = this.runStart[run]!; i < end; i++) {
      const cls = this.statement(i);
      if (cls === C_BRCOND && this.ops[i]!.sync !== null) emitSync(this, this.ops[i]!.sync!);
    }
    const next = this.successorsOf(run);
    if (next.length === 0) return;
    this.settleLoads();
    for (const target of next) this.border(target);
  }

  /** Sets up the versions all variables have at the start of a run. */
  private startRun(run: number): void {
    const { pairs, current, left, place, first } = this;
    this.run = run;
    this.lastSettled = this.runStart[run]!;
    this.loads.length = 0;
    this.envLoads.length = 0;
    const end = this.runPairsEnd[run]!;
    for (let k = this.runPairs[run]!; k < end; k += 2) {
      const id = pairs[k]!;
      const version = first + id;
      current[id] = version;
      left[version] = pairs[k + 1]!;
      if (run === 0) {
        if (id >= this.globals.length) throw new Error(`temporary ${id} is used before it is written`);
        place[version] = PENDING;
        this.wantsHome[version] = id;
      } else {
        place[version] = this.home(id);
        this.homeHolds[id] = version;
        this.homeRun[id] = run;
      }
    }
  }

  /** Puts every global that is live at the start of `target` into its home. */
  private border(target: number): void {
    const words = this.liveWords;
    for (let word = 0; word < words; word++) {
      for (let bits = this.live[target * words + word]!; bits !== 0; bits &= bits - 1) {
        this.bringHome((word << 5) + 31 - Math.clz32(bits & -bits));
      }
    }
  }

  private bringHome(id: number): void {
    const version = this.current[id]!;
    if (this.homeRun[id] === this.run && this.homeHolds[id] === version) {
      this.left[version]! -= AT_BORDER;
      return;
    }
    if (this.place[version] === PENDING) {
      this.place[version] = SPENT;
      this.emitTree(version);
      this.left[version]! -= AT_BORDER;
      this.setHome(id, version);
    } else {
      this.left[version]! -= AT_BORDER - 1;
      this.pull(version);
      this.vacate(id);
      this.opU32(LOCAL_SET, this.home(id));
      this.homeHolds[id] = version;
      this.homeRun[id] = this.run;
    }
  }

  // ---- forward: statements

  /** Emits one op, or notes it for later. Branches are left to the driver. Returns the op's class. */
  private statement(i: number): number {
    const op = this.ops[i]!;
    const code = op.row.code;
    const cls = CLASS[code]!;
    if (cls <= C_LOAD) {
      if (this.place[i] === DEAD) return cls;
      const { current } = this;
      const a = op.a;
      if (cls === C_MOVE) {
        this.move(op, i);
        return cls;
      }
      if (a !== null) {
        this.refA[i] = a instanceof Const ? CONST_REF : current[a.id]!;
        const b = op.b;
        if (b !== null) {
          this.refB[i] = b instanceof Const ? CONST_REF : current[b.id]!;
          const c = op.c;
          if (c !== null) this.refC[i] = c instanceof Const ? CONST_REF : current[c.id]!;
        }
      }
      const id = op.out!.id;
      if (cls !== C_PURE) {
        if (cls === C_ENV_LOAD) {
          this.envLoads.push(i);
        } else {
          if (this.left[i] === 0 && this.crosses[id] === 0) {
            this.place[i] = SPENT;
            this.emitTree(i);
            this.op(W.drop);
            return cls;
          }
          this.loads.push(i);
        }
      }
      current[id] = i;
      if (this.runs > 1) {
        if (id < this.globals.length) {
          this.wantsHome[i] = id;
        } else {
          this.wantsHome[i] = -1;
          if (this.crosses[id] !== 0) {
            this.place[i] = SPENT;
            this.emitTree(i);
            this.setHome(id, i);
          }
        }
      }
      if (i - this.lastSettled > MAX_PENDING_OPS) this.settleAll(i);
      return cls;
    }
    if (cls >= C_LABEL && cls <= C_BRCOND) {
      if (cls === C_BRCOND) this.resolve(op, i);
      return cls;
    }
    this.reserve(ROOM);
    this.resolve(op, i);
    RULES[code]!(this, op, i);
    if (op.out !== null && cls === C_EFFECT) this.result(op, i);
    return cls;
  }

  /** Notes the versions of the operands of an op. */
  private resolve(op: Op, i: number): void {
    const current = this.current;
    const a = op.a;
    if (a === null) return;
    this.refA[i] = a instanceof Const ? CONST_REF : current[a.id]!;
    const b = op.b;
    if (b === null) return;
    this.refB[i] = b instanceof Const ? CONST_REF : current[b.id]!;
    const c = op.c;
    if (c !== null) this.refC[i] = c instanceof Const ? CONST_REF : current[c.id]!;
  }

  private move(op: Op, i: number): void {
    const out = op.out!.id;
    const a = op.a!;
    if (this.crosses[out] !== 0) {
      const ref = a instanceof Const ? CONST_REF : this.current[a.id]!;
      this.reserve(ROOM);
      this.use(ref, a);
      this.setHome(out, i);
      this.current[out] = i;
    } else if (a instanceof Const) {
      this.current[out] = i;
    } else {
      const version = this.current[a.id]!;
      this.current[out] = version;
      if (this.runs > 1 && out < this.globals.length) this.wantsHome[version] = out;
    }
  }

  /** Takes the result of an op emitted where it stands from the stack. */
  result(op: Op, i: number): void {
    const id = op.out!.id;
    this.current[id] = i;
    if (this.runs > 1) {
      this.wantsHome[i] = id < this.globals.length ? id : -1;
      if (this.crosses[id] !== 0) {
        this.setHome(id, i);
        return;
      }
    }
    if (this.left[i] === 0) {
      this.place[i] = SPENT;
      this.op(W.drop);
    } else {
      this.settle(i, LOCAL_SET);
    }
  }

  // ---- versions

  /** Puts an operand on the stack: a version, or the constant `value`. */
  use(ref: number, value: Value): void {
    if (ref === CONST_REF) this.constant(value as Const);
    else this.pull(ref);
  }

  /** Puts operand a, b or c of the op at `i` on the stack. */
  a(op: Op, i: number): void {
    this.use(this.refA[i]!, op.a!);
  }
  b(op: Op, i: number): void {
    this.use(this.refB[i]!, op.b!);
  }
  c(op: Op, i: number): void {
    this.use(this.refC[i]!, op.c!);
  }

  /** Puts the value a variable has now, or a constant, on the stack. */
  useValue(value: Value): void {
    if (value instanceof Const) this.constant(value);
    else this.pull(this.current[value.id]!);
  }

  /** Puts a version on the stack; one use of it is done. */
  private pull(version: number): void {
    const place = this.place[version]!;
    const left = this.left[version]! - 1;
    this.left[version] = left;
    if (place >= 0) {
      this.opU32(LOCAL_GET, place);
      if (left === 0) this.release(place);
    } else if (place === PENDING) {
      this.place[version] = SPENT;
      this.emitTree(version);
      if (left > 0) this.settle(version, LOCAL_TEE);
      this.reserve(ROOM);
    } else if (place === CONSTANT) {
      this.constant(this.ops[version]!.a as Const);
    } else {
      throw new Error(`value of op ${version} is used more often than counted`);
    }
  }

  private constant(value: Const): void {
    switch (value.type) {
      case 'i32':
        this.i32Const(value.value as number);
        break;
      case 'i64':
        this.i64Const(value.value as bigint);
        break;
      case 'f32':
        this.f32Const(value.value as number);
        break;
      case 'f64':
        this.f64Const(value.value as number);
        break;
      case 'v128':
        this.op16(W['v128.const'], value.value as Uint8Array);
        break;
    }
  }

  /** Computes a pending version on the stack. */
  private emitTree(version: number): void {
    this.reserve(ROOM);
    if (version >= this.first) {
      this.loadGlobal(version - this.first);
      return;
    }
    const op = this.ops[version]!;
    const code = op.row.code;
    const plain = PLAIN[code]!;
    if (plain === 0) {
      RULES[code]!(this, op, version);
      return;
    }
    this.use(this.refA[version]!, op.a!);
    const arity = ARITY[code]!;
    if (arity > 1) {
      this.use(this.refB[version]!, op.b!);
      if (arity > 2) this.use(this.refC[version]!, op.c!);
    }
    this.op(plain);
  }

  /** Keeps the version on top of the stack in a local: `how` is `local.set` or `local.tee`. */
  private settle(version: number, how: number): void {
    let local: number;
    if (this.runs > 1 && this.left[version]! >= AT_BORDER) {
      const id = this.wantsHome[version]!;
      if (id >= 0 && this.current[id] === version) {
        this.vacate(id);
        local = this.home(id);
        this.homeHolds[id] = version;
        this.homeRun[id] = this.run;
        this.place[version] = local;
        this.opU32(how, local);
        return;
      }
    }
    local = this.allocate(this.typeOf(version));
    this.place[version] = local;
    this.opU32(how, local);
  }

  /** Stores the version on top of the stack in the home of variable `id`. */
  private setHome(id: number, version: number): void {
    this.vacate(id);
    const local = this.home(id);
    this.opU32(LOCAL_SET, local);
    this.place[version] = local;
    this.homeHolds[id] = version;
    this.homeRun[id] = this.run;
  }

  /** Moves the version a home holds elsewhere if it is still needed. */
  private vacate(id: number): void {
    if (this.homeRun[id] !== this.run) return;
    const version = this.homeHolds[id]!;
    const home = this.homeOf[id]!;
    if (this.left[version]! <= 0 || this.place[version] !== home) return;
    this.reserve(ROOM);
    const local = this.allocate(this.localType[home - 1]! as ValType);
    this.opU32(LOCAL_GET, home);
    this.opU32(LOCAL_SET, local);
    this.place[version] = local;
  }

  private typeOf(version: number): ValType {
    if (version >= this.first) return this.globalType[version - this.first]! as ValType;
    const op = this.ops[version]!;
    const cls = CLASS[op.row.code]!;
    return cls === C_CALL ? VALTYPE_NUMBER[op.helper!.result!] : (OUT_TYPE[op.row.code]! as ValType);
  }

  /** The local that is the home of a variable. */
  private home(id: number): number {
    let local = this.homeOf[id]!;
    if (local === 0) {
      local = this.newLocal((id < this.globals.length ? this.globalType[id]! : this.tempType[id]!) as ValType);
      this.localIsHome[local] = 1;
      this.homeOf[id] = local;
    }
    return local;
  }

  // ---- locals

  /** A local of the given type whose content nobody needs. */
  allocate(type: ValType): number {
    const free = this.freeLocals[type]!;
    return free.length > 0 ? free.pop()! : this.newLocal(type);
  }

  /** Gives back a local got from `allocate`; homes stay. */
  release(local: number): void {
    if (this.localIsHome[local] === 0) this.freeLocals[this.localType[local - 1]!]!.push(local);
  }

  private newLocal(type: ValType): number {
    if (this.localCount === this.localType.length) {
      const types = new Uint8Array(this.localCount * 2);
      types.set(this.localType);
      this.localType = types;
      const homes = new Uint8Array(this.localCount * 2 + 1);
      homes.set(this.localIsHome);
      this.localIsHome = homes;
    }
    this.localType[this.localCount++] = type;
    this.localIsHome[this.localCount] = 0;
    return this.localCount;
  }

  // ---- effects

  /** Computes the loads that are still pending: an effect follows that they must not move past. */
  settleLoads(): void {
    const loads = this.loads;
    if (loads.length === 0) return;
    for (let k = 0; k < loads.length; k++) this.settlePending(loads[k]!);
    loads.length = 0;
  }

  /** The same for loads from CPU state. */
  settleEnvLoads(): void {
    const loads = this.envLoads;
    if (loads.length === 0) return;
    for (let k = 0; k < loads.length; k++) this.settlePending(loads[k]!);
    loads.length = 0;
  }

  /** Whether any load is still pending. */
  hasPendingLoads(): boolean {
    const loads = this.loads;
    for (let k = 0; k < loads.length; k++) if (this.place[loads[k]!] === PENDING) return true;
    loads.length = 0;
    return false;
  }

  private settlePending(version: number): void {
    if (this.place[version] !== PENDING) return;
    this.place[version] = SPENT;
    this.emitTree(version);
    this.settle(version, LOCAL_SET);
    this.reserve(ROOM);
  }

  private settleAll(upTo: number): void {
    for (let i = this.lastSettled; i <= upTo; i++) {
      const op = this.ops[i]!;
      // A move is no version of its own: what it copies is.
      if (op.out !== null && CLASS[op.row.code] !== C_MOVE && this.place[i] === PENDING) this.settlePending(i);
    }
    this.lastSettled = upTo;
  }

  /** Computes what a global's field in CPU state still holds for later: the field is about to be overwritten. */
  saveEntryValue(id: number): void {
    const version = this.first + id;
    if (this.place[version] === PENDING && this.left[version]! > 0) this.settlePending(version);
  }

  /** The same for all globals. */
  saveEntryValues(): void {
    for (let id = 0; id < this.globals.length; id++) this.saveEntryValue(id);
  }

  // ---- globals and CPU state

  private loadGlobal(id: number): void {
    const type = this.globalType[id]!;
    this.opU32(LOCAL_GET, 0);
    this.memory(LOAD_WHOLE[type]!, ALIGN_WHOLE[type]!, this.globals[id]!.offset);
  }

  /** Stores the value on the stack, with `env` below it, to the field of a global. */
  storeGlobal(global: Global): void {
    const type = this.globalType[global.id]!;
    this.memory(STORE_WHOLE[type]!, ALIGN_WHOLE[type]!, global.offset);
  }

  /** Whether the value a global has now is still to be computed. */
  isPending(global: Global): boolean {
    return this.place[this.current[global.id]!] === PENDING;
  }

  /** Computes the value a global has now, so that it can be used in code that runs only sometimes. */
  settleGlobal(global: Global): void {
    this.settlePending(this.current[global.id]!);
  }

  /** Takes over the globals a helper wrote, behind the call at `i`. */
  reloadGlobals(i: number): void {
    const end = this.refB[i]!;
    for (let k = this.refA[i]!; k < end; k += 2) {
      const id = this.pairs[k]!;
      const version = this.first + this.block.valueCount + (k >> 1);
      if (version >= this.place.length) this.growVersions(version * 2);
      const uses = this.pairs[k + 1]!;
      this.left[version] = uses;
      this.current[id] = version;
      this.reserve(ROOM);
      this.loadGlobal(id);
      if (uses >= AT_BORDER) {
        this.setHome(id, version);
      } else {
        const local = this.allocate(this.globalType[id]! as ValType);
        this.opU32(LOCAL_SET, local);
        this.place[version] = local;
      }
    }
  }

  /** Whether the block polls inside loops, where the engine might load the poll word only once. */
  get pollsInLoops(): boolean {
    return this.hasLoops;
  }

  /** Whether the poll at `i` is done by the `goto_tb` behind it, which goes to the same PC. */
  pollsInGoto(i: number): boolean {
    const next = this.ops[i + 1];
    return next !== undefined && next.row.code === GOTO_TB && next.imm >>> 0 === this.ops[i]!.imm >>> 0;
  }

  /** Whether the op in front of the `goto_tb` at `i` is a poll that it does. */
  gotoPolls(i: number): boolean {
    return i > this.runStart[this.run]! && CLASS[this.ops[i - 1]!.row.code] === C_POLL && this.pollsInGoto(i - 1);
  }

  // ---- guest addresses and pending operands

  /**
   * Puts a guest address on the stack and returns the constant displacement (0..2^16-1) that the access has to add. Sums
   * of a value and a small constant are not computed at all.
   */
  address(op: Op, i: number): number {
    const ref = this.refA[i]!;
    if (ref !== CONST_REF && ref < this.first && this.place[ref] === PENDING) {
      const sum = this.ops[ref]!;
      if (sum.row.code === ADD_I32 && this.refB[ref] === CONST_REF) {
        const base = this.refA[ref]!;
        const displacement = (sum.b as Const).value as number;
        if (base !== CONST_REF && displacement > 0 && displacement < MAX_FOLDED_OFFSET) {
          const left = this.left[ref]! - 1;
          this.left[ref] = left;
          if (left === 0) this.place[ref] = SPENT;
          else this.left[base]!++;
          this.pull(base);
          return displacement;
        }
      }
    }
    this.use(ref, op.a!);
    return 0;
  }

  /** The op that will compute operand a of the op at `i` for this use alone, or null. */
  pendingOperand(i: number): Op | null {
    const ref = this.refA[i]!;
    return ref !== CONST_REF && ref < this.first && this.place[ref] === PENDING && this.left[ref] === 1
      ? this.ops[ref]!
      : null;
  }

  /** Marks the op `pendingOperand` found as used; the caller emits it in its own way. Returns its index. */
  takeOperand(i: number): number {
    const ref = this.refA[i]!;
    this.left[ref] = 0;
    this.place[ref] = SPENT;
    return ref;
  }

  /** The local that holds the version `ref` now, or -1. */
  localOf(ref: number): number {
    return ref === CONST_REF ? -1 : this.place[ref]!;
  }
}
