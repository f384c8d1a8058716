// Refcount table and blocks: reading and changing cluster refcounts, allocating and freeing clusters.
import {
  divUp,
  isZero,
  MAX_OFFSET,
  readU16be,
  readU32be,
  readU64be,
  roundUp,
  writeU16be,
  writeU32be,
  writeU64be,
} from '../bytes.ts';
import { BlockError, ERRNO, errnoOf, strerror } from '../errors.ts';
import { writeText } from '../libc.ts';
import { FIELD } from './header.ts';
import type { DiscardType, Qcow2State } from './state.ts';
import type { Slice } from './table-cache.ts';

/** Largest refcount table read into memory. */
export const MAX_REFCOUNT_TABLE_BYTES = 8 << 20;

/** Freed clusters held back at most before a flush makes them usable. */
const MAX_HELD_BACK = 1 << 16;

/** Reads entry `index` of a refcount block of 2^`order`-bit counts. */
export function getRefcount(block: Uint8Array, order: number, index: number): number {
  switch (order) {
    case 0:
      return (block[index >>> 3]! >>> (index & 7)) & 1;
    case 1:
      return (block[index >>> 2]! >>> ((index & 3) * 2)) & 3;
    case 2:
      return (block[index >>> 1]! >>> ((index & 1) * 4)) & 15;
    case 3:
      return block[index]!;
    case 4:
      return readU16be(block, index * 2);
    case 5:
      return readU32be(block, index * 4);
    default:
      return readU64be(block, index * 8);
  }
}

/** Sets entry `index` of a refcount block. */
export function putRefcount(block: Uint8Array, order: number, index: number, value: number): void {
  switch (order) {
    case 0: {
      const bit = 1 << (index & 7);
      block[index >>> 3] = value ? block[index >>> 3]! | bit : block[index >>> 3]! & ~bit;
      return;
    }
    case 1: {
      const shift = (index & 3) * 2;
      block[index >>> 2] = (block[index >>> 2]! & ~(3 << shift)) | (value << shift);
      return;
    }
    case 2: {
      const shift = (index & 1) * 4;
      block[index >>> 1] = (block[index >>> 1]! & ~(15 << shift)) | (value << shift);
      return;
    }
    case 3:
      block[index] = value;
      return;
    case 4:
      writeU16be(block, index * 2, value);
      return;
    case 5:
      writeU32be(block, index * 4, value);
      return;
    default:
      writeU64be(block, index * 8, value);
  }
}

/** Reads the refcount table named by the header. */
export async function loadRefcountTable(s: Qcow2State): Promise<void> {
  const bytes = s.header.refTableClusters * s.clusterSize;
  const raw = new Uint8Array(bytes);
  s.file.event('reftable_load');
  await s.file.read(s.header.refTableOffset, raw);
  s.refTable = new Float64Array(bytes / 8);
  // Most of a table is empty.
  for (let i = 0, end = usedEntries(raw); i < end; i++) {
    // The low nine bits are reserved.
    const low = readU32be(raw, i * 8 + 4);
    if (low & 0x1ff) s.reservedEntries.add(i);
    s.refTable[i] = readU32be(raw, i * 8) * 2 ** 32 + ((low & 0xfffffe00) >>> 0);
  }
}

/** Entries of 8 bytes up to the last one that is not zero. */
export function usedEntries(table: Uint8Array | Float64Array): number {
  const bytes = new Uint8Array(table.buffer, table.byteOffset, table.byteLength);
  let start = 0;
  let end = bytes.length / 8;
  // What is empty is found so by a few comparisons.
  while (start < end) {
    const middle = start + Math.floor((end - start) / 2);
    if (isZero(bytes, middle * 8, end * 8)) end = middle;
    else if (end - middle === 1) break;
    else start = middle;
  }
  return end;
}

