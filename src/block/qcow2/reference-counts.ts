// The references a check has counted for each cluster, kept as refcount blocks of 16 bits keep them on disk.
import { equalRanges, isZero, noBits, setBits } from '../bytes.ts';
import { BlockError, ERRNO } from '../errors.ts';

const CHUNK_BITS = 16;
/** Counters made at a time. */
export const CHUNK = 1 << CHUNK_BITS;

/** Chunks of which each cluster has a counter of its own from the beginning: 32 MB, 1 TiB at the default cluster size. */
const WIDE_CHUNKS = 256;

/** Those at most, once some clusters of others were counted twice: 96 MB. */
const MAX_WIDE_CHUNKS = 768;

/** Further chunks, of one bit for each cluster: 64 MB, for 512 Mi clusters. */
const MAX_NARROW_CHUNKS = 8192;

/** Counters looked at together to find out that they are all zero. */
const STEP = 4096;

/** Counters looked at one by one before that. */
const FEW = 64;

/** A counter that stands at one, as the machine (little-endian) sees the two bytes of the disk. */
const ONE = 0x0100;

/** Highest count kept in place; higher ones are in a map. */
const MAX_IN_PLACE = 0xffff;

const swap16 = (v: number): number => ((v & 255) << 8) | (v >> 8);

/** Writes the counters that bits stand for; runs of bytes that are alike at once. */
function widen(bits: Uint8Array, into: Uint16Array): void {
  for (let i = 0; i < bits.length; ) {
    const byte = bits[i]!;
    let end = i + 1;
    if (byte === 0 || byte === 0xff) {
      while (end < bits.length && bits[end] === byte) end++;
      into.fill(byte === 0 ? 0 : ONE, i * 8, end * 8);
    } else for (let bit = 0; bit < 8; bit++) into[i * 8 + bit] = (byte >>> bit) & 1 ? ONE : 0;
    i = end;
  }
}

/**
 * Counters in chunks made when first needed: a damaged table may name clusters far beyond the file. They are big-endian like
 * those on disk, so that a whole block of the usual width is compared at once. Very large images, where nearly every cluster
 * is used once, have bits in their place.
 */
export class ReferenceCounts {
  private readonly wide = new Map<number, Uint16Array>();
  private readonly narrow = new Map<number, Uint8Array>();
  /** The counters of a narrow chunk that was looked at last. */
  private readonly lens = { key: -1, counters: new Uint16Array(0) };
  /** Counts that do not fit into 16 bits. */
  private readonly large = new Map<number, number>();
  /** Some cluster was counted more than once. */
  shared = false;

  get(cluster: number): number {
    const key = Math.floor(cluster / CHUNK);
    const raw = this.wide.get(key)?.[cluster % CHUNK];
    if (raw === undefined) {
      const at = cluster % CHUNK;
      return ((this.narrow.get(key)?.[at >>> 3] ?? 0) >>> (at & 7)) & 1;
    }
    return raw === MAX_IN_PLACE ? (this.large.get(cluster) ?? MAX_IN_PLACE) : swap16(raw);
  }

  /** Counts one reference more and returns how many there are. */
  add(cluster: number): number {
    const count = this.get(cluster) + 1;
    if (count === 1) this.put(cluster, cluster + 1);
    else if (count > MAX_IN_PLACE) this.large.set(cluster, count);
    else this.widened(Math.floor(cluster / CHUNK))[cluster % CHUNK] = swap16(count);
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
    this.put(first, end);
    return true;
  }

  /** Sets the counts of [first, end), which lie in one chunk and have none, to one. */
  private put(first: number, end: number): void {
    const key = Math.floor(first / CHUNK);
    const at = first % CHUNK;
    const narrow = this.narrow.get(key) ?? (this.wide.has(key) ? undefined : this.made(key));
    if (narrow) {
      setBits(narrow, at, at + end - first);
      if (this.lens.key === key) this.lens.key = -1;
    } else this.wide.get(key)!.fill(ONE, at, at + end - first);
  }

