// Which handler translates which vector mnemonic. One list from a file of each manual chapter.
import type { X86Mnemonic } from '../insns.ts';
import { THREE_D_NOW_HANDLERS } from './3dnow.ts';
import { STATE_HANDLERS } from './fxsave.ts';
import { APPROXIMATE_HANDLERS } from './sse-approximate.ts';
import { SSE_COMPARE_HANDLERS } from './sse-compare.ts';
import { SSE_CONVERT_HANDLERS } from './sse-convert.ts';
import { SSE_FLOAT_HANDLERS } from './sse-float.ts';
import { SSE_MOVE_HANDLERS } from './sse-move.ts';
import type { Handler } from './vector.ts';
import { ARITHMETIC_HANDLERS } from './vector-arithmetic.ts';
import { HELPER_HANDLERS } from './vector-helper.ts';
import { SHIFT_HANDLERS } from './vector-shift.ts';
import { SHUFFLE_HANDLERS } from './vector-shuffle.ts';

/** Handlers of vector instructions by mnemonic; models.ts may advertise a feature only when all its rows are here. */
export const SIMD_HANDLERS: Partial<Record<X86Mnemonic, Handler>> = {
  ...THREE_D_NOW_HANDLERS,
  ...STATE_HANDLERS,
  ...SSE_COMPARE_HANDLERS,
  ...SSE_CONVERT_HANDLERS,
  ...SSE_FLOAT_HANDLERS,
  ...APPROXIMATE_HANDLERS,
  ...SSE_MOVE_HANDLERS,
  ...ARITHMETIC_HANDLERS,
  ...HELPER_HANDLERS,
  ...SHIFT_HANDLERS,
  ...SHUFFLE_HANDLERS,
};
