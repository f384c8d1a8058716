// wemu-img convert: copies images into another format, layer or shape.
import { copyImages } from '../../block/convert.ts';
import { createImage, creationOptions, parseCreateOptions, protocolDriver } from '../../block/create-image.ts';
import { createOptionsOf } from '../../block/create-options.ts';
import { type BlockNode, PERM } from '../../block/driver.ts';
import type { Driver } from '../../block/driver-row.ts';
import { findDriver } from '../../block/drivers.ts';
import { BlockError } from '../../block/errors.ts';
import { closeImage } from '../../block/graph.ts';
import { escapeCommas, parseKeyValueList } from '../../block/options.ts';
import type { Qcow2Node } from '../../block/qcow2/open.ts';
import {
  type Args,
  asBlockError,
  cacheMode,
  ExitError,
  FORMAT_OPTIONS,
  openNamed,
  parseArgs,
  reportError,
  SNAPSHOT_PARAM,
  sayError,
  snapshotParam,
  TOOL,
} from './common.ts';
import { printOptionHelp, wantsHelp } from './create.ts';
import { imageSize, rateLimit } from './numbers.ts';
import { PROGRESS_ROWS, progressOf } from './progress.ts';

const MAX_SPARSE = 16 << 20;
const DEFAULT_SPARSE = 4096;
const MAX_PARALLEL = 16;

function fail(message: string): never {
  sayError(message);
  throw new ExitError(1);
}

/** Option texts of all -o, as names and values. */
function optionMap(texts: readonly string[]): Map<string, string> {
  return new Map(texts.flatMap((t) => parseKeyValueList(t)));
}

function sparseSize(text: string): number {
  const size = imageSize(text, 'buffer size for sparse output');
  if (size % 512 !== 0 || size > MAX_SPARSE) {
    fail(
      `Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to ${MAX_SPARSE}. Select 0 to disable sparse detection (fully allocates output).`,
    );
  }
  return size;
}

