// IEEE arithmetic once more, by exact rational numbers in BigInt: slow, obvious, and with no code of the tested one.

/** Exceptions as in MXCSR. */
export const PE = 0x20;
export const UE = 0x10;
export const OE = 0x08;

export interface Format {
  readonly bits: number;
  readonly frac: number;
  readonly bias: number;
}
export const FORMATS: Record<16 | 32 | 64, Format> = {
  16: { bits: 16, frac: 10, bias: 15 },
  32: { bits: 32, frac: 23, bias: 127 },
  64: { bits: 64, frac: 52, bias: 1023 },
};

/** A rational number; `den` is positive. */
export interface Rational {
  readonly num: bigint;
  readonly den: bigint;
}

export type Rounding = 'nearest' | 'down' | 'up' | 'zero' | 'away' | 'odd';

const scaled = (n: bigint, by: number): Rational =>
  by >= 0 ? { num: n << BigInt(by), den: 1n } : { num: n, den: 1n << BigInt(-by) };

/** The value of finite bits. */
export function exactOf({ bits, frac, bias }: Format, a: bigint): Rational {
  const exp = Number((a >> BigInt(frac)) & ((1n << BigInt(bits - 1 - frac)) - 1n));
  const fraction = a & ((1n << BigInt(frac)) - 1n);
  const magnitude = exp === 0 ? fraction : fraction | (1n << BigInt(frac));
  const negative = a >> BigInt(bits - 1) !== 0n;
  return scaled(negative ? -magnitude : magnitude, Math.max(exp, 1) - bias - frac);
}

/** num/den (positive) as an integer in a direction for its magnitude. */
export function roundQuotient(num: bigint, den: bigint, negative: boolean, rounding: Rounding): bigint {
  const low = num / den;
  const rest = num - low * den;
  if (rest === 0n) return low;
  switch (rounding) {
    case 'zero':
      return low;
    case 'down':
      return negative ? low + 1n : low;
    case 'up':
      return negative ? low : low + 1n;
    case 'odd':
      return low | 1n;
    case 'away':
      return 2n * rest >= den ? low + 1n : low;
    case 'nearest':
      return 2n * rest > den || (2n * rest === den && (low & 1n) === 1n) ? low + 1n : low;
  }
}

const bitLength = (n: bigint) => n.toString(2).length;

/** Bits and exceptions of a number other than zero rounded to a format. `tinyBefore`: tininess is judged unrounded. */
export function round(
  { bits, frac, bias }: Format,
  { num, den }: Rational,
  rounding: Rounding,
  tinyBefore: boolean,
): { bits: bigint; flags: number; tiny: boolean } {
  const negative = num < 0n;
  const n = negative ? -num : num;
  const sign = negative ? 1n << BigInt(bits - 1) : 0n;
  const least = 1 - bias;
  /** floor(log2) */
  let e = bitLength(n) - bitLength(den);
  if (e >= 0 ? n < den << BigInt(e) : n << BigInt(-e) < den) e--;
  const integerAt = (unit: number) => {
    const [a, b] = unit >= 0 ? [n, den << BigInt(unit)] : [n << BigInt(-unit), den];
    const value = roundQuotient(a, b, negative, rounding);
    return { value, inexact: value * b !== a };
  };
  let tiny = e < least;
  if (tiny && !tinyBefore) {
    const unbounded = integerAt(e - frac).value;
    tiny = !(e === least - 1 && unbounded === 1n << BigInt(frac + 1));
  }
  const { value, inexact } = integerAt(Math.max(e, least) - frac);
  const flags = inexact ? (tiny ? PE | UE : PE) : 0;
  // A carry to the next binade comes out right, because the fraction is then zero.
  const packed = value + (BigInt(Math.max(e, least) - least) << BigInt(frac));
  const infinity = ((1n << BigInt(bits - 1 - frac)) - 1n) << BigInt(frac);
  if (packed >= infinity) {
    const toInfinity = rounding === 'nearest' || rounding === 'away' || rounding === (negative ? 'down' : 'up');
    return { bits: sign | (toInfinity ? infinity : infinity - 1n), flags: OE | PE, tiny };
  }
  return { bits: sign | packed, flags, tiny };
}
