// What all wemu-img commands share: options in getopt style, messages, opening images, sizes as text.
import type { BlockNode } from '../../block/driver.ts';
import { BlockError, ERRNO, errnoOf, strerror } from '../../block/errors.ts';
import { type OpenRequest, openImage } from '../../block/graph.ts';
import { writeText } from '../../block/libc.ts';
import {
  checkIdentifier,
  checkOptionTexts,
  type OptionTree,
  type OptionValue,
  parseKeyValueList,
} from '../../block/options.ts';

export const TOOL = 'wemu-img';

/** A command ends with this exit code; everything was said already. */
export class ExitError extends Error {
  constructor(readonly code: number) {
    super(`exit ${code}`);
  }
}

/** A usage error: the message, then where to look for help. */
export function usageError(message: string): never {
  sayError(message);
  writeText(2, `Try '${TOOL} --help' for more information\n`);
  throw new ExitError(1);
}

export function sayError(message: string): void {
  writeText(2, `${TOOL}: ${message}\n`);
}

/** Prints an error of the disk layer, with its hint, after `prefix`. */
export function reportError(error: unknown, prefix = ''): void {
  const e = asBlockError(error);
  writeText(2, `${TOOL}: ${prefix}${e.message}\n`);
  if (e.hint) writeText(2, `${e.hint}\n`);
}

/** The error as one of ours; a programming error goes on its way. */
export function asBlockError(error: unknown): BlockError {
  if (error instanceof BlockError) return error;
  const code = (error as { code?: string })?.code;
  if (typeof code === 'string' && code.startsWith('E')) return new BlockError(strerror(errnoOf(error)), errnoOf(error));
  if (error instanceof RangeError) return new BlockError(strerror(ERRNO.ENOMEM), ERRNO.ENOMEM);
  throw error;
}

/** The first error of standard output (errno); 0 while there is none. */
let lostOutput = 0;

/** Says on standard output what is going on. The work goes on where nobody hears it. */
export function note(text: string): void {
  if (lostOutput === 0) lostOutput = writeText(1, text);
}

/** Whether words got lost; whoever stops reading a pipe knows it. */
export function outputLost(): boolean {
  return lostOutput !== 0 && lostOutput !== ERRNO.EPIPE;
}

/** Writes a result to standard output, in order and as a whole; ends the command when it cannot be written. */
export function print(text: string): void {
  note(text);
  if (lostOutput !== 0) throw new ExitError(outputLost() ? 1 : 0);
}

/** What the process exits with: a command whose words got lost is no success. */
export function finalCode(code: number): number {
  if (!outputLost()) return code;
  sayError(`Could not write to standard output: ${strerror(lostOutput)}`);
  return code || 1;
}

let commandName = '';

/** Tells which command is being run, for messages. */
export function setCommand(name: string): void {
  commandName = name;
}

/** One option of a command: its letter and/or long name, and whether an argument follows. */
export interface OptionRow {
  short?: string;
  long?: string;
  argument?: boolean;
  /** Key under which it is found; the letter or long name if absent. */
  key?: string;
  /** Looks at each argument as soon as it is met, and ends the command if it will not do. */
  check?: (value: string) => void;
}

/** The options of a format, `-o`: each text must be a list. */
export const FORMAT_OPTIONS: OptionRow = { short: 'o', argument: true, check: (text) => checkOptionTexts([text]) };

/** Options every command has. */
const COMMON_ROWS: readonly OptionRow[] = [
  { short: 'h', long: 'help', key: 'help' },
  { long: 'object', argument: true },
];

/** The option of all commands that open images: names are lists of options. */
const IMAGE_OPTS: OptionRow = { long: 'image-opts' };

/** A parsed command line. */
export class Args {
  readonly values = new Map<string, string[]>();
  readonly positional: string[] = [];

  has(key: string): boolean {
    return this.values.has(key);
  }

  /** The last argument given for an option. */
  last(key: string): string | undefined {
    const values = this.values.get(key);
    return values?.[values.length - 1];
  }

  all(key: string): string[] {
    return this.values.get(key) ?? [];
  }
}

/** Creates an object; wrong ones (by `failure`, an exit code) and requests for help end the command. */
async function defineObject(text: string, failure: number): Promise<void> {
  let help: string | undefined;
  try {
    help = (await import('./objects.ts')).createObject(text);
  } catch (error) {
    reportError(error);
    throw new ExitError(failure);
  }
  if (help === undefined) return;
  print(help);
  throw new ExitError(0);
}

