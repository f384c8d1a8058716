// Creating qcow2 images: option checks, the empty image's layout, preallocation.
import { divUp, isPowerOf2, MAX_OFFSET, roundUp, writeU64be } from '../bytes.ts';
import type { BlockNode, Preallocation } from '../driver.ts';
import type { CreateContext } from '../driver-row.ts';
import { BlockError, ERRNO, failingAs, prefixing } from '../errors.ts';
import { statPath } from '../libc.ts';
import { type OptionTree, PREALLOCATION_MODES, plainEnum, toBool, toEnum, toNumber, toSize } from '../options.ts';
import {
  AUTOCLEAR,
  COMPAT,
  FIELD,
  HEADER_LENGTH,
  type Header,
  INCOMPAT,
  serializeHeader,
  versionField,
} from './header.ts';
import type { Qcow2Node } from './open.ts';
import { putRefcount } from './refcount.ts';

const HEADER_FAILURE = 'Could not write qcow2 header';

/** Checked creation options. */
export interface Qcow2Create {
  size: number;
  version: number;
  clusterSize: number;
  refcountBits: number;
  lazyRefcounts: boolean;
  preallocation: Preallocation;
  compressionType: number;
  extendedL2: boolean;
  backingFile: string | undefined;
  backingFormat: string | undefined;
  dataFile: string | undefined;
  dataFileRaw: boolean;
  nocow: boolean;
}

/** Header versions by the names of `compat`. */
const COMPAT_VERSIONS: Readonly<Record<string, number>> = { '0.10': 2, v2: 2, '1.1': 3, v3: 3 };

/** Checks options given as texts; what is missing gets its default. */
export function readCreateOptions(options: Map<string, string>): Qcow2Create {
  const get = <T>(name: string, read: (name: string, v: string) => T, otherwise: T): T => {
    const v = options.get(name);
    return v === undefined ? otherwise : read(name, v);
  };
  const compat = options.get('compat');
  if (compat !== undefined && !Object.hasOwn(COMPAT_VERSIONS, compat)) {
    throw new BlockError(`Parameter 'version' does not accept value '${compat}'`);
  }
  const size = roundUp(get('size', toSize, 0), 512);
  const create: Qcow2Create = {
    size,
    version: compat === undefined ? 3 : COMPAT_VERSIONS[compat]!,
    clusterSize: get('cluster_size', toSize, 65536),
    refcountBits: get('refcount_bits', toNumber, 16),
    lazyRefcounts: get('lazy_refcounts', toBool, false),
    preallocation: get('preallocation', (n, v) => toEnum(n, v, PREALLOCATION_MODES), 'off' as Preallocation),
    compressionType: get(
      'compression_type',
      (_n, v) => ['zlib', 'zstd'].indexOf(toEnum('compression-type', v, ['zlib', 'zstd'])),
      0,
    ),
    extendedL2: get('extended_l2', toBool, false),
    backingFile: options.get('backing_file'),
    backingFormat: options.get('backing_fmt'),
    dataFile: options.get('data_file'),
    dataFileRaw: get('data_file_raw', toBool, false),
    nocow: get('nocow', toBool, false),
  };
  const encryption = encryptionFormat(options);
  checkCreate(create);
  if (encryption !== undefined) refuseEncryption(options, encryption);
  return create;
}

/** The encryption asked for, by its present or old name. */
function encryptionFormat(options: Map<string, string>): string | undefined {
  const format = options.get('encrypt.format');
  const old = options.has('encryption') && toBool('encryption', options.get('encryption')!);
  if (old && format !== undefined)
    throw new BlockError("'encrypt.format' and its alias 'encryption' can't be used at the same time");
  const wanted = format ?? (old ? 'aes' : undefined);
  if (wanted === undefined && [...options.keys()].some((name) => name.startsWith('encrypt.')))
    throw new BlockError("Parameter 'encrypt.format' is missing");
  return wanted;
}

function refuseEncryption(options: Map<string, string>, wanted: string): void {
  if (wanted !== 'aes' && wanted !== 'luks')
    throw new BlockError(`Parameter 'format' does not accept value '${wanted}'`);
  if (!options.has('encrypt.key-secret')) throw new BlockError("Parameter 'encrypt.key-secret' is required for cipher");
  throw new BlockError(`Encryption format '${wanted}' is not supported`, ERRNO.EOPNOTSUPP);
}

function checkClusterSize(size: number): void {
  if (!isPowerOf2(size) || size < 512 || size > 2 << 20)
    throw new BlockError('Cluster size must be a power of two between 512 and 2048k');
}

