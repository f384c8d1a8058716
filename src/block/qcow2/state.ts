// The in-memory state of an open qcow2 image, shared by the modules that each handle one on-disk structure.
import { Mutex, RangeLock } from '../async.ts';
import { divUp, writeU32be } from '../bytes.ts';
import type { BlockNode, NodeFlags, SnapshotInfo } from '../driver.ts';
import { BlockError, ERRNO, errnoError } from '../errors.ts';
import { writeText } from '../libc.ts';
import { AUTOCLEAR, FIELD, type Header, INCOMPAT, serializeHeader } from './header.ts';
import { TableCache } from './table-cache.ts';

/** Bits of L1 and L2 entries, in the high word unless said otherwise. */
export const COPIED_HI = 0x80000000;
export const COMPRESSED_HI = 0x40000000;
/** Bits 9..55 of an entry are the host offset. */
export const OFFSET_MASK_HI = 0x00ffffff;
export const OFFSET_MASK_LO = 0xfffffe00;
/** Low bit of an L2 entry: the cluster reads as zeroes (version 3). */
export const ZERO_LO = 1;
export const TWO32 = 2 ** 32;

/** Host offset in an L1 or L2 entry given as two words. */
export function entryOffset(hi: number, lo: number): number {
  return (hi & OFFSET_MASK_HI) * TWO32 + ((lo & OFFSET_MASK_LO) >>> 0);
}

/** Table slices are at most this long, so that large clusters do not make every lookup read megabytes. */
const MAX_SLICE = 65536;

/** Bytes of metadata kept in memory when the options do not say. */
const DEFAULT_L2_CACHE = 32 << 20;
const DEFAULT_REFCOUNT_CACHE = 8 << 20;

/** One entry of the snapshot table. */
export interface Snapshot extends SnapshotInfo {
  l1Offset: number;
  l1Size: number;
  /** Extra data beyond what we know, kept for writing back. */
  unknownExtra: Uint8Array;
  /** Length of the extra data as it was read. */
  extraSize: number;
}

/** Kinds of discards, each passed to the file or not. */
export type DiscardType = 'never' | 'always' | 'request' | 'snapshot' | 'other';

/** Kinds of metadata, as the overlap-check options name them. */
export type Section =
  | 'main-header'
  | 'active-l1'
  | 'active-l2'
  | 'refcount-table'
  | 'refcount-block'
  | 'snapshot-table'
  | 'inactive-l1'
  | 'inactive-l2'
  | 'bitmap-directory';

/** What keeps writes off metadata (overlap.ts). */
export interface Guard {
  /** The places of tables have changed in a way nobody has told: they are looked for anew. */
  forget(): void;
  /** A table was made or given up. */
  note(section: 'active-l2' | 'refcount-block', offset: number, present: boolean): void;
  /**
   * Throws, and marks the image corrupt, if a range of the image file about to be written or allocated is metadata of a guarded
   * kind other than those in `ignore`. Returns nothing, or a promise where something has to be read or said.
   */
  check(offset: number, bytes: number, ignore?: readonly Section[]): Promise<void> | undefined;
  /** Whether that would throw or has to read something to know. Changes nothing. */
  overlaps(offset: number, bytes: number): boolean;
}

export interface Qcow2Settings {
  /** Seconds after which unused tables leave the memory, 0: never. */
  cleanInterval: number;
  /** Bytes of L2 tables read at once; undefined: as many as are good for most images. */
  l2SliceBytes: number | undefined;
  l2CacheBytes: number | undefined;
  refcountCacheBytes: number | undefined;
  lazyRefcounts: boolean | undefined;
  discardPass: Record<DiscardType, boolean>;
  overlap: Set<Section>;
}

/** Everything the structure modules need of an image. */
export class Qcow2State {
  readonly clusterBits: number;
  readonly clusterSize: number;
  /** 16-byte L2 entries with 32 subclusters each. */
  readonly extendedL2: boolean;
  readonly l2EntrySize: number;
  readonly l2Entries: number;
  readonly subclusters: number;
  readonly subclusterSize: number;
  /** Guest bytes one L2 table covers. */
  readonly l2Span: number;

  refcountBits: number;
  refcountsPerBlock: number;
  refcountMax: number;

