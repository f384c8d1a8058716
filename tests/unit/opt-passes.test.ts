/** No pass changes what a block does: random blocks under the interpreter with and without each pass. */

import { describe, expect, test } from 'bun:test';
import type { Block } from '../../tcg/ir/block.ts';
import { printBlock } from '../../tcg/ir/print.ts';
import type { Global } from '../../tcg/ir/value.ts';
import { assertValid } from '../../tcg/ir/verify.ts';
import { optimize, type PassSwitches, prepareForReplay } from '../../tcg/opt/pipeline.ts';
import fc, { numRuns } from '../setup/properties.ts';
import { FEW_GLOBALS, MANY_GLOBALS, randomBlock, WINDOW, WINDOW_SIZE } from './ir-random.ts';
import { ENV, type Outcome, run, type Start } from './ir-run.ts';

const numbers = fc.array(fc.nat(1_000_000), { maxLength: 250, size: 'max' });
const RUNS = numRuns(400);

const SWITCHES: readonly PassSwitches[] = [
  { forward: false, deadCode: false, stateSync: 'every' },
  { forward: false, deadCode: false, stateSync: 'spans' },
  { forward: true, deadCode: false },
  { forward: false, deadCode: true },
  {},
  { stateSync: 'every' },
  { stateSync: 'idempotent' },
];

/** The outcome, or with the block in the message when it differs from the expected one. */
function expectSame(actual: Outcome, expected: Outcome, before: Block, after: Block, stateCounts: boolean): void {
  const stop = stateCounts ? expected.memory.length : ENV;
  const same =
    actual.exit === expected.exit &&
    actual.accesses.join() === expected.accesses.join() &&
    Buffer.compare(actual.memory.subarray(0, stop), expected.memory.subarray(0, stop)) === 0;
  if (same) return;
  const differing = [...actual.memory.keys()].filter((i) => actual.memory[i] !== expected.memory[i]);
  throw new Error(
    `exit ${actual.exit}, not ${expected.exit}; differing bytes at ${differing.map((i) => i - ENV)} of CPU state\n` +
      `${actual.accesses}\n${expected.accesses}\n${printBlock(before)}\n${printBlock(after)}`,
  );
}

/** The same block with CPU state precise at every instruction and nothing else done to it. */
function precise(block: Block, globals: readonly Global[]): Block {
  for (const op of block.ops) if (op.row.name === 'insn_start') op.sync = globals;
  return block;
}

const start = fc.record({
  seed: fc.integer({ min: 1, max: 0x7fffffff }),
  poll: fc.constantFrom(0, 0, 1),
  bad: fc.constantFrom(0, 0, WINDOW + 0x100, WINDOW + WINDOW_SIZE - 0x80),
});

describe('passes', () => {
  for (const globals of [FEW_GLOBALS, MANY_GLOBALS]) {
    for (const switches of SWITCHES) {
      test(`${JSON.stringify(switches)} keeps the meaning of blocks with ${globals.length} globals`, () => {
        fc.assert(
          fc.property(numbers, start, (choices, begin: Start) => {
            const plain = randomBlock(choices, { globals });
            const expected = run(plain, { ...begin, bad: 0 });
            const block = randomBlock(choices, { globals });
            optimize(block, { ...switches, verify: assertValid });
            // A misaligned access ends the run; CPU state is then some earlier instruction's.
            expectSame(run(block, { ...begin, bad: 0 }), expected, plain, block, typeof expected.exit !== 'string');
          }),
          { numRuns: RUNS },
        );
      });
    }

    test(`a fault finds precise state in mode 'every' (${globals.length} globals)`, () => {
      fc.assert(
        fc.property(numbers, start, (choices, begin: Start) => {
          const reference = precise(randomBlock(choices, { globals }), globals);
          const expected = run(reference, begin);
          const faulted = typeof expected.exit === 'string';
          for (const prepare of [(b: Block) => optimize(b, { stateSync: 'every' }), prepareForReplay]) {
            const block = randomBlock(choices, { globals });
            prepare(block);
            const actual = run(block, begin);
            expectSame(actual, expected, reference, block, faulted || begin.bad === 0);
          }
        }),
        { numRuns: RUNS },
      );
    });
  }

  test('nothing is left to do after the first time', () => {
    fc.assert(
      fc.property(numbers, (choices) => {
        const block = randomBlock(choices, { globals: FEW_GLOBALS });
        for (let n = 0; n < 6; n++) optimize(block);
        const text = printBlock(block);
        optimize(block);
        expect(printBlock(block)).toBe(text);
      }),
      { numRuns: numRuns(100) },
    );
  });
});
