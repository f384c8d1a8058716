// Transcendental functions of 80-bit extended numbers: 2^x-1, logarithms, sine, cosine, tangent, arctangent
// (AssemblyScript).
//
// Results are computed to about 120 bits and then rounded once, so they are correctly rounded but for cases within
// 2^-55 or so of a rounding border. Processors differ from each other in the last bit here. Conventions of arguments,
// result and flags: see f80-core.as.ts; precision control never applies.

import {
  BIAS, DE, EXP_MAX, IE, INT_BIT, PC_64, PE, QUIET_BIT, SIGN, UE, UP, ZE,
  divide128, invalid, isDenormal, isInf, isNan, isUnsupported, isZero, mulHigh, nExp, normalize, propagateNan, quietNan,
  result, resultIfMasked, roundPack,
} from './f80-core.as';
import { f80FromI64, wideSe, wideSig } from './f80-convert.as';
import { f80Mul } from './f80-arith.as';
import {
  LN2_HI, LN2_LO, PI_HI, PI_LO, TWO_LOG2E_HI, TWO_LOG2E_LO,
  arctanSixteenths, inverseFactorialHi, inverseFactorialLo, inverseOdd, setWide, wHi, wLo, wideDiv, wideMul,
  wideNormalize, wideQuotient, wideShiftRight,
} from './wide.as';

const BITS: i32 = 128;
/** 1/n! * 2^127 vanishes from here on. */
const MAX_FACTORIAL: i32 = 34;

/**
 * Rounds the positive number (hi:lo) * 2^(exp - 128), never exact, with its sign. `exp` is unbiased: bit 127 set means
 * a number in [2^(exp-1), 2^exp).
 */
function packWide(dst: usize, sign: i32, exp: i32, hi: u64, lo: u64, mode: i32): i32 {
  const shift = wideNormalize(hi, lo);
  return roundPack(dst, sign, exp - shift + (BIAS - 1), wHi, wLo | 1, mode | PC_64);
}

/** Terms needed of a series whose k-th term shrinks by 2^-bits and, at every step, by `factors` factors of about k. */
function termCount(bits: i32, factors: i32): i32 {
  let n = 0;
  for (let reached = 0; reached < BITS; n++) reached += bits + factors * (31 - i32(clz(n * factors + 1)));
  return n;
}

/** 2^a - 1 for |a| <= 1; beyond, where the manual leaves it undefined, a itself. */
export function f80Exp2m1(dst: usize, se: i32, sig: u64, mode: i32): i32 {
  if (isUnsupported(se, sig)) return invalid(dst, mode);
  if (isNan(se, sig)) return quietNan(dst, se, sig, mode);
  if (isZero(se, sig)) return result(dst, se, sig, 0);
  if (isInf(se, sig)) return se & SIGN ? result(dst, SIGN | BIAS, INT_BIT, 0) : result(dst, se, sig, 0);
  const flags = isDenormal(se, sig) ? DE : 0;
  if (flags & ~mode) return flags;
  const norm = normalize(se, sig);
  const e = nExp - BIAS;
  const sign = se & SIGN;
  if (e >= 0) {
    // The exact results at ±1 count as inexact, the one at 1 as slightly less.
    if (e != 0 || norm != INT_BIT) return result(dst, se, norm, PE);
    return sign ? result(dst, se - 1, norm, PE) : packWide(dst, 0, 0, ~u64(0), ~u64(0), mode);
  }
  // t = |a| ln 2 = t128 / 2^128 * 2^(e + 1), then 2^a - 1 = ±t (1 ± t/2! + t^2/3! ± ...).
  wideMul(norm, 0, LN2_HI, LN2_LO);
  const tHi = wHi;
  const tLo = wLo;
  wideShiftRight(tHi, tLo, -e - 1);
  const xHi = wHi;
  const xLo = wLo;
  let n = min(termCount(-e - 1, 1) + 1, MAX_FACTORIAL);
  let pHi = inverseFactorialHi(n);
  let pLo = inverseFactorialLo(n);
  for (n--; n > 0; n--) {
    wideMul(pHi, pLo, xHi, xLo);
    addTerm(sign != 0, inverseFactorialHi(n), inverseFactorialLo(n));
    pHi = wHi;
    pLo = wLo;
  }
  wideMul(pHi, pLo, tHi, tLo);
  return flags | packWide(dst, sign, e + 2, wHi, wLo, mode);
}

