// FPSCR as a program sees it, put together from its parts in CPU state and taken apart again; what follows from it.
import { FLAG_FP_SHIFT } from './mode.ts';
import { ARM_MODELS } from './models.ts';
import { ARM_OFFSETS as O } from './state.ts';

/** The flags of comparisons. */
export const FPSCR_NZCV = 0xf0000000 | 0;
export const FPSCR_Z = 0x40000000;
/** The cumulative flags: QC IDC IXC UFC OFC DZC IOC. */
export const FPSCR_CUMULATIVE = 0x0800009f;
export const FPSCR_IOC = 0x01;
export const FPSCR_IXC = 0x10;
export const FPSCR_IDC = 0x80;
export const FPSCR_QC = 0x08000000;
/** What can be written besides: AHP DN FZ RMode Stride Len. The enabling of traps is not there. */
const FPSCR_CONTROL = 0x07f70000;
export const FPSCR_AHP = 1 << 26;
export const FPSCR_DN = 1 << 25;
export const FPSCR_FZ = 1 << 24;
/** Flushing of denormals in half precision, where there is some. */
export const FPSCR_FZ16 = 1 << 19;
/** By number of the CPU model. */
const CONTROL = ARM_MODELS.map(({ features }) => FPSCR_CONTROL | (features.includes('fp16') ? FPSCR_FZ16 : 0));
/** Vectors of the old kind: their stride and length. */
export const FPSCR_SHORT_VECTORS = 0x00370000;

/** Bit of the block flags, in `fpstate`: a length or stride that is not 1. */
export const FLAG_SHORT_VECTORS = 1 << 12;

/**
 * How translations compute. WebAssembly's arithmetic rounds to nearest and tells nothing. What it computes counts while a
 * program cannot tell the difference: rounding is to nearest, the result neither overflows nor is tiny nor a NaN, and it is
 * exact or IXC is set already. Where that does not hold a translation is left at the instruction in question for one that does
 * everything by helpers, which after some blocks is left again: calls within a translation, were they never made, would cost
 * all others their registers.
 */
export enum FpState {
  /** IXC is clear: results must be exact. */
  EXACT = 0,
  /** IXC is set. */
  INEXACT = 1,
  /** By helpers for the next blocks. */
  CAREFUL = 2,
  /** By helpers: rounding is not to nearest, or denormals are flushed. */
  HELPERS = 3,
}

/** Blocks with floating point that run by helpers before the engine's arithmetic is tried again. */
export const CAREFUL_BLOCKS = 64;

/** Bits of `mode` of src/softfloat/ieee-core.as.ts. */
const DAZ = 0x08;
const FTZ = 0x10;
const FLUSH_IS_EXACT = 0x20;
const TINY_BEFORE = 0x40;
const NAN_ARM = 0x100;
const DEFAULT_NAN = 0x800;
/** Softfloat's rounding by RMode: to nearest, up, down, to zero. */
const ROUNDING = [0, 2, 1, 3];

/** What ARM has in common under every FPSCR. */
const BASE_MODE = NAN_ARM | TINY_BEFORE | FLUSH_IS_EXACT;
/** The mode of Advanced SIMD, which does not look at FPSCR (ARM ARM, StandardFPSCRValue). */
export const STANDARD_MODE = BASE_MODE | DAZ | FTZ | DEFAULT_NAN;

/** FPSCR of the state. Unsigned. */
export function readFpscr(view: DataView, env: number): number {
  const at = (offset: number) => view.getInt32(env + offset, true);
  return (at(O.fpscr) | (at(O.fpflags) & FPSCR_NZCV) | at(O.fpexc)) >>> 0;
}

/** Sets FPSCR and what follows from it. Translations of the present state may no longer hold. */
export function writeFpscr(view: DataView, env: number, value: number): void {
  view.setInt32(env + O.fpflags, value & FPSCR_NZCV, true);
  writeFpscrParts(view, env, value);
}

/** The same but for the flags of comparisons. */
export function writeFpscrParts(view: DataView, env: number, value: number): void {
  const put = (offset: number, bits: number) => view.setInt32(env + offset, bits, true);
  put(O.fpscr, value & CONTROL[view.getInt32(env + O.model, true)]!);
  put(O.fpexc, value & FPSCR_CUMULATIVE);
  const flush = (value & FPSCR_FZ) !== 0;
  const rounding = ROUNDING[(value >>> 22) & 3]!;
  const mode = BASE_MODE | rounding | (value & FPSCR_DN ? DEFAULT_NAN : 0);
  put(O.fpmode, mode | (flush ? DAZ | FTZ : 0));
  put(O.fpmode16, mode | (value & FPSCR_FZ16 ? DAZ | FTZ : 0));
  const state = flush || rounding !== 0 ? FpState.HELPERS : value & FPSCR_IXC ? FpState.INEXACT : FpState.EXACT;
  put(O.fpstate, (state << FLAG_FP_SHIFT) | (value & FPSCR_SHORT_VECTORS ? FLAG_SHORT_VECTORS : 0));
  put(O.fpcareful, CAREFUL_BLOCKS);
}
