// Constant folding and algebraic identities: what one op with resolved operands can be turned into.
import type { Op } from '../ir/block.ts';
import { OP_LIST, OPS, type OpName, type OpRow } from '../ir/ops.ts';
import { compareI32, compareI64, type IrValue } from '../ir/scalar.ts';
import { type PureOpName, SEMANTICS, UndefinedOperation } from '../ir/semantics.ts';
import { Cond, invertCond, MO_SIGN, MO_SIZE, swapCond, type Type } from '../ir/types.ts';
import { Const, const32, const64, type Value } from '../ir/value.ts';
import type { Knowledge } from './knowledge.ts';

/** The move op of each type. */
export const MOVES: Readonly<Record<Type, OpRow<OpName>>> = {
  i32: OPS.mov_i32,
  i64: OPS.mov_i64,
  f32: OPS.mov_f32,
  f64: OPS.mov_f64,
  v128: OPS.mov_v128,
};

// Which rule applies to an op; small consecutive numbers, so that the switch below becomes a jump table.
const NONE = 0;
const MOVE = 1;
const ADD = 2;
const SUB = 3;
const MUL = 4;
const AND = 5;
const OR = 6;
const XOR = 7;
const SHL = 8;
const SHR = 9;
const SAR = 10;
const ROTATE = 11;
const DIVU = 12;
const REMU = 13;
const EXT8S = 14;
const EXT16S = 15;
const EXTRACT = 16;
const DEPOSIT = 17;
const SETCOND32 = 18;
const SETCOND64 = 19;
const SELECT = 20;
const WRAP = 21;
const HIGH = 22;
const REINTERPRET = 23;
const LOAD = 24;
const ENV_LOAD = 25;
const SMALL = 26;
const XOR_V128 = 27;
const LANE = 28;

const RULE_OF: Partial<Record<OpName, number>> = {
  mov_i32: MOVE,
  mov_i64: MOVE,
  mov_f32: MOVE,
  mov_f64: MOVE,
  mov_v128: MOVE,
  add_i32: ADD,
  sub_i32: SUB,
  mul_i32: MUL,
  and_i32: AND,
  or_i32: OR,
  xor_i32: XOR,
  shl_i32: SHL,
  shr_i32: SHR,
  sar_i32: SAR,
  rotl_i32: ROTATE,
  rotr_i32: ROTATE,
  divu_i32: DIVU,
  remu_i32: REMU,
  ext8s_i32: EXT8S,
  ext16s_i32: EXT16S,
  extract_i32: EXTRACT,
  deposit_i32: DEPOSIT,
  setcond_i32: SETCOND32,
  setcond_i64: SETCOND64,
  select_i32: SELECT,
  select_i64: SELECT,
  select_f32: SELECT,
  select_f64: SELECT,
  wrap_i64_i32: WRAP,
  high_i64_i32: HIGH,
  reinterpret_i32_f32: REINTERPRET,
  reinterpret_f32_i32: REINTERPRET,
  reinterpret_i64_f64: REINTERPRET,
  reinterpret_f64_i64: REINTERPRET,
  guest_ld_i32: LOAD,
  env_ld_i32: ENV_LOAD,
  setcond_f32: SMALL,
  setcond_f64: SMALL,
  denormal_f32: SMALL,
  denormal_f64: SMALL,
  extreme_f32: SMALL,
  extreme_f64: SMALL,
  clz_i32: SMALL,
  ctz_i32: SMALL,
  popcnt_i32: SMALL,
  bswap16_i32: SMALL,
  bitmask_vec: SMALL,
  any_v128: SMALL,
  xor_v128: XOR_V128,
  lane_f32: LANE,
  lane_f64: LANE,
};

const RULES = new Uint8Array(OP_LIST.length);
/** Whether the op may be computed at translation time. Vectors are left alone: their constants are long in the code. */
const FOLDS = new Uint8Array(OP_LIST.length);
const COMMUTES = new Uint8Array(OP_LIST.length);
/** Bits that may be set in results of the rule SMALL. */
const SMALL_MASKS: Partial<Record<OpName, number>> = {
  setcond_f32: 1,
  setcond_f64: 1,
  denormal_f32: 1,
  denormal_f64: 1,
  extreme_f32: 1,
  extreme_f64: 1,
  clz_i32: 63,
  ctz_i32: 63,
  popcnt_i32: 63,
  bswap16_i32: 0xffff,
  bitmask_vec: 0xffff,
  any_v128: 1,
};
for (const { name, code, out, flags } of OP_LIST) {
  RULES[code] = RULE_OF[name] ?? NONE;
  FOLDS[code] = SEMANTICS[name as PureOpName] && out !== 'v128' && !name.startsWith('mov') ? 1 : 0;
  COMMUTES[code] = flags.commutes ? 1 : 0;
}

