// wemu-img create: makes an empty image, perhaps on top of another.
import { createImage, creationOptions, protocolDriver } from '../../block/create-image.ts';
import { createOptionsOf } from '../../block/create-options.ts';
import { findDriver } from '../../block/drivers.ts';
import { BlockError } from '../../block/errors.ts';
import type { OptionSpec } from '../../block/options.ts';
import { ExitError, FORMAT_OPTIONS, note, parseArgs, print, reportError, sayError, usageError } from './common.ts';
import { imageSize } from './numbers.ts';

/** Whether an option text asks for the list of options. */
export function wantsHelp(texts: readonly string[]): boolean {
  // (Commas are doubled in values, not in names.)
  return texts.some((t) =>
    t
      .replace(/=([^,]|,,)*/g, '=')
      .split(',')
      .some((part) => part === 'help' || part === '?'),
  );
}

function typeText(spec: OptionSpec): string {
  return { string: 'str', bool: 'bool (on/off)', size: 'size', number: 'num', enum: 'str' }[spec.type];
}

/** Prints the options a format (and the protocol of a named file) takes. */
export function printOptionHelp(format: string, filename: string | undefined): number {
  const driver = findDriver(format);
  if (!driver) {
    sayError(`Unknown file format '${format}'`);
    return 1;
  }
  if (!createOptionsOf(driver.name)) {
    sayError(`Format driver '${format}' does not support image creation`);
    return 1;
  }
  const protocol = filename === undefined ? undefined : protocolDriver(filename);
  if (protocol && !createOptionsOf(protocol.name)) {
    sayError(`Protocol driver '${protocol.name}' does not support image creation`);
    return 1;
  }
  const table = creationOptions(driver, protocol);
  let text = filename === undefined ? `Supported ${format} options:\n` : 'Supported options:\n';
  for (const [name, spec] of Object.entries(table)) {
    text += `${`  ${name}=<${typeText(spec)}>`.padEnd(24)} - ${spec.help}\n`;
  }
  if (filename === undefined) {
    text +=
      '\nThe protocol level may support further options.\nSpecify the target filename to include those options.\n';
  }
  print(text);
  return 0;
}

export async function create(argv: readonly string[]): Promise<number> {
  const rows = [
    { short: 'F', argument: true },
    { short: 'b', argument: true },
    { short: 'f', argument: true },
    FORMAT_OPTIONS,
    { short: 'q' },
    { short: 'u' },
  ];
  const args = await parseArgs(argv, rows, 1, false);
  const texts = args.all('o');
  const format = args.last('f') ?? 'raw';
  const [filename, size, extra] = args.positional;
  if (wantsHelp(texts)) return printOptionHelp(format, filename);
  if (filename === undefined) usageError('Expecting image file name');
  const bytes = size === undefined ? undefined : imageSize(size);
  if (extra !== undefined) usageError(`Unexpected argument: ${extra}`);
  try {
    await createImage({
      filename,
      format,
      optionTexts: texts,
      ...(args.has('b') ? { backingFile: args.last('b')! } : {}),
      ...(args.has('F') ? { backingFormat: args.last('F')! } : {}),
      ...(bytes === undefined ? {} : { size: bytes }),
      unsafe: args.has('u'),
      announce: (line) => {
        if (!args.has('q')) note(`${line}\n`);
      },
    });
  } catch (error) {
    if (error instanceof ExitError) throw error;
    if (error instanceof BlockError) {
      reportError(error, `${filename}: `);
      return 1;
    }
    throw error;
  }
  return 0;
}
