// The driver interface: what every node of the block graph can do, and the checks common to all of them.
import { isExact, isZero, MAX_OFFSET, roundDown, roundUp } from './bytes.ts';
import { BlockError, ERRNO, errnoError, isUnsupported } from './errors.ts';
import type { OptionTree } from './options.ts';

/** How something ends that may be over when the call returns: then there is nothing to wait for, and no promise is made. */
export type Ending = Promise<void> | undefined;

/** A result that may be there when the call returns. */
export type Soon<T> = T | Promise<T>;

/** Request flags, or-ed together. */
export const REQ = {
  /** The data is on stable storage when the request ends. */
  FUA: 1,
  /** Zeroes may be made by freeing space. */
  MAY_UNMAP: 2,
  /** Fail rather than write zero buffers. */
  NO_FALLBACK: 4,
  /** Write as a compressed cluster. */
  COMPRESSED: 8,
  /** Storage has most likely no space there yet, and may get it in one piece. */
  FRESH: 16,
  /** The range shows this already, from another layer: a crash must not take it away. */
  UNCHANGED: 32,
} as const;

/** What a user of a node does with it, and lets others do; the bits are also the lock byte numbers (lock.ts). */
export const PERM = { CONSISTENT_READ: 1, WRITE: 2, WRITE_UNCHANGED: 4, RESIZE: 8, ALL: 15 } as const;

/** The state of a range that starts at the offset asked for. */
export interface BlockStatus {
  /** Length of the range, at least 1 unless at the end of the node. */
  bytes: number;
  /** Reads take host data (possibly compressed) from this layer's storage. */
  data: boolean;
  /** The range reads as zeroes. */
  zero: boolean;
  /** This layer decides the content; otherwise the backing layer does. */
  allocated: boolean;
  /** Where in `file` the data lies, or -1 when there is no such place. */
  offset: number;
  file: BlockNode | null;
  /** Ask `file` whether the data there is a hole. */
  recurse?: boolean;
  compressed?: boolean;
  /** The range ends where the node does. */
  eof?: boolean;
}

export type Preallocation = 'off' | 'metadata' | 'falloc' | 'full';

/** One internal snapshot, as listed. */
export interface SnapshotInfo {
  id: string;
  name: string;
  vmStateSize: number;
  dateSec: number;
  dateNsec: number;
  vmClockNsec: number;
  icount: number | null;
  diskSize: number;
}

/** Result of a consistency check; corruptions and leaks count what is left after repair. */
export interface CheckResult {
  corruptions: number;
  leaks: number;
  checkErrors: number;
  corruptionsFixed: number;
  leaksFixed: number;
  imageEndOffset: number;
  totalClusters: number;
  allocatedClusters: number;
  fragmentedClusters: number;
  compressedClusters: number;
}

export type FixMode = 'none' | 'leaks' | 'all';

/** Bytes of a file that an image would take: with the content asked about, and when all of it is written. */
export interface MeasureInfo {
  required: number;
  fullyAllocated: number;
  /** For the bitmaps of the source, where they could be copied. */
  bitmaps?: number;
}

/** One child edge of the graph. */
export interface Child {
  role: string;
  node: BlockNode;
  /** The parent closes the node with itself. */
  owned: boolean;
}

/** Options every node has (cache=, discard=, detect-zeroes= …), already inherited and resolved. */
export interface NodeFlags {
  readOnly: boolean;
  cacheDirect: boolean;
  /** aio=native for files that say nothing else. */
  nativeAio: boolean;
  noFlush: boolean;
  /** discard=unmap: discards are passed on instead of ignored. */
  unmap: boolean;
  detectZeroes: 'off' | 'on' | 'unmap';
  forceShare: boolean;
  /** What cannot be opened for writing is opened for reading. */
  autoReadOnly: boolean;
  /** Nobody will read or write data: metadata queries only. */
  noIo: boolean;
  /** The open serves a check: a dirty or corrupt image is not refused or repaired. */
  check: boolean;
  /** An image that creation has not marked as finished is opened too: by creation itself. */
  unfinished: boolean;
}

