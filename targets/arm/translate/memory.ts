// Loads and stores: single, dual, multiple, exclusive, with acquire and release, swap, preload hints.
import { Jump, OPS, type OpName, type OpRow } from '../../../tcg/ir/ops.ts';
import { Cond, type MemOp, MO_8, MO_16, MO_32, MO_64, MO_ALIGN, MO_RMW, MO_SIGN } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { InsnSet } from '../insns.ts';
import { EXCLUSIVE_ADDRESS, EXCLUSIVE_HIGH, EXCLUSIVE_LOW, REGS } from '../state.ts';
import { type Handler, PC, SP, type Translation } from './context.ts';
import { shiftByConstant } from './data.ts';

const LOAD = OPS.guest_ld_i32 as OpRow<OpName>;

/** The address of an access and what the base register becomes behind it; null: it stays. */
interface Addressing {
  readonly address: Value;
  readonly writeback: Value | null;
}

type Offset = (t: Translation) => Value;

const immediateOffset: Offset = ({ insn }) => const32(insn.U ? insn.i << insn.z : -(insn.i << insn.z));

const registerOffset: Offset = (t) => {
  const { insn, b } = t;
  const { value } = shiftByConstant(t, t.reg(insn.m), insn.y, insn.h, false);
  return insn.U ? value : b.neg(value);
};

/** Works out an address; P, U and W as in the manual: P=0 is post-indexed, W=1 writes back. */
function addressing(t: Translation, offset: Offset): Addressing {
  const { insn, b } = t;
  const { n, P, W } = insn;
  if (n === PC) return { address: b.add(t.pcValue & ~3, offset(t)), writeback: null };
  const base = t.copy(n);
  const moved = b.copy(b.add(base, offset(t)));
  if (!P) return { address: base, writeback: moved };
  return { address: moved, writeback: W ? moved : null };
}

function load(memOp: MemOp, offset: Offset): Handler {
  return (t) => {
    const { insn } = t;
    const { address, writeback } = addressing(t, offset);
    if (insn.t === PC) {
      const value = t.load(address, memOp);
      if (writeback) t.setReg(insn.n, writeback);
      t.loadPc(value, insn.n === SP ? Jump.RETURN : Jump.PLAIN);
      return;
    }
    if (writeback && insn.n !== insn.t) {
      const value = t.load(address, memOp);
      t.setReg(insn.n, writeback);
      t.setReg(insn.t, value);
      return;
    }
    // Where the base register is loaded what was loaded stays.
    t.b.push(LOAD, REGS[insn.t]!, address, null, null, memOp | t.be, 0);
  };
}

function store(memOp: MemOp, offset: Offset): Handler {
  return (t) => {
    const { insn } = t;
    const { address, writeback } = addressing(t, offset);
    t.store(address, t.reg(insn.t), memOp);
    if (writeback) t.setReg(insn.n, writeback);
  };
}

/** The second register of a pair: the next one in A32, named in T32. */
function secondOf({ insn }: Translation): number {
  return insn.set === InsnSet.T32 ? insn.u : insn.t + 1;
}

function loadDual(offset: Offset): Handler {
  return (t) => {
    const { insn, b } = t;
    const second = secondOf(t);
    const { address, writeback } = addressing(t, offset);
    const low = t.load(address, MO_32 | t.strict);
    const high = t.load(b.add(address, 4), MO_32);
    if (writeback) t.setReg(insn.n, writeback);
    t.setReg(insn.t, low);
    t.setReg(second, high);
  };
}

function storeDual(offset: Offset): Handler {
  return (t) => {
    const { insn, b } = t;
    const second = secondOf(t);
    const { address, writeback } = addressing(t, offset);
    t.store(address, t.reg(insn.t), MO_32 | t.strict);
    t.store(b.add(address, 4), t.reg(second), MO_32);
    if (writeback) t.setReg(insn.n, writeback);
  };
}

// ---- multiple registers

/** Registers of a list, ascending. */
function listed(list: number): number[] {
  const found: number[] = [];
  for (let n = 0; n < 16; n++) if (list & (1 << n)) found.push(n);
  return found;
}

/** The first address of a multiple transfer and the base register behind it (ARM ARM, LDM and STM). */
function multiple(t: Translation, count: number): { start: Value; end: Value } {
  const { insn, b } = t;
  const { P, U, n } = insn;
  const base = t.copy(n);
  const bytes = 4 * count;
  if (U) return { start: b.add(base, P ? 4 : 0), end: b.copy(b.add(base, bytes)) };
  const end = b.copy(b.add(base, -bytes));
  return { start: P ? end : b.add(end, 4), end };
}

