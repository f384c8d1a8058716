// getsockopt and setsockopt: options whose value has the guest's longs or pointers in it.

import { EFAULT } from '../../src/host/errno.ts';
import { SYS, sys5 } from '../../src/host/syscall.ts';
import { BAD_ADDRESS } from '../paths.ts';
import type { Process } from '../process.ts';
import { read64, write64 } from '../structs.ts';
import { copyIn, hostCopy, toGuest } from './user-data.ts';

const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const SO_ATTACH_FILTER = 26;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const SOL_IP = 0;
const SOL_IPV6 = 41;
/** MCAST_JOIN_GROUP to MCAST_LEAVE_SOURCE_GROUP: an interface number, then addresses aligned like a long. */
const MCAST_FIRST = 42;
const MCAST_LAST = 47;
const ADDRESS_SIZE = 128;

function isTimeout(level: number, name: number): boolean {
  return level === SOL_SOCKET && (name === SO_RCVTIMEO || name === SO_SNDTIMEO);
}

export function setsockopt(p: Process, fd: number, level: number, name: number, value: number, length: number): number {
  if (p.abi.model.longSize === 8) return sys5(SYS.setsockopt, fd, level, name, p.in(value), length);
  const pass = (address: number, size: number) => sys5(SYS.setsockopt, fd, level, name, address, size);
  if (isTimeout(level, name)) {
    // Too short a value stays too short for the host.
    return pass(hostCopy(p, 'timeval', value), length < p.structs.sizeOf('timeval') ? length : 16);
  }
  if (level === SOL_SOCKET && (name === SO_ATTACH_FILTER || name === SO_ATTACH_REUSEPORT_CBPF)) {
    // A wrong size stays wrong for the host, a bad address bad.
    if (length !== 8) return pass(p.in(value), length === 16 ? 8 : length);
    if (!p.memory.checkRead(value, 8)) return pass(BAD_ADDRESS, 16);
    const { view, address } = p.scratch(16);
    view.setUint32(0, p.view.getUint16(value >>> 0, p.little), true);
    write64(view, 8, p.in(p.readU32((value >>> 0) + 4)!), true);
    return pass(address, 16);
  }
  if ((level === SOL_IP || level === SOL_IPV6) && name >= MCAST_FIRST && name <= MCAST_LAST) {
    const addresses = name === MCAST_FIRST || name === 45 ? 1 : 2;
    const size = addresses * ADDRESS_SIZE;
    if (length < 4 + size) return pass(p.in(value), length);
    if (!copyIn(p, (value >>> 0) + 4, size, 8) || !copyIn(p, value, 4, 0)) return pass(BAD_ADDRESS, 8 + size);
    return pass(p.scratch(0).address, 8 + size);
  }
  return pass(p.in(value), length);
}

export function getsockopt(
  p: Process,
  fd: number,
  level: number,
  name: number,
  value: number,
  lengthPointer: number,
): number {
  const length = p.readU32(lengthPointer);
  if (length === undefined) return sys5(SYS.getsockopt, fd, level, name, p.in(value), p.in(lengthPointer));
  if (p.abi.model.longSize === 8 || !isTimeout(level, name) || (length | 0) < 0) {
    const room = Math.max(0, length | 0);
    return sys5(SYS.getsockopt, fd, level, name, p.out(value, room), p.out(lengthPointer, 4));
  }
  const size = p.structs.sizeOf('timeval');
  const { view, address } = p.scratch(32);
  view.setInt32(16, 16, true);
  const result = sys5(SYS.getsockopt, fd, level, name, address, address + 16);
  if (result < 0) return result;
  if (length < size) {
    // The kernel cuts the value to the room there is.
    const bytes = new Uint8Array(8);
    const cut = new DataView(bytes.buffer);
    cut.setInt32(0, read64(view, 0, true, true), p.little);
    cut.setInt32(4, read64(view, 8, true, true), p.little);
    return p.memory.writeBytes(value, bytes.subarray(0, length)) ? 0 : -EFAULT;
  }
  const stored = toGuest(p, 'timeval', 0, value);
  if (stored < 0) return stored;
  return p.writeU32(lengthPointer, size) ? 0 : -EFAULT;
}
