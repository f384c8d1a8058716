// The overlap checks: a mapping that points at metadata must not be written through, as far as the options say.
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { addBitmap } from '../../src/block/qcow2/bitmap.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { createSnapshot } from '../../src/block/qcow2/snapshot.ts';
import { eventually, freshQcow2, hasQemu, inScratch, QEMU_NOTE } from './helpers.ts';

/** Kinds of metadata, where an image has them, and the templates that guard them. */
const KINDS = {
  'active L1 table': { at: (i: Places) => i.l1, by: ['constant', 'cached', 'all'] },
  'refcount table': { at: (i: Places) => i.refTable, by: ['constant', 'cached', 'all'] },
  'snapshot table': { at: (i: Places) => i.snapshots, by: ['constant', 'cached', 'all'] },
  'bitmap directory': { at: (i: Places) => i.bitmaps, by: ['constant', 'cached', 'all'] },
  'active L2 table': { at: (i: Places) => i.l2, by: ['cached', 'all'] },
  'refcount block': { at: (i: Places) => i.refBlock, by: ['cached', 'all'] },
  'inactive L1 table': { at: (i: Places) => i.inactiveL1, by: ['cached', 'all'] },
  'inactive L2 table': { at: (i: Places) => i.inactiveL2, by: ['all'] },
} as const;

interface Places {
  l1: number;
  l2: number;
  refTable: number;
  refBlock: number;
  snapshots: number;
  inactiveL1: number;
  inactiveL2: number;
  bitmaps: number;
}

const offsetAt = (b: Buffer, at: number): number => Number(b.readBigUInt64BE(at) & 0x00fffffffffffe00n);

/** An image with a snapshot and a bitmap. */
async function sample(path: string): Promise<{ image: Buffer; places: Places }> {
  const node = (await freshQcow2(path, 8 << 20)) as Qcow2Node;
  await node.write(0, new Uint8Array(131072).fill(1));
  await node.s.lock.with(() => createSnapshot(node.s, 's'));
  await node.write(0, new Uint8Array(131072).fill(2));
  await node.s.lock.with(() => addBitmap(node.s, 'b', 65536, true));
  const bitmaps = node.s.header.bitmaps!.directoryOffset;
  await closeImage(node);
  const image = readFileSync(path);
  const [l1, refTable, snapshots] = [40, 48, 64].map((at) => offsetAt(image, at)) as [number, number, number];
  const inactiveL1 = offsetAt(image, snapshots);
  return {
    image,
    places: {
      l1,
      l2: offsetAt(image, l1),
      refTable,
      refBlock: offsetAt(image, refTable),
      snapshots,
      inactiveL1,
      inactiveL2: offsetAt(image, inactiveL1),
      bitmaps,
    },
  };
}

/** The image with its first cluster mapped to another place, as one's own. */
function redirected(image: Buffer, places: Places, to: number): Buffer {
  const out = Buffer.from(image);
  out.writeBigUInt64BE(BigInt(to) | (1n << 63n), places.l2);
  return out;
}

const corruptMarked = (path: string): boolean => (readFileSync(path)[79]! & 2) !== 0;

/** What is written to standard error meanwhile, by whatever way. */
async function writeThrough(path: string, template: string): Promise<string> {
  const node = await openImage({
    filename: path,
    options: new Map([
      ['driver', 'qcow2'],
      ['overlap-check', template],
    ]),
    noFlush: true,
  });
  try {
    await node.write(0, new Uint8Array(65536).fill(7));
    return 'written';
  } catch (error) {
    return (error as Error).message;
  } finally {
    await closeImage(node);
  }
}

for (const [kind, { at, by }] of Object.entries(KINDS)) {
  test(`a write that would hit the ${kind} is refused under ${by.join(', ')}`, () =>
    inScratch(async (dir) => {
      const path = join(dir, 'a');
      const { image, places } = await sample(path);
      for (const template of ['none', 'constant', 'cached', 'all']) {
        writeFileSync(path, redirected(image, places, at(places)));
        const refused = (by as readonly string[]).includes(template);
        const before = readFileSync(path);
        expect([template, await writeThrough(path, template)]).toEqual([
          template,
          refused ? 'Input/output error' : 'written',
        ]);
        expect([template, corruptMarked(path)]).toEqual([template, refused]);
        // (The directory has been marked in use when the image was opened.)
        if (refused && kind !== 'bitmap directory') {
          const cluster = (b: Buffer): Buffer => b.subarray(at(places), at(places) + 65536);
          expect(cluster(readFileSync(path)).equals(cluster(before))).toBe(true);
        }
      }
    }));
}

test.skipIf(!hasQemu)(`qemu-io refuses the same${QEMU_NOTE}`, () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const { image, places } = await sample(path);
    for (const [kind, { at, by }] of Object.entries(KINDS)) {
      for (const template of ['constant', 'cached', 'all']) {
        writeFileSync(path, redirected(image, places, at(places)));
        const opts = `driver=qcow2,file.filename=${path},overlap-check=${template}`;
        const p = Bun.spawnSync(['qemu-io', '--image-opts', '-c', 'w -P 7 0 64k', opts]);
        const refused = p.stderr.toString().includes(`overlaps with ${kind}`);
        expect([kind, template, refused]).toEqual([kind, template, (by as readonly string[]).includes(template)]);
      }
    }
  }),
);

test('clusters whose count says free but which hold tables are not given out', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const { image, places } = await sample(path);
    // The L1 table's cluster is recorded as unused.
    image.writeUInt16BE(0, places.refBlock + (places.l1 / 65536) * 2);
    writeFileSync(path, image);
    const node = await openImage({ filename: path, options: new Map([['driver', 'qcow2']]), noFlush: true });
    await expect(eventually(() => node.write(4 << 20, new Uint8Array(65536).fill(7)))).rejects.toThrow(
      'Input/output error',
    );
    await closeImage(node);
    const table = (b: Buffer): Buffer => b.subarray(places.l1, places.l1 + 8);
    expect(table(readFileSync(path)).equals(table(image))).toBe(true);
  }));
