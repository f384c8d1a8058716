// The builder: typed methods that append ops to a block, folding what is constant on the spot.
import { type Block, Op } from './block.ts';
import type { HelperRow } from './helper-table.ts';
import { type Jump, OPS, type OpName, type OpRow } from './ops.ts';
import { compareI32 } from './scalar.ts';
import type { Cond, Exit, MemOp, Type } from './types.ts';
import { Const, const32, const64, Global, type Label, type Temp, type Value, type Variable } from './value.ts';

/** Operand of a 32-bit method: a value, or a plain number for an i32 constant. */
export type Int = Value | number;

function val(x: Int): Value {
  return typeof x === 'number' ? const32(x) : x;
}

/** The number of an i32 constant, or NaN when `x` is not one. */
function num(x: Value): number {
  return x instanceof Const ? (x.value as number) : Number.NaN;
}

/**
 * Appends ops to a block. Methods that compute return a value: a fresh temporary, or a constant or an operand where the
 * result is known at once. A returned operand may be a global: copy it with `copy32` before the global is written.
 */
export class Builder {
  /**
   * Globals that some instruction writes before it may fault for the last time: bit `id` modulo 32 of each. Of the others a
   * fault finds the values of the instruction's start. -1 where control flow inside of an instruction leaves it open.
   */
  writtenEarly = 0;
  /** Globals that ops of the current instruction before the last one may have written, in the same form. */
  private written = 0;
  /** Address of the current instruction. */
  private pc = 0;
  /** The last op of the current instruction; until the next one its result may still be changed to a global. */
  private last: Op | null = null;
  /** Its `insn_start`. */
  private insn: Op | null = null;

  constructor(public block: Block) {}

  // ---- plumbing

  push(
    row: OpRow<OpName>,
    out: Variable | null,
    a: Value | null,
    b: Value | null,
    c: Value | null,
    imm: number,
    imm2: number,
  ): Op {
    const op = new Op(row, out, a, b, c, imm, imm2, null, null, null);
    this.block.ops.push(op);
    if (this.last !== null) this.noteWritten(this.last.out);
    if (this.written !== 0 && row.flags.faults) this.writtenEarly |= this.written;
    this.last = op;
    return op;
  }

  private noteWritten(out: Variable | null): void {
    if (out === null || out.kind !== 'global') return;
    const { id } = out;
    this.written |= 1 << id;
  }

  /** Any op with a result, by row. */
  emit(name: OpName, a: Value | null = null, b: Value | null = null, c: Value | null = null, imm = 0, imm2 = 0): Temp {
    const row = OPS[name] as OpRow<OpName>;
    const out = this.block.temp(row.out as Type);
    this.push(row, out, a, b, c, imm, imm2);
    return out;
  }

  /** Any op without a result, by row. */
  effect(
    name: OpName,
    a: Value | null = null,
    b: Value | null = null,
    c: Value | null = null,
    imm = 0,
    imm2 = 0,
  ): void {
    this.push(OPS[name] as OpRow<OpName>, null, a, b, c, imm, imm2);
  }

  private binary(row: OpRow<OpName>, a: Value, b: Value): Temp {
    const out = this.block.temp('i32');
    this.push(row, out, a, b, null, 0, 0);
    return out;
  }

  private unary(row: OpRow<OpName>, a: Value): Temp {
    const out = this.block.temp(row.out as Type);
    this.push(row, out, a, null, null, 0, 0);
    return out;
  }

  // ---- moves

  temp(type: Type = 'i32'): Temp {
    return this.block.temp(type);
  }

  /** out = value, for any type; the move of a value into a global or a temporary that several paths write. */
  set(out: Variable, value: Int): void {
    const v = val(value);
    if (v === out) return;
    this.push(MOVES[out.type], out, v, null, null, 0, 0);
  }

  /** A copy of `value` that later writes to globals do not change; constants and temporaries are returned as they are. */
  copy(value: Int): Value {
    const v = val(value);
    if (!(v instanceof Global)) return v;
    const out = this.block.temp(v.type);
    this.push(MOVES[v.type], out, v, null, null, 0, 0);
    return out;
  }

  // ---- 32-bit integers

