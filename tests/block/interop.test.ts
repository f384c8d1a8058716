// qemu-img and qemu-io against ours: command lines, option combinations, random operations (all of them by command:
// bun tests/block/interop.ts, parity.ts, differential.ts).
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { CLI_CASES } from './cli-cases.ts';
import { EDGE_CASES } from './cli-edges.ts';
import { MISTAKE_CASES } from './cli-mistakes.ts';
import { TREE_CASES } from './cli-trees.ts';
import { differential, VARIANTS } from './differential.ts';
import { FAULT_CASES } from './fault-cases.ts';
import { eventually, freshQcow2, hasQemu, inScratch, QEMU_NOTE, run } from './helpers.ts';
import { combinations, interop } from './interop.ts';
import { compareLines, someLines } from './pairs.ts';
import { compareCase } from './parity.ts';
import { randomCommands } from './random-commands.ts';

for (const c of [...FAULT_CASES, ...CLI_CASES, ...EDGE_CASES, ...MISTAKE_CASES, ...TREE_CASES]) {
  test.skipIf(!hasQemu)(
    `says and does what qemu-img does: ${c.name}${QEMU_NOTE}`,
    () => {
      expect(compareCase(c)).toBe('');
    },
    TEST_LIMIT,
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
  TEST_LIMIT,
);

test.skipIf(!hasQemu)(
  `random operations give the same content${QEMU_NOTE}`,
  async () => {
    for (const [i, options] of VARIANTS.entries())
      await differential({ seed: 40 + i, operations: 150, options, size: 14 << 20 });
  },
  TEST_LIMIT,
);

test.skipIf(!hasQemu)(
  `random command lines do the same${QEMU_NOTE}`,
  async () => {
    const differences: string[] = [];
    await randomCommands(300, 4, (text) => differences.push(text));
    expect(differences).toEqual([]);
  },
  TEST_LIMIT,
);

test.skipIf(!hasQemu)(
  `pairs of options and mistakes give the same (all of them: pairs.ts)${QEMU_NOTE}`,
  () => {
    const differences: string[] = [];
    compareLines(someLines('-', 123, 601), (line, text) => differences.push(`${line}: ${text}`));
    expect(differences).toEqual([]);
  },
  TEST_LIMIT,
);

test.skipIf(!hasQemu)(`an image of an exbibyte, beyond what doubles count in bytes${QEMU_NOTE}`, () =>
  inScratch(async (dir) => {
    const path = join(dir, 'a');
    const at = 1023 * 2 ** 50;
    const node = await freshQcow2(path, 2 ** 60, 'cluster_size=2M');
    await node.write(at + 512, new Uint8Array(65536).fill(7));
    await node.write(2 ** 60 - 512, new Uint8Array(512).fill(8));
    // Above 2^53 only whole sectors can be told apart: anything else is refused, not rounded.
    await expect(eventually(() => node.write(at + 512, new Uint8Array(100)))).rejects.toThrow('Input/output error');
    await closeImage(node);
    run(['qemu-img', 'check', path]);
    run(['qemu-io', '-c', `read -P 7 ${BigInt(at) + 512n} 65536`, '-c', `read -P 0 ${BigInt(at)} 512`, path]);
    run(['qemu-io', '-c', `read -P 8 ${2n ** 60n - 512n} 512`, path]);
    const again = await openImage({ filename: path, readOnly: true });
    expect((await again.blockStatus(0, 2 ** 60)).bytes).toBeGreaterThan(2 ** 59);
    const b = new Uint8Array(1024);
    await again.read(at, b);
    expect([b[0], b[511], b[512], b[1023]]).toEqual([0, 0, 7, 7]);
    await closeImage(again);
  }),
);
