// Integer arithmetic and logic: ADD to CMP, INC, DEC, NEG, NOT, TEST, multiplication, division, sign extension, BCD.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import type { OpName } from '../../../tcg/ir/ops.ts';
import { Cond } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { Cc } from '../flags.ts';
import { type Operand, OperandKind } from '../operands.ts';
import { REGS } from '../state.ts';
import { Vector } from '../vectors.ts';
import { sizeLog, type Translation } from './context.ts';

const [EAX, , EDX] = REGS;

/** Computes a new value from the old one; used for locked and plain read-modify-write alike. */
type Compute = (old: Value) => Value;

/**
 * Reads an operand and writes `compute(old)` back; `t.result` is then the new value. Returns the old one, which later
 * register writes do not change. With a LOCK prefix (XCHG with memory: always) it is one atomic access: `atomic` with
 * `operand`, or a compare-and-exchange loop, when the address is aligned. A misaligned one is a plain load and store:
 * between threads it is not atomic.
 */
export function modify(
  t: Translation,
  dst: Operand,
  atomic: OpName | null,
  operand: Value | null,
  compute: Compute,
  locked = t.insn.lock,
): Value {
  const { b } = t;
  if (dst.kind !== OperandKind.Mem) {
    const old = b.copy(t.read(dst));
    t.result = compute(old);
    t.write(dst, t.result);
    return old;
  }
  const address = t.address();
  const log = sizeLog(dst.size);
  if (!locked) {
    const old = b.load(address, log);
    t.result = compute(old);
    b.store(address, t.result, log);
    return old;
  }
  const old = b.temp();
  const split = b.label();
  const done = b.label();
  if (log > 0) b.brcond(Cond.TSTNE, address, (1 << log) - 1, split);
  if (atomic) {
    b.set(old, b.emit(atomic, address, operand, null, log));
  } else {
    const again = b.label();
    b.place(again);
    const seen = b.load(address, log);
    b.set(old, b.emit('atomic_cas_i32', address, seen, compute(seen), log));
    b.brcond(Cond.NE, old, seen, again);
  }
  if (log > 0) {
    b.br(done);
    b.place(split);
    b.set(old, b.load(address, log));
    b.store(address, compute(old), log);
    b.place(done);
  }
  t.result = compute(old);
  return old;
}

/** ADD r/m, r/imm … the flags keep the result and the second operand. */
export function add(t: Translation): void {
  const { b, dst } = t;
  const src = b.copy(t.read(t.src));
  modify(t, dst, 'atomic_add_i32', src, (x) => b.add(x, src));
  t.flags.set(Cc.ADD, sizeLog(dst.size), t.result, src);
}

/** ADC. */
export function adc(t: Translation): void {
  const { b, dst } = t;
  const carry = t.flags.carry();
  const src = b.copy(t.read(t.src));
  const sum = b.add(src, carry);
  modify(t, dst, 'atomic_add_i32', sum, (x) => b.add(x, sum));
  t.flags.set(Cc.ADC, sizeLog(dst.size), t.result, src, carry);
}

/** SUB. */
export function sub(t: Translation): void {
  const { b, dst } = t;
  const src = b.copy(t.read(t.src));
  const old = modify(t, dst, 'atomic_sub_i32', src, (x) => b.sub(x, src));
  t.flags.set(Cc.SUB, sizeLog(dst.size), t.result, src, null, old);
}

/** SBB. */
export function sbb(t: Translation): void {
  const { b, dst } = t;
  const borrow = t.flags.carry();
  const src = b.copy(t.read(t.src));
  const sum = b.add(src, borrow);
  modify(t, dst, 'atomic_sub_i32', sum, (x) => b.sub(x, sum));
  t.flags.set(Cc.SBB, sizeLog(dst.size), t.result, src, borrow);
}

/** CMP: SUB without the write. */
export function cmp(t: Translation): void {
  const { b, dst } = t;
  const left = b.copy(t.read(dst));
  const src = t.read(t.src);
  t.flags.set(Cc.SUB, sizeLog(dst.size), b.sub(left, src), src, null, left);
}

