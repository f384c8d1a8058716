// Changes of an image through its node were not kept apart from each other and from requests under way: two resizes mixed their headers, a
// write that had waited for a shrinking left a cluster behind the end of the disk, a snapshot took a size that was not yet the disk's, zero
// clusters came into an image that had become version 2 meanwhile, a write after `clear` was missing in the bitmap, as was any in a bitmap
// added since the image was opened, and what was written while an image became read-only was lost. Found by review: wemu-img
// does one thing at a time, a daemon does not.
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { type BlockNode, PERM } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { addBitmap, clearBitmap, dirtyRanges } from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { createSnapshot } from '../../src/block/qcow2/snapshot.ts';
import { contentOf, eventually, freshQcow2, inScratch, reopenToCheck } from '../block/helpers.ts';

const CLUSTER = 65536;

/** Lets what is under way go on for some turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Makes each request of a node take some turns before it is done. */
function slowDown(node: BlockNode, count = 3): void {
  for (const name of ['read', 'write', 'writeZeroes', 'flush', 'truncate'] as const) {
    const real = node[name] as (...args: unknown[]) => unknown;
    (node as unknown as Record<string, unknown>)[name] = async (...args: unknown[]) => {
      await turns(count);
      return real.apply(node, args);
    };
  }
}

/** Closes an image, and throws for anything that a check finds in it; returns it opened for reading. */
async function reopened(node: BlockNode, path: string): Promise<Qcow2Node> {
  const again = await reopenToCheck(node, path);
  const lines: string[] = [];
  const { corruptions, leaks } = await again.check('none', (line) => lines.push(line));
  expect({ corruptions, leaks, lines }).toEqual({ corruptions: 0, leaks: 0, lines: [] });
  return again;
}

const fill = (node: BlockNode, at: number, value: number, bytes = CLUSTER): Promise<void> =>
  eventually(() => node.write(at, new Uint8Array(bytes).fill(value)));

const withNode = (size: number, options: string, body: (node: Qcow2Node, path: string) => Promise<void>) => () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const node = (await freshQcow2(path, size, options)) as Qcow2Node;
    await body(node, path);
  });

test('resizes of a raw disk come one after the other, and after writes under way', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    writeFileSync(path, new Uint8Array(4 << 20).fill(1));
    const node = await openImage({ filename: path, options: new Map([['driver', 'raw']]) });
    const writing = fill(node, 1 << 20, 2, 3 << 20);
    const resizing = [node.truncate(1 << 20), node.truncate(9 << 20, 'full'), node.truncate(2 << 20)];
    await Promise.all([writing, ...resizing]);
    expect(node.length).toBe(2 << 20);
    await node.close();
    const content = readFileSync(path);
    expect(content.length).toBe(2 << 20);
    expect(content.indexOf(0)).toBe(1 << 20);
    expect(content.lastIndexOf(1)).toBe((1 << 20) - 1);
  }));

test(
  'resizes come one after the other',
  withNode(1 << 20, 'cluster_size=512', async (node, path) => {
    await fill(node, 0, 1, 1 << 20);
    slowDown(node.file!);
    await Promise.all([node.truncate(4 << 20), node.truncate(1 << 19), node.truncate(8 << 20), node.truncate(2 << 20)]);
    expect(node.length).toBe(2 << 20);
    const again = await reopened(node, path);
    const content = await contentOf(again);
    expect(content.length).toBe(2 << 20);
    expect(content.lastIndexOf(1)).toBe((1 << 19) - 1);
    await closeImage(again);
  }),
);

test(
  'a write that waited for a shrinking fails, and leaves nothing',
  withNode(1 << 20, '', async (node, path) => {
    await fill(node, 0, 1);
    slowDown(node.file!);
    const resizing = node.truncate(1 << 19);
    await turns(5);
    const writing = fill(node, 3 << 18, 7, 3 * CLUSTER);
    const zeroing = node.writeZeroes((3 << 18) + 1, CLUSTER);
    const discarding = node.discard(3 << 18, CLUSTER);
    await resizing;
    await expect(writing).rejects.toThrow('Input/output error');
    await expect(zeroing).rejects.toThrow('Input/output error');
    await discarding;
    await node.truncate(1 << 20);
    const again = await reopened(node, path);
    expect((await contentOf(again)).includes(7)).toBe(false);
    await closeImage(again);
  }),
);

