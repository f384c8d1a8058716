// Rules of the blkdebug driver: at which events errors begin to be injected or the state changes; reading them from options and files.
import fs from 'node:fs';
import { BlockError, ERRNO, errnoOf, strerror } from './errors.ts';
import { extractSubtree, OptionReader, type OptionTree, type OptionValue, toBool, toNumber } from './options.ts';

/** Kinds of requests a rule can be limited to. */
const IO_TYPES = ['read', 'write', 'write-zeroes', 'discard', 'flush', 'block-status'] as const;
export type IoType = (typeof IO_TYPES)[number];

/** Kinds an injected error applies to when the rule names none. */
const USUAL_IO_TYPES: readonly IoType[] = IO_TYPES.filter((type) => type !== 'block-status');

/** Events the layers above report (the names of BlkdebugEvent of the QMP schema). */
const EVENTS = [
  'l1_update',
  'l1_grow_alloc_table',
  'l1_grow_write_table',
  'l1_grow_activate_table',
  'l2_load',
  'l2_update',
  'l2_update_compressed',
  'l2_alloc_cow_read',
  'l2_alloc_write',
  'read_aio',
  'read_backing_aio',
  'read_compressed',
  'write_aio',
  'write_compressed',
  'vmstate_load',
  'vmstate_save',
  'cow_read',
  'cow_write',
  'reftable_load',
  'reftable_grow',
  'reftable_update',
  'refblock_load',
  'refblock_update',
  'refblock_update_part',
  'refblock_alloc',
  'refblock_alloc_hookup',
  'refblock_alloc_write',
  'refblock_alloc_write_blocks',
  'refblock_alloc_write_table',
  'refblock_alloc_switch_table',
  'cluster_alloc',
  'cluster_alloc_bytes',
  'cluster_free',
  'flush_to_os',
  'flush_to_disk',
  'pwritev_rmw_head',
  'pwritev_rmw_after_head',
  'pwritev_rmw_tail',
  'pwritev_rmw_after_tail',
  'pwritev',
  'pwritev_zero',
  'pwritev_done',
  'empty_image_prepare',
  'l1_shrink_write_table',
  'l1_shrink_free_l2_clusters',
  'cor_write',
  'cluster_alloc_space',
  'none',
] as const;

/** An error that is injected from its event on. */
interface InjectRule {
  kind: 'inject-error';
  event: string;
  /** State in which the rule counts, 0 for any. */
  state: number;
  errno: number;
  /** First byte of the sector a request must touch, or -1 for any request. */
  offset: number;
  once: boolean;
  /** The request fails before anything else gets its turn. */
  immediately: boolean;
  ioTypes: readonly IoType[];
}

interface StateRule {
  kind: 'set-state';
  event: string;
  state: number;
  newState: number;
}

export type Rule = InjectRule | StateRule;

/** The state machine of one node. */
export class Rules {
  private state = 1;
  /** Errors that are injected now. */
  private active: InjectRule[] = [];

  constructor(private rules: readonly Rule[]) {
    this.event('none');
  }

  /** An event of the layers above: rules for it that hold in this state come into force, in place of those of earlier events. */
  event(name: string): void {
    let next = this.state;
    let injecting = false;
    for (const rule of this.rules) {
      if (rule.event !== name || (rule.state !== 0 && rule.state !== this.state)) continue;
      if (rule.kind === 'set-state') {
        next = rule.newState;
        continue;
      }
      if (!injecting) this.active = [];
      injecting = true;
      this.active.push(rule);
    }
    this.state = next;
  }

  /** The error to be injected into a request; a rule for one error is used up by it. */
  errorFor(type: IoType, offset: number, bytes: number): { errno: number; immediately: boolean } | undefined {
    const rule = this.active.find(
      (r) =>
        r.ioTypes.includes(type) && (r.offset < 0 || (bytes > 0 && r.offset >= offset && r.offset < offset + bytes)),
    );
    if (!rule || rule.errno === 0) return undefined;
    if (rule.once) {
      this.active = this.active.filter((r) => r !== rule);
      this.rules = this.rules.filter((r) => r !== rule);
    }
    return rule;
  }
}

