// The meaning of the vector ops: functions on 16-byte arrays, lane 0 in the lowest bytes.
import type { OpName } from './ops.ts';
import {
  bitsOfF32,
  bitsOfF64,
  compareFloat,
  compareI32,
  compareI64,
  type Float,
  f32OfBits,
  f64OfBits,
  type Meaning,
  roundFloat,
} from './scalar.ts';
import type { Cond } from './types.ts';

type VectorOpName = Extract<
  OpName,
  `splat_${string}` | `lane_${string}` | `setlane_${string}` | `${string}_vec` | `${string}_v128`
>;
type VectorMeaningName = Exclude<
  VectorOpName,
  'mov_v128' | 'guest_ld_v128' | 'guest_st_v128' | 'env_ld_v128' | 'env_st_v128' | 'cold_v128'
>;

/** One vector seen as lanes of every kind. Scratch space: holds nothing between two calls. */
class Lanes {
  readonly u8 = new Uint8Array(16);
  readonly s8 = new Int8Array(this.u8.buffer);
  readonly u16 = new Uint16Array(this.u8.buffer);
  readonly s16 = new Int16Array(this.u8.buffer);
  readonly u32 = new Uint32Array(this.u8.buffer);
  readonly s32 = new Int32Array(this.u8.buffer);
  readonly s64 = new BigInt64Array(this.u8.buffer);
  readonly f32 = new Float32Array(this.u8.buffer);
  readonly f64 = new Float64Array(this.u8.buffer);

  set(bytes: Uint8Array): this {
    this.u8.set(bytes);
    return this;
  }
  signed(lane: number): Int8Array | Int16Array | Int32Array {
    return lane === 8 ? this.s8 : lane === 16 ? this.s16 : this.s32;
  }
  unsigned(lane: number): Uint8Array | Uint16Array | Uint32Array {
    return lane === 8 ? this.u8 : lane === 16 ? this.u16 : this.u32;
  }
  float(lane: number): Float32Array | Float64Array {
    return lane === 32 ? this.f32 : this.f64;
  }
}

const A = new Lanes();
const B = new Lanes();
const R = new Lanes();

type Vector = Uint8Array;

/** Signed lanes of 8, 16 or 32 bits through `f`; results are wrapped to the lane. */
function signed2(a: Vector, b: Vector, lane: number, f: (x: number, y: number) => number): Vector {
  const x = A.set(a).signed(lane);
  const y = B.set(b).signed(lane);
  const r = R.signed(lane);
  for (let i = 0; i < r.length; i++) r[i] = f(x[i]!, y[i]!);
  return R.u8.slice();
}

/** Unsigned lanes of 8, 16 or 32 bits through `f`; results are wrapped to the lane. */
function unsigned2(a: Vector, b: Vector, lane: number, f: (x: number, y: number) => number): Vector {
  const x = A.set(a).unsigned(lane);
  const y = B.set(b).unsigned(lane);
  const r = R.unsigned(lane);
  for (let i = 0; i < r.length; i++) r[i] = f(x[i]!, y[i]!);
  return R.u8.slice();
}

/** Lanes of 64 bits through `f`; results are wrapped. */
function wide2(a: Vector, b: Vector, f: (x: bigint, y: bigint) => bigint): Vector {
  const x = A.set(a).s64;
  const y = B.set(b).s64;
  for (let i = 0; i < 2; i++) R.s64[i] = f(x[i]!, y[i]!);
  return R.u8.slice();
}

/** Arithmetic that wraps, on lanes of any width. */
function wrapping(narrow: (x: number, y: number) => number, wide: (x: bigint, y: bigint) => bigint) {
  return (a: Vector, b: Vector, lane: number) => (lane === 64 ? wide2(a, b, wide) : signed2(a, b, lane, narrow));
}

/** A shift of every lane by b mod lane. */
function shift(
  sign: 'signed' | 'unsigned',
  narrow: (x: number, n: number) => number,
  wide: (x: bigint, n: bigint) => bigint,
) {
  return (a: Vector, b: number, lane: number) => {
    const n = b & (lane - 1);
    if (lane === 64) return wide2(a, a, (x) => wide(x, BigInt(n)));
    return (sign === 'signed' ? signed2 : unsigned2)(a, a, lane, (x) => narrow(x, n));
  };
}

/** Float lanes through `f`, rounded to the lane; NaN results are the canonical one, whatever the host would store. */
function float2(a: Vector, b: Vector, lane: number, f: (x: number, y: number) => number): Vector {
  const x = A.set(a).float(lane);
  const y = B.set(b).float(lane);
  const r = R.float(lane);
  for (let i = 0; i < r.length; i++) {
    const result = f(x[i]!, y[i]!);
    if (!Number.isNaN(result)) r[i] = result;
    else if (lane === 32) R.s32[i] = 0x7fc00000;
    else R.s64[i] = 0x7ff8000000000000n;
  }
  return R.u8.slice();
}

