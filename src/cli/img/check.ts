// wemu-img check: consistency of an image's metadata, and its repair.
import type { BlockNode, CheckResult, FixMode } from '../../block/driver.ts';
import { closeImage } from '../../block/graph.ts';
import { writeText } from '../../block/libc.ts';
import { inDictOrder, prettyJson } from '../../block/qdict.ts';
import {
  cacheMode,
  ExitError,
  note,
  openNamed,
  outputFormat,
  parseArgs,
  reportError,
  sayError,
  twoDecimals,
  usageError,
} from './common.ts';

const EXIT = { OK: 0, FAILED: 1, CORRUPT: 2, LEAKS: 3, UNSUPPORTED: 63 } as const;

function jsonOf(filename: string, format: string, r: CheckResult): string {
  const some = (n: number): number | undefined => (n > 0 ? n : undefined);
  return prettyJson(
    inDictOrder({
      filename,
      format,
      'check-errors': r.checkErrors,
      'image-end-offset': some(r.imageEndOffset),
      corruptions: some(r.corruptions),
      leaks: some(r.leaks),
      'corruptions-fixed': some(r.corruptionsFixed),
      'leaks-fixed': some(r.leaksFixed),
      'total-clusters': some(r.totalClusters),
      'allocated-clusters': some(r.allocatedClusters),
      'fragmented-clusters': some(r.fragmentedClusters),
      'compressed-clusters': some(r.compressedClusters),
    }),
  );
}

function humanOf(r: CheckResult): string {
  let text = '';
  if (r.corruptions === 0 && r.leaks === 0 && r.checkErrors === 0) {
    text += 'No errors were found on the image.\n';
  } else {
    if (r.corruptions)
      text += `\n${r.corruptions} errors were found on the image.\nData may be corrupted, or further writes to the image may corrupt it.\n`;
    if (r.leaks)
      text += `\n${r.leaks} leaked clusters were found on the image.\nThis means waste of disk space, but no harm to data.\n`;
    if (r.checkErrors) text += `\n${r.checkErrors} internal errors have occurred during the check.\n`;
  }
  if (r.totalClusters !== 0 && r.allocatedClusters !== 0) {
    const percent = (part: number, whole: number): string => twoDecimals((part * 100) / whole);
    text += `${r.allocatedClusters}/${r.totalClusters} = ${percent(r.allocatedClusters, r.totalClusters)}% allocated, ${percent(r.fragmentedClusters, r.allocatedClusters)}% fragmented, ${percent(r.compressedClusters, r.allocatedClusters)}% compressed clusters\n`;
  }
  if (r.imageEndOffset > 0) text += `Image end offset: ${r.imageEndOffset}\n`;
  return text;
}

function checkRepair(mode: string): void {
  if (mode !== 'leaks' && mode !== 'all')
    usageError(`Unknown option value for -r (expecting 'leaks' or 'all'): ${mode}`);
}

export async function check(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    { short: 'f', long: 'format', argument: true },
    { short: 'r', long: 'repair', argument: true, check: checkRepair },
    { long: 'output', argument: true },
    { short: 'T', argument: true },
    { short: 'q' },
    { short: 'U', long: 'force-share' },
  ]);
  if (args.positional.length !== 1) usageError('Expecting one image file name');
  const output = outputFormat(args);
  const fix = (args.last('r') ?? 'none') as FixMode;
  const cache = cacheMode(args.last('T') ?? 'writeback', 'source cache option');
  let node: BlockNode;
  try {
    node = await openNamed({
      name: args.positional[0]!,
      format: args.last('f'),
      imageOpts: args.has('image-opts'),
      readOnly: fix === 'none',
      check: true,
      forceShare: args.has('U'),
      ...cache,
      writethrough: false,
    });
  } catch (error) {
    if (error instanceof ExitError) throw error;
    reportError(error);
    return EXIT.FAILED;
  }
  const quiet = args.has('q');
  try {
    if (!node.check) {
      sayError('This image format does not support checks');
      return EXIT.UNSUPPORTED;
    }
    const say = (line: string): void => void writeText(2, `${line}\n`);
    let r = await node.check(fix, say);
    if (r.corruptionsFixed > 0 || r.leaksFixed > 0) {
      const fixed = { leaks: r.leaksFixed, corruptions: r.corruptionsFixed };
      const had = fixed.leaks > 0 || fixed.corruptions > 0;
      if (output === 'human' && !quiet && had) {
        note(
          `The following inconsistencies were found and repaired:\n\n    ${fixed.leaks} leaked clusters\n    ${fixed.corruptions} corruptions\n\nDouble checking the fixed image now...\n`,
        );
      }
      r = await node.check('none', say);
      r.leaksFixed = fixed.leaks;
      r.corruptionsFixed = fixed.corruptions;
    }
    if (!quiet) note(output === 'json' ? `${jsonOf(args.positional[0]!, node.driverName, r)}\n` : humanOf(r));
    if (r.corruptions || r.checkErrors) return r.checkErrors && !r.corruptions ? EXIT.FAILED : EXIT.CORRUPT;
    return r.leaks ? EXIT.LEAKS : EXIT.OK;
  } catch (error) {
    reportError(error, 'Check failed: ');
    return EXIT.FAILED;
  } finally {
    await closeImage(node);
  }
}
