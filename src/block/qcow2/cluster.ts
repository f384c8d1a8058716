// L1 and L2 tables: what lies where, and changing it.

import { isZero, readU32be, writeU32be } from '../bytes.ts';
import type { Soon } from '../driver.ts';
import { BlockError, ERRNO } from '../errors.ts';
import { allocClusters, freeClusters } from './refcount.ts';
import {
  COMPRESSED_HI,
  COPIED_HI,
  type DiscardType,
  entryOffset,
  OFFSET_MASK_HI,
  OFFSET_MASK_LO,
  type Qcow2State,
  TWO32,
  ZERO_LO,
} from './state.ts';
import type { Slice } from './table-cache.ts';

/** What a cluster (or, with extended L2 entries, a subcluster) is. */
export const KIND = {
  /** The backing file shows through; no host cluster. */
  UNALLOCATED: 0,
  /** The backing file shows through a subcluster of a cluster that has a host cluster. */
  UNALLOCATED_ALLOC: 1,
  /** Zeroes without a host cluster. */
  ZERO_PLAIN: 2,
  /** Zeroes, host cluster kept. */
  ZERO_ALLOC: 3,
  NORMAL: 4,
  COMPRESSED: 5,
} as const;

/** A range of the guest's disk that is mapped alike. */
export interface Mapping {
  kind: number;
  /** Host offset of the first byte; for compressed clusters of the compressed data; -1 if none. */
  host: number;
  /** Guest bytes, at least 1. */
  bytes: number;
  /** Compressed: host bytes to read at most. */
  compressedBytes: number;
}

/** Bytes of a slice of L2 entries, and where in the image's L2 table it lies. */
export interface L2Place {
  slice: Slice;
  /** Index of the entry in the slice. */
  index: number;
  /** Entries from there to the end of the slice. */
  left: number;
}

export function sliceEntries(s: Qcow2State): number {
  return s.l2Cache.sliceBytes / s.l2EntrySize;
}

/** Offset of the L2 table for a guest offset, 0 if there is none. `offset` may lie in the VM state area. */
function tableFor(s: Qcow2State, offset: number): number {
  const l1Index = Math.floor(offset / s.l2Span);
  const { l1 } = s;
  return l1Index * 2 >= l1.length ? 0 : entryOffset(l1[l1Index * 2]!, l1[l1Index * 2 + 1]!);
}

/** Where the entry for a guest offset is, or undefined if there is no L2 table. `offset` may lie in the VM state area. */
export function findEntry(s: Qcow2State, offset: number): Soon<L2Place | undefined> {
  const table = tableFor(s, offset);
  return table === 0 ? undefined : placeIn(s, table, offset);
}

function placeIn(s: Qcow2State, table: number, offset: number): Soon<L2Place> {
  if (table % s.clusterSize !== 0) {
    return s
      .corruption(
        `L2 table offset 0x${table.toString(16)} unaligned (L1 index: 0x${Math.floor(offset / s.l2Span).toString(16)})`,
      )
      .then((error) => Promise.reject(error));
  }
  const entry = Math.floor(offset / s.clusterSize) % s.l2Entries;
  const per = sliceEntries(s);
  const sliceNumber = Math.floor(entry / per);
  const index = entry - sliceNumber * per;
  const got = s.l2Cache.get(table + sliceNumber * s.l2Cache.sliceBytes);
  if (got instanceof Promise) return got.then((slice) => ({ slice, index, left: per - index }));
  return { slice: got, index, left: per - index };
}

/** The entry for a guest offset where that needs no waiting: the table is in memory, and whole. */
export function findEntryNow(s: Qcow2State, offset: number): L2Place | undefined {
  const table = tableFor(s, offset);
  if (table === 0 || table % s.clusterSize !== 0) return undefined;
  const entry = Math.floor(offset / s.clusterSize) % s.l2Entries;
  const per = sliceEntries(s);
  const sliceNumber = Math.floor(entry / per);
  const slice = s.l2Cache.peek(table + sliceNumber * s.l2Cache.sliceBytes);
  return slice && { slice, index: entry - sliceNumber * per, left: per - (entry - sliceNumber * per) };
}

