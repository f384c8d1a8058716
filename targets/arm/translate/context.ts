// What every ARM handler works with: the instruction at hand, registers, conditions, flags, memory, exceptions, ways out.

import type { Builder, Int } from '../../../tcg/ir/builder.ts';
import { Jump } from '../../../tcg/ir/ops.ts';
import { Cond, Exit, type MemOp, MO_ALIGN, MO_BE } from '../../../tcg/ir/types.ts';
import { const32, type Label, type Value } from '../../../tcg/ir/value.ts';
import type { Insn, InsnSet } from '../insns.ts';
import { FLAG_BIG_ENDIAN, FLAG_ITSTATE } from '../mode.ts';
import type { ArmModel, Feature } from '../models.ts';
import { refusedExtension } from '../refused.ts';
import { CA, CB, ITSTATE, NZ, ARM_OFFSETS as O, REGS, VX } from '../state.ts';
import { ABORT_ALIGNMENT, ABORT_WRITE, Vector } from '../vectors.ts';

/** The condition "always". */
export const AL = 14;
export const SP = 13;
export const LR = 14;
export const PC = 15;

/** What is known of the condition flags at a point of a block: that they are those of this operation. */
interface KnownFlags {
  /** `sub`: of x - y; `result`: N and Z of x. */
  readonly kind: 'sub' | 'result';
  readonly x: Value;
  readonly y: Value;
}

/** A comparison that decides a condition. */
interface Test {
  readonly cond: Cond;
  readonly x: Value;
  readonly y: Value;
}

const ZERO = const32(0);

/** Conditions of a subtraction's flags, by condition number; undefined where the operands alone do not tell. */
const SUB_CONDS: readonly (Cond | undefined)[] = [
  Cond.EQ,
  Cond.NE,
  Cond.GEU,
  Cond.LTU,
  undefined,
  undefined,
  undefined,
  undefined,
  Cond.GTU,
  Cond.LEU,
  Cond.GE,
  Cond.LT,
  Cond.GT,
  Cond.LE,
];

/**
 * Translates one block at a time; one object serves a whole run, `begin` makes it fresh.
 *
 * Registers may be written before an access that faults: a fault replays the instruction from its `insn_start`, where CPU
 * state was made precise. They must not be written before an exception exit, nor before a helper that raises and sees them.
 */
export class Translation {
  b!: Builder;
  insn!: Insn;
  model!: ArmModel;
  /** MO_BE when data is big-endian, else 0. */
  be: MemOp = 0;
  /** Block flags (mode.ts). */
  flags = 0;
  /** Address of the instruction, and of the one behind it; without the Thumb bit. */
  pc = 0;
  next = 0;
  /** 1 for Thumb instructions: what a PC has in bit 0. */
  thumb = 0;
  /** ITSTATE at this instruction and behind it. */
  it = 0;
  itNext = 0;
  /** ITSTATE as the global has it here; -1: depends on the way. */
  private itStored = 0;
  /** Name of an instruction that is not translated yet; the execution loop names it to the user. */
  unimplemented: string | null = null;
  /** Set by a handler after which translation cannot go straight on. */
  ended = false;
  /** What the flags are kept as at each `goto_tb`: nothing a successor relies on. */
  exitContexts: number[] = [];
  private known: KnownFlags | null = null;
  /** Where the instruction at hand is skipped to when its condition fails, and that condition. */
  private skip: Label | null = null;
  private skipCond = AL;
  /** `itStored` where it branches off. */
  private skipIt = 0;
  private flagsWritten = false;
  /** Not 0 at run time: the condition holds. Registers are then written by selection instead of a branch. */
  private chosen: Value | null = null;
  /** What VCMP has found, for a VMRS right behind it at `next`: 0 less, 1 equal, 2 greater. */
  floatOrder: { readonly next: number; readonly order: Value } | null = null;
  /** Whether the block has counted itself among those that compute carefully (floats.ts). */
  countedCareful = false;
  /** Translations of the block's flags are not linked to others: the flags change on the way. */
  private unlinked = false;

  begin(b: Builder, flags: number, model: ArmModel, thumb: number): void {
    this.b = b;
    this.flags = flags;
    this.model = model;
    this.be = flags & FLAG_BIG_ENDIAN ? MO_BE : 0;
    this.thumb = thumb;
    this.it = this.itNext = this.itStored = flags & FLAG_ITSTATE;
    this.unlinked = this.it !== 0;
    this.unimplemented = null;
    this.ended = false;
    this.exitContexts = [];
    this.known = null;
    this.skip = null;
    this.skipCond = AL;
    this.flagsWritten = false;
    this.chosen = null;
    this.countedCareful = false;
    this.floatOrder = null;
  }

