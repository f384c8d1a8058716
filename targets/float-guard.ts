// Float arithmetic by the engine's own instructions where the guest could not tell, with the way to softfloat elsewhere.
import type { Builder } from '../tcg/ir/builder.ts';
import { Cond } from '../tcg/ir/types.ts';
import { Const, type Value } from '../tcg/ir/value.ts';

/*
 * An f32 or f64 op of the engine rounds to nearest even and says nothing of exceptions. In a guest whose rounding is that,
 * whose exceptions are masked and whose inexact flag is set already, nothing is lost unless
 * - the result is not finite, or tiny, or near enough to these that rounding might have hidden it (overflow, underflow, invalid
 *   operations, divisions by zero, NaNs and their payloads all end in such results), or
 * - an operand is denormal, where the guest flushes or reports those.
 * That is checked, and then a helper computes it once more, in full. What it returns counts. So the guest may as well flush
 * denormals, and judge tininess as it likes: only the helper needs to know.
 *
 * Checks are made in two steps. The first, in line, asks for more than it must: that exponents are in the middle of their
 * range. The second, behind a branch seldom taken, finds out whether it is zeros, or numbers far out, that are harmless.
 */

/**
 * Negative unless the exponent of a float is in the middle half of its range: 2^-511 <= |a| < 2^513 (f32: 2^-63, 2^65). It has
 * the width of the float. Several are combined by `or`.
 */
export function remote(b: Builder, value: Value): Value {
  if (value.type === 'f32') return b.sub(b.shl(b.emit('reinterpret_f32_i32', value), 1), 1 << 30);
  return b.emit('sub_i64', b.emit('shl_i64', b.emit('reinterpret_f64_i64', value), b.i64(1)), b.i64(1n << 62n));
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

/** A vector constant with the same bits in all lanes. */
function lanesOf(lane: 32 | 64, bits: bigint): Const {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < 16; at += lane / 8) {
    if (lane === 32) view.setUint32(at, Number(bits), true);
    else view.setBigUint64(at, bits, true);
  }
  return new Const('v128', bytes);
}

/** What twice the bits of floats must exceed for `remote`. */
const MIDDLE = { 32: lanesOf(32, 1n << 30n), 64: lanesOf(64, 1n << 62n) } as const;

/** Not 0 unless the exponents of all lanes of all values are in the middle half of their range, as for `remote`. */
export function remoteLanes(b: Builder, lane: 32 | 64, values: readonly Value[]): Value {
  let any: Value | null = null;
  for (const value of new Set(values)) {
    const far = b.emit('sub_vec', b.emit('add_vec', value, value, null, lane), MIDDLE[lane], null, lane);
    any = any === null ? far : b.emit('or_v128', any, far);
  }
  return b.emit('bitmask_vec', any!, null, null, lane);
}

/**
 * The second step: not 0 where a lane of `operands` is denormal, or one of `result` not finite or nearly tiny, unless it is a
 * zero and the bits `zero` say of that lane that zeros are exact. Masks become numbers at once: vectors would need registers
 * that the code around lacks then.
 */
export function vectorPrecise(
  b: Builder,
  lane: 32 | 64,
  result: Value,
  operands: readonly Value[],
  zero: Value | number,
): Value {
  const bits = (x: Value, cond: Cond, y: Const) =>
    b.emit('bitmask_vec', b.emit('fcmp_vec', x, y, null, lane, cond), null, null, lane);
  const size = b.emit('fabs_vec', result, null, null, lane);
  let good: Value = b.and(bits(size, Cond.GE, LEAST[lane]), bits(size, Cond.LT, INFINITE[lane]));
  if (zero !== 0) good = b.or(good, b.and(zeroLanes(b, lane, result), zero));
  for (const operand of new Set(operands)) {
    const normal = bits(b.emit('fabs_vec', operand, null, null, lane), Cond.GE, LEAST_NORMAL[lane]);
    good = b.and(good, b.or(normal, zeroLanes(b, lane, operand)));
  }
  return b.xor(good, (1 << (128 / lane)) - 1);
}

