// Runs the faults program natively and under wemu: what signal handlers see and how programs go on.

import { describe, expect } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NATIVE, nativeUnavailable, runProgram, wemuCommand } from '../../oracle/runner.ts';
import { type Need, testWith } from '../../setup/needs.ts';

const expected = readFileSync(join(import.meta.dir, 'expected'), 'utf8');

/** Output, and how the program ended when that was not exit status 0. */
function output(command: string[]): string {
  const run = runProgram(join(import.meta.dir, 'faults'), command);
  const text = new TextDecoder().decode(run.stdout);
  return run.exitCode === 0 ? text : `${text}(${run.signal ?? run.exitCode}) ${run.stderr}`;
}

const unavailable = nativeUnavailable();
const native: Need = { met: unavailable === undefined, reason: unavailable ?? '' };
const wemu = wemuCommand();
const runnable: Need = { met: 'command' in wemu, reason: 'missing' in wemu ? wemu.missing : '' };

describe('faults in the middle of instructions', () => {
  testWith([native], 'the host CPU gives the expected output', () => {
    expect(output(NATIVE)).toBe(expected);
  });

  testWith([runnable], 'wemu gives the expected output', () => {
    expect(output('command' in wemu ? wemu.command : [])).toBe(expected);
  });
});
