// What becomes of a call that waits when a signal has come after the guest made it and before the host began it.

import { beginInterrupted } from '../src/host/alarm.ts';
import { EINTR, ERESTARTSYS, ETIMEDOUT } from '../src/host/errno.ts';
import { HostBuffer, SYS, sys3, sys4, sys5, sys6 } from '../src/host/syscall.ts';
import { FUTEX_COMMAND, FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_WAIT, FUTEX_WAIT_BITSET } from './futex-commands.ts';

const WNOHANG = 1;

/** Whether the kernel repeats the call whatever SA_RESTART says (ERESTARTNOINTR), which can be seen of none that it repeats. */
export function isAlwaysRepeated(call: number, b: number): boolean {
  const command = b & FUTEX_COMMAND;
  return call === SYS.futex && (command === FUTEX_LOCK_PI || command === FUTEX_LOCK_PI2);
}

/** A time of nothing, which the kernel may store back. */
let nothing: HostBuffer | undefined;

function noTime(): number {
  nothing ??= new HostBuffer(16);
  nothing.u8.fill(0);
  return nothing.address;
}

/** A look with the result that stands for "nothing yet": the signal has interrupted the wait, and `error` says how. */
function unless(found: number, result: number, error: number): number {
  return result === found ? -error : result;
}

/**
 * Makes a host call that `sysInterruptible` did not begin because of a signal, which has a handler or ends the process. The kernel
 * looks for what is waited for before it looks for signals, and so does this: a program that tests what its handler sets, and then
 * waits, is not to be left waiting because calls take longer to begin here than in the kernel. Calls by which programs mostly wait
 * are asked to look without waiting; all others begin, and an alarm interrupts them where they wait.
 * @returns what the kernel does: -EINTR when the wait is interrupted, -ERESTARTSYS when the handler's SA_RESTART decides whether
 * it begins anew, or the call's result; -ERESTARTNOINTR: it is to be made after the handler
 */
export function decideUnbegun(call: number, a: number, b: number, c: number, d: number, e: number, f: number): number {
  switch (call) {
    case SYS.poll:
      return unless(0, sys3(call, a, b, 0), EINTR);
    case SYS.ppoll:
      return unless(0, sys5(call, a, b, noTime(), d, e), EINTR);
    case SYS.select:
      return unless(0, sys5(call, a, b, c, d, noTime()), EINTR);
    case SYS.pselect6:
      return unless(0, sys6(call, a, b, c, d, noTime(), f), EINTR);
    case SYS.epoll_wait: {
      const found = sys4(call, a, b, c, 0);
      // Without time epoll is not interrupted.
      return d === 0 ? found : unless(0, found, EINTR);
    }
    case SYS.pause:
      return -EINTR;
    case SYS.wait4:
      return c & WNOHANG ? sys4(call, a, b, c, d) : unless(0, sys4(call, a, b, c | WNOHANG, d), ERESTARTSYS);
    case SYS.futex: {
      const command = b & FUTEX_COMMAND;
      if (d !== 0 || (command !== FUTEX_WAIT && command !== FUTEX_WAIT_BITSET)) break;
      return unless(-ETIMEDOUT, sys6(call, a, b, c, noTime(), e, f), ERESTARTSYS);
    }
  }
  return beginInterrupted(call, a, b, c, d, e, f);
}