  has(feature: Feature): boolean {
    return this.model.features.includes(feature);
  }

  // ---- conditions and IT blocks

  /** Whether the instruction stands in an IT block. */
  get inIt(): boolean {
    return (this.it & 15) !== 0;
  }

  /** Called before `insn_start`: comes back from skipped instructions unless this one has their condition too. */
  beginInsn(cond: number): void {
    if (this.skip && (cond !== this.skipCond || this.flagsWritten)) this.endSkip();
    if (this.itStored !== this.it) {
      this.b.set(ITSTATE, this.it);
      this.itStored = this.it;
    }
  }

  /** Called behind `insn_start`: goes on only where the condition holds. `selects`: the handler only writes registers. */
  beginCondition(cond: number, selects: boolean): void {
    this.chosen = null;
    if (cond >= AL) return;
    this.b.readsHidden();
    if (this.skip) return;
    if (selects) {
      this.chosen = this.condition(cond);
      return;
    }
    const label = this.b.label();
    const { cond: test, x, y } = this.test(cond ^ 1);
    this.b.brcond(test, x, y, label);
    this.skip = label;
    this.skipCond = cond;
    this.skipIt = this.itStored;
    this.flagsWritten = false;
  }

  /** Behind the handler. */
  endInsn(): void {
    this.chosen = null;
    this.it = this.itNext;
  }

  /** Whether the instruction is executed only sometimes: what follows is reached even when it has left. */
  get skipped(): boolean {
    return this.skip !== null;
  }

  /** Brings the two ways together again. */
  endSkip(): void {
    if (!this.skip) return;
    this.b.place(this.skip);
    this.skip = null;
    this.skipCond = AL;
    if (this.itStored !== this.skipIt) this.itStored = -1;
    if (this.flagsWritten) this.known = null;
    this.flagsWritten = false;
  }

  /** ITSTATE in the global becomes what it is behind this instruction, on a way out. */
  private settleIt(): void {
    if (this.itStored !== this.itNext) this.b.set(ITSTATE, this.itNext);
  }

  /** The comparison that decides condition number `cond` (0-13). */
  test(cond: number): Test {
    const { b, known } = this;
    if (known) {
      b.readsHidden();
      if (known.kind === 'sub') {
        const direct = SUB_CONDS[cond];
        if (direct !== undefined) return { cond: direct, x: known.x, y: known.y };
      } else if (cond < 2) {
        return { cond: cond === 0 ? Cond.EQ : Cond.NE, x: known.x, y: ZERO };
      } else if (cond >> 1 === 2) {
        return { cond: cond === 4 ? Cond.LT : Cond.GE, x: known.x, y: ZERO };
      }
    }
    const negated = (cond & 1) !== 0;
    switch (cond >> 1) {
      case 0:
        return { cond: negated ? Cond.NE : Cond.EQ, x: NZ, y: ZERO };
      case 1:
        return { cond: negated ? Cond.LTU : Cond.GEU, x: CA, y: CB };
      case 2:
        return { cond: negated ? Cond.GE : Cond.LT, x: this.sign(), y: ZERO };
      case 3:
        return { cond: negated ? Cond.GE : Cond.LT, x: this.overflow(), y: ZERO };
      case 4:
        return {
          cond: negated ? Cond.EQ : Cond.NE,
          x: b.and(this.carry(), b.setcond(Cond.NE, NZ, 0)),
          y: ZERO,
        };
      case 5:
        return { cond: negated ? Cond.LT : Cond.GE, x: b.xor(this.sign(), this.overflow()), y: ZERO };
      default:
        return {
          cond: negated ? Cond.EQ : Cond.NE,
          x: b.and(b.setcond(Cond.NE, NZ, 0), b.setcond(Cond.GE, b.xor(this.sign(), this.overflow()), 0)),
          y: ZERO,
        };
    }
  }

  /** 1 if condition number `cond` holds, else 0. */
  condition(cond: number): Value {
    const { cond: test, x, y } = this.test(cond);
    return this.b.setcond(test, x, y);
  }

  // ---- flags

  /** Whether the instruction's S bit asks for flags; 2 means outside of IT blocks. */
  get setsFlags(): boolean {
    const { S } = this.insn;
    return S === 1 || (S === 2 && !this.inIt);
  }

  /** C, 0 or 1. */
  carry(): Value {
    return this.b.setcond(Cond.GEU, CA, CB);
  }

