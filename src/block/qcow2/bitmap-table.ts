// The tables of dirty bitmaps and the clusters with their bits: going through them, changing them, counting what they refer to.
import { divUp, equalRanges, isZero, readU32be, roundUp, writeU32be, writeU64be } from '../bytes.ts';
import { type CheckResult, REQ } from '../driver.ts';
import { ERRNO } from '../errors.ts';
import { type Bitmap, fail, listBitmaps, MAX_TABLE_ENTRIES, tableEntries, writeChecked } from './bitmap-directory.ts';
import { CHUNK_BYTES, type DirtyBits } from './bitmap-recording.ts';
import { allocClusters, freeClusters } from './refcount.ts';
import { entryOffset, type Qcow2State } from './state.ts';

/** Low bit of a table entry without a cluster: its bits are all set. */
const ALL_ONES = 1;

/** Bytes of a table that are in memory at a time. */
const WINDOW = 65536;
const WINDOW_ENTRIES = WINDOW / 8;

/** A part of a table in memory. */
interface TableWindow {
  /** Index of its first entry. */
  first: number;
  entries: Uint8Array;
}

/** Reads the part of a bitmap's table that entry `index` is in. */
async function readWindow(s: Qcow2State, b: Bitmap, index: number): Promise<TableWindow> {
  if (b.tableSize * 8 > s.file.length)
    fail(`Could not read bitmap_table table from image for bitmap '${b.name}'`, ERRNO.EIO);
  const first = index - (index % WINDOW_ENTRIES);
  const entries = new Uint8Array(Math.min(WINDOW_ENTRIES, b.tableSize - first) * 8);
  await s.file.read(b.tableOffset + first * 8, entries);
  return { first, entries };
}

/** Where the bits of an entry are: an offset, 0 if none is set, or ALL_ONES. Throws for what is no entry. */
function placeOf(s: Qcow2State, b: Bitmap, { first, entries }: TableWindow, index: number): number {
  const hi = readU32be(entries, (index - first) * 8);
  const lo = readU32be(entries, (index - first) * 8 + 4);
  if (!isEntry(s, hi, lo)) fail(`Bitmap '${b.name}' has an invalid table entry ${index}`);
  return entryOffset(hi, lo) || lo & ALL_ONES;
}

function isEntry(s: Qcow2State, hi: number, lo: number): boolean {
  const offset = entryOffset(hi, lo);
  return !(hi & 0xff000000 || lo & 0x1fe || (offset !== 0 && (offset % s.clusterSize !== 0 || lo & ALL_ONES)));
}

/** Calls `each` with the index of every entry from `from` on that is not zero, and its words. */
async function eachEntry(
  s: Qcow2State,
  b: Bitmap,
  from: number,
  each: (index: number, hi: number, lo: number) => Promise<void> | undefined,
): Promise<void> {
  for (let at = from; at < b.tableSize; ) {
    const { first, entries } = await readWindow(s, b, at);
    const end = first + entries.length / 8;
    if (isZero(entries)) at = end;
    for (; at < end; at++) {
      const hi = readU32be(entries, (at - first) * 8);
      const lo = readU32be(entries, (at - first) * 8 + 4);
      if (hi === 0 && lo === 0) continue;
      const done = each(at, hi, lo);
      if (done) await done;
    }
  }
}

/** Goes through the bits of a bitmap, of which it has only one cluster in memory. */
export class BitmapReader {
  private window: TableWindow | undefined;
  /** Entries that can have a cluster of their own within the file; where there are more, some have the same. */
  private left: number;

  constructor(
    private readonly s: Qcow2State,
    private readonly b: Bitmap,
  ) {
    this.left = divUp(s.file.length, s.clusterSize);
  }

  /** Index of the next entry from `index` on that may have bits; -1 if there is none. */
  async next(index: number): Promise<number> {
    const { b } = this;
    while (index < b.tableSize) {
      const window = await this.windowOf(index);
      const { first, entries } = window;
      const end = first + entries.length / 8;
      if (isZero(entries, (index - first) * 8)) {
        index = end;
        continue;
      }
      for (; index < end; index++) {
        const at = (index - first) * 8;
        if (readU32be(entries, at) !== 0 || readU32be(entries, at + 4) !== 0) return index;
      }
    }
    return -1;
  }

