// SSE arithmetic: addition to square root, dot products (AssemblyScript).
//
// Results of scalar helpers are the low lane alone.

import { add, div, mul, sqrt, sub } from '../../../../src/softfloat/ieee-arith.as';
import { MAXIMUM, SECOND_WINS, minMax } from '../../../../src/softfloat/ieee-compare.as';
import { raised } from '../../../../src/softfloat/ieee-core.as';
import { finish, finishOne, modeOf } from './core.as';

const ADD: i32 = 0;
const SUB: i32 = 1;
const MUL: i32 = 2;
const DIV: i32 = 3;
const MIN: i32 = 4;
const MAX: i32 = 5;
/** SUB in even lanes, ADD in odd ones. */
const ADDSUB: i32 = 6;
/** Square root of b. */
const SQRT: i32 = 7;

function arith<F>(a: u64, b: u64, op: i32, mode: i32): u64 {
  switch (op) {
    case ADD: return add<F>(a, b, mode);
    case SUB: return sub<F>(a, b, mode);
    case MUL: return mul<F>(a, b, mode);
    case DIV: return div<F>(a, b, mode);
    case MIN: return minMax<F>(a, b, SECOND_WINS, mode);
    case MAX: return minMax<F>(a, b, SECOND_WINS | MAXIMUM, mode);
    default: return sqrt<F>(b, mode);
  }
}

/** ADDSS and its like: `op` is one of the operations above. */
export function arith_ss(env: usize, a: f32, b: f32, op: i32): f32 {
  const r = arith<u32>(u64(reinterpret<u32>(a)), u64(reinterpret<u32>(b)), op, modeOf(env));
  finishOne(env);
  return reinterpret<f32>(u32(r));
}

/** ADDSD and its like. */
export function arith_sd(env: usize, a: f64, b: f64, op: i32): f64 {
  const r = arith<u64>(reinterpret<u64>(a), reinterpret<u64>(b), op, modeOf(env));
  finishOne(env);
  return reinterpret<f64>(r);
}

/** ADDPS and its like. */
export function arith_ps(env: usize, a: v128, b: v128, op: i32): v128 {
  const mode = modeOf(env);
  const even = op == ADDSUB ? SUB : op;
  const odd = op == ADDSUB ? ADD : op;
  const r0 = arith<u32>(lane32(a, 0), lane32(b, 0), even, mode);
  let flags = raised;
  const r1 = arith<u32>(lane32(a, 1), lane32(b, 1), odd, mode);
  flags |= raised;
  const r2 = arith<u32>(lane32(a, 2), lane32(b, 2), even, mode);
  flags |= raised;
  const r3 = arith<u32>(lane32(a, 3), lane32(b, 3), odd, mode);
  finish(env, flags | raised);
  return vector32(r0, r1, r2, r3);
}

/** ADDPD and its like. */
export function arith_pd(env: usize, a: v128, b: v128, op: i32): v128 {
  const mode = modeOf(env);
  const r0 = arith<u64>(lane64(a, 0), lane64(b, 0), op == ADDSUB ? SUB : op, mode);
  const flags = raised;
  const r1 = arith<u64>(lane64(a, 1), lane64(b, 1), op == ADDSUB ? ADD : op, mode);
  finish(env, flags | raised);
  return vector64(r0, r1);
}

/**
 * DPPS: the products bits 4-7 of `imm` choose are added in pairs; bits 0-3 choose the lanes that get the sum. An unmasked
 * exception of one step keeps the next from being done.
 */
export function dot_ps(env: usize, a: v128, b: v128, imm: i32): v128 {
  const mode = modeOf(env);
  const p0 = imm & 0x10 ? mul<u32>(lane32(a, 0), lane32(b, 0), mode) : 0;
  let flags = imm & 0x10 ? raised : 0;
  const p1 = imm & 0x20 ? mul<u32>(lane32(a, 1), lane32(b, 1), mode) : 0;
  if (imm & 0x20) flags |= raised;
  const p2 = imm & 0x40 ? mul<u32>(lane32(a, 2), lane32(b, 2), mode) : 0;
  if (imm & 0x40) flags |= raised;
  const p3 = imm & 0x80 ? mul<u32>(lane32(a, 3), lane32(b, 3), mode) : 0;
  if (imm & 0x80) flags |= raised;
  if (finish(env, flags)) return a;
  const low = add<u32>(p0, p1, mode);
  flags = raised;
  const high = add<u32>(p2, p3, mode);
  if (finish(env, flags | raised)) return a;
  const sum = add<u32>(low, high, mode);
  finish(env, raised);
  return vector32(imm & 1 ? sum : 0, imm & 2 ? sum : 0, imm & 4 ? sum : 0, imm & 8 ? sum : 0);
}

/** DPPD: the same with two lanes, chosen by bits 4-5 and 0-1. */
export function dot_pd(env: usize, a: v128, b: v128, imm: i32): v128 {
  const mode = modeOf(env);
  const p0 = imm & 0x10 ? mul<u64>(lane64(a, 0), lane64(b, 0), mode) : 0;
  let flags = imm & 0x10 ? raised : 0;
  const p1 = imm & 0x20 ? mul<u64>(lane64(a, 1), lane64(b, 1), mode) : 0;
  if (imm & 0x20) flags |= raised;
  if (finish(env, flags)) return a;
  const sum = add<u64>(p0, p1, mode);
  finish(env, raised);
  return vector64(imm & 1 ? sum : 0, imm & 2 ? sum : 0);
}

/** Lane n, which is a constant, of a vector of f32. */
// @ts-ignore: decorator
@inline
export function lane32(a: v128, n: i32): u64 {
  switch (n) {
    case 0: return u64(u32(i32x4.extract_lane(a, 0)));
    case 1: return u64(u32(i32x4.extract_lane(a, 1)));
    case 2: return u64(u32(i32x4.extract_lane(a, 2)));
    default: return u64(u32(i32x4.extract_lane(a, 3)));
  }
}

/** Lane n, which is a constant, of a vector of f64. */
// @ts-ignore: decorator
@inline
export function lane64(a: v128, n: i32): u64 {
  return n == 0 ? u64(i64x2.extract_lane(a, 0)) : u64(i64x2.extract_lane(a, 1));
}

// @ts-ignore: decorator
@inline
export function vector32(r0: u64, r1: u64, r2: u64, r3: u64): v128 {
  return vector64(r0 | (r1 << 32), r2 | (r3 << 32));
}

// @ts-ignore: decorator
@inline
export function vector64(r0: u64, r1: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(i64(r0)), 1, i64(r1));
}
