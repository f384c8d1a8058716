// Integer arithmetic and logic: ADD to CMP, INC, DEC, NEG, NOT, TEST, multiplication, division, sign extension, BCD.
import type { Builder } from '../../../tcg/ir/builder.ts';
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import type { OpName, OpRow } from '../../../tcg/ir/ops.ts';
import { Cond, MO_RMW } from '../../../tcg/ir/types.ts';
import { Const, const32, const64, type Global, type Value } from '../../../tcg/ir/value.ts';
import { Cc } from '../flags.ts';
import { OperandKind } from '../operands.ts';
import { CC_DST, CC_SRC, CC_SRC2, REGS } from '../state.ts';
import { Vector } from '../vectors.ts';
import { ADD, rowOf, sizeLog, type Translation } from './context.ts';

const [EAX, , EDX] = REGS as [Global, Global, Global];
const ONE = const32(1);
const MINUS_ONE = const32(-1);

/** Computes a new value from the old one. */
type Compute = (old: Value) => Value;

/**
 * A locked read-modify-write of the memory operand (a LOCK prefix; XCHG always): one atomic access, `atomic` with `operand`,
 * or a compare-and-exchange loop, when the address is aligned. A misaligned one is a plain load and store: between threads
 * it is not atomic. Returns the old value; writes no register.
 */
export function locked(t: Translation, atomic: OpName | null, operand: Value | null, compute: Compute): Value {
  const { b } = t;
  const log = sizeLog(t.dst.size);
  const memOp = log | t.align;
  const address = b.copy(t.writeAddress());
  const old = b.temp();
  const split = b.label();
  const done = b.label();
  if (log > 0) b.brcond(Cond.TSTNE, address, (1 << log) - 1, split);
  if (atomic) {
    b.set(old, b.emit(atomic, address, operand, null, log));
  } else {
    const again = b.label();
    b.place(again);
    const seen = b.load(address, log | MO_RMW);
    b.set(old, b.emit('atomic_cas_i32', address, seen, compute(seen), log));
    b.brcond(Cond.NE, old, seen, again);
  }
  if (log > 0) {
    b.br(done);
    b.place(split);
    b.set(old, b.load(address, memOp | MO_RMW));
    b.store(address, compute(old), memOp);
    b.place(done);
  }
  return old;
}

/** One of the operations on two operands whose result goes to the first. */
interface Operation {
  readonly row: OpRow<OpName>;
  readonly atomic: OpName;
  readonly compute: (b: Builder, x: Value, y: Value) => Value;
}

const ADDITION: Operation = { row: ADD, atomic: 'atomic_add_i32', compute: (b, x, y) => b.add(x, y) };
const SUBTRACTION: Operation = {
  row: rowOf('sub_i32'),
  atomic: 'atomic_sub_i32',
  compute: (b, x, y) => b.sub(x, y),
};
const CONJUNCTION: Operation = { row: rowOf('and_i32'), atomic: 'atomic_and_i32', compute: (b, x, y) => b.and(x, y) };
const DISJUNCTION: Operation = { row: rowOf('or_i32'), atomic: 'atomic_or_i32', compute: (b, x, y) => b.or(x, y) };
const EXCLUSION: Operation = { row: rowOf('xor_i32'), atomic: 'atomic_xor_i32', compute: (b, x, y) => b.xor(x, y) };

/** Destination = destination op `y`; returns the new value, which may be the destination register itself. */
function combine(t: Translation, { row, atomic, compute }: Operation, y: Value): Value {
  const { b } = t;
  const dst = t.insn.op0;
  if (dst.kind === OperandKind.Reg32) {
    const reg = REGS[dst.num]!;
    t.flags.wrote(reg);
    b.push(row, reg, reg, y, null, 0, 0);
    return reg;
  }
  if (t.insn.lock)
    return compute(
      b,
      locked(t, atomic, y, (x) => compute(b, x, y)),
      y,
    );
  const result = compute(b, t.fetch(dst), y);
  // A register destination keeps its upper part: the value is good for flags as it is.
  if (dst.kind === OperandKind.Mem) t.putBack(dst, result);
  else t.write(dst, result);
  return result;
}

/** ADD r/m, r/imm … the flags keep the result and the second operand. */
export function add(t: Translation): void {
  const y = secondOperand(t);
  t.b.set(CC_DST, combine(t, ADDITION, y));
  t.flags.finish(Cc.ADD | sizeLog(t.insn.op0.size));
}

