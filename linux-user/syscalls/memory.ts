// System calls about the address space: mappings, protections, the heap, advice, shared memory segments.

import { EFAULT, EINVAL, ENOMEM, EPERM } from '../../src/host/errno.ts';
import { HostBuffer, SYS, sys2, sys3, sys5 } from '../../src/host/syscall.ts';
import { otherGuest } from '../other-guests.ts';
import type { Process } from '../process.ts';
import { write64 } from '../structs.ts';
import { getLimit } from './limits.ts';
import type { Rows } from './row.ts';
import { hostVector, MAX_IOV } from './user-data.ts';

const PAGE = 4096;
const RLIMIT_DATA = 2;

/** Advice that damages memory on purpose (asm-generic/mman-common.h). */
const MADV_HWPOISON = 100;
const MADV_SOFT_OFFLINE = 101;

const SHM_RDONLY = 0x1000;
const SHM_RND = 0x2000;
const SHM_REMAP = 0x4000;
const SHM_EXEC = 0x8000;

function mmap2(
  p: Process,
  addr: number,
  length: number,
  prot: number,
  flags: number,
  fd: number,
  page: number,
): number {
  return p.memory.map(addr, length >>> 0, prot, flags, fd, (page >>> 0) * PAGE);
}

/** The call of i386 that finds its six arguments in memory; the offset is in bytes. */
function oldMmap(p: Process, pointer: number): number {
  const at = pointer >>> 0;
  if (!p.memory.checkRead(at, 24)) return -EFAULT;
  const [addr, length, prot, flags, fd, offset] = [0, 4, 8, 12, 16, 20].map((k) => p.view.getInt32(at + k, p.little));
  if (offset! & (PAGE - 1)) return -EINVAL;
  return p.memory.map(addr!, length! >>> 0, prot!, flags!, fd!, offset! >>> 0);
}

function brk(p: Process, addr: number): number {
  const limit = getLimit(p, RLIMIT_DATA);
  return p.memory.brk(addr, typeof limit === 'number' ? undefined : limit.soft);
}

function madvise(p: Process, addr: number, length: number, advice: number): number {
  // Poisoning would hit the machine's memory.
  if (advice === MADV_HWPOISON || advice === MADV_SOFT_OFFLINE) return -EPERM;
  return p.memory.advise(addr, length >>> 0, advice);
}

/** Calls that only concern pages the guest has mapped; a range with gaps is ENOMEM, as the kernel says it. */
function onMapped(p: Process, addr: number, length: number, run: (address: number, length: number) => number): number {
  const start = addr >>> 0;
  const size = length >>> 0;
  if (start + size > p.memory.taskSize) return -ENOMEM;
  for (let at = start - (start % PAGE); at < start + size; at += PAGE) {
    // Up to the gap the kernel does what was asked.
    if (!p.memory.isMapped(at)) {
      if (at > start) run(p.base + start, at - start);
      return -ENOMEM;
    }
  }
  return run(p.base + start, size);
}

function msync(p: Process, addr: number, length: number, flags: number): number {
  if (addr & (PAGE - 1) || flags & ~7 || (flags & 5) === 5) return -EINVAL;
  return onMapped(p, addr, length, (address, size) => sys3(SYS.msync, address, size, flags));
}

function mincore(p: Process, addr: number, length: number, vector: number): number {
  if (addr & (PAGE - 1)) return -EINVAL;
  const start = addr >>> 0;
  const size = length >>> 0;
  const pages = Math.ceil(size / PAGE);
  if (start + size > p.memory.taskSize) return -ENOMEM;
  if ((vector >>> 0) + pages > p.memory.taskSize) return -EFAULT;
  for (let k = 0; k < pages; k++) if (!p.memory.isMapped(start + k * PAGE)) return -ENOMEM;
  if (!p.memory.checkWrite(vector, pages)) return -EFAULT;
  return sys3(SYS.mincore, p.base + start, size, p.out(vector, pages));
}

/** remap_file_pages: the host gives the pages of a shared file mapping a new order; what was translated from them is gone. */
function remapFilePages(p: Process, addr: number, size: number, prot: number, page: number, flags: number): number {
  const start = (addr & -PAGE) >>> 0;
  const length = (size & -PAGE) >>> 0;
  if (prot !== 0 || length === 0 || start + length > p.memory.taskSize) return -EINVAL;
  for (let at = start; at < start + length; at += PAGE) if (!p.memory.isMapped(at)) return -EINVAL;
  return sys5(SYS.remap_file_pages, p.out(start, length), length, 0, page >>> 0, flags);
}

/** Where the second vector of process_vm_readv stands in the scratch buffer. */
const REMOTE = 1024 * 16;

/** process_vm_readv and process_vm_writev: of other processes only those reach guests that tell where their memory is. */
function processVm(call: number, reads: boolean) {
  return (p: Process, pid: number, local: number, count: number, remote: number, others: number, flags: number) => {
    const other = pid === process.pid ? undefined : otherGuest(pid);
    if (other === undefined && pid !== process.pid && flags === 0) {
      const alive = sys2(SYS.kill, pid, 0);
      return alive < 0 ? alive : -EPERM;
    }
    const to = hostVector(p, remote, others, !reads && other === undefined, REMOTE);
    if (other !== undefined) moveVector(p, others >>> 0, other.base);
    const from = hostVector(p, local, count, reads);
    return p.wait(call, pid, from, count >>> 0, to, others >>> 0, flags);
  };
}

