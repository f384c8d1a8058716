// Internal snapshots: creating, applying, deleting them.
import { bytesOfName, divUp, nameOfBytes, readU32be, writeU32be, writeU64be } from '../bytes.ts';
import { BlockError, ERRNO, errnoError, errnoOf, failingAs, strerror } from '../errors.ts';
import { compressedPlace, sliceEntries } from './cluster.ts';
import { FIELD } from './header.ts';
import { forgetInflated } from './io.ts';
import { l1Bytes, loadSnapshotL1, MAX_L1_BYTES } from './l1.ts';
import { allocClusters, freeClusters, processDiscards, refcountOf, refcountsOf, updateRefcount } from './refcount.ts';
import { writeSnapshotTable } from './snapshot-switch.ts';
import { EXTRA_KNOWN } from './snapshot-table.ts';
import { COMPRESSED_HI, COPIED_HI, type DiscardType, entryOffset, type Qcow2State, type Snapshot } from './state.ts';

/** Entries from `index` on that refer to host clusters in a row, the first of which is at `offset`. */
function entriesInRow(s: Qcow2State, data: Uint8Array, index: number, offset: number): number {
  let n = 1;
  for (let at = (index + n) * s.l2EntrySize; at < data.length; at += s.l2EntrySize, n++) {
    const hi = readU32be(data, at);
    if (hi & COMPRESSED_HI || entryOffset(hi, readU32be(data, at + 4)) !== offset + n * s.clusterSize) break;
  }
  return n;
}

/**
 * The part of addToTree for entries of the slice of an L2 table at `where`, from `index` on: as many as can be handled together.
 * Returns how many those were.
 */
async function addToRun(
  s: Qcow2State,
  where: number,
  index: number,
  delta: number,
  discard: DiscardType,
): Promise<number> {
  const got = s.l2Cache.get(where);
  const { data } = got instanceof Promise ? await got : got;
  let at = index * s.l2EntrySize;
  const hi = readU32be(data, at);
  const lo = readU32be(data, at + 4);
  if (hi === 0 && lo === 0) {
    // Nothing to be done up to the next entry that says something.
    do at += s.l2EntrySize;
    while (at < data.length && readU32be(data, at) === 0 && readU32be(data, at + 4) === 0);
    return at / s.l2EntrySize - index;
  }
  // Neither compressed clusters nor ones that have no place are ever written in place.
  let counts: readonly number[] = [0];
  const offset = entryOffset(hi, lo);
  if (hi & COMPRESSED_HI) {
    const c = compressedPlace(s, hi, lo);
    if (delta !== 0) await updateRefcount(s, c.offset, c.bytes, delta, discard);
  } else if (offset !== 0) {
    if (offset % s.clusterSize !== 0)
      throw await s.corruption(`Cluster allocation offset 0x${offset.toString(16)} unaligned`);
    const n = entriesInRow(s, data, index, offset);
    if (delta !== 0) await updateRefcount(s, offset, n * s.clusterSize, delta, discard);
    counts = await refcountsOf(s, offset / s.clusterSize, n);
  }
  const flagged = (from: Uint8Array, k: number): number => {
    const word = readU32be(from, (index + k) * s.l2EntrySize);
    return (counts[k] === 1 ? word | COPIED_HI : word & ~COPIED_HI) >>> 0;
  };
  if (counts.every((_, k) => flagged(data, k) === readU32be(data, (index + k) * s.l2EntrySize))) return counts.length;
  if (delta > 0 && s.accurateRefcounts) await s.l2Cache.dependOn(s.refcountCache);
  // The counting may have pushed the slice out.
  const again = s.l2Cache.get(where);
  const slice = again instanceof Promise ? await again : again;
  for (let k = 0; k < counts.length; k++) writeU32be(slice.data, (index + k) * s.l2EntrySize, flagged(slice.data, k));
  s.l2Cache.markDirty(slice);
  return counts.length;
}

/**
 * Adds `delta` to the refcount of everything an L1 table refers to, and brings the COPIED flags of the tables in line with
 * the counts. `l1` is changed in place; the caller writes it.
 */
