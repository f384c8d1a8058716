// Changing the format options of an existing image: compatibility level, refcount width, lazy refcounts, names.
import { isPowerOf2, readU32be } from '../bytes.ts';
import { BlockError, ERRNO, failingAs } from '../errors.ts';
import { toBool, toNumber, toSize } from '../options.ts';
import { AUTOCLEAR, COMPAT, HEADER_LENGTH, INCOMPAT } from './header.ts';
import { loadSnapshotL1 } from './l1.ts';
import {
  allocClusters,
  getRefcount,
  MAX_REFCOUNT_TABLE_BYTES,
  offsetTableBytes,
  putRefcount,
  switchTable,
} from './refcount.ts';
import { COMPRESSED_HI, COPIED_HI, entryOffset, type Qcow2State, ZERO_LO } from './state.ts';
import type { Slice } from './table-cache.ts';

function fail(message: string, errno: number = ERRNO.EOPNOTSUPP): never {
  throw new BlockError(message, errno);
}

/** Applies options given as texts. `progress` is told the fraction done. Called with `changes` held. */
export async function amendImage(
  s: Qcow2State,
  options: Map<string, string>,
  progress: (fraction: number) => void,
): Promise<void> {
  const h = s.header;
  if ([...options.keys()].some((name) => name.startsWith('encrypt.')))
    fail("Can't amend encryption options - encryption not present", ERRNO.EINVAL);
  let version = h.version;
  const compat = options.get('compat');
  if (compat !== undefined) {
    if (compat === '0.10' || compat === 'v2') version = 2;
    else if (compat === '1.1' || compat === 'v3') version = 3;
    else fail(`Unknown compatibility level ${compat}`, ERRNO.EINVAL);
  }
  const lazy = options.has('lazy_refcounts') ? toBool('lazy_refcounts', options.get('lazy_refcounts')!) : undefined;
  const bits = options.has('refcount_bits') ? toNumber('refcount_bits', options.get('refcount_bits')!) : s.refcountBits;
  const raw = options.has('data_file_raw') ? toBool('data_file_raw', options.get('data_file_raw')!) : undefined;
  if (options.has('data_file') && !s.hasDataFile)
    fail('data-file can only be set for images that use an external data file', ERRNO.EINVAL);
  if (raw && !s.dataFileRaw) fail('data-file-raw cannot be set on existing images', ERRNO.EINVAL);
  if (bits > 64 || !isPowerOf2(bits))
    fail('Refcount width must be a power of two and may not exceed 64 bits', ERRNO.EINVAL);
  if (bits !== s.refcountBits && version < 3) {
    fail(
      'Refcount widths other than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)',
      ERRNO.EINVAL,
    );
  }
  // (All that can be refused is refused before anything is changed.)
  const backing = [options.get('backing_file'), options.get('backing_fmt')];
  if (backing.some((given) => given !== undefined) && (backing[0] !== h.backingFile || backing[1] !== h.backingFormat))
    throw new BlockError('Cannot amend the backing file', ERRNO.EINVAL, "You can use 'wemu-img rebase' instead.");
  s.checkWritable();
  await s.still(async () => {
    if (version > h.version) await upgrade(s);
    if (bits !== s.refcountBits) await changeRefcountWidth(s, bits, version, progress);
    if (raw === false || options.has('data_file')) {
      const { hi, lo } = h.autoclear;
      await s.changeHeader({
        ...(raw === false ? { autoclear: { hi, lo: lo & ~AUTOCLEAR.DATA_FILE_RAW } } : {}),
        ...(options.has('data_file') ? { dataFile: options.get('data_file') || undefined } : {}),
      });
    }
  });
  if (lazy !== undefined && lazy !== ((h.compatible.lo & COMPAT.LAZY_REFCOUNTS) !== 0)) {
    await s.still(() => setLazy(s, lazy, version));
  }
  const size = options.get('size');
  // (qemu-img 7.2 takes 0 as no size given.)
  const bytes = size === undefined ? 0 : toSize('size', size);
  if (bytes > 0) await (await import('./resize.ts')).resizeImage(s, bytes);
  if (version < h.version) await s.still(() => downgrade(s, progress));
}

