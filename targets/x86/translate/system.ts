// CPUID, time stamp counter, fences, system call entry and other instructions that concern the processor itself.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Vector } from '../vectors.ts';
import type { Translation } from './context.ts';

const GLOBALS = { readsGlobals: true, writesGlobals: true } as const;
export const CPUID: HelperRow = { name: 'cpuid', args: [], result: null, ...GLOBALS };
/** EDX:EAX = time stamp counter; the argument asks for ECX = processor number too (RDTSCP). */
export const RDTSC: HelperRow = { name: 'rdtsc', args: ['i32'], result: null, sideEffects: true, ...GLOBALS };

export function cpuid(t: Translation): void {
  t.b.call(CPUID);
  t.flags.lostRegisters();
}

/** RDTSC, RDTSCP. */
export function rdtsc(t: Translation): void {
  t.b.call(RDTSC, t.insn.mnemonic === 'RDTSCP' ? 1 : 0);
  t.flags.lostRegisters();
}

/** Fences, prefetches, hints: ordering is the host's, nothing else is visible. */
export function nop(_t: Translation): void {}

/** LFENCE SFENCE MFENCE. */
export function fence(t: Translation): void {
  t.b.effect('fence');
}

/** MOVNTI: a store; the hint has no effect. */
export function movnti(t: Translation): void {
  t.write(t.dst, t.read(t.src));
}

/** An instruction of this CPU that is not translated yet: named once, #UD for the guest. */
export function unimplemented(t: Translation): void {
  t.unimplemented = `x86 instruction ${t.insn.mnemonic}`;
  t.fault(Vector.UD);
  t.ended = true;
}

/** SYSENTER without the vDSO that sets it up: no kernel entry is configured, as on a 64-bit kernel without one. */
export function sysenter(t: Translation): void {
  t.fault(Vector.GP);
  t.ended = true;
}
