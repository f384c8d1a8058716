// Vector data transfer (SDM vol. 1, 9.4.1, 10.4.1, 11.4): between XMM, MMX and general registers and memory.
import { Cond, MO_8 } from '../../../tcg/ir/types.ts';
import type { Global, Value } from '../../../tcg/ir/value.ts';
import { OperandKind } from '../operands.ts';
import { REGS, XMM } from '../state.ts';
import type { Translation } from './context.ts';
import { loadScalar, scalarOf, setScalar, storeScalar } from './sse.ts';
import {
  copyXmm,
  emptyMmx,
  enterMmx,
  type Handler,
  lanes,
  loadXmm,
  mmx,
  readLow64,
  readMmx,
  readMmx64,
  readVector,
  setMmx,
  setXmm,
  shuffle,
  storeVector,
  ZERO_VECTOR,
} from './vector.ts';

const EDI = REGS[7] as Global;

/** A vector whose high half is zero, its low half that of `value`. */
function low64(t: Translation, value: Value): Value {
  return shuffle(t, value, ZERO_VECTOR, lanes(8, 0, 2));
}

/** Moves of 16 bytes: MOVAPS, MOVDQA and their like; loads and stores. */
function moveWhole(unaligned: boolean): Handler {
  return (t) => {
    const { dst, src } = t;
    if (t.isMem(dst)) storeVector(t, XMM[src.num]!, 16, { unaligned });
    else if (t.isMem(src)) loadXmm(t, dst.num, 16, { unaligned });
    else copyXmm(t, dst.num, src.num);
  };
}

/** MOVSS, MOVSD: a load clears the rest of the register, a move between registers keeps it. */
function moveScalar(bytes: 4 | 8): Handler {
  const type = bytes === 4 ? 'f32' : 'f64';
  return (t) => {
    const { dst, src } = t;
    if (t.isMem(dst)) storeScalar(t, src.num, type);
    else if (t.isMem(src)) loadScalar(t, dst.num, type);
    else setScalar(t, dst.num, scalarOf(t, src.num, type));
  };
}

/** MOVLPS, MOVLPD, MOVHPS, MOVHPD: eight bytes between memory and one half of a register. */
function moveHalf(half: 0 | 1): Handler {
  return (t) => {
    const { b, dst, src } = t;
    if (!t.isMem(dst)) {
      setXmm(t, dst.num, b.emit('setlane_i64', XMM[dst.num]!, readLow64(t, src), null, half));
    } else if (half === 0) {
      storeVector(t, XMM[src.num]!, 8);
    } else {
      // In this order, so that the address is not a register that is not used any more.
      const value = b.emit('lane_i64', XMM[src.num]!, null, null, 1);
      b.store64(t.writeAddress(), value, 3 | t.align);
    }
  };
}

/** A rearrangement of the bytes of dst:src. */
function rearrange(order: readonly number[]): Handler {
  return (t) => {
    const { dst, src } = t;
    const value = readVector(t, src);
    setXmm(t, dst.num, shuffle(t, XMM[dst.num]!, value, order));
  };
}

/** MOVD: 32 bits between a general register or memory and a vector register, whose other bits become zero. */
function movd(t: Translation): void {
  const { b, dst, src } = t;
  if (dst.kind === OperandKind.Mmx) {
    const value = b.extu64(t.read(src));
    setMmx(t, dst.num, value);
  } else if (dst.kind === OperandKind.Xmm) {
    if (t.isMem(src)) loadXmm(t, dst.num, 4);
    else setXmm(t, dst.num, b.emit('setlane_i32', ZERO_VECTOR, t.read(src), null, 32, 0));
  } else {
    const isMmx = src.kind === OperandKind.Mmx;
    const value = b.emit('lane_i32', isMmx ? readMmx(t, src) : XMM[src.num]!, null, null, 32, 0);
    t.write(dst, value);
    if (isMmx) enterMmx(t);
  }
}

/** MOVQ and MOVNTQ between MMX registers, XMM registers and memory. */
function movq(t: Translation): void {
  const { dst, src } = t;
  if (dst.kind === OperandKind.Mmx) {
    setMmx(t, dst.num, readMmx64(t, src));
  } else if (src.kind === OperandKind.Mmx) {
    t.b.store64(t.writeAddress(), readMmx64(t, src), 3 | t.align);
    enterMmx(t);
  } else if (t.isMem(dst)) {
    storeVector(t, XMM[src.num]!, 8);
  } else if (t.isMem(src)) {
    loadXmm(t, dst.num, 8);
  } else {
    setXmm(t, dst.num, low64(t, XMM[src.num]!));
  }
}

/** Waits for the x87 where an operand is an MMX register. */
function perhapsMmx(handler: Handler): Handler {
  const waiting = mmx(handler);
  return (t) => {
    const isMmx = t.dst.kind === OperandKind.Mmx || t.src.kind === OperandKind.Mmx;
    (isMmx ? waiting : handler)(t);
  };
}