/** The slice of a refcount block that holds a cluster's count, and the index in it. */
function sliceOf(s: Qcow2State, blockOffset: number, indexInBlock: number): { offset: number; index: number } {
  const perSlice = (s.refcountCache.sliceBytes * 8) / s.refcountBits;
  const slice = Math.floor(indexInBlock / perSlice);
  return { offset: blockOffset + slice * s.refcountCache.sliceBytes, index: indexInBlock - slice * perSlice };
}

async function checkedBlock(s: Qcow2State, blockOffset: number): Promise<number> {
  if (blockOffset % s.clusterSize !== 0) {
    throw await s.corruption(`Refblock offset 0x${blockOffset.toString(16)} unaligned`);
  }
  return blockOffset;
}

/** The refcount of a cluster. */
export async function refcountOf(s: Qcow2State, cluster: number): Promise<number> {
  const t = Math.floor(cluster / s.refcountsPerBlock);
  const block = t < s.refTable.length ? s.refTable[t]! : 0;
  if (block === 0) return 0;
  await checkedBlock(s, block);
  const at = sliceOf(s, block, cluster % s.refcountsPerBlock);
  const slice = s.refcountCache.get(at.offset);
  const data = slice instanceof Promise ? (await slice).data : slice.data;
  return getRefcount(data, s.header.refcountOrder, at.index);
}

/** The refcounts of `count` clusters from `first` on. */
export async function refcountsOf(s: Qcow2State, first: number, count: number): Promise<number[]> {
  const perSlice = (s.refcountCache.sliceBytes * 8) / s.refcountBits;
  const order = s.header.refcountOrder;
  const out: number[] = [];
  while (out.length < count) {
    const cluster = first + out.length;
    const t = Math.floor(cluster / s.refcountsPerBlock);
    const block = t < s.refTable.length ? s.refTable[t]! : 0;
    const { offset, index } = sliceOf(s, block, cluster % s.refcountsPerBlock);
    const n = Math.min(count - out.length, perSlice - index);
    if (block === 0) {
      for (let i = 0; i < n; i++) out.push(0);
      continue;
    }
    await checkedBlock(s, block);
    const { data } = await s.refcountCache.get(offset);
    for (let i = 0; i < n; i++) out.push(getRefcount(data, order, index + i));
  }
  return out;
}

/** How many clusters before `end` are in use, counted no further than just above `limit`. */
export async function countUsed(s: Qcow2State, end: number, limit: number): Promise<number> {
  const order = s.header.refcountOrder;
  const perSlice = (s.refcountCache.sliceBytes * 8) / s.refcountBits;
  let used = 0;
  for (let at = 0; at < end && used < limit; ) {
    const t = Math.floor(at / s.refcountsPerBlock);
    const block = t < s.refTable.length ? s.refTable[t]! : 0;
    if (block === 0) {
      at = (t + 1) * s.refcountsPerBlock;
      continue;
    }
    await checkedBlock(s, block);
    const where = sliceOf(s, block, at % s.refcountsPerBlock);
    const { data } = await s.refcountCache.get(where.offset);
    const count = Math.min(end - at, perSlice);
    if (!isZero(data)) for (let i = 0; i < count; i++) if (getRefcount(data, order, i) !== 0) used++;
    at += count;
  }
  return used;
}

/** First cluster of the unused ones at the end, looking down from `end`. Whole blocks that are missing cost nothing. */
export async function endOfUsed(s: Qcow2State, end: number): Promise<number> {
  while (end > 1) {
    const t = Math.floor((end - 1) / s.refcountsPerBlock);
    if (t >= s.refTable.length || s.refTable[t] === 0) {
      end = Math.min(end - 1, Math.min(t, s.refTable.length) * s.refcountsPerBlock);
      continue;
    }
    if ((await refcountOf(s, end - 1)) !== 0) return end;
    end--;
  }
  return Math.max(end, 1);
}

