// A write over a compressed cluster with pass-discard-other=on flushes once its new clusters are mapped, to give the old one's space back.
// Where that flush failed the new clusters were given up, as if nothing referred to them: the next write took them for itself.
// Found by reading.
import { expect, test } from 'bun:test';
import { failEach, OPERATIONS } from '../block/failures.ts';
import { inScratch } from '../block/helpers.ts';

test('clusters that are mapped stay in use when a write fails after that', () =>
  inScratch(async (dir) => {
    const o = OPERATIONS.find(({ name }) => name.startsWith('write over compressed clusters'))!;
    expect(await failEach(o, dir)).toBeGreaterThan(10);
  }));
