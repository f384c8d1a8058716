// getsockopt and setsockopt: options whose value has the guest's longs or pointers in it.

import { EFAULT, ENOPROTOOPT } from '../../src/host/errno.ts';
import { SYS, sys5 } from '../../src/host/syscall.ts';
import { unimpOnce } from '../../src/log/log.ts';
import { BAD_ADDRESS } from '../paths.ts';
import type { Process } from '../process.ts';
import { read64, write64 } from '../structs.ts';
import { swapAddress, swapOption } from './byte-order.ts';
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
/** Longer values are not turned for guests of another byte order. */
const LONGEST_OPTION = 4096;
/** BPF_MAXINSNS. */
const MOST_INSTRUCTIONS = 4096;
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
    const instructions = p.readU32((value >>> 0) + 4)!;
    write64(view, 8, p.little ? p.in(instructions) : hostProgram(p, instructions, view.getUint16(0, true)), true);
    return pass(address, 16);
  }
  if ((level === SOL_IP || level === SOL_IPV6) && name >= MCAST_FIRST && name <= MCAST_LAST) {
    const addresses = name === MCAST_FIRST || name === 45 ? 1 : 2;
    const size = addresses * ADDRESS_SIZE;
    if (length < 4 + size) return pass(p.in(value), length);
    if (!copyIn(p, (value >>> 0) + 4, size, 8) || !copyIn(p, value, 4, 0)) return pass(BAD_ADDRESS, 8 + size);
    if (!p.little) {
      const { u8 } = p.scratch(0);
      u8.subarray(0, 4).reverse();
      for (let i = 0; i < addresses; i++) swapAddress(u8, 8 + i * ADDRESS_SIZE, ADDRESS_SIZE, true);
    }
    return pass(p.scratch(0).address, 8 + size);
  }
  if ((level === SOL_IP || level === SOL_IPV6) && name === MCAST_MSFILTER && length >= FILTER_HEAD) {
    const address = filterToHost(p, value, length);
    return pass(address, length + 4);
  }
  if (!p.little && length > 0 && length <= LONGEST_OPTION) {
    if (!copyIn(p, value, length, 0)) return pass(BAD_ADDRESS, length);
    swapOption(p.scratch(0).u8, 0, length, level, name);
    return pass(p.scratch(0).address, length);
  }
  return pass(p.in(value), length);
}

/** Instructions of a socket filter (struct sock_filter) in the host's order, behind what stands at the scratch buffer's start. */
function hostProgram(p: Process, instructions: number, count: number): number {
  if (count > MOST_INSTRUCTIONS || !copyIn(p, instructions, count * 8, 16)) return BAD_ADDRESS;
  const { u8, address } = p.scratch(0);
  for (let at = 16; at < 16 + count * 8; at += 8) {
    u8.subarray(at, at + 2).reverse();
    u8.subarray(at + 4, at + 8).reverse();
  }
  return address + 16;
}

/** Turns a filter of the host's form at the scratch buffer's start from one order to the other. */
function swapFilter(p: Process, size: number, toHost: boolean): void {
  if (p.little) return;
  const { u8, view } = p.scratch(0);
  const numbers = [0, HOST_FILTER_HEAD - 8, HOST_FILTER_HEAD - 4];
  for (const at of numbers) u8.subarray(at, at + 4).reverse();
  swapAddress(u8, 8, ADDRESS_SIZE, toHost);
  const last = numbers[2]!;
  const sources = Math.min(view.getUint32(last, toHost), MOST_SOURCES, Math.floor((size - FILTER_HEAD) / ADDRESS_SIZE));
  for (let i = 0; i < sources; i++) swapAddress(u8, HOST_FILTER_HEAD + i * ADDRESS_SIZE, ADDRESS_SIZE, toHost);
}

/** Copies the filter at `value` to the scratch buffer in the host's form; its address there. */
function filterToHost(p: Process, value: number, length: number): number {
  const size = Math.min(length, FILTER_HEAD + MOST_SOURCES * ADDRESS_SIZE);
  if (!copyIn(p, (value >>> 0) + 4, size - 4, 8) || !copyIn(p, value, 4, 0)) return BAD_ADDRESS;
  const { address } = p.scratch(HOST_FILTER_HEAD + MOST_SOURCES * ADDRESS_SIZE);
  swapFilter(p, size, true);
  return address;
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
  swapFilter(p, used, false);
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
  if (!p.little && !isTimeout(level, name) && length <= LONGEST_OPTION) {
    const { u8, view: swapped, address: at } = p.scratch(LONGEST_OPTION + 4);
    swapped.setUint32(LONGEST_OPTION, length, true);
    const answer = sys5(SYS.getsockopt, fd, level, name, value === 0 ? 0 : at, at + LONGEST_OPTION);
    if (answer < 0) return answer;
    const got = Math.min(swapped.getUint32(LONGEST_OPTION, true), length);
    swapOption(u8, 0, got, level, name);
    return copyOut(p, 0, got, value) && p.writeU32(lengthPointer, got) ? answer : -EFAULT;
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
