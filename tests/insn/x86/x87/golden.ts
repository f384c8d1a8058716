// The recorded answers of a host CPU: which cases they are for, and how the file is read and written.
//
// golden.zst is compressed; inside, a line of JSON (GoldenHeader) is followed by one 256-byte record per case: the CPU's
// result XORed with the case's input, so that it is mostly zeros. The inputs are not stored but made again.

import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { CASE_KINDS, EXACT, fillCase, type Instruction, Random, TRANSCENDENTAL } from './cases.ts';
import { RECORD_SIZE } from './machine.ts';

export const GOLDEN_FILE = join(import.meta.dir, 'golden.zst');

/** Cases per instruction and kind. */
const CASES = 40;
const SEED = 20;
const COMPRESSION_LEVEL = 19;

export interface GoldenHeader {
  /** The CPU that gave the answers. */
  readonly cpu: string;
  readonly cases: number;
  /** Hash of all inputs, so that changed cases are not compared with old answers. */
  readonly inputs: string;
}

/** All cases, in the order of the file. */
export function* goldenCases(): Generator<{ instruction: Instruction; exact: boolean; input: Uint8Array }> {
  for (const instruction of [...EXACT, ...TRANSCENDENTAL]) {
    const exact = EXACT.includes(instruction);
    for (const [index, kind] of CASE_KINDS.entries()) {
      const random = new Random(SEED + index);
      for (let n = 0; n < CASES; n++) {
        const input = new Uint8Array(RECORD_SIZE);
        fillCase(random, input, instruction.code, instruction.operand, kind);
        yield { instruction, exact, input };
      }
    }
  }
}

/** Hash of the inputs of all cases. */
export function hashInputs(): string {
  const hash = new Bun.CryptoHasher('sha256');
  for (const { input } of goldenCases()) hash.update(input);
  return hash.digest('hex').slice(0, 16);
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, at) => byte ^ b[at]);
}

/** Makes the file from the answers of `answer`, which runs a record in place. */
export function encodeGolden(cpu: string, answer: (record: Uint8Array) => void): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { input } of goldenCases()) {
    const record = input.slice();
    answer(record);
    parts.push(xor(record, input));
  }
  const header: GoldenHeader = { cpu, cases: parts.length, inputs: hashInputs() };
  const all = Buffer.concat([new TextEncoder().encode(`${JSON.stringify(header)}\n`), ...parts]);
  return zstdCompressSync(all, { params: { 100: COMPRESSION_LEVEL } });
}

/** Reads the file: its header and the CPU's result for the n-th case, given that case's input. */
export function decodeGolden(file: Uint8Array): {
  header: GoldenHeader;
  result: (n: number, input: Uint8Array) => Uint8Array;
} {
  const all = zstdDecompressSync(file);
  const start = all.indexOf(10) + 1;
  const header = JSON.parse(new TextDecoder().decode(all.subarray(0, start))) as GoldenHeader;
  const at = (n: number) => start + n * RECORD_SIZE;
  return { header, result: (n, input) => xor(all.subarray(at(n), at(n + 1)), input) };
}
