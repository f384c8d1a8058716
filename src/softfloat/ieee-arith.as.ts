// Addition, multiplication, division, square root and fused multiplication of f16, f32 and f64 (AssemblyScript).
//
// Conventions of operands, `mode` and `raised`: see ieee-core.as.ts.

import { divRem, divide128, mulHigh, shiftRest, shiftRightJam } from './f80-core.as';
import { sqrt128, sqrtRest } from './f80-arith.as';
import {
  BY_INF_MINUS_INF, BY_INF_OVER_INF, BY_INF_TIMES_ZERO, BY_SQRT, BY_ZERO_OVER_ZERO, RM_DOWN, RM_MASK, ZE,
  bias, expField, infinity, invalid, isInf, isNan, isNormal, isZero, jam, normExp, normalSig, normalize, noteDenormal,
  operand, propagate1, propagate2, propagate3, raise, roundPack, setRaised, signBit, signOf, zero,
} from './ieee-core.as';

/** a + b. */
export function add<F>(a: u64, b: u64, mode: i32): u64 {
  return addSigned<F>(a, b, 0, mode);
}

/** a - b. */
export function sub<F>(a: u64, b: u64, mode: i32): u64 {
  return addSigned<F>(a, b, 1, mode);
}

/** a + b, or with `flip` a - b; a NaN passes with its own sign either way. */
// @ts-ignore: decorator
@inline
function addSigned<F>(a: u64, b: u64, flip: u64, mode: i32): u64 {
  setRaised(0);
  if (isNormal<F>(a) && isNormal<F>(b)) {
    const bSign = signOf<F>(b) ^ flip;
    return addFinite<F>(signOf<F>(a), expField<F>(a), normalSig<F>(a), bSign, expField<F>(b), normalSig<F>(b), mode);
  }
  return addSpecial<F>(a, b, flip, mode);
}

function addSpecial<F>(a: u64, b: u64, flip: u64, mode: i32): u64 {
  a = operand<F>(a, mode);
  b = operand<F>(b, mode);
  if (isNan<F>(a) || isNan<F>(b)) return propagate2<F>(a, b, mode);
  const aSign = signOf<F>(a);
  const bSign = signOf<F>(b) ^ flip;
  if (isInf<F>(a)) {
    if (isInf<F>(b) && aSign != bSign) return invalid<F>(BY_INF_MINUS_INF, mode);
    noteDenormal<F>(b);
    return a;
  }
  noteDenormal<F>(a);
  if (isInf<F>(b)) return infinity<F>(bSign);
  noteDenormal<F>(b);
  if (isZero<F>(a)) {
    if (isZero<F>(b)) return zero<F>(aSign == bSign ? aSign : zeroSign(mode));
    const sig = normalize<F>(b);
    return roundPack<F>(bSign, normExp, sig, mode);
  }
  const aSig = normalize<F>(a);
  const aExp = normExp;
  if (isZero<F>(b)) return roundPack<F>(aSign, aExp, aSig, mode);
  const bSig = normalize<F>(b);
  return addFinite<F>(aSign, aExp, aSig, bSign, normExp, bSig, mode);
}

/** The sign of a zero that is the sum of numbers of opposite sign. */
// @ts-ignore: decorator
@inline
function zeroSign(mode: i32): u64 {
  return u64((mode & RM_MASK) == RM_DOWN);
}

/** Sum of two numbers other than zero. */
function addFinite<F>(aSign: u64, aExp: i32, aSig: u64, bSign: u64, bExp: i32, bSig: u64, mode: i32): u64 {
  if (aExp < bExp || (aExp == bExp && aSig < bSig)) {
    const sign = aSign;
    aSign = bSign;
    bSign = sign;
    const exp = aExp;
    aExp = bExp;
    bExp = exp;
    const sig = aSig;
    aSig = bSig;
    bSig = sig;
  }
  // The formats leave at least 11 low bits clear.
  const d = aExp - bExp;
  if (aSign == bSign) {
    const sum = (aSig >> 1) + jam(bSig, d + 1);
    return <i64>sum < 0 ? roundPack<F>(aSign, aExp + 1, sum, mode) : roundPack<F>(aSign, aExp, sum << 1, mode);
  }
  const difference = aSig - jam(bSig, d);
  if (difference == 0) return zero<F>(zeroSign(mode));
  const shift = i32(clz(difference));
  return roundPack<F>(aSign, aExp - shift, difference << shift, mode);
}

