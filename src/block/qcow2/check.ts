// Consistency check and repair: counts every reference to every cluster and compares with the recorded refcounts.
import { divUp, isZero, MAX_OFFSET, readU32be, writeU32be } from '../bytes.ts';
import type { CheckResult, FixMode } from '../driver.ts';
import { BlockError, ERRNO, errnoError } from '../errors.ts';
import { compressedPlace } from './cluster.ts';

import { loadL1, MAX_L1_BYTES } from './l1.ts';
import {
  getRefcount,
  MAX_REFCOUNT_TABLE_BYTES,
  offsetTableBytes,
  putRefcount,
  refcountOf,
  switchTable,
  usedEntries,
} from './refcount.ts';
import { CHUNK, ReferenceCounts } from './reference-counts.ts';
import { EXTRA_KNOWN, MAX_EXTRA, snapshotTableBytes, tooMuchExtra } from './snapshot-table.ts';
import { COMPRESSED_HI, COPIED_HI, entryOffset, type Qcow2State, ZERO_LO } from './state.ts';

/** A file may have been cut: references this far behind twice its length are believed. */
const BELIEVED_BEYOND = 2 ** 30;

/** How often refcounts are written anew: the first time can make a cut file long enough for more to be counted. */
const MAX_REBUILDS = 3;

const hex = (n: number): string => n.toString(16);
const hex64 = (hi: number, lo: number): string => hex(hi >>> 0) + (lo >>> 0).toString(16).padStart(8, '0');
const entryText = (hi: number, lo: number): string => (hi === 0 ? hex(lo >>> 0) : hex64(hi, lo));

/** Words of empty entries that are looked for together at first. */
const EMPTY_ROW = 32;

class Checker {
  readonly map = new ReferenceCounts();
  readonly r: CheckResult = {
    corruptions: 0,
    leaks: 0,
    checkErrors: 0,
    corruptionsFixed: 0,
    leaksFixed: 0,
    imageEndOffset: 0,
    totalClusters: 0,
    allocatedClusters: 0,
    fragmentedClusters: 0,
    compressedClusters: 0,
  };
  /** The recorded counts are of no use: blocks are missing or overlap. */
  rebuild = false;
  /** Every recorded count is the one found, so that either can stand for the other. */
  private exact = true;
  /** Some entry of the active tables lacks COPIED. */
  private unflagged = false;
  private readonly fileBytes: number;

  constructor(
    readonly s: Qcow2State,
    readonly fix: FixMode,
    readonly say: (line: string) => void,
  ) {
    this.fileBytes = s.file.length;
  }

  get fixErrors(): boolean {
    return this.fix === 'all';
  }

  get fixLeaks(): boolean {
    return this.fix !== 'none';
  }

  /** Counts a reference to every cluster of a byte range of the image file. */
  count(offset: number, bytes: number): void {
    if (bytes <= 0) return;
    const { s } = this;
    if (offset > MAX_OFFSET - bytes) {
      this.r.corruptions++;
      return;
    }
    if (offset + bytes - this.fileBytes >= s.clusterSize) {
      this.say(
        `ERROR: counting reference for region exceeding the end of the file by one cluster or more: offset 0x${hex(offset)} size 0x${hex(bytes)}`,
      );
      this.r.corruptions++;
      if (offset + bytes <= 2 * this.fileBytes + BELIEVED_BEYOND) this.reach = Math.max(this.reach, offset + bytes);
      return;
    }
    const first = Math.floor(offset / s.clusterSize);
    const last = Math.floor((offset + bytes - 1) / s.clusterSize);
    for (let c = first; c <= last; c++) {
      if (this.map.add(c) > s.refcountMax) {
        this.say(`ERROR: overflow cluster offset=0x${hex(c * s.clusterSize)}`);
        this.say(
          'Use wemu-img amend to increase the refcount entry width or wemu-img convert to create a clean copy if the image cannot be opened for writing',
        );
        this.r.corruptions++;
      }
    }
  }

  /** Where what is referenced behind the end of the file (because that was cut) ends. */
  private reach = 0;

