// Advanced SIMD on single-precision lanes under the standard FPSCR; one half of a vector at a time (AssemblyScript).

import { add, div, fma, mul, sub } from '../../../../src/softfloat/ieee-arith.as';
import { EQUAL, GREATER, MAXIMUM, NUMBER_WINS, UNORDERED, compare, minMax } from '../../../../src/softfloat/ieee-compare.as';
import { convert, fromSigned, fromUnsigned, roundToIntegral, toInteger } from '../../../../src/softfloat/ieee-convert.as';
import {
  BY_SNAN, DAZ, FTZ, IE, RM_MASK, UE, ZE, isInf, isNan, isSignaling, isZero, operand, raise, raised, setRaised,
} from '../../../../src/softfloat/ieee-core.as';
import { FPSCR, FPSCR_AHP, STANDARD_MODE } from './layout.as';
import { note } from './state.as';
import { recipEstimate, rsqrtEstimate } from './neon-integer.as';

const SIGN: u32 = 0x80000000;
const TWO: u32 = 0x40000000;
const THREE: u32 = 0x40400000;
const ONE_AND_A_HALF: u32 = 0x3fc00000;
const HALF: u32 = 0x3f000000;
const NAN: u32 = 0x7fc00000;
const INFINITY: u32 = 0x7f800000;

// ---- what the operation number of `neon_f2` and `neon_f3` means; see neon-float.ts
const ADD: i32 = 0;
const SUB: i32 = 1;
const MUL: i32 = 2;
const ABD: i32 = 3;
const MAX: i32 = 4;
const MIN: i32 = 5;
const MAXNM: i32 = 6;
const MINNM: i32 = 7;
const CEQ: i32 = 8;
const CGE: i32 = 9;
const CGT: i32 = 10;
const ACGE: i32 = 11;
const ACGT: i32 = 12;
const RECPS: i32 = 13;
const RSQRTS: i32 = 14;

function all(condition: bool): u32 {
  return condition ? 0xffffffff : 0;
}

function binary(env: usize, a: u32, b: u32, op: i32): u32 {
  const mode = STANDARD_MODE;
  let r: u32 = 0;
  switch (op) {
    case ADD:
      r = u32(add<u32>(a, b, mode));
      break;
    case SUB:
      r = u32(sub<u32>(a, b, mode));
      break;
    case MUL:
      r = u32(mul<u32>(a, b, mode));
      break;
    case ABD:
      r = u32(sub<u32>(a, b, mode)) & ~SIGN;
      break;
    case MAX:
      r = u32(minMax<u32>(a, b, MAXIMUM, mode));
      break;
    case MIN:
      r = u32(minMax<u32>(a, b, 0, mode));
      break;
    case MAXNM:
      r = u32(minMax<u32>(a, b, MAXIMUM | NUMBER_WINS, mode));
      break;
    case MINNM:
      r = u32(minMax<u32>(a, b, NUMBER_WINS, mode));
      break;
    case CEQ:
      r = all(compare<u32>(a, b, false, mode) == EQUAL);
      break;
    case CGE:
      r = atLeast(compare<u32>(a, b, true, mode));
      break;
    case CGT:
      r = all(compare<u32>(a, b, true, mode) == GREATER);
      break;
    case ACGE:
      r = atLeast(compare<u32>(a & ~SIGN, b & ~SIGN, true, mode));
      break;
    case ACGT:
      r = all(compare<u32>(a & ~SIGN, b & ~SIGN, true, mode) == GREATER);
      break;
    case RECPS:
      return recipStep(env, a, b);
    default:
      return rsqrtStep(env, a, b);
  }
  note(env);
  return r;
}

function atLeast(relation: i32): u32 {
  return all(relation == EQUAL || relation == GREATER);
}

/** Whether one is an infinity and the other a zero, a denormal counting as one. */
function infTimesZero(a: u32, b: u32): bool {
  return (isInf<u32>(a) && (b & 0x7f800000) == 0) || (isInf<u32>(b) && (a & 0x7f800000) == 0);
}

/** 2 - a * b. */
function recipStep(env: usize, a: u32, b: u32): u32 {
  if (infTimesZero(a, b)) {
    flush(env, a, b);
    return TWO;
  }
  const product = u32(mul<u32>(a, b, STANDARD_MODE));
  note(env);
  const r = u32(sub<u32>(TWO, product, STANDARD_MODE));
  note(env);
  return r;
}

/** (3 - a * b) / 2. */
function rsqrtStep(env: usize, a: u32, b: u32): u32 {
  if (infTimesZero(a, b)) {
    flush(env, a, b);
    return ONE_AND_A_HALF;
  }
  const product = u32(mul<u32>(a, b, STANDARD_MODE));
  note(env);
  const difference = u32(sub<u32>(THREE, product, STANDARD_MODE));
  note(env);
  // The difference is no denormal, nor is its half.
  const r = u32(mul<u32>(difference, HALF, STANDARD_MODE));
  note(env);
  return r;
}

/** Notes denormal operands that are taken as zeros. */
function flush(env: usize, a: u32, b: u32): void {
  setRaised(0);
  operand<u32>(a, STANDARD_MODE);
  operand<u32>(b, STANDARD_MODE);
  note(env);
}

/** Two lanes of a op b. */
export function neon_f2(env: usize, a: u64, b: u64, op: i32): u64 {
  const low = binary(env, u32(a), u32(b), op);
  return u64(low) | (u64(binary(env, u32(a >> 32), u32(b >> 32), op)) << 32);
}

