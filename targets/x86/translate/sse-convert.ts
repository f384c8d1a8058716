// SSE conversions and rounding to integral values (SDM vol. 1, 10.4.4, 11.4.1.6, 12.8.3).
import { Cond } from '../../../tcg/ir/types.ts';
import { Const, const32, type Value } from '../../../tcg/ir/value.ts';
import { type Proof, splatFloat, unlessAll, vectorCompareGuard } from '../../float-guard.ts';
import { XMM } from '../state.ts';
import type { Translation } from './context.ts';
import {
  type Fast,
  readScalar,
  readSource,
  type Scalar,
  scalarResult,
  setScalar,
  setScalarResult,
  setVectorResult,
  vectorResult,
} from './sse.ts';
import { enterMmx, type Handler, mmx, readMmx, readVector, setMmx, setXmm, vectorConst } from './vector.ts';

/** Directions of IR ops: ceil, floor, truncate, nearest. */
const [CEIL, FLOOR, TRUNCATE, NEAREST] = [0, 1, 2, 3] as const;
/** The same in the order of bits 0-1 of ROUND's immediate. */
const DIRECTIONS = [NEAREST, FLOOR, CEIL, TRUNCATE];
const ROUND_MXCSR = 4;
const ROUND_QUIET = 8;

// ---- between formats

/** Shows that a result is exact by a condition that is 0 then. */
function proofBy(condition: () => Value): Proof {
  return { flags: [], conditions: [condition] };
}

/** CVTSS2SD: exact. */
function widen(t: Translation): void {
  const source = readScalar(t, t.src, 'f32');
  const fast: Fast = { operands: [source], result: () => t.b.emit('promote_f32_f64', source.value) };
  setScalarResult(t, fast, 'ss_to_sd', source.value);
}

/** CVTSD2SS. */
function narrow(t: Translation): void {
  const { b, src } = t;
  const source = readScalar(t, src, 'f64');
  const x = source.value;
  const fast: Fast = {
    operands: [source],
    result: () => b.emit('demote_f64_f32', x),
    judged: true,
    zero: () => b.emit('setcond_f64', x, new Const('f64', 0), null, Cond.NE),
    proof: (result) => proofBy(() => b.emit('setcond_f64', b.emit('promote_f32_f64', result), x, null, Cond.NE)),
  };
  setScalarResult(t, fast, 'sd_to_ss', x);
}

/** CVTPS2PD: exact. Of a register only the low half counts. */
function widenPacked(t: Translation): void {
  const { b } = t;
  const x = readVector(t, t.src);
  const fast: Fast = {
    operands: [],
    result: () => b.emit('fpromote_vec', x),
    bad: () => b.and(vectorCompareGuard(b, 32, [x]), 3),
  };
  setVectorResult(t, 64, fast, 'ps_to_pd', x);
}

/** Where every lane of f64 is between these in magnitude, it is an f32 without trouble. */
const LEAST_SINGLE = splatFloat(64, 2 ** -125);
const BEYOND_SINGLE = splatFloat(64, 2 ** 127);

/** CVTPD2PS. */
function narrowPacked(t: Translation): void {
  const { b } = t;
  const x = readVector(t, t.src);
  const fast: Fast = {
    operands: [],
    result: () => b.emit('fdemote_vec', x),
    bad: () => {
      const size = b.emit('fabs_vec', x, null, null, 64);
      const large = b.emit('fcmp_vec', size, LEAST_SINGLE, null, 64, Cond.GE);
      const small = b.emit('fcmp_vec', size, BEYOND_SINGLE, null, 64, Cond.LT);
      return unlessAll(b, 64, b.emit('and_v128', large, small));
    },
    proof: (result) =>
      proofBy(() => unlessAll(b, 64, b.emit('fcmp_vec', b.emit('fpromote_vec', result), x, null, 64, Cond.EQ))),
  };
  setXmm(t, t.dst.num, vectorResult(t, 64, fast, 'pd_to_ps', x));
}

// ---- from integers

/** CVTSI2SD: exact. */
function intToDouble(t: Translation): void {
  const value = t.b.emit('converts_i32_f64', t.read(t.src));
  t.floats.vouch(value, const32(0));
  setScalar(t, t.dst.num, value);
}

/** CVTSI2SS. */
function intToSingle(t: Translation): void {
  const { b, src } = t;
  const x = b.copy(t.read(src));
  const fast: Fast = {
    operands: [],
    result: () => b.emit('converts_i32_f32', x),
    bad: () => const32(0),
    // Magnitudes up to 2^24 fit.
    proof: () => proofBy(() => b.setcond(Cond.GTU, b.add(x, 1 << 24), 1 << 25)),
  };
  setScalarResult(t, fast, 'int_to_ss', x);
}

