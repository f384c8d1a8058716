// Saving and restoring x87, XMM and MXCSR state (SDM vol. 1, 10.5 and 13): FXSAVE, XSAVE and their like, MXCSR, XGETBV.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond, MO_32, MO_128 } from '../../../tcg/ir/types.ts';
import type { Global, Value } from '../../../tcg/ir/value.ts';
import { xcr0 } from '../cpuid.ts';
import { FLAG_SSE_SLOW, MODEL_SHIFT } from '../mode.ts';
import { modelAt } from '../models.ts';
import { MXCSR_MASK, REGS, X86_OFFSETS, XMM } from '../state.ts';
import { Vector } from '../vectors.ts';
import type { Translation } from './context.ts';
import { type Handler, ZERO_VECTOR } from './vector.ts';
import { PROBE, x87Helper } from './x87.ts';

const [EAX, ECX] = REGS as [Global, Global];

/** The legacy area: offsets and size in bytes. */
const MXCSR_AT = 24;
const MXCSR_MASK_AT = 28;
const XMM_AT = 160;
const AREA_SIZE = 512;
const ALIGNMENT = 16;
/** The XSAVE header behind it: XSTATE_BV, then 16 bytes that must be zero, then 40 that nobody looks at. */
const HEADER_AT = 512;
const XSAVE_SIZE = 576;
const XSAVE_ALIGNMENT = 64;
/** State components, as bits of XCR0. */
const X87 = 1;
const SSE = 2;

const FXSAVE_X87: HelperRow = x87Helper('fxsave_x87');
const FXRSTOR_X87: HelperRow = x87Helper('fxrstor_x87');

/** Whether the x87 is not as FNINIT and zero registers leave it. */
const X87_IN_USE: HelperRow = { name: 'x87_in_use', args: [], result: 'i32' };
/** Makes it so. */
const X87_RESET: HelperRow = { name: 'x87_reset', args: [], result: null, sideEffects: true };

/** The address of the area, found aligned (else #GP) and accessible as a whole. */
function area(t: Translation, writes: boolean, size = AREA_SIZE, alignment = ALIGNMENT): Value {
  const { b } = t;
  const { eaSegment } = t.insn;
  const offset = b.copy(t.offset());
  // The segment's limit holds for the end of the area too; what is at its start is found out by the address.
  t.linear(eaSegment, b.add(offset, size - 1), 1, writes);
  const address = b.copy(t.linear(eaSegment, offset, 1, writes));
  if (t.align) t.faultIf(Vector.AC, Cond.TSTNE, address, 3);
  t.faultIf(Vector.GP, Cond.TSTNE, address, alignment - 1);
  // Processors look at the end of it first.
  b.call(PROBE, b.add(address, size - 1), 1, writes ? 1 : 0, 4);
  b.call(PROBE, address, size, writes ? 1 : 0, 4);
  return address;
}

/** FXSAVE. It may write over code behind it: the block ends. */
function fxsave(t: Translation): void {
  const { b } = t;
  const address = area(t, true);
  t.settle();
  b.call(FXSAVE_X87, address);
  saveMxcsr(t, address);
  saveXmm(t, address);
  t.endForModeChange();
}

function saveMxcsr({ b }: Translation, address: Value): void {
  b.store(b.add(address, MXCSR_AT), b.envLoad(X86_OFFSETS.mxcsr), MO_32);
  b.store(b.add(address, MXCSR_MASK_AT), MXCSR_MASK, MO_32);
}

function saveXmm({ b }: Translation, address: Value): void {
  XMM.forEach((register, n) => {
    b.effect('guest_st_v128', b.add(address, XMM_AT + 16 * n), register, null, MO_128);
  });
}

function loadXmm({ b, floats }: Translation, address: Value): void {
  floats.clear();
  XMM.forEach((register, n) => {
    b.set(register, b.emit('guest_ld_v128', b.add(address, XMM_AT + 16 * n), null, null, MO_128));
  });
}

/** FXRSTOR: #GP before anything is loaded when MXCSR would get a reserved bit. */
function fxrstor(t: Translation): void {
  const { b } = t;
  const address = area(t, false);
  const mxcsr = b.load(b.add(address, MXCSR_AT), MO_32);
  t.faultIf(Vector.GP, Cond.TSTNE, mxcsr, ~MXCSR_MASK);
  b.envStore(X86_OFFSETS.mxcsr, mxcsr);
  loadXmm(t, address);
  b.call(FXRSTOR_X87, address);
  t.forgetX87();
  t.endForModeChange();
}

// ---- XSAVE: what of XCR0 EAX asks for; EDX asks for components there are not

