// Signal handling of one guest thread: actions, mask, alternate stack, and delivery onto the guest's stack.

import { writeSync } from 'node:fs';
import { EINTR, ERESTARTSYS } from '../src/host/errno.ts';
import {
  HostSignals,
  inheritedIgnored,
  isEngineSignal,
  isHostBlockable,
  resetEngineDispositions,
} from '../src/host/signals.ts';
import { SYS } from '../src/host/syscall.ts';
import type { GuestMemory } from '../src/memory/guest-memory.ts';
import type { AltStack, SignalAbi, TrapState } from './abi/signal-interface.ts';
import { isBrief } from './brief-calls.ts';
import type { CpuException } from './cpu.ts';
import { ERESTARTNOINTR } from './errno.ts';
import type { SignalHooks } from './process.ts';
import {
  readHostInfo,
  SI_KERNEL,
  SI_TIMER,
  SIGABRT,
  SIGBUS,
  SIGCHLD,
  SIGCONT,
  SIGFPE,
  SIGILL,
  SIGKILL,
  SIGPIPE,
  SIGQUIT,
  SIGSEGV,
  SIGSTOP,
  SIGSYS,
  SIGTRAP,
  SIGURG,
  SIGWINCH,
  SIGXCPU,
  SIGXFSZ,
  type SigInfo,
  signalText,
  writeHostInfo,
} from './siginfo.ts';
import { SignalQueue } from './signal-queue.ts';

export const SIG_DFL = 0;
export const SIG_IGN = 1;

export const SA_NOCLDSTOP = 0x1;
export const SA_NOCLDWAIT = 0x2;
export const SA_SIGINFO = 0x4;
export const SA_RESTORER = 0x04000000;
export const SA_ONSTACK = 0x08000000;
export const SA_RESTART = 0x10000000;
export const SA_NODEFER = 0x40000000;
export const SA_RESETHAND = 0x80000000 | 0;

/** The smallest alternate stack, in bytes. */
export const MINSIGSTKSZ = 2048;
export const SS_ONSTACK = 1;
export const SS_DISABLE = 2;
export const SS_AUTODISARM = 0x80000000 | 0;

/** The highest signal number. */
export const NSIG = 64;

/** Signals 1-32 that no mask can hold. */
export const UNBLOCKABLE = (1 << (SIGKILL - 1)) | (1 << (SIGSTOP - 1));

/** Words of one action in the shared table. */
const HANDLER = 0;
const FLAGS = 1;
const RESTORER = 2;
const MASK_LOW = 3;
const MASK_HIGH = 4;
const ACTION_WORDS = 5;

const NONE: readonly [low: number, high: number] = [0, 0];

const NO_ALT_STACK: AltStack = { sp: 0, flags: SS_DISABLE, size: 0 };

/** Signals whose default action is to do nothing. */
const IGNORED_BY_DEFAULT: readonly number[] = [SIGCHLD, SIGCONT, SIGURG, SIGWINCH];
/** What an engine that starts ignores, and thereby throws away: PIPE and XFSZ. */
const IGNORED_BY_ENGINE: readonly number[] = [SIGPIPE, SIGXFSZ];
/** Signals whose default action is to stop the process: STOP, TSTP, TTIN, TTOU. */
export const STOPS: readonly number[] = [SIGSTOP, 20, 21, 22];
/** Signals whose default action writes a core file: the death of a program that went wrong, which is reported. */
const CORE_SIGNALS: readonly number[] = [
  ...[SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS],
];

/** One action as sigaction(2) has it. */
export interface Action {
  readonly handler: number;
  readonly flags: number;
  readonly restorer: number;
  readonly maskLow: number;
  readonly maskHigh: number;
}

/** Whether signal `n` is in the mask given as halves. */
export function inMask(low: number, high: number, n: number): boolean {
  return ((n <= 32 ? low >>> (n - 1) : high >>> (n - 33)) & 1) !== 0;
}

/** How often in a row a fork is put off because a signal has come. */
const MAX_FORKS_PUT_OFF = 8;

