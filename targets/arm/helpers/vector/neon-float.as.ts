// Advanced SIMD on single-precision lanes under the standard FPSCR; one half of a vector at a time (AssemblyScript).

import { fma } from '../../../../src/softfloat/ieee-arith.as';
import { convert, fromSigned, fromUnsigned, roundToIntegral, toInteger } from '../../../../src/softfloat/ieee-convert.as';
import {
  BY_SNAN, DAZ, FTZ, IE, RM_MASK, UE, ZE, isInf, isNan, isSignaling, isZero, operand, raise, raised, setRaised,
} from '../../../../src/softfloat/ieee-core.as';
import { FPSCR, FPSCR_AHP, STANDARD_MODE } from './layout.as';
import { lane } from './lanes.as';
import { note } from './state.as';
import { recipEstimate, rsqrtEstimate } from './neon-integer.as';

const SIGN: u32 = 0x80000000;
const NAN: u32 = 0x7fc00000;
const INFINITY: u32 = 0x7f800000;

/** Two lanes of a op b. */
export function neon_f2(env: usize, a: u64, b: u64, op: i32): u64 {
  const low = lane<u32>(env, u32(a), u32(b), op, STANDARD_MODE);
  return u64(low) | (u64(lane<u32>(env, u32(a >> 32), u32(b >> 32), op, STANDARD_MODE)) << 32);
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