  /** How often the cluster of an L2 table was counted as one. */
  private readonly tables = new Map<number, number>();
  private readonly fixedEntries: { table: number; at: number; entry: Uint8Array }[] = [];

  /** Whether an L2 table lies where nothing else does: else changing it would damage that. */
  private tableIsAlone(table: number): boolean {
    return this.map.get(table / this.s.clusterSize) === this.tables.get(table);
  }

  /** Notes an entry that is to be written once it is known what else lies where its table does. */
  private fixEntry(table: number, index: number, words: readonly number[]): void {
    const entry = new Uint8Array(words.length * 4);
    for (const [i, word] of words.entries()) writeU32be(entry, i * 4, word);
    this.fixedEntries.push({ table, at: table + index * this.s.l2EntrySize, entry });
    this.r.corruptionsFixed++;
  }

  async writeFixedEntries(): Promise<void> {
    const { s } = this;
    for (const { table, at, entry } of this.fixedEntries) {
      if (this.tableIsAlone(table)) {
        await s.file.write(at, entry);
        s.l2Cache.forget(table, s.clusterSize);
      } else {
        this.r.corruptionsFixed--;
        this.r.corruptions++;
      }
    }
  }

  /** Counts what an L1 table refers to, directly and through its L2 tables. */
  async countTree(offset: number, l1: Uint32Array, active: boolean): Promise<void> {
    const { s } = this;
    this.count(offset, l1.length * 4);
    const data = new Uint8Array(s.clusterSize);
    for (let i = 0; i < l1.length / 2; i++) {
      const hi = l1[i * 2]!;
      const lo = l1[i * 2 + 1]!;
      if (hi === 0 && lo === 0) continue;
      if (hi & 0x7f000000 || lo & 0x1ff) {
        this.say(`ERROR found L1 entry with reserved bits set: ${entryText(hi, lo)}`);
        this.r.corruptions++;
      }
      const table = entryOffset(hi, lo);
      if (table === 0) continue;
      if (!(hi & COPIED_HI)) this.unflagged ||= active;
      this.count(table, s.clusterSize);
      this.tables.set(table, (this.tables.get(table) ?? 0) + 1);
      if (table % s.clusterSize !== 0) {
        this.say(`ERROR l2_offset=0x${hex(table)}: Table is not cluster aligned; L1 entry corrupted`);
        this.r.corruptions++;
        continue;
      }
      if (table >= this.fileBytes) continue;
      await s.file.read(table, data);
      await this.countL2(table, data, i, active);
    }
  }

  private scratch: Buffer | undefined;

  /** A table of big-endian entries of 8 bytes as the machine's words (low, high, low, high...), good until the next call. */
  private nativeEntries(table: Uint8Array): Int32Array {
    const copy = (this.scratch ??= Buffer.allocUnsafeSlow(this.s.clusterSize));
    copy.set(table);
    copy.swap64();
    return new Int32Array(copy.buffer, copy.byteOffset, copy.length / 4);
  }

