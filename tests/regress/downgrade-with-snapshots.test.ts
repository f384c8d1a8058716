// Amending an image to version 2 turns zero clusters into written zeroes. Where such a cluster kept its place, and a snapshot
// still showed the data there, the zeroes were written over the snapshot's data.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { applySnapshot, createSnapshot } from '../../src/block/qcow2/snapshot.ts';
import { contentOf, hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';

for (const backing of [false, true]) {
  test(`a snapshot keeps its data when zero clusters are expanded${backing ? ', over a backing file' : ''}${QEMU_NOTE}`, () =>
    inScratch(async (dir) => {
      const path = join(dir, 'a');
      const base = join(dir, 'base');
      await createImage({ filename: base, format: 'raw', size: 1 << 20 });
      await createImage({
        filename: path,
        format: 'qcow2',
        size: 1 << 20,
        optionTexts: ['cluster_size=4096'],
        ...(backing ? { backingFile: base, backingFormat: 'raw' } : {}),
      });
      const node = (await openImage({
        filename: path,
        options: new Map([['driver', 'qcow2']]),
        noFlush: true,
      })) as Qcow2Node;
      await node.write(0, new Uint8Array(65536).fill(0xaa));
      await node.s.quiet(() => createSnapshot(node.s, 'one'));
      // Zeroes that keep the clusters, some in tables of the active image, some shared with a second snapshot.
      await node.writeZeroes(4096, 8192);
      await node.s.quiet(() => createSnapshot(node.s, 'two'));
      await node.writeZeroes(32768, 4096);
      await node.amend(new Map([['compat', '0.10']]), () => {});
      const zeroed = await contentOf(node);
      expect([zeroed[0], zeroed[4096], zeroed[12287], zeroed[12288], zeroed[32768], zeroed[36864]]).toEqual([
        0xaa, 0, 0, 0xaa, 0, 0xaa,
      ]);
      expect((await node.check('none', () => {})).corruptions).toBe(0);
      for (const [name, value] of [
        ['two', 0],
        ['one', 0xaa],
      ] as const) {
        const sn = node.s.snapshots.find((other) => other.name === name)!;
        await node.s.quiet(() => applySnapshot(node.s, sn));
        const content = await contentOf(node);
        expect([content[4096], content[8192], content[32768]]).toEqual([value, value, 0xaa]);
      }
      const result = await node.check('none', () => {});
      expect([result.corruptions, result.leaks]).toEqual([0, 0]);
      await closeImage(node);
      if (hasQemu) run(['qemu-img', 'check', path]);
    }));
}
