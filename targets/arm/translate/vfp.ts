// Floating point: loads, stores and transfers of S and D registers, FPSCR.
import { MO_32, MO_64, MO_ALIGN, MO_WORD } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { FPSCR_NZCV, FPSCR_QC } from '../fpscr.ts';
import { WRITE_FPSCR } from '../helpers.ts';
import type { VfpRow } from '../insns.ts';
import { FPFLAGS, ARM_OFFSETS as O, QREGS } from '../state.ts';
import { type Handler, PC, type Translation } from './context.ts';
import { VFP_ARITHMETIC } from './vfp-arithmetic.ts';
import { VFP_CONVERSION } from './vfp-conversion.ts';
import { VFP_HALF } from './vfp-half.ts';
import { dNumber, hasD, readD, readFloat, readS, sNumber, writeD, writeFloat, writeS } from './vfp-registers.ts';

/** How VLDR and VSTR access registers: at a multiple of four. */
const ALIGNED_32 = MO_32 | MO_ALIGN;
const ALIGNED_64 = MO_64 | MO_ALIGN | MO_WORD;

/** The address of VLDR and VSTR. */
function address(t: Translation): Value {
  const { insn, b } = t;
  const base = insn.n === PC ? b.add(t.pcValue & ~3, 0) : t.reg(insn.n);
  return b.add(base, insn.U ? insn.i << 2 : -(insn.i << 2));
}

const loadS: Handler = (t) => {
  writeFloat(t, 0, sNumber(t.insn.d, t.insn.D), t.b.emit('guest_ld_f32', address(t), null, null, ALIGNED_32 | t.be));
};

const storeS: Handler = (t) => {
  t.b.effect('guest_st_f32', address(t), readFloat(t, 0, sNumber(t.insn.d, t.insn.D)), null, ALIGNED_32 | t.be);
};

const loadD: Handler = (t) => {
  const n = dNumber(t.insn.d, t.insn.D);
  if (!hasD(t, n)) return t.undefined();
  writeFloat(t, 1, n, t.b.emit('guest_ld_f64', address(t), null, null, ALIGNED_64 | t.be));
};

const storeD: Handler = (t) => {
  const n = dNumber(t.insn.d, t.insn.D);
  if (!hasD(t, n)) return t.undefined();
  t.b.effect('guest_st_f64', address(t), readFloat(t, 1, n), null, ALIGNED_64 | t.be);
};

/** VLDM, VSTM, VPUSH, VPOP: registers in ascending order; with an odd count of words FLDMX and FSTMX. */
function multiple(double: boolean, loads: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const first = double ? dNumber(insn.d, insn.D) : sNumber(insn.d, insn.D);
    const count = double ? insn.i >> 1 : insn.i;
    const limit = double ? (t.has('d32') ? 32 : 16) : 32;
    if (first + count > limit) return t.undefined();
    const base = t.copy(insn.n);
    const start = b.copy(insn.P ? b.add(base, -(insn.i << 2)) : base);
    for (let k = 0; k < count; k++) {
      const at = b.add(start, k * (double ? 8 : 4));
      // The first access tells whether all are aligned.
      const memOp = (k === 0 ? MO_ALIGN | MO_WORD : 0) | (double ? MO_64 : MO_32) | t.be;
      const z = double ? 1 : 0;
      if (loads) writeFloat(t, z, first + k, b.emit(z ? 'guest_ld_f64' : 'guest_ld_f32', at, null, null, memOp));
      else b.effect(z ? 'guest_st_f64' : 'guest_st_f32', at, readFloat(t, z, first + k), null, memOp);
    }
    if (insn.W) t.setReg(insn.n, insn.P ? start : b.add(base, insn.i << 2));
  };
}

const toS: Handler = (t) => {
  writeS(t, sNumber(t.insn.n, t.insn.N), t.reg(t.insn.t));
};

const fromS: Handler = (t) => {
  t.setReg(t.insn.t, readS(t, sNumber(t.insn.n, t.insn.N)));
};

/** Two core registers and two S registers in a row. */
function twoS(toCore: boolean): Handler {
  return (t) => {
    const { insn } = t;
    const m = sNumber(insn.m, insn.M);
    if (toCore) {
      const low = readS(t, m);
      const high = readS(t, m + 1);
      t.setReg(insn.t, low);
      t.setReg(insn.u, high);
    } else {
      writeS(t, m, t.reg(insn.t));
      writeS(t, m + 1, t.reg(insn.u));
    }
  };
}

function oneD(toCore: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const m = dNumber(insn.m, insn.M);
    if (!hasD(t, m)) return t.undefined();
    if (toCore) {
      const value = readD(t, m);
      t.setReg(insn.t, b.wrap(value));
      t.setReg(insn.u, b.high(value));
    } else {
      writeD(t, m, b.concat(t.reg(insn.t), t.reg(insn.u)));
    }
  };
}

