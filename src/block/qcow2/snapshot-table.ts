// The snapshot table on disk: parsing with every length checked, and writing.
import {
  bytesOfName,
  nameOfBytes,
  readU16be,
  readU32be,
  readU64be,
  roundUp,
  writeU16be,
  writeU32be,
  writeU64be,
} from '../bytes.ts';
import { BlockError, ERRNO } from '../errors.ts';
import type { Qcow2State, Snapshot } from './state.ts';

const ENTRY_HEAD = 40;
/** Extra data of an entry that we know: large VM state size, disk size, instruction count. */
export const EXTRA_KNOWN = 24;
/** Most extra data an entry may have. */
export const MAX_EXTRA = 1024;
/** Longest table believed. */
export const MAX_SNAPSHOT_TABLE_BYTES = 1024 * 65536;

/** The error for a table entry that is too large to be read, which a repair makes smaller. */
export function tooMuchExtra(index: number): BlockError {
  return new BlockError(
    `Too much extra metadata in snapshot table entry ${index}`,
    ERRNO.EFBIG,
    'You can force-remove this extra metadata with wemu-img check -r all',
  );
}

/** Reads the snapshot table; with `lenient` (for checks) entries that cannot be right are kept as far as readable. */
export async function loadSnapshots(s: Qcow2State, lenient: boolean): Promise<void> {
  const { snapshotCount: count, snapshotOffset } = s.header;
  s.snapshots = [];
  if (count === 0) return;
  const bytes = Math.min(MAX_SNAPSHOT_TABLE_BYTES, Math.max(0, s.file.length - snapshotOffset));
  // Tables are small: read them in steps as they turn out to be longer.
  let have = new Uint8Array(0);
  const need = async (end: number): Promise<void> => {
    if (end <= have.length) return;
    if (end > bytes) throw new BlockError('Could not read snapshots: Snapshot table too large', ERRNO.EFBIG);
    const more = new Uint8Array(Math.min(bytes, Math.max(end, have.length * 2, 4096)));
    await s.file.read(snapshotOffset, more);
    have = more;
  };
  let at = 0;
  for (let i = 0; i < count; i++) {
    at = roundUp(at, 8);
    await need(at + ENTRY_HEAD);
    const extraSize = readU32be(have, at + 36);
    const idSize = readU16be(have, at + 12);
    const nameSize = readU16be(have, at + 14);
    if (extraSize > MAX_EXTRA && !lenient) throw tooMuchExtra(i);
    await need(at + ENTRY_HEAD + extraSize + idSize + nameSize);
    const extra = at + ENTRY_HEAD;
    const text = extra + extraSize;
    const icount =
      extraSize >= 24 ? [readU32be(have, extra + 16), readU32be(have, extra + 20)] : [0xffffffff, 0xffffffff];
    const snapshot: Snapshot = {
      l1Offset: readU64be(have, at),
      l1Size: readU32be(have, at + 8),
      dateSec: readU32be(have, at + 16),
      dateNsec: readU32be(have, at + 20),
      vmClockNsec: readU64be(have, at + 24),
      vmStateSize: extraSize >= 8 ? readU64be(have, extra) : readU32be(have, at + 32),
      diskSize: extraSize >= 16 ? readU64be(have, extra + 8) : s.size,
      icount: icount[0] === 0xffffffff && icount[1] === 0xffffffff ? null : icount[0]! * 2 ** 32 + icount[1]!,
      id: nameOfBytes(have.subarray(text, text + idSize)),
      name: nameOfBytes(have.subarray(text + idSize, text + idSize + nameSize)),
      unknownExtra: have.slice(extra + EXTRA_KNOWN, Math.max(extra + EXTRA_KNOWN, extra + extraSize)),
      extraSize,
    };
    s.snapshots.push(snapshot);
    at = text + idSize + nameSize;
  }
}

/** Bytes of the snapshot table as it stands on disk. */
export function snapshotTableBytes(snapshots: readonly Snapshot[]): number {
  let at = 0;
  for (const sn of snapshots) {
    at = roundUp(at, 8) + ENTRY_HEAD + sn.extraSize + bytesOfName(sn.id).length + bytesOfName(sn.name).length;
  }
  return at;
}

/** The table as it stands on disk. */
export function serializeSnapshots(snapshots: readonly Snapshot[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const sn of snapshots) {
    const id = bytesOfName(sn.id);
    const name = bytesOfName(sn.name);
    const extraSize = EXTRA_KNOWN + sn.unknownExtra.length;
    const b = new Uint8Array(roundUp(ENTRY_HEAD + extraSize + id.length + name.length, 8));
    writeU64be(b, 0, sn.l1Offset);
    writeU32be(b, 8, sn.l1Size);
    writeU16be(b, 12, id.length);
    writeU16be(b, 14, name.length);
    writeU32be(b, 16, sn.dateSec);
    writeU32be(b, 20, sn.dateNsec);
    writeU64be(b, 24, sn.vmClockNsec);
    writeU32be(b, 32, sn.vmStateSize <= 0xffffffff ? sn.vmStateSize : 0);
    writeU32be(b, 36, extraSize);
    writeU64be(b, 40, sn.vmStateSize);
    writeU64be(b, 48, sn.diskSize);
    if (sn.icount === null) b.fill(0xff, 56, 64);
    else writeU64be(b, 56, sn.icount);
    b.set(sn.unknownExtra, ENTRY_HEAD + EXTRA_KNOWN);
    b.set(id, ENTRY_HEAD + extraSize);
    b.set(name, ENTRY_HEAD + extraSize + id.length);
    parts.push(b);
  }
  return Buffer.concat(parts);
}
