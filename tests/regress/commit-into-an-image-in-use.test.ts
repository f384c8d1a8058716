// commit makes the base writable, which notes in it that its bitmaps are in use (and repairs it after a crash). That was written before
// the lock was taken: where somebody else was reading the base, commit failed and the base's bitmaps were lost. The error did
// not say who that is, and began with words that qemu-img's does not. Found by reading.
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commitImage } from '../../src/block/commit.ts';
import { createImage } from '../../src/block/create-image.ts';
import type { BlockError } from '../../src/block/errors.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { addBitmap } from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { freshQcow2, inScratch } from '../block/helpers.ts';

test('a base that cannot be locked for writing is left alone', () =>
  inScratch(async (dir) => {
    const base = join(dir, 'base');
    const overlay = join(dir, 'overlay');
    const qcow2 = new Map([['driver', 'qcow2']]);
    const made = (await freshQcow2(base, 1 << 20)) as Qcow2Node;
    await made.s.lock.with(() => addBitmap(made.s, 'b', 65536, false));
    await closeImage(made);
    await createImage({ filename: overlay, format: 'qcow2', backingFile: base, backingFormat: 'qcow2' });
    const reader = await openImage({ filename: base, options: qcow2, readOnly: true });
    const before = readFileSync(base);
    const top = await openImage({ filename: overlay, options: qcow2 });
    const commit = (): Promise<void> => commitImage(top, top.backing!, true, 0, () => {});
    const error = await commit().then(
      () => undefined,
      (e: BlockError) => e,
    );
    expect(error?.message).toBe('Failed to get "write" lock');
    expect(error?.hint).toContain(`Is another process using the image [${base}]?`);
    expect(readFileSync(base).equals(before)).toBe(true);
    // Reading goes on, and once nobody is in the way it works.
    expect(top.backing!.readOnly).toBe(true);
    await top.read(0, new Uint8Array(512));
    await closeImage(reader);
    await commit();
    await closeImage(top);
  }));
