// The manual's operand letters, and the shared, immutable descriptors that a decoded operand is: registers, memory of a
// size, immediates. Values (address parts, immediates, branch target) are in the Insn.

/** What an operand is; Operand.num and Operand.size say which one. */
export enum OperandKind {
  /** no operand in this place */
  None,
  /** bits 7:0 of general register num */
  Reg8,
  /** bits 15:8 of general register num (AH CH DH BH are 0 1 2 3) */
  Reg8High,
  Reg16,
  Reg32,
  /** 64-bit mode only */
  Reg64,
  /** memory at the effective address of the Insn (ModRM or moffs), size bytes; 0 where the instruction decides */
  Mem,
  /** the string source eaSegment:(E)SI, size bytes */
  StringSource,
  /** the string destination ES:(E)DI (never overridden), size bytes */
  StringDest,
  /** Insn.imm (num 0) or Insn.imm2 (num 1) */
  Imm,
  /** branch to Insn.target */
  Rel,
  /** far pointer: offset in Insn.imm, selector in Insn.imm2 */
  Far,
  /** segment register num: 0-5 are ES CS SS DS FS GS */
  Seg,
  Control,
  Debug,
  /** x87 stack register ST(num) */
  St,
  Mmx,
  Xmm,
}

/** One operand. Interned: two operands of the same register are the same object. */
export class Operand {
  readonly kind: OperandKind;
  readonly num: number;
  /** bytes */
  readonly size: number;

  constructor(kind: OperandKind, num: number, size: number) {
    this.kind = kind;
    this.num = num;
    this.size = size;
  }
}

/** Segment register numbers as in Sreg fields. */
export const SEG_ES = 0;
export const SEG_CS = 1;
export const SEG_SS = 2;
export const SEG_DS = 3;
export const SEG_FS = 4;
export const SEG_GS = 5;

/** The descriptor for an absent operand. */
export const NO_OPERAND = new Operand(OperandKind.None, 0, 0);

function bank(kind: OperandKind, count: number, size: number): Operand[] {
  const registers: Operand[] = [];
  for (let num = 0; num < count; num++) registers.push(new Operand(kind, num, size));
  return registers;
}

// Indexed by the register number of an encoding; NO_OPERAND marks a number that is #UD.
const REG16 = bank(OperandKind.Reg16, 8, 2);
const REG32 = bank(OperandKind.Reg32, 8, 4);
const REG64 = bank(OperandKind.Reg64, 8, 8);
const REG8 = bank(OperandKind.Reg8, 4, 1);
for (let num = 0; num < 4; num++) REG8.push(new Operand(OperandKind.Reg8High, num, 1));
const SEG = bank(OperandKind.Seg, 6, 2);
SEG.push(NO_OPERAND, NO_OPERAND);
const LOADABLE_SEG = SEG.slice();
LOADABLE_SEG[SEG_CS] = NO_OPERAND;

const memo = new Map<number, Operand>();

/** The one descriptor for an operand that is not a register. */
function intern(kind: OperandKind, num: number, size: number): Operand {
  const key = (kind << 16) | (num << 12) | size;
  let operand = memo.get(key);
  if (operand === undefined) {
    operand = new Operand(kind, num, size);
    memo.set(key, operand);
  }
  return operand;
}

/** How an operand is found from the bytes. */
export enum OperandSource {
  Absent,
  /** the same for every ModRM */
  Fixed,
  /** the register of ModRM.reg */
  Reg,
  /** the register of ModRM.rm, or memory */
  Rm,
}

/** Immediate bytes an operand string asks for, in encoding order. */
export enum ImmediateForm {
  None,
  /** no bytes, the value 1 */
  One,
  /** a byte, zero-extended */
  Ib,
  /** a byte, sign-extended to the operand size */
  Ibs,
  Iw,
  /** a word or, for operand sizes 4 and 8, a sign-extended doubleword */
  Iz,
  /** as Iz (eight bytes at operand size 8 are still to come) */
  Iv,
  /** relative branch, a sign-extended byte */
  Jb,
  /** relative branch, a word or doubleword */
  Jz,
  /** offset of the operand size, selector */
  Ap,
  /** an offset of the address size */
  O,
  /** a word, then a byte */
  IwIb,
  /** two bytes */
  IbIb,
}

