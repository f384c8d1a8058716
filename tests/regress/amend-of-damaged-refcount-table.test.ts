// Changing the width of refcounts counted the old blocks where the table said they were: an entry far outside of the file asked
// for a table of exabytes, and the command ended with the engine's own error. Found by tests/block/fuzz.ts.
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { freshQcow2, inScratch } from '../block/helpers.ts';

for (const [what, offset] of [
  ['outside of the file', 2 ** 50],
  ['named twice', undefined],
] as const) {
  test(`refcounts cannot be made wider when a block is ${what}`, () =>
    inScratch(async (dir) => {
      const path = join(dir, 'a');
      await closeImage(await freshQcow2(path, 1 << 20));
      const image = readFileSync(path);
      const table = Number(image.readBigUInt64BE(48));
      image.writeBigUInt64BE(offset === undefined ? image.readBigUInt64BE(table) : BigInt(offset), table + 8);
      writeFileSync(path, image);
      const node = (await openImage({ filename: path, noFlush: true })) as Qcow2Node;
      await expect(node.amend(new Map([['refcount_bits', '32']]), () => {})).rejects.toThrow('Input/output error');
      await closeImage(node);
    }));
}
