// f16, f32 and f64 arithmetic: as the host CPU computes it where it can be asked, else against exact rational arithmetic.

import { beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { buildModule } from '../../../src/softfloat/build-module.ts';
import { Random } from '../../oracle/random.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { type Need, testWith } from '../../setup/needs.ts';
import { exactOf, FORMATS, type Rational, type Rounding, round, roundQuotient } from './exact.ts';
import { AT_EFLAGS, AT_MXCSR, AT_RAX, HostSse } from './host.ts';
import { Operands, type Width } from './operands.ts';

// Bits of `mode` (ieee-core.as.ts).
const DAZ = 0x08;
const FTZ = 0x10;
const FLUSH_IS_EXACT = 0x20;
const TINY_BEFORE = 0x40;
const NAN_ARM = 0x100;
const NAN_PPC = 0x200;
const NAN_SPARC = 0x300;
const DEFAULT_NAN = 0x800;
const SNAN_BIT_ONE = 0x1000;

const IE = 0x01;
const DE = 0x02;
const UE = 0x10;
const PE = 0x20;
const FLUSHED_IN = 0x40;
/** Exceptions that MXCSR has. */
const X86_FLAGS = 0x3f;
const ALL_MASKED = 0x1f80;

const ROUNDINGS: readonly Rounding[] = ['nearest', 'down', 'up', 'zero', 'away', 'odd'];

type Exports = Record<string, (...args: (bigint | number)[]) => bigint>;
let soft: Exports;
const flags = () => Number(soft.flags!());

beforeAll(async () => {
  const wasm = await buildModule({ name: 'softfloat test', entry: 'tests/unit/softfloat/ieee.as.ts' });
  const memory = new WebAssembly.Memory({ initial: 65536, maximum: 65536, shared: true });
  const module = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
  const raw = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
  // Bits are unsigned here, and signed at the border.
  const unsigned = ([name, run]: [string, Exports[string]]): [string, Exports[string]] => {
    if (name.startsWith('toint') || name.startsWith('compare') || name === 'flags') return [name, run];
    return [name, (...args) => BigInt.asUintN(64, run(...args))];
  };
  soft = Object.fromEntries(Object.entries(raw).map(unsigned));
}, TEST_LIMIT);

const host = new HostSse();
const { record } = host;
const FEATURES = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' '));
const cpuHas = (feature: string): Need => ({ met: FEATURES.has(feature), reason: `the host CPU has no ${feature}` });

/** Runs an instruction on up to three values with the control bits of `mode`; the exceptions it raised. */
function onHost(code: readonly number[], mode: number, operands: readonly bigint[], rax = 0n): number {
  operands.forEach((value, n) => {
    record.setBigUint64(16 * n, value, true);
  });
  record.setBigUint64(AT_RAX, rax, true);
  record.setUint32(
    AT_MXCSR,
    ALL_MASKED | ((mode & 3) << 13) | (mode & DAZ ? 0x40 : 0) | (mode & FTZ ? 0x8000 : 0),
    true,
  );
  host.run(code);
  return record.getUint32(AT_MXCSR, true) & X86_FLAGS;
}

const resultOf = (width: Width) => record.getBigUint64(0, true) & ((1n << BigInt(width)) - 1n);
const hex = (values: readonly bigint[]) => values.map((n) => n.toString(16));

/** Compares `count` random cases; the instruction computes XMM0 from XMM0..2 or, `unary`, from XMM1. */
function compareWithHost(
  name: string,
  code: readonly number[],
  from: Width,
  to: Width,
  arity: number,
  run: (mode: number, ...operands: bigint[]) => bigint,
  { unary = false, count = 4000, modes = DAZ | FTZ | 3, reported = X86_FLAGS } = {},
): void {
  const random = new Random(name.length * 31 + from + to);
  const operands = new Operands(random);
  for (let n = 0; n < count; n++) {
    const values = Array.from({ length: arity }, () => operands.next(from));
    const mode = random.u32() & modes;
    const got = BigInt.asUintN(to, run(mode, ...values));
    const gotFlags = flags() & reported;
    const expectedFlags = onHost(code, mode, unary ? [0n, ...values] : values);
    const expected = resultOf(to);
    if (got !== expected || gotFlags !== expectedFlags) {
      const what = { name, mode: mode.toString(16), operands: hex(values) };
      expect({ ...what, result: hex([got]), flags: gotFlags }).toEqual({
        ...what,
        result: hex([expected]),
        flags: expectedFlags,
      });
    }
  }
}

