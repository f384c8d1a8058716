// The programs that make many processes, of Debian's armhf packages: the same under qemu-arm, whose children the kernel starts, and
// under wemu.

import { describe, expect } from 'bun:test';
import { guestTreePath } from '../../setup/guests.ts';
import { testWith } from '../../setup/needs.ts';
import { type GuestPrograms, runQemuChroot, runWemu } from '../debian-run.ts';
import { NAMESPACE_NEEDS } from '../namespace-chroot.ts';
import { CASES, seen } from './cases.ts';

/** Milliseconds for one program on a busy machine. */
const TIMEOUT = 300_000;

const GUEST: GuestPrograms = { tree: guestTreePath('armhf'), guest: 'arm' };

describe('programs of armhf that make processes', () => {
  for (const [name, one] of Object.entries(CASES)) {
    testWith(
      ['guest-armhf', 'qemu-user', ...NAMESPACE_NEEDS],
      name,
      async () => {
        const expected = await seen(one, GUEST.tree, (each, directory) => runQemuChroot(each, directory, GUEST));
        expect(expected.end).toBe('0');
        expect(await seen(one, GUEST.tree, (each, directory) => runWemu(each, directory, [], GUEST))).toEqual(expected);
      },
      TIMEOUT,
    );
  }
});
