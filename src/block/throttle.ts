// The throttle filter: limits bytes and requests per second by leaky buckets, shared by the members of a group.
import type { BlockNode, NodeFlags, OpenContext } from './driver.ts';
import { BlockError } from './errors.ts';
import { FilterNode } from './filters.ts';
import { OptionReader, toNumber } from './options.ts';

/** Limits by name; 0 means none. */
export interface ThrottleLimits {
  'bps-total': number;
  'bps-read': number;
  'bps-write': number;
  'iops-total': number;
  'iops-read': number;
  'iops-write': number;
  'bps-total-max': number;
  'bps-read-max': number;
  'bps-write-max': number;
  'iops-total-max': number;
  'iops-read-max': number;
  'iops-write-max': number;
  /** Bytes that count as one request; 0: every request counts once. */
  'iops-size': number;
}

export const LIMIT_NAMES = [
  'bps-total',
  'bps-read',
  'bps-write',
  'iops-total',
  'iops-read',
  'iops-write',
  'bps-total-max',
  'bps-read-max',
  'bps-write-max',
  'iops-total-max',
  'iops-read-max',
  'iops-write-max',
  'iops-size',
] as const;

/** A bucket that leaks `rate` units a second and holds `burst` before requests wait. */
class Bucket {
  private level = 0;
  private last: number;

  constructor(
    private readonly rate: number,
    private readonly burst: number,
    now: number,
  ) {
    this.last = now;
  }

  /** Adds units and returns the milliseconds to wait before going on. */
  take(units: number, now: number): number {
    this.level = Math.max(0, this.level - ((now - this.last) * this.rate) / 1000);
    this.last = now;
    const wait = Math.max(0, ((this.level - this.burst) * 1000) / this.rate);
    this.level += units;
    return wait;
  }
}

/** Nodes of one group share its limits. */
export class ThrottleGroup {
  private readonly buckets: { bucket: Bucket; unit: 'bytes' | 'requests'; read: boolean; write: boolean }[] = [];

  constructor(
    readonly name: string,
    readonly limits: ThrottleLimits,
    private readonly clock: () => number = () => performance.now(),
  ) {
    for (const unit of ['bps', 'iops'] as const) {
      for (const direction of ['total', 'read', 'write'] as const) {
        const rate = limits[`${unit}-${direction}`];
        if (rate === 0) continue;
        // Without a burst limit a tenth of a second may go through at once.
        const burst = limits[`${unit}-${direction}-max`] || rate / 10;
        this.buckets.push({
          bucket: new Bucket(rate, burst, clock()),
          unit: unit === 'bps' ? 'bytes' : 'requests',
          read: direction !== 'write',
          write: direction !== 'read',
        });
      }
    }
  }

  /** Waits until a request of so many bytes may go on. */
  async admit(bytes: number, write: boolean): Promise<void> {
    const now = this.clock();
    const size = this.limits['iops-size'];
    let wait = 0;
    for (const b of this.buckets) {
      if (!(write ? b.write : b.read)) continue;
      const units = b.unit === 'bytes' ? bytes : size > 0 ? Math.max(1, bytes / size) : 1;
      wait = Math.max(wait, b.bucket.take(units, now));
    }
    if (wait > 0) await Bun.sleep(wait);
  }
}

const groups = new Map<string, ThrottleGroup>();

/** Creates a group from the properties of a throttle-group object (`x-` prefixed or `limits.` names). */
export function createThrottleGroup(name: string, properties: Map<string, string>): void {
  if (groups.has(name)) throw new BlockError(`attempt to add duplicate property '${name}' to object`);
  const limits = Object.fromEntries(LIMIT_NAMES.map((n) => [n, 0])) as unknown as ThrottleLimits;
  for (const [key, value] of properties) {
    const short = key.replace(/^(x-|limits\.)/, '') as keyof ThrottleLimits;
    if (!LIMIT_NAMES.includes(short)) {
      if (/-max-length$/.test(short)) continue;
      throw new BlockError(`Property 'throttle-group.${key}' not found`);
    }
    limits[short] = toNumber(key, value);
  }
  for (const unit of ['bps', 'iops'] as const) {
    if (limits[`${unit}-total`] > 0 && (limits[`${unit}-read`] > 0 || limits[`${unit}-write`] > 0)) {
      throw new BlockError('bps/iops/max total values and read/write values cannot be used at the same time');
    }
  }
  groups.set(name, new ThrottleGroup(name, limits));
}

class ThrottleNode extends FilterNode {
  readonly driverName = 'throttle';

  constructor(
    flags: NodeFlags,
    base: BlockNode,
    private readonly group: ThrottleGroup,
  ) {
    super(flags, base);
  }

  protected override async doRead(offset: number, buffer: Uint8Array): Promise<void> {
    await this.group.admit(buffer.length, false);
    await this.base.read(offset, buffer);
  }

  protected override async doWrite(offset: number, buffer: Uint8Array, flags: number): Promise<void> {
    await this.group.admit(buffer.length, true);
    await this.base.write(offset, buffer, flags);
  }

  protected override async doWriteZeroes(offset: number, bytes: number, flags: number): Promise<void> {
    await this.group.admit(bytes, true);
    await this.base.writeZeroes(offset, bytes, flags);
  }
}

export function openThrottle(context: OpenContext, file: BlockNode): Promise<BlockNode> {
  const name = new OptionReader(context.options).string('throttle-group');
  if (name === undefined) return Promise.reject(new BlockError('Please specify a throttle group'));
  const group = groups.get(name);
  if (!group) return Promise.reject(new BlockError(`Throttle group '${name}' does not exist`));
  return Promise.resolve(new ThrottleNode(context.flags, file, group));
}
