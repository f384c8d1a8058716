// SSE comparisons (SDM vol. 1, 10.4.2, 11.4.2): masks by predicate, and orders as EFLAGS.
import { Cond } from '../../../tcg/ir/types.ts';
import { const32 } from '../../../tcg/ir/value.ts';
import { XMM } from '../state.ts';
import { destination, type Fast, readScalar, readSource, type Scalar, scalarResult, vectorResult } from './sse.ts';
import { type Handler, setXmm, vectorConst, ZERO_VECTOR } from './vector.ts';

/** Conditions of the predicates EQ LT LE UNORD NEQ NLT NLE ORD for operands that are ordered: true, false, or a comparison. */
const PREDICATES: readonly (Cond | boolean)[] = [Cond.EQ, Cond.LT, Cond.LE, false, Cond.NE, Cond.GE, Cond.GT, true];

const ONES_VECTOR = vectorConst(new Uint8Array(16).fill(0xff));

/** CMPSS, CMPSD. */
function scalarMask(type: Scalar): Handler {
  return (t) => {
    const { b, dst, src, insn } = t;
    const source = readScalar(t, src, type);
    const target = destination(t, type);
    const y = source.value;
    const x = target.value;
    const predicate = PREDICATES[insn.imm & 7]!;
    const fast: Fast = {
      operands: [target, source],
      result: () =>
        typeof predicate === 'boolean'
          ? const32(predicate ? -1 : 0)
          : b.neg(b.emit(`setcond_${type}`, x, y, null, predicate)),
    };
    const mask = scalarResult(t, fast, type === 'f32' ? 'compare_ss' : 'compare_sd', x, y, insn.imm & 7);
    const register = XMM[dst.num]!;
    if (type === 'f32') setXmm(t, dst.num, b.emit('setlane_i32', register, mask, null, 32, 0));
    else setXmm(t, dst.num, b.emit('setlane_i64', register, b.exts64(mask), null, 0));
  };
}

/** CMPPS, CMPPD. */
function packedMask(lane: 32 | 64): Handler {
  return (t) => {
    const { b, dst, insn } = t;
    const source = readSource(t);
    const target = destination(t, null);
    const y = source.value;
    const x = target.value;
    const predicate = PREDICATES[insn.imm & 7]!;
    const fast: Fast = {
      operands: [target, source],
      result: () => {
        if (typeof predicate === 'boolean') return predicate ? ONES_VECTOR : ZERO_VECTOR;
        return b.emit('fcmp_vec', x, y, null, lane, predicate);
      },
    };
    setXmm(t, dst.num, vectorResult(t, lane, fast, lane === 32 ? 'compare_ps' : 'compare_pd', x, y, insn.imm & 7));
  };
}

/** COMISS, COMISD (`signal`: quiet NaNs are invalid too), UCOMISS, UCOMISD: ZF, PF and CF; the other flags are cleared. */
function order(type: Scalar, signal: boolean): Handler {
  return (t) => {
    const { b, src } = t;
    const source = readScalar(t, src, type);
    const target = destination(t, type);
    const y = source.value;
    const x = target.value;
    const fast: Fast = {
      operands: [target, source],
      result: () => {
        const less = b.emit(`setcond_${type}`, x, y, null, Cond.LT);
        const equal = b.emit(`setcond_${type}`, x, y, null, Cond.EQ);
        return b.or(less, b.shl(equal, 6));
      },
    };
    t.flags.setAll(scalarResult(t, fast, type === 'f32' ? 'order_ss' : 'order_sd', x, y, signal ? 1 : 0));
  };
}

export const SSE_COMPARE_HANDLERS = {
  CMPPD: packedMask(64),
  CMPPS: packedMask(32),
  CMPSD: scalarMask('f64'),
  CMPSS: scalarMask('f32'),
  COMISD: order('f64', true),
  COMISS: order('f32', true),
  UCOMISD: order('f64', false),
  UCOMISS: order('f32', false),
} as const satisfies Record<string, Handler>;
