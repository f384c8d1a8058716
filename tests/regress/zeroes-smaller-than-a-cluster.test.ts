// Zeroes that are written out in a source (no hole) but fill no whole cluster of the target, at the end of the disk or between
// holes, took a cluster of the target when they were converted: only whole clusters were looked at. With -B they would have even
// after that: whether the rest of a cluster reads as zeroes was asked of the overlay alone, not of the files below it.
// With -S only blocks of that size were looked at, so that most runs of zeroes were written that are as long but not aligned so.
// Found by converting an empty device of 999936 bytes.
import { expect, test } from 'bun:test';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';

const IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

/** Makes a raw file with holes; each extent is filled with a byte. */
function makeRaw(path: string, size: number, extents: readonly (readonly [number, number, number])[]): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  for (const [at, bytes, value] of extents) writeSync(fd, new Uint8Array(bytes).fill(value), 0, bytes, at);
  closeSync(fd);
}

const SOURCES: Record<string, [number, readonly (readonly [number, number, number])[]]> = {
  'an end within a cluster': [999936, [[0, 999936, 0]]],
  'an end within a sector': [70001, [[0, 70001, 0]]],
  'zeroes between holes': [
    4 << 20,
    [
      [1056768, 4096, 0],
      [2097152, 81920, 0],
    ],
  ],
  'zeroes between data': [
    4 << 20,
    [
      [0, 4 << 20, 0],
      [300000, 4096, 1],
      [1900000, 4096, 2],
      [3000000, 4096, 3],
    ],
  ],
  'zeroes beside data': [
    4 << 20,
    [
      [61440, 8192, 0],
      [69632, 4096, 1],
      [1048576, 4096, 0],
      [1052672, 65536, 2],
      [1118208, 61440, 0],
    ],
  ],
};
const OPTIONS = [
  ['-S', '1M'],
  [],
  ['-S', '64k'],
  ['-o', 'cluster_size=2M'],
  ['-o', 'cluster_size=16k,extended_l2=on'],
  ['-c'],
];

for (const [what, [size, extents]] of Object.entries(SOURCES)) {
  test.skipIf(!hasQemu)(`${what}: as many clusters as qemu-img takes${QEMU_NOTE}`, () =>
    inScratch((dir) => {
      makeRaw(join(dir, 'raw'), size, extents);
      run(['qemu-img', 'create', '-q', '-f', 'qcow2', 'base', String(size)], dir);
      for (const options of [...OPTIONS, ['-B', 'base', '-F', 'qcow2'], ['-n', '1.1']]) {
        const used = [['qemu-img'], IMG].map((tool) => {
          const compat = options[0] === '-n' ? ['-o', `compat=${options[1]}`] : undefined;
          if (compat) run(['qemu-img', 'create', '-q', '-f', 'qcow2', ...compat, 'made', String(size)], dir);
          const how = compat ? ['-n'] : options;
          run([...tool, 'convert', '-f', 'raw', '-O', 'qcow2', ...how, 'raw', 'made'], dir);
          run(['qemu-img', 'compare', '-f', 'raw', 'raw', 'made'], dir);
          const said = JSON.parse(run(['qemu-img', 'check', '--output=json', 'made'], dir)) as Record<string, number>;
          return said['allocated-clusters'] ?? 0;
        });
        // (-S means more there: what qemu-img looks at is twice as long.)
        if (options[0] === '-S') expect(used[1]).toBeLessThanOrEqual(used[0]!);
        else expect([options, used[1]]).toEqual([options, used[0]]);
      }
    }),
  );
}
