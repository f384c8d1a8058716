// C structure layouts per ABI: a declaration in C-like text is laid out by the ABI's rules, read, written and converted.

import type { DataModel, StructTable } from './abi/interface.ts';

/** The model of the machine we run on: x86-64. */
export const HOST_MODEL: DataModel = { bigEndian: false, longSize: 8, align64: 8 };

/** One member after layout. Nested structures are flattened: `ru_utime.tv_sec`. */
export interface Field {
  readonly name: string;
  /** Bytes from the start of the structure. */
  readonly offset: number;
  /** Bytes of one element. */
  readonly size: 1 | 2 | 4 | 8;
  readonly signed: boolean;
  /** Number of elements; 1 for a plain member. */
  readonly count: number;
  /** How to print it (see `format` in syscalls/format.ts); empty: by its C type. */
  readonly format: string;
  /** Of eight bytes where longs have four: the kernel takes the lower half. */
  readonly lowOnly: boolean;
  /** Marked `!` in the declaration: a value that does not fit is EOVERFLOW; otherwise high bits are dropped. */
  readonly checked: boolean;
}

export interface Layout {
  readonly name: string;
  readonly size: number;
  readonly align: number;
  readonly fields: readonly Field[];
  readonly model: DataModel;
}

/** C types with their size; 0 stands for the model's `long`. */
const SCALARS: Record<string, [size: 0 | 1 | 2 | 4 | 8, signed: boolean]> = {
  u8: [1, false],
  s8: [1, true],
  char: [1, false],
  u16: [2, false],
  s16: [2, true],
  u32: [4, false],
  s32: [4, true],
  int: [4, true],
  uint: [4, false],
  u64: [8, false],
  s64: [8, true],
  long: [0, true],
  ulong: [0, false],
  ptr: [0, false],
  // Nanoseconds beside a 64-bit time: of a program whose longs have four bytes only these count (kernel/time/time.c,
  // get_timespec64), and its C library leaves anything in the others.
  nsec64: [8, true],
};

/** Lays out structures of one data model, each on first use. */
export class StructSet {
  private readonly layouts = new Map<string, Layout>();

  /** Later tables win: first the common declarations, then what the ABI declares differently. */
  constructor(
    readonly model: DataModel,
    private readonly tables: readonly StructTable[],
  ) {}

  /** The layout of a structure. Throws when no table declares it. */
  layout(name: string): Layout {
    let layout = this.layouts.get(name);
    if (!layout) {
      layout = this.compute(name);
      this.layouts.set(name, layout);
    }
    return layout;
  }

  /** Bytes of a structure or scalar type. */
  sizeOf(type: string): number {
    const scalar = SCALARS[type];
    return scalar ? scalar[0] || this.model.longSize : this.layout(type).size;
  }

  /** Whether `type` is one of the plain C types. */
  static isScalar(type: string): boolean {
    return type in SCALARS;
  }

  private declaration(name: string): string | undefined {
    for (let i = this.tables.length - 1; i >= 0; i--) {
      const text = this.tables[i]![name];
      if (text !== undefined) return text;
    }
    return undefined;
  }

