// The x87 instructions: operands, memory formats and exceptions here; arithmetic in the softfloat helpers (wasm module x87).
import type { HelperRow } from '../../../tcg/ir/helper-table.ts';
import { Cond, MO_16, MO_32, MO_64, MO_RMW } from '../../../tcg/ir/types.ts';
import type { Value } from '../../../tcg/ir/value.ts';
import { X87_HELPERS, type X87Helper, type X87HelperName } from '../helpers/x87-table.ts';
import type { X86Mnemonic } from '../insns.ts';
import { RowBit } from '../insns-table.ts';
import { FLAG_UNMASKED, X87_MASKS } from '../mode.ts';
import { Vector } from '../vectors.ts';
import { x87Offset } from '../x87-reset.ts';
import type { Translation } from './context.ts';

/** Every x87 mnemonic. */
export type X87Mnemonic = Exclude<Extract<X86Mnemonic, `F${string}`>, 'FEMMS' | 'FXSAVE' | 'FXRSTOR'>;

type Handler = (t: Translation) => void;

const rows: Partial<Record<X87HelperName, HelperRow>> = {};

/** The IR helper row of an x87 helper, made from its table row at first use. */
export function x87Helper(name: X87HelperName): HelperRow {
  const known = rows[name];
  if (known) return known;
  const row: X87Helper = X87_HELPERS[name];
  return (rows[name] = {
    name,
    args: row.args,
    result: row.result === 'void' ? null : row.result,
    sideEffects: row.fpu === 'writes' || row.memory === 'writes',
    raises: row.memory !== 'none',
    module: 'x87',
  });
}

/**
 * `probe`: raises #PF unless `length` bytes at an address may be read (0) or written (1); drops translations there. The last
 * argument is how many bytes the CPU looks at before it looks at the end.
 */
export const PROBE: HelperRow = {
  name: 'probe',
  args: ['i32', 'i32', 'i32', 'i32'],
  result: null,
  raises: true,
  sideEffects: true,
};

/** ES in the status word: an unmasked exception waits to be reported. */
const ERROR_SUMMARY = 0x80;

const FPSW = x87Offset('fpsw');
const FPCW = x87Offset('fpcw');
const FPTOP = x87Offset('fptop');
const FPEMPTY = x87Offset('fpempty');
const FPSTORE = x87Offset('fpstore');
const SCRATCH = x87Offset('fpscratch');
const SCRATCH_HIGH = x87Offset('fpscratchhi');

/** #MF for an exception an earlier instruction left pending; none is while all are masked. */
export function waitForX87(t: Translation): void {
  if (!(t.mode & FLAG_UNMASKED)) return;
  const { b } = t;
  const fine = b.label();
  b.brcond(Cond.TSTEQ, b.envLoad(FPSW), ERROR_SUMMARY, fine);
  t.fault(Vector.MF);
  b.place(fine);
}

/** Wraps a handler in what all waiting, non-control instructions share. */
function arithmetic(handler: Handler): Handler {
  return (t) => {
    waitForX87(t);
    if (!t.isMem(t.dst)) t.noteX87(null);
    handler(t);
  };
}

function waiting(handler: Handler): Handler {
  return (t) => {
    if (!(t.insn.row.bits & RowBit.NoWait)) waitForX87(t);
    handler(t);
  };
}

/** A helper call without operands. */
function plain(name: X87HelperName, ...args: number[]): Handler {
  return arithmetic((t) => {
    t.b.call(x87Helper(name), ...args);
  });
}

/** The register number of the operand that is ST(i). */
function st(t: Translation): number {
  return t.insn.modrm & 7;
}

type Arithmetic = 'fadd' | 'fsub' | 'fsubr' | 'fmul' | 'fdiv' | 'fdivr';

/** FADD, FSUB … with a register or a real memory operand. */
function real(name: Arithmetic, pop = 0): Handler {
  return arithmetic((t) => {
    const { b, dst } = t;
    if (t.isMem(dst)) {
      b.call(dst.size === 4 ? x87Helper(`${name}_m32`) : x87Helper(`${name}_m64`), memoryOperand(t));
      return;
    }
    b.call(x87Helper(`${name}_r`), dst.num, t.src.num, pop);
  });
}

