// Data transfer instructions: FLD, FST, FILD, FIST, FISTTP, FBLD, FBSTP, FXCH, FCMOVcc and the constants
// (AssemblyScript).
//
// Stores to memory return the value (or leave it in `fpscratch`); the caller writes it if `fpstore` is 1 and only then
// pops with `fpop`, so that a page fault of the write leaves the stack as it was.

import {
  ABORTING, DEFAULT_NAN_SIG, EXP_MAX, QUIET_BIT, RC_MASK, RC_NEAREST, RC_UP, RC_ZERO, SIGN, isNan,
} from '../../../../src/softfloat/f80-core.as';
import {
  f80FromBcd, f80FromF32, f80FromF64, f80FromI64, f80ToBcd, f80ToF32, f80ToF64, f80ToInt, rBcdHi, rBits, wideSe,
  wideSig,
} from '../../../../src/softfloat/f80-convert.as';
import { FPEMPTY, FPSCRATCH, FPSCRATCHHI } from './layout.as';
import {
  STACK_UNDERFLOW, isEmpty, markFull, mode, physical, popStack, push, pushNan, setSlot, signal, signalStore, slot,
  slotSe, slotSig, underflowTo,
} from './state.as';

/** FLD m32fp. */
export function fld_m32(env: usize, bits: i32): void {
  const flags = f80FromF32(bits);
  push(env, wideSe, quieted(wideSe, wideSig), flags);
}

/** FLD m64fp. */
export function fld_m64(env: usize, bits: u64): void {
  const flags = f80FromF64(bits);
  push(env, wideSe, quieted(wideSe, wideSig), flags);
}

// @ts-ignore: decorator
@inline
function quieted(se: i32, sig: u64): u64 {
  return isNan(se, sig) ? sig | QUIET_BIT : sig;
}

/** FLD m80fp: any encoding is loaded as it is. */
export function fld_m80(env: usize, sig: u64, se: i32): void {
  push(env, se & 0xffff, sig, 0);
}

/** FLD ST(i). */
export function fld_st(env: usize, i: i32): void {
  const r = physical(env, i);
  if (isEmpty(env, r)) {
    // Reported as underflow even if the stack is full as well.
    if (!signal(env, STACK_UNDERFLOW, ABORTING)) pushNan(env);
    return;
  }
  const s = slot(env, r);
  push(env, slotSe(s), slotSig(s), 0);
}

/** FILD m16int, m32int (sign-extended by the caller). */
export function fild(env: usize, value: i32): void {
  f80FromI64(value);
  push(env, wideSe, wideSig, 0);
}

/** FILD m64int. */
export function fild_m64(env: usize, value: i64): void {
  f80FromI64(value);
  push(env, wideSe, wideSig, 0);
}

/** FBLD m80bcd. */
export function fbld(env: usize, lo: u64, hi: i32): void {
  f80FromBcd(lo, hi & 0xffff);
  push(env, wideSe, wideSig, 0);
}

/** FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ for n = 0..6 (the low bits of the opcode). */
export function fld_const(env: usize, n: i32): void {
  const rc = mode(env) & RC_MASK;
  const up = u64(rc == RC_UP);
  const nearUp = u64(rc == RC_UP || rc == RC_NEAREST);
  switch (n) {
    case 0: push(env, 0x3fff, 0x8000000000000000, 0); break;
    case 1: push(env, 0x4000, 0xd49a784bcd1b8afe + up, 0); break;
    case 2: push(env, 0x3fff, 0xb8aa3b295c17f0bb + nearUp, 0); break;
    case 3: push(env, 0x4000, 0xc90fdaa22168c234 + nearUp, 0); break;
    case 4: push(env, 0x3ffd, 0x9a209a84fbcff798 + nearUp, 0); break;
    case 5: push(env, 0x3ffe, 0xb17217f7d1cf79ab + nearUp, 0); break;
    default: push(env, 0, 0, 0);
  }
}

/** Flags of a store from an empty ST(0); the caller returns the format's indefinite value. */
function storeUnderflow(env: usize): void {
  signalStore(env, STACK_UNDERFLOW);
}

/** FST/FSTP m32fp: the f32 bits. */
export function fst_m32(env: usize): i32 {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    storeUnderflow(env);
    return 0xffc00000;
  }
  const s = slot(env, r);
  signalStore(env, f80ToF32(slotSe(s), slotSig(s), mode(env)));
  return i32(rBits);
}

