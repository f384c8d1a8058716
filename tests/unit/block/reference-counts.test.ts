// The counters of a check, wide and narrow, against a plain map.
import { expect, test } from 'bun:test';
import { CHUNK, ReferenceCounts } from '../../../src/block/qcow2/reference-counts.ts';
import { Random } from '../../block/differential.ts';

test('counters say the same whether they began as bits or as numbers', () => {
  const r = new Random(77);
  const counts = new ReferenceCounts();
  const plain = new Map<number, number>();
  // More chunks than are wide from the beginning.
  for (let key = 0; key < 300; key++) plain.set(key * CHUNK, counts.add(key * CHUNK));
  const base = (): number => (r.below(2) ? 5 : 270 + r.below(4)) * CHUNK;
  for (let i = 0; i < 4000; i++) {
    const first = base() + r.below(CHUNK);
    const end = first + 1 + r.below(r.below(20) ? 40 : 30_000);
    if (r.below(6) === 0) {
      plain.set(first, (plain.get(first) ?? 0) + 1);
      expect(counts.add(first)).toBe(plain.get(first)!);
      continue;
    }
    let free = true;
    for (let c = first; c < end && free; c++) free = !plain.has(c);
    expect(counts.addFirst(first, end)).toBe(free);
    if (free) for (let c = first; c < end; c++) plain.set(c, 1);
  }
  const sorted = [...plain.keys()].sort((a, b) => a - b);
  let at = 0;
  for (let c = counts.next(0); c >= 0; c = counts.next(c + 1)) {
    if (c !== sorted[at]) expect(c).toBe(sorted[at]!);
    if (counts.get(c) !== plain.get(c)) expect(counts.get(c)).toBe(plain.get(c)!);
    at++;
  }
  expect(at).toBe(sorted.length);
  for (const key of [5, 270, 271, 299]) {
    const block = Buffer.alloc(CHUNK * 2);
    for (let i = 0; i < CHUNK; i++) block.writeUInt16BE(plain.get(key * CHUNK + i) ?? 0, i * 2);
    expect(counts.equals(key * CHUNK, (key + 1) * CHUNK, block, 0)).toBe(true);
    block[100]! ^= 1;
    expect(counts.equals(key * CHUNK, (key + 1) * CHUNK, block, 0)).toBe(false);
    expect(counts.lastIn(key * CHUNK, (key + 1) * CHUNK)).toBe(
      sorted.findLast((c) => Math.floor(c / CHUNK) === key) ?? -1,
    );
  }
});
