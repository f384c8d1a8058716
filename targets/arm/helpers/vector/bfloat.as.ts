// BFloat16 (FEAT_AA32BF16), the upper half of an f32: conversion, and dot products in an arithmetic of their own (AssemblyScript).

import { add, mul } from '../../../../src/softfloat/ieee-arith.as';
import {
  OE, PE, RM_MASK, RM_ODD, ROUNDED_UP, UE, isInf, isNan, isZero, operand, propagate1, raise, raised, roundIncrement, setRaised,
} from '../../../../src/softfloat/ieee-core.as';
import { STANDARD_MODE } from './layout.as';
import { modeOf, note } from './state.as';

/** An f32 rounded to its upper half. */
function toBFloat(x: u32, mode: i32): u32 {
  setRaised(0);
  const a = u32(operand<u32>(x, mode));
  if (isNan<u32>(a)) return u32(propagate1<u32>(a, mode)) >> 16;
  if (isInf<u32>(a) || isZero<u32>(a)) return a >> 16;
  const sign = a >> 31;
  // A carry out of the fraction is one more in the exponent, and from the largest number infinity.
  const sum = a + u32(roundIncrement(sign, (a >> 16) & 1, 0xffff, mode & RM_MASK));
  if (a & 0xffff) {
    raise((sum ^ a) & 0xffff0000 ? PE | ROUNDED_UP : PE);
    // A denormal here is one there: tiny before rounding.
    if ((a & 0x7f800000) == 0) raise(UE);
    if ((sum & 0x7f800000) == 0x7f800000) raise(OE);
  }
  return sum >> 16;
}

/** Under FPSCR. */
export function vfp_32tobf(env: usize, a: u32): u32 {
  const r = toBFloat(a, modeOf(env));
  note(env);
  return r;
}

/** Two f32 to two halves of a word, under the standard FPSCR. */
export function neon_tobf(env: usize, x: u64): u32 {
  const low = toBFloat(u32(x), STANDARD_MODE);
  note(env);
  const high = toBFloat(u32(x >> 32), STANDARD_MODE);
  note(env);
  return low | (high << 16);
}

/** BFAdd and BFMul of the manual round to odd, flush denormals and raise nothing; what is too large is infinite. */
const DOT_MODE: i32 = STANDARD_MODE | RM_ODD;

function rounded(r: u64): u64 {
  return raised & OE ? (r & 0x80000000) | 0x7f800000 : r;
}

/** d plus the products of two pairs. */
function dot(d: u32, a: u32, b: u32): u32 {
  const low = rounded(mul<u32>(a << 16, b << 16, DOT_MODE));
  const high = rounded(mul<u32>(a & 0xffff0000, b & 0xffff0000, DOT_MODE));
  const products = rounded(add<u32>(low, high, DOT_MODE));
  return u32(rounded(add<u32>(d, products, DOT_MODE)));
}

/** Two words of d plus the products of the pairs of a and b. */
export function neon_bfdot(env: usize, d: u64, a: u64, b: u64): u64 {
  return u64(dot(u32(d), u32(a), u32(b))) | (u64(dot(u32(d >> 32), u32(a >> 32), u32(b >> 32))) << 32);
}
