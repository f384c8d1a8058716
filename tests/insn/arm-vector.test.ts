/** Floating point and Advanced SIMD of ARM, instructions of every row: registers, FPSCR, memory and signals as under qemu-arm. */

import { expect } from 'bun:test';
import { describeCase, randomMemory } from '../fuzz/arm-cases.ts';
import { compareCases, explainDifference } from '../fuzz/arm-compare.ts';
import type { ArmCase } from '../fuzz/arm-program.ts';
import { randomVectorCase, vectorRows } from '../fuzz/arm-vector-cases.ts';
import { Random } from '../oracle/random.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

/** Cases of one row by engine; more by WEMU_FUZZ_RUNS. */
const PER_ROW = { wasm: Number(process.env.WEMU_FUZZ_RUNS ?? 16), interp: Number(process.env.WEMU_FUZZ_RUNS ?? 8) };
const OPTIONS = { wasm: ['-disable', 'cold'], interp: ['-engine', 'interp'] };
/** Cases in one program. */
const BATCH = 3000;

for (const engine of ['wasm', 'interp'] as const) {
  testWith(
    ['qemu-user'],
    `every row on the ${engine} engine`,
    () => {
      const random = new Random(engine.length);
      const cases: ArmCase[] = [];
      for (const row of vectorRows()) {
        let made = 0;
        for (let tries = 0; made < PER_ROW[engine] && tries < 200 * PER_ROW[engine]; tries++) {
          const one = randomVectorCase(random, [row]);
          if (!one) continue;
          cases.push(one);
          made++;
        }
        if (made === 0) throw new Error(`no case of ${row.name}`);
      }
      const bad: string[] = [];
      for (let at = 0; at < cases.length; at += BATCH) {
        for (const difference of compareCases(cases.slice(at, at + BATCH), randomMemory(random), {
          options: OPTIONS[engine],
        })) {
          bad.push(`${describeCase(difference.one)} fpscr ${difference.one.fpscr}\n${explainDifference(difference)}`);
        }
      }
      expect(bad.slice(0, 5)).toEqual([]);
    },
    TEST_LIMIT,
  );
}
