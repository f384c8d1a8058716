// Storage in host files and block devices: the `file` and `host_device` drivers.
import { Mutex, RangeLock } from './async.ts';
import { roundDown, roundUp } from './bytes.ts';
import {
  BlockNode,
  type BlockStatus,
  DEFAULT_FLAGS,
  type Ending,
  type NodeFlags,
  PERM,
  type Preallocation,
  REQ,
  type Soon,
} from './driver.ts';
import type { OpenContext } from './driver-row.ts';
import { BlockError, ERRNO, errnoError, errnoOf, strerror } from './errors.ts';
import {
  blockDeviceSize,
  check,
  closeFd,
  copyFileRange,
  dup,
  dupTo,
  EXT4,
  FALLOC,
  type FileStat,
  fallocate,
  fileSystemOf,
  findExtent,
  getFlags,
  isReadOnlyDevice,
  OPEN,
  openPath,
  readCached,
  readNow,
  seekEnd,
  setExtentSizeHint,
  setNoCow,
  statFd,
  statPath,
  syncFd,
  truncateFd,
  unlinkPath,
  writeNow,
} from './libc.ts';
import { ImageLock } from './lock.ts';
import { OptionReader } from './options.ts';
import { warn } from './warnings.ts';

/** Writes up to this size are done at once: the page cache takes them faster than a thread could be woken. */
const INLINE_WRITE = 1024 * 1024;

/** The same for reads, as far as the page cache has the data. */
const INLINE_READ = 1024 * 1024;

/** Writes to places without space for which space is asked first, if they are at least this large. */
const RESERVED_WRITE = 512 * 1024;

/** Smallest blocks of devices; one with larger ones refuses, and is then written zeroes. */
const DEVICE_BLOCK = 512;

/** Alignment direct I/O is done with; covers every device with blocks of up to 4 KiB. */
const DIRECT_ALIGN = 4096;

/** Values of `aio`; all of them read and write in the same way. */
const AIO = ['threads', 'native', 'io_uring'] as const;

/** Access mode of an open descriptor: 0 reading, 1 writing, 2 both. */
function openMode(fd: number): number {
  return getFlags(fd) & 3;
}

/** Descriptors given to the process under a number, opened as /dev/fdset/N. */
const fdSets = new Map<number, number[]>();

/** Adds an open descriptor to a set (`-add-fd`). */
export function addFd(set: number, fd: number): void {
  const fds = fdSets.get(set) ?? [];
  fds.push(fd);
  fdSets.set(set, fds);
}

/** node:fs, loaded when something has to be done off the main thread: loading it takes longer than most commands. */
function asyncFs(): typeof import('node:fs') {
  return process.getBuiltinModule('node:fs');
}

function openFdSet(path: string, writable: boolean, create = 0): number | undefined {
  const m = path.startsWith('/dev/fdset/') ? /^\/dev\/fdset\/(\d+)$/.exec(path) : null;
  if (!m) {
    if (path.startsWith('/dev/fdset/')) throw new BlockError(`Could not parse fdset ${path}`);
    return undefined;
  }
  const flags = ((writable ? OPEN.RDWR : OPEN.RDONLY) | create).toString(16);
  // Nothing that could have set one up.
  if (fdSets.size === 0)
    throw new BlockError(`Could not dup FD for ${path} flags ${flags}: ${strerror(ERRNO.ENOSYS)}`, ERRNO.ENOSYS);
  for (const fd of fdSets.get(Number(m[1])) ?? []) {
    const mode = openMode(fd);
    if (mode !== 2 && mode !== (writable ? 1 : 0)) continue;
    const copy = dup(fd);
    check(copy < 0 ? -copy : 0, `Could not dup FD for /dev/fdset/${m[1]}`);
    return copy;
  }
  throw new BlockError(`Could not open '${path}': No file descriptor supplied with matching flags`, ERRNO.EACCES);
}

/** What the kernel says of files that can perhaps still be read. */
const NO_WRITING: readonly number[] = [ERRNO.EACCES, ERRNO.EROFS];

