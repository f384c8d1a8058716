// Deterministic x87 test cases: random and corner-case machine states for an instruction, as 256-byte records.

import { AT_CODE, AT_EAX, AT_EFLAGS, AT_LENGTH, AT_OPERAND } from './machine.ts';

/** xorshift32 generator: the same cases on every machine. */
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = (seed * 0x9e3779b1) | 1;
  }
  /** 32 random bits as an unsigned number. */
  next(): number {
    let s = this.state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.state = s;
    return Math.imul(s, 0x2c1b3c6d) >>> 0;
  }
  below(n: number): number {
    return (this.next() >>> 4) % n;
  }
}

/** Interesting exponents: zero and denormals, extremes, around 1, the f32/f64/integer borders. */
const EXPONENTS = [
  0, 0, 1, 2, 3, 0x7fff, 0x7fff, 0x7ffe, 0x7ffd, 0x3fff, 0x3ffe, 0x3ffd, 0x4000, 0x4001, 0x400d, 0x400e, 0x400f, 0x401d,
  0x401e, 0x401f, 0x403c, 0x403d, 0x403e, 0x403f, 0x3f80, 0x3f81, 0x3f69, 0x3f6a, 0x3c00, 0x3c01, 0x3bcc, 0x3bcd,
  0x43fe, 0x43ff, 0x407e, 0x407f, 0x3fbf, 0x3fc0, 0x5ffe, 0x1fff,
];

/** Writes a random 80-bit value: mostly near others in exponent so that operands interact. */
export function randomF80(r: Random, out: DataView, at: number): void {
  let hi = r.next();
  let lo = r.next();
  const shape = r.below(16);
  if (shape < 2) lo = 0;
  if (shape === 1) hi &= 0xfff << 20;
  if (shape === 2) {
    lo = 0;
    hi = 0;
  }
  if (shape === 3) {
    lo = 0xffffffff;
    hi = 0xffffffff;
  }
  if (shape === 4) lo &= 0xfffff800;
  if (shape === 5) {
    lo = 0;
    hi &= 0xffffff00;
  }
  if (shape === 6) lo = (lo & ~0xfff) | 0x400;
  if (shape === 7) {
    lo = 0x80 << 24;
    hi = (hi & ~0xff) | (lo & 1);
  }
  if (shape === 8) lo = r.below(4);
  if (shape === 9) {
    lo = 0xffffffff - r.below(4);
    hi |= 0x7ffffff0;
  }
  const kind = r.below(32);
  let exp: number;
  if (kind < 8) exp = EXPONENTS[r.below(EXPONENTS.length)];
  else if (kind < 24) exp = 0x3fff - 40 + r.below(120);
  else if (kind < 26) exp = r.below(140);
  else if (kind < 28) exp = 0x7ffe - r.below(140);
  else exp = r.below(0x8000);
  // The integer bit is what it should be, except in one case of 32.
  if (kind !== 31) {
    if (exp === 0) hi = r.below(8) ? hi & 0x7fffffff : hi;
    else hi |= 0x80000000;
    if (exp === 0 && r.below(4) === 0) hi = lo = 0;
    if (exp === 0x7fff && r.below(3) === 0) {
      hi = 0x80000000;
      lo = 0;
    }
  }
  if (kind === 30) {
    // A small integer.
    const n = r.below(200) + 1;
    const shift = Math.clz32(n);
    hi = n << shift;
    lo = 0;
    exp = 0x3fff + 31 - shift;
  }
  out.setUint32(at, lo >>> 0, true);
  out.setUint32(at + 4, hi >>> 0, true);
  out.setUint16(at + 8, exp | (r.next() & 0x8000), true);
}

/** Writes a random f32. */
function randomF32(r: Random, out: DataView, at: number): void {
  const kind = r.below(8);
  const exp = kind === 0 ? 0 : kind === 1 ? 255 : kind < 5 ? 120 + r.below(16) : r.below(256);
  const frac = r.below(8) === 0 ? 0 : r.next() & (r.below(2) ? 0x7fffff : 0x700001);
  out.setUint32(at, ((r.next() & 0x80000000) | (exp << 23) | frac) >>> 0, true);
}

