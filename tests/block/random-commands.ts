// Random command lines on the same images with wemu-img and qemu-img: output, exit codes and what becomes of the images must be
// the same: bun tests/block/random-commands.ts [seed] [commands]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROGRAM_LIMIT } from '../setup/limits.ts';
import { Random } from './differential.ts';
import { run } from './helpers.ts';
import { neutral } from './parity.ts';

const IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

/** Values of options, by what stands for them in the tables below. */
const VALUES: Record<string, readonly string[]> = {
  FILE: ['a.qcow2', 'o.qcow2', 'o2.qcow2', 'r.raw', 's.qcow2', 'none', 'e.qcow2', 'v2.qcow2', 'x.qcow2', 'd.qcow2'],
  NEW: ['n1', 'n2', 'a.qcow2', 'r.raw', 'no/n'],
  FMT: ['qcow2', 'raw', 'raw', 'qcow2', 'file', 'foo'],
  SIZE: ['1M', '3M', '65536', '1234567', '0', '+1M', '-512k', '8M', 'x', '1.5M', '100000'],
  CACHE: ['none', 'writeback', 'unsafe', 'writethrough', 'directsync', 'foo'],
  OUT: ['human', 'json', 'json', 'xml'],
  OPTIONS: [
    'cluster_size=4096',
    'cluster_size=2M',
    'compat=0.10',
    'lazy_refcounts=on',
    'refcount_bits=1',
    'refcount_bits=64',
    'extended_l2=on',
    'extended_l2=on,cluster_size=16k',
    'compression_type=zstd',
    'preallocation=metadata',
    'preallocation=full',
    'preallocation=falloc',
    'size=2M',
    'backing_file=r.raw,backing_fmt=raw',
    'data_file=dn,data_file_raw=on',
    'foo=1',
    'cluster_size=x',
    'cluster_size=3000',
    'compat=0.10,lazy_refcounts=on',
    'lazy_refcounts=off',
    'nocow=on',
  ],
  PREALLOC: ['off', 'metadata', 'full', 'falloc', 'foo'],
  SNAPSHOT: ['one', '1', 'two', 'none', 'snapshot.name=one', 'snapshot.id=2'],
  NUMBER: ['1', '0', '4', '16', '17', '-1', 'x', '512', '4096', '65536'],
  BLOCK: ['512', '4096', '65536', '1M', 'x', '0', '100'],
  BITMAP: ['b0', 'b1', 'none'],
  BACKING: ['a.qcow2', 'r.raw', 'none', 'e.qcow2', ''],
};

