// amend -o size=0 emptied the disk, where qemu-img takes 0 as "no size given" and leaves it as it is. Found by random chains.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';
import { TEST_LIMIT } from '../setup/limits.ts';

const WEMU_IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

test.skipIf(!hasQemu)(
  `amend -o size=0 changes no size${QEMU_NOTE}`,
  () =>
    inScratch((dir) => {
      for (const size of ['0', '65536', '2M']) {
        const sizes = [['qemu-img'], WEMU_IMG].map((tool) => {
          run(['qemu-img', 'create', '-q', '-f', 'qcow2', 'disk', '1M'], dir);
          run(['qemu-io', '-c', 'write -q -P 3 0 1M', 'disk'], dir);
          const text = run([...tool, 'amend', '-o', `size=${size}`, 'disk'], dir);
          run(['qemu-img', 'convert', '-O', 'raw', 'disk', 'shown'], dir);
          return [text, Bun.hash(run(['od', 'shown'], dir))];
        });
        expect([size, ...sizes[1]!]).toEqual([size, ...sizes[0]!]);
      }
    }),
  TEST_LIMIT,
);
