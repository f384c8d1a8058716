// Runs one SSE, FMA or F16C instruction on the host CPU with a given MXCSR: the oracle of the IEEE arithmetic.

import { CFunction, dlopen, type Pointer, ptr, toArrayBuffer } from 'bun:ffi';

const PAGE_BYTES = 1 << 16;
/** PROT_READ | PROT_WRITE | PROT_EXEC and MAP_PRIVATE | MAP_ANONYMOUS. */
const PROT_ALL = 7;
const MAP_ANONYMOUS_PRIVATE = 0x22;

/** Places in a record: XMM0, XMM1 and XMM2, MXCSR, EFLAGS, RAX. */
export const AT_MXCSR = 48;
export const AT_EFLAGS = 52;
export const AT_RAX = 56;
export const RECORD_BYTES = 64;

/** Code of a function (record in rsi) around one instruction. */
function wrap(instruction: readonly number[]): number[] {
  return [
    ...[0x48, 0x83, 0xec, 0x08, 0x0f, 0xae, 0x1c, 0x24], // sub rsp, 8; stmxcsr [rsp]
    ...[0x0f, 0xae, 0x56, AT_MXCSR], // ldmxcsr [rsi + mxcsr]
    ...[0x0f, 0x10, 0x06, 0x0f, 0x10, 0x4e, 16, 0x0f, 0x10, 0x56, 32], // movups xmm0..2, [rsi + 0, 16, 32]
    ...[0x48, 0x8b, 0x46, AT_RAX], // mov rax, [rsi + rax]
    ...instruction,
    ...[0x48, 0x89, 0x46, AT_RAX], // mov [rsi + rax], rax
    ...[0x9c, 0x58, 0x89, 0x46, AT_EFLAGS], // pushfq; pop rax; mov [rsi + eflags], eax
    ...[0x0f, 0xae, 0x5e, AT_MXCSR], // stmxcsr [rsi + mxcsr]
    ...[0x0f, 0x11, 0x06], // movups [rsi], xmm0
    ...[0x0f, 0xae, 0x14, 0x24, 0x48, 0x83, 0xc4, 0x08, 0xc3], // ldmxcsr [rsp]; add rsp, 8; ret
  ];
}

export class HostSse {
  readonly record = new DataView(new ArrayBuffer(RECORD_BYTES));
  private readonly at: Pointer;
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
    this.at = ptr(this.record);
    const jump = this.write([0xff, 0xe7]); // jmp rdi
    this.call = CFunction({ ptr: jump as Pointer, args: ['ptr', 'ptr'], returns: 'void' });
  }

  private write(code: readonly number[]): number {
    const at = this.used;
    this.page.set(code, at);
    this.used += code.length;
    return this.base + at;
  }

  /** Runs an instruction on the record in place. Every exception must be masked in its MXCSR. */
  run(instruction: readonly number[]): void {
    const key = instruction.join();
    let stub = this.stubs.get(key);
    if (stub === undefined) {
      stub = this.write(wrap(instruction));
      this.stubs.set(key, stub);
    }
    this.call(stub, this.at);
  }
}
