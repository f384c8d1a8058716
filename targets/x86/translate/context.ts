// What every x86 handler works with: the instruction at hand, operand access, addresses, flags, exceptions, ways out.
import type { Builder } from '../../../tcg/ir/builder.ts';
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Jump, OPS, type OpName, type OpRow } from '../../../tcg/ir/ops.ts';
import { Cond, Exit, type MemOp, MO_ALIGN, MO_RMW, MO_SIGN } from '../../../tcg/ir/types.ts';
import { const32, type Global, type Label, type Value } from '../../../tcg/ir/value.ts';
import type { Insn } from '../decode.ts';
import { LazyFlags } from '../flags.ts';
import {
  FLAG_ALIGN,
  FLAG_CODE16,
  FLAG_CS_BASE,
  FLAG_CS_LIMIT,
  FLAG_SEGMENTS,
  FLAG_STACK16,
  FLAG_TRACE,
  PLAIN_READ,
  PLAIN_WRITE,
} from '../mode.ts';
import { type Operand, OperandKind } from '../operands.ts';
import { REGS, SEG_BASES, Seg, X86_OFFSETS } from '../state.ts';
import { Vector } from '../vectors.ts';
import { x87Offset } from '../x87-reset.ts';
import { KnownFloats } from './sse-known.ts';

/** log2 of an operand size in bytes (1, 2, 4): also the `MemOp` size and the size code of the lazily kept flags. */
export function sizeLog(bytes: number): 0 | 1 | 2 {
  return bytes === 4 ? 2 : ((bytes - 1) as 0 | 1);
}

const ESP = REGS[4] as Global;

/** Any op's row, for `push` of the builder. */
export function rowOf(name: OpName): OpRow<OpName> {
  return OPS[name] as OpRow<OpName>;
}

export const ADD = rowOf('add_i32');
const LOAD = rowOf('guest_ld_i32');

/**
 * Raises #GP or #SS unless an access fits in its segment: segment register, offset, bytes plus 256 for a write. Called
 * where the segment is not one whose every byte may be used.
 */
export const CHECK_SEGMENT: HelperRow = {
  name: 'check_segment',
  args: ['i32', 'i32', 'i32'],
  result: null,
  raises: true,
};

const FPIP = x87Offset('fpip');
const FPCS = x87Offset('fpcs');
const FPDP = x87Offset('fpdp');
const FPDS = x87Offset('fpds');
const FPOP = x87Offset('fpop');
const NO_PC = -1;
const NO_SEGMENT = -1;

/**
 * Translates one block at a time; one object serves a whole run, `begin` makes it fresh.
 *
 * Registers may be written before an access that faults: a fault replays the instruction from its `insn_start`, where CPU
 * state was made precise. They must not be written before an exception exit, nor before a helper that raises and sees them.
 */
export class Translation {
  b!: Builder;
  insn!: Insn;
  readonly flags = new LazyFlags();
  /** Block flags (mode.ts). */
  mode = 0;
  /** MO_ALIGN when misaligned accesses raise #AC, else 0. */
  align: MemOp = 0;
  /** Address of the instruction, and of the one behind it. */
  pc = 0;
  next = 0;
  /** Name of an instruction, or a form of one, that is not translated yet; the execution loop names it to the user. */
  unimplemented: string | null = null;
  /** Set by a handler after which translation cannot go straight on. */
  ended = false;
  /** Whether single-stepping traps behind this instruction. */
  trapsBehind = true;
  /** What the flags are kept as at each `goto_tb`, for the region builder. */
  exitContexts: number[] = [];
  /** Address and opcode of the last x87 instruction, when CPU state does not have them yet. */
  private fpip = NO_PC;
  private fpop = 0;
  /** Segment of the last memory operand of one. */
  private fpds = NO_SEGMENT;
  /** In this block an MMX instruction has set the tags and TOP, and the exponents of these registers (by bit). */
  mmxEntered = false;
  /** This block has looked at MXCSR, or others have before: it is as its flags say, or may be treated so. */
  sseChecked = false;
  /** It relies on others for that. */
  sseRelied = false;
  /** It writes MXCSR. */
  sseWrites = false;
  /** Arithmetic that calls for a helper leaves the block, so that what was checked holds behind it. */
  leavesAtCold = false;
  /** In a region this instruction is the one that calls where others leave. */
  callsAtCold = false;
  readonly floats = new KnownFloats();
  mmxWritten = 0;
  /** ES, CS, SS and DS are flat: offsets in them are addresses. */
  private flat = true;
  /** The 32-bit flat stack: pushes and pops are plain. */
  private flatStack = true;
  /** Address at which `fetch` found its memory operand. */
  private place: Value = this.zero;

