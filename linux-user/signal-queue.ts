// Signals that wait in the emulator: which are kept, and which comes first.

import {
  isForThread,
  mergeExpirations,
  SIGBUS,
  SIGFPE,
  SIGILL,
  SIGSEGV,
  SIGSYS,
  SIGTRAP,
  type SigInfo,
} from './siginfo.ts';

/** Signals below this number are pending at most once. */
const SIGRTMIN = 32;
/** Signals that say what an instruction did; the kernel takes them before all others (kernel/signal.c, next_signal). */
const SYNCHRONOUS: readonly number[] = [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS];

/** Where the signal stands among those that are pending: those for the thread first, then by what it is about, then by number. */
function rank(info: SigInfo): number {
  return (isForThread(info) ? 0 : 256) + (SYNCHRONOUS.includes(info.signal) ? 0 : 128) + info.signal;
}

export class SignalQueue {
  private readonly list: SigInfo[] = [];

  get all(): readonly SigInfo[] {
    return this.list;
  }

  get length(): number {
    return this.list.length;
  }

  /**
   * Puts one behind the others; below the real-time signals one instance is kept of those for the thread and of the others,
   * and of each timer one in any case.
   */
  push(info: SigInfo): void {
    for (const [k, older] of this.list.entries()) {
      const merged = mergeExpirations(older, info);
      if (!merged) continue;
      this.list[k] = merged;
      return;
    }
    const twice = info.signal < SIGRTMIN || info.lost;
    const same = (other: SigInfo): boolean => other.signal === info.signal && isForThread(other) === isForThread(info);
    if (!twice || !this.list.some(same)) this.list.push(info);
  }

  /** Where the first one stands, in the order of delivery, of a signal that `wanted` takes; -1: there is none. */
  find(wanted: (signal: number) => boolean): number {
    let best = -1;
    for (const [k, info] of this.list.entries()) {
      if (wanted(info.signal) && (best < 0 || rank(info) < rank(this.list[best]!))) best = k;
    }
    return best;
  }

  /** Takes out the one at a place that `find` gave. */
  take(place: number): SigInfo {
    return this.list.splice(place, 1)[0]!;
  }

  /** Takes out all. */
  drain(): SigInfo[] {
    return this.list.splice(0);
  }

  /** Drops all of one signal. */
  forget(signal: number): void {
    for (let k = this.list.length - 1; k >= 0; k--) if (this.list[k]!.signal === signal) this.list.splice(k, 1);
  }

  /** Which signals are there: 1 to 32, 33 to 64. */
  signals(): [low: number, high: number] {
    let [low, high] = [0, 0];
    for (const { signal } of this.list) {
      if (signal <= 32) low |= 1 << (signal - 1);
      else high |= 1 << (signal - 33);
    }
    return [low, high];
  }
}
