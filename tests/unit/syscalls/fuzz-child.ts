/** Makes random system calls with hostile arguments and exits with 0 when it survives them; run by fuzz.test.ts in a throw-away directory, which it locks itself into first. */

import { readdirSync, statSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { ERESTARTNOINTR } from '../../../linux-user/errno.ts';
import { hideDescriptor } from '../../../linux-user/host-descriptors.ts';
import { Signals } from '../../../linux-user/signals.ts';
import type { SystemCalls } from '../../../linux-user/syscalls/dispatch.ts';
import { IOCTL_HANDLERS } from '../../../linux-user/syscalls/ioctl-handlers.ts';
import { IOCTLS } from '../../../linux-user/syscalls/ioctl-table.ts';
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
    'landlock_restrict_self mlockall sigreturn rt_sigreturn process_mrelease memfd_secret prctl sysfs quotactl quotactl_fd'
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

const [seedText, countText, traceText] = process.argv.slice(2);
const trace = traceText === 'trace';
const r = random(Number(seedText));
const count = Number(countText);

const report = hideDescriptor(sys1(SYS.dup, 2));
const h = new Harness();
const pollAt = STATE_BASE + HEADER.poll;
h.process.signals = new Signals(h.memory, h.process.env, h.process.abi.signals, pollAt);
const calls: SystemCalls = h.calls;
/** Otherwise a call that could wait does all but start, as if a signal with a handler had come before. */
let waits = true;
const wait = h.process.wait.bind(h.process);
h.process.wait = (...args) => (waits ? wait(...args) : -ERESTARTNOINTR);
const data = h.room(0x8000);
const mark = h.mark();
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
      return r(3) === 0 ? [-1, 0, 99, -100][r(4)]! : 3 + r(24);
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

/**
 * Requests and the like that lead further than random numbers would: the values of an argument of some calls, which it has
 * half the time.
 */
const KNOWN: Readonly<Record<string, readonly [argument: number, values: readonly number[]]>> = {
  ioctl: [1, [...Object.keys(IOCTLS), ...Object.keys(IOCTL_HANDLERS)].map(Number)],
  fcntl64: [1, [...Array(18).keys(), 36, 37, 38, ...Array.from({ length: 15 }, (_, i) => 1024 + i)]],
  fcntl: [1, [...Array(18).keys(), 36, 37, 38]],
  socketcall: [0, [...Array(21).keys()]],
  ipc: [0, [1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24]],
  setsockopt: [1, [0, 1, 6, 17, 41, 270]],
  getsockopt: [1, [0, 1, 6, 17, 41, 270]],
  semctl: [2, [0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]],
  msgctl: [1, [0, 1, 2, 3, 11, 12, 13]],
  shmctl: [1, [0, 1, 2, 3, 11, 12, 13, 14, 15]],
  futex: [1, [...Array(14).keys()]],
};

/** Descriptors of every kind, with low numbers, as a program would have them. */
function openAll(): void {
  const pair = h.words(0, 0);
  for (const kind of [1, 2, 5]) h.call('socketpair', 1, kind | 0x800, 0, pair);
  h.call('pipe2', pair, 0x800);
  for (const family of [2, 10, 16]) h.call('socket', family, 2 | 0x800, 0);
  h.call('socket', 2, 1 | 0x800, 0);
  h.call('epoll_create1', 0);
  h.call('eventfd2', 0, 0x800);
  h.call('timerfd_create', 1, 0x800);
  h.call('inotify_init1', 0x800);
  h.call('signalfd4', -1, h.words(0x200, 0), 8, 0x800);
  h.call('memfd_create', data, 2);
  for (const name of ['f', 'd']) h.call('open', h.string(name), name === 'f' ? 0x8802 : 0x8800, 0);
  h.call('msgget', 0, 0o600);
  h.call('semget', 0, 2, 0o600);
  h.call('shmget', 0, 8192, 0o600);
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
  // What the calls have closed is open again.
  if (done % 1000 === 0) {
    h.call('close_range', 3, 40, 0);
    h.reset(mark);
    openAll();
  }
  const number = numbers[r(numbers.length)]!;
  waits = !canWait.has(number);
  const args = [argument(), argument(), argument(), argument(), argument(), argument()].map((n) => n | 0);
  const known = KNOWN[calls.nameOf(number)!];
  if (known && r(2) === 0) args[known[0]] = known[1][r(known[1].length)]! | 0;
  // The last line tells which call ended the process.
  if (trace) writeSync(report, `${done} ${calls.nameOf(number)}(${args})\n`);
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