  begin(b: Builder, mode: number, context: number, checked: boolean): void {
    this.b = b;
    this.flags.begin(b, context);
    this.mode = mode;
    this.align = mode & FLAG_ALIGN ? MO_ALIGN : 0;
    this.flat = (mode & (FLAG_SEGMENTS | FLAG_CS_BASE)) === 0;
    this.flatStack = (mode & (FLAG_STACK16 | FLAG_SEGMENTS)) === 0;
    this.ended = false;
    this.trapsBehind = true;
    this.exitContexts = [];
    this.unimplemented = null;
    this.sseChecked = checked;
    this.sseRelied = false;
    this.sseWrites = false;
    this.floats.clear();
    this.forgetX87();
  }

  get zero(): Value {
    return ZERO;
  }

  /** First (destination), second and third operand. */
  get dst(): Operand {
    return this.insn.op0;
  }
  get src(): Operand {
    return this.insn.op1;
  }
  get third(): Operand {
    return this.insn.op2;
  }

  // ---- registers

  /** General register `n` in `bytes` (2, 4: by encoding number), zero-extended. */
  reg(n: number, bytes = 4): Value {
    const global = REGS[n] as Global;
    return bytes === 4 ? global : this.b.and(global, bytes === 2 ? 0xffff : 0xff);
  }

  /** Writes the low `bytes` of register `n`; the rest of it stays. */
  setReg(n: number, bytes: number, value: Value | number): void {
    const global = REGS[n] as Global;
    this.flags.wrote(global);
    if (bytes === 4) this.b.set(global, value);
    else this.b.set(global, this.b.deposit(global, value, 0, bytes * 8));
  }

  /** Writes a register with what the last op has computed, which nobody may use again under its own name. */
  give(n: number, value: Value): void {
    const global = REGS[n] as Global;
    this.flags.wrote(global);
    const { ops } = this.b.block;
    const last = ops[ops.length - 1];
    if (last !== undefined && last.out === value && value.kind === 'temp') last.out = global;
    else this.b.set(global, value);
  }

  // ---- operands

  /** The value of an operand, zero-extended to 32 bits; loaded when it is a memory operand. It may be a register. */
  read(operand: Operand): Value {
    const { b, insn } = this;
    switch (operand.kind) {
      case OperandKind.Reg32:
        return REGS[operand.num] as Global;
      case OperandKind.Reg8:
        return b.and(REGS[operand.num] as Global, 0xff);
      case OperandKind.Reg8High:
        return b.extract(REGS[operand.num] as Global, 8, 8);
      case OperandKind.Reg16:
        return b.and(REGS[operand.num] as Global, 0xffff);
      case OperandKind.Mem:
        return b.load(this.address(), sizeLog(operand.size) | this.align);
      case OperandKind.Imm: {
        const imm = operand.num === 0 ? insn.imm : insn.imm2;
        return const32(operand.size === 4 ? imm : imm & ((1 << (operand.size * 8)) - 1));
      }
      case OperandKind.Seg:
        return b.envLoad(X86_OFFSETS.selectors + 4 * operand.num);
      default:
        throw new Error(`x86 operand kind ${OperandKind[operand.kind]} is not a general operand`);
    }
  }

  /** Puts the value of an operand into a global that is no general register. */
  readInto(global: Global, operand: Operand): void {
    const { b } = this;
    if (operand.kind === OperandKind.Mem)
      b.push(LOAD, global, this.address(), null, null, sizeLog(operand.size) | this.align, 0);
    else b.set(global, this.read(operand));
  }

  /** Writes the low bits of `value` to an operand. */
  write(operand: Operand, value: Value | number): void {
    const { b } = this;
    switch (operand.kind) {
      case OperandKind.Reg32:
        this.setReg(operand.num, 4, value);
        return;
      case OperandKind.Reg8:
        this.setReg(operand.num, 1, value);
        return;
      case OperandKind.Reg16:
        this.setReg(operand.num, 2, value);
        return;
      case OperandKind.Reg8High: {
        const reg = REGS[operand.num] as Global;
        this.flags.wrote(reg);
        b.set(reg, b.deposit(reg, value, 8, 8));
        return;
      }
      case OperandKind.Mem:
        b.store(this.writeAddress(), value, sizeLog(operand.size) | this.align);
        return;
      default:
        throw new Error(`x86 operand kind ${OperandKind[operand.kind]} cannot be written`);
    }
  }

