// System calls about signals: actions, masks, sending, waiting, alternate stack, returning from handlers.

import { EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM } from '../../src/host/errno.ts';
import { keepSignals } from '../../src/host/signals.ts';
import { SYS, sys0, sys2, sys3, sys4 } from '../../src/host/syscall.ts';
import { NO_RESULT } from '../errno.ts';
import { openProc } from '../host-descriptors.ts';
import type { Process } from '../process.ts';
import {
  hostInfoFrom32,
  type InfoMemory,
  readHostInfo,
  SI_TKILL,
  SI_USER,
  SIGCONT,
  SIGINFO_SIZE,
  SIGKILL,
  SIGSTOP,
  type SigInfo,
  writeInfo32,
} from '../siginfo.ts';
import {
  MINSIGSTKSZ,
  NSIG,
  SA_NOCLDSTOP,
  SA_NOCLDWAIT,
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESETHAND,
  SA_RESTART,
  SA_RESTORER,
  SA_SIGINFO,
  SIG_IGN,
  type Signals,
  SS_AUTODISARM,
  SS_DISABLE,
  SS_ONSTACK,
  UNBLOCKABLE,
} from '../signals.ts';
import { readField } from '../structs.ts';
import { getLimit, RLIMIT_SIGPENDING } from './limits.ts';
import type { Handler, Rows } from './row.ts';

const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
const SIG_SETMASK = 2;
const SIGSET_SIZE = 8;
/** Real-time signals below this one are the C libraries' own. */
const FIRST_FREE_REAL_TIME = 34;

/** SA_EXPOSE_TAGBITS is kept though it means nothing here; bits unknown to Linux read back as 0. */
const KNOWN_FLAGS =
  SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | 0x800 | SA_RESTORER | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND;

function signalsOf(p: Process): Signals {
  return p.signals as Signals;
}

/** For what depends on the order or the number of signals: only the guest takes them from now on. */
export function keepFromEngine(p: Process): void {
  const { signals } = p;
  if (signals !== null) keepSignals(openProc, (call) => signals.withAllBlocked(call));
}

/** A signal set as halves: words of `long` in memory, low signals first. */
function readSet(p: Process, address: number): [low: number, high: number] | undefined {
  if (!p.memory.checkRead(address, SIGSET_SIZE)) return undefined;
  const at = address >>> 0;
  const swap = !p.little && p.abi.model.longSize === 8;
  return [p.view.getInt32(swap ? at + 4 : at, p.little), p.view.getInt32(swap ? at : at + 4, p.little)];
}

function writeSet(p: Process, address: number, low: number, high: number): boolean {
  if (!p.memory.prepareWrite(address, SIGSET_SIZE)) return false;
  const at = address >>> 0;
  const swap = !p.little && p.abi.model.longSize === 8;
  p.view.setInt32(swap ? at + 4 : at, low, p.little);
  p.view.setInt32(swap ? at : at + 4, high, p.little);
  return true;
}

/** Guest memory by words in the guest's byte order. */
function wordsOf(p: Process): InfoMemory {
  return p.little ? p.memory : { write32: (at, value) => p.view.setInt32(at, value, false) };
}

/** Offsets of the members of an action structure on this ABI. */
function memberOffsets(p: Process, structure: 'sigaction' | 'old_sigaction'): Record<string, number> {
  return Object.fromEntries(p.structs.layout(structure).fields.map((field) => [field.name, field.offset]));
}

