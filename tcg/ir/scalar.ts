// How JavaScript holds IR values, float bit patterns included, and the comparisons of every type.
import { Cond } from './types.ts';

/**
 * A float of the IR: a number, or, when it is a NaN whose bits matter, its raw bits as an unsigned BigInt (32 or 64 of
 * them). JavaScript engines may change the payload of a NaN kept in a number, so whatever only moves bits (loads, moves,
 * reinterpretations, sign changes) keeps NaNs in the second form; arithmetic may give the number NaN, which stands for
 * the canonical quiet NaN.
 */
export type Float = number | bigint;

/** Any IR value: i32 a signed number, i64 a signed BigInt, f32 and f64 a `Float`, v128 16 bytes that are never changed. */
export type IrValue = number | bigint | Uint8Array;

/** The meaning of an op: its operands in order, then its immediates. */
export type Meaning = (...args: never[]) => IrValue;

/** Thrown for operands the op table calls undefined: the translator must have excluded them. */
export class UndefinedOperation extends Error {}

const SCRATCH = new DataView(new ArrayBuffer(8));

/** The bits of an f32 as a signed 32-bit number. */
export function bitsOfF32(x: Float): number {
  if (typeof x === 'bigint') return Number(x) | 0;
  if (Number.isNaN(x)) return 0x7fc00000;
  SCRATCH.setFloat32(0, x);
  return SCRATCH.getInt32(0);
}

/** The f32 with these bits. */
export function f32OfBits(bits: number): Float {
  if ((bits & 0x7fffffff) > 0x7f800000) return BigInt(bits >>> 0);
  SCRATCH.setInt32(0, bits);
  return SCRATCH.getFloat32(0);
}

/** The bits of an f64 as a signed BigInt. */
export function bitsOfF64(x: Float): bigint {
  if (typeof x === 'bigint') return BigInt.asIntN(64, x);
  if (Number.isNaN(x)) return 0x7ff8000000000000n;
  SCRATCH.setFloat64(0, x);
  return SCRATCH.getBigInt64(0);
}

/** The f64 with these bits (any BigInt; taken modulo 2^64). */
export function f64OfBits(bits: bigint): Float {
  SCRATCH.setBigInt64(0, bits);
  const x = SCRATCH.getFloat64(0);
  return !Number.isNaN(x) ? x : BigInt.asUintN(64, bits);
}

/** The number to calculate with; every NaN is the same one. */
export function num(x: Float): number {
  return typeof x === 'number' ? x : Number.NaN;
}

/** Whether a cond b holds for signed 32-bit numbers. */
export function compareI32(cond: Cond, a: number, b: number): boolean {
  switch (cond) {
    case Cond.EQ:
      return a === b;
    case Cond.NE:
      return a !== b;
    case Cond.LT:
      return a < b;
    case Cond.GE:
      return a >= b;
    case Cond.LE:
      return a <= b;
    case Cond.GT:
      return a > b;
    case Cond.LTU:
      return a >>> 0 < b >>> 0;
    case Cond.GEU:
      return a >>> 0 >= b >>> 0;
    case Cond.LEU:
      return a >>> 0 <= b >>> 0;
    case Cond.GTU:
      return a >>> 0 > b >>> 0;
    case Cond.TSTEQ:
      return (a & b) === 0;
    case Cond.TSTNE:
      return (a & b) !== 0;
  }
}

const unsigned = (x: bigint) => BigInt.asUintN(64, x);

/** Whether a cond b holds for signed 64-bit BigInts. */
export function compareI64(cond: Cond, a: bigint, b: bigint): boolean {
  switch (cond) {
    case Cond.EQ:
      return a === b;
    case Cond.NE:
      return a !== b;
    case Cond.LT:
      return a < b;
    case Cond.GE:
      return a >= b;
    case Cond.LE:
      return a <= b;
    case Cond.GT:
      return a > b;
    case Cond.LTU:
      return unsigned(a) < unsigned(b);
    case Cond.GEU:
      return unsigned(a) >= unsigned(b);
    case Cond.LEU:
      return unsigned(a) <= unsigned(b);
    case Cond.GTU:
      return unsigned(a) > unsigned(b);
    case Cond.TSTEQ:
      return (a & b) === 0n;
    case Cond.TSTNE:
      return (a & b) !== 0n;
  }
}

/** Whether a cond b holds for floats; unordered operands satisfy NE only. */
export function compareFloat(cond: Cond, x: Float, y: Float): boolean {
  const a = num(x);
  const b = num(y);
  switch (cond) {
    case Cond.EQ:
      return a === b;
    case Cond.NE:
      return a !== b;
    case Cond.LT:
      return a < b;
    case Cond.GE:
      return a >= b;
    case Cond.LE:
      return a <= b;
    case Cond.GT:
      return a > b;
    default:
      throw new UndefinedOperation(`floats have no condition ${cond}`);
  }
}

/** Rounds to an integral value; `direction` 0 up, 1 down, 2 towards zero, 3 to nearest with ties to even. */
export function roundFloat(x: number, direction: number): number {
  if (direction === 0) return Math.ceil(x);
  if (direction === 1) return Math.floor(x);
  if (direction === 2) return Math.trunc(x);
  const below = Math.floor(x);
  const rest = x - below;
  // Infinities give a NaN rest and are their own floor.
  if (!(rest > 0)) return below;
  let result = rest < 0.5 ? below : rest > 0.5 ? below + 1 : below % 2 === 0 ? below : below + 1;
  // -0.5 rounds to -0.
  if (result === 0 && x < 0) result = -0;
  return result;
}
