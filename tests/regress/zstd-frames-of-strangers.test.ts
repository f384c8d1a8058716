// Compressed clusters whose zstd frames are not as compressors make them, compared with qemu-img. Skippable frames and frames without
// content were taken for the end of the data. Frames may ask for windows of up to 128 MB, or any if they tell the length of their content:
// that takes no memory but what the content needs. Found by review.
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import type { Qcow2Node } from '../../src/block/qcow2/open.ts';
import { freshQcow2, hasQemu, inScratch, QEMU_NOTE } from '../block/helpers.ts';
import { TEST_LIMIT } from '../setup/limits.ts';

const CLUSTER = 65536;
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];

const little = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) % 256);
/** A block of RFC 8878: so many times the letter a. */
const block = (count: number, last = true): number[] => [...little(count * 8 + 2 + Number(last), 3), 97];
const nothing = little(1, 3);
const windowOf = (log: number, mantissa = 0): number => (log - 10) * 8 + mantissa;
/** Frames that do not tell the length of their content, and ones that do. */
const unknown = (window: number, blocks: readonly number[]): number[] => [...MAGIC, 0, window, ...blocks];
const known = (window: number, size: number, blocks: readonly number[]): number[] => [
  ...[...MAGIC, 0x80, window, ...little(size, 4)],
  ...blocks,
];
const single = (size: number, blocks: readonly number[]): number[] => [...MAGIC, 0xe0, ...little(size, 8), ...blocks];
const skippable = (bytes: number): number[] => [0x5a, 0x2a, 0x4d, 0x18, ...little(bytes, 4), ...little(0, bytes)];

const whole = unknown(windowOf(17), block(CLUSTER));
const half = unknown(windowOf(17), block(CLUSTER / 2));

const CASES: Record<string, readonly number[]> = {
  'a window of 128 MB': unknown(windowOf(27), block(CLUSTER)),
  'two frames with windows of 128 MB': [
    ...unknown(windowOf(27), block(CLUSTER / 2)),
    ...unknown(windowOf(27), block(CLUSTER / 2)),
  ],
  'a window of 144 MB': unknown(windowOf(27, 1), block(CLUSTER)),
  'a window of 256 MB': unknown(windowOf(28), block(CLUSTER)),
  'a window of 2 GB and the length': known(windowOf(31), CLUSTER, block(CLUSTER)),
  'a window of 4 GB and the length': known(windowOf(32), CLUSTER, block(CLUSTER)),
  'content of 128 MB': single(2 ** 27, block(CLUSTER)),
  'content of 2^50 bytes': single(2 ** 50, block(CLUSTER)),
  'one cluster and a byte': unknown(windowOf(17), block(CLUSTER + 1)),
  'one cluster and no end': unknown(windowOf(17), block(CLUSTER, false)),
  'one cluster and an empty end': unknown(windowOf(17), [...block(CLUSTER, false), ...nothing]),
  'half a cluster': half,
  'a skippable frame first': [...skippable(5), ...whole],
  'an empty skippable frame first': [...skippable(0), ...whole],
  'a skippable frame between': [...half, ...skippable(300), ...half],
  'a skippable frame beyond the end': [...half, ...skippable(5).with(7, 1), ...half],
  'an empty frame first': [...unknown(windowOf(17), nothing), ...whole],
  'an empty frame that says so first': [...known(windowOf(17), 0, nothing), ...whole],
  'a frame that says it was empty first': [...known(windowOf(17), 0, block(5)), ...whole],
  'many empty frames': [...Array.from({ length: 1000 }, () => unknown(windowOf(27), nothing)).flat(), ...whole],
  'rubbish behind': [...whole, ...Array<number>(100).fill(255)],
};

/** Frames are read or refused as by qemu-img 7.2. */
const READ = new Set([
  'a window of 128 MB',
  'two frames with windows of 128 MB',
  'a window of 2 GB and the length',
  'one cluster and an empty end',
  'a skippable frame first',
  'an empty skippable frame first',
  'a skippable frame between',
  'an empty frame first',
  'an empty frame that says so first',
  'many empty frames',
  'rubbish behind',
]);

test(
  `zstd frames are read or refused as by qemu-img${QEMU_NOTE}`,
  () =>
    inScratch(async (dir) => {
      const [made, path] = [join(dir, 'made'), join(dir, 'a')];
      const node = (await freshQcow2(made, CLUSTER, 'compression_type=zstd')) as Qcow2Node;
      await node.write(0, new Uint8Array(CLUSTER).fill(1));
      await node.flush();
      const table = Math.floor(node.s.l1[0]! % 2 ** 24) * 2 ** 32 + node.s.l1[1]!;
      await closeImage(node);
      const image = readFileSync(made);
      for (const [name, frame] of Object.entries(CASES)) {
        const end = Math.ceil(image.length / CLUSTER) * CLUSTER;
        const sectors = Math.ceil(frame.length / 512);
        const b = Buffer.alloc(end + sectors * 512);
        image.copy(b);
        b.set(frame, end);
        b.writeBigUInt64BE((1n << 62n) | (BigInt(sectors - 1) << 54n) | BigInt(end), table);
        writeFileSync(path, b);
        const damaged = await openImage({ filename: path, options: new Map([['driver', 'qcow2']]), readOnly: true });
        const got = new Uint8Array(CLUSTER);
        const read = await (async () => damaged.read(0, got))().then(
          () => true,
          () => false,
        );
        await damaged.close();
        expect([name, read]).toEqual([name, READ.has(name)]);
        if (read) expect(got.every((v) => v === 97)).toBe(true);
        if (!hasQemu) continue;
        const q = Bun.spawnSync(['qemu-img', 'convert', '-O', 'raw', path, join(dir, 'raw')]);
        expect([name, q.exitCode]).toEqual([name, read ? 0 : 1]);
        if (read) expect(readFileSync(join(dir, 'raw')).equals(got)).toBe(true);
      }
    }),
  TEST_LIMIT,
);
