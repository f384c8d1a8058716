// `npm run bench`: the C programs of tests/bench under wemu, qemu-user and natively, interleaved in one run; ratios and JSON.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dir, '../..');
const SOURCES = join(ROOT, 'tests/bench');

/** A program of the set, in which group its ratio counts, and its argument: about a second or two under QEMU. */
interface Program {
  readonly name: string;
  readonly group: 'integer' | 'float' | 'sse' | 'start' | 'again' | 'other' | 'system';
  readonly args?: readonly string[];
  readonly dynamic?: boolean;
  readonly flags?: readonly string[];
  /** Another build of a program, for targets it says something of; part of the label. */
  readonly variant?: { readonly name: string; readonly target: string };
  /** Measured with the translations that an earlier run has left; everything else starts without. */
  readonly again?: boolean;
  /** Its last argument names the emulator to execute itself by, which QEMU needs without binfmt_misc. */
  readonly launchesQemu?: true;
}

const SSE2 = {
  group: 'sse',
  flags: ['-march=pentium4', '-mfpmath=sse', '-msse2'],
  variant: { name: 'sse2', target: 'i386' },
} as const;

const PROGRAMS: readonly Program[] = [
  { name: 'inthash', group: 'integer', args: ['600000000'] },
  { name: 'sieve', group: 'integer', args: ['100000000'] },
  { name: 'sha256', group: 'integer', args: ['96000'] },
  { name: 'lz', group: 'integer', args: ['40000000'] },
  { name: 'interp', group: 'integer', args: ['1500'] },
  { name: 'qsortcb', group: 'integer', args: ['3000000'] },
  { name: 'fib', group: 'other', args: ['40'] },
  { name: 'strops', group: 'other', args: ['18000'] },
  { name: 'nbody', group: 'float' },
  { name: 'matmul', group: 'float' },
  { name: 'mandel', group: 'float' },
  { name: 'nbody', ...SSE2, args: ['3000000'] },
  { name: 'matmul', ...SSE2, args: ['640'] },
  { name: 'mandel', ...SSE2, args: ['1200'] },
  { name: 'syscalls', group: 'system', args: ['3000000'] },
  { name: 'pipepp', group: 'system', args: ['200000'] },
  { name: 'sigping', group: 'system', args: ['300000'] },
  { name: 'forkexec', group: 'system', args: ['100'], launchesQemu: true },
  { name: 'hello', group: 'start' },
  { name: 'hello', group: 'start', dynamic: true },
  { name: 'hello', group: 'again', dynamic: true, again: true },
];

/** How one guest architecture is built and run by the others. */
interface Target {
  readonly compiler: string;
  readonly flags: readonly string[];
  readonly qemu: string;
  readonly wemu: string;
  readonly sysroot: string;
  readonly native: boolean;
}

const TARGETS: Record<string, Target> = {
  i386: {
    compiler: 'i686-linux-gnu-gcc',
    flags: ['-O2', '-march=i686', '-mfpmath=387'],
    qemu: 'qemu-i386',
    wemu: 'wemu-i386',
    sysroot: '/usr/i686-linux-gnu',
    native: true,
  },
  arm: {
    compiler: 'arm-linux-gnueabihf-gcc',
    flags: ['-O2'],
    qemu: 'qemu-arm',
    wemu: 'wemu-arm',
    sysroot: '/usr/arm-linux-gnueabihf',
    native: false,
  },
};

interface Options {
  target: string;
  rounds: number;
  json: string | null;
  /** Each program's own default size, a tenth of a second under QEMU: start-up and warm-up count. */
  short: boolean;
  only: string[];
}

function parse(args: string[]): Options {
  const options: Options = { target: 'i386', rounds: 3, json: null, short: false, only: [] };
  for (let n = 0; n < args.length; n++) {
    const word = args[n]!;
    if (word === '--rounds') options.rounds = Number(args[++n]);
    else if (word === '--json') options.json = args[++n]!;
    else if (word === '--target') options.target = args[++n]!;
    else if (word === '--short') options.short = true;
    else if (word === '--help' || word.startsWith('-')) usage();
    else options.only.push(word);
  }
  if (!TARGETS[options.target] || !(options.rounds >= 1)) usage();
  return options;
}

function usage(): never {
  console.log(
    `usage: npm run bench -- [--rounds N] [--short] [--target ${Object.keys(TARGETS).join('|')}] [--json FILE] [program...]`,
  );
  process.exit(1);
}

function labelOf({ name, variant, dynamic, again }: Program): string {
  return `${name}${variant ? `-${variant.name}` : ''}${dynamic ? '-dynamic' : ''}${again ? '-again' : ''}`;
}