  /** The bits of an entry, `ones` if all are set, undefined if none is. */
  async read(index: number): Promise<Uint8Array | 'ones' | undefined> {
    const { s, b } = this;
    const place = placeOf(s, b, await this.windowOf(index), index);
    if (place === ALL_ONES) return 'ones';
    // (What a file does not have reads as zero.)
    if (place === 0 || place >= s.file.length) return undefined;
    if (this.left-- === 0) fail(`Bitmap '${b.name}' has clusters more than once`);
    const data = new Uint8Array(s.clusterSize);
    await s.file.read(place, data);
    return isZero(data) ? undefined : data;
  }

  private async windowOf(index: number): Promise<TableWindow> {
    const { window } = this;
    if (window && index >= window.first && index < window.first + WINDOW_ENTRIES) return window;
    return (this.window = await readWindow(this.s, this.b, index));
  }
}

/** Sets bits of a bitmap on disk, entry by entry, with a part of the table in memory. Called with the lock held; ends with finish or abandon. */
export class BitmapWriter {
  private window: TableWindow | undefined;
  private changed = false;
  private entry: { index: number; place: number; data: Uint8Array } | undefined;
  /** Clusters that no table on disk refers to yet, and those that it no longer will. */
  private made: number[] = [];
  private gone: number[] = [];

  constructor(
    private readonly s: Qcow2State,
    private readonly b: Bitmap,
    /** Bytes of bits that may be written before it is too much. */
    private budget = Infinity,
  ) {}

  /** The bits of an entry, to be changed until the next call; undefined if all are set already. */
  async load(index: number): Promise<Uint8Array | undefined> {
    const { s, b } = this;
    if (this.entry?.index === index) return this.entry.data;
    await this.storeEntry();
    const place = placeOf(s, b, await this.windowOf(index), index);
    if (place === ALL_ONES) return undefined;
    if (place >= s.file.length) fail(`Bitmap '${b.name}' has an invalid table entry ${index}`);
    const data = new Uint8Array(s.clusterSize);
    if (place !== 0) await s.file.read(place, data);
    this.entry = { index, place, data };
    return data;
  }

  /** Sets all bits of an entry, for which it needs no cluster. */
  async setAll(index: number): Promise<void> {
    if (this.entry && this.entry.index !== index) await this.storeEntry();
    this.entry = undefined;
    const window = await this.windowOf(index);
    const place = placeOf(this.s, this.b, window, index);
    if (place === ALL_ONES) return;
    if (place !== 0) this.gone.push(place);
    const at = (index - window.first) * 8;
    writeU32be(window.entries, at, 0);
    writeU32be(window.entries, at + 4, ALL_ONES);
    this.changed = true;
  }

  private async storeEntry(): Promise<void> {
    const { s, entry } = this;
    if (!entry) return;
    const { data } = entry;
    if (data[0] === 0xff && equalRanges(data, 0, data, 1, data.length - 1)) return this.setAll(entry.index);
    this.entry = undefined;
    let { place } = entry;
    this.budget -= s.clusterSize;
    if (this.budget < 0) fail('Bitmap is too large', ERRNO.EFBIG);
    if (place === 0) {
      place = await allocClusters(s, s.clusterSize);
      this.made.push(place);
      const window = this.window!;
      writeU64be(window.entries, (entry.index - window.first) * 8, place);
      this.changed = true;
    }
    await writeChecked(s, place, entry.data);
  }

  private async windowOf(index: number): Promise<TableWindow> {
    const { window } = this;
    if (window && index >= window.first && index < window.first + WINDOW_ENTRIES) return window;
    await this.storeWindow();
    return (this.window = await readWindow(this.s, this.b, index));
  }

  private async storeWindow(): Promise<void> {
    const { s, b, window } = this;
    if (!window || !this.changed) return;
    // Clusters and their counts are stable before the table refers to them, and given up when it does not for good.
    await s.refcountCache.flush();
    await s.file.flush();
    await writeChecked(s, b.tableOffset + window.first * 8, window.entries);
    this.changed = false;
    this.made = [];
    const { gone } = this;
    this.gone = [];
    if (gone.length > 0) await s.file.flush();
    for (const place of gone) await freeBits(s, place);
  }

