// Zeroes written from within a cluster to the end of a disk that ends in it took everything before them in the cluster along:
// subclusters were marked as zeroes up to the end, and then the whole cluster, which counts as whole at the end of the disk.
// (Found by tests/block/differential.ts, seed 19, 600 operations, extended_l2=on,data_file=DATA.)
import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { REQ } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';

const dir = mkdtempSync(join(tmpdir(), 'wemu-last-part-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const CLUSTER = 65536;
const SIZE = 2 * CLUSTER + 60416;

for (const dataFile of [false, true]) {
  for (const from of [2 * CLUSTER + 40960, 2 * CLUSTER + 41000, CLUSTER + 512, 2 * CLUSTER]) {
    test(`zeroes from ${from} to the end, ${dataFile ? 'with a data file' : 'in the image'}`, async () => {
      for (const flags of [0, REQ.MAY_UNMAP]) {
        const filename = join(dir, 'image');
        const options = `extended_l2=on${dataFile ? `,data_file=${join(dir, 'data')}` : ''}`;
        await createImage({ filename, format: 'qcow2', optionTexts: [options], size: SIZE });
        const node = await openImage({ filename, unmap: true });
        await node.write(0, new Uint8Array(SIZE).fill(79));
        await node.writeZeroes(from, SIZE - from, flags);
        const shown = new Uint8Array(SIZE);
        await node.read(0, shown);
        expect(shown.indexOf(0)).toBe(from);
        expect(shown.lastIndexOf(79)).toBe(from - 1);
        await closeImage(node);
        rmSync(filename);
        rmSync(join(dir, 'data'), { force: true });
      }
    });
  }
}