export const DEFAULT_FLAGS: NodeFlags = {
  readOnly: false,
  cacheDirect: false,
  nativeAio: false,
  noFlush: false,
  unmap: false,
  detectZeroes: 'off',
  forceShare: false,
  autoReadOnly: false,
  noIo: false,
  check: false,
  unfinished: false,
};

/** Most bytes of zeroes or of a discard handed to a driver at once; longer requests are split. Reads and writes are not. */
const MAX_TRANSFER = 1 << 30;
const ZERO_CHUNK = 1 << 20;

let nextNodeNumber = 100;

/** Open nodes that were given a name, to be referred to by it. */
const named = new Map<string, BlockNode>();

/** The open node of that name. */
export function findNode(name: string): BlockNode | undefined {
  return named.get(name);
}

/** Permissions wanted of a node, and left to its other users. */
interface Use {
  perm: number;
  shared: number;
}

/** A user of a node: another node, in a role, or whoever opened it. */
interface User extends Use {
  user: unknown;
  role: string;
}

/** Names of the permissions by bit number, as messages have them. */
export const PERM_TEXTS = ['consistent read', 'write', 'write unchanged', 'resize'];

/** Names of permissions, as messages list them. */
function permissionNames(perm: number): string {
  return PERM_TEXTS.filter((_, bit) => (perm >> bit) & 1).join(', ');
}

/**
 * A node of the block graph. Offsets and lengths are bytes; numbers below 2^53, or whole sectors up to MAX_OFFSET (bytes.ts).
 *
 * Public methods check and split requests, then call the protected do… methods, which a driver overrides. Requests (read, write,
 * writeZeroes, discard, flush, blockStatus) may come at any time with others under way, in any order and over the same range:
 * where they overlap the disk ends with either content, and a driver sees to it that nothing else suffers. Buffers are the
 * node's until the request ends, and the caller's from then on. Methods that change what the node is (truncate, makeEmpty,
 * changeBackingFile, amend, setReadOnly) may come with requests under way, each of which comes before or after such a change, and with
 * each other: formats see to it that there is one at a time. Attach and detach come alone; close and abandon come last, when
 * all else has ended.
 *
 * Errors are BlockErrors, whose errno guests and servers are told; EOPNOTSUPP says that a driver has no way to do something, upon which
 * writeZeroes writes zeroes and discard does nothing. A request that failed may be done in part; the node stays usable.
 */
export abstract class BlockNode {
  abstract readonly driverName: string;
  /** 'format' interprets a file; 'protocol' is storage; 'filter' passes data through. */
  abstract readonly kind: 'format' | 'protocol' | 'filter';
  nodeName = `#block${nextNodeNumber++}`;
  /** What the user called it: a plain file name or a json: name. */
  filename = '';
  flags: NodeFlags;
  readonly children = new Map<string, Child>();
  /** cache=writethrough or directsync: every write is followed by a flush. */
  writethrough = false;
  /** Options that shaped the node, for json: names. */
  explicitOptions: OptionTree = new Map();
  private readonly users: User[] = [];
  protected closed = false;

  constructor(flags: NodeFlags) {
    this.flags = { ...flags };
  }

  get file(): BlockNode | undefined {
    return this.children.get('file')?.node;
  }

  get backing(): BlockNode | undefined {
    return this.children.get('backing')?.node;
  }

  get readOnly(): boolean {
    return this.flags.readOnly;
  }

  /** Virtual size in bytes. */
  abstract get length(): number;

  /** Writes past the end make the node longer (files under a format). */
  get growable(): boolean {
    return false;
  }

  /** A device is left to find out itself what lies behind its end (while an image is laid out on it). */
  writesBeyondEnd = false;

  /** Units in which zeroes can be written without copying what is beside them; parts of one are asked for alone. */
  get zeroAlignment(): number {
    return 1;
  }

