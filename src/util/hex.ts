/** Hexadecimal text: numbers of fixed width, byte strings, dumps. */

/** At least `width` lower-case hex digits, without prefix. `v` is 0..2^53 or a negative int32, shown as its bits. */
export function hex(v: number, width = 0): string {
  return (v < 0 ? v >>> 0 : v).toString(16).padStart(width, '0');
}

/** Exactly 8 hex digits of the low 32 bits. */
export function hex32(v: number): string {
  return (v >>> 0).toString(16).padStart(8, '0');
}

/** Exactly 16 hex digits of the low 64 bits. */
export function hex64(v: bigint): string {
  return BigInt.asUintN(64, v).toString(16).padStart(16, '0');
}

/** Two hex digits per byte, with `separator` between bytes. */
export function bytesToHex(b: Uint8Array, separator = ''): string {
  let text = '';
  for (let i = 0; i < b.length; i++) text += (i ? separator : '') + hex(b[i]!, 2);
  return text;
}

/** Parses pairs of hex digits; white space between bytes is ignored. Throws RangeError on anything else. */
export function hexToBytes(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '');
  if (digits.length % 2 || !/^[0-9a-fA-F]*$/.test(digits)) throw new RangeError(`not hex bytes: ${text.slice(0, 60)}`);
  const b = new Uint8Array(digits.length / 2);
  for (let i = 0; i < b.length; i++) b[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return b;
}

/** Lines of 16 bytes: address, bytes, printable characters. `base` is the address of the first byte. */
export function hexDump(b: Uint8Array, base = 0): string {
  let text = '';
  for (let at = 0; at < b.length; at += 16) {
    const row = b.subarray(at, at + 16);
    const shown = Array.from(row, (c) => (c >= 0x20 && c < 0x7f ? String.fromCharCode(c) : '.')).join('');
    text += `${hex(base + at, 8)}  ${bytesToHex(row, ' ').padEnd(47)}  |${shown}|\n`;
  }
  return text;
}
