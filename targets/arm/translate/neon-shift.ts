// Advanced SIMD shifts by an immediate and by a register, with rounding, saturation, insertion and narrowing; VMOVN and kin.
import { Cond } from '../../../tcg/ir/types.ts';
import type { Const, Value } from '../../../tcg/ir/value.ts';
import { vectorHelper } from '../helpers/vector-table.ts';
import { expandModified, lanesOf, vectorConst } from '../vector-constants.ts';
import type { Handler, Translation } from './context.ts';
import { byHalves } from './neon-integer.ts';
import {
  ALL_SIZES,
  belowUnsigned,
  choose,
  compareLanes,
  dOf,
  laneBits,
  mOf,
  noteSaturation,
  op2,
  readVector,
  same,
  shiftLanes,
  signedMax,
  writeVector,
} from './neon-registers.ts';
import { narrow, widen } from './neon-wide.ts';

// ---- by an immediate: L and the first one of the immediate tell the lane width

/** Lane width of a shift's immediate with its L bit in front; 0 for the rows of modified immediates. */
function widthOf(t: Translation): number {
  const { z, i } = t.insn;
  if (z) return 64;
  return i & 32 ? 32 : i & 16 ? 16 : i & 8 ? 8 : 0;
}

/** x >> by, from 1 to the width; `rounds` half a unit up. */
function shiftRight(t: Translation, x: Value, by: number, bits: number, U: number, rounds = false): Value {
  const op = U ? 'shr_vec' : 'sar_vec';
  const plain =
    by < bits ? shiftLanes(t, op, x, by, bits) : U ? lanesOf(bits, 0) : shiftLanes(t, op, x, bits - 1, bits);
  if (!rounds) return plain;
  const half = op2(t, 'and_v128', shiftLanes(t, 'shr_vec', x, by - 1, bits), lanesOf(bits, 1));
  return op2(t, 'add_vec', plain, half, bits);
}

type Shift = (t: Translation, x: Value, by: number, bits: number, U: number) => Value;

/** d = compute(m, amount), the amount being `right` one. */
function immediate(right: boolean, compute: Shift): Handler {
  return (t) => {
    const { q, i, U } = t.insn;
    const [d, m] = [dOf(t), mOf(t)];
    const bits = widthOf(t);
    if (bits === 0 || (q && (d | m) & 1)) return t.undefined();
    const value = bits === 64 ? i : i & (bits - 1);
    writeVector(t, d, q, compute(t, readVector(t, m, q), right ? bits - value : value, bits, U));
  };
}

function accumulated(compute: Shift): Shift {
  return (t, x, by, bits, U) => op2(t, 'add_vec', readVector(t, dOf(t), t.insn.q), compute(t, x, by, bits, U), bits);
}

const plainRight: Shift = (t, x, by, bits, U) => shiftRight(t, x, by, bits, U);
const roundedRight: Shift = (t, x, by, bits, U) => shiftRight(t, x, by, bits, U, true);

const insertRight: Shift = (t, x, by, bits) => {
  const mask = lanesOf(bits, ((1n << BigInt(bits)) - 1n) >> BigInt(by));
  return choose(t, mask, shiftRight(t, x, by, bits, 1), readVector(t, dOf(t), t.insn.q));
};

const insertLeft: Shift = (t, x, by, bits) => {
  const mask = lanesOf(bits, ((1n << BigInt(bits)) - 1n) << BigInt(by));
  return choose(t, mask, shiftLanes(t, 'shl_vec', x, by, bits), readVector(t, dOf(t), t.insn.q));
};

/** What does not come back when it is shifted back is saturated. */
const saturatingLeft: Shift = (t, x, by, bits, U) => {
  const shifted = shiftLanes(t, 'shl_vec', x, by, bits);
  const back = shiftLanes(t, U ? 'shr_vec' : 'sar_vec', shifted, by, bits);
  const fits = compareLanes(t, Cond.EQ, back, x, bits);
  const limit = U
    ? lanesOf(bits, -1)
    : op2(t, 'xor_v128', shiftLanes(t, 'sar_vec', x, bits - 1, bits), signedMax(bits));
  noteSaturation(t, t.b.emit('not_v128', fits), t.insn.q);
  return choose(t, fits, shifted, limit);
};

/** Signed lanes to unsigned ones: negative ones become 0. */
const saturatingLeftUnsigned: Shift = (t, x, by, bits) => {
  const negative = shiftLanes(t, 'sar_vec', x, bits - 1, bits);
  const shifted = shiftLanes(t, 'shl_vec', x, by, bits);
  const fits = compareLanes(t, Cond.EQ, shiftLanes(t, 'shr_vec', shifted, by, bits), x, bits);
  const wrong = op2(t, 'or_v128', negative, t.b.emit('not_v128', fits));
  noteSaturation(t, wrong, t.insn.q);
  return op2(t, 'andc_v128', op2(t, 'or_v128', shifted, t.b.emit('not_v128', fits)), negative);
};

// ---- narrowing

/** What becomes of lanes whose value does not fit half their width. */
export type Narrowing = 'plain' | 'signed' | 'unsigned' | 'signedToUnsigned';

/** Lanes of `bits` in a low half at half the width. */
function narrowTo(t: Translation, x: Value, bits: number, kind: Narrowing): Value {
  if (kind === 'plain') return narrow(t, x, bits);
  const half = bits / 2;
  const limit = (high: Const): [Value, Value] => {
    const over = kind === 'unsigned' ? belowUnsigned(t, high, x, bits) : compareLanes(t, Cond.GT, x, high, bits);
    return [over, choose(t, over, high, x)];
  };
  if (kind === 'unsigned') {
    const [over, value] = limit(lanesOf(bits, (1n << BigInt(half)) - 1n));
    noteSaturation(t, over, 1);
    return narrow(t, value, bits);
  }
  const signed = kind === 'signed';
  const [over, value] = limit(lanesOf(bits, (1n << BigInt(signed ? half - 1 : half)) - 1n));
  const low = lanesOf(bits, signed ? -(1n << BigInt(half - 1)) : 0n);
  const under = compareLanes(t, Cond.LT, value, low, bits);
  noteSaturation(t, op2(t, 'or_v128', over, under), 1);
  return narrow(t, choose(t, under, low, value), bits);
}

