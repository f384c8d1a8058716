// What all vector instructions share: XMM and MMX operands in registers and memory, their alignment, the MMX view of the x87.
import { Cond, type MemOp, MO_32, MO_64, MO_128, MO_ALIGN } from '../../../tcg/ir/types.ts';
import { Const, type Value } from '../../../tcg/ir/value.ts';
import { type Operand, OperandKind } from '../operands.ts';
import { Seg, XMM } from '../state.ts';
import { Vector } from '../vectors.ts';
import { x87Offset } from '../x87-reset.ts';
import { rowOf, type Translation } from './context.ts';
import { waitForX87 } from './x87.ts';

export type Handler = (t: Translation) => void;

/** A vector constant from its 16 bytes, the lowest first. */
export function vectorConst(bytes: readonly number[] | Uint8Array): Const {
  return new Const('v128', Uint8Array.from(bytes));
}

export const ZERO_VECTOR: Const = vectorConst(new Uint8Array(16));

const LOAD = rowOf('guest_ld_v128');

/** The access that moves `bytes` (4, 8 or 16) of a vector. */
function accessOf(bytes: number): MemOp {
  return bytes === 16 ? MO_128 : bytes === 8 ? MO_64 : MO_32;
}

/**
 * Access flags for the memory operand: 16 bytes must be aligned in all but a few instructions, or #GP is raised; others
 * raise #AC where EFLAGS.AC is set.
 */
function checked(t: Translation, bytes: number, unaligned: boolean, address: Value): MemOp {
  if (bytes < 16) return accessOf(bytes) | t.align;
  if (!unaligned) return MO_128 | MO_ALIGN;
  if (t.align !== 0) {
    // That it goes on beyond the last byte of its segment comes first.
    t.faultIf(t.insn.eaSegment === Seg.SS ? Vector.SS : Vector.GP, Cond.GTU, address, -16);
    t.faultIf(Vector.AC, Cond.TSTNE, address, 15);
  }
  return MO_128;
}

/** How a memory operand of 16 bytes is accessed. */
export interface VectorAccess {
  /** Any address will do, as MOVUPS, MOVDQU and the string comparisons have it. */
  readonly unaligned?: boolean;
}

const ALIGNED: VectorAccess = {};

/**
 * The value of an XMM or memory operand (W, V, U, M letters), v128. Memory of 4 or 8 bytes is followed by zeros; a register
 * comes whole, and may be the register itself: no good once that is written.
 */
export function readVector(t: Translation, operand: Operand, { unaligned = false }: VectorAccess = ALIGNED): Value {
  if (operand.kind === OperandKind.Xmm) return XMM[operand.num]!;
  const address = t.address();
  return t.b.emit('guest_ld_v128', address, null, null, checked(t, operand.size, unaligned, address));
}

/** The low 32 bits of a vector operand as i32. */
export function readLow32(t: Translation, operand: Operand): Value {
  if (operand.kind === OperandKind.Xmm) return t.b.emit('lane_i32', XMM[operand.num]!, null, null, 32, 0);
  return t.b.load(t.address(), MO_32 | t.align);
}

/** The low 64 bits of a vector operand as i64. */
export function readLow64(t: Translation, operand: Operand): Value {
  if (operand.kind === OperandKind.Xmm) return t.b.emit('lane_i64', XMM[operand.num]!, null, null, 0);
  return t.b.load64(t.address(), MO_64 | t.align);
}

/** Writes an XMM register; nobody uses the value again under its own name. */
export function setXmm(t: Translation, n: number, value: Value): void {
  const global = XMM[n]!;
  t.floats.wrote(n, value);
  const { ops } = t.b.block;
  const last = ops[ops.length - 1];
  if (last !== undefined && last.out === value && value.kind === 'temp') last.out = global;
  else t.b.set(global, value);
}

/** Makes an XMM register a copy of another. */
export function copyXmm(t: Translation, to: number, from: number): void {
  t.b.set(XMM[to]!, XMM[from]!);
  t.floats.copied(to, from);
}

