// System calls that end, await and schedule processes and threads, and futexes.

import { EFAULT, EINTR, EINVAL, ERESTARTSYS } from '../../src/host/errno.ts';
import { SYS, sys2, sys3, sys4 } from '../../src/host/syscall.ts';
import { FUTEX_COMMAND } from '../futex-commands.ts';
import type { Process } from '../process.ts';
import { releaseRobustList } from '../robust-list.ts';
import { read64, write64 } from '../structs.ts';
import type { Handler, Rows } from './row.ts';
import { copyIn, copyOut, hostCopy, toGuest } from './user-data.ts';

function exitGroup(p: Process, status: number): number {
  releaseRobustList(p);
  return p.exitGroup(status);
}

/** Host's struct rusage behind the status word in the scratch buffer. */
const STATUS = 0;
const RUSAGE = 16;

function wait4(p: Process, pid: number, status: number, options: number, rusage: number): number {
  const { view, address } = p.scratch(256);
  const usage = rusage === 0 ? 0 : address + RUSAGE;
  const result = p.wait(SYS.wait4, pid, address + STATUS, options, usage, 0, 0);
  if (result <= 0) return result;
  if (status !== 0 && !p.writeU32(status, view.getInt32(STATUS, true))) return -EFAULT;
  return rusage === 0 || toGuest(p, 'rusage', RUSAGE, rusage) === 0 ? result : -EFAULT;
}

/** Offsets of what waitid fills in struct siginfo: signal, errno, code, then pid, uid, status from `fields` on. */
const SIGINFO_SIZE = 128;
const HOST_SIGINFO_FIELDS = 16;

function waitid(p: Process, type: number, id: number, info: number, options: number, rusage: number): number {
  const { view, address } = p.scratch(SIGINFO_SIZE + 160);
  p.scratch(0).u8.fill(0, 0, SIGINFO_SIZE);
  const usage = rusage === 0 ? 0 : address + SIGINFO_SIZE;
  const result = p.wait(SYS.waitid, type, id, address, options, usage, 0);
  if (result <= -ERESTARTSYS) return result;
  const found = view.getInt32(0, true) !== 0;
  if (found && rusage !== 0 && toGuest(p, 'rusage', SIGINFO_SIZE, rusage) < 0) return -EFAULT;
  // Stored whatever came of it: zeros when there was nothing to report, or a mistake.
  if (info === 0) return result;
  const fields = p.abi.model.longSize === 8 ? HOST_SIGINFO_FIELDS : 12;
  if (!p.memory.prepareWrite(info, fields + 12)) return -EFAULT;
  info >>>= 0;
  for (let i = 0; i < 3; i++) {
    p.view.setInt32(info + i * 4, view.getInt32(i * 4, true), p.little);
    p.view.setInt32(info + fields + i * 4, view.getInt32(HOST_SIGINFO_FIELDS + i * 4, true), p.little);
  }
  return result;
}

function setRobustList(p: Process, head: number, size: number): number {
  // The list's head is three longs: next, offset of the futex word, the operation under way.
  if (size >>> 0 !== 3 * p.abi.model.longSize) return -EINVAL;
  p.robustList = head >>> 0;
  p.robustListSize = size;
  return 0;
}

function getRobustList(p: Process, pid: number, head: number, size: number): number {
  if (pid !== 0 && pid !== process.pid) return sys3(SYS.get_robust_list, pid, p.out(head, 8), p.out(size, 8));
  const { view } = p.scratch(16);
  write64(view, 0, p.robustList, true);
  write64(view, 8, p.robustListSize || 3 * p.abi.model.longSize, true);
  return toGuest(p, 'ulong', 8, size) < 0 || toGuest(p, 'ulong', 0, head) < 0 ? -EFAULT : 0;
}

/** Commands whose fourth argument is a time. */
const FUTEX_TIMED = new Set([0, 6, 9, 11, 13]);
/** Commands that only read the word. */
const FUTEX_READS = new Set([0, 1, 3, 4, 9, 10]);

/** Commands whose value is compared with the word. */
const FUTEX_COMPARES = new Set([0, 9, 11]);
const FUTEX_CMP_REQUEUE = 4;

function swapWord(value: number): number {
  return ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}

