// SSE conversions and rounding to integral values (AssemblyScript).

import { convert, fromSigned, roundToIntegral, toInteger } from '../../../../src/softfloat/ieee-convert.as';
import { DE, IE, RM_MASK, RM_ZERO, raised } from '../../../../src/softfloat/ieee-core.as';
import { lane32, lane64, vector32, vector64 } from './arith.as';
import { finish, finishOne, modeOf } from './core.as';

const ROUND_MXCSR: i32 = 4;
const ROUND_QUIET: i32 = 8;

/** `mode` with the direction bits 0-1 of an immediate ask for, or MXCSR's where bit 2 is set. */
function roundMode(env: usize, imm: i32): i32 {
  const mode = modeOf(env);
  return imm & ROUND_MXCSR ? mode : (mode & ~RM_MASK) | (imm & 3);
}

/** ROUNDSS: bits 0-2 of `imm` are the direction, bit 3: do not report inexact. Denormals are not reported. */
export function round_ss(env: usize, a: f32, imm: i32): f32 {
  const r = roundToIntegral<u32>(u64(reinterpret<u32>(a)), (imm & ROUND_QUIET) == 0, roundMode(env, imm));
  finish(env, raised & ~DE);
  return reinterpret<f32>(u32(r));
}

/** ROUNDSD. */
export function round_sd(env: usize, a: f64, imm: i32): f64 {
  const r = roundToIntegral<u64>(reinterpret<u64>(a), (imm & ROUND_QUIET) == 0, roundMode(env, imm));
  finish(env, raised & ~DE);
  return reinterpret<f64>(r);
}

/** ROUNDPS. */
export function round_ps(env: usize, a: v128, imm: i32): v128 {
  const mode = roundMode(env, imm);
  const report = (imm & ROUND_QUIET) == 0;
  const r0 = roundToIntegral<u32>(lane32(a, 0), report, mode);
  let flags = raised;
  const r1 = roundToIntegral<u32>(lane32(a, 1), report, mode);
  flags |= raised;
  const r2 = roundToIntegral<u32>(lane32(a, 2), report, mode);
  flags |= raised;
  const r3 = roundToIntegral<u32>(lane32(a, 3), report, mode);
  finish(env, (flags | raised) & ~DE);
  return vector32(r0, r1, r2, r3);
}

/** ROUNDPD. */
export function round_pd(env: usize, a: v128, imm: i32): v128 {
  const mode = roundMode(env, imm);
  const report = (imm & ROUND_QUIET) == 0;
  const r0 = roundToIntegral<u64>(lane64(a, 0), report, mode);
  const flags = raised;
  const r1 = roundToIntegral<u64>(lane64(a, 1), report, mode);
  finish(env, (flags | raised) & ~DE);
  return vector64(r0, r1);
}

/** CVTSD2SS. */
export function sd_to_ss(env: usize, a: f64): f32 {
  const r = convert<u64, u32>(reinterpret<u64>(a), modeOf(env));
  finishOne(env);
  return reinterpret<f32>(u32(r));
}

/** CVTSS2SD. */
export function ss_to_sd(env: usize, a: f32): f64 {
  const r = convert<u32, u64>(u64(reinterpret<u32>(a)), modeOf(env));
  finishOne(env);
  return reinterpret<f64>(r);
}

/** CVTPS2PD. */
export function ps_to_pd(env: usize, a: v128): v128 {
  const mode = modeOf(env);
  const r0 = convert<u32, u64>(lane32(a, 0), mode);
  const flags = raised;
  const r1 = convert<u32, u64>(lane32(a, 1), mode);
  finish(env, flags | raised);
  return vector64(r0, r1);
}

/** CVTPD2PS: the high half of the result is zero. */
export function pd_to_ps(env: usize, a: v128): v128 {
  const mode = modeOf(env);
  const r0 = convert<u64, u32>(lane64(a, 0), mode);
  const flags = raised;
  const r1 = convert<u64, u32>(lane64(a, 1), mode);
  finish(env, flags | raised);
  return vector32(r0, r1, 0, 0);
}

/** CVTSI2SS. */
export function int_to_ss(env: usize, a: i32): f32 {
  const r = fromSigned<u32>(a, 0, modeOf(env));
  finishOne(env);
  return reinterpret<f32>(u32(r));
}

/** CVTDQ2PS with 4 lanes, CVTPI2PS with 2: the others are zero. */
export function ints_to_ps(env: usize, a: v128, lanes: i32): v128 {
  const mode = modeOf(env);
  const r0 = fromSigned<u32>(i32(lane32(a, 0)), 0, mode);
  let flags = raised;
  const r1 = fromSigned<u32>(i32(lane32(a, 1)), 0, mode);
  flags |= raised;
  let r2: u64 = 0;
  let r3: u64 = 0;
  if (lanes == 4) {
    r2 = fromSigned<u32>(i32(lane32(a, 2)), 0, mode);
    flags |= raised;
    r3 = fromSigned<u32>(i32(lane32(a, 3)), 0, mode);
    flags |= raised;
  }
  finish(env, flags);
  return vector32(r0, r1, r2, r3);
}

/** Denormals are not reported; what does not fit is the integer indefinite. */
function indefinite<F>(a: u64, mode: i32): u64 {
  const r = toInteger<F>(a, 0, 32, true, mode);
  return raised & IE ? 0x80000000 : u64(u32(i32(r)));
}

// @ts-ignore: decorator
@inline
function intMode(env: usize, truncate: i32): i32 {
  const mode = modeOf(env);
  return truncate ? (mode & ~RM_MASK) | RM_ZERO : mode;
}

/** CVTSS2SI, CVTTSS2SI. */
export function ss_to_int(env: usize, a: f32, truncate: i32): i32 {
  const r = indefinite<u32>(u64(reinterpret<u32>(a)), intMode(env, truncate));
  finish(env, raised & ~DE);
  return i32(r);
}

/** CVTSD2SI, CVTTSD2SI. */
export function sd_to_int(env: usize, a: f64, truncate: i32): i32 {
  const r = indefinite<u64>(reinterpret<u64>(a), intMode(env, truncate));
  finish(env, raised & ~DE);
  return i32(r);
}

/** CVTPS2DQ and CVTTPS2DQ with 4 lanes, CVTPS2PI and CVTTPS2PI with 2: the others are zero. */
export function ps_to_ints(env: usize, a: v128, truncate: i32, lanes: i32): v128 {
  const mode = intMode(env, truncate);
  const r0 = indefinite<u32>(lane32(a, 0), mode);
  let flags = raised;
  const r1 = indefinite<u32>(lane32(a, 1), mode);
  flags |= raised;
  let r2: u64 = 0;
  let r3: u64 = 0;
  if (lanes == 4) {
    r2 = indefinite<u32>(lane32(a, 2), mode);
    flags |= raised;
    r3 = indefinite<u32>(lane32(a, 3), mode);
    flags |= raised;
  }
  finish(env, flags & ~DE);
  return vector32(r0, r1, r2, r3);
}

/** CVTPD2DQ, CVTTPD2DQ, CVTPD2PI, CVTTPD2PI: the high half of the result is zero. */
export function pd_to_ints(env: usize, a: v128, truncate: i32): v128 {
  const mode = intMode(env, truncate);
  const r0 = indefinite<u64>(lane64(a, 0), mode);
  const flags = raised;
  const r1 = indefinite<u64>(lane64(a, 1), mode);
  finish(env, (flags | raised) & ~DE);
  return vector32(r0, r1, 0, 0);
}
