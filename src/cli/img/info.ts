// wemu-img info: what is known of an image and the chain behind it.
import { roundUp } from '../../block/bytes.ts';
import type { BlockNode } from '../../block/driver.ts';
import { BlockError } from '../../block/errors.ts';
import { closeImage, fullBackingName } from '../../block/graph.ts';
import { formatInteger } from '../../block/options.ts';
import { inDictOrder, prettyJson } from '../../block/qdict.ts';
import { type Args, humanSize, openNamed, outputFormat, parseArgs, print, reportError, usageError } from './common.ts';
import { snapshotTable } from './snapshot-list.ts';

/** Facts of one image, named as in the JSON output. */
interface ImageInfo {
  filename: string;
  format: string;
  'virtual-size': number;
  'actual-size'?: number;
  'cluster-size'?: number;
  'dirty-flag'?: boolean;
  encrypted?: boolean;
  'backing-filename'?: string;
  'full-backing-filename'?: string;
  'backing-filename-format'?: string;
  snapshots?: Record<string, unknown>[];
  'format-specific'?: { type: string; data: Record<string, unknown> };
}

/** Whether a node's storage is of a kind that could be left dirty. */
function hasState(node: BlockNode): boolean {
  let at = node;
  while (at.file) at = at.file;
  return !/^(null-|https?$)/.test(at.driverName);
}

async function describe(node: BlockNode): Promise<ImageInfo> {
  const info: ImageInfo = {
    filename: node.filename,
    format: node.driverName,
    'virtual-size': roundUp(node.length, 512),
  };
  const actual = await node.allocatedSize();
  if (actual !== undefined) info['actual-size'] = actual;
  if (node.clusterSize > 0) info['cluster-size'] = node.clusterSize;
  if (node.isDirty !== undefined || hasState(node)) info['dirty-flag'] = node.isDirty ?? false;
  if (node.isEncrypted) info.encrypted = true;
  const specific = await node.specificInfo();
  if (specific) info['format-specific'] = specific;
  if (node.backingFileName !== undefined) {
    info['backing-filename'] = node.backingFileName;
    info['full-backing-filename'] = fullBackingName(node, node.backingFileName);
    if (node.backingFormatName !== undefined) info['backing-filename-format'] = node.backingFormatName;
  }
  if (node.snapshotList.length > 0) {
    info.snapshots = node.snapshotList.map((sn) => ({
      id: sn.id,
      name: sn.name,
      'vm-state-size': sn.vmStateSize,
      'date-sec': sn.dateSec,
      'date-nsec': sn.dateNsec,
      'vm-clock-sec': Math.floor(sn.vmClockNsec / 1e9),
      'vm-clock-nsec': sn.vmClockNsec % 1e9,
      ...(sn.icount === null ? {} : { icount: sn.icount }),
    }));
  }
  return info;
}

function showValue(value: unknown, indent: number): string {
  const pad = ' '.repeat(indent);
  let text = '';
  for (const [key, v] of Object.entries(value as object)) {
    const label = Array.isArray(value) ? `[${key}]` : key.replaceAll('-', ' ');
    const shown = v !== null && typeof v === 'object' ? `\n${showValue(v, indent + 4)}` : ` ${v}\n`;
    text += `${pad}${label}:${shown}`;
  }
  return text;
}

function human(info: ImageInfo, node: BlockNode): string {
  const lines = [
    `image: ${info.filename}`,
    `file format: ${info.format}`,
    `virtual size: ${humanSize(info['virtual-size'])} (${formatInteger(info['virtual-size'])} bytes)`,
    `disk size: ${info['actual-size'] === undefined ? 'unavailable' : humanSize(info['actual-size'])}`,
  ];
  if (info.encrypted) lines.push('encrypted: yes');
  if (info['cluster-size'] !== undefined) lines.push(`cluster_size: ${info['cluster-size']}`);
  if (info['dirty-flag']) lines.push('cleanly shut down: no');
  if (info['backing-filename'] !== undefined) {
    const full = info['full-backing-filename'];
    const actual = full !== info['backing-filename'] ? ` (actual path: ${full})` : '';
    lines.push(`backing file: ${info['backing-filename']}${actual}`);
    if (info['backing-filename-format'] !== undefined)
      lines.push(`backing file format: ${info['backing-filename-format']}`);
  }
  let text = `${lines.join('\n')}\n`;
  if (info.snapshots) {
    text += `Snapshot list:\n${snapshotTable(node.snapshotList)}`;
  }
  const specific = info['format-specific'];
  if (specific && Object.keys(specific.data).length > 0) {
    text += `Format specific information:\n${showValue(inDictOrder(specific.data), 4)}`;
  }
  return text;
}

/** Images from the top of the chain to its base, each opened alone so that a broken one hides none above it. */
async function collect(args: Args, name: string): Promise<{ info: ImageInfo; text: string }[]> {
  const out: { info: ImageInfo; text: string }[] = [];
  const seen = new Set<string>();
  let filename: string | undefined = name;
  let format = args.last('f');
  let imageOpts = args.has('image-opts');
  while (filename !== undefined) {
    if (seen.has(filename)) throw new BlockError(`Backing file '${filename}' creates an infinite loop.`);
    seen.add(filename);
    const node = await openNamed({
      name: filename,
      format,
      imageOpts,
      readOnly: true,
      noBacking: true,
      noIo: true,
      forceShare: args.has('U'),
    });
    let info: ImageInfo;
    try {
      info = await describe(node);
      out.push({ info, text: human(info, node) });
    } finally {
      await closeImage(node);
    }
    filename = undefined;
    if (args.has('backing-chain') && info['full-backing-filename'] !== undefined) {
      filename = info['full-backing-filename'];
      format = info['backing-filename-format'];
      imageOpts = false;
    }
  }
  return out;
}

export async function info(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    { short: 'f', long: 'format', argument: true },
    { short: 'U', long: 'force-share' },
    { long: 'output', argument: true },
    { long: 'backing-chain' },
    { long: 'safe' },
  ]);
  if (args.positional.length !== 1) usageError('Expecting one image file name');
  const output = outputFormat(args);
  if (args.has('safe') && args.has('backing-chain')) {
    reportError(new BlockError('--safe opens no second file, so it cannot be used with --backing-chain'));
    return 1;
  }
  let images: { info: ImageInfo; text: string }[];
  try {
    images = await collect(args, args.positional[0]!);
  } catch (error) {
    reportError(error);
    return 1;
  }
  if (output === 'human') {
    let text = '';
    for (const image of images) text += text === '' ? image.text : `\n${image.text}`;
    print(text);
  } else {
    const values = images.map((i) => inDictOrder(i.info));
    print(`${prettyJson(args.has('backing-chain') ? values : values[0])}\n`);
  }
  return 0;
}
