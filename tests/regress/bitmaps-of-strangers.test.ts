// Merging, copying and recording dirty bitmaps took memory for every bit and as long as the image liked: two megabytes whose table says "all
// ones" or names one cluster again and again, or whose bitmap is coarse where the other is fine, or thousands of bitmaps, or bitmaps that
// share one table, were gigabytes and minutes. Found by review.
import { expect, test } from 'bun:test';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import type { BlockNode } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import {
  addBitmap,
  addBitmaps,
  clearBitmap,
  copyBitmaps,
  dirtyRanges,
  listBitmaps,
  mergeBitmap,
} from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { Random } from '../block/differential.ts';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';
import { TEST_LIMIT } from '../setup/limits.ts';

const open = (filename: string, extra: object = {}): Promise<Qcow2Node> =>
  openImage({ filename, options: new Map([['driver', 'qcow2']]), noFlush: true, ...extra }) as Promise<Qcow2Node>;

interface Wanted {
  name: string;
  granularity: number;
}

async function make(path: string, size: number, options: string, bitmaps: readonly Wanted[]): Promise<Qcow2Node> {
  await createImage({ filename: path, format: 'qcow2', size, optionTexts: [options] });
  const node = await open(path);
  await node.s.quiet(() =>
    addBitmaps(
      node.s,
      bitmaps.map((b) => ({ ...b, disabled: false })),
    ),
  );
  return node;
}

async function rangesIn(path: string, name: string): Promise<[number, number][]> {
  const node = await open(path, { readOnly: true });
  const ranges = await dirtyRanges(node.s, name);
  await node.close();
  return ranges;
}

/** Counts what is read from and written to a node. */
function counted(node: BlockNode): { calls: number; bytes: number } {
  const count = { calls: 0, bytes: 0 };
  for (const name of ['read', 'write'] as const) {
    const real = node[name].bind(node);
    node[name] = (offset: number, b: Uint8Array, flags?: number) => {
      count.calls++;
      count.bytes += b.length;
      return real(offset, b, flags as number);
    };
  }
  return count;
}

/** Peak of this process's memory in bytes; begins anew. */
function peakMemory(): number {
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))![1]) * 1024;
  writeFileSync('/proc/self/clear_refs', '5');
  return peak;
}

/** Fills the table of a bitmap on disk. */
async function fillTable(path: string, name: string, entry: (index: number) => number): Promise<void> {
  const node = await open(path, { readOnly: true });
  const { tableOffset, tableSize } = (await listBitmaps(node.s)).find((b) => b.name === name)!;
  await node.close();
  const b = readFileSync(path);
  for (let i = 0; i < tableSize; i++) b.writeBigUInt64BE(BigInt(entry(i)), tableOffset + i * 8);
  writeFileSync(path, b);
}

test(
  `bitmaps of any granularity and cluster size are merged as by qemu-img${QEMU_NOTE}`,
  () =>
    inScratch(async (dir) => {
      const r = new Random(61);
      const [from, to, other] = [join(dir, 'from'), join(dir, 'to'), join(dir, 'other')];
      for (const [sourceCluster, source, targetCluster, target] of [
        [512, 512, 512, 512],
        [512, 512, 4096, 65536],
        [512, 1024, 512, 512],
        [4096, 65536, 512, 512],
        [65536, 65536, 512, 4096],
        [512, 2 ** 21, 65536, 512],
        [512, 512, 512, 2 ** 22],
        [512, 2 ** 22, 512, 2 ** 24],
        [2048, 2048, 512, 1024],
      ] as const) {
        const size = (24 << 20) + 512 * r.below(100_000);
        const a = await make(from, size, `cluster_size=${sourceCluster}`, [{ name: 's', granularity: source }]);
        const b = await make(to, size, `cluster_size=${targetCluster}`, [{ name: 'd', granularity: target }]);
        for (const node of [a, b]) {
          for (let i = 0; i < 12; i++) {
            const at = r.below(size / 512) * 512;
            const bytes = Math.min(size - at, 512 * (1 + r.below(i < 3 ? 9000 : 20)));
            await node.writeZeroes(at, bytes);
          }
          // (Every other unit of somewhere, and the last ones of the disk.)
          for (let i = 0; i < 40; i++) await node.writeZeroes(((4 << 20) + i * 2 * source) % size, 512);
          await node.writeZeroes(size - 512, 512);
          await closeImage(node);
        }
        copyFileSync(to, other);
        const node = await open(to);
        const read = await open(from, { readOnly: true });
        await node.s.quiet(() => mergeBitmap(node.s, 'd', read.s, 's'));
        await closeImage(read);
        await closeImage(node);
        const ranges = await rangesIn(to, 'd');
        expect(ranges.length).toBeGreaterThan(0);
        if (!hasQemu) continue;
        run(['qemu-img', 'check', '-q', to]);
        run(['qemu-img', 'bitmap', '--merge', 's', '-b', from, '-F', 'qcow2', other, 'd']);
        expect(ranges).toEqual(await rangesIn(other, 'd'));
      }
    }),
  TEST_LIMIT,
);