/** Extended entries need clusters large enough to be divided by 32. */
function checkSubclusters(clusterSize: number, extendedL2: boolean): void {
  if (extendedL2 && clusterSize < 16384)
    throw new BlockError('Extended L2 entries are only supported with cluster sizes of at least 16384 bytes');
}

function checkRefcountBits(bits: number): void {
  if (!isPowerOf2(bits) || bits > 64)
    throw new BlockError('Refcount width must be a power of two and may not exceed 64 bits');
}

/** What the size of an image depends on. */
export type Qcow2Measure = Pick<
  Qcow2Create,
  'size' | 'version' | 'clusterSize' | 'refcountBits' | 'preallocation' | 'extendedL2' | 'backingFile'
>;

/**
 * The options that decide how large an image becomes. Nothing is created, so that what does not matter for the size may be as
 * it likes; and the complaints are other ones than those of creation.
 */
export function readMeasureOptions(options: Map<string, string>): Qcow2Measure {
  const bool = (name: string): boolean => toBool(name, options.get(name) ?? 'off');
  // (Only images encrypted with LUKS have more in them.)
  const encryption = encryptionFormat(options);
  if (encryption === 'luks') refuseEncryption(options, encryption);
  const clusterSize = toSize('cluster_size', options.get('cluster_size') ?? '65536');
  checkClusterSize(clusterSize);
  const extendedL2 = bool('extended_l2');
  checkSubclusters(clusterSize, extendedL2);
  const compat = options.get('compat') ?? 'v3';
  if (!Object.hasOwn(COMPAT_VERSIONS, compat)) throw new BlockError(`Invalid compatibility level: '${compat}'`);
  const version = COMPAT_VERSIONS[compat]!;
  const refcountBits = toNumber('refcount_bits', options.get('refcount_bits') ?? '16');
  checkRefcountBits(refcountBits);
  if (version < 3 && refcountBits !== 16) {
    throw new BlockError(
      'Different refcount widths than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)',
    );
  }
  const preallocation = plainEnum(options.get('preallocation') ?? 'off', PREALLOCATION_MODES);
  const size = roundUp(toSize('size', options.get('size') ?? '0'), 512);
  const c = { size, version, clusterSize, refcountBits, preallocation, extendedL2 };
  if (size > maxSize(c)) {
    throw new BlockError('The image size is too large (try using a larger cluster size)', ERRNO.EFBIG);
  }
  return { ...c, backingFile: options.get('backing_file') };
}

function checkCreate(c: Qcow2Create): void {
  checkClusterSize(c.clusterSize);
  if (c.extendedL2 && c.version < 3) {
    throw new BlockError(
      'Extended L2 entries are only supported with compatibility level 1.1 and above (use version=v3 or greater)',
    );
  }
  checkSubclusters(c.clusterSize, c.extendedL2);
  if (c.preallocation !== 'off' && c.backingFile !== undefined && !c.extendedL2) {
    throw new BlockError('Backing file and preallocation can only be used at the same time if extended_l2 is on');
  }
  if (c.lazyRefcounts && c.version < 3) {
    throw new BlockError(
      'Lazy refcounts only supported with compatibility level 1.1 and above (use version=v3 or greater)',
    );
  }
  checkRefcountBits(c.refcountBits);
  if (c.version < 3 && c.refcountBits !== 16) {
    throw new BlockError(
      'Different refcount widths than 16 bits require compatibility level 1.1 or above (use version=v3 or greater)',
    );
  }
  if (c.dataFileRaw && c.dataFile === undefined) throw new BlockError('data-file-raw requires data-file');
  if (c.backingFile !== undefined && c.dataFileRaw)
    throw new BlockError('Backing file and data-file-raw cannot be used at the same time');
  if (c.dataFile !== undefined && c.version < 3) {
    throw new BlockError(
      'External data files are only supported with compatibility level 1.1 and above (use version=v3 or greater)',
    );
  }
  if (c.compressionType !== 0 && c.version < 3) {
    throw new BlockError(
      'Non-zlib compression type is only supported with compatibility level 1.1 and above (use version=v3 or greater)',
    );
  }
  if (c.size > maxSize(c)) {
    throw new BlockError('Could not resize image: Failed to grow the L1 table: File too large', ERRNO.EFBIG);
  }
}

/** Largest disk an L1 table of 32 MiB can map. */
function maxSize(c: Pick<Qcow2Create, 'clusterSize' | 'extendedL2'>): number {
  const l2Span = (c.clusterSize / (c.extendedL2 ? 16 : 8)) * c.clusterSize;
  return Math.min(MAX_OFFSET, ((32 << 20) / 8) * l2Span);
}

