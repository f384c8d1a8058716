/** Host system calls: one function per number of arguments, results as the kernel gives them (-errno on failure). */

import { CFunction, dlopen, FFIType, type FFITypeOrString, type Pointer, ptr, toArrayBuffer } from 'bun:ffi';

export { SYS } from './syscall-numbers.ts';

/**
 * An argument of a host system call: a number (negative numbers are sign-extended, host addresses and unsigned 32-bit
 * numbers stand as they are; a bigint for what needs more than 53 bits), a typed array or DataView (its host address), or null (0).
 */
export type HostArg = number | bigint | NodeJS.TypedArray | DataView | null;

/**
 * What `sysInterruptible` returns when a signal has interrupted a call that the kernel then would have repeated. The number is the
 * kernel's own for this state (ERESTARTSYS, include/linux/errno.h).
 */
export const INTERRUPTED = -512;
/** The same for a signal that had come before: the call has not begun (ERESTARTNOINTR). */
export const NOT_BEGUN = -513;

/**
 * Machine code of the two ways into the kernel. libc's `syscall` is not used because it leaves the error in errno, which
 * the engine may overwrite before JavaScript reads it, and because a signal that arrives just before a blocking call
 * must not be lost (see SYSCALL_WINDOW).
 */
// biome-ignore format: one instruction per line
const STUB = new Uint8Array([
  // plain(number, a, b, c, d, e, f)
  0x48, 0x89, 0xf8, // mov rax, rdi
  0x48, 0x89, 0xf7, // mov rdi, rsi
  0x48, 0x89, 0xd6, // mov rsi, rdx
  0x48, 0x89, 0xca, // mov rdx, rcx
  0x4d, 0x89, 0xc2, // mov r10, r8
  0x4d, 0x89, 0xc8, // mov r8, r9
  0x4c, 0x8b, 0x4c, 0x24, 0x08, // mov r9, [rsp + 8]
  0x0f, 0x05, // syscall
  0xc3, // ret
  0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00, // nop
  // interruptible(number, a, b, c, d, e, f, address of the poll word)
  0x4c, 0x8b, 0x5c, 0x24, 0x10, // mov r11, [rsp + 16]
  0x48, 0x89, 0xf8, // mov rax, rdi
  0x48, 0x89, 0xf7, // mov rdi, rsi
  0x48, 0x89, 0xd6, // mov rsi, rdx
  0x48, 0x89, 0xca, // mov rdx, rcx
  0x4d, 0x89, 0xc2, // mov r10, r8
  0x4d, 0x89, 0xc8, // mov r8, r9
  0x4c, 0x8b, 0x4c, 0x24, 0x08, // mov r9, [rsp + 8]
  0x41, 0x83, 0x3b, 0x00, // cmp dword [r11], 0
  0x75, 0x16, // jne not_begun
  0x0f, 0x05, // syscall
  0xc3, // ret
  0x48, 0xc7, 0xc0, 0x00, 0xfe, 0xff, 0xff, // interrupted: mov rax, INTERRUPTED
  0xc3, // ret
  0x66, 0x90, 0x90, // nop
  // what a signal handler returns to
  0xb8, 0x0f, 0x00, 0x00, 0x00, // mov eax, rt_sigreturn
  0x0f, 0x05, // syscall
  0x90, // nop
  0x48, 0xc7, 0xc0, 0xff, 0xfd, 0xff, 0xff, // not_begun: mov rax, NOT_BEGUN
  0xc3, // ret
]);
const INTERRUPTIBLE = 0x20;
const WINDOW_START = 0x40;
const WINDOW_END = 0x44;
const INTERRUPTED_LABEL = 0x45;
const NOT_BEGUN_LABEL = 0x58;
const RESTORER = 0x50;

const PAGE = 4096;
const PROT_READ_WRITE = 3;
const PROT_READ_EXEC = 5;
const MAP_PRIVATE_ANONYMOUS = 0x22;

const code = installStub();

