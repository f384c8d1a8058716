// SSE float instructions under every kind of MXCSR: the host CPU runs the cases, and wemu must agree in results, flags, faults.

import { describe, expect } from 'bun:test';
import type { X86Mnemonic } from '../../targets/x86/insns.ts';
import { SIMD_HANDLERS } from '../../targets/x86/translate/simd-handlers.ts';
import { compareOutcomes, formatDifferences } from '../oracle/compare.ts';
import { NATIVE, nativeUnavailable, runOracle, wemuCommand } from '../oracle/runner.ts';
import { TEST_LIMIT } from '../setup/limits.ts';
import { type Need, testWith } from '../setup/needs.ts';
import { ignoredFxsaveByte } from './x86/simd/cases.ts';
import { floatCases, isFloatRow, MXCSR_KINDS } from './x86/simd/float-cases.ts';
import { hostFeatures } from './x86/simd/host.ts';
import { simdRows } from './x86/simd/rows.ts';

/** More, and others, for a long run. */
const RUNS = Number(process.env.WEMU_FUZZ_RUNS ?? 1);
const COUNT = 8;

const CPU = ['-cpu', 'development'];
const VARIANTS: { name: string; options: string[]; count: number }[] = [
  { name: 'interpreter', options: [...CPU, '-engine', 'interp'], count: 2 },
  { name: 'all compiled', options: [...CPU, '-disable', 'cold'], count: COUNT },
];

const unavailable = nativeUnavailable();
const native: Need = { met: unavailable === undefined, reason: unavailable ?? '' };
const host = hostFeatures();
const rows = simdRows().filter(
  (row) => isFloatRow(row) && SIMD_HANDLERS[row.mnemonic as X86Mnemonic] !== undefined && host.has(row.feature),
);

describe('SSE float instructions', () => {
  for (const { name, options, count } of VARIANTS) {
    const wemu = wemuCommand(options);
    const need: Need = { met: 'command' in wemu, reason: 'missing' in wemu ? wemu.missing : '' };
    const command = 'command' in wemu ? wemu.command : [];
    for (const kind in MXCSR_KINDS) {
      testWith(
        [native, need],
        `${kind} (${name})`,
        () => {
          for (let seed = 1; seed <= RUNS; seed++) {
            const cases = floatCases(rows, kind, count, seed);
            const found = compareOutcomes(cases, runOracle(cases, NATIVE), runOracle(cases, command), {
              ignoreFpuByte: ignoredFxsaveByte,
            });
            expect(formatDifferences(found)).toBe('');
          }
        },
        TEST_LIMIT + 20_000 * RUNS,
      );
    }
  }
});
