// Reads the text form of IR blocks that `print.ts` writes.
import { Block, callsHelper, Op } from './block.ts';
import type { HelperRow } from './helper-table.ts';
import { type ImmKind, OPS, type OpName, type OpRow } from './ops.ts';
import { EXIT_NAMES, FPROUND_NAMES, JUMP_NAMES } from './print.ts';
import { COND_NAMES, parseMemOp, type Type } from './types.ts';
import { Const, const32, const64, type Global, Label, Temp, type Value, type Variable } from './value.ts';

/** What the names in the text stand for. */
export interface ParseContext {
  readonly globals: readonly Global[];
  readonly helpers?: readonly HelperRow[];
}

/** The block that `text` describes. Throws an Error naming the line and what is wrong with it. */
export function parseBlock(text: string, context: ParseContext): Block {
  const lines = text.split('\n');
  let block: Block | null = null;
  let parser: OpParser | null = null;
  lines.forEach((line, index) => {
    const content = line.trim();
    if (content === '' || content.startsWith('#')) return;
    try {
      if (block === null) {
        const match = /^block (\S+) temps (\d+) labels (\d+)$/.exec(content);
        if (!match) throw new Error('a block begins with "block PC temps N labels N"');
        block = new Block(parseNumber(match[1]!), context.globals);
        block.valueCount += Number(match[2]);
        block.labelCount = Number(match[3]);
        parser = new OpParser(block, context);
      } else block.ops.push(parser!.parse(content));
    } catch (error) {
      throw new Error(`line ${index + 1}: ${(error as Error).message}: ${content}`);
    }
  });
  if (block === null) throw new Error('there is no block in the text');
  return block;
}

function parseNumber(text: string): number {
  const value = /^-?(0x[0-9a-f]+|\d+)$/.test(text)
    ? text.startsWith('-')
      ? -Number(text.slice(1))
      : Number(text)
    : Number.NaN;
  if (Number.isNaN(value)) throw new Error(`"${text}" is not a number`);
  return value;
}

function parseConst(text: string, type: Type): Const {
  switch (type) {
    case 'i32':
      return const32(parseNumber(text));
    case 'i64':
      parseNumber(text);
      return const64(text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text));
    case 'v128': {
      if (!/^0x[0-9a-f]{32}$/.test(text)) throw new Error(`"${text}" is not a vector of 32 hexadecimal digits`);
      return new Const(
        'v128',
        Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(text.slice(2 + 2 * i, 4 + 2 * i), 16)),
      );
    }
    default: {
      const value = Number(text);
      if (text === '' || Number.isNaN(value)) throw new Error(`"${text}" is not a float`);
      return new Const(type, value);
    }
  }
}

function parseImm(kind: ImmKind, text: string): number {
  const names: readonly string[] | null =
    kind === 'cond'
      ? COND_NAMES
      : kind === 'fpround'
        ? FPROUND_NAMES
        : kind === 'exit'
          ? EXIT_NAMES
          : kind === 'jump'
            ? JUMP_NAMES
            : null;
  const index = names?.indexOf(text) ?? -1;
  if (index >= 0) return index;
  if (kind === 'memop') {
    const memOp = parseMemOp(text);
    if (memOp >= 0) return memOp;
  }
  return parseNumber(text);
}

class OpParser {
  private readonly globals = new Map<string, Global>();
  private readonly helpers = new Map<string, HelperRow>();
  private readonly temps = new Map<string, Temp>();
  private readonly labels = new Map<string, Label>();

  constructor(
    private readonly block: Block,
    context: ParseContext,
  ) {
    for (const global of context.globals) this.globals.set(global.name, global);
    for (const helper of context.helpers ?? []) this.helpers.set(helper.name, helper);
  }

