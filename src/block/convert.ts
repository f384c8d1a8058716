// Copying images: reads what holds data, detects zeroes, writes in order or as it comes, compressed if wanted.

import { type ChainStatus, statusAbove } from './block-status.ts';
import { isZero } from './bytes.ts';
import { type BlockNode, REQ } from './driver.ts';
import { BlockError, errnoOf, strerror } from './errors.ts';

/** How to copy. */
export interface CopyRequest {
  sources: readonly BlockNode[];
  target: BlockNode;
  /** Bytes of the target to fill; sources beyond are ignored. */
  length: number;
  compressed: boolean;
  /** Runs of zeroes at least this long are not written; 0 writes everything. */
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

/** Copied at a time: large enough that calls and turns of the event loop cost nothing. */
const CHUNK = 2 << 20;

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
}

/** Finds the pieces one after the other. */
async function* pieces(r: CopyRequest): AsyncGenerator<Piece> {
  const unit = r.compressed ? r.target.clusterSize : 0;
  let start = 0;
  for (const source of r.sources) {
    const base = r.targetBacking === undefined ? undefined : source.backing;
    const end = Math.min(source.length, r.length - start);
    for (let from = 0; from < end; ) {
      const at = start + from;
      let { kind, bytes } = await kindAt(r, source, base, from, end - from, at);
      if (kind === 'data') bytes = Math.min(bytes, Math.max(CHUNK, unit));
      if (unit > 0) {
        // Compressed clusters are written whole.
        const cluster = unit - (at % unit);
        if (bytes < cluster && from + bytes < end) kind = 'data';
        bytes =
          kind === 'data'
            ? Math.min(cluster, end - from)
            : bytes - ((at + bytes) % unit === 0 || from + bytes === end ? 0 : (at + bytes) % unit);
      }
      yield { kind, source, from, at, bytes };
      from += bytes;
    }
    start += source.length;
  }
  // Behind the sources a longer target reads as zero.
  if (start < r.length && r.sources.length > 0 && !r.targetIsZero) {
    yield { kind: 'zero', source: r.sources[0]!, from: 0, at: start, bytes: r.length - start };
  }
}