/** Opens a file; `mayLower` lets auto-read-only change the flags. Errors name it as `shown`. */
function openHost(path: string, flags: NodeFlags, mayLower = false, shown = path): number {
  const mode = flags.readOnly ? OPEN.RDONLY : OPEN.RDWR;
  const fromSet = openFdSet(path, !flags.readOnly);
  if (fromSet !== undefined) return fromSet;
  const direct = flags.cacheDirect ? OPEN.DIRECT : 0;
  const fd = openPath(path, mode | direct);
  if (fd >= 0) return fd;
  if (mayLower && flags.autoReadOnly && !flags.readOnly && NO_WRITING.includes(-fd)) {
    const reading = openPath(path, OPEN.RDONLY | direct);
    if (reading >= 0) {
      flags.readOnly = true;
      return reading;
    }
  }
  const note = fd === -ERRNO.EINVAL && flags.cacheDirect ? ': filesystem does not support O_DIRECT' : '';
  throw new BlockError(`Could not open '${shown}'${note || `: ${strerror(-fd)}`}`, -fd);
}

async function readAsync(fd: number, buffer: Uint8Array, offset: number): Promise<number> {
  const { read } = asyncFs();
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, buffer.length, offset, (error, n) => (error ? reject(errnoError(errnoOf(error))) : resolve(n)));
  });
}

async function writeAsync(fd: number, buffer: Uint8Array, offset: number): Promise<number> {
  const { write } = asyncFs();
  return new Promise((resolve, reject) => {
    write(fd, buffer, 0, buffer.length, offset, (error, n) =>
      error ? reject(errnoError(errnoOf(error))) : resolve(n),
    );
  });
}

async function writeFully(fd: number, buffer: Uint8Array, offset: number): Promise<void> {
  let at = 0;
  while (at < buffer.length) {
    const n = await writeAsync(fd, at === 0 ? buffer : buffer.subarray(at), offset + at);
    if (n === 0) throw errnoError(ERRNO.ENOSPC);
    at += n;
  }
}

/** What the kernel says when it has no way of copying between two files. */
const CANNOT_COPY: readonly number[] = [ERRNO.EXDEV, ERRNO.EOPNOTSUPP, ERRNO.EINVAL, ERRNO.ENOSYS, ERRNO.EBADF];

/** A host file or device. Its length is the exact size in bytes. */
export class FileNode extends BlockNode {
  readonly kind = 'protocol';
  private size: number;
  private lock: ImageLock | undefined;
  private readonly isDevice: boolean;
  /** fallocate modes the file system turned out not to have. */
  private noPunch = false;
  private noZeroRange = false;
  /** Whether the file system takes less time for writes when space for them was asked for in one piece; known when asked. */
  private reserves: boolean | undefined;
  /** Requests that have changed the file, counted as they end, and how many of them are known to be stable. */
  private changes = 1;
  private stable = 0;
  /** A flush failed with this errno: the kernel may have dropped what it could not write, and would not say so again. */
  private lostErrno = 0;

  constructor(
    flags: NodeFlags,
    readonly driverName: string,
    readonly path: string,
    private readonly fd: number,
    locking: boolean,
    stat: FileStat,
  ) {
    super(flags);
    this.filename = path;
    this.isDevice = stat.kind !== 'file';
    this.size =
      stat.kind === 'file' ? stat.size : stat.kind === 'block' ? blockDeviceSize(fd) : Math.max(0, seekEnd(fd));
    if (locking) this.lock = new ImageLock(fd, path);
  }

  override get length(): number {
    return this.size;
  }

  override get growable(): boolean {
    return !this.isDevice;
  }

  /** Devices free and zero whole blocks only. */
  override get zeroAlignment(): number {
    return this.isDevice ? DEVICE_BLOCK : 1;
  }

  override get discardAlignment(): number {
    return this.isDevice ? DEVICE_BLOCK : 1;
  }

  protected override applyPermissions(perm: number, shared: number): void {
    this.lock?.set(perm, this.flags.forceShare ? PERM.ALL : shared);
  }

