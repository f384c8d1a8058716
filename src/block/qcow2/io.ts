// Guest reads and writes: mapping, allocation with copy-on-write, compressed clusters.
import { type HeldRange, runParallel } from '../async.ts';
import { statusAbove } from '../block-status.ts';
import { isZero, readU32be, roundDown, roundUp } from '../bytes.ts';
import { type Ending, REQ } from '../driver.ts';
import { ERRNO, errnoError } from '../errors.ts';
import {
  ALL_SUBCLUSTERS,
  bitRange,
  bytesInSlice,
  compressedEntry,
  findEntry,
  findEntryNow,
  freeEntry,
  hasOwnTable,
  KIND,
  kindOf,
  type Mapping,
  mapAt,
  mapNow,
  putEntry,
  writableEntry,
} from './cluster.ts';
import { compressCluster, decompressCluster } from './compress.ts';
import { allocBytes, allocClusters, allocNow, freeClusters, processDiscards } from './refcount.ts';
import { COMPRESSED_HI, COPIED_HI, entryOffset, type Qcow2State, TWO32 } from './state.ts';

/** Pieces of one request handled at the same time. */
const PIECES_IN_FLIGHT = 8;

/** Largest piece of new clusters allocated at once. */
const MAX_ALLOCATION = 4 << 20;

/** Reads guest data; the range lies within the disk or the VM state area. */
export function readGuest(s: Qcow2State, offset: number, buffer: Uint8Array): Ending {
  const start = roundDown(offset, s.clusterSize);
  const end = roundUp(offset + buffer.length, s.clusterSize);
  const range = s.ranges.tryAcquire(start, end, true);
  if (!range) {
    return s.ranges.acquire(start, end, true).then((held) => readHolding(s, offset, buffer, held));
  }
  return readHolding(s, offset, buffer, range);
}

function readHolding(s: Qcow2State, offset: number, buffer: Uint8Array, range: HeldRange): Ending {
  let reading: Ending;
  try {
    reading = readLocked(s, offset, buffer);
  } catch (error) {
    s.ranges.release(range);
    throw error;
  }
  if (reading) return reading.finally(() => s.ranges.release(range));
  s.ranges.release(range);
  return undefined;
}

/** Reads with the range already held. */
function readLocked(s: Qcow2State, offset: number, buffer: Uint8Array): Ending {
  // As far as the tables are in memory nothing has to be waited for.
  for (let done = 0; done < buffer.length; ) {
    const m = mapNow(s, offset + done, buffer.length - done);
    if (!m || m.kind === KIND.COMPRESSED) return readMapping(s, offset + done, buffer.subarray(done));
    const whole = done === 0 && m.bytes === buffer.length;
    const reading = readPiece(s, offset + done, m, whole ? buffer : buffer.subarray(done, done + m.bytes));
    done += m.bytes;
    if (!reading) continue;
    return done === buffer.length ? reading : both(reading, readMapping(s, offset + done, buffer.subarray(done)));
  }
  return undefined;
}

/** Ends when both have ended, with the first one's error if it has one. */
async function both(first: Promise<void>, second: Promise<void>): Promise<void> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === 'rejected') throw a.reason;
  if (b.status === 'rejected') throw b.reason;
}

/** Reads with the range already held, and the tables perhaps to be loaded. */
async function readMapping(s: Qcow2State, offset: number, buffer: Uint8Array): Promise<void> {
  let pending: (() => Promise<void>)[] | undefined;
  for (let done = 0; done < buffer.length; ) {
    const wait = s.lock.acquire();
    if (wait) await wait;
    let m: Mapping;
    try {
      m = await mapAt(s, offset + done, buffer.length - done);
    } finally {
      s.lock.release();
    }
    const part = buffer.subarray(done, done + m.bytes);
    // A single piece needs no list.
    if (done === 0 && m.bytes === buffer.length) return readPiece(s, offset, m, part);
    const at = offset + done;
    (pending ??= []).push(async () => readPiece(s, at, m, part));
    done += m.bytes;
  }
  if (pending) await runParallel(pending.length, PIECES_IN_FLIGHT, (i) => pending[i]!());
}

