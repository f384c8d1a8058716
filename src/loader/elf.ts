/** Reads and checks the headers of ELF executables (System V ABI, chapters 4 and 5): classes 32 and 64, both byte orders. */

import { UserError } from '../util/errors.ts';

/** What an executable must be made for. */
export interface ElfTarget {
  /** Guest name, for messages. */
  readonly name: string;
  /** Values of e_machine that this guest runs. */
  readonly machines: readonly number[];
  readonly elfClass: 32 | 64;
  readonly bigEndian: boolean;
}

export const ET_EXEC = 2;
export const ET_DYN = 3;

export const PT_LOAD = 1;
export const PT_INTERP = 3;
export const PT_PHDR = 6;
export const PT_GNU_STACK = 0x6474e551;

export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;

/** One program header. Numbers of 64-bit files that need more than 53 bits come out as larger than any limit. */
export interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly fileSize: number;
  readonly memSize: number;
  readonly align: number;
}

export interface ElfHeader {
  /** ET_EXEC or ET_DYN. */
  readonly type: number;
  readonly machine: number;
  readonly entry: number;
  /** e_flags: what the ABI of some machines distinguishes. */
  readonly flags: number;
  readonly phOffset: number;
  readonly phEntrySize: number;
  readonly segments: readonly Segment[];
}

/** Exit status for a file that cannot be run because of what it contains, as QEMU's user emulators exit. */
export const EXIT_BAD_IMAGE = 255;

/** Names for messages; the numbers are those of the guests this program may come to know and of common others. */
const MACHINE_NAMES: Readonly<Record<number, string>> = {
  2: 'SPARC',
  3: 'i386',
  4: 'm68k',
  6: 'i486',
  8: 'MIPS',
  18: 'SPARC32PLUS',
  20: 'PowerPC',
  21: 'PowerPC64',
  22: 's390',
  40: 'ARM',
  42: 'SuperH',
  43: 'SPARC V9',
  62: 'x86-64',
  183: 'AArch64',
  243: 'RISC-V',
};

const TYPE_NAMES: Readonly<Record<number, string>> = { 0: 'nothing', 1: 'an object file', 4: 'a core dump' };

/** Largest table of program headers that is accepted, bytes (the kernel's limit: binfmt_elf.c, load_elf_phdrs). */
const MAX_PROGRAM_HEADERS = 65536;

/** Whether the bytes begin like an ELF file. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

function badImage(name: string, reason: string): UserError {
  return new UserError(`${name}: Invalid ELF image for this architecture (${reason})`, EXIT_BAD_IMAGE);
}

/** Reads fields of either class and byte order. */
class FieldReader {
  constructor(
    private readonly view: DataView,
    private readonly little: boolean,
    private readonly wide: boolean,
  ) {}

  u16(at: number): number {
    return this.view.getUint16(at, this.little);
  }

  u32(at: number): number {
    return this.view.getUint32(at, this.little);
  }

  /** An address, offset or size: 32 or 64 bits by class. */
  word(at: number): number {
    if (!this.wide) return this.u32(at);
    const [low, high] = this.little ? [this.u32(at), this.u32(at + 4)] : [this.u32(at + 4), this.u32(at)];
    return high * 2 ** 32 + low;
  }
}

/**
 * Parses the headers. `start` holds the file's first bytes (enough for the file header: 64); `readAt` fetches more of the
 * file and may return fewer bytes at its end. Throws UserError naming the file and what is wrong with it.
 */