/** CVTDQ2PD: exact. */
function intsToDoubles(t: Translation): void {
  const x = readVector(t, t.src);
  setXmm(t, t.dst.num, t.b.emit('fconverts_vec', x, null, null, 64));
}

const HALF_RANGE = splatInt(1 << 24);
const RANGE = splatInt(1 << 25);

function splatInt(value: number): Const {
  return vectorConst(new Uint8Array(Int32Array.of(value, value, value, value).buffer));
}

/** Four, or the low two, singles of integers. */
function singlesOf(t: Translation, x: Value, lanes: number): Value {
  const { b } = t;
  const fast: Fast = {
    operands: [],
    result: () => b.emit('fconverts_vec', x, null, null, 32),
    bad: () => const32(0),
    proof: () => {
      const small = b.emit('cmp_vec', b.emit('add_vec', x, HALF_RANGE, null, 32), RANGE, null, 32, Cond.LEU);
      return proofBy(() => unlessAll(b, 32, small, lanes));
    },
  };
  return vectorResult(t, 32, fast, 'ints_to_ps', x, lanes);
}

/** CVTDQ2PS. */
function intsToSingles(t: Translation): void {
  const x = readVector(t, t.src);
  setXmm(t, t.dst.num, singlesOf(t, x, 4));
}

/** Reads an MMX operand and writes XMM. With a memory operand the MMX registers are not involved (as AMD has it). */
function fromMmx(write: (t: Translation, x: Value) => void): Handler {
  const fromRegister = mmx((t) => {
    const x = readMmx(t, t.src);
    // Before an exception may be found: it does not undo this.
    enterMmx(t);
    write(t, x);
  });
  return (t) => {
    if (t.isMem(t.src)) write(t, readMmx(t, t.src));
    else fromRegister(t);
  };
}

/** CVTPI2PS: the low half of dst. */
const mmxToSingles = fromMmx((t, x) => {
  const { b, dst } = t;
  const result = singlesOf(t, x, 2);
  setXmm(t, dst.num, b.emit('setlane_i64', XMM[dst.num]!, b.emit('lane_i64', result, null, null, 0), null, 0));
});

/** CVTPI2PD: exact. */
const mmxToDoubles = fromMmx((t, x) => setXmm(t, t.dst.num, t.b.emit('fconverts_vec', x, null, null, 64)));

// ---- to integers

/** CVTSS2SI, CVTSD2SI and the truncating ones. */
function toInt(type: Scalar, truncate: boolean): Handler {
  const helper = type === 'f32' ? 'ss_to_int' : 'sd_to_int';
  return (t) => {
    const { b, dst, src } = t;
    const x = readScalar(t, src, type).value;
    const whole = truncate ? x : b.emit(`round_${type}`, x, null, null, NEAREST);
    const fast: Fast = {
      operands: [],
      result: () => b.emit(`truncs_${type}_i32`, whole),
      bad: () => {
        const fits = b.emit(`setcond_${type}`, b.emit(`abs_${type}`, whole), new Const(type, 2 ** 31), null, Cond.LT);
        return b.xor(fits, 1);
      },
      proof: () => {
        const integral = truncate ? b.emit(`round_${type}`, x, null, null, TRUNCATE) : whole;
        return proofBy(() => b.emit(`setcond_${type}`, integral, x, null, Cond.NE));
      },
    };
    t.giveTo(dst, scalarResult(t, fast, helper, x, truncate ? 1 : 0));
  };
}

const BEYOND_INT = { 32: splatFloat(32, 2 ** 31), 64: splatFloat(64, 2 ** 31) } as const;

/** Packed singles or doubles as 32-bit integers; of singles only the first `lanes` count. */
function intsOf(t: Translation, x: Value, lane: 32 | 64, truncate: boolean, lanes: number): Value {
  const { b } = t;
  const whole = truncate ? x : b.emit('fround_vec', x, null, null, lane, NEAREST);
  const fast: Fast = {
    operands: [],
    result: () => b.emit('ftruncs_vec', whole, null, null, lane),
    bad: () => {
      const size = b.emit('fabs_vec', whole, null, null, lane);
      return unlessAll(b, lane, b.emit('fcmp_vec', size, BEYOND_INT[lane], null, lane, Cond.LT), lanes);
    },
    proof: () => {
      const integral = truncate ? b.emit('fround_vec', x, null, null, lane, TRUNCATE) : whole;
      return proofBy(() => unlessAll(b, lane, b.emit('fcmp_vec', integral, x, null, lane, Cond.EQ), lanes));
    },
  };
  return lane === 32
    ? vectorResult(t, 32, fast, 'ps_to_ints', x, truncate ? 1 : 0, lanes)
    : vectorResult(t, 64, fast, 'pd_to_ints', x, truncate ? 1 : 0);
}

