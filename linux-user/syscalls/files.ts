// System calls that open, name, link and remove files.

import { EFAULT, EOVERFLOW } from '../../src/host/errno.ts';
import { type HostBuffer, SYS, sys1, sys2, sys3, sys4 } from '../../src/host/syscall.ts';
import { hiddenDescriptors } from '../host-descriptors.ts';
import { otherGuestFile } from '../other-guests.ts';
import { openProcFile, procEntry, procFile } from '../proc-files.ts';
import type { Process } from '../process.ts';
import { read64 } from '../structs.ts';
import { forgetNotes, forgetRange, noteMemoryFile, noteSmallFile } from './descriptor-notes.ts';
import type { Rows } from './row.ts';
import { copyOut } from './user-data.ts';

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_SYMLINK_FOLLOW = 0x400;
/** Flags of open(2) with x86 numbers. */
/** Structures larger than this are refused by the kernel. */
const PAGE_SIZE = 4096;
const O_WRONLY = 1;
const O_CREAT = 0x40;
const O_TRUNC = 0x200;
const O_LARGEFILE = 0x8000;
const O_NOFOLLOW = 0x20000;
const O_PATH = 0x200000;
const O_TMPFILE_BIT = 0x400000;
const S_IFMT = 0xf000;
const S_IFREG = 0x8000;
/** Offsets in the host's struct stat. */
const STAT_MODE = 24;
const STAT_SIZE = 48;
const MAX_HANDLE_SIZE = 128;
const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;

/** openat(2) and its older relatives; files of /proc/self that would show the emulator are made. */
export function openAt(p: Process, dirfd: number, path: number, flags: number, mode: number): number {
  if (p.paths.mayBeProc(path)) {
    const name = p.paths.read(path) ?? '';
    const entry = procEntry(p, name);
    const make = procFile(p, name, entry);
    if (make !== undefined) return openProcFile(p, make, path, flags);
    if (entry === 'mem') {
      const fd = p.wait(SYS.openat, dirfd, p.in(path), flags, mode, 0, 0);
      if (fd >= 0) noteMemoryFile(fd);
      return fd;
    }
  }
  const name = p.paths.resolve(path, flags & O_NOFOLLOW ? 'lpath' : 'path');
  const mayRefuse = !(flags & (O_LARGEFILE | O_PATH)) && p.abi.model.longSize < 8;
  // A file that is refused is not emptied.
  if (mayRefuse && flags & O_TRUNC && isLargeFile(p, dirfd, name, flags)) flags &= ~O_TRUNC;
  const fd = p.wait(SYS.openat, dirfd, name, flags, mode, 0, 0);
  return fd >= 0 && mayRefuse ? refuseLarge(p, fd) : fd;
}

/** Whether the open file, or the file named, that the scratch buffer describes is one of 2 GB and more. */
function describesLarge({ view }: HostBuffer): boolean {
  return (view.getUint32(STAT_MODE, true) & S_IFMT) === S_IFREG && read64(view, STAT_SIZE, true, true) > 0x7fffffff;
}

/** Whether a host name leads to a file that cannot be opened without O_LARGEFILE. */
function isLargeFile(p: Process, dirfd: number, name: number, flags: number): boolean {
  const stat = p.scratch(256);
  const at = flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
  return sys4(SYS.newfstatat, dirfd, name, stat.address, at) === 0 && describesLarge(stat);
}

/** A 32-bit program that has not asked for large files cannot open one; a 64-bit host always asks. */
function refuseLarge(p: Process, fd: number): number {
  noteSmallFile(fd);
  const stat = p.scratch(256);
  if (sys2(SYS.fstat, fd, stat.address) < 0 || !describesLarge(stat)) return fd;
  forgetNotes(fd);
  sys1(SYS.close, fd);
  return -EOVERFLOW;
}

