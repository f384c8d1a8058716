// Conversions of S and D registers: between precisions, to and from integers and fixed-point numbers, to integral values.
import { Cond } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { FPSCR_CUMULATIVE, FPSCR_Z } from '../fpscr.ts';
import { vectorHelper } from '../helpers/vector-table.ts';
import { JS_FLAGS, JS_TO_INT } from '../helpers.ts';
import { FPFLAGS, ARM_OFFSETS as O, QREGS } from '../state.ts';
import type { Handler, Translation } from './context.ts';
import { Guard, guarded } from './floats.ts';
import {
  bitsOf,
  dataProcessing,
  dNumber,
  floatOf,
  hasD,
  readD,
  readFloat,
  readS,
  registerNumber,
  sNumber,
  writeD,
  writeFloat,
  writeS,
} from './vfp-registers.ts';

/** Fields of the `form` argument of helpers. */
export const SIGNED = 0x100;
export const BY_FPSCR = 0x200;
/** Softfloat's rounding modes in it: to nearest, down, up, to zero, to nearest with ties away. */
export const [NEAREST, DOWN, UP, TO_ZERO, AWAY] = [0 << 12, 1 << 12, 2 << 12, 3 << 12, 4 << 12] as const;
/** Rounding of the instructions that name one: A, N, P, M. */
export const NAMED = [AWAY, NEAREST, UP, DOWN];
/** For VRINTX: inexact results are reported. */
export const REPORT = 1;

/** Whether the D register of the operand at hand is missing. */
function missing(t: Translation, ...numbers: number[]): boolean {
  return numbers.some((n) => !hasD(t, n));
}

/** VCVT between single and double: z is what is converted. */
const precision = dataProcessing((t) => {
  const { d, D, m, M, z } = t.insn;
  const { b } = t;
  if (z) {
    const from = dNumber(m, M);
    if (missing(t, from)) return t.undefined();
    const x = readFloat(t, 1, from);
    const result = guarded(t, {
      z: 0,
      guard: Guard.NORMAL,
      fast: () => b.emit('demote_f64_f32', x),
      inexact: (single) => b.emit('setcond_f64', b.emit('promote_f32_f64', single), x, null, Cond.NE),
      small: () => b.emit('setcond_f64', x, floatOf(t, 1, b.i64(0)), null, Cond.EQ),
      exact: () => floatOf(t, 0, b.call(vectorHelper('vfp_64to32'), bitsOf(t, 1, x))),
    });
    writeFloat(t, 0, sNumber(d, D), result);
    return;
  }
  const to = dNumber(d, D);
  if (missing(t, to)) return t.undefined();
  const x = readFloat(t, 0, sNumber(m, M));
  const result = guarded(t, {
    z: 1,
    guard: Guard.FINITE,
    fast: () => b.emit('promote_f32_f64', x),
    exact: () => floatOf(t, 1, b.call(vectorHelper('vfp_32to64'), bitsOf(t, 0, x))),
  });
  writeFloat(t, 1, to, result);
});

/** An integer in an S register to a float. */
const fromInteger = dataProcessing((t) => {
  const { d, D, m, M, z, s } = t.insn;
  const { b } = t;
  const number = registerNumber(z, d, D);
  if (z && missing(t, number)) return t.undefined();
  const x = readS(t, sNumber(m, M));
  if (z) {
    // Exact.
    writeFloat(t, 1, number, b.emit(s ? 'converts_i32_f64' : 'convertu_i32_f64', x));
    return;
  }
  const wide = (): Value => b.emit(s ? 'converts_i32_f64' : 'convertu_i32_f64', x);
  const result = guarded(t, {
    z: 0,
    guard: Guard.FINITE,
    fast: () => (s ? b.emit('converts_i32_f32', x) : b.emit('converts_i64_f32', b.extu64(x))),
    inexact: (single) => b.emit('setcond_f64', b.emit('promote_f32_f64', single), wide(), null, Cond.NE),
    exact: () => floatOf(t, 0, b.call(vectorHelper('vfp_fromint32'), x, 0, (s ? SIGNED : 0) | BY_FPSCR)),
  });
  writeFloat(t, 0, number, result);
});

/** A float to an integer by a helper. */
function toIntegerBits(t: Translation, z: number, x: Value, fraction: number, form: number): Value {
  return t.b.call(vectorHelper(z ? 'vfp_toint64' : 'vfp_toint32'), bitsOf(t, z, x), fraction, form);
}

/** A float to an integer in an S register; r is 1 for rounding to zero, 0 for FPSCR's. */
const toInteger = dataProcessing((t) => {
  const { d, D, m, M, z, s, r } = t.insn;
  const { b } = t;
  const number = registerNumber(z, m, M);
  if (z && missing(t, number)) return t.undefined();
  const x = readFloat(t, z, number);
  const form = 32 | (s ? SIGNED : 0) | (r ? TO_ZERO : BY_FPSCR);
  const exact = () => toIntegerBits(t, z, x, 0, form);
  if (!r) return writeS(t, sNumber(d, D), exact());
  const fast = (): Value => {
    if (s) return b.emit(z ? 'truncs_f64_i32' : 'truncs_f32_i32', x);
    return z ? b.emit('truncu_f64_i32', x) : b.wrap(b.emit('truncs_f32_i64', x));
  };
  const inexact = (integer: Value): Value => {
    const back = b.emit(s ? 'converts_i32_f64' : 'convertu_i32_f64', integer);
    return b.emit('setcond_f64', back, z ? x : b.emit('promote_f32_f64', x), null, Cond.NE);
  };
  const guard = s ? Guard.INT32 : Guard.UINT32;
  writeS(t, sNumber(d, D), guarded(t, { z, guard, fast, probe: x, inexact, exact }));
});

