// Copying images: reads what holds data, detects zeroes, writes in order or as it comes, compressed if wanted.

import { type ChainStatus, statusAbove } from './block-status.ts';
import { isZero } from './bytes.ts';
import { type BlockNode, type Ending, REQ, type Soon } from './driver.ts';
import { errnoOf, failureOf, strerror } from './errors.ts';

/** How to copy. */
export interface CopyRequest {
  sources: readonly BlockNode[];
  target: BlockNode;
  /** Bytes of the target to fill; sources beyond are ignored. */
  length: number;
  compressed: boolean;
  /** Runs of zeroes at least this long are not written, nor shorter ones before data; 0 writes everything. */
  minSparse: number;
  /** Data is copied within the host where it can be, and zeroes in it are not looked for. */
  offload?: boolean;
  /** Requests in flight. */
  parallel: number;
  /** Writes need not be in order of their offsets. */
  outOfOrder: boolean;
  /** The target reads as zeroes where nothing is written. */
  targetIsZero: boolean;
  /** Bytes of the target's backing file, which shows the same as the sources' one; undefined if there is none. */
  targetBacking: number | undefined;
  /** Unreadable areas become zeroes; told where. */
  salvage?: (offset: number, message: string) => void;
  /** Bytes per second, 0 for no limit. */
  rate: number;
  progress: (fraction: number) => void;
}

/** Copied at a time: large enough that calls and turns of the event loop cost little, and still in the processor's cache when written. */
const CHUNK = 1 << 20;

/** Parts at most of which a piece is made: all of them are read at the same time. */
const MAX_PARTS = 256;

/** Zeroes are looked for in blocks of at most this many bytes, where the target has no larger units. */
const LEAST_SPARSE = 4096;

type Kind = 'data' | 'zero' | 'backing';

/** One piece of work: a range of the target that is handled alike. */
interface Piece {
  kind: Kind;
  source: BlockNode;
  /** Offset in the source. */
  from: number;
  /** Offset in the target. */
  at: number;
  bytes: number;
  /**
   * Where the parts end, counted from the piece's beginning, if the source has it in several places. Those that are zeroes have
   * negative ends.
   */
  parts?: number[];
  /** The pieces it is made of, if it goes on in the next source. */
  joined?: Piece[];
}

/** What a range of a source is, and how far that goes. */
interface Found {
  kind: Kind;
  bytes: number;
  /** Compressed: expanding it takes so much longer than writing that it is written as soon as it is there. */
  compressed?: boolean | undefined;
}

/** Finds the pieces one after the other. */
class Pieces {
  private index = 0;
  /** Where the present source begins in the target, and how far it has been looked at. */
  private start = 0;
  private from = 0;
  /** What is at that place, where it was looked at already. */
  private ahead: Soon<Found> | undefined;
  /** Where the last source ends in the target. */
  private readonly end: number;

  constructor(private readonly r: CopyRequest) {
    this.end = Math.min(
      r.sources.reduce((sum, { length }) => sum + length, 0),
      r.length,
    );
  }

  /** The next piece; undefined when all have been found. */
  next(): Soon<Piece | undefined> {
    const { r } = this;
    for (; this.index < r.sources.length; this.index++) {
      const source = r.sources[this.index]!;
      const left = Math.min(source.length, r.length - this.start) - this.from;
      if (left > 0) {
        const found = this.ahead ?? kindAt(r, source, this.from, left, this.start + this.from);
        this.ahead = undefined;
        return found instanceof Promise
          ? found.then((f) => this.piece(source, f, left))
          : this.piece(source, found, left);
      }
      this.start += source.length;
      this.from = 0;
    }
    // Behind the sources a longer target reads as zero.
    const at = this.start;
    this.start = r.length;
    if (at >= r.length || r.sources.length === 0 || r.targetIsZero) return undefined;
    return { kind: 'zero', source: r.sources[0]!, from: 0, at, bytes: r.length - at };
  }

