// Representation, rounding and NaN rules of the 80-bit extended format, shared by all f80 operations (AssemblyScript).
//
// A value travels as two arguments: `se` (i32: sign in bit 15, biased exponent in bits 0..14) and `sig` (u64 with the
// explicit integer bit 63). An operation stores its result at the address `dst` (sig at 0, se at 8; it may be where an
// operand came from) and returns the exceptions it raised.
//
// `mode` is laid out as the x87 control word: exception masks in bits 0..5 (1 = masked), precision control in bits
// 8..9 (0 = 24, 2 = 53, 1 and 3 = 64 bits), rounding control in bits 10..11 (0 = nearest even, 1 = down, 2 = up,
// 3 = toward zero). The returned flags are laid out as the status word: exceptions in bits 0..5, `UP` in bit 9.
// When an unmasked IE, DE or ZE is among the flags, nothing is stored.
// Source of the rules: Intel SDM vol. 1 chapters 4.8, 4.9 and 8; checked against the host CPU.

export const IE: i32 = 0x01;
export const DE: i32 = 0x02;
export const ZE: i32 = 0x04;
export const OE: i32 = 0x08;
export const UE: i32 = 0x10;
export const PE: i32 = 0x20;
/** The magnitude was increased by rounding (C1 in the status word). */
export const UP: i32 = 0x200;
/** Exceptions that leave the destination alone when unmasked. */
export const ABORTING: i32 = IE | DE | ZE;

export const SIGN: i32 = 0x8000;
export const EXP_MAX: i32 = 0x7fff;
export const BIAS: i32 = 0x3fff;
/** Exponent adjustment of a result whose overflow or underflow is unmasked. */
export const WRAP: i32 = 0x6000;
export const INT_BIT: u64 = 0x8000000000000000;
export const QUIET_BIT: u64 = 0x4000000000000000;
export const DEFAULT_NAN_SIG: u64 = 0xc000000000000000;

export const RC_NEAREST: i32 = 0;
export const RC_DOWN: i32 = 0x400;
export const RC_UP: i32 = 0x800;
export const RC_ZERO: i32 = 0xc00;
export const RC_MASK: i32 = 0xc00;
export const PC_MASK: i32 = 0x300;
export const PC_64: i32 = 0x300;
/** Set where precision control asks for all 64 bits, whether it is 1 or 3. */
const PC_LONG: i32 = 0x100;

/** Stores the result and passes `flags` through, so that a special case is one line. */
// @ts-ignore: decorator
@inline
export function result(dst: usize, se: i32, sig: u64, flags: i32): i32 {
  store<u64>(dst, sig);
  store<i32>(dst, se, 8);
  return flags;
}

/** `result`, but nothing is stored if an exception among `flags` is unmasked and aborting. */
export function resultIfMasked(dst: usize, se: i32, sig: u64, flags: i32, mode: i32): i32 {
  if (flags & ~mode & ABORTING) return flags;
  return result(dst, se, sig, flags);
}

// @ts-ignore: decorator
@inline
export function expOf(se: i32): i32 {
  return se & EXP_MAX;
}

/** Both operands are normal numbers: the common case, decided without branches. */
// @ts-ignore: decorator
@inline
export function bothNormal(aSe: i32, aSig: u64, bSe: i32, bSig: u64): bool {
  return (
    (u32((aSe & EXP_MAX) - 1) < 0x7ffe) & (u32((bSe & EXP_MAX) - 1) < 0x7ffe) & (i32((aSig & bSig) >> 63))
  ) != 0;
}

/** Unnormal, pseudo-NaN or pseudo-infinity: an encoding the 80387 and later treat as an invalid operand. */
// @ts-ignore: decorator
@inline
export function isUnsupported(se: i32, sig: u64): bool {
  return (se & EXP_MAX) != 0 && <i64>sig >= 0;
}

/** NaN among supported encodings. */
// @ts-ignore: decorator
@inline
export function isNan(se: i32, sig: u64): bool {
  return (se & EXP_MAX) == EXP_MAX && sig << 1 != 0;
}

// @ts-ignore: decorator
@inline
export function isSignaling(se: i32, sig: u64): bool {
  return isNan(se, sig) && (sig & QUIET_BIT) == 0;
}

// @ts-ignore: decorator
@inline
export function isInf(se: i32, sig: u64): bool {
  return (se & EXP_MAX) == EXP_MAX && sig == INT_BIT;
}

// @ts-ignore: decorator
@inline
export function isZero(se: i32, sig: u64): bool {
  return ((se & EXP_MAX) | i32(sig != 0)) == 0;
}

/** Denormal or pseudo-denormal. */
// @ts-ignore: decorator
@inline
export function isDenormal(se: i32, sig: u64): bool {
  return (se & EXP_MAX) == 0 && sig != 0;
}

/** The default NaN ("real indefinite") with an invalid-operation exception. */
export function invalid(dst: usize, mode: i32): i32 {
  return resultIfMasked(dst, SIGN | EXP_MAX, DEFAULT_NAN_SIG, IE, mode);
}