async function addToTree(s: Qcow2State, l1: Uint32Array, delta: number, discard: DiscardType): Promise<void> {
  for (let i = 0; i < l1.length / 2; i++) {
    const table = entryOffset(l1[i * 2]!, l1[i * 2 + 1]!);
    if (table === 0) continue;
    if (table % s.clusterSize !== 0)
      throw await s.corruption(`L2 table offset 0x${table.toString(16)} unaligned (L1 index: 0x${i.toString(16)})`);
    for (let at = 0; at < s.clusterSize; at += s.l2Cache.sliceBytes) {
      for (let index = 0; index < sliceEntries(s); ) index += await addToRun(s, table + at, index, delta, discard);
    }
    if (delta !== 0) await updateRefcount(s, table, s.clusterSize, delta, discard);
    const count = await refcountOf(s, table / s.clusterSize);
    l1[i * 2] = (count === 1 ? l1[i * 2]! | COPIED_HI : l1[i * 2]! & ~COPIED_HI) >>> 0;
  }
}

/** Writes the active L1 table as it is in memory. */
async function writeActiveL1(s: Qcow2State): Promise<void> {
  if (s.l1.length > 0) await s.file.write(s.header.l1Offset, l1Bytes(s.l1));
}

/**
 * After a change that stopped half way, with counts and flags that do not fit the tables: counts anew. If that fails too, the
 * dirty bit stays, and whoever opens the image next for writing does it.
 */
async function recount(s: Qcow2State): Promise<void> {
  if (s.corrupted) return;
  try {
    const { checkImage } = await import('./check.ts');
    await writeActiveL1(s);
    const result = await checkImage(s, 'all', () => {});
    if (result.corruptions === 0 && result.checkErrors === 0) await s.endRepairable();
  } catch {
    // What went wrong first is told.
  }
}

/** Runs a change of counts and flags; what a failure leaves half done is put right as far as possible. */
async function repairably(s: Qcow2State, change: () => Promise<void>): Promise<void> {
  s.checkWritable();
  await s.beginRepairable();
  try {
    await change();
  } catch (error) {
    await recount(s);
    throw error;
  }
  await s.endRepairable();
}

/** Longest name of a snapshot that is made, in bytes; what is beyond is cut off. */
const MAX_SNAPSHOT_NAME = 255;

/** Creates a snapshot of the present state. */
export async function createSnapshot(s: Qcow2State, name: string, vmStateSize = 0, now = new Date()): Promise<void> {
  if (s.hasDataFile) throw errnoError(ERRNO.EOPNOTSUPP);
  if (s.snapshots.length >= 65535) throw errnoError(ERRNO.EFBIG);
  const id = String(s.snapshots.reduce((max, sn) => Math.max(max, Number(sn.id) || 0), 0) + 1);
  await repairably(s, async () => {
    // (An image of no bytes has no table to copy.)
    const l1Offset = s.l1Size > 0 ? await allocClusters(s, s.l1Size * 8) : 0;
    const copy = s.l1.slice();
    for (let i = 0; i < copy.length; i += 2) copy[i] = (copy[i]! & ~COPIED_HI) >>> 0;
    if (copy.length > 0) await s.file.write(l1Offset, l1Bytes(copy));
    await addToTree(s, s.l1, 1, 'snapshot');
    // Counts, then flags, then the table that makes the snapshot exist.
    await s.flushCaches();
    await writeActiveL1(s);
    await s.file.flush();
    await writeSnapshotTable(s, [
      ...s.snapshots,
      {
        id,
        name: nameOfBytes(bytesOfName(name).subarray(0, MAX_SNAPSHOT_NAME)),
        vmStateSize,
        dateSec: Math.floor(now.getTime() / 1000),
        dateNsec: (now.getTime() % 1000) * 1e6,
        vmClockNsec: 0,
        icount: 0,
        diskSize: s.size,
        l1Offset,
        l1Size: s.l1Size,
        unknownExtra: new Uint8Array(0),
        extraSize: EXTRA_KNOWN,
      },
    ]);
  });
}

/** The snapshot with that id, or else with that name. */
export function findSnapshot(s: Qcow2State, idOrName: string): Snapshot | undefined {
  return s.snapshots.find((sn) => sn.id === idOrName) ?? findSnapshotByName(s, idOrName);
}

