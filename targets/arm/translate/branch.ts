// Branches, exceptions, IT, status and system registers, hints.
import { Jump } from '../../../tcg/ir/ops.ts';
import { Cond, MO_8, MO_16 } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { COUNTER } from '../helpers.ts';
import { InsnSet } from '../insns.ts';
import { FLAG_BIG_CODE } from '../mode.ts';
import { GE, ARM_OFFSETS as O, QF } from '../state.ts';
import { Vector } from '../vectors.ts';
import { AL, type Handler, LR, PC, type Translation } from './context.ts';

/** Sign-extends the low `bits` of a number. */
function signed(value: number, bits: number): number {
  return (value << (32 - bits)) >> (32 - bits);
}

/** The distance of a branch in bytes, by instruction set and form. */
function distance({ insn }: Translation): number {
  if (insn.set === InsnSet.A32) return signed(insn.i, 24) << 2;
  const { s, j, k, i } = insn;
  // I1 = not (J1 eor S), I2 likewise; imm10 and imm11 are one field.
  const top = (s << 23) | ((j ^ s ^ 1) << 22) | ((k ^ s ^ 1) << 21) | i;
  return signed(top << 1, 25);
}

/** B. */
const branch: Handler = (t) => {
  const { insn } = t;
  const by = insn.set === InsnSet.T16 ? signed(insn.i << 1, 12) : distance(t);
  t.jumpTo(((t.pcValue + by) | t.thumb) >>> 0);
  t.ended = true;
};

/** B with a condition of its own. */
const conditionalBranch: Handler = (t) => {
  const { insn, b } = t;
  const { s, j, k, i, c } = insn;
  if (c >= AL) return t.undefined();
  const by = insn.set === InsnSet.T16 ? signed(i << 1, 9) : signed((s << 20) | (k << 19) | (j << 18) | (i << 1), 21);
  const not = b.label();
  const { cond, x, y } = t.test(c ^ 1);
  b.brcond(cond, x, y, not);
  t.jumpTo(((t.pcValue + by) | t.thumb) >>> 0);
  b.place(not);
  t.jumpTo(t.returnAddress);
  t.ended = true;
};

/** CBZ, CBNZ. */
const compareBranch: Handler = (t) => {
  const { insn, b } = t;
  const not = b.label();
  b.brcond(insn.x ? Cond.EQ : Cond.NE, t.reg(insn.n), 0, not);
  t.jumpTo(((t.pcValue + (insn.i << 1)) | 1) >>> 0);
  b.place(not);
  t.jumpTo(t.returnAddress);
  t.ended = true;
};

const link: Handler = (t) => {
  const target = ((t.pcValue + distance(t)) | t.thumb) >>> 0;
  t.setReg(LR, t.returnAddress);
  t.jumpTo(target, Jump.CALL);
  t.ended = true;
};

/** BLX to the other instruction set. */
const linkExchange: Handler = (t) => {
  const { insn } = t;
  // The lowest bit of T32's distance must be 0: instructions of A32 are words.
  if (t.thumb && insn.i & 1) return t.undefined();
  const target = t.thumb
    ? ((t.pcValue & ~3) + distance(t)) & ~3
    : (t.pcValue + ((signed(insn.i, 24) << 2) | (insn.x << 1))) | 1;
  t.setReg(LR, t.returnAddress);
  t.jumpTo(target >>> 0, Jump.CALL);
  t.ended = true;
};

const exchange: Handler = (t) => {
  const { m } = t.insn;
  t.jumpToValue(t.reg(m), m === LR ? Jump.RETURN : Jump.PLAIN);
};

const linkExchangeRegister: Handler = (t) => {
  const { m } = t.insn;
  const target = t.copy(m);
  t.setReg(LR, t.returnAddress);
  t.jumpToValue(target, Jump.CALL);
};

/** TBB, TBH. */
const tableBranch: Handler = (t) => {
  const { insn, b } = t;
  const index = t.reg(insn.m);
  const entry = b.add(t.reg(insn.n), insn.x ? b.shl(index, 1) : index);
  const offset = t.load(entry, insn.x ? MO_16 : MO_8);
  t.jumpToValue(b.or(b.add(b.shl(offset, 1), t.pcValue), 1));
};

/** The number in SVC by which semihosting is called. */
const SEMIHOST_ARM = 0x123456;
const SEMIHOST_THUMB = 0xab;
/** System calls of the old ABI are numbered from here in the instruction. */
const OABI_BASE = 0x900000;

const supervisor: Handler = (t) => {
  const { i } = t.insn;
  if (i === (t.thumb ? SEMIHOST_THUMB : SEMIHOST_ARM)) return t.trap(Vector.SEMIHOST);
  if (!t.thumb && i >= OABI_BASE) {
    t.unimplemented = `system call ${i - OABI_BASE} of the old ABI (OABI)`;
    return t.trap(Vector.OABI_CALL, i);
  }
  t.trap(Vector.SVC);
};

const breakpoint: Handler = (t) => {
  // BKPT is executed whatever the condition says.
  t.raise(Vector.BREAKPOINT, t.insn.i);
  t.ended = true;
};

/** The undefined instructions that Linux takes for breakpoints (arch/arm/kernel/ptrace.c), by instruction set. */
const BREAKPOINTS: Record<InsnSet, number> = {
  [InsnSet.A32]: 0x07f001f0,
  [InsnSet.T16]: 0xde01,
  [InsnSet.T32]: 0xf7f0a000,
};

