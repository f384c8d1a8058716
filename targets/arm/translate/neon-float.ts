// Advanced SIMD on single-precision lanes: always to nearest, flushing to zero, with the default NaN (StandardFPSCRValue).
import { Cond } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { vectorHelper } from '../helpers/vector-table.ts';
import { vectorConst } from '../vector-constants.ts';
import type { Handler, Translation } from './context.ts';
import { fastArithmetic, fastComparison } from './neon-fast.ts';
import { byHalves } from './neon-integer.ts';
import {
  type Compute,
  dOf,
  mOf,
  nOf,
  ONLY_WORDS,
  op1,
  pairwiseLanes,
  readVector,
  unary,
  writeVector,
} from './neon-registers.ts';
import { byScalar } from './neon-wide.ts';

/** Numbers of the operations of the helper neon_f2. */
const OPERATIONS = [
  'add',
  'sub',
  'mul',
  'abd',
  'max',
  'min',
  'maxnm',
  'minnm',
  'ceq',
  'cge',
  'cgt',
  'acge',
  'acgt',
  'recps',
  'rsqrts',
] as const;
type Operation = (typeof OPERATIONS)[number];

/** Conditions of comparisons; the others compare magnitudes. */
const CONDITIONS: Partial<Record<Operation, Cond>> = { ceq: Cond.EQ, cge: Cond.GE, cgt: Cond.GT };
const MAGNITUDES: Partial<Record<Operation, Cond>> = { acge: Cond.GE, acgt: Cond.GT };

function compute(name: Operation): Compute {
  const number = OPERATIONS.indexOf(name);
  return (t, x, y) => {
    const { q } = t.insn;
    const helper = (): Value => byHalves(t, q, (a, b) => t.b.call(vectorHelper('neon_f2'), a, b, number), x, y);
    const size = (v: Value): Value => op1(t, 'fabs_vec', v, 32);
    const cond = CONDITIONS[name];
    if (cond !== undefined) return fastComparison(t, cond, x, y, q, helper);
    const bySize = MAGNITUDES[name];
    if (bySize !== undefined) return fastComparison(t, bySize, size(x), size(y), q, helper);
    if (name === 'abd') return size(fastArithmetic(t, 'sub', x, y, q, helper));
    return name === 'add' || name === 'sub' || name === 'mul' ? fastArithmetic(t, name, x, y, q, helper) : helper();
  };
}

/** d = compute(n, m). Half precision is another row's. */
function same(run: Compute): Handler {
  return (t) => {
    const { q } = t.insn;
    const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
    if (q && (d | n | m) & 1) return t.undefined();
    writeVector(t, d, q, run(t, readVector(t, n, q), readVector(t, m, q), 32, 0));
  };
}

/** Forms of the helper neon_f3. */
const FUSED = 1;
const NEGATED = 2;

/** d ± n * m. */
function chain(form: number): Compute {
  return (t, x, y) => {
    const d = readVector(t, dOf(t), t.insn.q);
    if (form & FUSED) {
      return byHalves(t, t.insn.q, (c, a, b) => t.b.call(vectorHelper('neon_f3'), c, a, b, form), d, x, y);
    }
    const product = compute('mul')(t, x, y, 32, 0);
    // d - p is d + -p, but for the sign of a NaN, which is the default one.
    return compute(form & NEGATED ? 'sub' : 'add')(t, d, product, 32, 0);
  };
}

/** Sums of lanes; sums of d and products. */
export const addFloats: Compute = compute('add');
export const fusedAdd: Compute = chain(FUSED);

function pairs(name: Operation): Handler {
  return (t) => {
    if (t.insn.q) return t.undefined();
    const result = pairwiseLanes(t, readVector(t, nOf(t), 0), readVector(t, mOf(t), 0), 32, (x, y) =>
      compute(name)(t, x, y, 32, 0),
    );
    writeVector(t, dOf(t), 0, result);
  };
}

const ZEROS = vectorConst(new Array<number>(16).fill(0));

