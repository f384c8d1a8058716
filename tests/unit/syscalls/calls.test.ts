/** System calls that do more than the host's: descriptors of our own, kept limits, TLS, messages, directories, translated code. */

import { afterAll, describe, expect, test } from 'bun:test';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeHidden, hideDescriptor } from '../../../linux-user/host-descriptors.ts';
import { STATE_BASE } from '../../../src/memory/guest-pages.ts';
import { X86_OFFSETS } from '../../../targets/x86/state.ts';
import { Harness } from './harness.ts';

const scratch = mkdtempSync(join(tmpdir(), 'wemu-calls-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const EBADF = -9;
const EFAULT = -14;
const EINVAL = -22;
const EOVERFLOW = -75;

describe('descriptors of our own', () => {
  const h = new Harness();
  const hidden = hideDescriptor(openSync('/dev/null', 'r'));
  afterAll(() => closeHidden(hidden));

  test('they have high numbers', () => {
    expect(hidden).toBeGreaterThan(900);
  });

  test('the guest cannot close or replace them', () => {
    expect(h.call('close', hidden)).toBe(EBADF);
    expect(h.call('dup2', 0, hidden)).toBe(EBADF);
    expect(h.call('dup3', 0, hidden, 0)).toBe(EBADF);
    expect(h.call('dup2', hidden, 50)).toBe(EBADF);
    expect(readFileSync(`/proc/self/fdinfo/${hidden}`, 'utf8')).toContain('flags');
  });

  test('close_range goes around them', () => {
    const opened: number[] = [];
    // Other tests may have hidden the numbers next to it.
    for (const at of [hidden - 50, hidden + 1]) opened.push(h.call('fcntl64', 0, 0, at));
    expect(h.call('close_range', hidden - 50, hidden + 50, 0)).toBe(0);
    for (const fd of opened) expect(h.call('close', fd)).toBe(EBADF);
    expect(readFileSync(`/proc/self/fdinfo/${hidden}`, 'utf8')).toContain('flags');
    expect(h.call('close_range', 10, 5, 0)).toBe(EINVAL);
  });
});

describe('limits', () => {
  const h = new Harness();
  const limit = h.room(16);

  test('address space, data and stack are kept for the guest and leave the host alone', () => {
    for (const resource of [2, 3, 9]) {
      expect(h.call('prlimit64', 0, resource, h.words(0x100000, 0, 0x200000, 0), 0)).toBe(0);
      expect(h.call('ugetrlimit', resource, limit)).toBe(0);
      expect([h.u32(limit), h.u32(limit + 4)]).toEqual([0x100000, 0x200000]);
      expect(h.call('setrlimit', resource, h.words(0x300000, 0x200000))).toBe(EINVAL);
    }
    // The test itself goes on allocating.
    expect(new Uint8Array(64 << 20).length).toBe(64 << 20);
  });

  test('infinity is told in the width of the call', () => {
    // Of its own: what another has lowered only root could raise.
    const h = new Harness();
    const limit = h.room(16);
    expect(h.call('prlimit64', 0, 9, h.words(-1, -1, -1, -1), 0)).toBe(0);
    h.call('ugetrlimit', 9, limit);
    expect(h.u32(limit)).toBe(0xffffffff);
    h.call('getrlimit', 9, limit);
    expect(h.u32(limit)).toBe(0x7fffffff);
    h.call('prlimit64', 0, 9, 0, limit);
    expect([h.u32(limit), h.u32(limit + 4)]).toEqual([0xffffffff, 0xffffffff]);
  });
});

describe('names and numbers of the system', () => {
  test('the machine is i686 in all three forms of uname, the release can be given', () => {
    const h = new Harness({ release: '1.2.3-test' });
    const at = h.room(400);
    expect(h.call('uname', at)).toBe(0);
    const field = (i: number) => h.text(at + i * 65, 65).split('\0')[0];
    expect([field(0), field(2), field(4)]).toEqual(['Linux', '1.2.3-test', 'i686']);
    expect(h.call('oldolduname', at)).toBe(0);
    expect(h.text(at + 36, 9).split('\0')[0]).toBe('i686');
    expect(h.text(at + 18, 9)).toBe('1.2.3-te\0');
  });

  test('memory too large for a long is counted in pages', () => {
    const h = new Harness();
    const at = h.room(64);
    expect(h.call('sysinfo', at)).toBe(0);
    const total = h.u32(at + 16) * h.u32(at + 52);
    const kilobytes = Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))![1]);
    expect(Math.abs(total / 1024 - kilobytes)).toBeLessThan(2048);
  });
});

