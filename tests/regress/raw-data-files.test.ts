// An external data file that others read as a raw image (data_file_raw) was left empty when the image was created, and the image
// file made as long as the disk instead; zeroing subclusters and discarding changed only the tables, so that the file still
// showed the old data. qemu-io does the same operations.
import { expect, test } from 'bun:test';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { type BlockNode, REQ } from '../../src/block/driver.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { contentOf, hasQemu, inScratch, QEMU_NOTE, run } from '../block/helpers.ts';

const SIZE = 1 << 20;

async function make(dir: string, options: string): Promise<BlockNode> {
  const path = join(dir, 'ours');
  await createImage({
    filename: path,
    format: 'qcow2',
    size: SIZE,
    optionTexts: [`data_file=${path}.raw,data_file_raw=on,${options}`],
  });
  return openImage({ filename: path, options: new Map([['driver', 'qcow2']]), unmap: true, noFlush: true });
}

for (const options of ['cluster_size=64k,extended_l2=on', 'cluster_size=4k', 'preallocation=metadata']) {
  test.skipIf(!hasQemu)(`the data file shows what the image shows: ${options}${QEMU_NOTE}`, () =>
    inScratch(async (dir) => {
      const node = await make(dir, options);
      expect(statSync(join(dir, 'ours.raw')).size).toBe(SIZE);
      expect(statSync(join(dir, 'ours')).size).toBeLessThan(SIZE);
      await node.write(0, new Uint8Array(300000).fill(0xaa));
      await node.writeZeroes(2048, 2048);
      await node.writeZeroes(10000, 150000);
      await node.writeZeroes(200000, 4096, REQ.MAY_UNMAP);
      await node.discard(131072, 65536);
      const content = await contentOf(node);
      await closeImage(node);
      expect(readFileSync(join(dir, 'ours.raw')).equals(Buffer.from(content))).toBe(true);
      run(
        [
          'qemu-img',
          'create',
          '-q',
          '-f',
          'qcow2',
          '-o',
          `data_file=theirs.raw,data_file_raw=on,${options}`,
          'theirs',
          '1M',
        ],
        dir,
      );
      const io = ['write -P 0xaa 0 300000', 'write -z 2048 2048', 'write -z 10000 150000', 'write -z -u 200000 4096'];
      run(['qemu-io', '-d', 'unmap', ...[...io, 'discard 131072 65536'].flatMap((c) => ['-c', c]), 'theirs'], dir);
      expect(readFileSync(join(dir, 'theirs.raw')).equals(Buffer.from(content))).toBe(true);
      run(['qemu-img', 'compare', 'ours', 'theirs'], dir);
    }),
  );
}
