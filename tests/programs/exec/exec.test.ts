// What execve keeps of a process and takes away, by the same program natively and under wemu: every line must agree.

import { afterAll, describe, expect } from 'bun:test';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeUnavailable, wemuCommand } from '../../oracle/runner.ts';
import { guestTreePath } from '../../setup/guests.ts';
import { PROGRAM_LIMIT } from '../../setup/limits.ts';
import { type Need, testWith } from '../../setup/needs.ts';

const COMPILER = 'i686-linux-gnu-gcc';
const directory = mkdtempSync(join(tmpdir(), 'exec-'));
// One mode becomes another user.
chmodSync(directory, 0o755);
const program = join(directory, 'attributes');

afterAll(() => rmSync(directory, { recursive: true }));

let built = false;

function build(): void {
  if (built) return;
  const source = join(import.meta.dir, 'attributes.c');
  expect(Bun.spawnSync([COMPILER, '-O1', '-static', '-w', '-s', '-o', program, source]).exitCode).toBe(0);
  built = true;
}

/** What the program prints, and how it ends. */
function output(command: readonly string[], mode: string): string {
  rmSync(join(directory, 'lockfile'), { force: true });
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command, program, mode], {
    cwd: directory,
    timeout: PROGRAM_LIMIT,
  });
  return `${stdout}${stderr}(${exitCode})`;
}

const compiler: Need = { met: Bun.which(COMPILER) !== null, reason: `${COMPILER} is not installed` };
const unavailable = nativeUnavailable();
const native: Need = { met: unavailable === undefined, reason: unavailable ?? '' };
const wemu = wemuCommand();
const runnable: Need = { met: 'command' in wemu, reason: 'missing' in wemu ? wemu.missing : '' };
const root: Need = { met: process.getuid?.() === 0, reason: 'only root can change users' };

describe('what execve does to a process', () => {
  const modes: readonly (readonly [mode: string, name: string, needs: readonly Need[]])[] = [
    ['plain', 'executed by itself', []],
    ['fork', 'in a child of fork', []],
    ['vfork', 'in a child of vfork', []],
    ['chain', 'four times in a row', []],
    ['users', 'with several user ids and capabilities that are lost', [root]],
    ['capabilities', 'by root with fewer capabilities, which come back', [root]],
  ];
  for (const [mode, name, needs] of modes) {
    testWith([compiler, native, runnable, ...needs], name, () => {
      build();
      const expected = output([], mode);
      expect(expected).toContain('handlers');
      expect(output('command' in wemu ? wemu.command : [], mode)).toBe(expected);
    });
  }
});

const hello = join(import.meta.dir, '../hello/hello');
const guestShell: Need = 'guest-i386';

describe('programs of the host', () => {
  const run = (...options: string[]): string => {
    const busybox = join(guestTreePath('i386'), 'bin/busybox');
    const script = `${process.execPath} --revision; echo "status $?"; exec ${hello} one`;
    const command = [...('command' in wemu ? wemu.command : []), ...options, busybox, 'sh', '-c', script];
    const { stdout, stderr } = Bun.spawnSync(command, { timeout: PROGRAM_LIMIT });
    return `${stdout}${stderr}`;
  };

  testWith([guestShell, runnable], 'run natively', () => {
    expect(run()).toStartWith(`${Bun.version}`);
    expect(run()).toContain('status 0\n');
  });

  // As on a machine of the guest's kind: ENOEXEC, which a shell takes for a script without a first line.
  testWith([guestShell, runnable], 'are refused with -guest-only, guest programs are not', () => {
    const text = run('-guest-only');
    expect(text).not.toContain(Bun.version);
    expect(text).toMatch(/status [1-9]/);
    expect(text).toContain('one');
  });
});
