// Undefined forms of instructions (a register operand with LOCK, empty places of groups, unknown three-byte opcodes) are
// fetched whole before #UD: with more than 15 bytes they are #GP, and #PF when their end is on a page that is not there.
import { expect, test } from 'bun:test';
import { caseOf, runCases } from './wemu-case.ts';

const [UD, GP, PF] = [6, 13, 14];
const PREFIXES = [0x3e, 0x3e, 0x3e, 0x66, 0x3e, 0x66, 0x66, 0x66, 0x3e, 0x66, 0x2e, 0x66];

test('undefined forms are fetched whole', () => {
  const cases: [code: number[], beforeUnmapped: boolean, trap: number][] = [
    [[0xf0, 0x80, 0xe7], true, PF], // lock and bh,imm8 without its immediate
    [[0xf0, 0x80, 0xe7, 1], true, UD],
    [[...PREFIXES, 0xf0, 0x80, 0xe7, 1], false, GP],
    [[0xfe, 0xb8, 1, 2], true, PF], // fe /7 with half of its displacement
    [[0xc6, 0xc8], true, PF], // c6 /1
    [[...PREFIXES, 0xc7, 0xc8, 1, 2, 3, 4], false, GP],
    [[0x0f, 0x38, 0xff], true, PF],
    [[0x0f, 0x3a, 0xff, 0xc0], true, PF],
    [[0x0f, 0x04], true, UD],
    [[0x8d, 0xc4], true, UD], // lea of a register
  ];
  const results = runCases(
    cases.map(([code, beforeUnmapped]) => caseOf(code, beforeUnmapped ? { beforeUnmapped } : {})),
  );
  expect(results.map(({ signal }) => signal?.trapno)).toEqual(cases.map(([, , trap]) => trap));
});
