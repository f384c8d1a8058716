// System calls on sockets, and socketcall, the one number through which older programs reach them all.

import { EFAULT, EINVAL } from '../../src/host/errno.ts';
import { SYS } from '../../src/host/syscall.ts';
import { BAD_ADDRESS } from '../paths.ts';
import type { Process } from '../process.ts';
import { swapAddress } from './byte-order.ts';
import type { Handler, Row, Rows, Unfolded } from './row.ts';
import { receiveMessage, receiveMessages, sendMessage, sendMessages } from './socket-messages.ts';
import { getsockopt, setsockopt } from './socket-options.ts';
import { copyIn, copyOut } from './user-data.ts';

/** The longest socket address (struct sockaddr_storage); the kernel writes no more. */
const LONGEST_ADDRESS = 128;

/** A call that reports an address: the buffer's length stands in memory. Further arguments follow the length pointer. */
function withAddress(p: Process, call: number, fd: number, address: number, length: number, flags: number): number {
  if (!p.little) {
    return reportAddress(p, address, length, (to, toLength) => p.wait(call, fd, to, toLength, flags, 0, 0));
  }
  if (address === 0) return p.wait(call, fd, 0, p.out(length, 4), flags, 0, 0);
  const room = p.readU32(length) ?? 0;
  return p.wait(call, fd, p.out(address, Math.min(room, LONGEST_ADDRESS)), p.out(length, 4), flags, 0, 0);
}

/** Where an address and its length stand in the scratch buffer. */
const LENGTH_AT = 128;

/** The same where the guest keeps both in another order. */
function reportAddress(
  p: Process,
  address: number,
  length: number,
  run: (to: number, length: number) => number,
): number {
  const room = p.readU32(length);
  const { view, u8, address: scratch } = p.scratch(LENGTH_AT + 4);
  view.setInt32(LENGTH_AT, (room ?? 0) | 0, true);
  const lengthTo = length === 0 ? 0 : room === undefined ? BAD_ADDRESS : scratch + LENGTH_AT;
  const result = run(address === 0 ? 0 : scratch, lengthTo);
  if (result < 0 || address === 0 || room === undefined) return result;
  const full = view.getInt32(LENGTH_AT, true);
  const stored = Math.min(full, room, LONGEST_ADDRESS);
  swapAddress(u8, 0, full, false);
  return copyOut(p, 0, Math.max(0, stored), address) && p.writeU32(length, full) ? result : -EFAULT;
}

/** An address to send to, in the host's order. */
export function addressIn(p: Process, address: number, length: number): number {
  if (p.little || address === 0 || length >>> 0 > LONGEST_ADDRESS) return p.in(address);
  if (!copyIn(p, address, length >>> 0, 0)) return BAD_ADDRESS;
  const { u8, address: scratch } = p.scratch(0);
  swapAddress(u8, 0, length, true);
  return scratch;
}

const withAddressIn = (call: number): Handler => {
  return (p, fd, address, length) => p.wait(call, fd, addressIn(p, address, length), length, 0, 0, 0);
};

const addressCall = (call: number): Handler => {
  return (p, fd, address, length) => withAddress(p, call, fd, address, length, 0);
};

function accept4(p: Process, fd: number, address: number, length: number, flags: number): number {
  return withAddress(p, SYS.accept4, fd, address, length, flags);
}

function send(
  p: Process,
  fd: number,
  buffer: number,
  size: number,
  flags: number,
  to: number,
  toLength: number,
): number {
  return p.wait(SYS.sendto, fd, p.in(buffer), p.room(buffer, size), flags, addressIn(p, to, toLength), toLength);
}

function receive(
  p: Process,
  fd: number,
  buffer: number,
  size: number,
  flags: number,
  from: number,
  fromLength: number,
): number {
  const length = p.room(buffer, size);
  if (!p.little && from !== 0) {
    return reportAddress(p, from, fromLength, (to, toLength) =>
      p.wait(SYS.recvfrom, fd, p.out(buffer, length), length, flags, to, toLength),
    );
  }
  const room = from === 0 ? 0 : Math.min(p.readU32(fromLength) ?? 0, LONGEST_ADDRESS);
  return p.wait(SYS.recvfrom, fd, p.out(buffer, length), length, flags, p.out(from, room), p.out(fromLength, 4));
}

const SOL_SOCKET = 1;
/** The same calls with the options of sockets by name. */
const SOCKET_LEVEL_SET: Row = {
  args: 'fd sockfd, enum:sol level, enum:so optname, in bytes[optlen] optval, int optlen',
  run: setsockopt,
};
const SOCKET_LEVEL_GET: Row = {
  args: 'fd sockfd, enum:sol level, enum:so optname, addr optval, inout int optlen',
  run: getsockopt,
};

function atSocketLevel(name: string, row: Row) {
  return (_: Process, args: number[]): Unfolded | null => (args[1] === SOL_SOCKET ? { name, row, args } : null);
}

const addressOut = 'out sockaddr addr, inout int addrlen';

