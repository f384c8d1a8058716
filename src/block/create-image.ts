// Creating images: option checks, backing files, and what formats need to lay themselves out in a new file.
import { createOptionsOf } from './create-options.ts';
import { type BlockNode, PERM, type Preallocation } from './driver.ts';
import type { CreateContext, Driver } from './driver-row.ts';
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
  parseKeyValueList,
  parseSize,
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

/** All creation options of a format, with those of the protocol under it where a file is named, in the order they are shown in. */
function optionRows(format: Driver, protocol: Driver | undefined): OptionTable {
  const own = createOptionsOf(format.name);
  return { ...own, ...(protocol && createOptionsOf(protocol.name)), ...own };
}

/** The same in the order of help texts. */
export function creationOptions(format: Driver, protocol: Driver | undefined): OptionTable {
  return Object.fromEntries(Object.entries(optionRows(format, protocol)).sort(([a], [b]) => (a < b ? -1 : 1)));
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

/** The options of a new image as they are told, with defaults that matter. */
function describe(table: OptionTable, options: Map<string, string>): string {
  const parts: string[] = [];
  for (const [name, { shown }] of Object.entries(table)) {
    const value = options.get(name) ?? shown;
    if (value !== undefined) parts.push(`${name}=${escapeCommas(value)}`);
  }
  return parts.join(' ');
}

/** What the command that only creates says of a size that file or format cannot have; others say what the system says. */
function tooLarge(error: unknown, format: string, table: OptionTable): unknown {
  if (!(error instanceof BlockError) || error.errno !== ERRNO.EFBIG) return error;
  const hint = Object.hasOwn(table, 'cluster_size') ? ' (try using a larger cluster size)' : '';
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
  const table = optionRows(driver, protocol);
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
  request.announce?.(`Formatting '${filename}', fmt=${format} ${describe(table, options)}`.trimEnd());
  try {
    if (driver.supportsBacking) checkBackingFormat(options);
    await driver.create!(creationContext(driver, filename, options));
  } catch (error) {
    throw request.announce ? tooLarge(error, format, table) : error;
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
    if (format === undefined) throw new BlockError('Backing file specified without backing format');
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

function checkBackingFormat(options: Map<string, string>): void {
  const format = options.get('backing_fmt');
  if (format === undefined) return;
  if (!findDriver(format)) throw new BlockError(`Parameter 'backing-fmt' does not accept value '${format}'`);
  if (!options.has('backing_file')) throw new BlockError('Backing format cannot be used without backing file');
}

/** What a driver's create is given. */
function creationContext(driver: Driver, filename: string, options: Map<string, string>): CreateContext {
  const onDevice = driver.name === 'host_device' || protocolDriver(filename).name === 'host_device';
  return {
    filename,
    options,
    onDevice,
    size: options.has('size') ? toSize('size', options.get('size')!) : 0,
    checkFile: (name) => {
      const protocol = protocolDriver(name);
      if (!createOptionsOf(protocol.name))
        throw new BlockError(`Driver '${protocol.name}' does not support image creation`);
    },
    makeFile: (name, ...rest) => makeFile(name, name === filename && onDevice, ...rest),
    removeFile: (name) => {
      const path = name.replace(/^file:/, '');
      if (protocolDriver(name).name === 'file' && statPath(path)?.kind === 'file') unlinkPath(path);
    },
    withFile,
    fileOptions: protocolOptions,
    openUnfinished: (given) =>
      openImage({
        filename,
        // (Not "no backing": that would leave data files closed as well.)
        options: new Map<string, OptionValue>([['driver', driver.name], ['backing', null], ...given]),
        noFlush: true,
        unfinished: true,
      }),
  };
}

/** Makes an empty file; a device is there already and only has to be large enough. */
async function makeFile(
  filename: string,
  onDevice: boolean,
  bytes: number,
  preallocation: Preallocation,
  options: Map<string, string> = new Map(),
  claimed?: () => void,
): Promise<void> {
  if (onDevice || protocolDriver(filename).name !== 'file') {
    const node = await openDevice(filename);
    try {
      claimed?.();
      await node.truncate(bytes, preallocation, false);
    } finally {
      await closeImage(node);
    }
    return;
  }
  const nocow = options.has('nocow') ? toBool('nocow', options.get('nocow')!) : false;
  const hint = options.get('extent_size_hint');
  const extentSizeHint = hint === undefined ? undefined : toSize('extent_size_hint', hint);
  if (extentSizeHint !== undefined && extentSizeHint > 0xffffffff)
    throw new BlockError('Extent size hint is too large', ERRNO.EINVAL);
  await createFile(filename, bytes, preallocation, nocow, extentSizeHint, claimed);
}

/** Does something with the file of an image that is being created, which others must not resize meanwhile. */
async function withFile(filename: string, body: (file: BlockNode) => Promise<void>): Promise<void> {
  const file = await openImage({ options: protocolOptions(filename), unshare: PERM.RESIZE });
  try {
    await body(file);
  } finally {
    await closeImage(file);
  }
}