/** SUB. */
export function sub(t: Translation): void {
  const y = secondOperand(t);
  t.b.set(CC_DST, combine(t, SUBTRACTION, y));
  t.flags.finish(Cc.SUB | sizeLog(t.insn.op0.size));
}

/** Puts the second operand into CC_SRC; returns the value to compute with. */
function secondOperand(t: Translation): Value {
  const { b } = t;
  const src = t.insn.op1;
  if (src.kind === OperandKind.Mem) {
    t.readInto(CC_SRC, src);
    return CC_SRC;
  }
  const y = t.read(src);
  b.set(CC_SRC, y);
  return y;
}

/** ADC. */
export function adc(t: Translation): void {
  const { b } = t;
  const carry = t.flags.carry();
  const src = b.copy(t.read(t.src));
  b.set(CC_DST, combine(t, ADDITION, b.add(src, carry)));
  b.set(CC_SRC, src);
  b.set(CC_SRC2, carry);
  t.flags.finish(Cc.ADC | sizeLog(t.dst.size));
}

/** SBB. */
export function sbb(t: Translation): void {
  const { b, dst } = t;
  const borrow = t.flags.carry();
  if (t.src === dst) {
    // The usual way to turn a carry into a mask; the flags are those of 0 - borrow.
    const mask = b.neg(borrow);
    t.write(dst, mask);
    t.flags.set(Cc.SUB, sizeLog(dst.size), mask, borrow);
    return;
  }
  const src = b.copy(t.read(t.src));
  b.set(CC_DST, combine(t, SUBTRACTION, b.add(src, borrow)));
  b.set(CC_SRC, src);
  b.set(CC_SRC2, borrow);
  t.flags.finish(Cc.SBB | sizeLog(dst.size));
}

/** CMP: SUB without the write. */
export function cmp(t: Translation): void {
  const { b } = t;
  const { op0: dst, op1: src } = t.insn;
  const left = t.read(dst);
  if (src.kind === OperandKind.Mem) t.readInto(CC_SRC, src);
  const right = src.kind === OperandKind.Mem ? CC_SRC : t.read(src);
  if (right !== CC_SRC) b.set(CC_SRC, right);
  b.push(SUBTRACTION.row, CC_DST, left, right, null, 0, 0);
  t.flags.finish(Cc.SUB | sizeLog(dst.size), left, right instanceof Const ? right : CC_SRC);
}

function logic(t: Translation, operation: Operation): void {
  const { op0, op1 } = t.insn;
  t.b.set(CC_DST, combine(t, operation, t.read(op1)));
  t.flags.finish(Cc.LOGIC | sizeLog(op0.size));
}

export function and(t: Translation): void {
  logic(t, CONJUNCTION);
}

export function or(t: Translation): void {
  logic(t, DISJUNCTION);
}

export function xor(t: Translation): void {
  // XOR of a register with itself needs neither operand: the usual way to clear one.
  const { op0, op1 } = t.insn;
  if (op0 === op1) {
    t.write(op0, 0);
    t.b.set(CC_DST, 0);
    t.flags.finish(Cc.LOGIC | sizeLog(op0.size));
    return;
  }
  logic(t, EXCLUSION);
}

/** TEST: AND without the write. */
export function test(t: Translation): void {
  const { op0: dst, op1: src } = t.insn;
  const left = t.read(dst);
  t.flags.result(dst === src ? left : t.b.and(left, t.read(src)));
  t.flags.finish(Cc.LOGIC | sizeLog(dst.size));
}

/** INC leaves CF alone: it is kept in the flags' source word. */
export function inc(t: Translation): void {
  t.flags.keepCarry();
  t.b.set(CC_DST, combine(t, ADDITION, ONE));
  t.flags.finish(Cc.INC | sizeLog(t.dst.size));
}

/** DEC, the same. */
export function dec(t: Translation): void {
  t.flags.keepCarry();
  t.b.set(CC_DST, combine(t, SUBTRACTION, ONE));
  t.flags.finish(Cc.DEC | sizeLog(t.dst.size));
}