/** Comparison of m with zero; `reversed` of zero with m. */
function withZero(name: Operation, reversed = false): Handler {
  return words((t, x) => (reversed ? compute(name)(t, ZEROS, x, 32, 0) : compute(name)(t, x, ZEROS, 32, 0)));
}

/** d = run(m) on words, whose size the row fixes. */
function words(run: (t: Translation, x: Value) => Value): Handler {
  return (t) => {
    t.insn.s = 2;
    unary(ONLY_WORDS, run)(t);
  };
}

function estimate(helper: 'neon_uestimate' | 'neon_festimate', root: number): Handler {
  return words((t, x) => byHalves(t, t.insn.q, (a) => t.b.call(vectorHelper(helper), a, root), x));
}

// ---- conversions

const SIGNED = 0x100;
const [NEAREST, DOWN, UP, TO_ZERO, AWAY] = [0 << 12, 1 << 12, 2 << 12, 3 << 12, 4 << 12] as const;
/** Rounding of VCVTA, VCVTN, VCVTP, VCVTM. */
const NAMED = [AWAY, NEAREST, UP, DOWN];
/** For VRINTX: inexact results are reported. */
const REPORT = 1;

function toInteger(t: Translation, x: Value, fraction: number, form: number): Value {
  return byHalves(t, t.insn.q, (a) => t.b.call(vectorHelper('neon_toint'), a, fraction, form), x);
}

function fromInteger(t: Translation, x: Value, fraction: number, form: number): Value {
  return byHalves(t, t.insn.q, (a) => t.b.call(vectorHelper('neon_fromint'), a, fraction, form), x);
}

const integers = words((t, x) => {
  const form = t.insn.U ? 0 : SIGNED;
  return t.insn.p ? toInteger(t, x, 0, form | TO_ZERO) : fromInteger(t, x, 0, form);
});

const fixed: Handler = (t) => {
  const { i } = t.insn;
  // Immediates below 32 would be fractions of more than 32 bits.
  if (!(i & 32)) return t.undefined();
  const fraction = 64 - i;
  words((_t, x) => {
    const form = t.insn.U ? 0 : SIGNED;
    return t.insn.p ? toInteger(t, x, fraction, form | TO_ZERO) : fromInteger(t, x, fraction, form);
  })(t);
};

const named = words((t, x) => toInteger(t, x, 0, (t.insn.U ? 0 : SIGNED) | NAMED[t.insn.r]!));

function integral(form: number): Handler {
  return words((t, x) => byHalves(t, t.insn.q, (a) => t.b.call(vectorHelper('neon_rint'), a, form), x));
}

/** Four f32 of a Q register to four f16 of a D register. */
const toHalves: Handler = (t) => {
  const { b } = t;
  const [d, m] = [dOf(t), mOf(t)];
  if (m & 1) return t.undefined();
  const x = readVector(t, m, 1);
  const half = (n: number): Value => b.call(vectorHelper('neon_tohalves'), b.emit('lane_i64', x, null, null, n));
  writeVector(t, d, 0, b.emit('splat_i64', b.concat(half(0), half(1))));
};

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
  VMUL_fscalar: byScalar(ONLY_WORDS, compute('mul')),
  VMLA_fscalar: byScalar(ONLY_WORDS, chain(0)),
  VMLS_fscalar: byScalar(ONLY_WORDS, chain(NEGATED)),
  VCEQ_fzero: withZero('ceq'),
  VCGE_fzero: withZero('cge'),
  VCGT_fzero: withZero('cgt'),
  VCLE_fzero: withZero('cge', true),
  VCLT_fzero: withZero('cgt', true),
  VABS_f: words((t, x) => op1(t, 'fabs_vec', x, 32)),
  VNEG_f: words((t, x) => op1(t, 'fneg_vec', x, 32)),
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
  VCVT_toHalves: toHalves,
  VCVT_fromHalves: fromHalves,
} satisfies Record<string, Handler>;
