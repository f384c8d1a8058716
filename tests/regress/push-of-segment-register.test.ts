// PUSH of a segment register wrote two bytes and left the upper half of the slot, as the manual says of some processors;
// the host CPU and others store four.
import { expect, test } from 'bun:test';
import { MEMORY_MAP } from '../oracle/insn-case.ts';
import { caseOf, runQuietly } from './wemu-case.ts';

test('the slot above the selector is cleared', () => {
  const slot = { at: MEMORY_MAP.STACK - 4, bytes: new Uint8Array(4).fill(0xee) };
  // push %cs; push %fs (null)
  expect([...runQuietly(caseOf([0x0e], { memory: [slot] })).memory[0]!]).toEqual([0x23, 0, 0, 0]);
  expect([...runQuietly(caseOf([0x0f, 0xa0], { memory: [slot] })).memory[0]!]).toEqual([0, 0, 0, 0]);
});
