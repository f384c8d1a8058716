// Collects the cases of one corpus: default state, operand helpers and the conventions all corpora share.

import { ESP, leBytes, type Mem, modrmMem, modrmReg, REG32, type Reg32 } from '../../../oracle/asm-i386.ts';
import { AF, CF, DF, type InsnCase, MEMORY_MAP, OF, PF, SF, ZF } from '../../../oracle/insn-case.ts';
import { Random } from '../../../oracle/random.ts';

export type Bits = 8 | 16 | 32;
export const SIZES: readonly Bits[] = [8, 16, 32];
/** The sizes of instructions without a byte form. */
export const WIDE: readonly Bits[] = [16, 32];

/** What a case may say beyond its code; the rest gets defaults. */
export type CaseOptions = Partial<Omit<InsnCase, 'name' | 'code' | 'regs'>> & {
  /** Registers by name, or all eight. */
  regs?: Partial<Record<Reg32, number>> | Uint32Array;
};

/** The opcode of a size: byte form, word form with an operand-size prefix, doubleword form. */
export function sized(bits: Bits, byteOpcode: number[]): number[] {
  const opcode = byteOpcode.slice();
  if (bits !== 8) opcode[opcode.length - 1]! |= 1;
  return bits === 16 ? [0x66, ...opcode] : opcode;
}

/** The opcode of a word or doubleword instruction without a byte form. */
export function wide(bits: Bits, opcode: number[]): number[] {
  return bits === 16 ? [0x66, ...opcode] : opcode;
}

/** An immediate of the operand's size. */
export function immediate(bits: Bits, value: number): number[] {
  return leBytes(value, bits / 8);
}

/** Writes a value to a register of a size, as ModRM numbers it (4-7 are AH CH DH BH when `bits` is 8). */
export function setReg(regs: Uint32Array, reg: number, bits: Bits, value: number): void {
  if (bits === 32) regs[reg] = value;
  else if (bits === 16) regs[reg] = (regs[reg]! & 0xffff0000) | (value & 0xffff);
  else if (reg < 4) regs[reg] = (regs[reg]! & 0xffffff00) | (value & 0xff);
  else regs[reg - 4] = (regs[reg - 4]! & 0xffff00ff) | ((value & 0xff) << 8);
}

const REG8 = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'];

/** Assembly name of a register. */
export function regName(reg: number, bits: Bits): string {
  if (bits === 8) return REG8[reg]!;
  return bits === 16 ? REG32[reg]!.slice(1) : REG32[reg]!;
}

/** The full register a byte register is part of. */
export function wholeReg(reg: number, bits: Bits): number {
  return bits === 8 ? reg & 3 : reg;
}

/** Places a memory operand can be at: inside a page, unaligned, across the two scratch pages, at the very end. */
export const PLACES = [
  MEMORY_MAP.DATA,
  MEMORY_MAP.DATA + 1,
  MEMORY_MAP.SCRATCH_BORDER - 1,
  MEMORY_MAP.SCRATCH_BORDER - 2,
  MEMORY_MAP.SCRATCH_BORDER - 3,
] as const;

/** A memory operand at a chosen address: its ModRM encoding, and the registers it needs. */
export interface PlacedOperand {
  text: string;
  mem: Mem;
  /** Registers the address is computed from: the case must leave their values alone. */
  used: number[];
}

export class Corpus {
  readonly name: string;
  readonly cases: InsnCase[] = [];
  readonly random: Random;

  constructor(name: string, seed: number) {
    this.name = name;
    this.random = new Random(seed);
  }

  /** Random status flags; DF and the rest clear. */
  flags(): number {
    return 2 | (this.random.u32() & (CF | PF | AF | ZF | SF | OF));
  }

  /** Eight random registers with a usable stack pointer. */
  regs(): Uint32Array {
    const regs = Uint32Array.from({ length: 8 }, () => this.random.u32());
    regs[ESP] = MEMORY_MAP.STACK;
    return regs;
  }

  /** A register number not in the list, and not ESP. */
  freeReg(...taken: number[]): number {
    for (;;) {
      const reg = this.random.below(8);
      if (reg !== ESP && !taken.includes(reg)) return reg;
    }
  }

