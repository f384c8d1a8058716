// Cases of SSE float instructions: operands at the corners of their formats under every kind of MXCSR.

import type { InsnCase } from '../../../oracle/insn-case.ts';
import { Random } from '../../../oracle/random.ts';
import { Operands, type Width } from '../../../unit/softfloat/operands.ts';
import { simdCases, type VectorMaker } from './cases.ts';
import type { SimdRow } from './rows.ts';

const AT_MXCSR = 24;
const MASKS = 0x1f80;
const INEXACT = 0x20;
const FLAGS = 0x3f;
const ROUNDING = 0x6000;
const DAZ = 0x40;
const FTZ = 0x8000;

/** Mnemonics that MXCSR has to do with. */
const FLOAT =
  /^((ADD|SUB|MUL|DIV|MIN|MAX|SQRT|CMP|HADD|HSUB|ADDSUB|ROUND|DP|RCP|RSQRT)(SUB)?[PS][SD]|U?COMIS[SD]|CVT.*)$/;

export function isFloatRow({ mnemonic }: SimdRow): boolean {
  return FLOAT.test(mnemonic);
}

/** The format of most operands of an instruction. */
function widthOf({ mnemonic }: SimdRow): Width {
  const source = /^CVTT?(..)/.exec(mnemonic)?.[1] ?? mnemonic.slice(-2);
  return source.endsWith('D') ? 64 : 32;
}

/** Vectors of floats: each lane a corner, any value, or one near another. */
function floatVector(width: Width): VectorMaker {
  const sources = new WeakMap<Random, Operands>();
  return (r, bytes, at, length) => {
    let operands = sources.get(r);
    if (!operands) sources.set(r, (operands = new Operands(r)));
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const lane = r.below(10) === 0 ? 96 - width : width;
    for (let i = 0; i < length; i += lane / 8) {
      const value = operands.next(lane === 32 ? 32 : 64);
      if (lane === 32) view.setUint32(at + i, Number(value), true);
      else view.setBigUint64(at + i, value, true);
    }
  };
}

/** Numbers an f32 or f64 arithmetic mostly meets, whose results are near them: the guarded way. */
function plainVector(width: Width): VectorMaker {
  return (r, bytes, at, length) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let i = 0; i < length; i += width / 8) {
      const value = (r.u32() / 2 ** 31 - 1) * 2 ** (r.below(40) - 10);
      const number = r.below(4) === 0 ? Math.round(value) : value;
      if (width === 32) view.setFloat32(at + i, number, true);
      else view.setFloat64(at + i, number, true);
    }
  };
}

/** Ways to choose MXCSR. */
export const MXCSR_KINDS: Record<string, { mxcsr: (r: Random) => number; plain?: boolean; faults?: boolean }> = {
  'all masked, nearest, inexact flagged': { mxcsr: (r) => MASKS | INEXACT | (r.u32() & FLAGS) },
  'the same with everyday operands': { mxcsr: (r) => MASKS | INEXACT | (r.u32() & FLAGS), plain: true },
  'all masked, every rounding': { mxcsr: (r) => MASKS | (r.u32() & (ROUNDING | FLAGS)) },
  'no flag set': { mxcsr: (r) => MASKS | (r.u32() & ROUNDING) },
  'denormals are zeros, flush to zero': { mxcsr: (r) => MASKS | (r.u32() & (ROUNDING | FLAGS | DAZ | FTZ)) },
  'fast with denormals flushed': { mxcsr: (r) => MASKS | INEXACT | (r.u32() & (DAZ | FTZ)) },
  'some unmasked': { mxcsr: (r) => r.u32() & (MASKS | ROUNDING | FLAGS | DAZ | FTZ), faults: true },
  'one unmasked, no flag set': {
    mxcsr: (r) => (MASKS & ~(0x80 << r.below(6))) | (r.u32() & (ROUNDING | DAZ | FTZ)),
    faults: true,
  },
  'none masked, everyday operands': { mxcsr: (r) => r.u32() & ROUNDING, plain: true, faults: true },
};

/** `count` cases of each row in each form. */
export function floatCases(rows: readonly SimdRow[], kind: string, count: number, seed = 1): InsnCase[] {
  const { mxcsr, plain = false, faults = false } = MXCSR_KINDS[kind]!;
  const r = new Random(seed * 77 + kind.length);
  const widths: readonly Width[] = [32, 64];
  return widths.flatMap((width) => {
    const make = plain ? plainVector(width) : floatVector(width);
    const those = rows.filter((row) => widthOf(row) === width);
    return simdCases(those, { make, seed: seed + width, count }).map((insn): InsnCase => {
      const { image } = insn.fpu!;
      new DataView(image.buffer, image.byteOffset).setUint32(AT_MXCSR, mxcsr(r), true);
      return faults ? { ...insn, faults: true } : insn;
    });
  });
}