/** wide = coefficient ± wide. */
// @ts-ignore: decorator
@inline
function addTerm(negative: bool, cHi: u64, cLo: u64): void {
  if (negative) {
    const lo = cLo - wLo;
    setWide(cHi - wHi - u64(cLo < wLo), lo);
  } else {
    const lo = cLo + wLo;
    setWide(cHi + wHi + u64(lo < cLo), lo);
  }
}

/**
 * (1 ∓ w/3 + w^2/5 ∓ ...) * 2^127 for w = (hi:lo)/2^128 < 2^-bits: with w = z^2 it is atan(z)/z if `alternate`, else
 * atanh(z)/z.
 */
function oddSeries(hi: u64, lo: u64, bits: i32, alternate: bool): void {
  let n = termCount(bits, 0);
  inverseOdd(n);
  for (n--; n >= 0; n--) {
    wideMul(wHi, wLo, hi, lo);
    const pHi = wHi;
    const pLo = wLo;
    inverseOdd(n);
    const cHi = wHi;
    const cLo = wLo;
    setWide(pHi, pLo);
    addTerm(alternate, cHi, cLo);
  }
}

/**
 * log2 of (1 + z)/(1 - z) = 2/ln 2 * atanh(z) for z = (hi:lo)/2^128 * 2^exp in (0, 0.18), normalized.
 * The result is wide * 2^(returned exponent - 128).
 */
function log2Ratio(hi: u64, lo: u64, exp: i32): i32 {
  wideMul(hi, lo, hi, lo);
  wideShiftRight(wHi, wLo, -2 * exp);
  oddSeries(wHi, wLo, max(-2 * exp, 5), false);
  // Scales: z 2^(128-exp), series 2^127, constant 2^126.
  wideMul(wHi, wLo, hi, lo);
  wideMul(wHi, wLo, TWO_LOG2E_HI, TWO_LOG2E_LO);
  return exp + 3;
}

/** Integral part of the last `log2Wide`, whether its fraction is to be subtracted, and the fraction's exponent. */
let logWhole: i32 = 0;
let logNegative: bool = false;
let logExp: i32 = 0;

/**
 * log2 of (hi:lo)/2^128 * 2^exp, bit 127 of (hi:lo) set: `logWhole` plus or minus wide * 2^(logExp - 128), the latter
 * zero or less than a half.
 */
function log2Wide(hi: u64, lo: u64, exp: i32): void {
  // m in (sqrt(1/2), sqrt(2)), then z = (m - 1)/(m + 1).
  let nExp = 0;
  let dExp: i32;
  let dHi = hi >> 1;
  const dLo = (hi << 63) | (lo >> 1);
  if (hi >= SQRT_HALF) {
    logWhole = exp;
    logNegative = true;
    lo = 0 - lo;
    hi = 0 - hi - u64(lo != 0);
    dHi |= INT_BIT;
    dExp = 1;
  } else {
    logWhole = exp - 1;
    logNegative = false;
    hi -= INT_BIT;
    nExp = 1;
    dHi += INT_BIT >> 1;
    dExp = 2;
  }
  if ((hi | lo) == 0) {
    logExp = 0;
    setWide(0, 0);
    return;
  }
  nExp -= wideNormalize(hi, lo);
  const zExp = nExp - dExp + wideQuotient(wHi, wLo, dHi, dLo);
  logExp = log2Ratio(wHi, wLo, zExp);
}
const SQRT_HALF: u64 = 0xb504f333f9de6484;

