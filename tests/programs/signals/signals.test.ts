/**
 * Signals as programs see them: every signal's actions, queues and their order, what a siginfo_t says, frames, alternate stacks,
 * and every call that waits interrupted by a handler or by being stopped. The host CPU and wemu must print the same.
 */

import { afterAll, expect } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeUnavailable, wemuCommand } from '../../oracle/runner.ts';
import { testWith } from '../../setup/needs.ts';
import { oraclePath } from '../../setup/oracles.ts';

/** Each program, and the parts of it that are run by their names. */
const PROGRAMS: Record<string, readonly string[]> = {
  interrupted: [''],
  info: ['sources', 'stacks', 'overflow', 'frames', 'jumping'],
  dispositions: ['outside', 'itself', 'exec', 'flags', 'children', 'queues', 'limit', 'stops', 'groups'],
};

const NEEDS = ['gcc-i386', { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' }] as const;

const scratch = mkdtempSync(join(tmpdir(), 'wemu-signals-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function build(name: string): string {
  const program = join(scratch, name);
  const source = join(import.meta.dir, `${name}.c`);
  const built = Bun.spawnSync([oraclePath('gcc-i386')!, '-O1', '-static', '-w', '-o', program, source]);
  if (!built.success) throw new Error(String(built.stderr));
  return program;
}

/** Output and status of a run in an empty directory and a session of its own. What wemu says of deaths goes elsewhere. */
function run(command: readonly string[]): string {
  const cwd = join(scratch, 'work');
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(cwd);
  const child = Bun.spawnSync(['setsid', '--wait', ...command], {
    cwd,
    stdin: 'ignore',
    stderr: 'ignore',
    timeout: 120_000,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
  });
  return `${child.stdout}status ${child.exitCode ?? child.signalCode}\n`;
}

for (const [name, parts] of Object.entries(PROGRAMS)) {
  testWith(
    NEEDS,
    `${name}.c`,
    () => {
      const wemu = wemuCommand();
      if ('missing' in wemu) throw new Error(wemu.missing);
      const program = build(name);
      for (const part of parts) {
        const args = part === '' ? [] : [part];
        const expected = run([program, ...args]);
        expect(expected).toEndWith('status 0\n');
        expect(run([...wemu.command, program, ...args])).toBe(expected);
      }
    },
    300_000,
  );
}