  private piece(source: BlockNode, { kind, bytes, compressed }: Found, left: number): Piece {
    const { r, from } = this;
    const at = this.start + from;
    const unit = r.compressed ? r.target.clusterSize : 0;
    if (kind === 'data') bytes = Math.min(bytes, Math.max(CHUNK, unit));
    if (unit > 0) {
      // Compressed clusters are written whole, also where one source ends in them and the next begins.
      const cluster = Math.min(unit - (at % unit), this.end - at);
      if (bytes < cluster) kind = 'data';
      if (kind === 'data') bytes = cluster;
      else if (at + bytes < this.end) bytes -= (at + bytes) % unit;
    }
    if (bytes > left) return this.join(at, bytes);
    this.from += bytes;
    const found: Piece = { kind, source, from, at, bytes };
    if (kind === 'data' && !compressed && unit === 0 && !r.offload && !r.salvage) this.extend(found, left);
    return found;
  }

  /** Data of this source and those behind it. */
  private join(at: number, bytes: number): Piece {
    const { sources } = this.r;
    const joined: Piece[] = [];
    for (let done = 0; ; this.index++) {
      const source = sources[this.index]!;
      const { from } = this;
      const here = Math.min(source.length - from, bytes - done);
      if (here > 0) joined.push({ kind: 'data', source, from, at: at + done, bytes: here });
      this.from += here;
      done += here;
      if (done === bytes) return { ...joined[0]!, bytes, joined };
      this.start += source.length;
      this.from = 0;
    }
  }

  /** Takes in what follows in other places of the source, as far as that is known at once: one write is cheaper than many. */
  private extend(p: Piece, left: number): void {
    const { r } = this;
    while (p.bytes < Math.min(CHUNK, left) && (p.parts?.length ?? 0) < MAX_PARTS) {
      let next: Soon<Found>;
      try {
        next = kindAt(r, p.source, this.from, left - p.bytes, p.at + p.bytes);
      } catch (error) {
        next = Promise.reject(error);
      }
      if (next instanceof Promise || !this.joins(next, p.at + p.bytes)) {
        // An error is that of the next piece.
        if (next instanceof Promise) next.catch(() => {});
        this.ahead = next;
        return;
      }
      const bytes = Math.min(next.bytes, CHUNK - p.bytes);
      p.parts ??= [p.bytes];
      p.bytes += bytes;
      p.parts.push(next.kind === 'data' ? p.bytes : -p.bytes);
      this.from += bytes;
    }
  }

  /** Whether this is data, or zeroes behind data within the same cluster of the target, which exists anyway. */
  private joins({ kind, bytes, compressed }: Found, at: number): boolean {
    if (kind === 'data') return !compressed;
    const inUnit = at % this.r.target.zeroAlignment;
    return kind === 'zero' && inUnit !== 0 && inUnit + bytes <= this.r.target.zeroAlignment;
  }
}

function kindAt(r: CopyRequest, source: BlockNode, from: number, bytes: number, at: number): Soon<Found> {
  const { targetBacking } = r;
  const base = targetBacking === undefined ? undefined : source.backing;
  if (targetBacking !== undefined && at < targetBacking) bytes = Math.min(bytes, targetBacking - at);
  const fail = (error: unknown): Found => {
    if (r.salvage) return { kind: 'data', bytes: Math.min(bytes, 512) };
    throw failureOf(`error while reading block status at offset ${from}`, error);
  };
  try {
    const status = statusAbove(source, base, from, bytes);
    return status instanceof Promise ? status.then((s) => kindOf(r, s, at), fail) : kindOf(r, status, at);
  } catch (error) {
    return fail(error);
  }
}

function kindOf(r: CopyRequest, { data, zero, bytes, compressed }: ChainStatus, at: number): Found {
  const { targetBacking } = r;
  // Without zero detection everything is written out.
  if (r.minSparse === 0 && targetBacking === undefined && !data) return { kind: 'data', bytes };
  if (zero) return { kind: 'zero', bytes };
  if (data) return { kind: 'data', bytes, compressed };
  if (targetBacking !== undefined) return { kind: at >= targetBacking ? 'zero' : 'backing', bytes };
  return { kind: 'zero', bytes };
}

