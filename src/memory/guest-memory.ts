/** The guest's mappings: mmap, munmap, mprotect, mremap and brk with the kernel's rules, done in place on the host. */

import { EBADF, EEXIST, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP, EPERM } from '../host/errno.ts';
import { SYS, sys0, sys3, sys5 } from '../host/syscall.ts';
import { findFreeBottomUp, findFreeTopDown, isFree, STACK_GUARD_PAGES } from './free-space.ts';
import { CONTROL, GuestPages, type SharedMemory, STATE_BASE, STATE_SIZE } from './guest-pages.ts';
import { hostAdvise, hostMap, hostMove, hostMoveAll, hostProtect, hostProtection, hostReserve } from './host-pages.ts';
import {
  MAP_32BIT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_TYPE,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PAGE_ACCESS,
  PAGE_ANON,
  PAGE_CODE,
  PAGE_EXEC,
  PAGE_GROWSDOWN,
  PAGE_MAPPED,
  PAGE_READ,
  PAGE_SHARED,
  PAGE_SHIFT,
  PAGE_SIZE,
  PAGE_WRITE,
  PROT_EXEC,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
  PROT_READ,
  PROT_SEM,
  PROT_WRITE,
} from './page-flags.ts';
import { listRegions, type Region } from './regions.ts';

export type { Region } from './regions.ts';

const MS_ASYNC = 1;
const F_GETFD = 1;
/** vm.mmap_min_addr of every distribution; only a process with CAP_SYS_RAWIO may map below. */
const MMAP_MIN_ADDR = 0x10000;
/** Room the kernel leaves between mmap_base and the end of the address space, at least (arch/x86/mm/mmap.c). */
const MIN_STACK_GAP = 128 << 20;

/** Rounds a length up to whole pages; exact beyond 2^32. */
function pageAlign(length: number): number {
  return Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
}

/** Guest memory with mappings. Methods return an address, 0, or -errno, as the system call of that name does. */
export class GuestMemory extends GuestPages {
  private readonly pageWords: Int32Array;
  /** Translated pages of shared mappings. */
  private readonly sharedCode = new Set<number>();
  /** Write-protected pages that are the same memory as translated ones: page to translated pages. */
  private readonly doubles = new Map<number, number[]>();

  constructor(taskSize?: number, shared?: SharedMemory) {
    super(taskSize, shared);
    this.pageWords = new Int32Array(this.table, 0, this.pages.length / 4);
  }

  /**
   * Sets where the search for free space begins: below the stack and its gap, as the kernel does for a stack that may
   * grow to `stackLimit` bytes.
   */
  setMmapBase(stackLimit: number): void {
    const most = Math.floor(this.taskSize / 6) * 5;
    const gap = Math.min(Math.max(stackLimit + (STACK_GUARD_PAGES + 1) * PAGE_SIZE, MIN_STACK_GAP), most);
    this.control[CONTROL.stackLimit] = Math.min(stackLimit, 0x7fffffff);
    this.control[CONTROL.mmapBase] = this.control[CONTROL.searchStart] =
      (this.taskSize - pageAlign(gap)) >>> PAGE_SHIFT;
  }

  /**
   * Takes everything back from the guest, for another program to be loaded: no mappings, no heap, the first `stateSize`
   * bytes of the emulator's part zero. The hooks are those of a new memory.
   */
  clear(stateSize: number = STATE_SIZE): void {
    this.onCodeWrite = (first, last) => this.unprotectCode(first, last);
    this.onUnmapCode = (first, last) => this.onCodeWrite(first, last);
    this.sharedCode.clear();
    this.doubles.clear();
    hostReserve(this.base, this.taskSize);
    hostMap(
      this.base + STATE_BASE,
      stateSize,
      PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
      -1,
      0,
    );
    this.forgetPages();
    this.control.fill(0);
    this.readImpliesExec = false;
    this.forgetPopulated();
  }

  /** First address behind the area that mappings without an address are placed in. */
  get mmapBase(): number {
    return this.control[CONTROL.mmapBase]! * PAGE_SIZE;
  }

