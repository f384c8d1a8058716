// In an image whose refcount table does not name the first block, the clusters of header and tables seem to be free. The first write
// made a refcount block of the header's cluster: the image was destroyed. Refused now, as with qemu-img. Found by reading.
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { contentOf, eventually, freshQcow2, inScratch } from '../block/helpers.ts';

for (const overlapCheck of ['cached', 'none'])
  test(`an image without its first refcount block survives a write (overlap-check=${overlapCheck})`, () =>
    inScratch(async (dir) => {
      const path = join(dir, 'a');
      const made = (await freshQcow2(path, 1 << 20)) as Qcow2Node;
      await made.write(0, new Uint8Array(65536).fill(5));
      const { refTableOffset } = made.s.header;
      await closeImage(made);
      const image = readFileSync(path);
      image.fill(0, refTableOffset, refTableOffset + 8);
      writeFileSync(path, image);
      const options = new Map([
        ['driver', 'qcow2'],
        ['overlap-check', overlapCheck],
      ]);
      const node = await openImage({ filename: path, options });
      await expect(eventually(() => node.write(1 << 19, new Uint8Array(65536).fill(6)))).rejects.toThrow(
        'Input/output error',
      );
      await node.close();
      const again = await openImage({ filename: path, options: new Map([['driver', 'qcow2']]), readOnly: true });
      expect((await contentOf(again)).subarray(0, 65536).every((v) => v === 5)).toBe(true);
      await again.close();
      // All that was written is the mark.
      expect(readFileSync(path).subarray(104).equals(image.subarray(104))).toBe(true);
    }));
