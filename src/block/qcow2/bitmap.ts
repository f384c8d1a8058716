// Operations on persistent dirty bitmaps: those of the bitmap command, and what opening, closing and resizing an image does to them.
// All but bitmapInfo are called by `quiet`, or with the lock held and no request under way.
import { bytesOfName, divUp, roundUp } from '../bytes.ts';
import { BlockError, ERRNO, strerror } from '../errors.ts';
import {
  type Bitmap,
  ENTRY_HEAD,
  FLAG,
  fail,
  findBitmap,
  fitsDisk,
  listBitmaps,
  rewriteFlags,
  storeDirectory,
  TYPE_DIRTY_TRACKING,
  tableEntries,
} from './bitmap-directory.ts';
import { eachDirty, mergeBits } from './bitmap-merge.ts';
import { forgetRecorded, recorded, setRecording } from './bitmap-recording.ts';
import { copyTable, freeTable, newTable, storeRecorded } from './bitmap-table.ts';
import { freeClusters } from './refcount.ts';
import type { Qcow2State } from './state.ts';

export { type Bitmap, listBitmaps } from './bitmap-directory.ts';
export { countReferences } from './bitmap-table.ts';

export const MAX_BITMAP_NAME = 1023;
const MAX_BITMAPS = 65535;

/** What `info` shows of each bitmap. */
export async function bitmapInfo(s: Qcow2State): Promise<{ flags: string[]; name: string; granularity: number }[]> {
  return (await listBitmaps(s)).map((b) => ({
    flags: [...(b.flags & FLAG.IN_USE && b.inconsistent ? ['in-use'] : []), ...(b.flags & FLAG.AUTO ? ['auto'] : [])],
    name: b.name,
    granularity: 2 ** b.granularityBits,
  }));
}

/** Whether a bitmap can have bits: a damaged one, or one made for another size of the disk, is only there to be removed. */
function isSound(s: Qcow2State, b: Bitmap): boolean {
  return !b.inconsistent && fitsDisk(s, b);
}

/** Has writes recorded for the bitmaps that are enabled. */
function record(s: Qcow2State, list: readonly Bitmap[]): void {
  setRecording(s, list, (b) => (b.flags & FLAG.AUTO) !== 0 && isSound(s, b));
}

/** Marks all bitmaps in use: from now on the stored bits may be behind. Called when an image is opened for writing. */
export async function markInUse(s: Qcow2State): Promise<void> {
  const list = await listBitmaps(s);
  if (list.length === 0) return;
  for (const b of list) b.flags |= FLAG.IN_USE;
  await rewriteFlags(s, list);
  record(s, list);
}

/** Stores recorded bits and takes the in-use marks off those that were right when opened. */
export async function markSettled(s: Qcow2State): Promise<void> {
  const list = await listBitmaps(s);
  if (list.length === 0) return;
  for (const b of list) if (isSound(s, b)) await storeFresh(s, b);
  await s.flushCaches();
  await s.file.flush();
  for (const b of list) if (isSound(s, b)) b.flags &= ~FLAG.IN_USE;
  await rewriteFlags(s, list);
}

/** Stores what was recorded for a bitmap. */
async function storeFresh(s: Qcow2State, b: Bitmap): Promise<void> {
  const sets = recorded(b);
  if (sets.length === 0) return;
  await storeRecorded(s, b, sets);
  // (What its recorder has belongs to others too. Storing it again changes nothing.)
  b.kept = undefined;
}

/** Default granularity: the cluster size, between 4 KiB and 64 KiB. */
export function defaultGranularity(s: Qcow2State): number {
  return Math.max(4096, Math.min(65536, s.clusterSize));
}

/** A bitmap to be made. */
export interface NewBitmap {
  name: string;
  granularity: number;
  disabled: boolean;
}

/** Adds an enabled or disabled bitmap; the caller has seen to a name of 1 to MAX_BITMAP_NAME bytes. */
export function addBitmap(s: Qcow2State, name: string, granularity: number, disabled: boolean): Promise<void> {
  return addBitmaps(s, [{ name, granularity, disabled }]);
}

