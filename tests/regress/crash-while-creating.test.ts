// Images whose creation was cut off by a crash.
// The header was written with the tables it names, without a flush between them: what a crash left could be an image that opens,
// with refcounts that are not there; on a device, the header of an older image with the tables of the new one. Now the header's
// version says that the image is unfinished until all of it is on the disk.
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { openImage } from '../../src/block/graph.ts';
import { crashCreation, crashOverOld } from '../block/crash-create.ts';
import { hasQemu, inScratch, QEMU_NOTE } from '../block/helpers.ts';

test('no state of an image that is being created is accepted before it is whole', () =>
  inScratch(async (dir) => void expect(await crashCreation('preallocation=metadata', dir, 3)).toBeGreaterThan(3)));

test('an old image on a device does not outlive its tables', () =>
  inScratch(async (dir) => void expect(await crashOverOld('cluster_size=4096', dir, 4)).toBeGreaterThan(3)));

/** An image as a crash leaves it. */
async function unfinished(dir: string): Promise<string> {
  const path = join(dir, 'a');
  await createImage({ filename: path, format: 'qcow2', size: 1 << 20 });
  const b = readFileSync(path);
  b.writeUInt32BE(0x00ffff03, 4);
  writeFileSync(path, b);
  return path;
}

test('an unfinished image is refused by name, whether its format is named or guessed, and by check too', () =>
  inScratch(async (dir) => {
    const filename = await unfinished(dir);
    for (const request of [{}, { options: new Map([['driver', 'qcow2']]) }, { check: true }, { readOnly: true }])
      await expect(openImage({ filename, ...request })).rejects.toThrow('The creation of this image was not finished');
  }));

test.skipIf(!hasQemu)(`qemu-img refuses an image whose creation was not finished${QEMU_NOTE}`, () =>
  inScratch(async (dir) => {
    const path = await unfinished(dir);
    for (const command of [
      ['info', path],
      ['check', path],
      ['map', path],
    ]) {
      const p = Bun.spawnSync(['qemu-img', ...command]);
      expect(p.exitCode).toBe(1);
      expect(p.stderr.toString()).toBe(`qemu-img: Could not open '${path}': Unsupported qcow2 version ${0x00ffff03}\n`);
    }
  }),
);
