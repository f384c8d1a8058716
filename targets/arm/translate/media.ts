// Media instructions on parts of registers: parallel sums, saturation, packing, extension, reversal, bit fields, CRC32.
import { Cond } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { CRC32 } from '../helpers.ts';
import { GE, QF } from '../state.ts';
import { type Handler, PC, type Translation } from './context.ts';
import { shiftByConstant } from './data.ts';

/** `value` limited to [least, most] (signed). */
function clamp({ b }: Translation, value: Value, least: number, most: number): Value {
  const below = b.select(b.setcond(Cond.LT, value, least), least, value);
  return b.select(b.setcond(Cond.GT, below, most), most, below);
}

// ---- parallel addition and subtraction

type Prefix = 'S' | 'Q' | 'SH' | 'U' | 'UQ' | 'UH';
type Shape = 'ADD16' | 'ASX' | 'SAX' | 'SUB16' | 'ADD8' | 'SUB8';

function parallel(prefix: Prefix, shape: Shape): Handler {
  const isSigned = prefix === 'S' || prefix === 'Q' || prefix === 'SH';
  const bits = shape.endsWith('8') ? 8 : 16;
  const crossed = shape === 'ASX' || shape === 'SAX';
  const least = isSigned ? -(1 << (bits - 1)) : 0;
  const most = isSigned ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
  /** Whether the lane that starts at `bit` subtracts. */
  const subtracts = (bit: number): boolean =>
    shape === 'ASX' ? bit === 0 : shape === 'SAX' ? bit !== 0 : shape.startsWith('SUB');
  return (t) => {
    const { insn, b } = t;
    const x = t.copy(insn.n);
    const y = t.copy(insn.m);
    const lane = (v: Value, bit: number): Value => (isSigned ? b.sextract(v, bit, bits) : b.extract(v, bit, bits));
    let result: Value = const32(0);
    let ge: Value = const32(0);
    for (let bit = 0; bit < 32; bit += bits) {
      const u = lane(x, bit);
      const v = lane(y, crossed ? 16 - bit : bit);
      const minus = subtracts(bit);
      let sum = b.copy(minus ? b.sub(u, v) : b.add(u, v));
      if (prefix === 'S' || prefix === 'U') {
        // Unsigned sums set GE on carry, everything else where the exact result is not negative.
        const limit = prefix === 'U' && !minus ? 1 << bits : 0;
        const holds = b.setcond(Cond.GE, sum, limit);
        const flags = bits === 8 ? b.shl(holds, bit >>> 3) : b.mul(holds, 3 << (bit >>> 3));
        ge = b.or(ge, flags);
      } else if (prefix === 'Q' || prefix === 'UQ') {
        sum = clamp(t, sum, least, most);
      } else {
        sum = b.sar(sum, 1);
      }
      result = bit + bits === 32 ? b.or(result, b.shl(sum, bit)) : b.or(result, b.shl(b.extract(sum, 0, bits), bit));
    }
    if (prefix === 'S' || prefix === 'U') b.set(GE, ge);
    t.setReg(insn.d, result);
  };
}

const PREFIXES: readonly Prefix[] = ['S', 'Q', 'SH', 'U', 'UQ', 'UH'];
const SHAPES: readonly Shape[] = ['ADD16', 'ASX', 'SAX', 'SUB16', 'ADD8', 'SUB8'];

const PARALLEL = Object.fromEntries(
  PREFIXES.flatMap((prefix) => SHAPES.map((shape) => [`${prefix}${shape}`, parallel(prefix, shape)])),
) as Record<`${Prefix}${Shape}`, Handler>;

// ---- saturation

/** x + y or x - y, saturated to 32 bits; Q is set when it was. */
function saturatingSum(t: Translation, x: Value, y: Value, subtract: boolean): Value {
  const { b } = t;
  const sum = b.copy(subtract ? b.sub(x, y) : b.add(x, y));
  const other = subtract ? b.xor(x, y) : b.xor(y, sum);
  const overflow = b.shr(b.and(b.xor(x, sum), other), 31);
  b.set(QF, b.or(QF, overflow));
  // The limit on the side of the first operand.
  return b.select(overflow, b.xor(b.sar(x, 31), 0x7fffffff), sum);
}

/** QADD, QSUB, and with `doubles` QDADD, QDSUB, which double the second operand first. */
function saturating(subtract: boolean, doubles: boolean): Handler {
  return (t) => {
    const { insn } = t;
    const x = t.copy(insn.m);
    const n = t.copy(insn.n);
    t.setReg(insn.d, saturatingSum(t, x, doubles ? saturatingSum(t, n, n, false) : n, subtract));
  };
}

/** Limits a value to `width` bits, signed or unsigned; Q is set when that changes it. */
function saturate(t: Translation, value: Value, width: number, isSigned: boolean): Value {
  const { b } = t;
  const most = isSigned ? 2 ** (width - 1) - 1 : 2 ** width - 1;
  const least = isSigned ? -(2 ** (width - 1)) : 0;
  const limited = clamp(t, value, least, most);
  b.set(QF, b.or(QF, b.setcond(Cond.NE, limited, value)));
  return limited;
}

/** SSAT, USAT. */
function saturateWord(isSigned: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const { value } = shiftByConstant(t, t.reg(insn.m), insn.x ? 2 : 0, insn.h, false);
    t.setReg(insn.d, saturate(t, b.copy(value), isSigned ? insn.i + 1 : insn.i, isSigned));
  };
}

