/** Openings of the x86 opcode maps against the host CPU: bytes that end at a page border show their length and validity. */

import { expect } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArrayCode, DecodeFault, decodeInto, FLAT_32, Insn } from '../../targets/x86/decode.ts';
import { RowBit } from '../../targets/x86/insns-table.ts';
import { nativeUnavailable } from '../oracle/runner.ts';
import { testWith } from '../setup/needs.ts';
import { eachOpening, hex, type Sequence } from './x86-disasm-cases.ts';
import { EXCEPTIONS } from './x86-disasm-exceptions.ts';

/** A case: the instruction's bytes and, in the last byte, the length to check. */
const CASE_BYTES = 16;

/**
 * Reads cases, writes for each a byte for the length and one for what happened. A byte sequence that is too short faults
 * at the border page with EIP at its start; one that is complete does anything else: it is executed, with the trap flag
 * set and registers of 0, so that memory accesses fault too. Tried from one byte less than the length given. No library
 * calls in the handler: the instruction may have changed the segment registers.
 */
const PROBE = `
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include <unistd.h>
enum { UNDEFINED = 0, EXECUTED = 1, ENDLESS = 2 };
static unsigned char *cases, *out, *border;
static int count, current = -1, length;
static greg_t start[NGREG];
static void finish(void) {
  int done = 0, wrote;
  while (done < 2 * count) {
    __asm__ volatile("int $0x80" : "=a"(wrote) : "a"(4), "b"(1), "c"(out + done), "d"(2 * count - done) : "memory");
    if (wrote <= 0) break;
    done += wrote;
  }
  __asm__ volatile("int $0x80" : : "a"(252), "b"(0));
}
static void on_signal(int signal, siginfo_t *info, void *context) {
  greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
  int again = 0;
  if (current < 0) {
    for (int i = 0; i < NGREG; i++) start[i] = regs[i];
  } else {
    unsigned at = (unsigned)(border - length);
    if (signal == SIGSEGV && (unsigned)regs[REG_EIP] == at && (unsigned)info->si_addr == (unsigned)border) again = 1;
    if (again && length < 15) length++;
    else {
      out[2 * current] = length;
      out[2 * current + 1] = again ? ENDLESS : signal == SIGILL ? UNDEFINED : EXECUTED;
      again = 0;
    }
  }
  if (!again) {
    if (++current >= count) finish();
    length = cases[16 * current + 15] - 1;
    if (length < 1) length = 1;
  }
  for (int i = 0; i < length; i++) border[i - length] = cases[16 * current + i];
  for (int i = 0; i < NGREG; i++) regs[i] = start[i];
  regs[REG_EAX] = -1;
  regs[REG_EBX] = regs[REG_ECX] = regs[REG_EDX] = regs[REG_ESI] = regs[REG_EDI] = regs[REG_EBP] = 0;
  regs[REG_ESP] = regs[REG_UESP] = 0;
  regs[REG_EIP] = (greg_t)(border - length);
  regs[REG_EFL] = 0x302;
}
int main(void) {
  int room = 1 << 20;
  cases = malloc(16 * room);
  while (count < room && fread(cases + 16 * count, 16, 1, stdin) == 1) count++;
  out = calloc(2, count + 1);
  border = (unsigned char *)mmap((void *)0x70000000, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) + 4096;
  mprotect(border, 4096, PROT_NONE);
  stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
  sigaltstack(&stack, 0);
  struct sigaction action = {0};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  int signals[] = {SIGUSR1, SIGSEGV, SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSYS};
  for (int i = 0; i < 7; i++) sigaction(signals[i], &action, 0);
  raise(SIGUSR1);
  return 1;
}
`;

/** Where processors differ from each other. */
const CPU_EXCEPTIONS: readonly { openings: readonly string[]; when?: (s: Sequence) => boolean; why: string }[] = [
  { openings: ['0f0d'], when: (s) => s.modrm >= 0xc0, why: 'the register forms are NOPs on Intel, #UD on AMD' },
  { openings: ['0f20', '0f22'], when: (s) => s.prefixes.includes(0xf0), why: 'AMD: LOCK MOV CR0 means CR8' },
  {
    openings: ['0f00'],
    when: (s) => s.prefixes.includes(0xf0) && (s.modrm & 0xf8) === 0x28,
    why: 'AMD family 19h with microcode that clears buffers at VERW: LOCK VERW m runs as without LOCK',
  },
];

