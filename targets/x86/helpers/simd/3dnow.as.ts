// 3DNow! (AMD's 3DNow! Technology Manual and Extensions): two single-precision numbers in an MMX register (AssemblyScript).
//
// An exponent of 0 means zero, whatever the fraction. Results too small become zero, results too large the largest normal
// number; operands with the highest exponent are not supported and give something. Nothing is signalled.

const SIGN: u32 = 0x80000000;
const EXPONENT: u32 = 0x7f800000;
const LARGEST: u32 = 0x7f7fffff;
/** The smallest normal number. */
const SMALLEST: f64 = 1.1754943508222875e-38;

/** Low and high element. */
// @ts-ignore: decorator
@inline
function low(x: i64): u32 {
  return <u32>x;
}

// @ts-ignore: decorator
@inline
function high(x: i64): u32 {
  return <u32>(x >> 32);
}

// @ts-ignore: decorator
@inline
function pair(first: u32, second: u32): i64 {
  return <i64>((<u64>second << 32) | <u64>first);
}

/** The number as bits, zero without fraction. */
// @ts-ignore: decorator
@inline
function flush(x: u32): u32 {
  return x & EXPONENT ? x : x & SIGN;
}

// @ts-ignore: decorator
@inline
function value(x: u32): f64 {
  return <f64>reinterpret<f32>(x);
}

/** A result known more exactly than it is to be: `sign` is that of a zero. */
function round(exact: f64, sign: u32): u32 {
  if (abs<f64>(exact) < SMALLEST) return sign;
  const result = reinterpret<u32>(<f32>exact);
  return (result & ~SIGN) == EXPONENT ? (result & SIGN) | LARGEST : result;
}

function add(a: u32, b: u32): u32 {
  a = flush(a);
  b = flush(b);
  const magnitudeA = a & ~SIGN;
  const magnitudeB = b & ~SIGN;
  if (magnitudeA == 0) return magnitudeB == 0 ? a & b : b;
  if (magnitudeB == 0) return a;
  return round(value(a) + value(b), (magnitudeA >= magnitudeB ? a : b) & SIGN);
}

// @ts-ignore: decorator
@inline
function subtract(a: u32, b: u32): u32 {
  return add(a, b ^ SIGN);
}

function multiply(a: u32, b: u32): u32 {
  return round(value(flush(a)) * value(flush(b)), (a ^ b) & SIGN);
}

/** PFADD. */
export function pfadd(env: usize, a: i64, b: i64): i64 {
  return pair(add(low(a), low(b)), add(high(a), high(b)));
}

/** PFSUB, and PFSUBR with its operands exchanged. */
export function pfsub(env: usize, a: i64, b: i64): i64 {
  return pair(subtract(low(a), low(b)), subtract(high(a), high(b)));
}

/** PFMUL; PFRCPIT2 is a product too. */
export function pfmul(env: usize, a: i64, b: i64): i64 {
  return pair(multiply(low(a), low(b)), multiply(high(a), high(b)));
}

/** PFACC. */
export function pfacc(env: usize, a: i64, b: i64): i64 {
  return pair(add(low(a), high(a)), add(low(b), high(b)));
}

/** PFNACC. */
export function pfnacc(env: usize, a: i64, b: i64): i64 {
  return pair(subtract(low(a), high(a)), subtract(low(b), high(b)));
}

/** PFPNACC. */
export function pfpnacc(env: usize, a: i64, b: i64): i64 {
  return pair(subtract(low(a), high(a)), add(low(b), high(b)));
}

/** Order of two numbers as bits: -1, 0, 1. */
function compare(a: u32, b: u32): i32 {
  const x = value(flush(a));
  const y = value(flush(b));
  return x < y ? -1 : x > y ? 1 : 0;
}

// @ts-ignore: decorator
@inline
function mask(condition: bool): u32 {
  return condition ? 0xffffffff : 0;
}

/** PFCMPEQ. */
export function pfcmpeq(env: usize, a: i64, b: i64): i64 {
  return pair(mask(compare(low(a), low(b)) == 0), mask(compare(high(a), high(b)) == 0));
}

