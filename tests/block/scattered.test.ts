// Copying images whose clusters lie scattered and next to zeroes: content, what stays unallocated, and where an error is said to be.
import { expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import type { BlockNode } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { contentOf, copyWhole, freshQcow2, inScratch } from './helpers.ts';

const SIZE = 2 << 20;
const SMALL = 1024;
const LARGE = 65536;

/** An image with data in about a third of its small clusters, written in no order, explicit zeroes in others, and large gaps. */
async function scattered(path: string): Promise<BlockNode> {
  const node = await freshQcow2(path, SIZE, `cluster_size=${SMALL}`);
  const clusters = SIZE / SMALL;
  for (let i = 0; i < clusters; i++) {
    const at = ((i * 1237) % clusters) * SMALL;
    // Every fourth large cluster stays empty.
    if (Math.floor(at / LARGE) % 4 === 3) continue;
    if (i % 3 === 0) await node.write(at, new Uint8Array(SMALL).fill((i % 255) + 1));
    else if (i % 7 === 0) await node.writeZeroes(at, SMALL);
  }
  return node;
}

test.each(['raw', '', 'cluster_size=4096', 'extended_l2=on,cluster_size=65536', 'cluster_size=2M'])(
  'scattered clusters are copied as they are, and empty ones stay empty: %s',
  (options) =>
    inScratch(async (dir) => {
      const source = await scattered(join(dir, 'source'));
      const path = join(dir, 'target');
      const raw = options === 'raw';
      if (raw) await createImage({ filename: path, format: 'raw', optionTexts: [], size: SIZE });
      const target = raw
        ? await openImage({ filename: path, options: new Map([['driver', 'raw']]), noFlush: true })
        : await freshQcow2(path, SIZE, options);
      await copyWhole(source, target);
      expect(Buffer.compare(await contentOf(target), await contentOf(source))).toBe(0);
      const unit = raw ? 4096 : target.zeroAlignment;
      const content = await contentOf(source);
      for (let at = 0; at < SIZE; at += unit) {
        const status = await target.blockStatus(at, unit);
        expect(status.data).toBe(content.subarray(at, at + unit).some((b) => b !== 0));
      }
      await closeImage(source);
      await closeImage(target);
    }),
);

test('an error in the middle of what is copied together is told with its own place', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'source');
    const node = await freshQcow2(path, SIZE, 'cluster_size=4096');
    // Backwards, so that no two lie in a row.
    for (let i = 9; i >= 0; i--) await node.write(i * 4096, new Uint8Array(4096).fill(i + 1));
    const place = await node.blockStatus(3 * 4096, 4096);
    await closeImage(node);
    const rules = join(dir, 'rules');
    writeFileSync(rules, `[inject-error]\nevent = "read_aio"\nsector = "${place.offset / 512}"\nerrno = "5"\n`);
    const source = await openImage({ filename: `blkdebug:${rules}:${path}`, noFlush: true });
    const target = await freshQcow2(join(dir, 'target'), SIZE);
    await expect(copyWhole(source, target)).rejects.toThrow('error while reading at byte 12288: Input/output error');
    await closeImage(source);
    await closeImage(target);
  }));
