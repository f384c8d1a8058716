// System calls: those node:fs lacks (sparse seeking, fallocate, OFD locks, reads that never wait), and the few others that
// short commands need without loading it.
import { bytesOfName } from './bytes.ts';
import { BlockError, ERRNO, errnoError } from './errors.ts';

/**
 * The engine's own half of bun:ffi. The module around it takes 0.7 ms to load, a tenth of a short command; the version of Bun
 * is pinned, so what lies under it can be relied on.
 */
const FFI = (Bun as unknown as { FFI: NativeFfi }).FFI;

interface NativeFfi {
  dlopen(
    library: string,
    symbols: Record<string, { args: readonly number[]; returns: number }>,
  ): { symbols: { syscall: (...args: (number | bigint)[]) => number | bigint; __errno_location: () => number } };
  ptr(buffer: NodeJS.TypedArray | DataView, offset?: number): number;
  read: { i32(pointer: number, offset: number): number };
}

/** FFIType.i64_fast: 64-bit integers that come back as numbers where they fit; FFIType.ptr. */
const I64 = 15;
const POINTER = 12;

/** System call numbers of x86-64 (asm/unistd_64.h). */
const NR = {
  read: 0,
  write: 1,
  open: 2,
  close: 3,
  stat: 4,
  fstat: 5,
  lseek: 8,
  rt_sigaction: 13,
  ioctl: 16,
  pread64: 17,
  pwrite64: 18,
  dup: 32,
  fcntl: 72,
  fsync: 74,
  ftruncate: 77,
  unlink: 87,
  fstatfs: 138,
  fallocate: 285,
  dup3: 292,
  copy_file_range: 326,
  preadv2: 327,
} as const;

/**
 * One entry for every call: binding a function takes a quarter of a millisecond, which a dozen of them would turn into a
 * visible part of short commands.
 */
const SIGNATURES = {
  syscall: { args: [I64, I64, I64, I64, I64, I64, I64], returns: I64 },
  __errno_location: { args: [], returns: POINTER },
} as const;

let loaded: ReturnType<typeof open> | undefined;

function open() {
  return FFI.dlopen('libc.so.6', SIGNATURES).symbols;
}

/** Makes a system call; -1 on failure, with the errno in lastErrno. */
function call(nr: number, a: number, b = 0, c = 0, d: number | bigint = 0, e = 0, f = 0): number {
  const { syscall } = (loaded ??= open());
  return Number(syscall(nr, a, b, c, d, e, f));
}

function lastErrno(): number {
  return FFI.read.i32(loaded!.__errno_location(), 0);
}

/** Address of a buffer as a number. The buffer must stay referenced until the call is over. */
function at(buffer: NodeJS.TypedArray | DataView, offset = 0): number {
  return buffer.byteLength === offset ? 0 : FFI.ptr(buffer, offset);
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
  const data = call(NR.lseek, fd, offset, SEEK_DATA);
  if (data < 0) {
    if (lastErrno() !== ERRNO.ENXIO) return undefined;
    // Either past the end, or in a hole that reaches it.
    const size = call(NR.lseek, fd, 0, 2);
    if (size < 0) return undefined;
    return size <= offset ? { kind: 'eof', end: offset } : { kind: 'hole', end: size };
  }
  if (data > offset) return { kind: 'hole', end: data };
  const hole = call(NR.lseek, fd, offset, SEEK_HOLE);
  // hole == offset would be a file changing under us: report nothing rather than an empty extent.
  if (hole <= offset) return undefined;
  return { kind: 'data', end: hole };
}

/** Size of a file or block device by seeking to its end; negative errno on failure. */
export function seekEnd(fd: number): number {
  const size = call(NR.lseek, fd, 0, 2);
  return size < 0 ? -lastErrno() : size;
}

/** fallocate(2) modes: allocate, zero a range, free a range. */
export const FALLOC = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 0x10 } as const;

/** fallocate(2); returns 0 or the errno. */
export function fallocate(fd: number, mode: number, offset: number, bytes: number): number {
  for (;;) {
    if (call(NR.fallocate, fd, mode, offset, bytes) === 0) return 0;
    const errno = lastErrno();
    if (errno !== ERRNO.EINTR) return errno;
  }
}

/**
 * Has the kernel copy between two files (copy_file_range(2)), which on some file systems shares the blocks. Returns 0 or the errno;
 * what was copied before an error stays copied.
 */
export function copyFileRange(from: number, offset: number, to: number, toOffset: number, bytes: number): number {
  const offsets = new BigInt64Array([BigInt(offset), BigInt(toOffset)]);
  for (let left = bytes; left > 0; ) {
    const n = call(NR.copy_file_range, from, at(offsets), to, at(offsets, 8), left, 0);
    if (n > 0) left -= n;
    else if (n === 0) return ERRNO.EIO;
    else {
      const errno = lastErrno();
      if (errno !== ERRNO.EINTR) return errno;
    }
  }
  return 0;
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
  const address = at(buffer);
  iovec[0] = address >>> 0;
  iovec[1] = Math.floor(address / 2 ** 32);
  iovec[2] = buffer.length >>> 0;
  iovec[3] = 0;
  const n = call(NR.preadv2, fd, at(iovec), 1, offset, 0, RWF_NOWAIT);
  if (n < 0) {
    const errno = lastErrno();
    if (errno === ERRNO.EOPNOTSUPP || errno === ERRNO.ENOSYS) nowaitRefused = true;
    return -1;
  }
  return n;
}