  private l1Words: Uint32Array = new Uint32Array(0);
  /** Entries of the refcount table that had reserved bits set when it was read. */
  readonly reservedEntries = new Set<number>();
  private refTableOffsets: Float64Array = new Float64Array(0);
  /** Keeps writes off metadata; set when the image is opened. */
  guard!: Guard;
  snapshots: Snapshot[] = [];

  readonly l2Cache: TableCache;
  refcountCache: TableCache;
  readonly lock = new Mutex();
  /** Held by a change of what the image is (size, format, snapshots, bitmaps) from its beginning to its end. */
  readonly changes = new Mutex();
  /** The size that the disk is about to get, with what lies behind its end being made ready; no request goes there before it has it. */
  growing: number | undefined;
  /** Guest ranges being read, written or remapped. */
  readonly ranges = new RangeLock();

  /** Where the search for free clusters starts. */
  freeIndex = 0;
  /** Place for the next compressed cluster, 0 for none. */
  freeByteOffset = 0;
  /**
   * Clusters freed since the last flush. They are not given out again before: until the mapping that no longer uses them is
   * stable, a crash would bring the old mapping back, and it must still find its own data.
   */
  readonly freedSinceFlush = new Set<number>();
  /** Lazy refcounts are in force: the dirty bit is set in the header. */
  dirtyMarked = false;
  /** Changes that only a repair can put right, under way or failed half done: the dirty bit stays. */
  private repairable = 0;
  /** The image was opened with the dirty bit set, and no repair has ended without anything left. */
  unrepaired = false;
  /** Notes a changed guest range in the dirty bitmaps; set while there are any. */
  recordWrite: ((offset: number, bytes: number) => void) | undefined;
  /** Corruption was found; nothing may be written any more, except by a repair. */
  corrupted = false;
  /** A change of header or L1 table failed, and so did taking it back: nobody knows what the disk says. Not even a repair may write. */
  lost = false;
  /** Clearing a feature bit failed: the disk may say otherwise than the header in memory, in which the bit is still set. */
  private bitsUnknown = false;
  private saidCorrupt = false;

  constructor(
    readonly node: BlockNode & { zeroBehind(from: number, to: number): Promise<void> },
    readonly file: BlockNode,
    readonly header: Header,
    readonly settings: Qcow2Settings,
  ) {
    this.clusterBits = header.clusterBits;
    this.clusterSize = 2 ** header.clusterBits;
    this.extendedL2 = (header.incompatible.lo & INCOMPAT.EXTENDED_L2) !== 0;
    this.l2EntrySize = this.extendedL2 ? 16 : 8;
    this.l2Entries = this.clusterSize / this.l2EntrySize;
    this.subclusters = this.extendedL2 ? 32 : 1;
    this.subclusterSize = this.clusterSize / this.subclusters;
    this.l2Span = this.l2Entries * this.clusterSize;
    this.refcountBits = 2 ** header.refcountOrder;
    this.refcountsPerBlock = (this.clusterSize * 8) / this.refcountBits;
    this.refcountMax = this.refcountBits === 64 ? Number.MAX_SAFE_INTEGER : 2 ** this.refcountBits - 1;
    const slice = Math.min(this.clusterSize, MAX_SLICE);
    const count = (bytes: number, least: number): number => Math.max(least, Math.floor(bytes / slice));
    const l2Slice = settings.l2SliceBytes ?? slice;
    const l2Slices = Math.max(4, Math.floor((settings.l2CacheBytes ?? DEFAULT_L2_CACHE) / l2Slice));
    this.l2Cache = new TableCache(
      file,
      l2Slice,
      l2Slices,
      (offset, bytes) => this.guard.check(offset, bytes, ['active-l2', 'inactive-l2']),
      { load: 'l2_load', update: 'l2_update' },
      () => this.flushData(),
      this,
    );
    this.refcountCache = this.makeRefcountCache(slice, count(settings.refcountCacheBytes ?? DEFAULT_REFCOUNT_CACHE, 4));
  }

  /** A cache for refcount blocks; a new one is needed when their width changes. */
  makeRefcountCache(sliceBytes: number, slices: number): TableCache {
    return new TableCache(
      this.file,
      sliceBytes,
      slices,
      (offset, bytes) => this.guard.check(offset, bytes, ['refcount-block']),
      { load: undefined, update: 'refblock_update_part' },
      () => this.flushData(),
      this,
    );
  }

