// The x87 FPU as a new process finds it: FNINIT's state.
import { X86_OFFSETS } from './state.ts';
import { X87_AREA_SIZE, X87_FIELDS } from './x87-state.ts';

/** Byte offset in CPU state of an x87 field. */
export function x87Offset(name: (typeof X87_FIELDS)[number]['name']): number {
  return X86_OFFSETS.fpu + X87_FIELDS.find((field) => field.name === name)!.offset;
}

/** FNINIT (Intel SDM vol. 1, table 8-1): all registers empty, all exceptions masked, 64-bit precision. */
export function resetX87(view: DataView, env: number): void {
  for (let at = 0; at < X87_AREA_SIZE; at += 4) view.setUint32(env + X86_OFFSETS.fpu + at, 0, true);
  view.setUint32(env + x87Offset('fpcw'), 0x37f, true);
  view.setUint32(env + x87Offset('fpempty'), 0xff, true);
}
