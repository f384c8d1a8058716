// The op table: every IR op with its types, immediates, effects and meaning. Everything about an op derives from its row.
import type { Type } from './types.ts';

/** What a row says of an op besides its types. */
export interface OpFlags {
  /** It ends a straight run of ops: nothing after it is reached except through a label. */
  readonly ends?: boolean;
  /** It must be kept even when its result is unused. */
  readonly effect?: boolean;
  /** It touches guest memory and may fault: CPU state must be precise at the start of its instruction. */
  readonly faults?: boolean;
  /** Its operands may be exchanged. */
  readonly commutes?: boolean;
  /** It writes guest memory or CPU state outside the globals: a second run may not give the same result. */
  readonly writes?: boolean;
}

/**
 * One row: result type (null: none), operand types, meaning of `imm` and `imm2` (null: unused), flags, meaning. In `text`,
 * "unspecified" means any result but no harm; "undefined" means the op must not be given such operands.
 */
export interface OpRow<N extends string = string> {
  readonly name: N;
  readonly code: number;
  readonly out: Type | null;
  readonly ins: readonly Type[];
  readonly imm: ImmKind | null;
  readonly imm2: ImmKind | null;
  readonly flags: OpFlags;
  readonly text: string;
}

/** What an immediate holds. `lane` is a lane width in bits, `half` 0 the low, 1 the high one, `fpround` 0 ceil, 1 floor, 2 trunc, 3 nearest even. */
export type ImmKind =
  | 'cond'
  | 'memop'
  | 'offset'
  | 'pc'
  | 'exit'
  | 'bits'
  | 'lane'
  | 'index'
  | 'half'
  | 'fpround'
  | 'word'
  | 'jump';

type Spec = readonly [out: Type | null, ins: readonly Type[], imms: readonly ImmKind[], flags: OpFlags, text: string];

const NONE: OpFlags = {};
const COMM: OpFlags = { commutes: true };
const LOAD: OpFlags = { faults: true, effect: true };
const STORE: OpFlags = { faults: true, effect: true, writes: true };
const KEEP: OpFlags = { effect: true };
const ENV_WRITE: OpFlags = { effect: true, writes: true };
const END: OpFlags = { effect: true, ends: true };

const I1 = ['i32'] as const;
const I2 = ['i32', 'i32'] as const;
const I3 = ['i32', 'i32', 'i32'] as const;
const L1 = ['i64'] as const;
const L2 = ['i64', 'i64'] as const;
const F1 = ['f32'] as const;
const F2 = ['f32', 'f32'] as const;
const D1 = ['f64'] as const;
const D2 = ['f64', 'f64'] as const;
const V1 = ['v128'] as const;
const V2 = ['v128', 'v128'] as const;

