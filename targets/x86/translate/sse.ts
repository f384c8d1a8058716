// How SSE arithmetic is done as MXCSR asks: by the engine's instructions where nothing tells them apart, else by helpers.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond, Exit, MO_32, MO_64 } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { type GuardOptions, vectorCompareGuard, vectorGuard } from '../../float-guard.ts';
import { SSE_ROWS, type SseHelperName } from '../helpers/sse-table.ts';
import { FLAG_SSE_SLOW, FLAG_SSE_UNMASKED, SSE_FAST_BITS, SSE_FAST_VALUE } from '../mode.ts';
import { type Operand, OperandKind } from '../operands.ts';
import { X86_OFFSETS, XMM } from '../state.ts';
import { Vector } from '../vectors.ts';
import type { Translation } from './context.ts';
import { readVector, setXmm } from './vector.ts';

/** A scalar type: of SS instructions or of SD ones. */
export type Scalar = 'f32' | 'f64';

/** Operands that are denormal raise the denormal flag, or are flushed. */
export const X86_GUARD: GuardOptions = { operands: true };

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
  /**
   * Not 0 where the result calls for the helper in every mode: for arithmetic that is where it is not finite, or tiny, or zero,
   * as it also is when an operand is not finite. Absent for comparisons and their like, for which only operands do so.
   */
  readonly bad?: (result: Value) => Value;
  /** That is to be asked of the lanes of a vector; `bad` is absent. */
  readonly judged?: boolean;
  /**
   * Not 0 unless the result is exact, which makes it that of every rounding direction. It may err on that side. Absent where
   * all results that are not `bad` are exact.
   */
  readonly inexact?: (result: Value) => Value;
}

/**
 * Looks at MXCSR once in each block with SSE arithmetic, and leaves the block to be looked up anew where the mode it was
 * translated for is not the one that holds. Called when operands have been read and nothing has been written.
 */
function checkMode(t: Translation): void {
  if (t.sseChecked) return;
  t.sseChecked = true;
  // Nothing but an instruction that ends the block unmasks and masks exceptions.
  if (t.mode & FLAG_SSE_UNMASKED) return;
  const { b } = t;
  const slow = (t.mode & FLAG_SSE_SLOW) !== 0;
  const fine = b.label();
  const bits = b.and(b.envLoad(X86_OFFSETS.mxcsr), SSE_FAST_BITS);
  b.brcond(slow ? Cond.NE : Cond.EQ, bits, SSE_FAST_VALUE, fine);
  t.settle();
  b.envStore(X86_OFFSETS.sseSlow, slow ? 0 : 1);
  b.exitTb(Exit.LOOKUP, const32(t.pc));
  b.place(fine);
}

/** A result and the flag that vouches for it (see KnownFloats), or null. */
export interface Result {
  readonly value: Value;
  readonly suspect: Value | null;
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
  if (t.mode & FLAG_SSE_UNMASKED) return { value: callHelper(t, SSE_ROWS[helper], args), suspect: null };
  const { b, floats } = t;
  const { operands } = fast;
  const result = fast.result();
  let bad = lane === null ? scalarsBad(t, fast, result) : vectorsBad(t, lane, fast, result);
  if (t.mode & FLAG_SSE_SLOW && fast.inexact) bad = b.or(bad, fast.inexact(result));
  for (const { value, register } of operands) {
    if (lane === null) floats.vouch(value, bad);
    else floats.vouchLanes(value, lane, bad, register);
  }
  return { value: b.cold(result, bad, SSE_ROWS[helper], ...args), suspect: bad };
}

/** Ors flags, each once. */
class Flags {
  private readonly seen: Value[] = [];
  sum: Value = const32(0);

  constructor(private readonly t: Translation) {}

  add(flag: Value): void {
    if (this.seen.includes(flag)) return;
    this.seen.push(flag);
    this.sum = this.t.b.or(this.sum, flag);
  }
}

function scalarsBad(t: Translation, { operands, bad }: Fast, result: Value): Value {
  const { b, floats } = t;
  const flags = new Flags(t);
  if (bad) flags.add(bad(result));
  for (const [n, { value }] of operands.entries()) {
    const known = floats.suspectOf(value);
    if (n > 0 && value === operands[0]!.value) break;
    if (known) flags.add(known);
    else {
      const type = value.type as Scalar;
      flags.add(b.emit(`denormal_${type}`, value));
      if (!bad) flags.add(b.emit(`setcond_${type}`, value, value, null, Cond.NE));
    }
  }
  return flags.sum;
}

function vectorsBad(t: Translation, lane: 32 | 64, { operands, bad, judged }: Fast, result: Value): Value {
  const flags = new Flags(t);
  if (bad) flags.add(bad(result));
  const unknown: Value[] = [];
  for (const { value, register } of operands) {
    const known = t.floats.suspectOfLanes(value, lane, register);
    if (known) flags.add(known);
    else if (!unknown.includes(value)) unknown.push(value);
  }
  if (judged) flags.add(vectorGuard(t.b, lane, result, unknown, X86_GUARD));
  else if (unknown.length > 0) flags.add(vectorCompareGuard(t.b, lane, unknown));
  return flags.sum;
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
  if (t.mode & FLAG_SSE_UNMASKED) t.faultIf(Vector.XM, Cond.NE, b.envLoad(X86_OFFSETS.sseFault), 0);
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
  setXmm(t, n, t.b.emit(`setlane_${value.type as Scalar}`, XMM[n]!, value));
  t.floats.setLowLane(n, value);
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