/** First cluster of `count` free ones in a row. Does not claim them. */
async function findFree(s: Qcow2State, count: number): Promise<number> {
  const order = s.header.refcountOrder;
  const perSlice = (s.refcountCache.sliceBytes * 8) / s.refcountBits;
  let run = 0;
  let at = s.freeIndex;
  const held = s.freedSinceFlush;
  while (run < count) {
    const t = Math.floor(at / s.refcountsPerBlock);
    const block = t < s.refTable.length ? s.refTable[t]! : 0;
    if (block === 0) {
      const n = Math.min(count - run, (t + 1) * s.refcountsPerBlock - at);
      run += n;
      at += n;
      continue;
    }
    await checkedBlock(s, block);
    const inBlock = at % s.refcountsPerBlock;
    const where = sliceOf(s, block, inBlock);
    const got = s.refcountCache.get(where.offset);
    const { data } = got instanceof Promise ? await got : got;
    for (let i = where.index; i < perSlice && run < count; i++, at++) {
      if (getRefcount(data, order, i) === 0 && !(held.size > 0 && held.has(at))) run++;
      else run = 0;
    }
  }
  const start = at - run;
  if (at * s.clusterSize > MAX_OFFSET) throw new BlockError('Image file too large', ERRNO.EFBIG);
  return start;
}

/** Makes sure every cluster in the range has a refcount block; true if one had to be made. */
async function ensureBlocks(s: Qcow2State, first: number, count: number): Promise<boolean> {
  let made = false;
  const last = Math.floor((first + count - 1) / s.refcountsPerBlock);
  for (let t = Math.floor(first / s.refcountsPerBlock); t <= last; t++) {
    if (t >= s.refTable.length) {
      await growTable(s, t + 1);
      made = true;
    }
    if (s.refTable[t] === 0) {
      await makeBlock(s, t);
      made = true;
    }
  }
  return made;
}

/** Writes one entry of the refcount table. */
async function writeTableEntry(s: Qcow2State, t: number, offset: number): Promise<void> {
  const b = new Uint8Array(8);
  writeU64be(b, 0, offset);
  await s.file.write(s.header.refTableOffset + t * 8, b);
  s.refTable[t] = offset;
  s.guard.note('refcount-block', offset, true);
}

/** Throws where clusters whose counts are zero hold a table or the header all the same: the counts are wrong then. */
async function refuseTables(s: Qcow2State, first: number, count: number): Promise<void> {
  const refused = s.guard.check(first * s.clusterSize, count * s.clusterSize);
  if (refused) await refused;
  if (first === 0) throw await s.corruption('Preventing invalid allocation of the cluster at offset 0');
}

/** Allocates refcount block `t`; it may describe its own cluster. */
async function makeBlock(s: Qcow2State, t: number): Promise<void> {
  const cluster = await findFree(s, 1);
  await refuseTables(s, cluster, 1);
  s.freeIndex = cluster + 1;
  const owner = Math.floor(cluster / s.refcountsPerBlock);
  const offset = cluster * s.clusterSize;
  const data = new Uint8Array(s.clusterSize);
  if (owner === t) {
    putRefcount(data, s.header.refcountOrder, cluster % s.refcountsPerBlock, 1);
  } else {
    await ensureBlocks(s, cluster, 1);
    // Making that block may have made this one, or taken the cluster.
    if (s.refTable[t] !== 0) return;
    if ((await refcountOf(s, cluster)) !== 0) return makeBlock(s, t);
    await addToSlice(s, cluster, 1, 1, []);
    await s.refcountCache.flush();
  }
  s.file.event('refblock_alloc_write');
  await s.file.write(offset, data);
  s.refcountCache.forget(offset, s.clusterSize);
  // The block and its own refcount are stable before the table points at it.
  await s.file.flush();
  s.file.event('refblock_alloc_hookup');
  await writeTableEntry(s, t, offset);
  await s.file.flush();
}

