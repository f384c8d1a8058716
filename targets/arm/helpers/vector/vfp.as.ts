// Arithmetic, comparison and conversion of S and D registers under FPSCR (AssemblyScript); values travel as their bits.

import { add, div, fma, mul, sqrt, sub } from '../../../../src/softfloat/ieee-arith.as';
import { MAXIMUM, NUMBER_WINS, compare, minMax } from '../../../../src/softfloat/ieee-compare.as';
import { convert, fromSigned, fromUnsigned, roundToIntegral, toInteger } from '../../../../src/softfloat/ieee-convert.as';
import { DAZ, FTZ, RM_MASK, RM_NEAREST } from '../../../../src/softfloat/ieee-core.as';
import { FPSCR, FPSCR_AHP } from './layout.as';
import { flagsOf, modeOf, note } from './state.as';

export function vfp_add32(env: usize, a: u32, b: u32): u32 {
  const r = add<u32>(a, b, modeOf(env));
  note(env);
  return u32(r);
}
export function vfp_sub32(env: usize, a: u32, b: u32): u32 {
  const r = sub<u32>(a, b, modeOf(env));
  note(env);
  return u32(r);
}
export function vfp_mul32(env: usize, a: u32, b: u32): u32 {
  const r = mul<u32>(a, b, modeOf(env));
  note(env);
  return u32(r);
}
export function vfp_div32(env: usize, a: u32, b: u32): u32 {
  const r = div<u32>(a, b, modeOf(env));
  note(env);
  return u32(r);
}
export function vfp_sqrt32(env: usize, a: u32): u32 {
  const r = sqrt<u32>(a, modeOf(env));
  note(env);
  return u32(r);
}
/** a * b + c, rounded once. */
export function vfp_fma32(env: usize, a: u32, b: u32, c: u32): u32 {
  const r = fma<u32>(a, b, c, 0, modeOf(env));
  note(env);
  return u32(r);
}

export function vfp_add64(env: usize, a: u64, b: u64): u64 {
  const r = add<u64>(a, b, modeOf(env));
  note(env);
  return r;
}
export function vfp_sub64(env: usize, a: u64, b: u64): u64 {
  const r = sub<u64>(a, b, modeOf(env));
  note(env);
  return r;
}
export function vfp_mul64(env: usize, a: u64, b: u64): u64 {
  const r = mul<u64>(a, b, modeOf(env));
  note(env);
  return r;
}
export function vfp_div64(env: usize, a: u64, b: u64): u64 {
  const r = div<u64>(a, b, modeOf(env));
  note(env);
  return r;
}
export function vfp_sqrt64(env: usize, a: u64): u64 {
  const r = sqrt<u64>(a, modeOf(env));
  note(env);
  return r;
}
/** a * b + c, rounded once. */
export function vfp_fma64(env: usize, a: u64, b: u64, c: u64): u64 {
  const r = fma<u64>(a, b, c, 0, modeOf(env));
  note(env);
  return r;
}

/** NZCV of comparing a and b; `signals` is 1 for VCMPE. */
export function vfp_cmp32(env: usize, a: u32, b: u32, signals: i32): i32 {
  const relation = compare<u32>(a, b, signals != 0, modeOf(env));
  note(env);
  return flagsOf(relation);
}
export function vfp_cmp64(env: usize, a: u64, b: u64, signals: i32): i32 {
  const relation = compare<u64>(a, b, signals != 0, modeOf(env));
  note(env);
  return flagsOf(relation);
}

/** VMAXNM (`max` is 1) and VMINNM. */
export function vfp_maxnum32(env: usize, a: u32, b: u32, max: i32): u32 {
  const r = minMax<u32>(a, b, max ? MAXIMUM | NUMBER_WINS : NUMBER_WINS, modeOf(env));
  note(env);
  return u32(r);
}
export function vfp_maxnum64(env: usize, a: u64, b: u64, max: i32): u64 {
  const r = minMax<u64>(a, b, max ? MAXIMUM | NUMBER_WINS : NUMBER_WINS, modeOf(env));
  note(env);
  return r;
}

// ---- conversions