const toIntegerRounded = dataProcessing((t) => {
  const { d, D, m, M, z, s, r } = t.insn;
  const number = registerNumber(z, m, M);
  if (z && missing(t, number)) return t.undefined();
  writeS(t, sNumber(d, D), toIntegerBits(t, z, readFloat(t, z, number), 0, 32 | (s ? SIGNED : 0) | NAMED[r]!));
});

/** Bits behind the point of a fixed-point number of 16 or 32 bits; negative where the immediate is too large. */
export function fractionBits(t: Translation): number {
  return (t.insn.q ? 32 : 16) - ((t.insn.i << 1) | t.insn.j);
}

/** Fixed-point numbers stand in the register that the result goes to. */
const fromFixed = dataProcessing((t) => {
  const { d, D, z, q, U } = t.insn;
  const { b } = t;
  const number = registerNumber(z, d, D);
  const fraction = fractionBits(t);
  if ((z && missing(t, number)) || fraction < 0) return t.undefined();
  const low = z ? b.wrap(readD(t, number)) : readS(t, number);
  const x = q ? low : U ? b.ext16u(low) : b.ext16s(low);
  const form = U ? 0 : SIGNED;
  if (z) writeD(t, number, b.call(vectorHelper('vfp_fromint64'), x, fraction, form));
  else writeS(t, number, b.call(vectorHelper('vfp_fromint32'), x, fraction, form));
});

const toFixed = dataProcessing((t) => {
  const { d, D, z, q, U } = t.insn;
  const { b } = t;
  const number = registerNumber(z, d, D);
  const fraction = fractionBits(t);
  if ((z && missing(t, number)) || fraction < 0) return t.undefined();
  const form = (q ? 32 : 16) | (U ? 0 : SIGNED) | TO_ZERO;
  const value = toIntegerBits(t, z, readFloat(t, z, number), fraction, form);
  if (!z) return writeS(t, number, value);
  writeD(t, number, U ? b.extu64(value) : b.exts64(value));
});

// ---- half precision: p tells which half of the S register

function half(t: Translation): Value {
  const { m, M, p } = t.insn;
  const word = readS(t, sNumber(m, M));
  return t.b.extract(word, p ? 16 : 0, 16);
}

function writeHalf(t: Translation, bits: Value): void {
  const { d, D, p } = t.insn;
  const number = sNumber(d, D);
  writeS(t, number, t.b.deposit(readS(t, number), bits, p ? 16 : 0, 16));
}

const halfToSingle = dataProcessing((t) => {
  const { d, D } = t.insn;
  writeS(t, sNumber(d, D), t.b.call(vectorHelper('vfp_16to32'), half(t)));
});

const singleToHalf = dataProcessing((t) => {
  const { m, M } = t.insn;
  writeHalf(t, t.b.call(vectorHelper('vfp_32to16'), readS(t, sNumber(m, M))));
});

const halfToDouble = dataProcessing((t) => {
  const to = dNumber(t.insn.d, t.insn.D);
  if (missing(t, to)) return t.undefined();
  writeD(t, to, t.b.call(vectorHelper('vfp_16to64'), half(t)));
});

const doubleToHalf = dataProcessing((t) => {
  const from = dNumber(t.insn.m, t.insn.M);
  if (missing(t, from)) return t.undefined();
  writeHalf(t, t.b.call(vectorHelper('vfp_64to16'), readD(t, from)));
});

// ---- to integral values

function integral(form: (t: Translation) => number): Handler {
  return dataProcessing((t) => {
    const { d, D, m, M, z } = t.insn;
    const to = registerNumber(z, d, D);
    const from = registerNumber(z, m, M);
    if (z && missing(t, to, from)) return t.undefined();
    const x = bitsOf(t, z, readFloat(t, z, from));
    const bits = t.b.call(vectorHelper(z ? 'vfp_rint64' : 'vfp_rint32'), x, const32(form(t)));
    writeFloat(t, z, to, floatOf(t, z, bits));
  });
}

/** VJCVT: to an integer as JavaScript has it, which rounds to zero whatever FPSCR says. */
const javaScriptInteger: Handler = dataProcessing((t) => {
  const { b, insn } = t;
  const m = dNumber(insn.m, insn.M);
  if (!hasD(t, m)) return t.undefined();
  const word = (n: number): Value => b.emit('lane_i32', QREGS[m >> 1]!, null, null, 32, ((m & 1) << 1) | n);
  const [low, high] = [b.copy(word(0)), b.copy(word(1))];
  const flags = b.copy(b.call(JS_FLAGS, low, high));
  b.set(FPFLAGS, b.and(flags, FPSCR_Z));
  b.envStore(O.fpexc, b.or(b.envLoad(O.fpexc), b.and(flags, FPSCR_CUMULATIVE)));
  writeS(t, sNumber(insn.d, insn.D), b.call(JS_TO_INT, low, high));
});

export const VFP_CONVERSION = {
  VJCVT: javaScriptInteger,
  VCVT_precision: precision,
  VCVT_fromInt: fromInteger,
  VCVT_toInt: toInteger,
  VCVT_rounded: toIntegerRounded,
  VCVT_fromFixed: fromFixed,
  VCVT_toFixed: toFixed,
  VCVT_fromHalf: halfToSingle,
  VCVT_toHalf: singleToHalf,
  VCVT_halfToDouble: halfToDouble,
  VCVT_doubleToHalf: doubleToHalf,
  VRINTR_v: integral(() => BY_FPSCR),
  VRINTZ_v: integral(() => TO_ZERO),
  VRINTX_v: integral(() => BY_FPSCR | REPORT),
  VRINT_v: integral((t) => NAMED[t.insn.r]!),
} satisfies Record<string, Handler>;
