// The throttle filter: limits bytes and requests per second by leaky buckets, shared by the members of a group.
import type { BlockNode, NodeFlags } from './driver.ts';
import type { OpenContext } from './driver-row.ts';
import { BlockError } from './errors.ts';
import { FilterNode } from './filters.ts';
import { OptionReader, type OptionTree } from './options.ts';
import { inKeyOrder } from './qdict.ts';

const UNITS = ['iops', 'bps'] as const;
const DIRECTIONS = ['total', 'read', 'write'] as const;

/** Names of a group's properties: rates, their maxima during bursts, and how many seconds a burst may last; in QEMU's order. */
export const GROUP_PROPERTIES: readonly string[] = [
  ...UNITS.flatMap((unit) =>
    DIRECTIONS.flatMap((d) => [`${unit}-${d}`, `${unit}-${d}-max`, `${unit}-${d}-max-length`]),
  ),
  'iops-size',
];

/** Largest rate: what a second's worth of is still exact in sums. */
const MAX_RATE = 1e15;

/** Longest a timer can wait, in milliseconds. */
const MAX_SLEEP = 2 ** 31 - 1;

/** One limit: so many units a second on average, and what may be above that for a while. */
export interface RateLimit {
  average: number;
  /** Units a second during a burst; 0: a tenth of a second's worth of the average may come at once. */
  max: number;
  /** Seconds a burst at `max` may last. */
  length: number;
}

/** Limits of a group; a direction without one is absent. */
export interface ThrottleLimits {
  rates: { unit: 'bytes' | 'requests'; read: boolean; write: boolean; limit: RateLimit }[];
  /** Bytes that count as one request; 0: every request counts once. */
  requestSize: number;
}

/** Fills as units come and leaks at a rate. */
class Bucket {
  private level = 0;

  constructor(
    private readonly rate: number,
    private readonly size: number,
  ) {}

  leak(ms: number): void {
    this.level = Math.max(0, this.level - (ms * this.rate) / 1000);
  }

  /** Milliseconds until the level is down to the size. */
  get wait(): number {
    return Math.max(0, ((this.level - this.size) * 1000) / this.rate);
  }

  add(units: number): void {
    this.level += units;
  }
}

/** A limit at work: the average over time, and the rate within a burst. */
class Meter {
  private readonly buckets: Bucket[];
  private last: number;

  constructor(limit: RateLimit, now: number) {
    this.last = now;
    this.buckets = [new Bucket(limit.average, limit.max > 0 ? limit.max * limit.length : limit.average / 10)];
    if (limit.length > 1) this.buckets.push(new Bucket(limit.max, limit.max / 10));
  }

  /** Adds units and returns the milliseconds to wait before going on. */
  take(units: number, now: number): number {
    let wait = 0;
    for (const b of this.buckets) {
      b.leak(now - this.last);
      wait = Math.max(wait, b.wait);
      b.add(units);
    }
    this.last = now;
    return wait;
  }
}

/** Nodes of one group share its limits. */
export class ThrottleGroup {
  private readonly meters: Meter[];

  constructor(
    readonly name: string,
    readonly limits: ThrottleLimits,
    private readonly clock: () => number = () => performance.now(),
  ) {
    this.meters = limits.rates.map(({ limit }) => new Meter(limit, clock()));
  }

  /** Milliseconds a request of so many bytes has to wait from now on. */
  delay(bytes: number, write: boolean): number {
    const now = this.clock();
    const { rates, requestSize } = this.limits;
    let wait = 0;
    for (const [i, { unit, read, write: writes }] of rates.entries()) {
      if (!(write ? writes : read)) continue;
      const requests = requestSize > 0 ? Math.max(1, bytes / requestSize) : 1;
      wait = Math.max(wait, this.meters[i]!.take(unit === 'bytes' ? bytes : requests, now));
    }
    return wait;
  }

  /** Waits until a request of so many bytes may go on. */
  async admit(bytes: number, write: boolean): Promise<void> {
    for (let wait = this.delay(bytes, write); wait > 0; wait -= MAX_SLEEP) await Bun.sleep(Math.min(wait, MAX_SLEEP));
  }
}

