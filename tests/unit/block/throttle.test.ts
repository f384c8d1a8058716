// Throttle groups with a clock of our own: every limit by itself, in its direction only, and bursts as the manual describes them.
import { expect, test } from 'bun:test';
import { readLimits, ThrottleGroup } from '../../../src/block/throttle.ts';

/** How many requests of so many bytes a group lets through in each second, when they are sent one after the other. */
function perSecond(
  properties: Record<string, string>,
  seconds: number,
  bytes: number,
  direction: (i: number) => boolean = () => true,
): number[] {
  let now = 0;
  const group = new ThrottleGroup('t', readLimits(new Map(Object.entries(properties))), () => now);
  const out = new Array<number>(seconds).fill(0);
  for (let i = 0; ; i++) {
    now += group.delay(bytes, direction(i));
    if (now >= seconds * 1000) return out;
    out[Math.floor(now / 1000)]!++;
    // Without a limit nothing ever has to wait.
    if (i > 500000) return [Infinity];
  }
}

const sum = (list: number[]): number => list.reduce((a, b) => a + b, 0);
const writes = (): boolean => true;
const reads = (): boolean => false;

for (const [property, value, bytes, rate] of [
  ['bps-total', '1048576', 4096, 256],
  ['bps-read', '1048576', 4096, 256],
  ['bps-write', '1048576', 65536, 16],
  ['iops-total', '100', 4096, 100],
  ['iops-read', '250', 1 << 20, 250],
  ['iops-write', '50', 512, 50],
] as const) {
  for (const prefix of ['x-', 'limits.']) {
    test(`${prefix}${property} limits its direction to its rate, and no other`, () => {
      for (const [way, direction] of [
        ['read', reads],
        ['write', writes],
      ] as const) {
        const limited = property.endsWith('total') || property.endsWith(way);
        const counts = perSecond({ [prefix + property]: value }, 20, bytes, direction);
        if (!limited) expect(counts).toEqual([Infinity]);
        else {
          // A tenth of a second's worth comes at once.
          expect(sum(counts)).toBeGreaterThanOrEqual(rate * 20);
          expect(sum(counts)).toBeLessThanOrEqual(rate * 20.1 + 2);
          for (const n of counts.slice(1)) expect(Math.abs(n - rate)).toBeLessThanOrEqual(1);
        }
      }
    });
  }
}

test('a total is shared by both directions', () => {
  const counts = perSecond({ 'x-iops-total': '100' }, 20, 4096, (i) => i % 2 === 0);
  expect(Math.abs(sum(counts) - 2010)).toBeLessThanOrEqual(2);
});

test('iops-size makes large requests count as several, small ones as one', () => {
  expect(
    Math.abs(sum(perSecond({ 'x-iops-total': '100', 'x-iops-size': '8192' }, 20, 16384)) - 1005),
  ).toBeLessThanOrEqual(2);
  expect(
    Math.abs(sum(perSecond({ 'x-iops-total': '100', 'x-iops-size': '8192' }, 20, 512)) - 2010),
  ).toBeLessThanOrEqual(2);
});

test('a burst of a second: the maximum at once, then the average', () => {
  const counts = perSecond({ 'x-iops-total': '100', 'x-iops-total-max': '500' }, 20, 512);
  expect(Math.abs(sum(counts) - (20 * 100 + 500))).toBeLessThanOrEqual(2);
  for (const n of counts.slice(6)) expect(Math.abs(n - 100)).toBeLessThanOrEqual(1);
});

test('a long burst: the maximum for as long as asked, then the average', () => {
  // The manual's example: 2000 a second for a minute, 100 a second afterwards.
  const counts = perSecond(
    { 'x-iops-total': '100', 'x-iops-total-max': '2000', 'x-iops-total-max-length': '60' },
    120,
    512,
  );
  for (const n of counts.slice(1, 60)) expect(Math.abs(n - 2000)).toBeLessThanOrEqual(1);
  for (const n of counts.slice(66)) expect(Math.abs(n - 100)).toBeLessThanOrEqual(1);
});

test('nodes of one group share its limit', () => {
  let now = 0;
  const group = new ThrottleGroup('t', readLimits(new Map([['x-iops-total', '10']])), () => now);
  const wait = Array.from({ length: 5 }, () => group.delay(512, true));
  // One at once, and each further one a tenth of a second later.
  expect(wait.map(Math.round)).toEqual([0, 0, 100, 200, 300]);
  now = 10_000;
  expect(group.delay(512, true)).toBe(0);
});
