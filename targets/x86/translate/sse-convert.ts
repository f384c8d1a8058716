// SSE conversions and rounding to integral values (SDM vol. 1, 10.4.4, 11.4.1.6, 12.8.3).
import { Cond } from '../../../tcg/ir/types.ts';
import { Const, type Value } from '../../../tcg/ir/value.ts';
import { denormals, splatFloat, vectorCompareGuard } from '../../float-guard.ts';
import { XMM } from '../state.ts';
import type { Translation } from './context.ts';
import { always, compute, isFast, odd, readScalar, type Scalar, setScalar, unguarded } from './sse.ts';
import { enterMmx, type Handler, mmx, readMmx, readVector, setMmx, setXmm } from './vector.ts';

/** Directions of IR ops: ceil, floor, truncate, nearest. */
const [CEIL, FLOOR, TRUNCATE, NEAREST] = [0, 1, 2, 3];
/** The same in the order of bits 0-1 of ROUND's immediate. */
const DIRECTIONS = [NEAREST, FLOOR, CEIL, TRUNCATE];
const ROUND_MXCSR = 4;
const ROUND_QUIET = 8;

// ---- between formats

/** CVTSS2SD: exact. */
function widen(t: Translation): void {
  const { b, dst, src } = t;
  const x = readScalar(t, src, 'f32');
  const fast = () => b.emit('promote_f32_f64', x);
  setScalar(
    t,
    dst.num,
    compute(t, 'exact', fast, () => odd(t, 'f32', [x]), 'ss_to_sd', x),
  );
}

/** CVTSD2SS. */
function narrow(t: Translation): void {
  const { b, dst, src } = t;
  const x = readScalar(t, src, 'f64');
  const fast = () => b.emit('demote_f64_f32', x);
  const bad = (result: Value) => b.or(b.emit('extreme_f32', result), denormals(b, 'f64', [x]));
  setScalar(t, dst.num, compute(t, 'rounded', fast, bad, 'sd_to_ss', x));
}

/** CVTPS2PD: exact. Of a register only the low half counts. */
function widenPacked(t: Translation): void {
  const { b, dst, src } = t;
  const x = readVector(t, src);
  const fast = () => b.emit('fpromote_vec', x);
  const bad = () => b.and(vectorCompareGuard(b, 32, [x]), 3);
  setXmm(t, dst.num, compute(t, 'exact', fast, bad, 'ps_to_pd', x));
}

/** Where every lane of f64 is between these in magnitude, it is an f32 without trouble. */
const LEAST_SINGLE = splatFloat(64, 2 ** -125);
const BEYOND_SINGLE = splatFloat(64, 2 ** 127);

/** CVTPD2PS. */
function narrowPacked(t: Translation): void {
  const { b, dst, src } = t;
  const x = readVector(t, src);
  const fast = () => b.emit('fdemote_vec', x);
  const bad = () => {
    const size = b.emit('fabs_vec', x, null, null, 64);
    const large = b.emit('fcmp_vec', size, LEAST_SINGLE, null, 64, Cond.GE);
    const small = b.emit('fcmp_vec', size, BEYOND_SINGLE, null, 64, Cond.LT);
    return unlessAll(t, 64, b.emit('and_v128', large, small));
  };
  setXmm(t, dst.num, compute(t, 'rounded', fast, bad, 'pd_to_ps', x));
}

/** Not 0 where a lane of a vector of masks is 0. */
function unlessAll(t: Translation, lane: 32 | 64, mask: Value, lanes = 128 / lane): Value {
  const { b } = t;
  const all = (1 << lanes) - 1;
  const bits = b.emit('bitmask_vec', mask, null, null, lane);
  return b.xor(lanes < 128 / lane ? b.and(bits, all) : bits, all);
}

// ---- from integers

/** CVTSI2SD: exact. */
function intToDouble(t: Translation): void {
  setScalar(t, t.dst.num, t.b.emit('converts_i32_f64', t.read(t.src)));
}