function readPiece(s: Qcow2State, offset: number, m: Mapping, part: Uint8Array): Ending {
  switch (m.kind) {
    case KIND.NORMAL:
      s.dataFile.event('read_aio');
      return s.dataFile.read(m.host, part);
    case KIND.COMPRESSED:
      return readCompressed(s, m).then((data) => {
        const from = offset % s.clusterSize;
        part.set(data.subarray(from, from + part.length));
      });
    case KIND.UNALLOCATED:
    case KIND.UNALLOCATED_ALLOC:
      // The VM state area lies behind every backing file.
      if (s.node.backing && offset < s.size) {
        s.file.event('read_backing_aio');
        return s.node.backing.read(offset, part);
      }
      part.fill(0);
      return undefined;
    default:
      part.fill(0);
      return undefined;
  }
}

/** The most recently inflated cluster of each image: sequential small reads would inflate it again and again. */
const lastInflated = new WeakMap<Qcow2State, { host: number; data: Uint8Array }>();

async function readCompressed(s: Qcow2State, m: Mapping): Promise<Uint8Array> {
  const last = lastInflated.get(s);
  if (last && last.host === m.host) return last.data;
  const raw = new Uint8Array(m.compressedBytes);
  s.file.event('read_compressed');
  await s.file.read(m.host, raw);
  const data = await decompressCluster(raw, s.clusterSize, s.header.compressionType);
  lastInflated.set(s, { host: m.host, data });
  return data;
}

/** Called when compressed data may have changed place. */
export function forgetInflated(s: Qcow2State): void {
  lastInflated.delete(s);
}

/** Writes guest data; `unchanged` says that another layer shows the same there already, which no crash may take away. */
export function writeGuest(s: Qcow2State, offset: number, buffer: Uint8Array, unchanged = false): Ending {
  return !unchanged && isNewAndReady(s, offset, buffer.length)
    ? writeNew(s, offset, buffer)
    : writePieces(s, offset, buffer, unchanged);
}

/** Writes to the area behind the disk where snapshots keep machine state. */
export function writeVmArea(s: Qcow2State, offset: number, buffer: Uint8Array): Promise<void> {
  return writePieces(s, offset, buffer, false, true);
}

async function writePieces(
  s: Qcow2State,
  offset: number,
  buffer: Uint8Array,
  unchanged: boolean,
  vmState = false,
): Promise<void> {
  for (let done = 0; done < buffer.length; ) {
    done += await writePiece(s, offset + done, buffer.subarray(done), unchanged, vmState);
  }
}

/**
 * Whether a write is to whole clusters that have nothing yet, with everything in memory that it takes to give them a place:
 * what copying images does most, and can be done without waiting for anything but the data.
 */
function isNewAndReady(s: Qcow2State, offset: number, bytes: number): boolean {
  if (offset % s.clusterSize !== 0 || bytes % s.clusterSize !== 0 || bytes > MAX_ALLOCATION) return false;
  if (s.lock.isHeld || s.corrupted || s.flags.readOnly || s.hasDataFile || s.file.wantsEvents) return false;
  if (s.lazyRefcounts && !s.dirtyMarked) return false;
  if (s.accurateRefcounts && s.l2Cache.mustWaitFor(s.refcountCache)) return false;
  const place = hasOwnTable(s, offset) ? findEntryNow(s, offset) : undefined;
  if (!place || bytes > place.left * s.clusterSize) return false;
  const { data } = place.slice;
  const from = place.index * s.l2EntrySize;
  return isZero(data, from, from + (bytes / s.clusterSize) * s.l2EntrySize);
}

/** Does what isNewAndReady found possible; the order of steps is that of writePiece. */
function writeNew(s: Qcow2State, offset: number, buffer: Uint8Array): Ending {
  const { length } = buffer;
  const range = s.ranges.tryAcquire(offset, offset + length, false);
  const host = range ? allocNow(s, length) : -1;
  if (!range || host < 0) {
    if (range) s.ranges.release(range);
    return writePieces(s, offset, buffer, false);
  }
  s.recordWrite?.(offset, length);
  let writing: Ending;
  try {
    writing = s.file.write(host, buffer, REQ.FRESH);
  } catch (error) {
    writing = Promise.reject(error);
  }
  if (writing) return linkLater(s, offset, length, host, range, writing);
  linkNew(s, offset, length, host);
  s.ranges.release(range);
  return undefined;
}

