// Sizes and numbers among a command's arguments.
import { parseSize } from '../../block/options.ts';
import { ExitError, sayError } from './common.ts';

/** Largest number of 63 bits, as doubles have it, and as it is printed. */
export const MAX_INT64 = 2 ** 63;
const MAX_INT64_TEXT = '9223372036854775807';

/** A size, in which the largest number of 63 bits, one too much as a double, comes down to the double below it. */
function size63(text: string): number | undefined {
  const size = parseSize(text);
  return size === MAX_INT64 && /^\d+$/.test(text) && BigInt(text) < 2n ** 63n ? MAX_INT64 - 1024 : size;
}

/** A number in a range, such as `-s 4k`. */
export function numberArgument(text: string, name: string, min: number, max: number): number {
  const size = size63(text);
  if (size === undefined) {
    sayError(`Invalid ${name} specified. You may use k, M, G, T, P or E suffixes for`);
    sayError('kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.');
    throw new ExitError(1);
  }
  if (size < min || size > max || size >= MAX_INT64) {
    sayError(`Invalid ${name} specified. Must be between ${min} and ${max < MAX_INT64 ? max : MAX_INT64_TEXT}.`);
    throw new ExitError(1);
  }
  return size;
}

/** A size operand; what is none ends the command. */
export function imageSize(text: string, name = 'image size'): number {
  const size = size63(text);
  if (size === undefined) {
    sayError(`Invalid ${name} specified. You may use k, M, G, T, P or E suffixes for`);
    sayError('kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.');
    throw new ExitError(1);
  }
  if (size >= MAX_INT64) {
    sayError(`Invalid ${name} specified. Must be between 0 and ${MAX_INT64_TEXT}.`);
    throw new ExitError(1);
  }
  return size;
}

/** A limit in bytes per second, for `-r`. */
export function rateLimit(text: string): number {
  return numberArgument(text, 'rate limit', 0, MAX_INT64);
}
