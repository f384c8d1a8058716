// Packed integer arithmetic, comparison and logic (SDM vol. 1, 9.4.2-9.4.6, 11.4, 12.6, 12.11): MMX and XMM registers.
import { Cond } from '../../../tcg/ir/types.ts';
import { const32, type Value } from '../../../tcg/ir/value.ts';
import { CF, ZF } from '../flags.ts';
import { OperandKind } from '../operands.ts';
import { XMM } from '../state.ts';
import type { Translation } from './context.ts';
import {
  type Handler,
  lanes,
  mmx,
  readMmx,
  readVector,
  setMmx,
  setXmm,
  shuffle,
  type VectorAccess,
  vectorConst,
  ZERO_VECTOR,
} from './vector.ts';

/** What an instruction computes from its first and second source. */
export type Compute = (t: Translation, a: Value, b: Value) => Value;

/** dst = compute(dst, src), all of them XMM registers or, with a shape of its own if given, MMX registers. */
export function packed(compute: Compute, computeMmx: Compute = compute, access: VectorAccess = {}): Handler {
  const onMmx = mmx((t) => {
    const b = readMmx(t, t.src);
    setMmx(t, t.dst.num, computeMmx(t, readMmx(t, t.dst), b));
  });
  return (t) => {
    const { dst, src } = t;
    if (dst.kind === OperandKind.Mmx) onMmx(t);
    else {
      const b = readVector(t, src, access);
      setXmm(t, dst.num, compute(t, XMM[dst.num]!, b));
    }
  };
}

/** An instruction of which only the source counts. */
export function packedUnary(compute: (t: Translation, a: Value) => Value): Handler {
  return packed((t, _a, b) => compute(t, b));
}

/** An IR op on lanes of a width. */
function byLanes(name: LaneOp, lane: number): Handler {
  return packed((t, a, b) => t.b.emit(name, a, b, null, lane));
}

type LaneOp =
  | `${'add' | 'sub' | 'mul' | 'mins' | 'minu' | 'maxs' | 'maxu' | 'addsats' | 'addsatu' | 'subsats' | 'subsatu'}_vec`
  | 'avgu_vec';

function comparison(lane: number, cond: Cond): Handler {
  return packed((t, a, b) => t.b.emit('cmp_vec', a, b, null, lane, cond));
}

function logical(name: 'and_v128' | 'or_v128' | 'xor_v128'): Handler {
  return packed((t, a, b) => t.b.emit(name, a, b));
}

const andNot = packed((t, a, b) => t.b.emit('andc_v128', b, a));

// ---- products

/** The high halves of 16-bit products. */
function highProduct(name: 'mulwides_vec' | 'mulwideu_vec'): Handler {
  return packed((t, a, b) => {
    const low = t.b.emit(name, a, b, null, 16, 0);
    const high = t.b.emit(name, a, b, null, 16, 1);
    return shuffle(t, low, high, lanes(2, 1, 3, 5, 7, 9, 11, 13, 15));
  });
}

const EVEN_WORDS = lanes(4, 0, 2, 0, 2);

/** PMULUDQ, PMULDQ: products of the even 32-bit lanes. */
function evenProduct(name: 'mulwides_vec' | 'mulwideu_vec'): Handler {
  return packed((t, a, b) => t.b.emit(name, shuffle(t, a, a, EVEN_WORDS), shuffle(t, b, b, EVEN_WORDS), null, 32, 0));
}

const LOW_BYTES = vectorConst(Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? 0xff : 0)));

/** PMADDUBSW: unsigned bytes of a times signed bytes of b, neighbouring products added with saturation. */
const multiplyAddBytes = packed((t, a, b) => {
  const { b: builder } = t;
  const even = builder.emit(
    'mul_vec',
    builder.emit('and_v128', a, LOW_BYTES),
    builder.emit('sar_vec', builder.emit('shl_vec', b, const32(8), null, 16), const32(8), null, 16),
    null,
    16,
  );
  const odd = builder.emit(
    'mul_vec',
    builder.emit('shr_vec', a, const32(8), null, 16),
    builder.emit('sar_vec', b, const32(8), null, 16),
    null,
    16,
  );
  return builder.emit('addsats_vec', even, odd, null, 16);
});

const LEAST_WORDS = vectorConst(Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? 0 : 0x80)));

