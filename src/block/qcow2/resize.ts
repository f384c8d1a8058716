// Changing sizes: the virtual disk, the L1 table, preallocation, emptying an overlay.
import { divUp, roundUp, writeU32be, writeU64be } from '../bytes.ts';
import type { Preallocation } from '../driver.ts';
import { BlockError, ERRNO, failingAs, prefixing } from '../errors.ts';
import { bytesInSlice, discardClusters, findEntry, putEntry, writableEntry } from './cluster.ts';
import { FIELD } from './header.ts';
import { forgetInflated } from './io.ts';
import { l1Bytes, MAX_L1_BYTES } from './l1.ts';
import { allocClusters, endOfUsed, freeClusters, processDiscards } from './refcount.ts';
import { COPIED_HI, entryOffset, type Qcow2State, TWO32 } from './state.ts';

/** Makes the L1 table longer: a new copy is written and the header pointed at it. Called with the lock held. */
export async function growL1(s: Qcow2State, entries: number, exact: boolean): Promise<void> {
  if (entries <= s.l1Size) return;
  let wanted = entries;
  if (!exact) {
    wanted = Math.max(s.l1Size, 1);
    while (wanted < entries) wanted = Math.ceil((wanted * 3) / 2);
  }
  if (wanted * 8 > MAX_L1_BYTES) throw new BlockError('Failed to grow the L1 table: File too large', ERRNO.EFBIG);
  const next = new Uint32Array(wanted * 2);
  next.set(s.l1);
  s.file.event('l1_grow_alloc_table');
  const offset = await allocClusters(s, wanted * 8);
  try {
    await s.refcountCache.flush();
    s.file.event('l1_grow_write_table');
    await s.file.write(offset, l1Bytes(next));
    await s.file.flush();
    const place = (size: number, at: number): Uint8Array => {
      const field = new Uint8Array(12);
      writeU32be(field, 0, size);
      writeU64be(field, 4, at);
      return field;
    };
    s.file.event('l1_grow_activate_table');
    await s.switchField(FIELD.l1Size, place(wanted, offset), place(s.header.l1Size, s.header.l1Offset));
  } catch (error) {
    await freeClusters(s, offset, wanted * 8, 'other').catch(() => {});
    throw error;
  }
  const oldOffset = s.header.l1Offset;
  const oldBytes = s.l1.length * 4;
  s.header.l1Offset = offset;
  s.header.l1Size = wanted;
  s.l1 = next;
  if (oldBytes > 0) await freeClusters(s, oldOffset, oldBytes, 'other');
}

/** Writes the virtual size, and makes it stable. */
async function writeSize(s: Qcow2State, size: number): Promise<void> {
  const field = (value: number): Uint8Array => {
    const b = new Uint8Array(8);
    writeU64be(b, 0, value);
    return b;
  };
  await s.switchField(FIELD.size, field(size), field(s.size));
  s.header.size = size;
}

/** Writes the size once everything it makes visible is stable. Called with the lock held. */
async function publishSize(s: Qcow2State, size: number): Promise<void> {
  await failingAs('Failed to update the image size', async () => {
    await s.flushCaches();
    await s.file.flush();
    await writeSize(s, size);
  });
}

/** Changes the virtual size. Called with `changes` held. */
export async function resizeImage(
  s: Qcow2State,
  size: number,
  preallocation: Preallocation = 'off',
  exact = true,
): Promise<void> {
  if (size % 512 !== 0) throw new BlockError('The new size must be a multiple of 512');
  s.checkWritable();
  const old = s.size;
  try {
    await s.still(() => resizeLocked(s, size, preallocation, exact));
    if (size > old) await coverAndPublish(s, old, size, preallocation);
  } catch (error) {
    // Bitmaps that are longer already go back to what fits the disk.
    if (size > old && s.header.bitmaps && !s.corrupted)
      await s.still(async () => (await import('./bitmap.ts')).resizeBitmaps(s, size, old)).catch(() => {});
    throw error;
  }
}

