// Arithmetic instructions: FADD, FSUB, FMUL, FDIV in all forms, FSQRT, FABS, FCHS, FRNDINT, FSCALE, FXTRACT, FPREM,
// FPREM1 (AssemblyScript).

import { FLIP_A, FLIP_B, f80Add, f80Div, f80Mul, f80Sqrt } from '../../../../src/softfloat/f80-arith.as';
import {
  f80FromF32, f80FromF64, f80FromI64, f80RoundToInt, wideSe, wideSig,
} from '../../../../src/softfloat/f80-convert.as';
import { ABORTING, DE, EXP_MAX, IE, PC_64, SIGN, ZE, isNan } from '../../../../src/softfloat/f80-core.as';
import {
  NO_QUOTIENT, f80Extract, f80Remainder, f80Scale, rQuotient,
} from '../../../../src/softfloat/f80-parts.as';
import { FPEMPTY, FPSCRATCH, FPSW } from './layout.as';
import {
  C0, C1, C2, C3, STACK_OVERFLOW, STACK_UNDERFLOW, enter, fillTwo, finish, isEmpty, mode, physical, setSlot, signal,
  slot, slotSe, slotSig, underflowTo,
} from './state.as';

const ADD: i32 = 0;
const SUB: i32 = 1;
const SUBR: i32 = 2;
const MUL: i32 = 3;
const DIV: i32 = 4;
const DIVR: i32 = 5;

// One function per operation holds the inlined arithmetic; all forms of the instruction call it.

/** The register at `a` becomes itself + b, with the signs of `flips` changed first. */
function addTo(env: usize, a: usize, bSe: i32, bSig: u64, flips: i32, pop: i32): void {
  finish(env, f80Add(a, slotSe(a), slotSig(a), bSe, bSig, flips, mode(env)), pop);
}

function mulTo(env: usize, a: usize, bSe: i32, bSig: u64, pop: i32): void {
  finish(env, f80Mul(a, slotSe(a), slotSig(a), bSe, bSig, mode(env)), pop);
}

// @ts-ignore: decorator
@inline
function operate(op: i32, env: usize, a: usize, bSe: i32, bSig: u64, pop: i32): void {
  if (op == ADD) addTo(env, a, bSe, bSig, 0, pop);
  else if (op == SUB) addTo(env, a, bSe, bSig, FLIP_B, pop);
  else if (op == SUBR) addTo(env, a, bSe, bSig, FLIP_A, pop);
  else if (op == MUL) mulTo(env, a, bSe, bSig, pop);
  else if (op == DIV) finish(env, f80Div(a, slotSe(a), slotSig(a), bSe, bSig, mode(env)), pop);
  else finish(env, f80Div(a, bSe, bSig, slotSe(a), slotSig(a), mode(env)), pop);
}

/** ST(dst) = ST(dst) op ST(src). */
// @ts-ignore: decorator
@inline
function registerForm(op: i32, env: usize, dst: i32, src: i32, pop: i32): void {
  const d = physical(env, dst);
  const s = physical(env, src);
  if (load<i32>(env, FPEMPTY) & ((1 << d) | (1 << s))) {
    underflowTo(env, d, pop);
    return;
  }
  const b = slot(env, s);
  operate(op, env, slot(env, d), slotSe(b), slotSig(b), pop);
}

/** ST(0) = ST(0) op the widened memory operand; `widening` holds what converting it raised. */
// @ts-ignore: decorator
@inline
function memoryForm(op: i32, env: usize, widening: i32): void {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    underflowTo(env, r, 0);
    return;
  }
  // A signaling NaN is still one and is judged together with ST(0); only a denormal would go unnoticed.
  if (widening & DE) denormalForm(op, env, r, wideSe, wideSig);
  else operate(op, env, slot(env, r), wideSe, wideSig, 0);
}