const RULE_KEYS: Record<Rule['kind'], readonly string[]> = {
  'inject-error': ['event', 'state', 'iotype', 'errno', 'sector', 'once', 'immediately'],
  'set-state': ['event', 'state', 'new_state'],
};

function oneOf<T extends string>(value: OptionValue, values: readonly T[]): T {
  if (!values.includes(value as T)) throw new BlockError(`invalid parameter value: ${value}`);
  return value as T;
}

/** A signed 32-bit number, from any that fits into 64 bits. */
function toInt32(name: string, value: OptionValue): number {
  return typeof value === 'number' ? value | 0 : toSigned(name, value) | 0;
}

function toSigned(name: string, value: OptionValue): number {
  const text = String(value);
  return text.startsWith('-') ? -toNumber(name, text.slice(1)) : toNumber(name, text);
}

function makeRule(kind: Rule['kind'], options: OptionTree): Rule {
  const get = <T>(key: string, otherwise: T, read: (key: string, value: OptionValue) => T): T =>
    options.has(key) ? read(key, options.get(key)!) : otherwise;
  // Numbers are looked at before names.
  const state = get('state', 0, toInt32);
  const newState = get('new_state', 0, toInt32);
  const errno = get('errno', ERRNO.EIO as number, toInt32);
  const sector = get('sector', -1, toSigned);
  const once = get('once', false, toBool);
  const immediately = get('immediately', false, toBool);
  if (!options.has('event')) throw new BlockError('Missing event name for rule');
  const event = oneOf(options.get('event')!, EVENTS);
  if (kind === 'set-state') return { kind, event, state, newState };
  const ioTypes = options.has('iotype') ? [oneOf(options.get('iotype')!, IO_TYPES)] : USUAL_IO_TYPES;
  return { kind, event, state, errno, offset: sector < 0 ? -1 : sector * 512, once, immediately, ioTypes };
}

/** Rules from a configuration file: sections `[inject-error]` and `[set-state]` with `key = "value"` lines. */
function readConfig(path: string): Rule[] {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (error) {
    throw new BlockError(`Could not read blkdebug config file: ${strerror(errnoOf(error))}`, errnoOf(error));
  }
  const sections: { kind: Rule['kind']; options: OptionTree }[] = [];
  for (const line of text.split('\n')) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    const head = /^\[([^\s"\]]+)(?: "[^"]*")?\]/.exec(line);
    const pair = /^\s*([^\s=]+)\s*=\s*(?:"([^"]*)")?/.exec(line);
    const section = sections.at(-1);
    if (head) {
      const kind = head[1] as Rule['kind'];
      if (!Object.hasOwn(RULE_KEYS, kind)) throw new BlockError(`There is no option group '${kind}'`);
      sections.push({ kind, options: new Map() });
    } else if (!section) throw new BlockError('no group defined');
    else if (!pair) throw new BlockError('parse error');
    else {
      if (!RULE_KEYS[section.kind].includes(pair[1]!)) throw new BlockError(`Invalid parameter '${pair[1]}'`);
      section.options.set(pair[1]!, pair[2] ?? '');
    }
  }
  return sections.map(({ kind, options }) => makeRule(kind, options));
}

/** Takes `inject-error.N.KEY` and `set-state.N.KEY` out of a node's options. */
function readInline(options: OptionTree, kind: Rule['kind']): Rule[] {
  const all = extractSubtree(options, kind);
  const out: Rule[] = [];
  for (let i = 0; ; i++) {
    const rule = extractSubtree(all, String(i));
    if (rule.size === 0) break;
    for (const key of rule.keys())
      if (!RULE_KEYS[kind].includes(key)) throw new BlockError(`[${kind}] section doesn't support the option '${key}'`);
    out.push(makeRule(kind, rule));
  }
  for (const key of all.keys()) throw new BlockError(`Unused option '${key}' for [${kind}]`);
  return out;
}

/** All rules of a node, from its configuration file and its options. */
export function readRules(options: OptionTree): Rules {
  const config = new OptionReader(options).string('config');
  return new Rules([
    ...(config === undefined ? [] : readConfig(config)),
    ...readInline(options, 'inject-error'),
    ...readInline(options, 'set-state'),
  ]);
}
