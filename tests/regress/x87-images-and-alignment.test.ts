// With EFLAGS.AC set, FNSTENV, FLDENV, FNSAVE and FRSTOR want their image aligned to the operand size; wemu did not look.
// SGDT, which the kernel emulates, wants nothing; wemu did look.
import { expect, test } from 'bun:test';
import { AC, MEMORY_MAP, regsFrom } from '../oracle/insn-case.ts';
import { caseOf, runCases } from './wemu-case.ts';

const SIGBUS = 7;

test('alignment of x87 images', () => {
  const faults = (code: number[]) =>
    runCases(
      [0, 1, 2, 4].map((offset) =>
        caseOf(code, { regs: regsFrom({ ecx: MEMORY_MAP.DATA + offset, esp: MEMORY_MAP.STACK }), eflags: 2 | AC }),
      ),
    ).map(({ signal }) => signal?.signo === SIGBUS);
  for (const code of [
    [0xd9, 0x31],
    [0xd9, 0x21],
    [0xdd, 0x31],
    [0xdd, 0x21],
  ]) {
    expect(faults(code)).toEqual([false, true, true, false]);
    expect(faults([0x66, ...code])).toEqual([false, true, false, false]);
  }
  expect(faults([0x0f, 0x01, 0x01])).toEqual([false, false, false, false]); // sgdt [ecx]
});