  /** N in bit 31 of a word. */
  private sign(): Value {
    return this.known ? NZ : this.b.or(NZ, this.b.shl(VX, 31));
  }

  /** V in bit 31 of a word. */
  private overflow(): Value {
    const { b } = this;
    return b.xor(b.and(b.xor(CA, CB), b.xor(CA, b.sub(CA, CB))), VX);
  }

  /** C becomes a value that is 0 or 1, V bit 31 of another one. */
  private setCV(carry: Value, overflow: Value): void {
    const { b } = this;
    // The overflow is read from the old words of the carry.
    b.set(VX, b.and(overflow, 0x80000000 | 0));
    b.set(CA, carry);
    b.set(CB, 1);
  }

  private wroteFlags(known: KnownFlags | null): void {
    this.known = known;
    this.flagsWritten = true;
  }

  /** N is not set apart from what `nz` says, whatever a program had set; V stays. */
  private settleSign(): void {
    if (!this.known) this.b.set(VX, this.b.and(VX, 0x80000000 | 0));
  }

  /** N and Z of a result; the value must not be a register. */
  setNZ(result: Value): void {
    this.settleSign();
    this.b.set(NZ, result);
    this.wroteFlags({ kind: 'result', x: result, y: ZERO });
  }

  /** N and Z of a 64-bit result. */
  setNZ64(low: Value, high: Value): void {
    const { b } = this;
    this.settleSign();
    b.set(NZ, b.or(high, b.or(b.shr(low, 1), b.and(low, 1))));
    this.wroteFlags(null);
  }

  /** N, Z and, where the shifter gives one, C. */
  setLogicFlags(result: Value, carry: Value | null): void {
    if (carry) this.setCV(carry, this.overflow());
    else this.settleSign();
    this.b.set(NZ, result);
    this.wroteFlags({ kind: 'result', x: result, y: ZERO });
  }

  /** Flags of x - y = result; none of them may be a register. */
  setSubFlags(x: Value, y: Value, result: Value): void {
    const { b } = this;
    b.set(CA, x);
    b.set(CB, y);
    b.set(VX, 0);
    b.set(NZ, result);
    this.wroteFlags({ kind: 'sub', x, y });
  }

  /** Flags of x + y = result. */
  setAddFlags(x: Value, y: Value, result: Value): void {
    this.setCarryFlags(x, y, result, this.b.setcond(Cond.LTU, result, x));
  }

  /** Flags of x + y + C = result, whose carry the caller has computed. */
  setCarryFlags(x: Value, y: Value, result: Value, carry: Value): void {
    const { b } = this;
    this.setCV(carry, b.and(b.xor(x, result), b.xor(y, result)));
    b.set(NZ, result);
    this.wroteFlags({ kind: 'result', x: result, y: ZERO });
  }

  /** The condition flags from bits 28-31 of a word. */
  setFlagsFrom(word: Value): void {
    const { b } = this;
    const n = b.and(word, 0x80000000 | 0);
    const z = b.extract(word, 30, 1);
    // 0 with Z, else the least number or 1.
    b.set(NZ, b.select(z, 0, b.or(n, 1)));
    b.set(VX, b.or(b.and(b.shl(word, 3), 0x80000000 | 0), b.and(b.shr(word, 31), z)));
    b.set(CA, b.extract(word, 29, 1));
    b.set(CB, 1);
    this.wroteFlags(null);
  }

  /** N, Z, C, V in bits 31-28. */
  packFlags(): Value {
    const { b } = this;
    const n = b.and(this.sign(), 0x80000000 | 0);
    const z = b.shl(b.setcond(Cond.EQ, NZ, 0), 30);
    const v = b.shl(b.shr(this.overflow(), 31), 28);
    return b.or(b.or(n, z), b.or(b.shl(this.carry(), 29), v));
  }

  // ---- registers

  /** What the PC reads as. */
  get pcValue(): number {
    return (this.pc + (this.thumb ? 4 : 8)) >>> 0;
  }

  /** Register `n`; it may be a global. */
  reg(n: number): Value {
    return n === PC ? const32(this.pcValue) : REGS[n]!;
  }

  /** Register `n` as a value that later writes do not change. */
  copy(n: number): Value {
    return n === PC ? const32(this.pcValue) : this.b.copy(REGS[n]!);
  }

