// Comparison, remainder, scaling and extraction of 80-bit extended numbers (AssemblyScript).
//
// Conventions of arguments, result and flags: see f80-core.as.ts.

import {
  BIAS, DE, EXP_MAX, IE, INT_BIT, SIGN, ZE,
  bothNormal, divRem, divide128, invalid, isDenormal, isInf, isNan, isSignaling, isUnsupported, isZero, nExp, normalize,
  propagateNan, quietNan, result, resultIfMasked, roundPack,
} from './f80-core.as';
import { f80FromI64, wideSe, wideSig } from './f80-convert.as';

export const LESS: i32 = -1;
export const EQUAL: i32 = 0;
export const GREATER: i32 = 1;
export const UNORDERED: i32 = 2;

/** Relation found by the last `f80Compare`. */
export let rRelation: i32 = 0;

/** Compares a with b into `rRelation`. A quiet NaN raises IE only if `signalQuiet`. */
// @ts-ignore: decorator
@inline
export function f80Compare(aSe: i32, aSig: u64, bSe: i32, bSig: u64, signalQuiet: bool): i32 {
  if (bothNormal(aSe, aSig, bSe, bSig)) {
    rRelation = relation(aSe, aSig, bSe, bSig);
    return 0;
  }
  return compareSpecial(aSe, aSig, bSe, bSig, signalQuiet);
}

/** `f80Compare` with an operand that is not a normal number. */
function compareSpecial(aSe: i32, aSig: u64, bSe: i32, bSig: u64, signalQuiet: bool): i32 {
  if (isUnsupported(aSe, aSig) || isUnsupported(bSe, bSig)) {
    rRelation = UNORDERED;
    return IE;
  }
  if (isNan(aSe, aSig) || isNan(bSe, bSig)) {
    rRelation = UNORDERED;
    return signalQuiet || isSignaling(aSe, aSig) || isSignaling(bSe, bSig) ? IE : 0;
  }
  // Exponents 0 (denormal, pseudo-denormal) and 1 weigh the same; zeros have no sign.
  if ((aSig | bSig) == 0) rRelation = EQUAL;
  else if (aSig == 0) rRelation = bSe & SIGN ? GREATER : LESS;
  else if (bSig == 0) rRelation = aSe & SIGN ? LESS : GREATER;
  else rRelation = relation((aSe & EXP_MAX) == 0 ? aSe | 1 : aSe, aSig, (bSe & EXP_MAX) == 0 ? bSe | 1 : bSe, bSig);
  return isDenormal(aSe, aSig) || isDenormal(bSe, bSig) ? DE : 0;
}

/** Order of two non-zero numbers. */
// @ts-ignore: decorator
@inline
function relation(aSe: i32, aSig: u64, bSe: i32, bSig: u64): i32 {
  const bigger = aSe & SIGN ? LESS : GREATER;
  if (aSe != bSe) {
    if ((aSe ^ bSe) & SIGN) return bigger;
    return aSe > bSe == (bigger == GREATER) ? GREATER : LESS;
  }
  if (aSig == bSig) return EQUAL;
  return aSig > bSig ? bigger : -bigger;
}

/** `rQuotient` when the result is a NaN. */
export const NO_QUOTIENT: i32 = -2;
/** Low three bits of the last quotient, or -1 if the reduction is incomplete. */
export let rQuotient: i32 = 0;

/**
 * Remainder of a / b: truncating (FPREM) or with the quotient rounded to nearest even (`nearest`, FPREM1). An exponent
 * difference of 64 or more is reduced partly, leaving a multiple of b * 2^(32k) out (`rQuotient` = -1).
 */
