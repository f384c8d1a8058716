// What was lost when a process became another one by the host's own execve. A signal between the last look and execve of a
// host program was noted for a guest that did not exist any more: `sleep 20 & kill $!` in bash slept on, one time in ten.
// Signals that waited while blocked were forgotten when the emulator executed itself anew, and so were the engine settings
// of the launcher.
import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withEngineSettings } from '../../src/cli/exec-state.ts';
import { ENGINE_SETTINGS } from '../../src/host/engine-settings.ts';
import { nativeUnavailable, wemuCommand } from '../oracle/runner.ts';
import { PROGRAM_LIMIT, TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';
import { oraclePath } from '../setup/oracles.ts';

const scratch = mkdtempSync(join(tmpdir(), 'wemu-execve-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function run(command: readonly string[]): string {
  const child = Bun.spawnSync([...command], {
    stdin: 'ignore',
    timeout: PROGRAM_LIMIT,
    env: { PATH: '/usr/bin:/bin' },
  });
  return `${child.stdout}${child.stderr}status ${child.exitCode ?? child.signalCode}\n`;
}

testWith(
  ['gcc-i386', { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' }],
  'signals around execve arrive, blocked ones stay',
  () => {
    const program = join(scratch, 'program');
    const source = join(import.meta.dir, 'signals-around-execve.c');
    const built = Bun.spawnSync([oraclePath('gcc-i386')!, '-O1', '-static', '-w', '-o', program, source]);
    expect(built.stderr.toString()).toBe('');
    const wemu = wemuCommand([]);
    if ('missing' in wemu) throw new Error(wemu.missing);
    const native = run([program, 'env']);
    expect(native).toContain('40 of 40 died');
    expect(native).toContain('value 77');
    expect(run([...wemu.command, program, 'env'])).toBe(native);
    // Others see the guest's variables.
    const settings = "tr '\\0' '\\n' </proc/$PPID/environ | grep -c ^BUN_JSC";
    expect(run([...wemu.command, program, settings])).toContain('\n0\nstatus 0\n');
  },
  TEST_LIMIT,
);

test('the emulator executes itself with the settings of the launcher, or those a user has set', () => {
  expect(withEngineSettings(['A=1'])).toEqual(['A=1', ...ENGINE_SETTINGS]);
  const [first, ...others] = ENGINE_SETTINGS;
  const own = `${first!.slice(0, first!.indexOf('=') + 1)}7`;
  expect(withEngineSettings([own])).toEqual([own, ...others]);
});
