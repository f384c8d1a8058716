// Advanced SIMD whose factors are f16 (FEAT_FHM) or BFloat16 (FEAT_AA32BF16) and whose sums are single precision.
import type { Value } from '../../../tcg/ir/value.ts';
import { vectorHelper } from '../helpers/vector-table.ts';
import { QREGS } from '../state.ts';
import { lanesOf } from '../vector-constants.ts';
import type { Handler, Translation } from './context.ts';
import { fusedAdd, fusedSubtract } from './neon-float.ts';
import { byHalves } from './neon-integer.ts';
import { dotProduct, dotProductByElement, matrixProduct } from './neon-later.ts';
import { type Compute, dOf, mOf, nOf, op2, readVector, shiftLanes, writeVector } from './neon-registers.ts';
import { scalar } from './neon-wide.ts';
import { readS, sNumber } from './vfp-registers.ts';

// ---- VFMAL, VFMSL: products of f16

/** f16 of an S register, or with q of a D register, as f32 in a D or Q register's lanes. */
function widened(t: Translation, four: number, one: number): Value {
  const { b, insn } = t;
  const two = (word: Value): Value => b.call(vectorHelper('neon_widenhalves'), word);
  if (!insn.q) return b.emit('splat_i64', two(readS(t, sNumber(four, one))));
  const d = (one << 4) | four;
  const word = (n: number): Value => b.emit('lane_i32', QREGS[d >> 1]!, null, null, 32, ((d & 1) << 1) | n);
  return b.emit('setlane_i64', b.emit('splat_i64', two(word(0))), two(word(1)), null, 1);
}

/** One f16 of S0 to S15, or with q of D0 to D7, in every lane. */
function widenedElement(t: Translation): Value {
  const { b } = t;
  const { m, M } = t.insn;
  // D registers by their S registers: M is the lowest bit of the number, or the higher one of the lane's.
  const word = ((m & 7) << 1) | M;
  const half = b.extract(readS(t, word), 16 * (m >> 3), 16);
  return b.emit('splat_i64', b.call(vectorHelper('neon_widenhalves'), b.or(half, b.shl(half, 16))));
}

function longProduct(add: Compute, byElement: boolean): Handler {
  return (t) => {
    const { q, n, N, m, M } = t.insn;
    const d = dOf(t);
    if (q && d & 1) return t.undefined();
    const y = byElement ? widenedElement(t) : widened(t, m, M);
    writeVector(t, d, q, add(t, widened(t, n, N), y, 32, 0));
  };
}

// ---- BFloat16: p tells which half of each word

/** Every other BFloat16 as f32. */
function halvesOf(t: Translation, x: Value): Value {
  return t.insn.p ? op2(t, 'and_v128', x, lanesOf(32, 0xffff0000)) : shiftLanes(t, 'shl_vec', x, 16, 32);
}

/** The helpers of sums look at q, which is p here. */
function addProducts(t: Translation, d: number, x: Value, y: Value): void {
  const row = vectorHelper('neon_f3');
  const sum = byHalves(t, 1, (c, a, b) => t.b.call(row, c, a, b, 0), readVector(t, d, 1), x, y);
  writeVector(t, d, 1, sum);
}

const bfloatAdd: Handler = (t) => {
  const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
  if ((d | n | m) & 1) return t.undefined();
  addProducts(t, d, halvesOf(t, readVector(t, n, 1)), halvesOf(t, readVector(t, m, 1)));
};

const bfloatAddByElement: Handler = (t) => {
  const [d, n] = [dOf(t), nOf(t)];
  if ((d | n) & 1) return t.undefined();
  addProducts(t, d, halvesOf(t, readVector(t, n, 1)), shiftLanes(t, 'shl_vec', scalar(t), 16, 32));
};

/** Q of a dot product is that of its operands; matrices are Q registers. */
const bfloatDot =
  (q: (t: Translation) => number) =>
  (t: Translation, d: Value, x: Value, y: Value): Value =>
    byHalves(t, q(t), (c, a, b) => t.b.call(vectorHelper('neon_bfdot'), c, a, b), d, x, y);

export const NEON_NARROW = {
  VFMAL: longProduct(fusedAdd, false),
  VFMSL: longProduct(fusedSubtract, false),
  VFMAL_element: longProduct(fusedAdd, true),
  VFMSL_element: longProduct(fusedSubtract, true),
  VFMA_bf: bfloatAdd,
  VFMA_bfelement: bfloatAddByElement,
  VDOT_bf: dotProduct(bfloatDot(({ insn }) => insn.q)),
  VDOT_bfelement: dotProductByElement(bfloatDot(({ insn }) => insn.q)),
  VMMLA_bf: matrixProduct(bfloatDot(() => 1)),
} satisfies Record<string, Handler>;