  /** mmap(2): flags as on x86 Linux (MAP_*), offset in bytes. */
  map(addr: number, length: number, prot: number, flags: number, fd: number, offset: number): number {
    addr >>>= 0;
    this.lock();
    try {
      const at = this.mapAddress(addr, length, flags);
      if (at < 0) {
        // The kernel looks at the descriptor first.
        const badFd = !(flags & MAP_ANONYMOUS) && sys3(SYS.fcntl, fd, F_GETFD, 0) < 0;
        return badFd ? -EBADF : at;
      }
      return this.mapAt(at, pageAlign(length), prot, flags, fd, offset);
    } finally {
      this.unlock();
    }
  }

  /**
   * Maps shared memory that `attach` puts at a host address (shmat). `addr` 0 lets us choose; only with `replace` may
   * something be mapped there.
   */
  mapBy(addr: number, length: number, prot: number, replace: boolean, attach: (hostAddress: number) => number): number {
    this.lock();
    try {
      const fixed = addr === 0 ? 0 : replace ? MAP_FIXED : MAP_FIXED_NOREPLACE;
      let at = this.mapAddress(addr, length, fixed);
      if (at === -EEXIST) at = -EINVAL;
      if (at < 0) return at;
      const size = pageAlign(length);
      const first = at >>> PAGE_SHIFT;
      const last = (at + size - 1) >>> PAGE_SHIFT;
      this.dropCode(first, last, this.onUnmapCode);
      const result = attach(this.base + at);
      if (result < 0) {
        this.repairAfterFailedMap(at, size);
        return result;
      }
      const bits = this.accessBits(prot) | PAGE_MAPPED | PAGE_SHARED;
      hostProtect(this.base + at, size, hostProtection(bits));
      this.pages.fill(bits, first, last + 1);
      return at;
    } finally {
      this.unlock();
    }
  }

  /** Puts a page of the kernel's, readable and executable, at an address above the task size. It must not fail. */
  mapKernelPage(address: number, contents: Uint8Array): void {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS;
    const result = hostMap(this.base + address, PAGE_SIZE, hostProtection(PAGE_READ | PAGE_WRITE), flags, -1, 0);
    if (result < 0) throw new Error(`cannot map the page at 0x${address.toString(16)}: error ${-result}`);
    this.u8.set(contents, address);
    const bits = PAGE_READ | PAGE_EXEC | PAGE_MAPPED | PAGE_ANON;
    hostProtect(this.base + address, PAGE_SIZE, hostProtection(bits));
    this.pages[address >>> PAGE_SHIFT] = bits;
  }

  /** Where a new mapping goes, or -errno (get_unmapped_area and the checks before it). */
  private mapAddress(addr: number, length: number, flags: number): number {
    if (length === 0) return -EINVAL;
    const size = pageAlign(length);
    if (size > 0xffffffff) return -ENOMEM;
    const fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
    if (size > this.taskSize) return -ENOMEM;
    // Large pages would have to be aligned on the host, which guest addresses are not: like a pool with none free.
    if (flags & MAP_HUGETLB) return -ENOMEM;
    if (!fixed) {
      let hint = addr - (addr % PAGE_SIZE);
      if (hint !== 0 && hint < MMAP_MIN_ADDR) hint = MMAP_MIN_ADDR;
      if (hint !== 0 && hint + size <= this.taskSize && isFree(this.pages, hint >>> PAGE_SHIFT, size >>> PAGE_SHIFT)) {
        return hint;
      }
      return this.findFree(size);
    }
    if (addr > this.taskSize - size) return -ENOMEM;
    if (addr % PAGE_SIZE !== 0) return -EINVAL;
    if (addr < MMAP_MIN_ADDR && sys0(SYS.geteuid) !== 0) return -EPERM;
    if (flags & MAP_FIXED_NOREPLACE && !isFree(this.pages, addr >>> PAGE_SHIFT, size >>> PAGE_SHIFT)) return -EEXIST;
    return addr;
  }

