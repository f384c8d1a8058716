/** What ends a command: mistakes of the user (one line) and our own bugs (stack, how to report). */

import { writeSync } from 'node:fs';

/** A mistake the user can repair. The message is one line, starts without the program's name, and says what to change. */
export class UserError extends Error {
  override name = 'UserError';

  /** `exitCode` is what the process ends with, 1..255. */
  constructor(
    message: string,
    readonly exitCode = 1,
  ) {
    super(message);
  }
}

/** Exit code after one of our own bugs: sysexits.h EX_SOFTWARE, which no guest convention uses. */
export const EXIT_INTERNAL_BUG = 70;

/** The text `reportFatal` prints and the code to exit with. */
export function describeFatal(error: unknown, program = 'wemu'): { text: string; exitCode: number } {
  if (error instanceof UserError) return { text: `${program}: ${error.message}\n`, exitCode: error.exitCode };
  const stack = error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : String(error);
  const head = error instanceof Error && !stack.includes(error.message) ? `${error.name}: ${error.message}\n` : '';
  const text =
    `${program}: internal error\n${head}${stack}\n` +
    'This is a bug in wemu, not in your program. Please report it with the text above, the full command line, the\n' +
    'guest program if it may be shared, and the last lines that the same command prints with `-d in_asm,int,unimp`.\n';
  return { text, exitCode: EXIT_INTERNAL_BUG };
}

/** Prints a line to standard error about something that is done differently than asked. */
export function reportWarning(message: string, program = 'wemu'): void {
  try {
    writeSync(2, `${program}: warning: ${message}\n`);
  } catch {
    // As in reportFatal.
  }
}

/** Prints what went wrong to standard error, at once, and returns the exit code; the caller exits. */
export function reportFatal(error: unknown, program = 'wemu'): number {
  const { text, exitCode } = describeFatal(error, program);
  try {
    writeSync(2, text);
  } catch {
    // Standard error is closed or full: the exit code alone must do.
  }
  return exitCode;
}