  private async countL2(table: number, data: Uint8Array, l1Index: number, active: boolean): Promise<void> {
    const { s } = this;
    const used = usedEntries(data);
    if (used === 0) return;
    // Where the next cluster would be if nothing was fragmented; a table of its own begins anew.
    let expected = -1;
    const plain = s.extendedL2 || s.hasDataFile ? undefined : this.nativeEntries(data);
    for (let i = 0; i < s.l2Entries; i++) {
      if (plain) {
        const from = i;
        i = this.countPlain(plain, i, used * 2, active, expected);
        if (i > from) expected = this.expectedNext;
        if (i === used) break;
      }
      const at = i * s.l2EntrySize;
      const hi = readU32be(data, at);
      const lo = readU32be(data, at + 4);
      const zeroBits = s.extendedL2 ? readU32be(data, at + 8) : 0;
      const allocBits = s.extendedL2 ? readU32be(data, at + 12) : 0;
      if (hi === 0 && lo === 0 && zeroBits === 0 && allocBits === 0) continue;
      if (hi & COMPRESSED_HI) {
        this.countCompressed(hi, lo, active);
        continue;
      }
      const offset = entryOffset(hi, lo);
      const guest = (l1Index * s.l2Entries + i) * s.clusterSize;
      if (hi & 0x3f000000 || lo & (s.header.version < 3 ? 0x1ff : 0x1fe)) {
        this.say(`ERROR found l2 entry with reserved bits set: ${entryText(hi, lo)}`);
        this.r.corruptions++;
      }
      const present = offset !== 0 || (s.hasDataFile && (hi & COPIED_HI) !== 0);
      if (!present) {
        if (allocBits === 0) continue;
        this.say('ERROR: Unallocated cluster has non-zero subcluster allocation map');
        this.r.corruptions++;
        continue;
      }
      // (Which of the two a subcluster is, nobody can tell: that is not repaired, and the cluster stays in use.)
      if ((zeroBits & allocBits) !== 0) {
        this.say(`ERROR offset=${hex(offset)}: Allocated cluster has corrupted subcluster allocation bitmap`);
        this.r.corruptions++;
      }
      if (offset % s.clusterSize !== 0) {
        const holdsData = s.extendedL2 ? allocBits !== 0 : (lo & ZERO_LO) === 0;
        const what = holdsData ? 'Data' : 'Preallocated';
        const repair = !holdsData && this.fixErrors;
        this.say(
          `${repair ? 'Repairing' : 'ERROR'} offset=${hex(offset)}: ${what} cluster is not properly aligned; L2 entry corrupted.`,
        );
        if (repair) {
          // Nothing is in it: without it the content is the same.
          this.fixEntry(table, i, s.extendedL2 ? [0, 0, zeroBits, 0] : [0, ZERO_LO]);
          continue;
        }
        this.r.corruptions++;
      }
      if (active) {
        if (!(hi & COPIED_HI)) this.unflagged = true;
        this.r.allocatedClusters++;
        if (expected >= 0 && expected !== offset) this.r.fragmentedClusters++;
        expected = offset + s.clusterSize;
      }
      if (s.hasDataFile) {
        if (offset !== guest) {
          this.say(
            `ERROR coffset=0x${hex(offset)} guest_offset=0x${hex(guest)}: External data file host cluster offset does not match guest cluster offset`,
          );
          this.r.corruptions++;
        }
        continue;
      }
      this.count(offset, s.clusterSize);
    }
  }

  /** What countPlain expects to come next, for its caller to go on with. */
  private expectedNext = -1;

  /**
   * Counts entries from `i` on, up to word `end`, as long as they are empty or as usual: an aligned cluster within the file, no
   * reserved bits. Returns the index of the first that is not. Nothing else of a check takes time on a sound image, so that the loop, which
   * runs uncompiled in short commands, does as little as it can.
   */
  private countPlain(words: Int32Array, i: number, end: number, active: boolean, expected: number): number {
    const { s } = this;
    const bits = s.clusterBits;
    const lowMask = s.clusterSize - 1;
    // Reserved bits, and those of offsets whose cluster numbers need more than 31 bits.
    const refused = 0x7fffffff & ~(2 ** (bits - 1) - 1);
    const clusters = Math.min(2 ** 31 - 1, Math.ceil(this.fileBytes / s.clusterSize));
    let expectedCluster = expected < 0 ? -1 : expected / s.clusterSize;
    let allocated = 0;
    let fragmented = 0;
    let flags = -1;
    // Clusters that follow each other are counted together.
    let first = 0;
    let next = 0;
    const { clusterSize } = s;
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    let at = i * 2;
    for (; at < end; at += 2) {
      const lo = words[at]!;
      const hi = words[at + 1]!;
      if ((hi | lo) === 0) {
        // Empty entries come in rows; what is looked at first tells most that end sooner.
        let row = EMPTY_ROW;
        let past = at;
        while (past + row <= end && words[past + row - 2] === 0 && isZero(bytes, past * 4, (past + row) * 4)) {
          past += row;
          row *= 2;
        }
        if (past > at) at = past - 2;
        continue;
      }
      if (((hi & refused) | (lo & lowMask)) !== 0) break;
      const cluster = (hi << (32 - bits)) | (lo >>> bits);
      if (cluster <= 0 || cluster >= clusters) break;
      flags &= hi;
      if (cluster !== next) {
        this.countRun(first, next);
        allocated += next - first;
        if (first < next) expectedCluster = next;
        if (expectedCluster >= 0 && cluster !== expectedCluster) fragmented++;
        first = cluster;
      }
      // So do clusters that follow each other: up to the end of the file, and until the low word would be zero again.
      const stop = Math.min(end, at + 2 * Math.min(clusters - cluster, (lo < 0 ? -lo : 2 ** 31 - lo) / clusterSize));
      const from = at;
      let wanted = lo + clusterSize;
      for (at += 2; at < stop && words[at] === wanted && words[at + 1] === hi; at += 2) wanted += clusterSize;
      at -= 2;
      next = cluster + 1 + (at - from) / 2;
    }
    this.countRun(first, next);
    if (active) {
      this.r.allocatedClusters += allocated + next - first;
      this.r.fragmentedClusters += fragmented;
      if (first < next) expectedCluster = next;
      this.unflagged ||= flags >= 0;
      this.expectedNext = expectedCluster < 0 ? -1 : expectedCluster * s.clusterSize;
    } else this.expectedNext = expected;
    return at / 2;
  }

