// ioctl(2): rows made from the request table, and the few requests whose argument leads further.

import { EBADF, ENOTTY } from '../../src/host/errno.ts';
import { SYS, sys3 } from '../../src/host/syscall.ts';
import { unimpOnce } from '../../src/log/log.ts';
import type { Process } from '../process.ts';
import { compileRow } from './call.ts';
import { IOCTL_HANDLERS } from './ioctl-handlers.ts';
import { IOCTLS } from './ioctl-table.ts';
import type { Handler, Row, Rows, Unfolded } from './row.ts';

const F_GETFD = 1;

const rows = new Map<number, Row>();

function ioctlRow(request: number): Row | undefined {
  let row = rows.get(request);
  if (row) return row;
  if (Object.hasOwn(IOCTL_HANDLERS, request)) row = IOCTL_HANDLERS[request]![1];
  else {
    const text = Object.hasOwn(IOCTLS, request) ? IOCTLS[request]! : undefined;
    if (text === undefined) return undefined;
    row = rowOf(text, request);
  }
  rows.set(request, row);
  return row;
}

function rowOf(text: string, request: number): Row {
  const [, direction, type, hostNumber] = text.split(' ');
  if (direction === undefined) return { args: 'fd fd, enum:ioctl request', run: 'ioctl', blocks: true };
  const argument = direction === 'value' ? `${type} arg` : `${direction} ${type} arg`;
  const row: Row = { args: `fd fd, enum:ioctl request, ${argument}`, run: 'ioctl', blocks: true };
  const host = hostNumber === undefined ? request : Number(hostNumber.slice(1));
  return host === request ? row : { ...row, run: renumbered(row, host) };
}

/** The same call with the host's request number; where longs have 64 bits, the guest's number is the host's. */
function renumbered(row: Row, host: number): Handler {
  let pass: Handler | undefined;
  return (p, fd, request, arg) => {
    pass ??= compileRow(row, p);
    return pass(p, fd, p.abi.model.longSize === 4 ? host : request, arg, 0, 0, 0);
  };
}

function unfold(_: Process, args: number[]): Unfolded | null {
  const row = ioctlRow(args[1]! >>> 0);
  return row ? { name: 'ioctl', row, args } : null;
}

/** An unknown request: as from a driver that does not know it either. */
function unknown(_: Process, fd: number, request: number): number {
  if (sys3(SYS.fcntl, fd, F_GETFD, 0) < 0) return -EBADF;
  unimpOnce(`ioctl 0x${(request >>> 0).toString(16)}`);
  return -ENOTTY;
}

/** The name of a request; undefined when it has no row. */
export function ioctlName(request: number): string | undefined {
  if (Object.hasOwn(IOCTL_HANDLERS, request)) return IOCTL_HANDLERS[request]![0];
  return Object.hasOwn(IOCTLS, request) ? IOCTLS[request]!.split(' ')[0] : undefined;
}

export const IOCTL_ROWS = {
  ioctl: { args: 'fd fd, enum:ioctl request, addr argp', run: unknown, unfold },
} satisfies Rows;
