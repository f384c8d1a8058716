// Every pair of pieces of a command line, good and wrong ones, with wemu-img and qemu-img: which of two mistakes is told, its words
// and exit code, and what becomes of the images: bun tests/block/pairs.ts [command, list or -] [part] [of parts]
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROGRAM_LIMIT } from '../setup/limits.ts';
import { run } from './helpers.ts';
import { PAIR_LISTS, type PairList } from './pair-lists.ts';
import { neutral } from './parity.ts';

const IMG = process.env['WEMU_IMG']?.split(' ') ?? [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

/** What a command line is put together from: words by a space; a word in quotes is the empty one. */
interface Pieces {
  /** Options, of which every two are given together, in both orders. */
  options: string[];
  /** Options without which the others say little: they come before all operands with every single option. */
  always?: string[];
  /** Operands; the first are those that every pair is tried with, all of them come with every single option. */
  operands: string[];
}

const OBJECT = ['--object secret,id=s,data=x', '--object secret,id=s', '--object foo,id=s', '--object secret,help'];
const SOURCE = ['-f qcow2', '-f raw', '-f foo', '--image-opts', '-U', '--force-share'];
const CACHE = ['-t none', '-t writethrough', '-t foo'];
const SOURCE_CACHE = ['-T none', '-T foo'];
const WRONG = ['-z', '--foo', '--', '-', '-h', '--help=x'];
const OUTPUT = ['--output=json', '--output human', '--output=foo', '--out=json', '--output'];
const OPTIONS = [
  '-o size=2M',
  '-o cluster_size=4k',
  '-o cluster_size=3000',
  '-o cluster_size=x',
  '-o compat=0.10',
  '-o compat=v3',
  '-o foo=1',
  '-o help',
  '-o ?',
  "-o ''",
  '-o ,,',
  '-o lazy_refcounts',
  '-o lazy_refcounts=maybe',
  '-o refcount_bits=1',
  '-o refcount_bits=3',
  '-o extended_l2=on',
  '-o compression_type=zstd',
  '-o compression_type=foo',
  '-o preallocation=metadata',
  '-o preallocation=foo',
  '-o backing_file=r,backing_fmt=raw',
  '-o backing_fmt=raw',
  '-o backing_file=none',
  '-o data_file=dn',
  '-o data_file_raw=on',
  '-o encryption=on',
];

const COMMANDS: Record<string, Pieces> = {
  amend: {
    options: [...OBJECT, ...SOURCE, ...CACHE, ...WRONG, ...OPTIONS, '-p', '-q', '--force'],
    always: ['-o compat=v3'],
    operands: ['a', 'none', '', 'a a', 'r', '-- a', 'a --', 'v2', 's', 'd'],
  },
  bench: {
    options: [
      ...SOURCE,
      ...CACHE,
      ...WRONG,
      ...[
        '-c 3',
        '-c x',
        '-c -1',
        '-c 0',
        '-d 2',
        '-d x',
        '-n',
        '-q',
        '-w',
        '-i threads',
        '-i foo',
        '-i native',
        '-o 4k',
      ],
      ...['-o x', '-o 8M', '-s 4k', '-s x', '-s 0', '-S 8k', '-S x', '--pattern=5', '--pattern=256', '--pattern x'],
      ...['--flush-interval=2', '--flush-interval=x', '--flush=100', '--no-drain', '--no'],
    ],
    always: ['-c 5'],
    operands: ['a', 'none', '', 'a a', '-- r'],
  },
  bitmap: {
    options: [
      ...OBJECT.slice(0, 2),
      ...SOURCE,
      ...WRONG,
      ...['--add', '--remove', '--clear', '--enable', '--disable', '--merge b0', '--merge none', '--merge', '-b s'],
      ...['-b none', '-F qcow2', '-F foo', '-F raw', '-g 64k', '-g 5', '-g x', '-g 8G', '--a', '--e', '-b a', '--dis'],
    ],
    always: ['--add'],
    operands: ['s n', 's b0', 'none n', '', 's', 's n x', 'r n', 'v2 n', '-- s n', "s ''"],
  },
  check: {
    options: [
      ...[...OBJECT, ...SOURCE, ...SOURCE_CACHE, ...WRONG, ...OUTPUT, '-q', '-r leaks', '-r all', '-r x', '-r'],
      ...['--repair=all', '--repair leaks', '--rep=all', '-r all -r leaks'],
    ],
    operands: ['a', 'none', '', 'a a', 'r', 'l', '-- a', 'a --', 'file:a', 'bad'],
  },
  commit: {
    options: [
      ...[...OBJECT.slice(0, 2), ...SOURCE, ...CACHE, ...WRONG, '-q', '-p', '-d', '-b a', '-b none', '-b r', '-b b'],
      ...['-r 1G', '-r x', '-r 0', "-b ''"],
    ],
    operands: ['o', 'none', '', 'o o', 'a', 'r', '-- o'],
  },
  compare: {
    options: [...[...OBJECT, ...SOURCE, ...SOURCE_CACHE, ...WRONG, '-F qcow2', '-F raw', '-F foo', '-p', '-q', '-s']],
    operands: ['a b', 'a none', 'none a', '', 'a', 'a b a', 'a o', 'a r', '-- a b', 'a a', 'bad a'],
  },
  convert: {
    options: [
      ...[...OBJECT.slice(0, 2), ...SOURCE, ...CACHE, ...SOURCE_CACHE, ...WRONG, ...OPTIONS],
      ...['-O qcow2', '-O raw', '-O foo', '-B a', '-B none', "-B ''", '-F qcow2', '-F foo', '-c', '-C', '-p'],
      ...[
        '-q',
        '-n',
        '-l one',
        '-l none',
        '-l snapshot.name=one',
        '-l snapshot.foo=x',
        '-S 0',
        '-S x',
        '-S 4k',
        '-S 5',
      ],
      ...['-r 1G', '-r x', '-m 1', '-m 17', '-m x', '-W', '--salvage', '--bitmaps', '--skip-broken-bitmaps'],
      ...['--target-is-zero', '--target-image-opts', '--target-i', '-6', '-e'],
    ],
    operands: [
      's n',
      'a n',
      'none n',
      'a',
      '',
      'a no/n',
      'a b',
      'o n',
      'r n',
      'a a',
      'a b n',
      'a r n',
      '-- a n',
      'bad n',
    ],
  },
  create: {
    options: [
      ...[...OBJECT, ...WRONG, ...OPTIONS, '-f qcow2', '-f raw', '-f foo', '-f file', '-b a', '-b none', '-b r'],
      ...['-F qcow2', '-F raw', '-F foo', '-u', '-q', '-6', '-e', "-b ''", '-b n', '--image-opts'],
    ],
    operands: [
      'n 1M',
      'n',
      '',
      'n 1M 2M',
      'n x',
      'n -1',
      'a 1M',
      'no/n 1M',
      'n 1.5k',
      '-- n 1M',
      '. 1M',
      'n 0',
      'foo:n 1M',
    ],
  },
  dd: {
    options: [
      ...[
        ...OBJECT.slice(0, 2),
        ...SOURCE,
        ...WRONG,
        '-O qcow2',
        '-O raw',
        '-O foo',
        'bs=4k',
        'bs=x',
        'bs=0',
        'count=3',
      ],
      ...[
        'count=x',
        'count=-1',
        'count=0',
        'skip=1',
        'skip=x',
        'skip=99999',
        'foo=1',
        'foo',
        'if=none',
        'of=no/n',
        'bs=',
      ],
      ...['if=r', 'of=b', '-n'],
    ],
    operands: ['if=a of=n', 'if=a', 'of=n', '', 'if=r of=n', 'if=a of=a', '-- if=a of=n', 'if=none of=n', 'if= of='],
  },
  info: {
    options: [...OBJECT, ...SOURCE, ...WRONG, ...OUTPUT, '--backing-chain', '--back', '-b', '--o=json'],
    operands: ['o', 'a', 'none', '', 'a a', 's', 'r', 'd', 'l', '-- a', 'bad', 'foo:a', 'nb', '.', "''"],
  },
  map: {
    options: [
      ...[...OBJECT.slice(0, 2), ...SOURCE, ...WRONG, ...OUTPUT, '-s 64k', '-s x', '-s -1', '-s 8M', '-l 64k', '-l x'],
      ...['--start-offset=100k', '--start-offset', '--max-length 1k', '--max=0', '-l 8E'],
    ],
    operands: ['o', 'none', '', 'a a', 'r', 'd', 'e', '-- a', 'bad', 'nb'],
  },
  measure: {
    options: [
      ...[...OBJECT.slice(0, 2), ...SOURCE, ...WRONG, ...OUTPUT, ...OPTIONS, '-O qcow2', '-O raw', '-O foo'],
      ...['--size 1M', '--size=x', '--size 0', '--s=2G', '-l one', '-l none', '-l snapshot.id=1', '-l snapshot.foo=x'],
    ],
    operands: ['s', '', 'none', 'a a', 'r', 'o', 'e', '-- a', 'bad'],
  },
  rebase: {
    options: [
      ...[
        ...OBJECT.slice(0, 2),
        ...SOURCE,
        ...CACHE,
        ...SOURCE_CACHE,
        ...WRONG,
        '-q',
        '-p',
        '-u',
        '-b a',
        '-b r',
        '-b none',
      ],
      ...["-b ''", '-b b', '-F qcow2', '-F raw', '-F foo', "-F ''"],
    ],
    always: ['-b b'],
    operands: ['o', 'none', '', 'o o', 'a', 'r', '-- o', 's'],
  },
  resize: {
    options: [
      ...[...OBJECT.slice(0, 2), ...SOURCE, ...WRONG, '-q', '--shrink', '--shr', '--preallocation=off', '-p'],
      ...['--preallocation=metadata', '--preallocation full', '--preallocation=foo', '--pre=falloc', '--preallocation'],
    ],
    operands: [
      'a 2M',
      'a 512k',
      'a +1M',
      'a -512k',
      'none 2M',
      'a',
      '',
      'a x',
      'a 2M 3M',
      'r 2M',
      'r 5',
      's 2M',
      '-- a 2M',
      'a 0',
    ],
  },
  snapshot: {
    options: [
      ...[
        ...OBJECT.slice(0, 2),
        ...SOURCE,
        ...WRONG,
        '-q',
        '-l',
        '-c new',
        '-c one',
        '-a one',
        '-a 1',
        '-a none',
        '-d one',
      ],
      ...['-d none', "-c ''", '-d 1', '-l -l', '-lq'],
    ],
    operands: ['s', 'a', 'none', '', 's s', 'r', '-- s', 's --', 'v2', 'd'],
  },
};

/** A line's words; `''` is the empty one. */
function words(line: string): string[] {
  return line
    .split(' ')
    .filter((w) => w !== '')
    .map((w) => (w === "''" ? '' : w));
}

/** All lines of a command. */
export function pairLines(name: string): string[] {
  const { options, always = [], operands } = COMMANDS[name]!;
  const main = operands[0]!;
  const out = new Set<string>();
  const add = (...parts: string[]): void => {
    out.add([name, ...parts.filter((p) => p !== '')].join(' '));
  };
  for (const operand of operands) {
    add(operand);
    for (const option of options) {
      add(option, operand);
      for (const more of always) add(more, option, operand);
    }
  }
  for (const a of options) {
    add(main, a);
    for (const b of options) {
      add(a, b, main);
      for (const more of always) add(more, a, b, main);
    }
  }
  return [...out];
}

/** Images that each line begins with. */
function prepare(dir: string): void {
  const img = (...args: string[]): string => run(['qemu-img', ...args], dir);
  const io = (file: string, ...commands: string[]): string =>
    run(['qemu-io', ...commands.flatMap((c) => ['-c', c]), file], dir);
  const create = (...args: string[]): string => img('create', '-q', '-f', ...args);
  create('qcow2', 'a', '1M');
  io('a', 'w -P 1 0 100k', 'w -z 512k 64k');
  create('raw', 'r', '1M');
  run(['qemu-io', '-f', 'raw', '-c', 'w -P 3 64k 100k', 'r'], dir);
  run(['cp', 'a', 'b'], dir);
  create('qcow2', '-b', 'a', '-F', 'qcow2', 'o', '1M');
  io('o', 'w -P 5 64k 64k', 'w -P 6 768k 4k');
  create('qcow2', 's', '1M');
  io('s', 'w -P 8 0 100k');
  img('snapshot', '-c', 'one', 's');
  io('s', 'w -P 9 50k 100k');
  img('bitmap', '--add', 's', 'b0');
  create('qcow2', '-o', 'extended_l2=on,cluster_size=64k', 'e', '1M');
  io('e', 'w -P 10 4k 20k');
  create('qcow2', '-o', 'compat=0.10', 'v2', '1M');
  create('qcow2', '-o', 'data_file=data,data_file_raw=on', 'd', '1M');
  io('d', 'w -P 13 0 70k');
  // One with a leaked cluster, one that lacks its backing file, one that is none.
  create('qcow2', 'l', '1M');
  io('l', 'w -P 7 0 64k');
  run(['truncate', '-s', '512k', 'l'], dir);
  run(['sh', '-c', "printf '\\0\\1' | dd of=l bs=1 seek=$((0x20000 + 14)) conv=notrunc status=none"], dir);
  create('qcow2', 'gone', '1M');
  create('qcow2', '-b', 'gone', '-F', 'qcow2', 'nb', '1M');
  rmSync(join(dir, 'gone'));
  run(['sh', '-c', "printf 'QFI\\373\\0\\0\\0\\3garbage' >bad; truncate -s 64k bad"], dir);
}

const contents = (dir: string): Map<string, Buffer> =>
  new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))]));