/** Host calls that are interrupted when the process was stopped and goes on, though no handler has run (signal(7)). */
const ENDED_BY_STOPS: ReadonlySet<number> = new Set([
  ...[SYS.epoll_wait, SYS.epoll_pwait2, SYS.semtimedop, SYS.rt_sigtimedwait],
]);

/** What the process loop needs to know about a system call whose result is outstanding. */
export interface UnfinishedCall {
  /** ERESTARTSYS or ERESTARTNOINTR. */
  readonly error: number;
}

/**
 * The mask on the host follows the guest's (except for signals the engine needs), so that the kernel keeps what is
 * pending. It may lag behind when the guest blocks more: most blocks end before any signal comes. It catches up before
 * the thread waits in the kernel, and when a signal does arrive: our handler then blocks everything, and the signal
 * waits here instead.
 */
export class Signals implements SignalHooks {
  readonly host: HostSignals;
  /** Actions of the process, ACTION_WORDS words per signal; shared by its threads. */
  private readonly actions: Int32Array;
  blockedLow = 0;
  blockedHigh = 0;
  altStack: AltStack = NO_ALT_STACK;
  readonly trap: TrapState = { number: 0, errorCode: 0, address: 0 };
  /** The mask to save in the next frame while a call has replaced it (sigsuspend, ppoll), or null. */
  private suspended: [low: number, high: number] | null = null;
  /**
   * Signals that wait here and not in the kernel: those the engine owns, those that came before being blocked, and those from
   * the process itself. Of each signal, what waits here is older than what waits in the kernel.
   */
  private readonly waiting = new SignalQueue();
  /** Signals whose host disposition is our handler, or none of our business. */
  private caughtLow = UNBLOCKABLE;
  private caughtHigh = 0;
  private forksPutOff = 0;
  /** The mask on the host; all ones after a signal has arrived. */
  private hostLow = 0;
  private hostHigh = 0;
  /**
   * Set when somebody looks for this process's pending signals in the kernel itself (signalfd): then its mask must not lag
   * behind, and signals to itself go through the kernel.
   */
  kernelQueue = false;
  /** See `settle`. */
  private settled = false;
  /** What sigtimedwait waits for at the moment. */
  private awaited: readonly [low: number, high: number] = NONE;
  readonly overruns = new Map<number, number>();
  /** The page with the ABI's code for returning from handlers; 0 until it is needed or the vDSO is mapped. */
  trampolinePage = 0;
  /** Told of every signal that is delivered to a handler or kills; for strace. */
  onSignal: ((info: SigInfo) => void) | null = null;
  /** Runs before the process dies of a signal (flush logs and caches). */
  beforeDeath: () => void = () => {};

  constructor(
    private readonly memory: GuestMemory,
    private readonly env: number,
    private abi: SignalAbi,
    /** Guest address of the word that makes the CPU leave generated code. */
    private readonly pollAt: number,
    actions?: SharedArrayBuffer,
  ) {
    this.host = new HostSignals(memory.base + pollAt);
    this.actions = new Int32Array(actions ?? new SharedArrayBuffer(4 * ACTION_WORDS * (NSIG + 1)));
  }

  /** Takes over what the process was started with: ignored signals and the mask. For the first thread only. */
  inherit(): void {
    resetEngineDispositions();
    for (const n of inheritedIgnored()) this.actions[n * ACTION_WORDS + HANDLER] = SIG_IGN;
    [this.blockedLow, this.blockedHigh] = this.host.currentMask();
    if (this.blockedLow | this.blockedHigh) {
      this.catchBlocked();
      // The engine's own signals may have been blocked with the others.
      this.setHostMask();
    }
  }