/** One operand letter string, ready for use: what it is for each operand size. Interned by the string. */
export class OperandSpec {
  source: OperandSource = OperandSource.Absent;
  /** Fixed: the operand; Rm: the memory form; by operand size in bytes */
  at2: Operand = NO_OPERAND;
  at4: Operand = NO_OPERAND;
  at8: Operand = NO_OPERAND;
  /** Reg, Rm: registers by number, by operand size in bytes */
  regs2: Operand[] = SEG;
  regs4: Operand[] = SEG;
  regs8: Operand[] = SEG;
  immediate: ImmediateForm = ImmediateForm.None;
  /** needs a ModRM byte */
  modrm = false;
  /** mod = 3 is #UD / mod other than 3 is #UD */
  memOnly = false;
  regOnly = false;
}

/** The spec of an absent operand. */
export const NO_SPEC = new OperandSpec();

function fixed(spec: OperandSpec, at2: Operand, at4: Operand, at8: Operand): OperandSpec {
  spec.source = OperandSource.Fixed;
  spec.at2 = at2;
  spec.at4 = at4;
  spec.at8 = at8;
  return spec;
}

function fixedBySize(spec: OperandSpec, kind: OperandKind, type: string, num = 0): OperandSpec {
  return fixed(
    spec,
    intern(kind, num, sizeOf(type, 2)),
    intern(kind, num, sizeOf(type, 4)),
    intern(kind, num, sizeOf(type, 8)),
  );
}

/**
 * Bytes of an operand type, the lower-case part of the manual's notation, at an operand size of 2, 4 or 8 bytes.
 * Additions to the manual: 'bs' a sign-extended byte, 't' ten bytes, 'n' x87 environment, 'e' x87 state.
 */
function sizeOf(type: string, operandSize: number): number {
  switch (type) {
    case '':
      return 0;
    case 'b':
      return 1;
    case 'w':
      return 2;
    case 'd':
    case 'ss':
      return 4;
    case 'q':
    case 'sd':
      return 8;
    case 'dq':
    case 'x':
    case 'ps':
    case 'pd':
      return 16;
    case 't':
      return 10;
    case 'v':
    case 'bs':
      return operandSize;
    case 'y':
      return operandSize === 8 ? 8 : 4;
    case 'z':
      return operandSize === 2 ? 2 : 4;
    case 'a':
      return 2 * operandSize;
    case 'p':
      return operandSize + 2;
    // 16-bit operand size still moves a 16-bit limit and a 32-bit base (the top byte is dropped)
    case 's':
      return operandSize === 8 ? 10 : 6;
    case 'n':
      return operandSize === 2 ? 14 : 28;
    case 'e':
      return operandSize === 2 ? 94 : 108;
    default:
      throw new Error(`x86 operand type '${type}' is unknown`);
  }
}

function generalRegisters(size: number): Operand[] {
  return size === 1 ? REG8 : size === 2 ? REG16 : size === 4 ? REG32 : REG64;
}

function useGeneralRegisters(spec: OperandSpec, source: OperandSource, type: string): OperandSpec {
  spec.source = source;
  spec.modrm = true;
  spec.regs2 = generalRegisters(sizeOf(type, 2));
  spec.regs4 = generalRegisters(sizeOf(type, 4));
  spec.regs8 = generalRegisters(sizeOf(type, 8));
  return spec;
}

function useRegisters(spec: OperandSpec, source: OperandSource, registers: Operand[]): OperandSpec {
  spec.source = source;
  spec.modrm = true;
  spec.regs2 = registers;
  spec.regs4 = registers;
  spec.regs8 = registers;
  return spec;
}

