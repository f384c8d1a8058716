// Option trees: key=value lists, json: objects and dotted keys, all kept as one flat map of dotted keys to values.
import { BlockError } from './errors.ts';
import { inKeyOrder } from './qdict.ts';
import { warn } from './warnings.ts';

export type OptionValue = string | number | boolean | null;

/** An option tree, flattened: `{file: {driver: 'file'}}` is kept as `file.driver`. */
export type OptionTree = Map<string, OptionValue>;

/** What a driver says of one of its options. */
export interface OptionSpec {
  type: 'string' | 'bool' | 'size' | 'number' | 'enum';
  /** Allowed values of an enum. */
  values?: readonly string[];
  /** Text for `-o help`. */
  help?: string;
  /** The value shown of a new image where none was given; nothing is shown if absent. */
  shown?: string;
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

const SIZE_HINT =
  'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.';

const SUFFIX_POWER: Record<string, number> = { b: 0, k: 1, m: 2, g: 3, t: 4, p: 5, e: 6 };

/**
 * A size such as `10M`, `1.5G`, `0x200` or `512b` in bytes; suffixes are powers of 1024. Undefined if it is none;
 * values of 2^64 and up come back as Infinity.
 */
export function parseSize(text: string): number | undefined {
  // (In hexadecimal, b and e are digits.)
  const hex = /^\s*\+?0x([0-9a-f]+)([kmgtp])?$/i.exec(text);
  if (hex) {
    const value = Number(BigInt(`0x${hex[1]}`)) * 1024 ** SUFFIX_POWER[hex[2]?.toLowerCase() ?? 'b']!;
    if (hex[2]) warn(`Using a multiplier suffix on hex numbers is deprecated: ${text}`);
    return value >= 2 ** 64 ? Infinity : value;
  }
  const m = /^\s*\+?(\d+)(\.\d*)?([bkmgtpe])?$/i.exec(text);
  if (!m) return undefined;
  const power = m[3] ? SUFFIX_POWER[m[3].toLowerCase()]! : 0;
  // A fraction of a byte makes no sense.
  if (power === 0 && m[2] !== undefined && Number(`${m[2]}0`) !== 0) return undefined;
  const unit = 1024 ** power;
  const whole = Number(m[1]) * unit;
  const value = whole + (m[2] && m[2] !== '.' ? Math.floor(Number(m[2]) * unit) : 0);
  return value >= 2 ** 64 ? Infinity : value;
}

/** A whole number as it is printed, also above 2^53 where JavaScript would round the digits. */
export function formatInteger(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : BigInt(value).toString();
}

/**
 * Splits `a=b,c=d` into pairs; a doubled comma stands for one. A leading value without `=` gets the name `implied`, any
 * other one means `on` (or `off` with a `no` prefix stripped, as the old syntax had it), of which `flagged` is told.
 */
export function parseKeyValueList(
  text: string,
  implied?: string,
  flagged?: (flag: string, name: string, value: string) => void,
): [string, string][] {
  const out: [string, string][] = [];
  let at = 0;
  let first = true;
  while (at < text.length) {
    const eq = text.indexOf('=', at);
    const comma = text.indexOf(',', at);
    let key: string;
    if (eq < 0 || (comma >= 0 && comma < eq)) {
      const { value, end } = takeValue(text, at);
      if (first && implied) {
        out.push([implied, value]);
      } else {
        if (value === 'help' || value === '?') {
          out.push([value, 'on']);
          at = end;
          first = false;
          continue;
        }
        const off = value.startsWith('no') && value !== 'node-name' && value.length > 2;
        out.push(off ? [value.slice(2), 'off'] : [value, 'on']);
        flagged?.(value, ...out.at(-1)!);
      }
      at = end;
    } else {
      key = text.slice(at, eq);
      const { value, end } = takeValue(text, eq + 1);
      out.push([key, value]);
      at = end;
    }
    first = false;
  }
  return out;
}

/** Refuses `-o` texts of which options may have got lost: empty ones, and those with a comma too many at either end. */
export function checkOptionTexts(texts: readonly string[]): void {
  for (const text of texts) {
    const commas = /,*$/.exec(text)![0].length;
    if (text === '' || text[0] === ',' || commas % 2 === 1) throw new BlockError(`Invalid option list: ${text}`);
  }
}

/** The value of a key=value list at a place, up to a comma that is not doubled, and where the next pair starts. */
export function takeValue(text: string, start: number): { value: string; end: number } {
  let value = '';
  let at = start;
  while (at < text.length) {
    const comma = text.indexOf(',', at);
    if (comma < 0) return { value: value + text.slice(at), end: text.length };
    value += text.slice(at, comma);
    if (text[comma + 1] !== ',') return { value, end: comma + 1 };
    value += ',';
    at = comma + 2;
  }
  return { value, end: at };
}

/** Doubles the commas of a value so that it survives parseKeyValueList. */
export function escapeCommas(value: string): string {
  return value.replaceAll(',', ',,');
}

/** A nested JSON object as a flat tree; lists become keys `0`, `1`, … */
export function flatten(value: unknown, prefix = '', into: OptionTree = new Map(), keepEmpty = false): OptionTree {
  // What stands in an object goes before the same said by a name with dots.
  const isDeep = ([, v]: [string, unknown]): number => Number(v !== null && typeof v === 'object');
  const entries = Object.entries(value as object);
  for (const [key, v] of entries.length > 1 ? entries.sort((a, b) => isDeep(a) - isDeep(b)) : entries) {
    const name = prefix + key;
    if (keepEmpty && v !== null && typeof v === 'object' && Object.keys(v).length === 0) {
      // Known options are as if not given, unknown ones are refused; "no backing file" is said by null alone.
      if (!/(^|\.)(file|image)$/.test(name)) into.set(name, /(^|\.)backing$/.test(name) ? false : null);
    } else if (v !== null && typeof v === 'object') flatten(v, `${name}.`, into, keepEmpty);
    else into.set(name, v as OptionValue);
  }
  return into;
}

/** A flat tree as a nested object; keys whose parts are all 0..n-1 become lists. */
export function unflatten(tree: OptionTree): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [key, value] of tree) {
    const parts = key.split('.');
    let at = root;
    for (const part of parts.slice(0, -1)) {
      const next = at[part];
      at = (next !== null && typeof next === 'object' ? next : (at[part] = {})) as Record<string, unknown>;
    }
    at[parts[parts.length - 1]!] = value;
  }
  return listsOf(root) as Record<string, unknown>;
}

