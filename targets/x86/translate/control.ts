// Control flow: near and far jumps, calls and returns, loops, software interrupts, BOUND and INTO.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Jump } from '../../../tcg/ir/ops.ts';
import { Cond, Exit } from '../../../tcg/ir/types.ts';
import { const32, type Global, type Label, type Value } from '../../../tcg/ir/value.ts';
import { NT } from '../flags.ts';
import { OperandKind } from '../operands.ts';
import { REGS, Seg, X86_OFFSETS } from '../state.ts';
import { Vector } from '../vectors.ts';
import type { Translation } from './context.ts';
import { SET_EFLAGS } from './data-move.ts';

const [, ECX] = REGS as [Global, Global];

/** Jcc rel. */
export function jcc(t: Translation): void {
  const { b } = t;
  const taken = b.label();
  const test = t.flags.test(t.insn.row.cond);
  b.brcond(test.cond, test.a, test.b, taken);
  leaveBothWays(t, taken);
}

/** Ends the block with two ways out: on, and at `taken` to the target. */
function leaveBothWays(t: Translation, taken: Label): void {
  t.jumpTo(t.next);
  t.b.place(taken);
  t.checkRelative();
  t.jumpToTarget();
  t.ended = true;
}

/** JMP rel, r/m. */
export function jmp(t: Translation): void {
  const { op0 } = t.insn;
  if (op0.kind === OperandKind.Rel) {
    t.checkRelative();
    t.jumpToTarget();
  } else {
    const target = t.b.copy(t.read(op0));
    t.checkTarget(target);
    t.jumpToValue(target);
  }
  t.ended = true;
}

/** CALL rel, r/m: pushes the address of the next instruction. */
export function call(t: Translation): void {
  const { op0, operandSize: size } = t.insn;
  if (op0.kind === OperandKind.Rel) {
    t.checkRelative();
    t.push(t.returnOffset(), size);
    t.jumpToTarget(Jump.CALL);
  } else {
    const target = t.b.copy(t.read(op0));
    t.checkTarget(target);
    t.push(t.returnOffset(), size);
    t.jumpToValue(target, Jump.CALL);
  }
  t.ended = true;
}

/** RET, RET imm16. */
export function ret(t: Translation): void {
  const size = t.insn.operandSize;
  const target = t.top(size);
  t.checkTarget(target);
  t.dropStack(size + (t.dst.kind === OperandKind.Imm ? t.insn.imm & 0xffff : 0));
  t.jumpToValue(target, Jump.RETURN);
  t.ended = true;
}

// ---- far transfers

/**
 * Whether a far jump or call (0) or return (1) may go to an offset in the code segment of a selector; raises #GP or #NP.
 * Arguments: selector, offset, which. Loads nothing.
 */
export const CHECK_FAR: HelperRow = { name: 'check_far', args: ['i32', 'i32', 'i32'], result: null, raises: true };
const JUMP = 0;
const RETURN = 1;

/** Loads CS with a selector that CHECK_FAR has passed; returns the linear address of the offset. */
export const LOAD_CODE_SEGMENT: HelperRow = {
  name: 'load_code_segment',
  args: ['i32', 'i32'],
  result: 'i32',
  readsGlobals: true,
  writesGlobals: true,
  sideEffects: true,
};

function enterSegment(t: Translation, selector: Value, offset: Value): void {
  const { b } = t;
  const pc = b.call(LOAD_CODE_SEGMENT, selector, offset);
  t.settle();
  b.exitTb(Exit.LOOKUP, pc);
  t.ended = true;
}

/** The far pointer operand: offset and selector. */
function farPointer(t: Translation): [offset: Value, selector: Value] {
  const { insn } = t;
  if (t.dst.kind === OperandKind.Far) return [const32(insn.imm), const32(insn.imm2)];
  const size = insn.operandSize;
  const address = t.b.copy(t.address());
  return [t.load(address, size), t.load(t.b.add(address, size), 2)];
}

/** JMP ptr16:16/32, m16:16/32. Kernels give processes no call gates and no task gates, so these are #GP too. */
export function jmpFar(t: Translation): void {
  const [offset, selector] = farPointer(t);
  t.b.call(CHECK_FAR, selector, offset, JUMP);
  enterSegment(t, selector, offset);
}

