// The references a check has counted for each cluster, kept as refcount blocks of 16 bits keep them on disk.
import { equalRanges, isZero } from '../bytes.ts';
import { BlockError, ERRNO } from '../errors.ts';

const CHUNK_BITS = 16;
/** Counters made at a time. */
export const CHUNK = 1 << CHUNK_BITS;

/** 64 MB of counters: 32 Mi clusters, 2 TiB at the default cluster size. */
const MAX_CHUNKS = 512;

/** Counters looked at together to find out that they are all zero. */
const STEP = 4096;

/** Counters looked at one by one before that. */
const FEW = 64;

/** A counter that stands at one, as the machine (little-endian) sees the two bytes of the disk. */
const ONE = 0x0100;

/** Highest count kept in place; higher ones are in a map. */
const MAX_IN_PLACE = 0xffff;

const swap16 = (v: number): number => ((v & 255) << 8) | (v >> 8);

/**
 * Counters in chunks made when first needed: a damaged table may name clusters far beyond the file. They are big-endian like
 * those on disk, so that a whole block of the usual width is compared at once.
 */
export class ReferenceCounts {
  private readonly chunks = new Map<number, Uint16Array>();
  /** Counts that do not fit into 16 bits. */
  private readonly large = new Map<number, number>();
  /** Some cluster was counted more than once. */
  shared = false;

  get(cluster: number): number {
    const raw = this.chunks.get(Math.floor(cluster / CHUNK))?.[cluster % CHUNK] ?? 0;
    return raw === MAX_IN_PLACE ? (this.large.get(cluster) ?? MAX_IN_PLACE) : swap16(raw);
  }

  /** Counts one reference more and returns how many there are. */
  add(cluster: number): number {
    const count = this.get(cluster) + 1;
    if (count > MAX_IN_PLACE) this.large.set(cluster, count);
    else this.chunk(Math.floor(cluster / CHUNK))[cluster % CHUNK] = swap16(count);
    if (count > 1) this.shared = true;
    return count;
  }

  /** Counts the first reference to each cluster of [first, end). False, and nothing is done, if one had some already. */
  addFirst(first: number, end: number): boolean {
    const key = Math.floor(first / CHUNK);
    if (Math.floor((end - 1) / CHUNK) !== key) {
      const middle = (key + 1) * CHUNK;
      return (
        this.isFree(first, middle) &&
        this.isFree(middle, end) &&
        this.addFirst(first, middle) &&
        this.addFirst(middle, end)
      );
    }
    if (!this.isFree(first, end)) return false;
    this.chunk(key).fill(ONE, first % CHUNK, (first % CHUNK) + end - first);
    return true;
  }

  /** Whether no cluster of [first, end) has a count. */
  private isFree(first: number, end: number): boolean {
    for (let at = first; at < end; ) {
      const stop = Math.min(end, (Math.floor(at / CHUNK) + 1) * CHUNK);
      const chunk = this.chunks.get(Math.floor(at / CHUNK));
      if (chunk && !isZero(new Uint8Array(chunk.buffer), (at % CHUNK) * 2, ((at % CHUNK) + stop - at) * 2))
        return false;
      at = stop;
    }
    return true;
  }

  /** Counters of the clusters from key * CHUNK on. */
  private chunk(key: number): Uint16Array {
    let chunk = this.chunks.get(key);
    if (!chunk) {
      if (this.chunks.size >= MAX_CHUNKS) throw new BlockError('Too many clusters to check', ERRNO.ENOMEM);
      this.chunks.set(key, (chunk = new Uint16Array(CHUNK)));
    }
    return chunk;
  }

  /** Whether anything was counted in [first, end), to the grain of a chunk. */
  anyIn(first: number, end: number): boolean {
    for (let key = Math.floor(first / CHUNK); key * CHUNK < end; key++) if (this.chunks.has(key)) return true;
    return false;
  }

  /**
   * Whether the counts of [first, end), which lie in one chunk, are those of a part of a refcount block of 16 bits. Counts of
   * 65535 and more never are, as they may stand for a higher one.
   */
  equals(first: number, end: number, block: Uint8Array, byte: number): boolean {
    const bytes = (end - first) * 2;
    const chunk = this.chunks.get(Math.floor(first / CHUNK));
    if (!chunk) return isZero(block, byte, byte + bytes);
    const at = (first % CHUNK) * 2;
    const counters = new Uint8Array(chunk.buffer);
    return this.large.size === 0 && equalRanges(counters, at, block, byte, bytes);
  }

  /** Highest cluster in [first, end), which lie in one chunk, that has a count; -1 if none has. */
  lastIn(first: number, end: number): number {
    const chunk = this.chunks.get(Math.floor(first / CHUNK));
    if (!chunk) return -1;
    for (let c = end - 1; c >= first; c--) if (chunk[c % CHUNK] !== 0) return c;
    return -1;
  }

  /** The first cluster from `start` on that has a count; -1 if none has. */
  next(start: number): number {
    let key = Math.floor(start / CHUNK);
    for (let i = start % CHUNK; ; i = 0) {
      const chunk = this.chunks.get(key);
      const bytes = chunk && new Uint8Array(chunk.buffer);
      while (chunk && i < CHUNK) {
        if (chunk[i] !== 0) return key * CHUNK + i;
        i++;
        // What is empty is passed over in steps.
        while (i % FEW === 0 && i < CHUNK && isZero(bytes!, i * 2, Math.min(CHUNK, i + STEP) * 2)) i += STEP;
      }
      let following = Infinity;
      for (const k of this.chunks.keys()) if (k > key && k < following) following = k;
      if (following === Infinity) return -1;
      key = following;
    }
  }
}
