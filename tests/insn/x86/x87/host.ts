// Runs x87 instructions on the host CPU, on the same records as the test machine (see machine.ts): the oracle.
//
// For each instruction a few bytes of x86-64 code are written to an executable page: load the record's FPU image and
// EFLAGS, run the instruction, save both again. FNSAVE leaves the FPU as the calling convention wants it.

import { CFunction, dlopen, type Pointer, ptr, toArrayBuffer } from 'bun:ffi';
import { AT_CODE, AT_EAX, AT_EFLAGS, AT_LENGTH, AT_OPERAND } from './machine.ts';

const PAGE_BYTES = 1 << 20;
/** PROT_READ | PROT_WRITE | PROT_EXEC and MAP_PRIVATE | MAP_ANONYMOUS. */
const PROT_ALL = 7;
const MAP_ANONYMOUS_PRIVATE = 0x22;
/** Arithmetic EFLAGS and the bit that always reads 1. */
const FLAGS_KEPT = 0x8d7;

const imm32 = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];

/** Code of a function (record in rsi) around one instruction. */
function wrap(instruction: ArrayLike<number>): number[] {
  return [
    ...[0xdd, 0x26], // frstor [rsi]
    ...[0x8b, 0x86, ...imm32(AT_EFLAGS), 0x50, 0x9d], // mov eax, [rsi + flags]; push rax; popfq
    ...[0x8b, 0x86, ...imm32(AT_EAX)], // mov eax, [rsi + eax]
    ...[0x48, 0x8d, 0x4e, AT_OPERAND], // lea rcx, [rsi + operand]
    ...Array.from(instruction),
    ...[0x9c, 0x5a], // pushfq; pop rdx
    ...[0x81, 0xe2, ...imm32(FLAGS_KEPT)], // and edx, flags kept
    ...[0x89, 0x96, ...imm32(AT_EFLAGS)], // mov [rsi + flags], edx
    ...[0x89, 0x86, ...imm32(AT_EAX)], // mov [rsi + eax], eax
    ...[0xdd, 0x36], // fnsave [rsi]
    0xc3,
  ];
}

export class HostCpu {
  private readonly base: number;
  private readonly page: Uint8Array;
  private readonly call: CallableFunction;
  private readonly stubs = new Map<string, number>();
  private used = 0;

  constructor() {
    const libc = dlopen('libc.so.6', {
      mmap: { args: ['ptr', 'u64', 'i32', 'i32', 'i32', 'i64'], returns: 'ptr' },
    });
    const base = libc.symbols.mmap(null, PAGE_BYTES, PROT_ALL, MAP_ANONYMOUS_PRIVATE, -1, 0) as Pointer;
    this.base = base;
    this.page = new Uint8Array(toArrayBuffer(base, 0, PAGE_BYTES));
    const jump = this.write([0xff, 0xe7]); // jmp rdi
    this.call = CFunction({ ptr: jump as Pointer, args: ['ptr', 'ptr'], returns: 'void' });
  }

  private write(code: readonly number[]): number {
    const at = this.used;
    this.page.set(code, at);
    this.used += code.length;
    return this.base + at;
  }

  /** Runs one record in place. The record must not have an unmasked exception pending: that would end the process. */
  run(record: Uint8Array): void {
    const code = record.subarray(AT_CODE, AT_CODE + record[AT_LENGTH]);
    const key = code.join();
    let stub = this.stubs.get(key);
    if (stub === undefined) {
      stub = this.write(wrap(code));
      this.stubs.set(key, stub);
    }
    this.call(stub, ptr(record));
  }
}