async function kindAt(
  r: CopyRequest,
  source: BlockNode,
  base: BlockNode | undefined,
  from: number,
  bytes: number,
  at: number,
): Promise<{ kind: Kind; bytes: number }> {
  const { targetBacking } = r;
  if (targetBacking !== undefined && at < targetBacking) bytes = Math.min(bytes, targetBacking - at);
  let status: ChainStatus;
  try {
    status = await statusAbove(source, base, from, bytes);
  } catch (error) {
    if (!r.salvage)
      throw new BlockError(
        `error while reading block status at offset ${from}: ${strerror(errnoOf(error))}`,
        errnoOf(error),
      );
    return { kind: 'data', bytes: Math.min(bytes, 512) };
  }
  // Without zero detection everything is written out.
  if (r.minSparse === 0 && targetBacking === undefined && !status.data) return { kind: 'data', bytes: status.bytes };
  if (status.zero) return { kind: 'zero', bytes: status.bytes };
  if (status.data) return { kind: 'data', bytes: status.bytes };
  if (targetBacking !== undefined) return { kind: at >= targetBacking ? 'zero' : 'backing', bytes: status.bytes };
  return { kind: 'zero', bytes: status.bytes };
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

async function readPiece(r: CopyRequest, p: Piece, buffer: Uint8Array): Promise<void> {
  try {
    await p.source.read(p.from, buffer);
  } catch (error) {
    if (!r.salvage)
      throw new BlockError(`error while reading at byte ${p.at}: ${strerror(errnoOf(error))}`, errnoOf(error));
    for (let at = 0; at < buffer.length; at += 512) {
      const part = buffer.subarray(at, at + 512);
      try {
        await p.source.read(p.from + at, part);
      } catch (inner) {
        r.salvage(p.at + at, strerror(errnoOf(inner)));
        part.fill(0);
      }
    }
  }
}

/**
 * Writes a buffer, leaving out runs of zeroes. Calls `started` once the order of what follows does not matter any more: the
 * target decides on places when a write begins, so the next piece need not wait for this one to end.
 */
async function writeData(r: CopyRequest, at: number, buffer: Uint8Array, started: () => void): Promise<void> {
  const { target } = r;
  const minSparse = r.offload ? 0 : r.minSparse;
  if (r.compressed) {
    if (minSparse > 0 && r.targetIsZero && isZero(buffer)) return;
    await target.write(at, buffer, REQ.COMPRESSED);
    return;
  }
  if (minSparse === 0) {
    const whole = target.write(at, buffer);
    started();
    return whole;
  }
  // Blocks are counted from the start of the disk, so that what is skipped does not depend on the pieces.
  let start = 0;
  let zeroRun = false;
  const flush = async (end: number): Promise<void> => {
    if (end === start) return;
    if (!zeroRun) {
      const last = target.write(at + start, buffer.subarray(start, end));
      if (end === buffer.length) started();
      await last;
    } else if (!r.targetIsZero || r.targetBacking !== undefined)
      await target.writeZeroes(at + start, end - start, REQ.MAY_UNMAP);
  };
  for (let i = 0; i < buffer.length; ) {
    const n = Math.min(minSparse - ((at + i) % minSparse), buffer.length - i);
    const zero = n === minSparse && isZero(buffer, i, i + n);
    if (zero !== zeroRun) {
      await flush(i);
      start = i;
      zeroRun = zero;
    }
    i += n;
  }
  await flush(buffer.length);
}

/** Copies the sources to the target. */
export async function copyImages(r: CopyRequest): Promise<void> {
  const buffers = new Buffers();
  const lanes = Math.max(1, r.parallel);
  const started = performance.now();
  let failed: { error: unknown } | undefined;
  let written = 0;
  /** Ends when everything before has been written, or at least begun. */
  let order: Promise<void> = Promise.resolve();
  const running = new Set<Promise<void>>();
  const finish = (p: Piece): void => {
    written += p.bytes;
    r.progress(r.length === 0 ? 1 : written / r.length);
  };
  const write = async (p: Piece, buffer: Uint8Array | undefined, started: () => void): Promise<void> => {
    try {
      if (buffer) await writeData(r, p.at, buffer, started);
      else if (p.kind === 'zero' && (!r.targetIsZero || r.targetBacking !== undefined)) {
        await r.target.writeZeroes(p.at, p.bytes, REQ.MAY_UNMAP);
      }
    } catch (error) {
      if (error instanceof BlockError && error.message.startsWith('error while')) throw error;
      throw new BlockError(`error while writing at byte ${p.at}: ${strerror(errnoOf(error))}`, errnoOf(error));
    }
  };
  const start = (p: Piece): void => {
    // Compressed clusters are put in order where they are written, so that several can be deflated at a time.
    const ordered = !r.outOfOrder && !r.compressed;
    const before = order;
    let started = (): void => {};
    if (ordered) order = new Promise((resolve) => (started = resolve));
    const work = (async () => {
      let whole: Buffer | undefined;
      let buffer: Buffer | undefined;
      if (p.kind === 'data' && r.offload && (await offloadPiece(r, p))) {
        started();
        finish(p);
        return;
      }
      if (p.kind === 'data') {
        whole = buffers.take(p.bytes);
        buffer = whole.length === p.bytes ? whole : whole.subarray(0, p.bytes);
        await readPiece(r, p, buffer);
      }
      if (ordered) await before;
      if (failed) return;
      await write(p, buffer, started);
      if (whole) buffers.give(whole);
      finish(p);
    })()
      .catch((error) => {
        failed ??= { error };
      })
      .finally(started);
    running.add(work);
    void work.then(() => running.delete(work));
  };
  for await (const p of pieces(r)) {
    if (failed) break;
    const idle = p.kind === 'backing' || (p.kind === 'zero' && r.targetIsZero && r.targetBacking === undefined);
    if (idle) {
      finish(p);
      continue;
    }
    while (running.size >= lanes) await Promise.race(running);
    if (failed) break;
    start(p);
    if (r.rate > 0) {
      const ahead = (written / r.rate) * 1000 - (performance.now() - started);
      if (ahead > 0) await Bun.sleep(ahead);
    }
  }
  await Promise.all(running);
  if (failed) throw failed.error;
}