  protected override doRead(offset: number, buffer: Uint8Array): Ending {
    if (this.flags.cacheDirect) return this.readDirect(offset, buffer);
    if (!Number.isSafeInteger(offset + buffer.length)) {
      // The runtime's own calls take no such offsets.
      const n = readNow(this.fd, buffer, offset);
      if (n < 0) throw errnoError(-n);
      buffer.fill(0, n);
      return undefined;
    }
    const done = buffer.length > INLINE_READ ? 0 : Math.max(0, readCached(this.fd, buffer, offset));
    return done === buffer.length ? undefined : this.readRest(offset, buffer, done);
  }

  private async readRest(offset: number, buffer: Uint8Array, done: number): Promise<void> {
    while (done < buffer.length) {
      const n = await readAsync(this.fd, done === 0 ? buffer : buffer.subarray(done), offset + done);
      if (n === 0) {
        // The file became shorter than it was; what is gone reads as zero.
        buffer.fill(0, done);
        return;
      }
      done += n;
    }
  }

  private async readDirect(offset: number, buffer: Uint8Array): Promise<void> {
    const start = roundDown(offset, DIRECT_ALIGN);
    const span = alignedBuffer(roundUp(offset + buffer.length, DIRECT_ALIGN) - start);
    let done = 0;
    while (done < span.length) {
      const n = await readAsync(this.fd, span.subarray(done), start + done);
      done += n;
      if (n === 0 || n % DIRECT_ALIGN !== 0) break;
    }
    span.fill(0, done);
    buffer.set(span.subarray(offset - start, offset - start + buffer.length));
  }

  /**
   * Asks for the space of a large write. ext4 otherwise reserves and notes it page by page, a third of what the write takes;
   * others were not measured, and tmpfs would fill the pages with zeroes first. If there is no space, the write will tell.
   */
  private reserve(offset: number, bytes: number): void {
    this.reserves ??= !this.isDevice && fileSystemOf(this.fd) === EXT4;
    if (this.reserves && fallocate(this.fd, FALLOC.KEEP_SIZE, offset, bytes) !== 0) this.reserves = false;
  }

  protected override doWrite(offset: number, buffer: Uint8Array, flags: number): Ending {
    if (flags & REQ.FRESH && buffer.length >= RESERVED_WRITE) this.reserve(offset, buffer.length);
    if (this.flags.cacheDirect) return this.writeElsewhere(this.writeDirect(offset, buffer), offset + buffer.length);
    if (buffer.length > INLINE_WRITE && Number.isSafeInteger(offset + buffer.length))
      return this.writeElsewhere(writeFully(this.fd, buffer, offset), offset + buffer.length);
    const errno = writeNow(this.fd, buffer, offset);
    this.noteChange(offset + buffer.length, errno !== 0);
    check(errno);
    return undefined;
  }

  /** Told when a request that changes the file has ended. One that failed may have written a part of it. */
  private noteChange(end: number, failed = false): void {
    this.changes++;
    if (failed && !this.isDevice) end = Math.min(end, statFd(this.fd).size);
    if (!this.isDevice) this.size = Math.max(this.size, end);
  }

  /** Writes that threads do. */
  private readonly writing = new Set<Promise<void>>();

  /** Notes the file's length when a write that a thread does has ended. */
  private async writeElsewhere(written: Promise<void>, end: number): Promise<void> {
    let failed = true;
    this.writing.add(written);
    try {
      await written;
      failed = false;
    } finally {
      this.writing.delete(written);
      this.noteChange(end, failed);
    }
  }

  /** Blocks being rewritten by direct writes: two that share a block must not mix their copies of it. */
  private readonly blocks = new RangeLock();

  private async writeDirect(offset: number, buffer: Uint8Array): Promise<void> {
    const start = roundDown(offset, DIRECT_ALIGN);
    const end = roundUp(offset + buffer.length, DIRECT_ALIGN);
    // One that ends within a block behind the end of the file makes that too long for a moment and cuts it again: nobody
    // may be writing further on meanwhile.
    const cuts = !this.isDevice && end !== offset + buffer.length && end > this.size;
    const range = await this.blocks.acquire(start, cuts ? Infinity : end, false);
    try {
      await this.rewriteBlocks(offset, buffer, start, end);
    } finally {
      this.blocks.release(range);
    }
  }