/** Makes the space behind the end of the disk ready, and then the disk longer. */
async function coverAndPublish(s: Qcow2State, old: number, size: number, preallocation: Preallocation): Promise<void> {
  // A longer backing file would show in the new area: it is covered before the size says that the area is there.
  const { backing } = s.node;
  s.growing = size;
  try {
    // What a shrinking has left behind the end, in the last cluster, is not part of space that was just made.
    if (preallocation === 'falloc' || preallocation === 'full')
      await s.node.zeroBehind(old, Math.min(size, roundUp(old, s.clusterSize)));
    if (backing && backing.length > old) await s.node.zeroBehind(old, Math.min(size, backing.length));
    await s.lock.with(() => publishSize(s, size));
  } finally {
    s.growing = undefined;
  }
}

/** All of a change of size but for the new size itself where the disk becomes larger. */
async function resizeLocked(s: Qcow2State, size: number, wanted: Preallocation, exact = true): Promise<void> {
  const old = s.size;
  // What is written to a raw data file by other means must be seen, so that all of it is mapped.
  const preallocation = s.hasDataFile && s.dataFileRaw && wanted === 'off' && size >= old ? 'metadata' : wanted;
  if (s.snapshots.length > 0 && s.header.version < 3) {
    throw new BlockError("Can't resize a v2 image which has snapshots", ERRNO.EOPNOTSUPP);
  }
  if (s.header.bitmaps) {
    const { checkResizable, resizeBitmaps } = await import('./bitmap.ts');
    await checkResizable(s);
    if (size > old) await resizeBitmaps(s, old, size);
  }
  if (size < old) {
    if (preallocation !== 'off') throw new BlockError("Preallocation can't be used for shrinking an image");
    await shrink(s, size);
    if (s.hasDataFile && exact) await s.dataFile.truncate(size);
    return;
  }
  if ((preallocation === 'falloc' || preallocation === 'full') && !s.dataFile.growable)
    throw new BlockError(
      `Failed to resize underlying file: Preallocation mode '${preallocation}' unsupported for this non-regular file`,
      ERRNO.EOPNOTSUPP,
    );
  const entries = divUp(size, s.l2Span);
  await failingAs('Failed to grow the L1 table', () => growL1(s, entries, true));
  if (s.hasDataFile && (preallocation === 'off' ? s.dataFile.length !== size : s.dataFile.length < size)) {
    await s.dataFile.truncate(size, preallocation === 'metadata' ? 'off' : preallocation, exact);
  }
  if (preallocation !== 'off') {
    await preallocate(s, old, size, preallocation);
  }
}

async function shrink(s: Qcow2State, size: number): Promise<void> {
  const from = roundUp(size, s.clusterSize);
  const end = roundUp(s.size, s.clusterSize);
  const old = s.size;
  // The size first: what is given up must not be part of the disk any more.
  await publishSize(s, size);
  if (s.header.bitmaps) await (await import('./bitmap.ts')).resizeBitmaps(s, old, size);
  await failingAs('Failed to discard cropped clusters', async () => {
    if (end > from) await discardClusters(s, from, end - from, 'always', true);
    forgetInflated(s);
  });
  await failingAs('Failed to reduce the number of L2 tables', () => dropTables(s, divUp(size, s.l2Span)));
  await failingAs('Failed to discard unused refblocks', async () => {
    await s.sync();
    // What is cut off the file needs no holes.
    await cutFile(s);
    await processDiscards(s);
  });
}

/** Frees the L2 tables from `first` on. */
async function dropTables(s: Qcow2State, first: number): Promise<void> {
  const dropped: number[] = [];
  for (let i = first; i < s.l1Size; i++) {
    const hi = s.l1[i * 2]!;
    const table = entryOffset(hi, s.l1[i * 2 + 1]!);
    if (table === 0) continue;
    dropped.push(table);
    s.l1[i * 2] = 0;
    s.l1[i * 2 + 1] = 0;
    s.guard.note('active-l2', table, false);
  }
  if (dropped.length === 0) return;
  await s.flushCaches();
  s.file.event('l1_shrink_write_table');
  await s.file.write(s.header.l1Offset, l1Bytes(s.l1));
  await s.file.flush();
  s.file.event('l1_shrink_free_l2_clusters');
  for (const table of dropped) await freeClusters(s, table, s.clusterSize, 'always');
}

