// Constants that floating-point and Advanced SIMD instructions have in eight bits (ARM ARM, VFPExpandImm, AdvSIMDExpandImm).
import { Const } from '../../tcg/ir/value.ts';

/** A vector constant from its 16 bytes, the lowest first. */
export function vectorConst(bytes: readonly number[]): Const {
  return new Const('v128', Uint8Array.from(bytes));
}

/** A vector constant of equal lanes of `bits`. */
export function lanesOf(bits: number, value: bigint | number): Const {
  const bytes = new Uint8Array(16);
  const x = BigInt.asUintN(bits, BigInt(value));
  for (let k = 0; k < 16; k++) bytes[k] = Number((x >> BigInt((8 * k) % bits)) & 0xffn);
  return new Const('v128', bytes);
}

/** VFPExpandImm: the upper 32 bits of the number an 8-bit immediate stands for in precision z. */
export function expandImmediate(i: number, z: number): number {
  const sign = (i & 0x80) << 24;
  const b = (i >>> 6) & 1;
  if (z) return sign | (b ? 0x3fc00000 : 0x40000000) | ((i & 0x3f) << 16);
  return sign | (b ? 0x3e000000 : 0x40000000) | ((i & 0x3f) << 19);
}

/** AdvSIMDExpandImm: the constant of cmode k, op o and an immediate of eight bits; null: undefined. */
export function expandModified(k: number, o: number, i: number): Const | null {
  const byte = BigInt(i);
  switch (k >> 1) {
    case 0:
    case 1:
    case 2:
    case 3:
      return lanesOf(32, byte << BigInt(8 * (k >> 1)));
    case 4:
    case 5:
      return lanesOf(16, byte << BigInt(8 * ((k >> 1) & 1)));
    case 6:
      return lanesOf(32, k & 1 ? (byte << 16n) | 0xffffn : (byte << 8n) | 0xffn);
    default: {
      if (!(k & 1)) {
        if (!o) return lanesOf(8, byte);
        return vectorConst(Array.from({ length: 16 }, (_, n) => (i & (1 << (n & 7)) ? 0xff : 0)));
      }
      if (o) return null;
      const sign = (i & 0x80) << 24;
      return lanesOf(32, sign | (i & 0x40 ? 0x3e000000 : 0x40000000) | ((i & 0x3f) << 19));
    }
  }
}
