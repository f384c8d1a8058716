// System calls that wait for descriptors: select, poll, epoll, in every width of time and set.

import { EBADF, EFAULT, EINVAL } from '../../src/host/errno.ts';
import { HostBuffer, SYS, sys1, sys3, sys4, sys6 } from '../../src/host/syscall.ts';
import { hiddenDescriptors, isHidden, mayBeHiddenBelow, openProc } from '../host-descriptors.ts';
import type { Process } from '../process.ts';
import { read64 } from '../structs.ts';
import type { Handler, Rows } from './row.ts';
import { type Call, withSignalMask } from './signal-mask.ts';
import { arrayToGuest, copyIn, copyOut, hostArray, hostCopy, toGuest } from './user-data.ts';

const O_CLOEXEC = 0x80000;

type Timespec = 'timespec' | 'timespec64';

/** Where select's arguments stand in the scratch buffer: three sets, then the time. */
const SETS = 64;
const MOST_FDS = 65536;
/** Every set has room for so many (FD_SETSIZE). */
const FEW_FDS = 1024;

/** Places in this process's table of descriptors, used or not. */
function tableSize(): number {
  const status = sys4(SYS.openat, openProc(), Buffer.from('self/status\0'), O_CLOEXEC, 0);
  const { u8, address } = new HostBuffer(4096);
  const length = sys3(SYS.read, status, address, u8.length);
  sys1(SYS.close, status);
  const match = /^FDSize:\s*(\d+)/m.exec(Buffer.from(u8.subarray(0, Math.max(0, length))).toString('latin1'));
  return match ? Number(match[1]) : MOST_FDS;
}

/**
 * select with the time already converted at the start of the scratch buffer. Sets are copied because the host works on
 * words of 64 bits, which may reach beyond a guest's set.
 */
function selectSets(p: Process, number: number, n: number, sets: readonly number[], time: number, call: Call): number {
  if (n < 0) return call(number, n, 0, 0, 0, time, 0);
  // The kernel looks at no more descriptors than its table has places.
  if (n > FEW_FDS) n = Math.min(n, tableSize());
  const word = p.abi.model.longSize;
  const guestBytes = Math.ceil(n / (word * 8)) * word;
  const hostBytes = Math.ceil(n / 64) * 8;
  const scratch = p.scratch(SETS + 3 * hostBytes);
  const hosts = sets.map((pointer, i) => {
    if (pointer === 0) return 0;
    const at = SETS + i * hostBytes;
    scratch.u8.fill(0, at, at + hostBytes);
    if (!copyIn(p, pointer, guestBytes, at)) return -1;
    reorderWords(p, scratch.u8, at, guestBytes);
    return scratch.address + at;
  });
  if (hosts.includes(-1)) return -EFAULT;
  if (mayBeHiddenBelow(n)) {
    for (const fd of hiddenDescriptors()) {
      const inSet = (i: number): boolean => ((scratch.u8[SETS + i * hostBytes + (fd >> 3)]! >> (fd & 7)) & 1) === 1;
      if (fd < n && [0, 1, 2].some((i) => sets[i] !== 0 && inSet(i))) return -EBADF;
    }
  }
  const result = call(number, n, hosts[0]!, hosts[1]!, hosts[2]!, time, 0);
  // Nothing found by a look is no result.
  if (result < 0 || (result === 0 && call === sys6)) return result;
  for (let i = 0; i < 3; i++) {
    const at = SETS + i * hostBytes;
    reorderWords(p, scratch.u8, at, guestBytes);
    if (sets[i] !== 0 && !copyOut(p, at, guestBytes, sets[i]!)) return -EFAULT;
  }
  return result;
}

/** Big-endian sets number bits within words of `long`: their bytes go the other way round. */
function reorderWords(p: Process, bytes: Uint8Array, at: number, length: number): void {
  if (p.little) return;
  const word = p.abi.model.longSize;
  for (let i = at; i < at + length; i += word) bytes.subarray(i, i + word).reverse();
}

/** Runs a wait with a relative time that the kernel counts down in place; stores what is left. */
function countingDown(p: Process, name: Timespec | 'timeval', pointer: number, wait: (time: number) => number): number {
  const time = hostCopy(p, name, pointer);
  const result = wait(time);
  // The kernel ignores it when the rest cannot be stored.
  if (pointer !== 0 && time === p.scratch(0).address) toGuest(p, name, 0, pointer);
  return result;
}