/** What has become of the images, as far as both tools must agree. */
function changes(before: Map<string, Buffer>, dir: string): { text: string; changed: string[] } {
  const after = contents(dir);
  let text = '';
  const changed: string[] = [];
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const [old, now] = [before.get(name), after.get(name)];
    if (old && now?.equals(old)) continue;
    // (A change may be one that nobody sees, as a bit that is set while an image is open.)
    if (!now || !old) text += `${now ? 'new' : 'gone'}: ${name}\n`;
    if (now) changed.push(name);
  }
  return { text, changed };
}

function check(dir: string, name: string): string {
  const p = Bun.spawnSync(['qemu-img', 'info', '--output=json', name], { cwd: dir });
  const c = Bun.spawnSync(['qemu-img', 'check', name], { cwd: dir });
  return `${name}: ${neutral(p.stdout.toString() + p.stderr.toString())}\ncheck ${c.exitCode}\n`;
}

/** What docs/disk.md says is different: the help's words, steps of progress, names of targets that are incomplete. */
function neutralPair(text: string): string {
  return neutral(text)
    .replace(/^qemu-img version[\s\S]*/m, 'HELP')
    .replace(/( *\([\d.]+\/100%\)\r?)+/g, ' PROGRESS ')
    .replace(/^(WARNING: Image format was not[^\n]*\n[^\n]*\n[^\n]*\n)\1+/m, '$1')
    .replace(/\n?.*warning: '[^']*' is incomplete/, '')
    .replace(/^\n+/, '');
}

