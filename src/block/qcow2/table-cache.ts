// Write-back cache of L2 tables and refcount blocks in slices, with ordering between caches and against flushes.
import type { BlockNode, Ending } from '../driver.ts';
import { BlockError, ERRNO, errnoError } from '../errors.ts';

/** A slice of a table in memory. Change `data` and call markDirty without an await between. */
export interface Slice {
  offset: number;
  data: Uint8Array;
  dirty: boolean;
  lastUse: number;
  /** Entries known to be zero, from the first to behind the last, until something changes. */
  emptyFrom: number;
  emptyEnd: number;
}

/**
 * All methods are called with the image's metadata lock held, so a slice stays valid until the caller's next await on
 * this cache.
 */
export class TableCache {
  private readonly slices = new Map<number, Slice>();
  private clock = 0;
  private dirtyCount = 0;
  /** This cache may be written only after that one is on stable storage. */
  private dependsOn: TableCache | undefined;
  /** … and only after everything written to the file so far is. */
  private dependsOnFlush = false;

  constructor(
    private readonly file: BlockNode,
    readonly sliceBytes: number,
    private readonly maxSlices: number,
    /** Looks whether a range may be written; throws if not. */
    private readonly guard: (offset: number, bytes: number) => Promise<void> | undefined,
    /** What is told to the file before it is read or written. */
    private readonly events: { load: string | undefined; update: string },
    /** Makes guest data stable, wherever that lies. */
    private readonly flushData: () => Promise<void>,
    /** Whether the image may still be written to. */
    private readonly image: { readonly corrupted: boolean; readonly lost: boolean },
  ) {}

  /** The slice at a file offset (a multiple of the slice size), read if need be. */
  get(offset: number): Slice | Promise<Slice> {
    const slice = this.slices.get(offset);
    if (!slice) return this.load(offset, true);
    slice.lastUse = ++this.clock;
    return slice;
  }

  /** The slice at a file offset if it is in memory. */
  peek(offset: number): Slice | undefined {
    const slice = this.slices.get(offset);
    if (slice) slice.lastUse = ++this.clock;
    return slice;
  }

  /** A zeroed slice for a table that is new: nothing is read. */
  getFresh(offset: number): Slice | Promise<Slice> {
    const slice = this.slices.get(offset);
    if (!slice) return this.load(offset, false);
    slice.data.fill(0);
    return slice;
  }

  private async load(offset: number, read: boolean): Promise<Slice> {
    if (offset % this.sliceBytes !== 0 || offset <= 0) {
      throw new BlockError(`Metadata table at unaligned offset 0x${offset.toString(16)}`, ERRNO.EIO);
    }
    if (this.slices.size >= this.maxSlices) await this.evict();
    const data = new Uint8Array(this.sliceBytes);
    const slice: Slice = { offset, data, dirty: false, lastUse: ++this.clock, emptyFrom: 0, emptyEnd: 0 };
    if (read) {
      if (this.events.load) this.file.event(this.events.load);
      await this.file.read(offset, slice.data);
    }
    this.slices.set(offset, slice);
    return slice;
  }

  /**
   * Drops the older half, written out before if changed: scanning for one victim each time would cost more. In an image that must
   * not be written to any more what is changed stays.
   */
  private async evict(): Promise<void> {
    if (this.dirtyCount > 0 && !this.image.corrupted) await this.flush();
    const byAge = [...this.slices.values()].filter((s) => !s.dirty).sort((a, b) => a.lastUse - b.lastUse);
    for (const s of byAge.slice(0, Math.ceil(byAge.length / 2))) this.slices.delete(s.offset);
  }

  markDirty(slice: Slice): void {
    slice.emptyEnd = 0;
    if (slice.dirty) return;
    slice.dirty = true;
    this.dirtyCount++;
  }

  get isDirty(): boolean {
    return this.dirtyCount > 0;
  }

  /** Demands that `other` is stable before this cache is written next. */
  dependOn(other: TableCache): Ending {
    if (this.dependsOn === other) return undefined;
    // Even if it has nothing left to write: what it wrote may not be stable yet.
    // No circles: what the other one waits for goes first.
    if (other.dependsOn) {
      return other.settleDependencies().then(() => {
        this.dependsOn = other;
      });
    }
    this.dependsOn = other;
    return undefined;
  }

  /** Whether dependOn would have to write something first. */
  mustWaitFor(other: TableCache): boolean {
    return this.dependsOn !== other && other.dependsOn !== undefined;
  }

  /** Demands that data written so far is stable before this cache is written next. */
  dependOnFlush(): void {
    this.dependsOnFlush = true;
  }

  private async settleDependencies(): Promise<void> {
    const other = this.dependsOn;
    const data = this.dependsOnFlush;
    this.dependsOn = undefined;
    this.dependsOnFlush = false;
    try {
      if (other) await other.flush();
      if (data) await this.flushData();
      if (other) await this.file.flush();
    } catch (error) {
      this.dependsOn ??= other;
      this.dependsOnFlush ||= data;
      throw error;
    }
  }

  /** Writes all changed slices, after what they depend on; does not flush the file afterwards. */
  async flush(): Promise<void> {
    if (this.dirtyCount === 0) return;
    if (this.image.lost) throw errnoError(ERRNO.EIO);
    await this.settleDependencies();
    const dirty = [...this.slices.values()].filter((s) => s.dirty).sort((a, b) => a.offset - b.offset);
    for (let i = 0; i < dirty.length; ) {
      let end = i + 1;
      while (end < dirty.length && dirty[end]!.offset === dirty[end - 1]!.offset + this.sliceBytes && end - i < 16)
        end++;
      const run = dirty.slice(i, end);
      const refused = this.guard(run[0]!.offset, run.length * this.sliceBytes);
      if (refused) await refused;
      this.file.event(this.events.update);
      await this.file.write(run[0]!.offset, run.length === 1 ? run[0]!.data : Buffer.concat(run.map((s) => s.data)));
      for (const s of run) {
        s.dirty = false;
        this.dirtyCount--;
      }
      i = end;
    }
  }

  /** Drops what has not been used since this was last called, and needs no writing. Called with the lock not held. */
  dropUnused(): void {
    for (const slice of this.slices.values())
      if (!slice.dirty && slice.lastUse <= this.cleanedAt) this.slices.delete(slice.offset);
    this.cleanedAt = this.clock;
  }

  private cleanedAt = 0;

  /** Forgets slices of a range whose clusters are no longer tables. */
  forget(start: number, bytes: number): void {
    for (let at = start - (start % this.sliceBytes); at < start + bytes; at += this.sliceBytes) {
      const slice = this.slices.get(at);
      if (!slice) continue;
      if (slice.dirty) this.dirtyCount--;
      this.slices.delete(at);
    }
  }

  /** Writes what is changed and forgets everything. */
  async empty(): Promise<void> {
    await this.flush();
    this.slices.clear();
  }

  /** Forgets everything, changed or not (after an error that makes the content void). */
  discardAll(): void {
    this.slices.clear();
    this.dirtyCount = 0;
    this.dependsOn = undefined;
    this.dependsOnFlush = false;
  }
}
