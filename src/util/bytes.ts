/** Byte arrays: fixed-endian reads and writes, text conversion, and a growable buffer. */

/** Reads an unsigned 16-bit little-endian number; bytes beyond the end read as 0, so callers check lengths first. */
export function readU16le(b: Uint8Array, at: number): number {
  return b[at]! | (b[at + 1]! << 8);
}

/** Reads an unsigned 16-bit big-endian number. */
export function readU16be(b: Uint8Array, at: number): number {
  return (b[at]! << 8) | b[at + 1]!;
}

/** Reads an unsigned 32-bit little-endian number. */
export function readU32le(b: Uint8Array, at: number): number {
  return (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;
}

/** Reads an unsigned 32-bit big-endian number. */
export function readU32be(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
}

/** Writes the low 16 bits, little-endian. */
export function writeU16le(b: Uint8Array, at: number, v: number): void {
  b[at] = v;
  b[at + 1] = v >>> 8;
}

/** Writes the low 16 bits, big-endian. */
export function writeU16be(b: Uint8Array, at: number, v: number): void {
  b[at] = v >>> 8;
  b[at + 1] = v;
}

/** Writes the low 32 bits, little-endian. */
export function writeU32le(b: Uint8Array, at: number, v: number): void {
  b[at] = v;
  b[at + 1] = v >>> 8;
  b[at + 2] = v >>> 16;
  b[at + 3] = v >>> 24;
}

/** Writes the low 32 bits, big-endian. */
export function writeU32be(b: Uint8Array, at: number, v: number): void {
  b[at] = v >>> 24;
  b[at + 1] = v >>> 16;
  b[at + 2] = v >>> 8;
  b[at + 3] = v;
}

/** True when both hold the same bytes. */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** One new array holding all parts in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const p of parts) length += p.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

/**
 * Text whose characters 0..255 stand for one byte each. Linux paths, arguments and environment strings are bytes, not
 * UTF-8; this form carries them through string functions without loss.
 */
export function latin1FromBytes(b: Uint8Array): string {
  return Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString('latin1');
}

/** The inverse of `latin1FromBytes`; characters above 255 lose their high bits. */
export function bytesFromLatin1(s: string): Uint8Array {
  const b = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) b[i] = s.charCodeAt(i);
  return b;
}

/** The bytes from `at` up to, without, the first zero byte (or the end). */
export function cStringAt(b: Uint8Array, at: number): Uint8Array {
  const end = b.indexOf(0, at);
  return b.subarray(at, end < 0 ? b.length : end);
}

/** A byte buffer that grows at its end. `data` may be larger than `length` and is replaced when it grows. */
export class ByteBuffer {
  data: Uint8Array;
  length = 0;

  constructor(capacity = 256) {
    this.data = new Uint8Array(capacity);
  }

  /** Makes room for `more` further bytes without changing `length`. */
  reserve(more: number): void {
    const need = this.length + more;
    if (need <= this.data.length) return;
    const grown = new Uint8Array(Math.max(need, this.data.length * 2));
    grown.set(this.data.subarray(0, this.length));
    this.data = grown;
  }

  /** Appends the low 8 bits. */
  u8(v: number): void {
    if (this.length === this.data.length) this.reserve(1);
    this.data[this.length++] = v;
  }

  /** Appends the low 32 bits, little-endian. */
  u32le(v: number): void {
    this.reserve(4);
    writeU32le(this.data, this.length, v);
    this.length += 4;
  }

  /** Appends bytes. */
  bytes(b: Uint8Array | readonly number[]): void {
    this.reserve(b.length);
    this.data.set(b, this.length);
    this.length += b.length;
  }

  /** Appends everything another buffer holds. */
  buffer(other: ByteBuffer): void {
    this.bytes(other.view());
  }

  /** Forgets the content, keeps the memory. */
  clear(): void {
    this.length = 0;
  }

  /** The content without copying; valid until the next append. */
  view(): Uint8Array {
    return this.data.subarray(0, this.length);
  }

  /** A copy of the content. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.view());
  }
}