function listsOf(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value);
  const isList = entries.length > 0 && entries.every(([k], i) => k === String(i));
  if (isList) return entries.map(([, v]) => listsOf(v));
  return Object.fromEntries(entries.map(([k, v]) => [k, listsOf(v)]));
}

/** Whether the tree has the option `name` or any `name.key`. */
export function hasSubtree(tree: OptionTree, name: string): boolean {
  for (const key of tree.keys()) if (key === name || key.startsWith(`${name}.`)) return true;
  return false;
}

/** Takes every `prefix.key` out of the tree, as a tree of its own without the prefix. */
export function extractSubtree(tree: OptionTree, prefix: string): OptionTree {
  const dotted = `${prefix}.`;
  const out: OptionTree = new Map();
  for (const [key, value] of tree) {
    if (!key.startsWith(dotted)) continue;
    out.set(key.slice(dotted.length), value);
    tree.delete(key);
  }
  return out;
}

/** A value as text, where a text is wanted. */
export function asText(v: OptionValue): string {
  return typeof v === 'boolean' ? (v ? 'on' : 'off') : String(v);
}

/** Whether a name is one that nodes, groups and objects may have. */
export function isIdentifier(name: string): boolean {
  return /^[a-zA-Z][-a-zA-Z0-9._]*$/.test(name);
}

/** Refuses names that are no identifiers. */
export function checkIdentifier(name: string, value: string): void {
  if (isIdentifier(value)) return;
  throw new BlockError(
    `Parameter '${name}' expects an identifier`,
    undefined,
    "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
  );
}

