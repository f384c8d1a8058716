// The snapshot table as info and snapshot -l print it.
import { bytesOfName } from '../../block/bytes.ts';
import type { SnapshotInfo } from '../../block/driver.ts';
import { humanSize } from './common.ts';

const two = (n: number): string => String(n).padStart(2, '0');

function clock(nsec: number): string {
  const ms = Math.floor(nsec / 1e6);
  const s = Math.floor(ms / 1000);
  return `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}.${String(ms % 1000).padStart(3, '0')}`;
}

/** One line of the list: columns as other tools align them. */
export function snapshotLine(sn: SnapshotInfo | undefined): string {
  if (!sn) {
    return (
      'ID'.padEnd(10) +
      'TAG'.padEnd(17) +
      'VM SIZE'.padStart(8) +
      'DATE'.padStart(20) +
      'VM CLOCK'.padStart(13) +
      'ICOUNT'.padStart(11)
    );
  }
  const d = new Date(sn.dateSec * 1000);
  const date = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return (
    sn.id.padEnd(9) +
    ' ' +
    sn.name +
    ' '.repeat(Math.max(0, 16 - bytesOfName(sn.name).length)) +
    ' ' +
    humanSize(sn.vmStateSize).padStart(8) +
    date.padStart(20) +
    clock(sn.vmClockNsec).padStart(13) +
    (sn.icount === null ? '' : String(sn.icount)).padStart(11)
  );
}

export function snapshotTable(list: readonly SnapshotInfo[]): string {
  return `${[undefined, ...list].map(snapshotLine).join('\n')}\n`;
}
