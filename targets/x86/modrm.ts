// The ModRM and SIB bytes: the parts of an effective address.

import { SEG_DS, SEG_SS } from './operands.ts';

/** The parts of an effective address: base + (index << scale) + disp, truncated to the address size, in eaSegment. */
export interface AddressParts {
  /** general register number, or -1 */
  base: number;
  /** general register number, or -1 */
  index: number;
  /** shift count 0-3 of the index */
  scale: number;
  /** int32, sign-extended from its encoded size */
  disp: number;
  /** segment register number */
  eaSegment: number;
}

const BX = 3;
const SP = 4;
const BP = 5;
const SI = 6;
const DI = 7;

/**
 * Decodes a memory form with 32-bit addressing (SDM volume 2, tables 2-2 and 2-3).
 *
 * @param modrm with mod other than 3
 * @param at index in bytes just after ModRM; at least five bytes must be there
 * @param segment the override, or -1 for the default of the base register
 * @returns the index just after the address bytes
 */
export function decodeAddress32(
  ea: AddressParts,
  bytes: Uint8Array,
  at: number,
  modrm: number,
  segment: number,
): number {
  const mod = modrm >> 6;
  let base = modrm & 7;
  let index = -1;
  let scale = 0;
  if (base === SP) {
    const sib = bytes[at++];
    base = sib & 7;
    index = (sib >> 3) & 7;
    scale = sib >> 6;
    if (index === SP) {
      index = -1;
      scale = 0;
    }
  }
  let disp = 0;
  if (mod === 1) {
    disp = (bytes[at++] << 24) >> 24;
  } else if (mod === 2 || base === BP) {
    disp = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    at += 4;
    if (mod === 0) base = -1;
  }
  ea.base = base;
  ea.index = index;
  ea.scale = scale;
  ea.disp = disp;
  ea.eaSegment = segment >= 0 ? segment : base === SP || base === BP ? SEG_SS : SEG_DS;
  return at;
}

/** As decodeAddress32, with 16-bit addressing (SDM volume 2, table 2-1). */
export function decodeAddress16(
  ea: AddressParts,
  bytes: Uint8Array,
  at: number,
  modrm: number,
  segment: number,
): number {
  const mod = modrm >> 6;
  let base = -1;
  let index = -1;
  switch (modrm & 7) {
    case 0:
      base = BX;
      index = SI;
      break;
    case 1:
      base = BX;
      index = DI;
      break;
    case 2:
      base = BP;
      index = SI;
      break;
    case 3:
      base = BP;
      index = DI;
      break;
    case 4:
      base = SI;
      break;
    case 5:
      base = DI;
      break;
    case 6:
      if (mod !== 0) base = BP;
      break;
    case 7:
      base = BX;
      break;
  }
  let disp = 0;
  if (mod === 1) {
    disp = (bytes[at++] << 24) >> 24;
  } else if (mod === 2 || base < 0) {
    disp = ((bytes[at] | (bytes[at + 1] << 8)) << 16) >> 16;
    at += 2;
  }
  ea.base = base;
  ea.index = index;
  ea.scale = 0;
  ea.disp = disp;
  ea.eaSegment = segment >= 0 ? segment : base === BP ? SEG_SS : SEG_DS;
  return at;
}
