// A guest program that executes another stays in the same emulator. For the kernel that is no execve, and so ps, and any other
// process that read /proc/PID/cmdline or /proc/PID/environ, saw the command line the emulator was started with. Now the kernel
// is told where the new ones are (prctl PR_SET_MM_MAP). Compared natively with what else tells a program's name.

import { expect } from 'bun:test';
import { join } from 'node:path';
import { wemuCommand } from '../oracle/runner.ts';
import { makeWorkDirectory, removeWorkDirectory, runIn, TREE } from '../programs/debian-run.ts';
import { CHROOT_NEEDS, nativeChroot } from '../programs/native-chroot.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const SCRIPT = String.raw`
show() { tr '\0' '|' <"/proc/$1/$2"; echo; }
named() { until [ "$(cat /proc/$1/comm)" = "$2" ]; do :; done; until grep -q "$3" /proc/$1/cmdline; do :; done; }
VARIABLE=value sleep 100 & pid=$!
named $pid sleep 100
show $pid cmdline; tr '\0' '\n' </proc/$pid/environ | grep '^VARIABLE='
wc -c </proc/$pid/cmdline
ps -o comm=,args= -p $pid
kill $pid
(exec -a 'another name' sleep 101) & pid=$!
named $pid sleep 101
show $pid cmdline; cat /proc/$pid/comm
kill $pid
printf '#!/bin/sh -e\nsleep 0; tr "\\0" "|" </proc/self/cmdline; tr "\\0" "|" </proc/$$/cmdline; cat /proc/$$/comm; echo "$0"\n' >a-script
chmod +x a-script; ./a-script x 'y z'
env -i A=1 B=2 sh -c 'cat /proc/$$/environ | tr "\0" "|"; cat /proc/$$/comm; readlink /proc/self/exe | sed "s:.*/bin/:/bin/:"; sleep 0'
sh -c 'sh -c "sleep 0; tr \"\\0\" \"|\" </proc/\$PPID/cmdline; cat /proc/\$PPID/comm"; sleep 0'
python3 -I -c 'import os
for close in (True, False):
    if os.fork() == 0:
        fd = os.open("/bin/sh", os.O_RDONLY)
        os.set_inheritable(fd, not close)
        os.execve(fd, ["by-descriptor", "-c", "tr \"\\0\" \"|\" </proc/$$/cmdline; echo; sleep 0"], {"C": "3"})
    os.wait()
    print(flush=True)'
for i in 1 2 3 4 5; do sh -c "sleep 0; cat /proc/\$\$/cmdline | tr '\\0' ' '; : $(printf '%0*d' $((i * 3000)) 0)" | wc -c; done
`;

testWith(
  ['guest-i386', ...CHROOT_NEEDS],
  'what others see of a program that was executed',
  async () => {
    const wemu = wemuCommand(['-L', TREE, '-0', '/bin/bash']);
    if ('missing' in wemu) throw new Error(wemu.missing);
    const args = ['-c', SCRIPT];
    const [native, ours] = await Promise.all(
      [
        (directory: string) => nativeChroot(directory, ['/bin/bash', ...args]),
        () => [...wemu.command, join(TREE, 'bin/bash'), ...args],
      ].map(async (command) => {
        const directory = makeWorkDirectory();
        try {
          return await runIn(command(directory), directory, {});
        } finally {
          removeWorkDirectory(directory);
        }
      }),
    );
    expect(native!.stderr).toBe('');
    expect(ours).toEqual(native!);
  },
  TEST_LIMIT,
);
