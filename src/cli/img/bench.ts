// wemu-img bench: many requests at once, and how long they take.
import { runParallel } from '../../block/async.ts';
import { closeImage } from '../../block/graph.ts';
import { parseSize } from '../../block/options.ts';
import { cacheMode, ExitError, openNamed, parseArgs, print, reportError, sayError, usageError } from './common.ts';

function fail(message: string): never {
  sayError(message);
  throw new ExitError(1);
}

function number(text: string | undefined, otherwise: number, what: string, max = 2 ** 31 - 1, min = 1): number {
  if (text === undefined) return otherwise;
  const n = parseSize(text);
  if (n === undefined || n > max || n < min) fail(`Invalid ${what} specified`);
  return n;
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
  const count = number(args.last('c'), 75000, 'request count');
  const depth = number(args.last('d'), 64, 'queue depth');
  const offset = number(args.last('o'), 0, 'offset', Number.MAX_SAFE_INTEGER, 0);
  const size = number(args.last('s'), 4096, 'buffer size');
  const step = number(args.last('S'), size, 'step size', 2 ** 31 - 1, 0);
  const interval = number(args.last('flush-interval'), 0, 'flush interval', 2 ** 31 - 1, 0);
  const pattern = number(args.last('pattern'), 0, 'pattern byte', 255, 0);
  const aio = args.last('i');
  if (aio !== undefined && !['threads', 'native', 'io_uring'].includes(aio)) fail(`Invalid aio option: ${aio}`);
  if (args.positional.length !== 1) usageError('Expecting one image file name');
  const write = args.has('w');
  if (!write && interval > 0) fail('--flush-interval is only available in write tests');
  if (interval > 0 && interval < depth) fail("Flush interval can't be smaller than depth");
  const cache = cacheMode(args.last('t') ?? 'writeback');
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
      let at = offset + i * step;
      // Requests wrap around at the end of the image.
      if (at + size > length) at = length >= size ? at % (length - size + 1) : 0;
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
