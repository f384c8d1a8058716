// Advanced SIMD, one handler per row.
import type { NeonRow } from '../insns.ts';
import type { Handler } from './context.ts';

export const NEON_HANDLERS: Record<NeonRow, Handler> = {};
