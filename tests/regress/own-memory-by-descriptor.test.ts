/**
 * /proc/self/mem was the emulator's: nothing was found at a guest's address. Reading and writing are those of a debugger, which
 * changes also what the program cannot write, code that has run included.
 */

import { expect } from 'bun:test';
import { nativeUnavailable, wemuCommand } from '../oracle/runner.ts';
import { CPrograms } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const NEEDS = ['gcc-i386', { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' }] as const;
const programs = new CPrograms(import.meta.dir);

testWith(NEEDS, 'own memory by descriptor', () => {
  const wemu = wemuCommand();
  if ('missing' in wemu) throw new Error(wemu.missing);
  const program = programs.build('own-memory-by-descriptor');
  const expected = programs.run([program]);
  expect(expected).toEndWith('status 0\n');
  expect(programs.run([...wemu.command, program])).toBe(expected);
});
