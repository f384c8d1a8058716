// Builds the fork-exec program, and runs it natively and under wemu: processes made, awaited, and turned into others.

import { afterAll, describe, expect } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NATIVE, nativeUnavailable, runProgram, wemuCommand } from '../../oracle/runner.ts';
import { PROGRAM_LIMIT } from '../../setup/limits.ts';
import { type Need, testWith } from '../../setup/needs.ts';
import { COMPILER, expectedOfMany, type Many, runMany } from './many.ts';

const expected = readFileSync(join(import.meta.dir, 'expected'), 'latin1');
const directory = mkdtempSync(join(tmpdir(), 'fork-exec-'));
const program = join(directory, 'fork-exec');

afterAll(() => rmSync(directory, { recursive: true }));

let built = false;

/** Output, and how the program ended when that was not exit status 0. */
function output(command: string[]): string {
  if (!built) {
    const source = join(import.meta.dir, 'fork-exec.c');
    expect(Bun.spawnSync([COMPILER, '-O1', '-static', '-s', '-o', program, source]).exitCode).toBe(0);
    built = true;
  }
  const run = runProgram(program, command, { timeout: PROGRAM_LIMIT });
  const text = Buffer.from(run.stdout).toString('latin1');
  return run.exitCode === 0 ? text : `${text}(${run.signal ?? run.exitCode}) ${run.stderr}`;
}

const compiler: Need = { met: Bun.which(COMPILER) !== null, reason: `${COMPILER} is not installed` };
const unavailable = nativeUnavailable();
const native: Need = { met: unavailable === undefined, reason: unavailable ?? '' };
const wemu = wemuCommand();
const runnable: Need = { met: 'command' in wemu, reason: 'missing' in wemu ? wemu.missing : '' };

describe('processes', () => {
  testWith([compiler, native], 'the host gives the expected output', () => {
    expect(output(NATIVE)).toBe(expected);
  });

  testWith([compiler, runnable], 'wemu gives the expected output', () => {
    expect(output('command' in wemu ? wemu.command : [])).toBe(expected);
  });

  // The command `bun tests/programs/fork-exec/many.ts` does the same with 10,000 and 2,000 that live for a second.
  testWith([compiler, runnable], 'no child hangs, none leaves anything behind', () => {
    const many: Many = { execs: 150, living: 24, milliseconds: 200, timeoutSeconds: PROGRAM_LIMIT / 1000 };
    expect(runMany(many)).toBe(expectedOfMany(many));
  });
});
