// Small filters: copy-on-read and preallocate.

import { Mutex, RangeLock } from './async.ts';
import { statusAbove } from './block-status.ts';
import { isZero, roundDown, roundUp } from './bytes.ts';
import {
  BlockNode,
  type BlockStatus,
  type Ending,
  findNode,
  type NodeFlags,
  PERM,
  type Preallocation,
  REQ,
  type Soon,
} from './driver.ts';
import type { OpenContext } from './driver-row.ts';
import { BlockError, ERRNO } from './errors.ts';
import { OptionReader } from './options.ts';

/** A node that passes everything through to its file child; filters override what they change. */
export abstract class FilterNode extends BlockNode {
  readonly kind = 'filter';

  constructor(
    flags: NodeFlags,
    protected readonly base: BlockNode,
  ) {
    super(flags);
  }

  override get length(): number {
    return this.base.length;
  }

  override get growable(): boolean {
    return this.base.growable;
  }

  override get zeroAlignment(): number {
    return this.base.zeroAlignment;
  }

  override get discardAlignment(): number {
    return this.base.discardAlignment;
  }

  override get clusterSize(): number {
    return this.base.clusterSize;
  }

  protected override doRead(offset: number, buffer: Uint8Array): Ending {
    return this.base.read(offset, buffer);
  }

  protected override doWrite(offset: number, buffer: Uint8Array, flags: number): Ending {
    return this.base.write(offset, buffer, flags);
  }

  protected override doWriteZeroes(offset: number, bytes: number, flags: number): Promise<void> {
    return this.base.writeZeroes(offset, bytes, flags);
  }

  protected override doDiscard(offset: number, bytes: number): Promise<void> {
    return this.base.discard(offset, bytes);
  }

  protected override doBlockStatus(_offset: number, bytes: number): Soon<BlockStatus> {
    return { bytes, data: false, zero: false, allocated: false, offset: -1, file: null };
  }

  /** A filter has no content of its own: asked directly, it answers for the layer below. */
  override blockStatus(offset: number, bytes: number, wantZero = true): Soon<BlockStatus> {
    return this.base.blockStatus(offset, bytes, wantZero);
  }

  override readsThrough(): boolean {
    return true;
  }

  override truncate(size: number, preallocation: Preallocation = 'off', exact = true): Promise<void> {
    return this.base.truncate(size, preallocation, exact);
  }

  override hasZeroInit(): boolean {
    return this.base.hasZeroInit();
  }
}

/** copy-on-read: what is read from a backing file is written into the image on the way. */
class CopyOnReadNode extends FilterNode {
  readonly driverName = 'copy-on-read';

  constructor(
    flags: NodeFlags,
    base: BlockNode,
    /** Lowest layer that is copied from; undefined: the whole chain. */
    private readonly bottom: BlockNode | undefined,
  ) {
    super(flags, base);
  }

  /** Ranges being read, and perhaps copied, or changed: what was just written must not be replaced by an older copy. */
  private readonly ranges = new RangeLock();

  private async holding(offset: number, bytes: number, body: () => Ending): Promise<void> {
    const unit = Math.max(1, this.clusterSize);
    const range = await this.ranges.acquire(roundDown(offset, unit), roundUp(offset + bytes, unit), false);
    try {
      await body();
    } finally {
      this.ranges.release(range);
    }
  }

  protected override doRead(offset: number, buffer: Uint8Array): Promise<void> {
    return this.holding(offset, buffer.length, () => this.readAndCopy(offset, buffer));
  }

  protected override doWrite(offset: number, buffer: Uint8Array, flags: number): Promise<void> {
    return this.holding(offset, buffer.length, () => super.doWrite(offset, buffer, flags));
  }

  protected override doWriteZeroes(offset: number, bytes: number, flags: number): Promise<void> {
    return this.holding(offset, bytes, () => super.doWriteZeroes(offset, bytes, flags));
  }

  protected override doDiscard(offset: number, bytes: number): Promise<void> {
    return this.holding(offset, bytes, () => super.doDiscard(offset, bytes));
  }

  /** What is copied changes nothing that anybody sees. */
  override childPermissions(_role: string, perm: number, shared: number): { perm: number; shared: number } {
    return { perm: perm | PERM.WRITE_UNCHANGED, shared };
  }

  private async readAndCopy(offset: number, buffer: Uint8Array): Promise<void> {
    await this.base.read(offset, buffer);
    for (let at = 0; at < buffer.length; ) {
      const status = await this.base.blockStatus(offset + at, buffer.length - at, false);
      let n = Math.min(status.bytes, buffer.length - at);
      if (n === 0) return;
      let copy = !status.allocated;
      if (copy && this.bottom) {
        const from = await statusAbove(this.base, this.bottom.layerBelow(), offset + at, n, false);
        n = Math.min(n, from.bytes);
        copy = from.allocated;
      }
      if (copy) {
        const part = buffer.subarray(at, at + n);
        this.base.event('cor_write');
        if (isZero(part)) await this.base.writeZeroes(offset + at, n);
        else await this.base.write(offset + at, part, REQ.UNCHANGED);
      }
      at += n;
    }
  }
}

