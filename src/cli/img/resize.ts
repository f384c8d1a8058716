// wemu-img resize: changes the virtual size of an image.

import { PERM, type Preallocation } from '../../block/driver.ts';
import { BlockError } from '../../block/errors.ts';
import { closeImage } from '../../block/graph.ts';
import { toSize } from '../../block/options.ts';
import { ExitError, note, openNamed, parseArgs, reportError, sayError, usageError } from './common.ts';

/** Longest disk there can be: what fits into 63 bits in steps of a gigabyte. */
const MAX_LENGTH = 2n ** 63n - 2n ** 30n;

/** A size as 64 bits with a sign: large ones wrap around. */
function signedSize(text: string): bigint {
  const exact = /^\s*\d+$/.test(text) ? BigInt(text.trim()) : undefined;
  return BigInt.asIntN(64, exact !== undefined && exact < 2n ** 64n ? exact : BigInt(toSize('size', text)));
}

function checkPreallocation(mode: string): void {
  if (['off', 'metadata', 'falloc', 'full'].includes(mode)) return;
  sayError(`Invalid preallocation mode '${mode}'`);
  throw new ExitError(1);
}

export async function resize(argv: readonly string[]): Promise<number> {
  // The size always comes last; a leading minus belongs to it.
  if (argv.length < 2) usageError('Not enough arguments');
  const sizeText = argv.at(-1)!;
  const args = await parseArgs(argv.slice(0, -1), [
    { short: 'f', argument: true },
    { short: 'q' },
    { long: 'preallocation', argument: true, check: checkPreallocation },
    { long: 'shrink' },
  ]);
  const preallocation = args.last('preallocation') ?? 'off';
  if (args.positional.length !== 1) usageError('Expecting image file name and size');
  const name = args.positional[0]!;
  const sign = /^[+-]/.exec(sizeText)?.[0];
  let amount: bigint;
  try {
    amount = signedSize(sign ? sizeText.slice(1) : sizeText);
  } catch (error) {
    reportError(error);
    return 1;
  }
  const node = await openNamed({
    name,
    format: args.last('f'),
    imageOpts: args.has('image-opts'),
    unshare: 0,
    perm: PERM.CONSISTENT_READ | PERM.WRITE | PERM.RESIZE,
  });
  try {
    const current = node.length;
    const exact = BigInt.asIntN(
      64,
      sign === '+' ? BigInt(current) + amount : sign === '-' ? BigInt(current) - amount : amount,
    );
    const target = Number(exact);
    if (target <= 0) {
      sayError('New image size must be positive');
      return 1;
    }
    if (target <= current && preallocation !== 'off') {
      sayError('Preallocation can only be used for growing images');
      return 1;
    }
    if (target < current && !args.has('shrink')) {
      sayError('Use the --shrink option to perform a shrink operation.');
      sayError(
        "warning: Shrinking an image will delete all data beyond the shrunken image's end. Before performing such an operation, make sure there is no important data there.",
      );
      return 1;
    }
    if (exact > MAX_LENGTH) throw new BlockError(`offset(${exact}) exceeds maximum(${MAX_LENGTH})`);
    // A raw file may have any length; formats say what they need.
    await node.truncate(target, preallocation as Preallocation);
    if (!args.has('q')) note('Image resized.\n');
    return 0;
  } catch (error) {
    if (error instanceof ExitError || !(error instanceof BlockError)) throw error;
    reportError(error);
    return 1;
  } finally {
    await closeImage(node);
  }
}