/**
 * NaN result of a two-operand operation, at least one operand being a NaN and neither being unsupported: of two NaNs
 * a quiet one wins over a signaling one, otherwise the larger significand, on a tie the positive one. The result is
 * quiet; IE if either signals.
 */
export function propagateNan(dst: usize, aSe: i32, aSig: u64, bSe: i32, bSig: u64, mode: i32): i32 {
  const aNan = isNan(aSe, aSig);
  const bNan = isNan(bSe, bSig);
  const aSnan = aNan && (aSig & QUIET_BIT) == 0;
  const bSnan = bNan && (bSig & QUIET_BIT) == 0;
  let takeA = aNan;
  if (aNan && bNan) {
    if (aSnan != bSnan) takeA = bSnan;
    else takeA = aSig > bSig || (aSig == bSig && aSe <= bSe);
  }
  const flags = aSnan || bSnan ? IE : 0;
  return resultIfMasked(dst, takeA ? aSe : bSe, (takeA ? aSig : bSig) | QUIET_BIT, flags, mode);
}

/** NaN result of a one-operand operation on a NaN. */
export function quietNan(dst: usize, se: i32, sig: u64, mode: i32): i32 {
  return resultIfMasked(dst, se, sig | QUIET_BIT, sig & QUIET_BIT ? 0 : IE, mode);
}

/** Exponent of the operand last passed to `normalize`; may be zero or negative. */
export let nExp: i32 = 0;

/** Significand with bit 63 set of a non-zero finite number; its exponent goes to `nExp`. */
export function normalize(se: i32, sig: u64): u64 {
  const exp = se & EXP_MAX;
  if (exp != 0) {
    nExp = exp;
    return sig;
  }
  const shift = i32(clz(sig));
  nExp = 1 - shift;
  return sig << shift;
}

/** High 64 bits of the 128-bit product. (The build puts `i64.mul_wide_u` in its place, which AssemblyScript lacks.) */
export function mulHigh(a: u64, b: u64): u64 {
  const aLo = a & 0xffffffff;
  const aHi = a >> 32;
  const bLo = b & 0xffffffff;
  const bHi = b >> 32;
  const mid = aHi * bLo + ((aLo * bLo) >> 32);
  return aHi * bHi + (mid >> 32) + ((aLo * bHi + (mid & 0xffffffff)) >> 32);
}

/** Remainder of the last `divide128`. */
export let divRem: u64 = 0;

/** floor((hi:lo) / d) for hi < d and bit 63 of d set; the remainder goes to `divRem`. Two base-2^32 digits. */
export function divide128(hi: u64, lo: u64, d: u64): u64 {
  const dHi = d >> 32;
  const dLo = d & 0xffffffff;
  let q1 = hi / dHi;
  let r = hi - q1 * dHi;
  const lo1 = lo >> 32;
  // The digit estimate is at most 2 too large; r growing past 32 bits ends the correction.
  while (q1 >> 32 || q1 * dLo > ((r << 32) | lo1)) {
    q1--;
    r += dHi;
    if (r >> 32) break;
  }
  const mid = (hi << 32) + lo1 - q1 * d;
  let q0 = mid / dHi;
  r = mid - q0 * dHi;
  const lo0 = lo & 0xffffffff;
  while (q0 >> 32 || q0 * dLo > ((r << 32) | lo0)) {
    q0--;
    r += dHi;
    if (r >> 32) break;
  }
  divRem = (mid << 32) + lo0 - q0 * d;
  return (q1 << 32) + q0;
}

/** Low part of the last `shiftRightJam`. */
export let shiftRest: u64 = 0;

/** (sig:rest) >> n, n >= 0, with everything shifted out ORed into the lowest bit of the rest; returns the high part. */
export function shiftRightJam(sig: u64, rest: u64, n: i32): u64 {
  if (n == 0) {
    shiftRest = rest;
    return sig;
  }
  if (n < 64) {
    shiftRest = (sig << (64 - n)) | (rest >> n) | u64(rest << (64 - n) != 0);
    return sig >> n;
  }
  if (n < 128) {
    const m = n - 64;
    const lost = m == 0 ? rest : (sig << (64 - m)) | rest;
    shiftRest = (sig >> m) | u64(lost != 0);
    return 0;
  }
  shiftRest = u64((sig | rest) != 0);
  return 0;
}
/** Bits of a 64-bit significand below the precision `mode` asks for. */
// @ts-ignore: decorator
@inline
export function droppedBits(mode: i32): i32 {
  const pc = mode & PC_MASK;
  return pc == 0 ? 40 : pc == 0x200 ? 11 : 0;
}

/** Whether the last `roundSig` was inexact, whether it went up, and whether it carried out of bit 63. */
export let roundFlags: i32 = 0;
export let roundCarry: bool = false;

/**
 * Rounds sig:rest to a significand whose low `drop` (0..63) bits are zero. On a carry out of bit 63 the returned
 * significand is 0 and `roundCarry` true. `roundFlags` becomes 0, PE or PE|UP.
 */
