// The directory of persistent dirty bitmaps: reading it with every field checked, and writing it anew.
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
import { BlockError, ERRNO } from '../errors.ts';
import type { Recording } from './bitmap-recording.ts';
import { AUTOCLEAR } from './header.ts';
import { allocClusters, freeClusters } from './refcount.ts';
import type { Qcow2State, Section } from './state.ts';

export const FLAG = { IN_USE: 1, AUTO: 2, EXTRA_DATA_COMPATIBLE: 4 } as const;
export const TYPE_DIRTY_TRACKING = 1;
export const ENTRY_HEAD = 24;
export const MAX_TABLE_ENTRIES = 0x8000000 / 8;
const MIN_GRANULARITY_BITS = 9;
const MAX_GRANULARITY_BITS = 31;

/** One bitmap of the directory. */
export interface Bitmap extends Recording {
  name: string;
  flags: number;
  type: number;
  tableOffset: number;
  tableSize: number;
  extra: Uint8Array;
  /** Found marked in use: somebody crashed, the bits cannot be trusted. */
  inconsistent: boolean;
}

/** Directories read so far; an image without the extension has none. */
const loaded = new WeakMap<Qcow2State, Bitmap[]>();

export function fail(message: string, errno: number = ERRNO.EINVAL): never {
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
        extra: b.subarray(at + ENTRY_HEAD, at + ENTRY_HEAD + extraSize),
        name: nameOfBytes(b.subarray(at + ENTRY_HEAD + extraSize, end)),
        recorder: undefined,
        kept: undefined,
        inconsistent: (flags & FLAG.IN_USE) !== 0,
      };
      checkBitmap(s, bitmap);
      list.push(bitmap);
      at = roundUp(end, 8);
    }
    // Tables that lie one over another could make a small image take for ever: together they are not longer than the file.
    const tables = list.reduce((sum, { tableSize }) => sum + roundUp(tableSize * 8, s.clusterSize), 0);
    if (tables > roundUp(s.file.length, s.clusterSize)) fail('The tables of the bitmaps overlap');
    if (list.length !== ext.count) fail('Less/More bitmaps found than specified in header extension');
  }
  loaded.set(s, list);
  return list;
}

/** The bitmap of that name; throws if there is none. */
export function findBitmap(list: readonly Bitmap[], name: string): Bitmap {
  const b = list.find((other) => other.name === name);
  if (!b) fail(`Dirty bitmap '${name}' not found`, ERRNO.ENOENT);
  return b;
}

/** Disk bytes whose bits fit one cluster of the bitmap. */
export function bytesPerEntry(s: Qcow2State, granularityBits: number): number {
  return s.clusterSize * 8 * 2 ** granularityBits;
}

/** Entries of the table of a bitmap for a disk of `size` bytes. */
export function tableEntries(s: Qcow2State, granularityBits: number, size: number): number {
  return Math.max(1, divUp(size, bytesPerEntry(s, granularityBits)));
}

/** Whether a bitmap's table is that of a disk of this size. */
export function fitsDisk(s: Qcow2State, b: Bitmap): boolean {
  return b.tableSize === tableEntries(s, b.granularityBits, s.size);
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

function serialize(list: readonly Bitmap[]): Uint8Array {
  const names = list.map((b) => bytesOfName(b.name));
  const length = (b: Bitmap, i: number): number => roundUp(ENTRY_HEAD + b.extra.length + names[i]!.length, 8);
  const out = new Uint8Array(list.reduce((sum, b, i) => sum + length(b, i), 0));
  let at = 0;
  for (const [i, b] of list.entries()) {
    writeU64be(out, at, b.tableOffset);
    writeU32be(out, at + 8, b.tableSize);
    writeU32be(out, at + 12, b.flags);
    out[at + 16] = b.type;
    out[at + 17] = b.granularityBits;
    writeU16be(out, at + 18, names[i]!.length);
    writeU32be(out, at + 20, b.extra.length);
    out.set(b.extra, at + ENTRY_HEAD);
    out.set(names[i]!, at + ENTRY_HEAD + b.extra.length);
    at += length(b, i);
  }
  return out;
}

/** Writes the directory to a new place (or none) and points the header there. */
export async function storeDirectory(s: Qcow2State, list: Bitmap[]): Promise<void> {
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
  if (old) await freeClusters(s, old.directoryOffset, old.directorySize, 'other');
}

/** Writes the directory over itself: only flags have changed. */
export async function rewriteFlags(s: Qcow2State, list: Bitmap[]): Promise<void> {
  await writeChecked(s, s.header.bitmaps!.directoryOffset, serialize(list), ['bitmap-directory']);
  await s.file.flush();
}

/** Writes bits or tables where the image says that they are, unless something else is there. */
export async function writeChecked(
  s: Qcow2State,
  offset: number,
  bytes: Uint8Array,
  ignore: readonly Section[] = [],
): Promise<void> {
  const refused = s.guard.check(offset, bytes.length, ignore);
  if (refused) await refused;
  await s.file.write(offset, bytes);
}
