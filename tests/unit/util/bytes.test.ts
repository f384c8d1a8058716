/** Tests of src/util/bytes.ts, leb128.ts and hex.ts; DataView and BigInt are the independent opinion. */

import { expect, test } from 'bun:test';
import * as bytes from '../../../src/util/bytes.ts';
import * as hex from '../../../src/util/hex.ts';
import * as leb from '../../../src/util/leb128.ts';
import fc from '../../setup/properties.ts';

test('reads and writes agree with DataView', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 4 }), (v, at) => {
      const b = new Uint8Array(8);
      const view = new DataView(b.buffer);
      bytes.writeU32le(b, at, v);
      expect(view.getInt32(at, true)).toBe(v);
      expect(bytes.readU32le(b, at)).toBe(v >>> 0);
      expect(bytes.readU16le(b, at)).toBe(v & 0xffff);
      bytes.writeU32be(b, at, v);
      expect(view.getInt32(at)).toBe(v);
      expect(bytes.readU32be(b, at)).toBe(v >>> 0);
      bytes.writeU16be(b, at, v);
      expect(view.getUint16(at)).toBe(v & 0xffff);
      expect(bytes.readU16be(b, at)).toBe(v & 0xffff);
      bytes.writeU16le(b, at, v);
      expect(view.getUint16(at, true)).toBe(v & 0xffff);
    }),
  );
});

test('every byte survives the latin1 form', () => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  expect(bytes.bytesFromLatin1(bytes.latin1FromBytes(all))).toEqual(all);
  expect(bytes.latin1FromBytes(all.subarray(0xe9, 0xea))).toBe('é');
  expect(bytes.cStringAt(all, 250)).toEqual(all.subarray(250));
  expect(bytes.cStringAt(Uint8Array.of(1, 2, 0, 3), 0)).toEqual(Uint8Array.of(1, 2));
});

test('buffer grows and keeps its content', () => {
  const out = new bytes.ByteBuffer(1);
  for (let i = 0; i < 1000; i++) out.u8(i);
  out.u32le(0x04030201);
  out.bytes([5, 6]);
  const copy = new bytes.ByteBuffer();
  copy.buffer(out);
  expect(copy.length).toBe(1006);
  expect(copy.toBytes().subarray(998)).toEqual(Uint8Array.of(998 & 255, 999 & 255, 1, 2, 3, 4, 5, 6));
  expect(bytes.bytesEqual(copy.view(), bytes.concatBytes(out.view().subarray(0, 7), out.view().subarray(7)))).toBe(
    true,
  );
});

test('LEB128: the examples of the DWARF standard, figures 22 and 23', () => {
  const signed: [number, number[]][] = [
    [2, [2]],
    [-2, [0x7e]],
    [127, [0xff, 0]],
    [-127, [0x81, 0x7f]],
    [128, [0x80, 1]],
    [-128, [0x80, 0x7f]],
    [129, [0x81, 1]],
    [-129, [0xff, 0x7e]],
  ];
  for (const [v, wanted] of signed) {
    const out = new bytes.ByteBuffer();
    leb.appendS32(out, v);
    expect([...out.view()]).toEqual(wanted);
  }
  const out = new bytes.ByteBuffer();
  leb.appendU32(out, 12857);
  expect([...out.view()]).toEqual([0x39 + 0x80, 100]);
});

test('LEB128: what is written reads back', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), fc.integer(), (wide, narrow) => {
      const out = new bytes.ByteBuffer();
      leb.appendS64BigInt(out, wide);
      expect(leb.readS64(out.view(), 0)).toEqual({ value: wide, next: out.length });
      out.clear();
      leb.appendS32(out, narrow);
      expect(leb.readS64(out.view(), 0)).toEqual({ value: BigInt(narrow), next: out.length });
      expect(out.length).toBeLessThanOrEqual(5);
      out.clear();
      leb.appendU32(out, narrow);
      expect(leb.readU32(out.view(), 0)).toEqual({ value: narrow >>> 0, next: out.length });
      out.clear();
      leb.appendU32Fixed(out, narrow);
      expect(leb.readU32(out.view(), 0)).toEqual({ value: narrow >>> 0, next: 5 });
    }),
  );
  expect(() => leb.readU32(Uint8Array.of(0x80, 0x80), 0)).toThrow(RangeError);
});

test('hex text', () => {
  expect(hex.hex32(-1)).toBe('ffffffff');
  expect(hex.hex(255, 4)).toBe('00ff');
  expect(hex.hex64(-1n)).toBe('ffffffffffffffff');
  expect(hex.hexToBytes('0f a2\n00')).toEqual(Uint8Array.of(0x0f, 0xa2, 0));
  expect(hex.bytesToHex(Uint8Array.of(1, 0xab), ' ')).toBe('01 ab');
  expect(() => hex.hexToBytes('0g')).toThrow(RangeError);
  expect(hex.hexDump(new Uint8Array([0x41, 0x00]), 0x1000)).toBe(`00001000  ${'41 00'.padEnd(47)}  |A.|\n`);
});
