/** The verifier finds each kind of malformed block, all at once, and accepts what translators may write. */

import { describe, expect, test } from 'bun:test';
import { Block, makeOp, type Op } from '../../tcg/ir/block.ts';
import type { HelperRow } from '../../tcg/ir/helper-table.ts';
import { parseBlock } from '../../tcg/ir/parse.ts';
import { Const, Global, Label, Temp } from '../../tcg/ir/value.ts';
import { assertValid, verify } from '../../tcg/ir/verify.ts';
import { FEW_GLOBALS, HELPERS } from './ir-random.ts';

const [a0] = FEW_GLOBALS as [Global];

function parse(ops: string): Block {
  return parseBlock(`block 0x1000 temps 10 labels 4\n${ops}`, { globals: FEW_GLOBALS, helpers: HELPERS });
}

/** A block of these ops and a way out. */
function block(...ops: Op[]): Block {
  const result = new Block(0x1000, FEW_GLOBALS);
  result.valueCount += 10;
  result.labelCount = 4;
  result.ops = [...ops, makeOp('goto_tb', null)];
  return result;
}

function withLabel(op: Op, label: Label): Op {
  op.label = label;
  return op;
}

const t0 = new Temp('i32', FEW_GLOBALS.length);
const one = new Const('i32', 1);

describe('the verifier accepts', () => {
  for (const ops of [
    'goto_tb:0x10:plain',
    'brcond_i32:eq a0, 0 -> L0\nt0 = mov_i32 1\nbr -> L1\nL0:\nt0 = mov_i32 2\nL1:\na0 = mov_i32 t0\ngoto_tb:0:plain',
    't0 = mov_i32 4\nL0:\nt0 = sub_i32 t0, 1\nbrcond_i32:ne t0, 0 -> L0\ngoto_tb:0:plain',
    'L0:\nbr -> L0',
  ]) {
    test(JSON.stringify(ops), () => expect(verify(parse(ops))).toEqual([]));
  }

  test('unreachable ops where they are allowed', () => {
    const ops = parse('goto_tb:0:plain\na0 = mov_i32 1\nbr -> L0\nL0:\ngoto_tb:4:plain');
    expect(verify(ops, { allowUnreachable: true })).toEqual([]);
    expect(verify(ops)).toHaveLength(1);
  });
});

