// A flush ended at once when another was under way, before the data of either was on disk; a write that ended while a flush was
// under way was taken to be covered by it, so that the next flush did nothing; and after a flush that failed, the next one
// succeeded, although the kernel reports lost pages only once.
import { afterEach, expect, test } from 'bun:test';
import fs from 'node:fs';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { inScratch } from '../block/helpers.ts';

type Callback = (error: Error | null) => void;
const real = fs.fdatasync;
/** Calls of fdatasync that have not been answered. */
let pending: Callback[] = [];

function hold(): void {
  pending = [];
  fs.fdatasync = ((_fd: number, callback: Callback) => void pending.push(callback)) as typeof fs.fdatasync;
}

afterEach(() => {
  fs.fdatasync = real;
});

/** Waits until so many calls are waiting for an answer. */
async function until(count: number): Promise<void> {
  while (pending.length < count) await new Promise((resolve) => setImmediate(resolve));
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

const onFile = (body: (node: Awaited<ReturnType<typeof openImage>>) => Promise<void>) => () =>
  inScratch(async (dir) => {
    fs.writeFileSync(join(dir, 'a'), Buffer.alloc(8192));
    const node = await openImage({
      options: new Map([
        ['driver', 'file'],
        ['filename', join(dir, 'a')],
      ]),
    });
    hold();
    await body(node);
    fs.fdatasync = real;
    await closeImage(node).catch(() => {});
  });

test(
  'a flush does not end before another that covers the same writes',
  onFile(async (node) => {
    await node.write(0, new Uint8Array(512).fill(1));
    let ended = 0;
    const both = [node.flush(), node.flush()].map((p) => p.then(() => void ended++));
    await until(1);
    await turns();
    expect(ended).toBe(0);
    while (ended < 2) {
      for (const answer of pending.splice(0)) answer(null);
      await turns();
    }
    await Promise.all(both);
  }),
);

test(
  'a write that ends while a flush is under way is made stable by the next one',
  onFile(async (node) => {
    await node.write(0, new Uint8Array(512).fill(1));
    const first = node.flush();
    await until(1);
    await node.write(512, new Uint8Array(512).fill(2));
    pending.shift()!(null);
    await first;
    const second = node.flush();
    await until(1);
    pending.shift()!(null);
    await second;
    // Nothing is new: nothing is done.
    await node.flush();
    expect(pending.length).toBe(0);
  }),
);

test(
  'after a flush that failed, none succeeds',
  onFile(async (node) => {
    await node.write(0, new Uint8Array(512).fill(1));
    const first = node.flush();
    await until(1);
    pending.shift()!(Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 }));
    await expect(first).rejects.toThrow('Input/output error');
    await expect(node.flush()).rejects.toThrow('Input/output error');
    expect(pending.length).toBe(0);
  }),
);
