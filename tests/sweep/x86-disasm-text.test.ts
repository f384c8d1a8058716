/** The operands of every opening, and every address form, as text against capstone's Intel syntax. */

import { beforeAll, expect, test } from 'bun:test';
import { ArrayCode, DecodeFault, type DecodeMode, decodeInto, FLAT_32, Insn } from '../../targets/x86/decode.ts';
import { disassemble } from '../../targets/x86/disasm.ts';
import { OperandKind } from '../../targets/x86/operands.ts';
import { CapstoneX86 } from './x86-disasm-capstone.ts';
import { ALL_BYTES, eachOpening, hex, SEQUENCE_BYTES } from './x86-disasm-cases.ts';

const ADDRESS = 0x1000;
const CODE_16: DecodeMode = { code32: false, stack32: false };

/** Capstone's names for what goes by the manual's name here. */
const NAMES: Record<string, string> = {
  wait: 'fwait',
  sal: 'shl',
  fcompi: 'fcomip',
  fucompi: 'fucomip',
  feni8087_nop: 'fnop',
  fdisi8087_nop: 'fnop',
  fsetpm: 'fnop',
  wbnoinvd: 'wbinvd',
  prefetch: 'prefetchw',
  prefetchwt1: 'prefetchw',
};

/** Memory operands for which capstone shows no size, or not the manual's. */
const OWN_SIZE = new Set(
  `les lds lss lfs lgs lgdt lidt sgdt sidt ljmp lcall jmp call fldenv fnstenv fnsave frstor fld fstp fbld fbstp xsave
  xrstor xsaveopt comisd ucomisd fxsave fxrstor`.split(/\s+/),
);

/** Rows with forms that capstone does not show: MPX for the hint NOPs, the source width of a selector. */
const INCOMPARABLE = new Set(['nop', 'lar', 'lsl']);

/** One operand of text: without size where sizes differ, numbers as unsigned of `size` bytes. */
function canonical(operand: string, size: number, sized: boolean): string {
  const text = (sized ? operand : operand.replace(/^(\w+ )?ptr /, '')).replace(/^xword/, 'tbyte').trim();
  const number = /^(-?)(0x[0-9a-f]+|\d+)$/.exec(text);
  if (number === null) return text;
  const value = Number(number[2]) * (number[1] === '-' ? -1 : 1);
  return String(size === 1 ? value & 0xff : size === 2 ? value & 0xffff : value >>> 0);
}

class Texts {
  private readonly capstone: CapstoneX86;
  private readonly mode: DecodeMode;
  private readonly source = new ArrayCode(new Uint8Array(0), ADDRESS);
  private readonly insn = new Insn();
  compared = 0;
  /** first example by mnemonic */
  readonly different = new Map<string, string>();

  constructor(mode: DecodeMode) {
    this.mode = mode;
    this.capstone = new CapstoneX86(mode.code32);
  }

  /** Compares where both find an instruction of one length; x86-disasm.test.ts is about the others. */
  compare(bytes: Uint8Array): void {
    const insn = this.insn;
    this.source.bytes = bytes;
    decodeInto(insn, this.source, ADDRESS, this.mode);
    if (insn.fault !== DecodeFault.None) return;
    if (this.capstone.length(bytes, ADDRESS, { text: true }) !== insn.length) return;
    const ours = disassemble(insn);
    const theirs = this.capstone.text;
    this.compared++;
    if (ours === theirs) return;
    const [ourName, ourOperands] = split(ours);
    const [theirName, theirOperands] = split(theirs);
    if (INCOMPARABLE.has(ourName)) return;
    const same = ourName === (NAMES[theirName] ?? theirName) || isNameOf(ourName, theirName) || isRepneMove(ourName);
    if (same && this.operandsOf(ourName, ourOperands) === this.operandsOf(ourName, theirOperands)) return;
    if (!this.different.has(ourName)) {
      this.different.set(ourName, `${hex(bytes.subarray(0, insn.length))}: ${ours} | ${theirs}`);
    }
  }

