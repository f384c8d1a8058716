// Opening qcow2 images and the node that ties the structure modules together.
import { statusAbove } from '../block-status.ts';
import { bytesOfName, isPowerOf2, roundDown, roundUp } from '../bytes.ts';
import {
  BlockNode,
  type BlockStatus,
  type CheckResult,
  type Ending,
  type FixMode,
  type Preallocation,
  REQ,
  type SnapshotInfo,
  type Soon,
} from '../driver.ts';
import type { OpenContext } from '../driver-row.ts';
import { BlockError, ERRNO, errnoError, failingAs, strerror } from '../errors.ts';
import { checkValueTypes, extractSubtree, hasSubtree, OptionReader } from '../options.ts';
import {
  discardClusters,
  hasHost,
  KIND,
  type Mapping,
  mapAt,
  mapNow,
  zeroClusters,
  zeroSubclusters,
} from './cluster.ts';
import { AUTOCLEAR, COMPAT, type Header, headerClusterBytes, INCOMPAT, parseHeader } from './header.ts';
import { forgetInflated, readGuest, writeCompressed, writeGuest, writeVmArea } from './io.ts';
import { checkTable, loadL1, MAX_L1_BYTES } from './l1.ts';
import { OVERLAP_SECTIONS, OverlapGuard, readOverlapOptions } from './overlap.ts';
import { countUsed, loadRefcountTable, MAX_REFCOUNT_TABLE_BYTES, processDiscards } from './refcount.ts';
import { loadSnapshots } from './snapshot-table.ts';
import { type Qcow2Settings, Qcow2State } from './state.ts';

const MAX_SNAPSHOTS = 65536;

/** Caches of this size can be had without asking how much memory there is. */
const SURELY_THERE = 2 ** 28;

/** Seconds after which tables that nobody used leave the memory. */
const DEFAULT_CLEAN_INTERVAL = 600;

/** Longest a timer can wait, in seconds. */
const MAX_TIMER = 2 ** 31 / 1000 - 1;

/** Options that are no texts. */
const OPTION_TYPES = {
  'cache-size': 'size',
  'l2-cache-size': 'size',
  'l2-cache-entry-size': 'size',
  'refcount-cache-size': 'size',
  'cache-clean-interval': 'number',
  'lazy-refcounts': 'bool',
  'pass-discard-request': 'bool',
  'pass-discard-snapshot': 'bool',
  'pass-discard-other': 'bool',
  ...Object.fromEntries(OVERLAP_SECTIONS.map((name) => [`overlap-check.${name}`, 'bool' as const])),
} as const;

function readSettings(context: OpenContext, clusterSize: number, header: Header): Qcow2Settings {
  const { cryptMethod } = header;
  const r = new OptionReader(context.options);
  if (context.options.size > 0) checkValueTypes(context.options, OPTION_TYPES);
  const total = r.size('cache-size');
  const l2 = r.size('l2-cache-size');
  const refcount = r.size('refcount-cache-size');
  const entry = r.size('l2-cache-entry-size');
  if (total !== undefined) {
    if (l2 !== undefined && refcount !== undefined) {
      throw new BlockError('cache-size, l2-cache-size and refcount-cache-size may not be set at the same time');
    }
    if (l2 !== undefined && l2 > total) throw new BlockError('l2-cache-size may not exceed cache-size');
    if (refcount !== undefined && refcount > total)
      throw new BlockError('refcount-cache-size may not exceed cache-size');
  }
  if (entry !== undefined && (entry < 512 || entry > clusterSize || !isPowerOf2(entry))) {
    throw new BlockError(
      `L2 cache entry size must be a power of two between 512 and the cluster size (${clusterSize})`,
    );
  }
  const l2CacheBytes = l2 ?? (total === undefined ? undefined : total - (refcount ?? total / 5));
  const refcountCacheBytes = refcount ?? (total === undefined ? undefined : total - (l2 ?? (total * 4) / 5));
  const most = 0x7fffffff;
  // (A disk's own size limits the cache of L2 tables, not that of refcounts, which gets the rest.)
  const entryBytes = header.incompatible.lo & INCOMPAT.EXTENDED_L2 ? 16 : 8;
  const allTables = roundUp(Math.ceil(header.size / clusterSize) * entryBytes, clusterSize);
  const rest = refcount ?? (total === undefined ? 0 : total - Math.min(l2 ?? Infinity, allTables));
  if (total !== undefined && refcount !== undefined && (total - refcount) / (entry ?? clusterSize) > most)
    throw new BlockError('L2 cache size too big');
  if (rest / clusterSize > most) throw new BlockError('Refcount cache size too big');
  // (What the cache of L2 tables does not need goes to that of refcounts, which is asked for as a whole.)
  const asked = total ?? refcount ?? 0;
  if (asked > SURELY_THERE && asked > process.getBuiltinModule('node:os').totalmem())
    throw new BlockError('Could not allocate metadata caches', ERRNO.ENOMEM);
  const interval = r.number('cache-clean-interval') ?? DEFAULT_CLEAN_INTERVAL;
  if (interval > 0xffffffff) throw new BlockError('Cache clean interval too big');
  const lazy = r.bool('lazy-refcounts');
  const request = r.bool('pass-discard-request');
  const snapshot = r.bool('pass-discard-snapshot');
  const other = r.bool('pass-discard-other');
  const overlap = readOverlapOptions(r);
  const encryption = r.string('encrypt.format');
  r.string('encrypt.key-secret');
  if (encryption !== undefined && cryptMethod === 0) {
    throw new BlockError(`No encryption in image header, but options specified format '${encryption}'`);
  }
  const recorded = cryptMethod === 1 ? 'aes' : 'luks';
  if (encryption !== undefined && encryption !== recorded)
    throw new BlockError(`Header reported '${recorded}' encryption format but options specify '${encryption}'`);
  return {
    cleanInterval: interval,
    l2SliceBytes: entry,
    l2CacheBytes,
    refcountCacheBytes,
    lazyRefcounts: lazy,
    discardPass: {
      never: false,
      always: true,
      request: request ?? context.flags.unmap,
      snapshot: snapshot ?? true,
      other: other ?? false,
    },
    overlap,
  };
}

