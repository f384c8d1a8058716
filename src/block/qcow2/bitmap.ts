// Persistent dirty bitmaps: the directory, the bitmap tables, recording writes, and the operations of the bitmap command.
import {
  bytesOfName,
  divUp,
  nameOfBytes,
  readU16be,
  readU32be,
  readU64be,
  roundUp,
  writeU16be,
  writeU32be,
  writeU64be,
} from '../bytes.ts';
import type { CheckResult } from '../driver.ts';
import { BlockError, ERRNO } from '../errors.ts';
import { AUTOCLEAR } from './header.ts';
import { allocClusters, freeClusters } from './refcount.ts';
import { entryOffset, type Qcow2State, type Section } from './state.ts';

const FLAG = { IN_USE: 1, AUTO: 2, EXTRA_DATA_COMPATIBLE: 4 } as const;
const TYPE_DIRTY_TRACKING = 1;
/** Low bit of a table entry without a cluster: its bits are all set. */
const ALL_ONES = 1;
const ENTRY_HEAD = 24;
const MAX_TABLE_ENTRIES = 0x8000000 / 8;
export const MAX_BITMAP_NAME = 1023;
const MIN_GRANULARITY_BITS = 9;
const MAX_GRANULARITY_BITS = 31;

/** One bitmap of the directory. */
export interface Bitmap {
  name: string;
  flags: number;
  type: number;
  granularityBits: number;
  tableOffset: number;
  tableSize: number;
  extra: Uint8Array;
  /** Bits set since the image was opened, by table index; or-ed into the stored ones when the image is closed. */
  fresh: Map<number, Uint8Array>;
  /** Found marked in use: somebody crashed, the bits cannot be trusted. */
  inconsistent: boolean;
}

/** Directories read so far; an image without the extension has none. */
const loaded = new WeakMap<Qcow2State, Bitmap[]>();

function fail(message: string, errno: number = ERRNO.EINVAL): never {
  throw new BlockError(message, errno);
}

/** The bitmaps of an image, read on first use. */
export async function listBitmaps(s: Qcow2State): Promise<Bitmap[]> {
  const have = loaded.get(s);
  if (have) return have;
  const list: Bitmap[] = [];
  const ext = s.header.bitmaps;
  if (ext) {
    if (ext.directorySize > s.file.length) fail('Failed to read bitmap directory', ERRNO.EIO);
    const b = new Uint8Array(ext.directorySize);
    await s.file.read(ext.directoryOffset, b);
    for (let at = 0; at < b.length; ) {
      if (at + ENTRY_HEAD > b.length) fail('Broken bitmap directory');
      const nameSize = readU16be(b, at + 18);
      const extraSize = readU32be(b, at + 20);
      const end = at + ENTRY_HEAD + extraSize + nameSize;
      if (end > b.length) fail('Broken bitmap directory');
      const flags = readU32be(b, at + 12);
      const bitmap: Bitmap = {
        tableOffset: readU64be(b, at),
        tableSize: readU32be(b, at + 8),
        flags,
        type: b[at + 16]!,
        granularityBits: b[at + 17]!,
        extra: b.slice(at + ENTRY_HEAD, at + ENTRY_HEAD + extraSize),
        name: nameOfBytes(b.subarray(at + ENTRY_HEAD + extraSize, end)),
        fresh: new Map(),
        inconsistent: (flags & FLAG.IN_USE) !== 0,
      };
      checkBitmap(s, bitmap);
      list.push(bitmap);
      at = roundUp(end, 8);
    }
    if (list.length !== ext.count) fail('Less/More bitmaps found than specified in header extension');
  }
  loaded.set(s, list);
  return list;
}

function checkBitmap(s: Qcow2State, b: Bitmap): void {
  const bad =
    b.tableSize === 0 ||
    b.tableSize > MAX_TABLE_ENTRIES ||
    b.tableOffset === 0 ||
    b.tableOffset % s.clusterSize !== 0 ||
    b.granularityBits < MIN_GRANULARITY_BITS ||
    b.granularityBits > MAX_GRANULARITY_BITS ||
    b.name.length === 0 ||
    b.type !== TYPE_DIRTY_TRACKING;
  if (bad) fail(`Bitmap '${b.name}' doesn't satisfy the constraints`);
  if (b.extra.length > 0 && !(b.flags & FLAG.EXTRA_DATA_COMPATIBLE)) fail(`Bitmap '${b.name}' has unknown extra data`);
}

