// How -strace prints values: numbers by kind, flags by name, strings, structures, socket addresses.

import type { Process } from './process.ts';
import { type Field, type Layout, read64, readField } from './structs.ts';
import { ENUM_NAMES, FLAG_NAMES } from './syscalls/flag-names.ts';
import { ioctlName } from './syscalls/ioctl.ts';

/** Bytes of a string or buffer shown before it is cut. */
const MOST_BYTES = 32;
/** Elements of an array shown before it is cut. */
const MOST_ELEMENTS = 16;
/** Longest file name shown. */
const PATH_MAX = 4096;

interface NamedValue {
  readonly name: string;
  readonly value: number;
  /** Bits of a field the value belongs to, or 0 for a plain flag. */
  readonly mask: number;
}

const parsedSets = new Map<string, readonly NamedValue[]>();

function parseSet(text: string): readonly NamedValue[] {
  let set = parsedSets.get(text);
  if (!set) {
    set = text.split(' ').map((word) => {
      const [, mask, name, value] = /^(?:(\w+):)?(\w+)=(\S+)$/.exec(word)!;
      return { name: name!, value: Number(value) >>> 0, mask: mask === undefined ? 0 : Number(mask) >>> 0 };
    });
    parsedSets.set(text, set);
  }
  return set;
}

/** A number as `0x1f`. */
export function hex(value: number): string {
  return `0x${(value < 0 ? value >>> 0 : value).toString(16)}`;
}

/** A guest address; NULL for 0. */
export function address(value: number): string {
  return value === 0 ? 'NULL' : hex(value);
}

/** Names of the bits of `value` in the set `name`, joined by `|`; what no name covers in hexadecimal. */
export function flags(name: string, value: number): string {
  const set = parseSet(FLAG_NAMES[name] ?? '');
  let rest = value >>> 0;
  const words: string[] = [];
  for (const { name: word, value: bits, mask } of set) {
    if (mask !== 0) {
      if ((value & mask) >>> 0 !== bits) continue;
      words.push(word);
      rest = (rest & ~mask) >>> 0;
    } else if (bits !== 0 && (rest & bits) >>> 0 === bits) {
      words.push(word);
      rest = (rest & ~bits) >>> 0;
    }
  }
  if (rest !== 0 || words.length === 0) words.push(rest === 0 ? '0' : hex(rest));
  return words.join('|');
}

/** The name of `value` in the enumeration `name`, or the number. */
export function enumeration(name: string, value: number): string {
  if (name === 'ioctl') return ioctlName(value >>> 0) ?? hex(value);
  const found = parseSet(ENUM_NAMES[name] ?? '').find((entry) => entry.value === value >>> 0);
  return found?.name ?? String(value);
}

/** SIGINT, SIGRT_3, or the number. */
export function signalName(signal: number): string {
  if (signal >= 32 && signal <= 64) return signal === 32 ? 'SIGRTMIN' : `SIGRT_${signal - 32}`;
  return enumeration('signal', signal);
}

/** `[INT TERM]`; a set with most signals in it as what it lacks, `~[KILL STOP]`. */
export function signalSet(low: number, high: number): string {
  const names = (a: number, b: number) => {
    const list: string[] = [];
    for (let signal = 1; signal <= 64; signal++) {
      const word = signal <= 32 ? a : b;
      if (word & (1 << ((signal - 1) & 31))) list.push(signalName(signal).replace(/^SIG/, ''));
    }
    return list;
  };
  const inside = names(low, high);
  return inside.length > 40 ? `~[${names(~low, ~high).join(' ')}]` : `[${inside.join(' ')}]`;
}

function futexOp(op: number): string {
  const words = [enumeration('futex', op & 0x7f)];
  if (op & 0x80) words.unshift('FUTEX_PRIVATE_FLAG');
  if (op & 0x100) words.push('FUTEX_CLOCK_REALTIME');
  return words.join('|');
}

const FILE_TYPES: Readonly<Record<number, string>> = {
  1: 'S_IFIFO',
  2: 'S_IFCHR',
  4: 'S_IFDIR',
  6: 'S_IFBLK',
  8: 'S_IFREG',
  10: 'S_IFLNK',
  12: 'S_IFSOCK',
};

/** File type and permissions: `S_IFREG|0644`. */
function fileMode(mode: number): string {
  const type = FILE_TYPES[(mode >>> 12) & 15];
  return type === undefined ? octal(mode) : `${type}|${octal(mode & 0xfff)}`;
}

