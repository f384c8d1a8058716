// SSE comparisons (AssemblyScript).

import { EQUAL, LESS, UNORDERED, compare } from '../../../../src/softfloat/ieee-compare.as';
import { raised } from '../../../../src/softfloat/ieee-core.as';
import { lane32, lane64, vector32, vector64 } from './arith.as';
import { finish, finishOne, modeOf } from './core.as';

/**
 * Whether the predicate (0 EQ, 1 LT, 2 LE, 3 UNORD; 4 and more: their opposites) holds. LT and LE and their opposites
 * find quiet NaNs invalid.
 */
function holds<F>(a: u64, b: u64, predicate: i32, mode: i32): bool {
  const kind = predicate & 3;
  const relation = compare<F>(a, b, kind == 1 || kind == 2, mode);
  let result = relation == EQUAL;
  if (kind == 1) result = relation == LESS;
  else if (kind == 2) result = relation <= EQUAL;
  else if (kind == 3) result = relation == UNORDERED;
  return result != ((predicate & 4) != 0);
}

/** CMPSS: all ones or 0. */
export function compare_ss(env: usize, a: f32, b: f32, predicate: i32): i32 {
  const r = holds<u32>(u64(reinterpret<u32>(a)), u64(reinterpret<u32>(b)), predicate, modeOf(env));
  finishOne(env);
  return -i32(r);
}

/** CMPSD: the low 32 bits of the mask. */
export function compare_sd(env: usize, a: f64, b: f64, predicate: i32): i32 {
  const r = holds<u64>(reinterpret<u64>(a), reinterpret<u64>(b), predicate, modeOf(env));
  finishOne(env);
  return -i32(r);
}

/** CMPPS. */
export function compare_ps(env: usize, a: v128, b: v128, predicate: i32): v128 {
  const mode = modeOf(env);
  const r0 = u64(u32(-i32(holds<u32>(lane32(a, 0), lane32(b, 0), predicate, mode))));
  let flags = raised;
  const r1 = u64(u32(-i32(holds<u32>(lane32(a, 1), lane32(b, 1), predicate, mode))));
  flags |= raised;
  const r2 = u64(u32(-i32(holds<u32>(lane32(a, 2), lane32(b, 2), predicate, mode))));
  flags |= raised;
  const r3 = u64(u32(-i32(holds<u32>(lane32(a, 3), lane32(b, 3), predicate, mode))));
  finish(env, flags | raised);
  return vector32(r0, r1, r2, r3);
}

/** CMPPD. */
export function compare_pd(env: usize, a: v128, b: v128, predicate: i32): v128 {
  const mode = modeOf(env);
  const r0 = u64(-i64(holds<u64>(lane64(a, 0), lane64(b, 0), predicate, mode)));
  const flags = raised;
  const r1 = u64(-i64(holds<u64>(lane64(a, 1), lane64(b, 1), predicate, mode)));
  finish(env, flags | raised);
  return vector64(r0, r1);
}

/** ZF, PF and CF of a relation as EFLAGS bits. */
function eflags(relation: i32): i32 {
  return relation == UNORDERED ? 0x45 : relation == EQUAL ? 0x40 : relation == LESS ? 0x01 : 0;
}

/** COMISS (`signal`) and UCOMISS: the EFLAGS. */
export function order_ss(env: usize, a: f32, b: f32, signal: i32): i32 {
  const r = compare<u32>(u64(reinterpret<u32>(a)), u64(reinterpret<u32>(b)), signal != 0, modeOf(env));
  finishOne(env);
  return eflags(r);
}

/** COMISD (`signal`) and UCOMISD. */
export function order_sd(env: usize, a: f64, b: f64, signal: i32): i32 {
  const r = compare<u64>(reinterpret<u64>(a), reinterpret<u64>(b), signal != 0, modeOf(env));
  finishOne(env);
  return eflags(r);
}