/** rt_sigaction, and sigaction with its 32-bit mask. */
function changeAction(structure: 'sigaction' | 'old_sigaction'): Handler {
  return (p, signal, actAddress, oldAddress, size) => {
    if (structure === 'sigaction' && size !== SIGSET_SIZE) return -EINVAL;
    const layout = p.structs.layout(structure);
    const at = memberOffsets(p, structure);
    const { view, little, memory } = p;
    const signals = signalsOf(p);
    let act: { handler: number; flags: number; restorer: number; maskLow: number; maskHigh: number } | undefined;
    if (actAddress !== 0) {
      if (!memory.checkRead(actAddress, layout.size)) return -EFAULT;
      const from = actAddress >>> 0;
      const mask =
        structure === 'sigaction'
          ? readSet(p, from + at['sa_mask']!)!
          : [view.getInt32(from + at['sa_mask']!, little), 0];
      act = {
        handler: view.getUint32(from + at['sa_handler']!, little),
        flags: view.getInt32(from + at['sa_flags']!, little) & KNOWN_FLAGS,
        restorer: at['sa_restorer'] === undefined ? 0 : view.getUint32(from + at['sa_restorer'], little),
        maskLow: mask[0]! & ~UNBLOCKABLE,
        maskHigh: mask[1]!,
      };
    }
    if (signal < 1 || signal > NSIG || (act && (signal === SIGKILL || signal === SIGSTOP))) return -EINVAL;
    const old = signals.action(signal);
    if (act && act.handler > SIG_IGN && signal >= FIRST_FREE_REAL_TIME) keepFromEngine(p);
    if (act) signals.setAction(signal, act);
    if (oldAddress === 0) return 0;
    if (!memory.prepareWrite(oldAddress, layout.size)) return -EFAULT;
    const to = oldAddress >>> 0;
    view.setUint32(to + at['sa_handler']!, old.handler, little);
    view.setInt32(to + at['sa_flags']!, old.flags, little);
    if (at['sa_restorer'] !== undefined) view.setUint32(to + at['sa_restorer'], old.restorer, little);
    if (structure === 'sigaction') writeSet(p, to + at['sa_mask']!, old.maskLow, old.maskHigh);
    else view.setInt32(to + at['sa_mask']!, old.maskLow, little);
    return 0;
  };
}

/** signal(2) of System V: the handler is used once and does not block its signal. */
function signalCall(p: Process, signal: number, handler: number): number {
  if (signal < 1 || signal > NSIG || signal === SIGKILL || signal === SIGSTOP) return -EINVAL;
  const signals = signalsOf(p);
  const old = signals.action(signal).handler;
  const flags = SA_RESETHAND | SA_NODEFER;
  signals.setAction(signal, { handler: handler >>> 0, flags, restorer: 0, maskLow: 0, maskHigh: 0 });
  return old | 0;
}

function combine(how: number, old: number, set: number): number | undefined {
  switch (how) {
    case SIG_BLOCK:
      return old | set;
    case SIG_UNBLOCK:
      return old & ~set;
    case SIG_SETMASK:
      return set;
    default:
      return undefined;
  }
}

function rtSigprocmask(p: Process, how: number, setAddress: number, oldAddress: number, size: number): number {
  if (size !== SIGSET_SIZE) return -EINVAL;
  const signals = signalsOf(p);
  const { blockedLow, blockedHigh } = signals;
  if (setAddress !== 0) {
    const set = readSet(p, setAddress);
    if (!set) return -EFAULT;
    const low = combine(how, blockedLow, set[0]);
    if (low === undefined) return -EINVAL;
    signals.setBlocked(low, combine(how, blockedHigh, set[1])!);
  }
  if (oldAddress !== 0 && !writeSet(p, oldAddress, blockedLow, blockedHigh)) return -EFAULT;
  return 0;
}

/** sigprocmask with a mask of one long: signals 33 and up keep their state. */
function sigprocmask(p: Process, how: number, setAddress: number, oldAddress: number): number {
  const signals = signalsOf(p);
  const { blockedLow, blockedHigh } = signals;
  if (setAddress !== 0) {
    const set = p.readU32(setAddress);
    if (set === undefined) return -EFAULT;
    const low = combine(how, blockedLow, set & ~UNBLOCKABLE);
    if (low === undefined) return -EINVAL;
    signals.setBlocked(low, blockedHigh);
  }
  if (oldAddress !== 0 && !p.writeU32(oldAddress, blockedLow)) return -EFAULT;
  return 0;
}

function rtSigpending(p: Process, address: number, size: number): number {
  if (size > SIGSET_SIZE || size < 0) return -EINVAL;
  const [low, high] = signalsOf(p).pending();
  const bytes = new Uint8Array(SIGSET_SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, low, p.little);
  view.setInt32(4, high, p.little);
  return p.memory.writeBytes(address, bytes.subarray(0, size)) ? 0 : -EFAULT;
}

