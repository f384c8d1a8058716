// 3DNow! instructions: arithmetic in helpers, on MMX registers.
import { const32 } from '../../../tcg/ir/value.ts';
import { SIMD_HELPERS, type SimdHelperName } from '../helpers/simd-table.ts';
import { type Handler, lanes, mmx, readMmx64, setMmx, shuffle, vectorConst } from './vector.ts';
import { packed } from './vector-arithmetic.ts';

/** dst = helper(dst, src). */
function binary(name: SimdHelperName): Handler {
  return mmx((t) => {
    const b = readMmx64(t, t.src);
    setMmx(t, t.dst.num, t.b.call(SIMD_HELPERS[name], readMmx64(t, t.dst), b));
  });
}

/** dst = helper(src). */
function unary(name: SimdHelperName): Handler {
  return mmx((t) => setMmx(t, t.dst.num, t.b.call(SIMD_HELPERS[name], readMmx64(t, t.src))));
}

/** PFSUBR: the operands exchanged. */
const subtractReversed = mmx((t) => {
  const b = readMmx64(t, t.src);
  setMmx(t, t.dst.num, t.b.call(SIMD_HELPERS.pfsub, b, readMmx64(t, t.dst)));
});

const HALF = vectorConst(Array.from({ length: 16 }, (_, i) => (i % 4 === 1 ? 0x80 : 0)));

/** PMULHRW: high halves of 16-bit products, rounded. */
const roundedHighProduct = packed((t, a, b) => {
  const product = t.b.emit('mulwides_vec', a, b, null, 16, 0);
  const rounded = t.b.emit('add_vec', product, HALF, null, 32);
  const high = t.b.emit('shr_vec', rounded, const32(16), null, 32);
  return shuffle(t, high, high, lanes(2, 0, 2, 4, 6, 0, 2, 4, 6));
});

export const THREE_D_NOW_HANDLERS = {
  PF2ID: unary('pf2id'),
  PF2IW: unary('pf2iw'),
  PFACC: binary('pfacc'),
  PFADD: binary('pfadd'),
  PFCMPEQ: binary('pfcmpeq'),
  PFCMPGE: binary('pfcmpge'),
  PFCMPGT: binary('pfcmpgt'),
  PFMAX: binary('pfmax'),
  PFMIN: binary('pfmin'),
  PFMUL: binary('pfmul'),
  PFNACC: binary('pfnacc'),
  PFPNACC: binary('pfpnacc'),
  PFRCP: unary('pfrcp'),
  PFRCPIT1: binary('pfrcpit1'),
  PFRCPIT2: binary('pfmul'),
  PFRSQIT1: binary('pfrsqit1'),
  PFRSQRT: unary('pfrsqrt'),
  PFSUB: binary('pfsub'),
  PFSUBR: subtractReversed,
  PI2FD: unary('pi2fd'),
  PI2FW: unary('pi2fw'),
  PMULHRW: roundedHighProduct,
} as const satisfies Record<string, Handler>;