/** Floats in the first `count` lanes, zeros in the others. */
function floats(lane: number, count: number, value: (i: number) => number): Vector {
  R.u8.fill(0);
  const r = R.float(lane);
  for (let i = 0; i < count; i++) {
    const result = value(i);
    if (!Number.isNaN(result)) r[i] = result;
    else if (lane === 32) R.s32[i] = 0x7fc00000;
    else R.s64[i] = 0x7ff8000000000000n;
  }
  return R.u8.slice();
}

function toFloats(x: ArrayLike<number>, lane: number): Vector {
  return floats(lane, 128 / lane, (i) => x[i]!);
}

/** Lanes of floats cut off to integers between two numbers. */
function toInts(a: Vector, lane: number, least: number, most: number): Vector {
  const x = A.set(a).float(lane);
  R.u8.fill(0);
  for (let i = 0; i < x.length; i++) R.s32[i] = Number.isNaN(x[i]!) ? 0 : clamp(Math.trunc(x[i]!), least, most);
  return R.u8.slice();
}

/** Takes whole lanes from a or b: `second(x, y)` says when it is b's. No float is rewritten, so NaN bits are kept. */
function floatPick(a: Vector, b: Vector, lane: number, second: (x: number, y: number) => boolean): Vector {
  const x = A.set(a).float(lane);
  const y = B.set(b).float(lane);
  const size = lane / 8;
  for (let i = 0; i < x.length; i++) {
    const from = second(x[i]!, y[i]!) ? b : a;
    for (let k = i * size; k < (i + 1) * size; k++) R.u8[k] = from[k]!;
  }
  return R.u8.slice();
}

/** Every byte through `f`. */
function bytes3(a: Vector, b: Vector, c: Vector, f: (x: number, y: number, z: number) => number): Vector {
  const r = new Uint8Array(16);
  for (let i = 0; i < 16; i++) r[i] = f(a[i]!, b[i]!, c[i]!);
  return r;
}

/** Changes only the sign bits of the lanes. */
function signBits(a: Vector, lane: number, f: (top: number) => number): Vector {
  const r = a.slice();
  const size = lane / 8;
  for (let i = size - 1; i < 16; i += size) r[i] = f(r[i]!);
  return r;
}

const clamp = (x: number, least: number, most: number) => Math.max(least, Math.min(most, x));

function narrow(a: Vector, b: Vector, lane: number, least: number, most: number): Vector {
  const x = A.set(a).signed(lane);
  const y = B.set(b).signed(lane);
  const r = R.signed(lane / 2);
  const half = x.length;
  for (let i = 0; i < half; i++) {
    r[i] = clamp(x[i]!, least, most);
    r[half + i] = clamp(y[i]!, least, most);
  }
  return R.u8.slice();
}

function widen(a: Vector, lane: number, half: number, zeros: boolean): Vector {
  const x = zeros ? A.set(a).unsigned(lane) : A.set(a).signed(lane);
  const count = x.length / 2;
  for (let i = 0; i < count; i++) {
    const value = x[half * count + i]!;
    if (lane === 32) R.s64[i] = BigInt(value);
    else R.signed(2 * lane)[i] = value;
  }
  return R.u8.slice();
}

function multiplyWide(a: Vector, b: Vector, lane: number, half: number, unsigned: boolean): Vector {
  const x = unsigned ? A.set(a).unsigned(lane) : A.set(a).signed(lane);
  const y = unsigned ? B.set(b).unsigned(lane) : B.set(b).signed(lane);
  const count = x.length / 2;
  for (let i = 0; i < count; i++) {
    const at = half * count + i;
    if (lane === 32) R.s64[i] = BigInt(x[at]!) * BigInt(y[at]!);
    else R.signed(2 * lane)[i] = x[at]! * y[at]!;
  }
  return R.u8.slice();
}

/** Sums of neighbours of what A holds, into lanes of R. */
function addPairs(x: ArrayLike<number>, r: { [index: number]: number }): Vector {
  for (let i = 0; 2 * i < x.length; i++) r[i] = x[2 * i]! + x[2 * i + 1]!;
  return R.u8.slice();
}

function splat(size: number, write: () => void): Vector {
  write();
  for (let i = size; i < 16; i++) R.u8[i] = R.u8[i - size]!;
  return R.u8.slice();
}

function setLane(a: Vector, write: () => void): Vector {
  R.set(a);
  write();
  return R.u8.slice();
}