async function upgrade(s: Qcow2State): Promise<void> {
  // Snapshot entries of version 3 carry the disk size.
  if (s.snapshots.some((sn) => sn.extraSize < 16)) {
    const { writeSnapshotTable } = await import('./snapshot-switch.ts');
    await writeSnapshotTable(s, [...s.snapshots]);
  }
  await s.changeHeader({ version: 3, headerLength: HEADER_LENGTH });
}

async function setLazy(s: Qcow2State, lazy: boolean, version: number): Promise<void> {
  if (lazy) {
    if (version < 3)
      fail(
        'Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or greater)',
        ERRNO.EINVAL,
      );
  } else await s.markClean();
  const { hi, lo } = s.header.compatible;
  const compatible = { hi, lo: lazy ? lo | COMPAT.LAZY_REFCOUNTS : lo & ~COMPAT.LAZY_REFCOUNTS };
  await s.changeHeader({ compatible });
}

async function downgrade(s: Qcow2State, progress: (fraction: number) => void): Promise<void> {
  const h = s.header;
  if (s.refcountBits !== 16) fail('compat=0.10 requires refcount_bits=16');
  if (h.incompatible.lo & INCOMPAT.DATA_FILE) fail('Cannot downgrade an image with a data file');
  for (const sn of s.snapshots) {
    if (sn.vmStateSize > 0xffffffff || sn.diskSize !== s.size) fail('Internal snapshots prevent downgrade of image');
  }
  const features = h.incompatible.lo & ~(INCOMPAT.DIRTY | INCOMPAT.DATA_FILE | INCOMPAT.COMPRESSION);
  if (features) fail(`Cannot downgrade an image with incompatible features 0x${features.toString(16)} set`);
  if (h.compressionType !== 0 && (await anyCompressed(s)))
    fail('Cannot downgrade an image with zstd compression type and existing compressed clusters');
  if (h.bitmaps) fail('Cannot downgrade an image with bitmaps');
  await s.markClean();
  await expandZeroClusters(s, progress);
  await s.flushCaches();
  await s.file.flush();
  const none = { hi: 0, lo: 0 };
  await s.changeHeader({
    version: 2,
    compatible: { ...none },
    incompatible: { ...none },
    autoclear: { ...none },
    compressionType: 0,
  });
}

/** The L1 table of the active image (0) or of a snapshot (from 1). */
async function treeOf(s: Qcow2State, index: number): Promise<Uint32Array> {
  return index === 0 ? s.l1 : loadSnapshotL1(s, s.snapshots[index - 1]!);
}

/** Whether the active image or a snapshot has a compressed cluster. */
async function anyCompressed(s: Qcow2State): Promise<boolean> {
  const { sliceEntries } = await import('./cluster.ts');
  const done = new Set<number>();
  for (let t = 0; t <= s.snapshots.length; t++) {
    const l1 = await treeOf(s, t);
    for (let i = 0; i < l1.length; i += 2) {
      const table = entryOffset(l1[i]!, l1[i + 1]!);
      if (table === 0 || done.has(table)) continue;
      done.add(table);
      for (let e = 0; e < s.l2Entries; e++) {
        const per = sliceEntries(s);
        const slice = await s.l2Cache.get(table + Math.floor(e / per) * s.l2Cache.sliceBytes);
        if (readU32be(slice.data, (e % per) * s.l2EntrySize) & COMPRESSED_HI) return true;
      }
    }
  }
  return false;
}