/** Loads an XMM register from the memory operand, its other bytes becoming zero. */
export function loadXmm(t: Translation, n: number, bytes: number, { unaligned = false }: VectorAccess = ALIGNED): void {
  const address = t.address();
  t.floats.wrote(n, null);
  t.b.push(LOAD, XMM[n]!, address, null, null, checked(t, bytes, unaligned, address), 0);
}

/** Stores the low `bytes` of a vector to the memory operand. */
export function storeVector(
  t: Translation,
  value: Value,
  bytes: number,
  { unaligned = false }: VectorAccess = ALIGNED,
): void {
  const address = t.writeAddress();
  t.b.effect('guest_st_v128', address, value, null, checked(t, bytes, unaligned, address));
}

/** The bytes of a vector rearranged: byte i of the result is byte `order[i]` of a, from 16 on of b. */
export function shuffle(t: Translation, a: Value, b: Value, order: readonly number[]): Value {
  return t.b.emit('shuffle_v128', a, b, vectorConst(order));
}

/** Byte numbers of the lanes of `bytes` (2, 4, 8) given by their numbers. */
export function lanes(bytes: number, ...numbers: number[]): number[] {
  return numbers.flatMap((lane) => Array.from({ length: bytes }, (_, i) => lane * bytes + i));
}

// ---- MMX

const FPR = x87Offset('fpr0');
const FPR_SE = x87Offset('fpr0se');
const FPTOP = x87Offset('fptop');
const FPEMPTY = x87Offset('fpempty');
const STRIDE = 16;
/** Sign and exponent of an x87 register that an MMX instruction has written. */
const MMX_EXPONENT = 0xffff;

/** Wraps the handler of an instruction that has MMX registers: an x87 exception that waits is reported first. */
export function mmx(handler: Handler): Handler {
  return (t) => {
    waitForX87(t);
    handler(t);
  };
}

/**
 * The value of an MMX or memory operand (P, Q, N letters) as the low half of a v128, the high half zero. An MMX instruction
 * reads its operands first, so that nothing has changed when a memory operand faults, then calls `enterMmx`.
 */
export function readMmx(t: Translation, operand: Operand): Value {
  const { b } = t;
  if (operand.kind === OperandKind.Mmx) {
    return b.emit('env_ld_v128', null, null, null, FPR + STRIDE * operand.num, MO_64);
  }
  return b.emit('guest_ld_v128', t.address(), null, null, accessOf(operand.size) | t.align);
}

/** The same as i64. */
export function readMmx64(t: Translation, operand: Operand): Value {
  const { b } = t;
  if (operand.kind === OperandKind.Mmx) {
    return b.emit('env_ld_i64', null, null, null, FPR + STRIDE * operand.num, MO_64);
  }
  return b.load64(t.address(), MO_64 | t.align);
}

/** Every MMX instruction but EMMS makes all x87 registers valid and number 0 the top (SDM vol. 1, 9.6.1). */
export function enterMmx(t: Translation): void {
  if (t.mmxEntered) return;
  t.mmxEntered = true;
  t.b.envStore(FPTOP, 0);
  t.b.envStore(FPEMPTY, 0);
}

/** Writes an MMX register: the low half of a v128, or an i64. */
export function setMmx(t: Translation, n: number, value: Value): void {
  const { b } = t;
  enterMmx(t);
  b.effect(value.type === 'v128' ? 'env_st_v128' : 'env_st_i64', value, null, null, FPR + STRIDE * n, MO_64);
  if ((t.mmxWritten >> n) & 1) return;
  t.mmxWritten |= 1 << n;
  b.envStore(FPR_SE + STRIDE * n, MMX_EXPONENT);
}

/** EMMS, FEMMS: all registers are empty. */
export const emptyMmx: Handler = mmx((t) => {
  t.b.envStore(FPTOP, 0);
  t.b.envStore(FPEMPTY, 0xff);
  t.mmxEntered = false;
});
