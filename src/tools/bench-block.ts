// `npm run bench -- --disk`: wemu-img, as npm run build made it, against qemu-img on the same files in one run.
// Files go to $BENCH_DIR, or the system's folder for temporary ones.
import { mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const GIB = 1 << 30;
const BLOCK = 1 << 20;

/** One line of the table: what is run, and how much longer than qemu-img it may take. */
interface Row {
  name: string;
  limit: number;
  args: (dir: string, out: string) => string[];
  /** The command makes a file `o`. */
  output?: boolean;
  /** It takes milliseconds, as much as a moment's disturbance, so it runs twenty times as often. */
  brief?: boolean;
}

const ROWS: Row[] = [
  {
    name: 'raw to qcow2',
    limit: 1.2,
    output: true,
    args: (d, o) => ['convert', '-f', 'raw', '-O', 'qcow2', `${d}/half.raw`, o],
  },
  {
    name: 'qcow2 to raw',
    limit: 1.2,
    output: true,
    args: (d, o) => ['convert', '-f', 'qcow2', '-O', 'raw', `${d}/half.qcow2`, o],
  },
  {
    name: 'raw to qcow2, compressed',
    limit: 1.0,
    output: true,
    args: (d, o) => ['convert', '-c', '-f', 'raw', '-O', 'qcow2', `${d}/half.raw`, o],
  },
  {
    name: 'compressed qcow2 to raw',
    limit: 1.2,
    output: true,
    args: (d, o) => ['convert', '-O', 'raw', `${d}/packed.qcow2`, o],
  },
  { name: 'info', limit: 2, brief: true, args: (d) => ['info', `${d}/half.qcow2`] },
  { name: 'check', limit: 2, brief: true, args: (d) => ['check', `${d}/half.qcow2`] },
  { name: 'compare', limit: 2, args: (d) => ['compare', `${d}/half.raw`, `${d}/half.qcow2`] },
  {
    name: 'empty 1 TiB to qcow2',
    limit: Infinity,
    output: true,
    brief: true,
    args: (d, o) => ['convert', '-f', 'raw', '-O', 'qcow2', `${d}/empty.raw`, o],
  },
  {
    name: 'empty 1 TiB qcow2 to raw',
    limit: Infinity,
    output: true,
    brief: true,
    args: (d, o) => ['convert', '-O', 'raw', `${d}/empty.qcow2`, o],
  },
];

/** Fills every other megabyte with data that deflates about as well as programs do. */
function fill(path: string): void {
  const fd = openSync(path, 'w');
  const block = new Uint8Array(BLOCK);
  const text = readFileSync(process.execPath).subarray(1 << 20, 17 << 20);
  for (let at = 0, n = 0; at < GIB; at += BLOCK, n++) {
    if (n % 2 === 1) continue;
    block.set(text.subarray(((n / 2) % 15) * BLOCK, ((n / 2) % 15) * BLOCK + BLOCK));
    block[0] = n;
    writeSync(fd, block, 0, BLOCK, at);
  }
  Bun.spawnSync(['truncate', '-s', String(GIB), path]);
}

/** What one run took. */
interface Measured {
  wall: number;
  /** Seconds of processor time, user and system. */
  cpu: number;
  /** Most megabytes in memory, as far as it was looked at (every few milliseconds). */
  peak: number;
}

/** Peak of a running process in megabytes; what the kernel reports at its end would include this process, whose fork it was. */
function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** The median of some measurements, each member on its own. */
function median(all: readonly Measured[]): { wall: number; cpu: number } {
  const middle = (member: 'wall' | 'cpu'): number => {
    const sorted = all.map((m) => m[member]).sort((a, b) => a - b);
    return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
  };
  return { wall: middle('wall'), cpu: middle('cpu') };
}

async function measure(cmd: string[], watch = false): Promise<Measured> {
  const started = performance.now();
  const p = Bun.spawn(cmd, { stdout: 'ignore', stderr: 'pipe' });
  let peak = 0;
  const timer = watch ? setInterval(() => (peak = Math.max(peak, peakOf(p.pid))), 3) : undefined;
  const code = await p.exited;
  clearInterval(timer);
  const wall = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`${cmd.join(' ')}: ${await p.stderr.text()}`);
  const { user, system } = p.resourceUsage()!.cpuTime;
  return { wall, cpu: Number(user + system) / 1e6, peak };
}

const repetitions = Number(process.argv[2] ?? 5);
const dir = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'wemu-bench-'));
let missed = false;
const ours = join(import.meta.dir, '../cli/bin/wemu-img');
try {
  fill(join(dir, 'half.raw'));
  for (const [out, args] of [
    ['half.qcow2', ['convert', '-f', 'raw', '-O', 'qcow2', `${dir}/half.raw`]],
    ['packed.qcow2', ['convert', '-c', '-f', 'raw', '-O', 'qcow2', `${dir}/half.raw`]],
  ] as const) {
    await measure(['qemu-img', ...args, join(dir, out)]);
  }
  Bun.spawnSync(['truncate', '-s', '1T', join(dir, 'empty.raw')]);
  await measure(['qemu-img', 'create', '-q', '-f', 'qcow2', join(dir, 'empty.qcow2'), '1T']);
  const columns = (...cells: string[]): void =>
    console.log(cells.map((c, i) => (i === 0 ? c.padEnd(28) : c.padStart(11))).join(''));
  columns('command', 'qemu-img s', 'cpu s', 'wemu-img s', 'cpu s', 'ratio', 'of cpu', 'limit', 'peak MB');
  for (const row of ROWS) {
    const measured: Record<'q' | 'w', Measured[]> = { q: [], w: [] };
    let peak = 0;
    const rounds = row.brief ? 20 * repetitions : repetitions;
    for (let i = 0; i <= rounds; i++) {
      for (const tool of ['q', 'w'] as const) {
        const out = join(dir, 'out');
        // The last round is for the memory: looking at it takes time.
        const watch = i === rounds;
        const m = await measure([tool === 'q' ? 'qemu-img' : ours, ...row.args(dir, out)], watch);
        if (row.output) rmSync(out, { force: true });
        if (!watch) measured[tool].push(m);
        else if (tool === 'w') peak = m.peak;
      }
    }
    const [qemu, wemu] = [median(measured.q), median(measured.w)];
    const ratio = wemu.wall / qemu.wall;
    const bad = ratio > row.limit || peak > 300 || (row.limit === Infinity && wemu.wall > 1);
    missed ||= bad;
    columns(
      row.name,
      ...[qemu.wall, qemu.cpu, wemu.wall, wemu.cpu].map((n) => n.toFixed(4)),
      ratio.toFixed(2),
      (wemu.cpu / qemu.cpu).toFixed(2),
      String(row.limit),
      `${peak.toFixed(0)}${bad ? ' MISSED' : ''}`,
    );
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
process.exitCode = missed ? 1 : 0;
