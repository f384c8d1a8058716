/**
 * Signals as programs see them: every signal's actions, queues and their order, what a siginfo_t says, frames, alternate stacks,
 * and every call that waits interrupted by a handler or by being stopped. The host CPU and wemu must print the same.
 */

import { expect } from 'bun:test';
import { nativeUnavailable, wemuCommand } from '../../oracle/runner.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { CPrograms } from '../c-programs.ts';

/** Each program, and the parts of it that are run by their names. */
const PROGRAMS: Record<string, readonly string[]> = {
  interrupted: [''],
  info: ['sources', 'stacks', 'overflow', 'frames', 'jumping'],
  shared: [''],
  dispositions: ['outside', 'itself', 'exec', 'flags', 'children', 'queues', 'limit', 'stops', 'groups'],
};

const NEEDS = ['gcc-i386', { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' }] as const;

/** What wemu says of deaths is not compared. */
const programs = new CPrograms(import.meta.dir);

for (const [name, parts] of Object.entries(PROGRAMS)) {
  testWith(
    NEEDS,
    `${name}.c`,
    () => {
      const wemu = wemuCommand();
      if ('missing' in wemu) throw new Error(wemu.missing);
      const program = programs.build(name);
      for (const part of parts) {
        const args = part === '' ? [] : [part];
        const expected = programs.run([program, ...args], 'elsewhere');
        expect(expected).toEndWith('status 0\n');
        expect(programs.run([...wemu.command, program, ...args], 'elsewhere')).toBe(expected);
      }
    },
    TEST_LIMIT,
  );
}
