// What regression tests of i386 instructions share: one case, run under wemu.

import { expect } from 'bun:test';
import { type CaseResult, type InsnCase, MEMORY_MAP, regsFrom } from '../oracle/insn-case.ts';
import { isDeath, runOracle, wemuCommand } from '../oracle/runner.ts';

/** A case from what matters in it. */
export function caseOf(code: number[], more: Partial<InsnCase> = {}): InsnCase {
  const regs = regsFrom({ esp: MEMORY_MAP.STACK });
  return { name: 'case', code: Uint8Array.from(code), regs, eflags: 2, memory: [], flagMask: 0, faults: true, ...more };
}

/** The results of cases run one after the other in one program. */
export function runCases(cases: InsnCase[], options: string[] = []): CaseResult[] {
  const wemu = wemuCommand(options);
  if ('missing' in wemu) throw new Error(wemu.missing);
  return runOracle(cases, wemu.command).map((outcome) => {
    if (!outcome || isDeath(outcome)) throw new Error(outcome?.died ?? 'did not run');
    return outcome;
  });
}

/** Runs one case and checks that it ended without a signal. */
export function runQuietly(insn: InsnCase): CaseResult {
  const [result] = runCases([insn]);
  expect(result!.signal).toBeUndefined();
  return result!;
}
