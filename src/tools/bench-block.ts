// Times wemu-img (bundled, as it is shipped) against qemu-img on the same files in one run: bun src/tools/bench-block.ts [repetitions].
import { mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImg } from './build-img.ts';

const GIB = 1 << 30;
const BLOCK = 1 << 20;

/** One line of the table: what is run, and how much longer than qemu-img it may take. */
interface Row {
  name: string;
  limit: number;
  args: (dir: string, out: string) => string[];
  /** What this row needs to be there; made by qemu-img. */
  output?: boolean;
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
  { name: 'info', limit: 2, args: (d) => ['info', `${d}/half.qcow2`] },
  { name: 'check', limit: 2, args: (d) => ['check', `${d}/half.qcow2`] },
  { name: 'compare', limit: 2, args: (d) => ['compare', `${d}/half.raw`, `${d}/half.qcow2`] },
  {
    name: 'empty 1 TiB to qcow2',
    limit: Infinity,
    output: true,
    args: (d, o) => ['convert', '-f', 'raw', '-O', 'qcow2', `${d}/empty.raw`, o],
  },
  {
    name: 'empty 1 TiB qcow2 to raw',
    limit: Infinity,
    output: true,
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

/** Seconds and peak kilobytes of one command. */
function measure(cmd: string[]): { seconds: number; peakKb: number } {
  const started = performance.now();
  const p = Bun.spawnSync(cmd, { stdout: 'ignore', stderr: 'pipe' });
  const seconds = (performance.now() - started) / 1000;
  if (p.exitCode !== 0) throw new Error(`${cmd.join(' ')}: ${p.stderr.toString()}`);
  return { seconds, peakKb: Math.round((p.resourceUsage?.maxRSS ?? 0) / 1024) };
}

const repetitions = Number(process.argv[2] ?? 5);
const dir = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'wemu-bench-'));
let missed = false;
const ours = [process.execPath, join(dir, 'wemu-img.js')];
try {
  await buildImg(dir);
  fill(join(dir, 'half.raw'));
  for (const [out, args] of [
    ['half.qcow2', ['convert', '-f', 'raw', '-O', 'qcow2', `${dir}/half.raw`]],
    ['packed.qcow2', ['convert', '-c', '-f', 'raw', '-O', 'qcow2', `${dir}/half.raw`]],
  ] as const) {
    measure(['qemu-img', ...args, join(dir, out)]);
  }
  Bun.spawnSync(['truncate', '-s', '1T', join(dir, 'empty.raw')]);
  measure(['qemu-img', 'create', '-q', '-f', 'qcow2', join(dir, 'empty.qcow2'), '1T']);
  console.log(
    `${'command'.padEnd(28)}${'qemu-img s'.padStart(12)}${'wemu-img s'.padStart(12)}${'ratio'.padStart(8)}${'limit'.padStart(8)}${'peak MB'.padStart(9)}`,
  );
  for (const row of ROWS) {
    const best = { q: Infinity, w: Infinity, mb: 0 };
    for (let i = 0; i < repetitions; i++) {
      for (const tool of ['q', 'w'] as const) {
        const out = join(dir, 'out');
        const m = measure([...(tool === 'q' ? ['qemu-img'] : ours), ...row.args(dir, out)]);
        best[tool] = Math.min(best[tool], m.seconds);
        if (tool === 'w') best.mb = Math.max(best.mb, m.peakKb / 1024);
        if (row.output) rmSync(out, { force: true });
      }
    }
    const ratio = best.w / best.q;
    const bad = ratio > row.limit || best.mb > 300 || (row.limit === Infinity && best.w > 1);
    missed ||= bad;
    console.log(
      `${row.name.padEnd(28)}${best.q.toFixed(4).padStart(12)}${best.w.toFixed(4).padStart(12)}${ratio.toFixed(2).padStart(8)}${String(row.limit).padStart(8)}${best.mb.toFixed(0).padStart(9)}${bad ? '  MISSED' : ''}`,
    );
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
process.exitCode = missed ? 1 : 0;