  /** Units that can be discarded; parts of one never are. */
  get discardAlignment(): number {
    return 1;
  }

  /** Largest zero write given to the driver at once. */
  get maxZeroBytes(): number {
    return MAX_TRANSFER;
  }

  /** A cheap unit for requests (the cluster size), or 0. */
  get clusterSize(): number {
    return 0;
  }

  // Reading and writing. Requests that need no waiting are over when the call returns; those that fail throw, or reject later.

  /** Fills `buffer` from `offset`; what lies past the end reads as zero. */
  read(offset: number, buffer: Uint8Array): Ending {
    const end = offset + buffer.length;
    if (!isExact(offset) || !isExact(end)) throw errnoError(ERRNO.EIO);
    const { length } = this;
    if (end > length) {
      const inside = Math.max(0, length - offset);
      buffer.fill(0, inside);
      if (inside === 0) return undefined;
      buffer = buffer.subarray(0, inside);
    }
    return buffer.length > 0 ? this.doRead(offset, buffer) : undefined;
  }

  write(offset: number, buffer: Uint8Array, flags = 0): Ending {
    if (buffer.length === 0) return undefined;
    this.checkWritable(offset, buffer.length);
    if (this.flags.detectZeroes !== 'off' && !(flags & REQ.COMPRESSED) && isZero(buffer)) {
      const unmap = this.flags.detectZeroes === 'unmap' && this.flags.unmap ? REQ.MAY_UNMAP : 0;
      return this.writeZeroes(offset, buffer.length, (flags & (REQ.FUA | REQ.UNCHANGED)) | unmap);
    }
    if (this.writethrough || flags & REQ.FUA) return this.writeAndFlush(offset, buffer, flags);
    return this.doWrite(offset, buffer, flags);
  }

  private async writeAndFlush(offset: number, buffer: Uint8Array, flags: number): Promise<void> {
    await this.doWrite(offset, buffer, flags);
    await this.flush();
  }

  private checkWritable(offset: number, bytes: number): void {
    if (this.flags.readOnly) throw errnoError(ERRNO.EPERM);
    if (!(offset >= 0) || offset + bytes > MAX_OFFSET || !isExact(offset) || !isExact(offset + bytes))
      throw errnoError(ERRNO.EIO);
    if (offset + bytes > this.length && !this.growable && !this.writesBeyondEnd) throw errnoError(ERRNO.EIO);
  }

  /** Makes [offset, offset+bytes) read as zeroes by the cheapest means the driver has. */
  async writeZeroes(offset: number, bytes: number, flags = 0): Promise<void> {
    if (bytes === 0) return;
    this.checkWritable(offset, bytes);
    await this.zeroPieces(offset, bytes, flags);
  }

  /** writeZeroes where the node may be written to, be that behind its end. */
  protected async zeroPieces(offset: number, bytes: number, flags: number): Promise<void> {
    if (!this.flags.unmap) flags &= ~REQ.MAY_UNMAP;
    const end = offset + bytes;
    const align = this.zeroAlignment;
    let at = offset;
    while (at < end) {
      let n = Math.min(end - at, this.maxZeroBytes);
      // The unaligned head and tail go alone, so that the middle can be done by metadata.
      if (at % align !== 0) n = Math.min(n, roundUp(at, align) - at);
      else if (n >= align) n = roundDown(n, align);
      try {
        await this.doWriteZeroes(at, n, flags);
      } catch (error) {
        if (!isUnsupported(error) || flags & REQ.NO_FALLBACK) throw error;
        const zeros = new Uint8Array(Math.min(n, ZERO_CHUNK));
        for (let done = 0; done < n; done += zeros.length) {
          await this.doWrite(at + done, zeros.subarray(0, Math.min(zeros.length, n - done)), flags & REQ.UNCHANGED);
        }
      }
      at += n;
    }
    if (this.writethrough || flags & REQ.FUA) await this.flush();
  }