/** What `info` shows of each bitmap. */
export async function bitmapInfo(s: Qcow2State): Promise<{ flags: string[]; name: string; granularity: number }[]> {
  return (await listBitmaps(s)).map((b) => ({
    flags: [...(b.flags & FLAG.IN_USE && b.inconsistent ? ['in-use'] : []), ...(b.flags & FLAG.AUTO ? ['auto'] : [])],
    name: b.name,
    granularity: 2 ** b.granularityBits,
  }));
}

function serialize(list: readonly Bitmap[]): Uint8Array {
  const parts = list.map((b) => {
    const name = bytesOfName(b.name);
    const out = new Uint8Array(roundUp(ENTRY_HEAD + b.extra.length + name.length, 8));
    writeU64be(out, 0, b.tableOffset);
    writeU32be(out, 8, b.tableSize);
    writeU32be(out, 12, b.flags);
    out[16] = b.type;
    out[17] = b.granularityBits;
    writeU16be(out, 18, name.length);
    writeU32be(out, 20, b.extra.length);
    out.set(b.extra, ENTRY_HEAD);
    out.set(name, ENTRY_HEAD + b.extra.length);
    return out;
  });
  return Buffer.concat(parts);
}

/** Writes the directory to a new place (or none) and points the header there. */
async function storeDirectory(s: Qcow2State, list: Bitmap[]): Promise<void> {
  const old = s.header.bitmaps;
  const { hi, lo } = s.header.autoclear;
  const b = serialize(list);
  let offset = 0;
  try {
    if (list.length > 0) {
      offset = await allocClusters(s, b.length);
      await s.file.write(offset, b);
    }
    await s.flushCaches();
    await s.file.flush();
    await s.changeHeader(
      list.length > 0
        ? {
            bitmaps: { count: list.length, directorySize: b.length, directoryOffset: offset },
            autoclear: { hi, lo: lo | AUTOCLEAR.BITMAPS },
          }
        : { bitmaps: undefined, autoclear: { hi, lo: lo & ~AUTOCLEAR.BITMAPS } },
    );
  } catch (error) {
    if (offset > 0 && !s.lost) await freeClusters(s, offset, b.length, 'never').catch(() => {});
    throw error;
  }
  loaded.set(s, list);
  recordInto(s, list);
  if (old) await freeClusters(s, old.directoryOffset, old.directorySize, 'other');
}

async function rewriteFlags(s: Qcow2State, list: Bitmap[]): Promise<void> {
  await writeChecked(s, s.header.bitmaps!.directoryOffset, serialize(list), ['bitmap-directory']);
  await s.file.flush();
}

/** Marks all bitmaps in use: from now on the stored bits may be behind. Called when an image is opened for writing. */
export async function markInUse(s: Qcow2State): Promise<void> {
  const list = await listBitmaps(s);
  if (list.length === 0) return;
  for (const b of list) b.flags |= FLAG.IN_USE;
  await rewriteFlags(s, list);
  recordInto(s, list);
}

function recordInto(s: Qcow2State, list: Bitmap[]): void {
  s.recordWrite = (offset, bytes) => record(s, list, offset, bytes);
}

/** Stores recorded bits and takes the in-use marks off those that were right when opened. */
export async function markSettled(s: Qcow2State): Promise<void> {
  const list = await listBitmaps(s);
  if (list.length === 0) return;
  for (const b of list) if (!b.inconsistent) await storeFresh(s, b);
  await s.flushCaches();
  await s.file.flush();
  for (const b of list) if (!b.inconsistent) b.flags &= ~FLAG.IN_USE;
  await rewriteFlags(s, list);
}

/** Disk bytes whose bits fit one cluster of the bitmap. */
function bytesPerEntry(s: Qcow2State, b: Bitmap): number {
  return s.clusterSize * 8 * 2 ** b.granularityBits;
}