  /** Counts one reference to each cluster from `first` to before `end`. */
  private countRun(first: number, end: number): void {
    if (first === end || this.map.addFirst(first, end)) return;
    const { clusterSize } = this.s;
    for (let c = first; c < end; c++) this.count(c * clusterSize, clusterSize);
  }

  private countCompressed(hi: number, lo: number, active: boolean): void {
    const { s } = this;
    if (hi & COPIED_HI) {
      this.say(
        `ERROR: coffset=0x${hex(compressedPlace(s, hi, lo).offset)}: copied flag must never be set for compressed clusters`,
      );
      this.r.corruptions++;
      hi &= ~COPIED_HI;
    }
    if (s.hasDataFile) {
      this.say('ERROR compressed cluster 0x0 with data file');
      this.r.corruptions++;
      return;
    }
    const c = compressedPlace(s, hi, lo);
    this.count(c.offset, c.bytes);
    if (active) {
      this.r.allocatedClusters++;
      this.r.compressedClusters++;
      // Compressed clusters are packed: counted as fragmented, since they cannot be read in one go.
      this.r.fragmentedClusters++;
    }
  }

  /** Counts the snapshots' trees and their table. */
  async countSnapshots(): Promise<void> {
    const { s } = this;
    for (const sn of s.snapshots) {
      if (sn.l1Offset % s.clusterSize !== 0) {
        this.say(
          `ERROR snapshot ${sn.id} (${sn.name}) l1_offset=0x${hex(sn.l1Offset)}: L1 table is not cluster aligned; snapshot table entry corrupted`,
        );
        this.r.corruptions++;
        continue;
      }
      if (sn.l1Size * 8 > MAX_L1_BYTES) {
        this.say(
          `ERROR snapshot ${sn.id} (${sn.name}) l1_size=0x${hex(sn.l1Size)}: L1 table is too large; snapshot table entry corrupted`,
        );
        this.r.corruptions++;
        continue;
      }
      await this.countTree(sn.l1Offset, await loadL1(s, sn.l1Offset, sn.l1Size), false);
    }
    this.count(s.header.snapshotOffset, snapshotTableBytes(s.snapshots));
  }

  /** Counts the refcount table and its blocks. */
  async countRefcounts(): Promise<void> {
    const { s } = this;
    this.count(s.header.refTableOffset, s.header.refTableClusters * s.clusterSize);
    const end = s.reservedEntries.size > 0 ? s.refTable.length : usedEntries(s.refTable);
    for (let i = 0; i < end; i++) {
      const offset = s.refTable[i]!;
      if (offset === 0 && s.reservedEntries.size === 0) continue;
      if (s.reservedEntries.has(i)) {
        this.say(`ERROR refcount table entry ${i} has reserved bits set`);
        this.r.corruptions++;
        this.rebuild = true;
        continue;
      }
      if (offset === 0) continue;
      if (offset % s.clusterSize !== 0) {
        this.say(`ERROR refcount block ${i} is not cluster aligned; refcount table entry corrupted`);
        this.r.corruptions++;
        this.rebuild = true;
        continue;
      }
      if (offset >= Math.ceil(this.fileBytes / s.clusterSize) * s.clusterSize) {
        this.say(`${this.fixErrors ? 'Repairing' : 'ERROR'} refcount block ${i} is outside image`);
        // (What other blocks count can be mended without it.)
        if (this.fixErrors) {
          this.r.corruptionsFixed++;
          this.rebuild = true;
        } else this.r.corruptions++;
        continue;
      }
      this.count(offset, s.clusterSize);
      const references = this.map.get(offset / s.clusterSize);
      if (references !== 1) {
        this.say(`ERROR refcount block ${i} refcount=${references}`);
        this.r.corruptions++;
        this.rebuild = true;
      }
    }
  }