const movq2dq = mmx((t) => {
  const value = readMmx(t, t.src);
  setXmm(t, t.dst.num, value);
  enterMmx(t);
});

const movdq2q = mmx((t) => setMmx(t, t.dst.num, readLow64(t, t.src)));

/** MOVNTSS, MOVNTSD (SSE4a): a store of the low element. */
function storeNontemporal(t: Translation): void {
  storeScalar(t, t.src.num, t.dst.size === 4 ? 'f32' : 'f64');
}

/** MOVMSKPS, MOVMSKPD, PMOVMSKB: the sign bits of lanes of `bits`. */
function signBits(bits: number): Handler {
  return (t) => {
    const { b, src } = t;
    const isMmx = src.kind === OperandKind.Mmx;
    const value = isMmx ? readMmx(t, src) : XMM[src.num]!;
    t.giveTo(t.dst, b.emit('bitmask_vec', value, null, null, bits));
    if (isMmx) enterMmx(t);
  };
}

/**
 * MASKMOVQ, MASKMOVDQU: stores the bytes whose mask byte has its top bit set to DS:(E)DI. Bytes that are not selected are not
 * touched, and do not fault.
 */
function maskedStore(t: Translation): void {
  const { b, insn, dst, src } = t;
  const isMmx = dst.kind === OperandKind.Mmx;
  const value = b.copy(isMmx ? readMmx(t, dst) : XMM[dst.num]!);
  const mask = b.copy(b.emit('bitmask_vec', isMmx ? readMmx(t, src) : XMM[src.num]!, null, null, 8));
  const offset = insn.addressSize === 2 ? b.and(EDI, 0xffff) : EDI;
  const bytes = isMmx ? 8 : 16;
  const address = b.copy(t.linear(insn.eaSegment, offset, bytes, true));
  const done = b.label();
  const some = b.label();
  b.brcond(Cond.NE, mask, isMmx ? 0xff : 0xffff, some);
  b.effect('guest_st_v128', address, value, null, isMmx ? 3 : 4);
  b.br(done);
  b.place(some);
  for (let n = 0; n < bytes; n++) {
    const next = b.label();
    b.brcond(Cond.TSTEQ, mask, 1 << n, next);
    b.store(b.add(address, n), b.emit('lane_i32', value, null, null, 8, n), MO_8);
    b.place(next);
  }
  b.place(done);
  if (isMmx) enterMmx(t);
}

/** LDDQU and MOVNTDQA are loads like MOVDQU and MOVDQA; the hints of MOVNT* have no visible effect. */
export const SSE_MOVE_HANDLERS = {
  EMMS: emptyMmx,
  FEMMS: emptyMmx,
  LDDQU: moveWhole(true),
  MASKMOVDQU: maskedStore,
  MASKMOVQ: mmx(maskedStore),
  MOVAPD: moveWhole(false),
  MOVAPS: moveWhole(false),
  MOVD: perhapsMmx(movd),
  MOVDDUP: rearrangeSource(lanes(8, 0, 0)),
  MOVDQ2Q: movdq2q,
  MOVDQA: moveWhole(false),
  MOVDQU: moveWhole(true),
  MOVHLPS: rearrange(lanes(8, 3, 1)),
  MOVHPD: moveHalf(1),
  MOVHPS: moveHalf(1),
  MOVLHPS: rearrange(lanes(8, 0, 2)),
  MOVLPD: moveHalf(0),
  MOVLPS: moveHalf(0),
  MOVMSKPD: signBits(64),
  MOVMSKPS: signBits(32),
  MOVNTDQ: moveWhole(false),
  MOVNTDQA: moveWhole(false),
  MOVNTPD: moveWhole(false),
  MOVNTPS: moveWhole(false),
  MOVNTQ: mmx(movq),
  MOVNTSD: storeNontemporal,
  MOVNTSS: storeNontemporal,
  MOVQ: perhapsMmx(movq),
  MOVQ2DQ: movq2dq,
  MOVSD: moveScalar(8),
  MOVSHDUP: rearrangeSource(lanes(4, 1, 1, 3, 3)),
  MOVSLDUP: rearrangeSource(lanes(4, 0, 0, 2, 2)),
  MOVSS: moveScalar(4),
  MOVUPD: moveWhole(true),
  MOVUPS: moveWhole(true),
  PMOVMSKB: perhapsMmx(signBits(8)),
} as const satisfies Record<string, Handler>;

/** A rearrangement of the bytes of the source alone. */
function rearrangeSource(order: readonly number[]): Handler {
  return (t) => {
    const value = readVector(t, t.src);
    setXmm(t, t.dst.num, shuffle(t, value, value, order));
  };
}
