// System V message queues, semaphores and shared memory, POSIX message queues, and ipc, the one number through which i386 reaches them.

import { EFAULT, EINVAL, ENOMEM, ENOSYS } from '../../src/host/errno.ts';
import { SYS, sys3, sys4 } from '../../src/host/syscall.ts';
import type { Process } from '../process.ts';
import { fieldOf, type Layout, read64, readField, write64, writeField } from '../structs.ts';
import { shmat, shmdt } from './memory.ts';
import type { Handler, Row, Rows, Unfolded } from './row.ts';
import { arrayToGuest, copyIn, copyOut, hostArray, hostCopy, toGuest } from './user-data.ts';

const IPC_RMID = 0;
const IPC_SET = 1;
const IPC_STAT = 2;
const IPC_INFO = 3;
/** The kernel's default limit is 500 in one call. */
const MOST_OPERATIONS = 32000;
/** Asks for the present structures where an old kernel would take older ones; every 32-bit C library sets it. */
const IPC_64 = 0x100;
/** A command no *ctl call knows. */
const UNKNOWN = 0xff;
const MSG_STAT = 11;
const MSG_INFO = 12;
const MSG_STAT_ANY = 13;
const SEM_STAT = 18;
const SEM_INFO = 19;
const SEM_STAT_ANY = 20;
const GETPID = 11;
const GETVAL = 12;
const GETALL = 13;
const GETNCNT = 14;
const GETZCNT = 15;
const SETVAL = 16;
const SETALL = 17;
/** Largest message and most semaphores that are worth a copy: the kernel's own limits are lower unless raised. */
const MOST_BYTES = 1 << 20;

/** Offset of msgmax in struct msginfo. */
const MSGMAX = 8;

/** The host's structures: 64-bit times in one member, the guest's in two. */
const HOST_STRUCTS: Readonly<Record<string, { size: number; members: Readonly<Record<string, number>> }>> = {
  msqid_ds: {
    size: 120,
    members: {
      msg_stime: 48,
      msg_rtime: 56,
      msg_ctime: 64,
      msg_cbytes: 72,
      msg_qnum: 80,
      msg_qbytes: 88,
      msg_lspid: 96,
      msg_lrpid: 100,
    },
  },
  semid_ds: { size: 104, members: { sem_otime: 48, sem_ctime: 64, sem_nsems: 80 } },
  shmid_ds: {
    size: 112,
    members: {
      shm_segsz: 48,
      shm_atime: 56,
      shm_dtime: 64,
      shm_ctime: 72,
      shm_cpid: 80,
      shm_lpid: 84,
      shm_nattch: 88,
    },
  },
};

/** struct ipc_perm at the head of each, at the host's offsets. */
const HOST_PERM: Readonly<Record<string, readonly [offset: number, size: 2 | 4]>> = {
  key: [0, 4],
  uid: [4, 4],
  gid: [8, 4],
  cuid: [12, 4],
  cgid: [16, 4],
  mode: [20, 2],
  seq: [24, 2],
};

/** Stores the host's structure at the start of the scratch buffer as the guest's at `pointer`. */
function storeStatus(p: Process, name: string, pointer: number): number {
  const layout = p.structs.layout(name);
  const { view } = p.scratch(0);
  const { members } = HOST_STRUCTS[name]!;
  if (!p.memory.prepareWrite(pointer, layout.size)) return -EFAULT;
  for (const field of layout.fields) {
    const dot = field.name.indexOf('.');
    let value = 0;
    if (dot >= 0) {
      const place = HOST_PERM[field.name.slice(dot + 1)];
      if (place) value = place[1] === 2 ? view.getUint16(place[0], true) : view.getUint32(place[0], true);
    } else {
      const high = field.name.endsWith('_high');
      const at = members[high ? field.name.slice(0, -5) : field.name];
      if (at !== undefined) {
        const narrow = /pid$/.test(field.name);
        value = narrow ? view.getInt32(at, true) : high ? view.getInt32(at + 4, true) : read64(view, at, false, true);
      }
    }
    if (field.count === 1) writeField(layout, p.view, pointer >>> 0, field, value);
  }
  return 0;
}