/** Points L2 entries in memory, which had nothing, at new clusters. */
function linkNew(s: Qcow2State, offset: number, bytes: number, host: number): void {
  if (s.accurateRefcounts) void s.l2Cache.dependOn(s.refcountCache);
  else s.l2Cache.dependOnFlush();
  const { slice, index } = findEntryNow(s, offset)!;
  const allocBits = s.extendedL2 ? ALL_SUBCLUSTERS : 0;
  for (let i = 0; i * s.clusterSize < bytes; i++) {
    const at = host + i * s.clusterSize;
    putEntry(s, slice, index + i, (COPIED_HI | Math.floor(at / TWO32)) >>> 0, at >>> 0, 0, allocBits);
  }
}

/** The same once the data, which somebody else writes, is there; tables may have left the memory meanwhile. */
async function linkLater(
  s: Qcow2State,
  offset: number,
  bytes: number,
  host: number,
  range: HeldRange,
  writing: Promise<void>,
): Promise<void> {
  try {
    await writing;
    // (Nothing was there before, so that nothing is to be given up.)
    await s.lock.with(() => linkClusters(s, offset, bytes / s.clusterSize, host, offset, offset + bytes, true, false));
  } catch (error) {
    await s.lock.with(() => freeClusters(s, host, bytes, 'never')).catch(() => {});
    throw error;
  } finally {
    s.ranges.release(range);
  }
}

/** What a run of clusters needs before it can be written. */
interface Plan {
  /** Guest bytes covered, from the request's offset. */
  bytes: number;
  /** Host offset of the first cluster, or -1 if clusters have to be allocated. */
  host: number;
  /** The L2 entries have to change. */
  update: boolean;
}

/** Whether the entry can be written in place at all: a host cluster of ours alone. */
function ownHost(s: Qcow2State, data: Uint8Array, index: number): number {
  const at = index * s.l2EntrySize;
  const hi = readU32be(data, at);
  if (hi & COMPRESSED_HI || !(hi & COPIED_HI)) return -1;
  const host = entryOffset(hi, readU32be(data, at + 4));
  return host === 0 && !s.hasDataFile ? -1 : host;
}

/** Whether every subcluster the guest range touches in this cluster holds data. */
function allNormal(s: Qcow2State, data: Uint8Array, index: number, from: number, to: number): boolean {
  for (let sub = Math.floor(from / s.subclusterSize); sub * s.subclusterSize < to; sub++) {
    if (kindOf(s, data, index, sub) !== KIND.NORMAL) return false;
  }
  return true;
}

/** Finds out how the first clusters of a write can be handled together. Called with the lock held. */
async function planWrite(s: Qcow2State, offset: number, bytes: number): Promise<Plan> {
  let limit = Math.min(bytes, bytesInSlice(s, offset));
  const place = await findEntry(s, offset);
  const inFirst = offset % s.clusterSize;
  if (!place) return { bytes: Math.min(limit, MAX_ALLOCATION - inFirst), host: -1, update: true };
  const { data } = place.slice;
  const firstEnd = Math.min(s.clusterSize, inFirst + limit);
  const host = ownHost(s, data, place.index);
  const inPlace = host >= 0 && allNormal(s, data, place.index, inFirst, firstEnd);
  if (host >= 0 && host % s.clusterSize !== 0) {
    throw await s.corruption(
      `Cluster allocation offset 0x${host.toString(16)} unaligned (L2 offset: 0x${place.slice.offset.toString(16)}, L2 index: 0x${place.index.toString(16)})`,
    );
  }
  if (!inPlace) limit = Math.min(limit, MAX_ALLOCATION - inFirst);
  let covered = firstEnd - inFirst;
  for (let i = 1; covered < limit; i++) {
    const n = Math.min(s.clusterSize, limit - covered);
    const nextHost = ownHost(s, data, place.index + i);
    if (host < 0 ? nextHost >= 0 : nextHost !== host + i * s.clusterSize) break;
    if (host >= 0 && allNormal(s, data, place.index + i, 0, n) !== inPlace) break;
    covered += n;
  }
  return { bytes: covered, host, update: !inPlace };
}

