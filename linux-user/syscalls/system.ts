// System calls for administration: mounts, modules, keys, namespaces, and privileges an emulated program cannot be given.

import { EINVAL, ENOSPC, EOPNOTSUPP, EPERM } from '../../src/host/errno.ts';
import { SYS, sys1, sys2, sys4, sys5 } from '../../src/host/syscall.ts';
import { unimpOnce } from '../../src/log/log.ts';
import type { Process } from '../process.ts';
import { withNewRoot } from './files.ts';
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

  unshare: {
    args: 'flags:clone flags',
    run: (p, flags) => withNewRoot(p, () => sys1(SYS.unshare, flags >>> 0)),
  },
  setns: {
    args: 'fd fd, flags:clone nstype',
    run: (p, fd, type) => withNewRoot(p, () => sys2(SYS.setns, fd, type >>> 0)),
  },
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
