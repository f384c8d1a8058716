// What children execute is translated by the process that forks: also where it runs another program itself, and where they differ.
import { afterAll, expect } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { guestTreePath } from '../setup/guests.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

const WEMU = resolve(import.meta.dir, '../../src/cli/bin/wemu-i386');
const TREE = guestTreePath('i386');
const scratch = mkdtempSync(join(tmpdir(), 'wemu-learning-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Output of a shell, and of each process that has reported its counters when it ended, what it and its forebears had translated. */
function run(shell: readonly string[], script: string, translations = 'off') {
  const log = join(scratch, 'log');
  rmSync(log, { force: true });
  const options = ['-L', TREE, '-counters', '-D', log, '-translations', translations];
  const child = Bun.spawnSync([WEMU, ...options, ...shell.map((word) => join(TREE, word)), '-c', script], {
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    stdin: 'ignore',
    cwd: scratch,
  });
  expect(child.stderr.toString()).toBe('');
  const counts = (name: string) =>
    [...readFileSync(log, 'latin1').matchAll(new RegExp(`^ *(\\d+)  exec\\.${name} `, 'gm'))].map((m) => Number(m[1]));
  return { output: child.stdout.toString('latin1'), translated: counts('translated'), learnt: counts('learnt') };
}

/** Each shell ends with the command `exit`, so that it does not become the last program. */
const LOOP = 'for i in 1 2 3 4 5 6 7 8; do /bin/sed -n "s/$i/<&>/p" /etc/services >> $OUT; done; exit 0';
const SHELLS = { 'a static one': ['bin/busybox', 'sh'], 'a dynamic one': ['bin/bash'] };

for (const [name, [program, ...words]] of Object.entries(SHELLS)) {
  testWith(
    ['guest-i386'],
    `programs that ${name} executes again and again are translated a few times only`,
    () => {
      const shell = [program!, ...words];
      const { translated, learnt } = run(shell, LOOP.replace('$OUT', '/dev/null'));
      expect(translated).toHaveLength(9);
      // One child that does not know anything translates this much.
      const alone = translated[0]!;
      expect(alone).toBeGreaterThan(1000);
      expect(learnt.at(-1)).toBeGreaterThan(200);
      // The last ones have what the shell had.
      const last = translated.slice(5, 8);
      expect(Math.max(...last) - Math.min(...last)).toBeLessThan(100);
    },
    TEST_LIMIT,
  );
}

testWith(
  ['guest-i386'],
  'programs at the same addresses do not get each other’s translations',
  () => {
    const commands = ['echo $i | sed s/./x/', 'seq $i', 'expr $i + 1', 'basename /a/$i', 'printf "%03d\\n" $i'];
    const script = `for i in 1 2 3 4 5; do ${commands.map((c) => `/usr/bin/env ${c}`).join('; ')}; done; exit 0`;
    const expected = Bun.spawnSync(['/bin/sh', '-c', script.replaceAll('/usr/bin/env ', '')]).stdout.toString();
    for (const [program, ...words] of Object.values(SHELLS)) {
      expect(run([program!, ...words], script).output).toBe(expected);
    }
  },
  TEST_LIMIT,
);

testWith(
  ['guest-i386'],
  'what children have stored of their own is learnt too, and the shell still stores its own',
  () => {
    const dir = mkdtempSync(join(scratch, 'stored-'));
    const script = LOOP.replace('$OUT', '/dev/null');
    const runs = [1, 2, 3].map(() => run(['bin/bash'], script, dir));
    const [first, , last] = runs.map(({ translated }) => translated);
    expect(last!.at(-1)).toBeLessThan(first!.at(-1)! * 0.8);
  },
  TEST_LIMIT,
);
