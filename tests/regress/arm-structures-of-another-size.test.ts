/**
 * statvfs() of every ARM program failed with EINVAL: its C library passes the size of struct statfs64 with 64-bit members aligned,
 * 88, which the kernel of ARM takes as well as 84. And epoll_wait() with a bad buffer lost its events where the structure is not
 * the host's: the host had given them away before storing them failed.
 */

import { afterAll, expect } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wemuCommand } from '../oracle/runner.ts';
import { PROGRAM_LIMIT, TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const directory = mkdtempSync(join(tmpdir(), 'wemu-structures-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const SOURCE = `
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/statvfs.h>
#include <unistd.h>
int main(void) {
  struct statvfs of;
  int fields = statvfs(".", &of);
  printf("%d %d\\n", fields, of.f_namemax > 0 && of.f_bsize > 0);
  int p[2], e = epoll_create1(0);
  pipe(p);
  struct epoll_event event = {EPOLLOUT | EPOLLONESHOT, {.u64 = 0x123456789abcdef}}, got = {0};
  epoll_ctl(e, EPOLL_CTL_ADD, p[1], &event);
  int bad = epoll_wait(e, (void *)16, 1, 0);
  int good = epoll_wait(e, &got, 1, 0);
  printf("%d %d %x %llx\\n", bad, good, got.events, (unsigned long long)got.data.u64);
}
`;

testWith(
  ['gcc-armhf', 'qemu-user'],
  'statfs64 takes both sizes; events are not lost to a bad buffer',
  () => {
    const source = join(directory, 'source.c');
    const program = join(directory, 'program');
    writeFileSync(source, SOURCE);
    const compiler = ['arm-linux-gnueabihf-gcc', '-O1', '-w', '-static', '-o', program, source];
    expect(Bun.spawnSync(compiler).exitCode).toBe(0);
    const wemu = wemuCommand([], 'arm');
    if ('missing' in wemu) throw new Error(wemu.missing);
    const run = (command: readonly string[]) =>
      Bun.spawnSync([...command, program], { cwd: directory, timeout: PROGRAM_LIMIT }).stdout.toString();
    const expected = run(['qemu-arm']);
    expect(expected).toBe('0 1\n-1 1 4 123456789abcdef\n');
    expect(run(wemu.command)).toBe(expected);
  },
  TEST_LIMIT,
);
