// System calls about users, groups, process numbers, sessions and capabilities.

import { EFAULT, EINVAL } from '../../src/host/errno.ts';
import { SYS, sys0, sys1, sys2, sys3 } from '../../src/host/syscall.ts';
import type { Process } from '../process.ts';
import { id16 } from './attributes.ts';
import type { Handler, HostCall, Row, Rows } from './row.ts';

/** What a 16-bit call reports for a number that needs more bits (/proc/sys/kernel/overflowuid). */
const OVERFLOW_ID = 65534;
const NGROUPS_MAX = 65536;

function narrow(id: number): number {
  return id > 0xffff ? OVERFLOW_ID : id;
}

/** A call without arguments that returns an id, in 16 bits. */
function getId16(call: number): Handler {
  return () => narrow(sys0(call));
}

/** A call that takes up to three ids, in 16 bits. */
function setId16(call: number): Handler {
  return (_, a, b, c) => sys3(call, id16(a), id16(b), id16(c));
}

/** getresuid and getresgid in 16 bits. */
function getRes16(call: number): Handler {
  return (p, real, effective, saved) => {
    const { view, address } = p.scratch(12);
    const result = sys3(call, address, address + 4, address + 8);
    if (result < 0) return result;
    const pointers = [real, effective, saved];
    for (let i = 0; i < 3; i++) {
      if (!p.memory.prepareWrite(pointers[i]!, 2)) return -EFAULT;
      p.view.setUint16(pointers[i]! >>> 0, narrow(view.getUint32(i * 4, true)), p.little);
    }
    return 0;
  };
}

function getgroups16(p: Process, size: number, list: number): number {
  if (size < 0) return -EINVAL;
  const room = Math.min(size, NGROUPS_MAX);
  const { view, address } = p.scratch(room * 4);
  const count = sys2(SYS.getgroups, room, address);
  if (count <= 0 || size === 0) return count;
  if (!p.memory.prepareWrite(list, count * 2)) return -EFAULT;
  for (let i = 0; i < count; i++) {
    p.view.setUint16((list >>> 0) + i * 2, narrow(view.getUint32(i * 4, true)), p.little);
  }
  return count;
}

function setgroups16(p: Process, size: number, list: number): number {
  if (size >>> 0 > NGROUPS_MAX) return sys2(SYS.setgroups, size, 0);
  if (!p.memory.checkRead(list, size * 2)) return sys2(SYS.setgroups, size, p.in(list));
  const { view, address } = p.scratch(size * 4);
  for (let i = 0; i < size; i++) view.setUint32(i * 4, p.view.getUint16((list >>> 0) + i * 2, p.little), true);
  return sys2(SYS.setgroups, size, address);
}

/** A row whose host call takes the same plain numbers. */
const same = (args: string, run: HostCall): Row => ({ args, run });

export const ID_ROWS = {
  getuid: same('', 'getuid'),
  getgid: same('', 'getgid'),
  geteuid: same('', 'geteuid'),
  getegid: same('', 'getegid'),
  setuid: same('uid uid', 'setuid'),
  setgid: same('gid gid', 'setgid'),
  setreuid: same('uid ruid, uid euid', 'setreuid'),
  setregid: same('gid rgid, gid egid', 'setregid'),
  setresuid: same('uid ruid, uid euid, uid suid', 'setresuid'),
  setresgid: same('gid rgid, gid egid, gid sgid', 'setresgid'),
  getresuid: same('out u32 ruid, out u32 euid, out u32 suid', 'getresuid'),
  getresgid: same('out u32 rgid, out u32 egid, out u32 sgid', 'getresgid'),
  setfsuid: same('uid fsuid', 'setfsuid'),
  setfsgid: same('gid fsgid', 'setfsgid'),
  getgroups: same('int size, out u32[size:result] list', 'getgroups'),
  setgroups: same('int size, in u32[size] list', 'setgroups'),

  getuid16: { args: '', run: getId16(SYS.getuid) },
  getgid16: { args: '', run: getId16(SYS.getgid) },
  geteuid16: { args: '', run: getId16(SYS.geteuid) },
  getegid16: { args: '', run: getId16(SYS.getegid) },
  setuid16: { args: 'uid16 uid', run: setId16(SYS.setuid) },
  setgid16: { args: 'gid16 gid', run: setId16(SYS.setgid) },
  setreuid16: { args: 'uid16 ruid, uid16 euid', run: setId16(SYS.setreuid) },
  setregid16: { args: 'gid16 rgid, gid16 egid', run: setId16(SYS.setregid) },
  setresuid16: { args: 'uid16 ruid, uid16 euid, uid16 suid', run: setId16(SYS.setresuid) },
  setresgid16: { args: 'gid16 rgid, gid16 egid, gid16 sgid', run: setId16(SYS.setresgid) },
  getresuid16: { args: 'out u16 ruid, out u16 euid, out u16 suid', run: getRes16(SYS.getresuid) },
  getresgid16: { args: 'out u16 rgid, out u16 egid, out u16 sgid', run: getRes16(SYS.getresgid) },
  setfsuid16: { args: 'uid16 fsuid', run: (_, id) => narrow(sys1(SYS.setfsuid, id16(id))) },
  setfsgid16: { args: 'gid16 fsgid', run: (_, id) => narrow(sys1(SYS.setfsgid, id16(id))) },
  getgroups16: { args: 'int size, out u16[size:result] list', run: getgroups16 },
  setgroups16: { args: 'int size, in u16[size] list', run: setgroups16 },

  getpid: same('', 'getpid'),
  getppid: { args: '', run: () => sys0(SYS.getppid) },
  gettid: same('', 'gettid'),
  getpgid: same('pid pid', 'getpgid'),
  getpgrp: same('', 'getpgrp'),
  setpgid: same('pid pid, pid pgid', 'setpgid'),
  getsid: same('pid pid', 'getsid'),
  setsid: same('', 'setsid'),

  capget: same('inout cap_header hdrp, out cap_data[2] datap', 'capget'),
  capset: same('inout cap_header hdrp, in cap_data[2] datap', 'capset'),
} satisfies Rows;