  /** The process becomes a program of this ABI: what exec keeps are ignored signals, the mask, and what is pending. */
  becomeProgram(abi: SignalAbi): void {
    this.abi = abi;
    for (let n = 1; n <= NSIG; n++) {
      const { handler, flags, maskLow, maskHigh } = this.action(n);
      if ((handler | flags | maskLow | maskHigh) === 0) continue;
      const kept = handler === SIG_IGN ? SIG_IGN : SIG_DFL;
      this.setAction(n, { handler: kept, flags: 0, restorer: 0, maskLow: 0, maskHigh: 0 }, true);
    }
    this.altStack = NO_ALT_STACK;
    this.trampolinePage = 0;
    this.overruns.clear();
    this.suspended = null;
    Object.assign(this.trap, { number: 0, errorCode: 0, address: 0 });
    // The poll word has been cleared with the memory, whatever it was. What arrives from now on sets it.
    if (this.host.hasMail || this.waiting.length > 0) this.requestPoll();
    else this.letIn();
  }

  // Actions

  action(signal: number): Action {
    const at = signal * ACTION_WORDS;
    const a = this.actions;
    return {
      handler: a[at + HANDLER]! >>> 0,
      flags: a[at + FLAGS]!,
      restorer: a[at + RESTORER]! >>> 0,
      maskLow: a[at + MASK_LOW]!,
      maskHigh: a[at + MASK_HIGH]!,
    };
  }

  /** Whether nothing happens when the signal is delivered. */
  private isIgnored(signal: number): boolean {
    const { handler } = this.action(signal);
    return handler === SIG_IGN || (handler === SIG_DFL && IGNORED_BY_DEFAULT.includes(signal));
  }

  /** @param keepPending what an ignored signal has pending is not thrown away (exec) */
  setAction(signal: number, action: Action, keepPending = false): void {
    const at = signal * ACTION_WORDS;
    const a = this.actions;
    a[at + HANDLER] = action.handler;
    a[at + FLAGS] = action.flags;
    a[at + RESTORER] = action.restorer;
    a[at + MASK_LOW] = action.maskLow;
    a[at + MASK_HIGH] = action.maskHigh;
    if (this.isIgnored(signal) && !keepPending) this.waiting.forget(signal);
    this.updateHost(signal);
  }

  /**
   * Tells the host what to do about a signal. While the guest blocks a signal it has to be caught: the kernel would have
   * a thread of the engine, which does not block it, take it and act on it.
   */
  private updateHost(signal: number): void {
    const { handler, flags } = this.action(signal);
    const catches = handler > SIG_IGN || this.isBlocked(signal);
    if (isEngineSignal(signal)) {
      if (catches || handler === SIG_IGN) this.host.attach();
      return;
    }
    this.setCaught(signal, catches);
    // Children of a parent that ignores SIGCHLD leave no zombies.
    const childFlags = catches && handler === SIG_IGN ? flags | SA_NOCLDWAIT : flags;
    this.host.setDisposition(
      signal,
      catches ? 'catch' : handler === SIG_IGN ? 'ignore' : 'default',
      signal === SIGCHLD ? childFlags : 0,
    );
  }

  /** Sees to it that signals about to be blocked are caught. */
  private catchBlocked(): void {
    const low = this.blockedLow & ~this.caughtLow;
    const high = this.blockedHigh & ~this.caughtHigh;
    if ((low | high) === 0) return;
    for (let n = 1; n <= NSIG; n++) {
      if (!inMask(low, high, n)) continue;
      if (isEngineSignal(n)) this.setCaught(n, true);
      this.updateHost(n);
    }
  }

  private setCaught(signal: number, caught: boolean): void {
    if (signal <= 32) {
      const bit = 1 << (signal - 1);
      this.caughtLow = caught ? this.caughtLow | bit : this.caughtLow & ~bit;
    } else {
      const bit = 1 << (signal - 33);
      this.caughtHigh = caught ? this.caughtHigh | bit : this.caughtHigh & ~bit;
    }
  }

