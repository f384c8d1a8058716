/** Random instructions of every row on each CPU model: what a model has not is undefined under qemu-arm too, and the rest is the same. */

import { expect } from 'bun:test';
import { ARM_MODELS } from '../../targets/arm/models.ts';
import { ARM_GROUPS, armReport, fuzzArm } from '../fuzz/arm-run.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

/** Cases of one model; more by WEMU_FUZZ_RUNS. */
const CASES = Number(process.env.WEMU_FUZZ_RUNS ?? 400);

for (const { name } of ARM_MODELS) {
  testWith(
    ['qemu-user'],
    name,
    () => {
      const seed = name.length;
      const result = fuzzArm({
        seed,
        cases: CASES,
        groups: ARM_GROUPS.filter((group) => group !== 'sequences'),
        rows: [],
        cpus: [name],
        options: [],
        order: undefined,
        batch: 3000,
        keepGoing: true,
      });
      if (result.differences.size > 0) throw new Error(armReport(result, seed));
      expect(result.agreed).toBeGreaterThan(CASES * 0.9);
    },
    TEST_LIMIT,
  );
}
