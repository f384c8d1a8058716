// The qcow2 header: fields, feature bits and header extensions, parsed with every field checked, and written back.
import {
  bytesOfName,
  MAX_OFFSET,
  nameOfBytes,
  readU32be,
  readU64be,
  textOf,
  writeU32be,
  writeU64be,
} from '../bytes.ts';
import { BlockError, ERRNO } from '../errors.ts';

const MAGIC = 0x514649fb;

/** Added to the version of an image as long as it is being created: nobody takes it for whole, or for something else. */
const UNFINISHED = 0x00ffff00;

/** Header lengths: version 2, the least version 3, and version 3 with the compression type. */
export const V2_HEADER_LENGTH = 72;
const V3_MIN_HEADER_LENGTH = 104;
export const HEADER_LENGTH = 112;

/** Byte positions of the fields updated one by one. */
export const FIELD = {
  version: 4,
  backingOffset: 8,
  backingSize: 16,
  size: 24,
  l1Size: 36,
  l1Offset: 40,
  refTableOffset: 48,
  refTableClusters: 56,
  snapshotCount: 60,
  snapshotOffset: 64,
  incompatible: 72,
  compatible: 80,
  autoclear: 88,
} as const;

/** Feature bits (bit values, not numbers); all known ones lie in the low 32 bits. */
export const INCOMPAT = { DIRTY: 1, CORRUPT: 2, DATA_FILE: 4, COMPRESSION: 8, EXTENDED_L2: 16 } as const;
export const COMPAT = { LAZY_REFCOUNTS: 1 } as const;
export const AUTOCLEAR = { BITMAPS: 1, DATA_FILE_RAW: 2 } as const;

const KNOWN_INCOMPAT = 31;

/** Types of header extensions. */
export const EXTENSION = {
  END: 0,
  BACKING_FORMAT: 0xe2792aca,
  FEATURE_NAMES: 0x6803f857,
  BITMAPS: 0x23852875,
  CRYPTO: 0x0537be77,
  DATA_FILE: 0x44415441,
} as const;

/** Rows of the feature-name table we write: kind (0 incompatible, 1 compatible, 2 autoclear), bit number, name. */
const FEATURE_NAMES: readonly [number, number, string][] = [
  [0, 0, 'dirty bit'],
  [0, 1, 'corrupt bit'],
  [0, 2, 'external data file'],
  [0, 3, 'compression type'],
  [0, 4, 'extended L2 entries'],
  [1, 0, 'lazy refcounts'],
  [2, 0, 'bitmaps'],
  [2, 1, 'raw external data'],
];
const FEATURE_ROW = 48;

/** 64 feature bits as two halves, so that unknown bits survive. */
export interface FeatureBits {
  hi: number;
  lo: number;
}

export interface BitmapExtension {
  count: number;
  directorySize: number;
  directoryOffset: number;
}

export interface Header {
  version: number;
  /** Creation has not come to its end. */
  unfinished: boolean;
  clusterBits: number;
  size: number;
  cryptMethod: number;
  l1Size: number;
  l1Offset: number;
  refTableOffset: number;
  refTableClusters: number;
  snapshotCount: number;
  snapshotOffset: number;
  incompatible: FeatureBits;
  compatible: FeatureBits;
  autoclear: FeatureBits;
  refcountOrder: number;
  headerLength: number;
  /** 0 zlib (deflate), 1 zstd. */
  compressionType: number;
  backingFile: string | undefined;
  backingFormat: string | undefined;
  dataFile: string | undefined;
  bitmaps: BitmapExtension | undefined;
  /** Bytes of the header proper that we do not know, kept for writing back. */
  unknownFields: Uint8Array;
  unknownExtensions: { type: number; data: Uint8Array }[];
}

function readBits(b: Uint8Array, at: number): FeatureBits {
  return { hi: readU32be(b, at), lo: readU32be(b, at + 4) };
}

function fail(message: string, errno: number = ERRNO.EINVAL): never {
  throw new BlockError(message, errno);
}

/** The version in a header, and whether the image is finished. */
function readVersion(b: Uint8Array): { version: number; unfinished: boolean } {
  const word = readU32be(b, FIELD.version);
  const unfinished = (word & ~0xff) === UNFINISHED;
  return { version: unfinished ? word & 0xff : word, unfinished };
}

