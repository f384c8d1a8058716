/** Calls whose arguments no structure describes give a big-endian guest what they give a little-endian one. */

import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ABIS } from '../../../linux-user/abi/registry.ts';
import { Harness } from './harness.ts';

const scratch = mkdtempSync(join(tmpdir(), 'wemu-big-endian-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

for (const name of ['arm', 'armeb']) {
  describe(name, () => {
    const h = new Harness({ abi: ABIS[name]! });
    const little = h.process.little;
    const { view } = h.memory;
    const u16 = (at: number) => view.getUint16(at, little);
    const u64 = (at: number) => Number(view.getBigUint64(at, little));
    const half = (at: number, value: number) => view.setUint16(at, value, little);
    const pair = (call: string, ...args: number[]): [number, number] => {
      const at = h.room(8);
      expect(h.call(call, ...args, at)).toBe(0);
      return [h.u32(at), h.u32(at + 4)];
    };
    /** A socket bound to the loopback address, and its port's two bytes. */
    const bound = () => {
      const fd = h.call('socket', 2, 2 | 0x800, 0);
      const address = h.room(16);
      half(address, 2);
      h.memory.u8.set([127, 0, 0, 1], address + 4);
      expect(h.call('bind', fd, address, 16)).toBe(0);
      const back = h.room(16);
      const length = h.words(16);
      expect(h.call('getsockname', fd, back, length)).toBe(0);
      expect([u16(back), h.u32(length), ...h.memory.u8.subarray(back + 4, back + 8)]).toEqual([2, 16, 127, 0, 0, 1]);
      return { fd, address: back };
    };

    test('poll, ppoll, select', () => {
      const [reader, writer] = pair('pipe');
      const fds = h.words(reader, 0, writer, 0, 99, 0);
      half(fds + 4, 1);
      half(fds + 12, 4);
      half(fds + 20, 1);
      expect(h.call('poll', fds, 3, 0)).toBe(2);
      expect([u16(fds + 6), u16(fds + 14), u16(fds + 22)]).toEqual([0, 4, 0x20]);
      expect(h.call('ppoll', fds, 2, h.words(0, 0), 0, 0)).toBe(1);
      expect(h.call('poll', 0x30000000, 1, 0)).toBe(-14);
      const set = h.words(0);
      view.setUint32(set, 1 << (writer % 32), little);
      expect(h.call('_newselect', writer + 1, 0, set, 0, h.words(0, 0))).toBe(1);
    });

    test('epoll in each of its calls', () => {
      const [, writer] = pair('pipe');
      const epoll = h.call('epoll_create1', 0);
      const event = h.words(4, 0, 0x11223344, 0x55667788);
      expect(h.call('epoll_ctl', epoll, 1, writer, event)).toBe(0);
      for (const call of ['epoll_wait', 'epoll_pwait', 'epoll_pwait2']) {
        const got = h.room(32);
        const time = call === 'epoll_pwait2' ? h.words(0, 0, 0, 0) : 0;
        expect(h.call(call, epoll, got, 2, time, 0, 8)).toBe(1);
        expect([h.u32(got), h.u32(got + 8), h.u32(got + 12)]).toEqual([4, 0x11223344, 0x55667788]);
      }
    });

    test('addresses of datagrams', () => {
      const a = bound();
      const b = bound();
      const text = h.string('datagram');
      expect(h.call('sendto', a.fd, text, 8, 0, b.address, 16)).toBe(8);
      const from = h.room(16);
      const length = h.words(16);
      expect(h.call('recvfrom', b.fd, h.room(16), 16, 0, from, length)).toBe(8);
      expect([u16(from), h.u32(length)]).toEqual([2, 16]);
      expect(h.text(from + 2, 14)).toBe(h.text(a.address + 2, 14));
      expect(h.call('connect', a.fd, b.address, 16)).toBe(0);
      const cut = h.words(4);
      expect(h.call('getpeername', a.fd, from, cut)).toBe(0);
      expect(h.u32(cut)).toBe(16);
      // By a message, with the packet's destination.
      expect(h.call('setsockopt', b.fd, 0, 8, h.words(1), 4)).toBe(0);
      const iov = h.words(text, 8);
      expect(h.call('sendmsg', a.fd, h.words(0, 0, iov, 1, 0, 0, 0), 0)).toBe(8);
      const control = h.room(64);
      const message = h.words(from, 16, h.words(h.room(16), 16), 1, control, 64, 0);
      expect(h.call('recvmsg', b.fd, message, 0)).toBe(8);
      expect(u16(from)).toBe(2);
      expect([h.u32(message + 20), h.u32(control), h.u32(control + 4), h.u32(control + 8)]).toEqual([24, 24, 0, 8]);
      expect([h.u32(control + 12), ...h.memory.u8.subarray(control + 20, control + 24)]).toEqual([1, 127, 0, 0, 1]);
    });

    test('descriptors and credentials in messages', () => {
      const [a, b] = pair('socketpair', 1, 2, 0);
      expect(h.call('setsockopt', b, 1, 16, h.words(1), 4)).toBe(0);
      const rights = h.words(16, 1, 1, 0);
      const iov = h.words(h.string('x'), 1);
      expect(h.call('sendmsg', a, h.words(0, 0, iov, 1, rights, 16, 0), 0)).toBe(1);
      const control = h.room(64);
      const message = h.words(0, 0, iov, 1, control, 64, 0);
      expect(h.call('recvmsg', b, message, 0)).toBe(1);
      const found: Record<number, number> = {};
      for (let at = control; at < control + h.u32(message + 20); at += h.u32(at)) found[h.u32(at + 8)] = h.u32(at + 12);
      expect(found[2]).toBe(process.pid);
      expect(h.call('close', found[1]!)).toBe(0);
    });

    test('options of sockets', () => {
      const fd = h.call('socket', 2, 1, 0);
      const value = h.room(64);
      const length = h.words(4);
      expect(h.call('getsockopt', fd, 1, 3, value, length)).toBe(0);
      expect([h.u32(value), h.u32(length)]).toEqual([1, 4]);
      expect(h.call('setsockopt', fd, 1, 13, h.words(1, 77), 8)).toBe(0);
      view.setUint32(length, 8, little);
      expect(h.call('getsockopt', fd, 1, 13, value, length)).toBe(0);
      expect([h.u32(value), h.u32(value + 4)]).toEqual([1, 77]);
      const rate = h.room(8);
      view.setBigUint64(rate, 123456n, little);
      expect(h.call('setsockopt', fd, 1, 47, rate, 8)).toBe(0);
      expect(h.call('getsockopt', fd, 1, 47, value, length)).toBe(0);
      expect(u64(value)).toBe(123456);
      expect(h.call('setsockopt', fd, 1, 25, h.string('lo'), 3)).toBe(0);
      // A filter of one instruction: accept all.
      const program = h.room(8);
      half(program, 6);
      view.setUint32(program + 4, 0xffff, little);
      const filter = h.words(0, program);
      half(filter, 1);
      expect(h.call('setsockopt', fd, 1, 26, filter, 8)).toBe(0);
      expect(h.call('setsockopt', fd, 1, 3, value, 4)).toBe(-92);
    });

    test('netlink addresses', () => {
      const fd = h.call('socket', 16, 3, 0);
      const address = h.room(12);
      half(address, 16);
      const port = little ? 0x123456 : 0x123457;
      view.setUint32(address + 4, port, little);
      expect(h.call('bind', fd, address, 12)).toBe(0);
      const back = h.room(12);
      expect(h.call('getsockname', fd, back, h.words(12))).toBe(0);
      expect([u16(back), h.u32(back + 4)]).toEqual([16, port]);
    });

    test('semaphores and futexes', () => {
      const id = h.call('semget', 0, 2, 0o600);
      const values = h.room(8);
      half(values, 3);
      half(values + 2, 500);
      expect(h.call('semctl', id, 0, 0x111, values)).toBe(0);
      const operation = h.room(8);
      half(operation, 1);
      half(operation + 2, 0xfffe);
      expect(h.call('semop', id, operation, 1)).toBe(0);
      expect(h.call('semctl', id, 0, 0x10d, values)).toBe(0);
      expect([u16(values), u16(values + 2)]).toEqual([3, 498]);
      expect(h.call('semctl', id, 0, 0, 0)).toBe(0);
      const word = h.words(5);
      expect(h.call('futex', word, 0, 6, 0, 0, 0)).toBe(-11);
      expect(h.call('futex', word, 0, 5, h.words(0, 1000), 0, 0)).toBe(-110);
    });
  });
}
