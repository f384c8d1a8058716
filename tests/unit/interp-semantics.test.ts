/** The meaning of every pure op against the engine's own WebAssembly instructions, on corner values and random ones. */

import { describe, expect, test } from 'bun:test';
import { loadValue, storeValue } from '../../tcg/interp/memory.ts';
import { OP_LIST, OPS, type OpName, type OpRow } from '../../tcg/ir/ops.ts';
import { f32OfBits, f64OfBits, type IrValue } from '../../tcg/ir/scalar.ts';
import { type PureOpName, SEMANTICS, UndefinedOperation } from '../../tcg/ir/semantics.ts';
import type { Type } from '../../tcg/ir/types.ts';
import { condCount, lanesOf } from '../../tcg/ir/verify.ts';
import { CORNERS_FLOAT, CORNERS32, CORNERS64, fillBytes } from './ir-random.ts';

/** A piece of code with the operands on the stack, or a function that places them itself. */
type Code = number[] | ((push: (operand: number) => number[]) => number[]);

const leb = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >> 7)]);
const sleb = (n: number): number[] => (n >= -64 && n < 64 ? [n & 127] : [(n & 127) | 128, ...sleb(n >> 7)]);
const simd = (n: number, ...imms: number[]): number[] => [0xfd, ...leb(n), ...imms];
const i32 = (n: number): number[] => [0x41, ...sleb(n)];
const i64 = (n: number): number[] => [0x42, ...sleb(n)];

/** Ops that are one instruction without immediates. */
const SINGLE: Partial<Record<OpName, number[]>> = {
  add_i32: [0x6a],
  sub_i32: [0x6b],
  mul_i32: [0x6c],
  divs_i32: [0x6d],
  divu_i32: [0x6e],
  rems_i32: [0x6f],
  remu_i32: [0x70],
  and_i32: [0x71],
  or_i32: [0x72],
  xor_i32: [0x73],
  shl_i32: [0x74],
  sar_i32: [0x75],
  shr_i32: [0x76],
  rotl_i32: [0x77],
  rotr_i32: [0x78],
  clz_i32: [0x67],
  ctz_i32: [0x68],
  popcnt_i32: [0x69],
  ext8s_i32: [0xc0],
  ext16s_i32: [0xc1],
  clz_i64: [0x79],
  ctz_i64: [0x7a],
  popcnt_i64: [0x7b],
  add_i64: [0x7c],
  sub_i64: [0x7d],
  mul_i64: [0x7e],
  divs_i64: [0x7f],
  divu_i64: [0x80],
  rems_i64: [0x81],
  remu_i64: [0x82],
  and_i64: [0x83],
  or_i64: [0x84],
  xor_i64: [0x85],
  shl_i64: [0x86],
  sar_i64: [0x87],
  shr_i64: [0x88],
  rotl_i64: [0x89],
  rotr_i64: [0x8a],
  extu_i32_i64: [0xad],
  exts_i32_i64: [0xac],
  wrap_i64_i32: [0xa7],
  high_i64_i32: [...i64(32), 0x88, 0xa7],
  abs_f32: [0x8b],
  neg_f32: [0x8c],
  sqrt_f32: [0x91],
  add_f32: [0x92],
  sub_f32: [0x93],
  mul_f32: [0x94],
  div_f32: [0x95],
  min_f32: [0x96],
  max_f32: [0x97],
  copysign_f32: [0x98],
  abs_f64: [0x99],
  neg_f64: [0x9a],
  sqrt_f64: [0x9f],
  add_f64: [0xa0],
  sub_f64: [0xa1],
  mul_f64: [0xa2],
  div_f64: [0xa3],
  min_f64: [0xa4],
  max_f64: [0xa5],
  copysign_f64: [0xa6],
  reinterpret_i32_f32: [0xbe],
  reinterpret_f32_i32: [0xbc],
  reinterpret_i64_f64: [0xbf],
  reinterpret_f64_i64: [0xbd],
  promote_f32_f64: [0xbb],
  demote_f64_f32: [0xb6],
  converts_i32_f32: [0xb2],
  converts_i32_f64: [0xb7],
  convertu_i32_f64: [0xb8],
  converts_i64_f32: [0xb4],
  converts_i64_f64: [0xb9],
  convertu_i64_f64: [0xba],
  truncs_f32_i32: [0xfc, 0],
  truncs_f64_i32: [0xfc, 2],
  truncu_f64_i32: [0xfc, 3],
  truncs_f32_i64: [0xfc, 4],
  truncs_f64_i64: [0xfc, 6],
  truncu_f64_i64: [0xfc, 7],
  splat_i64: simd(0x12),
  splat_f32: simd(0x13),
  splat_f64: simd(0x14),
  swizzle_v128: simd(0x0e),
  not_v128: simd(0x4d),
  and_v128: simd(0x4e),
  andc_v128: simd(0x4f),
  or_v128: simd(0x50),
  xor_v128: simd(0x51),
  dot_s16_vec: simd(0xba),
  mulq15_vec: simd(0x82),
  any_v128: simd(0x53),
  mov_i32: [],
  mov_i64: [],
  mov_f32: [],
  mov_f64: [],
  mov_v128: [],
};