  private async rewriteBlocks(offset: number, buffer: Uint8Array, start: number, end: number): Promise<void> {
    const span = alignedBuffer(end - start);
    if (start !== offset || end !== offset + buffer.length) {
      // Neighbouring bytes of the first and last block must not change.
      await this.readDirect(start, span.subarray(0, DIRECT_ALIGN));
      if (span.length > DIRECT_ALIGN)
        await this.readDirect(end - DIRECT_ALIGN, span.subarray(span.length - DIRECT_ALIGN));
    }
    span.set(buffer, offset - start);
    await writeFully(this.fd, span, start);
    const wanted = Math.max(this.size, offset + buffer.length);
    if (!this.isDevice && end > wanted) check(truncateFd(this.fd, wanted));
  }

  /** Does something to a range while no direct write copies the blocks it shares with others. */
  private async besideWrites(offset: number, bytes: number, body: () => void): Promise<void> {
    if (!this.flags.cacheDirect) return body();
    const range = await this.blocks.acquire(
      roundDown(offset, DIRECT_ALIGN),
      roundUp(offset + bytes, DIRECT_ALIGN),
      false,
    );
    try {
      body();
    } finally {
      this.blocks.release(range);
    }
  }

  protected override doWriteZeroes(offset: number, bytes: number, flags: number): Promise<void> {
    return this.besideWrites(offset, bytes, () => {
      const errno = this.zeroRange(offset, bytes, (flags & REQ.MAY_UNMAP) !== 0);
      this.noteChange(offset + bytes, errno !== 0);
      check(errno);
    });
  }

  private zeroRange(offset: number, bytes: number, unmap: boolean): number {
    if (this.isDevice && (offset % DEVICE_BLOCK !== 0 || bytes % DEVICE_BLOCK !== 0)) return ERRNO.EOPNOTSUPP;
    if (unmap && !this.noPunch && offset + bytes <= this.size) {
      const errno = fallocate(this.fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, offset, bytes);
      if (errno !== ERRNO.EOPNOTSUPP && !(this.isDevice && errno === ERRNO.EINVAL)) return errno;
      this.noPunch = true;
    }
    if (offset >= this.size && !this.isDevice && unmap) {
      // Past the end zeroes cost nothing: a longer file reads as zero there.
      return truncateFd(this.fd, offset + bytes);
    }
    if (!this.noZeroRange) {
      const errno = fallocate(this.fd, FALLOC.ZERO_RANGE, offset, bytes);
      if (errno !== ERRNO.EOPNOTSUPP && errno !== ERRNO.EINVAL) return errno;
      this.noZeroRange = true;
    }
    if (!this.noPunch && !this.isDevice) {
      const errno = fallocate(this.fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, offset, bytes);
      if (errno === 0) return fallocate(this.fd, 0, offset, bytes);
      if (errno !== ERRNO.EOPNOTSUPP) return errno;
      this.noPunch = true;
    }
    return ERRNO.EOPNOTSUPP;
  }

  protected override doDiscard(offset: number, bytes: number): Promise<void> {
    if (this.noPunch) return Promise.reject(errnoError(ERRNO.EOPNOTSUPP));
    return this.besideWrites(offset, bytes, () => {
      const errno = fallocate(this.fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, offset, bytes);
      if (errno === ERRNO.EOPNOTSUPP) this.noPunch = true;
      this.changes++;
      check(errno);
    });
  }

  protected override async doFlush(): Promise<void> {
    if (this.flags.noFlush) return;
    if (this.lostErrno !== 0) throw errnoError(this.lostErrno);
    // What ends while the flush is under way is not covered by it, and whoever asks meanwhile has to wait as well.
    const covered = this.changes;
    if (covered === this.stable) return;
    const { fdatasync } = asyncFs();
    const errno = await new Promise<number>((resolve) => {
      fdatasync(this.fd, (error) => resolve(error ? errnoOf(error) : 0));
    });
    // EINVAL: devices such as /dev/null have nothing to write back.
    if (errno !== 0 && !(this.isDevice && errno === ERRNO.EINVAL)) {
      if (!this.flags.cacheDirect) this.lostErrno = errno;
      throw errnoError(errno);
    }
    this.stable = Math.max(this.stable, covered);
  }