/** Cuts unused clusters off the end of the file. */
async function cutFile(s: Qcow2State): Promise<void> {
  const before = divUp(s.file.length, s.clusterSize);
  const last = await endOfUsed(s, before);
  if (last < before) await s.file.truncate(last * s.clusterSize, 'off', false);
}

/** Maps [from, to) to newly allocated clusters that read as zeroes. Called with the lock held. */
export async function preallocate(
  s: Qcow2State,
  from: number,
  to: number,
  mode: Preallocation,
  progress?: (done: number) => void,
  /** A backing file goes on showing (only possible with subclusters). */
  transparent = s.extendedL2 && s.node.backing !== undefined,
): Promise<void> {
  const start = from - (from % s.clusterSize);
  const end = roundUp(to, s.clusterSize);
  for (let at = start; at < end; ) {
    const n = Math.min(end - at, bytesInSlice(s, at));
    await failingAs('Allocating clusters failed', () => writableEntry(s, at));
    await preallocateSlice(s, at, n, mode, transparent);
    at += n;
    progress?.(at - start);
  }
}

async function preallocateSlice(
  s: Qcow2State,
  at: number,
  bytes: number,
  mode: Preallocation,
  transparent: boolean,
): Promise<void> {
  let first = at;
  // What is mapped already stays.
  const place = await findEntry(s, first);
  while (first < at + bytes && place && isMapped(s, place.slice.data, place.index + (first - at) / s.clusterSize))
    first += s.clusterSize;
  const length = at + bytes - first;
  if (length <= 0) return;
  const host = s.hasDataFile ? first : await failingAs('Allocating clusters failed', () => allocClusters(s, length));
  const file = s.dataFile;
  const hostEnd = host + length;
  const oldEnd = file.length;
  if (!s.hasDataFile || file.growable) {
    // Space that was free inside the file may hold old data.
    if (host < oldEnd && !s.hasDataFile && !transparent) await zeroIfUsed(s, host, Math.min(hostEnd, oldEnd) - host);
    if (hostEnd > oldEnd) {
      const grow = (): Promise<void> => file.truncate(hostEnd, mode === 'metadata' ? 'off' : mode);
      // (Who only maps gets the file's own words.)
      await (mode === 'metadata' ? grow() : prefixing('Failed to resize underlying file: ', grow));
    }
  }
  if (s.accurateRefcounts) await s.l2Cache.dependOn(s.refcountCache);
  const { slice, index } = await writableEntry(s, first);
  for (let k = 0; k * s.clusterSize < length; k++) {
    const where = host + k * s.clusterSize;
    // With subclusters the data may stay unallocated, so that a backing file goes on showing.
    putEntry(
      s,
      slice,
      index + k,
      (COPIED_HI | Math.floor(where / TWO32)) >>> 0,
      where >>> 0,
      0,
      transparent ? 0 : 0xffffffff,
    );
  }
}

/** Makes a range of the file read as zeroes unless it does already. */
async function zeroIfUsed(s: Qcow2State, offset: number, bytes: number): Promise<void> {
  for (let done = 0; done < bytes; ) {
    const status = await s.file.blockStatus(offset + done, bytes - done, true);
    const n = Math.min(bytes - done, status.bytes || bytes - done);
    if (!status.zero) await s.file.writeZeroes(offset + done, n);
    done += n;
  }
}

function isMapped(s: Qcow2State, data: Uint8Array, index: number): boolean {
  const at = index * s.l2EntrySize;
  // (The bitmap, too: what says nothing but that it is zero has no place.)
  for (let i = 0; i < s.l2EntrySize; i++) if (data[at + i] !== 0) return true;
  return false;
}

/** Drops all data so that the backing file shows everywhere; snapshots stay. Called by `quiet`. */
export async function emptyImage(s: Qcow2State): Promise<void> {
  if (s.size === 0) return;
  s.checkWritable();
  if (s.snapshots.length === 0 && !s.header.bitmaps && s.header.version >= 3) s.file.event('empty_image_prepare');
  await discardClusters(s, 0, roundUp(s.size, s.clusterSize), 'snapshot', true);
  forgetInflated(s);
  if (s.snapshots.length === 0 && !s.header.bitmaps) await dropTables(s, 0);
  await s.sync();
  // What is cut off the file needs no holes.
  if (!s.flags.readOnly) await cutFile(s);
  await processDiscards(s);
}
