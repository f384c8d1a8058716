// Control instructions: FNINIT, FNCLEX, FLDCW, FNSTSW, FFREE, FINCSTP, FDECSTP, the environment and state images, and
// the x87 part of FXSAVE/FXRSTOR (AssemblyScript).
//
// Images are read and written at a guest address the caller has found accessible.

import { EXP_MAX } from '../../../../src/softfloat/f80-core.as';
import {
  FPCS, FPCW, FPDP, FPDS, FPEMPTY, FPIP, FPOP, FPSW, FPTOP,
} from './layout.as';
import { C1, ES_B, EXCEPTIONS, SF, physical, popStack, setSlot, slot, slotSe, slotSig } from './state.as';

/** Image format bits: 32-bit instead of 16-bit layout; real-address or virtual-8086 instead of protected mode. */
const FORMAT_32: i32 = 1;
const FORMAT_REAL: i32 = 2;

/** Control word bits that can be set, and the one that always is. */
const CW_WRITABLE: i32 = 0x1f3f;
const CW_ALWAYS: i32 = 0x40;

/** Non-zero if an unmasked exception is pending: the next waiting instruction raises #MF. */
export function x87_pending(env: usize): i32 {
  return load<i32>(env, FPSW) & 0x80;
}

/** Sets or clears ES and B after a change of masks or flags. */
function summarize(env: usize): void {
  const sw = load<i32>(env, FPSW) & ~ES_B;
  const unmasked = sw & ~load<i32>(env, FPCW) & EXCEPTIONS;
  store<i32>(env, unmasked ? sw | ES_B : sw, FPSW);
}

/** FNINIT. */
export function fninit(env: usize): void {
  store<i32>(env, 0x37f, FPCW);
  store<i32>(env, 0, FPSW);
  store<i32>(env, 0, FPTOP);
  store<i32>(env, 0xff, FPEMPTY);
  store<i32>(env, 0, FPIP);
  store<i32>(env, 0, FPCS);
  store<i32>(env, 0, FPDP);
  store<i32>(env, 0, FPDS);
  store<i32>(env, 0, FPOP);
}

/** FNCLEX. */
export function fnclex(env: usize): void {
  store<i32>(env, load<i32>(env, FPSW) & ~(ES_B | SF | EXCEPTIONS), FPSW);
}

/** FLDCW. */
export function fldcw(env: usize, value: i32): void {
  store<i32>(env, (value & CW_WRITABLE) | CW_ALWAYS, FPCW);
  summarize(env);
}

/** FNSTCW. */
export function fnstcw(env: usize): i32 {
  return load<i32>(env, FPCW);
}

/** FNSTSW. */
export function fnstsw(env: usize): i32 {
  return load<i32>(env, FPSW) | (load<i32>(env, FPTOP) << 11);
}

/** FFREE ST(i), with `pop` FFREEP. */
export function ffree(env: usize, i: i32, pop: i32): void {
  store<i32>(env, load<i32>(env, FPEMPTY) | (1 << physical(env, i)), FPEMPTY);
  store<i32>(env, load<i32>(env, FPSW) & ~C1, FPSW);
  if (pop) popStack(env);
}

/** FINCSTP. */
export function fincstp(env: usize): void {
  store<i32>(env, physical(env, 1), FPTOP);
  store<i32>(env, load<i32>(env, FPSW) & ~C1, FPSW);
}

/** FDECSTP. */
export function fdecstp(env: usize): void {
  store<i32>(env, physical(env, -1), FPTOP);
  store<i32>(env, load<i32>(env, FPSW) & ~C1, FPSW);
}

/** The tag word of two bits a register: 0 valid, 1 zero, 2 special, 3 empty. */
export function x87_tag_word(env: usize): i32 {
  const empty = load<i32>(env, FPEMPTY);
  let tags = 0;
  for (let r = 0; r < 8; r++) {
    const s = slot(env, r);
    const exp = slotSe(s) & EXP_MAX;
    const sig = slotSig(s);
    let tag = 0;
    if ((empty >> r) & 1) tag = 3;
    else if (exp == 0 && sig == 0) tag = 1;
    else if (exp == 0 || exp == EXP_MAX || <i64>sig >= 0) tag = 2;
    tags |= tag << (r << 1);
  }
  return tags;
}