/** The kernel looks at the time before the signal mask: 0, or -errno for a time that cannot be read or is none. */
function checkTime(p: Process, name: Timespec, pointer: number): number {
  if (pointer === 0) return 0;
  const time = hostCopy(p, name, pointer);
  const { view, address } = p.scratch(0);
  if (time !== address) return -EFAULT;
  const nanoseconds = read64(view, 8, true, true);
  return read64(view, 0, true, true) < 0 || nanoseconds < 0 || nanoseconds >= 1e9 ? -EINVAL : 0;
}

/** Whether the time that `checkTime` has read is none. */
function isNoTime(p: Process): boolean {
  const { view } = p.scratch(0);
  return read64(view, 0, true, true) === 0 && read64(view, 8, true, true) === 0;
}

let zeroTime: HostBuffer | undefined;

/** Host address of a time of nothing, which the kernel may store back. */
function noTime(): number {
  return (zeroTime ??= new HostBuffer(16)).address;
}

function select(p: Process, n: number, read: number, write: number, except: number, timeout: number): number {
  return countingDown(p, 'timeval', timeout, (time) =>
    selectSets(p, SYS.select, n, [read, write, except], time, (...args) => p.wait(...args)),
  );
}

/** select of i386 and others of its age: the arguments stand in memory. */
function oldSelect(p: Process, pointer: number): number {
  const word = p.abi.model.longSize;
  const args: number[] = [];
  for (let i = 0; i < 5; i++) {
    const value = p.readWord((pointer >>> 0) + i * word);
    if (value === undefined) return -EFAULT;
    args.push(value | 0);
  }
  return select(p, args[0]!, args[1]!, args[2]!, args[3]!, args[4]!);
}

/** pselect6: the last argument leads to a pointer to a signal set and its size. */
function pselect6(name: Timespec): Handler {
  return (p, n, read, write, except, timeout, sig) => {
    let mask = 0;
    let size = 0;
    if (sig !== 0) {
      const pointer = p.readWord(sig);
      const length = p.readWord((sig >>> 0) + p.abi.model.longSize);
      if (pointer === undefined || length === undefined) return -EFAULT;
      mask = pointer;
      size = length;
    }
    const bad = checkTime(p, name, timeout);
    if (bad < 0) return bad;
    return withSignalMask(p, mask, size, (call, look) =>
      countingDown(p, name, timeout, (time) =>
        selectSets(p, SYS.pselect6, n, [read, write, except], look ? noTime() : time, call),
      ),
    );
  };
}

const POLLFD_SIZE = 8;
/** A number that is never open. */
const NEVER_OPEN = 0x7fffffff;

/** Whether one of the descriptors is ours; to the guest it is not open. */
function namesHidden(p: Process, fds: number, count: number): boolean {
  if (!mayBeHiddenBelow(MOST_FDS) || count > MOST_FDS || !p.memory.checkRead(fds, count * POLLFD_SIZE)) return false;
  for (let i = 0; i < count; i++) if (isHidden(p.view.getInt32((fds >>> 0) + i * POLLFD_SIZE, p.little))) return true;
  return false;
}

/** Runs a wait for `count` struct pollfd. The host refuses more than the limit of open files before it looks at them. */
function pollFds(p: Process, fds: number, count: number, wait: (address: number) => number): number {
  count >>>= 0;
  const hidden = namesHidden(p, fds, count);
  if ((p.little && !hidden) || count > MOST_FDS) return wait(p.out(fds, count * POLLFD_SIZE));
  const array = hostArray(p, 'pollfd', fds, count, SETS);
  const { view } = p.scratch(0);
  const numbers: number[] = [];
  for (let i = 0; hidden && i < count; i++) {
    const fd = view.getInt32(SETS + i * POLLFD_SIZE, true);
    numbers.push(fd);
    if (isHidden(fd)) view.setInt32(SETS + i * POLLFD_SIZE, NEVER_OPEN, true);
  }
  const result = wait(array);
  if (result < 0) return result;
  for (const [i, fd] of numbers.entries()) p.scratch(0).view.setInt32(SETS + i * POLLFD_SIZE, fd, true);
  return arrayToGuest(p, 'pollfd', SETS, fds, count) < 0 ? -EFAULT : result;
}

function poll(p: Process, fds: number, count: number, timeout: number): number {
  return pollFds(p, fds, count, (address) => p.wait(SYS.poll, address, count >>> 0, timeout, 0, 0, 0));
}

function ppoll(name: Timespec): Handler {
  return (p, fds, count, timeout, mask, size) => {
    const bad = checkTime(p, name, timeout);
    if (bad < 0) return bad;
    return withSignalMask(p, mask, size, (call, look) =>
      countingDown(p, name, timeout, (time) =>
        pollFds(p, fds, count, (address) => call(SYS.ppoll, address, count >>> 0, look ? noTime() : time, 0, 0, 0)),
      ),
    );
  };
}