  add(x: Int, y: Int): Value {
    const a = val(x);
    const b = val(y);
    const n = num(b);
    if (n === 0) return a;
    const m = num(a);
    if (m === 0) return b;
    if (b instanceof Const && a instanceof Const) return const32(m + n);
    return a instanceof Const ? this.binary(OPS.add_i32, b, a) : this.binary(OPS.add_i32, a, b);
  }

  sub(x: Int, y: Int): Value {
    const a = val(x);
    const b = val(y);
    const n = num(b);
    const m = num(a);
    if (n === 0) return a;
    if (b instanceof Const) return a instanceof Const ? const32(m - n) : this.binary(OPS.add_i32, a, const32(-n));
    if (a === b) return const32(0);
    return this.binary(OPS.sub_i32, a, b);
  }

  neg(x: Int): Value {
    return this.sub(0, x);
  }

  mul(x: Int, y: Int): Value {
    const a = val(x);
    const b = val(y);
    const n = num(b);
    const m = num(a);
    if (b instanceof Const && a instanceof Const) return const32(Math.imul(m, n));
    if (n === 1) return a;
    return this.binary(OPS.mul_i32, a, b);
  }

  and(x: Int, y: Int): Value {
    const a = val(x);
    const b = val(y);
    const n = num(b);
    const m = num(a);
    if (b instanceof Const && a instanceof Const) return const32(m & n);
    if (n === -1 || a === b) return a;
    if (n === 0 || m === 0) return const32(0);
    if (m === -1) return b;
    return this.binary(OPS.and_i32, a, b);
  }

  or(x: Int, y: Int): Value {
    const a = val(x);
    const b = val(y);
    const n = num(b);
    const m = num(a);
    if (b instanceof Const && a instanceof Const) return const32(m | n);
    if (n === 0 || a === b) return a;
    if (m === 0) return b;
    return this.binary(OPS.or_i32, a, b);
  }

  xor(x: Int, y: Int): Value {
    const a = val(x);
    const b = val(y);
    const n = num(b);
    const m = num(a);
    if (b instanceof Const && a instanceof Const) return const32(m ^ n);
    if (a === b) return const32(0);
    if (n === 0) return a;
    if (m === 0) return b;
    return this.binary(OPS.xor_i32, a, b);
  }

  not(x: Int): Value {
    return this.xor(x, -1);
  }

  /** a << (b mod 32). */
  shl(x: Int, y: Int): Value {
    const a = val(x);
    const b = val(y);
    const n = num(b) & 31;
    if (b instanceof Const) {
      if (n === 0) return a;
      if (a instanceof Const) return const32(num(a) << n);
    }
    return this.binary(OPS.shl_i32, a, b);
  }

  /** a >>> (b mod 32). */
  shr(x: Int, y: Int): Value {
    const a = val(x);
    const b = val(y);
    const n = num(b) & 31;
    if (b instanceof Const) {
      if (n === 0) return a;
      if (a instanceof Const) return const32(num(a) >>> n);
    }
    return this.binary(OPS.shr_i32, a, b);
  }

  /** a >> (b mod 32), arithmetic. */
  sar(x: Int, y: Int): Value {
    const a = val(x);
    const b = val(y);
    const n = num(b) & 31;
    if (b instanceof Const) {
      if (n === 0) return a;
      if (a instanceof Const) return const32(num(a) >> n);
    }
    return this.binary(OPS.sar_i32, a, b);
  }

  rotl(x: Int, y: Int): Value {
    const b = val(y);
    if (b instanceof Const && (num(b) & 31) === 0) return val(x);
    return this.binary(OPS.rotl_i32, val(x), b);
  }

  rotr(x: Int, y: Int): Value {
    const b = val(y);
    if (b instanceof Const && (num(b) & 31) === 0) return val(x);
    return this.binary(OPS.rotr_i32, val(x), b);
  }

  /** Signed quotient; the caller has excluded division by zero and overflow. */
  divs(x: Int, y: Int): Value {
    return this.binary(OPS.divs_i32, val(x), val(y));
  }
  divu(x: Int, y: Int): Value {
    return this.binary(OPS.divu_i32, val(x), val(y));
  }
  rems(x: Int, y: Int): Value {
    return this.binary(OPS.rems_i32, val(x), val(y));
  }
  remu(x: Int, y: Int): Value {
    return this.binary(OPS.remu_i32, val(x), val(y));
  }

