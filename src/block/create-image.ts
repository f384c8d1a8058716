// Creating images: option checks, backing files, the protocol file, then the format's layout in it.
import { roundUp } from './bytes.ts';
import { createOptionsOf } from './create-options.ts';
import type { BlockNode, Driver, Preallocation } from './driver.ts';
import { findDriver } from './drivers.ts';
import { BlockError, ERRNO, prefixing } from './errors.ts';
import { createFile, isDevicePath } from './file-posix.ts';
import { closeImage, combineNames, openImage, protocolOf } from './graph.ts';
import { statPath, unlinkPath } from './libc.ts';
import {
  checkOption,
  escapeCommas,
  formatInteger,
  type OptionTable,
  type OptionTree,
  type OptionValue,
  PREALLOCATION_MODES,
  parseKeyValueList,
  parseSize,
  plainEnum,
  toBool,
  toSize,
  toUint64,
} from './options.ts';

/** What is to be created. */
export interface CreateImageRequest {
  filename: string;
  format: string;
  /** `-o` texts, in order. */
  optionTexts?: readonly string[];
  backingFile?: string;
  backingFormat?: string;
  /** Bytes; undefined if only the options or the backing file tell. */
  size?: number;
  /** Do not open the backing file. */
  unsafe?: boolean;
  /** Told the line that describes what is created, once everything is checked. */
  announce?: (line: string) => void;
}

/** Order in which options are shown. */
const SHOW_ORDER = [
  'encryption',
  'encrypt.format',
  'encrypt.key-secret',
  'encrypt.cipher-alg',
  'encrypt.cipher-mode',
  'encrypt.ivgen-alg',
  'encrypt.ivgen-hash-alg',
  'encrypt.hash-alg',
  'encrypt.iter-time',
  'cluster_size',
  'extended_l2',
  'preallocation',
  'compression_type',
  'size',
  'compat',
  'backing_file',
  'backing_fmt',
  'data_file',
  'data_file_raw',
  'lazy_refcounts',
  'refcount_bits',
  'nocow',
  'extent_size_hint',
];
const RAW_SHOW_ORDER = ['size', 'nocow', 'preallocation', 'extent_size_hint'];

/** Values options have when nothing is said. */
const QCOW2_DEFAULTS: Record<string, string> = {
  cluster_size: '65536',
  extended_l2: 'off',
  compression_type: 'zlib',
  lazy_refcounts: 'off',
  refcount_bits: '16',
};

/** The driver that stores a file of that name. */
export function protocolDriver(filename: string): Driver {
  const protocol = protocolOf(filename);
  if (protocol === undefined) return findDriver(isDevicePath(filename) ? 'host_device' : 'file')!;
  const driver = findDriver(protocol);
  if (!driver?.parseFilename) throw new BlockError(`Unknown protocol '${protocol}'`);
  return driver;
}

/** The options that name a file to its protocol's driver. */
function protocolOptions(filename: string): OptionTree {
  const driver = protocolDriver(filename);
  const options: OptionTree = new Map([['driver', driver.name]]);
  if (protocolOf(filename) === undefined) options.set('filename', filename);
  else driver.parseFilename!(filename, options);
  return options;
}