/** Bytes of refcount table and blocks for so many clusters of other content. */
export function refcountMetadataBytes(clusters: number, clusterSize: number, refcountBits: number): number {
  const perBlock = (clusterSize * 8) / refcountBits;
  const perTableCluster = clusterSize / 8;
  let table = 0;
  let blocks = 0;
  for (let last = -1, n = clusters; n !== last; ) {
    last = n;
    blocks = divUp(clusters + table + blocks, perBlock);
    table = divUp(blocks, perTableCluster);
    n = clusters + blocks + table;
  }
  return (blocks + table) * clusterSize;
}

/** File size of a fully allocated image without snapshots. */
export function fullyAllocatedBytes(
  size: number,
  clusterSize: number,
  refcountBits: number,
  extendedL2: boolean,
): number {
  const entry = extendedL2 ? 16 : 8;
  const data = roundUp(size, clusterSize);
  let meta = clusterSize;
  const l2Entries = roundUp(data / clusterSize, clusterSize / entry);
  meta += l2Entries * entry;
  const l1Entries = roundUp((l2Entries * entry) / clusterSize, clusterSize / 8);
  meta += l1Entries * 8;
  meta += refcountMetadataBytes((meta + data) / clusterSize, clusterSize, refcountBits);
  return meta + data;
}

/** Whether a device keeps nothing of what is written to it, as /dev/null (which cannot be flushed, either). */
function isBottomless(file: BlockNode): boolean {
  return !file.growable && file.length === 0;
}

/**
 * Lays an empty image out in `file` (empty itself): header, refcount table, one refcount block, L1 table. The header says that
 * the image is unfinished, until finishImage.
 */
export async function writeEmptyImage(file: BlockNode, c: Qcow2Create): Promise<void> {
  const entry = c.extendedL2 ? 16 : 8;
  const l1Size = divUp(c.size, (c.clusterSize / entry) * c.clusterSize);
  const l1Clusters = divUp(l1Size * 8, c.clusterSize);
  // 0 header, 1 refcount table, 2.. refcount blocks, then the L1 table; blocks enough to count all of it.
  const perBlock = (c.clusterSize * 8) / c.refcountBits;
  let blocks = 1;
  let tableClusters = 1;
  for (;;) {
    const total = 1 + tableClusters + blocks + l1Clusters;
    const want = divUp(total, perBlock);
    const wantTable = divUp(want * 8, c.clusterSize);
    if (want <= blocks && wantTable <= tableClusters) break;
    blocks = Math.max(want, blocks);
    tableClusters = Math.max(wantTable, tableClusters);
  }
  const total = 1 + tableClusters + blocks + l1Clusters;
  const end = (1 + tableClusters + blocks) * c.clusterSize;
  const header: Header = {
    version: c.version,
    unfinished: true,
    clusterBits: Math.log2(c.clusterSize),
    size: c.size,
    cryptMethod: 0,
    l1Size,
    l1Offset: l1Size > 0 ? end : 0,
    refTableOffset: c.clusterSize,
    refTableClusters: tableClusters,
    snapshotCount: 0,
    snapshotOffset: 0,
    incompatible: {
      hi: 0,
      lo:
        (c.dataFile !== undefined ? INCOMPAT.DATA_FILE : 0) |
        (c.compressionType !== 0 ? INCOMPAT.COMPRESSION : 0) |
        (c.extendedL2 ? INCOMPAT.EXTENDED_L2 : 0),
    },
    compatible: { hi: 0, lo: c.lazyRefcounts ? COMPAT.LAZY_REFCOUNTS : 0 },
    autoclear: { hi: 0, lo: c.dataFileRaw ? AUTOCLEAR.DATA_FILE_RAW : 0 },
    refcountOrder: Math.log2(c.refcountBits),
    headerLength: HEADER_LENGTH,
    compressionType: c.compressionType,
    backingFile: c.backingFile,
    backingFormat: c.backingFile === undefined ? undefined : c.backingFormat,
    dataFile: c.dataFile,
    bitmaps: undefined,
    unknownFields: new Uint8Array(0),
    unknownExtensions: [],
  };
  const head = serializeHeader(header);
  const table = new Uint8Array(tableClusters * c.clusterSize);
  for (let i = 0; i < blocks; i++) writeU64be(table, i * 8, (1 + tableClusters + i) * c.clusterSize);
  const counts = new Uint8Array(blocks * c.clusterSize);
  for (let i = 0; i < total; i++) {
    putRefcount(counts.subarray(Math.floor(i / perBlock) * c.clusterSize), header.refcountOrder, i % perBlock, 1);
  }
  await failingAs(HEADER_FAILURE, async () => {
    // On a device, the image that was there before must not outlive its tables.
    await file.write(0, head);
    if (!file.growable && !isBottomless(file)) await file.flush();
    await file.write(c.clusterSize, table);
    await file.write((1 + tableClusters) * c.clusterSize, counts);
    // The L1 table is all zero, which a longer file is by itself; a device has whatever was there.
    if (file.growable) await file.truncate(end + l1Size * 8);
    else if (l1Size > 0 && !isBottomless(file)) await file.writeZeroes(end, l1Clusters * c.clusterSize);
  });
}

