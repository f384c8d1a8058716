// A check counted the first cluster of an L2 table as fragmented when it did not follow the last one of the table before,
// where the new table itself lies between them. qemu-img begins anew with each table, so that an image written from front to
// back has no fragmented clusters. Found by comparing the two tools on an image of a gigabyte.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { freshQcow2, hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';

test.skipIf(!hasQemu)(`clusters in order are not fragmented, however many tables they need${QEMU_NOTE}`, () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const image = await freshQcow2(path, 1 << 20, 'cluster_size=512');
    // A table of 512 bytes maps 32 KiB. Two places are out of order.
    for (let at = 0; at < 1 << 20; at += 8192) if (at !== 65536) await image.write(at, new Uint8Array(8192).fill(1));
    await image.write(65536, new Uint8Array(8192).fill(2));
    await closeImage(image);
    const said = JSON.parse(run(['qemu-img', 'check', '--output=json', path])) as Record<string, number>;
    const node = (await openImage({ filename: path, readOnly: true, check: true })) as Qcow2Node;
    const result = await node.check('none', () => {});
    await closeImage(node);
    expect(result.allocatedClusters).toBe(2048);
    expect(result.fragmentedClusters).toBe(said['fragmented-clusters']!);
    expect(result.fragmentedClusters).toBeGreaterThan(0);
  }),
);