/** NEG: 0 - operand. */
export function neg(t: Translation): void {
  const { b, dst } = t;
  const atomic = t.insn.lock;
  const old = atomic ? locked(t, null, null, (x) => b.neg(x)) : t.fetch(dst);
  const result = b.neg(old);
  b.set(CC_SRC, old);
  b.set(CC_DST, result);
  if (!atomic) t.putBack(dst, result);
  t.flags.finish(Cc.SUB | sizeLog(dst.size), t.zero);
}

/** NOT changes no flags. */
export function not(t: Translation): void {
  combine(t, EXCLUSION, MINUS_ONE);
}

/** MUL r/m: AX, DX:AX or EDX:EAX = accumulator * operand, unsigned. CF and OF say that the high half counts. */
export function mul(t: Translation): void {
  const { b } = t;
  const size = t.dst.size;
  const src = t.read(t.dst);
  if (size === 4) {
    const product = b.emit('mul_i64', b.extu64(EAX), b.extu64(src));
    t.give(0, b.wrap(product));
    t.give(2, b.high(product));
    t.flags.set(Cc.MUL, 2, EAX, EDX);
    return;
  }
  const product = b.mul(t.reg(0, size), src);
  const high = b.shr(product, size * 8);
  t.setReg(0, 2, product);
  if (size === 2) t.setReg(2, 2, high);
  t.flags.set(Cc.MUL, sizeLog(size), product, high);
}

const MULTIPLY = rowOf('mul_i32');

/** IMUL with one, two or three operands; CF and OF say that the full product does not fit. */
export function imul(t: Translation): void {
  const { b } = t;
  if (t.src.kind === OperandKind.None) {
    imulWide(t);
    return;
  }
  const three = t.third.kind !== OperandKind.None;
  const size = t.dst.size;
  const left = t.read(three ? t.src : t.dst);
  const right = t.read(three ? t.third : t.src);
  if (size === 4) {
    b.set(CC_SRC, left);
    b.set(CC_SRC2, right);
    const reg = REGS[t.dst.num]!;
    t.flags.wrote(reg);
    b.push(MULTIPLY, reg, left, right, null, 0, 0);
    t.flags.set(Cc.IMUL, 2, reg);
    return;
  }
  const product = b.mul(b.ext16s(left), b.ext16s(right));
  t.write(t.dst, product);
  t.flags.set(Cc.MUL, sizeLog(size), product, b.sub(product, b.ext16s(product)));
}

/** IMUL r/m: AX, DX:AX or EDX:EAX = accumulator * operand, signed. */
function imulWide(t: Translation): void {
  const { b } = t;
  const size = t.dst.size;
  const src = t.read(t.dst);
  if (size === 4) {
    const product = b.emit('mul_i64', b.exts64(EAX), b.exts64(src));
    t.give(0, b.wrap(product));
    t.give(2, b.high(product));
    t.flags.set(Cc.MUL, 2, EAX, b.sub(EDX, b.sar(EAX, 31)));
    return;
  }
  const bits = size * 8;
  const product = b.mul(b.sextract(t.reg(0, size), 0, bits), b.sextract(src, 0, bits));
  t.setReg(0, 2, product);
  if (size === 2) t.setReg(2, 2, b.shr(product, 16));
  t.flags.set(Cc.MUL, sizeLog(size), product, b.sub(product, b.sextract(product, 0, bits)));
}

/** DIV r/m: quotient and remainder of AX, DX:AX, EDX:EAX; #DE for a divisor of 0 or a quotient that does not fit. */
export function div(t: Translation): void {
  const { b } = t;
  const size = t.dst.size;
  const divisor = t.read(t.dst);
  t.faultIf(Vector.DE, Cond.EQ, divisor, 0);
  if (size === 4) {
    // The quotient fits exactly when the high half is below the divisor.
    t.faultIf(Vector.DE, Cond.GEU, EDX, divisor);
    const dividend = b.concat(EAX, EDX);
    const wide = b.extu64(divisor);
    const quotient = b.emit('divu_i64', dividend, wide);
    const remainder = b.emit('remu_i64', dividend, wide);
    t.give(0, b.wrap(quotient));
    t.give(2, b.wrap(remainder));
    return;
  }
  const dividend = size === 1 ? t.reg(0, 2) : b.or(t.reg(0, 2), b.shl(EDX, 16));
  t.faultIf(Vector.DE, Cond.GEU, b.shr(dividend, size * 8), divisor);
  putQuotient(t, size, b.divu(dividend, divisor), b.remu(dividend, divisor));
}