/** Makes an image that is complete one that can be opened, once all of it is on the disk: a crash leaves it whole or refused. */
export async function finishImage(file: BlockNode, version: number): Promise<void> {
  await failingAs(HEADER_FAILURE, async () => {
    await file.flush();
    await file.write(FIELD.version, versionField(version, false));
    await file.flush();
  });
}

/** An image in its own data file would be overwritten by the data. */
function refuseSameFile(image: string, data: string): void {
  const identity = statPath(data)?.identity;
  if (identity !== undefined && identity === statPath(image)?.identity)
    throw new BlockError('Data file and image cannot be the same file', ERRNO.EINVAL);
}

/** Creates an image; a failure leaves no half-made file behind where we made it. */
export async function createQcow2(context: CreateContext): Promise<void> {
  const { filename } = context;
  const c = readCreateOptions(context.options);
  const whole = c.preallocation === 'full' || c.preallocation === 'falloc';
  const fileSize =
    whole && c.dataFile === undefined ? fullyAllocatedBytes(c.size, c.clusterSize, c.refcountBits, c.extendedL2) : 0;
  if (c.dataFile !== undefined) {
    context.checkFile(c.dataFile);
    refuseSameFile(filename, c.dataFile);
  }
  let claimed = false;
  const claim = (): void => {
    claimed = true;
  };
  try {
    const preallocation = whole ? c.preallocation : 'off';
    await context.makeFile(filename, fileSize, preallocation, context.options, claim).catch((error) => {
      throw whole && claimed && error instanceof BlockError
        ? error.prefixed('Could not resize image: Failed to resize underlying file: ')
        : error;
    });
    if (c.dataFile !== undefined) {
      refuseSameFile(filename, c.dataFile);
      await context.makeFile(c.dataFile, 0, 'off');
    }
    await layOut(context, c, fileSize);
  } catch (error) {
    // What was begun is of no use to anybody; a file somebody else has locked was not begun.
    if (claimed) context.removeFile(filename);
    throw error;
  }
}

/** Fills a file that was made. */
async function layOut(context: CreateContext, c: Qcow2Create, fileSize: number): Promise<void> {
  const { filename } = context;
  // What is written to a raw data file by other means must be seen, so that all of it is mapped.
  const preallocation = c.dataFileRaw && c.preallocation === 'off' ? 'metadata' : c.preallocation;
  const plain = preallocation === 'off' && c.dataFile === undefined;
  await context.withFile(filename, async (file) => {
    file.writesBeyondEnd = true;
    await writeEmptyImage(file, c);
    // (What such a device takes is not there afterwards.)
    if (isBottomless(file)) throw new BlockError('Image is not in qcow2 format', ERRNO.EINVAL);
    if (fileSize > file.length && file.growable) await file.truncate(fileSize, c.preallocation);
    if (plain) await finishImage(file, c.version);
  });
  if (plain) return;
  // The data file is the one that was just made, wherever its name leads from the image.
  const options: OptionTree = new Map();
  if (c.dataFile !== undefined)
    for (const [name, value] of context.fileOptions(c.dataFile)) options.set(`data-file.${name}`, value);
  const image = (await context.openUnfinished(options)) as Qcow2Node;
  try {
    const { s } = image;
    await prefixing('Could not resize image: ', async () => {
      if (c.dataFile !== undefined)
        await s.dataFile.truncate(c.size, preallocation === 'metadata' ? 'off' : preallocation, false);
      if (preallocation === 'off') return;
      const { preallocate } = await import('./resize.ts');
      await s.lock.with(() => preallocate(s, 0, c.size, preallocation, undefined, c.backingFile !== undefined));
    });
  } finally {
    await image.close();
  }
  if (c.dataFile !== undefined) await context.withFile(c.dataFile, (file) => file.flush());
  await context.withFile(filename, (file) => finishImage(file, c.version));
}
