// Files, moves, advice, changing code, shared memory and growing stacks behave as directly on the host kernel.
import { afterAll, expect } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { oraclePath } from '../../setup/oracles.ts';

const compiler = oraclePath('gcc-i386');
const wemu = resolve(import.meta.dir, '../../../src/cli/bin/wemu-i386');
const dir = mkdtempSync(join(tmpdir(), 'memory-calls-'));
afterAll(() => rmSync(dir, { recursive: true }));
const program = join(dir, 'memory-calls');
if (compiler) {
  const source = join(import.meta.dir, 'memory-calls.c');
  Bun.spawnSync([compiler, '-w', '-O1', '-static', '-o', program, source], { stdio: ['ignore', 'inherit', 'inherit'] });
}

for (const engine of ['wasm', 'interp']) {
  testWith(
    ['gcc-i386'],
    `memory calls against the host kernel, ${engine}`,
    () => {
      const native = Bun.spawnSync([program]);
      const ours = Bun.spawnSync([wemu, '-engine', engine, program]);
      expect(ours.stdout.toString().split('\n')).toEqual(native.stdout.toString().split('\n'));
      expect([ours.stderr.toString(), ours.exitCode]).toEqual(['', native.exitCode]);
    },
    TEST_LIMIT,
  );
}
