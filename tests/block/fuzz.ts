// Mutates valid images and uses them: nothing may throw anything but a BlockError, take long, or need much memory:
// bun tests/block/fuzz.ts [seed] [mutations]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { statusAbove } from '../../src/block/block-status.ts';
import { createImage } from '../../src/block/create-image.ts';
import type { BlockNode } from '../../src/block/driver.ts';
import { BlockError } from '../../src/block/errors.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { amendImage } from '../../src/block/qcow2/amend.ts';
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
import { inScratch, stopwatch } from './helpers.ts';

const SIZE = 4 << 20;
/** Longest a use of one image may take: ten seconds, plus one per megabyte of file; what it is made for goes on for minutes. */
const limitMs = (bytes: number): number => 10_000 + (bytes / (1 << 20)) * 1000;
const MEMORY_LIMIT = 256 << 20;

const VARIANTS = [
  '',
  'cluster_size=512',
  'cluster_size=4096,refcount_bits=1',
  'extended_l2=on,cluster_size=16384',
  'compat=0.10',
  'cluster_size=4096,refcount_bits=64,compression_type=zstd',
  'cluster_size=4096,data_file=DATA',
  'cluster_size=4096,data_file=DATA,data_file_raw=on',
];

/** Relative names, so that mutated ones stay in the scratch folder. */
const DATA = 'sample.data';
const BACKING = 'sample.base';

/** A valid image with something of everything in it. */
async function sample(dir: string, options: string): Promise<Buffer> {
  const path = join(dir, 'sample');
  const raw = options.includes('data_file_raw');
  await createImage({
    filename: path,
    format: 'qcow2',
    optionTexts: [options.replace('DATA', DATA)].filter((t) => t !== ''),
    size: SIZE,
    ...(raw ? {} : { backingFile: BACKING, backingFormat: 'raw' }),
  });
  const node = (await openImage({ filename: path, unmap: true, noFlush: true })) as Qcow2Node;
  await node.write(0, new Uint8Array(200000).fill(1));
  await node.write(1 << 20, new Uint8Array(100).fill(2));
  await node.writeZeroes(2 << 20, 300000);
  const cluster = node.s.clusterSize;
  if (!node.s.hasDataFile)
    for (let i = 0; i < 4; i++) await node.write((3 << 20) + i * cluster, new Uint8Array(cluster).fill(7 + i), 8);
  if (node.s.refcountMax > 1 && !node.s.hasDataFile) {
    await node.s.lock.with(() => createSnapshot(node.s, 'one'));
    await node.write(50000, new Uint8Array(100000).fill(3));
    await node.writeVmState(0, new Uint8Array(30000).fill(9));
    await node.s.lock.with(() => createSnapshot(node.s, 'two', 30000));
  }
  if (node.s.header.version >= 3) await node.s.lock.with(() => addBitmap(node.s, 'b', 65536, false));
  await closeImage(node);
  return readFileSync(path);
}

/** Offsets of 8-byte words that are not zero: tables and headers more often than data. */
function interesting(image: Buffer): number[] {
  const out: number[] = [];
  for (let at = 0; at + 8 <= image.length; at += 8) {
    const hi = image.readUInt32BE(at);
    const lo = image.readUInt32BE(at + 4);
    if ((hi !== 0 || lo !== 0) && hi !== lo) out.push(at);
  }
  return out;
}

function mutate(image: Buffer, words: number[], r: Random): Buffer {
  let out = Buffer.from(image);
  const count = 1 + r.below(4);
  for (let i = 0; i < count; i++) {
    const inHeader = r.below(3) === 0;
    const at = inHeader ? r.below(120) : words[r.below(words.length)]! + r.below(8);
    switch (r.below(6)) {
      case 0:
        out[at] ^= 1 << r.below(8);
        break;
      case 1:
        out[at] = r.below(256);
        break;
      case 2:
        out.fill(0xff, at, Math.min(out.length, at + 1 + r.below(8)));
        break;
      case 3:
        out.fill(0, at, Math.min(out.length, at + 1 + r.below(8)));
        break;
      case 4:
        // Points somewhere else that exists: loops and shared clusters come of this.
        image.copy(out, at - (at % 8), words[r.below(words.length)]!, words[r.below(words.length)]! + 8);
        break;
      default:
        if (r.below(8) === 0) out = Buffer.from(out.subarray(0, r.below(out.length)));
        else out.writeUInt32BE(r.next(), Math.min(at, out.length - 4));
    }
    if (out.length < 8) break;
  }
  return out;
}

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
      }
    });
  if (way === 'changing') return changeImage(withImage, attempt);
  if (way === 'reading') {
    await withImage({ readOnly: true, noIo: true }, async (node) => void node.specificInfo());
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
  await withImage({}, (node) => attempt(() => amendImage(node, new Map([['refcount_bits', '32']]), () => {})));
  await withImage({}, (node) => attempt(() => amendImage(node, new Map([['compat', '0.10']]), () => {})));
  await withImage({}, (node) => attempt(() => node.changeBackingFile('other', 'raw')));
  await withImage({}, (node) => attempt(() => node.makeEmpty()));
}

/** Runs so many mutations; throws with the seed of the first that misbehaves. */
export async function fuzz(seed: number, mutations: number, log: (line: string) => void = () => {}): Promise<void> {
  const home = process.cwd();
  await inScratch(async (dir) => {
    // Data files are created as named, from the current folder.
    process.chdir(dir);
    const samples: { image: Buffer; words: number[]; options: string }[] = [];
    writeFileSync(join(dir, BACKING), Buffer.alloc(1 << 20, 5));
    for (const options of VARIANTS) {
      const image = await sample(dir, options);
      samples.push({ image, words: interesting(image), options });
    }
    await createImage({ filename: join(dir, 'unused'), format: 'raw', size: 512 });
    const before = process.memoryUsage().rss;
    // The complaints about damage are expected.
    const quiet = process.env['WEMU_DEBUG'] === undefined;
    const path = join(dir, 'mutant');
    for (let i = 0; i < mutations; i++) {
      const r = new Random(seed + i);
      const s = samples[r.below(samples.length)]!;
      const image = mutate(s.image, s.words, r);
      for (const way of WAYS) {
        writeFileSync(path, image);
        const elapsed = stopwatch();
        try {
          await useImage(path, way);
        } catch (error) {
          throw new Error(`seed ${seed + i} [${s.options}] ${way}: ${(error as Error).stack}`);
        }
        const ms = elapsed();
        if (ms > limitMs(image.length))
          throw new Error(`seed ${seed + i} [${s.options}] ${way}: took ${ms.toFixed(0)} ms`);
        const grown = process.memoryUsage().rss - before;
        if (grown > MEMORY_LIMIT) {
          Bun.gc(true);
          if (process.memoryUsage().rss - before > MEMORY_LIMIT)
            throw new Error(`seed ${seed + i} [${s.options}]: memory grew by ${grown >> 20} MB`);
        }
      }
      if (!quiet && i % 100 === 0) log(`${i}/${mutations}`);
    }
  }).finally(() => process.chdir(home));
}

if (import.meta.main) {
  await fuzz(Number(process.argv[2] ?? 1), Number(process.argv[3] ?? 2000), console.log);
  console.log('ok');
}
