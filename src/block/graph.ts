// Building the node graph: from file names and option trees to opened nodes, probing formats, following backing chains.
import { type BlockNode, childPermissions, DEFAULT_FLAGS, findNode, type NodeFlags, PERM } from './driver.ts';
import type { Driver, OpenContext, OpenedChild } from './driver-row.ts';
import { findDriver, HTTP_CREDENTIALS, probeFormat } from './drivers.ts';
import { BlockError, ERRNO, errnoOf, prefixing, strerror } from './errors.ts';
import { isDevicePath } from './file-posix.ts';
import { statPath, writeText } from './libc.ts';
import {
  asText,
  checkValueTypes,
  extractSubtree,
  hasSubtree,
  isIdentifier,
  type OptionTree,
  type OptionValue,
  toBool,
  unflatten,
} from './options.ts';
import { compactJson, inDictOrder } from './qdict.ts';
import { warn } from './warnings.ts';

/** Bytes looked at to find out the format. */
const PROBE_BYTES = 512;

/** A chain longer than this is a mistake (or an attack), even without a loop. */
const MAX_CHAIN = 200;

/** Before what went wrong with a backing file. */
const IN_BACKING = 'Could not open backing file: ';

/** How to open a root node. */
export interface OpenRequest {
  filename?: string;
  options?: OptionTree;
  readOnly?: boolean;
  cacheDirect?: boolean;
  nativeAio?: boolean;
  noFlush?: boolean;
  writethrough?: boolean;
  unmap?: boolean;
  noBacking?: boolean;
  noIo?: boolean;
  check?: boolean;
  forceShare?: boolean;
  unfinished?: boolean;
  /** What others may not do while we have the image open, beyond what the format itself forbids. */
  unshare?: number;
  perm?: number;
}

/** Splits `proto:rest`; undefined when the name has no protocol or the colon belongs to the path. */
export function protocolOf(filename: string): string | undefined {
  const colon = filename.indexOf(':');
  const slash = filename.indexOf('/');
  if (colon < 0 || (slash >= 0 && slash < colon)) return undefined;
  return filename.slice(0, colon);
}

/** What is inherited down the graph while opening. */
interface Inherited {
  flags: NodeFlags;
  noBacking: boolean;
  /** Files above in the chain, to find loops. */
  chain: string[];
  /** Images above in the chain whose own backing names were followed: one that comes again would go on for ever. */
  followed: readonly string[];
  perm: number;
  shared: number;
  parentKey: unknown;
}

/** Opens an image; the caller is its user until it closes the node. */
export async function openImage(request: OpenRequest): Promise<BlockNode> {
  const options: OptionTree = new Map(request.options ?? []);
  const flags: NodeFlags = {
    ...DEFAULT_FLAGS,
    readOnly: request.readOnly ?? false,
    cacheDirect: request.cacheDirect ?? false,
    nativeAio: request.nativeAio ?? false,
    noFlush: request.noFlush ?? false,
    unmap: request.unmap ?? false,
    noIo: request.noIo ?? false,
    check: request.check ?? false,
    forceShare: request.forceShare ?? false,
    unfinished: request.unfinished ?? false,
  };
  const perm =
    request.perm ??
    (flags.noIo ? 0 : PERM.CONSISTENT_READ) | (flags.readOnly ? 0 : PERM.WRITE | (request.unshare ? PERM.RESIZE : 0));
  const node = await openNode(request.filename, options, {
    flags,
    noBacking: request.noBacking ?? false,
    chain: [],
    followed: [],
    perm,
    shared: PERM.ALL & ~(request.unshare ?? 0),
    parentKey: 'root',
  });
  node.writethrough = request.writethrough ?? false;
  return node;
}

/** Takes an option as text; undefined if it is absent or null. */
function takeText(options: OptionTree, name: string): string | undefined {
  const v = options.get(name) ?? undefined;
  options.delete(name);
  return v === undefined ? undefined : asText(v);
}

/** Options of all nodes that are no texts. */
const FLAG_TYPES = {
  'cache.direct': 'bool',
  'cache.no-flush': 'bool',
  'read-only': 'bool',
  'auto-read-only': 'bool',
  'force-share': 'bool',
} as const;

