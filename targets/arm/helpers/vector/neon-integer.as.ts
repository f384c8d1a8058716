// Advanced SIMD on integer lanes that WebAssembly has no operation for; one half of a vector at a time (AssemblyScript).

import { saturated } from './state.as';

/** Bits of `form` behind the lane width. */
const UNSIGNED: i32 = 0x100;
const ROUNDING: i32 = 0x200;

// @ts-ignore: decorator
@inline
function laneMask(bits: i32): u64 {
  return u64(-1) >> (64 - bits);
}

/** The lane at bit `at`, extended. */
// @ts-ignore: decorator
@inline
function lane(x: u64, at: i32, bits: i32, unsigned: bool): i64 {
  const top = x << (64 - bits - at);
  return unsigned ? i64(top >> (64 - bits)) : i64(top) >> (64 - bits);
}

/** Leading zeros of each lane. */
export function neon_clz(env: usize, x: u64, bits: i32): u64 {
  let result: u64 = 0;
  for (let at = 0; at < 64; at += bits) {
    const value = (x >> at) & laneMask(bits);
    result |= (clz(value) - u64(64 - bits)) << at;
  }
  return result;
}

/** x >> n of an extended lane, n from 1; rounded or not. */
// @ts-ignore: decorator
@inline
function shiftRight(x: i64, n: i32, bits: i32, unsigned: bool, rounding: bool): i64 {
  if (rounding) {
    if (n > bits) return 0;
    const half = (x >> (n - 1)) & 1;
    if (n == 64) return unsigned ? half : (x >> 63) + half;
    return unsigned ? i64(u64(x) >> n) + half : (x >> n) + half;
  }
  if (n > 63) return unsigned ? 0 : x >> 63;
  return unsigned ? i64(u64(x) >> n) : x >> n;
}

/** Each lane of x shifted by the signed low byte of the lane of `by`. */
export function neon_shift(env: usize, x: u64, by: u64, form: i32): u64 {
  const bits = form & 0xff;
  const unsigned = (form & UNSIGNED) != 0;
  const rounding = (form & ROUNDING) != 0;
  let result: u64 = 0;
  for (let at = 0; at < 64; at += bits) {
    const amount = i32(i8(by >> at));
    const value = lane(x, at, bits, unsigned);
    let shifted: i64;
    if (amount < 0) shifted = shiftRight(value, -amount, bits, unsigned, rounding);
    else shifted = amount < bits ? value << amount : 0;
    result |= (u64(shifted) & laneMask(bits)) << at;
  }
  return result;
}

/** The same with saturation. */
export function neon_qshift(env: usize, x: u64, by: u64, form: i32): u64 {
  const bits = form & 0xff;
  const unsigned = (form & UNSIGNED) != 0;
  const rounding = (form & ROUNDING) != 0;
  let result: u64 = 0;
  let over = false;
  for (let at = 0; at < 64; at += bits) {
    const amount = i32(i8(by >> at));
    const value = lane(x, at, bits, unsigned);
    let shifted: i64;
    if (amount < 0) shifted = shiftRight(value, -amount, bits, unsigned, rounding);
    else if (value == 0) shifted = 0;
    else {
      let fits = amount < bits;
      shifted = fits ? value << amount : 0;
      if (fits) {
        if (unsigned) fits = (u64(shifted) >> amount) == u64(value) && (u64(shifted) & ~laneMask(bits)) == 0;
        else fits = (shifted >> amount) == value && (bits == 64 || lane(u64(shifted), 0, bits, false) == shifted);
      }
      if (!fits) {
        over = true;
        if (unsigned) shifted = -1;
        else shifted = i64(laneMask(bits) >> 1) ^ (value >> 63);
      }
    }
    result |= (u64(shifted) & laneMask(bits)) << at;
  }
  if (over) saturated(env);
  return result;
}

/** Product of polynomials over {0, 1} of eight bits: 15 bits. */
// @ts-ignore: decorator
@inline
function polynomial(a: u32, b: u32): u32 {
  let product: u32 = 0;
  for (let bit = 0; bit < 8; bit++) product ^= (a << bit) & (0 - ((b >> bit) & 1));
  return product;
}

/** VMUL.P8: low bytes of the products. */
export function neon_pmul8(env: usize, a: u64, b: u64): u64 {
  let result: u64 = 0;
  for (let at = 0; at < 64; at += 8) {
    result |= u64(polynomial(u32(a >> at) & 0xff, u32(b >> at) & 0xff) & 0xff) << at;
  }
  return result;
}

/** VMULL.P8: the products of four bytes, the low ones or with `half` 1 the high ones. */
export function neon_pmull8(env: usize, a: u64, b: u64, half: i32): u64 {
  let result: u64 = 0;
  for (let n = 0; n < 4; n++) {
    const at = 8 * n + 32 * half;
    result |= u64(polynomial(u32(a >> at) & 0xff, u32(b >> at) & 0xff)) << (16 * n);
  }
  return result;
}

/** VMULL.P64: low or high half of the product. */
export function neon_pmull64(env: usize, a: u64, b: u64, half: i32): u64 {
  let low: u64 = 0;
  let high: u64 = 0;
  for (let bit = 0; bit < 64; bit++) {
    if (((b >> bit) & 1) == 0) continue;
    low ^= a << bit;
    if (bit != 0) high ^= a >> (64 - bit);
  }
  return half ? high : low;
}

/** UnsignedRecipEstimate and UnsignedRSqrtEstimate of two words. */
export function neon_uestimate(env: usize, x: u64, root: i32): u64 {
  return u64(estimate(u32(x), root)) | (u64(estimate(u32(x >> 32), root)) << 32);
}

function estimate(x: u32, root: i32): u32 {
  if (root) {
    if (x >> 30 == 0) return 0xffffffff;
    return rsqrtEstimate(x >> 23) << 23;
  }
  if (x >> 31 == 0) return 0xffffffff;
  return recipEstimate(x >> 23) << 23;
}

/** RecipEstimate of the manual: a from 256 to 511, as is the result. */
export function recipEstimate(a: u32): u32 {
  const r = (1 << 19) / (a * 2 + 1);
  return (r + 1) / 2;
}

/** RecipSqrtEstimate: a from 128 to 511, the result from 256 to 511. */
export function rsqrtEstimate(a: u32): u32 {
  if (a < 256) a = a * 2 + 1;
  else a = (((a >> 1) << 1) + 1) * 2;
  let b: u32 = 512;
  while (a * (b + 1) * (b + 1) < 1 << 28) b++;
  return (b + 1) / 2;
}