/** The first snapshot with that name. */
export function findSnapshotByName(s: Qcow2State, name: string): Snapshot | undefined {
  return s.snapshots.find((sn) => sn.name === name);
}

/** Makes the active image what it was when the snapshot was taken. */
export async function applySnapshot(s: Qcow2State, sn: Snapshot): Promise<void> {
  if (s.hasDataFile) throw errnoError(ERRNO.EOPNOTSUPP);
  if (sn.diskSize !== s.size && s.header.version < 3)
    throw new BlockError("Can't resize a v2 image which has snapshots", ERRNO.EOPNOTSUPP);
  const wanted = await loadSnapshotL1(s, sn);
  await repairably(s, async () => {
    if (sn.diskSize !== s.size && s.header.bitmaps) {
      const { checkResizable, resizeBitmaps } = await import('./bitmap.ts');
      await checkResizable(s);
      await resizeBitmaps(s, s.size, sn.diskSize);
    }
    await addToTree(s, wanted, 1, 'snapshot');
    for (let i = 0; i < wanted.length; i += 2) wanted[i] = (wanted[i]! & ~COPIED_HI) >>> 0;
    const old = s.l1;
    const oldOffset = s.header.l1Offset;
    const entries = Math.max(s.l1Size, sn.l1Size, divUp(sn.diskSize, s.l2Span));
    if (entries * 8 > MAX_L1_BYTES) throw errnoError(ERRNO.EFBIG);
    const next = new Uint32Array(entries * 2);
    next.set(wanted);
    // The table goes to a new place, so that one write of the header changes it, its length and the disk's size: before that
    // the image is what it was, after that what the snapshot holds.
    const offset = entries > 0 ? await allocClusters(s, entries * 8) : 0;
    await s.flushCaches();
    if (entries > 0) await s.file.write(offset, l1Bytes(next));
    await s.file.flush();
    const fields = (size: number, count: number, at: number): Uint8Array => {
      const b = new Uint8Array(FIELD.l1Offset + 8 - FIELD.size);
      writeU64be(b, 0, size);
      writeU32be(b, 8, s.header.cryptMethod);
      writeU32be(b, FIELD.l1Size - FIELD.size, count);
      writeU64be(b, FIELD.l1Offset - FIELD.size, at);
      return b;
    };
    await s.switchField(FIELD.size, fields(sn.diskSize, entries, offset), fields(s.size, s.header.l1Size, oldOffset));
    s.header.size = sn.diskSize;
    s.header.l1Size = entries;
    s.header.l1Offset = offset;
    s.l1 = next;
    forgetInflated(s);
    await addToTree(s, old.slice(), -1, 'snapshot');
    if (old.length > 0) await freeClusters(s, oldOffset, old.length * 4, 'other');
    // What only the active image uses now may be written in place again.
    await addToTree(s, s.l1, 0, 'snapshot');
    await s.flushCaches();
    await writeActiveL1(s);
    await processDiscards(s);
  });
}

/** Deletes a snapshot and frees what only it used. */
export async function deleteSnapshot(s: Qcow2State, sn: Snapshot): Promise<void> {
  const l1 = await loadSnapshotL1(s, sn);
  await repairably(s, async () => {
    try {
      await writeSnapshotTable(
        s,
        s.snapshots.filter((other) => other !== sn),
      );
    } catch (error) {
      throw new BlockError(`Failed to remove snapshot from snapshot list: ${strerror(errnoOf(error))}`, errnoOf(error));
    }
    await failingAs('Failed to free the cluster and L1 table', async () => {
      await addToTree(s, l1, -1, 'snapshot');
      await freeClusters(s, sn.l1Offset, sn.l1Size * 8, 'snapshot');
    });
    await addToTree(s, s.l1, 0, 'snapshot');
    await s.flushCaches();
    await writeActiveL1(s);
    await processDiscards(s);
  });
}

/** Shows a snapshot's content instead of the active image's; only for images opened for reading. */
export async function loadTemporarily(s: Qcow2State, sn: Snapshot): Promise<void> {
  s.l1 = await loadSnapshotL1(s, sn);
  s.header.l1Size = sn.l1Size;
  s.header.size = sn.diskSize;
}
