// S and D registers as parts of the Q registers, as bits and as floats; what data processing asks before it begins.

import { const32, type Value } from '../../../tcg/ir/value.ts';
import { FLAG_SHORT_VECTORS } from '../fpscr.ts';
import { QREGS } from '../state.ts';
import type { Handler, Translation } from './context.ts';

/** Number of an S register: four bits and a low one. */
export function sNumber(four: number, one: number): number {
  return (four << 1) | one;
}

/** Number of a D register: a high bit and four. */
export function dNumber(four: number, one: number): number {
  return (one << 4) | four;
}

/** The bits of an S register. */
export function readS({ b }: Translation, n: number): Value {
  return b.emit('lane_i32', QREGS[n >> 2]!, null, null, 32, n & 3);
}

export function writeS({ b }: Translation, n: number, value: Value): void {
  const q = QREGS[n >> 2]!;
  b.set(q, b.emit('setlane_i32', q, value, null, 32, n & 3));
}

/** The bits of a D register. */
export function readD({ b }: Translation, n: number): Value {
  return b.emit('lane_i64', QREGS[n >> 1]!, null, null, n & 1);
}

export function writeD({ b }: Translation, n: number, value: Value): void {
  const q = QREGS[n >> 1]!;
  b.set(q, b.emit('setlane_i64', q, value, null, n & 1));
}

/** Whether a D register exists on the model: the upper 16 are an option. */
export function hasD(t: Translation, n: number): boolean {
  return n < 16 || t.has('d32');
}

// ---- registers of either precision as floats; z is 1 for double

/** The number of a register of precision z. */
export function registerNumber(z: number, four: number, one: number): number {
  return z ? dNumber(four, one) : sNumber(four, one);
}

/** An S or D register as a float. */
export function readFloat({ b }: Translation, z: number, n: number): Value {
  return z
    ? b.emit('lane_f64', QREGS[n >> 1]!, null, null, n & 1)
    : b.emit('lane_f32', QREGS[n >> 2]!, null, null, n & 3);
}

export function writeFloat({ b }: Translation, z: number, n: number, value: Value): void {
  const q = QREGS[z ? n >> 1 : n >> 2]!;
  b.set(q, z ? b.emit('setlane_f64', q, value, null, n & 1) : b.emit('setlane_f32', q, value, null, n & 3));
}

/** The bits of a float. */
export function bitsOf({ b }: Translation, z: number, value: Value): Value {
  return z ? b.emit('reinterpret_f64_i64', value) : b.emit('reinterpret_f32_i32', value);
}

/** The float of some bits. */
export function floatOf({ b }: Translation, z: number, bits: Value): Value {
  return z ? b.emit('reinterpret_i64_f64', bits) : b.emit('reinterpret_i32_f32', bits);
}

/** A float with the other sign; NaNs too. */
export function negate({ b }: Translation, z: number, value: Value): Value {
  return b.emit(z ? 'neg_f64' : 'neg_f32', value);
}

/**
 * A handler of data processing. A length or stride of FPSCR makes it undefined: this CPU has no vectors of the old kind,
 * which real ones of ARMv7 and later do not have either. So do registers that the model has not: D16 to D31 are an option.
 */
export function dataProcessing(handler: Handler): Handler {
  return (t) => {
    if (t.flags & FLAG_SHORT_VECTORS) return t.undefined();
    handler(t);
  };
}

export const ZERO = const32(0);
