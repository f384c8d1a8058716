// How every IR op becomes WebAssembly: an opcode where there is one, a rule where it takes more.
import type { Op } from '../ir/block.ts';
import type { OpName } from '../ir/ops.ts';
import { Cond, invertCond } from '../ir/types.ts';
import { Const } from '../ir/value.ts';
import {
  call,
  checkpoint,
  cold,
  countRun,
  exitTb,
  gotoPtr,
  gotoTb,
  insnStart,
  leaveIf,
  poll,
} from './lower-control.ts';
import type { Emitter, Rule } from './lower-emitter.ts';
import * as memory from './lower-memory.ts';
import { W } from './opcodes.ts';

const GET = W['local.get'];
const SET = W['local.set'];

/** Comparison opcodes by condition (the tst conditions are an `and` and one of the first two). */
const COMPARE_I32 = [
  W['i32.eq'],
  W['i32.ne'],
  W['i32.lt_s'],
  W['i32.ge_s'],
  W['i32.le_s'],
  W['i32.gt_s'],
  W['i32.lt_u'],
  W['i32.ge_u'],
  W['i32.le_u'],
  W['i32.gt_u'],
];
const COMPARE_I64 = [
  W['i64.eq'],
  W['i64.ne'],
  W['i64.lt_s'],
  W['i64.ge_s'],
  W['i64.le_s'],
  W['i64.gt_s'],
  W['i64.lt_u'],
  W['i64.ge_u'],
  W['i64.le_u'],
  W['i64.gt_u'],
];
const COMPARE_F32 = [W['f32.eq'], W['f32.ne'], W['f32.lt'], W['f32.ge'], W['f32.le'], W['f32.gt']];
const COMPARE_F64 = [W['f64.eq'], W['f64.ne'], W['f64.lt'], W['f64.ge'], W['f64.le'], W['f64.gt']];

// ---- comparisons

/** Puts 1 on the stack where a cond b, else 0. */
function compareI32(l: Emitter, op: Op, i: number, cond: Cond): void {
  if (cond >= Cond.TSTEQ) {
    l.a(op, i);
    l.b(op, i);
    l.op(W['i32.and']);
    l.op(W['i32.eqz']);
    if (cond === Cond.TSTNE) l.op(W['i32.eqz']);
  } else if (cond <= Cond.NE && op.b instanceof Const && op.b.value === 0) {
    compareWithZero(l, op, i, cond);
  } else {
    l.a(op, i);
    l.b(op, i);
    l.op(COMPARE_I32[cond]!);
  }
}

/** a == 0 or a != 0 as 1 or 0; the comparison of a comparison is the comparison or its opposite. */
function compareWithZero(l: Emitter, op: Op, i: number, cond: Cond): void {
  const operand = l.pendingOperand(i);
  const name = operand?.row.name;
  if (operand && (name === 'setcond_i32' || name === 'setcond_i64')) {
    const index = l.takeOperand(i);
    const inner = cond === Cond.EQ ? invertCond(operand.imm) : operand.imm;
    if (name === 'setcond_i32') compareI32(l, operand, index, inner);
    else compareI64(l, operand, index, inner);
    return;
  }
  l.a(op, i);
  if (cond === Cond.EQ) {
    l.op(W['i32.eqz']);
  } else if (name === 'setcond_f32' || name === 'setcond_f64') {
    // It is 0 or 1 already.
  } else {
    l.i32Const(0);
    l.op(W['i32.ne']);
  }
}

function compareI64(l: Emitter, op: Op, i: number, cond: Cond): void {
  l.a(op, i);
  if (cond >= Cond.TSTEQ) {
    l.b(op, i);
    l.op(W['i64.and']);
    l.op(W['i64.eqz']);
    if (cond === Cond.TSTNE) l.op(W['i32.eqz']);
  } else if (cond === Cond.EQ && op.b instanceof Const && op.b.value === 0n) {
    l.op(W['i64.eqz']);
  } else {
    l.b(op, i);
    l.op(COMPARE_I64[cond]!);
  }
}

