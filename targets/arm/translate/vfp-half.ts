// Half-precision arithmetic of S registers (FEAT_FP16), all of it by helpers; moves of halves; BFloat16 in one half of a register.
import { MO_16, MO_ALIGN } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { vectorHelper } from '../helpers/vector-table.ts';
import { LANE_OPERATIONS, type LaneOperation } from '../lane-operations.ts';
import { FPFLAGS } from '../state.ts';
import { expandImmediate } from '../vector-constants.ts';
import { type Handler, PC, type Translation } from './context.ts';
import { SELECTIONS } from './vfp-arithmetic.ts';
import { BY_FPSCR, fractionBits, NAMED, REPORT, SIGNED, TO_ZERO } from './vfp-conversion.ts';
import { dataProcessing, readS, sNumber, writeS } from './vfp-registers.ts';

const D = ({ insn }: Translation): number => sNumber(insn.d, insn.D);
const N = ({ insn }: Translation): number => sNumber(insn.n, insn.N);
const M = ({ insn }: Translation): number => sNumber(insn.m, insn.M);

/** The sign of a half, whatever stands above it. */
const SIGN = 0x8000;

/** S d = what is computed, its upper half zeros. */
function result(run: (t: Translation) => Value): Handler {
  return dataProcessing((t) => writeS(t, D(t), run(t)));
}

function compute(t: Translation, name: LaneOperation, x: Value, y: Value): Value {
  return t.b.call(vectorHelper('vfp_half'), x, y, LANE_OPERATIONS.indexOf(name));
}

function binary(name: LaneOperation): Handler {
  return result((t) => compute(t, name, readS(t, N(t)), readS(t, M(t))));
}

const negate = (t: Translation, x: Value): Value => t.b.xor(x, SIGN);

/** d ± n * m rounded twice; with `negateAddend` -d ± n * m. */
function chained(negateProduct: boolean, negateAddend: boolean): Handler {
  return result((t) => {
    const product = compute(t, 'mul', readS(t, N(t)), readS(t, M(t)));
    const addend = readS(t, D(t));
    return compute(t, 'add', negateAddend ? negate(t, addend) : addend, negateProduct ? negate(t, product) : product);
  });
}

/** The same rounded once. */
function fused(negateProduct: boolean, negateAddend: boolean): Handler {
  return result((t) => {
    const factor = readS(t, N(t));
    const addend = readS(t, D(t));
    const x = negateProduct ? negate(t, factor) : factor;
    return t.b.call(vectorHelper('vfp_fma16'), x, readS(t, M(t)), negateAddend ? negate(t, addend) : addend);
  });
}

function compare(zero: boolean): Handler {
  return dataProcessing((t) => {
    const { b, insn } = t;
    const y = zero ? b.copy(0) : readS(t, M(t));
    b.set(FPFLAGS, b.call(vectorHelper('vfp_cmp16'), readS(t, D(t)), y, insn.r));
  });
}

/** An 8-bit immediate: the same fields as in single precision, whose exponent is wider by three bits. */
function immediateBits(i: number): number {
  const single = expandImmediate(i, 0);
  const exponent = ((single >> 23) & 0xff) - 112;
  return ((single >>> 16) & SIGN) | (exponent << 10) | ((single >> 13) & 0x3ff);
}

const toInteger = (form: (t: Translation) => number): Handler =>
  result((t) => t.b.call(vectorHelper('vfp_toint16'), readS(t, M(t)), 0, form(t)));

const signOf = (s: number): number => (s ? SIGNED : 0);

/** Fixed-point numbers stand in the register that the result goes to. */
const fromFixed = dataProcessing((t) => {
  const { b } = t;
  const { q, U } = t.insn;
  const low = readS(t, D(t));
  const x = q ? low : U ? b.ext16u(low) : b.ext16s(low);
  writeS(t, D(t), b.call(vectorHelper('vfp_fromint16'), x, fractionBits(t), U ? 0 : SIGNED));
});

const toFixed = result((t) => {
  const { q, U } = t.insn;
  const form = (q ? 32 : 16) | (U ? 0 : SIGNED) | TO_ZERO;
  return t.b.call(vectorHelper('vfp_toint16'), readS(t, D(t)), fractionBits(t), form);
});

