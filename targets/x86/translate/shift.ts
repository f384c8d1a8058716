// Shifts and rotates: ROL ROR RCL RCR SHL SHR SAR, SHLD and SHRD.
import { Cond } from '../../../tcg/ir/types.ts';
import { Const, type Value } from '../../../tcg/ir/value.ts';
import { Cc, CF, OF } from '../flags.ts';
import { type Operand, OperandKind } from '../operands.ts';
import { CC_SRC, REGS } from '../state.ts';
import { rowOf, sizeLog, type Translation } from './context.ts';

const SHL = rowOf('shl_i32');
const SHR = rowOf('shr_i32');
const SAR = rowOf('sar_i32');

/** The count operand modulo 32: a constant when it is one. */
function count(t: Translation, operand: Operand = t.src): Value {
  return t.b.and(t.read(operand), 31);
}

/** SHL (SAL): the last bit out is CF. Counts beyond the operand size shift everything out, as i32 arithmetic does up to 31. */
export function shl(t: Translation): void {
  shift(t, Cc.SHL, SHL);
}

/** SHR. */
export function shr(t: Translation): void {
  shift(t, Cc.SHR, SHR);
}

/** SAR: the operand is sign-extended to 32 bits first, so counts beyond its size repeat the sign. */
export function sar(t: Translation): void {
  shift(t, Cc.SHR, SAR);
}

function shift(t: Translation, kind: Cc, row: typeof SHL): void {
  const { b, dst } = t;
  const n = count(t);
  const size = sizeLog(dst.size);
  if (n instanceof Const && n.value === 0) {
    touch(t);
    return;
  }
  if (n instanceof Const && dst.kind === OperandKind.Reg32) {
    const reg = REGS[dst.num]!;
    t.flags.wrote(reg);
    if (n.value === 1) b.set(CC_SRC, reg);
    else b.push(row, CC_SRC, reg, b.sub(n, 1), null, 0, 0);
    b.push(row, reg, reg, n, null, 0, 0);
    t.flags.set(kind, 2, reg);
    return;
  }
  const old = t.fetch(dst);
  const wide = row === SAR ? b.sextract(old, 0, dst.size * 8) : old;
  const by = (m: Value) => (row === SHL ? b.shl(wide, m) : row === SHR ? b.shr(wide, m) : b.sar(wide, m));
  const result = by(n);
  // i32 shifts take the count modulo 32, so that a count of 0 does no harm.
  const before = by(b.sub(n, 1));
  putKept(t, dst, result);
  if (n instanceof Const) t.flags.set(kind, size, result, before);
  else t.flags.setIf(n, kind, size, result, before);
}

/** Writes what `fetch` read, keeping the value's own name. */
function putKept(t: Translation, dst: Operand, value: Value): void {
  if (dst.kind === OperandKind.Mem) t.putBack(dst, value);
  else t.write(dst, value);
}

/** What a count of 0 leaves to do: a memory operand is written all the same (and may fault). */
function touch(t: Translation): void {
  const { dst } = t;
  if (dst.kind === OperandKind.Mem) t.putBack(dst, t.fetch(dst));
}

/**
 * Replaces CF and OF in the lazily kept flags: `carry` has CF in bit 0, `overflow` OF in its bit 31. With a count that only
 * run time knows, both stay when it is 0.
 */
function setCarryOverflow(t: Translation, n: Value, carry: Value, overflow: Value): void {
  const { b } = t;
  const old = t.flags.all();
  const bit = b.and(carry, 1);
  const fresh = b.or(b.or(b.and(old, ~(CF | OF)), bit), b.shl(b.shr(overflow, 31), 11));
  if (n instanceof Const) t.flags.setAll(fresh, bit);
  else t.flags.setAll(b.select(n, fresh, old));
}

/** ROL: CF is bit 0 of the result, OF the exclusive or of CF and the top bit. */
export function rol(t: Translation): void {
  rotate(t, true);
}

/** ROR: CF is the top bit of the result, OF the exclusive or of the top two bits. */
export function ror(t: Translation): void {
  rotate(t, false);
}

