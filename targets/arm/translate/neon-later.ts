// Advanced SIMD of ARMv8.1 to v8.6 on integers and complex numbers: rounding doubling multiplication, dot products, matrices.
import { Cond } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { QREGS } from '../state.ts';
import { lanesOf, vectorConst } from '../vector-constants.ts';
import type { Handler, Translation } from './context.ts';
import { addFloats, floatBits, fusedAdd } from './neon-float.ts';
import {
  type Compute,
  choose,
  compareLanes,
  dOf,
  HALVES_AND_WORDS,
  laneBytes,
  mOf,
  nOf,
  noteSaturation,
  op2,
  readVector,
  same,
  shiftLanes,
  shuffle,
  writeVector,
} from './neon-registers.ts';
import { byScalar } from './neon-wide.ts';

// ---- rounding doubling multiplication

/**
 * The high half of d plus or minus twice the product, rounded. All of it is halved, so that it fits twice the width: the sum is
 * least with d and the product as far below zero as they can be, and rounding then goes up.
 */
function accumulatedHighProduct(name: 'add_vec' | 'sub_vec'): Compute {
  return (t, x, y, bits) => {
    const { q } = t.insn;
    const d = readVector(t, dOf(t), q);
    const wide = 2 * bits;
    const half = (n: number): { value: Value; over: Value } => {
      const addend = shiftLanes(t, 'shl_vec', t.b.emit('widens_vec', d, null, null, bits, n), bits - 1, wide);
      const product = t.b.emit('mulwides_vec', x, y, null, bits, n);
      const rounded = op2(t, 'add_vec', addend, lanesOf(wide, 1n << BigInt(bits - 2)), wide);
      const sum = shiftLanes(t, 'sar_vec', op2(t, name, rounded, product, wide), bits - 1, wide);
      const most = lanesOf(wide, (1n << BigInt(bits - 1)) - 1n);
      const least = lanesOf(wide, -(1n << BigInt(bits - 1)));
      const above = compareLanes(t, Cond.GT, sum, most, wide);
      const below = compareLanes(t, Cond.LT, sum, least, wide);
      const over = op2(t, 'or_v128', above, below);
      // Of a limit only the low half counts.
      const limits = choose(t, above, most, least);
      return { value: choose(t, over, limits, sum), over };
    };
    const [low, high] = [half(0), half(1)];
    const even = laneBytes(
      bits,
      Array.from({ length: 128 / bits }, (_, k) => 2 * k),
    );
    noteSaturation(t, q ? op2(t, 'or_v128', low.over, high.over) : low.over, 1);
    return shuffle(t, low.value, high.value, even);
  };
}

// ---- dot products

/** Sums of neighbours: those of x in the low half, those of y above. */
function sumsOfPairs(t: Translation, x: Value, y: Value): Value {
  const pick = (odd: number): Value => shuffle(t, x, y, laneBytes(32, [odd, 2 + odd, 4 + odd, 6 + odd]));
  return op2(t, 'add_vec', pick(0), pick(1), 32);
}

/** Words of d plus the products of four bytes each, the sum of them; bytes of x and of y are unsigned or not. */
function dot(t: Translation, d: Value, x: Value, y: Value, xUnsigned: boolean, yUnsigned: boolean): Value {
  const wide = (of: Value, bits: number, half: number, unsigned: boolean): Value =>
    t.b.emit(unsigned ? 'widenu_vec' : 'widens_vec', of, null, null, bits, half);
  // What is below zero and what is above 127 fit a signed halfword together.
  const products = (half: number): Value =>
    xUnsigned === yUnsigned
      ? t.b.emit(xUnsigned ? 'mulwideu_vec' : 'mulwides_vec', x, y, null, 8, half)
      : op2(t, 'mul_vec', wide(x, 8, half, xUnsigned), wide(y, 8, half, yUnsigned), 16);
  const fours = (of: Value, half: number): Value => wide(of, 16, half, xUnsigned && yUnsigned);
  const [low, high] = [products(0), products(1)];
  const first = sumsOfPairs(t, fours(low, 0), fours(low, 1));
  const second = sumsOfPairs(t, fours(high, 0), fours(high, 1));
  return op2(t, 'add_vec', d, sumsOfPairs(t, first, second), 32);
}

/** Words of d plus what becomes of those of n and m. */
type Dot = (t: Translation, d: Value, x: Value, y: Value) => Value;

const bySign: Dot = (t, d, x, y) => dot(t, d, x, y, t.insn.U !== 0, t.insn.U !== 0);
const unsignedBySigned: Dot = (t, d, x, y) => dot(t, d, x, y, true, false);
const signedByUnsigned: Dot = (t, d, x, y) => dot(t, d, x, y, false, true);

export function dotProduct(run: Dot): Handler {
  return (t) => {
    const { q } = t.insn;
    const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
    if (q && (d | n | m) & 1) return t.undefined();
    writeVector(t, d, q, run(t, readVector(t, d, q), readVector(t, n, q), readVector(t, m, q)));
  };
}

