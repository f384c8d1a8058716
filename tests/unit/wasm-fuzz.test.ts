// Random blocks of every op and control flow: WebAssembly and the interpreter must leave the same memory behind.
import { expect, test } from 'bun:test';
import { type Block, Op } from '../../tcg/ir/block.ts';
import type { HelperRow } from '../../tcg/ir/helper-table.ts';
import { OPS, type OpName } from '../../tcg/ir/ops.ts';
import { printBlock } from '../../tcg/ir/print.ts';
import { Cond, MO_SIGN } from '../../tcg/ir/types.ts';
import { const32, type Global, type Value, type Variable } from '../../tcg/ir/value.ts';
import { assertValid } from '../../tcg/ir/verify.ts';
import { removeUnreachable } from '../../tcg/opt/dead-code.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { type SyncMode, syncState } from '../../tcg/opt/state-sync.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import fc, { numRuns } from '../setup/properties.ts';
import { FEW_GLOBALS, HELPERS, MANY_GLOBALS, randomBlock } from './ir-random.ts';
import {
  BLOCK_SLOT,
  COUNTER,
  differences,
  ENV,
  freshMemory,
  LAYOUT,
  runInterpreter,
  settleNaNs,
  WasmRunner,
} from './wasm-run.ts';

/** How often each property is tried; WEMU_FUZZ_RUNS=100000 for a long run. */
const RUNS = numRuns(300);

/** The helper rows of the generator, but 64-bit ones are wasm helpers: they may not cross to TypeScript. */
const WIDE = new Map<HelperRow, HelperRow>(
  HELPERS.filter((row) => row.args.includes('i64')).map((row) => [row, { ...row, module: 'w' }]),
);

function wideHelpersAreWasm(block: Block): void {
  for (const op of block.ops) if (op.helper !== null) op.helper = WIDE.get(op.helper) ?? op.helper;
}

/** Where `count_run` of random blocks counts. */
const RUNS_WORD = 0;

const COUNT_FIELD = ENV + 760;
const MARK_FIELD = ENV + 764;

function bodies(globals: readonly Global[]) {
  const words = globals.filter((global) => global.type === 'i32').map((global) => ENV + global.offset);
  return (view: DataView): Record<string, CallableFunction> => ({
    pure_mix: (_env: number, a: number, b: number) => Math.imul(a, 31) ^ b,
    pure_wide: (_env: number, a: bigint) => BigInt.asIntN(64, a * 3n + 1n),
    pure_float: (_env: number, a: number, b: number) => a * 0.5 + b,
    read_state: () => words.reduce((sum, at) => Math.imul(sum, 7) + view.getInt32(at, true), 0) | 0,
    change_state: (_env: number, n: number) => {
      for (const at of words) view.setInt32(at, view.getInt32(at, true) + n, true);
    },
    swap_state: (_env: number, n: number) => {
      const first = view.getInt32(words[0]!, true);
      view.setInt32(words[0]!, view.getInt32(words[1]!, true), true);
      view.setInt32(words[1]!, first, true);
      return first ^ n;
    },
    count: (_env: number, n: number) => {
      view.setInt32(COUNT_FIELD, view.getInt32(COUNT_FIELD, true) + 1, true);
      return view.getInt32(COUNT_FIELD, true) ^ n;
    },
    mark: (_env: number, n: number) => {
      view.setInt32(MARK_FIELD, view.getInt32(MARK_FIELD, true) | n, true);
      return n ^ 5;
    },
    note: (_env: number, n: number) => view.setInt32(COUNT_FIELD, n, true),
  });
}

/**
 * Adds what random ops rarely make: sums as addresses (used twice), comparisons of comparisons as conditions, and polls in
 * front of a goto to the same PC.
 */
function addPatterns(block: Block, seed: number): void {
  let state = seed;
  const pick = (count: number) => ((state = Math.imul(state, 1103515245) + 12345) >>> 12) % count;
  const ops: Op[] = [];
  const push = (name: OpName, out: Variable | null, a: Value | null, b: Value | null, imm = 0) =>
    ops.push(new Op(OPS[name], out, a, b, null, imm, 0, null, null, null));
  for (const op of block.ops) {
    const { name } = op.row;
    if (name.startsWith('guest_') && pick(2) === 0) {
      const sum = block.temp('i32');
      push('add_i32', sum, op.a, const32(pick(3) === 0 ? -8 : pick(64)));
      op.a = sum;
      if (name === 'guest_st_i32' && pick(2) === 0) {
        const old = block.temp('i32');
        push('guest_ld_i32', old, sum, null, op.imm & ~MO_SIGN);
        push('add_i32', (op.b = block.temp('i32')), old, const32(1));
      }
    } else if (name === 'brcond_i32' && pick(2) === 0) {
      const flag = block.temp('i32');
      // A loop must keep its end.
      const backward = isBackward(block, op);
      if (pick(3) === 0 && !backward) {
        const wide = block.temp('i64');
        push('extu_i32_i64', wide, op.a, null);
        push('setcond_i64', flag, wide, wide, pick(12));
      } else {
        push('setcond_i32', flag, op.a, op.b, op.imm);
      }
      op.a = flag;
      op.b = const32(0);
      op.imm = pick(2) === 0 && !backward ? Cond.EQ : Cond.NE;
    } else if (name === 'goto_tb' && pick(2) === 0) {
      push('poll', null, null, null, op.imm);
    }
    ops.push(op);
  }
  block.ops = ops;
}

