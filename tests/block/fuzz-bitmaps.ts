// Images whose dirty bitmaps are made to take long or much memory, of any size, granularity and number: nothing may throw anything
// but a BlockError, take more than two seconds and one for each megabyte of the files, or 256 MB: bun tests/block/fuzz-bitmaps.ts [seed] [images]
import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { BlockError } from '../../src/block/errors.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import {
  addBitmap,
  clearBitmap,
  copyBitmaps,
  enableBitmap,
  listBitmaps,
  mergeBitmap,
  removeBitmap,
} from '../../src/block/qcow2/bitmap.ts';
import { EXTENSION } from '../../src/block/qcow2/header.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { Random } from './differential.ts';
import { stopwatch } from './helpers.ts';

const MEMORY_LIMIT = 256 << 20;

/** Table entries that do not cost the file more than themselves. */
const PATTERNS: Record<string, (i: number, cluster: number, r: Random) => number> = {
  zero: () => 0,
  ones: () => 1,
  'ones and zero': (i) => i % 2,
  'one cluster': (_, cluster) => cluster,
  'a cluster and ones': (i, cluster) => (i % 2 ? 1 : cluster),
  'far beyond the end': (i, cluster) => 2 ** 50 + i * cluster,
  rubbish: (_i, _c, r) => r.next(),
  'few ones': (i) => Number(i % 1000 === 7),
};

/** Makes the image; returns what it was made of. */
async function makeHostile(path: string, r: Random): Promise<string> {
  const bits = [9, 12, 16, 21][r.below(4)]!;
  const cluster = 2 ** bits;
  // (The L1 table of a disk is at most 32 MB.)
  const most = Math.min(52, 22 + 2 * bits - 3);
  const size = 2 ** (20 + r.below(most - 19)) + 512 * r.below(3);
  const options = [`cluster_size=${cluster}`];
  await createImage({ filename: path, format: 'qcow2', size: 1 << 20, optionTexts: options });
  const node = (await openImage({ filename: path, noFlush: true })) as Qcow2Node;
  await node.s.quiet(() => addBitmap(node.s, 'x', 65536, false));
  await closeImage(node);
  let image = readFileSync(path);
  const put = (b: Buffer): number => {
    const at = Math.ceil(image.length / cluster) * cluster;
    image = Buffer.concat([image, Buffer.alloc(at - image.length), b]);
    return at;
  };
  const data = put(Buffer.alloc(cluster, [0x55, 0xff, 1][r.below(3)]));
  const many = r.below(3) === 0 ? 2 + (r.below((1 << 26) / cluster / 4 + 100) % 3000) : 2 + r.below(3);
  const names: string[] = [];
  const directory: Buffer[] = [];
  let place = 0;
  let entries = 0;
  for (let i = 0; i < many; i++) {
    let granularity = 9 + r.below(23);
    while (Math.ceil(size / (cluster * 8 * 2 ** granularity)) > 300_000 && granularity < 31) granularity++;
    const wanted = Math.max(1, Math.ceil(size / (cluster * 8 * 2 ** granularity)));
    // Many of them have one table, where that is long enough.
    if (i < 4 || wanted > entries || r.below(50) === 0) {
      const pattern = Object.keys(PATTERNS)[r.below(Object.keys(PATTERNS).length)]!;
      entries = Math.min(wanted, 300_000);
      const table = Buffer.alloc(entries * 8);
      for (let k = 0; k < entries; k++) table.writeBigUInt64BE(BigInt(PATTERNS[pattern]!(k, data, r)), k * 8);
      place = put(table);
      names.push(`${pattern} x${entries} of 2^${granularity}`);
    }
    const name = `b${i}`;
    const e = Buffer.alloc(Math.ceil((24 + name.length) / 8) * 8);
    e.writeBigUInt64BE(BigInt(place), 0);
    e.writeUInt32BE(r.below(20) ? wanted : entries, 8);
    e.writeUInt32BE(r.below(3) ? 2 : 0, 12);
    e[16] = 1;
    e[17] = granularity;
    e.writeUInt16BE(name.length, 18);
    e.write(name, 24);
    directory.push(e);
  }
  const all = Buffer.concat(directory);
  const offset = put(all);
  let at = image.readUInt32BE(100);
  while (image.readUInt32BE(at) !== EXTENSION.BITMAPS) at += 8 + Math.ceil(image.readUInt32BE(at + 4) / 8) * 8;
  image.writeUInt32BE(many, at + 8);
  image.writeBigUInt64BE(BigInt(all.length), at + 16);
  image.writeBigUInt64BE(BigInt(offset), at + 24);
  image.writeBigUInt64BE(BigInt(size), 24);
  const l1 = Math.ceil(size / (cluster * (cluster / 8)));
  const l1Offset = put(Buffer.alloc(0));
  image.writeUInt32BE(l1, 36);
  image.writeBigUInt64BE(BigInt(l1Offset), 40);
  writeFileSync(path, image);
  truncateSync(path, l1Offset + Math.ceil((l1 * 8) / cluster) * cluster);
  return `cluster 2^${bits}, disk ${size}, ${many} bitmaps: ${names.slice(0, 6).join(', ')}`;
}

