/**
 * A chroot of Debian packages whose programs the kernel gives to wemu (binfmt_misc, flags P and F) behaves as one whose programs
 * the kernel runs itself. Registration happens in a user namespace of its own, which has its own list: nothing else notices.
 */

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatsOf } from '../../src/cli/binfmt.ts';
import { buildStandalone } from '../../src/tools/build-standalone.ts';
import { packageFile } from '../../src/util/package-files.ts';
import { nativeUnavailable } from '../oracle/runner.ts';
import { guestTreePath } from '../setup/guests.ts';
import { PROGRAM_LIMIT, TEST_LIMIT } from '../setup/limits.ts';
import { type Need, testWith, unmetReason } from '../setup/needs.ts';
import { TREE } from './debian-run.ts';
import { inNamespaceChroot, NAMESPACE_NEEDS } from './namespace-chroot.ts';

const scratch = mkdtempSync(join(tmpdir(), 'wemu-binfmt-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Guests whose programs the kernel gives to wemu, the tree, and what the system says of itself. ARM's must do as i386's. */
const GUESTS = {
  i386: { tree: TREE, arch: 'i386', entries: ['wemu-i386', 'wemu-i386-6'], machine: 'i686' },
  arm: { tree: guestTreePath('armhf'), arch: 'armhf', entries: ['wemu-arm'], machine: 'armv7l' },
} as const;
type GuestName = keyof typeof GUESTS;

const emulatorOf = (guest: GuestName): string => join(scratch, `wemu-${guest}`);

/** What package tools expect, and users. */
const PREPARE = `
mkdir -p var/lib/dpkg/info var/lib/dpkg/updates var/lib/dpkg/triggers var/lib/dpkg/alternatives
: >var/lib/dpkg/status; : >var/lib/dpkg/available
printf 'root:x:0:0:root:/root:/bin/bash\\nnobody:x:65534:65534:nobody:/:/bin/false\\n' >etc/passwd
printf 'root:x:0:\\nnogroup:x:65534:\\n' >etc/group
`;

const CONFIGURE = `
mkdir -p /tmp/p/DEBIAN /tmp/p/usr/share/demo
printf 'Package: demo\\nVersion: 1.0\\nArchitecture: i386\\nMaintainer: n <n@example.org>\\nDescription: d\\n' >/tmp/p/DEBIAN/control
printf '#!/usr/bin/perl\\nprint "postinst @ARGV\\\\n"; system("ldconfig") == 0 or die;' >/tmp/p/DEBIAN/postinst
printf '#!/bin/bash\\nfor i in {1..3}; do echo $i; done | sort -r | tr "\\\\n" " "; echo prerm "$@"\\n' >/tmp/p/DEBIAN/prerm
chmod 755 /tmp/p/DEBIAN/postinst /tmp/p/DEBIAN/prerm; echo data >/tmp/p/usr/share/demo/file
dpkg-deb -Zgzip --build /tmp/p /tmp/demo.deb
dpkg --unpack /tmp/demo.deb && dpkg --configure demo
cat /usr/share/demo/file; dpkg -l demo | tail -1 | tr -s " "
ldconfig -p | grep -c libc.so
dpkg -r demo; ls /usr/share/demo
`;

const NAMES = `
apt --version
/usr/bin/env -i /bin/bash -c 'echo $0 a "$@"' argv0 b c
bash -c 'exec -a other /usr/bin/perl -e "print \\"\\$0\\n\\"; open F, q(/proc/self/cmdline); print map { tr/\\\\0/ /r } <F>"'
tr '\\0' ' ' </proc/self/cmdline; echo
readlink /proc/self/exe; cat /proc/self/comm
sh -c 'kill -9 $$'; echo $?
printf '#!/bin/sh -e\\necho script $0 "$@"' >/tmp/s; chmod 755 /tmp/s; /tmp/s one 'two three'
`;

/** A program that may be executed but not read, and what is left open in it. */
const OPEN = `
cp /bin/dash /tmp/closed; chmod 111 /tmp/closed; /tmp/closed -c 'echo $0; ls /proc/self/fd | head -n 4; readlink /proc/self/exe' name
`;

/**
 * Programs with the rights of their owners, called by somebody who has fewer: neither variables nor names make the emulator
 * do anything with those rights but run the program. Also called by a guest that has given up its rights.
 */
const RIGHTS = `
exec 2>&1
printf 'console.log("PRELOADED")' >/tmp/pre.js; chmod 644 /tmp/pre.js
cp /usr/bin/id /tmp/root-id; chown 0 /tmp/root-id; chmod 4755 /tmp/root-id
cp /usr/bin/id /tmp/other-id; chown 33:44 /tmp/other-id; chmod 6755 /tmp/other-id
cp /usr/bin/id /tmp/group-id; chown 0:44 /tmp/group-id; chmod 2755 /tmp/group-id
cp /usr/bin/env /tmp/root-env; chmod 4755 /tmp/root-env
mkdir /tmp/w; chmod 777 /tmp/w; cd /tmp/w; ln -s /tmp/root-id ./-exec-state
cat >/tmp/run.pl <<'END'
sub run { my ($file, @argv) = @_; if (!fork) { exec {$file} @argv; die "$file: $!" } wait }
$) = "1000 1000"; $( = 1000; $< = $> = 1000;
run "/tmp/$_-id", 'id' for 'root', 'other', 'group';
run '/tmp/root-id', 'id', '-u', '--', 'x';
run '/bin/sh', 'sh', '-c', '/tmp/root-id -u; id -u';
$ENV{PATH} = '';
run '-exec-state', '{"guest":"i386"}', '-u';
%ENV = (BUN_OPTIONS => '--preload=/tmp/pre.js', BUN_BE_BUN => 1, WEMU_STRACE => 1, QEMU_STRACE => 1);
run '/tmp/root-env', 'env';
END
perl /tmp/run.pl
`;

const NEEDS: readonly Need[] = [
  'guest-i386',
  { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' },
  ...NAMESPACE_NEEDS,
];

/** Runs a script in a chroot of a guest's tree; with options for `wemu binfmt register` under wemu, else natively. */
function runScript(name: string, script: string, guest: GuestName, options: readonly string[] | null) {
  const work = join(scratch, name);
  const shared = join(work, 'shared');
  mkdirSync(shared, { recursive: true });
  writeFileSync(join(shared, 'script'), script);
  const interpreter = `--ignore-family --interpreter ${emulatorOf(guest)}`;
  const wemu = `${packageFile('src/cli/bin/wemu')} binfmt register ${guest} ${interpreter}`;
  const { argv, env } = inNamespaceChroot(
    {
      work,
      tree: GUESTS[guest].tree,
      prepare: PREPARE,
      register: options ? [wemu, ...options].join(' ') : '',
      binds: [[shared, '/mnt']],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    },
    ['/bin/sh', '/mnt/script'],
  );
  const run = Bun.spawnSync(argv, { stdin: 'ignore', timeout: PROGRAM_LIMIT, env });
  return { stdout: run.stdout.toString(), stderr: run.stderr.toString(), status: run.exitCode };
}

function compare(name: string, guest: GuestName, script: string, options: readonly string[] = []): void {
  const { arch, entries, machine } = GUESTS[guest];
  const ours = (text: string): string => text.replaceAll('i386', arch);
  const native = runScript(`${name}-native`, script, 'i386', null);
  const wemu = runScript(`${name}-${guest}`, `uname -m >&2\n${ours(script)}`, guest, options);
  expect([name, wemu.stderr]).toEqual([name, `${entries.join('\n')}\n${machine}\n${ours(native.stderr)}`]);
  expect(wemu.stdout).toBe(ours(native.stdout));
  expect(wemu.status).toBe(native.status);
}

describe('formats', () => {
  test('match the files of the guest, and no others', () => {
    const matches = (file: Uint8Array, guest: string) =>
      formatsOf(guest).filter(({ magic, mask }) => magic.every((byte, i) => ((byte ^ file[i]!) & mask[i]!) === 0))
        .length;
    const hello = new Uint8Array(readFileSync(packageFile('tests/programs/hello/hello')));
    expect(['i386', 'arm', 'armeb'].map((guest) => matches(hello, guest))).toEqual([1, 0, 0]);
    const own = new Uint8Array(readFileSync('/proc/self/exe').subarray(0, 64));
    expect(matches(own, 'i386')).toBe(0);
    const big = hello.slice();
    big.set([2, 1, 0, 0], 5);
    big.set([0, 3, 0, 40], 16);
    expect(['i386', 'arm', 'armeb'].map((guest) => matches(big, guest))).toEqual([0, 0, 1]);
  });
});

for (const guest of ['i386', 'arm'] as const) {
  const needs: readonly Need[] = [...NEEDS, `guest-${GUESTS[guest].arch}`];
  describe(`programs of ${guest} started by the kernel`, () => {
    beforeAll(async () => {
      if (needs.every((need) => unmetReason(need) === undefined)) await buildStandalone(guest, emulatorOf(guest));
    }, TEST_LIMIT);

    testWith(needs, 'names, scripts, signals', () => compare('names', guest, NAMES), TEST_LIMIT);
    // One guest is enough for what no guest's code has a part in.
    const open = ['--open', 'yes', '--credential', 'yes'];
    if (guest === 'i386') testWith(needs, 'flags O and C', () => compare('open', guest, OPEN, open), TEST_LIMIT);
    if (guest === 'i386')
      testWith(needs, 'rights of the file', () => compare('rights', guest, RIGHTS, open), TEST_LIMIT);
    testWith(
      needs,
      'packages are unpacked, configured, removed',
      () => compare('configure', guest, CONFIGURE),
      TEST_LIMIT,
    );
  });
}
