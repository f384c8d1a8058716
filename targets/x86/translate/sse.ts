// How SSE arithmetic is done as MXCSR asks: by the engine's instructions where nothing tells them apart, else by helpers.
import type { Builder } from '../../../tcg/ir/builder.ts';
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond, Exit, MO_32, MO_64 } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { type Proof, remote, remoteLanes, vectorCompareGuard, vectorPrecise } from '../../float-guard.ts';
import { SSE_ROWS, type SseHelperName } from '../helpers/sse-table.ts';
import { FLAG_SSE_HELPERS, FLAG_SSE_SLOW, SSE_FAST_BITS, SSE_FAST_VALUE } from '../mode.ts';
import { type Operand, OperandKind } from '../operands.ts';
import { X86_OFFSETS, XMM } from '../state.ts';
import { Vector } from '../vectors.ts';
import type { Translation } from './context.ts';
import { readVector, setXmm, ZERO_VECTOR } from './vector.ts';

/** A scalar type: of SS instructions or of SD ones. */
export type Scalar = 'f32' | 'f64';

/** An operand: its value and, where it is the whole or the low lane of an XMM register, which, else -1. */
export interface Source {
  readonly value: Value;
  readonly register: number;
}

/** How an operation is done by the engine's instructions, and how to tell where that is not enough. */
export interface Fast {
  /** Floats that must not be denormals (nor, where nothing is asked of the result, NaNs). */
  readonly operands: readonly Source[];
  readonly result: () => Value;
  /** The result must be finite and not tiny: that of arithmetic, which is otherwise where an operand is. */
  readonly judged?: boolean;
  /**
   * Of judged results: not 0 unless a result that is zero is exact. For vectors bits for the lanes where it is
   * exact. Absent: none are.
   */
  readonly zero?: (result: Value) => Value;
  /** Of results that are not judged: another condition, not 0 where the helper is needed. */
  readonly bad?: (result: Value) => Value;
  /**
   * What shows that the result is exact, which makes it that of every rounding direction (but for the sign of zeros). Absent
   * where all results are.
   */
  readonly proof?: (result: Value) => Proof;
}

/**
 * Looks at MXCSR once in each block with SSE arithmetic, and leaves the block to be looked up anew where the mode it was
 * translated for is not the one that holds. Called when operands have been read and nothing has been written.
 */
function checkMode(t: Translation): void {
  // A helper called in a region may set the inexact flag, for which there are better translations.
  if (t.sseChecked && !t.callsAtCold) {
    t.sseRelied = true;
    return;
  }
  t.sseChecked = true;
  checkSseMode(t.b, t.mode, t.pc, () => t.settle());
}

/** Leaves with the PC given, after `settle`, where MXCSR is not as the mode says. */
export function checkSseMode(b: Builder, mode: number, pc: number, settle?: () => void): void {
  const slow = (mode & FLAG_SSE_SLOW) !== 0;
  const fine = b.label();
  const bits = b.and(b.envLoad(X86_OFFSETS.mxcsr), SSE_FAST_BITS);
  b.brcond(slow ? Cond.NE : Cond.EQ, bits, SSE_FAST_VALUE, fine);
  settle?.();
  b.envStore(X86_OFFSETS.sseSlow, slow ? 0 : 1);
  b.exitTb(Exit.LOOKUP, const32(pc));
  b.place(fine);
}

/** A result and the flag that vouches for it (see KnownFloats), or null. */
interface Result {
  readonly value: Value;
  readonly suspect: Value | null;
}

/** Reasons for a helper found by the first step of a guard. */
class Doubt {
  /** Or of flags that count where they are negative, by width. */
  private wide: Value | null = null;
  private narrow: Value | null = null;
  /** What counts where it is not 0. */
  private readonly conditions: Value[] = [];
  private readonly seen: Value[] = [];

  constructor(private readonly b: Builder) {}

  /** Adds a flag that is negative where there is a reason. */
  flag(flag: Value): void {
    if (flag.kind === 'const' || this.seen.includes(flag)) return;
    this.seen.push(flag);
    const { b } = this;
    if (flag.type === 'i64') this.wide = this.wide ? b.emit('or_i64', this.wide, flag) : flag;
    else this.narrow = this.narrow ? b.or(this.narrow, flag) : flag;
  }

  /** Adds a condition, a small number, that is not 0 where there is a reason. */
  condition(condition: Value): void {
    if (condition.kind !== 'const' || condition.value !== 0) this.conditions.push(condition);
  }