  /** Makes guest data stable; the image file too, as it must be long enough for what tables will say. */
  private async flushData(): Promise<void> {
    if (this.hasDataFile) await this.dataFile.flush();
    await this.file.flush();
  }

  /** Runs a change of the image, or something that no change may disturb: alone, with the lock held and no request under way. */
  quiet<T>(body: () => Promise<T>): Promise<T> {
    return this.changes.with(() => this.still(body));
  }

  /** A step of a change: runs it with the lock held and no request under way. */
  async still<T>(body: () => Promise<T>): Promise<T> {
    const range = await this.ranges.acquireAll();
    try {
      return await this.lock.with(body);
    } finally {
      this.ranges.release(range);
    }
  }

  /** Changes a part of the header and makes that stable; what it replaces is put back if that fails. */
  async switchField(at: number, fresh: Uint8Array, old: Uint8Array): Promise<void> {
    try {
      await this.file.write(at, fresh);
      await this.file.flush();
    } catch (error) {
      await this.takeBack(async () => this.file.write(at, old));
      throw error;
    }
  }

  /**
   * Has `write` put the header, or an L1 entry, back to what it was, and makes that stable: what only the new one needed is given up
   * next. If that fails nobody knows what the disk says, and nothing more is written.
   */
  async takeBack(write: () => Promise<void>): Promise<void> {
    try {
      await write();
      await this.file.flush();
    } catch {
      this.corrupted = true;
      this.lost = true;
    }
  }

  /** L1 table as pairs of 32-bit words (high, low). */
  get l1(): Uint32Array {
    return this.l1Words;
  }

  set l1(words: Uint32Array) {
    this.l1Words = words;
    this.guard?.forget();
  }

  /** Refcount table: file offsets of the blocks, 0 for none. */
  get refTable(): Float64Array {
    return this.refTableOffsets;
  }

  set refTable(offsets: Float64Array) {
    this.refTableOffsets = offsets;
    this.guard?.forget();
  }

  get flags(): NodeFlags {
    return this.node.flags;
  }

  /** Where guest data lies: the data file if there is one, else the image itself. */
  get dataFile(): BlockNode {
    return this.node.children.get('data-file')?.node ?? this.file;
  }

  get hasDataFile(): boolean {
    return (this.header.incompatible.lo & INCOMPAT.DATA_FILE) !== 0;
  }

  get dataFileRaw(): boolean {
    return (this.header.autoclear.lo & AUTOCLEAR.DATA_FILE_RAW) !== 0;
  }

  get size(): number {
    return this.header.size;
  }

  get l1Size(): number {
    return this.header.l1Size;
  }

  /** Lazy refcounts: version 3 and either asked for or the image's own default. */
  get lazyRefcounts(): boolean {
    if (this.header.version < 3) return false;
    return this.settings.lazyRefcounts ?? (this.header.compatible.lo & 1) !== 0;
  }

  /** First L1 index of the area behind the disk where snapshots keep machine state. */
  get vmStateL1Index(): number {
    return divUp(this.size, this.l2Span);
  }

  get vmStateBase(): number {
    return this.vmStateL1Index * this.l2Span;
  }

  /** Throws for a request that goes beyond the disk: it became shorter while the request waited. Called with its range held. */
  checkInside(offset: number, bytes: number): void {
    if (offset + bytes > this.end) throw errnoError(ERRNO.EIO);
  }

  /** Where the disk ends for requests. */
  get end(): number {
    return this.growing ?? this.size;
  }

  /** Throws if the image must not be changed. */
  checkWritable(): void {
    if (this.corrupted || this.flags.readOnly) throw new BlockError('Image is corrupt or read-only', ERRNO.EIO);
  }

  /** Writes the header cluster anew, keeping what else the first cluster holds. */
  private async updateHeader(): Promise<void> {
    await this.file.write(0, serializeHeader(this.header));
  }

  /** Changes fields of the header, in memory and stable on disk; in neither if that fails. */
  async changeHeader(fields: Partial<Header>): Promise<void> {
    const before = { ...this.header };
    Object.assign(this.header, fields);
    try {
      const bytes = serializeHeader(this.header);
      try {
        await this.file.write(0, bytes);
        await this.file.flush();
      } catch (error) {
        Object.assign(this.header, before);
        await this.takeBack(() => this.updateHeader());
        throw error;
      }
    } catch (error) {
      // (A header that does not fit was not written.)
      Object.assign(this.header, before);
      throw error;
    }
  }

