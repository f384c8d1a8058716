// What becomes of a call that waits when a signal has come after the guest made it and before the host began it.

import { EACCES, EAGAIN, ENOMSG, ERESTARTSYS, ETIMEDOUT } from '../src/host/errno.ts';
import { HostBuffer, SYS, sys2, sys3, sys4, sys5, sys6 } from '../src/host/syscall.ts';
import { ERESTARTNOHAND, ERESTARTNOINTR } from './errno.ts';

const POLLIN = 1;
const POLLOUT = 4;
const F_GETFL = 3;
const F_SETLK = 6;
const F_SETLKW = 7;
const F_OFD_SETLK = 37;
const F_OFD_SETLKW = 38;
const O_NONBLOCK = 0o4000;
const MSG_DONTWAIT = 0x40;
const LOCK_NB = 4;
/** Of messages and semaphores: not to wait (sys/ipc.h). */
export const IPC_NOWAIT = 0o4000;
const WNOHANG = 1;
const WNOWAIT = 0x0100_0000;
const FUTEX_COMMAND = 0x7f;
const FUTEX_WAIT = 0;
const FUTEX_WAIT_BITSET = 9;
const SIGSET_SIZE = 8;

/** A siginfo_t, a pollfd, or a time of nothing, which the kernel may store back. */
let buffer: HostBuffer | undefined;

function zeros(): HostBuffer {
  buffer ??= new HostBuffer(128);
  buffer.u8.fill(0);
  return buffer;
}

/** A look with the result that stands for "nothing yet": the signal has interrupted the wait, and `error` says how. */
function unless(nothing: number, result: number, error: number): number {
  return result === nothing ? -error : result;
}

/** Whether a call on the descriptor would wait for this event. */
function wouldWait(fd: number, event: number, flags = 0): boolean {
  if (flags & MSG_DONTWAIT) return false;
  const mode = sys3(SYS.fcntl, fd, F_GETFL, 0);
  if (mode < 0 || mode & O_NONBLOCK) return false;
  const { view, address } = zeros();
  view.setInt32(0, fd, true);
  view.setInt16(4, event, true);
  return sys3(SYS.poll, address, 1, 0) === 0;
}

/** Whether a call of the wait family would wait for a child. */
function wouldWaitForChild(type: number, id: number, options: number): boolean {
  if (options & WNOHANG) return false;
  const { view, address } = zeros();
  return sys5(SYS.waitid, type, id, address, options | WNOHANG | WNOWAIT, 0) === 0 && view.getInt32(0, true) === 0;
}

/**
 * Decides about a host call that `sysInterruptible` did not begin because of a signal. The kernel looks for what is waited for
 * before it looks for signals, and so does this: a program that tests what its handler sets, and then waits, is not to be left
 * waiting because calls take longer to begin here than in the kernel. Calls that are not listed are made after the handler.
 * @param result -ERESTARTSYS or -ERESTARTNOINTR, as it came
 * @returns what was found without waiting; -ERESTARTNOHAND or -ERESTARTSYS when the wait is interrupted; or `result`
 */
export function decideUnbegun(
  result: number,
  call: number,
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
): number {
  switch (call) {
    case SYS.poll:
      return unless(0, sys3(call, a, b, 0), ERESTARTNOHAND);
    case SYS.ppoll:
      return unless(0, sys5(call, a, b, zeros().address, d, e), ERESTARTNOHAND);
    case SYS.select:
      return unless(0, sys5(call, a, b, c, d, zeros().address), ERESTARTNOHAND);
    case SYS.pselect6:
      return unless(0, sys6(call, a, b, c, d, zeros().address, f), ERESTARTNOHAND);
    case SYS.epoll_wait:
      // Without time epoll is not interrupted.
      return d === 0 ? result : unless(0, sys4(call, a, b, c, 0), ERESTARTNOHAND);
    case SYS.epoll_pwait2:
      return d !== 0 ? result : unless(0, sys6(call, a, b, c, zeros().address, e, f), ERESTARTNOHAND);
    case SYS.pause:
      return -ERESTARTNOHAND;
    case SYS.rt_sigtimedwait:
      return c !== 0 ? result : unless(-EAGAIN, sys4(call, a, b, zeros().address, SIGSET_SIZE), ERESTARTNOHAND);
    case SYS.msgrcv:
      return e & IPC_NOWAIT ? result : unless(-ENOMSG, sys5(call, a, b, c, d, e | IPC_NOWAIT), ERESTARTNOHAND);
    case SYS.msgsnd:
      return d & IPC_NOWAIT ? result : unless(-EAGAIN, sys4(call, a, b, c, d | IPC_NOWAIT), ERESTARTNOHAND);
  }
  if (result !== -ERESTARTNOINTR) return result;
  let waits = false;
  switch (call) {
    case SYS.read:
    case SYS.readv:
    case SYS.accept:
    case SYS.accept4:
      waits = wouldWait(a, POLLIN);
      break;
    case SYS.recvfrom:
      waits = wouldWait(a, POLLIN, d);
      break;
    case SYS.recvmsg:
      waits = wouldWait(a, POLLIN, c);
      break;
    case SYS.write:
    case SYS.writev:
      waits = wouldWait(a, POLLOUT);
      break;
    case SYS.sendto:
      waits = wouldWait(a, POLLOUT, d);
      break;
    case SYS.sendmsg:
      waits = wouldWait(a, POLLOUT, c);
      break;
    case SYS.waitid:
      waits = wouldWaitForChild(a, b, d);
      break;
    case SYS.wait4:
      if (!(c & WNOHANG)) return unless(0, sys4(call, a, b, c | WNOHANG, d), ERESTARTSYS);
      break;
    case SYS.mq_timedsend:
    case SYS.mq_timedreceive:
      // The time is absolute: it has passed.
      if (e === 0) return unless(-ETIMEDOUT, sys5(call, a, b, c, d, zeros().address), ERESTARTSYS);
      break;
    case SYS.flock:
      if (!(b & LOCK_NB)) return unless(-EAGAIN, sys2(call, a, b | LOCK_NB), ERESTARTSYS);
      break;
    case SYS.fcntl:
      if (b === F_SETLKW || b === F_OFD_SETLKW) {
        const found = sys3(call, a, b === F_SETLKW ? F_SETLK : F_OFD_SETLK, c);
        return found === -EAGAIN || found === -EACCES ? -ERESTARTSYS : found;
      }
      break;
    case SYS.futex: {
      const command = b & FUTEX_COMMAND;
      if (command !== FUTEX_WAIT && command !== FUTEX_WAIT_BITSET) break;
      return unless(-ETIMEDOUT, sys6(call, a, b, c, zeros().address, e, f), d === 0 ? ERESTARTSYS : ERESTARTNOHAND);
    }
  }
  return waits ? -ERESTARTSYS : result;
}
