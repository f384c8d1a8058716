// The shared decoder of fixed-width instruction sets: finds the row of an instruction word; built piece by piece on demand.
import { Encoding, type RowSpec } from './pattern.ts';

/** Bits of the instruction that rows are filed by, at most. */
const SELECT_BITS = 14;

/** Thrown when two rows fit the same instruction and neither says that it wins. */
export class OverlapError extends Error {
  constructor(a: Encoding, b: Encoding) {
    super(`rows ${a.name} (${a.pattern}) and ${b.name} (${b.pattern}) overlap`);
  }
}

/** What a decoded instruction's fields are written to: numbers by letter. */
export type FieldSink = Record<string, number>;

/**
 * Finds rows. Nothing is parsed before the first instruction is looked up, and a list of candidate rows is made when the
 * first instruction of its kind is: a program uses a small part of an instruction set, and starting must be quick.
 */
export class Decoder {
  private encodings: Encoding[] | null = null;
  private select = 0;
  private readonly buckets = new Map<number, readonly Encoding[]>();

  constructor(
    private readonly specs: readonly RowSpec[],
    /** Bits of an instruction. */
    private readonly width: 16 | 32 = 32,
  ) {}

  /** All rows, parsed. */
  rows(): readonly Encoding[] {
    if (this.encodings) return this.encodings;
    const { specs, width } = this;
    this.encodings = specs.map(
      ([name, pattern, feature, operands, attributes = ''], index) =>
        new Encoding(name, pattern, feature, operands, attributes, index, width),
    );
    this.select = selectiveBits(this.encodings);
    return this.encodings;
  }

  /** The row that an instruction word belongs to, or null: undefined. Throws OverlapError where the table is wrong. */
  find(word: number): Encoding | null {
    if (!this.encodings) this.rows();
    const key = word & this.select;
    let bucket = this.buckets.get(key);
    if (bucket === undefined) this.buckets.set(key, (bucket = this.candidates(key)));
    for (const encoding of bucket) if (((word ^ encoding.value) & encoding.mask) === 0) return encoding;
    return null;
  }

  private candidates(key: number): Encoding[] {
    const { select } = this;
    const found = this.rows().filter((row) => ((row.value ^ key) & row.mask & select) === 0);
    found.sort((a, b) => b.priority - a.priority);
    for (let i = 0; i < found.length; i++) {
      for (let j = i + 1; j < found.length && found[j]!.priority === found[i]!.priority; j++) {
        if (found[i]!.overlaps(found[j]!)) throw new OverlapError(found[i]!, found[j]!);
      }
    }
    return found;
  }

  /** Looks at all pairs of rows; throws OverlapError for the first that overlap undeclared. */
  check(): void {
    const rows = this.rows();
    for (let i = 0; i < rows.length; i++) {
      for (let j = i + 1; j < rows.length; j++) {
        if (rows[i]!.priority === rows[j]!.priority && rows[i]!.overlaps(rows[j]!)) {
          throw new OverlapError(rows[i]!, rows[j]!);
        }
      }
    }
  }
}

/** The bits that most rows fix. */
function selectiveBits(rows: readonly Encoding[]): number {
  const counts = Array.from({ length: 32 }, (_, bit) => ({
    bit,
    rows: rows.reduce((sum, row) => sum + ((row.mask >>> bit) & 1), 0),
  }));
  counts.sort((a, b) => b.rows - a.rows);
  let mask = 0;
  for (const { bit, rows: n } of counts.slice(0, SELECT_BITS)) if (n > 0) mask |= 1 << bit;
  return mask;
}

/** Writes the fields of an instruction; fields the row does not have are left alone. */
export function readFields(encoding: Encoding, word: number, sink: FieldSink): void {
  const { pieces, constants, copies } = encoding;
  for (const { field, from, to, mask } of pieces) {
    const bits = (word >>> from) & mask;
    sink[field] = to === 0 ? bits : sink[field]! | (bits << to);
  }
  for (const [field, value] of constants) sink[field] = value;
  for (const [field, of] of copies) sink[field] = sink[of]!;
}
