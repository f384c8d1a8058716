// Encoding rows of Advanced SIMD in A32's form; T32 words are brought into it before they are looked up (insns.ts).
import type { RowSpec } from '../decode/pattern.ts';

// biome-ignore format: a table, one row per encoding
export const NEON_ROWS = [
] as const satisfies readonly RowSpec[];
