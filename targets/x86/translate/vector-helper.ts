// Vector instructions done by helpers: AES, carry-less products, SHA, GFNI, string comparison, CRC32, MPSADBW.
import { Cond } from '../../../tcg/ir/types.ts';
import { const32, type Global, type Value } from '../../../tcg/ir/value.ts';
import { CF, SF, ZF } from '../flags.ts';
import { SIMD_HELPERS, type SimdHelperName } from '../helpers/simd-table.ts';
import { REGS, XMM } from '../state.ts';
import type { Translation } from './context.ts';
import { type Handler, readVector, setXmm, shuffle, vectorConst, ZERO_VECTOR } from './vector.ts';
import { type Compute, packed, packedUnary } from './vector-arithmetic.ts';

const [EAX, ECX, EDX] = REGS as [Global, Global, Global];

/** dst = helper(dst, src). */
function binary(name: SimdHelperName): Handler {
  return packed((t, a, b) => t.b.call(SIMD_HELPERS[name], a, b));
}

/** The SHA instructions take operands at any address on AMD's processors; Intel's manual has them aligned. */
function sha(name: SimdHelperName, more: (t: Translation) => Value[] = () => []): Handler {
  const compute: Compute = (t, a, b) => t.b.call(SIMD_HELPERS[name], a, b, ...more(t));
  return packed(compute, compute, { unaligned: true });
}

/** dst = helper(dst, src, immediate). */
function withImmediate(name: SimdHelperName): Handler {
  return packed((t, a, b) => t.b.call(SIMD_HELPERS[name], a, b, t.insn.imm));
}

/** PCLMULQDQ: bits 0 and 4 of the immediate choose the halves. */
const carryless = packed((t, a, b) => {
  const { imm } = t.insn;
  const x = t.b.emit('lane_i64', a, null, null, imm & 1);
  const y = t.b.emit('lane_i64', b, null, null, (imm >> 4) & 1);
  return t.b.call(SIMD_HELPERS.pclmulqdq, x, y);
});

/** CRC32: the accumulated value is in the first operand. */
function crc32(t: Translation): void {
  const data = t.read(t.src);
  t.giveTo(t.dst, t.b.call(SIMD_HELPERS.crc32, t.read(t.dst), data, t.src.size));
}

// ---- comparison of strings

const OF_BIT = 11;
const WORDS = 1;
/** Bit 6: the last element in place of the first; a mask of elements in place of one of bits. */
const OTHER_OUTPUT = 0x40;

const EQUAL_EACH = 0x08;
const AGGREGATION = 0x0c;
const NEGATIVE = 0x10;
const MASKED = 0x20;

/**
 * Equal each with lengths up to the first zero, which is what `strcmp` is made of, without a helper: bits of the valid
 * elements come from the place of the first zero by arithmetic.
 */
function equalEach(t: Translation, x: Value, y: Value): Value {
  const { b, insn } = t;
  const { imm } = insn;
  const lane = imm & WORDS ? 16 : 8;
  const all = imm & WORDS ? 0xff : 0xffff;
  const bitsWhere = (left: Value, right: Value) =>
    b.emit('bitmask_vec', b.emit('cmp_vec', left, right, null, lane, Cond.EQ), null, null, lane);
  const zerosX = bitsWhere(x, ZERO_VECTOR);
  const zerosY = bitsWhere(y, ZERO_VECTOR);
  /** Ones below the lowest one, or everywhere. */
  const below = (zeros: Value) => b.sub(b.and(zeros, b.neg(zeros)), 1);
  const validX = below(zerosX);
  const validY = below(zerosY);
  const both = b.and(validX, validY);
  const neither = b.not(b.or(validX, validY));
  let bits = b.and(b.or(b.and(bitsWhere(x, y), both), neither), all);
  if (imm & NEGATIVE) bits = b.xor(bits, imm & MASKED ? b.and(validY, all) : all);
  const some = b.select(bits, CF, 0);
  const ends = b.or(b.select(zerosY, ZF, 0), b.select(zerosX, SF, 0));
  t.flags.setAll(b.or(b.or(some, ends), b.shl(b.and(bits, 1), OF_BIT)));
  return bits;
}

