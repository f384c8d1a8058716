// Bytes to Insn: prefixes, opcode, ModRM, immediates, for 16- and 32-bit code segments.

import type { X86Mnemonic } from './insns.ts';
import { Choice, childRow, INVALID_ROW, MAPS, OpcodeMap, opcodeRow, type Row, RowBit } from './insns-table.ts';
import { type AddressParts, decodeAddress16, decodeAddress32 } from './modrm.ts';
import {
  ImmediateForm,
  NO_OPERAND,
  NO_SPEC,
  type Operand,
  OperandSource,
  type OperandSpec,
  SEG_DS,
} from './operands.ts';
import { MAX_LENGTH, PREFIX, Prefix } from './prefixes.ts';

/** What decoding depends on besides the bytes. */
export interface DecodeMode {
  /** CS.D: operand and address size are 32 bits by default */
  readonly code32: boolean;
  /** SS.B: the stack pointer is ESP. Decoding does not ask; it is part of what a translated block is keyed by. */
  readonly stack32: boolean;
}

/** Flat 32-bit code, the only mode of user programs. */
export const FLAT_32: DecodeMode = { code32: true, stack32: true };

/**
 * Where code bytes come from: a window of bytes known to be readable, moved on request. Addresses are offsets in the
 * code segment (EIP); an implementation adds the segment base. After the guest's mappings change, the owner drops the
 * window (`bytes = new Uint8Array(0)`).
 */
export abstract class CodeSource {
  /** readable and fetchable bytes */
  bytes: Uint8Array = new Uint8Array(0);
  /** address of bytes[0] */
  base = 0;

  /**
   * Moves the window so that it covers an address; it may start before it. Not called for a page whose bytes the
   * instruction does not need.
   *
   * @returns false, with the window left as it was, when the address cannot be fetched
   */
  abstract seek(address: number): boolean;
}

/** Code in one array, for tools and tests. */
export class ArrayCode extends CodeSource {
  constructor(bytes: Uint8Array, base = 0) {
    super();
    this.bytes = bytes;
    this.base = base;
  }

  seek(address: number): boolean {
    const offset = address - this.base;
    return offset >= 0 && offset < this.bytes.length;
  }
}

/** Why bytes are no instruction. */
export enum DecodeFault {
  None,
  /** #UD */
  Undefined,
  /** #GP(0): more than 15 bytes */
  TooLong,
  /** the byte at Insn.faultAddress cannot be fetched */
  Fetch,
}

/**
 * A decoded instruction. One shape, all fields always present; `decodeInto` may reuse it. With a fault, only pc, length,
 * fault, faultAddress, row and the operands (none) have a meaning.
 */
export class Insn implements AddressParts {
  /** address of the first byte, u32 */
  pc = 0;
  /** bytes; with a fault, those looked at */
  length = 0;
  fault: DecodeFault = DecodeFault.None;
  /** u32, for DecodeFault.Fetch */
  faultAddress = 0;
  /** INVALID_ROW, whose mnemonic is INVALID, when there is a fault */
  row: Row = INVALID_ROW;
  /** the last opcode byte */
  opcode = 0;

  lock = false;
  /** 0, 0xf2 (REPNE) or 0xf3 (REP, REPE): the last one given, also where it is a mandatory prefix or ignored */
  rep = 0;
  /** segment register number of an override, or -1 */
  segment = -1;
  /** bytes, 2 or 4 */
  operandSize = 4;
  /** bytes, 2 or 4 */
  addressSize = 4;

  /** the ModRM byte, or -1 */
  modrm = -1;
  base = -1;
  index = -1;
  scale = 0;
  disp = 0;
  /** segment of the memory operand, of a StringSource, and of implicit memory (XLAT, MASKMOVQ): override or default */
  eaSegment = SEG_DS;

  /** immediate: zero-extended for operands of one or two bytes, int32 for four */
  imm = 0;
  /** selector of a far pointer, second immediate of ENTER */
  imm2 = 0;
  /** relative branches: the address, u32, wrapped to the operand size */
  target = 0;

  op0: Operand = NO_OPERAND;
  op1: Operand = NO_OPERAND;
  op2: Operand = NO_OPERAND;
  op3: Operand = NO_OPERAND;

  get mnemonic(): X86Mnemonic {
    return this.row.mnemonic;
  }

  /** Condition of Jcc, SETcc, CMOVcc, FCMOVcc (0-15 in the numbering of Jcc), or -1. */
  get cond(): number {
    return this.row.cond;
  }

  /** Field of ModRM; meaningless without one. */
  get mod(): number {
    return this.modrm >> 6;
  }

  get reg(): number {
    return (this.modrm >> 3) & 7;
  }

  get rm(): number {
    return this.modrm & 7;
  }

  /** Address of the next instruction, u32. */
  get next(): number {
    return (this.pc + this.length) >>> 0;
  }
}

/** More than decodeAt ever reads: 14 prefixes, 3 opcode bytes, ModRM, SIB, 4 + 6 bytes. */
const READ_AHEAD = 32;

/** Bytes of an instruction near the end of the window, and zeros where none are known. */
const border = new Uint8Array(READ_AHEAD);

