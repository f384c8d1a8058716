// 80-bit arithmetic against exact rational arithmetic, and transcendental functions against 300-bit series, in BigInt.
//
// The module of x87 helpers is the way in. Exceptional operands are left to tests/insn/x86/x87.test.ts.

import { expect, test } from 'bun:test';
import { Random } from '../insn/x86/x87/cases.ts';
import { fieldAddress, X87Machine } from '../insn/x86/x87/machine.ts';

const ENV = 0xfe000000;
const machine = new X87Machine();
const x87 = machine.helpers;
const view = machine.view;

/** A positive or negative rational number. */
interface Rational {
  readonly num: bigint;
  readonly den: bigint;
}
/** Sign and exponent, and significand, as in a register. */
type F80 = readonly [se: number, sig: bigint];

const BIAS = 16383;
/** Precision in bits by the value of the control word's PC field. */
const PRECISION: Record<number, number> = { 0: 24, 2: 53, 3: 64 };
const NEAREST = 0;
const DOWN = 1;
const UP = 2;

const abs = (n: bigint) => (n < 0n ? -n : n);
const bitLength = (n: bigint) => n.toString(2).length;

function toRational([se, sig]: F80): Rational {
  const shift = (se & 0x7fff) - BIAS - 63;
  const num = (se & 0x8000 ? -sig : sig) << BigInt(Math.max(shift, 0));
  return { num, den: 1n << BigInt(Math.max(-shift, 0)) };
}

/** Rounds a non-zero number; `up` is whether its magnitude grew. The exponent range is not looked at. */
function round({ num, den }: Rational, precision: number, rc: number): { value: F80; inexact: boolean; up: boolean } {
  const negative = num < 0n !== den < 0n;
  const [n, d] = [abs(num), abs(den)];
  let shift = precision + bitLength(d) - bitLength(n);
  const scaled = (s: number) => (s >= 0 ? (n << BigInt(s)) / d : n / (d << BigInt(-s)));
  if (bitLength(scaled(shift)) > precision) shift--;
  let sig = scaled(shift);
  const rest = shift >= 0 ? (n << BigInt(shift)) - sig * d : n - sig * (d << BigInt(-shift));
  const unit = shift >= 0 ? d : d << BigInt(-shift);
  const half = 2n * rest > unit ? 1 : 2n * rest === unit ? 0 : -1;
  const inexact = rest !== 0n;
  let up = false;
  if (rc === NEAREST) up = half > 0 || (half === 0 && (sig & 1n) === 1n);
  else if (rc === DOWN) up = inexact && negative;
  else if (rc === UP) up = inexact && !negative;
  if (up) sig++;
  let exp = precision - 1 - shift;
  if (bitLength(sig) > precision) {
    sig >>= 1n;
    exp++;
  }
  return { value: [(negative ? 0x8000 : 0) | (exp + BIAS), sig << BigInt(64 - precision)], inexact, up };
}

function load([se, sig]: F80): void {
  x87.fld_m80(ENV, sig, se);
}

/** ST(0) and the flags PE and C1 as booleans. */
function outcome(): { value: F80; inexact: boolean; up: boolean } {
  const sw = x87.fnstsw(ENV) as number;
  x87.fst_m80(ENV);
  const sig = view.getBigUint64(fieldAddress('fpscratch'), true);
  const se = view.getInt32(fieldAddress('fpscratchhi'), true);
  return { value: [se, sig], inexact: (sw & 0x20) !== 0, up: (sw & 0x200) !== 0 };
}

function begin(pc: number, rc: number): void {
  x87.fninit(ENV);
  x87.fldcw(ENV, 0x7f | (pc << 8) | (rc << 10));
}

/** A normal number with an exponent in [low, high]; every third significand is short, for ties and exact results. */
function randomNumber(r: Random, low: number, high: number): F80 {
  let sig = (BigInt(r.next() | 0x80000000) & 0xffffffffn) << 32n;
  if (r.below(3)) sig |= BigInt(r.next());
  else sig &= 0xffffff0000000000n;
  return [(r.next() & 0x8000) | (BIAS + low + r.below(high - low + 1)), sig];
}