/** Puts what IPC_SET may change into a host structure at the start of the scratch buffer. */
function loadSettings(p: Process, name: string, pointer: number): number {
  const layout = p.structs.layout(name);
  if (!p.memory.checkRead(pointer, layout.size)) return -EFAULT;
  const { view, u8 } = p.scratch(HOST_STRUCTS[name]!.size);
  u8.fill(0, 0, HOST_STRUCTS[name]!.size);
  const get = (member: string) => readMember(layout, p.view, pointer >>> 0, member);
  const perm = layout.fields[0]!.name.split('.')[0]!;
  view.setUint32(4, get(`${perm}.uid`), true);
  view.setUint32(8, get(`${perm}.gid`), true);
  view.setUint16(20, get(`${perm}.mode`), true);
  if (name === 'msqid_ds') write64(view, 88, get('msg_qbytes'), true);
  return 0;
}

function readMember(layout: Layout, view: DataView, at: number, member: string): number {
  return readField(layout, view, at, fieldOf(layout, member));
}

/** A control call with the structure `name`. `info` commands report limits in plain ints, the same everywhere. */
function control(
  p: Process,
  call: number,
  name: string,
  info: readonly number[],
  id: number,
  command: number,
  buffer: number,
) {
  command &= ~IPC_64;
  if (id < 0) return -EINVAL;
  const { address } = p.scratch(128);
  if (info.includes(command)) return sys3(call, id, command, p.out(buffer, 64));
  if (command === IPC_SET) {
    const loaded = loadSettings(p, name, buffer);
    return loaded < 0 ? loaded : sys3(call, id, command, address);
  }
  const result = sys3(call, id, command, address);
  if (result < 0 || command === IPC_RMID) return result;
  const stored = storeStatus(p, name, buffer);
  return stored < 0 ? stored : result;
}

/**
 * The *ctl calls that have a number of their own take the present structures only, without the mark: with it the command is
 * an unknown one.
 */
function unmarked(run: Handler): Handler {
  return (p, a, b, c, d, e, f) =>
    run === semctl ? run(p, a, b, c & IPC_64 ? UNKNOWN : c, d, e, f) : run(p, a, b & IPC_64 ? UNKNOWN : b, c, d, e, f);
}

function msgctl(p: Process, id: number, command: number, buffer: number): number {
  const known = [IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO, MSG_STAT, MSG_INFO, MSG_STAT_ANY];
  if (!known.includes(command & ~IPC_64)) return -EINVAL;
  return control(p, SYS.msgctl, 'msqid_ds', [IPC_INFO, MSG_INFO], id, command, buffer);
}

/** Messages begin with a long, which is wider on the host. */
function msgsnd(p: Process, id: number, message: number, size: number, flags: number): number {
  size >>>= 0;
  const type = p.readWord(message);
  if (type === undefined) return -EFAULT;
  if (size > MOST_BYTES || id < 0) return -EINVAL;
  if (!copyIn(p, (message >>> 0) + p.abi.model.longSize, size, 8)) {
    // Size and type are looked at before the text.
    const { view, address } = p.scratch(64);
    const tooLong = sys3(SYS.msgctl, 0, IPC_INFO, address) >= 0 && size > view.getInt32(MSGMAX, true);
    return tooLong || (type | 0) < 1 ? -EINVAL : -EFAULT;
  }
  const { view, address } = p.scratch(0);
  write64(view, 0, p.abi.model.longSize === 4 ? type | 0 : type, true);
  return p.wait(SYS.msgsnd, id, address, size, flags, 0, 0);
}

function msgrcv(p: Process, id: number, message: number, size: number, type: number, flags: number): number {
  size = size >>> 0 > 0x7fffffff ? -1 : Math.min(size, MOST_BYTES);
  const { view, address } = p.scratch(8 + Math.max(0, size));
  const result = p.wait(SYS.msgrcv, id, address, size, type, flags, 0);
  if (result < 0) return result;
  const long = p.abi.model.longSize;
  if (!p.memory.prepareWrite(message, long + result)) return -EFAULT;
  if (long === 4) p.view.setInt32(message >>> 0, view.getInt32(0, true), p.little);
  else write64(p.view, message >>> 0, read64(view, 0, true, true), p.little);
  return copyOut(p, 8, result, (message >>> 0) + long) ? result : -EFAULT;
}