test('a snapshot has the size that the disk has', () =>
  inScratch(async (dir) => {
    const [path, base] = [join(dir, 'a'), join(dir, 'base')];
    writeFileSync(base, new Uint8Array(1 << 20).fill(5));
    for (const compat of ['0.10', '1.1']) {
      await createImage({
        filename: path,
        format: 'qcow2',
        size: 1 << 18,
        optionTexts: [`compat=${compat}`],
        backingFile: base,
        backingFormat: 'raw',
      });
      const node = (await openImage({ filename: path })) as Qcow2Node;
      slowDown(node.file!);
      const resizing = node.truncate(1 << 20);
      const taking = turns(10).then(() => node.s.quiet(() => createSnapshot(node.s, 's')));
      const lengths = new Set<number>();
      while (!node.s.snapshots[0]) {
        lengths.add(node.length);
        if (node.length < 1 << 20) expect(readFileSync(path).readUIntBE(26, 6)).toBeLessThan((1 << 20) + 1);
        else expect(readFileSync(path).readUIntBE(26, 6)).toBe(1 << 20);
        await turns(1);
      }
      await Promise.all([resizing, taking]);
      expect(node.s.snapshots[0]!.diskSize).toBe(1 << 20);
      expect([...lengths].sort()).toEqual([1 << 20, 1 << 18]);
      const again = await reopened(node, path);
      const content = await contentOf(again);
      expect(content.lastIndexOf(5)).toBe((1 << 18) - 1);
      await closeImage(again);
    }
  }));

test(
  'an image that becomes version 2 gets no zero clusters',
  withNode(1 << 20, '', async (node, path) => {
    await fill(node, 0, 1, 1 << 20);
    slowDown(node.file!);
    const amending = node.amend(new Map([['compat', '0.10']]), () => {});
    const zeroing = node.writeZeroes(0, 4 * CLUSTER);
    await Promise.all([amending, zeroing]);
    const again = await reopened(node, path);
    expect((await contentOf(again)).lastIndexOf(0)).toBe(4 * CLUSTER - 1);
    await closeImage(again);
  }),
);

test(
  'bitmaps know of each write that ends after they were added or cleared',
  withNode(1 << 20, '', async (node, path) => {
    const { s } = node;
    await s.quiet(() => addBitmap(s, 'a', CLUSTER, false));
    await fill(node, 0, 1);
    slowDown(node.file!);
    const first = fill(node, 4 * CLUSTER, 2);
    await turns(1);
    const clearing = s.quiet(() => clearBitmap(s, 'a'));
    const second = fill(node, 8 * CLUSTER, 3);
    await clearing;
    await Promise.all([first, second]);
    await s.quiet(() => addBitmap(s, 'b', CLUSTER, false));
    await fill(node, 10 * CLUSTER, 4);
    const again = await reopened(node, path);
    expect(await dirtyRanges(again.s, 'a')).toEqual([
      [8 * CLUSTER, 9 * CLUSTER],
      [10 * CLUSTER, 11 * CLUSTER],
    ]);
    expect(await dirtyRanges(again.s, 'b')).toEqual([[10 * CLUSTER, 11 * CLUSTER]]);
    await closeImage(again);
  }),
);

test(
  'what was written while an image became read-only is there',
  withNode(1 << 20, '', async (node, path) => {
    slowDown(node.file!, 20);
    const early = fill(node, 0, 1);
    await turns(2);
    await expect(node.setReadOnly(true)).rejects.toThrow('in use for writing');
    node.use('root', PERM.CONSISTENT_READ, PERM.ALL);
    const ending = node.setReadOnly(true);
    const late = fill(node, CLUSTER, 2).then(
      () => 2,
      () => 0,
    );
    await early;
    await ending;
    const expected = await late;
    const again = await reopened(node, path);
    const content = await contentOf(again);
    expect(content[0]).toBe(1);
    expect(content[CLUSTER]).toBe(expected);
    await closeImage(again);
  }),
);
