// wemu-img measure: how large a new image would be.
import { creationOptions, parseCreateOptions } from '../../block/create-image.ts';
import { createOptionsOf } from '../../block/create-options.ts';
import type { BlockNode } from '../../block/driver.ts';
import { findDriver } from '../../block/drivers.ts';
import { closeImage } from '../../block/graph.ts';
import { formatInteger } from '../../block/options.ts';
import { prettyJson } from '../../block/qdict.ts';
import {
  checkedOutput,
  ExitError,
  FORMAT_OPTIONS,
  openNamed,
  outputFormat,
  parseArgs,
  print,
  reportError,
  SNAPSHOT_PARAM,
  sayError,
  snapshotParam,
} from './common.ts';
import { imageSize } from './numbers.ts';

function fail(message: string): never {
  sayError(message);
  throw new ExitError(1);
}

export async function measure(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    { short: 'f', argument: true },
    { short: 'O', argument: true },
    FORMAT_OPTIONS,
    SNAPSHOT_PARAM,
    { long: 'output', argument: true, check: checkedOutput },
    { long: 'size', argument: true, check: imageSize },
    { short: 'U', long: 'force-share' },
  ]);
  const output = outputFormat(args);
  const format = args.last('O') ?? 'raw';
  const texts = args.all('o');
  const given = args.has('size') ? imageSize(args.last('size')!) : undefined;
  if (args.positional.length > 1) fail('At most one filename argument is allowed.');
  const [filename] = args.positional;
  if (filename === undefined && (args.has('image-opts') || args.has('f') || args.has('l'))) {
    fail('--image-opts, -f, and -l require a filename argument.');
  }
  if (filename === undefined && given === undefined) fail('Either --size N or one filename must be specified.');
  if (filename !== undefined && given !== undefined) fail('--size N cannot be used together with a filename.');
  let source: BlockNode | undefined;
  if (filename !== undefined) {
    source = await openNamed({
      name: filename,
      format: args.last('f'),
      imageOpts: args.has('image-opts'),
      readOnly: true,
      forceShare: args.has('U'),
    });
  }
  try {
    if (source && args.has('l')) await (await import('./convert.ts')).selectSnapshot([source], snapshotParam(args)!);
    const driver = findDriver(format);
    if (!driver) fail(`Unknown file format '${format}'`);
    if (!createOptionsOf(driver.name)) fail(`Format driver '${format}' does not support image creation`);
    let options: Map<string, string>;
    try {
      options = parseCreateOptions(texts, creationOptions(driver, findDriver('file')));
    } catch (error) {
      reportError(error);
      fail(`Invalid options for file format '${format}'`);
    }
    const size = source ? source.length : given!;
    if (!driver.measure) fail(`Block driver '${format}' does not support size measurement`);
    const info = await driver.measure(options, source, size);
    if (output === 'json') {
      const value: Record<string, number> = {};
      if (info.bitmaps !== undefined) value['bitmaps'] = info.bitmaps;
      value['required'] = info.required;
      value['fully-allocated'] = info.fullyAllocated;
      print(`${prettyJson(value)}\n`);
    } else {
      let text = `required size: ${formatInteger(info.required)}\nfully allocated size: ${formatInteger(info.fullyAllocated)}\n`;
      if (info.bitmaps !== undefined) text += `bitmaps size: ${info.bitmaps}\n`;
      print(text);
    }
    return 0;
  } finally {
    if (source) await closeImage(source);
  }
}
