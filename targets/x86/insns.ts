// The types that derive from all x86 rows: mnemonics, features, groups.

import type { GROUPS } from './insns-groups.ts';
import type { ONE_BYTE } from './insns-one-byte.ts';
import type { RowAttribute } from './insns-row.ts';
import type { SIMD_0F, SIMD_0F3A, SIMD_0F38, THREE_D_NOW } from './insns-simd.ts';
import type { TWO_BYTE, ZERO_F_38 } from './insns-two-byte.ts';
import type { X87 } from './insns-x87.ts';

type GroupRow = (typeof GROUPS)[keyof typeof GROUPS][number] | (typeof X87)[keyof typeof X87][number];
type AnyRow =
  | (typeof ONE_BYTE)[number]
  | (typeof TWO_BYTE)[number]
  | (typeof ZERO_F_38)[number]
  | (typeof SIMD_0F)[number]
  | (typeof SIMD_0F38)[number]
  | (typeof SIMD_0F3A)[number]
  | (typeof THREE_D_NOW)[number]
  | GroupRow;

type Words<S> = S extends `${infer Head} ${infer Tail}` ? Head | Words<Tail> : S;

/** Every mnemonic of the rows, and INVALID for bytes that do not make an instruction (see Insn.fault). */
export type X86Mnemonic = Exclude<AnyRow[1], `@${string}`> | 'INVALID';

/** Every feature named by a row; '' is the 80486 with its FPU, which has no name here. */
export type X86Feature = Exclude<Words<Extract<AnyRow, { 3: string }>[3]>, RowAttribute> | '';

/** Names of the groups that rows refer to with `@`. */
export type X86Group = keyof typeof GROUPS | keyof typeof X87;
