// Data processing: the arithmetic and logical instructions with their shifted second operands.
import { Jump } from '../../../tcg/ir/ops.ts';
import { Cond } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { InsnSet } from '../insns.ts';
import { type Handler, LR, PC, type Translation } from './context.ts';

/** A second operand and the carry its shift gives; null: C stays. */
interface Operand {
  readonly value: Value;
  readonly carry: Value | null;
}

function rotateRight(value: number, by: number): number {
  by &= 31;
  return by === 0 ? value : (value >>> by) | (value << (32 - by));
}

/** ThumbExpandImm: the constant of a 12-bit field, and whether C becomes its bit 31. */
function expandThumb(imm: number): [value: number, rotated: boolean] {
  const byte = imm & 0xff;
  if (imm >>> 10 !== 0) return [rotateRight(0x80 | (imm & 0x7f), imm >>> 7), true];
  switch ((imm >>> 8) & 3) {
    case 0:
      return [byte, false];
    case 1:
      return [byte | (byte << 16), false];
    case 2:
      return [(byte << 8) | (byte << 24), false];
    default:
      return [byte * 0x01010101, false];
  }
}

/** The immediate second operand. */
function immediate(t: Translation): Operand {
  const { insn } = t;
  if (insn.set === InsnSet.T16 || insn.j) return { value: const32(insn.i << insn.z), carry: null };
  let value: number;
  let rotated: boolean;
  if (insn.set === InsnSet.T32) {
    [value, rotated] = expandThumb(insn.i);
  } else {
    const by = (insn.i >>> 8) * 2;
    value = rotateRight(insn.i & 0xff, by);
    rotated = by !== 0;
  }
  return { value: const32(value), carry: rotated ? const32(value >>> 31) : null };
}

/** A register shifted by a constant: type 0 LSL, 1 LSR, 2 ASR, 3 ROR; amount 0 means 32 for LSR and ASR, RRX for ROR. */
export function shiftByConstant(t: Translation, m: Value, type: number, amount: number, wantCarry: boolean): Operand {
  const { b } = t;
  const bit = (n: number): Value | null => (wantCarry ? b.extract(m, n, 1) : null);
  switch (type) {
    case 0:
      return amount === 0 ? { value: m, carry: null } : { value: b.shl(m, amount), carry: bit(32 - amount) };
    case 1:
      return amount === 0 ? { value: const32(0), carry: bit(31) } : { value: b.shr(m, amount), carry: bit(amount - 1) };
    case 2:
      return { value: b.sar(m, amount === 0 ? 31 : amount), carry: bit(amount === 0 ? 31 : amount - 1) };
    default:
      if (amount === 0) return { value: b.or(b.shl(t.carry(), 31), b.shr(m, 1)), carry: bit(0) };
      return { value: b.rotr(m, amount), carry: bit(amount - 1) };
  }
}

function shiftedRegister(t: Translation, wantCarry: boolean): Operand {
  const { m, y, h } = t.insn;
  return shiftByConstant(t, t.reg(m), y, h, wantCarry);
}

/** A register shifted by the low byte of another. */
function shiftedByRegister(t: Translation, wantCarry: boolean): Operand {
  const { b, insn } = t;
  const m = t.copy(insn.m);
  const s = b.and(t.reg(insn.s), 0xff);
  /** The carry for an amount that is not 0. */
  const choose = (carry: Value): Value | null => (wantCarry ? b.select(s, b.and(carry, 1), t.carry()) : null);
  const upTo32 = (carry: Value): Value => b.select(b.setcond(Cond.LEU, s, 32), carry, 0);
  switch (insn.y) {
    case 0:
      return {
        value: b.select(b.setcond(Cond.LTU, s, 32), b.shl(m, s), 0),
        carry: wantCarry ? choose(upTo32(b.shr(m, b.sub(32, s)))) : null,
      };
    case 1:
      return {
        value: b.select(b.setcond(Cond.LTU, s, 32), b.shr(m, s), 0),
        carry: wantCarry ? choose(upTo32(b.shr(m, b.sub(s, 1)))) : null,
      };
    case 2: {
      const most = (amount: Value): Value => b.select(b.setcond(Cond.LTU, amount, 31), amount, 31);
      return {
        value: b.sar(m, most(s)),
        carry: wantCarry ? choose(b.sar(m, most(b.sub(s, 1)))) : null,
      };
    }
    default: {
      const value = b.rotr(m, s);
      return { value, carry: wantCarry ? choose(b.shr(value, 31)) : null };
    }
  }
}

type Operand2 = (t: Translation, wantCarry: boolean) => Operand;

/** AND, EOR, ORR, BIC, ORN and with `x` not used MOV and MVN. */
function logic(operand: Operand2, compute: (t: Translation, x: Value, y: Value) => Value): Handler {
  return (t) => {
    const sets = t.setsFlags;
    const { value, carry } = operand(t, sets);
    const result = compute(t, t.reg(t.insn.n), value);
    if (sets) {
      const fixed = t.b.copy(result);
      t.setLogicFlags(fixed, carry);
      t.write(t.insn.d, fixed);
    } else {
      t.write(t.insn.d, result);
    }
  };
}

function move(operand: Operand2, negate: boolean): Handler {
  return (t) => {
    const sets = t.setsFlags;
    const { value, carry } = operand(t, sets);
    const result = negate ? t.b.not(value) : value;
    const { insn } = t;
    const jump = insn.d === PC && insn.m === LR ? Jump.RETURN : Jump.PLAIN;
    if (sets) {
      const fixed = t.b.copy(result);
      t.setLogicFlags(fixed, carry);
      t.write(insn.d, fixed, jump);
    } else {
      t.write(insn.d, result, jump);
    }
  };
}

