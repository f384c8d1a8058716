// System calls about time: clocks, sleeping, interval timers, POSIX timers, timer descriptors.

import { EFAULT, EINTR } from '../../src/host/errno.ts';
import { SYS, sys1, sys2, sys3 } from '../../src/host/syscall.ts';
import type { Process } from '../process.ts';
import type { Rows } from './row.ts';
import { keepFromEngine } from './signal.ts';
import { hostCopy, toGuest } from './user-data.ts';

const TIMER_ABSTIME = 1;
const CLOCK_MONOTONIC = 1;

type Timespec = 'timespec' | 'timespec64';

function time(p: Process, pointer: number): number {
  const now = sys1(SYS.time, 0);
  if (pointer !== 0 && !storeLong(p, pointer, now)) return -EFAULT;
  return now;
}

function storeLong(p: Process, pointer: number, value: number): boolean {
  const { view } = p.scratch(8);
  view.setInt32(0, value | 0, true);
  view.setInt32(4, Math.floor(value / 2 ** 32), true);
  return toGuest(p, 'long', 0, pointer) === 0;
}

/** stime(2): settimeofday with whole seconds. */
function stime(p: Process, pointer: number): number {
  const address = hostCopy(p, 'long', pointer);
  p.scratch(16).view.setBigInt64(8, 0n, true);
  return sys2(SYS.settimeofday, address, 0);
}

/** Sleeps as the host call does; the remaining time is only written when a signal cut the sleep short. */
function sleep(p: Process, name: Timespec, clock: number, flags: number, request: number, remain: number): number {
  const converted = hostCopy(p, name, request);
  const { address } = p.scratch(32);
  const result = p.wait(SYS.clock_nanosleep, clock, flags, converted, address + 16, 0, 0);
  const cutShort = result === -EINTR && !(flags & TIMER_ABSTIME);
  if (cutShort && remain !== 0 && toGuest(p, name, 16, remain) < 0) return -EFAULT;
  return result;
}

function clockNanosleep(name: Timespec) {
  return (p: Process, clock: number, flags: number, request: number, remain: number): number =>
    sleep(p, name, clock, flags, request, remain);
}

/** timer_create(2): the structure that says how to notify has the guest's layout. */
function timerCreate(p: Process, clock: number, event: number, timer: number): number {
  keepFromEngine(p);
  const result = sys3(SYS.timer_create, clock, hostCopy(p, 'sigevent', event), p.out(timer, 4));
  if (result === 0) p.timers.add(p.readU32(timer)!);
  return result;
}

function timerGetOverrun(p: Process, timer: number): number {
  const overrun = sys1(SYS.timer_getoverrun, timer);
  return overrun < 0 ? overrun : (p.signals?.overruns.get(timer) ?? overrun);
}

function timerDelete(p: Process, timer: number): number {
  p.signals?.overruns.delete(timer);
  return sys1(SYS.timer_delete, timer);
}

export const TIME_ROWS = {
  time: { args: 'out long tloc', run: time },
  stime: { args: 'in long t', run: stime },
  gettimeofday: { args: 'out timeval tv, out timezone tz', run: 'gettimeofday' },
  settimeofday: { args: 'in timeval tv, in timezone tz', run: 'settimeofday' },
  clock_gettime: { args: 'enum:clock clk_id, out timespec tp', run: 'clock_gettime' },
  clock_gettime64: { args: 'enum:clock clk_id, out timespec64 tp', run: 'clock_gettime' },
  clock_settime: { args: 'enum:clock clk_id, in timespec tp', run: 'clock_settime' },
  clock_settime64: { args: 'enum:clock clk_id, in timespec64 tp', run: 'clock_settime' },
  clock_getres: { args: 'enum:clock clk_id, out timespec res', run: 'clock_getres' },
  clock_getres_time64: { args: 'enum:clock clk_id, out timespec64 res', run: 'clock_getres' },
  nanosleep: {
    args: 'in timespec req, addr rem',
    run: (p, request, remain) => sleep(p, 'timespec', CLOCK_MONOTONIC, 0, request, remain),
    blocks: true,
  },
  clock_nanosleep: {
    args: 'enum:clock clk_id, flags:timer flags, in timespec req, addr rem',
    run: clockNanosleep('timespec'),
    blocks: true,
  },
  clock_nanosleep_time64: {
    args: 'enum:clock clk_id, flags:timer flags, in timespec64 req, addr rem',
    run: clockNanosleep('timespec64'),
    blocks: true,
  },
  adjtimex: { args: 'inout timex buf', run: 'adjtimex' },
  clock_adjtime: { args: 'enum:clock clk_id, inout timex buf', run: 'clock_adjtime' },
  clock_adjtime64: { args: 'enum:clock clk_id, inout timex64 buf', run: clockAdjtime64 },
  times: { args: 'out tms buf', run: 'times' },

  alarm: { args: 'uint seconds', run: 'alarm' },
  getitimer: { args: 'enum:itimer which, out itimerval curr_value', run: 'getitimer' },
  setitimer: {
    args: 'enum:itimer which, in itimerval new_value, out itimerval old_value',
    run: 'setitimer',
  },
  timer_create: { args: 'enum:clock clockid, in sigevent sevp, out int timerid', run: timerCreate },
  timer_settime: {
    args: 'int timerid, flags:timer flags, in itimerspec new_value, out itimerspec old_value',
    run: 'timer_settime',
  },
  timer_settime64: {
    args: 'int timerid, flags:timer flags, in itimerspec64 new_value, out itimerspec64 old_value',
    run: 'timer_settime',
  },
  timer_gettime: { args: 'int timerid, out itimerspec curr_value', run: 'timer_gettime' },
  timer_gettime64: { args: 'int timerid, out itimerspec64 curr_value', run: 'timer_gettime' },
  timer_getoverrun: { args: 'int timerid', run: timerGetOverrun },
  timer_delete: { args: 'int timerid', run: timerDelete },

  timerfd_create: { args: 'enum:clock clockid, flags:timerfd flags', run: 'timerfd_create' },
  timerfd_settime: {
    args: 'fd fd, flags:timer flags, in itimerspec new_value, out itimerspec old_value',
    run: 'timerfd_settime',
  },
  timerfd_settime64: {
    args: 'fd fd, flags:timer flags, in itimerspec64 new_value, out itimerspec64 old_value',
    run: 'timerfd_settime',
  },
  timerfd_gettime: { args: 'fd fd, out itimerspec curr_value', run: 'timerfd_gettime' },
  timerfd_gettime64: { args: 'fd fd, out itimerspec64 curr_value', run: 'timerfd_gettime' },
} satisfies Rows;

/** The 64-bit structure is the host's own with other names for two members: same bytes, so the host works on them. */
function clockAdjtime64(p: Process, clock: number, pointer: number): number {
  const size = p.structs.sizeOf('timex64');
  return sys2(SYS.clock_adjtime, clock, p.out(pointer, size));
}
