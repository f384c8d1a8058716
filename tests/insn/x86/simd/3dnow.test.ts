// 3DNow! instructions against the formulas of AMD's manual: no processor that has them is at hand.

import { expect, test } from 'bun:test';
import { type InsnCase, MEMORY_MAP, regsFrom } from '../../../oracle/insn-case.ts';
import { Random } from '../../../oracle/random.ts';
import { isDeath, runOracle, wemuCommand } from '../../../oracle/runner.ts';
import { TEST_LIMIT } from '../../../setup/limits.ts';
import { fxsaveImage } from './cases.ts';
import { encode, type SimdRow, simdRows } from './rows.ts';

const AT_FPR = 32;
const LARGEST = 0x7f7fffff;
/** 2^-126 and 2^128: results are normal from the one to below the other. */
const SMALLEST = 2 ** -126;
const TOO_LARGE = 2 ** 128;
const SIGN = 0x80000000;

const scratch = new DataView(new ArrayBuffer(8));

function bitsOf(x: number): number {
  scratch.setFloat32(0, x);
  return scratch.getUint32(0);
}

/** The number bits stand for: an exponent of 0 means zero. */
function numberOf(bits: number): number {
  scratch.setUint32(0, (bits & 0x7f800000) === 0 ? bits & SIGN : bits);
  return scratch.getFloat32(0);
}

/** `exact` rounded to nearest; too small gives a zero with the sign of `zero`, too large the largest number. */
function rounded(exact: number, zero: number): number {
  if (Math.abs(exact) < SMALLEST) return (zero & SIGN) >>> 0;
  const result = bitsOf(Math.fround(exact));
  if (Math.abs(exact) >= TOO_LARGE || (result & 0x7fffffff) > LARGEST) return ((result & SIGN) | LARGEST) >>> 0;
  return result;
}

const magnitude = (bits: number) => Math.abs(numberOf(bits));

function sum(a: number, b: number): number {
  if (magnitude(a) === 0 && magnitude(b) === 0) return (a & b & SIGN) >>> 0;
  return rounded(numberOf(a) + numberOf(b), magnitude(a) >= magnitude(b) ? a : b);
}
const difference = (a: number, b: number) => sum(a, (b ^ SIGN) >>> 0);
const product = (a: number, b: number) => rounded(numberOf(a) * numberOf(b), a ^ b);
const mask = (holds: boolean) => (holds ? 0xffffffff : 0);
const clamp = (x: number, bits: number) => Math.max(-(2 ** (bits - 1)), Math.min(2 ** (bits - 1) - 1, Math.trunc(x)));
const largest = (a: number, b: number, sign: number) => {
  const result = numberOf(a) * sign > numberOf(b) * sign ? a : b;
  return magnitude(result) === 0 ? 0 : result;
};
/** An integer cut off to 24 bits. */
const fromInteger = (x: number) => {
  if (x === 0) return 0;
  const unit = 2 ** Math.max(0, Math.floor(Math.log2(Math.abs(x))) - 23);
  return bitsOf(Math.trunc(x / unit) * unit);
};
const word = (x: number) => (x << 16) >> 16;

type Pair = readonly [number, number];
const both = (f: (a: number, b: number) => number) => (a: Pair, b: Pair) => [f(a[0], b[0]), f(a[1], b[1])];