  /** Makes the chunk from key * CHUNK on; returns it if it is narrow. */
  private made(key: number): Uint8Array | undefined {
    if (this.wide.size < WIDE_CHUNKS) {
      this.wide.set(key, new Uint16Array(CHUNK));
      return undefined;
    }
    if (this.narrow.size >= MAX_NARROW_CHUNKS) throw tooMany();
    const bits = new Uint8Array(CHUNK / 8);
    this.narrow.set(key, bits);
    return bits;
  }

  /** The chunk with a counter for each cluster. */
  private widened(key: number): Uint16Array {
    let chunk = this.wide.get(key);
    if (chunk) return chunk;
    if (this.wide.size >= MAX_WIDE_CHUNKS) throw tooMany();
    chunk = new Uint16Array(CHUNK);
    widen(this.narrow.get(key)!, chunk);
    this.narrow.delete(key);
    this.wide.set(key, chunk);
    return chunk;
  }

  /** The counters from key * CHUNK on, to be read only and at once; undefined if nothing was counted there. */
  private counters(key: number): Uint16Array | undefined {
    const chunk = this.wide.get(key);
    if (chunk) return chunk;
    const { lens } = this;
    const bits = this.narrow.get(key);
    if (!bits || lens.key === key) return bits && lens.counters;
    if (lens.counters.length === 0) lens.counters = new Uint16Array(CHUNK);
    widen(bits, lens.counters);
    lens.key = key;
    return lens.counters;
  }

  /** Whether no cluster of [first, end) has a count. */
  private isFree(first: number, end: number): boolean {
    for (let at = first; at < end; ) {
      const key = Math.floor(at / CHUNK);
      const stop = Math.min(end, (key + 1) * CHUNK);
      const from = at % CHUNK;
      const to = from + stop - at;
      const chunk = this.wide.get(key);
      const bits = chunk ? undefined : this.narrow.get(key);
      if (chunk && !isZero(new Uint8Array(chunk.buffer), from * 2, to * 2)) return false;
      if (bits && !noBits(bits, from, to)) return false;
      at = stop;
    }
    return true;
  }

  /** Whether anything was counted in [first, end), to the grain of a chunk. */
  anyIn(first: number, end: number): boolean {
    for (let key = Math.floor(first / CHUNK); key * CHUNK < end; key++)
      if (this.wide.has(key) || this.narrow.has(key)) return true;
    return false;
  }

  /**
   * Whether the counts of [first, end), which lie in one chunk, are those of a part of a refcount block of 16 bits. Counts of
   * 65535 and more never are, as they may stand for a higher one.
   */
  equals(first: number, end: number, block: Uint8Array, byte: number): boolean {
    const bytes = (end - first) * 2;
    const chunk = this.counters(Math.floor(first / CHUNK));
    if (!chunk) return isZero(block, byte, byte + bytes);
    const at = (first % CHUNK) * 2;
    const counters = new Uint8Array(chunk.buffer);
    return this.large.size === 0 && equalRanges(counters, at, block, byte, bytes);
  }

  /** Highest cluster in [first, end), which lie in one chunk, that has a count; -1 if none has. */
  lastIn(first: number, end: number): number {
    const chunk = this.counters(Math.floor(first / CHUNK));
    if (!chunk) return -1;
    for (let c = end - 1; c >= first; c--) if (chunk[c % CHUNK] !== 0) return c;
    return -1;
  }

  /** The first cluster from `start` on that has a count; -1 if none has. */
  next(start: number): number {
    let key = Math.floor(start / CHUNK);
    for (let i = start % CHUNK; ; i = 0) {
      const chunk = this.counters(key);
      const bytes = chunk && new Uint8Array(chunk.buffer);
      while (chunk && i < CHUNK) {
        if (chunk[i] !== 0) return key * CHUNK + i;
        i++;
        // What is empty is passed over in steps.
        while (i % FEW === 0 && i < CHUNK && isZero(bytes!, i * 2, Math.min(CHUNK, i + STEP) * 2)) i += STEP;
      }
      let following = Infinity;
      for (const chunks of [this.wide, this.narrow])
        for (const k of chunks.keys()) if (k > key && k < following) following = k;
      if (following === Infinity) return -1;
      key = following;
    }
  }
}

function tooMany(): BlockError {
  return new BlockError('Too many clusters to check', ERRNO.ENOMEM);
}
