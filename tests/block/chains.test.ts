// Random backing chains of layers of all sizes, and one command on each (a share of what chains.ts does by command).
import { expect, test } from 'bun:test';
import { TEST_LIMIT } from '../setup/limits.ts';
import { randomChains } from './chains.ts';
import { hasQemu, QEMU_NOTE } from './helpers.ts';

test.skipIf(!hasQemu)(
  `commands on random backing chains leave what qemu-img leaves${QEMU_NOTE}`,
  () => {
    const found: string[] = [];
    randomChains({ seed: 1, chains: 6, found: (text) => found.push(text) });
    expect(found).toEqual([]);
  },
  TEST_LIMIT,
);
