// What children of a fork tell their parent, and what a code cache brings back after exec.

import { expect, test } from 'bun:test';
import { bootstrap } from '../../src/exec/bootstrap.ts';
import { ChildNotes, codeHash, NOTES_SIZE } from '../../src/exec/child-notes.ts';
import { CodeCache, Tier } from '../../src/exec/code-cache.ts';

test('notes are taken once, in order, and no more than there is room for', () => {
  const notes = new ChildNotes(new Int32Array(NOTES_SIZE / 4));
  expect(notes.take().notes).toEqual([]);
  const high = { pc: 0xfffff000, flags: 3, end: 0xfffff010, hash: -1, program: -5 };
  const low = { pc: 1, flags: 0, end: 2, hash: 7, program: 1 };
  notes.add(high);
  notes.add(low);
  expect(notes.take().notes).toEqual([high, low]);
  expect(notes.take().notes).toEqual([]);
  for (let n = 0; n < 10_000; n++) notes.add({ ...low, pc: n, end: n + 1 });
  const many = notes.take().notes;
  expect(many.length).toBe(8000);
  expect(many[7999]!.pc).toBe(7999);
  expect(notes.take().notes).toEqual([]);
});

test('pages of other programs are taken once, of each the first copy, and no more than there is room for', () => {
  const notes = new ChildNotes(new Int32Array(NOTES_SIZE / 4));
  const page = (byte: number) => new Uint8Array(4096).fill(byte);
  notes.addPage(-5, 0xfffff, page(1));
  notes.addPage(7, 3, page(2));
  notes.addPage(7, 3, page(3));
  const { pages } = notes.take();
  expect([...pages].map(([program, all]) => [program, [...all].map(([n, bytes]) => [n, bytes[4095]])])).toEqual([
    [-5, [[0xfffff, 1]]],
    [7, [[3, 2]]],
  ]);
  expect(notes.take().pages.size).toBe(0);
  for (let n = 1; n < 3000; n++) notes.addPage(7, n, page(n));
  expect(notes.take().pages.get(7)!.size).toBe(1000);
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

/** `filled`, and another program with its own code on page 1 at the address of the first one's. */
function withAnother() {
  const made = filled();
  const { cache } = made;
  const theirs = bootstrap().miss;
  const pages = new Map([[1, Uint8Array.of(77)]]);
  let entry = made.all[0]!;
  cache.learn(
    9,
    pages,
    (page) => page === 2,
    (own, done) => {
      entry = own(0x1000, 0);
      entry.tier = Tier.BLOCK;
      cache.table.set(entry.slot, theirs as never);
      done(entry, [1]);
      // Page 2 is the same in both; of page 3 nothing is known.
      expect(cache.get(0x2000, 0)).toBe(made.all[2]!);
      expect(cache.get(0x3000, 0).space).toBe(entry.space);
    },
  );
  const recallAt = (pc: number) => {
    const found = cache.find(pc, 0)!;
    return cache.isAside(found)
      ? cache.recall(
          found,
          (page, before) => before[0] === made.bytesOf(page)[0],
          () => {},
        )
      : found;
  };
  return { ...made, entry, theirs, recallAt };
}

test('what is learnt of another program is its own, and comes back when that runs on equal pages', () => {
  const { cache, all, bytes, bytesOf, inTable, entry, theirs, recallAt } = withAnother();
  expect(entry).not.toBe(all[0]!);
  expect(entry.slot).toBeGreaterThan(4000);
  expect(cache.slotCount).toBe(3);
  // The first program goes on as before.
  expect(cache.find(0x1000, 0)).toBe(all[0]!);
  expect(inTable()).toEqual([true, true, true]);
  expect(cache.hasProgram(9)).toBe(true);
  expect(cache.hasProgram(8)).toBe(false);

  cache.setAside(bytesOf);
  cache.enterProgram(9);
  bytes.set(1, 77);
  expect(recallAt(0x1000)).toBe(entry);
  expect(cache.table.get(entry.slot)).toBe(theirs as never);
  expect(recallAt(0x2000)).toBe(all[2]!);
  expect(inTable()).toEqual([false, false, true]);

  // And the first one again.
  cache.setAside(bytesOf);
  cache.enterProgram(0);
  bytes.set(1, 0);
  expect(recallAt(0x1000)).toBe(all[0]!);
  expect(recallAt(0x1ffe)).toBe(all[1]!);
  expect(recallAt(0x2000)).toBe(all[2]!);
  expect(inTable()).toEqual([true, true, true]);
});

test('what was learnt is not used on other pages, nor is the first program’s', () => {
  const { cache, all, bytes, bytesOf, inTable, entry, theirs, recallAt } = withAnother();
  cache.setAside(bytesOf);
  cache.enterProgram(9);
  bytes.set(1, 5);
  const found = recallAt(0x1000);
  expect(found.tier).toBe(Tier.NONE);
  expect(cache.table.get(entry.slot)).not.toBe(theirs as never);
  // An address only the first program has named, on this page and the next, which is as it was.
  expect(recallAt(0x1ffe)).not.toBe(all[1]!);
  expect(inTable()).toEqual([false, false, true]);
});

test('a write to a page drops what both programs have there', () => {
  const { cache, all, bytes, bytesOf, inTable, entry, recallAt } = withAnother();
  cache.setAside(bytesOf);
  cache.enterProgram(9);
  bytes.set(1, 77);
  recallAt(0x1000);
  recallAt(0x2000);
  const late = cache.get(0x2800, 0);
  cache.setTranslated(late, Tier.BLOCK, [2]);
  const dropped = [...cache.invalidatePage(2), ...cache.invalidatePage(1)];
  expect(dropped).toContain(late);
  expect(dropped).toContain(all[2]!);
  expect(dropped).toContain(entry);
  expect(inTable()).toEqual([false, false, false]);
  expect(entry.tier).toBe(Tier.NONE);
});
