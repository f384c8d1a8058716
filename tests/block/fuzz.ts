// Damages valid qcow2 images and uses them: nothing may throw anything but a BlockError, take long, need much memory, or leave
// files open: bun tests/block/fuzz.ts [seed] [mutations]
import { copyFileSync, readdirSync, readFileSync, readlinkSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { statusAbove } from '../../src/block/block-status.ts';
import { createImage } from '../../src/block/create-image.ts';
import type { BlockNode } from '../../src/block/driver.ts';
import { BlockError } from '../../src/block/errors.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import {
  addBitmap,
  bitmapInfo,
  clearBitmap,
  enableBitmap,
  listBitmaps,
  mergeBitmap,
  removeBitmap,
} from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { applySnapshot, createSnapshot, deleteSnapshot, loadTemporarily } from '../../src/block/qcow2/snapshot.ts';
import { Random } from './differential.ts';
import { randomLine, runLine } from './fuzz-commands.ts';
import { BACKING, makeSample, mutate, type Sample, SIZE, stretched, VARIANTS } from './fuzz-samples.ts';
import { inScratch, stopwatch } from './helpers.ts';

/** Longest a use of one image may take: two seconds, plus one per megabyte of file; what it is made for goes on for minutes. */
const limitMs = (bytes: number): number => 2000 + (bytes / (1 << 20)) * 1000;
const MEMORY_LIMIT = 256 << 20;
const LARGE_TABLE = 1 << 20;
/** After so many finds there is enough to do. */
const MAX_FINDS = 20;

type Way = (typeof WAYS)[number];
const WAYS = ['reading', 'writing', 'changing'] as const;

/** Uses an image in every way; a BlockError ends one use, not the others. */
async function useImage(path: string, way: Way): Promise<void> {
  const attempt = async (body: () => unknown): Promise<void> => {
    try {
      await body();
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
    }
  };
  const open = (extra: object): Promise<BlockNode> =>
    openImage({
      filename: path,
      options: new Map([['driver', 'qcow2']]),
      noFlush: true,
      unmap: true,
      noBacking: true,
      ...extra,
    });
  const withImage = (extra: object, body: (node: Qcow2Node) => Promise<void>): Promise<void> =>
    attempt(async () => {
      const node = (await open(extra)) as Qcow2Node;
      try {
        await body(node);
      } finally {
        await attempt(() => closeImage(node));
        // A process that opens one image after the other has large tables of all of them until they are collected.
        if (node.s.l1.length > LARGE_TABLE) Bun.gc(true);
      }
    });
  if (way === 'changing') return changeImage(withImage, attempt);
  if (way === 'reading') {
    await withImage({ readOnly: true, noIo: true }, async (node) => void (await node.specificInfo()));
    await withImage({ readOnly: true, check: true }, async (node) => void (await node.check('none', () => {})));
    await withImage({ readOnly: true }, async (node) => {
      const b = new Uint8Array(65536);
      const end = Math.min(node.length, SIZE * 2);
      for (let at = 0; at < end; at += b.length) await attempt(() => node.read(at, b));
      let calls = 0;
      for (let at = 0; at < end && calls++ < 20000; ) {
        const s = await statusAbove(node, undefined, at, end - at);
        if (s.bytes <= 0) throw new Error('block status of no length');
        at += s.bytes;
      }
      await attempt(() => node.readVmState(100, b));
      await attempt(() => bitmapInfo(node.s));
      for (const sn of node.s.snapshots.slice(0, 2)) {
        await attempt(() => loadTemporarily(node.s, sn));
        await attempt(() => node.read(40000, b));
      }
    });
    await withImage({ readOnly: true, noBacking: false }, (node) =>
      attempt(() => node.read(0, new Uint8Array(300000))),
    );
    return;
  }
  await withImage({ check: true }, async (node) => void (await node.check('all', () => {})));
  await withImage({}, async (node) => {
    for (const [at, bytes] of [
      [0, 70000],
      [1 << 20, 300],
      [(3 << 20) + 100, 9000],
    ] as const) {
      await attempt(() => node.write(at, new Uint8Array(bytes).fill(0x5a)));
      await attempt(() => node.writeZeroes(at + 100000, bytes));
      await attempt(() => node.discard(at + 200000, bytes * 4));
    }
    await attempt(() => node.s.lock.with(() => createSnapshot(node.s, 'new')));
    for (const sn of node.s.snapshots.slice(0, 3))
      await attempt(() => node.s.lock.with(() => applySnapshot(node.s, sn)));
    for (const sn of node.s.snapshots.slice(0, 2))
      await attempt(() => node.s.lock.with(() => deleteSnapshot(node.s, sn)));
    await attempt(() => node.truncate(SIZE * 2));
  });
}

