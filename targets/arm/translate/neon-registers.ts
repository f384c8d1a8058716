// What all of Advanced SIMD shares: D and Q registers as vectors, lanes and shuffles, saturation, shapes of instructions.
import type { OpName } from '../../../tcg/ir/ops.ts';
import { Cond } from '../../../tcg/ir/types.ts';
import { type Const, const32, const64, type Value } from '../../../tcg/ir/value.ts';
import { FPSCR_QC } from '../fpscr.ts';
import { ARM_OFFSETS as O, QREGS } from '../state.ts';
import { lanesOf, vectorConst } from '../vector-constants.ts';
import type { Handler, Translation } from './context.ts';
import { dNumber } from './vfp-registers.ts';

/** Bytes of the lanes of `bits` with the given numbers, for `shuffle`. */
export function laneBytes(bits: number, numbers: readonly number[]): number[] {
  const bytes = bits >> 3;
  return numbers.flatMap((lane) => Array.from({ length: bytes }, (_, k) => lane * bytes + k));
}

/** Byte i of the result is byte `order[i]` of a, from 16 on of b; what `order` does not name is byte 0 of a. */
export function shuffle({ b }: Translation, x: Value, y: Value, order: readonly number[]): Value {
  const bytes = order.length === 16 ? order : [...order, ...new Array<number>(16 - order.length).fill(0)];
  return b.emit('shuffle_v128', x, y, vectorConst(bytes));
}

const RANGE = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, k) => from + k);
const LOW = RANGE(0, 8);
const HIGH = RANGE(8, 16);
const LOW_OF_SECOND = RANGE(16, 24);
const HIGH_OF_SECOND = RANGE(24, 32);

/** D register n as the low half of a vector whose high half may be anything; with `q` the Q register that begins there. */
export function readVector(t: Translation, n: number, q: number): Value {
  const register = QREGS[n >> 1]!;
  return q || !(n & 1) ? register : shuffle(t, register, register, HIGH);
}

/** Writes the low half of a vector to D register n, with `q` all of it to a Q register. */
export function writeVector(t: Translation, n: number, q: number, value: Value): void {
  const register = QREGS[n >> 1]!;
  if (q) t.b.set(register, value);
  else if (n & 1) t.b.set(register, shuffle(t, register, value, [...LOW, ...LOW_OF_SECOND]));
  else t.b.set(register, shuffle(t, value, register, [...LOW, ...HIGH_OF_SECOND]));
}

/** Two low halves, one above the other. */
export function joinLow(t: Translation, x: Value, y: Value): Value {
  return shuffle(t, x, y, [...LOW, ...LOW_OF_SECOND]);
}

// ---- ops by lanes

export function op2(t: Translation, name: OpName, x: Value, y: Value, bits = 0): Value {
  return t.b.emit(name, x, y, null, bits);
}

export function op1(t: Translation, name: OpName, x: Value, bits = 0): Value {
  return t.b.emit(name, x, null, null, bits);
}

/** Lanes shifted by the same amount below their width. */
export function shiftLanes(
  t: Translation,
  name: 'shl_vec' | 'shr_vec' | 'sar_vec',
  x: Value,
  by: number,
  bits: number,
): Value {
  return by === 0 ? x : t.b.emit(name, x, const32(by), null, bits);
}

export function compareLanes(t: Translation, cond: Cond, x: Value, y: Value, bits: number): Value {
  return t.b.emit('cmp_vec', x, y, null, bits, cond);
}

/** Lanes of ones where x is below y, unsigned. */
export function belowUnsigned(t: Translation, x: Value, y: Value, bits: number): Value {
  if (bits < 64) return compareLanes(t, Cond.LTU, x, y, bits);
  const sign = lanesOf(64, 1n << 63n);
  return compareLanes(t, Cond.LT, op2(t, 'xor_v128', x, sign), op2(t, 'xor_v128', y, sign), 64);
}

/** `x` where `mask` has ones, else `y`. */
export function choose(t: Translation, mask: Value, x: Value, y: Value): Value {
  return t.b.emit('bitselect_v128', mask, x, y);
}

/** Sets QC where any bit of `mask` is set; only the low half counts unless `q`. */
export function noteSaturation(t: Translation, mask: Value, q: number): void {
  const { b } = t;
  const any = q
    ? b.emit('any_v128', mask)
    : b.emit('setcond_i64', b.emit('lane_i64', mask, null, null, 0), const64(0n), null, Cond.NE);
  b.envStore(O.fpexc, b.or(b.envLoad(O.fpexc), b.shl(any, Math.log2(FPSCR_QC))));
}

/** The largest and the least value of signed lanes. */
export function signedMax(bits: number): Const {
  return lanesOf(bits, (1n << BigInt(bits - 1)) - 1n);
}
export function signedMin(bits: number): Const {
  return lanesOf(bits, 1n << BigInt(bits - 1));
}

// ---- shapes of instructions

/** Lane width of a size field. */
export function laneBits(s: number): number {
  return 8 << s;
}

/** What an instruction computes of its first and second operand, lanes being `bits` wide and unsigned with U. */
export type Compute = (t: Translation, x: Value, y: Value, bits: number, U: number) => Value;

