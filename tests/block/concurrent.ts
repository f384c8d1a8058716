// Many requests at once in few clusters, with caches too small for the tables, compared with a model unit by unit:
// bun tests/block/concurrent.ts [seed] [rounds]
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { type BlockNode, REQ } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { addBitmap, clearBitmap, removeBitmap } from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { applySnapshot, createSnapshot, deleteSnapshot } from '../../src/block/qcow2/snapshot.ts';
import { Random } from './differential.ts';
import { contentOf, hasQemu, reopenToCheck, run } from './helpers.ts';

const UNIT = 512;

export interface ConcurrentRequest {
  seed: number;
  rounds: number;
  /** Creation options. */
  options: string;
  /** Options it is opened with. */
  open?: Record<string, string>;
  backing?: boolean;
  size?: number;
  snapshots?: boolean;
  cacheDirect?: boolean;
}

/** Kinds of images and caches. */
export const CONCURRENT: readonly Omit<ConcurrentRequest, 'seed' | 'rounds'>[] = [
  { options: 'cluster_size=64k' },
  { options: 'cluster_size=64k', backing: true, snapshots: true },
  { options: 'cluster_size=4k', backing: true, snapshots: true },
  {
    options: 'cluster_size=512',
    size: 256 << 10,
    snapshots: true,
    open: { 'l2-cache-size': '2k', 'refcount-cache-size': '2k' },
  },
  { options: 'cluster_size=16k,extended_l2=on', backing: true, snapshots: true },
  {
    options: 'cluster_size=4k,lazy_refcounts=on',
    open: { 'l2-cache-size': '2k', 'l2-cache-entry-size': '512' },
    snapshots: true,
  },
  { options: 'cluster_size=1k,refcount_bits=8', cacheDirect: true, size: 512 << 10, snapshots: true },
  { options: 'cluster_size=4k,compat=0.10', backing: true },
];

/** Runs rounds of requests that do not overlap, all at once; throws where the disk is not as the model or the check complains. */
export async function concurrent(q: ConcurrentRequest, dir: string): Promise<void> {
  const r = new Random(q.seed);
  const size = q.size ?? 1 << 20;
  const path = join(dir, 'image');
  const base = join(dir, 'base');
  const model = new Uint8Array(size / UNIT);
  if (q.backing) {
    await Bun.write(base, new Uint8Array(size).fill(0xbb));
    model.fill(0xbb);
  }
  await createImage({
    filename: path,
    format: 'qcow2',
    size,
    optionTexts: [q.options],
    ...(q.backing ? { backingFile: base, backingFormat: 'raw' } : {}),
  });
  const options = new Map([['driver', 'qcow2'], ...Object.entries(q.open ?? {})]);
  const node = (await openImage({
    filename: path,
    options,
    unmap: true,
    noFlush: r.below(2) === 0,
    cacheDirect: q.cacheDirect ?? false,
  })) as Qcow2Node;
  const { s } = node;
  if (r.below(3) > 0) slowDown(node.file!, r);
  const saved = new Map<string, Uint8Array>();
  /** What was there before a discard may go or stay where the format cannot say "zero". */
  const discardZeroes = s.header.version >= 3 || !q.backing;
  const where = (round: number): string => `seed ${q.seed} [${q.options}] round ${round}`;
  const one = async (at: number, units: number): Promise<void> => {
    const offset = at * UNIT;
    const bytes = units * UNIT;
    const pick = r.below(100);
    const turns = r.below(4);
    const value = 1 + r.below(255);
    const zero = pick >= 50 && pick < 70;
    const unmap = r.below(2) ? REQ.MAY_UNMAP : 0;
    if (pick < 50) model.fill(value, at, at + units);
    else if (zero) model.fill(0, at, at + units);
    else if (pick < 80 && discardZeroes) {
      const per = s.clusterSize / UNIT;
      const first = Math.ceil(at / per) * per;
      const end = at + units === model.length ? at + units : Math.floor((at + units) / per) * per;
      if (end > first) model.fill(0, first, end);
    }
    const expected = pick >= 80 ? model.slice(at, at + units) : undefined;
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    if (pick < 50) await node.write(offset, new Uint8Array(bytes).fill(value));
    else if (zero) await node.writeZeroes(offset, bytes, unmap);
    else if (pick < 80) {
      if (discardZeroes) await node.discard(offset, bytes);
    } else if (pick < 96) {
      const b = new Uint8Array(bytes);
      await node.read(offset, b);
      for (const [i, v] of expected!.entries())
        if (b[i * UNIT] !== v || b[i * UNIT + 511] !== v)
          throw new Error(`a read of unit ${at + i} shows ${b[i * UNIT]}, not ${v}`);
    } else await node.flush();
  };
  for (let round = 0; round < q.rounds; round++) {
    const requests: Promise<void>[] = [];
    // Neighbours in the same clusters, in random order of sending.
    const cuts: number[] = [];
    let at = r.below(model.length);
    for (let i = 0; i < 16 && at < model.length; i++) {
      const units = Math.min(model.length - at, 1 + r.below(r.below(5) ? 12 : 200));
      cuts.push(at, units);
      at += units + r.below(3);
    }
    for (let i = 0; i < cuts.length; i += 2) requests.push(one(cuts[i]!, cuts[i + 1]!));
    // One in their midst, which every request comes before or after as a whole.
    const amidst = q.snapshots && r.below(4) === 0;
    if (amidst)
      requests.splice(
        r.below(requests.length),
        0,
        s.quiet(() => createSnapshot(s, 'amidst')),
      );
    if (r.below(3) === 0)
      for (const change of changesAmidst(node, r, size)) requests.splice(r.below(requests.length), 0, change());
    const results = await Promise.allSettled(requests);
    if (amidst) await s.quiet(() => deleteSnapshot(s, s.snapshots.find((sn) => sn.name === 'amidst')!));
    for (const result of results)
      if (result.status === 'rejected') throw new Error(`${where(round)}: ${result.reason}`);
    if (q.snapshots && r.below(6) === 0) {
      const list = s.snapshots;
      const pick = r.below(3);
      const sn = list[r.below(Math.max(1, list.length))];
      if (list.length < 3 || !sn) {
        await s.quiet(() => createSnapshot(s, `s${round}`));
        saved.set(`s${round}`, model.slice());
      } else if (pick === 0) {
        await s.quiet(() => applySnapshot(s, sn));
        model.set(saved.get(sn.name)!);
      } else await s.quiet(() => deleteSnapshot(s, sn));
    }
    if (round % 20 === 19 || round === q.rounds - 1) await compare(node, model, where(round));
  }
  const again = await reopenToCheck(node, path);
  await compare(again, model, `${where(q.rounds)} after closing`);
  const result = await again.check('none', () => {});
  await closeImage(again);
  if (hasQemu) {
    run(['qemu-img', 'check', '-q', path]);
    const raw = join(dir, 'raw');
    await Bun.write(raw, contentOfModel(model));
    run(['qemu-img', 'compare', '-q', path, raw]);
  }
  if (result.corruptions || result.leaks || result.checkErrors)
    throw new Error(`${where(q.rounds)}: ${result.corruptions} errors, ${result.leaks} leaks`);
}

