/** Random ARM instructions of every row, each instruction set: registers, flags, memory and signals as under qemu-arm. */

import { expect } from 'bun:test';
import { DECODERS } from '../../targets/arm/insns.ts';
import { describeCase, type FuzzSet, randomCase, randomMemory, randomSequence } from '../fuzz/arm-cases.ts';
import { compareCases, explainDifference } from '../fuzz/arm-compare.ts';
import type { ArmCase } from '../fuzz/arm-program.ts';
import { Random } from '../oracle/random.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { testWith } from '../setup/needs.ts';

/** Cases of one row; more by WEMU_FUZZ_RUNS. */
const PER_ROW = Number(process.env.WEMU_FUZZ_RUNS ?? 10);
/** Cases in one program. */
const BATCH = 3000;

for (const set of ['A32', 'T16', 'T32'] as const satisfies readonly FuzzSet[]) {
  for (const engine of ['wasm', 'interp'] as const) {
    testWith(
      ['qemu-user'],
      `${set} on the ${engine} engine`,
      () => {
        const random = new Random(set.length * 31 + engine.length);
        const cases: ArmCase[] = [];
        for (const row of DECODERS[set].rows()) {
          for (let n = 0, tries = 0; n < PER_ROW && tries < 50 * PER_ROW; tries++) {
            const one = randomCase(set, random, [row]);
            if (!one) continue;
            cases.push(one);
            n++;
          }
        }
        expect(cases.length).toBeGreaterThan(PER_ROW * 50);
        const bad: string[] = [];
        for (let at = 0; at < cases.length; at += BATCH) {
          const options = engine === 'interp' ? ['-engine', 'interp'] : ['-disable', 'cold'];
          for (const difference of compareCases(cases.slice(at, at + BATCH), randomMemory(random), { options })) {
            bad.push(`${describeCase(difference.one)}\n${explainDifference(difference)}`);
          }
        }
        expect(bad.slice(0, 5)).toEqual([]);
      },
      TEST_LIMIT,
    );
  }
}

for (const set of ['A32', 'T16'] as const) {
  for (const options of [['-disable', 'cold'], ['-one-insn-per-tb']]) {
    testWith(
      ['qemu-user'],
      `sequences of ${set} under conditions with ${options.join(' ')}`,
      () => {
        const random = new Random(77 + options.length);
        const cases = Array.from({ length: 400 }, () => randomSequence(set, random));
        const bad = compareCases(cases, randomMemory(random), { options }).map(
          (difference) => `${describeCase(difference.one)}\n${explainDifference(difference)}`,
        );
        expect(bad.slice(0, 5)).toEqual([]);
      },
      TEST_LIMIT,
    );
  }
}
