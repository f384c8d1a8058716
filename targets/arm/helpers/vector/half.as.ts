// Half precision (FEAT_FP16): arithmetic of S registers under FPSCR and of Advanced SIMD under the standard one (AssemblyScript).
//
// Only FPSCR.FZ16 flushes here, and does not say so of operands (ARM ARM, FPUnpack: no InputDenorm where N is 16).

import { fma, sqrt } from '../../../../src/softfloat/ieee-arith.as';
import { compare } from '../../../../src/softfloat/ieee-compare.as';
import { fromSigned, fromUnsigned, roundToIntegral, toInteger } from '../../../../src/softfloat/ieee-convert.as';
import {
  BY_SNAN, DAZ, FTZ, IE, OE, PE, RM_MASK, RM_NEAREST, UE, ZE, isInf, isNan, isSignaling, isZero, operand, raise,
  setRaised,
} from '../../../../src/softfloat/ieee-core.as';
import { lane, noteLane } from './lanes.as';
import { FPMODE16, STANDARD_MODE } from './layout.as';
import { recipEstimate, rsqrtEstimate } from './neon-integer.as';
import { flagsOf } from './state.as';

const SIGN: u32 = 0x8000;
const NAN: u32 = 0x7e00;
const INFINITY: u32 = 0x7c00;

/** The mode of S registers. */
// @ts-ignore: decorator
@inline
function modeOf(env: usize): i32 {
  return load<i32>(env, FPMODE16);
}

/** The mode of Advanced SIMD: of FPSCR only FZ16 counts. */
// @ts-ignore: decorator
@inline
function standardMode(env: usize): i32 {
  return (STANDARD_MODE & ~(DAZ | FTZ)) | (load<i32>(env, FPMODE16) & (DAZ | FTZ));
}

// ---- S registers

export function vfp_half(env: usize, a: u32, b: u32, op: i32): u32 {
  return lane<u16>(env, a & 0xffff, b & 0xffff, op, modeOf(env));
}
export function vfp_sqrt16(env: usize, a: u32): u32 {
  const r = sqrt<u16>(a & 0xffff, modeOf(env));
  noteLane<u16>(env);
  return u32(r);
}
/** a * b + c, rounded once. */
export function vfp_fma16(env: usize, a: u32, b: u32, c: u32): u32 {
  const r = fma<u16>(a & 0xffff, b & 0xffff, c & 0xffff, 0, modeOf(env));
  noteLane<u16>(env);
  return u32(r);
}
/** NZCV of comparing a and b; `signals` is 1 for VCMPE. */
export function vfp_cmp16(env: usize, a: u32, b: u32, signals: i32): i32 {
  const relation = compare<u16>(a & 0xffff, b & 0xffff, signals != 0, modeOf(env));
  noteLane<u16>(env);
  return flagsOf(relation);
}

/** FPSCR's mode, or with the rounding that `form` names from bit 12 up. */
function modeFor(env: usize, form: i32): i32 {
  const mode = modeOf(env);
  return form & 0x200 ? mode : (mode & ~RM_MASK) | (form >> 12);
}

/** As `vfp_toint32`. */
export function vfp_toint16(env: usize, a: u32, fraction: i32, form: i32): u32 {
  const r = toInteger<u16>(a & 0xffff, fraction, form & 0xff, (form & 0x100) != 0, modeFor(env, form));
  noteLane<u16>(env);
  return u32(r);
}
/** As `vfp_fromint32`. */
export function vfp_fromint16(env: usize, a: i32, fraction: i32, form: i32): u32 {
  const mode = form & 0x200 ? modeOf(env) : (modeOf(env) & ~RM_MASK) | RM_NEAREST;
  const r = form & 0x100 ? fromSigned<u16>(a, fraction, mode) : fromUnsigned<u16>(u32(a), fraction, mode);
  noteLane<u16>(env);
  return u32(r);
}
/** As `vfp_rint32`. */
export function vfp_rint16(env: usize, a: u32, form: i32): u32 {
  const r = roundToIntegral<u16>(a & 0xffff, (form & 1) != 0, modeFor(env, form));
  noteLane<u16>(env);
  return u32(r);
}

// ---- four lanes of Advanced SIMD

/** Four lanes of a op b. */
export function neon_h2(env: usize, a: u64, b: u64, op: i32): u64 {
  const mode = standardMode(env);
  let result: u64 = 0;
  for (let at = 0; at < 64; at += 16) {
    result |= u64(lane<u16>(env, u32(a >> at) & 0xffff, u32(b >> at) & 0xffff, op, mode)) << at;
  }
  return result;
}

/** Four lanes of d + a * b rounded once; `form` 2 takes the factor's sign the other way. */
export function neon_h3(env: usize, d: u64, a: u64, b: u64, form: i32): u64 {
  const mode = standardMode(env);
  if (form & 2) a ^= 0x8000800080008000;
  let result: u64 = 0;
  for (let at = 0; at < 64; at += 16) {
    const r = fma<u16>((a >> at) & 0xffff, (b >> at) & 0xffff, (d >> at) & 0xffff, 0, mode);
    noteLane<u16>(env);
    result |= r << at;
  }
  return result;
}

