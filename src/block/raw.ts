// The raw format: the file's own bytes, or a window of them given by offset and size.
import { RangeLock } from './async.ts';
import { roundUp } from './bytes.ts';
import {
  BlockNode,
  type BlockStatus,
  type Ending,
  type MeasureInfo,
  type NodeFlags,
  PERM,
  type Preallocation,
  type Soon,
} from './driver.ts';
import type { CreateContext, OpenContext } from './driver-row.ts';
import { BlockError, ERRNO, errnoError } from './errors.ts';
import { OptionReader, PREALLOCATION_MODES, plainEnum } from './options.ts';

const SECTOR = 512;

export class RawNode extends BlockNode {
  readonly driverName = 'raw';
  readonly kind = 'format';

  constructor(
    flags: NodeFlags,
    private readonly base: BlockNode,
    /** First byte of the window. */
    readonly start: number,
    private readonly window: number | undefined,
    /** Set where the format was guessed: tells what the first bytes would be taken for. */
    private readonly guess: ((head: Uint8Array) => boolean) | undefined,
  ) {
    super(flags);
  }

  override get length(): number {
    return this.window ?? roundUp(Math.max(0, this.base.length - this.start), SECTOR);
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

  override get wantsEvents(): boolean {
    return this.base.wantsEvents;
  }

  override event(name: string): void {
    this.base.event(name);
  }

  override childPermissions(_role: string, perm: number, shared: number): { perm: number; shared: number } {
    // A window must not be left hanging behind the end of the file.
    const windowed = this.start > 0 || this.window !== undefined;
    return { perm, shared: windowed ? shared & ~PERM.RESIZE : shared };
  }

  protected override doRead(offset: number, buffer: Uint8Array): Ending {
    this.base.event('read_aio');
    return this.base.read(this.start + offset, buffer);
  }

  protected override doWrite(offset: number, buffer: Uint8Array, flags: number): Ending {
    if (this.guess && offset < SECTOR) return this.writeHead(offset, buffer, flags);
    return this.writeBelow(offset, buffer, flags);
  }

  /** A guest could turn an image of guessed format into another format by writing its header, also piece by piece. */
  private async writeHead(offset: number, buffer: Uint8Array, flags: number): Promise<void> {
    const range = await this.heads.acquire(0, 1, false);
    try {
      const head = new Uint8Array(SECTOR);
      if (offset > 0 || buffer.length < SECTOR) await this.base.read(this.start, head);
      head.set(buffer.subarray(0, SECTOR - offset), offset);
      if (!this.guess!(head)) throw errnoError(ERRNO.EPERM);
      await this.writeBelow(offset, buffer, flags);
    } finally {
      this.heads.release(range);
    }
  }

  /** Held by writes to the first sector of an image of guessed format, one at a time. */
  private readonly heads = new RangeLock();

  private writeBelow(offset: number, buffer: Uint8Array, flags: number): Ending {
    if (this.wantsEvents) return this.writeTelling(offset, buffer, flags);
    return this.base.write(this.start + offset, buffer, flags);
  }

  private async writeTelling(offset: number, buffer: Uint8Array, flags: number): Promise<void> {
    this.event('pwritev');
    this.event('write_aio');
    await this.base.write(this.start + offset, buffer, flags);
    this.event('pwritev_done');
  }

  protected override doWriteZeroes(offset: number, bytes: number, flags: number): Promise<void> {
    this.base.event('pwritev_zero');
    return this.base.writeZeroes(this.start + offset, bytes, flags);
  }

  protected override doDiscard(offset: number, bytes: number): Promise<void> {
    return this.base.discard(this.start + offset, bytes);
  }

  protected override doBlockStatus(offset: number, bytes: number, wantZero: boolean): Soon<BlockStatus> {
    // The last sector may reach past the end of the file.
    const finish = (s: BlockStatus): BlockStatus =>
      s.bytes === 0
        ? { bytes, data: false, zero: true, allocated: true, offset: this.start + offset, file: this.base }
        : s;
    const got = this.base.blockStatus(this.start + offset, bytes, wantZero);
    return got instanceof Promise ? got.then(finish) : finish(got);
  }

  override storageOf(offset: number): { node: BlockNode; offset: number } | undefined {
    return this.base.storageOf(this.start + offset);
  }

  override readsThrough(): boolean {
    return true;
  }

  override async truncate(size: number, preallocation: Preallocation = 'off', exact = true): Promise<void> {
    if (this.window !== undefined) throw new BlockError('Cannot resize fixed-size raw disks', ERRNO.EOPNOTSUPP);
    await this.base.truncate(this.start + size, preallocation, exact);
  }

  override hasZeroInit(): boolean {
    return this.base.hasZeroInit();
  }
}

export async function openRaw(
  context: OpenContext,
  file: BlockNode | undefined,
  guess?: (head: Uint8Array) => boolean,
): Promise<BlockNode> {
  const reader = new OptionReader(context.options);
  const offset = reader.size('offset') ?? 0;
  const size = reader.size('size');
  const real = roundUp(file!.length, SECTOR);
  if (real < offset) {
    throw new BlockError(`Offset (${offset}) cannot be greater than size of the containing file (${real})`);
  }
  if (size !== undefined && real - offset < size) {
    throw new BlockError(
      `The sum of offset (${offset}) and size (${size}) has to be smaller or equal to the  actual size of the containing file (${real})`,
    );
  }
  if (size !== undefined && size % SECTOR !== 0) throw new BlockError(`Specified size is not multiple of ${SECTOR}`);
  return new RawNode(context.flags, file!, offset, size, guess);
}

/** Makes a file of the disk's size, in whole sectors; it is all there is to a raw image, or to storage without a format. */
export async function createRaw(c: CreateContext): Promise<void> {
  const preallocation = plainEnum(c.options.get('preallocation') ?? 'off', PREALLOCATION_MODES);
  if (c.onDevice && preallocation !== 'off') {
    await c.makeFile(c.filename, 0, 'off');
    throw new BlockError(`Unsupported preallocation mode '${preallocation}'`);
  }
  await c.makeFile(c.filename, roundUp(c.size, SECTOR), preallocation, c.options);
}

/** A raw image takes what its disk has, in whole sectors. */
export function measureRaw(size: number): MeasureInfo {
  const bytes = roundUp(size, SECTOR);
  return { required: bytes, fullyAllocated: bytes };
}