  /** As `write`, for a value just computed which nobody uses again under its own name. */
  giveTo(operand: Operand, value: Value): void {
    if (operand.kind === OperandKind.Reg32) this.give(operand.num, value);
    else this.write(operand, value);
  }

  /** Reads an operand that `putBack` will write; the value is a temporary or a constant. */
  fetch(operand: Operand): Value {
    const { b } = this;
    if (operand.kind !== OperandKind.Mem) return b.copy(this.read(operand));
    this.place = this.writeAddress();
    return b.load(this.place, sizeLog(operand.size) | this.align | MO_RMW);
  }

  /** Writes the operand that `fetch` has read; no register may have been written meanwhile. */
  putBack(operand: Operand, value: Value): void {
    if (operand.kind === OperandKind.Mem) this.b.store(this.place, value, sizeLog(operand.size) | this.align);
    else this.giveTo(operand, value);
  }

  /** Whether an operand lies in memory. */
  isMem(operand: Operand): boolean {
    return operand.kind === OperandKind.Mem;
  }

  // ---- addresses

  /** The offset part of the memory operand's address, wrapped to the address size. It may be a register. */
  offset(): Value {
    const { b, insn } = this;
    const { base, index, disp } = insn;
    let sum: Value;
    if (index >= 0) {
      sum = b.shl(REGS[index] as Global, insn.scale);
      if (base >= 0) sum = b.add(REGS[base] as Global, sum);
      if (disp !== 0) sum = b.add(sum, disp);
    } else if (base >= 0) {
      sum = REGS[base] as Global;
      if (disp !== 0) {
        // The most frequent op of all: made without the builder's looking for something to fold.
        const out = b.block.temp('i32');
        b.push(ADD, out, sum, const32(disp), null, 0, 0);
        sum = out;
      }
    } else {
      sum = const32(disp);
    }
    return insn.addressSize === 2 ? b.and(sum, 0xffff) : sum;
  }

  /** The linear address of the memory operand, for reading. It may be a register: no good once that is written. */
  address(): Value {
    const offset = this.offset();
    if (this.flat && this.insn.eaSegment < Seg.FS) return offset;
    return this.linear(this.insn.eaSegment, offset, 0, false);
  }

  /** The same for writing, or for reading and writing. */
  writeAddress(): Value {
    const offset = this.offset();
    const { eaSegment } = this.insn;
    if (this.flat && eaSegment < Seg.FS && eaSegment !== Seg.CS) return offset;
    return this.linear(eaSegment, offset, 0, true);
  }

  /**
   * The linear address of an access of `bytes` (0: as the memory operand has) at `offset` in a segment. Flat segments cost
   * nothing; others are checked.
   */
  linear(segment: number, offset: Value, bytes: number, writes: boolean): Value {
    if (segment < Seg.FS && (this.mode & FLAG_SEGMENTS) === 0 && (segment !== Seg.CS || !writes)) {
      return segment === Seg.CS ? this.inCode(offset) : offset;
    }
    return this.checked(segment, offset, bytes || this.memorySize(), writes);
  }

  /** An offset in CS as a linear address. */
  private inCode(offset: Value): Value {
    return this.mode & FLAG_CS_BASE ? this.b.add(SEG_BASES[Seg.CS] as Global, offset) : offset;
  }

  private memorySize(): number {
    const { op0, op1, op2 } = this.insn;
    if (op0.kind === OperandKind.Mem) return op0.size || 1;
    return (op1.kind === OperandKind.Mem ? op1.size : op2.size) || 1;
  }

  private checked(segment: number, offset: Value, bytes: number, writes: boolean): Value {
    const { b } = this;
    const fine = b.label();
    const attributes = b.envLoad(X86_OFFSETS.attributes + 4 * segment);
    b.brcond(Cond.TSTNE, attributes, writes ? PLAIN_WRITE : PLAIN_READ, fine);
    b.call(CHECK_SEGMENT, segment, offset, writes ? bytes | 256 : bytes);
    b.place(fine);
    return b.add(SEG_BASES[segment] as Global, offset);
  }