  /**
   * For a host program that this process becomes (exec): actions and mask on the host are those it must inherit, and what
   * waits here is the kernel's again. What the guest does not block then acts at once, by default, as it would in the new
   * program. `stay` undoes this.
   */
  prepareExec(): void {
    this.collectAll();
    for (let n = 1; n <= NSIG; n++) {
      if (!inMask(this.caughtLow, this.caughtHigh, n) || isEngineSignal(n) || n === SIGKILL || n === SIGSTOP) continue;
      // What is blocked stays caught: exec makes it the default itself, and until then nobody else may act on it.
      if (this.action(n).handler !== SIG_IGN && !this.isBlocked(n)) this.host.setDisposition(n, 'default');
    }
    this.ignoreOnHost();
    // The engine's own signals are the kernel's business from here on.
    this.host.setWholeMask(-1, -1);
    for (let n = 1; n <= NSIG; n++) {
      if (this.action(n).handler === SIG_IGN && isEngineSignal(n)) this.host.ignoreForExec(n);
    }
    for (const info of this.waiting.drain()) this.host.putBack(info.signal, (view) => writeHostInfo(view, info));
    this.host.setWholeMask(this.blockedLow, this.blockedHigh);
  }

  /**
   * For an emulator that takes this process over (exec): what waits here and would be lost. From now on the host keeps what
   * arrives until that emulator has set its mask; `stay` undoes this.
   */
  handOver(): readonly SigInfo[] {
    this.collectAll();
    for (const n of IGNORED_BY_ENGINE) {
      for (let info = this.host.takePending(n); info; info = this.host.takePending(n)) {
        this.waiting.push(readHostInfo(info));
      }
    }
    this.ignoreOnHost();
    return this.waiting.all;
  }

  /** The process stays what it is after `prepareExec` or `handOver`. */
  stay(): void {
    for (let n = 1; n <= NSIG; n++) {
      if (this.action(n).handler !== SIG_DFL || inMask(this.caughtLow, this.caughtHigh, n)) this.updateHost(n);
    }
    this.host.shareWithEngine();
    this.setHostMask();
    if (this.waiting.length > 0) this.requestPoll();
  }

  /** Takes what has arrived; all else waits in the kernel until the mask is set. */
  private collectAll(): void {
    this.host.blockForExec();
    this.collect();
    this.hostLow = this.hostHigh = -1;
  }

  /** The kernel knows what the guest ignores also where it catches it because it is blocked. */
  private ignoreOnHost(): void {
    for (let n = 1; n <= NSIG; n++) {
      if (this.action(n).handler === SIG_IGN && !isEngineSignal(n)) this.host.setDisposition(n, 'ignore');
    }
  }

  aroundFork(fork: (mask: readonly [low: number, high: number]) => number): number {
    this.host.attach();
    this.host.setMask(-1, -1);
    // What has come is delivered before, so that the child finds what its handler has done. Where signals come so often that
    // none is ever made (timers), they wait.
    const mask = this.forksPutOff < MAX_FORKS_PUT_OFF ? ([this.hostLow, this.hostHigh] as const) : ([-1, -1] as const);
    const result = this.memory.read32(this.pollAt) === 0 ? fork(mask) : -ERESTARTNOINTR;
    this.forksPutOff = result === -ERESTARTNOINTR ? this.forksPutOff + 1 : 0;
    if (result === 0) {
      // What is pending is the parent's.
      this.waiting.drain();
      this.host.afterFork();
      this.memory.write32(this.pollAt, 0);
    }
    this.host.setMask(this.hostLow, this.hostHigh);
    return result;
  }

  withAllBlocked(call: () => number): number {
    this.host.setMask(-1, -1);
    const result = call();
    this.host.setMask(this.hostLow, this.hostHigh);
    return result;
  }

  // Mask

  isBlocked(signal: number): boolean {
    return inMask(this.blockedLow, this.blockedHigh, signal);
  }

  /** Sets the guest's mask; SIGKILL and SIGSTOP cannot be blocked. */
  setBlocked(low: number, high: number): void {
    low &= ~UNBLOCKABLE;
    const more = (low & ~this.blockedLow) | (high & ~this.blockedHigh);
    this.blockedLow = low;
    this.blockedHigh = high;
    if (more !== 0) {
      this.catchBlocked();
      if (this.kernelQueue) this.setHostMask();
    }
    if (this.waiting.length > 0 && this.waiting.all.some((info) => !inMask(low, high, info.signal))) this.requestPoll();
    this.letIn();
  }