  /** Compares the recorded counts with the references found; what differs is told first, then repaired and told so. */
  async compare(highest: { cluster: number }): Promise<void> {
    const { leaks, corruptions, checkErrors } = this.r;
    await this.compareOnce(highest, false);
    if (!this.fixLeaks && !this.fixErrors) return;
    if (this.rebuild) {
      // (All is written anew elsewhere; leaks alone cannot be mended here.)
      if (this.fixErrors) return;
      this.say('ERROR need to rebuild refcount structures');
      throw errnoError(ERRNO.EIO);
    } else if (this.r.leaks > leaks || this.r.corruptions > corruptions) {
      Object.assign(this.r, { leaks, corruptions, checkErrors });
      await this.compareOnce(highest, true);
    }
  }

  async compareOnce(highest: { cluster: number }, repairing: boolean): Promise<void> {
    const { s } = this;
    const clusters = divUp(this.fileBytes, s.clusterSize);
    let next = 0;
    const one = async (c: number): Promise<void> => {
      const recorded = await refcountOf(s, c).catch(() => -1);
      const found = this.map.get(c);
      if (recorded < 0) {
        this.say(`Can't get refcount for cluster ${c}: Input/output error`);
        this.r.checkErrors++;
        return;
      }
      if (recorded > 0 || found > 0) highest.cluster = Math.max(highest.cluster, c);
      if (recorded === found) return;
      this.exact = false;
      let repair = false;
      if (recorded === 0) this.rebuild = true;
      else if (recorded > found) repair = this.fixLeaks;
      else repair = this.fixErrors;
      repair &&= repairing && this.blockIsAlone(c);
      const label = repair ? 'Repairing' : recorded < found ? 'ERROR' : 'Leaked';
      this.say(`${label} cluster ${c} refcount=${recorded} reference=${found}`);
      if (repair) {
        await this.setRefcount(c, found);
        if (recorded < found) this.r.corruptionsFixed++;
        else this.r.leaksFixed++;
        return;
      }
      if (recorded < found) this.r.corruptions++;
      else this.r.leaks++;
    };
    while (next < clusters) {
      const t = Math.floor(next / s.refcountsPerBlock);
      const end = Math.min(clusters, (t + 1) * s.refcountsPerBlock);
      const block = t < s.refTable.length ? s.refTable[t]! : 0;
      if (block === 0 && !this.map.anyIn(next, end)) {
        // Neither counted nor recorded: a sparse file may have millions of these.
      } else if (block === 0 || block % s.clusterSize !== 0) {
        for (let c = next; c < end; c++) await one(c);
      } else {
        for (const c of await this.differences(block, next, end, highest)) await one(c);
      }
      next = end;
    }
    for (let c = this.map.next(clusters); c >= 0; c = this.map.next(c + 1)) await one(c);
  }

