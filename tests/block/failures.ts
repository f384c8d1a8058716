// Operations of which one write, flush or change of length fails, or everything from one on: what the image is afterwards.
// bun tests/block/failures.ts
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commitImage } from '../../src/block/commit.ts';
import { createImage } from '../../src/block/create-image.ts';
import { type BlockNode, REQ } from '../../src/block/driver.ts';
import { ERRNO, errnoError } from '../../src/block/errors.ts';
import { openImage } from '../../src/block/graph.ts';
import { addBitmap, clearBitmap, enableBitmap, removeBitmap } from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { applySnapshot, createSnapshot, deleteSnapshot, findSnapshot } from '../../src/block/qcow2/snapshot.ts';
import { contentOf } from './helpers.ts';

const SIZE = 1 << 20;

/** An operation, and how the image is made on which it is tried. */
interface Operation {
  name: string;
  options: string;
  prepare?: (node: Qcow2Node) => Promise<void>;
  run: (node: Qcow2Node) => unknown;
  backing?: boolean;
  /** Options it is opened with. */
  open?: Record<string, string>;
  /** What the disk shows may be partly old and partly new: requests of guests promise no more. */
  partial?: boolean;
}

const snapshot = (node: Qcow2Node, name: string): Promise<void> => node.s.quiet(() => createSnapshot(node.s, name));
const fill = async (node: BlockNode, at: number, bytes: number, value: number): Promise<void> =>
  node.write(at, new Uint8Array(bytes).fill(value));

const fillPacked = async (node: BlockNode, at: number, bytes: number): Promise<void> =>
  node.write(at, new Uint8Array(bytes).fill(3), REQ.COMPRESSED);

/** A snapshot of a larger or smaller disk with other content. */
const otherSize =
  (size: number) =>
  async (node: Qcow2Node): Promise<void> => {
    await snapshot(node, 'first');
    await node.truncate(size);
    await fill(node, 0, 100000, 7);
    await snapshot(node, 'second');
    await fill(node, 4096, 50000, 8);
  };

const apply = (name: string) => (node: Qcow2Node) =>
  node.s.quiet(() => applySnapshot(node.s, findSnapshot(node.s, name)!));

const bitmaps = async (node: Qcow2Node): Promise<void> => {
  await node.s.quiet(() => addBitmap(node.s, 'a', 512, false));
  await node.s.quiet(() => addBitmap(node.s, 'b', 4096, true));
};

const amend = (name: string, value: string) => (node: Qcow2Node) => node.amend(new Map([[name, value]]), () => {});

