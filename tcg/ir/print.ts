// The text form of IR blocks, for logs, tests and error messages; `parse.ts` reads it back.
import { type Block, callsHelper, type Op } from './block.ts';
import { type ImmKind, Jump } from './ops.ts';
import { COND_NAMES, Exit, memOpName } from './types.ts';
import type { Const, Value } from './value.ts';

/** Names of the rounding directions of `round`, by immediate. */
export const FPROUND_NAMES = ['ceil', 'floor', 'trunc', 'near'] as const;
/** Names of the `exit` immediates, by number. */
export const EXIT_NAMES = namesOf(Exit);
/** Names of the `jump` immediates, by number. */
export const JUMP_NAMES = namesOf(Jump);

function namesOf(numbers: Readonly<Record<number, string>>): string[] {
  const names: string[] = [];
  for (let i = 0; numbers[i] !== undefined; i++) names.push(numbers[i]!.toLowerCase());
  return names;
}

function hex(value: number): string {
  return '0x' + value.toString(16);
}

/** The text of one constant. The type is not shown: it is that of the operand. */
export function printConst(constant: Const): string {
  const { type, value } = constant;
  if (type === 'v128')
    return '0x' + Array.from(value as Uint8Array, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (type === 'f32' || type === 'f64') return Object.is(value, -0) ? '-0' : String(value);
  // Addresses and masks read better in hexadecimal; small numbers do not.
  const number = value as number | bigint;
  if (number > -4096 && number < 4096) return String(number);
  return number < 0 ? '-0x' + (-number).toString(16) : '0x' + number.toString(16);
}

/** The text of an immediate of the given kind; numbers without a name are printed as they are. */
export function printImm(kind: ImmKind, imm: number): string {
  switch (kind) {
    case 'cond':
      return COND_NAMES[imm] ?? String(imm);
    case 'memop':
      return imm >= 0 && imm < 128 && (imm & 7) <= 4 ? memOpName(imm) : String(imm);
    case 'fpround':
      return FPROUND_NAMES[imm] ?? String(imm);
    case 'exit':
      return EXIT_NAMES[imm] ?? String(imm);
    case 'jump':
      return JUMP_NAMES[imm] ?? String(imm);
    case 'pc':
    case 'offset':
      return imm >= 0 && Number.isInteger(imm) ? hex(imm) : String(imm);
    default:
      return String(imm);
  }
}

function printValue(value: Value | null, globalCount: number): string {
  if (value === null) return '?';
  if (value.kind === 'const') return printConst(value);
  return value.kind === 'global' ? value.name : `t${value.id - globalCount}`;
}

/** One op on one line, without indentation: `out = name:imm:imm2 a, b, c -> label  sync(globals)`. */
export function printOp(op: Op, globalCount: number): string {
  const { row } = op;
  if (row.name === 'label') return `L${op.label?.id ?? '?'}:`;
  let text = op.out === null ? '' : `${printValue(op.out, globalCount)} = `;
  text += row.name;
  if (row.imm !== null) text += ':' + printImm(row.imm, op.imm);
  if (row.imm2 !== null) text += ':' + printImm(row.imm2, op.imm2);
  const operands: string[] = [];
  const values = [op.a, op.b, op.c];
  for (let i = 0; i < 3; i++) {
    if (i < row.ins.length || values[i] !== null) operands.push(printValue(values[i]!, globalCount));
  }
  if (callsHelper(row)) {
    const args = (op.args ?? []).map((arg) => printValue(arg, globalCount));
    operands.push(`${op.helper?.name ?? '?'}(${args.join(', ')})`);
  }
  if (operands.length > 0) text += ' ' + operands.join(', ');
  if (op.label !== null) text += ` -> L${op.label.id}`;
  if (op.sync !== null) text += `  sync(${op.sync.map((global) => global.name).join(' ')})`;
  return text;
}

/** The block, one op per line. Temporaries are numbered from t0; `temps` and `labels` say how many numbers are in use. */
export function printBlock(block: Block): string {
  const count = block.globals.length;
  const lines = [`block ${hex(block.pc)} temps ${block.valueCount - count} labels ${block.labelCount}`];
  for (const op of block.ops) {
    const { name } = op.row;
    lines.push((name === 'insn_start' || name === 'label' ? ' ' : '    ') + printOp(op, count));
  }
  return lines.join('\n') + '\n';
}
