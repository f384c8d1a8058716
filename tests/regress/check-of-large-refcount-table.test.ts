// A check asked for the end of the refcount table, which it found by looking at the table, before each of its entries. Images
// whose header claims a large table full of entries took seconds. Found by tests/block/fuzz.ts.
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { freshQcow2, inScratch, stopwatch } from '../block/helpers.ts';

test('a check takes time in proportion to the refcount table', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    await closeImage(await freshQcow2(path, 1 << 20));
    const image = readFileSync(path);
    const table = Number(image.readBigUInt64BE(48));
    // A table of a million entries, the last one in use at 400000: it names a block behind the end of the file.
    image.writeUInt32BE(128, 56);
    const out = Buffer.concat([image, Buffer.alloc(table + 128 * 65536 - image.length)]);
    out.writeBigUInt64BE(0x100000000n, table + 400000 * 8);
    writeFileSync(path, out);
    const node = (await openImage({ filename: path, readOnly: true, check: true })) as Qcow2Node;
    const elapsed = stopwatch();
    const result = await node.check('none', () => {});
    expect(result.corruptions).toBeGreaterThan(0);
    // It was more than a minute.
    expect(elapsed()).toBeLessThan(15_000);
    await closeImage(node);
  }));