export const SOCKET_ROWS = {
  socket: { args: 'enum:af domain, flags:sock type, int protocol', run: 'socket' },
  socketpair: { args: 'enum:af domain, flags:sock type, int protocol, out int[2] sv', run: 'socketpair' },
  bind: { args: 'fd sockfd, in sockaddr addr, size addrlen', run: withAddressIn(SYS.bind) },
  connect: { args: 'fd sockfd, in sockaddr addr, size addrlen', run: withAddressIn(SYS.connect), blocks: true },
  listen: { args: 'fd sockfd, int backlog', run: 'listen' },
  accept: { args: `fd sockfd, ${addressOut}`, run: addressCall(SYS.accept), blocks: true },
  accept4: { args: `fd sockfd, ${addressOut}, flags:sock flags`, run: accept4, blocks: true },
  getsockname: { args: `fd sockfd, ${addressOut}`, run: addressCall(SYS.getsockname) },
  getpeername: { args: `fd sockfd, ${addressOut}`, run: addressCall(SYS.getpeername) },
  send: {
    args: 'fd sockfd, in bytes[len] buf, size len, flags:msg flags',
    run: (p, fd, buffer, size, flags) => send(p, fd, buffer, size, flags, 0, 0),
    blocks: true,
  },
  sendto: {
    args: 'fd sockfd, in bytes[len] buf, size len, flags:msg flags, in sockaddr dest_addr, size addrlen',
    run: send,
    blocks: true,
  },
  recv: {
    args: 'fd sockfd, out bytes[len:result] buf, size len, flags:msg flags',
    run: (p, fd, buffer, size, flags) => receive(p, fd, buffer, size, flags, 0, 0),
    blocks: true,
  },
  recvfrom: {
    args: 'fd sockfd, out bytes[len:result] buf, size len, flags:msg flags, out sockaddr src_addr, inout int addrlen',
    run: receive,
    blocks: true,
  },
  sendmsg: { args: 'fd sockfd, in msghdr msg, flags:msg flags', run: sendMessage, blocks: true },
  recvmsg: { args: 'fd sockfd, inout msghdr msg, flags:msg flags', run: receiveMessage, blocks: true },
  sendmmsg: {
    args: 'fd sockfd, inout mmsghdr[vlen] msgvec, uint vlen, flags:msg flags',
    run: sendMessages,
    blocks: true,
  },
  recvmmsg: {
    args: 'fd sockfd, inout mmsghdr[vlen] msgvec, uint vlen, flags:msg flags, inout timespec timeout',
    run: (p, fd, messages, count, flags, timeout) =>
      receiveMessages(p, 'timespec', fd, messages, count, flags, timeout),
    blocks: true,
  },
  recvmmsg_time64: {
    args: 'fd sockfd, inout mmsghdr[vlen] msgvec, uint vlen, flags:msg flags, inout timespec64 timeout',
    run: (p, fd, messages, count, flags, timeout) =>
      receiveMessages(p, 'timespec64', fd, messages, count, flags, timeout),
    blocks: true,
  },
  shutdown: { args: 'fd sockfd, enum:shut how', run: 'shutdown' },
  setsockopt: {
    args: 'fd sockfd, enum:sol level, int optname, in bytes[optlen] optval, int optlen',
    run: setsockopt,
    unfold: atSocketLevel('setsockopt', SOCKET_LEVEL_SET),
  },
  getsockopt: {
    args: 'fd sockfd, enum:sol level, int optname, addr optval, inout int optlen',
    run: getsockopt,
    unfold: atSocketLevel('getsockopt', SOCKET_LEVEL_GET),
  },
} satisfies Rows;

/** What each number of socketcall(2) means, and how many arguments it takes. */
const SOCKETCALLS: readonly (readonly [name: keyof typeof SOCKET_ROWS, count: number] | null)[] = [
  null,
  ['socket', 3],
  ['bind', 3],
  ['connect', 3],
  ['listen', 2],
  ['accept', 3],
  ['getsockname', 3],
  ['getpeername', 3],
  ['socketpair', 4],
  ['send', 4],
  ['recv', 4],
  ['sendto', 6],
  ['recvfrom', 6],
  ['shutdown', 2],
  ['setsockopt', 5],
  ['getsockopt', 5],
  ['sendmsg', 3],
  ['recvmsg', 3],
  ['accept4', 4],
  ['recvmmsg', 5],
  ['sendmmsg', 4],
];

function unfoldSocketcall(p: Process, args: number[]): Unfolded | null {
  const found = SOCKETCALLS[args[0]!];
  if (!found) return null;
  const [name, count] = found;
  const inner: number[] = [0, 0, 0, 0, 0, 0];
  const word = p.abi.model.longSize;
  for (let i = 0; i < count; i++) {
    const value = p.readWord((args[1]! >>> 0) + i * word);
    if (value === undefined) return null;
    inner[i] = word === 4 ? value | 0 : value;
  }
  return { name, row: SOCKET_ROWS[name] as Row, args: inner };
}

export const SOCKETCALL_ROWS = {
  socketcall: {
    args: 'int call, addr args',
    run: (_, call) => (SOCKETCALLS[call] ? -EFAULT : -EINVAL),
    unfold: unfoldSocketcall,
  },
} satisfies Rows;