function integral(form: (t: Translation) => number): Handler {
  return result((t) => t.b.call(vectorHelper('vfp_rint16'), readS(t, M(t)), form(t)));
}

const selection = result((t) => {
  const test = t.condition(SELECTIONS[t.insn.k]!);
  return t.b.ext16u(t.b.select(test, readS(t, N(t)), readS(t, M(t))));
});

// ---- moves

const ALIGNED_16 = MO_16 | MO_ALIGN;

function address(t: Translation): Value {
  const { insn, b } = t;
  const base = insn.n === PC ? b.copy(t.pcValue & ~3) : t.reg(insn.n);
  return b.add(base, insn.U ? insn.i << 1 : -(insn.i << 1));
}

const load: Handler = (t) => writeS(t, D(t), t.b.load(address(t), ALIGNED_16 | t.be));
const store: Handler = (t) => t.b.store(address(t), readS(t, D(t)), ALIGNED_16 | t.be);

const fromCore: Handler = (t) => writeS(t, N(t), t.b.ext16u(t.reg(t.insn.t)));
const toCore: Handler = (t) => t.setReg(t.insn.t, t.b.ext16u(readS(t, N(t))));

/** A single in BFloat16, in one half of a register whose other half stays. */
const toBFloat = dataProcessing((t) => {
  const { b } = t;
  const bits = b.call(vectorHelper('vfp_32tobf'), readS(t, M(t)));
  writeS(t, D(t), b.deposit(readS(t, D(t)), bits, t.insn.p ? 16 : 0, 16));
});

export const VFP_HALF = {
  VADD_h: binary('add'),
  VSUB_h: binary('sub'),
  VMUL_h: binary('mul'),
  VDIV_h: binary('div'),
  VMAXNM_h: binary('maxnm'),
  VMINNM_h: binary('minnm'),
  VNMUL_h: result((t) => negate(t, compute(t, 'mul', readS(t, N(t)), readS(t, M(t))))),
  VMLA_h: chained(false, false),
  VMLS_h: chained(true, false),
  VNMLS_h: chained(false, true),
  VNMLA_h: chained(true, true),
  VFMA_h: fused(false, false),
  VFMS_h: fused(true, false),
  VFNMS_h: fused(false, true),
  VFNMA_h: fused(true, true),
  VSQRT_h: result((t) => t.b.call(vectorHelper('vfp_sqrt16'), readS(t, M(t)))),
  VMOV_himm: result((t) => t.b.copy(immediateBits(t.insn.i))),
  VABS_h: result((t) => t.b.and(readS(t, M(t)), 0x7fff)),
  VNEG_h: result((t) => t.b.and(negate(t, readS(t, M(t))), 0xffff)),
  VCMP_h: compare(false),
  VCMP_hzero: compare(true),
  VCVT_hfromInt: result((t) => t.b.call(vectorHelper('vfp_fromint16'), readS(t, M(t)), 0, signOf(t.insn.s) | BY_FPSCR)),
  VCVT_htoInt: toInteger((t) => 32 | signOf(t.insn.s) | (t.insn.r ? TO_ZERO : BY_FPSCR)),
  VCVT_hrounded: toInteger((t) => 32 | signOf(t.insn.s) | NAMED[t.insn.r]!),
  VCVT_hfromFixed: fromFixed,
  VCVT_htoFixed: toFixed,
  VRINTR_h: integral(() => BY_FPSCR),
  VRINTZ_h: integral(() => TO_ZERO),
  VRINTX_h: integral(() => BY_FPSCR | REPORT),
  VRINT_h: integral((t) => NAMED[t.insn.r]!),
  VSEL_h: selection,
  VLDR_h: load,
  VSTR_h: store,
  VMOV_toH: fromCore,
  VMOV_fromH: toCore,
  VMOVX: result((t) => t.b.shr(readS(t, M(t)), 16)),
  VINS: result((t) => t.b.deposit(readS(t, D(t)), readS(t, M(t)), 16, 16)),
  VCVT_toBFloat: toBFloat,
} satisfies Record<string, Handler>;