/** Whether a layer is part of the chain under a node. */
function isBelow(top: BlockNode, layer: BlockNode): boolean {
  for (let at: BlockNode | undefined = top; at; at = at.layerBelow()) if (at === layer) return true;
  return false;
}

export async function openCopyOnRead(context: OpenContext, file: BlockNode): Promise<BlockNode> {
  const r = new OptionReader(context.options);
  const name = r.string('bottom');
  if (context.flags.readOnly) throw new BlockError('Block node is read-only', ERRNO.EACCES);
  const bottom = name === undefined ? undefined : findNode(name);
  if (name !== undefined && !bottom) throw new BlockError(`Bottom node '${name}' not found`);
  if (bottom && !isBelow(file, bottom)) throw new BlockError(`Bottom node '${name}' is not in the chain`);
  return new CopyOnReadNode(context.flags, file, bottom);
}

/**
 * preallocate: a write behind the end of the file makes the file longer by a larger piece at once; what was not used is cut
 * off when the node is closed.
 */
class PreallocateNode extends FilterNode {
  readonly driverName = 'preallocate';
  /** Where data ends, as far as users of the node know. */
  private dataEnd: number;

  constructor(
    flags: NodeFlags,
    base: BlockNode,
    private readonly align: number,
    private readonly size: number,
  ) {
    super(flags, base);
    this.dataEnd = base.length;
  }

  override get length(): number {
    return this.flags.readOnly ? this.base.length : this.dataEnd;
  }

  /** Held while the file is made longer: zeroes must not be put where another write has been already. */
  private readonly lengthening = new Mutex();

  /** Writes up to `end`, behind the end of the file only where the file was made longer before, or alone. */
  private async extending(end: number, write: () => Ending): Promise<void> {
    try {
      if (end > this.base.length) {
        const written = await this.lengthening.with(async () => {
          if (await this.lengthen(end)) return false;
          await write();
          return true;
        });
        if (!written) await write();
      } else await write();
    } finally {
      // (A write that failed may have left a part of it.)
      this.dataEnd = Math.max(this.dataEnd, Math.min(end, this.base.length));
    }
  }

  /** Makes room behind the end; false if there is none to be had, or not without writing zeroes. */
  private async lengthen(end: number): Promise<boolean> {
    if (end <= this.base.length) return true;
    const wanted = roundUp(end + this.size, this.align);
    try {
      await this.base.writeZeroes(this.base.length, wanted - this.base.length, REQ.NO_FALLBACK);
      return true;
    } catch {
      return false;
    }
  }

  protected override async doWrite(offset: number, buffer: Uint8Array, flags: number): Promise<void> {
    await this.extending(offset + buffer.length, () => this.base.write(offset, buffer, flags));
  }

  protected override async doWriteZeroes(offset: number, bytes: number, flags: number): Promise<void> {
    await this.extending(offset + bytes, () => this.base.writeZeroes(offset, bytes, flags));
  }

  private readonly resizing = new Mutex();

  override truncate(size: number, preallocation: Preallocation = 'off', exact = true): Promise<void> {
    return this.resizing.with(() => this.truncateAlone(size, preallocation, exact));
  }

  private async truncateAlone(size: number, preallocation: Preallocation, exact: boolean): Promise<void> {
    // What lies behind the data is not known to whoever asks: it goes first, so that the file grows from where they see its end.
    if (this.base.length > this.dataEnd && size > this.dataEnd && preallocation !== 'off')
      await this.base.truncate(this.dataEnd);
    await this.base.truncate(size, preallocation, exact);
    this.dataEnd = size;
  }

  protected override async doClose(): Promise<void> {
    if (!this.flags.readOnly && this.base.length > this.dataEnd) await this.base.truncate(this.dataEnd);
  }

  protected override async doSetReadOnly(readOnly: boolean): Promise<void> {
    if (readOnly) await this.doClose();
    else this.dataEnd = this.base.length;
  }
}

const DEFAULT_ALIGN = 1 << 20;
const DEFAULT_SIZE = 128 << 20;

export function openPreallocate(context: OpenContext, file: BlockNode): Promise<BlockNode> {
  const r = new OptionReader(context.options);
  const align = r.size('prealloc-align') ?? DEFAULT_ALIGN;
  const size = r.size('prealloc-size') ?? DEFAULT_SIZE;
  if (align % 512 !== 0) {
    return Promise.reject(new BlockError('prealloc-align parameter of preallocate filter is not aligned to 512'));
  }
  return Promise.resolve(new PreallocateNode(context.flags, file, align || 1, size));
}
