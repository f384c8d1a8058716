/** Tests of src/util/bits.ts against BigInt and string arithmetic. */

import { expect, test } from 'bun:test';
import * as bits from '../../../src/util/bits.ts';
import fc from '../../setup/properties.ts';

const int32 = fc.integer();

/** The 32 binary digits of a number. */
function digits(v: number): string {
  return (v >>> 0).toString(2).padStart(32, '0');
}

test('rotations move digits around', () => {
  fc.assert(
    fc.property(int32, fc.integer({ min: 0, max: 31 }), (v, n) => {
      const d = digits(v);
      expect(digits(bits.rotl32(v, n))).toBe(d.slice(n) + d.slice(0, n));
      expect(bits.rotr32(bits.rotl32(v, n), n)).toBe(v);
    }),
  );
});

test('counts agree with the digits, also for 0 and -1', () => {
  fc.assert(
    fc.property(fc.oneof(int32, fc.constantFrom(0, -1, 1, -0x80000000)), (v) => {
      const d = digits(v);
      expect(bits.popcount32(v)).toBe(d.replaceAll('0', '').length);
      expect(bits.clz32(v)).toBe(v === 0 ? 32 : d.indexOf('1'));
      expect(bits.ctz32(v)).toBe(v === 0 ? 32 : 31 - d.lastIndexOf('1'));
    }),
  );
});

test('byte swaps', () => {
  expect(bits.bswap32(0x11223344)).toBe(0x44332211);
  expect(bits.bswap32(0x11223384)).toBe(0x84332211 | 0);
  expect(bits.bswap16(0xffff1234)).toBe(0x3412);
});

test('extensions keep the low bits', () => {
  expect(bits.signExtend32(0x80, 8)).toBe(-128);
  expect(bits.signExtend32(0x7f, 8)).toBe(127);
  expect(bits.signExtend32(-5, 32)).toBe(-5);
  expect(bits.zeroExtend32(-1, 32)).toBe(0xffffffff);
  expect(bits.zeroExtend32(-1, 31)).toBe(0x7fffffff);
  expect(bits.zeroExtend32(-1, 0)).toBe(0);
});

test('fields: what is deposited is extracted, the rest stays', () => {
  const field = fc
    .integer({ min: 0, max: 31 })
    .chain((pos) => fc.tuple(fc.constant(pos), fc.integer({ min: 1, max: 32 - pos })));
  fc.assert(
    fc.property(int32, int32, field, (v, f, [pos, len]) => {
      const r = bits.deposit32(v, pos, len, f);
      const wanted = digits(f).slice(32 - len);
      const d = digits(v);
      expect(digits(r)).toBe(d.slice(0, 32 - pos - len) + wanted + d.slice(32 - pos));
      expect(bits.extract32(r, pos, len)).toBe(Number.parseInt(wanted, 2));
      expect(bits.sextract32(r, pos, len)).toBe(bits.signExtend32(f, len));
    }),
  );
});

test('alignment works above 32 bits', () => {
  expect(bits.alignDown(0x1_0000_0fff, 0x1000)).toBe(0x1_0000_0000);
  expect(bits.alignUp(0xffff_f001, 0x1000)).toBe(0x1_0000_0000);
  expect(bits.alignUp(0x2000, 0x1000)).toBe(0x2000);
  expect([0, 1, 3, 4096, 0x80000000, -0x80000000].map(bits.isPowerOfTwo)).toEqual([
    false,
    true,
    false,
    true,
    true,
    true,
  ]);
});
