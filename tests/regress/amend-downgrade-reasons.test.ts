// amend -o compat=0.10 of an image with several obstacles named another one than qemu-img: features before refcounts and snapshots.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';
import { TEST_LIMIT } from '../setup/limits.ts';

const WEMU_IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

for (const options of [
  'extended_l2=on,refcount_bits=8',
  'extended_l2=on',
  'extended_l2=on,compression_type=zstd',
  'compression_type=zstd,refcount_bits=8',
  'compression_type=zstd',
  'data_file=data,refcount_bits=8',
])
  test.skipIf(!hasQemu)(
    `amend -o compat=0.10 of ${options}${QEMU_NOTE}`,
    () =>
      inScratch((dir) => {
        const reason = (tool: string[]): string => {
          const p = Bun.spawnSync([...tool, 'amend', '-o', 'compat=0.10', 'disk'], { cwd: dir });
          return `${p.stderr.toString().replace(/^\w+-img/, '')}exit ${p.exitCode}`;
        };
        for (const snapshot of [false, true]) {
          if (snapshot && options.includes('data_file')) continue;
          run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-o', options, 'disk', '1M'], dir);
          if (options.includes('zstd')) run(['qemu-io', '-c', 'write -q -c 0 64k', 'disk'], dir);
          if (snapshot) run(['qemu-img', 'snapshot', '-c', 'one', 'disk'], dir);
          if (snapshot) run(['qemu-img', 'resize', '-q', 'disk', '2M'], dir);
          const wanted = reason(['qemu-img']);
          expect(wanted).toEndWith('exit 1');
          expect(reason(WEMU_IMG)).toBe(wanted);
        }
      }),
    TEST_LIMIT,
  );
