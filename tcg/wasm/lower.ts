// Lowers one block of IR to one WebAssembly function: which values exist, where they are kept, when they are computed.

import type { Block, Op } from '../ir/block.ts';
import { OP_LIST, OPS } from '../ir/ops.ts';
import { Const, type Global, type Value } from '../ir/value.ts';
import { closeEnd, emitCounter, openEnd } from './lower-control.ts';
import type { Emitter, Rule } from './lower-emitter.ts';
import type { LoweringOptions } from './lower-options.ts';
import { CONST_REF, RareCode } from './lower-rare.ts';
import {
  AT_BORDER,
  C_BR,
  C_BRCOND,
  C_CALL,
  C_EFFECT,
  C_ENV_LOAD,
  C_EXIT,
  C_INSN,
  C_LABEL,
  C_LOAD,
  C_MOVE,
  C_POLL,
  C_PURE,
  CLASS,
  CONSTANT,
  DEAD,
  PENDING,
  SPENT,
} from './lower-runs.ts';
import { emitCondition, LOWERING } from './lower-table.ts';
import { VALTYPE_NUMBER, type ValType } from './module-writer.ts';
import { W } from './opcodes.ts';
import { SCRIPT, type Successors, structure } from './structure.ts';

/*
 * How values are kept. A version (see lower-runs.ts) is computed where it is first used, so that expressions nest in place
 * of going through locals; if it has more uses it stays in a local from then on. Copies only give a version another name.
 * What may not move past an effect (a load past a store) is computed when the effect comes. Only variables that live
 * across labels have a local of their own, their home, which holds their value wherever runs meet.
 */

/** A code buffer that has grown beyond this is not kept for the next group. */
const MAX_KEPT_BYTES = 1 << 22;
/** A run of this many ops computes what is still pending, so that expressions do not nest without end. */
const MAX_PENDING_OPS = 400;

/** Opcode of ops that are one instruction on operands a, b, c in order; 0 for the others. */
const PLAIN = new Int32Array(OP_LIST.length);
const RULES: (Rule | null)[] = [];
const ARITY = new Uint8Array(OP_LIST.length);
/** Value type of the result. */
const OUT_TYPE = new Uint8Array(OP_LIST.length);

for (const { name, code, ins, out } of OP_LIST) {
  const rule = LOWERING[name];
  PLAIN[code] = typeof rule === 'number' ? rule : 0;
  RULES.push(typeof rule === 'number' ? null : rule);
  ARITY[code] = ins.length;
  OUT_TYPE[code] = out === null ? 0 : VALTYPE_NUMBER[out];
}

const ADD_I32 = OPS.add_i32.code;

const LOCAL_GET = W['local.get'];
const LOCAL_SET = W['local.set'];
const LOCAL_TEE = W['local.tee'];
const ENV = 0;
/** Load and store of a whole value by type. */
const LOAD_WHOLE = [W['i32.load'], W['i64.load'], W['f32.load'], W['f64.load'], W['v128.load']];
const STORE_WHOLE = [W['i32.store'], W['i64.store'], W['f32.store'], W['f64.store'], W['v128.store']];
const ALIGN_WHOLE = [2, 3, 2, 3, 4];

/**
 * Constant displacements below this become the offset of the access. Where address plus offset leaves 4 GiB the guest's
 * address would have wrapped around: the engine traps instead, and the replay accesses the right address.
 */
const MAX_FOLDED_OFFSET = 0x10000;

/** Lowers blocks one after the other into its own code buffer. Its tables are kept from block to block. */
export class Lowering extends RareCode implements Emitter {
  options!: LoweringOptions;
  private run = 0;
  private closedBlocks = 0;
  private ifOpen = false;
  private labelBlocks = 0;

  /** The code of a way out to another block is a quarter of an average block's: those of one function share it. */
  sharesEnd = false;
  private endSlot = 0;
  private endPc = 0;

  // ---- computed later
  private readonly loads: number[] = [];
  private loadCount = 0;
  private readonly envLoads: number[] = [];
  private envLoadCount = 0;
  private lastSettled = 0;
  /** Globals whose values `sync` has put on the stack. */
  private readonly stacked: Global[] = [];

  /** Addresses of the block's run counter and of its ring of indirect jump targets; 0: none. */
  counter = 0;
  profile = 0;

  /** Starts a new group of functions. */
  begin(options: LoweringOptions): void {
    this.options = options;
    this.restart();
    if (this.bytes.length > MAX_KEPT_BYTES) this.bytes = new Uint8Array(MAX_KEPT_BYTES);
  }

