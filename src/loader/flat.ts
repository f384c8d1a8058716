// bFLT executables of uClinux: header, decompression, relocation; checked before anything is believed.

import { UserError } from '../util/errors.ts';
import { EXIT_BAD_IMAGE } from './elf.ts';

const HEADER_SIZE = 64;
/** The only revision that linkers have made since 2000; older ones relocate otherwise. */
const VERSION = 4;
const FLAG_GOTPIC = 2;
const FLAG_GZIP = 4;
const FLAG_GZDATA = 8;
/** Text, data and bss together; more than any file of a processor without memory management needs. */
const MAX_SIZE = 256 << 20;
const MAX_RELOCATIONS = 1 << 20;
/** Words in front of the data in which shared libraries would be noted. */
const LIBRARY_WORDS = 4;

/** A program ready to be copied into memory at the address it was relocated for. */
export interface FlatImage {
  /** Header, text, library words, data; what follows up to `size` is bss. */
  readonly bytes: Uint8Array;
  readonly size: number;
  /** Offset of the entry, and of the data. */
  readonly entry: number;
  readonly dataStart: number;
  readonly textSize: number;
}

export function isFlat(bytes: Uint8Array): boolean {
  return bytes[0] === 0x62 && bytes[1] === 0x46 && bytes[2] === 0x4c && bytes[3] === 0x54;
}

function bad(name: string, reason: string): UserError {
  return new UserError(`Error while loading ${name}: not a usable bFLT file: ${reason}`, EXIT_BAD_IMAGE);
}

function unpack(name: string, packed: Uint8Array): Uint8Array {
  try {
    // Loading this module takes longer than the rest of a start.
    return process.getBuiltinModule('node:zlib').gunzipSync(packed, { maxOutputLength: MAX_SIZE });
  } catch {
    throw bad(name, 'its compressed part is damaged');
  }
}

/** Bytes the loaded program takes, header and bss included. Throws UserError. */
export function flatSize(name: string, start: Uint8Array): number {
  if (start.length < HEADER_SIZE) throw bad(name, 'the header is truncated');
  const header = new DataView(start.buffer, start.byteOffset, HEADER_SIZE);
  const version = header.getUint32(4);
  if (version !== VERSION) throw bad(name, `version ${version}, only ${VERSION} is known`);
  const [entry, dataStart, dataEnd, bssEnd] = [8, 12, 16, 20].map((at) => header.getUint32(at)) as [
    number,
    number,
    number,
    number,
  ];
  if (dataStart < HEADER_SIZE || dataEnd < dataStart || bssEnd < dataEnd || entry < HEADER_SIZE || entry >= dataStart) {
    throw bad(name, 'its parts overlap');
  }
  if (bssEnd > MAX_SIZE) throw bad(name, `it wants ${bssEnd} bytes`);
  if (header.getUint32(32) > MAX_RELOCATIONS) throw bad(name, 'too many relocations');
  return bssEnd + 4 * LIBRARY_WORDS;
}

/** Makes the image of a whole file for guest address `base`. Throws UserError. */
export function makeFlatImage(name: string, file: Uint8Array, base: number, bigEndian: boolean): FlatImage {
  const size = flatSize(name, file);
  const header = new DataView(file.buffer, file.byteOffset, HEADER_SIZE);
  const word = (at: number): number => header.getUint32(at);
  const [entry, dataStart, dataEnd] = [word(8), word(12), word(16)];
  const [relocStart, relocCount, flags] = [word(28), word(32), word(36)];
  let whole = file;
  if (flags & FLAG_GZIP)
    whole = Buffer.concat([file.subarray(0, HEADER_SIZE), unpack(name, file.subarray(HEADER_SIZE))]);
  else if (flags & FLAG_GZDATA) {
    whole = Buffer.concat([file.subarray(0, dataStart), unpack(name, file.subarray(dataStart))]);
  }
  if (relocStart < HEADER_SIZE || relocStart + 4 * relocCount > whole.length || dataEnd > whole.length) {
    throw bad(name, 'it is truncated');
  }
  const gap = 4 * LIBRARY_WORDS;
  const bytes = new Uint8Array(dataEnd + gap);
  bytes.set(whole.subarray(0, dataStart));
  bytes.fill(0xff, dataStart, dataStart + gap);
  bytes.set(whole.subarray(dataStart, dataEnd), dataStart + gap);
  const image = new DataView(bytes.buffer);
  const textSize = dataStart - HEADER_SIZE;
  /** Where an offset from the beginning of the text comes to lie in the image. */
  const place = (offset: number): number => {
    if (offset > size - HEADER_SIZE - gap) throw bad(name, `relocation to 0x${offset.toString(16)}`);
    return offset < textSize ? offset + HEADER_SIZE : offset + HEADER_SIZE + gap;
  };
  const put = (at: number, value: number): void => {
    if (at + 4 > bytes.length) throw bad(name, 'a relocation behind the data');
    image.setUint32(at, value, !bigEndian);
  };
  if (flags & FLAG_GOTPIC) {
    // The table at the beginning of the data ends with -1.
    for (let at = dataStart + gap; at + 4 <= bytes.length; at += 4) {
      const offset = image.getUint32(at, !bigEndian);
      if (offset === 0xffffffff) break;
      if (offset !== 0) put(at, base + place(offset));
    }
  }
  const relocations = new DataView(whole.buffer, whole.byteOffset + relocStart, 4 * relocCount);
  for (let n = 0; n < relocCount; n++) {
    const at = place(relocations.getUint32(4 * n));
    if (at + 4 > bytes.length) throw bad(name, 'a relocation behind the data');
    // Stored big-endian, but for position-independent programs.
    const offset = image.getUint32(at, flags & FLAG_GOTPIC ? !bigEndian : false);
    if (offset !== 0) put(at, base + place(offset));
  }
  return { bytes, size, entry, dataStart: dataStart + gap, textSize: dataStart };
}
