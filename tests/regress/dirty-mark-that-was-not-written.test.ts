// A snapshot sets the dirty bit first, so that a crash is repaired. Where writing it failed, the header in memory had it all the same: the
// next snapshot took it to be on the disk and went on without. Found by reading.
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRNO, errnoError } from '../../src/block/errors.ts';
import { FIELD, INCOMPAT } from '../../src/block/qcow2/header.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { createSnapshot } from '../../src/block/qcow2/snapshot.ts';
import { freshQcow2, inScratch } from '../block/helpers.ts';

test('the dirty bit is on the disk before a snapshot changes refcounts', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const node = (await freshQcow2(path, 1 << 20)) as Qcow2Node;
    await node.write(0, new Uint8Array(65536).fill(1));
    await node.flush();
    const file = node.file!;
    const write = file.write.bind(file);
    let failures = 1;
    const marked: boolean[] = [];
    file.write = (offset, bytes, flags) => {
      if (offset === FIELD.incompatible && failures-- > 0) return Promise.reject(errnoError(ERRNO.EIO));
      if (offset >= node.clusterSize) marked.push((readFileSync(path)[FIELD.incompatible + 7]! & INCOMPAT.DIRTY) !== 0);
      return write(offset, bytes, flags);
    };
    await expect(node.s.quiet(() => createSnapshot(node.s, 'first'))).rejects.toThrow('Input/output error');
    await node.s.quiet(() => createSnapshot(node.s, 'second'));
    expect(marked.length).toBeGreaterThan(0);
    expect(marked).not.toContain(false);
    await node.close();
    expect(readFileSync(path)[FIELD.incompatible + 7]! & INCOMPAT.DIRTY).toBe(0);
  }));