  private compute(name: string): Layout {
    let text = this.declaration(name);
    if (text === undefined) {
      if (!(name in SCALARS)) throw new Error(`structure ${name} is not declared`);
      text = `${name} value`;
    }
    const packed = text.startsWith('packed ');
    if (packed) text = text.slice('packed '.length);
    const fields: Field[] = [];
    let at = 0;
    let align = 1;
    for (const member of text.split(',')) {
      const match = /^\s*(\w+) (\w+)(?:\[([^\]]*)\])?(!?)(?:=(\S+))?\s*$/.exec(member);
      if (!match) throw new Error(`structure ${name}: cannot read member '${member}'`);
      const type = match[1]!;
      const count = match[3] === undefined ? 1 : this.arrayLength(match[3]);
      const scalar = SCALARS[type];
      const inner = scalar ? undefined : this.layout(type);
      const size = scalar ? scalar[0] || this.model.longSize : inner!.size;
      const memberAlign = packed ? 1 : scalar ? (size === 8 ? this.model.align64 : size) : inner!.align;
      at = roundUp(at, memberAlign);
      align = Math.max(align, memberAlign);
      if (scalar) {
        const lowOnly = type === 'nsec64' && this.model.longSize === 4;
        fields.push({
          name: match[2]!,
          offset: at,
          size: size as Field['size'],
          signed: scalar[1] && !lowOnly,
          count,
          format: match[5] ?? '',
          lowOnly,
          checked: match[4] === '!',
        });
      } else {
        for (let i = 0; i < count; i++) {
          const prefix = count === 1 ? match[2] : `${match[2]}[${i}]`;
          for (const field of inner!.fields) {
            fields.push({ ...field, name: `${prefix}.${field.name}`, offset: at + i * size + field.offset });
          }
        }
      }
      at += size * count;
    }
    return { name, size: roundUp(at, align), align, fields, model: this.model };
  }

  /** A number, or `a-b*long` or `a+b*long`: for members that make up for, or follow, the width of long ones. */
  private arrayLength(text: string): number {
    const match = /^(\d+)(?:([-+])(\d+)\*long)?$/.exec(text);
    if (!match) throw new Error(`cannot read array length '${text}'`);
    const longs = Number(match[3] ?? 0) * this.model.longSize;
    return Number(match[1]) + (match[2] === '-' ? -longs : longs);
  }
}

function roundUp(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}

/** Whether bytes of a layout that are read, where `reads`, or only written can serve as the other's. */
export function sameLayout(a: Layout, b: Layout, reads = true): boolean {
  if (a.size !== b.size || a.fields.length !== b.fields.length) return false;
  if (a.model.bigEndian !== b.model.bigEndian && a.fields.some((field) => field.size > 1)) return false;
  return a.fields.every((field, i) => {
    const other = b.fields[i]!;
    return (
      field.name === other.name &&
      field.offset === other.offset &&
      field.size === other.size &&
      field.count === other.count &&
      !(reads && field.lowOnly)
    );
  });
}

/**
 * A conversion between two layouts of the same structure, fields matched by name. Fields the source lacks are zero in the
 * destination. Made once per pair and kept, see `conversion`.
 */
interface Conversion {
  readonly size: number;
  readonly steps: readonly { readonly from: Field; readonly to: Field }[];
}

const conversions = new WeakMap<Layout, WeakMap<Layout, Conversion>>();

function conversion(from: Layout, to: Layout): Conversion {
  let byTarget = conversions.get(from);
  if (!byTarget) conversions.set(from, (byTarget = new WeakMap()));
  let result = byTarget.get(to);
  if (!result) {
    const source = new Map(from.fields.map((field) => [field.name, field]));
    const steps: { from: Field; to: Field }[] = [];
    for (const field of to.fields) {
      const other = source.get(field.name);
      if (other) steps.push({ from: other, to: field });
    }
    byTarget.set(to, (result = { size: to.size, steps }));
  }
  return result;
}

/**
 * Converts the structure at `fromAt` to `to`'s layout at `toAt`, clearing padding unless told to keep what is there.
 * Returns false, the destination untouched, when a field marked as checked does not fit.
 */
export function convert(
  from: Layout,
  fromView: DataView,
  fromAt: number,
  to: Layout,
  toView: DataView,
  toAt: number,
  keepPadding = false,
): boolean {
  const { size, steps } = conversion(from, to);
  if (steps.some(({ to: b }) => b.checked) && !allFit(steps, from, fromView, fromAt)) return false;
  if (!keepPadding) for (let i = 0; i < size; i++) toView.setUint8(toAt + i, 0);
  const fromLittle = !from.model.bigEndian;
  const toLittle = !to.model.bigEndian;
  for (const step of steps) {
    const a = step.from;
    const b = step.to;
    const count = Math.min(a.count, b.count);
    for (let i = 0; i < count; i++) {
      const low = readLow(a, fromView, fromAt + a.offset + i * a.size, fromLittle);
      const high = readHigh(a, fromView, fromAt + a.offset + i * a.size, low, fromLittle);
      writeWide(toView, toAt + b.offset + i * b.size, b.size, low, high, toLittle);
    }
  }
  return true;
}

