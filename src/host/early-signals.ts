// SIGSEGV and SIGBUS from other processes, in the time before a guest thread takes signals (signals.ts): they just kill.

import { type Pointer, toArrayBuffer } from 'bun:ffi';
import { HostBuffer, SYS, sys3, sys4, sys6 } from './syscall.ts';

/**
 * A handler that stands before the engine's. Where the kernel says what happened (si_code > 0) it is a fault, and the engine's;
 * what somebody has sent acts by default: the engine would print a report about itself.
 */
// biome-ignore format: one instruction per line
const HANDLER = [
  0x83, 0x7e, 0x08, 0x00, // cmp dword [rsi + 8], 0
  0x7e, 0x0c, // jle sent
  0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, // mov rax, ENGINE
  0xff, 0xe0, // jmp rax
  0x53, // sent: push rbx
  0x89, 0xfb, // mov ebx, edi
  0x48, 0x83, 0xec, 0x20, // sub rsp, 32
  0x31, 0xc0, // xor eax, eax
  0x48, 0x89, 0x04, 0x24, // mov [rsp], rax
  0x48, 0x89, 0x44, 0x24, 0x08, // mov [rsp + 8], rax
  0x48, 0x89, 0x44, 0x24, 0x10, // mov [rsp + 16], rax
  0x48, 0x89, 0x44, 0x24, 0x18, // mov [rsp + 24], rax
  0x48, 0x89, 0xe6, // mov rsi, rsp
  0x31, 0xd2, // xor edx, edx
  0x41, 0xba, 0x08, 0x00, 0x00, 0x00, // mov r10d, 8
  0xb8, 0x0d, 0x00, 0x00, 0x00, // mov eax, rt_sigaction
  0x0f, 0x05, // syscall
  0xbf, 0x04, 0x00, 0x00, 0x00, // mov edi, PR_SET_DUMPABLE: a core file would be the emulator's
  0x31, 0xf6, // xor esi, esi
  0xb8, 0x9d, 0x00, 0x00, 0x00, // mov eax, prctl
  0x0f, 0x05, // syscall
  0xb8, 0x27, 0x00, 0x00, 0x00, // mov eax, getpid
  0x0f, 0x05, // syscall
  0x89, 0xc7, // mov edi, eax
  0xb8, 0xba, 0x00, 0x00, 0x00, // mov eax, gettid
  0x0f, 0x05, // syscall
  0x89, 0xc6, // mov esi, eax
  0x89, 0xda, // mov edx, ebx
  0xb8, 0xea, 0x00, 0x00, 0x00, // mov eax, tgkill: blocked until the handler has returned
  0x0f, 0x05, // syscall
  0x48, 0x83, 0xc4, 0x20, // add rsp, 32
  0x5b, // pop rbx
  0xc3, // ret
];
const ENGINE = 8;

const PAGE = 4096;
const PROT_READ_WRITE = 3;
const PROT_READ_EXEC = 5;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const SIGSET_SIZE = 8;
const [SIGBUS, SIGSEGV] = [7, 11];

/** Puts the handler before the engine's, whose it keeps flags and mask of; once its memory has been made, with which it sets its own. */
export function dieOfSentFaults(): void {
  const { view, address } = new HostBuffer(32);
  const page = sys6(SYS.mmap, 0, PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (page < 0) return;
  const code = new DataView(toArrayBuffer(page as Pointer, 0, PAGE));
  const signals = [SIGBUS, SIGSEGV];
  const place = (n: number): number => n * 256;
  signals.forEach((signal, n) => {
    sys4(SYS.rt_sigaction, signal, 0, address, SIGSET_SIZE);
    HANDLER.forEach((byte, k) => {
      code.setUint8(place(n) + k, byte);
    });
    code.setUint32(place(n) + ENGINE, view.getUint32(0, true), true);
    code.setUint32(place(n) + ENGINE + 4, view.getUint32(4, true), true);
  });
  if (sys3(SYS.mprotect, page, PAGE, PROT_READ_EXEC) < 0) return;
  signals.forEach((signal, n) => {
    sys4(SYS.rt_sigaction, signal, 0, address, SIGSET_SIZE);
    // SIG_DFL or SIG_IGN: there is nothing of the engine's.
    if (view.getUint32(4, true) === 0 && view.getUint32(0, true) <= 1) return;
    const handler = page + place(n);
    view.setUint32(0, handler >>> 0, true);
    view.setUint32(4, Math.floor(handler / 2 ** 32), true);
    sys4(SYS.rt_sigaction, signal, address, 0, SIGSET_SIZE);
  });
}