/** What changes tables as a whole, each in an image opened anew. */
async function changeImage(
  withImage: (extra: object, body: (node: Qcow2Node) => Promise<void>) => Promise<void>,
  attempt: (body: () => unknown) => Promise<void>,
): Promise<void> {
  const locked = (body: (node: Qcow2Node) => unknown): Promise<void> =>
    withImage({}, (node) => node.s.lock.with(() => attempt(() => body(node))));
  await locked(({ s }) => addBitmap(s, 'fresh', 4096, false));
  await locked(async ({ s }) => {
    for (const { name } of (await listBitmaps(s)).slice(0, 4)) {
      await attempt(() => enableBitmap(s, name, false));
      await attempt(() => clearBitmap(s, name));
      await attempt(() => mergeBitmap(s, 'fresh', s, name));
    }
  });
  await locked(async ({ s }) => {
    for (const { name } of (await listBitmaps(s)).slice(0, 4)) await attempt(() => removeBitmap(s, name));
  });
  await withImage({}, (node) => attempt(() => node.write(SIZE / 2, new Uint8Array(node.s.clusterSize), 8)));
  await withImage({}, (node) => attempt(() => node.truncate(SIZE * 2, 'metadata')));
  await withImage({}, (node) => attempt(() => node.truncate(SIZE / 2)));
  await withImage({}, (node) => attempt(() => node.amend(new Map([['refcount_bits', '32']]), () => {})));
  await withImage({}, (node) => attempt(() => node.amend(new Map([['compat', '0.10']]), () => {})));
  await withImage({}, (node) => attempt(() => node.changeBackingFile('other', 'raw')));
  await withImage({}, (node) => attempt(() => node.makeEmpty()));
}

/** Peak of the memory this process has had since the last call that began anew, in bytes. */
function peakMemory(beginAnew: boolean): number {
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? 0) * 1024;
  if (beginAnew) writeFileSync('/proc/self/clear_refs', '5');
  return peak;
}

/** Files of a folder that this process has open. */
function openWithin(dir: string): string[] {
  const out: string[] = [];
  for (const n of readdirSync('/proc/self/fd')) {
    try {
      const name = readlinkSync(`/proc/self/fd/${n}`);
      if (name.startsWith(dir)) out.push(name);
    } catch {
      // The one that was read from.
    }
  }
  return out;
}

/** Sound images for commands that take two. */
async function soundImages(): Promise<void> {
  for (const name of ['other', 'full', 'withbits']) {
    rmSync(name, { force: true });
    const options = ['cluster_size=4096'];
    await createImage({ filename: name, format: 'qcow2', size: SIZE, optionTexts: options });
    const node = (await openImage({ filename: name, noFlush: true })) as Qcow2Node;
    if (name === 'full') await node.write(100_000, new Uint8Array(700_000).fill(6));
    if (name === 'withbits') await node.s.lock.with(() => addBitmap(node.s, 'mine', 65536, false));
    await closeImage(node);
    copyFileSync(name, `${name}.sound`);
  }
}

