// System calls that make, duplicate and control descriptors: pipes, fcntl, event sources that are descriptors.

import { EBADF, EFAULT, EINVAL, EOVERFLOW } from '../../src/host/errno.ts';
import { SYS, sys1, sys2, sys3 } from '../../src/host/syscall.ts';
import { isHidden, vacate } from '../host-descriptors.ts';
import type { Process } from '../process.ts';
import { copyNotes, forgetNotes, isSmallFile } from './descriptor-notes.ts';
import type { Handler, Row, Rows, Unfolded } from './row.ts';
import { hostCopy, toGuest } from './user-data.ts';

/** Moves what is known of a descriptor to its duplicate; `result` is the new number or an error. */
function duplicated(oldFd: number, result: number): number {
  if (result >= 0 && result !== oldFd) {
    forgetNotes(result);
    copyNotes(oldFd, result);
  }
  return result;
}

/** Whether a descriptor of ours stands in the way and cannot leave. */
function isTaken(oldFd: number, newFd: number): boolean {
  return isHidden(newFd) && (sys3(SYS.fcntl, oldFd, F_GETFD, 0) < 0 || !vacate(newFd));
}

function dup2(_: Process, oldFd: number, newFd: number): number {
  if (isTaken(oldFd, newFd)) return -EBADF;
  return duplicated(oldFd, sys2(SYS.dup2, oldFd, newFd));
}

function dup3(_: Process, oldFd: number, newFd: number, flags: number): number {
  if (isTaken(oldFd, newFd)) return -EBADF;
  return duplicated(oldFd, sys3(SYS.dup3, oldFd, newFd, flags));
}

/** Lock commands by the number 32-bit ABIs give them, and the host's number. */
const F_DUPFD = 0;
const F_GETFD = 1;
const F_DUPFD_CLOEXEC = 1030;
const O_LARGEFILE = 0x8000;
const F_GETFL = 3;
const F_GETLK = 5;
const F_GETLK64 = 12;
const F_OFD_GETLK = 36;

/** A command with struct flock: `name` is the guest's structure, `hostCommand` what the host calls the command. */
function lock(name: 'flock' | 'flock64', hostCommand: number): Handler {
  return (p, fd, _command, pointer) => {
    const result = p.wait(SYS.fcntl, fd, hostCommand, hostCopy(p, name, pointer), 0, 0, 0);
    if (result < 0 || (hostCommand !== F_GETLK && hostCommand !== F_OFD_GETLK)) return result;
    const stored = toGuest(p, name, 0, pointer);
    return stored === -EOVERFLOW || stored === -EFAULT ? stored : result;
  };
}

/** What the third argument of each command is; the commands not named here have none or are unknown. */
const FCNTL: Readonly<Record<number, string>> = {
  0: 'int arg', // F_DUPFD
  1: '', // F_GETFD
  2: 'flags:fd arg', // F_SETFD
  3: '', // F_GETFL
  4: 'flags:open arg', // F_SETFL
  8: 'int arg', // F_SETOWN
  9: '', // F_GETOWN
  10: 'signal arg', // F_SETSIG
  11: '', // F_GETSIG
  15: 'in f_owner_ex arg', // F_SETOWN_EX
  16: 'out f_owner_ex arg', // F_GETOWN_EX
  17: 'out u32[2] arg', // F_GETOWNER_UIDS
  1024: 'enum:lease arg', // F_SETLEASE
  1025: '', // F_GETLEASE
  1026: 'flags:dnotify arg', // F_NOTIFY
  1030: 'int arg', // F_DUPFD_CLOEXEC
  1031: 'int arg', // F_SETPIPE_SZ
  1032: '', // F_GETPIPE_SZ
  1033: 'flags:seal arg', // F_ADD_SEALS
  1034: '', // F_GET_SEALS
  1035: 'out s64 arg', // F_GET_RW_HINT
  1036: 'in s64 arg', // F_SET_RW_HINT
  1037: 'out s64 arg', // F_GET_FILE_RW_HINT
  1038: 'in s64 arg', // F_SET_FILE_RW_HINT
};

const lockRow = (name: 'flock' | 'flock64', hostCommand: number): Row => ({
  args: `fd fd, enum:fcntl cmd, inout ${name} lock`,
  run: lock(name, hostCommand),
  blocks: true,
});