describe('thread-local storage', () => {
  const h = new Harness();
  const desc = (entry: number, base: number, flags = 0x51) => h.words(entry, base, 0xfffff, flags);

  test('-1 gives entries 12 to 14, then ESRCH', () => {
    for (const entry of [12, 13, 14]) {
      const at = desc(-1, 0x12345678 + entry);
      expect(h.call('set_thread_area', at)).toBe(0);
      expect(h.u32(at)).toBe(entry);
    }
    expect(h.call('set_thread_area', desc(-1, 1))).toBe(-3);
    expect(h.call('set_thread_area', desc(15, 1))).toBe(EINVAL);
    expect(h.call('set_thread_area', desc(12, 1, 0x50))).toBe(EINVAL);
    expect(h.call('set_thread_area', 0x20)).toBe(EFAULT);
  });

  test('get_thread_area tells what was set', () => {
    const at = h.words(13, 0, 0, 0);
    expect(h.call('get_thread_area', at)).toBe(0);
    expect([h.u32(at + 4), h.u32(at + 8), h.u32(at + 12)]).toEqual([0x12345678 + 13, 0xfffff, 0x51]);
    expect(h.call('get_thread_area', h.words(11))).toBe(EINVAL);
  });

  test('a segment register that holds the selector gets the new base at once', () => {
    const gs = STATE_BASE + X86_OFFSETS.selectors + 5 * 4;
    h.memory.view.setUint32(gs, (12 << 3) | 3, true);
    expect(h.call('set_thread_area', desc(12, 0x40404000))).toBe(0);
    expect(h.u32(STATE_BASE + X86_OFFSETS.segBases + 5 * 4)).toBe(0x40404000);
    expect(h.u32(STATE_BASE + X86_OFFSETS.limits + 5 * 4)).toBe(0xffffffff);
    h.memory.view.setUint32(gs, 0, true);
  });

  test('modify_ldt stores descriptors and reads them back', () => {
    expect(h.call('modify_ldt', 0, h.room(64), 64)).toBe(0);
    expect(h.call('modify_ldt', 0x11, desc(2, 0x11223344), 16)).toBe(0);
    const at = h.room(64);
    expect(h.call('modify_ldt', 0, at, 64)).toBe(64);
    expect([h.u32(at + 16).toString(16), h.u32(at + 20).toString(16)]).toEqual(['3344ffff', '11dff322']);
    expect(h.call('modify_ldt', 0x11, desc(8192, 0), 16)).toBe(EINVAL);
    expect(h.call('modify_ldt', 1, desc(0, 0, 0x6), 16)).toBe(EINVAL);
  });
});