/**
 * Parses in getopt_long's way: letters can be joined, long names shortened, operands stand anywhere. Objects are made, arguments
 * checked and help is given as soon as they are met, before later options are looked at. `failure` is the exit code for wrong
 * objects; `imageOpts` says whether names may be lists of options.
 */
export async function parseArgs(
  argv: readonly string[],
  rows: readonly OptionRow[],
  failure = 1,
  imageOpts = true,
): Promise<Args> {
  const all = [...COMMON_ROWS, ...(imageOpts ? [IMAGE_OPTS] : []), ...rows];
  const args = new Args();
  const put = async (row: OptionRow, value: string): Promise<void> => {
    const key = row.key ?? row.short ?? row.long!;
    if (key === 'object') return defineObject(value, failure);
    if (key === 'help') {
      print((await import('./help.ts')).helpText(commandName));
      throw new ExitError(0);
    }
    row.check?.(value);
    const list = args.values.get(key);
    if (list) list.push(value);
    else args.values.set(key, [value]);
  };
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '--') {
      args.positional.push(...argv.slice(i + 1));
      break;
    }
    if (word.startsWith('--')) {
      const eq = word.indexOf('=');
      const name = eq < 0 ? word.slice(2) : word.slice(2, eq);
      const exact = all.find((r) => r.long === name);
      const starting = all.filter((r) => r.long?.startsWith(name));
      const row = exact ?? (starting.length === 1 ? starting[0] : undefined);
      if (!row || (eq >= 0 && !row.argument)) usageError(`unrecognized option '${word}'`);
      if (!row.argument) await put(row, '');
      else if (eq >= 0) await put(row, word.slice(eq + 1));
      else if (i + 1 < argv.length) await put(row, argv[++i]!);
      else usageError(`missing argument for option '${word}'`);
    } else if (word.startsWith('-') && word.length > 1) {
      for (let k = 1; k < word.length; k++) {
        const row = all.find((r) => r.short === word[k]);
        // (getopt has not gone on to the next word before it is done with this one, and names the one before.)
        if (!row) usageError(`unrecognized option '${k === word.length - 1 ? word : (argv[i - 1] ?? commandName)}'`);
        if (!row.argument) await put(row, '');
        else {
          if (k + 1 < word.length) await put(row, word.slice(k + 1));
          else if (i + 1 < argv.length) await put(row, argv[++i]!);
          else usageError(`missing argument for option '${word}'`);
          break;
        }
      }
    } else if (process.env['POSIXLY_CORRECT'] === undefined) {
      args.positional.push(word);
    } else {
      args.positional.push(...argv.slice(i));
      break;
    }
  }
  return args;
}

/** Cache modes by name: what they switch. */
const CACHE_MODES: Record<string, { cacheDirect: boolean; noFlush: boolean; writethrough: boolean }> = {
  none: { cacheDirect: true, noFlush: false, writethrough: false },
  off: { cacheDirect: true, noFlush: false, writethrough: false },
  directsync: { cacheDirect: true, noFlush: false, writethrough: true },
  writeback: { cacheDirect: false, noFlush: false, writethrough: false },
  unsafe: { cacheDirect: false, noFlush: true, writethrough: false },
  writethrough: { cacheDirect: false, noFlush: false, writethrough: true },
};

/** Switches of a cache mode; an unknown one ends the command, whose complaint may leave the name out. */
export function cacheMode(
  name: string,
  what = 'cache option',
  named = true,
): Pick<OpenRequest, 'cacheDirect' | 'noFlush' | 'writethrough'> {
  const mode = CACHE_MODES[name];
  if (!mode) {
    sayError(named ? `Invalid ${what}: ${name}` : `Invalid ${what}`);
    throw new ExitError(1);
  }
  return mode;
}

/** Says that an option without a value should have one. */
export function warnOfFlag(flag: string, name: string, value: string): void {
  sayError(`warning: short-form boolean option '${flag}' deprecated`);
  writeText(2, `Please use ${name}=${value} instead\n`);
}