  clz(x: Int): Value {
    return this.unary(OPS.clz_i32, val(x));
  }
  ctz(x: Int): Value {
    return this.unary(OPS.ctz_i32, val(x));
  }
  popcnt(x: Int): Value {
    return this.unary(OPS.popcnt_i32, val(x));
  }
  bswap32(x: Int): Value {
    return this.unary(OPS.bswap32_i32, val(x));
  }
  bswap16(x: Int): Value {
    return this.unary(OPS.bswap16_i32, val(x));
  }

  ext8s(x: Int): Value {
    const a = val(x);
    if (a instanceof Const) return const32((num(a) << 24) >> 24);
    return this.unary(OPS.ext8s_i32, a);
  }
  ext16s(x: Int): Value {
    const a = val(x);
    if (a instanceof Const) return const32((num(a) << 16) >> 16);
    return this.unary(OPS.ext16s_i32, a);
  }
  ext8u(x: Int): Value {
    return this.and(x, 0xff);
  }
  ext16u(x: Int): Value {
    return this.and(x, 0xffff);
  }

  /** `length` bits of `x` from bit `start`, zero-extended. */
  extract(x: Int, start: number, length: number): Value {
    const a = val(x);
    if (start === 0 && length === 32) return a;
    const mask = length === 32 ? -1 : (1 << length) - 1;
    if (a instanceof Const) return const32((num(a) >>> start) & mask);
    if (start === 0) return this.and(a, mask);
    if (start + length === 32) return this.shr(a, start);
    return this.emit('extract_i32', a, null, null, start, length);
  }

  /** `length` bits of `x` from bit `start`, sign-extended. */
  sextract(x: Int, start: number, length: number): Value {
    const a = val(x);
    if (a instanceof Const) return const32((num(a) << (32 - start - length)) >> (32 - length));
    if (start === 0 && length === 8) return this.ext8s(a);
    if (start === 0 && length === 16) return this.ext16s(a);
    if (start + length === 32) return this.sar(a, start);
    return this.emit('sextract_i32', a, null, null, start, length);
  }

  /** `x` with `length` bits from bit `start` replaced by the low bits of `y`. */
  deposit(x: Int, y: Int, start: number, length: number): Value {
    if (start === 0 && length === 32) return val(y);
    return this.emit('deposit_i32', val(x), val(y), null, start, length);
  }

  setcond(cond: Cond, x: Int, y: Int): Value {
    const a = val(x);
    const b = val(y);
    if (a instanceof Const && b instanceof Const) return const32(compareI32(cond, num(a), num(b)) ? 1 : 0);
    const out = this.block.temp('i32');
    this.push(OPS.setcond_i32, out, a, b, null, cond, 0);
    return out;
  }

  /** `x` if `test` is not 0, else `y`; any type. */
  select(test: Int, x: Int, y: Int): Value {
    const t = val(test);
    const a = val(x);
    const b = val(y);
    if (t instanceof Const) return num(t) !== 0 ? a : b;
    if (a === b) return a;
    const out = this.block.temp(a.type);
    this.push(SELECTS[a.type] as OpRow<OpName>, out, t, a, b, 0, 0);
    return out;
  }

  // ---- 64-bit integers

  i64(value: bigint | number): Const {
    return const64(BigInt(value));
  }
  extu64(x: Int): Value {
    return this.unary(OPS.extu_i32_i64, val(x));
  }
  exts64(x: Int): Value {
    return this.unary(OPS.exts_i32_i64, val(x));
  }
  wrap(x: Value): Value {
    return this.unary(OPS.wrap_i64_i32, x);
  }
  high(x: Value): Value {
    return this.unary(OPS.high_i64_i32, x);
  }
  concat(low: Int, high: Int): Value {
    return this.emit('concat_i32_i64', val(low), val(high));
  }

  // ---- guest memory and CPU state

  /** Loads an i32 from guest memory. */
  load(address: Int, memOp: MemOp): Temp {
    const out = this.block.temp('i32');
    this.push(OPS.guest_ld_i32, out, val(address), null, null, memOp, 0);
    return out;
  }

  /** Stores the low bits of an i32 to guest memory. */
  store(address: Int, value: Int, memOp: MemOp): void {
    this.push(OPS.guest_st_i32, null, val(address), val(value), null, memOp, 0);
  }

