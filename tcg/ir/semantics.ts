// The meaning of every pure op as a function on JavaScript values; the interpreter and the constant folder share it.
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
  num,
  roundFloat,
  UndefinedOperation,
} from './scalar.ts';
import { VECTOR_SEMANTICS } from './semantics-vector.ts';
import type { Cond } from './types.ts';

export { UndefinedOperation } from './scalar.ts';

/** The ops whose result depends on nothing but their operands and immediates. */
export type PureOpName = Exclude<
  OpName,
  | `guest_${string}`
  | `atomic_${string}`
  | `env_${string}`
  | `brcond_${string}`
  | 'fence'
  | 'insn_start'
  | 'label'
  | 'br'
  | 'call'
  | `cold_${string}`
  | 'poll'
  | 'checkpoint_i32'
  | 'count_run'
  | 'leave_if'
  | 'goto_tb'
  | 'goto_ptr'
  | 'exit_tb'
>;

const SCRATCH = new DataView(new ArrayBuffer(8));
const unsigned = (x: bigint) => BigInt.asUintN(64, x);
const signed = (x: bigint) => BigInt.asIntN(64, x);

/** Whether the magnitude of x lies between two numbers, both excluded. */
function isBetween(x: number, low: number, high: number): boolean {
  return Math.abs(x) > low && Math.abs(x) < high;
}

function bswap32(a: number): number {
  return (a << 24) | ((a & 0xff00) << 8) | ((a >>> 8) & 0xff00) | (a >>> 24);
}

function bswap64(a: bigint): bigint {
  SCRATCH.setBigInt64(0, a, true);
  return SCRATCH.getBigInt64(0, false);
}

function popcount32(a: number): number {
  let count = 0;
  for (let rest = a; rest !== 0; rest &= rest - 1) count++;
  return count;
}

const low = (a: bigint) => Number(BigInt.asIntN(32, a));
const high = (a: bigint) => Number(BigInt.asIntN(32, a >> 32n));

function clz64(a: bigint): bigint {
  const upper = high(a);
  return BigInt(upper !== 0 ? Math.clz32(upper) : 32 + Math.clz32(low(a)));
}

function ctz32(a: number): number {
  return a === 0 ? 32 : 31 - Math.clz32(a & -a);
}

/** A 64-bit integer (signed or not) as the nearest f32: first to 53 bits with the lost bits kept as a sticky last bit. */
function nearestF32(a: bigint): number {
  if (BigInt.asIntN(53, a) === a) return Math.fround(Number(a));
  const shifted = (a & 0xfffn) !== 0n ? (a >> 12n) | 1n : a >> 12n;
  return Math.fround(Number(shifted) * 4096);
}

function saturate32(x: Float, least: number, most: number): number {
  const a = num(x);
  if (Number.isNaN(a)) return 0;
  return Math.max(least, Math.min(most, Math.trunc(a))) | 0;
}

function saturate64(x: Float, least: bigint, most: bigint): bigint {
  const a = num(x);
  if (Number.isNaN(a)) return 0n;
  if (a === Number.POSITIVE_INFINITY) return signed(most);
  if (a === Number.NEGATIVE_INFINITY) return signed(least);
  const whole = BigInt(Math.trunc(a));
  return signed(whole < least ? least : whole > most ? most : whole);
}

function nonZero<T>(b: T, zero: T): T {
  if (b === zero) throw new UndefinedOperation('division by zero');
  return b;
}

const I64_MIN = -(1n << 63n);

