/**
 * MSR CPSR_x left the byte order of data as it was: E of the CPSR is the user's to write (ARM ARM, CPSRWriteByInstr), as by SETEND.
 * Fuzzing had left such masks out.
 */

import { expect } from 'bun:test';
import { randomMemory } from '../fuzz/arm-cases.ts';
import { compareCases } from '../fuzz/arm-compare.ts';
import type { ArmCase } from '../fuzz/arm-program.ts';
import { BUFFER } from '../fuzz/arm-program.ts';
import { Random } from '../oracle/random.ts';
import { testWith } from '../setup/needs.ts';

const SETEND_BE = 0xf1010200;
const SETEND_LE = 0xf1010000;
const MSR_X_R1 = 0xe122f001;
const MSR_FX_R1 = 0xe12af001;
const LDR_R2_R3 = 0xe5932000;

function loads(change: number, flags: number): ArmCase {
  const regs = [0, 0x200, 0, BUFFER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  return { code: [change, LDR_R2_R3, SETEND_LE], thumb: false, regs, flags };
}

testWith(['qemu-user'], 'MSR of the extension field changes the byte order of data', () => {
  const memory = randomMemory(new Random(4));
  for (const options of [[], ['-engine', 'interp']]) {
    const cases = [SETEND_BE, MSR_X_R1, MSR_FX_R1].map((change) => loads(change, 0));
    expect(compareCases(cases, memory, { options })).toEqual([]);
  }
});