  private setHostMask(): void {
    this.hostLow = this.blockedLow;
    this.hostHigh = this.blockedHigh;
    this.host.setMask(this.hostLow, this.hostHigh);
  }

  /** Unblocks on the host what the guest does not block. */
  private letIn(): void {
    if ((this.hostLow & ~this.blockedLow) | (this.hostHigh & ~this.blockedHigh)) this.setHostMask();
  }

  beforeWait(call: number, descriptor: number): void {
    if (!this.settled && !isBrief(call, descriptor)) this.settle();
    this.followMask();
  }

  /**
   * The program goes on for a while. From now on all signals that others send are the guest's; until then the engine has its own
   * to itself, as a program that only prints a line has no time for this.
   */
  settle(): void {
    this.settled = true;
    this.host.attach();
  }

  private followMask(): void {
    if (this.hostLow !== this.blockedLow || this.hostHigh !== this.blockedHigh) this.setHostMask();
  }

  interruptedInVain(call: number, result: number): boolean {
    this.memory.write32(this.pollAt, 0);
    const arrived = this.collect();
    if (this.waiting.find((signal) => inMask(this.awaited[0], this.awaited[1], signal)) >= 0) return false;
    // Without an effect it is in vain whatever has come, unless there is a handler to run.
    const repeatable = result <= -ERESTARTSYS;
    let inVain = repeatable || arrived || this.mayBeElsewhere();
    for (let info = this.next(false); info; info = this.next(false)) {
      const stops = STOPS.includes(info.signal) && this.action(info.signal).handler === SIG_DFL;
      if (!stops && !this.isIgnored(info.signal)) {
        this.requestPoll();
        return false;
      }
      this.next();
      inVain = repeatable || !(stops && ENDED_BY_STOPS.has(call));
      if (stops) this.defaultAction(info);
      else this.updateHost(info.signal);
      this.collect();
      if (!inVain) {
        if (this.next(false)) this.requestPoll();
        break;
      }
    }
    return inVain;
  }

  /**
   * Whether a signal that does nothing may have interrupted this thread, and then been taken by one of the engine, which sends it
   * here: what the host cannot block is blocked or ignored. (Or the process was stopped, which cannot be told from it.)
   */
  private mayBeElsewhere(): boolean {
    for (let n = 1; n <= NSIG; n++) {
      if (!isHostBlockable(n) && (this.isBlocked(n) || this.action(n).handler === SIG_IGN)) return true;
    }
    return false;
  }

  withMask(low: number, high: number, wait: () => number, look?: () => number | null): number {
    // What the new mask keeps back is delivered first. What it lets through interrupts the wait, as if it had come later.
    if (this.memory.read32(this.pollAt) !== 0) {
      this.collect();
      if (!this.next(false, low, high)) return -ERESTARTNOINTR;
    }
    const before: [number, number] = [this.blockedLow, this.blockedHigh];
    this.setBlocked(low, high);
    let result = wait();
    const interrupted = result === -EINTR || result <= -ERESTARTSYS;
    if (interrupted && this.memory.read32(this.pollAt) !== 0) {
      const seen = look?.() ?? null;
      if (seen === null) {
        // The handler runs under the new mask and comes back to the old one.
        this.suspended = before;
        return -EINTR;
      }
      result = seen;
    }
    this.setBlocked(before[0], before[1]);
    return result;
  }

  /** Signals that wait, in the kernel or here. */
  pending(): [low: number, high: number] {
    this.collect();
    const [inKernel, here] = [this.host.pending(), this.waiting.signals()];
    return [(inKernel[0] | here[0]) & this.blockedLow, (inKernel[1] | here[1]) & this.blockedHigh];
  }

  /** Takes the first signal of the set, for sigtimedwait, if one waits here. */
  takeWaiting(low: number, high: number): SigInfo | undefined {
    this.collect();
    if (!this.waiting.all.some((info) => inMask(low, high, info.signal))) return undefined;
    this.pull(low, high);
    const best = this.waiting.find((signal) => inMask(low, high, signal));
    return best < 0 ? undefined : this.waiting.take(best);
  }