function openat2(p: Process, dirfd: number, path: number, how: number, size: number): number {
  size >>>= 0;
  // The name is resolved as the flags say; the host reads and judges the structure itself.
  const flags = p.memory.checkRead(how, 8) ? p.view.getUint32((how >>> 0) + (p.little ? 0 : 4), p.little) : 0;
  const change = p.abi.openFlags;
  const name = p.paths.resolve(path, (change ? change(flags) : flags) & O_NOFOLLOW ? 'lpath' : 'path');
  if (change && size >= 8 && size <= PAGE_SIZE && p.memory.checkRead(how, size)) {
    // The host is given a copy with its own flags.
    const copy = p.scratch(size);
    for (let k = 0; k < size; k++) copy.view.setUint8(k, p.view.getUint8((how >>> 0) + k));
    copy.view.setUint32(0, change(flags), true);
    return p.wait(SYS.openat2, dirfd, name, copy.address, size, 0, 0);
  }
  return p.wait(SYS.openat2, dirfd, name, p.in(how), p.room(how, size), 0, 0);
}

function close(_: Process, fd: number): number {
  forgetNotes(fd);
  return sys1(SYS.close, fd);
}

/** Leaves our own descriptors in the range alone. */
function closeRange(_: Process, first: number, last: number, flags: number): number {
  first >>>= 0;
  last >>>= 0;
  if (first <= last && !(flags & CLOSE_RANGE_CLOEXEC)) forgetRange(first, last);
  const own = hiddenDescriptors().filter((fd) => fd >= first && fd <= last);
  if (first > last || own.length === 0) return sys3(SYS.close_range, first, last, flags);
  for (const fd of [...own, last + 1]) {
    if (fd > first) {
      const result = sys3(SYS.close_range, first, fd - 1, flags);
      if (result < 0) return result;
      flags &= ~CLOSE_RANGE_UNSHARE;
    }
    first = fd + 1;
  }
  return 0;
}

/** A call after which the emulator may not find its own files any more. */
export function withNewRoot(p: Process, call: () => number): number {
  for (const load of p.beforeRootChange) load();
  p.paths.beforeRootChange();
  const result = call();
  if (result >= 0) p.paths.afterRootChange();
  return result;
}

/** Row pieces for calls with AT_* flags: whether a link at the name's end is followed. */
function kindOf(flags: number): 'path' | 'lpath' {
  return flags & AT_SYMLINK_NOFOLLOW ? 'lpath' : 'path';
}

function faccessat2(p: Process, dirfd: number, path: number, mode: number, flags: number): number {
  return sys4(SYS.faccessat2, dirfd, p.paths.resolve(path, kindOf(flags)), mode, flags);
}

/** Where the link `name` leads when it is that to the program of a guest; undefined for any other name. */
function executableOf(p: Process, name: string): string | undefined {
  const entry = p.paths.procSelfEntry(name);
  if (entry !== undefined) return entry === 'exe' ? p.paths.executable : undefined;
  const other = name.endsWith('exe') ? otherGuestFile(name) : undefined;
  return other?.guest.executable;
}

function readlinkat(p: Process, dirfd: number, path: number, buffer: number, size: number): number {
  if (size > 0 && p.paths.executable !== '' && p.paths.mayBeProc(path)) {
    const name = p.paths.read(path);
    const executable = name === undefined ? undefined : executableOf(p, name);
    if (executable !== undefined) {
      const text = Buffer.from(executable, 'latin1').subarray(0, size);
      p.scratch(text.length).u8.set(text);
      return copyOut(p, 0, text.length, buffer) ? text.length : -EFAULT;
    }
  }
  const count = size > 0 ? p.room(buffer, size) : size;
  return sys4(SYS.readlinkat, dirfd, p.paths.resolve(path, 'lpath'), p.out(buffer, Math.max(0, count)), count);
}

function nameToHandleAt(
  p: Process,
  dirfd: number,
  path: number,
  handle: number,
  mountId: number,
  flags: number,
): number {
  // The host judges the size; no handle is larger than this.
  const bytes = Math.min(p.readU32(handle) ?? 0, MAX_HANDLE_SIZE);
  const name = p.paths.resolve(path, flags & AT_SYMLINK_FOLLOW ? 'path' : 'lpath');
  const size = bytes + 8;
  return p.wait(SYS.name_to_handle_at, dirfd, name, p.out(handle, size), p.out(mountId, 4), flags, 0);
}

/** Shows the mode of open only when it creates something. */
const withMode =
  (flagsAt: number) =>
  (...args: number[]) =>
    args[flagsAt]! & (O_CREAT | O_TMPFILE_BIT) ? flagsAt + 2 : flagsAt + 1;

