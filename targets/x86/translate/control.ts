// Control flow within the code segment: jumps, calls, returns, loops, software interrupts, BOUND and INTO.
import { Jump } from '../../../tcg/ir/ops.ts';
import { Cond, MO_16, MO_32, MO_SIGN } from '../../../tcg/ir/types.ts';
import type { Global, Value } from '../../../tcg/ir/value.ts';
import { OF } from '../flags.ts';
import { OperandKind } from '../operands.ts';
import { REGS } from '../state.ts';
import { Vector } from '../vectors.ts';
import type { Translation } from './context.ts';

const [, ECX] = REGS as [Global, Global];

/** Jcc rel. */
export function jcc(t: Translation): void {
  branch(t, (taken) => {
    const test = t.flags.test(t.insn.cond);
    t.b.brcond(test.cond, test.a, test.b, taken);
  });
}

/** Ends the block with two ways out; `emit` branches to the label when the jump is taken. */
function branch(t: Translation, emit: (taken: ReturnType<Translation['b']['label']>) => void): void {
  const { b } = t;
  const taken = b.label();
  emit(taken);
  t.jumpTo(t.next);
  b.place(taken);
  t.jumpTo(t.insn.target);
  t.ended = true;
}

/** JMP rel, r/m. */
export function jmp(t: Translation): void {
  if (t.dst.kind === OperandKind.Rel) t.jumpTo(t.insn.target);
  else t.jumpToValue(t.read(t.dst));
  t.ended = true;
}

/** CALL rel, r/m: pushes the address of the next instruction. */
export function call(t: Translation): void {
  const size = t.insn.operandSize;
  if (t.dst.kind === OperandKind.Rel) {
    t.push(t.next, size);
    t.jumpTo(t.insn.target, Jump.CALL);
  } else {
    const target = t.b.copy(t.read(t.dst));
    t.push(t.next, size);
    t.jumpToValue(target, Jump.CALL);
  }
  t.ended = true;
}

/** RET, RET imm16. */
export function ret(t: Translation): void {
  const size = t.insn.operandSize;
  const target = t.b.copy(t.top(size));
  t.dropStack(size + (t.dst.kind === OperandKind.Imm ? t.insn.imm & 0xffff : 0));
  t.jumpToValue(target, Jump.RETURN);
  t.ended = true;
}

/** (E)CX by address size. */
function counter(t: Translation): Value {
  return t.insn.addressSize === 2 ? t.b.extract(ECX, 0, 16) : ECX;
}

/** LOOP, LOOPE, LOOPNE: count down, no flags change. */
export function loop(t: Translation): void {
  const { b, insn } = t;
  // The flags are tested before anything is written that they may be kept in.
  const test = insn.mnemonic === 'LOOP' ? null : t.flags.test(insn.mnemonic === 'LOOPE' ? 4 : 5);
  const also = test ? b.setcond(test.cond, test.a, test.b) : null;
  t.setReg(1, insn.addressSize, b.add(ECX, -1));
  branch(t, (taken) => {
    if (!also) {
      b.brcond(Cond.NE, counter(t), 0, taken);
      return;
    }
    b.brcond(Cond.NE, b.and(b.setcond(Cond.NE, counter(t), 0), also), 0, taken);
  });
}

/** JCXZ, JECXZ. */
export function jcxz(t: Translation): void {
  branch(t, (taken) => t.b.brcond(Cond.EQ, counter(t), 0, taken));
}

/** INT n: reported to the process loop with the PC behind it; there n is 0x80 or a general protection fault. */
export function int(t: Translation): void {
  const n = t.insn.imm & 0xff;
  // Without an IDT of its own a user process may only call vectors 3, 4 and 0x80 (error code: vector * 8 + 2).
  if (n === 3 || n === 4 || n === 0x80) t.trap(n);
  else t.fault(Vector.GP, n * 8 + 2);
  t.ended = true;
}

/** INT3. */
export function int3(t: Translation): void {
  t.trap(Vector.BP);
  t.ended = true;
}

/** INT1 (ICEBP). */
export function int1(t: Translation): void {
  t.trap(Vector.DB);
  t.ended = true;
}

/** INTO: #OF as a trap when OF is set. */
export function into(t: Translation): void {
  const { b } = t;
  const fine = b.label();
  b.brcond(Cond.TSTEQ, t.flags.all(), OF, fine);
  t.trap(Vector.OF);
  b.place(fine);
}

/** BOUND r, m: #BR unless lower <= r <= upper, signed. */
export function bound(t: Translation): void {
  const { b, insn } = t;
  const size = insn.operandSize;
  const address = t.address();
  const memOp = size === 4 ? MO_32 : MO_16 | MO_SIGN;
  const lower = b.load(address, memOp);
  const upper = b.load(b.add(address, size), memOp);
  const value = size === 4 ? t.read(t.dst) : b.sextract(t.read(t.dst), 0, 16);
  t.faultIf(Vector.BR, Cond.LT, value, lower);
  t.faultIf(Vector.BR, Cond.GT, value, upper);
}

/** UD0, UD1, UD2. */
export function undefinedInsn(t: Translation): void {
  t.fault(Vector.UD);
  t.ended = true;
}

/** Instructions that need a privilege no user process has: #GP(0). */
export function privileged(t: Translation): void {
  t.fault(Vector.GP);
  t.ended = true;
}
