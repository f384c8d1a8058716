/**
 * The descriptors that the emulator keeps for itself were open to poll and select, unlike to every other call: a program that asks
 * which of all numbers are open found some it had not opened.
 */

import { CPrograms, NATIVE_I386 } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);

testWith(NATIVE_I386, "the emulator's descriptors are not open", () =>
  programs.expectSame('numbers-of-the-emulators-descriptors'),
);
