// Loads and stores of IR values as their memory op says: width, sign extension, byte order, wrapping at 4 GiB.
import { bitsOfF32, bitsOfF64, f32OfBits, f64OfBits, type IrValue } from '../ir/scalar.ts';
import { type MemOp, MO_32, MO_BE, MO_SIGN, MO_SIZE, type Type } from '../ir/types.ts';

/** The access that moves a whole value of a type. */
export const MEMOP_OF_TYPE = { i32: 2, i64: 3, f32: 2, f64: 3, v128: 4 } as const satisfies Record<Type, MemOp>;

const TOP = 0x100000000;

/** For accesses that wrap: the bytes in one piece. */
const SPLIT = new DataView(new ArrayBuffer(16));

/** Reads a value of `type`; the caller has checked that it may. */
export function loadValue(view: DataView, address: number, type: Type, memOp: MemOp): IrValue {
  if (address > TOP - 16) {
    const size = 1 << (memOp & MO_SIZE);
    for (let i = 0; i < size; i++) SPLIT.setUint8(i, view.getUint8((address + i) % TOP));
    view = SPLIT;
    address = 0;
  }
  const little = (memOp & MO_BE) === 0;
  switch (type) {
    case 'i32':
      return load32(view, address, memOp);
    case 'i64':
      if ((memOp & MO_SIZE) === 3) return view.getBigInt64(address, little);
      return memOp & MO_SIGN
        ? BigInt(load32(view, address, memOp))
        : BigInt(load32(view, address, memOp & ~MO_SIGN) >>> 0);
    case 'f32':
      return f32OfBits(view.getInt32(address, little));
    case 'f64': {
      const x = view.getFloat64(address, little);
      return Number.isNaN(x) ? f64OfBits(view.getBigInt64(address, little)) : x;
    }
    case 'v128': {
      const bytes = new Uint8Array(16);
      bytes.set(new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset + address, 1 << (memOp & MO_SIZE)));
      return little ? bytes : bytes.reverse();
    }
  }
}

/** Reads an i32; `loadValue` for the most frequent type. */
export function load32(view: DataView, address: number, memOp: MemOp): number {
  if (address > TOP - 4) return loadValue(view, address, 'i32', memOp) as number;
  if (memOp === MO_32) return view.getInt32(address, true);
  const little = (memOp & MO_BE) === 0;
  switch (memOp & (MO_SIZE | MO_SIGN)) {
    case 0:
      return view.getUint8(address);
    case 1:
      return view.getUint16(address, little);
    case MO_SIGN:
      return view.getInt8(address);
    case MO_SIGN | 1:
      return view.getInt16(address, little);
    default:
      return view.getInt32(address, little);
  }
}

/** Writes the low bits of a value of `type`; the caller has checked that it may. */
export function storeValue(view: DataView, address: number, type: Type, memOp: MemOp, value: IrValue): void {
  if (address > TOP - 16) {
    storeValue(SPLIT, 0, type, memOp, value);
    const size = 1 << (memOp & MO_SIZE);
    for (let i = 0; i < size; i++) view.setUint8((address + i) % TOP, SPLIT.getUint8(i));
    return;
  }
  const little = (memOp & MO_BE) === 0;
  switch (type) {
    case 'i32':
      store32(view, address, memOp, value as number);
      break;
    case 'i64':
      if ((memOp & MO_SIZE) === 3) view.setBigInt64(address, value as bigint, little);
      else store32(view, address, memOp, Number(BigInt.asIntN(32, value as bigint)));
      break;
    case 'f32':
      view.setInt32(address, bitsOfF32(value as number | bigint), little);
      break;
    case 'f64':
      if (typeof value === 'number' && !Number.isNaN(value)) view.setFloat64(address, value, little);
      else view.setBigInt64(address, bitsOfF64(value as number | bigint), little);
      break;
    case 'v128': {
      const bytes = value as Uint8Array;
      const size = 1 << (memOp & MO_SIZE);
      for (let i = 0; i < size; i++) view.setUint8(address + i, bytes[little ? i : 15 - i]!);
      break;
    }
  }
}

/** Writes the low bits of an i32; `storeValue` for the most frequent type. */
export function store32(view: DataView, address: number, memOp: MemOp, value: number): void {
  if (address > TOP - 4) {
    storeValue(view, address, 'i32', memOp, value);
    return;
  }
  const little = (memOp & MO_BE) === 0;
  switch (memOp & MO_SIZE) {
    case 0:
      view.setInt8(address, value);
      break;
    case 1:
      view.setInt16(address, value, little);
      break;
    default:
      view.setInt32(address, value, little);
  }
}