/** Two changes of the image, at the end of which it has the size it had. */
function changesAmidst(node: Qcow2Node, r: Random, size: number): (() => Promise<void>)[] {
  const { s } = node;
  const resized = async (): Promise<void> => {
    // (One after the other, whatever else is going on.)
    await Promise.all([node.truncate(size + 512 * (1 + r.below(4096))), node.truncate(size)]);
  };
  const amended = (name: string, value: string) => () => node.amend(new Map([[name, value]]), () => {});
  const bitmaps = async (): Promise<void> => {
    const name = `b${r.next()}`;
    await Promise.all([
      s.quiet(() => addBitmap(s, name, 512, false)),
      s.quiet(() => clearBitmap(s, name)),
      s.quiet(() => removeBitmap(s, name)),
    ]);
  };
  const backing = (): Promise<void> => node.changeBackingFile(node.backingFileName, node.backingFormatName);
  const all = [resized, backing];
  if (s.header.version >= 3)
    all.push(
      amended('lazy_refcounts', 'on'),
      amended('lazy_refcounts', 'off'),
      amended('refcount_bits', '32'),
      bitmaps,
    );
  return [all[r.below(all.length)]!, all[r.below(all.length)]!];
}

/** Makes every request of a file take some turns of the event loop, before and after it is done. */
function slowDown(file: BlockNode, r: Random): void {
  const later = async (): Promise<void> => {
    for (let i = r.below(4); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
  };
  for (const name of ['read', 'write', 'writeZeroes', 'discard', 'flush', 'truncate'] as const) {
    const real = file[name] as (...args: unknown[]) => unknown;
    (file as unknown as Record<string, unknown>)[name] = async (...args: unknown[]) => {
      await later();
      await real.apply(file, args);
      await later();
    };
  }
}

/** The disk a model stands for. */
function contentOfModel(model: Uint8Array): Uint8Array {
  const out = new Uint8Array(model.length * UNIT);
  for (const [i, value] of model.entries()) out.fill(value, i * UNIT, (i + 1) * UNIT);
  return out;
}

async function compare(node: Qcow2Node, model: Uint8Array, where: string): Promise<void> {
  const content = await contentOf(node);
  for (let i = 0; i < content.length; i++)
    if (content[i] !== model[i >>> 9]) throw new Error(`${where}: byte ${i} is ${content[i]}, not ${model[i >>> 9]}`);
}

if (import.meta.main) {
  const { inScratch } = await import('./helpers.ts');
  const first = Number(process.argv[2] ?? 1);
  for (const [i, q] of CONCURRENT.entries()) {
    try {
      await inScratch((dir) => concurrent({ ...q, seed: first + i, rounds: Number(process.argv[3] ?? 200) }, dir));
      console.log(`ok   ${JSON.stringify(q)}`);
    } catch (error) {
      console.log(`FAIL ${JSON.stringify(q)} ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
}