function futex(name: 'timespec' | 'timespec64'): Handler {
  return (p, address, op, value, timeout, address2, value3) => {
    const command = op & FUTEX_COMMAND;
    const word = FUTEX_READS.has(command) ? p.in(address) : p.out(address, 4);
    const timed = FUTEX_TIMED.has(command);
    const time = timed ? (timeout === 0 ? 0 : hostCopy(p, name, timeout)) : timeout >>> 0;
    if (!p.little) {
      // What is compared with the word stands in the order of the guest's memory.
      if (FUTEX_COMPARES.has(command)) value = swapWord(value);
      if (command === FUTEX_CMP_REQUEUE) value3 = swapWord(value3);
    }
    return p.wait(SYS.futex, word, op, value, time, address2 === 0 ? 0 : p.out(address2, 4), value3);
  };
}

const WAITV_SIZE = 24;
const FUTEX_WAITV_MAX = 128;

/** futex_waitv: the words' addresses stand in the structures. */
function futexWaitv(p: Process, waiters: number, count: number, flags: number, timeout: number, clock: number): number {
  count >>>= 0;
  if (count === 0 || count > FUTEX_WAITV_MAX) return p.wait(SYS.futex_waitv, p.in(waiters), count, flags, 0, clock, 0);
  if (!copyIn(p, waiters, count * WAITV_SIZE, 0)) return -EFAULT;
  const { view, address } = p.scratch(0);
  for (let i = 0; i < count; i++) {
    const at = i * WAITV_SIZE + 8;
    const low = p.view.getUint32((waiters >>> 0) + at + (p.little ? 0 : 4), p.little);
    write64(view, at, p.in(low), true);
  }
  const time = timeout === 0 ? 0 : hostCopy(p, 'timespec64', timeout, count * WAITV_SIZE);
  return p.wait(SYS.futex_waitv, address, count, flags, time, clock, 0);
}

/** CPU masks are sets of longs; the host wants whole words of 64 bits. */
function getAffinity(p: Process, pid: number, size: number, mask: number): number {
  size >>>= 0;
  if (size % p.abi.model.longSize !== 0) return -EINVAL;
  const room = Math.min(1024, Math.ceil(size / 8) * 8);
  const result = sys3(SYS.sched_getaffinity, pid, room, p.scratch(room).address);
  if (result < 0) return result;
  const length = Math.min(result, size);
  return copyOut(p, 0, length, mask) ? length : -EFAULT;
}

function setAffinity(p: Process, pid: number, size: number, mask: number): number {
  const length = Math.min(size >>> 0, 1024);
  const room = Math.ceil(length / 8) * 8;
  p.scratch(room).u8.fill(0, 0, room);
  if (!copyIn(p, mask, length, 0)) return -EFAULT;
  return sys3(SYS.sched_setaffinity, pid, room, p.scratch(0).address);
}

/** sched_setattr and sched_getattr: the structure says its own size. */
function setAttributes(p: Process, pid: number, attr: number, flags: number): number {
  const size = p.readU32(attr) ?? 0;
  // The kernel may store the size it knows.
  return sys3(SYS.sched_setattr, pid, p.out(attr, Math.max(4, p.room(attr, Math.min(size, 4096)))), flags);
}

function pidfdSendSignal(p: Process, fd: number, signal: number, info: number, flags: number): number {
  if (info === 0) return sys4(SYS.pidfd_send_signal, fd, signal, 0, flags);
  if (!copyIn(p, info, SIGINFO_SIZE, 0)) return -EFAULT;
  return sys4(SYS.pidfd_send_signal, fd, signal, p.scratch(0).address, flags);
}