/** The manual's definition of each instruction on low and high elements. */
const EXACT: Record<string, (a: Pair, b: Pair) => number[]> = {
  PFADD: both(sum),
  PFSUB: both(difference),
  PFSUBR: both((a, b) => difference(b, a)),
  PFMUL: both(product),
  PFRCPIT2: both(product),
  PFACC: (a, b) => [sum(...a), sum(...b)],
  PFNACC: (a, b) => [difference(...a), difference(...b)],
  PFPNACC: (a, b) => [difference(...a), sum(...b)],
  PFCMPEQ: both((a, b) => mask(numberOf(a) === numberOf(b))),
  PFCMPGE: both((a, b) => mask(numberOf(a) >= numberOf(b))),
  PFCMPGT: both((a, b) => mask(numberOf(a) > numberOf(b))),
  PFMAX: both((a, b) => largest(a, b, 1)),
  PFMIN: both((a, b) => largest(a, b, -1)),
  PF2ID: both((_, b) => clamp(numberOf(b), 32) >>> 0),
  PF2IW: both((_, b) => clamp(numberOf(b), 16) >>> 0),
  PI2FD: both((_, b) => fromInteger(b | 0)),
  PI2FW: both((_, b) => fromInteger(word(b))),
  PAVGUSB: both((a, b) => {
    let result = 0;
    for (let n = 0; n < 32; n += 8) result |= ((((a >>> n) & 0xff) + ((b >>> n) & 0xff) + 1) >> 1) << n;
    return result >>> 0;
  }),
  PMULHRW: both((a, b) => {
    const high = (x: number, y: number) => ((word(x) * word(y) + 0x8000) >> 16) & 0xffff;
    return ((high(a >> 16, b >> 16) << 16) | high(a, b)) >>> 0;
  }),
  PSWAPD: (_, b) => [b[1], b[0]],
};

/** Instructions the manual defines by an error bound: relative error below 2^-bits of the function of the low element. */
const APPROXIMATE: Record<string, { bits: number; f: (x: number) => number }> = {
  PFRCP: { bits: 14, f: (x) => 1 / x },
  PFRSQRT: { bits: 15, f: (x) => Math.sign(x) / Math.sqrt(Math.abs(x)) },
};

const CORNERS = [
  0,
  SIGN,
  1,
  0x00800000,
  0x80800000,
  0x3f800000,
  0xbf800000,
  LARGEST,
  0xff7fffff,
  0x4f000000,
  0xcf000000,
];

/** A supported number: no exponent of all ones. */
function operand(r: Random, integers: boolean): number {
  if (integers) return r.value(32);
  if (r.below(3) === 0) return r.pick(CORNERS) >>> 0;
  const bits = r.u32();
  const near = r.bool() ? ((bits & 0x807fffff) | ((118 + r.below(24)) << 23)) >>> 0 : bits;
  return (near & 0x7f800000) === 0x7f800000 ? (near & ~0x40000000) >>> 0 : near;
}

const INTEGER = /^P[^F]/;
const rows = simdRows().filter(({ feature }) => feature.startsWith('3DNOW') && feature !== '');

interface Run {
  row: SimdRow;
  operands: readonly [Pair, Pair];
}

/** The destination after each of many instructions, in one program. */
function runAll(runs: readonly Run[]): Pair[] {
  const r = new Random(7);
  const cases = runs.map(({ row, operands }): InsnCase => {
    const image = fxsaveImage(r, () => {});
    const view = new DataView(image.buffer);
    // TOP 0, so that register n is ST(n) of the image.
    view.setUint16(2, 0, true);
    operands.forEach((pair, n) => {
      pair.forEach((bits, half) => {
        view.setUint32(AT_FPR + 16 * n + 4 * half, bits, true);
      });
    });
    return {
      name: row.mnemonic,
      code: encode(row, 0, [0xc1], []),
      regs: regsFrom({ esp: MEMORY_MAP.STACK }),
      eflags: 2,
      memory: [],
      fpu: { format: 'fxsave', image },
      flagMask: 0,
    };
  });
  const wemu = wemuCommand();
  if ('missing' in wemu) throw new Error(wemu.missing);
  return runOracle(cases, wemu.command).map((outcome, n) => {
    if (!outcome || isDeath(outcome) || outcome.signal) throw new Error(`${runs[n]!.row.mnemonic} did not run`);
    const view = new DataView(outcome.fpu!.buffer, outcome.fpu!.byteOffset);
    return [view.getUint32(AT_FPR, true), view.getUint32(AT_FPR + 4, true)];
  });
}

const run = (row: SimdRow, all: readonly (readonly [Pair, Pair])[]) =>
  runAll(all.map((operands) => ({ row, operands })));