  /** Runs a wait in the kernel for signals of the set, which ends too when one of them is here in the end, and takes that. */
  await(low: number, high: number, wait: () => number): SigInfo | number {
    this.awaited = [low, high];
    const result = wait();
    this.awaited = NONE;
    // One that no mask holds back may have been caught instead of found.
    return result === -EINTR || result <= -ERESTARTSYS ? (this.takeWaiting(low, high) ?? result) : result;
  }

  /** Moves what waits in the kernel, of the signals of a set, behind what waits here. */
  private pull(low: number, high: number): void {
    this.followMask();
    const [pendingLow, pendingHigh] = this.host.pending();
    low &= pendingLow;
    high &= pendingHigh;
    for (let n = 1; (low | high) !== 0 && n <= NSIG; n++) {
      if (!inMask(low, high, n)) continue;
      for (let info = this.host.takePending(n); info; info = this.host.takePending(n))
        this.waiting.push(readHostInfo(info));
    }
  }

  /** From now on the kernel's idea of what is blocked and pending is always right. */
  useKernelQueue(): void {
    this.kernelQueue = true;
    this.followMask();
    this.giveBack();
  }

  /** What waits here because it is blocked waits in the kernel again, before what waits there. */
  private giveBack(): void {
    for (const info of this.waiting.drain()) {
      if (this.isBlocked(info.signal) && isHostBlockable(info.signal)) {
        this.host.putBack(info.signal, (view) => writeHostInfo(view, info));
      } else {
        this.waiting.push(info);
      }
    }
  }

  // Sending to this thread

  private requestPoll(): void {
    this.memory.write32(this.pollAt, 1);
  }

  /** Queues a signal that the kernel is not told of; it is delivered before guest code runs again. */
  queue(info: SigInfo): void {
    this.discardOpposite(info.signal);
    if (this.isIgnored(info.signal) && !this.isBlocked(info.signal)) return;
    if (this.isBlocked(info.signal) && isHostBlockable(info.signal)) {
      // What came before it is pending before it.
      if (this.kernelQueue) this.pull(this.blockedLow, this.blockedHigh);
      else if (info.signal <= 32) this.pull(1 << (info.signal - 1), 0);
      else this.pull(0, 1 << (info.signal - 33));
      this.waiting.push(info);
      // A stop signal has to be where the kernel finds it when the process is continued.
      if (this.kernelQueue || STOPS.includes(info.signal)) this.giveBack();
      return;
    }
    this.waiting.push(info);
    this.requestPoll();
  }

  /** How many signals wait here. */
  get waitingCount(): number {
    return this.waiting.length;
  }

  /** What a signal that is sent takes out of the queues: SIGCONT those that stop, and these SIGCONT. */
  discardOpposite(signal: number): void {
    if (signal === SIGCONT) {
      for (const n of STOPS) this.waiting.forget(n);
    } else if (STOPS.includes(signal)) {
      this.waiting.forget(SIGCONT);
      if (this.isBlocked(SIGCONT)) {
        this.followMask();
        this.host.takePending(SIGCONT);
      }
    }
  }

  /** Whether a signal sent now would end the process with a core file: then its death is reported here. */
  isDeadly(signal: number): boolean {
    return CORE_SIGNALS.includes(signal) && this.action(signal).handler === SIG_DFL && !this.isBlocked(signal);
  }

  /** An exception of the CPU: the handler's frame, or the end. */
  fault(exit: CpuException): void {
    const info = this.abi.exceptionToSignal(this.memory, this.env, exit, this.trap);
    if (info) this.force(info);
  }

  /** A signal that cannot be put off: blocked or ignored, it kills. */
  force(info: SigInfo): void {
    const { handler } = this.action(info.signal);
    if (handler === SIG_DFL || handler === SIG_IGN || this.isBlocked(info.signal)) this.die(info);
    this.runHandler(info);
    this.letIn();
  }

