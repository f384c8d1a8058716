/**
 * dup2 to a number that the emulator had taken for a descriptor of its own failed with EBADF. Now the emulator's goes away: also
 * those of the engine's event loop, whose numbers stand in the engine's memory.
 */

import { expect } from 'bun:test';
import { nativeUnavailable, wemuCommand } from '../oracle/runner.ts';
import { CPrograms } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const NEEDS = ['gcc-i386', { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' }] as const;
const programs = new CPrograms(import.meta.dir);

testWith(NEEDS, 'every number can be given to a duplicate', () => {
  const wemu = wemuCommand();
  if ('missing' in wemu) throw new Error(wemu.missing);
  const program = programs.build('duplicates-anywhere');
  const expected = programs.run([program]);
  expect(expected).toEndWith('status 0\n');
  expect(programs.run([...wemu.command, program])).toBe(expected);
});