  /** 16 bytes of initial memory around an operand: 4 before and 4 after at least. */
  around(address: number, bytes = 16): { at: number; bytes: Uint8Array } {
    return { at: address - 4, bytes: this.random.bytes(bytes) };
  }

  /** The operand [reg+disp] at an address, with its register set in `regs`. */
  place(regs: Uint32Array, address: number, ...taken: number[]): PlacedOperand {
    const base = this.freeReg(...taken);
    const disp = this.random.range(-128, 127);
    regs[base] = address - disp;
    return { text: `[${REG32[base]}${disp < 0 ? disp : `+${disp}`}]`, mem: { base, disp }, used: [base] };
  }

  add(name: string, code: number[], options: CaseOptions = {}): InsnCase {
    const { regs: given, ...rest } = options;
    let regs: Uint32Array;
    if (given instanceof Uint32Array) regs = given;
    else {
      regs = this.regs();
      REG32.forEach((reg, i) => {
        const value = given?.[reg];
        if (value !== undefined) regs[i] = value;
      });
    }
    const insn: InsnCase = {
      name,
      code: Uint8Array.from(code),
      regs,
      eflags: this.flags(),
      memory: [],
      flagMask: 0,
      ...rest,
    };
    this.cases.push(insn);
    return insn;
  }

  /**
   * One case of a read-modify-write or read-only instruction with one ModRM operand, in a register or in memory, whose
   * value is `value`.
   */
  addUnary(
    name: string,
    opcode: number[],
    extension: number,
    bits: Bits,
    value: number,
    where: number | 'memory',
    options: CaseOptions & { tail?: number[]; address?: number } = {},
  ): InsnCase {
    const { tail = [], address, ...rest } = options;
    const regs = rest.regs instanceof Uint32Array ? rest.regs : this.regs();
    if (where !== 'memory') {
      setReg(regs, where, bits, value);
      const code = [...opcode, ...modrmReg(extension, where), ...tail];
      return this.add(`${name} ${regName(where, bits)}`, code, { ...rest, regs });
    }
    const at = address ?? this.random.pick(PLACES);
    // EAX, ECX and EDX are implicit operands of many instructions.
    const operand = this.place(regs, at, 0, 1, 2);
    const memory = this.around(at);
    memory.bytes.set(leBytes(value, bits / 8), 4);
    const code = [...opcode, ...modrmMem(extension, operand.mem), ...tail];
    return this.add(`${name} ${operand.text}`, code, { ...rest, regs, memory: [memory, ...(rest.memory ?? [])] });
  }

  /** One case of an instruction with ModRM.reg = `reg` and r/m = register `rm` or memory holding `rmValue`. */
  addBinary(
    name: string,
    opcode: number[],
    bits: Bits,
    operands: { reg: number; regValue: number; rm: number | 'memory'; rmValue: number },
    options: CaseOptions & { tail?: number[]; address?: number; rmBits?: Bits } = {},
  ): InsnCase {
    const { tail = [], address, rmBits = bits, ...rest } = options;
    const regs = rest.regs instanceof Uint32Array ? rest.regs : this.regs();
    const { reg, rm } = operands;
    if (rm !== 'memory') {
      setReg(regs, rm, rmBits, operands.rmValue);
      setReg(regs, reg, bits, operands.regValue);
      const text = `${name} rm=${regName(rm, rmBits)} reg=${regName(reg, bits)}`;
      return this.add(text, [...opcode, ...modrmReg(reg, rm), ...tail], { ...rest, regs });
    }
    setReg(regs, reg, bits, operands.regValue);
    const at = address ?? this.random.pick(PLACES);
    const operand = this.place(regs, at, wholeReg(reg, bits), 0, 1, 2);
    const memory = this.around(at);
    memory.bytes.set(leBytes(operands.rmValue, rmBits / 8), 4);
    const code = [...opcode, ...modrmMem(reg, operand.mem), ...tail];
    const text = `${name} rm=${operand.text} reg=${regName(reg, bits)}`;
    return this.add(text, code, { ...rest, regs, memory: [memory, ...(rest.memory ?? [])] });
  }

  /** A register of this size that is not part of ESP. */
  anyReg(bits: Bits): number {
    if (bits === 8) return this.random.below(8);
    return this.freeReg();
  }
}

export const flagsWithDirection = (flags: number, down: boolean) => (down ? flags | DF : flags);
