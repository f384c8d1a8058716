// qemu-img and qemu-io against ours: command lines, option combinations, random operations (all of them by command:
// bun tests/block/interop.ts, parity.ts, differential.ts).
import { expect, test } from 'bun:test';
import { CLI_CASES } from './cli-cases.ts';
import { differential, VARIANTS } from './differential.ts';
import { hasQemu, inScratch, QEMU_NOTE } from './helpers.ts';
import { combinations, interop } from './interop.ts';
import { compareCase } from './parity.ts';

const SECONDS = 1000;

for (const c of CLI_CASES) {
  test.skipIf(!hasQemu)(
    `says and does what qemu-img does: ${c.name}${QEMU_NOTE}`,
    () => {
      expect(compareCase(c)).toBe('');
    },
    60 * SECONDS,
  );
}

test('there are at least 200 combinations', () => {
  expect(combinations().length).toBeGreaterThanOrEqual(200);
});

test.skipIf(!hasQemu)(
  `images of both tools agree over every sixth combination${QEMU_NOTE}`,
  async () => {
    const all = combinations();
    for (let i = 0; i < all.length; i += 6) await inScratch((dir) => interop(all[i]!, dir));
  },
  120 * SECONDS,
);

test.skipIf(!hasQemu)(
  `random operations give the same content${QEMU_NOTE}`,
  async () => {
    for (const [i, options] of VARIANTS.entries())
      await differential({ seed: 40 + i, operations: 150, options, size: 14 << 20 });
  },
  120 * SECONDS,
);
