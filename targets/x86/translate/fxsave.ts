// Saving and restoring x87, XMM and MXCSR state (SDM vol. 1, 10.5 and 13): FXSAVE, FXRSTOR, LDMXCSR, STMXCSR.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond, MO_32, MO_128 } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { FLAG_SSE_SLOW } from '../mode.ts';
import { MXCSR_MASK, X86_OFFSETS, XMM } from '../state.ts';
import { Vector } from '../vectors.ts';
import type { Translation } from './context.ts';
import type { Handler } from './vector.ts';
import { PROBE, x87Helper } from './x87.ts';

/** The legacy area: offsets and size in bytes. */
const MXCSR_AT = 24;
const MXCSR_MASK_AT = 28;
const XMM_AT = 160;
const AREA_SIZE = 512;
const ALIGNMENT = 16;

const FXSAVE_X87: HelperRow = x87Helper('fxsave_x87');
const FXRSTOR_X87: HelperRow = x87Helper('fxrstor_x87');

/** The address of the area, found aligned (else #GP) and accessible as a whole. */
function area(t: Translation, writes: boolean): Value {
  const { b } = t;
  const address = b.copy(writes ? t.writeAddress() : t.address());
  if (t.align) t.faultIf(Vector.AC, Cond.TSTNE, address, 3);
  t.faultIf(Vector.GP, Cond.TSTNE, address, ALIGNMENT - 1);
  // Processors look at the end of it first.
  b.call(PROBE, b.add(address, AREA_SIZE - 1), 1, writes ? 1 : 0);
  b.call(PROBE, address, AREA_SIZE, writes ? 1 : 0);
  return address;
}

/** FXSAVE. It may write over code behind it: the block ends. */
function fxsave(t: Translation): void {
  const { b } = t;
  const address = area(t, true);
  t.settle();
  b.call(FXSAVE_X87, address);
  b.store(b.add(address, MXCSR_AT), b.envLoad(X86_OFFSETS.mxcsr), MO_32);
  b.store(b.add(address, MXCSR_MASK_AT), MXCSR_MASK, MO_32);
  XMM.forEach((register, n) => {
    b.effect('guest_st_v128', b.add(address, XMM_AT + 16 * n), register, null, MO_128);
  });
  t.endForModeChange();
}

/** FXRSTOR: #GP before anything is loaded when MXCSR would get a reserved bit. */
function fxrstor(t: Translation): void {
  const { b } = t;
  const address = area(t, false);
  const mxcsr = b.load(b.add(address, MXCSR_AT), MO_32);
  t.faultIf(Vector.GP, Cond.TSTNE, mxcsr, ~MXCSR_MASK);
  b.envStore(X86_OFFSETS.mxcsr, mxcsr);
  XMM.forEach((register, n) => {
    b.set(register, b.emit('guest_ld_v128', b.add(address, XMM_AT + 16 * n), null, null, MO_128));
  });
  b.call(FXRSTOR_X87, address);
  t.forgetX87();
  t.endForModeChange();
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
} as const satisfies Record<string, Handler>;