/** Puts the condition of a `brcond` (its opposite if `invert`) on the stack: not 0 where it holds. */
export function emitCondition(l: Emitter, op: Op, i: number, invert: boolean): void {
  const cond: Cond = invert ? invertCond(op.imm) : op.imm;
  if (op.row.name === 'brcond_i64') {
    compareI64(l, op, i, cond);
  } else if (cond === Cond.TSTNE) {
    l.a(op, i);
    l.b(op, i);
    l.op(W['i32.and']);
  } else if (cond === Cond.NE && op.b instanceof Const && op.b.value === 0) {
    l.a(op, i);
  } else {
    compareI32(l, op, i, cond);
  }
}

function floatCompare(table: readonly number[]): Rule {
  return (l, op, i) => {
    const code = table[op.imm];
    if (code === undefined) throw new Error(`${op.row.name}: condition ${op.imm} does not apply to floats`);
    l.a(op, i);
    l.b(op, i);
    l.op(code);
  };
}

// On the bits of a float, because comparisons of floats need constants in registers, and two of them each. Shifted by one
// the bits have no sign; less one, zero is the largest number.

const denormal32: Rule = (l, op, i) => {
  l.a(op, i);
  l.op(W['i32.reinterpret_f32']);
  withConst(l, 1, W['i32.shl']);
  withConst(l, -1, W['i32.add']);
  withConst(l, 0xffffff, W['i32.lt_u']);
};

const denormal64: Rule = (l, op, i) => {
  l.a(op, i);
  l.op(W['i64.reinterpret_f64']);
  l.i64Const(1n);
  l.op(W['i64.shl']);
  l.i64Const(-1n);
  l.op(W['i64.add']);
  l.i64Const(0x1fffffffffffffn);
  l.op(W['i64.lt_u']);
};

/** The exponents 0, 1 and the two highest become 0 when 2 is added without regard to bit 1. */
const extreme32: Rule = (l, op, i) => {
  l.a(op, i);
  l.op(W['i32.reinterpret_f32']);
  withConst(l, 23, W['i32.shr_u']);
  withConst(l, 2, W['i32.add']);
  withConst(l, 0xfc, W['i32.and']);
  l.op(W['i32.eqz']);
};

const extreme64: Rule = (l, op, i) => {
  l.a(op, i);
  l.op(W['i64.reinterpret_f64']);
  l.i64Const(52n);
  l.op(W['i64.shr_u']);
  l.op(W['i32.wrap_i64']);
  withConst(l, 2, W['i32.add']);
  withConst(l, 0x7fc, W['i32.and']);
  l.op(W['i32.eqz']);
};

/** The test goes on top, above what it chooses from. */
const select: Rule = (l, op, i) => {
  l.b(op, i);
  l.c(op, i);
  l.a(op, i);
  l.op(W.select);
};

// ---- bit fields

/** A mask of `length` one bits (1..32) at bit 0. */
function ones(length: number): number {
  return length === 32 ? -1 : (1 << length) - 1;
}

function withConst(l: Emitter, value: number, code: number): void {
  l.i32Const(value);
  l.op(code);
}

const extract: Rule = (l, op, i) => {
  const start = op.imm;
  const length = op.imm2;
  l.a(op, i);
  if (start !== 0) withConst(l, start, W['i32.shr_u']);
  if (start + length < 32) withConst(l, ones(length), W['i32.and']);
};

const sextract: Rule = (l, op, i) => {
  const start = op.imm;
  const length = op.imm2;
  l.a(op, i);
  if (start + length === 32) {
    if (start !== 0) withConst(l, start, W['i32.shr_s']);
  } else if (length === 8 || length === 16) {
    if (start !== 0) withConst(l, start, W['i32.shr_u']);
    l.op(length === 8 ? W['i32.extend8_s'] : W['i32.extend16_s']);
  } else {
    withConst(l, 32 - start - length, W['i32.shl']);
    withConst(l, 32 - length, W['i32.shr_s']);
  }
};

