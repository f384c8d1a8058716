// Deterministic random numbers and the corner values instruction cases are built from.

/** A small seeded generator (xorshift128 by Marsaglia, "Xorshift RNGs", 2003). Same seed, same numbers, everywhere. */
export class Random {
  private x: number;
  private y = 362436069;
  private z = 521288629;
  private w = 88675123;

  constructor(seed: number) {
    this.x = seed ^ 123456789;
    for (let i = 0; i < 16; i++) this.u32();
  }

  /** 0 .. 2^32-1. */
  u32(): number {
    const t = this.x ^ (this.x << 11);
    this.x = this.y;
    this.y = this.z;
    this.z = this.w;
    this.w = this.w ^ (this.w >>> 19) ^ t ^ (t >>> 8);
    return this.w >>> 0;
  }

  /** 0 .. n-1. */
  below(n: number): number {
    return this.u32() % n;
  }

  /** low .. high, both included. */
  range(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  bool(): boolean {
    return (this.u32() & 0x100) !== 0;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.u32();
    return bytes;
  }

  /** A value of `bits` (8, 16 or 32) bits: half the time a corner, otherwise random. */
  value(bits: number): number {
    if (this.bool()) return this.pick(corners(bits));
    return bits === 32 ? this.u32() : this.u32() & ((1 << bits) - 1);
  }
}

const CORNERS: Record<number, number[]> = {};
for (const bits of [8, 16, 32]) {
  const top = 2 ** (bits - 1);
  const all = 2 ** bits - 1;
  CORNERS[bits] = [0, 1, 2, 0xf, 0x10, top - 1, top, top + 1, all - 1, all, (all / 3) >>> 0, ((all / 3) * 2) >>> 0];
}

/** Values around zero, the sign change and the carries between nibbles. */
export function corners(bits: number): readonly number[] {
  return CORNERS[bits]!;
}
