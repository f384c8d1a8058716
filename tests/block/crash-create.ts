// Crashes while an image is created: what is left is refused, or it is the whole image.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BlkdebugNode, LogEntry } from '../../src/block/blkdebug.ts';
import { createImage } from '../../src/block/create-image.ts';
import type { Ending } from '../../src/block/driver.ts';
import { FileNode } from '../../src/block/file-posix.ts';
import { closeImage, openImage } from '../../src/block/graph.ts';
import { finishImage, readCreateOptions, writeEmptyImage } from '../../src/block/qcow2/create.ts';
import { crashStates } from './crash.ts';
import { Random } from './differential.ts';

/** Log entries before `done` and `file` are known. */
type Item = LogEntry extends infer E ? (E extends LogEntry ? Omit<E, 'done' | 'file'> : never) : never;

/** The methods of file nodes that change files. */
interface Changing {
  doWrite(offset: number, buffer: Uint8Array, flags: number): Ending;
  doWriteZeroes(offset: number, bytes: number, flags: number): Promise<void>;
  doDiscard(offset: number, bytes: number): Promise<void>;
  doFlush(): Promise<void>;
  truncate(size: number, ...rest: never[]): Promise<void>;
}

/** Runs something, noting what it does to these files (which begin empty). */
async function recorded(paths: readonly string[], body: () => Promise<void>): Promise<LogEntry[]> {
  const log: LogEntry[] = [];
  const real = FileNode.prototype as unknown as Changing & Record<string, unknown>;
  const { doWrite, doWriteZeroes, doDiscard, doFlush, truncate } = real;
  const note = async (node: FileNode, item: Item, request: () => Ending): Promise<void> => {
    const file = paths.indexOf(node.path);
    const entry = { ...item, file, done: Infinity } as LogEntry;
    if (file >= 0) log.push(entry);
    await request();
    entry.done = log.length;
  };
  const patched: Changing & ThisType<FileNode> = {
    doWrite(offset, buffer, flags) {
      return note(this, { kind: 'write', offset, data: buffer.slice() }, () =>
        doWrite.call(this, offset, buffer, flags),
      );
    },
    doWriteZeroes(offset, bytes, flags) {
      return note(this, { kind: 'zero', offset, bytes }, () => doWriteZeroes.call(this, offset, bytes, flags));
    },
    doDiscard(offset, bytes) {
      return note(this, { kind: 'discard', offset, bytes }, () => doDiscard.call(this, offset, bytes));
    },
    async doFlush() {
      if (!this.flags.noFlush) await note(this, { kind: 'flush' }, () => undefined);
    },
    truncate(size, ...rest) {
      return note(this, { kind: 'truncate', size }, () => truncate.call(this, size, ...rest));
    },
  };
  Object.assign(real, patched);
  try {
    await body();
  } finally {
    Object.assign(real, { doWrite, doWriteZeroes, doDiscard, doFlush, truncate });
  }
  return log;
}

const SIZE = 1 << 20;

/** What is created: options, with DATA for the data file's name. */
export const CREATED: readonly string[] = [
  '',
  'compat=0.10',
  'cluster_size=512,refcount_bits=1',
  'cluster_size=2M,refcount_bits=64',
  'lazy_refcounts=on',
  'preallocation=metadata',
  'preallocation=metadata,compat=0.10,cluster_size=4096',
  'preallocation=metadata,cluster_size=512,refcount_bits=64',
  'preallocation=metadata,lazy_refcounts=on,cluster_size=4096',
  'preallocation=metadata,extended_l2=on',
  'preallocation=falloc,cluster_size=4096',
  'preallocation=falloc,compat=0.10',
  'preallocation=falloc,extended_l2=on,cluster_size=16k',
  'preallocation=full,cluster_size=1024',
  'preallocation=full,compat=0.10',
  'data_file=DATA',
  'data_file=DATA,data_file_raw=on',
  'data_file=DATA,data_file_raw=on,preallocation=full,cluster_size=4096',
  'data_file=DATA,preallocation=metadata,extended_l2=on',
  'data_file=DATA,preallocation=falloc',
];

