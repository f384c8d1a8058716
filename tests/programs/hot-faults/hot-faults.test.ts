// Faults in loops that have become regions: handlers find the registers and flags that an independent machine has there.
import { afterAll, beforeAll, expect } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wemuCommand } from '../../oracle/runner.ts';
import { PROGRAM_LIMIT, TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import type { Oracle } from '../../setup/oracles.ts';

interface Build {
  readonly compiler: string;
  readonly flags: readonly string[];
  readonly guest: 'i386' | 'arm';
  /** What runs it to compare with; nothing: the host CPU. */
  readonly reference: readonly string[];
  readonly needs: readonly Oracle[];
}

const ARM = {
  compiler: 'arm-linux-gnueabihf-gcc',
  guest: 'arm',
  reference: ['qemu-arm'],
  needs: ['qemu-user', 'gcc-armhf'],
} as const;

const BUILDS: Readonly<Record<string, Build>> = {
  i386: { compiler: 'i686-linux-gnu-gcc', flags: [], guest: 'i386', reference: [], needs: ['gcc-i386'] },
  A32: { ...ARM, flags: ['-marm'] },
  Thumb: { ...ARM, flags: ['-mthumb'] },
};

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'wemu-hot-faults-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function run(command: readonly string[]): string {
  const options = { stdin: 'ignore', cwd: directory, timeout: PROGRAM_LIMIT } as const;
  const { stdout, stderr, exitCode, signalCode } = Bun.spawnSync([...command], options);
  return `${stdout}${stderr}${signalCode ?? exitCode}`;
}

for (const [name, { compiler, flags, guest, reference, needs }] of Object.entries(BUILDS)) {
  testWith(
    [...needs],
    name,
    () => {
      const program = join(directory, name);
      const source = join(import.meta.dir, 'hot-faults.c');
      expect(run([compiler, '-O1', '-fomit-frame-pointer', '-static', ...flags, source, '-o', program])).toBe('0');
      const expected = run([...reference, program]);
      expect(expected).toContain('carries: 490 faults');
      const wemu = wemuCommand(['-translations', 'off'], guest);
      if ('missing' in wemu) throw new Error(wemu.missing);
      expect(run([...wemu.command, program])).toBe(expected);
    },
    TEST_LIMIT,
  );
}
