// Addition, subtraction, multiplication, division and square root of 80-bit extended numbers (AssemblyScript).
//
// Conventions of arguments, result and flags: see f80-core.as.ts.

import {
  BIAS, DE, EXP_MAX, INT_BIT, RC_DOWN, RC_MASK, SIGN, ZE,
  bothNormal, divRem, divide128, invalid, isDenormal, isInf, isNan, isUnsupported, isZero, mulHigh, nExp,
  normalize, propagateNan, quietNan, result, resultIfMasked, roundPack,
} from './f80-core.as';

/** `flips` of `f80Add` for a - b. */
export const FLIP_B: i32 = SIGN;
/** `flips` of `f80Add` for b - a. */
export const FLIP_A: i32 = SIGN << 1;

/** a + b, after changing the sign of what `flips` names (of numbers; not of NaNs that are propagated). */
// @ts-ignore: decorator
@inline
export function f80Add(dst: usize, aSe: i32, aSig: u64, bSe: i32, bSig: u64, flips: i32, mode: i32): i32 {
  if (bothNormal(aSe, aSig, bSe, bSig)) {
    return addFinite(
      dst, (aSe ^ (flips >> 1)) & SIGN, aSe & EXP_MAX, aSig, (bSe ^ flips) & SIGN, bSe & EXP_MAX, bSig, mode,
    );
  }
  return addSpecial(dst, aSe, aSig, bSe, bSig, flips, mode);
}

/** Sum of two non-zero numbers given as sign, exponent and normalized significand. */
// @ts-ignore: decorator
@inline
function addFinite(
  dst: usize, aSign: i32, aExp: i32, aSig: u64, bSign: i32, bExp: i32, bSig: u64, mode: i32,
): i32 {
  let sign = aSign;
  let d = aExp - bExp;
  let exp = aExp;
  if (d < 0) {
    const sig = aSig;
    aSig = bSig;
    bSig = sig;
    sign = bSign;
    exp = bExp;
    d = -d;
  }
  // Align b, the one of the lower exponent.
  let rest: u64 = 0;
  if (d != 0) {
    if (d < 64) {
      rest = bSig << (64 - d);
      bSig >>= d;
    } else if (d < 128) {
      const m = d - 64;
      rest = (bSig >> m) | u64(m != 0 && bSig << (64 - m) != 0);
      bSig = 0;
    } else {
      rest = 1;
      bSig = 0;
    }
  }
  if (aSign == bSign) {
    const sig = aSig + bSig;
    if (sig >= bSig) return roundPack(dst, sign, exp, sig, rest, mode);
    rest = (sig << 63) | (rest >> 1) | (rest & 1);
    return roundPack(dst, sign, exp + 1, (sig >> 1) | INT_BIT, rest, mode);
  }
  let sig = aSig - bSig - u64(rest != 0);
  rest = 0 - rest;
  if (sig == 0) {
    if (rest == 0) return result(dst, (mode & RC_MASK) == RC_DOWN ? SIGN : 0, 0, 0);
    sig = rest;
    rest = 0;
    exp -= 64;
  } else if (aSig < bSig) {
    // Equal exponents, b the larger.
    sig = 0 - sig;
    sign ^= SIGN;
  }
  const shift = clz(sig);
  sig = (sig << shift) | ((rest >> 1) >> (63 - shift));
  return roundPack(dst, sign, exp - i32(shift), sig, rest << shift, mode);
}

