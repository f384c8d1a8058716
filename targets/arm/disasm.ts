// Text of ARM instructions from their rows: mnemonic, condition and operands.
import { disassembleVector, hasDataType } from './disasm-vector.ts';
import { type Insn, InsnSet } from './insns.ts';

const CONDITIONS = ['eq', 'ne', 'hs', 'lo', 'mi', 'pl', 'vs', 'vc', 'hi', 'ls', 'ge', 'lt', 'gt', 'le', '', ''];
const SHIFTS = ['lsl', 'lsr', 'asr', 'ror'];

function register(n: number): string {
  return ['sp', 'lr', 'pc'][n - 13] ?? `r${n}`;
}

function hex(value: number): string {
  return `#${value < 10 && value > -10 ? value : `0x${(value >>> 0).toString(16)}`}`;
}

function list(insn: Insn): string {
  const bits = insn.l | (insn.M << 14) | (insn.K << 15);
  const names = Array.from({ length: 16 }, (_, n) => n).filter((n) => bits & (1 << n));
  return `{${names.map(register).join(', ')}}`;
}

/** A register shifted by a constant. */
function shifted({ m, y, h }: Insn): string {
  if (h === 0 && y === 0) return register(m);
  if (h === 0 && y === 3) return `${register(m)}, rrx`;
  return `${register(m)}, ${SHIFTS[y]} #${h === 0 ? 32 : h}`;
}

function rotated(value: number, by: number): number {
  return by === 0 ? value : (value >>> by) | (value << (32 - by));
}

/** The value of an immediate operand. */
function immediate({ set, i, j, z }: Insn): number {
  if (set === InsnSet.T16 || j) return i << z;
  const byte = i & 0xff;
  if (set === InsnSet.A32) return rotated(byte, (i >>> 8) * 2);
  if (i >>> 10 !== 0) return rotated(0x80 | (byte & 0x7f), i >>> 7);
  return byte * [1, 0x00010001, 0x01000100, 0x01010101][(i >>> 8) & 3]!;
}

/** A memory operand with its offset. */
function memory(insn: Insn, offset: string): string {
  const { P, W, n } = insn;
  const base = register(n);
  if (!P) return `[${base}], ${offset}`;
  return `[${base}${offset === '#0' ? '' : `, ${offset}`}]${W ? '!' : ''}`;
}

/** Where a branch goes. */
function target({ set, i, s, j, k, x, encoding }: Insn, pc: number): number {
  const signed = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);
  const name = encoding!.name;
  if (set === InsnSet.A32) return pc + 8 + (signed(i, 24) << 2) + (name === 'BLX_imm' ? x << 1 : 0);
  if (name === 'CBZ') return pc + 4 + (i << 1);
  if (set === InsnSet.T16) return pc + 4 + (name === 'B' ? signed(i << 1, 12) : signed(i << 1, 9));
  if (name === 'B_cond') return pc + 4 + signed((s << 20) | (k << 19) | (j << 18) | (i << 1), 21);
  const distance = signed(((s << 23) | ((j ^ s ^ 1) << 22) | ((k ^ s ^ 1) << 21) | i) << 1, 25);
  return (name === 'BLX_imm' ? (pc + 4) & ~3 : pc + 4) + distance;
}

/** One operand of a row's operand list. */
function operand(insn: Insn, code: string, pc: number): string {
  switch (code) {
    case 'I':
      return hex(immediate(insn));
    case 'R':
      return shifted(insn);
    case 'X':
      return `${register(insn.m)}, ${SHIFTS[insn.y]} ${register(insn.s)}`;
    case 'L':
      return list(insn);
    case 'A':
      return hex(target(insn, pc));
    case 'Mi':
      return memory(insn, hex(insn.U ? insn.i << insn.z : -(insn.i << insn.z)));
    case 'Mr':
      return memory(insn, `${insn.U ? '' : '-'}${shifted(insn)}`);
    case '[n]':
      return `[${register(insn.n)}]`;
    case '#i':
      return hex((insn.k << 12) | insn.i);
    case '#h':
      return hex(insn.h);
    case '#w':
      return hex(insn.w + 1);
    default:
      return register((insn as unknown as Record<string, number>)[code]!);
  }
}

/** The instruction as text; `pc` is its address. */
export function disassemble(insn: Insn, pc: number): string {
  const { encoding, set, word } = insn;
  if (!encoding) return set === InsnSet.T16 ? `.inst.n 0x${word.toString(16)}` : `.inst 0x${word.toString(16)}`;
  const sets = insn.S === 1 || insn.S === 2 ? 's' : '';
  const cond = set === InsnSet.A32 || encoding.name === 'B_cond' ? CONDITIONS[insn.c] : '';
  if (hasDataType(insn)) return disassembleVector(insn, set === InsnSet.A32 && word >>> 28 < 14 ? cond! : '');
  const operands =
    encoding.operands === ''
      ? ''
      : ` ${encoding.operands
          .split(',')
          .map((code) => operand(insn, code, pc))
          .join(', ')}`;
  return `${encoding.mnemonic.toLowerCase()}${sets}${set === InsnSet.A32 && word >>> 28 === 15 ? '' : cond}${operands}`;
}