function isBackward(block: Block, branch: Op): boolean {
  return block.ops.findIndex((op) => op.row.name === 'label' && op.label === branch.label) < block.ops.indexOf(branch);
}

interface Case {
  readonly numbers: number[];
  readonly many: boolean;
  /** How deep control flow nests; 0: straight blocks. */
  readonly maxDepth: number;
  readonly mode: SyncMode;
  readonly optimized: boolean;
  readonly chain: boolean;
  readonly poll: boolean;
  readonly counter: number;
  readonly seed: number;
}

/** @param size how many numbers decide about a block at most; an op takes about five. */
function cases(size: number): fc.Arbitrary<Case> {
  return fc.record({
    numbers: fc.array(fc.nat({ max: 0xffff }), { minLength: 1, maxLength: size, size: 'max' }),
    many: fc.boolean(),
    maxDepth: fc.constantFrom(0, 3, 3, 3),
    mode: fc.constantFrom('every', 'spans', 'idempotent'),
    optimized: fc.boolean(),
    chain: fc.boolean(),
    poll: fc.boolean(),
    counter: fc.constantFrom(0, 1, 5),
    seed: fc.integer(),
  });
}

const RUNNERS = [FEW_GLOBALS, MANY_GLOBALS].map((globals) => new WasmRunner(bodies(globals)));

function makeBlock(one: Case): Block {
  const globals = one.many ? MANY_GLOBALS : FEW_GLOBALS;
  const block = randomBlock(one.numbers, { globals, maxDepth: one.maxDepth });
  addPatterns(block, one.seed);
  settleNaNs(block);
  wideHelpersAreWasm(block);
  if (one.optimized) {
    optimize(block, { stateSync: one.mode, verify: assertValid });
  } else {
    removeUnreachable(block);
    syncState(block, one.mode);
    assertValid(block, 'for the backend');
  }
  return block;
}

/** Runs a case both ways; throws with the block when anything differs. */
function compare(one: Case): void {
  const block = makeBlock(one);
  const memory = freshMemory(one.seed);
  const view = new DataView(memory.buffer);
  if (one.poll) view.setUint32(ENV + LAYOUT.poll, 1, true);
  const runner = RUNNERS[one.many ? 1 : 0]!;
  const expected = runInterpreter(block, memory, bodies(block.globals));
  const options = { chain: one.chain, ...(one.counter > 0 ? { counter: COUNTER } : {}) };
  view.setInt32(COUNTER, 7, true);
  const actual = runner.run(block, memory, options);
  if (one.counter > 0) new DataView(actual.memory.buffer).setInt32(COUNTER, 0, true);
  new DataView(expected.memory.buffer).setInt32(COUNTER, one.counter > 0 ? 0 : 7, true);
  // Generated code may load later than it counts (`count_run`); where that load faults, one run more is counted.
  if (actual.exit === 'fault') {
    actual.memory.set(expected.memory.subarray(RUNS_WORD, RUNS_WORD + 4), RUNS_WORD);
  }
  const found = differences(expected.memory, actual.memory, block.globals);
  if (actual.exit !== expected.exit || found.length > 0) {
    throw new Error(`exit ${expected.exit} and ${actual.exit}; ${found.join('; ')}\n${printBlock(block)}`);
  }
}

test(
  'generated code and the interpreter leave the same registers and memory',
  () => {
    fc.assert(fc.property(cases(400), compare), { numRuns: RUNS, includeErrorInReport: true });
  },
  TEST_LIMIT,
);

test(
  'so they do for blocks of a thousand ops',
  () => {
    fc.assert(fc.property(cases(6000), compare), { numRuns: RUNS / 10, includeErrorInReport: true });
  },
  TEST_LIMIT,
);

test(
  'a group of blocks is the same as the blocks one by one',
  () => {
    fc.assert(
      fc.property(fc.array(cases(400), { minLength: 2, maxLength: 6 }), (several) => {
        const blocks = several.map((one) => makeBlock({ ...one, many: false }));
        const runner = RUNNERS[0]!;
        const memory = freshMemory(several[0]!.seed);
        const alone = blocks.map((block) => runner.run(block, memory));
        runner.load(runner.compile(blocks));
        for (let i = 0; i < blocks.length; i++) {
          runner.bytes.set(memory);
          expect(runner.call(BLOCK_SLOT + i)).toBe(alone[i]!.exit);
          expect(differences(alone[i]!.memory, runner.bytes.slice(), blocks[i]!.globals)).toEqual([]);
        }
      }),
      { numRuns: RUNS / 10, includeErrorInReport: true },
    );
  },
  TEST_LIMIT,
);