/** a * b. */
export function mul<F>(a: u64, b: u64, mode: i32): u64 {
  setRaised(0);
  const sign = signOf<F>(a) ^ signOf<F>(b);
  if (isNormal<F>(a) && isNormal<F>(b)) {
    return mulFinite<F>(sign, expField<F>(a) + expField<F>(b), normalSig<F>(a), normalSig<F>(b), mode);
  }
  a = operand<F>(a, mode);
  b = operand<F>(b, mode);
  if (isNan<F>(a) || isNan<F>(b)) return propagate2<F>(a, b, mode);
  const anyInf = isInf<F>(a) || isInf<F>(b);
  const anyZero = isZero<F>(a) || isZero<F>(b);
  if (anyInf && anyZero) return invalid<F>(BY_INF_TIMES_ZERO, mode);
  noteDenormal<F>(a);
  noteDenormal<F>(b);
  if (anyInf) return infinity<F>(sign);
  if (anyZero) return zero<F>(sign);
  const aSig = normalize<F>(a);
  const aExp = normExp;
  const bSig = normalize<F>(b);
  return mulFinite<F>(sign, aExp + normExp, aSig, bSig, mode);
}

/** Product of two significands with the given sum of biased exponents. */
// @ts-ignore: decorator
@inline
function mulFinite<F>(sign: u64, expSum: i32, aSig: u64, bSig: u64, mode: i32): u64 {
  const hi = mulHigh(aSig, bSig);
  const sig = hi | u64(aSig * bSig != 0);
  const exp = expSum - (bias<F>() - 1);
  return <i64>sig < 0 ? roundPack<F>(sign, exp, sig, mode) : roundPack<F>(sign, exp - 1, sig << 1, mode);
}

/** a / b. */
export function div<F>(a: u64, b: u64, mode: i32): u64 {
  setRaised(0);
  const sign = signOf<F>(a) ^ signOf<F>(b);
  if (isNormal<F>(a) && isNormal<F>(b)) {
    return divFinite<F>(sign, expField<F>(a) - expField<F>(b), normalSig<F>(a), normalSig<F>(b), mode);
  }
  a = operand<F>(a, mode);
  b = operand<F>(b, mode);
  if (isNan<F>(a) || isNan<F>(b)) return propagate2<F>(a, b, mode);
  const aInf = isInf<F>(a);
  const bInf = isInf<F>(b);
  const bZero = isZero<F>(b);
  if (aInf && bInf) return invalid<F>(BY_INF_OVER_INF, mode);
  if (isZero<F>(a) && bZero) return invalid<F>(BY_ZERO_OVER_ZERO, mode);
  if (bZero && !aInf) {
    raise(ZE);
    return infinity<F>(sign);
  }
  noteDenormal<F>(a);
  noteDenormal<F>(b);
  if (aInf) return infinity<F>(sign);
  if (isZero<F>(a) || bInf) return zero<F>(sign);
  const aSig = normalize<F>(a);
  const aExp = normExp;
  const bSig = normalize<F>(b);
  return divFinite<F>(sign, aExp - normExp, aSig, bSig, mode);
}

/** Quotient of two significands with the given difference of exponents. */
function divFinite<F>(sign: u64, expDiff: i32, aSig: u64, bSig: u64, mode: i32): u64 {
  let exp = expDiff + bias<F>();
  let q: u64;
  if (sizeof<F>() <= 4) {
    // 24 bits each: the quotient has 25 bits and more with one 64-bit division.
    const n = aSig >> 1;
    const d = bSig >> 32;
    q = n / d;
    if (q * d != n) q |= 1;
    const shift = i32(clz(q));
    return roundPack<F>(sign, exp + 32 - shift, q << shift, mode);
  }
  if (aSig >= bSig) {
    q = divide128(aSig >> 1, aSig << 63, bSig);
  } else {
    q = divide128(aSig, 0, bSig);
    exp--;
  }
  return roundPack<F>(sign, exp, q | u64(divRem != 0), mode);
}

/** Square root of a. */
export function sqrt<F>(a: u64, mode: i32): u64 {
  setRaised(0);
  a = operand<F>(a, mode);
  if (isNan<F>(a)) return propagate1<F>(a, mode);
  if (isZero<F>(a)) return a;
  if (signOf<F>(a)) return invalid<F>(BY_SQRT, mode);
  if (isInf<F>(a)) return a;
  noteDenormal<F>(a);
  const sig = normalize<F>(a);
  const e = normExp - bias<F>();
  // Radicand in [2^126, 2^128), so that the root has 64 bits.
  const odd = e & 1;
  const root = sqrt128(odd ? sig : sig >> 1, odd ? 0 : sig << 63);
  return roundPack<F>(0, (e >> 1) + bias<F>(), root | u64(sqrtRest != 0), mode);
}

