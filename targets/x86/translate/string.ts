// String instructions MOVS STOS LODS CMPS SCAS with their repeat prefixes, and the port instructions no user may execute.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond } from '../../../tcg/ir/types.ts';
import type { Global, Label, Value } from '../../../tcg/ir/value.ts';
import { Cc } from '../flags.ts';
import { FLAG_ALIGN, FLAG_SEGMENTS, FLAG_TRACE } from '../mode.ts';
import { CC_DST, CC_SRC, DF, REGS, Seg } from '../state.ts';
import { sizeLog, type Translation } from './context.ts';

const [EAX, ECX, , , , , ESI, EDI] = REGS as Global[] as [
  Global,
  Global,
  Global,
  Global,
  Global,
  Global,
  Global,
  Global,
];

/**
 * MOVS and STOS with a count do their bulk in a helper: its argument is log2 of the element size. It moves as many whole
 * elements as it can without a fault or touching translated code, updates ECX, ESI and EDI, and returns; the element loop
 * behind it does the rest and raises what there is to raise.
 */
const BULK = {
  args: ['i32'],
  result: null,
  readsGlobals: true,
  writesGlobals: true,
  sideEffects: true,
} as const;
export const REP_MOVS: HelperRow = { name: 'rep_movs', ...BULK };
export const REP_STOS: HelperRow = { name: 'rep_stos', ...BULK };

/**
 * Counts from which the helper pays: calling it costs about 60 ns, an element of the loop about 2 ns; copies below this
 * stay in generated code.
 */
const BULK_MINIMUM = 24;

/** A string pointer as a linear address. */
function pointer(t: Translation, register: Global, segment: number, size: number, writes: boolean): Value {
  const offset = t.insn.addressSize === 2 ? t.b.and(register, 0xffff) : register;
  return t.linear(segment, offset, size, writes);
}

function source(t: Translation, size: number): Value {
  return t.load(pointer(t, ESI, t.insn.eaSegment, size, false), size);
}

function destination(t: Translation, size: number): Value {
  return t.load(pointer(t, EDI, Seg.ES, size, false), size);
}

/** Moves a string pointer on by one element. */
function advance(t: Translation, register: number, size: number): void {
  const { b } = t;
  const moved = b.add(REGS[register] as Global, b.mul(DF, size));
  if (t.insn.addressSize === 4) t.give(register, moved);
  else t.setReg(register, 2, moved);
}

function elementSize(t: Translation): number {
  return t.dst.size > 0 && !t.isMem(t.dst) ? t.dst.size : t.insn.operandSize;
}

function moveElement(t: Translation, size: number): void {
  const value = source(t, size);
  t.store(pointer(t, EDI, Seg.ES, size, true), value, size);
  advance(t, 6, size);
  advance(t, 7, size);
}

function storeElement(t: Translation, size: number): void {
  t.store(pointer(t, EDI, Seg.ES, size, true), EAX, size);
  advance(t, 7, size);
}

function loadElement(t: Translation, size: number): void {
  const value = source(t, size);
  if (size === 4) t.give(0, value);
  else t.setReg(0, size, value);
  advance(t, 6, size);
}

/** MOVS: [ES:EDI] = [DS:ESI]. */
export function movs(t: Translation): void {
  repeat(t, REP_MOVS, moveElement);
}

/** STOS: [ES:EDI] = accumulator. */
export function stos(t: Translation): void {
  repeat(t, REP_STOS, storeElement);
}

/** LODS: accumulator = [DS:ESI]. */
export function lods(t: Translation): void {
  repeat(t, null, loadElement);
}

function counter(t: Translation): Value {
  return t.insn.addressSize === 2 ? t.b.and(ECX, 0xffff) : ECX;
}

function countDown(t: Translation): void {
  const { b } = t;
  if (t.insn.addressSize === 4) t.give(1, b.add(ECX, -1));
  else t.setReg(1, 2, b.add(ECX, -1));
}

/** Whether the bulk helpers, which know flat segments and addresses of 32 bits only, can take part. */
function bulkIsPossible(t: Translation): boolean {
  return (
    t.insn.addressSize === 4 && (t.mode & (FLAG_SEGMENTS | FLAG_ALIGN | FLAG_TRACE)) === 0 && t.insn.eaSegment < Seg.FS
  );
}

/** One element, or with a repeat prefix (E)CX of them; each is an instruction of its own as far as faults go. */
function repeat(t: Translation, bulk: HelperRow | null, element: (t: Translation, size: number) => void): void {
  const { b, insn } = t;
  const size = elementSize(t);
  if (insn.rep === 0) {
    element(t, size);
    return;
  }
  const top = b.label();
  const done = b.label();
  t.settle();
  if (bulk && bulkIsPossible(t)) {
    b.brcond(Cond.LTU, ECX, BULK_MINIMUM, top);
    b.call(bulk, sizeLog(size));
  }
  b.place(top);
  b.insnStart(t.pc);
  b.brcond(Cond.EQ, counter(t), 0, done);
  element(t, size);
  countDown(t);
  again(t, top, done);
}

/** Goes on with the next element, when there is one. */
function again(t: Translation, top: Label, done: Label): void {
  const { b } = t;
  if (t.traced) {
    // #DB comes behind each element, with the PC on the instruction while there are more.
    b.brcond(Cond.EQ, counter(t), 0, done);
    t.jumpTo(t.pc);
  } else {
    b.poll(t.pc);
    b.br(top);
  }
  b.place(done);
}

/** CMPS: flags of [DS:ESI] - [ES:EDI]. */
export function cmps(t: Translation): void {
  compare(t, true);
}

/** SCAS: flags of accumulator - [ES:EDI]. */
export function scas(t: Translation): void {
  compare(t, false);
}

/** One comparison, or with a prefix up to (E)CX of them until ZF is not as the prefix wants. */
function compare(t: Translation, both: boolean): void {
  const { b, insn } = t;
  const size = elementSize(t);
  if (insn.rep === 0) {
    compareElement(t, both, size);
    return;
  }
  const before = t.flags.op;
  const top = b.label();
  const done = b.label();
  t.settle();
  b.place(top);
  b.insnStart(t.pc);
  b.brcond(Cond.EQ, counter(t), 0, done);
  compareElement(t, both, size);
  countDown(t);
  b.brcond(insn.rep === 0xf3 ? Cond.NE : Cond.EQ, CC_DST, 0, done);
  again(t, top, done);
  // A count of 0 leaves the flags of whatever came before.
  t.flags.join(before);
}

function compareElement(t: Translation, both: boolean, size: number): void {
  const { b } = t;
  // Where neither can be read, AMD's processors report the destination, but the source for REPE CMPSB.
  const sourceFirst = t.insn.rep === 0xf3 && size === 1;
  const early = both && sourceFirst ? source(t, size) : null;
  const right = destination(t, size);
  const left = early ?? (both ? source(t, size) : b.copy(t.reg(0, size)));
  if (both) advance(t, 6, size);
  advance(t, 7, size);
  b.set(CC_SRC, right);
  b.set(CC_DST, b.sub(left, right));
  t.flags.finish(Cc.SUB | sizeLog(size), left);
}
