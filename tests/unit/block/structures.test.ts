// Small parts of the disk layer: refcount entries, compressed entries, locks on ranges, zero tests, sizes for people.
import { expect, test } from 'bun:test';
import { Mutex, RangeLock, runParallel } from '../../../src/block/async.ts';
import { isPowerOf2, isZero, readU64be, roundUp, writeU64be } from '../../../src/block/bytes.ts';
import { zstdFrame } from '../../../src/block/qcow2/compress.ts';
import { getRefcount, putRefcount } from '../../../src/block/qcow2/refcount.ts';
import { humanSize, twoDecimals } from '../../../src/cli/img/common.ts';

test('refcount entries of every width keep to themselves', () => {
  for (let order = 0; order <= 6; order++) {
    const bits = 2 ** order;
    const max = bits >= 53 ? 2 ** 53 - 1 : 2 ** bits - 1;
    const block = new Uint8Array(512);
    const entries = (512 * 8) / bits;
    for (const i of [0, 1, entries - 1]) putRefcount(block, order, i, max);
    for (const i of [0, 1, entries - 1]) expect(getRefcount(block, order, i)).toBe(max);
    expect(getRefcount(block, order, 2)).toBe(0);
    putRefcount(block, order, 1, 0);
    expect([getRefcount(block, order, 0), getRefcount(block, order, 1)]).toEqual([max, 0]);
  }
});

test('64-bit fields hold whole numbers up to 2^53', () => {
  const b = new Uint8Array(8);
  for (const v of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 0x123456789abcd]) {
    writeU64be(b, 0, v);
    expect(readU64be(b, 0)).toBe(v);
  }
});

test('zero tests look at every byte', () => {
  const b = new Uint8Array(1 << 20);
  expect(isZero(b)).toBe(true);
  for (const at of [0, 1, 262143, 262144, (1 << 20) - 1]) {
    b[at] = 1;
    expect(isZero(b)).toBe(false);
    expect(isZero(b, at + 1)).toBe(true);
    b[at] = 0;
  }
  expect([roundUp(0, 512), roundUp(1, 512), isPowerOf2(512), isPowerOf2(0), isPowerOf2(3)]).toEqual([
    0,
    512,
    true,
    false,
    false,
  ]);
});

test('range locks exclude where they must and always let go', async () => {
  const lock = new RangeLock();
  const a = lock.tryAcquire(0, 10, true)!;
  const b = lock.tryAcquire(5, 15, true)!;
  expect(lock.tryAcquire(9, 11, false)).toBeUndefined();
  const order: string[] = [];
  const waiting = lock.acquire(9, 11, false).then((r) => {
    order.push('c');
    lock.release(r);
  });
  lock.release(a);
  order.push('a');
  lock.release(b);
  await waiting;
  expect(order).toEqual(['a', 'c']);
});

test('whoever wants the whole range is not overtaken, and waits for those who were there before', async () => {
  const lock = new RangeLock();
  const order: string[] = [];
  const first = await lock.acquire(0, 10, true);
  const all = lock.acquireAll().then((range) => {
    order.push('all');
    return range;
  });
  expect(lock.tryAcquire(100, 110, true)).toBeUndefined();
  const late = lock.acquire(0, 10, true).then((range) => {
    order.push('late');
    lock.release(range);
  });
  order.push('first');
  lock.release(first);
  lock.release(await all);
  await late;
  expect(order).toEqual(['first', 'all', 'late']);
  expect(lock.tryAcquire(0, Infinity, false)).toBeDefined();
});

test('a mutex serves in order', async () => {
  const m = new Mutex();
  const out: number[] = [];
  await Promise.all(
    [1, 2, 3].map((n) =>
      m.with(async () => {
        await Bun.sleep(3 - n);
        out.push(n);
      }),
    ),
  );
  expect(out).toEqual([1, 2, 3]);
});

test('a failing lane stops the others from starting more', async () => {
  let started = 0;
  const failing = runParallel(100, 4, async (i) => {
    started++;
    if (i === 3) throw new Error('three');
  });
  await expect(failing).rejects.toThrow('three');
  expect(started).toBeLessThan(10);
});

test('zstd frames are measured by their block headers and say how much is in them', async () => {
  const { zstdCompressSync } = await import('node:zlib');
  for (const size of [1, 255, 256, 1000, 65791, 65792, 300000]) {
    const frame = zstdCompressSync(Buffer.from(Array.from({ length: size }, (_, i) => (i * 7919) & 255)));
    const padded = Buffer.concat([frame, Buffer.alloc(100, 0xaa)]);
    expect(zstdFrame(padded)).toEqual({ length: frame.length, content: size });
    expect(zstdFrame(frame.subarray(0, frame.length - 1))).toBeUndefined();
  }
});

test('sizes are printed as C prints them', () => {
  expect([0, 1023, 1024, 1536, 197120, 331776, 1073741824, 7 * 2 ** 60].map(humanSize)).toEqual([
    '0 B',
    '0.999 KiB',
    '1 KiB',
    '1.5 KiB',
    '192 KiB',
    '324 KiB',
    '1 GiB',
    '7 EiB',
  ]);
  expect([28.125, 0.625, 33.333, 100].map(twoDecimals)).toEqual(['28.12', '0.62', '33.33', '100.00']);
});