const EXACT: Record<string, { run: () => void; value: (a: Rational, b: Rational) => Rational }> = {
  add: {
    run: () => x87.fadd_r(ENV, 0, 1, 0),
    value: (a, b) => ({ num: a.num * b.den + b.num * a.den, den: a.den * b.den }),
  },
  subtract: {
    run: () => x87.fsub_r(ENV, 0, 1, 0),
    value: (a, b) => ({ num: a.num * b.den - b.num * a.den, den: a.den * b.den }),
  },
  multiply: {
    run: () => x87.fmul_r(ENV, 0, 1, 0),
    value: (a, b) => ({ num: a.num * b.num, den: a.den * b.den }),
  },
  divide: {
    run: () => x87.fdiv_r(ENV, 0, 1, 0),
    value: (a, b) => ({ num: a.num * b.den, den: a.den * b.num }),
  },
};

for (const [name, { run, value }] of Object.entries(EXACT)) {
  test(`${name}: rounded once from the exact result, in every direction and precision`, () => {
    const r = new Random(7);
    for (let n = 0; n < 3000; n++) {
      const a = randomNumber(r, -70, 70);
      const b = randomNumber(r, -70, 70);
      const pc = [0, 2, 3][n % 3];
      const rc = r.below(4);
      const exact = value(toRational(a), toRational(b));
      if (exact.num === 0n) continue;
      begin(pc, rc);
      load(b);
      load(a);
      run();
      const got = { a, b, pc, rc, ...outcome() };
      expect(got).toEqual({ a, b, pc, rc, ...round(exact, PRECISION[pc], rc) });
    }
  });
}

test('square root: the root is the largest or smallest neighbour its square allows', () => {
  const r = new Random(9);
  for (let n = 0; n < 3000; n++) {
    const [se, sig] = randomNumber(r, -300, 300);
    const a: F80 = [se & 0x7fff, n % 2 ? sig : ((sig >> 32n) ** 2n) | (1n << 63n)];
    begin(3, DOWN);
    load(a);
    x87.fsqrt(ENV);
    const { value, inexact } = outcome();
    const { num, den } = toRational(a);
    const root = toRational(value);
    const next = toRational([value[0], value[1] + 1n]);
    const square = (x: Rational) => x.num * x.num * den - num * x.den * x.den; // sign of x^2 - a
    expect(square(root) <= 0n && square(next) > 0n).toBe(true);
    expect(inexact).toBe(square(root) !== 0n);
    // The other directions choose between the same two neighbours.
    begin(3, UP);
    load(a);
    x87.fsqrt(ENV);
    expect(outcome().value[1]).toBe(inexact ? (value[1] + 1n) & 0xffffffffffffffffn || 1n << 63n : value[1]);
  }
});

/** Fixed-point numbers of this many fraction bits for the reference series. */
const BITS = 300n;
const UNIT = 1n << BITS;
const times = (a: bigint, b: bigint) => (a * b) >> BITS;
const over = (a: bigint, b: bigint) => (a << BITS) / b;
const fixed = ({ num, den }: Rational) => (num << BITS) / den;

/** Sum of terms, each made from the one before by `next`. */
function series(first: bigint, next: (term: bigint, k: bigint) => bigint): bigint {
  let sum = 0n;
  let term = first;
  for (let k = 1n; term !== 0n && term !== -1n; k++) {
    sum += term;
    term = next(term, k);
  }
  return sum;
}

/** x + x^3/3 + x^5/5 ... with alternating signs for the arctangent. */
function oddSeries(x: bigint, sign: bigint): bigint {
  let power = x;
  return series(x, (_, k) => {
    power = sign * times(times(power, x), x);
    return power / (2n * k + 1n);
  });
}