/** IDIV: the same for signed numbers; the quotient is truncated, the remainder has the dividend's sign. */
export function idiv(t: Translation): void {
  const { b } = t;
  const size = t.dst.size;
  const bits = size * 8;
  const divisor = size === 4 ? t.read(t.dst) : b.sextract(t.read(t.dst), 0, bits);
  t.faultIf(Vector.DE, Cond.EQ, divisor, 0);
  if (size === 4) {
    // The least dividend overflows whatever the divisor, and must not reach the 64-bit division with -1.
    const dividend = b.concat(EAX, EDX);
    t.faultIf(Vector.DE, Cond.NE, b.emit('setcond_i64', dividend, LEAST, null, Cond.EQ), 0);
    const wide = b.exts64(divisor);
    const quotient = b.emit('divs_i64', dividend, wide);
    const low = b.wrap(quotient);
    t.faultIf(Vector.DE, Cond.NE, b.high(quotient), b.sar(low, 31));
    const remainder = b.emit('rems_i64', dividend, wide);
    t.setReg(0, 4, low);
    t.give(2, b.wrap(remainder));
    return;
  }
  const dividend = size === 1 ? b.ext16s(EAX) : b.or(t.reg(0, 2), b.shl(EDX, 16));
  if (size === 2) t.faultIf(Vector.DE, Cond.EQ, dividend, -0x80000000);
  const quotient = b.divs(dividend, divisor);
  t.faultIf(Vector.DE, Cond.NE, quotient, b.sextract(quotient, 0, bits));
  putQuotient(t, size, quotient, b.rems(dividend, divisor));
}

const LEAST = const64(-(1n << 63n));

/** AL, AH or AX, DX = quotient, remainder. */
function putQuotient(t: Translation, size: number, quotient: Value, remainder: Value): void {
  const { b } = t;
  if (size === 1) {
    t.setReg(0, 2, b.or(b.and(quotient, 0xff), b.shl(b.and(remainder, 0xff), 8)));
  } else {
    t.setReg(0, 2, quotient);
    t.setReg(2, 2, remainder);
  }
}

/** CBW and CWDE: the accumulator's half extended into all of it. */
export function cbw(t: Translation): void {
  const { b } = t;
  if (t.insn.operandSize === 4) t.give(0, b.ext16s(EAX));
  else t.setReg(0, 2, b.ext8s(EAX));
}

/** CWD and CDQ: the accumulator's sign in all of (E)DX. */
export function cwd(t: Translation): void {
  const { b } = t;
  if (t.insn.operandSize === 4) t.give(2, b.sar(EAX, 31));
  else t.setReg(2, 2, b.sar(b.ext16s(EAX), 31));
}

/**
 * The six BCD adjustments as pure helpers: arguments AX, EFLAGS and the immediate base, result AX in bits 0-15 and the new
 * arithmetic flags in bits 16-27.
 */
export const BCD_HELPERS = {
  DAA: { name: 'daa', args: ['i32', 'i32', 'i32'], result: 'i32' },
  DAS: { name: 'das', args: ['i32', 'i32', 'i32'], result: 'i32' },
  AAA: { name: 'aaa', args: ['i32', 'i32', 'i32'], result: 'i32' },
  AAS: { name: 'aas', args: ['i32', 'i32', 'i32'], result: 'i32' },
  AAM: { name: 'aam', args: ['i32', 'i32', 'i32'], result: 'i32' },
  AAD: { name: 'aad', args: ['i32', 'i32', 'i32'], result: 'i32' },
} as const satisfies Record<string, HelperRow>;

/** DAA DAS AAA AAS AAM AAD. */
export function bcd(t: Translation): void {
  const { b } = t;
  const name = t.insn.mnemonic as keyof typeof BCD_HELPERS;
  const base = t.dst.kind === OperandKind.Imm ? t.insn.imm & 0xff : 10;
  if (name === 'AAM' && base === 0) {
    t.fault(Vector.DE);
    t.ended = true;
    return;
  }
  const result = b.call(BCD_HELPERS[name], t.reg(0, 2), t.flags.all(), base);
  t.setReg(0, 2, result);
  t.flags.setAll(b.shr(result, 16));
}
