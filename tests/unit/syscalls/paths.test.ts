/** Which file a guest's name means: below the -L prefix where it exists there, links followed as if it were the root. */

import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Harness } from './harness.ts';

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'wemu-paths-')));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const prefix = join(scratch, 'root');
/** A directory that exists on the host and, with other files, below the prefix. */
const shared = join(scratch, 'shared');
for (const dir of [`${prefix}/only`, `${prefix}${shared}`, shared, `${prefix}/etc`])
  mkdirSync(dir, { recursive: true });
writeFileSync(`${prefix}/only/file`, 'inside');
writeFileSync(`${prefix}${shared}/both`, 'inside');
writeFileSync(`${shared}/both`, 'outside');
writeFileSync(`${shared}/host`, 'outside');
symlinkSync('/only/file', `${prefix}/only/absolute`);
symlinkSync('file', `${prefix}/only/relative`);
symlinkSync('/only', `${prefix}/directory-link`);
symlinkSync('../../../../../../../../../only/file', `${prefix}/only/above`);
symlinkSync(`${shared}/host`, `${prefix}/only/to-host`);
symlinkSync('/nowhere/at/all', `${prefix}/only/dangling`);
symlinkSync('/only/loop', `${prefix}/only/loop`);

const h = new Harness({
  prefix,
  executable: `${prefix}/only/file`,
  argv: ['guest', 'with args'],
  auxv: Buffer.from('aux'),
});

/** Contents of a file as the guest sees it, or the negative error number. */
function contents(name: string, flags = 0): string | number {
  const fd = h.call('openat', -100, h.string(name), flags);
  if (fd < 0) return fd;
  const at = h.room(4096);
  const length = h.call('read', fd, at, 4096);
  h.call('close', fd);
  return h.text(at, length);
}

const ENOENT = -2;
const ELOOP = -40;

describe('-L', () => {
  test('a file that exists below the prefix is meant, any other is the host', () => {
    expect(contents('/only/file')).toBe('inside');
    expect(contents(`${shared}/both`)).toBe('inside');
    expect(contents(`${shared}/host`)).toBe('outside');
    expect(contents('//only/./../only//file')).toBe('inside');
    expect(contents('/only/none')).toBe(ENOENT);
  });

  test('links are followed as if the prefix were the root', () => {
    for (const name of ['absolute', 'relative', 'above'])
      expect([name, contents(`/only/${name}`)]).toEqual([name, 'inside']);
    expect(contents('/directory-link/file')).toBe('inside');
    expect(contents('/directory-link/../only/absolute')).toBe('inside');
    expect(contents('/../../only/file')).toBe('inside');
  });

  test('a link whose target is only on the host leads there; one that leads nowhere fails', () => {
    expect(contents('/only/to-host')).toBe('outside');
    expect(contents('/only/dangling')).toBe(ENOENT);
    expect([ENOENT, ELOOP]).toContain(contents('/only/loop') as number);
  });

  test('relative names are not redirected', () => {
    expect(contents('only/file')).toBe(ENOENT);
  });

  test('calls that ask about a file are redirected, calls that change names are not', () => {
    const name = h.string('/only/file');
    const buffer = h.room(256);
    for (const call of ['stat64', 'lstat64', 'stat', 'lstat'])
      expect([call, h.call(call, name, buffer)]).toEqual([call, 0]);
    expect(h.call('access', name, 4)).toBe(0);
    expect(h.call('faccessat', -100, name, 4)).toBe(0);
    expect(h.call('statx', -100, name, 0, 0x7ff, buffer)).toBe(0);
    expect(h.call('fstatat64', -100, name, buffer, 0)).toBe(0);
    expect(h.call('statfs64', name, 84, buffer)).toBe(0);
    for (const call of ['unlink', 'rmdir', 'chdir']) expect([call, h.call(call, name)]).toEqual([call, ENOENT]);
    expect(h.call('rename', name, h.string('/only/other'))).toBe(ENOENT);
    expect(h.call('mkdir', h.string('/only/new'), 0o755)).toBe(ENOENT);
  });

  test('a call on a link itself sees the link below the prefix', () => {
    const buffer = h.room(256);
    expect(h.call('readlink', h.string('/only/absolute'), buffer, 100)).toBe(10);
    expect(h.text(buffer, 10)).toBe('/only/file');
    expect(h.call('lstat64', h.string('/only/dangling'), buffer)).toBe(0);
    expect(h.call('stat64', h.string('/only/dangling'), buffer)).toBe(ENOENT);
  });

  test('a file can be created beside the prefix, as under QEMU', () => {
    const made = join(shared, 'made');
    const fd = h.call('openat', -100, h.string(made), 0x41, 0o644);
    expect(fd).toBeGreaterThan(2);
    h.call('write', fd, h.string('x'), 1);
    h.call('close', fd);
    expect(readFileSync(made, 'utf8')).toBe('x');
  });
});

describe('/proc/self', () => {
  const names = ['self', 'thread-self', String(process.pid), `self/task/${process.pid}`];

  test('exe is the guest program, by any way to name the process', () => {
    const buffer = h.room(4096);
    for (const name of names) {
      expect(contents(`/proc/${name}/exe`)).toBe('inside');
      const length = h.call('readlink', h.string(`/proc/${name}/exe`), buffer, 4096);
      expect(h.text(buffer, length)).toBe(`${prefix}/only/file`);
    }
    expect(h.call('readlink', h.string('/proc/self/exe'), buffer, 5)).toBe(5);
    expect(h.call('readlink', h.string('/proc/self/exe'), buffer, 0)).toBe(-22);
    expect(h.call('readlink', h.string('/proc/self/exe'), 0x20, 100)).toBe(-14);
    expect(h.call('stat64', h.string('/proc/self/exe'), buffer)).toBe(0);
    expect(h.u32(buffer + 44)).toBe('inside'.length);
  });

  test('cmdline, auxv and maps are the guest', () => {
    expect(contents('/proc/self/cmdline')).toBe('guest\0with args\0');
    expect(contents('/proc/self/auxv')).toBe('aux');
    const maps = contents('/proc/self/maps') as string;
    expect(maps).toContain('00010000-00050000 rw-p 00000000 00:00 0 ');
    expect(
      maps
        .trimEnd()
        .split('\n')
        .every((line) => /^[0-9a-f]{8}-[0-9a-f]{8} [r-][w-][x-][ps] /.test(line)),
    ).toBe(true);
  });

  test('other files and other processes are the host', () => {
    expect(contents('/proc/1/cmdline')).toBe(readFileSync('/proc/1/cmdline', 'latin1').slice(0, 4096));
    expect(contents('/proc/self/comm')).toBe(readFileSync('/proc/self/comm', 'latin1'));
  });
});

describe('bad names', () => {
  test('too long, unreadable, empty, running into unmapped memory', () => {
    expect(contents(`/${'x'.repeat(5000)}`)).toBe(-36);
    expect(contents('')).toBe(ENOENT);
    for (const call of ['open', 'stat64', 'readlink', 'unlink', 'mkdir']) {
      for (const pointer of [0, 0x20, 0xffffffff, 0xfe000000, 0x4fffd]) {
        if (pointer === 0x4fffd) h.memory.u8.fill(0x2f, 0x4fffd, 0x50000);
        expect([call, pointer, h.call(call, pointer, h.room(256), 100)]).toEqual([call, pointer, -14]);
      }
    }
  });
});