  /**
   * Appends the function of a block whose `sync` lists are set. `counter` is the absolute address of the word that counts
   * the runs left until the function returns HOT, or 0; `profile` that of its ring of jump targets, or 0. Throws when the block calls a helper in a way that cannot be.
   */
  lowerBlock(block: Block, counter: number, profile = 0): void {
    this.counter = counter;
    this.profile = counter === 0 ? 0 : profile;
    this.examine(block);
    this.beginFunction();
    this.beginLocals();
    if (counter !== 0) emitCounter(this, counter);
    this.place.fill(DEAD, this.first, this.first + this.globals.length);
    this.lastSettled = 0;
    if (this.runs === 1) {
      this.startRun(0);
      this.emitOps(0, this.runEnd[0]!);
    } else if (this.hasLoops) {
      this.emitStructured();
    } else {
      this.sharesEnd = this.options.chain && this.goesOnOften();
      this.emitForward();
      this.sharesEnd = false;
    }
    this.endFunction(this.localType, 1, this.nextLocal);
    if (this.runs > 1) this.crosses.fill(0, 0, block.valueCount);
  }

  // ---- control flow

  /** Whether the block goes on with another in more than one place. */
  private goesOnOften(): boolean {
    let found = 0;
    for (let run = 0; run < this.runs; run++) {
      const end = this.runEnd[run]!;
      if (end === this.runStart[run]) continue;
      const { row } = this.ops[end - 1]!;
      if (row === OPS.goto_tb || row === OPS.goto_ptr) found++;
    }
    return found > 1;
  }

  goToEnd(pc?: number): void {
    this.opU32(LOCAL_SET, this.endSlot);
    if (pc !== undefined) {
      this.i32Const(pc);
      this.opU32(LOCAL_SET, this.endPc);
    }
    this.opU32(W.br, this.labelBlocks - this.closedBlocks + (this.ifOpen ? 1 : 0) + (pc === undefined ? 1 : 0));
  }

  /** Emits a block whose branches all go forward: every label is the end of a wasm block. */
  private emitForward(): void {
    this.startRun(0);
    if (this.sharesEnd) {
      this.endSlot = this.newLocal(VALTYPE_NUMBER.i32);
      this.endPc = this.newLocal(VALTYPE_NUMBER.i32);
      openEnd(this);
    }
    this.labelBlocks = 0;
    for (let run = 1; run < this.runs; run++) {
      if (this.labelBlock[this.runLabel[run]!]! < 0) continue;
      this.open(W.block);
      this.labelBlocks++;
    }
    this.closedBlocks = 0;
    this.ifOpen = false;
    for (let run = 0; ; ) {
      this.emitOps(this.runStart[run]!, this.runEnd[run]!);
      if (++run === this.runs) break;
      if (this.falls(run - 1)) {
        this.settleLoads();
        this.border(run);
      }
      this.op(W.end);
      if (this.labelBlock[this.runLabel[run]!]! < 0) this.ifOpen = false;
      else this.closedBlocks++;
      this.startRun(run);
    }
    if (this.sharesEnd) closeEnd(this, this.endPc, this.endSlot);
  }