  // Delivery

  /**
   * Delivers what has arrived; called with the poll word set or a system call unfinished. `call` is then repeated or fails
   * with EINTR; `finish` stores a result.
   */
  deliver(call: UnfinishedCall | null, finish: (result: number) => void): void {
    for (;;) {
      this.memory.write32(this.pollAt, 0);
      this.collect();
      const info = this.next();
      if (!info) {
        // Nothing ran a handler: the call goes on as if nothing had been.
        if (call) this.abi.restartSyscall(this.memory, this.env);
        call = null;
        if (this.suspended) {
          [this.blockedLow, this.blockedHigh] = this.suspended;
          this.suspended = null;
          // Signals that only the other mask kept back.
          if (this.next(false)) continue;
        }
        this.letIn();
        if (this.memory.read32(this.pollAt) === 0) return;
        continue;
      }
      const action = this.action(info.signal);
      if (this.isIgnored(info.signal)) {
        this.updateHost(info.signal);
        continue;
      }
      if (action.handler === SIG_DFL) {
        this.defaultAction(info);
        continue;
      }
      if (call) {
        const again =
          call.error === ERESTARTNOINTR || (call.error === ERESTARTSYS && (action.flags & SA_RESTART) !== 0);
        if (again) this.abi.restartSyscall(this.memory, this.env);
        else finish(-EINTR);
        call = null;
      }
      this.runHandler(info);
    }
  }

  /** Moves what the host's handler noted to the waiting signals. Returns whether there was anything. */
  private collect(): boolean {
    let some = false;
    for (let info = this.host.take(); info; info = this.host.take()) {
      some = true;
      this.hostLow = this.hostHigh = -1;
      const arrived = readHostInfo(info);
      if (arrived.signal === SIGCONT || STOPS.includes(arrived.signal)) this.discardOpposite(arrived.signal);
      this.waiting.push(arrived);
    }
    // What came while it was being blocked is looked for in the kernel, where later ones wait already.
    if (some && this.kernelQueue && this.waiting.all.some(({ signal }) => this.isBlocked(signal))) {
      this.pull(this.blockedLow, this.blockedHigh);
      this.giveBack();
    }
    return some;
  }

  /** The next signal to deliver that no mask holds, taken out of the waiting ones unless `take` is false. */
  private next(take = true, low = 0, high = 0): SigInfo | undefined {
    const best = this.waiting.find((signal) => !this.isBlocked(signal) && !inMask(low, high, signal));
    if (best < 0) return undefined;
    const { signal, code } = this.waiting.all[best]!;
    if (!take) return this.waiting.all[best];
    if (code !== SI_TIMER) return this.waiting.take(best);
    // How often its timer has expired since it was noted is counted now, as the kernel would.
    const later = this.host.takePending(signal);
    if (later) this.waiting.push(readHostInfo(later));
    const expired = this.waiting.take(best);
    this.overruns.set(expired.words[0]!, expired.words[1]!);
    return expired;
  }

  private defaultAction(info: SigInfo): void {
    if (!STOPS.includes(info.signal)) this.die(info);
    // Stopping is the kernel's business; this returns when the process is continued.
    this.host.raiseDefault(info.signal);
    this.setCaught(info.signal, false);
    this.setHostMask();
  }

