/** The first contents of a program's stack: strings at the top, below them the vectors, as the kernel lays them out. */

import type { GuestMemory } from '../memory/guest-memory.ts';
import { type AuxInput, auxEntries } from './auxv.ts';

/** What goes on the stack. Strings are bytes as latin1 text. */
export interface StackInput {
  /** First address above the stack. */
  readonly top: number;
  /** Bytes of the stack below `top`. */
  readonly size: number;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  /** The program's name as it was given to exec (AT_EXECFN). */
  readonly execFn: string;
  /** AT_PLATFORM, or undefined when the guest has none. */
  readonly platform: string | undefined;
  /** The 16 bytes AT_RANDOM points to. */
  readonly random: Uint8Array;
  readonly aux: AuxInput;
  readonly wordSize: 4 | 8;
  readonly bigEndian: boolean;
}

/** Where things ended up. */
export interface StackImage {
  /** Initial stack pointer: the address of argc, a multiple of 16. */
  readonly stackPointer: number;
  /** Bounds of the strings, as /proc/PID/cmdline and environ read them. */
  readonly argStart: number;
  readonly argEnd: number;
  readonly envStart: number;
  readonly envEnd: number;
  /** The auxiliary vector's bytes, as in /proc/PID/auxv. */
  readonly auxv: Uint8Array;
}

/** Bytes of zero between the strings and the end of the stack: one pointer of the 64-bit kernels we imitate. */
const END_MARKER = 8;
/** Arguments and environment may take a quarter of the stack, each string 32 pages (execve(2)). */
const ARGUMENT_SHARE = 4;
const MAX_STRING = 32 * 4096;

/**
 * Writes the image; the stack must be mapped. Undefined when arguments and environment are too large for it (E2BIG).
 */
export function writeStackImage(memory: GuestMemory, input: StackInput): StackImage | undefined {
  const { argv, envp, wordSize, bigEndian } = input;
  let total = 0;
  for (const list of [argv, envp]) {
    for (const s of list) {
      if (s.length >= MAX_STRING) return undefined;
      total += s.length + 1 + wordSize;
    }
  }
  if (total > input.size / ARGUMENT_SHARE) return undefined;

  const sizeOf = (list: readonly string[]): number => list.reduce((sum, s) => sum + s.length + 1, 0);
  const execFn = input.top - END_MARKER - (input.execFn.length + 1);
  const envStart = execFn - sizeOf(envp);
  const argStart = envStart - sizeOf(argv);
  memory.u8.set(terminated([...argv, ...envp, input.execFn]), argStart);

  let sp = argStart - (argStart % 16);
  let platform: number | undefined;
  if (input.platform !== undefined) {
    platform = sp -= input.platform.length + 1;
    memory.u8.set(terminated([input.platform]), platform);
  }
  const random = (sp -= input.random.length);
  memory.u8.set(input.random, random);

  const aux = auxEntries(input.aux, { random, execFn, platform });
  const auxSize = aux.length * 2 * wordSize;
  const items = argv.length + 1 + (envp.length + 1) + 1;
  sp -= auxSize + items * wordSize;
  const stackPointer = sp - (sp % 16);

  const words = new Uint8Array(items * wordSize + auxSize);
  const view = new DataView(words.buffer);
  let offset = 0;
  const word = (v: number): void => {
    if (wordSize === 4) {
      view.setUint32(offset, v, !bigEndian);
    } else {
      view.setBigUint64(offset, BigInt(v), !bigEndian);
    }
    offset += wordSize;
  };
  word(argv.length);
  let at = argStart;
  for (const list of [argv, envp]) {
    for (const s of list) {
      word(at);
      at += s.length + 1;
    }
    word(0);
  }
  for (const [type, value] of aux) {
    word(type);
    word(value);
  }
  memory.u8.set(words, stackPointer);
  return {
    stackPointer,
    argStart,
    argEnd: envStart,
    envStart,
    envEnd: execFn,
    auxv: words.slice(items * wordSize),
  };
}

/** The strings one after the other, each with a zero byte behind it. */
function terminated(strings: readonly string[]): Uint8Array {
  return Buffer.from(strings.map((s) => `${s}\0`).join(''), 'latin1');
}
