// The signal mask that some waiting calls replace for their duration.

import { EFAULT, EINVAL } from '../../src/host/errno.ts';
import { sys6 } from '../../src/host/syscall.ts';
import type { Process } from '../process.ts';

/** Bytes of a signal set: 64 signals on every ABI but MIPS, which has 128. */
const SIGSET_SIZE = 8;

/** Makes a host call: as one that may wait, or at once. */
export type Call = (number: number, a: number, b: number, c: number, d: number, e: number, f: number) => number;

/** A call for descriptors that are ready; `look`: without waiting. */
type Wait = (call: Call, look: boolean) => number;

/**
 * Runs `wait` with the guest's mask replaced by the set at `mask`; NULL leaves it alone. 0.. or -errno. A signal that only this
 * mask lets through interrupts the call when it finds nothing, as the kernel looks at descriptors first.
 * @param interruptible whether also a call that shall not wait is interrupted where it finds nothing
 */
export function withSignalMask(p: Process, mask: number, size: number, wait: Wait, interruptible = true): number {
  const waits: Call = (...args) => p.wait(...args);
  const look = (): number | null => {
    const result = wait(sys6, true);
    return result === 0 && interruptible ? null : result;
  };
  if (mask === 0) return wait(waits, false);
  if (size !== SIGSET_SIZE) return -EINVAL;
  if (!p.memory.checkRead(mask, SIGSET_SIZE)) return -EFAULT;
  mask >>>= 0;
  // Words of the set in memory: longs, so the halves change places only where longs have 64 bits.
  const swap = !p.little && p.abi.model.longSize === 8;
  const low = p.view.getUint32(swap ? mask + 4 : mask, p.little);
  const high = p.view.getUint32(swap ? mask : mask + 4, p.little);
  if (p.signals === null) return wait(waits, false);
  return p.signals.withMask(low, high, () => wait(waits, false), look);
}
