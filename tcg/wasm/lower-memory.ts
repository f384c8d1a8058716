// How accesses become WebAssembly: guest memory with byte order and alignment, atomics, and fields of CPU state.
import type { Op } from '../ir/block.ts';
import {
  alignmentMask,
  type MemOp,
  MO_8,
  MO_16,
  MO_32,
  MO_64,
  MO_128,
  MO_ALIGN,
  MO_BE,
  MO_SIGN,
  MO_SIZE,
} from '../ir/types.ts';
import { Const } from '../ir/value.ts';
import type { Emitter, Rule } from './lower-emitter.ts';
import { W } from './opcodes.ts';

const GET = W['local.get'];
const SET = W['local.set'];
const TEE = W['local.tee'];
const I32 = 0;
const I64 = 1;

/** Loads by size and sign bit of the memop. */
const LOAD_I32: Record<number, number> = {
  [MO_8]: W['i32.load8_u'],
  [MO_16]: W['i32.load16_u'],
  [MO_32]: W['i32.load'],
  [MO_8 | MO_SIGN]: W['i32.load8_s'],
  [MO_16 | MO_SIGN]: W['i32.load16_s'],
  [MO_32 | MO_SIGN]: W['i32.load'],
};
const LOAD_I64: Record<number, number> = {
  [MO_8]: W['i64.load8_u'],
  [MO_16]: W['i64.load16_u'],
  [MO_32]: W['i64.load32_u'],
  [MO_64]: W['i64.load'],
  [MO_8 | MO_SIGN]: W['i64.load8_s'],
  [MO_16 | MO_SIGN]: W['i64.load16_s'],
  [MO_32 | MO_SIGN]: W['i64.load32_s'],
  [MO_64 | MO_SIGN]: W['i64.load'],
};
const STORE_I32: Record<number, number> = {
  [MO_8]: W['i32.store8'],
  [MO_16]: W['i32.store16'],
  [MO_32]: W['i32.store'],
};
const STORE_I64: Record<number, number> = {
  [MO_8]: W['i64.store8'],
  [MO_16]: W['i64.store16'],
  [MO_32]: W['i64.store32'],
  [MO_64]: W['i64.store'],
};

const LOAD_V128: Record<number, number> = {
  [MO_32]: W['v128.load32_zero'],
  [MO_64]: W['v128.load64_zero'],
  [MO_128]: W['v128.load'],
};
const STORE_V128: Record<number, number> = {
  [MO_32]: W['v128.store32_lane'],
  [MO_64]: W['v128.store64_lane'],
  [MO_128]: W['v128.store'],
};

/** Emits the store of a vector or of its low part. */
function storeVector(l: Emitter, op: Op, size: number, align: number, offset: number): void {
  l.memory(opcodeFor(STORE_V128, op, size), align, offset);
  if (size !== MO_128) l.u8(0);
}

const REVERSE_LANES = Uint8Array.of(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);

function opcodeFor(table: Record<number, number>, op: Op, memOp: MemOp): number {
  const code = table[memOp & (MO_SIZE | MO_SIGN)];
  if (code === undefined) throw new Error(`${op.row.name}: no access of ${8 << (memOp & MO_SIZE)} bits`);
  return code;
}

// ---- byte order

/** Exchanges the low two bytes of the i32 on the stack; the high half of the result is 0. */
export function swap16(l: Emitter): void {
  const x = l.allocate(I32);
  l.opU32(TEE, x);
  l.i32Const(8);
  l.op(W['i32.shl']);
  l.i32Const(0xff00);
  l.op(W['i32.and']);
  l.opU32(GET, x);
  l.i32Const(8);
  l.op(W['i32.shr_u']);
  l.i32Const(0xff);
  l.op(W['i32.and']);
  l.op(W['i32.or']);
  l.release(x);
}

/** The same for a loaded half, whose high bits are 0; extends the result with its sign if wanted. */
function swapLoaded16(l: Emitter, signed: boolean): void {
  const x = l.allocate(I32);
  l.opU32(TEE, x);
  l.i32Const(signed ? 24 : 8);
  l.op(W['i32.shl']);
  l.i32Const(signed ? 16 : 0xff00);
  l.op(signed ? W['i32.shr_s'] : W['i32.and']);
  l.opU32(GET, x);
  l.i32Const(8);
  l.op(W['i32.shr_u']);
  l.op(W['i32.or']);
  l.release(x);
}

/** Reverses the four bytes of the i32 on the stack by two rotations. */
export function swap32(l: Emitter): void {
  const x = l.allocate(I32);
  l.opU32(TEE, x);
  l.i32Const(8);
  l.op(W['i32.rotl']);
  l.i32Const(0x00ff00ff);
  l.op(W['i32.and']);
  l.opU32(GET, x);
  l.i32Const(8);
  l.op(W['i32.rotr']);
  l.i32Const(0xff00ff00);
  l.op(W['i32.and']);
  l.op(W['i32.or']);
  l.release(x);
}