/** Writes the first part of the buffer; returns how much that was. */
async function writePiece(
  s: Qcow2State,
  offset: number,
  buffer: Uint8Array,
  unchanged: boolean,
  vmState: boolean,
): Promise<number> {
  const start = roundDown(offset, s.clusterSize);
  for (;;) {
    const wait = s.lock.acquire();
    if (wait) await wait;
    let plan: Plan;
    let range: ReturnType<Qcow2State['ranges']['tryAcquire']>;
    let host = -1;
    let fresh = false;
    try {
      s.checkWritable();
      if (!vmState) s.checkInside(offset, buffer.length);
      plan = await planWrite(s, offset, buffer.length);
      range = s.ranges.tryAcquire(start, roundUp(offset + plan.bytes, s.clusterSize), !plan.update);
      // (Not before: whoever clears bitmaps waits for what is under way, and this will be.)
      if (range && !vmState) s.recordWrite?.(offset, plan.bytes);
      if (range && plan.update) {
        try {
          ({ host, fresh } = await claimClusters(s, plan, start, offset + plan.bytes));
        } catch (error) {
          s.ranges.release(range);
          throw error;
        }
      }
    } finally {
      s.lock.release();
    }
    if (!range) {
      // Somebody works there: wait, and look again at what is left.
      const end = roundUp(offset + plan.bytes, s.clusterSize);
      s.ranges.release(await s.ranges.acquire(start, end, false));
      continue;
    }
    try {
      const part = buffer.subarray(0, plan.bytes);
      if (plan.update) await writeUpdating(s, offset, part, host, fresh, unchanged);
      else await writeData(s, plan.host + (offset - start), part);
      return plan.bytes;
    } finally {
      s.ranges.release(range);
    }
  }
}

/** Host clusters for a write that changes L2 entries: the ones there are, or new ones. Called with the lock held. */
async function claimClusters(
  s: Qcow2State,
  plan: Plan,
  start: number,
  end: number,
): Promise<{ host: number; fresh: boolean }> {
  if (s.lazyRefcounts) await s.markDirty();
  // Makes the L2 table now, so that linking the clusters later cannot run out of space.
  await writableEntry(s, start);
  if (plan.host >= 0) return { host: plan.host, fresh: false };
  if (s.hasDataFile) return { host: start, fresh: true };
  return { host: await allocClusters(s, roundUp(end, s.clusterSize) - start), fresh: true };
}

/** An L2 entry as it was before a write. */
interface OldEntry {
  hi: number;
  lo: number;
  zeroBits: number;
  allocBits: number;
}

function oldEntryAt(s: Qcow2State, data: Uint8Array, index: number): OldEntry {
  const at = index * s.l2EntrySize;
  return {
    hi: readU32be(data, at),
    lo: readU32be(data, at + 4),
    zeroBits: s.extendedL2 ? readU32be(data, at + 8) : 0,
    allocBits: s.extendedL2 ? readU32be(data, at + 12) : 0,
  };
}

async function readOldEntry(s: Qcow2State, offset: number): Promise<OldEntry> {
  const place = await findEntry(s, offset);
  return place ? oldEntryAt(s, place.slice.data, place.index) : { hi: 0, lo: 0, zeroBits: 0, allocBits: 0 };
}

/** Whether a partly overwritten cluster must become whole, or (extended L2) only its touched subclusters. */
function copyUnit(s: Qcow2State, old: OldEntry, fresh: boolean): number {
  if (!s.extendedL2) return s.clusterSize;
  if (!fresh) return s.subclusterSize;
  return old.hi & COMPRESSED_HI || old.allocBits !== 0 ? s.clusterSize : s.subclusterSize;
}

/**
 * Writes into clusters whose L2 entries change: fills up what the request leaves of the first and last cluster, writes, and
 * only then links the clusters.
 */