const SCALAR: readonly [Width, number][] = [
  [32, 0xf3],
  [64, 0xf2],
];
const BINARY: Record<string, number> = { add: 0x58, mul: 0x59, sub: 0x5c, div: 0x5e };

describe('as the host CPU', () => {
  for (const [width, prefix] of SCALAR) {
    for (const [name, opcode] of Object.entries(BINARY)) {
      test(`${name} f${width}`, () => {
        const code = [prefix, 0x0f, opcode, 0xc1];
        compareWithHost(name, code, width, width, 2, (mode, a, b) => soft[`${name}_${width}`]!(a, b!, mode));
      });
    }
    test(`square root f${width}`, () => {
      const run = (mode: number, a: bigint) => soft[`sqrt_${width}`]!(a, mode);
      compareWithHost('sqrt', [prefix, 0x0f, 0x51, 0xc1], width, width, 1, run, { unary: true });
    });
    test(`minimum and maximum with the second operand winning, f${width}`, () => {
      for (const [variant, opcode] of [
        [4, 0x5d],
        [5, 0x5f],
      ] as const) {
        const run = (mode: number, a: bigint, b: bigint) => soft[`minmax_${width}`]!(a, b, variant, mode);
        compareWithHost(`minmax ${variant}`, [prefix, 0x0f, opcode, 0xc1], width, width, 2, run);
      }
    });
    test(`comparison f${width}`, () => {
      const operands = new Operands(new Random(width));
      for (const [opcode, signal] of [
        [0x2e, 0],
        [0x2f, 1],
      ] as const) {
        const code = width === 64 ? [0x66, 0x0f, opcode, 0xc1] : [0x0f, opcode, 0xc1];
        for (let n = 0; n < 3000; n++) {
          const a = operands.next(width);
          const b = n % 5 === 0 ? a : operands.next(width);
          const mode = n & DAZ;
          const relation = Number(soft[`compare_${width}`]!(a, b, signal, mode));
          const got = [[0x01, 0x40, 0x00, 0x45][relation + 1], flags() & X86_FLAGS];
          const raisedByHost = onHost(code, mode, [a, b]);
          const expected = [record.getUint32(AT_EFLAGS, true) & 0x45, raisedByHost];
          expect([...hex([a, b]), ...got]).toEqual([...hex([a, b]), ...expected]);
        }
      }
    });
    test(`rounding to integral values f${width}`, () => {
      for (const imm of [4, 12]) {
        const code = [0x66, 0x0f, 0x3a, width === 64 ? 0x0b : 0x0a, 0xc1, imm];
        const run = (mode: number, a: bigint) => soft[`rint_${width}`]!(a, imm & 8 ? 0 : 1, mode);
        compareWithHost(`round ${imm}`, code, width, width, 1, run, { unary: true, reported: X86_FLAGS & ~DE });
      }
    });
    test(`to integers f${width}`, () => {
      const random = new Random(width + 1);
      const operands = new Operands(random);
      for (const [bits, rex] of [
        [32, []],
        [64, [0x48]],
      ] as const) {
        const code = [prefix, ...rex, 0x0f, 0x2d, 0xc1];
        for (let n = 0; n < 4000; n++) {
          let a = operands.next(width);
          // Most of the range of integers.
          if (n & 1)
            a = soft[`froms_${width}`]!((BigInt.asIntN(32, BigInt(random.u32())) << 31n) ^ BigInt(n), n % 64, 0);
          const mode = random.u32() & (DAZ | 3);
          let got = BigInt.asUintN(bits, soft[`toint_${width}`]!(a, 0, bits, 1, mode));
          const gotFlags = flags() & X86_FLAGS;
          if (gotFlags & IE) got = 1n << BigInt(bits - 1);
          // CVTSS2SI and CVTSD2SI do not report denormals.
          const raisedByHost = onHost(code, mode, [0n, a]);
          const expected = BigInt.asUintN(bits, record.getBigUint64(AT_RAX, true));
          expect([hex([a]), mode, got, gotFlags & ~DE]).toEqual([hex([a]), mode, expected, raisedByHost]);
        }
      }
    });
    test(`from integers to f${width}`, () => {
      const random = new Random(width + 2);
      const code = [prefix, 0x48, 0x0f, 0x2a, 0xc0];
      for (let n = 0; n < 4000; n++) {
        const any = (BigInt(random.u32()) << 32n) | BigInt(random.u32());
        const v = BigInt.asIntN(64, any) >> BigInt(random.below(64));
        const mode = random.u32() & 3;
        const got = soft[`froms_${width}`]!(v, 0, mode);
        const gotFlags = flags() & X86_FLAGS;
        const raisedByHost = onHost(code, mode, [0n], BigInt.asUintN(64, v));
        expect([v, mode, BigInt.asUintN(width, got), gotFlags]).toEqual([v, mode, resultOf(width), raisedByHost]);
      }
    });
  }

  test('between f32 and f64', () => {
    const narrow = (mode: number, a: bigint) => soft.convert_64_32!(a, mode);
    compareWithHost('cvtsd2ss', [0xf2, 0x0f, 0x5a, 0xc1], 64, 32, 1, narrow, { unary: true });
    const widen = (mode: number, a: bigint) => soft.convert_32_64!(a, mode);
    compareWithHost('cvtss2sd', [0xf3, 0x0f, 0x5a, 0xc1], 32, 64, 1, widen, { unary: true });
  });

  testWith([cpuHas('f16c')], 'between f16 and f32', () => {
    // FTZ does not count for a half, nor DAZ for a half operand.
    const narrow = (mode: number, a: bigint) => soft.convert_32_16!(a, mode);
    const code = [0xc4, 0xe3, 0x79, 0x1d, 0xc8, 0x04];
    compareWithHost('vcvtps2ph', code, 32, 16, 1, narrow, { unary: true, modes: DAZ | 3 });
    for (let a = 0n; a < 0x10000n; a++) {
      const got = soft.convert_16_32!(a, 0);
      // A half denormal is not reported.
      const gotFlags = flags() & X86_FLAGS & ~DE;
      const raisedByHost = onHost([0xc4, 0xe2, 0x79, 0x13, 0xc1], 0, [0n, a]);
      expect([a, got, gotFlags]).toEqual([a, resultOf(32), raisedByHost]);
    }
  });

  testWith([cpuHas('f16c')], 'f16 by way of f32, which for these operations rounds no differently', () => {
    const random = new Random(16);
    const operands = new Operands(random);
    // A signaling NaN must still be one.
    const widen = (a: bigint) => soft.convert_16_32!(a, 0) & (finite(16, a) || a & 0x200n ? -1n : ~0x400000n);
    const narrow = [0xc4, 0xe3, 0x79, 0x1d, 0xc8, 0x04];
    for (const [name, opcode] of [...Object.entries(BINARY), ['sqrt', 0x51] as const]) {
      for (let n = 0; n < 4000; n++) {
        const [a, b] = [operands.next(16), operands.next(16)];
        const mode = random.u32() & 3;
        const got = name === 'sqrt' ? soft.sqrt_16!(b, mode) : soft[`${name}_16`]!(a, b, mode);
        const gotFlags = flags() & X86_FLAGS & ~(DE | UE);
        const wide = onHost([0xf3, 0x0f, opcode, 0xc1], mode, [widen(a), widen(b)]);
        const raisedByHost = wide | onHost(narrow, mode, [0n, resultOf(32)]);
        const expected = [resultOf(16), raisedByHost & ~(DE | UE)];
        expect([name, mode, ...hex([a, b]), got, gotFlags]).toEqual([name, mode, ...hex([a, b]), ...expected]);
      }
    }
  });

  testWith([cpuHas('fma')], 'fused multiplication and addition', () => {
    for (const [width, third] of [
      [32, 0x71],
      [64, 0xf1],
    ] as const) {
      for (const [negate, opcode] of [
        [0, 0xa9],
        [2, 0xab],
        [1, 0xad],
        [3, 0xaf],
      ] as const) {
        // VFMADD213 has its factors in the other order.
        const run = (mode: number, a: bigint, b: bigint, c: bigint) => soft[`fma_${width}`]!(b, a, c, negate, mode);
        compareWithHost(`fma ${negate}`, [0xc4, 0xe2, third, opcode, 0xc2], width, width, 3, run);
      }
    }
  });
});

