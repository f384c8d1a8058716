// Packing, unpacking, shuffling, blending, widening, insertion and extraction (SDM vol. 1, 9.4.4, 10.4.4, 11.4, 12.6, 12.10).
import { Cond, MO_16, MO_32 } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { OperandKind } from '../operands.ts';
import { XMM } from '../state.ts';
import type { Translation } from './context.ts';
import {
  enterMmx,
  type Handler,
  lanes,
  mmx,
  readMmx,
  readVector,
  setMmx,
  setXmm,
  shuffle,
  vectorConst,
  ZERO_VECTOR,
} from './vector.ts';
import { type Compute, joinHalves, packed, packedUnary } from './vector-arithmetic.ts';

/** `count` numbers by a rule. */
function numbers(count: number, rule: (i: number) => number): number[] {
  return Array.from({ length: count }, (_, i) => rule(i));
}

// ---- packing and unpacking

/** Lanes narrowed with saturation: those of a, then those of b. */
function pack(name: 'narrows_vec' | 'narrowu_vec', lane: 16 | 32): Handler {
  const compute: Compute = (t, a, b) => t.b.emit(name, a, b, null, lane);
  return packed(compute, (t, a, b) => {
    const both = joinHalves(t, a, b);
    return compute(t, both, both);
  });
}

/** Lanes of `bytes` from the low or high halves of a and b in turn. */
function unpack(bytes: number, half: 0 | 1): Handler {
  const order = (total: number) =>
    lanes(bytes, ...numbers(16 / bytes, (i) => (half * total) / 2 / bytes + (i >> 1) + (i & 1 ? 16 / bytes : 0)));
  const whole = order(16);
  const small = order(8);
  return packed(
    (t, a, b) => shuffle(t, a, b, whole),
    (t, a, b) => shuffle(t, a, b, small),
  );
}

/** PMOVSX, PMOVZX: lanes of `from` bits widened to `to` bits. */
function widen(name: 'widens_vec' | 'widenu_vec', from: number, to: number): Handler {
  return (t) => {
    const { dst, src } = t;
    let value: Value;
    if (src.kind === OperandKind.Mem && src.size === 2) {
      const word = t.b.load(t.address(), MO_16 | t.align);
      value = t.b.emit('setlane_i32', ZERO_VECTOR, word, null, 32, 0);
    } else {
      value = readVector(t, src);
    }
    for (let lane = from; lane < to; lane *= 2) value = t.b.emit(name, value, null, null, lane, 0);
    setXmm(t, dst.num, value);
  };
}

// ---- shuffles by an immediate

/** Two bits of an immediate. */
function pair(imm: number, i: number): number {
  return (imm >> (2 * i)) & 3;
}

/** A shuffle of the source alone whose byte order follows from the immediate. */
function shuffleSource(order: (imm: number) => number[]): Handler {
  return packedUnary((t, a) => shuffle(t, a, a, order(t.insn.imm)));
}

/** A shuffle of dst:src whose byte order follows from the immediate. */
function shuffleBoth(order: (imm: number) => number[]): Handler {
  return packed((t, a, b) => shuffle(t, a, b, order(t.insn.imm)));
}

const words = (imm: number, base: number) => lanes(2, ...numbers(4, (i) => base + pair(imm, i)));

/** Lanes of `bytes` of the source where the immediate has a one. */
function blend(bytes: number): Handler {
  const count = 16 / bytes;
  return shuffleBoth((imm) => lanes(bytes, ...numbers(count, (i) => ((imm >> i) & 1 ? count + i : i))));
}

/** Lanes of the source where the sign bits in XMM0 are set. */
function blendVariable(lane: number): Handler {
  return packed((t, a, b) => {
    const mask = t.b.emit('cmp_vec', ZERO_VECTOR, XMM[0]!, null, lane, Cond.GT);
    return t.b.emit('bitselect_v128', mask, b, a);
  });
}

const PSHUFB_INDEX = vectorConst(new Uint8Array(16).fill(0x8f));
const PSHUFB_INDEX_MMX = vectorConst(new Uint8Array(16).fill(0x87));

const shuffleBytes = packed(
  (t, a, b) => t.b.emit('swizzle_v128', a, t.b.emit('and_v128', b, PSHUFB_INDEX)),
  (t, a, b) => t.b.emit('swizzle_v128', a, t.b.emit('and_v128', b, PSHUFB_INDEX_MMX)),
);

/** PALIGNR: a:b moved right by bytes. */
const alignRight = packed(
  (t, a, b) => {
    const { imm } = t.insn;
    if (imm >= 32) return ZERO_VECTOR;
    if (imm < 16)
      return shuffle(
        t,
        b,
        a,
        numbers(16, (i) => imm + i),
      );
    return shuffle(
      t,
      a,
      ZERO_VECTOR,
      numbers(16, (i) => imm - 16 + i),
    );
  },
  (t, a, b) => {
    const { imm } = t.insn;
    if (imm >= 16) return ZERO_VECTOR;
    return shuffle(
      t,
      joinHalves(t, b, a),
      ZERO_VECTOR,
      numbers(16, (i) => imm + i),
    );
  },
);

// ---- single elements