/** SSAT16, USAT16. */
function saturateHalves(isSigned: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const m = t.copy(insn.m);
    const width = isSigned ? insn.i + 1 : insn.i;
    const low = saturate(t, b.ext16s(m), width, isSigned);
    const high = saturate(t, b.sar(m, 16), width, isSigned);
    t.setReg(insn.d, b.or(b.and(low, 0xffff), b.shl(high, 16)));
  };
}

// ---- packing, extension, selection, reversal

const pack: Handler = (t) => {
  const { insn, b } = t;
  const n = t.reg(insn.n);
  const { value } = shiftByConstant(t, t.reg(insn.m), insn.x ? 2 : 0, insn.h, false);
  // PKHTB takes the low half from the shifted operand, PKHBT the high one.
  t.setReg(
    insn.d,
    insn.x ? b.or(b.and(n, ~0xffff), b.and(value, 0xffff)) : b.or(b.and(n, 0xffff), b.and(value, ~0xffff)),
  );
};

function extend(bits: 8 | 16, isSigned: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const rotated = b.rotr(t.reg(insn.m), insn.r * 8);
    const value = isSigned ? b.sextract(rotated, 0, bits) : b.extract(rotated, 0, bits);
    t.setReg(insn.d, insn.n === PC ? value : b.add(t.reg(insn.n), value));
  };
}

/** SXTAB16, UXTAB16: bytes 0 and 2. */
function extendPair(isSigned: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const rotated = b.copy(b.rotr(t.reg(insn.m), insn.r * 8));
    const part = (bit: number): Value => (isSigned ? b.sextract(rotated, bit, 8) : b.extract(rotated, bit, 8));
    let low = part(0);
    let high = part(16);
    if (insn.n !== PC) {
      const n = t.reg(insn.n);
      low = b.add(low, n);
      high = b.add(high, b.shr(n, 16));
    }
    t.setReg(insn.d, b.or(b.and(low, 0xffff), b.shl(high, 16)));
  };
}

/** SEL: bytes by the GE flags. */
const select: Handler = (t) => {
  const { insn, b } = t;
  // Each flag becomes a byte of ones: spread to bits 0, 8, 16, 24, then times 255.
  const spread = b.and(b.mul(GE, 0x00204081), 0x01010101);
  const mask = b.mul(spread, 255);
  t.setReg(insn.d, b.or(b.and(t.reg(insn.n), mask), b.and(t.reg(insn.m), b.not(mask))));
};

function unary(compute: (t: Translation, m: Value) => Value): Handler {
  return (t) => {
    t.setReg(t.insn.d, compute(t, t.reg(t.insn.m)));
  };
}

/** Bits in reverse order: bytes first, then within each byte. */
function reverseBits({ b }: Translation, m: Value): Value {
  let x = b.bswap32(m);
  for (const [mask, by] of [
    [0x0f0f0f0f, 4],
    [0x33333333, 2],
    [0x55555555, 1],
  ] as const) {
    x = b.or(b.shl(b.and(x, mask), by), b.and(b.shr(x, by), mask));
  }
  return x;
}

/** Bytes exchanged within each half. */
function reverseHalves({ b }: Translation, m: Value): Value {
  return b.rotr(b.bswap32(m), 16);
}

// ---- bit fields

function extractField(isSigned: boolean): Handler {
  return (t) => {
    const { insn, b } = t;
    const width = insn.w + 1;
    const m = t.reg(insn.m);
    t.setReg(insn.d, isSigned ? b.sextract(m, insn.h, width) : b.extract(m, insn.h, width));
  };
}

/** BFI, and BFC where the source is register 15. The field ends at bit w. */
const insertField: Handler = (t) => {
  const { insn, b } = t;
  const width = insn.w + 1 - insn.h;
  t.setReg(insn.d, b.deposit(t.reg(insn.d), insn.m === PC ? 0 : t.reg(insn.m), insn.h, width));
};

const crc: Handler = (t) => {
  const { insn, b } = t;
  t.setReg(insn.d, b.call(CRC32, t.reg(insn.n), t.reg(insn.m), (1 << insn.z) | (insn.x << 8)));
};

export const MEDIA_HANDLERS = {
  ...PARALLEL,
  QADD: saturating(false, false),
  QSUB: saturating(true, false),
  QDADD: saturating(false, true),
  QDSUB: saturating(true, true),
  SSAT: saturateWord(true),
  USAT: saturateWord(false),
  SSAT16: saturateHalves(true),
  USAT16: saturateHalves(false),
  PKH: pack,
  SXTAB: extend(8, true),
  SXTAH: extend(16, true),
  UXTAB: extend(8, false),
  UXTAH: extend(16, false),
  SXTAB16: extendPair(true),
  UXTAB16: extendPair(false),
  SEL: select,
  REV: unary(({ b }, m) => b.bswap32(m)),
  REV16: unary(reverseHalves),
  REVSH: unary(({ b }, m) => b.ext16s(b.bswap16(m))),
  RBIT: unary(reverseBits),
  CLZ: unary(({ b }, m) => b.clz(m)),
  SBFX: extractField(true),
  UBFX: extractField(false),
  BFI: insertField,
  CRC32: crc,
} satisfies Record<string, Handler>;