/** FST/FSTP m64fp: the f64 bits. */
export function fst_m64(env: usize): u64 {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    storeUnderflow(env);
    return 0xfff8000000000000;
  }
  const s = slot(env, r);
  signalStore(env, f80ToF64(slotSe(s), slotSig(s), mode(env)));
  return rBits;
}

// @ts-ignore: decorator
@inline
function toScratch(env: usize, se: i32, sig: u64): void {
  store<u64>(env, sig, FPSCRATCH);
  store<i32>(env, se, FPSCRATCHHI);
}

/** FSTP m80fp, into the scratch fields. */
export function fst_m80(env: usize): void {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    storeUnderflow(env);
    toScratch(env, SIGN | EXP_MAX, DEFAULT_NAN_SIG);
    return;
  }
  const s = slot(env, r);
  signalStore(env, 0);
  toScratch(env, slotSe(s), slotSig(s));
}

/** FBSTP m80bcd, into the scratch fields. */
export function fbst(env: usize): void {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    storeUnderflow(env);
    toScratch(env, 0xffff, DEFAULT_NAN_SIG);
    return;
  }
  const s = slot(env, r);
  signalStore(env, f80ToBcd(slotSe(s), slotSig(s), mode(env)));
  toScratch(env, rBcdHi, rBits);
}

// @ts-ignore: decorator
@inline
function storeInt(env: usize, bits: i32, truncate: i32): u64 {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    storeUnderflow(env);
    return u64(i64(-1) << (bits - 1));
  }
  const s = slot(env, r);
  signalStore(env, f80ToInt(slotSe(s), slotSig(s), bits, truncate ? mode(env) | RC_ZERO : mode(env)));
  return rBits;
}

/** FIST/FISTP m16int; FISTTP if `truncate`. */
export function fist_m16(env: usize, truncate: i32): i32 {
  return i32(storeInt(env, 16, truncate));
}

/** FIST/FISTP m32int; FISTTP if `truncate`. */
export function fist_m32(env: usize, truncate: i32): i32 {
  return i32(storeInt(env, 32, truncate));
}

/** FISTP m64int; FISTTP if `truncate`. */
export function fist_m64(env: usize, truncate: i32): i64 {
  return i64(storeInt(env, 64, truncate));
}

/** The pop after a store to memory that was written. */
export function fpop(env: usize): void {
  popStack(env);
}

/** FST ST(i), FSTP ST(i). */
export function fst_st(env: usize, i: i32, pop: i32): void {
  const from = physical(env, 0);
  const to = physical(env, i);
  if (isEmpty(env, from)) {
    underflowTo(env, to, pop);
    return;
  }
  signal(env, 0, 0);
  const s = slot(env, from);
  setSlot(slot(env, to), slotSe(s), slotSig(s));
  markFull(env, to);
  if (pop) popStack(env);
}

/** FXCH ST(i): an empty register counts as the default NaN. */
export function fxch(env: usize, i: i32): void {
  const a = physical(env, 0);
  const b = physical(env, i);
  const sa = slot(env, a);
  const sb = slot(env, b);
  if (load<i32>(env, FPEMPTY) & ((1 << a) | (1 << b))) {
    if (signal(env, STACK_UNDERFLOW, ABORTING)) return;
    if (isEmpty(env, a)) setSlot(sa, SIGN | EXP_MAX, DEFAULT_NAN_SIG);
    if (isEmpty(env, b)) setSlot(sb, SIGN | EXP_MAX, DEFAULT_NAN_SIG);
    markFull(env, a);
    markFull(env, b);
  } else {
    signal(env, 0, 0);
  }
  const se = slotSe(sa);
  const sig = slotSig(sa);
  setSlot(sa, slotSe(sb), slotSig(sb));
  setSlot(sb, se, sig);
}

/** FCMOVcc ST(0), ST(i) with the condition evaluated by the caller; empty registers fault whatever the condition. */
export function fcmov(env: usize, i: i32, condition: i32): void {
  const to = physical(env, 0);
  const from = physical(env, i);
  if (load<i32>(env, FPEMPTY) & ((1 << to) | (1 << from))) {
    underflowTo(env, to, 0);
    return;
  }
  if (condition == 0) return;
  const s = slot(env, from);
  setSlot(slot(env, to), slotSe(s), slotSig(s));
}
