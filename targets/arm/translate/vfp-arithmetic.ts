// Floating-point arithmetic of S and D registers: sums, products, roots, sign changes, comparison, selection.
import type { OpName } from '../../../tcg/ir/ops.ts';
import { Cond } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { type VectorHelper, vectorHelper } from '../helpers/vector-table.ts';
import { FPFLAGS } from '../state.ts';
import { expandImmediate } from '../vector-constants.ts';
import type { Handler, Translation } from './context.ts';
import { type Arithmetic, Guard, guarded, inexactResult, isCareful, leaveForCareful } from './floats.ts';
import {
  bitsOf,
  dataProcessing,
  floatOf,
  hasD,
  negate,
  readFloat,
  registerNumber,
  writeFloat,
  ZERO,
} from './vfp-registers.ts';

/** The register numbers of an instruction's d, n and m. */
interface Numbers {
  readonly d: number;
  readonly n: number;
  readonly m: number;
}

/** What an instruction on d, n and m does, z being its precision; a register that is not there makes it undefined. */
function registers(run: (t: Translation, z: number, r: Numbers) => void): Handler {
  return dataProcessing((t) => {
    const { d, D, n, N, m, M, z } = t.insn;
    const r = { d: registerNumber(z, d, D), n: registerNumber(z, n, N), m: registerNumber(z, m, M) };
    if (z && !(hasD(t, r.d) && hasD(t, r.n) && hasD(t, r.m))) return t.undefined();
    run(t, z, r);
  });
}

/** A helper on floats. */
function byHelper(t: Translation, z: number, name: string, ...operands: Value[]): Value {
  const helper = vectorHelper(`vfp_${name}${z ? 64 : 32}` as VectorHelper);
  return floatOf(t, z, t.b.call(helper, ...operands.map((x) => bitsOf(t, z, x))));
}

/** Where a result is not tiny by its nature, zeros are as good as other numbers. */
const GUARDS: Readonly<Record<Arithmetic, Guard>> = {
  add: Guard.FINITE,
  sub: Guard.FINITE,
  mul: Guard.NORMAL,
  div: Guard.NORMAL,
  sqrt: Guard.FINITE,
};

/** One operation rounded as FPSCR says. */
export function compute(t: Translation, z: number, name: Arithmetic, x: Value, y?: Value): Value {
  const { b } = t;
  const type = z ? 'f64' : 'f32';
  const isZero = (v: Value): Value => b.emit(`setcond_${type}`, v, floatOf(t, z, z ? b.i64(0) : ZERO), null, Cond.EQ);
  // A product or quotient that is zero because an operand is.
  const zero = (result: Value): Value =>
    b.and(isZero(result), name === 'mul' ? b.or(isZero(x), isZero(y!)) : isZero(x));
  return guarded(t, {
    z,
    guard: GUARDS[name],
    fast: () => b.emit(`${name}_${type}` as OpName, x, y ?? null),
    inexact: (result) => inexactResult(t, z, name, result, x, y ?? result),
    small: name === 'mul' || name === 'div' ? zero : undefined,
    exact: () => (y ? byHelper(t, z, name, x, y) : byHelper(t, z, name, x)),
  });
}

function binary(name: 'add' | 'sub' | 'mul' | 'div'): Handler {
  return registers((t, z, { d, n, m }) => {
    writeFloat(t, z, d, compute(t, z, name, readFloat(t, z, n), readFloat(t, z, m)));
  });
}

const negatedProduct = registers((t, z, { d, n, m }) => {
  writeFloat(t, z, d, negate(t, z, compute(t, z, 'mul', readFloat(t, z, n), readFloat(t, z, m))));
});

/** d ± n * m rounded twice; with `negateAddend` -d ± n * m. */
function chained(negateProduct: boolean, negateAddend: boolean): Handler {
  return registers((t, z, { d, n, m }) => {
    const product = compute(t, z, 'mul', readFloat(t, z, n), readFloat(t, z, m));
    const addend = readFloat(t, z, d);
    const x = negateAddend ? negate(t, z, addend) : addend;
    const y = negateProduct ? negate(t, z, product) : product;
    writeFloat(t, z, d, compute(t, z, 'add', x, y));
  });
}

/** The same rounded once. */
function fused(negateProduct: boolean, negateAddend: boolean): Handler {
  return registers((t, z, { d, n, m }) => {
    const factor = readFloat(t, z, n);
    const addend = readFloat(t, z, d);
    const x = negateProduct ? negate(t, z, factor) : factor;
    const y = negateAddend ? negate(t, z, addend) : addend;
    writeFloat(t, z, d, byHelper(t, z, 'fma', x, readFloat(t, z, m), y));
  });
}

