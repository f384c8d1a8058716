// Runs one SSE, FMA or F16C instruction on the host CPU with a given MXCSR: the oracle of the IEEE arithmetic.

import { type Pointer, ptr } from 'bun:ffi';
import { HostStubs } from '../../oracle/host-stubs.ts';

const PAGE_BYTES = 1 << 16;

/** Places in a record: XMM0, XMM1 and XMM2, MXCSR, EFLAGS, RAX. */
export const AT_MXCSR = 48;
export const AT_EFLAGS = 52;
export const AT_RAX = 56;
export const RECORD_BYTES = 64;

/** Code of a function (record in rsi) around one instruction. */
function wrap(instruction: ArrayLike<number>): number[] {
  return [
    ...[0x48, 0x83, 0xec, 0x08, 0x0f, 0xae, 0x1c, 0x24], // sub rsp, 8; stmxcsr [rsp]
    ...[0x0f, 0xae, 0x56, AT_MXCSR], // ldmxcsr [rsi + mxcsr]
    ...[0x0f, 0x10, 0x06, 0x0f, 0x10, 0x4e, 16, 0x0f, 0x10, 0x56, 32], // movups xmm0..2, [rsi + 0, 16, 32]
    ...[0x48, 0x8b, 0x46, AT_RAX], // mov rax, [rsi + rax]
    ...Array.from(instruction),
    ...[0x48, 0x89, 0x46, AT_RAX], // mov [rsi + rax], rax
    ...[0x9c, 0x58, 0x89, 0x46, AT_EFLAGS], // pushfq; pop rax; mov [rsi + eflags], eax
    ...[0x0f, 0xae, 0x5e, AT_MXCSR], // stmxcsr [rsi + mxcsr]
    ...[0x0f, 0x11, 0x06], // movups [rsi], xmm0
    ...[0x0f, 0xae, 0x14, 0x24, 0x48, 0x83, 0xc4, 0x08, 0xc3], // ldmxcsr [rsp]; add rsp, 8; ret
  ];
}

export class HostSse {
  readonly record = new DataView(new ArrayBuffer(RECORD_BYTES));
  private readonly at: Pointer = ptr(this.record);
  private readonly stubs = new HostStubs(PAGE_BYTES, wrap);

  /** Runs an instruction on the record in place. Every exception must be masked in its MXCSR. */
  run(instruction: readonly number[]): void {
    this.stubs.run(instruction, this.at);
  }
}
