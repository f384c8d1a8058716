// Advanced SIMD on integer lanes of one width: sums, differences, comparisons, logic, halving, counting, pairs.
import { Cond } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { vectorHelper } from '../helpers/vector-table.ts';
import { lanesOf, vectorConst } from '../vector-constants.ts';
import type { Handler, Translation } from './context.ts';
import {
  ALL_SIZES,
  accumulating,
  add,
  addSaturating,
  BYTES_TO_WORDS,
  type Compute,
  choose,
  compareLanes,
  dOf,
  hasSize,
  laneBits,
  mOf,
  multiply,
  nOf,
  noteSaturation,
  ONLY_BYTES,
  op1,
  op2,
  pairwiseLanes,
  readVector,
  same,
  shiftLanes,
  signedMin,
  subtract,
  subtractSaturating,
  unary,
  writeVector,
} from './neon-registers.ts';

/** A helper on the halves of vectors. */
export function byHalves(t: Translation, q: number, call: (...halves: Value[]) => Value, ...vectors: Value[]): Value {
  const { b } = t;
  const half = (n: number): Value => call(...vectors.map((x) => b.emit('lane_i64', x, null, null, n)));
  const low = b.emit('splat_i64', half(0));
  return q ? b.emit('setlane_i64', low, half(1), null, 1) : low;
}

const not = (t: Translation, x: Value): Value => op1(t, 'not_v128', x);

// ---- halving

const halvingAdd: Compute = (t, x, y, bits, U) =>
  op2(
    t,
    'add_vec',
    op2(t, 'and_v128', x, y),
    shiftLanes(t, U ? 'shr_vec' : 'sar_vec', op2(t, 'xor_v128', x, y), 1, bits),
    bits,
  );

const roundingHalvingAdd: Compute = (t, x, y, bits, U) =>
  op2(
    t,
    'sub_vec',
    op2(t, 'or_v128', x, y),
    shiftLanes(t, U ? 'shr_vec' : 'sar_vec', op2(t, 'xor_v128', x, y), 1, bits),
    bits,
  );

/** (x - y) >> 1: the halves of both, and one less where only y has a low bit. */
const halvingSubtract: Compute = (t, x, y, bits, U) => {
  const half = (v: Value): Value => shiftLanes(t, U ? 'shr_vec' : 'sar_vec', v, 1, bits);
  const borrow = op2(t, 'and_v128', op2(t, 'andc_v128', y, x), lanesOf(bits, 1));
  return op2(t, 'sub_vec', op2(t, 'sub_vec', half(x), half(y), bits), borrow, bits);
};

// ---- comparison, minimum and maximum, difference

function comparison(signed: Cond, unsigned: Cond): Handler {
  return same(BYTES_TO_WORDS, (t, x, y, bits, U) => compareLanes(t, U ? unsigned : signed, x, y, bits));
}

const ZEROS = vectorConst(new Array<number>(16).fill(0));

function comparisonWithZero(cond: Cond): Handler {
  return unary(BYTES_TO_WORDS, (t, x, bits) => compareLanes(t, cond, x, ZEROS, bits));
}

const test: Compute = (t, x, y, bits) => compareLanes(t, Cond.NE, op2(t, 'and_v128', x, y), ZEROS, bits);

const maximum: Compute = (t, x, y, bits, U) => op2(t, U ? 'maxu_vec' : 'maxs_vec', x, y, bits);
const minimum: Compute = (t, x, y, bits, U) => op2(t, U ? 'minu_vec' : 'mins_vec', x, y, bits);

export const difference: Compute = (t, x, y, bits, U) =>
  op2(t, 'sub_vec', maximum(t, x, y, bits, U), minimum(t, x, y, bits, U), bits);

// ---- neighbouring lanes

function pairs(compute: Compute): Handler {
  return (t) => {
    const { q, s, U } = t.insn;
    if (q || !hasSize(BYTES_TO_WORDS, s)) return t.undefined();
    const bits = laneBits(s);
    const result = pairwiseLanes(t, readVector(t, nOf(t), 0), readVector(t, mOf(t), 0), bits, (x, y) =>
      compute(t, x, y, bits, U),
    );
    writeVector(t, dOf(t), 0, result);
  };
}

/** Sums of neighbouring lanes in lanes of twice the width. */
function addPairsLong(t: Translation, x: Value, bits: number, U: number): Value {
  if (bits < 32) return op1(t, U ? 'addpairu_vec' : 'addpairs_vec', x, bits);
  const shift = U ? 'shr_vec' : 'sar_vec';
  const even = shiftLanes(t, shift, shiftLanes(t, 'shl_vec', x, 32, 64), 32, 64);
  return op2(t, 'add_vec', even, shiftLanes(t, shift, x, 32, 64), 64);
}

// ---- logic

/** d = compute(n, m) without lanes. */
function logic(compute: (t: Translation, x: Value, y: Value, d: Value) => Value): Handler {
  return (t) => {
    const { q } = t.insn;
    const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
    if (q && (d | n | m) & 1) return t.undefined();
    writeVector(t, d, q, compute(t, readVector(t, n, q), readVector(t, m, q), readVector(t, d, q)));
  };
}

/** VORR of a register with itself is VMOV. */
const or = logic((t, x, y) => (x === y ? x : op2(t, 'or_v128', x, y)));

// ---- signs and bits

