// Command: forks and executes thousands of times, with children that live on, to find the one that hangs or leaves something.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wemuCommand } from '../../oracle/runner.ts';

export const COMPILER = 'i686-linux-gnu-gcc';
/** Compilers by guest. */
const COMPILERS: Readonly<Record<string, string>> = { i386: COMPILER, arm: 'arm-linux-gnueabihf-gcc' };

/** How often, and what a child that hangs is given up after. */
export interface Many {
  readonly execs: number;
  readonly living: number;
  /** How long each of the latter computes. */
  readonly milliseconds: number;
  readonly timeoutSeconds: number;
  /** i386 when absent. */
  readonly guest?: string;
}

/** Builds and runs many.c under wemu; what it printed, and how it ended when that was not exit status 0. */
export function runMany({ execs, living, milliseconds, timeoutSeconds, guest = 'i386' }: Many): string {
  const directory = mkdtempSync(join(tmpdir(), 'many-'));
  try {
    const program = join(directory, 'many');
    const source = join(import.meta.dir, 'many.c');
    const built = Bun.spawnSync([COMPILERS[guest]!, '-O2', '-static', '-s', '-o', program, source]);
    if (built.exitCode !== 0) return built.stderr.toString();
    const wemu = wemuCommand([], guest);
    if (!('command' in wemu)) return wemu.missing;
    const run = Bun.spawnSync([...wemu.command, program, String(execs), String(living), String(milliseconds)], {
      timeout: timeoutSeconds * 1000,
    });
    const text = run.stdout.toString();
    return run.exitCode === 0 ? text : `${text}(${run.signalCode ?? run.exitCode}) ${run.stderr}`;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What is printed when all is well. */
export function expectedOfMany({ execs, living }: Many): string {
  return `executed ${execs}\nlived ${living}\nleft over: descriptors 0, children 0\n`;
}

if (import.meta.main) {
  const number = (name: string, otherwise: number): number => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? otherwise : Number(process.argv[at + 1]);
  };
  const many: Many = {
    execs: number('execs', 10_000),
    living: number('living', 2000),
    milliseconds: number('milliseconds', 1000),
    timeoutSeconds: number('timeout', 7200),
    guest: process.argv.includes('--guest') ? process.argv[process.argv.indexOf('--guest') + 1]! : 'i386',
  };
  const text = runMany(many);
  process.stdout.write(text);
  process.exit(text === expectedOfMany(many) ? 0 : 1);
}
