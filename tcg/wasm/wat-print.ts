// Prints WebAssembly functions as text for logs and goldens. Loaded only when somebody wants to read code.
import { readS64, readU32 } from '../../src/util/leb128.ts';
import { VALTYPE_FIRST, VALTYPE_NAMES } from './module-writer.ts';
import { PREFIX_SHIFT, PREFIXED, W } from './opcodes.ts';

const NAMES = new Map<number, string>(Object.entries(W).map(([name, code]) => [code, name]));

const SECTION_TYPE = 1;
const SECTION_IMPORT = 2;
const SECTION_ELEMENT = 9;
const SECTION_CODE = 10;
const MODULE_HEADER_BYTES = 8;
const EXTERN_KINDS = ['func', 'table', 'memory'];
const LIMIT_MAXIMUM = 1;
const LIMIT_SHARED = 2;
const VOID_BLOCK = 0x40;

/** A place in the bytes of a module; reading moves it on. */
class Reader {
  constructor(
    readonly bytes: Uint8Array,
    public at: number,
  ) {}

  u8(): number {
    if (this.at >= this.bytes.length) throw new RangeError(`module ends at offset ${this.at}`);
    return this.bytes[this.at++]!;
  }

  u32(): number {
    const { value, next } = readU32(this.bytes, this.at);
    this.at = next;
    return value;
  }

  signed(): bigint {
    const { value, next } = readS64(this.bytes, this.at);
    this.at = next;
    return value;
  }