export function parseElf(
  name: string,
  start: Uint8Array,
  readAt: (offset: number, length: number) => Uint8Array,
  target: ElfTarget,
): ElfHeader {
  if (!isElf(start)) throw new UserError(`Error while loading ${name}: Exec format error`);
  const wide = start[4] === 2;
  const headerSize = wide ? 64 : 52;
  // QEMU ends with 1 here and says nothing.
  if (start.length < headerSize)
    throw new UserError(`Error while loading ${name}: Exec format error (the file header is truncated)`);
  if (start[4] !== 1 && start[4] !== 2) throw badImage(name, `unknown class ${start[4]}`);
  if (start[5] !== 1 && start[5] !== 2) throw badImage(name, `unknown byte order ${start[5]}`);
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const little = start[5] === 1;
  const field = new FieldReader(view, little, wide);
  const machine = field.u16(18);
  if (!target.machines.includes(machine) || wide !== (target.elfClass === 64) || little === target.bigEndian) {
    const what = `${wide ? 64 : 32}-bit ${little ? 'little' : 'big'}-endian ${MACHINE_NAMES[machine] ?? `machine ${machine}`}`;
    throw badImage(name, `it is for ${what}, not ${target.name}`);
  }
  if (start[6] !== 1) throw badImage(name, `unknown ELF version ${start[6]}`);
  const type = field.u16(16);
  if (type !== ET_EXEC && type !== ET_DYN) {
    throw badImage(name, `it holds ${TYPE_NAMES[type] ?? `type ${type}`}, not a program`);
  }
  // Behind e_entry, e_phoff and e_shoff, which have the class's width, come e_flags and the half words.
  const rest = wide ? 48 : 36;
  const phOffset = field.word(wide ? 32 : 28);
  const phEntrySize = field.u16(rest + 6);
  const phCount = field.u16(rest + 8);
  if (field.u16(rest + 4) !== headerSize) throw badImage(name, `file header size ${field.u16(rest + 4)}`);
  if (phEntrySize !== (wide ? 56 : 32)) throw badImage(name, `program header size ${phEntrySize}`);
  if (phCount === 0) throw badImage(name, 'no program headers');
  const tableSize = phCount * phEntrySize;
  if (tableSize > MAX_PROGRAM_HEADERS) throw badImage(name, `${phCount} program headers`);
  let table = start.subarray(phOffset, phOffset + tableSize);
  if (table.length < tableSize) table = readAt(phOffset, tableSize);
  if (table.length < tableSize) {
    throw new UserError(`${name}: Incomplete read of file header (program headers beyond the end)`, EXIT_BAD_IMAGE);
  }
  const reader = new FieldReader(new DataView(table.buffer, table.byteOffset, tableSize), little, wide);
  const segments: Segment[] = [];
  for (let k = 0; k < phCount; k++) segments.push(readSegment(reader, k * phEntrySize, wide));
  return {
    type,
    machine,
    entry: field.word(24),
    flags: field.u32(rest),
    phOffset,
    phEntrySize,
    segments,
  };
}

function readSegment(field: FieldReader, at: number, wide: boolean): Segment {
  const type = field.u32(at);
  return wide
    ? {
        type,
        flags: field.u32(at + 4),
        offset: field.word(at + 8),
        vaddr: field.word(at + 16),
        fileSize: field.word(at + 32),
        memSize: field.word(at + 40),
        align: field.word(at + 48),
      }
    : {
        type,
        flags: field.u32(at + 24),
        offset: field.word(at + 4),
        vaddr: field.word(at + 8),
        fileSize: field.word(at + 16),
        memSize: field.word(at + 20),
        align: field.word(at + 28),
      };
}

/**
 * Checks that the loadable segments can be mapped as they say: inside the file and `addressLimit`, sizes in order, file
 * offsets that agree with addresses, no two on the same bytes. Returns them; throws UserError.
 */
export function checkSegments(name: string, header: ElfHeader, fileSize: number, addressLimit: number): Segment[] {
  const fail = (segment: Segment, reason: string): UserError => {
    const index = header.segments.indexOf(segment);
    return new UserError(`${name}: Invalid ELF image: segment ${index} ${reason}`, EXIT_BAD_IMAGE);
  };
  const loads = header.segments.filter((s) => s.type === PT_LOAD);
  if (loads.length === 0) throw new UserError(`${name}: Invalid ELF image: nothing to load`, EXIT_BAD_IMAGE);
  for (const s of loads) {
    const hex = `0x${s.vaddr.toString(16)}`;
    if (s.fileSize > s.memSize)
      throw fail(s, `has more bytes in the file (${s.fileSize}) than in memory (${s.memSize})`);
    if (s.vaddr + s.memSize > addressLimit) {
      throw fail(s, `at ${hex}, ${s.memSize} bytes, does not fit below 0x${addressLimit.toString(16)}`);
    }
    if (s.fileSize > 0 && s.offset + s.fileSize > fileSize) {
      throw fail(s, `needs the file up to byte ${s.offset + s.fileSize}, but it ends at ${fileSize}`);
    }
    if (s.fileSize > 0 && (s.offset - s.vaddr) % 4096 !== 0) {
      throw fail(s, `at ${hex} and its file offset 0x${s.offset.toString(16)} differ within the page`);
    }
  }
  const ordered = loads.filter((s) => s.memSize > 0).sort((a, b) => a.vaddr - b.vaddr);
  for (let k = 1; k < ordered.length; k++) {
    const before = ordered[k - 1]!;
    const s = ordered[k]!;
    if (before.vaddr + before.memSize > s.vaddr) {
      throw fail(s, `overlaps segment ${header.segments.indexOf(before)} at 0x${s.vaddr.toString(16)}`);
    }
  }
  return loads;
}
