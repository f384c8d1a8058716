// An access that goes on behind the last byte of the 4 GiB is beyond the limit of a flat segment: #GP, or #SS by SS, before
// anything about pages or alignment. wemu raised #PF for the first byte.
import { expect, test } from 'bun:test';
import { AC, MEMORY_MAP, regsFrom } from '../oracle/insn-case.ts';
import { caseOf, runCases } from './wemu-case.ts';

const [SS, GP, PF] = [12, 13, 14];

test('accesses across the top of the address space', () => {
  const cases = [
    { code: [0x8b, 0x01], ecx: -2, esp: MEMORY_MAP.STACK, eflags: 2, trap: GP }, // mov eax,[ecx]
    { code: [0x89, 0x01], ecx: -1, esp: MEMORY_MAP.STACK, eflags: 2, trap: GP }, // mov [ecx],eax
    { code: [0x8b, 0x01], ecx: -4, esp: MEMORY_MAP.STACK, eflags: 2, trap: PF },
    { code: [0x8b, 0x01], ecx: -2, esp: MEMORY_MAP.STACK, eflags: 2 | AC, trap: GP },
    { code: [0x8b, 0x04, 0x24], ecx: 0, esp: -2, eflags: 2, trap: SS }, // mov eax,[esp]
    { code: [0x5a], ecx: 0, esp: -2, eflags: 2, trap: SS }, // pop edx
    { code: [0x52], ecx: 0, esp: 2, eflags: 2, trap: SS }, // push edx
    { code: [0xff, 0x11], ecx: -2, esp: MEMORY_MAP.STACK, eflags: 2, trap: GP }, // call [ecx]
    { code: [0xff, 0x31], ecx: -2, esp: MEMORY_MAP.STACK, eflags: 2, trap: GP }, // push [ecx]
    { code: [0xd9, 0x21], ecx: -1, esp: MEMORY_MAP.STACK, eflags: 2, trap: GP }, // fldenv [ecx]
    // Images with 16-bit operand size begin with a word (a run of 20,000 x87 cases found it).
    { code: [0xdd, 0x21], ecx: -3, esp: MEMORY_MAP.STACK, eflags: 2, trap: GP }, // frstor [ecx]
    { code: [0x66, 0xdd, 0x21], ecx: -3, esp: MEMORY_MAP.STACK, eflags: 2, trap: PF },
    { code: [0x66, 0xd9, 0x31], ecx: -2, esp: MEMORY_MAP.STACK, eflags: 2, trap: PF }, // fnstenv [ecx]
    { code: [0x66, 0xdd, 0x31], ecx: -1, esp: MEMORY_MAP.STACK, eflags: 2, trap: GP }, // fnsave [ecx]
  ];
  for (const options of [[], ['-engine', 'interp']]) {
    const results = runCases(
      cases.map(({ code, ecx, esp, eflags }) => caseOf(code, { regs: regsFrom({ ecx, esp }), eflags })),
      options,
    );
    expect(results.map(({ signal }) => signal?.trapno)).toEqual(cases.map(({ trap }) => trap));
  }
});
