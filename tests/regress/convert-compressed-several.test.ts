// convert -c of several images of which one but the last ends within a cluster of the target failed with Invalid argument.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';
import { TEST_LIMIT } from '../setup/limits.ts';

const WEMU_IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

/** Sectors of the sources, and where each has data: in the cluster that two or more of them share, beside it, or nowhere. */
const SOURCES: readonly (readonly [sectors: number, first: number, count: number])[][] = [
  [[131, 0, 131], [400, 0, 400]], // biome-ignore format: one list
  [
    [131, 130, 1],
    [3, 1, 1],
    [0, 0, 0],
    [1, 0, 1],
    [300, 0, 200],
  ],
  [
    [300, 0, 10],
    [300, 290, 10],
    [77, 0, 0],
    [5, 4, 1],
  ],
  [
    [1, 0, 0],
    [1, 0, 0],
    [600, 500, 1],
  ],
];

test.skipIf(!hasQemu)(
  `convert -c joins images within a cluster as qemu-img does${QEMU_NOTE}`,
  () =>
    inScratch((dir) => {
      for (const sources of SOURCES) {
        const names = sources.map((_, i) => `in${i}`);
        for (const [i, [sectors, first, count]] of sources.entries()) {
          run(['qemu-img', 'create', '-q', '-f', 'qcow2', names[i]!, `${sectors * 512}`], dir);
          if (count > 0) run(['qemu-io', '-c', `write -q -P ${i + 1} ${first * 512} ${count * 512}`, names[i]!], dir);
        }
        for (const more of [[], ['-S', '0'], ['-o', 'cluster_size=4096'], ['-m', '1', '-W']]) {
          const command = ['convert', '-O', 'qcow2', '-c', ...more, ...names];
          expect(run([...WEMU_IMG, ...command, 'ours'], dir)).toBe('');
          run(['qemu-img', ...command, 'theirs'], dir);
          expect(run(['qemu-img', 'compare', 'theirs', 'ours'], dir)).toBe('Images are identical.\n');
          expect(run(['qemu-img', 'check', 'ours'], dir)).toContain('No errors were found on the image.');
        }
      }
    }),
  TEST_LIMIT,
);