function takeFlags(options: OptionTree, inherited: NodeFlags): NodeFlags {
  const flags = { ...inherited };
  if (options.size > 1) checkValueTypes(options, FLAG_TYPES);
  const bool = (name: string): boolean | undefined => {
    const v = options.get(name);
    options.delete(name);
    return v === undefined || v === null ? undefined : toBool(name, v);
  };
  flags.cacheDirect = bool('cache.direct') ?? flags.cacheDirect;
  flags.noFlush = bool('cache.no-flush') ?? flags.noFlush;
  flags.readOnly = bool('read-only') ?? flags.readOnly;
  flags.autoReadOnly = bool('auto-read-only') ?? flags.autoReadOnly;
  flags.forceShare = bool('force-share') ?? flags.forceShare;
  const discard = takeText(options, 'discard');
  if (discard !== undefined) {
    if (discard === 'on' || discard === 'unmap') flags.unmap = true;
    else if (discard === 'off' || discard === 'ignore') flags.unmap = false;
    else throw new BlockError('Invalid discard option');
  }
  const detect = takeText(options, 'detect-zeroes');
  if (detect !== undefined) {
    if (detect !== 'off' && detect !== 'on' && detect !== 'unmap')
      throw new BlockError(`invalid parameter value: ${detect}`);
    if (detect === 'unmap' && !flags.unmap) {
      throw new BlockError('setting detect-zeroes to unmap is not allowed without setting discard operation to unmap');
    }
    flags.detectZeroes = detect;
  }
  return flags;
}

function driverNamed(name: OptionValue): Driver {
  const driver = findDriver(String(name));
  if (!driver) throw new BlockError(`Unknown driver '${name}'`);
  return driver;
}

/** Opens a node as user code or as a format child would: probing decides the format where none is given. */
async function openNode(filename: string | undefined, options: OptionTree, inherited: Inherited): Promise<BlockNode> {
  if (filename?.startsWith('json:')) {
    const { parseJsonOptions } = await import('./json-options.ts');
    for (const [k, v] of parseJsonOptions(filename.slice(5))) if (!options.has(k)) options.set(k, v);
    filename = undefined;
  }
  const explicit: OptionTree = new Map(options);
  let driver: Driver | undefined;
  // A driver that is no text is none.
  if (typeof options.get('driver') !== 'string') options.delete('driver');
  if (options.has('driver')) {
    driver = driverNamed(options.get('driver')!);
    options.delete('driver');
  }
  const flags = takeFlags(options, inherited.flags);
  const nodeName = takeNodeName(options);
  if (!driver && filename === undefined && !hasSubtree(options, 'file')) {
    throw new BlockError('Must specify either driver or file');
  }
  if (driver?.kind === 'protocol' || (driver?.kind === 'filter' && driver.parseFilename)) {
    return openWith(driver, filename, options, flags, { ...inherited }, explicit, nodeName, undefined, false);
  }
  // A format or a filter: its data child comes first.
  const shape = driver ?? { kind: 'format' as const, childRoles: ['file'] };
  const childUse =
    shape.kind === 'format' && driver?.name !== 'raw' && driver
      ? childPermissions('format', 'file', inherited.perm, inherited.shared, flags)
      : { perm: inherited.perm, shared: inherited.shared };
  const token = {};
  const child = await openChild('file', filename, options, {
    ...inherited,
    flags: childFlags(flags),
    perm: driver ? childUse.perm : 0,
    shared: driver ? childUse.shared : PERM.ALL,
    parentKey: token,
  });
  if (!child) throw new BlockError('A block device must be specified for "file"');
  const file = child.node;
  try {
    let guessed = false;
    if (!driver) {
      driver = await probe(file, filename ?? '');
      guessed = true;
      if (driver.name === 'raw' && !flags.readOnly) warnGuessedRaw(file.filename);
      const use =
        driver.name === 'raw'
          ? { perm: inherited.perm, shared: inherited.shared }
          : childPermissions('format', 'file', inherited.perm, inherited.shared, flags);
      file.use(token, use.perm, use.shared);
    }
    return await openWith(driver, filename, options, flags, inherited, explicit, nodeName, { child, token }, guessed);
  } catch (error) {
    await giveUp(child, token);
    throw error;
  }
}