  load(address: Value, bytes: number, signed = false): Value {
    return this.b.load(address, sizeLog(bytes) | (signed && bytes < 4 ? MO_SIGN : 0) | this.align);
  }

  store(address: Value, value: Value | number, bytes: number): void {
    this.b.store(address, value, sizeLog(bytes) | this.align);
  }

  // ---- stack

  /** Whether pushes use SP only. */
  get stack16(): boolean {
    return (this.mode & FLAG_STACK16) !== 0;
  }

  /** Linear address of the `bytes` at `sp + delta` on the stack; `sp` is a value of ESP or EBP. */
  stackAddress(sp: Value, delta: number, bytes: number, writes: boolean): Value {
    const { b } = this;
    const offset = b.add(sp, delta);
    return this.linear(Seg.SS, this.stack16 ? b.and(offset, 0xffff) : offset, bytes, writes);
  }

  /** ESP = value, or SP only for a 16-bit stack segment; nobody may use the value again under its own name. */
  setSp(value: Value): void {
    if (this.stack16) this.setReg(4, 2, value);
    else this.give(4, value);
  }

  /** Pushes `value` in `bytes` (2 or 4); it must not be ESP itself. */
  push(value: Value | number, bytes: number): void {
    const { b } = this;
    if (this.flatStack) {
      this.flags.wrote(ESP);
      b.push(ADD, ESP, ESP, const32(-bytes), null, 0, 0);
      b.store(ESP, value, sizeLog(bytes) | this.align);
      return;
    }
    this.store(this.stackAddress(ESP, -bytes, bytes, true), value, bytes);
    this.setSp(b.add(ESP, -bytes));
  }

  /** The value `bytes` wide on top of the stack; ESP moves when the caller says so with `dropStack`. */
  top(bytes: number): Value {
    if (this.flatStack) return this.b.load(ESP, sizeLog(bytes) | this.align);
    return this.load(this.stackAddress(ESP, 0, bytes, false), bytes);
  }

  /** ESP += bytes. */
  dropStack(bytes: number): void {
    const { b } = this;
    if (this.flatStack) {
      this.flags.wrote(ESP);
      b.push(ADD, ESP, ESP, const32(bytes), null, 0, 0);
    } else {
      this.setSp(b.add(ESP, bytes));
    }
  }

  // ---- exceptions and ways out

  /** Raises an exception with the PC on this instruction (a fault) and ends this path. */
  fault(vector: Vector, errorCode = 0): void {
    this.raiseAt(vector, errorCode, const32(this.pc));
  }

  /** Raises an exception with the PC behind this instruction (a trap) and ends this path. */
  trap(vector: number, errorCode = 0): void {
    this.raiseAt(vector, errorCode, const32(this.next));
  }

  raiseAt(vector: number, errorCode: number, pc: Value, address = 0): void {
    const { b } = this;
    this.settle();
    b.envStore(X86_OFFSETS.exception, vector);
    b.envStore(X86_OFFSETS.errorCode, errorCode);
    b.envStore(X86_OFFSETS.faultAddress, address);
    b.exitTb(Exit.EXCEPTION, pc);
  }

  /** Faults with `vector` if x cond y, else goes on. */
  faultIf(vector: Vector, cond: Cond, x: Value | number, y: Value | number): void {
    const { b } = this;
    const fine: Label = b.label();
    b.brcond(cond ^ 1, x, y, fine);
    this.fault(vector);
    b.place(fine);
  }

  /** Leaves to a known address; the block may still go on behind it on another path. */
  jumpTo(pc: number, jump: Jump = Jump.PLAIN): void {
    const { b } = this;
    if (this.fpip !== NO_PC) this.settle();
    this.exitContexts.push(this.flags.op);
    // Every loop has a backward jump, or an indirect one, which polls by itself.
    if (pc <= this.pc) b.poll(pc);
    b.gotoTb(pc, jump);
  }

  /** Leaves to the target of a relative jump. */
  jumpToTarget(jump: Jump = Jump.PLAIN): void {
    const { insn, b } = this;
    if (insn.operandSize === 4 || !(this.mode & FLAG_CS_BASE)) {
      this.jumpTo(insn.target, jump);
      return;
    }
    // 16-bit targets wrap within the segment, whose base only run time knows.
    const offset = b.sub(const32(this.next + insn.imm), SEG_BASES[Seg.CS] as Global);
    this.jumpToValue(b.and(offset, 0xffff), jump);
  }