test(
  'all ones take no memory, however fine the bits are',
  () =>
    inScratch(async (dir) => {
      const path = join(dir, 'a');
      const size = 2 ** 43;
      await closeImage(
        await make(path, size, '', [
          { name: 's', granularity: 2 ** 26 },
          { name: 'd', granularity: 512 },
        ]),
      );
      await fillTable(path, 's', () => 1);
      peakMemory();
      const before = process.memoryUsage.rss();
      const node = await open(path);
      const count = counted(node.file!);
      await node.s.quiet(() => mergeBitmap(node.s, 'd', node.s, 's'));
      expect(count.bytes).toBeLessThan(2 << 20);
      expect(await dirtyRanges(node.s, 'd')).toEqual([[0, size]]);
      await closeImage(node);
      expect(peakMemory() - before).toBeLessThan(128 << 20);
    }),
  TEST_LIMIT,
);

test('a cluster that is in a table again and again is read a few times only', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const node = await make(path, 2 ** 43, '', [
      { name: 's', granularity: 512 },
      { name: 'd', granularity: 512 },
    ]);
    await closeImage(node);
    const cluster = Math.ceil(readFileSync(path).length / 65536) * 65536;
    await fillTable(path, 's', () => cluster);
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(65536, 0x55)]).subarray(0));
    const again = await open(path);
    const count = counted(again.file!);
    const merging = again.s.quiet(() => mergeBitmap(again.s, 'd', again.s, 's'));
    await expect(merging).rejects.toThrow("Bitmap 's' has clusters more than once");
    expect(count.bytes).toBeLessThan(16 << 20);
    await closeImage(again);
  }));

test(
  'a coarse bitmap of few bytes does not become gigabytes of a fine one',
  () =>
    inScratch(async (dir) => {
      const [from, to] = [join(dir, 'from'), join(dir, 'to')];
      const size = 2 ** 42;
      const source = await make(from, size, '', [{ name: 's', granularity: 2 ** 27 }]);
      // Every other bit: each entry of the target is in part set.
      for (let at = 0; at < size; at += 2 ** 28) source.s.recordWrite!(at, 512);
      await closeImage(source);
      const target = await make(to, size, '', [{ name: 'd', granularity: 512 }]);
      const read = await open(from, { readOnly: true });
      const count = counted(target.file!);
      const merging = target.s.quiet(() => mergeBitmap(target.s, 'd', read.s, 's'));
      await expect(merging).rejects.toThrow('Bitmap is too large');
      expect(count.bytes).toBeLessThan(2 ** 29);
      await read.close();
      await closeImage(target);
    }),
  TEST_LIMIT,
);