/** XCR0: the same for the whole run of a process. */
function enabled(t: Translation): number {
  return xcr0(modelAt(t.mode >>> MODEL_SHIFT));
}

/** Goes on with `then` where a component is in `set`. */
function where(t: Translation, set: Value, component: number, then: () => void, otherwise?: () => void): void {
  const { b } = t;
  const absent = b.label();
  b.brcond(Cond.TSTEQ, set, component, absent);
  then();
  if (otherwise) {
    const done = b.label();
    b.br(done);
    b.place(absent);
    otherwise();
    b.place(done);
  } else {
    b.place(absent);
  }
}

/** The components that are not in their initial state. */
function inUse({ b }: Translation): Value {
  let all: Value = XMM[0]!;
  for (const register of XMM.slice(1)) all = b.emit('or_v128', all, register);
  return b.or(b.call(X87_IN_USE), b.shl(b.emit('any_v128', all), 1));
}

/** XSAVE, and XSAVEOPT, which leaves out what is in its initial state. */
function xsave(optimized: boolean): Handler {
  return (t) => {
    const { b } = t;
    const address = area(t, true, XSAVE_SIZE, XSAVE_ALIGNMENT);
    t.settle();
    const wanted = b.copy(b.and(EAX, enabled(t)));
    const used = b.copy(b.and(inUse(t), wanted));
    const saved = optimized ? used : wanted;
    where(t, saved, X87, () => b.call(FXSAVE_X87, address));
    where(t, wanted, SSE, () => saveMxcsr(t, address));
    where(t, saved, SSE, () => saveXmm(t, address));
    const header = b.add(address, HEADER_AT);
    b.store(header, b.or(b.and(b.load(header, MO_32), b.not(wanted)), used), MO_32);
    t.endForModeChange();
  };
}

/** XRSTOR: #GP before anything is loaded for components there are not, a compacted area, reserved bits of MXCSR. */
function xrstor(t: Translation): void {
  const { b } = t;
  const address = area(t, false, XSAVE_SIZE, XSAVE_ALIGNMENT);
  const wanted = b.copy(b.and(EAX, enabled(t)));
  const word = (at: number) => b.load(b.add(address, at), MO_32);
  const present = word(HEADER_AT);
  let wrong = b.and(present, ~enabled(t));
  for (let at = 4; at < 24; at += 4) wrong = b.or(wrong, word(HEADER_AT + at));
  const mxcsr = word(MXCSR_AT);
  wrong = b.or(wrong, b.select(b.and(wanted, SSE), b.and(mxcsr, ~MXCSR_MASK), 0));
  t.faultIf(Vector.GP, Cond.NE, wrong, 0);
  where(t, wanted, SSE, () => {
    b.envStore(X86_OFFSETS.mxcsr, mxcsr);
    where(
      t,
      present,
      SSE,
      () => loadXmm(t, address),
      () => {
        for (const register of XMM) b.set(register, ZERO_VECTOR);
      },
    );
  });
  where(t, wanted, X87, () => {
    where(
      t,
      present,
      X87,
      () => b.call(FXRSTOR_X87, address),
      () => b.call(X87_RESET),
    );
  });
  t.forgetX87();
  t.endForModeChange();
}

/** XGETBV: register 0 is the only one. */
function xgetbv(t: Translation): void {
  t.faultIf(Vector.GP, Cond.NE, ECX, 0);
  t.setReg(0, 4, enabled(t));
  t.setReg(2, 4, 0);
}

/** LDMXCSR. Translation goes on where arithmetic is done as it was before. */
function ldmxcsr(t: Translation): void {
  const { b } = t;
  const value = b.copy(t.read(t.dst));
  t.faultIf(Vector.GP, Cond.TSTNE, value, ~MXCSR_MASK);
  b.envStore(X86_OFFSETS.mxcsr, value);
  if (t.mode & FLAG_SSE_SLOW) {
    t.endForModeChange();
    return;
  }
  // Arithmetic behind this must not find the check of the block already done.
  t.sseChecked = false;
  t.sseWrites = true;
}

/** STMXCSR. */
function stmxcsr(t: Translation): void {
  t.write(t.dst, t.b.envLoad(X86_OFFSETS.mxcsr));
}

export const STATE_HANDLERS = {
  FXRSTOR: fxrstor,
  FXSAVE: fxsave,
  LDMXCSR: ldmxcsr,
  STMXCSR: stmxcsr,
  XGETBV: xgetbv,
  XRSTOR: xrstor,
  XSAVE: xsave(false),
  XSAVEOPT: xsave(true),
} as const satisfies Record<string, Handler>;
