// The lazily kept arithmetic flags: which operation set them, how each flag is found from its operands, EFLAGS as a whole.
import type { Builder } from '../../tcg/ir/builder.ts';
import type { HelperRow } from '../../tcg/ir/helper-table.ts';
import { Cond } from '../../tcg/ir/types.ts';
import { const32, type Value } from '../../tcg/ir/value.ts';
import { updateMode } from './mode.ts';
import { CC_DST, CC_OP, CC_SRC, CC_SRC2, X86_OFFSETS } from './state.ts';

/** EFLAGS bits (Intel SDM vol. 1, 3.4.3). */
export const CF = 0x1;
export const PF = 0x4;
export const AF = 0x10;
export const ZF = 0x40;
export const SF = 0x80;
export const TF = 0x100;
export const IF = 0x200;
export const DF_BIT = 0x400;
export const OF = 0x800;
export const IOPL = 0x3000;
export const NT = 0x4000;
export const RF = 0x10000;
export const VM = 0x20000;
export const AC = 0x40000;
export const ID = 0x200000;
/** The six arithmetic flags. */
export const ARITHMETIC = CF | PF | AF | ZF | SF | OF;
/** What POPF may change at CPL 3 with IOPL 0. */
export const POPF_USER = ARITHMETIC | TF | DF_BIT | NT | AC | ID;

/*
 * Flags that the manual leaves undefined are as AMD's processors have them (measured in
 * tests/insn/x86/integer/undefined-flags.ts) wherever that costs nothing. Left different, because the flags of before would
 * have to be computed and kept for it:
 *
 *   MUL IMUL      SF ZF PF of the low half of the product, AF = 0      (CPU: unchanged)
 *   DIV IDIV      all unchanged                                        (CPU: SF ZF PF = 0, AF = 1)
 *   LZCNT TZCNT   OF = 0                                               (CPU: unchanged)
 *   SHLD r16      counts 16 and above: OF is SF ^ CF as for the others (CPU: CF at 16, 0 above)
 */

/**
 * What set the flags: a kind times 4 plus log2 of the operand size (0 byte, 1 word, 2 doubleword). High bits of `dst`,
 * `src` and `src2` beyond the operand size are unspecified except where noted.
 */
export enum Cc {
  /** `src` holds the six flags as EFLAGS bits (all other bits 0); size is unused. */
  FLAGS = 0,
  /** dst = a + b, src = b. */
  ADD = 4,
  /** dst = a + b + src2, src = b, src2 = carry in (0 or 1, exact). */
  ADC = 8,
  /** dst = a - b, src = b. */
  SUB = 12,
  /** dst = a - b - src2, src = b, src2 = borrow in (0 or 1, exact). */
  SBB = 16,
  /** dst = result; CF and OF are 0. */
  LOGIC = 20,
  /** dst = result, src = CF as it was (0 or 1, exact). */
  INC = 24,
  DEC = 28,
  /** dst = result, src = the operand shifted left by one bit less. */
  SHL = 32,
  /** dst = result, src = the operand shifted right by one bit less (SHR and SAR). */
  SHR = 36,
  /** dst = low half of the product, src = not 0 when the high half is significant (exact). */
  MUL = 40,
  /** Doublewords only: dst = low half of the signed product of src and src2. */
  IMUL = 44,
}

const KIND_MASK = ~3;

