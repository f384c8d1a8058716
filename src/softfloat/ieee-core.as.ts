// Representation, rounding and NaN rules of the IEEE formats f16, f32 and f64, shared by all their operations (AssemblyScript).
//
// A value travels as its bits in a u64. The type parameter F names its format: u16 f16, u32 f32, u64 f64, and i16 ARM's
// alternative f16, which has a 17th binade in place of infinities and NaNs (conversions only).
//
// `mode` says how to compute; it is made by the guest's glue from its control register and from what its manual says
// of its kind of processor (constants below). What was raised is in `raised` after each operation, which sets it afresh.
// Nothing is trapped here: the glue looks at `raised` before it delivers a result.
// Source of the rules: IEEE 754-2008; what it leaves open is a bit of `mode`. Checked against the host CPU.

import { DE, IE, OE, PE, UE, ZE } from './f80-core.as';

export { DE, IE, OE, PE, UE, ZE };

// ---- exceptions, in the order of MXCSR and the x87 status word
/** An operand was a denormal and was taken as zero because of `DAZ`. (`DE`: was a denormal and was used.) */
export const FLUSHED_IN: i32 = 0x40;
/** Rounding made the magnitude larger. */
export const ROUNDED_UP: i32 = 0x80;
// Why IE was raised.
export const BY_SNAN: i32 = 0x100;
export const BY_INF_MINUS_INF: i32 = 0x200;
export const BY_INF_OVER_INF: i32 = 0x400;
export const BY_ZERO_OVER_ZERO: i32 = 0x800;
export const BY_INF_TIMES_ZERO: i32 = 0x1000;
export const BY_SQRT: i32 = 0x2000;
export const BY_CONVERSION: i32 = 0x4000;

// ---- mode: rounding
export const RM_MASK: i32 = 7;
export const RM_NEAREST: i32 = 0;
export const RM_DOWN: i32 = 1;
export const RM_UP: i32 = 2;
export const RM_ZERO: i32 = 3;
/** To nearest, ties away from zero. */
export const RM_AWAY: i32 = 4;
/** Inexact results get an odd last bit: a later rounding to a narrower format is then as if it were the only one. */
export const RM_ODD: i32 = 5;

// ---- mode: denormals
/** Denormal operands are zeros. */
export const DAZ: i32 = 0x08;
/** Tiny results are zeros. */
export const FTZ: i32 = 0x10;
/** Such a flush raises UE only (ARM), not PE as well (x86). */
export const FLUSH_IS_EXACT: i32 = 0x20;
/** Tiny is what is below the least normal number before rounding (ARM, PowerPC), not after it (x86, MIPS). */
export const TINY_BEFORE: i32 = 0x40;
/**
 * Underflow is unmasked: tiny results raise UE also when they are exact. PE is for what an unbounded exponent would leave
 * inexact.
 */
export const UNMASKED_UNDERFLOW: i32 = 0x80;
/** Overflow is unmasked: PE is for what an unbounded exponent would leave inexact. The result has no meaning. */
export const UNMASKED_OVERFLOW: i32 = 0x2000;

// ---- mode: NaNs
export const NAN_RULE: i32 = 0x700;
/** The first operand that is a NaN; the default NaN is negative. */
export const NAN_X86: i32 = 0x000;
/** The first signaling one, else the first; the addend of a fused multiplication comes first. */
export const NAN_ARM: i32 = 0x100;
/** The first; the addend comes after the first factor. */
export const NAN_PPC: i32 = 0x200;
/** The last signaling one, else the last. Every bit of the default NaN but the sign is set. */
export const NAN_SPARC: i32 = 0x300;
/** The first signaling one, else the first; the addend comes first (MIPS with NAN2008). */
export const NAN_MIPS: i32 = 0x400;
/** Every NaN result is the default NaN. */
export const DEFAULT_NAN: i32 = 0x800;
/** The quiet bit means signaling (MIPS before NAN2008; implies DEFAULT_NAN). */
export const SNAN_BIT_ONE: i32 = 0x1000;

/** Exceptions of the last operation. */
export let raised: i32 = 0;

// @ts-ignore: decorator
@inline
export function setRaised(flags: i32): void {
  raised = flags;
}

