// The cryptographic extension: rounds of AES, SHA-1 and SHA-256 (FIPS 197, FIPS 180-4), as vector and word operations.
import { Cond } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { substitutionBoxes } from '../../finite-field.ts';
import { QREGS } from '../state.ts';
import { lanesOf, vectorConst } from '../vector-constants.ts';
import type { Handler, Translation } from './context.ts';
import { compareLanes, dOf, mOf, nOf, op2, shuffle } from './neon-registers.ts';

/** A handler on Q registers. */
function quads(run: (t: Translation, d: Value, n: Value, m: Value) => Value): Handler {
  return (t) => {
    const [d, n, m] = [dOf(t), nOf(t), mOf(t)];
    // Instructions of two registers have no n.
    if ((d | m) & 1 || (t.insn.encoding!.pattern.includes('nnnn') && n & 1)) return t.undefined();
    t.b.set(QREGS[d >> 1]!, run(t, QREGS[d >> 1]!, QREGS[n >> 1]!, QREGS[m >> 1]!));
  };
}

// ---- AES: the state is a matrix of four columns of four bytes

let boxes: [number[], number[]] | null = null;

/** Every byte looked up in the S-box, or its inverse: of sixteen rows of it the one that has the index does not give 0. */
function substitute(t: Translation, x: Value, inverse: boolean): Value {
  boxes ??= substitutionBoxes();
  const box = boxes[inverse ? 1 : 0]!;
  let sum: Value | null = null;
  for (let row = 0; row < 256; row += 16) {
    const index = row === 0 ? x : op2(t, 'sub_vec', x, lanesOf(8, row), 8);
    const found = op2(t, 'swizzle_v128', vectorConst(box.slice(row, row + 16)), index);
    sum = sum === null ? found : op2(t, 'or_v128', sum, found);
  }
  return sum!;
}

const SHIFT_ROWS = [0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11];
const INVERSE_SHIFT_ROWS = [0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3];
const TURN = [1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12];
const TURN_TWICE = [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13];

/** AESE and AESD: the round key is added first. */
function round(inverse: boolean): Handler {
  return quads((t, d, _n, m) => {
    const state = op2(t, 'xor_v128', d, m);
    return substitute(t, shuffle(t, state, state, inverse ? INVERSE_SHIFT_ROWS : SHIFT_ROWS), inverse);
  });
}

/** Twice every byte in the field. */
function double(t: Translation, x: Value): Value {
  const carry = compareLanes(t, Cond.LT, x, lanesOf(8, 0), 8);
  return op2(t, 'xor_v128', op2(t, 'add_vec', x, x, 8), op2(t, 'and_v128', carry, lanesOf(8, 0x1b)));
}

/** MixColumns: 2 a + 3 b + c + d of every column turned. */
function mixColumns(t: Translation, x: Value): Value {
  const next = shuffle(t, x, x, TURN);
  const pairs = op2(t, 'xor_v128', x, next);
  return op2(t, 'xor_v128', op2(t, 'xor_v128', double(t, pairs), next), shuffle(t, pairs, pairs, TURN_TWICE));
}

/** InvMixColumns: MixColumns of 5 a + 4 c. */
function inverseMixColumns(t: Translation, x: Value): Value {
  const both = op2(t, 'xor_v128', x, shuffle(t, x, x, TURN_TWICE));
  return mixColumns(t, op2(t, 'xor_v128', x, double(t, double(t, both))));
}

// ---- SHA

function words({ b }: Translation, x: Value): Value[] {
  return [0, 1, 2, 3].map((n) => b.emit('lane_i32', x, null, null, 32, n));
}

function vector({ b }: Translation, [first, ...rest]: readonly Value[]): Value {
  let x: Value = b.emit('splat_i32', first!, null, null, 32);
  for (const [n, word] of rest.entries()) x = b.emit('setlane_i32', x, word, null, 32, n + 1);
  return x;
}

type Mix = (t: Translation, x: Value, y: Value, z: Value) => Value;

const choose: Mix = ({ b }, x, y, z) => b.xor(b.and(b.xor(y, z), x), z);
const parity: Mix = ({ b }, x, y, z) => b.xor(b.xor(x, y), z);
const majority: Mix = ({ b }, x, y, z) => b.or(b.and(x, y), b.and(b.or(x, y), z));

