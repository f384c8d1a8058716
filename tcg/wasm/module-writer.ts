// Writes WebAssembly binary modules: a growable code buffer with function bodies, and the sections around it. Knows no IR.
import { PREFIX_SHIFT, PREFIXED, W } from './opcodes.ts';

/** Value types by number: i32, i64, f32, f64, v128. Their binary form is `VALTYPE_FIRST - number`. */
export type ValType = 0 | 1 | 2 | 3 | 4;
export const VALTYPE_NAMES = ['i32', 'i64', 'f32', 'f64', 'v128'] as const;
export const VALTYPE_NUMBER = { i32: 0, i64: 1, f32: 2, f64: 3, v128: 4 } as const;
export const VALTYPE_FIRST = 0x7f;
const VOID_BLOCK = 0x40;

/** Bytes in front of a function body: its size and the usual declaration of locals, both patched in at the end. */
const BODY_SIZE_BYTES = 3;
const BODY_DECL_BYTES = 3;
/** Largest body that BODY_SIZE_BYTES can state, in bytes. */
const MAX_BODY = 1 << (7 * BODY_SIZE_BYTES);
const END = W.end;
const I32_CONST = W['i32.const'];

const scratch = new DataView(new ArrayBuffer(8));

/**
 * A buffer of function bodies. The small writing methods do not check for room: call `reserve` before each group of them.
 */
export class CodeWriter {
  bytes = new Uint8Array(1 << 16);
  pos = 0;
  /** Where the current function body starts. */
  private bodyStart = 0;
  private functions = 0;
  /** Branches that are hardly ever taken: pairs of the function's number in the buffer and the offset in its body. */
  readonly hints: number[] = [];

  /** Forgets all functions. */
  restart(): void {
    this.pos = 0;
    this.functions = 0;
    this.hints.length = 0;
  }

  /** Makes room for `more` further bytes. */
  reserve(more: number): void {
    if (this.pos + more > this.bytes.length) this.grow(more);
  }

  private grow(more: number): void {
    const grown = new Uint8Array(Math.max(this.pos + more, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.pos));
    this.bytes = grown;
  }

  u8(value: number): void {
    this.bytes[this.pos++] = value;
  }