const loadMultiple: Handler = (t) => {
  const { insn, b } = t;
  const { n } = insn;
  const list = insn.l | (insn.K << 15);
  const regs = listed(list);
  const { start, end } = multiple(t, regs.length);
  const writes = (insn.W === 1 || insn.W === 2) && (list & (1 << n)) === 0;
  let strict = t.strict;
  let offset = 0;
  let target: Value | null = null;
  for (const reg of regs) {
    const address = b.add(start, offset);
    // The base register is kept in `start`, so that loading it does not disturb the addresses.
    if (reg === PC) target = t.load(address, MO_32 | strict);
    else b.push(LOAD, REGS[reg]!, address, null, null, MO_32 | strict | t.be, 0);
    strict = 0;
    offset += 4;
  }
  if (writes) t.setReg(n, end);
  if (target) t.loadPc(target, n === SP ? Jump.RETURN : Jump.PLAIN);
};

const storeMultiple: Handler = (t) => {
  const { insn, b } = t;
  const { n } = insn;
  const list = insn.l | (insn.M << 14);
  const regs = listed(list);
  const { start, end } = multiple(t, regs.length);
  let strict = t.strict;
  let offset = 0;
  for (const reg of regs) {
    // A base register in the list is stored as it was, also where the manual leaves that open.
    t.store(b.add(start, offset), t.reg(reg), MO_32 | strict);
    strict = 0;
    offset += 4;
  }
  if (insn.W) t.setReg(n, end);
};

// ---- exclusive access: an exclusive store is a compare-and-exchange with what the exclusive load has seen

/** Turns a value as it lies in memory into the register's, or back. */
function ordered(t: Translation, value: Value, size: MemOp): Value {
  if (!t.be || size === MO_8) return value;
  return size === MO_16 ? t.b.bswap16(value) : t.b.bswap32(value);
}

function exclusiveAddress(t: Translation): Value {
  const { insn, b } = t;
  return b.copy(b.add(t.reg(insn.n), insn.i << insn.z));
}

function loadExclusive(size: MemOp, acquire = false): Handler {
  return (t) => {
    const { insn, b } = t;
    const address = exclusiveAddress(t);
    if (size === MO_64) {
      const pair = b.load64(address, MO_64 | MO_ALIGN);
      const low = b.wrap(pair);
      const high = b.high(pair);
      const second = secondOf(t);
      b.set(EXCLUSIVE_LOW, low);
      b.set(EXCLUSIVE_HIGH, high);
      t.setReg(insn.t, ordered(t, low, MO_32));
      t.setReg(second, ordered(t, high, MO_32));
    } else {
      const value = b.load(address, size === MO_8 ? size : size | MO_ALIGN);
      b.set(EXCLUSIVE_LOW, value);
      t.setReg(insn.t, ordered(t, value, size));
    }
    b.set(EXCLUSIVE_ADDRESS, address);
    if (acquire) b.effect('fence');
  };
}

function storeExclusive(size: MemOp, release = false): Handler {
  return (t) => {
    const { insn, b } = t;
    if (release) b.effect('fence');
    const address = exclusiveAddress(t);
    const result = b.temp();
    const fails = b.label();
    const done = b.label();
    b.set(result, 1);
    b.brcond(Cond.NE, address, EXCLUSIVE_ADDRESS, fails);
    // Aborts come behind the check of the monitor, which may be either way round.
    const mask = (1 << size) - 1;
    if (mask) t.checkAlignment(address, mask, true);
    if (size === MO_64) {
      const value = b.concat(ordered(t, t.reg(insn.t), MO_32), ordered(t, t.reg(secondOf(t)), MO_32));
      const seen = b.concat(EXCLUSIVE_LOW, EXCLUSIVE_HIGH);
      const old = b.emit('atomic_cas_i64', address, seen, value, MO_64);
      b.set(result, b.emit('setcond_i64', old, seen, null, Cond.NE));
    } else {
      const value = ordered(t, b.copy(t.reg(insn.t)), size);
      const seen = b.copy(EXCLUSIVE_LOW);
      const old = b.emit('atomic_cas_i32', address, seen, value, size);
      b.set(result, b.setcond(Cond.NE, old, seen));
    }
    b.br(done);
    b.place(fails);
    b.place(done);
    b.set(EXCLUSIVE_ADDRESS, -1);
    t.setReg(insn.d, result);
  };
}