/** The meaning of every vector op, by name. */
export const VECTOR_SEMANTICS: Readonly<Record<VectorMeaningName, Meaning>> = {
  splat_i32: (a: number, lane: number) => splat(lane / 8, () => (R.s32[0] = a)),
  splat_i64: (a: bigint) => splat(8, () => (R.s64[0] = a)),
  splat_f32: (a: Float) => splat(4, () => (R.s32[0] = bitsOfF32(a))),
  splat_f64: (a: Float) => splat(8, () => (R.s64[0] = bitsOfF64(a))),
  lane_i32: (a: Vector, lane: number, index: number) => A.set(a).unsigned(lane)[index]! | 0,
  lane_i64: (a: Vector, index: number) => A.set(a).s64[index]!,
  lane_f32: (a: Vector, index: number) => f32OfBits(A.set(a).s32[index]!),
  lane_f64: (a: Vector, index: number) => f64OfBits(A.set(a).s64[index]!),
  setlane_i32: (a: Vector, b: number, lane: number, index: number) => setLane(a, () => (R.signed(lane)[index] = b)),
  setlane_i64: (a: Vector, b: bigint, index: number) => setLane(a, () => (R.s64[index] = b)),
  setlane_f32: (a: Vector, b: Float, index: number) => setLane(a, () => (R.s32[index] = bitsOfF32(b))),
  setlane_f64: (a: Vector, b: Float, index: number) => setLane(a, () => (R.s64[index] = bitsOfF64(b))),

  and_v128: (a: Vector, b: Vector) => bytes3(a, b, b, (x, y) => x & y),
  or_v128: (a: Vector, b: Vector) => bytes3(a, b, b, (x, y) => x | y),
  xor_v128: (a: Vector, b: Vector) => bytes3(a, b, b, (x, y) => x ^ y),
  andc_v128: (a: Vector, b: Vector) => bytes3(a, b, b, (x, y) => x & ~y),
  not_v128: (a: Vector) => bytes3(a, a, a, (x) => ~x),
  bitselect_v128: (a: Vector, b: Vector, c: Vector) => bytes3(a, b, c, (mask, x, y) => (x & mask) | (y & ~mask)),

  add_vec: wrapping(
    (x, y) => x + y,
    (x, y) => x + y,
  ),
  sub_vec: wrapping(
    (x, y) => x - y,
    (x, y) => x - y,
  ),
  mul_vec: wrapping(Math.imul, (x, y) => x * y),
  neg_vec: (a: Vector, lane: number) => (lane === 64 ? wide2(a, a, (x) => -x) : signed2(a, a, lane, (x) => -x)),
  abs_vec: (a: Vector, lane: number) =>
    lane === 64 ? wide2(a, a, (x) => (x < 0n ? -x : x)) : signed2(a, a, lane, (x) => Math.abs(x)),
  shl_vec: shift(
    'signed',
    (x, n) => x << n,
    (x, n) => x << n,
  ),
  shr_vec: shift(
    'unsigned',
    (x, n) => x >>> n,
    (x, n) => BigInt.asUintN(64, x) >> n,
  ),
  sar_vec: shift(
    'signed',
    (x, n) => x >> n,
    (x, n) => x >> n,
  ),
  mins_vec: (a: Vector, b: Vector, lane: number) => signed2(a, b, lane, Math.min),
  minu_vec: (a: Vector, b: Vector, lane: number) => unsigned2(a, b, lane, Math.min),
  maxs_vec: (a: Vector, b: Vector, lane: number) => signed2(a, b, lane, Math.max),
  maxu_vec: (a: Vector, b: Vector, lane: number) => unsigned2(a, b, lane, Math.max),
  addsats_vec: (a: Vector, b: Vector, lane: number) => {
    const half = 2 ** (lane - 1);
    return signed2(a, b, lane, (x, y) => clamp(x + y, -half, half - 1));
  },
  addsatu_vec: (a: Vector, b: Vector, lane: number) => unsigned2(a, b, lane, (x, y) => Math.min(x + y, 2 ** lane - 1)),
  subsats_vec: (a: Vector, b: Vector, lane: number) => {
    const half = 2 ** (lane - 1);
    return signed2(a, b, lane, (x, y) => clamp(x - y, -half, half - 1));
  },
  subsatu_vec: (a: Vector, b: Vector, lane: number) => unsigned2(a, b, lane, (x, y) => Math.max(x - y, 0)),
  avgu_vec: (a: Vector, b: Vector, lane: number) => unsigned2(a, b, lane, (x, y) => (x + y + 1) >>> 1),
  cmp_vec: (a: Vector, b: Vector, lane: number, cond: Cond) =>
    lane === 64 ? wide2(a, b, (x, y) => (compareI64(cond, x, y) ? -1n : 0n)) : compareLanes(a, b, lane, cond),
  narrows_vec: (a: Vector, b: Vector, lane: number) => {
    const half = 2 ** (lane / 2 - 1);
    return narrow(a, b, lane, -half, half - 1);
  },
  narrowu_vec: (a: Vector, b: Vector, lane: number) => narrow(a, b, lane, 0, 2 ** (lane / 2) - 1),
  widens_vec: (a: Vector, lane: number, half: number) => widen(a, lane, half, false),
  widenu_vec: (a: Vector, lane: number, half: number) => widen(a, lane, half, true),
  mulwides_vec: (a: Vector, b: Vector, lane: number, half: number) => multiplyWide(a, b, lane, half, false),
  mulwideu_vec: (a: Vector, b: Vector, lane: number, half: number) => multiplyWide(a, b, lane, half, true),
  addpairs_vec: (a: Vector, lane: number) => addPairs(A.set(a).signed(lane), R.signed(2 * lane)),
  addpairu_vec: (a: Vector, lane: number) => addPairs(A.set(a).unsigned(lane), R.unsigned(2 * lane)),
  mulq15_vec: (a: Vector, b: Vector) => signed2(a, b, 16, (x, y) => clamp((x * y + 0x4000) >> 15, -0x8000, 0x7fff)),
  any_v128: (a: Vector) => (a.some((byte) => byte !== 0) ? 1 : 0),
  dot_s16_vec: (a: Vector, b: Vector) => {
    const x = A.set(a).s16;
    const y = B.set(b).s16;
    for (let i = 0; i < 4; i++) R.s32[i] = x[2 * i]! * y[2 * i]! + x[2 * i + 1]! * y[2 * i + 1]!;
    return R.u8.slice();
  },
  bitmask_vec: (a: Vector, lane: number) => {
    const size = lane / 8;
    let mask = 0;
    for (let i = 0; i * size < 16; i++) mask |= (a[(i + 1) * size - 1]! >>> 7) << i;
    return mask;
  },
  shuffle_v128: (a: Vector, b: Vector, c: Vector) => bytes3(c, c, c, (i) => (i < 16 ? a[i]! : b[i - 16]!)),
  swizzle_v128: (a: Vector, b: Vector) => bytes3(b, b, b, (i) => (i < 16 ? a[i]! : 0)),

  fadd_vec: (a: Vector, b: Vector, lane: number) => float2(a, b, lane, (x, y) => x + y),
  fsub_vec: (a: Vector, b: Vector, lane: number) => float2(a, b, lane, (x, y) => x - y),
  fmul_vec: (a: Vector, b: Vector, lane: number) => float2(a, b, lane, (x, y) => x * y),
  fdiv_vec: (a: Vector, b: Vector, lane: number) => float2(a, b, lane, (x, y) => x / y),
  fsqrt_vec: (a: Vector, lane: number) => float2(a, a, lane, Math.sqrt),
  fpmin_vec: (a: Vector, b: Vector, lane: number) => floatPick(a, b, lane, (x, y) => y < x),
  fpmax_vec: (a: Vector, b: Vector, lane: number) => floatPick(a, b, lane, (x, y) => x < y),
  fabs_vec: (a: Vector, lane: number) => signBits(a, lane, (top) => top & 0x7f),
  fneg_vec: (a: Vector, lane: number) => signBits(a, lane, (top) => top ^ 0x80),
  fround_vec: (a: Vector, lane: number, direction: number) => float2(a, a, lane, (x) => roundFloat(x, direction)),
  fconverts_vec: (a: Vector, lane: number) => toFloats(A.set(a).s32, lane),
  fconvertu_vec: (a: Vector, lane: number) => toFloats(A.set(a).u32, lane),
  ftruncs_vec: (a: Vector, lane: number) => toInts(a, lane, -0x80000000, 0x7fffffff),
  ftruncu_vec: (a: Vector, lane: number) => toInts(a, lane, 0, 0xffffffff),
  fpromote_vec: (a: Vector) => {
    const x = A.set(a).float(32);
    return floats(64, 2, (i) => x[i]!);
  },
  fdemote_vec: (a: Vector) => {
    const x = A.set(a).float(64);
    return floats(32, 2, (i) => x[i]!);
  },
  fcmp_vec: (a: Vector, b: Vector, lane: number, cond: Cond) => {
    const x = A.set(a).float(lane);
    const y = B.set(b).float(lane);
    if (lane === 32) for (let i = 0; i < 4; i++) R.s32[i] = compareFloat(cond, x[i]!, y[i]!) ? -1 : 0;
    else for (let i = 0; i < 2; i++) R.s64[i] = compareFloat(cond, x[i]!, y[i]!) ? -1n : 0n;
    return R.u8.slice();
  },
};

function compareLanes(a: Vector, b: Vector, lane: number, cond: Cond): Vector {
  // Sign extension keeps the unsigned order too, when both are then compared as 32-bit unsigned numbers.
  return signed2(a, b, lane, (x, y) => (compareI32(cond, x, y) ? -1 : 0));
}
