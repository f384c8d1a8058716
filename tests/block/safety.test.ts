// Crashes and hostile images: a share of what crash.ts and fuzz.ts do by command, and the limits one by one.
import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createImage } from '../../src/block/create-image.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { CRASHES, crashTest } from './crash.ts';
import { failEach, OPERATIONS } from './failures.ts';
import { fuzz } from './fuzz.ts';
import { fuzzInputs } from './fuzz-inputs.ts';
import { inScratch } from './helpers.ts';

for (const [i, c] of CRASHES.entries()) {
  test(
    `a crash at any point loses nothing that was flushed: ${JSON.stringify(c)}`,
    () =>
      inScratch(
        async (dir) => void (await crashTest({ seed: 11 + i, operations: 40, states: 40, dir, options: '', ...c })),
      ),
    TEST_LIMIT,
  );
}

test('mutated images neither crash nor hang us', () => fuzz(50000, 150), TEST_LIMIT);

test(
  'damaged names, raw files and answers of web servers neither crash nor hang us',
  () => fuzzInputs(70000, 60),
  TEST_LIMIT,
);

/** Opens an image with some bytes changed. */
async function openChanged(changes: [number, number[]][], extra: object = {}): Promise<string> {
  return inScratch(async (dir) => {
    const path = join(dir, 'a');
    await createImage({ filename: path, format: 'qcow2', size: 1 << 20 });
    const b = readFileSync(path);
    for (const [at, bytes] of changes) b.set(bytes, at);
    writeFileSync(path, b);
    try {
      await closeImage(
        await openImage({ filename: path, options: new Map([['driver', 'qcow2']]), readOnly: true, ...extra }),
      );
      return 'opened';
    } catch (error) {
      return (error as Error).message;
    }
  });
}

test('header fields out of bounds are refused by name', async () => {
  expect(await openChanged([[0, [0]]])).toBe('Image is not in qcow2 format');
  expect(await openChanged([[4, [0, 0, 0, 9]]])).toBe('Unsupported qcow2 version 9');
  expect(await openChanged([[20, [0, 0, 0, 40]]])).toBe('Unsupported cluster size: 2^40');
  expect(await openChanged([[24, [0x7f, 0xff]]])).toBe('Image is too big');
  expect(await openChanged([[36, [0xff, 0xff, 0xff, 0xff]]])).toBe('Active L1 table too large');
  expect(await openChanged([[36, [0, 0, 0, 0]]])).toBe('L1 table is too small');
  expect(await openChanged([[47, [1]]])).toBe('Active L1 table offset invalid');
  expect(await openChanged([[56, [0xff]]])).toBe('Reference count table too large');
  expect(await openChanged([[60, [0xff]]])).toBe('Snapshot table too large');
  expect(await openChanged([[99, [7]]])).toBe('Reference count entry width too large; may not exceed 64 bits');
  expect(await openChanged([[100, [0, 0, 0, 1]]])).toBe('qcow2 header too short');
  expect(await openChanged([[32, [0, 0, 0, 1]]])).toBe('qcow2 images encrypted with AES are not supported');
  expect(await openChanged([[32, [0, 0, 0, 2]]])).toBe('qcow2 images encrypted with LUKS are not supported');
});

test('unknown features are refused by the names the image gives them', async () => {
  expect(await openChanged([[75, [1]]])).toBe('Unsupported qcow2 feature(s): Unknown incompatible feature: 100000000');
  // Bit 63 and a name for it in the feature table's first row.
  expect(
    await openChanged([
      [72, [0x80]],
      [120, [0, 63, ...Buffer.from('time travel\0')]],
    ]),
  ).toBe('Unsupported qcow2 feature(s): time travel');
});

test('loops in a backing chain are found', () =>
  inScratch(async (dir) => {
    const [a, b] = [join(dir, 'a'), join(dir, 'b')];
    await createImage({ filename: a, format: 'qcow2', size: 1 << 20 });
    await createImage({ filename: b, format: 'qcow2', backingFile: a, backingFormat: 'qcow2' });
    await createImage({
      filename: a,
      format: 'qcow2',
      size: 1 << 20,
      backingFile: b,
      backingFormat: 'qcow2',
      unsafe: true,
    });
    await expect(openImage({ filename: a, readOnly: true })).rejects.toThrow('already part of the chain');
  }));

test('formats known only by their signature are not taken for raw', () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    writeFileSync(path, Buffer.concat([Buffer.from('KDMV'), Buffer.alloc(4096)]));
    await expect(openImage({ filename: path, readOnly: true })).rejects.toThrow("Image format 'vmdk' is not supported");
  }));

for (const o of OPERATIONS) {
  test(
    `an operation whose changes fail leaves the old or the new: ${o.name}`,
    () => inScratch(async (dir) => void expect(await failEach(o, dir, 3)).toBeGreaterThan(0)),
    TEST_LIMIT,
  );
}