/** Rounds y times the logarithm left by `log2Wide`, which is not zero, for a finite non-zero y. */
function scaleLog(dst: usize, ySe: i32, ySig: u64, mode: i32): i32 {
  let sign = ySe & SIGN;
  let exp = logExp;
  if ((wHi | wLo) == 0) {
    // The logarithm is an integer; the product counts as inexact even where it is not.
    f80FromI64(logWhole);
    const flags = f80Mul(dst, wideSe, wideSig, ySe, ySig, mode | PC_64 | DE) & ~DE;
    return (load<i32>(dst, 8) & EXP_MAX) == 0 ? flags | PE | UE : flags | PE;
  }
  const y = normalize(ySe, ySig);
  const yExp = nExp - BIAS + 1;
  if (logWhole == 0) {
    if (logNegative) sign ^= SIGN;
  } else {
    // |whole| < 2^16 with 112 fraction bits.
    const minus = logWhole < 0 ? !logNegative : logNegative;
    if (logWhole < 0) sign ^= SIGN;
    wideShiftRight(wHi, wLo, 16 - logExp);
    addTerm(minus, u64(abs(logWhole)) << 48, 0);
    exp = 16;
  }
  exp -= wideNormalize(wHi, wLo);
  wideMul(wHi, wLo, y, 0);
  return packWide(dst, sign, exp + yExp, wHi, wLo, mode);
}

/** y * log2(x). */
export function f80Yl2x(dst: usize, xSe: i32, xSig: u64, ySe: i32, ySig: u64, mode: i32): i32 {
  if (isUnsupported(xSe, xSig) || isUnsupported(ySe, ySig)) return invalid(dst, mode);
  if (isNan(xSe, xSig) || isNan(ySe, ySig)) return propagateNan(dst, xSe, xSig, ySe, ySig, mode);
  const ySign = ySe & SIGN;
  const yInf = isInf(ySe, ySig);
  const yZero = isZero(ySe, ySig);
  const flags = isDenormal(xSe, xSig) || isDenormal(ySe, ySig) ? DE : 0;
  if (isZero(xSe, xSig)) {
    if (yZero) return invalid(dst, mode);
    return resultIfMasked(dst, (ySign ^ SIGN) | EXP_MAX, INT_BIT, yInf ? 0 : ZE, mode);
  }
  if (xSe & SIGN) return invalid(dst, mode);
  const xInf = isInf(xSe, xSig);
  const sig = normalize(xSe, xSig);
  const xExp = nExp - BIAS;
  const one = xExp == 0 && sig == INT_BIT;
  if ((xInf && yZero) || (one && yInf)) return invalid(dst, mode);
  if (flags & ~mode) return flags;
  const sign = xExp < 0 ? ySign ^ SIGN : ySign;
  if (xInf || yInf) return result(dst, sign | EXP_MAX, INT_BIT, flags);
  if (yZero) return result(dst, sign, 0, flags);
  if (one) return result(dst, ySign, 0, flags);
  log2Wide(sig, 0, xExp + 1);
  return flags | scaleLog(dst, ySe, ySig, mode);
}

