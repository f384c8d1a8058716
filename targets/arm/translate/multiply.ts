// Multiplication and division: word, halfword, dual, most significant word, with saturation flag where the manual has one.
import { Cond } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { QF } from '../state.ts';
import { type Handler, PC, type Translation } from './context.ts';

/** Q becomes 1 if the signed addition x + y = sum overflows. */
function noteOverflow({ b }: Translation, x: Value, y: Value, sum: Value): void {
  b.set(QF, b.or(QF, b.shr(b.and(b.xor(x, sum), b.xor(y, sum)), 31)));
}

/** One half of a register, sign-extended. */
function half({ b }: Translation, x: Value, top: number): Value {
  return top ? b.sar(x, 16) : b.ext16s(x);
}

/** Whether a row's accumulator is there: register 15 stands for none in the dual and most significant word forms. */
function accumulates({ insn }: Translation): boolean {
  return insn.a !== PC;
}

const multiply: Handler = (t) => {
  const { insn, b } = t;
  const result = b.copy(b.mul(t.reg(insn.m), t.reg(insn.s)));
  if (t.setsFlags) t.setNZ(result);
  t.setReg(insn.d, result);
};

const multiplyAdd: Handler = (t) => {
  const { insn, b } = t;
  const result = b.copy(b.add(b.mul(t.reg(insn.m), t.reg(insn.s)), t.reg(insn.a)));
  if (t.setsFlags) t.setNZ(result);
  t.setReg(insn.d, result);
};

const multiplySubtract: Handler = (t) => {
  const { insn, b } = t;
  t.setReg(insn.d, b.sub(t.reg(insn.a), b.mul(t.reg(insn.m), t.reg(insn.s))));
};

/** Writes a 64-bit result to its two registers; N and Z come from all of it. */
function setPair(t: Translation, value: Value, flags = false): void {
  const { insn, b } = t;
  const low = b.wrap(value);
  const high = b.high(value);
  if (flags) {
    // N from the high word; Z unless a bit is set in either.
    t.setNZ64(low, high);
  }
  t.setReg(insn.d, low);
  t.setReg(insn.u, high);
}

function pair(t: Translation): Value {
  return t.b.concat(t.reg(t.insn.d), t.reg(t.insn.u));
}

function long(isSigned: boolean, accumulate: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const wide = (x: Value): Value => (isSigned ? b.exts64(x) : b.extu64(x));
    let result: Value = b.emit('mul_i64', wide(t.reg(insn.m)), wide(t.reg(insn.s)));
    if (accumulate) result = b.emit('add_i64', result, pair(t));
    setPair(t, result, t.setsFlags);
  };
}

/** UMAAL: product plus both registers. */
const multiplyAddAdd: Handler = (t) => {
  const { insn, b } = t;
  const product = b.emit('mul_i64', b.extu64(t.reg(insn.m)), b.extu64(t.reg(insn.s)));
  const sum = b.emit('add_i64', product, b.extu64(t.reg(insn.d)));
  setPair(t, b.emit('add_i64', sum, b.extu64(t.reg(insn.u))));
};

/** SMULxy, SMLAxy, SMLALxy. */
function halves(kind: 'plain' | 'add' | 'long'): Handler {
  return (t) => {
    const { insn, b } = t;
    const product = b.mul(half(t, t.reg(insn.m), insn.x), half(t, t.reg(insn.s), insn.v));
    if (kind === 'plain') return t.setReg(insn.d, product);
    if (kind === 'long') return setPair(t, b.emit('add_i64', b.exts64(product), pair(t)));
    const sum = b.copy(b.add(product, t.reg(insn.a)));
    noteOverflow(t, product, t.reg(insn.a), sum);
    t.setReg(insn.d, sum);
  };
}

/** SMULWy, SMLAWy: the upper 32 of the 48 bits of word times half. */
function wordByHalf(add: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const product = b.emit('mul_i64', b.exts64(t.reg(insn.m)), b.exts64(half(t, t.reg(insn.s), insn.v)));
    const upper = b.wrap(b.emit('sar_i64', product, b.i64(16)));
    if (!add) return t.setReg(insn.d, upper);
    const sum = b.copy(b.add(upper, t.reg(insn.a)));
    noteOverflow(t, upper, t.reg(insn.a), sum);
    t.setReg(insn.d, sum);
  };
}