const deposit: Rule = (l, op, i) => {
  const start = op.imm;
  const length = op.imm2;
  const mask = ones(length);
  const place = mask << start;
  const constant = op.b instanceof Const ? ((op.b.value as number) & mask) << start : null;
  l.a(op, i);
  if (constant !== place) withConst(l, ~place, W['i32.and']);
  if (constant !== null) {
    if (constant !== 0) withConst(l, constant, W['i32.or']);
    return;
  }
  l.b(op, i);
  if (start + length < 32) withConst(l, mask, W['i32.and']);
  if (start !== 0) withConst(l, start, W['i32.shl']);
  l.op(W['i32.or']);
};

// ---- 64-bit integers

/** The high half of a product; the low half lies below it on the stack and is dropped. */
function highProduct(code: number): Rule {
  return (l, op, i) => {
    l.a(op, i);
    l.b(op, i);
    l.op(code);
    const high = l.allocate(1);
    l.opU32(SET, high);
    l.op(W.drop);
    l.opU32(GET, high);
    l.release(high);
  };
}

const high: Rule = (l, op, i) => {
  l.a(op, i);
  l.i64Const(32n);
  l.op(W['i64.shr_u']);
  l.op(W['i32.wrap_i64']);
};

const concat: Rule = (l, op, i) => {
  l.a(op, i);
  l.op(W['i64.extend_i32_u']);
  l.b(op, i);
  l.op(W['i64.extend_i32_u']);
  l.i64Const(32n);
  l.op(W['i64.shl']);
  l.op(W['i64.or']);
};

// ---- floats

function round(codes: readonly number[]): Rule {
  return (l, op, i) => {
    l.a(op, i);
    l.op(codes[op.imm]!);
  };
}

// ---- vectors

/** An opcode by lane width; operands a, b, c in order. */
function byLane(codes: { readonly [width: number]: number }): Rule {
  return (l, op, i) => {
    const code = laneCode(codes, op);
    l.a(op, i);
    if (op.b !== null) l.b(op, i);
    l.op(code);
  };
}

function laneCode(codes: { readonly [width: number]: number }, op: Op): number {
  const code = codes[op.imm];
  if (code === undefined) throw new Error(`${op.row.name}: no lanes of ${op.imm} bits`);
  return code;
}

/** An opcode that ends in a lane number, by lane width; the number is `imm2`. */
function laneAccess(codes: { readonly [width: number]: number }): Rule {
  return (l, op, i) => {
    const code = laneCode(codes, op);
    l.a(op, i);
    if (op.b !== null) l.b(op, i);
    l.op(code);
    l.u8(op.imm2);
  };
}

/** The opcode by lane width and `imm2`: for the low and the high half, or for a rounding direction. */
function byHalf(codes: { readonly [width: number]: readonly number[] }): Rule {
  return (l, op, i) => {
    const pair = codes[op.imm];
    if (pair === undefined) throw new Error(`${op.row.name}: no lanes of ${op.imm} bits`);
    l.a(op, i);
    if (op.b !== null) l.b(op, i);
    l.op(pair[op.imm2]!);
  };
}

/** The same for ops of one lane width, with the number in `imm`. */
function wideLane(code: number): Rule {
  return (l, op, i) => {
    l.a(op, i);
    if (op.b !== null) l.b(op, i);
    l.op(code);
    l.u8(op.imm);
  };
}

const ZEROS = new Uint8Array(16);

/** Comparison opcodes by lane width and condition; 0 where WebAssembly has none. */
const COMPARE_LANES: Record<number, readonly number[]> = {
  8: lanes8('i8x16'),
  16: lanes8('i16x8'),
  32: lanes8('i32x4'),
  64: [W['i64x2.eq'], W['i64x2.ne'], W['i64x2.lt_s'], W['i64x2.ge_s'], W['i64x2.le_s'], W['i64x2.gt_s'], 0, 0, 0, 0],
};

