/**
 * sendfile, splice and copy_file_range wrote beyond 2 GB into files that a 32-bit program had opened without O_LARGEFILE, and
 * sendfile with a position of 32 bits read beyond: as for all other writing the host, which knows only large files, does not stop
 * it.
 */

import { expect } from 'bun:test';
import { nativeUnavailable, wemuCommand } from '../oracle/runner.ts';
import { CPrograms } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const NEEDS = ['gcc-i386', { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' }] as const;
const programs = new CPrograms(import.meta.dir);

testWith(NEEDS, 'data moved inside the kernel stops at 2 GB', () => {
  const wemu = wemuCommand();
  if ('missing' in wemu) throw new Error(wemu.missing);
  const program = programs.build('moving-data-beyond-two-gigabytes');
  const expected = programs.run([program]);
  expect(expected).toEndWith('status 0\n');
  expect(programs.run([...wemu.command, program])).toBe(expected);
});
