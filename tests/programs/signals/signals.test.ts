/**
 * Signals as programs see them: every signal's actions, queues and their order, what a siginfo_t says, frames, alternate stacks,
 * and every call that waits interrupted by a handler or by being stopped. The host CPU and wemu must print the same.
 */

import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { type CGuest, CPrograms, I386_GUEST, NATIVE_I386, runsOf } from '../c-programs.ts';

const ALL = Boolean(process.env['WEMU_ALL_CASES']);

/** Each program, and the parts of it that are run by their names. */
const PROGRAMS: Record<string, readonly string[]> = {
  interrupted: [''],
  lasting: [''],
  info: ['sources', 'stacks', 'overflow', 'frames', 'jumping'],
  shared: [''],
  dispositions: ['outside', 'itself', 'exec', 'flags', 'children', 'queues', 'limit', 'stops', 'groups'],
};

/** Of ARM, whose calls are the same, a normal run has the parts that the processor has most to do with. */
const ARM_PROGRAMS: Record<string, readonly string[]> = ALL
  ? { ...PROGRAMS, info: PROGRAMS['info']!.filter((part) => part !== 'frames') }
  : { info: ['stacks', 'overflow', 'jumping'], dispositions: ['flags', 'stops'] };

/** Guests, what their programs and the host CPU's are compiled with, and the first ones without what is i386's. */
const GUESTS: readonly (CGuest & { programs: Record<string, readonly string[]> })[] = [
  { ...I386_GUEST, programs: PROGRAMS },
  {
    guest: 'arm',
    compiler: 'gcc-armhf',
    flags: ['-DWITHOUT_OLD_CALLS', '-DWITHOUT_CPU'],
    programs: ARM_PROGRAMS,
  },
];

const programs = new CPrograms(import.meta.dir);

for (const { programs: wanted, ...guest } of GUESTS) {
  for (const [name, parts] of Object.entries(wanted)) {
    testWith(
      [...NATIVE_I386, guest.compiler],
      `${name}.c, ${guest.guest}`,
      // What wemu says of deaths is not compared.
      () => programs.expectSame(name, guest, runsOf(parts), 'elsewhere'),
      TEST_LIMIT,
    );
  }
}