/** TST and TEQ. */
function testing(operand: Operand2, compute: (t: Translation, x: Value, y: Value) => Value): Handler {
  return (t) => {
    const { value, carry } = operand(t, true);
    t.setLogicFlags(t.b.copy(compute(t, t.reg(t.insn.n), value)), carry);
  };
}

/** The base of ADD and SUB: the PC of ADR is aligned in Thumb. */
function first(t: Translation): Value {
  const { n, j } = t.insn;
  return n === PC && j ? const32(t.pcValue & ~3) : t.reg(n);
}

function addition(operand: Operand2): Handler {
  return (t) => {
    const { b, insn } = t;
    if (!t.setsFlags) return t.write(insn.d, b.add(first(t), operand(t, false).value));
    const x = t.copy(insn.n);
    const y = b.copy(operand(t, false).value);
    const result = b.copy(b.add(x, y));
    t.setAddFlags(x, y, result);
    t.write(insn.d, result);
  };
}

/** SUB, or RSB with `reversed`. */
function subtraction(operand: Operand2, reversed: boolean): Handler {
  return (t) => {
    const { b, insn } = t;
    if (!t.setsFlags) {
      const y = operand(t, false).value;
      return t.write(insn.d, reversed ? b.sub(y, t.reg(insn.n)) : b.sub(first(t), y));
    }
    const n = t.copy(insn.n);
    const op2 = b.copy(operand(t, false).value);
    const [x, y] = reversed ? [op2, n] : [n, op2];
    const result = b.copy(b.sub(x, y));
    t.setSubFlags(x, y, result);
    t.write(insn.d, result);
  };
}

/** ADC; SBC adds the complement of the second operand, RSC that of the first one. */
function withCarry(operand: Operand2, complement: 'none' | 'second' | 'first'): Handler {
  return (t) => {
    const { b, insn } = t;
    const n = t.copy(insn.n);
    const op2 = b.copy(operand(t, false).value);
    const x = complement === 'first' ? b.not(n) : n;
    const y = complement === 'second' ? b.not(op2) : op2;
    const sum = b.add(x, y);
    const result = b.copy(b.add(sum, t.carry()));
    if (t.setsFlags) {
      const carry = b.or(b.setcond(Cond.LTU, sum, x), b.setcond(Cond.LTU, result, sum));
      t.setCarryFlags(x, y, result, carry);
    }
    t.write(insn.d, result);
  };
}

function compare(operand: Operand2, negative: boolean): Handler {
  return (t) => {
    const { b } = t;
    const x = t.copy(t.insn.n);
    const y = b.copy(operand(t, false).value);
    if (negative) t.setAddFlags(x, y, b.copy(b.add(x, y)));
    else t.setSubFlags(x, y, b.copy(b.sub(x, y)));
  };
}

/** All instructions with one form of second operand, by mnemonic. */
function family(operand: Operand2) {
  return {
    AND: logic(operand, ({ b }, x, y) => b.and(x, y)),
    EOR: logic(operand, ({ b }, x, y) => b.xor(x, y)),
    SUB: subtraction(operand, false),
    RSB: subtraction(operand, true),
    ADD: addition(operand),
    ADC: withCarry(operand, 'none'),
    SBC: withCarry(operand, 'second'),
    RSC: withCarry(operand, 'first'),
    TST: testing(operand, ({ b }, x, y) => b.and(x, y)),
    TEQ: testing(operand, ({ b }, x, y) => b.xor(x, y)),
    CMP: compare(operand, false),
    CMN: compare(operand, true),
    ORR: logic(operand, ({ b }, x, y) => b.or(x, y)),
    MOV: move(operand, false),
    BIC: logic(operand, ({ b }, x, y) => b.and(x, b.not(y))),
    MVN: move(operand, true),
    ORN: logic(operand, ({ b }, x, y) => b.or(x, b.not(y))),
  };
}

type DataName = Exclude<keyof ReturnType<typeof family>, 'ORN'>;

/** The same under the rows' names. */
function named<F extends string>(operand: Operand2, form: F): Record<`${DataName}_${F}`, Handler> {
  const handlers = family(operand);
  return Object.fromEntries(Object.entries(handlers).map(([name, run]) => [`${name}_${form}`, run])) as Record<
    `${DataName}_${F}`,
    Handler
  >;
}

/** ADR: a distance from the aligned PC. */
const address: Handler = (t) => {
  const { i, z, U, d } = t.insn;
  const base = t.pcValue & ~3;
  const distance = i << z;
  t.setReg(d, U ? base + distance : base - distance);
};

const moveWide: Handler = (t) => t.setReg(t.insn.d, (t.insn.k << 12) | t.insn.i);

const moveTop: Handler = (t) => {
  const { d, k, i } = t.insn;
  t.setReg(d, t.b.deposit(t.reg(d), (k << 12) | i, 16, 16));
};

export const DATA_HANDLERS = {
  ...named(immediate, 'imm'),
  ...named(shiftedRegister, 'reg'),
  ...named(shiftedByRegister, 'rsr'),
  ORN_imm: family(immediate).ORN,
  ORN_reg: family(shiftedRegister).ORN,
  ADR: address,
  MOVW_imm: moveWide,
  MOVT_imm: moveTop,
};

/** Rows whose handlers, without flags, do nothing but write one register: selection serves them as a condition. */
export const SELECTABLE: ReadonlySet<string> = new Set([
  ...['AND', 'EOR', 'SUB', 'RSB', 'ADD', 'ADC', 'SBC', 'RSC', 'ORR', 'MOV', 'BIC', 'MVN', 'ORN'].flatMap((name) => [
    `${name}_imm`,
    `${name}_reg`,
  ]),
  ...['ADR', 'MOVW_imm', 'MOVT_imm'],
]);