const SHM_LOCK = 11;
const SHM_UNLOCK = 12;
const SHM_STAT = 13;
const SHM_INFO = 14;
const SHM_STAT_ANY = 15;

function shmctl(p: Process, id: number, command: number, buffer: number): number {
  command &= ~IPC_64;
  if (id < 0 && command !== IPC_INFO && command !== SHM_INFO) return -EINVAL;
  if (command === SHM_LOCK || command === SHM_UNLOCK) return sys3(SYS.shmctl, id, command, 0);
  if (command === IPC_INFO || command === SHM_INFO) {
    const { view, address } = p.scratch(128);
    const result = sys3(SYS.shmctl, id, command, address);
    if (result < 0) return result;
    // The largest size is told as the largest a 32-bit program can ask for (its first member).
    if (command === IPC_INFO && p.abi.model.longSize === 4)
      write64(view, 0, Math.min(read64(view, 0, false, true), 0x7fffffff), true);
    const stored = toGuest(p, command === IPC_INFO ? 'shminfo' : 'shm_info', 0, buffer);
    return stored < 0 ? stored : result;
  }
  if (![IPC_RMID, IPC_SET, IPC_STAT, SHM_STAT, SHM_STAT_ANY].includes(command)) return -EINVAL;
  return control(p, SYS.shmctl, 'shmid_ds', [], id, command, buffer);
}

function semctl(p: Process, id: number, index: number, command: number, value: number): number {
  command &= ~IPC_64;
  if (id < 0) return -EINVAL;
  switch (command) {
    case GETPID:
    case GETVAL:
    case GETNCNT:
    case GETZCNT:
    case IPC_RMID:
      return sys3(SYS.semctl, id, index, command);
    case SETVAL:
      return sys4(SYS.semctl, id, index, command, value);
    case IPC_INFO:
    case SEM_INFO:
      return sys4(SYS.semctl, id, index, command, p.out(value, 40));
    case GETALL:
    case SETALL:
      return semaphoreValues(p, id, command, value);
    case IPC_SET: {
      const loaded = loadSettings(p, 'semid_ds', value);
      return loaded < 0 ? loaded : sys4(SYS.semctl, id, index, command, p.scratch(0).address);
    }
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY: {
      const result = sys4(SYS.semctl, id, index, command, p.scratch(128).address);
      if (result < 0) return result;
      const stored = storeStatus(p, 'semid_ds', value);
      return stored < 0 ? stored : result;
    }
    default:
      return -EINVAL;
  }
}

/** All values of a set at once: shorts, as many as the set has. */
function semaphoreValues(p: Process, id: number, command: number, array: number): number {
  const { view, address } = p.scratch(128);
  const status = sys4(SYS.semctl, id, 0, IPC_STAT, address);
  // Without the right to look, the host finds the same mistake as the guest's call.
  const count = status < 0 ? 0 : read64(view, HOST_STRUCTS['semid_ds']!.members['sem_nsems']!, false, true);
  if (status < 0) return status;
  if (p.little) return sys4(SYS.semctl, id, 0, command, command === GETALL ? p.out(array, count * 2) : p.in(array));
  if (count > MOST_BYTES / 2) return -ENOMEM;
  const values = command === SETALL ? hostArray(p, 'u16', array, count, 128) : p.scratch(128 + count * 2).address + 128;
  const result = sys4(SYS.semctl, id, 0, command, values);
  return result < 0 || command === SETALL ? result : arrayToGuest(p, 'u16', 128, array, count);
}

/** The operations in the host's order; more than the kernel takes are not looked at. */
function hostOperations(p: Process, operations: number, count: number): number {
  return p.little || count >>> 0 > MOST_OPERATIONS
    ? p.in(operations)
    : hostArray(p, 'sembuf', operations, count >>> 0, 16);
}

function semtimedop(name: 'timespec' | 'timespec64'): Handler {
  return (p, id, operations, count, timeout) => {
    const time = timeout === 0 ? 0 : hostCopy(p, name, timeout);
    return p.wait(SYS.semtimedop, id, hostOperations(p, operations, count), count >>> 0, time, 0, 0);
  };
}

