/** Joins an executable with its dynamic linker and C library into one file that needs no other: ELF for x86-64 only. */

import { parseElf } from '../loader/elf.ts';
import { startPages } from './standalone-start.ts';

const PAGE = 4096;
const HEADER_SIZE = 64;
const SEGMENT_SIZE = 56;
const ET_EXEC = 2;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_INTERP = 3;
const PT_PHDR = 6;
/** Fields of the ELF header (elf.h, Elf64_Ehdr). */
const E_ENTRY = 24;
const E_PHOFF = 32;
const E_PHNUM = 56;
/** Auxiliary vector: program headers, their number, linker's base, program's entry, whether the caller has fewer rights. */
const AT_PHDR = 3;
const AT_PHNUM = 5;
const AT_BASE = 7;
const AT_ENTRY = 9;
const AT_SECURE = 23;
/** Where what is added goes: far above the program (Bun ends below 128 MiB), far below the heap. */
const LINKER_BASE = 0x20000000;
const LIBRARIES_BASE = 0x28000000;
const START_BASE = 0x30000000;

const HOST_ELF = { name: 'x86-64', machines: [EM_X86_64], elfClass: 64, bigEndian: false } as const;

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly align: number;
}

function readHeader(name: string, file: Uint8Array) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  // Checks everything that is read below.
  parseElf(name, file.subarray(0, PAGE), (offset, length) => file.subarray(offset, offset + length), HOST_ELF);
  const wide = (at: number): number => Number(view.getBigUint64(at, true));
  const table = wide(E_PHOFF);
  const segments: Segment[] = [];
  for (let i = 0; i < view.getUint16(E_PHNUM, true); i++) {
    const at = table + i * SEGMENT_SIZE;
    segments.push({
      type: view.getUint32(at, true),
      flags: view.getUint32(at + 4, true),
      offset: wide(at + 8),
      address: wide(at + 16),
      fileSize: wide(at + 32),
      memorySize: wide(at + 40),
      align: wide(at + 48),
    });
  }
  return { type: view.getUint16(16, true), entry: wide(E_ENTRY), segments };
}

function roundUp(n: number): number {
  return Math.ceil(n / PAGE) * PAGE;
}

/** A file by its name, for messages. */
export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * The joined file. `linker` is what the program names as its interpreter, `libraries` all that program and linker need.
 * `variables` are added to the environment of the program. Throws when the program is not of the kind this works for.
 */
export function joinExecutable(
  program: NamedFile,
  linker: NamedFile,
  libraries: readonly NamedFile[],
  variables: readonly string[],
): Uint8Array {
  const own = readHeader(program.name, program.bytes);
  const other = readHeader(linker.name, linker.bytes);
  const headers = own.segments.find(({ type }) => type === PT_PHDR);
  const end = Math.max(...own.segments.map(({ address, memorySize }) => address + memorySize));
  if (own.type !== ET_EXEC || !headers || end > LINKER_BASE) {
    throw new Error(`${program.name}: not an executable of fixed addresses below 512 MiB`);
  }
  const pieces: { at: number; bytes: Uint8Array }[] = [{ at: 0, bytes: program.bytes }];
  let size = roundUp(program.bytes.length);
  const add = (bytes: Uint8Array): number => {
    const at = size;
    pieces.push({ at, bytes });
    size = roundUp(at + bytes.length);
    return at;
  };
  const segments = own.segments.filter(({ type }) => type !== PT_PHDR && type !== PT_INTERP);
  const linkerAt = add(linker.bytes);
  for (const segment of other.segments.filter(({ type }) => type === PT_LOAD)) {
    segments.push({ ...segment, offset: linkerAt + segment.offset, address: LINKER_BASE + segment.address });
  }
  let address = LIBRARIES_BASE;
  const places = libraries.map(({ bytes }) => {
    const offset = add(bytes);
    const place = { address, size: bytes.length };
    const part = {
      type: PT_LOAD,
      flags: 4,
      offset,
      address,
      fileSize: bytes.length,
      memorySize: bytes.length,
      align: PAGE,
    };
    segments.push(part);
    address = roundUp(address + bytes.length) + PAGE;
    return place;
  });
  const start = startPages({
    address: START_BASE,
    libraries: places,
    entry: LINKER_BASE + other.entry,
    auxiliary: {
      [AT_PHDR]: headers.address,
      [AT_PHNUM]: own.segments.length,
      [AT_BASE]: LINKER_BASE,
      [AT_ENTRY]: own.entry,
      // The linker would not open the libraries; the start has taken away what it must not obey.
      [AT_SECURE]: 0,
    },
    variables,
  });
  const codeAt = add(start.code);
  const dataAt = add(start.data);
  const page = { type: PT_LOAD, fileSize: PAGE, memorySize: PAGE, align: PAGE };
  segments.push({ ...page, flags: 5, offset: codeAt, address: START_BASE });
  segments.push({ ...page, flags: 6, offset: dataAt, address: START_BASE + PAGE });

  const table = new Uint8Array(segments.length * SEGMENT_SIZE);
  const view = new DataView(table.buffer);
  // The kernel wants loaded segments by ascending address, which is the order in which they were added.
  segments.forEach((segment, i) => {
    const at = i * SEGMENT_SIZE;
    view.setUint32(at, segment.type, true);
    view.setUint32(at + 4, segment.flags, true);
    const { offset, address: where, fileSize, memorySize, align } = segment;
    [offset, where, where, fileSize, memorySize, align].forEach((value, k) => {
      view.setBigUint64(at + 8 + 8 * k, BigInt(value), true);
    });
  });
  const tableAt = add(table);
  const joined = new Uint8Array(tableAt + table.length);
  for (const { at, bytes } of pieces) joined.set(bytes, at);
  const header = new DataView(joined.buffer, 0, HEADER_SIZE);
  header.setBigUint64(E_ENTRY, BigInt(START_BASE), true);
  header.setBigUint64(E_PHOFF, BigInt(tableAt), true);
  header.setUint16(E_PHNUM, segments.length, true);
  // Section headers tell of the program alone; debuggers would be misled.
  header.setBigUint64(40, 0n, true);
  header.setUint16(60, 0, true);
  header.setUint16(62, 0, true);
  return joined;
}
