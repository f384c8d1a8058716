// System calls about resource limits, their use, and priorities.

import { EACCES, EFAULT, EINVAL, EPERM } from '../../src/host/errno.ts';
import { SYS, sys0, sys2, sys3, sys4 } from '../../src/host/syscall.ts';
import type { Limit, Process } from '../process.ts';
import { read64 } from '../structs.ts';
import type { Rows } from './row.ts';
import { toGuest } from './user-data.ts';

const RLIMIT_DATA = 2;
const RLIMIT_STACK = 3;
const RLIMIT_AS = 9;
export const RLIMIT_SIGPENDING = 11;
/** RLIM_INFINITY as the kernel's 64-bit calls have it, rounded as a number: only ever compared. */
const INFINITE = 2 ** 64;
/** Largest limit the old getrlimit shows. */
const OLD_MOST = 0x7fffffff;

/**
 * Limits that would strangle the emulator, whose own address space is many times the guest's, and which stops its threads by
 * signals with a value when the guest forks.
 */
function isKept(resource: number): boolean {
  return [RLIMIT_DATA, RLIMIT_STACK, RLIMIT_AS, RLIMIT_SIGPENDING].includes(resource);
}

/** The limit of this process as the guest sees it, or -errno. */
export function getLimit(p: Process, resource: number): Limit | number {
  const kept = p.limits.get(resource);
  if (kept) return kept;
  const { view, address } = p.scratch(16);
  const result = sys4(SYS.prlimit64, 0, resource, 0, address);
  return result < 0 ? result : { soft: read64(view, 0, false, true), hard: read64(view, 8, false, true) };
}

/** Sets a limit of this process; kept ones are checked as the kernel does it and remembered here. */
function setLimit(p: Process, resource: number, limit: Limit): number {
  if (isKept(resource)) {
    const old = getLimit(p, resource);
    if (typeof old === 'number') return old;
    if (limit.soft > limit.hard) return -EINVAL;
    if (limit.hard > old.hard && sys0(SYS.geteuid) !== 0) return -EPERM;
    p.limits.set(resource, limit);
    return 0;
  }
  const { view, address } = p.scratch(16);
  const words = [limit.soft, limit.hard];
  words.forEach((value, i) => {
    const low = value >= INFINITE ? 0xffffffff : value % 2 ** 32;
    const high = value >= INFINITE ? 0xffffffff : Math.floor(value / 2 ** 32);
    view.setUint32(i * 8, low, true);
    view.setUint32(i * 8 + 4, high, true);
  });
  return sys4(SYS.prlimit64, 0, resource, address, 0);
}

/** Reads a guest's struct rlimit or rlimit64. */
function readLimit(p: Process, name: 'rlimit' | 'rlimit64', pointer: number): Limit | undefined {
  const size = p.structs.sizeOf(name) / 2;
  if (!p.memory.checkRead(pointer, size * 2)) return undefined;
  pointer >>>= 0;
  const [soft, hard] = [pointer, pointer + size].map((at) => {
    if (size === 8) return read64(p.view, at, false, p.little);
    const value = p.view.getUint32(at, p.little);
    return value === 0xffffffff ? INFINITE : value;
  });
  return { soft: soft!, hard: hard! };
}

/** Stores a limit, infinite and too large ones as `most`. */
function storeLimit(p: Process, name: 'rlimit' | 'rlimit64', limit: Limit, pointer: number, most: number): number {
  const size = p.structs.sizeOf(name) / 2;
  if (!p.memory.prepareWrite(pointer, size * 2)) return -EFAULT;
  [limit.soft, limit.hard].forEach((value, i) => {
    const at = (pointer >>> 0) + i * size;
    const shown = Math.min(value, most);
    const low = shown >= INFINITE ? 0xffffffff : shown % 2 ** 32;
    const high = shown >= INFINITE ? 0xffffffff : Math.floor(shown / 2 ** 32);
    if (size === 4) p.view.setUint32(at, low, p.little);
    else {
      p.view.setUint32(p.little ? at : at + 4, low, p.little);
      p.view.setUint32(p.little ? at + 4 : at, high, p.little);
    }
  });
  return 0;
}

function getrlimit(p: Process, resource: number, pointer: number, most: number): number {
  const limit = getLimit(p, resource);
  if (typeof limit === 'number') return limit;
  return storeLimit(p, 'rlimit', limit, pointer, most);
}

function setrlimit(p: Process, resource: number, pointer: number): number {
  const limit = readLimit(p, 'rlimit', pointer);
  return limit ? setLimit(p, resource, limit) : -EFAULT;
}

function prlimit64(p: Process, pid: number, resource: number, newLimit: number, oldLimit: number): number {
  if (pid !== 0 && pid !== process.pid) {
    return sys4(SYS.prlimit64, pid, resource, p.in(newLimit), p.out(oldLimit, 16));
  }
  const wanted = newLimit === 0 ? undefined : readLimit(p, 'rlimit64', newLimit);
  if (newLimit !== 0 && !wanted) return -EFAULT;
  const old = getLimit(p, resource);
  if (typeof old === 'number') return old;
  const result = wanted ? setLimit(p, resource, wanted) : 0;
  return result < 0 || oldLimit === 0 ? result : storeLimit(p, 'rlimit64', old, oldLimit, INFINITE);
}

function getrusage(p: Process, who: number, pointer: number): number {
  const result = sys2(SYS.getrusage, who, p.scratch(144).address);
  return result < 0 ? result : toGuest(p, 'rusage', 0, pointer);
}

export const LIMIT_ROWS = {
  getrlimit: {
    args: 'enum:rlimit resource, out rlimit rlim',
    run: (p, resource, rlim) => getrlimit(p, resource, rlim, p.abi.model.longSize === 8 ? INFINITE : 0xffffffff),
  },
  old_getrlimit: {
    args: 'enum:rlimit resource, out rlimit rlim',
    run: (p, resource, rlim) => getrlimit(p, resource, rlim, OLD_MOST),
  },
  setrlimit: { args: 'enum:rlimit resource, in rlimit rlim', run: setrlimit },
  prlimit64: {
    args: 'pid pid, enum:rlimit resource, in rlimit64 new_limit, out rlimit64 old_limit',
    run: prlimit64,
  },
  getrusage: { args: 'enum:rusage who, out rusage usage', run: getrusage },
  getpriority: { args: 'enum:priority which, int who', run: 'getpriority' },
  setpriority: { args: 'enum:priority which, int who, int prio', run: 'setpriority' },
  nice: { args: 'int inc', run: nice },
  ioprio_get: { args: 'int which, int who', run: 'ioprio_get' },
  ioprio_set: { args: 'int which, int who, int ioprio', run: 'ioprio_set' },
} satisfies Rows;

const PRIO_PROCESS = 0;

/** nice(2), which 64-bit kernels do not have: a change relative to the current value. */
function nice(_: Process, increment: number): number {
  // The call returns 20 - nice, so that errors stay negative.
  const current = 20 - sys2(SYS.getpriority, PRIO_PROCESS, 0);
  const wanted = Math.max(-20, Math.min(19, current + Math.max(-40, Math.min(40, increment))));
  const result = sys3(SYS.setpriority, PRIO_PROCESS, 0, wanted);
  // Raising the priority without the right to is EPERM here and EACCES in setpriority.
  return result === -EACCES ? -EPERM : result;
}