function takeNodeName(options: OptionTree): string | undefined {
  const name = takeText(options, 'node-name');
  if (name === undefined) return undefined;
  if (!isIdentifier(name)) throw new BlockError(`Invalid node-name: '${name}'`);
  if (name.length > 31) throw new BlockError('Node name too long');
  if (findNode(name)) throw new BlockError(`Duplicate nodes with node-name='${name}'`);
  return name;
}

async function probe(file: BlockNode, filename: string): Promise<Driver> {
  // Devices and files with no content are raw.
  const length = file.length;
  const head = new Uint8Array(Math.min(PROBE_BYTES, length));
  if (head.length > 0) {
    try {
      await file.read(0, head);
    } catch (error) {
      throw new BlockError(
        `Could not read image for determining its format: ${strerror(errnoOf(error))}`,
        errnoOf(error),
      );
    }
  }
  const padded = new Uint8Array(PROBE_BYTES);
  padded.set(head);
  return probeFormat(padded, filename);
}

/** Told when the format of a writable image was guessed to be raw: content could make it look like another one. */
function warnGuessedRaw(filename: string): void {
  writeText(
    2,
    `WARNING: Image format was not specified for '${filename}' and probing guessed raw.\n` +
      '         Automatically detecting the format is dangerous for raw images, write operations on block 0 will be restricted.\n' +
      "         Specify the 'raw' format explicitly to remove the restrictions.\n",
  );
}

/** Flags a data child gets from its parent. */
function childFlags(flags: NodeFlags): NodeFlags {
  return { ...flags, unmap: true, detectZeroes: 'off' };
}

/** Gives a child up whose parent could not be opened. */
async function giveUp(child: OpenedChild | undefined, token: unknown): Promise<void> {
  if (child?.owned) await child.node.abandon();
  else child?.node.dropUse(token);
}

/** The node of a name; throws if there is none. */
function referred(name: string): BlockNode {
  const node = findNode(name);
  if (!node) throw new BlockError(`Cannot find device='${name}' nor node-name='${name}'`, ERRNO.ENODEV);
  return node;
}

/** Opens the child of a role from a reference, a subtree of options, or a file name; undefined if none is given. */
async function openChild(
  role: string,
  filename: string | undefined,
  options: OptionTree,
  inherited: Inherited,
): Promise<OpenedChild | undefined> {
  const reference = options.get(role);
  const subtree = extractSubtree(options, role);
  if (reference !== undefined && typeof reference === 'string') {
    options.delete(role);
    if (subtree.size > 0 || filename !== undefined) {
      throw new BlockError('Cannot reference an existing block device with additional options or a new filename');
    }
    const node = referred(reference);
    node.use(inherited.parentKey, inherited.perm, inherited.shared);
    return { node, owned: false };
  }
  if (filename === undefined && subtree.size === 0) return undefined;
  const driver = subtree.get('driver');
  if (typeof driver === 'string' && findDriver(driver)?.kind !== 'protocol') {
    // A format or filter under a format.
    return { node: await openNode(filename, subtree, inherited), owned: true };
  }
  return { node: await openProtocol(filename, subtree, inherited), owned: true };
}

async function openProtocol(
  filename: string | undefined,
  options: OptionTree,
  inherited: Inherited,
): Promise<BlockNode> {
  if (filename?.startsWith('json:')) return openNode(filename, options, inherited);
  const explicit: OptionTree = new Map(options);
  const nodeName = takeNodeName(options);
  const flags = takeFlags(options, inherited.flags);
  let driver: Driver;
  // A driver that is no text is none.
  if (typeof options.get('driver') !== 'string') options.delete('driver');
  if (!options.has('driver') && filename === undefined && typeof options.get('filename') !== 'string')
    throw new BlockError('Must specify either driver or file');
  if (options.has('driver')) {
    driver = driverNamed(options.get('driver')!);
    options.delete('driver');
  } else {
    const name = filename ?? String(options.get('filename') ?? '');
    const protocol = filename === undefined ? undefined : protocolOf(name);
    if (protocol !== undefined) {
      const found = findDriver(protocol);
      if (!found?.parseFilename) throw new BlockError(`Unknown protocol '${protocol}'`);
      driver = found;
    } else {
      driver = findDriver(name.startsWith('/') && isDevicePath(name) ? 'host_device' : 'file')!;
    }
  }
  return openWith(driver, filename, options, flags, inherited, explicit, nodeName, undefined, false);
}

