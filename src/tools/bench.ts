// `npm run bench`: the C programs of tests/bench under wemu, qemu-user and natively, interleaved in one run; ratios and JSON.
import { execFileSync } from 'node:child_process';
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
  /** The guest it is for; all unless given. */
  readonly guest?: GuestName;
  /** Names another build of a program; part of the label. */
  readonly variant?: string;
  /** Measured with the translations that an earlier run has left; everything else starts without. */
  readonly again?: boolean;
  /** Its last argument names the emulator to execute itself by, which QEMU needs without binfmt_misc. */
  readonly launchesQemu?: true;
}

const SSE2 = {
  group: 'sse',
  flags: ['-march=pentium4', '-mfpmath=sse', '-msse2'],
  guest: 'i386',
  variant: 'sse2',
} as const;

/** The x87 under QEMU takes a second for what the float registers of others do in a tenth. */
const X87 = { group: 'float', guest: 'i386' } as const;
const VFP = { group: 'float', guest: 'arm' } as const;

const PROGRAMS: readonly Program[] = [
  { name: 'inthash', group: 'integer', args: ['600000000'] },
  { name: 'sieve', group: 'integer', args: ['100000000'] },
  { name: 'sha256', group: 'integer', args: ['96000'] },
  { name: 'lz', group: 'integer', args: ['40000000'] },
  { name: 'interp', group: 'integer', args: ['1500'] },
  { name: 'qsortcb', group: 'integer', args: ['3000000'] },
  { name: 'fib', group: 'other', args: ['40'] },
  { name: 'strops', group: 'other', args: ['18000'] },
  { name: 'nbody', ...X87 },
  { name: 'matmul', ...X87 },
  { name: 'mandel', ...X87 },
  { name: 'nbody', ...VFP, args: ['3000000'] },
  { name: 'matmul', ...VFP, args: ['640'] },
  { name: 'mandel', ...VFP, args: ['1200'] },
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

/** How programs of one guest are built, and run by the others. */
interface Guest {
  readonly compiler: string;
  readonly flags: readonly string[];
  readonly qemu: string;
  readonly wemu: string;
  readonly sysroot: string;
  readonly native: boolean;
}

const GUESTS = {
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
} as const satisfies Record<string, Guest>;

type GuestName = keyof typeof GUESTS;

interface Options {
  guest: GuestName;
  rounds: number;
  json: string | null;
  /** Each program's own default size, a tenth of a second under QEMU: start-up and warm-up count. */
  short: boolean;
  /** The disk tool in place of guests (bench-block.ts). */
  disk: boolean;
  only: string[];
}

function parse(args: string[]): Options {
  const options: Options = { guest: 'i386', rounds: 3, json: null, short: false, disk: false, only: [] };
  for (let n = 0; n < args.length; n++) {
    const word = args[n]!;
    if (word === '--rounds') options.rounds = Number(args[++n]);
    else if (word === '--json') options.json = args[++n]!;
    else if (word === '--guest') options.guest = args[++n] as GuestName;
    else if (word === '--short') options.short = true;
    else if (word === '--disk') options.disk = true;
    else if (word === '--help' || word.startsWith('-')) usage();
    else options.only.push(word);
  }
  // Of the others only the rounds mean something to the disk tool.
  if (options.disk && args.some((word) => !/^(--disk|--rounds|\d+)$/.test(word))) usage();
  if (!Object.hasOwn(GUESTS, options.guest) || !(options.rounds >= 1)) usage();
  return options;
}

function usage(): never {
  console.log(
    `usage: npm run bench -- [--rounds N] [--short] [--guest ${Object.keys(GUESTS).join('|')}] [--json FILE] [program...]\n` +
      '       npm run bench -- --disk [--rounds N]',
  );
  process.exit(1);
}

function labelOf({ name, variant, dynamic, again }: Program): string {
  return `${name}${variant ? `-${variant}` : ''}${dynamic ? '-dynamic' : ''}${again ? '-again' : ''}`;
}

/** Builds a program unless it is newer than its source; returns its path. */
function build(program: Program, name: GuestName): string {
  const guest = GUESTS[name];
  const cache = process.env.XDG_CACHE_HOME ?? join(process.env.HOME ?? '/tmp', '.cache');
  const folder = join(cache, 'wemu/bench', name);
  mkdirSync(folder, { recursive: true });
  const source = join(SOURCES, `${program.name}.c`);
  const output = join(folder, labelOf({ ...program, again: false }));
  if (existsSync(output) && statSync(output).mtimeMs > statSync(source).mtimeMs) return output;
  const link = program.dynamic ? [] : ['-static'];
  execFileSync(guest.compiler, [
    ...guest.flags,
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

/** Seconds of one run. Processor time, user and system, is steadier where other programs run. */
interface Times {
  wall: number;
  cpu: number;
}

/** Runs a command once: its times and what it printed. */
function time(command: readonly string[]): Times & { output: string; status: number } {
  const start = performance.now();
  const run = Bun.spawnSync([...command], { stdin: 'ignore', stdout: 'pipe', stderr: 'inherit', timeout: 300_000 });
  const wall = (performance.now() - start) / 1000;
  const cpu = Number(run.resourceUsage.cpuTime.total) / 1e6;
  return { wall, cpu, output: run.stdout.toString('latin1'), status: run.exitCode };
}

interface Row {
  program: string;
  group: string;
  native: number | null;
  qemu: number;
  wemu: number;
  /** wemu's time over qemu's; the same of processor time. */
  ratio: number;
  cpuRatio: number;
  same: boolean;
}

function main(): void {
  const options = parse(process.argv.slice(2));
  const guest: Guest = GUESTS[options.guest];
  const wemu = join(ROOT, 'src/cli/bin', guest.wemu);
  execFileSync(process.execPath, [join(ROOT, 'src/tools/build.ts')]);
  if (options.disk) {
    const table = [join(import.meta.dir, 'bench-block.ts'), String(options.rounds)];
    process.exitCode = Bun.spawnSync([process.execPath, ...table], {
      stdio: ['ignore', 'inherit', 'inherit'],
    }).exitCode;
    return;
  }
  const rows: Row[] = [];
  for (const program of PROGRAMS) {
    if (program.guest && program.guest !== options.guest) continue;
    const label = labelOf(program);
    if (options.only.length > 0 && !options.only.includes(label)) continue;
    const path = build(program, options.guest);
    const prefix = program.dynamic ? ['-L', guest.sysroot] : [];
    const tail = [path, ...(options.short ? [] : (program.args ?? []))];
    const native = program.dynamic
      ? [join(guest.sysroot, 'lib/ld-linux.so.2'), '--library-path', join(guest.sysroot, 'lib'), ...tail]
      : tail;
    const commands = {
      native: guest.native ? native : null,
      qemu: [guest.qemu, ...prefix, ...tail, ...(program.launchesQemu ? [Bun.which(guest.qemu)!] : [])],
      wemu: [wemu, '-translations', program.again ? join(dirname(path), 'translations') : 'off', ...prefix, ...tail],
    };
    const never = () => ({ wall: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY });
    const best = { native: never(), qemu: never(), wemu: never() };
    const outputs = new Set<string>();
    // Start-up times are short and noisy: more rounds.
    const rounds = program.group === 'start' || program.again ? options.rounds * 5 : options.rounds;
    for (let round = 0; round < rounds; round++) {
      for (const who of ['native', 'qemu', 'wemu'] as const) {
        const command = commands[who];
        if (!command) continue;
        const { wall, cpu, output, status } = time(command);
        outputs.add(`${status} ${output}`);
        best[who].wall = Math.min(best[who].wall, wall);
        best[who].cpu = Math.min(best[who].cpu, cpu);
      }
    }
    const row: Row = {
      program: label,
      group: program.group,
      native: commands.native ? best.native.wall : null,
      qemu: best.qemu.wall,
      wemu: best.wemu.wall,
      ratio: best.wemu.wall / best.qemu.wall,
      cpuRatio: best.wemu.cpu / best.qemu.cpu,
      same: outputs.size === 1,
    };
    rows.push(row);
    if (process.stderr.isTTY) process.stderr.write(`${label}: ${row.ratio.toFixed(2)}\n`);
  }
  print(rows);
  if (options.json)
    writeFileSync(options.json, `${JSON.stringify({ guest: options.guest, short: options.short, rows }, null, 2)}\n`);
  if (rows.some((row) => !row.same)) {
    console.log('some outputs differ');
    process.exit(1);
  }
}

function print(rows: readonly Row[]): void {
  const seconds = (value: number | null) => (value === null ? '-' : value.toFixed(3)).padStart(9);
  console.log(`${'program'.padEnd(16)} ${'group'.padEnd(8)}    native      qemu      wemu  wemu/qemu  of cpu  output`);
  for (const row of rows) {
    const cells = [seconds(row.native), seconds(row.qemu), seconds(row.wemu), row.ratio.toFixed(2).padStart(10)];
    cells.push(row.cpuRatio.toFixed(2).padStart(7));
    console.log(
      `${row.program.padEnd(16)} ${row.group.padEnd(8)} ${cells.join(' ')}  ${row.same ? 'same' : 'DIFFERS'}`,
    );
  }
  for (const group of new Set(rows.map((row) => row.group))) {
    const members = rows.filter((row) => row.group === group);
    const mean = (ratioOf: (row: Row) => number) =>
      Math.exp(members.reduce((sum, row) => sum + Math.log(ratioOf(row)), 0) / members.length).toFixed(2);
    const [wall, cpu] = [mean((row) => row.ratio), mean((row) => row.cpuRatio)];
    console.log(`geometric mean of ${group}: ${wall} times qemu's time, ${cpu} of processor time`);
  }
}

main();
