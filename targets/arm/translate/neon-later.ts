// Advanced SIMD of ARMv8.1 to v8.3: rounding doubling multiplication with accumulation, dot products, complex numbers.
import { Cond } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { QREGS } from '../state.ts';
import { lanesOf, vectorConst } from '../vector-constants.ts';
import type { Handler, Translation } from './context.ts';
import { addFloats, fusedAdd } from './neon-float.ts';
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

/** Words of d plus the products of four bytes each, the sum of them. */
function dot(t: Translation, x: Value, y: Value): Value {
  const { U, q } = t.insn;
  const products = (half: number): Value => t.b.emit(U ? 'mulwideu_vec' : 'mulwides_vec', x, y, null, 8, half);
  const fours = (of: Value, half: number): Value => t.b.emit(U ? 'widenu_vec' : 'widens_vec', of, null, null, 16, half);
  const [low, high] = [products(0), products(1)];
  const first = sumsOfPairs(t, fours(low, 0), fours(low, 1));
  const second = sumsOfPairs(t, fours(high, 0), fours(high, 1));
  return op2(t, 'add_vec', readVector(t, dOf(t), q), sumsOfPairs(t, first, second), 32);
}

const dotProduct: Handler = (t) => {
  const { q } = t.insn;
  const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
  if (q && (d | n | m) & 1) return t.undefined();
  writeVector(t, d, q, dot(t, readVector(t, n, q), readVector(t, m, q)));
};

/** With four bytes of D0 to D15 in the place of all of m. */
const dotProductByElement: Handler = (t) => {
  const { q, m, M } = t.insn;
  const { b } = t;
  const [d, n] = [dOf(t), nOf(t)];
  if (q && (d | n) & 1) return t.undefined();
  const element = b.emit('lane_i32', QREGS[m >> 1]!, null, null, 32, ((m & 1) << 1) | M);
  writeVector(t, d, q, dot(t, readVector(t, n, q), b.emit('splat_i32', element, null, null, 32)));
};

// ---- complex numbers: pairs of lanes, the real part first

const REAL = [0, 0, 2, 2];
const IMAGINARY = [1, 1, 3, 3];
const EXCHANGED = [1, 0, 3, 2];

function lanes(t: Translation, x: Value, order: readonly number[]): Value {
  return shuffle(t, x, x, laneBytes(32, order));
}

/** The real parts with the other sign, or the imaginary ones. */
function negated(t: Translation, x: Value, real: boolean, imaginary: boolean): Value {
  if (!real && !imaginary) return x;
  const sign = (is: boolean): number[] => [0, 0, 0, is ? 0x80 : 0];
  const pair = [...sign(real), ...sign(imaginary)];
  return op2(t, 'xor_v128', x, vectorConst([...pair, ...pair]));
}

/** n plus m turned by 90 degrees, or by 270. */
const addTurned: Handler = (t) => {
  const { q, r } = t.insn;
  const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
  if (q && (d | n | m) & 1) return t.undefined();
  const turned = negated(t, lanes(t, readVector(t, m, q), EXCHANGED), r === 0, r === 1);
  writeVector(t, d, q, addFloats(t, readVector(t, n, q), turned, 32, 0));
};

/** d plus one of the two partial products of n and m, m turned by r quarters; each fused. */
function multiplyTurned(t: Translation, x: Value, y: Value): void {
  const { q, r } = t.insn;
  const part = lanes(t, x, r & 1 ? IMAGINARY : REAL);
  const other = r & 1 ? lanes(t, y, EXCHANGED) : y;
  writeVector(t, dOf(t), q, fusedAdd(t, part, negated(t, other, r === 1 || r === 2, r === 2 || r === 3), 32, 0));
}

const multiplyComplex: Handler = (t) => {
  const { q } = t.insn;
  const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
  if (q && (d | n | m) & 1) return t.undefined();
  multiplyTurned(t, readVector(t, n, q), readVector(t, m, q));
};

/** With the one number of a D register in the place of all of m. */
const multiplyComplexByElement: Handler = (t) => {
  const { q } = t.insn;
  const [d, n] = [dOf(t), nOf(t)];
  if (q && (d | n) & 1) return t.undefined();
  multiplyTurned(t, readVector(t, n, q), lanes(t, readVector(t, mOf(t), 0), [0, 1, 0, 1]));
};

export const NEON_LATER = {
  VQRDMLAH: same(HALVES_AND_WORDS, accumulatedHighProduct('add_vec')),
  VQRDMLSH: same(HALVES_AND_WORDS, accumulatedHighProduct('sub_vec')),
  VQRDMLAH_scalar: byScalar(HALVES_AND_WORDS, accumulatedHighProduct('add_vec')),
  VQRDMLSH_scalar: byScalar(HALVES_AND_WORDS, accumulatedHighProduct('sub_vec')),
  VDOT: dotProduct,
  VDOT_element: dotProductByElement,
  VCADD: addTurned,
  VCMLA: multiplyComplex,
  VCMLA_element: multiplyComplexByElement,
} satisfies Record<string, Handler>;
