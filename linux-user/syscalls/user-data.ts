// Structures, vectors and buffers passed between guest memory and host memory, for handlers that do more than pass on.

import { EFAULT, EOVERFLOW } from '../../src/host/errno.ts';
import { BAD_ADDRESS } from '../paths.ts';
import type { Process } from '../process.ts';
import { convert, write64 } from '../structs.ts';

/** Most elements of an I/O vector (UIO_MAXIOV). */
export const MAX_IOV = 1024;

/**
 * Converts the guest's structure at `pointer` into host layout at offset `at` of the scratch buffer and returns its host
 * address. NULL stays NULL; unreadable bytes become an address that fails, so that the host finds the guest's mistakes in
 * its own order.
 */
export function hostCopy(p: Process, name: string, pointer: number, at = 0): number {
  if (pointer === 0) return 0;
  const guest = p.structs.layout(name);
  const host = p.hostStructs.layout(name);
  const scratch = p.scratch(at + host.size);
  if (!p.memory.checkRead(pointer, guest.size)) return BAD_ADDRESS;
  convert(guest, p.view, pointer >>> 0, host, scratch.view, at);
  return scratch.address + at;
}

/**
 * Converts the host's structure at offset `at` of the scratch buffer into guest layout at `pointer`; `keep`: its
 * padding keeps what is there. 0 or -errno.
 */
export function toGuest(p: Process, name: string, at: number, pointer: number, hostName = name, keep = false): number {
  const guest = p.structs.layout(name);
  const host = p.hostStructs.layout(hostName);
  if (!p.memory.prepareWrite(pointer, guest.size)) return -EFAULT;
  return convert(host, p.scratch(0).view, at, guest, p.view, pointer >>> 0, keep) ? 0 : -EOVERFLOW;
}

/**
 * Builds the host's form of a guest I/O vector in the scratch buffer at offset `at` and returns its address. Mistakes of
 * the guest are carried over, so that the host finds them in its own order: an unreadable vector becomes an unreadable
 * address, a negative length stays one, and too many elements are not looked at.
 * @param write the host will write to the buffers
 */
export function hostVector(p: Process, vector: number, count: number, write: boolean, at = 0): number {
  count >>>= 0;
  const scratch = p.scratch(at + MAX_IOV * 16);
  if (count > MAX_IOV || count === 0) return scratch.address + at;
  const long = p.abi.model.longSize;
  if (!p.memory.checkRead(vector, count * 2 * long)) return vector === 0 ? 0 : BAD_ADDRESS;
  const { view } = scratch;
  const little = p.little;
  vector >>>= 0;
  for (let i = 0; i < count; i++) {
    const from = vector + i * 2 * long;
    const to = at + i * 16;
    // The low words: 64-bit guests live below 4 GiB as well.
    const low = !little && long === 8 ? 4 : 0;
    const pointer = p.view.getUint32(from + low, little);
    const length = p.view.getUint32(from + long + low, little);
    const negative = long === 4 && length >= 0x80000000;
    const cut = negative ? 0 : p.room(pointer, length);
    write64(view, to, write ? p.out(pointer, cut) : p.in(pointer), true);
    write64(view, to + 8, negative ? -1 : cut, true);
  }
  return scratch.address + at;
}

/** Converts `count` elements at `pointer` into host layout at offset `at` of the scratch buffer; see hostCopy. */
export function hostArray(p: Process, name: string, pointer: number, count: number, at: number): number {
  const guest = p.structs.layout(name);
  const host = p.hostStructs.layout(name);
  const scratch = p.scratch(at + count * host.size);
  if (!p.memory.checkRead(pointer, count * guest.size)) return BAD_ADDRESS;
  for (let i = 0; i < count; i++) {
    convert(guest, p.view, (pointer >>> 0) + i * guest.size, host, scratch.view, at + i * host.size);
  }
  return scratch.address + at;
}

/** Converts `count` elements at offset `at` of the scratch buffer into guest layout at `pointer`; 0 or -errno. */
export function arrayToGuest(p: Process, name: string, at: number, pointer: number, count: number): number {
  const size = p.structs.sizeOf(name);
  const hostSize = p.hostStructs.sizeOf(name);
  for (let i = 0; i < count; i++) {
    const stored = toGuest(p, name, at + i * hostSize, (pointer >>> 0) + i * size);
    if (stored < 0) return stored;
  }
  return 0;
}

/** Copies guest bytes into the scratch buffer at offset `at`; false when they cannot be read. */
export function copyIn(p: Process, pointer: number, length: number, at: number): boolean {
  if (!p.memory.checkRead(pointer, length)) return false;
  pointer >>>= 0;
  p.scratch(at + length).u8.set(p.memory.u8.subarray(pointer, pointer + length), at);
  return true;
}

/** Copies bytes from offset `at` of the scratch buffer to the guest; false when they cannot be written. */
export function copyOut(p: Process, at: number, length: number, pointer: number): boolean {
  return p.memory.writeBytes(pointer, p.scratch(0).u8.subarray(at, at + length));
}
