// System calls that describe files and file systems: the stat, statx, statfs families.

import { EFAULT, EINVAL } from '../../src/host/errno.ts';
import { type HostArg, SYS, sys2, sys3, sys4, sys5 } from '../../src/host/syscall.ts';
import type { PathKind } from '../paths.ts';
import type { Process } from '../process.ts';
import { readField, writeField } from '../structs.ts';
import type { Handler, Rows } from './row.ts';
import { toGuest } from './user-data.ts';

const AT_SYMLINK_NOFOLLOW = 0x100;
/** What stat reports where a user or group number needs more than 16 bits (/proc/sys/kernel/overflowuid). */
const OVERFLOW_ID = 65534;
/** Bytes of struct statx, more than any version has used so far. */
const STATX_SIZE = 256;

/** Stores the host's struct stat in the scratch buffer as the guest's structure `name`. */
function storeStat(p: Process, name: string, pointer: number): number {
  // The kernel stores this one member by member.
  const result = toGuest(p, name, 0, pointer, 'stat', name === 'stat64');
  if (result < 0) return result;
  const guest = p.structs.layout(name);
  const host = p.hostStructs.layout('stat');
  const { view } = p.scratch(0);
  for (const field of guest.fields) {
    if (field.name === 'st_ino_low') {
      writeField(guest, p.view, pointer >>> 0, field, view.getUint32(8, true));
    } else if (field.size === 2 && (field.name === 'st_uid' || field.name === 'st_gid')) {
      const id = readField(host, view, 0, host.fields.find((f) => f.name === field.name)!);
      if (id > 0xffff) writeField(guest, p.view, pointer >>> 0, field, OVERFLOW_ID);
    }
  }
  return 0;
}

/** A call on a name with the result structure `name`. */
function statName(name: string, call: number, kind: PathKind): Handler {
  return (p, path, pointer) => {
    const result = sys2(call, p.paths.resolve(path, kind), p.scratch(256).address);
    return result < 0 ? result : storeStat(p, name, pointer);
  };
}

/** A call on a descriptor with the result structure `name`. */
function statDescriptor(name: string): Handler {
  return (p, fd, pointer) => {
    const result = sys2(SYS.fstat, fd, p.scratch(256).address);
    return result < 0 ? result : storeStat(p, name, pointer);
  };
}

function statAt(name: string): Handler {
  return (p, dirfd, path, pointer, flags) => {
    const from = p.paths.resolve(path, flags & AT_SYMLINK_NOFOLLOW ? 'lpath' : 'path');
    const result = sys4(SYS.newfstatat, dirfd, from, p.scratch(256).address, flags);
    return result < 0 ? result : storeStat(p, name, pointer);
  };
}

function statx(p: Process, dirfd: number, path: number, flags: number, mask: number, buffer: number): number {
  const from = p.paths.resolve(path, flags & AT_SYMLINK_NOFOLLOW ? 'lpath' : 'path');
  if (p.little) return sys5(SYS.statx, dirfd, from, flags, mask, p.out(buffer, STATX_SIZE));
  const result = sys5(SYS.statx, dirfd, from, flags, mask, p.scratch(STATX_SIZE).address);
  return result < 0 ? result : toGuest(p, 'statx', 0, buffer);
}

/** statfs and fstatfs, in both widths: the host fills its own structure. */
function statfs(p: Process, name: string, call: number, what: HostArg, pointer: number): number {
  const result = sys2(call, what, p.scratch(256).address);
  if (result < 0) return result;
  return toGuest(p, name, 0, pointer, 'statfs');
}

function statfs64(p: Process, call: number, what: number, size: number, pointer: number): number {
  const packed = p.structs.sizeOf('statfs64');
  // C libraries of ABIs that align 64-bit members pass the size the structure has there if it is not packed; the kernel of ARM
  // takes both (arch/arm/kernel/entry-common.S).
  const { align64 } = p.abi.model;
  if (size !== packed && size !== Math.ceil(packed / align64) * align64) return -EINVAL;
  return statfs(p, 'statfs64', call, what, pointer);
}

/** The old ustat(2): a device number instead of a name. */
function ustat(p: Process, device: number, pointer: number): number {
  const result = sys3(SYS.ustat, device >>> 0, p.scratch(64).address, 0);
  if (result < 0) return result;
  const stored = toGuest(p, 'ustat', 0, pointer);
  return stored === -EFAULT ? -EFAULT : 0;
}

export const STAT_ROWS = {
  stat: { args: 'path pathname, out stat statbuf', run: statName('stat', SYS.stat, 'path') },
  lstat: { args: 'lpath pathname, out stat statbuf', run: statName('stat', SYS.lstat, 'lpath') },
  fstat: { args: 'fd fd, out stat statbuf', run: statDescriptor('stat') },
  stat64: { args: 'path pathname, out stat64 statbuf', run: statName('stat64', SYS.stat, 'path') },
  lstat64: { args: 'lpath pathname, out stat64 statbuf', run: statName('stat64', SYS.lstat, 'lpath') },
  fstat64: { args: 'fd fd, out stat64 statbuf', run: statDescriptor('stat64') },
  fstatat64: {
    args: 'dirfd dirfd, path pathname, out stat64 statbuf, flags:at flags',
    run: statAt('stat64'),
  },
  newfstatat: { args: 'dirfd dirfd, path pathname, out stat statbuf, flags:at flags', run: statAt('stat') },
  oldstat: { args: 'path pathname, out old_stat statbuf', run: statName('old_stat', SYS.stat, 'path') },
  oldlstat: { args: 'lpath pathname, out old_stat statbuf', run: statName('old_stat', SYS.lstat, 'lpath') },
  oldfstat: { args: 'fd fd, out old_stat statbuf', run: statDescriptor('old_stat') },
  statx: {
    args: 'dirfd dirfd, path pathname, flags:statx_at flags, flags:statx_mask mask, out statx statxbuf',
    run: statx,
  },

  statfs: {
    args: 'path path, out statfs buf',
    run: (p, path, buf) => statfs(p, 'statfs', SYS.statfs, p.paths.resolve(path, 'path'), buf),
  },
  fstatfs: { args: 'fd fd, out statfs buf', run: (p, fd, buf) => statfs(p, 'statfs', SYS.fstatfs, fd, buf) },
  statfs64: {
    args: 'path path, size size, out statfs64 buf',
    run: (p, path, size, buf) => statfs64(p, SYS.statfs, p.paths.resolve(path, 'path'), size, buf),
  },
  fstatfs64: {
    args: 'fd fd, size size, out statfs64 buf',
    run: (p, fd, size, buf) => statfs64(p, SYS.fstatfs, fd, size, buf),
  },
  ustat: { args: 'dev dev, out ustat ubuf', run: ustat },
} satisfies Rows;
