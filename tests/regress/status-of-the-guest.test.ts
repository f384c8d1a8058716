// A guest that looked into /proc/self/status or /proc/self/stat saw the emulator: its threads, the signals that its engine
// blocks and catches, gigabytes of memory, addresses of its code. Compared natively, with what else /proc says of a process.

import { expect } from 'bun:test';
import { wemuCommand } from '../oracle/runner.ts';
import { makeWorkDirectory, removeWorkDirectory, runIn, TREE } from '../programs/debian-run.ts';
import { CHROOT_NEEDS, nativeChroot } from '../programs/native-chroot.ts';
import { testWith } from '../setup/needs.ts';

const PROGRAM = String.raw`
import os, signal, struct
SHOWN = '''Name Umask State Ngid TracerPid Uid Gid Groups Threads SigPnd ShdPnd SigBlk SigIgn SigCgt CapInh CapPrm CapEff
CapBnd CapAmb NoNewPrivs Seccomp'''.split()
def status(name):
    lines = [line.split(':', 1) for line in open(name)]
    print([(key, value.strip()) for key, value in lines if key in SHOWN], len(lines))
    numbers = dict((key, value.split()) for key, value in lines)
    print([int(numbers[key][0]) == value for key, value in (('Tgid', os.getpid()), ('Pid', os.getpid()), ('PPid', os.getppid()))])
def stat(name):
    text = open(name).read()
    end = text.rindex(')') + 2
    fields = text[end:].split()
    word = lambda n: int(fields[n - 3])
    print(text[text.index('('):end], fields[0], word(4) == os.getppid(), word(5) == os.getpgrp(), word(6) == os.getsid(0))
    print([word(n) for n in (7, 8, 20, 31, 32, 33, 34, 38)], len(fields), text[-1] == '\n')
    maps = [line.split() for line in open('/proc/self/maps')]
    bounds = [[int(part, 16) for part in line[0].split('-')] + line[1:2] + line[5:6] for line in maps]
    where = lambda a: [(one[2], one[3].rsplit('/', 1)[-1]) for one in bounds if one[0] <= a < one[1]]
    print([where(word(n)) for n in (26, 27, 28, 45, 46, 47, 48, 49, 50, 51)])
    print(word(51) - word(50) == len(open('/proc/self/environ', 'rb').read()), word(49) - word(48), word(50) - word(49))
    total = sum(one[1] - one[0] for one in bounds)
    print(abs(word(23) - total) < 1 << 22, abs(int(open('/proc/self/statm').read().split()[0]) * 4096 - total) < 1 << 22)
status('/proc/self/status')
signal.signal(signal.SIGUSR1, lambda *a: None)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(45, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM, 40, 64])
os.kill(os.getpid(), signal.SIGTERM)
def queued():
    return [int(line[5:].split('/')[0]) for line in open('/proc/self/status') if line.startswith('SigQ:')][0]
# Other processes of the user count too, and come and go.
def grows():
    before = queued()
    for n in range(20): os.kill(os.getpid(), 40)
    return queued() - before >= 15
print(grows() or grows() or grows())
for base in 'self', 'thread-self', str(os.getpid()), 'self/task/%d' % os.getpid():
    status('/proc/%s/status' % base)
stat('/proc/self/stat')
if os.fork() == 0:
    status('/proc/self/status')
    stat('/proc/%d/stat' % os.getpid())
    os._exit(0)
os.wait()
print(open('/proc/self/limits').read(), os.readlink('/proc/self/exe')[-19:])
print(sorted(os.listdir('/proc/self/fd'))[:3], os.listdir('/proc/self/task') == [str(os.getpid())])
vector = struct.iter_unpack('<II', open('/proc/self/auxv', 'rb').read())
# Not: AT_MINSIGSTKSZ, AT_HWCAP2, AT_RSEQ_FEATURE_SIZE, AT_RSEQ_ALIGN. Addresses and AT_HWCAP are there.
print([(key, value if key in (3, 4, 5, 6, 8, 11, 12, 13, 14, 17, 23) else value != 0) for key, value in vector
    if key not in (0, 26, 27, 28, 51)])
print([(one[1], one[2]) for one in (line.split() for line in open('/proc/self/maps')) if 'bin/python' in one[-1]])
`;

import { TEST_LIMIT } from '../setup/limits.ts';

testWith(
  ['guest-i386', ...CHROOT_NEEDS],
  'what a program sees of itself in /proc',
  async () => {
    const wemu = wemuCommand(['-L', TREE, '-0', '/usr/bin/python3']);
    if ('missing' in wemu) throw new Error(wemu.missing);
    const args = ['-I', '-c', PROGRAM];
    const seen = [];
    for (const native of [true, false]) {
      const directory = makeWorkDirectory();
      const ours = [...wemu.command, `${TREE}/usr/bin/python3`, ...args];
      try {
        seen.push(await runIn(native ? nativeChroot(directory, ['/usr/bin/python3', ...args]) : ours, directory, {}));
      } finally {
        removeWorkDirectory(directory);
      }
    }
    expect(seen[0]!.stderr).toBe('');
    expect(seen[1]).toEqual(seen[0]!);
  },
  TEST_LIMIT,
);