/** Opens an image whose file is already open. */
export async function openQcow2(context: OpenContext, file: BlockNode): Promise<BlockNode> {
  const { flags } = context;
  // (Files have whole sectors; what is missing of the last one reads as zeroes.)
  const start = new Uint8Array(Math.min(roundUp(file.length, 512), 512));
  await failingAs('Could not read qcow2 header', () => file.read(0, start));
  const clusterSize = headerClusterBytes(start, flags.unfinished);
  const cluster = new Uint8Array(clusterSize);
  await failingAs('Could not read qcow2 header', () => file.read(0, cluster));
  const header = parseHeader(cluster);
  const settings = readSettings(context, clusterSize, header);
  if (header.cryptMethod !== 0) {
    const kind = header.cryptMethod === 1 ? 'AES' : 'LUKS';
    if (!flags.noIo) throw new BlockError(`qcow2 images encrypted with ${kind} are not supported`, ERRNO.EOPNOTSUPP);
  }
  if (header.incompatible.lo & INCOMPAT.CORRUPT && !flags.readOnly && !flags.check) {
    throw new BlockError('qcow2: Image is corrupt; cannot be opened read/write', ERRNO.EACCES);
  }
  if (header.refTableClusters === 0 && !flags.check) {
    throw new BlockError('Image does not contain a reference count table');
  }
  checkTable(
    header,
    'Reference count table',
    header.refTableOffset,
    header.refTableClusters * clusterSize,
    MAX_REFCOUNT_TABLE_BYTES,
  );
  if (header.snapshotCount > MAX_SNAPSHOTS) throw new BlockError('Snapshot table too large', ERRNO.EFBIG);
  checkTable(header, 'Snapshot table', header.snapshotOffset, header.snapshotCount * 40, 64 << 20);
  checkTable(header, 'Active L1 table', header.l1Offset, header.l1Size * 8, MAX_L1_BYTES);
  const node = new Qcow2Node(flags);
  node.attach('file', file);
  try {
    await node.load(context, header, settings);
  } catch (error) {
    // The file goes back to who opened it; a data file was opened here.
    node.children.delete('file');
    await node.abandon();
    throw error;
  }
  node.startCleaning(settings.cleanInterval);
  return node;
}

export class Qcow2Node extends BlockNode {
  readonly driverName = 'qcow2';
  readonly kind = 'format';
  s!: Qcow2State;