/** A memory operand of four or eight bytes, as i32 or i64. */
function memoryOperand(t: Translation): Value {
  const address = t.address();
  const value = t.dst.size === 4 ? t.load(address, 4) : t.b.load64(address, MO_64 | t.align);
  t.noteX87(address);
  return value;
}

/** The low eight and the high two bytes of a ten-byte operand. */
function tenBytes(t: Translation): [Value, Value] {
  const { b } = t;
  const address = t.address();
  const low = b.load64(address, MO_64 | t.align);
  const high = b.load(b.add(address, 8), MO_16);
  t.noteX87(address);
  return [low, high];
}

/** A 16- or 32-bit integer operand, sign-extended. */
function integerOperand(t: Translation): Value {
  const address = t.address();
  const value = t.load(address, t.dst.size, true);
  t.noteX87(address);
  return value;
}

/** FIADD, FISUB … */
function integer(name: 'fiadd' | 'fisub' | 'fisubr' | 'fimul' | 'fidiv' | 'fidivr'): Handler {
  return arithmetic((t) => {
    t.b.call(x87Helper(name), integerOperand(t));
  });
}

/** FCOM, FCOMP with a register or a real memory operand. */
function compare(name: 'fcom' | 'fucom', pops: number): Handler {
  return arithmetic((t) => {
    const { b, dst } = t;
    if (!t.isMem(dst)) {
      b.call(x87Helper(`${name}_r`), pops === 2 ? 1 : st(t), pops);
      return;
    }
    b.call(dst.size === 4 ? x87Helper('fcom_m32') : x87Helper('fcom_m64'), memoryOperand(t), pops);
  });
}

/** FCOMI family: ZF, PF and CF by the comparison, the other arithmetic flags cleared. */
function compareFlags(name: 'fcomi' | 'fucomi', pop: number): Handler {
  return arithmetic((t) => {
    t.flags.setAll(t.b.call(x87Helper(name), st(t), pop));
  });
}

/** FLD: single, double, extended or ST(i). */
const load = arithmetic((t) => {
  const { b, dst } = t;
  if (!t.isMem(dst)) {
    b.call(x87Helper('fld_st'), st(t));
    return;
  }
  if (dst.size === 10) b.call(x87Helper('fld_m80'), ...tenBytes(t));
  else b.call(dst.size === 4 ? x87Helper('fld_m32') : x87Helper('fld_m64'), memoryOperand(t));
});

/** FILD: 16, 32 or 64 bits. */
const loadInteger = arithmetic((t) => {
  const { b } = t;
  if (t.dst.size < 8) b.call(x87Helper('fild'), integerOperand(t));
  else b.call(x87Helper('fild_m64'), memoryOperand(t));
});

/**
 * Stores what `compute` returns (low part, and high part of ten-byte formats) at the memory operand, then pops if asked.
 * The destination is written with its own contents first, so that a page fault comes before the helper changes the status
 * word; nothing is written or popped when the helper says that an unmasked exception forbids it.
 */
function storeTo(t: Translation, pop: boolean, compute: () => [Value, Value | null]): void {
  const { b } = t;
  const { size } = t.dst;
  const address = b.copy(t.writeAddress());
  const memOp = (size === 2 ? MO_16 : size === 4 ? MO_32 : MO_64) | t.align;
  const upper = size === 10 ? b.add(address, 8) : null;
  if (size < 8) b.store(address, b.load(address, memOp | MO_RMW), memOp);
  else b.store64(address, b.load64(address, memOp | MO_RMW), memOp);
  if (upper) b.store(upper, b.load(upper, MO_16 | MO_RMW), MO_16);
  t.noteX87(address);
  const [low, high] = compute();
  const skip = b.label();
  // Nothing forbids the store while all exceptions are masked.
  if (t.mode & FLAG_UNMASKED) b.brcond(Cond.EQ, b.envLoad(FPSTORE), 0, skip);
  if (size < 8) b.store(address, low, memOp);
  else b.store64(address, low, memOp);
  if (upper && high) b.store(upper, high, MO_16);
  if (pop) b.call(x87Helper('fpop'));
  b.place(skip);
}