/** The two products of the dual instructions, the second factor's halves exchanged when x is set. */
function products(t: Translation): [low: Value, high: Value] {
  const { insn, b } = t;
  const m = t.reg(insn.m);
  const s = insn.x ? b.rotr(t.reg(insn.s), 16) : t.reg(insn.s);
  return [b.mul(half(t, m, 0), half(t, s, 0)), b.mul(half(t, m, 1), half(t, s, 1))];
}

/** SMLAD, SMUAD, SMLSD, SMUSD. */
function dual(subtract: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const [low, high] = products(t);
    // Everything in 64 bits: Q tells whether the exact sum fits, however it was added up.
    const wide = b.emit(subtract ? 'sub_i64' : 'add_i64', b.exts64(low), b.exts64(high));
    const exact = accumulates(t) ? b.emit('add_i64', wide, b.exts64(t.reg(insn.a))) : wide;
    const result = b.wrap(exact);
    b.set(QF, b.or(QF, b.emit('setcond_i64', exact, b.exts64(result), null, Cond.NE)));
    t.setReg(insn.d, result);
  };
}

function dualLong(subtract: boolean): Handler {
  return (t) => {
    const { b } = t;
    const [low, high] = products(t);
    const both = b.emit(subtract ? 'sub_i64' : 'add_i64', b.exts64(low), b.exts64(high));
    setPair(t, b.emit('add_i64', both, pair(t)));
  };
}

/** SMMUL, SMMLA, SMMLS: the upper word, rounded when x is set. */
function mostSignificant(subtract: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    let result: Value = b.emit('mul_i64', b.exts64(t.reg(insn.m)), b.exts64(t.reg(insn.s)));
    if (accumulates(t)) {
      const accumulator = b.concat(0, t.reg(insn.a));
      result = b.emit(subtract ? 'sub_i64' : 'add_i64', accumulator, result);
    } else if (subtract) {
      return t.undefined();
    }
    if (insn.x) result = b.emit('add_i64', result, b.i64(0x80000000));
    t.setReg(insn.d, b.high(result));
  };
}

/** Division by zero gives 0; the most negative number by -1 gives itself. */
function divide(isSigned: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const x = t.copy(insn.m);
    const y = t.copy(insn.s);
    const zero = b.setcond(Cond.EQ, y, 0);
    if (!isSigned) {
      const quotient = b.divu(x, b.select(zero, 1, y));
      return t.setReg(insn.d, b.select(zero, 0, quotient));
    }
    // Of x / -1 the negative is taken, which wraps as the manual wants it.
    const minus = b.setcond(Cond.EQ, y, -1);
    const quotient = b.divs(x, b.select(b.or(zero, minus), 1, y));
    t.setReg(insn.d, b.select(zero, 0, b.select(minus, b.neg(x), quotient)));
  };
}

/** USAD8, USADA8: sum of absolute differences of the bytes. */
const absoluteDifferences: Handler = (t) => {
  const { insn, b } = t;
  const x = t.copy(insn.m);
  const y = t.copy(insn.s);
  let sum: Value = accumulates(t) ? t.copy(insn.a) : const32(0);
  for (let bit = 0; bit < 32; bit += 8) {
    const difference = b.copy(b.sub(b.extract(x, bit, 8), b.extract(y, bit, 8)));
    const sign = b.sar(difference, 31);
    sum = b.add(sum, b.sub(b.xor(difference, sign), sign));
  }
  t.setReg(insn.d, sum);
};

export const MULTIPLY_HANDLERS = {
  MUL: multiply,
  MLA: multiplyAdd,
  MLS: multiplySubtract,
  UMAAL: multiplyAddAdd,
  UMULL: long(false, false),
  UMLAL: long(false, true),
  SMULL: long(true, false),
  SMLAL: long(true, true),
  SMLA_half: halves('add'),
  SMUL_half: halves('plain'),
  SMLAL_half: halves('long'),
  SMLAW_half: wordByHalf(true),
  SMULW_half: wordByHalf(false),
  SMLAD: dual(false),
  SMLSD: dual(true),
  SMLALD: dualLong(false),
  SMLSLD: dualLong(true),
  SMMLA: mostSignificant(false),
  SMMLS: mostSignificant(true),
  SDIV: divide(true),
  UDIV: divide(false),
  USADA8: absoluteDifferences,
} satisfies Record<string, Handler>;
