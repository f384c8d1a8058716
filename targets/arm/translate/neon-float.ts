// Advanced SIMD on float lanes: always to nearest, single precision flushing to zero, with the default NaN (StandardFPSCRValue).
import { Cond } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { vectorHelper } from '../helpers/vector-table.ts';
import { LANE_OPERATIONS, type LaneOperation } from '../lane-operations.ts';
import { lanesOf, vectorConst } from '../vector-constants.ts';
import type { Handler, Translation } from './context.ts';
import { fastArithmetic, fastComparison } from './neon-fast.ts';
import { byHalves } from './neon-integer.ts';
import {
  type Compute,
  dOf,
  HALVES_AND_WORDS,
  mOf,
  nOf,
  op1,
  op2,
  pairwiseLanes,
  readVector,
  writeVector,
} from './neon-registers.ts';
import { byScalar } from './neon-wide.ts';

type Operation = Exclude<LaneOperation, 'div'>;

/** Conditions of comparisons; the others compare magnitudes. */
const CONDITIONS: Partial<Record<Operation, Cond>> = { ceq: Cond.EQ, cge: Cond.GE, cgt: Cond.GT };
const MAGNITUDES: Partial<Record<Operation, Cond>> = { acge: Cond.GE, acgt: Cond.GT };

function compute(name: Operation): Compute {
  const number = LANE_OPERATIONS.indexOf(name);
  return (t, x, y, bits) => {
    const { q } = t.insn;
    const row = vectorHelper(bits === 16 ? 'neon_h2' : 'neon_f2');
    const helper = (): Value => byHalves(t, q, (a, b) => t.b.call(row, a, b, number), x, y);
    if (bits === 16) return helper();
    const size = (v: Value): Value => op1(t, 'fabs_vec', v, 32);
    const cond = CONDITIONS[name];
    if (cond !== undefined) return fastComparison(t, cond, x, y, q, helper);
    const bySize = MAGNITUDES[name];
    if (bySize !== undefined) return fastComparison(t, bySize, size(x), size(y), q, helper);
    if (name === 'abd') return size(fastArithmetic(t, 'sub', x, y, q, helper));
    return name === 'add' || name === 'sub' || name === 'mul' ? fastArithmetic(t, name, x, y, q, helper) : helper();
  };
}

/** Lane width of an instruction: rows of half precision have 1 as their size. */
export function floatBits({ insn }: Translation): number {
  return insn.s === 1 ? 16 : 32;
}

/** d = compute(n, m). */
function same(run: Compute): Handler {
  return (t) => {
    const { q } = t.insn;
    const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
    if (q && (d | n | m) & 1) return t.undefined();
    writeVector(t, d, q, run(t, readVector(t, n, q), readVector(t, m, q), floatBits(t), 0));
  };
}

/** Forms of the helper neon_f3. */
const FUSED = 1;
const NEGATED = 2;

/** d ± n * m. */
function chain(form: number): Compute {
  return (t, x, y, bits) => {
    const d = readVector(t, dOf(t), t.insn.q);
    if (form & FUSED) {
      const row = vectorHelper(bits === 16 ? 'neon_h3' : 'neon_f3');
      return byHalves(t, t.insn.q, (c, a, b) => t.b.call(row, c, a, b, form), d, x, y);
    }
    const product = compute('mul')(t, x, y, bits, 0);
    // d - p is d + -p, but for the sign of a NaN, which is the default one.
    return compute(form & NEGATED ? 'sub' : 'add')(t, d, product, bits, 0);
  };
}

/** Sums of lanes; sums of d and products. */
export const addFloats: Compute = compute('add');
export const fusedAdd: Compute = chain(FUSED);
export const fusedSubtract: Compute = chain(FUSED | NEGATED);

function pairs(name: Operation): Handler {
  return (t) => {
    if (t.insn.q) return t.undefined();
    const bits = floatBits(t);
    const result = pairwiseLanes(t, readVector(t, nOf(t), 0), readVector(t, mOf(t), 0), bits, (x, y) =>
      compute(name)(t, x, y, bits, 0),
    );
    writeVector(t, dOf(t), 0, result);
  };
}

const ZEROS = vectorConst(new Array<number>(16).fill(0));

/** Comparison of m with zero; `reversed` of zero with m. */
function withZero(name: Operation, reversed = false): Handler {
  return lanes((t, x, bits) => (reversed ? compute(name)(t, ZEROS, x, bits, 0) : compute(name)(t, x, ZEROS, bits, 0)));
}

/** d = run(m). */
function lanes(run: (t: Translation, x: Value, bits: number) => Value): Handler {
  return (t) => {
    const { q } = t.insn;
    const [d, m] = [dOf(t), mOf(t)];
    if (q && (d | m) & 1) return t.undefined();
    writeVector(t, d, q, run(t, readVector(t, m, q), floatBits(t)));
  };
}

function estimate(single: 'neon_uestimate' | 'neon_festimate', root: number): Handler {
  return lanes((t, x, bits) => {
    const row = vectorHelper(bits === 16 ? 'neon_hestimate' : single);
    return byHalves(t, t.insn.q, (a) => t.b.call(row, a, root), x);
  });
}

const absolute = lanes((t, x, bits) =>
  bits === 16 ? op2(t, 'and_v128', x, lanesOf(16, 0x7fff)) : op1(t, 'fabs_vec', x, 32),
);
const opposite = lanes((t, x, bits) =>
  bits === 16 ? op2(t, 'xor_v128', x, lanesOf(16, 0x8000)) : op1(t, 'fneg_vec', x, 32),
);

// ---- conversions

