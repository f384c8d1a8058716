/** Signals of the host: dispositions, the mask, and the mailbox in which the handler leaves what arrived. */

import { CFunction, FFIType, type FFITypeOrString, type Pointer, toArrayBuffer } from 'bun:ffi';
import { HostBuffer, SIGNAL_RESTORER, SYS, SYSCALL_WINDOW, sys0, sys1, sys3, sys4, sys5, sys6 } from './syscall.ts';

const SIGILL = 4;
const SIGTRAP = 5;
const SIGABRT = 6;
const SIGBUS = 7;
const SIGFPE = 8;
const SIGSEGV = 11;
const SIGPIPE = 13;
const SIGXFSZ = 25;
const SIGPWR = 30;
const SIGSYS = 31;
const SIGSETXID = 33;
/** What the timer of alarm.ts sends. */
export const ALARM_SIGNAL = SIGSETXID;

const RLIMIT_CORE = 4;
const PR_SET_DUMPABLE = 4;

const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
const SIG_SETMASK = 2;
const SIGSET_SIZE = 8;

const SA_NOCLDSTOP = 1;
const SA_NOCLDWAIT = 2;
const SA_SIGINFO = 4;
const SA_RESTORER = 0x04000000;
const SA_RESTART = 0x10000000;

/**
 * Signals whose host disposition belongs to the JavaScript engine: memory faults of compiled wasm (SEGV, BUS), stopping
 * its threads (PWR), and the C library's own (33), by which all threads are stopped to be forked.
 */
const ENGINE_SIGNALS: readonly number[] = [SIGBUS, SIGSEGV, SIGPWR, SIGSETXID];
/** Signals that must never be blocked on the host: the engine's, and those our own machine code can raise. */
const NEVER_BLOCKED: readonly number[] = [...ENGINE_SIGNALS, SIGILL, SIGTRAP, SIGFPE, SIGSYS];

/** Masks as two 32-bit halves: signal n is bit n-1. */
function bits(signals: readonly number[], half: 0 | 1): number {
  return signals.reduce((mask, n) => ((n - 1) >> 5 === half ? mask | (1 << ((n - 1) & 31)) : mask), 0);
}
const BLOCKABLE_LOW = ~bits(NEVER_BLOCKED, 0);
const BLOCKABLE_HIGH = ~bits(NEVER_BLOCKED, 1);

/** Whether the host's handler for this signal must stay, so that the guest's use of it has to be imitated entirely. */
export function isEngineSignal(signal: number): boolean {
  return ENGINE_SIGNALS.includes(signal);
}

/** Whether blocking the signal on the host is possible. */
export function isHostBlockable(signal: number): boolean {
  return !NEVER_BLOCKED.includes(signal);
}

export type Disposition = 'default' | 'ignore' | 'catch';

interface HandlerModule {
  /** Of the handlers of signals that are caught, and of SIGSETXID. */
  readonly address: number;
  readonly parkAddress: number;
  attach(tid: number, poll: number, mailbox: number): number;
  keepSignals(proc: number): number;
  forkAll(proc: number, flags: number, told: number, tidAddress: number, mask: number): number;
  shareWithEngine(): void;
  callAlone(proc: number, call: number, a: number, b: number): number;
  thaw(): number;
  frozenWord(): number;
  alarmValue(): number;
}

const PROT_READ_WRITE = 3;
const PROT_READ_EXEC = 5;
const MAP_PRIVATE_ANONYMOUS = 0x22;

let installed: HandlerModule | undefined;

/** Reads the handlers' code, which can be done once more when files are out of reach. */
export function loadHandlerCode(): typeof import('./signal-handler-code.ts') {
  return require('./signal-handler-code.ts');
}