/** A snapshot by id, by name, or as a list of both. */
export const SNAPSHOT_PARAM: OptionRow = {
  short: 'l',
  argument: true,
  check: (param) => {
    if (!param.startsWith('snapshot.')) return;
    const pairs = parseKeyValueList(param, undefined, warnOfFlag);
    if (pairs.some(([key, value]) => (key === 'help' || key === '?') && value === 'on')) {
      print('snapshot options:\n  snapshot.id=<str>      - snapshot id\n  snapshot.name=<str>    - snapshot name\n');
      sayError(`Failed in parsing snapshot param '${param}'`);
      throw new ExitError(1);
    }
    for (const [key] of pairs) {
      if (key === 'snapshot.id' || key === 'snapshot.name') continue;
      sayError(`Invalid parameter '${key}'`);
      sayError(`Failed in parsing snapshot param '${param}'`);
      throw new ExitError(1);
    }
  },
};

/** The snapshot that is meant, when the option was given; a list goes before ids and names, wherever it was given. */
export function snapshotParam(args: Args): string | undefined {
  return args.all('l').findLast((param) => param.startsWith('snapshot.')) ?? args.last('l');
}

/** Options of `--image-opts`; a first value without a name is the file. */
export function imageOptions(text: string): OptionTree {
  const tree: OptionTree = new Map();
  for (const [key, value] of parseKeyValueList(text, 'file', warnOfFlag)) tree.set(key, value as OptionValue);
  // (Lists could have names themselves, which must be names before they are refused as options.)
  const id = tree.get('id');
  if (id !== undefined) checkIdentifier('id', String(id));
  return tree;
}

/** How a command opens an image. */
export interface ImageRequest extends Omit<OpenRequest, 'filename' | 'options'> {
  name: string;
  format?: string | undefined;
  imageOpts?: boolean;
}

/** Opens an image named on the command line; the error says which one. */
export async function openNamed(request: ImageRequest): Promise<BlockNode> {
  const { name, format, imageOpts, ...flags } = request;
  if (imageOpts && format !== undefined) {
    sayError('--image-opts and --format are mutually exclusive');
    throw new ExitError(1);
  }
  const tree = imageOpts ? imageOptions(name) : undefined;
  try {
    if (tree) return await openImage({ ...flags, options: tree });
    return await openImage({
      ...flags,
      filename: name,
      options: new Map(format === undefined ? [] : [['driver', format]]),
    });
  } catch (error) {
    const e = asBlockError(error);
    throw new BlockError(`Could not open '${name}': ${e.message}`, e.errno, e.hint);
  }
}

/** `%.3g` of C. */
export function threeDigits(value: number): string {
  if (value === 0) return '0';
  const [mantissa, exponent] = value.toExponential(2).split('e') as [string, string];
  const e = Number(exponent);
  if (e < -4 || e >= 3) {
    const m = mantissa.replace(/\.?0+$/, '');
    return `${m}e${e < 0 ? '-' : '+'}${String(Math.abs(e)).padStart(2, '0')}`;
  }
  // C rounds an exact tie to the even digit, toPrecision up.
  const unit = 10 ** (2 - e);
  const down = Math.floor(value * unit);
  if (value * unit - down === 0.5 && down % 2 === 0) return String(down / unit);
  return String(Number(value.toPrecision(3)));
}

/** `%.2f` of C: an exact tie goes to the even digit, where toFixed rounds up. */
export function twoDecimals(value: number): string {
  const scaled = value * 100;
  const down = Math.floor(scaled);
  if (scaled - down === 0.5 && down % 2 === 0) return (down / 100).toFixed(2);
  return value.toFixed(2);
}

/** A size for people: three digits and a binary unit. */
export function humanSize(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
  // From 1000 of a unit on the next one is used, so that three digits are enough.
  let i = 0;
  while (i < 6 && bytes >= 1000 * 2 ** (10 * i)) i++;
  return `${threeDigits(bytes / 2 ** (10 * i))} ${units[i]}B`;
}

/** --output=human or json. */
export function outputFormat(args: Args): 'human' | 'json' {
  return checkedOutput(args.last('output') ?? 'human');
}

/** The output format of that name; an unknown one ends the command. */
export function checkedOutput(format: string): 'human' | 'json' {
  if (format !== 'human' && format !== 'json') {
    sayError('--output must be used with human or json as argument.');
    throw new ExitError(1);
  }
  return format;
}
