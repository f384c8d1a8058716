/**
 * MRRC of the counter with the same register twice left the lower word in it, where docs/arm.md says the second, the upper one.
 * What rules of UNPREDICTABLE operands say of executed instructions had been compared with nothing.
 */

import { expect, test } from 'bun:test';
import { runOnWemu } from '../fuzz/arm-compare.ts';

const MRRC_R2_R2 = 0xec522f1e;
const MRRC_R2_R3 = 0xec532f1e;

test('MRRC of the counter into one register leaves the upper word', () => {
  const regs = [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const cases = [MRRC_R2_R2, MRRC_R2_R3].map((word) => ({ code: [word], thumb: false, regs, flags: 0 }));
  const [one, both] = runOnWemu(cases, []);
  expect(one!.regs[2]).toBe(both!.regs[3]!);
  expect(both!.regs[2]).not.toBe(both!.regs[3]!);
});
