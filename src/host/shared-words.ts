// Memory that a process shares with the children it will have.

import { type Pointer, toArrayBuffer } from 'bun:ffi';
import { SYS, sys6 } from './syscall.ts';

const PROT_READ_WRITE = 3;
const MAP_SHARED_ANONYMOUS = 0x21;

/** `size` bytes as words, all zero, that stay the same memory after a fork; null when there is none. They are never freed. */
export function sharedWords(size: number): Int32Array | null {
  const address = sys6(SYS.mmap, 0, size, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, -1, 0);
  return address < 0 ? null : new Int32Array(toArrayBuffer(address as Pointer, 0, size));
}
