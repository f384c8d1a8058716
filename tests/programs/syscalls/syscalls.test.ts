/**
 * C programs that make every kind of system call print the same on the host CPU and under wemu: results, errors, contents. Built
 * for ARM, which has no old calls, they print under wemu what they print on the host CPU built without those.
 */

import { TEST_LIMIT } from '../../setup/limits.ts';
import { type Need, testWith } from '../../setup/needs.ts';
import { type CGuest, CPrograms, I386_GUEST, NATIVE_I386, runsOf } from '../c-programs.ts';

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
  notify: [''],
  hostile: [''],
  sockets: ['unix', 'internet', 'options', 'interfaces', 'many'],
};

/** Programs whose children die: what wemu says of that is not compared. */
const DYING: readonly string[] = ['seccomp'];

/** Some parts need rights (network interfaces, namespaces, locked memory), and no rights differ from system to system. */
const NEEDS: readonly Need[] = [
  ...NATIVE_I386,
  { met: process.getuid?.() === 0, reason: 'only root may make all the calls' },
];

const programs = new CPrograms(import.meta.dir);

const GUESTS: readonly CGuest[] = [I386_GUEST, { guest: 'arm', compiler: 'gcc-armhf', flags: ['-DWITHOUT_OLD_CALLS'] }];

for (const guest of GUESTS) {
  for (const [name, parts] of Object.entries(PROGRAMS)) {
    testWith(
      [...NEEDS, guest.compiler],
      `${name}.c, ${guest.guest}`,
      () => programs.expectSame(name, guest, runsOf(parts), DYING.includes(name) ? 'elsewhere' : 'shown'),
      TEST_LIMIT,
    );
  }
}