  /** Builds the frame of one handler. A stack that cannot take it is SIGSEGV, and the end if that is what was coming. */
  private runHandler(info: SigInfo): void {
    this.onSignal?.(info);
    const action = this.action(info.signal);
    if (action.flags & SA_RESETHAND) this.setAction(info.signal, { ...action, handler: SIG_DFL });
    const saved = this.suspended ?? [this.blockedLow, this.blockedHigh];
    const stackTop = this.frameTop(action.flags);
    const done =
      stackTop >= 0 &&
      this.abi.pushFrame(this.memory, this.env, {
        info,
        handler: action.handler,
        flags: action.flags,
        restorer: action.restorer,
        maskLow: saved[0],
        maskHigh: saved[1],
        stackTop,
        altStack: this.altStack,
        trap: this.trap,
        trampoline: () => this.trampoline(),
      });
    if (!done) {
      const segv = { signal: SIGSEGV, error: 0, code: SI_KERNEL, words: [0, 0] };
      if (info.signal === SIGSEGV) this.die(segv);
      this.force(segv);
      return;
    }
    this.suspended = null;
    if (this.altStack.flags & SS_AUTODISARM) this.altStack = NO_ALT_STACK;
    let low = this.blockedLow | action.maskLow;
    let high = this.blockedHigh | action.maskHigh;
    if (!(action.flags & SA_NODEFER)) {
      if (info.signal <= 32) low |= 1 << (info.signal - 1);
      else high |= 1 << (info.signal - 33);
    }
    low &= ~UNBLOCKABLE;
    if (low === this.blockedLow && high === this.blockedHigh) return;
    this.blockedLow = low;
    this.blockedHigh = high;
    this.catchBlocked();
    if (this.kernelQueue) this.setHostMask();
  }

  /** Whether a stack pointer lies on the alternate stack (kernel: on_sig_stack). */
  isOnAltStack(sp: number): boolean {
    const { altStack } = this;
    return !(altStack.flags & SS_AUTODISARM) && sp > altStack.sp && sp - altStack.sp <= altStack.size;
  }

  /** Where the frame goes below; -1 when it would overflow the alternate stack it is on. */
  private frameTop(flags: number): number {
    const sp = this.abi.stackPointer(this.memory, this.env);
    if (!(flags & SA_ONSTACK) || this.altStack.size === 0 || this.isOnAltStack(sp)) return sp;
    return this.altStack.sp + this.altStack.size;
  }

  private trampoline(): number {
    if (this.trampolinePage === 0) {
      const { trampolineCode } = this.abi;
      const page = this.memory.map(0, 4096, 3, 0x22, -1, 0);
      if (page < 0) return 0;
      this.memory.writeBytes(page, trampolineCode);
      this.memory.protect(page, 4096, 5);
      this.trampolinePage = page;
    }
    return this.trampolinePage;
  }

  /** Returns from a handler; a frame that cannot be read or restored is SIGSEGV. */
  sigreturn(siginfoFrame: boolean): void {
    const frame = this.abi.popFrame(this.memory, this.env, siginfoFrame);
    if (!frame) {
      this.force({ signal: SIGSEGV, error: 0, code: SI_KERNEL, words: [0, 0] });
      return;
    }
    if (frame.altStack) this.restoreAltStack(frame.altStack);
    this.setBlocked(frame.maskLow, frame.maskHigh);
  }

  /** A handler may have changed it through its ucontext; what the kernel would refuse is left alone. */
  private restoreAltStack({ sp, flags, size }: AltStack): void {
    const mode = flags & ~SS_AUTODISARM;
    if (mode === SS_DISABLE) this.altStack = NO_ALT_STACK;
    else if ((mode === 0 || mode === SS_ONSTACK) && size >= MINSIGSTKSZ)
      this.altStack = { sp, flags: flags & SS_AUTODISARM, size };
  }

  /** Ends the process as the signal does by default, after saying so. */
  die(info: SigInfo): never {
    this.onSignal?.(info);
    const pc = this.abi.programCounter(this.memory, this.env);
    const hex = (v: number): string => `0x${(v >>> 0).toString(16).padStart(8, '0')}`;
    const atFault = info.code > 0 && info.code < SI_KERNEL && (info.signal === SIGSEGV || info.signal === SIGBUS);
    const where = atFault ? `, address ${hex(info.words[0]!)}` : '';
    this.beforeDeath();
    if (CORE_SIGNALS.includes(info.signal)) {
      const text = `wemu: uncaught target signal ${info.signal} (${signalText(info.signal)}) - pc ${hex(pc)}${where}\n`;
      try {
        writeSync(2, text);
      } catch {
        // Nobody reads it.
      }
    }
    this.host.dieOf(info.signal);
  }
}
