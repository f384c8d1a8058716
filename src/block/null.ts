// The null-co and null-aio drivers: storage of any size that forgets everything.
import { BlockNode, type BlockStatus, type Ending, type NodeFlags } from './driver.ts';
import type { OpenContext } from './driver-row.ts';
import { OptionReader } from './options.ts';

const DEFAULT_SIZE = 1 << 30;

class NullNode extends BlockNode {
  readonly kind = 'protocol';

  constructor(
    flags: NodeFlags,
    readonly driverName: string,
    readonly length: number,
    private readonly latencyMs: number,
    private readonly readZeroes: boolean,
  ) {
    super(flags);
  }

  private wait(): Ending {
    return this.latencyMs > 0 ? Bun.sleep(this.latencyMs) : undefined;
  }

  protected override doRead(_offset: number, buffer: Uint8Array): Ending {
    if (this.readZeroes) buffer.fill(0);
    return this.wait();
  }

  protected override doWrite(): Ending {
    return this.wait();
  }

  protected override async doWriteZeroes(): Promise<void> {
    await this.wait();
  }

  protected override async doDiscard(): Promise<void> {
    await this.wait();
  }

  protected override async doFlush(): Promise<void> {
    await this.wait();
  }

  protected override doBlockStatus(offset: number, bytes: number): BlockStatus {
    if (this.readZeroes) return { bytes, data: false, zero: true, allocated: true, offset, file: this };
    return { bytes, data: false, zero: false, allocated: false, offset: -1, file: null };
  }

  /** What has no content is not said to read as zeroes. */
  override readsThrough(): boolean {
    return true;
  }

  override allocatedSize(): Promise<number> {
    return Promise.resolve(0);
  }
}

/** Opens a null node. */
export async function openNull(name: string, context: OpenContext): Promise<BlockNode> {
  const reader = new OptionReader(context.options);
  const size = reader.size('size') ?? DEFAULT_SIZE;
  const latency = reader.number('latency-ns') ?? 0;
  const zeroes = reader.bool('read-zeroes') ?? false;
  const node = new NullNode(context.flags, name, size, latency / 1e6, zeroes);
  node.filename = `${name}://`;
  return node;
}
