// What becomes of the locks a program holds when it ends: the list of robust futexes (get_robust_list(2)) is worked off.

import { SYS, sys6 } from '../src/host/syscall.ts';
import type { Process } from './process.ts';

const FUTEX_WAITERS = 0x80000000 | 0;
const FUTEX_OWNER_DIED = 0x40000000;
const FUTEX_TID_MASK = 0x3fffffff;
const FUTEX_WAKE = 1;
/** The kernel follows no more entries (ROBUST_LIST_LIMIT). */
const MOST_ENTRIES = 2048;

/**
 * Marks the futexes that the program holds as their owner's dead and wakes who waits for them, as the kernel does at exit
 * and exec. Where the list cannot be read it ends. A process that the host kills itself (SIGKILL, or another signal from
 * outside that the program has left alone) does not get here: its locks stay taken.
 */
export function releaseRobustList(p: Process): void {
  const head = p.robustList;
  p.robustList = 0;
  if (head === 0) return;
  const word = p.abi.model.longSize;
  const pending = p.readWord(head + 2 * word);
  const offset = p.readWord(head + word);
  let entry = p.readWord(head);
  if (entry === undefined || offset === undefined || pending === undefined) return;
  for (let n = 0; n < MOST_ENTRIES && address(entry) !== head; n++) {
    const next: number | undefined = p.readWord(address(entry));
    if (address(entry) !== address(pending) && !release(p, entry, offset, false)) return;
    if (next === undefined) return;
    entry = next;
  }
  if (address(pending) !== 0) release(p, pending, offset, true);
}

/** The lowest bit of a pointer to an entry says that it is a lock with priority inheritance. */
function address(entry: number): number {
  return (entry & ~1) >>> 0;
}

/** One futex; false when the list cannot be followed further. */
function release(p: Process, entry: number, offset: number, pending: boolean): boolean {
  const at = (address(entry) + offset) >>> 0;
  if (at & 3 || !p.memory.checkRead(at, 4)) return false;
  const inherits = (entry & 1) !== 0;
  const words = p.memory.i32;
  for (;;) {
    const stored = Atomics.load(words, at >>> 2);
    const value = p.little ? stored : swap(stored);
    // About to be taken or just given back: whoever waits must look again.
    if (pending && !inherits && value === 0) wake(p, at);
    if ((value & FUTEX_TID_MASK) !== process.pid) return true;
    const left = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    if (!p.memory.prepareWrite(at, 4)) return false;
    if (Atomics.compareExchange(words, at >>> 2, stored, p.little ? left : swap(left)) !== stored) continue;
    if (!inherits && value & FUTEX_WAITERS) wake(p, at);
    return true;
  }
}

function swap(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}

function wake(p: Process, at: number): void {
  sys6(SYS.futex, p.base + at, FUTEX_WAKE, 1, 0, 0, 0);
}
