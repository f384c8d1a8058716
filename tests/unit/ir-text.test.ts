/** The text form of IR: what is printed parses back to the same block, and malformed text is refused with its line. */

import { describe, expect, test } from 'bun:test';
import { Block, makeOp } from '../../tcg/ir/block.ts';
import { parseBlock } from '../../tcg/ir/parse.ts';
import { printBlock } from '../../tcg/ir/print.ts';
import { Const, const64 } from '../../tcg/ir/value.ts';
import { assertValid } from '../../tcg/ir/verify.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import fc, { numRuns } from '../setup/properties.ts';
import { FEW_GLOBALS, HELPERS, MANY_GLOBALS, randomBlock } from './ir-random.ts';

const numbers = fc.array(fc.nat(1_000_000), { maxLength: 200, size: 'max' });

describe('IR text', () => {
  for (const globals of [FEW_GLOBALS, MANY_GLOBALS]) {
    test(`parses back as it was printed (${globals.length} globals)`, () => {
      fc.assert(
        fc.property(numbers, fc.boolean(), (choices, optimized) => {
          const block = randomBlock(choices, { globals });
          assertValid(block, 'from the generator', { allowUnreachable: true });
          if (optimized) optimize(block);
          const text = printBlock(block);
          const again = parseBlock(text, { globals, helpers: HELPERS });
          assertValid(again, 'from the parser', { allowUnreachable: true });
          expect(printBlock(again)).toBe(text);
          expect(again).toEqual(block);
        }),
        { numRuns: numRuns(300) },
      );
    });
  }

  test('constants of every type are exact', () => {
    const block = new Block(0x10, FEW_GLOBALS);
    const v128 = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);
    for (const [type, value] of [
      ['i32', -0x80000000],
      ['i32', 4096],
      ['i64', -(1n << 63n)],
      ['i64', 0x7fffffffffffffffn],
      ['f32', Math.fround(0.1)],
      ['f32', -0],
      ['f64', Number.MIN_VALUE],
      ['f64', Number.NEGATIVE_INFINITY],
      ['f64', 1e300],
      ['v128', v128],
    ] as const) {
      block.ops.push(makeOp(`mov_${type}`, block.temp(type), new Const(type, value)));
    }
    const again = parseBlock(printBlock(block), { globals: FEW_GLOBALS });
    expect(again.ops.map((op) => (op.a as Const).value)).toEqual(block.ops.map((op) => (op.a as Const).value));
    expect(Object.is((again.ops[5]!.a as Const).value, -0)).toBe(true);
    expect(const64(1n << 63n).value).toBe(-(1n << 63n));
  });

  test('comments and blank lines are skipped', () => {
    const text = 'block 0x10 temps 0 labels 0\n\n # the only op\n goto_tb:0x20:call\n';
    expect(parseBlock(text, { globals: [] }).ops).toHaveLength(1);
  });

  for (const [text, error] of [
    ['', 'no block'],
    ['goto_tb:0:plain', 'a block begins with'],
    ['block 0x10 temps 0 labels 0\n  frob 1', 'there is no op frob'],
    ['block 0x10 temps 0 labels 0\n  goto_tb:0x20', 'takes 2 immediates'],
    ['block 0x10 temps 0 labels 0\n  goto_ptr:plain x', 'there is no global x'],
    ['block 0x10 temps 0 labels 0\n  goto_ptr:plain t0', 'beyond the number of temporaries'],
    ['block 0x10 temps 0 labels 0\n  br -> L0', 'beyond the number of labels'],
    ['block 0x10 temps 1 labels 0\n  t0 = add_i32 1', 'takes 2 operands'],
    ['block 0x10 temps 1 labels 0\n  t0 = call nobody()', 'known helper'],
    ['block 0x10 temps 1 labels 0\n  t0 = mov_i32 zz9x', 'there is no global'],
    ['block 0x10 temps 1 labels 0\n  t0 = mov_i32 9x', 'not a number'],
  ] as const) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseBlock(text, { globals: [], helpers: HELPERS })).toThrow(error);
    });
  }
});