function operandsOf(row: SimdRow, seed: number, count: number): [Pair, Pair][] {
  const r = new Random(seed);
  const integers = INTEGER.test(row.mnemonic);
  return Array.from({ length: count }, () => {
    const a: Pair = [operand(r, integers), operand(r, integers)];
    return [a, r.below(5) === 0 ? a : [operand(r, integers), operand(r, integers)]];
  });
}

const COUNT = 200;
const hex = (pair: readonly number[]) => pair.map((bits) => (bits >>> 0).toString(16).padStart(8, '0')).join(' ');

test(
  'every instruction with an exact definition gives it',
  () => {
    const runs = rows.flatMap((row, n) =>
      EXACT[row.mnemonic] ? operandsOf(row, n, COUNT).map((operands): Run => ({ row, operands })) : [],
    );
    const wrong: string[] = [];
    runAll(runs).forEach((actual, i) => {
      const { row, operands } = runs[i]!;
      const [a, b] = operands;
      const expected = EXACT[row.mnemonic]!(a, b);
      if (hex(expected) !== hex(actual)) {
        wrong.push(`${row.mnemonic} ${hex(a)}, ${hex(b)}: ${hex(expected)}, not ${hex(actual)}`);
      }
    });
    expect(wrong.slice(0, 10)).toEqual([]);
  },
  TEST_LIMIT,
);

test(
  'approximations are within their bounds, and the largest number for zero',
  () => {
    for (const [mnemonic, { bits, f }] of Object.entries(APPROXIMATE)) {
      const row = rows.find((candidate) => candidate.mnemonic === mnemonic)!;
      const operands = operandsOf(row, 99, COUNT);
      run(row, operands).forEach(([low, high], i) => {
        const x = operands[i]![1][0];
        expect(low).toBe(high);
        if (magnitude(x) === 0) expect(hex([low])).toBe(hex([(x & SIGN) | LARGEST]));
        else {
          const exact = f(numberOf(x));
          if (Math.abs(exact) < SMALLEST) expect(numberOf(low)).toBe(exact < 0 ? -0 : 0);
          else expect(Math.abs(numberOf(low) / exact - 1)).toBeLessThan(2 ** -bits);
        }
      });
    }
  },
  TEST_LIMIT,
);

test(
  'a division and a root by the manual’s sequences are good to the last bits',
  () => {
    const find = (mnemonic: string) => rows.find((candidate) => candidate.mnemonic === mnemonic)!;
    const xs = Array.from({ length: 50 }, (_, n) => bitsOf(Math.fround((n + 1) * 0.37)));
    const pairs = (left: readonly Pair[], right: readonly Pair[]) => left.map((a, i): [Pair, Pair] => [a, right[i]!]);
    const input = xs.map((x): Pair => [x, x]);
    const approximate = run(find('PFRCP'), pairs(input, input));
    const step = run(find('PFRCPIT1'), pairs(input, approximate));
    run(find('PFRCPIT2'), pairs(step, approximate)).forEach(([low], i) => {
      expect(Math.abs(numberOf(low) * numberOf(xs[i]!) - 1)).toBeLessThan(2 ** -22);
    });
    const root = run(find('PFRSQRT'), pairs(input, input));
    const square = run(find('PFMUL'), pairs(root, root));
    const second = run(find('PFRSQIT1'), pairs(square, input));
    run(find('PFRCPIT2'), pairs(second, root)).forEach(([low], i) => {
      expect(Math.abs(numberOf(low) * Math.sqrt(numberOf(xs[i]!)) - 1)).toBeLessThan(2 ** -22);
    });
  },
  TEST_LIMIT,
);

test('every 3DNow! row is looked at here', () => {
  const seen = [...Object.keys(EXACT), ...Object.keys(APPROXIMATE), 'PFRCPIT1', 'PFRSQIT1', 'FEMMS'];
  expect(rows.map(({ mnemonic }) => mnemonic).filter((mnemonic) => !seen.includes(mnemonic))).toEqual([]);
});