  private branchForward(op: Op, i: number, cls: number): void {
    const label = op.label!.id;
    const target = this.runOfLabel[label]!;
    if (op.sync !== null) this.sync(op.sync);
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
    this.reserve(16 * script.length);
    let selector = 0;
    for (let at = 0; at < script.length; ) {
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
          if (selector === 0) selector = this.allocate(VALTYPE_NUMBER.i32);
          this.i32Const(script[at++]!);
          this.opU32(LOCAL_SET, selector);
          break;
        case SCRIPT.BR_TABLE: {
          const targets = script[at++]!;
          this.opU32(LOCAL_GET, selector);
          this.opU32(W.br_table, targets - 1);
          for (let k = 0; k < targets; k++) this.u32(script[at++]!);
          break;
        }
      }
    }
    this.op(W.unreachable);
  }

  private emitRun(run: number): void {
    this.startRun(run);
    this.emitOps(this.runStart[run]!, this.runEnd[run]!);
    const next = this.successorsOf(run);
    if (next.length === 0) return;
    this.settleLoads();
    for (const target of next) this.border(target);
  }

  /** Sets up the versions all variables have at the start of a run. */
  private startRun(run: number): void {
    const { pairs, current, left, place, first } = this;
    this.run = run;
    // Runs are not emitted in the order of their ops: what is pending lies in this one.
    this.lastSettled = this.runStart[run]!;
    this.loadCount = 0;
    this.envLoadCount = 0;
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

  // ---- ops

  /** Emits the ops of a run, or notes them for later, up to `end` or the first exit. */
  private emitOps(start: number, end: number): void {
    const { ops, place, current, refA, refB } = this;
    const multi = this.runs > 1;
    const globals = this.globals.length;
    for (let i = start; i < end; i++) {
      const op = ops[i]!;
      const code = op.row.code;
      const cls = CLASS[code]!;
      if (cls <= C_LOAD) {
        if (place[i] === DEAD) continue;
        const a = op.a;
        const id = op.out!.id;
        if (cls === C_MOVE) {
          if (multi) this.moveAcross(op, i);
          else current[id] = a instanceof Const ? i : current[a!.id]!;
          continue;
        }
        if (a !== null) {
          refA[i] = a instanceof Const ? CONST_REF : current[a.id]!;
          const b = op.b;
          if (b !== null) {
            refB[i] = b instanceof Const ? CONST_REF : current[b.id]!;
            const c = op.c;
            if (c !== null) this.refC[i] = c instanceof Const ? CONST_REF : current[c.id]!;
          }
        }
        if (cls !== C_PURE) {
          if (cls === C_ENV_LOAD) {
            this.envLoads[this.envLoadCount++] = i;
          } else if (this.left[i] === 0 && (!multi || this.crosses[id] === 0)) {
            // Its result is not used, but its fault would be seen.
            this.emitTree(i);
            this.op(W.drop);
            continue;
          } else {
            this.loads[this.loadCount++] = i;
          }
        }
        current[id] = i;
        if (multi) {
          this.wantsHome[i] = id < globals ? id : -1;
          if (id >= globals && this.crosses[id] !== 0) {
            place[i] = SPENT;
            this.emitTree(i);
            this.setHome(id, i);
          }
        }
        if (i - this.lastSettled > MAX_PENDING_OPS) this.settleAll(i);
        continue;
      }
      if (cls === C_INSN) {
        if (op.sync !== null) RULES[code]!(this, op, i);
        continue;
      }
      if (cls === C_LABEL) continue;
      this.resolve(op, i);
      if (cls === C_BR || cls === C_BRCOND) {
        if (!this.hasLoops) this.branchForward(op, i, cls);
        else if (op.sync !== null) this.sync(op.sync);
        continue;
      }
      RULES[code]!(this, op, i);
      if (cls === C_EFFECT) {
        if (op.out !== null) this.result(op, i);
      } else if (cls === C_EXIT) {
        return;
      }
    }
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

  /** A copy in a block of several runs: it may be to a variable with a home. */
  private moveAcross(op: Op, i: number): void {
    const out = op.out!.id;
    const a = op.a!;
    if (this.crosses[out] !== 0) {
      this.use(a instanceof Const ? CONST_REF : this.current[a.id]!, a);
      this.setHome(out, i);
      this.current[out] = i;
    } else if (a instanceof Const) {
      this.current[out] = i;
    } else {
      const version = this.current[a.id]!;
      this.current[out] = version;
      if (out < this.globals.length) this.wantsHome[version] = out;
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
    if (this.left[i] === 0) this.op(W.drop);
    else this.settle(i, LOCAL_SET);
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
      if (place < 0x80) {
        const bytes = this.bytes;
        const pos = this.pos;
        bytes[pos] = LOCAL_GET;
        bytes[pos + 1] = place;
        this.pos = pos + 2;
      } else {
        this.opU32(LOCAL_GET, place);
      }
      if (left === 0) this.release(place);
    } else if (place === PENDING) {
      this.place[version] = SPENT;
      this.emitTree(version);
      if (left > 0) this.settle(version, LOCAL_TEE);
    } else if (place === CONSTANT) {
      this.constant(this.ops[version]!.a as Const);
    } else {
      throw new Error(`value of op ${version} is used more often than counted`);
    }
  }

  private constant(value: Const): void {
    const { type } = value;
    if (type === 'i32') this.i32Const(value.value as number);
    else if (type === 'i64') this.i64Const(value.value as bigint);
    else if (type === 'f32') this.f32Const(value.value as number);
    else if (type === 'f64') this.f64Const(value.value as number);
    else this.op16(W['v128.const'], value.value as Uint8Array);
  }

  /** Computes a pending version on the stack. */
  private emitTree(version: number): void {
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
    const a = this.refA[version]!;
    if (a === CONST_REF) this.constant(op.a as Const);
    else this.pull(a);
    const arity = ARITY[code]!;
    if (arity > 1) {
      const b = this.refB[version]!;
      if (b === CONST_REF) this.constant(op.b as Const);
      else this.pull(b);
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
    const local = this.allocate(this.localType[home]! as ValType);
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

  // ---- effects

  /** Computes the loads that are still pending: an effect follows that they must not move past. */
  settleLoads(): void {
    if (this.loadCount === 0) return;
    for (let k = 0; k < this.loadCount; k++) this.settlePending(this.loads[k]!);
    this.loadCount = 0;
  }

  /** The same for loads from CPU state. */
  settleEnvLoads(): void {
    if (this.envLoadCount === 0) return;
    for (let k = 0; k < this.envLoadCount; k++) this.settlePending(this.envLoads[k]!);
    this.envLoadCount = 0;
  }

  /** Whether any load is still pending. */
  private hasPendingLoads(): boolean {
    for (let k = 0; k < this.loadCount; k++) if (this.place[this.loads[k]!] === PENDING) return true;
    this.loadCount = 0;
    return false;
  }

  protected settlePending(version: number): void {
    if (this.place[version] !== PENDING) return;
    this.place[version] = SPENT;
    this.emitTree(version);
    this.settle(version, LOCAL_SET);
  }

  private settleAll(upTo: number): void {
    for (let i = this.lastSettled; i <= upTo; i++) {
      const cls = CLASS[this.ops[i]!.row.code]!;
      // A move is no version of its own: what it copies is. A load that nobody waits for has been done already.
      if (cls <= C_LOAD && cls !== C_MOVE && this.left[i]! > 0) this.settlePending(i);
    }
    this.lastSettled = upTo;
  }

  // ---- globals and CPU state

  /** Stores the values of globals to CPU state. Loads that are still pending are done before the first store. */
  sync(list: readonly Global[]): void {
    const { place, current, stacked } = this;
    if (this.loadCount > 0 && this.hasPendingLoads()) {
      // A fault in a load must find CPU state as it was: all values that may hang on one wait on the stack.
      stacked.length = 0;
      for (let k = 0; k < list.length; k++) {
        const global = list[k]!;
        const version = current[global.id]!;
        if (place[version] !== PENDING) continue;
        this.env();
        this.pull(version);
        stacked.push(global);
      }
      this.settleLoads();
      for (let k = 0; k < list.length; k++) if (!stacked.includes(list[k]!)) this.syncOne(list[k]!);
      for (let k = 0; k < stacked.length; k++) this.saveEntryValue(stacked[k]!.id);
      while (stacked.length > 0) this.storeGlobal(stacked.pop()!);
      return;
    }
    for (let k = 0; k < list.length; k++) this.syncOne(list[k]!);
  }

  private syncOne(global: Global): void {
    const id = global.id;
    this.env();
    this.pull(this.current[id]!);
    const entry = this.first + id;
    if (this.place[entry] === PENDING && this.left[entry]! > 0) this.settlePending(entry);
    const type = this.globalType[id]!;
    this.memory(STORE_WHOLE[type]!, ALIGN_WHOLE[type]!, global.offset);
  }

  /** Puts the address of CPU state on the stack. */
  env(): void {
    const bytes = this.bytes;
    const pos = this.pos;
    bytes[pos] = LOCAL_GET;
    bytes[pos + 1] = ENV;
    this.pos = pos + 2;
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

  private loadGlobal(id: number): void {
    const type = this.globalType[id]!;
    this.env();
    this.memory(LOAD_WHOLE[type]!, ALIGN_WHOLE[type]!, this.globalOffset[id]!);
  }

  /** Stores the value on the stack, with `env` below it, to the field of a global. */
  storeGlobal(global: Global): void {
    const type = this.globalType[global.id]!;
    this.memory(STORE_WHOLE[type]!, ALIGN_WHOLE[type]!, global.offset);
  }

  /** Computes a value, so that it can be used in code that runs only sometimes. */
  settleValue(value: Value): void {
    if (!(value instanceof Const)) this.settlePending(this.current[value.id]!);
  }

  /** Puts an alternative that `splitRare` found on the stack. */
  useAlternative(ref: number): void {
    this.pull(ref);
  }

  /** Takes over the globals a helper wrote, behind the call at `i`. */
  reloadGlobals(i: number): void {
    const end = this.refB[i]!;
    for (let k = this.refA[i]!; k < end; k += 2) {
      const id = this.pairs[k]!;
      const version = this.first + this.block.valueCount + (k >> 1);
      const uses = this.pairs[k + 1]!;
      this.left[version] = uses;
      this.current[id] = version;
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

  /**
   * Whether the engine might load the poll word of a poll here only once, in front of a loop. It does not where the loop
   * stores to memory, such as in the same run.
   */
  pollMayBeHoisted(): boolean {
    if (!this.hasLoops) return false;
    const end = this.runEnd[this.run]!;
    for (let i = this.runStart[this.run]!; i < end; i++) {
      const op = this.ops[i]!;
      const cls = CLASS[op.row.code]!;
      if (cls === C_CALL || (cls === C_INSN ? op.sync !== null : op.row.flags.writes === true)) return false;
    }
    return true;
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
}
