/** Bit operations on 32-bit integers held in JavaScript numbers. Results are signed int32 unless the name says otherwise. */

/** Rotates left; only the low 5 bits of `n` count. */
export function rotl32(v: number, n: number): number {
  return (v << n) | (v >>> -n);
}

/** Rotates right; only the low 5 bits of `n` count. */
export function rotr32(v: number, n: number): number {
  return (v >>> n) | (v << -n);
}

/** Number of leading zero bits, 0..32. */
export function clz32(v: number): number {
  return Math.clz32(v);
}

/** Number of trailing zero bits, 0..32. */
export function ctz32(v: number): number {
  return v === 0 ? 32 : 31 - Math.clz32(v & -v);
}

/** Number of one bits, 0..32. */
export function popcount32(v: number): number {
  v -= (v >>> 1) & 0x55555555;
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Exchanges the two bytes of the low half; the result is 0..0xffff. */
export function bswap16(v: number): number {
  return ((v >>> 8) & 0xff) | ((v & 0xff) << 8);
}

/** Exchanges the four bytes. */
export function bswap32(v: number): number {
  return (v << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24);
}

/** Sign extends the low `width` bits, 1..32. */
export function signExtend32(v: number, width: number): number {
  const s = 32 - width;
  return (v << s) >> s;
}

/** Keeps the low `width` bits, 0..32; the result is unsigned. */
export function zeroExtend32(v: number, width: number): number {
  return width >= 32 ? v >>> 0 : v & ((1 << width) - 1);
}

/** The unsigned field of `len` bits (1..32) that starts at bit `pos` (0..31, pos + len <= 32). */
export function extract32(v: number, pos: number, len: number): number {
  return (v << (32 - len - pos)) >>> (32 - len);
}

/** The signed field of `len` bits (1..32) that starts at bit `pos` (0..31, pos + len <= 32). */
export function sextract32(v: number, pos: number, len: number): number {
  return (v << (32 - len - pos)) >> (32 - len);
}

/** `v` with the field of `len` bits (1..32) at bit `pos` replaced by the low bits of `field`. */
export function deposit32(v: number, pos: number, len: number, field: number): number {
  const mask = (len === 32 ? -1 : (1 << len) - 1) << pos;
  return (v & ~mask) | ((field << pos) & mask);
}

/** True for 1, 2, 4 … 2^31 given as unsigned or signed numbers; false for 0. */
export function isPowerOfTwo(v: number): boolean {
  return v !== 0 && (v & (v - 1)) === 0;
}

/**
 * Rounds down to a multiple of `align`, any number above 0. Not confined to 32 bits: exact for 0 <= v <= 2^53, so that
 * sizes and end addresses of 4 GiB and more come out right.
 */
export function alignDown(v: number, align: number): number {
  return v - (v % align);
}

/** Rounds up to a multiple of `align`; same ranges as `alignDown`. */
export function alignUp(v: number, align: number): number {
  const rest = v % align;
  return rest === 0 ? v : v + (align - rest);
}