const finite = (width: Width, a: bigint) => {
  const { frac, bias } = FORMATS[width];
  return ((a >> BigInt(frac)) & BigInt(2 * bias + 1)) !== BigInt(2 * bias + 1);
};

/** Operations by exact value; undefined where there is none. */
const EXACT: Record<string, (a: Rational, b: Rational, c: Rational) => Rational | undefined> = {
  add: (a, b) => ({ num: a.num * b.den + b.num * a.den, den: a.den * b.den }),
  sub: (a, b) => ({ num: a.num * b.den - b.num * a.den, den: a.den * b.den }),
  mul: (a, b) => ({ num: a.num * b.num, den: a.den * b.den }),
  div: (a, b) =>
    b.num === 0n
      ? undefined
      : { num: a.num * b.den * (b.num < 0n ? -1n : 1n), den: a.den * (b.num < 0n ? -b.num : b.num) },
  fma: (a, b, c) => ({ num: a.num * b.num * c.den + c.num * a.den * b.den, den: a.den * b.den * c.den }),
};

describe('rounded once from the exact result, in every direction, tininess before and after rounding', () => {
  for (const width of [16, 32, 64] as const) {
    const format = FORMATS[width];
    for (const [name, value] of Object.entries(EXACT)) {
      test(`${name} f${width}`, () => {
        const random = new Random(width * 7 + name.length);
        const operands = new Operands(random);
        for (let n = 0; n < 3000; n++) {
          const [a, b, c] = [operands.next(width), operands.next(width), operands.next(width)];
          if (!finite(width, a) || !finite(width, b) || !finite(width, c)) continue;
          const exact = value(exactOf(format, a), exactOf(format, b), exactOf(format, c));
          if (exact === undefined || exact.num === 0n) continue;
          const rm = n % 6;
          const mode = rm | (random.u32() & TINY_BEFORE);
          const got = name === 'fma' ? soft[`fma_${width}`]!(a, b, c, 0, mode) : soft[`${name}_${width}`]!(a, b, mode);
          const gotFlags = flags() & (X86_FLAGS & ~DE);
          const expected = round(format, exact, ROUNDINGS[rm]!, (mode & TINY_BEFORE) !== 0);
          const what = [name, ROUNDINGS[rm], ...hex([a, b, c])];
          expect([...what, ...hex([got!]), gotFlags]).toEqual([...what, ...hex([expected.bits]), expected.flags]);
        }
      });
    }

    test(`conversions and scaling f${width}`, () => {
      const random = new Random(width);
      const operands = new Operands(random);
      for (let n = 0; n < 4000; n++) {
        const a = operands.next(width);
        if (!finite(width, a)) continue;
        const exact = exactOf(format, a);
        if (exact.num === 0n) continue;
        const rm = n % 6;
        const rounding = ROUNDINGS[rm]!;
        const negative = exact.num < 0n;
        // To another format.
        for (const to of [16, 32, 64] as const) {
          if (to === width) continue;
          const mode = rm | (random.u32() & TINY_BEFORE);
          const got = soft[`convert_${width}_${to}`]!(a, mode);
          const gotFlags = flags() & (X86_FLAGS & ~DE);
          const expected = round(FORMATS[to], exact, rounding, (mode & TINY_BEFORE) !== 0);
          const what = [width, to, rounding, ...hex([a])];
          expect([...what, ...hex([got]), gotFlags]).toEqual([...what, ...hex([expected.bits]), expected.flags]);
        }
        // Scaled by a power of two.
        const by = random.below(200) - 100;
        const power = (r: Rational, n: number): Rational =>
          n >= 0 ? { num: r.num << BigInt(n), den: r.den } : { num: r.num, den: r.den << BigInt(-n) };
        const gotScaled = soft[`scaleb_${width}`]!(a, by, rm);
        const scaledFlags = flags() & (X86_FLAGS & ~DE);
        const scaled = round(format, power(exact, by), rounding, false);
        expect([by, ...hex([a, gotScaled]), scaledFlags]).toEqual([by, ...hex([a, scaled.bits]), scaled.flags]);
        // To fixed point, saturating.
        const bits = [8, 16, 32, 64, 33][random.below(5)]!;
        const signed = random.below(2);
        const scale = random.below(40) - 8;
        const got = soft[`toint_${width}`]!(a, scale, bits, signed, rm);
        const gotFlags = flags() & (X86_FLAGS & ~DE);
        const wide = power(exact, scale);
        const magnitude = roundQuotient(negative ? -wide.num : wide.num, wide.den, negative, rounding);
        const integer = negative ? -magnitude : magnitude;
        const [low, high] = signed
          ? [-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n]
          : [0n, (1n << BigInt(bits)) - 1n];
        const clamped = integer < low ? low : integer > high ? high : integer;
        const inexact = magnitude * wide.den !== (negative ? -wide.num : wide.num);
        const expectedFlags = clamped !== integer ? IE : inexact ? PE : 0;
        const what = [width, scale, bits, signed, rounding, ...hex([a])];
        expect([...what, BigInt.asIntN(64, got), gotFlags]).toEqual([
          ...what,
          BigInt.asIntN(64, clamped),
          expectedFlags,
        ]);
        // To an integral value.
        const gotIntegral = soft[`rint_${width}`]!(a, 1, rm);
        const integralFlags = flags() & (X86_FLAGS & ~DE);
        const whole = roundQuotient(negative ? -exact.num : exact.num, exact.den, negative, rounding);
        const isWhole = whole * exact.den === (negative ? -exact.num : exact.num);
        const integral =
          whole === 0n
            ? a & (1n << BigInt(width - 1))
            : round(format, { num: negative ? -whole : whole, den: 1n }, 'zero', false).bits;
        expect([rounding, ...hex([a, gotIntegral]), integralFlags]).toEqual([
          rounding,
          ...hex([a, integral]),
          isWhole ? 0 : PE,
        ]);
      }
    });

    test(`from integers and fixed point to f${width}`, () => {
      const random = new Random(width * 3);
      for (let n = 0; n < 3000; n++) {
        const any = (BigInt(random.u32()) << 32n) | BigInt(random.u32());
        const u = any >> BigInt(random.below(64));
        const s = BigInt.asIntN(64, any) >> BigInt(random.below(64));
        const scale = random.below(64);
        const rm = n % 6;
        for (const [name, v] of [
          ['fromu', u],
          ['froms', s],
        ] as const) {
          if (v === 0n) continue;
          const got = soft[`${name}_${width}`]!(v, scale, rm);
          const gotFlags = flags() & X86_FLAGS;
          const expected = round(format, { num: v, den: 1n << BigInt(scale) }, ROUNDINGS[rm]!, false);
          expect([name, v, scale, rm, ...hex([got]), gotFlags]).toEqual([
            name,
            v,
            scale,
            rm,
            ...hex([expected.bits]),
            expected.flags,
          ]);
        }
      }
    });
  }

  test('the odd direction makes a later rounding harmless', () => {
    const random = new Random(99);
    const operands = new Operands(random);
    for (let n = 0; n < 3000; n++) {
      const [a, b] = [operands.next(64), operands.next(64)];
      if (!finite(64, a) || !finite(64, b)) continue;
      const exact = EXACT.add!(exactOf(FORMATS[64], a), exactOf(FORMATS[64], b), { num: 0n, den: 1n })!;
      if (exact.num === 0n) continue;
      const got = soft.convert_64_32!(soft.add_64!(a, b, 5), 0);
      expect([...hex([a, b, got])]).toEqual(hex([a, b, round(FORMATS[32], exact, 'nearest', false).bits]));
    }
  });
});