/** Whether the L2 table for a guest offset is the active image's alone, so that its entries can be changed. */
export function hasOwnTable(s: Qcow2State, offset: number): boolean {
  const l1Index = Math.floor(offset / s.l2Span);
  return l1Index * 2 < s.l1.length && (s.l1[l1Index * 2]! & COPIED_HI) !== 0;
}

/** Bytes until the slice of L2 entries covering `offset` ends: no mapping reaches further. */
export function bytesInSlice(s: Qcow2State, offset: number): number {
  const span = sliceEntries(s) * s.clusterSize;
  return span - (offset % span);
}

/** Kind of one subcluster. Throws for a bitmap that contradicts itself. */
export function kindOf(s: Qcow2State, data: Uint8Array, index: number, sub: number): number {
  const at = index * s.l2EntrySize;
  const hi = readU32be(data, at);
  const lo = readU32be(data, at + 4);
  if (hi & COMPRESSED_HI) return KIND.COMPRESSED;
  // In a data file offset 0 is a place like any other; COPIED tells that the cluster is there.
  const allocated =
    (hi & OFFSET_MASK_HI) !== 0 || (lo & OFFSET_MASK_LO) !== 0 || (s.hasDataFile && (hi & COPIED_HI) !== 0);
  if (!s.extendedL2) {
    if (lo & ZERO_LO) return allocated ? KIND.ZERO_ALLOC : KIND.ZERO_PLAIN;
    return allocated ? KIND.NORMAL : KIND.UNALLOCATED;
  }
  const zero = (readU32be(data, at + 8) >>> sub) & 1;
  const alloc = (readU32be(data, at + 12) >>> sub) & 1;
  if (zero && alloc) return -1;
  if (zero) return allocated ? KIND.ZERO_ALLOC : KIND.ZERO_PLAIN;
  if (alloc) return allocated ? KIND.NORMAL : -1;
  return allocated ? KIND.UNALLOCATED_ALLOC : KIND.UNALLOCATED;
}

/** Whether the kind has a host cluster behind it. */
export function hasHost(kind: number): boolean {
  return kind === KIND.NORMAL || kind === KIND.ZERO_ALLOC || kind === KIND.UNALLOCATED_ALLOC;
}

/** Bytes from an offset without an L2 table to the next one that has a table; no end if there is none. */
function unmappedBytes(s: Qcow2State, offset: number): number {
  let end = Math.floor(offset / s.l2Span) + 1;
  while (end * 2 < s.l1.length && entryOffset(s.l1[end * 2]!, s.l1[end * 2 + 1]!) === 0) end++;
  // (A snapshot may be longer than what its L1 table maps: by terabytes, if it is damaged.)
  return end * 2 < s.l1.length ? end * s.l2Span - offset : Number.MAX_SAFE_INTEGER;
}

/** The mapping at a guest offset, as long as it stays alike (at most `bytes`). Called with the lock held. */
export async function mapAt(s: Qcow2State, offset: number, bytes: number): Promise<Mapping> {
  const place = await findEntry(s, offset);
  const m = place ? mapIn(s, place, offset, bytes) : unmapped(s, offset, bytes);
  if (typeof m === 'string') throw await s.corruption(m);
  return m;
}

/** The same where it needs no waiting: nobody holds the lock, the table is in memory and not damaged. */
export function mapNow(s: Qcow2State, offset: number, bytes: number): Mapping | undefined {
  if (s.lock.isHeld) return undefined;
  if (tableFor(s, offset) === 0) return unmapped(s, offset, bytes);
  const place = findEntryNow(s, offset);
  const m = place && mapIn(s, place, offset, bytes);
  return typeof m === 'string' ? undefined : m;
}