  /** Tells the storage the range is not needed; content is then undefined unless the driver says otherwise. */
  async discard(offset: number, bytes: number): Promise<void> {
    if (this.flags.readOnly) throw errnoError(ERRNO.EPERM);
    if (!this.flags.unmap) return;
    bytes = Math.min(bytes, this.length - offset);
    const align = this.discardAlignment;
    const end = offset + bytes;
    const first = roundUp(offset, align);
    // A partial unit at the very end of the node counts as whole.
    const last = end === this.length ? end : roundDown(end, align);
    for (let at = first; at < last; ) {
      const n = Math.min(last - at, roundDown(MAX_TRANSFER, align));
      try {
        await this.doDiscard(at, n);
      } catch (error) {
        if (!isUnsupported(error)) throw error;
      }
      at += n;
    }
  }

  /** Whether somebody is to be told of events in the work of layers above: a blkdebug node here or under a raw one. */
  get wantsEvents(): boolean {
    return false;
  }

  /** A step in the work of the layer above, by its name in blkdebug rules. */
  event(_name: string): void {}

  /** Puts everything written so far on stable storage. */
  async flush(): Promise<void> {
    if (this.flags.readOnly) return;
    await this.doFlush();
    if (!this.flags.noFlush) this.file?.event('flush_to_disk');
    for (const { node } of this.children.values()) await node.flush();
  }

  /** Fills the whole buffer; the range lies within the node and is not empty. */
  protected abstract doRead(offset: number, buffer: Uint8Array): Ending;

  /**
   * Writes the whole buffer, within the node or, if it is growable, perhaps behind its end. `flags` are REQ bits, of which a driver
   * may ignore all but COMPRESSED; what FUA asks for is done by the caller with a flush.
   */
  protected doWrite(_offset: number, _buffer: Uint8Array, _flags: number): Ending {
    throw errnoError(ERRNO.EPERM);
  }

  /**
   * At most maxZeroBytes; the range is aligned to zeroAlignment, or lies within one unit of it, or ends with the request's end. EOPNOTSUPP
   * has zeroes written instead, unless NO_FALLBACK is among the flags.
   */
  protected doWriteZeroes(_offset: number, _bytes: number, _flags: number): Promise<void> {
    return Promise.reject(errnoError(ERRNO.EOPNOTSUPP));
  }

  /** Whole units of discardAlignment, but for the last one at the end of the node. */
  protected doDiscard(_offset: number, _bytes: number): Promise<void> {
    return Promise.reject(errnoError(ERRNO.EOPNOTSUPP));
  }

  /**
   * Hands what the driver itself has in memory to its children, which are flushed afterwards; storage makes stable what ended before the
   * flush began.
   */
  protected async doFlush(): Promise<void> {}

  /** State of the range at `offset` in this layer alone; `wantZero` asks for zero detection that may cost more. */
  blockStatus(offset: number, bytes: number, wantZero = true): Soon<BlockStatus> {
    const { length } = this;
    if (offset >= length)
      return { bytes: 0, data: false, zero: true, allocated: false, offset: -1, file: null, eof: true };
    const got = this.doBlockStatus(offset, Math.min(bytes, length - offset), wantZero);
    return got instanceof Promise
      ? got.then((status) => this.completeStatus(offset, length, status, wantZero))
      : this.completeStatus(offset, length, got, wantZero);
  }

  /** What follows for a status from the layers below. */
  private completeStatus(offset: number, length: number, status: BlockStatus, wantZero: boolean): Soon<BlockStatus> {
    if (!status.data && !status.zero && !status.allocated && wantZero) {
      const below = this.backing;
      if (!this.readsThrough() || (below && below.length <= offset)) status.zero = true;
    }
    const { file } = status;
    if (wantZero && status.recurse && status.data && status.offset >= 0 && !status.zero && file && file !== this) {
      const under = file.blockStatus(status.offset, status.bytes, true);
      if (under instanceof Promise)
        return under.then((u) => this.endStatus(offset, length, this.joinStatus(status, u)));
      this.joinStatus(status, under);
    }
    return this.endStatus(offset, length, status);
  }