function record(s: Qcow2State, list: Bitmap[], offset: number, bytes: number): void {
  for (const b of list) {
    if (!(b.flags & FLAG.AUTO) || b.inconsistent || bytes <= 0) continue;
    setBits(s, b, offset, bytes);
  }
}

function setBits(s: Qcow2State, b: Bitmap, offset: number, bytes: number): void {
  const granularity = 2 ** b.granularityBits;
  const perEntry = s.clusterSize * 8;
  const last = Math.floor((offset + bytes - 1) / granularity);
  for (let bit = Math.floor(offset / granularity); bit <= last; bit++) {
    const entry = Math.floor(bit / perEntry);
    let data = b.fresh.get(entry);
    if (!data) b.fresh.set(entry, (data = new Uint8Array(s.clusterSize)));
    const at = bit % perEntry;
    data[at >>> 3] |= 1 << (at & 7);
  }
}

async function readTable(s: Qcow2State, b: Bitmap): Promise<Uint8Array> {
  if (b.tableSize * 8 > s.file.length)
    fail(`Could not read bitmap_table table from image for bitmap '${b.name}'`, ERRNO.EIO);
  const table = new Uint8Array(b.tableSize * 8);
  await s.file.read(b.tableOffset, table);
  return table;
}

/** Where the bits of a table entry are; 0 if they have no cluster, being all alike. */
function bitsOffset(table: Uint8Array, index: number): number {
  return entryOffset(readU32be(table, index * 8), readU32be(table, index * 8 + 4));
}

/** Writes bits or tables where the image says that they are, unless something else is there. */
async function writeChecked(
  s: Qcow2State,
  offset: number,
  bytes: Uint8Array,
  ignore: readonly Section[] = [],
): Promise<void> {
  const refused = s.guard.check(offset, bytes.length, ignore);
  if (refused) await refused;
  await s.file.write(offset, bytes);
}

/** Bits of one table entry. */
async function readEntry(s: Qcow2State, table: Uint8Array, index: number): Promise<Uint8Array> {
  const data = new Uint8Array(s.clusterSize);
  if (index * 8 >= table.length) return data;
  const offset = bitsOffset(table, index);
  if (offset === 0) return readU32be(table, index * 8 + 4) & ALL_ONES ? data.fill(0xff) : data;
  await s.file.read(offset, data);
  return data;
}

async function storeFresh(s: Qcow2State, b: Bitmap): Promise<void> {
  if (b.fresh.size === 0) return;
  const table = await readTable(s, b);
  for (const [index, bits] of b.fresh) {
    if (index >= b.tableSize) continue;
    const data = await readEntry(s, table, index);
    for (let i = 0; i < data.length; i++) data[i] |= bits[i]!;
    let offset = bitsOffset(table, index);
    if (offset % s.clusterSize !== 0) fail(`Bitmap '${b.name}' has an invalid table entry ${index}`);
    if (offset === 0) {
      offset = await allocClusters(s, s.clusterSize);
      writeU64be(table, index * 8, offset);
    }
    await writeChecked(s, offset, data);
  }
  await s.refcountCache.flush();
  await s.file.flush();
  await writeChecked(s, b.tableOffset, table);
  b.fresh.clear();
}

/** Gives up a bitmap's table and bits. */
async function freeTable(s: Qcow2State, b: Bitmap): Promise<void> {
  const table = await readTable(s, b);
  for (let i = 0; i < b.tableSize; i++) {
    const offset = bitsOffset(table, i);
    if (offset !== 0) await freeClusters(s, offset, s.clusterSize, 'other');
  }
  await freeClusters(s, b.tableOffset, b.tableSize * 8, 'other');
}

/** A new all-zero table for the present disk size. */
async function newTable(
  s: Qcow2State,
  granularityBits: number,
  size = s.size,
): Promise<{ offset: number; entries: number }> {
  const entries = Math.max(1, divUp(size, s.clusterSize * 8 * 2 ** granularityBits));
  if (entries > MAX_TABLE_ENTRIES) fail('Bitmap is too large', ERRNO.EFBIG);
  const offset = await allocClusters(s, entries * 8);
  await s.file.write(offset, new Uint8Array(roundUp(entries * 8, s.clusterSize)));
  return { offset, entries };
}

