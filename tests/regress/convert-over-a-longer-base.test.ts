// convert -B onto a backing file longer than the source's own left out what the source reads as zeroes behind the end of its own: one
// look at the source had found both parts absent. The longer file's data showed there. (So it does with qemu-img 7.2.)
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';
import { TEST_LIMIT } from '../setup/limits.ts';

const WEMU_IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

test.skipIf(!hasQemu)(
  `convert over a longer backing file keeps the zeroes behind the source's own${QEMU_NOTE}`,
  () =>
    inScratch((dir) => {
      const create = (...args: string[]) => run(['qemu-img', 'create', '-q', '-f', 'qcow2', ...args], dir);
      create('short', '96k');
      create('long', '1M');
      for (const name of ['short', 'long']) run(['qemu-io', '-c', 'write -q -P 7 0 96k', name], dir);
      run(['qemu-io', '-c', 'write -q -P 9 96k 928k', 'long'], dir);
      create('-b', 'short', '-F', 'qcow2', 'top', '1M');
      run(['qemu-io', '-c', 'write -q -P 5 512k 64k', 'top'], dir);
      for (const more of [[], ['-c'], ['-S', '0'], ['-o', 'cluster_size=4k,extended_l2=off']]) {
        run([...WEMU_IMG, 'convert', '-O', 'qcow2', ...more, '-B', 'long', '-F', 'qcow2', 'top', 'out'], dir);
        run(['qemu-img', 'convert', '-O', 'raw', 'out', 'raw'], dir);
        const expected = Buffer.alloc(1 << 20);
        expected.fill(7, 0, 96 << 10).fill(5, 512 << 10, 576 << 10);
        expect(Buffer.compare(readFileSync(join(dir, 'raw')), expected)).toBe(0);
        expect(run(['qemu-img', 'check', 'out'], dir)).toContain('No errors were found on the image.');
      }
    }),
  TEST_LIMIT,
);