/** CVTPS2DQ, CVTPD2DQ and the truncating ones. */
function toInts(lane: 32 | 64, truncate: boolean): Handler {
  return (t) => {
    const x = readVector(t, t.src);
    setXmm(t, t.dst.num, intsOf(t, x, lane, truncate, 128 / lane));
  };
}

/** CVTPS2PI, CVTPD2PI and the truncating ones: to an MMX register. */
function toMmx(lane: 32 | 64, truncate: boolean): Handler {
  return mmx((t) => {
    const x = readVector(t, t.src);
    // Before an exception may be found: it does not undo this.
    enterMmx(t);
    setMmx(t, t.dst.num, intsOf(t, x, lane, truncate, 2));
  });
}

// ---- rounding to integral values

/** The engine's direction for an immediate; that of MXCSR is to nearest in the fast mode, and else the result is exact. */
function directionOf(imm: number): number {
  return imm & ROUND_MXCSR ? NEAREST : DIRECTIONS[imm & 3]!;
}

/** Whether a result other than the operand needs the helper where it is not the fast mode. */
function isReported(imm: number): boolean {
  return (imm & ROUND_MXCSR) !== 0 || (imm & ROUND_QUIET) === 0;
}

/** ROUNDSS, ROUNDSD. */
function roundScalar(type: Scalar): Handler {
  const helper = type === 'f32' ? 'round_ss' : 'round_sd';
  return (t) => {
    const { b, src, insn } = t;
    const source = readScalar(t, src, type);
    const x = source.value;
    const proof = (result: Value) => proofBy(() => b.emit(`setcond_${type}`, result, x, null, Cond.NE));
    const fast: Fast = {
      operands: [source],
      result: () => b.emit(`round_${type}`, x, null, null, directionOf(insn.imm)),
      ...(isReported(insn.imm) ? { proof } : {}),
    };
    setScalarResult(t, fast, helper, x, insn.imm);
  };
}

/** ROUNDPS, ROUNDPD. */
function roundPacked(lane: 32 | 64): Handler {
  const helper = lane === 32 ? 'round_ps' : 'round_pd';
  return (t) => {
    const { b, insn } = t;
    const source = readSource(t);
    const x = source.value;
    const proof = (result: Value) =>
      proofBy(() => unlessAll(b, lane, b.emit('fcmp_vec', result, x, null, lane, Cond.EQ)));
    const fast: Fast = {
      operands: [source],
      result: () => b.emit('fround_vec', x, null, null, lane, directionOf(insn.imm)),
      ...(isReported(insn.imm) ? { proof } : {}),
    };
    setVectorResult(t, lane, fast, helper, x, insn.imm);
  };
}

export const SSE_CONVERT_HANDLERS = {
  CVTDQ2PD: intsToDoubles,
  CVTDQ2PS: intsToSingles,
  CVTPD2DQ: toInts(64, false),
  CVTPD2PI: toMmx(64, false),
  CVTPD2PS: narrowPacked,
  CVTPI2PD: mmxToDoubles,
  CVTPI2PS: mmxToSingles,
  CVTPS2DQ: toInts(32, false),
  CVTPS2PD: widenPacked,
  CVTPS2PI: toMmx(32, false),
  CVTSD2SI: toInt('f64', false),
  CVTSD2SS: narrow,
  CVTSI2SD: intToDouble,
  CVTSI2SS: intToSingle,
  CVTSS2SD: widen,
  CVTSS2SI: toInt('f32', false),
  CVTTPD2DQ: toInts(64, true),
  CVTTPD2PI: toMmx(64, true),
  CVTTPS2DQ: toInts(32, true),
  CVTTPS2PI: toMmx(32, true),
  CVTTSD2SI: toInt('f64', true),
  CVTTSS2SI: toInt('f32', true),
  ROUNDPD: roundPacked(64),
  ROUNDPS: roundPacked(32),
  ROUNDSD: roundScalar('f64'),
  ROUNDSS: roundScalar('f32'),
} as const satisfies Record<string, Handler>;