function unmapped(s: Qcow2State, offset: number, bytes: number): Mapping {
  return { kind: KIND.UNALLOCATED, host: -1, bytes: Math.min(bytes, unmappedBytes(s, offset)), compressedBytes: 0 };
}

function placeText({ slice, index }: L2Place): string {
  return `(L2 offset: 0x${slice.offset.toString(16)}, L2 index: 0x${index.toString(16)})`;
}

/** The mapping an L2 entry tells, or what is wrong with it. */
function mapIn(s: Qcow2State, place: L2Place, offset: number, bytes: number): Mapping | string {
  const limit = Math.min(bytes, bytesInSlice(s, offset));
  const { data } = place.slice;
  const inCluster = offset % s.clusterSize;
  let sub = Math.floor(inCluster / s.subclusterSize);
  const kind = kindOf(s, data, place.index, sub);
  if (kind < 0) return `Invalid cluster entry found  ${placeText(place)}`;
  const at = place.index * s.l2EntrySize;
  const hi = readU32be(data, at);
  const lo = readU32be(data, at + 4);
  if (kind === KIND.COMPRESSED) {
    const c = compressedPlace(s, hi, lo);
    if (s.hasDataFile) return 'Compressed cluster entry found in image with external data file';
    return { kind, host: c.offset, bytes: Math.min(limit, s.clusterSize - inCluster), compressedBytes: c.bytes };
  }
  let host = -1;
  let base = 0;
  if (hasHost(kind)) {
    base = entryOffset(hi, lo);
    if (base % s.clusterSize !== 0) {
      return `Cluster allocation offset 0x${base.toString(16)} unaligned ${placeText(place)}`;
    }
    if (s.hasDataFile && base !== offset - inCluster) {
      return `External data file host cluster offset 0x${base.toString(16)} does not match guest cluster offset: 0x${(offset - inCluster).toString(16)}`;
    }
    host = base + inCluster;
  }
  // Extend while the following subclusters are of the same kind and follow on in the host file.
  let length = s.subclusterSize - (offset % s.subclusterSize);
  let index = place.index;
  while (length < limit) {
    sub++;
    if (sub === s.subclusters) {
      sub = 0;
      index++;
      if (host >= 0) {
        base += s.clusterSize;
        const e = index * s.l2EntrySize;
        if (entryOffset(readU32be(data, e), readU32be(data, e + 4)) !== base) break;
      } else if (kind === KIND.UNALLOCATED) {
        const empty = Math.min(emptyEntries(s, place.slice, index), Math.ceil((limit - length) / s.clusterSize));
        if (empty > 0) {
          length += empty * s.clusterSize;
          index += empty - 1;
          sub = s.subclusters - 1;
          continue;
        }
      }
    }
    if (kindOf(s, data, index, sub) !== kind) break;
    length += s.subclusterSize;
  }
  return { kind, host, bytes: Math.min(length, limit), compressedBytes: 0 };
}

/** How many entries of a slice are zero from one on: found in steps that grow and shrink, and remembered. */
function emptyEntries(s: Qcow2State, slice: Slice, first: number): number {
  if (first < slice.emptyFrom || first >= slice.emptyEnd) {
    const size = s.l2EntrySize;
    const end = slice.data.length / size;
    let at = first;
    for (let step = 1; at < end; ) {
      const n = Math.min(step, end - at);
      if (isZero(slice.data, at * size, (at + n) * size)) {
        at += n;
        step = n * 4;
      } else if (n === 1) break;
      else step = n >>> 2 || 1;
    }
    if (at === first) return 0;
    slice.emptyFrom = first;
    slice.emptyEnd = at;
  }
  return slice.emptyEnd - first;
}