async function openWith(
  driver: Driver,
  filename: string | undefined,
  options: OptionTree,
  flags: NodeFlags,
  inherited: Inherited,
  explicit: OptionTree,
  nodeName: string | undefined,
  given: { child: OpenedChild; token: unknown } | undefined,
  guessed: boolean,
): Promise<BlockNode> {
  if (flags.forceShare && !flags.readOnly) {
    throw new BlockError('force-share=on can only be used with read-only images');
  }
  if (filename !== undefined && driver.parseFilename) driver.parseFilename(filename, options);
  let child = given?.child;
  let token = given?.token;
  if (driver.kind === 'filter' && !child) {
    token = {};
    const role = driver.childRoles![0]!;
    const name = options.get('x-image');
    options.delete('x-image');
    child = await openChild(role, name === undefined ? undefined : String(name), options, {
      ...inherited,
      flags: childFlags(flags),
      parentKey: token,
    });
    if (!child) throw new BlockError(`A block device must be specified for "${role}"`);
  }
  const file = child?.node;
  const chain = [...inherited.chain];
  if (driver.kind === 'protocol') {
    const path = options.get('filename');
    if (typeof path === 'string') checkLoop(path, chain);
  }
  const dataToken = {};
  let dataChild: OpenedChild | undefined;
  // (One that is the node's own is closed with it.)
  const dropData = (): void => {
    if (dataChild && !dataChild.owned) dataChild.node.dropUse(dataToken);
  };
  const context: OpenContext = {
    flags,
    options,
    filename: filename ?? '',
    guessed,
    writes: (inherited.perm & PERM.WRITE) !== 0,
    noBacking: inherited.noBacking,
    openChild: async (role, name, parent) =>
      (dataChild = await openChild(role, name, parent.options, {
        ...inherited,
        flags: childFlags(flags),
        ...childPermissions('format', role, inherited.perm, inherited.shared, flags),
        parentKey: dataToken,
      })),
  };
  let node: BlockNode;
  try {
    node = await driver.open(context, file);
  } catch (error) {
    dropData();
    if (!given) await giveUp(child, token);
    throw error;
  }
  try {
    if (child) node.attach('file', child.node, child.owned);
    node.explicitOptions = explicit;
    if (nodeName) {
      node.setName(nodeName);
    }
    refreshFilename(node, filename);
    forgetNoBacking(driver, options, inherited);
    if (driver.supportsBacking && !inherited.noBacking) await openBacking(node, options, flags, inherited, chain);
    rejectLeftOver(driver, options);
    // The node's own use of its children replaces the one the opening held.
    if (token) node.file?.passUse(token, node, 'file');
    dataChild?.node.passUse(dataToken, node, 'data-file');
    node.use(inherited.parentKey, inherited.perm, inherited.shared);
    await node.opened();
  } catch (error) {
    dropData();
    if (given) node.detach('file');
    await node.abandon();
    throw error;
  }
  return node;
}

/** `backing=` in a list of options says that there is none, as null does elsewhere. */
function forgetNoBacking(driver: Driver, options: OptionTree, inherited: Inherited): void {
  if (options.get('backing') !== '') return;
  warn('Use of "backing": "" is deprecated; use "backing": null instead');
  if (inherited.noBacking || !driver.supportsBacking) options.delete('backing');
  else options.set('backing', null);
}

function rejectLeftOver(driver: Driver, options: OptionTree): void {
  if (options.size === 0) return;
  for (const key of Object.keys(inDictOrder(Object.fromEntries(options)) as object)) {
    if (key === 'backing' && options.get(key) === null) continue;
    throw new BlockError(
      driver.kind === 'protocol' || driver.name === 'blkdebug'
        ? `Block protocol '${driver.name}' doesn't support the option '${key}'`
        : `Block format '${driver.name}' does not support the option '${key}'`,
    );
  }
}

