// Clusters freed since the last flush are held back, and the search for free clusters went past them for good: a guest that frees as
// much as it writes made the file longer for ever (206 clusters after 200 rounds where 7 are enough). Found by reading.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { OptionValue } from '../../src/block/options.ts';
import { inScratch } from '../block/helpers.ts';

test('an image in which as much is freed as is written does not grow', () =>
  inScratch(async (dir) => {
    const filename = join(dir, 'a');
    await createImage({ filename, format: 'qcow2', size: 64 << 20 });
    const node = await openImage({
      filename,
      options: new Map<string, OptionValue>([
        ['driver', 'qcow2'],
        ['pass-discard-request', false],
      ]),
      unmap: true,
    });
    const cluster = new Uint8Array(65536).fill(7);
    await node.write(0, cluster);
    for (let round = 0; round < 40; round++) {
      const [old, fresh] = round % 2 === 0 ? [0, 1 << 20] : [1 << 20, 0];
      await node.discard(old, cluster.length);
      await node.write(fresh, cluster);
      await node.flush();
    }
    // Header, L1, refcount table and block, L2, and two clusters in turn.
    expect(node.file!.length / cluster.length).toBe(7);
    await closeImage(node);
  }));