/** FST, FSTP: single, double, extended or ST(i). */
function store(pop: number): Handler {
  return arithmetic((t) => {
    const { b, dst } = t;
    if (!t.isMem(dst)) {
      b.call(x87Helper('fst_st'), st(t), pop);
      return;
    }
    storeTo(t, pop === 1, () => {
      if (dst.size === 4) return [b.call(x87Helper('fst_m32')), null];
      if (dst.size === 8) return [b.call(x87Helper('fst_m64')), null];
      b.call(x87Helper('fst_m80'));
      return fromScratch(t);
    });
  });
}

function fromScratch(t: Translation): [Value, Value] {
  const { b } = t;
  return [b.emit('env_ld_i64', null, null, null, SCRATCH, MO_64), b.envLoad(SCRATCH_HIGH)];
}

/** The undocumented FSTP (D9 D8): an empty ST(0) is popped without an exception, and nothing is stored. */
const storeUnchecked = arithmetic((t) => {
  const { b } = t;
  const empty = b.label();
  const done = b.label();
  b.brcond(Cond.TSTNE, b.shr(b.envLoad(FPEMPTY), b.envLoad(FPTOP)), 1, empty);
  b.call(x87Helper('fst_st'), st(t), 1);
  b.br(done);
  b.place(empty);
  b.call(x87Helper('fincstp'));
  b.place(done);
});

/** FNOP; the FNENI, FNDISI and FNSETPM of old coprocessors do not even count as the last instruction. */
const lastingNop = arithmetic(() => {});
function fnop(t: Translation): void {
  if ((t.insn.row.bits & RowBit.NoWait) === 0) lastingNop(t);
}

/** FIST, FISTP, FISTTP. */
function storeInteger(pop: boolean, truncate: number): Handler {
  return arithmetic((t) => {
    const { b, dst } = t;
    const name = dst.size === 2 ? 'fist_m16' : dst.size === 4 ? 'fist_m32' : 'fist_m64';
    storeTo(t, pop, () => [b.call(x87Helper(name), truncate), null]);
  });
}

/** FBLD. */
const loadBcd = arithmetic((t) => {
  t.b.call(x87Helper('fbld'), ...tenBytes(t));
});

/** FBSTP. */
const storeBcd = arithmetic((t) => {
  storeTo(t, true, () => {
    t.b.call(x87Helper('fbst'));
    return fromScratch(t);
  });
});

/** FCMOVcc: an empty register is a stack fault whatever the condition. */
const conditionalMove = arithmetic((t) => {
  const { b } = t;
  const test = t.flags.test(t.insn.cond);
  b.call(x87Helper('fcmov'), st(t), b.setcond(test.cond, test.a, test.b));
});

/**
 * FNSTENV, FLDENV, FNSAVE, FRSTOR: the image's format is 0 for 16-bit, 1 for 32-bit operand size. Afterwards other masks may
 * hold, and the helper may have written over code behind this instruction: the block ends.
 */
function image(name: 'fnstenv' | 'fldenv' | 'fnsave' | 'frstor', writes: number): Handler {
  return waiting((t) => {
    const { b } = t;
    const address = b.copy(writes ? t.writeAddress() : t.address());
    if (t.align) t.faultIf(Vector.AC, Cond.TSTNE, address, t.insn.operandSize - 1);
    b.call(PROBE, address, t.dst.size, writes, t.insn.operandSize);
    t.settle();
    b.call(x87Helper(name), address, t.insn.operandSize === 4 ? 1 : 0);
    t.forgetX87();
    t.endForModeChange();
  });
}

/** FLDCW. Masking what was masked before goes straight on. */
const loadControl = waiting((t) => {
  const { b } = t;
  b.call(x87Helper('fldcw'), t.load(t.address(), 2));
  if (t.mode & FLAG_UNMASKED) {
    t.endForModeChange();
    return;
  }
  const masked = b.label();
  b.brcond(Cond.EQ, b.and(b.envLoad(FPCW), X87_MASKS), X87_MASKS, masked);
  t.leaveForMode();
  b.place(masked);
});

/** FNSTCW and FNSTSW to memory or AX. */
function storeWord(name: 'fnstcw' | 'fnstsw'): Handler {
  return (t) => {
    const value = t.b.call(x87Helper(name));
    t.write(t.dst, value);
  };
}

