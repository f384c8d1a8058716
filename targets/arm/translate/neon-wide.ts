// Advanced SIMD with results or operands of twice the width, saturating doubling products, and products by a scalar.
import { Cond } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { vectorHelper } from '../helpers/vector-table.ts';
import { QREGS } from '../state.ts';
import { lanesOf } from '../vector-constants.ts';
import type { Handler, Translation } from './context.ts';
import { difference } from './neon-integer.ts';
import {
  addSaturating,
  BYTES_TO_WORDS,
  type Compute,
  compareLanes,
  dOf,
  HALVES_AND_WORDS,
  hasSize,
  laneBits,
  laneBytes,
  mOf,
  multiply,
  nOf,
  noteSaturation,
  op2,
  readVector,
  same,
  shiftLanes,
  shuffle,
  signedMin,
  subtractSaturating,
  writeVector,
} from './neon-registers.ts';

/** The lanes of a low half at twice their width. */
export function widen(t: Translation, x: Value, bits: number, U: number): Value {
  return t.b.emit(U ? 'widenu_vec' : 'widens_vec', x, null, null, bits, 0);
}

/** The low halves of lanes of `bits`, in a low half; with `high` their high halves. */
export function narrow(t: Translation, x: Value, bits: number, high = false): Value {
  const half = bits / 2;
  const numbers = Array.from({ length: 128 / bits }, (_, k) => 2 * k + (high ? 1 : 0));
  return shuffle(t, x, x, laneBytes(half, numbers));
}

type Long = (t: Translation, x: Value, y: Value, bits: number, U: number) => Value;

/** Q d = compute(D n, D m), `wide` with a Q n. Size 3 belongs to other rows. */
function long(sizes: number, compute: Long, wide = false): Handler {
  return (t) => {
    const { s, U } = t.insn;
    const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
    if (s === 3 || !hasSize(sizes, s) || d & 1 || (wide && n & 1)) return t.undefined();
    writeVector(t, d, 1, compute(t, readVector(t, n, wide ? 1 : 0), readVector(t, m, 0), laneBits(s), U));
  };
}

/** Q d = combine(Q d, compute(D n, D m)). */
function longTo(sizes: number, compute: Long, combine: Long): Handler {
  return long(sizes, (t, x, y, bits, U) => combine(t, QREGS[dOf(t) >> 1]!, compute(t, x, y, bits, U), 2 * bits, U));
}

const wideAdd: Long = (t, x, y, bits) => op2(t, 'add_vec', x, y, bits);
const wideSubtract: Long = (t, x, y, bits) => op2(t, 'sub_vec', x, y, bits);

const longProduct: Long = (t, x, y, bits, U) => t.b.emit(U ? 'mulwideu_vec' : 'mulwides_vec', x, y, null, bits, 0);

const longDifference: Long = (t, x, y, bits, U) => widen(t, difference(t, x, y, bits, U), bits, 1);

/** Twice the product, saturated. */
const doubledProduct: Long = (t, x, y, bits) => {
  const product = longProduct(t, x, y, bits, 0);
  return addSaturating(t, product, product, 2 * bits, 0, 1);
};

const saturatingAdd: Long = (t, x, y, bits) => addSaturating(t, x, y, bits, 0, 1);
const saturatingSubtract: Long = (t, x, y, bits) => subtractSaturating(t, x, y, bits, 0, 1);

/** The high halves of sums or differences of Q registers; `rounds` half a unit up. */
function highHalf(name: 'add_vec' | 'sub_vec', rounds: boolean): Handler {
  return (t) => {
    const { s } = t.insn;
    const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
    if (s === 3 || (n | m) & 1) return t.undefined();
    const bits = 2 * laneBits(s);
    let sum = op2(t, name, readVector(t, n, 1), readVector(t, m, 1), bits);
    if (rounds) sum = op2(t, 'add_vec', sum, lanesOf(bits, 1n << BigInt(bits / 2 - 1)), bits);
    writeVector(t, d, 0, narrow(t, sum, bits, true));
  };
}

/** The high half of twice the product, rounded or not; only -1 times -1 does not fit. */
function highProduct(rounds: boolean): Compute {
  return (t, x, y, bits) => {
    const half = (n: number): Value => {
      const product = t.b.emit('mulwides_vec', x, y, null, bits, n);
      const rounded = rounds
        ? op2(t, 'add_vec', product, lanesOf(2 * bits, 1n << BigInt(bits - 2)), 2 * bits)
        : product;
      return shiftLanes(t, 'shl_vec', rounded, 1, 2 * bits);
    };
    const count = 128 / bits;
    const odd = Array.from({ length: count }, (_, k) => 2 * k + 1);
    const result = shuffle(t, half(0), half(1), laneBytes(bits, odd));
    const least = signedMin(bits);
    const over = op2(t, 'and_v128', compareLanes(t, Cond.EQ, x, least, bits), compareLanes(t, Cond.EQ, y, least, bits));
    noteSaturation(t, over, t.insn.q);
    return op2(t, 'xor_v128', result, over);
  };
}

// ---- by a scalar