/** Whether the target reads as zeroes from there on without being written: nothing of a backing file shows. */
function isZeroAlready(r: CopyRequest, at: number): boolean {
  return r.targetIsZero && (r.targetBacking === undefined || at >= r.targetBacking);
}

/** Where in storage a range of the source lies in one piece; undefined if nowhere. */
async function storageUnder(
  source: BlockNode,
  from: number,
  bytes: number,
): Promise<{ node: BlockNode; offset: number } | undefined> {
  const top = await statusAbove(source, undefined, from, bytes, false);
  let at: { file: BlockNode | null; offset: number; bytes: number; compressed?: boolean } = top;
  for (;;) {
    const { file, offset } = at;
    if (!file || offset < 0 || at.bytes < bytes || at.compressed) return undefined;
    const below = await file.blockStatus(offset, bytes, false);
    if (below.file === file) return { node: file, offset };
    at = below;
  }
}

/** Copies a piece within the host; false if it has to be read and written. */
async function offloadPiece(r: CopyRequest, p: Piece): Promise<boolean> {
  const to = r.target.storageOf(p.at);
  if (!to) return false;
  const from = await storageUnder(p.source, p.from, p.bytes);
  return from !== undefined && to.node.copyFrom(from.node, from.offset, to.offset, p.bytes);
}

/** Buffers given back for the next piece; the last one first, as it is still in the cache. */
class Buffers {
  private readonly free: Buffer[] = [];

  take(bytes: number): Buffer {
    const b = this.free.pop();
    return b && b.length >= bytes ? b : Buffer.allocUnsafeSlow(Math.max(bytes, CHUNK));
  }

  give(b: Buffer): void {
    this.free.push(b);
  }
}

function readPiece(r: CopyRequest, p: Piece, buffer: Uint8Array): Ending {
  if (p.parts) return readParts(p, p.parts, buffer);
  if (p.joined) return readJoined(r, p, p.joined, buffer);
  const { salvage } = r;
  return readPart(p, 0, buffer, salvage && (() => salvagePiece(p, buffer, salvage)));
}

/** Reads what lies `start` bytes behind the beginning of a piece; `otherwise` is done where that fails. */
function readPart(p: Piece, start: number, buffer: Uint8Array, otherwise?: () => Promise<void>): Ending {
  const fail = (error: unknown): Ending => {
    if (otherwise) return otherwise();
    throw failureOf(`error while reading at byte ${p.at + start}`, error);
  };
  try {
    return p.source.read(p.from + start, buffer)?.catch(fail);
  } catch (error) {
    return fail(error);
  }
}

/** Fills the buffer for a piece, reading its parts at the same time; fails with the error of the first that fails, once all have ended. */
function readParts(p: Piece, parts: readonly number[], buffer: Uint8Array): Ending {
  const waiting: Promise<void>[] = [];
  let start = 0;
  for (const end of parts) {
    try {
      const reading = end > 0 ? readPart(p, start, buffer.subarray(start, end)) : undefined;
      if (reading) waiting.push(reading);
      else if (end < 0) buffer.fill(0, start, -end);
    } catch (error) {
      waiting.push(Promise.reject(error));
    }
    start = Math.abs(end);
  }
  return waiting.length > 0 ? allOf(waiting) : undefined;
}

async function readJoined(r: CopyRequest, p: Piece, joined: readonly Piece[], buffer: Uint8Array): Promise<void> {
  for (const one of joined) await readPiece(r, one, buffer.subarray(one.at - p.at, one.at - p.at + one.bytes));
}

async function allOf(waiting: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(waiting)) if (result.status === 'rejected') throw result.reason;
}

/** Reads sector by sector; those that cannot be read become zeroes. */
async function salvagePiece(p: Piece, buffer: Uint8Array, tell: NonNullable<CopyRequest['salvage']>): Promise<void> {
  for (let at = 0; at < buffer.length; at += 512) {
    const part = buffer.subarray(at, at + 512);
    try {
      await p.source.read(p.from + at, part);
    } catch (error) {
      tell(p.at + at, strerror(errnoOf(error)));
      part.fill(0);
    }
  }
}

