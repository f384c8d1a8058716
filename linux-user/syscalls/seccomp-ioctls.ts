// The ioctl requests of a descriptor that listens to a seccomp filter (seccomp_unotify(2)).

import { EFAULT, EINVAL } from '../../src/host/errno.ts';
import { SYS, sys3 } from '../../src/host/syscall.ts';
import type { Process } from '../process.ts';
import { CONTINUE, NOTIF_SIZE, unpack } from '../seccomp-notify.ts';
import type { Row } from './row.ts';

export const SECCOMP_IOCTL_NOTIF_RECV = 0xc0502100;
const SECCOMP_IOCTL_NOTIF_SEND = 0xc0182101;
const SECCOMP_IOCTL_NOTIF_ID_VALID = 0x40082102;
/** The same with the direction that Linux 5.0 to 5.6 had. */
const SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR = 0x80082102;
const SECCOMP_IOCTL_NOTIF_ADDFD = 0x40182103;
const SECCOMP_IOCTL_NOTIF_SET_FLAGS = 0x40082104;

/** Bytes of struct seccomp_notif_resp and where its members stand. */
const RESP_SIZE = 24;
const [RESP_VAL, RESP_ERROR, RESP_FLAGS] = [8, 16, 20];
const FLAG_CONTINUE = 1;
const ADDFD_SIZE = 24;

/** Notifications of guests that were received and not answered, by id. */
const carried = new Set<bigint>();

function receive(p: Process, fd: number, request: number, pointer: number): number {
  const at = pointer >>> 0;
  if (!p.memory.checkWrite(at, NOTIF_SIZE) || !p.memory.checkRead(at, NOTIF_SIZE)) return -EFAULT;
  const { u8, view, address } = p.scratch(NOTIF_SIZE);
  u8.set(p.memory.u8.subarray(at, at + NOTIF_SIZE));
  const result = p.wait(SYS.ioctl, fd, request, address, 0, 0, 0);
  if (result < 0) return result;
  const id = view.getBigUint64(0, true);
  if (unpack(view, p.little)) carried.add(id);
  return p.memory.writeBytes(at, u8.subarray(0, NOTIF_SIZE)) ? result : -EFAULT;
}

/** Copies words of 64 and 32 bits from the guest into the host's order: where each stands. */
function copyWords(
  p: Process,
  pointer: number,
  size: number,
  longs: readonly number[],
  words: readonly number[],
): DataView | undefined {
  const at = pointer >>> 0;
  if (!p.memory.checkRead(at, size)) return undefined;
  const { view } = p.scratch(size);
  for (const k of longs) view.setBigUint64(k, p.view.getBigUint64(at + k, p.little), true);
  for (const k of words) view.setUint32(k, p.view.getUint32(at + k, p.little), true);
  return view;
}

function send(p: Process, fd: number, request: number, pointer: number): number {
  const view = copyWords(p, pointer, RESP_SIZE, [0, RESP_VAL], [RESP_ERROR, RESP_FLAGS]);
  if (!view) return -EFAULT;
  const id = view.getBigUint64(0, true);
  if (carried.has(id) && view.getUint32(RESP_FLAGS, true) === FLAG_CONTINUE) {
    if (view.getBigInt64(RESP_VAL, true) !== 0n || view.getInt32(RESP_ERROR, true) !== 0) return -EINVAL;
    view.setBigInt64(RESP_VAL, BigInt(CONTINUE), true);
    view.setUint32(RESP_FLAGS, 0, true);
  }
  const result = sys3(SYS.ioctl, fd, request, p.scratch(0).address);
  if (result >= 0) carried.delete(id);
  return result;
}

/** A pointer to one number of 64 bits. */
function number64(p: Process, fd: number, request: number, pointer: number): number {
  if (!copyWords(p, pointer, 8, [0], [])) return -EFAULT;
  return sys3(SYS.ioctl, fd, request, p.scratch(0).address);
}

/** SET_FLAGS has its argument in place of a pointer. */
function setFlags(_: Process, fd: number, request: number, flags: number): number {
  return sys3(SYS.ioctl, fd, request, flags >>> 0);
}

function addDescriptor(p: Process, fd: number, request: number, pointer: number): number {
  if (!copyWords(p, pointer, ADDFD_SIZE, [0], [8, 12, 16, 20])) return -EFAULT;
  return sys3(SYS.ioctl, fd, request, p.scratch(0).address);
}

const row = (run: Row['run'], argument: string): Row => ({ args: `fd fd, enum:ioctl request, ${argument}`, run });

export const SECCOMP_IOCTLS: Readonly<Record<number, readonly [name: string, row: Row]>> = {
  [SECCOMP_IOCTL_NOTIF_RECV]: ['SECCOMP_IOCTL_NOTIF_RECV', { ...row(receive, 'addr arg'), blocks: true }],
  [SECCOMP_IOCTL_NOTIF_SEND]: ['SECCOMP_IOCTL_NOTIF_SEND', row(send, 'addr arg')],
  [SECCOMP_IOCTL_NOTIF_ID_VALID]: ['SECCOMP_IOCTL_NOTIF_ID_VALID', row(number64, 'addr arg')],
  [SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR]: ['SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR', row(number64, 'addr arg')],
  [SECCOMP_IOCTL_NOTIF_ADDFD]: ['SECCOMP_IOCTL_NOTIF_ADDFD', row(addDescriptor, 'addr arg')],
  [SECCOMP_IOCTL_NOTIF_SET_FLAGS]: ['SECCOMP_IOCTL_NOTIF_SET_FLAGS', row(setFlags, 'hex arg')],
};
