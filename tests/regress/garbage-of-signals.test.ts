// The engine, which counts the 4 GiB of guest memory as heap in use, collected garbage only when 12 GB more had been allocated.
// What translating leaves was collected by then, but not what each signal of a guest does, 2 kB on ARM: half a million of them
// took more than a gigabyte, ten million the machine's memory.
import { expect } from 'bun:test';
import { join, resolve } from 'node:path';
import { CPrograms } from '../programs/c-programs.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const WEMU = resolve(import.meta.dir, '../../src/cli/bin/wemu-arm');
const SIGNALS = 500_000;

const programs = new CPrograms(join(import.meta.dir, '../bench'));

testWith(
  ['gcc-armhf'],
  'a guest that gets many signals does not keep their garbage',
  () => {
    const program = programs.build('sigping', 'gcc-armhf');
    const child = Bun.spawnSync([WEMU, '-translations', 'off', program, String(SIGNALS)], { stdin: 'ignore' });
    expect(child.stdout.toString()).toBe(`sigping ${SIGNALS} 1\n`);
    expect(child.resourceUsage.maxRSS).toBeLessThan(700_000 * 1024);
  },
  TEST_LIMIT,
);
