// The part of CPU state that translations take for granted, kept as one word: segments, stack width, single-stepping.
import { X86_OFFSETS as O, Seg } from './state.ts';
import { x87Offset } from './x87-reset.ts';

/** DS, ES or SS does not start at 0, or may not be read and written up to 4 GiB. */
export const FLAG_SEGMENTS = 1;
/** CS.D is clear. */
export const FLAG_CODE16 = 2;
/** SS.B is clear. */
export const FLAG_STACK16 = 4;
/** EFLAGS.TF: #DB after every instruction. */
export const FLAG_TRACE = 8;
/** CS does not start at 0. */
export const FLAG_CS_BASE = 16;
/** EFLAGS.AC: misaligned accesses raise #AC. */
export const FLAG_ALIGN = 32;
/** An x87 exception is unmasked, so that one may be pending. */
export const FLAG_UNMASKED = 64;
/**
 * SSE arithmetic may have to do more than the engine's instructions do: MXCSR was not as `SSE_FAST_VALUE` says when arithmetic
 * was last tried. Every block with such arithmetic looks at MXCSR, so it may be out of date.
 */
export const FLAG_SSE_SLOW = 128;
/**
 * With FLAG_SSE_SLOW: helpers compute everything, because an SSE exception is unmasked, or because not even an exact result tells
 * all: rounding is down, which makes some zeros negative, or tiny results are flushed.
 */
export const FLAG_SSE_HELPERS = 256;
/** CS ends below 4 GiB. */
export const FLAG_CS_LIMIT = 512;
/** The rest of the mode word is the index of the CPU model. */
export const MODEL_SHIFT = 10;

/** The exception masks of MXCSR. */
export const MXCSR_MASKS = 0x1f80;
/** Rounding control, and its value for rounding down. */
const MXCSR_RC = 0x6000;
const MXCSR_DOWN = 0x2000;
/** Tiny results become zeros. */
const MXCSR_FTZ = 0x8000;
/**
 * Where these bits of MXCSR have this value, all exceptions are masked, rounding is to nearest and the inexact flag is set:
 * the engine's arithmetic will do, but for exceptional operands and results.
 */
export const SSE_FAST_BITS = 0x7fa0;
export const SSE_FAST_VALUE = 0x1fa0;

/** Bits of an `attributes` field above the descriptor's own: the whole 4 GiB may be read; may be written. */
export const PLAIN_READ = 1 << 16;
export const PLAIN_WRITE = 1 << 17;

/** D/B of a segment (second descriptor word, bit 22, shifted right by 8). */
const ATTRIBUTE_BIG = 1 << 14;
const TF = 0x100;
const AC = 0x40000;

/** Computes the mode word anew; whoever changes a segment register, EFLAGS or the model calls it. */
export function updateMode(view: DataView, env: number): void {
  let mode = view.getUint32(env + O.model, true) << MODEL_SHIFT;
  const attributes = env + O.attributes;
  const bases = env + O.segBases;
  const plain =
    view.getInt32(attributes + 4 * Seg.ES, true) &
    view.getInt32(attributes + 4 * Seg.SS, true) &
    view.getInt32(attributes + 4 * Seg.DS, true) &
    PLAIN_WRITE;
  const moved =
    view.getInt32(bases + 4 * Seg.ES, true) |
    view.getInt32(bases + 4 * Seg.SS, true) |
    view.getInt32(bases + 4 * Seg.DS, true);
  if (plain === 0 || moved !== 0) mode |= FLAG_SEGMENTS;
  if (view.getInt32(bases + 4 * Seg.CS, true) !== 0) mode |= FLAG_CS_BASE;
  if ((view.getInt32(attributes + 4 * Seg.CS, true) & ATTRIBUTE_BIG) === 0) mode |= FLAG_CODE16;
  if (view.getInt32(env + O.limits + 4 * Seg.CS, true) !== -1) mode |= FLAG_CS_LIMIT;
  if ((view.getInt32(attributes + 4 * Seg.SS, true) & ATTRIBUTE_BIG) === 0) mode |= FLAG_STACK16;
  const eflags = view.getInt32(env + O.eflags, true);
  if (eflags & TF) mode |= FLAG_TRACE;
  if (eflags & AC) mode |= FLAG_ALIGN;
  view.setInt32(env + O.mode, mode, true);
}

const FPCW = x87Offset('fpcw');
/** The six exception masks of the x87 control word. */
export const X87_MASKS = 0x3f;

/**
 * What translations of the present state are keyed by. The x87 masks and MXCSR are looked at here: helpers change them, and
 * signal frames.
 */
export function blockFlags(view: DataView, env: number): number {
  let mode = view.getInt32(env + O.mode, true);
  if ((view.getInt32(env + FPCW, true) & X87_MASKS) !== X87_MASKS) mode |= FLAG_UNMASKED;
  if (view.getInt32(env + O.sseSlow, true) !== 0) {
    mode |= FLAG_SSE_SLOW;
    const mxcsr = view.getInt32(env + O.mxcsr, true);
    const plain = (mxcsr & (MXCSR_MASKS | MXCSR_FTZ)) === MXCSR_MASKS && (mxcsr & MXCSR_RC) !== MXCSR_DOWN;
    if (!plain) mode |= FLAG_SSE_HELPERS;
  }
  return mode;
}
