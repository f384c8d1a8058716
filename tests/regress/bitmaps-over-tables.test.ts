// Bits of persistent bitmaps are written where the image's bitmap table says. Whether that is a place for them was not looked at: a
// damaged table had them put over the L1 table when the image was closed. Found by reading.
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { addBitmap, listBitmaps } from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { contentOf, freshQcow2, inScratch } from '../block/helpers.ts';

const QCOW2 = new Map([['driver', 'qcow2']]);

for (const [name, place] of [
  ['the L1 table', (node: Qcow2Node) => node.s.header.l1Offset],
  ['no cluster', (node: Qcow2Node) => node.s.header.l1Offset + 512],
] as const)
  test(`bits whose place is ${name} are not written`, () =>
    inScratch(async (dir) => {
      const path = join(dir, 'a');
      const made = (await freshQcow2(path, 8 << 20)) as Qcow2Node;
      await made.write(0, new Uint8Array(512).fill(3));
      await made.s.lock.with(() => addBitmap(made.s, 'b', 65536, false));
      const table = (await listBitmaps(made.s))[0]!.tableOffset;
      const bits = place(made);
      await closeImage(made);
      const image = readFileSync(path);
      image.writeBigUInt64BE(BigInt(bits), table);
      writeFileSync(path, image);
      const node = await openImage({ filename: path, options: QCOW2 });
      // Its bit would make the first L1 entry name another cluster.
      await node.write(5 * 8 * 65536, new Uint8Array(512).fill(4));
      await expect(closeImage(node)).rejects.toThrow();
      const again = await openImage({ filename: path, options: QCOW2, readOnly: true });
      const content = await contentOf(again);
      expect([content[0], content[5 * 8 * 65536]]).toEqual([3, 4]);
      await closeImage(again);
    }));
