/** Random system calls, good and bad, give in wemu what they give in a native 32-bit process: result and memory. */

import { afterAll, expect } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROGRAM_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { oraclePath } from '../../setup/oracles.ts';
import { removeTree } from '../../setup/remove.ts';
import { makeSteps, STABLE, type Step } from './replay-calls.ts';

const SEEDS = (process.env['WEMU_REPLAY_SEEDS'] ?? '1,2,3,4').split(',').map(Number);
const ROUNDS = Number(process.env['WEMU_REPLAY_ROUNDS'] ?? 12);
const ONLY = process.env['WEMU_REPLAY_ONLY'];

const scratch = mkdtempSync(join(tmpdir(), 'wemu-replay-'));
afterAll(() => removeTree(scratch));

/** The directory a side works in: made the same way both times. */
function makeDirectory(name: string): string {
  const dir = join(scratch, name);
  removeTree(dir);
  mkdirSync(join(dir, 'dir'), { recursive: true });
  writeFileSync(join(dir, 'f'), Buffer.from(Array.from({ length: 10000 }, (_, i) => (i * 7) & 0xff)));
  writeFileSync(join(dir, 'dir/a'), 'a');
  symlinkSync('f', join(dir, 'link'));
  symlinkSync('nowhere', join(dir, 'broken'));
  symlinkSync('loop', join(dir, 'loop'));
  return dir;
}

/** Runs one side and returns what it printed. Descriptors 200 and 201 carry the calls and the results. */
function run(side: string, command: readonly string[], steps: readonly Step[]): string[] {
  const cwd = makeDirectory(side);
  const input = join(scratch, `${side}.in`);
  const output = join(scratch, `${side}.out`);
  writeFileSync(input, `${steps.map((step) => step.line).join('\n')}\n`);
  const script = 'exec "$@" 200<"$0.in" 201>"$0.out"';
  const result = Bun.spawnSync(['bash', '-c', script, join(scratch, side), ...command], {
    cwd,
    stdin: 'ignore',
    timeout: PROGRAM_LIMIT,
  });
  if (!result.success) throw new Error(`${side} failed: ${result.exitCode} ${result.signalCode} ${result.stderr}`);
  return readFileSync(output, 'utf8').trimEnd().split('\n');
}

/**
 * Whoever reads a file first in a day, or after it was changed, moves its time of access (relatime): both sides see the time when
 * that has happened, whatever other programs read between them.
 */
function readStableFiles(): void {
  for (const path of STABLE) {
    const status = statSync(path, { throwIfNoEntry: false });
    if (status?.isFile()) readFileSync(path);
    if (status?.isDirectory()) readdirSync(path);
  }
}

const NEEDS = ['gcc-i386'] as const;
let native = '';
function nativeReplay(): string {
  if (native === '') {
    native = join(scratch, 'replay-native');
    const source = join(import.meta.dir, 'replay-native.c');
    const built = Bun.spawnSync([oraclePath('gcc-i386')!, '-O1', '-static', '-o', native, source]);
    if (!built.success) throw new Error(String(built.stderr));
  }
  return native;
}

for (const seed of SEEDS) {
  testWith(NEEDS, `random calls, seed ${seed}`, () => {
    const steps = makeSteps(seed, ROUNDS, ONLY);
    readStableFiles();
    const expected = run('native', [nativeReplay()], steps);
    const actual = run('wemu', [process.execPath, join(import.meta.dir, 'replay-wemu.ts')], steps);
    const calls = steps.filter((step) => /^v?call/.test(step.line));
    expect(expected.length).toBe(calls.length);
    const differences: string[] = [];
    for (let i = 0; i < calls.length && differences.length < 20; i++) {
      if (actual[i] === expected[i]) continue;
      differences.push(`${i}: ${calls[i]!.what} native ${expected[i]} wemu ${actual[i]}`);
      // Memory that differs once differs ever after.
      if (actual[i]?.split(' ')[0] === expected[i]!.split(' ')[0]) break;
    }
    expect(differences).toEqual([]);
  });
}