function recip(x: u32, mode: i32): u32 {
  const a = u32(operand<u16>(x, mode));
  const sign = a & SIGN;
  if (isNan<u16>(a)) {
    if (isSignaling<u16>(a, mode)) raise(IE | BY_SNAN);
    return NAN;
  }
  if (isInf<u16>(a)) return sign;
  if (isZero<u16>(a)) {
    raise(ZE);
    return a | INFINITY;
  }
  const size = a & ~SIGN;
  // Below 2^-16 the result is too large.
  if (size < 0x100) {
    raise(OE | PE);
    return sign | INFINITY;
  }
  let exp = i32(size >> 10);
  // Flushing counts for the result: from 2^14 on it is tiny.
  if ((mode & FTZ) != 0 && exp >= 29) {
    raise(UE);
    return sign;
  }
  let fraction = size & 0x3ff;
  if (exp == 0) {
    if (fraction & 0x200) fraction = (fraction << 1) & 0x3ff;
    else {
      exp = -1;
      fraction = (fraction << 2) & 0x3ff;
    }
  }
  const estimate = (recipEstimate(0x100 | (fraction >> 2)) & 0xff) << 2;
  const result = 29 - exp;
  if (result > 0) return sign | (u32(result) << 10) | estimate;
  // A denormal: the fraction with its leading bit.
  return sign | ((0x400 | estimate) >> (1 - result));
}

function rsqrt(x: u32, mode: i32): u32 {
  const a = u32(operand<u16>(x, mode));
  if (isNan<u16>(a)) {
    if (isSignaling<u16>(a, mode)) raise(IE | BY_SNAN);
    return NAN;
  }
  if (isZero<u16>(a)) {
    raise(ZE);
    return a | INFINITY;
  }
  if (a & SIGN) {
    raise(IE);
    return NAN;
  }
  if (isInf<u16>(a)) return 0;
  let exp = i32(a >> 10);
  let fraction = a & 0x3ff;
  if (exp == 0) {
    exp = 1;
    while ((fraction & 0x400) == 0) {
      fraction <<= 1;
      exp--;
    }
    fraction &= 0x3ff;
  }
  const scaled = exp & 1 ? 0x80 | (fraction >> 3) : 0x100 | (fraction >> 2);
  return (u32((44 - exp) >> 1) << 10) | ((rsqrtEstimate(scaled) & 0xff) << 2);
}

/** VRECPE and, with `root`, VRSQRTE of four lanes. */
export function neon_hestimate(env: usize, x: u64, root: i32): u64 {
  const mode = standardMode(env);
  let result: u64 = 0;
  for (let at = 0; at < 64; at += 16) {
    setRaised(0);
    const x16 = u32(x >> at) & 0xffff;
    result |= u64(root ? rsqrt(x16, mode) : recip(x16, mode)) << at;
    noteLane<u16>(env);
  }
  return result;
}

/** To integers of 16 bits with `fraction` bits behind the point; `form`: 0x100 signed, rounding from bit 12 up. */
export function neon_htoint(env: usize, x: u64, fraction: i32, form: i32): u64 {
  const mode = (standardMode(env) & ~RM_MASK) | (form >> 12);
  let result: u64 = 0;
  for (let at = 0; at < 64; at += 16) {
    const r = toInteger<u16>((x >> at) & 0xffff, fraction, 16, (form & 0x100) != 0, mode);
    noteLane<u16>(env);
    result |= (u64(r) & 0xffff) << at;
  }
  return result;
}

/** From integers of 16 bits; `form`: 0x100 signed. */
export function neon_hfromint(env: usize, x: u64, fraction: i32, form: i32): u64 {
  const mode = standardMode(env);
  let result: u64 = 0;
  for (let at = 0; at < 64; at += 16) {
    const n = u32(x >> at);
    const r = form & 0x100 ? fromSigned<u16>(i64(i16(n)), fraction, mode) : fromUnsigned<u16>(n & 0xffff, fraction, mode);
    noteLane<u16>(env);
    result |= r << at;
  }
  return result;
}

/** To integral values; `form`: 1: inexact results are reported, rounding from bit 12 up. */
export function neon_hrint(env: usize, x: u64, form: i32): u64 {
  const mode = (standardMode(env) & ~RM_MASK) | (form >> 12);
  let result: u64 = 0;
  for (let at = 0; at < 64; at += 16) {
    const r = roundToIntegral<u16>((x >> at) & 0xffff, (form & 1) != 0, mode);
    noteLane<u16>(env);
    result |= r << at;
  }
  return result;
}

/** Two f16, in bits 0-31, as the f32 of the same value, NaNs with their payload and signaling ones still so. */
export function neon_widenhalves(env: usize, x: u32): u64 {
  const flush = (modeOf(env) & DAZ) != 0;
  return u64(widen(x & 0xffff, flush)) | (u64(widen(x >> 16, flush)) << 32);
}

function widen(x: u32, flush: bool): u32 {
  const sign = (x & SIGN) << 16;
  const exp = (x >> 10) & 31;
  let fraction = x & 0x3ff;
  if (exp == 31) return sign | 0x7f800000 | (fraction << 13);
  if (exp != 0) return sign | ((exp + 112) << 23) | (fraction << 13);
  if (fraction == 0 || flush) return sign;
  const shift = clz(fraction) - 21;
  fraction = (fraction << shift) & 0x3ff;
  return sign | ((113 - shift) << 23) | (fraction << 13);
}
