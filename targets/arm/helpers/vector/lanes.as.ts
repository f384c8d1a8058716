// Operations of two operands that single and half precision have in common, in one lane (AssemblyScript).

import { add, div, mul, sub } from '../../../../src/softfloat/ieee-arith.as';
import { EQUAL, GREATER, MAXIMUM, NUMBER_WINS, compare, minMax } from '../../../../src/softfloat/ieee-compare.as';
import { FLUSHED_IN, isInf, isZero, operand, raised, setRaised } from '../../../../src/softfloat/ieee-core.as';
import { note } from './state.as';

// ---- what the operation number means; see LANE_OPERATIONS in lane-operations.ts
const ADD: i32 = 0;
const SUB: i32 = 1;
const MUL: i32 = 2;
const ABD: i32 = 3;
const MAX: i32 = 4;
const MIN: i32 = 5;
const MAXNM: i32 = 6;
const MINNM: i32 = 7;
const CEQ: i32 = 8;
const CGE: i32 = 9;
const CGT: i32 = 10;
const ACGE: i32 = 11;
const ACGT: i32 = 12;
const RECPS: i32 = 13;
const RSQRTS: i32 = 14;

// @ts-ignore: decorator
@inline
function isHalf<T>(): bool {
  return sizeof<T>() == 2;
}

/** Notes what an operation raised. Half precision does not say that an operand was flushed (ARM ARM, FPUnpack). */
export function noteLane<T>(env: usize): void {
  if (isHalf<T>()) setRaised(raised & ~FLUSHED_IN);
  note(env);
}

function all<T>(condition: bool): u32 {
  return condition ? (isHalf<T>() ? 0xffff : 0xffffffff) : 0;
}

function atLeast<T>(relation: i32): u32 {
  return all<T>(relation == EQUAL || relation == GREATER);
}

/** a op b, floating-point numbers of type T: u16 or u32. */
export function lane<T>(env: usize, a: u32, b: u32, op: i32, mode: i32): u32 {
  const sign: u32 = isHalf<T>() ? 0x8000 : 0x80000000;
  let r: u32 = 0;
  switch (op) {
    case ADD:
      r = u32(add<T>(a, b, mode));
      break;
    case SUB:
      r = u32(sub<T>(a, b, mode));
      break;
    case MUL:
      r = u32(mul<T>(a, b, mode));
      break;
    case ABD:
      r = u32(sub<T>(a, b, mode)) & ~sign;
      break;
    case MAX:
      r = u32(minMax<T>(a, b, MAXIMUM, mode));
      break;
    case MIN:
      r = u32(minMax<T>(a, b, 0, mode));
      break;
    case MAXNM:
      r = u32(minMax<T>(a, b, MAXIMUM | NUMBER_WINS, mode));
      break;
    case MINNM:
      r = u32(minMax<T>(a, b, NUMBER_WINS, mode));
      break;
    case CEQ:
      r = all<T>(compare<T>(a, b, false, mode) == EQUAL);
      break;
    case CGE:
      r = atLeast<T>(compare<T>(a, b, true, mode));
      break;
    case CGT:
      r = all<T>(compare<T>(a, b, true, mode) == GREATER);
      break;
    case ACGE:
      r = atLeast<T>(compare<T>(a & ~sign, b & ~sign, true, mode));
      break;
    case ACGT:
      r = all<T>(compare<T>(a & ~sign, b & ~sign, true, mode) == GREATER);
      break;
    case RECPS:
      return step<T>(env, a, b, false, mode);
    case RSQRTS:
      return step<T>(env, a, b, true, mode);
    default:
      r = u32(div<T>(a, b, mode));
  }
  noteLane<T>(env);
  return r;
}

/** 2 - a * b or, with `root`, (3 - a * b) / 2. */
function step<T>(env: usize, a: u32, b: u32, root: bool, mode: i32): u32 {
  const two: u32 = isHalf<T>() ? 0x4000 : 0x40000000;
  const three: u32 = isHalf<T>() ? 0x4200 : 0x40400000;
  const oneAndAHalf: u32 = isHalf<T>() ? 0x3e00 : 0x3fc00000;
  const half: u32 = isHalf<T>() ? 0x3800 : 0x3f000000;
  setRaised(0);
  const x = u32(operand<T>(a, mode));
  const y = u32(operand<T>(b, mode));
  if ((isInf<T>(x) && isZero<T>(y)) || (isInf<T>(y) && isZero<T>(x))) {
    noteLane<T>(env);
    return root ? oneAndAHalf : two;
  }
  const product = u32(mul<T>(a, b, mode));
  noteLane<T>(env);
  let r = u32(sub<T>(root ? three : two, product, mode));
  noteLane<T>(env);
  if (!root) return r;
  // The difference is no denormal, nor is its half.
  r = u32(mul<T>(r, half, mode));
  noteLane<T>(env);
  return r;
}
