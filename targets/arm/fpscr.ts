// FPSCR as a program sees it, put together from its parts in CPU state and taken apart again; what follows from it.
import { ARM_OFFSETS as O } from './state.ts';

/** The flags of comparisons. */
export const FPSCR_NZCV = 0xf0000000 | 0;
/** The cumulative flags: QC IDC IXC UFC OFC DZC IOC. */
export const FPSCR_CUMULATIVE = 0x0800009f;
export const FPSCR_IXC = 0x10;
export const FPSCR_QC = 0x08000000;
/** What can be written besides: AHP DN FZ RMode Stride Len. FZ16 and the enabling of traps are not there. */
export const FPSCR_CONTROL = 0x07f70000;
export const FPSCR_AHP = 1 << 26;
export const FPSCR_DN = 1 << 25;
export const FPSCR_FZ = 1 << 24;
/** Vectors of the old kind: their stride and length. */
export const FPSCR_SHORT_VECTORS = 0x00370000;

/** Bits of the mode word that follow from FPSCR (mode.ts): FZ, and a length or stride that is not 1. */
export const FLAG_FLUSH = 1 << 10;
export const FLAG_SHORT_VECTORS = 1 << 11;

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

/**
 * Guards. WebAssembly's arithmetic rounds to nearest and tells nothing, so its result is used only while a program cannot
 * tell the difference: rounding is to nearest, IXC is set already, and the result neither overflows nor is tiny nor a NaN.
 * All of that is one unsigned comparison of the number's bits with a limit in CPU state, which is 0 while it may not be used.
 */
export enum Guard {
  /** Bits << 1 is below the limit: a finite number. */
  FINITE = 0,
  /** (Bits << 1) - GUARD_BASE is below the limit: finite and larger than the least normal number. */
  NORMAL = 1,
  /** Bits << 1 is below the limit: its magnitude is below 2^31. */
  INT32 = 2,
  /** Bits are below the limit: from 0 to 2^32. */
  UINT32 = 3,
}

/** What is subtracted before the comparison of NORMAL, for f32 and f64. */
export const GUARD_BASE_32 = 0x01000002;
export const GUARD_BASE_64 = 0x0020000000000002n;
/** The limits by guard. */
export const GUARDS_32: readonly number[] = [0xff000000, 0xff000000 - GUARD_BASE_32, 0x9e000000, 0x4f800000];
export const GUARDS_64: readonly bigint[] = [
  0xffe0000000000000n,
  0xffe0000000000000n - GUARD_BASE_64,
  0x83c0000000000000n,
  0x41f0000000000000n,
];

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
  put(O.fpscr, value & FPSCR_CONTROL);
  put(O.fpexc, value & FPSCR_CUMULATIVE);
  const flush = (value & FPSCR_FZ) !== 0;
  const rounding = ROUNDING[(value >>> 22) & 3]!;
  put(O.fpmode, BASE_MODE | rounding | (flush ? DAZ | FTZ : 0) | (value & FPSCR_DN ? DEFAULT_NAN : 0));
  const inexact = (value & FPSCR_IXC) !== 0;
  put(O.fpinexact, inexact ? 1 : 0);
  const guarded = inexact && rounding === 0 && !flush;
  for (let n = 0; n < GUARDS_32.length; n++) {
    put(O.fplimits32 + 4 * n, guarded ? GUARDS_32[n]! : 0);
    view.setBigUint64(env + O.fplimits64 + 8 * n, guarded ? GUARDS_64[n]! : 0n, true);
  }
  const mode = view.getInt32(env + O.mode, true) & ~(FLAG_FLUSH | FLAG_SHORT_VECTORS);
  put(O.mode, mode | (flush ? FLAG_FLUSH : 0) | (value & FPSCR_SHORT_VECTORS ? FLAG_SHORT_VECTORS : 0));
}