/** Refuses values that are not of their option's type, in the order in which QEMU looks at them. */
export function checkValueTypes(tree: OptionTree, types: Readonly<Record<string, 'bool' | 'size' | 'number'>>): void {
  const names = [...tree.keys()].filter((name) => Object.hasOwn(types, name));
  for (const name of names.length > 1 ? inKeyOrder(names) : names) {
    const value = tree.get(name);
    if (value === undefined || value === null) continue;
    if (types[name] === 'bool') toBool(name, value);
    else if (types[name] === 'size') toSize(name, value);
    else toNumber(name, value);
  }
}

/** Reads options out of a tree, each at most once; what is left over nobody knows. */
export class OptionReader {
  constructor(readonly tree: OptionTree) {}

  has(name: string): boolean {
    return this.tree.has(name);
  }

  private take(name: string): OptionValue | undefined {
    const value = this.tree.get(name);
    this.tree.delete(name);
    return value ?? undefined;
  }

  string(name: string): string | undefined {
    const v = this.take(name);
    return v === undefined ? undefined : asText(v);
  }

  bool(name: string): boolean | undefined {
    const v = this.take(name);
    return v === undefined ? undefined : toBool(name, v);
  }

  size(name: string): number | undefined {
    const v = this.take(name);
    return v === undefined ? undefined : toSize(name, v);
  }

  number(name: string): number | undefined {
    const v = this.take(name);
    return v === undefined ? undefined : toNumber(name, v);
  }

  enum<T extends string>(name: string, values: readonly T[]): T | undefined {
    const v = this.take(name);
    if (v === undefined) return undefined;
    return plainEnum(asText(v), values);
  }
}

export function toBool(name: string, v: OptionValue): boolean {
  if (v === true || v === 'on' || v === 'yes' || v === 'true' || v === 'y') return true;
  if (v === false || v === 'off' || v === 'no' || v === 'false' || v === 'n') return false;
  throw new BlockError(`Parameter '${name}' expects 'on' or 'off'`);
}

/** The complaint about a text that is no size. */
export function sizeError(name = 'size'): BlockError {
  return new BlockError(`Parameter '${name}' expects a non-negative number below 2^64`, undefined, SIZE_HINT);
}

export function toSize(name: string, v: OptionValue): number {
  const size = typeof v === 'number' && Number.isInteger(v) && v >= 0 ? v : parseSize(String(v));
  if (size === undefined) throw sizeError(name);
  if (size === Infinity) throw new BlockError(`Value '${v}' is out of range for parameter '${name}'`);
  return size;
}

/** A whole number of 64 bits; what is below zero wraps around. */
export function toUint64(name: string, v: OptionValue): bigint {
  const text = String(v);
  const m = /^\s*([-+]?)(?:(0x[0-9a-f]+|0|[1-9]\d*)|0([0-7]+))$/i.exec(text);
  if (!m) throw new BlockError(`Parameter '${name}' expects a number`);
  const size = BigInt(m[3] === undefined ? m[2]! : `0o${m[3]}`);
  if (size >= 2n ** 64n) throw new BlockError(`Value '${v}' is too large for parameter '${name}'`);
  return m[1] === '-' ? BigInt.asUintN(64, -size) : size;
}

export function toNumber(name: string, v: OptionValue): number {
  return Number(toUint64(name, v));
}

export function toEnum<T extends string>(name: string, v: OptionValue, values: readonly T[]): T {
  if (!values.includes(v as T)) throw new BlockError(`Parameter '${name}' does not accept value '${v}'`);
  return v as T;
}

/** How space for an image may be set aside. */
export const PREALLOCATION_MODES = ['off', 'metadata', 'falloc', 'full'] as const;

/** The same where the complaint names no option. */
export function plainEnum<T extends string>(v: OptionValue, values: readonly T[]): T {
  if (!values.includes(v as T)) throw new BlockError(`invalid parameter value: ${v}`);
  return v as T;
}

/** Checks a value given for creation or amendment against its row; the value itself is kept as text. */
export function checkOption(name: string, value: OptionValue, spec: OptionSpec): void {
  if (spec.type === 'bool') toBool(name, value);
  else if (spec.type === 'size') toSize(name, value);
  else if (spec.type === 'number') toNumber(name, value);
}