describe('messages on sockets', () => {
  const h = new Harness();

  /** A message header around one buffer and a control buffer. */
  const header = (buffer: number, length: number, control: number, controlLength: number) =>
    h.words(0, 0, h.words(buffer, length), 1, control, controlLength, 0);

  test('descriptors and credentials arrive in the layout of the guest', () => {
    const pair = h.room(8);
    expect(h.call('socketpair', 1, 2, 0, pair)).toBe(0);
    const [a, b] = [h.u32(pair), h.u32(pair + 4)];
    expect(h.call('setsockopt', b, 1, 16, h.words(1), 4)).toBe(0);
    const pipe = h.room(8);
    h.call('pipe2', pipe, 0);
    const rights = h.words(20, 1, 1, h.u32(pipe), h.u32(pipe + 4));
    expect(h.call('sendmsg', a, header(h.string('hi'), 2, rights, 20), 0)).toBe(2);

    const buffer = h.room(16);
    const control = h.room(100);
    const message = header(buffer, 16, control, 100);
    expect(h.call('recvmsg', b, message, 0)).toBe(2);
    expect(h.text(buffer, 2)).toBe('hi');
    // Credentials (24 bytes with its header), then the two descriptors (20).
    expect([h.u32(message + 20), h.u32(message + 24)]).toEqual([44, 0]);
    expect([h.u32(control), h.u32(control + 4), h.u32(control + 8), h.u32(control + 12)]).toEqual([
      24,
      1,
      2,
      process.pid,
    ]);
    expect([h.u32(control + 24), h.u32(control + 28), h.u32(control + 32)]).toEqual([20, 1, 1]);
    const [read, write] = [h.u32(control + 36), h.u32(control + 40)];
    h.call('write', write, h.string('x'), 1);
    expect(h.call('read', read, buffer, 1)).toBe(1);
    for (const fd of [a, b, read, write, h.u32(pipe), h.u32(pipe + 4)]) h.call('close', fd);
  });

  test('a control buffer too small cuts the message and leaks no descriptor', () => {
    const pair = h.room(8);
    h.call('socketpair', 1, 2, 0, pair);
    const [a, b] = [h.u32(pair), h.u32(pair + 4)];
    const before = readdirSync('/proc/self/fd').length;
    h.call('sendmsg', a, header(h.string('x'), 1, h.words(20, 1, 1, 0, 0), 20), 0);
    const message = header(h.room(4), 4, h.room(20), 16);
    expect(h.call('recvmsg', b, message, 0)).toBe(1);
    // One descriptor fits into 16 bytes.
    expect([h.u32(message + 20), h.u32(message + 24) & 8]).toEqual([16, 8]);
    h.call('sendmsg', a, header(h.string('x'), 1, h.words(20, 1, 1, 0, 0), 20), 0);
    const none = header(h.room(4), 4, 0, 0);
    expect(h.call('recvmsg', b, none, 0)).toBe(1);
    expect(h.u32(none + 24) & 8).toBe(8);
    expect(readdirSync('/proc/self/fd').length).toBe(before + 1);
    for (const fd of [a, b]) h.call('close', fd);
  });

  test('bad control messages are refused', () => {
    const pair = h.room(8);
    h.call('socketpair', 1, 2, 0, pair);
    const a = h.u32(pair);
    for (const length of [0, 11, 21, -1]) {
      expect(h.call('sendmsg', a, header(h.string('x'), 1, h.words(length, 1, 1, 0, 0), 20), 0)).toBe(EINVAL);
    }
    expect(h.call('sendmsg', a, header(h.string('x'), 1, 0x20, 20), 0)).toBe(EFAULT);
    expect(h.call('sendmsg', 99, header(h.string('x'), 1, 0x20, 20), 0)).toBe(EBADF);
  });

  test('many messages in one call', () => {
    const pair = h.room(8);
    h.call('socketpair', 1, 2, 0, pair);
    const [a, b] = [h.u32(pair), h.u32(pair + 4)];
    const vector = (text: string) => h.words(h.string(text), text.length);
    const send = h.words(0, 0, vector('one'), 1, 0, 0, 0, 0, 0, 0, vector('three'), 1, 0, 0, 0, 0);
    expect(h.call('sendmmsg', a, send, 2, 0)).toBe(2);
    expect([h.u32(send + 28), h.u32(send + 60)]).toEqual([3, 5]);
    const buffers = [h.room(16), h.room(16), h.room(16)];
    const receive = h.words(...buffers.flatMap((at) => [0, 0, h.words(at, 16), 1, 0, 0, 0, 0]));
    expect(h.call('recvmmsg_time64', b, receive, 3, 0x10000, h.words(1, 0, 0, 0))).toBe(2);
    expect([h.text(buffers[0]!, 3), h.text(buffers[1]!, 5)]).toEqual(['one', 'three']);
    for (const fd of [a, b]) h.call('close', fd);
  });

  test('time-outs of sockets have the width of the call', () => {
    const fd = h.call('socket', 2, 2, 0);
    expect(h.call('setsockopt', fd, 1, 20, h.words(3, 500000), 8)).toBe(0);
    const value = h.room(16);
    const length = h.words(16);
    expect(h.call('getsockopt', fd, 1, 20, value, length)).toBe(0);
    expect([h.u32(length), h.u32(value)]).toEqual([8, 3]);
    expect(h.call('setsockopt', fd, 1, 20, h.words(3), 4)).toBe(EINVAL);
    h.call('close', fd);
  });
});

