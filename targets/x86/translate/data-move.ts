// Data movement: MOV, XCHG, LEA, stack instructions, CMPXCHG, XADD, BSWAP, extensions, flags to and from AH and the stack.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond, type MemOp, MO_32, MO_64, MO_RMW, MO_SIGN } from '../../../tcg/ir/types.ts';
import type { Global, Value } from '../../../tcg/ir/value.ts';
import { AF, Cc, CF, DF_BIT, OF, PF, SF, ZF } from '../flags.ts';
import { OperandKind } from '../operands.ts';
import { CC_DST, CC_SRC, DF, REGS, X86_OFFSETS } from '../state.ts';
import { locked } from './arithmetic.ts';
import { rowOf, sizeLog, type Translation } from './context.ts';

const [EAX, ECX, EDX, EBX, ESP, EBP] = REGS as [Global, Global, Global, Global, Global, Global];

const LOAD = rowOf('guest_ld_i32');

/** MOV between general registers, memory and immediates; moves from a segment register store the selector. */
export function mov(t: Translation): void {
  const { op0, op1 } = t.insn;
  if (op0.kind === OperandKind.Reg32 && op1.kind === OperandKind.Mem) loadRegister(t, op0.num, MO_32);
  else t.write(op0, t.read(op1));
}

/** Loads a whole register from the memory operand. */
function loadRegister(t: Translation, n: number, memOp: MemOp): void {
  const reg = REGS[n]!;
  const address = t.address();
  t.flags.wrote(reg);
  t.b.push(LOAD, reg, address, null, null, memOp | t.align, 0);
}

/** MOVZX. */
export function movzx(t: Translation): void {
  const { op0: dst, op1: src } = t.insn;
  if (dst.kind === OperandKind.Reg32 && src.kind === OperandKind.Mem) loadRegister(t, dst.num, sizeLog(src.size));
  else t.giveTo(dst, t.read(src));
}

/** MOVSX: memory operands are loaded sign-extended. */
export function movsx(t: Translation): void {
  const { dst, src } = t;
  const memOp = sizeLog(src.size) | MO_SIGN;
  if (src.kind !== OperandKind.Mem) t.giveTo(dst, t.b.sextract(t.read(src), 0, src.size * 8));
  else if (dst.kind === OperandKind.Reg32) loadRegister(t, dst.num, memOp);
  else t.write(dst, t.b.load(t.address(), memOp | t.align));
}

/** LEA: the offset, without segment base. */
export function lea(t: Translation): void {
  t.giveTo(t.dst, t.offset());
}

/** XCHG; with memory it is locked whatever the prefix. */
export function xchg(t: Translation): void {
  const { b, dst, src } = t;
  const value = b.copy(t.read(src));
  if (dst.kind === OperandKind.Mem) {
    t.write(
      src,
      locked(t, 'atomic_xchg_i32', value, () => value),
    );
    return;
  }
  const old = b.copy(t.read(dst));
  t.write(dst, value);
  t.write(src, old);
}

/** XADD: the sum to the destination, its old value to the source register. */
export function xadd(t: Translation): void {
  const { b, dst } = t;
  const src = b.copy(t.read(t.src));
  const atomic = t.insn.lock;
  const old = atomic ? locked(t, 'atomic_add_i32', src, (x) => b.add(x, src)) : t.fetch(dst);
  const sum = b.add(old, src);
  if (!atomic && dst.kind === OperandKind.Mem) t.putBack(dst, sum);
  t.write(t.src, old);
  // XADD of a register with itself leaves the sum: the destination is written last.
  if (dst.kind !== OperandKind.Mem) t.write(dst, sum);
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
  const choose = (x: Value) => b.select(b.setcond(Cond.EQ, x, expected), value, x);
  let old: Value;
  if (t.insn.lock) {
    old = locked(t, null, null, choose);
  } else {
    old = t.fetch(dst);
    const result = choose(old);
    if (dst.kind === OperandKind.Mem) t.putBack(dst, result);
    else {
      // With the accumulator as destination the comparison succeeds and the destination keeps the source.
      t.setReg(0, size, old);
      t.write(dst, result);
    }
  }
  if (dst.kind === OperandKind.Mem) t.setReg(0, size, old);
  b.set(CC_SRC, old);
  b.set(CC_DST, b.sub(expected, old));
  t.flags.finish(Cc.SUB | sizeLog(size), expected);
}

/** CMPXCHG8B m64: EDX:EAX against memory, ECX:EBX to it; changes ZF only. Misaligned ones are not atomic. */
export function cmpxchg8b(t: Translation): void {
  const { b } = t;
  const flags = t.flags.all();
  const address = b.copy(t.writeAddress());
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
  b.set(old, b.load64(address, MO_64 | MO_RMW | t.align));
  const same = b.emit('setcond_i64', old, expected, null, Cond.EQ);
  b.store64(address, b.select(same, value, old), MO_64 | t.align);
  b.place(done);
  const equal = b.emit('setcond_i64', old, expected, null, Cond.EQ);
  // When they are equal the registers hold the old value already.
  t.give(0, b.wrap(old));
  t.give(2, b.high(old));
  t.flags.setAll(b.or(b.and(flags, ~ZF), b.shl(equal, 6)));
}

