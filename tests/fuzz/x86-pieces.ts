// Turns the x86 encoding rows into single random instructions that are safe to run: no faults, no jumps, known flags.

import { GROUPS } from '../../targets/x86/insns-groups.ts';
import { ONE_BYTE } from '../../targets/x86/insns-one-byte.ts';
import type { RowSpec } from '../../targets/x86/insns-row.ts';
import { TWO_BYTE } from '../../targets/x86/insns-two-byte.ts';
import { EAX, EBP, EBX, ECX, EDI, EDX, ESI, ESP, le32, leBytes, REG32 } from '../oracle/asm-i386.ts';
import { AF, CF, DF, IF, MEMORY_MAP, OF, PF, SF, STATUS_FLAGS, ZF } from '../oracle/insn-case.ts';
import type { Random } from '../oracle/random.ts';

/** EBP throughout a sequence: memory operands reach from DATA_BEFORE bytes before it to DATA_AFTER behind it. */
export const DATA_BASE = MEMORY_MAP.SCRATCH_BORDER;
export const DATA_BEFORE = 0x80;
export const DATA_AFTER = 0x2c0;
/** ESP at the start of a sequence. */
export const STACK_BASE = MEMORY_MAP.SEGMENT + 0x8000;

/** An instruction, with what has to go before it to make it safe (which touches no flags), and its use of flags. */
export interface Piece {
  text: string;
  bytes: number[];
  /** EFLAGS bits read. */
  tested: number;
  /** EFLAGS bits surely overwritten. */
  killed: number;
  /** EFLAGS bits that may be undefined afterwards (others keep their state). */
  undefined: number;
  usesStack: boolean;
}

/** A row made ready: a group's row carries the opcode of the map row that refers to it. */
export interface Template {
  mnemonic: string;
  opcode: number[];
  /** ModRM.reg of a group row. */
  extension: number | undefined;
  operands: string[];
  /** The opcode's low three bits name a register. */
  plusReg: boolean;
  /** The opcode's low four bits are a condition. */
  condition: boolean;
  string: boolean;
  lockable: boolean;
  flags: string;
}

/** Operand letters understood here. */
const LETTERS = new Set(
  'Eb Ev Ew Gb Gv Gw Zb Zv Ib Ibs Iz Iv AL rAX CL 1 M Mq Ob Ov Xb Xv Yb Yv '.split(' ').concat(['']),
);

/** Rows that attributes do not exclude but that a sequence cannot have, and why. */
const EXCLUDED: Record<string, string> = {
  POPA: 'loads EBP',
  LEAVE: 'moves ESP to EBP',
  ENTER: 'moves EBP',
  BOUND: 'faults',
  CPUID: 'not deterministic',
  RDTSC: 'not deterministic',
  LAR: 'depends on the descriptor tables',
  LSL: 'depends on the descriptor tables',
  VERR: 'depends on the descriptor tables',
  VERW: 'depends on the descriptor tables',
};

/** Attributes of rows that cannot run in a user program or in a straight line, or are not integer instructions. */
const EXCLUDING = ['priv', 'privud', 'iopl', 'end', 'x87', 'o64', 'np', 'nf', 'reg', 'mod', '3dnow'];

/** Features every i686 since the Pentium Pro has. */
const FEATURES = new Set(['CMOV', 'CX8']);

function usable(mnemonic: string, operands: string, attributes: string[]): boolean {
  if (mnemonic in EXCLUDED) return false;
  if (attributes.some((attribute) => EXCLUDING.includes(attribute))) return false;
  if (attributes.some((attribute) => /^[A-Z]/.test(attribute) && !FEATURES.has(attribute))) return false;
  return operands.split(',').every((letter) => LETTERS.has(letter));
}

/** Name of a template for a person: the mnemonic, and ModRM.reg of a group row as in TEST/1. */
export function templateName({ mnemonic, extension }: Template): string {
  return extension === undefined ? mnemonic : `${mnemonic}/${extension}`;
}