const f32 = (x: number) => [0x43, ...new Uint8Array(Float32Array.of(x).buffer)];
const f64 = (x: number) => [0x44, ...new Uint8Array(Float64Array.of(x).buffer)];
/** |a| of a float of so many bits. */
const magnitude = (bits: 32 | 64, push: (operand: number) => number[]) => [...push(0), bits === 32 ? 0x8b : 0x99];

/** Conditions in the order of `Cond`, by the number of the type's first comparison instruction. */
const INT_CONDS = [0, 1, 2, 8, 6, 4, 3, 9, 7, 5];
const FLOAT_CONDS = [0, 1, 2, 5, 4, 3];

/** Vector instructions by lane width (8 16 32 64 for integers, 32 64 for floats). */
const BY_LANE: Partial<Record<OpName, readonly number[]>> = {
  splat_i32: [0x0f, 0x10, 0x11],
  add_vec: [0x6e, 0x8e, 0xae, 0xce],
  sub_vec: [0x71, 0x91, 0xb1, 0xd1],
  mul_vec: [0, 0x95, 0xb5, 0xd5],
  neg_vec: [0x61, 0x81, 0xa1, 0xc1],
  abs_vec: [0x60, 0x80, 0xa0, 0xc0],
  shl_vec: [0x6b, 0x8b, 0xab, 0xcb],
  sar_vec: [0x6c, 0x8c, 0xac, 0xcc],
  shr_vec: [0x6d, 0x8d, 0xad, 0xcd],
  mins_vec: [0x76, 0x96, 0xb6],
  minu_vec: [0x77, 0x97, 0xb7],
  maxs_vec: [0x78, 0x98, 0xb8],
  maxu_vec: [0x79, 0x99, 0xb9],
  addsats_vec: [0x6f, 0x8f],
  addsatu_vec: [0x70, 0x90],
  subsats_vec: [0x72, 0x92],
  subsatu_vec: [0x73, 0x93],
  avgu_vec: [0x7b, 0x9b],
  narrows_vec: [0, 0x65, 0x85],
  narrowu_vec: [0, 0x66, 0x86],
  addpairs_vec: [0x7c, 0x7e],
  addpairu_vec: [0x7d, 0x7f],
  bitmask_vec: [0x64, 0x84, 0xa4, 0xc4],
  fadd_vec: [0, 0, 0xe4, 0xf0],
  fsub_vec: [0, 0, 0xe5, 0xf1],
  fmul_vec: [0, 0, 0xe6, 0xf2],
  fdiv_vec: [0, 0, 0xe7, 0xf3],
  fsqrt_vec: [0, 0, 0xe3, 0xef],
  fpmin_vec: [0, 0, 0xea, 0xf6],
  fpmax_vec: [0, 0, 0xeb, 0xf7],
  fabs_vec: [0, 0, 0xe0, 0xec],
  fneg_vec: [0, 0, 0xe1, 0xed],
};
/** The same for ops on the low half; the instruction for the high half is the next one. */
const BY_HALF: Partial<Record<OpName, readonly number[]>> = {
  widens_vec: [0x87, 0xa7, 0xc7],
  widenu_vec: [0x89, 0xa9, 0xc9],
  mulwides_vec: [0x9c, 0xbc, 0xdc],
  mulwideu_vec: [0x9e, 0xbe, 0xde],
};
const laneIndex = (lane: number) => [8, 16, 32, 64].indexOf(lane);

