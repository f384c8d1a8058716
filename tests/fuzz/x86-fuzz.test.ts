// The fuzz command's cases, some of them: single instructions in random states, over all groups, against the host CPU.
import { describe, expect, test } from 'bun:test';
import { nativeUnavailable, wemuCommand } from '../oracle/runner.ts';
import { testWith } from '../setup/needs.ts';
import { commonOpenings, fuzzSingles } from './run.ts';
import { allOpenings, OPENING_GROUPS } from './x86-openings.ts';
import { drawChains, NOT_COMPARED } from './x86-single.ts';

const unavailable = nativeUnavailable();
const native = { met: unavailable === undefined, reason: unavailable ?? '' };

/** Fixed, so that a failure is the same failure next time. */
const SEED = 4000;

const VARIANTS: { options: string[]; cases: number }[] = [
  { options: [], cases: 8000 },
  { options: ['-engine', 'interp'], cases: 2000 },
  { options: ['-disable', 'cold'], cases: 2000 },
];

describe('single instructions', () => {
  for (const [n, { options, cases }] of VARIANTS.entries()) {
    testWith([native], ['wemu', ...options].join(' '), () => {
      const wemu = wemuCommand(options);
      if ('missing' in wemu) throw new Error(wemu.missing);
      const run = { seed: SEED + 100 * n, cases, cpu: 'max', groups: [], command: wemu.command, batch: 3000 };
      expect(fuzzSingles({ ...run, keepGoing: false })).toBeUndefined();
    });
  }
});

describe('chains of instructions', () => {
  for (const [n, { options, cases }] of VARIANTS.entries()) {
    testWith([native], ['wemu', ...options].join(' '), () => {
      const wemu = wemuCommand(options);
      if ('missing' in wemu) throw new Error(wemu.missing);
      const run = {
        seed: SEED + 100 * n,
        cases: cases / 4,
        cpu: 'max',
        groups: [],
        command: wemu.command,
        batch: 2000,
      };
      expect(fuzzSingles({ ...run, keepGoing: false }, drawChains)).toBeUndefined();
    });
  }
});

test('what is not compared exists, and every group has instructions', () => {
  const names = new Set(allOpenings().map(({ mnemonic }) => mnemonic));
  expect(Object.keys(NOT_COMPARED).filter((name) => !names.has(name))).toEqual([]);
  for (const group of OPENING_GROUPS) expect(allOpenings().some((opening) => opening.group === group)).toBe(true);
  expect(commonOpenings('max', ['integer']).length).toBeGreaterThan(200);
});
