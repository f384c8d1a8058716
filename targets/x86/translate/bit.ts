// Bit instructions: BT BTS BTR BTC, BSF BSR, POPCNT LZCNT TZCNT.
import type { OpName } from '../../../tcg/ir/ops.ts';
import { Cond, MO_RMW } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { Cc, CF, ZF } from '../flags.ts';
import { OperandKind } from '../operands.ts';
import { sizeLog, type Translation } from './context.ts';

/** BT, BTS, BTR, BTC: CF is the bit, the other flags stay (undefined in the manual, unchanged on processors). */
export function bitTest(t: Translation): void {
  const { b, insn, dst } = t;
  const bits = dst.size * 8;
  const index = b.copy(t.read(t.src));
  const n = b.and(index, bits - 1);
  const flags = t.flags.all();
  let old: Value;
  if (dst.kind === OperandKind.Mem) {
    const writes = insn.mnemonic !== 'BT';
    let offset = t.offset();
    // A register index reaches beyond the operand: its signed word number selects the memory word.
    if (t.src.kind !== OperandKind.Imm) {
      const word = dst.size === 4 ? b.sar(index, 5) : b.sar(b.ext16s(index), 4);
      offset = b.add(offset, b.shl(word, dst.size === 4 ? 2 : 1));
      if (insn.addressSize === 2) offset = b.and(offset, 0xffff);
    }
    const address = t.linear(insn.eaSegment, offset, dst.size, writes);
    old = writes ? changeInMemory(t, b.copy(address), n) : t.load(address, dst.size);
  } else {
    old = b.copy(t.read(dst));
    if (insn.mnemonic !== 'BT') t.write(dst, change(t, old, n));
  }
  const bit = b.and(b.shr(old, n), 1);
  t.flags.setAll(b.or(b.and(flags, ~CF), bit), bit);
}

function change(t: Translation, old: Value, n: Value): Value {
  const { b } = t;
  const mask = b.shl(1, n);
  if (t.insn.mnemonic === 'BTS') return b.or(old, mask);
  return t.insn.mnemonic === 'BTR' ? b.and(old, b.not(mask)) : b.xor(old, mask);
}

const ATOMIC: Record<string, OpName> = { BTS: 'atomic_or_i32', BTR: 'atomic_and_i32', BTC: 'atomic_xor_i32' };

function changeInMemory(t: Translation, address: Value, n: Value): Value {
  const { b, insn, dst } = t;
  const log = sizeLog(dst.size);
  const load = log | MO_RMW | t.align;
  if (!insn.lock) {
    const old = b.load(address, load);
    b.store(address, change(t, old, n), log | t.align);
    return old;
  }
  const old = b.temp();
  const split = b.label();
  const done = b.label();
  b.brcond(Cond.TSTNE, address, dst.size - 1, split);
  const mask = b.shl(1, n);
  const operand = insn.mnemonic === 'BTR' ? b.not(mask) : mask;
  b.set(old, b.emit(ATOMIC[insn.mnemonic]!, address, operand, null, log));
  b.br(done);
  b.place(split);
  b.set(old, b.load(address, load));
  b.store(address, change(t, old, n), log | t.align);
  b.place(done);
  return old;
}

/**
 * BSF and BSR: a source of 0 sets ZF and leaves the destination (undefined in the manual, so on all processors). PF is that
 * of the result, of 0 for a source of 0, the other flags are clear, as the processors of undefined-flags.ts have it.
 */
export function bitScan(t: Translation): void {
  const { b, dst } = t;
  const src = b.copy(t.read(t.src));
  // TZCNT and LZCNT come here on models without them: a REP prefix they ignore.
  const forward = t.insn.mnemonic === 'BSF' || t.insn.mnemonic === 'TZCNT';
  const found = forward ? b.ctz(src) : b.xor(b.clz(src), 31);
  t.write(dst, b.select(src, found, t.read(dst)));
  // Bit 8 makes it not 0 without being part of the parity.
  t.flags.set(Cc.LOGIC, 2, b.select(src, b.or(found, 0x100), 0));
}

/** POPCNT: ZF by the source, all other flags cleared. */
export function popcnt(t: Translation): void {
  const { b } = t;
  const src = b.copy(t.read(t.src));
  t.giveTo(t.dst, b.popcnt(src));
  t.flags.setAll(b.shl(b.setcond(Cond.EQ, src, 0), 6));
}

/** LZCNT and TZCNT: CF for a source of 0, ZF for a result of 0; the others are undefined and cleared here. */
export function zeroCount(t: Translation): void {
  const { b, dst } = t;
  const bits = dst.size * 8;
  const src = b.copy(t.read(t.src));
  const result =
    t.insn.mnemonic === 'LZCNT'
      ? b.sub(b.clz(src), 32 - bits)
      : b.ctz(bits === 32 ? src : b.or(src, const32(1 << bits)));
  t.write(dst, result);
  const zero = b.shl(b.setcond(Cond.EQ, result, 0), Math.log2(ZF));
  t.flags.setAll(b.or(zero, b.setcond(Cond.EQ, src, 0)));
}