/** `length` bits from `start` by shifts of which the last is `shr` (0x76) or `sar` (0x75). */
const field = (start: number, length: number, last: number) => [
  ...i32(32 - start - length),
  0x74,
  ...i32(32 - length),
  last,
];

function codeOf(row: OpRow<OpName>, imm: number, imm2: number): Code {
  const single = SINGLE[row.name];
  if (single) return single;
  const byLane = BY_LANE[row.name];
  if (byLane) return simd(byLane[laneIndex(imm)]!);
  const byHalf = BY_HALF[row.name];
  if (byHalf) return simd(byHalf[laneIndex(imm)]! + imm2);
  switch (row.name) {
    case 'setcond_i32':
      return imm >= 10 ? [0x71, ...i32(0), 0x46 + (imm - 10)] : [0x46 + INT_CONDS[imm]!];
    case 'setcond_i64':
      return imm >= 10 ? [0x83, ...i64(0), 0x51 + (imm - 10)] : [0x51 + INT_CONDS[imm]!];
    case 'setcond_f32':
      return [0x5b + FLOAT_CONDS[imm]!];
    case 'setcond_f64':
      return [0x61 + FLOAT_CONDS[imm]!];
    case 'cmp_vec':
      if (imm === 64) return simd(0xd6 + FLOAT_CONDS[imm2]!);
      return simd([0x23, 0x2d, 0x37][laneIndex(imm)]! + INT_CONDS[imm2]!);
    case 'fcmp_vec':
      return simd((imm === 32 ? 0x41 : 0x47) + FLOAT_CONDS[imm2]!);
    case 'fround_vec':
      return simd((imm === 32 ? [0x67, 0x68, 0x69, 0x6a] : [0x74, 0x75, 0x7a, 0x94])[imm2]!);
    case 'fconverts_vec':
      return simd(imm === 32 ? 0xfa : 0xfe);
    case 'fconvertu_vec':
      return simd(imm === 32 ? 0xfb : 0xff);
    case 'ftruncs_vec':
      return simd(imm === 32 ? 0xf8 : 0xfc);
    case 'ftruncu_vec':
      return simd(imm === 32 ? 0xf9 : 0xfd);
    case 'fpromote_vec':
      return simd(0x5f);
    case 'fdemote_vec':
      return simd(0x5e);
    case 'round_f32':
      return [0x8d + imm];
    case 'round_f64':
      return [0x9b + imm];
    case 'extract_i32':
      return field(imm, imm2, 0x76);
    case 'sextract_i32':
      return field(imm, imm2, 0x75);
    case 'deposit_i32': {
      const mask = Number(BigInt.asIntN(32, ((1n << BigInt(imm2)) - 1n) << BigInt(imm)));
      return (push) => [...push(0), ...i32(~mask), 0x71, ...push(1), ...i32(imm), 0x74, ...i32(mask), 0x71, 0x72];
    }
    case 'select_i32':
    case 'select_i64':
    case 'select_f32':
    case 'select_f64':
      return (push) => [...push(1), ...push(2), ...push(0), 0x1b];
    case 'bitselect_v128':
      return (push) => [...push(1), ...push(2), ...push(0), ...simd(0x52)];
    case 'concat_i32_i64':
      return (push) => [...push(0), 0xad, ...push(1), 0xad, ...i64(32), 0x86, 0x84];
    case 'bswap16_i32':
      return (push) => [...push(0), ...i32(0xff), 0x71, ...i32(8), 0x74, ...push(0), ...field(8, 8, 0x76), 0x72];
    case 'lane_i32':
      return simd([0x16, 0x19, 0x1b][laneIndex(imm)]!, imm2);
    case 'lane_i64':
      return simd(0x1d, imm);
    case 'lane_f32':
      return simd(0x1f, imm);
    case 'lane_f64':
      return simd(0x21, imm);
    case 'setlane_i32':
      return simd([0x17, 0x1a, 0x1c][laneIndex(imm)]!, imm2);
    case 'setlane_i64':
      return simd(0x1e, imm);
    case 'setlane_f32':
      return simd(0x20, imm);
    case 'setlane_f64':
      return simd(0x22, imm);
    case 'denormal_f32':
      return (push) => [...magnitude(32, push), ...f32(0), 0x5e, ...magnitude(32, push), ...f32(2 ** -126), 0x5d, 0x71];
    case 'denormal_f64':
      return (push) => [
        ...magnitude(64, push),
        ...f64(0),
        0x64,
        ...magnitude(64, push),
        ...f64(2 ** -1022),
        0x63,
        0x71,
      ];
    case 'extreme_f32':
      return (push) => [
        ...[...magnitude(32, push), ...f32(2 ** -125), 0x60],
        ...[...magnitude(32, push), ...f32(2 ** 127), 0x5d, 0x71, 0x45],
      ];
    case 'extreme_f64':
      return (push) => [
        ...[...magnitude(64, push), ...f64(2 ** -1021), 0x66],
        ...[...magnitude(64, push), ...f64(2 ** 1023), 0x63, 0x71, 0x45],
      ];
    default:
      throw new Error(`no WebAssembly for ${row.name}`);
  }
}