/** Makes `op` a move of `value`. Returns the bits that may be set, which the move's record replaces. */
function becomes(op: Op, value: Value): number {
  op.row = MOVES[value.type];
  op.a = value;
  op.b = op.c = null;
  op.imm = op.imm2 = 0;
  return -1;
}

function constOf(type: Type, value: IrValue): Const | null {
  switch (type) {
    case 'i32':
      return const32(value as number);
    case 'i64':
      return const64(value as bigint);
    case 'v128':
      return new Const('v128', value);
    default:
      // A NaN has no constant.
      return typeof value === 'bigint' || Number.isNaN(value) ? null : new Const(type, value);
  }
}

/** Computes an op whose operands are all constants. Leaves ops with undefined results to fail when they are run. */
function compute(op: Op): void {
  const { row, a, b, c } = op;
  const meaning = SEMANTICS[row.name as PureOpName] as (...args: unknown[]) => IrValue;
  const operands: unknown[] = [(a as Const).value];
  if (b !== null) operands.push((b as Const).value);
  if (c !== null) operands.push((c as Const).value);
  let value: IrValue;
  try {
    value = meaning(...operands, op.imm, op.imm2);
  } catch (error) {
    if (error instanceof UndefinedOperation) return;
    throw error;
  }
  const constant = constOf(row.out as Type, value);
  if (constant !== null) becomes(op, constant);
}

const NO_BITS = new Uint8Array(16);

/**
 * Simplifies `op` in place; its operands are as simple as `known` can make them. Returns the bits of an i32 result that
 * may be set (-1 when nothing is known or the op has become a move).
 */
export function simplify(op: Op, known: Knowledge): number {
  const code = op.row.code;
  let { a, b } = op;
  if (a !== null && a.kind === 'const' && FOLDS[code] !== 0) {
    if ((b === null || b.kind === 'const') && (op.c === null || op.c.kind === 'const')) {
      compute(op);
      return -1;
    }
    if (COMMUTES[code] !== 0) {
      op.a = b;
      op.b = a;
      a = op.a;
      b = op.b;
    }
  }
  switch (RULES[code]) {
    case NONE:
    case MOVE:
      return -1;
    case ADD:
      if (isConst(b, 0)) return becomes(op, a!);
      return -1;
    case SUB:
      if (isConst(b, 0)) return becomes(op, a!);
      if (a === b) return becomes(op, const32(0));
      return -1;
    case MUL:
      if (b!.kind === 'const') return multiply(op, b!.value as number);
      return -1;
    case AND:
      return and(op, known);
    case OR:
      if (isConst(b, 0) || a === b) return becomes(op, a!);
      if (isConst(b, -1)) return becomes(op, b!);
      return known.maskOf(a!) | known.maskOf(b!);
    case XOR:
      if (isConst(b, 0)) return becomes(op, a!);
      if (a === b) return becomes(op, const32(0));
      return known.maskOf(a!) | known.maskOf(b!);
    case SHL:
    case SHR:
    case SAR:
      return shift(op, RULES[code]!, known);
    case ROTATE:
      if (b!.kind === 'const' && ((b!.value as number) & 31) === 0) return becomes(op, a!);
      return -1;
    case DIVU:
    case REMU:
      return divide(op, RULES[code] === DIVU);
    case EXT8S:
      if ((known.maskOf(a!) & ~0x7f) === 0) return becomes(op, a!);
      return -1;
    case EXT16S:
      if ((known.maskOf(a!) & ~0x7fff) === 0) return becomes(op, a!);
      return -1;
    case EXTRACT: {
      const mask = op.imm2 === 32 ? -1 : (1 << op.imm2) - 1;
      if (op.imm === 0 && (known.maskOf(a!) & ~mask) === 0) return becomes(op, a!);
      return (known.maskOf(a!) >>> op.imm) & mask;
    }
    case DEPOSIT: {
      const mask = (op.imm2 === 32 ? -1 : (1 << op.imm2) - 1) << op.imm;
      if (op.imm2 === 32) return becomes(op, b!);
      return (known.maskOf(a!) & ~mask) | ((known.maskOf(b!) << op.imm) & mask);
    }
    case SETCOND32: {
      const result = condition(op, known);
      if (result !== UNKNOWN) return becomes(op, const32(result));
      return isTruth(op, known) ? becomes(op, op.a!) : 1;
    }
    case SETCOND64:
      if (a === b && op.imm < Cond.TSTEQ) return becomes(op, const32(compareI32(op.imm, 0, 0) ? 1 : 0));
      return 1;
    case SELECT:
      return select(op, known);
    case WRAP:
    case HIGH:
      return half(op, known);
    case REINTERPRET: {
      const def = known.definition(a!);
      if (def !== null && RULES[def.row.code] === REINTERPRET) return becomes(op, def.a!);
      return -1;
    }
    case LOAD:
      return loadMask(op.imm);
    case ENV_LOAD:
      return loadMask(op.imm2);
    case SMALL:
      return SMALL_MASKS[op.row.name]!;
    case LANE: {
      const lane = op.imm === 0 ? known.lowLane(a!) : null;
      return lane !== null && lane.type === op.row.out ? becomes(op, lane) : -1;
    }
    case XOR_V128:
      if (a === b) return becomes(op, new Const('v128', NO_BITS));
      return -1;
  }
  return -1;
}

