// System calls that move data through descriptors: read, write and their vector, positioned and in-kernel relatives.

import { EFAULT, EFBIG, EOVERFLOW } from '../../src/host/errno.ts';
import { SYS, sys2, sys3, sys4, sys5 } from '../../src/host/syscall.ts';
import { BAD_ADDRESS } from '../paths.ts';
import type { Process } from '../process.ts';
import { read64, write64 } from '../structs.ts';
import { wide } from './call.ts';
import { isMemoryFile, isSmallFile, positionOf } from './descriptor-notes.ts';
import { moveOwnMemory } from './own-memory.ts';
import type { Row, Rows, Unfolded } from './row.ts';
import { hostCopy, hostVector, MAX_IOV, toGuest } from './user-data.ts';

const SEEK_SET = 0;
const SEEK_CUR = 1;
const F_GETFL = 3;
const O_ACCMODE = 3;
const O_APPEND = 0x400;
const S_IFMT = 0xf000;
const S_IFREG = 0x8000;
const S_IFDIR = 0x4000;
/** Size of the host's struct stat, and offsets in it. */
const STAT_BYTES = 144;
const STAT_MODE = 24;
const STAT_SIZE = 48;

function read(p: Process, fd: number, buffer: number, count: number): number {
  count = p.room(buffer, count);
  if (isMemoryFile(fd)) return moveOwnMemory(p, fd, buffer, count, null, false);
  return p.wait(SYS.read, fd, p.out(buffer, count), count, 0, 0, 0);
}

function write(p: Process, fd: number, buffer: number, count: number): number {
  count = p.room(buffer, count);
  if (isMemoryFile(fd)) return moveOwnMemory(p, fd, buffer, count, null, true);
  if (isSmallFile(fd)) count = smallRoom(p, fd, count, null);
  return count === NO_ROOM ? -EFBIG : p.wait(SYS.write, fd, p.in(buffer), count, 0, 0, 0);
}

/** The largest file that can be written to by who did not ask for large ones (MAX_NON_LFS). */
const MAX_SMALL_FILE = 0x7fffffff;
/** No byte can be written; no size, so that it is not taken for one. */
const NO_ROOM = -1;

/**
 * How many of `count` bytes a file opened without O_LARGEFILE takes at `position` (null: the descriptor's own), or NO_ROOM.
 * The host, which always has large files, does not know that limit.
 */
function smallRoom(p: Process, fd: number, count: number, position: number | null): number {
  const flags = sys3(SYS.fcntl, fd, F_GETFL, 0);
  const { view, address } = p.scratch(STAT_BYTES);
  if (count === 0 || flags < 0 || (flags & O_ACCMODE) === 0 || sys2(SYS.fstat, fd, address) < 0) return count;
  if ((view.getUint32(STAT_MODE, true) & S_IFMT) !== S_IFREG) return count;
  const size = read64(view, STAT_SIZE, true, true);
  const at = flags & O_APPEND ? size : (position ?? sys3(SYS.lseek, fd, 0, SEEK_CUR));
  if (at < 0) return count;
  return at >= MAX_SMALL_FILE ? NO_ROOM : Math.min(count, MAX_SMALL_FILE - at);
}

/** Cuts a host vector in the scratch buffer to what `smallRoom` allows; how many elements are left, or -EFBIG. */
function cutVector(p: Process, fd: number, vector: () => number, count: number, position: number | null): number {
  // A second scratch structure would overwrite the vector: the room is asked for first.
  const room = smallRoom(p, fd, MAX_SMALL_FILE, position);
  if (room === NO_ROOM) return -EFBIG;
  const host = vector();
  const { view, address } = p.scratch(0);
  if (host !== address || count > MAX_IOV) return count;
  let left = room;
  for (let i = 0; i < count; i++) {
    const length = read64(view, 16 * i + 8, true, true);
    if (length < 0) return count;
    if (length > left) write64(view, 16 * i + 8, left, true);
    left -= Math.min(left, length);
  }
  return count;
}

function pread(p: Process, fd: number, buffer: number, count: number, offset: number): number {
  count = p.room(buffer, count);
  if (isMemoryFile(fd)) return moveOwnMemory(p, fd, buffer, count, offset, false);
  return p.wait(SYS.pread64, fd, p.out(buffer, count), count, offset, 0, 0);
}

function pwrite(p: Process, fd: number, buffer: number, count: number, offset: number): number {
  count = p.room(buffer, count);
  if (isMemoryFile(fd)) return moveOwnMemory(p, fd, buffer, count, offset, true);
  if (isSmallFile(fd)) count = smallRoom(p, fd, count, offset);
  return count === NO_ROOM ? -EFBIG : p.wait(SYS.pwrite64, fd, p.in(buffer), count, offset, 0, 0);
}

function readv(p: Process, fd: number, vector: number, count: number): number {
  return p.wait(SYS.readv, fd, hostVector(p, vector, count, true), count >>> 0, 0, 0, 0);
}