function find(list: readonly Bitmap[], name: string): Bitmap {
  const b = list.find((other) => other.name === name);
  if (!b) fail(`Dirty bitmap '${name}' not found`, ERRNO.ENOENT);
  return b;
}

/** Default granularity: the cluster size, between 4 KiB and 64 KiB. */
export function defaultGranularity(s: Qcow2State): number {
  return Math.max(4096, Math.min(65536, s.clusterSize));
}

/** Adds an enabled or disabled bitmap; the caller has seen to a name of 1 to MAX_BITMAP_NAME bytes. */
export async function addBitmap(s: Qcow2State, name: string, granularity: number, disabled: boolean): Promise<void> {
  const list = await listBitmaps(s);
  if (s.header.version < 3) fail('Cannot store dirty bitmaps in qcow2 v2 files', ERRNO.EOPNOTSUPP);
  if (list.some((b) => b.name === name)) fail(`Bitmap already exists: ${name}`, ERRNO.EEXIST);
  if (list.length >= 65535) fail('Maximum number of persistent bitmaps is already reached', ERRNO.EFBIG);
  const granularityBits = Math.log2(granularity);
  const { offset, entries } = await newTable(s, granularityBits);
  await storeDirectory(s, [
    ...list,
    {
      name,
      flags: (disabled ? 0 : FLAG.AUTO) | FLAG.IN_USE,
      type: TYPE_DIRTY_TRACKING,
      granularityBits,
      tableOffset: offset,
      tableSize: entries,
      extra: new Uint8Array(0),
      fresh: new Map(),
      inconsistent: false,
    },
  ]);
}

export async function removeBitmap(s: Qcow2State, name: string): Promise<void> {
  const list = await listBitmaps(s);
  const b = find(list, name);
  await storeDirectory(
    s,
    list.filter((other) => other !== b),
  );
  await freeTable(s, b);
}

function refuseInconsistent(b: Bitmap): void {
  if (!b.inconsistent) return;
  throw new BlockError(
    `Bitmap '${b.name}' is inconsistent and cannot be used`,
    ERRNO.EINVAL,
    'Try block-dirty-bitmap-remove to delete this bitmap from disk',
  );
}

export async function clearBitmap(s: Qcow2State, name: string): Promise<void> {
  const list = await listBitmaps(s);
  const b = find(list, name);
  refuseInconsistent(b);
  const { offset, entries } = await newTable(s, b.granularityBits);
  const old = { ...b };
  b.tableOffset = offset;
  b.tableSize = entries;
  await storeDirectory(s, [...list]).catch((error) => {
    b.tableOffset = old.tableOffset;
    b.tableSize = old.tableSize;
    throw error;
  });
  b.fresh.clear();
  await freeTable(s, old);
}

/** Enables or disables the recording of writes. */
export async function enableBitmap(s: Qcow2State, name: string, enabled: boolean): Promise<void> {
  const list = await listBitmaps(s);
  const b = find(list, name);
  refuseInconsistent(b);
  b.flags = enabled ? b.flags | FLAG.AUTO : b.flags & ~FLAG.AUTO;
  await rewriteFlags(s, list);
}

/** Calls `dirty` with every range of the disk whose bits are set in the source. */
async function eachDirty(s: Qcow2State, b: Bitmap, dirty: (offset: number, bytes: number) => void): Promise<void> {
  const table = await readTable(s, b);
  const granularity = 2 ** b.granularityBits;
  const perEntry = bytesPerEntry(s, b);
  for (let i = 0; i < b.tableSize; i++) {
    const lo = readU32be(table, i * 8 + 4);
    const none = readU32be(table, i * 8) === 0 && lo === 0 && !b.fresh.has(i);
    if (none) continue;
    const data = await readEntry(s, table, i);
    const fresh = b.fresh.get(i);
    if (fresh) for (let k = 0; k < data.length; k++) data[k] |= fresh[k]!;
    for (let k = 0; k < data.length; k++) {
      if (data[k] === 0) continue;
      for (let bit = 0; bit < 8; bit++) {
        if ((data[k]! >>> bit) & 1) dirty(i * perEntry + (k * 8 + bit) * granularity, granularity);
      }
    }
  }
}