function semop(p: Process, id: number, operations: number, count: number): number {
  return p.wait(SYS.semtimedop, id, hostOperations(p, operations, count), count >>> 0, 0, 0, 0);
}

/** POSIX message queues: attributes are longs, times come in two widths. */
function mqOpen(p: Process, name: number, flags: number, mode: number, attributes: number): number {
  return p.wait(SYS.mq_open, p.in(name), flags, mode, hostCopy(p, 'mq_attr', attributes), 0, 0);
}

function mqSend(timeName: 'timespec' | 'timespec64'): Handler {
  return (p, queue, message, size, priority, timeout) => {
    const time = hostCopy(p, timeName, timeout);
    return p.wait(SYS.mq_timedsend, queue, p.in(message), p.room(message, size), priority >>> 0, time, 0);
  };
}

function mqReceive(timeName: 'timespec' | 'timespec64'): Handler {
  return (p, queue, message, size, priority, timeout) => {
    const length = p.room(message, size);
    const time = hostCopy(p, timeName, timeout);
    return p.wait(SYS.mq_timedreceive, queue, p.out(message, length), length, p.out(priority, 4), time, 0);
  };
}

function mqGetsetattr(p: Process, queue: number, wanted: number, old: number): number {
  const size = p.hostStructs.sizeOf('mq_attr');
  const to = hostCopy(p, 'mq_attr', wanted, 0);
  const { address } = p.scratch(2 * size);
  const result = sys3(SYS.mq_getsetattr, queue, to, old === 0 ? 0 : address + size);
  return result < 0 || old === 0 ? result : toGuest(p, 'mq_attr', size, old);
}

const mqSendArgs = 'fd mqdes, in bytes[msg_len] msg_ptr, size msg_len, uint msg_prio';
const mqReceiveArgs = 'fd mqdes, out bytes[msg_len:result] msg_ptr, size msg_len, out uint msg_prio';

export const IPC_ROWS = {
  msgget: { args: 'hex key, flags:ipc msgflg', run: 'msgget' },
  msgctl: { args: 'int msqid, hex cmd, addr buf', run: unmarked(msgctl) },
  old_msgctl: { args: 'int msqid, hex cmd, addr buf', run: msgctl },
  msgsnd: { args: 'int msqid, addr msgp, size msgsz, flags:ipc msgflg', run: msgsnd, blocks: true },
  msgrcv: { args: 'int msqid, addr msgp, size msgsz, long msgtyp, flags:ipc msgflg', run: msgrcv, blocks: true },
  semget: { args: 'hex key, int nsems, flags:ipc semflg', run: 'semget' },
  semctl: { args: 'int semid, int semnum, hex cmd, addr arg', run: unmarked(semctl) },
  old_semctl: { args: 'int semid, int semnum, hex cmd, addr arg', run: semctl },
  semop: { args: 'int semid, in sembuf[nsops] sops, size nsops', run: semop, blocks: true },
  semtimedop: {
    args: 'int semid, in sembuf[nsops] sops, size nsops, in timespec timeout',
    run: semtimedop('timespec'),
    blocks: true,
  },
  semtimedop_time64: {
    args: 'int semid, in sembuf[nsops] sops, size nsops, in timespec64 timeout',
    run: semtimedop('timespec64'),
    blocks: true,
  },
  shmat: { args: 'int shmid, addr shmaddr, flags:shm shmflg', run: shmat, result: 'hex' },
  shmdt: { args: 'addr shmaddr', run: shmdt },
  shmctl: { args: 'int shmid, hex cmd, addr buf', run: unmarked(shmctl) },
  old_shmctl: { args: 'int shmid, hex cmd, addr buf', run: shmctl },
  shmget: { args: 'hex key, size size, flags:ipc shmflg', run: 'shmget' },

  mq_open: { args: 'str name, flags:open oflag, mode mode, in mq_attr attr', run: mqOpen, blocks: true },
  mq_unlink: { args: 'str name', run: 'mq_unlink' },
  mq_timedsend: { args: `${mqSendArgs}, in timespec abs_timeout`, run: mqSend('timespec'), blocks: true },
  mq_timedsend_time64: { args: `${mqSendArgs}, in timespec64 abs_timeout`, run: mqSend('timespec64'), blocks: true },
  mq_timedreceive: { args: `${mqReceiveArgs}, in timespec abs_timeout`, run: mqReceive('timespec'), blocks: true },
  mq_timedreceive_time64: {
    args: `${mqReceiveArgs}, in timespec64 abs_timeout`,
    run: mqReceive('timespec64'),
    blocks: true,
  },
  mq_notify: { args: 'fd mqdes, in sigevent sevp', run: 'mq_notify' },
  mq_getsetattr: { args: 'fd mqdes, in mq_attr newattr, out mq_attr oldattr', run: mqGetsetattr },
} satisfies Rows;