/**
 * Decodes the instruction at an address.
 *
 * @param pc u32
 */
export function decode(code: CodeSource, pc: number, mode: DecodeMode): Insn {
  return decodeInto(new Insn(), code, pc, mode);
}

/** As decode, into an Insn that may have been used before; returns it. */
export function decodeInto(insn: Insn, code: CodeSource, pc: number, mode: DecodeMode): Insn {
  const offset = pc - code.base;
  if (offset >= 0 && offset + READ_AHEAD <= code.bytes.length) decodeAt(insn, code.bytes, offset, pc, mode);
  else decodeAcross(insn, code, pc, mode);
  return insn;
}

/**
 * Decodes where the window may end within the instruction. Bytes are taken as zero until the length shows that they
 * are needed: everything before is known by then, so the decoder would have asked for exactly that byte.
 */
function decodeAcross(insn: Insn, code: CodeSource, pc: number, mode: DecodeMode): void {
  let have = 0;
  for (;;) {
    const address = (pc + have) >>> 0;
    let offset = address - code.base;
    if (!(offset >= 0 && offset < code.bytes.length)) {
      if (!code.seek(address)) {
        fail(insn, DecodeFault.Fetch, pc, have);
        insn.faultAddress = address;
        return;
      }
      offset = address - code.base;
    }
    const bytes = code.bytes;
    while (have < READ_AHEAD && offset < bytes.length) border[have++] = bytes[offset++];
    border.fill(0, have);
    decodeAt(insn, border, 0, pc, mode);
    if (Math.min(insn.length, MAX_LENGTH) <= have) return;
  }
}

function fail(insn: Insn, fault: DecodeFault, pc: number, length: number): void {
  insn.pc = pc;
  insn.length = length;
  insn.fault = length > MAX_LENGTH ? DecodeFault.TooLong : fault;
  insn.faultAddress = 0;
  insn.row = INVALID_ROW;
  insn.op0 = NO_OPERAND;
  insn.op1 = NO_OPERAND;
  insn.op2 = NO_OPERAND;
  insn.op3 = NO_OPERAND;
}

