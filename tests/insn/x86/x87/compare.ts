// What of two x87 records after an instruction must agree, and how a disagreement is shown.

import type { Instruction } from './cases.ts';
import { AT_EFLAGS, AT_OPERAND, RECORD_SIZE } from './machine.ts';

/** Bytes of the environment image that hold the last instruction and operand address: the translator's, not ours. */
const POINTERS = { from: 12, to: 28 };
const POINTERS_16 = { from: 6, to: 14 };

/** Offset of the first byte in which two results differ, or -1. Instruction pointers are left out. */
export function firstDifference(instruction: Instruction, a: Uint8Array, b: Uint8Array): number {
  const stored = /^fn(stenv|save)/.test(instruction.name);
  const image = instruction.name.endsWith(' 16') ? POINTERS_16 : POINTERS;
  for (let at = 0; at < RECORD_SIZE; at++) {
    if (a[at] === b[at] || (at >= POINTERS.from && at < POINTERS.to)) continue;
    if (stored && at >= AT_OPERAND + image.from && at < AT_OPERAND + image.to) continue;
    return at;
  }
  return -1;
}

/** Bit of C1 in the high byte of the status word. */
const C1_HIGH = 0x02;

/**
 * Whether two results are the same but for the last bit of register values and which way they were rounded (C1): all
 * that is asked of transcendental functions.
 */
export function withinOneUlp(a: Uint8Array, b: Uint8Array): boolean {
  const [x, y] = [a.slice(), b.slice()];
  const [v, w] = [new DataView(x.buffer), new DataView(y.buffer)];
  for (let i = 0; i < 8; i++) {
    const at = 28 + 10 * i;
    // As integers, numbers one unit of the last place apart differ by one, across exponents too.
    const p = (BigInt(v.getUint16(at + 8, true)) << 63n) | (v.getBigUint64(at, true) & 0x7fffffffffffffffn);
    const q = (BigInt(w.getUint16(at + 8, true)) << 63n) | (w.getBigUint64(at, true) & 0x7fffffffffffffffn);
    if (p - q > 1n || q - p > 1n) return false;
    x.fill(0, at, at + 10);
    y.fill(0, at, at + 10);
  }
  x[5] &= ~C1_HIGH;
  y[5] &= ~C1_HIGH;
  x.fill(0, POINTERS.from, POINTERS.to);
  y.fill(0, POINTERS.from, POINTERS.to);
  return x.every((byte, at) => byte === y[at]);
}

const FLAG_NAMES = ['IE', 'DE', 'ZE', 'OE', 'UE', 'PE', 'SF', 'ES', 'C0', 'C1', 'C2', '', '', '', 'C3', 'B'];

/** One line: control, status and tag word, ST(0), ST(1), EFLAGS, the memory operand. */
export function describe(record: Uint8Array): string {
  const v = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const hex = (n: number | bigint, digits: number) => n.toString(16).padStart(digits, '0');
  const sw = v.getUint16(4, true);
  const flags = FLAG_NAMES.filter((name, bit) => name && (sw >> bit) & 1).join(' ');
  const st = [0, 1].map(
    (i) => `${hex(v.getUint16(36 + 10 * i, true), 4)}:${hex(v.getBigUint64(28 + 10 * i, true), 16)}`,
  );
  return [
    `cw=${hex(v.getUint16(0, true), 4)} top=${(sw >> 11) & 7} [${flags}] tw=${hex(v.getUint16(8, true), 4)}`,
    `st0=${st[0]} st1=${st[1]} eflags=${hex(v.getUint32(AT_EFLAGS, true), 3)}`,
    `m=${Buffer.from(record.subarray(AT_OPERAND, AT_OPERAND + 16)).toString('hex')}`,
  ].join(' ');
}