const groups = new Map<string, ThrottleGroup>();

/** Checks one limit; the complaints name no property, as several share a rule. */
function checkLimit({ average, max, length }: RateLimit): void {
  if (average > MAX_RATE || max > MAX_RATE) throw new BlockError(`bps/iops/max values must be within [0, ${MAX_RATE}]`);
  if (length === 0) throw new BlockError('the burst length cannot be 0');
  if (length > 1 && max === 0) throw new BlockError('burst length set without burst rate');
  if (length > 1 && max > MAX_RATE / length) throw new BlockError('burst length too high for this burst rate');
  if (max > 0 && average === 0) throw new BlockError('bps_max/iops_max require corresponding bps/iops values');
  if (max > 0 && max < average) throw new BlockError('bps_max/iops_max cannot be lower than bps/iops');
}

/** Limits from properties with or without `x-` or `limits.` before their names. */
export function readLimits(properties: OptionTree): ThrottleLimits {
  const values = new Map<string, number>();
  const take = (key: string): void => {
    const name = key.replace(/^(x-|limits\.)/, '');
    const number = Number(properties.get(key));
    if (name.endsWith('-length') && (number < 0 || number > 0xffffffff))
      throw new BlockError(`${key} value must be in therange [0, 4294967295]`);
    if (number < 0)
      throw new BlockError(
        key.startsWith('x-')
          ? 'Property values cannot be negative'
          : `bps/iops/max values must be within [0, ${MAX_RATE}]`,
      );
    values.set(name, number);
  };
  // Properties are set one after the other; the structure is looked at as a whole when its turn comes.
  const keys = [...properties.keys()];
  const members = keys.filter((key) => key.startsWith('limits.'));
  const single = keys.filter((key) => !key.startsWith('limits.'));
  for (const key of inKeyOrder(members.length > 0 ? ['limits', ...single] : single)) {
    if (key !== 'limits') take(key);
    else {
      members.forEach(take);
      checkedLimits(values);
    }
  }
  return checkedLimits(values);
}

/** The limits of these values together. */
function checkedLimits(values: ReadonlyMap<string, number>): ThrottleLimits {
  const get = (name: string, otherwise = 0): number => values.get(name) ?? otherwise;
  for (const suffix of ['', '-max']) {
    for (const unit of UNITS.toReversed()) {
      if (get(`${unit}-total${suffix}`) > 0 && get(`${unit}-read${suffix}`) + get(`${unit}-write${suffix}`) > 0) {
        throw new BlockError('bps/iops/max total values and read/write values cannot be used at the same time');
      }
    }
  }
  if (get('iops-size') > 0 && DIRECTIONS.every((d) => get(`iops-${d}`) === 0))
    throw new BlockError('iops size requires an iops value to be set');
  const limits: ThrottleLimits = { rates: [], requestSize: get('iops-size') };
  for (const unit of UNITS.toReversed()) {
    for (const d of DIRECTIONS) {
      const limit = {
        average: get(`${unit}-${d}`),
        max: get(`${unit}-${d}-max`),
        length: get(`${unit}-${d}-max-length`, 1),
      };
      checkLimit(limit);
      if (limit.average === 0) continue;
      limits.rates.push({
        unit: unit === 'bps' ? 'bytes' : 'requests',
        read: d !== 'write',
        write: d !== 'read',
        limit,
      });
    }
  }
  return limits;
}

/** Creates a group from the properties of a throttle-group object. */
export function createThrottleGroup(name: string, properties: OptionTree): void {
  groups.set(name, new ThrottleGroup(name, readLimits(properties)));
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

  protected override async doDiscard(offset: number, bytes: number): Promise<void> {
    await this.group.admit(bytes, true);
    await this.base.discard(offset, bytes);
  }
}

export function openThrottle(context: OpenContext, file: BlockNode): Promise<BlockNode> {
  const name = new OptionReader(context.options).string('throttle-group');
  if (name === undefined) return Promise.reject(new BlockError('Please specify a throttle group'));
  const group = groups.get(name);
  if (!group) return Promise.reject(new BlockError(`Throttle group '${name}' does not exist`));
  return Promise.resolve(new ThrottleNode(context.flags, file, group));
}
