// System calls for administration: mounts, modules, keys, namespaces, and privileges an emulated program cannot be given.

import { EINVAL, ENOSPC, EOPNOTSUPP, EPERM } from '../../src/host/errno.ts';
import { SYS, sys3, sys4, sys5 } from '../../src/host/syscall.ts';
import { unimpOnce } from '../../src/log/log.ts';
import type { Process } from '../process.ts';
import { setns, unshare } from './namespaces.ts';
import type { Row, Rows, Unfolded } from './row.ts';

/** mount(2): which of the pointers are strings depends on the file system; all are only read. */
function mount(p: Process, source: number, target: number, type: number, flags: number, data: number): number {
  return p.wait(SYS.mount, p.in(source), p.in(target), p.in(type), flags >>> 0, p.in(data), 0);
}

/** keyctl's operations: number and the arguments behind it. */
const KEYCTL: Readonly<Record<number, string>> = {
  0: 'int keyring, int create', // KEYCTL_GET_KEYRING_ID
  1: 'str name', // KEYCTL_JOIN_SESSION_KEYRING
  2: 'int key, in bytes[size] payload, size size', // KEYCTL_UPDATE
  3: 'int key', // KEYCTL_REVOKE
  4: 'int key, uid uid, gid gid', // KEYCTL_CHOWN
  5: 'int key, hex perm', // KEYCTL_SETPERM
  6: 'int key, out bytes[size:result] buffer, size size', // KEYCTL_DESCRIBE
  7: 'int keyring', // KEYCTL_CLEAR
  8: 'int keyring, int key', // KEYCTL_LINK
  9: 'int keyring, int key', // KEYCTL_UNLINK
  10: 'int keyring, str type, str description, int destination', // KEYCTL_SEARCH
  11: 'int key, out bytes[size:result] buffer, size size', // KEYCTL_READ
  14: 'int keyring', // KEYCTL_SET_REQKEY_KEYRING
  15: 'int key, uint timeout', // KEYCTL_SET_TIMEOUT
  17: 'int key, out bytes[size:result] buffer, size size', // KEYCTL_GET_SECURITY
  18: '', // KEYCTL_SESSION_TO_PARENT
  21: 'int key', // KEYCTL_INVALIDATE
  22: 'uid uid, int key', // KEYCTL_GET_PERSISTENT
};

const keyctlRows = new Map<number, Row>();

function unfoldKeyctl(_: Process, args: number[]): Unfolded | null {
  const operation = args[0]!;
  if (!Object.hasOwn(KEYCTL, operation)) return null;
  let row = keyctlRows.get(operation);
  if (!row) {
    const more = KEYCTL[operation]!;
    row = { args: `int operation${more === '' ? '' : `, ${more}`}`, run: 'keyctl' };
    keyctlRows.set(operation, row);
  }
  return { name: 'keyctl', row, args };
}

/** quotactl's commands: number, and what the last argument is. */
const QUOTACTL: Readonly<Record<number, string>> = {
  8388609: 'addr addr', // Q_SYNC
  8388610: 'rawpath addr', // Q_QUOTAON
  8388611: 'addr addr', // Q_QUOTAOFF
  8388612: 'out u32 addr', // Q_GETFMT
  8388613: 'out dqinfo addr', // Q_GETINFO
  8388614: 'in dqinfo addr', // Q_SETINFO
  8388615: 'out dqblk addr', // Q_GETQUOTA
  8388616: 'in dqblk addr', // Q_SETQUOTA
  8388617: 'out nextdqblk addr', // Q_GETNEXTQUOTA
};
/** The kind of quota stands below the command. */
const SUBCMD_SHIFT = 8;

const quotactlRows = new Map<string, Row>();

function quotactl(name: 'quotactl' | 'quotactl_fd', file: string) {
  const commandAt = name === 'quotactl' ? 0 : 1;
  return (_: Process, args: number[]): Unfolded | null => {
    const command = args[commandAt]! >>> SUBCMD_SHIFT;
    if (!Object.hasOwn(QUOTACTL, command)) return null;
    const key = `${name} ${command}`;
    let row = quotactlRows.get(key);
    if (!row) quotactlRows.set(key, (row = { args: `${file}, int id, ${QUOTACTL[command]}`, run: name }));
    return { name, row, args };
  };
}

/** Any other command: as from a file system that does not know it. */
function unknownQuota(_: Process, command: number): number {
  unimpOnce(`quotactl command 0x${(command >>> SUBCMD_SHIFT).toString(16)}`);
  return -EINVAL;
}

/** lsm_list_modules and lsm_get_self_attr: the size of the buffer stands in memory, and is stored back. */
function withSize(p: Process, buffer: number, size: number): [buffer: number, size: number] {
  const room = Math.min(p.readU32(size) ?? 0, p.room(buffer, 0xffffffff));
  return [p.out(buffer, room), p.out(size, 4)];
}

/** Port access needs hardware; without it the answer is that of a kernel that does not trust the caller. */
const noPorts = (asked: boolean) => (asked ? -EPERM : 0);