function rotate(t: Translation, left: boolean): void {
  const { b, dst } = t;
  const bits = dst.size * 8;
  const n = count(t);
  if (n instanceof Const && n.value === 0) {
    touch(t);
    return;
  }
  const old = t.fetch(dst);
  // Narrow operands are repeated to fill 32 bits; then a 32-bit rotation does for all counts.
  const filled = bits === 32 ? old : bits === 8 ? b.mul(old, 0x01010101) : b.or(old, b.shl(old, 16));
  const result = left ? b.rotl(filled, n) : b.rotr(filled, n);
  putKept(t, dst, result);
  const top = b.shl(result, 32 - bits);
  if (left) setCarryOverflow(t, n, result, b.xor(b.shl(result, 31), top));
  else setCarryOverflow(t, n, b.shr(top, 31), b.xor(top, b.shl(top, 1)));
}

/** RCL and RCR: rotation through CF, counts modulo the size plus one. */
export function rcl(t: Translation): void {
  rotateThroughCarry(t, true);
}

export function rcr(t: Translation): void {
  rotateThroughCarry(t, false);
}

function rotateThroughCarry(t: Translation, left: boolean): void {
  const { b, dst } = t;
  const bits = dst.size * 8;
  const counted = count(t);
  if (counted instanceof Const && counted.value === 0) {
    touch(t);
    return;
  }
  const n = bits === 32 ? counted : b.remu(counted, bits + 1);
  const carryIn = b.extu64(t.flags.carry());
  const old = t.fetch(dst);
  // The number carry:operand of bits + 1 bits, twice in 64 bits where that fits; 33 bits need two parts.
  const wide = b.emit('or_i64', b.extu64(old), b.emit('shl_i64', carryIn, b.i64(bits)));
  const up = b.extu64(left ? n : b.sub(bits + 1, n));
  const down = b.extu64(left ? b.sub(bits + 1, n) : n);
  const both = b.emit('or_i64', b.emit('shl_i64', wide, up), b.emit('shr_i64', wide, down));
  const result = b.wrap(both);
  putKept(t, dst, result);
  const carry = b.wrap(b.emit('shr_i64', both, b.i64(bits)));
  const top = b.shl(result, 32 - bits);
  const overflow = left ? b.xor(b.shl(carry, 31), top) : b.xor(top, b.shl(top, 1));
  // For counts that are a multiple of the size plus one CF stays but OF is set all the same, as processors do; only a
  // masked count of 0 leaves both.
  setCarryOverflow(t, counted, carry, overflow);
}

/** SHLD and SHRD: bits of the second operand enter. */
export function shld(t: Translation): void {
  doubleShift(t, true);
}

export function shrd(t: Translation): void {
  doubleShift(t, false);
}

function doubleShift(t: Translation, left: boolean): void {
  const { b, dst } = t;
  const n = count(t, t.third);
  if (n instanceof Const && n.value === 0) {
    touch(t);
    return;
  }
  const src = t.read(t.src);
  const old = t.fetch(dst);
  const wide = left ? leftString(t, old, src) : rightString(t, old, src);
  const by = (m: Value) => {
    const moved = b.emit(left ? 'shl_i64' : 'shr_i64', wide, b.extu64(m));
    if (!left) return b.wrap(moved);
    return dst.size === 4 ? b.high(moved) : b.shr(b.high(moved), 16);
  };
  const result = by(n);
  let before = by(n instanceof Const ? b.sub(n, 1) : b.and(b.sub(n, 1), 31));
  // The last bit out of a word shifted by more than 16 is 0 (undefined in the manual; see undefined-flags.ts).
  if (dst.size === 2) before = b.select(b.setcond(Cond.GTU, n, 16), left ? 0 : b.and(before, -2), before);
  putKept(t, dst, result);
  const kind = left ? Cc.SHL : Cc.SHR;
  if (n instanceof Const) t.flags.set(kind, sizeLog(dst.size), result, before);
  else t.flags.setIf(n, kind, sizeLog(dst.size), result, before);
}

/**
 * What SHLD shifts left, in the upper bits of 64: destination and source; for words the source twice, which is what
 * processors show for counts above 16, undefined in the manual.
 */
function leftString(t: Translation, old: Value, src: Value): Value {
  const { b } = t;
  if (t.dst.size === 4) return b.concat(src, old);
  return b.concat(b.or(b.shl(src, 16), src), b.or(b.shl(old, 16), src));
}

/** What SHRD shifts right: source and destination, for words the source twice. */
function rightString(t: Translation, old: Value, src: Value): Value {
  const { b } = t;
  if (t.dst.size === 4) return b.concat(old, src);
  return b.concat(b.or(old, b.shl(src, 16)), src);
}
