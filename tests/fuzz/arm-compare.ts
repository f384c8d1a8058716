/** Runs ARM cases on qemu-arm and on wemu-arm and finds where they differ. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ARM_MODELS, type ArmModel } from '../../targets/arm/models.ts';
import { PROGRAM_LIMIT } from '../setup/limits.ts';
import {
  type ArmCase,
  type ArmFrame,
  type ArmResult,
  type ByteOrder,
  buildProgram,
  isProgram,
  readResults,
} from './arm-program.ts';

/** A case with two outcomes. */
export interface Difference {
  readonly index: number;
  readonly one: ArmCase;
  readonly expected: ArmResult | undefined;
  readonly actual: ArmResult | undefined;
}

const ROOT = join(import.meta.dir, '../..');

/** How cases are run. */
export interface CompareOptions {
  /** Options for wemu. */
  readonly options?: readonly string[];
  /** `little` when absent. */
  readonly order?: ByteOrder;
  /** CPU model of both; `max` when absent. */
  readonly cpu?: string;
  /** Called with a case that the oracle did not come back from. */
  readonly strayed?: (one: ArmCase, text: string) => void;
}

interface Run {
  readonly results: ArmResult[];
  readonly text: string;
}

function run(command: readonly string[], program: string, timeout: number, big: boolean): Run {
  const { stdout, stderr, exitCode, signalCode } = Bun.spawnSync([...command, program], {
    stdin: 'ignore',
    env: process.env,
    timeout,
  });
  return { results: readResults(stdout, big), text: `${exitCode ?? signalCode} ${stderr.toString().slice(0, 500)}` };
}

/**
 * Where qemu-arm has the stack it gives to programs, and begins to map what they ask for: a jump there runs on whatever lies
 * there, and an access succeeds.
 */
function isOraclesOwn(address: number): boolean {
  return address >= 0x3f000000 && address < 0x41000000;
}

/** The frame around cases for a model. */
function frameOf({ features }: ArmModel, order: ByteOrder): ArmFrame {
  const vectors = features.includes('d32') ? 32 : features.includes('vfp2') ? 16 : 0;
  return { order, interworks: features.includes('v5'), threadId: features.includes('v6k'), vectors };
}

const ILL_ILLOPN = 2;

/** What cases leave behind under wemu alone; fewer results than cases when it died. */
export function runOnWemu(
  cases: readonly ArmCase[],
  memory: readonly number[],
  { options = [], order = 'little', cpu = 'max' }: CompareOptions = {},
): ArmResult[] {
  const big = order !== 'little';
  const dir = mkdtempSync(join(tmpdir(), 'wemu-arm-'));
  try {
    const program = join(dir, 'cases');
    const frame = frameOf(ARM_MODELS.find(({ name }) => name === cpu)!, order);
    writeFileSync(program, buildProgram(cases, memory, frame), { mode: 0o755 });
    const command = [join(ROOT, `src/cli/bin/wemu-${big ? 'armeb' : 'arm'}`), '-cpu', cpu, ...options];
    return run(command, program, PROGRAM_LIMIT, big).results;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Runs the cases on both. */
export function compareCases(
  cases: readonly ArmCase[],
  memory: readonly number[],
  how: CompareOptions = {},
): Difference[] {
  const { options = [], order = 'little', cpu = 'max' } = how;
  const big = order !== 'little';
  const frame = frameOf(ARM_MODELS.find(({ name }) => name === cpu)!, order);
  const guest = big ? 'armeb' : 'arm';
  const dir = mkdtempSync(join(tmpdir(), 'wemu-arm-'));
  try {
    const program = join(dir, 'cases');
    writeFileSync(program, buildProgram(cases, memory, frame), { mode: 0o755 });
    const oracle = run([`qemu-${guest}`, '-cpu', cpu], program, 15_000, big);
    const strayed = oracle.results.length !== cases.length;
    // Where the oracle does not come to the end, neither should we: the cases are taken apart without running them.
    const command = [join(ROOT, `src/cli/bin/wemu-${guest}`), '-cpu', cpu, ...options];
    const ours = strayed ? oracle : run(command, program, PROGRAM_LIMIT, big);
    if (strayed || ours.results.length !== cases.length) {
      if (cases.length === 1) {
        if (!strayed) return [{ index: 0, one: cases[0]!, expected: oracle.results[0], actual: undefined }];
        // Some jump into nowhere has led qemu-arm astray: without the case the others are as good.
        how.strayed?.(cases[0]!, oracle.text);
        return [];
      }
      const half = cases.length >> 1;
      const first = compareCases(cases.slice(0, half), memory, how);
      const second = compareCases(cases.slice(half), memory, how);
      return [...first, ...second.map((difference) => ({ ...difference, index: difference.index + half }))];
    }
    return cases.flatMap((one, index) => {
      // The kernel says ILL_ILLOPC of undefined instructions (arch/arm/kernel/traps.c), qemu-arm ILL_ILLOPN.
      const found = oracle.results[index]!;
      const actual = ours.results[index]!;
      let expected = found.signal === 4 && found.code === ILL_ILLOPN ? { ...found, code: 1 } : found;
      // Where nothing of the program lies, each emulator has its own idea of what is mapped.
      if (found.signal === 11 && !isProgram(found.faultAddress)) expected = { ...expected, code: actual.code };
      if (JSON.stringify(expected) === JSON.stringify(actual)) return [];
      if (actual.signal === 11 && isOraclesOwn(actual.faultAddress)) {
        how.strayed?.(one, `it goes on at ${hex(actual.faultAddress)}, where nothing is mapped`);
        return [];
      }
      return [{ index, one, expected, actual }];
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/** What is different, in a few lines. */
export function explainDifference({ one, expected, actual }: Difference): string {
  if (!expected || !actual) return '  wemu does not come back';
  const lines: string[] = [];
  const both = (name: string, from: number, want: number, got: number): void => {
    if (want !== got) lines.push(`  ${name}: ${hex(from)} -> ${hex(want)}, wemu ${hex(got)}`);
  };
  for (let n = 0; n < 15; n++) both(`r${n}`, one.regs[n]!, expected.regs[n]!, actual.regs[n]!);
  both('cpsr', one.flags, expected.regs[15]!, actual.regs[15]!);
  for (const key of ['signal', 'code', 'faultAddress', 'faultPc', 'faultCpsr', 'fpscr'] as const)
    both(key, 0, expected[key], actual[key]);
  if (expected.signal)
    lines.push(`  signal ${expected.signal} at ${hex(expected.faultPc)}, address ${hex(expected.faultAddress)}`);
  for (let n = 0; n < 64; n++)
    both(`d${n >> 1}.${n & 1}`, one.vectors?.[n] ?? 0, expected.vectors[n]!, actual.vectors[n]!);
  for (let n = 0; n < expected.memory.length; n++) both(`memory[${n}]`, 0, expected.memory[n]!, actual.memory[n]!);
  const regs = one.regs.map((value, n) => `r${n}=${value.toString(16)}`).join(' ');
  return [...lines.slice(0, 12), `  from ${regs}`].join('\n');
}
