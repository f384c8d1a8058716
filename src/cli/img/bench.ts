// wemu-img bench: many requests at once, and how long they take.
import { runParallel } from '../../block/async.ts';
import { ERRNO, errnoError } from '../../block/errors.ts';
import { closeImage } from '../../block/graph.ts';
import { toNumber } from '../../block/options.ts';
import { cacheMode, ExitError, openNamed, parseArgs, print, reportError, sayError, usageError } from './common.ts';
import { MAX_INT64, numberArgument } from './numbers.ts';

function fail(message: string): never {
  sayError(message);
  throw new ExitError(1);
}

const MAX_INT = 2 ** 31 - 1;

/** A plain number: no suffix. */
function plain(text: string | undefined, otherwise: number, what: string, max = MAX_INT): number {
  if (text === undefined) return otherwise;
  let n = Infinity;
  try {
    n = toNumber(what, text);
  } catch {
    // Said below.
  }
  if (n > max) fail(`Invalid ${what} specified`);
  return n;
}

/** A number of bytes. */
function bytes(text: string | undefined, otherwise: number, what: string, max = MAX_INT): number {
  return text === undefined ? otherwise : numberArgument(text, what, 0, max);
}

export async function bench(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    { short: 'c', argument: true },
    { short: 'd', argument: true },
    { short: 'f', argument: true },
    { short: 'i', argument: true },
    { short: 'n' },
    { short: 'o', argument: true },
    { short: 'q' },
    { short: 's', argument: true },
    { short: 'S', argument: true },
    { short: 't', argument: true },
    { short: 'w' },
    { short: 'U', long: 'force-share' },
    { long: 'pattern', argument: true },
    { long: 'flush-interval', argument: true },
    { long: 'no-drain' },
  ]);
  const count = plain(args.last('c'), 75000, 'request count');
  const depth = plain(args.last('d'), 64, 'queue depth');
  // (qemu-img takes it and then waits for ever.)
  if (depth === 0) fail('Invalid queue depth specified');
  const offset = bytes(args.last('o'), 0, 'offset', MAX_INT64);
  const size = bytes(args.last('s'), 4096, 'buffer size');
  const step = bytes(args.last('S'), 0, 'step_size') || size;
  const interval = plain(args.last('flush-interval'), 0, 'flush interval');
  const pattern = plain(args.last('pattern'), 0, 'pattern byte', 255);
  const cache = cacheMode(args.last('t') ?? 'writeback', 'cache mode', false);
  const aio = args.last('i');
  if (aio !== undefined && !['threads', 'native', 'io_uring'].includes(aio)) fail(`Invalid aio option: ${aio}`);
  if (args.positional.length !== 1) usageError('Expecting one image file name');
  const write = args.has('w');
  if (!write && interval > 0) fail('--flush-interval is only available in write tests');
  if (interval > 0 && interval < depth) fail("Flush interval can't be smaller than depth");
  const name = args.positional[0]!;
  if ((args.has('n') || aio === 'native') && !cache.cacheDirect) {
    fail(
      `Could not open '${name}': aio=native was specified, but it requires cache.direct=on, which was not specified.`,
    );
  }
  const node = await openNamed({
    name,
    format: args.last('f'),
    imageOpts: args.has('image-opts'),
    readOnly: !write,
    forceShare: args.has('U'),
    ...cache,
  });
  let failed = false;
  try {
    print(
      `Sending ${count} ${write ? 'write' : 'read'} requests, ${size} bytes each, ${depth} in parallel (starting at offset ${offset}, step size ${step})\n`,
    );
    if (interval > 0)
      print(
        `Sending flush every ${args.has('no-drain') ? '' : 'drained '}${interval} requests\n`.replace('drained ', ''),
      );
    const length = node.length;
    const start = performance.now();
    const buffers = Array.from({ length: Math.min(depth, count) }, () => new Uint8Array(size).fill(pattern));
    const one = async (i: number): Promise<void> => {
      // Places wrap around at the end of the image; a request that reaches over it fails.
      const at = i === 0 || length === 0 ? offset : (offset + i * step) % length;
      if (at + size > length) throw errnoError(ERRNO.EIO);
      const buffer = buffers.pop()!;
      try {
        if (write) await node.write(at, buffer);
        else await node.read(at, buffer);
      } finally {
        buffers.push(buffer);
      }
      if (interval > 0 && (i + 1) % interval === 0 && args.has('no-drain')) await node.flush();
    };
    if (interval > 0 && !args.has('no-drain')) {
      for (let at = 0; at < count; at += interval) {
        await runParallel(Math.min(interval, count - at), depth, (i) => one(at + i));
        await node.flush();
      }
    } else {
      await runParallel(count, depth, one);
    }
    print(`Run completed in ${((performance.now() - start) / 1000).toFixed(3)} seconds.\n`);
    return 0;
  } catch (error) {
    reportError(error, `Failed request: `);
    failed = true;
    return 1;
  } finally {
    // After an error was told, what follows from it is of no interest.
    await closeImage(node).catch((error) => {
      if (!failed) throw error;
    });
  }
}
