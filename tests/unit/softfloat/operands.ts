// Operands for tests of floating point: corners of each format, and random bits that often lie near each other.

import type { Random } from '../../oracle/random.ts';
import { FORMATS } from './exact.ts';

export type Width = 16 | 32 | 64;

/** Zeros, denormals, the ends of the normal range, ones, powers near the fraction's end, infinities, NaNs of both kinds. */
export function corners(width: Width): bigint[] {
  const { bits, frac, bias } = FORMATS[width];
  const f = BigInt(frac);
  const one = BigInt(bias) << f;
  const inf = BigInt(2 * bias + 1) << f;
  const quiet = 1n << (f - 1n);
  const positive = [
    ...[0n, 1n, 2n, 3n, quiet, (1n << f) - 1n, 1n << f, (1n << f) + 1n, (2n << f) - 1n, 2n << f],
    ...[one, one + 1n, one - 1n, one - (1n << f), one + quiet, BigInt(bias + frac) << f, BigInt(bias + frac + 1) << f],
    ...[
      inf - 1n,
      inf - (1n << f),
      inf - (2n << f) + 1n,
      inf,
      inf + 1n,
      inf + quiet - 1n,
      inf + quiet,
      inf + quiet + 5n,
    ],
    ...[inf + (1n << f) - 1n, BigInt(bias + 31) << f, BigInt(bias + 30 > 2 * bias ? bias : bias + 30) << f],
  ].map((n) => n & ((1n << BigInt(bits - 1)) - 1n));
  return positive.flatMap((n) => [n, n | (1n << BigInt(bits - 1))]);
}

export class Operands {
  private readonly lists = { 16: corners(16), 32: corners(32), 64: corners(64) };
  private last = 0n;

  constructor(private readonly random: Random) {}

  /** A value of a format: a corner, any bits, or one with an exponent near that of the value before. */
  next(width: Width): bigint {
    const { random } = this;
    const { bits, frac } = FORMATS[width];
    const list = this.lists[width];
    let value: bigint;
    const kind = random.below(8);
    if (kind < 2) value = list[random.below(list.length)]!;
    else {
      const any = (BigInt(random.u32()) << 32n) | BigInt(random.u32());
      value = any & ((1n << BigInt(bits)) - 1n);
      const f = BigInt(frac);
      const fraction = (1n << f) - 1n;
      // Short fractions make exact results and ties.
      if (kind < 5) value &= ~(fraction >> BigInt(random.below(frac)));
      if (kind >= 4) {
        const exponents = (1n << BigInt(bits - 1)) - 1n - fraction;
        const near = (((this.last & exponents) >> f) + BigInt(random.below(2 * frac + 4) - frac - 2)) << f;
        value = (value & ~exponents) | (near & exponents);
      }
    }
    this.last = value;
    return value;
  }
}