const BYTES_LOW = 0x00ff00ff00ff00ffn;
const HALVES_LOW = 0x0000ffff0000ffffn;

/** Reverses the eight bytes of the i64 on the stack: bytes within halves, halves within words, words. */
export function swap64(l: Emitter): void {
  const x = l.allocate(I64);
  for (let step = 0; step < 2; step++) {
    const mask = step === 0 ? BYTES_LOW : HALVES_LOW;
    const distance = step === 0 ? 8n : 16n;
    l.opU32(TEE, x);
    l.i64Const(mask);
    l.op(W['i64.and']);
    l.i64Const(distance);
    l.op(W['i64.shl']);
    l.opU32(GET, x);
    l.i64Const(distance);
    l.op(W['i64.shr_u']);
    l.i64Const(mask);
    l.op(W['i64.and']);
    l.op(W['i64.or']);
  }
  l.i64Const(32n);
  l.op(W['i64.rotl']);
  l.release(x);
}

/** Exchanges the low bytes of an i32 of the given size. */
function swapI32(l: Emitter, memOp: MemOp): void {
  const size = memOp & MO_SIZE;
  if (size === MO_32) swap32(l);
  else if (size === MO_16) swap16(l);
}

/** The same for an i64; the high bits of the result are 0. */
function swapI64(l: Emitter, memOp: MemOp): void {
  const size = memOp & MO_SIZE;
  if (size === MO_64) {
    swap64(l);
  } else if (size !== MO_8) {
    l.op(W['i32.wrap_i64']);
    swapI32(l, memOp);
    l.op(W['i64.extend_i32_u']);
  }
}

/** Exchanges the bytes of an i32 loaded without its sign, and extends it as the memop says. */
function swapLoadedI32(l: Emitter, memOp: MemOp): void {
  const size = memOp & MO_SIZE;
  if (size === MO_32) swap32(l);
  else if (size === MO_16) swapLoaded16(l, (memOp & MO_SIGN) !== 0);
}

// ---- guest addresses

/** Puts the address of an access on the stack; returns the offset to add. Tests the alignment where the memop asks. */
function guestAddress(l: Emitter, op: Op, i: number): number {
  const size = op.imm & MO_SIZE;
  if ((op.imm & MO_ALIGN) === 0 || size === MO_8) return l.address(op, i);
  const mask = alignmentMask(op.imm);
  l.a(op, i);
  if (op.a instanceof Const && ((op.a.value as number) & mask) === 0) return 0;
  // A plain access would not mind. `unreachable` reaches the fault path, whose replay raises the guest's exception.
  const address = l.allocate(I32);
  l.opU32(TEE, address);
  l.i32Const(mask);
  l.op(W['i32.and']);
  l.open(W.if);
  l.op(W.unreachable);
  l.op(W.end);
  l.opU32(GET, address);
  l.release(address);
  return 0;
}

/** The memop as it counts for opcodes: a big-endian half is loaded unsigned and extended after the exchange. */
function loadForm(memOp: MemOp): MemOp {
  return memOp & MO_BE && (memOp & MO_SIZE) !== MO_8 ? memOp & ~MO_SIGN : memOp;
}

export const guestLoadI32: Rule = (l, op, i) => {
  const offset = guestAddress(l, op, i);
  l.memory(opcodeFor(LOAD_I32, op, loadForm(op.imm)), 0, offset);
  if (op.imm & MO_BE) swapLoadedI32(l, op.imm);
};

export const guestLoadI64: Rule = (l, op, i) => {
  const offset = guestAddress(l, op, i);
  const size = op.imm & MO_SIZE;
  if ((op.imm & MO_BE) === 0 || size === MO_8) return l.memory(opcodeFor(LOAD_I64, op, op.imm), 0, offset);
  if (size === MO_64) {
    l.memory(W['i64.load'], 0, offset);
    return swap64(l);
  }
  l.memory(opcodeFor(LOAD_I32, op, loadForm(op.imm)), 0, offset);
  swapLoadedI32(l, op.imm);
  l.op(op.imm & MO_SIGN ? W['i64.extend_i32_s'] : W['i64.extend_i32_u']);
};

export const guestLoadF32: Rule = (l, op, i) => {
  const offset = guestAddress(l, op, i);
  if ((op.imm & MO_BE) === 0) return l.memory(W['f32.load'], 0, offset);
  l.memory(W['i32.load'], 0, offset);
  swap32(l);
  l.op(W['f32.reinterpret_i32']);
};