/** Remembers a file in the chain; a file that backs itself would never end. */
function checkLoop(path: string, chain: string[]): void {
  if (chain.includes(path)) throw new BlockError(`Backing file chain of '${path}' contains itself`, ERRNO.ELOOP);
}

async function openBacking(
  node: BlockNode,
  options: OptionTree,
  flags: NodeFlags,
  inherited: Inherited,
  chain: string[],
): Promise<void> {
  const reference = options.get('backing');
  if (reference === null) {
    options.delete('backing');
    return;
  }
  const subtree = extractSubtree(options, 'backing');
  const childFlagsOfBacking: NodeFlags = { ...flags, readOnly: true, unmap: false, detectZeroes: 'off' };
  const use = childPermissions('format', 'backing', inherited.perm, inherited.shared, flags);
  const below: Inherited = {
    flags: childFlagsOfBacking,
    noBacking: false,
    chain: [...chain, ...identities(node)],
    followed: inherited.followed,
    perm: use.perm,
    shared: use.shared,
    parentKey: node,
  };
  if (typeof reference === 'string') {
    options.delete('backing');
    const other = await prefixing(IN_BACKING, () => referred(reference));
    refuseCycle(node, other);
    node.attach('backing', other, false);
    return;
  }
  let name: string | undefined;
  const overridden = subtree.has('driver') || hasSubtree(subtree, 'file');
  if (overridden && node.backingFormatName && !subtree.has('driver')) subtree.set('driver', node.backingFormatName);
  if (!overridden) {
    if (!node.backingFileName) {
      if (subtree.size > 0) throw new BlockError(`${IN_BACKING}Must specify either driver or file`);
      return;
    }
    // (The name may be options, which do not show that they lead to the same file again.)
    const self = `${node.driverName} ${identityOf(node.file!.filename)}`;
    if (inherited.followed.includes(self))
      throw new BlockError(`Backing file chain of '${node.filename}' contains itself`, ERRNO.ELOOP);
    below.followed = [...inherited.followed, self];
    name = fullBackingName(node, node.backingFileName);
    if (node.backingFormatName && !subtree.has('driver')) subtree.set('driver', node.backingFormatName);
  }
  if (below.chain.length > MAX_CHAIN)
    throw new BlockError(`Backing chain is longer than ${MAX_CHAIN} images`, ERRNO.ELOOP);
  const loop = name !== undefined && below.chain.includes(identityOf(name));
  await prefixing(IN_BACKING, async () => {
    if (loop) throw new BlockError(`Backing file '${name}' is already part of the chain`, ERRNO.ELOOP);
    const backing = await openNode(name, subtree, below);
    try {
      refuseCycle(node, backing);
    } catch (error) {
      await backing.abandon();
      throw error;
    }
    node.attach('backing', backing);
  });
}

/** Whether a node is another, or has it somewhere below. */
function reaches(from: BlockNode, node: BlockNode): boolean {
  return from === node || [...from.children.values()].some((child) => reaches(child.node, node));
}

function refuseCycle(node: BlockNode, backing: BlockNode): void {
  if (reaches(backing, node))
    throw new BlockError(`Making '${backing.nodeName}' a backing child of '${node.nodeName}' would create a cycle`);
}

/** Names under which a node's storage would be found again further down the chain. */
function identities(node: BlockNode): string[] {
  const out: string[] = [];
  for (let at: BlockNode | undefined = node; at; at = at.file)
    if (at.kind === 'protocol') out.push(identityOf(at.filename));
  return out;
}

function identityOf(filename: string): string {
  const path = filename.startsWith('file:') ? filename.slice(5) : filename;
  return statPath(path)?.identity ?? path;
}

/** Directory part of a node's file name (with the slash), by which relative backing names are resolved. */
function directoryOf(node: BlockNode): string | undefined {
  for (let at: BlockNode | undefined = node; at; at = at.file) {
    if (at.filename !== '' && !at.filename.startsWith('json:'))
      return at.filename.slice(0, at.filename.lastIndexOf('/') + 1);
  }
  return undefined;
}

