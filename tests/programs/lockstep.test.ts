// Whole runs of programs on both engines in lockstep: registers and memory agree at every step.
import { beforeAll, describe, expect } from 'bun:test';
import { join } from 'node:path';
import { PROGRAM_LIMIT, TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';
import { addDevices, type ProgramCase, TREE } from './debian-run.ts';

const COMMAND = join(import.meta.dir, '../../src/cli/bin/wemu');

/** Runs a command in lockstep; returns its output and how many comparisons were made. Throws with the report. */
function lockstep(options: readonly string[], program: readonly string[], one: Partial<ProgramCase> = {}) {
  const child = Bun.spawnSync([COMMAND, 'lockstep', ...options, '--', ...program], {
    stdin: one.stdin === undefined ? 'ignore' : Buffer.from(one.stdin),
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC0', ...one.env },
    timeout: PROGRAM_LIMIT,
  });
  const report = child.stderr.toString();
  const count = /^lockstep: no difference in (\d+) comparisons$/m.exec(report)?.[1];
  if (count === undefined) throw new Error(report || `ended with ${child.signalCode ?? child.exitCode}`);
  return { output: child.stdout.toString(), comparisons: Number(count), status: child.exitCode };
}

const WHOLE_RUNS: Record<string, ProgramCase & { output: RegExp }> = {
  dash: {
    program: '/bin/dash',
    args: ['-c', 'i=0; while [ $i -lt 30 ]; do i=$((i*3+1)); done; echo $i'],
    output: /^40\n$/,
  },
  sed: {
    program: '/bin/sed',
    args: ['-E', 's/(a+)(b)/\\2\\1/g'],
    stdin: 'aab ab\nxaaab\n',
    output: /^baa ba\nxbaaa\n$/,
  },
  bc: { program: '/usr/bin/bc', args: ['-l'], stdin: 'scale=15\na(1)*4\n', output: /^3\.14159265358979/ },
  gawk: {
    program: '/usr/bin/gawk',
    args: ['BEGIN { printf "%.10f %s\\n", exp(1), toupper("abc") }'],
    output: /^2\.7182818285 ABC\n$/,
  },
  'lua5.4': {
    program: '/usr/bin/lua5.4',
    args: ['-e', 'local t = {} for i = 1, 50 do t[i] = i % 7 end table.sort(t) print(#t, t[50])'],
    output: /^50\t6\n$/,
  },
  perl: {
    program: '/usr/bin/perl',
    args: ['-e', 'print join(",", sort { $a <=> $b } map { $_ * 7 % 11 } 1 .. 10), "\\n"'],
    output: /^1,2,3,4,5,6,7,8,9,10\n$/,
  },
  sqlite3: { program: '/usr/bin/sqlite3', args: [':memory:', 'select 1.5 * 3, upper("x")'], output: /^4\.5\|X\n$/ },
};

beforeAll(addDevices);

describe('whole runs without regions', () => {
  for (const [name, one] of Object.entries(WHOLE_RUNS)) {
    testWith(
      ['guest-i386'],
      name,
      () => {
        const run = lockstep(['-L', TREE], [join(TREE, one.program), ...one.args!], one);
        expect(run.output).toMatch(one.output);
        expect(run.status).toBe(0);
        expect(run.comparisons).toBeGreaterThan(10_000);
      },
      TEST_LIMIT,
    );
  }
  testWith(
    ['guest-i386'],
    'sed, without chaining',
    () => {
      const one = WHOLE_RUNS['sed']!;
      expect(lockstep(['--no-chain', '-L', TREE], [join(TREE, one.program), ...one.args!], one).output).toMatch(
        one.output,
      );
    },
    TEST_LIMIT,
  );
});

describe('with regions', () => {
  const busybox = (args: string[], stdin = '') =>
    lockstep(['--regions', '--hot', '200'], [join(TREE, 'bin/busybox'), ...args], { stdin });

  testWith(
    ['guest-i386'],
    'busybox expr',
    () => expect(busybox(['expr', '6', '*', '7']).output).toBe('42\n'),
    TEST_LIMIT,
  );

  testWith(
    ['guest-i386'],
    'busybox sort',
    () => {
      const numbers = Array.from({ length: 20 }, (_, n) => (n * 7) % 20);
      const sorted = [...numbers].sort((a, b) => a - b);
      expect(busybox(['sort', '-n'], `${numbers.join('\n')}\n`).output).toBe(`${sorted.join('\n')}\n`);
    },
    TEST_LIMIT,
  );
});
