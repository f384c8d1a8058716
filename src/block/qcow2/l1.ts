// The L1 table: reading, writing and the limits on where it may lie.
import { MAX_OFFSET } from '../bytes.ts';
import type { BlockNode } from '../driver.ts';
import { BlockError, ERRNO } from '../errors.ts';
import type { Header } from './header.ts';

/** Largest L1 table read into memory. */
export const MAX_L1_BYTES = 32 << 20;

/** Loads the words of an L1 table. */
export async function loadL1(s: { file: BlockNode }, offset: number, entries: number): Promise<Uint32Array> {
  const raw = new Uint8Array(entries * 8);
  await s.file.read(offset, raw);
  // In place: a table may have 32 MB.
  Buffer.from(raw.buffer).swap32();
  return new Uint32Array(raw.buffer);
}

/** Loads the L1 table of a snapshot; throws if it is too long or lies where none can. */
export async function loadSnapshotL1(
  s: { file: BlockNode; clusterSize: number },
  { l1Offset, l1Size }: { l1Offset: number; l1Size: number },
): Promise<Uint32Array> {
  if (l1Size * 8 > MAX_L1_BYTES) throw new BlockError('Snapshot L1 table too large', ERRNO.EFBIG);
  if (l1Offset % s.clusterSize !== 0) throw new BlockError('Snapshot L1 table offset invalid');
  return loadL1(s, l1Offset, l1Size);
}

/** Writes the words of an L1 table. */
export function l1Bytes(l1: Uint32Array): Uint8Array {
  return Buffer.from(l1.slice().buffer).swap32();
}

/** Checks that a table lies at a cluster boundary and is not unreasonably long. */
export function checkTable(h: Header, name: string, offset: number, bytes: number, limit: number): void {
  if (bytes > limit) throw new BlockError(`${name} too large`, ERRNO.EFBIG);
  if (offset > MAX_OFFSET - bytes || offset % 2 ** h.clusterBits !== 0) throw new BlockError(`${name} offset invalid`);
}
