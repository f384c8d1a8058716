// Float arithmetic by the engine's own instructions where the guest could not tell, with the way to softfloat elsewhere.
import type { Builder } from '../tcg/ir/builder.ts';
import { Cond } from '../tcg/ir/types.ts';
import { Const, type Value } from '../tcg/ir/value.ts';

/*
 * An f32 or f64 op of the engine rounds to nearest even and says nothing of exceptions. In a guest whose rounding is that,
 * whose exceptions are masked and whose inexact flag is set already, nothing is lost unless
 * - the result is not finite, or tiny, or zero, or near enough to these that rounding might have hidden it (overflow,
 *   underflow, invalid operations, divisions by zero, NaNs and their payloads all end in such results), or
 * - an operand is denormal, where the guest flushes or reports those.
 * That is checked, and then a helper computes it once more, in full. What it returns counts. So the guest may as well flush
 * denormals, and judge tininess as it likes: only the helper needs to know.
 */

/** Whether denormal operands matter to the guest: they are flushed, or reported and not yet so. */
export interface GuardOptions {
  readonly operands: boolean;
}

/** A value that is not 0 where the f32 or f64 `result` of arithmetic, or one of its operands, needs the helper. */
export function scalarGuard(
  b: Builder,
  type: 'f32' | 'f64',
  result: Value,
  operands: readonly Value[],
  options: GuardOptions,
): Value {
  let bad: Value = b.emit(`extreme_${type}`, result);
  if (!options.operands) return bad;
  for (const [n, operand] of operands.entries()) {
    if (operands.indexOf(operand) === n) bad = b.or(bad, b.emit(`denormal_${type}`, operand));
  }
  return bad;
}

/** A vector constant with a float in all lanes. */
export function splatFloat(lane: 32 | 64, value: number): Const {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < 16; at += lane / 8) {
    if (lane === 32) view.setFloat32(at, value, true);
    else view.setFloat64(at, value, true);
  }
  return new Const('v128', bytes);
}

/** Twice the least normal number: what is below may have been tiny before it was rounded. Zeros are below it too. */
const LEAST = { 32: splatFloat(32, 2 ** -125), 64: splatFloat(64, 2 ** -1021) } as const;
const LEAST_NORMAL = { 32: splatFloat(32, 2 ** -126), 64: splatFloat(64, 2 ** -1022) } as const;
const INFINITE = {
  32: splatFloat(32, Number.POSITIVE_INFINITY),
  64: splatFloat(64, Number.POSITIVE_INFINITY),
} as const;
const ZERO = { 32: splatFloat(32, 0), 64: splatFloat(64, 0) } as const;

/**
 * The same for vectors of f32 or f64. Operands that are zero also need the helper: to tell them from denormals costs more
 * than most code loses by it.
 */
export function vectorGuard(
  b: Builder,
  lane: 32 | 64,
  result: Value,
  operands: readonly Value[],
  options: GuardOptions,
): Value {
  const size = b.emit('fabs_vec', result, null, null, lane);
  let least: Value = size;
  if (options.operands) {
    for (const [n, operand] of operands.entries()) {
      if (operands.indexOf(operand) < n) continue;
      least = b.emit('fpmin_vec', least, b.emit('fabs_vec', operand, null, null, lane), null, lane);
    }
  }
  const large = b.emit('fcmp_vec', least, LEAST[lane], null, lane, Cond.GE);
  const finite = b.emit('fcmp_vec', size, INFINITE[lane], null, lane, Cond.LT);
  return unlessAll(b, lane, b.emit('and_v128', large, finite));
}

/** A value that is not 0 where a lane, of the first `count`, of a vector of masks is not all ones. */
export function unlessAll(b: Builder, lane: 32 | 64, mask: Value, count = 128 / lane): Value {
  const all = (1 << count) - 1;
  const bits = b.emit('bitmask_vec', mask, null, null, lane);
  return b.xor(count < 128 / lane ? b.and(bits, all) : bits, all);
}

