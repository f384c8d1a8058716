// A system call that is begun although a signal waits: where it would wait, an alarm interrupts it, as the signal would have.

import { EAGAIN } from './errno.ts';
import { ALARM_SIGNAL, alarmValue } from './signals.ts';
import { HostBuffer, NOT_BEGUN, SYS, sys0, sys3, sys4, sysInterruptible } from './syscall.ts';

const CLOCK_MONOTONIC = 1;
const SIGEV_THREAD_ID = 4;
/** Of struct sigevent: value, signal, how to notify, thread. */
const EVENT_SIZE = 64;
const TIMER_ID = EVENT_SIZE;
/** Two struct itimerspec: interval and first time in seconds and nanoseconds. The second one stops the timer. */
const START = TIMER_ID + 16;
const STOP = START + 32;

/** Calls that do not wait are done long before. */
const FIRST_NANOSECONDS = 30_000;
/** Until it rings the next time, where the call had not begun yet. */
const AGAIN_NANOSECONDS = 1_000_000;

let buffer: HostBuffer | undefined;
/** A word that nobody sets. */
let zero: HostBuffer | undefined;
/** The thread that the timer rings for; 0: there is none. */
let owner = 0;

/** In the child of a fork, which has no timers. */
export function forgetAlarm(): void {
  owner = 0;
}

/** Makes the timer where this process has none. */
function prepare(): HostBuffer | undefined {
  const thread = sys0(SYS.gettid);
  if (buffer === undefined) {
    buffer = new HostBuffer(STOP + 32);
    const { view } = buffer;
    view.setBigInt64(START + 8, BigInt(AGAIN_NANOSECONDS), true);
    view.setBigInt64(START + 24, BigInt(FIRST_NANOSECONDS), true);
  }
  if (owner !== thread) {
    const { view, address } = buffer;
    view.setBigInt64(0, BigInt(alarmValue()), true);
    view.setInt32(8, ALARM_SIGNAL, true);
    view.setInt32(12, SIGEV_THREAD_ID, true);
    view.setInt32(16, thread, true);
    if (sys3(SYS.timer_create, CLOCK_MONOTONIC, address, address + TIMER_ID) < 0) return undefined;
    owner = thread;
  }
  return buffer;
}

/** Starts the timer: its number, or -errno. */
function start(): number {
  for (let again = true; ; again = false) {
    const ready = prepare();
    if (ready === undefined) return -EAGAIN;
    const timer = ready.view.getInt32(TIMER_ID, true);
    const started = sys4(SYS.timer_settime, timer, 0, ready.address + START, 0);
    if (started === 0) return timer;
    if (!again) return started;
    // The guest can delete any timer by its number.
    owner = 0;
  }
}

/**
 * Makes a system call that a waiting signal has kept from beginning, and returns what it would with that signal in the kernel's
 * queue: its result where it need not wait, else -EINTR, or INTERRUPTED where the kernel would repeat it. Also what has been
 * transferred before it had to wait. NOT_BEGUN: the system has no timer for this.
 */
export function beginInterrupted(
  call: number,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
): number {
  const timer = start();
  if (timer < 0) return NOT_BEGUN;
  zero ??= new HostBuffer(4);
  let result = NOT_BEGUN;
  while (result === NOT_BEGUN) result = sysInterruptible(call, a, b, c, d, e, f, zero.address);
  sys4(SYS.timer_settime, timer, 0, buffer!.address + STOP, 0);
  return result;
}