/** C's notation: `0644`. */
export function octal(value: number): string {
  return value === 0 ? '0' : `0${(value >>> 0).toString(8)}`;
}

/** A device number as the kernel packs it into 32 bits. */
function device(value: number): string {
  const major = (value >>> 8) & 0xfff;
  const minor = (value & 0xff) | ((value >>> 12) & 0xfff00);
  return `makedev(${hex(major)},${hex(minor)})`;
}

/** A number by the kind its row or structure gives it. */
export function scalar(kind: string, value: number): string {
  if (kind.startsWith('flags:')) return flags(kind.slice(6), value);
  if (kind.startsWith('enum:')) return enumeration(kind.slice(5), value);
  switch (kind) {
    case 'hex':
      return hex(value);
    case 'addr':
      return address(value >>> 0);
    case 'mode':
      return octal(value);
    case 'filemode':
      return fileMode(value);
    case 'dev':
      return device(value);
    case 'dirfd':
      return value === -100 ? 'AT_FDCWD' : String(value);
    case 'signal':
      return signalName(value);
    case 'futex':
      return futexOp(value);
    case 'rlim':
      return value >= 2 ** 64 || value === 0xffffffff ? 'RLIM_INFINITY' : String(value);
    case 'sighandler':
      return value === 0 ? 'SIG_DFL' : value === 1 ? 'SIG_IGN' : hex(value);
    case 'uid16':
    case 'gid16':
      return String((value << 16) >> 16 === -1 ? -1 : value & 0xffff);
    case 'uid':
    case 'gid':
      return value === -1 || value === 0xffffffff ? '-1' : String(value >>> 0);
    case 'uint':
    case 'size':
    case 'ulong':
      return String(value < 0 ? value >>> 0 : value);
    default:
      return String(value);
  }
}

const ESCAPES: Readonly<Record<number, string>> = {
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
};

/** Bytes in double quotes with C escapes; `more` adds the dots that say it goes on. */
export function quoted(bytes: Uint8Array, more: boolean): string {
  let text = '';
  bytes.forEach((byte, i) => {
    const escaped = ESCAPES[byte];
    if (escaped !== undefined) text += escaped;
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte);
    else {
      // Three digits when a digit follows, so that it does not become part of the escape.
      const next = bytes[i + 1] ?? 0;
      const digits = byte.toString(8);
      text += `\\${next >= 48 && next <= 57 ? digits.padStart(3, '0') : digits}`;
    }
  });
  return `"${text}"${more ? '...' : ''}`;
}

/** The zero-terminated string at `pointer`, or the pointer when it cannot be read. */
export function stringAt(p: Process, pointer: number): string {
  if (pointer === 0) return 'NULL';
  const bytes = p.memory.readCString(pointer, PATH_MAX);
  return bytes ? quoted(bytes, bytes.length === PATH_MAX) : hex(pointer);
}

/** `length` bytes at `pointer` as a string, cut after a few. */
export function bytesAt(p: Process, pointer: number, length: number): string {
  if (pointer === 0) return 'NULL';
  const shown = Math.min(length, MOST_BYTES);
  const bytes = p.memory.readBytes(pointer, shown);
  return bytes ? quoted(bytes, length > shown) : hex(pointer);
}

/** `count` elements of a structure or C type at `pointer`. `length` is what a socket address's length argument says. */
export function structsAt(p: Process, type: string, pointer: number, count: number, isArray: boolean): string {
  if (pointer === 0) return 'NULL';
  const layout = p.structs.layout(type);
  if (!isArray) return p.memory.checkRead(pointer, layout.size) ? structText(p, layout, pointer) : hex(pointer);
  const items: string[] = [];
  for (let i = 0; i < Math.min(count, MOST_ELEMENTS); i++) {
    const at = (pointer >>> 0) + i * layout.size;
    if (!p.memory.checkRead(at, layout.size)) return i === 0 ? hex(pointer) : `[${items.join(',')},${hex(at)}]`;
    items.push(structText(p, layout, at));
  }
  return `[${items.join(',')}${count > items.length ? ',...' : ''}]`;
}

/** One structure whose bytes are readable. A plain C type is its value alone. */
function structText(p: Process, layout: Layout, pointer: number): string {
  const at = pointer >>> 0;
  if (layout.fields.length === 1 && layout.fields[0]!.name === 'value')
    return fieldText(p, layout, at, layout.fields[0]!);
  if (layout.name === 'sigset') return fieldText(p, layout, at, layout.fields[0]!);
  return `{${members(p, layout, at, layout.fields, '')}}`;
}