/** y * log2(x + 1); for x <= -1, where the manual leaves it undefined, x itself. */
export function f80Yl2xp1(dst: usize, xSe: i32, xSig: u64, ySe: i32, ySig: u64, mode: i32): i32 {
  if (isUnsupported(xSe, xSig) || isUnsupported(ySe, ySig)) return invalid(dst, mode);
  if (isNan(xSe, xSig) || isNan(ySe, ySig)) return propagateNan(dst, xSe, xSig, ySe, ySig, mode);
  const ySign = ySe & SIGN;
  const xSign = xSe & SIGN;
  const yInf = isInf(ySe, ySig);
  const yZero = isZero(ySe, ySig);
  const flags = isDenormal(xSe, xSig) || isDenormal(ySe, ySig) ? DE : 0;
  const sign = xSign ^ ySign;
  if (isZero(xSe, xSig)) {
    if (yInf) return invalid(dst, mode);
    if (flags & ~mode) return flags;
    return result(dst, sign, 0, flags);
  }
  if (isInf(xSe, xSig)) {
    if (yZero || xSign) return invalid(dst, mode);
    if (flags & ~mode) return flags;
    return result(dst, ySign | EXP_MAX, INT_BIT, flags);
  }
  if (flags & ~mode) return flags;
  if (yInf) return result(dst, sign | EXP_MAX, INT_BIT, flags);
  if (yZero) return result(dst, sign, 0, flags);
  const sig = normalize(xSe, xSig);
  const xExp = nExp - BIAS + 1; // |x| = sig/2^64 * 2^xExp
  if (xExp >= -1) {
    if (xSign && xExp > 0) return result(dst, xSe, sig, flags | PE);
    onePlus(xSign != 0, sig, xExp);
    return flags | scaleLog(dst, ySe, ySig, mode);
  }
  // z = x/(2 + x); the denominator, a quarter of it as a fraction.
  wideShiftRight(sig, 0, 2 - xExp);
  addTerm(xSign != 0, INT_BIT, 0);
  const dExp = 2 - wideNormalize(wHi, wLo);
  const zExp = xExp - dExp + wideQuotient(sig, 0, wHi, wLo);
  logExp = log2Ratio(wHi, wLo, zExp);
  logWhole = 0;
  logNegative = xSign != 0;
  return flags | scaleLog(dst, ySe, ySig, mode);
}

/** `log2Wide` of 1 + x for |x| >= 1/4. */
function onePlus(negative: bool, sig: u64, xExp: i32): void {
  const exp = max(xExp, 0) + 1;
  wideShiftRight(INT_BIT, 0, exp - 1);
  const oneHi = wHi;
  const oneLo = wLo;
  wideShiftRight(sig, 0, exp - xExp);
  addTerm(negative, oneHi, oneLo);
  const shift = wideNormalize(wHi, wLo);
  log2Wide(wHi, wLo, exp - shift);
}

/** pi to 66 bits, as the x87 reduces its arguments: (3 * 2^64 + PI66_LO) / 2^64. */
const PI66_LO: u64 = 0x243f6a8885a308d3;

/** The reduced argument (wide/2^128 * 2^redExp, at most pi/4) and how it stands to the original. */
let redExp: i32 = 0;
let redNegative: bool = false;
let redQuadrant: i32 = 0;

/** |a| = sig/2^63 * 2^e modulo pi/2 with a remainder of either sign, for e < 63; exact with regard to 66-bit pi. */
function reduceHalfPi(sig: u64, e: i32): void {
  redQuadrant = 0;
  redNegative = false;
  if (e < -1 || (e == -1 && sig < 0xc90fdaa22168c235)) {
    redExp = e + 1;
    setWide(sig, 0);
    return;
  }
  // In units of 2^-65, in which pi/2 is the integer pi66.
  const up = e + 2;
  const hi = up == 64 ? sig : sig >> (64 - up);
  const lo = up == 64 ? 0 : sig << up;
  // Divided by 4 and by the top 64 bits of pi66 the quotient is at most 2 too large.
  let q = divide128(hi >> 2, (hi << 62) | (lo >> 2), PI_HI);
  const low = q * PI66_LO;
  let rLo = lo - low;
  let rHi = hi - mulHigh(q, PI66_LO) - 3 * q - u64(lo < low);
  while (<i64>rHi < 0) {
    q--;
    rLo += PI66_LO;
    rHi += 3 + u64(rLo < PI66_LO);
  }
  // 2r > pi66 exactly if r > floor(pi66 / 2).
  if (rHi > 1 || (rHi == 1 && rLo > 0x921fb54442d18469)) {
    const old = rLo;
    rLo = PI66_LO - old;
    rHi = 3 - rHi - u64(PI66_LO < old);
    redNegative = true;
    q++;
  }
  redQuadrant = i32(q) & 3;
  redExp = 63 - wideNormalize(rHi, rLo);
}

