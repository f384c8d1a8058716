// A bash script of more than 500 lines does the same natively and under wemu: output, errors, status, files.

import { expect } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { wemuCommand } from '../../oracle/runner.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { runIn, TREE } from '../debian-run.ts';
import { CHROOT_NEEDS, nativeChroot } from '../native-chroot.ts';
import { seen } from './cases.ts';

testWith(
  ['guest-i386', ...CHROOT_NEEDS],
  'a long bash script',
  async () => {
    const script = readFileSync(join(import.meta.dir, 'long-script.sh'), 'latin1');
    expect(script.split('\n').filter((line) => /^\s*[^#\s]/.test(line)).length).toBeGreaterThan(500);
    const one = { program: '/bin/bash', args: ['long-script.sh'], files: { 'long-script.sh': script } };
    const wemu = wemuCommand(['-L', TREE, '-0', one.program]);
    if ('missing' in wemu) throw new Error(wemu.missing);
    const native = await seen(one, TREE, (each, directory) =>
      runIn(nativeChroot(directory, [each.program, ...one.args]), directory, { ...each, milliseconds: TEST_LIMIT / 2 }),
    );
    expect(native.end).toBe('17');
    const ours = await seen(one, TREE, (each, directory) =>
      runIn([...wemu.command, join(TREE, each.program), ...one.args], directory, {
        ...each,
        milliseconds: TEST_LIMIT / 2,
      }),
    );
    expect(ours).toEqual(native);
  },
  TEST_LIMIT,
);
