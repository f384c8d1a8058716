// Crashes while images are created: every kind of image, and every point.
import { expect, test } from 'bun:test';
import { TEST_LIMIT } from '../setup/limits.ts';
import { CREATED, crashCreation, crashOverOld } from './crash-create.ts';
import { inScratch } from './helpers.ts';

for (const [i, options] of CREATED.entries()) {
  test(
    `an image whose creation ends in a crash is refused or whole: ${options || 'no options'}`,
    () => inScratch(async (dir) => void expect(await crashCreation(options, dir, i)).toBeGreaterThan(3)),
    TEST_LIMIT,
  );
}

for (const options of ['', 'cluster_size=512', 'compat=0.10'])
  test(`a crash of creation on a device leaves the old image, none or the new one: ${options || 'no options'}`, () =>
    inScratch(async (dir) => void expect(await crashOverOld(options, dir, 5)).toBeGreaterThan(100)));
