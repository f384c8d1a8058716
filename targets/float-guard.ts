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
  const extreme = b.emit(`extreme_${type}`, result);
  return options.operands ? b.or(extreme, denormals(b, type, operands)) : extreme;
}

/** A value that is not 0 where an f32 or f64 is a denormal. */
export function denormals(b: Builder, type: 'f32' | 'f64', values: readonly Value[]): Value {
  let any: Value | null = null;
  for (const [n, value] of values.entries()) {
    if (values.indexOf(value) < n) continue;
    const denormal = b.emit(`denormal_${type}`, value);
    any = any === null ? denormal : b.or(any, denormal);
  }
  return any!;
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

/** A value that is not 0 where a lane of a vector of masks is not all ones. */
function unlessAll(b: Builder, lane: 32 | 64, mask: Value): Value {
  return b.xor(b.emit('bitmask_vec', mask, null, null, lane), lane === 32 ? 15 : 3);
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
