// Closing an image stores its bitmaps and writes its tables, in this order: where a bitmap could not be stored, the tables stayed in memory,
// and what had been written to the disk since the last flush was lost with them. Found by reading.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { ERRNO, errnoError } from '../../src/block/errors.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { addBitmap, listBitmaps } from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { contentOf, freshQcow2, inScratch } from '../block/helpers.ts';

test('a disk is written when it is closed though its bitmap cannot be', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const made = (await freshQcow2(path, 1 << 20)) as Qcow2Node;
    await made.s.lock.with(() => addBitmap(made.s, 'b', 65536, false));
    await closeImage(made);
    const node = (await openImage({ filename: path, options: new Map([['driver', 'qcow2']]) })) as Qcow2Node;
    await node.write(0, new Uint8Array(65536).fill(3));
    const table = (await listBitmaps(node.s))[0]!.tableOffset;
    const file = node.file!;
    const read = file.read.bind(file);
    file.read = (offset, buffer) => (offset === table ? Promise.reject(errnoError(ERRNO.EIO)) : read(offset, buffer));
    await expect(node.close()).rejects.toThrow('Input/output error');
    const again = await openImage({ filename: path, options: new Map([['driver', 'qcow2']]), readOnly: true });
    expect((await contentOf(again)).subarray(0, 65536).every((v) => v === 3)).toBe(true);
    await closeImage(again);
  }));