function logic(t: Translation, atomic: OpName, compute: (x: Value, y: Value) => Value): void {
  const src = t.b.copy(t.read(t.src));
  modify(t, t.dst, atomic, src, (x) => compute(x, src));
  t.flags.set(Cc.LOGIC, sizeLog(t.dst.size), t.result);
}

export function and(t: Translation): void {
  logic(t, 'atomic_and_i32', (x, y) => t.b.and(x, y));
}

export function or(t: Translation): void {
  logic(t, 'atomic_or_i32', (x, y) => t.b.or(x, y));
}

export function xor(t: Translation): void {
  // XOR of a register with itself needs neither operand: the usual way to clear one.
  if (t.dst === t.src && t.dst.kind === OperandKind.Reg32) {
    t.b.set(REGS[t.dst.num]!, 0);
    t.flags.set(Cc.LOGIC, 2, t.zero);
    return;
  }
  logic(t, 'atomic_xor_i32', (x, y) => t.b.xor(x, y));
}

/** TEST: AND without the write. */
export function test(t: Translation): void {
  const { b, dst } = t;
  const left = t.read(dst);
  t.flags.set(Cc.LOGIC, sizeLog(dst.size), t.dst === t.src ? left : b.and(left, t.read(t.src)));
}

export function inc(t: Translation): void {
  step(t, 'atomic_add_i32', Cc.INC, 1);
}

export function dec(t: Translation): void {
  step(t, 'atomic_sub_i32', Cc.DEC, -1);
}

/** INC and DEC leave CF alone: it is kept in the flags' source word. */
function step(t: Translation, atomic: OpName, kind: Cc, by: number): void {
  const { b, dst } = t;
  const carry = t.flags.carry();
  modify(t, dst, atomic, t.one, (x) => b.add(x, by));
  t.flags.set(kind, sizeLog(dst.size), t.result, carry);
}

/** NEG: 0 - operand. */
export function neg(t: Translation): void {
  const { b, dst } = t;
  const old = modify(t, dst, null, null, (x) => b.neg(x));
  t.flags.set(Cc.SUB, sizeLog(dst.size), t.result, old, null, t.zero);
}

/** NOT changes no flags. */
export function not(t: Translation): void {
  const { b } = t;
  modify(t, t.dst, 'atomic_xor_i32', t.minusOne, (x) => b.not(x));
}

/** MUL r/m: AX, DX:AX or EDX:EAX = accumulator * operand, unsigned. CF and OF say that the high half counts. */
export function mul(t: Translation): void {
  const { b } = t;
  const size = t.dst.size;
  const src = t.read(t.dst);
  if (size === 4) {
    const product = b.emit('mul_i64', b.extu64(EAX!), b.extu64(src));
    const high = b.high(product);
    b.set(EAX!, b.wrap(product));
    b.set(EDX!, high);
    t.flags.set(Cc.MUL, 2, EAX!, high);
    return;
  }
  const product = b.mul(t.reg(0, size), src);
  const high = b.shr(product, size * 8);
  t.setReg(0, 2, product);
  if (size === 2) t.setReg(2, 2, high);
  t.flags.set(Cc.MUL, sizeLog(size), product, high);
}

/** IMUL with one, two or three operands; CF and OF say that the full product does not fit. */
export function imul(t: Translation): void {
  const { b } = t;
  const one = t.src.kind === OperandKind.None;
  const size = t.dst.size;
  const three = t.third.kind !== OperandKind.None;
  const left = one ? t.reg(0, size) : t.read(three ? t.src : t.dst);
  const right = t.read(one ? t.dst : three ? t.third : t.src);
  if (size === 4) {
    const product = b.emit('mul_i64', b.exts64(left), b.exts64(right));
    const low = b.wrap(product);
    const high = b.high(product);
    if (one) {
      b.set(EAX!, low);
      b.set(EDX!, high);
    } else {
      t.write(t.dst, low);
    }
    t.flags.set(Cc.MUL, 2, low, b.sub(high, b.sar(low, 31)));
    return;
  }
  const bits = size * 8;
  const product = b.mul(b.sextract(left, 0, bits), b.sextract(right, 0, bits));
  if (!one) t.write(t.dst, product);
  else {
    t.setReg(0, 2, product);
    if (size === 2) t.setReg(2, 2, b.shr(product, 16));
  }
  t.flags.set(Cc.MUL, sizeLog(size), product, b.sub(product, b.sextract(product, 0, bits)));
}