/** LDA and relatives: aligned, and ordered before what follows. */
function loadAcquire(size: MemOp): Handler {
  return (t) => {
    const value = t.load(t.reg(t.insn.n), size === MO_8 ? size : size | MO_ALIGN);
    t.setReg(t.insn.t, value);
    t.b.effect('fence');
  };
}

function storeRelease(size: MemOp): Handler {
  return (t) => {
    t.b.effect('fence');
    t.store(t.reg(t.insn.n), t.reg(t.insn.t), size === MO_8 ? size : size | MO_ALIGN);
    t.b.effect('fence');
  };
}

/** SWP, SWPB. */
const swap: Handler = (t) => {
  const { insn, b } = t;
  const size = insn.B ? MO_8 : MO_32;
  const address = t.copy(insn.n);
  // The plain load finds misaligned addresses and pages that cannot be written.
  b.load(address, (insn.B ? size : size | MO_ALIGN) | MO_RMW);
  const value = ordered(t, b.copy(t.reg(insn.m)), size);
  t.setReg(insn.t, ordered(t, b.emit('atomic_xchg_i32', address, value, null, size), size));
};

const nothing: Handler = () => {};
const barrier: Handler = (t) => t.b.effect('fence');

export const MEMORY_HANDLERS = {
  STR_imm: store(MO_32, immediateOffset),
  STR_reg: store(MO_32, registerOffset),
  LDR_imm: load(MO_32, immediateOffset),
  LDR_reg: load(MO_32, registerOffset),
  STRB_imm: store(MO_8, immediateOffset),
  STRB_reg: store(MO_8, registerOffset),
  LDRB_imm: load(MO_8, immediateOffset),
  LDRB_reg: load(MO_8, registerOffset),
  STRH_imm: store(MO_16, immediateOffset),
  STRH_reg: store(MO_16, registerOffset),
  LDRH_imm: load(MO_16, immediateOffset),
  LDRH_reg: load(MO_16, registerOffset),
  LDRSB_imm: load(MO_8 | MO_SIGN, immediateOffset),
  LDRSB_reg: load(MO_8 | MO_SIGN, registerOffset),
  LDRSH_imm: load(MO_16 | MO_SIGN, immediateOffset),
  LDRSH_reg: load(MO_16 | MO_SIGN, registerOffset),
  LDRD_imm: loadDual(immediateOffset),
  LDRD_reg: loadDual(registerOffset),
  STRD_imm: storeDual(immediateOffset),
  STRD_reg: storeDual(registerOffset),
  LDM: loadMultiple,
  STM: storeMultiple,
  LDM_pop: loadMultiple,
  STM_push: storeMultiple,
  LDREX: loadExclusive(MO_32),
  LDREXB: loadExclusive(MO_8),
  LDREXH: loadExclusive(MO_16),
  LDREXD: loadExclusive(MO_64),
  STREX: storeExclusive(MO_32),
  STREXB: storeExclusive(MO_8),
  STREXH: storeExclusive(MO_16),
  STREXD: storeExclusive(MO_64),
  LDAEX: loadExclusive(MO_32, true),
  LDAEXB: loadExclusive(MO_8, true),
  LDAEXH: loadExclusive(MO_16, true),
  LDAEXD: loadExclusive(MO_64, true),
  STLEX: storeExclusive(MO_32, true),
  STLEXB: storeExclusive(MO_8, true),
  STLEXH: storeExclusive(MO_16, true),
  STLEXD: storeExclusive(MO_64, true),
  LDA: loadAcquire(MO_32),
  LDAB: loadAcquire(MO_8),
  LDAH: loadAcquire(MO_16),
  STL: storeRelease(MO_32),
  STLB: storeRelease(MO_8),
  STLH: storeRelease(MO_16),
  SWP: swap,
  CLREX: (t: Translation) => t.b.set(EXCLUSIVE_ADDRESS, -1),
  DSB: barrier,
  DMB: barrier,
  SB: barrier,
  PLD_imm: nothing,
  PLD_reg: nothing,
  PLDW_imm: nothing,
  PLDW_reg: nothing,
  PLI_imm: nothing,
  PLI_reg: nothing,
  HINT_imm: nothing,
  HINT_reg: nothing,
} satisfies Record<string, Handler>;
