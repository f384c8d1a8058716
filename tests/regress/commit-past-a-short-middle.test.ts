// commit -b into a base below an image that ends before both left the base's data where that image ended: there the overlay reads
// as zeroes without having anything, which was taken for an answer, while the image in between is what hides the base.
// Found by random chains of images of different sizes.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';

const IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

test.skipIf(!hasQemu)(`what a short image in between hides stays hidden in the base${QEMU_NOTE}`, () =>
  inScratch((dir) => {
    for (const layers of [['1M'], ['1M', '2M'], ['2M', '1M'], ['1536k', '1M', '4M']]) {
      run(['qemu-img', 'create', '-q', '-f', 'qcow2', 'base', '3M'], dir);
      run(['qemu-io', '-c', 'write -q -P 1 0 3M', 'base'], dir);
      const names = ['base', ...layers.map((_, i) => `layer${i}`), 'top'];
      for (const [i, size] of [...layers, '3M'].entries()) {
        run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', names[i]!, '-F', 'qcow2', names[i + 1]!, size], dir);
        run(['qemu-io', '-c', `write -q -P ${i + 2} ${i * 128}k 64k`, names[i + 1]!], dir);
      }
      run(['qemu-img', 'convert', '-O', 'raw', 'top', 'shown'], dir);
      run([...IMG, 'commit', '-q', '-b', 'base', 'top'], dir);
      expect([layers, run(['qemu-img', 'compare', '-F', 'raw', 'base', 'shown'], dir)]).toEqual([
        layers,
        'Images are identical.\n',
      ]);
    }
  }),
);