/** Options of each command, each with how likely it is (out of 10), and its operands. */
const COMMANDS: Record<string, { options: [number, ...string[]][]; operands: string[] }> = {
  info: {
    options: [
      [5, '--output', 'OUT'],
      [4, '--backing-chain'],
      [2, '-f', 'FMT'],
      [2, '-U'],
    ],
    operands: ['FILE'],
  },
  check: {
    options: [
      [4, '--output', 'OUT'],
      [2, '-q'],
      [2, '-f', 'FMT'],
      [2, '-r', 'leaks'],
      [3, '-r', 'all'],
      [1, '-T', 'CACHE'],
      [1, '-U'],
    ],
    operands: ['FILE'],
  },
  map: {
    options: [
      [6, '--output', 'OUT'],
      [2, '-f', 'FMT'],
      [2, '-s', 'NUMBER'],
      [2, '-l', 'SIZE'],
      [1, '-U'],
    ],
    operands: ['FILE'],
  },
  create: {
    options: [
      [2, '-q'],
      [8, '-f', 'FMT'],
      [3, '-b', 'BACKING'],
      [3, '-F', 'FMT'],
      [1, '-u'],
      [4, '-o', 'OPTIONS'],
      [1, '-o', 'OPTIONS'],
    ],
    operands: ['NEW', 'SIZE'],
  },
  convert: {
    options: [
      [2, '-f', 'FMT'],
      [8, '-O', 'FMT'],
      [2, '-c'],
      [1, '-q'],
      [1, '-n'],
      [3, '-o', 'OPTIONS'],
      [1, '-B', 'BACKING'],
      [1, '-F', 'FMT'],
      [2, '-l', 'SNAPSHOT'],
      [2, '-S', 'NUMBER'],
      [1, '-t', 'CACHE'],
      [1, '-T', 'CACHE'],
      [2, '-m', 'NUMBER'],
      [2, '-W'],
      [1, '-C'],
      [1, '-U'],
      [1, '--salvage'],
      [1, '--bitmaps'],
      [1, '--target-is-zero'],
      [1, '-r', 'SIZE'],
    ],
    operands: ['FILE', 'NEW'],
  },
  compare: {
    options: [
      [2, '-f', 'FMT'],
      [2, '-F', 'FMT'],
      [3, '-s'],
      [1, '-q'],
      [1, '-U'],
      [1, '-T', 'CACHE'],
    ],
    operands: ['FILE', 'FILE'],
  },
  commit: {
    options: [
      [1, '-q'],
      [1, '-f', 'FMT'],
      [3, '-d'],
      [2, '-b', 'BACKING'],
      [1, '-t', 'CACHE'],
    ],
    operands: ['FILE'],
  },
  rebase: {
    options: [
      [1, '-q'],
      [1, '-f', 'FMT'],
      [4, '-u'],
      [9, '-b', 'BACKING'],
      [5, '-F', 'FMT'],
      [1, '-t', 'CACHE'],
      [1, '-T', 'CACHE'],
    ],
    operands: ['FILE'],
  },
  resize: {
    options: [
      [2, '-q'],
      [3, '-f', 'FMT'],
      [4, '--shrink'],
      [3, '--preallocation', 'PREALLOC'],
    ],
    operands: ['FILE', 'SIZE'],
  },
  snapshot: {
    options: [
      [2, '-l'],
      [3, '-c', 'SNAPSHOT'],
      [2, '-a', 'SNAPSHOT'],
      [2, '-d', 'SNAPSHOT'],
      [1, '-q'],
      [1, '-U'],
    ],
    operands: ['FILE'],
  },
  amend: {
    options: [
      [9, '-o', 'OPTIONS'],
      [1, '-q'],
      [1, '-f', 'FMT'],
      [1, '-t', 'CACHE'],
    ],
    operands: ['FILE'],
  },
  dd: {
    options: [
      [4, '-O', 'FMT'],
      [2, '-f', 'FMT'],
      [1, '-U'],
    ],
    operands: ['if=FILE', 'of=NEW', 'bs=BLOCK', 'count=NUMBER', 'skip=NUMBER'],
  },
  measure: {
    options: [
      [5, '--output', 'OUT'],
      [8, '-O', 'FMT'],
      [3, '-o', 'OPTIONS'],
      [2, '-l', 'SNAPSHOT'],
      [2, '-f', 'FMT'],
      [2, '--size', 'SIZE'],
    ],
    operands: ['FILE'],
  },
  bitmap: {
    options: [
      [4, '--add'],
      [2, '--remove'],
      [2, '--clear'],
      [2, '--enable'],
      [2, '--disable'],
      [2, '--merge', 'BITMAP'],
      [2, '-g', 'NUMBER'],
      [1, '-f', 'FMT'],
    ],
    operands: ['FILE', 'BITMAP'],
  },
};

function fill(word: string, r: Random): string {
  return word.replace(/[A-Z]{3,}/, (name) => {
    const values = VALUES[name];
    return values ? values[r.below(values.length)]! : name;
  });
}

/** A random command line. */
export function randomCommand(r: Random): string[] {
  const names = Object.keys(COMMANDS);
  const name = names[r.below(names.length)]!;
  const { options, operands } = COMMANDS[name]!;
  const out = [name];
  for (const [odds, ...words] of options) if (r.below(10) < odds) out.push(...words.map((w) => fill(w, r)));
  for (const operand of operands) {
    // Some operands are left out; those of dd may always be.
    const odds = operand.startsWith('bs=') || operand.startsWith('count=') || operand.startsWith('skip=') ? 4 : 10;
    if (r.below(10) < odds && r.below(40) > 0) out.push(fill(operand, r));
  }
  return out;
}

/** Images that both sides begin with. */
function prepare(dir: string): void {
  const io = (file: string, ...commands: string[]): string =>
    run(['qemu-io', ...commands.flatMap((c) => ['-c', c]), file], dir);
  const create = (...args: string[]): string => run(['qemu-img', 'create', '-q', '-f', ...args], dir);
  create('qcow2', 'a.qcow2', '4M');
  io('a.qcow2', 'w -P 1 0 300k', 'w -P 2 1M 64k', 'w -z 2M 128k');
  create('raw', 'r.raw', '3M');
  run(['qemu-io', '-f', 'raw', '-c', 'w -P 3 64k 200k', '-c', 'w -P 4 2M 512', 'r.raw'], dir);
  create('qcow2', '-b', 'a.qcow2', '-F', 'qcow2', 'o.qcow2', '5M');
  io('o.qcow2', 'w -P 5 100k 100k', 'w -P 6 4M 4k');
  create('qcow2', '-b', 'o.qcow2', '-F', 'qcow2', 'o2.qcow2');
  io('o2.qcow2', 'w -P 7 3M 4k', 'discard 0 64k');
  create('qcow2', '-o', 'cluster_size=4k', 's.qcow2', '2M');
  io('s.qcow2', 'w -P 8 0 100k');
  run(['qemu-img', 'snapshot', '-c', 'one', 's.qcow2'], dir);
  io('s.qcow2', 'w -P 9 50k 100k');
  run(['qemu-img', 'snapshot', '-c', 'two', 's.qcow2'], dir);
  run(['qemu-img', 'bitmap', '--add', 's.qcow2', 'b0'], dir);
  create('qcow2', '-o', 'extended_l2=on,cluster_size=64k', 'e.qcow2', '3M');
  io('e.qcow2', 'w -P 10 4k 20k', 'w -P 11 1M 100k');
  create('qcow2', '-o', 'compat=0.10', 'v2.qcow2', '2M');
  io('v2.qcow2', 'w -P 12 0 130k');
  run(['qemu-img', 'convert', '-c', '-O', 'qcow2', 'o.qcow2', 'x.qcow2'], dir);
  create('qcow2', '-o', 'data_file=data,data_file_raw=on', 'd.qcow2', '1M');
  io('d.qcow2', 'w -P 13 0 70k');
}

