// Floating point by the engine's own arithmetic where a program cannot tell it from softfloat; FpState in fpscr.ts says how.
import { OPS, type OpName, type OpRow } from '../../../tcg/ir/ops.ts';
import { Cond, Exit } from '../../../tcg/ir/types.ts';
import { const32, const64, type Label, type Value } from '../../../tcg/ir/value.ts';
import { CAREFUL_BLOCKS, FPSCR_IXC, FpState } from '../fpscr.ts';
import { FLAG_FP_SHIFT } from '../mode.ts';
import { ARM_OFFSETS as O } from '../state.ts';
import type { Translation } from './context.ts';

/** How the block at hand computes. */
export function fpState(t: Translation): FpState {
  return (t.flags >> FLAG_FP_SHIFT) & 3;
}

const BRCOND64 = OPS.brcond_i64 as OpRow<OpName>;

/** Goes to `label` if x cond y, for i64. */
function branch64({ b }: Translation, cond: Cond, x: Value, y: Value, label: Label): void {
  label.uses++;
  b.push(BRCOND64, null, x, y, null, cond, 0).label = label;
}

/** What makes a result one that the engine's arithmetic gives as well. */
export enum Guard {
  /** It is a finite number. */
  FINITE = 0,
  /** It is finite and larger than the least normal number, below which it may have been tiny before it was rounded. */
  NORMAL = 1,
  /** It is a number with a magnitude below 2^31. */
  INT32 = 2,
  /** It is from 0 to below 2^32. */
  UINT32 = 3,
}

/** Above these are infinities and NaNs; what is above the least normal number; limits of integers: bits, shifted left by 1. */
const LIMITS_32 = [0xff000000, 0xff000000, 0x9e000000, 0x4f800000] as const;
const LIMITS_64 = [0xffe0000000000000n, 0xffe0000000000000n, 0x83c0000000000000n, 0x41f0000000000000n] as const;
const LEAST_32 = 0x01000002;
const LEAST_64 = 0x0020000000000002n;

/** Goes to `fine` where the float `value` of precision z is as the guard asks. */
function branchGuard(t: Translation, z: number, value: Value, guard: Guard, fine: Label): void {
  const { b } = t;
  if (z) {
    const bits = b.emit('reinterpret_f64_i64', value);
    const x = guard === Guard.UINT32 ? bits : b.emit('shl_i64', bits, const64(1n));
    const limit = LIMITS_64[guard];
    const least = guard === Guard.NORMAL ? LEAST_64 : 0n;
    const above = least ? b.emit('sub_i64', x, const64(least)) : x;
    branch64(t, Cond.LTU, above, const64(limit - least), fine);
    return;
  }
  const bits = b.emit('reinterpret_f32_i32', value);
  const x = guard === Guard.UINT32 ? bits : b.shl(bits, 1);
  const limit = LIMITS_32[guard];
  if (guard !== Guard.NORMAL) b.brcond(Cond.LTU, x, limit, fine);
  else b.brcond(Cond.LTU, b.sub(x, LEAST_32), limit - LEAST_32, fine);
}

/** One operation both ways. */
export interface Operation {
  /** Precision of what is looked at: 1 for double. */
  readonly z: number;
  readonly guard: Guard;
  /** The engine's result. */
  readonly fast: () => Value;
  /** What the guard looks at, where that is not the result. */
  readonly probe?: Value;
  /** Not 0 unless the result is exact; absent where it always is. */
  readonly inexact?: (result: Value) => Value;
  /** Not 0 where a result is good that the guard has found too small. */
  readonly small?: (result: Value) => Value;
  /** The same by a helper. */
  readonly exact: () => Value;
}

/**
 * Leaves the block before the instruction at hand, of which nothing may have been written yet, for one that computes
 * carefully.
 */
export function leaveForCareful(t: Translation): void {
  const { b } = t;
  b.envStore(O.fpstate, FpState.CAREFUL << FLAG_FP_SHIFT);
  b.exitTb(Exit.LOOKUP, const32(t.pc | t.thumb));
}

