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
import { testWith, unmetReason } from '../setup/needs.ts';
import { TREE } from './debian-run.ts';

const scratch = mkdtempSync(join(tmpdir(), 'wemu-binfmt-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const EMULATOR = join(scratch, 'wemu-i386');

/** What runs inside: PREPARE is the way to start, TREE the packages. */
const ENTER = `
set -e
root=$1/root; script=$2; shift 2
mkdir -p "$root"; mount -t tmpfs none "$root"; mkdir "$root/up" "$root/work" "$root/all"
mount -t overlay overlay -o "lowerdir=$TREE,upperdir=$root/up,workdir=$root/work,userxattr" "$root/all"
root=$root/all
mkdir -p "$root/proc" "$root/dev" "$root/tmp" "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" \\
  "$root/var/lib/dpkg/triggers" "$root/var/lib/dpkg/alternatives"
: >"$root/var/lib/dpkg/status"; : >"$root/var/lib/dpkg/available"
printf 'root:x:0:0:root:/root:/bin/bash\\nnobody:x:65534:65534:nobody:/:/bin/false\\n' >"$root/etc/passwd"
printf 'root:x:0:\\nnogroup:x:65534:\\n' >"$root/etc/group"
mount --rbind /proc "$root/proc"; mount --rbind /dev "$root/dev"
if [ -n "$1" ]; then
  mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  "$@" >&2
fi
cp "$script" "$root/tmp/script"; cd "$root"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C chroot "$root" /bin/sh /tmp/script
`;

/** The shell that maps all user numbers into a new namespace, which needs two processes, and runs ENTER there. */
const OUTSIDE = `
go=$1/go; rm -f "$go"; mkfifo "$go"
unshare --user --mount --propagation private bash -c 'read -r line <"$0" && exec bash -c "$ENTER" enter "$@"' "$go" "$@" &
inside=$!
while [ "$(readlink /proc/$inside/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done
echo '0 0 65536' >/proc/$inside/uid_map && echo '0 0 65536' >/proc/$inside/gid_map && echo >"$go"
wait $inside
`;

const CONFIGURE = `
mkdir -p /tmp/p/DEBIAN /tmp/p/usr/share/demo
printf 'Package: demo\\nVersion: 1.0\\nArchitecture: i386\\nMaintainer: n <n@example.org>\\nDescription: d\\n' >/tmp/p/DEBIAN/control
printf '#!/usr/bin/perl\\nprint "postinst @ARGV\\\\n"; system("ldconfig") == 0 or die;' >/tmp/p/DEBIAN/postinst
printf '#!/bin/bash\\nfor i in {1..3}; do echo $i; done | sort -r | tr "\\\\n" " "; echo prerm "$@"\\n' >/tmp/p/DEBIAN/prerm
chmod 755 /tmp/p/DEBIAN/postinst /tmp/p/DEBIAN/prerm; echo data >/tmp/p/usr/share/demo/file
dpkg-deb -Zgzip --build /tmp/p /tmp/demo.deb
dpkg --unpack /tmp/demo.deb && dpkg --configure demo
cat /usr/share/demo/file; dpkg -l demo | tail -1
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

const NEEDS = [
  'guest-i386',
  { met: process.getuid?.() === 0, reason: 'only root can map users into a namespace' },
  { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' },
  { met: ownLists(), reason: 'binfmt_misc is not kept per namespace by this kernel (Linux 6.7)' },
] as const;

/** Whether a user namespace has a list of its own: then registering there touches nobody else. */
function ownLists(): boolean {
  const mount = 'mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && ls /proc/sys/fs/binfmt_misc';
  const run = Bun.spawnSync(['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', mount], {
    stderr: 'ignore',
  });
  return run.success && run.stdout.toString().trim().split(/\s+/).sort().join(' ') === 'register status';
}

/** Runs a script in a chroot; with options for `wemu binfmt register` under wemu, else natively. */
function runScript(name: string, script: string, options: readonly string[] | null) {
  const work = join(scratch, name);
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'script'), script);
  const register = [packageFile('src/cli/bin/wemu'), 'binfmt', 'register', 'i386', '--ignore-family'];
  const setUp = options ? [...register, '--interpreter', EMULATOR, ...options] : [];
  const run = Bun.spawnSync(['bash', '-c', OUTSIDE, 'outside', work, join(work, 'script'), ...setUp], {
    stdin: 'ignore',
    timeout: 240_000,
    env: { PATH: process.env['PATH']!, ENTER, TREE },
  });
  return { stdout: run.stdout.toString(), stderr: run.stderr.toString(), status: run.exitCode };
}

function compare(name: string, script: string, options: readonly string[] = []): void {
  const native = runScript(`${name}-native`, script, null);
  const wemu = runScript(`${name}-wemu`, `uname -m >&2\n${script}`, options);
  expect([name, wemu.stderr]).toEqual([name, `wemu-i386\nwemu-i386-6\ni686\n${native.stderr}`]);
  expect(wemu.stdout).toBe(native.stdout);
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

describe('programs started by the kernel', () => {
  beforeAll(async () => {
    if (NEEDS.every((need) => unmetReason(need) === undefined)) await buildStandalone('i386', EMULATOR);
  }, 60_000);

  testWith(NEEDS, 'names, scripts, signals', () => compare('names', NAMES), 300_000);
  testWith(NEEDS, 'flags O and C', () => compare('open', OPEN, ['--open', 'yes', '--credential', 'yes']), 300_000);
  testWith(NEEDS, 'packages are unpacked, configured, removed', () => compare('configure', CONFIGURE), 300_000);
});