/** Everything that has to do with bitmaps, each on a fresh copy. */
const USES: Record<string, (node: Qcow2Node, dir: string) => unknown> = {
  check: (node) => node.check('none', () => {}),
  repair: (node) => node.check('all', () => {}),
  info: (node) => node.specificInfo(),
  'merge the first': ({ s }) => s.quiet(() => mergeBitmap(s, 'b1', s, 'b0')),
  'merge the second': ({ s }) => s.quiet(() => mergeBitmap(s, 'b0', s, 'b1')),
  'merge into a fine one': ({ s }) =>
    s.quiet(async () => {
      await addBitmap(s, 'fine', 512, false);
      await mergeBitmap(s, 'fine', s, 'b0');
    }),
  clear: ({ s }) => s.quiet(() => clearBitmap(s, 'b0')),
  remove: ({ s }) => s.quiet(() => removeBitmap(s, 'b1')),
  disable: ({ s }) => s.quiet(() => enableBitmap(s, 'b0', false)),
  grow: (node) => node.truncate(node.length * 2),
  shrink: (node) => node.truncate(1 << 19),
  write: async (node) => {
    for (let i = 0; i < 200; i++) await node.write(i * 4096, new Uint8Array(512).fill(1));
  },
  copy: async (node, dir) => {
    const filename = join(dir, 'copy');
    await createImage({ filename, format: 'qcow2', size: node.length });
    const target = (await openImage({ filename, noFlush: true })) as Qcow2Node;
    try {
      await target.s.quiet(() => copyBitmaps(target.s, node.s, () => {}));
    } finally {
      await closeImage(target);
    }
  },
  list: ({ s }) => listBitmaps(s),
};

/** Peak of the memory this process has had since the last call, in bytes. */
function peakMemory(): number {
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? 0) * 1024;
  writeFileSync('/proc/self/clear_refs', '5');
  return peak;
}

/** Makes so many images and does everything to each; throws with the first that misbehaves. */
export async function fuzzBitmaps(seed: number, images: number, dir: string): Promise<void> {
  const [made, path] = [join(dir, 'made'), join(dir, 'image')];
  for (let n = seed; n < seed + images; n++) {
    const r = new Random(n);
    const what = await makeHostile(made, r);
    // Half of them have counts that fit what they refer to, so that more is done.
    if (r.below(2)) await openAnd(made, true, (node) => node.check('all', () => {})).catch(() => {});
    for (const [name, use] of Object.entries(USES)) {
      for (let tries = 2; ; ) {
        copyFileSync(made, path);
        const megabytes = statSync(path).size / 2 ** 20;
        const before = process.memoryUsage.rss();
        peakMemory();
        const elapsed = stopwatch();
        await openAnd(path, name === 'check' || name === 'repair', (node) => use(node, dir)).catch((error) => {
          if (!(error instanceof BlockError)) throw new Error(`seed ${n} [${what}] ${name}: ${(error as Error).stack}`);
        });
        const ms = elapsed();
        const grown = peakMemory() - before;
        if (ms <= 2000 + megabytes * 1000 && grown <= MEMORY_LIMIT) break;
        // (Garbage of what was before, or others on this machine, may have been the reason.)
        Bun.gc(true);
        if (--tries === 0)
          throw new Error(
            `seed ${n} [${what}] ${name}: took ${ms.toFixed(0)} ms and ${grown >> 20} MB for ${megabytes.toFixed(1)} MB`,
          );
      }
    }
  }
}

async function openAnd(filename: string, check: boolean, body: (node: Qcow2Node) => unknown): Promise<void> {
  const node = (await openImage({
    filename,
    noFlush: true,
    check,
    options: new Map([['driver', 'qcow2']]),
  })) as Qcow2Node;
  try {
    await body(node);
  } finally {
    await closeImage(node);
  }
}

if (import.meta.main) {
  const { inScratch } = await import('./helpers.ts');
  const [seed, images] = process.argv.slice(2).map(Number);
  await inScratch((dir) => fuzzBitmaps(seed ?? 1, images ?? 100, dir));
  console.log('ok');
}
