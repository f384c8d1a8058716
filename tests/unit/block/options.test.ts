// Option syntax: sizes, key=value lists, json: objects, trees and their errors.
import { expect, test } from 'bun:test';
import { parseJsonOptions } from '../../../src/block/json-options.ts';
import {
  extractSubtree,
  flatten,
  formatInteger,
  OptionReader,
  parseKeyValueList,
  parseSize,
  unflatten,
} from '../../../src/block/options.ts';
import { compactJson, inDictOrder, prettyJson } from '../../../src/block/qdict.ts';

test('sizes take suffixes, fractions and hexadecimal', () => {
  expect([parseSize('1k'), parseSize('1.5G'), parseSize('0x200'), parseSize('512b'), parseSize('7E')]).toEqual([
    1024,
    1610612736,
    512,
    512,
    7 * 2 ** 60,
  ]);
  expect([parseSize('1kk'), parseSize('-5'), parseSize(''), parseSize('1.5'), parseSize('.')]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(parseSize('16E')).toBe(Infinity);
  expect(formatInteger(7 * 2 ** 60)).toBe('8070450532247928832');
});

test('lists keep doubled commas and give bare words a meaning', () => {
  expect(parseKeyValueList('a=1,b=x,,y,c=')).toEqual([
    ['a', '1'],
    ['b', 'x,y'],
    ['c', ''],
  ]);
  expect(parseKeyValueList('image,,1.raw,driver=raw', 'file')).toEqual([
    ['file', 'image,1.raw'],
    ['driver', 'raw'],
  ]);
  expect(parseKeyValueList('flag,nocache')).toEqual([
    ['flag', 'on'],
    ['cache', 'off'],
  ]);
});

test('trees are flattened and put together again', () => {
  const tree = flatten({ driver: 'qcow2', file: { driver: 'file', filename: 'x' }, list: ['a', 'b'], off: null });
  expect(tree.get('file.filename')).toBe('x');
  expect(tree.get('list.1')).toBe('b');
  expect(unflatten(tree)).toEqual({
    driver: 'qcow2',
    file: { driver: 'file', filename: 'x' },
    list: ['a', 'b'],
    off: null,
  });
  expect([...extractSubtree(tree, 'file')]).toEqual([
    ['driver', 'file'],
    ['filename', 'x'],
  ]);
  expect(tree.has('file.driver')).toBe(false);
});

test('json: takes both quotes and says what is wrong', () => {
  expect([...parseJsonOptions(`{'a': "b", "c": {"d": true}}`)]).toEqual([
    ['a', 'b'],
    ['c.d', true],
  ]);
  expect(() => parseJsonOptions('{"a"')).toThrow('JSON parse error, premature EOI');
  expect(() => parseJsonOptions('[1]')).toThrow('Invalid JSON object given');
  expect(() => parseJsonOptions('{"a": nul}')).toThrow("invalid keyword 'nul'");
  expect(() => parseJsonOptions('{"a":'.repeat(3000))).toThrow('too deeply nested');
});

test('typed reads name the option and what it wants', () => {
  const r = new OptionReader(
    new Map([
      ['b', 'maybe'],
      ['s', 'x'],
      ['n', '1x'],
    ]),
  );
  expect(() => r.bool('b')).toThrow("Parameter 'b' expects 'on' or 'off'");
  expect(() => r.size('s')).toThrow("Parameter 's' expects a non-negative number below 2^64");
  expect(() => r.number('n')).toThrow("Parameter 'n' expects a number");
  expect(r.string('missing')).toBeUndefined();
});

test('JSON output keeps the key order of other tools', () => {
  const value = { 'dirty-flag': false, format: 'qcow2', filename: 'a', 'virtual-size': 1, 'cluster-size': 65536 };
  expect(Object.keys(inDictOrder(value) as object)).toEqual([
    'virtual-size',
    'filename',
    'cluster-size',
    'format',
    'dirty-flag',
  ]);
  expect(prettyJson({ a: [], b: { c: 1 } })).toBe('{\n    "a": [\n    ],\n    "b": {\n        "c": 1\n    }\n}');
  expect(compactJson({ a: 'x"\n' })).toBe('{"a": "x\\"\\n"}');
});
