// `wemu lockstep` undoes what the first of its two runs did to CPU state, and with it what a signal had set there: the signal was
// not delivered, and all others stayed blocked for ever.
import { expect } from 'bun:test';
import { join, resolve } from 'node:path';
import { CPrograms } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const programs = new CPrograms(import.meta.dir);
const WEMU = join(resolve(import.meta.dir, '../..'), 'src/cli/bin/wemu');

testWith(['gcc-i386'], 'signals come in lockstep', () => {
  const output = programs.run([WEMU, 'lockstep', '--', programs.build('signals-in-lockstep')]);
  expect(output).toMatch(/^100 came$/m);
  expect(output).toMatch(/no difference in \d+ comparisons\n.*status 0\n$/s);
});
