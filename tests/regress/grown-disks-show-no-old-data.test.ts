// A qcow2 image made smaller within a cluster and larger again with space set aside showed, in that cluster, what had been behind
// the former end. qemu-img shows zeroes there (and the old data, as we do, when nothing is set aside).
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
