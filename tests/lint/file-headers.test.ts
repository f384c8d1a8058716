/** Every file says in its first sentence what belongs in it, stays readable in size, and its folder is on the README's tour. */

import { expect, test } from 'bun:test';
import { dirname } from 'node:path';
import { readSource, repositoryFiles, SOURCE_FOLDERS, sourceFiles } from './source-files.ts';

/** Lines a file may have; longer ones are split by subject. */
const MAX_LINES = 800;

/** Files that are nothing but rows of a table may be longer. */
const TABLE_FILE = /(^|\/)(insns|table|opcodes)[^/]*\.ts$/;

test('every source file opens with a comment sentence', () => {
  const sentence = /^(#![^\n]*\n)?(\/\/ [A-Z'"`<\w][^\n]*(\n\/\/[^\n]*)*|\/\*\*?\s[\s\S]*?\*\/)/;
  const without = sourceFiles().filter((file) => {
    const header = sentence.exec(readSource(file))?.[0];
    return !header || !/\w[\w'`)"*>\]]*[.:;?!]/.test(header);
  });
  expect(without).toEqual([]);
});

test(`no file but tables is longer than ${MAX_LINES} lines`, () => {
  const lines = (file: string) => readSource(file).split('\n').length - 1;
  const long = sourceFiles().filter((file) => !TABLE_FILE.test(file) && lines(file) > MAX_LINES);
  expect(long.map((file) => `${file}: ${lines(file)} lines`)).toEqual([]);
});

test('the grand tour of README.md has a line for every source folder, and no other', () => {
  const readme = readSource('README.md');
  const toured = [...readme.matchAll(/^\| `([^`]+)\/` \|/gm)].map((row) => row[1]!);
  const folders = new Set<string>();
  for (const file of repositoryFiles()) {
    if (!SOURCE_FOLDERS.some((dir) => file.startsWith(`${dir}/`))) continue;
    // A test program, golden guest or mirrored unit test folder is covered by the line of its parent.
    const dir = dirname(file)
      .replace(/^(tests\/[^/]+)\/.*/, '$1')
      .replace(/^(targets\/[^/]+)\/.*/, '$1');
    folders.add(dir);
  }
  for (const dir of SOURCE_FOLDERS) folders.delete(dir);
  expect([...folders].filter((dir) => !toured.includes(dir)).sort()).toEqual([]);
  expect(toured.filter((dir) => !repositoryFiles().some((file) => file.startsWith(`${dir}/`)))).toEqual([]);
});