  /** Top-down from mmap_base, then bottom-up from a third of the address space, as the kernel falls back. */
  private findFree(size: number): number {
    const count = size >>> PAGE_SHIFT;
    const low = MMAP_MIN_ADDR >>> PAGE_SHIFT;
    const found = findFreeTopDown(this.pages, this.pageWords, low, this.control[CONTROL.searchStart]!, count);
    this.control[CONTROL.searchStart] = found.firstFree;
    if (found.start >= 0) return found.start * PAGE_SIZE;
    const third = Math.ceil(this.taskSize / 3 / PAGE_SIZE);
    const start = findFreeBottomUp(this.pages, third, this.taskSize >>> PAGE_SHIFT, count);
    return start >= 0 ? start * PAGE_SIZE : -ENOMEM;
  }

  private mapAt(at: number, size: number, prot: number, flags: number, fd: number, offset: number): number {
    const type = flags & MAP_TYPE;
    const anonymous = (flags & MAP_ANONYMOUS) !== 0;
    // For a file the host checks this itself, after the descriptor.
    if (anonymous && type !== MAP_SHARED && type !== MAP_PRIVATE) return -EINVAL;
    const growsDown = anonymous && type === MAP_PRIVATE && (flags & MAP_GROWSDOWN) !== 0;
    if (flags & MAP_GROWSDOWN && !growsDown && anonymous) return -EINVAL;
    let bits = this.accessBits(prot) | PAGE_MAPPED;
    if (anonymous) bits |= PAGE_ANON;
    if (type !== MAP_PRIVATE) bits |= PAGE_SHARED;
    if (growsDown) bits |= PAGE_GROWSDOWN;

    const first = at >>> PAGE_SHIFT;
    const last = (at + size - 1) >>> PAGE_SHIFT;
    this.dropCode(first, last, this.onUnmapCode);
    // Not among the flags that the kernel takes for valid where it promises to check them.
    const validate = type === MAP_SHARED_VALIDATE && (flags & MAP_FIXED_NOREPLACE) !== 0;
    if (validate) return sys3(SYS.fcntl, fd, F_GETFD, 0) < 0 ? -EBADF : -EOPNOTSUPP;
    const hostFlags = flags & ~(MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT | MAP_GROWSDOWN);
    const hostFd = anonymous ? -1 : fd;
    const result = hostMap(this.base + at, size, hostProtection(bits), hostFlags, hostFd, anonymous ? 0 : offset);
    if (result < 0) {
      this.repairAfterFailedMap(at, size);
      return result;
    }
    this.pages.fill(bits, first, last + 1);
    if (bits & PAGE_SHARED) this.protectDoubles();
    return at;
  }

  /** A file's own mmap operation can fail after the kernel has already removed what was there. */
  private repairAfterFailedMap(at: number, size: number): void {
    if (sys3(SYS.msync, this.base + at, size, MS_ASYNC) !== -ENOMEM) return;
    hostReserve(this.base + at, size);
    this.markUnmapped(at >>> PAGE_SHIFT, (at + size - 1) >>> PAGE_SHIFT);
  }

  /** Access flags for a PROT_* value: what may be written or executed can be read as well (x86 page tables). */
  private accessBits(prot: number): number {
    let bits = prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
    if (bits & (PROT_WRITE | PROT_EXEC)) bits |= PAGE_READ;
    if (this.readImpliesExec && prot & PROT_READ) bits |= PAGE_EXEC;
    return bits;
  }

  private markUnmapped(first: number, last: number): void {
    this.pages.fill(0, first, last + 1);
    const base = this.control[CONTROL.mmapBase]!;
    if (last + 1 > this.control[CONTROL.searchStart]! && first < base) {
      this.control[CONTROL.searchStart] = Math.min(last + 1, base);
    }
  }