/** The templates of all usable rows, in the order of the maps. */
export function buildTemplates(): Template[] {
  const templates: Template[] = [];
  const addRow = (prefix: number[], spec: RowSpec, group?: RowSpec) => {
    const own = group ?? spec;
    if (spec[0] > 0xff || own[0] > (group ? 7 : 0xff)) return; // mandatory prefixes, single ModRM bytes
    const operands = group && group[2] !== '' ? group[2] : spec[2];
    const attributes = `${spec[3] ?? ''} ${group?.[3] ?? ''}`.split(' ').filter((attribute) => attribute);
    if (!usable(own[1], operands, attributes)) return;
    templates.push({
      mnemonic: own[1],
      opcode: [...prefix, spec[0]],
      extension: group?.[0],
      operands: operands === '' ? [] : operands.split(','),
      plusReg: attributes.includes('+r'),
      condition: attributes.includes('cc'),
      string: attributes.includes('str'),
      lockable: attributes.includes('lock'),
      flags: own[4] ?? '',
    });
  };
  const addMap = (prefix: number[], rows: readonly RowSpec[]) => {
    for (const spec of rows) {
      if (!spec[1].startsWith('@')) addRow(prefix, spec);
      else
        for (const row of (GROUPS as Record<string, readonly RowSpec[]>)[spec[1].slice(1)] ?? [])
          addRow(prefix, spec, row);
    }
  };
  addMap([], ONE_BYTE);
  addMap([0x0f], TWO_BYTE);
  return templates;
}

const FLAG_COLUMN = [OF, SF, ZF, AF, PF, CF, DF, IF];
/** Flags tested by condition >> 1 (SDM vol. 1, appendix B). */
const CONDITION_TESTS = [OF, CF, ZF, CF | ZF, SF, PF, SF | OF, SF | OF | ZF];

/** The flags a condition code reads. */
export function conditionTests(condition: number): number {
  return CONDITION_TESTS[condition >> 1]!;
}

function flagUse(column: string): { tested: number; killed: number; undefined: number } {
  const use = { tested: 0, killed: 0, undefined: 0 };
  for (let i = 0; i < column.length; i++) {
    const letter = column[i]!;
    const bit = FLAG_COLUMN[i]!;
    if ('TBb'.includes(letter)) use.tested |= bit;
    if ('MB01-'.includes(letter)) use.killed |= bit;
    if ('-u'.includes(letter)) use.undefined |= bit;
  }
  return use;
}

/** Mnemonics whose first operand is only read. */
const READ_ONLY = new Set(['CMP', 'TEST', 'BT', 'PUSH', 'NOP', 'MUL', 'DIV', 'IDIV']);
/** Mnemonics that write their second operand, too. */
const WRITES_BOTH = new Set(['XCHG', 'XADD']);

const GENERAL = [EAX, ECX, EDX, EBX, ESI, EDI];

const bitTest = /^BT[SRC]?$/;

/** Builds one random instruction of a template. */
export function buildPiece(template: Template, random: Random): Piece {
  return new PieceBuilder(template, random).build();
}

class PieceBuilder {
  private readonly before: number[] = [];
  private readonly bits: 16 | 32;
  private modrm: number[] | undefined;
  private readonly immediate: number[] = [];
  private readonly names: string[] = [];
  private low = 0;
  private memory = false;

  constructor(
    private readonly template: Template,
    private readonly random: Random,
  ) {
    const sized =
      template.operands.some((letter) => /[vz]$/.test(letter)) || ['CBW', 'CWD'].includes(template.mnemonic);
    const oddBswap = template.mnemonic === 'BSWAP';
    this.bits = sized && !oddBswap && random.below(5) === 0 ? 16 : 32;
  }

  build(): Piece {
    const { template, random } = this;
    if (template.string) return this.buildString();
    this.prepare();
    const rmPlace = template.operands.findIndex((letter) => /^[EM]/.test(letter));
    const regPlace = template.operands.findIndex((letter) => letter.startsWith('G'));
    let reg = template.extension ?? 0;
    if (regPlace >= 0) reg = this.register(template.operands[regPlace]!, regPlace);
    if (rmPlace >= 0) this.modrm = this.rm(template.operands[rmPlace]!, rmPlace, reg);
    else if (template.extension !== undefined)
      throw new Error(`${template.mnemonic}: a group row without an E operand`);
    for (const [place, letter] of template.operands.entries()) this.other(letter, place);
    const condition = template.condition ? random.below(16) : 0;
    const opcode = template.opcode.slice();
    opcode[opcode.length - 1]! |= this.low | condition;
    const prefixes = this.bits === 16 ? [0x66] : [];
    if (this.memory && template.lockable && random.below(6) === 0) prefixes.push(0xf0);
    const use = flagUse(template.flags);
    if (template.condition) use.tested |= conditionTests(condition);
    this.correct(use);
    return {
      text: `${template.mnemonic}${template.condition ? `.${condition.toString(16)}` : ''}${this.bits === 16 ? '.16' : ''} ${this.names.join(',')}`,
      bytes: [...this.before, ...prefixes, ...opcode, ...(this.modrm ?? []), ...this.immediate],
      ...use,
      usesStack: /^(PUSH|POP)/.test(template.mnemonic),
    };
  }

