// Access to the FPU fields of the CPU state: registers, stack, status and the response to exceptions (AssemblyScript).
//
// The constants of `layout.as` are made from ../../x87-state.ts by the build script; there is no such file on disk.

import { ABORTING, DEFAULT_NAN_SIG, EXP_MAX, IE, OE, SIGN, UE } from '../../../../src/softfloat/f80-core.as';
import { FPCW, FPEMPTY, FPR0, FPSTORE, FPSW, FPTOP } from './layout.as';

/** Stack fault: with IE, an empty register was read (C1 = 0) or a full one pushed onto (C1 = 1). */
export const SF: i32 = 0x40;
/** Error summary and its copy, the busy bit. */
export const ES_B: i32 = 0x8080;
export const C0: i32 = 0x100;
export const C1: i32 = 0x200;
export const C2: i32 = 0x400;
export const C3: i32 = 0x4000;
export const EXCEPTIONS: i32 = 0x3f;
export const STACK_UNDERFLOW: i32 = IE | SF;
export const STACK_OVERFLOW: i32 = IE | SF | C1;

// @ts-ignore: decorator
@inline
export function mode(env: usize): i32 {
  return load<i32>(env, FPCW);
}

/** Number of the physical register that is ST(i). */
// @ts-ignore: decorator
@inline
export function physical(env: usize, i: i32): i32 {
  return (load<i32>(env, FPTOP) + i) & 7;
}

/** Address of physical register r: significand at 0, sign and exponent at 8, as softfloat operations store results. */
// @ts-ignore: decorator
@inline
export function slot(env: usize, r: i32): usize {
  return env + FPR0 + (<usize>r << 4);
}

// @ts-ignore: decorator
@inline
export function slotSe(s: usize): i32 {
  return load<i32>(s, 8);
}

// @ts-ignore: decorator
@inline
export function slotSig(s: usize): u64 {
  return load<u64>(s);
}

// @ts-ignore: decorator
@inline
export function setSlot(s: usize, se: i32, sig: u64): void {
  store<u64>(s, sig);
  store<i32>(s, se, 8);
}

// @ts-ignore: decorator
@inline
export function isEmpty(env: usize, r: i32): bool {
  return ((load<i32>(env, FPEMPTY) >> r) & 1) != 0;
}

// @ts-ignore: decorator
@inline
export function markFull(env: usize, r: i32): void {
  store<i32>(env, load<i32>(env, FPEMPTY) & ~(1 << r), FPEMPTY);
}

/** Empties ST(0) and steps TOP up. */
// @ts-ignore: decorator
@inline
export function popStack(env: usize): void {
  const top = load<i32>(env, FPTOP);
  store<i32>(env, load<i32>(env, FPEMPTY) | (1 << top), FPEMPTY);
  store<i32>(env, (top + 1) & 7, FPTOP);
}

/**
 * Enters the flags of an operation (with C1 as UP) into the status word, other condition codes unchanged. True if an
 * unmasked exception among `aborting` forbids changing the destination and the stack.
 */
// @ts-ignore: decorator
@inline
export function signal(env: usize, flags: i32, aborting: i32): bool {
  let sw = (load<i32>(env, FPSW) & ~C1) | flags;
  const unmasked = flags & ~load<i32>(env, FPCW) & EXCEPTIONS;
  if (unmasked != 0) sw |= ES_B;
  store<i32>(env, sw, FPSW);
  return (unmasked & aborting) != 0;
}

/** Ends an operation that has stored its result: enters its flags and pops, unless it was aborted. */
// @ts-ignore: decorator
@inline
export function finish(env: usize, flags: i32, pop: i32): void {
  if (signal(env, flags, ABORTING)) return;
  if (pop) popStack(env);
}

/** Response to an empty source register: the default NaN in the destination, unless unmasked. */
export function underflowTo(env: usize, r: i32, pop: i32): void {
  if (signal(env, STACK_UNDERFLOW, ABORTING)) return;
  setSlot(slot(env, r), SIGN | EXP_MAX, DEFAULT_NAN_SIG);
  markFull(env, r);
  if (pop) popStack(env);
}

/**
 * Pushes a value whose making raised `flags` (an unmasked DE does not keep it from the stack). A full stack replaces
 * it by the default NaN.
 */
// @ts-ignore: decorator
@inline
export function push(env: usize, se: i32, sig: u64, flags: i32): void {
  const r = physical(env, -1);
  if (!isEmpty(env, r)) {
    pushOverflow(env);
    return;
  }
  if (signal(env, flags, IE)) return;
  setSlot(slot(env, r), se, sig);
  enter(env, r);
}

/** Makes physical register r, just written, the new ST(0). */
// @ts-ignore: decorator
@inline
export function enter(env: usize, r: i32): void {
  markFull(env, r);
  store<i32>(env, r, FPTOP);
}

/** Response to a push onto a full register. */
function pushOverflow(env: usize): void {
  if (!signal(env, STACK_OVERFLOW, ABORTING)) pushNan(env);
}

/** Pushes the default NaN whatever the register held. */
export function pushNan(env: usize): void {
  const r = physical(env, -1);
  setSlot(slot(env, r), SIGN | EXP_MAX, DEFAULT_NAN_SIG);
  enter(env, r);
}

/** Enters the flags of a store to memory and notes in `fpstore` whether the value may be written (and popped). */
// @ts-ignore: decorator
@inline
export function signalStore(env: usize, flags: i32): void {
  store<i32>(env, i32(!signal(env, flags, ABORTING | OE | UE)), FPSTORE);
}

/** Masked response of an instruction with two results to a stack fault: both are the default NaN. */
export function fillTwo(env: usize): void {
  const r = physical(env, 0);
  setSlot(slot(env, r), SIGN | EXP_MAX, DEFAULT_NAN_SIG);
  markFull(env, r);
  pushNan(env);
}
