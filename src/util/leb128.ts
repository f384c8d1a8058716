/** LEB128, the variable-length integers of WebAssembly and DWARF (WebAssembly core specification, 5.2.2). */

import type { ByteBuffer } from './bytes.ts';

/** Appends an unsigned number, 0..2^32-1; a negative int32 is taken as the unsigned number of the same bits. */
export function appendU32(out: ByteBuffer, v: number): void {
  v >>>= 0;
  while (v > 0x7f) {
    out.u8((v & 0x7f) | 0x80);
    v >>>= 7;
  }
  out.u8(v);
}

/** Appends a signed 32-bit number; an unsigned number of the same bits gives the same result. */
export function appendS32(out: ByteBuffer, v: number): void {
  v |= 0;
  while (v < -0x40 || v > 0x3f) {
    out.u8((v & 0x7f) | 0x80);
    v >>= 7;
  }
  out.u8(v & 0x7f);
}

/** Appends a signed 64-bit number given as two 32-bit halves of either sign. */
export function appendS64(out: ByteBuffer, lo: number, hi: number): void {
  lo |= 0;
  hi |= 0;
  // Until the rest is the sign extension of a 7-bit number.
  while (hi !== lo >> 31 || lo < -0x40 || lo > 0x3f) {
    out.u8((lo & 0x7f) | 0x80);
    lo = (lo >>> 7) | (hi << 25);
    hi >>= 7;
  }
  out.u8(lo & 0x7f);
}

/** Appends a signed 64-bit number; bits above 64 are dropped. */
export function appendS64BigInt(out: ByteBuffer, v: bigint): void {
  appendS64(out, Number(BigInt.asIntN(32, v)), Number(BigInt.asIntN(32, v >> 32n)));
}

/** Appends an unsigned number in exactly 5 bytes, so that a length can be patched in later with `patchU32Fixed`. */
export function appendU32Fixed(out: ByteBuffer, v: number): void {
  out.reserve(5);
  out.length += 5;
  patchU32Fixed(out, out.length - 5, v);
}

/** Overwrites a number written by `appendU32Fixed`. */
export function patchU32Fixed(out: ByteBuffer, at: number, v: number): void {
  for (let i = 0; i < 4; i++) {
    out.data[at + i] = (v & 0x7f) | 0x80;
    v >>>= 7;
  }
  out.data[at + 4] = v & 0x0f;
}

/** Reads an unsigned 32-bit number; returns its value and the offset behind it. Throws on more than 5 bytes or a cut. */
export function readU32(b: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = b[at + i];
    if (byte === undefined) break;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return { value: value >>> 0, next: at + i + 1 };
  }
  throw new RangeError(`no LEB128 u32 at offset ${at}`);
}

/** Reads a signed number of up to 64 bits as BigInt; returns its value and the offset behind it. For tools and tests. */
export function readS64(b: Uint8Array, at: number): { value: bigint; next: number } {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = b[at + i];
    if (byte === undefined) break;
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return { value: BigInt.asIntN(Math.min(64, 7 * (i + 1)), value), next: at + i + 1 };
  }
  throw new RangeError(`no LEB128 s64 at offset ${at}`);
}
