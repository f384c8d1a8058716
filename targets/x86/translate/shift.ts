// Shifts and rotates: ROL ROR RCL RCR SHL SHR SAR, SHLD and SHRD.
import { Const, type Value } from '../../../tcg/ir/value.ts';
import { Cc, CF, OF } from '../flags.ts';
import { modify } from './arithmetic.ts';
import { sizeLog, type Translation } from './context.ts';

/** The count operand modulo 32: a constant when it is one. */
function count(t: Translation, operand = t.src): Value {
  return t.b.copy(t.b.and(t.read(operand), 31));
}

/** SHL (SAL): the last bit out is CF. Counts beyond the operand size shift everything out, as i32 arithmetic does up to 31. */
export function shl(t: Translation): void {
  shift(
    t,
    Cc.SHL,
    (x, n) => t.b.shl(x, n),
    (x) => x,
  );
}

/** SHR. */
export function shr(t: Translation): void {
  shift(
    t,
    Cc.SHR,
    (x, n) => t.b.shr(x, n),
    (x) => x,
  );
}

/** SAR: the operand is sign-extended to 32 bits first, so counts beyond its size repeat the sign. */
export function sar(t: Translation): void {
  const bits = t.dst.size * 8;
  shift(
    t,
    Cc.SHR,
    (x, n) => t.b.sar(x, n),
    (x) => t.b.sextract(x, 0, bits),
  );
}

function shift(t: Translation, kind: Cc, by: (x: Value, n: Value) => Value, widen: (x: Value) => Value): void {
  const { b, dst } = t;
  const n = count(t);
  const size = sizeLog(dst.size);
  if (n instanceof Const && n.value === 0) {
    // Nothing changes, but a memory operand is still written (and may fault).
    modify(t, dst, null, null, (x) => x);
    return;
  }
  const old = modify(t, dst, null, null, (x) => by(widen(x), n));
  const before = n instanceof Const ? by(widen(old), b.sub(n, 1)) : by(widen(old), b.and(b.sub(n, 1), 31));
  if (n instanceof Const) t.flags.set(kind, size, t.result, before);
  else t.flags.setIf(n, kind, size, t.result, before);
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
    modify(t, dst, null, null, (x) => x);
    return;
  }
  // Narrow operands are repeated to fill 32 bits; then a 32-bit rotation does for all counts.
  const fill = (x: Value) => {
    const y = bits === 8 ? b.mul(b.extract(x, 0, 8), 0x01010101) : b.or(b.extract(x, 0, 16), b.shl(x, 16));
    return left ? b.rotl(y, n) : b.rotr(y, n);
  };
  modify(t, dst, null, null, (x) => (bits === 32 ? (left ? b.rotl(x, n) : b.rotr(x, n)) : fill(x)));
  const top = b.shl(t.result, 32 - bits);
  if (left) setCarryOverflow(t, n, t.result, b.xor(b.shl(t.result, 31), top));
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
  const n = bits === 32 ? counted : b.remu(counted, bits + 1);
  const carryIn = b.extu64(t.flags.carry());
  // The bits + 1 wide number carry:operand, twice in 64 bits where that fits; 33 bits need two parts.
  const result64 = (x: Value) => {
    const wide = b.emit('or_i64', b.extu64(b.extract(x, 0, bits)), b.emit('shl_i64', carryIn, b.i64(bits)));
    const up = b.extu64(left ? n : b.sub(bits + 1, n));
    const down = b.extu64(left ? b.sub(bits + 1, n) : n);
    return b.emit('or_i64', b.emit('shl_i64', wide, up), b.emit('shr_i64', wide, down));
  };
  const old = modify(t, dst, null, null, (x) => b.wrap(result64(x)));
  const carry = b.wrap(b.emit('shr_i64', result64(old), b.i64(bits)));
  const top = b.shl(t.result, 32 - bits);
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
  const src = b.copy(t.read(t.src));
  if (n instanceof Const && n.value === 0) {
    modify(t, dst, null, null, (x) => x);
    return;
  }
  const bits = dst.size * 8;
  // Both operands as one 64-bit number, the destination in the half that stays. Word operands with counts over 16, which
  // the manual leaves undefined, go on with the destination's own bits, as processors do.
  const compute = (x: Value, by: Value) => {
    const narrow = b.extract(x, 0, bits);
    const rest =
      bits === 32 ? src : left ? b.or(b.shl(src, 16), narrow) : b.or(b.extract(src, 0, 16), b.shl(narrow, 16));
    if (left) {
      const wide = b.concat(rest, bits === 32 ? x : b.or(b.shl(narrow, 16), b.extract(src, 0, 16)));
      const shifted = b.high(b.emit('shl_i64', wide, b.extu64(by)));
      return bits === 32 ? shifted : b.shr(shifted, 16);
    }
    const wide = b.concat(bits === 32 ? x : b.or(narrow, b.shl(src, 16)), bits === 32 ? src : rest);
    return b.wrap(b.emit('shr_i64', wide, b.extu64(by)));
  };
  const old = modify(t, dst, null, null, (x) => compute(x, n));
  const before = compute(old, b.sub(n, 1));
  const kind = left ? Cc.SHL : Cc.SHR;
  if (n instanceof Const) t.flags.set(kind, sizeLog(dst.size), t.result, before);
  else t.flags.setIf(n, kind, sizeLog(dst.size), t.result, before);
}
