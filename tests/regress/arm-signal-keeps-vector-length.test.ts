/**
 * A handler ran with the vector length of FPSCR that was interrupted: its first floating-point instruction was then UNDEFINED. The
 * kernel clears Len and Stride behind saving the frame (arch/arm/vfp/vfpmodule.c), and returning brings them back. qemu-arm
 * 7.2 leaves them, so that what is right stands here.
 */

import { afterAll, expect } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wemuCommand } from '../oracle/runner.ts';
import { PROGRAM_LIMIT, TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const directory = mkdtempSync(join(tmpdir(), 'wemu-vector-length-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const SOURCE = `
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static unsigned inside;
static volatile double half = 0.5;
static void handler(int number) {
  __asm__ volatile("vmrs %0, fpscr" : "=r"(inside));
  half = half * number;
}
int main(void) {
  unsigned before = 0x00330000 | 1 << 22, after;
  signal(SIGUSR1, handler);
  int self = getpid();
  __asm__ volatile("vmsr fpscr, %1\\nmov r0, %2\\nmov r1, %3\\nmov r7, #37\\nsvc 0\\nvmrs %0, fpscr\\nvmsr fpscr, %4"
                   : "=&r"(after) : "r"(before), "r"(self), "r"(SIGUSR1), "r"(0) : "r0", "r1", "r7", "memory");
  printf("%08x %08x %d\\n", inside, after, (int)(half * 2));
}
`;

testWith(
  ['gcc-armhf'],
  'Len and Stride are clear in a handler and back behind it',
  () => {
    const source = join(directory, 'source.c');
    const program = join(directory, 'program');
    writeFileSync(source, SOURCE);
    const compiler = ['arm-linux-gnueabihf-gcc', '-O1', '-marm', '-static', '-o', program, source];
    expect(Bun.spawnSync(compiler).exitCode).toBe(0);
    const wemu = wemuCommand(['-cpu', 'cortex-a8'], 'arm');
    if ('missing' in wemu) throw new Error(wemu.missing);
    const { stdout, stderr, exitCode } = Bun.spawnSync([...wemu.command, program], { timeout: PROGRAM_LIMIT });
    expect([`${stdout}${stderr}`, exitCode]).toEqual(['00400000 00730000 10\n', 0]);
  },
  TEST_LIMIT,
);
