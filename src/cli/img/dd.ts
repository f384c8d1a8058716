// wemu-img dd: copies a part of an image, block by block.
import { createImage, protocolDriver } from '../../block/create-image.ts';
import { createOptionsOf } from '../../block/create-options.ts';
import type { BlockNode } from '../../block/driver.ts';
import { findDriver } from '../../block/drivers.ts';
import { BlockError, errnoOf, strerror } from '../../block/errors.ts';
import { closeImage } from '../../block/graph.ts';
import { asBlockError, ExitError, openNamed, parseArgs, reportError, sayError } from './common.ts';
import { MAX_INT64, numberArgument } from './numbers.ts';

function fail(message: string): never {
  sayError(message);
  throw new ExitError(1);
}

export async function dd(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    { short: 'f', argument: true },
    { short: 'O', argument: true },
    { short: 'U', long: 'force-share' },
  ]);
  const operands = new Map<string, string>();
  let blockSize = 512;
  let count: number | undefined;
  let skip = 0;
  for (const word of args.positional) {
    const eq = word.indexOf('=');
    const name = eq < 0 ? word : word.slice(0, eq);
    const value = word.slice(eq + 1);
    if (eq < 0 || !['bs', 'count', 'if', 'of', 'skip'].includes(name)) fail(`unrecognized operand ${name}`);
    if (name === 'bs') blockSize = numberArgument(value, 'bs', 1, 2147483647);
    else if (name === 'count') count = numberArgument(value, 'count', 0, MAX_INT64);
    else if (name === 'skip') skip = numberArgument(value, 'skip', 0, MAX_INT64);
    operands.set(name, value);
  }
  if (!operands.has('if') || !operands.has('of')) fail('Must specify both input and output files');
  const input = operands.get('if')!;
  const output = operands.get('of')!;
  const source = await openNamed({
    name: input,
    format: args.last('f'),
    imageOpts: args.has('image-opts'),
    readOnly: true,
    forceShare: args.has('U'),
  });
  let target: BlockNode | undefined;
  let created = false;
  let done = false;
  try {
    const format = args.last('O') ?? 'raw';
    const driver = findDriver(format);
    if (!driver) fail('Unknown file format');
    if (!createOptionsOf(driver.name)) fail(`Format driver '${format}' does not support image creation`);
    const length = source.length;
    const protocol = protocolDriver(output);
    if (!createOptionsOf(protocol.name)) fail(`Protocol driver '${protocol.name}' does not support image creation`);
    // As with qemu-img 7.2, the skipped blocks are part of the count.
    const wanted = count === undefined ? length : Math.min(length, count * blockSize);
    const size = Math.max(0, wanted - skip * blockSize);
    await createImage({ filename: output, format, size, unsafe: true }).catch((error) => {
      const e = asBlockError(error);
      throw new BlockError(`${output}: error while creating output image: ${e.message}`, e.errno, e.hint);
    });
    created = true;
    target = await openNamed({ name: output, format });
    const end = skip * blockSize + size;
    if (skip * blockSize > wanted) {
      sayError(`${input}: cannot skip to specified offset`);
      done = true;
      return 0;
    }
    // Large steps do the same as small ones, only faster.
    const step = Math.max(blockSize, Math.floor((1 << 20) / blockSize) * blockSize);
    const buffer = new Uint8Array(Math.min(step, Math.max(size, 1)));
    for (let at = skip * blockSize; at < end; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, end - at));
      try {
        await source.read(at, part);
      } catch (error) {
        fail(`error while reading from input image file: ${strerror(errnoOf(error))}`);
      }
      try {
        await target.write(at - skip * blockSize, part);
      } catch (error) {
        fail(`error while writing to output image file: ${strerror(errnoOf(error))}`);
      }
    }
    done = true;
    return 0;
  } catch (error) {
    if (error instanceof ExitError) throw error;
    reportError(error);
    return 1;
  } finally {
    if (created && !done) sayError(`warning: '${output}' is incomplete`);
    if (target) await closeImage(target);
    await closeImage(source);
  }
}