const MEMOPS: Record<Type, number> = { i32: 2, i64: 3, f32: 2, f64: 3, v128: 4 };
const LOADS: Record<Type, number[]> = { i32: [0x28], i64: [0x29], f32: [0x2a], f64: [0x2b], v128: simd(0) };
const STORES: Record<Type, number[]> = { i32: [0x36], i64: [0x37], f32: [0x38], f64: [0x39], v128: simd(11) };
const RESULT = 64;

const memory = new WebAssembly.Memory({ initial: 1 });
const view = new DataView(memory.buffer);

const section = (id: number, content: number[]) => [id, ...leb(content.length), ...content];

/** A function that applies the code to the operands at 0, 16 and 32 and leaves the result at 64. */
function assemble(row: OpRow<OpName>, code: Code): () => void {
  const push = (operand: number) => [...i32(16 * operand), ...LOADS[row.ins[operand]!]!, 0, 0];
  const compute = typeof code === 'function' ? code(push) : [...row.ins.flatMap((_, i) => push(i)), ...code];
  const body = [0, ...i32(RESULT), ...compute, ...STORES[row.out!], 0, 0, 0x0b];
  const bytes = [
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 0, 0]),
    ...section(2, [1, 1, 0x65, 1, 0x6d, 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, 1, 0x66, 0, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ];
  const module = new WebAssembly.Module(Uint8Array.from(bytes));
  return new WebAssembly.Instance(module, { e: { m: memory } }).exports['f'] as () => void;
}

const vectors: Uint8Array[] = [];
for (let i = 0; i < 24; i++) {
  const bytes = new Uint8Array(16);
  fillBytes(bytes, i * 77 + 5);
  vectors.push(bytes);
}
for (const corner of CORNERS32) {
  const bytes = new Uint8Array(16);
  const lanes = new DataView(bytes.buffer);
  for (let i = 0; i < 16; i += 4) lanes.setInt32(i, corner + (i === 8 ? 1 : 0), true);
  vectors.push(bytes);
}
for (const corner of CORNERS_FLOAT) {
  for (const f of [Float32Array, Float64Array])
    vectors.push(new Uint8Array(new f(16 / f.BYTES_PER_ELEMENT).fill(corner).buffer));
}

