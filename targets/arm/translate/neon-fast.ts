// Single-precision vectors by the engine's own arithmetic where a program cannot tell it from softfloat (floats.ts).
import { Cond } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { FpState } from '../fpscr.ts';
import { lanesOf } from '../vector-constants.ts';
import type { Translation } from './context.ts';
import { fpState, isCareful, leaveForCareful, noticeInexact } from './floats.ts';
import { op1, op2 } from './neon-registers.ts';

const ZEROS = lanesOf(32, 0);
const LEAST_NORMAL = lanesOf(32, 0x00800000);
/** Twice the least normal number: what is below may have been tiny before it was rounded. */
const LEAST = lanesOf(32, 0x01000000);
const INFINITE = lanesOf(32, 0x7f800000);

function compare(t: Translation, cond: Cond, x: Value, y: Value): Value {
  return t.b.emit('fcmp_vec', x, y, null, 32, cond);
}

const magnitude = (t: Translation, x: Value): Value => op1(t, 'fabs_vec', x, 32);
const isZero = (t: Translation, x: Value): Value => compare(t, Cond.EQ, x, ZEROS);

/** Lanes that are neither denormals nor NaNs. */
function isOrdinary(t: Translation, x: Value): Value {
  return op2(t, 'or_v128', compare(t, Cond.GE, magnitude(t, x), LEAST_NORMAL), isZero(t, x));
}

/** 0 where the mask is all ones in the lanes that count. */
function missing({ b }: Translation, mask: Value, q: number): Value {
  const lanes = q ? 15 : 3;
  return b.xor(b.and(b.emit('bitmask_vec', mask, null, null, 32), lanes), lanes);
}

/** Whether vectors are computed by the engine here; else by helpers. */
function isFast(t: Translation): boolean {
  if (isCareful(t)) return false;
  if (fpState(t) === FpState.INEXACT) return true;
  noticeInexact(t);
  return false;
}

/**
 * A sum, difference or product of x and y, or what `helper` computes. Zeros and denormals among operands are told apart only
 * where there are some.
 */
export function fastArithmetic(
  t: Translation,
  name: 'add' | 'sub' | 'mul',
  x: Value,
  y: Value,
  q: number,
  helper: () => Value,
): Value {
  if (!isFast(t)) return helper();
  const { b } = t;
  const result = b.emit(`f${name}_vec`, x, y, null, 32);
  const size = magnitude(t, result);
  let least: Value = op2(t, 'fpmin_vec', size, magnitude(t, x), 32);
  if (x !== y) least = op2(t, 'fpmin_vec', least, magnitude(t, y), 32);
  const finite = compare(t, Cond.LT, size, INFINITE);
  const fine = b.label();
  b.brcond(Cond.EQ, missing(t, op2(t, 'and_v128', compare(t, Cond.GE, least, LEAST), finite), q), 0, fine);
  const zero = name === 'mul' ? op2(t, 'or_v128', isZero(t, x), isZero(t, y)) : isZero(t, result);
  const good = op2(t, 'and_v128', finite, op2(t, 'or_v128', compare(t, Cond.GE, size, LEAST), zero));
  const operands = op2(t, 'and_v128', isOrdinary(t, x), isOrdinary(t, y));
  b.brcond(Cond.EQ, missing(t, op2(t, 'and_v128', good, operands), q), 0, fine);
  leaveForCareful(t);
  b.place(fine);
  return result;
}

/** Lanes of ones where x cond y; denormals, which are compared as zeros, and NaNs are for the helper. */
export function fastComparison(t: Translation, cond: Cond, x: Value, y: Value, q: number, helper: () => Value): Value {
  if (isCareful(t)) return helper();
  const { b } = t;
  const fine = b.label();
  b.brcond(Cond.EQ, missing(t, op2(t, 'and_v128', isOrdinary(t, x), isOrdinary(t, y)), q), 0, fine);
  leaveForCareful(t);
  b.place(fine);
  return compare(t, cond, x, y);
}
