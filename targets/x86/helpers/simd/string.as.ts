// Comparison of strings in vectors (SDM vol. 1, 12.12, and vol. 2, 4.1): PCMPISTRx and PCMPESTRx (AssemblyScript).

const CF: i32 = 0x1;
const ZF: i32 = 0x40;
const SF: i32 = 0x80;
const OF: i32 = 0x800;

// Fields of the immediate.
const WORDS: i32 = 1;
const SIGNED: i32 = 2;

/** Bits of the elements of b that equal element i of a. */
// @ts-ignore: decorator
@inline
function equals(a: v128, b: v128, i: i32, words: bool): i32 {
  return words
    ? i16x8.bitmask(i16x8.eq(b, element(a, i, true)))
    : i8x16.bitmask(i8x16.eq(b, element(a, i, false)));
}

/** Element i of a in all places. */
// @ts-ignore: decorator
@inline
function element(a: v128, i: i32, words: bool): v128 {
  if (!words) return i8x16.swizzle(a, i8x16.splat(<i8>i));
  return i8x16.swizzle(a, v128.or(i8x16.splat(<i8>(i << 1)), i16x8.splat(0x0100)));
}

/** Bits of the elements of b within element i and element i + 1 of a. */
function within(a: v128, b: v128, i: i32, imm: i32): i32 {
  const words = (imm & WORDS) != 0;
  const low = element(a, i, words);
  const high = element(a, i + 1, words);
  if (words) {
    return imm & SIGNED
      ? i16x8.bitmask(v128.and(i16x8.ge_s(b, low), i16x8.le_s(b, high)))
      : i16x8.bitmask(v128.and(i16x8.ge_u(b, low), i16x8.le_u(b, high)));
  }
  return imm & SIGNED
    ? i8x16.bitmask(v128.and(i8x16.ge_s(b, low), i8x16.le_s(b, high)))
    : i8x16.bitmask(v128.and(i8x16.ge_u(b, low), i8x16.le_u(b, high)));
}

/** The comparison of the first `la` elements of a with the first `lb` of b: flags << 16 | bits of IntRes2. */
function compare(a: v128, b: v128, la: i32, lb: i32, imm: i32): i32 {
  const words = (imm & WORDS) != 0;
  const count = words ? 8 : 16;
  const all = (1 << count) - 1;
  const validA = (1 << la) - 1;
  const validB = (1 << lb) - 1;
  let result = 0;
  switch ((imm >> 2) & 3) {
    case 0: // equal any
      for (let i = 0; i < la; i++) result |= equals(a, b, i, words);
      result &= validB;
      break;
    case 1: // ranges
      for (let i = 0; i + 1 < la; i += 2) result |= within(a, b, i, imm);
      result &= validB;
      break;
    case 2: // equal each
      result = words ? i16x8.bitmask(i16x8.eq(a, b)) : i8x16.bitmask(i8x16.eq(a, b));
      result = (result & validA & validB) | (all & ~(validA | validB));
      break;
    default: // equal ordered: what would lie beyond the end counts as equal
      result = all;
      for (let i = 0; i < la; i++) result &= ((equals(a, b, i, words) & validB) >> i) | ~(all >> i);
      break;
  }
  if (imm & 0x10) result ^= imm & 0x20 ? validB : all;
  let flags = 0;
  if (result != 0) flags |= CF;
  if (lb < count) flags |= ZF;
  if (la < count) flags |= SF;
  if (result & 1) flags |= OF;
  return (flags << 16) | result;
}

/** Elements before the first zero. */
// @ts-ignore: decorator
@inline
function lengthOf(x: v128, imm: i32): i32 {
  const zero = i8x16.splat(0);
  return imm & WORDS ? ctz<i32>(i16x8.bitmask(i16x8.eq(x, zero)) | 0x100) : ctz<i32>(i8x16.bitmask(i8x16.eq(x, zero)) | 0x10000);
}

/** PCMPISTRI, PCMPISTRM: flags << 16 | IntRes2. */
export function pcmpistr(env: usize, a: v128, b: v128, imm: i32): i32 {
  return compare(a, b, lengthOf(a, imm), lengthOf(b, imm), imm);
}

/** A length in a register: its absolute value, at most the number of elements. */
// @ts-ignore: decorator
@inline
function clampLength(value: i32, imm: i32): i32 {
  const magnitude: u32 = value < 0 ? 0 - value : value;
  return min<u32>(magnitude, imm & WORDS ? 8 : 16);
}

/** PCMPESTRI, PCMPESTRM with the lengths in EAX and EDX. */
export function pcmpestr(env: usize, a: v128, b: v128, imm: i32, la: i32, lb: i32): i32 {
  return compare(a, b, clampLength(la, imm), clampLength(lb, imm), imm);
}