async function writeUpdating(
  s: Qcow2State,
  offset: number,
  part: Uint8Array,
  host: number,
  fresh: boolean,
  unchanged: boolean,
): Promise<void> {
  const start = roundDown(offset, s.clusterSize);
  const end = offset + part.length;
  const clusters = Math.ceil((end - start) / s.clusterSize);
  const lastStart = start + (clusters - 1) * s.clusterSize;
  /** New clusters that nothing refers to: a failure gives them up. */
  let unlinked = fresh && !s.hasDataFile;
  try {
    let firstOld: OldEntry;
    let lastOld: OldEntry;
    await s.lock.acquire();
    try {
      firstOld = await readOldEntry(s, start);
      lastOld = clusters === 1 ? firstOld : await readOldEntry(s, lastStart);
    } finally {
      s.lock.release();
    }
    const from = roundDown(offset, copyUnit(s, firstOld, fresh));
    const to = roundUp(end, copyUnit(s, lastOld, fresh));
    const copied = await writeWithCopies(s, offset, part, from, to, host - start, fresh);
    const wait = s.lock.acquire();
    if (wait) await wait;
    try {
      const gone = await linkClusters(s, start, clusters, host, from, to, fresh, copied || unchanged);
      unlinked = false;
      for (const { hi, lo } of gone) await freeEntry(s, hi, lo, 'other');
      await processDiscards(s);
    } finally {
      s.lock.release();
    }
  } catch (error) {
    if (unlinked) await s.lock.with(() => freeClusters(s, host, clusters * s.clusterSize, 'never')).catch(() => {});
    throw error;
  }
}

/** Writes guest data to its place, unless metadata lies there. `flags` are those of requests (REQ). */
async function writeData(
  s: Qcow2State,
  host: number,
  data: Uint8Array,
  flags = 0,
  event: 'write_aio' | 'write_compressed' | 'cow_write' = 'write_aio',
): Promise<void> {
  const refused = s.hasDataFile ? undefined : s.guard.check(host, data.length);
  if (refused) await refused;
  s.dataFile.event(event);
  await s.dataFile.write(host, data, flags);
}

/** Largest piece of old data read around a write into the same buffer. */
const MERGE_LIMIT = 1 << 20;

/** Writes `part` and the old content around it; true if any of that had to be kept. */
async function writeWithCopies(
  s: Qcow2State,
  offset: number,
  part: Uint8Array,
  from: number,
  to: number,
  delta: number,
  fresh: boolean,
): Promise<boolean> {
  const end = offset + part.length;
  const head = offset - from;
  const tail = to - end;
  if (head === 0 && tail === 0) {
    await writeData(s, offset + delta, part, fresh ? REQ.FRESH : 0);
    return false;
  }
  const before = new Uint8Array(head);
  const after = new Uint8Array(tail);
  if (s.dataFile.wantsEvents) {
    const zero = fresh && (await showsZero(s, from, head)) && (await showsZero(s, end, tail));
    s.dataFile.event(zero ? 'cluster_alloc_space' : 'cow_read');
  }
  if (head > 0) await readInside(s, from, before);
  if (tail > 0) await readInside(s, end, after);
  // New clusters behind the end of the file are zero already.
  const untouched = fresh && !s.hasDataFile && from + delta >= s.dataFile.length;
  const writeHead = head > 0 && !(untouched && isZero(before));
  const writeTail = tail > 0 && !(untouched && isZero(after));
  if ((writeHead || writeTail) && head + part.length + tail <= MERGE_LIMIT) {
    const pieces: Uint8Array[] = [];
    if (writeHead) pieces.push(before);
    pieces.push(part);
    if (writeTail) pieces.push(after);
    s.dataFile.event('write_aio');
    await writeData(s, (writeHead ? from : offset) + delta, Buffer.concat(pieces), 0, 'cow_write');
  } else {
    if (writeHead) await writeData(s, from + delta, before, 0, 'cow_write');
    await writeData(s, offset + delta, part);
    if (writeTail) await writeData(s, end + delta, after, 0, 'cow_write');
  }
  return writeHead || writeTail;
}

/** Whether a range is known to read as zeroes. */
async function showsZero(s: Qcow2State, offset: number, bytes: number): Promise<boolean> {
  for (let done = 0; done < Math.min(bytes, s.node.length - offset); ) {
    const status = await statusAbove(s.node, undefined, offset + done, bytes - done);
    if (!status.zero && (status.data || status.allocated)) return false;
    done += Math.max(status.bytes, 512);
  }
  return true;
}

/** Old content of a range we hold; nothing lies behind the end of the disk. */
async function readInside(s: Qcow2State, offset: number, buffer: Uint8Array): Promise<void> {
  const limit = offset < s.size ? s.size : Infinity;
  const inside = Math.max(0, Math.min(buffer.length, limit - offset));
  if (inside > 0) await readLocked(s, offset, buffer.subarray(0, inside));
}

