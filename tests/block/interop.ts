// Images made by either tool and read by the other, over many combinations of options and histories.
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { createSnapshot } from '../../src/block/qcow2/snapshot.ts';
import { copyWhole, run } from './helpers.ts';

/** One combination. */
export interface Combination {
  name: string;
  options: string;
  size: number;
  /** What is done to the image once it is made. */
  history: 'plain' | 'snapshots' | 'grown' | 'shrunk' | 'compressed' | 'chain';
}

const OPTIONS = [
  '',
  'compat=0.10',
  'cluster_size=512',
  'cluster_size=1k',
  'cluster_size=4k',
  'cluster_size=2M',
  'lazy_refcounts=on',
  'refcount_bits=1',
  'refcount_bits=2',
  'refcount_bits=4',
  'refcount_bits=8',
  'refcount_bits=32',
  'refcount_bits=64',
  'extended_l2=on',
  'extended_l2=on,cluster_size=16k',
  'compression_type=zstd',
  'preallocation=metadata',
  'preallocation=falloc',
  'preallocation=full',
];
const SIZES = [1 << 20, 5 * (1 << 20) + 512, 12345 * 512];
const HISTORIES = ['plain', 'snapshots', 'grown', 'shrunk', 'compressed', 'chain'] as const;

/** Combinations that make sense. */
export function combinations(): Combination[] {
  const out: Combination[] = [];
  for (const options of OPTIONS) {
    for (const history of HISTORIES) {
      if (history === 'snapshots' && options === 'refcount_bits=1') continue;
      if ((history === 'compressed' || history === 'chain') && options.startsWith('preallocation')) continue;
      // Compressed clusters share host clusters, which one bit of refcount does not allow for.
      for (const size of history === 'plain' || history === 'chain' ? SIZES : SIZES.slice(1, 2 + (out.length % 2))) {
        out.push({ name: `${options || 'defaults'}, ${history}, ${size}`, options, size, history });
      }
    }
  }
  return out;
}

/** Writes of one layer: offset, length, byte. */
function pieces(size: number, layer: number): [number, number, number][] {
  const out: [number, number, number][] = [];
  for (let i = 0; i < 6; i++) {
    const at = Math.floor((size / 7) * i + layer * 7777) % (size - 40000);
    out.push([at, 1000 + ((i * 7919 + layer * 104729) % 39000), (layer * 16 + i + 1) % 255]);
  }
  out.push([size - 700, 700, 200 + layer]);
  return out;
}

/** The image made by qemu-img and qemu-io; returns its path. */
function makeTheirs(c: Combination, dir: string): string {
  const path = join(dir, 'theirs');
  const create = (p: string, extra: string[]): void =>
    void run([
      'qemu-img',
      'create',
      '-q',
      '-f',
      'qcow2',
      ...(c.options ? ['-o', c.options] : []),
      ...extra,
      p,
      String(c.size),
    ]);
  const write = (p: string, layer: number): void =>
    void run([
      'qemu-io',
      '-t',
      'unsafe',
      ...pieces(c.size, layer).flatMap(([at, n, v]) => ['-c', `write -q -P ${v} ${at} ${n}`]),
      p,
    ]);
  if (c.history === 'chain') {
    for (let i = 0; i < 5; i++) {
      create(`${path}${i}`, i === 0 ? [] : ['-b', `${path}${i - 1}`, '-F', 'qcow2']);
      write(`${path}${i}`, i);
    }
    return `${path}4`;
  }
  create(path, []);
  write(path, 0);
  if (c.history === 'snapshots') {
    run(['qemu-img', 'snapshot', '-c', 'a', path]);
    write(path, 1);
    run(['qemu-img', 'snapshot', '-c', 'b', path]);
    write(path, 2);
    run(['qemu-img', 'snapshot', '-d', 'a', path]);
  } else if (c.history === 'grown') run(['qemu-img', 'resize', '-q', path, String(c.size * 2 + 512)]);
  else if (c.history === 'shrunk')
    run(['qemu-img', 'resize', '-q', '--shrink', path, String(Math.floor(c.size / 1024) * 512)]);
  else if (c.history === 'compressed') {
    run(['qemu-img', 'convert', '-c', '-O', 'qcow2', ...(c.options ? ['-o', c.options] : []), path, `${path}c`]);
    return `${path}c`;
  }
  return path;
}

