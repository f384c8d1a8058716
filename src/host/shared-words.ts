// Memory of a process beside the guest's: what it shares with the children it will have, and what they do not get.

import { type Pointer, toArrayBuffer } from 'bun:ffi';
import { SYS, sys3, sys6 } from './syscall.ts';

const PROT_READ_WRITE = 3;
const MAP_SHARED_ANONYMOUS = 0x21;

/** `size` bytes as words, all zero, that stay the same memory after a fork; null when there is none. They are never freed. */
export function sharedWords(size: number): Int32Array | null {
  const address = sys6(SYS.mmap, 0, size, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, -1, 0);
  return address < 0 ? null : new Int32Array(toArrayBuffer(address as Pointer, 0, size));
}

const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022;
const MADV_DONTNEED = 4;
const MADV_DONTFORK = 10;

/**
 * `size` bytes of address space, zero, which children do not have; null when there is no room. `clear` makes them zero again
 * and gives the memory back.
 */
export function windowOf(size: number): { u8: Uint8Array; words: Uint32Array; clear(): void } | null {
  const address = sys6(SYS.mmap, 0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0);
  if (address < 0) return null;
  sys3(SYS.madvise, address, size, MADV_DONTFORK);
  const buffer = toArrayBuffer(address as Pointer, 0, size);
  return {
    u8: new Uint8Array(buffer),
    words: new Uint32Array(buffer),
    clear: () => sys3(SYS.madvise, address, size, MADV_DONTNEED),
  };
}