/** Signs to change in `fma`: of the product, of the addend, of the result. NaNs keep theirs. */
export const NEGATE_PRODUCT: i32 = 1;
export const NEGATE_ADDEND: i32 = 2;
export const NEGATE_RESULT: i32 = 4;

/** a * b + c, rounded once. */
export function fma<F>(a: u64, b: u64, c: u64, negate: i32, mode: i32): u64 {
  setRaised(0);
  a = operand<F>(a, mode);
  b = operand<F>(b, mode);
  c = operand<F>(c, mode);
  const sign = signOf<F>(a) ^ signOf<F>(b) ^ u64(negate & NEGATE_PRODUCT);
  const cSign = signOf<F>(c) ^ u64((negate >> 1) & 1);
  const flip = u64(negate >> 2) << signBit<F>();
  const infTimesZero = (isInf<F>(a) && isZero<F>(b)) || (isZero<F>(a) && isInf<F>(b));
  if (isNan<F>(a) || isNan<F>(b) || isNan<F>(c)) return propagate3<F>(a, b, c, infTimesZero, mode);
  if (infTimesZero) return invalid<F>(BY_INF_TIMES_ZERO, mode);
  const anyInf = isInf<F>(a) || isInf<F>(b);
  if (anyInf && isInf<F>(c) && sign != cSign) return invalid<F>(BY_INF_MINUS_INF, mode);
  noteDenormal<F>(a);
  noteDenormal<F>(b);
  noteDenormal<F>(c);
  if (anyInf) return infinity<F>(sign) ^ flip;
  if (isInf<F>(c)) return infinity<F>(cSign) ^ flip;
  // A changed sign of the result is that of the rounded number, so it cannot be moved into the operands.
  if (isZero<F>(a) || isZero<F>(b)) {
    if (isZero<F>(c)) return zero<F>(sign == cSign ? sign : zeroSign(mode)) ^ flip;
    const cSig = normalize<F>(c);
    return roundPack<F>(cSign, normExp, cSig, mode) ^ flip;
  }
  const aSig = normalize<F>(a);
  const aExp = normExp;
  const bSig = normalize<F>(b);
  let exp = aExp + normExp - (bias<F>() - 1);
  let hi = mulHigh(aSig, bSig);
  let lo = aSig * bSig;
  if (<i64>hi >= 0) {
    hi = (hi << 1) | (lo >> 63);
    lo <<= 1;
    exp--;
  }
  if (isZero<F>(c)) return roundPack<F>(sign, exp, hi | u64(lo != 0), mode) ^ flip;
  const cSig = normalize<F>(c);
  return addWide<F>(sign, exp, hi, lo, cSign, normExp, cSig, mode) ^ flip;
}

/** Sum of a 128-bit significand (bit 127 set, at least 22 low bits clear) and a 64-bit one. */
function addWide<F>(sign: u64, exp: i32, hi: u64, lo: u64, cSign: u64, cExp: i32, cSig: u64, mode: i32): u64 {
  // The larger one in x, the smaller one in y.
  let xHi = hi;
  let xLo = lo;
  let yHi = cSig;
  let yLo: u64 = 0;
  let d = exp - cExp;
  let rSign = sign;
  if (d < 0 || (d == 0 && (hi < cSig))) {
    xHi = cSig;
    xLo = 0;
    yHi = hi;
    yLo = lo;
    exp = cExp;
    d = -d;
    rSign = cSign;
  }
  if (sign == cSign) {
    yHi = shiftRightJam(yHi, yLo, d + 1);
    yLo = shiftRest;
    const sumLo = ((xHi << 63) | (xLo >> 1)) + yLo;
    let sumHi = (xHi >> 1) + yHi + u64(sumLo < yLo);
    let rest = sumLo;
    if (<i64>sumHi < 0) return roundPack<F>(rSign, exp + 1, sumHi | u64(rest != 0), mode);
    sumHi = (sumHi << 1) | (rest >> 63);
    rest <<= 1;
    return roundPack<F>(rSign, exp, sumHi | u64(rest != 0), mode);
  }
  yHi = shiftRightJam(yHi, yLo, d);
  yLo = shiftRest;
  let rHi = xHi - yHi - u64(xLo < yLo);
  let rLo = xLo - yLo;
  if ((rHi | rLo) == 0) return zero<F>(zeroSign(mode));
  if (rHi == 0) {
    rHi = rLo;
    rLo = 0;
    exp -= 64;
  }
  const shift = i32(clz(rHi));
  if (shift != 0) {
    rHi = (rHi << shift) | (rLo >> (64 - shift));
    rLo <<= shift;
  }
  return roundPack<F>(rSign, exp - shift, rHi | u64(rLo != 0), mode);
}
