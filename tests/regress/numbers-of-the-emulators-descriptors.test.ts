/**
 * The descriptors that the emulator keeps for itself were open to poll and select, unlike to every other call: a program that asks
 * which of all numbers are open found some it had not opened.
 */

import { expect } from 'bun:test';
import { nativeUnavailable, wemuCommand } from '../oracle/runner.ts';
import { CPrograms } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const NEEDS = ['gcc-i386', { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' }] as const;
const programs = new CPrograms(import.meta.dir);

testWith(NEEDS, "the emulator's descriptors are not open", () => {
  const wemu = wemuCommand();
  if ('missing' in wemu) throw new Error(wemu.missing);
  const program = programs.build('numbers-of-the-emulators-descriptors');
  const expected = programs.run([program]);
  expect(expected).toEndWith('status 0\n');
  expect(programs.run([...wemu.command, program])).toBe(expected);
});