/** Moves the refcount table to a larger place behind everything, together with the blocks that describe that place. */
async function growTable(s: Qcow2State, entries: number): Promise<void> {
  s.file.event('reftable_grow');
  const perBlock = s.refcountsPerBlock;
  const covered = s.refTable.length * perBlock;
  const start = Math.max(covered, divUp(s.file.length, s.clusterSize));
  let tableClusters = 0;
  let blocks = 0;
  for (;;) {
    const lastBlock = Math.floor((start + tableClusters + blocks) / perBlock);
    const wantBlocks = lastBlock - Math.floor(start / perBlock) + 1;
    const wantEntries = Math.max(entries, lastBlock + 1, Math.ceil(s.refTable.length * 1.5));
    const wantClusters = divUp(wantEntries * 8, s.clusterSize);
    if (wantBlocks <= blocks && wantClusters <= tableClusters) break;
    blocks = Math.max(blocks, wantBlocks);
    tableClusters = Math.max(tableClusters, wantClusters);
  }
  if (tableClusters * s.clusterSize > MAX_REFCOUNT_TABLE_BYTES)
    throw new BlockError('Image file too large', ERRNO.EFBIG);
  const firstBlock = Math.floor(start / perBlock);
  const table = new Float64Array((tableClusters * s.clusterSize) / 8);
  table.set(s.refTable);
  const used = tableClusters + blocks;
  s.file.event('refblock_alloc_write_blocks');
  for (let i = 0; i < blocks; i++) {
    const data = new Uint8Array(s.clusterSize);
    for (let c = start; c < start + used; c++) {
      if (Math.floor(c / perBlock) === firstBlock + i) putRefcount(data, s.header.refcountOrder, c % perBlock, 1);
    }
    const offset = (start + tableClusters + i) * s.clusterSize;
    await s.file.write(offset, data);
    table[firstBlock + i] = offset;
  }
  await s.refcountCache.flush();
  s.file.event('refblock_alloc_write_table');
  await s.file.write(start * s.clusterSize, offsetTableBytes(table));
  await s.file.flush();
  const oldOffset = s.header.refTableOffset;
  const oldClusters = s.header.refTableClusters;
  await switchTable(s, start * s.clusterSize, tableClusters, table);
  if (oldClusters > 0) await freeClusters(s, oldOffset, oldClusters * s.clusterSize, 'other');
}

/** A refcount table as it stands on disk. */
export function offsetTableBytes(table: Float64Array): Uint8Array {
  const raw = new Uint8Array(table.length * 8);
  for (const [i, offset] of table.entries()) writeU64be(raw, i * 8, offset);
  return raw;
}

/** Points the header at another refcount table that is already stable. */
export async function switchTable(s: Qcow2State, offset: number, clusters: number, table: Float64Array): Promise<void> {
  const field = new Uint8Array(12);
  writeU64be(field, 0, offset);
  writeU32be(field, 8, clusters);
  const old = new Uint8Array(12);
  writeU64be(old, 0, s.header.refTableOffset);
  writeU32be(old, 8, s.header.refTableClusters);
  s.file.event('refblock_alloc_switch_table');
  await s.switchField(FIELD.refTableOffset, field, old);
  s.header.refTableOffset = offset;
  s.header.refTableClusters = clusters;
  s.refTable = table;
  s.reservedEntries.clear();
}

/**
 * Adds `delta` to the refcounts of clusters in a row, as many as there are in one slice, and returns how many those were. The
 * numbers of those that became zero are added to `emptied`. On failure none is changed.
 */
async function addToSlice(
  s: Qcow2State,
  cluster: number,
  count: number,
  delta: number,
  emptied: number[],
): Promise<number> {
  const t = Math.floor(cluster / s.refcountsPerBlock);
  const block = t < s.refTable.length ? s.refTable[t]! : 0;
  if (block === 0) throw await s.corruption(`Cluster ${cluster} has no refcount block`);
  if (block % s.clusterSize !== 0) await checkedBlock(s, block);
  const at = sliceOf(s, block, cluster % s.refcountsPerBlock);
  s.file.event('refblock_alloc');
  s.file.event('refblock_load');
  const got = s.refcountCache.get(at.offset);
  const slice: Slice = got instanceof Promise ? await got : got;
  const order = s.header.refcountOrder;
  const { data } = slice;
  const n = Math.min(count, (s.refcountCache.sliceBytes * 8) / s.refcountBits - at.index);
  for (let i = 0; i < n; i++) {
    const value = getRefcount(data, order, at.index + i) + delta;
    if (value < 0) throw await s.corruption(`Refcount of cluster ${cluster + i} would become negative`);
    if (value > s.refcountMax) {
      throw new BlockError(`Refcount of cluster ${cluster + i} would exceed ${s.refcountBits} bits`, ERRNO.EINVAL);
    }
  }
  for (let i = 0; i < n; i++) {
    const value = getRefcount(data, order, at.index + i) + delta;
    putRefcount(data, order, at.index + i, value);
    if (value === 0) emptied.push(cluster + i);
  }
  s.refcountCache.markDirty(slice);
  return n;
}

