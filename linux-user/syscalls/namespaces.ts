// Entering namespaces: what the kernel refuses to a process with threads is done while the engine has none.

import { EINVAL } from '../../src/host/errno.ts';
import { callAlone } from '../../src/host/signals.ts';
import { SYS, sys1, sys2 } from '../../src/host/syscall.ts';
import { openProc } from '../host-descriptors.ts';
import type { Process } from '../process.ts';
import { withNewRoot } from './files.ts';

const CLONE_NEWTIME = 0x80;
const CLONE_NEWPID = 0x20000000;
const EUSERS = 87;

/** Namespaces that only children enter: from then on the process itself cannot make threads, whose namespaces would differ. */
const OF_CHILDREN = CLONE_NEWPID | CLONE_NEWTIME;

/**
 * Makes the call as it is; where the kernel refuses that, without the engine's threads. What only children enter then comes
 * after these are back, and is not refused to a process with threads.
 * @param call makes the host's call with these CLONE_* flags
 */
function enter(p: Process, flags: number, number: number, args: (flags: number) => [a: number, b: number]): number {
  const plain = (some: number): number =>
    number === SYS.unshare ? sys1(number, args(some)[0]) : sys2(number, ...args(some));
  return withNewRoot(p, () => {
    const result = plain(flags);
    const { signals } = p;
    const proc = result === -EINVAL || result === -EUSERS ? openProc() : -1;
    if (proc < 0 || signals === null) return result;
    const later = flags & ~OF_CHILDREN ? flags & OF_CHILDREN : 0;
    const first = signals.withAllBlocked(() => callAlone(proc, number, ...args(flags & ~later)));
    return first < 0 || later === 0 ? first : plain(later);
  });
}

export function unshare(p: Process, flags: number): number {
  return enter(p, flags, SYS.unshare, (some) => [some >>> 0, 0]);
}

/** @param type CLONE_*: which kind is expected, or for a descriptor of a process which are entered */
export function setns(p: Process, fd: number, type: number): number {
  return enter(p, type, SYS.setns, (some) => [fd, some >>> 0]);
}