  protected override doBlockStatus(offset: number, bytes: number, wantZero: boolean): Soon<BlockStatus> {
    const extent = wantZero ? findExtent(this.fd, offset) : undefined;
    if (!extent) return super.doBlockStatus(offset, bytes, wantZero);
    const n = extent.kind === 'eof' ? bytes : Math.min(bytes, extent.end - offset);
    const data = extent.kind === 'data';
    return { bytes: n, data, zero: !data, allocated: true, offset, file: this };
  }

  override storageOf(offset: number): { node: BlockNode; offset: number } {
    return { node: this, offset };
  }

  override copyFrom(source: BlockNode, from: number, offset: number, bytes: number): boolean {
    if (!(source instanceof FileNode) || this.flags.readOnly || this.flags.cacheDirect || source.flags.cacheDirect)
      return false;
    // The kernel would stop at the end of the source.
    const inside = Math.min(bytes, source.length - from);
    if (inside !== bytes) return false;
    const errno = copyFileRange(source.fd, from, this.fd, offset, bytes);
    this.noteChange(offset + bytes, errno !== 0);
    if (CANNOT_COPY.includes(errno)) return false;
    check(errno);
    return true;
  }

  private readonly resizing = new Mutex();

  override truncate(size: number, preallocation: Preallocation = 'off', exact = true): Promise<void> {
    return this.resizing.with(async () => {
      // What is on its way to a place that goes would bring it back.
      if (size < this.size) await Promise.allSettled(this.writing);
      await this.truncateAlone(size, preallocation, exact);
    });
  }

  private async truncateAlone(size: number, preallocation: Preallocation, exact: boolean): Promise<void> {
    this.changes++;
    if (this.isDevice) {
      if (preallocation !== 'off') {
        throw new BlockError(
          `Preallocation mode '${preallocation}' unsupported for this non-regular file`,
          ERRNO.EOPNOTSUPP,
        );
      }
      if (exact && size !== this.size) throw new BlockError('Cannot resize device files', ERRNO.EOPNOTSUPP);
      if (size > this.size) throw new BlockError('Cannot grow device files', ERRNO.EINVAL);
      return;
    }
    const before = this.size;
    if (size < before && preallocation !== 'off') {
      throw new BlockError("Preallocation can't be used for shrinking files", ERRNO.EOPNOTSUPP);
    }
    // (At once: no request may be about what is behind it any more.)
    if (size < before) this.size = size;
    try {
      await this.resize(before, size, preallocation);
    } catch (error) {
      this.size = before;
      // A file that could not be filled goes back to its old length.
      if (size > before && preallocation !== 'off') truncateFd(this.fd, before);
      throw error;
    }
    this.size = size;
  }

  private async resize(before: number, size: number, preallocation: Preallocation): Promise<void> {
    if (preallocation === 'metadata') {
      throw new BlockError('Unsupported preallocation mode: metadata', ERRNO.EOPNOTSUPP);
    }
    if (preallocation === 'falloc' && size > before) {
      check(fallocate(this.fd, 0, before, size - before), 'Could not preallocate new data');
      return;
    }
    const errno = truncateFd(this.fd, size);
    if (errno !== 0) throw new BlockError(`Could not resize file: ${strerror(errno)}`, errno);
    // A new file gets its first block, as other tools do: without any, direct I/O cannot find out what alignment it needs.
    if (before === 0 && size > 0) writeNow(this.fd, new Uint8Array(Math.min(size, DIRECT_ALIGN)), 0);
    if (preallocation !== 'full') return;
    const zeros = new Uint8Array(1 << 20);
    for (let at = before; at < size; at += zeros.length) {
      try {
        await writeFully(this.fd, zeros.subarray(0, Math.min(zeros.length, size - at)), at);
      } catch (error) {
        const errno = errnoOf(error);
        throw new BlockError(`Could not write zeros for preallocation: ${strerror(errno)}`, errno);
      }
    }
    check(syncFd(this.fd));
  }

