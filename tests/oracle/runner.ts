// Runs instruction cases natively or under an emulator command and returns the state after each of them.

import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROGRAM_LIMIT } from '../setup/limits.ts';
import { buildHarness, parseOutput } from './harness-i386.ts';
import type { CaseResult, InsnCase } from './insn-case.ts';

/** The command that runs an i386 ELF on the host CPU: the ELF itself. */
export const NATIVE: string[] = [];

/** A case during which the command died or hung; `how` says it in words. */
export interface CaseDeath {
  died: string;
}

export type Outcome = CaseResult | CaseDeath;

export interface RunOptions {
  /**
   * Install signal handlers (default). Without them the cases marked `faults` are left out: their outcome is
   * undefined in the result array.
   */
  signals?: boolean;
  /** For one program of up to `chunk` cases, in milliseconds. */
  timeout?: number;
  /** Cases in one program. */
  chunk?: number;
  /** After so many deaths the remaining cases of the run are given up. */
  maxDeaths?: number;
  /** Added to the environment of the command. */
  env?: Record<string, string>;
}

/** Bounds the time lost when a case kills the emulator: its program is run again unbuffered. */
const DEFAULT_CHUNK = 4000;
const DEFAULT_MAX_DEATHS = 20;

export function isDeath(outcome: Outcome): outcome is CaseDeath {
  return 'died' in outcome;
}

/** What running a program gave. */
export interface ProgramRun {
  stdout: Uint8Array;
  stderr: string;
  exitCode: number | null;
  /** Name such as SIGSEGV when a signal ended it. */
  signal: string | null;
  timedOut: boolean;
}

/** Time limit in milliseconds, additions to the environment, arguments, standard input. */
export interface ProgramOptions {
  timeout?: number;
  env?: Record<string, string>;
  args?: string[];
  stdin?: Uint8Array;
}

/** Runs a program file under the command (`NATIVE` for the host). */
export function runProgram(path: string, command: string[], options: ProgramOptions = {}): ProgramRun {
  const child = Bun.spawnSync({
    cmd: [...command, path, ...(options.args ?? [])],
    stdin: options.stdin ?? 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: options.timeout ?? PROGRAM_LIMIT,
    killSignal: 'SIGKILL',
    env: { ...process.env, ...options.env },
  });
  return {
    stdout: new Uint8Array(child.stdout),
    stderr: child.stderr.toString(),
    exitCode: child.exitCode,
    signal: child.signalCode ? String(child.signalCode) : null,
    timedOut: child.exitedDueToTimeout === true,
  };
}

/** Writes an ELF to a temporary directory, runs it under the command, and removes it. */
export function runElf(elf: Uint8Array, command: string[], options: ProgramOptions = {}): ProgramRun {
  const directory = mkdtempSync(join(tmpdir(), 'wemu-oracle-'));
  try {
    const path = join(directory, 'program');
    writeFileSync(path, elf);
    chmodSync(path, 0o755);
    return runProgram(path, command, options);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function describeEnd(run: ProgramRun): string {
  const words = run.timedOut ? 'timed out' : run.signal ? `killed by ${run.signal}` : `exit status ${run.exitCode}`;
  const lastLine = run.stderr.trim().split('\n').at(-1);
  return lastLine ? `${words}: ${lastLine}` : words;
}

function runOnce(cases: InsnCase[], command: string[], options: RunOptions, unbuffered: boolean) {
  const harness = buildHarness(cases, { signals: options.signals ?? true, unbuffered });
  const run = runElf(harness.elf, command, options);
  return { run, results: parseOutput(cases, harness.codeAddresses, run.stdout) };
}

/**
 * Runs the cases under the command, several programs one after the other. The outcome at an index belongs to the case
 * at that index; cases after the last allowed death, and faulting cases without signal handlers, have none.
 */
export function runOracle(cases: InsnCase[], command: string[], options: RunOptions = {}): (Outcome | undefined)[] {
  const outcomes: (Outcome | undefined)[] = new Array(cases.length).fill(undefined);
  const wanted: number[] = [];
  cases.forEach((insn, i) => {
    if (options.signals !== false || !insn.faults) wanted.push(i);
  });
  const chunk = options.chunk ?? DEFAULT_CHUNK;
  let deaths = 0;
  for (let start = 0; start < wanted.length; ) {
    const indices = wanted.slice(start, start + chunk);
    const batch = indices.map((i) => cases[i]!);
    let { run, results } = runOnce(batch, command, options, false);
    if (results.length < batch.length) ({ run, results } = runOnce(batch, command, options, true));
    results.forEach((result, k) => {
      outcomes[indices[k]!] = result;
    });
    start += results.length;
    if (results.length < batch.length) {
      outcomes[indices[results.length]!] = { died: describeEnd(run) };
      start++;
      if (++deaths >= (options.maxDeaths ?? DEFAULT_MAX_DEATHS)) break;
    }
  }
  return outcomes;
}

/**
 * Runs one case in a process of its own without signal handlers and says how the process ended (`SIGSEGV`, `exit 0`).
 * The way to compare faults with an emulator that cannot deliver them to guest handlers.
 */
export function runForSignal(insn: InsnCase, command: string[], options: RunOptions = {}): string {
  const harness = buildHarness([insn], { signals: false, unbuffered: false });
  const run = runElf(harness.elf, command, options);
  if (run.timedOut) return 'timed out';
  return run.signal ?? `exit ${run.exitCode}`;
}

let nativeReason: string | undefined | null = null;

/** Why this host cannot serve as the i386 oracle, or undefined when it can. */
export function nativeUnavailable(): string | undefined {
  if (nativeReason === null) {
    try {
      const run = runElf(buildHarness([], { signals: true, unbuffered: false }).elf, NATIVE);
      nativeReason = run.exitCode === 0 ? undefined : `i386 programs do not run here: ${describeEnd(run)}`;
    } catch (error) {
      nativeReason = `i386 programs do not run here: ${error}`;
    }
  }
  return nativeReason;
}

const REPOSITORY = join(import.meta.dir, '..', '..');

/** The path of wemu's user-mode command line, for `bun`. */
export const WEMU_USER_MODE = join(REPOSITORY, 'src', 'cli', 'user-mode.ts');

/** The command that runs a guest's program under wemu, with options, or the reason why there is none. */
export function wemuCommand(options: string[] = [], guest = 'i386'): { command: string[] } | { missing: string } {
  const launcher = join(REPOSITORY, 'src', 'cli', 'bin', `wemu-${guest}`);
  if (!existsSync(WEMU_USER_MODE)) return { missing: 'src/cli/user-mode.ts does not exist' };
  if (!existsSync(launcher)) return { missing: `src/cli/bin/wemu-${guest} does not exist` };
  return { command: [launcher, ...options] };
}

/** The command of Debian's qemu-user, or the reason why there is none. */
export function qemuCommand(options: string[] = []): { command: string[] } | { missing: string } {
  const path = Bun.which('qemu-i386');
  return path ? { command: [path, ...options] } : { missing: 'qemu-i386 is not installed' };
}
