// Many requests at once in few clusters (a share of what concurrent.ts does by command).
import { test } from 'bun:test';
import { TEST_LIMIT } from '../setup/limits.ts';
import { CONCURRENT, concurrent } from './concurrent.ts';
import { inScratch } from './helpers.ts';

for (const [i, q] of CONCURRENT.entries()) {
  test(
    `requests at once and snapshots between them keep every unit: ${JSON.stringify(q)}`,
    () =>
      inScratch(async (dir) => {
        for (let k = 0; k < 3; k++) await concurrent({ ...q, seed: 500 + i * 10 + k, rounds: 30 }, dir);
      }),
    TEST_LIMIT,
  );
}