describe('System V IPC', () => {
  const h = new Harness();

  test('messages keep their type; the time members are the guest layout', () => {
    const id = h.call('msgget', 0, 0o600);
    expect(id).toBeGreaterThanOrEqual(0);
    const message = h.words(7, 0x6c6c6568, 0x6f);
    const before = Math.floor(Date.now() / 1000);
    expect(h.call('ipc', 11, id, 5, 0, message, 0)).toBe(0);
    const status = h.room(100);
    expect(h.call('msgctl', id, 2, status)).toBe(0);
    // The kernel's seconds are those of its last tick.
    expect(h.u32(status + 36)).toBeGreaterThanOrEqual(before - 1);
    expect(h.u32(status + 36)).toBeLessThanOrEqual(Math.floor(Date.now() / 1000));
    expect([h.u32(status + 60), h.u32(status + 64)]).toEqual([5, 1]);
    const into = h.room(64);
    expect(h.call('msgrcv', id, into, 50, 7, 0)).toBe(5);
    expect([h.u32(into), h.text(into + 4, 5)]).toEqual([7, 'hello']);
    expect(h.call('msgctl', id, 0, 0)).toBe(0);
  });

  test('semaphores by the multiplexer: the value stands in a union in memory', () => {
    const id = h.call('ipc', 2, 0, 3, 0o600, 0, 0);
    expect(h.call('ipc', 3, id, 1, 0x110, h.words(5), 0)).toBe(0);
    expect(h.call('ipc', 3, id, 1, 0x10c, h.words(0), 0)).toBe(5);
    expect(h.call('ipc', 1, id, 1, 0, h.words(0x00fe0001 | (0xff << 24), 0), 0)).toBe(0);
    const values = h.room(16);
    expect(h.call('ipc', 3, id, 0, 0x10d, h.words(values), 0)).toBe(0);
    expect(h.memory.view.getUint16(values + 2, true)).toBe(3);
    const status = h.room(64);
    expect(h.call('semctl', id, 0, 2, status)).toBe(0);
    expect(h.u32(status + 52)).toBe(3);
    expect(h.call('ipc', 3, id, 0, 0x100, h.words(0), 0)).toBe(0);
  });

  test('shared memory is attached in guest memory and stored through the pointer', () => {
    const id = h.call('ipc', 23, 0, 8192, 0o600, 0, 0);
    const result = h.room(4);
    expect(h.call('ipc', 21, id, 0, result, 0, 0)).toBe(0);
    const at = h.u32(result);
    h.memory.write32(at + 4096, 0x1234);
    expect(h.call('ipc', 22, 0, 0, 0, at, 0)).toBe(0);
    expect(h.memory.checkRead(at, 4)).toBe(false);
    expect(h.call('ipc', 24, id, 0x100, 0, 0, 0)).toBe(0);
  });
});

