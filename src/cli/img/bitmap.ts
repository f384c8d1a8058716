// wemu-img bitmap: adds, removes, clears, enables, disables and merges persistent bitmaps.
import { bytesOfName, isPowerOf2 } from '../../block/bytes.ts';
import { BlockError, ERRNO, strerror } from '../../block/errors.ts';
import { closeImage } from '../../block/graph.ts';
import type { Qcow2Node } from '../../block/qcow2/open.ts';
import { ExitError, openNamed, parseArgs, reportError, sayError } from './common.ts';
import { imageSize } from './numbers.ts';

const ACTIONS = ['add', 'remove', 'clear', 'enable', 'disable', 'merge'] as const;
type Action = (typeof ACTIONS)[number];

function fail(message: string): never {
  sayError(message);
  throw new ExitError(1);
}

/** A granularity; 0 means the usual one. */
function granularityOf(text: string): number | undefined {
  return imageSize(text, 'granularity') || undefined;
}

/** The actions in the order they were given. */
function actionsOf(argv: readonly string[]): { action: Action; source: string }[] {
  const out: { action: Action; source: string }[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '--') break;
    if (!word.startsWith('--')) continue;
    const name = word.slice(2).split('=')[0]!;
    const matches = ACTIONS.filter((a) => a.startsWith(name));
    if (name === '' || matches.length !== 1) continue;
    const action = matches[0]!;
    out.push({
      action,
      source: action === 'merge' ? (word.includes('=') ? word.slice(word.indexOf('=') + 1) : (argv[++i] ?? '')) : '',
    });
  }
  return out;
}

export async function bitmap(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    ...ACTIONS.map((a) => ({ long: a, argument: a === 'merge' })),
    { short: 'b', long: 'source-file', argument: true },
    { short: 'F', long: 'source-format', argument: true },
    { short: 'f', argument: true },
    { short: 'g', long: 'granularity', argument: true, check: granularityOf },
  ]);
  const actions = actionsOf(argv);
  if (actions.length === 0) fail('Need at least one of --add, --remove, --clear, --enable, --disable, or --merge');
  const granularity = args.has('g') ? granularityOf(args.last('g')!) : undefined;
  const has = (a: Action): boolean => actions.some((x) => x.action === a);
  if (granularity !== undefined && !has('add')) fail('granularity only supported with --add');
  if (args.has('b') && !has('merge')) fail('Merge bitmap source file only supported with --merge');
  if (args.has('F') && !args.has('b')) fail('-F only supported with -b');
  if (args.positional.length !== 2) fail('Expecting filename and bitmap name');
  const [file, name] = args.positional as [string, string];
  const node = (await openNamed({
    name: file,
    format: args.last('f'),
    imageOpts: args.has('image-opts'),
    noBacking: true,
  })) as Qcow2Node;
  let source: Qcow2Node | undefined;
  try {
    if (args.has('b'))
      source = (await openNamed({ name: args.last('b')!, format: args.last('F'), readOnly: true })) as Qcow2Node;
    const ops = await import('../../block/qcow2/bitmap.ts');
    for (const [i, { action, source: from }] of actions.entries()) {
      try {
        if (action === 'add') checkNew(name, granularity);
        if (node.driverName !== 'qcow2') {
          throw new BlockError(
            action === 'add'
              ? `Can't store persistent bitmaps to ${node.nodeName}: ${strerror(ERRNO.EOPNOTSUPP)}`
              : `Dirty bitmap '${name}' not found`,
            ERRNO.EOPNOTSUPP,
          );
        }
        if (source && source.driverName !== 'qcow2') throw new BlockError(`Dirty bitmap '${from}' not found`);
        // `--add --disable` makes the bitmap disabled from the start.
        const disabled = action === 'add' && actions[i + 1]?.action === 'disable';
        await node.s.quiet(() => run(ops, node, action, name, from, source, granularity, disabled));
      } catch (error) {
        if (!(error instanceof BlockError)) throw error;
        reportError(error, `Operation ${action} on bitmap ${name} failed: `);
        return 1;
      }
    }
    return 0;
  } finally {
    if (source) await closeImage(source);
    await closeImage(node);
  }
}

/** What must be right of a new bitmap, wherever it is to be. */
function checkNew(name: string, granularity: number | undefined): void {
  if (name === '') throw new BlockError('Bitmap name cannot be empty');
  if (granularity !== undefined && (granularity < 512 || granularity > 2 ** 31 || !isPowerOf2(granularity)))
    throw new BlockError('Granularity must be power of 2 and at least 512');
}

async function run(
  ops: typeof import('../../block/qcow2/bitmap.ts'),
  node: Qcow2Node,
  action: Action,
  name: string,
  from: string,
  source: Qcow2Node | undefined,
  granularity: number | undefined,
  disabled: boolean,
): Promise<void> {
  const { s } = node;
  switch (action) {
    case 'add': {
      const g = granularity ?? ops.defaultGranularity(s);
      const refused = `Can't make bitmap '${name}' persistent in '${node.nodeName}': `;
      if (s.header.version < 3) throw new BlockError(`${refused}Cannot store dirty bitmaps in qcow2 v2 files`);
      if (bytesOfName(name).length > ops.MAX_BITMAP_NAME)
        throw new BlockError(`${refused}Name length exceeds maximum (${ops.MAX_BITMAP_NAME} characters)`);
      return ops.addBitmap(s, name, g, disabled);
    }
    case 'remove':
      return ops.removeBitmap(s, name);
    case 'clear':
      return ops.clearBitmap(s, name);
    case 'enable':
    case 'disable':
      return ops.enableBitmap(s, name, action === 'enable');
    case 'merge':
      return ops.mergeBitmap(s, name, source?.s ?? s, from);
  }
}
