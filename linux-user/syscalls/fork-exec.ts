// System calls that make processes and execute programs.

import { E2BIG, EFAULT, EINVAL, ELOOP, ENOENT, ENOTDIR } from '../../src/host/errno.ts';
import { descriptorName, readOwnLink } from '../../src/host/own-proc.ts';
import { HostBuffer, SYS, sys2, sys3, sys4 } from '../../src/host/syscall.ts';
import { execProgram, readName } from '../exec.ts';
import { CLONE_VFORK, CLONE_VM, type CloneRequest, cloneProcess } from '../fork.ts';
import type { Process } from '../process.ts';
import { read64 } from '../structs.ts';
import type { Rows } from './row.ts';

const SIGCHLD = 17;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const PATH_MAX = 4096;
const F_GETFD = 1;
const F_DUPFD = 0;
const FD_CLOEXEC = 1;
const ST_MODE = 24;
const S_IFMT = 0o170000;
const S_IFLNK = 0o120000;
const S_IFDIR = 0o040000;

function execve(p: Process, pathname: number, argv: number, envp: number): number {
  const name = readName(p, pathname);
  if (typeof name === 'number') return name;
  return execProgram(p, name, name[0] === '/' ? p.paths.redirect(name, true) : name, argv, envp);
}

/** Type of the file behind a descriptor, or -errno. */
function fileType(fd: number): number {
  const { view, address } = new HostBuffer(256);
  const result = sys2(SYS.fstat, fd, address);
  return result < 0 ? result : view.getUint32(ST_MODE, true) & S_IFMT;
}

function execveat(p: Process, dirfd: number, pathname: number, argv: number, envp: number, flags: number): number {
  if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) return -EINVAL;
  const name = readName(p, pathname);
  if (typeof name === 'number') return name;
  if (name === '' && !(flags & AT_EMPTY_PATH)) return -ENOENT;
  if (name[0] === '/' || (dirfd === AT_FDCWD && name !== '')) {
    const host = name[0] === '/' ? p.paths.redirect(name, true) : name;
    return flags & AT_SYMLINK_NOFOLLOW && isLink(host) ? -ELOOP : execProgram(p, name, host, argv, envp);
  }
  const type = fileType(dirfd);
  if (type < 0) return type;
  if (name !== '' && type !== S_IFDIR) return -ENOTDIR;
  const host = descriptorName(dirfd, name === '' ? '' : `/${name}`);
  if (flags & AT_SYMLINK_NOFOLLOW && isLink(name === '' ? '' : host)) return -ELOOP;
  const shown = name === '' ? `/dev/fd/${dirfd}` : `/dev/fd/${dirfd}/${name}`;
  const closes = (sys3(SYS.fcntl, dirfd, F_GETFD, 0) & FD_CLOEXEC) !== 0;
  return execProgram(p, shown, closes ? survivingName(dirfd, name) : host, argv, envp, closes);
}

function isLink(host: string): boolean {
  if (host === '') return false;
  const { view, address } = new HostBuffer(256);
  const path = Buffer.from(`${host}\0`, 'latin1');
  if (sys4(SYS.newfstatat, AT_FDCWD, path, address, AT_SYMLINK_NOFOLLOW) < 0) return false;
  return (view.getUint32(ST_MODE, true) & S_IFMT) === S_IFLNK;
}

/** A name for a file behind a descriptor that is closed by exec: its own, or that of a copy that stays (memfd, deleted). */
function survivingName(dirfd: number, name: string): string {
  const own = readOwnLink(`fd/${dirfd}`) ?? '';
  const rest = name === '' ? '' : `/${name}`;
  if (own[0] === '/' && sys2(SYS.access, Buffer.from(`${own}\0`, 'latin1'), 0) === 0) return own + rest;
  return descriptorName(sys3(SYS.fcntl, dirfd, F_DUPFD, 3), rest);
}

const plainFork: CloneRequest = {
  flags: 0,
  exitSignal: SIGCHLD,
  stack: 0,
  parentTid: 0,
  childTid: 0,
  tls: 0,
  pidfd: 0,
};

function clone(p: Process, word: number, stack: number, parentTid: number, d: number, e: number): number {
  const [tls, childTid] = p.abi.cloneTlsFirst ? [d, e] : [e, d];
  return cloneProcess(p, {
    flags: (word & ~0xff) >>> 0,
    exitSignal: word & 0xff,
    stack: stack >>> 0,
    parentTid: parentTid >>> 0,
    childTid: childTid >>> 0,
    tls,
    pidfd: parentTid >>> 0,
  });
}

/** Sizes of struct clone_args the kernel takes: the first version at least. */
const CLONE_ARGS_SIZE_VER0 = 64;
const CLONE_ARGS_SIZE = 88;

function clone3(p: Process, args: number, size: number): number {
  size >>>= 0;
  if (size > PATH_MAX) return -E2BIG;
  if (size < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  if (!p.memory.checkRead(args, size)) return -EFAULT;
  const at = args >>> 0;
  for (let n = CLONE_ARGS_SIZE; n < size; n++) if (p.view.getUint8(at + n) !== 0) return -E2BIG;
  const word = (n: number): number => (n < size / 8 ? read64(p.view, at + 8 * n, false, p.little) : 0);
  const [flags, pidfd, childTid, parentTid, exitSignal, stack, stackSize, tls] = [0, 1, 2, 3, 4, 5, 6, 7].map(word) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  // What the kernel refuses here: a signal among the flags, half a stack; and CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP.
  if (flags >= 2 ** 32 || flags & 0xff || exitSignal > 64 || (stack === 0) !== (stackSize === 0)) return -EINVAL;
  if (word(9) !== 0) return -EINVAL;
  return cloneProcess(p, {
    ...{ flags, exitSignal, parentTid, childTid, tls, pidfd },
    stack: stack === 0 ? 0 : stack + stackSize,
  });
}

export const FORK_EXEC_ROWS = {
  execve: { args: 'path pathname, addr argv, addr envp', run: execve, blocks: true },
  execveat: { args: 'dirfd dirfd, path pathname, addr argv, addr envp, hex flags', run: execveat, blocks: true },
  fork: { args: '', run: (p) => cloneProcess(p, plainFork) },
  vfork: { args: '', run: (p) => cloneProcess(p, { ...plainFork, flags: CLONE_VM | CLONE_VFORK }) },
  clone: { args: 'flags:clone flags, addr stack, addr parent_tid, addr tls, addr child_tid', run: clone },
  clone3: { args: 'in clone_args cl_args, size size', run: clone3 },
} satisfies Rows;