const LN2 = 2n * oddSeries(UNIT / 3n, 1n);
const sinFixed = (x: bigint) => series(x, (t, k) => -times(times(t, x), x) / (2n * k * (2n * k + 1n)));
const cosFixed = (x: bigint) => series(UNIT, (t, k) => -times(times(t, x), x) / ((2n * k - 1n) * 2n * k));
const expm1Fixed = (x: bigint) => series(x, (t, k) => times(t, x) / (k + 1n));
/** ln(m) of a number between 1/2 and 2. */
const lnFixed = (m: bigint) => 2n * oddSeries(over(m - UNIT, m + UNIT), 1n);
/** atan of a number below 1, halved twice by atan x = 2 atan(x / (1 + sqrt(1 + x^2))). */
function atanFixed(x: bigint): bigint {
  let reduced = x;
  for (let n = 0; n < 2; n++) reduced = over(reduced, UNIT + sqrtFixed(UNIT + times(reduced, reduced)));
  return 4n * oddSeries(reduced, -1n);
}
function sqrtFixed(a: bigint): bigint {
  let x = UNIT;
  for (let n = 0; n < 20; n++) x = (x + over(a, x)) >> 1n;
  return x;
}

/** Operand exponents, instruction, reference value of (a, b); one operand where b is not used. */
const TRANSCENDENTAL: Record<
  string,
  { low: number; high: number; run: () => void; value: (a: bigint, b: bigint) => bigint; skip?: (a: F80) => boolean }
> = {
  f2xm1: { low: -60, high: -1, run: () => x87.f2xm1(ENV), value: (a) => expm1Fixed(times(a, LN2)) },
  fyl2x: {
    low: -1,
    high: 0,
    run: () => x87.fyl2x(ENV),
    value: (a, b) => over(times(b, lnFixed(a)), LN2),
    skip: ([se]) => se > 0x7fff,
  },
  fyl2xp1: { low: -60, high: -3, run: () => x87.fyl2xp1(ENV), value: (a, b) => over(times(b, lnFixed(UNIT + a)), LN2) },
  fsin: { low: -60, high: -2, run: () => x87.fsin(ENV), value: sinFixed },
  fcos: { low: -20, high: -2, run: () => x87.fcos(ENV), value: cosFixed },
  fptan: {
    low: -60,
    high: -2,
    run: () => {
      x87.fptan(ENV);
      x87.fpop(ENV);
    },
    value: (a) => over(sinFixed(a), cosFixed(a)),
  },
  fpatan: {
    low: 1,
    high: 30,
    run: () => x87.fpatan(ENV),
    value: (a, b) => atanFixed(over(b, a)),
    skip: ([se]) => se > 0x7fff,
  },
};

for (const [name, { low, high, run, value, skip }] of Object.entries(TRANSCENDENTAL)) {
  test(`${name}: correctly rounded`, () => {
    const r = new Random(11);
    for (let n = 0; n < 250; n++) {
      const a = randomNumber(r, low, high);
      // ST(1) is below 1, and so below ST(0) for the arctangent.
      const b = randomNumber(r, -20, -1);
      const rc = r.below(4);
      if (skip?.(a)) continue;
      begin(3, rc);
      load(b);
      load(a);
      run();
      const got = { n, ...outcome() };
      const exact = value(fixed(toRational(a)), fixed(toRational(b)));
      const expected = { n, ...round({ num: exact, den: UNIT }, 64, rc) };
      // Nothing rounds after the function did, so C1 is its own.
      expect(got).toEqual(expected);
    }
  });
}

// The manual's 66-bit pi: the sine of the double-extended pi shows its 65th and 66th bit.
test('arguments are reduced by pi to 66 bits, and not at all from 2^63', () => {
  begin(3, NEAREST);
  load([0x4000, 0xc90fdaa22168c235n]);
  x87.fsin(ENV);
  expect(outcome().value).toEqual([0xbfbf, 1n << 63n]);
  load([0x403e, 1n << 63n]);
  x87.fcos(ENV);
  expect(outcome().value).toEqual([0x403e, 1n << 63n]);
  expect((x87.fnstsw(ENV) as number) & 0x400).toBe(0x400);
});