/** One word of a D register. */
function laneOfD(toCore: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const n = dNumber(insn.n, insn.N);
    if (!hasD(t, n)) return t.undefined();
    const q = QREGS[n >> 1]!;
    const lane = ((n & 1) << 1) | insn.x;
    if (toCore) t.setReg(insn.t, b.emit('lane_i32', q, null, null, 32, lane));
    else b.set(q, b.emit('setlane_i32', q, t.reg(insn.t), null, 32, lane));
  };
}

/** Numbers of the floating-point system registers. */
const FPSID = 0;
const FPSCR = 1;

/** VMRS APSR_nzcv, FPSCR: behind a comparison as if by an integer one, so that conditions are made of its operands. */
function flagsToApsr(t: Translation): void {
  const { b, floatOrder } = t;
  if (!floatOrder || floatOrder.next !== t.pc || t.skipped) {
    t.setFlagsFrom(b.copy(FPFLAGS));
    return;
  }
  // Ordered numbers leave N less, Z equal, C not less, V clear: what 0, 1 or 2 minus 1 does.
  const one = b.copy(1);
  t.setSubFlags(floatOrder.order, one, b.sub(floatOrder.order, one));
}

const readSystem: Handler = (t) => {
  const { insn, b } = t;
  if (insn.n === FPSCR) {
    if (insn.t === PC) return flagsToApsr(t);
    return t.setReg(insn.t, b.or(b.or(b.envLoad(O.fpscr), b.envLoad(O.fpexc)), FPFLAGS));
  }
  // Before VFPv3 the identification can be read without privilege; the others never can.
  if (insn.n === FPSID && !t.has('vfp3')) return t.setReg(insn.t, t.model.fpsid ?? 0);
  t.undefined();
};

const writeSystem: Handler = (t) => {
  const { insn, b } = t;
  if (insn.n === FPSID && !t.has('vfp3')) return;
  if (insn.n !== FPSCR) return t.undefined();
  // Saturation is Advanced SIMD's.
  const value = t.has('neon') ? t.copy(insn.t) : b.and(t.copy(insn.t), ~FPSCR_QC);
  b.set(FPFLAGS, b.and(value, FPSCR_NZCV));
  b.call(WRITE_FPSCR, value);
  // Translations depend on some of its bits.
  t.endForModeChange();
};

/** A lane of 8 or 16 bits of a D register, or a lane of 32 bits or less into a core register. */
function smallLane(bits: 8 | 16, toCore: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const n = dNumber(insn.n, insn.N);
    if (!hasD(t, n)) return t.undefined();
    const q = QREGS[n >> 1]!;
    const perD = 64 / bits;
    const lane = (n & 1) * perD + (bits === 8 ? (insn.x << 2) | insn.y : (insn.x << 1) | insn.y);
    if (toCore) {
      const value = b.emit('lane_i32', q, null, null, bits, lane);
      t.setReg(insn.t, insn.U ? value : b.sextract(value, 0, bits));
    } else {
      b.set(q, b.emit('setlane_i32', q, t.reg(insn.t), null, bits, lane));
    }
  };
}

/** VDUP from a core register: x and y tell the lane width, W a Q register. */
const duplicate: Handler = (t) => {
  const { insn, b } = t;
  const d = dNumber(insn.d, insn.D);
  if (!hasD(t, d) || (insn.x && insn.y) || (insn.W && d & 1)) return t.undefined();
  const vector = b.emit('splat_i32', t.reg(insn.t), null, null, insn.x ? 8 : insn.y ? 16 : 32);
  if (insn.W) b.set(QREGS[d >> 1]!, vector);
  else
    b.set(
      QREGS[d >> 1]!,
      b.emit('setlane_i64', QREGS[d >> 1]!, b.emit('lane_i64', vector, null, null, 0), null, d & 1),
    );
};

export const TRANSFER_HANDLERS = {
  VLDR_s: loadS,
  VLDR_d: loadD,
  VSTR_s: storeS,
  VSTR_d: storeD,
  VLDM_s: multiple(false, true),
  VLDM_d: multiple(true, true),
  VSTM_s: multiple(false, false),
  VSTM_d: multiple(true, false),
  VMOV_toS: toS,
  VMOV_fromS: fromS,
  VMOV_toSS: twoS(false),
  VMOV_fromSS: twoS(true),
  VMOV_toD: oneD(false),
  VMOV_fromD: oneD(true),
  VMOV_toLane32: laneOfD(false),
  VMOV_fromLane32: laneOfD(true),
  VMRS: readSystem,
  VMSR: writeSystem,
  VMOV_toLane8: smallLane(8, false),
  VMOV_toLane16: smallLane(16, false),
  VMOV_fromLane8: smallLane(8, true),
  VMOV_fromLane16: smallLane(16, true),
  VDUP_core: duplicate,
} satisfies Record<string, Handler>;

export const VFP_HANDLERS: Record<VfpRow, Handler> = {
  ...TRANSFER_HANDLERS,
  ...VFP_ARITHMETIC,
  ...VFP_CONVERSION,
  ...VFP_HALF,
};