describe('directories and files', () => {
  const h = new Harness();
  const dir = join(scratch, 'many');
  mkdirSync(dir);
  const names = Array.from({ length: 300 }, (_, i) => `entry-${i}-${'n'.repeat(i % 40)}`);
  for (const name of names) writeFileSync(join(dir, name), '');

  /** All names a call lists with a buffer of `size`; positions are checked to fit into 31 bits. */
  function list(call: 'getdents' | 'getdents64', size: number): string[] {
    const fd = h.call('openat', -100, h.string(dir), 0x10000);
    const buffer = h.room(4096);
    const found: string[] = [];
    for (;;) {
      const length = h.call(call, fd, buffer, size);
      expect(length).toBeGreaterThanOrEqual(0);
      if (length <= 0) break;
      for (let at = buffer; at < buffer + length; ) {
        const wide = call === 'getdents64';
        if (wide) expect(h.u32(at + 12)).toBe(0);
        expect(h.u32(at + (wide ? 8 : 4))).toBeLessThan(0x80000000);
        const record = h.memory.view.getUint16(at + (wide ? 16 : 8), true);
        found.push(h.text(at + (wide ? 19 : 10), 255).split('\0')[0]!);
        at += record;
      }
    }
    h.call('close', fd);
    return found.sort();
  }

  test('every entry is listed once, whatever the buffer', () => {
    const expected = [...names, '.', '..'].sort();
    for (const size of [4096, 700, 300]) {
      expect(list('getdents64', size)).toEqual(expected);
      expect(list('getdents', size)).toEqual(expected);
    }
  });

  test('a position from an entry can be returned to', () => {
    const fd = h.call('openat', -100, h.string(dir), 0x10000);
    const buffer = h.room(4096);
    const first = h.call('getdents64', fd, buffer, 4096);
    const records: { name: string; next: number }[] = [];
    for (let at = buffer; at < buffer + first; at += h.memory.view.getUint16(at + 16, true)) {
      records.push({ name: h.text(at + 19, 255).split('\0')[0]!, next: h.u32(at + 8) });
    }
    for (const k of [0, 5, records.length - 2]) {
      const result = h.room(8);
      expect(h.call('_llseek', fd, 0, records[k]!.next, result, 0)).toBe(0);
      h.call('getdents64', fd, buffer, 4096);
      expect(h.text(buffer + 19, 255).split('\0')[0]).toBe(records[k + 1]!.name);
    }
    h.call('close', fd);
  });

  test('a large file needs O_LARGEFILE; F_GETFL shows it only then', () => {
    const large = join(scratch, 'large');
    writeFileSync(large, '');
    truncateSync(large, 3 * 2 ** 30);
    expect(h.call('openat', -100, h.string(large), 0)).toBe(EOVERFLOW);
    const fd = h.call('openat', -100, h.string(large), 0x8000);
    expect(h.call('fcntl64', fd, 3)).toBe(0x8000);
    const status = h.room(96);
    expect(h.call('fstat64', fd, status)).toBe(0);
    expect(h.memory.view.getBigInt64(status + 44, true)).toBe(3n * 2n ** 30n);
    expect(h.call('fstat', fd, status)).toBe(EOVERFLOW);
    h.call('close', fd);
    const small = h.call('openat', -100, h.string(`${dir}/${names[0]}`), 2);
    expect(h.call('fcntl64', small, 3)).toBe(2);
    const copy = h.call('dup', small);
    expect(h.call('fcntl64', copy, 3)).toBe(2);
    for (const open of [small, copy]) h.call('close', open);
    closeSync(openSync(large, 'r'));
  });
});

describe('memory', () => {
  test('a transfer into a page with translated code drops the translation first', () => {
    const h = new Harness();
    const page = h.memory.map(0, 4096, 7, 0x22, -1, 0);
    h.memory.protectCode(page >>> 12);
    const dropped: number[] = [];
    h.memory.onCodeWrite = (first, last) => {
      dropped.push(first, last);
      h.memory.unprotectCode(first, last);
    };
    const zero = h.call('openat', -100, h.string('/dev/zero'), 0);
    expect(h.call('read', zero, page + 100, 50)).toBe(50);
    expect(dropped).toEqual([page >>> 12, page >>> 12]);
    h.memory.protectCode(page >>> 12);
    expect(h.call('clock_gettime64', 1, page)).toBe(0);
    h.memory.protectCode(page >>> 12);
    expect(h.call('gettimeofday', page, 0)).toBe(0);
    expect(dropped.length).toBe(6);
    h.call('close', zero);
  });

  test('no transfer reaches the emulator behind the guest', () => {
    const h = new Harness();
    const last = h.memory.taskSize - 4096;
    h.memory.map(last, 4096, 3, 0x32, -1, 0);
    const before = h.memory.u8.slice(STATE_BASE, STATE_BASE + 64);
    const zero = h.call('openat', -100, h.string('/dev/zero'), 0);
    expect(h.call('read', zero, last, 0x7fffffff)).toBe(4096);
    expect(h.call('read', zero, STATE_BASE, 64)).toBe(EFAULT);
    expect(h.call('readv', zero, h.words(last, 100000, STATE_BASE, 64), 2)).toBe(4096);
    expect(h.call('getrandom', last + 4000, 1000, 0)).toBe(96);
    expect(h.call('write', 1, STATE_BASE, 5)).toBe(EFAULT);
    expect(h.memory.u8.slice(STATE_BASE, STATE_BASE + 64)).toEqual(before);
    h.call('close', zero);
  });

  test('sets for select may be shorter than the words of the host', () => {
    const h = new Harness();
    // Eight bits in the last four bytes before unmapped memory.
    const at = 0x50000 - 4;
    h.memory.view.setUint32(at, 1 << 5, true);
    expect(h.call('_newselect', 8, at, 0, 0, h.words(0, 0))).toBeGreaterThanOrEqual(EBADF);
  });
});