/** An instruction of which only m counts and which does not look at FPSCR. */
function unary(run: (t: Translation, z: number, m: Value) => Value): Handler {
  return registers((t, z, { d, m }) => writeFloat(t, z, d, run(t, z, readFloat(t, z, m))));
}

const immediate: Handler = dataProcessing((t) => {
  const { d, D, z, i } = t.insn;
  const number = registerNumber(z, d, D);
  if (z && !hasD(t, number)) return t.undefined();
  writeFloat(
    t,
    z,
    number,
    floatOf(t, z, z ? t.b.i64(BigInt(expandImmediate(i, 1)) << 32n) : t.b.copy(expandImmediate(i, 0))),
  );
});

// ---- comparison

/** Compares a with b; r is 1 for VCMPE, which minds quiet NaNs too. */
function compare(t: Translation, z: number, a: Value, b: Value, r: number): void {
  const builder = t.b;
  const setcond = z ? 'setcond_f64' : 'setcond_f32';
  if (isCareful(t)) {
    const helper = vectorHelper(z ? 'vfp_cmp64' : 'vfp_cmp32');
    builder.set(FPFLAGS, builder.call(helper, bitsOf(t, z, a), bitsOf(t, z, b), r));
    return;
  }
  const less = builder.emit(setcond, a, b, null, Cond.LT);
  const equal = builder.emit(setcond, a, b, null, Cond.EQ);
  const greaterEqual = builder.emit(setcond, a, b, null, Cond.GE);
  const ordered = builder.label();
  builder.brcond(Cond.NE, builder.or(less, greaterEqual), 0, ordered);
  leaveForCareful(t);
  builder.place(ordered);
  builder.set(
    FPFLAGS,
    builder.or(builder.or(builder.shl(less, 31), builder.shl(equal, 30)), builder.shl(greaterEqual, 29)),
  );
  if (!t.skipped) {
    const greater = builder.emit(setcond, a, b, null, Cond.GT);
    t.floatOrder = { next: t.next, order: builder.add(greaterEqual, greater) };
  }
}

const compareRegisters = registers((t, z, { d, m }) => {
  compare(t, z, readFloat(t, z, d), readFloat(t, z, m), t.insn.r);
});

const compareZero = registers((t, z, { d }) => {
  const { b } = t;
  compare(t, z, readFloat(t, z, d), floatOf(t, z, z ? b.i64(0) : ZERO), t.insn.r);
});

/** VMAXNM and VMINNM. */
function maximum(max: number): Handler {
  return registers((t, z, { d, n, m }) => {
    const helper = vectorHelper(z ? 'vfp_maxnum64' : 'vfp_maxnum32');
    const bits = [n, m].map((x) => bitsOf(t, z, readFloat(t, z, x)));
    writeFloat(t, z, d, floatOf(t, z, t.b.call(helper, ...bits, max)));
  });
}

/** Condition numbers of VSEL: EQ VS GE GT. */
export const SELECTIONS = [0, 6, 10, 12];

const selection = registers((t, z, { d, n, m }) => {
  const test = t.condition(SELECTIONS[t.insn.k]!);
  writeFloat(t, z, d, t.b.select(test, readFloat(t, z, n), readFloat(t, z, m)));
});

export const VFP_ARITHMETIC = {
  VADD_v: binary('add'),
  VSUB_v: binary('sub'),
  VMUL_v: binary('mul'),
  VDIV_v: binary('div'),
  VNMUL_v: negatedProduct,
  VMLA_v: chained(false, false),
  VMLS_v: chained(true, false),
  VNMLS_v: chained(false, true),
  VNMLA_v: chained(true, true),
  VFMA_v: fused(false, false),
  VFMS_v: fused(true, false),
  VFNMS_v: fused(false, true),
  VFNMA_v: fused(true, true),
  VSQRT_v: unary((t, z, m) => compute(t, z, 'sqrt', m)),
  VMOV_v: unary((_t, _z, m) => m),
  VABS_v: unary(({ b }, z, m) => b.emit(z ? 'abs_f64' : 'abs_f32', m)),
  VNEG_v: unary(negate),
  VMOV_imm: immediate,
  VCMP_v: compareRegisters,
  VCMP_zero: compareZero,
  VMAXNM_v: maximum(1),
  VMINNM_v: maximum(0),
  VSEL_v: selection,
} satisfies Record<string, Handler>;
