// How SSE arithmetic is done as MXCSR asks: by the engine's instructions where nothing tells them apart, else by helpers.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond, Exit, MO_32, MO_64 } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { denormals, type GuardOptions } from '../../float-guard.ts';
import { SSE_ROWS, type SseHelperName } from '../helpers/sse-table.ts';
import { FLAG_SSE_SLOW, FLAG_SSE_UNMASKED, SSE_FAST_BITS, SSE_FAST_VALUE } from '../mode.ts';
import { type Operand, OperandKind } from '../operands.ts';
import { X86_OFFSETS, XMM } from '../state.ts';
import { Vector } from '../vectors.ts';
import type { Translation } from './context.ts';
import { setXmm } from './vector.ts';

/** A scalar type: of SS instructions or of SD ones. */
export type Scalar = 'f32' | 'f64';

/** Operands that are denormal raise the denormal flag, or are flushed. */
export const X86_GUARD: GuardOptions = { operands: true };

/** How an operation is done by the engine's instructions, and how to tell where that is not enough. */
export interface Fast {
  readonly result: () => Value;
  /** Not 0 where the operands or the result call for the helper in every mode. */
  readonly bad: (result: Value) => Value;
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

/**
 * The result of `fast` or, where that does not do, what the helper returns for `args`. In the fast mode inexact results go
 * unnoticed; while exceptions are masked exact ones need no other care; else the helper does everything.
 */
export function compute(t: Translation, fast: Fast, helper: SseHelperName, ...args: (Value | number)[]): Value {
  checkMode(t);
  if (t.mode & FLAG_SSE_UNMASKED) return callHelper(t, SSE_ROWS[helper], args);
  const { b } = t;
  const result = fast.result();
  let bad = fast.bad(result);
  if (t.mode & FLAG_SSE_SLOW && fast.inexact) bad = b.or(bad, fast.inexact(result));
  return b.cold(result, bad, SSE_ROWS[helper], ...args);
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

// ---- scalar operands

/** The low lane of an XMM register, or a scalar in memory. */
export function readScalar(t: Translation, operand: Operand, type: Scalar): Value {
  const { b } = t;
  if (operand.kind === OperandKind.Xmm) return b.emit(`lane_${type}`, XMM[operand.num]!);
  return b.emit(`guest_ld_${type}`, t.address(), null, null, (type === 'f32' ? MO_32 : MO_64) | t.align);
}

/** The low lane of the destination. */
export function scalarOf(t: Translation, n: number, type: Scalar): Value {
  return t.b.emit(`lane_${type}`, XMM[n]!);
}

/** Writes the low lane of an XMM register; the others stay. */
export function setScalar(t: Translation, n: number, value: Value): void {
  setXmm(t, n, t.b.emit(`setlane_${value.type as Scalar}`, XMM[n]!, value));
}

/** Not 0 where one of the scalars is a denormal or a NaN. */
export function odd(t: Translation, type: Scalar, values: readonly Value[]): Value {
  const { b } = t;
  let any = denormals(b, type, values);
  for (const value of values) any = b.or(any, b.emit(`setcond_${type}`, value, value, null, Cond.NE));
  return any;
}