/** PFCMPGE. */
export function pfcmpge(env: usize, a: i64, b: i64): i64 {
  return pair(mask(compare(low(a), low(b)) >= 0), mask(compare(high(a), high(b)) >= 0));
}

/** PFCMPGT. */
export function pfcmpgt(env: usize, a: i64, b: i64): i64 {
  return pair(mask(compare(low(a), low(b)) > 0), mask(compare(high(a), high(b)) > 0));
}

/** The larger (or smaller) number; a zero is positive. */
function extreme(a: u32, b: u32, wanted: i32): u32 {
  const result = flush(compare(a, b) == wanted ? a : b);
  return result & ~SIGN ? result : 0;
}

/** PFMAX. */
export function pfmax(env: usize, a: i64, b: i64): i64 {
  return pair(extreme(low(a), low(b), 1), extreme(high(a), high(b), 1));
}

/** PFMIN. */
export function pfmin(env: usize, a: i64, b: i64): i64 {
  return pair(extreme(low(a), low(b), -1), extreme(high(a), high(b), -1));
}

/** Towards zero, saturating. */
function truncate(x: f64): i32 {
  if (x >= 2147483648.0) return 0x7fffffff;
  return x > -2147483649.0 ? <i32>x : -0x80000000;
}

/** PF2ID. */
export function pf2id(env: usize, b: i64): i64 {
  return pair(truncate(value(low(b))), truncate(value(high(b))));
}

// @ts-ignore: decorator
@inline
function toWord(x: u32): u32 {
  return max<i32>(-0x8000, min<i32>(0x7fff, truncate(value(x))));
}

/** PF2IW: the same to 16 bits, sign-extended. */
export function pf2iw(env: usize, b: i64): i64 {
  return pair(toWord(low(b)), toWord(high(b)));
}

/** An integer as a number, towards zero: bits beyond the fraction are cut off. */
function fromInteger(x: i32): u32 {
  if (x == 0) return 0;
  const negative = x < 0;
  let magnitude: u32 = negative ? -x : x;
  const surplus = 8 - <i32>clz<u32>(magnitude);
  if (surplus > 0) magnitude &= <u32>-1 << surplus;
  return reinterpret<u32>(<f32>magnitude) | (negative ? SIGN : 0);
}

/** PI2FD. */
export function pi2fd(env: usize, b: i64): i64 {
  return pair(fromInteger(low(b)), fromInteger(high(b)));
}

/** PI2FW: of the low words. */
export function pi2fw(env: usize, b: i64): i64 {
  return pair(fromInteger(<i32>(<i16>low(b))), fromInteger(<i32>(<i16>high(b))));
}

/** PFRCP: the reciprocal of the low element in both, more exact than the 14 bits asked for; that of zero is the largest. */
export function pfrcp(env: usize, b: i64): i64 {
  const x = flush(low(b));
  const result = x & ~SIGN ? round(1 / value(x), x & SIGN) : x | LARGEST;
  return pair(result, result);
}

/** PFRSQRT: the reciprocal square root of the magnitude, with the sign; more exact than the 15 bits asked for. */
export function pfrsqrt(env: usize, b: i64): i64 {
  const x = flush(low(b));
  const sign = x & SIGN;
  const result = x & ~SIGN ? reinterpret<u32>(<f32>(1 / sqrt<f64>(value(x & ~SIGN)))) | sign : x | LARGEST;
  return pair(result, result);
}

function reciprocalStep(a: u32, b: u32): u32 {
  return round(2 - value(flush(a)) * value(flush(b)), 0);
}

/** PFRCPIT1: the first half of a step of Newton's, 2 - a b. */
export function pfrcpit1(env: usize, a: i64, b: i64): i64 {
  return pair(reciprocalStep(low(a), low(b)), reciprocalStep(high(a), high(b)));
}

function rootStep(a: u32, b: u32): u32 {
  return round((3 - value(flush(a)) * value(flush(b))) / 2, 0);
}

/** PFRSQIT1: the same for square roots, (3 - a b) / 2. */
export function pfrsqit1(env: usize, a: i64, b: i64): i64 {
  return pair(rootStep(low(a), low(b)), rootStep(high(a), high(b)));
}
