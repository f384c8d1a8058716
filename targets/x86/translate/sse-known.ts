// What the translator knows of floats in XMM registers within a block: low lanes as values, and which flag vouches for them.
import type { Value } from '../../../tcg/ir/value.ts';

/** Lanes of a vector, none of which is a denormal or a NaN unless `suspect` is negative. */
export interface KnownLanes {
  readonly lane: 32 | 64;
  readonly suspect: Value;
}

/**
 * A flag (i32 or i64) vouches for a value: where it is not negative the value is no denormal and no NaN. It is the flag of the
 * guard of the arithmetic that made the value, or that used it last. So values need no checks of their own, and where one guard has to look
 * closer, those of operations that depend on it do so too, which is always right.
 */
export class KnownFloats {
  /** The f32 or f64 in the low lane of each register, where it is at hand. */
  private readonly low: (Value | null)[] = new Array(8).fill(null);
  private readonly whole: (KnownLanes | null)[] = new Array(8).fill(null);
  /** A vector with the other lanes of each register, where one is at hand. */
  private readonly rest: (Value | null)[] = new Array(8).fill(null);
  /** What is not among them: a lane of this type. */
  private readonly restBeside: ('f32' | 'f64')[] = new Array(8).fill('f64');
  private readonly scalars = new Map<Value, Value>();
  private readonly vectors = new Map<Value, KnownLanes>();
  private used = false;

  /** Nothing is known. */
  clear(): void {
    if (!this.used) return;
    this.low.fill(null);
    this.rest.fill(null);
    this.whole.fill(null);
    this.scalars.clear();
    this.vectors.clear();
    this.used = false;
  }

  /** Register n was written with `value`, or with what nothing is known of. */
  wrote(n: number, value: Value | null): void {
    if (!this.used) return;
    this.low[n] = null;
    this.rest[n] = null;
    this.whole[n] = (value !== null && this.vectors.get(value)) || null;
  }

  /** Register `to` was made a copy of `from`. */
  copied(to: number, from: number): void {
    this.low[to] = this.low[from]!;
    this.rest[to] = this.rest[from]!;
    this.restBeside[to] = this.restBeside[from]!;
    this.whole[to] = this.whole[from]!;
  }

  /** The low lane of register n as a value of a type, or null. */
  lowLane(n: number, type: 'f32' | 'f64'): Value | null {
    const value = this.low[n]!;
    return value !== null && value.type === type ? value : null;
  }

  /** `value` is the low lane of register n. */
  setLowLane(n: number, value: Value): void {
    this.used = true;
    this.low[n] = value;
    const lanes = this.whole[n]!;
    if (lanes !== null && !this.scalars.has(value) && lanes.lane === (value.type === 'f32' ? 32 : 64)) {
      this.scalars.set(value, lanes.suspect);
    }
  }

  /** A vector that has the lanes of register n but for the lowest of a type, or null. */
  restOf(n: number, type: 'f32' | 'f64'): Value | null {
    // Those beside an f32 are enough for an f64, not the other way around.
    return type === 'f64' || this.restBeside[n] === 'f32' ? this.rest[n]! : null;
  }

  /** `value`, a constant or a temporary nobody writes again, has the lanes of register n but for the lowest of a type. */
  setRest(n: number, value: Value, type: 'f32' | 'f64'): void {
    this.rest[n] = value;
    this.restBeside[n] = type;
  }

  /** The flag that vouches for a scalar, or null. */
  suspectOf(value: Value): Value | null {
    return this.scalars.get(value) ?? null;
  }

  vouch(value: Value, suspect: Value): void {
    if (value.kind === 'const') return;
    this.used = true;
    this.scalars.set(value, suspect);
  }

  /** The flag that vouches for the lanes of a register's value, or of a vector's; or null. */
  suspectOfLanes(value: Value, lane: 32 | 64, register: number): Value | null {
    const known = register >= 0 ? this.whole[register]! : this.vectors.get(value);
    return known && known.lane === lane ? known.suspect : null;
  }

  vouchLanes(value: Value, lane: 32 | 64, suspect: Value, register: number): void {
    this.used = true;
    if (register >= 0) this.whole[register] = { lane, suspect };
    else this.vectors.set(value, { lane, suspect });
  }
}
