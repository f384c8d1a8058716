// All encodings of the ARM guest: the decoders of its tables and which table a word belongs to.
import { Decoder, type FieldSink, readFields } from '../decode/decoder.ts';
import type { Encoding } from '../decode/pattern.ts';
import { A32_ROWS, A32_UNCONDITIONAL_ROWS } from './insns-a32.ts';
import { NEON_ROWS } from './insns-neon.ts';
import { T16_ROWS } from './insns-t16.ts';
import { T32_ROWS } from './insns-t32.ts';
import { VFP_ROWS, VFP_UNCONDITIONAL_ROWS } from './insns-vfp.ts';

type Names<T extends readonly (readonly [string, ...unknown[]])[]> = T[number][0];

/** Names of the rows that core handlers translate. */
export type CoreRow =
  | Names<typeof A32_ROWS>
  | Names<typeof A32_UNCONDITIONAL_ROWS>
  | Names<typeof T16_ROWS>
  | Names<typeof T32_ROWS>;
export type VfpRow = Names<typeof VFP_ROWS> | Names<typeof VFP_UNCONDITIONAL_ROWS>;
export type NeonRow = Names<typeof NEON_ROWS>;
export type RowName = CoreRow | VfpRow | NeonRow;

export const A32 = new Decoder(A32_ROWS);
export const A32_UNCONDITIONAL = new Decoder(A32_UNCONDITIONAL_ROWS);
export const T16 = new Decoder(T16_ROWS, 16);
export const T32 = new Decoder(T32_ROWS);
export const VFP = new Decoder(VFP_ROWS);
export const VFP_UNCONDITIONAL = new Decoder(VFP_UNCONDITIONAL_ROWS);
export const NEON = new Decoder(NEON_ROWS);

/** All decoders by name, for tests. */
export const DECODERS = { A32, A32_UNCONDITIONAL, T16, T32, VFP, VFP_UNCONDITIONAL, NEON } as const;

/** The instruction set an instruction is of: what immediates and the PC as an operand mean depends on it. */
export enum InsnSet {
  A32 = 0,
  T16 = 1,
  T32 = 2,
}

/** One decoded instruction: its row and the row's fields by letter, 0 where the row has none. */
export class Insn {
  /** Null: undefined. */
  encoding: Encoding | null = null;
  set = InsnSet.A32;
  /** The word as it was looked up. */
  word = 0;
  /** Bytes. */
  length = 4;
  c = 0;
  d = 0;
  n = 0;
  m = 0;
  s = 0;
  t = 0;
  u = 0;
  a = 0;
  i = 0;
  j = 0;
  k = 0;
  h = 0;
  y = 0;
  z = 0;
  l = 0;
  o = 0;
  p = 0;
  q = 0;
  r = 0;
  v = 0;
  w = 0;
  x = 0;
  S = 0;
  P = 0;
  U = 0;
  W = 0;
  B = 0;
  D = 0;
  N = 0;
  M = 0;
  K = 0;

  /** Forgets the fields of the last instruction. */
  clear(): void {
    this.c = this.d = this.n = this.m = this.s = this.t = this.u = this.a = 0;
    this.i = this.j = this.k = this.h = this.y = this.z = this.l = this.o = 0;
    this.p = this.q = this.r = this.v = this.w = this.x = 0;
    this.S = this.P = this.U = this.W = this.B = this.D = this.N = this.M = this.K = 0;
  }
}

/** Coprocessors 8, 12 and 13, whose words without a condition are Advanced SIMD of ARMv8.1 or later; the same in T32. */
const LATER_VECTOR = (1 << 8) | (1 << 12) | (1 << 13);
/** Coprocessors 9 to 11: floating point. */
const FLOATING_POINT = (1 << 9) | (1 << 10) | (1 << 11);

function isOf(coprocessors: number, word: number): boolean {
  return ((coprocessors >>> ((word >>> 8) & 15)) & 1) !== 0;
}

/** The table of an A32 word, or of a T32 word that has A32's bits. */
function decodeA32(word: number): Encoding | null {
  const op = (word >>> 24) & 15;
  const unconditional = word >>> 28 === 15;
  if (op >= 12 && op <= 14 && isOf(FLOATING_POINT, word)) {
    return (unconditional ? VFP_UNCONDITIONAL : VFP).find(word);
  }
  if (!unconditional) return A32.find(word);
  if (op >= 12 && op <= 14 && isOf(LATER_VECTOR, word)) return NEON.find(word);
  if ((word & 0xfe000000) >>> 0 === 0xf2000000 || (word & 0xff100000) >>> 0 === 0xf4000000) return NEON.find(word);
  return A32_UNCONDITIONAL.find(word);
}

/** Decodes an A32 instruction. */
export function decodeArm(insn: Insn, word: number): void {
  const encoding = decodeA32(word);
  fill(insn, encoding, word, InsnSet.A32, 4);
}

/** Whether a first halfword is the beginning of a 32-bit Thumb instruction. */
export function isWide(half: number): boolean {
  return half >= 0xe800;
}

/** Decodes a Thumb instruction: one halfword, or two with the first one in the upper half of `word`. */
export function decodeThumb(insn: Insn, word: number, wide: boolean): void {
  if (!wide) {
    fill(insn, T16.find(word), word, InsnSet.T16, 2);
    return;
  }
  let form = word;
  let encoding: Encoding | null;
  const top = word >>> 24;
  // Advanced SIMD has other bits in front: 111U1111 for 1111001U, 11111001 for 11110100.
  if ((top & 0xef) === 0xef) {
    form = (word & 0x00ffffff) | 0xf2000000 | ((word & 0x10000000) >>> 4);
    encoding = NEON.find(form);
  } else if (top === 0xf9 && (word & 0x00100000) === 0) {
    form = (word & 0x00ffffff) | 0xf4000000;
    encoding = NEON.find(form);
  } else if ((top & 0xfc) === 0xfc && (top & 3) !== 3 && isOf(LATER_VECTOR, word)) {
    encoding = NEON.find(word);
  } else if ((top & 0xec) === 0xec && (top & 3) !== 3 && isOf(FLOATING_POINT, word)) {
    encoding = decodeA32(word);
  } else {
    encoding = T32.find(word);
  }
  fill(insn, encoding, form, InsnSet.T32, 4);
}

function fill(insn: Insn, encoding: Encoding | null, word: number, set: InsnSet, length: number): void {
  insn.encoding = encoding;
  insn.set = set;
  insn.word = word;
  insn.length = length;
  insn.clear();
  if (encoding) readFields(encoding, word, insn as unknown as FieldSink);
}