  /** Writes what is left. */
  async finish(): Promise<void> {
    await this.storeEntry();
    await this.storeWindow();
  }

  /** Gives up what was not written, after an error. Bits that were set already stay. */
  async abandon(): Promise<void> {
    for (const place of this.made) await freeClusters(this.s, place, this.s.clusterSize, 'never').catch(() => {});
  }
}

/** Gives up a cluster of bits. In an image that turns out to be damaged it is lost. */
async function freeBits(s: Qcow2State, place: number): Promise<void> {
  if (!s.corrupted) await freeClusters(s, place, s.clusterSize, 'other');
}

/** Sets bits of a bitmap on disk that were recorded in memory. */
export async function storeRecorded(s: Qcow2State, b: Bitmap, sets: readonly DirtyBits[]): Promise<void> {
  const writer = new BitmapWriter(s, b);
  const perEntry = s.clusterSize / CHUNK_BYTES;
  try {
    for (const set of sets) {
      for (const [key, bits] of set.inOrder()) {
        const index = Math.floor(key / perEntry);
        if (index >= b.tableSize) break;
        const data = await writer.load(index);
        const at = (key % perEntry) * CHUNK_BYTES;
        if (data) for (let i = 0; i < CHUNK_BYTES; i++) data[at + i]! |= bits[i]!;
      }
    }
    await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/** A new all-zero table for a disk of `size` bytes. */
export async function newTable(
  s: Qcow2State,
  granularityBits: number,
  size = s.size,
): Promise<{ offset: number; entries: number }> {
  const entries = tableEntries(s, granularityBits, size);
  if (entries > MAX_TABLE_ENTRIES) fail('Bitmap is too large', ERRNO.EFBIG);
  const offset = await allocClusters(s, entries * 8);
  try {
    await s.file.writeZeroes(offset, roundUp(entries * 8, s.clusterSize), REQ.MAY_UNMAP);
  } catch (error) {
    await freeClusters(s, offset, entries * 8, 'never').catch(() => {});
    throw error;
  }
  return { offset, entries };
}

/** Copies what a bitmap's table and a new one of so many entries have in common. */
export async function copyTable(s: Qcow2State, b: Bitmap, offset: number, entries: number): Promise<void> {
  for (let at = 0; at < Math.min(b.tableSize, entries); at += WINDOW_ENTRIES) {
    const window = await readWindow(s, b, at);
    const common = window.entries.subarray(0, (entries - at) * 8);
    if (!isZero(common)) await s.file.write(offset + at * 8, common);
  }
}

/** Gives up a bitmap's table, and its bits from entry `from` on. */
export async function freeTable(s: Qcow2State, b: Bitmap, from = 0): Promise<void> {
  await eachEntry(s, b, from, (_, hi, lo) => {
    const place = entryOffset(hi, lo);
    return place !== 0 ? freeBits(s, place) : undefined;
  });
  if (!s.corrupted) await freeClusters(s, b.tableOffset, b.tableSize * 8, 'other');
}

/** Counts the clusters of directory, tables and bits for the consistency check. */
export async function countReferences(
  s: Qcow2State,
  count: (offset: number, bytes: number) => void,
  say: (line: string) => void,
  r: CheckResult,
): Promise<void> {
  const ext = s.header.bitmaps!;
  count(ext.directoryOffset, ext.directorySize);
  let list: Bitmap[];
  try {
    list = await listBitmaps(s);
  } catch {
    r.corruptions++;
    say('ERROR bitmap directory is corrupt');
    return;
  }
  for (const b of list) {
    count(b.tableOffset, b.tableSize * 8);
    await eachEntry(s, b, 0, (index, hi, lo) => {
      const offset = entryOffset(hi, lo);
      if (!isEntry(s, hi, lo)) {
        say(`ERROR bitmap '${b.name}' has an invalid table entry ${index}`);
        r.corruptions++;
      } else if (offset !== 0) count(offset, s.clusterSize);
      return undefined;
    });
  }
}