function useMemory(spec: OperandSpec, type: string): OperandSpec {
  spec.modrm = true;
  spec.at2 = intern(OperandKind.Mem, 0, sizeOf(type, 2));
  spec.at4 = intern(OperandKind.Mem, 0, sizeOf(type, 4));
  spec.at8 = intern(OperandKind.Mem, 0, sizeOf(type, 8));
  return spec;
}

let mmx: Operand[] | undefined;
let xmm: Operand[] | undefined;
let st: Operand[] | undefined;
let control: Operand[] | undefined;
let debug: Operand[] | undefined;

function mmxRegisters(): Operand[] {
  mmx ??= bank(OperandKind.Mmx, 8, 8);
  return mmx;
}

function xmmRegisters(): Operand[] {
  xmm ??= bank(OperandKind.Xmm, 8, 16);
  return xmm;
}

function stRegisters(): Operand[] {
  st ??= bank(OperandKind.St, 8, 10);
  return st;
}

/** CR0 CR2 CR3 CR4; the others are #UD (SDM volume 2, MOV to and from control registers; CR8 needs 64-bit mode). */
function controlRegisters(): Operand[] {
  if (control === undefined) {
    control = bank(OperandKind.Control, 5, 4);
    control[1] = NO_OPERAND;
    control.push(NO_OPERAND, NO_OPERAND, NO_OPERAND);
  }
  return control;
}

/** DR0-DR7; whether DR4 and DR5 alias DR6 and DR7 or are #UD is decided by CR4.DE when it runs. */
function debugRegisters(): Operand[] {
  debug ??= bank(OperandKind.Debug, 8, 4);
  return debug;
}

/** One operand string of a row; low3 is the low three bits of the opcode, for Z. */
function parse(text: string, low3: number): OperandSpec {
  const spec = new OperandSpec();
  switch (text) {
    case '1':
      spec.immediate = ImmediateForm.One;
      return fixedBySize(spec, OperandKind.Imm, 'b');
    case 'Ib2':
      spec.immediate = ImmediateForm.Ib;
      return fixedBySize(spec, OperandKind.Imm, 'b', 1);
    case 'AL':
      return fixed(spec, REG8[0], REG8[0], REG8[0]);
    case 'CL':
      return fixed(spec, REG8[1], REG8[1], REG8[1]);
    case 'AX':
      return fixed(spec, REG16[0], REG16[0], REG16[0]);
    case 'DX':
      return fixed(spec, REG16[2], REG16[2], REG16[2]);
    case 'eAX':
      return fixed(spec, REG16[0], REG32[0], REG32[0]);
    case 'rAX':
      return fixed(spec, REG16[0], REG32[0], REG64[0]);
    case 'ES':
      return fixed(spec, SEG[SEG_ES], SEG[SEG_ES], SEG[SEG_ES]);
    case 'CS':
      return fixed(spec, SEG[SEG_CS], SEG[SEG_CS], SEG[SEG_CS]);
    case 'SS':
      return fixed(spec, SEG[SEG_SS], SEG[SEG_SS], SEG[SEG_SS]);
    case 'DS':
      return fixed(spec, SEG[SEG_DS], SEG[SEG_DS], SEG[SEG_DS]);
    case 'FS':
      return fixed(spec, SEG[SEG_FS], SEG[SEG_FS], SEG[SEG_FS]);
    case 'GS':
      return fixed(spec, SEG[SEG_GS], SEG[SEG_GS], SEG[SEG_GS]);
    case 'ST0': {
      const top = stRegisters()[0];
      return fixed(spec, top, top, top);
    }
    case 'STi':
      return useRegisters(spec, OperandSource.Rm, stRegisters());
    case 'XMM0': {
      const first = xmmRegisters()[0];
      return fixed(spec, first, first, first);
    }
  }
  const slash = text.indexOf('/');
  if (slash >= 0) {
    // 'Rv/Mw': register form and memory form of different sizes
    const register = parse(text.slice(0, slash), low3);
    useMemory(register, text.slice(slash + 2));
    register.regOnly = false;
    return register;
  }
  const type = text.slice(1);
  switch (text[0]) {
    case 'A':
      spec.immediate = ImmediateForm.Ap;
      return fixedBySize(spec, OperandKind.Far, type);
    case 'C':
      return useRegisters(spec, OperandSource.Reg, controlRegisters());
    case 'D':
      return useRegisters(spec, OperandSource.Reg, debugRegisters());
    case 'E':
      return useMemory(useGeneralRegisters(spec, OperandSource.Rm, type), type);
    case 'G':
      return useGeneralRegisters(spec, OperandSource.Reg, type);
    case 'I':
      spec.immediate = immediateForm(type);
      return fixedBySize(spec, OperandKind.Imm, type);
    case 'J':
      spec.immediate = type === 'b' ? ImmediateForm.Jb : ImmediateForm.Jz;
      return fixedBySize(spec, OperandKind.Rel, type);
    case 'M':
      spec.memOnly = true;
      spec.source = OperandSource.Rm;
      return useMemory(spec, type);
    case 'N':
      spec.regOnly = true;
      return useRegisters(spec, OperandSource.Rm, mmxRegisters());
    case 'O':
      spec.immediate = ImmediateForm.O;
      return fixedBySize(spec, OperandKind.Mem, type);
    case 'P':
      return useRegisters(spec, OperandSource.Reg, mmxRegisters());
    case 'Q':
      return useMemory(useRegisters(spec, OperandSource.Rm, mmxRegisters()), type);
    case 'R':
      spec.regOnly = true;
      return useGeneralRegisters(spec, OperandSource.Rm, type);
    case 'S':
      return useRegisters(spec, OperandSource.Reg, type === 'l' ? LOADABLE_SEG : SEG);
    case 'U':
      spec.regOnly = true;
      return useRegisters(spec, OperandSource.Rm, xmmRegisters());
    case 'V':
      return useRegisters(spec, OperandSource.Reg, xmmRegisters());
    case 'W':
      return useMemory(useRegisters(spec, OperandSource.Rm, xmmRegisters()), type);
    case 'X':
      return fixedBySize(spec, OperandKind.StringSource, type);
    case 'Y':
      return fixedBySize(spec, OperandKind.StringDest, type);
    case 'Z':
      return fixed(
        spec,
        generalRegisters(sizeOf(type, 2))[low3],
        generalRegisters(sizeOf(type, 4))[low3],
        generalRegisters(sizeOf(type, 8))[low3],
      );
    default:
      throw new Error(`x86 operand '${text}' is unknown`);
  }
}