  async load(context: OpenContext, header: Header, settings: Qcow2Settings): Promise<void> {
    const file = this.file!;
    const s = new Qcow2State(this, file, header, settings);
    s.guard = new OverlapGuard(s, settings.overlap);
    this.s = s;
    if (s.vmStateL1Index > 0x7fffffff) throw new BlockError('Image is too big', ERRNO.EFBIG);
    if (header.l1Size < s.vmStateL1Index) throw new BlockError('L1 table is too small');
    if (header.l1Size > 0) {
      s.l1 = await failingAs('Could not read L1 table', () => loadL1(s, header.l1Offset, header.l1Size));
    }
    if (!this.flags.readOnly || this.flags.check || file.wantsEvents) await this.needRefcounts();
    if (s.hasDataFile || hasSubtree(context.options, 'data-file')) await this.openDataFile(context);
    if (s.dataFileRaw && !s.hasDataFile && !this.flags.noIo) throw new BlockError('data-file-raw requires a data file');
    await loadSnapshots(s, this.flags.check);
    this.flags.readOnly = context.flags.readOnly;
  }

  /** (Not before the rest of the chain is open: an image that cannot be used stays as it was.) */
  override async opened(): Promise<void> {
    if (!this.flags.readOnly) await this.prepareWriting();
  }

  private cleaning: ReturnType<typeof setInterval> | undefined;

  /** Drops tables that have not been used for so many seconds (0: never). */
  startCleaning(seconds: number): void {
    if (seconds === 0 || this.flags.noIo) return;
    const { s } = this;
    this.cleaning = setInterval(() => {
      if (s.lock.isHeld) return;
      s.l2Cache.dropUnused();
      s.refcountCache.dropUnused();
    }, Math.min(seconds, MAX_TIMER) * 1000);
    this.cleaning.unref();
  }

  override async abandon(): Promise<void> {
    clearInterval(this.cleaning);
    await super.abandon();
  }

  /** Reads the refcount table; images that are only read hardly ever need it. */
  private async needRefcounts(): Promise<void> {
    if (this.s.refTable.length > 0) return;
    await failingAs('Could not initialize refcount handling', () => loadRefcountTable(this.s));
  }

  private async openDataFile(context: OpenContext): Promise<void> {
    const { header } = this.s;
    if (context.flags.noIo && (!this.s.hasDataFile || typeof context.options.get('data-file') === 'string')) {
      // Whoever reads no data does not mind which file it would be in.
      context.options.delete('data-file');
      extractSubtree(context.options, 'data-file');
      return;
    }
    if (!this.s.hasDataFile) throw new BlockError("'data-file' can only be set for images with an external data file");
    if (!hasSubtree(context.options, 'data-file')) {
      // Metadata queries leave the data file alone.
      if (context.flags.noIo) return;
      // What an image names is a file, as seen from the current folder, and nothing else: no options, no other protocol.
      if (header.dataFile !== undefined) {
        context.options.set('data-file.driver', 'file');
        context.options.set('data-file.filename', header.dataFile);
      }
    }
    const child = await context.openChild('data-file', undefined, context);
    if (!child) throw new BlockError("'data-file' is required for this image");
    this.attach('data-file', child.node, child.owned);
  }

  /** What an image opened for writing needs first: outdated autoclear bits dropped, refcounts repaired after a crash. */
  private async prepareWriting(): Promise<void> {
    const { s } = this;
    const { autoclear } = s.header;
    if (autoclear.hi !== 0 || autoclear.lo & ~(AUTOCLEAR.BITMAPS | AUTOCLEAR.DATA_FILE_RAW)) {
      await s.changeHeader({ autoclear: { hi: 0, lo: autoclear.lo & (AUTOCLEAR.BITMAPS | AUTOCLEAR.DATA_FILE_RAW) } });
    }
    s.unrepaired = (s.header.incompatible.lo & INCOMPAT.DIRTY) !== 0;
    if (s.unrepaired && !this.flags.check) {
      const { checkImage } = await import('./check.ts');
      const result = await checkImage(s, 'all', () => {});
      if (result.checkErrors > 0)
        throw new BlockError(`Could not repair dirty image: ${strerror(ERRNO.EIO)}`, ERRNO.EIO);
    }
    if (s.header.bitmaps) await (await import('./bitmap.ts')).markInUse(s);
  }

  override get length(): number {
    return this.s.size - (this.s.size % 512);
  }

  /** Where the last whole sector ends that requests may be about. */
  private get lastSector(): number {
    return this.s.end - (this.s.end % 512);
  }

  override get clusterSize(): number {
    return this.s.clusterSize;
  }

  override get zeroAlignment(): number {
    return this.s.subclusterSize;
  }

  override get discardAlignment(): number {
    return this.s.clusterSize;
  }

  override get backingFileName(): string | undefined {
    return this.s.header.backingFile;
  }

