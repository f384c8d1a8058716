// The blkdebug driver: injects errors and limits of requests for tests, and keeps a log of writes and flushes.

import { RangeLock } from './async.ts';
import { type IoType, type Rules, readRules } from './blkdebug-rules.ts';
import { isPowerOf2, roundDown, roundUp } from './bytes.ts';
import { type BlockNode, type BlockStatus, type Ending, type NodeFlags, PERM, type Preallocation } from './driver.ts';
import type { OpenContext } from './driver-row.ts';
import { BlockError, ERRNO, errnoError } from './errors.ts';
import { FilterNode } from './filters.ts';
import { extractSubtree, OptionReader, type OptionTree, toEnum } from './options.ts';

/**
 * One entry of the write log kept for crash tests, in order of submission. `done` is the length the log had when the request
 * ended: a flush covers what ended before it began. `file` tells files apart that are noted in one log.
 */
export type LogEntry = { done: number; file: number } & (
  | { kind: 'write'; offset: number; data: Uint8Array }
  | { kind: 'zero'; offset: number; bytes: number }
  | { kind: 'discard'; offset: number; bytes: number }
  | { kind: 'truncate'; size: number }
  | { kind: 'flush' }
);

/** What is told to note; `done` is filled in later. */
type LogItem = LogEntry extends infer E ? (E extends LogEntry ? Omit<E, 'done' | 'file'> : never) : never;

/** What requests are made to look like: 0 where there is no limit. */
interface Limits {
  align: number;
  maxTransfer: number;
  optWriteZero: number;
  maxWriteZero: number;
  optDiscard: number;
  maxDiscard: number;
}

const INT32_MAX = 2 ** 31 - 1;

/** Names of permissions as options have them. */
const PERM_NAMES = {
  'consistent-read': PERM.CONSISTENT_READ,
  write: PERM.WRITE,
  'write-unchanged': PERM.WRITE_UNCHANGED,
  resize: PERM.RESIZE,
} as const;

export class BlkdebugNode extends FilterNode {
  readonly driverName = 'blkdebug';
  /** When set, everything that changes the storage is noted here, under the number of the file. */
  log: LogEntry[] | undefined;
  logFile = 0;
  /** Blocks being rewritten because a write covers only a part of them. */
  private readonly blocks = new RangeLock();

  constructor(
    flags: NodeFlags,
    base: BlockNode,
    private readonly rules: Rules,
    private readonly limits: Limits,
    /** Permissions taken of the child, or kept from others, besides those needed. */
    private readonly extra: { take: number; unshare: number },
  ) {
    super(flags, base);
  }

  override get wantsEvents(): boolean {
    return true;
  }

  override event(name: string): void {
    this.rules.event(name);
  }

  override childPermissions(_role: string, perm: number, shared: number): { perm: number; shared: number } {
    return { perm: perm | this.extra.take, shared: shared & ~this.extra.unshare };
  }

  protected override applyPermissions(perm: number): void {
    if (!(perm & PERM.WRITE) || perm & PERM.RESIZE || this.base.length % this.limits.align === 0) return;
    throw new BlockError(
      "Cannot get 'write' permission without 'resize': Image size is not a multiple of request alignment",
      ERRNO.EPERM,
    );
  }

  override get zeroAlignment(): number {
    return Math.max(super.zeroAlignment, this.limits.align, this.limits.optWriteZero);
  }

  override get maxZeroBytes(): number {
    return this.limits.maxWriteZero || super.maxZeroBytes;
  }

  override get discardAlignment(): number {
    return Math.max(super.discardAlignment, this.limits.align, this.limits.optDiscard);
  }

