// The guest's memory read and written through a descriptor of /proc/self/mem, at the guest's addresses.

import { EBADF, EFAULT, EINVAL, EIO } from '../../src/host/errno.ts';
import { SYS, sys3, sys4 } from '../../src/host/syscall.ts';
import { PAGE_ACCESS, PAGE_MAPPED, PAGE_SHARED, PAGE_SIZE, PAGE_WRITE } from '../../src/memory/page-flags.ts';
import type { Process } from '../process.ts';

const SEEK_CUR = 1;
const F_GETFL = 3;
const O_ACCMODE = 3;
const O_RDONLY = 0;
const O_WRONLY = 1;
/** No call moves more (MAX_RW_COUNT). */
const MOST = 0x7ffff000;

/** Writes bytes to one page as a debugger does: also where the guest may not, unless others would see it. */
function force(p: Process, at: number, bytes: Uint8Array): boolean {
  const { memory } = p;
  const flags = memory.pages[Math.floor(at / PAGE_SIZE)]!;
  if (flags & PAGE_WRITE) return memory.writeBytes(at, bytes);
  if (flags & PAGE_SHARED) return false;
  const page = at - (at % PAGE_SIZE);
  if (memory.protect(page, PAGE_SIZE, (flags & PAGE_ACCESS) | PAGE_WRITE) < 0) return false;
  const done = memory.writeBytes(at, bytes);
  memory.protect(page, PAGE_SIZE, flags & PAGE_ACCESS);
  return done;
}

/**
 * read, write and their relatives with a position on a descriptor of /proc/self/mem. The host's position of the descriptor is
 * the guest's address.
 * @param position null: the descriptor's own, which moves
 */
export function moveOwnMemory(
  p: Process,
  fd: number,
  buffer: number,
  count: number,
  position: number | null,
  writes: boolean,
): number {
  const mode = sys3(SYS.fcntl, fd, F_GETFL, 0);
  if (mode < 0 || (mode & O_ACCMODE) === (writes ? O_RDONLY : O_WRONLY)) return -EBADF;
  if (position !== null && position < 0) return -EINVAL;
  const { memory } = p;
  const start = position ?? sys3(SYS.lseek, fd, 0, SEEK_CUR);
  const from = buffer >>> 0;
  const size = Math.min(count >>> 0, MOST);
  let done = 0;
  let error = 0;
  while (done < size && error === 0) {
    const at = start + done;
    const length = Math.min(PAGE_SIZE - (at % PAGE_SIZE), size - done);
    const there = at < memory.taskSize && (memory.pages[Math.floor(at / PAGE_SIZE)]! & PAGE_MAPPED) !== 0;
    if (!there) error = -EIO;
    else if (writes) {
      if (!memory.checkRead(from + done, length)) error = -EFAULT;
      else if (!force(p, at, memory.u8.slice(from + done, from + done + length))) error = -EIO;
    } else if (!memory.prepareWrite(from + done, length)) error = -EFAULT;
    else if (sys4(SYS.pread64, fd, p.base + from + done, length, p.base + at) !== length) error = -EIO;
    if (error === 0) done += length;
  }
  if (position === null && done > 0) sys3(SYS.lseek, fd, done, SEEK_CUR);
  return done > 0 ? done : error;
}
