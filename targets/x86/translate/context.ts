// What every x86 handler works with: the instruction at hand, operand access, addresses, flags, exceptions, ways out.
import type { Builder } from '../../../tcg/ir/builder.ts';
import { Jump } from '../../../tcg/ir/ops.ts';
import { type Cond, Exit, type MemOp, MO_SIGN } from '../../../tcg/ir/types.ts';
import { const32, type Global, type Label, type Value } from '../../../tcg/ir/value.ts';
import type { Insn } from '../decode.ts';
import { LazyFlags } from '../flags.ts';
import { type Operand, OperandKind } from '../operands.ts';
import { REGS, SEG_BASES, Seg, X86_OFFSETS } from '../state.ts';
import type { Vector } from '../vectors.ts';

/** Bits of the block flags: what a translation takes for granted. */
export const FLAG_DATA_BASES = 1; // DS, ES or SS does not start at 0
export const FLAG_CODE16 = 2; // CS.D is clear
export const FLAG_STACK16 = 4; // SS.B is clear
export const FLAG_TRACE = 8; // EFLAGS.TF: #DB after every instruction
export const FLAG_CS_BASE = 16; // CS does not start at 0
/** The rest of the block flags is the index of the CPU model. */
export const MODEL_SHIFT = 8;

/** log2 of an operand size in bytes (1, 2, 4): also the `MemOp` size and the size code of the lazily kept flags. */
export function sizeLog(bytes: number): 0 | 1 | 2 {
  return bytes === 4 ? 2 : ((bytes - 1) as 0 | 1);
}

/** Translates one block at a time; one object serves a whole run, `begin` makes it fresh. */
export class Translation {
  b!: Builder;
  insn!: Insn;
  flags!: LazyFlags;
  /** Block flags (FLAG_*). */
  mode = 0;
  /** Address of the instruction, and of the one behind it. */
  pc = 0;
  next = 0;
  /** Name of an instruction, or a form of one, that is not translated yet; the execution loop names it to the user. */
  unimplemented: string | null = null;
  /** Set by a handler after which translation cannot go straight on. */
  ended = false;
  /** What the flags are kept as at each `goto_tb`, for the region builder. */
  exitContexts: number[] = [];

  begin(b: Builder, mode: number, context: number): void {
    this.b = b;
    this.flags = new LazyFlags(b);
    this.flags.begin(context);
    this.mode = mode;
    this.ended = false;
    this.exitContexts = [];
    this.unimplemented = null;
  }

  /** New value of the last `modify`. */
  result: Value = const32(0);

