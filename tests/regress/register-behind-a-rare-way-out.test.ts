// `leave_if` of a constant and a register that is needed behind it: the register was loaded inside the code that leaves only,
// so that 0 took its place where control went on. Found by tests/unit/wasm-fuzz.test.ts in one run of many.
import { expect, test } from 'bun:test';
import { Block, makeOp } from '../../tcg/ir/block.ts';
import { Jump } from '../../tcg/ir/ops.ts';
import { const32, Global } from '../../tcg/ir/value.ts';
import { syncState } from '../../tcg/opt/state-sync.ts';
import { ENV, LAYOUT, WasmRunner } from '../unit/wasm-run.ts';

const R0 = new Global('i32', 0, 'r0', 32);
const R1 = new Global('i32', 1, 'r1', 36);

test('what a way out is decided by is there where it is not taken', () => {
  const block = new Block(0x1000, [R0, R1]);
  block.ops = [
    makeOp('insn_start', null, null, null, null, 0x1000),
    makeOp('leave_if', null, const32(0), R0, null, 0x1000),
    makeOp('mov_i32', R1, R0),
    makeOp('goto_tb', null, null, null, null, 0x1002, Jump.PLAIN),
  ];
  syncState(block, 'every');
  const runner = new WasmRunner();
  runner.view.setUint32(ENV + R0.offset, 12345, true);
  runner.run(block, runner.bytes.slice());
  expect(runner.view.getUint32(ENV + R1.offset, true)).toBe(12345);
  expect(runner.view.getUint32(ENV + LAYOUT.pc, true)).toBe(0x1002);
});
