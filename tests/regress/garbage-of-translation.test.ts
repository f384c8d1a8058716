// The engine counted the 4 GiB of guest memory twice as heap in use and let garbage grow in proportion: python loading a few
// large modules took 390 MB where 240 do, and 870 MB where 400 do. What translating leaves is now collected on the way.
import { expect } from 'bun:test';
import { resolve } from 'node:path';
import { guestTreePath } from '../setup/guests.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const WEMU = resolve(import.meta.dir, '../../src/cli/bin/wemu-i386');
const TREE = guestTreePath('i386');
const PROGRAM = 'import decimal; print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0])';

testWith(
  ['guest-i386'],
  'a program of many blocks does not keep the garbage of their translation',
  () => {
    const options = ['-L', TREE, '-counters', '-translations', 'off'];
    const child = Bun.spawnSync([WEMU, ...options, `${TREE}/usr/bin/python3.11`, '-S', '-c', PROGRAM], {
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', PYTHONDONTWRITEBYTECODE: '1' },
      stdin: 'ignore',
    });
    const kilobytes = Number(/VmHWM:\s+(\d+) kB/.exec(child.stdout.toString())?.[1]);
    const counter = (name: string) =>
      Number(new RegExp(`^ *(\\d+) {2}${name} `, 'm').exec(child.stderr.toString())?.[1]);
    expect(child.exitCode).toBe(0);
    expect(counter('exec.translated')).toBeGreaterThan(30_000);
    expect(counter('exec.collections')).toBeGreaterThan(2);
    expect(kilobytes).toBeLessThan(320_000);
  },
  TEST_LIMIT,
);
