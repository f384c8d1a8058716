// wemu-img compare: whether two images show the same content.

import { type ChainStatus, statusAbove } from '../../block/block-status.ts';
import { equalBytes, isZero } from '../../block/bytes.ts';
import type { BlockNode } from '../../block/driver.ts';
import { errnoOf, strerror } from '../../block/errors.ts';
import { closeImage } from '../../block/graph.ts';
import { formatInteger } from '../../block/options.ts';
import {
  cacheMode,
  ExitError,
  note,
  openNamed,
  outputLost,
  parseArgs,
  reportError,
  sayError,
  usageError,
} from './common.ts';
import { PROGRESS_ROWS, type Progress, progressOf, wantsLine } from './progress.ts';

const EXIT = { SAME: 0, DIFFERENT: 1, OPEN: 2, STATUS: 3, READ: 4 } as const;
const CHUNK = 2 << 20;
const SECTOR = 512;

/** All that strict mode wants to be the same: also whether there is a place in a file, and whether the image ends here. */
function kindOf(s: ChainStatus, at: number, size: number): string {
  return [s.data, s.zero, s.allocated, s.offset >= 0, at + s.bytes === size].join();
}

class Comparison {
  private readonly a = new Uint8Array(CHUNK);
  private readonly b = new Uint8Array(CHUNK);

  constructor(
    private readonly first: { node: BlockNode; name: string },
    private readonly second: { node: BlockNode; name: string },
    private readonly strict: boolean,
    private readonly say: (line: string) => void,
    private readonly progress: Progress,
  ) {}

  private async status(image: { node: BlockNode; name: string }, at: number, bytes: number) {
    try {
      return await statusAbove(image.node, undefined, at, bytes);
    } catch {
      sayError(`Sector allocation test failed for ${image.name}`);
      throw new ExitError(EXIT.STATUS);
    }
  }

  private async read(image: { node: BlockNode; name: string }, at: number, into: Uint8Array): Promise<void> {
    try {
      await image.node.read(at, into);
    } catch (error) {
      sayError(`Error while reading offset ${formatInteger(at)} of ${image.name}: ${strerror(errnoOf(error))}`);
      throw new ExitError(EXIT.READ);
    }
  }

  /** Offset of the first sector that is not zero, or -1. */
  private async nonZero(image: { node: BlockNode; name: string }, at: number, bytes: number): Promise<number> {
    const buffer = this.a.subarray(0, bytes);
    await this.read(image, at, buffer);
    if (isZero(buffer)) return -1;
    const first = at + buffer.findIndex((v) => v !== 0);
    return first - (first % SECTOR);
  }

  private mismatch(offset: number): number {
    this.say(`Content mismatch at offset ${formatInteger(offset)}!`);
    return EXIT.DIFFERENT;
  }

  async run(): Promise<number> {
    const { first, second } = this;
    const [size1, size2] = [first.node.length, second.node.length];
    const common = Math.min(size1, size2);
    const total = Math.max(size1, size2);
    if (this.strict && size1 !== size2) {
      this.say('Strict mode: Image size mismatch!');
      return EXIT.DIFFERENT;
    }
    for (let at = 0; at < common; ) {
      const s1 = await this.status(first, at, common - at);
      const s2 = await this.status(second, at, common - at);
      if (this.strict && kindOf(s1, at, size1) !== kindOf(s2, at, size2)) {
        this.say(`Strict mode: Offset ${formatInteger(at)} block status mismatch!`);
        return EXIT.DIFFERENT;
      }
      let n = Math.min(s1.bytes, s2.bytes);
      const zero1 = s1.zero || !s1.data;
      const zero2 = s2.zero || !s2.data;
      if (!zero1 || !zero2) {
        n = Math.min(n, CHUNK);
        const different =
          zero1 || zero2 ? await this.nonZero(zero1 ? second : first, at, n) : await this.difference(at, n);
        if (different >= 0) return this.mismatch(different);
      }
      at += n;
      this.progress.update(at / total);
    }
    if (size1 !== size2) {
      this.say('Warning: Image size mismatch!');
      const longer = size1 > size2 ? first : second;
      for (let at = common; at < total; ) {
        const s = await this.status(longer, at, total - at);
        let n = s.bytes;
        if (s.data && !s.zero) {
          n = Math.min(n, CHUNK);
          const different = await this.nonZero(longer, at, n);
          if (different >= 0) return this.mismatch(different);
        }
        at += n;
        this.progress.update(at / total);
      }
    }
    this.say('Images are identical.');
    return EXIT.SAME;
  }

  /** Offset of the first sector that differs, or -1. */
  private async difference(at: number, bytes: number): Promise<number> {
    const a = this.a.subarray(0, bytes);
    const b = this.b.subarray(0, bytes);
    await this.read(this.first, at, a);
    await this.read(this.second, at, b);
    if (equalBytes(a, b)) return -1;
    for (let i = 0; ; i += SECTOR) if (!equalBytes(a.subarray(i, i + SECTOR), b.subarray(i, i + SECTOR))) return at + i;
  }
}

export async function compare(argv: readonly string[]): Promise<number> {
  const args = await parseArgs(
    argv,
    [
      { short: 'f', argument: true },
      { short: 'F', argument: true },
      { short: 'T', argument: true },
      { short: 'q' },
      { short: 's' },
      { short: 'U', long: 'force-share' },
      ...PROGRESS_ROWS,
    ],
    EXIT.OPEN,
  );
  if (args.positional.length !== 2) usageError('Expecting two image file names');
  let cache: ReturnType<typeof cacheMode>;
  try {
    cache = cacheMode(args.last('T') ?? 'writeback', 'source cache option');
  } catch {
    if (wantsLine(args)) note('\n');
    return EXIT.OPEN;
  }
  const opened: { node: BlockNode; name: string }[] = [];
  try {
    for (const [i, name] of args.positional.entries()) {
      const node = await openNamed({
        name,
        format: args.last(i === 0 ? 'f' : 'F'),
        imageOpts: args.has('image-opts'),
        readOnly: true,
        forceShare: args.has('U'),
        ...cache,
        writethrough: false,
      });
      opened.push({ node, name });
    }
  } catch (error) {
    for (const { node } of opened) await closeImage(node);
    if (!(error instanceof ExitError)) reportError(error);
    if (wantsLine(args)) note('\n');
    return EXIT.OPEN;
  }
  const progress = progressOf(args);
  let complete = false;
  try {
    const say = (line: string): void => {
      if (!args.has('q')) note(`${line}\n`);
    };
    const code = await new Comparison(opened[0]!, opened[1]!, args.has('s'), say, progress).run();
    complete = code === 0;
    // (What is not said must not look like a difference.)
    return code === EXIT.SAME && outputLost() ? EXIT.OPEN : code;
  } finally {
    progress.end(complete);
    for (const { node } of opened) await closeImage(node);
  }
}
