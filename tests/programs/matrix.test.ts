// The same programs with every switch of the emulator on and off: their output never changes.
import { afterAll, beforeAll, describe, expect } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NATIVE, nativeUnavailable, runProgram, wemuCommand } from '../oracle/runner.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { type Need, testWith } from '../setup/needs.ts';
import { oraclePath } from '../setup/oracles.ts';
import {
  addDevices,
  makeWorkDirectory,
  NATIVE_NEED,
  type ProgramCase,
  removeWorkDirectory,
  runNative,
  runWemu,
  TREE,
} from './debian-run.ts';

/** Fixed by the arguments `one` and `two words`, and the path the program is called by. */
const helloOutput = (path: string) =>
  `Hello from an i386 program.\nargument 0: ${path}\nargument 1: one\nargument 2: two words\nThere are 9592 primes below 100000.\n`;

/** Every engine with the passes on and off and chaining on and off, then each remaining switch by itself. */
const SWITCHES: readonly string[][] = [
  ...['interp', 'wasm'].flatMap((engine) =>
    [[], ['fold', 'dead-code']].flatMap((passes) =>
      [[], ['chain']].map((chain) => {
        const off = [...passes, ...chain];
        return ['-engine', engine, ...(off.length > 0 ? ['-disable', off.join(',')] : [])];
      }),
    ),
  ),
  ['-disable', 'join'],
  ['-disable', 'regions'],
  ['-disable', 'spans'],
  ['-disable', 'cold'],
  ['-disable', 'cold,spans,fold,dead-code'],
  ['-one-insn-per-tb'],
];

const wemu = wemuCommand();
const runnable: Need = { met: 'command' in wemu, reason: 'missing' in wemu ? wemu.missing : '' };
const native: Need = { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' };
const WEMU = 'command' in wemu ? wemu.command : [];

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function title(options: readonly string[]): string {
  return options.join(' ');
}

describe('bundled programs', () => {
  for (const name of ['hello', 'faults', 'smc']) {
    const program = join(import.meta.dir, name, name);
    const expected = join(import.meta.dir, name, 'expected');
    const args = name === 'hello' ? ['one', 'two words'] : [];
    const output = existsSync(expected) ? readFileSync(expected, 'utf8') : helloOutput(program);
    for (const options of SWITCHES) {
      testWith([runnable], `${name} ${title(options)}`, () => {
        const run = runProgram(program, [...WEMU, ...options], { args });
        expect([text(run.stdout), run.stderr]).toEqual([output, '']);
      });
    }
  }
});

describe('C programs', () => {
  const sources = join(import.meta.dir, '../bench');
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'wemu-matrix-'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const PROGRAMS: Record<string, string> = {
    inthash: '2000',
    sieve: '5000',
    lz: '1',
    interp: '2',
    sha256: '1',
    qsortcb: '2000',
    mandel: '8',
    nbody: '200',
    strops: '1',
    fib: '16',
  };
  for (const [name, scale] of Object.entries(PROGRAMS)) {
    testWith(
      ['gcc-i386', native, runnable],
      name,
      () => {
        const program = join(directory, name);
        const compiler = oraclePath('gcc-i386')!;
        const built = Bun.spawnSync([compiler, '-O2', '-static', '-o', program, join(sources, `${name}.c`), '-lm']);
        expect(built.stderr.toString()).toBe('');
        const expected = runProgram(program, NATIVE, { args: [scale] });
        expect(expected.exitCode).toBe(0);
        for (const options of SWITCHES) {
          const run = runProgram(program, [...WEMU, ...options], { args: [scale] });
          expect({ options, end: run.signal ?? run.exitCode, out: text(run.stdout), err: run.stderr }).toEqual({
            options,
            end: 0,
            out: text(expected.stdout),
            err: '',
          });
        }
      },
      TEST_LIMIT,
    );
  }
});

describe('Debian programs', () => {
  const PROGRAMS: Record<string, ProgramCase> = {
    dash: { program: '/bin/dash', args: ['-c', 'i=0; while [ $i -lt 40 ]; do i=$((i+1)); s=$s$i; done; echo $s'] },
    sed: { program: '/bin/sed', args: ['-n', 's/\\(a\\)\\(.\\)/\\2\\1/gp'], stdin: 'abacus\nbazaar\nnone\n' },
    'busybox sha256sum': { program: '/bin/busybox', args: ['sha256sum'], stdin: 'x'.repeat(5000) },
    bc: { program: '/usr/bin/bc', args: ['-l'], stdin: 'scale=20\n4*a(1)\n2^100\n' },
    'lua5.4': { program: '/usr/bin/lua5.4', args: ['-e', 'print(math.sin(1), 1e15 / 7, ("a"):rep(5), 7 // -2)'] },
  };
  let directory = '';
  beforeAll(() => {
    addDevices();
    if (existsSync(TREE)) directory = makeWorkDirectory();
  });
  afterAll(() => removeWorkDirectory(directory));
  for (const [name, one] of Object.entries(PROGRAMS)) {
    testWith(
      ['guest-i386', NATIVE_NEED],
      name,
      async () => {
        const expected = await runNative(one, directory);
        for (const options of SWITCHES) {
          const run = await runWemu(one, directory, options);
          expect({ options, ...run }).toEqual({ options, ...expected });
        }
      },
      TEST_LIMIT,
    );
  }
});