/** Sine and cosine of the reduced argument, normalized: hi:lo/2^128 * 2^exp. */
let sinHi: u64 = 0;
let sinLo: u64 = 0;
let sinExp: i32 = 0;
let cosHi: u64 = 0;
let cosLo: u64 = 0;
let cosExp: i32 = 0;

/** Sum of (-w)^k / (2k + first)! * 2^127 for w = (hi:lo)/2^128 < 2^-bits, kept below 1 so that rounding sees it is. */
function factorialSeries(hi: u64, lo: u64, bits: i32, first: i32): void {
  let n = min(2 * termCount(bits, 2), MAX_FACTORIAL - 2) + first;
  setWide(inverseFactorialHi(n), inverseFactorialLo(n));
  for (n -= 2; n >= 0; n -= 2) {
    wideMul(wHi, wLo, hi, lo);
    addTerm(true, inverseFactorialHi(n), inverseFactorialLo(n));
  }
  belowOne();
}

/** A series sum of 1 * 2^127 stands for slightly less. */
function belowOne(): void {
  if (wHi == INT_BIT) setWide(INT_BIT - 1, ~u64(0));
}

function computeSin(rHi: u64, rLo: u64, w2Hi: u64, w2Lo: u64): void {
  factorialSeries(w2Hi, w2Lo, max(-2 * redExp, 0), 1);
  wideMul(wHi, wLo, rHi, rLo);
  sinExp = redExp + 1 - wideNormalize(wHi, wLo);
  sinHi = wHi;
  sinLo = wLo;
}

function computeCos(w2Hi: u64, w2Lo: u64): void {
  factorialSeries(w2Hi, w2Lo, max(-2 * redExp, 0), 0);
  cosExp = 1 - wideNormalize(wHi, wLo);
  cosHi = wHi;
  cosLo = wLo;
}

/** Which results `f80Trig` computes: sine, cosine or both, tangent. */
export const SINE: i32 = 1;
export const COSINE: i32 = 2;
export const TANGENT: i32 = 4;

/** The last `f80Trig` did nothing because |a| >= 2^63. */
export let rOutOfRange: bool = false;

