/** Makes random system calls whose results do not depend on who makes them, for comparing a native process with wemu. */

import { i386SyscallNames } from '../../../linux-user/abi/i386-syscalls.ts';

export const WINDOW = 0x20000000;
const PAGE = 4096;
/** Two pages of strings and prepared structures, then pages for results; see replay-native.c for the protections. */
const STRINGS = 0;
const STRUCTS = PAGE;
const BUFFERS = 2 * PAGE;

/** A generator with a printed seed (xorshift32). */
export function random(seed: number): (n: number) => number {
  let x = seed * 2 + 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

/** One replayed line, and what to say about it when the sides differ. */
export interface Step {
  readonly line: string;
  readonly what: string;
}

const NAMES = ['f', 'dir', 'link', 'broken', 'none', 'dir/a', 'f/x', 'loop', '', 'dir/', './f', 'g', 'dir/new'];
/** Files nobody changes while the test runs, `/usr` to be listed. */
export const STABLE = ['/etc/passwd', '/etc/nothing', '/dev/full', '/etc', '/usr'];

/** Where each string stands in the window. */
const stringAt = new Map<string, number>();
const stringBytes: [at: number, text: string][] = [];
{
  let at = STRINGS;
  for (const text of [...NAMES, ...STABLE, 'user.one', 'user.two', 'x'.repeat(300), 'y/'.repeat(700)]) {
    stringAt.set(text, WINDOW + at);
    stringBytes.push([at, text]);
    at = (at + text.length + 8) & ~3;
  }
}

/** Prepared structures, by name: little-endian words. */
const STRUCT_WORDS: Record<string, readonly number[]> = {
  timespec: [0, 1000],
  badTimespec: [0, 2000000000],
  negativeTimespec: [-1, 0],
  timespec64: [0, 0, 1000, 0],
  times: [1000, 5000, 2000, 6000],
  times64: [1000, 0, 5000, 0, 2000, 0, 6000, 0],
  now: [0, 0x3fffffff, 0, 0x3ffffffe],
  utimbuf: [123456, 654321],
  zeroTime: [0, 0, 0, 0],
  lockRead: [0, 10, 20, 0, 0],
  lockWrite: [1, 0, 0, 0, 0],
  lockUn: [2, 0, 0, 0, 0],
  lockBad: [7, 0, 0, 0, 0],
  lock64Read: [0, 10, 0, 20, 0, 0],
  lock64Write: [1, 0, 0, 0, 0, 0],
  lock64Far: [1, 0, 5, 10, 0, 0],
  iovecs: [WINDOW + BUFFERS, 5, WINDOW + BUFFERS + 100, 50, WINDOW + BUFFERS + PAGE - 3, 10],
  badIovecs: [WINDOW + BUFFERS, 5, 0x30000000, 50, 0, 0],
  roIovecs: [WINDOW + BUFFERS, 5, WINDOW + 8 * PAGE, 50, 0, 0],
  negativeIovecs: [WINDOW + BUFFERS, 5, WINDOW + BUFFERS, -5, 0, 0],
  offset: [100, 0],
  farOffset: [0, 1],
  negativeOffset: [-5, -1],
  rlimit: [100, 200],
  rlimitInfinite: [-1, -1],
  rlimitBad: [300, 200],
  rlimit64: [100, 0, 200, 0],
  pollfds: [3, 5, 5, 1, 99, 1, -1, 1],
  fdset: [0x78, 0, 0, 0],
  fdsetBad: [0x78, 0x40000000, 0, 0],
  epollEvent: [1, 0x1234, 0x5678],
  unix: [0x00660001, 0x0000006f],
  inet: [0x02000002, 0x0100007f, 0, 0],
  length16: [16],
  length3: [3],
  lengthNegative: [-1],
  one: [1],
  zero: [0],
  ids: [1, 2, 3],
  ids16: [0x00020001, 0xffff0003 | 0],
  userDesc: [-1, 0x12340, 0xfffff, 0x51],
  how: [0, 0, 0, 0, 8, 0],
  sigset: [0x200, 0],
  sembuf: [0, 0x08000001],
  message: [7, 0x6c6c6568, 0x6f],
  badMessage: [0, 0x6c6c6568],
  robust: [0, 0, 0],
};
const structAt = new Map<string, number>();
{
  let at = STRUCTS;
  for (const [name, words] of Object.entries(STRUCT_WORDS)) {
    structAt.set(name, WINDOW + at);
    at += words.length * 4 + 8;
  }
}

/** Lines that fill the window with the strings and structures. */
function putData(): Step[] {
  const put = (at: number, hex: string) => ({ line: `put ${at} ${hex}`, what: 'set-up' });
  const steps = stringBytes.map(([at, text]) => put(at, Buffer.from(`${text}\0`).toString('hex')));
  for (const [name, words] of Object.entries(STRUCT_WORDS)) {
    steps.push(put(structAt.get(name)! - WINDOW, Buffer.from(new Int32Array(words).buffer).toString('hex')));
  }
  return steps;
}

/** Where an argument's value comes from. */
type Pool = (r: (n: number) => number) => number;

const pick =
  (...values: readonly number[]): Pool =>
  (r) =>
    values[r(values.length)]!;
const strings =
  (...names: readonly string[]): Pool =>
  (r) =>
    r(12) === 0 ? WILD[r(WILD.length)]! : stringAt.get(names[r(names.length)]!)!;
/** One of the prepared structures, now and then a pointer that leads nowhere. */
const structs =
  (...names: readonly string[]): Pool =>
  (r) =>
    r(8) === 0
      ? WILD[r(WILD.length)]!
      : names[r(names.length)] === 'null'
        ? 0
        : (structAt.get(names[r(names.length)]!) ?? 0);

/** Unmapped, read-only, inaccessible, at the very end, and just before a border. */
const WILD = [
  0,
  0x30000000,
  WINDOW + 8 * PAGE,
  WINDOW + 9 * PAGE,
  -1,
  -4096,
  WINDOW + 9 * PAGE - 2,
  WINDOW + 16 * PAGE - 4,
];

/** A time that makes a call return at once, or a bad pointer. */
const atOnce: Pool = (r) => [structAt.get('zeroTime')!, 0x30000000, WINDOW + 9 * PAGE][r(3)]!;
const path = strings(...NAMES, 'x'.repeat(300), 'y/'.repeat(700));
const stable = strings('/etc/passwd', '/etc/nothing', '/dev/full', '/etc');
/** A place for results: mostly good, inside pages of their own. */
const out: Pool = (r) => (r(6) === 0 ? WILD[r(WILD.length)]! : WINDOW + BUFFERS + r(4) * PAGE + r(16) * 4);
const size = pick(0, 1, 7, 16, 100, 4096, 5000, 20000);
/** 3 file, 4 directory, 5 and 6 pipe, 7 socket, 8 epoll, 9 a directory of the system, which is
 *  only listed. */
const fd = pick(3, 3, 4, 5, 6, 7, 8, 99, -1, 1000000);
/** Descriptors whose locks are nobody else's: without epoll's, which all have one inode in the whole system. */
const ownFd = pick(3, 3, 4, 5, 6, 7, 99, -1, 1000000);
const file = pick(3, 3, 3, 4, 5, 99);
const dirfd = pick(-100, -100, 4, 3, 99, -1);
const small = pick(0, 1, 2, 3, 5, -1, 100, 0x7fffffff, -0x80000000);
const offset = pick(0, 1, 5, 100, 9999, 10000, -1, 0x7fffffff);
const mode = pick(0o644, 0o600, 0o777, 0o4755, 0, 0o1777);
const none = pick(0);

/** How to make the arguments of each call, and what becomes of volatile results. */
const CALLS: Record<string, readonly Pool[]> = {
  read: [file, out, size],
  write: [pick(3, 6, 4, 5, 99), out, pick(0, 1, 16, 100)],
  pread64: [file, out, size, offset, pick(0, 0, 0, 1, -1)],
  pwrite64: [file, out, pick(0, 1, 16, 100), pick(0, 5, 9000), pick(0, 0, -1)],
  readv: [file, structs('iovecs', 'badIovecs', 'roIovecs', 'negativeIovecs'), pick(0, 1, 2, 3, 1025, -1)],
  writev: [pick(3, 6, 99), structs('iovecs', 'badIovecs', 'negativeIovecs'), pick(0, 1, 2, 3, 1025, -1)],
  preadv: [file, structs('iovecs', 'roIovecs'), pick(1, 2, 3), offset, pick(0, 0, -1)],
  pwritev: [file, structs('iovecs', 'negativeIovecs'), pick(1, 2, 3), pick(0, 100), pick(0, 0, -1)],
  preadv2: [file, structs('iovecs'), pick(1, 2, 3), offset, none, pick(0, 0x10, 0x1000)],
  lseek: [pick(3, 5, 7, 99), offset, pick(0, 1, 2, 3, 4, 9)],
  _llseek: [pick(3, 5, 7, 99), pick(0, 0, 0, 1, -1), offset, out, pick(0, 1, 2, 9)],
  sendfile: [pick(6, 3, 99), file, structs('offset', 'null', 'negativeOffset'), pick(0, 10, 50)],
  sendfile64: [pick(6, 3, 99), file, structs('offset', 'null', 'farOffset', 'negativeOffset'), pick(0, 10, 50)],
  copy_file_range: [file, structs('null', 'offset'), file, structs('null', 'offset'), pick(0, 10), pick(0, 1)],
  splice: [file, structs('null', 'offset'), pick(6, 3), structs('null', 'offset'), pick(0, 10), pick(2, 3)],
  tee: [pick(5, 3), pick(6, 3), pick(10), pick(2)],
  fsync: [fd],
  fdatasync: [fd],
  fadvise64: [file, offset, none, pick(10, -1), pick(0, 3, 4, 77)],
  fadvise64_64: [file, offset, none, pick(10), none, pick(0, 3, 77)],
  fallocate: [file, pick(0, 1, 3, 0x77), offset, none, pick(0, 100, -1), pick(0, -1)],
  truncate: [path, pick(0, 100, 10000, -1)],
  ftruncate: [file, pick(10000, 20000, -1)],
  truncate64: [path, pick(0, 100, 10000), pick(0, 0, -1)],
  ftruncate64: [file, pick(10000, 20000), pick(0, 0, 0, -1)],

  openat: [dirfd, path, pick(0, 1, 2, 0x10000, 0x20000, 0x40 | 0x80 | 1, 0x200000, 0x410002, 3, 0x8000), mode],
  open: [path, pick(0, 1, 2, 0x10000, 0x20000, 0xc1, 0x8000), mode],
  creat: [strings('g', 'dir', 'none'), mode],
  openat2: [dirfd, path, structs('how', 'zeroTime'), pick(24, 24, 8, 0)],
  access: [path, pick(0, 4, 7, 8, -1)],
  faccessat: [dirfd, path, pick(0, 4, 7, 8)],
  faccessat2: [dirfd, path, pick(0, 4, 8), pick(0, 0x100, 0x200, 0x1000, 0x4000)],
  readlink: [path, out, pick(0, 1, 5, 100, -1)],
  readlinkat: [dirfd, path, out, pick(0, 1, 5, 100, -1)],
  link: [path, path],
  linkat: [dirfd, path, dirfd, path, pick(0, 0x400, 0x1000, 7)],
  symlink: [path, path],
  unlink: [strings('none', 'dir/new', 'g', 'broken', 'dir')],
  unlinkat: [dirfd, strings('none', 'g', 'dir/new', 'dir'), pick(0, 0x200, 7)],
  rename: [strings('g', 'none', 'f'), strings('g', 'dir', 'f', 'none')],
  renameat2: [dirfd, strings('g', 'none'), dirfd, strings('g', 'dir'), pick(0, 1, 2, 8)],
  mkdir: [strings('dir', 'dir/new', 'none', 'f/x'), mode],
  mkdirat: [dirfd, strings('dir', 'dir/new', 'f/x'), mode],
  rmdir: [strings('dir/new', 'f', 'none')],
  mknod: [strings('g', 'dir/new', 'f'), pick(0o100644, 0o644, 0o777777), none],
  chdir: [strings('f', 'none', 'broken', '')],
  fchdir: [pick(3, 99, 5)],
  stat64: [stable, out],
  lstat64: [stable, out],
  stat: [stable, out],
  lstat: [stable, out],
  oldstat: [strings('/etc/passwd', '/etc/nothing', '/dev/full'), out],
  fstatat64: [pick(-100, 99), stable, out, pick(0, 0x100, 0x800, 7)],
  statx: [pick(-100, 99), stable, pick(0, 0x100, 7), pick(0x7ff, 0, 0x7fffffff), out],
  ustat: [pick(0, 5), out],
  getdents64: [pick(9, 9, 3, 99), out, pick(0, 10, 24, 4096)],
  getdents: [pick(9, 9, 3, 99), out, pick(0, 10, 24, 4096)],
  readdir: [pick(9, 3, 99), out, pick(1)],

  dup: [pick(99, -1)],
  dup2: [pick(3, 99), pick(-1, 99, 1000000)],
  dup3: [pick(3, 99), pick(3, -1), pick(0, 0x80000, 5)],
  pipe: [pick(0, 0x30000000, WINDOW + 8 * PAGE)],
  fcntl64: [
    ownFd,
    pick(1, 3, 5, 6, 12, 13, 37, 11, 9, 1025, 1032, 1034, 15, 16, 99, -1),
    structs('lockRead', 'lockWrite', 'lockUn', 'lockBad', 'lock64Read', 'lock64Write', 'lock64Far', 'zero'),
  ],
  fcntl: [ownFd, pick(1, 3, 5, 6, 12, 13, 99), structs('lockRead', 'lockWrite', 'lockBad')],
  flock: [ownFd, pick(1 | 4, 2 | 4, 8, 77)],
  ioctl: [pick(3, 4, 5, 7, 99), pick(0x5401, 0x5413, 0x541b, 0x5450, 0x5451, 0x80046601, 0x12345678, 2), out],
  memfd_create: [pick(0, 0x30000000), pick(0, 1)],
  inotify_add_watch: [fd, path, pick(2)],
  inotify_rm_watch: [fd, pick(1)],
  timerfd_create: [pick(77), pick(0)],
  timerfd_gettime: [fd, out],
  timerfd_settime: [fd, pick(0), structs('zeroTime'), structs('null')],
  epoll_ctl: [pick(8, 8, 3, 99), pick(1, 2, 3, 7), pick(5, 7, 3, 99), structs('epollEvent', 'null')],
  epoll_wait: [pick(8, 8, 3), out, pick(0, 1, 5, -1), pick(0)],
  epoll_pwait: [pick(8, 3), out, pick(1, -1), pick(0), structs('null', 'sigset'), pick(8, 4)],
  poll: [structs('pollfds', 'null'), pick(0, 1, 2, 4, 5000000, -1), pick(0)],
  ppoll: [structs('pollfds'), pick(2, 4), atOnce, structs('null', 'sigset'), pick(8, 4)],
  _newselect: [
    pick(0, 7, 8, 64, -1),
    structs('fdset', 'fdsetBad', 'null'),
    structs('fdset', 'null'),
    structs('null', 'fdset'),
    atOnce,
  ],
  pselect6_time64: [pick(8, 20), structs('fdset'), structs('null'), structs('null'), atOnce, none],

  chmod: [path, mode],
  fchmod: [fd, mode],
  fchmodat: [dirfd, path, mode],
  chown: [path, pick(-1, 0, 5), pick(-1, 0, 7)],
  chown32: [path, pick(-1, 0, 70000), pick(-1, 0)],
  lchown: [path, pick(-1, 0), pick(-1)],
  fchown32: [fd, pick(-1, 0), pick(-1)],
  fchownat: [dirfd, path, pick(-1, 5), pick(-1), pick(0, 0x100, 7)],
  umask: [pick(0o22, 0o77)],
  utime: [path, structs('utimbuf', 'null')],
  utimes: [path, structs('times', 'null')],
  futimesat: [dirfd, path, structs('times', 'badTimespec')],
  utimensat: [dirfd, path, structs('times', 'now', 'null', 'badTimespec'), pick(0, 0x100, 7)],
  utimensat_time64: [dirfd, path, structs('times64', 'null'), pick(0, 0x100, 7)],
  setxattr: [path, strings('user.one', 'user.two', ''), out, pick(0, 5, 100), pick(0, 1, 2, 9)],
  getxattr: [path, strings('user.one', 'user.two', ''), out, pick(0, 5, 100)],
  listxattr: [path, out, pick(0, 5, 100)],
  fgetxattr: [fd, strings('user.one'), out, pick(0, 5, 100)],
  removexattr: [path, strings('user.one', 'user.two')],

  getuid: [],
  getuid32: [],
  getgid: [],
  geteuid32: [],
  getresuid32: [out, out, out],
  getresuid: [out, out, out],
  getresgid: [out, out, out],
  getgroups: [pick(0, 100, -1), out],
  getgroups32: [pick(0, 100, -1), out],
  setgroups: [pick(-1, 70000), out],
  setresuid32: [pick(-1), pick(-1), pick(-1)],
  setreuid: [pick(0xffff), pick(0xffff)],
  setfsuid32: [pick(0)],
  getpgid: [pick(-1, 9999999)],
  getsid: [pick(-1, 9999999)],
  setpgid: [pick(9999999, -1), small],
  capget: [structs('zero', 'one'), out],

  time: [pick(0x30000000, WINDOW + 9 * PAGE)],
  gettimeofday: [pick(0x30000000), pick(0)],
  clock_gettime: [pick(77, -1), out],
  clock_getres: [pick(1, 5, 77), out],
  clock_getres_time64: [pick(1, 5, 77), out],
  clock_nanosleep: [pick(1, 77), pick(0), structs('timespec', 'badTimespec', 'negativeTimespec'), structs('null')],
  clock_nanosleep_time64: [pick(1, 3, 77), pick(0), structs('timespec64'), none],
  nanosleep: [structs('timespec', 'badTimespec', 'negativeTimespec', 'null'), none],
  setitimer: [pick(77), structs('zeroTime'), out],
  getitimer: [pick(0, 1, 77), out],
  timer_settime: [pick(55), none, structs('zeroTime'), none],
  timer_create: [pick(77), structs('null'), out],

  setrlimit: [pick(10, 77), structs('rlimit', 'rlimitInfinite', 'rlimitBad')],
  getrlimit: [pick(0, 4, 10, 77), out],
  ugetrlimit: [pick(0, 4, 10, 77), out],
  prlimit64: [pick(0, 9999999), pick(4, 77), structs('null', 'rlimit64'), out],
  getrusage: [pick(77), out],
  getpriority: [pick(0, 3), pick(0, 9999999)],
  sched_getscheduler: [pick(0, -1, 9999999)],
  sched_getparam: [pick(0, -1), out],
  sched_get_priority_max: [pick(0, 1, 77)],
  sched_getaffinity: [pick(0, 9999999), pick(128, 4, 3, 0), out],
  sched_setaffinity: [pick(9999999), pick(4, 8, 128), out],
  sched_rr_get_interval: [pick(9999999, -1), out],
  sched_getattr: [pick(0, -1), out, pick(48, 56, 10), pick(0, 1)],
  sethostname: [pick(0x30000000), pick(5, -1, 65)],
  getcwd: [pick(0x30000000, 0, WINDOW + 9 * PAGE), pick(0, 1, 100)],
  getrandom: [pick(0x30000000, WINDOW + 8 * PAGE), pick(10), pick(0, 77)],
  prctl: [pick(2, 3, 7, 16, 27, 30, 39, 99, 15), out, none, none, none],
  getcpu: [pick(0x30000000), none, none],
  set_robust_list: [structs('robust'), pick(12, 24, 0)],
  futex: [out, pick(1, 129, 3, 77, 10), pick(1), none, out, pick(0)],
  futex_time64: [structs('one'), pick(0, 128), pick(5), structs('timespec64'), none, none],
  waitpid: [pick(-1, 9999999), out, pick(1, 0x12345)],
  wait4: [pick(-1, 9999999), out, pick(1), out],
  waitid: [pick(0, 1, 77), pick(9999999), out, pick(1 | 4, 0), none],
  set_thread_area: [pick(0x30000000)],
  modify_ldt: [pick(0, 1, 0x11, 77), pick(0x30000000, 0), pick(16, 0)],

  socket: [pick(77, 1), pick(77, 0), pick(5)],
  socketpair: [pick(77, 1), pick(1, 77), pick(0), pick(0x30000000)],
  bind: [fd, structs('inet', 'zero'), pick(0, 1, 200, -1)],
  connect: [fd, structs('unix', 'inet'), pick(0, 1, 8, 200, -1)],
  getsockname: [fd, out, structs('length16', 'length3', 'lengthNegative')],
  getpeername: [fd, out, structs('length16', 'lengthNegative')],
  sendto: [fd, out, pick(5), pick(0x40), none, none],
  recvfrom: [fd, out, pick(5, 100), pick(0x40), none, none],
  setsockopt: [fd, pick(1, 6, 77), pick(2, 20, 7, 13, 26, 77), structs('timespec', 'one', 'zero'), pick(4, 8, 0, -1)],
  getsockopt: [fd, pick(1, 77), pick(3, 4, 20, 13, 17, 77), out, structs('length16', 'length3', 'lengthNegative')],
  shutdown: [pick(3, 99), pick(0, 7)],
  listen: [pick(3, 99), pick(1)],
  accept4: [fd, out, structs('length16'), pick(0x800, 77)],
  sendmsg: [fd, out, pick(0x40)],
  recvmsg: [pick(3, 99), out, pick(0x40)],
  socketcall: [pick(0, 2, 4, 21, 77), structs('ids', 'zeroTime')],

  semget: [pick(0x77777), pick(-1, 100000), pick(0)],
  ipc: [
    pick(1, 2, 3, 4, 11, 12, 13, 14, 23, 24, 77),
    pick(-1, 99999),
    pick(0, 1),
    pick(0x10c, 2),
    structs('sembuf'),
    none,
  ],
  semctl: [pick(-1), pick(0), pick(0x10c, 0x102, 77), out],
  msgget: [pick(0x77777), pick(0)],
  msgsnd: [pick(-1), structs('message', 'badMessage'), pick(1, -1), pick(0x800)],
  msgrcv: [pick(-1, 99999), out, pick(10, -1), none, pick(0x800)],
  msgctl: [pick(-1), pick(0x102, 77), out],
  shmget: [pick(0x77777), pick(0), pick(0)],
  shmctl: [pick(-1), pick(0x102, 77), out],
  mq_getsetattr: [fd, structs('null'), out],
  personality: [pick(-1)],
  mount: [pick(0x30000000), strings('none'), none, pick(0), none],
  umount: [strings('none', 'dir')],
  kill: [pick(9999999), pick(0)],
  break: [],
  ftime: [out],
  close_range: [pick(5000), pick(4000), pick(0, 77)],
  signalfd4: [pick(3), structs('sigset'), pick(4, 8), pick(0, 77)],
  name_to_handle_at: [pick(99), strings('f'), out, out, pick(0, 7)],
  keyctl: [pick(77), none],
  landlock_create_ruleset: [out, pick(0, 3), pick(0, 77)],
};

/** Calls that give a new descriptor on success: it is closed again so that both sides count alike. */
const OPENS = new Set(
  'open openat openat2 creat dup socket signalfd4 memfd_create timerfd_create landlock_create_ruleset'.split(' '),
);

/** Calls whose results in memory differ by nature (inodes, positions): only what they return is compared. */
const VOLATILE = new Set(['getdents', 'getdents64', 'readdir', 'prctl']);

function numberOf(name: string): number {
  const number = i386SyscallNames().indexOf(name);
  if (number < 0) throw new Error(`i386 has no call ${name}`);
  return number;
}

function call(name: string, args: readonly number[]): Step {
  const six = [0, 1, 2, 3, 4, 5].map((i) => args[i] ?? 0);
  const shown = args.map((n) => (n > 9999 || n < -9999 ? `0x${(n >>> 0).toString(16)}` : n)).join(', ');
  return {
    line: `${VOLATILE.has(name) ? 'vcall' : 'call'} ${numberOf(name)} ${six.join(' ')}`,
    what: `${name}(${shown})`,
  };
}

/** The whole list: descriptors 3 to 9 are opened first, then `rounds` times each call with random arguments. */
export function makeSteps(seed: number, rounds: number, only?: string): Step[] {
  const at = (name: string) => stringAt.get(name)!;
  const steps = [
    ...putData(),
    call('open', [at('f'), 0x8002]),
    call('open', [at('dir'), 0x10000]),
    call('pipe2', [WINDOW + BUFFERS, 0x800]),
    call('socket', [1, 0x801, 0]),
    call('epoll_create1', [0]),
    call('open', [at('/usr'), 0x10000]),
  ];
  const r = random(seed);
  const names = Object.keys(CALLS).filter((name) => only === undefined || name === only);
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const step = call(
        name,
        CALLS[name]!.map((pool) => pool(r)),
      );
      steps.push(step);
      // Whatever descriptor came of it stays below 40 on both sides only if it is closed; an error closes nothing.
      if (OPENS.has(name)) steps.push(call('close', [10]));
    }
    // Results of the round must not become arguments of the next.
    steps.push({ line: `zero ${BUFFERS} ${6 * PAGE}`, what: 'clear' }, ...putData());
  }
  return steps;
}

/** Names of the calls that are replayed. */
export const REPLAYED = Object.keys(CALLS);