/** Every pure op's meaning, by name. */
export const SEMANTICS: Readonly<Record<PureOpName, Meaning>> = {
  mov_i32: (a: number) => a,
  mov_i64: (a: bigint) => a,
  mov_f32: (a: Float) => a,
  mov_f64: (a: Float) => a,
  mov_v128: (a: Uint8Array) => a,

  add_i32: (a: number, b: number) => (a + b) | 0,
  sub_i32: (a: number, b: number) => (a - b) | 0,
  mul_i32: (a: number, b: number) => Math.imul(a, b),
  divs_i32: (a: number, b: number) => {
    if (a === -0x80000000 && b === -1) throw new UndefinedOperation('quotient 2^31');
    return (a / nonZero(b, 0)) | 0;
  },
  divu_i32: (a: number, b: number) => ((a >>> 0) / (nonZero(b, 0) >>> 0)) | 0,
  rems_i32: (a: number, b: number) => (a % nonZero(b, 0)) | 0,
  remu_i32: (a: number, b: number) => ((a >>> 0) % (nonZero(b, 0) >>> 0)) | 0,
  and_i32: (a: number, b: number) => a & b,
  or_i32: (a: number, b: number) => a | b,
  xor_i32: (a: number, b: number) => a ^ b,
  shl_i32: (a: number, b: number) => a << b,
  shr_i32: (a: number, b: number) => (a >>> b) | 0,
  sar_i32: (a: number, b: number) => a >> b,
  rotl_i32: (a: number, b: number) => (a << b) | ((b & 31) === 0 ? 0 : a >>> (32 - (b & 31))),
  rotr_i32: (a: number, b: number) => (a >>> b) | ((b & 31) === 0 ? 0 : a << (32 - (b & 31))),
  clz_i32: (a: number) => Math.clz32(a),
  ctz_i32: ctz32,
  popcnt_i32: popcount32,
  ext8s_i32: (a: number) => (a << 24) >> 24,
  ext16s_i32: (a: number) => (a << 16) >> 16,
  bswap16_i32: (a: number) => ((a & 0xff) << 8) | ((a >>> 8) & 0xff),
  bswap32_i32: bswap32,
  extract_i32: (a: number, start: number, length: number) => (length === 32 ? a : (a >>> start) & ((1 << length) - 1)),
  sextract_i32: (a: number, start: number, length: number) => (a << (32 - start - length)) >> (32 - length),
  deposit_i32: (a: number, b: number, start: number, length: number) => {
    const mask = (length === 32 ? -1 : (1 << length) - 1) << start;
    return (a & ~mask) | ((b << start) & mask);
  },
  setcond_i32: (a: number, b: number, cond: Cond) => (compareI32(cond, a, b) ? 1 : 0),
  select_i32: (a: number, b: number, c: number) => (a !== 0 ? b : c),

  add_i64: (a: bigint, b: bigint) => signed(a + b),
  sub_i64: (a: bigint, b: bigint) => signed(a - b),
  mul_i64: (a: bigint, b: bigint) => signed(a * b),
  mulhs_i64: (a: bigint, b: bigint) => signed((a * b) >> 64n),
  mulhu_i64: (a: bigint, b: bigint) => signed((unsigned(a) * unsigned(b)) >> 64n),
  divs_i64: (a: bigint, b: bigint) => {
    if (a === I64_MIN && b === -1n) throw new UndefinedOperation('quotient 2^63');
    return a / nonZero(b, 0n);
  },
  divu_i64: (a: bigint, b: bigint) => signed(unsigned(a) / unsigned(nonZero(b, 0n))),
  rems_i64: (a: bigint, b: bigint) => a % nonZero(b, 0n),
  remu_i64: (a: bigint, b: bigint) => signed(unsigned(a) % unsigned(nonZero(b, 0n))),
  and_i64: (a: bigint, b: bigint) => a & b,
  or_i64: (a: bigint, b: bigint) => a | b,
  xor_i64: (a: bigint, b: bigint) => a ^ b,
  shl_i64: (a: bigint, b: bigint) => signed(a << (b & 63n)),
  shr_i64: (a: bigint, b: bigint) => signed(unsigned(a) >> (b & 63n)),
  sar_i64: (a: bigint, b: bigint) => a >> (b & 63n),
  rotl_i64: (a: bigint, b: bigint) => signed((unsigned(a) << (b & 63n)) | (unsigned(a) >> (-b & 63n))),
  rotr_i64: (a: bigint, b: bigint) => signed((unsigned(a) >> (b & 63n)) | (unsigned(a) << (-b & 63n))),
  clz_i64: clz64,
  ctz_i64: (a: bigint) => BigInt(low(a) !== 0 ? ctz32(low(a)) : 32 + ctz32(high(a))),
  popcnt_i64: (a: bigint) => BigInt(popcount32(low(a)) + popcount32(high(a))),
  bswap_i64: bswap64,
  setcond_i64: (a: bigint, b: bigint, cond: Cond) => (compareI64(cond, a, b) ? 1 : 0),
  select_i64: (a: number, b: bigint, c: bigint) => (a !== 0 ? b : c),

  extu_i32_i64: (a: number) => BigInt(a >>> 0),
  exts_i32_i64: (a: number) => BigInt(a),
  wrap_i64_i32: low,
  high_i64_i32: high,
  concat_i32_i64: (a: number, b: number) => (BigInt(b) << 32n) | BigInt(a >>> 0),

  add_f32: (a: Float, b: Float) => Math.fround(num(a) + num(b)),
  sub_f32: (a: Float, b: Float) => Math.fround(num(a) - num(b)),
  mul_f32: (a: Float, b: Float) => Math.fround(num(a) * num(b)),
  // An f64 quotient or root rounded once more is the correctly rounded f32 one: 53 >= 2 * 24 + 2.
  div_f32: (a: Float, b: Float) => Math.fround(num(a) / num(b)),
  sqrt_f32: (a: Float) => Math.fround(Math.sqrt(num(a))),
  min_f32: (a: Float, b: Float) => Math.min(num(a), num(b)),
  max_f32: (a: Float, b: Float) => Math.max(num(a), num(b)),
  abs_f32: (a: Float) => f32OfBits(bitsOfF32(a) & 0x7fffffff),
  neg_f32: (a: Float) => f32OfBits(bitsOfF32(a) ^ -0x80000000),
  copysign_f32: (a: Float, b: Float) => f32OfBits((bitsOfF32(a) & 0x7fffffff) | (bitsOfF32(b) & -0x80000000)),
  round_f32: (a: Float, direction: number) => roundFloat(num(a), direction),
  setcond_f32: (a: Float, b: Float, cond: Cond) => (compareFloat(cond, a, b) ? 1 : 0),
  select_f32: (a: number, b: Float, c: Float) => (a !== 0 ? b : c),

  add_f64: (a: Float, b: Float) => num(a) + num(b),
  sub_f64: (a: Float, b: Float) => num(a) - num(b),
  mul_f64: (a: Float, b: Float) => num(a) * num(b),
  div_f64: (a: Float, b: Float) => num(a) / num(b),
  sqrt_f64: (a: Float) => Math.sqrt(num(a)),
  min_f64: (a: Float, b: Float) => Math.min(num(a), num(b)),
  max_f64: (a: Float, b: Float) => Math.max(num(a), num(b)),
  abs_f64: (a: Float) => f64OfBits(bitsOfF64(a) & 0x7fffffffffffffffn),
  neg_f64: (a: Float) => f64OfBits(bitsOfF64(a) ^ I64_MIN),
  copysign_f64: (a: Float, b: Float) => f64OfBits((bitsOfF64(a) & 0x7fffffffffffffffn) | (bitsOfF64(b) & I64_MIN)),
  round_f64: (a: Float, direction: number) => roundFloat(num(a), direction),
  setcond_f64: (a: Float, b: Float, cond: Cond) => (compareFloat(cond, a, b) ? 1 : 0),
  select_f64: (a: number, b: Float, c: Float) => (a !== 0 ? b : c),
  denormal_f32: (a: Float) => (isBetween(num(a), 0, 2 ** -126) ? 1 : 0),
  denormal_f64: (a: Float) => (isBetween(num(a), 0, 2 ** -1022) ? 1 : 0),
  extreme_f32: (a: Float) => (Math.abs(num(a)) >= 2 ** -125 && Math.abs(num(a)) < 2 ** 127 ? 0 : 1),
  extreme_f64: (a: Float) => (Math.abs(num(a)) >= 2 ** -1021 && Math.abs(num(a)) < 2 ** 1023 ? 0 : 1),

  reinterpret_i32_f32: f32OfBits,
  reinterpret_f32_i32: bitsOfF32,
  reinterpret_i64_f64: f64OfBits,
  reinterpret_f64_i64: bitsOfF64,
  promote_f32_f64: num,
  demote_f64_f32: (a: Float) => Math.fround(num(a)),
  converts_i32_f32: (a: number) => Math.fround(a),
  converts_i32_f64: (a: number) => a,
  convertu_i32_f64: (a: number) => a >>> 0,
  converts_i64_f32: nearestF32,
  converts_i64_f64: (a: bigint) => Number(a),
  convertu_i64_f64: (a: bigint) => Number(unsigned(a)),
  truncs_f32_i32: (a: Float) => saturate32(a, -0x80000000, 0x7fffffff),
  truncs_f64_i32: (a: Float) => saturate32(a, -0x80000000, 0x7fffffff),
  truncs_f32_i64: (a: Float) => saturate64(a, I64_MIN, -I64_MIN - 1n),
  truncs_f64_i64: (a: Float) => saturate64(a, I64_MIN, -I64_MIN - 1n),
  truncu_f64_i32: (a: Float) => saturate32(a, 0, 0xffffffff),
  truncu_f64_i64: (a: Float) => saturate64(a, 0n, (1n << 64n) - 1n),

  ...VECTOR_SEMANTICS,
};