describe('the verifier refuses', () => {
  const far = new Label(9);
  const near = new Label(0);
  const badHelper: HelperRow = { name: 'vector', args: ['v128'], result: null };
  const call = (helper: HelperRow | null, args: Op['args'], out: Op['out'] = null) =>
    Object.assign(makeOp('call', out), { helper, args });
  const cases: [string, Block, string][] = [
    ['a missing operand', block(makeOp('add_i32', a0, one)), 'lacks operand b'],
    ['an operand too many', block(makeOp('mov_i32', a0, one, one)), 'operand b too many'],
    ['an operand of the wrong type', block(makeOp('extu_i32_i64', a0, one)), 'has result of type i32, not i64'],
    ['a missing result', block(makeOp('mov_i32', null, one)), 'lacks result'],
    ['a result of an op without', block(makeOp('fence', a0)), 'has a result but its row has none'],
    ['a condition out of range', block(makeOp('setcond_i32', a0, one, one, null, 12)), 'no valid cond'],
    ['a tst condition on floats', parse('t1 = setcond_f32:tsteq 1, 2\ngoto_tb:0:plain'), 'no valid cond'],
    ['an unsigned order of 64-bit lanes', parse('e8 = cmp_vec:64:ltu e8, e8\ngoto_tb:0:plain'), 'no valid cond'],
    ['a lane width the op lacks', parse('e8 = mul_vec:8 e8, e8\ngoto_tb:0:plain'), 'no valid lane'],
    ['a lane that is not there', parse('a0 = lane_i32:16:8 e8\ngoto_tb:0:plain'), 'no valid index'],
    ['bits beyond the last', parse('a0 = extract_i32:20:13 a0\ngoto_tb:0:plain'), 'has no such bits'],
    ['an access wider than its type', parse('a0 = guest_ld_i32:u64 a0\ngoto_tb:0:plain'), 'no valid memop'],
    ['a sign-extending store', parse('guest_st_i32:s8 a0, a0\ngoto_tb:0:plain'), 'no valid memop'],
    ['a PC beyond 32 bits', block(makeOp('poll', null, null, null, null, -4)), 'no valid pc'],
    ['an unused immediate', block(makeOp('add_i32', a0, one, one, null, 3)), 'no valid immediate'],
    ['a label not placed', parse('br -> L0'), 'goes to L0, which is not placed'],
    ['a label placed twice', parse('br -> L0\nL0:\nL0:\ngoto_tb:0:plain'), 'placed a second time'],
    ['a label of another block', block(withLabel(makeOp('label', null), far)), 'label L9 of another block'],
    ['a label on a plain op', block(withLabel(makeOp('fence', null), near)), 'goes nowhere'],
    ['a branch without label', block(makeOp('br', null), withLabel(makeOp('label', null), near)), 'lacks a label'],
    [
      'a wrong number of uses',
      (() => {
        const text = parse('br -> L0\nL0:\ngoto_tb:0:plain');
        text.ops[0]!.label!.uses = 2;
        return text;
      })(),
      'has 1 branches but says 2',
    ],
    ['running off the end', parse('a0 = mov_i32 1'), 'can run off its end'],
    [
      'running off the end by a branch',
      parse('brcond_i32:eq a0, 0 -> L0\ngoto_tb:0:plain\nL0:'),
      'can run off its end',
    ],
    ['an op behind an end', parse('goto_tb:0:plain\nfence'), 'is behind an op that ends the run'],
    ['reading what is not written', parse('a0 = mov_i32 t3\ngoto_tb:0:plain'), 't3 may be read before it is written'],
    [
      'reading what one way does not write',
      parse('brcond_i32:eq a0, 0 -> L0\nt0 = mov_i32 1\nL0:\na0 = mov_i32 t0\ngoto_tb:0:plain'),
      't0 may be read before it is written',
    ],
    ['a temporary of another block', block(makeOp('mov_i32', a0, new Temp('i32', 99))), 'temporary of another block'],
    [
      'a global of another guest',
      block(makeOp('mov_i32', new Global('i32', 0, 'x', 0), one)),
      'global of another guest',
    ],
    ['an i32 constant not signed', block(makeOp('mov_i32', a0, new Const('i32', 2 ** 31))), 'malformed constant'],
    [
      'a NaN constant',
      block(makeOp('mov_f32', new Temp('f32', 20), new Const('f32', Number.NaN))),
      'malformed constant',
    ],
    ['a call without helper', block(call(null, [])), 'calls no helper'],
    ['too few arguments', block(call(HELPERS[0]!, [one], t0)), 'has 1 arguments for 2'],
    ['an argument of the wrong type', block(call(HELPERS[1]!, [one])), 'has argument 1 of type i32, not i64'],
    ['a result the helper lacks', block(call(HELPERS[7]!, [one], t0)), 'helper note has none'],
    ['a vector passed to a helper', block(call(badHelper, [FEW_GLOBALS[8]!])), 'passes a vector'],
    ['a helper on a plain op', block(Object.assign(makeOp('fence', null), { helper: badHelper })), 'is no call'],
    ['a cold call with effects', parse('a0 = cold_i32:0 a0, a1, 1, count(a1)\ngoto_tb:0:plain'), 'has effects'],
    [
      'a cold call of another type',
      parse('b5 = cold_i64:0 b5, a1, 1, pure_wide(b5)\nd7 = cold_f64:0 d7, a0, 1, pure_mix(a0, a1)\ngoto_tb:0:plain'),
      'does not return f64',
    ],
    ['a shuffle by a variable', parse('e8 = shuffle_v128 e8, e8, e8\ngoto_tb:0:plain'), 'needs a constant'],
  ];
  for (const [what, bad, message] of cases) {
    test(what, () => expect(verify(bad).join('\n')).toContain(message));
  }

  test('all errors of a block, and prints it', () => {
    const bad = parse('a0 = guest_ld_i32:u64 a0\nbr -> L3\nfence');
    expect(verify(bad)).toHaveLength(3);
    expect(() => assertValid(bad, 'after a test')).toThrow('invalid IR after a test');
    expect(() => assertValid(bad, 'after a test')).toThrow('block 0x1000');
  });
});