  /** Instructions that need their operands in range; none of the preparation touches a flag. */
  private prepare(): void {
    const { mnemonic, operands } = this.template;
    const { random, before } = this;
    if (mnemonic === 'XLAT') before.push(0x8d, 0x5d, 0xc0); // lea ebx,[ebp-40h]
    if (operands.includes('CL') && this.isDoubleShift()) before.push(0xb1, random.below(17)); // mov cl,count
    if (mnemonic !== 'DIV' && mnemonic !== 'IDIV') return;
    // The divisor is CL, CX or ECX, the upper half of the dividend zero or the sign.
    const divisor = random.range(2, 0x7f) | (random.bool() && operands[0] !== 'Eb' ? random.below(0x7f00) & 0x7f00 : 0);
    before.push(0xb9, ...le32(divisor)); // mov ecx,divisor
    const byte = operands[0] === 'Eb';
    if (mnemonic === 'DIV')
      before.push(...(byte ? [0xb4, 0] : [0xba, 0, 0, 0, 0])); // mov ah,0; mov edx,0
    else if (byte)
      before.push(0x66, 0x98); // cbw
    else before.push(...(this.bits === 16 ? [0x66, 0x99] : [0x99])); // cwd, cdq
  }

  private isDoubleShift(): boolean {
    return this.template.mnemonic === 'SHLD' || this.template.mnemonic === 'SHRD';
  }

  /** What the flags column cannot say: counts at least the operand size. */
  private correct(use: { undefined: number }): void {
    const narrow = this.bits === 16 || this.template.operands[0] === 'Eb';
    if (narrow && /^SH[LR]$/.test(this.template.mnemonic)) use.undefined |= CF;
  }

  private written(place: number): boolean {
    const { mnemonic } = this.template;
    if (place === 0) return !READ_ONLY.has(mnemonic) && !(mnemonic === 'IMUL' && this.template.operands.length === 1);
    return WRITES_BOTH.has(mnemonic);
  }

  /** A register operand; ESP and EBP only where they are read. */
  private register(letter: string, place: number): number {
    const { random } = this;
    const byte = letter.endsWith('b');
    let reg: number;
    if (byte) reg = random.below(8);
    else if (!this.written(place) && !bitTest.test(this.template.mnemonic) && random.below(10) === 0)
      reg = random.pick([ESP, EBP]);
    else reg = random.pick(GENERAL);
    this.names[place] = byte ? `r8:${reg}` : REG32[reg]!;
    return reg;
  }

  private rm(letter: string, place: number, reg: number): number[] {
    const { random, template } = this;
    const { mnemonic } = template;
    if (mnemonic === 'LEA') return this.anyAddress(place, reg);
    if (mnemonic === 'DIV' || mnemonic === 'IDIV') {
      this.names[place] = 'ecx';
      return [0xc0 | (reg << 3) | ECX];
    }
    if (!letter.startsWith('M') && random.below(5) < 3) {
      const rm = this.register(letter, place);
      return [0xc0 | (reg << 3) | rm];
    }
    this.memory = true;
    // A bit offset in a register reaches beyond the operand: keep it below 256 (movzx, from the low byte).
    if (bitTest.test(mnemonic) && template.operands[1]!.startsWith('G')) this.zeroExtend(reg);
    return this.safeAddress(place, reg);
  }

  /** movzx reg32, low byte of it (of EAX-EBX) or of another. */
  private zeroExtend(reg: number): void {
    this.before.push(0x0f, 0xb6, 0xc0 | (reg << 3) | (reg < 4 ? reg : this.random.below(4)));
  }