/** D d = narrowed Q m. */
function narrowing(kind: Narrowing): Handler {
  return (t) => {
    const { s } = t.insn;
    const [d, m] = [dOf(t), mOf(t)];
    if (s === 3 || m & 1) return t.undefined();
    writeVector(t, d, 0, narrowTo(t, readVector(t, m, 1), 2 * laneBits(s), kind));
  };
}

/** D d = narrowed Q m >> amount; `kind` by U. */
function shiftNarrow(kind: (U: number) => Narrowing, rounds: boolean): Handler {
  return (t) => {
    const { i, U } = t.insn;
    const [d, m] = [dOf(t), mOf(t)];
    const half = widthOf(t);
    if (half === 0 || m & 1) return t.undefined();
    const bits = 2 * half;
    const by = half - (i & (half - 1));
    const chosen = kind(U);
    const shifted = shiftRight(
      t,
      readVector(t, m, 1),
      by,
      bits,
      chosen === 'unsigned' ? 1 : chosen === 'plain' ? 1 : 0,
      rounds,
    );
    writeVector(t, d, 0, narrowTo(t, shifted, bits, chosen));
  };
}

/** Q d = widened D m << amount; by 0 it is VMOVL. */
const shiftLong: Handler = (t) => {
  const { i, U } = t.insn;
  const [d, m] = [dOf(t), mOf(t)];
  const bits = widthOf(t);
  if (bits === 0 || d & 1) return t.undefined();
  writeVector(t, d, 1, shiftLanes(t, 'shl_vec', widen(t, readVector(t, m, 0), bits, U), i & (bits - 1), 2 * bits));
};

const shiftLongByWidth: Handler = (t) => {
  const { s } = t.insn;
  const [d, m] = [dOf(t), mOf(t)];
  if (s === 3 || d & 1) return t.undefined();
  const bits = laneBits(s);
  writeVector(t, d, 1, shiftLanes(t, 'shl_vec', widen(t, readVector(t, m, 0), bits, 1), bits, 2 * bits));
};

// ---- by a register: the low byte of each lane is a signed amount

/** Bits of the `form` argument of the helper behind the lane width. */
const UNSIGNED = 0x100;
const ROUNDING = 0x200;

/** m is shifted by n. */
function byRegister(helper: 'neon_shift' | 'neon_qshift', rounds: boolean): Handler {
  return same(ALL_SIZES, (t, amount, x, bits, U) => {
    const form = bits | (U ? UNSIGNED : 0) | (rounds ? ROUNDING : 0);
    return byHalves(t, t.insn.q, (a, by) => t.b.call(vectorHelper(helper), a, by, form), x, amount);
  });
}

// ---- one register and a modified immediate

const modifiedImmediate: Handler = (t) => {
  const { q, k, o, i } = t.insn;
  const d = dOf(t);
  const value = expandModified(k, o, i);
  if (value === null || (q && d & 1)) return t.undefined();
  // VORR and VBIC; VMVN; VMOV.
  if (k < 12 && k & 1) writeVector(t, d, q, op2(t, o ? 'andc_v128' : 'or_v128', readVector(t, d, q), value));
  else if (o && k < 14) writeVector(t, d, q, vectorConst([...(value.value as Uint8Array)].map((x) => ~x & 0xff)));
  else writeVector(t, d, q, value);
};

const PLAIN = (): Narrowing => 'plain';
const TO_UNSIGNED = (): Narrowing => 'signedToUnsigned';
const BY_U = (U: number): Narrowing => (U ? 'unsigned' : 'signed');

export const NEON_SHIFT = {
  VSHR: immediate(true, plainRight),
  VSRA: immediate(true, accumulated(plainRight)),
  VRSHR: immediate(true, roundedRight),
  VRSRA: immediate(true, accumulated(roundedRight)),
  VSRI: immediate(true, insertRight),
  VSHL_imm: immediate(false, (t, x, by, bits) => shiftLanes(t, 'shl_vec', x, by, bits)),
  VSLI: immediate(false, insertLeft),
  VQSHLU: immediate(false, saturatingLeftUnsigned),
  VQSHL_imm: immediate(false, saturatingLeft),
  VSHRN: shiftNarrow(PLAIN, false),
  VRSHRN: shiftNarrow(PLAIN, true),
  VQSHRUN: shiftNarrow(TO_UNSIGNED, false),
  VQRSHRUN: shiftNarrow(TO_UNSIGNED, true),
  VQSHRN: shiftNarrow(BY_U, false),
  VQRSHRN: shiftNarrow(BY_U, true),
  VSHLL_imm: shiftLong,
  VSHLL_max: shiftLongByWidth,
  VMOVN: narrowing('plain'),
  VQMOVUN: narrowing('signedToUnsigned'),
  VQMOVN: (t: Translation) => narrowing(BY_U(t.insn.U))(t),
  VSHL_reg: byRegister('neon_shift', false),
  VRSHL: byRegister('neon_shift', true),
  VQSHL_reg: byRegister('neon_qshift', false),
  VQRSHL: byRegister('neon_qshift', true),
  VMOV_modified: modifiedImmediate,
} satisfies Record<string, Handler>;