function isConst(value: Value | null, number: number): boolean {
  return value!.kind === 'const' && value!.value === number;
}

function loadMask(memOp: number): number {
  if ((memOp & MO_SIGN) !== 0) return -1;
  const size = memOp & MO_SIZE;
  return size === 0 ? 0xff : size === 1 ? 0xffff : -1;
}

/** The exponent of a power of two, or -1. */
function log2(value: number): number {
  return value !== 0 && (value & (value - 1)) === 0 ? 31 - Math.clz32(value) : -1;
}

function multiply(op: Op, factor: number): number {
  if (factor === 0) return becomes(op, const32(0));
  if (factor === 1) return becomes(op, op.a!);
  const bits = log2(factor);
  if (bits > 0) {
    op.row = OPS.shl_i32;
    op.b = const32(bits);
  }
  return -1;
}

function divide(op: Op, quotient: boolean): number {
  const b = op.b!;
  if (b.kind !== 'const') return -1;
  const divisor = b.value as number;
  const bits = log2(divisor);
  if (bits < 0) return -1;
  if (quotient) {
    if (bits === 0) return becomes(op, op.a!);
    op.row = OPS.shr_i32;
    op.b = const32(bits);
    return -1 >>> bits;
  }
  if (bits === 0) return becomes(op, const32(0));
  op.row = OPS.and_i32;
  op.b = const32(divisor - 1);
  return (divisor - 1) | 0;
}

function and(op: Op, known: Knowledge): number {
  const a = op.a!;
  const b = op.b!;
  if (a === b) return becomes(op, a);
  const mask = known.maskOf(a);
  if (b.kind !== 'const') return mask & known.maskOf(b);
  const bits = b.value as number;
  if ((mask & bits) === 0) return becomes(op, const32(0));
  if ((mask & ~bits) === 0) return becomes(op, a);
  const def = known.definition(a);
  // A mask of a masked value, and of a sign extension whose sign copies it cuts off.
  if (def !== null) {
    if (def.row === OPS.and_i32 && def.b!.kind === 'const') {
      op.a = def.a;
      op.b = const32(bits & (def.b!.value as number));
    } else if (
      (def.row === OPS.ext8s_i32 && (bits & ~0xff) === 0) ||
      (def.row === OPS.ext16s_i32 && (bits & ~0xffff) === 0)
    ) {
      op.a = def.a;
    }
  }
  return mask & bits;
}

function shift(op: Op, rule: number, known: Knowledge): number {
  const a = op.a!;
  const b = op.b!;
  if (b.kind !== 'const') return isConst(a, 0) ? becomes(op, a) : -1;
  const count = (b.value as number) & 31;
  if (count === 0) return becomes(op, a);
  const mask = known.maskOf(a);
  if (rule === SAR && mask < 0) return -1;
  const after = rule === SHL ? mask << count : mask >>> count;
  return after === 0 ? becomes(op, const32(0)) : after;
}

