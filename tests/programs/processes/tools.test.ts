/**
 * Programs that look at processes (ps, pgrep, pstree, killall, fuser, lsof) see guests of other emulators as the kernel shows native
 * programs, and those that change what a program is confined to (unshare, setpriv, prlimit, chrt, ...) do the same.
 */
import { expect } from 'bun:test';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { nativeUnavailable, wemuCommand } from '../../oracle/runner.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';
import { makeWorkDirectory, removeWorkDirectory, runIn, TREE } from '../debian-run.ts';

const ENV = { PATH: '/bin:/sbin' };

/** Runs the script in namespaces of its own, where no processes are but its own. */
async function run(directory: string, setUp: string, ...words: string[]): Promise<string[]> {
  const { stdout, stderr } = await runIn(['unshare', '-pfm', '/bin/sh', '-c', setUp, ...words], directory, {
    env: ENV,
    milliseconds: TEST_LIMIT,
  });
  // Numbers of processes depend on how many threads the emulator has.
  const text = (stdout + stderr)
    .replaceAll(TREE, '')
    .replaceAll(basename(directory), 'DIRECTORY')
    .replace(/\b(pid|p)(?: |(?=\d+$))\d+/gm, '$1 N');
  return text
    .replace(/line \d+: +\d+ /g, 'line N ')
    .replace(/^\d+ (?=sleep$)/gm, 'N ')
    .split('\n');
}

testWith(
  [
    'guest-i386',
    { met: process.getuid?.() === 0, reason: 'only root can make namespaces and mounts' },
    { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' },
  ],
  'programs that look at processes and confine them see and do the same',
  async () => {
    const [native, directory] = [makeWorkDirectory(), makeWorkDirectory()];
    try {
      // Not chroot alone: there no user namespaces are made.
      mkdirSync(join(native, 'old'));
      for (const place of [native, directory]) {
        copyFileSync(join(import.meta.dir, 'tools.sh'), join(place, 'tools.sh'));
        writeFileSync(join(place, 'held'), '');
      }
      const inside = native.slice(TREE.length);
      const root =
        `mount --bind ${TREE} ${TREE} && cd ${TREE} && mount -t proc proc proc && mount --rbind /sys sys && ` +
        `mount --rbind /dev dev && pivot_root . .${inside}/old && exec /usr/sbin/chroot . /bin/bash -c "cd ${inside}; exec /bin/bash tools.sh"`;
      const expected = await run(native, root);
      expect(expected.filter((line) => line.startsWith('=> ')).length).toBeGreaterThan(35);
      const wemu = wemuCommand();
      if ('missing' in wemu) throw new Error(wemu.missing);
      const command = [...wemu.command, '-guest-only', '-L', TREE, '-0', '/bin/bash', join(TREE, 'bin/bash')];
      const seen = await run(directory, 'mount -t proc proc /proc && exec "$@"', 'sh', ...command, 'tools.sh');
      expect(seen).toEqual(expected);
    } finally {
      removeWorkDirectory(native);
      removeWorkDirectory(directory);
    }
  },
  TEST_LIMIT,
);
