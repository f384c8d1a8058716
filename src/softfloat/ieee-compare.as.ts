// Comparison, minimum and maximum of f16, f32 and f64 (AssemblyScript).
//
// Conventions of operands, `mode` and `raised`: see ieee-core.as.ts.

import {
  BY_SNAN, IE, isNan, isSignaling, isZero, noteDenormal, operand, propagate2, raise, setRaised, signOf, withoutSign,
} from './ieee-core.as';

export const LESS: i32 = -1;
export const EQUAL: i32 = 0;
export const GREATER: i32 = 1;
export const UNORDERED: i32 = 2;

/** Order of two values that are no NaNs; zeros are equal. */
// @ts-ignore: decorator
@inline
function order<F>(a: u64, b: u64): i32 {
  if (withoutSign<F>(a | b) == 0 || a == b) return EQUAL;
  const aSign = signOf<F>(a);
  if (aSign != signOf<F>(b)) return aSign ? LESS : GREATER;
  return a < b == (aSign == 0) ? LESS : GREATER;
}

/** The relation of a to b. A quiet NaN raises IE only if `signalQuiet`. */
export function compare<F>(a: u64, b: u64, signalQuiet: bool, mode: i32): i32 {
  setRaised(0);
  a = operand<F>(a, mode);
  b = operand<F>(b, mode);
  if (isNan<F>(a) || isNan<F>(b)) {
    if (isSignaling<F>(a, mode) || isSignaling<F>(b, mode)) raise(IE | BY_SNAN);
    else if (signalQuiet) raise(IE);
    return UNORDERED;
  }
  noteDenormal<F>(a);
  noteDenormal<F>(b);
  return order<F>(a, b);
}

// ---- variants of `minMax`, to be ORed
/** The larger one, not the smaller one. */
export const MAXIMUM: i32 = 1;
/** A number wins over a quiet NaN (IEEE 754-2008 minNum). */
export const NUMBER_WINS: i32 = 2;
/** The second operand when either is a NaN, which raises IE, or when both are zeros (x86). */
export const SECOND_WINS: i32 = 4;
/** Magnitudes are compared; values when they are equal. */
export const MAGNITUDE: i32 = 8;

/** The smaller or larger of a and b; -0 is below +0 except by `SECOND_WINS`. */
export function minMax<F>(a: u64, b: u64, variant: i32, mode: i32): u64 {
  setRaised(0);
  a = operand<F>(a, mode);
  b = operand<F>(b, mode);
  const aNan = isNan<F>(a);
  const bNan = isNan<F>(b);
  if (aNan || bNan) {
    if (variant & SECOND_WINS) {
      raise(isSignaling<F>(a, mode) || isSignaling<F>(b, mode) ? IE | BY_SNAN : IE);
      return b;
    }
    if ((variant & NUMBER_WINS) != 0 && aNan != bNan) {
      if (aNan && !isSignaling<F>(a, mode)) {
        noteDenormal<F>(b);
        return b;
      }
      if (bNan && !isSignaling<F>(b, mode)) {
        noteDenormal<F>(a);
        return a;
      }
    }
    return propagate2<F>(a, b, mode);
  }
  noteDenormal<F>(a);
  noteDenormal<F>(b);
  if (variant & SECOND_WINS) {
    const relation = order<F>(a, b);
    return relation == (variant & MAXIMUM ? GREATER : LESS) ? a : b;
  }
  if (variant & MAGNITUDE) {
    const aSize = withoutSign<F>(a);
    const bSize = withoutSign<F>(b);
    if (aSize != bSize) return aSize < bSize == ((variant & MAXIMUM) == 0) ? a : b;
  }
  // Of two zeros a negative one is below.
  const less = isZero<F>(a) && isZero<F>(b) ? signOf<F>(a) != 0 : order<F>(a, b) == LESS;
  return less == ((variant & MAXIMUM) == 0) ? a : b;
}
