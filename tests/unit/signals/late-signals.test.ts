/** What becomes of calls that a signal kept from beginning, with descriptors, children and locks of this process. */

import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decideUnbegun } from '../../../linux-user/late-signals.ts';
import { EAGAIN, EBADF, ECHILD, EINTR, ENXIO, ERESTARTSYS } from '../../../src/host/errno.ts';
import { HostBuffer, hostAddress, SYS, sys1, sys2, sys3, sys4, sys5 } from '../../../src/host/syscall.ts';

const O_RDONLY = 0;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const S_IFIFO = 0o010000;
const POLLIN = 1;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;

const buffer = new HostBuffer(256);
const opened: number[] = [];
afterAll(() => {
  for (const fd of opened) sys1(SYS.close, fd);
});

/** Both ends of a pipe, with a byte in it when `full`. */
function pipe(full: boolean): [from: number, to: number] {
  expect(sys2(SYS.pipe2, buffer.address, 0)).toBe(0);
  const ends: [number, number] = [buffer.view.getInt32(0, true), buffer.view.getInt32(4, true)];
  opened.push(...ends);
  if (full) expect(sys3(SYS.write, ends[1], Buffer.from('x'), 1)).toBe(1);
  return ends;
}

function decide(call: number, ...args: number[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  return decideUnbegun(call, a, b, c, d, e, f);
}

const [empty] = pipe(false);
const [full] = pipe(true);

test('waits for descriptors give what is ready, or are interrupted', () => {
  const { address, view } = buffer;
  const pollfd = (fd: number): number => {
    view.setInt32(0, fd, true);
    view.setInt32(4, POLLIN, true);
    return address;
  };
  expect(decide(SYS.poll, pollfd(empty), 1, -1)).toBe(-EINTR);
  expect(decide(SYS.poll, pollfd(full), 1, -1)).toBe(1);
  expect(view.getInt16(6, true)).toBe(POLLIN);
  expect(decide(SYS.ppoll, pollfd(empty), 1, 0)).toBe(-EINTR);
  expect(decide(SYS.ppoll, pollfd(full), 1, 0)).toBe(1);
  for (const call of [SYS.select, SYS.pselect6]) {
    for (const [fd, found] of [
      [empty, -EINTR],
      [full, 1],
    ] as const) {
      buffer.u8.fill(0);
      buffer.u8[fd >> 3] = 1 << (fd & 7);
      expect(decide(call, fd + 1, address, 0, 0, 0)).toBe(found);
    }
  }
  const epoll = sys1(SYS.epoll_create1, 0);
  opened.push(epoll);
  view.setInt32(0, POLLIN, true);
  sys4(SYS.epoll_ctl, epoll, 1, empty, address);
  expect(decide(SYS.epoll_wait, epoll, address, 1, -1)).toBe(-EINTR);
  expect(decide(SYS.epoll_wait, epoll, address, 1, 0)).toBe(0);
  expect(decide(SYS.epoll_pwait2, epoll, address, 1, 0)).toBe(-EINTR);
  view.setInt32(0, POLLIN, true);
  sys4(SYS.epoll_ctl, epoll, 1, full, address);
  expect(decide(SYS.epoll_wait, epoll, address, 1, -1)).toBe(1);
  expect(decide(SYS.epoll_wait, 1 << 20, address, 1, -1)).toBe(-EBADF);
});

const F_SETFL = 4;

test('transfers are made as far as they need not wait, and interrupted where they would', () => {
  const { address } = buffer;
  for (const call of [SYS.read, SYS.recvfrom]) {
    const [from, to] = call === SYS.read ? pipe(false) : sockets();
    expect(decide(call, from, address, 8)).toBe(-ERESTARTSYS);
    sys3(SYS.write, to, Buffer.from('xyz'), 3);
    expect(decide(call, from, address, 8)).toBe(3);
    sys3(SYS.fcntl, from, F_SETFL, O_NONBLOCK);
    expect(decide(call, from, address, 8)).toBe(-EAGAIN);
    expect(decide(call, 1 << 20, address, 8)).toBe(-EBADF);
  }
  const [from, to] = pipe(false);
  const data = Buffer.alloc(1 << 20);
  // A pipe has room for a part, which is what the call has written then.
  const written = decide(SYS.write, to, hostAddress(data), data.length);
  expect(written).toBeGreaterThan(0);
  expect(written).toBeLessThan(data.length);
  expect(decide(SYS.write, to, hostAddress(data), 1)).toBe(-ERESTARTSYS);
  sys3(SYS.fcntl, to, F_SETFL, O_NONBLOCK);
  expect(decide(SYS.write, to, hostAddress(data), 1)).toBe(-EAGAIN);
  expect(decide(SYS.read, from, hostAddress(data), 100)).toBe(100);
});

/** Both ends of a socket pair. */
function sockets(): [a: number, b: number] {
  expect(sys4(SYS.socketpair, AF_UNIX, SOCK_STREAM, 0, buffer.address)).toBe(0);
  const ends: [number, number] = [buffer.view.getInt32(0, true), buffer.view.getInt32(4, true)];
  opened.push(...ends);
  return ends;
}

test('sockets with a time of their own fail whatever SA_RESTART says', () => {
  const [from] = sockets();
  const { address, view } = buffer;
  view.setBigInt64(0, 1000n, true);
  view.setBigInt64(8, 0n, true);
  expect(sys5(SYS.setsockopt, from, SOL_SOCKET, SO_RCVTIMEO, address, 16)).toBe(0);
  expect(decide(SYS.recvfrom, from, address, 8)).toBe(-EINTR);
});

test('connections', () => {
  const listener = sys3(SYS.socket, AF_UNIX, SOCK_STREAM, 0);
  opened.push(listener);
  const { address, view } = buffer;
  view.setUint16(0, AF_UNIX, true);
  expect(sys3(SYS.bind, listener, address, 2)).toBe(0);
  expect(sys2(SYS.listen, listener, 0)).toBe(0);
  expect(decide(SYS.accept, listener)).toBe(-ERESTARTSYS);
  view.setInt32(64, 100, true);
  expect(sys3(SYS.getsockname, listener, address, address + 64)).toBe(0);
  const length = view.getInt32(64, true);
  // The first one fills the queue.
  for (const result of [0, -ERESTARTSYS]) {
    const socket = sys3(SYS.socket, AF_UNIX, SOCK_STREAM, 0);
    opened.push(socket);
    expect(decide(SYS.connect, socket, address, length)).toBe(result);
  }
  const accepted = decide(SYS.accept, listener);
  expect(accepted).toBeGreaterThan(0);
  opened.push(accepted);
});

test('files that wait for the other end to be opened', () => {
  const directory = mkdtempSync(join(tmpdir(), 'late-signals-'));
  try {
    const name = Buffer.from(`${directory}/fifo\0`);
    const path = hostAddress(name);
    expect(sys4(SYS.mknodat, -1, name, S_IFIFO | 0o600, 0)).toBe(0);
    expect(decide(SYS.openat, -1, path, O_RDONLY)).toBe(-ERESTARTSYS);
    expect(decide(SYS.openat, -1, path, O_WRONLY)).toBe(-ERESTARTSYS);
    expect(decide(SYS.openat, -1, path, O_WRONLY | O_NONBLOCK)).toBe(-ENXIO);
    for (const flags of [O_RDWR, O_RDONLY, O_WRONLY]) {
      const fd = decide(SYS.openat, -1, path, flags);
      expect(fd).toBeGreaterThan(0);
      opened.push(fd);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('waits for children', async () => {
  const WNOHANG = 1;
  const WEXITED = 4;
  const P_PID = 1;
  expect(decide(SYS.wait4, 1)).toBe(-ECHILD);
  expect(decide(SYS.waitid, P_PID, 1, buffer.address, WEXITED)).toBe(-ECHILD);
  const child = Bun.spawn(['sleep', '100']);
  expect(decide(SYS.wait4, child.pid)).toBe(-ERESTARTSYS);
  expect(decide(SYS.wait4, child.pid, 0, WNOHANG)).toBe(0);
  expect(decide(SYS.waitid, P_PID, child.pid, buffer.address, WEXITED)).toBe(-ERESTARTSYS);
  expect(decide(SYS.waitid, P_PID, child.pid, buffer.address, WEXITED | WNOHANG)).toBe(0);
  child.kill();
  await child.exited;
});

test('others', () => {
  const { address, view } = buffer;
  const FUTEX_WAIT = 0;
  view.setInt32(0, 7, true);
  view.setBigInt64(8, 1000n, true);
  view.setBigInt64(16, 0n, true);
  expect(decide(SYS.futex, address, FUTEX_WAIT, 7)).toBe(-ERESTARTSYS);
  expect(decide(SYS.futex, address, FUTEX_WAIT, 7, address + 8)).toBe(-EINTR);
  expect(decide(SYS.futex, address, FUTEX_WAIT, 8)).toBe(-EAGAIN);
  expect(decide(SYS.pause)).toBe(-EINTR);
  expect(decide(SYS.getpid)).toBe(process.pid);
  const CLOCK_MONOTONIC = 1;
  expect(decide(SYS.clock_nanosleep, CLOCK_MONOTONIC, 0, address + 8, address + 32)).toBe(-EINTR);
  expect(view.getBigInt64(32, true)).toBeLessThan(1001n);
  expect(decide(SYS.mq_timedreceive, 1 << 20, address, 8)).toBe(-EBADF);
});
