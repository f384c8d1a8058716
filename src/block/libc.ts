// C library calls node:fs lacks: sparse seeking, fallocate, OFD locks, reads that never wait for the disk.
import { dlopen, FFIType, type Pointer, ptr, read } from 'bun:ffi';
import { BlockError, ERRNO, errnoError } from './errors.ts';

/** 64-bit integers that come back as numbers where they fit. */
const I64 = FFIType.i64_fast;

const SIGNATURES = {
  __errno_location: { args: [], returns: 'ptr' },
  lseek: { args: ['i32', I64, 'i32'], returns: I64 },
  fallocate: { args: ['i32', 'i32', I64, I64], returns: 'i32' },
  fcntl: { args: ['i32', 'i32', 'ptr'], returns: 'i32' },
  ioctl: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
  preadv2: { args: ['i32', 'ptr', 'i32', I64, 'i32'], returns: I64 },
  dup: { args: ['i32'], returns: 'i32' },
  pwrite: { args: ['i32', 'ptr', 'u64', I64], returns: I64 },
} as const;

let loaded: ReturnType<typeof open> | undefined;

function open() {
  return dlopen('libc.so.6', SIGNATURES).symbols;
}

function libc() {
  return (loaded ??= open());
}

function lastErrno(): number {
  return read.i32(libc().__errno_location() as Pointer, 0);
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** Whether the byte at `offset` is data or hole, and where that ends; 'eof' at or past the end of the file. */
export interface Extent {
  kind: 'data' | 'hole' | 'eof';
  /** Offset of the first byte of another kind (or of the end of file). */
  end: number;
}

/**
 * Asks the file system what lies at `offset` (lseek(2) SEEK_DATA, SEEK_HOLE). Undefined where it cannot tell.
 */
export function findExtent(fd: number, offset: number): Extent | undefined {
  const c = libc();
  const data = Number(c.lseek(fd, offset, SEEK_DATA));
  if (data < 0) {
    if (lastErrno() !== ERRNO.ENXIO) return undefined;
    // Either past the end, or in a hole that reaches it.
    const size = Number(c.lseek(fd, 0, 2));
    if (size < 0) return undefined;
    return size <= offset ? { kind: 'eof', end: offset } : { kind: 'hole', end: size };
  }
  if (data > offset) return { kind: 'hole', end: data };
  const hole = Number(c.lseek(fd, offset, SEEK_HOLE));
  // hole == offset would be a file changing under us: report nothing rather than an empty extent.
  if (hole <= offset) return undefined;
  return { kind: 'data', end: hole };
}

/** Size of a file or block device by seeking to its end; negative errno on failure. */
export function seekEnd(fd: number): number {
  const size = Number(libc().lseek(fd, 0, 2));
  return size < 0 ? -lastErrno() : size;
}

/** fallocate(2) modes: allocate, zero a range, free a range. */
export const FALLOC = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 0x10 } as const;

/** fallocate(2); returns 0 or the errno. */
export function fallocate(fd: number, mode: number, offset: number, bytes: number): number {
  for (;;) {
    if (libc().fallocate(fd, mode, offset, bytes) === 0) return 0;
    const errno = lastErrno();
    if (errno !== ERRNO.EINTR) return errno;
  }
}

const RWF_NOWAIT = 8;
const iovec = new Uint32Array(4);
let nowaitRefused = false;

/**
 * Reads what the page cache holds without waiting for the disk (preadv2(2), RWF_NOWAIT). Returns the bytes read, which
 * may be fewer than asked for, or -1 when nothing could be read at once.
 */
export function readCached(fd: number, buffer: Uint8Array, offset: number): number {
  if (nowaitRefused) return -1;
  const address = Number(ptr(buffer));
  iovec[0] = address >>> 0;
  iovec[1] = Math.floor(address / 2 ** 32);
  iovec[2] = buffer.length >>> 0;
  iovec[3] = 0;
  const n = Number(libc().preadv2(fd, ptr(iovec), 1, offset, RWF_NOWAIT));
  if (n < 0) {
    const errno = lastErrno();
    if (errno === ERRNO.EOPNOTSUPP || errno === ERRNO.ENOSYS) nowaitRefused = true;
    return -1;
  }
  return n;
}

/** Writes the whole buffer now; returns 0 or the errno. */
export function writeNow(fd: number, buffer: Uint8Array, offset: number): number {
  let at = 0;
  while (at < buffer.length) {
    const n = Number(libc().pwrite(fd, ptr(buffer, at), buffer.length - at, offset + at));
    if (n < 0) {
      const errno = lastErrno();
      if (errno !== ERRNO.EINTR) return errno;
    } else if (n === 0) {
      return ERRNO.ENOSPC;
    } else {
      at += n;
    }
  }
  return 0;
}

const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;

/** struct flock of 64-bit Linux: type and whence (16 bits each), start at 8, length at 16, pid at 24. */
const flock = new DataView(new ArrayBuffer(32));

function fillFlock(type: number, start: number, length: number): void {
  flock.setInt16(0, type, true);
  flock.setInt16(2, 0, true);
  flock.setBigInt64(8, BigInt(start), true);
  flock.setBigInt64(16, BigInt(length), true);
  flock.setInt32(24, 0, true);
}

/** Takes or drops a shared OFD lock on a byte range; returns 0 or the errno (fcntl(2), open file description locks). */
export function setOfdLock(fd: number, start: number, length: number, take: boolean): number {
  fillFlock(take ? F_RDLCK : F_UNLCK, start, length);
  return libc().fcntl(fd, F_OFD_SETLK, ptr(flock)) < 0 ? lastErrno() : 0;
}

/** Whether an exclusive lock on the range would fail because somebody else holds it; negative errno on failure. */
export function testOfdLock(fd: number, start: number, length: number): boolean | number {
  fillFlock(F_WRLCK, start, length);
  if (libc().fcntl(fd, F_OFD_GETLK, ptr(flock)) < 0) return -lastErrno();
  return flock.getInt16(0, true) !== F_UNLCK;
}

const BLKGETSIZE64 = 0x80081272;
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_NOCOW_FL = 0x00800000;

/** Size in bytes of a block device. */
export function blockDeviceSize(fd: number): number {
  const out = new BigUint64Array(1);
  if (libc().ioctl(fd, BLKGETSIZE64, ptr(out)) < 0) throw errnoError(lastErrno());
  return Number(out[0]);
}

/** Sets the no-copy-on-write attribute of an empty file where the file system has one; otherwise does nothing. */
export function setNoCow(fd: number): void {
  const flags = new BigUint64Array(1);
  if (libc().ioctl(fd, FS_IOC_GETFLAGS, ptr(flags)) < 0) return;
  flags[0] |= BigInt(FS_NOCOW_FL);
  libc().ioctl(fd, FS_IOC_SETFLAGS, ptr(flags));
}

/** A second descriptor for the same open file description; negative errno on failure. */
export function dup(fd: number): number {
  const copy = libc().dup(fd);
  return copy < 0 ? -lastErrno() : copy;
}

/** Throws for a non-zero errno. */
export function check(errno: number, what?: string): void {
  if (errno === 0) return;
  throw what ? new BlockError(`${what}: ${errnoError(errno).message}`, errno) : errnoError(errno);
}