/** Members whose names begin with `prefix`; nested structures, whose names have a dot, in braces of their own. */
function members(p: Process, layout: Layout, at: number, fields: readonly Field[], prefix: string): string {
  const parts: string[] = [];
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    const name = field.name.slice(prefix.length);
    const dot = name.indexOf('.');
    if (dot >= 0) {
      const head = `${prefix}${name.slice(0, dot + 1)}`;
      const inner: Field[] = [];
      while (i < fields.length && fields[i]!.name.startsWith(head)) inner.push(fields[i++]!);
      i--;
      parts.push(`${name.slice(0, dot)}={${members(p, layout, at, inner, head)}}`);
    } else if (!isFiller(field)) parts.push(`${name}=${fieldText(p, layout, at, field)}`);
  }
  return parts.join(',');
}

/** Padding and reserved members. */
function isFiller(field: Field): boolean {
  return field.format === 'none' || /^(pad|spare|reserved|unused)\d*$/.test(field.name.replace(/^.*\./, ''));
}

function fieldText(p: Process, layout: Layout, at: number, field: Field): string {
  if (field.format === 'str') {
    const bytes = p.memory.u8.subarray(at + field.offset, at + field.offset + field.count);
    const end = bytes.indexOf(0);
    return quoted(end < 0 ? bytes : bytes.subarray(0, end), false);
  }
  if (field.format === 'sigset') {
    const little = !layout.model.bigEndian;
    const low = p.view.getUint32(at + field.offset, little);
    return signalSet(low, field.size === 8 ? p.view.getUint32(at + field.offset + 4, little) : 0);
  }
  const one = (index: number) => {
    const value =
      field.size === 8 && field.format !== 'hex'
        ? read64(p.view, at + field.offset + index * 8, field.signed, !layout.model.bigEndian)
        : readField(layout, p.view, at, field, index);
    const kind = field.format === 'mode' && field.name.startsWith('st') ? 'filemode' : field.format;
    return scalar(kind === '' ? (field.signed ? 'int' : 'uint') : kind, value);
  };
  if (field.count === 1) return one(0);
  const shown = Math.min(field.count, MOST_ELEMENTS);
  return `[${Array.from({ length: shown }, (_, i) => one(i)).join(',')}${field.count > shown ? ',...' : ''}]`;
}

/** A socket address of `length` bytes. */
export function socketAddress(p: Process, pointer: number, length: number): string {
  if (pointer === 0) return 'NULL';
  length = Math.min(length, 128);
  const bytes = length >= 2 ? p.memory.readBytes(pointer, length) : undefined;
  if (!bytes) return hex(pointer);
  const view = new DataView(bytes.buffer);
  const family = view.getUint16(0, p.little);
  const head = `sa_family=${enumeration('af', family)}`;
  if (family === 1) {
    if (length === 2) return `{${head}}`;
    const path = bytes.subarray(2);
    // A first zero byte: a name outside the file system.
    const end = path[0] === 0 ? -1 : path.indexOf(0);
    const shown = end < 0 ? path : path.subarray(0, end);
    return `{${head},sun_path=${path[0] === 0 ? `@${quoted(shown.subarray(1), false)}` : quoted(shown, false)}}`;
  }
  if (family === 2 && length >= 8) {
    return `{${head},sin_port=htons(${view.getUint16(2)}),sin_addr=inet_addr("${bytes.subarray(4, 8).join('.')}")}`;
  }
  if (family === 10 && length >= 24) {
    const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + i * 2).toString(16)).join(':');
    return `{${head},sin6_port=htons(${view.getUint16(2)}),sin6_addr=inet_pton(AF_INET6,"${groups}")}`;
  }
  if (family === 16 && length >= 12) {
    return `{${head},nl_pid=${view.getUint32(4, p.little)},nl_groups=${hex(view.getUint32(8, p.little))}}`;
  }
  return `{${head},sa_data=${quoted(bytes.subarray(2), false)}}`;
}

/** The descriptors in a set for select, of which the first `count` bits matter. */
export function descriptorSet(p: Process, pointer: number, count: number): string {
  if (pointer === 0) return 'NULL';
  const bits = Math.min(Math.max(0, count), 1024);
  const bytes = p.memory.readBytes(pointer, Math.ceil(bits / 32) * 4);
  if (!bytes) return hex(pointer);
  const view = new DataView(bytes.buffer);
  const found: number[] = [];
  for (let fd = 0; fd < bits; fd++) if (view.getUint32((fd >>> 5) * 4, p.little) & (1 << (fd & 31))) found.push(fd);
  return `[${found.join(' ')}]`;
}
