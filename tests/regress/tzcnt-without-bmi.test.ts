// TZCNT on a model without BMI1 is BSF with an ignored prefix; it was run as BSR, so glibc's printf of doubles (which uses
// `rep bsf` as compilers emit it) dropped the low bits: 14177796.6 came out as 14177796.5976562.
import { expect, test } from 'bun:test';
import { explain, parseCode } from '../../src/tools/explain.ts';

test('F3 0F BC counts from the low end', () => {
  // mov $0x80000008, %eax; rep bsf %eax, %edx
  const text = explain('i386', parseCode('b8 08 00 00 80 f3 0f bc d0'));
  expect(text).toContain('edx      00032220 -> 00000003');
});
