// Advanced SIMD that only moves lanes: reversal, transposition, interleaving, extraction, table look-up, duplication.
import type { Value } from '../../../tcg/ir/value.ts';
import { QREGS } from '../state.ts';
import { lanesOf } from '../vector-constants.ts';
import type { Handler } from './context.ts';
import {
  BYTES_TO_WORDS,
  belowUnsigned,
  choose,
  dOf,
  hasSize,
  joinLow,
  laneBits,
  laneBytes,
  mOf,
  nOf,
  ONLY_BYTES,
  op2,
  readVector,
  shuffle,
  unary,
  writeVector,
} from './neon-registers.ts';

const COUNT = (n: number): number[] => Array.from({ length: n }, (_, k) => k);

/** The lanes of `s` in each group of `group` bits in reverse order. */
function reversal(group: number): Handler {
  const sizes = group === 64 ? BYTES_TO_WORDS : group === 32 ? 3 : ONLY_BYTES;
  return unary(sizes, (t, x, bits) => {
    const per = group / bits;
    const order = COUNT(128 / bits).map((lane) => lane - (lane % per) + (per - 1 - (lane % per)));
    return shuffle(t, x, x, laneBytes(bits, order));
  });
}

/** Lane numbers of the two results from `count` lanes of d and, numbered from `second`, of m. */
type Order = (count: number, second: number) => [number[], number[]];

const transpose: Order = (count, second) => [
  COUNT(count).map((k) => (k & 1 ? second + k - 1 : k)),
  COUNT(count).map((k) => (k & 1 ? second + k : k + 1)),
];

const zip: Order = (count, second) => {
  const all = COUNT(2 * count).map((k) => (k & 1 ? second : 0) + (k >> 1));
  return [all.slice(0, count), all.slice(count)];
};

const unzip: Order = (count, second) => {
  const both = [...COUNT(count), ...COUNT(count).map((k) => second + k)];
  return [both.filter((_, k) => !(k & 1)), both.filter((_, k) => k & 1)];
};

/** Both registers get lanes of both. D registers of two words have VTRN only. */
function exchange(order: Order, wordsInD: boolean): Handler {
  return (t) => {
    const { q, s } = t.insn;
    const [d, m] = [dOf(t), mOf(t)];
    if (!hasSize(BYTES_TO_WORDS, s) || (q && (d | m) & 1) || (!q && s === 2 && !wordsInD)) return t.undefined();
    const bits = laneBits(s);
    const [first, second] = order((q ? 128 : 64) / bits, 128 / bits);
    const x = t.b.copy(readVector(t, d, q));
    const y = t.b.copy(readVector(t, m, q));
    // Of one register exchanged with itself the manual leaves the result open; here the second one counts.
    writeVector(t, d, q, shuffle(t, x, y, laneBytes(bits, first)));
    writeVector(t, m, q, shuffle(t, x, y, laneBytes(bits, second)));
  };
}

const swap: Handler = (t) => {
  const { q, s } = t.insn;
  const [d, m] = [dOf(t), mOf(t)];
  if (s !== 0 || (q && (d | m) & 1)) return t.undefined();
  const x = t.b.copy(readVector(t, d, q));
  const y = t.b.copy(readVector(t, m, q));
  writeVector(t, d, q, y);
  writeVector(t, m, q, x);
};

const extract: Handler = (t) => {
  const { q, i } = t.insn;
  const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
  if ((q && (d | n | m) & 1) || (!q && i > 7)) return t.undefined();
  const size = q ? 16 : 8;
  const order = COUNT(size).map((k) => (k + i < size ? k + i : k + i - size + 16));
  writeVector(t, d, q, shuffle(t, readVector(t, n, q), readVector(t, m, q), order));
};

/** VTBL and, keeping bytes whose index is too large, VTBX. */
function lookUp(keeps: boolean): Handler {
  return (t) => {
    const { k } = t.insn;
    const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
    // Tables that end behind D31 are UNPREDICTABLE.
    if (n + k > 31) return t.undefined();
    const index = readVector(t, m, 0);
    const pair = (at: number, both: boolean): Value => {
      const low = readVector(t, at, 0);
      if (!both) return low;
      return at & 1 ? joinLow(t, low, readVector(t, at + 1, 0)) : QREGS[at >> 1]!;
    };
    let result: Value = op2(t, 'swizzle_v128', pair(n, k > 0), index);
    if (k > 1) {
      const rest = op2(t, 'sub_vec', index, lanesOf(8, 16), 8);
      result = op2(t, 'or_v128', result, op2(t, 'swizzle_v128', pair(n + 2, k > 2), rest));
    }
    if (keeps) {
      result = choose(t, belowUnsigned(t, index, lanesOf(8, 8 * (k + 1)), 8), result, readVector(t, d, 0));
    } else if (!(k & 1)) {
      // The upper half of the last vector is not of the table.
      result = op2(t, 'and_v128', result, belowUnsigned(t, index, lanesOf(8, 8 * (k + 1)), 8));
    }
    writeVector(t, d, 0, result);
  };
}

const duplicateScalar: Handler = (t) => {
  const { q, i } = t.insn;
  const { b } = t;
  const [d, m] = [dOf(t), mOf(t)];
  if ((i & 7) === 0 || (q && d & 1)) return t.undefined();
  const bits = i & 1 ? 8 : i & 2 ? 16 : 32;
  const index = i >> (i & 1 ? 1 : i & 2 ? 2 : 3);
  const lane = b.emit('lane_i32', QREGS[m >> 1]!, null, null, bits, (m & 1) * (64 / bits) + index);
  writeVector(t, d, q, b.emit('splat_i32', lane, null, null, bits));
};

export const NEON_PERMUTE = {
  VREV64: reversal(64),
  VREV32: reversal(32),
  VREV16: reversal(16),
  VTRN: exchange(transpose, true),
  VZIP: exchange(zip, false),
  VUZP: exchange(unzip, false),
  VSWP: swap,
  VEXT: extract,
  VTBL: lookUp(false),
  VTBX: lookUp(true),
  VDUP_scalar: duplicateScalar,
} satisfies Record<string, Handler>;
