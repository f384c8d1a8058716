// wemu-img amend: changes format options of an existing image.
import { parseCreateOptions } from '../../block/create-image.ts';
import { amendOptionsOf, createOptionsOf } from '../../block/create-options.ts';
import { PERM } from '../../block/driver.ts';
import { findDriver } from '../../block/drivers.ts';
import { BlockError } from '../../block/errors.ts';
import { closeImage } from '../../block/graph.ts';
import type { OptionTable } from '../../block/options.ts';
import {
  type Args,
  asBlockError,
  cacheMode,
  FORMAT_OPTIONS,
  note,
  openNamed,
  parseArgs,
  print,
  reportError,
  sayError,
  usageError,
} from './common.ts';
import { wantsHelp } from './create.ts';
import { PROGRESS_ROWS, type Progress, progressOf, wantsLine } from './progress.ts';

const TYPE_TEXT = { string: 'str', bool: 'bool (on/off)', size: 'size', number: 'num', enum: 'str' };

function printAmendHelp(format: string): number {
  const driver = findDriver(format);
  if (!driver) {
    sayError(`Unknown file format '${format}'`);
    return 1;
  }
  const table = amendOptionsOf(format);
  if (!table) {
    sayError(`Format driver '${format}' does not support option amendment`);
    return 1;
  }
  let text = `Amend options for '${format}':\n`;
  for (const [name, spec] of Object.entries(table)) {
    text += `${`  ${name}=<${TYPE_TEXT[spec.type]}>`.padEnd(24)} - ${spec.help}\n`;
  }
  print(text);
  return 0;
}

/** The options to amend; wrong ones are refused, with a hint if all would do for creation. */
function optionsToAmend(texts: readonly string[], table: OptionTable, forCreation: OptionTable): Map<string, string> {
  try {
    return parseCreateOptions(texts, table);
  } catch (error) {
    const e = asBlockError(error);
    try {
      parseCreateOptions(texts, forCreation);
    } catch {
      throw e;
    }
    throw new BlockError(e.message, e.errno, 'This option is only supported for image creation');
  }
}

export async function amend(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    { short: 'f', argument: true },
    FORMAT_OPTIONS,
    { short: 't', argument: true },
    { short: 'q' },
    { long: 'force' },
    ...PROGRESS_ROWS,
  ]);
  if (!args.has('o')) usageError('Must specify options (-o)');
  const texts = args.all('o');
  let line = wantsLine(args);
  try {
    if (args.has('f') && wantsHelp(texts)) return printAmendHelp(args.last('f')!);
    return await amendNamed(args, texts, () => {
      line = false;
      return progressOf(args);
    });
  } finally {
    if (line) note('\n');
  }
}

async function amendNamed(args: Args, texts: readonly string[], begin: () => Progress): Promise<number> {
  if (args.positional.length !== 1) {
    sayError('Expecting one image file name');
    return 1;
  }
  const cache = cacheMode(args.last('t') ?? 'writeback');
  const node = await openNamed({
    name: args.positional[0]!,
    format: args.last('f'),
    imageOpts: args.has('image-opts'),
    perm: PERM.CONSISTENT_READ | PERM.WRITE | PERM.RESIZE,
    ...cache,
  });
  let progress: Progress | undefined;
  let done = false;
  try {
    if (wantsHelp(texts)) return printAmendHelp(node.driverName);
    const table = amendOptionsOf(node.driverName);
    if (!table) throw new BlockError(`Format driver '${node.driverName}' does not support option amendment`);
    const options = optionsToAmend(texts, table, createOptionsOf(node.driverName)!);
    progress = begin();
    await node.amend!(options, (f) => progress!.update(f));
    done = true;
    return 0;
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    reportError(error);
    return 1;
  } finally {
    progress?.end(done);
    await closeImage(node);
  }
}
