// Conversions between 80-bit extended numbers and f32, f64, integers and packed decimals; rounding to an integer
// (AssemblyScript).
//
// Conventions of arguments, result and flags: see f80-core.as.ts. Narrowing leaves its result in `rBits`, widening
// (which cannot fail) in `wideSe`/`wideSig`.

import {
  BIAS, DE, DEFAULT_NAN_SIG, EXP_MAX, IE, INT_BIT, OE, PE, QUIET_BIT, RC_DOWN, RC_MASK, RC_NEAREST, RC_UP, SIGN, UE, UP,
  invalid, isDenormal, isInf, isNan, isUnsupported, isZero, nExp, normalize, quietNan, result, roundCarry, roundFlags,
  roundSig, shiftRest, shiftRightJam,
} from './f80-core.as';

/** Result of the last conversion to f32 or f64 bits or to an integer (sign-extended), and FBSTP's low 64 bits. */
export let rBits: u64 = 0;

/** Result of the last conversion from a narrower format. */
export let wideSe: i32 = 0;
export let wideSig: u64 = 0;

// @ts-ignore: decorator
@inline
function widened(se: i32, sig: u64, flags: i32): i32 {
  wideSe = se;
  wideSig = sig;
  return flags;
}

// @ts-ignore: decorator
@inline
function bitsResult(bits: u64, flags: i32): i32 {
  rBits = bits;
  return flags;
}

/**
 * Widens f32 bits, exactly: a signaling NaN stays one. Returns IE for a signaling NaN and DE for a denormal, for the
 * caller to judge (loads and arithmetic differ in what they make of them).
 */
export function f80FromF32(bits: i32): i32 {
  const se = (bits >> 16) & SIGN;
  const exp = (bits >>> 23) & 0xff;
  const frac = u64(bits & 0x7fffff);
  if (u32(exp - 1) < 0xfe) return widened(se | (exp + (BIAS - 0x7f)), INT_BIT | (frac << 40), 0);
  return widenSpecial(se, exp != 0, frac << 40, BIAS - 0x7f);
}

/** `f80FromF32` for f64 bits. */
export function f80FromF64(bits: u64): i32 {
  const se = i32(bits >> 48) & SIGN;
  const exp = i32(bits >> 52) & 0x7ff;
  const frac = bits & 0xfffffffffffff;
  if (u32(exp - 1) < 0x7fe) return widened(se | (exp + (BIAS - 0x3ff)), INT_BIT | (frac << 11), 0);
  return widenSpecial(se, exp != 0, frac << 11, BIAS - 0x3ff);
}

/** Infinity or NaN (`top`), zero or denormal: `frac` is the fraction below bit 63, `rebias` added to the exponent. */
function widenSpecial(sign: i32, top: bool, frac: u64, rebias: i32): i32 {
  if (top) return widened(sign | EXP_MAX, INT_BIT | frac, frac != 0 && (frac & QUIET_BIT) == 0 ? IE : 0);
  if (frac == 0) return widened(sign, 0, 0);
  const shift = i32(clz(frac));
  return widened(sign | (rebias + 1 - shift), frac << shift, DE);
}

/** Converts a signed integer, exactly. */
export function f80FromI64(v: i64): void {
  if (v == 0) {
    widened(0, 0, 0);
    return;
  }
  const sign = v < 0 ? SIGN : 0;
  const magnitude = v < 0 ? u64(0) - u64(v) : u64(v);
  const shift = i32(clz(magnitude));
  widened(sign | (BIAS + 63 - shift), magnitude << shift, 0);
}

/**
 * Converts packed decimal: 16 digits in `lo`, 2 more in bits 0..7 of `hi`, sign in bit 15. Digits above 9 are
 * undefined by the manual; here each nibble counts with its power of ten.
 */
export function f80FromBcd(lo: u64, hi: i32): void {
  let v: u64 = u64((hi >> 4) & 15) * 10 + u64(hi & 15);
  for (let i = 60; i >= 0; i -= 4) v = v * 10 + ((lo >> i) & 15);
  const sign = hi & SIGN;
  if (v == 0) {
    widened(sign, 0, 0);
    return;
  }
  const shift = i32(clz(v));
  widened(sign | (BIAS + 63 - shift), v << shift, 0);
}

/** Narrows to f32 bits (in `rBits`); a result with unmasked OE or UE is not delivered. */
export function f80ToF32(se: i32, sig: u64, mode: i32): i32 {
  return narrow(se, sig, mode, 40, 0xff, 31);
}

/** Narrows to f64 bits (in `rBits`); a result with unmasked OE or UE is not delivered. */
export function f80ToF64(se: i32, sig: u64, mode: i32): i32 {
  const exp = (se & EXP_MAX) - (BIAS - 0x3ff);
  if (u32(exp - 1) < 0x7fd && <i64>sig < 0 && (mode & RC_MASK) == RC_NEAREST) {
    const low = sig & 0x7ff;
    const kept = sig >> 11;
    // Up when above half, or half and odd; the integer bit and a carry out of the fraction both go to the exponent.
    const up = u64(low + (kept & 1) > 0x400);
    rBits = (u64(se & SIGN) << 48) + (u64(exp - 1) << 52) + kept + up;
    return low == 0 ? 0 : PE | (i32(up) << 9);
  }
  return narrow(se, sig, mode, 11, 0x7ff, 63);
}

