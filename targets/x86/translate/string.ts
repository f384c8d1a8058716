// String instructions MOVS STOS LODS CMPS SCAS with their repeat prefixes, and the port instructions no user may execute.
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond } from '../../../tcg/ir/types.ts';
import { const32, type Global, type Value } from '../../../tcg/ir/value.ts';
import { Cc } from '../flags.ts';
import { DF, REGS, Seg } from '../state.ts';
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
 * MOVS and STOS with a count do their bulk in a helper: arguments are log2 of the element size and the bases of the source
 * and destination segments. It moves as many whole elements as it can without a fault or touching translated code, updates
 * ECX, ESI and EDI, and returns; the element loop behind it does the rest and raises what there is to raise.
 */
const BULK = {
  args: ['i32', 'i32', 'i32'],
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
function pointer(t: Translation, register: Global, segment: number): Value {
  const { b } = t;
  return b.copy(t.linear(segment, t.insn.addressSize === 2 ? b.extract(register, 0, 16) : register));
}

/** Moves a string pointer on by one element. */
function advance(t: Translation, register: number, size: number): void {
  const { b } = t;
  t.setReg(register, t.insn.addressSize, b.add(REGS[register] as Global, b.mul(DF, size)));
}

function elementSize(t: Translation): number {
  return t.dst.size > 0 && !t.isMem(t.dst) ? t.dst.size : t.insn.operandSize;
}

/** MOVS: [ES:EDI] = [DS:ESI]. */
export function movs(t: Translation): void {
  const size = elementSize(t);
  repeat(t, REP_MOVS, size, () => {
    const value = t.load(pointer(t, ESI, t.insn.eaSegment), size);
    t.store(pointer(t, EDI, Seg.ES), value, size);
    advance(t, 6, size);
    advance(t, 7, size);
  });
}

/** STOS: [ES:EDI] = accumulator. */
export function stos(t: Translation): void {
  const size = elementSize(t);
  repeat(t, REP_STOS, size, () => {
    t.store(pointer(t, EDI, Seg.ES), EAX, size);
    advance(t, 7, size);
  });
}

/** LODS: accumulator = [DS:ESI]. */
export function lods(t: Translation): void {
  const size = elementSize(t);
  repeat(t, null, size, () => {
    const value = t.load(pointer(t, ESI, t.insn.eaSegment), size);
    t.setReg(0, size, value);
    advance(t, 6, size);
  });
}

/** CMPS: flags of [DS:ESI] - [ES:EDI]. */
export function cmps(t: Translation): void {
  const size = elementSize(t);
  compare(t, () => {
    const left = t.load(pointer(t, ESI, t.insn.eaSegment), size);
    const right = t.load(pointer(t, EDI, Seg.ES), size);
    advance(t, 6, size);
    advance(t, 7, size);
    t.flags.set(Cc.SUB, sizeLog(size), t.b.sub(left, right), right, null, left);
    return [left, right];
  });
}

/** SCAS: flags of accumulator - [ES:EDI]. */
export function scas(t: Translation): void {
  const size = elementSize(t);
  compare(t, () => {
    const left = t.b.copy(t.reg(0, size));
    const right = t.load(pointer(t, EDI, Seg.ES), size);
    advance(t, 7, size);
    t.flags.set(Cc.SUB, sizeLog(size), t.b.sub(left, right), right, null, left);
    return [left, right];
  });
}

function counter(t: Translation): Value {
  return t.insn.addressSize === 2 ? t.b.extract(ECX, 0, 16) : ECX;
}

/** One element, or with a repeat prefix (E)CX of them; each is an instruction of its own as far as faults go. */
function repeat(t: Translation, bulk: HelperRow | null, size: number, element: () => void): void {
  const { b, insn } = t;
  if (insn.rep === 0) {
    element();
    return;
  }
  const top = b.label();
  const done = b.label();
  if (bulk && insn.addressSize === 4) {
    b.brcond(Cond.LTU, ECX, BULK_MINIMUM, top);
    b.call(bulk, sizeLog(size), t.linear(insn.eaSegment, const32(0)), t.linear(Seg.ES, const32(0)));
  }
  b.place(top);
  b.insnStart(t.pc);
  b.brcond(Cond.EQ, counter(t), 0, done);
  element();
  t.setReg(1, insn.addressSize, b.add(ECX, -1));
  b.poll(t.pc);
  b.br(top);
  b.place(done);
}

/** The same for comparisons, which also stop when ZF is not as the prefix wants. */
function compare(t: Translation, element: () => [Value, Value]): void {
  const { b, insn } = t;
  if (insn.rep === 0) {
    element();
    return;
  }
  const before = t.flags.op;
  const top = b.label();
  const done = b.label();
  b.place(top);
  b.insnStart(t.pc);
  b.brcond(Cond.EQ, counter(t), 0, done);
  const [left, right] = element();
  t.setReg(1, insn.addressSize, b.add(ECX, -1));
  b.brcond(insn.rep === 0xf3 ? Cond.NE : Cond.EQ, left, right, done);
  b.poll(t.pc);
  b.br(top);
  b.place(done);
  // A count of 0 leaves the flags of whatever came before.
  t.flags.join(before);
}