/** Writes a random f64. */
function randomF64(r: Random, out: DataView, at: number): void {
  const kind = r.below(8);
  const exp = kind === 0 ? 0 : kind === 1 ? 2047 : kind < 5 ? 1000 + r.below(50) : r.below(2048);
  const zero = r.below(8) === 0;
  out.setUint32(at, zero ? 0 : r.next(), true);
  out.setUint32(at + 4, ((r.next() & 0x80000000) | (exp << 20) | (zero ? 0 : r.next() & 0xfffff)) >>> 0, true);
}

/** Makes ST(1) a near relative of ST(0), for cancellation, quotients near 1 and ties. */
function relate(r: Random, v: DataView): void {
  v.setBigUint64(38, v.getBigUint64(28, true), true);
  const kind = r.below(4);
  if (kind < 2) v.setUint8(38 + r.below(7), r.next() & 0xff);
  if (kind === 3) v.setUint32(38, v.getUint32(28, true) + r.below(5) - 2, true);
  const se = v.getUint16(36, true);
  const exp = Math.min(0x7fff, Math.max(0, (se & 0x7fff) + (r.below(2) ? 0 : r.below(5) - 2)));
  v.setUint16(46, (r.next() & 0x8000) | exp, true);
}

/** Kinds of memory operand (`env` and `image` are what FLDENV and FRSTOR load). */
export type Operand = 'none' | 'm32' | 'm64' | 'm80' | 'int' | 'bcd' | 'cw' | 'env' | 'image';

/** How often unusual states occur; 0 turns a feature off. */
export interface CaseOptions {
  /** Exceptions are unmasked in one case of this many. */
  readonly unmasked: number;
  /** Registers are empty (or the stack full) in one case of this many. */
  readonly faulty: number;
}

/** Ordinary states; unmasked exceptions; stack faults; both. */
export const CASE_KINDS: readonly CaseOptions[] = [
  { unmasked: 0, faulty: 0 },
  { unmasked: 1, faulty: 0 },
  { unmasked: 0, faulty: 1 },
  { unmasked: 2, faulty: 2 },
];

/** Fills `record` with a random state for the instruction `code`. */
export function fillCase(
  r: Random,
  record: Uint8Array,
  code: readonly number[],
  operand: Operand,
  o: CaseOptions,
): void {
  const v = new DataView(record.buffer, record.byteOffset, record.byteLength);
  record.fill(0);
  let cw = 0x37f;
  if (r.below(2)) cw = (cw & ~0xc00) | (r.below(4) << 10);
  if (r.below(3) === 0) cw = (cw & ~0x300) | (r.below(4) << 8);
  if (o.unmasked && r.below(o.unmasked) === 0) cw = (cw & ~0x3f) | r.below(64);
  const top = r.below(8);
  // Earlier exceptions only where masked: a pending one would trap before the instruction.
  let sw = (r.next() & 0x4700) | (top << 11);
  if (r.below(4) === 0) sw |= r.next() & cw & 0x3f;
  if (r.below(16) === 0) sw |= 0x40;
  let tags = 0;
  const faulty = o.faulty !== 0 && r.below(o.faulty) === 0;
  for (let i = 0; i < 8; i++) {
    randomF80(r, v, 28 + 10 * i);
    if (faulty ? r.below(3) === 0 : i > 5 || (i > 1 && r.below(4) === 0)) tags |= 3 << (((top + i) & 7) * 2);
  }
  if (faulty && r.below(8) === 0) tags = r.below(2) ? 0 : 0xffff;
  if (r.below(4) === 0) relate(r, v);
  v.setUint32(0, 0xffff0000 + cw, true);
  v.setUint32(4, 0xffff0000 + sw, true);
  v.setUint32(8, 0xffff0000 + tags, true);
  v.setUint32(24, 0xffff0000, true);
  fillOperand(r, v, operand);
  record.set(code, AT_CODE);
  v.setUint8(AT_LENGTH, code.length);
  v.setUint32(AT_EFLAGS, (r.next() & 0x8d5) | 2, true);
  v.setUint32(AT_EAX, r.next(), true);
}

