/**
 * Signals as programs see them: every signal's actions, queues and their order, what a siginfo_t says, frames, alternate stacks,
 * and every call that waits interrupted by a handler or by being stopped. The host CPU and wemu must print the same.
 */

import { expect } from 'bun:test';
import { nativeUnavailable, wemuCommand } from '../../oracle/runner.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import type { Oracle } from '../../setup/oracles.ts';
import { CPrograms } from '../c-programs.ts';

const ALL = Boolean(process.env['WEMU_ALL_CASES']);

/** Each program, and the parts of it that are run by their names. */
const PROGRAMS: Record<string, readonly string[]> = {
  interrupted: [''],
  info: ['sources', 'stacks', 'overflow', 'frames', 'jumping'],
  shared: [''],
  dispositions: ['outside', 'itself', 'exec', 'flags', 'children', 'queues', 'limit', 'stops', 'groups'],
};

/** Of ARM, whose calls are the same, a normal run has the parts that the processor has most to do with. */
const ARM_PROGRAMS: Record<string, readonly string[]> = ALL
  ? { ...PROGRAMS, info: PROGRAMS['info']!.filter((part) => part !== 'frames') }
  : { info: ['stacks', 'overflow', 'jumping'], dispositions: ['flags', 'stops'] };

/** Guests, what their programs and the host CPU's are compiled with, and the first ones without what is i386's. */
const GUESTS: readonly {
  guest: string;
  compiler: Oracle;
  flags: readonly string[];
  programs: Record<string, readonly string[]>;
}[] = [
  { guest: 'i386', compiler: 'gcc-i386', flags: [], programs: PROGRAMS },
  {
    guest: 'arm',
    compiler: 'gcc-armhf',
    flags: ['-DWITHOUT_OLD_CALLS', '-DWITHOUT_CPU'],
    programs: ARM_PROGRAMS,
  },
];

const NEEDS = ['gcc-i386', { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' }] as const;

/** What wemu says of deaths is not compared. */
const programs = new CPrograms(import.meta.dir);

for (const { guest, compiler, flags, programs: wanted } of GUESTS) {
  for (const [name, parts] of Object.entries(wanted)) {
    testWith(
      [...NEEDS, compiler],
      `${name}.c, ${guest}`,
      () => {
        const wemu = wemuCommand([], guest);
        if ('missing' in wemu) throw new Error(wemu.missing);
        const native = programs.build(name, 'gcc-i386', flags);
        // The registers of raw calls are fixed, and R7 is Thumb's frame pointer.
        const program = guest === 'i386' ? native : programs.build(name, compiler, ['-marm', ...flags]);
        for (const part of parts) {
          const args = part === '' ? [] : [part];
          const expected = programs.run([native, ...args], 'elsewhere');
          expect(expected).toEndWith('status 0\n');
          expect(programs.run([...wemu.command, program, ...args], 'elsewhere')).toBe(expected);
        }
      },
      TEST_LIMIT,
    );
  }
}
