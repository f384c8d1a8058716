/** What the passes make of small blocks: each rule of folding, copy propagation and dead code by example. */

import { describe, expect, test } from 'bun:test';
import { parseBlock } from '../../tcg/ir/parse.ts';
import { printBlock } from '../../tcg/ir/print.ts';
import { assertValid } from '../../tcg/ir/verify.ts';
import { removeDeadCode } from '../../tcg/opt/dead-code.ts';
import { propagateForward } from '../../tcg/opt/forward.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { globalsOf, HELPERS } from './ir-random.ts';

const GLOBALS = globalsOf(['i32', 'i32', 'i32', 'i64', 'f64', 'v128']);

function parse(ops: string) {
  return parseBlock(`block 0x1000 temps 20 labels 8\n${ops}`, { globals: GLOBALS, helpers: HELPERS });
}

function linesOf(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('block'));
}

/** What is left of `ops` after the forward and the dead-code pass, without the final exit. */
function simplified(ops: string): string[] {
  const block = parse(`${ops}\ngoto_tb:0:plain`);
  assertValid(block, 'in the test', { allowUnreachable: true });
  propagateForward(block);
  removeDeadCode(block);
  assertValid(block, 'after the passes');
  return linesOf(printBlock(block)).filter((line) => line !== 'goto_tb:0x0:plain');
}

/** A load: a value of which only the width is known. */
const BYTE = 't9 = guest_ld_i32:u8 a1\n';

