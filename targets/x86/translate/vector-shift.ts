// Packed shifts (SDM vol. 1, 9.4.7, 11.4.2) and SSE4a's bit fields: counts from an immediate or the low 64 bits of a register.
import { Cond } from '../../../tcg/ir/types.ts';
import { const32, const64, type Value } from '../../../tcg/ir/value.ts';
import { OperandKind } from '../operands.ts';
import { XMM } from '../state.ts';
import type { Translation } from './context.ts';
import { type Handler, mmx, readMmx, readMmx64, readVector, setMmx, setXmm, shuffle, ZERO_VECTOR } from './vector.ts';

type ShiftOp = 'shl_vec' | 'shr_vec' | 'sar_vec';

/** A shift by a known count; counts beyond the lane leave zeros, or copies of the sign. */
function byConstant(t: Translation, name: ShiftOp, lane: number, a: Value, count: number): Value {
  if (count >= lane) {
    if (name !== 'sar_vec') return ZERO_VECTOR;
    count = lane - 1;
  }
  return t.b.emit(name, a, const32(count), null, lane);
}

/** The same for a count of 64 bits known at run time. */
function byVector(t: Translation, name: ShiftOp, lane: number, a: Value, count: Value): Value {
  const { b } = t;
  const within = b.emit('setcond_i64', count, const64(BigInt(lane)), null, Cond.LTU);
  const low = b.wrap(count);
  if (name === 'sar_vec') return b.emit(name, a, b.select(within, low, lane - 1), null, lane);
  const shifted = b.emit(name, a, low, null, lane);
  return b.emit('and_v128', shifted, b.emit('splat_i32', b.neg(within), null, null, 32));
}

function shift(name: ShiftOp, lane: number): Handler {
  const onMmx = mmx((t) => {
    const { dst, src } = t;
    if (src.kind === OperandKind.Imm) {
      setMmx(t, dst.num, byConstant(t, name, lane, readMmx(t, dst), t.insn.imm));
      return;
    }
    const count = readMmx64(t, src);
    setMmx(t, dst.num, byVector(t, name, lane, readMmx(t, dst), count));
  });
  return (t) => {
    const { b, dst, src } = t;
    if (dst.kind === OperandKind.Mmx) onMmx(t);
    else if (src.kind === OperandKind.Imm) {
      setXmm(t, dst.num, byConstant(t, name, lane, XMM[dst.num]!, t.insn.imm));
    } else {
      const count = b.emit('lane_i64', readVector(t, src), null, null, 0);
      setXmm(t, dst.num, byVector(t, name, lane, XMM[dst.num]!, count));
    }
  };
}

/** PSLLDQ, PSRLDQ: a shift of the whole register by bytes. */
function byteShift(left: boolean): Handler {
  return (t) => {
    const count = Math.min(t.insn.imm, 16);
    const from = left ? 16 - count : count;
    const order = Array.from({ length: 16 }, (_, i) => from + i);
    const register = XMM[t.dst.num]!;
    setXmm(t, t.dst.num, left ? shuffle(t, ZERO_VECTOR, register, order) : shuffle(t, register, ZERO_VECTOR, order));
  };
}

/** The low `length` bits set; a length of 0 stands for 64. */
function fieldMask(length: number): bigint {
  return length === 0 ? (1n << 64n) - 1n : (1n << BigInt(length)) - 1n;
}

/** The same for a length known at run time. */
function runMask(t: Translation, length: Value): Value {
  const { b } = t;
  // 64 - length, which for 0 is 0 too when the shift takes it modulo 64.
  return b.emit('shr_i64', const64(-1n), b.emit('sub_i64', const64(64n), length));
}

/** The six bits of a field's length or place from bit `at` of a control word. */
function controlBits(t: Translation, control: Value, at: number): Value {
  const { b } = t;
  return b.emit('and_i64', b.emit('shr_i64', control, const64(BigInt(at))), const64(63n));
}

/** The low half becomes `low`; processors clear the high half, which the manual leaves undefined. */
function setLow(t: Translation, low: Value): void {
  setXmm(t, t.dst.num, t.b.emit('setlane_i64', ZERO_VECTOR, low, null, 0));
}

/** EXTRQ: a bit field of the low half, moved down. */
function extrq(t: Translation): void {
  const { b, dst, src, insn } = t;
  const value = b.emit('lane_i64', XMM[dst.num]!, null, null, 0);
  if (src.kind === OperandKind.Imm) {
    const shifted = b.emit('shr_i64', value, const64(BigInt(insn.imm2 & 63)));
    setLow(t, b.emit('and_i64', shifted, const64(fieldMask(insn.imm & 63))));
    return;
  }
  const control = b.emit('lane_i64', XMM[src.num]!, null, null, 0);
  const shifted = b.emit('shr_i64', value, controlBits(t, control, 8));
  setLow(t, b.emit('and_i64', shifted, runMask(t, controlBits(t, control, 0))));
}

/** INSERTQ: the low bits of the source as a bit field of the destination. */
function insertq(t: Translation): void {
  const { b, dst, src, insn } = t;
  const value = b.emit('lane_i64', XMM[dst.num]!, null, null, 0);
  const field = b.emit('lane_i64', XMM[src.num]!, null, null, 0);
  let mask: Value;
  let place: Value;
  if (t.third.kind === OperandKind.Imm) {
    mask = const64(fieldMask(insn.imm & 63));
    place = const64(BigInt(insn.imm2 & 63));
  } else {
    const control = b.emit('lane_i64', XMM[src.num]!, null, null, 1);
    mask = runMask(t, controlBits(t, control, 0));
    place = controlBits(t, control, 8);
  }
  const moved = b.emit('shl_i64', b.emit('and_i64', field, mask), place);
  const kept = b.emit('and_i64', value, b.emit('xor_i64', b.emit('shl_i64', mask, place), const64(-1n)));
  setLow(t, b.emit('or_i64', kept, moved));
}

export const SHIFT_HANDLERS = {
  EXTRQ: extrq,
  INSERTQ: insertq,
  PSLLD: shift('shl_vec', 32),
  PSLLDQ: byteShift(true),
  PSLLQ: shift('shl_vec', 64),
  PSLLW: shift('shl_vec', 16),
  PSRAD: shift('sar_vec', 32),
  PSRAW: shift('sar_vec', 16),
  PSRLD: shift('shr_vec', 32),
  PSRLDQ: byteShift(false),
  PSRLQ: shift('shr_vec', 64),
  PSRLW: shift('shr_vec', 16),
} as const satisfies Record<string, Handler>;