  /** Adds what the file says of the place. */
  private joinStatus(status: BlockStatus, under: BlockStatus): BlockStatus {
    // Past the end of the file means zeroes; a hole inside it too.
    if (under.zero || under.bytes === 0) status.zero = true;
    if (under.bytes > 0) status.bytes = Math.min(status.bytes, under.bytes);
    return status;
  }

  private endStatus(offset: number, length: number, status: BlockStatus): BlockStatus {
    if (offset + status.bytes >= length) status.eof = true;
    return status;
  }

  /** Whether unallocated ranges show another layer; without one they read as zero. */
  readsThrough(): boolean {
    return this.backing !== undefined;
  }

  /** As blockStatus, for a range within the node. `bytes` of the answer is at least 1, and at most what was asked for. */
  protected doBlockStatus(offset: number, bytes: number, _wantZero: boolean): Soon<BlockStatus> {
    return { bytes, data: true, zero: false, allocated: true, offset, file: this };
  }

  /** The storage a range of this node is written to as it stands, for copying without reading; undefined if there is none. */
  storageOf(_offset: number): { node: BlockNode; offset: number } | undefined {
    return undefined;
  }

  /** Copies from another node's storage within the host. False if that cannot be done, and nothing is changed then. */
  copyFrom(_source: BlockNode, _from: number, _offset: number, _bytes: number): boolean {
    return false;
  }

  // Size.

  /**
   * Makes the node `size` bytes long; new bytes read as zero. With `exact` false storage that cannot change its length (devices) may stay
   * longer.
   */
  truncate(_size: number, _preallocation: Preallocation = 'off', _exact = true): Promise<void> {
    return Promise.reject(new BlockError('Image format driver does not support resize', ERRNO.EOPNOTSUPP));
  }

  /** Host bytes in use, or undefined when unknown. */
  async allocatedSize(): Promise<number | undefined> {
    let sum = 0;
    for (const [role, { node }] of this.children) {
      if (role === 'backing') continue;
      const n = await node.allocatedSize();
      if (n === undefined) return undefined;
      sum += n;
    }
    return this.children.size > 0 ? sum : undefined;
  }

  /** Whether a fresh image of this kind reads as zeroes everywhere. */
  hasZeroInit(): boolean {
    return false;
  }

  /** Frees all data of an overlay; the content is then the backing layer's. */
  makeEmpty(): Promise<void> {
    return Promise.reject(errnoError(ERRNO.EOPNOTSUPP));
  }

  // What an image says of itself.

  /** The backing file the image names, as it stands there; undefined if it names none. */
  get backingFileName(): string | undefined {
    return undefined;
  }

  /** The format the image says its backing file has. */
  get backingFormatName(): string | undefined {
    return undefined;
  }

  /** Whether the image says that it was not closed properly; undefined where a format has no way to say so. */
  get isDirty(): boolean | undefined {
    return undefined;
  }

  get isEncrypted(): boolean {
    return false;
  }

  /** Internal snapshots in the order they are listed. */
  get snapshotList(): readonly SnapshotInfo[] {
    return [];
  }

  /** Format-specific facts for `info`, already in output order; undefined where there are none. */
  specificInfo(): Soon<{ type: string; data: Record<string, unknown> } | undefined> {
    return undefined;
  }

  // What only some formats have.

  /**
   * Compares metadata with what it should be, and repairs what `fix` allows; `report` is told each finding. Waits for requests that
   * are under way.
   */
  check?(fix: FixMode, report: (line: string) => void): Promise<CheckResult>;

  /** Changes options of an existing image, given as texts and checked against the format's table (create-options.ts). */
  amend?(options: Map<string, string>, progress: (fraction: number) => void): Promise<void>;

