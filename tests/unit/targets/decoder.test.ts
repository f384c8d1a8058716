/** The shared decoder of fixed-width instruction sets: patterns, fields, declared and undeclared overlaps. */

import { describe, expect, test } from 'bun:test';
import { DECODERS } from '../../../targets/arm/insns.ts';
import { Decoder, type FieldSink, OverlapError, readFields } from '../../../targets/decode/decoder.ts';
import { Encoding } from '../../../targets/decode/pattern.ts';

describe('rows', () => {
  test('a field in several places is one number, its bits in order', () => {
    const row = new Encoding('X', '1iii0000 ddd10iii', '', '', '', 0, 16);
    const fields: FieldSink = {};
    readFields(row, 0b1101_0000_0111_0010, fields);
    expect(fields).toEqual({ i: 0b101_010, d: 0b011 });
  });

  test('attributes give constants and copies', () => {
    const row = new Encoding('X', '00000000 00000ddd', '', '', 'n=d S=2', 0, 16);
    const fields: FieldSink = {};
    readFields(row, 5, fields);
    expect(fields).toEqual({ d: 5, n: 5, S: 2 });
  });

  test('what cannot be read is an error', () => {
    expect(() => new Encoding('X', '0000', '', '', '', 0, 16)).toThrow('4 bits');
    expect(() => new Encoding('X', '00000000 00000ddd', '', '', 'n=e', 0, 16)).toThrow("'n=e'");
  });
});

describe('overlaps', () => {
  test('undeclared ones are refused, when all are checked and when an instruction meets them', () => {
    const rows = [
      ['A', '0000---- --------', '', ''],
      ['B', '----1111 --------', '', ''],
    ] as const;
    const decoder = new Decoder(rows, 16);
    expect(() => decoder.check()).toThrow(OverlapError);
    expect(() => decoder.find(0x0f00)).toThrow(OverlapError);
  });

  test('declared ones are decided by priority', () => {
    const decoder = new Decoder(
      [
        ['A', '0000---- --------', '', ''],
        ['B', '----1111 --------', '', '', 'over1'],
      ],
      16,
    );
    decoder.check();
    expect(decoder.find(0x0f00)?.name).toBe('B');
    expect(decoder.find(0x0e00)?.name).toBe('A');
    expect(decoder.find(0x1e00)).toBeNull();
  });
});

describe('tables of guests', () => {
  for (const [name, decoder] of Object.entries(DECODERS)) {
    test(`arm ${name} has no undeclared overlap, and each row is found by its own bits`, () => {
      decoder.check();
      for (const row of decoder.rows()) {
        const found = decoder.find(row.value);
        expect(found === row || found!.priority > row.priority).toBe(true);
      }
    });
  }
});
