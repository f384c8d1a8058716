// The CPSR as a program sees it, put together from the split fields of CPU state and taken apart again.
import { ARM_OFFSETS as O } from './state.ts';

export const CPSR_N = 0x80000000;
export const CPSR_Z = 0x40000000;
export const CPSR_C = 0x20000000;
export const CPSR_V = 0x10000000;
export const CPSR_Q = 0x08000000;
export const CPSR_E = 0x200;
export const CPSR_T = 0x20;
/** Bits 19-16. */
export const CPSR_GE = 0xf0000;
/** ITSTATE is in bits 15-10 and 26-25. */
export const CPSR_IT = 0x0600fc00;
/** The mode field of user mode. */
export const CPSR_USER = 0x10;

/** CPSR of the state. Unsigned. */
export function readCpsr(view: DataView, env: number): number {
  const at = (offset: number) => view.getInt32(env + offset, true);
  let cpsr = CPSR_USER;
  const [nz, ca, cb, vx] = [at(O.nz), at(O.ca), at(O.cb), at(O.vx)];
  if (nz < 0 || vx & 1) cpsr |= CPSR_N;
  if (nz === 0) cpsr |= CPSR_Z;
  if (ca >>> 0 >= cb >>> 0) cpsr |= CPSR_C;
  if ((((ca ^ cb) & (ca ^ (ca - cb))) ^ vx) < 0) cpsr |= CPSR_V;
  if (at(O.qf) !== 0) cpsr |= CPSR_Q;
  if (at(O.bigEndian) !== 0) cpsr |= CPSR_E;
  if (at(O.pc) & 1) cpsr |= CPSR_T;
  const it = at(O.itstate);
  cpsr |= (at(O.ge) & 15) << 16;
  cpsr |= ((it & 0xfc) << 8) | ((it & 3) << 25);
  return cpsr >>> 0;
}

/** Sets the flags and the state that a program may set: NZCVQ, GE, E, ITSTATE; bit 0 of the PC from T. */
export function writeCpsr(view: DataView, env: number, cpsr: number): void {
  const put = (offset: number, value: number) => view.setInt32(env + offset, value, true);
  put(O.nz, cpsr & CPSR_Z ? 0 : cpsr & CPSR_N ? CPSR_N : 1);
  put(O.ca, cpsr & CPSR_C ? 1 : 0);
  put(O.cb, 1);
  put(O.vx, ((cpsr & CPSR_V) << 3) | (cpsr & CPSR_Z && cpsr & CPSR_N ? 1 : 0));
  put(O.qf, cpsr & CPSR_Q ? 1 : 0);
  put(O.ge, (cpsr >>> 16) & 15);
  put(O.bigEndian, cpsr & CPSR_E ? 1 : 0);
  put(O.itstate, cpsr & CPSR_T ? ((cpsr >>> 8) & 0xfc) | ((cpsr >>> 25) & 3) : 0);
  const pc = view.getUint32(env + O.pc, true);
  put(O.pc, (pc & ~1) | (cpsr & CPSR_T ? 1 : 0));
}
