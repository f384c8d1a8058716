// Fault injection and write logging for tests: the blkdebug driver's error rules, and a log of writes and flushes.
import fs from 'node:fs';
import { isPowerOf2 } from './bytes.ts';
import type { BlockNode, Ending, NodeFlags, OpenContext } from './driver.ts';
import { BlockError, ERRNO, errnoError, errnoOf, strerror } from './errors.ts';
import { FilterNode } from './filters.ts';
import { extractSubtree, type OptionTree, toBool, toNumber, toSize } from './options.ts';

/** Kinds of requests a rule can be limited to. */
const IO_TYPES = ['read', 'write', 'write-zeroes', 'discard', 'flush', 'block-status'] as const;
type IoType = (typeof IO_TYPES)[number];

interface Rule {
  errno: number;
  /** Sector of 512 bytes, or -1 for any. */
  sector: number;
  once: boolean;
  iotype: IoType | undefined;
  spent: boolean;
}

/**
 * One entry of the write log kept for crash tests, in order of submission. `done` is the length the log had when the request
 * ended: a flush covers what ended before it began.
 */
export type LogEntry = { done: number } & (
  | { kind: 'write'; offset: number; data: Uint8Array }
  | { kind: 'zero'; offset: number; bytes: number }
  | { kind: 'discard'; offset: number; bytes: number }
  | { kind: 'truncate'; size: number }
  | { kind: 'flush' }
);

/** What is told to note; `done` is filled in later. */
type LogItem = LogEntry extends infer E ? (E extends LogEntry ? Omit<E, 'done'> : never) : never;

export class BlkdebugNode extends FilterNode {
  readonly driverName = 'blkdebug';
  /** When set, everything that changes the storage is noted here in order of completion. */
  log: LogEntry[] | undefined;

  constructor(
    flags: NodeFlags,
    base: BlockNode,
    private readonly rules: Rule[],
  ) {
    super(flags, base);
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
    const entry = { ...item, done: Infinity } as LogEntry;
    this.log.push(entry);
    await request();
    entry.done = this.log.length;
  }

  private inject(type: IoType, offset: number, bytes: number): void {
    for (const rule of this.rules) {
      if (rule.spent || (rule.iotype && rule.iotype !== type)) continue;
      if (rule.iotype === undefined && (type === 'flush' || type === 'block-status') && rule.sector >= 0) continue;
      const at = rule.sector * 512;
      if (rule.sector >= 0 && !(at >= offset && at < offset + bytes)) continue;
      if (rule.once) rule.spent = true;
      throw errnoError(rule.errno);
    }
  }

  protected override async doRead(offset: number, buffer: Uint8Array): Promise<void> {
    this.inject('read', offset, buffer.length);
    await this.base.read(offset, buffer);
  }

  protected override async doWrite(offset: number, buffer: Uint8Array, flags: number): Promise<void> {
    this.inject('write', offset, buffer.length);
    const data = this.log ? buffer.slice() : buffer;
    await this.note({ kind: 'write', offset, data }, () => this.base.write(offset, buffer, flags));
  }

  protected override async doWriteZeroes(offset: number, bytes: number, flags: number): Promise<void> {
    this.inject('write-zeroes', offset, bytes);
    await this.note({ kind: 'zero', offset, bytes }, () => this.base.writeZeroes(offset, bytes, flags));
  }

  protected override async doDiscard(offset: number, bytes: number): Promise<void> {
    this.inject('discard', offset, bytes);
    await this.note({ kind: 'discard', offset, bytes }, () => this.base.discard(offset, bytes));
  }

  protected override doFlush(): Promise<void> {
    try {
      this.inject('flush', 0, 0);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.note({ kind: 'flush' }, () => Promise.resolve());
  }

  override async truncate(size: number, ...rest: []): Promise<void> {
    await this.note({ kind: 'truncate', size }, () => this.base.truncate(size, ...rest));
  }
}

/** Rules from a configuration file: sections `[inject-error]` with `key = "value"` lines. */
function readConfig(path: string): OptionTree[] {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (error) {
    throw new BlockError(`Could not read blkdebug config file: ${strerror(errnoOf(error))}`, errnoOf(error));
  }
  const out: OptionTree[] = [];
  let section: OptionTree | undefined;
  for (const line of text.split('\n')) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    const head = /^\s*\[([-a-z]+)( "[^"]*")?\]\s*$/.exec(line);
    const pair = /^\s*([-a-z]+)\s*=\s*"([^"]*)"\s*$/.exec(line);
    if (head) {
      if (head[1] !== 'inject-error')
        throw new BlockError(`blkdebug section '${head[1]}' is not supported`, ERRNO.EOPNOTSUPP);
      out.push((section = new Map()));
    } else if (pair && section) section.set(pair[1]!, pair[2]!);
    else throw new BlockError('Could not parse blkdebug config file');
  }
  return out;
}

function makeRule(options: OptionTree): Rule {
  const rule: Rule = { errno: ERRNO.EIO, sector: -1, once: false, iotype: undefined, spent: false };
  for (const [key, value] of options) {
    if (key === 'errno') rule.errno = toNumber(key, value);
    else if (key === 'sector') rule.sector = toNumber(key, value);
    else if (key === 'once') rule.once = toBool(key, value);
    else if (key === 'iotype') {
      if (!IO_TYPES.includes(value as IoType)) throw new BlockError(`invalid parameter value: ${value}`);
      rule.iotype = value as IoType;
    } else if (key === 'event') {
      if (!['none', 'read_aio', 'write_aio', 'flush_to_disk', 'flush_to_os'].includes(String(value))) {
        throw new BlockError(`blkdebug event '${value}' is not supported`, ERRNO.EOPNOTSUPP);
      }
    } else if (key === 'state' || key === 'immediately') {
      if (String(value) !== '0' && value !== false && value !== 'off') {
        throw new BlockError(`blkdebug option '${key}' is not supported`, ERRNO.EOPNOTSUPP);
      }
    } else throw new BlockError(`Invalid parameter '${key}'`);
  }
  return rule;
}

export async function openBlkdebug(context: OpenContext, file: BlockNode): Promise<BlockNode> {
  const { options } = context;
  const rules: Rule[] = [];
  const config = options.get('config');
  options.delete('config');
  const align = options.get('align');
  options.delete('align');
  if (align !== undefined) {
    const bytes = toSize('align', align);
    if (!isPowerOf2(bytes) || bytes > 2 ** 31) throw new BlockError(`Cannot meet constraints with align ${bytes}`);
    // Requests need no alignment here, and every one has an alignment of a byte.
    if (bytes > 1) throw new BlockError("blkdebug option 'align' is not supported", ERRNO.EOPNOTSUPP);
  }
  if (config !== undefined) rules.push(...readConfig(String(config)).map(makeRule));
  const inline = extractSubtree(options, 'inject-error');
  for (let i = 0; ; i++) {
    const rule = extractSubtree(inline, String(i));
    if (rule.size === 0) break;
    rules.push(makeRule(rule));
  }
  return new BlkdebugNode(context.flags, file, rules);
}
