// wemu-img commit: writes an overlay's changes into a layer below it.
import { commitImage } from '../../block/commit.ts';
import { BlockError } from '../../block/errors.ts';
import { chainOf, closeImage, fullBackingName, protocolOf } from '../../block/graph.ts';
import { statPath } from '../../block/libc.ts';
import { cacheMode, note, openNamed, parseArgs, reportError, usageError } from './common.ts';
import { rateLimit } from './numbers.ts';
import { PROGRESS_ROWS, progressOf } from './progress.ts';

export async function commit(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    { short: 'f', argument: true },
    { short: 't', argument: true },
    { short: 'b', argument: true },
    { short: 'd' },
    { short: 'q' },
    { short: 'r', argument: true, check: rateLimit },
    ...PROGRESS_ROWS,
  ]);
  const rate = args.has('r') ? rateLimit(args.last('r')!) : 0;
  if (args.positional.length !== 1) usageError('Expecting one image file name');
  const name = args.positional[0]!;
  const cache = cacheMode(args.last('t') ?? 'writeback');
  const node = await openNamed({
    name,
    format: args.last('f'),
    imageOpts: args.has('image-opts'),
    unmap: true,
    ...cache,
  });
  const progress = progressOf(args);
  let done = false;
  try {
    const wanted = args.last('b');
    let base = node.backing;
    if (wanted !== undefined) {
      const below = chainOf(node);
      base = below.find((layer, i) => {
        if (i === 0) return false;
        const over = below[i - 1]!;
        if (over.backingFileName === wanted) return true;
        if (protocolOf(wanted) !== undefined) return layer.filename === wanted;
        // Names are as seen from the image above, and there may be several for one file.
        const file = statPath(fullBackingName(over, wanted));
        return file !== undefined && file.identity === statPath(layer.filename)?.identity;
      });
      if (!base) throw new BlockError(`Did not find '${wanted}' in the backing chain of '${name}'`);
    }
    if (!base) throw new BlockError('Image does not have a backing file');
    await commitImage(node, base, !args.has('d') && wanted === undefined, rate, (f) => progress.update(f));
    done = true;
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    reportError(error);
    return 1;
  } finally {
    progress.end(done);
    await closeImage(node);
  }
  if (!args.has('q')) note('Image committed.\n');
  return 0;
}