function checkParallel(text: string): void {
  const m = /^\s*\+?(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : 0;
  if (m < 1 || m > MAX_PARALLEL) {
    fail(`Invalid number of coroutines. Allowed number of coroutines is between 1 and ${MAX_PARALLEL}`);
  }
}

/** Checks that options fit together, in the order other tools complain. */
function checkArgs(args: Args): void {
  if (args.has('skip-broken-bitmaps') && !args.has('bitmaps')) fail('Use of --skip-broken-bitmaps requires --bitmaps');
  if (args.has('C') && args.has('c')) fail('Cannot enable copy offloading when -c is used');
  if (args.has('C') && args.has('S')) fail('Cannot enable copy offloading when -S is used');
  if (args.has('C') && args.has('salvage')) fail('Cannot use copy offloading in salvaging mode');
  if (args.has('n') && args.has('o')) fail('-o has no effect when skipping image creation');
  if (!args.has('n') && args.has('target-image-opts')) fail('--target-image-opts requires use of -n flag');
  if (!args.has('n') && args.has('target-is-zero')) fail('--target-is-zero requires use of -n flag');
}

async function openSources(args: Args, names: readonly string[]): Promise<BlockNode[]> {
  const cache = cacheMode(args.last('T') ?? 'writeback', 'source cache option');
  const out: BlockNode[] = [];
  try {
    for (const name of names) {
      out.push(
        await openNamed({
          name,
          format: args.last('f'),
          imageOpts: args.has('image-opts'),
          readOnly: true,
          forceShare: args.has('U'),
          unshare: args.has('U') ? 0 : PERM.WRITE | PERM.RESIZE,
          ...cache,
          writethrough: false,
        }),
      );
    }
  } catch (error) {
    for (const node of out) await closeImage(node);
    throw error;
  }
  return out;
}

/** The complaint about an image whose driver has no snapshots. */
function noSnapshots(node: BlockNode): string {
  return `Failed to load snapshot: Block format '${node.driverName}' used by device '' does not support temporarily loading internal snapshots`;
}

/** Shows a snapshot instead of the present content of the (only) source. */
export async function selectSnapshot(sources: readonly BlockNode[], param: string): Promise<void> {
  // (Named by a list, it is one of the first image.)
  if (sources.length > 1 && !param.startsWith('snapshot.')) fail('No support for concatenating multiple snapshot');
  const node = sources[0] as Qcow2Node;
  if (node.driverName !== 'qcow2') fail(noSnapshots(node));
  const { findSnapshot, loadTemporarily } = await import('../../block/qcow2/snapshot.ts');
  let found = undefined as ReturnType<typeof findSnapshot>;
  if (param.startsWith('snapshot.')) {
    const wanted = new Map(parseKeyValueList(param));
    const id = wanted.get('snapshot.id');
    const name = wanted.get('snapshot.name');
    found = node.s.snapshots.find(
      (sn) => (id === undefined || sn.id === id) && (name === undefined || sn.name === name),
    );
  } else {
    found = findSnapshot(node.s, param);
  }
  if (!found) fail("Failed to load snapshot: Can't find snapshot");
  await loadTemporarily(node.s, found);
}

export async function convert(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    { short: 'f', argument: true },
    { short: 'O', argument: true },
    { short: 'B', argument: true },
    { short: 'F', argument: true },
    { short: 'c' },
    FORMAT_OPTIONS,
    SNAPSHOT_PARAM,
    { ...SNAPSHOT_PARAM, short: 's', key: 'l' },
    { short: 'S', argument: true, check: sparseSize },
    { short: 'q' },
    { short: 'n' },
    { short: 't', argument: true },
    { short: 'T', argument: true },
    { short: 'm', argument: true, check: checkParallel },
    { short: 'W' },
    { short: 'C' },
    { short: 'r', argument: true, check: rateLimit },
    { short: 'U', long: 'force-share' },
    { long: 'target-image-opts' },
    { long: 'salvage' },
    { long: 'target-is-zero' },
    { long: 'bitmaps' },
    { long: 'skip-broken-bitmaps' },
    ...PROGRESS_ROWS,
  ]);
  const format = args.last('O') ?? 'raw';
  const names = [...args.positional];
  const texts = args.all('o');
  const minSparse = args.has('S') ? sparseSize(args.last('S')!) : DEFAULT_SPARSE;
  const rate = args.has('r') ? rateLimit(args.last('r')!) : 0;
  checkArgs(args);
  if (wantsHelp(texts)) return printOptionHelp(format, names.length > 1 ? names.at(-1) : undefined);
  const targetName = names.pop();
  if (names.length < 1 || targetName === undefined) fail('Must specify image file name');
  cacheMode(args.last('T') ?? 'writeback', 'source cache option');
  const progress = progressOf(args);
  let sources: readonly BlockNode[] = [];
  let target: BlockNode | undefined;
  let cache: ReturnType<typeof cacheMode> | undefined;
  let created = false;
  let done = false;
  try {
    sources = await openSources(args, names);
    if (args.has('l')) await selectSnapshot(sources, snapshotParam(args)!);
    const driver = findDriver(format);
    const options = optionMap(texts);
    const backing = args.last('B') ?? options.get('backing_file');
    const total = sources.reduce((sum, s) => sum + s.length, 0);
    if (!args.has('n')) {
      if (!driver) fail(`Unknown file format '${format}'`);
      if (!createOptionsOf(driver.name)) fail(`Format driver '${format}' does not support image creation`);
      const protocol = protocolDriver(targetName);
      if (!createOptionsOf(protocol.name)) fail(`Protocol driver '${protocol.name}' does not support image creation`);
      parseCreateOptions(texts, creationOptions(driver, protocol));
      checkTarget(args, driver, backing, options, sources);
      if (args.has('bitmaps')) await checkBitmaps(sources, args.has('skip-broken-bitmaps'));
      cache = cacheMode(args.last('t') ?? 'unsafe');
      // The size is that of the sources, whatever the options say.
      options.delete('size');
      await createImage({
        filename: targetName,
        format,
        optionTexts: [...options].map(([name, value]) => `${name}=${escapeCommas(value)}`),
        size: total,
        ...(args.has('B') ? { backingFile: args.last('B')! } : {}),
        ...(args.has('F') ? { backingFormat: args.last('F')! } : {}),
        unsafe: true,
      }).catch((error) => {
        const e = asBlockError(error);
        throw new BlockError(`${targetName}: error while converting ${format}: ${e.message}`, e.errno, e.hint);
      });
      created = true;
    } else if (args.has('bitmaps')) {
      await checkBitmaps(sources, args.has('skip-broken-bitmaps'));
    }
    cache ??= cacheMode(args.last('t') ?? 'unsafe');
    target = await openNamed({
      name: targetName,
      format: args.has('target-image-opts') ? args.last('O') : format,
      imageOpts: args.has('target-image-opts'),
      unmap: true,
      ...cache,
    });
    if (args.has('bitmaps') && (target.driverName !== 'qcow2' || (target as Qcow2Node).s.header.version < 3))
      fail(`Format driver '${format}' does not support bitmaps`);
    if (args.has('c') && !findDriver(target.driverName)?.supportsCompression)
      fail('Compression not supported for this file format');
    if (args.has('target-is-zero') && target.backing)
      fail('Cannot use --target-is-zero when the destination image has a backing file');
    if (target.length < total && args.has('n')) fail('output file is smaller than input file');
    await copyImages({
      sources,
      target,
      // Of a device that is larger than needed the rest stays as it is.
      length: args.has('n') || target.file?.growable === false ? Math.min(total, target.length) : target.length,
      compressed: args.has('c'),
      minSparse,
      offload: args.has('C'),
      parallel: Number(args.last('m') ?? 8),
      outOfOrder: args.has('W'),
      targetIsZero: args.has('target-is-zero') || (created && target.hasZeroInit()),
      targetBacking: backing !== undefined && target.backing ? target.backing.length : undefined,
      ...(args.has('salvage')
        ? {
            salvage: (offset: number, message: string) =>
              sayError(`warning: error while reading offset ${offset}: ${message}`),
          }
        : {}),
      rate,
      progress: (f) => progress.update(f),
    });
    if (args.has('bitmaps')) await copyBitmaps(sources[0] as Qcow2Node, target as Qcow2Node);
    await closeImage(target);
    target = undefined;
    done = true;
    return 0;
  } catch (error) {
    if (error instanceof ExitError) throw error;
    reportError(error);
    if (created) sayError(`warning: '${targetName}' is incomplete`);
    return 1;
  } finally {
    progress.end(done);
    if (target) await closeImage(target).catch(() => {});
    for (const node of sources) await closeImage(node);
  }
}

