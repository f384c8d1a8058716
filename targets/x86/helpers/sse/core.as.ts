// How SSE computes as MXCSR says, and what becomes of the exceptions (AssemblyScript).

import { raised } from '../../../../src/softfloat/ieee-core.as';
import { DAZ, DE, FTZ, IE, UNMASKED_OVERFLOW, UNMASKED_UNDERFLOW, ZE } from '../../../../src/softfloat/ieee-core.as';
import { MXCSR, SSE_FAULT } from './layout.as';

const MXCSR_DAZ: i32 = 0x40;
const MXCSR_OM: i32 = 0x400;
const MXCSR_UM: i32 = 0x800;
const MXCSR_FTZ: i32 = 0x8000;
const RC_SHIFT: i32 = 13;
const MASK_SHIFT: i32 = 7;
const FLAGS: i32 = 0x3f;
/** Exceptions found before anything is computed. */
const EARLY: i32 = IE | DE | ZE;

/** The `mode` of softfloat for the MXCSR in force. Results are flushed only while underflow is masked. */
export function modeOf(env: usize): i32 {
  const mxcsr = load<i32>(env, MXCSR);
  let mode = (mxcsr >> RC_SHIFT) & 3;
  if (mxcsr & MXCSR_DAZ) mode |= DAZ;
  if ((mxcsr & MXCSR_OM) == 0) mode |= UNMASKED_OVERFLOW;
  if ((mxcsr & MXCSR_UM) == 0) mode |= UNMASKED_UNDERFLOW;
  else if (mxcsr & MXCSR_FTZ) mode |= FTZ;
  return mode;
}

/**
 * Sets flags in MXCSR, and `sseFault` to whether one of them is unmasked. When an operand is to blame, nothing has been
 * computed, in no lane: other flags are not set. Returns whether one is unmasked.
 */
export function finish(env: usize, flags: i32): bool {
  const mxcsr = load<i32>(env, MXCSR);
  const unmasked = flags & ~(mxcsr >> MASK_SHIFT) & FLAGS;
  if (unmasked & EARLY) flags &= EARLY;
  store<i32>(env, mxcsr | (flags & FLAGS), MXCSR);
  store<i32>(env, unmasked, SSE_FAULT);
  return unmasked != 0;
}

/** `finish` for an operation just done that had one lane. */
export function finishOne(env: usize): void {
  finish(env, raised);
}
