// SQRTSD and then ADDSS on one register put the single into the register as it was before the double was written: what had
// been noted as the lanes beside the double was taken for those beside the single. After a MOVSD load bits 32-63 became 0.
import { expect, test } from 'bun:test';
import { explain, parseCode } from '../../src/tools/explain.ts';

test('a single leaves the upper half of the double below it alone', () => {
  // mov $9, %ecx; cvtsi2sd %ecx, %xmm2 (40220000 00000000); movss %xmm3, %xmm2
  const text = explain('i386', parseCode('b9 09 00 00 00 f2 0f 2a d1 f3 0f 10 d3'));
  expect(text).toMatch(/xmm2\.1 +00000000 -> 40220000/);
});