const absoluteSaturating = unary(BYTES_TO_WORDS, (t, x, bits) => {
  const over = compareLanes(t, Cond.EQ, x, signedMin(bits), bits);
  noteSaturation(t, over, t.insn.q);
  return op2(t, 'xor_v128', op1(t, 'abs_vec', x, bits), over);
});

const negateSaturating = unary(BYTES_TO_WORDS, (t, x, bits) => {
  const over = compareLanes(t, Cond.EQ, x, signedMin(bits), bits);
  noteSaturation(t, over, t.insn.q);
  return op2(t, 'xor_v128', op1(t, 'neg_vec', x, bits), over);
});

const BIT_COUNTS = vectorConst([0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4]);

/** Set bits of bytes, by a table of those of four bits. */
const countBits = unary(ONLY_BYTES, (t, x) => {
  const count = (nibbles: Value): Value => op2(t, 'swizzle_v128', BIT_COUNTS, nibbles);
  const low = count(op2(t, 'and_v128', x, lanesOf(8, 15)));
  return op2(t, 'add_vec', low, count(shiftLanes(t, 'shr_vec', x, 4, 8)), 8);
});

/** Leading zeros, or with `signs` copies of the sign bit behind it. */
function countLeading(signs: boolean): Handler {
  return unary(BYTES_TO_WORDS, (t, x, bits) => {
    // x ^ (x >> 1), with a one below, has its first one where the run of sign bits ends.
    const y = signs ? op2(t, 'xor_v128', x, shiftLanes(t, 'sar_vec', x, bits - 1, bits)) : x;
    const zeros = byHalves(t, t.insn.q, (half) => t.b.call(vectorHelper('neon_clz'), half, bits), y);
    return signs ? op2(t, 'sub_vec', zeros, lanesOf(bits, 1), bits) : zeros;
  });
}

const saturating = (compute: typeof addSaturating): Handler =>
  same(ALL_SIZES, (t, x, y, bits, U) => compute(t, x, y, bits, U, t.insn.q));

const polynomialProduct = same(ONLY_BYTES, (t, x, y) =>
  byHalves(t, t.insn.q, (a, b) => t.b.call(vectorHelper('neon_pmul8'), a, b), x, y),
);

export const NEON_INTEGER = {
  VHADD: same(BYTES_TO_WORDS, halvingAdd),
  VRHADD: same(BYTES_TO_WORDS, roundingHalvingAdd),
  VHSUB: same(BYTES_TO_WORDS, halvingSubtract),
  VQADD: saturating(addSaturating),
  VQSUB: saturating(subtractSaturating),
  VAND: logic((t, x, y) => op2(t, 'and_v128', x, y)),
  VBIC_reg: logic((t, x, y) => op2(t, 'andc_v128', x, y)),
  VORR_reg: or,
  VORN: logic((t, x, y) => op2(t, 'or_v128', x, not(t, y))),
  VEOR: logic((t, x, y) => op2(t, 'xor_v128', x, y)),
  VBSL: logic((t, x, y, d) => choose(t, d, x, y)),
  VBIT: logic((t, x, y, d) => choose(t, y, x, d)),
  VBIF: logic((t, x, y, d) => choose(t, y, d, x)),
  VCGT_i: comparison(Cond.GT, Cond.GTU),
  VCGE_i: comparison(Cond.GE, Cond.GEU),
  VCEQ_i: comparison(Cond.EQ, Cond.EQ),
  VTST: same(BYTES_TO_WORDS, test),
  VCGT_zero: comparisonWithZero(Cond.GT),
  VCGE_zero: comparisonWithZero(Cond.GE),
  VCEQ_zero: comparisonWithZero(Cond.EQ),
  VCLE_zero: comparisonWithZero(Cond.LE),
  VCLT_zero: comparisonWithZero(Cond.LT),
  VMAX_i: same(BYTES_TO_WORDS, maximum),
  VMIN_i: same(BYTES_TO_WORDS, minimum),
  VABD_i: same(BYTES_TO_WORDS, difference),
  VABA: accumulating(BYTES_TO_WORDS, difference, add),
  VADD_i: same(ALL_SIZES, add),
  VSUB_i: same(ALL_SIZES, subtract),
  VMUL_i: same(BYTES_TO_WORDS, multiply),
  VMLA_i: accumulating(BYTES_TO_WORDS, multiply, add),
  VMLS_i: accumulating(BYTES_TO_WORDS, multiply, subtract),
  VMUL_p: polynomialProduct,
  VPMAX_i: pairs(maximum),
  VPMIN_i: pairs(minimum),
  VPADD_i: pairs(add),
  VPADDL: unary(BYTES_TO_WORDS, addPairsLong),
  VPADAL: unary(BYTES_TO_WORDS, (t, x, bits, U) =>
    op2(t, 'add_vec', readVector(t, dOf(t), t.insn.q), addPairsLong(t, x, bits, U), 2 * bits),
  ),
  VCLS: countLeading(true),
  VCLZ: countLeading(false),
  VCNT: countBits,
  VMVN_reg: unary(ONLY_BYTES, not),
  VQABS: absoluteSaturating,
  VQNEG: negateSaturating,
  VABS_i: unary(BYTES_TO_WORDS, (t, x, bits) => op1(t, 'abs_vec', x, bits)),
  VNEG_i: unary(BYTES_TO_WORDS, (t, x, bits) => op1(t, 'neg_vec', x, bits)),
} satisfies Record<string, Handler>;
