// Data movement: MOV, XCHG, LEA, stack instructions, CMPXCHG, XADD, BSWAP, extensions, flags to and from AH and the stack.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond, MO_64 } from '../../../tcg/ir/types.ts';
import type { Global, Value } from '../../../tcg/ir/value.ts';
import { AF, Cc, CF, DF_BIT, OF, PF, SF, ZF } from '../flags.ts';
import { OperandKind } from '../operands.ts';
import { DF, REGS, X86_OFFSETS } from '../state.ts';
import { modify } from './arithmetic.ts';
import { sizeLog, type Translation } from './context.ts';

const [EAX, ECX, EDX, EBX, ESP, EBP] = REGS as [Global, Global, Global, Global, Global, Global];

/** MOV between general registers, memory and immediates; moves from a segment register store the selector. */
export function mov(t: Translation): void {
  t.write(t.dst, t.read(t.src));
}

/** MOVZX. */
export function movzx(t: Translation): void {
  t.write(t.dst, t.read(t.src));
}

/** MOVSX: memory operands are loaded sign-extended. */
export function movsx(t: Translation): void {
  const { src } = t;
  if (t.isMem(src)) t.write(t.dst, t.load(t.address(), src.size, true));
  else t.write(t.dst, t.b.sextract(t.read(src), 0, src.size * 8));
}

/** LEA: the offset, without segment base. */
export function lea(t: Translation): void {
  t.write(t.dst, t.offset());
}

/** XCHG; with memory it is locked whatever the prefix. */
export function xchg(t: Translation): void {
  const { b } = t;
  const { dst, src } = t;
  const value = b.copy(t.read(src));
  const old = modify(t, dst, 'atomic_xchg_i32', value, () => value, true);
  t.write(src, old);
}

/** XADD: the sum to the destination, its old value to the source register. */
export function xadd(t: Translation): void {
  const { b, dst } = t;
  const src = b.copy(t.read(t.src));
  const old = modify(t, dst, 'atomic_add_i32', src, (x) => b.add(x, src));
  const sum = t.result;
  t.write(t.src, old);
  // XADD of a register with itself leaves the sum: the destination is written last.
  if (!t.isMem(dst)) t.write(dst, sum);
  t.flags.set(Cc.ADD, sizeLog(dst.size), sum, src);
}

/**
 * CMPXCHG: compares the accumulator with the destination; equal: destination = source, else accumulator = destination. The
 * destination is written in both cases, so a read-only page faults either way.
 */
export function cmpxchg(t: Translation): void {
  const { b, dst } = t;
  const { size } = dst;
  const expected = b.copy(t.reg(0, size));
  const value = b.copy(t.read(t.src));
  const old = modify(t, dst, null, null, (x) => b.select(b.setcond(Cond.EQ, x, expected), value, x));
  t.setReg(0, size, old);
  // With a register destination equal to the accumulator the comparison succeeds and the destination keeps the source.
  if (!t.isMem(dst)) t.write(dst, t.result);
  t.flags.set(Cc.SUB, sizeLog(size), b.sub(expected, old), old, null, expected);
}

/** CMPXCHG8B m64: EDX:EAX against memory, ECX:EBX to it; changes ZF only. Misaligned ones are not atomic. */
export function cmpxchg8b(t: Translation): void {
  const { b } = t;
  const flags = t.flags.all();
  const address = t.address();
  const expected = b.concat(EAX, EDX);
  const value = b.concat(EBX, ECX);
  const old = b.temp('i64');
  const plain = b.label();
  const done = b.label();
  if (t.insn.lock) {
    b.brcond(Cond.TSTNE, address, 7, plain);
    b.set(old, b.emit('atomic_cas_i64', address, expected, value, MO_64));
    b.br(done);
  }
  b.place(plain);
  b.set(old, b.load64(address, MO_64));
  const same = b.emit('setcond_i64', old, expected, null, Cond.EQ);
  b.store64(address, b.select(same, value, old), MO_64);
  b.place(done);
  const equal = b.emit('setcond_i64', old, expected, null, Cond.EQ);
  // When they are equal the registers hold the old value already.
  b.set(EAX, b.wrap(old));
  b.set(EDX, b.high(old));
  t.flags.setAll(b.or(b.and(flags, ~ZF), b.shl(equal, 6)));
}

/** BSWAP r32; with a 16-bit operand, which the manual leaves undefined, processors clear the word. */
export function bswap(t: Translation): void {
  const { b } = t;
  if (t.dst.size === 4) t.write(t.dst, b.bswap32(t.read(t.dst)));
  else t.write(t.dst, 0);
}

/** MOVBE: MOV with the bytes reversed. */
export function movbe(t: Translation): void {
  const { b } = t;
  const value = t.read(t.src);
  t.write(t.dst, t.dst.size === 4 ? b.bswap32(value) : b.bswap16(value));
}

/** XLAT: AL = byte at (E)BX + AL. */
export function xlat(t: Translation): void {
  const { b, insn } = t;
  const sum = b.add(EBX, b.extract(EAX, 0, 8));
  const offset = insn.addressSize === 2 ? b.extract(sum, 0, 16) : sum;
  t.setReg(0, 1, t.load(b.copy(t.linear(insn.eaSegment, offset)), 1));
}

// ---- stack

/** PUSH r/m, imm or segment register. */
export function push(t: Translation): void {
  const size = t.insn.operandSize;
  // PUSH ESP stores the value before the push.
  const value = t.b.copy(t.read(t.dst));
  if (t.dst.kind === OperandKind.Seg && size === 4) {
    // Only the selector's 16 bits are written; the rest of the slot keeps what was there (SDM, PUSH).
    const sp = t.b.copy(ESP);
    t.store(t.b.copy(t.stackAddress(sp, -4)), value, 2);
    t.setSp(t.b.add(sp, -4));
    return;
  }
  t.push(value, size);
}