function checkTarget(
  args: Args,
  driver: Driver,
  backing: string | undefined,
  options: Map<string, string>,
  sources: readonly BlockNode[],
): void {
  const format = driver.name;
  if (args.has('B') && !driver.supportsBacking) fail(`Backing file not supported for file format '${format}'`);
  if (args.has('F') && !driver.supportsBacking) fail(`Backing file format not supported for file format '${format}'`);
  if (backing !== undefined && sources.length > 1) {
    fail('Having a backing file for the target makes no sense when concatenating multiple input images');
  }
  if (backing !== undefined && !args.has('F') && !options.has('backing_fmt')) {
    fail('Use of backing file requires explicit backing format');
  }
  if (args.has('c') && !driver.supportsCompression) fail('Compression not supported for this file format');
  const preallocation = options.get('preallocation');
  if (args.has('c') && preallocation !== undefined && preallocation !== 'off') {
    fail('Compression and preallocation not supported at the same time');
  }
}

/** Refuses sources without bitmaps, and ones with a bitmap that cannot be copied, unless such are skipped. */
async function checkBitmaps(sources: readonly BlockNode[], skip: boolean): Promise<void> {
  if (sources.length > 1) fail('Copying bitmaps only possible with single source');
  const source = sources[0] as Qcow2Node;
  if (source.driverName !== 'qcow2') fail('Source lacks bitmap support');
  const { listBitmaps } = await import('../../block/qcow2/bitmap.ts');
  const broken = (await listBitmaps(source.s)).find((b) => b.inconsistent);
  if (broken && !skip)
    throw new BlockError(
      `Cannot copy inconsistent bitmap '${broken.name}'`,
      undefined,
      `Try --skip-broken-bitmaps, or use '${TOOL} bitmap --remove' to delete it`,
    );
}

async function copyBitmaps(source: Qcow2Node, target: Qcow2Node): Promise<void> {
  const ops = await import('../../block/qcow2/bitmap.ts');
  await target.s.quiet(() =>
    ops.copyBitmaps(target.s, source.s, (name) => sayError(`warning: Skipping inconsistent bitmap '${name}'`)),
  );
}