function lanes8(shape: 'i8x16' | 'i16x8' | 'i32x4'): number[] {
  return [
    W[`${shape}.eq`],
    W[`${shape}.ne`],
    W[`${shape}.lt_s`],
    W[`${shape}.ge_s`],
    W[`${shape}.le_s`],
    W[`${shape}.gt_s`],
    W[`${shape}.lt_u`],
    W[`${shape}.ge_u`],
    W[`${shape}.le_u`],
    W[`${shape}.gt_u`],
  ];
}

const compareLanes: Rule = (l, op, i) => {
  const codes = COMPARE_LANES[op.imm];
  const cond: Cond = op.imm2;
  const code = codes?.[cond >= Cond.TSTEQ ? cond - Cond.TSTEQ : cond];
  if (!code) throw new Error(`${op.row.name}: condition ${cond} does not apply to lanes of ${op.imm} bits`);
  l.a(op, i);
  l.b(op, i);
  if (cond >= Cond.TSTEQ) {
    l.op(W['v128.and']);
    l.op16(W['v128.const'], ZEROS);
  }
  l.op(code);
};

const FLOAT_LANES: Record<number, readonly number[]> = {
  32: [W['f32x4.eq'], W['f32x4.ne'], W['f32x4.lt'], W['f32x4.ge'], W['f32x4.le'], W['f32x4.gt']],
  64: [W['f64x2.eq'], W['f64x2.ne'], W['f64x2.lt'], W['f64x2.ge'], W['f64x2.le'], W['f64x2.gt']],
};

const compareFloatLanes: Rule = (l, op, i) => {
  const code = FLOAT_LANES[op.imm]?.[op.imm2];
  if (!code) throw new Error(`${op.row.name}: condition ${op.imm2} does not apply to lanes of ${op.imm} bits`);
  l.a(op, i);
  l.b(op, i);
  l.op(code);
};

const bitselect: Rule = (l, op, i) => {
  l.b(op, i);
  l.c(op, i);
  l.a(op, i);
  l.op(W['v128.bitselect']);
};

const shuffle: Rule = (l, op, i) => {
  if (!(op.c instanceof Const)) throw new Error('shuffle_v128: the third operand must be a constant');
  l.a(op, i);
  l.b(op, i);
  l.op16(W['i8x16.shuffle'], op.c.value as Uint8Array);
};

/** For `b < a ? b : a` and the like: WebAssembly has it for lanes in exactly this order. */
const pmin = byLane({ 32: W['f32x4.pmin'], 64: W['f64x2.pmin'] });
const pmax = byLane({ 32: W['f32x4.pmax'], 64: W['f64x2.pmax'] });

// ---- byte swaps of values

function onA(then: (l: Emitter) => void): Rule {
  return (l, op, i) => {
    l.a(op, i);
    then(l);
  };
}

/** Labels and branches are emitted by the drivers, which know the structure of the function. */
const structural: Rule = (_l, op) => {
  throw new Error(`${op.row.name} is no expression`);
};