  override allocatedSize(): Promise<number | undefined> {
    return Promise.resolve(statFd(this.fd).blocks * 512);
  }

  override hasZeroInit(): boolean {
    return !this.isDevice;
  }

  /**
   * Puts another description of the same file in the place of the present one: under the same number, which requests on their way
   * to a thread know it by, and with the locks, which are never let go.
   */
  protected override async doSetReadOnly(readOnly: boolean): Promise<void> {
    await Promise.allSettled(this.writing);
    const fd = this.reopen(readOnly);
    try {
      this.lock?.handOver(fd, this.sharesLocks);
      check(-dupTo(fd, this.fd));
    } finally {
      closeFd(fd);
    }
  }

  /** Opens the file once more, whatever has its name by now. */
  private reopen(readOnly: boolean): number {
    const flags = { ...this.flags, readOnly };
    const self = `/proc/self/fd/${this.fd}`;
    // (There may be no /proc, in a chroot for one.)
    const byNumber = !this.sharesLocks && statPath(self) !== undefined;
    const fd = openHost(byNumber ? self : this.path, flags, false, this.path);
    try {
      if (statFd(fd).identity !== statFd(this.fd).identity)
        throw new BlockError(`Could not reopen '${this.path}': it is another file now`, ERRNO.ENOENT);
      if (this.isDevice && !readOnly && isReadOnlyDevice(fd))
        throw new BlockError(`The device is not writable: ${strerror(ERRNO.EACCES)}`, ERRNO.EACCES);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    return fd;
  }

  /** A descriptor passed in shares its locks with others. */
  private get sharesLocks(): boolean {
    return this.path.startsWith('/dev/fdset/');
  }

  protected override doClose(): Promise<void> {
    this.release();
    return Promise.resolve();
  }

  override async abandon(): Promise<void> {
    if (this.closed) return;
    this.release();
    await super.abandon();
  }

  /**
   * Gives up locks and file. Closing alone does not always end the locks at once: whoever looks at our descriptors in /proc
   * holds the open file for a moment more. Whoever shares them may go on.
   */
  private release(): void {
    if (!this.sharesLocks) this.lock?.set(0, PERM.ALL);
    closeFd(this.fd);
  }
}

/** Memory aligned for direct I/O; large arrays of the engine start on a page, smaller ones need not. */
function alignedBuffer(bytes: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(roundUp(bytes, 65536))).subarray(0, bytes);
}

function readOptions(context: OpenContext): { path: string; locking: boolean; nativeAio: boolean } {
  const reader = new OptionReader(context.options);
  const given = context.options.get('filename');
  context.options.delete('filename');
  const path = typeof given === 'string' ? given : '';
  if (path === '') throw new BlockError("The 'file' block driver requires a file name");
  const aio = reader.enum('aio', AIO);
  const nativeAio = aio === undefined ? context.flags.nativeAio : aio === 'native';
  const locking = reader.enum('locking', ['on', 'off', 'auto'] as const) ?? 'auto';
  reader.number('aio-max-batch');
  const manager = reader.string('pr-manager');
  if (manager !== undefined) throw new BlockError(`No persistent reservation manager with id '${manager}'`);
  reader.bool('drop-cache');
  reader.bool('x-check-cache-dropped');
  return { path, locking: locking !== 'off', nativeAio };
}

/** What must be right of a file that is open, before it is looked at. */
function checkAio(context: OpenContext, nativeAio: boolean): void {
  if (nativeAio && !context.flags.cacheDirect)
    throw new BlockError('aio=native was specified, but it requires cache.direct=on, which was not specified.');
}

