// Intel-syntax text of a decoded instruction, for error messages, logs and the explain tool.

import { DecodeFault, type Insn } from './decode.ts';
import type { X86Mnemonic } from './insns.ts';
import { RowBit } from './insns-table.ts';
import { ImmediateForm, type Operand, OperandKind } from './operands.ts';

const REG8 = ['al', 'cl', 'dl', 'bl'];
const REG8_HIGH = ['ah', 'ch', 'dh', 'bh'];
const REG16 = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const SEG = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

/** Condition suffixes in the numbering of Jcc. */
const CONDITIONS = ['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'];
/** FCMOVcc, for conditions 2-7, 10, 11. */
const FCMOV_CONDITIONS = ['', '', 'b', 'nb', 'e', 'ne', 'be', 'nbe', '', '', 'u', 'nu'];

const PREFETCH_HINTS = ['nta', 't0', 't1', 't2'];

/** Names that depend on the operand size: 16, 32 bits. */
const BY_OPERAND_SIZE: { [M in X86Mnemonic]?: readonly [string, string] } = {
  CBW: ['cbw', 'cwde'],
  CWD: ['cwd', 'cdq'],
  IRET: ['iret', 'iretd'],
  POPA: ['popaw', 'popal'],
  POPF: ['popf', 'popfd'],
  PUSHA: ['pushaw', 'pushal'],
  PUSHF: ['pushf', 'pushfd'],
};

/** Names that are not the mnemonic in lower case. */
const OTHER_NAMES: { [M in X86Mnemonic]?: string } = {
  CALLF: 'lcall',
  INVALID: '(bad)',
  JMPF: 'ljmp',
  XLAT: 'xlatb',
};

const SIZE_WORDS: Record<number, string> = {
  0: '',
  1: 'byte ptr ',
  2: 'word ptr ',
  4: 'dword ptr ',
  6: 'fword ptr ',
  8: 'qword ptr ',
  10: 'tbyte ptr ',
  16: 'xmmword ptr ',
};

/** One line without address or bytes, as `mov eax, dword ptr [ebx + 4]`. */
export function disassemble(insn: Insn): string {
  if (insn.fault === DecodeFault.Fetch) return '(unreadable)';
  let text = prefixes(insn) + name(insn);
  const operands = [insn.op0, insn.op1, insn.op2, insn.op3].filter((operand) => operand.kind !== OperandKind.None);
  if (operands.length > 0) text += ` ${operands.map((operand) => operandText(insn, operand)).join(', ')}`;
  return text;
}

function prefixes(insn: Insn): string {
  let text = insn.lock ? 'lock ' : '';
  if (insn.rep !== 0 && insn.row.bits & RowBit.String) {
    const compares = insn.mnemonic === 'CMPS' || insn.mnemonic === 'SCAS';
    text += insn.rep === 0xf2 ? 'repne ' : compares ? 'repe ' : 'rep ';
  }
  return text;
}

function name(insn: Insn): string {
  const mnemonic = insn.mnemonic;
  const lower = OTHER_NAMES[mnemonic] ?? mnemonic.toLowerCase();
  if (insn.cond >= 0) {
    return lower.replace('cc', (mnemonic === 'FCMOVcc' ? FCMOV_CONDITIONS : CONDITIONS)[insn.cond]);
  }
  if (insn.row.bits & RowBit.String) {
    const operand =
      insn.op0.kind === OperandKind.StringSource || insn.op0.kind === OperandKind.StringDest ? insn.op0 : insn.op1;
    return lower + (operand.size === 1 ? 'b' : operand.size === 2 ? 'w' : 'd');
  }
  if (mnemonic === 'PREFETCHh') return `prefetch${PREFETCH_HINTS[insn.reg]}`;
  if (mnemonic === 'JCXZ') return insn.addressSize === 2 ? 'jcxz' : 'jecxz';
  const bySize = BY_OPERAND_SIZE[mnemonic];
  return bySize === undefined ? lower : bySize[insn.operandSize === 2 ? 0 : 1];
}

function operandText(insn: Insn, operand: Operand): string {
  switch (operand.kind) {
    case OperandKind.Reg8:
      return REG8[operand.num];
    case OperandKind.Reg8High:
      return REG8_HIGH[operand.num];
    case OperandKind.Reg16:
      return REG16[operand.num];
    case OperandKind.Reg32:
      return `e${REG16[operand.num]}`;
    case OperandKind.Reg64:
      return `r${REG16[operand.num]}`;
    case OperandKind.Mem:
      return (SIZE_WORDS[operand.size] ?? '') + memoryText(insn);
    case OperandKind.StringSource:
      return `${SIZE_WORDS[operand.size]}${segmentText(insn)}[${register(insn.addressSize, 6)}]`;
    case OperandKind.StringDest:
      return `${SIZE_WORDS[operand.size]}es:[${register(insn.addressSize, 7)}]`;
    case OperandKind.Imm:
      if (insn.row.immediate === ImmediateForm.Ibs)
        return signedHex(operand.size === 2 ? (insn.imm << 16) >> 16 : insn.imm);
      return hex(operand.num === 1 ? insn.imm2 : insn.imm, operand.size);
    case OperandKind.Rel:
      return hex(insn.target, 4);
    case OperandKind.Far:
      return `${hex(insn.imm2, 2)}:${hex(insn.imm, 4)}`;
    case OperandKind.Seg:
      return SEG[operand.num];
    case OperandKind.Control:
      return `cr${operand.num}`;
    case OperandKind.Debug:
      return `dr${operand.num}`;
    case OperandKind.St:
      return `st(${operand.num})`;
    case OperandKind.Mmx:
      return `mm${operand.num}`;
    case OperandKind.Xmm:
      return `xmm${operand.num}`;
    case OperandKind.None:
      return '';
  }
}

function register(size: number, num: number): string {
  return size === 2 ? REG16[num] : `e${REG16[num]}`;
}

function segmentText(insn: Insn): string {
  return insn.segment >= 0 ? `${SEG[insn.segment]}:` : '';
}

function memoryText(insn: Insn): string {
  let text = '';
  if (insn.base >= 0) text = register(insn.addressSize, insn.base);
  if (insn.index >= 0) {
    text += `${text === '' ? '' : ' + '}${register(insn.addressSize, insn.index)}`;
    if (insn.scale > 0) text += `*${1 << insn.scale}`;
  }
  if (text === '') text = hex(insn.disp, insn.addressSize);
  else if (insn.disp !== 0) text += insn.disp < 0 ? ` - ${hex(-insn.disp, 4)}` : ` + ${hex(insn.disp, 4)}`;
  return `${segmentText(insn)}[${text}]`;
}

function signedHex(value: number): string {
  return value < 0 ? `-${hex(-value, 4)}` : hex(value, 4);
}

/** Unsigned, at a size in bytes; small numbers without 0x. */
function hex(value: number, size: number): string {
  const unsigned = size === 1 ? value & 0xff : size === 2 ? value & 0xffff : value >>> 0;
  return unsigned > 9 ? `0x${unsigned.toString(16)}` : String(unsigned);
}
