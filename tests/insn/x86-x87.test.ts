// x87 instructions in programs: the host CPU runs every case, and wemu must agree with it, pointers and traps included.

import { describe, expect } from 'bun:test';
import { differencesFromNative, formatDifferences } from '../oracle/compare.ts';
import type { CaseResult, InsnCase } from '../oracle/insn-case.ts';
import { NATIVE, nativeUnavailable, runOracle, wemuCommand } from '../oracle/runner.ts';
import { type Need, testWith } from '../setup/needs.ts';
import { faultCases, sequenceCases, singleCases, transcendentalCases } from './x86/x87/programs.ts';

const VARIANTS: { name: string; options: string[] }[] = [
  { name: 'interpreter', options: ['-engine', 'interp'] },
  { name: 'all compiled', options: ['-disable', 'cold'] },
  { name: 'default', options: [] },
];

const CORPORA: Record<string, () => InsnCase[]> = {
  'single instructions': () => singleCases(6),
  sequences: () => sequenceCases(12),
  'faulting operands': faultCases,
};

const unavailable = nativeUnavailable();
const native: Need = { met: unavailable === undefined, reason: unavailable ?? '' };

/** Pointers in an FNSAVE image, which the host may have forgotten (see `differencesFromNative`). */
const POINTERS = 12;
/** Significand of ST(0) behind them, and its length: transcendental results may differ in the last bit. */
const ST0 = 28;
const STATUS_HIGH = 5;
const C1_HIGH = 0x02;

/** The results with what is not asked of transcendental functions made alike: last bits, and which way they rounded. */
function roughly(result: CaseResult | undefined): string {
  if (!result?.fpu) return 'none';
  const image = result.fpu.slice();
  image[STATUS_HIGH]! &= ~C1_HIGH;
  image.fill(0, POINTERS, ST0);
  const view = new DataView(image.buffer);
  for (const at of [ST0, ST0 + 10]) {
    const exponent = view.getUint16(at + 8, true) & 0x7fff;
    if (exponent === 0x7fff) continue;
    // Two neighbours may straddle any border of rounding: 16 bits are enough to see a broken series.
    const bits = (BigInt(view.getUint16(at + 8, true)) << 64n) | view.getBigUint64(at, true);
    const rounded = (bits + 0x8000n) & ~0xffffn;
    view.setBigUint64(at, BigInt.asUintN(64, rounded), true);
    view.setUint16(at + 8, Number(rounded >> 64n), true);
  }
  return [...image, ...(result.signal ? [result.signal.signo, result.signal.code] : [])].join(' ');
}

describe('x87 in programs', () => {
  for (const { name, options } of VARIANTS) {
    const wemu = wemuCommand(options);
    const need: Need = { met: 'command' in wemu, reason: 'missing' in wemu ? wemu.missing : '' };
    const command = 'command' in wemu ? wemu.command : [];
    for (const [corpus, build] of Object.entries(CORPORA)) {
      testWith([native, need], `${corpus} (${name})`, () => {
        const cases = build();
        expect(formatDifferences(differencesFromNative(cases, runOracle(cases, command)))).toBe('');
      });
    }
    testWith([native, need], `transcendental functions (${name})`, () => {
      const cases = transcendentalCases(12);
      const expected = runOracle(cases, NATIVE) as CaseResult[];
      const actual = runOracle(cases, command) as CaseResult[];
      const wrong = cases.filter((_, i) => roughly(expected[i]) !== roughly(actual[i])).map((insn) => insn.name);
      // Rounding to 48 bits lets neighbours fall apart once in 65,000 times.
      expect(wrong.slice(1)).toEqual([]);
    });
  }
});