export const PROCESS_ROWS = {
  exit: { args: 'int status', run: exitGroup, result: 'none', blocks: true },
  exit_group: { args: 'int status', run: exitGroup, result: 'none', blocks: true },
  /** Waits that are to go on do so by themselves here: nothing is ever left for this call. */
  restart_syscall: { args: '', run: () => -EINTR },
  waitpid: {
    args: 'pid pid, out int wstatus, flags:wait options',
    run: (p, pid, status, options) => wait4(p, pid, status, options, 0),
    blocks: true,
  },
  wait4: { args: 'pid pid, out int wstatus, flags:wait options, out rusage rusage', run: wait4, blocks: true },
  waitid: {
    args: 'enum:idtype idtype, int id, out siginfo infop, flags:wait options, out rusage rusage',
    run: waitid,
    blocks: true,
  },
  set_tid_address: {
    args: 'addr tidptr',
    run: (p, pointer) => {
      p.clearTid = pointer >>> 0;
      return sys2(SYS.gettid, 0, 0);
    },
  },
  set_robust_list: { args: 'addr head, size len', run: setRobustList },
  get_robust_list: { args: 'pid pid, out ulong head_ptr, out ulong len_ptr', run: getRobustList },
  futex: {
    args: 'addr uaddr, futex op, int val, in timespec timeout, addr uaddr2, int val3',
    run: futex('timespec'),
    blocks: true,
  },
  futex_time64: {
    args: 'addr uaddr, futex op, int val, in timespec64 timeout, addr uaddr2, int val3',
    run: futex('timespec64'),
    blocks: true,
  },
  futex_waitv: {
    args: 'in futex_waitv[nr_futexes] waiters, uint nr_futexes, uint flags, in timespec64 timeout, enum:clock clockid',
    run: futexWaitv,
    blocks: true,
  },
  futex_wake: {
    args: 'addr uaddr, hex mask, int nr, uint flags',
    run: (p, address, mask, count, flags) => sys4(SYS.futex_wake, p.in(address), mask >>> 0, count, flags),
  },
  futex_wait: {
    args: 'addr uaddr, ulong val, hex mask, uint flags, in timespec64 timeout, enum:clock clockid',
    run: (p, address, value, mask, flags, timeout, clock) => {
      const time = timeout === 0 ? 0 : hostCopy(p, 'timespec64', timeout);
      return p.wait(SYS.futex_wait, p.in(address), value >>> 0, mask >>> 0, flags, time, clock);
    },
    blocks: true,
  },
  futex_requeue: {
    args: 'in futex_waitv[2] waiters, uint flags, int nr_wake, int nr_requeue',
    run: (p, waiters, flags, wake, requeue) => {
      if (!copyIn(p, waiters, 2 * WAITV_SIZE, 0)) return -EFAULT;
      const { view, address } = p.scratch(0);
      for (const at of [8, 8 + WAITV_SIZE]) write64(view, at, p.in(read64(view, at, false, p.little)), true);
      return sys4(SYS.futex_requeue, address, flags, wake, requeue);
    },
  },

  sched_yield: { args: '', run: 'sched_yield' },
  sched_setparam: { args: 'pid pid, in sched_param param', run: 'sched_setparam' },
  sched_getparam: { args: 'pid pid, out sched_param param', run: 'sched_getparam' },
  sched_setscheduler: {
    args: 'pid pid, enum:sched policy, in sched_param param',
    run: 'sched_setscheduler',
  },
  sched_getscheduler: { args: 'pid pid', run: 'sched_getscheduler' },
  sched_get_priority_max: { args: 'enum:sched policy', run: 'sched_get_priority_max' },
  sched_get_priority_min: { args: 'enum:sched policy', run: 'sched_get_priority_min' },
  sched_rr_get_interval: { args: 'pid pid, out timespec tp', run: 'sched_rr_get_interval' },
  sched_rr_get_interval_time64: { args: 'pid pid, out timespec64 tp', run: 'sched_rr_get_interval' },
  sched_getaffinity: { args: 'pid pid, size len, out bytes[len:result] mask', run: getAffinity },
  sched_setaffinity: { args: 'pid pid, size len, in bytes[len] mask', run: setAffinity },
  sched_setattr: { args: 'pid pid, in sched_attr attr, uint flags', run: setAttributes },
  sched_getattr: {
    args: 'pid pid, out sched_attr attr, uint size, uint flags',
    run: (p, pid, attr, size, flags) =>
      sys4(SYS.sched_getattr, pid, p.out(attr, p.room(attr, Math.min(size >>> 0, 4096))), size >>> 0, flags),
  },
  kcmp: { args: 'pid pid1, pid pid2, int type, ulong idx1, ulong idx2', run: 'kcmp' },
  pidfd_send_signal: { args: 'fd pidfd, signal sig, in siginfo info, uint flags', run: pidfdSendSignal },
} satisfies Rows;