// biome-ignore format: a table, one row per op
export const LOWERING: Record<OpName, number | Rule> = {
  // ---- moves: copies of versions; they never come here
  mov_i32: structural, mov_i64: structural, mov_f32: structural, mov_f64: structural, mov_v128: structural,
  // ---- 32-bit integers
  add_i32: W['i32.add'], sub_i32: W['i32.sub'], mul_i32: W['i32.mul'],
  divs_i32: W['i32.div_s'], divu_i32: W['i32.div_u'], rems_i32: W['i32.rem_s'], remu_i32: W['i32.rem_u'],
  and_i32: W['i32.and'], or_i32: W['i32.or'], xor_i32: W['i32.xor'],
  shl_i32: W['i32.shl'], shr_i32: W['i32.shr_u'], sar_i32: W['i32.shr_s'], rotl_i32: W['i32.rotl'], rotr_i32: W['i32.rotr'],
  clz_i32: W['i32.clz'], ctz_i32: W['i32.ctz'], popcnt_i32: W['i32.popcnt'],
  ext8s_i32: W['i32.extend8_s'], ext16s_i32: W['i32.extend16_s'],
  bswap16_i32: onA(memory.swap16), bswap32_i32: onA(memory.swap32),
  extract_i32: extract, sextract_i32: sextract, deposit_i32: deposit,
  setcond_i32: (l, op, i) => compareI32(l, op, i, op.imm), select_i32: select,
  // ---- 64-bit integers
  add_i64: W['i64.add'], sub_i64: W['i64.sub'], mul_i64: W['i64.mul'],
  mulhs_i64: highProduct(W['i64.mul_wide_s']), mulhu_i64: highProduct(W['i64.mul_wide_u']),
  divs_i64: W['i64.div_s'], divu_i64: W['i64.div_u'], rems_i64: W['i64.rem_s'], remu_i64: W['i64.rem_u'],
  and_i64: W['i64.and'], or_i64: W['i64.or'], xor_i64: W['i64.xor'],
  shl_i64: W['i64.shl'], shr_i64: W['i64.shr_u'], sar_i64: W['i64.shr_s'], rotl_i64: W['i64.rotl'], rotr_i64: W['i64.rotr'],
  clz_i64: W['i64.clz'], ctz_i64: W['i64.ctz'], popcnt_i64: W['i64.popcnt'], bswap_i64: onA(memory.swap64),
  setcond_i64: (l, op, i) => compareI64(l, op, i, op.imm), select_i64: select,
  // ---- between integer widths
  extu_i32_i64: W['i64.extend_i32_u'], exts_i32_i64: W['i64.extend_i32_s'], wrap_i64_i32: W['i32.wrap_i64'],
  high_i64_i32: high, concat_i32_i64: concat,
  // ---- floats
  add_f32: W['f32.add'], sub_f32: W['f32.sub'], mul_f32: W['f32.mul'], div_f32: W['f32.div'], sqrt_f32: W['f32.sqrt'],
  min_f32: W['f32.min'], max_f32: W['f32.max'], abs_f32: W['f32.abs'], neg_f32: W['f32.neg'], copysign_f32: W['f32.copysign'],
  round_f32: round([W['f32.ceil'], W['f32.floor'], W['f32.trunc'], W['f32.nearest']]),
  setcond_f32: floatCompare(COMPARE_F32), select_f32: select, denormal_f32: denormal32, extreme_f32: extreme32,
  add_f64: W['f64.add'], sub_f64: W['f64.sub'], mul_f64: W['f64.mul'], div_f64: W['f64.div'], sqrt_f64: W['f64.sqrt'],
  min_f64: W['f64.min'], max_f64: W['f64.max'], abs_f64: W['f64.abs'], neg_f64: W['f64.neg'], copysign_f64: W['f64.copysign'],
  round_f64: round([W['f64.ceil'], W['f64.floor'], W['f64.trunc'], W['f64.nearest']]),
  setcond_f64: floatCompare(COMPARE_F64), select_f64: select, denormal_f64: denormal64, extreme_f64: extreme64,
  // ---- conversions
  reinterpret_i32_f32: W['f32.reinterpret_i32'], reinterpret_f32_i32: W['i32.reinterpret_f32'],
  reinterpret_i64_f64: W['f64.reinterpret_i64'], reinterpret_f64_i64: W['i64.reinterpret_f64'],
  promote_f32_f64: W['f64.promote_f32'], demote_f64_f32: W['f32.demote_f64'],
  converts_i32_f32: W['f32.convert_i32_s'], converts_i32_f64: W['f64.convert_i32_s'], convertu_i32_f64: W['f64.convert_i32_u'],
  converts_i64_f32: W['f32.convert_i64_s'], converts_i64_f64: W['f64.convert_i64_s'], convertu_i64_f64: W['f64.convert_i64_u'],
  truncs_f32_i32: W['i32.trunc_sat_f32_s'], truncs_f64_i32: W['i32.trunc_sat_f64_s'], truncs_f32_i64: W['i64.trunc_sat_f32_s'],
  truncs_f64_i64: W['i64.trunc_sat_f64_s'], truncu_f64_i32: W['i32.trunc_sat_f64_u'], truncu_f64_i64: W['i64.trunc_sat_f64_u'],
  // ---- vectors
  splat_i32: byLane({ 8: W['i8x16.splat'], 16: W['i16x8.splat'], 32: W['i32x4.splat'] }),
  splat_i64: W['i64x2.splat'], splat_f32: W['f32x4.splat'], splat_f64: W['f64x2.splat'],
  lane_i32: laneAccess({ 8: W['i8x16.extract_lane_u'], 16: W['i16x8.extract_lane_u'], 32: W['i32x4.extract_lane'] }),
  lane_i64: wideLane(W['i64x2.extract_lane']), lane_f32: wideLane(W['f32x4.extract_lane']), lane_f64: wideLane(W['f64x2.extract_lane']),
  setlane_i32: laneAccess({ 8: W['i8x16.replace_lane'], 16: W['i16x8.replace_lane'], 32: W['i32x4.replace_lane'] }),
  setlane_i64: wideLane(W['i64x2.replace_lane']), setlane_f32: wideLane(W['f32x4.replace_lane']), setlane_f64: wideLane(W['f64x2.replace_lane']),
  and_v128: W['v128.and'], or_v128: W['v128.or'], xor_v128: W['v128.xor'], andc_v128: W['v128.andnot'], not_v128: W['v128.not'],
  bitselect_v128: bitselect,
  add_vec: byLane({ 8: W['i8x16.add'], 16: W['i16x8.add'], 32: W['i32x4.add'], 64: W['i64x2.add'] }),
  sub_vec: byLane({ 8: W['i8x16.sub'], 16: W['i16x8.sub'], 32: W['i32x4.sub'], 64: W['i64x2.sub'] }),
  mul_vec: byLane({ 16: W['i16x8.mul'], 32: W['i32x4.mul'], 64: W['i64x2.mul'] }),
  neg_vec: byLane({ 8: W['i8x16.neg'], 16: W['i16x8.neg'], 32: W['i32x4.neg'], 64: W['i64x2.neg'] }),
  abs_vec: byLane({ 8: W['i8x16.abs'], 16: W['i16x8.abs'], 32: W['i32x4.abs'], 64: W['i64x2.abs'] }),
  shl_vec: byLane({ 8: W['i8x16.shl'], 16: W['i16x8.shl'], 32: W['i32x4.shl'], 64: W['i64x2.shl'] }),
  shr_vec: byLane({ 8: W['i8x16.shr_u'], 16: W['i16x8.shr_u'], 32: W['i32x4.shr_u'], 64: W['i64x2.shr_u'] }),
  sar_vec: byLane({ 8: W['i8x16.shr_s'], 16: W['i16x8.shr_s'], 32: W['i32x4.shr_s'], 64: W['i64x2.shr_s'] }),
  mins_vec: byLane({ 8: W['i8x16.min_s'], 16: W['i16x8.min_s'], 32: W['i32x4.min_s'] }),
  minu_vec: byLane({ 8: W['i8x16.min_u'], 16: W['i16x8.min_u'], 32: W['i32x4.min_u'] }),
  maxs_vec: byLane({ 8: W['i8x16.max_s'], 16: W['i16x8.max_s'], 32: W['i32x4.max_s'] }),
  maxu_vec: byLane({ 8: W['i8x16.max_u'], 16: W['i16x8.max_u'], 32: W['i32x4.max_u'] }),
  addsats_vec: byLane({ 8: W['i8x16.add_sat_s'], 16: W['i16x8.add_sat_s'] }),
  addsatu_vec: byLane({ 8: W['i8x16.add_sat_u'], 16: W['i16x8.add_sat_u'] }),
  subsats_vec: byLane({ 8: W['i8x16.sub_sat_s'], 16: W['i16x8.sub_sat_s'] }),
  subsatu_vec: byLane({ 8: W['i8x16.sub_sat_u'], 16: W['i16x8.sub_sat_u'] }),
  avgu_vec: byLane({ 8: W['i8x16.avgr_u'], 16: W['i16x8.avgr_u'] }),
  cmp_vec: compareLanes,
  narrows_vec: byLane({ 16: W['i8x16.narrow_i16x8_s'], 32: W['i16x8.narrow_i32x4_s'] }),
  narrowu_vec: byLane({ 16: W['i8x16.narrow_i16x8_u'], 32: W['i16x8.narrow_i32x4_u'] }),
  widens_vec: byHalf({
    8: [W['i16x8.extend_low_i8x16_s'], W['i16x8.extend_high_i8x16_s']],
    16: [W['i32x4.extend_low_i16x8_s'], W['i32x4.extend_high_i16x8_s']],
    32: [W['i64x2.extend_low_i32x4_s'], W['i64x2.extend_high_i32x4_s']],
  }),
  widenu_vec: byHalf({
    8: [W['i16x8.extend_low_i8x16_u'], W['i16x8.extend_high_i8x16_u']],
    16: [W['i32x4.extend_low_i16x8_u'], W['i32x4.extend_high_i16x8_u']],
    32: [W['i64x2.extend_low_i32x4_u'], W['i64x2.extend_high_i32x4_u']],
  }),
  mulwides_vec: byHalf({
    8: [W['i16x8.extmul_low_i8x16_s'], W['i16x8.extmul_high_i8x16_s']],
    16: [W['i32x4.extmul_low_i16x8_s'], W['i32x4.extmul_high_i16x8_s']],
    32: [W['i64x2.extmul_low_i32x4_s'], W['i64x2.extmul_high_i32x4_s']],
  }),
  mulwideu_vec: byHalf({
    8: [W['i16x8.extmul_low_i8x16_u'], W['i16x8.extmul_high_i8x16_u']],
    16: [W['i32x4.extmul_low_i16x8_u'], W['i32x4.extmul_high_i16x8_u']],
    32: [W['i64x2.extmul_low_i32x4_u'], W['i64x2.extmul_high_i32x4_u']],
  }),
  addpairs_vec: byLane({ 8: W['i16x8.extadd_pairwise_i8x16_s'], 16: W['i32x4.extadd_pairwise_i16x8_s'] }),
  addpairu_vec: byLane({ 8: W['i16x8.extadd_pairwise_i8x16_u'], 16: W['i32x4.extadd_pairwise_i16x8_u'] }),
  mulq15_vec: W['i16x8.q15mulr_sat_s'], any_v128: W['v128.any_true'],
  dot_s16_vec: W['i32x4.dot_i16x8_s'],
  bitmask_vec: byLane({ 8: W['i8x16.bitmask'], 16: W['i16x8.bitmask'], 32: W['i32x4.bitmask'], 64: W['i64x2.bitmask'] }),
  shuffle_v128: shuffle, swizzle_v128: W['i8x16.swizzle'],
  fadd_vec: byLane({ 32: W['f32x4.add'], 64: W['f64x2.add'] }),
  fsub_vec: byLane({ 32: W['f32x4.sub'], 64: W['f64x2.sub'] }),
  fmul_vec: byLane({ 32: W['f32x4.mul'], 64: W['f64x2.mul'] }),
  fdiv_vec: byLane({ 32: W['f32x4.div'], 64: W['f64x2.div'] }),
  fsqrt_vec: byLane({ 32: W['f32x4.sqrt'], 64: W['f64x2.sqrt'] }),
  fpmin_vec: pmin, fpmax_vec: pmax,
  fabs_vec: byLane({ 32: W['f32x4.abs'], 64: W['f64x2.abs'] }),
  fneg_vec: byLane({ 32: W['f32x4.neg'], 64: W['f64x2.neg'] }),
  fround_vec: byHalf({
    32: [W['f32x4.ceil'], W['f32x4.floor'], W['f32x4.trunc'], W['f32x4.nearest']],
    64: [W['f64x2.ceil'], W['f64x2.floor'], W['f64x2.trunc'], W['f64x2.nearest']],
  }),
  fconverts_vec: byLane({ 32: W['f32x4.convert_i32x4_s'], 64: W['f64x2.convert_low_i32x4_s'] }),
  fconvertu_vec: byLane({ 32: W['f32x4.convert_i32x4_u'], 64: W['f64x2.convert_low_i32x4_u'] }),
  ftruncs_vec: byLane({ 32: W['i32x4.trunc_sat_f32x4_s'], 64: W['i32x4.trunc_sat_f64x2_s_zero'] }),
  ftruncu_vec: byLane({ 32: W['i32x4.trunc_sat_f32x4_u'], 64: W['i32x4.trunc_sat_f64x2_u_zero'] }),
  fpromote_vec: W['f64x2.promote_low_f32x4'], fdemote_vec: W['f32x4.demote_f64x2_zero'],
  fcmp_vec: compareFloatLanes,
  // ---- guest memory
  guest_ld_i32: memory.guestLoadI32, guest_ld_i64: memory.guestLoadI64, guest_ld_f32: memory.guestLoadF32,
  guest_ld_f64: memory.guestLoadF64, guest_ld_v128: memory.guestLoadV128,
  guest_st_i32: memory.guestStoreI32, guest_st_i64: memory.guestStoreI64, guest_st_f32: memory.guestStoreF32,
  guest_st_f64: memory.guestStoreF64, guest_st_v128: memory.guestStoreV128,
  // ---- atomics
  atomic_add_i32: memory.atomicI32(W['i32.atomic.rmw8.add_u'], W['i32.atomic.rmw16.add_u'], W['i32.atomic.rmw.add'], W['i32.add']),
  atomic_sub_i32: memory.atomicI32(W['i32.atomic.rmw8.sub_u'], W['i32.atomic.rmw16.sub_u'], W['i32.atomic.rmw.sub'], W['i32.sub']),
  atomic_and_i32: memory.atomicI32(W['i32.atomic.rmw8.and_u'], W['i32.atomic.rmw16.and_u'], W['i32.atomic.rmw.and']),
  atomic_or_i32: memory.atomicI32(W['i32.atomic.rmw8.or_u'], W['i32.atomic.rmw16.or_u'], W['i32.atomic.rmw.or']),
  atomic_xor_i32: memory.atomicI32(W['i32.atomic.rmw8.xor_u'], W['i32.atomic.rmw16.xor_u'], W['i32.atomic.rmw.xor']),
  atomic_xchg_i32: memory.atomicI32(W['i32.atomic.rmw8.xchg_u'], W['i32.atomic.rmw16.xchg_u'], W['i32.atomic.rmw.xchg']),
  atomic_cas_i32: memory.atomicCasI32, atomic_cas_i64: memory.atomicCasI64,
  fence: memory.fence,
  // ---- CPU state
  env_ld_i32: memory.envLoadI32, env_ld_i64: memory.envLoadI64, env_ld_f32: memory.envLoadF32,
  env_ld_f64: memory.envLoadF64, env_ld_v128: memory.envLoadV128,
  env_st_i32: memory.envStoreI32, env_st_i64: memory.envStoreI64, env_st_f32: memory.envStoreF32,
  env_st_f64: memory.envStoreF64, env_st_v128: memory.envStoreV128,
  env_addr: memory.envAddress,
  // ---- control
  insn_start: insnStart, label: structural, br: structural, brcond_i32: structural, brcond_i64: structural,
  call: call, cold_i32: cold, cold_i64: cold, cold_f32: cold, cold_f64: cold, cold_v128: cold, leave_if: leaveIf, poll: poll, count_run: countRun, checkpoint_i32: checkpoint, goto_tb: gotoTb, goto_ptr: gotoPtr, exit_tb: exitTb,
};