  /** Clusters of one refcount block whose recorded count is not the one found. */
  private async differences(
    block: number,
    first: number,
    end: number,
    highest: { cluster: number },
  ): Promise<number[]> {
    const { s } = this;
    const out: number[] = [];
    const perSlice = (s.refcountCache.sliceBytes * 8) / s.refcountBits;
    for (let c = first; c < end; ) {
      const inBlock = c % s.refcountsPerBlock;
      const { data } = await s.refcountCache.get(block + Math.floor(inBlock / perSlice) * s.refcountCache.sliceBytes);
      const stop = Math.min(end, c - (inBlock % perSlice) + perSlice);
      if (s.header.refcountOrder === 4) {
        // The usual width is compared as a whole as long as both sides agree.
        while (c < stop) {
          const part = Math.min(stop, (Math.floor(c / CHUNK) + 1) * CHUNK);
          if (!this.map.equals(c, part, data, ((c % s.refcountsPerBlock) % perSlice) * 2)) break;
          highest.cluster = Math.max(highest.cluster, this.map.lastIn(c, part));
          c = part;
        }
      }
      for (let i = (c % s.refcountsPerBlock) % perSlice; c < stop; c++, i++) {
        const recorded = getRefcount(data, s.header.refcountOrder, i);
        const found = this.map.get(c);
        if (recorded !== found) out.push(c);
        else if (recorded > 0) highest.cluster = Math.max(highest.cluster, c);
      }
    }
    return out;
  }

  /** Whether the refcount block of a cluster lies where nothing else does: else changing it would damage that. */
  private blockIsAlone(cluster: number): boolean {
    const { s } = this;
    const block = s.refTable[Math.floor(cluster / s.refcountsPerBlock)]!;
    return block % s.clusterSize === 0 && this.map.get(block / s.clusterSize) === 1;
  }

  private async setRefcount(cluster: number, value: number): Promise<void> {
    const { s } = this;
    const block = s.refTable[Math.floor(cluster / s.refcountsPerBlock)]!;
    const inBlock = cluster % s.refcountsPerBlock;
    const perSlice = (s.refcountCache.sliceBytes * 8) / s.refcountBits;
    const slice = await s.refcountCache.get(block + Math.floor(inBlock / perSlice) * s.refcountCache.sliceBytes);
    putRefcount(slice.data, s.header.refcountOrder, inBlock % perSlice, value);
    s.refcountCache.markDirty(slice);
    if (value === 0 && cluster < s.freeIndex) s.freeIndex = cluster;
  }

  private recorded(cluster: number): Promise<number> {
    return refcountOf(this.s, cluster).catch(() => -1);
  }

  /** COPIED must be set exactly for clusters used once. Runs after the counts are right (or as right as they get). */
  async checkCopied(): Promise<void> {
    const { s } = this;
    // Every flag is set and every count is one: nothing to find in a second pass.
    if (this.exact && !this.unflagged && !this.map.shared) return;
    // Without trustworthy counts a flag that is set cannot be judged.
    // Where counts stay too low, a flag would let others' data be overwritten.
    const repair = this.fixErrors || (this.fixLeaks && this.r.corruptions === 0 && this.r.checkErrors === 0);
    const repairL1 = repair && this.isOnce(s.header.l1Offset, s.l1.length * 4);
    let l1Changed = false;
    for (let i = 0; i < s.l1.length / 2; i++) {
      const hi = s.l1[i * 2]!;
      const table = entryOffset(hi, s.l1[i * 2 + 1]!);
      if (table === 0 || table % s.clusterSize !== 0 || table >= this.fileBytes) continue;
      const count = this.exact ? this.map.get(table / s.clusterSize) : await this.recorded(table / s.clusterSize);
      if (count < 0) continue;
      if ((count === 1) !== ((hi & COPIED_HI) !== 0)) {
        this.r.corruptions++;
        this.say(
          `${repairL1 ? 'Repairing' : 'ERROR'} OFLAG_COPIED L2 cluster: l1_index=${i} l1_entry=${entryText(hi, s.l1[i * 2 + 1]!)} refcount=${count}`,
        );
        if (repairL1) {
          s.l1[i * 2] = (count === 1 ? hi | COPIED_HI : hi & ~COPIED_HI) >>> 0;
          l1Changed = true;
          this.r.corruptions--;
          this.r.corruptionsFixed++;
        }
      }
      await this.checkCopiedL2(table, repair && this.tableIsAlone(table));
    }
    if (l1Changed) {
      const b = new Uint8Array(s.l1.length * 4);
      for (let i = 0; i < s.l1.length; i++) writeU32be(b, i * 4, s.l1[i]!);
      await s.file.write(s.header.l1Offset, b);
    }
  }