/** The backing file's name as seen from the current directory. */
export function fullBackingName(node: BlockNode, backing: string): string {
  const directory = directoryOf(node);
  return combineNames(directory ?? '', backing);
}

/** A name relative to a directory (ending in a slash, or empty); absolute and protocol names stay as they are. */
export function combineNames(directory: string, name: string): string {
  if (name.startsWith('/') || protocolOf(name) !== undefined || name.startsWith('json:')) return name;
  return directory + name;
}

/** Options of blkdebug that its plain name tells, or that leave no trace. */
const BLKDEBUG_PLAIN =
  /^(config|x-image|driver|image(\..*)?|(take|unshare)-child-perms\..*|read-only|auto-read-only|discard|detect-zeroes|force-share|node-name|cache\..*)$/;

/** Options that change what a node shows; they keep it from being named by a plain file name. */
function strongOptions(node: BlockNode): readonly string[] {
  return findDriver(node.driverName)?.strongOptions ?? [];
}

/** Gives a node the name it is shown under: the plain one where that says everything, else json:. */
function refreshFilename(node: BlockNode, given: string | undefined): void {
  const file = node.file;
  const hasAny = (names: readonly string[]): boolean => {
    for (const name of names) if (node.explicitOptions.has(name)) return true;
    return false;
  };
  const strong = hasAny(strongOptions(node));
  if (node.kind === 'protocol') {
    const http = node.driverName === 'http' || node.driverName === 'https';
    const verify = node.explicitOptions.get('sslverify');
    const named = http ? !hasAny(HTTP_CREDENTIALS) && (verify === undefined || toBool('sslverify', verify)) : !strong;
    if (node.filename !== '' && named) return;
  } else if (node.kind === 'format' && file && !strong && !node.explicitOptions.has('backing.driver')) {
    // (A format's name under another format would not tell which of the two it is.)
    if (!file.filename.startsWith('json:') && file.kind !== 'format') {
      node.filename = file.filename;
      return;
    }
  } else if (node.driverName === 'blkdebug') {
    const below = node.file!;
    const plain = [...node.explicitOptions.keys()].every((k) => BLKDEBUG_PLAIN.test(k));
    if (plain && !below.filename.startsWith('json:')) {
      const config = node.explicitOptions.get('config') ?? /^blkdebug:([^:]*):/.exec(given ?? '')?.[1] ?? '';
      node.filename = `blkdebug:${config}:${below.filename}`;
      return;
    }
  }
  node.filename = `json:${compactJson(inDictOrder(fullOptions(node)))}`;
}

/** The options from which the node could be opened again. */
export function fullOptions(node: BlockNode): Record<string, unknown> {
  const tree: OptionTree = new Map([['driver', node.driverName]]);
  for (const name of strongOptions(node)) {
    const v = node.explicitOptions.get(name);
    if (v !== undefined && node.driverName !== 'qcow2') tree.set(name, v);
  }
  const out = unflatten(tree);
  // (Other tools leave this key as it is.)
  const secret = node.driverName === 'qcow2' ? node.explicitOptions.get('encrypt.key-secret') : undefined;
  if (secret !== undefined) out['encrypt.key-secret'] = secret;
  if (node.driverName === 'blkdebug')
    for (const [key, value] of node.explicitOptions)
      if (key === 'config' || !BLKDEBUG_PLAIN.test(key))
        out[key] = typeof value === 'boolean' ? (value ? 'on' : 'off') : value;
  if (node.driverName === 'file' || node.driverName === 'host_device') out['filename'] = node.filename;
  for (const [role, { node: child }] of node.children) {
    if (role === 'file' || role === 'image') out[node.driverName === 'blkdebug' ? 'image' : role] = fullOptions(child);
  }
  return out;
}

/** The layers from `node` down to the base, filters left out of the count only where they have no content of their own. */
export function chainOf(node: BlockNode): BlockNode[] {
  const out: BlockNode[] = [];
  for (let at: BlockNode | undefined = node; at; at = at.layerBelow()) out.push(at);
  return out;
}

export async function closeImage(node: BlockNode): Promise<void> {
  try {
    await node.flush();
  } finally {
    await node.close();
  }
}