  override get backingFormatName(): string | undefined {
    return this.s.header.backingFormat;
  }

  protected override doRead(offset: number, buffer: Uint8Array): Ending {
    return readGuest(this.s, offset, buffer);
  }

  protected override doWrite(offset: number, buffer: Uint8Array, flags: number): Ending {
    const unchanged = (flags & REQ.UNCHANGED) !== 0;
    return flags & REQ.COMPRESSED
      ? this.writePacked(offset, buffer, unchanged)
      : writeGuest(this.s, offset, buffer, unchanged);
  }

  private async writePacked(offset: number, buffer: Uint8Array, unchanged: boolean): Promise<void> {
    const { clusterSize } = this.s;
    for (let at = 0; at < buffer.length; at += clusterSize) {
      await writeCompressed(this.s, offset + at, buffer.subarray(at, at + clusterSize), unchanged);
    }
  }

  protected override async doWriteZeroes(offset: number, bytes: number, flags: number): Promise<void> {
    const { s } = this;
    const unit = s.subclusterSize;
    // Held before anything is looked at: a write to another part of the same cluster may be under way.
    const range = await s.ranges.acquire(
      roundDown(offset, s.clusterSize),
      roundUp(offset + bytes, s.clusterSize),
      false,
    );
    try {
      s.checkInside(offset, bytes);
      if (s.header.version < 3) throw errnoError(ERRNO.EOPNOTSUPP);
      s.recordWrite?.(offset, bytes);
      let start = offset;
      let end = offset + bytes;
      // A partial unit can be done if the rest of it is zero already; what lies behind the end of the disk does not count.
      if (start % unit !== 0 || (end % unit !== 0 && end !== this.lastSector)) {
        start = roundDown(start, unit);
        end = Math.min(roundUp(end, unit), this.lastSector);
        if (
          !(await this.readsZero(start, offset - start)) ||
          !(await this.readsZero(offset + bytes, end - offset - bytes))
        ) {
          throw errnoError(ERRNO.EOPNOTSUPP);
        }
      }
      await s.lock.with(async () => {
        s.checkWritable();
        if (s.lazyRefcounts) await s.markDirty();
        await this.zeroRange(start, roundUp(end, unit), (flags & REQ.MAY_UNMAP) !== 0);
        await processDiscards(s);
      });
    } finally {
      s.ranges.release(range);
    }
  }

  private async zeroRange(start: number, end: number, unmap: boolean): Promise<void> {
    const { s } = this;
    // A data file that others read as it is has to show the same, and first.
    if (s.dataFileRaw) await this.zeroRawData(start, end, unmap);
    const headEnd = Math.min(end, roundUp(start, s.clusterSize));
    if (headEnd > start) {
      if (!(await zeroSubclusters(s, start, headEnd - start))) throw errnoError(ERRNO.EOPNOTSUPP);
      start = headEnd;
    }
    // (At the end of the disk nothing more must be done to the cluster the head is in.)
    if (start >= end) return;
    const middleEnd = end >= this.lastSector ? roundUp(end, s.clusterSize) : roundDown(end, s.clusterSize);
    if (middleEnd > start) {
      await zeroClusters(s, start, middleEnd - start, unmap);
      forgetInflated(s);
      start = middleEnd;
    }
    if (end > start && !(await zeroSubclusters(s, start, end - start))) throw errnoError(ERRNO.EOPNOTSUPP);
  }

  private async zeroRawData(start: number, end: number, unmap: boolean): Promise<void> {
    const { dataFile } = this.s;
    const bytes = Math.min(end, this.s.end, dataFile.length) - start;
    if (bytes > 0) await dataFile.writeZeroes(start, bytes, unmap ? REQ.MAY_UNMAP : 0);
  }

  /** Whether a range reads as zeroes as far as block status of the whole chain can tell. */
  private async readsZero(offset: number, bytes: number): Promise<boolean> {
    while (bytes > 0) {
      const status = await statusAbove(this, undefined, offset, bytes);
      if (!status.zero || status.bytes === 0) return false;
      offset += status.bytes;
      bytes -= status.bytes;
    }
    return true;
  }

