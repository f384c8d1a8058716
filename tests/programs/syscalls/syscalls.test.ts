/**
 * C programs that make every kind of system call print the same on the host CPU and under wemu: results, errors, contents. Built
 * for ARM, which has no old calls, they print under wemu what they print on the host CPU built without those.
 */

import { afterAll, expect } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeUnavailable, wemuCommand } from '../../oracle/runner.ts';
import { testWith } from '../../setup/needs.ts';
import { type Oracle, oraclePath } from '../../setup/oracles.ts';

/** Each program, and the parts of it that are run by their names. */
const PROGRAMS: Record<string, readonly string[]> = {
  locks: [''],
  tty: [''],
  events: [''],
  timers: [''],
  ipc: [''],
  memory: [''],
  files: [''],
  large: [''],
  own: [''],
  robust: [''],
  process: [''],
  hostile: [''],
  sockets: ['unix', 'internet', 'options', 'interfaces', 'many'],
};

/** Some parts need rights (network interfaces, namespaces, locked memory), and no rights differ from system to system. */
const NEEDS = [
  'gcc-i386',
  { met: process.getuid?.() === 0, reason: 'only root may make all the calls' },
  { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' },
] as const;

const scratch = mkdtempSync(join(tmpdir(), 'wemu-syscalls-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function build(name: string, compiler: Oracle = 'gcc-i386', flags: readonly string[] = []): string {
  const program = join(scratch, `${name}-${compiler}${flags.join('')}`);
  const source = join(import.meta.dir, `${name}.c`);
  const built = Bun.spawnSync([oraclePath(compiler)!, '-O1', '-static', '-w', ...flags, '-o', program, source]);
  if (!built.success) throw new Error(String(built.stderr));
  return program;
}

/** Output and status of a run in an empty directory and a session of its own; `setsid` keeps terminals away. */
function run(command: readonly string[]): string {
  const cwd = join(scratch, 'work');
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(cwd);
  const child = Bun.spawnSync(['setsid', '--wait', ...command], {
    cwd,
    stdin: 'ignore',
    timeout: 60_000,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
  });
  return `${child.stdout}${child.stderr}status ${child.exitCode ?? child.signalCode}\n`;
}

/** Guests, what their programs are compiled with, and without what. */
const GUESTS: readonly { guest: string; compiler: Oracle; flags: readonly string[] }[] = [
  { guest: 'i386', compiler: 'gcc-i386', flags: [] },
  { guest: 'arm', compiler: 'gcc-armhf', flags: ['-DWITHOUT_OLD_CALLS'] },
];

for (const { guest, compiler, flags } of GUESTS) {
  for (const [name, parts] of Object.entries(PROGRAMS)) {
    testWith(
      [...NEEDS, compiler],
      `${name}.c, ${guest}`,
      () => {
        const wemu = wemuCommand([], guest);
        if ('missing' in wemu) throw new Error(wemu.missing);
        const native = build(name, 'gcc-i386', flags);
        // The registers of raw calls are fixed, and R7 is Thumb's frame pointer.
        const program = guest === 'i386' ? native : build(name, compiler, ['-marm', ...flags]);
        for (const part of parts) {
          const args = part === '' ? [] : [part];
          const expected = run([native, ...args]);
          expect(expected).toEndWith('status 0\n');
          expect(run([...wemu.command, program, ...args])).toBe(expected);
        }
      },
      120_000,
    );
  }
}