/** Adds several at once, all or none. `prefix` comes before what went wrong with one. */
export async function addBitmaps(
  s: Qcow2State,
  wanted: readonly NewBitmap[],
  prefix: (name: string) => string = () => '',
): Promise<void> {
  const list = await listBitmaps(s);
  s.checkWritable();
  const names = new Set(list.map((b) => b.name));
  const made: Bitmap[] = [];
  let current = '';
  try {
    if (s.header.version < 3) fail('Cannot store dirty bitmaps in qcow2 v2 files', ERRNO.EOPNOTSUPP);
    for (const { name, granularity, disabled } of wanted) {
      current = name;
      if (names.has(name)) fail(`Bitmap already exists: ${name}`, ERRNO.EEXIST);
      if (names.size >= MAX_BITMAPS) fail('Maximum number of persistent bitmaps is already reached', ERRNO.EFBIG);
      names.add(name);
      const granularityBits = Math.log2(granularity);
      const { offset, entries } = await newTable(s, granularityBits);
      made.push({
        name,
        flags: (disabled ? 0 : FLAG.AUTO) | FLAG.IN_USE,
        type: TYPE_DIRTY_TRACKING,
        granularityBits,
        tableOffset: offset,
        tableSize: entries,
        extra: new Uint8Array(0),
        recorder: undefined,
        kept: undefined,
        inconsistent: false,
      });
    }
    await storeDirectory(s, [...list, ...made]);
  } catch (error) {
    if (!s.lost) for (const b of made) await freeClusters(s, b.tableOffset, b.tableSize * 8, 'never').catch(() => {});
    throw error instanceof BlockError ? error.prefixed(prefix(current)) : error;
  }
  record(s, await listBitmaps(s));
}

export async function removeBitmap(s: Qcow2State, name: string): Promise<void> {
  const list = await listBitmaps(s);
  const b = findBitmap(list, name);
  s.checkWritable();
  const left = list.filter((other) => other !== b);
  await storeDirectory(s, left);
  record(s, left);
  await freeTable(s, b);
}

function refuseUnusable(s: Qcow2State, b: Bitmap): void {
  if (b.inconsistent)
    throw new BlockError(
      `Bitmap '${b.name}' is inconsistent and cannot be used`,
      ERRNO.EINVAL,
      'Try block-dirty-bitmap-remove to delete this bitmap from disk',
    );
  if (!fitsDisk(s, b)) fail(`Could not read bitmap '${b.name}' from image: ${strerror(ERRNO.EINVAL)}`);
}

export async function clearBitmap(s: Qcow2State, name: string): Promise<void> {
  const list = await listBitmaps(s);
  const b = findBitmap(list, name);
  refuseUnusable(s, b);
  s.checkWritable();
  const { offset, entries } = await newTable(s, b.granularityBits);
  const old = { ...b };
  b.tableOffset = offset;
  b.tableSize = entries;
  await storeDirectory(s, [...list]).catch((error) => {
    b.tableOffset = old.tableOffset;
    b.tableSize = old.tableSize;
    throw error;
  });
  forgetRecorded(s, list, b);
  await freeTable(s, old);
}

/** Enables or disables the recording of writes. */
export async function enableBitmap(s: Qcow2State, name: string, enabled: boolean): Promise<void> {
  const list = await listBitmaps(s);
  const b = findBitmap(list, name);
  refuseUnusable(s, b);
  s.checkWritable();
  b.flags = enabled ? b.flags | FLAG.AUTO : b.flags & ~FLAG.AUTO;
  await rewriteFlags(s, list);
  record(s, list);
}

/**
 * Sets every bit in `name` that is set in the source bitmap (of this or another image). If that fails half way some of them are
 * set; none that was is cleared.
 */
export async function mergeBitmap(s: Qcow2State, name: string, from: Qcow2State, source: string): Promise<void> {
  const b = findBitmap(await listBitmaps(s), name);
  const other = findBitmap(await listBitmaps(from), source);
  await mergeInto(s, b, from, other);
}

async function mergeInto(s: Qcow2State, b: Bitmap, from: Qcow2State, other: Bitmap): Promise<void> {
  refuseUnusable(s, b);
  refuseUnusable(from, other);
  s.checkWritable();
  if (from.size !== s.size) {
    fail(
      'Bitmaps are of different sizes (destination size is ' +
        s.size +
        ', source size is ' +
        from.size +
        ") and can't be merged",
    );
  }
  await storeFresh(from, other);
  await mergeBits(s, b, from, other);
}

