/**
 * Random cases of ARM floating point and Advanced SIMD: any word of a row, registers full of corner values, any FPSCR.
 *
 * Left out because qemu-arm 7.2 does other than the manual, or more than the models here:
 * - VLD and VST with 256-bit alignment: "alignment = if align == '00' then 1 else 4 << UInt(align)", but qemu-arm checks no
 *   more than 16 bytes.
 * - FPSCR.Len and Stride: its `max` has the vectors of VFPv2, which ARMv8 has not ("the AArch32 floating-point instructions
 *   are UNDEFINED" if they are not zero); here no model has them.
 */

import { DECODERS, decodeArm, Insn } from '../../targets/arm/insns.ts';
import { unpredictableRules } from '../../targets/arm/unpredictable.ts';
import type { Encoding } from '../../targets/decode/pattern.ts';
import type { Random } from '../oracle/random.ts';
import { type ArmCase, BUFFER, BUFFER_WORDS } from './arm-program.ts';

/** All rows that the cases come from. */
export function vectorRows(): Encoding[] {
  return [...DECODERS.VFP.rows(), ...DECODERS.VFP_UNCONDITIONAL.rows(), ...DECODERS.NEON.rows()];
}

const MEMORY = /^V(LD|ST)/;

const scratch = new Insn();

/** Whether an instruction may be drawn: the manual says what it does, and all models here know it. */
function isDrawable(insn: Insn): boolean {
  const encoding = insn.encoding!;
  const { name } = encoding;
  if (unpredictableRules(insn).length > 0) return false;
  // Of the other system registers privilege decides, and writing some is left open.
  if ((name === 'VMRS' || name === 'VMSR') && insn.n !== 1) return false;
  // FLDMX and FSTMX; literals and far away.
  if (/^V(LDM|STM)_d/.test(name) && insn.i & 1) return false;
  if (/^V(LDM|STM)/.test(name)) return insn.n !== 15;
  if (/^V(LDR|STR)/.test(name)) return insn.n !== 15 && insn.i < 32;
  // Words of other rows.
  if (/^1111001[01qUi]1Dss/.test(encoding.pattern.replaceAll(' ', '')) && insn.s === 3) return false;
  return name !== 'VSWP' || insn.d !== insn.m || insn.D !== insn.M;
}

/** A32 word to the halfwords of its Thumb form. */
export function thumbForm(word: number): [number, number] {
  let high = word >>> 16;
  if ((word & 0xfe000000) >>> 0 === 0xf2000000)
    high = (0xef00 | ((word >>> 12) & 0x1000) | ((word >>> 16) & 0xff)) >>> 0;
  else if (word >>> 24 === 0xf4) high = 0xf900 | ((word >>> 16) & 0xff);
  else if (word >>> 28 !== 15) high = 0xe000 | (high & 0xfff);
  return [high, word & 0xffff];
}

const SINGLES = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffc12345, 0xff812345, 1,
  0x80000001, 0x7fffff, 0x807fffff, 0x800000, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x40000000, 0x3fffffff, 0x4f000000,
  0xcf000000, 0x4effffff, 0x4f800000, 0x4f7fffff, 0x3f000000, 0x3effffff, 0xbf000001, 0x3fc00000, 0x34000000,
  0x33800000, 0x477fe000, 0x477ff000, 0x38800000, 0x387fffff, 0x33000000, 0x7fffffff, 0xffffffff, 0x7fff8000,
  0x80007fff, 0x80808080, 0x7f7f7f7f, 0x01010101, 0xfefefefe, 0x00ff00ff, 0x7e967699, 0x00400000, 0x4b000001,
  0x4affffff,
];

const DOUBLES = [
  0n,
  0x8000000000000000n,
  0x3ff0000000000000n,
  0xbff0000000000000n,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x7ff8000000000000n,
  0x7ff0000000000001n,
  0xfff8123456789abcn,
  0xfff4123456789abcn,
  1n,
  0x8000000000000001n,
  0xfffffffffffffn,
  0x10000000000000n,
  0x8010000000000000n,
  0x7fefffffffffffffn,
  0xffefffffffffffffn,
  0x41e0000000000000n,
  0xc1e0000000000000n,
  0x41dfffffffc00000n,
  0x41dfffffffe00000n,
  0x41efffffffe00000n,
  0x41f0000000000000n,
  0x3fe0000000000000n,
  0x3fdfffffffffffffn,
  0xbfe0000000000000n,
  0x380fffffe0000000n,
  0x3690000000000000n,
  0x47efffffe0000000n,
  0x47effffff0000000n,
  0x40effc0000000000n,
  0x3f10000000000000n,
];

const HALVES = [
  0, 0x8000, 0x3c00, 0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xfd55, 1, 0x83ff, 0x400, 0x7bff, 0x7fff, 0xffff, 0x80,
];

function near(base: number, random: Random): number {
  return (base + random.below(5) - 2) >>> 0;
}

/** Features whose operands are f16 or BFloat16. */
const NARROW: readonly string[] = ['fp16', 'fhm', 'bf16', 'fcma'];

/** Two f16, or the upper halves of two f32. */
function twoHalves(random: Random): number {
  const half = (): number => {
    switch (random.below(5)) {
      case 0:
        return random.pick(HALVES);
      case 1:
        return near(random.pick(HALVES), random) & 0xffff;
      case 2:
        // A number of moderate size.
        return (random.below(2) << 15) | ((15 + random.below(13) - 6) << 10) | random.below(1 << 10);
      case 3:
        return random.pick(SINGLES) >>> 16;
      default:
        return random.below(0x10000);
    }
  };
  return ((half() << 16) | half()) >>> 0;
}

