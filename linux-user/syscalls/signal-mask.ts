// The signal mask that some waiting calls replace for their duration.

import { EFAULT, EINVAL } from '../../src/host/errno.ts';
import type { Process } from '../process.ts';

/** Bytes of a signal set: 64 signals on every ABI but MIPS, which has 128. */
const SIGSET_SIZE = 8;

/** Runs `wait` with the guest's mask replaced by the set at `mask`; NULL leaves it alone. 0.. or -errno. */
export function withSignalMask(p: Process, mask: number, size: number, wait: () => number): number {
  if (mask === 0) return wait();
  if (size !== SIGSET_SIZE) return -EINVAL;
  if (!p.memory.checkRead(mask, SIGSET_SIZE)) return -EFAULT;
  mask >>>= 0;
  // Words of the set in memory: longs, so the halves change places only where longs have 64 bits.
  const swap = !p.little && p.abi.model.longSize === 8;
  const low = p.view.getUint32(swap ? mask + 4 : mask, p.little);
  const high = p.view.getUint32(swap ? mask : mask + 4, p.little);
  return p.signals ? p.signals.withMask(low, high, wait) : wait();
}