  parse(line: string): Op {
    const place = /^(L\d+):$/.exec(line);
    if (place) return new Op(OPS.label, null, null, null, null, 0, 0, this.label(place[1]!), null, null);
    const parts = /^(?:(\S+) = )?([a-z]\w*)((?::[^\s:]+)*)(?: (.*?))??(?: -> (L\d+))?(?: {2}sync\(([^)]*)\))?$/.exec(
      line,
    );
    if (!parts) throw new Error('not an op');
    const [, outText, name, immText, operandText, labelText, syncText] = parts;
    const row = OPS[name as OpName] as OpRow<OpName> | undefined;
    if (!row) throw new Error(`there is no op ${name}`);
    const imms = immText!.split(':').slice(1);
    const kinds = [row.imm, row.imm2].filter((kind) => kind !== null);
    if (imms.length !== kinds.length) throw new Error(`${name} takes ${kinds.length} immediates`);
    const [imm = 0, imm2 = 0] = imms.map((text, i) => parseImm(kinds[i]!, text));
    const op = callsHelper(row)
      ? this.call(row, outText, operandText ?? '')
      : this.plain(row, outText, operandText === undefined ? [] : operandText.split(', '), imm, imm2);
    if (labelText !== undefined) {
      op.label = this.label(labelText);
      op.label.uses++;
    }
    if (syncText !== undefined) op.sync = syncText === '' ? [] : syncText.split(' ').map((text) => this.global(text));
    return op;
  }

  private plain(row: OpRow<OpName>, out: string | undefined, operands: string[], imm: number, imm2: number): Op {
    if (operands.length !== row.ins.length) throw new Error(`${row.name} takes ${row.ins.length} operands`);
    if ((out === undefined) !== (row.out === null)) throw new Error(`${row.name} gives ${row.out ?? 'no result'}`);
    const [a = null, b = null, c = null] = operands.map((text, i) => this.value(text, row.ins[i]!));
    const variable = out === undefined ? null : this.variable(out, row.out as Type);
    return new Op(row, variable, a, b, c, imm, imm2, null, null, null);
  }

  private call(row: OpRow<OpName>, out: string | undefined, text: string): Op {
    const parts = /^((?:[^(]*, )?)(\w+)\((.*)\)$/.exec(text);
    const helper = parts ? this.helpers.get(parts[2]!) : undefined;
    if (!parts || !helper) throw new Error(`"${text}" is not a call of a known helper`);
    const args = parts[3] === '' ? [] : parts[3]!.split(', ');
    if (args.length !== helper.args.length) throw new Error(`${helper.name} takes ${helper.args.length} arguments`);
    if (out !== undefined && helper.result === null) throw new Error(`${helper.name} gives no result`);
    const operands = parts[1]!.split(', ').slice(0, -1);
    if (operands.length !== row.ins.length) throw new Error(`${row.name} takes ${row.ins.length} operands`);
    const [a = null, b = null, c = null] = operands.map((operand, i) => this.value(operand, row.ins[i]!));
    const values = args.map((arg, i) => this.value(arg, helper.args[i]!));
    const variable = out === undefined ? null : this.variable(out, helper.result!);
    return new Op(row, variable, a, b, c, 0, 0, null, helper, values);
  }

  private value(text: string, type: Type): Value {
    return /^[-0-9I]/.test(text) && !this.globals.has(text) ? parseConst(text, type) : this.variable(text, type);
  }

  private variable(text: string, type: Type): Variable {
    const global = this.globals.get(text);
    if (global) return global;
    let temp = this.temps.get(text);
    if (!temp) {
      const index = /^t(\d+)$/.exec(text)?.[1];
      if (index === undefined) throw new Error(`there is no global ${text}`);
      const id = this.block.globals.length + Number(index);
      if (id >= this.block.valueCount) throw new Error(`${text} is beyond the number of temporaries`);
      temp = new Temp(type, id);
      this.temps.set(text, temp);
    }
    return temp;
  }

  private global(text: string): Global {
    const global = this.globals.get(text);
    if (!global) throw new Error(`there is no global ${text}`);
    return global;
  }

  private label(text: string): Label {
    const id = Number(text.slice(1));
    if (id >= this.block.labelCount) throw new Error(`${text} is beyond the number of labels`);
    let label = this.labels.get(text);
    if (!label) this.labels.set(text, (label = new Label(id)));
    return label;
  }
}
