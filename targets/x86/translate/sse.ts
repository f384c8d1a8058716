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

/**
 * How the engine's instructions are good enough.
 * - `exact`: what they compute does not depend on the rounding direction and is never inexact, so that only NaNs and
 *   denormals among operands matter.
 * - `rounded`: only in the fast mode, in which inexact results go unnoticed.
 */
export type Precision = 'exact' | 'rounded';

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
 * The result of `fast` where `bad` makes 0 of it, else what the helper returns for `args`; always the latter in modes in
 * which the engine's instructions do not do.
 */
export function compute(
  t: Translation,
  precision: Precision,
  fast: () => Value,
  bad: (result: Value) => Value,
  helper: SseHelperName,
  ...args: (Value | number)[]
): Value {
  checkMode(t);
  const allowed = precision === 'exact' ? !(t.mode & FLAG_SSE_UNMASKED) : !(t.mode & FLAG_SSE_SLOW);
  if (!allowed) return callHelper(t, SSE_ROWS[helper], args);
  const result = fast();
  return t.b.cold(result, bad(result), SSE_ROWS[helper], ...args);
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

/** In the fast mode what the engine computes is all there is to it. */
export function unguarded(
  t: Translation,
  fast: () => Value,
  helper: SseHelperName,
  ...args: (Value | number)[]
): Value {
  checkMode(t);
  return t.mode & FLAG_SSE_SLOW ? callHelper(t, SSE_ROWS[helper], args) : fast();
}

/** Whether MXCSR is known to be as the fast mode wants it. */
export function isFast(t: Translation): boolean {
  checkMode(t);
  return !(t.mode & FLAG_SSE_SLOW);
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