/** Writes a piece: the buffer, or zeroes if there is none. `started` as for writeRuns. */
function writePiece(r: CopyRequest, p: Piece, buffer: Uint8Array | undefined, started: () => void): Ending {
  const fail = (error: unknown): never => {
    throw failureOf(`error while writing at byte ${p.at}`, error);
  };
  try {
    return (buffer ? writeData(r, p.at, buffer, started) : r.target.writeZeroes(p.at, p.bytes, REQ.MAY_UNMAP))?.catch(
      fail,
    );
  } catch (error) {
    return fail(error);
  }
}

function writeData(r: CopyRequest, at: number, buffer: Uint8Array, started: () => void): Ending {
  const { target } = r;
  const minSparse = r.offload ? 0 : r.minSparse;
  if (r.compressed) {
    // (A part of a cluster can only be compressed at the end of the target, which may be longer than the source; zeroes need not.)
    if (minSparse > 0 && isZero(buffer))
      return isZeroAlready(r, at) ? undefined : target.writeZeroes(at, buffer.length, REQ.MAY_UNMAP);
    return target.write(at, buffer, REQ.COMPRESSED);
  }
  // What is skipped saves something only where the target has units for it.
  const unit = Math.max(Math.min(minSparse, LEAST_SPARSE), target.zeroAlignment);
  const ends = minSparse === 0 ? [buffer.length] : longRuns(runs(buffer, at, unit), minSparse);
  return ends.length === 1 && ends[0]! > 0
    ? begin(started, target.write(at, buffer, r.targetIsZero ? REQ.FRESH : 0))
    : writeRuns(r, at, buffer, ends, started);
}

function begin(started: () => void, ending: Ending): Ending {
  started();
  return ending;
}

/**
 * Writes a buffer, leaving out runs of zeroes. Calls `started` once the order of what follows does not matter any more: the
 * target decides on places when a write begins, so the next piece need not wait for this one to end.
 */
async function writeRuns(
  r: CopyRequest,
  at: number,
  buffer: Uint8Array,
  ends: readonly number[],
  started: () => void,
): Promise<void> {
  const { target } = r;
  let start = 0;
  for (const end of ends) {
    if (end > 0) {
      const last = target.write(at + start, buffer.subarray(start, end), r.targetIsZero ? REQ.FRESH : 0);
      if (end === buffer.length) started();
      if (last) await last;
    } else if (!isZeroAlready(r, at + start)) {
      await target.writeZeroes(at + start, -end - start, REQ.MAY_UNMAP);
    }
    start = Math.abs(end);
  }
}

/**
 * Where runs of data end in a buffer that belongs at `at` and, as negative numbers, where runs of zeroes do. Blocks of `unit`
 * bytes, counted from the start of the disk, are zeroes or not; of a block that goes on outside the buffer, where a hole or
 * the end of the disk is or the next piece, the part in the buffer decides.
 */
function runs(buffer: Uint8Array, at: number, unit: number): number[] {
  const out: number[] = [];
  const { length } = buffer;
  let zeroRun = false;
  let i = 0;
  for (let next = Math.min(unit - (at % unit), length); i < length; i = next, next = Math.min(i + unit, length)) {
    const zero = buffer[i] === 0 && isZero(buffer, i, next);
    if (zero === zeroRun) continue;
    if (i > 0) out.push(zeroRun ? -i : i);
    zeroRun = zero;
  }
  out.push(zeroRun ? -length : length);
  return out;
}

/** The runs without those of zeroes behind data that are shorter than `least`. */
function longRuns(ends: number[], least: number): number[] {
  if (ends.length < 2) return ends;
  const out: number[] = [];
  for (const [i, end] of ends.entries()) {
    const short = i > 0 && end < 0 && -end - ends[i - 1]! < least;
    if (short) out.pop();
    if (!short || i === ends.length - 1) out.push(short ? -end : end);
  }
  return out;
}

/** Milliseconds of work after which signals and timers get their turn. */
const TURN = 20;

