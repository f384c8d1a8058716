/** Hostile arguments for every row never crash the emulator; the process that tries is locked into a directory first. */

import { expect } from 'bun:test';
import { chmodSync, chownSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROGRAM_LIMIT, TEST_LIMIT } from '../../setup/limits.ts';
import { testWith } from '../../setup/needs.ts';

const SEEDS = (process.env['WEMU_FUZZ_SEEDS'] ?? '1,2').split(',').map(Number);
const COUNT = Number(process.env['WEMU_FUZZ_COUNT'] ?? 8000);

/** Without root the process cannot be locked in, and must not run. */
const NEEDS = [{ met: process.getuid?.() === 0, reason: 'only root can lock the process into a directory' }];
const NOBODY = 65534;

for (const seed of SEEDS) {
  testWith(
    NEEDS,
    `random arguments at every row, seed ${seed}`,
    () => {
      const cwd = mkdtempSync(join(tmpdir(), 'wemu-fuzz-'));
      mkdirSync(join(cwd, 'd'));
      writeFileSync(join(cwd, 'f'), 'contents');
      writeFileSync(join(cwd, 'in'), '');
      for (const name of ['', 'd', 'f', 'in']) chownSync(join(cwd, name), NOBODY, NOBODY);
      chmodSync(cwd, 0o755);
      // A file of its own as input: descriptor 0 may be changed like any other.
      const input = openSync(join(cwd, 'in'), 'r');
      try {
        const child = join(import.meta.dir, 'fuzz-child.ts');
        const run = Bun.spawnSync([process.execPath, child, String(seed), String(COUNT)], {
          cwd,
          stdin: input,
          timeout: PROGRAM_LIMIT,
        });
        // Its standard output may be closed by then: only how it ended counts.
        expect([run.exitCode, run.signalCode, String(run.stderr).slice(0, 2000)]).toEqual([0, undefined, ''] as never);
      } finally {
        closeSync(input);
        rmSync(cwd, { recursive: true, force: true });
      }
    },
    TEST_LIMIT,
  );
}