const SIGNED = 0x100;
const [NEAREST, DOWN, UP, TO_ZERO, AWAY] = [0 << 12, 1 << 12, 2 << 12, 3 << 12, 4 << 12] as const;
/** Rounding of VCVTA, VCVTN, VCVTP, VCVTM. */
const NAMED = [AWAY, NEAREST, UP, DOWN];
/** For VRINTX: inexact results are reported. */
const REPORT = 1;

function toInteger(t: Translation, x: Value, fraction: number, form: number): Value {
  const row = vectorHelper(floatBits(t) === 16 ? 'neon_htoint' : 'neon_toint');
  return byHalves(t, t.insn.q, (a) => t.b.call(row, a, fraction, form), x);
}

function fromInteger(t: Translation, x: Value, fraction: number, form: number): Value {
  const row = vectorHelper(floatBits(t) === 16 ? 'neon_hfromint' : 'neon_fromint');
  return byHalves(t, t.insn.q, (a) => t.b.call(row, a, fraction, form), x);
}

/** In the direction that p says. */
function converted(t: Translation, x: Value, fraction: number): Value {
  const form = t.insn.U ? 0 : SIGNED;
  return t.insn.p ? toInteger(t, x, fraction, form | TO_ZERO) : fromInteger(t, x, fraction, form);
}

const integers = lanes((t, x) => converted(t, x, 0));

const fixed: Handler = (t) => {
  const fraction = 64 - t.insn.i;
  // Smaller immediates would be fractions of more bits than a lane has.
  if (fraction > floatBits(t)) return t.undefined();
  lanes((_t, x) => converted(t, x, fraction))(t);
};

const named = lanes((t, x) => toInteger(t, x, 0, (t.insn.U ? 0 : SIGNED) | NAMED[t.insn.r]!));

function integral(form: number): Handler {
  return lanes((t, x, bits) => {
    const row = vectorHelper(bits === 16 ? 'neon_hrint' : 'neon_rint');
    return byHalves(t, t.insn.q, (a) => t.b.call(row, a, form), x);
  });
}

/** Four f32 of a Q register to four f16, or BFloat16, of a D register. */
function narrowed(helper: 'neon_tohalves' | 'neon_tobf'): Handler {
  return (t) => {
    const { b } = t;
    const [d, m] = [dOf(t), mOf(t)];
    if (m & 1) return t.undefined();
    const x = readVector(t, m, 1);
    const half = (n: number): Value => b.call(vectorHelper(helper), b.emit('lane_i64', x, null, null, n));
    writeVector(t, d, 0, b.emit('splat_i64', b.concat(half(0), half(1))));
  };
}

const fromHalves: Handler = (t) => {
  const { b } = t;
  const [d, m] = [dOf(t), mOf(t)];
  if (d & 1) return t.undefined();
  const x = readVector(t, m, 0);
  const half = (n: number): Value => b.call(vectorHelper('neon_fromhalves'), b.emit('lane_i32', x, null, null, 32, n));
  const low = b.emit('splat_i64', half(0));
  writeVector(t, d, 1, b.emit('setlane_i64', low, half(1), null, 1));
};

export const NEON_FLOAT = {
  VADD_f: same(compute('add')),
  VSUB_f: same(compute('sub')),
  VMUL_f: same(compute('mul')),
  VABD_f: same(compute('abd')),
  VMAX_f: same(compute('max')),
  VMIN_f: same(compute('min')),
  VMAXNM_f: same(compute('maxnm')),
  VMINNM_f: same(compute('minnm')),
  VCEQ_f: same(compute('ceq')),
  VCGE_f: same(compute('cge')),
  VCGT_f: same(compute('cgt')),
  VACGE: same(compute('acge')),
  VACGT: same(compute('acgt')),
  VRECPS: same(compute('recps')),
  VRSQRTS: same(compute('rsqrts')),
  VPADD_f: pairs('add'),
  VPMAX_f: pairs('max'),
  VPMIN_f: pairs('min'),
  VMLA_f: same(chain(0)),
  VMLS_f: same(chain(NEGATED)),
  VFMA_f: same(chain(FUSED)),
  VFMS_f: same(chain(FUSED | NEGATED)),
  VMUL_fscalar: byScalar(HALVES_AND_WORDS, compute('mul')),
  VMLA_fscalar: byScalar(HALVES_AND_WORDS, chain(0)),
  VMLS_fscalar: byScalar(HALVES_AND_WORDS, chain(NEGATED)),
  VCEQ_fzero: withZero('ceq'),
  VCGE_fzero: withZero('cge'),
  VCGT_fzero: withZero('cgt'),
  VCLE_fzero: withZero('cge', true),
  VCLT_fzero: withZero('cgt', true),
  VABS_f: absolute,
  VNEG_f: opposite,
  VRECPE_u: estimate('neon_uestimate', 0),
  VRSQRTE_u: estimate('neon_uestimate', 1),
  VRECPE_f: estimate('neon_festimate', 0),
  VRSQRTE_f: estimate('neon_festimate', 1),
  VCVT_int: integers,
  VCVT_fixed: fixed,
  VCVT_named: named,
  VRINTN_f: integral(NEAREST),
  VRINTX_f: integral(NEAREST | REPORT),
  VRINTA_f: integral(AWAY),
  VRINTZ_f: integral(TO_ZERO),
  VRINTM_f: integral(DOWN),
  VRINTP_f: integral(UP),
  VCVT_toHalves: narrowed('neon_tohalves'),
  VCVT_toBFloats: narrowed('neon_tobf'),
  VCVT_fromHalves: fromHalves,
} satisfies Record<string, Handler>;
