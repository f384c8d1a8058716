// Files below /proc that the emulator makes are written to memory files, which a limit on file sizes counts: gawk, which
// reads /proc/self/maps, was killed by SIGXFSZ under `ulimit -f 1`.
import { expect } from 'bun:test';
import { join, resolve } from 'node:path';
import { guestTreePath } from '../setup/guests.ts';
import { testWith } from '../setup/needs.ts';

const WEMU = resolve(import.meta.dir, '../../src/cli/bin/wemu-i386');
const TREE = guestTreePath('i386');

testWith(['guest-i386'], 'reading /proc/self/maps and /proc/cpuinfo under a small soft limit', () => {
  const script = 'ulimit -S -f 1; exec "$0" -translations off -L "$1" "$1/bin/cat" /proc/self/maps /proc/cpuinfo';
  const run = Bun.spawnSync(['sh', '-c', script, WEMU, TREE], { cwd: join(TREE, 'tmp') });
  expect(run.signalCode ?? run.exitCode).toBe(0);
  expect(run.stdout.toString()).toContain('/bin/cat');
  expect(run.stdout.toString()).toContain('wemu virtual CPU');
});