/** Turns zero clusters, which version 2 lacks, into data or nothing, in the active image and the snapshots. */
async function expandZeroClusters(s: Qcow2State, progress: (fraction: number) => void): Promise<void> {
  const { putEntry, sliceEntries } = await import('./cluster.ts');
  const { freeClusters, refcountOf, updateRefcount } = await import('./refcount.ts');
  const done = new Set<number>();
  const trees = s.snapshots.length + 1;
  for (let t = 0; t < trees; t++) {
    const l1 = await treeOf(s, t);
    for (let i = 0; i < l1.length / 2; i++) {
      const table = entryOffset(l1[i * 2]!, l1[i * 2 + 1]!);
      progress((t + i / Math.max(1, l1.length / 2)) / trees);
      if (table === 0 || done.has(table)) continue;
      done.add(table);
      const shared = !(l1[i * 2]! & COPIED_HI);
      const users = await refcountOf(s, table / s.clusterSize);
      const per = sliceEntries(s);
      for (let first = 0; first < s.l2Entries; first += per) {
        const where = table + (first / per) * s.l2Cache.sliceBytes;
        for (let e = 0; e < per; e++) {
          const got = s.l2Cache.get(where);
          let slice = got instanceof Promise ? await got : got;
          e = nextZeroEntry(s, slice, e, per);
          if (e === per) break;
          const hi = readU32be(slice.data, e * 8);
          const lo = readU32be(slice.data, e * 8 + 4);
          let host = entryOffset(hi, lo);
          if (host !== 0 && (await refcountOf(s, host / s.clusterSize)) > users) {
            // Others see data in that cluster: it is theirs, and this table gets something else.
            slice = await s.l2Cache.get(where);
            putEntry(s, slice, e, 0, ZERO_LO);
            for (let i = 0; i < users; i++) await freeClusters(s, host, s.clusterSize, 'never');
            host = 0;
          }
          if (host !== 0) {
            if (host % s.clusterSize !== 0)
              throw await s.corruption(`Cluster allocation offset 0x${host.toString(16)} unaligned`);
            await s.guard.check(host, s.clusterSize);
            await s.file.writeZeroes(host, s.clusterSize);
            s.l2Cache.dependOnFlush();
            slice = await s.l2Cache.get(where);
            putEntry(s, slice, e, hi, (lo & ~ZERO_LO) >>> 0);
          } else if (s.node.backing) {
            const offset = await allocClusters(s, s.clusterSize);
            await s.file.writeZeroes(offset, s.clusterSize);
            await s.l2Cache.dependOn(s.refcountCache);
            s.l2Cache.dependOnFlush();
            slice = await s.l2Cache.get(where);
            // A table shared by snapshots refers to the cluster once for each of them; the flags follow.
            putEntry(s, slice, e, ((shared ? 0 : COPIED_HI) | Math.floor(offset / 2 ** 32)) >>> 0, offset >>> 0);
            if (users > 1) await updateRefcount(s, offset, s.clusterSize, users - 1);
          } else {
            slice = await s.l2Cache.get(where);
            putEntry(s, slice, e, 0, 0);
          }
        }
      }
    }
  }
}

/**
 * The first zero cluster among the entries [from, end) of a slice that takes more than dropping it; `end` if there is none. Those
 * before it that have no host cluster are dropped where no backing file would show.
 */
function nextZeroEntry(s: Qcow2State, slice: Slice, from: number, end: number): number {
  const { data } = slice;
  for (let e = from; e < end; e++) {
    const hi = readU32be(data, e * 8);
    const lo = readU32be(data, e * 8 + 4);
    if (hi & COMPRESSED_HI || !(lo & ZERO_LO)) continue;
    if (entryOffset(hi, lo) !== 0 || s.node.backing) return e;
    data.fill(0, e * 8, e * 8 + 8);
    s.l2Cache.markDirty(slice);
  }
  return end;
}

