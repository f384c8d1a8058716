// Compares the outcomes of instruction cases and prints a difference so that a person can read it.

import { REG32 } from './asm-i386.ts';
import { type CaseResult, capturedWindows, type InsnCase } from './insn-case.ts';
import { isDeath, NATIVE, type Outcome, runOracle } from './runner.ts';

/** One case whose outcomes differ. */
export interface Difference {
  index: number;
  insn: InsnCase;
  /** What differs, as printable lines: expected and actual values side by side. */
  lines: string[];
  /** The parts that differ: register names, flag names, `memory`, `signal`, `fpu`, `death`. */
  parts: string[];
}

export interface CompareOptions {
  /** Compare the flags and results the manual leaves undefined, too. */
  compareUndefined?: boolean;
  /** EFLAGS bits never compared. */
  ignoreFlags?: number;
  /** What of a signal is not compared (an emulator may leave the kernel's exception details out). */
  ignoreSignal?: readonly SignalPart[];
  /** Ignore these bytes of an FPU image (default: nothing), given the case and its expected result. */
  ignoreFpuByte?: (offset: number, insn: InsnCase, expected: CaseResult) => boolean;
}

/** `details` are the trap number, the error code and CR2 in the signal frame. */
export type SignalPart = 'si_code' | 'si_addr' | 'details';

const FLAG_NAMES: [number, string][] = [
  [0x1, 'CF'],
  [0x4, 'PF'],
  [0x10, 'AF'],
  [0x40, 'ZF'],
  [0x80, 'SF'],
  [0x100, 'TF'],
  [0x200, 'IF'],
  [0x400, 'DF'],
  [0x800, 'OF'],
  [0x3000, 'IOPL'],
  [0x4000, 'NT'],
  [0x10000, 'RF'],
  [0x20000, 'VM'],
  [0x40000, 'AC'],
  [0x200000, 'ID'],
];

const SIGNAL_NAMES: Record<number, string> = { 4: 'SIGILL', 5: 'SIGTRAP', 7: 'SIGBUS', 8: 'SIGFPE', 11: 'SIGSEGV' };

/** Exceptions that push an error code (SDM vol. 3, table 6-1). */
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);
const PAGE_FAULT = 14;

export const hex32 = (value: number) => (value >>> 0).toString(16).padStart(8, '0');

/** `CF ZF` and so on for the set bits. */
export function flagNames(eflags: number): string {
  const names = FLAG_NAMES.filter(([bit]) => eflags & bit).map(([, name]) => name);
  return names.length ? names.join(' ') : 'none';
}

export function hexBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

function signalText(result: CaseResult, ignore: readonly SignalPart[]): string {
  const signal = result.signal;
  if (!signal) return 'no signal';
  const parts = [SIGNAL_NAMES[signal.signo] ?? `signal ${signal.signo}`, `eip +${signal.eipOffset}`];
  if (!ignore.includes('si_code')) parts.push(`si_code ${signal.code}`);
  if (!ignore.includes('si_addr')) parts.push(`si_addr ${hex32(signal.address)}`);
  if (!ignore.includes('details')) {
    parts.push(`trapno ${signal.trapno}`);
    if (WITH_ERROR_CODE.has(signal.trapno)) parts.push(`err ${signal.error.toString(16)}`);
    if (signal.trapno === PAGE_FAULT) parts.push(`cr2 ${hex32(signal.cr2)}`);
  }
  return parts.join(', ');
}

function compareBytes(
  label: string,
  at: number,
  before: Uint8Array | undefined,
  expected: Uint8Array,
  actual: Uint8Array,
) {
  const lines: string[] = [];
  for (let from = 0; from < expected.length; from += 16) {
    const row = (bytes: Uint8Array) => hexBytes(bytes.subarray(from, from + 16));
    if (row(expected) === row(actual)) continue;
    lines.push(`  ${label} ${hex32(at + from)}`);
    if (before) lines.push(`    before   ${row(before)}`);
    lines.push(`    expected ${row(expected)}`, `    actual   ${row(actual)}`);
  }
  return lines;
}

