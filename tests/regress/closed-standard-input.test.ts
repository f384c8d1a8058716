// A guest that had standard input closed found a file of the emulator open in its place: the module with the x87 helpers, read
// when the first instruction needed it. Bun's readFileSync takes descriptors 0 to 2 for standard input and output and never
// closes them. Python's test_posix saw it (posix_spawn with POSIX_SPAWN_CLOSE).

import { expect } from 'bun:test';
import { closeSync, openSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { SYS, sys1, sys2 } from '../../src/host/syscall.ts';
import { readWholeFile, withStandardTaken } from '../../src/util/read-file.ts';
import { wemuCommand } from '../oracle/runner.ts';
import { TREE } from '../programs/debian-run.ts';
import { testWith } from '../setup/needs.ts';

testWith([], 'a whole file is read without keeping descriptor 0', () => {
  const saved = sys1(SYS.dup, 0);
  sys1(SYS.close, 0);
  try {
    expect(Buffer.from(readWholeFile('/proc/self/maps')).toString('latin1')).toContain('[stack]');
    expect(() => readlinkSync('/proc/self/fd/0')).toThrow();
    // The number is free: the next file gets it.
    const fd = openSync('/dev/null', 'r');
    closeSync(fd);
    expect(fd).toBe(0);
    // What has no such replacement runs while the number is taken.
    expect(withStandardTaken(() => realpathSync('/proc/../etc'))).toBe('/etc');
    expect(withStandardTaken(() => readdirSync('/proc/self/fd').includes('0'))).toBe(true);
    expect(() => readlinkSync('/proc/self/fd/0')).toThrow();
  } finally {
    sys2(SYS.dup2, saved, 0);
    sys1(SYS.close, saved);
  }
});

testWith(['guest-i386'], 'an executed program finds closed what was closed', () => {
  const wemu = wemuCommand(['-L', TREE]);
  if ('missing' in wemu) throw new Error(wemu.missing);
  const script = 'exec 0<&-; exec readlink /proc/self/fd/0';
  const run = Bun.spawnSync([...wemu.command, `${TREE}/bin/dash`, '-c', script], { stdin: 'ignore' });
  expect([`${run.stdout}${run.stderr}`, run.exitCode]).toEqual(['', 1]);
});