/** PMULHRSW: rounded high products; -1 times -1 is -1, where the saturating op has the largest value. */
const roundedProduct = packed((t, a, b) => {
  const { b: builder } = t;
  const product = builder.emit('mulq15_vec', a, b);
  const overflow = builder.emit(
    'and_v128',
    builder.emit('cmp_vec', a, LEAST_WORDS, null, 16, Cond.EQ),
    builder.emit('cmp_vec', b, LEAST_WORDS, null, 16, Cond.EQ),
  );
  return builder.emit('xor_v128', product, overflow);
});

// ---- sums

const LOW_WORDS = vectorConst(Array.from({ length: 16 }, (_, i) => (i % 8 < 4 ? 0xff : 0)));

/** PSADBW: the sum of absolute differences of eight bytes, in each half. */
const sumOfDifferences = packed((t, a, b) => {
  const { b: builder } = t;
  const difference = builder.emit(
    'or_v128',
    builder.emit('subsatu_vec', a, b, null, 8),
    builder.emit('subsatu_vec', b, a, null, 8),
  );
  const pairs = builder.emit('addpairu_vec', builder.emit('addpairu_vec', difference, null, null, 8), null, null, 16);
  const sums = builder.emit('add_vec', pairs, builder.emit('shr_vec', pairs, const32(32), null, 64), null, 64);
  return builder.emit('and_v128', sums, LOW_WORDS);
});

/** Neighbouring lanes of `bytes` of a, then of b, combined; in MMX registers both fit one vector. */
function horizontal(name: 'add_vec' | 'sub_vec' | 'addsats_vec' | 'subsats_vec', bytes: 2 | 4): Handler {
  const count = 16 / bytes;
  const even = lanes(bytes, ...Array.from({ length: count }, (_, i) => 2 * i));
  const odd = lanes(bytes, ...Array.from({ length: count }, (_, i) => 2 * i + 1));
  const compute: Compute = (t, a, b) => t.b.emit(name, shuffle(t, a, b, even), shuffle(t, a, b, odd), null, 8 * bytes);
  return packed(compute, (t, a, b) => {
    const both = joinHalves(t, a, b);
    return compute(t, both, both);
  });
}

/** The low half of a, with the low half of b above it. */
export function joinHalves(t: Translation, a: Value, b: Value): Value {
  return shuffle(t, a, b, lanes(8, 0, 2));
}

// ---- signs

/** PSIGN: a negated where b is negative, zero where b is zero. */
function signed(lane: number): Handler {
  return packed((t, a, b) => {
    const { b: builder } = t;
    const negative = builder.emit('cmp_vec', ZERO_VECTOR, b, null, lane, Cond.GT);
    const value = builder.emit('sub_vec', builder.emit('xor_v128', a, negative), negative, null, lane);
    return builder.emit('andc_v128', value, builder.emit('cmp_vec', b, ZERO_VECTOR, null, lane, Cond.EQ));
  });
}

function absolute(lane: number): Handler {
  return packedUnary((t, a) => t.b.emit('abs_vec', a, null, null, lane));
}

/** PHMINPOSUW: the smallest word and the number of its first place. */
const smallestWord = packedUnary((t, a) => {
  const { b } = t;
  let least = a;
  for (const order of [lanes(8, 1, 0), lanes(4, 1, 0, 3, 2), lanes(2, 1, 0, 3, 2, 5, 4, 7, 6)]) {
    least = b.emit('minu_vec', least, shuffle(t, least, least, order), null, 16);
  }
  const places = b.emit('bitmask_vec', b.emit('cmp_vec', a, least, null, 16, Cond.EQ), null, null, 16);
  const value = b.emit('lane_i32', least, null, null, 16, 0);
  return b.emit('setlane_i32', ZERO_VECTOR, b.or(value, b.shl(b.ctz(places), 16)), null, 32, 0);
});

/** PTEST: ZF when no bit is in both, CF when all bits of the source are in the first operand. */
function ptest(t: Translation): void {
  const { b, dst, src } = t;
  const y = readVector(t, src);
  const x = XMM[dst.num]!;
  const common = b.emit('any_v128', b.emit('and_v128', y, x));
  const more = b.emit('any_v128', b.emit('andc_v128', y, x));
  t.flags.setAll(b.or(b.select(common, 0, ZF), b.select(more, 0, CF)));
}