/** POP r/m: a memory destination addressed by ESP uses the value after the pop. */
export function pop(t: Translation): void {
  const { b, dst, insn } = t;
  const size = insn.operandSize;
  const value = b.copy(t.top(size));
  t.dropStack(size);
  // For POP ESP the write of the popped value comes last.
  if (t.isMem(dst)) t.store(t.address(), value, size);
  else t.write(dst, value);
}

/** PUSHA: the eight registers, ESP as it was before. */
export function pusha(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  const sp = b.copy(ESP);
  for (let n = 0; n < 8; n++) t.store(b.copy(t.stackAddress(sp, -size * (n + 1))), t.reg(n, size), size);
  t.setSp(b.add(sp, -8 * size));
}

/** POPA: the value for ESP is dropped. */
export function popa(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  const sp = b.copy(ESP);
  const values: (Value | null)[] = [];
  for (let n = 7; n >= 0; n--) {
    values[n] = n === 4 ? null : t.load(b.copy(t.stackAddress(sp, size * (7 - n))), size);
  }
  for (let n = 0; n < 8; n++) {
    const value = values[n];
    if (value) t.setReg(n, size, value);
  }
  t.setSp(b.add(sp, 8 * size));
}

/** ENTER size, level: builds a stack frame, copying `level` - 1 frame pointers of outer procedures. */
export function enter(t: Translation): void {
  const { b, insn } = t;
  const size = insn.operandSize;
  const level = insn.imm2 & 31;
  const sp = b.copy(ESP);
  const frame = b.copy(b.add(sp, -size));
  t.store(b.copy(t.stackAddress(sp, -size)), t.reg(5, size), size);
  for (let n = 1; n < level; n++) {
    const outer = t.load(b.copy(t.stackAddress(EBP, -size * n)), size);
    t.store(b.copy(t.stackAddress(frame, -size * n)), outer, size);
  }
  if (level > 0)
    t.store(b.copy(t.stackAddress(frame, -size * level)), size === 4 ? frame : b.extract(frame, 0, 16), size);
  const used = level > 0 ? size * level : 0;
  const newSp = b.sub(frame, used + (insn.imm & 0xffff));
  // The manual's last step: a write check at the new stack top.
  const top = b.copy(t.stackAddress(newSp, 0));
  t.store(top, t.load(top, size), size);
  t.setReg(5, size, frame);
  t.setSp(newSp);
}

/** LEAVE: ESP = EBP, then POP EBP. */
export function leave(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  const value = b.copy(t.load(b.copy(t.stackAddress(EBP, 0)), size));
  t.setSp(b.add(b.copy(EBP), size));
  t.setReg(5, size, value);
}

// ---- flags

/** EFLAGS as PUSHF sees them. */
function eflags(t: Translation): Value {
  const { b } = t;
  const direction = b.and(DF, DF_BIT);
  return b.or(b.or(t.flags.all(), direction), b.or(b.envLoad(X86_OFFSETS.eflags), 0x202));
}

/** PUSHF: VM and RF are stored as 0. */
export function pushf(t: Translation): void {
  t.push(t.b.and(eflags(t), 0xfcffff), t.insn.operandSize);
}

/** Sets EFLAGS from a value as POPF and IRET do at CPL 3; `popf_user` in helpers.ts. */
export const SET_EFLAGS: HelperRow = {
  name: 'set_eflags',
  args: ['i32', 'i32'],
  result: null,
  readsGlobals: true,
  writesGlobals: true,
  sideEffects: true,
};

/** POPF; TF takes effect after the next instruction, so the block ends here. */
export function popf(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  const value = b.copy(t.top(size));
  t.dropStack(size);
  b.call(SET_EFLAGS, value, size);
  t.flags.forget();
  t.endForModeChange();
}

/** LAHF: AH = SF ZF 0 AF 0 PF 1 CF. */
export function lahf(t: Translation): void {
  const { b } = t;
  b.set(EAX, b.deposit(EAX, b.or(b.and(t.flags.all(), SF | ZF | AF | PF | CF), 2), 8, 8));
}

/** SAHF: the same five flags from AH; OF stays. */
export function sahf(t: Translation): void {
  const { b } = t;
  const overflow = b.and(t.flags.all(), OF);
  t.flags.setAll(b.or(b.and(b.extract(EAX, 8, 8), SF | ZF | AF | PF | CF), overflow));
}

/** CLC STC CMC. */
export function carryFlag(t: Translation): void {
  const { b } = t;
  const flags = t.flags.all();
  if (t.insn.mnemonic === 'CLC') t.flags.setAll(b.and(flags, ~CF));
  else if (t.insn.mnemonic === 'STC') t.flags.setAll(b.or(flags, CF));
  else t.flags.setAll(b.xor(flags, CF));
}

/** CLD STD. */
export function directionFlag(t: Translation): void {
  t.b.set(DF, t.insn.mnemonic === 'CLD' ? 1 : -1);
}

/** SALC: AL = 0 or -1 by CF. */
export function salc(t: Translation): void {
  t.setReg(0, 1, t.b.neg(t.flags.carry()));
}

// ---- conditions

/** SETcc r/m8. */
export function setcc(t: Translation): void {
  const test = t.flags.test(t.insn.cond);
  t.write(t.dst, t.b.setcond(test.cond, test.a, test.b));
}

/** CMOVcc: a memory source is read whatever the condition; the destination is written either way. */
export function cmovcc(t: Translation): void {
  const { b } = t;
  const value = b.copy(t.read(t.src));
  const test = t.flags.test(t.insn.cond);
  t.write(t.dst, b.select(b.setcond(test.cond, test.a, test.b), value, t.read(t.dst)));
}