/** Makes the addresses of the second vector those of a guest whose memory begins at `base` in its process. */
function moveVector(p: Process, count: number, base: number): void {
  const { view } = p.scratch(0);
  for (let at = REMOTE; at < REMOTE + 16 * Math.min(count, MAX_IOV); at += 16) {
    const address = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32 - p.base;
    if (address >= 0 && address < p.memory.taskSize) write64(view, at, base + address, true);
  }
}

/** Offset of the size in struct shmid_ds of x86-64, behind struct ipc_perm. */
const SHM_SEGSZ = 48;
const SHMID_DS_SIZE = 112;
const IPC_STAT = 2;

/** shmat: the result is an address. */
export function shmat(p: Process, id: number, addr: number, flags: number): number {
  const status = new HostBuffer(SHMID_DS_SIZE);
  const failed = sys3(SYS.shmctl, id, IPC_STAT, status.address);
  // Without permission to look, attaching might still be allowed; without the size there is no place for it.
  if (failed < 0) return failed;
  const size = status.view.getUint32(SHM_SEGSZ, true);
  let at = addr >>> 0;
  if (at & (PAGE - 1)) {
    if (!(flags & SHM_RND)) return -EINVAL;
    at -= at % PAGE;
  }
  if (flags & SHM_REMAP && at === 0) return -EINVAL;
  const prot = flags & SHM_RDONLY ? 1 : 3;
  return p.memory.mapBy(at, size, prot | (flags & SHM_EXEC ? 4 : 0), (flags & SHM_REMAP) !== 0, (address) =>
    sys3(SYS.shmat, id, address, (flags & ~SHM_RND & ~SHM_EXEC) | SHM_REMAP),
  );
}

/** shmdt. */
export function shmdt(p: Process, addr: number): number {
  const at = addr >>> 0;
  const region = p.memory.regions().find((r) => r.start === at && r.path.startsWith('/SYSV'));
  if (!region) return -EINVAL;
  return p.memory.unmap(at, region.end - at);
}

const vmArgs = 'pid pid, in iovec[liovcnt] lvec, ulong liovcnt, in iovec[riovcnt] rvec, ulong riovcnt, hex flags';

export const MEMORY_ROWS: Rows = {
  remap_file_pages: {
    args: 'addr addr, size size, flags:prot prot, hex pgoff, flags:mmap flags',
    run: remapFilePages,
  },
  process_vm_readv: { args: vmArgs, run: processVm(SYS.process_vm_readv, true), blocks: true },
  process_vm_writev: { args: vmArgs, run: processVm(SYS.process_vm_writev, false), blocks: true },
  old_mmap: { args: 'in u32[6] args', run: oldMmap, result: 'hex' },
  mmap2: {
    args: 'addr addr, size length, flags:prot prot, flags:mmap flags, fd fd, hex pgoffset',
    run: mmap2,
    result: 'hex',
  },
  munmap: { args: 'addr addr, size length', run: (p, addr, length) => p.memory.unmap(addr, length >>> 0) },
  mprotect: {
    args: 'addr addr, size length, flags:prot prot',
    run: (p, addr, length, prot) => p.memory.protect(addr, length >>> 0, prot),
  },
  mremap: {
    args: 'addr old_address, size old_size, size new_size, flags:mremap flags, addr new_address',
    run: (p, old, oldSize, newSize, flags, to) => p.memory.remap(old, oldSize >>> 0, newSize >>> 0, flags, to),
    result: 'hex',
  },
  brk: { args: 'addr addr', run: brk, result: 'hex' },
  madvise: { args: 'addr addr, size length, enum:madvise advice', run: madvise },
  msync: { args: 'addr addr, size length, flags:msync flags', run: msync, blocks: true },
  mincore: { args: 'addr addr, size length, addr vec', run: mincore },
  mlock: {
    args: 'addr addr, size length',
    run: (p, addr, length) => onMapped(p, addr, length, (at, size) => sys2(SYS.mlock, at, size)),
  },
  mlock2: {
    args: 'addr addr, size length, flags:mlock2 flags',
    run: (p, addr, length, flags) => onMapped(p, addr, length, (at, size) => sys3(SYS.mlock2, at, size, flags)),
  },
  munlock: {
    args: 'addr addr, size length',
    run: (p, addr, length) => onMapped(p, addr, length, (at, size) => sys2(SYS.munlock, at, size)),
  },
  // All the emulator's memory, the reserved guest range included, would be locked: the guest's own is what it means.
  mlockall: {
    args: 'flags:mlockall flags',
    run: (p, flags) => {
      if (flags === 0 || flags & ~7 || flags === 4) return -EINVAL;
      if (flags & 1) {
        for (const r of p.memory.regions()) sys2(SYS.mlock, p.base + r.start, r.end - r.start);
      }
      return 0;
    },
  },
  munlockall: {
    args: '',
    run: (p) => {
      for (const r of p.memory.regions()) sys2(SYS.munlock, p.base + r.start, r.end - r.start);
      return 0;
    },
  },
};