/** Place of compressed data: byte offset and the bytes up to the end of its last sector. */
export function compressedPlace(s: Qcow2State, hi: number, lo: number): { offset: number; bytes: number } {
  // x = 62 - (cluster_bits - 8) offset bits, the rest below bit 62 counts additional sectors.
  const sizeBits = s.clusterBits - 8;
  const offsetBits = 62 - sizeBits;
  const hiBits = offsetBits - 32;
  const offset = (hi & (2 ** hiBits - 1)) * TWO32 + lo;
  const sectors = ((hi & 0x3fffffff) >>> hiBits) + 1;
  return { offset, bytes: sectors * 512 - (offset % 512) };
}

/** The two words of a compressed L2 entry. */
export function compressedEntry(s: Qcow2State, offset: number, bytes: number): { hi: number; lo: number } {
  const hiBits = 62 - (s.clusterBits - 8) - 32;
  const sectors = Math.floor((offset + bytes - 1) / 512) - Math.floor(offset / 512);
  return { hi: (COMPRESSED_HI | (sectors << hiBits) | Math.floor(offset / TWO32)) >>> 0, lo: offset >>> 0 };
}

/** Stores an entry's two words and, with extended L2 entries, its bitmap. */
export function putEntry(
  s: Qcow2State,
  slice: Slice,
  index: number,
  hi: number,
  lo: number,
  zeroBits = 0,
  allocBits = 0,
): void {
  const at = index * s.l2EntrySize;
  writeU32be(slice.data, at, hi);
  writeU32be(slice.data, at + 4, lo);
  if (s.extendedL2) {
    writeU32be(slice.data, at + 8, zeroBits);
    writeU32be(slice.data, at + 12, allocBits);
  }
  s.l2Cache.markDirty(slice);
}

/** Writes the sector-sized part of the L1 table around one entry. */
async function writeL1Entry(s: Qcow2State, index: number): Promise<void> {
  const first = index - (index % 64);
  const count = Math.min(64, s.l1.length / 2 - first);
  const b = new Uint8Array(count * 8);
  for (let i = 0; i < count * 2; i++) writeU32be(b, i * 4, s.l1[first * 2 + i]!);
  s.file.event('l1_update');
  await s.file.write(s.header.l1Offset + first * 8, b);
}

/**
 * The entry for a guest offset in an L2 table only the active image uses, making or copying the table if need be. Called with
 * the lock held.
 */
export async function writableEntry(s: Qcow2State, offset: number): Promise<L2Place> {
  const l1Index = Math.floor(offset / s.l2Span);
  if (l1Index * 2 >= s.l1.length) throw new BlockError('L1 table too small', ERRNO.EIO);
  const hi = s.l1[l1Index * 2]!;
  const old = entryOffset(hi, s.l1[l1Index * 2 + 1]!);
  if (old !== 0 && hi & COPIED_HI) return placeIn(s, old, offset);
  if (old % s.clusterSize !== 0)
    throw await s.corruption(`L2 table offset 0x${old.toString(16)} unaligned (L1 index: 0x${l1Index.toString(16)})`);
  const table = await allocClusters(s, s.clusterSize);
  let pointed = false;
  try {
    const step = s.l2Cache.sliceBytes;
    for (let at = 0; at < s.clusterSize; at += step) {
      let copy: Uint8Array | undefined;
      if (old !== 0) {
        s.file.event('l2_alloc_cow_read');
        const from = s.l2Cache.get(old + at);
        copy = (from instanceof Promise ? await from : from).data;
      }
      const got = s.l2Cache.getFresh(table + at);
      const fresh = got instanceof Promise ? await got : got;
      if (copy) fresh.data.set(copy);
      s.l2Cache.markDirty(fresh);
    }
    // The table and its refcount are stable before the L1 entry points at it.
    s.file.event('l2_alloc_write');
    await s.flushCaches();
    await s.file.flush();
    s.l1[l1Index * 2] = (COPIED_HI | Math.floor(table / TWO32)) >>> 0;
    s.l1[l1Index * 2 + 1] = table >>> 0;
    s.guard.note('active-l2', table, true);
    pointed = true;
    await writeL1Entry(s, l1Index);
  } catch (error) {
    s.l1[l1Index * 2] = hi;
    s.l1[l1Index * 2 + 1] = old >>> 0;
    s.guard.note('active-l2', table, false);
    if (pointed) await s.takeBack(() => writeL1Entry(s, l1Index));
    await freeClusters(s, table, s.clusterSize, 'never').catch(() => {});
    throw error;
  }
  if (old !== 0) {
    // The old table stays with the snapshots; its count may only fall once nobody can come back to it.
    await s.file.flush();
    s.guard.note('active-l2', old, false);
    await freeClusters(s, old, s.clusterSize, 'other');
  }
  return placeIn(s, table, offset);
}

