// Transcendental instructions: F2XM1, FYL2X, FYL2XP1, FSIN, FCOS, FSINCOS, FPTAN, FPATAN (AssemblyScript).

import { ABORTING } from '../../../../src/softfloat/f80-core.as';
import {
  COSINE, SINE, TANGENT, f80Atan2, f80Exp2m1, f80Trig, f80Yl2x, f80Yl2xp1, rOutOfRange,
} from '../../../../src/softfloat/f80-transcendental.as';
import { FPEMPTY, FPSW } from './layout.as';
import {
  C2, STACK_OVERFLOW, STACK_UNDERFLOW, enter, fillTwo, finish, isEmpty, mode, physical, signal, slot, slotSe, slotSig,
  underflowTo,
} from './state.as';

/** F2XM1. */
export function f2xm1(env: usize): void {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    underflowTo(env, r, 0);
    return;
  }
  const s = slot(env, r);
  finish(env, f80Exp2m1(s, slotSe(s), slotSig(s), mode(env)), 0);
}

/** ST(0) and ST(1) hold values; otherwise the stack fault is dealt with (ST(1) is the destination, then a pop). */
function haveTwo(env: usize): bool {
  const r = physical(env, 1);
  if ((load<i32>(env, FPEMPTY) & ((1 << r) | (1 << physical(env, 0)))) == 0) return true;
  underflowTo(env, r, 1);
  return false;
}

/** FYL2X. */
export function fyl2x(env: usize): void {
  if (!haveTwo(env)) return;
  const x = slot(env, physical(env, 0));
  const y = slot(env, physical(env, 1));
  finish(env, f80Yl2x(y, slotSe(x), slotSig(x), slotSe(y), slotSig(y), mode(env)), 1);
}

/** FYL2XP1. */
export function fyl2xp1(env: usize): void {
  if (!haveTwo(env)) return;
  const x = slot(env, physical(env, 0));
  const y = slot(env, physical(env, 1));
  finish(env, f80Yl2xp1(y, slotSe(x), slotSig(x), slotSe(y), slotSig(y), mode(env)), 1);
}

/** FPATAN. */
export function fpatan(env: usize): void {
  if (!haveTwo(env)) return;
  const x = slot(env, physical(env, 0));
  const y = slot(env, physical(env, 1));
  finish(env, f80Atan2(y, slotSe(y), slotSig(y), slotSe(x), slotSig(x), mode(env)), 1);
}

/** Sets or clears C2, which says that the operand was out of range. */
function setC2(env: usize, on: bool): void {
  const sw = load<i32>(env, FPSW) & ~C2;
  store<i32>(env, on ? sw | C2 : sw, FPSW);
}

function oneResult(env: usize, which: i32): void {
  const r = physical(env, 0);
  if (isEmpty(env, r)) {
    underflowTo(env, r, 0);
    setC2(env, false);
    return;
  }
  const s = slot(env, r);
  finish(env, f80Trig(s, s, slotSe(s), slotSig(s), which, mode(env)), 0);
  setC2(env, rOutOfRange);
}

/** FSIN. */
export function fsin(env: usize): void {
  oneResult(env, SINE);
}

/** FCOS. */
export function fcos(env: usize): void {
  oneResult(env, COSINE);
}

/** Replaces ST(0) by the sine or tangent, then pushes the cosine or 1.0. */
function twoResults(env: usize, which: i32): void {
  const r = physical(env, 0);
  const to = physical(env, -1);
  const empty = isEmpty(env, r);
  if (empty || !isEmpty(env, to)) {
    setC2(env, false);
    if (!signal(env, empty ? STACK_UNDERFLOW : STACK_OVERFLOW, ABORTING)) fillTwo(env);
    return;
  }
  const s = slot(env, r);
  const flags = f80Trig(s, slot(env, to), slotSe(s), slotSig(s), which, mode(env));
  if (!signal(env, flags, ABORTING) && !rOutOfRange) enter(env, to);
  setC2(env, rOutOfRange);
}

/** FSINCOS. */
export function fsincos(env: usize): void {
  twoResults(env, SINE | COSINE);
}

/** FPTAN. */
export function fptan(env: usize): void {
  twoResults(env, TANGENT);
}
