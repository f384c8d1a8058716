// How much of a wait's time is left when it goes on after signals that do nothing.

import { type Pointer, read } from 'bun:ffi';
import { EAGAIN, EINPROGRESS, EINTR } from '../src/host/errno.ts';
import { HostBuffer, SYS, sys5, sysInterruptible } from '../src/host/syscall.ts';
import { FUTEX_COMMAND, FUTEX_WAIT } from './futex-commands.ts';

const TIMER_ABSTIME = 1;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const POLLIN = 1;
const POLLOUT = 4;

const NANOSECONDS = 1e9;
const NANOSECONDS_IN_MILLISECOND = 1e6;

/**
 * Whether a host call has a time that counts from its beginning, and that the kernel does not count down where it is given (as
 * select and ppoll do).
 */
function isTimed(call: number, b: number, c: number, d: number): boolean {
  switch (call) {
    case SYS.poll:
      return c > 0;
    case SYS.epoll_wait:
      return d > 0;
    case SYS.futex:
      return d !== 0 && (b & FUTEX_COMMAND) === FUTEX_WAIT;
    case SYS.epoll_pwait2:
    case SYS.semtimedop:
      return d !== 0;
    case SYS.rt_sigtimedwait:
      return c !== 0;
    default:
      return false;
  }
}

/** When a host call that is made now begins, on a clock of its own, in nanoseconds; 0 where that does not matter. */
export function startOfWait(call: number, b: number, c: number, d: number): number {
  return isTimed(call, b, c, d) ? Bun.nanoseconds() : 0;
}

/** A socket call's option with its time, what poll has to wait for in its place, and the error when the time is over. */
function socketWait(call: number): readonly [option: number, event: number, error: number] | undefined {
  switch (call) {
    case SYS.read:
    case SYS.readv:
    case SYS.recvfrom:
    case SYS.recvmsg:
    case SYS.recvmmsg:
    case SYS.accept:
    case SYS.accept4:
      return [SO_RCVTIMEO, POLLIN, EAGAIN];
    case SYS.write:
    case SYS.writev:
    case SYS.sendto:
    case SYS.sendmsg:
    case SYS.sendmmsg:
      return [SO_SNDTIMEO, POLLOUT, EAGAIN];
    case SYS.connect:
      return [SO_SNDTIMEO, POLLOUT, EINPROGRESS];
    default:
      return undefined;
  }
}

/** Nanoseconds of a time at a host address that can be read: seconds, and units of so many nanoseconds. */
function timeAt(address: number, unit: number): number {
  const seconds = Math.min(Number(read.i64(address as Pointer, 0)), MOST_SECONDS);
  return seconds * NANOSECONDS + Number(read.i64(address as Pointer, 8)) * unit;
}

/** Behind the time in the buffer of a wait. */
const OPTION = 16;
const OPTION_LENGTH = 32;
const POLLFD = 40;

/** Longer times count as this one: half a million years. */
const MOST_SECONDS = 2 ** 44;

/** A wait that goes on, as often as signals that do nothing interrupt it. */
export class RestOfWait {
  /** Nanoseconds that the whole wait may last; -1: not known yet. */
  private whole = -1;
  /** A timespec with what is left, and what socket calls need. */
  private readonly buffer = new HostBuffer(64);
  /** Whether nanosleep has said how much is left. */
  private slept = false;

  /** @param started as `startOfWait` gave it */
  constructor(
    private readonly call: number,
    private started: number,
    private readonly pollWord: number,
  ) {}

  /**
   * Makes the host call once more, for what is left of its time.
   * @param result with which it ended before: -EINTR, or below -511 if it had no effect
   */
  again(result: number, a: number, b: number, c: number, d: number, e: number, f: number): number {
    const { call, pollWord } = this;
    const socket = socketWait(call);
    if (socket !== undefined && (result === -EINTR || this.whole >= 0)) {
      const ready = this.waitForSocket(a, ...socket);
      if (ready < 0) return ready;
    } else if (call === SYS.clock_nanosleep) {
      // The kernel says how much is left, as any clock may be the one that counts.
      if (result === -EINTR && !(b & TIMER_ABSTIME)) this.copyTime(d);
      c = this.request(c);
    } else if (isTimed(call, b, c, d)) {
      if (call === SYS.poll) c = this.millisecondsLeft(c);
      else if (call === SYS.epoll_wait) d = this.millisecondsLeft(d);
      else if (call === SYS.rt_sigtimedwait) c = this.timeLeft(c);
      else d = this.timeLeft(d);
    }
    return sysInterruptible(call, a, b, c, d, e, f, pollWord);
  }

  /** Where the time stands that nanosleep is to be given in place of `request`. */
  request(request: number): number {
    return this.slept ? this.buffer.address : request;
  }

  /** Nanoseconds left of the whole time. */
  private left(whole: number): number {
    return Math.max(0, whole - (Bun.nanoseconds() - this.started));
  }

  private millisecondsLeft(whole: number): number {
    return Math.ceil(this.left(whole * NANOSECONDS_IN_MILLISECOND) / NANOSECONDS_IN_MILLISECOND);
  }

  /** Host address of what is left of the time at another one, which the kernel has read. */
  private timeLeft(address: number): number {
    if (this.whole < 0) this.whole = timeAt(address, 1);
    this.storeTime(this.left(this.whole));
    return this.buffer.address;
  }

  private storeTime(nanoseconds: number): void {
    const { view } = this.buffer;
    view.setBigInt64(0, BigInt(Math.floor(nanoseconds / NANOSECONDS)), true);
    view.setBigInt64(8, BigInt(Math.floor(nanoseconds % NANOSECONDS)), true);
  }

  private copyTime(address: number): void {
    const { view } = this.buffer;
    for (const at of [0, 8]) view.setBigInt64(at, read.i64(address as Pointer, at), true);
    this.slept = true;
  }

  /**
   * Waits in place of a socket call that has a time of its own (SO_RCVTIMEO), for what is left since it was first interrupted: 0
   * when the call is to be made now, or what came of it.
   */
  private waitForSocket(fd: number, option: number, event: number, error: number): number {
    const { view, address } = this.buffer;
    if (this.whole < 0) {
      this.started = Bun.nanoseconds();
      view.setInt32(OPTION_LENGTH, 16, true);
      const known = sys5(SYS.getsockopt, fd, SOL_SOCKET, option, address + OPTION, address + OPTION_LENGTH) === 0;
      this.whole = known ? timeAt(address + OPTION, 1000) : 0;
    }
    if (this.whole === 0) return 0;
    const left = this.left(this.whole);
    if (left === 0) return -error;
    this.storeTime(left);
    view.setInt32(POLLFD, fd, true);
    view.setInt32(POLLFD + 4, event, true);
    const ready = sysInterruptible(SYS.ppoll, address + POLLFD, 1, address, 0, 0, 0, this.pollWord);
    return ready === 0 ? -error : Math.min(0, ready);
  }
}