/**
 * Points the L2 entries of a write, which lie in one slice, at the written clusters: all of them, or none if it fails. Returns the
 * old entries that referred to other clusters, which the caller gives up. Called with the lock held.
 */
async function linkClusters(
  s: Qcow2State,
  start: number,
  clusters: number,
  host: number,
  from: number,
  to: number,
  fresh: boolean,
  copied: boolean,
): Promise<OldEntry[]> {
  if (s.accurateRefcounts) await s.l2Cache.dependOn(s.refcountCache);
  // What was copied was perhaps flushed once; it must be there again before the mapping changes. With lazy refcounts nothing
  // else makes sure that the file is long enough for what the mapping says.
  if (copied || !s.accurateRefcounts) s.l2Cache.dependOnFlush();
  const gone: OldEntry[] = [];
  const { slice, index } = await writableEntry(s, start);
  for (let i = 0; i < clusters; i++) {
    const old = oldEntryAt(s, slice.data, index + i);
    const guest = start + i * s.clusterSize;
    const at = host + i * s.clusterSize;
    let allocBits = 0;
    let zeroBits = 0;
    if (s.extendedL2) {
      const first = Math.max(0, Math.floor((from - guest) / s.subclusterSize));
      const last = Math.min(32, Math.ceil((to - guest) / s.subclusterSize));
      const mask = bitRange(first, last - first);
      const keep = fresh && (old.hi & COMPRESSED_HI) !== 0 ? 0 : ~mask;
      allocBits = ((fresh ? 0 : old.allocBits & keep) | mask) >>> 0;
      zeroBits = (old.zeroBits & keep) >>> 0;
    }
    putEntry(s, slice, index + i, (COPIED_HI | Math.floor(at / TWO32)) >>> 0, at >>> 0, zeroBits, allocBits);
    if (fresh && !s.hasDataFile && (old.hi & COMPRESSED_HI || entryOffset(old.hi, old.lo) !== 0)) gone.push(old);
  }
  return gone;
}

/** Writes one whole cluster (or the last, shorter one) compressed; falls back to a normal write when that saves nothing. */
export async function writeCompressed(
  s: Qcow2State,
  offset: number,
  buffer: Uint8Array,
  unchanged = false,
): Promise<void> {
  if (s.hasDataFile) throw errnoError(ERRNO.EOPNOTSUPP);
  if (offset % s.clusterSize !== 0) throw errnoError(ERRNO.EINVAL);
  if (buffer.length !== s.clusterSize && offset + buffer.length !== s.size) throw errnoError(ERRNO.EINVAL);
  let cluster = buffer;
  if (buffer.length < s.clusterSize) {
    cluster = new Uint8Array(s.clusterSize);
    cluster.set(buffer);
  }
  const packed = await compressCluster(cluster, s.header.compressionType);
  if (!packed) return writeGuest(s, offset, buffer, unchanged);
  const range = await s.ranges.acquire(offset, offset + s.clusterSize, false);
  let at = 0;
  try {
    await s.lock.with(async () => {
      s.checkWritable();
      s.checkInside(offset, buffer.length);
      s.recordWrite?.(offset, buffer.length);
      // Compressed clusters are written once: nothing that has a place already is replaced by one.
      const old = await readOldEntry(s, offset);
      if (old.hi & COMPRESSED_HI || entryOffset(old.hi, old.lo) !== 0) throw errnoError(ERRNO.EIO);
      await writableEntry(s, offset);
      at = await allocBytes(s, packed.length);
    });
    await writeData(s, at, packed, 0, 'write_compressed');
    forgetInflated(s);
    await s.lock.with(async () => {
      if (s.accurateRefcounts) await s.l2Cache.dependOn(s.refcountCache);
      if (unchanged || !s.accurateRefcounts) s.l2Cache.dependOnFlush();
      const { slice, index } = await writableEntry(s, offset);
      s.file.event('l2_update_compressed');
      const { hi, lo } = compressedEntry(s, at, packed.length);
      putEntry(s, slice, index, hi, lo, 0, 0);
    });
  } catch (error) {
    if (at > 0) await s.lock.with(() => freeClusters(s, at, packed.length, 'never')).catch(() => {});
    throw error;
  } finally {
    s.ranges.release(range);
  }
}
