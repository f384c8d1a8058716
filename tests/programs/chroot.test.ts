/**
 * Programs that change the root directory of their process and execute others there, natively and under wemu. Below it there is
 * neither /proc, nor any file of the emulator, nor the -L prefix.
 */

import { expect } from 'bun:test';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';
import { fillDirectory, makeWorkDirectory, removeWorkDirectory, runNative, runWemu, TREE } from './debian-run.ts';
import { CHROOT_NEEDS } from './native-chroot.ts';

const APPLETS = ['sh', 'echo', 'ls', 'env', 'true', 'awk'];

const FILES = {
  'root/dev/null': '',
  'root/sub/empty': '',
  'root/script': '#!/bin/sh\necho absolute "$0" "$@"; pwd\n',
  'root/relative': '#!bin/sh -e\necho relative "$0" "$@"\n',
  'root/nested': '#!/script x\n',
  'root/bad': '#!/nowhere\n',
  ...Object.fromEntries(APPLETS.map((name) => [`root/bin/${name}`, { link: 'busybox' }])),
};

const SCRIPT = String.raw`
chmod 755 root/script root/relative root/nested root/bad
chroot root /bin/echo one
chroot root /script a b
chroot root /bin/sh -c '/script 1; cd /; ./relative 2; ./nested 3; /bad; echo $?
  (cd sub && ../script; ../relative; echo $?); /usr/bin/perl; echo $?; /bin/env true; echo $?; ls / /bin
  for i in 1 2 3; do true & done; wait; /host; echo $?; awk "BEGIN { for (x = 3; i < 9; i++) x = (x + 2 / x) / 2; print x }"; exec /script last'
perl -e 'chroot "root"; system "/script in perl"; exec "bin/sh", "-c", "pwd; exec ./root/script outside"; '
perl -e '
  sub try { exec @_; print "$_[0]: $!\n" }
  chroot "root";
  if (!fork) { exec "/script", "forked" }
  wait; print "$?\n", (-e "/proc/self/exe" ? "proc" : "none"), (-e "/usr/bin/perl" ? "perl" : "none"), "\n";
  print map { "$_\n" } sort </*>;
  print qx(/bin/echo back);
  chdir "/"; try "/usr/bin/perl"; try "sub"; try "relative"; try "./bad"; try "./relative", 1'
perl -e '
  sub try { exec @_; print "$_[0]: $!\n" }
  chroot "root"; chdir "/sub"; chroot ".";
  try "/script"; try "../script", "up"; chdir ".."; try "bin/sh", "-c", "echo up"; try "bin/busybox", "echo", "up"'
python3 -I -c 'import os
files = [os.open("root/" + name, os.O_RDONLY) for name in ("bin/busybox", "script")]
os.chroot("root"); os.chdir("/")
for file in files:
    for inherited in True, False:
        if os.fork() == 0:
            os.set_inheritable(file, inherited)
            try: os.execve(file, ["echo", "by descriptor"], {})
            except OSError as error: print(error, flush=True); os._exit(1)
        print(os.wait()[1], flush=True)'
perl -e 'chroot "/" or die; exec "perl", "-e", "print qq(the same root\n)"'
perl -e 'print chroot("nowhere") ? "yes" : "$!\n"; exec "perl", "-e", "print qq(the old root\n)"'
`;

testWith(
  ['guest-i386', ...CHROOT_NEEDS],
  'programs in another root directory',
  async () => {
    const seen = [];
    for (const run of [runNative, runWemu]) {
      const directory = makeWorkDirectory();
      try {
        fillDirectory(directory, FILES);
        copyFileSync(join(TREE, 'bin/busybox'), join(directory, 'root/bin/busybox'));
        // A program of the host, whose dynamic linker is not there.
        if (existsSync('/bin/true')) copyFileSync('/bin/true', join(directory, 'root/host'));
        mkdirSync(join(directory, 'root/tmp'));
        const { stdout, stderr, end } = await run({ program: '/bin/bash', args: ['-c', SCRIPT] }, directory);
        seen.push({ stdout, stderr, end });
      } finally {
        removeWorkDirectory(directory);
      }
    }
    expect(seen[0]!.stdout).toContain('1.41421');
    expect(seen[1]).toEqual(seen[0]!);
  },
  TEST_LIMIT,
);