  /** A condition that is not 0 where there is any reason. */
  get any(): Value {
    const { b, wide, narrow } = this;
    let any: Value = const32(0);
    if (wide !== null) any = b.or(any, isNegative(b, wide));
    if (narrow !== null) any = b.or(any, isNegative(b, narrow));
    for (const condition of this.conditions) any = b.or(any, condition);
    return any;
  }

  /** A flag that is negative where there is any reason; that of proofs does not count. */
  get suspect(): Value {
    const { b } = this;
    let narrow: Value | null = this.narrow;
    for (const condition of this.conditions) {
      const flag = b.neg(condition);
      narrow = narrow === null ? flag : b.or(narrow, flag);
    }
    if (this.wide === null) return narrow ?? const32(0);
    return narrow === null ? this.wide : b.emit('or_i64', this.wide, b.exts64(narrow));
  }
}

function isNegative(b: Builder, flag: Value): Value {
  if (flag.type === 'i32') return b.setcond(Cond.LT, flag, 0);
  return b.emit('setcond_i64', flag, b.i64(0), null, Cond.LT);
}

/**
 * The result of `fast` or, where that does not do, what the helper returns for `args`. In the fast mode inexact results go
 * unnoticed; while exceptions are masked exact ones need no other care; else the helper does everything. `lane` is that of
 * vectors, null for scalars.
 */
function compute(
  t: Translation,
  lane: 32 | 64 | null,
  fast: Fast,
  helper: SseHelperName,
  args: readonly (Value | number)[],
): Result {
  checkMode(t);
  if (t.mode & FLAG_SSE_HELPERS) return { value: callHelper(t, SSE_ROWS[helper], args), suspect: null };
  const { b, floats } = t;
  const result = fast.result();
  const proof = t.mode & FLAG_SSE_SLOW && fast.proof ? fast.proof(result) : null;
  // A sum that is exact may be as small as it likes, but then nothing is known of it.
  const judged = fast.judged === true && (lane !== null || proof?.finite !== true);
  const doubt = new Doubt(b);
  if (lane === null) doubtScalars(t, fast, judged ? result : null, doubt);
  else doubtVectors(t, lane, fast, result, doubt);
  if (fast.bad) doubt.condition(fast.bad(result));
  const suspect = t.leavesAtCold ? const32(0) : doubt.suspect;
  let reason = doubt.any;
  let precise: Value = fast.bad ? const32(1) : preciseReason(t, lane, fast, judged, result);
  for (const flag of proof?.flags ?? []) {
    reason = b.or(reason, isNegative(b, flag));
    precise = b.or(precise, isNegative(b, flag));
  }
  for (const condition of proof?.conditions ?? []) {
    reason = b.or(reason, condition());
    precise = b.or(precise, condition());
  }
  const value = b.cold(result, reason, precise, SSE_ROWS[helper], ...args);
  for (const { value, register } of fast.operands) {
    if (lane === null) floats.vouch(value, suspect);
    else floats.vouchLanes(value, lane, suspect, register);
  }
  return { value, suspect: fast.judged && !judged ? null : suspect };
}

/** The first step for scalars: exponents out of the middle. */
function doubtScalars({ floats, b }: Translation, { operands }: Fast, result: Value | null, doubt: Doubt): void {
  for (const value of new Set(operands.map((source) => source.value))) {
    doubt.flag(floats.suspectOf(value) ?? remote(b, value));
  }
  if (result !== null) doubt.flag(remote(b, result));
}

function doubtVectors(t: Translation, lane: 32 | 64, fast: Fast, result: Value, doubt: Doubt): void {
  const unknown: Value[] = [];
  for (const { value, register } of fast.operands) {
    const known = t.floats.suspectOfLanes(value, lane, register);
    if (known) doubt.flag(known);
    else if (!unknown.includes(value)) unknown.push(value);
  }
  if (fast.judged) unknown.push(result);
  if (unknown.length > 0) doubt.condition(remoteLanes(t.b, lane, unknown));
}

/** The second step: not 0 where the helper is needed. */
function preciseReason(t: Translation, lane: 32 | 64 | null, fast: Fast, judged: boolean, result: Value): Value {
  const { b } = t;
  const operands = [...new Set(fast.operands.map(({ value }) => value))];
  if (lane !== null) {
    if (!fast.judged) return vectorCompareGuard(b, lane, operands);
    return vectorPrecise(b, lane, result, operands, fast.zero?.(result) ?? 0);
  }
  let reason: Value = const32(0);
  for (const value of operands) {
    const type = value.type as Scalar;
    reason = b.or(reason, b.emit(`denormal_${type}`, value));
    if (!fast.judged) reason = b.or(reason, b.emit(`setcond_${type}`, value, value, null, Cond.NE));
  }
  if (!judged) return reason;
  const extreme = b.emit(`extreme_${result.type as Scalar}`, result);
  return b.or(reason, fast.zero ? b.and(extreme, fast.zero(result)) : extreme);
}

