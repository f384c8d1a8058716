// Images on block devices: one that is made smaller, and one on a device that is read-only.
// `resize --shrink` of a qcow2 image on a device had done its work and then failed with "Cannot resize device files", as it wanted
// the device cut; and a read-only device was opened for writing, so that `create -f raw` and `resize` there said all was well.
import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { run } from '../block/helpers.ts';

const dir = mkdtempSync(join(tmpdir(), 'wemu-device-'));
writeFileSync(join(dir, 'disk'), new Uint8Array(4 << 20));
const losetup = Bun.which('losetup') ? Bun.spawnSync(['losetup', '-f', '--show', join(dir, 'disk')]) : undefined;
const device = losetup?.exitCode === 0 ? losetup.stdout.toString().trim() : undefined;
afterAll(() => {
  if (device) Bun.spawnSync(['losetup', '-d', device]);
  rmSync(dir, { recursive: true });
});
const NOTE = device ? '' : ' [skipped: no loop device could be made, which takes root]';

test.skipIf(!device)(`an image on a device is made smaller${NOTE}`, async () => {
  await createImage({ filename: device!, format: 'qcow2', size: 2 << 20 });
  const node = await openImage({ filename: device!, options: new Map([['driver', 'qcow2']]) });
  await node.write(1 << 20, new Uint8Array(1 << 20).fill(1));
  await node.truncate(1 << 20);
  expect(node.length).toBe(1 << 20);
  await closeImage(node);
});

test.skipIf(!device)(`a read-only device is not opened for writing${NOTE}`, async () => {
  run(['blockdev', '--setro', device!]);
  try {
    const message = 'The device is not writable: Permission denied';
    const options = (): Map<string, string> => new Map([['driver', 'raw']]);
    await expect(openImage({ filename: device!, options: options() })).rejects.toThrow(message);
    await expect(createImage({ filename: device!, format: 'raw', size: 1 << 20 })).rejects.toThrow(message);
    await closeImage(await openImage({ filename: device!, options: options(), readOnly: true }));
  } finally {
    run(['blockdev', '--setrw', device!]);
  }
});
