// What children of a fork tell their parent, and what a code cache brings back after exec.

import { expect, test } from 'bun:test';
import { bootstrap } from '../../src/exec/bootstrap.ts';
import { ChildNotes, codeHash, NOTES_SIZE } from '../../src/exec/child-notes.ts';
import { CodeCache, Tier } from '../../src/exec/code-cache.ts';

test('notes are taken once, in order, and no more than there is room for', () => {
  const words = new Int32Array(NOTES_SIZE / 4);
  const notes = new ChildNotes(words);
  expect(notes.take()).toEqual([]);
  const high = { pc: 0xfffff000, flags: 3, end: 0xfffff010, hash: -1 };
  notes.add(high);
  notes.add({ pc: 1, flags: 0, end: 2, hash: 7 });
  expect(notes.take()).toEqual([high, { pc: 1, flags: 0, end: 2, hash: 7 }]);
  expect(notes.take()).toEqual([]);
  for (let n = 0; n < 5000; n++) notes.add({ pc: n, flags: 0, end: n + 1, hash: 0 });
  const many = notes.take();
  expect(many.length).toBe(2000);
  expect(many[1999]!.pc).toBe(1999);
  expect(notes.take()).toEqual([]);
});

test('the hash of code tells its bytes and its length', () => {
  const words = Uint32Array.of(1, 2, 3, 4);
  const hash = codeHash(words, 4, 11);
  expect(codeHash(words, 4, 12)).not.toBe(hash);
  words[0] = words[3] = 0;
  expect(codeHash(words, 4, 11)).toBe(hash);
  words[2] = 5;
  expect(codeHash(words, 4, 11)).not.toBe(hash);
});

/** A cache with translations of pages 1, 1 and 2, and 2, and what its pages hold. */
function filled() {
  const { miss } = bootstrap();
  // Another function, to tell a slot with a translation from one without.
  const other = bootstrap().miss;
  const cache = new CodeCache(miss);
  const bytes = new Map<number, number>();
  const bytesOf = (page: number) => Uint8Array.of(bytes.get(page) ?? 0);
  const one = cache.get(0x1000, 0);
  const both = cache.get(0x1ffe, 0);
  const two = cache.get(0x2000, 0);
  const all = [one, both, two];
  all.forEach((entry, n) => {
    cache.setTranslated(entry, Tier.BLOCK, [[1], [1, 2], [2]][n]!);
    cache.table.set(entry.slot, other as never);
  });
  const used: number[] = [];
  const recall = (n: number) => {
    const entry = all[n]!;
    if (!cache.isAside(entry)) return;
    cache.recall(
      entry,
      (page, before) => before[0] === bytesOf(page)[0],
      (page) => used.push(page),
    );
  };
  const inTable = () => all.map((entry) => cache.table.get(entry.slot) === (other as never));
  return { cache, bytes, bytesOf, all, recall, inTable, used };
}

test('after exec the translations of equal pages come back, with the first of them that is wanted', () => {
  const { cache, bytesOf, all, recall, inTable, used } = filled();
  cache.setAside(bytesOf);
  expect(inTable()).toEqual([false, false, false]);
  expect(all.map((entry) => cache.holds(entry))).toEqual([false, false, false]);
  recall(0);
  expect(inTable()).toEqual([true, false, false]);
  recall(2);
  expect(inTable()).toEqual([true, true, true]);
  expect(all.map((entry) => cache.holds(entry))).toEqual([true, true, true]);
  expect(used).toEqual([1, 2]);
  recall(1);
  expect(all.map((entry) => entry.tier)).toEqual([Tier.BLOCK, Tier.BLOCK, Tier.BLOCK]);
});

test('a translation of two pages needs both, also two programs later', () => {
  const { cache, bytes, bytesOf, all, recall, inTable } = filled();
  cache.setAside(bytesOf);
  bytes.set(2, 9);
  recall(0);
  recall(2);
  expect(inTable()).toEqual([true, false, false]);
  expect(cache.holds(all[1]!)).toBe(false);
  // The second page of the second program is translated anew, and the third program has it too.
  cache.setTranslated(all[2]!, Tier.BLOCK, [2]);
  cache.setAside(bytesOf);
  recall(0);
  recall(2);
  expect(cache.holds(all[1]!)).toBe(false);
  expect(inTable()[1]).toBe(false);
  recall(1);
  expect(all[1]!.tier).toBe(Tier.NONE);
});

test('what was translated on a page before its old translations come back stays', () => {
  const { cache, bytesOf, recall, inTable } = filled();
  cache.setAside(bytesOf);
  const late = cache.get(0x1800, 0);
  cache.setTranslated(late, Tier.BLOCK, [1]);
  recall(0);
  expect(inTable()[0]).toBe(true);
  expect(cache.holds(late)).toBe(true);
  // A write to the page drops both.
  const dropped = [...cache.invalidatePage(1)];
  expect(dropped).toContain(late);
  expect(late.tier).toBe(Tier.NONE);
  expect(inTable()[0]).toBe(false);
  recall(1);
  expect(inTable()[1]).toBe(false);
});