/** Registers are only told empty or not by a loaded tag word; the finer tags follow from their contents. */
function setTagWord(env: usize, tags: i32): void {
  let empty = 0;
  for (let r = 0; r < 8; r++) {
    if (((tags >> (r << 1)) & 3) == 3) empty |= 1 << r;
  }
  store<i32>(env, empty, FPEMPTY);
}

function setStatus(env: usize, sw: i32): void {
  store<i32>(env, (sw >> 11) & 7, FPTOP);
  store<i32>(env, sw & 0xc7ff, FPSW);
  summarize(env);
}

/** Writes the environment without side effects; returns its size. */
function writeEnvironment(env: usize, addr: usize, format: i32): i32 {
  const cw = load<i32>(env, FPCW);
  const sw = fnstsw(env);
  const tw = x87_tag_word(env);
  const ip = load<i32>(env, FPIP);
  const dp = load<i32>(env, FPDP);
  const op = load<i32>(env, FPOP);
  const real = (format & FORMAT_REAL) != 0;
  if (format & FORMAT_32) {
    // The reserved halves read as ones.
    store<i32>(addr, cw | 0xffff0000);
    store<i32>(addr, sw | 0xffff0000, 4);
    store<i32>(addr, tw | 0xffff0000, 8);
    if (real) {
      store<i32>(addr, (ip & 0xffff) | 0xffff0000, 12);
      store<i32>(addr, ((ip >>> 16) << 12) | op, 16);
      store<i32>(addr, (dp & 0xffff) | 0xffff0000, 20);
      store<i32>(addr, (dp >>> 16) << 12, 24);
    } else {
      store<i32>(addr, ip, 12);
      store<i32>(addr, (load<i32>(env, FPCS) & 0xffff) | (op << 16), 16);
      store<i32>(addr, dp, 20);
      store<i32>(addr, load<i32>(env, FPDS) | 0xffff0000, 24);
    }
    return 28;
  }
  store<u16>(addr, <u16>cw);
  store<u16>(addr, <u16>sw, 2);
  store<u16>(addr, <u16>tw, 4);
  store<u16>(addr, <u16>ip, 6);
  store<u16>(addr, <u16>(real ? ((ip >> 4) & 0xf000) | op : load<i32>(env, FPCS)), 8);
  store<u16>(addr, <u16>dp, 10);
  store<u16>(addr, <u16>(real ? (dp >> 4) & 0xf000 : load<i32>(env, FPDS)), 12);
  return 14;
}

/** Reads an environment; returns its size. */
function readEnvironment(env: usize, addr: usize, format: i32): i32 {
  const wide = (format & FORMAT_32) != 0;
  const real = (format & FORMAT_REAL) != 0;
  const step: usize = wide ? 4 : 2;
  const cw = <i32>load<u16>(addr);
  const sw = <i32>load<u16>(addr + step);
  const tw = <i32>load<u16>(addr + 2 * step);
  if (wide) {
    const second = load<i32>(addr, 16);
    if (real) {
      store<i32>(env, <i32>load<u16>(addr, 12) | ((second & 0x0ffff000) << 4), FPIP);
      store<i32>(env, second & 0x7ff, FPOP);
      store<i32>(env, <i32>load<u16>(addr, 20) | ((load<i32>(addr, 24) & 0x0ffff000) << 4), FPDP);
    } else {
      store<i32>(env, load<i32>(addr, 12), FPIP);
      store<i32>(env, second & 0xffff, FPCS);
      store<i32>(env, (second >> 16) & 0x7ff, FPOP);
      store<i32>(env, load<i32>(addr, 20), FPDP);
      store<i32>(env, <i32>load<u16>(addr, 24), FPDS);
    }
  } else {
    const ip = <i32>load<u16>(addr, 6);
    const second = <i32>load<u16>(addr, 8);
    const dp = <i32>load<u16>(addr, 10);
    const fourth = <i32>load<u16>(addr, 12);
    if (real) {
      store<i32>(env, ip | ((second & 0xf000) << 4), FPIP);
      store<i32>(env, second & 0x7ff, FPOP);
      store<i32>(env, dp | ((fourth & 0xf000) << 4), FPDP);
    } else {
      store<i32>(env, ip, FPIP);
      store<i32>(env, second, FPCS);
      store<i32>(env, 0, FPOP);
      store<i32>(env, dp, FPDP);
      store<i32>(env, fourth, FPDS);
    }
  }
  store<i32>(env, (cw & CW_WRITABLE) | CW_ALWAYS, FPCW);
  setTagWord(env, tw);
  setStatus(env, sw);
  return wide ? 28 : 14;
}

