// `snapshot -a` went back to a snapshot in an image with bitmaps, which then knew nothing of what that had changed: the next
// incremental backup would have left it out. qemu-img refuses.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { hasQemu, inScratch, QEMU_NOTE } from '../block/helpers.ts';

const IMG = [process.execPath, join(import.meta.dir, '../../src/cli/img.ts')];

test.skipIf(!hasQemu)(`a snapshot is not applied to an image with bitmaps${QEMU_NOTE}`, () =>
  inScratch((dir) => {
    const both = [['qemu-img'], IMG].map((tool) => {
      const run = (...args: string[]): string => {
        const p = Bun.spawnSync([...tool, ...args], { cwd: dir });
        return `${p.exitCode} ${p.stderr.toString().replace(/^[a-z]+-img: /, '')}`;
      };
      return [
        run('create', '-q', '-f', 'qcow2', 'a', '1M'),
        run('snapshot', '-c', 'one', 'a'),
        run('bitmap', '--add', '--disable', 'a', 'b'),
        run('snapshot', '-a', 'one', 'a'),
        run('snapshot', '-a', 'none', 'a'),
        run('snapshot', '-d', 'one', 'a'),
      ];
    });
    expect(both[1]).toEqual(both[0]!);
    expect(both[1]![3]).toBe("1 Could not apply snapshot 'one': Device has active dirty bitmaps\n");
  }),
);