  /** Sets or clears an incompatible feature bit on disk; the header in memory says so only once it is written. */
  private async writeIncompatible(bit: number, on: boolean): Promise<void> {
    const { hi, lo } = this.header.incompatible;
    const changed = on ? lo | bit : lo & ~bit;
    const b = new Uint8Array(8);
    writeU32be(b, 0, hi);
    writeU32be(b, 4, changed);
    this.bitsUnknown ||= !on;
    await this.file.write(FIELD.incompatible, b);
    if (on) await this.file.flush();
    this.header.incompatible.lo = changed;
    this.bitsUnknown = false;
  }

  /** Notes in the header that refcounts may be behind; stable before anything that makes it true. */
  async markDirty(): Promise<void> {
    if (this.dirtyMarked) return;
    await this.writeIncompatible(INCOMPAT.DIRTY, true);
    this.dirtyMarked = true;
  }

  /** Takes the dirty mark off once everything is written. */
  async markClean(): Promise<void> {
    if (!(this.header.incompatible.lo & INCOMPAT.DIRTY) || this.repairable > 0 || this.unrepaired) return;
    await this.l2Cache.flush();
    await this.refcountCache.flush();
    await this.file.flush();
    // (Also if the bit cannot be cleared: it may be, and is set again before anything needs it.)
    this.dirtyMarked = false;
    await this.writeIncompatible(INCOMPAT.DIRTY, false);
  }

  /** Notes in the header that the image is damaged, and stops writing. */
  async markCorrupt(): Promise<void> {
    this.corrupted = true;
    if (this.flags.readOnly || this.header.version < 3) return;
    await this.writeIncompatible(INCOMPAT.CORRUPT, true);
  }

  /** Takes the corrupt mark off (after a repair). */
  async markConsistent(): Promise<void> {
    this.corrupted = false;
    if (!(this.header.incompatible.lo & INCOMPAT.CORRUPT)) return;
    await this.flushCaches();
    await this.file.flush();
    await this.writeIncompatible(INCOMPAT.CORRUPT, false);
    await this.file.flush();
  }

  /** False while refcounts may be behind, as the dirty bit tells everybody. */
  get accurateRefcounts(): boolean {
    return !this.dirtyMarked;
  }

  /**
   * Sets the dirty bit around a change that a crash could leave half done in a way only a repair can tell from damage (COPIED
   * flags that no longer fit the refcounts); version 2 has no such bit.
   */
  async beginRepairable(): Promise<void> {
    if (this.header.version >= 3 && (this.bitsUnknown || !(this.header.incompatible.lo & INCOMPAT.DIRTY)))
      await this.writeIncompatible(INCOMPAT.DIRTY, true);
    this.repairable++;
  }

  async endRepairable(): Promise<void> {
    this.repairable--;
    if (!this.dirtyMarked) await this.markClean();
  }

  /** Writes changed metadata in an order that is safe at any point; lazy refcounts stay behind. */
  async flushCaches(): Promise<void> {
    await this.l2Cache.flush();
    if (this.accurateRefcounts) await this.refcountCache.flush();
  }

  /** Metadata and data stable; freed clusters can be used again. Called with the lock held. */
  async sync(): Promise<void> {
    await this.flushCaches();
    await this.flushData();
    this.reuseFreed();
  }

  /** Lets freed clusters be given out again: what no longer uses them is stable. */
  reuseFreed(): void {
    for (const cluster of this.freedSinceFlush) if (cluster < this.freeIndex) this.freeIndex = cluster;
    this.freedSinceFlush.clear();
  }

  /** An error for metadata that points where it must not; the image is marked corrupt. */
  async corruption(message: string): Promise<BlockError> {
    const writable = !this.flags.readOnly && !this.corrupted;
    const text = writable
      ? `Marking image as corrupt: ${message}; further corruption events will be suppressed`
      : `Image is corrupt: ${message}; further non-fatal corruption events will be suppressed`;
    if (!this.saidCorrupt) writeText(2, `qcow2: ${text}\n`);
    this.saidCorrupt = true;
    if (writable) await this.markCorrupt();
    return new BlockError('Input/output error', ERRNO.EIO);
  }
}
