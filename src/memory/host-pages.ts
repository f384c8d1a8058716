/** The host's side of guest pages: mmap, mprotect and mremap on the guest's part of the host address space. */

import { SYS, sys3, sys5, sys6 } from '../host/syscall.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PAGE_EXEC,
  PAGE_READ,
  PAGE_WRITE,
  PROT_NONE,
  PROT_READ,
} from './page-flags.ts';

/** Protection of the host page for page flags: guest code is read, never executed, by the host. */
export function hostProtection(flags: number): number {
  const prot = flags & (PAGE_READ | PAGE_WRITE);
  return flags & PAGE_EXEC ? prot | PROT_READ : prot;
}

/** mmap(2) at exactly `address`; 0 or -errno. */
export function hostMap(
  address: number,
  length: number,
  prot: number,
  flags: number,
  fd: number,
  offset: number,
): number {
  const result = sys6(SYS.mmap, address, length, prot, flags | MAP_FIXED, fd, offset);
  return result === address ? 0 : result;
}

/** Takes the range back from the guest: no access, no memory, but nobody else in this process can be given it. */
export function hostReserve(address: number, length: number): number {
  return hostMap(address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/** mprotect(2); 0 or -errno. */
export function hostProtect(address: number, length: number, prot: number): number {
  return sys3(SYS.mprotect, address, length, prot);
}

/** madvise(2); 0 or -errno. */
export function hostAdvise(address: number, length: number, advice: number): number {
  return sys3(SYS.madvise, address, length, advice);
}

/**
 * Moves the pages at `from` to `to` (may be the same) and resizes the mapping, without ever
 * leaving a hole in the guest's range that another thread's mmap could be given: the kernel keeps the old range mapped,
 * empty (MREMAP_DONTUNMAP, Linux 5.13 for all kinds), the resizing happens elsewhere, and the last step replaces what is
 * at `to`. With `oldLength` 0 a shared mapping is duplicated. Afterwards the range at `from` is an empty mapping; the
 * caller reserves it. 0 or -errno; on failure the old mapping is back in place.
 */
export function hostMove(from: number, oldLength: number, newLength: number, to: number): number {
  let away: number;
  if (oldLength === 0) {
    away = sys5(SYS.mremap, from, 0, newLength, MREMAP_MAYMOVE, 0);
    if (away < 0) return away;
  } else {
    const aside = sys5(SYS.mremap, from, oldLength, oldLength, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
    if (aside < 0) return aside;
    away = newLength === oldLength ? aside : sys5(SYS.mremap, aside, oldLength, newLength, MREMAP_MAYMOVE, 0);
    if (away < 0) {
      sys5(SYS.mremap, aside, oldLength, oldLength, MREMAP_MAYMOVE | MREMAP_FIXED, from);
      return away;
    }
  }
  const result = sys5(SYS.mremap, away, newLength, newLength, MREMAP_MAYMOVE | MREMAP_FIXED, to);
  return result === to ? 0 : result;
}

/** The same for any number of neighbouring mappings that keep their size (one call; several only since Linux 6.17). */
export function hostMoveAll(from: number, length: number, to: number): number {
  const result = sys5(SYS.mremap, from, length, length, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);
  return result === to ? 0 : result;
}
