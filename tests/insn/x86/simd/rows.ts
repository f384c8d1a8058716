// The vector rows of the decoder's tables as encodings: prefix, opcode bytes, and what each field of ModRM stands for.

import { GROUPS } from '../../../../targets/x86/insns-groups.ts';
import type { RowSpec } from '../../../../targets/x86/insns-row.ts';
import { SIMD_0F, SIMD_0F3A, SIMD_0F38, THREE_D_NOW } from '../../../../targets/x86/insns-simd.ts';
import { ZERO_F_38 } from '../../../../targets/x86/insns-two-byte.ts';

/** One row that makes an instruction. */
export interface SimdRow {
  mnemonic: string;
  feature: string;
  /** Operand strings, destination first. */
  operands: string[];
  /** Mandatory prefix, or -1. */
  prefix: number;
  /** From 0F on, without ModRM. */
  opcode: number[];
  /** The reg field of ModRM where the row is one of a group, else -1. */
  extension: number;
  /** Bytes behind ModRM and displacement: immediates are filled in by the caller, 3DNow! has its opcode here. */
  suffix: number[];
  /** ModRM.mod must be 3, or must not be. */
  registerOnly: boolean;
  memoryOnly: boolean;
}

/** Groups with vector instructions, by their opcode; 17 is AMD's, with a prefix in the row that refers to it. */
const VECTOR_GROUPS = { '12': 0x71, '13': 0x72, '14': 0x73, '15': 0xae, '17': 0x78 } as const;

/** Lower-case attributes and numbers of conditions are no features. */
function featureOf(attributes: string | undefined): string {
  return (attributes ?? '').split(' ').find((word) => /^[0-9A-Z]/.test(word)) ?? '';
}

function fromRow(spec: RowSpec, map: number[], inherited?: { prefix: number; extension: number }): SimdRow {
  const [key, mnemonic, operands, attributes] = spec;
  const letters = operands === '' ? [] : operands.split(',');
  const has = (letter: RegExp) => letters.some((operand) => letter.test(operand));
  const words = (attributes ?? '').split(' ');
  return {
    mnemonic,
    feature: featureOf(attributes),
    operands: letters,
    prefix: key > 0xff ? key >> 8 : (inherited?.prefix ?? -1),
    opcode: inherited ? map : [...map, key & 0xff],
    extension: inherited?.extension ?? -1,
    suffix: [],
    registerOnly: words.includes('reg') || has(/^[NUR][^/]*$/),
    memoryOnly: words.includes('mem') || has(/^M/),
  };
}

/** Every vector row of the tables. */
export function simdRows(): SimdRow[] {
  const rows = [
    ...(SIMD_0F as readonly RowSpec[])
      .filter(([, name]) => !/^@|^INVALID/.test(name))
      .map((row) => fromRow(row, [0x0f])),
    ...(SIMD_0F38 as readonly RowSpec[]).map((row) => fromRow(row, [0x0f, 0x38])),
    ...(SIMD_0F3A as readonly RowSpec[]).map((row) => fromRow(row, [0x0f, 0x3a])),
    ...(ZERO_F_38 as readonly RowSpec[])
      .filter(([, name]) => name === 'CRC32')
      .map((row) => fromRow(row, [0x0f, 0x38])),
    ...(THREE_D_NOW as readonly RowSpec[]).map((row) => ({
      ...fromRow(row, []),
      opcode: [0x0f, 0x0f],
      suffix: [row[0]],
    })),
  ];
  for (const [name, opcode] of Object.entries(VECTOR_GROUPS)) {
    for (const row of GROUPS[name as keyof typeof VECTOR_GROUPS] as readonly RowSpec[]) {
      const key = row[0] & 0xff;
      if (key >= 8) continue; // one exact ModRM byte: no vector instruction
      const inherited = { prefix: name === '17' ? 0x66 : -1, extension: key };
      rows.push(fromRow(row, [0x0f, opcode], inherited));
    }
  }
  return rows;
}

/** The bytes of an instruction; `rm` are ModRM (with reg 0), SIB and displacement, `immediates` one byte each. */
export function encode(row: SimdRow, reg: number, rm: readonly number[], immediates: readonly number[]): Uint8Array {
  const [modrm, ...rest] = rm;
  return Uint8Array.from([
    ...(row.prefix < 0 ? [] : [row.prefix]),
    ...row.opcode,
    ...(modrm === undefined ? [] : [modrm | ((row.extension < 0 ? reg : row.extension) << 3)]),
    ...rest,
    ...row.suffix,
    ...immediates,
  ]);
}
