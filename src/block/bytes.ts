// Big-endian fields, alignment and zero tests on byte arrays; numbers stay below 2^53.

const TWO32 = 2 ** 32;

/** Largest offset or size the disk layer handles: up to here doubles tell sectors of 512 bytes apart, and below 2^53 bytes. */
export const MAX_OFFSET = 2 ** 62;

/** Whether a double stands for exactly this offset: any byte below 2^53, whole sectors above. */
export function isExact(offset: number): boolean {
  return Number.isSafeInteger(offset) || offset % 512 === 0;
}

export function roundUp(value: number, align: number): number {
  const rest = value % align;
  return rest === 0 ? value : value + (align - rest);
}

export function roundDown(value: number, align: number): number {
  return value - (value % align);
}

export function divUp(value: number, by: number): number {
  return Math.ceil(value / by);
}

export function isPowerOf2(value: number): boolean {
  if (value < 1 || !Number.isInteger(value)) return false;
  return 2 ** Math.round(Math.log2(value)) === value;
}

export function readU16be(b: Uint8Array, at: number): number {
  return (b[at]! << 8) | b[at + 1]!;
}

export function readU32be(b: Uint8Array, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
}

/** Reads 64 bits as a double; above 2^53 the value is rounded, so callers compare against MAX_OFFSET before use. */
export function readU64be(b: Uint8Array, at: number): number {
  return readU32be(b, at) * TWO32 + readU32be(b, at + 4);
}

export function writeU16be(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 8;
  b[at + 1] = value;
}

export function writeU32be(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}

/** Writes a whole number in 0..2^53-1 as 64 bits. */
export function writeU64be(b: Uint8Array, at: number, value: number): void {
  writeU32be(b, at, Math.floor(value / TWO32));
  writeU32be(b, at + 4, value >>> 0);
}

/** Zeroes to compare against: memcmp is many times faster than a loop in JavaScript. */
const ZEROS = Buffer.alloc(2048);

/** Buffer's methods work on any Uint8Array; making Buffers of them would cost more than the calls. */
const compareBytes = Buffer.prototype.compare as (
  this: Uint8Array,
  other: Uint8Array,
  otherStart: number,
  otherEnd: number,
  start: number,
  end: number,
) => number;

function utf8Slice(b: Uint8Array, start: number, end: number): string {
  return Buffer.prototype.toString.call(b, 'utf8', start, end);
}

/** Whether every byte of `b` in [start, end) is zero. */
export function isZero(b: Uint8Array, start = 0, end: number = b.length): boolean {
  if (end <= start) return true;
  if (b[start] !== 0 || b[end - 1] !== 0) return false;
  const n = Math.min(ZEROS.length, end - start);
  if (ZEROS.compare(b, start, start + n, 0, n) !== 0) return false;
  // What begins with zeroes and equals itself that much further on has nothing else, and no more memory is touched.
  return end - start === n || compareBytes.call(b, b, start, end - n, start + n, end) === 0;
}

/** Whether two equally long arrays hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Whether `bytes` bytes of `a` from `at` are those of `b` from `bt`. */
export function equalRanges(a: Uint8Array, at: number, b: Uint8Array, bt: number, bytes: number): boolean {
  return compareBytes.call(a, b, bt, bt + bytes, at, at + bytes) === 0;
}

/** UTF-8 text of a byte range. */
export function textOf(b: Uint8Array, start: number, end: number): string {
  return utf8Slice(b, start, end);
}

/**
 * A name as it stands in a file or on a command line. Bytes that are no UTF-8 become lone surrogates U+DC80..U+DCFF, from
 * which bytesOfName makes the same bytes again.
 */
export function nameOfBytes(bytes: Uint8Array): string {
  const whole = utf8Slice(bytes, 0, bytes.length);
  if (!whole.includes('\ufffd')) return whole;
  let out = '';
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at]!;
    const n = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    const c = Buffer.from(bytes.subarray(at, at + n)).toString('utf8');
    const broken = c.includes('\ufffd');
    out += broken ? String.fromCharCode(0xdc00 + lead) : c;
    at += broken ? 1 : n;
  }
  return out;
}

/** The bytes of a name (see nameOfBytes). */
export function bytesOfName(name: string): Uint8Array {
  // Nearly all are ASCII, and Buffer.from takes longer than this when it is first used.
  const plain = new Uint8Array(name.length);
  let length = 0;
  for (; length < name.length; length++) {
    const code = name.charCodeAt(length);
    if (code >= 0x80) break;
    plain[length] = code;
  }
  if (length === name.length) return plain;
  if (name.isWellFormed()) return Buffer.from(name);
  const out: number[] = [];
  for (const c of name) {
    const code = c.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) out.push(code - 0xdc00);
    else out.push(...Buffer.from(c));
  }
  return Uint8Array.from(out);
}

/** Sets the bits [from, to), of which the first is the lowest of the first byte. */
export function setBits(bits: Uint8Array, from: number, to: number): void {
  for (; from < to && from % 8 !== 0; from++) bits[from >>> 3]! |= 1 << (from & 7);
  bits.fill(0xff, from >>> 3, Math.max(from, to) >>> 3);
  for (let at = Math.max(from, to - (to % 8)); at < to; at++) bits[at >>> 3]! |= 1 << (at & 7);
}

/** Whether none of the bits [from, to) is set. */
export function noBits(bits: Uint8Array, from: number, to: number): boolean {
  for (; from < to && from % 8 !== 0; from++) if ((bits[from >>> 3]! >>> (from & 7)) & 1) return false;
  for (; from < to && to % 8 !== 0; to--) if ((bits[(to - 1) >>> 3]! >>> ((to - 1) & 7)) & 1) return false;
  return isZero(bits, from >>> 3, to >>> 3);
}
