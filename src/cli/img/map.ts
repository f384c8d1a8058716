// wemu-img map: which parts of the disk hold data, in which layer, at which place.
import { type ChainStatus, statusAbove } from '../../block/block-status.ts';
import type { BlockNode } from '../../block/driver.ts';
import { failureOf } from '../../block/errors.ts';
import { closeImage } from '../../block/graph.ts';
import { formatInteger } from '../../block/options.ts';
import { ExitError, openNamed, outputFormat, parseArgs, print, sayError, usageError } from './common.ts';
import { MAX_INT64, numberArgument } from './numbers.ts';

interface Entry {
  start: number;
  length: number;
  depth: number;
  present: boolean;
  zero: boolean;
  data: boolean;
  offset: number;
  file: string;
}

/** Lines are handed over in batches: a large map has hundreds of thousands. */
class Output {
  private lines: string[] = [];
  add(line: string): void {
    this.lines.push(line);
    if (this.lines.length >= 512) this.flush();
  }
  flush(): void {
    if (this.lines.length > 0) print(this.lines.join(''));
    this.lines = [];
  }
}

/** What is said of an image or a range without a byte. */
const NOTHING: Entry = {
  start: 0,
  length: 0,
  depth: 0,
  present: false,
  zero: false,
  data: false,
  offset: -1,
  file: '',
};

const hex = (n: number): string => (n === 0 ? '0' : `0x${n.toString(16)}`);

function humanLine(e: Entry): string {
  if (e.offset < 0) {
    sayError('File contains external, encrypted or compressed clusters.');
    throw new ExitError(1);
  }
  return `${hex(e.start).padEnd(16)}${hex(e.length).padEnd(16)}${hex(e.offset).padEnd(16)}${e.file}\n`;
}

function jsonLine(e: Entry, last: boolean): string {
  const offset = e.offset >= 0 ? `, "offset": ${formatInteger(e.offset)}` : '';
  return `{ "start": ${formatInteger(e.start)}, "length": ${formatInteger(e.length)}, "depth": ${e.depth}, "present": ${e.present}, "zero": ${e.zero}, "data": ${e.data}${offset}}${last ? '' : ',\n'}`;
}

function continues(a: Entry, b: Entry): boolean {
  return (
    a.depth === b.depth &&
    a.present === b.present &&
    a.zero === b.zero &&
    a.data === b.data &&
    a.file === b.file &&
    (a.offset < 0 ? b.offset < 0 : b.offset === a.offset + a.length)
  );
}

/** Entries of one kind are put together; each is told when the next one begins. */
async function eachEntry(node: BlockNode, start: number, end: number, tell: (e: Entry) => void): Promise<void> {
  let current: Entry | undefined;
  for (let at = start; at < end; ) {
    let s: ChainStatus;
    try {
      const found = statusAbove(node, undefined, at, end - at);
      s = found instanceof Promise ? await found : found;
    } catch (error) {
      throw failureOf('Could not read file metadata', error);
    }
    const next: Entry = {
      start: at,
      length: s.bytes,
      // What no layer has is said of the top one.
      depth: s.allocated || s.data || s.zero ? s.depth : 0,
      present: s.allocated,
      zero: s.zero,
      data: s.data,
      offset: s.offset,
      file: s.offset >= 0 && s.file ? s.file.filename : '',
    };
    if (current && continues(current, next)) current.length += next.length;
    else {
      if (current) tell(current);
      current = next;
    }
    at += s.bytes;
  }
  if (current) tell(current);
}

const startOffset = (text: string): number => numberArgument(text, 'start offset', 0, MAX_INT64);
const maxLength = (text: string): number => numberArgument(text, 'max length', 0, MAX_INT64);

export async function map(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(argv, [
    { short: 'f', long: 'format', argument: true },
    { long: 'output', argument: true },
    { short: 'U', long: 'force-share' },
    { short: 's', long: 'start-offset', argument: true, check: startOffset },
    { short: 'l', long: 'max-length', argument: true, check: maxLength },
  ]);
  if (args.positional.length !== 1) usageError('Expecting one image file name');
  const output = outputFormat(args);
  const start = args.has('s') ? startOffset(args.last('s')!) : 0;
  const max = args.has('l') ? maxLength(args.last('l')!) : Infinity;
  const node = await openNamed({
    name: args.positional[0]!,
    format: args.last('f'),
    imageOpts: args.has('image-opts'),
    readOnly: true,
    forceShare: args.has('U'),
  });
  const out = new Output();
  try {
    const end = Math.min(node.length, start + max);
    if (output === 'human') {
      out.add(`${'Offset'.padEnd(16)}${'Length'.padEnd(16)}${'Mapped to'.padEnd(16)}File\n`);
      await eachEntry(node, start, end, (e) => {
        if (e.data && !e.zero) out.add(humanLine(e));
      });
    } else {
      out.add('[');
      let pending: Entry | undefined;
      await eachEntry(node, start, end, (e) => {
        if (pending) out.add(jsonLine(pending, false));
        pending = e;
      });
      // A list is never empty.
      out.add(jsonLine(pending ?? { ...NOTHING, start }, true));
      out.add(']\n');
    }
    return 0;
  } finally {
    out.flush();
    await closeImage(node);
  }
}