/** Whether every field marked as checked survives the conversion: the kernel looks before it stores anything. */
function allFit(steps: Conversion['steps'], from: Layout, view: DataView, fromAt: number): boolean {
  const little = !from.model.bigEndian;
  return steps.every(({ from: a, to: b }) => {
    if (!b.checked) return true;
    for (let i = 0; i < Math.min(a.count, b.count); i++) {
      const low = readLow(a, view, fromAt + a.offset + i * a.size, little);
      const high = readHigh(a, view, fromAt + a.offset + i * a.size, low, little);
      if (!fits(low, high, b.size, b.signed, a.signed)) return false;
    }
    return true;
  });
}

/** The lower 32 bits of one element of `field` at `at`. */
function readLow(field: Field, view: DataView, at: number, little: boolean): number {
  if (field.size === 8) return view.getInt32(little ? at : at + 4, little);
  return readSmall(view, at, field.size, field.signed, little);
}

/** The upper 32 bits, given the lower ones. */
function readHigh(field: Field, view: DataView, at: number, low: number, little: boolean): number {
  if (field.lowOnly) return 0;
  if (field.size === 8) return view.getInt32(little ? at + 4 : at, little);
  return field.signed && low < 0 ? -1 : 0;
}

function readSmall(view: DataView, at: number, size: number, signed: boolean, little: boolean): number {
  if (size === 4) return signed ? view.getInt32(at, little) : view.getUint32(at, little);
  if (size === 2) return signed ? view.getInt16(at, little) : view.getUint16(at, little);
  return signed ? view.getInt8(at) : view.getUint8(at);
}

/** Whether the 64-bit value high:low survives being cut to `size` bytes. */
function fits(low: number, high: number, size: number, signed: boolean, sourceSigned: boolean): boolean {
  if (size === 8) return true;
  if (signed) {
    const bits = size * 8;
    const kept = bits === 32 ? low | 0 : (low << (32 - bits)) >> (32 - bits);
    return kept === (low | 0) && high === (kept < 0 ? -1 : 0) && (sourceSigned || kept >= 0);
  }
  return high === 0 && (size === 4 || low >>> 0 < 2 ** (size * 8));
}

function writeWide(view: DataView, at: number, size: number, low: number, high: number, little: boolean): void {
  if (size === 8) {
    view.setInt32(little ? at : at + 4, low, little);
    view.setInt32(little ? at + 4 : at, high, little);
  } else if (size === 4) view.setInt32(at, low, little);
  else if (size === 2) view.setInt16(at, low, little);
  else view.setInt8(at, low);
}

/** One element of a field as a number: exact below 2^53, rounded above. */
export function readField(layout: Layout, view: DataView, at: number, field: Field, index = 0): number {
  const where = at + field.offset + index * field.size;
  const little = !layout.model.bigEndian;
  if (field.size !== 8) return readSmall(view, where, field.size, field.signed, little);
  if (field.lowOnly) return view.getUint32(little ? where : where + 4, little);
  return read64(view, where, field.signed, little);
}

/** A 64-bit integer as a number: exact below 2^53, rounded above. */
export function read64(view: DataView, at: number, signed: boolean, little: boolean): number {
  const low = view.getUint32(little ? at : at + 4, little);
  const high = signed ? view.getInt32(little ? at + 4 : at, little) : view.getUint32(little ? at + 4 : at, little);
  return high * 0x1_0000_0000 + low;
}

/** Writes an integer (|value| < 2^63, taken as exact) as 64 bits. */
export function write64(view: DataView, at: number, value: number, little: boolean): void {
  view.setInt32(little ? at : at + 4, value | 0, little);
  view.setInt32(little ? at + 4 : at, Math.floor(value / 0x1_0000_0000) | 0, little);
}

/** Writes one element of a field; high bits that do not fit are dropped. */
export function writeField(layout: Layout, view: DataView, at: number, field: Field, value: number, index = 0): void {
  const where = at + field.offset + index * field.size;
  const little = !layout.model.bigEndian;
  if (field.size === 8) write64(view, where, value, little);
  else writeWide(view, where, field.size, value, 0, little);
}

/** The field called `name`; throws when there is none. */
export function fieldOf(layout: Layout, name: string): Field {
  const field = layout.fields.find((candidate) => candidate.name === name);
  if (!field) throw new Error(`structure ${layout.name} has no member ${name}`);
  return field;
}