/** One lane of d + a * b rounded once; `form` 2 takes the factor's sign the other way. */
function chain(env: usize, d: u32, a: u32, b: u32, form: i32): u32 {
  const r = u32(fma<u32>(form & 2 ? a ^ SIGN : a, b, d, 0, STANDARD_MODE));
  note(env);
  return r;
}

export function neon_f3(env: usize, d: u64, a: u64, b: u64, form: i32): u64 {
  const low = chain(env, u32(d), u32(a), u32(b), form);
  return u64(low) | (u64(chain(env, u32(d >> 32), u32(a >> 32), u32(b >> 32), form)) << 32);
}

// ---- estimates

function recip(env: usize, x: u32): u32 {
  setRaised(0);
  const a = u32(operand<u32>(x, STANDARD_MODE));
  let r: u32;
  if (isNan<u32>(a)) {
    if (isSignaling<u32>(a, STANDARD_MODE)) raise(IE | BY_SNAN);
    r = NAN;
  } else if (isInf<u32>(a)) {
    r = a & SIGN;
  } else if (isZero<u32>(a)) {
    raise(ZE);
    r = a | INFINITY;
  } else {
    const exp = (a >> 23) & 0xff;
    if (exp > 252) {
      raise(UE);
      r = a & SIGN;
    } else {
      r = (a & SIGN) | ((253 - exp) << 23) | ((recipEstimate(0x100 | ((a >> 15) & 0xff)) & 0xff) << 15);
    }
  }
  note(env);
  return r;
}

function rsqrt(env: usize, x: u32): u32 {
  setRaised(0);
  const a = u32(operand<u32>(x, STANDARD_MODE));
  let r: u32;
  if (isNan<u32>(a)) {
    if (isSignaling<u32>(a, STANDARD_MODE)) raise(IE | BY_SNAN);
    r = NAN;
  } else if (isZero<u32>(a)) {
    raise(ZE);
    r = a | INFINITY;
  } else if (a & SIGN) {
    raise(IE);
    r = NAN;
  } else if (isInf<u32>(a)) {
    r = 0;
  } else {
    const exp = a >> 23;
    const scaled = exp & 1 ? 0x80 | ((a >> 16) & 0x7f) : 0x100 | ((a >> 15) & 0xff);
    r = (((380 - exp) / 2) << 23) | ((rsqrtEstimate(scaled) & 0xff) << 15);
  }
  note(env);
  return r;
}

/** VRECPE and, with `root`, VRSQRTE of two lanes. */
export function neon_festimate(env: usize, x: u64, root: i32): u64 {
  const low = root ? rsqrt(env, u32(x)) : recip(env, u32(x));
  const high = root ? rsqrt(env, u32(x >> 32)) : recip(env, u32(x >> 32));
  return u64(low) | (u64(high) << 32);
}

// ---- conversions

/** To integers of 32 bits with `fraction` bits behind the point; `form`: 0x100 signed, rounding from bit 12 up. */
export function neon_toint(env: usize, x: u64, fraction: i32, form: i32): u64 {
  const mode = (STANDARD_MODE & ~RM_MASK) | (form >> 12);
  const signed = (form & 0x100) != 0;
  const low = u32(toInteger<u32>(u32(x), fraction, 32, signed, mode));
  note(env);
  const high = u32(toInteger<u32>(x >> 32, fraction, 32, signed, mode));
  note(env);
  return u64(low) | (u64(high) << 32);
}

/** From integers of 32 bits; `form`: 0x100 signed. */
export function neon_fromint(env: usize, x: u64, fraction: i32, form: i32): u64 {
  const signed = (form & 0x100) != 0;
  const low = signed ? fromSigned<u32>(i32(x), fraction, STANDARD_MODE) : fromUnsigned<u32>(u32(x), fraction, STANDARD_MODE);
  note(env);
  const high = signed
    ? fromSigned<u32>(i32(x >> 32), fraction, STANDARD_MODE)
    : fromUnsigned<u32>(x >> 32, fraction, STANDARD_MODE);
  note(env);
  return low | (high << 32);
}

/** To integral values; `form`: 1: inexact results are reported, rounding from bit 12 up. */
export function neon_rint(env: usize, x: u64, form: i32): u64 {
  const mode = (STANDARD_MODE & ~RM_MASK) | (form >> 12);
  const low = roundToIntegral<u32>(u32(x), (form & 1) != 0, mode);
  note(env);
  const high = roundToIntegral<u32>(x >> 32, (form & 1) != 0, mode);
  note(env);
  return low | (high << 32);
}

/** Two f16, in bits 0-31, to two f32. */
export function neon_fromhalves(env: usize, x: u32): u64 {
  return u64(fromHalf(env, x & 0xffff)) | (u64(fromHalf(env, x >> 16)) << 32);
}

function fromHalf(env: usize, x: u32): u32 {
  const mode = STANDARD_MODE & ~DAZ;
  const r = load<i32>(env, FPSCR) & FPSCR_AHP ? convert<i16, u32>(x, mode) : convert<u16, u32>(x, mode);
  note(env);
  return u32(r);
}

/** Two f32 to two f16. */
export function neon_tohalves(env: usize, x: u64): u32 {
  return toHalf(env, u32(x)) | (toHalf(env, u32(x >> 32)) << 16);
}

function toHalf(env: usize, x: u32): u32 {
  const mode = STANDARD_MODE & ~FTZ;
  const r = load<i32>(env, FPSCR) & FPSCR_AHP ? convert<u32, i16>(x, mode) : convert<u32, u16>(x, mode);
  note(env);
  return u32(r);
}
