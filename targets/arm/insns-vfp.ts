// Encoding rows of the floating-point extension: coprocessors 10 and 11, the same bits in A32 (any condition) and T32.
import type { RowSpec } from '../decode/pattern.ts';

// Fields: D d, N n, M m halves of vector register numbers; n t u core registers; i immediate; x lane bits; P U W as in LDM.

// biome-ignore format: a table, one row per encoding
export const VFP_ROWS = [
  // ---- loads, stores, transfers to and from core registers
  ['VSTR_s', 'cccc1101UD00 nnnn dddd 1010 iiiiiiii', 'vfp2', 'Fs,Mi'],
  ['VSTR_d', 'cccc1101UD00 nnnn dddd 1011 iiiiiiii', 'vfp2', 'Fd,Mi'],
  ['VLDR_s', 'cccc1101UD01 nnnn dddd 1010 iiiiiiii', 'vfp2', 'Fs,Mi'],
  ['VLDR_d', 'cccc1101UD01 nnnn dddd 1011 iiiiiiii', 'vfp2', 'Fd,Mi'],
  ['VSTM_s', 'cccc11001DW0 nnnn dddd 1010 iiiiiiii', 'vfp2', 'n', 'U=1'],
  ['VSTM_s', 'cccc11010D10 nnnn dddd 1010 iiiiiiii', 'vfp2', 'n', 'P=1 W=1'],
  ['VSTM_d', 'cccc11001DW0 nnnn dddd 1011 iiiiiiii', 'vfp2', 'n', 'U=1'],
  ['VSTM_d', 'cccc11010D10 nnnn dddd 1011 iiiiiiii', 'vfp2', 'n', 'P=1 W=1'],
  ['VLDM_s', 'cccc11001DW1 nnnn dddd 1010 iiiiiiii', 'vfp2', 'n', 'U=1'],
  ['VLDM_s', 'cccc11010D11 nnnn dddd 1010 iiiiiiii', 'vfp2', 'n', 'P=1 W=1'],
  ['VLDM_d', 'cccc11001DW1 nnnn dddd 1011 iiiiiiii', 'vfp2', 'n', 'U=1'],
  ['VLDM_d', 'cccc11010D11 nnnn dddd 1011 iiiiiiii', 'vfp2', 'n', 'P=1 W=1'],
  ['VMOV_toS', 'cccc11100000 nnnn tttt 1010 N0010000', 'vfp2', 'Fn,t'],
  ['VMOV_fromS', 'cccc11100001 nnnn tttt 1010 N0010000', 'vfp2', 't,Fn'],
  ['VMOV_toSS', 'cccc11000100 uuuu tttt 1010 00M1 mmmm', 'vfp2', 't,u'],
  ['VMOV_fromSS', 'cccc11000101 uuuu tttt 1010 00M1 mmmm', 'vfp2', 't,u'],
  ['VMOV_toD', 'cccc11000100 uuuu tttt 1011 00M1 mmmm', 'vfp2', 't,u'],
  ['VMOV_fromD', 'cccc11000101 uuuu tttt 1011 00M1 mmmm', 'vfp2', 't,u'],
  ['VMOV_toLane32', 'cccc111000x0 nnnn tttt 1011 N0010000', 'vfp2', 't'],
  ['VMOV_fromLane32', 'cccc111000x1 nnnn tttt 1011 N0010000', 'vfp2', 't'],
  ['VMOV_s', 'cccc11101D110000 dddd 1010 01M0 mmmm', 'vfp2', 'Fs'],
  ['VMOV_d', 'cccc11101D110000 dddd 1011 01M0 mmmm', 'vfp2', 'Fd'],
  ['VMSR', 'cccc11101110 nnnn tttt 1010 00010000', 'vfp2', 't'],
  ['VMRS', 'cccc11101111 nnnn tttt 1010 00010000', 'vfp2', 't'],
] as const satisfies readonly RowSpec[];

/** The rows with 1111 in place of the condition. */
// biome-ignore format: a table, one row per encoding
export const VFP_UNCONDITIONAL_ROWS = [
] as const satisfies readonly RowSpec[];
