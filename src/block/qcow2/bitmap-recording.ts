// Recording which parts of a disk are written, for the dirty bitmaps that are enabled.
import { setBits } from '../bytes.ts';
import type { Qcow2State } from './state.ts';

/** Bits kept together: those of the smallest cluster. */
const CHUNK_BITS = 4096;
export const CHUNK_BYTES = CHUNK_BITS / 8;

/** A chunk of which all bits are set, in common to all that have one. */
const FULL = new Uint8Array(CHUNK_BYTES).fill(0xff);

/** A set of bit numbers in memory, of which only what is set takes any. */
export class DirtyBits {
  private readonly chunks = new Map<number, Uint8Array>();

  get isEmpty(): boolean {
    return this.chunks.size === 0;
  }

  /** Adds the bits [from, to). */
  add(from: number, to: number): void {
    for (let key = Math.floor(from / CHUNK_BITS); key * CHUNK_BITS < to; key++) {
      const first = Math.max(0, from - key * CHUNK_BITS);
      const end = Math.min(CHUNK_BITS, to - key * CHUNK_BITS);
      let chunk = this.chunks.get(key);
      if (chunk === FULL) continue;
      if (first === 0 && end === CHUNK_BITS) this.chunks.set(key, FULL);
      else {
        if (!chunk) this.chunks.set(key, (chunk = new Uint8Array(CHUNK_BYTES)));
        setBits(chunk, first, end);
      }
    }
  }

  /** Adds all bits of another set. */
  addAll(other: DirtyBits): void {
    for (const [key, bits] of other.chunks) {
      const have = this.chunks.get(key);
      if (have === FULL) continue;
      if (!have || bits === FULL) this.chunks.set(key, bits === FULL ? FULL : bits.slice());
      else for (let i = 0; i < CHUNK_BYTES; i++) have[i]! |= bits[i]!;
    }
  }

  /** The chunks that have bits, in order, by number of CHUNK_BYTES from the beginning. */
  inOrder(): [number, Uint8Array][] {
    return [...this.chunks].sort(([a], [b]) => a - b);
  }
}

/** What has been written since recording began, for all bitmaps that began with it. */
export interface Recorder {
  granularityBits: number;
  bits: DirtyBits;
}

/** What a bitmap has in memory. */
export interface Recording {
  granularityBits: number;
  /** Records writes while the bitmap is enabled in an image open for writing. */
  recorder: Recorder | undefined;
  /** Bits that were recorded before the bitmap was disabled. */
  kept: DirtyBits | undefined;
}

/** Has each request of the image recorded for the bitmaps that have a recorder. */
function recordFor(s: Qcow2State, list: readonly Recording[]): void {
  const recorders = new Set(list.flatMap((b) => b.recorder ?? []));
  s.recordWrite =
    recorders.size === 0
      ? undefined
      : (offset, bytes) => {
          if (bytes <= 0) return;
          for (const { granularityBits, bits } of recorders) {
            const granularity = 2 ** granularityBits;
            bits.add(Math.floor(offset / granularity), Math.floor((offset + bytes - 1) / granularity) + 1);
          }
        };
}

/**
 * Says which bitmaps of the list record from now on what is written. Those that did already go on; those that no longer do keep
 * what they have. Bitmaps of one granularity that begin together share what they record: there may be 65535.
 */
export function setRecording<B extends Recording>(s: Qcow2State, list: readonly B[], records: (b: B) => boolean): void {
  const begun = new Map<number, Recorder>();
  for (const b of list) {
    if (!records(b)) {
      if (b.recorder) (b.kept ??= new DirtyBits()).addAll(b.recorder.bits);
      b.recorder = undefined;
    } else if (!b.recorder) {
      const { granularityBits } = b;
      b.recorder = begun.get(granularityBits) ?? { granularityBits, bits: new DirtyBits() };
      begun.set(granularityBits, b.recorder);
    }
  }
  recordFor(s, list);
}

/** Forgets what a bitmap has recorded, which goes on if it was enabled. */
export function forgetRecorded(s: Qcow2State, list: readonly Recording[], b: Recording): void {
  b.kept = undefined;
  if (b.recorder) b.recorder = { granularityBits: b.granularityBits, bits: new DirtyBits() };
  recordFor(s, list);
}

/** What has been recorded for a bitmap and is perhaps not stored yet. */
export function recorded(b: Recording): DirtyBits[] {
  return [b.kept, b.recorder?.bits].filter((bits) => bits !== undefined && !bits.isEmpty) as DirtyBits[];
}
