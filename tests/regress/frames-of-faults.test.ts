// Signal frames of faults lacked RF, which processors set in the EFLAGS that a fault pushes, and had the x87 opcode where
// a 64-bit kernel has zeros.
import { expect, test } from 'bun:test';
import { RF } from '../oracle/insn-case.ts';
import { caseOf, runCases } from './wemu-case.ts';

test('RF is set by faults, not by traps', () => {
  // ud2; int3; hlt; into with OF set
  const results = runCases([caseOf([0x0f, 0x0b]), caseOf([0xcc]), caseOf([0xf4]), caseOf([0xce], { eflags: 0x802 })]);
  expect(results.map(({ eflags, signal }) => [signal?.trapno, eflags & RF])).toEqual([
    [6, RF],
    [3, 0],
    [13, RF],
    [4, 0],
  ]);
});

test('the x87 part names no opcode', () => {
  const image = new Uint8Array(108);
  image.set([0x7f, 3, 0xff, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  // fldpi; ud2
  const [result] = runCases([caseOf([0xd9, 0xeb, 0x0f, 0x0b], { fpu: { format: 'fsave', image } })]);
  expect([...result!.fpu!.slice(16, 20)]).toEqual([0x23, 0, 0, 0]);
});