// @ts-ignore: decorator
@inline
export function raise(flags: i32): void {
  raised |= flags;
}

// ---- formats

// @ts-ignore: decorator
@inline
export function fracBits<F>(): i32 {
  return sizeof<F>() == 2 ? 10 : sizeof<F>() == 4 ? 23 : 52;
}

/** The exponent field of infinities and NaNs; the alternative f16 has none within 5 bits. */
// @ts-ignore: decorator
@inline
export function expTop<F>(): i32 {
  return isSigned<F>() ? 32 : sizeof<F>() == 2 ? 31 : sizeof<F>() == 4 ? 255 : 2047;
}

// @ts-ignore: decorator
@inline
export function bias<F>(): i32 {
  return sizeof<F>() == 2 ? 15 : sizeof<F>() == 4 ? 127 : 1023;
}

// @ts-ignore: decorator
@inline
export function signBit<F>(): i32 {
  return i32(sizeof<F>()) * 8 - 1;
}

// @ts-ignore: decorator
@inline
export function fracMask<F>(): u64 {
  return (u64(1) << fracBits<F>()) - 1;
}

/** Bits of positive infinity. */
// @ts-ignore: decorator
@inline
export function infBits<F>(): u64 {
  return u64(expTop<F>()) << fracBits<F>();
}

// @ts-ignore: decorator
@inline
export function signOf<F>(a: u64): u64 {
  return a >> signBit<F>();
}

// @ts-ignore: decorator
@inline
export function withoutSign<F>(a: u64): u64 {
  return a & ((u64(1) << signBit<F>()) - 1);
}

// @ts-ignore: decorator
@inline
export function expField<F>(a: u64): i32 {
  return i32(a >> fracBits<F>()) & (isSigned<F>() ? 31 : expTop<F>());
}

/** A zero of the given sign (0 or 1). */
// @ts-ignore: decorator
@inline
export function zero<F>(sign: u64): u64 {
  return sign << signBit<F>();
}

// @ts-ignore: decorator
@inline
export function infinity<F>(sign: u64): u64 {
  return (sign << signBit<F>()) | infBits<F>();
}

// @ts-ignore: decorator
@inline
export function isNormal<F>(a: u64): bool {
  return u32(expField<F>(a) - 1) < u32(expTop<F>() - 1);
}

// @ts-ignore: decorator
@inline
export function isNan<F>(a: u64): bool {
  return withoutSign<F>(a) > infBits<F>();
}

// @ts-ignore: decorator
@inline
export function isInf<F>(a: u64): bool {
  return withoutSign<F>(a) == infBits<F>();
}

// @ts-ignore: decorator
@inline
export function isZero<F>(a: u64): bool {
  return withoutSign<F>(a) == 0;
}

// @ts-ignore: decorator
@inline
export function isDenormal<F>(a: u64): bool {
  return u64(withoutSign<F>(a) - 1) < fracMask<F>();
}

// @ts-ignore: decorator
@inline
function quietBit<F>(): u64 {
  return u64(1) << (fracBits<F>() - 1);
}

/** A NaN that signals. */
// @ts-ignore: decorator
@inline
export function isSignaling<F>(a: u64, mode: i32): bool {
  return isNan<F>(a) && ((a & quietBit<F>()) != 0) == ((mode & SNAN_BIT_ONE) != 0);
}

/** Significand of a normal number, bit 63 set. */
// @ts-ignore: decorator
@inline
export function normalSig<F>(a: u64): u64 {
  return ((a & fracMask<F>()) << (63 - fracBits<F>())) | 0x8000000000000000;
}

/** Biased exponent of the number last given to `normalize`; may be zero or negative. */
export let normExp: i32 = 0;

/** Significand (bit 63 set) of a finite number other than zero; its exponent goes to `normExp`. */
export function normalize<F>(a: u64): u64 {
  const exp = expField<F>(a);
  if (exp != 0) {
    normExp = exp;
    return normalSig<F>(a);
  }
  const frac = (a & fracMask<F>()) << (63 - fracBits<F>());
  const shift = i32(clz(frac));
  normExp = 1 - shift;
  return frac << shift;
}

// ---- operands