/**
 * Adds `delta` to the refcount of every cluster touched by the byte range. On failure the clusters already changed are
 * changed back.
 */
export async function updateRefcount(
  s: Qcow2State,
  offset: number,
  bytes: number,
  delta: number,
  discard: DiscardType = 'never',
): Promise<void> {
  if (bytes <= 0) return;
  const first = Math.floor(offset / s.clusterSize);
  const end = Math.floor((offset + bytes - 1) / s.clusterSize) + 1;
  // Freed clusters must not be on record as free before nothing points at them any more.
  if (delta < 0 && s.accurateRefcounts) await s.refcountCache.dependOn(s.l2Cache);
  const emptied: number[] = [];
  for (let c = first; c < end; ) {
    try {
      c += await addToSlice(s, c, end - c, delta, emptied);
    } catch (error) {
      for (let back = first; back < c; ) back += await addToSlice(s, back, c - back, -delta, []).catch(() => 1);
      throw error;
    }
  }
  for (const c of emptied) {
    released(s, c, discard);
    // (If that fails they are held back for longer.)
    if (s.freedSinceFlush.size > MAX_HELD_BACK) await s.sync().catch(() => {});
  }
}

/** What has to be known of a cluster that nothing uses any more. */
function released(s: Qcow2State, cluster: number, discard: DiscardType): void {
  const offset = cluster * s.clusterSize;
  s.l2Cache.forget(offset, s.clusterSize);
  s.refcountCache.forget(offset, s.clusterSize);
  if (cluster < s.freeIndex) s.freeIndex = cluster;
  if (s.freeByteOffset !== 0 && Math.floor(s.freeByteOffset / s.clusterSize) === cluster) s.freeByteOffset = 0;
  if (!s.flags.noFlush) s.freedSinceFlush.add(cluster);
  if (s.settings.discardPass[discard]) queueDiscard(s, cluster);
}

/** Freed ranges to hand to the file once the metadata that frees them is stable. */
const pendingDiscards = new WeakMap<Qcow2State, { start: number; end: number }[]>();

function queueDiscard(s: Qcow2State, cluster: number): void {
  let list = pendingDiscards.get(s);
  if (!list) pendingDiscards.set(s, (list = []));
  const last = list[list.length - 1];
  if (last && last.end === cluster) last.end++;
  else list.push({ start: cluster, end: cluster + 1 });
}

/**
 * Punches the holes of freed clusters. The frees must be stable first, so this follows a sync when there is one; in unsafe
 * mode there never is and it can be done at once.
 */
export async function processDiscards(s: Qcow2State): Promise<void> {
  const list = pendingDiscards.get(s);
  if (!list || list.length === 0) return;
  pendingDiscards.delete(s);
  if (!s.flags.noFlush) await s.sync();
  for (const { start, end: wanted } of list) {
    // (Nothing is left of what was behind the place where the file was cut.)
    const end = Math.min(wanted, divUp(s.file.length, s.clusterSize));
    for (let c = start; c < end; ) {
      // Skip what has been given out again meanwhile.
      if ((await refcountOf(s, c)) !== 0) {
        c++;
        continue;
      }
      let stop = c + 1;
      while (stop < end && (await refcountOf(s, stop)) === 0) stop++;
      await s.file.discard(c * s.clusterSize, (stop - c) * s.clusterSize).catch(() => {});
      c = stop;
    }
  }
}