  /** An operand inside the data window: [ebp+disp], [ebp+reg+disp], [ebp+reg*2+disp], or an absolute address. */
  private safeAddress(place: number, reg: number): number[] {
    const { random } = this;
    const disp = random.range(-DATA_BEFORE, 0xa0);
    const kind = random.below(8);
    if (kind === 0) {
      this.names[place] = `[data${disp}]`;
      return [(reg << 3) | 5, ...le32(DATA_BASE + disp)];
    }
    const short = disp >= -128 && disp <= 127;
    const mod = short && random.below(8) ? 0x40 : 0x80;
    const tail = leBytes(disp, mod === 0x40 ? 1 : 4);
    if (kind < 6) {
      this.names[place] = `[ebp${disp < 0 ? '' : '+'}${disp}]`;
      return [mod | (reg << 3) | EBP, ...tail];
    }
    // The index gets a value below 256 first, so it must not be another operand whose value matters more.
    const index = random.pick(GENERAL);
    const scale = random.below(2);
    this.zeroExtend(index);
    this.names[place] = `[ebp+${REG32[index]}*${1 << scale}${disp < 0 ? '' : '+'}${disp}]`;
    return [mod | (reg << 3) | 4, (scale << 6) | (index << 3) | EBP, ...tail];
  }

  /** LEA: any form at all. */
  private anyAddress(place: number, reg: number): number[] {
    const { random } = this;
    this.names[place] = '[any]';
    const mod = random.below(3);
    const rm = random.below(8);
    const sib = rm === 4 ? [random.below(256)] : [];
    const noBase = mod === 0 && (rm === 5 || (rm === 4 && (sib[0]! & 7) === 5));
    const size = noBase || mod === 2 ? 4 : mod === 1 ? 1 : 0;
    return [(mod << 6) | (reg << 3) | rm, ...sib, ...leBytes(random.u32(), size)];
  }

  /** Operands outside ModRM. */
  private other(letter: string, place: number): void {
    const { random, template } = this;
    const number = (bytes: number) => {
      const value = random.value(bytes * 8);
      this.immediate.push(...leBytes(value, bytes));
      this.names[place] = value.toString(16);
    };
    if (letter.startsWith('Z')) this.low = this.register(letter, place);
    else if (letter.startsWith('O')) {
      const disp = random.range(-DATA_BEFORE, DATA_AFTER - 4);
      this.names[place] = `[data${disp}]`;
      this.immediate.push(...le32(DATA_BASE + disp));
    } else if (letter === 'Iz' || letter === 'Iv') number(this.bits / 8);
    else if (letter === 'Ib' && (template.mnemonic === 'AAM' || this.isDoubleShift())) {
      // AAM 0 faults; a 16-bit SHLD by more than 16 has no defined result.
      const value = template.mnemonic === 'AAM' ? random.range(1, 255) : random.below(17);
      this.immediate.push(value);
      this.names[place] = `${value}`;
    } else if (letter.startsWith('I')) number(1);
    else if (['AL', 'rAX', 'CL', '1'].includes(letter)) this.names[place] = letter;
  }

  /** String instructions get pointers into the window and, when repeated, a small count. */
  private buildString(): Piece {
    const { random, template } = this;
    const pointer = (reg: number) => [0x8d, 0x85 | (reg << 3), ...le32(random.below(0x100))]; // lea reg,[ebp+disp32]
    const bytes = [...pointer(ESI), ...pointer(EDI)];
    const repeat = random.below(3);
    const count = random.below(13);
    if (repeat) bytes.push(0xb9, ...le32(count)); // mov ecx,count
    if (this.bits === 16) bytes.push(0x66);
    if (repeat) bytes.push(repeat === 1 ? 0xf3 : 0xf2);
    const use = flagUse(template.flags);
    return {
      text: `${['', 'REP ', 'REPNE '][repeat]}${template.mnemonic}${this.bits === 16 ? '.16' : ''} ${template.operands.join(',')}${repeat ? ` ecx=${count}` : ''}`,
      bytes: [...bytes, ...template.opcode],
      ...use,
      usesStack: false,
    };
  }
}

/** push imm32; popf: loads random status flags and DF. */
export function popFlagsPiece(random: Random): Piece {
  const image = random.u32() & (STATUS_FLAGS | DF);
  return {
    text: `PUSH ${image.toString(16)}; POPF`,
    bytes: [0x68, ...le32(image), 0x9d],
    tested: 0,
    killed: STATUS_FLAGS | DF,
    undefined: 0,
    usesStack: true,
  };
}