/** The same image made by us. */
async function makeOurs(c: Combination, dir: string): Promise<string> {
  const path = join(dir, 'ours');
  const texts = c.options ? [c.options] : [];
  const open = (p: string): Promise<Qcow2Node> =>
    openImage({
      filename: p,
      options: new Map([['driver', 'qcow2']]),
      unmap: true,
      noFlush: true,
    }) as Promise<Qcow2Node>;
  const write = async (p: string, layer: number): Promise<void> => {
    const node = await open(p);
    for (const [at, n, v] of pieces(c.size, layer)) await node.write(at, new Uint8Array(n).fill(v));
    await closeImage(node);
  };
  const use = async (p: string, body: (node: Qcow2Node) => Promise<unknown>): Promise<void> => {
    const node = await open(p);
    await body(node);
    await closeImage(node);
  };
  if (c.history === 'chain') {
    for (let i = 0; i < 5; i++) {
      const backing = i === 0 ? {} : { backingFile: `${path}${i - 1}`, backingFormat: 'qcow2' };
      await createImage({ filename: `${path}${i}`, format: 'qcow2', optionTexts: texts, size: c.size, ...backing });
      await write(`${path}${i}`, i);
    }
    return `${path}4`;
  }
  await createImage({ filename: path, format: 'qcow2', optionTexts: texts, size: c.size });
  await write(path, 0);
  if (c.history === 'snapshots') {
    const { deleteSnapshot } = await import('../../src/block/qcow2/snapshot.ts');
    await use(path, (n) => n.s.lock.with(() => createSnapshot(n.s, 'a')));
    await write(path, 1);
    await use(path, (n) => n.s.lock.with(() => createSnapshot(n.s, 'b')));
    await write(path, 2);
    await use(path, (n) => n.s.lock.with(() => deleteSnapshot(n.s, n.s.snapshots[0]!)));
  } else if (c.history === 'grown') await use(path, (n) => n.truncate(c.size * 2 + 512));
  else if (c.history === 'shrunk') await use(path, (n) => n.truncate(Math.floor(c.size / 1024) * 512));
  else if (c.history === 'compressed') {
    await createImage({ filename: `${path}c`, format: 'qcow2', optionTexts: texts, size: c.size });
    const [source, target] = [await openImage({ filename: path, readOnly: true }), await open(`${path}c`)];
    await copyWhole(source, target, true);
    await closeImage(target);
    await closeImage(source);
    return `${path}c`;
  }
  return path;
}

/** Makes the image both ways; each tool must find both sound and alike. Throws otherwise. */
export async function interop(c: Combination, dir: string): Promise<void> {
  const theirs = makeTheirs(c, dir);
  const ours = await makeOurs(c, dir);
  run(['qemu-img', 'check', ours]);
  run(['qemu-img', 'compare', theirs, ours]);
  const [a, b] = [
    await openImage({ filename: theirs, readOnly: true }),
    await openImage({ filename: ours, readOnly: true }),
  ];
  try {
    if (a.length !== b.length) throw new Error(`sizes ${a.length} and ${b.length}`);
    const [x, y] = [new Uint8Array(a.length), new Uint8Array(b.length)];
    await a.read(0, x);
    await b.read(0, y);
    if (!Buffer.from(x.buffer).equals(y)) throw new Error('our reads differ');
    for (const node of [a, b]) {
      const r = await (node as Qcow2Node).check('none', () => {});
      if (r.corruptions || r.leaks || r.checkErrors)
        throw new Error(`our check of ${node.filename}: ${r.corruptions} errors, ${r.leaks} leaks`);
    }
  } finally {
    await closeImage(a);
    await closeImage(b);
  }
}

if (import.meta.main) {
  const { inScratch } = await import('./helpers.ts');
  const all = combinations();
  let failed = 0;
  for (const c of all) {
    try {
      await inScratch((dir) => interop(c, dir));
    } catch (error) {
      failed++;
      console.log(`FAIL ${c.name}: ${(error as Error).message.slice(0, 300)}`);
    }
  }
  console.log(`${all.length - failed} of ${all.length} combinations agree`);
  process.exitCode = failed ? 1 : 0;
}