/** More of docs/disk.md: mistyped options of `measure`, whether a target that failed is there, chains named by `rebase -b`. */
const isKnown = (line: string, q: string, w: string): boolean =>
  (/Cannot amend the backing file/.test(q) && q === w) ||
  (/^amend .*compat=0.10/.test(line) && /Cannot downgrade an image with bitmaps/.test(w)) ||
  (/^rebase .*-F raw/.test(line) && /exit 0/.test(w)) ||
  (/^convert .*-t foo/.test(line) && w === 'qemu-img: Invalid cache option: foo\nexit 1\n') ||
  (/preallocation=metadata/.test(line) && /Unsupported preallocation mode: metadata\nexit 1\n$/.test(w)) ||
  (q.startsWith('HELP') && /^qemu-img: (unrecognized|missing argument for) option.*\n.*\nexit 1/.test(w)) ||
  (q !== w && /^exit 1$/m.test(w) && q.replace(/^new: .*\n/gm, '') === w);

/** Runs lines with both tools; `found` gets each difference. */
export function compareLines(lines: Iterable<string>, found: (line: string, text: string) => void): void {
  const top = mkdtempSync(join(tmpdir(), 'wemu-pairs-'));
  try {
    run(['mkdir', 't'], top);
    prepare(join(top, 't'));
    const before = contents(join(top, 't'));
    const sides = [
      { dir: join(top, 'q'), tool: ['qemu-img'] },
      { dir: join(top, 'w'), tool: IMG },
    ];
    for (const { dir } of sides) cpSync(join(top, 't'), dir, { recursive: true });
    for (const line of lines) {
      const args = words(line);
      const results = sides.map(({ dir, tool }) => {
        const p = Bun.spawnSync([...tool, ...args], {
          cwd: dir,
          env: { ...process.env, TZ: 'UTC' },
          timeout: PROGRAM_LIMIT,
        });
        const text = neutralPair(p.stdout.toString()) + neutralPair(p.stderr.toString());
        const { text: files, changed } = changes(before, dir);
        return { text: `${text}\nexit ${p.exitCode}\n${files}`, changed };
      });
      const [q, w] = results as [(typeof results)[0], (typeof results)[0]];
      const known = isKnown(line, q.text, w.text);
      let text = known || q.text === w.text ? '' : `--- qemu-img\n${q.text}+++ wemu-img\n${w.text}`;
      if (text === '' && !known) {
        const both = new Set([...q.changed, ...w.changed]);
        for (const name of both) {
          const [x, y] = sides.map(({ dir }) => check(dir, name)) as [string, string];
          if (x !== y) text = `--- qemu-img\n${x}+++ wemu-img\n${y}`;
          const p = Bun.spawnSync(['qemu-img', 'compare', '-U', `q/${name}`, `w/${name}`], { cwd: top });
          if (p.exitCode === 1) text = `${name}: ${p.stdout}`;
        }
      }
      if (text !== '') found(line, text);
      if (q.changed.length + w.changed.length > 0 || /^(gone|new)/m.test(q.text + w.text)) {
        for (const { dir } of sides) {
          rmSync(dir, { recursive: true });
          cpSync(join(top, 't'), dir, { recursive: true });
        }
      }
    }
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

/** All lines with one or two items of a list. */
function listLines({ before, items, after }: PairList): string[] {
  const one = items.map((a) => `${before},${a}${after}`);
  return [...one, ...items.flatMap((a) => items.map((b) => `${before},${a},${b}${after}`))];
}

/** Every `parts`-th line of a command or a list, or of all of them (`-`). */
export function someLines(name: string, part: number, parts: number): string[] {
  const lines = [
    ...Object.keys(COMMANDS).flatMap((n) => (name === '-' || n === name ? pairLines(n) : [])),
    ...Object.entries(PAIR_LISTS).flatMap(([n, list]) => (name === '-' || n === name ? listLines(list) : [])),
  ];
  return lines.filter((_, i) => i % parts === part);
}

if (import.meta.main) {
  const [name = '-', part = '0', parts = '1'] = process.argv.slice(2);
  const lines = someLines(name, Number(part), Number(parts));
  let differences = 0;
  compareLines(lines, (line, text) => {
    differences++;
    console.log(`$ ${line}\n${text.slice(0, 3000)}`);
  });
  console.log(`${lines.length} lines, ${differences} differences`);
  process.exitCode = differences > 0 ? 1 : 0;
}