const permanentlyUndefined: Handler = (t) => {
  const { word, set } = t.insn;
  const plain = set === InsnSet.A32 ? word & 0x0fffffff : word;
  if (plain !== BREAKPOINTS[set]) return t.undefined();
  t.raise(Vector.BREAKPOINT);
  t.ended = true;
};

/** HLT: semihosting by the numbers set aside for it, else undefined. */
const halt: Handler = (t) => {
  if (t.insn.i === (t.thumb ? 0x3c : 0xf000)) t.trap(Vector.SEMIHOST);
  else t.undefined();
};

/** IT: the following instructions' conditions; the state is in the translation. */
const ifThen: Handler = (t) => {
  const { k, i } = t.insn;
  t.itNext = (k << 4) | i;
};

const CPSR_USER_MODE = 0x10;

/** MRS: NZCVQ and GE; of the rest user mode sees the mode, and E. */
const readStatus: Handler = (t) => {
  const { b, insn } = t;
  const flags = b.or(t.packFlags(), b.shl(QF, 27));
  // Of BE32 the byte order does not tell what E is.
  const bigCode = t.flags & FLAG_BIG_CODE;
  const e = bigCode ? b.shl(b.envLoad(O.bigEndian), 9) : t.be ? 0x200 : 0;
  t.setReg(insn.d, b.or(b.or(b.or(flags, b.shl(GE, 16)), CPSR_USER_MODE), e));
};

function writeStatus(t: Translation, value: Value): void {
  const { b, insn } = t;
  const { k } = insn;
  if (k & 8) {
    t.setFlagsFrom(value);
    if (t.has('v5te')) b.set(QF, b.extract(value, 27, 1));
  }
  if (k & 4 && t.has('v6')) b.set(GE, b.extract(value, 16, 4));
  // E is the user's too.
  if (k & 2 && t.has('v6')) {
    b.envStore(O.bigEndian, b.extract(value, 9, 1));
    t.endForModeChange();
  }
}

const writeStatusRegister: Handler = (t) => writeStatus(t, t.copy(t.insn.m));

const writeStatusImmediate: Handler = (t) => {
  const by = (t.insn.i >>> 8) * 2;
  const byte = t.insn.i & 0xff;
  writeStatus(t, const32(by === 0 ? byte : (byte >>> by) | (byte << (32 - by))));
};

const setEndian: Handler = (t) => {
  t.b.envStore(O.bigEndian, t.insn.x);
  t.endForModeChange();
};

/** Registers of coprocessor 15 that a user may read: c13 thread ids, c14 the virtual counter and its frequency. */
const readSystem: Handler = (t) => {
  const { insn, b } = t;
  const { o, n, m, p } = insn;
  let value: Value;
  if (o === 0 && n === 13 && m === 0 && p === 3 && t.has('v6k')) value = b.envLoad(O.tpidruro);
  else if (o === 0 && n === 13 && m === 0 && p === 2 && t.has('v6k')) value = b.envLoad(O.tpidrurw);
  else if (o === 0 && n === 14 && m === 0 && p === 0 && t.has('adiv')) value = const32(COUNTER_FREQUENCY);
  else return t.undefined();
  // Reading into the PC sets the flags.
  if (insn.t === PC) t.setFlagsFrom(value);
  else t.setReg(insn.t, value);
};

/** CNTFRQ: the counter counts nanoseconds / 16. */
const COUNTER_FREQUENCY = 62_500_000;

const writeSystem: Handler = (t) => {
  const { insn, b } = t;
  const { o, n, m, p } = insn;
  if (o === 0 && n === 13 && m === 0 && p === 2 && t.has('v6k')) return b.envStore(O.tpidrurw, t.reg(insn.t));
  // The barriers of ARMv6: c7, c10, 4 and 5 (data), c7, c5, 4 (prefetch flush).
  if (o === 0 && n === 7 && ((m === 10 && (p === 4 || p === 5)) || (m === 5 && p === 4)) && t.has('v6')) {
    return b.effect('fence');
  }
  t.undefined();
};

/** MRRC: CNTVCT, c14 with opc1 1. */
const readSystemPair: Handler = (t) => {
  const { insn, b } = t;
  if (insn.o !== 1 || insn.m !== 14 || !t.has('adiv')) return t.undefined();
  t.setReg(insn.t, b.call(COUNTER, 0));
  t.setReg(insn.u, b.call(COUNTER, 1));
};

const nothing: Handler = () => {};

export const BRANCH_HANDLERS = {
  B: branch,
  B_cond: conditionalBranch,
  CBZ: compareBranch,
  BL: link,
  BLX_imm: linkExchange,
  BLX_reg: linkExchangeRegister,
  BX: exchange,
  BXJ: exchange,
  TBB: tableBranch,
  SVC: supervisor,
  BKPT: breakpoint,
  HLT: halt,
  UDF: permanentlyUndefined,
  IT: ifThen,
  MRS: readStatus,
  MSR_reg: writeStatusRegister,
  MSR_imm: writeStatusImmediate,
  SETEND: setEndian,
  MRC: readSystem,
  MCR: writeSystem,
  MRRC: readSystemPair,
  // What needs privilege to have an effect does nothing.
  CPS: nothing,
  NOP: nothing,
  // Code that was written is translated anew by itself.
  ISB: nothing,
} satisfies Record<string, Handler>;
