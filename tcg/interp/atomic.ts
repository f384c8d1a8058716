// Atomic read-modify-write on guest memory: real atomics, since other threads run generated code on the same memory.
import type { OpName } from '../ir/ops.ts';
import { type MemOp, MO_BE, MO_SIZE } from '../ir/types.ts';

interface Cells {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly s32: Int32Array;
  readonly s64: BigInt64Array;
}

const CELLS = new WeakMap<ArrayBufferLike, Cells>();

function cellsOf(view: DataView): Cells {
  let cells = CELLS.get(view.buffer);
  if (!cells) {
    const { buffer } = view;
    cells = {
      u8: new Uint8Array(buffer),
      u16: new Uint16Array(buffer),
      s32: new Int32Array(buffer),
      s64: new BigInt64Array(buffer),
    };
    CELLS.set(buffer, cells);
  }
  return cells;
}

/** The typed array for an access and the index of its element. Throws for misaligned addresses: the translator checks. */
function cell(view: DataView, address: number, memOp: MemOp): [Uint8Array | Uint16Array | Int32Array, number] {
  const log = memOp & MO_SIZE;
  if (address & ((1 << log) - 1)) throw new Error(`atomic access to 0x${address.toString(16)} is misaligned`);
  const { u8, u16, s32 } = cellsOf(view);
  return [log === 0 ? u8 : log === 1 ? u16 : s32, address / (1 << log)];
}

/** Exchanges bytes where the access is big-endian; its own inverse. */
function order(value: number, memOp: MemOp): number {
  if ((memOp & MO_BE) === 0) return value;
  const log = memOp & MO_SIZE;
  if (log === 0) return value;
  if (log === 1) return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}

function combine(name: OpName, old: number, b: number): number {
  switch (name) {
    case 'atomic_add_i32':
      return old + b;
    case 'atomic_sub_i32':
      return old - b;
    case 'atomic_and_i32':
      return old & b;
    case 'atomic_or_i32':
      return old | b;
    case 'atomic_xor_i32':
      return old ^ b;
    case 'atomic_xchg_i32':
      return b;
    default:
      throw new Error(`${name} is not an atomic op of two operands`);
  }
}

const WIDTH_MASKS = [0xff, 0xffff, -1];

/** Does an `atomic_*_i32`; returns the old value, zero-extended. */
export function atomic32(name: OpName, view: DataView, address: number, memOp: MemOp, b: number): number {
  const [cells, index] = cell(view, address, memOp);
  const mask = WIDTH_MASKS[memOp & MO_SIZE]!;
  for (;;) {
    const raw = Atomics.load(cells, index);
    const old = order(raw, memOp);
    const next = order(combine(name, old, b) & mask, memOp) & mask;
    if (Atomics.compareExchange(cells, index, raw, next) === raw) return old & mask;
  }
}

/** Does an `atomic_cas_i32`; returns the old value, zero-extended. */
export function cas32(view: DataView, address: number, memOp: MemOp, expected: number, next: number): number {
  const [cells, index] = cell(view, address, memOp);
  const mask = WIDTH_MASKS[memOp & MO_SIZE]!;
  const old = Atomics.compareExchange(
    cells,
    index,
    order(expected & mask, memOp) & mask,
    order(next & mask, memOp) & mask,
  );
  return order(old, memOp) & mask;
}

function order64(value: bigint, memOp: MemOp): bigint {
  if ((memOp & MO_BE) === 0) return value;
  const low = order(Number(BigInt.asIntN(32, value)), MO_BE | 2);
  const high = order(Number(BigInt.asIntN(32, value >> 32n)), MO_BE | 2);
  return (BigInt(low) << 32n) | BigInt(high >>> 0);
}

/** Does an `atomic_cas_i64` (8 bytes); returns the old value. */
export function cas64(view: DataView, address: number, memOp: MemOp, expected: bigint, next: bigint): bigint {
  if (address & 7) throw new Error(`atomic access to 0x${address.toString(16)} is misaligned`);
  const { s64 } = cellsOf(view);
  return order64(Atomics.compareExchange(s64, address / 8, order64(expected, memOp), order64(next, memOp)), memOp);
}