/** FNSTENV to `addr`; afterwards all exceptions are masked. */
export function fnstenv(env: usize, addr: usize, format: i32): void {
  writeEnvironment(env, addr, format);
  store<i32>(env, load<i32>(env, FPCW) | EXCEPTIONS, FPCW);
  summarize(env);
}

/** FLDENV from `addr`. */
export function fldenv(env: usize, addr: usize, format: i32): void {
  readEnvironment(env, addr, format);
}

/** FNSAVE to `addr` (94 or 108 bytes); afterwards the FPU is as after FNINIT. */
export function fnsave(env: usize, addr: usize, format: i32): void {
  let p = addr + writeEnvironment(env, addr, format);
  for (let i = 0; i < 8; i++) {
    const s = slot(env, physical(env, i));
    store<u64>(p, slotSig(s));
    store<u16>(p, <u16>slotSe(s), 8);
    p += 10;
  }
  fninit(env);
}

/** FRSTOR from `addr`. */
export function frstor(env: usize, addr: usize, format: i32): void {
  let p = addr + readEnvironment(env, addr, format);
  for (let i = 0; i < 8; i++) {
    setSlot(slot(env, physical(env, i)), <i32>load<u16>(p, 8), load<u64>(p));
    p += 10;
  }
}

/** The x87 part of FXSAVE: bytes 0..23 and 32..159 of the image; MXCSR and the XMM registers are the caller's. */
export function fxsave_x87(env: usize, addr: usize): void {
  store<u16>(addr, <u16>load<i32>(env, FPCW));
  store<u16>(addr, <u16>fnstsw(env), 2);
  store<u16>(addr, <u16>(~load<i32>(env, FPEMPTY) & 0xff), 4);
  store<u16>(addr, <u16>load<i32>(env, FPOP), 6);
  store<i32>(addr, load<i32>(env, FPIP), 8);
  store<i32>(addr, load<i32>(env, FPCS) & 0xffff, 12);
  store<i32>(addr, load<i32>(env, FPDP), 16);
  store<i32>(addr, load<i32>(env, FPDS) & 0xffff, 20);
  for (let i = 0; i < 8; i++) {
    const s = slot(env, physical(env, i));
    store<u64>(addr + (<usize>i << 4), slotSig(s), 32);
    store<u64>(addr + (<usize>i << 4), <u64>(slotSe(s) & 0xffff), 40);
  }
}

/** The x87 part of FXRSTOR. */
export function fxrstor_x87(env: usize, addr: usize): void {
  store<i32>(env, (<i32>load<u16>(addr) & CW_WRITABLE) | CW_ALWAYS, FPCW);
  store<i32>(env, <i32>~load<u8>(addr, 4) & 0xff, FPEMPTY);
  store<i32>(env, <i32>load<u16>(addr, 6) & 0x7ff, FPOP);
  store<i32>(env, load<i32>(addr, 8), FPIP);
  store<i32>(env, <i32>load<u16>(addr, 12), FPCS);
  store<i32>(env, load<i32>(addr, 16), FPDP);
  store<i32>(env, <i32>load<u16>(addr, 20), FPDS);
  setStatus(env, <i32>load<u16>(addr, 2));
  for (let i = 0; i < 8; i++) {
    const p = addr + (<usize>i << 4);
    setSlot(slot(env, physical(env, i)), <i32>load<u16>(p, 40), load<u64>(p, 32));
  }
}