  take(length: number): Uint8Array {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  opcode(): number {
    const first = this.u8();
    if (first < 0xfc) return first;
    return (first << PREFIX_SHIFT) | this.u32();
  }
}

function floatText(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = bytes.length === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** log2 of the bytes an access opcode touches. */
function accessSize(name: string): number {
  const narrow = /(?:load|store|rmw)(8|16|32|64)/.exec(name);
  const bits = narrow ? Number(narrow[1]) : name.startsWith('v128') ? 128 : name.includes('64') ? 64 : 32;
  return Math.log2(bits / 8);
}

function immediates(reader: Reader, name: string): string {
  if (name.endsWith('.const')) {
    if (name === 'v128.const') return ` i8x16 ${[...reader.take(16)].join(' ')}`;
    if (name.startsWith('f')) return ` ${floatText(reader.take(name === 'f32.const' ? 4 : 8))}`;
    return ` ${reader.signed()}`;
  }
  if (/\.(load|store|atomic\.rmw)/.test(name)) {
    const align = reader.u32();
    const offset = reader.u32();
    const lane = name.endsWith('_lane') ? ` ${reader.u8()}` : '';
    return (
      (offset === 0 ? '' : ` offset=${offset}`) + (align === accessSize(name) ? '' : ` align=${1 << align}`) + lane
    );
  }
  switch (name) {
    case 'block':
    case 'loop':
    case 'if': {
      const type = reader.u8();
      return type === VOID_BLOCK ? '' : ` (result ${VALTYPE_NAMES[VALTYPE_FIRST - type]})`;
    }
    case 'br':
    case 'br_if':
    case 'call':
    case 'return_call':
    case 'local.get':
    case 'local.set':
    case 'local.tee':
      return ` ${reader.u32()}`;
    case 'br_table': {
      const depths: number[] = [];
      for (let more = reader.u32(); more >= 0; more--) depths.push(reader.u32());
      return ` ${depths.join(' ')}`;
    }
    case 'call_indirect':
    case 'return_call_indirect': {
      const type = reader.u32();
      const table = reader.u32();
      return `${table === 0 ? '' : ` ${table}`} (type ${type})`;
    }
    case 'i8x16.shuffle':
      return ` ${[...reader.take(16)].join(' ')}`;
    case 'atomic.fence':
      reader.u8();
      return '';
  }
  return /_lane(_[su])?$/.test(name) ? ` ${reader.u8()}` : '';
}

/** Calls `visit` for each section with a reader at its content. */
function eachSection(module: Uint8Array, visit: (id: number, reader: Reader) => void): void {
  const reader = new Reader(module, MODULE_HEADER_BYTES);
  while (reader.at < module.length) {
    const id = reader.u8();
    const size = reader.u32();
    const end = reader.at + size;
    visit(id, reader);
    reader.at = end;
  }
}

/** Where the function bodies of a module lie: offset behind the size, offset behind the end. */
export function functionBodies(module: Uint8Array): { start: number; end: number }[] {
  const bodies: { start: number; end: number }[] = [];
  eachSection(module, (id, reader) => {
    if (id !== SECTION_CODE) return;
    for (let more = reader.u32(); more > 0; more--) {
      const size = reader.u32();
      bodies.push({ start: reader.at, end: reader.at + size });
      reader.at += size;
    }
  });
  return bodies;
}

function valTypeList(reader: Reader, word: string): string {
  const types: string[] = [];
  for (let more = reader.u32(); more > 0; more--) types.push(VALTYPE_NAMES[VALTYPE_FIRST - reader.u8()]!);
  return types.length > 0 ? ` (${word} ${types.join(' ')})` : '';
}

function limitsText(reader: Reader): string {
  const flags = reader.u8();
  let text = ` ${reader.u32()}`;
  if (flags & LIMIT_MAXIMUM) text += ` ${reader.u32()}`;
  if (flags & LIMIT_SHARED) text += ' shared';
  return text;
}

/** A module as text that assemblers for WebAssembly read: types, imports, table entries, functions. */
export function printModule(module: Uint8Array): string {
  const lines: string[] = ['(module'];
  const callees: string[] = [];
  eachSection(module, (id, reader) => {
    if (id === SECTION_TYPE) {
      for (let more = reader.u32(); more > 0; more--) {
        reader.u8();
        lines.push(`(type (func${valTypeList(reader, 'param')}${valTypeList(reader, 'result')}))`);
      }
    } else if (id === SECTION_IMPORT) {
      const text = () => Buffer.from(reader.take(reader.u32())).toString();
      for (let more = reader.u32(); more > 0; more--) {
        const from = text();
        const name = text();
        const kind = EXTERN_KINDS[reader.u8()];
        let rest: string;
        if (kind === 'func') {
          rest = ` (type ${reader.u32()})`;
          callees.push(`${from}.${name}`);
        } else if (kind === 'table') {
          reader.u8();
          rest = `${limitsText(reader)} funcref`;
        } else {
          rest = limitsText(reader);
        }
        lines.push(`(import "${from}" "${name}" (${kind}${rest}))`);
      }
    } else if (id === SECTION_ELEMENT) {
      for (let more = reader.u32(); more > 0; more--) {
        // Flags, i32.const, slot, end, function indices: the form the writer uses.
        reader.u8();
        reader.u8();
        const slot = reader.signed();
        reader.u8();
        const functions: number[] = [];
        for (let left = reader.u32(); left > 0; left--) functions.push(reader.u32());
        lines.push(`(elem (i32.const ${slot}) func ${functions.join(' ')})`);
      }
    }
  });
  for (const { start, end } of functionBodies(module)) {
    lines.push(printBody(module, start, end, (index) => callees[index]));
  }
  lines.push(')');
  return lines.join('\n');
}

/**
 * The text of one function body, an instruction per line, as the text format has it: parameter and locals on the first
 * line, then the code indented by nesting. `callName` gives names of functions to show behind calls as comments.
 */
export function printBody(
  module: Uint8Array,
  start: number,
  end: number,
  callName?: (index: number) => string | undefined,
): string {
  const reader = new Reader(module, start);
  const locals: string[] = [];
  for (let groups = reader.u32(); groups > 0; groups--) {
    const count = reader.u32();
    const type = VALTYPE_NAMES[VALTYPE_FIRST - reader.u8()]!;
    for (let i = 0; i < count; i++) locals.push(type);
  }
  const lines = [`(func (param i32) (result i32)${locals.length > 0 ? ` (local ${locals.join(' ')})` : ''}`];
  let depth = 1;
  while (reader.at < end) {
    const at = reader.at;
    const code = reader.opcode();
    const name = NAMES.get(code);
    if (name === undefined) {
      const shown = code < PREFIXED ? code.toString(16) : `${(code >> PREFIX_SHIFT).toString(16)} ${code & 0xfff}`;
      throw new RangeError(`unknown opcode ${shown} at offset ${at}`);
    }
    if (name === 'end' || name === 'else') depth--;
    if (depth === 0) break;
    let line = '  '.repeat(depth) + name;
    const before = reader.at;
    line += immediates(reader, name);
    if (name === 'call') {
      const callee = callName?.(readU32(module, before).value);
      if (callee !== undefined) line += ` ;; ${callee}`;
    }
    lines.push(line);
    if (name === 'block' || name === 'loop' || name === 'if' || name === 'else') depth++;
  }
  lines.push(')');
  return lines.join('\n');
}

/** The text of the function with number `index` among the functions a module defines. */
export function printFunction(
  module: Uint8Array,
  index: number,
  callName?: (index: number) => string | undefined,
): string {
  const body = functionBodies(module)[index];
  if (!body) throw new RangeError(`the module has no function ${index}`);
  return printBody(module, body.start, body.end, callName);
}