/** Flags as EFLAGS bits from the lazily kept words. The one definition used outside generated code. */
export function computeFlags(op: number, dst: number, src: number, src2: number): number {
  const kind = op & KIND_MASK;
  if (kind === Cc.FLAGS) return src;
  const bits = 8 << (op & 3);
  const up = 32 - bits;
  const sign = 31;
  // Operands moved to the top of the word, so that bit 31 is the sign and unsigned comparison works.
  const d = dst << up;
  const s = src << up;
  let flags = (d === 0 ? ZF : 0) | (d < 0 ? SF : 0) | parity(dst);
  switch (kind) {
    case Cc.ADD:
    case Cc.ADC: {
      const carryIn = kind === Cc.ADC ? src2 : 0;
      const a = (dst - src - carryIn) << up;
      if (carryIn ? d >>> 0 <= s >>> 0 : d >>> 0 < s >>> 0) flags |= CF;
      flags |= (dst ^ src ^ (dst - src - carryIn)) & AF;
      if ((~(a ^ s) & (a ^ d)) >>> sign) flags |= OF;
      return flags;
    }
    case Cc.SUB:
    case Cc.SBB: {
      const borrowIn = kind === Cc.SBB ? src2 : 0;
      const full = dst + src + borrowIn;
      const a = full << up;
      if (borrowIn ? a >>> 0 <= s >>> 0 : a >>> 0 < s >>> 0) flags |= CF;
      flags |= (dst ^ src ^ full) & AF;
      if (((a ^ s) & (a ^ d)) >>> sign) flags |= OF;
      return flags;
    }
    case Cc.LOGIC:
      return flags;
    case Cc.INC:
      return flags | src | ((dst & 15) === 0 ? AF : 0) | (d === -0x80000000 ? OF : 0);
    case Cc.DEC:
      return flags | src | ((dst & 15) === 15 ? AF : 0) | (d === (0x7fffffff & (-1 << up)) ? OF : 0);
    // Shifts leave AF undefined; the processors of undefined-flags.ts set it.
    case Cc.SHL:
      return flags | AF | (s >>> sign) | ((d ^ s) >>> sign ? OF : 0);
    case Cc.SHR:
      return flags | AF | (src & 1) | ((d ^ s) >>> sign ? OF : 0);
    case Cc.IMUL: {
      // A double is exact where it matters: a product that does not fit in 53 bits does not fit in 32.
      const product = src * src2;
      return flags | (product !== (product | 0) ? CF | OF : 0);
    }
    default:
      return flags | (src !== 0 ? CF | OF : 0);
  }
}

function parity(value: number): number {
  let x = value & 0xff;
  x ^= x >> 4;
  x ^= x >> 2;
  x ^= x >> 1;
  return x & 1 ? 0 : PF;
}

/** The helper generated code calls when it cannot know at translation time what set the flags. */
export const COMPUTE_FLAGS: HelperRow = {
  name: 'compute_flags',
  args: ['i32', 'i32', 'i32', 'i32'],
  result: 'i32',
};

/** EFLAGS as the guest would see them, from CPU state at `env`. */
export function readEflags(view: DataView, env: number): number {
  const o = X86_OFFSETS;
  const arithmetic = computeFlags(
    view.getInt32(env + o.ccOp, true),
    view.getInt32(env + o.ccDst, true),
    view.getInt32(env + o.ccSrc, true),
    view.getInt32(env + o.ccSrc2, true),
  );
  const direction = view.getInt32(env + o.df, true) < 0 ? DF_BIT : 0;
  return view.getInt32(env + o.eflags, true) | arithmetic | direction | IF | 2;
}

/** EFLAGS bits kept as they are. */
const PLAIN_FLAGS = TF | IOPL | NT | VM | AC | ID;

/**
 * Sets all of EFLAGS in CPU state. Bits that do not exist are dropped, and RF, which lasts for one instruction: only frames
 * of faults show it.
 */
export function writeEflags(view: DataView, env: number, value: number): void {
  const o = X86_OFFSETS;
  view.setInt32(env + o.ccOp, Cc.FLAGS, true);
  view.setInt32(env + o.ccSrc, value & ARITHMETIC, true);
  view.setInt32(env + o.df, value & DF_BIT ? -1 : 1, true);
  const plain = value & PLAIN_FLAGS;
  if (view.getInt32(env + o.eflags, true) === plain) return;
  view.setInt32(env + o.eflags, plain, true);
  updateMode(view, env);
}

/** A condition ready for `brcond` or `setcond`. */
export interface Test {
  readonly cond: Cond;
  readonly a: Value;
  readonly b: Value;
}

const ZERO = const32(0);

/** The carry of these kinds is in CC_SRC as 0 or 1. */
function carryInSource(op: number): boolean {
  const kind = op & KIND_MASK;
  return kind === Cc.INC || kind === Cc.DEC;
}

/**
 * What the translator knows of the lazily kept flags at the present instruction, and the IR that reads or sets them. The
 * first operand of the last comparison is also kept as a value, so that a comparison followed by a branch becomes one op.
 */
export class LazyFlags {
  b!: Builder;
  /** The operation in CC_OP, or -1 when only run time knows. */
  op = -1;
  /** Something relied on the `op` the block began with. */
  usedContext = false;
  private inherited = false;
  /**
   * First operand of the last SUB, when its value is still at hand. It may be a register: whoever writes one tells
   * `wrote`.
   */
  private left: Value | null = null;
  private right: Value = CC_SRC;
  /** CF as a value of its own, when the flags were given as bits with it: then its readers need none of the others. */
  private knownCarry: Value | null = null;
  /** CC_SRC was computed with some effort, which is dead once another operation sets the flags. */
  private costlySource = false;