const STATE = [
  'a.qcow2',
  'r.raw',
  'o.qcow2',
  'o2.qcow2',
  's.qcow2',
  'e.qcow2',
  'v2.qcow2',
  'x.qcow2',
  'd.qcow2',
  'n1',
  'n2',
];

/** What qemu-img finds the images to be, without what depends on where things were put. */
function stateOf(dir: string): string {
  return STATE.map((file) => {
    const p = Bun.spawnSync(['qemu-img', 'info', '--output=json', file], { cwd: dir });
    const check = Bun.spawnSync(['qemu-img', 'check', file], { cwd: dir });
    return `${file} ${neutral(p.stdout.toString())}check ${check.exitCode}`;
  }).join('\n');
}

/** How the images of both sides differ; empty if they do not. */
function imagesDiffer(template: string): string {
  const [a, b] = [stateOf(join(template, 'q')), stateOf(join(template, 'w'))];
  if (a !== b) {
    const [x, y] = [a.split('\n'), b.split('\n')];
    const at = x.findIndex((line, n) => line !== y[n]);
    return `the images differ: ${x.slice(Math.max(0, at - 5), at + 1).join(' ')} | ${y[at]}`;
  }
  for (const file of STATE) {
    const p = Bun.spawnSync(['qemu-img', 'compare', '-U', `q/${file}`, `w/${file}`], { cwd: template });
    if (p.exitCode === 1) return `${file}: ${p.stdout}`;
  }
  return '';
}

/** Runs commands, several on the same images before they are made anew; throws with the first difference. */
export async function randomCommands(
  seed: number,
  count: number,
  found: (text: string) => void,
  steps = 6,
): Promise<void> {
  const template = mkdtempSync(join(tmpdir(), 'wemu-commands-'));
  try {
    run(['mkdir', 't'], template);
    prepare(join(template, 't'));
    for (let i = 0; i < count; i++) {
      const r = new Random(seed + i);
      run(['rm', '-rf', 'q', 'w'], template);
      run(['cp', '-r', '--sparse=always', 't', 'q'], template);
      run(['cp', '-r', '--sparse=always', 't', 'w'], template);
      const history: string[] = [];
      for (let step = 0; step < steps; step++) {
        const args = randomCommand(r);
        // qemu-img 7.2 forgets the snapshots of an image that has bitmaps, too, when it repairs leaks.
        if (args[0] === 'check' && args.includes('-r') && args.includes('s.qcow2')) continue;
        // There the file has been emptied when it finds out that there is no backing file.
        if (args[0] === 'create' && args.includes('-F') && !args.includes('-b')) continue;
        history.push(args.map((a) => (a === '' ? "''" : a)).join(' '));
        const [q, w] = [['qemu-img'], IMG].map((tool, k) => {
          const p = Bun.spawnSync([...tool!, ...args], {
            cwd: join(template, k === 0 ? 'q' : 'w'),
            env: { ...process.env, TZ: 'UTC' },
            timeout: PROGRAM_LIMIT,
          });
          const text = neutral(p.stdout.toString()) + neutral(p.stderr.toString());
          return `${text.replace(/\n?.*warning: '[^']*' is incomplete/, '')}\nexit ${p.exitCode}`.replace(/^\n+/, '');
        }) as [string, string];
        let difference = q === w ? '' : `--- qemu-img\n${q}\n+++ wemu-img\n${w}`;
        // (Looking at all images takes longer than the commands.)
        if (difference === '' && step === steps - 1) difference = imagesDiffer(template);
        if (difference === '') continue;
        found(`seed ${seed + i}: ${history.join(' ; ')}\n${difference.slice(0, 3000)}`);
        break;
      }
    }
  } finally {
    rmSync(template, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  let differences = 0;
  await randomCommands(Number(process.argv[2] ?? 1), Number(process.argv[3] ?? 100), (text) => {
    console.log(`${text}\n`);
    differences++;
  });
  console.log(`${differences} differences`);
  process.exitCode = differences > 0 ? 1 : 0;
}
