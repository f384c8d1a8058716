// Compressed clusters: deflate with a 4 KiB window or zstd, done by the engine's worker threads.
import { BlockError, ERRNO } from '../errors.ts';

/** node:zlib takes milliseconds to load, so it is loaded with the first compressed cluster. */
let loaded: typeof import('node:zlib') | undefined;

async function zlib(): Promise<typeof import('node:zlib')> {
  return (loaded ??= await import('node:zlib'));
}

/** Raw deflate with a 12-bit window and all memory for matching: what every reader of the format expects. */
const DEFLATE = { windowBits: 12, memLevel: 9, level: -1 };

/** Compresses one cluster; undefined when that does not save at least one byte. */
export async function compressCluster(data: Uint8Array, type: number): Promise<Uint8Array | undefined> {
  try {
    const out = type === 1 ? await Bun.zstdCompress(data) : await deflate(data);
    return out.length < data.length ? out : undefined;
  } catch (error) {
    throw new BlockError(`Compression failed: ${(error as Error).message}`, ERRNO.EIO);
  }
}

async function deflate(data: Uint8Array): Promise<Uint8Array> {
  const { deflateRaw } = await zlib();
  return new Promise((resolve, reject) => {
    deflateRaw(data, DEFLATE, (error, out) => (error ? reject(error) : resolve(out)));
  });
}

/** Room for a little more than there should be, so that the end is found without a second buffer. */
const SPARE = 512;

/** Clusters up to this size are inflated at once: handing them to a thread would take longer. */
const INLINE_LIMIT = 4096;

/**
 * Inflates the data at the start of `input` (what follows it is ignored) into exactly `size` bytes.
 */
export async function decompressCluster(input: Uint8Array, size: number, type: number): Promise<Uint8Array> {
  if (type === 1) return decompressZstd(input, size);
  const { constants, inflateRaw, inflateRawSync } = await zlib();
  const options = {
    windowBits: 12,
    chunkSize: size + SPARE,
    maxOutputLength: size,
    finishFlush: constants.Z_SYNC_FLUSH,
  };
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, out: Uint8Array | undefined): void => {
      if (error || !out || out.length !== size) reject(new BlockError('Input/output error', ERRNO.EIO));
      else resolve(out);
    };
    if (size <= INLINE_LIMIT) {
      let out: Uint8Array | undefined;
      try {
        out = inflateRawSync(input, options);
      } catch (error) {
        return done(error as Error, undefined);
      }
      return done(null, out);
    }
    inflateRaw(input, options, done);
  });
}

/** A zstd frame: its length, and that of what it expands to if it says so or that is nothing. */
interface Frame {
  length: number;
  content: number | undefined;
}

/** Skippable frames (RFC 8878 §3.1.2) begin with one of sixteen numbers, and their length. */
function skippableFrame(b: Uint8Array): Frame | undefined {
  if (b.length < 8 || (b[0]! & 0xf0) !== 0x50 || b[1] !== 0x2a || b[2] !== 0x4d || b[3] !== 0x18) return undefined;
  const length = 8 + b[4]! + b[5]! * 2 ** 8 + b[6]! * 2 ** 16 + b[7]! * 2 ** 24;
  return length <= b.length ? { length, content: 0 } : undefined;
}

/** The first zstd frame in `b`, found by walking its block headers (RFC 8878 §3.1.1); undefined if cut off. */
export function zstdFrame(b: Uint8Array): Frame | undefined {
  if (b.length < 6 || b[0] !== 0x28 || b[1] !== 0xb5 || b[2] !== 0x2f || b[3] !== 0xfd) return undefined;
  const descriptor = b[4]!;
  const single = (descriptor >> 5) & 1;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  const contentSize = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  let at = 5 + (single ? 0 : 1) + dictionary;
  let content = contentSize === 0 ? undefined : contentSize === 2 ? 256 : 0;
  for (let i = 0; i < contentSize; i++) content! += (b[at + i] ?? 0) * 256 ** i;
  at += contentSize;
  let empty = true;
  for (;;) {
    if (at + 3 > b.length) return undefined;
    const block = b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16);
    const type = (block >> 1) & 3;
    at += 3 + (type === 1 ? 1 : block >> 3);
    empty &&= type < 2 && block >> 3 === 0;
    if (type === 3 || at > b.length) return undefined;
    if (block & 1) break;
  }
  if (descriptor & 4) at += 4;
  if (empty) content ??= 0;
  else if (content === 0) return undefined;
  return at <= b.length ? { length: at, content } : undefined;
}

async function decompressZstd(input: Uint8Array, size: number): Promise<Uint8Array> {
  // A cluster may be several frames; what is not a frame any more is padding.
  const parts: Uint8Array[] = [];
  let got = 0;
  let at = 0;
  while (got < size) {
    const rest = input.subarray(at);
    const frame = zstdFrame(rest) ?? skippableFrame(rest);
    if (frame === undefined) break;
    at += frame.length;
    if (frame.content === 0) continue;
    const part = await expandFrame(rest.subarray(0, frame.length), frame.content, size - got);
    if (part.length === 0) break;
    parts.push(part);
    got += part.length;
  }
  if (got !== size) throw new BlockError('Input/output error', ERRNO.EIO);
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/**
 * Expands a frame to `limit` bytes at most. The window it asks for is reserved, but only what it expands to gets memory; without a
 * length of the content, windows of more than 128 MB are refused.
 */
async function expandFrame(frame: Uint8Array, content: number | undefined, limit: number): Promise<Uint8Array> {
  try {
    // Bun's own function takes less time, but a limit only from what the frame says.
    if (content !== undefined && content <= limit) return await Bun.zstdDecompress(frame);
    const { zstdDecompress } = await zlib();
    return await new Promise((resolve, reject) => {
      zstdDecompress(frame, { chunkSize: limit + SPARE, maxOutputLength: limit }, (error, out) =>
        error ? reject(error) : resolve(out),
      );
    });
  } catch {
    throw new BlockError('Input/output error', ERRNO.EIO);
  }
}