/** All creation options of a format, with those of the protocol under it where a file is named. */
export function creationOptions(format: Driver, protocol: Driver | undefined): OptionTable {
  const merged = { ...(protocol && createOptionsOf(protocol.name)), ...createOptionsOf(format.name) };
  return Object.fromEntries(Object.entries(merged).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Parses `-o` texts against a table of options; the first that is wrong is complained about. */
export function parseCreateOptions(texts: readonly string[], table: OptionTable): Map<string, string> {
  const out = new Map<string, string>();
  for (const text of texts) {
    for (const [name, value] of parseKeyValueList(text)) {
      // The list's own name, which nothing asks for.
      if (name === 'id') continue;
      const spec = Object.hasOwn(table, name) ? table[name]! : undefined;
      if (!spec) throw new BlockError(`Invalid parameter '${name}'`);
      checkOption(name, value, spec);
      if (spec.type === 'size') out.set(name, formatInteger(parseSize(value)!));
      else if (spec.type === 'number') out.set(name, String(BigInt.asIntN(64, toUint64(name, value))));
      else out.set(name, value);
    }
  }
  return out;
}

function describe(format: string, options: Map<string, string>, raw: boolean): string {
  const order = raw ? RAW_SHOW_ORDER : SHOW_ORDER;
  const defaults = format === 'qcow2' ? QCOW2_DEFAULTS : {};
  const parts: string[] = [];
  for (const name of order) {
    const value = options.get(name) ?? defaults[name];
    if (value !== undefined) parts.push(`${name}=${escapeCommas(value)}`);
  }
  return parts.join(' ');
}

/** What the command that only creates says of a size that file or format cannot have; others say what the system says. */
function tooLarge(error: unknown, format: string): unknown {
  if (!(error instanceof BlockError) || error.errno !== ERRNO.EFBIG) return error;
  const hint = format === 'qcow2' ? ' (try using a larger cluster size)' : '';
  return new BlockError(`The image size is too large for file format '${format}'${hint}`, ERRNO.EFBIG);
}

/** Creates an image; a failure leaves no half-made file behind where we made it. */
export async function createImage(request: CreateImageRequest): Promise<void> {
  const { filename, format } = request;
  const driver = findDriver(format);
  if (!driver) throw new BlockError(`Unknown file format '${format}'`);
  const protocol = protocolDriver(filename);
  if (!createOptionsOf(driver.name)) throw new BlockError(`Format driver '${format}' does not support image creation`);
  if (!createOptionsOf(protocol.name))
    throw new BlockError(`Protocol driver '${protocol.name}' does not support image creation`);
  const table = creationOptions(driver, protocol);
  const options = parseCreateOptions(request.optionTexts ?? [], table);
  if (request.size !== undefined) {
    if (options.has('size')) throw new BlockError('The image size must be specified only once');
    options.set('size', formatInteger(request.size));
  }
  if (request.backingFile !== undefined) {
    if (!driver.supportsBacking) throw new BlockError(`Backing file not supported for file format '${format}'`);
    options.set('backing_file', request.backingFile);
  }
  if (request.backingFormat !== undefined) {
    if (!driver.supportsBacking) throw new BlockError(`Backing file format not supported for file format '${format}'`);
    options.set('backing_fmt', request.backingFormat);
  }
  await resolveBacking(request, options);
  if (!options.has('size')) throw new BlockError('Image creation needs a size parameter');
  request.announce?.(
    `Formatting '${filename}', fmt=${format} ${describe(format, options, format !== 'qcow2')}`.trimEnd(),
  );
  try {
    await createWith(driver, filename, options);
  } catch (error) {
    throw request.announce ? tooLarge(error, format) : error;
  }
}

/** Opens the backing file to learn its size and to be sure it can be opened. */
async function resolveBacking(request: CreateImageRequest, options: Map<string, string>): Promise<void> {
  const name = options.get('backing_file');
  if (name === undefined) return;
  if (name === '') throw new BlockError('Expected backing file name, got empty string');
  if (name === request.filename) {
    throw new BlockError('Error: Trying to create an image with the same filename as the backing file');
  }
  const format = options.get('backing_fmt');
  if (request.unsafe) {
    if (options.has('size') && format === undefined)
      throw new BlockError('Backing file specified without backing format');
    return;
  }
  const slash = request.filename.lastIndexOf('/');
  const full = combineNames(request.filename.slice(0, slash + 1), name);
  let backing: BlockNode;
  try {
    backing = await openImage({
      filename: full,
      options: new Map(format === undefined ? [] : [['driver', format]]),
      readOnly: true,
      noIo: true,
      forceShare: true,
    });
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    throw new BlockError(
      error.message,
      error.errno,
      `${error.hint ? `${error.hint}\n` : ''}Could not open backing image.`,
    );
  }
  try {
    if (format === undefined) {
      throw new BlockError(
        'Backing file specified without backing format',
        ERRNO.EINVAL,
        `Detected format of ${backing.driverName}.`,
      );
    }
    if (!options.has('size')) options.set('size', formatInteger(backing.length));
  } finally {
    await closeImage(backing);
  }
}

/** Opens a device, which is not made: there must be one. */
async function openDevice(filename: string): Promise<BlockNode> {
  const options = protocolOptions(filename);
  options.set('driver', 'host_device');
  return prefixing(
    "Protocol driver 'host_device' does not support image creation, and opening the image failed: ",
    () => openImage({ options }),
  );
}

async function createWith(driver: Driver, filename: string, options: Map<string, string>): Promise<void> {
  const size = options.has('size') ? toSize('size', options.get('size')!) : 0;
  if (driver.name !== 'qcow2') {
    const preallocation = plainEnum(options.get('preallocation') ?? 'off', PREALLOCATION_MODES);
    if (driver.name === 'host_device' || protocolDriver(filename).name === 'host_device') {
      await closeImage(await openDevice(filename));
      if (preallocation !== 'off') throw new BlockError(`Unsupported preallocation mode '${preallocation}'`);
    }
    await createProtocol(filename, roundUp(size, 512), preallocation, options);
    return;
  }
  const { readCreateOptions, fullyAllocatedBytes } = await import('./qcow2/create.ts');
  const backingFormat = options.get('backing_fmt');
  if (backingFormat !== undefined && findDriver(backingFormat) && !options.has('backing_file'))
    throw new BlockError('Backing format cannot be used without backing file');
  if (backingFormat !== undefined && !findDriver(backingFormat)) {
    throw new BlockError(`Parameter 'backing-fmt' does not accept value '${backingFormat}'`);
  }
  const c = readCreateOptions(options);
  const whole = c.preallocation === 'full' || c.preallocation === 'falloc';
  const fileSize =
    whole && c.dataFile === undefined ? fullyAllocatedBytes(c.size, c.clusterSize, c.refcountBits, c.extendedL2) : 0;
  if (c.dataFile !== undefined) {
    const { name } = protocolDriver(c.dataFile);
    if (!createOptionsOf(name)) throw new BlockError(`Driver '${name}' does not support image creation`);
    refuseSameFile(filename, c.dataFile);
  }
  let claimed = false;
  const claim = (): void => {
    claimed = true;
  };
  try {
    await createProtocol(filename, fileSize, whole ? c.preallocation : 'off', options, claim).catch((error) => {
      throw whole && claimed && error instanceof BlockError
        ? error.prefixed('Could not resize image: Failed to resize underlying file: ')
        : error;
    });
    if (c.dataFile !== undefined) {
      refuseSameFile(filename, c.dataFile);
      await createProtocol(c.dataFile, 0, 'off', new Map());
    }
    await layoutQcow2(filename, options, fileSize);
  } catch (error) {
    // What was begun is of no use to anybody; a file somebody else has locked was not begun.
    if (claimed && protocolDriver(filename).name === 'file') removeUnfinished(filename);
    throw error;
  }
}

/** An image in its own data file would be overwritten by the data. */
function refuseSameFile(image: string, data: string): void {
  const identity = statPath(data)?.identity;
  if (identity !== undefined && identity === statPath(image)?.identity)
    throw new BlockError('Data file and image cannot be the same file', ERRNO.EINVAL);
}

async function createProtocol(
  filename: string,
  size: number,
  preallocation: Preallocation,
  options: Map<string, string>,
  claimed?: () => void,
): Promise<void> {
  const driver = protocolDriver(filename);
  if (driver.name === 'file') {
    const nocow = options.has('nocow') ? toBool('nocow', options.get('nocow')!) : false;
    const hint = options.get('extent_size_hint');
    const extentSizeHint = hint === undefined ? undefined : toSize('extent_size_hint', hint);
    if (extentSizeHint !== undefined && extentSizeHint > 0xffffffff)
      throw new BlockError('Extent size hint is too large', ERRNO.EINVAL);
    await createFile(filename, size, preallocation, nocow, extentSizeHint, claimed);
    return;
  }
  // A device is there already; it only has to be large enough.
  const node = await openDevice(filename);
  try {
    claimed?.();
    if (preallocation !== 'off') {
      throw new BlockError(
        `Preallocation mode '${preallocation}' unsupported for this non-regular file`,
        ERRNO.EOPNOTSUPP,
      );
    }
    if (node.length < size) throw new BlockError('Cannot grow device files', ERRNO.EINVAL);
  } finally {
    await closeImage(node);
  }
}

async function layoutQcow2(filename: string, options: Map<string, string>, fileSize: number): Promise<void> {
  const { finishImage, isBottomless, readCreateOptions, writeEmptyImage } = await import('./qcow2/create.ts');
  const c = readCreateOptions(options);
  // What is written to a raw data file by other means must be seen, so that all of it is mapped.
  const preallocation = c.dataFileRaw && c.preallocation === 'off' ? 'metadata' : c.preallocation;
  const plain = preallocation === 'off' && c.dataFile === undefined;
  await withFile(filename, async (file) => {
    file.writesBeyondEnd = true;
    await writeEmptyImage(file, c);
    // (What such a device takes is not there afterwards.)
    if (isBottomless(file)) throw new BlockError('Image is not in qcow2 format', ERRNO.EINVAL);
    if (fileSize > file.length && file.growable) await file.truncate(fileSize, c.preallocation);
    if (plain) await finishImage(file, c.version);
  });
  if (plain) return;
  // The data file is the one that was just made, wherever its name leads from the image.
  // (Not "no backing": that would leave the data file closed as well.)
  const data = c.dataFile === undefined ? [] : [...protocolOptions(c.dataFile)];
  const image = await openImage({
    filename,
    options: new Map<string, OptionValue>([
      ['driver', 'qcow2'],
      ['backing', null],
      ...data.map(([name, value]) => [`data-file.${name}`, value] as const),
    ]),
    noFlush: true,
    unfinished: true,
  });
  try {
    const { s } = image as BlockNode & { s: import('./qcow2/state.ts').Qcow2State };
    await prefixing('Could not resize image: ', async () => {
      if (c.dataFile !== undefined)
        await s.dataFile.truncate(c.size, preallocation === 'metadata' ? 'off' : preallocation, false);
      if (preallocation === 'off') return;
      const { preallocate } = await import('./qcow2/resize.ts');
      await s.lock.with(() => preallocate(s, 0, c.size, preallocation, undefined, c.backingFile !== undefined));
    });
  } finally {
    await closeImage(image);
  }
  if (c.dataFile !== undefined) await withFile(c.dataFile, (file) => file.flush());
  await withFile(filename, (file) => finishImage(file, c.version));
}

/** Does something with the file of an image that is being created, which others must not resize meanwhile. */
async function withFile(filename: string, body: (file: BlockNode) => Promise<void>): Promise<void> {
  const file = await openImage({ options: protocolOptions(filename), unshare: 8 });
  try {
    await body(file);
  } finally {
    await closeImage(file);
  }
}

/** Removes a file that creation left unfinished; keeps quiet about failures. */
function removeUnfinished(filename: string): void {
  const path = filename.replace(/^file:/, '');
  if (statPath(path)?.kind === 'file') unlinkPath(path);
}