/** Mnemonics by what they do; the last letters are B W D Q for lanes of 8 16 32 64 bits. */
export const ARITHMETIC_HANDLERS = {
  ANDNPD: andNot,
  ANDNPS: andNot,
  ANDPD: logical('and_v128'),
  ANDPS: logical('and_v128'),
  ORPD: logical('or_v128'),
  ORPS: logical('or_v128'),
  PABSB: absolute(8),
  PABSD: absolute(32),
  PABSW: absolute(16),
  PADDB: byLanes('add_vec', 8),
  PADDD: byLanes('add_vec', 32),
  PADDQ: byLanes('add_vec', 64),
  PADDSB: byLanes('addsats_vec', 8),
  PADDSW: byLanes('addsats_vec', 16),
  PADDUSB: byLanes('addsatu_vec', 8),
  PADDUSW: byLanes('addsatu_vec', 16),
  PADDW: byLanes('add_vec', 16),
  PAND: logical('and_v128'),
  PANDN: andNot,
  PAVGB: byLanes('avgu_vec', 8),
  PAVGUSB: byLanes('avgu_vec', 8),
  PAVGW: byLanes('avgu_vec', 16),
  PCMPEQB: comparison(8, Cond.EQ),
  PCMPEQD: comparison(32, Cond.EQ),
  PCMPEQQ: comparison(64, Cond.EQ),
  PCMPEQW: comparison(16, Cond.EQ),
  PCMPGTB: comparison(8, Cond.GT),
  PCMPGTD: comparison(32, Cond.GT),
  PCMPGTQ: comparison(64, Cond.GT),
  PCMPGTW: comparison(16, Cond.GT),
  PHADDD: horizontal('add_vec', 4),
  PHADDSW: horizontal('addsats_vec', 2),
  PHADDW: horizontal('add_vec', 2),
  PHMINPOSUW: smallestWord,
  PHSUBD: horizontal('sub_vec', 4),
  PHSUBSW: horizontal('subsats_vec', 2),
  PHSUBW: horizontal('sub_vec', 2),
  PMADDUBSW: multiplyAddBytes,
  PMADDWD: packed((t, a, b) => t.b.emit('dot_s16_vec', a, b)),
  PMAXSB: byLanes('maxs_vec', 8),
  PMAXSD: byLanes('maxs_vec', 32),
  PMAXSW: byLanes('maxs_vec', 16),
  PMAXUB: byLanes('maxu_vec', 8),
  PMAXUD: byLanes('maxu_vec', 32),
  PMAXUW: byLanes('maxu_vec', 16),
  PMINSB: byLanes('mins_vec', 8),
  PMINSD: byLanes('mins_vec', 32),
  PMINSW: byLanes('mins_vec', 16),
  PMINUB: byLanes('minu_vec', 8),
  PMINUD: byLanes('minu_vec', 32),
  PMINUW: byLanes('minu_vec', 16),
  PMULDQ: evenProduct('mulwides_vec'),
  PMULHRSW: roundedProduct,
  PMULHUW: highProduct('mulwideu_vec'),
  PMULHW: highProduct('mulwides_vec'),
  PMULLD: byLanes('mul_vec', 32),
  PMULLW: byLanes('mul_vec', 16),
  PMULUDQ: evenProduct('mulwideu_vec'),
  POR: logical('or_v128'),
  PSADBW: sumOfDifferences,
  PSIGNB: signed(8),
  PSIGND: signed(32),
  PSIGNW: signed(16),
  PSUBB: byLanes('sub_vec', 8),
  PSUBD: byLanes('sub_vec', 32),
  PSUBQ: byLanes('sub_vec', 64),
  PSUBSB: byLanes('subsats_vec', 8),
  PSUBSW: byLanes('subsats_vec', 16),
  PSUBUSB: byLanes('subsatu_vec', 8),
  PSUBUSW: byLanes('subsatu_vec', 16),
  PSUBW: byLanes('sub_vec', 16),
  PTEST: ptest,
  PXOR: logical('xor_v128'),
  XORPD: logical('xor_v128'),
  XORPS: logical('xor_v128'),
} as const satisfies Record<string, Handler>;
