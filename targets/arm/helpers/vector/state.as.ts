// What helpers of floating point and Advanced SIMD share: the mode of FPSCR, cumulative flags, flags of comparisons (AssemblyScript).
//
// The constants of `layout.as` are made from ../../state.ts and ../../fpscr.ts by the build script; there is no such file on disk.

import { EQUAL, GREATER, LESS } from '../../../../src/softfloat/ieee-compare.as';
import { raised } from '../../../../src/softfloat/ieee-core.as';
import { FPEXC, FPMODE, FPSCR_QC } from './layout.as';

// @ts-ignore: decorator
@inline
export function modeOf(env: usize): i32 {
  return load<i32>(env, FPMODE);
}

/** Adds what the last operation raised to the cumulative flags of FPSCR. */
export function note(env: usize): void {
  const exceptions = raised;
  if ((exceptions & 0x7d) == 0) return;
  // IOC DZC OFC UFC IXC from IE ZE OE UE PE, IDC from FLUSHED_IN.
  const flags = (exceptions & 1) | ((exceptions >> 1) & 0x1e) | ((exceptions << 1) & 0x80);
  store<i32>(env, load<i32>(env, FPEXC) | flags, FPEXC);
}

/** Something was saturated. */
export function saturated(env: usize): void {
  store<i32>(env, load<i32>(env, FPEXC) | FPSCR_QC, FPEXC);
}

/** NZCV of a relation, in bits 31-28. */
export function flagsOf(relation: i32): i32 {
  if (relation == LESS) return 0x80000000;
  if (relation == EQUAL) return 0x60000000;
  return relation == GREATER ? 0x20000000 : 0x30000000;
}
