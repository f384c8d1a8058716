/** Stores of T32 with the PC as their base were executed; the manual has them UNDEFINED. */

import { expect } from 'bun:test';
import { describeCase, randomMemory } from '../fuzz/arm-cases.ts';
import { compareCases } from '../fuzz/arm-compare.ts';
import type { ArmCase } from '../fuzz/arm-program.ts';
import { Random } from '../oracle/random.ts';
import { testWith } from '../setup/needs.ts';

const STORES = [
  [0xf8cf, 0x1004], // str.w r1, [pc, #4]
  [0xf84f, 0x1c04], // str.w r1, [pc, #-4]
  [0xf88f, 0x1004], // strb.w r1, [pc, #4]
  [0xf8af, 0x1004], // strh.w r1, [pc, #4]
  [0xf84f, 0x1002], // str.w r1, [pc, r2]
];

testWith(['qemu-user'], 'a store relative to the PC in T32 is undefined', () => {
  const cases = STORES.map((code): ArmCase => ({ code, thumb: true, regs: new Array(15).fill(4), flags: 0 }));
  expect(compareCases(cases, randomMemory(new Random(1))).map(({ one }) => describeCase(one))).toEqual([]);
});