/** Narrows to a format dropping `drop` significand bits, with exponent field `expTop` and the sign at `signBit`. */
function narrow(se: i32, sig: u64, mode: i32, drop: i32, expTop: i32, signBit: i32): i32 {
  const sign = se & SIGN;
  const signBits = u64(sign >> 15) << signBit;
  const fracBits = 63 - drop;
  const inf = signBits | (u64(expTop) << fracBits);
  const fracMask = (u64(1) << fracBits) - 1;
  if (isUnsupported(se, sig)) {
    return bitsResult((u64(1) << signBit) | (u64(expTop) << fracBits) | (u64(1) << (fracBits - 1)), IE);
  }
  if (isNan(se, sig)) return bitsResult(inf | (((sig | QUIET_BIT) >> drop) & fracMask), sig & QUIET_BIT ? 0 : IE);
  if (isInf(se, sig)) return bitsResult(inf, 0);
  if (isZero(se, sig)) return bitsResult(signBits, 0);
  const norm = normalize(se, sig);
  const rc = mode & RC_MASK;
  const exp = nExp - BIAS + (expTop >> 1);
  let rounded = roundSig(sign, norm, 0, drop, rc);
  let e = exp;
  if (roundCarry) {
    rounded = INT_BIT;
    e++;
  }
  if (e >= expTop) {
    if ((mode & OE) == 0) return OE;
    const toInf = rc == RC_NEAREST || rc == (sign ? RC_DOWN : RC_UP);
    return bitsResult(toInf ? inf : inf - 1, toInf ? OE | PE | UP : OE | PE);
  }
  if (e < 1) {
    if ((mode & UE) == 0) return UE;
    const shifted = shiftRightJam(norm, 0, 1 - exp);
    rounded = roundSig(sign, shifted, shiftRest, drop, rc);
    // A carry into the integer bit makes the exponent field 1 by itself.
    return bitsResult(signBits | (rounded >> drop), roundFlags ? roundFlags | UE : 0);
  }
  return bitsResult(signBits | (u64(e) << fracBits) | ((rounded >> drop) & fracMask), roundFlags);
}

/**
 * Rounds to a signed integer of `bits` (16, 32, 64) bits into `rBits`. Out of range, NaN, infinity and unsupported
 * give IE and the integer indefinite (most negative value).
 */
export function f80ToInt(se: i32, sig: u64, bits: i32, mode: i32): i32 {
  const indefinite = u64(i64(-1) << (bits - 1));
  const e = (se & EXP_MAX) - BIAS;
  if (e > 63 || isUnsupported(se, sig)) return bitsResult(indefinite, IE);
  const sign = se & SIGN;
  const whole = e < -64 ? 0 : shiftRightJam(sig, 0, 63 - e);
  const rest = e < -64 ? u64(sig != 0) : shiftRest;
  const magnitude = roundSig(sign, whole, rest, 0, mode & RC_MASK);
  const limit = (u64(1) << (bits - 1)) - u64(sign == 0);
  if (roundCarry || magnitude > limit) return bitsResult(indefinite, IE);
  return bitsResult(sign ? 0 - magnitude : magnitude, roundFlags);
}

/**
 * Rounds to an 18-digit packed decimal: low 16 digits in `rBits`, the two high digits and the sign (as bits 0..15) in
 * `rBcdHi`. Out of range, NaN, infinity and unsupported give IE and the packed decimal indefinite.
 */
export function f80ToBcd(se: i32, sig: u64, mode: i32): i32 {
  const flags = f80ToInt(se & EXP_MAX, sig, 64, signedMode(se, mode));
  let v = rBits;
  if (flags & IE || v > 999999999999999999) {
    rBcdHi = 0xffff;
    return bitsResult(DEFAULT_NAN_SIG, IE);
  }
  let lo: u64 = 0;
  for (let i = 0; i < 64; i += 4) {
    const q = v / 10;
    lo |= (v - q * 10) << i;
    v = q;
  }
  rBcdHi = (se & SIGN) | (i32(v) / 10 << 4) | i32(v) % 10;
  return bitsResult(lo, flags);
}
export let rBcdHi: i32 = 0;

/** `mode` with the rounding direction for the magnitude of a number with this sign. */
function signedMode(se: i32, mode: i32): i32 {
  const rc = mode & RC_MASK;
  if ((se & SIGN) == 0 || (rc != RC_DOWN && rc != RC_UP)) return mode;
  return mode ^ RC_MASK;
}

/** Rounds to an integral value in the direction of `mode`. */
export function f80RoundToInt(dst: usize, se: i32, sig: u64, mode: i32): i32 {
  if (isUnsupported(se, sig)) return invalid(dst, mode);
  if (isNan(se, sig)) return quietNan(dst, se, sig, mode);
  const e = (se & EXP_MAX) - BIAS;
  if (e >= 63 || isZero(se, sig)) return result(dst, se, sig, 0);
  const flags = isDenormal(se, sig) ? DE : 0;
  if (flags & ~mode) return flags;
  const sign = se & SIGN;
  if (e < 0) {
    // |x| < 1: round the fraction to 0 or 1.
    const one = roundSig(sign, 0, e == -1 ? sig : 1, 0, mode & RC_MASK);
    if (one == 0) return result(dst, sign, 0, flags | roundFlags);
    return result(dst, sign | BIAS, INT_BIT, flags | roundFlags);
  }
  const rounded = roundSig(sign, sig, 0, 63 - e, mode & RC_MASK);
  if (roundCarry) return result(dst, se + 1, INT_BIT, flags | roundFlags);
  return result(dst, se, rounded, flags | roundFlags);
}