export const guestLoadF64: Rule = (l, op, i) => {
  const offset = guestAddress(l, op, i);
  if ((op.imm & MO_BE) === 0) return l.memory(W['f64.load'], 0, offset);
  l.memory(W['i64.load'], 0, offset);
  swap64(l);
  l.op(W['f64.reinterpret_i64']);
};

/** Reverses the sixteen bytes of the v128 on the stack. */
function swap128(l: Emitter): void {
  const x = l.allocate(4);
  l.opU32(TEE, x);
  l.opU32(GET, x);
  l.op16(W['i8x16.shuffle'], REVERSE_LANES);
  l.release(x);
}

export const guestLoadV128: Rule = (l, op, i) => {
  const offset = guestAddress(l, op, i);
  l.memory(opcodeFor(LOAD_V128, op, op.imm & MO_SIZE), 0, offset);
  if (op.imm & MO_BE) swap128(l);
};

export const guestStoreI32: Rule = (l, op, i) => {
  const offset = guestAddress(l, op, i);
  l.b(op, i);
  const memOp = op.imm & ~MO_SIGN;
  if (memOp & MO_BE) swapI32(l, memOp);
  l.settleLoads();
  l.memory(opcodeFor(STORE_I32, op, memOp), 0, offset);
};

export const guestStoreI64: Rule = (l, op, i) => {
  const offset = guestAddress(l, op, i);
  l.b(op, i);
  const memOp = op.imm & ~MO_SIGN;
  if (memOp & MO_BE) swapI64(l, memOp);
  l.settleLoads();
  l.memory(opcodeFor(STORE_I64, op, memOp), 0, offset);
};

export const guestStoreF32: Rule = (l, op, i) => {
  const offset = guestAddress(l, op, i);
  l.b(op, i);
  const swapped = (op.imm & MO_BE) !== 0;
  if (swapped) {
    l.op(W['i32.reinterpret_f32']);
    swap32(l);
  }
  l.settleLoads();
  l.memory(swapped ? W['i32.store'] : W['f32.store'], 0, offset);
};

export const guestStoreF64: Rule = (l, op, i) => {
  const offset = guestAddress(l, op, i);
  l.b(op, i);
  const swapped = (op.imm & MO_BE) !== 0;
  if (swapped) {
    l.op(W['i64.reinterpret_f64']);
    swap64(l);
  }
  l.settleLoads();
  l.memory(swapped ? W['i64.store'] : W['f64.store'], 0, offset);
};

export const guestStoreV128: Rule = (l, op, i) => {
  const offset = guestAddress(l, op, i);
  l.b(op, i);
  if (op.imm & MO_BE) swap128(l);
  l.settleLoads();
  storeVector(l, op, op.imm & MO_SIZE, 0, offset);
};

// ---- atomics

const CAS_I32 = [W['i32.atomic.rmw8.cmpxchg_u'], W['i32.atomic.rmw16.cmpxchg_u'], W['i32.atomic.rmw.cmpxchg']];
const CAS_I64 = [
  W['i64.atomic.rmw8.cmpxchg_u'],
  W['i64.atomic.rmw16.cmpxchg_u'],
  W['i64.atomic.rmw32.cmpxchg_u'],
  W['i64.atomic.rmw.cmpxchg'],
];

function atomicSize(op: Op, sizes: number): number {
  const size = op.imm & MO_SIZE;
  if (size >= sizes) throw new Error(`${op.row.name}: no atomic access of ${8 << size} bits`);
  return size;
}

/**
 * A read-modify-write with opcodes for 8, 16 and 32 bits. Bitwise operations and exchange do the same on reversed bytes;
 * sums (`carries`) of big-endian words take a compare-and-swap loop.
 */
export function atomicI32(code8: number, code16: number, code32: number, carries = 0): Rule {
  const codes = [code8, code16, code32];
  return (l, op, i) => {
    const size = atomicSize(op, 3);
    const memOp = op.imm & ~MO_SIGN;
    const swapped = (memOp & MO_BE) !== 0 && size !== MO_8;
    if (swapped && carries !== 0) return atomicSumBigEndian(l, op, i, carries);
    const offset = l.address(op, i);
    l.b(op, i);
    if (swapped) swapI32(l, memOp);
    l.settleLoads();
    l.memory(codes[size]!, size, offset);
    if (swapped) swapI32(l, memOp);
  };
}