/** Rewrites all refcounts with another width. */
async function changeRefcountWidth(
  s: Qcow2State,
  bits: number,
  version: number,
  progress: (fraction: number) => void,
): Promise<void> {
  if (version < 3) fail('Refcount width changes require compat=1.1', ERRNO.EINVAL);
  const order = Math.log2(bits);
  const oldOrder = s.header.refcountOrder;
  const max = bits >= 53 ? Infinity : 2 ** bits - 1;
  await s.flushCaches();
  await s.refcountCache.flush();
  const newPer = (s.clusterSize * 8) / bits;
  // The new structure is put behind the file; its own clusters are counted in it.
  const oldPer = s.refcountsPerBlock;
  const counts = new Map<number, Uint8Array>();
  const put = (cluster: number, value: number): void => {
    const t = Math.floor(cluster / newPer);
    let block = counts.get(t);
    if (!block) counts.set(t, (block = new Uint8Array(s.clusterSize)));
    putRefcount(block, order, cluster % newPer, value);
  };
  const oldClusters: number[] = [];
  for (let i = 0; i < s.header.refTableClusters; i++) oldClusters.push(s.header.refTableOffset / s.clusterSize + i);
  const blocks = new Set<number>();
  for (const offset of s.refTable) {
    if (offset === 0) continue;
    // A table that names places outside of the file, or one twice, is damaged.
    if (offset % s.clusterSize !== 0 || offset >= s.file.length || blocks.has(offset))
      throw await s.corruption(`Refblock offset 0x${offset.toString(16)} is outside of the file or used twice`);
    blocks.add(offset);
    oldClusters.push(offset / s.clusterSize);
  }
  for (let t = 0; t < s.refTable.length; t++) {
    const offset = s.refTable[t]!;
    if (offset === 0) continue;
    const data = new Uint8Array(s.clusterSize);
    await s.file.read(offset, data);
    for (let i = 0; i < oldPer; i++) {
      const value = getRefcount(data, oldOrder, i);
      if (value === 0) continue;
      if (value > max) {
        fail(
          `Cannot decrease refcount entry width to ${bits} bits: Cluster at offset 0x${((t * oldPer + i) * s.clusterSize).toString(16)} has a refcount of ${value}`,
          ERRNO.EINVAL,
        );
      }
      put(t * oldPer + i, value);
    }
    progress((t + 1) / s.refTable.length / 2);
  }
  for (const c of oldClusters) if (counts.has(Math.floor(c / newPer))) put(c, 0);
  let at = Math.ceil(s.file.length / s.clusterSize);
  const placed = new Map<number, number>();
  let highest = 0;
  const placeBlocks = (): void => {
    for (;;) {
      const missing = [...counts.keys()].filter((t) => !placed.has(t));
      if (missing.length === 0) return;
      for (const t of missing) {
        placed.set(t, at);
        highest = Math.max(highest, t);
        put(at++, 1);
      }
    }
  };
  placeBlocks();
  let tableClusters = Math.ceil(((highest + 3) * 8) / s.clusterSize);
  const tableAt = at;
  for (let i = 0; i < tableClusters; i++) put(at++, 1);
  placeBlocks();
  tableClusters = Math.max(tableClusters, 1);
  if (tableClusters * s.clusterSize > MAX_REFCOUNT_TABLE_BYTES) fail('Image file too large', ERRNO.EFBIG);
  const table = new Float64Array((tableClusters * s.clusterSize) / 8);
  for (const [t, cluster] of placed) {
    await failingAs('Failed to write refblock', () => s.file.write(cluster * s.clusterSize, counts.get(t)!));
    table[t] = cluster * s.clusterSize;
  }
  await s.file.write(tableAt * s.clusterSize, offsetTableBytes(table));
  await s.file.flush();
  // Width and place change together: the whole header sector is written at once.
  await s.changeHeader({
    refcountOrder: order,
    refTableOffset: tableAt * s.clusterSize,
    refTableClusters: tableClusters,
  });
  s.refcountBits = bits;
  s.refcountsPerBlock = newPer;
  s.refcountMax = bits === 64 ? Number.MAX_SAFE_INTEGER : 2 ** bits - 1;
  s.refcountCache = s.makeRefcountCache(s.l2Cache.sliceBytes, 128);
  await switchTable(s, tableAt * s.clusterSize, tableClusters, table);
  s.freeIndex = 0;
  progress(1);
}