function fillOperand(r: Random, v: DataView, operand: Operand): void {
  if (operand === 'm32') randomF32(r, v, AT_OPERAND);
  else if (operand === 'm64') randomF64(r, v, AT_OPERAND);
  else if (operand === 'm80') randomF80(r, v, AT_OPERAND);
  else if (operand === 'cw') v.setUint16(AT_OPERAND, r.next(), true);
  else if (operand === 'int') {
    const shift = r.below(33);
    v.setUint32(AT_OPERAND, r.next() >>> (shift & 31), true);
    v.setUint32(AT_OPERAND + 4, shift === 32 ? 0 : r.next() >> (shift & 31), true);
  } else if (operand === 'bcd') {
    for (let i = 0; i < 9; i++) v.setUint8(AT_OPERAND + i, (r.below(10) << 4) | r.below(10));
    v.setUint8(AT_OPERAND + 9, r.next() & 0x80);
  } else if (operand === 'env' || operand === 'image') {
    const size = operand === 'env' ? 28 : 108;
    for (let i = 0; i < size; i += 4) v.setUint32(AT_OPERAND + i, r.next(), true);
  }
}

/** An instruction under test. */
export interface Instruction {
  readonly name: string;
  readonly code: readonly number[];
  readonly operand: Operand;
}

/** ModRM of a memory operand at [ecx]. */
const mem = (reg: number) => (reg << 3) | 1;

function row(name: string, code: readonly number[], operand: Operand = 'none'): Instruction {
  return { name, code, operand };
}

const ARITH = ['fadd', 'fmul', 'fcom', 'fcomp', 'fsub', 'fsubr', 'fdiv', 'fdivr'];