export function roundSig(sign: i32, sig: u64, rest: u64, drop: i32, rc: i32): u64 {
  let half: bool;
  let sticky: bool;
  let kept = sig;
  let unit: u64 = 1;
  if (drop == 0) {
    half = <i64>rest < 0;
    sticky = rest << 1 != 0;
  } else {
    unit = u64(1) << drop;
    const low = sig & (unit - 1);
    kept = sig - low;
    half = (low & (unit >> 1)) != 0;
    sticky = ((low & ((unit >> 1) - 1)) | rest) != 0;
  }
  roundCarry = false;
  if (!half && !sticky) {
    roundFlags = 0;
    return kept;
  }
  let up: bool;
  if (rc == RC_NEAREST) up = half && (sticky || (kept & unit) != 0);
  else if (rc == RC_DOWN) up = sign != 0;
  else if (rc == RC_UP) up = sign == 0;
  else up = false;
  roundFlags = PE;
  if (up) {
    roundFlags = PE | UP;
    kept += unit;
    roundCarry = kept == 0;
  }
  return kept;
}

/**
 * Rounds ±(sig + rest/2^64) * 2^(exp - BIAS - 63), bit 63 of sig set, to the precision and in the direction of
 * `mode` and stores the result. `sign` is 0 or SIGN; `exp` may lie outside the format's range.
 */
// @ts-ignore: decorator
@inline
export function roundPack(dst: usize, sign: i32, exp: i32, sig: u64, rest: u64, mode: i32): i32 {
  if ((mode & (PC_MASK | RC_MASK)) == PC_64 && u32(exp - 1) < 0x7ffd) {
    // Up when above half, or half and odd.
    const up = u64((rest | (sig & 1)) > INT_BIT);
    sig += up;
    if (sig == 0) {
      sig = INT_BIT;
      exp++;
    }
    return result(dst, sign | exp, sig, rest == 0 ? 0 : PE | (i32(up) << 9));
  }
  if ((mode & (PC_LONG | RC_MASK)) == 0 && u32(exp - 1) < 0x7ffd) return roundShort(dst, sign, exp, sig, rest, mode);
  return roundPackFull(dst, sign, exp, sig, rest, mode);
}

/** `roundPack` to 53 or 24 bits, to nearest, of a number whose exponent does not come to its limits. */
function roundShort(dst: usize, sign: i32, exp: i32, sig: u64, rest: u64, mode: i32): i32 {
  const drop = mode & 0x200 ? 11 : 40;
  const unit = u64(1) << drop;
  // Twice what is dropped, and whether anything follows.
  const low = sig & (unit - 1);
  const tail = (low << 1) | u64(rest != 0);
  // Up when above half, or half and odd.
  const up = (tail | ((sig >> drop) & 1)) > unit;
  sig = sig - low + (up ? unit : 0);
  if (sig == 0) {
    sig = INT_BIT;
    exp++;
  }
  return result(dst, sign | exp, sig, tail == 0 ? 0 : PE | (i32(up) << 9));
}

/**
 * `roundPack` for every precision, direction and exponent. Unmasked overflow and underflow wrap the exponent; what is
 * too large or small even for that (FSCALE can be) becomes infinity or zero in any rounding direction.
 */
export function roundPackFull(dst: usize, sign: i32, exp: i32, sig: u64, rest: u64, mode: i32): i32 {
  const drop = droppedBits(mode);
  const rc = mode & RC_MASK;
  let rounded = roundSig(sign, sig, rest, drop, rc);
  let flags = roundFlags;
  let e = exp;
  if (roundCarry) {
    rounded = INT_BIT;
    e++;
  }
  if (e > 0x7ffe) {
    if (mode & OE) return overflow(dst, sign, drop, rc);
    if (e - WRAP <= 0x7ffe) return result(dst, sign | (e - WRAP), rounded, flags | OE);
    return result(dst, sign | EXP_MAX, INT_BIT, OE | PE | UP);
  }
  if (e < 1) {
    // Tininess is detected after rounding with an unbounded exponent.
    if ((mode & UE) == 0) {
      if (e + WRAP >= 1) return result(dst, sign | (e + WRAP), rounded, flags | UE);
      return result(dst, sign, 0, UE | PE);
    }
    const shifted = shiftRightJam(sig, rest, 1 - exp);
    rounded = roundSig(sign, shifted, shiftRest, drop, rc);
    flags = roundFlags;
    // A denormal rounded up to the smallest normal gets its integer bit and with it exponent 1.
    return result(dst, sign | i32(rounded >> 63), rounded, flags ? flags | UE : 0);
  }
  return result(dst, sign | e, rounded, flags);
}

/** The masked overflow response: infinity or the largest finite number of the precision. */
function overflow(dst: usize, sign: i32, drop: i32, rc: i32): i32 {
  const toInf = rc == RC_NEAREST || rc == (sign ? RC_DOWN : RC_UP);
  if (toInf) return result(dst, sign | EXP_MAX, INT_BIT, OE | PE | UP);
  return result(dst, sign | 0x7ffe, ~((u64(1) << drop) - 1), OE | PE);
}
