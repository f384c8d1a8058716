// Found by a million random instructions: LSS put off the trap of single-stepping, which only MOV and POP of SS do, and a string
// instruction that reads through SS across 4 GiB raised #GP.
import { expect, test } from 'bun:test';
import { MEMORY_MAP, regsFrom } from '../oracle/insn-case.ts';
import { caseOf, runCases } from './wemu-case.ts';

const [DB, SS] = [1, 12];
const ENGINES = [[], ['-engine', 'interp']];

test('single-stepping traps behind LSS', () => {
  // push 0x302; popf; lss edx, [edi]; nop
  const code = [0x68, 0x02, 0x03, 0, 0, 0x9d, 0x0f, 0xb2, 0x17, 0x90];
  const at = MEMORY_MAP.SCRATCH;
  const memory = [{ at, bytes: Uint8Array.of(1, 2, 3, 4, 0x2b, 0, 0, 0) }];
  for (const options of ENGINES) {
    const [result] = runCases([caseOf(code, { regs: regsFrom({ esp: MEMORY_MAP.STACK, edi: at }), memory })], options);
    expect(result!.signal?.trapno).toBe(DB);
    expect(result!.signal?.eipOffset).toBe(9);
  }
});

test('LODS through SS across 4 GiB raises #SS', () => {
  const regs = regsFrom({ esp: MEMORY_MAP.STACK, esi: 0xfffffffe });
  for (const options of ENGINES) {
    const [result] = runCases([caseOf([0x36, 0xad], { regs })], options);
    expect(result!.signal?.trapno).toBe(SS);
  }
});