/** A value that is not 0 where a lane is a denormal or a NaN: for comparisons, which round nothing. */
export function vectorCompareGuard(b: Builder, lane: 32 | 64, operands: readonly Value[]): Value {
  let fine: Value | null = null;
  for (const [n, operand] of operands.entries()) {
    if (operands.indexOf(operand) < n) continue;
    const size = b.emit('fabs_vec', operand, null, null, lane);
    const normal = b.emit('fcmp_vec', size, LEAST_NORMAL[lane], null, lane, Cond.GE);
    const zero = b.emit('fcmp_vec', operand, ZERO[lane], null, lane, Cond.EQ);
    const good = b.emit('or_v128', normal, zero);
    fine = fine === null ? good : b.emit('and_v128', fine, good);
  }
  return unlessAll(b, lane, fine!);
}

// ---- exactness, for guests whose inexact flag is not set yet

/** Not 0 where `sum`, finite and not tiny, is not exactly x + y (`subtract`: x - y): the error of a sum is a float itself. */
export function sumInexact(
  b: Builder,
  type: 'f32' | 'f64' | 32 | 64,
  sum: Value,
  x: Value,
  y: Value,
  subtract: boolean,
): Value {
  const vector = typeof type === 'number';
  const sub = (p: Value, q: Value) => (vector ? b.emit('fsub_vec', p, q, null, type) : b.emit(`sub_${type}`, p, q));
  const add = (p: Value, q: Value) => (vector ? b.emit('fadd_vec', p, q, null, type) : b.emit(`add_${type}`, p, q));
  // The part of the sum that came from y, and what of x and of y did not get into the sum.
  const fromY = sub(sum, x);
  const restX = sub(x, sub(sum, fromY));
  const error = subtract ? sub(restX, add(y, fromY)) : add(restX, sub(y, fromY));
  if (!vector) return b.emit(`setcond_${type}`, error, new Const(type, 0), null, Cond.NE);
  return unlessAll(b, type, b.emit('fcmp_vec', error, ZERO[type], null, type, Cond.EQ));
}

/** Bits of fractions below the upper half of their significand: products of upper halves are exact. */
const LOWER_HALF = { 32: 0xfffn, 64: 0x7ffffffn } as const;
const LOWER_HALVES = { 32: lanesOf(32, LOWER_HALF[32]), 64: lanesOf(64, LOWER_HALF[64]) } as const;

function lanesOf(lane: 32 | 64, bits: bigint): Const {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < 16; at += lane / 8) {
    if (lane === 32) view.setUint32(at, Number(bits), true);
    else view.setBigUint64(at, bits, true);
  }
  return new Const('v128', bytes);
}

/** Not 0 unless a product of scalars, finite and not tiny, is certainly exact. */
export function productInexact(b: Builder, type: 'f32' | 'f64', product: Value, x: Value, y: Value): Value {
  if (type === 'f32') {
    // In f64 the product is exact.
    const exact = b.emit('mul_f64', b.emit('promote_f32_f64', x), b.emit('promote_f32_f64', y));
    return b.emit('setcond_f64', b.emit('promote_f32_f64', product), exact, null, Cond.NE);
  }
  // Significands of 53 - n and 53 - m bits have a product of at most 106 - n - m.
  const zeros = (value: Value) =>
    b.emit('ctz_i64', b.emit('or_i64', b.emit('reinterpret_f64_i64', value), b.i64(1n << 52n)));
  return b.emit('setcond_i64', b.emit('add_i64', zeros(x), zeros(y)), b.i64(53), null, Cond.LT);
}

/** Not 0 unless the products of all lanes, finite and not tiny, are certainly exact. */
export function productsInexact(b: Builder, lane: 32 | 64, x: Value, y: Value): Value {
  return b.emit('any_v128', b.emit('and_v128', b.emit('or_v128', x, y), LOWER_HALVES[lane]));
}

/** Not 0 unless a quotient or square root `root` is certainly exact: times `y` it must be `x` again. */
export function quotientInexact(b: Builder, type: 'f32' | 'f64', root: Value, x: Value, y: Value): Value {
  const product = b.emit(`mul_${type}`, root, y);
  return b.or(productInexact(b, type, product, root, y), b.emit(`setcond_${type}`, product, x, null, Cond.NE));
}

/** The same by lanes. */
export function quotientsInexact(b: Builder, lane: 32 | 64, root: Value, x: Value, y: Value): Value {
  const product = b.emit('fmul_vec', root, y, null, lane);
  const same = unlessAll(b, lane, b.emit('fcmp_vec', product, x, null, lane, Cond.EQ));
  return b.or(productsInexact(b, lane, root, y), same);
}
