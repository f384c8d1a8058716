// The load of `add %eax, (%ecx)` faulted as a read: the error code a handler saw said so, and a program that maps pages
// by it (copy on write, dirty bits) mapped a page it could not write.
import { expect, test } from 'bun:test';
import { MEMORY_MAP, regsFrom } from '../oracle/insn-case.ts';
import { caseOf, runCases } from './wemu-case.ts';

const NOT_PRESENT_WRITE_USER = 6;

test('the fault of a read-modify-write is a write', () => {
  const regs = regsFrom({ ecx: MEMORY_MAP.SCRATCH_END, esp: MEMORY_MAP.STACK });
  // add %eax,(%ecx); incb (%ecx); lock btsl $1,(%ecx); shll $0,(%ecx); xchg %eax,(%ecx)
  const codes = [
    [0x01, 0x01],
    [0xfe, 0x01],
    [0xf0, 0x0f, 0xba, 0x29, 1],
    [0xc1, 0x21, 0],
    [0x87, 0x01],
  ];
  for (const options of [[], ['-engine', 'interp'], ['-disable', 'cold']]) {
    const results = runCases(
      codes.map((code) => caseOf(code, { regs })),
      options,
    );
    expect(results.map(({ signal }) => signal?.error)).toEqual(codes.map(() => NOT_PRESENT_WRITE_USER));
  }
});