  /** Starts a block: `op` is what the predecessor left, or -1. */
  begin(b: Builder, op: number): void {
    this.b = b;
    this.op = op;
    this.inherited = op !== -1;
    this.usedContext = false;
    this.left = null;
    this.right = CC_SRC;
    this.knownCarry = null;
    this.costlySource = false;
  }

  /** Told of every write of a general register, before or after. */
  wrote(register: Value): void {
    if (this.left === register) this.left = null;
  }

  /** Told when a helper has written general registers. */
  lostRegisters(): void {
    this.left = null;
  }

  /** From here on only run time knows what set the flags. */
  forget(): void {
    this.op = -1;
    this.inherited = false;
    this.left = null;
    this.knownCarry = null;
  }

  /** Joins a path on which the flags are still those of operation `before`. */
  join(before: number): void {
    if (this.op !== before) this.forget();
    this.left = null;
    this.right = CC_SRC;
    this.knownCarry = null;
  }

  /**
   * Records an operation whose words the caller has written to CC_DST, CC_SRC and CC_SRC2 as its kind asks: `op` is the kind
   * plus log2 of the operand size. For SUB, `left` is the first operand (null: gone) and `right` the second.
   */
  finish(op: number, left: Value | null = null, right: Value = CC_SRC): void {
    if (this.costlySource) {
      // The only kind that leaves CC_SRC alone.
      if ((op & KIND_MASK) === Cc.LOGIC) this.b.set(CC_SRC, 0);
      this.costlySource = false;
    }
    if (this.op !== op || this.inherited) this.b.set(CC_OP, op);
    this.inherited = false;
    this.op = op;
    this.left = left;
    this.right = right;
    this.knownCarry = null;
  }

  /** CC_DST = what the last op has computed, which nobody may use again under its own name. */
  result(value: Value): void {
    const { ops } = this.b.block;
    const last = ops[ops.length - 1];
    if (last !== undefined && last.out === value && value.kind === 'temp') last.out = CC_DST;
    else this.b.set(CC_DST, value);
  }

  /** Writes the words and records the operation. */
  set(kind: Cc, size: number, dst: Value, src: Value | null = null, src2: Value | null = null): void {
    const { b } = this;
    b.set(CC_DST, dst);
    if (src) b.set(CC_SRC, src);
    if (src2) b.set(CC_SRC2, src2);
    this.finish(kind | size);
  }

  /** Records flags given as EFLAGS bits (only arithmetic ones); `carry` is CF alone (0 or 1) where it is at hand. */
  setAll(flags: Value, carry: Value | null = null): void {
    this.b.set(CC_SRC, flags);
    this.finish(Cc.FLAGS);
    this.knownCarry = carry;
    this.costlySource = true;
  }

  /**
   * Records an operation that leaves the flags alone when `test` is 0 (shifts by a count of 0). What set the flags is then
   * known only at run time.
   */
  setIf(test: Value, kind: Cc, size: number, dst: Value, src: Value): void {
    const { b } = this;
    b.set(CC_DST, b.select(test, dst, CC_DST));
    b.set(CC_SRC, b.select(test, src, CC_SRC));
    b.set(CC_OP, b.select(test, kind | size, CC_OP));
    this.forget();
    this.costlySource = true;
  }

  /** The instruction reads flags, though perhaps from what is known of them. */
  private reads(): void {
    if (this.inherited) this.usedContext = true;
    this.b.readsHidden();
  }

  /** All six flags as EFLAGS bits. */
  all(): Value {
    const { b } = this;
    this.reads();
    if (this.op === Cc.FLAGS) return b.copy(CC_SRC);
    return b.call(COMPUTE_FLAGS, this.op === -1 ? CC_OP : this.op, CC_DST, CC_SRC, CC_SRC2);
  }

  /** CF as 0 or 1. */
  carry(): Value {
    const { b } = this;
    this.reads();
    if (this.knownCarry) return this.knownCarry;
    if (this.op === -1) return b.and(this.all(), CF);
    if (carryInSource(this.op)) return b.copy(CC_SRC);
    const test = this.carryTest();
    return b.setcond(test.cond, test.a, test.b);
  }

  /** Makes CC_SRC the carry, 0 or 1, as INC and DEC keep it. */
  keepCarry(): void {
    this.reads();
    if (!carryInSource(this.op)) this.b.set(CC_SRC, this.carry());
  }