/** DIV r/m: quotient and remainder of AX, DX:AX, EDX:EAX; #DE for a divisor of 0 or a quotient that does not fit. */
export function div(t: Translation): void {
  const { b } = t;
  const size = t.dst.size;
  const divisor = b.copy(t.read(t.dst));
  t.faultIf(Vector.DE, Cond.EQ, divisor, 0);
  if (size === 4) {
    // The quotient fits exactly when the high half is below the divisor.
    t.faultIf(Vector.DE, Cond.GEU, EDX!, divisor);
    const dividend = b.concat(EAX!, EDX!);
    const wide = b.extu64(divisor);
    const quotient = b.emit('divu_i64', dividend, wide);
    const remainder = b.emit('remu_i64', dividend, wide);
    b.set(EAX!, b.wrap(quotient));
    b.set(EDX!, b.wrap(remainder));
    return;
  }
  const dividend = size === 1 ? t.reg(0, 2) : b.or(t.reg(0, 2), b.shl(EDX!, 16));
  t.faultIf(Vector.DE, Cond.GEU, b.shr(dividend, size * 8), divisor);
  putQuotient(t, size, b.divu(dividend, divisor), b.remu(dividend, divisor));
}

/** IDIV: the same for signed numbers; the quotient is truncated, the remainder has the dividend's sign. */
export function idiv(t: Translation): void {
  const { b } = t;
  const size = t.dst.size;
  const bits = size * 8;
  const divisor = b.copy(b.sextract(t.read(t.dst), 0, bits));
  t.faultIf(Vector.DE, Cond.EQ, divisor, 0);
  if (size === 4) {
    // The least dividend overflows whatever the divisor, and must not reach the 64-bit division with -1.
    const dividend = b.concat(EAX!, EDX!);
    t.faultIf(Vector.DE, Cond.NE, b.emit('setcond_i64', dividend, b.i64(-(1n << 63n)), null, Cond.EQ), 0);
    const wide = b.exts64(divisor);
    const quotient = b.emit('divs_i64', dividend, wide);
    const low = b.wrap(quotient);
    t.faultIf(Vector.DE, Cond.NE, b.high(quotient), b.sar(low, 31));
    const remainder = b.emit('rems_i64', dividend, wide);
    b.set(EAX!, low);
    b.set(EDX!, b.wrap(remainder));
    return;
  }
  const dividend = size === 1 ? b.sextract(EAX!, 0, 16) : b.or(t.reg(0, 2), b.shl(EDX!, 16));
  if (size === 2) t.faultIf(Vector.DE, Cond.EQ, dividend, -0x80000000);
  const quotient = b.divs(dividend, divisor);
  t.faultIf(Vector.DE, Cond.NE, quotient, b.sextract(quotient, 0, bits));
  putQuotient(t, size, quotient, b.rems(dividend, divisor));
}

/** AL, AH or AX, DX = quotient, remainder. */
function putQuotient(t: Translation, size: number, quotient: Value, remainder: Value): void {
  const { b } = t;
  if (size === 1) {
    t.setReg(0, 2, b.or(b.extract(quotient, 0, 8), b.shl(b.extract(remainder, 0, 8), 8)));
  } else {
    t.setReg(0, 2, quotient);
    t.setReg(2, 2, remainder);
  }
}

/** CBW and CWDE: the accumulator's half extended into all of it. */
export function cbw(t: Translation): void {
  const size = t.insn.operandSize;
  t.setReg(0, size, t.b.sextract(EAX!, 0, size * 4));
}

/** CWD and CDQ: the accumulator's sign in all of (E)DX. */
export function cwd(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  t.setReg(2, size, b.sar(size === 4 ? EAX! : b.sextract(EAX!, 0, 16), 31));
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
