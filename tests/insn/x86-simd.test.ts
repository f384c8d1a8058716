// Vector instructions: the host CPU runs cases made from every row, and wemu must agree with it in XMM, MMX and MXCSR too.

import { describe, expect } from 'bun:test';
import type { X86Mnemonic } from '../../targets/x86/insns.ts';
import { SIMD_HANDLERS } from '../../targets/x86/translate/simd-handlers.ts';
import { compareOutcomes, formatDifferences } from '../oracle/compare.ts';
import { NATIVE, nativeUnavailable, runOracle, wemuCommand } from '../oracle/runner.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { type Need, testWith } from '../setup/needs.ts';
import {
  alignmentCheckCases,
  crcCases,
  ignoredFxsaveByte,
  mixedSequenceCases,
  simdCases,
  simdFaultCases,
  stateCases,
  stringCases,
  xsaveCases,
} from './x86/simd/cases.ts';
import { hostFeatures } from './x86/simd/host.ts';
import { simdRows } from './x86/simd/rows.ts';

const VARIANTS: { name: string; options: string[] }[] = [
  { name: 'interpreter', options: ['-engine', 'interp'] },
  { name: 'all compiled', options: ['-disable', 'cold'] },
];

const unavailable = nativeUnavailable();
const native: Need = { met: unavailable === undefined, reason: unavailable ?? '' };
const host = hostFeatures();
const rows = simdRows().filter(
  ({ mnemonic, feature }) => SIMD_HANDLERS[mnemonic as X86Mnemonic] !== undefined && host.has(feature),
);
/** Their memory operand is the whole state. */
const STATE = new Set(['FXSAVE', 'FXRSTOR', 'XSAVE', 'XRSTOR', 'XSAVEOPT']);
const ordinary = rows.filter(({ mnemonic }) => !STATE.has(mnemonic));

const CORPORA = {
  instructions: () => simdCases(ordinary),
  'faulting operands': () => simdFaultCases(ordinary),
  'alignment checks': () => alignmentCheckCases(ordinary),
  strings: () => [...stringCases(ordinary), ...crcCases()],
  'mixed sequences': () => mixedSequenceCases(ordinary),
  'whole state': () => [...stateCases(rows), ...xsaveCases(rows)],
};

describe('vector instructions', () => {
  for (const { name, options } of VARIANTS) {
    const wemu = wemuCommand(options);
    const need: Need = { met: 'command' in wemu, reason: 'missing' in wemu ? wemu.missing : '' };
    const command = 'command' in wemu ? wemu.command : [];
    for (const [corpus, build] of Object.entries(CORPORA)) {
      testWith(
        [native, need],
        `${corpus} (${name})`,
        () => {
          const cases = build();
          const found = compareOutcomes(cases, runOracle(cases, NATIVE), runOracle(cases, command), {
            ignoreFpuByte: ignoredFxsaveByte,
          });
          expect(formatDifferences(found)).toBe('');
        },
        TEST_LIMIT,
      );
    }
  }
});
