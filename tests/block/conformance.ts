// The contract of the driver interface as a suite, run against every driver and filter.
import { expect, test } from 'bun:test';
import { type BlockNode, type Ending, REQ } from '../../src/block/driver.ts';
import { closeImage } from '../../src/block/graph.ts';
import { contentOf, eventually, inScratch } from './helpers.ts';

/** A driver under test. */
export interface Subject {
  name: string;
  /** Opens a writable node of `size` bytes that reads as zeroes; called once per test with a fresh folder. */
  open: (dir: string, size: number) => Promise<BlockNode>;
  /** Opens what `open` made again, after it was closed; absent for drivers that keep nothing. */
  reopen?: (dir: string) => Promise<BlockNode>;
  /** Parts of the contract that do not apply, with the reason. */
  skip?: { reason: string; tests: string[] };
}

const SIZE = 8 << 20;

const PARTS: Record<string, (s: Subject, dir: string) => Promise<void>> = {
  'a fresh node reads as zeroes and has the size asked for': async (s, dir) => {
    const node = await s.open(dir, SIZE);
    expect(node.length).toBe(SIZE);
    expect(Buffer.from(await contentOf(node)).equals(Buffer.alloc(SIZE))).toBe(true);
    await closeImage(node);
  },
  'what is written is read back, at any alignment': async (s, dir) => {
    const node = await s.open(dir, SIZE);
    const model = new Uint8Array(SIZE);
    for (const [at, bytes, v] of [
      [0, 1, 1],
      [511, 2, 2],
      [65535, 65538, 3],
      [SIZE - 1, 1, 4],
      [1 << 20, 3 << 20, 5],
      [(2 << 20) - 7, 15, 6],
      [5000, 0, 7],
    ] as const) {
      await node.write(at, new Uint8Array(bytes).fill(v));
      model.fill(v, at, at + bytes);
    }
    expect(Buffer.from(await contentOf(node)).equals(model)).toBe(true);
    const part = new Uint8Array(100);
    await node.read(65500, part);
    expect(Buffer.from(part).equals(model.subarray(65500, 65600))).toBe(true);
    await closeImage(node);
  },
  'content survives closing': async (s, dir) => {
    if (!s.reopen) return;
    const node = await s.open(dir, SIZE);
    await node.write(12345, new Uint8Array(100000).fill(9));
    await closeImage(node);
    const again = await s.reopen(dir);
    const part = new Uint8Array(100002);
    await again.read(12344, part);
    expect([part[0], part[1], part[100000], part[100001]]).toEqual([0, 9, 9, 0]);
    await closeImage(again);
  },
  'zeroes overwrite data, with and without giving space up': async (s, dir) => {
    const node = await s.open(dir, SIZE);
    await node.write(0, new Uint8Array(SIZE).fill(0xee));
    const model = new Uint8Array(SIZE).fill(0xee);
    for (const [at, bytes, flags] of [
      [0, 65536, 0],
      [100000, 300000, 0],
      [1 << 20, 1 << 20, REQ.MAY_UNMAP],
      [(3 << 20) + 1, (1 << 20) - 2, REQ.MAY_UNMAP],
      [SIZE - 513, 513, 0],
    ] as const) {
      await node.writeZeroes(at, bytes, flags);
      model.fill(0, at, at + bytes);
    }
    expect(Buffer.from(await contentOf(node)).equals(model)).toBe(true);
    await closeImage(node);
  },
  'a discard changes nothing outside its range': async (s, dir) => {
    const node = await s.open(dir, SIZE);
    await node.write(0, new Uint8Array(SIZE).fill(0xdd));
    await node.discard(100000, 2000000);
    const after = await contentOf(node);
    expect(after.subarray(0, 100000).every((v) => v === 0xdd)).toBe(true);
    expect(after.subarray(2100000).every((v) => v === 0xdd)).toBe(true);
    await closeImage(node);
  },
  'requests at the same time do not disturb each other': async (s, dir) => {
    const node = await s.open(dir, SIZE);
    const step = 3000;
    const writes: Ending[] = [];
    for (let at = 0, n = 0; at + step <= SIZE; at += step, n++)
      writes.push(node.write(at, new Uint8Array(step).fill((n % 255) + 1)));
    await Promise.all(writes);
    const after = await contentOf(node);
    for (let at = 0, n = 0; at + step <= SIZE; at += step, n++) {
      if (after[at] !== (n % 255) + 1 || after[at + step - 1] !== (n % 255) + 1)
        throw new Error(`piece ${n} is damaged`);
    }
    await closeImage(node);
  },
  'writes behind the end fail and change nothing': async (s, dir) => {
    const node = await s.open(dir, SIZE);
    if (!node.growable) {
      await expect(eventually(() => node.write(SIZE - 10, new Uint8Array(11)))).rejects.toThrow();
      expect(node.length).toBe(SIZE);
    }
    await expect(eventually(() => node.write(Number.MAX_SAFE_INTEGER - 1, new Uint8Array(16)))).rejects.toThrow();
    await closeImage(node);
  },
  'reads behind the end give zeroes': async (s, dir) => {
    const node = await s.open(dir, SIZE);
    await node.write(SIZE - 4, new Uint8Array(4).fill(3));
    const b = new Uint8Array(16).fill(7);
    await node.read(SIZE - 4, b);
    expect([...b]).toEqual([3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    await closeImage(node);
  },
  'block status covers the whole node and calls no data zero': async (s, dir) => {
    const node = await s.open(dir, SIZE);
    await node.write(1 << 20, new Uint8Array(100).fill(1));
    await node.write(4 << 20, new Uint8Array(1 << 20).fill(2));
    const content = await contentOf(node);
    for (let at = 0; at < SIZE; ) {
      const status = await node.blockStatus(at, SIZE - at);
      expect(status.bytes).toBeGreaterThan(0);
      if (status.zero) expect(content.subarray(at, at + status.bytes).every((v) => v === 0)).toBe(true);
      at += status.bytes;
    }
    expect((await node.blockStatus(SIZE, 1)).bytes).toBe(0);
    await closeImage(node);
  },
  'a flush ends, also when nothing was written': async (s, dir) => {
    const node = await s.open(dir, SIZE);
    await node.flush();
    await node.write(0, new Uint8Array(10));
    await node.flush();
    await closeImage(node);
  },
};

/** Declares the suite's tests for one driver. */
export function conformance(subject: Subject): void {
  for (const [part, body] of Object.entries(PARTS)) {
    const skipped = subject.skip?.tests.includes(part);
    const title = `${subject.name}: ${part}${skipped ? ` [skipped: ${subject.skip!.reason}]` : ''}`;
    test.skipIf(skipped === true)(title, () => inScratch((dir) => body(subject, dir)));
  }
}