/** Places in a data file that nothing refers to any more. */
class DataDiscards {
  private readonly ranges: { start: number; end: number }[] = [];

  add(start: number, end: number): void {
    const last = this.ranges.at(-1);
    if (last?.end === start) last.end = end;
    else this.ranges.push({ start, end });
  }

  /** Gives the space up once the tables that no longer refer to it are stable: until then a crash brings the old ones back. */
  async process(s: Qcow2State): Promise<void> {
    if (this.ranges.length === 0) return;
    if (!s.flags.noFlush) await s.sync();
    for (const { start, end } of this.ranges) await s.dataFile.discard(start, end - start);
  }
}

/** Gives up what an old L2 entry referred to. What that is in a data file is left to `given`. */
export async function freeEntry(
  s: Qcow2State,
  hi: number,
  lo: number,
  discard: DiscardType,
  given?: DataDiscards,
): Promise<void> {
  if (hi & COMPRESSED_HI) {
    const c = compressedPlace(s, hi, lo);
    await freeClusters(s, c.offset, c.bytes, discard);
    return;
  }
  const offset = entryOffset(hi, lo);
  if (s.hasDataFile) {
    if (hi & COPIED_HI && s.settings.discardPass[discard]) given?.add(offset, offset + s.clusterSize);
    return;
  }
  if (offset === 0) return;
  if (offset % s.clusterSize !== 0) throw await s.corruption(`Cannot free unaligned cluster 0x${offset.toString(16)}`);
  await freeClusters(s, offset, s.clusterSize, discard);
}

/** The two words of an L2 entry that is no longer there. */
interface GoneEntry {
  hi: number;
  lo: number;
}

/**
 * Runs `change` on every L2 entry of a cluster-aligned range, slice by slice, and gives up what the old entries it returns referred
 * to.
 */
async function eachEntry(
  s: Qcow2State,
  offset: number,
  bytes: number,
  discard: DiscardType,
  change: (slice: Slice, index: number) => GoneEntry | undefined,
): Promise<void> {
  const end = offset + bytes;
  const given = new DataDiscards();
  for (let at = offset; at < end; ) {
    const n = Math.min(end - at, bytesInSlice(s, at));
    const { slice, index } = await writableEntry(s, at);
    const gone: GoneEntry[] = [];
    for (let i = 0; i * s.clusterSize < n; i++) {
      const old = change(slice, index + i);
      if (old) gone.push(old);
    }
    for (let i = 0; i < gone.length; ) i += await freeRow(s, gone, i, discard, given);
    at += n;
  }
  await given.process(s);
}

/** Gives up what entries from the `first` on referred to, as many as had clusters in a row. Returns how many those were. */
async function freeRow(
  s: Qcow2State,
  gone: readonly GoneEntry[],
  first: number,
  discard: DiscardType,
  given: DataDiscards,
): Promise<number> {
  const { hi, lo } = gone[first]!;
  const offset = entryOffset(hi, lo);
  let n = 1;
  if (!(hi & COMPRESSED_HI) && !s.hasDataFile && offset !== 0 && offset % s.clusterSize === 0) {
    for (let e = gone[first + n]; e && !(e.hi & COMPRESSED_HI); e = gone[first + n]) {
      if (entryOffset(e.hi, e.lo) !== offset + n * s.clusterSize) break;
      n++;
    }
  }
  if (n > 1) await freeClusters(s, offset, n * s.clusterSize, discard);
  else await freeEntry(s, hi, lo, discard, given);
  return n;
}

