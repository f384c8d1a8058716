// wemu-img bench: many requests at once, and how long they take.
import { runParallel } from '../../block/async.ts';
import { ERRNO, errnoError } from '../../block/errors.ts';
import { closeImage } from '../../block/graph.ts';
import { formatInteger, toNumber } from '../../block/options.ts';
import { cacheMode, ExitError, note, openNamed, parseArgs, reportError, sayError, usageError } from './common.ts';
import { MAX_INT64, numberArgument } from './numbers.ts';

function fail(message: string): never {
  sayError(message);
  throw new ExitError(1);
}

const MAX_INT = 2 ** 31 - 1;

/** A plain number: no suffix. */
function plain(text: string, what: string, max = MAX_INT): number {
  let n = Infinity;
  try {
    n = toNumber(what, text);
  } catch {
    // Said below.
  }
  if (n > max) fail(`Invalid ${what} specified`);
  return n;
}

/** The options that are numbers. */
const NUMBERS = {
  c: (text: string) => plain(text, 'request count'),
  // (qemu-img takes a depth of 0 and then waits for ever.)
  d: (text: string) => plain(text, 'queue depth') || fail('Invalid queue depth specified'),
  o: (text: string) => numberArgument(text, 'offset', 0, MAX_INT64),
  s: (text: string) => numberArgument(text, 'buffer size', 0, MAX_INT),
  S: (text: string) => numberArgument(text, 'step_size', 0, MAX_INT),
  pattern: (text: string) => plain(text, 'pattern byte', 255),
  'flush-interval': (text: string) => plain(text, 'flush interval'),
};

function checkAio(name: string): void {
  if (!['threads', 'native', 'io_uring'].includes(name)) fail(`Invalid aio option: ${name}`);
}

const benchCache = (name: string): ReturnType<typeof cacheMode> => cacheMode(name, 'cache mode', false);

export async function bench(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    ...(['c', 'd', 'o', 's', 'S'] as const).map((short) => ({ short, argument: true, check: NUMBERS[short] })),
    { short: 'f', argument: true },
    { short: 'i', argument: true, check: checkAio },
    { short: 'n' },
    { short: 'q' },
    { short: 't', argument: true, check: benchCache },
    { short: 'w' },
    { short: 'U', long: 'force-share' },
    ...(['pattern', 'flush-interval'] as const).map((long) => ({ long, argument: true, check: NUMBERS[long] })),
    { long: 'no-drain' },
  ]);
  const number = (key: keyof typeof NUMBERS, otherwise: number): number =>
    args.has(key) ? NUMBERS[key](args.last(key)!) : otherwise;
  const count = number('c', 75000);
  const depth = number('d', 64);
  const offset = number('o', 0);
  const size = number('s', 4096);
  const step = number('S', 0) || size;
  const interval = number('flush-interval', 0);
  const pattern = number('pattern', 0);
  const cache = benchCache(args.last('t') ?? 'writeback');
  if (args.positional.length !== 1) usageError('Expecting one image file name');
  const write = args.has('w');
  if (!write && interval > 0) fail('--flush-interval is only available in write tests');
  if (interval > 0 && interval < depth) fail("Flush interval can't be smaller than depth");
  const name = args.positional[0]!;
  const node = await openNamed({
    name,
    format: args.last('f'),
    imageOpts: args.has('image-opts'),
    readOnly: !write,
    forceShare: args.has('U'),
    nativeAio: args.has('n') || args.all('i').includes('native'),
    ...cache,
  });
  let failed = false;
  try {
    note(
      `Sending ${count} ${write ? 'write' : 'read'} requests, ${size} bytes each, ${depth} in parallel (starting at offset ${formatInteger(offset)}, step size ${step})\n`,
    );
    if (interval > 0)
      note(
        `Sending flush every ${args.has('no-drain') ? '' : 'drained '}${interval} requests\n`.replace('drained ', ''),
      );
    const length = node.length;
    const start = performance.now();
    const buffers = Array.from({ length: Math.min(depth, count) }, () => new Uint8Array(size).fill(pattern));
    // Places wrap around at the end of the image; a request that reaches over it fails as soon as it is sent, and with it all
    // that are not done by then.
    const placeOf = (i: number): number => (i === 0 || length === 0 ? offset : (offset + i * step) % length);
    let refused = false;
    const send = (i: number): void => {
      refused ||= placeOf(i) + size > length;
      if (refused) throw errnoError(ERRNO.EIO);
    };
    const one = async (i: number, end: number): Promise<void> => {
      // (The last that is sent before this one must be done.)
      if (i + depth <= end) send(i + depth - 1);
      const at = placeOf(i);
      const buffer = buffers.pop()!;
      try {
        if (write) await node.write(at, buffer);
        else await node.read(at, buffer);
      } finally {
        buffers.push(buffer);
      }
      if (interval > 0 && (i + 1) % interval === 0 && args.has('no-drain')) await node.flush();
    };
    const drained = interval > 0 && !args.has('no-drain');
    for (let first = 0; first < count; first += drained ? interval : count) {
      const end = drained ? Math.min(first + interval, count) : count;
      for (let i = first; i < Math.min(first + depth, end); i++) send(i);
      await runParallel(end - first, depth, (i) => one(first + i, end));
      if (drained) await node.flush();
    }
    note(`Run completed in ${((performance.now() - start) / 1000).toFixed(3)} seconds.\n`);
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