export function vfp_32to64(env: usize, a: u32): u64 {
  const r = convert<u32, u64>(a, modeOf(env));
  note(env);
  return r;
}
export function vfp_64to32(env: usize, a: u64): u32 {
  const r = convert<u64, u32>(a, modeOf(env));
  note(env);
  return u32(r);
}

// FZ does not concern half precision.
export function vfp_16to32(env: usize, a: u32): u32 {
  const mode = modeOf(env) & ~DAZ;
  const r = load<i32>(env, FPSCR) & FPSCR_AHP ? convert<i16, u32>(a & 0xffff, mode) : convert<u16, u32>(a & 0xffff, mode);
  note(env);
  return u32(r);
}
export function vfp_32to16(env: usize, a: u32): u32 {
  const mode = modeOf(env) & ~FTZ;
  const r = load<i32>(env, FPSCR) & FPSCR_AHP ? convert<u32, i16>(a, mode) : convert<u32, u16>(a, mode);
  note(env);
  return u32(r);
}
export function vfp_16to64(env: usize, a: u32): u64 {
  const mode = modeOf(env) & ~DAZ;
  const r = load<i32>(env, FPSCR) & FPSCR_AHP ? convert<i16, u64>(a & 0xffff, mode) : convert<u16, u64>(a & 0xffff, mode);
  note(env);
  return r;
}
export function vfp_64to16(env: usize, a: u64): u32 {
  const mode = modeOf(env) & ~FTZ;
  const r = load<i32>(env, FPSCR) & FPSCR_AHP ? convert<u64, i16>(a, mode) : convert<u64, u16>(a, mode);
  note(env);
  return u32(r);
}

/** The mode with another rounding; -1: FPSCR's. */
function rounding(env: usize, rm: i32): i32 {
  const mode = modeOf(env);
  return rm < 0 ? mode : (mode & ~RM_MASK) | rm;
}

/**
 * To an integer with `fraction` bits behind the point. `form`: bits of the integer, 0x100: signed, 0x200: rounding is FPSCR's,
 * else softfloat's from bit 12 up.
 */
export function vfp_toint32(env: usize, a: u32, fraction: i32, form: i32): u32 {
  const r = toInteger<u32>(a, fraction, form & 0xff, (form & 0x100) != 0, rounding(env, form & 0x200 ? -1 : form >> 12));
  note(env);
  return u32(r);
}
export function vfp_toint64(env: usize, a: u64, fraction: i32, form: i32): u32 {
  const r = toInteger<u64>(a, fraction, form & 0xff, (form & 0x100) != 0, rounding(env, form & 0x200 ? -1 : form >> 12));
  note(env);
  return u32(r);
}

/** From an integer with `fraction` bits behind the point; `form`: 0x100 signed, 0x200 rounding is FPSCR's, else to nearest. */
export function vfp_fromint32(env: usize, a: i32, fraction: i32, form: i32): u32 {
  const mode = rounding(env, form & 0x200 ? -1 : RM_NEAREST);
  const r = form & 0x100 ? fromSigned<u32>(a, fraction, mode) : fromUnsigned<u32>(u32(a), fraction, mode);
  note(env);
  return u32(r);
}
export function vfp_fromint64(env: usize, a: i32, fraction: i32, form: i32): u64 {
  const mode = rounding(env, form & 0x200 ? -1 : RM_NEAREST);
  const r = form & 0x100 ? fromSigned<u64>(a, fraction, mode) : fromUnsigned<u64>(u32(a), fraction, mode);
  note(env);
  return r;
}

/** To an integral value. `form`: 1: inexact results are reported, 0x200: rounding is FPSCR's, else softfloat's from bit 12 up. */
export function vfp_rint32(env: usize, a: u32, form: i32): u32 {
  const r = roundToIntegral<u32>(a, (form & 1) != 0, rounding(env, form & 0x200 ? -1 : form >> 12));
  note(env);
  return u32(r);
}
export function vfp_rint64(env: usize, a: u64, form: i32): u64 {
  const r = roundToIntegral<u64>(a, (form & 1) != 0, rounding(env, form & 0x200 ? -1 : form >> 12));
  note(env);
  return r;
}