/** Decodes bytes[start...]; READ_AHEAD bytes must be there. Reads strictly in order. */
function decodeAt(insn: Insn, bytes: Uint8Array, start: number, pc: number, mode: DecodeMode): void {
  const defaultSize = mode.code32 ? 4 : 2;
  let operandSize = defaultSize;
  let addressSize = defaultSize;
  let lock = false;
  let rep = 0;
  let segment = -1;
  let at = start;
  let byte = bytes[at++];
  for (let prefix = PREFIX[byte]; prefix !== Prefix.None; prefix = PREFIX[byte]) {
    if (prefix >= Prefix.Segment) segment = prefix - Prefix.Segment;
    else if (prefix === Prefix.OperandSize) operandSize = 6 - defaultSize;
    else if (prefix === Prefix.AddressSize) addressSize = 6 - defaultSize;
    else if (prefix === Prefix.Lock) lock = true;
    else rep = byte;
    if (at - start >= MAX_LENGTH) {
      fail(insn, DecodeFault.TooLong, pc, MAX_LENGTH + 1);
      return;
    }
    byte = bytes[at++];
  }

  let map = OpcodeMap.OneByte;
  if (byte === 0x0f) {
    byte = bytes[at++];
    map = OpcodeMap.TwoByte;
    if (byte === 0x38) {
      byte = bytes[at++];
      map = OpcodeMap.ZeroF38;
    } else if (byte === 0x3a) {
      byte = bytes[at++];
      map = OpcodeMap.ZeroF3A;
    }
  }
  let row = MAPS[map][byte] ?? opcodeRow(map, byte);
  let modrm = -1;
  while (row.choice !== Choice.Leaf) {
    let place: number;
    if (row.choice === Choice.ByPrefix) {
      place = rep === 0xf3 ? 2 : rep === 0xf2 ? 3 : operandSize !== defaultSize ? 1 : 0;
    } else {
      if (modrm < 0) modrm = bytes[at++];
      place = modrm < 0xc0 ? (modrm >> 3) & 7 : modrm - 0xb8;
    }
    row = row.children[place] ?? childRow(row, place);
  }
  const bits = row.bits;
  if (row === INVALID_ROW) {
    fail(insn, DecodeFault.Undefined, pc, at - start);
    return;
  }
  // Processors fetch all of what is undefined in its operands before they say so: it may be too long, or not be there.
  let undefinedForm = (bits & RowBit.Undefined) !== 0;

  let rm = -1;
  insn.base = -1;
  insn.index = -1;
  insn.scale = 0;
  insn.disp = 0;
  insn.eaSegment = segment >= 0 ? segment : SEG_DS;
  if (bits & RowBit.Modrm) {
    if (modrm < 0) modrm = bytes[at++];
    if (modrm >= 0xc0 || bits & RowBit.ModIgnored) {
      if (bits & RowBit.MemOnly) undefinedForm = true;
      rm = modrm & 7;
    } else {
      if (bits & RowBit.RegOnly) undefinedForm = true;
      if (addressSize === 4) at = decodeAddress32(insn, bytes, at, modrm, segment);
      else at = decodeAddress16(insn, bytes, at, modrm, segment);
    }
  }
  if (lock && (rm >= 0 || (bits & RowBit.Lockable) === 0)) undefinedForm = true;

  let imm = 0;
  let imm2 = 0;
  let relative = false;
  if (row.immediate !== ImmediateForm.None) {
    switch (row.immediate) {
      case ImmediateForm.One:
        imm = 1;
        break;
      case ImmediateForm.Ib:
        imm = bytes[at++];
        break;
      case ImmediateForm.Ibs:
        imm = (bytes[at++] << 24) >> 24;
        if (operandSize === 2) imm &= 0xffff;
        break;
      case ImmediateForm.Iw:
        imm = bytes[at] | (bytes[at + 1] << 8);
        at += 2;
        break;
      case ImmediateForm.Iz:
      case ImmediateForm.Iv:
      case ImmediateForm.Ap:
        imm = bytes[at] | (bytes[at + 1] << 8);
        at += 2;
        if (operandSize === 4) {
          imm |= (bytes[at] << 16) | (bytes[at + 1] << 24);
          at += 2;
        }
        if (row.immediate === ImmediateForm.Ap) {
          imm2 = bytes[at] | (bytes[at + 1] << 8);
          at += 2;
        }
        break;
      case ImmediateForm.Jb:
        imm = (bytes[at++] << 24) >> 24;
        relative = true;
        break;
      case ImmediateForm.Jz:
        imm = bytes[at] | (bytes[at + 1] << 8);
        at += 2;
        if (operandSize === 4) {
          imm |= (bytes[at] << 16) | (bytes[at + 1] << 24);
          at += 2;
        }
        relative = true;
        break;
      case ImmediateForm.O:
        insn.disp = bytes[at] | (bytes[at + 1] << 8);
        at += 2;
        if (addressSize === 4) {
          insn.disp |= (bytes[at] << 16) | (bytes[at + 1] << 24);
          at += 2;
        }
        break;
      case ImmediateForm.IwIb:
        imm = bytes[at] | (bytes[at + 1] << 8);
        imm2 = bytes[at + 2];
        at += 3;
        break;
      case ImmediateForm.IbIb:
        imm = bytes[at];
        imm2 = bytes[at + 1];
        at += 2;
        break;
    }
  }
  if (bits & RowBit.ThreeDNow) {
    row = MAPS[OpcodeMap.ThreeDNow][imm] ?? opcodeRow(OpcodeMap.ThreeDNow, imm);
    if (row === INVALID_ROW) {
      fail(insn, DecodeFault.Undefined, pc, at - start);
      return;
    }
  }

  const length = at - start;
  if (undefinedForm) {
    fail(insn, DecodeFault.Undefined, pc, length);
    return;
  }
  if (length > MAX_LENGTH) {
    fail(insn, DecodeFault.TooLong, pc, length);
    return;
  }
  const reg = (modrm >> 3) & 7;
  const op0 = row.spec0 === NO_SPEC ? NO_OPERAND : operandOf(row.spec0, operandSize, reg, rm);
  const op1 = row.spec1 === NO_SPEC ? NO_OPERAND : operandOf(row.spec1, operandSize, reg, rm);
  // a register number that names none: MOV of segment registers 6, 7, to CS, of CR1, CR5 ...
  if ((op0 === NO_OPERAND && row.spec0 !== NO_SPEC) || (op1 === NO_OPERAND && row.spec1 !== NO_SPEC)) {
    fail(insn, DecodeFault.Undefined, pc, length);
    return;
  }
  insn.op0 = op0;
  insn.op1 = op1;
  insn.op2 = row.spec2 === NO_SPEC ? NO_OPERAND : operandOf(row.spec2, operandSize, reg, rm);
  insn.op3 = row.spec3 === NO_SPEC ? NO_OPERAND : operandOf(row.spec3, operandSize, reg, rm);

  insn.pc = pc;
  insn.length = length;
  insn.fault = DecodeFault.None;
  insn.faultAddress = 0;
  insn.row = row;
  insn.opcode = byte;
  insn.lock = lock;
  insn.rep = rep;
  insn.segment = segment;
  insn.operandSize = operandSize;
  insn.addressSize = addressSize;
  insn.modrm = modrm;
  insn.imm = imm;
  insn.imm2 = imm2;
  if (relative) {
    const target = pc + length + imm;
    insn.target = operandSize === 2 ? target & 0xffff : target >>> 0;
  } else {
    insn.target = 0;
  }
}

/** @param rm the register number in ModRM.rm, or -1 for memory */
function operandOf(spec: OperandSpec, operandSize: number, reg: number, rm: number): Operand {
  const source = spec.source;
  if (source === OperandSource.Fixed || (source === OperandSource.Rm && rm < 0)) {
    return operandSize === 4 ? spec.at4 : operandSize === 2 ? spec.at2 : spec.at8;
  }
  const registers = operandSize === 4 ? spec.regs4 : operandSize === 2 ? spec.regs2 : spec.regs8;
  return registers[source === OperandSource.Reg ? reg : rm];
}