/** With one word of D0 to D15 in the place of all of m. */
export function dotProductByElement(run: Dot): Handler {
  return (t) => {
    const { q, m, M } = t.insn;
    const { b } = t;
    const [d, n] = [dOf(t), nOf(t)];
    if (q && (d | n) & 1) return t.undefined();
    const element = b.emit('lane_i32', QREGS[m >> 1]!, null, null, 32, ((m & 1) << 1) | M);
    writeVector(
      t,
      d,
      q,
      run(t, readVector(t, d, q), readVector(t, n, q), b.emit('splat_i32', element, null, null, 32)),
    );
  };
}

/** Two by two words of d, row by row, plus the products of the two rows of n with the two of m, each row two words. */
export function matrixProduct(run: Dot): Handler {
  return (t) => {
    const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
    if ((d | n | m) & 1) return t.undefined();
    const [x, y] = [readVector(t, n, 1), readVector(t, m, 1)];
    const words = (of: Value, order: readonly number[]): Value => shuffle(t, of, of, laneBytes(32, order));
    const first = run(t, readVector(t, d, 1), words(x, [0, 0, 2, 2]), words(y, [0, 2, 0, 2]));
    writeVector(t, d, 1, run(t, first, words(x, [1, 1, 3, 3]), words(y, [1, 3, 1, 3])));
  };
}

// ---- complex numbers: pairs of lanes, the real part first

/** Lanes in the order given for one pair of them. */
function lanes(t: Translation, x: Value, order: readonly [number, number]): Value {
  const bits = floatBits(t);
  const all = Array.from({ length: 128 / bits }, (_, k) => (k & ~1) + order[k & 1]!);
  return shuffle(t, x, x, laneBytes(bits, all));
}

/** The real parts with the other sign, or the imaginary ones. */
function negated(t: Translation, x: Value, real: boolean, imaginary: boolean): Value {
  if (!real && !imaginary) return x;
  const bytes = floatBits(t) / 8;
  const sign = (k: number): boolean => k % bytes === bytes - 1 && (Math.floor(k / bytes) & 1 ? imaginary : real);
  return op2(t, 'xor_v128', x, vectorConst(Array.from({ length: 16 }, (_, k) => (sign(k) ? 0x80 : 0))));
}

/** n plus m turned by 90 degrees, or by 270. */
const addTurned: Handler = (t) => {
  const { q, r } = t.insn;
  const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
  if (q && (d | n | m) & 1) return t.undefined();
  const turned = negated(t, lanes(t, readVector(t, m, q), [1, 0]), r === 0, r === 1);
  writeVector(t, d, q, addFloats(t, readVector(t, n, q), turned, floatBits(t), 0));
};

/** d plus one of the two partial products of n and m, m turned by r quarters; each fused. */
function multiplyTurned(t: Translation, x: Value, y: Value): void {
  const { q, r } = t.insn;
  const part = lanes(t, x, r & 1 ? [1, 1] : [0, 0]);
  const other = r & 1 ? lanes(t, y, [1, 0]) : y;
  const turned = negated(t, other, r === 1 || r === 2, r === 2 || r === 3);
  writeVector(t, dOf(t), q, fusedAdd(t, part, turned, floatBits(t), 0));
}

const multiplyComplex: Handler = (t) => {
  const { q } = t.insn;
  const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
  if (q && (d | n | m) & 1) return t.undefined();
  multiplyTurned(t, readVector(t, n, q), readVector(t, m, q));
};

/** With the one number of a D register in the place of all of m; of half precision one of the two of D0 to D15. */
const multiplyComplexByElement: Handler = (t) => {
  const { q, s, m, M } = t.insn;
  const { b } = t;
  const [d, n] = [dOf(t), nOf(t)];
  if (q && (d | n) & 1) return t.undefined();
  const register = QREGS[(s === 1 ? m : mOf(t)) >> 1]!;
  const number =
    s === 1
      ? b.emit('splat_i32', b.emit('lane_i32', register, null, null, 32, ((m & 1) << 1) | M), null, null, 32)
      : b.emit('splat_i64', b.emit('lane_i64', register, null, null, m & 1));
  multiplyTurned(t, readVector(t, n, q), number);
};

export const NEON_LATER = {
  VQRDMLAH: same(HALVES_AND_WORDS, accumulatedHighProduct('add_vec')),
  VQRDMLSH: same(HALVES_AND_WORDS, accumulatedHighProduct('sub_vec')),
  VQRDMLAH_scalar: byScalar(HALVES_AND_WORDS, accumulatedHighProduct('add_vec')),
  VQRDMLSH_scalar: byScalar(HALVES_AND_WORDS, accumulatedHighProduct('sub_vec')),
  VDOT: dotProduct(bySign),
  VDOT_element: dotProductByElement(bySign),
  VUSDOT: dotProduct(unsignedBySigned),
  VUSDOT_element: dotProductByElement(unsignedBySigned),
  VSUDOT_element: dotProductByElement(signedByUnsigned),
  VMMLA_i: matrixProduct(bySign),
  VUSMMLA: matrixProduct(unsignedBySigned),
  VCADD: addTurned,
  VCMLA: multiplyComplex,
  VCMLA_element: multiplyComplexByElement,
} satisfies Record<string, Handler>;
