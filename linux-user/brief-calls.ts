// Which waits of a program that has just started do not mean that it goes on for a while.

import { HostBuffer, SYS, sys2 } from '../src/host/syscall.ts';

/** Calls with which programs open, read and write files: others may wait for long. */
const BRIEF_CALLS: ReadonlySet<number> = new Set([
  ...[SYS.openat, SYS.openat2, SYS.read, SYS.readv, SYS.pread64, SYS.preadv, SYS.write, SYS.writev, SYS.pwrite64],
  ...[SYS.getdents64, SYS.fcntl, SYS.ioctl],
]);

/** Of the host's struct stat. */
const STAT_SIZE = 144;
const ST_MODE = 24;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/** A program that has read more often than that goes on for a while. */
const MOST_READS = 64;

let stat: HostBuffer | undefined;
let reads = 0;

/** Whether a host call, which may wait, hardly ever does for long. */
export function isBrief(call: number, descriptor: number): boolean {
  if (!BRIEF_CALLS.has(call)) return false;
  if (call !== SYS.read && call !== SYS.readv) return true;
  if (++reads > MOST_READS) return false;
  // Pipes, terminals and sockets have something when somebody else wants it.
  const { address, view } = (stat ??= new HostBuffer(STAT_SIZE));
  return sys2(SYS.fstat, descriptor, address) < 0 || (view.getUint32(ST_MODE, true) & S_IFMT) === S_IFREG;
}