  /** Whether every cluster of a range was counted once. */
  private isOnce(offset: number, bytes: number): boolean {
    const { clusterSize } = this.s;
    for (let c = Math.floor(offset / clusterSize); c * clusterSize < offset + bytes; c++)
      if (this.map.get(c) !== 1) return false;
    return true;
  }

  private async checkCopiedL2(table: number, repair: boolean): Promise<void> {
    const { s } = this;
    const data = new Uint8Array(s.clusterSize);
    await s.file.read(table, data);
    if (isZero(data)) return;
    let changed = false;
    const words = new Uint32Array(data.buffer);
    const step = s.l2EntrySize / 4;
    for (let i = 0; i < s.l2Entries; i++) {
      if (words[i * step] === 0 && words[i * step + 1] === 0) continue;
      const at = i * s.l2EntrySize;
      const hi = readU32be(data, at);
      const lo = readU32be(data, at + 4);
      const offset = entryOffset(hi, lo);
      if (hi & COMPRESSED_HI || offset === 0 || offset % s.clusterSize !== 0 || s.hasDataFile) continue;
      const count = this.exact ? this.map.get(offset / s.clusterSize) : await this.recorded(offset / s.clusterSize);
      if (count < 0 || (count === 1) === ((hi & COPIED_HI) !== 0)) continue;
      this.r.corruptions++;
      this.say(
        `${repair ? 'Repairing' : 'ERROR'} OFLAG_COPIED data cluster: l2_entry=${entryText(hi, lo)} refcount=${count}`,
      );
      if (!repair) continue;
      writeU32be(data, at, (count === 1 ? hi | COPIED_HI : hi & ~COPIED_HI) >>> 0);
      changed = true;
      this.r.corruptions--;
      this.r.corruptionsFixed++;
    }
    if (changed) {
      await s.file.write(table, data);
      s.l2Cache.forget(table, s.clusterSize);
    }
  }

  /** Writes a whole new refcount structure behind the end of the file from the references found. */
  async rebuildRefcounts(): Promise<void> {
    const { s } = this;
    this.say('Rebuilding refcount structure');
    s.refcountCache.discardAll();
    const per = s.refcountsPerBlock;
    // Nothing is put where an image that was cut still refers to.
    const end = divUp(Math.max(s.file.length, this.reach), s.clusterSize);
    const counts = new Map<number, Map<number, number>>();
    const note = (cluster: number, count: number): void => {
      const t = Math.floor(cluster / per);
      let block = counts.get(t);
      if (!block) counts.set(t, (block = new Map()));
      block.set(cluster % per, count);
    };
    // Old tables are counted with the rest, and leak until all are compared once more.
    for (let c = this.map.next(0); c >= 0; c = this.map.next(c + 1)) note(c, this.map.get(c));
    // Blocks are put behind the file; each may itself need a block.
    let at = end;
    const placed = new Map<number, number>();
    let highest = 0;
    const place = (t: number): void => {
      placed.set(t, at);
      highest = Math.max(highest, t);
      note(at, 1);
      at++;
    };
    for (;;) {
      const missing = [...counts.keys()].filter((t) => !placed.has(t)).sort((a, b) => a - b);
      if (missing.length === 0) break;
      for (const t of missing) place(t);
    }
    let tableClusters = 1;
    for (;;) {
      const before = placed.size;
      const entries = Math.max(highest, Math.floor((at + tableClusters) / per)) + 1;
      tableClusters = Math.max(tableClusters, divUp(entries * 8, s.clusterSize));
      for (let i = 0; i < tableClusters; i++) note(at + i, 1);
      const extra = [...counts.keys()].filter((t) => !placed.has(t));
      if (extra.length === 0 && placed.size === before) break;
      // The table has moved behind further blocks: start its place anew.
      for (let i = 0; i < tableClusters; i++) counts.get(Math.floor((at + i) / per))?.delete((at + i) % per);
      for (const t of extra) place(t);
    }
    if (tableClusters * s.clusterSize > MAX_REFCOUNT_TABLE_BYTES)
      throw new BlockError('Refcount table too large', ERRNO.EFBIG);
    const table = new Float64Array((tableClusters * s.clusterSize) / 8);
    for (const [t, cluster] of placed) {
      const data = new Uint8Array(s.clusterSize);
      for (const [index, count] of counts.get(t) ?? [])
        putRefcount(data, s.header.refcountOrder, index, Math.min(count, s.refcountMax));
      await s.file.write(cluster * s.clusterSize, data);
      table[t] = cluster * s.clusterSize;
    }
    await s.file.write(at * s.clusterSize, offsetTableBytes(table));
    await s.file.flush();
    await switchTable(s, at * s.clusterSize, tableClusters, table);
    s.freeIndex = 0;
  }
}