/** Bits for the lanes that are zeros. */
export function zeroLanes(b: Builder, lane: 32 | 64, value: Value): Value {
  return b.emit('bitmask_vec', b.emit('fcmp_vec', value, ZERO[lane], null, lane, Cond.EQ), null, null, lane);
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

/**
 * What shows that a finite result is exact: it is unless a flag (i32 or i64) is negative or a condition is not 0. Both steps of a
 * guard make the conditions for themselves: the engine joins comparisons to branches only where nothing else uses them.
 */
export interface Proof {
  readonly flags: readonly Value[];
  readonly conditions: readonly (() => Value)[];
  /** It also shows that the result is finite. */
  readonly finite?: boolean;
}

/**
 * A sum x + y (`subtract`: difference x - y) is exact, and finite, if taking either operand from it leaves the other: where the
 * operand taken away is the larger one, nothing is rounded in doing so (Dekker's Fast2Sum).
 */
export function exactSum(b: Builder, sum: Value, x: Value, y: Value, subtract: boolean): Proof {
  const type = sum.type as 'f32' | 'f64';
  const differs = (p: Value, q: Value) => () => b.emit(`setcond_${type}`, p, q, null, Cond.NE);
  const otherThanX = subtract ? b.emit(`sub_${type}`, x, sum) : b.emit(`sub_${type}`, sum, x);
  const otherThanY = b.emit(subtract ? `add_${type}` : `sub_${type}`, sum, y);
  return { flags: [], conditions: [differs(otherThanX, y), differs(otherThanY, x)], finite: true };
}

/** The same by lanes. */
export function exactSums(b: Builder, lane: 32 | 64, sum: Value, x: Value, y: Value, subtract: boolean): Proof {
  const same = (p: Value, q: Value) => b.emit('fcmp_vec', p, q, null, lane, Cond.EQ);
  const otherThanX = subtract ? b.emit('fsub_vec', x, sum, null, lane) : b.emit('fsub_vec', sum, x, null, lane);
  const otherThanY = b.emit(subtract ? 'fadd_vec' : 'fsub_vec', sum, y, null, lane);
  return {
    flags: [],
    conditions: [() => unlessAll(b, lane, b.emit('and_v128', same(otherThanX, y), same(otherThanY, x)))],
    finite: true,
  };
}

/** Bits of fractions below the upper half of their significand: products of upper halves are exact. */
const LOWER_HALVES = { 32: lanesOf(32, 0xfffn), 64: lanesOf(64, 0x7ffffffn) } as const;

/** The proof for a product of scalars that is finite and not tiny. */
export function exactProduct(b: Builder, product: Value, x: Value, y: Value): Proof {
  if (product.type === 'f32') {
    // In f64 the product is exact.
    const exact = b.emit('mul_f64', b.emit('promote_f32_f64', x), b.emit('promote_f32_f64', y));
    const wide = b.emit('promote_f32_f64', product);
    return { flags: [], conditions: [() => b.emit('setcond_f64', wide, exact, null, Cond.NE)] };
  }
  // Significands of 53 - n and 53 - m bits have a product of at most 106 - n - m. The zeros of a power of two go on into its
  // exponent, which is as well: what it multiplies stays exact.
  const zeros = (value: Value) => b.emit('ctz_i64', b.emit('reinterpret_f64_i64', value));
  return { flags: [b.emit('sub_i64', b.emit('add_i64', zeros(x), zeros(y)), b.i64(53n))], conditions: [] };
}

/** The proof for products of all lanes. */
export function exactProducts(b: Builder, lane: 32 | 64, x: Value, y: Value): Proof {
  const lower = b.emit('and_v128', b.emit('or_v128', x, y), LOWER_HALVES[lane]);
  return { flags: [], conditions: [() => b.emit('any_v128', lower)] };
}

/** The proof for a quotient or square root `root`: times `y` it must be `x` again. */
export function exactQuotient(b: Builder, root: Value, x: Value, y: Value): Proof {
  const type = root.type as 'f32' | 'f64';
  const product = b.emit(`mul_${type}`, root, y);
  const { flags, conditions } = exactProduct(b, product, root, y);
  return { flags, conditions: [...conditions, () => b.emit(`setcond_${type}`, product, x, null, Cond.NE)] };
}

/** The same by lanes. */
export function exactQuotients(b: Builder, lane: 32 | 64, root: Value, x: Value, y: Value): Proof {
  const product = b.emit('fmul_vec', root, y, null, lane);
  const differ = () => unlessAll(b, lane, b.emit('fcmp_vec', product, x, null, lane, Cond.EQ));
  return { flags: [], conditions: [...exactProducts(b, lane, root, y).conditions, differ] };
}
