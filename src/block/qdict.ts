// Key order and text of JSON output: keys come in the order of the hash table other tools keep them in.
import { bytesOfName } from './bytes.ts';

/**
 * Place of a key among 512 buckets (the hash of the trivial database library, seeded by the length). Found by comparing
 * the key order of other tools' output; only the order of printed keys depends on it.
 */
function bucketOf(key: string): number {
  const bytes = bytesOfName(key);
  let value = (0x238f13af * bytes.length) >>> 0;
  for (let i = 0; i < bytes.length; i++) value = (value + (bytes[i]! << ((i * 5) % 24))) >>> 0;
  return ((Math.imul(1103515243, value) + 12345) >>> 0) % 512;
}

/** Keys in the order in which an object is gone through. */
export function inKeyOrder(keys: readonly string[]): string[] {
  return Object.keys(inDictOrder(Object.fromEntries(keys.map((key) => [key, 0]))) as object);
}

/** The same value with every object's keys in output order. */
export function inDictOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inDictOrder);
  if (value === null || typeof value !== 'object') return value;
  const keys: { key: string; bucket: number; i: number }[] = [];
  for (const key of Object.keys(value)) {
    if ((value as Record<string, unknown>)[key] !== undefined)
      keys.push({ key, bucket: bucketOf(key), i: keys.length });
  }
  // Within a bucket the newest key comes first.
  keys.sort((a, b) => a.bucket - b.bucket || b.i - a.i);
  const out = Object.create(null) as Record<string, unknown>;
  for (const { key } of keys) out[key] = inDictOrder((value as Record<string, unknown>)[key]);
  return out;
}

function quote(text: string): string {
  let out = '"';
  for (const c of text) {
    const code = c.codePointAt(0)!;
    if (c === '"' || c === '\\') out += `\\${c}`;
    else if (c === '\b') out += '\\b';
    else if (c === '\f') out += '\\f';
    else if (c === '\n') out += '\\n';
    else if (c === '\r') out += '\\r';
    else if (c === '\t') out += '\\t';
    else if (code >= 0xd800 && code < 0xe000) out += '\\uFFFD';
    else if (code < 0x20 || code >= 0x7f) {
      for (let i = 0; i < c.length; i++) out += `\\u${c.charCodeAt(i).toString(16).toUpperCase().padStart(4, '0')}`;
    } else out += c;
  }
  return `${out}"`;
}

function scalar(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number' && !Number.isSafeInteger(value) && Number.isInteger(value))
    return BigInt(value).toString();
  return String(value);
}

/** JSON in four-space indentation, keys as they are. */
export function prettyJson(value: unknown, indent = ''): string {
  if (value === null || typeof value !== 'object') return scalar(value);
  const inner = `${indent}    `;
  if (Array.isArray(value)) {
    return value.length === 0
      ? `[\n${indent}]`
      : `[\n${value.map((v) => inner + prettyJson(v, inner)).join(',\n')}\n${indent}]`;
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return `{\n${indent}}`;
  return `{\n${entries.map(([k, v]) => `${inner}${quote(k)}: ${prettyJson(v, inner)}`).join(',\n')}\n${indent}}`;
}

/** JSON on one line with a space after commas and colons. */
export function compactJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return scalar(value);
  if (Array.isArray(value)) return `[${value.map(compactJson).join(', ')}]`;
  return `{${Object.entries(value)
    .map(([k, v]) => `${quote(k)}: ${compactJson(v)}`)
    .join(', ')}}`;
}