/** `memoryForm` with a denormal operand: DE, unless a NaN, an invalid operation or a division by zero comes first. */
function denormalForm(op: i32, env: usize, r: i32, bSe: i32, bSig: u64): void {
  const cw = mode(env);
  const a = slot(env, r);
  const aSe = slotSe(a);
  const aSig = slotSig(a);
  const scratch = env + FPSCRATCH;
  const masked = cw | ABORTING;
  let flags: i32;
  if (op == ADD) flags = f80Add(scratch, aSe, aSig, bSe, bSig, 0, masked);
  else if (op == SUB) flags = f80Add(scratch, aSe, aSig, bSe, bSig, FLIP_B, masked);
  else if (op == SUBR) flags = f80Add(scratch, aSe, aSig, bSe, bSig, FLIP_A, masked);
  else if (op == MUL) flags = f80Mul(scratch, aSe, aSig, bSe, bSig, masked);
  else if (op == DIV) flags = f80Div(scratch, aSe, aSig, bSe, bSig, masked);
  else flags = f80Div(scratch, bSe, bSig, aSe, aSig, masked);
  const se = load<i32>(scratch, 8);
  const sig = load<u64>(scratch);
  if ((flags & (IE | ZE)) == 0 && !isNan(se, sig)) flags = cw & DE ? flags | DE : DE;
  if (!signal(env, flags, ABORTING)) setSlot(a, se, sig);
}

// The forms below: _r register (FADD, FADDP), _m32 and _m64 floating memory, _i integer memory (FIADD, both sizes).

export function fadd_r(env: usize, dst: i32, src: i32, pop: i32): void {
  registerForm(ADD, env, dst, src, pop);
}
export function fsub_r(env: usize, dst: i32, src: i32, pop: i32): void {
  registerForm(SUB, env, dst, src, pop);
}
/** ST(dst) = ST(src) - ST(dst). */
export function fsubr_r(env: usize, dst: i32, src: i32, pop: i32): void {
  registerForm(SUBR, env, dst, src, pop);
}
export function fmul_r(env: usize, dst: i32, src: i32, pop: i32): void {
  registerForm(MUL, env, dst, src, pop);
}
export function fdiv_r(env: usize, dst: i32, src: i32, pop: i32): void {
  registerForm(DIV, env, dst, src, pop);
}
/** ST(dst) = ST(src) / ST(dst). */
export function fdivr_r(env: usize, dst: i32, src: i32, pop: i32): void {
  registerForm(DIVR, env, dst, src, pop);
}

export function fadd_m32(env: usize, bits: i32): void {
  const widening = f80FromF32(bits);
  memoryForm(ADD, env, widening);
}
export function fsub_m32(env: usize, bits: i32): void {
  const widening = f80FromF32(bits);
  memoryForm(SUB, env, widening);
}
export function fsubr_m32(env: usize, bits: i32): void {
  const widening = f80FromF32(bits);
  memoryForm(SUBR, env, widening);
}
export function fmul_m32(env: usize, bits: i32): void {
  const widening = f80FromF32(bits);
  memoryForm(MUL, env, widening);
}
export function fdiv_m32(env: usize, bits: i32): void {
  const widening = f80FromF32(bits);
  memoryForm(DIV, env, widening);
}
export function fdivr_m32(env: usize, bits: i32): void {
  const widening = f80FromF32(bits);
  memoryForm(DIVR, env, widening);
}

export function fadd_m64(env: usize, bits: u64): void {
  const widening = f80FromF64(bits);
  memoryForm(ADD, env, widening);
}
export function fsub_m64(env: usize, bits: u64): void {
  const widening = f80FromF64(bits);
  memoryForm(SUB, env, widening);
}
export function fsubr_m64(env: usize, bits: u64): void {
  const widening = f80FromF64(bits);
  memoryForm(SUBR, env, widening);
}
export function fmul_m64(env: usize, bits: u64): void {
  const widening = f80FromF64(bits);
  memoryForm(MUL, env, widening);
}
export function fdiv_m64(env: usize, bits: u64): void {
  const widening = f80FromF64(bits);
  memoryForm(DIV, env, widening);
}
export function fdivr_m64(env: usize, bits: u64): void {
  const widening = f80FromF64(bits);
  memoryForm(DIVR, env, widening);
}

