// C programs of one test file: built where they are needed, and run in an empty directory and a session of their own.

import { afterAll, expect } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeUnavailable, wemuCommand } from '../oracle/runner.ts';
import { PROGRAM_LIMIT } from '../setup/limits.ts';
import type { Need } from '../setup/needs.ts';
import { type Oracle, oraclePath } from '../setup/oracles.ts';

/** What comparing a program with its run on the host CPU needs. */
export const NATIVE_I386: readonly Need[] = [
  'gcc-i386',
  { met: nativeUnavailable() === undefined, reason: nativeUnavailable() ?? '' },
];

/** A guest whose compiler's programs are compared with those of i386 on the host CPU. */
export interface CGuest {
  readonly guest: string;
  readonly compiler: Oracle;
  /** Definitions that leave out what the guest has not, on both sides. */
  readonly flags: readonly string[];
}

export const I386_GUEST: CGuest = { guest: 'i386', compiler: 'gcc-i386', flags: [] };

/** Lists of arguments for programs that take the name of a part, or nothing (''). */
export function runsOf(parts: readonly string[]): readonly (readonly string[])[] {
  return parts.map((part) => (part === '' ? [] : [part]));
}

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

  /**
   * Expects that a program prints the same under wemu as natively, where it ends with status 0, for each list of arguments.
   * @param errors whether what goes to standard error counts
   */
  expectSame(
    name: string,
    { guest, compiler, flags }: CGuest = I386_GUEST,
    runs: readonly (readonly string[])[] = [[]],
    errors: 'shown' | 'elsewhere' = 'shown',
  ): void {
    const wemu = wemuCommand([], guest);
    if ('missing' in wemu) throw new Error(wemu.missing);
    const native = this.build(name, 'gcc-i386', flags);
    // The registers of raw calls are fixed, and R7 is Thumb's frame pointer.
    const program = guest === 'i386' ? native : this.build(name, compiler, ['-marm', ...flags]);
    for (const args of runs) {
      const expected = this.run([native, ...args], errors);
      expect(expected).toEndWith('status 0\n');
      expect(this.run([...wemu.command, program, ...args], errors)).toBe(expected);
    }
  }
}
