// The part of CPU state that translations take for granted, kept as one word beside ITSTATE.
import { ARM_OFFSETS as O } from './state.ts';

/** Bits 0-7 of the block flags are ITSTATE at the block's start. */
export const FLAG_ITSTATE = 0xff;
/** Data is big-endian: CPSR.E, or BE32. */
export const FLAG_BIG_ENDIAN = 0x100;
/** Instructions are big-endian too (BE32, the byte order of armeb before ARMv6). CPSR.E is clear then, and without effect. */
export const FLAG_BIG_CODE = 0x200;
/** Four bits for what translations of floating point depend on: FpState and FLAG_SHORT_VECTORS of fpscr.ts. */
export const FLAG_FP_SHIFT = 10;
/** The rest is the index of the CPU model. */
export const MODEL_SHIFT = 16;

/** What translations of the present state are keyed by. */
export function blockFlags(view: DataView, env: number): number {
  const at = (offset: number) => view.getInt32(env + offset, true);
  const flags = at(O.mode) | at(O.itstate) | at(O.fpstate);
  return view.getInt32(env + O.bigEndian, true) || flags & FLAG_BIG_CODE ? flags | FLAG_BIG_ENDIAN : flags;
}

/** Sets the mode word: model index, byte order of instructions; with big-endian ones CPSR.E begins clear. */
export function setMode(view: DataView, env: number, model: number, bigCode: boolean): void {
  view.setUint32(env + O.model, model, true);
  view.setUint32(env + O.mode, (model << MODEL_SHIFT) | (bigCode ? FLAG_BIG_CODE : 0), true);
  if (bigCode) view.setUint32(env + O.bigEndian, 0, true);
}