/** Runs a wait for events, at most `count`; `wait` is told where they go and how many there may be. */
function epollEvents(p: Process, events: number, count: number, wait: (address: number, count: number) => number) {
  const host = p.hostStructs.layout('epoll_event');
  if (p.structs.sizeOf('epoll_event') === host.size && p.little) {
    return wait(p.out(events, Math.max(0, count) * host.size), count);
  }
  // Where nothing can be stored the host is told so: it keeps the events then.
  if (count > 0 && !p.memory.prepareWrite(events >>> 0, p.structs.sizeOf('epoll_event'))) {
    return wait(p.out(events, count * host.size), count);
  }
  const room = Math.max(0, Math.min(count, 1024));
  const { address } = p.scratch(SETS + room * host.size);
  const result = wait(address + SETS, count > 0 ? room : count);
  return result > 0 && arrayToGuest(p, 'epoll_event', SETS, events, result) < 0 ? -EFAULT : result;
}

function epollWait(p: Process, epfd: number, events: number, count: number, timeout: number): number {
  return epollEvents(p, events, count, (address, room) => p.wait(SYS.epoll_wait, epfd, address, room, timeout, 0, 0));
}

/** Without time epoll is not interrupted. */

function epollPwait(p: Process, epfd: number, events: number, n: number, timeout: number, mask: number, size: number) {
  const wait = (call: Call, look: boolean) =>
    epollEvents(p, events, n, (address, room) => call(SYS.epoll_wait, epfd, address, room, look ? 0 : timeout, 0, 0));
  return withSignalMask(p, mask, size, wait, timeout !== 0);
}

function epollPwait2(p: Process, epfd: number, events: number, n: number, time: number, mask: number, size: number) {
  const bad = checkTime(p, 'timespec64', time);
  if (bad < 0) return bad;
  const some = time === 0 || !isNoTime(p);
  const wait = (call: Call, look: boolean) =>
    epollEvents(p, events, n, (address, room) =>
      call(SYS.epoll_pwait2, epfd, address, room, look ? noTime() : hostCopy(p, 'timespec64', time), 0, 0),
    );
  return withSignalMask(p, mask, size, wait, some);
}

export const POLL_ROWS = {
  select: {
    args: 'int nfds, inout fd_set readfds, inout fd_set writefds, inout fd_set exceptfds, inout timeval timeout',
    run: select,
    blocks: true,
  },
  old_select: { args: 'addr args', run: oldSelect, blocks: true },
  pselect6: {
    args:
      'int nfds, inout fd_set readfds, inout fd_set writefds, inout fd_set exceptfds, inout timespec timeout, ' +
      'in sigset_and_size sigmask',
    run: pselect6('timespec'),
    blocks: true,
  },
  pselect6_time64: {
    args:
      'int nfds, inout fd_set readfds, inout fd_set writefds, inout fd_set exceptfds, inout timespec64 timeout, ' +
      'in sigset_and_size sigmask',
    run: pselect6('timespec64'),
    blocks: true,
  },
  poll: { args: 'inout pollfd[nfds] fds, uint nfds, int timeout', run: poll, blocks: true },
  ppoll: {
    args: 'inout pollfd[nfds] fds, uint nfds, inout timespec tmo_p, in sigset sigmask, size sigsetsize',
    run: ppoll('timespec'),
    blocks: true,
  },
  ppoll_time64: {
    args: 'inout pollfd[nfds] fds, uint nfds, inout timespec64 tmo_p, in sigset sigmask, size sigsetsize',
    run: ppoll('timespec64'),
    blocks: true,
  },
  epoll_create: { args: 'int size', run: 'epoll_create' },
  epoll_create1: { args: 'flags:openflag flags', run: 'epoll_create1' },
  epoll_ctl: { args: 'fd epfd, enum:epoll_op op, fd fd, in epoll_event event', run: 'epoll_ctl' },
  epoll_wait: {
    args: 'fd epfd, out epoll_event[maxevents:result] events, int maxevents, int timeout',
    run: epollWait,
    blocks: true,
  },
  epoll_pwait: {
    args: 'fd epfd, out epoll_event[maxevents:result] events, int maxevents, int timeout, in sigset sigmask, size sigsetsize',
    run: epollPwait,
    blocks: true,
  },
  epoll_pwait2: {
    args:
      'fd epfd, out epoll_event[maxevents:result] events, int maxevents, in timespec64 timeout, in sigset sigmask, ' +
      'size sigsetsize',
    run: epollPwait2,
    blocks: true,
  },
} satisfies Rows;