/** Two words that make sense as a D register; `narrow`: of halves more often. */
function dRegister(random: Random, narrow: boolean): [number, number] {
  if (narrow && random.below(4) > 0) return [twoHalves(random), twoHalves(random)];
  const word = (): number => {
    switch (random.below(6)) {
      case 0:
        return random.pick(SINGLES);
      case 1:
        return near(random.pick(SINGLES), random);
      case 2:
        // A number of moderate size.
        return ((random.below(2) << 31) | ((127 + random.below(41) - 20) << 23) | random.below(1 << 23)) >>> 0;
      case 3:
        return ((random.pick(HALVES) << 16) | random.pick(HALVES)) >>> 0;
      default:
        return random.u32();
    }
  };
  if (random.below(2) === 0) {
    const kind = random.below(4);
    let value = random.pick(DOUBLES);
    if (kind === 1) value = BigInt.asUintN(64, value + BigInt(random.below(5) - 2));
    if (kind === 2) {
      const exponent = BigInt(1023 + random.below(81) - 40);
      value =
        (BigInt(random.below(2)) << 63n) |
        (exponent << 52n) |
        (BigInt(random.u32()) << 20n) |
        BigInt(random.below(1 << 20));
    }
    if (kind === 3) value = (BigInt(random.u32()) << 32n) | BigInt(random.u32());
    return [Number(value & 0xffffffffn), Number(value >> 32n)];
  }
  return [word(), word()];
}

/** A FPSCR: often the ordinary one, with IXC set or not. */
function randomFpscr(random: Random): number {
  switch (random.below(4)) {
    case 0:
      return random.pick([0, 0x10]);
    case 1:
      return random.pick([0, 0x10]) | (random.below(4) << 22);
    case 2:
      return (random.u32() & 0xff00009f & ~0x07000000) | (random.below(8) << 24) | (random.below(4) << 22) | 0;
    default:
      return (random.u32() & 0xffc0009f) >>> 0;
  }
}

const FZ = 1 << 24;
const FZ16 = 1 << 19;
const SETEND_BE = 0xf1010200;
const SETEND_LE = 0xf1010000;
const VMRS_APSR = 0xeef1fa10;
const MOV_R0_1 = 0x03a00001;

/** A random case of one of the rows; null when chance gave nothing usable. */
export function randomVectorCase(random: Random, rows: readonly Encoding[]): ArmCase | null {
  const row = random.pick(rows);
  let word = (random.u32() & ~row.mask) | row.value;
  const conditional = row.pattern.startsWith('cccc');
  if (conditional) word = (word & 0x0fffffff) | ((random.below(8) === 0 ? random.below(14) : 14) << 28);
  word >>>= 0;
  decodeArm(scratch, word);
  if (scratch.encoding !== row || !isDrawable(scratch)) return null;
  const { n, m } = scratch;
  const regs = Array.from({ length: 15 }, () => (random.below(3) === 0 ? random.below(256) : random.u32()));
  if (MEMORY.test(row.name)) {
    if (random.below(20) === 0) regs[n] = (0x60000000 + random.below(0x10000000)) & ~random.below(4);
    else {
      regs[n] = BUFFER + 4 * random.below(BUFFER_WORDS - 32) + 64;
      if (random.below(2) === 0) regs[n] = (regs[n]! & ~31) >>> 0;
      if (random.below(6) === 0) regs[n] = (regs[n]! + random.below(4)) >>> 0;
    }
    if (scratch.a === 3 && row.name.endsWith('_multiple')) {
      regs[n] = (regs[n]! & ~31) >>> 0;
    }
    if (m !== n && m < 13 && !/^V(LDM|STM|LDR|STR)/.test(row.name)) regs[m] = random.u32();
  }
  const thumb = random.below(3) === 0;
  const code: number[] = thumb ? [...thumbForm(word)] : [word];
  if (!thumb && MEMORY.test(row.name) && random.below(4) === 0) code.splice(0, 1, SETEND_BE, word, SETEND_LE);
  if (thumb && conditional && word >>> 28 !== 14) code.unshift(0xbf08 | ((word >>> 28) << 4));
  // A comparison with its flags moved to the CPSR, where a condition uses them.
  if (!thumb && row.name.startsWith('VCMP') && random.below(2) === 0)
    code.push(VMRS_APSR, ((random.below(14) << 28) | MOV_R0_1) >>> 0);
  const narrow = NARROW.includes(row.feature);
  // Of a positive denormal flushed to zero VJCVT says that it was exact.
  const fpscr =
    (row.name === 'VJCVT' ? randomFpscr(random) & ~FZ : randomFpscr(random)) | (random.below(4) === 0 ? FZ16 : 0);
  // Every other register is like another one, for comparisons and differences.
  const vectors: number[] = [];
  for (let d = 0; d < 32; d++) {
    if (d > 0 && random.below(5) === 0) {
      const from = random.below(d);
      vectors.push(vectors[2 * from]!, vectors[2 * from + 1]!);
    } else vectors.push(...dRegister(random, narrow));
  }
  return { code, thumb, regs, flags: (random.u32() & 0xf80f0000) >>> 0, fpscr: fpscr >>> 0, vectors };
}
