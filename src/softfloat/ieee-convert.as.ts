// Conversions among f16, f32, f64 and integers, rounding to integral values and scaling (AssemblyScript).
//
// Conventions of operands, `mode` and `raised`: see ieee-core.as.ts.

import {
  BY_CONVERSION, BY_SNAN, IE, PE, RM_MASK, RM_ODD, ROUNDED_UP,
  bias, expField, fracBits, fracMask, infinity, isInf, isNan, isSignaling, isZero, jam, normExp,
  normalize, noteDenormal, operand, propagate1, quiet, raise, roundIncrement, roundPack, setRaised, signBit, signOf, zero,
} from './ieee-core.as';

/** a of format F in format G. A NaN keeps the leading bits of its payload and is quiet. */
export function convert<F, G>(a: u64, mode: i32): u64 {
  setRaised(0);
  a = operand<F>(a, mode);
  const sign = signOf<F>(a);
  if (!isSigned<F>()) {
    if (isNan<F>(a)) {
      if (isSigned<G>()) {
        raise(isSignaling<F>(a, mode) ? IE | BY_SNAN : IE);
        return zero<G>(sign);
      }
      if (isSignaling<F>(a, mode)) raise(IE | BY_SNAN);
      const payload = (a & fracMask<F>()) << (63 - fracBits<F>());
      const bits = infinity<G>(sign) | (payload >> (63 - fracBits<G>()));
      return quiet<G>(bits, mode);
    }
    if (isInf<F>(a)) {
      if (!isSigned<G>()) return infinity<G>(sign);
      raise(IE);
      return (sign << signBit<G>()) | 0x7fff;
    }
  }
  if (isZero<F>(a)) return zero<G>(sign);
  noteDenormal<F>(a);
  const sig = normalize<F>(a);
  return roundPack<G>(sign, normExp + (bias<G>() - bias<F>()), sig, mode);
}

/** a rounded to an integral value in the direction of `mode`; PE is raised only if `reportInexact`. */
export function roundToIntegral<F>(a: u64, reportInexact: bool, mode: i32): u64 {
  setRaised(0);
  a = operand<F>(a, mode);
  if (isNan<F>(a)) return propagate1<F>(a, mode);
  const e = expField<F>(a) - bias<F>();
  if (e >= fracBits<F>() || isZero<F>(a)) return a;
  noteDenormal<F>(a);
  const sign = signOf<F>(a);
  if (e < 0) {
    // Its magnitude is below 1: at least half, or less.
    const half = e == -1 ? (a & fracMask<F>()) != 0 ? u64(3) : u64(2) : u64(1);
    if (reportInexact) raise(PE);
    const one = (mode & RM_MASK) == RM_ODD ? u64(1) : (half + roundIncrement(sign, 0, 3, mode & RM_MASK)) >> 2;
    return one ? (sign << signBit<F>()) | (u64(bias<F>()) << fracBits<F>()) : zero<F>(sign);
  }
  const mask = fracMask<F>() >> e;
  if ((a & mask) == 0) return a;
  if (reportInexact) raise(PE);
  if ((mode & RM_MASK) == RM_ODD) return (a | (mask + 1)) & ~mask;
  // A carry out of the fraction is one more in the exponent, as it should be. The unit of 1.x is in the exponent: odd.
  const lowBit = e == 0 ? u64(1) : (a >> (fracBits<F>() - e)) & 1;
  return (a + roundIncrement(sign, lowBit, mask, mode & RM_MASK)) & ~mask;
}

/**
 * a * 2^scale rounded to an integer of `bits` (1 to 64) bits, signed or not, sign- or zero-extended. What does not fit
 * raises IE (and no PE) and gives the nearest integer that does; a NaN gives 0. Other answers are the glue's to make.
 */
export function toInteger<F>(a: u64, scale: i32, bits: i32, signed: bool, mode: i32): i64 {
  setRaised(0);
  a = operand<F>(a, mode);
  if (isNan<F>(a)) {
    raise(isSignaling<F>(a, mode) ? IE | BY_SNAN | BY_CONVERSION : IE | BY_CONVERSION);
    return 0;
  }
  if (isZero<F>(a)) return 0;
  const sign = signOf<F>(a);
  const top = signed ? (u64(1) << (bits - 1)) - u64(sign == 0) : sign ? 0 : u64(-1) >> (64 - bits);
  if (isInf<F>(a)) return outOfRange(sign, top);
  noteDenormal<F>(a);
  const sig = normalize<F>(a);
  const e = normExp - bias<F>() + scale;
  if (e > 63) return outOfRange(sign, top);
  // The integer part, and the fraction as a 64-bit numerator.
  const whole = e < 0 ? u64(0) : sig >> (63 - e);
  const rest = e >= 63 ? u64(0) : e >= 0 ? sig << (e + 1) : jam(sig, -1 - e);
  let magnitude = whole;
  if (rest != 0) {
    const rm = mode & RM_MASK;
    // Half in bit 1, everything below in bit 0.
    const part = ((rest >> 63) << 1) | u64(rest << 1 != 0);
    if (rm == RM_ODD) magnitude |= 1;
    else magnitude += (part + roundIncrement(sign, whole & 1, 3, rm)) >> 2;
    if (magnitude == 0 && whole != 0) return outOfRange(sign, top);
  }
  if (magnitude > top) return outOfRange(sign, top);
  if (rest != 0) raise(magnitude != whole ? PE | ROUNDED_UP : PE);
  return i64(sign ? 0 - magnitude : magnitude);
}

function outOfRange(sign: u64, top: u64): i64 {
  raise(IE | BY_CONVERSION);
  return i64(sign ? 0 - top : top);
}

/** A signed integer times 2^-scale. */
export function fromSigned<F>(v: i64, scale: i32, mode: i32): u64 {
  return fromMagnitude<F>(u64(v < 0), v < 0 ? 0 - u64(v) : u64(v), scale, mode);
}

/** An unsigned integer times 2^-scale. */
export function fromUnsigned<F>(v: u64, scale: i32, mode: i32): u64 {
  return fromMagnitude<F>(0, v, scale, mode);
}

function fromMagnitude<F>(sign: u64, magnitude: u64, scale: i32, mode: i32): u64 {
  setRaised(0);
  if (magnitude == 0) return 0;
  const shift = i32(clz(magnitude));
  return roundPack<F>(sign, bias<F>() + 63 - shift - scale, magnitude << shift, mode);
}

/** a * 2^n. */
export function scaleB<F>(a: u64, n: i32, mode: i32): u64 {
  setRaised(0);
  a = operand<F>(a, mode);
  if (isNan<F>(a)) return propagate1<F>(a, mode);
  if (isInf<F>(a) || isZero<F>(a)) return a;
  noteDenormal<F>(a);
  const sig = normalize<F>(a);
  // Beyond 2^13 every result overflows or underflows.
  const by = n > 0x2000 ? 0x2000 : n < -0x2000 ? -0x2000 : n;
  return roundPack<F>(signOf<F>(a), normExp + by, sig, mode);
}