  private operandsOf(name: string, operands: string[]): string {
    const { op0, op1, op2, op3 } = this.insn;
    const kept = operands.map((operand, place) => {
      const { kind, size } = [op0, op1, op2, op3][place] ?? op3;
      // a 16-bit displacement alone is shown sign-extended
      let text = this.insn.addressSize === 2 ? operand.replace(/\[0xffff(....)\]/, '[0x$1]') : operand;
      // the register of MOV to a segment register is shown with 32 bits
      if (op0.kind === OperandKind.Seg && place === 1) text = text.replace(/^e/, '');
      // capstone cuts targets at the address size
      const width = kind === OperandKind.Rel ? Math.min(this.insn.operandSize, this.insn.addressSize) : size;
      return canonical(text, width, !OWN_SIZE.has(name));
    });
    // ST(0) is shown where it is not understood
    const stack = kept.some((operand) => operand.startsWith('st('));
    if (stack) return kept.filter((operand) => operand !== 'st(0)').join();
    // a count of 1 is not always shown
    return kept.join().replace(/^([^,]*),1$/, '$1');
  }
}

/** Indirect far branches go by the near name, CBW and CWD of 16-bit code by that of 32-bit code. */
function isNameOf(ours: string, theirs: string): boolean {
  return ours === `l${theirs}` || (ours === 'cbw' && theirs === 'cwde') || (ours === 'cwd' && theirs === 'cdq');
}

/** REPNE MOVS repeats as REP does, which capstone does not show. */
function isRepneMove(name: string): boolean {
  return /^repne (movs|ins|outs|stos|lods)/.test(name);
}

/** Name with repeat and lock prefixes, and operands. Hints of LOCK elision and MPX are left out. */
function split(text: string): [string, string[]] {
  const words = text.replace(/^((bnd|xacquire|xrelease) )+/, '').split(' ');
  const count = words.findIndex((word) => !/^(lock|rep|repe|repne)$/.test(word)) + 1;
  const operands = words
    .slice(count)
    .join(' ')
    .replace(/^(0x\w+|\d+):(0x\w+|\d+)$/, '$1, $2');
  return [words.slice(0, count).join(' '), operands === '' ? [] : operands.split(', ')];
}

beforeAll(() => CapstoneX86.load());

const PREFIX_SETS = [[], [0x66], [0x67], [0x65], [0xf3], [0xf2]];
/** Positive and negative displacements and immediates. */
const TAILS = [
  [0x65, 0x76, 0x17, 0x38],
  [0x99, 0xaa, 0xbb, 0xcc, 0xdd],
];

test('operands of every opening, 32-bit code', () => {
  const texts = new Texts(FLAT_32);
  for (const tail of TAILS) {
    for (const prefixes of PREFIX_SETS) eachOpening(prefixes, ALL_BYTES, tail, (s) => texts.compare(s.bytes));
  }
  expect([...texts.different.values()]).toEqual([]);
  expect(texts.compared).toBeGreaterThan(600_000);
});

test('operands of the one-byte map, 16-bit code', () => {
  const texts = new Texts(CODE_16);
  for (const prefixes of PREFIX_SETS) {
    eachOpening(prefixes, ALL_BYTES, TAILS[0]!, (s) => s.opening.length === 2 && texts.compare(s.bytes));
  }
  expect([...texts.different.values()]).toEqual([]);
});

test('every ModRM and SIB byte, with and without a segment override', () => {
  const texts = new Texts(FLAT_32);
  for (const tail of TAILS) {
    for (const prefixes of [[], [0x67], [0x26], [0x3e, 0x36]]) {
      for (const modrm of ALL_BYTES) {
        for (const sib of ALL_BYTES) {
          const bytes = Uint8Array.from([...prefixes, 0x8b, modrm, sib, ...tail, ...tail, ...tail, ...tail, ...tail]);
          const padded = new Uint8Array(SEQUENCE_BYTES);
          padded.set(bytes);
          texts.compare(padded);
        }
      }
    }
  }
  expect([...texts.different.values()]).toEqual([]);
  expect(texts.compared).toBe(2 * 4 * 256 * 256);
});