/** Waits for a signal with another mask; always ends with EINTR. */
function suspend(p: Process, low: number, high: number): number {
  return signalsOf(p).withMask(low & ~UNBLOCKABLE, high, () => p.wait(SYS.pause, 0, 0, 0, 0, 0, 0));
}

function rtSigsuspend(p: Process, mask: number, size: number): number {
  if (size !== SIGSET_SIZE) return -EINVAL;
  const set = readSet(p, mask);
  return set ? suspend(p, set[0], set[1]) : -EFAULT;
}

/** sigtimedwait: the time has been converted to the host's form or is absent. */
function timedWait(timespec: 'timespec' | 'timespec64'): Handler {
  return (p, setAddress, infoAddress, timeAddress, size) => {
    if (size !== SIGSET_SIZE) return -EINVAL;
    const set = readSet(p, setAddress);
    if (!set) return -EFAULT;
    const low = set[0] & ~UNBLOCKABLE;
    const high = set[1];
    if (high >>> (FIRST_FREE_REAL_TIME - 33) !== 0) keepFromEngine(p);
    const scratch = p.scratch(256);
    let time = 0;
    if (timeAddress !== 0) {
      const layout = p.structs.layout(timespec);
      if (!p.memory.checkRead(timeAddress, layout.size)) return -EFAULT;
      const from = timeAddress >>> 0;
      const [seconds, nanoseconds] = layout.fields.map((field) => readField(layout, p.view, from, field));
      scratch.view.setBigInt64(16, BigInt(seconds!), true);
      scratch.view.setBigInt64(24, BigInt(nanoseconds!), true);
      time = scratch.address + 16;
    }
    let info: SigInfo | undefined = signalsOf(p).takeWaiting(low, high);
    if (!info) {
      scratch.view.setInt32(0, low, true);
      scratch.view.setInt32(4, high, true);
      const { address, view } = scratch;
      const wait = (): number => p.wait(SYS.rt_sigtimedwait, address, address + 64, time, SIGSET_SIZE, 0, 0);
      const found = signalsOf(p).await(low, high, wait);
      if (typeof found === 'number' && found < 0) return found;
      info = typeof found === 'number' ? readHostInfo(view, 64) : found;
    }
    if (infoAddress !== 0) {
      if (!p.memory.prepareWrite(infoAddress, SIGINFO_SIZE)) return -EFAULT;
      writeInfo32(wordsOf(p), infoAddress >>> 0, info);
    }
    return info.signal;
  };
}

/** A signal from this process to itself, as the kernel would describe it. */
function ownSignal(signal: number, code: number): SigInfo {
  return { signal, error: 0, code, words: [sys0(SYS.getpid), sys0(SYS.getuid)] };
}

/**
 * Sends a signal to this process, which has only this thread to take it: it waits here for its delivery, without a detour
 * through the kernel. If the guest looks for it there (signalfd), the kernel is asked to give it to this very thread: a
 * blocked signal sent to the process would wander through the engine's threads first.
 */
function sendOwn(p: Process, info: SigInfo): number {
  const signals = signalsOf(p);
  if (signals.isDeadly(info.signal)) signals.die(info);
  const result = queueLimit(p, info);
  if (typeof result === 'number') return result;
  signals.queue(result);
  return 0;
}

/** Most signals that wait before their limit is looked at. */
const FEW = 64;

/**
 * What RLIMIT_SIGPENDING does to a signal of this process to itself: -EAGAIN, or what is left of it. Others' signals are the
 * kernel's, which has the limit the process was started with.
 */
function queueLimit(p: Process, info: SigInfo): SigInfo | number {
  const count = signalsOf(p).waitingCount;
  if (count < FEW && !p.limits.has(RLIMIT_SIGPENDING)) return info;
  const limit = getLimit(p, RLIMIT_SIGPENDING);
  if (typeof limit === 'number' || count < limit.soft) return info;
  const realTime = info.signal >= 32;
  if (!realTime && info.code >= 0) return info;
  if (realTime && info.code !== SI_USER) return -EAGAIN;
  return { signal: info.signal, error: 0, code: SI_USER, words: [0, 0], lost: true };
}

/** Whether the call means this very process, and a signal that exists. */
function isOwn(id: number, own: number, signal: number): boolean {
  return id === own && signal > 0 && signal <= NSIG && !IMMEDIATE.includes(signal);
}

