// Crashes of `check -r`: a share of what crash-repair.ts does by command.
import { expect, test } from 'bun:test';
import { TEST_LIMIT } from '../setup/limits.ts';
import { crashMutants, crashRepairs, REPAIRED } from './crash-repair.ts';
import { inScratch } from './helpers.ts';

const inFolder = (body: (dir: string) => Promise<void>): Promise<void> =>
  inScratch((dir) => body(dir).finally(() => process.chdir('/')));

for (const [i, options] of REPAIRED.entries()) {
  test(
    `a crash of a repair loses nothing, and repairing again ends clean: ${options}`,
    () =>
      inFolder(async (dir) => {
        const { states } = await crashRepairs(options, dir, 40 + i, 6);
        expect(states).toBeGreaterThan(60);
      }),
    TEST_LIMIT,
  );
}

test(
  'a crash of the repair of mutated images loses nothing',
  () =>
    inFolder(async (dir) => {
      for (const [i, options] of REPAIRED.entries()) await crashMutants(options, dir, 900 + 10 * i, 2);
    }),
  TEST_LIMIT,
);
