// With cache.direct a write that ended within a block behind the end of the file cut the file to its own end afterwards, and with
// it what another write had put behind that meanwhile. Zeroes put beside such a write were overwritten by its old copy of the block.
import { expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BlockNode, REQ } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { contentOf, inScratch } from '../block/helpers.ts';

/** Runs a body on a file opened for direct I/O; does nothing where the file system has none. */
const onDirect = (bytes: number, body: (node: BlockNode) => Promise<void>) => () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    writeFileSync(path, Buffer.alloc(bytes, 0x11));
    let node: BlockNode;
    try {
      node = await openImage({
        options: new Map([
          ['driver', 'file'],
          ['filename', path],
        ]),
        cacheDirect: true,
        unmap: true,
      });
    } catch (error) {
      expect((error as Error).message).toContain('O_DIRECT');
      return;
    }
    await body(node);
    await closeImage(node);
  });

/** Some turns of the event loop later. */
async function later(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

test(
  'writes behind the end at the same time all stay',
  onDirect(0, async (node) => {
    for (let round = 0; round < 40; round++) {
      const start = node.length;
      const pieces = Array.from({ length: 8 }, (_, i) => ({
        at: start + i * 70000 + (i % 3) * 512,
        value: 1 + ((round + i) % 200),
      }));
      if (round % 2) pieces.reverse();
      await Promise.all(pieces.map(({ at, value }) => node.write(at, new Uint8Array(1000).fill(value))));
      for (const { at, value } of pieces) {
        const b = new Uint8Array(1000);
        await node.read(at, b);
        expect(b.every((v) => v === value)).toBe(true);
      }
    }
  }),
);

test(
  'zeroes and discards beside a write under way stay',
  onDirect(1 << 20, async (node) => {
    for (let block = 0; block < 200; block++) {
      const at = block * 4096;
      await Promise.all([
        node.write(at, new Uint8Array(512).fill(0x22)),
        later(block % 11).then(() =>
          block % 2 ? node.writeZeroes(at + 512, 512, REQ.MAY_UNMAP) : node.discard(at + 512, 512),
        ),
      ]);
    }
    const content = await contentOf(node);
    for (let block = 0; block < 200; block++) {
      const at = block * 4096;
      expect([content[at], content[at + 512], content[at + 1023], content[at + 1024]]).toEqual([0x22, 0, 0, 0x11]);
    }
  }),
);
