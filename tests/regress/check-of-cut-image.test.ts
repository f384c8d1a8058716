// An image whose file had been cut before its L1 table: check -r all put the new refcounts behind the end of the file, just where the
// header still says the L1 table is. It was satisfied with that, and the next who opened the image took refcounts for the L1 table.
// What is written anew now goes behind all that the image refers to.
import { expect, test } from 'bun:test';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { freshQcow2, inScratch } from '../block/helpers.ts';

const CLUSTER = 65536;

for (const kept of [1, 1.5, 2]) {
  test(`a repaired image that was cut after ${kept} clusters is whole when it is opened again`, () =>
    inScratch(async (dir) => {
      const filename = join(dir, 'a');
      const fresh = await freshQcow2(filename, 1 << 20, `cluster_size=${CLUSTER}`);
      await fresh.write(0, new Uint8Array(300_000).fill(1));
      await closeImage(fresh);
      truncateSync(filename, kept * CLUSTER);

      const damaged = (await openImage({ filename, check: true })) as Qcow2Node;
      const repair = await damaged.check('all', () => {});
      expect(repair.corruptionsFixed).toBeGreaterThan(0);
      expect(repair.corruptions).toBe(0);
      await closeImage(damaged);

      const found: string[] = [];
      const again = (await openImage({ filename, readOnly: true })) as Qcow2Node;
      const result = await again.check('none', (line) => found.push(line));
      expect({ found, corruptions: result.corruptions, leaks: result.leaks }).toEqual({
        found: [],
        corruptions: 0,
        leaks: 0,
      });
      const content = new Uint8Array(1 << 20);
      await again.read(0, content);
      expect(content.every((byte) => byte === 0)).toBe(true);
      await closeImage(again);
    }));
}