/** A lane of the register that m and M name, in every lane: 16 bits of D0 to D7, or 32 of D0 to D15. */
export function scalar(t: Translation): Value {
  const { m, M, s } = t.insn;
  const { b } = t;
  const d = s === 1 ? m & 7 : m;
  const index = s === 1 ? (M << 1) | (m >> 3) : M;
  const bits = laneBits(s);
  const lane = (d & 1) * (64 / bits) + index;
  return b.emit('splat_i32', b.emit('lane_i32', QREGS[d >> 1]!, null, null, bits, lane), null, null, bits);
}

/** d = compute(n, scalar). */
export function byScalar(sizes: number, compute: Compute): Handler {
  return (t) => {
    const { q, s } = t.insn;
    const [d, n] = [dOf(t), nOf(t)];
    if (s === 3 || !hasSize(sizes, s) || (q && (d | n) & 1)) return t.undefined();
    writeVector(t, d, q, compute(t, readVector(t, n, q), scalar(t), laneBits(s), 0));
  };
}

/** Q d = compute(D n, scalar). */
function longByScalar(compute: Long): Handler {
  return (t) => {
    const { s, U } = t.insn;
    const [d, n] = [dOf(t), nOf(t)];
    if (s === 3 || s === 0 || d & 1) return t.undefined();
    writeVector(t, d, 1, compute(t, readVector(t, n, 0), scalar(t), laneBits(s), U));
  };
}

function accumulate(compute: Long, combine: Long): Long {
  return (t, x, y, bits, U) => combine(t, QREGS[dOf(t) >> 1]!, compute(t, x, y, bits, U), 2 * bits, U);
}

function product(combine: 'add_vec' | 'sub_vec'): Compute {
  return (t, x, y, bits) => {
    const result = multiply(t, x, y, bits, 0);
    return op2(t, combine, readVector(t, dOf(t), t.insn.q), result, bits);
  };
}

/** VMULL of polynomials: of bytes, or with the crypto extension of 64 bits. */
const polynomialLong: Handler = (t) => {
  const { s } = t.insn;
  const { b } = t;
  const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
  if ((s !== 0 && s !== 2) || d & 1 || (s === 2 && !t.has('pmull'))) return t.undefined();
  const helper = vectorHelper(s === 0 ? 'neon_pmull8' : 'neon_pmull64');
  const x = b.emit('lane_i64', readVector(t, n, 0), null, null, 0);
  const y = b.emit('lane_i64', readVector(t, m, 0), null, null, 0);
  const low = b.emit('splat_i64', b.call(helper, x, y, 0));
  writeVector(t, d, 1, b.emit('setlane_i64', low, b.call(helper, x, y, 1), null, 1));
};

export const NEON_WIDE = {
  VADDL: long(BYTES_TO_WORDS, (t, x, y, bits, U) =>
    wideAdd(t, widen(t, x, bits, U), widen(t, y, bits, U), 2 * bits, U),
  ),
  VADDW: long(BYTES_TO_WORDS, (t, x, y, bits, U) => wideAdd(t, x, widen(t, y, bits, U), 2 * bits, U), true),
  VSUBL: long(BYTES_TO_WORDS, (t, x, y, bits, U) =>
    wideSubtract(t, widen(t, x, bits, U), widen(t, y, bits, U), 2 * bits, U),
  ),
  VSUBW: long(BYTES_TO_WORDS, (t, x, y, bits, U) => wideSubtract(t, x, widen(t, y, bits, U), 2 * bits, U), true),
  VABDL: long(BYTES_TO_WORDS, longDifference),
  VABAL: longTo(BYTES_TO_WORDS, longDifference, wideAdd),
  VMULL_i: long(BYTES_TO_WORDS, longProduct),
  VMLAL: longTo(BYTES_TO_WORDS, longProduct, wideAdd),
  VMLSL: longTo(BYTES_TO_WORDS, longProduct, wideSubtract),
  VQDMULL: long(HALVES_AND_WORDS, doubledProduct),
  VQDMLAL: longTo(HALVES_AND_WORDS, doubledProduct, saturatingAdd),
  VQDMLSL: longTo(HALVES_AND_WORDS, doubledProduct, saturatingSubtract),
  VADDHN: highHalf('add_vec', false),
  VRADDHN: highHalf('add_vec', true),
  VSUBHN: highHalf('sub_vec', false),
  VRSUBHN: highHalf('sub_vec', true),
  VQDMULH: same(HALVES_AND_WORDS, highProduct(false)),
  VQRDMULH: same(HALVES_AND_WORDS, highProduct(true)),
  VMULL_p: polynomialLong,
  VMUL_scalar: byScalar(HALVES_AND_WORDS, multiply),
  VMLA_scalar: byScalar(HALVES_AND_WORDS, product('add_vec')),
  VMLS_scalar: byScalar(HALVES_AND_WORDS, product('sub_vec')),
  VQDMULH_scalar: byScalar(HALVES_AND_WORDS, highProduct(false)),
  VQRDMULH_scalar: byScalar(HALVES_AND_WORDS, highProduct(true)),
  VMULL_scalar: longByScalar(longProduct),
  VMLAL_scalar: longByScalar(accumulate(longProduct, wideAdd)),
  VMLSL_scalar: longByScalar(accumulate(longProduct, wideSubtract)),
  VQDMULL_scalar: longByScalar(doubledProduct),
  VQDMLAL_scalar: longByScalar(accumulate(doubledProduct, saturatingAdd)),
  VQDMLSL_scalar: longByScalar(accumulate(doubledProduct, saturatingSubtract)),
} satisfies Record<string, Handler>;