/** Floats with these bits and one more and less, of both signs. */
function aroundBits32(...all: number[]): IrValue[] {
  return all
    .flatMap((bits) => [bits, bits + 1, Math.max(bits - 1, 0)])
    .flatMap((bits) => [f32OfBits(bits), f32OfBits(bits | (1 << 31))]);
}
/** The same for upper parts of f64s. */
function aroundBits64(...all: bigint[]): IrValue[] {
  const bits = all.map((high) => high << 52n).flatMap((low) => [low, low + 1n, low > 0n ? low - 1n : 0n]);
  return bits.flatMap((each) => [f64OfBits(each), f64OfBits(each | (1n << 63n))]);
}

const CORNERS: Record<Type, readonly IrValue[]> = {
  i32: CORNERS32,
  i64: [...CORNERS64, ...CORNERS64.map((n) => BigInt.asIntN(64, n << 31n)), 0x4000004000000001n, 0x7fffffbfffffffffn],
  f32: [
    ...CORNERS_FLOAT.map(Math.fround),
    ...aroundBits32(0x00000000, 0x00800000, 0x01000000, 0x7f000000, 0x7f800000),
    f32OfBits(0x7fa00001),
    f32OfBits(-1),
    Number.NaN,
  ],
  f64: [
    ...CORNERS_FLOAT,
    ...aroundBits64(0x000n, 0x001n, 0x002n, 0x7fen, 0x7ffn),
    f64OfBits(0x7ff4000000000001n),
    f64OfBits(-1n),
    Number.NaN,
  ],
  v128: vectors,
};

/** The operand tuples an op is tried with: all pairs of corners, or some of them where they are too many. */
function* operandsOf(ins: readonly Type[]): Generator<IrValue[]> {
  const lists = ins.map((type) => CORNERS[type]);
  const count = lists.reduce((product, list) => product * list.length, 1);
  const step = count > 2000 ? Math.floor(count / 1500) | 1 : 1;
  for (let n = 0; n < count; n += step) {
    let rest = n;
    yield lists.map((list) => {
      const value = list[rest % list.length]!;
      rest = Math.floor(rest / list.length);
      return value;
    });
  }
}

function immediates(row: OpRow<OpName>): [number, number][] {
  const conds = (lane: number) => Array.from({ length: condCount(row, lane) }, (_, cond) => cond);
  const indexes = (width: number) => Array.from({ length: 128 / width }, (_, index) => index);
  if (row.imm === 'cond') return conds(0).map((cond) => [cond, 0]);
  if (row.imm === 'fpround') return [0, 1, 2, 3].map((direction) => [direction, 0]);
  if (row.imm === 'index') return indexes(row.name.endsWith('32') ? 32 : 64).map((index) => [index, 0]);
  if (row.imm === 'bits') {
    return [0, 1, 5, 8, 31]
      .flatMap((start) => [1, 3, 8, 24, 32 - start].map((length) => [start, length] as [number, number]))
      .filter(([start, length]) => start + length <= 32);
  }
  if (row.imm !== 'lane') return [[0, 0]];
  return lanesOf(row).flatMap((lane): [number, number][] => {
    if (row.imm2 === 'cond') return conds(lane).map((cond) => [lane, cond]);
    if (row.imm2 === 'index') return indexes(lane).map((index) => [lane, index]);
    if (row.imm2 === 'fpround') return [0, 1, 2, 3].map((direction) => [lane, direction]);
    if (row.imm2 === 'half') return [0, 1].map((half) => [lane, half]);
    return [[lane, 0]];
  });
}

/** Whether two results are the same; where payloads are unspecified any NaN equals any other. */
function same(type: Type, lane: number, a: Uint8Array, b: Uint8Array, nansAgree: boolean): boolean {
  if (Buffer.compare(a, b) === 0) return true;
  if (!nansAgree) return false;
  const Lanes = type === 'f32' || (type === 'v128' && lane === 32) ? Float32Array : Float64Array;
  const x = new Lanes(a.slice().buffer);
  const y = new Lanes(b.slice().buffer);
  return x.every((value, i) => Object.is(value, y[i]));
}