/** A place in a file after a part of a request is done: exact also where doubles tell only sectors apart. */
function position(offset: number, done: number): number | bigint {
  const sum = offset + done;
  return Number.isSafeInteger(sum) ? sum : BigInt(offset) + BigInt(done);
}

/** Reads into the whole buffer now; returns the bytes read, fewer only at the end of the file, or the errno below zero. */
export function readNow(fd: number, buffer: Uint8Array, offset: number): number {
  let done = 0;
  while (done < buffer.length) {
    const n = call(NR.pread64, fd, at(buffer, done), buffer.length - done, position(offset, done));
    if (n === 0) break;
    if (n > 0) done += n;
    else {
      const errno = lastErrno();
      if (errno !== ERRNO.EINTR) return -errno;
    }
  }
  return done;
}

/** Writes the whole buffer now; returns 0 or the errno. */
export function writeNow(fd: number, buffer: Uint8Array, offset: number): number {
  let done = 0;
  while (done < buffer.length) {
    const n = call(NR.pwrite64, fd, at(buffer, done), buffer.length - done, position(offset, done));
    if (n < 0) {
      const errno = lastErrno();
      if (errno !== ERRNO.EINTR) return errno;
    } else if (n === 0) {
      return ERRNO.ENOSPC;
    } else {
      done += n;
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
  return call(NR.fcntl, fd, F_OFD_SETLK, at(flock)) < 0 ? lastErrno() : 0;
}

/** Whether an exclusive lock on the range would fail because somebody else holds it; negative errno on failure. */
export function testOfdLock(fd: number, start: number, length: number): boolean | number {
  fillFlock(F_WRLCK, start, length);
  if (call(NR.fcntl, fd, F_OFD_GETLK, at(flock)) < 0) return -lastErrno();
  return flock.getInt16(0, true) !== F_UNLCK;
}

const BLKROGET = 0x125e;
const BLKGETSIZE64 = 0x80081272;
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_NOCOW_FL = 0x00800000;

const F_GETFL = 3;

/** Status flags of a descriptor (fcntl(2) F_GETFL). */
export function getFlags(fd: number): number {
  return call(NR.fcntl, fd, F_GETFL);
}

/** Size in bytes of a block device. */
export function blockDeviceSize(fd: number): number {
  const out = new BigUint64Array(1);
  if (call(NR.ioctl, fd, BLKGETSIZE64, at(out)) < 0) throw errnoError(lastErrno());
  return Number(out[0]);
}

/** Sets the no-copy-on-write attribute of an empty file where the file system has one; otherwise does nothing. */
export function setNoCow(fd: number): void {
  const flags = new BigUint64Array(1);
  if (call(NR.ioctl, fd, FS_IOC_GETFLAGS, at(flags)) < 0) return;
  flags[0] |= BigInt(FS_NOCOW_FL);
  call(NR.ioctl, fd, FS_IOC_SETFLAGS, at(flags));
}

const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
const FS_XFLAG_EXTSIZE = 0x800;

/**
 * Asks the file system to allocate space of an empty file in pieces of so many bytes (struct fsxattr of linux/fs.h). Returns 0 or
 * the errno; most file systems have no such thing.
 */
export function setExtentSizeHint(fd: number, bytes: number): number {
  // Flags and size are the first two of seven words.
  const attributes = new Uint32Array(7);
  if (call(NR.ioctl, fd, FS_IOC_FSGETXATTR, at(attributes)) < 0) return lastErrno();
  attributes[0]! |= FS_XFLAG_EXTSIZE;
  attributes[1] = bytes;
  return call(NR.ioctl, fd, FS_IOC_FSSETXATTR, at(attributes)) < 0 ? lastErrno() : 0;
}

/** Flags of open(2) the disk layer uses (asm-generic/fcntl.h). */
export const OPEN = { RDONLY: 0, RDWR: 2, CREAT: 0x40, DIRECT: 0x4000, CLOEXEC: 0x80000 } as const;

/** A path as C wants it: its bytes and a zero. */
function pathBytes(path: string): Uint8Array {
  return bytesOfName(`${path}\0`);
}

/** A call whose first argument is a path. */
function pathCall(nr: number, path: string, second = 0): number {
  const bytes = pathBytes(path);
  return call(nr, at(bytes), second);
}

/** open(2); a negative errno on failure. node:fs could do it, but takes milliseconds to load. */
export function openPath(path: string, flags: number, mode = 0o644): number {
  const bytes = pathBytes(path);
  for (;;) {
    const fd = call(NR.open, at(bytes), flags | OPEN.CLOEXEC, mode);
    if (fd >= 0) return fd;
    const errno = lastErrno();
    if (errno !== ERRNO.EINTR) return -errno;
  }
}

export function closeFd(fd: number): void {
  call(NR.close, fd);
}

/** What fstat(2) tells of a file. */
export interface FileStat {
  kind: 'file' | 'block' | 'char' | 'directory' | 'fifo' | 'other';
  size: number;
  /** Units of 512 bytes in use. */
  blocks: number;
  /** Device and inode: equal for two names of the same file. */
  identity: string;
}

const S_IFMT = 0o170000;
/** (A map: the formatter turns octal property names into wrong decimal ones.) */
const KINDS = new Map<number, FileStat['kind']>([
  [0o100000, 'file'],
  [0o060000, 'block'],
  [0o020000, 'char'],
  [0o040000, 'directory'],
  [0o010000, 'fifo'],
]);

/** struct stat of x86-64 in words: device 0, inode 2, mode 6, size 12, blocks 16. Numbers of 64 bits are two of them. */
const statWords = new Uint32Array(64);

const wide = (at: number): number => statWords[at + 1]! * 2 ** 32 + statWords[at]!;

function readStat(): FileStat {
  return {
    kind: KINDS.get(statWords[6]! & S_IFMT) ?? 'other',
    size: wide(12),
    blocks: wide(16),
    identity: `${wide(0)}:${statWords[3]}:${statWords[2]}`,
  };
}

export function statFd(fd: number): FileStat {
  if (call(NR.fstat, fd, at(statWords)) < 0) throw errnoError(lastErrno());
  return readStat();
}

/** stat(2) of a path; undefined if it cannot be looked at. */
export function statPath(path: string): FileStat | undefined {
  return pathCall(NR.stat, path, at(statWords)) < 0 ? undefined : readStat();
}

/** What fstatfs(2) calls ext4 (linux/magic.h). */
export const EXT4 = 0xef53;

/** The kind of file system a file lies on, or 0 if that cannot be told (fstatfs(2), f_type). */
export function fileSystemOf(fd: number): number {
  const out = new DataView(new ArrayBuffer(120));
  return call(NR.fstatfs, fd, at(out)) < 0 ? 0 : out.getUint32(0, true);
}

/** ftruncate(2); returns 0 or the errno. */
export function truncateFd(fd: number, size: number): number {
  return call(NR.ftruncate, fd, size) < 0 ? lastErrno() : 0;
}

/** fsync(2); returns 0 or the errno. */
export function syncFd(fd: number): number {
  return call(NR.fsync, fd) < 0 ? lastErrno() : 0;
}

/** unlink(2); returns 0 or the errno. */
export function unlinkPath(path: string): number {
  return pathCall(NR.unlink, path) < 0 ? lastErrno() : 0;
}

/** The whole content of a small file, or the errno that kept it from being read. */
export function readWhole(path: string): Uint8Array | number {
  const fd = openPath(path, OPEN.RDONLY);
  if (fd < 0) return -fd;
  const parts: Uint8Array[] = [];
  try {
    for (;;) {
      const part = new Uint8Array(4096);
      const n = call(NR.read, fd, at(part), part.length);
      if (n < 0) return lastErrno();
      if (n === 0) return Buffer.concat(parts);
      parts.push(part.subarray(0, n));
    }
  } finally {
    closeFd(fd);
  }
}

/** Whether a block device refuses writes (BLKROGET). */
export function isReadOnlyDevice(fd: number): boolean {
  const out = new Int32Array(1);
  return call(NR.ioctl, fd, BLKROGET, at(out)) >= 0 && out[0] !== 0;
}

/** Writes text to a descriptor such as standard output, waiting as long as it takes; returns 0 or the errno. */
export function writeText(fd: number, text: string): number {
  const bytes = bytesOfName(text);
  for (let done = 0; done < bytes.length; ) {
    const n = call(NR.write, fd, at(bytes, done), bytes.length - done);
    if (n >= 0) done += n;
    else {
      const errno = lastErrno();
      if (errno === ERRNO.EAGAIN) Bun.sleepSync(1);
      else if (errno !== ERRNO.EINTR) return errno;
    }
  }
  return 0;
}

/** Signals that are sent to this process by that number have no effect from now on. */
export function ignoreSignal(signal: number): void {
  // struct sigaction as the kernel has it: handler (SIG_IGN is 1), flags, restorer, mask.
  call(NR.rt_sigaction, signal, at(new BigInt64Array([1n, 0n, 0n, 0n])), 0, 8);
}

/** A second descriptor for the same open file description; negative errno on failure. */
export function dup(fd: number): number {
  const copy = call(NR.dup, fd);
  return copy < 0 ? -lastErrno() : copy;
}

/** Makes `to`, an open descriptor, one for the description of `fd`, in one step; negative errno on failure. */
export function dupTo(fd: number, to: number): number {
  return call(NR.dup3, fd, to, OPEN.CLOEXEC) < 0 ? -lastErrno() : 0;
}

/** Throws for a non-zero errno. */
export function check(errno: number, what?: string): void {
  if (errno === 0) return;
  throw what ? new BlockError(`${what}: ${errnoError(errno).message}`, errno) : errnoError(errno);
}