  readonly zero = const32(0);
  readonly one = const32(1);
  readonly minusOne = const32(-1);

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
    return bytes === 4 ? global : this.b.extract(global, 0, bytes * 8);
  }

  /** Writes the low `bytes` of register `n`; the rest of it stays. */
  setReg(n: number, bytes: number, value: Value | number): void {
    const global = REGS[n] as Global;
    if (bytes === 4) this.b.set(global, value);
    else this.b.set(global, this.b.deposit(global, value, 0, bytes * 8));
  }

  // ---- operands

  /**
   * The value of an operand, zero-extended to 32 bits. Loads from memory when it is a memory operand: then `address` must
   * be what `address()` returned, so that a read-modify-write computes it once.
   */
  read(operand: Operand, address: Value | null = null): Value {
    const { b, insn } = this;
    switch (operand.kind) {
      case OperandKind.Reg32:
        return REGS[operand.num] as Global;
      case OperandKind.Reg8:
        return b.extract(REGS[operand.num] as Global, 0, 8);
      case OperandKind.Reg8High:
        return b.extract(REGS[operand.num] as Global, 8, 8);
      case OperandKind.Reg16:
        return b.extract(REGS[operand.num] as Global, 0, 16);
      case OperandKind.Mem:
        return b.load(address ?? this.address(), sizeLog(operand.size));
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

  /** Writes the low bits of `value` to an operand. */
  write(operand: Operand, value: Value | number, address: Value | null = null): void {
    const { b } = this;
    switch (operand.kind) {
      case OperandKind.Reg32:
        b.set(REGS[operand.num] as Global, value);
        return;
      case OperandKind.Reg8:
      case OperandKind.Reg16: {
        const reg = REGS[operand.num] as Global;
        b.set(reg, b.deposit(reg, value, 0, operand.size * 8));
        return;
      }
      case OperandKind.Reg8High: {
        const reg = REGS[operand.num] as Global;
        b.set(reg, b.deposit(reg, value, 8, 8));
        return;
      }
      case OperandKind.Mem:
        b.store(address ?? this.address(), value, sizeLog(operand.size));
        return;
      default:
        throw new Error(`x86 operand kind ${OperandKind[operand.kind]} cannot be written`);
    }
  }

  /** Whether an operand lies in memory. */
  isMem(operand: Operand): boolean {
    return operand.kind === OperandKind.Mem;
  }

  // ---- addresses

  /** The offset part of the memory operand's address, wrapped to the address size. */
  offset(): Value {
    const { b, insn } = this;
    let sum: Value = const32(insn.disp);
    if (insn.index >= 0) sum = b.add(b.shl(REGS[insn.index] as Global, insn.scale), sum);
    if (insn.base >= 0) sum = b.add(REGS[insn.base] as Global, sum);
    return insn.addressSize === 2 ? b.extract(sum, 0, 16) : sum;
  }

  /** The linear address of the memory operand; a value that later register writes do not change. */
  address(): Value {
    return this.b.copy(this.linear(this.insn.eaSegment, this.offset()));
  }

  /** Segment base plus offset. Bases known to be 0 cost nothing. */
  linear(segment: number, offset: Value): Value {
    return this.baseIsZero(segment) ? offset : this.b.add(SEG_BASES[segment] as Global, offset);
  }

  private baseIsZero(segment: number): boolean {
    if (segment >= Seg.FS) return false;
    return segment === Seg.CS ? !(this.mode & FLAG_CS_BASE) : !(this.mode & FLAG_DATA_BASES);
  }

  load(address: Value, bytes: number, signed = false): Value {
    return this.b.load(address, (sizeLog(bytes) | (signed && bytes < 4 ? MO_SIGN : 0)) as MemOp);
  }

  store(address: Value, value: Value | number, bytes: number): void {
    this.b.store(address, value, sizeLog(bytes));
  }

  // ---- stack

  /** Whether pushes use SP only. */
  get stack16(): boolean {
    return (this.mode & FLAG_STACK16) !== 0;
  }

  /** Linear address of the stack slot at `sp + delta`; `sp` is a value of ESP. */
  stackAddress(sp: Value, delta: number): Value {
    const { b } = this;
    const offset = b.add(sp, delta);
    return this.linear(Seg.SS, this.stack16 ? b.extract(offset, 0, 16) : offset);
  }

  /** ESP = value, or SP only for a 16-bit stack segment. */
  setSp(value: Value): void {
    this.setReg(4, this.stack16 ? 2 : 4, value);
  }

  /** Pushes `value` in `bytes` (2 or 4): store first, so that a fault leaves ESP alone. */
  push(value: Value | number, bytes: number): void {
    const sp = this.b.copy(REGS[4] as Global);
    this.store(this.b.copy(this.stackAddress(sp, -bytes)), value, bytes);
    this.setSp(this.b.add(sp, -bytes));
  }

  /** The value `bytes` wide on top of the stack; ESP moves when the caller says so with `dropStack`. */
  top(bytes: number): Value {
    return this.load(this.b.copy(this.stackAddress(REGS[4] as Global, 0)), bytes);
  }

  /** ESP += bytes. */
  dropStack(bytes: number | Value): void {
    this.setSp(this.b.add(REGS[4] as Global, bytes));
  }

  // ---- exceptions and ways out

  /** Raises an exception with the PC on this instruction (a fault) and ends this path. */
  fault(vector: Vector, errorCode = 0): void {
    this.raiseAt(vector, errorCode, this.pc);
  }

  /** Raises an exception with the PC behind this instruction (a trap) and ends this path. */
  trap(vector: number, errorCode = 0): void {
    this.raiseAt(vector, errorCode, this.next);
  }

  raiseAt(vector: number, errorCode: number, pc: number, address = 0): void {
    const { b } = this;
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
    this.exitContexts.push(this.flags.op);
    // Every loop has a backward jump, or an indirect one, which polls by itself.
    if (pc <= this.pc) this.b.poll(pc);
    this.b.gotoTb(pc, jump);
  }

  /** Leaves to a computed address (an offset in CS). */
  jumpToValue(offset: Value, jump: Jump = Jump.PLAIN): void {
    this.b.gotoPtr(this.linear(Seg.CS, offset), jump);
  }

  /** Ends the block behind this instruction because what later translation relies on may have changed. */
  endForModeChange(): void {
    this.b.exitTb(Exit.LOOKUP, this.next);
    this.ended = true;
  }
}