/**
 * Host addresses a signal handler needs: a signal that arrives with RIP in [start, end) came too late to be seen by the
 * test of the poll word and too early to interrupt the call, or the kernel is about to repeat the call, which RCX tells; the
 * handler then sets RIP to `notBegun` or to `interrupted`.
 */
export const SYSCALL_WINDOW = {
  start: code + WINDOW_START,
  end: code + WINDOW_END,
  interrupted: code + INTERRUPTED_LABEL,
  notBegun: code + NOT_BEGUN_LABEL,
} as const;

/** Host address of the code that ends a signal handler (sa_restorer). */
export const SIGNAL_RESTORER = code + RESTORER;

function installStub(): number {
  const { mmap, mprotect } = dlopen('libc.so.6', {
    mmap: { args: ['ptr', 'ptr', 'i32', 'i32', 'i32', 'ptr'], returns: FFIType.i64_fast },
    mprotect: { args: ['ptr', 'ptr', 'i32'], returns: 'i32' },
  }).symbols as unknown as Record<string, (...args: number[]) => number>;
  const page = mmap(0, PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (page < 0) throw new Error('no memory for the system call stub');
  new Uint8Array(toArrayBuffer(page as Pointer, 0, PAGE)).set(STUB);
  if (mprotect(page, PAGE, PROT_READ_EXEC) !== 0) throw new Error('the system refuses executable memory');
  return page;
}

/** Every argument is passed as a pointer: the only kind that takes numbers of all sizes and typed arrays, and the fastest. */
function bind(entry: number, count: number): (...args: HostArg[]) => number {
  const args: FFITypeOrString[] = ['i32'];
  while (args.length < count) args.push('ptr');
  return CFunction({ ptr: (code + entry) as Pointer, args, returns: FFIType.i64_fast }) as unknown as (
    ...args: HostArg[]
  ) => number;
}

/**
 * System calls with 0 to 6 arguments; the first argument is the call's number (`SYS`). Result: what the kernel returns,
 * -4095..-1 being -errno. Results of 2^53 and more (no ordinary call has them) arrive as BigInt.
 */
export const sys0 = bind(0, 1) as (nr: number) => number;
export const sys1 = bind(0, 2) as (nr: number, a: HostArg) => number;
export const sys2 = bind(0, 3) as (nr: number, a: HostArg, b: HostArg) => number;
export const sys3 = bind(0, 4) as (nr: number, a: HostArg, b: HostArg, c: HostArg) => number;
export const sys4 = bind(0, 5) as (nr: number, a: HostArg, b: HostArg, c: HostArg, d: HostArg) => number;
export const sys5 = bind(0, 6) as (nr: number, a: HostArg, b: HostArg, c: HostArg, d: HostArg, e: HostArg) => number;
export const sys6 = bind(0, 7) as (
  nr: number,
  a: HostArg,
  b: HostArg,
  c: HostArg,
  d: HostArg,
  e: HostArg,
  f: HostArg,
) => number;

/**
 * A system call that may block. Returns NOT_BEGUN when the 32-bit word at host address `pollWord` is not 0 on entry, or a signal
 * handler sets it before the call begins; INTERRUPTED, or -EINTR where the kernel does not restart that call, when one comes later.
 */
export const sysInterruptible = bind(INTERRUPTIBLE, 8) as (
  nr: number,
  a: HostArg,
  b: HostArg,
  c: HostArg,
  d: HostArg,
  e: HostArg,
  f: HostArg,
  pollWord: number,
) => number;

/** Memory of our own that the host can be pointed at: bytes, a view on them, and their fixed host address. */
export class HostBuffer {
  readonly u8: Uint8Array;
  readonly view: DataView;
  readonly address: number;

  constructor(size: number) {
    // An ArrayBuffer of its own stays where it is; a small Uint8Array may be kept inside the garbage-collected heap.
    const buffer = new ArrayBuffer(size);
    this.u8 = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.address = ptr(this.u8);
  }
}

/** Host address of a typed array's first byte (arrays over their own ArrayBuffer stay in place while referenced). */
export function hostAddress(array: NodeJS.TypedArray | DataView): number {
  return ptr(array);
}