/** Puts the handlers' code into memory: only in processes that catch or block a signal, or fork. */
function handlerModule(): HandlerModule {
  if (installed) return installed;
  const { CODE, DATA_OFFSET, OFFSETS, SIZE } = loadHandlerCode();
  const base = sys6(SYS.mmap, 0, SIZE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (base < 0) throw new Error('no memory for the signal handler');
  new Uint8Array(toArrayBuffer(base as Pointer, 0, DATA_OFFSET)).set(Buffer.from(CODE, 'base64'));
  if (sys3(SYS.mprotect, base, DATA_OFFSET, PROT_READ_EXEC) < 0)
    throw new Error('the system refuses executable memory');
  const bind = (offset: number, args: FFITypeOrString[], returns: FFITypeOrString): CallableFunction =>
    CFunction({ ptr: (base + offset) as Pointer, args, returns }) as unknown as CallableFunction;
  const { start, end, interrupted, notBegun } = SYSCALL_WINDOW;
  bind(
    OFFSETS.configure,
    ['ptr', 'ptr', 'ptr', 'ptr', 'i32', 'i32'],
    'void',
  )(...[start, end, interrupted, notBegun, BLOCKABLE_LOW, BLOCKABLE_HIGH]);
  installed = {
    address: base + OFFSETS.on_signal,
    parkAddress: base + OFFSETS.on_park,
    attach: bind(OFFSETS.attach, ['i32', 'ptr', 'ptr'], 'i32') as HandlerModule['attach'],
    keepSignals: bind(OFFSETS.keep_signals, ['i32'], 'i32') as HandlerModule['keepSignals'],
    forkAll: bind(OFFSETS.fork_all, ['i32', 'ptr', 'ptr', 'ptr', 'ptr'], FFIType.i64_fast) as HandlerModule['forkAll'],
    shareWithEngine: bind(OFFSETS.share_with_engine, [], 'void') as HandlerModule['shareWithEngine'],
    callAlone: bind(OFFSETS.call_alone, ['i32', 'ptr', 'ptr', 'ptr'], FFIType.i64_fast) as HandlerModule['callAlone'],
    thaw: bind(OFFSETS.thaw, [], 'i32') as HandlerModule['thaw'],
    frozenWord: bind(OFFSETS.frozen_word, [], 'ptr') as HandlerModule['frozenWord'],
    alarmValue: bind(OFFSETS.alarm_value, [], 'ptr') as HandlerModule['alarmValue'],
  };
  setAction(SIGSETXID, installed.parkAddress, SA_SIGINFO | SA_RESTART, -1, -1);
  return installed;
}

/**
 * clone(2) of the process with all its threads, of which the caller's is the only one that JavaScript knows; to be called
 * with signals blocked (`setMask(-1, -1)`). Returns the child's number, 0 in the child, or -errno; -ERESTARTNOINTR when a signal
 * that the mask does not hold came before the child was made, and is noted.
 * @param proc descriptor of the directory /proc, which knows the threads
 * @param flags CLONE_* (nothing that shares memory) and the signal at the child's end
 * @param told host address where CLONE_PARENT_SETTID and CLONE_PIDFD store, or 0
 * @param tidAddress host address of the calling thread's number, for CLONE_CHILD_SETTID and CLONE_CHILD_CLEARTID
 * @param mask low and high half of the mask for the moment in which the child is made; the child has all blocked afterwards
 */
export function forkAll(
  proc: number,
  flags: number,
  told: number,
  tidAddress: number,
  [low, high]: readonly [low: number, high: number],
): number {
  writeSet(scratch.view, low, high);
  const result = handlerModule().forkAll(proc, flags, told, tidAddress, scratch.address);
  if (result >= 0) kept = true;
  return result;
}

/** Stores what of a mask can be on the host. */
function writeSet(view: DataView, low: number, high: number): void {
  view.setInt32(0, low & BLOCKABLE_LOW, true);
  view.setInt32(4, high & BLOCKABLE_HIGH, true);
}

/**
 * A system call of two arguments that the kernel refuses to processes with threads: the engine's end before and are made
 * anew after it, at the same place. To be called with signals blocked (`setMask(-1, -1)`). Returns its result, or -errno.
 * @param proc descriptor of the directory /proc, which knows the threads
 */
export function callAlone(proc: number, call: number, a: number, b: number): number {
  return handlerModule().callAlone(proc, call, a, b);
}

/** Whether the engine's threads block the guest's signals already, as they do after `forkAll`, in the child too. */
let kept = false;

/**
 * Sees to it that the engine's threads take no signals of the guest's from now on. Those that they take come to the guest all
 * the same, but behind later ones, and of two that make one (expirations of a timer) the first may not be counted. Without
 * /proc, which knows the threads, nothing happens.
 * @param proc gives a descriptor of the directory /proc, or -errno
 * @param alone runs a function with signals blocked (`setMask(-1, -1)`)
 */
export function keepSignals(proc: () => number, alone: (call: () => number) => number): void {
  if (kept) return;
  const directory = proc();
  kept = directory >= 0 && alone(() => handlerModule().keepSignals(directory)) === 0;
}

/**
 * How many of the engine's threads a child of `forkAll` does not have yet, as the one element of an array: few children
 * live long enough to need them. They come by themselves soon, or by `makeThreads`.
 */
export function frozenThreads(): Int32Array {
  return new Int32Array(toArrayBuffer(handlerModule().frozenWord() as Pointer, 0, 4));
}

/** The value by which the handler of ALARM_SIGNAL knows the timer of alarm.ts. */
export function alarmValue(): number {
  return handlerModule().alarmValue();
}

/** Makes the threads that this child does not have yet: for what would wait for them. */
export function makeThreads(): void {
  handlerModule().thaw();
}

/**
 * The mailbox as signal-handler.c fills it: offsets of the words of how many signals were put in and how many were taken
 * out, and the ring of siginfo_t.
 */
const PUT = 0;
const TAKEN = 8;
const RING = 64;
const RING_ENTRIES = 16;
const INFO_SIZE = 128;

const scratch = new HostBuffer(64);

/** struct sigaction as the kernel of x86-64 takes it: handler, flags, restorer, mask, 8 bytes each. */
function setAction(signal: number, handler: number, flags: number, maskLow: number, maskHigh: number): number {
  const { view, address } = scratch;
  view.setUint32(0, handler >>> 0, true);
  view.setUint32(4, Math.floor(handler / 2 ** 32), true);
  view.setUint32(8, (flags | SA_RESTORER) >>> 0, true);
  view.setUint32(12, 0, true);
  view.setUint32(16, SIGNAL_RESTORER >>> 0, true);
  view.setUint32(20, Math.floor(SIGNAL_RESTORER / 2 ** 32), true);
  view.setUint32(24, maskLow, true);
  view.setUint32(28, maskHigh, true);
  return sys4(SYS.rt_sigaction, signal, address, 0, SIGSET_SIZE);
}

/** Whether the signal is ignored by this process now. */
function isIgnored(signal: number): boolean {
  const { view, address } = scratch;
  if (sys4(SYS.rt_sigaction, signal, 0, address, SIGSET_SIZE) < 0) return false;
  return view.getUint32(0, true) === 1 && view.getUint32(4, true) === 0;
}

/**
 * Undoes what the engine has set up for itself and a new program must not inherit: it ignores SIGPIPE and SIGXFSZ, and
 * prints reports about itself for others. (What the caller had set for the first two cannot be found out any more.)
 */
export function resetEngineDispositions(): void {
  for (const signal of [SIGPIPE, SIGXFSZ, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSYS]) setAction(signal, 0, 0, 0, 0);
}

/** Signals that were ignored when the process started, of those that the engine leaves alone. */
export function inheritedIgnored(): number[] {
  const signals: number[] = [];
  for (let n = 1; n <= 64; n++) if (isIgnored(n) && n !== SIGPIPE && n !== SIGXFSZ) signals.push(n);
  return signals;
}

/** What a thread has to do with host signals. One per guest thread, made and used in that thread. */
export class HostSignals {
  /**
   * More than one entry is only used by the engine's signals and when the mask is changed in the moment in which a signal
   * arrives: otherwise a signal blocks all others until it has been taken.
   */
  private readonly mailbox = new HostBuffer(RING + RING_ENTRIES * INFO_SIZE);
  /** A siginfo_t, a set, and a time of 0. */
  private readonly queued = new HostBuffer(INFO_SIZE + SIGSET_SIZE + 16);
  private taken = 0;
  private attached = false;

  /** @param pollWord host address of the 32-bit word that tells the thread to look */
  constructor(private readonly pollWord: number) {}

  /** The thread's mask at the moment: low and high half. */
  currentMask(): [low: number, high: number] {
    const { view, address } = scratch;
    sys4(SYS.rt_sigprocmask, SIG_BLOCK, 0, address, SIGSET_SIZE);
    return [view.getInt32(0, true), view.getInt32(4, true)];
  }

  /** Sets what the process does about a signal. `childFlags`: SA_NOCLDSTOP and SA_NOCLDWAIT are passed on. */
  setDisposition(signal: number, disposition: Disposition, childFlags = 0): void {
    const child = childFlags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
    if (disposition !== 'catch') {
      setAction(signal, disposition === 'ignore' ? 1 : 0, child, 0, 0);
      return;
    }
    // Blocked until the thread has looked; the kernel keeps what arrives meanwhile, in its order.
    setAction(signal, this.attach().address, SA_SIGINFO | SA_RESTART | child, BLOCKABLE_LOW, BLOCKABLE_HIGH);
  }

  /**
   * From now on the thread's mailbox takes what is caught, and of the engine's signals what others send: only then does the
   * engine not act on these.
   */
  attach(): HandlerModule {
    const module = handlerModule();
    if (!this.attached) {
      module.attach(sys0(SYS.gettid), this.pollWord, this.mailbox.address);
      module.shareWithEngine();
      this.attached = true;
    }
    return module;
  }

  /** Has the kernel ignore a signal of the engine, which must not need it until `shareWithEngine`: for exec. */
  ignoreForExec(signal: number): void {
    setAction(signal, 1, 0, 0, 0);
  }

  /** Undoes `ignoreForExec`. */
  shareWithEngine(): void {
    if (!this.attached) return;
    const module = handlerModule();
    module.shareWithEngine();
    setAction(SIGSETXID, module.parkAddress, SA_SIGINFO | SA_RESTART, -1, -1);
  }

  /** In the child of a fork, with all signals blocked: the mailbox is empty, and this is a thread of another number. */
  afterFork(): void {
    const { view } = this.mailbox;
    this.taken = view.getUint32(PUT, true);
    view.setUint32(TAKEN, this.taken, true);
    if (this.attached) handlerModule().attach(sys0(SYS.gettid), this.pollWord, this.mailbox.address);
  }

  /** Whether there is a signal in the mailbox. */
  get hasMail(): boolean {
    return this.mailbox.view.getUint32(0, true) !== this.taken;
  }

  /** The next signal in the mailbox as a view of its siginfo_t, good until signals are let in again; or undefined. */
  take(): DataView | undefined {
    const { view } = this.mailbox;
    if (view.getUint32(PUT, true) === this.taken) return undefined;
    const entry = RING + (this.taken % RING_ENTRIES) * INFO_SIZE;
    this.taken = (this.taken + 1) >>> 0;
    view.setUint32(TAKEN, this.taken, true);
    return new DataView(view.buffer, entry, INFO_SIZE);
  }

  /** Sets the thread's mask. What becomes unblocked and is pending is in the mailbox when this returns. */
  setMask(low: number, high: number): void {
    const { view, address } = scratch;
    writeSet(view, low, high);
    sys4(SYS.rt_sigprocmask, SIG_SETMASK, address, 0, SIGSET_SIZE);
  }

  /** Sets the thread's mask to the very set, the engine's signals included: not for longer than it takes to execute a program. */
  setWholeMask(low: number, high: number): void {
    const { view, address } = scratch;
    view.setInt32(0, low, true);
    view.setInt32(4, high, true);
    sys4(SYS.rt_sigprocmask, SIG_SETMASK, address, 0, SIGSET_SIZE);
  }

  /** Blocks all but what the engine's threads need to live: until a program is executed. */
  blockForExec(): void {
    this.setWholeMask(~bits([SIGPWR], 0), ~bits([SIGSETXID], 1));
  }

  /** Signals that wait for this thread or the process: low and high half. */
  pending(): [low: number, high: number] {
    const { view, address } = scratch;
    sys3(SYS.rt_sigpending, address, SIGSET_SIZE, 0);
    return [view.getInt32(0, true), view.getInt32(4, true)];
  }

  /** Takes a blocked signal out of the kernel's queue: its siginfo_t, good until the next call, or undefined. */
  takePending(signal: number): DataView | undefined {
    const { view, address } = this.queued;
    view.setUint32(INFO_SIZE, signal <= 32 ? 1 << (signal - 1) : 0, true);
    view.setUint32(INFO_SIZE + 4, signal > 32 ? 1 << (signal - 33) : 0, true);
    const [set, noTime] = [address + INFO_SIZE, address + INFO_SIZE + SIGSET_SIZE];
    return sys4(SYS.rt_sigtimedwait, set, address, noTime, SIGSET_SIZE) === signal ? view : undefined;
  }

  /** Puts a signal back into the kernel's queue, for this thread alone; `write` fills in its siginfo_t. */
  putBack(signal: number, write: (info: DataView) => void): void {
    const { view, address } = this.queued;
    write(view);
    sys4(SYS.rt_tgsigqueueinfo, sys0(SYS.getpid), sys0(SYS.gettid), signal, address);
  }

  /** Has the kernel do what the signal does by default (stop, or end the process), at once. */
  raiseDefault(signal: number): void {
    setAction(signal, 0, 0, 0, 0);
    sys3(SYS.tgkill, sys0(SYS.getpid), sys0(SYS.gettid), signal);
    const { view, address } = scratch;
    view.setUint32(0, signal <= 32 ? 1 << (signal - 1) : 0, true);
    view.setUint32(4, signal > 32 ? 1 << (signal - 33) : 0, true);
    sys4(SYS.rt_sigprocmask, SIG_UNBLOCK, address, 0, SIGSET_SIZE);
  }

  /** Ends the process by the signal's default action, without a core file (it would be the emulator's). */
  dieOf(signal: number): never {
    scratch.u8.fill(0, 0, 16);
    sys4(SYS.prlimit64, 0, RLIMIT_CORE, scratch.address, 0);
    sys5(SYS.prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
    this.raiseDefault(signal);
    // Only signals that do not kill get here.
    sys1(SYS.exit_group, 128 + signal);
    throw new Error('exit_group returned');
  }
}
