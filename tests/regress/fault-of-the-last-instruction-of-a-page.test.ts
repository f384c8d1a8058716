// To tell #SS from #GP, the instruction of an access across 4 GiB is decoded once more; 15 bytes were read for that, and
// when the next page was not mapped the emulator itself died (found by the fuzz command, seed 4003).
import { expect, test } from 'bun:test';
import { regsFrom } from '../oracle/insn-case.ts';
import { caseOf, runCases } from './wemu-case.ts';

test('POPA in front of an unmapped page with its stack across 4 GiB raises #SS', () => {
  for (const options of [[], ['-engine', 'interp']]) {
    const [result] = runCases([caseOf([0x61], { regs: regsFrom({ esp: 0xffffffff }), beforeUnmapped: true })], options);
    expect(result!.signal?.trapno).toBe(12);
  }
});
