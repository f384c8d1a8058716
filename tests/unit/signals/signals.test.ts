// Signals as a 32-bit process sees them: the same output, status and death as directly on the host kernel.
import { afterAll, describe, expect } from 'bun:test';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PROGRAM_LIMIT, TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { oraclePath } from '../../setup/oracles.ts';

const compiler = oraclePath('gcc-i386');
const wemu = resolve(import.meta.dir, '../../../src/cli/bin/wemu-i386');
const dir = mkdtempSync(join(tmpdir(), 'signals-'));
afterAll(() => rmSync(dir, { recursive: true }));
const program = join(dir, 'signals');
if (compiler) {
  const source = join(import.meta.dir, 'signals.c');
  Bun.spawnSync([compiler, '-w', '-O1', '-static', '-o', program, source], { stdio: ['ignore', 'inherit', 'inherit'] });
}

function run(command: string[]): { out: string; err: string; status: number | string } {
  const done = Bun.spawnSync(command, { stdin: null, timeout: PROGRAM_LIMIT });
  const status = done.signalCode ?? done.exitCode;
  return { out: done.stdout.toString(), err: done.stderr.toString(), status };
}

describe('signals against the host kernel', () => {
  for (const part of ['faults', 'masks', 'waiting', 'computing', 'stacks', 'contexts', 'vectors', 'old']) {
    for (const engine of ['wasm', 'interp']) {
      testWith(
        ['gcc-i386'],
        `${part}, ${engine}`,
        () => {
          const native = run([program, part]);
          const ours = run([wemu, '-engine', engine, program, part]);
          expect(ours.out.split('\n')).toEqual(native.out.split('\n'));
          expect({ err: ours.err, status: ours.status }).toEqual({ err: '', status: native.status });
        },
        TEST_LIMIT,
      );
    }
  }
});

testWith(
  ['gcc-i386'],
  'signals without a handler are not seen by calls that wait',
  () => {
    const unseen = join(dir, 'unseen');
    const build = ['-w', '-O1', '-static', '-o', unseen, join(import.meta.dir, 'unseen.c')];
    Bun.spawnSync([compiler!, ...build], { stdio: ['ignore', 'inherit', 'inherit'] });
    const native = run([unseen]);
    expect(native.status).toBe(0);
    expect(native.out.split('\n').length).toBeGreaterThan(15);
    expect(run([wemu, unseen])).toEqual(native);
  },
  TEST_LIMIT,
);

describe('signals that come while a call that waits starts', () => {
  const starts = join(dir, 'window');
  for (const part of ['pselect', 'ppoll', 'epoll_pwait', 'sigsuspend']) {
    testWith(
      ['gcc-i386'],
      part,
      () => {
        const build = ['-w', '-O1', '-static', '-o', starts, join(import.meta.dir, 'window.c')];
        if (!existsSync(starts)) Bun.spawnSync([compiler!, ...build], { stdio: ['ignore', 'inherit', 'inherit'] });
        const out = `${part}: 0 slept through, 0 ended otherwise, 0 returned before the handler\n`;
        expect(run([starts, part])).toEqual({ out, err: '', status: 0 });
        expect(run([wemu, starts, part])).toEqual({ out, err: '', status: 0 });
      },
      TEST_LIMIT,
    );
  }
});

describe('death by signal', () => {
  const reported =
    /^wemu: uncaught target signal \d+ \([A-Z][a-z /]+\) - pc 0x[0-9a-f]{8}(, address 0x[0-9a-f]{8})?\n$/;
  const cases: [part: string, message: RegExp][] = [
    ['die-segv', /signal 11 \(Segmentation fault\).*address 0x00001234/],
    ['die-abort', /signal 6 \(Aborted\)/],
    ['die-ill', /signal 4 \(Illegal instruction\)/],
    ['die-fpe', /signal 8 \(Floating point exception\)/],
    ['die-blocked', /signal 11 .*address 0x00000000/],
    ['die-ignored', /signal 11 .*address 0x00000000/],
    ['die-stack', /signal 11/],
    ['die-term', /^$/],
    ['die-rt', /^$/],
    ['die-mxcsr', /signal 11/],
  ];
  for (const [part, message] of cases) {
    testWith(
      ['gcc-i386'],
      part,
      () => {
        const native = run([program, part]);
        const ours = run([wemu, program, part]);
        expect({ out: ours.out, status: ours.status }).toEqual({ out: native.out, status: native.status });
        expect(ours.err).toMatch(message);
        if (ours.err !== '') expect(ours.err).toMatch(reported);
      },
      TEST_LIMIT,
    );
  }
});

describe('signals from outside', () => {
  testWith(
    ['gcc-i386'],
    'the default action of a signal sent by another process',
    async () => {
      const child = Bun.spawn([wemu, program, 'sleep'], { stdin: null, stdout: 'pipe' });
      const reader = child.stdout.getReader();
      await reader.read();
      child.kill('SIGTERM');
      await child.exited;
      expect(child.signalCode).toBe('SIGTERM');
    },
    TEST_LIMIT,
  );

  testWith(
    ['gcc-i386'],
    'a thousand signals to a program that handles, blocks and waits lose none of the last',
    async () => {
      const child = Bun.spawn([wemu, program, 'flood'], { stdin: null, stdout: 'pipe' });
      const reader = child.stdout.getReader();
      await reader.read();
      let enough = false;
      const told = reader.read().then(({ value }) => {
        enough = true;
        return Buffer.from(value!).toString();
      });
      for (let k = 0; k < 1000 || !enough; k++) {
        process.kill(child.pid, 'SIGUSR1');
        if (k % 10 === 0) await Bun.sleep(1);
      }
      expect(await told).toBe('more than ten\n');
      process.kill(child.pid, 'SIGUSR2');
      const rest = await reader.read();
      await child.exited;
      expect(child.exitCode).toBe(0);
      expect(Buffer.from(rest.value!).toString()).toBe('outside the blocks only: yes\n');
    },
    TEST_LIMIT,
  );
});
