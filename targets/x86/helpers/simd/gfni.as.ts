// Arithmetic in the field of 256 elements and of bit matrices (SDM vol. 2, GF2P8*), products without carries (AssemblyScript).
//
// `tables.as` is made by the build script; there is no such file on disk.

import { fieldInverse } from './tables.as';

/** GF2P8MULB: products of bytes. */
export function gf2p8mulb(env: usize, a: v128, b: v128): v128 {
  let product = i8x16.splat(0);
  const zero = i8x16.splat(0);
  // From the top bit of b down: double the product, add a where the bit is set.
  for (let bit = 0; bit < 8; bit++) {
    const carry = v128.and(i8x16.lt_s(product, zero), i8x16.splat(0x1b));
    product = v128.xor(i8x16.add(product, product), carry);
    product = v128.xor(product, v128.and(i8x16.lt_s(b, zero), a));
    b = i8x16.add(b, b);
  }
  return product;
}

/** Row 7 - `row` of each half's matrix in all bytes of the half. */
// @ts-ignore: decorator
@inline
function matrixRow(matrix: v128, row: i32): v128 {
  const at = i8x16.splat(<i8>row);
  return i8x16.swizzle(matrix, v128.or(at, i64x2(0, 0x0808080808080808)));
}

/** GF2P8AFFINEQB: bytes x, a matrix of bits for each half, constant: A x + b. */
export function gf2p8affineqb(env: usize, x: v128, matrix: v128, constant: i32): v128 {
  let result = i8x16.splat(<i8>constant);
  for (let bit = 0; bit < 8; bit++) {
    const common = v128.and(x, matrixRow(matrix, 7 - bit));
    const parity = v128.and(i8x16.popcnt(common), i8x16.splat(1));
    result = v128.xor(result, i8x16.shl(parity, bit));
  }
  return result;
}

/** GF2P8AFFINEINVQB: A inverse(x) + b. */
export function gf2p8affineinvqb(env: usize, x: v128, matrix: v128, constant: i32): v128 {
  return gf2p8affineqb(env, fieldInverse(x), matrix, constant);
}

const EVERY_FOURTH: u64 = 0x1111111111111111;

/**
 * The low 64 bits of the product without carries: integer products of every fourth bit, whose sums of up to 15 stay
 * within the three bits of room (the sixteenth leaves at the top).
 */
// @ts-ignore: decorator
@inline
function lowProduct(x: u64, y: u64): u64 {
  const x0 = x & EVERY_FOURTH;
  const x1 = x & (EVERY_FOURTH << 1);
  const x2 = x & (EVERY_FOURTH << 2);
  const x3 = x & (EVERY_FOURTH << 3);
  const y0 = y & EVERY_FOURTH;
  const y1 = y & (EVERY_FOURTH << 1);
  const y2 = y & (EVERY_FOURTH << 2);
  const y3 = y & (EVERY_FOURTH << 3);
  const z0 = (x0 * y0) ^ (x1 * y3) ^ (x2 * y2) ^ (x3 * y1);
  const z1 = (x0 * y1) ^ (x1 * y0) ^ (x2 * y3) ^ (x3 * y2);
  const z2 = (x0 * y2) ^ (x1 * y1) ^ (x2 * y0) ^ (x3 * y3);
  const z3 = (x0 * y3) ^ (x1 * y2) ^ (x2 * y1) ^ (x3 * y0);
  return (
    (z0 & EVERY_FOURTH) | (z1 & (EVERY_FOURTH << 1)) | (z2 & (EVERY_FOURTH << 2)) | (z3 & (EVERY_FOURTH << 3))
  );
}

/** The bits in opposite order. */
// @ts-ignore: decorator
@inline
function reverse(x: u64): u64 {
  x = ((x >> 1) & 0x5555555555555555) | ((x & 0x5555555555555555) << 1);
  x = ((x >> 2) & 0x3333333333333333) | ((x & 0x3333333333333333) << 2);
  x = ((x >> 4) & 0x0f0f0f0f0f0f0f0f) | ((x & 0x0f0f0f0f0f0f0f0f) << 4);
  return bswap<u64>(x);
}

/** PCLMULQDQ: the product without carries of two halves, 127 bits. */
export function pclmulqdq(env: usize, a: i64, b: i64): v128 {
  const low = lowProduct(a, b);
  const high = reverse(lowProduct(reverse(a), reverse(b))) >> 1;
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}
