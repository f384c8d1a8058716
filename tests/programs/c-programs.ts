// C programs of one test file: built where they are needed, and run in an empty directory and a session of their own.

import { afterAll } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROGRAM_LIMIT } from '../setup/limits.ts';
import { type Oracle, oraclePath } from '../setup/oracles.ts';

export class CPrograms {
  private readonly scratch: string;

  /** `sources` is the folder of the .c files. Everything made is removed in the end. */
  constructor(private readonly sources: string) {
    this.scratch = mkdtempSync(join(tmpdir(), 'wemu-c-programs-'));
    afterAll(() => rmSync(this.scratch, { recursive: true, force: true }));
  }

  /** The path of a program, statically linked. Throws with the compiler's words. */
  build(name: string, compiler: Oracle = 'gcc-i386', flags: readonly string[] = []): string {
    const program = join(this.scratch, `${name}-${compiler}${flags.join('')}`);
    const source = join(this.sources, `${name}.c`);
    const built = Bun.spawnSync([oraclePath(compiler)!, '-O1', '-static', '-w', ...flags, '-o', program, source]);
    if (!built.success) throw new Error(String(built.stderr));
    return program;
  }

  /** Output and status of a run; `setsid` keeps terminals away. */
  run(command: readonly string[], errors: 'shown' | 'elsewhere' = 'shown'): string {
    const cwd = join(this.scratch, 'work');
    rmSync(cwd, { recursive: true, force: true });
    mkdirSync(cwd);
    const child = Bun.spawnSync(['setsid', '--wait', ...command], {
      cwd,
      stdin: 'ignore',
      stderr: errors === 'shown' ? 'pipe' : 'ignore',
      timeout: PROGRAM_LIMIT,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    });
    return `${child.stdout}${child.stderr ?? ''}status ${child.exitCode ?? child.signalCode}\n`;
  }
}
