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

/** Fields that instructions leave values in for their own use. */
const INTERNAL = ['fpstore', 'fpscratch', 'fpscratchhi'];

/** Whether the x87 differs from what `resetX87` makes. */
export function x87InUse(view: DataView, env: number): boolean {
  const at = env + X86_OFFSETS.fpu;
  return X87_FIELDS.some(({ name, offset, type }) => {
    if (INTERNAL.includes(name)) return false;
    const value = view.getUint32(at + offset, true);
    if (name === 'fpcw') return value !== 0x37f;
    if (name === 'fpempty') return value !== 0xff;
    return value !== 0 || (type === 'i64' && view.getUint32(at + offset + 4, true) !== 0);
  });
}