export const FILE_ROWS = {
  open: {
    args: 'path pathname, flags:open flags, mode mode',
    run: (p, path, flags, mode) => openAt(p, AT_FDCWD, path, flags, mode),
    blocks: true,
    shown: withMode(1),
  },
  openat: {
    args: 'dirfd dirfd, path pathname, flags:open flags, mode mode',
    run: openAt,
    blocks: true,
    shown: withMode(2),
  },
  openat2: { args: 'dirfd dirfd, path pathname, in open_how how, size size', run: openat2, blocks: true },
  // The call of 64-bit kernels, which is the one 32-bit programs get there too, asks for large files.
  creat: {
    args: 'path pathname, mode mode',
    run: (p, path, mode) => openAt(p, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC | O_LARGEFILE, mode),
    blocks: true,
  },
  close: { args: 'fd fd', run: close },
  close_range: { args: 'uint first, uint last, flags:close_range flags', run: closeRange },
  name_to_handle_at: {
    args: 'dirfd dirfd, path name, inout file_handle handle, out int mount_id, flags:at flags',
    run: nameToHandleAt,
  },
  open_by_handle_at: {
    args: 'fd mount_fd, in file_handle handle, flags:open flags',
    run: (p, mount, handle, flags) => p.wait(SYS.open_by_handle_at, mount, p.in(handle), flags, 0, 0, 0),
    blocks: true,
  },

  access: { args: 'path pathname, flags:access mode', run: 'access' },
  faccessat: { args: 'dirfd dirfd, path pathname, flags:access mode', run: 'faccessat' },
  faccessat2: { args: 'dirfd dirfd, path pathname, flags:access mode, flags:at flags', run: faccessat2 },
  readlink: {
    args: 'lpath pathname, out bytes[bufsiz:result] buf, int bufsiz',
    run: (p, path, buffer, size) => readlinkat(p, AT_FDCWD, path, buffer, size),
  },
  readlinkat: { args: 'dirfd dirfd, lpath pathname, out bytes[bufsiz:result] buf, int bufsiz', run: readlinkat },

  link: { args: 'rawpath oldpath, rawpath newpath', run: 'link' },
  linkat: {
    args: 'dirfd olddirfd, rawpath oldpath, dirfd newdirfd, rawpath newpath, flags:at flags',
    run: 'linkat',
  },
  symlink: { args: 'str target, rawpath linkpath', run: 'symlink' },
  symlinkat: { args: 'str target, dirfd newdirfd, rawpath linkpath', run: 'symlinkat' },
  unlink: { args: 'rawpath pathname', run: 'unlink' },
  unlinkat: { args: 'dirfd dirfd, rawpath pathname, flags:unlinkat flags', run: 'unlinkat' },
  rename: { args: 'rawpath oldpath, rawpath newpath', run: 'rename' },
  renameat: { args: 'dirfd olddirfd, rawpath oldpath, dirfd newdirfd, rawpath newpath', run: 'renameat' },
  renameat2: {
    args: 'dirfd olddirfd, rawpath oldpath, dirfd newdirfd, rawpath newpath, flags:rename flags',
    run: 'renameat2',
  },
  mkdir: { args: 'rawpath pathname, mode mode', run: 'mkdir' },
  mkdirat: { args: 'dirfd dirfd, rawpath pathname, mode mode', run: 'mkdirat' },
  rmdir: { args: 'rawpath pathname', run: 'rmdir' },
  mknod: { args: 'rawpath pathname, filemode mode, dev dev', run: 'mknod' },
  mknodat: { args: 'dirfd dirfd, rawpath pathname, filemode mode, dev dev', run: 'mknodat' },

  chdir: { args: 'rawpath path', run: 'chdir' },
  fchdir: { args: 'fd fd', run: 'fchdir' },
  getcwd: { args: 'out bytes[size:result] buf, ulong size', run: 'getcwd' },
  chroot: { args: 'rawpath path', run: (p, path) => withNewRoot(p, () => sys1(SYS.chroot, p.in(path))) },
  pivot_root: {
    args: 'rawpath new_root, rawpath put_old',
    run: (p, root, old) => withNewRoot(p, () => sys2(SYS.pivot_root, p.in(root), p.in(old))),
  },
} satisfies Rows;