/** Not executed: system calls would be made for real. */
function isHarmless(sequence: Sequence): boolean {
  if (sequence.opening === '0f34' || sequence.opening === '0f05') return false;
  if (sequence.opening === 'cd') return sequence.modrm !== 0x80;
  return sequence.opening !== '0f01' || (sequence.modrm !== 0xc1 && sequence.modrm !== 0xd9);
}

const MEMORY = [0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38];
const REGISTER = Array.from({ length: 64 }, (_, low) => 0xc0 + low);
const SOME = [...MEMORY, 0x44, 0x85, ...REGISTER.filter((byte) => byte % 9 === 0)];
const TAIL = [0x25, 0x36, 0x47, 0x58, 0x69, 0x7a, 0x8b, 0x9c];

function everySequence(visit: (sequence: Sequence) => void): void {
  const harmless = (sequence: Sequence) => isHarmless(sequence) && visit(sequence);
  eachOpening([], [...MEMORY, 0x04, 0x45, 0x84, 0x85, ...REGISTER], TAIL, harmless);
  for (const prefix of [0x66, 0xf2, 0xf3, 0xf0]) eachOpening([prefix], SOME, TAIL, harmless);
  eachOpening([0x66, 0xf3], [0x00, 0xc1], TAIL, harmless);
  eachOpening([0x67], [0x00, 0x06, 0x46, 0x86], TAIL, harmless);
}

function runProbe(cases: Uint8Array): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'wemu-x86-cpu-'));
  try {
    const source = join(folder, 'probe.c');
    const program = join(folder, 'probe');
    writeFileSync(source, PROBE);
    const compiler = ['i686-linux-gnu-gcc', '-O1', '-w', '-static', '-fno-stack-protector', source, '-o', program];
    expect(Bun.spawnSync(compiler).stderr.toString()).toBe('');
    return Bun.spawnSync([program], { stdin: cases, maxBuffer: 2 ** 30 }).stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const unavailable = nativeUnavailable();
const NATIVE = { met: unavailable === undefined, reason: unavailable ?? '' };

testWith(['gcc-i386', NATIVE], 'the host CPU finds the same instructions, of the same lengths', () => {
  const insn = new Insn();
  const code = new ArrayCode(new Uint8Array(0));
  const bytes: number[] = [];
  everySequence((sequence) => {
    code.bytes = sequence.bytes;
    decodeInto(insn, code, 0, FLAT_32);
    bytes.push(...sequence.bytes.subarray(0, CASE_BYTES - 1), Math.min(insn.length, 15));
  });
  const found = runProbe(Uint8Array.from(bytes));
  expect(found.length).toBe((bytes.length / CASE_BYTES) * 2);

  const different: string[] = [];
  let place = 0;
  everySequence((sequence) => {
    const length = found[place++]!;
    const executed = found[place++] === 1;
    code.bytes = sequence.bytes;
    decodeInto(insn, code, 0, FLAT_32);
    const valid = insn.fault === DecodeFault.None;
    if (valid ? executed && length === insn.length : !executed) return;
    const explains = (one: { openings: readonly string[]; when?: (s: Sequence) => boolean }) =>
      one.openings.includes(sequence.opening) && (one.when === undefined || one.when(sequence));
    if (CPU_EXCEPTIONS.some(explains)) return;
    if (valid) {
      // the CPU may lack the feature, and some instructions are there to raise #UD
      if (!executed && (insn.row.feature !== '' || insn.row.bits & RowBit.PrivilegedUd)) return;
      if (!executed && ['UD0', 'UD1', 'UD2', 'RSM', 'INVALID'].includes(insn.mnemonic)) return;
    } else if (EXCEPTIONS.some((one) => one.verdict === 'absent' && explains(one))) {
      return;
    }
    const theirs = executed ? `${length} bytes` : '#UD';
    different.push(`${hex(sequence.bytes.subarray(0, 12))}: ${insn.mnemonic} ${insn.length} bytes, not ${theirs}`);
  });
  expect(different).toEqual([]);
});
