// A write behind the end of the file that failed half way (no space, a limit) left data there, but the node went on taking the file
// to be as short as before: the place was then given to another cluster and taken to be zero.
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { openImage } from '../../src/block/graph.ts';
import { eventually, inScratch } from '../block/helpers.ts';

const FILE = [['driver', 'file']] as const;
const CAN_LIMIT = Bun.which('prlimit') !== null;

if (process.argv[2] === 'child') {
  process.on('SIGXFSZ', () => {});
  const limit = (bytes: string): void =>
    void Bun.spawnSync(['prlimit', '--pid', String(process.pid), `--fsize=${bytes}:unlimited`]);
  const node = await openImage({ filename: process.argv[3]!, options: new Map([['driver', 'qcow2']]) });
  await node.write(0, new Uint8Array(512).fill(1));
  await node.flush();
  // Half of the next cluster fits.
  limit(String(node.file!.length - (node.file!.length % 65536) + 65536 + 32768));
  const failed = await (async () => node.write(65536, new Uint8Array(65536).fill(0xee)))().then(
    () => 'written',
    (error: Error) => error.message,
  );
  limit('unlimited');
  await node.flush();
  await node.write(65536 + 40960, new Uint8Array(512).fill(2));
  const b = new Uint8Array(65536);
  await node.read(65536, b);
  console.log(failed, b.filter((v) => v === 0xee).length, b.filter((v) => v === 2).length);
  // What the host copied before the limit counts for the length as well.
  const [source, target] = await Promise.all(
    [process.argv[4]!, process.argv[5]!].map((filename) =>
      openImage({ options: new Map([...FILE, ['filename', filename]]) }),
    ),
  );
  limit('65536');
  try {
    target!.copyFrom(source!, 0, 0, 131072);
  } catch (error) {
    console.log((error as Error).message, target!.length);
  }
  limit('unlimited');
  await node.close();
  process.exit(0);
}

test.skipIf(!CAN_LIMIT)(
  `what a failed write left behind is not shown${CAN_LIMIT ? '' : ' [skipped: no prlimit]'}`,
  () =>
    inScratch(async (dir) => {
      const path = join(dir, 'a');
      await createImage({ filename: path, format: 'qcow2', size: 1 << 20 });
      const [source, target] = [join(dir, 'source'), join(dir, 'target')];
      await Bun.write(source, new Uint8Array(131072).fill(3));
      await Bun.write(target, '');
      const p = Bun.spawnSync([process.execPath, import.meta.path, 'child', path, source, target]);
      expect(p.stderr.toString() + p.stdout.toString()).toBe('File too large 0 512\nFile too large 65536\n');
    }),
);

// The preallocate filter knows the end of the data by itself. Found by reading.
test('what a failed write left behind is not shown through the preallocate filter', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    await createImage({ filename: path, format: 'qcow2', size: 1 << 20 });
    const node = await openImage({
      options: new Map(
        Object.entries({
          driver: 'qcow2',
          'file.driver': 'preallocate',
          'file.prealloc-size': '0',
          'file.prealloc-align': '512',
          'file.file.driver': 'blkdebug',
          'file.file.image.driver': 'file',
          'file.file.image.filename': path,
          'file.file.max-transfer': '4096',
          // The second half of the first cluster of data.
          'file.file.inject-error.0.event': 'pwritev',
          'file.file.inject-error.0.iotype': 'write',
          'file.file.inject-error.0.sector': String((5 * 65536 + 32768) / 512),
          'file.file.inject-error.0.once': 'on',
        }),
      ),
    });
    await expect(eventually(() => node.write(0, new Uint8Array(65536).fill(0xee)))).rejects.toThrow(
      'Input/output error',
    );
    await node.flush();
    await node.write(40960, new Uint8Array(512).fill(2));
    const b = new Uint8Array(65536);
    await node.read(0, b);
    expect([b.filter((v) => v === 0xee).length, b.filter((v) => v === 2).length]).toEqual([0, 512]);
    await node.close();
  }));