/** Everything in which two results of one case differ. */
export function diffResults(
  insn: InsnCase,
  expected: CaseResult,
  actual: CaseResult,
  options: CompareOptions = {},
): { lines: string[]; parts: string[] } {
  const lines: string[] = [];
  const parts: string[] = [];
  const [want, got] = [expected, actual].map((result) => signalText(result, options.ignoreSignal ?? []));
  if (want !== got) {
    parts.push('signal');
    lines.push(`  signal expected ${want}`, `         actual   ${got}`);
  }
  const resultDefined = options.compareUndefined || !insn.undefinedResult;
  REG32.forEach((name, i) => {
    if (!resultDefined || expected.regs[i] === actual.regs[i]) return;
    parts.push(name);
    lines.push(
      `  ${name} expected ${hex32(expected.regs[i]!)} actual ${hex32(actual.regs[i]!)} (before ${hex32(insn.regs[i]!)})`,
    );
  });
  const ignored = (options.compareUndefined ? 0 : insn.flagMask) | (options.ignoreFlags ?? 0);
  const flagDiff = (expected.eflags ^ actual.eflags) & ~ignored;
  if (flagDiff) {
    for (const [bit, name] of FLAG_NAMES) if (flagDiff & bit) parts.push(name);
    lines.push(
      `  eflags differ in ${flagNames(flagDiff)}: expected ${flagNames(expected.eflags)}; actual ${flagNames(actual.eflags)}` +
        ` (before ${flagNames(insn.eflags)}${insn.flagMask ? `; undefined ${flagNames(insn.flagMask)}` : ''})`,
    );
  }
  ['ds', 'es', 'fs', 'gs'].forEach((name, i) => {
    if (expected.segments[i] === actual.segments[i]) return;
    parts.push(name);
    lines.push(`  ${name} expected ${expected.segments[i]!.toString(16)} actual ${actual.segments[i]!.toString(16)}`);
  });
  capturedWindows(insn).forEach(({ at }, i) => {
    if (!resultDefined) return;
    const before = insn.memBytes ? undefined : insn.memory[i]!.bytes;
    const found = compareBytes('memory', at, before, expected.memory[i]!, actual.memory[i]!);
    if (found.length) parts.push('memory');
    lines.push(...found);
  });
  if (expected.fpu && actual.fpu) {
    const ignore = options.ignoreFpuByte;
    const masked = ignore
      ? actual.fpu.map((byte, offset) => (ignore(offset, insn, expected) ? expected.fpu![offset]! : byte))
      : actual.fpu;
    const found = compareBytes('fpu', 0, insn.fpu?.image, expected.fpu, masked);
    if (found.length) parts.push('fpu');
    lines.push(...found);
  }
  return { lines, parts };
}

/** The cases whose outcomes differ. Outcomes missing on the actual side (given up, or left out) are not differences. */
export function compareOutcomes(
  cases: InsnCase[],
  expected: (Outcome | undefined)[],
  actual: (Outcome | undefined)[],
  options: CompareOptions = {},
): Difference[] {
  const differences: Difference[] = [];
  cases.forEach((insn, index) => {
    const want = expected[index];
    const got = actual[index];
    if (!want || !got || (insn.hostSpecific && !options.compareUndefined)) return;
    if (isDeath(want) || isDeath(got)) {
      const line = isDeath(want)
        ? `  the expected side died: ${want.died}`
        : `  died: ${(got as { died: string }).died}`;
      differences.push({ index, insn, lines: [line], parts: ['death'] });
      return;
    }
    const { lines, parts } = diffResults(insn, want, got, options);
    if (lines.length) differences.push({ index, insn, lines, parts });
  });
  return differences;
}

/** The segment registers that are not as usual. */
function segmentText({ segments = {}, beforeUnmapped }: InsnCase): string {
  const named = Object.entries(segments).map(([name, kind]) => ` ${name}=${kind}`);
  return named.join('') + (beforeUnmapped ? ' before an unmapped page' : '');
}

/** The case with its code bytes, initial registers and flags, and what differs. */
export function formatDifference({ insn, index, lines }: Difference): string {
  const regs = REG32.map((name, i) => `${name}=${hex32(insn.regs[i]!)}`).join(' ');
  return [
    `case ${index}: ${insn.name}`,
    `  code ${hexBytes(insn.code)}`,
    `  before ${regs} flags ${flagNames(insn.eflags)}${segmentText(insn)}`,
    ...lines,
  ].join('\n');
}

/** How often a case runs natively before a difference counts. */
const NATIVE_RUNS = 4;

/**
 * Differences from the host CPU. Where there are some it runs all cases again: processors of AMD forget the pointers to the last
 * x87 instruction when the process is interrupted by another (without an unmasked exception FXSAVE does not save them), and the
 * first case of a process, whose pages are not there yet, nearly always is.
 */
export function differencesFromNative(cases: InsnCase[], actual: (Outcome | undefined)[]): Difference[] {
  let found = compareOutcomes(cases, runOracle(cases, NATIVE), actual);
  for (let run = 1; run < NATIVE_RUNS && found.length > 0; run++) {
    const still = new Set(compareOutcomes(cases, runOracle(cases, NATIVE), actual).map(({ insn }) => insn));
    found = found.filter(({ insn }) => still.has(insn));
  }
  return found;
}

/** The first differences in full and a count of the rest by case-name prefix (up to the first `:`). */
export function formatDifferences(differences: Difference[], shown = 5): string {
  const text = differences.slice(0, shown).map(formatDifference);
  if (differences.length > shown) {
    const groups = new Map<string, number>();
    for (const { insn } of differences) {
      const group = insn.name.split(':')[0]!;
      groups.set(group, (groups.get(group) ?? 0) + 1);
    }
    const counts = [...groups].map(([group, count]) => `${group} ${count}`).join(', ');
    text.push(`${differences.length} cases differ: ${counts}`);
  }
  return text.join('\n');
}
