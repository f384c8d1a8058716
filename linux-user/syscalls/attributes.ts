// System calls that change a file's mode, owner, times and extended attributes.

import { SYS, sys3, sys4 } from '../../src/host/syscall.ts';
import { BAD_ADDRESS } from '../paths.ts';
import type { Process } from '../process.ts';
import type { Rows } from './row.ts';
import { hostCopy } from './user-data.ts';

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

/** A 16-bit user or group number; 65535 means "leave as it is". */
export function id16(id: number): number {
  return (id & 0xffff) === 0xffff ? -1 : id & 0xffff;
}

/** Two times for the host, in the scratch buffer; 0 for "now". */
function hostTimes(p: Process, name: 'timespec' | 'timespec64' | 'timeval', pointer: number): number {
  const first = hostCopy(p, name, pointer, 0);
  const second = pointer === 0 ? 0 : hostCopy(p, name, (pointer >>> 0) + p.structs.sizeOf(name), 16);
  return second === BAD_ADDRESS ? second : first;
}

function utimensat(name: 'timespec' | 'timespec64') {
  return (p: Process, dirfd: number, path: number, times: number, flags: number): number => {
    const from = p.paths.resolve(path, flags & AT_SYMLINK_NOFOLLOW ? 'lpath' : 'path');
    return sys4(SYS.utimensat, dirfd, from, hostTimes(p, name, times), flags);
  };
}

function futimesat(p: Process, dirfd: number, path: number, times: number): number {
  return sys3(SYS.futimesat, dirfd, p.paths.resolve(path, 'path'), hostTimes(p, 'timeval', times));
}

/** setxattrat and getxattrat take a structure with a pointer, at the same place on every ABI. */
function xattrAt(call: number, write: boolean) {
  return (p: Process, dirfd: number, path: number, flags: number, name: number, args: number, size: number): number => {
    if (!p.memory.checkRead(args, 16) || size >>> 0 !== 16) {
      return p.wait(call, dirfd, p.in(path), flags, p.in(name), p.in(args), size >>> 0);
    }
    const { view, address } = p.scratch(16);
    const at = args >>> 0;
    const low = p.little ? 0 : 4;
    const value = p.view.getUint32(at + low, p.little);
    const length = p.view.getUint32(at + 8, p.little);
    const host = value === 0 ? 0 : write ? p.out(value, length) : p.in(value);
    view.setUint32(0, host, true);
    view.setUint32(4, Math.floor(host / 2 ** 32), true);
    view.setUint32(8, length, true);
    view.setUint32(12, p.view.getUint32(at + 12, p.little), true);
    return p.wait(call, dirfd, p.in(path), flags, p.in(name), address, 16);
  };
}

/** file_getattr and file_setattr need nothing but the check of their structure. */
const fileAttr = (call: 'file_getattr' | 'file_setattr', direction: 'in' | 'out') => ({
  args: `dirfd dfd, rawpath filename, ${direction} bytes[usize] ufattr, size usize, flags:at flags`,
  run: call,
});

export const ATTRIBUTE_ROWS = {
  chmod: { args: 'rawpath pathname, mode mode', run: 'chmod' },
  fchmod: { args: 'fd fd, mode mode', run: 'fchmod' },
  fchmodat: { args: 'dirfd dirfd, rawpath pathname, mode mode', run: 'fchmodat' },
  fchmodat2: { args: 'dirfd dirfd, rawpath pathname, mode mode, flags:at flags', run: 'fchmodat2' },
  chown: { args: 'rawpath pathname, uid owner, gid group', run: 'chown' },
  lchown: { args: 'rawpath pathname, uid owner, gid group', run: 'lchown' },
  fchown: { args: 'fd fd, uid owner, gid group', run: 'fchown' },
  fchownat: { args: 'dirfd dirfd, rawpath pathname, uid owner, gid group, flags:at flags', run: 'fchownat' },
  chown16: {
    args: 'rawpath pathname, uid16 owner, gid16 group',
    run: (p, path, owner, group) => sys3(SYS.chown, p.paths.resolve(path, 'rawpath'), id16(owner), id16(group)),
  },
  lchown16: {
    args: 'rawpath pathname, uid16 owner, gid16 group',
    run: (p, path, owner, group) => sys3(SYS.lchown, p.paths.resolve(path, 'rawpath'), id16(owner), id16(group)),
  },
  fchown16: {
    args: 'fd fd, uid16 owner, gid16 group',
    run: (_, fd, owner, group) => sys3(SYS.fchown, fd, id16(owner), id16(group)),
  },
  umask: { args: 'mode mask', run: 'umask', result: 'octal' },

  utime: { args: 'path filename, in utimbuf times', run: 'utime' },
  utimes: { args: 'path filename, in timeval[2] times', run: (p, path, t) => futimesat(p, AT_FDCWD, path, t) },
  futimesat: { args: 'dirfd dirfd, path pathname, in timeval[2] times', run: futimesat },
  utimensat: {
    args: 'dirfd dirfd, path pathname, in timespec[2] times, flags:at flags',
    run: utimensat('timespec'),
  },
  utimensat_time64: {
    args: 'dirfd dirfd, path pathname, in timespec64[2] times, flags:at flags',
    run: utimensat('timespec64'),
  },

  setxattr: { args: 'rawpath path, str name, in bytes[size] value, size size, flags:xattr flags', run: 'setxattr' },
  lsetxattr: { args: 'rawpath path, str name, in bytes[size] value, size size, flags:xattr flags', run: 'lsetxattr' },
  fsetxattr: { args: 'fd fd, str name, in bytes[size] value, size size, flags:xattr flags', run: 'fsetxattr' },
  getxattr: { args: 'path path, str name, out bytes[size:result] value, size size', run: 'getxattr' },
  lgetxattr: { args: 'lpath path, str name, out bytes[size:result] value, size size', run: 'lgetxattr' },
  fgetxattr: { args: 'fd fd, str name, out bytes[size:result] value, size size', run: 'fgetxattr' },
  listxattr: { args: 'path path, out bytes[size:result] list, size size', run: 'listxattr' },
  llistxattr: { args: 'lpath path, out bytes[size:result] list, size size', run: 'llistxattr' },
  flistxattr: { args: 'fd fd, out bytes[size:result] list, size size', run: 'flistxattr' },
  removexattr: { args: 'rawpath path, str name', run: 'removexattr' },
  lremovexattr: { args: 'rawpath path, str name', run: 'lremovexattr' },
  fremovexattr: { args: 'fd fd, str name', run: 'fremovexattr' },
  setxattrat: {
    args: 'dirfd dirfd, rawpath path, flags:at flags, str name, in xattr_args args, size size',
    run: xattrAt(SYS.setxattrat, false),
  },
  getxattrat: {
    args: 'dirfd dirfd, rawpath path, flags:at flags, str name, in xattr_args args, size size',
    run: xattrAt(SYS.getxattrat, true),
  },
  listxattrat: {
    args: 'dirfd dirfd, rawpath path, flags:at flags, out bytes[size:result] list, size size',
    run: 'listxattrat',
  },
  removexattrat: { args: 'dirfd dirfd, rawpath path, flags:at flags, str name', run: 'removexattrat' },
  file_getattr: fileAttr('file_getattr', 'out'),
  file_setattr: fileAttr('file_setattr', 'in'),
} satisfies Rows;
