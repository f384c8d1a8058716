// Options as JSON: the object of a `json:{…}` pseudo-filename or of --object, read with the messages QEMU prints.
import { BlockError } from './errors.ts';
import { flatten, type OptionTree } from './options.ts';

const JSON_DEPTH_LIMIT = 1024;

/** Parses the object of a `json:{…}` pseudo-filename; strings may also stand in single quotes. */
export function parseJsonOptions(text: string): OptionTree {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof BlockError && !error.message.startsWith('Invalid'))
      throw error.prefixed('Could not parse the JSON options: ');
    throw error;
  }
}

/** A JSON object as a flat tree. */
export function parseJson(text: string): OptionTree {
  const value = new JsonParser(text).parse();
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new BlockError('Invalid JSON object given');
  }
  return flatten(value);
}

/** A JSON reader with the messages the tools print; the platform's own has neither them nor single quotes. */
class JsonParser {
  private at = 0;
  constructor(private readonly text: string) {}

  private fail(what: string): never {
    throw new BlockError(`JSON parse error, ${what}`);
  }

  parse(): unknown {
    this.space();
    if (this.at === this.text.length) throw new BlockError('Expecting a JSON value');
    const value = this.value(0);
    this.space();
    if (this.at < this.text.length) throw new BlockError('Expecting at most one JSON value');
    return value;
  }

  private space(): void {
    while (this.at < this.text.length && ' \t\r\n'.includes(this.text[this.at]!)) this.at++;
  }

  private peek(): string {
    this.space();
    const c = this.text[this.at];
    if (c === undefined) this.fail('premature EOI');
    return c;
  }

  private value(depth: number): unknown {
    if (depth > JSON_DEPTH_LIMIT) this.fail('input too deeply nested');
    const c = this.peek();
    if (c === '{') return this.object(depth);
    if (c === '[') return this.list(depth);
    if (c === '"' || c === "'") return this.string(c);
    const word = /^[a-z]+/.exec(this.text.slice(this.at, this.at + 16))?.[0];
    if (word) {
      this.at += word.length;
      if (word === 'true') return true;
      if (word === 'false') return false;
      if (word === 'null') return null;
      this.fail(`invalid keyword '${word}'`);
    }
    const number = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/.exec(this.text.slice(this.at, this.at + 64))?.[0];
    if (number) {
      this.at += number.length;
      return Number(number);
    }
    if ('}],:'.includes(c)) this.fail('expecting value');
    this.fail(`invalid token '${c}'`);
  }

  private string(quote: string): string {
    let out = '';
    this.at++;
    for (;;) {
      const c = this.text[this.at++];
      if (c === undefined) this.fail('unterminated string');
      if (c === quote) return out;
      if (c < ' ') this.fail('invalid control character in string');
      if (c !== '\\') {
        out += c;
        continue;
      }
      const e = this.text[this.at++] ?? '';
      const plain: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
      if ('"\'\\/'.includes(e) && e !== '') out += e;
      else if (plain[e]) out += plain[e];
      else if (e === 'u' && /^[0-9a-fA-F]{4}$/.test(this.text.slice(this.at, this.at + 4))) {
        out += String.fromCharCode(parseInt(this.text.slice(this.at, this.at + 4), 16));
        this.at += 4;
      } else this.fail(`invalid escape sequence '\\${e}' in string`);
    }
  }

  private object(depth: number): Record<string, unknown> {
    const out: Record<string, unknown> = Object.create(null);
    this.at++;
    if (this.peek() === '}') {
      this.at++;
      return out;
    }
    for (;;) {
      const c = this.peek();
      if (c !== '"' && c !== "'") this.fail('key is not a string in object');
      const key = this.string(c);
      if (this.peek() !== ':') this.fail('missing : in object pair');
      this.at++;
      if (key in out) this.fail('duplicate key');
      out[key] = this.value(depth + 1);
      const next = this.peek();
      this.at++;
      if (next === '}') return out;
      if (next !== ',') this.fail('expected separator in dict');
    }
  }

  private list(depth: number): unknown[] {
    const out: unknown[] = [];
    this.at++;
    if (this.peek() === ']') {
      this.at++;
      return out;
    }
    for (;;) {
      out.push(this.value(depth + 1));
      const next = this.peek();
      this.at++;
      if (next === ']') return out;
      if (next !== ',') this.fail('expected separator in list');
    }
  }
}
