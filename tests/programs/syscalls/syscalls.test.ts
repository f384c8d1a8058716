/**
 * C programs that make every kind of system call print the same on the host CPU and under wemu: results, errors, contents. Built
 * for ARM, which has no old calls, they print under wemu what they print on the host CPU built without those.
 */

import { expect } from 'bun:test';
import { nativeUnavailable, wemuCommand } from '../../oracle/runner.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import type { Oracle } from '../../setup/oracles.ts';
import { CPrograms } from '../c-programs.ts';

/** Each program, and the parts of it that are run by their names. */
const PROGRAMS: Record<string, readonly string[]> = {
  locks: [''],
  tty: [''],
  events: [''],
  timers: [''],
  ipc: [''],
  memory: [''],
  files: [''],
  large: [''],
  own: [''],
  robust: [''],
  process: [''],
  namespaces: [''],
  seccomp: [''],
  hostile: [''],
  sockets: ['unix', 'internet', 'options', 'interfaces', 'many'],
};

/** Programs whose children die: what wemu says of that is not compared. */
const DYING: readonly string[] = ['seccomp'];

/** Some parts need rights (network interfaces, namespaces, locked memory), and no rights differ from system to system. */
const NEEDS = [
  'gcc-i386',
  { met: process.getuid?.() === 0, reason: 'only root may make all the calls' },
  { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' },
] as const;

const programs = new CPrograms(import.meta.dir);

/** Guests, what their programs are compiled with, and without what. */
const GUESTS: readonly { guest: string; compiler: Oracle; flags: readonly string[] }[] = [
  { guest: 'i386', compiler: 'gcc-i386', flags: [] },
  { guest: 'arm', compiler: 'gcc-armhf', flags: ['-DWITHOUT_OLD_CALLS'] },
];

for (const { guest, compiler, flags } of GUESTS) {
  for (const [name, parts] of Object.entries(PROGRAMS)) {
    testWith(
      [...NEEDS, compiler],
      `${name}.c, ${guest}`,
      () => {
        const wemu = wemuCommand([], guest);
        if ('missing' in wemu) throw new Error(wemu.missing);
        const native = programs.build(name, 'gcc-i386', flags);
        // The registers of raw calls are fixed, and R7 is Thumb's frame pointer.
        const program = guest === 'i386' ? native : programs.build(name, compiler, ['-marm', ...flags]);
        const errors = DYING.includes(name) ? 'elsewhere' : 'shown';
        for (const part of parts) {
          const args = part === '' ? [] : [part];
          const expected = programs.run([native, ...args], errors);
          expect(expected).toEndWith('status 0\n');
          expect(programs.run([...wemu.command, program, ...args], errors)).toBe(expected);
        }
      },
      TEST_LIMIT,
    );
  }
}
