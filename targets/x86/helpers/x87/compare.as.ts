// Comparison and classification instructions: FCOM, FUCOM, FICOM, FCOMI, FUCOMI, FTST, FXAM (AssemblyScript).

import { f80FromF32, f80FromF64, f80FromI64, wideSe, wideSig } from '../../../../src/softfloat/f80-convert.as';
import {
  ABORTING, DE, SIGN, isDenormal, isInf, isNan, isUnsupported, isZero,
} from '../../../../src/softfloat/f80-core.as';
import { EQUAL, GREATER, LESS, UNORDERED, f80Compare, rRelation } from '../../../../src/softfloat/f80-parts.as';
import { FPEMPTY, FPSW } from './layout.as';
import {
  C0, C1, C2, C3, ES_B, EXCEPTIONS, STACK_UNDERFLOW, isEmpty, mode, physical, popStack, signal, slot, slotSe, slotSig,
} from './state.as';

/** CF, PF and ZF at their places in EFLAGS. */
const CF: i32 = 0x01;
const PF: i32 = 0x04;
const ZF: i32 = 0x40;

/** Ends a comparison: flags, the relation in C3, C2, C0, then `pops` pops unless an unmasked exception forbids them. */
// @ts-ignore: decorator
@inline
function finish(env: usize, flags: i32, relation: i32, pops: i32): void {
  const codes = relation == LESS ? C0 : relation == EQUAL ? C3 : relation == UNORDERED ? C0 | C2 | C3 : 0;
  const sw = (load<i32>(env, FPSW) & ~(C0 | C1 | C2 | C3)) | codes | flags;
  const unmasked = flags & ~mode(env) & EXCEPTIONS;
  store<i32>(env, unmasked ? sw | ES_B : sw, FPSW);
  if (pops == 0 || (unmasked & ABORTING) != 0) return;
  popStack(env);
  if (pops > 1) popStack(env);
}

// @ts-ignore: decorator
@inline
function compareRegisters(env: usize, i: i32, signalQuiet: bool): i32 {
  const a = physical(env, 0);
  const b = physical(env, i);
  if (load<i32>(env, FPEMPTY) & ((1 << a) | (1 << b))) return STACK_UNDERFLOW;
  const sa = slot(env, a);
  const sb = slot(env, b);
  return f80Compare(slotSe(sa), slotSig(sa), slotSe(sb), slotSig(sb), signalQuiet);
}

/** FCOM ST(i) with 0, 1 or 2 pops. */
export function fcom_r(env: usize, i: i32, pops: i32): void {
  const flags = compareRegisters(env, i, true);
  finish(env, flags, flags == STACK_UNDERFLOW ? UNORDERED : rRelation, pops);
}

/** FUCOM ST(i) with 0, 1 or 2 pops. */
export function fucom_r(env: usize, i: i32, pops: i32): void {
  const flags = compareRegisters(env, i, false);
  finish(env, flags, flags == STACK_UNDERFLOW ? UNORDERED : rRelation, pops);
}

/** Compares ST(0) with a memory operand (or zero); `widening` holds what converting it raised. */
function compareValue(env: usize, se: i32, sig: u64, widening: i32, pops: i32): void {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    finish(env, STACK_UNDERFLOW, UNORDERED, pops);
    return;
  }
  const s = slot(env, r);
  let flags = f80Compare(slotSe(s), slotSig(s), se, sig, true);
  if (rRelation != UNORDERED) flags |= widening & DE;
  finish(env, flags, rRelation, pops);
}

/** FCOM/FCOMP m32fp. */
export function fcom_m32(env: usize, bits: i32, pop: i32): void {
  const widening = f80FromF32(bits);
  compareValue(env, wideSe, wideSig, widening, pop);
}

/** FCOM/FCOMP m64fp. */
export function fcom_m64(env: usize, bits: u64, pop: i32): void {
  const widening = f80FromF64(bits);
  compareValue(env, wideSe, wideSig, widening, pop);
}

/** FICOM/FICOMP m16int, m32int (sign-extended by the caller). */
export function ficom(env: usize, value: i32, pop: i32): void {
  f80FromI64(value);
  compareValue(env, wideSe, wideSig, 0, pop);
}

/** FTST. */
export function ftst(env: usize): void {
  compareValue(env, 0, 0, 0, 0);
}

// @ts-ignore: decorator
@inline
function compareToEflags(env: usize, i: i32, signalQuiet: bool, pop: i32): i32 {
  const c1 = load<i32>(env, FPSW) & C1;
  const flags = compareRegisters(env, i, signalQuiet);
  const underflow = flags == STACK_UNDERFLOW;
  const relation = underflow ? UNORDERED : rRelation;
  const aborted = signal(env, flags, ABORTING);
  // C1 is only cleared by a stack fault.
  if (!underflow) store<i32>(env, load<i32>(env, FPSW) | c1, FPSW);
  if (!aborted && pop) popStack(env);
  return relation == GREATER ? 0 : relation == LESS ? CF : relation == EQUAL ? ZF : ZF | PF | CF;
}

/** FCOMI/FCOMIP ST(i): ZF, PF, CF at their places in EFLAGS (the other arithmetic flags become 0). */
export function fcomi(env: usize, i: i32, pop: i32): i32 {
  return compareToEflags(env, i, true, pop);
}

/** FUCOMI/FUCOMIP ST(i): as `fcomi`. */
export function fucomi(env: usize, i: i32, pop: i32): i32 {
  return compareToEflags(env, i, false, pop);
}

/** FXAM: class in C3, C2, C0, sign in C1. */
export function fxam(env: usize): void {
  const r = physical(env, 0);
  const s = slot(env, r);
  const se = slotSe(s);
  const sig = slotSig(s);
  let codes: i32;
  if (isEmpty(env, r)) codes = C3 | C0;
  else if (isUnsupported(se, sig)) codes = 0;
  else if (isNan(se, sig)) codes = C0;
  else if (isInf(se, sig)) codes = C2 | C0;
  else if (isZero(se, sig)) codes = C3;
  else if (isDenormal(se, sig)) codes = C3 | C2;
  else codes = C2;
  if (se & SIGN) codes |= C1;
  store<i32>(env, (load<i32>(env, FPSW) & ~(C0 | C1 | C2 | C3)) | codes, FPSW);
}
