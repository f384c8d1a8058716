// Encoding rows of fixed-width instruction sets: bit patterns with named fields, parsed to masks and field positions.

/**
 * One row as a guest's table writes it: name (the manual's mnemonic, behind `_` the form), bit pattern from the most
 * significant bit, feature ('' for always), operands for the disassembler, attributes.
 *
 * In the pattern `0` and `1` are fixed, a letter is a field (a letter that occurs in several places is one field, its bits in
 * order), `-` is a bit the processor ignores. Blanks are for the reader. Attributes, separated by blanks:
 * - `x=y` or `x=7`: a field that the pattern does not have, equal to another one or constant;
 * - `over` with a number from 1: the row wins over those with a smaller number that it overlaps; without it an overlap is
 *   an error;
 * - `?name`: a rule of the guest's about operands that the manual leaves open.
 */
export type RowSpec = readonly [name: string, pattern: string, feature: string, operands: string, attributes?: string];

/** A piece of a field: `width` bits of the instruction from bit `from`, which are the field's bits from `to` up. */
export interface FieldPiece {
  readonly field: string;
  readonly from: number;
  readonly to: number;
  readonly mask: number;
}

/** A parsed row. */
export class Encoding {
  /** The name's part before `_`. */
  readonly mnemonic: string;
  /** Bits that are fixed, and their values; unsigned. */
  readonly mask: number;
  readonly value: number;
  readonly pieces: readonly FieldPiece[];
  /** Fields equal to others, and constant ones. */
  readonly copies: readonly (readonly [field: string, of: string])[];
  readonly constants: readonly (readonly [field: string, value: number])[];
  /** What `over` says; 0 without it. */
  readonly priority: number;
  /** Names behind `?`. */
  readonly unpredictable: readonly string[];

  constructor(
    readonly name: string,
    readonly pattern: string,
    readonly feature: string,
    readonly operands: string,
    attributes: string,
    /** Position among all rows of the decoder. */
    readonly index: number,
    width: number,
  ) {
    this.mnemonic = name.split('_', 1)[0]!;
    const bits = pattern.replaceAll(' ', '');
    if (bits.length !== width) throw new Error(`row ${name}: the pattern has ${bits.length} bits, not ${width}`);
    let mask = 0;
    let value = 0;
    const widths = new Map<string, number>();
    const pieces: FieldPiece[] = [];
    // From bit 0 up, so that the width so far is where the next piece of a field goes.
    for (let bit = 0; bit < width; ) {
      const char = bits[width - 1 - bit]!;
      let length = 1;
      if (char === '0' || char === '1') {
        mask |= 1 << bit;
        if (char === '1') value |= 1 << bit;
      } else if (char !== '-') {
        while (bit + length < width && bits[width - 1 - bit - length] === char) length++;
        const to = widths.get(char) ?? 0;
        pieces.push({ field: char, from: bit, to, mask: length === 32 ? -1 : (1 << length) - 1 });
        widths.set(char, to + length);
      }
      bit += length;
    }
    this.mask = mask >>> 0;
    this.value = value >>> 0;
    this.pieces = pieces;
    const copies: [string, string][] = [];
    const constants: [string, number][] = [];
    const unpredictable: string[] = [];
    let priority = 0;
    for (const item of attributes === '' ? [] : attributes.split(' ')) {
      if (item.startsWith('?')) {
        unpredictable.push(item.slice(1));
        continue;
      }
      const [field, of = ''] = item.split('=');
      if (/^over\d+$/.test(item)) priority = Number(item.slice(4));
      else if (/^[A-Za-z]=\d+$/.test(item)) constants.push([field!, Number(of)]);
      else if (/^[A-Za-z]=[A-Za-z]$/.test(item) && widths.has(of)) copies.push([field!, of]);
      else throw new Error(`row ${name}: cannot read the attribute '${item}'`);
    }
    this.copies = copies;
    this.constants = constants;
    this.priority = priority;
    this.unpredictable = unpredictable;
  }

  /** Whether some instruction fits both rows. */
  overlaps(other: Encoding): boolean {
    return ((this.value ^ other.value) & this.mask & other.mask) === 0;
  }
}