/** Compares and sets the flags; returns the bits of the result. The memory operand may have any address. */
function compareStrings(t: Translation, explicit: boolean): Value {
  const { b, dst, src, insn } = t;
  const y = readVector(t, src, { unaligned: true });
  const x = XMM[dst.num]!;
  if (!explicit && (insn.imm & AGGREGATION) === EQUAL_EACH) return equalEach(t, x, y);
  const result = explicit
    ? b.call(SIMD_HELPERS.pcmpestr, x, y, insn.imm, EAX, EDX)
    : b.call(SIMD_HELPERS.pcmpistr, x, y, insn.imm);
  const bits = b.and(result, 0xffff);
  t.flags.setAll(b.shr(result, 16));
  return bits;
}

/** PCMPISTRI, PCMPESTRI: the number of the first or last element in ECX, or how many there are. */
function stringIndex(explicit: boolean): Handler {
  return (t) => {
    const { b, insn } = t;
    const count = insn.imm & WORDS ? 8 : 16;
    const bits = compareStrings(t, explicit);
    t.flags.wrote(ECX);
    if (insn.imm & OTHER_OUTPUT) {
      b.set(ECX, b.select(bits, b.sub(31, b.clz(bits)), count));
    } else {
      b.set(ECX, b.ctz(b.or(bits, 1 << count)));
    }
  };
}

const BYTE_BITS = vectorConst(Array.from({ length: 16 }, (_, i) => 1 << (i % 8)));
const WORD_BITS = vectorConst(Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? 1 << (i / 2) : 0)));
const SPREAD = Array.from({ length: 16 }, (_, i) => i >> 3);

/** PCMPISTRM, PCMPESTRM: the bits in XMM0, or all ones in the elements they stand for. */
function stringMask(explicit: boolean): Handler {
  return (t) => {
    const { b, insn } = t;
    const bits = compareStrings(t, explicit);
    let value: Value = b.emit('setlane_i32', ZERO_VECTOR, bits, null, 32, 0);
    if (insn.imm & OTHER_OUTPUT) {
      const words = (insn.imm & WORDS) !== 0;
      const places = words ? WORD_BITS : BYTE_BITS;
      const spread = words ? b.emit('splat_i32', bits, null, null, 16) : shuffle(t, value, value, SPREAD);
      value = b.emit('cmp_vec', b.emit('and_v128', spread, places), places, null, words ? 16 : 8, 0);
    }
    setXmm(t, 0, value);
  };
}

export const HELPER_HANDLERS = {
  AESDEC: binary('aesdec'),
  AESDECLAST: binary('aesdeclast'),
  AESENC: binary('aesenc'),
  AESENCLAST: binary('aesenclast'),
  AESIMC: packedUnary((t, a) => t.b.call(SIMD_HELPERS.aesimc, a)),
  AESKEYGENASSIST: packedUnary((t, a) => t.b.call(SIMD_HELPERS.aeskeygenassist, a, const32(t.insn.imm))),
  CRC32: crc32,
  GF2P8AFFINEINVQB: withImmediate('gf2p8affineinvqb'),
  GF2P8AFFINEQB: withImmediate('gf2p8affineqb'),
  GF2P8MULB: binary('gf2p8mulb'),
  MPSADBW: withImmediate('mpsadbw'),
  PCLMULQDQ: carryless,
  PCMPESTRI: stringIndex(true),
  PCMPESTRM: stringMask(true),
  PCMPISTRI: stringIndex(false),
  PCMPISTRM: stringMask(false),
  SHA1MSG1: sha('sha1msg1'),
  SHA1MSG2: sha('sha1msg2'),
  SHA1NEXTE: sha('sha1nexte'),
  SHA1RNDS4: sha('sha1rnds4', (t) => [const32(t.insn.imm)]),
  SHA256MSG1: sha('sha256msg1'),
  SHA256MSG2: sha('sha256msg2'),
  SHA256RNDS2: sha('sha256rnds2', () => [XMM[0]!]),
} as const satisfies Record<string, Handler>;
