// An image that had been closed was still locked for a moment now and then: the kernel drops locks with the last reference to the
// open file, which somebody who looks at our descriptors in /proc may hold, or a child that has not yet executed its program.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { closeFd, dup } from '../../src/block/libc.ts';
import { freshQcow2, inScratch } from '../block/helpers.ts';

test('closing an image ends its locks, whoever has the open file', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const open = () => openImage({ filename: path, options: new Map([['driver', 'qcow2']]) });
    await closeImage(await freshQcow2(path, 1 << 20));
    const node = await open();
    const file = [...node.children.values()][0]!.node as unknown as { readonly fd: number };
    const other = dup(file.fd);
    try {
      await expect(open()).rejects.toThrow('Failed to get');
      await closeImage(node);
      await closeImage(await open());
    } finally {
      closeFd(other);
    }
  }));