/** Sine (at `dst`), cosine (at `dstCos`), both, or tangent (at `dst`, with 1 at `dstCos`) of a. */
export function f80Trig(dst: usize, dstCos: usize, se: i32, sig: u64, which: i32, mode: i32): i32 {
  rOutOfRange = false;
  if (isUnsupported(se, sig) || isInf(se, sig)) {
    if (which & ~SINE) invalid(dstCos, mode);
    return which == COSINE ? IE : invalid(dst, mode);
  }
  if (isNan(se, sig)) {
    const nanFlags = sig & QUIET_BIT ? 0 : IE;
    if (which & ~SINE) quietNan(dstCos, se, sig, mode);
    return which == COSINE ? nanFlags : quietNan(dst, se, sig, mode);
  }
  if (isZero(se, sig)) {
    if (which & ~SINE) result(dstCos, BIAS, INT_BIT, 0);
    return which == COSINE ? 0 : result(dst, se, 0, 0);
  }
  if ((se & EXP_MAX) >= BIAS + 63) {
    rOutOfRange = true;
    return 0;
  }
  const flags = isDenormal(se, sig) ? DE : 0;
  if (flags & ~mode) return flags;
  const norm = normalize(se, sig);
  reduceHalfPi(norm, nExp - BIAS);
  const rHi = wHi;
  const rLo = wLo;
  wideMul(rHi, rLo, rHi, rLo);
  wideShiftRight(wHi, wLo, -2 * redExp);
  const w2Hi = wHi;
  const w2Lo = wLo;
  const odd = redQuadrant & 1;
  const sign = se & SIGN;
  const rSign = redNegative ? SIGN : 0;
  if (which == TANGENT) {
    result(dstCos, BIAS, INT_BIT, 0);
    if ((w2Hi | w2Lo) == 0 && !odd) return flags | packWide(dst, sign ^ rSign, redExp, rHi, rLo, mode);
    computeSin(rHi, rLo, w2Hi, w2Lo);
    computeCos(w2Hi, w2Lo);
    const tSign = sign ^ rSign ^ (odd ? SIGN : 0);
    if (odd) {
      const more = wideQuotient(cosHi, cosLo, sinHi, sinLo);
      return flags | packWide(dst, tSign, cosExp - sinExp + more, wHi, wLo, mode);
    }
    const more = wideQuotient(sinHi, sinLo, cosHi, cosLo);
    return flags | packWide(dst, tSign, sinExp - cosExp + more, wHi, wLo, mode);
  }
  const needs = odd && which != (SINE | COSINE) ? which ^ (SINE | COSINE) : which;
  if (needs & SINE) computeSin(rHi, rLo, w2Hi, w2Lo);
  if (needs & COSINE) computeCos(w2Hi, w2Lo);
  let cosFlags = 0;
  if (which & COSINE) {
    // Quadrants 0..3: cos r, -sin r, -cos r, sin r.
    const cSign = redQuadrant == 1 || redQuadrant == 2 ? SIGN : 0;
    cosFlags = odd
      ? packWide(dstCos, cSign ^ rSign, sinExp, sinHi, sinLo, mode)
      : packWide(dstCos, cSign, cosExp, cosHi, cosLo, mode);
    if (which == COSINE) return flags | cosFlags;
  }
  // Quadrants 0..3: sin r, cos r, -sin r, -cos r.
  const sSign = sign ^ (redQuadrant >= 2 ? SIGN : 0);
  const sinFlags = odd
    ? packWide(dst, sSign, cosExp, cosHi, cosLo, mode)
    : packWide(dst, sSign ^ rSign, sinExp, sinHi, sinLo, mode);
  // C1 tells of the sine.
  return flags | sinFlags | (cosFlags & ~UP);
}

/** Arctangent of y/x in the quadrant of the point (x, y). */
export function f80Atan2(dst: usize, ySe: i32, ySig: u64, xSe: i32, xSig: u64, mode: i32): i32 {
  if (isUnsupported(xSe, xSig) || isUnsupported(ySe, ySig)) return invalid(dst, mode);
  if (isNan(xSe, xSig) || isNan(ySe, ySig)) return propagateNan(dst, ySe, ySig, xSe, xSig, mode);
  const flags = isDenormal(xSe, xSig) || isDenormal(ySe, ySig) ? DE : 0;
  if (flags & ~mode) return flags;
  const sign = ySe & SIGN;
  const left = (xSe & SIGN) != 0;
  const xInf = isInf(xSe, xSig);
  const yInf = isInf(ySe, ySig);
  if (yInf) {
    // pi/4, 3pi/4 or pi/2 times 2^126.
    if (!xInf) return flags | packWide(dst, sign, 1, PI_HI, PI_LO, mode);
    if (!left) return packWide(dst, sign, 0, PI_HI, PI_LO, mode);
    setWide(PI_HI >> 1, (PI_HI << 63) | (PI_LO >> 1));
    addTerm(false, PI_HI >> 2, (PI_HI << 62) | (PI_LO >> 2));
    return packWide(dst, sign, 2, wHi, wLo, mode);
  }
  const yZero = isZero(ySe, ySig);
  if (yZero || xInf) {
    if (left) return flags | packWide(dst, sign, 2, PI_HI, PI_LO, mode);
    return result(dst, sign, 0, flags);
  }
  if (isZero(xSe, xSig)) return flags | packWide(dst, sign, 1, PI_HI, PI_LO, mode);
  const y = normalize(ySe, ySig);
  const yExp = nExp;
  const x = normalize(xSe, xSig);
  const d = yExp - nExp;
  if (d > 0 || (d == 0 && y > x)) {
    // |y| > |x|: the angle to the vertical.
    arctan(x, y, d);
    return flags | fromAxis(dst, sign, true, left, mode);
  }
  arctan(y, x, -d);
  if (!left) {
    return flags | packWide(dst, sign, angleExp, wHi, wLo, mode);
  }
  return flags | fromAxis(dst, sign, false, true, mode);
}