function select(op: Op, known: Knowledge): number {
  const test = op.a!;
  const yes = op.b!;
  const no = op.c!;
  if (test.kind === 'const') return becomes(op, (test.value as number) !== 0 ? yes : no);
  if (yes === no) return becomes(op, yes);
  const def = known.definition(test);
  if (def !== null && def.row === OPS.setcond_i32 && isConst(def.b, 0)) {
    if (def.imm === Cond.NE) op.a = def.a;
    else if (def.imm === Cond.EQ) {
      op.a = def.a;
      op.b = no;
      op.c = yes;
    }
  }
  return yes.type === 'i32' ? known.maskOf(yes) | known.maskOf(no) : -1;
}

/** `wrap` and `high` of an i64 made from i32 values. */
function half(op: Op, known: Knowledge): number {
  const def = known.definition(op.a!);
  if (def === null) return -1;
  const low = op.row === OPS.wrap_i64_i32;
  if (def.row === OPS.concat_i32_i64) return becomes(op, low ? def.a! : def.b!);
  if (def.row === OPS.extu_i32_i64) return becomes(op, low ? def.a! : const32(0));
  if (def.row === OPS.exts_i32_i64 && low) return becomes(op, def.a!);
  return -1;
}

/** What `decideBranch` and `condition` return when the outcome is not known. */
const UNKNOWN = 2;

/** Simplifies the comparison of a `brcond`; returns 0 (never taken) or 1 (always) when that is known, else 2. */
export function decideBranch(op: Op, known: Knowledge): number {
  if (op.row === OPS.brcond_i32) return condition(op, known);
  const { a, b } = op;
  if (a!.kind !== 'const' || b!.kind !== 'const') return UNKNOWN;
  return compareI64(op.imm, a!.value as bigint, b!.value as bigint) ? 1 : 0;
}

/** Simplifies the comparison of a `setcond` or `brcond`; returns 0 or 1 when its result is known, else UNKNOWN. */
function condition(op: Op, known: Knowledge): number {
  let a = op.a!;
  let b = op.b!;
  if (a.kind === 'const') {
    if (b.kind === 'const') return compareI32(op.imm, a.value as number, b.value as number) ? 1 : 0;
    op.imm = swapCond(op.imm);
    op.a = b;
    op.b = a;
    a = op.a;
    b = op.b;
  }
  const cond = op.imm as Cond;
  if (cond >= Cond.TSTEQ) {
    if ((known.maskOf(a) & known.maskOf(b)) === 0) return cond === Cond.TSTEQ ? 1 : 0;
    if (a === b || isConst(b, -1)) {
      op.imm = cond === Cond.TSTEQ ? Cond.EQ : Cond.NE;
      op.b = const32(0);
      return condition(op, known);
    }
    return UNKNOWN;
  }
  if (a === b) return compareI32(cond, 0, 0) ? 1 : 0;
  if (b.kind !== 'const') return UNKNOWN;
  const bound = b.value as number;
  if (cond === Cond.EQ || cond === Cond.NE) {
    const mask = known.maskOf(a);
    if ((bound & ~mask) !== 0) return cond === Cond.NE ? 1 : 0;
    if (mask !== 1) return UNKNOWN;
    // A truth value compared with 0 or 1: the comparison that made it.
    const def = known.definition(a);
    if (def === null || (def.row !== OPS.setcond_i32 && def.row !== OPS.setcond_i64)) return UNKNOWN;
    const wide = def.row === OPS.setcond_i64;
    op.row = op.row === OPS.brcond_i32 ? (wide ? OPS.brcond_i64 : OPS.brcond_i32) : def.row;
    op.a = def.a;
    op.b = def.b;
    op.imm = (cond === Cond.NE) === (bound === 0) ? def.imm : invertCond(def.imm);
    return UNKNOWN;
  }
  if (bound === 0) {
    if (cond === Cond.LTU) return 0;
    if (cond === Cond.GEU) return 1;
    if (known.maskOf(a) >= 0) {
      if (cond === Cond.LT) return 0;
      if (cond === Cond.GE) return 1;
    }
  }
  return UNKNOWN;
}

/** Whether a `setcond` only says whether a truth value (0 or 1) is 1. */
function isTruth(op: Op, known: Knowledge): boolean {
  if (op.row !== OPS.setcond_i32) return false;
  const b = op.b!;
  if (b.kind !== 'const' || (known.maskOf(op.a!) & ~1) !== 0) return false;
  return (op.imm === Cond.NE && b.value === 0) || (op.imm === Cond.EQ && b.value === 1);
}