  /** The value in the operand size, zero-extended (`signed`: sign-extended). */
  private narrow(value: Value, signed: boolean): Value {
    const size = this.op & 3;
    if (size === 2) return value;
    return signed ? this.b.sextract(value, 0, 8 << size) : this.b.extract(value, 0, 8 << size);
  }

  private subLeft(): Value {
    return this.left ?? this.b.add(CC_DST, this.right);
  }

  /** A test for CF; the operation is known. */
  private carryTest(): Test {
    const { b } = this;
    const top = (8 << (this.op & 3)) - 1;
    switch (this.op & KIND_MASK) {
      case Cc.FLAGS:
        if (this.knownCarry) return { cond: Cond.NE, a: this.knownCarry, b: ZERO };
        return { cond: Cond.TSTNE, a: CC_SRC, b: const32(CF) };
      case Cc.ADD:
        return { cond: Cond.LTU, a: this.narrow(CC_DST, false), b: this.narrow(CC_SRC, false) };
      case Cc.SUB:
        return { cond: Cond.LTU, a: this.narrow(this.subLeft(), false), b: this.narrow(this.right, false) };
      case Cc.LOGIC:
        return { cond: Cond.NE, a: ZERO, b: ZERO };
      case Cc.SHL:
        return { cond: Cond.TSTNE, a: CC_SRC, b: const32(1 << top) };
      case Cc.SHR:
        return { cond: Cond.TSTNE, a: CC_SRC, b: const32(1) };
      case Cc.ADC: {
        // The sum wrapped, or it equals b with a carry in: dst <u b + carry without overflow of b + carry.
        const dst = this.narrow(CC_DST, false);
        const src = this.narrow(CC_SRC, false);
        const below = b.setcond(Cond.LTU, dst, src);
        const equal = b.setcond(Cond.EQ, dst, src);
        return { cond: Cond.NE, a: b.or(below, b.and(equal, CC_SRC2)), b: ZERO };
      }
      case Cc.SBB: {
        const src = this.narrow(CC_SRC, false);
        const left = this.narrow(b.add(b.add(CC_DST, CC_SRC), CC_SRC2), false);
        const below = b.setcond(Cond.LTU, left, src);
        const equal = b.setcond(Cond.EQ, left, src);
        return { cond: Cond.NE, a: b.or(below, b.and(equal, CC_SRC2)), b: ZERO };
      }
      case Cc.IMUL:
        return this.productTest();
      default:
        // INC, DEC, MUL.
        return { cond: Cond.NE, a: CC_SRC, b: ZERO };
    }
  }

  /** Whether the signed product of CC_SRC and CC_SRC2 does not fit: its high half is no sign extension. */
  private productTest(): Test {
    const { b } = this;
    const product = b.emit('mul_i64', b.exts64(CC_SRC), b.exts64(CC_SRC2));
    return { cond: Cond.NE, a: b.high(product), b: b.sar(b.wrap(product), 31) };
  }

  /** A value whose sign bit (of the operand size) is OF, or null when it takes the general way. */
  private overflow(): Value | null {
    const { b } = this;
    switch (this.op & KIND_MASK) {
      case Cc.ADD: {
        const left = b.sub(CC_DST, CC_SRC);
        return b.and(b.not(b.xor(left, CC_SRC)), b.xor(left, CC_DST));
      }
      case Cc.SUB: {
        const left = this.subLeft();
        return b.and(b.xor(left, this.right), b.xor(left, CC_DST));
      }
      case Cc.SHL:
      case Cc.SHR:
        return b.xor(CC_DST, CC_SRC);
      default:
        return null;
    }
  }

  /** 1 when the result is 0, else 0; the operation is known. */
  private zero(): Value {
    return this.b.setcond(Cond.EQ, this.narrow(CC_DST, false), 0);
  }

  /** A number with the sign of the exact sum, SF ^ OF, after ADD. */
  private exactSign(): Value {
    return this.narrow(this.b.xor(this.overflow()!, CC_DST), true);
  }

  /**
   * The test of condition code `code` (0-15, as in Jcc, SETcc, CMOVcc: O NO B NB Z NZ BE NBE S NS P NP L NL LE NLE). Values
   * in it are good until the next write of a register.
   */
  test(code: number): Test {
    this.reads();
    const test = this.positive(code & ~1);
    return code & 1 ? { cond: test.cond ^ 1, a: test.a, b: test.b } : test;
  }