  /** Writes register `n`, not the PC, where the instruction's condition holds. */
  setReg(n: number, value: Int): void {
    // The PC as a result is UNPREDICTABLE wherever it is not a jump: here undefined.
    if (n === PC) {
      this.undefined();
      return;
    }
    const global = REGS[n]!;
    this.b.set(global, this.chosen ? this.b.select(this.chosen, value, global) : value);
  }

  /** Writes a result of data processing: a jump when the register is the PC. */
  write(n: number, value: Value, jump = Jump.PLAIN): void {
    if (n !== PC) {
      this.setReg(n, value);
      return;
    }
    const { b } = this;
    if (this.thumb) this.jumpToValue(b.or(value, 1), jump);
    else if (this.has('v7')) this.jumpToValue(value, jump);
    else this.jumpToValue(b.and(value, ~3), jump);
  }

  /** The PC is loaded: a jump to the other instruction set too, from ARMv5 on. */
  loadPc(value: Value, jump = Jump.PLAIN): void {
    const { b } = this;
    if (this.has('v5')) this.jumpToValue(value, jump);
    else this.jumpToValue(this.thumb ? b.or(value, 1) : b.and(value, ~3), jump);
  }

  // ---- memory

  load(address: Int, memOp: MemOp): Value {
    return this.b.load(address, memOp | this.be);
  }

  store(address: Int, value: Int, memOp: MemOp): void {
    this.b.store(address, value, memOp | this.be);
  }

  /** Raises an alignment fault unless the address has zeros where `mask` has ones. No register may be written before. */
  checkAlignment(address: Value, mask: number, writes: boolean): void {
    const { b } = this;
    const fine = b.label();
    b.brcond(Cond.TSTEQ, address, mask, fine);
    this.raise(Vector.DATA_ABORT, ABORT_ALIGNMENT | (writes ? ABORT_WRITE : 0), address);
    b.place(fine);
  }

  /** MO_ALIGN for the instructions whose addresses must be aligned whatever SCTLR.A says. */
  readonly strict: MemOp = MO_ALIGN;

  // ---- exceptions and ways out

  /** Raises an exception with the PC on this instruction and ends this path. */
  raise(vector: Vector, errorCode = 0, address: Int = 0): void {
    const { b } = this;
    b.envStore(O.exception, vector);
    b.envStore(O.errorCode, errorCode);
    b.envStore(O.faultAddress, address);
    b.exitTb(Exit.EXCEPTION, const32(this.pc | this.thumb));
  }

  /** Raises an exception with the PC behind this instruction. */
  trap(vector: Vector, errorCode = 0): void {
    const { b } = this;
    this.settleIt();
    b.envStore(O.exception, vector);
    b.envStore(O.errorCode, errorCode);
    b.envStore(O.faultAddress, 0);
    b.exitTb(Exit.EXCEPTION, const32(this.next | this.thumb));
    this.ended = true;
  }

  /** The instruction is undefined, here or where its operands are such. */
  undefined(): void {
    if (this.insn.length === 4) this.unimplemented ??= refusedExtension(this.insn.word);
    this.raise(Vector.UNDEFINED);
    this.ended = true;
  }

  /** The PC of the instruction behind this one, as BL leaves it in LR. */
  get returnAddress(): number {
    return (this.next | this.thumb) >>> 0;
  }

  /** Leaves to a known PC, bit 0 saying Thumb; the block may still go on behind it on another path. */
  jumpTo(pc: number, jump: Jump = Jump.PLAIN): void {
    const { b } = this;
    this.settleIt();
    // Behind a start inside an IT block, and before one, translations with other flags follow.
    if (this.unlinked || this.itNext !== 0) {
      b.exitTb(Exit.LOOKUP, const32(pc));
      return;
    }
    this.exitContexts.push(-1);
    if (pc >>> 0 <= (this.pc | this.thumb) >>> 0) b.poll(pc >>> 0);
    b.gotoTb(pc, jump);
  }

  /** Leaves by a computed PC, bit 0 saying Thumb, and ends this path. */
  jumpToValue(pc: Value, jump: Jump = Jump.PLAIN): void {
    this.settleIt();
    if (this.unlinked) this.b.exitTb(Exit.LOOKUP, pc);
    else this.b.gotoPtr(pc, jump);
    this.ended = true;
  }

  /** Ends the block behind this instruction because the flags it is kept under have changed. */
  endForModeChange(): void {
    this.settleIt();
    this.b.exitTb(Exit.LOOKUP, const32(this.returnAddress));
    this.ended = true;
  }

  /** Whether immediates are T32's modified constants, A32's, or plain. */
  get set(): InsnSet {
    return this.insn.set;
  }
}

export type Handler = (t: Translation) => void;