/** BSWAP r32; with a 16-bit operand, which the manual leaves undefined, processors clear the word. */
export function bswap(t: Translation): void {
  if (t.dst.size === 4) t.giveTo(t.dst, t.b.bswap32(t.read(t.dst)));
  else t.write(t.dst, 0);
}

/** MOVBE: MOV with the bytes reversed. */
export function movbe(t: Translation): void {
  const { b } = t;
  const value = t.read(t.src);
  t.giveTo(t.dst, t.dst.size === 4 ? b.bswap32(value) : b.bswap16(value));
}

/** XLAT: AL = byte at (E)BX + AL. */
export function xlat(t: Translation): void {
  const { b, insn } = t;
  const sum = b.add(EBX, b.and(EAX, 0xff));
  const offset = insn.addressSize === 2 ? b.and(sum, 0xffff) : sum;
  t.setReg(0, 1, t.load(t.linear(insn.eaSegment, offset, 1, false), 1));
}

// ---- stack

/** PUSH r/m, imm or segment register (stored with zeros above its 16 bits; some processors leave those as they were). */
export function push(t: Translation): void {
  const { op0, operandSize } = t.insn;
  // PUSH ESP stores the value before the push.
  const value = t.read(op0);
  t.push(value === ESP ? t.b.copy(ESP) : value, operandSize);
}

/** POP r/m: a memory destination addressed by ESP uses the value after the pop. */
export function pop(t: Translation): void {
  const { op0: dst, operandSize: size } = t.insn;
  if (dst.kind === OperandKind.Mem) {
    const value = t.top(size);
    t.dropStack(size);
    t.store(t.writeAddress(), value, size);
    return;
  }
  const value = t.top(size);
  if (size === 4 && dst.num !== 4) {
    t.give(dst.num, value);
    t.dropStack(size);
    return;
  }
  // For POP ESP the write of the popped value comes last.
  t.dropStack(size);
  t.write(dst, value);
}

/** PUSHA: the eight registers, ESP as it was before. */
export function pusha(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  for (let n = 0; n < 8; n++) t.store(t.stackAddress(ESP, -size * (n + 1), size, true), t.reg(n, size), size);
  t.setSp(b.add(ESP, -8 * size));
}

/** POPA: the value for ESP is dropped. Registers popped before a fault keep what they got, as on processors. */
export function popa(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  for (let n = 7; n >= 0; n--) {
    if (n === 4) continue;
    t.setReg(n, size, t.load(t.stackAddress(ESP, size * (7 - n), size, false), size));
    b.insnStart(t.pc);
  }
  t.setSp(b.add(ESP, 8 * size));
}

/** ENTER size, level: builds a stack frame, copying `level` - 1 frame pointers of outer procedures. */
export function enter(t: Translation): void {
  const { b, insn } = t;
  const size = insn.operandSize;
  const level = insn.imm2 & 31;
  const frame = b.copy(b.add(ESP, -size));
  t.store(t.stackAddress(ESP, -size, size, true), t.reg(5, size), size);
  for (let n = 1; n < level; n++) {
    const outer = t.load(t.stackAddress(EBP, -size * n, size, false), size);
    t.store(t.stackAddress(frame, -size * n, size, true), outer, size);
  }
  if (level > 0) t.store(t.stackAddress(frame, -size * level, size, true), frame, size);
  const used = level > 0 ? size * level : 0;
  const newSp = b.sub(frame, used + (insn.imm & 0xffff));
  // The manual's last step: a write check at the new stack top.
  const top = b.copy(t.stackAddress(newSp, 0, size, true));
  t.store(top, b.load(top, sizeLog(size) | MO_RMW | t.align), size);
  t.setReg(5, size, frame);
  t.setSp(newSp);
}

/** LEAVE: ESP = EBP, then POP EBP. */
export function leave(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  t.setSp(b.add(EBP, size));
  const value = t.load(t.stackAddress(EBP, 0, size, false), size);
  if (size === 4) t.give(5, value);
  else t.setReg(5, size, value);
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
  const value = t.top(size);
  t.dropStack(size);
  b.call(SET_EFLAGS, value, size);
  t.flags.forget();
  t.endForModeChange();
}

/** LAHF: AH = SF ZF 0 AF 0 PF 1 CF. */
export function lahf(t: Translation): void {
  const { b } = t;
  t.give(0, b.deposit(EAX, b.or(b.and(t.flags.all(), SF | ZF | AF | PF | CF), 2), 8, 8));
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
  const value = t.read(t.src);
  const test = t.flags.test(t.insn.cond);
  t.giveTo(t.dst, b.select(b.setcond(test.cond, test.a, test.b), value, t.read(t.dst)));
}
