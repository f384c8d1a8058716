// After a change of the header had failed and taking it back had failed too, the disk might name the new table whose clusters were given
// up again in memory: a later check of the open image wrote those counts. Likewise the header in memory went on saying what was not written:
// version 3 after an upgrade that failed, or that the dirty bit was set where clearing it had failed half way. Found by review.
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BlockNode } from '../../src/block/driver.ts';
import { ERRNO, errnoError } from '../../src/block/errors.ts';
import { openImage } from '../../src/block/graph.ts';
import { FIELD, INCOMPAT } from '../../src/block/qcow2/header.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { freshQcow2, inScratch } from '../block/helpers.ts';

const failure = (): Promise<never> => Promise.reject(errnoError(ERRNO.EIO));

/** Calls `instead` for each write to the header that comes, with what would do it. */
function atHeader(file: BlockNode, instead: (write: () => unknown) => Promise<void> | undefined): void {
  const write = file.write.bind(file);
  file.write = (offset, bytes, flags) => {
    const run = (): Promise<void> | undefined => write(offset, bytes, flags);
    return offset < FIELD.autoclear + 8 ? instead(run) : run();
  };
}

/** Corruptions that a check of the file as it is now finds. */
async function corruptions(path: string, dir: string): Promise<number> {
  const copy = join(dir, 'copy');
  writeFileSync(copy, readFileSync(path));
  const options = new Map([['driver', 'qcow2']]);
  const node = await openImage({ filename: copy, options, readOnly: true, check: true });
  const result = await node.check!('none', () => {});
  await node.close();
  return result.corruptions;
}

test('nothing is written once nobody knows what the header says', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const node = (await freshQcow2(path, 8 << 20, 'cluster_size=512', { noFlush: false })) as Qcow2Node;
    for (let at = 0; at < node.length; at += 1 << 16) await node.write(at, new Uint8Array(512).fill(1));
    await node.flush();
    const file = node.file!;
    const flush = file.flush.bind(file);
    let written = false;
    atHeader(file, (write) => {
      if (written) return failure();
      written = true;
      return Promise.resolve(write()).then(() => {});
    });
    file.flush = () => (written ? failure() : flush());
    await expect(node.truncate(64 << 20)).rejects.toThrow('Failed to grow the L1 table');
    file.flush = flush;
    const before = readFileSync(path);
    await expect(node.check('none', () => {})).rejects.toThrow('Input/output error');
    await expect(node.check('all', () => {})).rejects.toThrow('Input/output error');
    await expect((async () => node.write(0, new Uint8Array(512)))()).rejects.toThrow('corrupt');
    const b = new Uint8Array(512);
    await node.read(1 << 16, b);
    expect(b[0]).toBe(1);
    await node.close();
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(await corruptions(path, dir)).toBe(0);
  }));

test('an upgrade that was not written leaves version 2', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const node = (await freshQcow2(path, 1 << 20, 'compat=0.10')) as Qcow2Node;
    await node.write(0, new Uint8Array(1 << 18).fill(1));
    let failures = 1;
    atHeader(node.file!, (write) => (failures-- > 0 ? failure() : (write() as undefined)));
    await expect(node.amend(new Map([['compat', '1.1']]), () => {})).rejects.toThrow('Input/output error');
    await node.writeZeroes(0, 1 << 17);
    await node.close();
    expect(await corruptions(path, dir)).toBe(0);
  }));

test('the dirty bit is set again where it may have been cleared', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const node = (await freshQcow2(path, 1 << 20, 'lazy_refcounts=on')) as Qcow2Node;
    await node.write(0, new Uint8Array(65536).fill(1));
    let failures = 1;
    // Written, and failed all the same.
    atHeader(node.file!, (write) => {
      const done = write() as undefined;
      return failures-- > 0 ? failure() : done;
    });
    await expect(node.amend(new Map([['lazy_refcounts', 'off']]), () => {})).rejects.toThrow('Input/output error');
    expect(readFileSync(path)[FIELD.incompatible + 7]! & INCOMPAT.DIRTY).toBe(0);
    await node.write(1 << 19, new Uint8Array(65536).fill(2));
    await node.flush();
    expect(readFileSync(path)[FIELD.incompatible + 7]! & INCOMPAT.DIRTY).toBe(INCOMPAT.DIRTY);
    await node.close();
    expect(await corruptions(path, dir)).toBe(0);
  }));
