// The programs that make many processes, of Debian's armhf packages: the same under qemu-arm, whose children the kernel starts, and
// under wemu.

import { describe, expect } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestTreePath } from '../../setup/guests.ts';
import { testWith } from '../../setup/needs.ts';
import { type GuestPrograms, runQemuChroot, runWemu } from '../debian-run.ts';
import { NAMESPACE_NEEDS } from '../namespace-chroot.ts';
import { CASES, type ProcessCase, seen } from './cases.ts';

/** Milliseconds for one program on a busy machine. */
const TIMEOUT = 300_000;

/** The script of 500 lines ends so; it takes half a minute of CPU time on both sides, and only runs with WEMU_ALL_CASES=1. */
const LONG_SCRIPT_END = '17';
const LONG_SCRIPT: Readonly<Record<string, ProcessCase>> = {
  'a long bash script': {
    program: '/bin/bash',
    args: ['long-script.sh'],
    files: { 'long-script.sh': readFileSync(join(import.meta.dir, 'long-script.sh'), 'latin1') },
    milliseconds: TIMEOUT / 2,
  },
};

const GUEST: GuestPrograms = { tree: guestTreePath('armhf'), guest: 'arm' };

describe('programs of armhf that make processes', () => {
  for (const [name, one] of Object.entries({ ...CASES, ...(process.env['WEMU_ALL_CASES'] ? LONG_SCRIPT : {}) })) {
    testWith(
      ['guest-armhf', 'qemu-user', ...NAMESPACE_NEEDS],
      name,
      async () => {
        const expected = await seen(one, GUEST.tree, (each, directory) => runQemuChroot(each, directory, GUEST));
        expect(expected.end).toBe(name in LONG_SCRIPT ? LONG_SCRIPT_END : '0');
        expect(await seen(one, GUEST.tree, (each, directory) => runWemu(each, directory, [], GUEST))).toEqual(expected);
      },
      TIMEOUT,
    );
  }
});