export function fiadd(env: usize, value: i32): void {
  f80FromI64(value);
  memoryForm(ADD, env, 0);
}
export function fisub(env: usize, value: i32): void {
  f80FromI64(value);
  memoryForm(SUB, env, 0);
}
export function fisubr(env: usize, value: i32): void {
  f80FromI64(value);
  memoryForm(SUBR, env, 0);
}
export function fimul(env: usize, value: i32): void {
  f80FromI64(value);
  memoryForm(MUL, env, 0);
}
export function fidiv(env: usize, value: i32): void {
  f80FromI64(value);
  memoryForm(DIV, env, 0);
}
export function fidivr(env: usize, value: i32): void {
  f80FromI64(value);
  memoryForm(DIVR, env, 0);
}

/** FABS. */
export function fabs(env: usize): void {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    underflowTo(env, r, 0);
    return;
  }
  const s = slot(env, r);
  store<i32>(s, slotSe(s) & EXP_MAX, 8);
  finish(env, 0, 0);
}

/** FCHS. */
export function fchs(env: usize): void {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    underflowTo(env, r, 0);
    return;
  }
  const s = slot(env, r);
  store<i32>(s, slotSe(s) ^ SIGN, 8);
  finish(env, 0, 0);
}

/** FSQRT. */
export function fsqrt(env: usize): void {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    underflowTo(env, r, 0);
    return;
  }
  const s = slot(env, r);
  finish(env, f80Sqrt(s, slotSe(s), slotSig(s), mode(env)), 0);
}

/** FRNDINT. */
export function frndint(env: usize): void {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    underflowTo(env, r, 0);
    return;
  }
  const s = slot(env, r);
  finish(env, f80RoundToInt(s, slotSe(s), slotSig(s), mode(env)), 0);
}

/** Both ST(0) and ST(1) hold values; otherwise the stack fault is dealt with. */
function haveTwo(env: usize): bool {
  const r = physical(env, 0);
  if ((load<i32>(env, FPEMPTY) & ((1 << r) | (1 << physical(env, 1)))) == 0) return true;
  underflowTo(env, r, 0);
  return false;
}

/** FSCALE: precision control does not apply. */
export function fscale(env: usize): void {
  if (!haveTwo(env)) return;
  const a = slot(env, physical(env, 0));
  const b = slot(env, physical(env, 1));
  finish(env, f80Scale(a, slotSe(a), slotSig(a), slotSe(b), slotSig(b), mode(env) | PC_64), 0);
}

/**
 * FPREM, FPREM1 if `nearest`: quotient bits 2, 1, 0 in C0, C3, C1; C2 = 1 if the reduction is incomplete.
 * Precision control does not apply.
 */
export function fprem(env: usize, nearest: i32): void {
  let codes = 0;
  let affected = C2;
  if (haveTwo(env)) {
    const a = slot(env, physical(env, 0));
    const b = slot(env, physical(env, 1));
    const cw = mode(env) | PC_64;
    const flags = f80Remainder(a, slotSe(a), slotSig(a), slotSe(b), slotSig(b), nearest != 0, cw);
    const q = rQuotient;
    if (!signal(env, flags, ABORTING) && q != NO_QUOTIENT) {
      affected = C0 | C1 | C2 | C3;
      codes = q < 0 ? C2 : ((q & 4) != 0 ? C0 : 0) | ((q & 2) != 0 ? C3 : 0) | ((q & 1) != 0 ? C1 : 0);
    }
  }
  store<i32>(env, (load<i32>(env, FPSW) & ~affected) | codes, FPSW);
}

/** FXTRACT: the exponent replaces ST(0), then the significand is pushed. */
export function fxtract(env: usize): void {
  const r = physical(env, 0);
  const to = physical(env, -1);
  const empty = isEmpty(env, r);
  if (empty || !isEmpty(env, to)) {
    if (!signal(env, empty ? STACK_UNDERFLOW : STACK_OVERFLOW, ABORTING)) fillTwo(env);
    return;
  }
  const s = slot(env, r);
  const flags = f80Extract(slot(env, to), s, slotSe(s), slotSig(s), mode(env));
  if (!signal(env, flags, ABORTING)) enter(env, to);
}