export function f80Remainder(dst: usize, aSe: i32, aSig: u64, bSe: i32, bSig: u64, nearest: bool, mode: i32): i32 {
  rQuotient = NO_QUOTIENT;
  if (isUnsupported(aSe, aSig) || isUnsupported(bSe, bSig)) return invalid(dst, mode);
  if (isNan(aSe, aSig) || isNan(bSe, bSig)) return propagateNan(dst, aSe, aSig, bSe, bSig, mode);
  if (isInf(aSe, aSig) || isZero(bSe, bSig)) return invalid(dst, mode);
  const flags = isDenormal(aSe, aSig) || isDenormal(bSe, bSig) ? DE : 0;
  if (flags & ~mode) return flags;
  rQuotient = 0;
  if (isZero(aSe, aSig)) return result(dst, aSe, aSig, flags);
  const sign = aSe & SIGN;
  let a = normalize(aSe, aSig);
  const aExp = nExp;
  if (isInf(bSe, bSig)) return flags | roundPack(dst, sign, aExp, a, 0, mode);
  const b = normalize(bSe, bSig);
  let bExp = nExp;
  let d = aExp - bExp;
  if (d < -1 || (d < 0 && !nearest)) return flags | roundPack(dst, sign, aExp, a, 0, mode);
  if (d < 0) {
    // b/2 <= |a|'s scale: the nearest quotient is 0 or 1.
    if (a > b) {
      // |a| > b/2: remainder a - b, of the other sign and magnitude b - a.
      rQuotient = 1;
      return flags | packDifference(dst, sign ^ SIGN, bExp, b - (a >> 1) - (a & 1), (a & 1) << 63, mode);
    }
    return flags | roundPack(dst, sign, aExp, a, 0, mode);
  }
  let partial = false;
  if (d > 63) {
    const left = (d & ~31) - 32;
    d -= left;
    bExp += left;
    partial = true;
  }
  let q: u64 = 0;
  if (a >= b) {
    a -= b;
    q = 1;
  }
  if (d != 0) {
    q = (q << d) | divide128(a >> (64 - d), a << d, b);
    a = divRem;
  }
  if (partial) {
    rQuotient = -1;
    return flags | packDifference(dst, sign, bExp, a, 0, mode);
  }
  if (nearest && (a > b - a || (a == b - a && (q & 1) != 0))) {
    rQuotient = i32(q + 1) & 7;
    return flags | packDifference(dst, sign ^ SIGN, bExp, b - a, 0, mode);
  }
  rQuotient = i32(q) & 7;
  return flags | packDifference(dst, sign, bExp, a, 0, mode);
}

/** Normalizes and packs (sig:rest) at the scale of `exp`; zero keeps the sign of the dividend. */
function packDifference(dst: usize, sign: i32, exp: i32, sig: u64, rest: u64, mode: i32): i32 {
  if (sig == 0) {
    if (rest == 0) return result(dst, sign, 0, 0);
    return roundPack(dst, sign, exp - 64, rest, 0, mode);
  }
  const shift = i32(clz(sig));
  if (shift != 0) {
    sig = (sig << shift) | (rest >> (64 - shift));
    rest <<= shift;
  }
  return roundPack(dst, sign, exp - shift, sig, rest, mode);
}

/** a * 2^trunc(b). */
export function f80Scale(dst: usize, aSe: i32, aSig: u64, bSe: i32, bSig: u64, mode: i32): i32 {
  if (isUnsupported(aSe, aSig) || isUnsupported(bSe, bSig)) return invalid(dst, mode);
  if (isNan(aSe, aSig) || isNan(bSe, bSig)) return propagateNan(dst, aSe, aSig, bSe, bSig, mode);
  const aInf = isInf(aSe, aSig);
  const aZero = isZero(aSe, aSig);
  const bInf = isInf(bSe, bSig);
  if (bInf && (bSe & SIGN ? aInf : aZero)) return invalid(dst, mode);
  const flags = isDenormal(aSe, aSig) || isDenormal(bSe, bSig) ? DE : 0;
  if (flags & ~mode) return flags;
  if (bInf) {
    return bSe & SIGN ? result(dst, aSe & SIGN, 0, flags) : result(dst, (aSe & SIGN) | EXP_MAX, INT_BIT, flags);
  }
  if (aInf || aZero) return result(dst, aSe, aSig, flags);
  const sig = normalize(aSe, aSig);
  let exp = nExp;
  const e = (bSe & EXP_MAX) - BIAS;
  // Beyond 2^17 every result overflows or underflows, even a wrapped one.
  let n = e < 0 ? 0 : e > 16 ? 0x20000 : i32(bSig >> (63 - e));
  if (bSe & SIGN) n = -n;
  return flags | roundPack(dst, aSe & SIGN, exp + n, sig, 0, mode);
}

/** Splits a into a significand with exponent 0 (at `dst`) and its unbiased exponent (at `dstExp`). */
export function f80Extract(dst: usize, dstExp: usize, se: i32, sig: u64, mode: i32): i32 {
  if (isUnsupported(se, sig)) {
    invalid(dstExp, mode);
    return invalid(dst, mode);
  }
  if (isNan(se, sig)) {
    quietNan(dstExp, se, sig, mode);
    return quietNan(dst, se, sig, mode);
  }
  if (isInf(se, sig)) {
    result(dstExp, EXP_MAX, INT_BIT, 0);
    return result(dst, se, sig, 0);
  }
  if (isZero(se, sig)) {
    resultIfMasked(dstExp, SIGN | EXP_MAX, INT_BIT, ZE, mode);
    return resultIfMasked(dst, se, sig, ZE, mode);
  }
  const flags = isDenormal(se, sig) ? DE : 0;
  if (flags & ~mode) return flags;
  const norm = normalize(se, sig);
  f80FromI64(nExp - BIAS);
  result(dstExp, wideSe, wideSig, 0);
  return result(dst, (se & SIGN) | BIAS, norm, flags);
}