describe('what guests differ in', () => {
  const QNAN = 0x7fc00001n;
  const QNAN2 = 0xffc00002n;
  const SNAN = 0x7f800003n;
  const SNAN2 = 0xff800004n;
  const QUIET = 0x400000n;
  const INF = 0x7f800000n;
  const ONE = 0x3f800000n;
  const add = (a: bigint, b: bigint, mode: number) => [soft.add_32!(a, b, mode), flags() & IE];
  const fma = (a: bigint, b: bigint, c: bigint, mode: number) => [soft.fma_32!(a, b, c, 0, mode), flags() & IE];

  test('which NaN of two is passed on', () => {
    expect(add(QNAN, SNAN, 0)).toEqual([QNAN, IE]);
    expect(add(ONE, SNAN, 0)).toEqual([SNAN | QUIET, IE]);
    expect(add(QNAN, SNAN, NAN_ARM)).toEqual([SNAN | QUIET, IE]);
    expect(add(QNAN, QNAN2, NAN_ARM)).toEqual([QNAN, 0]);
    expect(add(SNAN, SNAN2, NAN_ARM)).toEqual([SNAN | QUIET, IE]);
    expect(add(QNAN, SNAN, NAN_PPC)).toEqual([QNAN, IE]);
    expect(add(SNAN, SNAN2, NAN_SPARC)).toEqual([SNAN2 | QUIET, IE]);
    expect(add(QNAN, QNAN2, NAN_SPARC)).toEqual([QNAN2, 0]);
    expect(add(SNAN, QNAN2, NAN_SPARC)).toEqual([SNAN | QUIET, IE]);
    expect(add(QNAN, ONE, NAN_SPARC)).toEqual([QNAN, 0]);
  });
  test('which NaN of three is passed on', () => {
    expect(fma(QNAN, QNAN2, SNAN, 0)).toEqual([QNAN, IE]);
    expect(fma(QNAN, QNAN2, SNAN, NAN_ARM)).toEqual([SNAN | QUIET, IE]);
    expect(fma(QNAN, ONE, QNAN2, NAN_ARM)).toEqual([QNAN2, 0]);
    expect(fma(ONE, QNAN, QNAN2, NAN_PPC)).toEqual([QNAN2, 0]);
    expect(fma(ONE, QNAN, ONE, NAN_PPC)).toEqual([QNAN, 0]);
  });
  test('infinity times zero plus a NaN', () => {
    expect(fma(INF, 0n, QNAN, 0)).toEqual([QNAN, 0]);
    expect(fma(INF, 0n, QNAN, NAN_ARM)).toEqual([0x7fc00000n, IE]);
    expect(fma(INF, 0n, SNAN, NAN_ARM)).toEqual([SNAN | QUIET, IE]);
    expect(fma(INF, 0n, QNAN, NAN_PPC)).toEqual([QNAN, IE]);
  });
  test('default NaNs', () => {
    const indefinite = (mode: number) => add(INF, INF | 0x80000000n, mode);
    expect(indefinite(0)).toEqual([0xffc00000n, IE]);
    expect(indefinite(NAN_ARM)).toEqual([0x7fc00000n, IE]);
    expect(indefinite(NAN_SPARC)).toEqual([0x7fffffffn, IE]);
    expect(indefinite(SNAN_BIT_ONE)).toEqual([0x7fbfffffn, IE]);
    expect(add(QNAN, ONE, NAN_ARM | DEFAULT_NAN)).toEqual([0x7fc00000n, 0]);
    // With the quiet bit inverted 0x7fc00001 signals and 0x7f800003 does not.
    expect(add(QNAN, ONE, SNAN_BIT_ONE)).toEqual([0x7fbfffffn, IE]);
    expect(add(SNAN, ONE, SNAN_BIT_ONE)).toEqual([0x7fbfffffn, 0]);
    expect([soft.convert_32_64!(QNAN2, NAN_ARM | DEFAULT_NAN), flags()]).toEqual([0x7ff8000000000000n, 0]);
  });
  test('flushes to zero', () => {
    const LEAST = 0x00800000n;
    // Half of the least normal number: exact, but tiny.
    const half = (mode: number) => [soft.mul_32!(LEAST, 0x3f000000n, mode), flags() & X86_FLAGS];
    expect(half(0)).toEqual([0x400000n, 0]);
    expect(half(FTZ)).toEqual([0n, UE | PE]);
    expect(half(FTZ | FLUSH_IS_EXACT | TINY_BEFORE)).toEqual([0n, UE]);
    expect(half(0x80)).toEqual([0x400000n, UE]);
    // Just below the least normal number, to which it rounds.
    const near = (mode: number) => [soft.mul_32!(0x00800001n, 0x3f7ffffen, mode), flags() & X86_FLAGS];
    expect(near(FTZ)).toEqual([LEAST, PE]);
    expect(near(FTZ | TINY_BEFORE | FLUSH_IS_EXACT)).toEqual([0n, UE]);
    expect([soft.add_32!(1n, ONE, DAZ), flags()]).toEqual([ONE, FLUSHED_IN]);
  });
  test('minimum and maximum', () => {
    const least = (a: bigint, b: bigint, variant: number, mode = NAN_ARM) => [
      soft.minmax_32!(a, b, variant, mode),
      flags() & IE,
    ];
    const MINUS_ZERO = 0x80000000n;
    expect(least(0n, MINUS_ZERO, 0)).toEqual([MINUS_ZERO, 0]);
    expect(least(MINUS_ZERO, 0n, 1)).toEqual([0n, 0]);
    expect(least(QNAN, ONE, 0)).toEqual([QNAN, 0]);
    expect(least(QNAN, ONE, 2)).toEqual([ONE, 0]);
    expect(least(ONE, SNAN, 2)).toEqual([SNAN | QUIET, IE]);
    expect(least(ONE | MINUS_ZERO, 0x3f000000n, 9)).toEqual([ONE | MINUS_ZERO, 0]);
    expect(least(ONE | MINUS_ZERO, ONE, 8)).toEqual([ONE | MINUS_ZERO, 0]);
  });
  test('the alternative half format has numbers where others have infinities', () => {
    expect(soft.convert_alt_32!(0x7fffn, 0)).toBe(0x47ffe000n);
    expect([soft.convert_32_alt!(0x47ffe000n, 0), flags()]).toEqual([0x7fffn, 0]);
    expect([soft.convert_32_alt!(0x48000000n, 0), flags() & IE]).toEqual([0x7fffn, IE]);
    expect([soft.convert_32_alt!(INF, 0), flags() & IE]).toEqual([0x7fffn, IE]);
    expect([soft.convert_32_alt!(QNAN2, 0), flags() & IE]).toEqual([0x8000n, IE]);
  });
});
