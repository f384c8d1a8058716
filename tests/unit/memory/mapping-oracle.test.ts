// Mapping calls give the addresses, errors and list of mappings that the host kernel gives a 32-bit process.
import { afterAll, afterEach, describe, expect } from 'bun:test';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GuestMemory } from '../../../src/memory/guest-memory.ts';
import { testWith } from '../../setup/needs.ts';
import { oraclePath } from '../../setup/oracles.ts';

const compiler = oraclePath('gcc-i386');
const PAGE = 4096;
/** Where fixed mappings go on both sides. */
const WINDOW = 0x20000000;
const WINDOW_PAGES = 48;

interface Call {
  name: 'mmap2' | 'munmap' | 'mprotect' | 'mremap' | 'madvise';
  args: number[];
  /** Arguments that are addresses relative to the first searched address ("top"); they stay 16 pages below it. */
  top: boolean[];
}

/** A small generator with a printed seed (xorshift32). */
function random(seed: number): (n: number) => number {
  let x = seed | 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

function randomCalls(seed: number, count: number): Call[] {
  const r = random(seed);
  const pick = <T>(items: readonly T[]): T => items[r(items.length)]!;
  const calls: Call[] = [];
  const length = (): number =>
    pick([0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE, 4 * PAGE, 7 * PAGE, 12 * PAGE]);
  const odd = (): number => (r(25) === 0 ? pick([1, 100, 2048]) : 0);
  for (let k = 0; k < count; k++) {
    const top = r(3) === 0;
    const address = (top ? -PAGE * (16 + r(32)) : WINDOW + PAGE * r(WINDOW_PAGES)) + odd();
    const prot = pick([0, 1, 2, 3, 3, 3, 4, 5, 5, 7]);
    const kind = r(20);
    if (kind < 8) {
      const fixed = r(3) === 0 ? pick([0, 0x100000]) : 0x10;
      const type = pick([1, 2, 2, 2, 2, 2, 3, 0]);
      const anonymous = r(3) > 0;
      const fd = anonymous ? -1 : pick([3, 3, 3, 4, 9999]);
      const hint = fixed === 0 && r(2) === 0 ? 0 : address;
      calls.push({
        name: 'mmap2',
        args: [hint, length(), prot, type | fixed | (anonymous ? 0x20 : 0), fd, anonymous ? 0 : r(8)],
        top: [top && hint !== 0],
      });
    } else if (kind < 11) {
      calls.push({ name: 'munmap', args: [address, length()], top: [top] });
    } else if (kind < 14) {
      calls.push({ name: 'mprotect', args: [address, length(), r(30) === 0 ? 0x40 : prot], top: [top] });
    } else if (kind < 15) {
      calls.push({ name: 'madvise', args: [address, length(), 4], top: [top] });
    } else {
      const flags = pick([0, 1, 1, 1, 3, 3, 3, 5, 7, 2, 8]);
      const toTop = r(3) === 0;
      const to = (toTop ? -PAGE * (16 + r(32)) : WINDOW + PAGE * r(WINDOW_PAGES)) + odd();
      const old = length();
      calls.push({
        name: 'mremap',
        args: [address, old, r(4) === 0 ? old : length(), flags, to],
        top: [top, false, false, false, toTop],
      });
    }
  }
  return calls;
}

const dir = mkdtempSync(join(tmpdir(), 'mapping-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The lines the oracle prints for the calls, with `top` as found there. */
function runNative(oracle: string, file: string, script: (top: number) => string): { top: number; lines: string[] } {
  const run = (text: string): string[] => {
    const p = Bun.spawnSync(['setarch', '-R', oracle, file], { stdin: Buffer.from(text) });
    expect(p.exitCode).toBe(0);
    return p.stdout.toString().trimEnd().split('\n');
  };
  const top = Number.parseInt(run('mmap2 0 1000 0 22 ffffffff 0\n')[0]!, 16);
  return { top, lines: run(script(top)) };
}

/** The calls as text for the oracle, each followed by a request for the mappings in both windows. */
function scriptOf(calls: Call[], top: number): string[] {
  const low = top - 2 * WINDOW_PAGES * PAGE;
  const windows = [WINDOW, WINDOW + 64 * PAGE, low, top + PAGE].map((v) => v.toString(16)).join(' ');
  const lines = ['mmap2 0 1000 0 22 ffffffff 0'];
  for (const c of calls) {
    const args = c.args.map((v, k) => ((c.top[k] ? v + top : v) >>> 0).toString(16));
    lines.push(`${c.name} ${args.join(' ')}`, `maps ${windows}`);
  }
  return lines;
}

/** The mappings in both windows in the oracle's words. */
function listOurs(memory: GuestMemory, top: number): string[] {
  const low = top - 2 * WINDOW_PAGES * PAGE;
  const lines: string[] = [];
  for (const r of memory.regions()) {
    const inside = (r.start >= WINDOW && r.start < WINDOW + 64 * PAGE) || (r.start >= low && r.start < top + PAGE);
    if (!inside) continue;
    const perm = [r.prot & 1 ? 'r' : '-', r.prot & 2 ? 'w' : '-', r.prot & 4 ? 'x' : '-', r.shared ? 's' : 'p'].join(
      '',
    );
    const offset = r.inode ? r.offset.toString(16) : '0';
    lines.push(`${r.start.toString(16)}-${r.end.toString(16)} ${perm} ${offset} ${r.inode ? 1 : 0}`);
  }
  return lines;
}

function callOurs(memory: GuestMemory, fds: number[], call: Call, top: number): number {
  const a = call.args.map((v, k) => (call.top[k] ? v + top : v) >>> 0);
  switch (call.name) {
    case 'mmap2': {
      const fd = a[4] === 3 ? fds[0]! : a[4] === 4 ? fds[1]! : a[4]! | 0;
      return memory.map(a[0]!, a[1]!, a[2]!, a[3]!, fd, a[5]! * PAGE);
    }
    case 'munmap':
      return memory.unmap(a[0]!, a[1]!);
    case 'mprotect':
      return memory.protect(a[0]!, a[1]!, a[2]!);
    case 'madvise':
      return memory.advise(a[0]!, a[1]!, a[2]!);
    case 'mremap':
      return memory.remap(a[0]!, a[1]!, a[2]!, a[3]!, a[4]!);
  }
}

/** Makes addresses near the top relative to it, and the readable bit implied by write or execute explicit. */
function normalise(lines: string[], top: number): string[] {
  const low = top - 0x1000000;
  return lines.map((line) =>
    line
      .replace(/\b[0-9a-f]{8}\b/g, (hex) => {
        const v = Number.parseInt(hex, 16);
        return v > low && v <= top + PAGE ? `top-${(top - v).toString(16)}` : hex;
      })
      .replace(/ -(w.|.x)([sp])/, ' r$1$2'),
  );
}

/** Page borders without the grouping into list entries: the kernel does not always join equal neighbours. */
function pagesOf(lines: string[]): string[] {
  const out: string[] = [];
  for (const line of lines) {
    const m = /^(top-)?([0-9a-f]+)-(top-)?(-?[0-9a-f]+) (\S+) (\S+) (\d)$/.exec(line);
    if (!m) continue;
    const start = Number.parseInt(m[2]!, 16);
    const pages = Math.abs(Number.parseInt(m[4]!, 16) - start) / PAGE;
    for (let k = 0; k < pages; k++) {
      const at = m[1] ? start - k * PAGE : start + k * PAGE;
      out.push(
        `${m[1] ?? ''}${at.toString(16)} ${m[5]} ${m[7] === '1' ? (Number.parseInt(m[6]!, 16) + k * PAGE).toString(16) : '-'}`,
      );
    }
  }
  return out;
}

describe('mapping calls against the host kernel', () => {
  const oracle = join(dir, 'oracle');
  const file = join(dir, 'file');
  if (compiler) {
    const source = join(import.meta.dir, 'mapping-oracle.c');
    Bun.spawnSync([compiler, '-w', '-O1', '-static', '-o', oracle, source], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    writeFileSync(file, new Uint8Array(5 * PAGE + 100).fill(0x41));
  }
  let live: GuestMemory | undefined;
  afterEach(() => live?.dispose());
  const seeds = process.env.MAPPING_SEEDS ? process.env.MAPPING_SEEDS.split(',').map(Number) : [1, 2, 3, 4, 5, 6];
  for (const seed of seeds) {
    testWith(['gcc-i386'], `400 random calls, seed ${seed}`, () => {
      const calls = randomCalls(seed * 7919, 400);
      const memory = new GuestMemory();
      memory.setMmapBase(8 << 20);
      live = memory;
      const fds = [openSync(file, 'r+'), openSync(file, 'r')];
      const native = runNative(oracle, file, (top) => `${scriptOf(calls, top).join('\n')}\n`);
      const expected = normalise(native.lines, native.top);
      const text = scriptOf(calls, 0).filter((line) => !line.startsWith('maps'));
      const ourTop = memory.map(0, PAGE, 0, 0x22, -1, 0);
      let at = 1;
      for (let k = 0; k < calls.length; k++) {
        const result = callOurs(memory, fds, calls[k]!, ourTop);
        const [ours] = normalise([(result >>> 0).toString(16)], ourTop);
        if (ours !== expected[at]) throw new Error(`call ${k} (${text[k + 1]}): kernel ${expected[at]}, here ${ours}`);
        const end = expected.indexOf('.', at);
        const kernelPages = pagesOf(expected.slice(at + 1, end));
        const ourPages = pagesOf(normalise(listOurs(memory, ourTop), ourTop));
        const differs = ourPages.findIndex((line, n) => line !== kernelPages[n]);
        if (differs >= 0 || ourPages.length !== kernelPages.length) {
          const [kernel, here] = [kernelPages[differs], ourPages[differs]];
          throw new Error(`mappings after call ${k} (${text[k + 1]} -> ${ours}): kernel ${kernel}, here ${here}`);
        }
        at = end + 1;
      }
    });
  }
});