/** Opens an existing file. */
export async function openFile(context: OpenContext): Promise<BlockNode> {
  const { path, locking, nativeAio } = readOptions(context);
  // Opening one would wait until somebody writes to it.
  if (statPath(path)?.kind === 'fifo') throw new BlockError(`'file' driver requires '${path}' to be a regular file`);
  const fd = openHost(path, context.flags, !context.writes);
  try {
    checkAio(context, nativeAio);
    const stat = statFd(fd);
    if (stat.kind !== 'file') throw new BlockError(`'file' driver requires '${path}' to be a regular file`);
    // (Files of /proc have no end that could be found.)
    if (stat.size === 0 && seekEnd(fd) < 0)
      throw new BlockError(`Could not refresh total sector count: ${strerror(ERRNO.EINVAL)}`, ERRNO.EINVAL);
    return new FileNode(context.flags, 'file', path, fd, locking, stat);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Opens a block or character device. */
export async function openHostDevice(context: OpenContext): Promise<BlockNode> {
  const { path, locking, nativeAio } = readOptions(context);
  const fd = openHost(path, context.flags, !context.writes);
  try {
    checkAio(context, nativeAio);
    const stat = statFd(fd);
    if (stat.kind !== 'block' && stat.kind !== 'char') {
      throw new BlockError(`'host_device' driver requires '${path}' to be either a character or block device`);
    }
    // The kernel lets such a device be opened for writing, and refuses each write.
    if (stat.kind === 'block' && !context.flags.readOnly && isReadOnlyDevice(fd)) {
      if (context.writes || !context.flags.autoReadOnly)
        throw new BlockError(`The device is not writable: ${strerror(ERRNO.EACCES)}`, ERRNO.EACCES);
      context.flags.readOnly = true;
    }
    return new FileNode(context.flags, 'host_device', path, fd, locking, stat);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** `file:` and `host_device:` prefixes name the file literally. */
export function parseFileFilename(filename: string, options: Map<string, unknown>): void {
  const prefix = filename.startsWith('file:') ? 5 : filename.startsWith('host_device:') ? 12 : 0;
  const path = filename.slice(prefix);
  // A path that looks like a protocol name is shown so that it cannot be taken for one.
  options.set('filename', prefix > 0 && /^[^/]*:/.test(path) ? `./${path}` : path);
}

/** Whether a path names a device rather than a file; decides between the two drivers. */
export function isDevicePath(path: string): boolean {
  const kind = statPath(path)?.kind;
  return kind === 'block' || kind === 'char';
}

/** Bytes of space that go together in new files where the file system can be told. */
const DEFAULT_EXTENT_SIZE_HINT = 1 << 20;

/**
 * Creates an empty file of the given size, or empties an existing one, holding its lock meanwhile. `claimed` is called once
 * the file is ours to change.
 */
export async function createFile(
  filename: string,
  size: number,
  preallocation: Preallocation,
  nocow: boolean,
  extentSizeHint: number | undefined,
  claimed: () => void = () => {},
): Promise<void> {
  const path = filename.replace(/^file:/, '');
  const given = openFdSet(path, true, OPEN.CREAT);
  const existed = given !== undefined || statPath(path) !== undefined;
  const fd = given ?? openPath(path, OPEN.RDWR | OPEN.CREAT);
  if (fd < 0) throw new BlockError(`Could not create '${path}': ${strerror(-fd)}`, -fd);
  try {
    // Others may have the file open, but not with the right to resize it, nor count on its content.
    const lock = new ImageLock(fd, path);
    lock.set(PERM.WRITE | PERM.RESIZE, PERM.ALL & ~PERM.RESIZE);
    if (preallocation === 'metadata') {
      if (!existed) unlinkPath(path);
      throw new BlockError('Unsupported preallocation mode: metadata');
    }
    claimed();
    check(truncateFd(fd, 0), 'Could not resize file');
    if (nocow) setNoCow(fd);
    const hint = extentSizeHint ?? DEFAULT_EXTENT_SIZE_HINT;
    const refused = hint > 0 ? setExtentSizeHint(fd, hint) : 0;
    // (Nobody minds that of a hint he did not give.)
    if (refused && extentSizeHint) warn(`Failed to set extent size hint: ${strerror(refused)}`);
    const node = new FileNode({ ...DEFAULT_FLAGS }, 'file', path, dup(fd), false, statFd(fd));
    try {
      await node.truncate(size, preallocation);
    } finally {
      await node.close();
    }
    lock.set(0, PERM.ALL);
  } finally {
    closeFd(fd);
  }
}