/** Every x87 instruction that must agree with the host CPU bit for bit. */
export const EXACT: readonly Instruction[] = [
  ...ARITH.flatMap((name, n) => [
    row(`${name} m32`, [0xd8, mem(n)], 'm32'),
    row(`${name} m64`, [0xdc, mem(n)], 'm64'),
    row(`${name.replace('f', 'fi')} m32`, [0xda, mem(n)], 'int'),
    row(`${name.replace('f', 'fi')} m16`, [0xde, mem(n)], 'int'),
    row(`${name} st,st(1)`, [0xd8, 0xc1 + 8 * n]),
    row(`${name} st,st(0)`, [0xd8, 0xc0 + 8 * n]),
    ...(n === 2 || n === 3
      ? []
      : [
          row(`${name} st(1),st`, [0xdc, 0xc1 + 8 * n]),
          row(`${name} st(3),st`, [0xdc, 0xc3 + 8 * n]),
          row(`${name}p st(1),st`, [0xde, 0xc1 + 8 * n]),
          row(`${name}p st(0),st`, [0xde, 0xc0 + 8 * n]),
        ]),
  ]),
  row('fcompp', [0xde, 0xd9]),
  row('fucom st(1)', [0xdd, 0xe1]),
  row('fucom st(0)', [0xdd, 0xe0]),
  row('fucomp st(1)', [0xdd, 0xe9]),
  row('fucompp', [0xda, 0xe9]),
  row('fcomi st(1)', [0xdb, 0xf1]),
  row('fcomip st(1)', [0xdf, 0xf1]),
  row('fucomi st(1)', [0xdb, 0xe9]),
  row('fucomip st(1)', [0xdf, 0xe9]),
  ...['b', 'e', 'be', 'u'].flatMap((c, n) => [
    row(`fcmov${c} st(1)`, [0xda, 0xc1 + 8 * n]),
    row(`fcmovn${c} st(1)`, [0xdb, 0xc1 + 8 * n]),
  ]),
  row('fld m32', [0xd9, mem(0)], 'm32'),
  row('fld m64', [0xdd, mem(0)], 'm64'),
  row('fld m80', [0xdb, mem(5)], 'm80'),
  row('fld st(0)', [0xd9, 0xc0]),
  row('fld st(1)', [0xd9, 0xc1]),
  row('fld st(7)', [0xd9, 0xc7]),
  row('fild m16', [0xdf, mem(0)], 'int'),
  row('fild m32', [0xdb, mem(0)], 'int'),
  row('fild m64', [0xdf, mem(5)], 'int'),
  row('fbld', [0xdf, mem(4)], 'bcd'),
  row('fbld of any digits', [0xdf, mem(4)], 'env'),
  row('fst m32', [0xd9, mem(2)]),
  row('fstp m32', [0xd9, mem(3)]),
  row('fst m64', [0xdd, mem(2)]),
  row('fstp m64', [0xdd, mem(3)]),
  row('fstp m80', [0xdb, mem(7)]),
  row('fst st(1)', [0xdd, 0xd1]),
  row('fst st(0)', [0xdd, 0xd0]),
  row('fstp st(1)', [0xdd, 0xd9]),
  row('fstp st(0)', [0xdd, 0xd8]),
  row('fist m16', [0xdf, mem(2)]),
  row('fistp m16', [0xdf, mem(3)]),
  row('fist m32', [0xdb, mem(2)]),
  row('fistp m32', [0xdb, mem(3)]),
  row('fistp m64', [0xdf, mem(7)]),
  row('fisttp m16', [0xdf, mem(1)]),
  row('fisttp m32', [0xdb, mem(1)]),
  row('fisttp m64', [0xdd, mem(1)]),
  row('fbstp', [0xdf, mem(6)]),
  row('fxch st(1)', [0xd9, 0xc9]),
  row('fxch st(0)', [0xd9, 0xc8]),
  ...['fld1', 'fldl2t', 'fldl2e', 'fldpi', 'fldlg2', 'fldln2', 'fldz'].map((name, n) => row(name, [0xd9, 0xe8 + n])),
  row('fchs', [0xd9, 0xe0]),
  row('fabs', [0xd9, 0xe1]),
  row('ftst', [0xd9, 0xe4]),
  row('fxam', [0xd9, 0xe5]),
  row('fsqrt', [0xd9, 0xfa]),
  row('frndint', [0xd9, 0xfc]),
  row('fscale', [0xd9, 0xfd]),
  row('fxtract', [0xd9, 0xf4]),
  row('fprem', [0xd9, 0xf8]),
  row('fprem1', [0xd9, 0xf5]),
  row('fnop', [0xd9, 0xd0]),
  row('fincstp', [0xd9, 0xf7]),
  row('fdecstp', [0xd9, 0xf6]),
  row('ffree st(1)', [0xdd, 0xc1]),
  row('ffree st(0)', [0xdd, 0xc0]),
  row('ffreep st(1)', [0xdf, 0xc1]),
  row('fnclex', [0xdb, 0xe2]),
  row('fninit', [0xdb, 0xe3]),
  row('fnstcw', [0xd9, mem(7)]),
  row('fldcw', [0xd9, mem(5)], 'cw'),
  row('fnstsw m16', [0xdd, mem(7)]),
  row('fnstsw ax', [0xdf, 0xe0]),
  row('fnstenv', [0xd9, mem(6)]),
  row('fnstenv 16', [0x66, 0xd9, mem(6)]),
  row('fldenv', [0xd9, mem(4)], 'env'),
  row('fldenv 16', [0x66, 0xd9, mem(4)], 'env'),
  row('fnsave', [0xdd, mem(6)]),
  row('fnsave 16', [0x66, 0xdd, mem(6)]),
  row('frstor', [0xdd, mem(4)], 'image'),
  row('frstor 16', [0x66, 0xdd, mem(4)], 'image'),
];

/** Transcendental instructions: the result may differ from the host CPU's in the last bit. */
export const TRANSCENDENTAL: readonly Instruction[] = [
  row('f2xm1', [0xd9, 0xf0]),
  row('fyl2x', [0xd9, 0xf1]),
  row('fptan', [0xd9, 0xf2]),
  row('fpatan', [0xd9, 0xf3]),
  row('fyl2xp1', [0xd9, 0xf9]),
  row('fsincos', [0xd9, 0xfb]),
  row('fsin', [0xd9, 0xfe]),
  row('fcos', [0xd9, 0xff]),
];