/** Signals that act on the whole process at once whatever it has set up: KILL, CONT, STOP. */
const IMMEDIATE = [SIGKILL, SIGCONT, SIGSTOP];

function kill(p: Process, pid: number, signal: number): number {
  if (signal === SIGCONT && pid === sys0(SYS.getpid)) signalsOf(p).discardOpposite(signal);
  return isOwn(pid, sys0(SYS.getpid), signal) ? sendOwn(p, ownSignal(signal, SI_USER)) : sys2(SYS.kill, pid, signal);
}

function tkill(p: Process, tid: number, signal: number): number {
  if (signal === SIGCONT && tid === sys0(SYS.gettid)) signalsOf(p).discardOpposite(signal);
  return isOwn(tid, sys0(SYS.gettid), signal) ? sendOwn(p, ownSignal(signal, SI_TKILL)) : sys2(SYS.tkill, tid, signal);
}

function tgkill(p: Process, tgid: number, tid: number, signal: number): number {
  const own = tgid === sys0(SYS.getpid) && isOwn(tid, sys0(SYS.gettid), signal);
  if (signal === SIGCONT && tid === sys0(SYS.gettid)) signalsOf(p).discardOpposite(signal);
  return own ? sendOwn(p, ownSignal(signal, SI_TKILL)) : sys3(SYS.tgkill, tgid, tid, signal);
}

/** A siginfo_t the guest made up, in the host's layout in scratch memory; undefined when it cannot be read. */
function hostInfo(p: Process, address: number, signal: number): number | undefined {
  if (!p.memory.checkRead(address, SIGINFO_SIZE)) return undefined;
  const scratch = p.scratch(256);
  hostInfoFrom32(p.view, address >>> 0, p.little, signal, scratch.view);
  return scratch.address;
}

function rtSigqueueinfo(p: Process, pid: number, signal: number, address: number): number {
  const info = hostInfo(p, address, signal);
  if (info === undefined) return -EFAULT;
  if (isOwn(pid, sys0(SYS.getpid), signal)) return sendOwn(p, readHostInfo(p.scratch(0).view));
  return sys3(SYS.rt_sigqueueinfo, pid, signal, info);
}

function rtTgsigqueueinfo(p: Process, tgid: number, tid: number, signal: number, address: number): number {
  const info = hostInfo(p, address, signal);
  if (info === undefined) return -EFAULT;
  const own = tgid === sys0(SYS.getpid) && isOwn(tid, sys0(SYS.gettid), signal);
  if (own) return sendOwn(p, { ...readHostInfo(p.scratch(0).view), thread: true });
  return sys4(SYS.rt_tgsigqueueinfo, tgid, tid, signal, info);
}

function sigaltstack(p: Process, newAddress: number, oldAddress: number): number {
  const signals = signalsOf(p);
  const layout = p.structs.layout('sigaltstack');
  const [spAt, flagsAt, sizeAt] = layout.fields.map((field) => field.offset);
  const stackPointer = p.abi.stackPointer(p.view, p.env);
  const old = signals.altStack;
  const mode = old.size === 0 ? SS_DISABLE : signals.isOnAltStack(stackPointer) ? SS_ONSTACK : 0;
  if (newAddress !== 0) {
    if (!p.memory.checkRead(newAddress, layout.size)) return -EFAULT;
    const at = newAddress >>> 0;
    const sp = p.view.getUint32(at + spAt!, p.little);
    const flags = p.view.getInt32(at + flagsAt!, p.little);
    const size = p.view.getUint32(at + sizeAt!, p.little);
    if (mode === SS_ONSTACK) return -EPERM;
    const wanted = flags & ~SS_AUTODISARM;
    if (wanted !== SS_DISABLE && wanted !== SS_ONSTACK && wanted !== 0) return -EINVAL;
    if (wanted === SS_DISABLE) {
      signals.altStack = { sp: 0, flags, size: 0 };
    } else {
      if (size < MINSIGSTKSZ) return -ENOMEM;
      signals.altStack = { sp, flags, size };
    }
  }
  if (oldAddress === 0) return 0;
  if (!p.memory.prepareWrite(oldAddress, layout.size)) return -EFAULT;
  const at = oldAddress >>> 0;
  p.view.setUint32(at + spAt!, old.sp, p.little);
  p.view.setInt32(at + flagsAt!, mode | (old.flags & SS_AUTODISARM), p.little);
  p.view.setUint32(at + sizeAt!, old.size, p.little);
  return 0;
}

