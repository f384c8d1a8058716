// `wemu lockstep`: runs a program as usual, but every step on both engines, and reports the first difference.
import { writeSync } from 'node:fs';
import { hideDescriptor } from '../../linux-user/host-descriptors.ts';
import { rawEnvironment, runUserProgram, variables } from '../cli/run-user.ts';
import { defaultOptions, type UserOptions } from '../cli/user-options.ts';
import { LockstepCpu, LockstepDifference } from '../exec/lockstep-cpu.ts';
import { SYS, sys1 } from '../host/syscall.ts';
import { EXIT_INTERNAL_BUG } from '../util/errors.ts';

/** What the command line of `wemu lockstep` says. */
export interface LockstepOptions {
  readonly guest: string;
  /** Directory of -L; undefined: what the environment says, or the default. */
  readonly prefix?: string;
  /** Join hot blocks into regions; their runs before a block is hot, or undefined for as usual. */
  readonly regions: boolean;
  readonly hot?: number;
  readonly chain: boolean;
  /** Names for -disable, -cpu, -d and the like. */
  readonly user: Partial<UserOptions>;
}

/**
 * Runs a program in lockstep; this process ends as the program does, after a line with the number of comparisons on standard
 * error, or with status 70 after a report when the engines disagree. Throws UserError when the program cannot be started.
 * @param program the program and its arguments, bytes as latin1 text.
 */
export async function lockstep(options: LockstepOptions, program: readonly string[]): Promise<void> {
  const environment = rawEnvironment();
  const given = variables(environment);
  const prefix = options.prefix ?? given.WEMU_LD_PREFIX ?? given.QEMU_LD_PREFIX;
  let cpu: LockstepCpu | null = null;
  // Programs may close standard error; the report goes where it led when we started.
  const errors = hideDescriptor(sys1(SYS.dup, 2));
  const report = (text: string) => writeSync(errors, `lockstep: ${text}\n`);
  try {
    await runUserProgram({
      guest: options.guest,
      options: { ...defaultOptions(options.guest), ...options.user, ...(prefix === undefined ? {} : { prefix }) },
      program,
      environment,
      prefixNamed: prefix !== undefined,
      makeCpu: (guest, memory, switches) => {
        cpu = new LockstepCpu(guest, memory, {
          ...switches,
          engine: 'wasm',
          chain: options.chain,
          regions: options.chain && options.regions,
          // Both runs of a step must see the same time; from step to step it goes on.
          clock: () => 1e9 + 1000 * (cpu?.comparisons ?? 0),
          ...(options.hot === undefined ? {} : { hotThreshold: options.hot }),
        });
        return cpu;
      },
      atEnd: () => report(`no difference in ${cpu!.comparisons - cpu!.steppedOver} comparisons`),
    });
  } catch (error) {
    if (!(error instanceof LockstepDifference)) throw error;
    report(`${error.message}\n${cpu!.comparisons} comparisons before it agreed`);
    process.exit(EXIT_INTERNAL_BUG);
  }
}