/** How an image opens: undefined if it does, else why not. */
async function refusal(path: string, format?: string): Promise<string | undefined> {
  try {
    const options = new Map(format === undefined ? [] : [['driver', format]]);
    await closeImage(await openImage({ filename: path, options, readOnly: true, noIo: true, check: true }));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What the refusals of unfinished images say; before anything is there the file is empty. */
const REFUSED = ['The creation of this image was not finished', 'Image is not in qcow2 format'];

/** Creates an image and looks at every state a crash can leave; throws with the first that is wrong. Returns their number. */
export async function crashCreation(options: string, dir: string, seed: number): Promise<number> {
  const paths = [join(dir, 'image'), join(dir, 'data')];
  const optionTexts = options === '' ? [] : [options.replace('DATA', paths[1]!)];
  const log = await recorded(paths, () =>
    createImage({ filename: paths[0]!, format: 'qcow2', size: SIZE, optionTexts }),
  );
  const files = options.includes('DATA') ? 2 : 1;
  const whole = paths.slice(0, files).map((path) => readFileSync(path));
  const r = new Random(seed);
  const state = join(dir, 'state');
  let looked = 0;
  let refused = 0;
  const empty = whole.map(() => Buffer.alloc(0));
  for (let turn = 0; turn < 3; turn++) {
    for (const { position, images, what } of crashStates(empty, log, r, Math.ceil(log.length / 100))) {
      writeFileSync(state, images[0]!);
      const why = await refusal(state, 'qcow2');
      looked++;
      if (why === undefined) {
        for (const [i, image] of images.entries())
          if (!image.equals(whole[i]!)) throw new Error(`[${options}] ${what}: file ${i} is not whole, but accepted`);
        continue;
      }
      refused++;
      if (!REFUSED.includes(why)) throw new Error(`[${options}] ${what}: ${why}`);
      if (position === log.length && what.includes('in order')) throw new Error(`[${options}] at the end: ${why}`);
      // Nor is it guessed to be something else, once it has a header.
      if (images[0]!.length >= 8 && images[0]!.readUInt32BE(0) !== 0 && (await refusal(state)) === undefined)
        throw new Error(`[${options}] ${what}: taken for raw`);
    }
  }
  if (refused === 0) throw new Error(`[${options}]: no state was refused`);
  return looked;
}

/**
 * Creation where an image was before, in storage that cannot be emptied: a crash leaves the image of before, none, or the new one.
 */
export async function crashOverOld(options: string, dir: string, seed: number): Promise<number> {
  const path = join(dir, 'device');
  await createImage({ filename: path, format: 'qcow2', size: SIZE, optionTexts: ['preallocation=full'] });
  const old = readFileSync(path);
  const file = (await openImage({
    options: new Map([
      ['driver', 'blkdebug'],
      ['image.driver', 'file'],
      ['image.filename', path],
    ]),
  })) as BlkdebugNode;
  Object.defineProperty(file, 'growable', { value: false });
  const log: LogEntry[] = [];
  file.log = log;
  const c = readCreateOptions(new Map([['size', String(SIZE * 2)], ...texts(options)]));
  await writeEmptyImage(file, c);
  await finishImage(file, c.version);
  await closeImage(file);
  const fresh = readFileSync(path);
  const state = join(dir, 'state');
  let looked = 0;
  for (let turn = 0; turn < 20; turn++) {
    for (const { images, what } of crashStates([old], log, new Random(seed + turn), 1)) {
      writeFileSync(state, images[0]!);
      const why = await refusal(state, 'qcow2');
      looked++;
      if (why === undefined && !images[0]!.equals(old) && !images[0]!.equals(fresh))
        throw new Error(`[${options}] ${what}: neither the old nor the new image, but accepted`);
      if (why !== undefined && why !== REFUSED[0]) throw new Error(`[${options}] ${what}: ${why}`);
    }
  }
  return looked;
}

const texts = (options: string): [string, string][] =>
  options === '' ? [] : options.split(',').map((o) => o.split('=') as [string, string]);