/** One image and everything done to it. */
async function useMutant(dir: string, sample: Sample, seed: number): Promise<void> {
  const r = new Random(seed);
  const image = mutate(sample, r);
  const length = stretched(image, r);
  const uses: { what: string; spoils: boolean; body: () => Promise<void> }[] = [];
  const path = join(dir, 'mutant');
  const way = WAYS[r.below(WAYS.length)]!;
  uses.push({ what: way, spoils: false, body: () => useImage(path, way) });
  for (let i = 0; i < 3; i++) {
    const { line, spoils } = randomLine(r);
    uses.push({ what: line, spoils, body: () => runLine(line) });
  }
  for (const { what, spoils, body } of uses) {
    const name = `seed ${seed} [${sample.options}] ${what}`;
    // What exceeds a limit is done once more: garbage of what was before, or others on this machine, may have been the reason.
    for (let tries = 2; ; ) {
      writeFileSync(path, image);
      if (length !== undefined) truncateSync(path, length);
      const before = process.memoryUsage.rss();
      peakMemory(true);
      const elapsed = stopwatch();
      try {
        await body();
      } catch (error) {
        throw new Error(`${name}: ${(error as Error).stack}`);
      }
      const ms = elapsed();
      const open = openWithin(dir);
      if (open.length > 0) throw new Error(`${name}: ${open.join(' ')} left open`);
      const grown = peakMemory(false) - before;
      for (const file of spoils ? ['other', 'full', 'withbits'] : []) copyFileSync(`${file}.sound`, file);
      if (spoils) writeFileSync(BACKING, Buffer.alloc(1 << 20, 5));
      if (ms <= limitMs(length ?? image.length) && grown <= MEMORY_LIMIT) break;
      if (--tries > 0) {
        Bun.gc(true);
        continue;
      }
      throw new Error(`${name}: took ${ms.toFixed(0)} ms and ${grown >> 20} MB`);
    }
  }
}

/** Runs so many mutations here; returns what misbehaves, with seeds. `log` is told that, and the seed that comes next. */
async function fuzzHere(
  seed: number,
  mutations: number,
  log: (finds: readonly string[], next: number) => void,
): Promise<string[]> {
  const finds: string[] = [];
  await inScratch(async (dir) => {
    // Data files are created as named, from the current folder.
    process.chdir(dir);
    writeFileSync(BACKING, Buffer.alloc(1 << 20, 5));
    const samples: Sample[] = [];
    for (const options of VARIANTS) samples.push(await makeSample(dir, options));
    await soundImages();
    for (let i = 0; i < mutations && finds.length < MAX_FINDS; i++) {
      log(finds, seed + i);
      const sample = samples[new Random(seed + i + 0x5a5a).below(samples.length)]!;
      await useMutant(dir, sample, seed + i).catch((error: Error) => finds.push(error.message));
    }
  }).finally(() => process.chdir('/'));
  return finds;
}

/**
 * Runs so many mutations in a process of their own, whose files cannot become large and whose output, complaints about damage,
 * goes nowhere; throws with what misbehaves.
 */
export async function fuzz(seed: number, mutations: number): Promise<void> {
  await inScratch(async (dir) => {
    const report = join(dir, 'report');
    const script = 'trap "" XFSZ; ulimit -f 4194304; exec "$@" >/dev/null 2>&1';
    const self = [process.execPath, import.meta.path, String(seed), String(mutations), report];
    const p = Bun.spawn(['sh', '-c', script, 'sh', ...self], { stdio: ['ignore', 'inherit', 'inherit'] });
    const code = await p.exited;
    const said = readFileSync(report, 'utf8');
    if (said !== 'ok') throw new Error(`${said}\n${p.signalCode ?? `exit ${code}`}`);
  });
}

if (import.meta.main) {
  const [seed, mutations, report] = process.argv.slice(2);
  if (report === undefined) {
    await fuzz(Number(seed ?? 1), Number(mutations ?? 2000));
    console.log('ok');
  } else {
    const finds = await fuzzHere(Number(seed), Number(mutations), (soFar, next) =>
      writeFileSync(report, [...soFar, `ended at seed ${next}`].join('\n')),
    );
    writeFileSync(report, finds.length > 0 ? finds.join('\n') : 'ok');
    process.exit();
  }
}
