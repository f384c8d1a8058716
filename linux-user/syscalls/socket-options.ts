// getsockopt and setsockopt: options whose value has the guest's longs or pointers in it.

import { EFAULT, ENOPROTOOPT } from '../../src/host/errno.ts';
import { SYS, sys5 } from '../../src/host/syscall.ts';
import { unimpOnce } from '../../src/log/log.ts';
import { BAD_ADDRESS } from '../paths.ts';
import type { Process } from '../process.ts';
import { read64, write64 } from '../structs.ts';
import { copyIn, copyOut, hostCopy, toGuest } from './user-data.ts';

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
/**
 * MCAST_MSFILTER: interface, group, mode, number of sources, sources. The addresses are aligned like a long: on the host
 * four bytes stand before the group, on 32-bit ABIs none.
 */
const MCAST_MSFILTER = 48;
const FILTER_HEAD = 4 + ADDRESS_SIZE + 8;
const HOST_FILTER_HEAD = FILTER_HEAD + 4;
const MOST_SOURCES = 64;
const SOL_TCP = 6;
/** Maps received pages at an address in its structure. */
const TCP_ZEROCOPY_RECEIVE = 35;

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
  if ((level === SOL_IP || level === SOL_IPV6) && name === MCAST_MSFILTER && length >= FILTER_HEAD) {
    const address = filterToHost(p, value, length);
    return pass(address, length + 4);
  }
  return pass(p.in(value), length);
}

/** Copies the filter at `value` to the scratch buffer in the host's form; its address there. */
function filterToHost(p: Process, value: number, length: number): number {
  const size = Math.min(length, FILTER_HEAD + MOST_SOURCES * ADDRESS_SIZE);
  if (!copyIn(p, (value >>> 0) + 4, size - 4, 8) || !copyIn(p, value, 4, 0)) return BAD_ADDRESS;
  return p.scratch(HOST_FILTER_HEAD + MOST_SOURCES * ADDRESS_SIZE).address;
}

/** The sources of a multicast group: what comes back is cut to the room there is. */
function getFilter(
  p: Process,
  fd: number,
  level: number,
  value: number,
  lengthPointer: number,
  length: number,
): number {
  const size = Math.min(length, FILTER_HEAD + MOST_SOURCES * ADDRESS_SIZE);
  const address = filterToHost(p, value, size);
  const lengthAt = HOST_FILTER_HEAD + MOST_SOURCES * ADDRESS_SIZE;
  const scratch = p.scratch(lengthAt + 4);
  scratch.view.setInt32(lengthAt, size + 4, true);
  const result = sys5(SYS.getsockopt, fd, level, MCAST_MSFILTER, address, scratch.address + lengthAt);
  if (result < 0) return result;
  const used = scratch.view.getInt32(lengthAt, true) - 4;
  if (!copyOut(p, 8, used - 4, (value >>> 0) + 4)) return -EFAULT;
  return p.writeU32(lengthPointer, used) ? 0 : -EFAULT;
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
  if (level === SOL_TCP && name === TCP_ZEROCOPY_RECEIVE) {
    unimpOnce('getsockopt TCP_ZEROCOPY_RECEIVE');
    return -ENOPROTOOPT;
  }
  if (p.abi.model.longSize === 4 && (level === SOL_IP || level === SOL_IPV6) && name === MCAST_MSFILTER) {
    if (length >= FILTER_HEAD && length <= 0x7fffffff) return getFilter(p, fd, level, value, lengthPointer, length);
  }
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
