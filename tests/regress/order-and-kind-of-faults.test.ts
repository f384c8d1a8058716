// Details of faults that random instructions showed to be other than the host CPU's: CMPS reported the source where neither
// operand could be read; ARPL faulted as a write, also where it writes nothing; INT1 had the si_code of single-stepping.
import { expect, test } from 'bun:test';
import { MEMORY_MAP, regsFrom } from '../oracle/insn-case.ts';
import { caseOf, runCases } from './wemu-case.ts';

const TRAP_BRKPT = 1;
const [READ, ESI, EDI] = [4, 0x10, 0x20];

test('CMPS reports the destination, REPE CMPSB the source', () => {
  const regs = regsFrom({ esi: ESI, edi: EDI, ecx: 3, esp: MEMORY_MAP.STACK });
  const codes = [[0xa6], [0xa7], [0xf2, 0xa6], [0xf3, 0xa7], [0xf3, 0xa6]];
  const results = runCases(codes.map((code) => caseOf(code, { regs })));
  expect(results.map(({ signal }) => signal?.address)).toEqual([EDI, EDI, EDI, EDI, ESI]);
});

test('ARPL reads, and writes only what it changes', () => {
  const { SCRATCH_END, READ_ONLY, STACK } = MEMORY_MAP;
  const at = (ecx: number) => caseOf([0x63, 0x01], { regs: regsFrom({ ecx, eax: 0, esp: STACK }) }); // arpl [ecx],ax
  const [missing, readOnly] = runCases([at(SCRATCH_END), at(READ_ONLY)]);
  expect(missing!.signal?.error).toBe(READ);
  expect(readOnly!.signal).toBeUndefined();
});

test('INT1 is no single step', () => {
  const [result] = runCases([caseOf([0xf1])]);
  expect(result!.signal?.code).toBe(TRAP_BRKPT);
});