/** What a bitmap calls changed, as [start, end) in bytes, in order. */
export async function dirtyRanges(s: Qcow2State, name: string): Promise<[number, number][]> {
  const out: [number, number][] = [];
  await eachDirty(s, find(await listBitmaps(s), name), (offset, bytes) => {
    const last = out.at(-1);
    if (last?.[1] === offset) last[1] += bytes;
    else out.push([offset, offset + bytes]);
  });
  return out;
}

/** Sets every bit in `name` that is set in the source bitmap (of this or another image). */
export async function mergeBitmap(s: Qcow2State, name: string, from: Qcow2State, source: string): Promise<void> {
  const list = await listBitmaps(s);
  const b = find(list, name);
  const other = find(await listBitmaps(from), source);
  refuseInconsistent(b);
  refuseInconsistent(other);
  if (from.size !== s.size) {
    fail(
      'Bitmaps are of different sizes (destination size is ' +
        s.size +
        ', source size is ' +
        from.size +
        ") and can't be merged",
    );
  }
  await eachDirty(from, other, (offset, bytes) => setBits(s, b, offset, Math.min(bytes, s.size - offset)));
}

/** Makes every bitmap fit another disk size; bits of the common part stay. */
export async function resizeBitmaps(s: Qcow2State, size: number): Promise<void> {
  const list = await listBitmaps(s);
  if (list.some((b) => b.inconsistent)) {
    fail('Cannot resize image: there are inconsistent bitmaps', ERRNO.EOPNOTSUPP);
  }
  /** The bitmaps with other tables, and what they had before. */
  const changes: { b: Bitmap; offset: number; entries: number; old: Uint8Array }[] = [];
  for (const b of list) {
    const entries = Math.max(1, divUp(size, bytesPerEntry(s, b)));
    if (entries === b.tableSize) continue;
    await storeFresh(s, b);
    const old = await readTable(s, b);
    const { offset } = await newTable(s, b.granularityBits, size);
    await s.file.write(offset, old.subarray(0, Math.min(old.length, entries * 8)));
    changes.push({ b, offset, entries, old });
  }
  const before = changes.map(({ b }) => ({ tableOffset: b.tableOffset, tableSize: b.tableSize }));
  for (const { b, offset, entries } of changes) Object.assign(b, { tableOffset: offset, tableSize: entries });
  try {
    await storeDirectory(s, [...list]);
  } catch (error) {
    for (const [i, { b }] of changes.entries()) Object.assign(b, before[i]);
    throw error;
  }
  // Nothing is given up before the directory names the new tables.
  for (const [k, { entries, old }] of changes.entries()) {
    const { tableOffset, tableSize } = before[k]!;
    for (let i = entries; i < tableSize; i++) {
      const at = bitsOffset(old, i);
      if (at !== 0) await freeClusters(s, at, s.clusterSize, 'other');
    }
    await freeClusters(s, tableOffset, tableSize * 8, 'other');
  }
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
    const table = await readTable(s, b);
    for (let i = 0; i < b.tableSize; i++) {
      const hi = readU32be(table, i * 8);
      const lo = readU32be(table, i * 8 + 4);
      const offset = entryOffset(hi, lo);
      if (hi & 0xff000000 || lo & 0x1fe || (offset !== 0 && (offset % s.clusterSize !== 0 || lo & ALL_ONES))) {
        say(`ERROR bitmap '${b.name}' has an invalid table entry ${i}`);
        r.corruptions++;
        continue;
      }
      if (offset !== 0) count(offset, s.clusterSize);
    }
  }
}

/** Whether a bitmap's writes are recorded, and its granularity, for copying bitmaps to another image. */
export function bitmapState(b: Bitmap): { enabled: boolean; granularity: number } {
  return { enabled: (b.flags & FLAG.AUTO) !== 0, granularity: 2 ** b.granularityBits };
}
