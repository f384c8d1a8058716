// Zeroes for a part of a cluster become a change of its mapping when the rest of the cluster reads as zero. That was looked up
// before the cluster was held: a write to the rest, begun but not ended, was then lost. wemu-img convert -n did that where data
// ended inside a cluster. Found by comparing images on a loop device.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { REQ } from '../../src/block/driver.ts';
import { closeImage } from '../../src/block/graph.ts';
import { contentOf, freshQcow2, inScratch } from '../block/helpers.ts';

for (const options of ['', 'extended_l2=on', 'cluster_size=2M']) {
  test(`a write and zeroes side by side in one cluster, at the same time: ${options || 'defaults'}`, () =>
    inScratch(async (dir) => {
      const size = 16 << 20;
      const node = await freshQcow2(join(dir, 'a'), size, options);
      const expected = Buffer.alloc(size);
      const requests: Promise<void>[] = [];
      for (let at = 0, n = 0; at < size; at += 1 << 19, n++) {
        const data = 100000 + n * 512;
        expected.fill(n + 1, at, at + data);
        const write = async (): Promise<void> => node.write(at, new Uint8Array(data).fill(n + 1));
        const zeroes = (): Promise<void> => node.writeZeroes(at + data, 30000, n % 2 ? REQ.MAY_UNMAP : 0);
        // Whichever comes first.
        requests.push(...(n % 3 ? [write(), zeroes()] : [zeroes(), write()]));
      }
      await Promise.all(requests);
      expect(Buffer.from(await contentOf(node)).equals(expected)).toBe(true);
      await closeImage(node);
    }));
}