/** A copy under way. */
class Copy {
  private readonly buffers = new Buffers();
  private readonly started = performance.now();
  private lastTurn = this.started;
  private failed: { error: unknown } | undefined;
  private written = 0;
  /** Bytes that count for the rate. */
  private limited = 0;
  /** Ends when everything before has been written, or at least begun; undefined when it has. */
  private order: Ending;
  private readonly running = new Set<Promise<void>>();

  constructor(private readonly r: CopyRequest) {}

  async run(): Promise<void> {
    const { r, running } = this;
    const lanes = Math.max(1, r.parallel);
    const found = new Pieces(r);
    while (!this.failed) {
      const next = found.next();
      const p = next instanceof Promise ? await next : next;
      if (!p || this.failed) break;
      const idle = p.kind === 'backing' || (p.kind === 'zero' && isZeroAlready(r, p.at));
      if (idle) {
        this.finish(p);
        continue;
      }
      while (running.size >= lanes) await Promise.race(running);
      if (this.failed) break;
      if (r.rate > 0) {
        // Nothing waits behind the last request. What is passed over, and what the host copies by itself, takes no part in it.
        const ahead = (this.limited / r.rate) * 1000 - (performance.now() - this.started);
        if (ahead > 0) await Bun.sleep(ahead);
        if (!r.offload) this.limited += p.bytes;
      }
      this.start(p);
      const now = performance.now();
      if (now - this.lastTurn > TURN) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        this.lastTurn = now;
      }
    }
    await Promise.all(running);
    if (this.failed) throw this.failed.error;
  }

  private finish(p: Piece, whole?: Buffer): void {
    if (whole) this.buffers.give(whole);
    this.written += p.bytes;
    this.r.progress(this.r.length === 0 ? 1 : this.written / this.r.length);
  }

  /** Begins to copy a piece, and goes on as far as that is possible without waiting. */
  private start(p: Piece): void {
    const { r } = this;
    // Compressed clusters are put in order where they are written, so that several can be deflated at a time.
    const ordered = !r.outOfOrder && !r.compressed;
    const before = ordered ? this.order : undefined;
    try {
      const whole = p.kind === 'data' && !r.offload ? this.buffers.take(p.bytes) : undefined;
      const buffer = whole && whole.length !== p.bytes ? whole.subarray(0, p.bytes) : whole;
      const reading = buffer && readPiece(r, p, buffer);
      if (!reading && !before && !r.offload) {
        const writing = writePiece(r, p, buffer, () => {});
        if (writing) this.follow(writing.then(() => this.finish(p, whole)));
        else this.finish(p, whole);
        return;
      }
      let started = (): void => {};
      if (ordered) {
        const begun = new Promise<void>((resolve) => {
          started = resolve;
        });
        this.order = begun;
        void begun.then(() => {
          if (this.order === begun) this.order = undefined;
        });
      }
      this.follow(this.copyLater(p, whole, buffer, reading, before, started).finally(started));
    } catch (error) {
      this.failed ??= { error };
    }
  }

  private async copyLater(
    p: Piece,
    whole: Buffer | undefined,
    buffer: Uint8Array | undefined,
    reading: Ending,
    before: Ending,
    started: () => void,
  ): Promise<void> {
    const { r } = this;
    if (p.kind === 'data' && r.offload) {
      if (await offloadPiece(r, p)) return this.finish(p);
      whole = this.buffers.take(p.bytes);
      buffer = whole.subarray(0, p.bytes);
      await readPiece(r, p, buffer);
    } else if (reading) await reading;
    if (before) await before;
    if (this.failed) return;
    await writePiece(r, p, buffer, started);
    this.finish(p, whole);
  }

  /** Keeps account of work that goes on. */
  private follow(work: Promise<void>): void {
    const { running } = this;
    const all: Promise<void> = work
      .catch((error) => {
        this.failed ??= { error };
      })
      .then(() => {
        running.delete(all);
      });
    running.add(all);
  }
}

/** Copies the sources to the target. */
export function copyImages(r: CopyRequest): Promise<void> {
  return new Copy(r).run();
}
