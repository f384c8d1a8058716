// C programs built for ARM in all its forms: A32 and Thumb, with and without floating point, both byte orders; as under qemu-arm.
import { afterAll, beforeAll, expect } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wemuCommand } from '../oracle/runner.ts';
import { PROGRAM_LIMIT, TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';
import type { Oracle } from '../setup/oracles.ts';

const FREESTANDING = ['-nostdlib', '-ffreestanding', '-fno-stack-protector', '-fno-pic', '-no-pie'];

interface Build {
  readonly source: string;
  readonly compiler: 'arm-linux-gnueabi-gcc' | 'arm-linux-gnueabihf-gcc';
  readonly flags: readonly string[];
  readonly guest: 'arm' | 'armeb';
}

const BUILDS: Readonly<Record<string, Build>> = {
  'signals, A32, soft float': {
    source: 'signals.c',
    compiler: 'arm-linux-gnueabi-gcc',
    flags: ['-marm'],
    guest: 'arm',
  },
  'signals, A32': { source: 'signals.c', compiler: 'arm-linux-gnueabihf-gcc', flags: ['-marm'], guest: 'arm' },
  'signals, Thumb': { source: 'signals.c', compiler: 'arm-linux-gnueabihf-gcc', flags: ['-mthumb'], guest: 'arm' },
  'semihosting, A32': {
    source: 'semihosting.c',
    compiler: 'arm-linux-gnueabi-gcc',
    flags: ['-march=armv7-a', '-marm', ...FREESTANDING],
    guest: 'arm',
  },
  'semihosting, Thumb': {
    source: 'semihosting.c',
    compiler: 'arm-linux-gnueabi-gcc',
    flags: ['-march=armv7-a', '-mthumb', ...FREESTANDING],
    guest: 'arm',
  },
  'byte order: little': {
    source: 'byte-order.c',
    compiler: 'arm-linux-gnueabi-gcc',
    flags: ['-march=armv7-a', '-marm', ...FREESTANDING],
    guest: 'arm',
  },
  'byte order: BE8, A32': {
    source: 'byte-order.c',
    compiler: 'arm-linux-gnueabi-gcc',
    flags: ['-mbig-endian', '-march=armv7-a', '-marm', '-Wl,--be8', ...FREESTANDING],
    guest: 'armeb',
  },
  'byte order: BE8, Thumb': {
    source: 'byte-order.c',
    compiler: 'arm-linux-gnueabi-gcc',
    flags: ['-mbig-endian', '-march=armv7-a', '-mthumb', '-Wl,--be8', ...FREESTANDING],
    guest: 'armeb',
  },
  'byte order: BE32, A32': {
    source: 'byte-order.c',
    compiler: 'arm-linux-gnueabi-gcc',
    flags: ['-mbig-endian', '-march=armv5te', '-marm', ...FREESTANDING],
    guest: 'armeb',
  },
  'byte order: BE32, Thumb': {
    source: 'byte-order.c',
    compiler: 'arm-linux-gnueabi-gcc',
    flags: ['-mbig-endian', '-march=armv5te', '-mthumb', ...FREESTANDING],
    guest: 'armeb',
  },
};

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'wemu-arm-programs-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function run(command: readonly string[]): { out: string; end: string } {
  const options = { stdin: 'ignore', cwd: directory, timeout: PROGRAM_LIMIT } as const;
  const { stdout, stderr, exitCode, signalCode } = Bun.spawnSync([...command], options);
  return { out: `${stdout}${stderr}`, end: String(signalCode ?? exitCode) };
}

for (const [name, { source, compiler, flags, guest }] of Object.entries(BUILDS)) {
  const needs: Oracle[] = ['qemu-user', compiler === 'arm-linux-gnueabi-gcc' ? 'gcc-armel' : 'gcc-armhf'];
  testWith(
    needs,
    name,
    () => {
      const program = join(directory, name.replace(/\W+/g, '-'));
      const input = join(import.meta.dir, 'arm', source);
      const built = run([compiler, '-O1', '-w', '-static', ...flags, input, '-o', program]);
      expect(built).toEqual({ out: '', end: '0' });
      const expected = run([`qemu-${guest}`, program]);
      expect(expected.out.length).toBeGreaterThan(50);
      const wemu = wemuCommand([], guest);
      if ('missing' in wemu) throw new Error(wemu.missing);
      expect(run([...wemu.command, program])).toEqual(expected);
    },
    TEST_LIMIT,
  );
}
