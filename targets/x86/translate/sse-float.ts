// SSE arithmetic (SDM vol. 1, 10.4.1, 11.4.1, 12.3, 12.8): addition to square root, minimum, maximum, horizontal sums.
import { Cond } from '../../../tcg/ir/types.ts';
import { Const, const32, type Value } from '../../../tcg/ir/value.ts';
import {
  exactProduct,
  exactProducts,
  exactQuotient,
  exactQuotients,
  exactSum,
  exactSums,
  type Proof,
  zeroLanes,
} from '../../float-guard.ts';
import { SseOp } from '../helpers/sse-table.ts';
import { XMM } from '../state.ts';
import type { Translation } from './context.ts';
import {
  always,
  destination,
  type Fast,
  readScalar,
  readSource,
  type Scalar,
  type Source,
  setScalarResult,
  setVectorResult,
} from './sse.ts';
import { type Handler, lanes, readVector, setXmm, shuffle, vectorConst } from './vector.ts';

/** Names of the scalar and of the vector ops that do an operation. */
const ARITHMETIC = {
  ADD: ['add', 'fadd_vec'],
  SUB: ['sub', 'fsub_vec'],
  MUL: ['mul', 'fmul_vec'],
  DIV: ['div', 'fdiv_vec'],
} as const;
type Arithmetic = keyof typeof ARITHMETIC;

/** 1 unless a scalar is zero. */
function notZero({ b }: Translation, value: Value): Value {
  const type = value.type as Scalar;
  return b.emit(`setcond_${type}`, value, new Const(type, 0), null, Cond.NE);
}

/** ADDSS and its like: dst = dst op src in the low lane. */
function scalar(name: Arithmetic, type: Scalar): Handler {
  const op = ARITHMETIC[name][0];
  const helper = type === 'f32' ? 'arith_ss' : 'arith_sd';
  return (t) => {
    const { b, src } = t;
    const source = readScalar(t, src, type);
    const target = destination(t, type);
    const y = source.value;
    const x = target.value;
    const fast: Fast = {
      operands: [target, source],
      result: () => b.emit(`${op}_${type}`, x, y),
      judged: true,
      zero: (result) => {
        const differs = notZero(t, result);
        if (name === 'MUL') return b.or(differs, b.and(notZero(t, x), notZero(t, y)));
        return name === 'DIV' ? b.or(differs, notZero(t, x)) : differs;
      },
      proof: (result): Proof => {
        if (name === 'MUL') return exactProduct(b, result, x, y);
        if (name === 'DIV') return exactQuotient(b, result, x, y);
        return exactSum(b, result, x, y, name === 'SUB');
      },
    };
    setScalarResult(t, fast, helper, x, y, SseOp[name]);
  };
}

/** The helper of packed arithmetic on lanes of a width. */
const packedHelper = (lane: 32 | 64) => (lane === 32 ? 'arith_ps' : 'arith_pd');

/** dst = target op source by lanes. */
function setPacked(t: Translation, name: Arithmetic, lane: 32 | 64, target: Source, source: Source): void {
  const { b } = t;
  const x = target.value;
  const y = source.value;
  const fast: Fast = {
    operands: [target, source],
    result: () => b.emit(ARITHMETIC[name][1], x, y, null, lane),
    judged: true,
    zero: () => {
      if (name === 'MUL') return b.or(zeroLanes(b, lane, x), zeroLanes(b, lane, y));
      return name === 'DIV' ? zeroLanes(b, lane, x) : const32(15);
    },
    proof: (result) => {
      if (name === 'MUL') return exactProducts(b, lane, x, y);
      if (name === 'DIV') return exactQuotients(b, lane, result, x, y);
      return exactSums(b, lane, result, x, y, name === 'SUB');
    },
  };
  setVectorResult(t, lane, fast, packedHelper(lane), x, y, SseOp[name]);
}

/** ADDPS and its like. */
function packed(name: Arithmetic, lane: 32 | 64): Handler {
  return (t) => {
    const source = readSource(t);
    setPacked(t, name, lane, destination(t, null), source);
  };
}

function scalarRoot(type: Scalar): Handler {
  const helper = type === 'f32' ? 'arith_ss' : 'arith_sd';
  return (t) => {
    const { b, src } = t;
    const source = readScalar(t, src, type);
    const x = source.value;
    const fast: Fast = {
      operands: [source],
      result: () => b.emit(`sqrt_${type}`, x),
      judged: true,
      zero: (result) => notZero(t, result),
      proof: (result) => exactQuotient(b, result, x, result),
    };
    setScalarResult(t, fast, helper, x, x, SseOp.SQRT);
  };
}

function packedRoot(lane: 32 | 64): Handler {
  return (t) => {
    const { b } = t;
    const source = readSource(t);
    const x = source.value;
    const fast: Fast = {
      operands: [source],
      result: () => b.emit('fsqrt_vec', x, null, null, lane),
      judged: true,
      zero: () => const32(15),
      proof: (result) => exactQuotients(b, lane, result, x, result),
    };
    setVectorResult(t, lane, fast, packedHelper(lane), x, x, SseOp.SQRT);
  };
}

