// A qcow2 image made smaller within a cluster and larger again with space set aside showed, in that cluster, what had been behind
// the former end. qemu-img shows zeroes there (and the old data, as we do, when nothing is set aside).
// With extended L2 entries, a last cluster that was nothing but zero was taken for one that is not there, and after that the
// backing file showed in what had been part of the disk before.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';

const IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

test.skipIf(!hasQemu)(`what is set aside behind a former end within a cluster reads as zeroes${QEMU_NOTE}`, () =>
  inScratch((dir) => {
    for (const mode of ['off', 'metadata', 'falloc', 'full']) {
      for (const [name, tool] of [
        ['theirs', ['qemu-img']],
        ['ours', IMG],
      ] as const) {
        run([...tool, 'create', '-q', '-f', 'qcow2', name, '1M'], dir);
        run(['qemu-io', '-c', 'write -q -P 5 0 1M', name], dir);
        run([...tool, 'resize', '-q', '--shrink', name, '300k'], dir);
        run([...tool, 'resize', '-q', `--preallocation=${mode}`, name, '1M'], dir);
      }
      expect(run(['qemu-img', 'compare', 'theirs', 'ours'], dir)).toBe('Images are identical.\n');
      run(['qemu-img', 'check', 'ours'], dir);
    }
  }),
);

test.skipIf(!hasQemu)(`zeroes before a former end stay zeroes over a backing file${QEMU_NOTE}`, () =>
  inScratch((dir) => {
    run([...IMG, 'create', '-q', '-f', 'qcow2', 'base', '2M'], dir);
    run(['qemu-io', '-c', 'write -q -P 164 0 2M', 'base'], dir);
    for (const mode of ['off', 'metadata', 'falloc', 'full']) {
      for (const [name, tool] of [
        ['theirs', ['qemu-img']],
        ['ours', IMG],
      ] as const) {
        const options = ['-o', 'extended_l2=on,cluster_size=16384', '-b', 'base', '-F', 'qcow2'];
        run([...tool, 'create', '-q', '-f', 'qcow2', ...options, name, '1000448'], dir);
        run(['qemu-io', '-c', 'write -q -z -u 980000 20448', name], dir);
        run([...tool, 'resize', '-q', `--preallocation=${mode}`, name, '1200128'], dir);
      }
      expect(run(['qemu-img', 'compare', 'theirs', 'ours'], dir)).toBe('Images are identical.\n');
      run(['qemu-img', 'check', 'ours'], dir);
    }
  }),
);