/** Whether helpers compute; counts the block, and leaves it when there were enough. */
export function isCareful(t: Translation): boolean {
  const state = fpState(t);
  if (state !== FpState.CAREFUL || t.countedCareful) return state >= FpState.CAREFUL;
  t.countedCareful = true;
  const { b } = t;
  const left = b.envLoad(O.fpcareful);
  const more = b.label();
  b.brcond(Cond.GT, left, 0, more);
  b.envStore(O.fpcareful, CAREFUL_BLOCKS);
  const inexact = b.setcond(Cond.TSTNE, b.envLoad(O.fpexc), FPSCR_IXC);
  b.envStore(O.fpstate, b.shl(inexact, FLAG_FP_SHIFT));
  b.exitTb(Exit.LOOKUP, const32(t.pc | t.thumb));
  b.place(more);
  b.envStore(O.fpcareful, b.sub(left, 1));
  return true;
}

/**
 * Where IXC is clear but only helpers compute, which may set it: leaves the block once they have, for translations that count
 * on it.
 */
export function noticeInexact(t: Translation): void {
  if (t.countedCareful) return;
  t.countedCareful = true;
  const { b } = t;
  const clear = b.label();
  b.brcond(Cond.TSTEQ, b.envLoad(O.fpexc), FPSCR_IXC, clear);
  leaveForCareful(t);
  b.place(clear);
}

/** The result of an operation. */
export function guarded(t: Translation, operation: Operation): Value {
  if (isCareful(t)) return operation.exact();
  const { b } = t;
  const { z, guard, small, inexact } = operation;
  const result = operation.fast();
  const fine = b.label();
  branchGuard(t, z, operation.probe ?? result, guard, fine);
  if (small) b.brcond(Cond.NE, small(result), 0, fine);
  leaveForCareful(t);
  b.place(fine);
  if (inexact && fpState(t) === FpState.EXACT) {
    const exact = b.label();
    b.brcond(Cond.EQ, inexact(result), 0, exact);
    leaveForCareful(t);
    b.place(exact);
  }
  return result;
}

// ---- exactness

export type Arithmetic = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';

const FRACTION = const64(0xfffffffffffffn);

/** Not 0 where two f64 have more significant bits together than a product can hold. */
function tooLong({ b }: Translation, x: Value, y: Value): Value {
  const zeros = (v: Value): Value => b.emit('ctz_i64', b.emit('and_i64', b.emit('reinterpret_f64_i64', v), FRACTION));
  return b.emit('setcond_i64', b.emit('add_i64', zeros(x), zeros(y)), const64(53n), null, Cond.LT);
}

/** Not 0 unless `result`, a finite number rounded to nearest, is exact; it may err on that side. */
export function inexactResult(t: Translation, z: number, name: Arithmetic, result: Value, x: Value, y: Value): Value {
  const { b } = t;
  const type = z ? 'f64' : 'f32';
  if (name === 'add' || name === 'sub') {
    // What rounding has cut off, which is a number of the same precision (Knuth's TwoSum).
    const op = (op: 'add' | 'sub', p: Value, q: Value): Value => b.emit(`${op}_${type}`, p, q);
    const part = op('sub', result, x);
    const rest = op(
      name,
      op('sub', x, op('sub', result, part)),
      name === 'add' ? op('sub', y, part) : op('add', y, part),
    );
    const zero = z ? b.emit('reinterpret_i64_f64', b.i64(0)) : b.emit('reinterpret_i32_f32', const32(0));
    return b.emit(`setcond_${type}`, rest, zero, null, Cond.NE);
  }
  // Of f32 everything is exact in f64.
  const wide = (v: Value): Value => (z ? v : b.emit('promote_f32_f64', v));
  const product = (p: Value, q: Value): Value => b.emit('mul_f64', wide(p), wide(q));
  const differs = (p: Value, q: Value): Value => b.emit('setcond_f64', p, wide(q), null, Cond.NE);
  if (name === 'mul') return z ? tooLong(t, x, y) : differs(product(x, y), result);
  const other = name === 'div' ? y : result;
  const wrong = differs(product(result, other), x);
  return z ? b.or(tooLong(t, result, other), wrong) : wrong;
}