/** CVTSI2SS. */
function intToSingle(t: Translation): void {
  const { b, dst, src } = t;
  const x = b.copy(t.read(src));
  setScalar(
    t,
    dst.num,
    unguarded(t, () => b.emit('converts_i32_f32', x), 'int_to_ss', x),
  );
}

/** CVTDQ2PD: exact. */
function intsToDoubles(t: Translation): void {
  const x = readVector(t, t.src);
  setXmm(t, t.dst.num, t.b.emit('fconverts_vec', x, null, null, 64));
}

/** Four, or the low two, singles of integers. */
function singlesOf(t: Translation, x: Value, lanes: number): Value {
  return unguarded(t, () => t.b.emit('fconverts_vec', x, null, null, 32), 'ints_to_ps', x, lanes);
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
    const x = readScalar(t, src, type);
    const whole = truncate ? x : b.emit(`round_${type}`, x, null, null, NEAREST);
    const fast = () => b.emit(`truncs_${type}_i32`, whole);
    const bad = () => {
      const fits = b.emit(`setcond_${type}`, b.emit(`abs_${type}`, whole), new Const(type, 2 ** 31), null, Cond.LT);
      return b.xor(fits, 1);
    };
    t.giveTo(dst, compute(t, 'rounded', fast, bad, helper, x, truncate ? 1 : 0));
  };
}

const BEYOND_INT = { 32: splatFloat(32, 2 ** 31), 64: splatFloat(64, 2 ** 31) } as const;

/** Packed singles or doubles as 32-bit integers; of singles only the first `lanes` count. */
function intsOf(t: Translation, x: Value, lane: 32 | 64, truncate: boolean, lanes: number): Value {
  const { b } = t;
  const whole = truncate ? x : b.emit('fround_vec', x, null, null, lane, NEAREST);
  const fast = () => b.emit('ftruncs_vec', whole, null, null, lane);
  const bad = () => {
    const size = b.emit('fabs_vec', whole, null, null, lane);
    return unlessAll(t, lane, b.emit('fcmp_vec', size, BEYOND_INT[lane], null, lane, Cond.LT), lanes);
  };
  return lane === 32
    ? compute(t, 'rounded', fast, bad, 'ps_to_ints', x, truncate ? 1 : 0, lanes)
    : compute(t, 'rounded', fast, bad, 'pd_to_ints', x, truncate ? 1 : 0);
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

/** The engine's direction for an immediate, or -1 where it cannot do what is asked in this mode. */
function directionOf(t: Translation): number {
  const { imm } = t.insn;
  if (imm & ROUND_MXCSR) return isFast(t) ? NEAREST! : -1;
  return (imm & ROUND_QUIET) !== 0 || isFast(t) ? DIRECTIONS[imm & 3]! : -1;
}

/** ROUNDSS, ROUNDSD. */
function roundScalar(type: Scalar): Handler {
  const helper = type === 'f32' ? 'round_ss' : 'round_sd';
  return (t) => {
    const { b, dst, src, insn } = t;
    const x = readScalar(t, src, type);
    const direction = directionOf(t);
    const fast = () => b.emit(`round_${type}`, x, null, null, direction);
    const result =
      direction < 0
        ? always(t, helper, x, insn.imm)
        : compute(t, 'exact', fast, () => odd(t, type, [x]), helper, x, insn.imm);
    setScalar(t, dst.num, result);
  };
}

/** ROUNDPS, ROUNDPD. */
function roundPacked(lane: 32 | 64): Handler {
  const helper = lane === 32 ? 'round_ps' : 'round_pd';
  return (t) => {
    const { b, dst, src, insn } = t;
    const x = readVector(t, src);
    const direction = directionOf(t);
    const fast = () => b.emit('fround_vec', x, null, null, lane, direction);
    const result =
      direction < 0
        ? always(t, helper, x, insn.imm)
        : compute(t, 'exact', fast, () => vectorCompareGuard(b, lane, [x]), helper, x, insn.imm);
    setXmm(t, dst.num, result);
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