/** Claims `bytes` of contiguous clusters; returns their offset. */
export async function allocClusters(s: Qcow2State, bytes: number): Promise<number> {
  const count = divUp(bytes, s.clusterSize);
  s.file.event('cluster_alloc');
  for (;;) {
    const first = await findFree(s, count);
    await refuseTables(s, first, count);
    if (await ensureBlocks(s, first, count)) continue;
    await updateRefcount(s, first * s.clusterSize, count * s.clusterSize, 1);
    s.freeIndex = first + count;
    return first * s.clusterSize;
  }
}

/**
 * The same where it needs no waiting: the first free clusters follow each other, and their counts are in memory. -1 where that
 * is not so.
 */
export function allocNow(s: Qcow2State, bytes: number): number {
  const count = divUp(bytes, s.clusterSize);
  const first = s.freeIndex;
  const t = Math.floor(first / s.refcountsPerBlock);
  const block = t < s.refTable.length ? s.refTable[t]! : 0;
  if (first === 0 || block === 0 || block % s.clusterSize !== 0 || s.freedSinceFlush.size > 0) return -1;
  const { offset, index } = sliceOf(s, block, first % s.refcountsPerBlock);
  const slice = s.refcountCache.peek(offset);
  if (!slice || (index + count) * s.refcountBits > s.refcountCache.sliceBytes * 8) return -1;
  if ((first + count) * s.clusterSize > MAX_OFFSET) return -1;
  const order = s.header.refcountOrder;
  for (let i = 0; i < count; i++) if (getRefcount(slice.data, order, index + i) !== 0) return -1;
  if (s.guard.overlaps(first * s.clusterSize, count * s.clusterSize)) return -1;
  for (let i = 0; i < count; i++) putRefcount(slice.data, order, index + i, 1);
  s.refcountCache.markDirty(slice);
  s.freeIndex = first + count;
  return first * s.clusterSize;
}

/**
 * Claims room for a compressed cluster of `bytes` (at most a cluster): compressed clusters share host clusters, so the
 * room may begin inside one and end in the next.
 */
export async function allocBytes(s: Qcow2State, bytes: number): Promise<number> {
  let offset = s.freeByteOffset;
  s.file.event('cluster_alloc_bytes');
  if (offset !== 0) {
    const inCluster = offset % s.clusterSize;
    const count = await refcountOf(s, Math.floor(offset / s.clusterSize));
    // A shared cluster whose count is at its limit takes no further tenant.
    if (inCluster === 0 || count === 0 || count >= s.refcountMax) offset = 0;
  }
  if (offset === 0 || s.clusterSize - (offset % s.clusterSize) < bytes) {
    const fresh = await allocClusters(s, s.clusterSize);
    const left = offset === 0 ? 0 : roundUp(offset, s.clusterSize) - offset;
    if (left > 0 && roundUp(offset, s.clusterSize) === fresh) {
      // Spill over into the next cluster: the first one gets one reference more, the fresh one is counted already.
      await updateRefcount(s, offset, left, 1);
    } else {
      offset = fresh;
    }
  } else {
    await updateRefcount(s, offset, bytes, 1);
  }
  const end = offset + bytes;
  s.freeByteOffset = end % s.clusterSize === 0 ? 0 : end;
  return offset;
}

/**
 * Gives up one reference to every cluster the range touches. Where the counts cannot be changed the clusters are lost, which is
 * told; whatever no longer needs them has been done. The header's cluster is never given up.
 */
export async function freeClusters(s: Qcow2State, offset: number, bytes: number, discard: DiscardType): Promise<void> {
  if (bytes === 0) return;
  if (offset < s.clusterSize) throw await s.corruption('Freeing the cluster of the header');
  s.file.event('cluster_free');
  try {
    await updateRefcount(s, offset, bytes, -1, discard);
  } catch (error) {
    writeText(2, `qcow2_free_clusters failed: ${strerror(errnoOf(error))}\n`);
  }
}