/** Exponent of the last `arctan`. */
let angleExp: i32 = 0;

/** atan of a/b * 2^-d, which is at most 1, a and b normalized: wide/2^128 * 2^angleExp, not normalized. */
function arctan(a: u64, b: u64, d: i32): void {
  // The nearest sixteenth c: atan(t) = atan(c) + atan((t - c)/(1 + tc)).
  const i = d > 6 ? 0 : i32((((a >> (d + 6)) << 5) / (b >> 6) + 1) >> 1);
  if (i == 0) {
    const zExp = wideQuotient(a, 0, b, 0) - d;
    angleExp = smallArctan(wHi, wLo, zExp);
    return;
  }
  // 16a - i b 2^d and 16 b 2^d + i a, exactly.
  const bHi = d == 0 ? 0 : b >> (64 - d);
  const bLo = b << d;
  const n1Lo = a << 4;
  const n1Hi = a >> 60;
  const n2Lo = bLo * i;
  const n2Hi = bHi * i + mulHigh(bLo, i);
  const negative = n1Hi < n2Hi || (n1Hi == n2Hi && n1Lo < n2Lo);
  const nLo = negative ? n2Lo - n1Lo : n1Lo - n2Lo;
  const nHi = negative ? n2Hi - n1Hi - u64(n2Lo < n1Lo) : n1Hi - n2Hi - u64(n1Lo < n2Lo);
  const dLo = (bLo << 4) + a * i;
  const dHi = ((bHi << 4) | (bLo >> 60)) + mulHigh(a, i) + u64(dLo < a * i);
  if ((nHi | nLo) == 0) {
    setWide(0, 0);
  } else {
    const dShift = wideNormalize(dHi, dLo);
    const denHi = wHi;
    const denLo = wLo;
    const nShift = wideNormalize(nHi, nLo);
    const uExp = wideQuotient(wHi, wLo, denHi, denLo) + dShift - nShift;
    const exp = smallArctan(wHi, wLo, uExp);
    wideShiftRight(wHi, wLo, -exp);
  }
  const uHi = wHi;
  const uLo = wLo;
  arctanSixteenths(i);
  const cHi = wHi;
  const cLo = wLo;
  setWide(uHi, uLo);
  addTerm(negative, cHi, cLo);
  angleExp = 0;
}

/** atan of a normalized z = (hi:lo)/2^128 * 2^exp < 1/16: wide/2^128 * 2^(what is returned). */
function smallArctan(hi: u64, lo: u64, exp: i32): i32 {
  wideMul(hi, lo, hi, lo);
  wideShiftRight(wHi, wLo, -2 * exp);
  oddSeries(wHi, wLo, -2 * exp, true);
  belowOne();
  wideMul(wHi, wLo, hi, lo);
  return exp + 1;
}

/** Rounds pi/2 ∓ angle (`vertical`) or pi - angle, the angle being what `arctan` left. */
function fromAxis(dst: usize, sign: i32, vertical: bool, left: bool, mode: i32): i32 {
  wideShiftRight(wHi, wLo, 2 - angleExp);
  if (vertical) {
    addTerm(!left, PI_HI >> 1, (PI_HI << 63) | (PI_LO >> 1));
  } else {
    addTerm(true, PI_HI, PI_LO);
  }
  return packWide(dst, sign, 2, wHi, wLo, mode);
}
