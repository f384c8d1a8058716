// Two undocumented x87 opcodes: D9 D8+i (FSTP) raised a stack fault for an empty ST(0), where the CPU just pops; DB E4
// (FNSETPM of the 287) counted as the last instruction that FNSTENV names.
import { expect, test } from 'bun:test';
import { MEMORY_MAP, regsFrom } from '../oracle/insn-case.ts';
import { caseOf, runCases } from './wemu-case.ts';

const ST_OF = (image: Uint8Array, n: number) => Array.from(image.subarray(28 + 10 * n, 38 + 10 * n));

test('FSTP of the other map pops an empty register without an exception', () => {
  const image = new Uint8Array(108);
  const view = new DataView(image.buffer);
  view.setUint32(0, 0xffff037f, true);
  view.setUint32(8, 0xffffffff, true); // all empty
  for (let n = 0; n < 80; n++) image[28 + n] = n + 1;
  const [result] = runCases([caseOf([0xd9, 0xde], { fpu: { format: 'fsave', image } })]); // fstp st(6)
  const after = new DataView(result!.fpu!.buffer);
  expect([after.getUint16(4, true), after.getUint16(8, true)]).toEqual([0x0800, 0xffff]);
  expect(ST_OF(result!.fpu!, 5)).toEqual(ST_OF(image, 6));
});

test('FNSETPM is not the last instruction', () => {
  const { DATA, STACK } = MEMORY_MAP;
  // fninit; fld1; fnsetpm; fnstenv [ecx]
  const insn = caseOf([0xdb, 0xe3, 0xd9, 0xe8, 0xdb, 0xe4, 0xd9, 0x31], {
    regs: regsFrom({ ecx: DATA, esp: STACK }),
    memory: [{ at: DATA, bytes: new Uint8Array(28) }],
  });
  const [result] = runCases([insn]);
  // FOP of FLD1.
  expect(new DataView(result!.memory[0]!.buffer).getUint16(18, true)).toBe(0x1e8);
});