/** `f80Add` with an operand that is not a normal number. */
function addSpecial(dst: usize, aSe: i32, aSig: u64, bSe: i32, bSig: u64, flips: i32, mode: i32): i32 {
  if (isUnsupported(aSe, aSig) || isUnsupported(bSe, bSig)) return invalid(dst, mode);
  if (isNan(aSe, aSig) || isNan(bSe, bSig)) return propagateNan(dst, aSe, aSig, bSe, bSig, mode);
  const aSign = (aSe ^ (flips >> 1)) & SIGN;
  const bSign = (bSe ^ flips) & SIGN;
  const aInf = isInf(aSe, aSig);
  const bInf = isInf(bSe, bSig);
  if (aInf && bInf && aSign != bSign) return invalid(dst, mode);
  const flags = isDenormal(aSe, aSig) || isDenormal(bSe, bSig) ? DE : 0;
  if (flags & ~mode) return flags;
  if (aInf) return result(dst, aSign | EXP_MAX, aSig, flags);
  if (bInf) return result(dst, bSign | EXP_MAX, bSig, flags);
  if (aSig == 0) {
    if (bSig == 0) {
      return result(dst, aSign == bSign ? aSign : (mode & RC_MASK) == RC_DOWN ? SIGN : 0, 0, flags);
    }
    // 0 + b is b rounded to the precision in force.
    const sig = normalize(bSe, bSig);
    return flags | roundPack(dst, bSign, nExp, sig, 0, mode);
  }
  const aNorm = normalize(aSe, aSig);
  const aExp = nExp;
  if (bSig == 0) return flags | roundPack(dst, aSign, aExp, aNorm, 0, mode);
  const bNorm = normalize(bSe, bSig);
  return flags | addFinite(dst, aSign, aExp, aNorm, bSign, nExp, bNorm, mode);
}

/** a * b. */
// @ts-ignore: decorator
@inline
export function f80Mul(dst: usize, aSe: i32, aSig: u64, bSe: i32, bSig: u64, mode: i32): i32 {
  const sign = (aSe ^ bSe) & SIGN;
  if (bothNormal(aSe, aSig, bSe, bSig)) {
    return mulFinite(dst, sign, (aSe & EXP_MAX) + (bSe & EXP_MAX), aSig, bSig, mode);
  }
  return mulSpecial(dst, aSe, aSig, bSe, bSig, mode);
}

/** `f80Mul` with an operand that is not a normal number. */
function mulSpecial(dst: usize, aSe: i32, aSig: u64, bSe: i32, bSig: u64, mode: i32): i32 {
  const sign = (aSe ^ bSe) & SIGN;
  if (isUnsupported(aSe, aSig) || isUnsupported(bSe, bSig)) return invalid(dst, mode);
  if (isNan(aSe, aSig) || isNan(bSe, bSig)) return propagateNan(dst, aSe, aSig, bSe, bSig, mode);
  const anyInf = isInf(aSe, aSig) || isInf(bSe, bSig);
  const anyZero = isZero(aSe, aSig) || isZero(bSe, bSig);
  if (anyInf && anyZero) return invalid(dst, mode);
  const flags = isDenormal(aSe, aSig) || isDenormal(bSe, bSig) ? DE : 0;
  if (flags & ~mode) return flags;
  if (anyInf) return result(dst, sign | EXP_MAX, INT_BIT, flags);
  if (anyZero) return result(dst, sign, 0, flags);
  const aNorm = normalize(aSe, aSig);
  const aExp = nExp;
  const bNorm = normalize(bSe, bSig);
  return flags | mulFinite(dst, sign, aExp + nExp, aNorm, bNorm, mode);
}

/** Product of two normalized significands with the given sum of biased exponents. */
// @ts-ignore: decorator
@inline
function mulFinite(dst: usize, sign: i32, expSum: i32, aSig: u64, bSig: u64, mode: i32): i32 {
  const hi = mulHigh(aSig, bSig);
  const lo = aSig * bSig;
  const shift = (hi >> 63) ^ 1;
  const exp = expSum - (BIAS - 1) - i32(shift);
  return roundPack(dst, sign, exp, (hi << shift) | ((lo >> 63) & shift), lo << shift, mode);
}

/** a / b. */
export function f80Div(dst: usize, aSe: i32, aSig: u64, bSe: i32, bSig: u64, mode: i32): i32 {
  const sign = (aSe ^ bSe) & SIGN;
  if (bothNormal(aSe, aSig, bSe, bSig)) {
    return divFinite(dst, sign, (aSe & EXP_MAX) - (bSe & EXP_MAX), aSig, bSig, mode);
  }
  if (isUnsupported(aSe, aSig) || isUnsupported(bSe, bSig)) return invalid(dst, mode);
  if (isNan(aSe, aSig) || isNan(bSe, bSig)) return propagateNan(dst, aSe, aSig, bSe, bSig, mode);
  const aInf = isInf(aSe, aSig);
  const bInf = isInf(bSe, bSig);
  const aZero = isZero(aSe, aSig);
  const bZero = isZero(bSe, bSig);
  if ((aInf && bInf) || (aZero && bZero)) return invalid(dst, mode);
  if (bZero && !aInf) return resultIfMasked(dst, sign | EXP_MAX, INT_BIT, ZE, mode);
  const flags = isDenormal(aSe, aSig) || isDenormal(bSe, bSig) ? DE : 0;
  if (flags & ~mode) return flags;
  if (aInf) return result(dst, sign | EXP_MAX, INT_BIT, flags);
  if (aZero || bInf) return result(dst, sign, 0, flags);
  const aNorm = normalize(aSe, aSig);
  const aExp = nExp;
  const bNorm = normalize(bSe, bSig);
  return flags | divFinite(dst, sign, aExp - nExp, aNorm, bNorm, mode);
}

