/**
 * In programs whose instructions are big-endian too (BE32) CPSR.E read as set, in a register and in signal frames, and clearing
 * it made data little-endian: a handler that did so led to faults without end. There the order of data is not CPSR.E's, which
 * is clear (arch/arm/include/asm/ptrace.h, PSR_ENDSTATE). Fuzzing had left BE32 out.
 */

import { expect } from 'bun:test';
import { randomMemory } from '../fuzz/arm-cases.ts';
import { compareCases } from '../fuzz/arm-compare.ts';
import { type ArmCase, BUFFER } from '../fuzz/arm-program.ts';
import { Random } from '../oracle/random.ts';
import { testWith } from '../setup/needs.ts';

const MRS_R1 = 0xe10f1000;
const MSR_X_R4 = 0xe122f004;
const MSR_X_R5 = 0xe122f005;
const LDR_R2_R3 = 0xe5932000;
const UDF = 0xe7f000f0;

testWith(['qemu-user'], 'CPSR.E of BE32 is clear and without effect', () => {
  const memory = randomMemory(new Random(4));
  const regs = [0, 0, 0, BUFFER, 0x200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const one = (...code: number[]): ArmCase => ({ code, thumb: false, regs, flags: 0 });
  // Of SETEND qemu-arm's idea is to change E when the order of data is another one, which it never is then.
  const cases = [
    one(MRS_R1),
    one(MSR_X_R4, MRS_R1, LDR_R2_R3, MSR_X_R5),
    one(MSR_X_R5, LDR_R2_R3),
    one(UDF),
    one(MSR_X_R4, UDF, MSR_X_R5),
  ];
  for (const options of [[], ['-engine', 'interp']]) {
    expect(compareCases(cases, memory, { options, order: 'be32' })).toEqual([]);
  }
});