const RULES: [what: string, before: string, after: string][] = [
  ['constants are computed', 't0 = add_i32 3, 4\na0 = mul_i32 t0, 2', 'a0 = mov_i32 14'],
  ['64-bit constants too', 't0 = concat_i32_i64 1, 2\nb3 = add_i64 t0, 1', 'b3 = mov_i64 0x200000002'],
  ['floats too', 'd4 = mul_f64 1.5, 2', 'd4 = mov_f64 3'],
  ['not when the result is a NaN', 'd4 = sub_f64 Infinity, Infinity', 'd4 = sub_f64 Infinity, Infinity'],
  ['not when the result is undefined', 'a0 = divu_i32 1, 0', 'a0 = divu_i32 1, 0'],
  ['a constant goes to the right', 'a0 = add_i32 5, a1', 'a0 = add_i32 a1, 5'],
  ['x + 0, x - 0', 't0 = add_i32 a1, 0\na0 = sub_i32 t0, 0', 'a0 = mov_i32 a1'],
  ['x - x, x ^ x', 'a0 = sub_i32 a1, a1\na2 = xor_i32 a1, a1', 'a0 = mov_i32 0\na2 = mov_i32 0'],
  ['x | x, x & x', 'a0 = or_i32 a1, a1\na2 = and_i32 a1, a1', 'a0 = mov_i32 a1\na2 = mov_i32 a1'],
  ['x | -1', 'a0 = or_i32 a1, -1', 'a0 = mov_i32 -1'],
  ['x * 0, 1, 8', 'a0 = mul_i32 a1, 0\na2 = mul_i32 a1, 1', 'a0 = mov_i32 0\na2 = mov_i32 a1'],
  ['x * 8 is a shift', 'a0 = mul_i32 a1, 8', 'a0 = shl_i32 a1, 3'],
  ['x / 2^31 unsigned', 'a0 = divu_i32 a1, -0x80000000', 'a0 = shr_i32 a1, 31'],
  ['x rem 16 unsigned', 'a0 = remu_i32 a1, 16', 'a0 = and_i32 a1, 15'],
  ['shifts by 32', 'a0 = shl_i32 a1, 32\na2 = rotl_i32 a1, 64', 'a0 = mov_i32 a1\na2 = mov_i32 a1'],
  ['a mask of a mask', 't0 = and_i32 a1, 0xffff\na0 = and_i32 t0, 0xff00ff', 'a0 = and_i32 a1, 255'],
  ['a mask of zeros', 't0 = shl_i32 a1, 8\na0 = and_i32 t0, 255', 'a0 = mov_i32 0'],
  ['a mask of a byte', `${BYTE}a0 = and_i32 t9, 255`, 't9 = guest_ld_i32:u8 a1\na0 = mov_i32 t9'],
  [
    'an extension of 7 bits',
    `${BYTE}t0 = shr_i32 t9, 1\na0 = ext8s_i32 t0`,
    't9 = guest_ld_i32:u8 a1\nt0 = shr_i32 t9, 1\na0 = mov_i32 t0',
  ],
  ['a mask cuts a sign extension', 't0 = ext8s_i32 a1\na0 = and_i32 t0, 255', 'a0 = and_i32 a1, 255'],
  ['a byte is never 300', `${BYTE}a0 = setcond_i32:eq t9, 300`, 't9 = guest_ld_i32:u8 a1\na0 = mov_i32 0'],
  ['a byte is not negative', `${BYTE}a0 = setcond_i32:lt t9, 0`, 't9 = guest_ld_i32:u8 a1\na0 = mov_i32 0'],
  [
    'nothing is below 0 unsigned',
    'a0 = setcond_i32:ltu a1, 0\na2 = setcond_i32:geu a1, 0',
    'a0 = mov_i32 0\na2 = mov_i32 1',
  ],
  [
    'x compared with itself',
    'a0 = setcond_i32:le a1, a1\na2 = setcond_i32:ltu a1, a1',
    'a0 = mov_i32 1\na2 = mov_i32 0',
  ],
  ['a constant is compared from the right', 'a0 = setcond_i32:lt 5, a1', 'a0 = setcond_i32:gt a1, 5'],
  ['tst of all bits', 'a0 = setcond_i32:tstne a1, a1', 'a0 = setcond_i32:ne a1, 0'],
  ['tst of no bits', `${BYTE}a0 = setcond_i32:tsteq t9, 256`, 't9 = guest_ld_i32:u8 a1\na0 = mov_i32 1'],
  [
    'a truth value compared with 0',
    't0 = setcond_i32:lt a1, a2\na0 = setcond_i32:eq t0, 0',
    'a0 = setcond_i32:ge a1, a2',
  ],
  ['a 64-bit one with 1', 't0 = setcond_i64:lt b3, 7\na0 = setcond_i32:ne t0, 1', 'a0 = setcond_i64:ge b3, 7'],
  [
    'a float one is not inverted',
    't0 = setcond_f64:lt d4, 1\na0 = setcond_i32:ne t0, 0',
    't0 = setcond_f64:lt d4, 1\na0 = mov_i32 t0',
  ],
  ['select by a constant', 'a0 = select_i32 7, a1, a2', 'a0 = mov_i32 a1'],
  ['select of the same', 'a0 = select_i32 a1, a2, a2', 'a0 = mov_i32 a2'],
  ['select by != 0 and == 0', 't0 = setcond_i32:eq a1, 0\na0 = select_i32 t0, a1, a2', 'a0 = select_i32 a1, a2, a1'],
  ['halves of a pair', 't0 = concat_i32_i64 a1, a2\na0 = wrap_i64_i32 t0', 'a0 = mov_i32 a1'],
  ['the high half of an extension', 't0 = extu_i32_i64 a1\na0 = high_i64_i32 t0', 'a0 = mov_i32 0'],
  ['reinterpreting there and back', 't0 = reinterpret_i64_f64 b3\nb3 = reinterpret_f64_i64 t0', ''],
  ['a vector xor itself', 'e5 = xor_v128 e5, e5', 'e5 = mov_v128 0x00000000000000000000000000000000'],
  ['deposit of everything', 'a0 = deposit_i32:0:32 a1, a2', 'a0 = mov_i32 a2'],

  ['a copy of a global stands for it', 't0 = mov_i32 a1\na0 = add_i32 t0, 1', 'a0 = add_i32 a1, 1'],
  [
    'until the global is written',
    't0 = mov_i32 a1\na1 = mov_i32 7\na0 = add_i32 t0, 1',
    't0 = mov_i32 a1\na1 = mov_i32 7\na0 = add_i32 t0, 1',
  ],
  [
    'or a helper may have',
    't0 = mov_i32 a1\ncall change_state(2)\na0 = add_i32 t0, 1',
    't0 = mov_i32 a1\ncall change_state(2)\na0 = add_i32 t0, 1',
  ],
  [
    'helpers that only read keep it',
    'a1 = mov_i32 5\na0 = call read_state()\na2 = mov_i32 a1',
    'a1 = mov_i32 5\na0 = call read_state()\na2 = mov_i32 5',
  ],
  [
    'swapping through a copy',
    't0 = mov_i32 a0\na0 = mov_i32 a1\na1 = mov_i32 t0',
    't0 = mov_i32 a0\na0 = mov_i32 a1\na1 = mov_i32 t0',
  ],
  ['a write of the same is dropped', 'a0 = mov_i32 a1\na1 = mov_i32 a0', 'a0 = mov_i32 a1'],
  [
    'a rewritten temporary',
    't0 = mov_i32 1\nt0 = add_i32 t0, a1\na0 = add_i32 t0, 0',
    't0 = add_i32 a1, 1\na0 = mov_i32 t0',
  ],

  ['unused results', 't0 = add_i32 a1, 1\nt1 = mul_i32 t0, t0', ''],
  ['but loads stay', 't0 = guest_ld_i32:u8 a1', 't0 = guest_ld_i32:u8 a1'],
  ['loads of CPU state do not', 't0 = env_ld_i32:768:u32', ''],
  ['pure helpers go, others stay', 't0 = call pure_mix(1, 2)\nt1 = call count(2)', 't1 = call count(2)'],
  ['helpers that accumulate stay', 't0 = call mark(1)', 't0 = call mark(1)'],
  [
    'a cold call that never happens is a copy',
    't0 = cold_i32:0 a1, 0, 1, pure_mix(1, 2)\na0 = add_i32 t0, 1',
    'a0 = add_i32 a1, 1',
  ],
  [
    'its arguments are resolved',
    't0 = mov_i32 a1\na0 = cold_i32:0 5, a2, 1, mark(t0)',
    'a0 = cold_i32:0x0 5, a2, 1, mark(a1)',
  ],
  [
    'the lowest lane is what was put there, also in a copy',
    't0 = add_f64 d4, d4\ne5 = setlane_f64:0 e5, t0\nt1 = mov_v128 e5\ne5 = not_v128 e5\nd4 = lane_f64:0 t1',
    't0 = add_f64 d4, d4\ne5 = setlane_f64:0 e5, t0\ne5 = not_v128 e5\nd4 = mov_f64 t0',
  ],
  [
    'not another lane, nor one written since',
    't0 = add_f64 d4, d4\ne5 = setlane_f64:1 e5, t0\nd4 = lane_f64:0 e5',
    't0 = add_f64 d4, d4\ne5 = setlane_f64:1 e5, t0\nd4 = lane_f64:0 e5',
  ],
  ['overwritten flag words', 'a0 = mov_i32 1\na0 = mov_i32 2', 'a0 = mov_i32 2'],
  [
    'not when a helper reads them',
    'a0 = mov_i32 1\nt0 = call read_state()\na0 = mov_i32 2',
    'a0 = mov_i32 1\nt0 = call read_state()\na0 = mov_i32 2',
  ],
  [
    'not when they may be needed outside',
    'a0 = mov_i32 1\npoll:0x2000\na0 = mov_i32 2',
    'a0 = mov_i32 1\npoll:0x2000\na0 = mov_i32 2',
  ],
  [
    'overwritten by a helper that writes all',
    'a0 = mov_i32 1\na0 = call swap_state(1)',
    'a0 = mov_i32 1\na0 = call swap_state(1)',
  ],

  [
    'a decided branch',
    'brcond_i32:eq 1, 1 -> L0\na0 = mov_i32 1\ngoto_tb:4:plain\nL0:\na0 = mov_i32 2',
    'a0 = mov_i32 2',
  ],
  ['a branch never taken', 'brcond_i32:lt a0, a0 -> L0\na0 = mov_i32 1\nL0:', 'a0 = mov_i32 1'],
  ['a branch to what follows', 'brcond_i32:lt a0, a1 -> L0\nL0:\na0 = mov_i32 1', 'a0 = mov_i32 1'],
  [
    'a branch around a branch',
    'brcond_i32:lt a0, a1 -> L0\nbr -> L1\nL0:\na0 = mov_i32 1\nL1:',
    'brcond_i32:ge a0, a1 -> L1\na0 = mov_i32 1\nL1:',
  ],
  [
    'a branch on a comparison',
    't0 = setcond_i64:gtu b3, 1\nbrcond_i32:eq t0, 0 -> L0\na0 = mov_i32 1\nL0:',
    'brcond_i64:leu b3, 1 -> L0\na0 = mov_i32 1\nL0:',
  ],
  [
    'constants die where ways meet',
    'a0 = mov_i32 1\nbrcond_i32:eq a1, 0 -> L0\na0 = mov_i32 2\nL0:\na2 = mov_i32 a0',
    'a0 = mov_i32 1\nbrcond_i32:eq a1, 0 -> L0\na0 = mov_i32 2\nL0:\na2 = mov_i32 a0',
  ],
  [
    'but live on where only one comes from',
    'a0 = mov_i32 1\nbrcond_i32:eq a1, 0 -> L0\na0 = mov_i32 2\ngoto_tb:4:plain\nL0:\na2 = mov_i32 a0',
    'a0 = mov_i32 1\nbrcond_i32:eq a1, 0 -> L0\na0 = mov_i32 2\ngoto_tb:0x4:plain\nL0:\na2 = mov_i32 a0',
  ],
  [
    'a temporary known before the only branch',
    't0 = mov_i32 6\nbrcond_i32:eq a1, 0 -> L0\na0 = mov_i32 2\ngoto_tb:4:plain\nL0:\na2 = mov_i32 t0',
    'brcond_i32:eq a1, 0 -> L0\na0 = mov_i32 2\ngoto_tb:0x4:plain\nL0:\na2 = mov_i32 6',
  ],
  [
    'dead round a loop',
    't0 = mov_i32 4\nt1 = mov_i32 0\nL0:\nt1 = add_i32 t1, 3\nt0 = sub_i32 t0, 1\nbrcond_i32:ne t0, 0 -> L0',
    't0 = mov_i32 4\nL0:\nt0 = sub_i32 t0, 1\nbrcond_i32:ne t0, 0 -> L0',
  ],
  [
    'live round a loop',
    't0 = mov_i32 4\nL0:\na0 = mov_i32 t0\nt0 = sub_i32 t0, 1\nbrcond_i32:ne t0, 0 -> L0',
    't0 = mov_i32 4\nL0:\na0 = mov_i32 t0\nt0 = sub_i32 t0, 1\nbrcond_i32:ne t0, 0 -> L0',
  ],
];

