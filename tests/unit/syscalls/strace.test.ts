/** What -strace prints: names, flags, strings, structures before the call, results and what was stored after it. */

import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Strace } from '../../../linux-user/strace.ts';
import { parseStraceFilter } from '../../../linux-user/strace-filter.ts';
import { StraceSummary } from '../../../linux-user/strace-summary.ts';
import { Harness } from './harness.ts';

const scratch = mkdtempSync(join(tmpdir(), 'wemu-strace-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = join(scratch, 'file');
writeFileSync(file, 'hello\n"world"\\\x01' + '2'.repeat(50));

const h = new Harness();
const pieces: string[] = [];
h.process.tracer = new Strace(h.process, h.calls, (text) => pieces.push(text));

/** What one call prints, without the process number; the file's name is shown as FILE. */
function traced(name: string | number, ...args: number[]): string {
  pieces.length = 0;
  h.call(name, ...args);
  const text = pieces.join('');
  const head = `${process.pid} `;
  expect(text.startsWith(head)).toBe(true);
  expect(text.endsWith('\n')).toBe(true);
  return text.slice(head.length, -1).replaceAll(file, 'FILE');
}

/** Opens the file; the descriptor. */
function open(): number {
  return h.call('openat', -100, h.string(file), 0x8002);
}

describe('arguments', () => {
  test('paths, flags, and a mode only where it counts', () => {
    const path = h.string(file);
    expect(traced('open', path, 0x80000, 0o777)).toMatch(/^open\("FILE",O_RDONLY\|O_CLOEXEC\) = \d+$/);
    expect(traced('openat', -100, path, 0x42, 0o640)).toMatch(/^openat\(AT_FDCWD,"FILE",O_RDWR\|O_CREAT,0640\) = \d+$/);
    expect(traced('access', h.string('/none'), 4)).toBe(
      'access("/none",R_OK) = -1 errno=2 (No such file or directory)',
    );
    expect(traced('access', 0x20, 0)).toBe('access(0x20,F_OK) = -1 errno=14 (Bad address)');
    expect(traced('unlinkat', -100, 0, 0x200)).toBe('unlinkat(AT_FDCWD,NULL,AT_REMOVEDIR) = -1 errno=14 (Bad address)');
  });

  test('bits without a name are left over', () => {
    expect(traced('mmap2', 0, 4096, 3, 0x40000022, -1, 0)).toMatch(
      /^mmap2\(NULL,4096,PROT_READ\|PROT_WRITE,MAP_PRIVATE\|MAP_ANONYMOUS\|0x40000000,-1,0x0\) = 0x/,
    );
  });

  test('64-bit arguments are one number', () => {
    expect(traced('pread64', 99, 0, 5, 1, 2)).toBe('pread64(99,NULL,5,8589934593) = -1 errno=9 (Bad file descriptor)');
    expect(traced('ftruncate64', 99, -5, -1)).toBe('ftruncate64(99,-5) = -1 errno=22 (Invalid argument)');
  });

  test('strings are escaped and cut', () => {
    const text = h.string(`a"b\\c\n\x01${'2'.repeat(40)}`);
    expect(traced('write', 99, text, 46)).toBe(
      `write(99,"a\\"b\\\\c\\n\\001${'2'.repeat(25)}"...,46) = -1 errno=9 (Bad file descriptor)`,
    );
  });

  test('structures, arrays, signal sets, socket addresses', () => {
    const times = h.words(1, 5, 2, 6);
    expect(traced('utimensat', 99, h.string('x'), times, 0x100)).toBe(
      'utimensat(99,"x",[{tv_sec=1,tv_nsec=5},{tv_sec=2,tv_nsec=6}],AT_SYMLINK_NOFOLLOW) = -1 errno=9 (Bad file descriptor)',
    );
    expect(traced('poll', h.words(99, 5), 1, 0)).toBe(
      'poll([{fd=99,events=POLLIN|POLLOUT,revents=0}],1,0) = 1 ([{fd=99,events=POLLIN|POLLOUT,revents=POLLNVAL}])',
    );
    expect(traced('connect', 99, h.words(0x901f0002, 0x0100007f, 0, 0), 16)).toBe(
      'connect(99,{sa_family=AF_INET,sin_port=htons(8080),sin_addr=inet_addr("127.0.0.1")},16) = ' +
        '-1 errno=9 (Bad file descriptor)',
    );
    const path = h.string('\x01\x00/tmp/s');
    expect(traced('bind', 99, path, 8)).toContain('{sa_family=AF_UNIX,sun_path="/tmp/s"},8');
    expect(traced('_newselect', 9, h.words(0x124), 0, 0, h.words(0, 0))).toContain(
      '_newselect(9,[2 5 8],NULL,NULL,{tv_sec=0,tv_usec=0})',
    );
  });
});

describe('results', () => {
  test('what a call stored follows in parentheses', () => {
    const fd = open();
    expect(traced('read', fd, h.room(64), 40)).toBe(
      `read(${fd},0x${(lastRoom).toString(16)},40) = 40 ("hello\\n\\"world\\"\\\\\\001${'2'.repeat(17)}"...)`,
    );
    expect(traced('_llseek', fd, 0, 10, h.room(8), 0)).toMatch(/^_llseek\(\d+,0,10,0x\w+,SEEK_SET\) = 0 \(10\)$/);
    expect(traced('pipe', h.room(8))).toMatch(/^pipe\(0x\w+\) = 0 \(\[\d+,\d+\]\)$/);
    expect(traced('fstat64', fd, h.room(96))).toMatch(/ = 0 \(\{st_dev=makedev\(.*st_mode=S_IFREG\|0644,st_nlink=1,/);
    expect(traced('clock_getres_time64', 1, h.room(16))).toBe(
      `clock_getres_time64(CLOCK_MONOTONIC,0x${lastRoom.toString(16)}) = 0 ({tv_sec=0,tv_nsec=1})`,
    );
  });

  test('numbers in the form the call is known for', () => {
    h.call('umask', 0o22);
    expect(traced('umask', 0o77)).toBe('umask(077) = 022');
    h.call('umask', 0o22);
    expect(traced('fcntl64', open(), 3)).toMatch(/^fcntl64\(\d+,F_GETFL\) = 0x8002 \(O_RDWR\|O_LARGEFILE\)$/);
  });
});

describe('calls that stand for others', () => {
  test('fcntl and ioctl are shown with the argument of the command', () => {
    const fd = open();
    expect(traced('fcntl64', fd, 13, h.words(1, 0, 0, 10, 0, 0))).toBe(
      `fcntl64(${fd},F_SETLK64,{l_type=F_WRLCK,l_whence=SEEK_SET,l_start=0,l_len=10,l_pid=0}) = 0 ` +
        '({l_type=F_WRLCK,l_whence=SEEK_SET,l_start=0,l_len=10,l_pid=0})',
    );
    expect(traced('fcntl64', fd, 2, 1)).toBe(`fcntl64(${fd},F_SETFD,FD_CLOEXEC) = 0`);
    expect(traced('ioctl', fd, 0x541b, h.room(4))).toMatch(/^ioctl\(\d+,FIONREAD,0x\w+\) = 0 \(65\)$/);
    expect(traced('ioctl', fd, 0x1234, 0)).toBe(
      `ioctl(${fd},0x1234,NULL) = -1 errno=25 (Inappropriate ioctl for device)`,
    );
    expect(traced('prctl', 15, h.string('name'))).toBe('prctl(PR_SET_NAME,"name") = 0');
  });

  test('socketcall and ipc are shown as the call they mean', () => {
    expect(traced('socketcall', 1, h.words(1, 0x80002, 0))).toMatch(
      /^socket\(AF_UNIX,SOCK_DGRAM\|SOCK_CLOEXEC,0\) = \d+$/,
    );
    expect(traced('socketcall', 77, 0)).toBe('socketcall(77,NULL) = -1 errno=22 (Invalid argument)');
    expect(traced('ipc', 13, 0x77777, 0, 0, 0)).toBe('msgget(0x77777,0) = -1 errno=2 (No such file or directory)');
  });
});

describe('calls that are not there', () => {
  test('a refused one with its arguments, an unknown number as such with six raw ones', () => {
    expect(traced('ptrace', 1, 2, 3, 4, 5, 6)).toBe('ptrace(1,2,0x3,0x4) = -1 errno=38 (Function not implemented)');
    expect(traced(999, 1, -2)).toBe('Unknown syscall 999(1,-2,0,0,0,0) = -1 errno=38 (Function not implemented)');
  });
});

test('a call that may wait is shown before it starts, the others in one piece', () => {
  pieces.length = 0;
  h.call('getpid');
  expect(pieces.length).toBe(1);
  pieces.length = 0;
  h.call('poll', 0, 0, 0);
  expect(pieces).toEqual([`${process.pid} poll(NULL,0,0)`, ' = 0\n']);
});

/** The last address `room` gave: it is part of what is printed. */
let lastRoom = 0;
{
  const original = h.room.bind(h);
  h.room = (size) => (lastRoom = original(size));
}

describe('filters, durations, counts', () => {
  const known = new Set(['read', 'close', 'getpid', 'openat']);
  const shows = (text: string, name: string) => {
    const number = h.calls.numbers().find((n) => h.calls.nameOf(n) === name)!;
    return parseStraceFilter(text, known)(name, h.calls.rowOf(number));
  };

  test('names, classes, and both with an exclamation mark', () => {
    expect(['read', 'close'].map((name) => shows('read', name))).toEqual([true, false]);
    expect(['openat', 'read', 'getpid'].map((name) => shows('%file', name))).toEqual([true, false, false]);
    expect(['openat', 'read', 'getpid'].map((name) => shows('%desc,!read', name))).toEqual([true, false, false]);
    expect(['read', 'getpid'].map((name) => shows('!read', name))).toEqual([false, true]);
    expect(
      ['socket', 'mmap2', 'rt_sigaction', 'nanosleep', 'wait4', 'semget'].map((n) => [
        ...['network', 'memory', 'signal', 'time', 'process', 'ipc'].filter((c) => shows(`%${c}`, n)),
      ]),
    ).toEqual([['network'], ['memory'], ['signal'], ['time'], ['process'], ['ipc']]);
    expect(() => parseStraceFilter('read,reed', known)).toThrow("no system call 'reed'");
    expect(() => parseStraceFilter('%all', known)).toThrow("no class '%all'; there are %desc,");
  });

  test('only what the filter lets through, with durations', () => {
    const text: string[] = [];
    const before = h.process.tracer;
    const filter = parseStraceFilter('close', known);
    h.process.tracer = new Strace(h.process, h.calls, (piece) => text.push(piece), { filter, times: true });
    h.call('getpid');
    h.call('close', 999);
    h.process.tracer = before;
    expect(text.join('')).toMatch(/^\d+ close\(999\) = -1 errno=9 \(Bad file descriptor\) <\d+\.\d{6}>\n$/);
  });

  test('counts by call, errors apart, and what is not supported', () => {
    const summary = new StraceSummary();
    summary.reset();
    const before = h.process.tracer;
    h.process.tracer = new Strace(h.process, h.calls, () => expect().fail('nothing is printed'), {
      lines: false,
      summary,
    });
    for (let i = 0; i < 3; i++) h.call('close', 999);
    h.call('getpid');
    // The front of several calls counts as the one meant.
    h.call('socketcall', 1, h.words(77, 77, 77));
    h.call('ptrace', 0, 0, 0, 0);
    h.call('ptrace', 0, 0, 0, 0);
    h.process.tracer = before;
    const report = summary.report(7);
    const line = (name: string) =>
      report
        .split('\n')
        .find((row) => row.endsWith(` ${name}`))!
        .trim()
        .split(/\s+/)
        .slice(3);
    expect(line('close')).toEqual(['3', '3', 'close']);
    expect(line('getpid')).toEqual(['1', 'getpid']);
    expect(line('socket')).toEqual(['1', '1', 'socket']);
    expect(line('total')).toEqual(['7', '6', 'total']);
    expect(report).toMatch(/^7 system calls:\n% time {5}seconds/);
    expect(report).toMatch(/not supported:\n {8}2 system call ptrace /);
    expect(new StraceSummary().report(8)).toContain('total');
  });
});