  /** Changes which backing file the image names; undefined makes it name none. */
  changeBackingFile(_name: string | undefined, _format: string | undefined): Promise<void> {
    return Promise.reject(errnoError(ERRNO.EOPNOTSUPP));
  }

  /** Reopens for reading and writing, or for reading only. A node that cannot be reopened for writing stays as it was. */
  async setReadOnly(readOnly: boolean): Promise<void> {
    if (this.flags.readOnly === readOnly) return;
    if (readOnly && this.cumulative().perm & PERM.WRITE)
      throw new BlockError(`Block node '${this.nodeName}' is in use for writing`, ERRNO.EPERM);
    if (readOnly) await this.doSetReadOnly(true);
    else {
      try {
        await this.setFilesReadOnly(false);
        this.flags.readOnly = false;
        // Nothing may be written before the locks for that are held.
        this.refreshPermissions();
        await this.doSetReadOnly(false);
        return;
      } catch (error) {
        await this.becomeReadOnly().catch(() => {});
        throw error;
      }
    }
    await this.becomeReadOnly();
  }

  private async becomeReadOnly(): Promise<void> {
    this.flags.readOnly = true;
    this.refreshPermissions();
    await this.setFilesReadOnly(true);
  }

  private async setFilesReadOnly(readOnly: boolean): Promise<void> {
    for (const [role, { node }] of this.children) if (role !== 'backing') await node.setReadOnly(readOnly);
  }

  /** What the driver does to be written to (with permissions taken already), or before it is only read. */
  protected async doSetReadOnly(_readOnly: boolean): Promise<void> {}

  // Graph.

  /** What shows where this node has nothing of its own: the backing layer, or what a filter passes through to. */
  layerBelow(): BlockNode | undefined {
    return this.kind === 'filter' ? this.file : this.backing;
  }

  /** Gives the node a name that no other open node has; throws if one has. */
  setName(name: string): void {
    if (named.has(name)) throw new BlockError(`Duplicate nodes with node-name='${name}'`);
    named.set(name, this);
    this.nodeName = name;
  }

  private forgetName(): void {
    if (named.get(this.nodeName) === this) named.delete(this.nodeName);
  }

  /** Adds a child; `owned` children are closed with their parent. */
  attach(role: string, node: BlockNode, owned = true): void {
    this.children.set(role, { role, node, owned });
  }

  /** Takes a child away without closing it. */
  detach(role: string): BlockNode | undefined {
    const child = this.children.get(role);
    this.children.delete(role);
    child?.node.dropUse(this, role);
    return child?.node;
  }

  /**
   * Declares what `user` does with this node, as its child of a role, and what it lets others do; takes the locks that follow
   * from it. Throws if that does not go together with what other users do.
   */
  use(user: unknown, perm: number, shared: number, role = ''): void {
    let known: User | undefined;
    for (const u of this.users) if (u.user === user && (u.role === role || u.role === '')) known ??= u;
    const wanted: User = { user, role, perm, shared };
    for (const other of this.users) {
      if (other === known) continue;
      if (perm & ~other.shared) throw this.conflict(wanted, other);
      if (other.perm & ~shared) throw this.conflict(other, wanted);
    }
    const before = known && { ...known };
    if (known) Object.assign(known, wanted);
    else this.users.push(wanted);
    try {
      this.refreshPermissions();
    } catch (error) {
      if (known) Object.assign(known, before);
      else this.users.splice(this.users.indexOf(wanted), 1);
      // Children that went along with it go back.
      try {
        this.refreshPermissions();
      } catch {}
      throw error;
    }
  }

  private conflict(wants: User, denies: User): BlockError {
    const name = (u: User): string =>
      `${u.user instanceof BlockNode ? `node '${u.user.nodeName}'` : 'unnamed block device'} (uses node '${this.nodeName}' as '${u.role || 'root'}' child)`;
    return new BlockError(
      `Permission conflict on node '${this.nodeName}': permissions '${permissionNames(wants.perm & ~denies.shared)}' are both required by ${name(wants)} and unshared by ${name(denies)}.`,
      ERRNO.EPERM,
    );
  }

