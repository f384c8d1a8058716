// Setting the bits of one dirty bitmap in another, be that of another image, granularity or cluster size.
import { noBits, setBits } from '../bytes.ts';
import { type Bitmap, bytesPerEntry } from './bitmap-directory.ts';
import { BitmapReader, BitmapWriter } from './bitmap-table.ts';
import type { Qcow2State } from './state.ts';

/**
 * Bytes of bits that a merge may write: a coarse bitmap of few bytes becomes a fine one of many. More than what the size of both files
 * makes likely would keep the machine busy for long on behalf of a small image.
 */
const WRITTEN_ALWAYS = 256 << 20;
const WRITTEN_PER_FILE_BYTE = 64;

/** Bits of one bitmap as they lie in memory: the first stands for `start` (bytes of the disk), each for 2^`shift` bytes. */
interface Bits {
  data: Uint8Array;
  start: number;
  shift: number;
}

/** Sets the bits in `to` for which there are any in `from` between the disk's bytes [low, high), which both cover. */
function orRange(to: Bits, from: Bits, low: number, high: number): void {
  const first = Math.floor((low - from.start) / 2 ** from.shift);
  const end = Math.ceil((high - from.start) / 2 ** from.shift);
  const target = Math.floor((low - to.start) / 2 ** to.shift);
  if (from.shift === to.shift) {
    // (Clusters begin at the same bit of a byte.)
    for (let at = first >>> 3, t = target >>> 3; at * 8 < end; at++, t++) to.data[t]! |= from.data[at]!;
    return;
  }
  const bits = to.data.length * 8;
  for (let at = first; at < end; ) {
    const byte = from.data[at >>> 3]!;
    // Whole bytes without or with all bits are done at once.
    const whole = (at & 7) === 0 && at + 8 <= end && (byte === 0 || byte === 0xff);
    const count = whole ? 8 : 1;
    if (whole ? byte !== 0 : (byte >>> (at & 7)) & 1) {
      const scale = 2 ** (from.shift - to.shift);
      const t = target + Math.floor((at - first) * scale);
      setBits(to.data, t, Math.min(bits, Math.max(t + 1, target + Math.ceil((at - first + count) * scale))));
    }
    at += count;
  }
}

/** Sets every bit in `b` that is set in `other`, on disk. If it fails some of them may be set. */
export async function mergeBits(s: Qcow2State, b: Bitmap, from: Qcow2State, other: Bitmap): Promise<void> {
  if (s === from && b === other) return;
  const files = s.file.length + from.file.length;
  const reader = new BitmapReader(from, other);
  const writer = new BitmapWriter(s, b, WRITTEN_ALWAYS + files * WRITTEN_PER_FILE_BYTE);
  const sourceSpan = bytesPerEntry(from, other.granularityBits);
  const span = bytesPerEntry(s, b.granularityBits);
  try {
    for (let i = await reader.next(0); i >= 0; i = await reader.next(i + 1)) {
      const bits = await reader.read(i);
      if (!bits) continue;
      const start = i * sourceSpan;
      const end = Math.min(start + sourceSpan, s.size);
      for (let d = Math.floor(start / span); d * span < end; d++) {
        const low = Math.max(start, d * span);
        const high = Math.min(end, (d + 1) * span);
        const covered = low === d * span && (high === (d + 1) * span || high === s.size);
        await mergeEntry(writer, d, b, span, low, high, covered, bits, start, other);
      }
    }
    await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/** The part of mergeBits between [low, high), which lies in one entry of each; `covered` if it is all of entry `index`. */
async function mergeEntry(
  writer: BitmapWriter,
  index: number,
  b: Bitmap,
  span: number,
  low: number,
  high: number,
  covered: boolean,
  bits: Uint8Array | 'ones',
  start: number,
  other: Bitmap,
): Promise<void> {
  let all = bits === 'ones';
  if (bits !== 'ones') {
    const granularity = 2 ** other.granularityBits;
    const first = Math.floor((low - start) / granularity);
    const last = Math.ceil((high - start) / granularity);
    if (noBits(bits, first, last)) return;
    all = last - first === 1;
  }
  if (all && covered) return writer.setAll(index);
  const data = await writer.load(index);
  if (!data) return;
  const to = { data, start: index * span, shift: b.granularityBits };
  if (all) {
    const granularity = 2 ** b.granularityBits;
    setBits(data, Math.floor((low - to.start) / granularity), Math.ceil((high - to.start) / granularity));
  } else orRange(to, { data: bits as Uint8Array, start, shift: other.granularityBits }, low, high);
}

/** Calls `dirty` with the ranges of the disk that a bitmap calls changed, as [start, end) in bytes, in order. */
export async function eachDirty(s: Qcow2State, b: Bitmap, dirty: (start: number, end: number) => void): Promise<void> {
  const reader = new BitmapReader(s, b);
  const granularity = 2 ** b.granularityBits;
  const span = bytesPerEntry(s, b.granularityBits);
  let from = -1;
  let to = -1;
  const add = (start: number, end: number): void => {
    // (Bits behind the end of the disk mean nothing.)
    if (start >= s.size) return;
    if (start !== to) {
      if (from >= 0) dirty(from, to);
      from = start;
    }
    to = Math.min(end, s.size);
  };
  for (let i = await reader.next(0); i >= 0; i = await reader.next(i + 1)) {
    const bits = await reader.read(i);
    if (bits === 'ones') add(i * span, (i + 1) * span);
    else if (bits)
      for (let k = 0; k < bits.length; k++)
        for (let byte = bits[k]!, bit = k * 8; byte !== 0; byte >>>= 1, bit++)
          if (byte & 1) add(i * span + bit * granularity, i * span + (bit + 1) * granularity);
  }
  if (from >= 0) dirty(from, to);
}