// biome-ignore format: a table, one row per op
const SPECS = {
  // ---- moves
  mov_i32:  ['i32', I1, [], NONE, 'copy'],
  mov_i64:  ['i64', L1, [], NONE, 'copy'],
  mov_f32:  ['f32', F1, [], NONE, 'copy, NaN bits kept'],
  mov_f64:  ['f64', D1, [], NONE, 'copy, NaN bits kept'],
  mov_v128: ['v128', V1, [], NONE, 'copy'],
  // ---- 32-bit integers
  add_i32:  ['i32', I2, [], COMM, 'a + b mod 2^32'],
  sub_i32:  ['i32', I2, [], NONE, 'a - b mod 2^32'],
  mul_i32:  ['i32', I2, [], COMM, 'low 32 bits of a * b'],
  divs_i32: ['i32', I2, [], NONE, 'signed quotient, truncated; undefined when b is 0 or the quotient is 2^31'],
  divu_i32: ['i32', I2, [], NONE, 'unsigned quotient; undefined when b is 0'],
  rems_i32: ['i32', I2, [], NONE, 'signed remainder with the sign of a; undefined when b is 0; -2^31 rem -1 is 0'],
  remu_i32: ['i32', I2, [], NONE, 'unsigned remainder; undefined when b is 0'],
  and_i32:  ['i32', I2, [], COMM, 'bitwise and'],
  or_i32:   ['i32', I2, [], COMM, 'bitwise or'],
  xor_i32:  ['i32', I2, [], COMM, 'bitwise exclusive or'],
  shl_i32:  ['i32', I2, [], NONE, 'a << (b mod 32)'],
  shr_i32:  ['i32', I2, [], NONE, 'a >> (b mod 32), zeros enter'],
  sar_i32:  ['i32', I2, [], NONE, 'a >> (b mod 32), sign copies enter'],
  rotl_i32: ['i32', I2, [], NONE, 'rotate left by b mod 32'],
  rotr_i32: ['i32', I2, [], NONE, 'rotate right by b mod 32'],
  clz_i32:  ['i32', I1, [], NONE, 'leading zero bits; 32 for 0'],
  ctz_i32:  ['i32', I1, [], NONE, 'trailing zero bits; 32 for 0'],
  popcnt_i32: ['i32', I1, [], NONE, 'number of one bits'],
  ext8s_i32:  ['i32', I1, [], NONE, 'sign-extend bits 0-7'],
  ext16s_i32: ['i32', I1, [], NONE, 'sign-extend bits 0-15'],
  bswap16_i32: ['i32', I1, [], NONE, 'exchange bits 0-7 and 8-15; bits 16-31 of the result are 0'],
  bswap32_i32: ['i32', I1, [], NONE, 'reverse the four bytes'],
  extract_i32: ['i32', I1, ['bits', 'bits'], NONE, 'imm2 bits of a from bit imm, zero-extended; imm2 in 1..32, imm + imm2 <= 32'],
  sextract_i32: ['i32', I1, ['bits', 'bits'], NONE, 'imm2 bits of a from bit imm, sign-extended'],
  deposit_i32: ['i32', I2, ['bits', 'bits'], NONE, 'a with imm2 bits from bit imm replaced by the low bits of b'],
  setcond_i32: ['i32', I2, ['cond'], NONE, '1 if a cond b, else 0'],
  select_i32: ['i32', ['i32', 'i32', 'i32'], [], NONE, 'b if a is not 0, else c'],
  // ---- 64-bit integers
  add_i64:  ['i64', L2, [], COMM, 'a + b mod 2^64'],
  sub_i64:  ['i64', L2, [], NONE, 'a - b mod 2^64'],
  mul_i64:  ['i64', L2, [], COMM, 'low 64 bits of a * b'],
  mulhs_i64: ['i64', L2, [], COMM, 'high 64 bits of the signed 128-bit product'],
  mulhu_i64: ['i64', L2, [], COMM, 'high 64 bits of the unsigned 128-bit product'],
  divs_i64: ['i64', L2, [], NONE, 'signed quotient, truncated; undefined when b is 0 or the quotient is 2^63'],
  divu_i64: ['i64', L2, [], NONE, 'unsigned quotient; undefined when b is 0'],
  rems_i64: ['i64', L2, [], NONE, 'signed remainder; undefined when b is 0; -2^63 rem -1 is 0'],
  remu_i64: ['i64', L2, [], NONE, 'unsigned remainder; undefined when b is 0'],
  and_i64:  ['i64', L2, [], COMM, 'bitwise and'],
  or_i64:   ['i64', L2, [], COMM, 'bitwise or'],
  xor_i64:  ['i64', L2, [], COMM, 'bitwise exclusive or'],
  shl_i64:  ['i64', L2, [], NONE, 'a << (b mod 64)'],
  shr_i64:  ['i64', L2, [], NONE, 'a >> (b mod 64), zeros enter'],
  sar_i64:  ['i64', L2, [], NONE, 'a >> (b mod 64), sign copies enter'],
  rotl_i64: ['i64', L2, [], NONE, 'rotate left by b mod 64'],
  rotr_i64: ['i64', L2, [], NONE, 'rotate right by b mod 64'],
  clz_i64:  ['i64', L1, [], NONE, 'leading zero bits; 64 for 0'],
  ctz_i64:  ['i64', L1, [], NONE, 'trailing zero bits; 64 for 0'],
  popcnt_i64: ['i64', L1, [], NONE, 'number of one bits'],
  bswap_i64: ['i64', L1, [], NONE, 'reverse the eight bytes'],
  setcond_i64: ['i32', L2, ['cond'], NONE, '1 if a cond b, else 0'],
  select_i64: ['i64', ['i32', 'i64', 'i64'], [], NONE, 'b if a is not 0, else c'],
  // ---- between integer widths
  extu_i32_i64: ['i64', I1, [], NONE, 'zero-extend'],
  exts_i32_i64: ['i64', I1, [], NONE, 'sign-extend'],
  wrap_i64_i32: ['i32', L1, [], NONE, 'low 32 bits'],
  high_i64_i32: ['i32', L1, [], NONE, 'high 32 bits'],
  concat_i32_i64: ['i64', I2, [], NONE, 'a is the low half, b the high half'],
  // ---- floats: IEEE 754, round to nearest even, NaN results unspecified in payload
  add_f32:  ['f32', F2, [], COMM, 'a + b'],
  sub_f32:  ['f32', F2, [], NONE, 'a - b'],
  mul_f32:  ['f32', F2, [], COMM, 'a * b'],
  div_f32:  ['f32', F2, [], NONE, 'a / b'],
  sqrt_f32: ['f32', F1, [], NONE, 'square root'],
  min_f32:  ['f32', F2, [], NONE, 'smaller; -0 < +0; NaN if either is'],
  max_f32:  ['f32', F2, [], NONE, 'larger; -0 < +0; NaN if either is'],
  abs_f32:  ['f32', F1, [], NONE, 'sign bit cleared, also of NaN'],
  neg_f32:  ['f32', F1, [], NONE, 'sign bit flipped, also of NaN'],
  copysign_f32: ['f32', F2, [], NONE, 'a with the sign bit of b'],
  round_f32: ['f32', F1, ['fpround'], NONE, 'round to an integral value in direction imm'],
  setcond_f32: ['i32', F2, ['cond'], NONE, '1 if a cond b (EQ NE LT GE LE GT; NaN: only NE holds)'],
  select_f32: ['f32', ['i32', 'f32', 'f32'], [], NONE, 'b if a is not 0, else c'],
  add_f64:  ['f64', D2, [], COMM, 'a + b'],
  sub_f64:  ['f64', D2, [], NONE, 'a - b'],
  mul_f64:  ['f64', D2, [], COMM, 'a * b'],
  div_f64:  ['f64', D2, [], NONE, 'a / b'],
  sqrt_f64: ['f64', D1, [], NONE, 'square root'],
  min_f64:  ['f64', D2, [], NONE, 'smaller; -0 < +0; NaN if either is'],
  max_f64:  ['f64', D2, [], NONE, 'larger; -0 < +0; NaN if either is'],
  abs_f64:  ['f64', D1, [], NONE, 'sign bit cleared, also of NaN'],
  neg_f64:  ['f64', D1, [], NONE, 'sign bit flipped, also of NaN'],
  copysign_f64: ['f64', D2, [], NONE, 'a with the sign bit of b'],
  round_f64: ['f64', D1, ['fpround'], NONE, 'round to an integral value in direction imm'],
  setcond_f64: ['i32', D2, ['cond'], NONE, '1 if a cond b (EQ NE LT GE LE GT; NaN: only NE holds)'],
  select_f64: ['f64', ['i32', 'f64', 'f64'], [], NONE, 'b if a is not 0, else c'],
  denormal_f32: ['i32', F1, [], NONE, '1 if a is a denormal, else 0'],
  denormal_f64: ['i32', D1, [], NONE, '1 if a is a denormal, else 0'],
  extreme_f32: ['i32', F1, [], NONE, '1 unless 2^-125 <= |a| < 2^127: NaNs, infinities, zeros, denormals and a binade at each end'],
  extreme_f64: ['i32', D1, [], NONE, '1 unless 2^-1021 <= |a| < 2^1023'],
  // ---- conversions
  reinterpret_i32_f32: ['f32', I1, [], NONE, 'same bits'],
  reinterpret_f32_i32: ['i32', F1, [], NONE, 'same bits'],
  reinterpret_i64_f64: ['f64', L1, [], NONE, 'same bits'],
  reinterpret_f64_i64: ['i64', D1, [], NONE, 'same bits'],
  promote_f32_f64: ['f64', F1, [], NONE, 'exact, NaN payload unspecified'],
  demote_f64_f32: ['f32', D1, [], NONE, 'rounded to nearest even'],
  converts_i32_f32: ['f32', I1, [], NONE, 'signed, rounded to nearest even'],
  converts_i32_f64: ['f64', I1, [], NONE, 'signed, exact'],
  convertu_i32_f64: ['f64', I1, [], NONE, 'unsigned, exact'],
  converts_i64_f32: ['f32', L1, [], NONE, 'signed, rounded to nearest even'],
  converts_i64_f64: ['f64', L1, [], NONE, 'signed, rounded to nearest even'],
  convertu_i64_f64: ['f64', L1, [], NONE, 'unsigned, rounded to nearest even'],
  truncs_f32_i32: ['i32', F1, [], NONE, 'towards zero, saturating; NaN gives 0'],
  truncs_f64_i32: ['i32', D1, [], NONE, 'towards zero, saturating; NaN gives 0'],
  truncs_f32_i64: ['i64', F1, [], NONE, 'towards zero, saturating; NaN gives 0'],
  truncs_f64_i64: ['i64', D1, [], NONE, 'towards zero, saturating; NaN gives 0'],
  truncu_f64_i32: ['i32', D1, [], NONE, 'towards zero, unsigned, saturating; NaN gives 0'],
  truncu_f64_i64: ['i64', D1, [], NONE, 'towards zero, unsigned, saturating; NaN gives 0'],
  // ---- vectors: imm is the lane width in bits
  splat_i32: ['v128', I1, ['lane'], NONE, 'low imm (8, 16, 32) bits of a in every lane'],
  splat_i64: ['v128', L1, [], NONE, 'a in both lanes'],
  splat_f32: ['v128', F1, [], NONE, 'a in all four lanes'],
  splat_f64: ['v128', D1, [], NONE, 'a in both lanes'],
  lane_i32:  ['i32', V1, ['lane', 'index'], NONE, 'lane imm2 (8, 16: zero-extended; 32)'],
  lane_i64:  ['i64', V1, ['index'], NONE, 'lane imm of two'],
  lane_f32:  ['f32', V1, ['index'], NONE, 'lane imm of four'],
  lane_f64:  ['f64', V1, ['index'], NONE, 'lane imm of two'],
  setlane_i32: ['v128', ['v128', 'i32'], ['lane', 'index'], NONE, 'a with lane imm2 replaced by the low bits of b'],
  setlane_i64: ['v128', ['v128', 'i64'], ['index'], NONE, 'a with lane imm replaced'],
  setlane_f32: ['v128', ['v128', 'f32'], ['index'], NONE, 'a with lane imm replaced'],
  setlane_f64: ['v128', ['v128', 'f64'], ['index'], NONE, 'a with lane imm replaced'],
  and_v128:  ['v128', V2, [], COMM, 'bitwise and'],
  or_v128:   ['v128', V2, [], COMM, 'bitwise or'],
  xor_v128:  ['v128', V2, [], COMM, 'bitwise exclusive or'],
  andc_v128: ['v128', V2, [], NONE, 'a and not b'],
  not_v128:  ['v128', V1, [], NONE, 'bitwise not'],
  bitselect_v128: ['v128', ['v128', 'v128', 'v128'], [], NONE, 'bits of b where a has ones, of c elsewhere'],
  add_vec:   ['v128', V2, ['lane'], COMM, 'a + b by lane (8 16 32 64)'],
  sub_vec:   ['v128', V2, ['lane'], NONE, 'a - b by lane (8 16 32 64)'],
  mul_vec:   ['v128', V2, ['lane'], COMM, 'low half of a * b by lane (16 32 64)'],
  neg_vec:   ['v128', V1, ['lane'], NONE, '-a by lane (8 16 32 64)'],
  abs_vec:   ['v128', V1, ['lane'], NONE, '|a| by lane; the least value stays (8 16 32 64)'],
  shl_vec:   ['v128', ['v128', 'i32'], ['lane'], NONE, 'a << (b mod lane)'],
  shr_vec:   ['v128', ['v128', 'i32'], ['lane'], NONE, 'a >> (b mod lane), zeros enter'],
  sar_vec:   ['v128', ['v128', 'i32'], ['lane'], NONE, 'a >> (b mod lane), sign copies enter'],
  mins_vec:  ['v128', V2, ['lane'], COMM, 'smaller, signed (8 16 32)'],
  minu_vec:  ['v128', V2, ['lane'], COMM, 'smaller, unsigned (8 16 32)'],
  maxs_vec:  ['v128', V2, ['lane'], COMM, 'larger, signed (8 16 32)'],
  maxu_vec:  ['v128', V2, ['lane'], COMM, 'larger, unsigned (8 16 32)'],
  addsats_vec: ['v128', V2, ['lane'], COMM, 'a + b, signed saturation (8 16)'],
  addsatu_vec: ['v128', V2, ['lane'], COMM, 'a + b, unsigned saturation (8 16)'],
  subsats_vec: ['v128', V2, ['lane'], NONE, 'a - b, signed saturation (8 16)'],
  subsatu_vec: ['v128', V2, ['lane'], NONE, 'a - b, unsigned saturation (8 16)'],
  avgu_vec:  ['v128', V2, ['lane'], COMM, '(a + b + 1) >> 1 without overflow, unsigned (8 16)'],
  cmp_vec:   ['v128', V2, ['lane', 'cond'], NONE, 'all ones where a cond b; unsigned order only for 8 16 32'],
  narrows_vec: ['v128', V2, ['lane'], NONE, 'lanes of imm (16 32) bits of a then b, signed, saturated to signed halves'],
  narrowu_vec: ['v128', V2, ['lane'], NONE, 'lanes of imm (16 32) bits of a then b, signed, saturated to unsigned halves'],
  widens_vec: ['v128', V1, ['lane', 'half'], NONE, 'lanes (8 16 32) of half imm2 sign-extended to twice the width'],
  widenu_vec: ['v128', V1, ['lane', 'half'], NONE, 'lanes (8 16 32) of half imm2 zero-extended to twice the width'],
  mulwides_vec: ['v128', V2, ['lane', 'half'], COMM, 'full signed products of the lanes (8 16 32) of half imm2'],
  mulwideu_vec: ['v128', V2, ['lane', 'half'], COMM, 'full unsigned products of the lanes (8 16 32) of half imm2'],
  addpairs_vec: ['v128', V1, ['lane'], NONE, 'sums of neighbouring signed lanes (8 16) in lanes of twice the width'],
  addpairu_vec: ['v128', V1, ['lane'], NONE, 'sums of neighbouring unsigned lanes (8 16) in lanes of twice the width'],
  mulq15_vec: ['v128', V2, [], COMM, '(a * b + 2^14) >> 15 of signed 16-bit lanes, saturated'],
  any_v128:  ['i32', V1, [], NONE, '1 if any bit is set, else 0'],
  dot_s16_vec: ['v128', V2, [], COMM, 'pairs of signed 16-bit products added into 32-bit lanes'],
  bitmask_vec: ['i32', V1, ['lane'], NONE, 'sign bits of the lanes, lane 0 in bit 0'],
  shuffle_v128: ['v128', ['v128', 'v128', 'v128'], [], NONE, 'byte i of the result is byte c[i] (0-31) of a:b; c must be a constant'],
  swizzle_v128: ['v128', V2, [], NONE, 'byte i of the result is byte b[i] of a, 0 where b[i] > 15'],
  fadd_vec:  ['v128', V2, ['lane'], COMM, 'float a + b by lane (32 64)'],
  fsub_vec:  ['v128', V2, ['lane'], NONE, 'float a - b by lane'],
  fmul_vec:  ['v128', V2, ['lane'], COMM, 'float a * b by lane'],
  fdiv_vec:  ['v128', V2, ['lane'], NONE, 'float a / b by lane'],
  fsqrt_vec: ['v128', V1, ['lane'], NONE, 'square root by lane'],
  fpmin_vec: ['v128', V2, ['lane'], NONE, 'b < a ? b : a by lane'],
  fpmax_vec: ['v128', V2, ['lane'], NONE, 'a < b ? b : a by lane'],
  fabs_vec:  ['v128', V1, ['lane'], NONE, 'sign bits cleared'],
  fneg_vec:  ['v128', V1, ['lane'], NONE, 'sign bits flipped'],
  fround_vec: ['v128', V1, ['lane', 'fpround'], NONE, 'round to integral values in direction imm2 by lane'],
  fconverts_vec: ['v128', V1, ['lane'], NONE, 'signed 32-bit lanes to floats, nearest: all to f32, or the low two to f64'],
  fconvertu_vec: ['v128', V1, ['lane'], NONE, 'the same of unsigned lanes'],
  ftruncs_vec: ['v128', V1, ['lane'], NONE, 'floats to signed 32-bit lanes, towards zero, saturating, NaN gives 0; f64 to the low two, zeros above'],
  ftruncu_vec: ['v128', V1, ['lane'], NONE, 'the same to unsigned lanes'],
  fpromote_vec: ['v128', V1, [], NONE, 'the low two f32 as f64, NaN payloads unspecified'],
  fdemote_vec: ['v128', V1, [], NONE, 'two f64 to the low two f32, nearest; zeros above'],
  fcmp_vec:  ['v128', V2, ['lane', 'cond'], NONE, 'all ones where a cond b (EQ NE LT GE LE GT)'],
  // ---- guest memory: little endian unless imm says otherwise; any alignment unless imm asks for it
  guest_ld_i32: ['i32', I1, ['memop'], LOAD, 'load (8, 16, 32 bits, extended as imm says) from guest address a'],
  guest_ld_i64: ['i64', I1, ['memop'], LOAD, 'load (8 to 64 bits, extended as imm says) from guest address a'],
  guest_ld_f32: ['f32', I1, ['memop'], LOAD, 'load 32 bits'],
  guest_ld_f64: ['f64', I1, ['memop'], LOAD, 'load 64 bits'],
  guest_ld_v128: ['v128', I1, ['memop'], LOAD, 'load 128 bits, or 32 or 64 followed by zeros'],
  guest_st_i32: [null, I2, ['memop'], STORE, 'store the low bits of b at guest address a'],
  guest_st_i64: [null, ['i32', 'i64'], ['memop'], STORE, 'store the low bits of b at guest address a'],
  guest_st_f32: [null, ['i32', 'f32'], ['memop'], STORE, 'store 32 bits'],
  guest_st_f64: [null, ['i32', 'f64'], ['memop'], STORE, 'store 64 bits'],
  guest_st_v128: [null, ['i32', 'v128'], ['memop'], STORE, 'store 128 bits, or the low 32 or 64'],
  // ---- atomic read-modify-write on guest memory: natural alignment, else undefined (the translator checks); old value, zero-extended
  atomic_add_i32: ['i32', I2, ['memop'], STORE, 'memory += b'],
  atomic_sub_i32: ['i32', I2, ['memop'], STORE, 'memory -= b'],
  atomic_and_i32: ['i32', I2, ['memop'], STORE, 'memory &= b'],
  atomic_or_i32:  ['i32', I2, ['memop'], STORE, 'memory |= b'],
  atomic_xor_i32: ['i32', I2, ['memop'], STORE, 'memory ^= b'],
  atomic_xchg_i32: ['i32', I2, ['memop'], STORE, 'memory = b'],
  atomic_cas_i32: ['i32', ['i32', 'i32', 'i32'], ['memop'], STORE, 'if memory equals b (in the access width) then memory = c'],
  atomic_cas_i64: ['i64', ['i32', 'i64', 'i64'], ['memop'], STORE, 'if memory equals b then memory = c'],
  fence: [null, [], [], KEEP, 'all earlier accesses before all later ones'],
  // ---- CPU state outside the globals: imm is the byte offset, imm2 a memop (host order; never faults)
  env_ld_i32: ['i32', [], ['offset', 'memop'], NONE, 'load from CPU state'],
  env_ld_i64: ['i64', [], ['offset', 'memop'], NONE, 'load from CPU state'],
  env_ld_f32: ['f32', [], ['offset', 'memop'], NONE, 'load from CPU state'],
  env_ld_f64: ['f64', [], ['offset', 'memop'], NONE, 'load from CPU state'],
  env_ld_v128: ['v128', [], ['offset', 'memop'], NONE, 'load from CPU state, 32 or 64 bits followed by zeros'],
  env_st_i32: [null, I1, ['offset', 'memop'], ENV_WRITE, 'store to CPU state'],
  env_st_i64: [null, L1, ['offset', 'memop'], ENV_WRITE, 'store to CPU state'],
  env_st_f32: [null, F1, ['offset', 'memop'], ENV_WRITE, 'store to CPU state'],
  env_st_f64: [null, D1, ['offset', 'memop'], ENV_WRITE, 'store to CPU state'],
  env_st_v128: [null, V1, ['offset', 'memop'], ENV_WRITE, 'store to CPU state: all, or the low 32 or 64 bits'],
  env_addr: ['i32', [], ['offset'], NONE, 'address of a field of CPU state in the shared memory'],
  // ---- control
  insn_start: [null, [], ['pc', 'word'], KEEP, 'a guest instruction at pc imm begins; imm2: not 0 where it reads hidden globals (`Global.tracked`) without an op for it; behind the pass `overwritten` the globals, bit by id, whose values nobody needs here'],
  label:     [null, [], [], KEEP, 'branches to this op\'s label arrive here'],
  br:        [null, [], [], END, 'go to the label'],
  brcond_i32: [null, I2, ['cond'], KEEP, 'go to the label if a cond b'],
  brcond_i64: [null, L2, ['cond'], KEEP, 'go to the label if a cond b'],
  call:      [null, [], [], KEEP, 'call the helper with CPU state and `args`; its result, if any, goes to `out`'],
  cold_i32:  ['i32', I3, ['pc'], KEEP, 'a; where b and c are not 0 what the helper returns for `args`, called as by `call`. It has no effect but `accumulates`; the instruction is at imm. c is computed where b is not 0, if nothing else needs it'],
  cold_i64:  ['i64', ['i64', 'i32', 'i32'], ['pc'], KEEP, 'the same'],
  cold_f32:  ['f32', ['f32', 'i32', 'i32'], ['pc'], KEEP, 'the same'],
  cold_f64:  ['f64', ['f64', 'i32', 'i32'], ['pc'], KEEP, 'the same'],
  cold_v128: ['v128', ['v128', 'i32', 'i32'], ['pc'], KEEP, 'the same'],
  leave_if:  [null, I2, ['pc'], KEEP, 'if a and b are not 0: PC = imm, the start of this instruction; continue with the block there (chained). b is computed where a is not 0, if nothing else needs it'],
  count_run: [null, [], ['word'], KEEP, 'one less in the word at the absolute address imm, above the guest\'s: how often control comes here is counted for regions'],
  poll:      [null, [], ['pc'], KEEP, 'if the poll word in CPU state is set, exit with POLL and PC imm'],
  checkpoint_i32: ['i32', I1, ['pc', 'word'], KEEP, 'a - 1; where that is negative CPU state becomes precise at PC imm, and the poll word, if set, makes it exit with POLL, else the result is imm2'],
  goto_tb:   [null, [], ['pc', 'jump'], END, 'PC = imm; continue with the block there (chained)'],
  goto_ptr:  [null, I1, ['jump'], END, 'PC = a; exit with POLL if the poll word is set, else continue with the block there by the jump cache'],
  exit_tb:   [null, I1, ['exit'], END, 'PC = a; return to the execution loop with reason imm'],
} as const satisfies Record<string, Spec>;

export type OpName = keyof typeof SPECS;

/** How control came to leave a block: lets regions follow calls and match returns. Kept in the `jump` immediate. */
export enum Jump {
  /** A plain jump or fall-through. */
  PLAIN = 0,
  /** A call: the return address has been pushed or linked. */
  CALL = 1,
  /** A return. */
  RETURN = 2,
}

/** All rows by name. `code` is the index in `OP_LIST`. */
export const OPS = {} as { readonly [N in OpName]: OpRow<N> };
/** All rows by code. */
export const OP_LIST: OpRow<OpName>[] = [];
for (const name in SPECS) {
  const [out, ins, imms, flags, text] = SPECS[name as OpName] as Spec;
  const row: OpRow<OpName> = {
    name: name as OpName,
    code: OP_LIST.length,
    out,
    ins,
    imm: imms[0] ?? null,
    imm2: imms[1] ?? null,
    flags,
    text,
  };
  OP_LIST.push(row);
  (OPS as Record<string, OpRow>)[name] = row;
}
