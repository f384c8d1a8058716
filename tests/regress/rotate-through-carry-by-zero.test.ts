// RCL and RCR by an immediate count of 0, 32, 64 … set OF: the count was looked at only when it came from CL.
import { expect, test } from 'bun:test';
import { OF } from '../oracle/insn-case.ts';
import { caseOf, runQuietly } from './wemu-case.ts';

test('a masked count of 0 leaves all flags', () => {
  for (const modrm of [0xd0, 0xd8]) {
    for (const count of [0, 32, 128]) {
      // rcl $count, %al; rcr $count, %al, with EAX = 0
      expect(runQuietly(caseOf([0xc0, modrm, count], { eflags: 2 | OF })).eflags & OF).toBe(OF);
      expect(runQuietly(caseOf([0xc0, modrm, count])).eflags & OF).toBe(0);
    }
  }
});