/** A scalar result in the low lane of the destination, whose other lanes stay. */
export function setScalarResult(t: Translation, fast: Fast, helper: SseHelperName, ...args: (Value | number)[]): void {
  const { value, suspect } = compute(t, null, fast, helper, args);
  if (suspect) t.floats.vouch(value, suspect);
  setScalar(t, t.dst.num, value);
}

/** A scalar result that is an integer, or one that goes elsewhere. */
export function scalarResult(t: Translation, fast: Fast, helper: SseHelperName, ...args: (Value | number)[]): Value {
  return compute(t, null, fast, helper, args).value;
}

/** A packed result of lanes of floats in the destination. */
export function setVectorResult(
  t: Translation,
  lane: 32 | 64,
  fast: Fast,
  helper: SseHelperName,
  ...args: (Value | number)[]
): void {
  const { value, suspect } = compute(t, lane, fast, helper, args);
  setXmm(t, t.dst.num, value);
  if (suspect) t.floats.vouchLanes(value, lane, suspect, t.dst.num);
}

/** A packed result of another kind: masks or integers. */
export function vectorResult(
  t: Translation,
  lane: 32 | 64,
  fast: Fast,
  helper: SseHelperName,
  ...args: (Value | number)[]
): Value {
  return compute(t, lane, fast, helper, args).value;
}

/** What the helper returns; #XM where it has found an exception that is not masked. */
export function always(t: Translation, helper: SseHelperName, ...args: (Value | number)[]): Value {
  checkMode(t);
  return callHelper(t, SSE_ROWS[helper], args);
}

function callHelper(t: Translation, row: HelperRow, args: readonly (Value | number)[]): Value {
  const { b } = t;
  const result = b.call(row, ...args);
  if (t.mode & FLAG_SSE_HELPERS) t.faultIf(Vector.XM, Cond.NE, b.envLoad(X86_OFFSETS.sseFault), 0);
  return result;
}

// ---- operands

/** The low lane of an XMM register, or a scalar in memory. */
export function readScalar(t: Translation, operand: Operand, type: Scalar): Source {
  const { b } = t;
  if (operand.kind === OperandKind.Xmm) {
    return { value: scalarOf(t, operand.num, type), register: operand.num };
  }
  const access = (type === 'f32' ? MO_32 : MO_64) | t.align;
  return { value: b.emit(`guest_ld_${type}`, t.address(), null, null, access), register: -1 };
}

/** The low lane of an XMM register. */
export function scalarOf(t: Translation, n: number, type: Scalar): Value {
  const known = t.floats.lowLane(n, type);
  if (known) return known;
  const value = t.b.emit(`lane_${type}`, XMM[n]!);
  t.floats.setLowLane(n, value);
  return value;
}

/** Writes the low lane of an XMM register; the others stay. */
export function setScalar(t: Translation, n: number, value: Value): void {
  const rest = t.floats.restOf(n, value.type as Scalar) ?? t.b.copy(XMM[n]!);
  setLow(t, n, rest, value);
}

/** Writes an XMM register: the lanes of `rest` but for the lowest. */
function setLow(t: Translation, n: number, rest: Value, value: Value): void {
  setXmm(t, n, t.b.emit(`setlane_${value.type as Scalar}`, rest, value));
  t.floats.setLowLane(n, value);
  t.floats.setRest(n, rest, value.type as Scalar);
}

/** MOVSS and MOVSD from memory: the other lanes become zero. */
export function loadScalar(t: Translation, n: number, type: Scalar): void {
  setLow(t, n, ZERO_VECTOR, readScalar(t, t.src, type).value);
}

/** MOVSS and MOVSD to memory. */
export function storeScalar(t: Translation, n: number, type: Scalar): void {
  const address = t.writeAddress();
  const access = (type === 'f32' ? MO_32 : MO_64) | t.align;
  const value = t.floats.lowLane(n, type);
  if (value) t.b.effect(`guest_st_${type}`, address, value, null, access);
  else t.b.effect('guest_st_v128', address, XMM[n]!, null, access);
}

/** The source operand, a whole vector. */
export function readSource(t: Translation): Source {
  const { src } = t;
  return { value: readVector(t, src), register: src.kind === OperandKind.Xmm ? src.num : -1 };
}

/** The destination as an operand: its low lane, or all of it. */
export function destination(t: Translation, type: Scalar | null): Source {
  const { num } = t.dst;
  return { value: type === null ? XMM[num]! : scalarOf(t, num, type), register: num };
}
