// Advanced SIMD: the handler of every row, put together from the files by subject.
import type { NeonRow } from '../insns.ts';
import type { Handler } from './context.ts';
import { NEON_CRYPTO } from './neon-crypto.ts';
import { NEON_FLOAT } from './neon-float.ts';
import { NEON_INTEGER } from './neon-integer.ts';
import { NEON_LATER } from './neon-later.ts';
import { NEON_MEMORY } from './neon-memory.ts';
import { NEON_NARROW } from './neon-narrow.ts';
import { NEON_PERMUTE } from './neon-permute.ts';
import { NEON_SHIFT } from './neon-shift.ts';
import { NEON_WIDE } from './neon-wide.ts';

export const NEON_HANDLERS: Record<NeonRow, Handler> = {
  ...NEON_INTEGER,
  ...NEON_WIDE,
  ...NEON_SHIFT,
  ...NEON_PERMUTE,
  ...NEON_FLOAT,
  ...NEON_MEMORY,
  ...NEON_CRYPTO,
  ...NEON_LATER,
  ...NEON_NARROW,
};
