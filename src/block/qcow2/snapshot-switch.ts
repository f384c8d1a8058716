// Putting a new snapshot table in the place of the old one.
import { writeU32be, writeU64be } from '../bytes.ts';
import { ERRNO, errnoError } from '../errors.ts';
import { FIELD } from './header.ts';
import { allocClusters, freeClusters } from './refcount.ts';
import { EXTRA_KNOWN, MAX_SNAPSHOT_TABLE_BYTES, serializeSnapshots, snapshotTableBytes } from './snapshot-table.ts';
import type { Qcow2State, Snapshot } from './state.ts';

/** Writes the table to a new place, points the header there, and frees the old one. */
export async function writeSnapshotTable(s: Qcow2State, snapshots: Snapshot[]): Promise<void> {
  const oldBytes = snapshotTableBytes(s.snapshots);
  const oldOffset = s.header.snapshotOffset;
  const table = serializeSnapshots(snapshots);
  if (table.length > MAX_SNAPSHOT_TABLE_BYTES) throw errnoError(ERRNO.EFBIG);
  let offset = 0;
  if (table.length > 0) {
    offset = await allocClusters(s, table.length);
    try {
      await s.flushCaches();
      await s.file.write(offset, table);
      await s.file.flush();
    } catch (error) {
      await freeClusters(s, offset, table.length, 'always').catch(() => {});
      throw error;
    }
  }
  const field = (count: number, at: number): Uint8Array => {
    const b = new Uint8Array(12);
    writeU32be(b, 0, count);
    writeU64be(b, 4, at);
    return b;
  };
  try {
    await s.switchField(
      FIELD.snapshotCount,
      field(snapshots.length, offset),
      field(s.header.snapshotCount, s.header.snapshotOffset),
    );
  } catch (error) {
    if (table.length > 0) await freeClusters(s, offset, table.length, 'never').catch(() => {});
    throw error;
  }
  s.header.snapshotCount = snapshots.length;
  s.header.snapshotOffset = offset;
  s.snapshots = snapshots.map((sn) => ({ ...sn, extraSize: EXTRA_KNOWN + sn.unknownExtra.length }));
  if (oldBytes > 0) await freeClusters(s, oldOffset, oldBytes, 'snapshot');
}
