/** Makes random system calls with hostile arguments and exits with 0 when it survives them; run by fuzz.test.ts in a throw-away directory, which it locks itself into first. */

import { readdirSync, statSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { hideDescriptor } from '../../../linux-user/host-descriptors.ts';
import { Signals } from '../../../linux-user/signals.ts';
import type { SystemCalls } from '../../../linux-user/syscalls/dispatch.ts';
import { allRows } from '../../../linux-user/syscalls/table.ts';
import { HostBuffer, SYS, sys0, sys1, sys2, sys3, sys4 } from '../../../src/host/syscall.ts';
import { STATE_BASE } from '../../../src/memory/guest-pages.ts';
import { HEADER } from '../../../targets/state-layout.ts';
import { Harness } from './harness.ts';
import { random } from './replay-calls.ts';

/** Calls that would end, stop, starve or reconfigure this process or the machine when they succeed. */
const LEFT_OUT = new Set(
  (
    'fork vfork clone clone3 execve execveat ptrace exit exit_group kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal reboot sethostname ' +
    'setdomainname settimeofday stime clock_settime clock_settime64 adjtimex clock_adjtime clock_adjtime64 mount umount ' +
    'umount2 move_mount open_tree fsmount swapon swapoff chroot pivot_root setuid setgid setreuid setregid setresuid ' +
    'setresgid setuid32 setgid32 setreuid32 setregid32 setresuid32 setresgid32 setgroups setgroups32 setfsuid setfsgid ' +
    'setfsuid32 setfsgid32 setrlimit prlimit64 sched_setaffinity sched_setscheduler sched_setattr sched_setparam ' +
    'sched_yield nice setpriority ioprio_set unshare setns init_module finit_module delete_module acct vhangup syslog ' +
    'setsid setpgid personality sync syncfs alarm setitimer timer_create mlockall capset keyctl add_key request_key ' +
    'landlock_restrict_self mlockall sigreturn rt_sigreturn process_mrelease memfd_secret prctl sysfs'
  ).split(' '),
);

/** Exit status when the process cannot be locked in: then nothing is called at all. */
const NOT_JAILED = 3;
const NOBODY = 65534;
/** Nothing random may fill the disk. */
const MOST_BYTES = 16 << 20;
const RLIMIT_FSIZE = 1;
const NEW_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x40000000; // mounts, UTS, IPC, network

/**
 * Locks this process into its directory: namespaces of its own, the directory as root, no rights. Random calls of a
 * process that may do anything would hit the machine. Whatever fails ends the process before the first call.
 */
function lockIn(): void {
  const need = (what: string, met: boolean) => {
    if (met) return;
    process.stderr.write(`cannot lock the process in: ${what}\n`);
    process.exit(NOT_JAILED);
  };
  const jail = process.cwd();
  need('the directory is not one of the test', basename(jail).startsWith('wemu-fuzz-'));
  need('only root may change the root directory', sys0(SYS.geteuid) === 0);
  const { ino } = statSync(jail);
  for (const name of readdirSync('/proc/self/fd')) {
    // A descriptor of a directory outside would be a way out.
    const fd = Number(name);
    try {
      if (statSync(`/proc/self/fd/${fd}`).isDirectory()) sys1(SYS.close, fd);
    } catch {
      // The descriptor of the listing itself.
    }
  }
  const path = Buffer.from(`${jail}\0`);
  const root = Buffer.from('/\0');
  const limit = new HostBuffer(16);
  limit.view.setUint32(0, MOST_BYTES, true);
  limit.view.setUint32(8, MOST_BYTES, true);
  need('file size', sys4(SYS.prlimit64, 0, RLIMIT_FSIZE, limit.address, 0) === 0);
  need('namespaces', sys1(SYS.unshare, NEW_NAMESPACES) === 0);
  need('chroot', sys1(SYS.chroot, path) === 0 && sys1(SYS.chdir, root) === 0);
  need('groups', sys2(SYS.setgroups, 0, 0) === 0 && sys3(SYS.setresgid, NOBODY, NOBODY, NOBODY) === 0);
  need('user', sys3(SYS.setresuid, NOBODY, NOBODY, NOBODY) === 0);
  need('still root', sys0(SYS.geteuid) === NOBODY && sys1(SYS.setuid, 0) < 0);
  need('still outside', statSync('/').ino === ino && sys1(SYS.chroot, root) < 0);
}

const [seedText, countText] = process.argv.slice(2);
const r = random(Number(seedText));
const count = Number(countText);

const report = hideDescriptor(sys1(SYS.dup, 2));
const h = new Harness();
const pollAt = STATE_BASE + HEADER.poll;
h.process.signals = new Signals(h.memory, h.process.env, h.process.abi.signals, pollAt);
const calls: SystemCalls = h.calls;
const data = h.room(0x8000);
for (const [i, text] of ['f', 'd', 'd/x', '/', '.', '..', 'a'.repeat(300), ''].entries()) {
  h.memory.writeBytes(data + i * 400, Buffer.from(`${text}\0`));
}

/** Numbers that lengths, counts and offsets go wrong at. */
const EDGES = [
  ...[0, 1, 2, 3, 4, 7, 8, 12, 16, 28, 64, 84, 100, 128, 255, 1023, 1024, 1025, 4095, 4096, 65536],
  ...[0x7ffff000, 0x7fffffff, 0x80000000, 0xfffff000, 0xfffffff0, 0xffffffff],
];
const POINTERS = [
  0,
  1,
  0x20,
  0x50000 - 1,
  0x50000 - 4,
  0x50000,
  0x60000000,
  STATE_BASE - 1,
  STATE_BASE,
  0xff000000,
  0xffffffff,
];

function argument(): number {
  switch (r(8)) {
    case 0:
      return EDGES[r(EDGES.length)]!;
    case 1:
      return POINTERS[r(POINTERS.length)]!;
    case 2:
      return [-1, 0, 3, 4, 5, 6, 7, 99, -100][r(9)]!;
    case 3:
      return data + r(8) * 400;
    case 4:
      return data + 0x1000 + r(0x6000);
    case 5:
      return 1 << r(32);
    case 6:
      return r(64);
    default:
      return r(0xffffffff);
  }
}

/** Puts pointers, lengths and small numbers where a call might read a structure. */
function scatter(): void {
  for (let i = 0; i < 64; i++) h.memory.view.setUint32(data + 0x1000 + (r(0x6000) & ~3), argument() >>> 0, true);
}

const numbers = calls.numbers().filter((number) => {
  return calls.rowOf(number) !== undefined && !LEFT_OUT.has(calls.nameOf(number)!);
});
/** Calls that can wait, and those that can stand for one. */
const canWait = new Set(
  numbers.filter((number) => calls.rowOf(number)!.blocks || calls.rowOf(number)!.unfold !== undefined),
);
// What is loaded on first use must be loaded: the files are out of reach afterwards.
allRows();
h.call('rt_sigaction', 10, h.words(0x1000, 0, 0, 0, 0), 0, 8);
lockIn();
for (let done = 0; done < count; done++) {
  if (done % 50 === 0) {
    // Whatever the calls did to the memory, it is there again.
    h.memory.map(0x10000, 0x40000, 3, 0x32, -1, 0);
    scatter();
    for (const [i, text] of ['f', 'd', 'd/x', '/', '.', '..', 'a'.repeat(300), ''].entries()) {
      h.memory.writeBytes(data + i * 400, Buffer.from(`${text}\0`));
    }
  }
  const number = numbers[r(numbers.length)]!;
  // With the poll word set a call that could wait does all but start.
  h.memory.write32(pollAt, canWait.has(number) ? 1 : 0);
  const args = [argument(), argument(), argument(), argument(), argument(), argument()].map((n) => n | 0);
  let result: unknown;
  try {
    result = calls.call(number, args[0]!, args[1]!, args[2]!, args[3]!, args[4]!, args[5]!);
  } catch (error) {
    result = (error as Error).stack;
  }
  if (typeof result !== 'number' || !Number.isInteger(result)) {
    // By way of a descriptor the calls cannot close.
    writeSync(report, `${calls.nameOf(number)}(${args}) gave ${result}\n`);
    process.exit(1);
  }
}
process.exit(0);
