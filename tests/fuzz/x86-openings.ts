// Every way an instruction of the x86 encoding rows can begin, with its group: what fuzzers draw instructions from.

import { ArrayCode, type DecodeMode, decodeInto, FLAT_32, Insn } from '../../targets/x86/decode.ts';
import type { X86Feature } from '../../targets/x86/insns.ts';
import { GROUPS } from '../../targets/x86/insns-groups.ts';
import { ONE_BYTE } from '../../targets/x86/insns-one-byte.ts';
import type { RowSpec } from '../../targets/x86/insns-row.ts';
import { SIMD_0F, SIMD_0F3A, SIMD_0F38, THREE_D_NOW } from '../../targets/x86/insns-simd.ts';
import { TWO_BYTE, ZERO_F_38 } from '../../targets/x86/insns-two-byte.ts';
import { X87 } from '../../targets/x86/insns-x87.ts';

/** Groups that fuzzing can be limited to. */
export const OPENING_GROUPS = [
  'integer',
  'system',
  'x87',
  'mmx',
  'sse',
  'sse2',
  'sse3',
  'sse4',
  'crypto',
  '3dnow',
] as const;
export type OpeningGroup = (typeof OPENING_GROUPS)[number];

export interface Opening {
  readonly mnemonic: string;
  readonly group: OpeningGroup;
  readonly feature: X86Feature;
  /** 0, or the mandatory prefix. */
  readonly prefix: number;
  /** Opcode bytes; the last may get low bits. */
  readonly opcode: readonly number[];
  /** Low bits of the last opcode byte that are free. */
  readonly free: number;
  /** -1: any ModRM; 0-7: this reg field; 0xc0-0xff: this ModRM byte (and `modrmFree` low bits of it). */
  readonly modrm: number;
  readonly modrmFree: number;
  /** Only a memory or a register form. */
  readonly form: 'mem' | 'reg' | 'any';
  /** Last byte of a 3DNow! instruction, or -1. */
  readonly suffix: number;
  readonly attributes: readonly string[];
}

const GROUP_OF: Record<string, OpeningGroup> = {
  MMX: 'mmx',
  SSE: 'sse',
  FXSR: 'sse',
  SSE2: 'sse2',
  SSE3: 'sse3',
  SSSE3: 'sse3',
  'SSE4.1': 'sse4',
  'SSE4.2': 'sse4',
  SSE4A: 'sse4',
  AES: 'crypto',
  PCLMULQDQ: 'crypto',
  SHA: 'crypto',
  GFNI: 'crypto',
  '3DNOW': '3dnow',
  '3DNOWEXT': '3dnow',
};

const isFeature = (word: string) => /^[0-9A-Z]/.test(word);

function groupOf(feature: string, attributes: readonly string[], mnemonic: string): OpeningGroup {
  if (attributes.includes('x87') || feature === 'x87') return 'x87';
  const known = GROUP_OF[feature];
  if (known) return known;
  const system = attributes.some((word) => ['priv', 'privud', 'iopl'].includes(word));
  return system || /^(INT|L[AS][RL]|VER|S[GIL]DT|STR|SMSW|UD|[A-Z]*F$)/.test(mnemonic) ? 'system' : 'integer';
}

const tables = { ...GROUPS, ...X87 } as Record<string, readonly RowSpec[]>;

let openings: Opening[] | undefined;

/** All openings of 32-bit code, in the order of the maps. */
export function allOpenings(): readonly Opening[] {
  if (openings) return openings;
  const found: Opening[] = [];
  const add = (map: readonly number[], spec: RowSpec, own: RowSpec, suffix = -1) => {
    const words = [...(spec[3] ?? '').split(' '), ...(own === spec ? [] : (own[3] ?? '').split(' '))].filter(Boolean);
    const attributes = words.filter((word) => word === '3dnow' || !isFeature(word));
    if (attributes.includes('o64')) return;
    const features = words.filter((word) => word !== '3dnow' && isFeature(word));
    const feature = (features.at(-1) ?? '') as X86Feature;
    const key = own[0] & 0xff;
    const inGroup = own !== spec;
    const first = (spec[3] ?? '').split(' ')[0]!;
    found.push({
      mnemonic: own[1],
      group: suffix >= 0 ? '3dnow' : groupOf(feature, attributes, own[1]),
      feature,
      prefix: (inGroup ? own[0] >> 8 : 0) || spec[0] >> 8,
      opcode: [...map, spec[0] & 0xff],
      free: first === '+r' ? 7 : /^cc$/.test(first) ? 15 : 0,
      modrm: inGroup ? key : -1,
      modrmFree: inGroup && (own[3] ?? '').startsWith('+r') ? 7 : 0,
      form: words.includes('mem') ? 'mem' : words.includes('reg') ? 'reg' : 'any',
      suffix,
      attributes,
    });
  };
  const addMap = (map: readonly number[], rows: readonly RowSpec[]) => {
    for (const spec of rows) {
      if (spec[3]?.includes('3dnow '))
        for (const own of THREE_D_NOW) add(map, spec, [own[0], own[1], spec[2], own[3]], own[0]);
      else if (spec[1].startsWith('@')) for (const own of tables[spec[1].slice(1)]!) add(map, spec, own);
      else add(map, spec, spec);
    }
  };
  addMap([], ONE_BYTE);
  addMap([0x0f], TWO_BYTE);
  addMap([0x0f], SIMD_0F);
  addMap([0x0f, 0x38], ZERO_F_38);
  addMap([0x0f, 0x38], SIMD_0F38);
  addMap([0x0f, 0x3a], SIMD_0F3A);
  openings = found;
  return found;
}

const code = new ArrayCode(new Uint8Array(0));

/** Decodes bytes that hold at least one instruction. */
export function decodeBytes(bytes: Uint8Array, mode: DecodeMode = FLAT_32): Insn {
  code.bytes = bytes;
  return decodeInto(new Insn(), code, 0, mode);
}
