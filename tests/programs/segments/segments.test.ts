// Segments of the LDT, 16-bit code and stacks, far transfers, natively and under wemu.
import { afterAll, beforeAll, expect } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NATIVE, nativeUnavailable, runProgram, wemuCommand } from '../../oracle/runner.ts';
import { PROGRAM_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';

const unavailable = nativeUnavailable();
const native = { met: unavailable === undefined, reason: unavailable ?? '' };
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wemu-segments-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

testWith(['gcc-i386', native], 'segments a program makes itself work and fault as natively', () => {
  const program = join(folder, 'segments');
  const flags = ['-O1', '-w', '-static', '-fno-pie', '-no-pie', '-fno-stack-protector'];
  const compiler = ['i686-linux-gnu-gcc', ...flags, join(import.meta.dir, 'segments.c'), '-o', program];
  expect(Bun.spawnSync(compiler).stderr.toString()).toBe('');
  const lines = (command: string[]) => {
    const { stdout, exitCode } = runProgram(program, command, { timeout: PROGRAM_LIMIT });
    return [...new TextDecoder().decode(stdout).split('\n'), exitCode];
  };
  const expected = lines(NATIVE);
  expect(expected.length).toBeGreaterThan(100);
  for (const options of [[], ['-engine', 'interp'], ['-disable', 'cold']]) {
    const wemu = wemuCommand(options);
    if ('missing' in wemu) throw new Error(wemu.missing);
    expect(lines(wemu.command)).toEqual(expected);
  }
});