  protected override async doDiscard(offset: number, bytes: number): Promise<void> {
    const { s } = this;
    const end = roundUp(offset + bytes, s.clusterSize);
    const range = await s.ranges.acquire(offset, end, false);
    try {
      // Version 2 cannot say that an area reads as zero, so with a backing file nothing can be dropped.
      if (s.header.version < 3 && this.backing) throw errnoError(ERRNO.EOPNOTSUPP);
      // (Where the disk has become shorter there is nothing left to discard.)
      if (offset + bytes > s.end) return;
      s.recordWrite?.(offset, bytes);
      await s.lock.with(async () => {
        s.checkWritable();
        if (s.lazyRefcounts) await s.markDirty();
        if (s.dataFileRaw) await this.zeroRawData(offset, end, true);
        await discardClusters(s, offset, end - offset, 'request', false);
        forgetInflated(s);
        await processDiscards(s);
      });
    } finally {
      s.ranges.release(range);
    }
  }

  protected override doFlush(): Promise<void> {
    const { s } = this;
    return s.lock.with(async () => {
      if (s.corrupted) {
        // What was accepted before stays in memory for good: nobody must take it for stable.
        if (s.l2Cache.isDirty || s.refcountCache.isDirty) throw errnoError(ERRNO.EIO);
        return;
      }
      s.file.event('flush_to_os');
      await s.flushCaches();
      // Freed clusters may be used again once the base class has flushed the file; a flag-free way is to do it here.
      if (s.freedSinceFlush.size > 0) await s.sync();
    });
  }

  protected override doBlockStatus(offset: number, bytes: number): Soon<BlockStatus> {
    const m = mapNow(this.s, offset, bytes);
    return m && (m.kind !== KIND.NORMAL || this.sparseBelow !== undefined)
      ? this.statusOf(m)
      : this.lookUpStatus(offset, bytes);
  }

  private async lookUpStatus(offset: number, bytes: number): Promise<BlockStatus> {
    const { s } = this;
    const m = await s.lock.with(() => mapAt(s, offset, bytes));
    if (m.kind === KIND.NORMAL) this.sparseBelow ??= await this.looksPreallocated();
    return this.statusOf(m);
  }

  private statusOf(m: Mapping): BlockStatus {
    const { s } = this;
    const zero = m.kind === KIND.ZERO_PLAIN || m.kind === KIND.ZERO_ALLOC;
    const normal = m.kind === KIND.NORMAL;
    const allocated = normal || zero || m.kind === KIND.COMPRESSED;
    const placed = hasHost(m.kind);
    return {
      bytes: m.bytes,
      data: normal || m.kind === KIND.COMPRESSED,
      zero,
      allocated,
      offset: placed ? m.host : -1,
      file: placed ? s.dataFile : null,
      recurse: normal && this.sparseBelow === true,
      compressed: m.kind === KIND.COMPRESSED,
    };
  }

  /** Clusters were mapped without being written: the file may tell more of them than the tables. */
  private sparseBelow: boolean | undefined;

  /** Whether clearly more clusters are in use than the file has space for. */
  private async looksPreallocated(): Promise<boolean> {
    const { s } = this;
    if (s.hasDataFile) return true;
    await this.needRefcounts();
    const bytes = await s.file.allocatedSize();
    if (bytes === undefined) return false;
    const real = Math.floor(bytes / s.clusterSize);
    const limit = Math.max((real * 11) / 10, real + 2);
    const clusters = Math.ceil(s.file.length / s.clusterSize);
    if (clusters < limit) return false;
    return s.lock.with(async () => (await countUsed(s, clusters, limit)) >= limit);
  }

  override async specificInfo(): Promise<{ type: string; data: Record<string, unknown> }> {
    const { s } = this;
    const h = s.header;
    const data: Record<string, unknown> = { compat: h.version === 2 ? '0.10' : '1.1' };
    if (h.version >= 3) {
      data['compression-type'] = h.compressionType === 1 ? 'zstd' : 'zlib';
      data['lazy-refcounts'] = (h.compatible.lo & COMPAT.LAZY_REFCOUNTS) !== 0;
      data['refcount-bits'] = s.refcountBits;
      if (h.cryptMethod !== 0) data['encrypt'] = { format: h.cryptMethod === 1 ? 'aes' : 'luks' };
      data['corrupt'] = (h.incompatible.lo & INCOMPAT.CORRUPT) !== 0;
      data['extended-l2'] = s.extendedL2;
      if (h.dataFile !== undefined && s.hasDataFile) data['data-file'] = h.dataFile;
      if (s.hasDataFile) data['data-file-raw'] = s.dataFileRaw;
    } else {
      data['compression-type'] = 'zlib';
      data['refcount-bits'] = s.refcountBits;
    }
    if (h.bitmaps) data['bitmaps'] = await (await import('./bitmap.ts')).bitmapInfo(s);
    return { type: 'qcow2', data };
  }