function signalfd(p: Process, fd: number, mask: number, size: number, flags: number): number {
  if (size !== SIGSET_SIZE) return -EINVAL;
  const set = readSet(p, mask);
  if (!set) return -EFAULT;
  keepFromEngine(p);
  const { view, address } = p.scratch(SIGSET_SIZE);
  view.setInt32(0, set[0], true);
  view.setInt32(4, set[1], true);
  const result = sys4(SYS.signalfd4, fd, address, SIGSET_SIZE, flags);
  if (result >= 0) signalsOf(p).useKernelQueue();
  return result;
}

function returnFromHandler(siginfoFrame: boolean): Handler {
  return (p) => {
    signalsOf(p).sigreturn(siginfoFrame);
    return -NO_RESULT;
  };
}

export const SIGNAL_ROWS: Rows = {
  rt_sigaction: {
    args: 'signal sig, in sigaction act, out sigaction oldact, size sigsetsize',
    run: changeAction('sigaction'),
  },
  sigaction: { args: 'signal sig, in old_sigaction act, out old_sigaction oldact', run: changeAction('old_sigaction') },
  signal: { args: 'signal sig, addr handler', run: signalCall, result: 'hex' },
  rt_sigprocmask: {
    args: 'enum:sigmask how, in sigset set, out sigset oldset, size sigsetsize',
    run: rtSigprocmask,
  },
  sigprocmask: { args: 'enum:sigmask how, in ulong set, out ulong oldset', run: sigprocmask },
  sgetmask: { args: '', run: (p) => signalsOf(p).blockedLow, result: 'hex' },
  ssetmask: {
    args: 'hex mask',
    run: (p, mask) => {
      const signals = signalsOf(p);
      const old = signals.blockedLow;
      signals.setBlocked(mask, 0);
      return old;
    },
    result: 'hex',
  },
  rt_sigpending: { args: 'out sigset set, size sigsetsize', run: rtSigpending },
  sigpending: { args: 'out ulong set', run: (p, set) => rtSigpending(p, set, p.abi.model.longSize) },
  rt_sigsuspend: { args: 'in sigset set, size sigsetsize', run: rtSigsuspend, blocks: true },
  sigsuspend: {
    args: 'int unused1, int unused2, hex mask',
    run: (p, _1, _2, mask) => suspend(p, mask, 0),
    blocks: true,
  },
  pause: { args: '', run: 'pause', blocks: true },
  rt_sigtimedwait: {
    args: 'in sigset set, out siginfo info, in timespec timeout, size sigsetsize',
    run: timedWait('timespec'),
    blocks: true,
  },
  rt_sigtimedwait_time64: {
    args: 'in sigset set, out siginfo info, in timespec64 timeout, size sigsetsize',
    run: timedWait('timespec64'),
    blocks: true,
  },
  kill: { args: 'pid pid, signal sig', run: kill },
  tkill: { args: 'pid tid, signal sig', run: tkill },
  tgkill: { args: 'pid tgid, pid tid, signal sig', run: tgkill },
  rt_sigqueueinfo: { args: 'pid pid, signal sig, in siginfo info', run: rtSigqueueinfo },
  rt_tgsigqueueinfo: { args: 'pid tgid, pid tid, signal sig, in siginfo info', run: rtTgsigqueueinfo },
  signalfd: { args: 'fd fd, in sigset mask, size size', run: (p, fd, mask, size) => signalfd(p, fd, mask, size, 0) },
  signalfd4: { args: 'fd fd, in sigset mask, size size, flags:signalfd flags', run: signalfd },
  sigaltstack: { args: 'in sigaltstack ss, out sigaltstack oldss', run: sigaltstack },
  rt_sigreturn: { args: '', run: returnFromHandler(true), result: 'none' },
  sigreturn: { args: '', run: returnFromHandler(false), result: 'none' },
};