export const ALL_SUBCLUSTERS = 0xffffffff;

/**
 * Discards whole clusters. Version 3 marks them as zeroes where something else would show; `full` drops the mapping so that
 * the backing file shows through.
 */
export async function discardClusters(
  s: Qcow2State,
  offset: number,
  bytes: number,
  type: DiscardType,
  full: boolean,
): Promise<void> {
  const end = offset + bytes;
  for (let at = offset; at < end; ) {
    const n = Math.min(end - at, bytesInSlice(s, at));
    // Nothing to do where there is no table, unless a backing file would show.
    if (!(await findEntry(s, at)) && (full || !s.node.backing)) {
      at += n;
      continue;
    }
    await eachEntry(s, at, n, type, (slice, index) => {
      const e = index * s.l2EntrySize;
      const hi = readU32be(slice.data, e);
      const lo = readU32be(slice.data, e + 4);
      const zeroBits = s.extendedL2 ? readU32be(slice.data, e + 8) : lo & ZERO_LO;
      const allocated =
        entryOffset(hi, lo) !== 0 || (hi & COMPRESSED_HI) !== 0 || (s.hasDataFile && (hi & COPIED_HI) !== 0);
      if (!allocated && zeroBits === 0 && (full || !s.node.backing)) return undefined;
      if (!allocated && !full && zeroBits === (s.extendedL2 ? ALL_SUBCLUSTERS : ZERO_LO)) return undefined;
      const zero = !full && s.header.version >= 3;
      putEntry(s, slice, index, 0, zero && !s.extendedL2 ? ZERO_LO : 0, zero ? ALL_SUBCLUSTERS : 0, 0);
      return { hi, lo };
    });
    at += n;
  }
}

/** Makes whole clusters read as zeroes (version 3); `unmap` also frees them. */
export async function zeroClusters(s: Qcow2State, offset: number, bytes: number, unmap: boolean): Promise<void> {
  await eachEntry(s, offset, bytes, 'request', (slice, index) => {
    const e = index * s.l2EntrySize;
    const hi = readU32be(slice.data, e);
    const lo = readU32be(slice.data, e + 4);
    const compressed = (hi & COMPRESSED_HI) !== 0;
    const drop =
      compressed ||
      (unmap && !s.dataFileRaw && (entryOffset(hi, lo) !== 0 || (s.hasDataFile && (hi & COPIED_HI) !== 0)));
    const newHi = drop ? 0 : hi;
    const newLo = drop ? 0 : lo & ~ZERO_LO;
    if (s.extendedL2) putEntry(s, slice, index, newHi, newLo >>> 0, ALL_SUBCLUSTERS, 0);
    else putEntry(s, slice, index, newHi, (newLo | ZERO_LO) >>> 0);
    return drop ? { hi, lo } : undefined;
  });
}

/** Makes whole subclusters within one cluster read as zeroes (extended L2 entries). */
export async function zeroSubclusters(s: Qcow2State, offset: number, bytes: number): Promise<boolean> {
  const { slice, index } = await writableEntry(s, offset);
  const e = index * s.l2EntrySize;
  if (readU32be(slice.data, e) & COMPRESSED_HI) return false;
  const first = Math.floor((offset % s.clusterSize) / s.subclusterSize);
  const mask = bitRange(first, Math.round(bytes / s.subclusterSize));
  writeU32be(slice.data, e + 8, (readU32be(slice.data, e + 8) | mask) >>> 0);
  writeU32be(slice.data, e + 12, (readU32be(slice.data, e + 12) & ~mask) >>> 0);
  s.l2Cache.markDirty(slice);
  return true;
}

/** `count` one bits from bit `first` up. */
export function bitRange(first: number, count: number): number {
  const ones = count >= 32 ? 0xffffffff : 2 ** count - 1;
  return (ones << first) >>> 0;
}