/** The version field of an image. */
export function versionField(version: number, unfinished: boolean): Uint8Array {
  const b = new Uint8Array(4);
  writeU32be(b, 0, unfinished ? UNFINISHED | version : version);
  return b;
}

/**
 * How many bytes of the file parseHeader wants: the whole first cluster holds header, extensions and backing name. Images that
 * are being created are refused unless `creating`.
 */
export function headerClusterBytes(start: Uint8Array, creating = true): number {
  if (start.length < V2_HEADER_LENGTH || readU32be(start, 0) !== MAGIC) fail('Image is not in qcow2 format');
  const { version, unfinished } = readVersion(start);
  if (unfinished && !creating) fail('The creation of this image was not finished');
  if (version < 2 || version > 3) fail(`Unsupported qcow2 version ${version}`, ERRNO.EOPNOTSUPP);
  const bits = readU32be(start, 20);
  if (bits < 9 || bits > 21) fail(`Unsupported cluster size: 2^${bits}`);
  return 2 ** bits;
}

/** Parses the first cluster of an image. */
export function parseHeader(b: Uint8Array): Header {
  const clusterSize = headerClusterBytes(b);
  const { version, unfinished } = readVersion(b);
  const h: Header = {
    version,
    unfinished,
    clusterBits: readU32be(b, 20),
    size: readU64be(b, 24),
    cryptMethod: readU32be(b, 32),
    l1Size: readU32be(b, 36),
    l1Offset: readU64be(b, 40),
    refTableOffset: readU64be(b, 48),
    refTableClusters: readU32be(b, 56),
    snapshotCount: readU32be(b, 60),
    snapshotOffset: readU64be(b, 64),
    incompatible: { hi: 0, lo: 0 },
    compatible: { hi: 0, lo: 0 },
    autoclear: { hi: 0, lo: 0 },
    refcountOrder: 4,
    headerLength: V2_HEADER_LENGTH,
    compressionType: 0,
    backingFile: undefined,
    backingFormat: undefined,
    dataFile: undefined,
    bitmaps: undefined,
    unknownFields: new Uint8Array(0),
    unknownExtensions: [],
  };
  if (version >= 3) {
    h.incompatible = readBits(b, 72);
    h.compatible = readBits(b, 80);
    h.autoclear = readBits(b, 88);
    h.refcountOrder = readU32be(b, 96);
    h.headerLength = readU32be(b, 100);
    if (h.headerLength < V3_MIN_HEADER_LENGTH) fail('qcow2 header too short');
  }
  if (h.headerLength > clusterSize) fail('qcow2 header exceeds cluster size');
  if (h.headerLength > V3_MIN_HEADER_LENGTH) h.compressionType = b[104]!;
  if (h.headerLength > HEADER_LENGTH) h.unknownFields = b.slice(HEADER_LENGTH, h.headerLength);
  const backingOffset = readU64be(b, 8);
  const backingSize = readU32be(b, 16);
  if (backingOffset > clusterSize) fail('Invalid backing file offset');
  const extensionsEnd = backingOffset !== 0 ? backingOffset : clusterSize;
  checkFeatures(h, readExtensions(b, h, extensionsEnd));
  if (backingOffset !== 0 && backingSize > 0) {
    if (backingSize > Math.min(1023, clusterSize - backingOffset)) fail('Backing file name too long');
    h.backingFile = nameOfBytes(b.subarray(backingOffset, backingOffset + backingSize));
  }
  if (h.refcountOrder > 6) fail('Reference count entry width too large; may not exceed 64 bits');
  if (h.cryptMethod > 2) fail(`Unsupported encryption method ${h.cryptMethod | 0}`);
  checkCompression(h);
  if (h.incompatible.lo & INCOMPAT.EXTENDED_L2 && h.clusterBits < 14) {
    fail('Extended L2 entries are only supported with cluster sizes of at least 16384 bytes');
  }
  // Sizes that large are made of whole sectors, or could not be told apart.
  if (h.size > MAX_OFFSET || (!Number.isSafeInteger(h.size) && readU32be(b, 28) % 512 !== 0))
    fail('Image is too big', ERRNO.EFBIG);
  return h;
}