/** FNINIT, which masks everything, and FNCLEX. */
function control(name: 'fninit' | 'fnclex'): Handler {
  return (t) => {
    t.b.call(x87Helper(name));
    if (name === 'fnclex') return;
    t.forgetX87();
    if (t.mode & FLAG_UNMASKED) t.endForModeChange();
  };
}

const nothing = waiting(() => {});

/** FISTTP is an instruction of SSE3. */
export const X87_HANDLERS: Record<X87Mnemonic, Handler> = {
  F2XM1: plain('f2xm1'),
  FABS: plain('fabs'),
  FADD: real('fadd'),
  FADDP: real('fadd', 1),
  FBLD: loadBcd,
  FBSTP: storeBcd,
  FCHS: plain('fchs'),
  FCMOVcc: conditionalMove,
  FCOM: compare('fcom', 0),
  FCOMI: compareFlags('fcomi', 0),
  FCOMIP: compareFlags('fcomi', 1),
  FCOMP: compare('fcom', 1),
  FCOMPP: compare('fcom', 2),
  FCOS: plain('fcos'),
  FDECSTP: plain('fdecstp'),
  FDIV: real('fdiv'),
  FDIVP: real('fdiv', 1),
  FDIVR: real('fdivr'),
  FDIVRP: real('fdivr', 1),
  FFREE: register('ffree', 0),
  FFREEP: register('ffree', 1),
  FIADD: integer('fiadd'),
  FICOM: compareInteger(0),
  FICOMP: compareInteger(1),
  FIDIV: integer('fidiv'),
  FIDIVR: integer('fidivr'),
  FILD: loadInteger,
  FIMUL: integer('fimul'),
  FINCSTP: plain('fincstp'),
  FIST: storeInteger(false, 0),
  FISTP: storeInteger(true, 0),
  FISTTP: storeInteger(true, 1),
  FISUB: integer('fisub'),
  FISUBR: integer('fisubr'),
  FLD: load,
  FLD1: plain('fld_const', 0),
  FLDCW: loadControl,
  FLDENV: image('fldenv', 0),
  FLDL2E: plain('fld_const', 2),
  FLDL2T: plain('fld_const', 1),
  FLDLG2: plain('fld_const', 4),
  FLDLN2: plain('fld_const', 5),
  FLDPI: plain('fld_const', 3),
  FLDZ: plain('fld_const', 6),
  FMUL: real('fmul'),
  FMULP: real('fmul', 1),
  FNCLEX: control('fnclex'),
  FNINIT: control('fninit'),
  FNOP: fnop,
  FNSAVE: image('fnsave', 1),
  FNSTCW: storeWord('fnstcw'),
  FNSTENV: image('fnstenv', 1),
  FNSTSW: storeWord('fnstsw'),
  FPATAN: plain('fpatan'),
  FPREM: plain('fprem', 0),
  FPREM1: plain('fprem', 1),
  FPTAN: plain('fptan'),
  FRNDINT: plain('frndint'),
  FRSTOR: image('frstor', 0),
  FSCALE: plain('fscale'),
  FSIN: plain('fsin'),
  FSINCOS: plain('fsincos'),
  FSQRT: plain('fsqrt'),
  FST: store(0),
  FSTP: store(1),
  FSTPNCE: storeUnchecked,
  FSUB: real('fsub'),
  FSUBP: real('fsub', 1),
  FSUBR: real('fsubr'),
  FSUBRP: real('fsubr', 1),
  FTST: plain('ftst'),
  FUCOM: compare('fucom', 0),
  FUCOMI: compareFlags('fucomi', 0),
  FUCOMIP: compareFlags('fucomi', 1),
  FUCOMP: compare('fucom', 1),
  FUCOMPP: compare('fucom', 2),
  FWAIT: nothing,
  FXAM: plain('fxam'),
  FXCH: register('fxch'),
  FXTRACT: plain('fxtract'),
  FYL2X: plain('fyl2x'),
  FYL2XP1: plain('fyl2xp1'),
};

/** An instruction on ST(i). */
function register(name: 'ffree' | 'fxch', ...more: number[]): Handler {
  return arithmetic((t) => {
    t.b.call(x87Helper(name), st(t), ...more);
  });
}

/** FICOM, FICOMP. */
function compareInteger(pop: number): Handler {
  return arithmetic((t) => {
    t.b.call(x87Helper('ficom'), integerOperand(t), pop);
  });
}