/** A denormal operand under `DAZ` becomes a zero; others stay. Raises FLUSHED_IN. */
// @ts-ignore: decorator
@inline
export function operand<F>(a: u64, mode: i32): u64 {
  if ((mode & DAZ) != 0 && isDenormal<F>(a)) {
    raised |= FLUSHED_IN;
    return a & (u64(1) << signBit<F>());
  }
  return a;
}

/** Raises DE if a is a denormal. */
// @ts-ignore: decorator
@inline
export function noteDenormal<F>(a: u64): void {
  if (isDenormal<F>(a)) raised |= DE;
}

// ---- NaNs

export function defaultNan<F>(mode: i32): u64 {
  const rule = mode & NAN_RULE;
  if (mode & SNAN_BIT_ONE) return infBits<F>() | (quietBit<F>() - 1);
  if (rule == NAN_SPARC) return infBits<F>() | fracMask<F>();
  return (u64(rule == NAN_X86) << signBit<F>()) | infBits<F>() | quietBit<F>();
}

/** The result of an invalid operation. */
export function invalid<F>(why: i32, mode: i32): u64 {
  raised |= IE | why;
  return defaultNan<F>(mode);
}

/** The quiet form of a NaN that an operation passes on. */
export function quiet<F>(a: u64, mode: i32): u64 {
  if (mode & (DEFAULT_NAN | SNAN_BIT_ONE)) return defaultNan<F>(mode);
  return a | quietBit<F>();
}

/** NaN result of an operation on one operand, which is a NaN. */
export function propagate1<F>(a: u64, mode: i32): u64 {
  if (isSignaling<F>(a, mode)) raised |= IE | BY_SNAN;
  return quiet<F>(a, mode);
}

/** NaN result of an operation on two operands, at least one being a NaN. */
export function propagate2<F>(a: u64, b: u64, mode: i32): u64 {
  const aSignals = isSignaling<F>(a, mode);
  const bSignals = isSignaling<F>(b, mode);
  if (aSignals || bSignals) raised |= IE | BY_SNAN;
  const rule = mode & NAN_RULE;
  let takeA = isNan<F>(a);
  if (rule == NAN_SPARC) takeA = bSignals ? false : aSignals || !isNan<F>(b);
  else if (rule == NAN_ARM || rule == NAN_MIPS) takeA = aSignals || (!bSignals && takeA);
  return quiet<F>(takeA ? a : b, mode);
}

/** NaN result of a * b + c, at least one operand being a NaN; whether a * b alone is invalid is `product`. */
export function propagate3<F>(a: u64, b: u64, c: u64, product: bool, mode: i32): u64 {
  const rule = mode & NAN_RULE;
  const signals = isSignaling<F>(a, mode) || isSignaling<F>(b, mode) || isSignaling<F>(c, mode);
  if (signals) raised |= IE | BY_SNAN;
  if (product && rule != NAN_X86) {
    // The addend is the only NaN.
    raised |= IE | BY_INF_TIMES_ZERO;
    if (rule == NAN_ARM && !signals) return defaultNan<F>(mode);
  }
  let first = a;
  let second = b;
  let third = c;
  if (rule == NAN_ARM || rule == NAN_MIPS) {
    first = c;
    second = a;
    third = b;
  } else if (rule == NAN_PPC) {
    second = c;
    third = b;
  } else if (rule == NAN_SPARC) {
    first = c;
    third = a;
  }
  const signalingFirst = rule != NAN_X86 && rule != NAN_PPC;
  if (signals && signalingFirst) {
    return quiet<F>(isSignaling<F>(first, mode) ? first : isSignaling<F>(second, mode) ? second : third, mode);
  }
  return quiet<F>(isNan<F>(first) ? first : isNan<F>(second) ? second : third, mode);
}

// ---- rounding

/** sig >> n with everything shifted out ORed into the lowest bit; n >= 0. */
// @ts-ignore: decorator
@inline
export function jam(sig: u64, n: i32): u64 {
  if (n > 63) return u64(sig != 0);
  return (sig >> n) | u64((sig & ((u64(1) << n) - 1)) != 0);
}

