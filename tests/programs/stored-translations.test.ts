// Translations kept on disk: programs behave the same with them, and a damaged, foreign or outdated file is never believed.
import { afterAll, expect, test } from 'bun:test';
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { guestTreePath } from '../setup/guests.ts';
import { testWith } from '../setup/needs.ts';

const WEMU = resolve(import.meta.dir, '../../src/cli/bin/wemu-i386');
const HELLO = resolve(import.meta.dir, 'hello/hello');
const SMC = resolve(import.meta.dir, 'smc/smc');
const FAULTS = resolve(import.meta.dir, 'faults/faults');
const TREE = guestTreePath('i386');
const scratch = mkdtempSync(join(tmpdir(), 'wemu-stored-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function run(options: string[], words: string[]) {
  const child = Bun.spawnSync([WEMU, '-L', TREE, '-counters', ...options, ...words], {
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', PYTHONDONTWRITEBYTECODE: '1' },
    stdin: 'ignore',
    cwd: scratch,
  });
  const text = child.stderr.toString();
  const counter = (name: string) => Number(new RegExp(`^ *(\\d+)  exec\\.${name} `, 'm').exec(text)?.[1] ?? 0);
  return {
    output: child.stdout.toString('latin1'),
    errors: text.replace(/^ *\d+ {2}[a-z].*\n/gm, ''),
    end: child.signalCode ?? child.exitCode,
    stored: counter('stored-blocks'),
    translated: counter('translated'),
  };
}

/** What must not depend on where translations come from. */
const seen = ({ output, errors, end }: ReturnType<typeof run>) => ({ output, errors, end });

function folder(name: string): string {
  return mkdtempSync(join(scratch, `${name}-`));
}

const onlyFile = (dir: string) => {
  const files = readdirSync(dir);
  expect(files).toHaveLength(1);
  return join(dir, files[0]!);
};

const PROGRAMS: Record<string, string[]> = {
  sh: [join(TREE, 'bin/dash'), '-c', 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; echo $i; kill -9 $$'],
  gawk: [join(TREE, 'usr/bin/gawk'), 'BEGIN { for (i = 0; i < 20000; i++) s += sqrt(i) ; printf "%.6f\\n", s }'],
  perl: [join(TREE, 'usr/bin/perl'), '-e', 'my %h; $h{$_ % 97} .= $_ for 1..20000; print length(join "", %h), "\\n"'],
  sqlite: [
    join(TREE, 'usr/bin/sqlite3'),
    ':memory:',
    'create table t(a); insert into t values(1),(2); select sum(a) from t',
  ],
};

for (const [name, words] of Object.entries(PROGRAMS)) {
  testWith(
    ['guest-i386'],
    `${name}: the same from the first to the third run, which translates next to nothing`,
    () => {
      const dir = folder(name);
      const plain = run(['-translations', 'off'], words);
      const runs = [1, 2, 3].map(() => run(['-translations', dir], words));
      for (const one of runs) expect(seen(one)).toEqual(seen(plain));
      // A program that kills itself ends before anything could be written.
      if (plain.end === 'SIGKILL') return;
      expect(plain.stored).toBe(0);
      expect(runs[2]!.stored).toBeGreaterThan(plain.translated * 0.8);
      expect(runs[2]!.translated).toBeLessThan(plain.translated * 0.1);
    },
  );
}

test.each([
  ['smc', SMC],
  ['faults', FAULTS],
])('%s: programs that write over their code or fault give the same', (_name, program) => {
  const dir = folder('own');
  const plain = run(['-translations', 'off'], [program]);
  for (let n = 0; n < 3; n++) expect(seen(run(['-translations', dir], [program]))).toEqual(seen(plain));
});

function flip(file: Buffer, at: number): Buffer {
  file[at]! ^= 1;
  return file;
}

testWith(['guest-i386'], 'damaged, cut, foreign and shared files are not used, and replaced', () => {
  const words = PROGRAMS['gawk']!;
  const dir = folder('damage');
  const plain = run(['-translations', dir], words);
  const path = onlyFile(dir);
  const good = readFileSync(path);
  expect(run(['-translations', dir], words).stored).toBeGreaterThan(0);
  const damages: [string, (file: Buffer) => Uint8Array][] = [
    ['a bit', (file) => flip(file, file.length >> 1)],
    ['the checksum', (file) => flip(file, 8)],
    ['half of it', (file) => file.subarray(0, file.length >> 1)],
    ['nearly all of it', (file) => file.subarray(0, 20)],
    ['all of it', () => new Uint8Array(0)],
    ['another version', (file) => flip(file, 4)],
  ];
  for (const [, damage] of damages) {
    writeFileSync(path, damage(Buffer.from(good)));
    const again = run(['-translations', dir], words);
    expect({ ...seen(again), stored: again.stored }).toEqual({ ...seen(plain), stored: 0 });
  }
  writeFileSync(path, good);
  chmodSync(path, 0o666);
  expect(run(['-translations', dir], words).stored).toBe(0);
});

testWith(['guest-i386'], 'another program in the same place is another program', () => {
  const dir = folder('replaced');
  const program = join(scratch, 'program');
  const names = ['usr/bin/gawk', 'bin/dash', 'bin/busybox'] as const;
  const words = { 'usr/bin/gawk': ['--version'], 'bin/dash': ['-c', 'echo dash'], 'bin/busybox': ['echo', 'busybox'] };
  for (let round = 0; round < 3; round++) {
    for (const name of names) {
      rmSync(program, { force: true });
      copyFileSync(join(TREE, name), program);
      chmodSync(program, 0o755);
      const plain = run(['-translations', 'off'], [program, ...words[name]]);
      expect(seen(run(['-translations', dir], [program, ...words[name]]))).toEqual(seen(plain));
    }
  }
});

testWith(['guest-i386'], 'several processes at once leave one whole file', async () => {
  const dir = folder('parallel');
  const words = PROGRAMS['gawk']!;
  const plain = run(['-translations', 'off'], words);
  const children = Array.from({ length: 4 }, () =>
    Bun.spawn([WEMU, '-L', TREE, '-translations', dir, ...words], { env: {}, stdin: 'ignore', stdout: 'pipe' }),
  );
  for (const child of children) expect(await new Response(child.stdout).text()).toBe(plain.output);
  await Promise.all(children.map((child) => child.exited));
  onlyFile(dir);
  expect(run(['-translations', dir], words).stored).toBeGreaterThan(0);
});

testWith(['guest-i386'], 'a limit on file sizes, no permission and no directory do no harm', () => {
  const words = PROGRAMS['sqlite']!;
  const plain = run(['-translations', 'off'], words);
  const dir = folder('limit');
  const limited = Bun.spawnSync([
    'sh',
    '-c',
    'ulimit -f 1; exec "$@"',
    'sh',
    WEMU,
    '-L',
    TREE,
    '-translations',
    dir,
    ...words,
  ]);
  expect([limited.stdout.toString(), limited.exitCode]).toEqual([plain.output, 0]);
  expect(readdirSync(dir)).toEqual([]);
  expect(seen(run(['-translations', join(HELLO, 'no/directory')], words))).toEqual(seen(plain));
});