/** Counts all references and compares; after a rebuild, what was left of the old counts goes. */
async function pass(c: Checker, rebuilt = false): Promise<number> {
  const { s } = c;
  c.count(0, s.clusterSize);
  await c.countTree(s.header.l1Offset, s.l1, true);
  await c.countSnapshots();
  if (s.header.bitmaps)
    await (await import('./bitmap.ts')).countReferences(s, (offset, bytes) => c.count(offset, bytes), c.say, c.r);
  await c.countRefcounts();
  await c.writeFixedEntries();
  const highest = { cluster: -1 };
  if (rebuilt) await c.compareOnce(highest, true);
  else await c.compare(highest);
  return highest.cluster;
}

/** Writes the snapshot table without the extra data that makes it unreadable; where refcounts are right, so that there is a place. */
async function shortenSnapshots({ s, r, say }: Checker): Promise<void> {
  const sound = r.corruptions === 0 && r.checkErrors === 0;
  for (const [i, { extraSize }] of s.snapshots.entries()) {
    if (extraSize <= MAX_EXTRA) continue;
    say(
      `${sound ? 'Discarding' : 'ERROR'} too much extra metadata in snapshot table entry ${i} (${extraSize} > ${MAX_EXTRA})`,
    );
    if (sound) r.corruptionsFixed++;
    else r.corruptions++;
  }
  if (!sound) return;
  const { writeSnapshotTable } = await import('./snapshot-switch.ts');
  const most = MAX_EXTRA - EXTRA_KNOWN;
  await writeSnapshotTable(
    s,
    s.snapshots.map((sn) => ({ ...sn, unknownExtra: sn.unknownExtra.subarray(0, most) })),
  );
}

/** Checks the image, repairing what `fix` allows; lines that describe findings go to `say`. */
export async function checkImage(s: Qcow2State, fix: FixMode, say: (line: string) => void): Promise<CheckResult> {
  if (s.lost) throw errnoError(ERRNO.EIO);
  if (s.flags.readOnly) fix = 'none';
  const oversized = s.snapshots.findIndex((sn) => sn.extraSize > MAX_EXTRA);
  if (oversized >= 0 && fix !== 'all') throw tooMuchExtra(oversized);
  await s.l2Cache.flush();
  await s.refcountCache.flush();
  let c = new Checker(s, fix, say);
  c.r.totalClusters = divUp(s.size, s.clusterSize);
  let highest = await pass(c);
  for (let n = 0; c.rebuild && fix === 'all' && n < MAX_REBUILDS; n++) {
    const before = c.r;
    await c.rebuildRefcounts();
    // What is left is found by looking again.
    c = new Checker(s, fix, say);
    c.r.totalClusters = before.totalClusters;
    highest = await pass(c, true);
    c.r.corruptionsFixed += before.corruptions + before.corruptionsFixed;
    // (What leaked only by the rebuild itself is not counted.)
    c.r.leaksFixed = before.leaks + before.leaksFixed;
  }
  if (fix !== 'none') await s.refcountCache.flush();
  await c.checkCopied();
  if (oversized >= 0) await shortenSnapshots(c);
  if (fix !== 'none') {
    await s.refcountCache.flush();
    await s.file.flush();
    s.reuseFreed();
  }
  c.r.imageEndOffset = (highest + 1) * s.clusterSize;
  if (fix !== 'none' && c.r.corruptions === 0 && c.r.checkErrors === 0) {
    s.unrepaired = false;
    if (fix === 'all') {
      s.dirtyMarked = false;
      await s.markClean();
      await s.markConsistent();
    }
  }
  return c.r;
}