function writev(p: Process, fd: number, vector: number, count: number): number {
  count >>>= 0;
  let host = 0;
  const convert = () => (host = hostVector(p, vector, count, false));
  if (isSmallFile(fd)) {
    const cut = cutVector(p, fd, convert, count, null);
    if (cut < 0) return cut;
  } else convert();
  return p.wait(SYS.writev, fd, host, count, 0, 0, 0);
}

/** preadv, preadv2, pwritev, pwritev2: the host takes the position in one register and ignores the next. */
function positioned(call: number, isRead: boolean) {
  return (p: Process, fd: number, vector: number, count: number, position: number, flags: number): number => {
    count >>>= 0;
    let host = 0;
    const convert = () => (host = hostVector(p, vector, count, isRead));
    if (!isRead && isSmallFile(fd)) {
      // Position -1 of pwritev2 is the descriptor's own.
      const cut = cutVector(p, fd, convert, count, position === -1 && call === SYS.pwritev2 ? null : position);
      if (cut < 0) return cut;
    } else convert();
    return p.wait(call, fd, host, count, position, 0, flags);
  };
}

/** The host's position; 2^53 and more arrive as a BigInt. */
function seek(fd: number, offset: number | bigint, whence: number): number | bigint {
  const from = whence === SEEK_SET && typeof offset === 'number' ? positionOf(fd, offset) : offset;
  return sys3(SYS.lseek, fd, from, whence);
}

/** The end of a directory is 2^63 - 1: 32-bit programs see 2^31 - 1. */
function lseek(_: Process, fd: number, offset: number, whence: number): number {
  const position = seek(fd, offset, whence);
  return typeof position === 'number' ? position : 0x7fffffff;
}

/** File systems that hash names end their directories beyond 2^53; a 32-bit program gets a position that fits. */
function isDirectory(p: Process, fd: number): boolean {
  const { view, address } = p.scratch(STAT_BYTES);
  return sys2(SYS.fstat, fd, address) === 0 && (view.getUint32(STAT_MODE, true) & S_IFMT) === S_IFDIR;
}

function llseek(p: Process, fd: number, high: number, low: number, result: number, whence: number): number {
  const position = seek(fd, wide(high | 0, low), whence);
  if (position < 0) return Number(position);
  if (!p.memory.prepareWrite(result, 8)) return -EFAULT;
  if (typeof position === 'number') write64(p.view, result >>> 0, position, p.little);
  else if (isDirectory(p, fd)) write64(p.view, result >>> 0, 0x7fffffff, p.little);
  else p.view.setBigInt64(result >>> 0, position, p.little);
  return 0;
}

/** sendfile with a long for the offset, which the kernel stores back whatever came of the call. */
function sendfile(p: Process, out: number, from: number, offset: number, count: number): number {
  count >>>= 0;
  const room = isSmallFile(out) ? smallRoom(p, out, count, null) : count;
  const position = hostCopy(p, 'long', offset);
  const start = position === 0 || position === BAD_ADDRESS ? -1 : read64(p.scratch(0).view, 0, true, true);
  // A position of 32 bits goes no further than such a file.
  const least = start < 0 || p.abi.model.longSize === 8 ? room : Math.min(room, MAX_SMALL_FILE - start);
  if (count > 0 && least <= 0) {
    const wrong = p.wait(SYS.sendfile, out, from, position, 0, 0, 0);
    if (wrong < 0) return wrong;
    return start >= MAX_SMALL_FILE ? -EOVERFLOW : -EFBIG;
  }
  const result = p.wait(SYS.sendfile, out, from, position, least, 0, 0);
  const stored = position === 0 || position === BAD_ADDRESS ? 0 : toGuest(p, 'long', 0, offset);
  return stored < 0 ? stored : result;
}

function vmsplice(p: Process, fd: number, vector: number, count: number, flags: number): number {
  return p.wait(SYS.vmsplice, fd, hostVector(p, vector, count, true), count >>> 0, flags, 0, 0);
}

function arm_sync_file_range(_: Process, fd: number, flags: number, offset: number, length: number): number {
  return sys5(SYS.sync_file_range, fd, offset, length, flags, 0);
}

function arm_fadvise64_64(_: Process, fd: number, advice: number, offset: number, length: number): number {
  return sys4(SYS.fadvise64, fd, offset, length, advice);
}

/** `row` with what a file opened without O_LARGEFILE takes: arguments with the descriptor, its position (-1: none) and the count. */
function intoSmallFile(name: string, row: Row, out: number, position: number, count: number): Row {
  const full: Row = { ...row, run: () => -EFBIG };
  const unfold = (p: Process, args: number[]): Unfolded | null => {
    if (!isSmallFile(args[out]!)) return null;
    const pointer = position < 0 ? 0 : args[position]!;
    if (pointer !== 0 && !p.memory.checkRead(pointer, 8)) return null;
    const at = pointer === 0 ? null : read64(p.view, pointer >>> 0, true, p.little);
    const room = smallRoom(p, args[out]!, args[count]! >>> 0, at);
    if (room === NO_ROOM) return { name, row: full, args };
    return { name, row, args: args.with(count, room) };
  };
  return { ...row, unfold };
}