  /** Unsigned LEB128 of 32 bits. */
  u32(value: number): void {
    const bytes = this.bytes;
    let pos = this.pos;
    while (value > 0x7f || value < 0) {
      bytes[pos++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    bytes[pos++] = value;
    this.pos = pos;
  }

  /** An opcode without immediates, any prefix. */
  op(code: number): void {
    if (code < PREFIXED) {
      this.bytes[this.pos++] = code;
    } else {
      this.bytes[this.pos++] = code >> PREFIX_SHIFT;
      this.u32(code & ((1 << PREFIX_SHIFT) - 1));
    }
  }

  /** A one-byte opcode with one unsigned immediate: `local.get`, `call`, `br` … */
  opU32(code: number, value: number): void {
    const bytes = this.bytes;
    const pos = this.pos;
    bytes[pos] = code;
    if (value >>> 0 < 0x80) {
      bytes[pos + 1] = value;
      this.pos = pos + 2;
    } else {
      this.pos = pos + 1;
      this.u32(value);
    }
  }

  /** `value` is signed or unsigned. */
  i32Const(value: number): void {
    const bytes = this.bytes;
    let pos = this.pos;
    bytes[pos++] = I32_CONST;
    value |= 0;
    while (value < -0x40 || value > 0x3f) {
      bytes[pos++] = (value & 0x7f) | 0x80;
      value >>= 7;
    }
    bytes[pos++] = value & 0x7f;
    this.pos = pos;
  }

  /** A constant that fits 32 signed bits goes the short way; the others are cut into halves once. */
  i64Const(value: bigint): void {
    this.bytes[this.pos++] = W['i64.const'];
    let low = Number(BigInt.asIntN(32, value));
    let high = Number(BigInt.asIntN(32, value >> 32n));
    while (high !== low >> 31 || low < -0x40 || low > 0x3f) {
      this.bytes[this.pos++] = (low & 0x7f) | 0x80;
      low = (low >>> 7) | (high << 25);
      high >>= 7;
    }
    this.bytes[this.pos++] = low & 0x7f;
  }

  f32Const(value: number): void {
    this.bytes[this.pos++] = W['f32.const'];
    scratch.setFloat32(0, value, true);
    this.scratchBytes(4);
  }

  f64Const(value: number): void {
    this.bytes[this.pos++] = W['f64.const'];
    scratch.setFloat64(0, value, true);
    this.scratchBytes(8);
  }

  private scratchBytes(length: number): void {
    for (let i = 0; i < length; i++) this.bytes[this.pos++] = scratch.getUint8(i);
  }

  /** `v128.const` or the lanes of `i8x16.shuffle`: an opcode and 16 bytes. */
  op16(code: number, lanes: Uint8Array): void {
    this.op(code);
    for (let i = 0; i < 16; i++) this.bytes[this.pos++] = lanes[i]!;
  }

  /** A load, store or atomic: `align` is log2 of the promised alignment, `offset` 0..2^32-1. */
  memory(code: number, align: number, offset: number): void {
    if (code < PREFIXED && offset < 0x80) {
      const bytes = this.bytes;
      const pos = this.pos;
      bytes[pos] = code;
      bytes[pos + 1] = align;
      bytes[pos + 2] = offset;
      this.pos = pos + 3;
    } else {
      this.op(code);
      this.bytes[this.pos++] = align;
      this.u32(offset);
    }
  }

  /** Opens `block`, `loop` or `if` without parameters and results. */
  open(code: number): void {
    this.bytes[this.pos++] = code;
    this.bytes[this.pos++] = VOID_BLOCK;
  }

  /** Opens an `if` whose condition hardly ever holds: the engine then keeps its body out of the way. */
  openUnlikely(): void {
    this.hints.push(this.functions, this.pos - this.bodyStart - BODY_SIZE_BYTES);
    this.open(W.if);
  }

  beginFunction(): void {
    this.reserve(64);
    this.bodyStart = this.pos;
    this.pos += BODY_SIZE_BYTES + BODY_DECL_BYTES;
  }

  /**
   * Ends a body: declares the locals from number `first` up to, without, `end`, whose types are in `types` by number, and
   * patches size and locals in. Throws RangeError when the body is too large.
   */
  endFunction(types: Uint8Array, first: number, end: number): void {
    this.reserve(16 + 8 * (end - first));
    this.bytes[this.pos++] = END;
    const start = this.bodyStart;
    const bytes = this.bytes;
    let at = start + BODY_SIZE_BYTES;
    let same = first + 1;
    const type = types[first]!;
    while (same < end && types[same] === type) same++;
    if (end === first) {
      // No groups, in as many bytes as one takes.
      bytes[at++] = 0x80;
      bytes[at++] = 0x80;
      bytes[at] = 0;
    } else if (same === end && end - first < 0x80) {
      bytes[at++] = 1;
      bytes[at++] = end - first;
      bytes[at] = VALTYPE_FIRST - type;
    } else {
      this.insertLocals(types, first, end);
    }
    let size = this.pos - start - BODY_SIZE_BYTES;
    if (size >= MAX_BODY) throw new RangeError(`a generated function of ${size} bytes is too large`);
    bytes[start] = (size & 0x7f) | 0x80;
    size >>= 7;
    bytes[start + 1] = (size & 0x7f) | 0x80;
    bytes[start + 2] = size >> 7;
    this.functions++;
  }

  /** Writes a long declaration of locals behind the code, then exchanges the two. */
  private insertLocals(types: Uint8Array, first: number, end: number): void {
    const codeStart = this.bodyStart + BODY_SIZE_BYTES + BODY_DECL_BYTES;
    const codeEnd = this.pos;
    let groups = 0;
    for (let i = first; i < end; i++) if (i === first || types[i] !== types[i - 1]) groups++;
    this.u32(groups);
    for (let i = first; i < end; ) {
      let next = i + 1;
      while (next < end && types[next] === types[i]) next++;
      this.u32(next - i);
      this.u8(VALTYPE_FIRST - types[i]!);
      i = next;
    }
    const declaration = this.bytes.slice(codeEnd, this.pos);
    const moved = declaration.length - BODY_DECL_BYTES;
    this.bytes.copyWithin(codeStart + moved, codeStart, codeEnd);
    this.bytes.set(declaration, codeStart - BODY_DECL_BYTES);
    this.pos = codeEnd + moved;
    for (let i = this.hints.length - 2; i >= 0 && this.hints[i] === this.functions; i -= 2) this.hints[i + 1]! += moved;
  }
}

/** A function type. */
export interface FuncType {
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

/** Limits of an imported memory (pages) or table (entries). */
export interface Limits {
  readonly initial: number;
  readonly maximum?: number;
}

/** What a module is made of. */
export interface ModuleParts {
  readonly types: readonly FuncType[];
  /** Imported functions; they take the first function indices. */
  readonly functions: readonly { readonly module: string; readonly name: string; readonly type: number }[];
  /** The shared memory and the table of functions. */
  readonly memory: { readonly module: string; readonly name: string; readonly limits: Limits };
  readonly table: { readonly module: string; readonly name: string; readonly limits: Limits };
  /** Table slots of the functions in `code`, in order; all have type 0. */
  readonly slots: readonly number[];
  readonly code: CodeWriter;
}

const SECTION_CUSTOM = 0;
const SECTION_TYPE = 1;
const SECTION_IMPORT = 2;
const SECTION_FUNCTION = 3;
const SECTION_ELEMENT = 9;
const SECTION_CODE = 10;
const EXTERN_FUNC = 0;
const EXTERN_TABLE = 1;
const EXTERN_MEMORY = 2;
const FUNCREF = 0x70;
const FUNC_TYPE = 0x60;
/** A branch hint: not taken. */
const UNLIKELY = 0;
const SECTION_SIZE_BYTES = 5;
/** Bytes one function takes at most in the function and element sections. */
const PER_FUNCTION = 20;

const head = new CodeWriter();

function beginSection(id: number): number {
  head.reserve(16);
  head.u8(id);
  head.pos += SECTION_SIZE_BYTES;
  return head.pos;
}

function endSection(start: number, extra = 0): void {
  let size = head.pos - start + extra;
  for (let i = 0; i < SECTION_SIZE_BYTES; i++) {
    head.bytes[start - SECTION_SIZE_BYTES + i] = (size & 0x7f) | (i < SECTION_SIZE_BYTES - 1 ? 0x80 : 0);
    size >>>= 7;
  }
}

function name(text: string): void {
  head.reserve(text.length + 5);
  head.u32(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) throw new RangeError(`import name ${JSON.stringify(text)} is not ASCII`);
    head.u8(unit);
  }
}

function limits(limit: Limits, shared: boolean): void {
  head.reserve(16);
  head.u8((limit.maximum === undefined ? 0 : 1) | (shared ? 2 : 0));
  head.u32(limit.initial);
  if (limit.maximum !== undefined) head.u32(limit.maximum);
}

/** The section of the branch hinting proposal. Function indices count imports. */
function branchHints(hints: readonly number[], imported: number): void {
  const start = beginSection(SECTION_CUSTOM);
  name('metadata.code.branch_hint');
  let functions = 0;
  for (let i = 0; i < hints.length; i += 2) if (i === 0 || hints[i] !== hints[i - 2]) functions++;
  head.reserve(16 + 16 * hints.length);
  head.u32(functions);
  for (let i = 0; i < hints.length; ) {
    let next = i;
    while (next < hints.length && hints[next] === hints[i]) next += 2;
    head.u32(imported + hints[i]!);
    head.u32((next - i) >> 1);
    for (; i < next; i += 2) {
      head.u32(hints[i + 1]!);
      head.u8(1);
      head.u8(UNLIKELY);
    }
  }
  endSection(start);
}

/** Puts a module together. The bytes are a copy: `parts.code` may be reused. */
export function assembleModule(parts: ModuleParts): Uint8Array<ArrayBuffer> {
  head.pos = 0;
  for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) head.u8(byte);

  let start = beginSection(SECTION_TYPE);
  head.u32(parts.types.length);
  for (const type of parts.types) {
    head.reserve(16 + type.params.length + type.results.length);
    head.u8(FUNC_TYPE);
    head.u32(type.params.length);
    for (const param of type.params) head.u8(VALTYPE_FIRST - param);
    head.u32(type.results.length);
    for (const result of type.results) head.u8(VALTYPE_FIRST - result);
  }
  endSection(start);

  start = beginSection(SECTION_IMPORT);
  head.u32(parts.functions.length + 2);
  for (const entry of parts.functions) {
    name(entry.module);
    name(entry.name);
    head.reserve(8);
    head.u8(EXTERN_FUNC);
    head.u32(entry.type);
  }
  name(parts.memory.module);
  name(parts.memory.name);
  head.reserve(2);
  head.u8(EXTERN_MEMORY);
  limits(parts.memory.limits, true);
  name(parts.table.module);
  name(parts.table.name);
  head.reserve(2);
  head.u8(EXTERN_TABLE);
  head.u8(FUNCREF);
  limits(parts.table.limits, false);
  endSection(start);

  const slots = parts.slots;
  const count = slots.length;
  head.reserve(64 + PER_FUNCTION * count);
  start = beginSection(SECTION_FUNCTION);
  head.u32(count);
  for (let i = 0; i < count; i++) head.u8(0);
  endSection(start);

  start = beginSection(SECTION_ELEMENT);
  let segments = 0;
  for (let i = 0; i < count; i++) if (i === 0 || slots[i] !== slots[i - 1]! + 1) segments++;
  head.u32(segments);
  for (let i = 0; i < count; ) {
    let next = i + 1;
    while (next < count && slots[next] === slots[next - 1]! + 1) next++;
    head.u8(0);
    head.i32Const(slots[i]!);
    head.u8(END);
    head.u32(next - i);
    for (; i < next; i++) head.u32(parts.functions.length + i);
  }
  endSection(start);

  const code = parts.code;
  if (code.hints.length > 0) branchHints(code.hints, parts.functions.length);
  start = beginSection(SECTION_CODE);
  head.u32(count);
  endSection(start, code.pos);

  const module = new Uint8Array(head.pos + code.pos);
  module.set(head.bytes.subarray(0, head.pos));
  module.set(code.bytes.subarray(0, code.pos), head.pos);
  return module;
}
