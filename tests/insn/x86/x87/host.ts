// Runs x87 instructions on the host CPU, on the same records as the test machine (see machine.ts): the oracle.
//
// For each instruction a few bytes of x86-64 code are written to an executable page: load the record's FPU image and
// EFLAGS, run the instruction, save both again. FNSAVE leaves the FPU as the calling convention wants it.

import { ptr } from 'bun:ffi';
import { HostStubs } from '../../../oracle/host-stubs.ts';
import { AT_CODE, AT_EAX, AT_EFLAGS, AT_LENGTH, AT_OPERAND } from './machine.ts';

const PAGE_BYTES = 1 << 20;
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
  private readonly stubs = new HostStubs(PAGE_BYTES, wrap);

  /** Runs one record in place. The record must not have an unmasked exception pending: that would end the process. */
  run(record: Uint8Array): void {
    this.stubs.run(record.subarray(AT_CODE, AT_CODE + record[AT_LENGTH]!), ptr(record));
  }
}