describe('rules', () => {
  for (const [what, before, after] of RULES) {
    test(what, () => expect(simplified(before)).toEqual(linesOf(after)));
  }
});

describe('with sync lists', () => {
  test('flag words that no sync names are dead', () => {
    const block = parse(`insn_start:0x1000:0
      a0 = mov_i32 1
      a1 = mov_i32 2
      insn_start:0x1002:0
      guest_st_i32:u32 a2, 5
      insn_start:0x1004:0
      a0 = mov_i32 3
      guest_st_i32:u32 a2, 6
      insn_start:0x1006:0
      a0 = mov_i32 4
      goto_tb:0x1008:plain`);
    optimize(block, { verify: assertValid });
    expect(linesOf(printBlock(block))).toEqual([
      'insn_start:0x1000:0',
      'a0 = mov_i32 1',
      'a1 = mov_i32 2',
      'insn_start:0x1002:0',
      'guest_st_i32:u32 a2, 5',
      // Replay begins here if the second store faults, so the first value of a0 is needed; its second never is.
      'insn_start:0x1004:0  sync(a0 a1)',
      'guest_st_i32:u32 a2, 6',
      'insn_start:0x1006:0',
      'a0 = mov_i32 4',
      'goto_tb:0x1008:plain  sync(a0)',
    ]);
  });

  test('passes switched off leave the ops alone, except unreachable ones', () => {
    const ops = 't0 = add_i32 1, 2\nbr -> L0\na0 = mov_i32 t0\nL0:\ngoto_tb:0x4:plain';
    const block = parse(ops);
    optimize(block, { forward: false, deadCode: false, verify: assertValid });
    expect(linesOf(printBlock(block))).toEqual(['t0 = add_i32 1, 2', 'br -> L0', 'L0:', 'goto_tb:0x4:plain  sync()']);
  });
});