function checkCompression(h: Header): void {
  const bit = (h.incompatible.lo & INCOMPAT.COMPRESSION) !== 0;
  if (h.compressionType > 1) fail(`qcow2: unknown compression type: ${h.compressionType}`, ERRNO.EOPNOTSUPP);
  if (h.compressionType === 0 && bit) fail('qcow2: Compression type incompatible feature bit must not be set');
  if (h.compressionType !== 0 && !bit) fail('qcow2: Compression type incompatible feature bit must be set');
}

/** Reads the header extensions; returns the table of feature names the image brings along. */
function readExtensions(b: Uint8Array, h: Header, end: number): Uint8Array {
  let names: Uint8Array = new Uint8Array(0);
  let at = h.headerLength;
  for (;;) {
    if (at > end) fail('Header extension too large');
    if (end - at < 8) return names;
    const type = readU32be(b, at);
    const length = readU32be(b, at + 4);
    at += 8;
    if (length > end - at) fail('Header extension too large');
    if (type === EXTENSION.END) return names;
    const data = b.subarray(at, at + length);
    switch (type) {
      case EXTENSION.BACKING_FORMAT:
        if (length >= 16) fail(`ERROR: ext_backing_format: len=${length} too large (>=16)`, 2);
        h.backingFormat = textOf(data, 0, length);
        break;
      case EXTENSION.FEATURE_NAMES:
        names = data;
        break;
      case EXTENSION.BITMAPS:
        h.bitmaps = readBitmapExtension(h, data);
        break;
      case EXTENSION.CRYPTO:
        h.unknownExtensions.push({ type, data: data.slice() });
        break;
      case EXTENSION.DATA_FILE:
        h.dataFile = nameOfBytes(data);
        break;
      default:
        h.unknownExtensions.push({ type, data: data.slice() });
    }
    at += Math.ceil(length / 8) * 8;
  }
}

function readBitmapExtension(h: Header, data: Uint8Array): BitmapExtension | undefined {
  if (data.length !== 24) fail('bitmaps_ext: Invalid extension length');
  // Without its bit, what the extension says is out of date.
  if (!(h.autoclear.lo & AUTOCLEAR.BITMAPS)) return undefined;
  const count = readU32be(data, 0);
  if (readU32be(data, 4) !== 0) fail('bitmaps_ext: Reserved field is not zero');
  if (count > 65535) fail(`bitmaps_ext: image has ${count} bitmaps, exceeding the QEMU supported maximum of 65535`);
  if (count === 0) fail('found bitmaps extension with zero bitmaps');
  const directorySize = readU64be(data, 8);
  const directoryOffset = readU64be(data, 16);
  if (directoryOffset % 2 ** h.clusterBits !== 0 || directoryOffset > MAX_OFFSET) {
    fail('bitmaps_ext: invalid bitmap directory offset');
  }
  if (directorySize > 65535 * 1024) {
    fail(`bitmaps_ext: bitmap directory size (${directorySize}) exceeds the maximum supported size (${65535 * 1024})`);
  }
  return { count, directorySize, directoryOffset };
}

/** The name a feature table has for an incompatible bit. */
function featureName(table: Uint8Array, bit: number): string | undefined {
  for (let row = 0; row + FEATURE_ROW <= table.length; row += FEATURE_ROW) {
    if (table[row] !== 0 || table[row + 1] !== bit) continue;
    const zero = table.indexOf(0, row + 2);
    const stop = zero < 0 || zero > row + FEATURE_ROW ? row + FEATURE_ROW : zero;
    return textOf(table, row + 2, stop);
  }
  return undefined;
}

/** Refuses images with incompatible features we do not know, by the names the image or we have for them. */
function checkFeatures(h: Header, names: Uint8Array): void {
  if (h.incompatible.hi === 0 && (h.incompatible.lo & ~KNOWN_INCOMPAT) === 0) return;
  const unknown: string[] = [];
  let rest = 0n;
  const bits = (BigInt(h.incompatible.hi) << 32n) | BigInt(h.incompatible.lo);
  for (let bit = 0; bit < 64; bit++) {
    if (!((bits >> BigInt(bit)) & 1n) || (bit < 32 && (KNOWN_INCOMPAT >>> bit) & 1)) continue;
    const name = featureName(names, bit);
    if (name) unknown.push(name);
    else rest |= 1n << BigInt(bit);
  }
  if (rest !== 0n) unknown.push(`Unknown incompatible feature: ${rest.toString(16)}`);
  if (unknown.length > 0) fail(`Unsupported qcow2 feature(s): ${unknown.join(', ')}`, ERRNO.EOPNOTSUPP);
}