  private positive(code: number): Test {
    const { b } = this;
    if (this.op === -1) return this.fromBits(code, this.all());
    const kind = this.op & KIND_MASK;
    if (kind === Cc.FLAGS) return code === 2 ? this.carryTest() : this.fromBits(code, CC_SRC);
    switch (code) {
      case 0x0: {
        if (kind === Cc.LOGIC) return { cond: Cond.NE, a: ZERO, b: ZERO };
        if (kind === Cc.MUL) return { cond: Cond.NE, a: CC_SRC, b: ZERO };
        if (kind === Cc.IMUL) return this.productTest();
        const least = 1 << ((8 << (this.op & 3)) - 1);
        if (kind === Cc.INC || kind === Cc.DEC) {
          return {
            cond: Cond.EQ,
            a: this.narrow(CC_DST, false),
            b: this.narrow(const32(kind === Cc.INC ? least : ~least), false),
          };
        }
        const overflow = this.overflow();
        if (overflow) return { cond: Cond.TSTNE, a: overflow, b: const32(1 << ((8 << (this.op & 3)) - 1)) };
        break;
      }
      case 0x2:
        return this.carryTest();
      case 0x4:
        if (kind === Cc.SUB && this.left)
          return { cond: Cond.EQ, a: this.narrow(this.left, false), b: this.narrow(this.right, false) };
        return { cond: Cond.EQ, a: this.narrow(CC_DST, false), b: ZERO };
      case 0x6:
        if (kind === Cc.SUB)
          return { cond: Cond.LEU, a: this.narrow(this.subLeft(), false), b: this.narrow(this.right, false) };
        if (kind === Cc.LOGIC) return { cond: Cond.EQ, a: this.narrow(CC_DST, false), b: ZERO };
        return { cond: Cond.NE, a: b.or(this.carry(), this.zero()), b: ZERO };
      case 0x8:
        return { cond: Cond.LT, a: this.narrow(CC_DST, true), b: ZERO };
      case 0xa:
        return { cond: Cond.TSTEQ, a: b.popcnt(b.and(CC_DST, 0xff)), b: const32(1) };
      case 0xc:
        if (kind === Cc.SUB)
          return { cond: Cond.LT, a: this.narrow(this.subLeft(), true), b: this.narrow(this.right, true) };
        if (kind === Cc.LOGIC) return { cond: Cond.LT, a: this.narrow(CC_DST, true), b: ZERO };
        if (kind === Cc.INC) return { cond: Cond.LT, a: this.narrow(b.add(CC_DST, -1), true), b: const32(-1) };
        if (kind === Cc.DEC) return { cond: Cond.LT, a: this.narrow(b.add(CC_DST, 1), true), b: const32(1) };
        if (kind === Cc.ADD) return { cond: Cond.LT, a: this.exactSign(), b: ZERO };
        break;
      case 0xe:
        if (kind === Cc.SUB)
          return { cond: Cond.LE, a: this.narrow(this.subLeft(), true), b: this.narrow(this.right, true) };
        if (kind === Cc.LOGIC) return { cond: Cond.LE, a: this.narrow(CC_DST, true), b: ZERO };
        if (kind === Cc.INC) return { cond: Cond.LE, a: this.narrow(b.add(CC_DST, -1), true), b: const32(-1) };
        if (kind === Cc.DEC) return { cond: Cond.LE, a: this.narrow(b.add(CC_DST, 1), true), b: const32(1) };
        if (kind === Cc.ADD) {
          return { cond: Cond.NE, a: b.or(b.setcond(Cond.LT, this.exactSign(), 0), this.zero()), b: ZERO };
        }
        break;
    }
    return this.fromBits(code, this.all());
  }

  private fromBits(code: number, flags: Value): Test {
    const { b } = this;
    switch (code) {
      case 0x0:
        return { cond: Cond.TSTNE, a: flags, b: const32(OF) };
      case 0x2:
        return { cond: Cond.TSTNE, a: flags, b: const32(CF) };
      case 0x4:
        return { cond: Cond.TSTNE, a: flags, b: const32(ZF) };
      case 0x6:
        return { cond: Cond.TSTNE, a: flags, b: const32(CF | ZF) };
      case 0x8:
        return { cond: Cond.TSTNE, a: flags, b: const32(SF) };
      case 0xa:
        return { cond: Cond.TSTNE, a: flags, b: const32(PF) };
      case 0xc:
        return { cond: Cond.TSTNE, a: b.xor(b.shr(flags, 4), flags), b: const32(SF) };
      default:
        return {
          cond: Cond.TSTNE,
          a: b.or(b.and(b.xor(b.shr(flags, 4), flags), SF), b.and(flags, ZF)),
          b: const32(SF | ZF),
        };
    }
  }
}