/** The host opens every file as a large one; the guest sees what it asked for. */
function getFlags(_: Process, fd: number): number {
  const flags = sys3(SYS.fcntl, fd, F_GETFL, 0);
  return flags >= 0 && isSmallFile(fd) ? flags & ~O_LARGEFILE : flags;
}

function duplicate(_: Process, fd: number, command: number, least: number): number {
  return duplicated(fd, sys3(SYS.fcntl, fd, command, least));
}

const fcntlRows = new Map<number, Row>();

function fcntlRow(command: number): Row | undefined {
  let row = fcntlRows.get(command);
  if (row) return row;
  if (command >= F_GETLK && command <= F_GETLK + 2) row = lockRow('flock', command);
  else if (command >= F_GETLK64 && command <= F_GETLK64 + 2) row = lockRow('flock64', command - F_GETLK64 + F_GETLK);
  else if (command >= F_OFD_GETLK && command <= F_OFD_GETLK + 2) row = lockRow('flock64', command);
  else if (Object.hasOwn(FCNTL, command)) {
    const more = FCNTL[command]!;
    row = {
      args: `fd fd, enum:fcntl cmd${more === '' ? '' : `, ${more}`}`,
      run: 'fcntl',
      ...(command === F_GETFL ? { run: getFlags, result: 'flags:open' as const } : {}),
      ...(command === F_DUPFD || command === F_DUPFD_CLOEXEC ? { run: duplicate } : {}),
    };
  } else return undefined;
  fcntlRows.set(command, row);
  return row;
}

/** Present kernels take the commands with 64-bit offsets in both calls. */
function unfoldFcntl(name: 'fcntl' | 'fcntl64') {
  return (_: Process, args: number[]): Unfolded | null => {
    const row = fcntlRow(args[1]!);
    return row ? { name, row, args } : null;
  };
}

/** An unknown command: the host checks the descriptor first. */
function unknownFcntl(_: Process, fd: number): number {
  const result = sys3(SYS.fcntl, fd, 1, 0);
  return result < 0 ? result : -EINVAL;
}

export const DESCRIPTOR_ROWS = {
  dup: { args: 'fd oldfd', run: (_, fd) => duplicated(fd, sys1(SYS.dup, fd)) },
  dup2: { args: 'fd oldfd, int newfd', run: dup2 },
  dup3: { args: 'fd oldfd, int newfd, flags:openflag flags', run: dup3 },
  pipe: { args: 'out int[2] pipefd', run: 'pipe' },
  pipe2: { args: 'out int[2] pipefd, flags:openflag flags', run: 'pipe2' },
  fcntl: { args: 'fd fd, enum:fcntl cmd, addr arg', run: unknownFcntl, unfold: unfoldFcntl('fcntl') },
  fcntl64: { args: 'fd fd, enum:fcntl cmd, addr arg', run: unknownFcntl, unfold: unfoldFcntl('fcntl64') },
  flock: { args: 'fd fd, flags:flock operation', run: 'flock', blocks: true },

  eventfd: { args: 'uint initval', run: 'eventfd' },
  eventfd2: { args: 'uint initval, flags:eventfd flags', run: 'eventfd2' },
  memfd_create: { args: 'str name, flags:memfd flags', run: 'memfd_create' },
  pidfd_open: { args: 'pid pid, flags:openflag flags', run: 'pidfd_open' },
  pidfd_getfd: { args: 'fd pidfd, int targetfd, uint flags', run: 'pidfd_getfd' },

  inotify_init: { args: '', run: 'inotify_init' },
  inotify_init1: { args: 'flags:openflag flags', run: 'inotify_init1' },
  inotify_add_watch: { args: 'fd fd, path pathname, flags:inotify mask', run: 'inotify_add_watch' },
  inotify_rm_watch: { args: 'fd fd, int wd', run: 'inotify_rm_watch' },
  fanotify_init: { args: 'hex flags, flags:open event_f_flags', run: 'fanotify_init' },
  fanotify_mark: { args: 'fd fd, hex flags, loff mask, dirfd dirfd, path pathname', run: 'fanotify_mark' },
} satisfies Rows;
