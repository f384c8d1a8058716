// A check that repairs leaks, of an image that is being written to, took clusters that were given out and not yet mapped for leaks, and
// freed them. It waits for what is under way now. Found by reading; no command does both at once.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { freshQcow2, inScratch } from '../block/helpers.ts';

test('clusters of a write under way are no leaks', () =>
  inScratch(async (dir) => {
    const node = (await freshQcow2(join(dir, 'a'), 1 << 20)) as Qcow2Node;
    // Free space within the file.
    await node.write(0, new Uint8Array(131072).fill(1));
    await node.discard(0, 65536);
    await node.flush();
    const file = node.file!;
    const write = file.write.bind(file);
    let begun = (): void => {};
    let end = (): void => {};
    const writing = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const hold = new Promise<void>((resolve) => {
      end = resolve;
    });
    file.write = async (offset, bytes, flags) => {
      if (bytes[0] === 7) {
        begun();
        await hold;
      }
      await write(offset, bytes, flags);
    };
    const request = node.write(0, new Uint8Array(65536).fill(7));
    await writing;
    // (Loaded before, so that it would be over by the time the write goes on.)
    await import('../../src/block/qcow2/check.ts');
    const check = node.check('leaks', () => {});
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    end();
    await request;
    expect((await check).leaksFixed).toBe(0);
    const { corruptions, leaks } = await node.check('none', () => {});
    expect({ corruptions, leaks }).toEqual({ corruptions: 0, leaks: 0 });
    await node.close();
  }));
