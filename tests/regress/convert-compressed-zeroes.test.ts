// convert -c over a backing file left out clusters of written zeroes, so that the backing file's data showed; and onto a longer
// target (-n) zeroes at the end of the source, which is within a cluster of the target, were refused as Invalid argument.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';
import { TEST_LIMIT } from '../setup/limits.ts';

const WEMU_IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

test.skipIf(!hasQemu)(
  `convert -c keeps zeroes over a backing file and at the end of the source${QEMU_NOTE}`,
  () =>
    inScratch((dir) => {
      run(['qemu-img', 'create', '-q', '-f', 'qcow2', 'base', '1M'], dir);
      run(['qemu-io', '-c', 'write -q -P 7 0 1M', 'base'], dir);
      run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', 'base', '-F', 'qcow2', 'top'], dir);
      run(['qemu-io', '-c', 'write -q -P 0 64k 128k', '-c', 'write -q -P 9 300k 4k', 'top'], dir);
      run([...WEMU_IMG, 'convert', '-O', 'qcow2', '-c', '-B', 'base', '-F', 'qcow2', 'top', 'copy'], dir);
      expect(run(['qemu-img', 'compare', 'top', 'copy'], dir)).toBe('Images are identical.\n');

      run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512', 'short', '69120'], dir);
      run(['qemu-io', '-c', 'write -q -P 5 0 64k', '-c', 'write -q -P 0 64k 3584', 'short'], dir);
      run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', 'base', '-F', 'qcow2', 'long'], dir);
      run([...WEMU_IMG, 'convert', '-O', 'qcow2', '-c', '-n', 'short', 'long'], dir);
      run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', 'base', '-F', 'qcow2', 'theirs'], dir);
      run(['qemu-img', 'convert', '-O', 'qcow2', '-c', '-n', 'short', 'theirs'], dir);
      expect(run(['qemu-img', 'compare', 'theirs', 'long'], dir)).toBe('Images are identical.\n');
    }),
  TEST_LIMIT,
);
