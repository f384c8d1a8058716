// Damaged qcow2 images, found by tests/block/fuzz.ts, on which something went on for far too long or failed in the wrong way.
import { expect, test } from 'bun:test';
import { readdirSync, readFileSync, readlinkSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { statusAbove } from '../../src/block/block-status.ts';
import { createImage } from '../../src/block/create-image.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { addBitmap, bitmapInfo } from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { createSnapshot } from '../../src/block/qcow2/snapshot.ts';
import { freshQcow2, inScratch } from '../block/helpers.ts';

/** Opens an image with some of its words changed, as [offset, bytes], and some empty space behind. */
async function openDamaged(path: string, changes: [number, Uint8Array][], stretch = 0): Promise<Qcow2Node> {
  const b = readFileSync(path);
  for (const [at, bytes] of changes) b.set(bytes, at);
  writeFileSync(path, b);
  if (stretch > 0) truncateSync(path, b.length + stretch);
  const options = new Map([['driver', 'qcow2']]);
  return (await openImage({ filename: path, options, readOnly: true, noFlush: true })) as Qcow2Node;
}

const word = (value: bigint): Uint8Array => {
  const b = Buffer.alloc(8);
  b.writeBigUInt64BE(value);
  return b;
};

/**
 * `map` asks whether an image is preallocated, for which it counted the clusters in use in all that the refcount table covers.
 * With a table of rubbish and counts of one bit, and an entry beyond the end of the file so that the file looked sparse, that
 * was 400 million clusters, each asked for on its own.
 */
test('only clusters within the file count for whether an image is preallocated', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const made = (await freshQcow2(path, 4 << 20, 'cluster_size=4096,refcount_bits=1')) as Qcow2Node;
    await made.write(0, new Uint8Array(100_000).fill(1));
    const { refTableOffset, l1Offset } = made.s.header;
    await closeImage(made);
    const l2 = Number(readFileSync(path).readBigUInt64BE(l1Offset) & 0xff_ffff_ffff_fe00n);
    const rubbish = Buffer.concat(Array.from({ length: 500 }, (_, i) => word(BigInt(i + 1) << 20n)));
    const node = await openDamaged(
      path,
      [
        [l2 + 8 * 60, word(1n << 32n)],
        [refTableOffset + 8, rubbish],
      ],
      1 << 20,
    );
    const file = node.file!;
    let reads = 0;
    const read = file.read.bind(file);
    file.read = (...args) => {
      reads++;
      return read(...args);
    };
    for (let at = 0; at < node.length; ) at += (await statusAbove(node, undefined, at, node.length - at)).bytes;
    expect(reads).toBeLessThan(20);
    await closeImage(node);
  }));

/** Names of the files this process has open. */
const openFiles = (): string[] =>
  readdirSync('/proc/self/fd').flatMap((n) => {
    try {
      return [readlinkSync(`/proc/self/fd/${n}`)];
    } catch {
      return [];
    }
  });

/** What came after the data file had been opened, here the snapshot table, failed, and the data file stayed open and locked. */
test('an image that cannot be opened leaves its data file closed', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    await closeImage(await freshQcow2(path, 1 << 20, `data_file=${join(dir, 'data')}`));
    // A snapshot in the middle of nowhere.
    const damage: [number, Uint8Array][] = [[60, Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0)]];
    await expect(openDamaged(path, damage)).rejects.toThrow('Could not read snapshots');
    expect(openFiles().filter((name) => name.startsWith(dir))).toEqual([]);
  }));

/**
 * An image was prepared for writing, its bitmaps marked as behind, before its backing file was opened. When that failed, the
 * marks stayed, and nothing could use the bitmaps any more.
 */
test('opening an image for writing leaves bitmaps alone when the backing file is missing', () =>
  inScratch(async (dir) => {
    const [path, base] = [join(dir, 'a'), join(dir, 'base')];
    writeFileSync(base, new Uint8Array(1 << 20));
    await createImage({ filename: path, format: 'qcow2', backingFile: base, backingFormat: 'raw' });
    const node = (await openImage({ filename: path })) as Qcow2Node;
    await node.s.lock.with(() => addBitmap(node.s, 'b', 65536, false));
    await closeImage(node);
    rmSync(base);
    await expect(openImage({ filename: path })).rejects.toThrow('Could not open backing file');
    const again = (await openImage({ filename: path, readOnly: true, noBacking: true })) as Qcow2Node;
    expect(await bitmapInfo(again.s)).toEqual([{ flags: ['auto'], name: 'b', granularity: 65536 }]);
    await closeImage(again);
  }));

/** A damaged snapshot was a terabyte long, and what its tables do not map was gone through by 32 kB. */
test('what lies behind an L1 table is one range', () =>
  inScratch(async (dir) => {
    const node = (await freshQcow2(join(dir, 'a'), 1 << 20, 'cluster_size=512')) as Qcow2Node;
    node.s.header.size = 2 ** 40;
    expect((await statusAbove(node, undefined, 0, node.length)).bytes).toBe(2 ** 40);
    node.s.header.size = 1 << 20;
    await closeImage(node);
  }));

/** `amend -o compat=0.10` believed the length of a snapshot's L1 table, and wanted 32 GB of memory for it. */
test('amending an image refuses a snapshot whose L1 table is too long', () =>
  inScratch(async (dir) => {
    const node = (await freshQcow2(join(dir, 'a'), 1 << 20)) as Qcow2Node;
    await node.s.lock.with(() => createSnapshot(node.s, 'one'));
    node.s.snapshots[0]!.l1Size = 0xffffffff;
    await expect(node.amend(new Map([['compat', '0.10']]), () => {})).rejects.toThrow('Snapshot L1 table too large');
    await closeImage(node);
  }));
