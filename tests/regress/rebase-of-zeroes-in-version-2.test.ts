// Zeroes written into an image of version 2 were for some minutes left out where it read as zeroes already. With rebase that is
// wrong: the old backing file's zeroes must hide the new one's data. Found by random chains of images.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';

const IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

test.skipIf(!hasQemu)(`zeroes of the old backing file, or of none, hide the new one's data${QEMU_NOTE}`, () =>
  inScratch((dir) => {
    run(['qemu-img', 'create', '-q', '-f', 'qcow2', 'old', '1M'], dir);
    run(['qemu-img', 'create', '-q', '-f', 'qcow2', 'new', '2M'], dir);
    run(['qemu-io', '-c', 'write -q -P 1 0 2M', 'new'], dir);
    for (const compat of ['0.10', '1.1']) {
      for (const backing of [[], ['-b', 'old', '-F', 'qcow2']]) {
        run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-o', `compat=${compat}`, ...backing, 'top', '2M'], dir);
        run(['qemu-io', '-c', 'write -q -P 2 100k 3k', 'top'], dir);
        run(['qemu-img', 'convert', '-O', 'raw', 'top', 'shown'], dir);
        run([...IMG, 'rebase', '-b', 'new', '-F', 'qcow2', 'top'], dir);
        expect([compat, backing, run(['qemu-img', 'compare', '-F', 'raw', 'top', 'shown'], dir)]).toEqual([
          compat,
          backing,
          'Images are identical.\n',
        ]);
      }
    }
  }),
);