/** ipc(2): the call's number, its row, and which of ipc's arguments (first, second, third, pointer, fifth) it takes. */
const IPC_CALLS: Readonly<Record<number, readonly [name: string, ...order: number[]]>> = {
  1: ['semop', 1, 4, 2],
  2: ['semget', 1, 2, 3],
  3: ['semctl', 1, 2, 3, 4],
  4: ['semtimedop', 1, 4, 2, 5],
  11: ['msgsnd', 1, 4, 2, 3],
  12: ['msgrcv', 1, 4, 2, 5, 3],
  13: ['msgget', 1, 2],
  14: ['msgctl', 1, 2, 4],
  21: ['shmat', 1, 4, 2],
  22: ['shmdt', 4],
  23: ['shmget', 1, 2, 3],
  24: ['shmctl', 1, 2, 4],
};
const SEMCTL = 3;
const MSGRCV = 12;
const SHMAT = 21;

/** Makes the front from the rows it leads to. */
function ipcRow(rows: Rows): Row {
  return {
    args: 'hex call, int first, ulong second, ulong third, addr ptr, long fifth',
    run: (_, call) => (Object.hasOwn(IPC_CALLS, call & 0xffff) ? -EFAULT : -ENOSYS),
    unfold: (p, args) => unfoldIpc(p, args, rows),
  };
}

/** Arguments that ipc refuses by itself. */
const INVALID: Row = { args: 'int first, int second, int third, addr ptr', run: () => -EINVAL };

function unfoldIpc(p: Process, args: number[], rows: Rows): Unfolded | null {
  const call = args[0]! & 0xffff;
  const version = args[0]! >>> 16;
  const found = Object.hasOwn(IPC_CALLS, call) ? IPC_CALLS[call]! : undefined;
  // Through the front the mark may be there.
  const row = found && (rows[`old_${found[0]}`] ?? rows[found[0]]);
  if (!row) return null;
  const inner = [0, 0, 0, 0, 0, 0];
  found.slice(1).forEach((from, i) => {
    inner[i] = args[from as number]!;
  });
  // The fourth argument of semctl is a union, given by address.
  if (call === SEMCTL) {
    if (args[4] === 0) return { name: 'semctl', row: INVALID, args: inner };
    const value = p.readU32(args[4]!);
    if (value === undefined) return null;
    inner[3] = value | 0;
  }
  if (call === MSGRCV && (args[1]! < 0 || args[2]! < 0 || (version === 0 && args[4] === 0))) {
    return { name: found[0], row: INVALID, args: inner };
  }
  // In its first version msgrcv had its pointer and type in a structure.
  if (call === MSGRCV && version === 0) {
    const pointer = p.readU32(args[4]!);
    const type = p.readU32((args[4]! >>> 0) + 4);
    if (pointer === undefined || type === undefined) return null;
    inner[1] = pointer | 0;
    inner[3] = type | 0;
  }
  if (call !== SHMAT) return { name: found[0], row, args: inner };
  // shmat stores the address where the third argument says.
  if (version === 1) return null;
  const target = args[3]!;
  const attach: Row = {
    args: `${row.args}, out ulong raddr`,
    run: (process, id, address, flags) => {
      if (typeof row.run === 'string') return -ENOSYS;
      const result = row.run(process, id, address, flags, 0, 0, 0);
      if (result < 0 && result >= -4095) return result;
      return process.writeU32(target, result) ? 0 : -EFAULT;
    },
  };
  inner[3] = target;
  return { name: 'shmat', row: attach, args: inner };
}

export const IPC_FRONT_ROWS: Rows = { ipc: ipcRow(IPC_ROWS) };