  override allocatedSize(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** Notes a request and, when it ends, that it has. */
  private async note(item: LogItem, request: () => Ending): Promise<void> {
    if (!this.log) {
      await request();
      return;
    }
    const entry = { ...item, file: this.logFile, done: Infinity } as LogEntry;
    this.log.push(entry);
    await request();
    entry.done = this.log.length;
  }

  private async inject(type: IoType, offset: number, bytes: number): Promise<void> {
    const error = this.rules.errorFor(type, offset, bytes);
    if (!error) return;
    if (!error.immediately) await new Promise<void>((resolve) => setImmediate(resolve));
    throw errnoError(error.errno);
  }

  /** Runs a request in pieces no longer than the longest transfer. */
  private async inPieces(bytes: number, piece: (at: number, bytes: number) => Promise<void>): Promise<void> {
    const most = this.limits.maxTransfer || bytes;
    for (let at = 0; at < bytes; at += most) await piece(at, Math.min(most, bytes - at));
  }

  protected override async doRead(offset: number, buffer: Uint8Array): Promise<void> {
    const { align } = this.limits;
    const start = roundDown(offset, align);
    const end = roundUp(offset + buffer.length, align);
    const whole = start === offset && end === offset + buffer.length ? buffer : new Uint8Array(end - start);
    await this.inPieces(whole.length, async (at, bytes) => {
      await this.inject('read', start + at, bytes);
      await this.base.read(start + at, whole.subarray(at, at + bytes));
    });
    if (whole !== buffer) buffer.set(whole.subarray(offset - start, offset - start + buffer.length));
  }

  protected override async doWrite(offset: number, buffer: Uint8Array, flags: number): Promise<void> {
    const { align } = this.limits;
    const start = roundDown(offset, align);
    const end = roundUp(offset + buffer.length, align);
    if (start === offset && end === offset + buffer.length) return this.writeBlocks(start, buffer, flags);
    const range = await this.blocks.acquire(start, end, false);
    try {
      const whole = new Uint8Array(end - start);
      const tail = end - align;
      if (start !== offset) await this.readBlock('head', start, whole.subarray(0, align));
      if (end !== offset + buffer.length && (tail !== start || start === offset))
        await this.readBlock('tail', tail, whole.subarray(tail - start));
      whole.set(buffer, offset - start);
      await this.writeBlocks(start, whole, flags);
    } finally {
      this.blocks.release(range);
    }
  }

  /** Reads a block that a write covers only in part. */
  private async readBlock(where: 'head' | 'tail', offset: number, into: Uint8Array): Promise<void> {
    this.event(`pwritev_rmw_${where}`);
    await this.inject('read', offset, into.length);
    await this.base.read(offset, into);
    this.event(`pwritev_rmw_after_${where}`);
  }

  private async writeBlocks(offset: number, buffer: Uint8Array, flags: number): Promise<void> {
    this.event('pwritev');
    await this.inPieces(buffer.length, async (at, bytes) => {
      const part = buffer.subarray(at, at + bytes);
      await this.inject('write', offset + at, bytes);
      await this.note({ kind: 'write', offset: offset + at, data: this.log ? part.slice() : part }, () =>
        this.base.write(offset + at, part, flags),
      );
    });
    this.event('pwritev_done');
  }

  protected override async doWriteZeroes(offset: number, bytes: number, flags: number): Promise<void> {
    // What is no whole unit is written, not zeroed.
    if (offset % this.limits.align !== 0 || bytes % this.limits.align !== 0) throw errnoError(ERRNO.EOPNOTSUPP);
    this.event('pwritev_zero');
    await this.inject('write-zeroes', offset, bytes);
    await this.note({ kind: 'zero', offset, bytes }, () => this.base.writeZeroes(offset, bytes, flags));
    this.event('pwritev_done');
  }

  protected override async doDiscard(offset: number, bytes: number): Promise<void> {
    const most = this.limits.maxDiscard || bytes;
    for (let at = offset; at < offset + bytes; at += most) {
      const n = Math.min(most, offset + bytes - at);
      await this.inject('discard', at, n);
      await this.note({ kind: 'discard', offset: at, bytes: n }, () => this.base.discard(at, n));
    }
  }

  protected override async doFlush(): Promise<void> {
    await this.inject('flush', 0, 0);
    await this.note({ kind: 'flush' }, () => undefined);
  }

  override async blockStatus(offset: number, bytes: number, wantZero = true): Promise<BlockStatus> {
    await this.inject('block-status', offset, bytes);
    return super.blockStatus(offset, bytes, wantZero);
  }

  override async truncate(size: number, preallocation: Preallocation = 'off', exact = true): Promise<void> {
    await this.note({ kind: 'truncate', size }, () => this.base.truncate(size, preallocation, exact));
  }
}

/** Reads the limits, each of which must fit those before. */
function readLimits(r: OptionReader): Limits {
  const align = r.size('align') ?? 0;
  if (align >= INT32_MAX || (align !== 0 && !isPowerOf2(align)))
    throw new BlockError(`Cannot meet constraints with align ${align}`);
  const limits: Limits = {
    align: align || 1,
    maxTransfer: 0,
    optWriteZero: 0,
    maxWriteZero: 0,
    optDiscard: 0,
    maxDiscard: 0,
  };
  const limit = (key: keyof Limits, name: string, unit: number): void => {
    const value = r.size(name) ?? 0;
    if (value !== 0 && (value >= INT32_MAX || value % unit !== 0))
      throw new BlockError(`Cannot meet constraints with ${name} ${value}`);
    limits[key] = value;
  };
  limit('maxTransfer', 'max-transfer', limits.align);
  limit('optWriteZero', 'opt-write-zero', limits.align);
  limit('maxWriteZero', 'max-write-zero', Math.max(limits.optWriteZero, limits.align));
  limit('optDiscard', 'opt-discard', limits.align);
  limit('maxDiscard', 'max-discard', Math.max(limits.optDiscard, limits.align));
  return limits;
}

/** A list of permissions, `NAME.0` and so on. */
function readPermissions(options: OptionTree, name: string): number {
  let out = 0;
  for (const value of extractSubtree(options, name).values())
    out |= PERM_NAMES[toEnum('null', value, Object.keys(PERM_NAMES) as (keyof typeof PERM_NAMES)[])];
  return out;
}

export async function openBlkdebug(context: OpenContext, file: BlockNode): Promise<BlockNode> {
  const { options } = context;
  const rules = readRules(options);
  const extra = {
    take: readPermissions(options, 'take-child-perms'),
    unshare: readPermissions(options, 'unshare-child-perms'),
  };
  const limits = readLimits(new OptionReader(options));
  if (context.flags.readOnly && extra.take & ~PERM.CONSISTENT_READ)
    throw new BlockError('Block node is read-only', ERRNO.EPERM);
  return new BlkdebugNode(context.flags, file, rules, limits, extra);
}
