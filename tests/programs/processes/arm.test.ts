// The programs that make many processes, of Debian's ARM packages: the same under qemu-arm, whose children the kernel starts, and
// under wemu.

import { describe, expect } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GuestTree, guestTreePath } from '../../setup/guests.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { type GuestPrograms, runIn, runQemuChroot, runWemu, TREE } from '../debian-run.ts';
import { NAMESPACE_NEEDS } from '../namespace-chroot.ts';
import { CHROOT_NEEDS, nativeChroot } from '../native-chroot.ts';
import { CASES, type ProcessCase, seen } from './cases.ts';

/** The whole of it takes minutes of CPU time. */
const ALL = Boolean(process.env['WEMU_ALL_CASES']);

/** Trees and what runs of them: armel has no compiler and no git. */
const TREES = {
  armhf: Object.keys(CASES),
  armel: ALL ? Object.keys(CASES).filter((name) => /^(bash|python|perl)/.test(name)) : [],
} as const satisfies Partial<Record<GuestTree, readonly string[]>>;

for (const [arch, names] of Object.entries(TREES) as [GuestTree, readonly string[]][]) {
  const guest: GuestPrograms = { tree: guestTreePath(arch), guest: 'arm' };
  describe(`programs of ${arch} that make processes`, () => {
    for (const name of names) {
      const one = CASES[name]!;
      testWith(
        [`guest-${arch}`, 'qemu-user', ...NAMESPACE_NEEDS],
        name,
        async () => {
          const expected = await seen(one, guest.tree, (each, directory) => runQemuChroot(each, directory, guest));
          expect(expected.end).toBe('0');
          const ours = await seen(one, guest.tree, (each, directory) => runWemu(each, directory, [], guest));
          expect(ours).toEqual(expected);
        },
        TEST_LIMIT,
      );
    }
  });
}

for (const arch of ALL ? (['armhf', 'armel'] as const) : []) {
  // qemu-arm cannot have the last real-time signals: here the host CPU says what is right.
  testWith(
    [`guest-${arch}`, 'guest-i386', ...CHROOT_NEEDS],
    `a long bash script of ${arch} as of i386 on the host CPU`,
    async () => {
      const one: ProcessCase = {
        program: '/bin/bash',
        args: ['long-script.sh'],
        files: { 'long-script.sh': readFileSync(join(import.meta.dir, 'long-script.sh'), 'latin1') },
        milliseconds: TEST_LIMIT / 2,
      };
      const expected = await seen(one, TREE, (each, directory) =>
        runIn(nativeChroot(directory, [one.program, ...one.args!]), directory, each),
      );
      // Bash prints %a of a long double, which is a double on ARM.
      expected.stdout = expected.stdout.replace(' 0x8p-3\n', ' 0x1p+0\n');
      const guest: GuestPrograms = { tree: guestTreePath(arch), guest: 'arm' };
      expect(await seen(one, guest.tree, (each, directory) => runWemu(each, directory, [], guest))).toEqual(expected);
    },
    TEST_LIMIT,
  );
}