function immediateForm(type: string): ImmediateForm {
  switch (type) {
    case 'b':
      return ImmediateForm.Ib;
    case 'bs':
      return ImmediateForm.Ibs;
    case 'w':
      return ImmediateForm.Iw;
    case 'z':
      return ImmediateForm.Iz;
    case 'v':
      return ImmediateForm.Iv;
    default:
      throw new Error(`x86 immediate type '${type}' is unknown`);
  }
}

const specs = new Map<string, OperandSpec>();

/**
 * The spec for one operand of a row.
 *
 * Letters (SDM volume 2, appendix A.2.1): A far pointer, C control and D debug register of ModRM.reg, E general
 * register or memory of ModRM.rm, G general register of ModRM.reg, I immediate, J relative branch, M memory only,
 * N/U MMX/XMM register of ModRM.rm only, O offset without ModRM, P/V MMX/XMM register of ModRM.reg, Q/W MMX/XMM
 * register or memory of ModRM.rm, R general register of ModRM.rm only, S segment register of ModRM.reg, X/Y string
 * source/destination. Additions: Z general register in the low three opcode bits, STi x87 register of ModRM.rm,
 * Sl segment register that MOV may load (not CS), Ib2 the second immediate of a row (written Ib there), 'R./M.'
 * register and memory forms of different sizes.
 *
 * @param low3 the low three bits of the opcode
 */
export function operandSpec(text: string, low3: number): OperandSpec {
  const key = text.charCodeAt(0) === 0x5a /* Z */ ? text + low3 : text;
  let spec = specs.get(key);
  if (spec === undefined) {
    spec = parse(text, low3);
    specs.set(key, spec);
  }
  return spec;
}
