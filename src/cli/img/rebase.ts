// wemu-img rebase: puts an overlay on another backing file.

import { rebaseImage } from '../../block/commit.ts';
import type { BlockNode } from '../../block/driver.ts';
import { findDriver } from '../../block/drivers.ts';
import { BlockError, ERRNO, errnoOf, strerror } from '../../block/errors.ts';
import { closeImage, fullBackingName, openImage } from '../../block/graph.ts';
import {
  type Args,
  asBlockError,
  cacheMode,
  ExitError,
  openNamed,
  parseArgs,
  reportError,
  sayError,
  usageError,
} from './common.ts';
import { PROGRESS_ROWS, type Progress, progressOf } from './progress.ts';

export async function rebase(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    { short: 'f', argument: true },
    { short: 'F', argument: true },
    { short: 'b', argument: true },
    { short: 'u' },
    { short: 't', argument: true },
    { short: 'T', argument: true },
    { short: 'q' },
    { short: 'U', long: 'force-share' },
    { short: 'c', long: 'compress' },
    ...PROGRESS_ROWS,
  ]);
  if (args.positional.length !== 1) usageError('Expecting one image file name');
  if (!args.has('u') && !args.has('b')) usageError('Must specify backing file (-b) or use unsafe mode (-u)');
  const progress = progressOf(args);
  let done = false;
  try {
    const code = await rebaseNamed(args, progress);
    done = code === 0;
    return code;
  } finally {
    progress.end(done);
  }
}

async function rebaseNamed(args: Args, progress: Progress): Promise<number> {
  const unsafe = args.has('u');
  const cache = cacheMode(args.last('t') ?? 'writeback');
  // What is written to cannot be shared; -U is about the new backing file.
  const sourceCache = { ...cacheMode(args.last('T') ?? 'writeback', 'source cache option'), forceShare: args.has('U') };
  const node = await openNamed({
    name: args.positional[0]!,
    format: args.last('f'),
    imageOpts: args.has('image-opts'),
    noBacking: unsafe,
    ...cache,
  });
  let fresh: BlockNode | undefined;
  const name = args.last('b');
  try {
    const format = args.last('F');
    if (format !== undefined && !findDriver(format)) {
      sayError(`Invalid format name: '${format}'`);
      return 1;
    }
    if (name && !unsafe) fresh = await openNew(node, name, format, sourceCache);
    if (args.has('c') && !findDriver(node.driverName)?.supportsCompression)
      throw new BlockError('Compression not supported for this file format');
    if (!unsafe) await rebaseImage(node, fresh, args.has('c'), (f) => progress.update(f));
    else progress.update(1);
    await change(node, name, format);
    return 0;
  } catch (error) {
    if (error instanceof ExitError || !(error instanceof BlockError)) throw error;
    reportError(error);
    return 1;
  } finally {
    if (fresh) await closeImage(fresh);
    await closeImage(node);
  }
}

async function openNew(node: BlockNode, name: string, format: string | undefined, cache: object): Promise<BlockNode> {
  try {
    return await openImage({
      filename: fullBackingName(node, name),
      options: new Map(format === undefined ? [] : [['driver', format]]),
      readOnly: true,
      ...cache,
    });
  } catch (error) {
    const e = asBlockError(error);
    throw new BlockError(`Could not open new backing file '${name}': ${e.message}`, e.errno, e.hint);
  }
}

async function change(node: BlockNode, name: string | undefined, format: string | undefined): Promise<void> {
  try {
    if (name && format === undefined) throw new BlockError('backing format must be specified');
    await node.changeBackingFile(name || undefined, format);
  } catch (error) {
    const e = asBlockError(error);
    if (e.errno === ERRNO.ENOSPC) {
      throw new BlockError(`Could not change the backing file to '${name}': No space left in the file header`, e.errno);
    }
    const text = e.message || strerror(errnoOf(e));
    throw new BlockError(`Could not change the backing file to '${name ?? '(null)'}': ${text}`, e.errno);
  }
}