export const SYSTEM_ROWS = {
  mount: {
    args: 'str source, str target, str filesystemtype, flags:mount mountflags, addr data',
    run: mount,
    blocks: true,
  },
  oldumount: { args: 'rawpath target', run: (p, path) => p.wait(SYS.umount2, p.in(path), 0, 0, 0, 0, 0) },
  umount2: { args: 'rawpath target, flags:umount flags', run: 'umount2', blocks: true },
  open_tree: { args: 'dirfd dfd, rawpath filename, hex flags', run: 'open_tree' },
  open_tree_attr: {
    args: 'dirfd dfd, rawpath filename, hex flags, in bytes[size] attr, size size',
    run: 'open_tree_attr',
  },
  move_mount: { args: 'dirfd from, rawpath from_path, dirfd to, rawpath to_path, hex flags', run: 'move_mount' },
  fsopen: { args: 'str fsname, hex flags', run: 'fsopen' },
  fsconfig: {
    args: 'fd fd, uint cmd, str key, addr value, int aux',
    run: (p, fd, command, key, value, aux) => sys5(SYS.fsconfig, fd, command, p.in(key), p.in(value), aux),
  },
  fsmount: { args: 'fd fd, hex flags, hex attr_flags', run: 'fsmount' },
  fspick: { args: 'dirfd dfd, rawpath path, hex flags', run: 'fspick' },
  mount_setattr: { args: 'dirfd dfd, rawpath path, hex flags, in bytes[size] attr, size size', run: 'mount_setattr' },
  swapon: { args: 'rawpath path, hex flags', run: 'swapon' },
  swapoff: { args: 'rawpath path', run: 'swapoff' },
  acct: { args: 'rawpath filename', run: 'acct' },
  vhangup: { args: '', run: 'vhangup' },
  reboot: {
    args: 'hex magic, hex magic2, hex cmd, addr arg',
    run: (p, magic, magic2, command, arg) => sys4(SYS.reboot, magic >>> 0, magic2 >>> 0, command >>> 0, p.in(arg)),
  },
  quotactl: {
    args: 'hex cmd, str special, int id, addr addr',
    run: unknownQuota,
    unfold: quotactl('quotactl', 'hex cmd, str special'),
  },
  quotactl_fd: {
    args: 'fd fd, hex cmd, int id, addr addr',
    run: (p, _, command) => unknownQuota(p, command),
    unfold: quotactl('quotactl_fd', 'fd fd, hex cmd'),
  },
  statmount: {
    args: 'in bytes[24] req, out raw[bufsize] buf, size bufsize, hex flags',
    run: (p, request, buffer, size, flags) =>
      sys4(SYS.statmount, p.in(request), p.out(buffer, p.room(buffer, size)), p.room(buffer, size), flags),
  },
  listmount: {
    args: 'in bytes[24] req, out raw[1] mnt_ids, size nr, hex flags',
    run: (p, request, ids, count, flags) => {
      const room = Math.min(count >>> 0, Math.floor(p.room(ids, 0xffffffff) / 8));
      return sys4(SYS.listmount, p.in(request), p.out(ids, room * 8), room, flags);
    },
  },
  lsm_get_self_attr: {
    args: 'uint attr, addr ctx, inout u32 size, hex flags',
    run: (p, attribute, context, size, flags) =>
      sys4(SYS.lsm_get_self_attr, attribute >>> 0, ...withSize(p, context, size), flags),
  },
  lsm_set_self_attr: {
    args: 'uint attr, in bytes[size] ctx, uint size, hex flags',
    run: 'lsm_set_self_attr',
  },
  lsm_list_modules: {
    args: 'addr ids, inout u32 size, hex flags',
    run: (p, ids, size, flags) => sys3(SYS.lsm_list_modules, ...withSize(p, ids, size), flags),
  },
  init_module: { args: 'in bytes[len] image, ulong len, str params', run: 'init_module' },
  finit_module: { args: 'fd fd, str params, hex flags', run: 'finit_module' },
  delete_module: { args: 'str name, flags:open flags', run: 'delete_module' },

  add_key: {
    args: 'str type, str description, in bytes[plen] payload, size plen, int keyring',
    run: 'add_key',
  },
  request_key: { args: 'str type, str description, str callout_info, int keyring', run: 'request_key' },
  keyctl: {
    args: 'int operation, addr arg2, addr arg3, addr arg4, addr arg5',
    run: (_, operation) => {
      unimpOnce(`keyctl operation ${operation}`);
      return -EOPNOTSUPP;
    },
    unfold: unfoldKeyctl,
  },

  unshare: { args: 'flags:clone flags', run: unshare },
  setns: { args: 'fd fd, flags:clone nstype', run: setns },
  landlock_create_ruleset: { args: 'in bytes[size] attr, size size, uint flags', run: 'landlock_create_ruleset' },
  landlock_add_rule: { args: 'fd ruleset_fd, int rule_type, in bytes[16] attr, uint flags', run: 'landlock_add_rule' },
  landlock_restrict_self: { args: 'fd ruleset_fd, uint flags', run: 'landlock_restrict_self' },
  process_mrelease: { args: 'fd pidfd, uint flags', run: 'process_mrelease' },
  memfd_secret: { args: 'uint flags', run: 'memfd_secret' },

  iopl: { args: 'int level', run: (_, level) => (level >>> 0 > 3 ? -EINVAL : noPorts(level > 0)) },
  ioperm: { args: 'ulong from, ulong num, int turn_on', run: (_, _from, _count, on) => noPorts(on !== 0) },
  /** As on a CPU without protection keys, which is what CPUID says. */
  pkey_alloc: { args: 'uint flags, uint access_rights', run: () => -ENOSPC },
  pkey_free: { args: 'int pkey', run: () => -EINVAL },
  pkey_mprotect: {
    args: 'addr addr, size len, flags:prot prot, int pkey',
    run: (p, addr, length, prot, key) => (key === -1 ? p.memory.protect(addr, length >>> 0, prot) : -EINVAL),
  },
} satisfies Rows;