export const OPERATIONS: readonly Operation[] = [
  { name: 'create a snapshot', options: 'cluster_size=512', run: (node) => snapshot(node, 's') },
  {
    name: 'delete a snapshot',
    options: 'cluster_size=512',
    prepare: async (node) => {
      await snapshot(node, 's');
      await fill(node, 0, 200000, 6);
    },
    run: (node) => node.s.quiet(() => deleteSnapshot(node.s, node.s.snapshots[0]!)),
  },
  {
    name: 'apply a snapshot of a longer disk',
    options: 'cluster_size=512',
    prepare: otherSize(SIZE / 2),
    run: apply('first'),
  },
  {
    name: 'apply a snapshot of a shorter disk',
    options: 'cluster_size=512',
    prepare: otherSize(SIZE * 2),
    run: apply('first'),
  },
  {
    name: 'apply a snapshot with extended L2',
    options: 'cluster_size=16k,extended_l2=on',
    prepare: otherSize(SIZE),
    run: apply('first'),
  },
  { name: 'grow', options: 'cluster_size=512', run: (node) => node.truncate(3 * SIZE) },
  {
    name: 'grow over a longer backing file',
    options: 'cluster_size=4096',
    backing: true,
    prepare: (node) => node.truncate(SIZE / 2),
    run: (node) => node.truncate(SIZE),
  },
  { name: 'grow with preallocation', options: 'cluster_size=4096', run: (node) => node.truncate(3 * SIZE, 'metadata') },
  { name: 'shrink', options: 'cluster_size=512', run: (node) => node.truncate(SIZE / 4) },
  { name: 'grow with bitmaps', options: 'cluster_size=512', prepare: bitmaps, run: (node) => node.truncate(8 * SIZE) },
  {
    name: 'add a bitmap',
    options: 'cluster_size=512',
    prepare: bitmaps,
    run: (node) => node.s.quiet(() => addBitmap(node.s, 'c', 512, false)),
  },
  {
    name: 'remove a bitmap',
    options: 'cluster_size=512',
    prepare: bitmaps,
    run: (node) => node.s.quiet(() => removeBitmap(node.s, 'a')),
  },
  {
    name: 'clear a bitmap',
    options: 'cluster_size=512',
    prepare: bitmaps,
    run: (node) => node.s.quiet(() => clearBitmap(node.s, 'a')),
  },
  {
    name: 'enable a bitmap',
    options: 'cluster_size=512',
    prepare: bitmaps,
    run: (node) => node.s.quiet(() => enableBitmap(node.s, 'b', true)),
  },
  {
    name: 'amend to version 2',
    options: 'cluster_size=4096',
    backing: true,
    prepare: (node) => node.writeZeroes(0, 65536),
    run: amend('compat', '0.10'),
  },
  { name: 'amend to version 3', options: 'cluster_size=4096,compat=0.10', run: amend('compat', '1.1') },
  { name: 'amend the refcount width', options: 'cluster_size=512', run: amend('refcount_bits', '64') },
  { name: 'amend lazy refcounts', options: 'cluster_size=4096', run: amend('lazy_refcounts', 'on') },
  {
    name: 'commit',
    options: 'cluster_size=4096',
    backing: true,
    run: (node) => commitImage(node, node.backing!, true, 0, () => {}),
  },
  {
    name: 'change the backing file',
    options: 'cluster_size=4096',
    run: (node) => node.changeBackingFile('other', 'raw'),
  },
  {
    name: 'write where there are no tables',
    options: 'cluster_size=512',
    partial: true,
    run: (node) => fill(node, 700000, 100000, 9),
  },
  {
    name: 'write where a snapshot has tables',
    options: 'cluster_size=512',
    partial: true,
    prepare: (node) => snapshot(node, 's'),
    run: (node) => fill(node, 10000, 100000, 9),
  },
  {
    name: 'write with lazy refcounts',
    options: 'cluster_size=512,lazy_refcounts=on',
    partial: true,
    run: (node) => fill(node, 500000, 100000, 9),
  },
  {
    name: 'write with refcounts of 64 bits',
    options: 'cluster_size=512,refcount_bits=64',
    partial: true,
    run: (node) => fill(node, 400000, 400000, 9),
  },
  {
    name: 'write compressed',
    options: 'cluster_size=4096',
    partial: true,
    run: (node) => node.write(SIZE / 2, new Uint8Array(SIZE / 4).fill(9), REQ.COMPRESSED),
  },
  {
    name: 'write over compressed clusters, whose space is given back at once',
    options: 'cluster_size=4096',
    open: { 'pass-discard-other': 'on' },
    partial: true,
    prepare: (node) => fillPacked(node, SIZE / 2, SIZE / 16),
    run: (node) => fill(node, SIZE / 2 + 1000, SIZE / 16 - 5000, 9),
  },
  {
    name: 'zero',
    options: 'cluster_size=512',
    partial: true,
    run: (node) => node.writeZeroes(1000, 300000, REQ.MAY_UNMAP),
  },
  { name: 'discard', options: 'cluster_size=512', partial: true, run: (node) => node.discard(1000, 300000) },
  {
    name: 'discard with extended L2',
    options: 'cluster_size=16k,extended_l2=on',
    partial: true,
    run: (node) => node.discard(1000, 300000),
  },
];

interface Files {
  image: string;
  base: string;
  caches?: Record<string, string>;
}

const open = (f: Files, o: Operation, extra: object = {}): Promise<Qcow2Node> =>
  openImage({
    options: new Map([
      ['driver', 'qcow2'],
      ['file.driver', 'blkdebug'],
      ['file.image.driver', 'file'],
      ['file.image.filename', f.image],
      ['file.image.cache.no-flush', 'on'],
      ...Object.entries({ ...o.open, ...f.caches }),
      ...(o.backing
        ? ([
            ['backing.driver', 'raw'],
            ['backing.file.filename', f.base],
          ] as [string, string][])
        : []),
    ]),
    unmap: true,
    ...extra,
  }) as Promise<Qcow2Node>;

/**
 * What fails: one change of the file, all from one on, or one read; or one change that is done and fails all the same, and the next
 * one, with which a failure is taken back.
 */
const MODES = ['change', 'changes from', 'read', 'change done and the next'] as const;
type Mode = (typeof MODES)[number];

/** Caches so small that reading writes what is left in them. */
const SMALL_CACHES = { 'l2-cache-size': '2k', 'refcount-cache-size': '2k' };

/** Makes the n-th change or read of a file fail, or that and all after it. Returns how many changes there were. */
function failAt(file: BlockNode, n: number, mode: Mode): { count: () => number; end: () => void } {
  let seen = 0;
  const strike = (): boolean => {
    seen++;
    if (mode === 'changes from') return seen >= n;
    return seen === n || (mode === 'change done and the next' && seen === n + 1);
  };
  const real: Partial<BlockNode> =
    mode === 'read'
      ? { read: file.read }
      : { write: file.write, writeZeroes: file.writeZeroes, flush: file.flush, truncate: file.truncate };
  for (const name of Object.keys(real) as (keyof typeof real)[]) {
    (file as unknown as Record<string, unknown>)[name] = (...args: unknown[]) => {
      const fails = strike();
      const run = () => (real[name] as (...a: unknown[]) => unknown).apply(file, args);
      if (!fails) return run();
      const failure = () => Promise.reject(errnoError(ERRNO.EIO));
      return mode === 'change done and the next' && seen === n
        ? Promise.resolve(run()).then(failure, failure)
        : failure();
    };
  }
  return {
    count: () => seen,
    end: () => {
      for (const name of Object.keys(real)) delete (file as unknown as Record<string, unknown>)[name];
    },
  };
}