/** Quotient of two normalized significands with the given difference of exponents. */
function divFinite(dst: usize, sign: i32, expDiff: i32, aSig: u64, bSig: u64, mode: i32): i32 {
  let exp = expDiff + BIAS;
  let q: u64;
  if (aSig >= bSig) {
    q = divide128(aSig >> 1, aSig << 63, bSig);
  } else {
    q = divide128(aSig, 0, bSig);
    exp--;
  }
  const r = divRem;
  // The rest only says: zero, below half, half, above half.
  let rest: u64 = 0;
  if (r != 0) {
    const other = bSig - r;
    rest = r > other ? 0xc000000000000000 : r == other ? INT_BIT : 0x4000000000000000;
  }
  return roundPack(dst, sign, exp, q, rest, mode);
}

/** Square root of a. */
export function f80Sqrt(dst: usize, aSe: i32, aSig: u64, mode: i32): i32 {
  if (isUnsupported(aSe, aSig)) return invalid(dst, mode);
  if (isNan(aSe, aSig)) return quietNan(dst, aSe, aSig, mode);
  if (isZero(aSe, aSig)) return result(dst, aSe, 0, 0);
  if (aSe & SIGN) return invalid(dst, mode);
  if (isInf(aSe, aSig)) return result(dst, aSe, aSig, 0);
  const flags = isDenormal(aSe, aSig) ? DE : 0;
  if (flags & ~mode) return flags;
  const sig = normalize(aSe, aSig);
  const e = nExp - BIAS;
  // Radicand in [2^126, 2^128), so that the root has 64 bits.
  const odd = e & 1;
  const hi = odd ? sig : sig >> 1;
  const lo = odd ? 0 : sig << 63;
  return flags | roundPack(dst, 0, (e >> 1) + BIAS, sqrt128(hi, lo), sqrtRest, mode);
}

/** What follows the last `sqrt128` root: zero, below half or above half (exactly half cannot occur). */
export let sqrtRest: u64 = 0;

/** floor(sqrt(hi:lo)) for hi >= 2^62: a 32-bit root of the high half by f64, then one more base-2^32 digit. */
export function sqrt128(hi: u64, lo: u64): u64 {
  let s = u64(sqrt<f64>(f64(hi)));
  if (s > 0xffffffff) s = 0xffffffff;
  if (s * s > hi) s--;
  const r = hi - s * s; // at most 2s: 33 bits
  // (r:next digit) / 2s, computed as ((r:digit)/2) / s because the numerator may have 65 bits.
  const half = (r << 31) | (lo >> 33);
  const q = half / s;
  const u = ((half - q * s) << 1) | ((lo >> 32) & 1);
  // Remainder u * 2^32 + low digit - q^2 as a signed 128-bit number.
  const uLo = (u << 32) | (lo & 0xffffffff);
  const qLo = q * q;
  let remHi = i64(u >> 32) - i64(q >> 32) - i64(uLo < qLo);
  let remLo = uLo - qLo;
  let root = (s << 32) + q;
  if (remHi < 0) {
    // Too large by one: remainder += 2 * root - 1 with the old root (q = 2^32 may have wrapped it to zero).
    root--;
    remLo += (root << 1) + 1;
    remHi = remLo < (root << 1) + 1 ? remHi + i64(root >> 63) + 1 : remHi + i64(root >> 63);
  }
  const aboveHalf = remHi != 0 || remLo > root;
  sqrtRest = (remHi | remLo) == 0 ? 0 : aboveHalf ? 0xc000000000000000 : 0x4000000000000000;
  return root;
}
