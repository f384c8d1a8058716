/** What becomes of calls that a signal kept from beginning, with descriptors, children and locks of this process. */

import { afterAll, expect, test } from 'bun:test';
import { ERESTARTNOHAND, ERESTARTNOINTR } from '../../../linux-user/errno.ts';
import { decideUnbegun } from '../../../linux-user/late-signals.ts';
import { EBADF, ECHILD, ERESTARTSYS } from '../../../src/host/errno.ts';
import { HostBuffer, SYS, sys1, sys2, sys3, sys4 } from '../../../src/host/syscall.ts';

const O_NONBLOCK = 0o4000;
const POLLIN = 1;

const buffer = new HostBuffer(256);
const opened: number[] = [];
afterAll(() => {
  for (const fd of opened) sys1(SYS.close, fd);
});

/** Both ends of a pipe, with a byte in it when `full`. */
function pipe(full: boolean, flags = 0): [from: number, to: number] {
  expect(sys2(SYS.pipe2, buffer.address, flags)).toBe(0);
  const ends: [number, number] = [buffer.view.getInt32(0, true), buffer.view.getInt32(4, true)];
  opened.push(...ends);
  if (full) expect(sys3(SYS.write, ends[1], Buffer.from('x'), 1)).toBe(1);
  return ends;
}

function decide(call: number, ...args: number[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  return decideUnbegun(-ERESTARTNOINTR, call, a, b, c, d, e, f);
}

const [empty, emptyIn] = pipe(false);
const [full] = pipe(true);
const [unwaited] = pipe(false, O_NONBLOCK);

test('waits for descriptors give what is ready, or are interrupted', () => {
  const { address, view } = buffer;
  const pollfd = (fd: number): number => {
    view.setInt32(0, fd, true);
    view.setInt32(4, POLLIN, true);
    return address;
  };
  expect(decide(SYS.poll, pollfd(empty), 1, -1)).toBe(-ERESTARTNOHAND);
  expect(decide(SYS.poll, pollfd(full), 1, -1)).toBe(1);
  expect(view.getInt16(6, true)).toBe(POLLIN);
  expect(decide(SYS.ppoll, pollfd(empty), 1, 0)).toBe(-ERESTARTNOHAND);
  expect(decide(SYS.ppoll, pollfd(full), 1, 0)).toBe(1);
  for (const call of [SYS.select, SYS.pselect6]) {
    for (const [fd, found] of [
      [empty, -ERESTARTNOHAND],
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
  expect(decide(SYS.epoll_wait, epoll, address, 1, -1)).toBe(-ERESTARTNOHAND);
  expect(decide(SYS.epoll_wait, epoll, address, 1, 0)).toBe(-ERESTARTNOINTR);
  expect(decide(SYS.epoll_pwait2, epoll, address, 1, 0)).toBe(-ERESTARTNOHAND);
  view.setInt32(0, POLLIN, true);
  sys4(SYS.epoll_ctl, epoll, 1, full, address);
  expect(decide(SYS.epoll_wait, epoll, address, 1, -1)).toBe(1);
  expect(decide(SYS.epoll_wait, 1 << 20, address, 1, -1)).toBe(-EBADF);
});

test('transfers are interrupted where they would wait, else made after the handler', () => {
  for (const call of [SYS.read, SYS.readv, SYS.recvfrom, SYS.accept]) {
    expect(decide(call, empty)).toBe(-ERESTARTSYS);
    expect(decide(call, full)).toBe(-ERESTARTNOINTR);
    expect(decide(call, unwaited)).toBe(-ERESTARTNOINTR);
    expect(decide(call, 1 << 20)).toBe(-ERESTARTNOINTR);
  }
  const MSG_DONTWAIT = 0x40;
  expect(decide(SYS.recvfrom, empty, 0, 0, MSG_DONTWAIT)).toBe(-ERESTARTNOINTR);
  expect(decide(SYS.recvmsg, empty, 0, MSG_DONTWAIT)).toBe(-ERESTARTNOINTR);
  expect(decide(SYS.write, emptyIn)).toBe(-ERESTARTNOINTR);
  const [, to] = pipe(false);
  const F_SETFL = 4;
  sys3(SYS.fcntl, to, F_SETFL, O_NONBLOCK);
  while (sys3(SYS.write, to, Buffer.alloc(4096), 4096) > 0);
  expect(decide(SYS.write, to)).toBe(-ERESTARTNOINTR);
  sys3(SYS.fcntl, to, F_SETFL, 0);
  expect(decide(SYS.write, to)).toBe(-ERESTARTSYS);
});

test('waits for children', async () => {
  const WNOHANG = 1;
  const WEXITED = 4;
  const P_PID = 1;
  expect(decide(SYS.wait4, 1)).toBe(-ECHILD);
  expect(decide(SYS.waitid, P_PID, 1, buffer.address, WEXITED)).toBe(-ERESTARTNOINTR);
  const child = Bun.spawn(['sleep', '100']);
  expect(decide(SYS.wait4, child.pid)).toBe(-ERESTARTSYS);
  expect(decide(SYS.wait4, child.pid, 0, WNOHANG)).toBe(-ERESTARTNOINTR);
  expect(decide(SYS.waitid, P_PID, child.pid, buffer.address, WEXITED)).toBe(-ERESTARTSYS);
  expect(decide(SYS.waitid, P_PID, child.pid, buffer.address, WEXITED | WNOHANG)).toBe(-ERESTARTNOINTR);
  child.kill();
  await child.exited;
});

test('others', () => {
  const { address, view } = buffer;
  const FUTEX_WAIT = 0;
  view.setInt32(0, 7, true);
  expect(decide(SYS.futex, address, FUTEX_WAIT, 7)).toBe(-ERESTARTSYS);
  expect(decide(SYS.futex, address, FUTEX_WAIT, 7, address + 8)).toBe(-ERESTARTNOHAND);
  expect(decide(SYS.futex, address, FUTEX_WAIT, 8)).toBe(-11);
  expect(decide(SYS.pause)).toBe(-ERESTARTNOHAND);
  expect(decide(SYS.getpid)).toBe(-ERESTARTNOINTR);
  // One that the kernel itself was about to repeat has waited.
  expect(decideUnbegun(-ERESTARTSYS, SYS.read, full, 0, 0, 0, 0, 0)).toBe(-ERESTARTSYS);
});