  /** Leaves to a computed address (an offset in CS). */
  jumpToValue(offset: Value, jump: Jump = Jump.PLAIN): void {
    this.settle();
    this.b.gotoPtr(this.inCode(offset), jump);
  }

  /** In a code segment that ends: #GP unless the instruction lies in it. `bytes` of it have been fetched. */
  checkCodeLimit(bytes: number): void {
    if (this.mode & FLAG_CS_LIMIT)
      this.faultBeyond(this.b.sub(const32(this.pc + bytes - 1), SEG_BASES[Seg.CS] as Global));
  }

  /** The same for the target of a near jump, an offset; the jump faults, so nothing may have been changed. */
  checkTarget(offset: Value): void {
    if (this.mode & FLAG_CS_LIMIT) this.faultBeyond(offset);
  }

  /** `checkTarget` of a relative jump. */
  checkRelative(): void {
    if (!(this.mode & FLAG_CS_LIMIT)) return;
    const { b, insn } = this;
    const offset = b.sub(const32(this.next + insn.imm), SEG_BASES[Seg.CS] as Global);
    this.faultBeyond(insn.operandSize === 4 ? offset : b.and(offset, 0xffff));
  }

  private faultBeyond(offset: Value): void {
    const { b } = this;
    const fine = b.label();
    b.brcond(Cond.LEU, offset, b.envLoad(X86_OFFSETS.limits + 4 * Seg.CS), fine);
    this.fault(Vector.GP);
    b.place(fine);
  }

  /** The offset in CS of the next instruction, as CALL pushes it. */
  returnOffset(): Value {
    const next = const32(this.next);
    return this.mode & FLAG_CS_BASE ? this.b.sub(next, SEG_BASES[Seg.CS] as Global) : next;
  }

  /** Ends the block behind this instruction because what later translation relies on may have changed. */
  endForModeChange(): void {
    this.leaveForMode();
    this.ended = true;
  }

  /** The same for one path; translation goes on with another. */
  leaveForMode(): void {
    this.settle();
    this.b.exitTb(Exit.LOOKUP, const32(this.next));
  }

  /** Whether instructions raise #DB behind them. */
  get traced(): boolean {
    return (this.mode & FLAG_TRACE) !== 0;
  }

  get code16(): boolean {
    return (this.mode & FLAG_CODE16) !== 0;
  }

  // ---- x87

  /**
   * This x87 instruction is the one FNSTENV names; CPU state learns of the last one before a way out. With a memory operand
   * at `address`, that is noted too.
   */
  noteX87(address: Value | null): void {
    const { insn } = this;
    this.fpip = this.pc;
    this.mmxEntered = false;
    this.mmxWritten = 0;
    this.fpop = ((insn.opcode & 7) << 8) | insn.modrm;
    if (address === null) return;
    // The offset, not the linear address.
    const plain = this.flat && insn.eaSegment < Seg.FS;
    this.b.envStore(FPDP, plain ? address : this.offset());
    this.fpds = insn.eaSegment;
  }

  /** A control instruction has set what FNSTENV names. */
  forgetX87(): void {
    this.fpip = NO_PC;
    this.fpds = NO_SEGMENT;
    this.mmxEntered = false;
    this.mmxWritten = 0;
  }

  /** Brings CPU state up to date with what the translator has put off. */
  settle(): void {
    if (this.fpip === NO_PC) return;
    const { b } = this;
    b.envStore(FPIP, const32(this.fpip));
    b.envStore(FPCS, this.selector(Seg.CS));
    b.envStore(FPOP, const32(this.fpop));
    if (this.fpds !== NO_SEGMENT) b.envStore(FPDS, this.selector(this.fpds));
  }

  /** The selector in a segment register, known for flat segments. */
  private selector(segment: number): Value {
    if (segment < Seg.FS && (this.mode & (FLAG_SEGMENTS | FLAG_CS_BASE)) === 0) {
      return segment === Seg.CS ? FLAT_CODE : FLAT_DATA;
    }
    return this.b.envLoad(X86_OFFSETS.selectors + 4 * segment);
  }
}

const ZERO = const32(0);
/** Selectors of the only flat segments there are. */
const FLAT_CODE = const32(0x23);
const FLAT_DATA = const32(0x2b);