/** Builds a program unless it is newer than its source; returns its path. */
function build(program: Program, name: string, target: Target): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(process.env.HOME ?? '/tmp', '.cache');
  const folder = join(cache, 'wemu/bench', name);
  mkdirSync(folder, { recursive: true });
  const source = join(SOURCES, `${program.name}.c`);
  const output = join(folder, labelOf({ ...program, again: false }));
  if (existsSync(output) && statSync(output).mtimeMs > statSync(source).mtimeMs) return output;
  const link = program.dynamic ? [] : ['-static'];
  execFileSync(target.compiler, [
    ...target.flags,
    ...(program.flags ?? []),
    ...link,
    '-o',
    output,
    source,
    '-lm',
    '-pthread',
  ]);
  return output;
}

/** Runs a command once: seconds of wall time and what it printed. */
function time(command: readonly string[]): { seconds: number; output: string; status: number | null } {
  const start = performance.now();
  const result = spawnSync(command[0]!, command.slice(1), { encoding: 'latin1', timeout: 300_000 });
  return { seconds: (performance.now() - start) / 1000, output: result.stdout ?? '', status: result.status };
}

interface Row {
  program: string;
  group: string;
  native: number | null;
  qemu: number;
  wemu: number;
  /** wemu's time over qemu's. */
  ratio: number;
  same: boolean;
}

function main(): void {
  const options = parse(process.argv.slice(2));
  const target = TARGETS[options.target]!;
  const wemu = join(ROOT, 'src/cli/bin', target.wemu);
  execFileSync(process.execPath, [join(ROOT, 'src/tools/build.ts')]);
  const rows: Row[] = [];
  for (const program of PROGRAMS) {
    if (program.variant && program.variant.target !== options.target) continue;
    const label = labelOf(program);
    if (options.only.length > 0 && !options.only.includes(label)) continue;
    const path = build(program, options.target, target);
    const prefix = program.dynamic ? ['-L', target.sysroot] : [];
    const tail = [path, ...(options.short ? [] : (program.args ?? []))];
    const native = program.dynamic
      ? [join(target.sysroot, 'lib/ld-linux.so.2'), '--library-path', join(target.sysroot, 'lib'), ...tail]
      : tail;
    const commands = {
      native: target.native ? native : null,
      qemu: [target.qemu, ...prefix, ...tail, ...(program.launchesQemu ? [Bun.which(target.qemu)!] : [])],
      wemu: [wemu, '-translations', program.again ? join(dirname(path), 'translations') : 'off', ...prefix, ...tail],
    };
    const best = { native: Number.POSITIVE_INFINITY, qemu: Number.POSITIVE_INFINITY, wemu: Number.POSITIVE_INFINITY };
    const outputs = new Set<string>();
    // Start-up times are short and noisy: more rounds.
    const rounds = program.group === 'start' || program.again ? options.rounds * 5 : options.rounds;
    for (let round = 0; round < rounds; round++) {
      for (const who of ['native', 'qemu', 'wemu'] as const) {
        const command = commands[who];
        if (!command) continue;
        const { seconds, output, status } = time(command);
        outputs.add(`${status} ${output}`);
        best[who] = Math.min(best[who], seconds);
      }
    }
    const row: Row = {
      program: label,
      group: program.group,
      native: commands.native ? best.native : null,
      qemu: best.qemu,
      wemu: best.wemu,
      ratio: best.wemu / best.qemu,
      same: outputs.size === 1,
    };
    rows.push(row);
    if (process.stderr.isTTY) process.stderr.write(`${label}: ${row.ratio.toFixed(2)}\n`);
  }
  print(rows);
  if (options.json)
    writeFileSync(options.json, `${JSON.stringify({ target: options.target, short: options.short, rows }, null, 2)}\n`);
  if (rows.some((row) => !row.same)) {
    console.log('some outputs differ');
    process.exit(1);
  }
}

function print(rows: readonly Row[]): void {
  const seconds = (value: number | null) => (value === null ? '-' : value.toFixed(3)).padStart(9);
  console.log(`${'program'.padEnd(16)} ${'group'.padEnd(8)}    native      qemu      wemu  wemu/qemu  output`);
  for (const row of rows) {
    const cells = [seconds(row.native), seconds(row.qemu), seconds(row.wemu), row.ratio.toFixed(2).padStart(10)];
    console.log(
      `${row.program.padEnd(16)} ${row.group.padEnd(8)} ${cells.join(' ')}  ${row.same ? 'same' : 'DIFFERS'}`,
    );
  }
  for (const group of new Set(rows.map((row) => row.group))) {
    const ratios = rows.filter((row) => row.group === group).map((row) => row.ratio);
    const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
    console.log(`geometric mean of ${group}: ${mean.toFixed(2)} times qemu's time`);
  }
}

main();
