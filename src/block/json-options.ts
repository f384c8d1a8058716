// Options as JSON: the object of a `json:{…}` pseudo-filename or of --object, read with the messages QEMU prints.
import { bytesOfName, nameOfBytes } from './bytes.ts';
import { BlockError } from './errors.ts';
import { flatten, type OptionTree } from './options.ts';

const JSON_DEPTH_LIMIT = 1024;

/** Parses the object of a `json:{…}` pseudo-filename; strings may also stand in single quotes. */
export function parseJsonOptions(text: string): OptionTree {
  try {
    return parseJson(text, true);
  } catch (error) {
    if (error instanceof BlockError && !error.message.startsWith('Invalid'))
      throw error.prefixed('Could not parse the JSON options: ');
    throw error;
  }
}

/** A JSON object as a flat tree; `keepEmpty`: lists and objects with nothing in them leave a trace. */
export function parseJson(text: string, keepEmpty = false): OptionTree {
  const value = new JsonParser(text).parse();
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new BlockError('Invalid JSON object given');
  }
  return flatten(value, '', new Map(), keepEmpty);
}

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/;

/** Whole numbers too large for a double keep their digits, as text; what is longer than 64 bits has a double's. */
function numberOf(text: string): number | string {
  const value = Number(text);
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value;
  if (value === Infinity) return 'inf';
  if (value === -Infinity) return '-inf';
  const whole = /^-?\d+$/.test(text);
  if (whole && BigInt(text) < 2n ** 64n && BigInt(text) >= -(2n ** 63n)) return text;
  return value.toExponential();
}

/** What may stand in JSON, piece by piece; a piece that goes wrong ends with the character that is wrong. */
const PIECE =
  /[\s{}[\],:]+|[a-z]+|"(?:[^"\\\0-\x1f]|\\[^\0-\x1f])*(?:"|\\?[\0-\x1f]|\\?$)|'(?:[^'\\\0-\x1f]|\\[^\0-\x1f])*(?:'|\\?[\0-\x1f]|\\?$)|-?(?:0|[1-9]\d*)(?!\d)(?:\.\d+(?!\d)|(?!\.))(?:[eE][-+]?\d+|(?![eE]))/y;
const WRONG_NUMBER = /-?(?:0\d|(?:0|[1-9]\d*)(?:\.\d+)?[eE][-+]?.?|(?:0|[1-9]\d*)\..?|.?)/sy;

/** Complains about the first piece that is none, before what the others mean is looked at. */
function refuseStray(text: string): void {
  for (let at = 0; at < text.length; ) {
    PIECE.lastIndex = at;
    const piece = PIECE.exec(text)?.[0];
    if (piece) {
      const quote = piece[0]!;
      if ((quote === '"' || quote === "'") && (piece.length === 1 || piece.at(-1) !== quote))
        throw new BlockError(`JSON parse error, stray '${piece}'`);
      at += piece.length;
      continue;
    }
    WRONG_NUMBER.lastIndex = at;
    const number = /[-0-9]/.test(text[at]!) ? WRONG_NUMBER.exec(text)?.[0] : undefined;
    // (Of a longer character its first byte.)
    const stray = number || nameOfBytes(bytesOfName(String.fromCodePoint(text.codePointAt(at)!)).subarray(0, 1));
    throw new BlockError(`JSON parse error, stray '${stray}'`);
  }
}

/** A JSON reader with the messages the tools print; the platform's own has neither them nor single quotes. */
class JsonParser {
  private at = 0;
  constructor(private readonly text: string) {
    refuseStray(text);
  }

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
    const number = NUMBER.exec(this.text.slice(this.at, this.at + 64))?.[0];
    if (number) {
      this.at += number.length;
      return numberOf(number);
    }
    this.fail('expecting value');
  }

  private string(quote: string): string {
    let out = '';
    this.at++;
    for (;;) {
      const c = this.text[this.at++]!;
      if (c === quote) return out;
      if (c !== '\\') {
        out += c;
        continue;
      }
      const e = this.text[this.at++]!;
      const plain: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };
      if ('"\'\\/'.includes(e)) out += e;
      else if (plain[e]) out += plain[e];
      else if (e === 'u') out += this.escaped();
      else this.fail('invalid escape sequence in string');
    }
  }

  /** The character that four digits after a `\u` mean, or two such escapes; the first `\u` has been read. */
  private escaped(): string {
    const start = this.at - 2;
    const unit = (): number => {
      const hex = /^[0-9a-fA-F]{4}/.exec(this.text.slice(this.at, this.at + 4))?.[0];
      if (hex === undefined) return -1;
      this.at += 4;
      return parseInt(hex, 16);
    };
    const first = unit();
    // What is no character ends names elsewhere; in two bytes it does not.
    if (first === 0) return nameOfBytes(Uint8Array.of(0xc0, 0x80));
    if (first >= 0 && (first < 0xd800 || first >= 0xe000)) return String.fromCharCode(first);
    if (first >= 0 && first < 0xdc00 && this.text.startsWith('\\u', this.at)) {
      this.at += 2;
      const second = unit();
      if (second >= 0xdc00 && second < 0xe000) return String.fromCharCode(first, second);
    }
    const shown = /^[^"']*["']?/.exec(this.text.slice(start, start + 6))![0];
    return this.fail(`${shown} is not a valid Unicode character`);
  }

  private object(depth: number): Record<string, unknown> {
    const out: Record<string, unknown> = Object.create(null);
    this.at++;
    if (this.peek() === '}') {
      this.at++;
      return out;
    }
    for (;;) {
      const key = this.value(depth + 1);
      if (typeof key !== 'string' || !'"\''.includes(this.text[this.at - 1]!))
        this.fail('key is not a string in object');
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