/** Tries an operation with each of its changes failing; throws with the first after which something is wrong. */
export async function failEach(o: Operation, dir: string, every = 1): Promise<number> {
  const f: Files = { image: join(dir, 'image'), base: join(dir, 'base') };
  writeFileSync(f.base, Buffer.alloc(SIZE, 0xbb));
  await createImage({
    filename: f.image,
    format: 'qcow2',
    size: SIZE,
    optionTexts: [o.options],
    ...(o.backing ? { backingFile: f.base, backingFormat: 'raw' } : {}),
  });
  let node = await open(f, o);
  await fill(node, 0, SIZE / 8, 1);
  await fill(node, SIZE / 4, SIZE / 8, 2);
  await o.prepare?.(node);
  const before = Buffer.from(await contentOf(node));
  await node.flush();
  await node.close();
  const initial = readFileSync(f.image);
  let after: Buffer | undefined;
  let tried = 0;
  for (const mode of MODES) {
    for (let n = 1; ; n += every) {
      writeFileSync(f.image, initial);
      writeFileSync(f.base, Buffer.alloc(SIZE, 0xbb));
      const where = `${o.name}: ${mode} ${n} failing`;
      node = await open(mode === 'change done and the next' ? { ...f, caches: SMALL_CACHES } : f, o);
      const failing = failAt(node.file!, after === undefined ? Infinity : n, mode);
      let failed = false;
      try {
        await o.run(node);
        await node.flush();
      } catch {
        failed = true;
      }
      if (mode !== 'changes from') failing.end();
      if (after === undefined) {
        after = Buffer.from(await contentOf(node));
        n -= every;
      } else if (failing.count() < n) {
        failing.end();
        await node.close();
        break;
      }
      tried++;
      if (mode === 'change done and the next') {
        await contentOf(node).catch(() => {});
        await node.check('none', () => {}).catch(() => {});
      }
      // Life goes on: a request after the failure is served and kept, or fails.
      let later = false;
      try {
        await fill(node, 3000, 5000, 0x55);
        await node.flush();
        later = true;
      } catch {}
      await node.close().catch(() => node.abandon());
      failing.end();
      await lookAt(f, o, where, before, after, later, failed);
    }
  }
  rmSync(f.image);
  return tried;
}

async function lookAt(
  f: Files,
  o: Operation,
  where: string,
  before: Buffer,
  after: Buffer,
  later: boolean,
  failed: boolean,
): Promise<void> {
  // Opening for writing repairs what the image says is not in order.
  const backing = o.name === 'change the backing file' ? { noBacking: true } : {};
  const writable = await open(f, o, backing);
  await writable.close();
  const node = await open(f, o, { readOnly: true, check: true, ...backing });
  const lines: string[] = [];
  const result = await node.check('none', (line) => lines.push(line));
  if (result.corruptions || result.checkErrors)
    throw new Error(
      `${where}: ${lines
        .filter((line) => !line.startsWith('Leaked'))
        .slice(0, 3)
        .join('; ')}`,
    );
  const content = Buffer.from(await contentOf(node));
  await node.close();
  const same = (expected: Buffer): boolean =>
    content.length === expected.length &&
    content.every(
      (v, i) => v === expected[i] || (i >= 3000 && i < 8000 && (later ? v === 0x55 : v === 0x55 || v === expected[i])),
    );
  if (later && !content.subarray(3000, 8000).every((v) => v === 0x55))
    throw new Error(`${where}: a later write is lost`);
  if (o.partial && failed) {
    const bad = content.findIndex((v, i) => v !== before[i] && v !== after[i] && !(i >= 3000 && i < 8000));
    if (bad >= 0) throw new Error(`${where}: byte ${bad} is ${content[bad]}, neither old nor new`);
  } else if (!same(after) && !(failed && same(before))) throw new Error(`${where}: the content is neither old nor new`);
}

if (import.meta.main) {
  const { inScratch } = await import('./helpers.ts');
  for (const o of OPERATIONS) {
    if (!o.name.includes(process.argv[2] ?? '')) continue;
    try {
      console.log(`ok   ${o.name}: ${await inScratch((dir) => failEach(o, dir))} failures`);
    } catch (error) {
      console.log(`FAIL ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
}