function writeBits(b: Uint8Array, at: number, bits: FeatureBits): void {
  writeU32be(b, at, bits.hi);
  writeU32be(b, at + 4, bits.lo);
}

/** The first cluster of an image with this header; throws if backing name and extensions do not fit. */
export function serializeHeader(h: Header): Uint8Array {
  const clusterSize = 2 ** h.clusterBits;
  const b = new Uint8Array(clusterSize);
  const length = h.version >= 3 ? HEADER_LENGTH + h.unknownFields.length : V2_HEADER_LENGTH;
  writeU32be(b, 0, MAGIC);
  b.set(versionField(h.version, h.unfinished), FIELD.version);
  writeU32be(b, 20, h.clusterBits);
  writeU64be(b, 24, h.size);
  writeU32be(b, 32, h.cryptMethod);
  writeU32be(b, 36, h.l1Size);
  writeU64be(b, 40, h.l1Offset);
  writeU64be(b, 48, h.refTableOffset);
  writeU32be(b, 56, h.refTableClusters);
  writeU32be(b, 60, h.snapshotCount);
  writeU64be(b, 64, h.snapshotOffset);
  if (h.version >= 3) {
    writeBits(b, 72, h.incompatible);
    writeBits(b, 80, h.compatible);
    writeBits(b, 88, h.autoclear);
    writeU32be(b, 96, h.refcountOrder);
    writeU32be(b, 100, length);
    b[104] = h.compressionType;
    b.set(h.unknownFields, HEADER_LENGTH);
  }
  let at = length;
  const extension = (type: number, data: Uint8Array): void => {
    const padded = Math.ceil(data.length / 8) * 8;
    if (at + 8 + padded > clusterSize) fail('Header extensions do not fit into the first cluster', ERRNO.ENOSPC);
    writeU32be(b, at, type);
    writeU32be(b, at + 4, data.length);
    b.set(data, at + 8);
    at += 8 + padded;
  };
  if (h.backingFormat !== undefined) extension(EXTENSION.BACKING_FORMAT, Buffer.from(h.backingFormat));
  if (h.dataFile !== undefined && h.incompatible.lo & INCOMPAT.DATA_FILE) {
    extension(EXTENSION.DATA_FILE, bytesOfName(h.dataFile));
  }
  // The names are a courtesy; very small clusters have no room for them.
  if (h.version >= 3) {
    const table = featureNameTable();
    if (at + 8 + table.length + reserveAfterNames(h) <= clusterSize) extension(EXTENSION.FEATURE_NAMES, table);
  }
  if (h.bitmaps) {
    const data = new Uint8Array(24);
    writeU32be(data, 0, h.bitmaps.count);
    writeU64be(data, 8, h.bitmaps.directorySize);
    writeU64be(data, 16, h.bitmaps.directoryOffset);
    extension(EXTENSION.BITMAPS, data);
  }
  for (const { type, data } of h.unknownExtensions) extension(type, data);
  extension(EXTENSION.END, new Uint8Array(0));
  if (h.backingFile !== undefined) {
    const name = bytesOfName(h.backingFile);
    if (at + name.length > clusterSize || name.length > 1023) fail('Backing file name too long', ERRNO.ENOSPC);
    b.set(name, at);
    writeU64be(b, FIELD.backingOffset, at);
    writeU32be(b, FIELD.backingSize, name.length);
  }
  return b;
}

/** Room that has to stay after the feature names for extensions that matter. */
function reserveAfterNames(h: Header): number {
  let room = 8;
  if (h.bitmaps) room += 32;
  for (const { data } of h.unknownExtensions) room += 8 + Math.ceil(data.length / 8) * 8;
  if (h.backingFile !== undefined) room += bytesOfName(h.backingFile).length;
  return room;
}

function featureNameTable(): Uint8Array {
  const b = new Uint8Array(FEATURE_ROW * FEATURE_NAMES.length);
  FEATURE_NAMES.forEach(([kind, bit, name], i) => {
    b[i * FEATURE_ROW] = kind;
    b[i * FEATURE_ROW + 1] = bit;
    b.set(Buffer.from(name), i * FEATURE_ROW + 2);
  });
  return b;
}