/** CALL ptr16:16/32, m16:16/32: pushes CS and the offset of the next instruction. */
export function callFar(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  const [offset, selector] = farPointer(t);
  b.call(CHECK_FAR, selector, offset, JUMP);
  const back = t.returnOffset();
  const first = t.stackAddress(REGS[4]!, -size, size, true);
  t.store(first, b.envLoad(X86_OFFSETS.selectors + 4 * Seg.CS), size);
  t.store(t.stackAddress(REGS[4]!, -2 * size, size, true), back, size);
  t.setSp(b.add(REGS[4]!, -2 * size));
  enterSegment(t, selector, offset);
}

/** RET far, RET far imm16. */
export function retFar(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  // The upper slot first: it is the one that faults when neither can be read.
  const selector = t.load(t.stackAddress(REGS[4]!, size, size, false), 2);
  const offset = t.top(size);
  b.call(CHECK_FAR, selector, offset, RETURN);
  t.dropStack(2 * size + (t.dst.kind === OperandKind.Imm ? t.insn.imm & 0xffff : 0));
  enterSegment(t, selector, offset);
}

/** IRET to the same privilege: offset, CS, EFLAGS. With NT set it is #GP in a 64-bit kernel's processes. */
export function iret(t: Translation): void {
  const { b } = t;
  const size = t.insn.operandSize;
  const fine = b.label();
  b.brcond(Cond.TSTEQ, b.envLoad(X86_OFFSETS.eflags), NT, fine);
  t.fault(Vector.GP);
  b.place(fine);
  const eflags = t.load(t.stackAddress(REGS[4]!, 2 * size, size, false), size);
  const selector = t.load(t.stackAddress(REGS[4]!, size, size, false), 2);
  const offset = t.top(size);
  b.call(CHECK_FAR, selector, offset, RETURN);
  t.dropStack(3 * size);
  b.call(SET_EFLAGS, eflags, size);
  t.flags.forget();
  enterSegment(t, selector, offset);
}

/** (E)CX by address size. */
function counter(t: Translation): Value {
  return t.insn.addressSize === 2 ? t.b.and(ECX, 0xffff) : ECX;
}

/** LOOP, LOOPE, LOOPNE: count down, no flags change. */
export function loop(t: Translation): void {
  const { b, insn } = t;
  // The flags are tested before anything is written that they may be kept in.
  const test = insn.mnemonic === 'LOOP' ? null : t.flags.test(insn.mnemonic === 'LOOPE' ? 4 : 5);
  const also = test ? b.setcond(test.cond, test.a, test.b) : null;
  t.setReg(1, insn.addressSize, b.add(ECX, -1));
  const taken = b.label();
  if (also) b.brcond(Cond.NE, b.and(b.setcond(Cond.NE, counter(t), 0), also), 0, taken);
  else b.brcond(Cond.NE, counter(t), 0, taken);
  leaveBothWays(t, taken);
}

/** JCXZ, JECXZ. */
export function jcxz(t: Translation): void {
  const taken = t.b.label();
  t.b.brcond(Cond.EQ, counter(t), 0, taken);
  leaveBothWays(t, taken);
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

/** INT1 (ICEBP): told from single-stepping by a fault address of 1. */
export function int1(t: Translation): void {
  t.raiseAt(Vector.DB, 0, const32(t.next), 1);
  t.ended = true;
}

/** Condition code: OF is clear. */
const NO = 1;

/** INTO: #OF as a trap when OF is set. */
export function into(t: Translation): void {
  const { b } = t;
  const fine = b.label();
  const test = t.flags.test(NO);
  b.brcond(test.cond, test.a, test.b, fine);
  t.trap(Vector.OF);
  b.place(fine);
}

/** BOUND r, m: #BR unless lower <= r <= upper, signed. */
export function bound(t: Translation): void {
  const { b, insn } = t;
  const size = insn.operandSize;
  const address = t.address();
  const lower = t.load(address, size, true);
  const upper = t.load(b.add(address, size), size, true);
  const value = size === 4 ? t.read(t.dst) : b.ext16s(t.read(t.dst));
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
