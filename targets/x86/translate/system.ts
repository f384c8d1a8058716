// CPUID, time stamp counter, fences, system call entry and other instructions that concern the processor itself.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond, Exit, MO_8, MO_16, MO_32 } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { CF, OF } from '../flags.ts';
import { X86_OFFSETS } from '../state.ts';
import { Vector } from '../vectors.ts';
import type { Translation } from './context.ts';

/** What reports a system call to the process loop. */
const SYSCALL_VECTOR = 0x80;

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

/** CLFLUSH, CLFLUSHOPT, CLWB: caches are the host's, but the byte must be readable. */
export function flushLine(t: Translation): void {
  t.b.load(t.address(), MO_8);
}

/** ADCX and ADOX: addition with one flag as the only carry in and out. */
export function addCarry(t: Translation): void {
  const { b } = t;
  const [flag, shift] = t.insn.mnemonic === 'ADCX' ? [CF, 0] : [OF, 11];
  const flags = t.flags.all();
  const carry = b.extu64(b.and(b.shr(flags, shift), 1));
  const sum = b.emit('add_i64', b.emit('add_i64', b.extu64(t.read(t.dst)), b.extu64(t.read(t.src))), carry);
  t.giveTo(t.dst, b.wrap(sum));
  t.flags.setAll(b.or(b.and(flags, ~flag), b.shl(b.high(sum), shift)));
}

/** A random number, never refused: CF is set, the other flags are cleared. */
export const RANDOM: HelperRow = { name: 'random', args: [], result: 'i32', sideEffects: true };

/** RDRAND, RDSEED. */
export function random(t: Translation): void {
  t.write(t.dst, t.b.call(RANDOM));
  t.flags.setAll(const32(CF));
}

/** RDPID: the number of the processor and its node, as RDTSCP has it in ECX. */
export function rdpid(t: Translation): void {
  t.write(t.dst, 0);
}

/**
 * What the kernel shows to processes in place of the system's own values where the CPU keeps those from them (UMIP;
 * arch/x86/kernel/umip.c): table bases, CR0, and the selectors of the LDT and the task.
 */
const GDT_BASE = 0xfffe0000 | 0;
const IDT_BASE = 0xffff0000 | 0;
const CR0 = 0x80050033 | 0;
const LDT_SELECTOR = 0x50;
const TASK_SELECTOR = 0x40;

/** SGDT, SIDT: a limit of 0 and a base. */
export function storeTable(t: Translation): void {
  const { b } = t;
  const address = b.copy(t.writeAddress());
  // The kernel writes it: no alignment checks.
  b.store(address, 0, MO_16);
  b.store(b.add(address, 2), t.insn.mnemonic === 'SGDT' ? GDT_BASE : IDT_BASE, MO_32);
}

/** SMSW, STR, SLDT: 16 bits to memory, the operand size to a register. */
export function storeSystem(t: Translation): void {
  const { b } = t;
  let value: Value;
  if (t.insn.mnemonic === 'SMSW') value = const32(CR0);
  else if (t.insn.mnemonic === 'STR') value = const32(TASK_SELECTOR);
  else value = b.mul(b.setcond(Cond.NE, b.envLoad(X86_OFFSETS.ldtEntries), 0), LDT_SELECTOR);
  t.write(t.dst, value);
}

/** An instruction of this CPU that is not translated yet: named once, #UD for the guest. */
export function unimplemented(t: Translation): void {
  t.unimplemented = `x86 instruction ${t.insn.mnemonic}`;
  t.fault(Vector.UD);
  t.ended = true;
}

/**
 * What the kernel's entry does before it looks at the call: ESP from EBP, EBP from the stack. 0 when that cannot be read
 * (EAX is -EFAULT then), else the address to come back to; -1 when there is none.
 */
export const SYSENTER: HelperRow = { name: 'sysenter', args: [], result: 'i32', sideEffects: true, ...GLOBALS };

/** SYSENTER: a system call that comes back to the vDSO, which restores what the caller has pushed. */
export function sysenter(t: Translation): void {
  const { b } = t;
  const nowhere = b.label();
  const back = b.copy(b.envLoad(X86_OFFSETS.sysenterReturn));
  b.brcond(Cond.EQ, back, 0, nowhere);
  const failed = b.label();
  b.brcond(Cond.EQ, b.call(SYSENTER), 0, failed);
  t.flags.lostRegisters();
  t.raiseAt(SYSCALL_VECTOR, 0, back);
  b.place(failed);
  t.settle();
  b.exitTb(Exit.LOOKUP, back);
  b.place(nowhere);
  t.fault(Vector.GP);
  t.ended = true;
}