  load64(address: Int, memOp: MemOp): Temp {
    return this.emit('guest_ld_i64', val(address), null, null, memOp);
  }
  store64(address: Int, value: Value, memOp: MemOp): void {
    this.effect('guest_st_i64', val(address), value, null, memOp);
  }

  /** Loads an i32 from a field of CPU state that is not a global. */
  envLoad(offset: number, memOp: MemOp = 2): Temp {
    return this.emit('env_ld_i32', null, null, null, offset, memOp);
  }
  envStore(offset: number, value: Int, memOp: MemOp = 2): void {
    this.effect('env_st_i32', val(value), null, null, offset, memOp);
  }

  // ---- control

  /** Says that the instruction reads the guest's hidden globals (`Global.tracked`), in whatever way that is done. */
  readsHidden(): void {
    if (this.insn !== null) this.insn.imm2 = 1;
  }

  insnStart(pc: number, word = 0): void {
    this.pc = pc;
    this.last = null;
    this.push(OPS.insn_start, null, null, null, null, pc, word);
    this.insn = this.block.ops[this.block.ops.length - 1]!;
    this.written = 0;
  }

  label(): Label {
    return this.block.label();
  }

  /** Places `label` here. */
  place(label: Label): void {
    this.push(OPS.label, null, null, null, null, 0, 0).label = label;
    // Control may come here a second time.
    this.written = -1;
  }

  br(label: Label): void {
    label.uses++;
    this.push(OPS.br, null, null, null, null, 0, 0).label = label;
  }

  /** Goes to `label` if x cond y (i32). */
  brcond(cond: Cond, x: Int, y: Int, label: Label): void {
    const a = val(x);
    const b = val(y);
    if (a instanceof Const && b instanceof Const) {
      if (compareI32(cond, num(a), num(b))) this.br(label);
      return;
    }
    label.uses++;
    this.push(OPS.brcond_i32, null, a, b, null, cond, 0).label = label;
  }

  /** Calls a helper; returns its result (or a dummy 0 for helpers without one). */
  call(helper: HelperRow, ...args: Int[]): Value {
    const out = helper.result ? this.block.temp(helper.result) : null;
    const op = new Op(OPS.call, out, null, null, null, 0, 0, null, helper, args.map(val));
    this.block.ops.push(op);
    if (this.last !== null) this.noteWritten(this.last.out);
    if (helper.raises) this.writtenEarly |= this.written;
    if (helper.writesGlobals) this.written = -1;
    this.last = op;
    return out ?? const32(0);
  }

  /**
   * `value`; where `condition` and `precise` are not 0, what the helper returns, which is of the same type and has no effects.
   * What only `precise` needs is computed where `condition` is not 0.
   */
  cold(value: Value, condition: Int, precise: Int, helper: HelperRow, ...args: Int[]): Value {
    const test = val(condition);
    const more = val(precise);
    if (num(test) === 0 || num(more) === 0) return value;
    const out = this.block.temp(value.type);
    const op = new Op(OPS[`cold_${value.type}`], out, value, test, more, this.pc, 0, null, helper, args.map(val));
    this.block.ops.push(op);
    if (this.last !== null) this.noteWritten(this.last.out);
    this.last = op;
    return out;
  }

  poll(pc: number): void {
    this.push(OPS.poll, null, null, null, null, pc, 0);
  }
  gotoTb(pc: number, jump: Jump = 0): void {
    this.push(OPS.goto_tb, null, null, null, null, pc >>> 0, jump);
  }
  gotoPtr(pc: Int, jump: Jump = 0): void {
    this.push(OPS.goto_ptr, null, val(pc), null, null, jump, 0);
  }
  exitTb(reason: Exit, pc: Int): void {
    this.push(OPS.exit_tb, null, val(pc), null, null, reason, 0);
  }
}

const MOVES: Record<Type, OpRow<OpName>> = {
  i32: OPS.mov_i32,
  i64: OPS.mov_i64,
  f32: OPS.mov_f32,
  f64: OPS.mov_f64,
  v128: OPS.mov_v128,
};

const SELECTS: Partial<Record<Type, OpRow<OpName>>> = {
  i32: OPS.select_i32,
  i64: OPS.select_i64,
  f32: OPS.select_f32,
  f64: OPS.select_f64,
};