export function dOf({ insn }: Translation): number {
  return dNumber(insn.d, insn.D);
}
export function nOf({ insn }: Translation): number {
  return dNumber(insn.n, insn.N);
}
export function mOf({ insn }: Translation): number {
  return dNumber(insn.m, insn.M);
}

/** Sizes an instruction has: bits 0 to 3 for 8 to 64. */
export const BYTES_TO_WORDS = 7;
export const ALL_SIZES = 15;
export const HALVES_AND_WORDS = 6;
export const ONLY_BYTES = 1;

export function hasSize(sizes: number, s: number): boolean {
  return ((sizes >> s) & 1) !== 0;
}

/** d = compute(n, m); Q registers have even numbers. */
export function same(sizes: number, compute: Compute): Handler {
  return (t) => {
    const { q, s, U } = t.insn;
    const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
    if (!hasSize(sizes, s) || (q && (d | n | m) & 1)) return t.undefined();
    writeVector(t, d, q, compute(t, readVector(t, n, q), readVector(t, m, q), laneBits(s), U));
  };
}

/** d = compute(d, what is computed of n and m). */
export function accumulating(sizes: number, compute: Compute, add: Compute): Handler {
  return same(sizes, (t, x, y, bits, U) => {
    const sum = compute(t, x, y, bits, U);
    return add(t, readVector(t, dOf(t), t.insn.q), sum, bits, U);
  });
}

/** d = compute(m). */
export function unary(sizes: number, compute: (t: Translation, x: Value, bits: number, U: number) => Value): Handler {
  return (t) => {
    const { q, s, U } = t.insn;
    const [d, m] = [dOf(t), mOf(t)];
    if (!hasSize(sizes, s) || (q && (d | m) & 1)) return t.undefined();
    writeVector(t, d, q, compute(t, readVector(t, m, q), laneBits(s), U));
  };
}

export const add: Compute = (t, x, y, bits) => op2(t, 'add_vec', x, y, bits);
export const subtract: Compute = (t, x, y, bits) => op2(t, 'sub_vec', x, y, bits);

/** Products of lanes, their low halves. */
export const multiply: Compute = (t, x, y, bits) => {
  if (bits > 8) return op2(t, 'mul_vec', x, y, bits);
  const low = t.b.emit('mulwideu_vec', x, y, null, 8, 0);
  const high = t.b.emit('mulwideu_vec', x, y, null, 8, 1);
  return shuffle(
    t,
    low,
    high,
    RANGE(0, 16).map((k) => 2 * k),
  );
};

/** Saturating addition; `q` of the instruction tells what counts for QC. */
export function addSaturating(t: Translation, x: Value, y: Value, bits: number, U: number, q: number): Value {
  const plain = op2(t, 'add_vec', x, y, bits);
  if (bits < 32) {
    const result = op2(t, U ? 'addsatu_vec' : 'addsats_vec', x, y, bits);
    noteSaturation(t, op2(t, 'xor_v128', plain, result), q);
    return result;
  }
  if (U) {
    const over = belowUnsigned(t, plain, x, bits);
    noteSaturation(t, over, q);
    return op2(t, 'or_v128', plain, over);
  }
  const over = op2(t, 'and_v128', op2(t, 'xor_v128', x, plain), op2(t, 'xor_v128', y, plain));
  return limitSigned(t, x, plain, over, bits, q);
}

export function subtractSaturating(t: Translation, x: Value, y: Value, bits: number, U: number, q: number): Value {
  const plain = op2(t, 'sub_vec', x, y, bits);
  if (bits < 32) {
    const result = op2(t, U ? 'subsatu_vec' : 'subsats_vec', x, y, bits);
    noteSaturation(t, op2(t, 'xor_v128', plain, result), q);
    return result;
  }
  if (U) {
    const over = belowUnsigned(t, x, y, bits);
    noteSaturation(t, over, q);
    return op2(t, 'andc_v128', plain, over);
  }
  const over = op2(t, 'and_v128', op2(t, 'xor_v128', x, y), op2(t, 'xor_v128', x, plain));
  return limitSigned(t, x, plain, over, bits, q);
}

/** `plain`, or where the sign of `over` is set the limit on the side of x. */
function limitSigned(t: Translation, x: Value, plain: Value, over: Value, bits: number, q: number): Value {
  const mask = shiftLanes(t, 'sar_vec', over, bits - 1, bits);
  noteSaturation(t, mask, q);
  const limit = op2(t, 'xor_v128', shiftLanes(t, 'sar_vec', x, bits - 1, bits), signedMax(bits));
  return choose(t, mask, limit, plain);
}

/** Lanes 0, 2, … and lanes 1, 3, … of two low halves, combined. */
export function pairwiseLanes(
  t: Translation,
  x: Value,
  y: Value,
  bits: number,
  combine: (a: Value, b: Value) => Value,
): Value {
  const count = 64 / bits;
  // Lane numbers behind the first vector count those of its upper half, which do not take part.
  const lane = (k: number): number => (k < count ? k : k + count);
  const pick = (odd: number): number[] =>
    laneBytes(
      bits,
      Array.from({ length: count }, (_, k) => lane(2 * k + odd)),
    );
  return combine(shuffle(t, x, y, pick(0)), shuffle(t, x, y, pick(1)));
}