/** What to add to a significand so that cutting off the bits of `mask` rounds it; not for `RM_ODD`. */
// @ts-ignore: decorator
@inline
export function roundIncrement(sign: u64, lowBit: u64, mask: u64, rm: i32): u64 {
  if (rm == RM_NEAREST) return (mask >> 1) + lowBit;
  if (rm == RM_AWAY) return (mask >> 1) + 1;
  if (rm == (sign ? RM_DOWN : RM_UP)) return mask;
  return 0;
}

/** Whether the last `cut` was inexact, and whether it carried out of bit 63. */
let cutInexact: bool = false;
let cutCarry: bool = false;

/** Rounds a significand so that the bits below the format's are zero; 0 with `cutCarry` when it reaches 2^64. */
// @ts-ignore: decorator
@inline
function cut<F>(sign: u64, sig: u64, rm: i32): u64 {
  const drop = 63 - fracBits<F>();
  const mask = (u64(1) << drop) - 1;
  cutInexact = (sig & mask) != 0;
  cutCarry = false;
  if (rm == RM_ODD) return cutInexact ? (sig | (mask + 1)) & ~mask : sig;
  const sum = sig + roundIncrement(sign, (sig >> drop) & 1, mask, rm);
  cutCarry = sum < sig;
  return sum & ~mask;
}

/**
 * The number ±sig * 2^(exp - bias - 63) in format F. Bit 63 of sig is set; its lowest bit stands for all that is below it.
 * `exp` may lie outside of the format's range.
 */
export function roundPack<F>(sign: u64, exp: i32, sig: u64, mode: i32): u64 {
  const drop = 63 - fracBits<F>();
  const rm = mode & RM_MASK;
  if (exp < 1) return roundTiny<F>(sign, exp, sig, mode);
  let rounded = cut<F>(sign, sig, rm);
  if (cutCarry) {
    rounded = 0x8000000000000000;
    exp++;
  }
  if (exp >= expTop<F>()) {
    if (mode & UNMASKED_OVERFLOW) {
      raised |= cutInexact ? OE | PE : OE;
      return infinity<F>(sign);
    }
    return overflow<F>(sign, rm);
  }
  if (cutInexact) raised |= rounded > sig || cutCarry ? PE | ROUNDED_UP : PE;
  // The integer bit adds one to the exponent field.
  return (sign << signBit<F>()) + (u64(exp - 1) << fracBits<F>()) + (rounded >> drop);
}

function overflow<F>(sign: u64, rm: i32): u64 {
  if (isSigned<F>()) {
    raised |= IE;
    return (sign << signBit<F>()) | 0x7fff;
  }
  const toInf = rm == RM_NEAREST || rm == RM_AWAY || rm == (sign ? RM_DOWN : RM_UP);
  raised |= toInf ? OE | PE | ROUNDED_UP : OE | PE;
  return toInf ? infinity<F>(sign) : infinity<F>(sign) - 1;
}

/** `roundPack` for an exponent below the format's. */
function roundTiny<F>(sign: u64, exp: i32, sig: u64, mode: i32): u64 {
  const drop = 63 - fracBits<F>();
  const rm = mode & RM_MASK;
  let tiny = true;
  if (exp == 0 && (mode & TINY_BEFORE) == 0) {
    // It is not when rounding without regard to the exponent reaches the least normal number.
    cut<F>(sign, sig, rm);
    tiny = !cutCarry;
  }
  if (tiny && (mode & FTZ) != 0) {
    raised |= mode & FLUSH_IS_EXACT ? UE : UE | PE;
    return zero<F>(sign);
  }
  if (tiny && (mode & UNMASKED_UNDERFLOW) != 0) {
    cut<F>(sign, sig, rm);
    raised |= cutInexact ? UE | PE : UE;
    return (sign << signBit<F>()) | (cut<F>(sign, jam(sig, 1 - exp), rm) >> drop);
  }
  const shifted = jam(sig, 1 - exp);
  const rounded = cut<F>(sign, shifted, rm);
  if (cutInexact) raised |= rounded > shifted ? PE | ROUNDED_UP : PE;
  if (tiny && cutInexact) raised |= UE;
  // Rounded up to the least normal number it has its integer bit, which is exponent 1.
  return (sign << signBit<F>()) | (rounded >> drop);
}
