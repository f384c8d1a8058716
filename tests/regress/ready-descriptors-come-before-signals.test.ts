/**
 * ppoll, pselect and epoll_pwait whose mask let a pending signal through failed with EINTR at once. The kernel looks at the
 * descriptors first: where one is ready, or the arguments are wrong, that is the result, and the signal stays pending under the
 * old mask.
 */

import { expect } from 'bun:test';
import { nativeUnavailable, wemuCommand } from '../oracle/runner.ts';
import { CPrograms } from '../programs/c-programs.ts';
import { testWith } from '../setup/needs.ts';

const NEEDS = ['gcc-i386', { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' }] as const;
const programs = new CPrograms(import.meta.dir);

testWith(NEEDS, 'ready descriptors come before signals', () => {
  const wemu = wemuCommand();
  if ('missing' in wemu) throw new Error(wemu.missing);
  const program = programs.build('ready-descriptors-come-before-signals');
  const expected = programs.run([program]);
  expect(expected).toEndWith('status 0\n');
  expect(programs.run([...wemu.command, program])).toBe(expected);
});