/** Ops that only move bits: also of NaNs. */
const EXACT = /^(mov|abs|neg|copysign|select|reinterpret|splat|lane|setlane|fabs|fneg|fpm)/;
/** Checked by other means below. */
const OTHERS = new Set(['shuffle_v128', 'mulhs_i64', 'mulhu_i64', 'bswap32_i32', 'bswap_i64']);

describe('meaning of pure ops', () => {
  for (const row of OP_LIST) {
    const meaning = SEMANTICS[row.name as PureOpName] as ((...args: unknown[]) => IrValue) | undefined;
    if (!meaning || OTHERS.has(row.name)) continue;
    test(row.name, () => {
      const out = row.out!;
      const size = 1 << MEMOPS[out];
      for (const [imm, imm2] of immediates(row)) {
        const wasm = assemble(row, codeOf(row, imm, imm2));
        for (const operands of operandsOf(row.ins)) {
          operands.forEach((value, i) => {
            storeValue(view, 16 * i, row.ins[i]!, MEMOPS[row.ins[i]!], value);
          });
          let ours: IrValue;
          try {
            ours = meaning(...operands, imm, imm2);
          } catch (error) {
            if (!(error instanceof UndefinedOperation)) throw error;
            expect(wasm).toThrow();
            continue;
          }
          wasm();
          const expected = new Uint8Array(memory.buffer, RESULT, size).slice();
          storeValue(view, RESULT, out, MEMOPS[out], ours);
          const actual = new Uint8Array(memory.buffer, RESULT, size).slice();
          const float = out === 'f32' || out === 'f64' || (out === 'v128' && row.name.startsWith('f'));
          if (!same(out, row.name === 'fdemote_vec' ? 32 : imm, actual, expected, float && !EXACT.test(row.name))) {
            throw new Error(`${row.name}:${imm}:${imm2} ${operands} gives ${actual}, not ${expected}`);
          }
          // What is loaded is what was stored, and in the form that values have.
          const again = loadValue(view, RESULT, out, MEMOPS[out]);
          expect(typeof again === typeof ours || Number.isNaN(ours as number)).toBe(true);
        }
      }
    });
  }

  test('shuffle_v128 picks from both operands', () => {
    const a = Uint8Array.from({ length: 16 }, (_, i) => i);
    const b = Uint8Array.from({ length: 16 }, (_, i) => 100 + i);
    const c = Uint8Array.from({ length: 16 }, (_, i) => (i * 7) % 32);
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const) {
      const wasm = assemble({ ...OPS.shuffle_v128, ins: ['v128', 'v128'] }, simd(13, ...c));
      [x, y].forEach((value, i) => {
        storeValue(view, 16 * i, 'v128', 4, value);
      });
      wasm();
      const meaning = SEMANTICS.shuffle_v128 as (...args: Uint8Array[]) => Uint8Array;
      expect(meaning(x, y, c)).toEqual(new Uint8Array(memory.buffer, RESULT, 16).slice());
    }
  });

  test('high products and byte reversals', () => {
    const apply = (name: PureOpName, ...args: unknown[]) =>
      (SEMANTICS[name] as (...args: unknown[]) => IrValue)(...args);
    const bytes = new DataView(new ArrayBuffer(8));
    for (const a of CORNERS.i64 as readonly bigint[]) {
      bytes.setBigInt64(0, a);
      expect(apply('bswap_i64', a)).toBe(bytes.getBigInt64(0, true));
      expect(apply('bswap32_i32', bytes.getInt32(0))).toBe(bytes.getInt32(0, true));
      for (const b of CORNERS.i64 as readonly bigint[]) {
        // Both halves together are the product.
        const low = BigInt.asUintN(64, apply('mul_i64', a, b) as bigint);
        expect(((apply('mulhs_i64', a, b) as bigint) << 64n) + low).toBe(a * b);
        const high = BigInt.asUintN(64, apply('mulhu_i64', a, b) as bigint);
        expect((high << 64n) + low).toBe(BigInt.asUintN(64, a) * BigInt.asUintN(64, b));
      }
    }
  });
});