export const IO_ROWS = {
  read: { args: 'fd fd, out bytes[count:result] buf, size count', run: read, blocks: true },
  write: { args: 'fd fd, in bytes[count] buf, size count', run: write, blocks: true },
  pread64: { args: 'fd fd, out bytes[count:result] buf, size count, loff offset', run: pread, blocks: true },
  pwrite64: { args: 'fd fd, in bytes[count] buf, size count, loff offset', run: pwrite, blocks: true },
  readv: { args: 'fd fd, in iovec[vlen] vec, size vlen', run: readv, blocks: true },
  writev: { args: 'fd fd, in iovec[vlen] vec, size vlen', run: writev, blocks: true },
  preadv: {
    args: 'fd fd, in iovec[vlen] vec, size vlen, loffpair pos',
    run: positioned(SYS.preadv, true),
    blocks: true,
  },
  pwritev: {
    args: 'fd fd, in iovec[vlen] vec, size vlen, loffpair pos',
    run: positioned(SYS.pwritev, false),
    blocks: true,
  },
  preadv2: {
    args: 'fd fd, in iovec[vlen] vec, size vlen, loffpair pos, flags:rwf flags',
    run: positioned(SYS.preadv2, true),
    blocks: true,
  },
  pwritev2: {
    args: 'fd fd, in iovec[vlen] vec, size vlen, loffpair pos, flags:rwf flags',
    run: positioned(SYS.pwritev2, false),
    blocks: true,
  },
  lseek: { args: 'fd fd, off offset, enum:whence whence', run: lseek },
  _llseek: { args: 'fd fd, ulong high, ulong low, out s64 result, enum:whence whence', run: llseek },

  sendfile: { args: 'fd out_fd, fd in_fd, inout long offset, size count', run: sendfile, blocks: true },
  sendfile64: intoSmallFile(
    'sendfile64',
    { args: 'fd out_fd, fd in_fd, inout s64 offset, size count', run: 'sendfile', blocks: true },
    0,
    -1,
    3,
  ),
  copy_file_range: intoSmallFile(
    'copy_file_range',
    {
      args: 'fd fd_in, inout s64 off_in, fd fd_out, inout s64 off_out, size len, uint flags',
      run: 'copy_file_range',
      blocks: true,
    },
    2,
    3,
    4,
  ),
  splice: intoSmallFile(
    'splice',
    {
      args: 'fd fd_in, inout s64 off_in, fd fd_out, inout s64 off_out, size len, flags:splice flags',
      run: 'splice',
      blocks: true,
    },
    2,
    3,
    4,
  ),
  tee: { args: 'fd fd_in, fd fd_out, size len, flags:splice flags', run: 'tee', blocks: true },
  vmsplice: { args: 'fd fd, in iovec[count] iov, size count, flags:splice flags', run: vmsplice, blocks: true },

  fsync: { args: 'fd fd', run: 'fsync', blocks: true },
  fdatasync: { args: 'fd fd', run: 'fdatasync', blocks: true },
  sync: { args: '', run: 'sync' },
  syncfs: { args: 'fd fd', run: 'syncfs' },
  sync_file_range: { args: 'fd fd, loff offset, loff nbytes, flags:sync_file flags', run: 'sync_file_range' },
  arm_sync_file_range: {
    args: 'fd fd, flags:sync_file flags, loff offset, loff nbytes',
    run: arm_sync_file_range,
  },
  readahead: { args: 'fd fd, loff offset, size count', run: 'readahead' },
  fadvise64: { args: 'fd fd, loff offset, size len, enum:fadvise advice', run: 'fadvise64' },
  fadvise64_64: { args: 'fd fd, loff offset, loff len, enum:fadvise advice', run: 'fadvise64' },
  arm_fadvise64_64: { args: 'fd fd, enum:fadvise advice, loff offset, loff len', run: arm_fadvise64_64 },
  fallocate: { args: 'fd fd, flags:fallocate mode, loff offset, loff len', run: 'fallocate', blocks: true },
  truncate: { args: 'rawpath path, off length', run: 'truncate' },
  truncate64: { args: 'rawpath path, loff length', run: 'truncate' },
  ftruncate: { args: 'fd fd, off length', run: 'ftruncate' },
  ftruncate64: { args: 'fd fd, loff length', run: 'ftruncate' },
  cachestat: {
    args: 'fd fd, in cachestat_range range, out cachestat stat, uint flags',
    run: 'cachestat',
  },
} satisfies Rows;