  /** munmap(2). */
  unmap(addr: number, length: number): number {
    addr >>>= 0;
    if (addr % PAGE_SIZE !== 0 || addr > this.taskSize || length > this.taskSize - addr) return -EINVAL;
    const size = pageAlign(length);
    if (size === 0) return -EINVAL;
    this.lock();
    try {
      return this.unmapPages(addr, size);
    } finally {
      this.unlock();
    }
  }

  private unmapPages(addr: number, size: number): number {
    const first = addr >>> PAGE_SHIFT;
    const last = (addr + size - 1) >>> PAGE_SHIFT;
    this.dropCode(first, last, this.onUnmapCode);
    const result = hostReserve(this.base + addr, size);
    if (result < 0) return result;
    this.markUnmapped(first, last);
    return 0;
  }

  /** mprotect(2). */
  protect(addr: number, length: number, prot: number): number {
    addr >>>= 0;
    const grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
    prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP);
    if (grows === (PROT_GROWSDOWN | PROT_GROWSUP)) return -EINVAL;
    if (addr % PAGE_SIZE !== 0) return -EINVAL;
    if (length === 0) return 0;
    const size = pageAlign(length);
    if (addr + size > 2 ** 32) return -ENOMEM;
    if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM)) return -EINVAL;
    if (addr + size > this.taskSize && addr >= this.taskSize) return -ENOMEM;
    this.lock();
    try {
      let first = addr >>> PAGE_SHIFT;
      const last = Math.min(addr + size, this.taskSize) / PAGE_SIZE - 1;
      if (grows & PROT_GROWSDOWN) {
        if (!this.pages[first]) return -ENOMEM;
        if (!(this.pages[first]! & PAGE_GROWSDOWN)) return -EINVAL;
        while (first > 0 && this.pages[first - 1]! & PAGE_GROWSDOWN) first--;
      } else if (grows) {
        return this.pages[first] ? -EINVAL : -ENOMEM;
      }
      const result = this.protectPages(first, last, this.accessBits(prot));
      if (result < 0) return result;
      return addr + size > this.taskSize ? -ENOMEM : 0;
    } finally {
      this.unlock();
    }
  }

  /** Goes from run to run of pages of one kind, so that an error leaves the runs before it changed, as in the kernel. */
  private protectPages(first: number, last: number, access: number): number {
    const pages = this.pages;
    for (let page = first; page <= last; ) {
      const flags = pages[page]!;
      if (flags === 0) return -ENOMEM;
      const start = page;
      while (page <= last && pages[page] === flags) page++;
      if ((flags & PAGE_ACCESS) === access) continue;
      if (flags & PAGE_CODE && !(access & PAGE_EXEC)) this.dropCode(start, page - 1, this.onUnmapCode);
      // Pages that stay translated stay protected against writing.
      const code = flags & PAGE_CODE && access & PAGE_EXEC ? PAGE_CODE : 0;
      const prot = hostProtection(code ? access & ~PAGE_WRITE : access);
      const result = hostProtect(this.base + start * PAGE_SIZE, (page - start) * PAGE_SIZE, prot);
      // One run may be several mappings of the host: the first that refuses stops it.
      if (result < 0) return this.protectOneByOne(start, page - 1, access);
      pages.fill((flags & ~(PAGE_ACCESS | PAGE_CODE)) | access | code, start, page);
      if (flags & PAGE_SHARED) this.protectDoubles();
    }
    return 0;
  }

  private protectOneByOne(first: number, last: number, access: number): number {
    this.dropCode(first, last, this.onUnmapCode);
    for (let page = first; page <= last; page++) {
      const result = hostProtect(this.base + page * PAGE_SIZE, PAGE_SIZE, hostProtection(access));
      if (result < 0) return result;
      this.pages[page] = (this.pages[page]! & ~PAGE_ACCESS) | access;
    }
    return 0;
  }

  /** mremap(2). */
  remap(oldAddr: number, oldLength: number, newLength: number, flags: number, newAddr: number): number {
    oldAddr >>>= 0;
    newAddr >>>= 0;
    const oldSize = pageAlign(oldLength);
    const newSize = pageAlign(newLength);
    const mayMove = (flags & MREMAP_MAYMOVE) !== 0;
    const fixed = (flags & MREMAP_FIXED) !== 0;
    const dontUnmap = (flags & MREMAP_DONTUNMAP) !== 0;
    if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) return -EINVAL;
    if (oldAddr % PAGE_SIZE !== 0 || newSize === 0 || newSize > this.taskSize) return -EINVAL;
    if (fixed || dontUnmap) {
      if (newAddr > this.taskSize - newSize || newAddr % PAGE_SIZE !== 0) return -EINVAL;
      if (!mayMove || (dontUnmap && oldSize !== newSize)) return -EINVAL;
      if (oldAddr + oldSize > newAddr && newAddr + newSize > oldAddr) return -EINVAL;
      if (fixed && newAddr < MMAP_MIN_ADDR && sys0(SYS.geteuid) !== 0) return -EPERM;
    }
    // Behind the end stands the state of the emulator: never to be unmapped or moved with the rest.
    if (oldAddr + oldSize > this.taskSize) return oldSize > newSize ? -EINVAL : -EFAULT;
    this.lock();
    try {
      if (this.pages[oldAddr >>> PAGE_SHIFT] === 0) return -EFAULT;
      if (!fixed && !dontUnmap) {
        const result = this.resizeInPlace(oldAddr, oldSize, newSize);
        if (result !== -ENOMEM || !mayMove) return result;
      }
      return this.move(oldAddr, oldSize, newSize, flags, newAddr);
    } finally {
      this.unlock();
    }
  }

  /** The old address, or -ENOMEM when the mapping can only grow elsewhere, or another error. */
  private resizeInPlace(addr: number, oldSize: number, newSize: number): number {
    if (newSize <= oldSize) {
      if (newSize < oldSize) this.unmapPages(addr + newSize, oldSize - newSize);
      return addr;
    }
    const kind = this.pages[addr >>> PAGE_SHIFT]! & ~PAGE_CODE;
    if (oldSize === 0) return kind & PAGE_SHARED ? -ENOMEM : -EINVAL;
    if (!this.isOneKind(addr, oldSize, kind)) return -EFAULT;
    const end = (addr + oldSize) >>> PAGE_SHIFT;
    const more = (newSize - oldSize) >>> PAGE_SHIFT;
    if (addr + newSize > this.taskSize || !isFree(this.pages, end, more)) {
      // Neighbours of one kind can still be several mappings; only the host can tell (EFAULT). It cannot grow them.
      return sys5(SYS.mremap, this.base + addr, oldSize, newSize, 0, 0);
    }
    const result = this.growInPlace(addr, oldSize, newSize, kind);
    if (result < 0) return result;
    this.pages.fill(kind, end, end + more);
    return addr;
  }

  private move(oldAddr: number, oldSize: number, newSize: number, flags: number, newAddr: number): number {
    const fixed = (flags & MREMAP_FIXED) !== 0;
    const first = oldAddr >>> PAGE_SHIFT;
    const kind = this.pages[first]! & ~PAGE_CODE;
    if (oldSize === 0 && !(kind & PAGE_SHARED)) return -EINVAL;
    const moving = Math.min(oldSize, newSize);
    if (fixed && oldSize === newSize) return this.moveAll(oldAddr, newAddr, moving, flags);
    if (!this.isOneKind(oldAddr, moving, kind)) return -EFAULT;
    const to = fixed ? newAddr : this.mapAddress(flags & MREMAP_DONTUNMAP ? newAddr : 0, newSize, 0);
    if (to < 0) return to;
    const last = (to + newSize) / PAGE_SIZE - 1;
    if (moving > 0) this.dropCode(first, (oldAddr + moving) / PAGE_SIZE - 1, this.onUnmapCode);
    if (fixed) this.dropCode(to >>> PAGE_SHIFT, last, this.onUnmapCode);
    const result = hostMove(this.base + oldAddr, moving, newSize, this.base + to);
    if (result < 0) return result;
    this.pages.fill(kind, to >>> PAGE_SHIFT, last + 1);
    if (oldSize > 0 && !(flags & MREMAP_DONTUNMAP)) this.unmapPages(oldAddr, oldSize);
    if (kind & PAGE_SHARED) this.protectDoubles();
    return to;
  }

  /** Moves any number of mappings without changing their size (Linux 6.17); gaps leave what is at their new place alone. */
  private moveAll(from: number, to: number, size: number, flags: number): number {
    const pages = this.pages;
    const shift = (to - from) / PAGE_SIZE;
    const end = (from + size) / PAGE_SIZE;
    for (let page = from >>> PAGE_SHIFT; page < end; page++) {
      if (pages[page] === 0) continue;
      const first = page;
      while (page < end && pages[page] !== 0) page++;
      const bytes = (page - first) * PAGE_SIZE;
      this.dropCode(first, page - 1, this.onUnmapCode);
      this.unmapPages((first + shift) * PAGE_SIZE, bytes);
      const result = hostMoveAll(this.base + first * PAGE_SIZE, bytes, this.base + (first + shift) * PAGE_SIZE);
      if (result < 0) return result;
      pages.copyWithin(first + shift, first, page);
      if (!(flags & MREMAP_DONTUNMAP)) this.unmapPages(first * PAGE_SIZE, bytes);
    }
    this.protectDoubles();
    return to;
  }

  private isOneKind(addr: number, size: number, kind: number): boolean {
    if (addr + size > this.taskSize) return false;
    for (let page = addr >>> PAGE_SHIFT; page < (addr + size) >>> PAGE_SHIFT; page++) {
      if ((this.pages[page]! & ~PAGE_CODE) !== kind) return false;
    }
    return true;
  }

  private growInPlace(addr: number, oldSize: number, newSize: number, kind: number): number {
    if ((kind & (PAGE_ANON | PAGE_SHARED)) === PAGE_ANON) {
      const flags = MAP_PRIVATE | MAP_ANONYMOUS;
      return hostMap(this.base + addr + oldSize, newSize - oldSize, hostProtection(kind), flags, -1, 0);
    }
    const first = addr >>> PAGE_SHIFT;
    this.dropCode(first, first + (oldSize >>> PAGE_SHIFT) - 1, this.onUnmapCode);
    return hostMove(this.base + addr, oldSize, newSize, this.base + addr);
  }

  /** Sets where the heap starts (page aligned by the caller); it is empty. */
  setBrkStart(addr: number): void {
    this.control[CONTROL.brkStart] = this.control[CONTROL.brk] = addr;
  }

  get brkStart(): number {
    return this.control[CONTROL.brkStart]! >>> 0;
  }

  get brkEnd(): number {
    return this.control[CONTROL.brk]! >>> 0;
  }

  /** brk(2): the new end of the heap, or the old one when it cannot be moved. `limit` is RLIMIT_DATA in bytes. */
  brk(addr: number, limit = Number.POSITIVE_INFINITY): number {
    addr >>>= 0;
    this.lock();
    try {
      const old = this.brkEnd;
      if (addr < this.brkStart || addr - this.brkStart > limit) return old;
      const oldEnd = pageAlign(old);
      const newEnd = pageAlign(addr);
      if (newEnd < oldEnd) {
        this.unmapPages(newEnd, oldEnd - newEnd);
      } else if (newEnd > oldEnd) {
        // The kernel leaves at least a page to the next mapping.
        const count = (newEnd - oldEnd) >>> PAGE_SHIFT;
        if (newEnd + PAGE_SIZE > this.taskSize || !isFree(this.pages, oldEnd >>> PAGE_SHIFT, count + 1)) return old;
        const flags = MAP_PRIVATE | MAP_ANONYMOUS;
        if (this.mapAt(oldEnd, newEnd - oldEnd, PROT_READ | PROT_WRITE, flags, -1, 0) < 0) return old;
      }
      this.control[CONTROL.brk] = addr;
      return addr;
    } finally {
      this.unlock();
    }
  }

  override growDown(addr: number): boolean {
    addr >>>= 0;
    if (addr >= this.taskSize) return false;
    this.lock();
    try {
      const pages = this.pages;
      const page = addr >>> PAGE_SHIFT;
      if (pages[page] !== 0) return false;
      const limit = this.control[CONTROL.stackLimit]! >>> PAGE_SHIFT;
      let above = page + 1;
      while (above < this.taskSize >>> PAGE_SHIFT && pages[above] === 0) {
        if (++above - page > limit) return false;
      }
      const flags = pages[above]! & ~PAGE_CODE;
      if (!(flags & PAGE_GROWSDOWN)) return false;
      let top = above;
      while (pages[top]! & PAGE_GROWSDOWN) top++;
      if (top - page > limit) return false;
      // The guard gap below must be free of anything that could be overwritten.
      for (let below = page - 1; below >= Math.max(0, page - STACK_GUARD_PAGES); below--) {
        if (pages[below] !== 0 && (pages[below]! & PAGE_ACCESS) !== 0) return false;
      }
      const size = (above - page) * PAGE_SIZE;
      const hostFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
      if (hostMap(this.base + page * PAGE_SIZE, size, hostProtection(flags), hostFlags, -1, 0) < 0) return false;
      pages.fill(flags, page, above);
      return true;
    } finally {
      this.unlock();
    }
  }

  /** madvise(2) for advice that only concerns the host's pages; -ENOMEM when a part is not mapped. */
  advise(addr: number, length: number, advice: number): number {
    addr >>>= 0;
    if (addr % PAGE_SIZE !== 0) return -EINVAL;
    const size = pageAlign(length);
    if (addr + size > 2 ** 32) return -EINVAL;
    if (size === 0) return 0;
    if (addr + size > this.taskSize) return -ENOMEM;
    this.discardCode(addr, size);
    const pages = this.pages;
    const last = (addr + size - 1) >>> PAGE_SHIFT;
    let gap = false;
    for (let page = addr >>> PAGE_SHIFT; page <= last; ) {
      const start = page;
      const mapped = pages[page] !== 0;
      while (page <= last && (pages[page] !== 0) === mapped) page++;
      if (!mapped) gap = true;
      else {
        const result = hostAdvise(this.base + start * PAGE_SIZE, (page - start) * PAGE_SIZE, advice);
        if (result < 0) return result;
      }
    }
    return gap ? -ENOMEM : 0;
  }

  // The same memory mapped twice: code generators that never have a page writable and executable write through a second
  // mapping of the file they execute from.

  protected override watchShared(page: number): void {
    if (this.sharedCode.has(page)) return;
    this.sharedCode.add(page);
    this.protectDoubles();
  }

  protected override sameMemory(page: number): readonly number[] {
    this.sharedCode.delete(page);
    const others = this.doubles.get(page) ?? [];
    this.doubles.delete(page);
    for (const other of others) this.sharedCode.delete(other);
    return others;
  }

  /** Write-protects all writable pages that are the same memory as translated ones; when mappings or translations change. */
  private protectDoubles(): void {
    if (this.sharedCode.size === 0) return;
    const shared = this.regions().filter((r) => r.shared);
    for (const code of this.sharedCode) {
      const at = code * PAGE_SIZE;
      const own = shared.find((r) => r.start <= at && at < r.end);
      if (!own) continue;
      const offset = own.offset + (at - own.start);
      for (const r of shared) {
        const inside = offset - r.offset;
        const same = r.inode === own.inode && r.device === own.device && inside >= 0 && inside < r.end - r.start;
        const page = (r.start + inside) / PAGE_SIZE;
        if (!same || page === code || !(r.prot & PROT_WRITE)) continue;
        this.protectPage(page);
        const others = this.doubles.get(page);
        if (!others) this.doubles.set(page, [code]);
        else if (!others.includes(code)) others.push(code);
      }
    }
  }

  /** The mappings in address order, as /proc/PID/maps of the guest would list them. */
  regions(): Region[] {
    return listRegions(this);
  }
}
