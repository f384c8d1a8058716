// FNSTENV showed only the addresses of the last x87 instruction and its operand: selectors and opcode were 0, and FNOP did
// not count as an instruction.
import { expect, test } from 'bun:test';
import { MEMORY_MAP, regsFrom } from '../oracle/insn-case.ts';
import { caseOf, runQuietly } from './wemu-case.ts';

/** Runs code that ends in `fnstenv (%ecx)`; selector and opcode, operand address, selector of the image. */
function pointers(code: number[]): number[] {
  const memory = [{ at: MEMORY_MAP.DATA, bytes: new Uint8Array(32) }];
  const regs = regsFrom({ ecx: MEMORY_MAP.DATA, esp: MEMORY_MAP.STACK });
  const result = runQuietly(caseOf([...code, 0xd9, 0x31], { memory, regs }));
  const view = new DataView(result.memory[0]!.buffer);
  return [16, 20, 24].map((at) => view.getUint32(at, true));
}

test('opcode, selectors and operand of the last instruction', () => {
  // fninit; fadds (%ecx)
  expect(pointers([0xdb, 0xe3, 0xd8, 0x01])).toEqual([0x0001_0023, MEMORY_MAP.DATA, 0xffff_002b]);
  // fninit; flds 4(%ecx); fnop
  expect(pointers([0xdb, 0xe3, 0xd9, 0x41, 4, 0xd9, 0xd0])).toEqual([0x01d0_0023, MEMORY_MAP.DATA + 4, 0xffff_002b]);
  // fninit
  expect(pointers([0xdb, 0xe3])).toEqual([0, 0, 0xffff_0000]);
});
