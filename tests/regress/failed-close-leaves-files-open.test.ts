// Where a node's file could not be closed (the preallocate filter cuts its file then), the backing file below stayed open, with its locks.
// Found by reading.
import { expect, test } from 'bun:test';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { ERRNO, errnoError } from '../../src/block/errors.ts';
import { openImage } from '../../src/block/graph.ts';
import { inScratch } from '../block/helpers.ts';

/** Open descriptors of files in a folder. */
const openIn = (dir: string): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(dir) ? [path] : [];
    } catch {
      return [];
    }
  });

test('all children are closed, whatever fails', () =>
  inScratch(async (dir) => {
    const base = join(dir, 'base');
    const top = join(dir, 'top');
    await createImage({ filename: base, format: 'raw', size: 1 << 20 });
    await createImage({ filename: top, format: 'qcow2', size: 1 << 20 });
    const node = await openImage({
      options: new Map([
        ['driver', 'qcow2'],
        ['file.driver', 'preallocate'],
        ['file.file.filename', top],
        ['backing.driver', 'raw'],
        ['backing.file.filename', base],
      ]),
    });
    await node.write(0, new Uint8Array(512).fill(1));
    await node.flush();
    const file = node.file!.file!;
    file.truncate = () => Promise.reject(errnoError(ERRNO.EIO));
    await expect(node.close()).rejects.toThrow('Input/output error');
    expect(openIn(dir)).toEqual([]);
  }));