/** PINSRB, PINSRW, PINSRD; only the low bits of the immediate count. */
function insert(lane: 8 | 16 | 32): Handler {
  const onMmx = mmx((t) => {
    const value = t.read(t.src);
    setMmx(t, t.dst.num, t.b.emit('setlane_i32', readMmx(t, t.dst), value, null, 16, t.insn.imm & 3));
  });
  return (t) => {
    const { dst, src, insn } = t;
    if (dst.kind === OperandKind.Mmx) onMmx(t);
    else {
      const value = t.read(src);
      const index = insn.imm & (128 / lane - 1);
      setXmm(t, dst.num, t.b.emit('setlane_i32', XMM[dst.num]!, value, null, lane, index));
    }
  };
}

/** PEXTRB, PEXTRW, PEXTRD, EXTRACTPS: zero-extended into a register, as wide as the element into memory. */
function extract(lane: 8 | 16 | 32): Handler {
  const onMmx = mmx((t) => {
    t.giveTo(t.dst, t.b.emit('lane_i32', readMmx(t, t.src), null, null, 16, t.insn.imm & 3));
    enterMmx(t);
  });
  return (t) => {
    const { dst, src, insn } = t;
    if (src.kind === OperandKind.Mmx) onMmx(t);
    else t.giveTo(dst, t.b.emit('lane_i32', XMM[src.num]!, null, null, lane, insn.imm & (128 / lane - 1)));
  };
}

/** INSERTPS: one element of the source, then zeros where the immediate has ones. */
function insertps(t: Translation): void {
  const { b, dst, src, insn } = t;
  const { imm } = insn;
  const register = XMM[dst.num]!;
  const place = (imm >> 4) & 3;
  let value: Value;
  if (src.kind === OperandKind.Mem) {
    value = b.emit('setlane_i32', register, b.load(t.address(), MO_32 | t.align), null, 32, place);
  } else {
    const order = numbers(4, (i) => (i === place ? 4 + (imm >> 6) : i));
    value = shuffle(t, register, XMM[src.num]!, lanes(4, ...order));
  }
  if (imm & 15) {
    const order = numbers(4, (i) => ((imm >> i) & 1 ? 4 : i));
    value = shuffle(t, value, ZERO_VECTOR, lanes(4, ...order));
  }
  setXmm(t, dst.num, value);
}

/** PSHUFW: the words of an MMX register. */
const shuffleMmx = mmx((t) => {
  const value = readMmx(t, t.src);
  setMmx(t, t.dst.num, shuffle(t, value, value, [...words(t.insn.imm, 0), ...lanes(8, 1)]));
});

/** PSWAPD: the halves of an MMX register exchanged. */
const swapHalves = packedUnary((t, a) => shuffle(t, a, a, lanes(4, 1, 0, 2, 3)));

export const SHUFFLE_HANDLERS = {
  BLENDPD: blend(8),
  BLENDPS: blend(4),
  BLENDVPD: blendVariable(64),
  BLENDVPS: blendVariable(32),
  EXTRACTPS: extract(32),
  INSERTPS: insertps,
  PACKSSDW: pack('narrows_vec', 32),
  PACKSSWB: pack('narrows_vec', 16),
  PACKUSDW: pack('narrowu_vec', 32),
  PACKUSWB: pack('narrowu_vec', 16),
  PALIGNR: alignRight,
  PBLENDVB: blendVariable(8),
  PBLENDW: blend(2),
  PEXTRB: extract(8),
  PEXTRD: extract(32),
  PEXTRW: extract(16),
  PINSRB: insert(8),
  PINSRD: insert(32),
  PINSRW: insert(16),
  PMOVSXBD: widen('widens_vec', 8, 32),
  PMOVSXBQ: widen('widens_vec', 8, 64),
  PMOVSXBW: widen('widens_vec', 8, 16),
  PMOVSXDQ: widen('widens_vec', 32, 64),
  PMOVSXWD: widen('widens_vec', 16, 32),
  PMOVSXWQ: widen('widens_vec', 16, 64),
  PMOVZXBD: widen('widenu_vec', 8, 32),
  PMOVZXBQ: widen('widenu_vec', 8, 64),
  PMOVZXBW: widen('widenu_vec', 8, 16),
  PMOVZXDQ: widen('widenu_vec', 32, 64),
  PMOVZXWD: widen('widenu_vec', 16, 32),
  PMOVZXWQ: widen('widenu_vec', 16, 64),
  PSHUFB: shuffleBytes,
  PSHUFD: shuffleSource((imm) => lanes(4, ...numbers(4, (i) => pair(imm, i)))),
  PSHUFHW: shuffleSource((imm) => [...lanes(8, 0), ...words(imm, 4)]),
  PSHUFLW: shuffleSource((imm) => [...words(imm, 0), ...lanes(8, 1)]),
  PSHUFW: shuffleMmx,
  PSWAPD: swapHalves,
  PUNPCKHBW: unpack(1, 1),
  PUNPCKHDQ: unpack(4, 1),
  PUNPCKHQDQ: unpack(8, 1),
  PUNPCKHWD: unpack(2, 1),
  PUNPCKLBW: unpack(1, 0),
  PUNPCKLDQ: unpack(4, 0),
  PUNPCKLQDQ: unpack(8, 0),
  PUNPCKLWD: unpack(2, 0),
  SHUFPD: shuffleBoth((imm) => lanes(8, imm & 1, 2 + ((imm >> 1) & 1))),
  SHUFPS: shuffleBoth((imm) => lanes(4, ...numbers(4, (i) => pair(imm, i) + (i < 2 ? 0 : 4)))),
  UNPCKHPD: unpack(8, 1),
  UNPCKHPS: unpack(4, 1),
  UNPCKLPD: unpack(8, 0),
  UNPCKLPS: unpack(4, 0),
} as const satisfies Record<string, Handler>;
