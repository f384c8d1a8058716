// SSE arithmetic in hot loops, where blocks become regions: results and flags must be those of the host CPU.

import { expect } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeUnavailable, wemuCommand } from '../../oracle/runner.ts';
import { TEST_LIMIT } from '../../setup/limits.ts';
import { type Need, testWith } from '../../setup/needs.ts';

const unavailable = nativeUnavailable();
const native: Need = { met: unavailable === undefined, reason: unavailable ?? '' };
const wemu = wemuCommand(['-cpu', 'max']);
const available: Need = { met: 'command' in wemu, reason: 'missing' in wemu ? wemu.missing : '' };

testWith(
  ['gcc-i386', native, available],
  'hot SSE loops compute what the host CPU computes',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'wemu-sse-'));
    try {
      const program = join(folder, 'sse-hot');
      const flags = ['-O2', '-msse2', '-mfpmath=sse', '-static', '-fno-strict-aliasing'];
      execFileSync('i686-linux-gnu-gcc', [...flags, '-o', program, join(import.meta.dir, 'sse-hot.c')]);
      const command = 'command' in wemu ? wemu.command : [];
      const [first, ...rest] = [...command, program];
      const expected = execFileSync(program, { encoding: 'latin1' });
      expect(expected.split('\n')).toHaveLength(103);
      expect(execFileSync(first!, rest, { encoding: 'latin1' })).toBe(expected);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  TEST_LIMIT,
);