  override hasZeroInit(): boolean {
    const { s } = this;
    // Preallocated clusters show what the data file has there.
    const empty = s.l1.every((word) => word === 0);
    if (!empty && s.hasDataFile) return s.dataFile.hasZeroInit();
    return empty ? !s.hasDataFile || !s.dataFileRaw || s.dataFile.hasZeroInit() : s.file.hasZeroInit();
  }

  override get isDirty(): boolean {
    return (this.s.header.incompatible.lo & INCOMPAT.DIRTY) !== 0;
  }

  override get isEncrypted(): boolean {
    return this.s.header.cryptMethod !== 0;
  }

  override get snapshotList(): readonly SnapshotInfo[] {
    return this.s.snapshots;
  }

  override async truncate(size: number, preallocation: Preallocation = 'off', exact = true): Promise<void> {
    const { s } = this;
    await s.changes.with(async () => (await import('./resize.ts')).resizeImage(s, size, preallocation, exact));
  }

  override async makeEmpty(): Promise<void> {
    await this.s.quiet(async () => (await import('./resize.ts')).emptyImage(this.s));
  }

  override async check(fix: FixMode, report: (line: string) => void): Promise<CheckResult> {
    await this.needRefcounts();
    // (Clusters of writes that are under way, given out and not yet mapped, would be taken for leaks.)
    return this.s.quiet(async () => (await import('./check.ts')).checkImage(this.s, fix, report));
  }

  override async amend(options: Map<string, string>, progress: (fraction: number) => void): Promise<void> {
    const { s } = this;
    await s.changes.with(async () => (await import('./amend.ts')).amendImage(s, options, progress));
  }

  override async changeBackingFile(name: string | undefined, format: string | undefined): Promise<void> {
    const { s } = this;
    if (name !== undefined && bytesOfName(name).length > 1023) throw errnoError(ERRNO.EINVAL);
    if (s.dataFileRaw && name !== undefined) throw errnoError(ERRNO.EINVAL);
    await s.quiet(() => s.changeHeader({ backingFile: name, backingFormat: name === undefined ? undefined : format }));
  }

  override setReadOnly(readOnly: boolean): Promise<void> {
    return this.s.changes.with(() => super.setReadOnly(readOnly));
  }

  protected override async doSetReadOnly(readOnly: boolean): Promise<void> {
    // No request comes between what is done here and what the flags say.
    await this.s.still(async () => {
      if (readOnly) {
        await this.settle();
        this.flags.readOnly = true;
      } else {
        await this.needRefcounts();
        await this.prepareWriting();
      }
    });
  }

  /** Everything written, and the header saying so. Called with the lock held. */
  private async settle(): Promise<void> {
    const { s } = this;
    const flushing = (body: () => Promise<void>): Promise<void> =>
      failingAs('Failed to flush the L2 table cache', body);
    if (s.corrupted || this.flags.readOnly) return;
    // What is wrong with a bitmap must not keep the disk's content from being written.
    await flushing(() => s.flushCaches());
    if (s.header.bitmaps) await (await import('./bitmap.ts')).markSettled(s);
    await flushing(async () => {
      await s.flushCaches();
      await processDiscards(s);
      await s.file.flush();
      await s.markClean();
    });
  }

  protected override async doClose(): Promise<void> {
    clearInterval(this.cleaning);
    await this.s.lock.with(() => this.settle());
  }

  /** Makes a range behind the end of the disk read as zeroes, before the disk becomes so long. */
  async zeroBehind(from: number, to: number): Promise<void> {
    if (to > from) await this.zeroPieces(from, to - from, 0);
  }

  /** Reads machine state saved with a snapshot; `position` counts from the start of the state. */
  async readVmState(position: number, buffer: Uint8Array): Promise<void> {
    this.s.file.event('vmstate_load');
    await readGuest(this.s, this.s.vmStateBase + position, buffer);
  }

  /** Writes machine state behind the disk; makes the L1 table longer as needed. */
  async writeVmState(position: number, buffer: Uint8Array): Promise<void> {
    const { s } = this;
    const end = s.vmStateBase + position + buffer.length;
    const needed = Math.ceil(end / s.l2Span);
    if (needed > s.l1Size) {
      const { growL1 } = await import('./resize.ts');
      await s.lock.with(() => growL1(s, needed, true));
    }
    s.file.event('vmstate_save');
    await writeVmArea(s, s.vmStateBase + position, buffer);
  }
}