  /** Makes what `user` has been promised somebody else's. */
  passUse(user: unknown, to: unknown, role: string): void {
    for (const u of this.users) {
      if (u.user !== user) continue;
      u.user = to;
      u.role = role;
      return;
    }
  }

  /** Ends what a user does in a role, or in all of them. */
  dropUse(user: unknown, role?: string): void {
    let left = 0;
    for (const u of this.users) if (u.user !== user || (role !== undefined && u.role !== role)) this.users[left++] = u;
    if (left === this.users.length) return;
    this.users.length = left;
    this.refreshPermissions();
  }

  /** All users' permissions together. */
  protected cumulative(): Use {
    let perm = 0;
    let shared: number = PERM.ALL;
    for (const use of this.users) {
      perm |= use.perm;
      shared &= use.shared;
    }
    return { perm, shared };
  }

  refreshPermissions(): void {
    const { perm, shared } = this.cumulative();
    if (perm & PERM.WRITE && this.flags.readOnly) throw new BlockError('Block node is read-only', ERRNO.EACCES);
    for (const child of this.children.values()) {
      const use = this.childPermissions(child.role, perm, shared);
      child.node.use(this, use.perm, use.shared, child.role);
    }
    this.applyPermissions(perm, shared);
  }

  /** What this node needs of a child. Formats own their file; filters pass on what is asked of them. */
  childPermissions(role: string, perm: number, shared: number): Use {
    return childPermissions(this.kind, role, perm, shared, this.flags);
  }

  /** Takes locks for the permissions; only storage has something to do here. */
  protected applyPermissions(_perm: number, _shared: number): void {}

  /** Writes what is left and closes the node and its own children, all of them, whatever fails; throws the first error. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.forgetName();
    let failed: { error: unknown } | undefined;
    const attempt = async (step: () => unknown): Promise<void> => {
      try {
        await step();
      } catch (error) {
        failed ??= { error };
      }
    };
    await attempt(() => this.doClose());
    for (const { node, owned } of this.children.values())
      await attempt(() => (owned ? node.close() : node.dropUse(this)));
    this.children.clear();
    if (failed) throw failed.error;
  }

  /** Gives the node and its own children up without writing anything: after a failed open, for one. */
  async abandon(): Promise<void> {
    this.closed = true;
    this.forgetName();
    for (const { node, owned } of this.children.values()) {
      if (owned) await node.abandon();
      else node.dropUse(this);
    }
    this.children.clear();
  }

  protected async doClose(): Promise<void> {}

  /** Called when the node and everything below it has been opened. */
  async opened(): Promise<void> {}
}

/** Permission rules shared by all drivers, usable before a node exists (locks are taken before headers are read). */
export function childPermissions(
  kind: 'format' | 'protocol' | 'filter',
  role: string,
  perm: number,
  shared: number,
  flags: NodeFlags,
): Use {
  if (kind !== 'format') return { perm, shared };
  if (role === 'backing') {
    // What the layer above may let others change, it may be changed through here too; a format's own file is another matter.
    const changing = shared & PERM.WRITE ? PERM.WRITE | PERM.RESIZE : 0;
    return { perm: perm & PERM.CONSISTENT_READ, shared: PERM.CONSISTENT_READ | PERM.WRITE_UNCHANGED | changing };
  }
  let childPerm = flags.noIo ? 0 : PERM.CONSISTENT_READ;
  if (!flags.readOnly) childPerm |= PERM.WRITE | PERM.RESIZE;
  // A data file holds nothing that only this node understands: who may write through the node may write there too.
  if (role === 'data-file')
    return { perm: childPerm | perm, shared: (PERM.ALL & ~PERM.WRITE & ~PERM.RESIZE) | (shared & PERM.WRITE) };
  return { perm: childPerm | perm, shared: PERM.ALL & ~(PERM.WRITE | PERM.RESIZE) };
}
