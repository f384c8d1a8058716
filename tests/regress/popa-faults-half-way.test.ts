// POPA that faults on a later register keeps those popped before on processors; all of it was undone.
import { expect, test } from 'bun:test';
import { MEMORY_MAP, regsFrom } from '../oracle/insn-case.ts';
import { caseOf, runCases } from './wemu-case.ts';

test('EDI and ESI have what was popped, EBP and ESP are as before', () => {
  const esp = MEMORY_MAP.SCRATCH_END - 8;
  const memory = [{ at: esp, bytes: Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0) }];
  for (const options of [[], ['-engine', 'interp'], ['-disable', 'cold']]) {
    const [result] = runCases([caseOf([0x61], { regs: regsFrom({ esp, ebp: 7 }), memory })], options);
    expect(result!.signal?.address).toBe(MEMORY_MAP.SCRATCH_END);
    expect([...result!.regs]).toEqual([0, 0, 0, 0, esp, 7, 2, 1]);
  }
});