/** MINSS and its like: the second operand where neither is the smaller or larger one. */
function scalarExtreme(name: 'MIN' | 'MAX', type: Scalar): Handler {
  const helper = type === 'f32' ? 'arith_ss' : 'arith_sd';
  const cond = name === 'MIN' ? Cond.LT : Cond.GT;
  return (t) => {
    const { b, src } = t;
    const source = readScalar(t, src, type);
    const target = destination(t, type);
    const y = source.value;
    const x = target.value;
    const fast: Fast = {
      operands: [target, source],
      result: () => b.select(b.emit(`setcond_${type}`, x, y, null, cond), x, y),
    };
    setScalarResult(t, fast, helper, x, y, SseOp[name]);
  };
}

/** MINPS and its like. The IR's ops choose the other operand where neither is smaller. */
function packedExtreme(name: 'MIN' | 'MAX', lane: 32 | 64): Handler {
  const op = name === 'MIN' ? 'fpmin_vec' : 'fpmax_vec';
  return (t) => {
    const { b } = t;
    const source = readSource(t);
    const target = destination(t, null);
    const y = source.value;
    const x = target.value;
    const fast: Fast = { operands: [target, source], result: () => b.emit(op, y, x, null, lane) };
    setVectorResult(t, lane, fast, packedHelper(lane), x, y, SseOp[name]);
  };
}

// ---- SSE3 and SSE4.1

const EVEN = { 32: lanes(4, 0, 2, 4, 6), 64: lanes(8, 0, 2) } as const;
const ODD = { 32: lanes(4, 1, 3, 5, 7), 64: lanes(8, 1, 3) } as const;

/** HADDPS and its like: neighbours of dst, then of src. */
function horizontal(name: 'ADD' | 'SUB', lane: 32 | 64): Handler {
  return (t) => {
    const y = readVector(t, t.src);
    const x = XMM[t.dst.num]!;
    const even = shuffle(t, x, y, EVEN[lane]);
    const odd = shuffle(t, x, y, ODD[lane]);
    setPacked(t, name, lane, { value: even, register: -1 }, { value: odd, register: -1 });
  };
}

/** The sign bits of even lanes. */
const EVEN_SIGNS = {
  32: vectorConst(Array.from({ length: 16 }, (_, i) => (i % 8 === 3 ? 0x80 : 0))),
  64: vectorConst(Array.from({ length: 16 }, (_, i) => (i === 7 ? 0x80 : 0))),
} as const;
const ALTERNATING = { 32: lanes(4, 0, 5, 2, 7), 64: lanes(8, 0, 3) } as const;

/** ADDSUBPS, ADDSUBPD: differences in even lanes, sums in odd ones. */
function alternating(lane: 32 | 64): Handler {
  return (t) => {
    const { b } = t;
    const source = readSource(t);
    const target = destination(t, null);
    const y = source.value;
    const x = target.value;
    const fast: Fast = {
      operands: [target, source],
      judged: true,
      result: () => {
        const differences = b.emit('fsub_vec', x, y, null, lane);
        return shuffle(t, differences, b.emit('fadd_vec', x, y, null, lane), ALTERNATING[lane]);
      },
      zero: () => const32(15),
      proof: (result) => exactSums(b, lane, result, x, b.emit('xor_v128', y, EVEN_SIGNS[lane]), false),
    };
    setVectorResult(t, lane, fast, packedHelper(lane), x, y, SseOp.ADDSUB);
  };
}

/** DPPS, DPPD. */
function dotProduct(helper: 'dot_ps' | 'dot_pd'): Handler {
  return (t) => {
    const y = readVector(t, t.src);
    setXmm(t, t.dst.num, always(t, helper, XMM[t.dst.num]!, y, t.insn.imm));
  };
}

export const SSE_FLOAT_HANDLERS = {
  ADDPD: packed('ADD', 64),
  ADDPS: packed('ADD', 32),
  ADDSD: scalar('ADD', 'f64'),
  ADDSS: scalar('ADD', 'f32'),
  ADDSUBPD: alternating(64),
  ADDSUBPS: alternating(32),
  DIVPD: packed('DIV', 64),
  DIVPS: packed('DIV', 32),
  DIVSD: scalar('DIV', 'f64'),
  DIVSS: scalar('DIV', 'f32'),
  DPPD: dotProduct('dot_pd'),
  DPPS: dotProduct('dot_ps'),
  HADDPD: horizontal('ADD', 64),
  HADDPS: horizontal('ADD', 32),
  HSUBPD: horizontal('SUB', 64),
  HSUBPS: horizontal('SUB', 32),
  MAXPD: packedExtreme('MAX', 64),
  MAXPS: packedExtreme('MAX', 32),
  MAXSD: scalarExtreme('MAX', 'f64'),
  MAXSS: scalarExtreme('MAX', 'f32'),
  MINPD: packedExtreme('MIN', 64),
  MINPS: packedExtreme('MIN', 32),
  MINSD: scalarExtreme('MIN', 'f64'),
  MINSS: scalarExtreme('MIN', 'f32'),
  MULPD: packed('MUL', 64),
  MULPS: packed('MUL', 32),
  MULSD: scalar('MUL', 'f64'),
  MULSS: scalar('MUL', 'f32'),
  SQRTPD: packedRoot(64),
  SQRTPS: packedRoot(32),
  SQRTSD: scalarRoot('f64'),
  SQRTSS: scalarRoot('f32'),
  SUBPD: packed('SUB', 64),
  SUBPS: packed('SUB', 32),
  SUBSD: scalar('SUB', 'f64'),
  SUBSS: scalar('SUB', 'f32'),
} as const satisfies Record<string, Handler>;
