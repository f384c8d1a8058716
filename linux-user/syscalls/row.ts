// What a system call row says, the reading of its argument list, and its call on the host when nothing but that is needed.

import type { SYS } from '../../src/host/syscall-numbers.ts';
import type { Process } from '../process.ts';

/** Result: a value, or -1..-4095 for an error; -ERESTARTSYS, -NO_CALL and -NO_RESULT are for the process loop (errno.ts). */
export type Handler = (p: Process, a: number, b: number, c: number, d: number, e: number, f: number) => number;

export type HostCall = keyof typeof SYS;

/**
 * One system call, independent of the ABI.
 *
 * `args` lists the arguments as `type name`, separated by commas:
 * - `int long off fd dirfd pid signal` and `enum:NAME` are signed; `uint ulong size hex addr mode uid gid dev` and
 *   `flags:NAME` unsigned; `addr` is an address nobody follows, or that the handler follows itself.
 * - `loff` is a 64-bit integer: one register, or two on 32-bit ABIs; `loffpair` is two registers everywhere, the low one
 *   first (preadv).
 * - `path` is a file name that may be found below the `-L` prefix, `lpath` the same without following a symbolic link at
 *   its end, `rawpath` one that is never redirected, `str` any other string; each is a pointer.
 * - `in T`, `out T`, `inout T` are pointers to a structure (structs-table.ts) or C type; `T[n]` with a number or the name
 *   of the argument that counts them makes it an array; `bytes` is an array of bytes, `raw` one that
 *   is not worth printing. Behind the count,
 *   `:result` says that only as many as the result are valid afterwards. A pointer may always be NULL.
 *
 * `run` names the host's call of the same meaning, which is then called with pointers checked and structures converted
 * as `args` says, or is the handler.
 */
export interface Row {
  readonly args: string;
  readonly run: HostCall | Handler;
  /** How `-strace` prints a result that is no error: decimal unless stated. */
  readonly result?: 'hex' | 'octal' | 'none' | `flags:${string}`;
  /** The call can wait: a signal has to be able to interrupt it, and strace prints it before it starts. */
  readonly blocks?: true;
  /** Arguments left away when printing, given the arguments: how many to show. */
  readonly shown?: (...args: number[]) => number;
  /**
   * The call is a front for others (fcntl, ioctl, socketcall): what it amounts to with these arguments. Null: the row
   * itself.
   */
  readonly unfold?: (p: Process, args: number[]) => Unfolded | null;
}

/** The row a multiplexer leads to, under the name strace shows. Its arguments replace those of the multiplexer. */
export interface Unfolded {
  readonly name: string;
  readonly row: Row;
  readonly args: number[];
}

/** Rows by name. */
export type Rows = Readonly<Record<string, Row>>;

export type Direction = 'value' | 'in' | 'out' | 'inout' | 'path' | 'loff' | 'loffpair';

/** One argument of a row, parsed. */
export interface Arg {
  readonly direction: Direction;
  /** Value type, structure or C type, or kind of path. */
  readonly type: string;
  readonly name: string;
  /** Value types: whether a 32-bit register is taken as signed. */
  readonly signed: boolean;
  /** Number of elements behind a pointer: constant, or -1 when `countArg` says it. */
  readonly count: number;
  /** Index of the argument that counts the elements, or -1. */
  readonly countArg: number;
  /** Only as many elements as the result says are valid after the call. */
  readonly byResult: boolean;
}

const SIGNED = new Set(['int', 'long', 'off', 'fd', 'dirfd', 'pid', 'signal', 'clockid']);
const PATHS = new Set(['path', 'lpath', 'rawpath', 'str']);

const parsed = new Map<string, readonly Arg[]>();

/** Parses an argument list; the same text gives the same object. Throws on text that is not one. */
export function parseArgs(text: string): readonly Arg[] {
  let args = parsed.get(text);
  if (!args) {
    const items = text === '' ? [] : text.split(', ');
    const names = items.map((item) => item.slice(item.lastIndexOf(' ') + 1));
    args = items.map((item, i) => parseArg(item, names[i]!, names));
    parsed.set(text, args);
  }
  return args;
}

function parseArg(item: string, name: string, names: readonly string[]): Arg {
  const words = item.split(' ');
  const plain = { name, count: 1, countArg: -1, byResult: false };
  if (words.length === 2) {
    const type = words[0]!;
    if (type === 'loff' || type === 'loffpair') return { ...plain, direction: type, type: 'loff', signed: true };
    if (PATHS.has(type)) return { ...plain, direction: 'path', type, signed: false };
    return { ...plain, direction: 'value', type, signed: SIGNED.has(type) || type.startsWith('enum:') };
  }
  const match = /^(in|out|inout) ([\w:]+)(?:\[(\w+)(:result)?\])? \w+$/.exec(item);
  if (!match) throw new Error(`cannot read the argument '${item}'`);
  let count = 1;
  let countArg = -1;
  const length = match[3];
  if (length !== undefined) {
    count = /^\d+$/.test(length) ? Number(length) : -1;
    if (count < 0) {
      countArg = names.indexOf(length);
      if (countArg < 0) throw new Error(`no argument '${length}' counts '${item}'`);
    }
  }
  return {
    direction: match[1] as Direction,
    type: match[2]!,
    name,
    signed: false,
    count,
    countArg,
    byResult: match[4] !== undefined,
  };
}