function atomicSumBigEndian(l: Emitter, op: Op, i: number, sum: number): void {
  const size = op.imm & MO_SIZE;
  const memOp = op.imm & ~MO_SIGN;
  const address = l.allocate(I32);
  const operand = l.allocate(I32);
  const old = l.allocate(I32);
  l.a(op, i);
  l.opU32(SET, address);
  l.b(op, i);
  l.opU32(SET, operand);
  l.settleLoads();
  // The first look must be atomic too: a misaligned address has to trap here, not after half the work.
  l.opU32(GET, address);
  l.i32Const(0);
  l.memory(size === MO_16 ? W['i32.atomic.rmw16.or_u'] : W['i32.atomic.rmw.or'], size, 0);
  l.opU32(SET, old);
  l.open(W.loop);
  l.opU32(GET, address);
  l.opU32(GET, old);
  l.opU32(GET, old);
  swapI32(l, memOp);
  l.opU32(GET, operand);
  l.op(sum);
  swapI32(l, memOp);
  l.memory(CAS_I32[size]!, size, 0);
  const expected = l.allocate(I32);
  l.opU32(GET, old);
  l.opU32(SET, expected);
  l.opU32(TEE, old);
  l.opU32(GET, expected);
  l.op(W['i32.ne']);
  l.opU32(W.br_if, 0);
  l.op(W.end);
  l.opU32(GET, old);
  swapI32(l, memOp);
  for (const local of [address, operand, old, expected]) l.release(local);
}

export const atomicCasI32: Rule = (l, op, i) => {
  const size = atomicSize(op, 3);
  const memOp = op.imm & ~MO_SIGN;
  const swapped = (memOp & MO_BE) !== 0;
  const offset = l.address(op, i);
  l.b(op, i);
  if (swapped && size !== MO_8) {
    // The exchange of two bytes also clears the high half.
    swapI32(l, memOp);
  } else if (size < MO_32) {
    // The expected value is compared whole with the zero-extended memory.
    l.i32Const(size === MO_8 ? 0xff : 0xffff);
    l.op(W['i32.and']);
  }
  l.c(op, i);
  if (swapped) swapI32(l, memOp);
  l.settleLoads();
  l.memory(CAS_I32[size]!, size, offset);
  if (swapped) swapI32(l, memOp);
};

const CAS_MASKS = [0xffn, 0xffffn, 0xffffffffn];

export const atomicCasI64: Rule = (l, op, i) => {
  const size = atomicSize(op, 4);
  const memOp = op.imm & ~MO_SIGN;
  const swapped = (memOp & MO_BE) !== 0;
  const offset = l.address(op, i);
  l.b(op, i);
  if (swapped && size !== MO_8) {
    swapI64(l, memOp);
  } else if (size < MO_64) {
    l.i64Const(CAS_MASKS[size]!);
    l.op(W['i64.and']);
  }
  l.c(op, i);
  if (swapped) swapI64(l, memOp);
  l.settleLoads();
  l.memory(CAS_I64[size]!, size, offset);
  if (swapped) swapI64(l, memOp);
};

export const fence: Rule = (l) => {
  l.settleLoads();
  l.op(W['atomic.fence']);
  l.u8(0);
};

// ---- CPU state

/** A load from CPU state, opcodes by size and sign. */
function envLoad(table: Record<number, number>): Rule {
  return (l, op) => {
    const memOp = op.imm2 & (MO_SIZE | MO_SIGN);
    l.env();
    l.memory(opcodeFor(table, op, memOp), memOp & MO_SIZE, op.imm);
  };
}

function envStore(table: Record<number, number>): Rule {
  return (l, op, i) => {
    const size = op.imm2 & MO_SIZE;
    l.env();
    l.a(op, i);
    l.settleLoads();
    l.settleEnvLoads();
    l.memory(opcodeFor(table, op, size), size, op.imm);
  };
}

/** Loads and stores of types that have one size only, whatever the sign bit says. */
function oneSize(size: number, code: number): Record<number, number> {
  return { [size]: code, [size | MO_SIGN]: code };
}

export const envLoadI32 = envLoad(LOAD_I32);
export const envLoadI64 = envLoad(LOAD_I64);
export const envLoadF32 = envLoad(oneSize(MO_32, W['f32.load']));
export const envLoadF64 = envLoad(oneSize(MO_64, W['f64.load']));
export const envLoadV128 = envLoad(LOAD_V128);
export const envStoreI32 = envStore(STORE_I32);
export const envStoreI64 = envStore(STORE_I64);
export const envStoreF32 = envStore(oneSize(MO_32, W['f32.store']));
export const envStoreF64 = envStore(oneSize(MO_64, W['f64.store']));

export const envStoreV128: Rule = (l, op, i) => {
  const size = op.imm2 & MO_SIZE;
  l.env();
  l.a(op, i);
  l.settleLoads();
  l.settleEnvLoads();
  storeVector(l, op, size, size, op.imm);
};

export const envAddress: Rule = (l, op) => {
  l.env();
  l.i32Const(op.imm);
  l.op(W['i32.add']);
};