test('tables that lie one over another are refused', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const names = Array.from({ length: 40 }, (_, i) => ({ name: `b${i}`, granularity: 512 }));
    const node = await make(path, 2 ** 40, '', names);
    const list = await listBitmaps(node.s);
    const { directoryOffset } = node.s.header.bitmaps!;
    await closeImage(node);
    const b = readFileSync(path);
    let at = directoryOffset;
    for (const { name } of list) {
      b.writeBigUInt64BE(BigInt(list[0]!.tableOffset), at);
      b.writeUInt32BE(Math.floor(b.length / 16), at + 8);
      at += Math.ceil((24 + name.length) / 8) * 8;
    }
    writeFileSync(path, b);
    await expect(open(path)).rejects.toThrow('The tables of the bitmaps overlap');
    const again = await open(path, { readOnly: true, check: true });
    const count = counted(again.file!);
    const lines: string[] = [];
    expect((await again.check('none', (line) => lines.push(line))).corruptions).toBeGreaterThan(0);
    expect(lines).toContain('ERROR bitmap directory is corrupt');
    expect(count.bytes).toBeLessThan(1 << 20);
    await again.close();
  }));

test('a table for another size of the disk is no use', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const node = await make(path, 1 << 30, 'cluster_size=512', [{ name: 'b', granularity: 512 }]);
    const { directoryOffset } = node.s.header.bitmaps!;
    await closeImage(node);
    const b = readFileSync(path);
    b.writeUInt32BE(b.readUInt32BE(directoryOffset + 8) - 1, directoryOffset + 8);
    writeFileSync(path, b);
    const again = await open(path);
    const message = "Could not read bitmap 'b' from image: Invalid argument";
    await expect(again.s.quiet(() => clearBitmap(again.s, 'b'))).rejects.toThrow(message);
    await expect(again.truncate(2 << 30)).rejects.toThrow(message);
    await again.writeZeroes(0, 512);
    await closeImage(again);
    // What nobody recorded is not called complete.
    const last = await open(path, { readOnly: true });
    expect((await listBitmaps(last.s))[0]!.inconsistent).toBe(true);
    await last.close();
  }));

test(
  'thousands of bitmaps share what is recorded, and are copied in one go',
  () =>
    inScratch(async (dir) => {
      const [path, copy] = [join(dir, 'a'), join(dir, 'b')];
      const names = Array.from({ length: 4000 }, (_, i) => ({ name: `b${i}`, granularity: i % 2 ? 512 : 4096 }));
      const node = await make(path, 64 << 20, '', names);
      peakMemory();
      const before = process.memoryUsage.rss();
      for (let at = 0; at < 64 << 20; at += 1 << 20) await node.writeZeroes(at, 1 << 19);
      expect(peakMemory() - before).toBeLessThan(64 << 20);
      await node.abandon();
      const source = await make(path, 64 << 20, '', names);
      await closeImage(source);
      const target = await make(copy, 64 << 20, '', []);
      const read = await open(path, { readOnly: true });
      const count = counted(target.file!);
      await target.s.quiet(() => copyBitmaps(target.s, read.s, () => {}));
      expect(count.bytes).toBeLessThan(4 << 20);
      await read.close();
      await closeImage(target);
      const last = await open(copy, { readOnly: true });
      expect((await listBitmaps(last.s)).map((b) => b.name)).toEqual(names.map((b) => b.name));
      await last.close();
    }),
  TEST_LIMIT,
);

test('a bitmap records from when it is enabled until it is not, beside others', () =>
  inScratch(async (dir) => {
    const { enableBitmap } = await import('../../src/block/qcow2/bitmap.ts');
    const path = join(dir, 'a');
    const node = await make(path, 1 << 20, '', [
      { name: 'a', granularity: 4096 },
      { name: 'b', granularity: 4096 },
    ]);
    const write = (at: number): Promise<void> => node.writeZeroes(at * 4096, 4096);
    const { s } = node;
    await write(0);
    await s.quiet(() => enableBitmap(s, 'b', false));
    await write(2);
    await s.quiet(() => clearBitmap(s, 'a'));
    await s.quiet(() => addBitmap(s, 'c', 4096, false));
    await write(4);
    await s.quiet(() => enableBitmap(s, 'b', true));
    await write(6);
    await s.quiet(() => mergeBitmap(s, 'c', s, 'b'));
    await closeImage(node);
    const of = async (name: string): Promise<number[]> => (await rangesIn(path, name)).map(([start]) => start / 4096);
    expect(await of('a')).toEqual([4, 6]);
    expect(await of('b')).toEqual([0, 6]);
    expect(await of('c')).toEqual([0, 4, 6]);
  }));