/** Four rounds of SHA-1; the message words have their constant already. */
function sha1(mix: Mix): Handler {
  return quads((t, d, n, m) => {
    const { b } = t;
    let x = words(t, d);
    let y: Value = b.emit('lane_i32', n, null, null, 32, 0);
    for (const word of words(t, m)) {
      const [x0, x1, x2, x3] = x as [Value, Value, Value, Value];
      const next = b.add(b.add(y, b.rotl(x0, 5)), b.add(mix(t, x1, x2, x3), word));
      x = [next, x0, b.rotl(x1, 30), x2];
      y = x3;
    }
    return vector(t, x);
  });
}

const sha1Hash = quads((t, _d, _n, m) => {
  const { b } = t;
  const word = b.rotl(b.emit('lane_i32', m, null, null, 32, 0), 30);
  return b.emit('setlane_i32', lanesOf(32, 0), word, null, 32, 0);
});

const sha1Schedule0 = quads((t, d, n, m) => {
  const moved = shuffle(t, d, n, [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
  return op2(t, 'xor_v128', op2(t, 'xor_v128', moved, d), m);
});

const sha1Schedule1 = quads((t, d, _n, m) => {
  const { b } = t;
  const down = shuffle(t, m, lanesOf(32, 0), [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  const [t0, t1, t2, t3] = words(t, op2(t, 'xor_v128', d, down)) as [Value, Value, Value, Value];
  return vector(t, [b.rotl(t0, 1), b.rotl(t1, 1), b.rotl(t2, 1), b.xor(b.rotl(t3, 1), b.rotl(t0, 2))]);
});

function turned({ b }: Translation, x: Value, first: number, second: number, third: number): Value {
  return b.xor(b.xor(b.rotr(x, first), b.rotr(x, second)), b.rotr(x, third));
}

/** Four rounds of SHA-256 on a to d and e to h; `part` 0 gives the former, 1 the latter. */
function sha256(part: 0 | 1): Handler {
  return quads((t, d, n, m) => {
    const { b } = t;
    let x = words(t, part ? n : d);
    let y = words(t, part ? d : n);
    for (const word of words(t, m)) {
      const [x0, x1, x2, x3] = x as [Value, Value, Value, Value];
      const [y0, y1, y2, y3] = y as [Value, Value, Value, Value];
      const sum = b.add(b.add(y3, turned(t, y0, 6, 11, 25)), b.add(choose(t, y0, y1, y2), word));
      const top = b.add(sum, b.add(turned(t, x0, 2, 13, 22), majority(t, x0, x1, x2)));
      x = [top, x0, x1, x2];
      y = [b.add(sum, x3), y0, y1, y2];
    }
    return vector(t, part ? y : x);
  });
}

function small({ b }: Translation, x: Value, first: number, second: number, shift: number): Value {
  return b.xor(b.xor(b.rotr(x, first), b.rotr(x, second)), b.shr(x, shift));
}

/** The three high words of one vector with the lowest of the next above them. */
const NEXT_WORDS = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19];

const sha256Schedule0 = quads((t, d, _n, m) => {
  const moved = words(t, shuffle(t, d, m, NEXT_WORDS));
  return vector(
    t,
    words(t, d).map((word, n) => t.b.add(word, small(t, moved[n]!, 7, 18, 3))),
  );
});

const sha256Schedule1 = quads((t, d, n, m) => {
  const { b } = t;
  const moved = words(t, shuffle(t, n, m, NEXT_WORDS));
  const from = words(t, d);
  const [, , m2, m3] = words(t, m) as [Value, Value, Value, Value];
  const word = (k: number, last: Value): Value => b.add(b.add(from[k]!, moved[k]!), small(t, last, 17, 19, 10));
  const first = word(0, m2);
  const second = word(1, m3);
  return vector(t, [first, second, word(2, first), word(3, second)]);
});

export const NEON_CRYPTO = {
  AESE: round(false),
  AESD: round(true),
  AESMC: quads((t, _d, _n, m) => mixColumns(t, m)),
  AESIMC: quads((t, _d, _n, m) => inverseMixColumns(t, m)),
  SHA1C: sha1(choose),
  SHA1P: sha1(parity),
  SHA1M: sha1(majority),
  SHA1H: sha1Hash,
  SHA1SU0: sha1Schedule0,
  SHA1SU1: sha1Schedule1,
  SHA256H: sha256(0),
  SHA256H2: sha256(1),
  SHA256SU0: sha256Schedule0,
  SHA256SU1: sha256Schedule1,
} satisfies Record<string, Handler>;