/** Copies the bitmaps of another image that are not damaged; `skipped` is told the others. */
export async function copyBitmaps(s: Qcow2State, from: Qcow2State, skipped: (name: string) => void): Promise<void> {
  const sources: Bitmap[] = [];
  for (const b of await listBitmaps(from)) {
    if (b.inconsistent) skipped(b.name);
    else sources.push(b);
  }
  if (sources.length === 0) return;
  const before = (await listBitmaps(s)).length;
  const wanted = sources.map((b) => ({
    name: b.name,
    granularity: 2 ** b.granularityBits,
    disabled: (b.flags & FLAG.AUTO) === 0,
  }));
  await addBitmaps(s, wanted, (name) => `Failed to create bitmap ${name}: `);
  const list = await listBitmaps(s);
  for (const [i, source] of sources.entries()) {
    try {
      await mergeInto(s, list[before + i]!, from, source);
    } catch (error) {
      // That one, and those that would have come after it, are not what their names say.
      const unfinished = list.slice(before + i);
      await storeDirectory(s, list.slice(0, before + i));
      for (const b of unfinished) await freeTable(s, b);
      throw error instanceof BlockError ? error.prefixed(`Failed to populate bitmap ${source.name}: `) : error;
    }
  }
}

/** What a bitmap calls changed, as [start, end) in bytes, in order: as many ranges as it has. */
export async function dirtyRanges(s: Qcow2State, name: string): Promise<[number, number][]> {
  const b = findBitmap(await listBitmaps(s), name);
  refuseUnusable(s, b);
  await storeFresh(s, b);
  const out: [number, number][] = [];
  await eachDirty(s, b, (start, end) => out.push([start, end]));
  return out;
}

/** Throws if the bitmaps keep the disk from getting another size. */
export async function checkResizable(s: Qcow2State): Promise<void> {
  for (const b of await listBitmaps(s)) {
    if (b.inconsistent) fail('Cannot resize image: there are inconsistent bitmaps', ERRNO.EOPNOTSUPP);
    refuseUnusable(s, b);
  }
}

/** Makes every bitmap, which is one for a disk of `before` bytes, fit another size; bits of the common part stay. */
export async function resizeBitmaps(s: Qcow2State, before: number, size: number): Promise<void> {
  const list = await listBitmaps(s);
  /** The bitmaps with other tables. */
  const changes: { b: Bitmap; old: Bitmap; offset: number; entries: number }[] = [];
  try {
    for (const b of list) {
      // (What is of another size is no use, and stays so.)
      if (tableEntries(s, b.granularityBits, before) !== b.tableSize) continue;
      if (tableEntries(s, b.granularityBits, size) === b.tableSize) continue;
      await storeFresh(s, b);
      const { offset, entries } = await newTable(s, b.granularityBits, size);
      changes.push({ b, old: { ...b }, offset, entries });
      await copyTable(s, b, offset, entries);
    }
    if (changes.length === 0) return;
    for (const { b, offset, entries } of changes) Object.assign(b, { tableOffset: offset, tableSize: entries });
    await storeDirectory(s, [...list]);
  } catch (error) {
    for (const { b, old, offset, entries } of changes) {
      Object.assign(b, { tableOffset: old.tableOffset, tableSize: old.tableSize });
      if (!s.lost) await freeClusters(s, offset, entries * 8, 'never').catch(() => {});
    }
    throw error;
  }
  // Nothing is given up before the directory names the new tables, which have the same bits as far as they go.
  for (const { old, entries } of changes) await freeTable(s, old, entries);
  record(s, list);
}

/** Bytes the bitmaps would take in a copy of this image. */
export async function bitmapBytes(s: Qcow2State, clusterSize: number): Promise<number> {
  let bytes = 0;
  let directory = 0;
  for (const b of await listBitmaps(s)) {
    if (b.inconsistent) continue;
    const bitmapClusters = divUp(divUp(divUp(s.size, 2 ** b.granularityBits), 8), clusterSize);
    bytes += bitmapClusters * clusterSize + roundUp(bitmapClusters * 8, clusterSize);
    directory += roundUp(ENTRY_HEAD + bytesOfName(b.name).length, 8);
  }
  return bytes + roundUp(directory, clusterSize);
}
