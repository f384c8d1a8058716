// What helpers of floating point and Advanced SIMD share: the mode of FPSCR, cumulative flags, guards (AssemblyScript).
//
// The constants of `layout.as` are made from ../../state.ts and ../../fpscr.ts by the build script; there is no such file on disk.

import { FTZ, RM_MASK, raised } from '../../../../src/softfloat/ieee-core.as';
import {
  FPEXC, FPINEXACT, FPLIMITS32, FPLIMITS64, FPMODE, FPSCR_IXC, FPSCR_QC,
  GUARD32_0, GUARD32_1, GUARD32_2, GUARD32_3, GUARD64_0, GUARD64_1, GUARD64_2, GUARD64_3,
} from './layout.as';

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
  const before = load<i32>(env, FPEXC);
  store<i32>(env, before | flags, FPEXC);
  if ((flags & ~before & FPSCR_IXC) != 0) allowInexact(env);
}

/** The sticky flag is set: from now on guards may let results pass. */
function allowInexact(env: usize): void {
  store<i32>(env, 1, FPINEXACT);
  if ((load<i32>(env, FPMODE) & (RM_MASK | FTZ)) != 0) return;
  store<u32>(env, GUARD32_0, FPLIMITS32);
  store<u32>(env, GUARD32_1, FPLIMITS32 + 4);
  store<u32>(env, GUARD32_2, FPLIMITS32 + 8);
  store<u32>(env, GUARD32_3, FPLIMITS32 + 12);
  store<u64>(env, GUARD64_0, FPLIMITS64);
  store<u64>(env, GUARD64_1, FPLIMITS64 + 8);
  store<u64>(env, GUARD64_2, FPLIMITS64 + 16);
  store<u64>(env, GUARD64_3, FPLIMITS64 + 24);
}

/** Something was saturated. */
export function saturated(env: usize): void {
  store<i32>(env, load<i32>(env, FPEXC) | FPSCR_QC, FPEXC);
}
