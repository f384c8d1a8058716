// Runs one wemu-img command: global options, arguments as exact bytes, and errors as one line with an exit code.
import { nameOfBytes } from '../../block/bytes.ts';
import { asBlockError, ExitError, reportError, sayError, usageError } from './common.ts';

/** A command takes its arguments and returns the exit code. */
export type Command = (argv: readonly string[]) => Promise<number>;

/** Commands by name; each one's code is loaded when it is used. */
export type CommandTable = Record<string, () => Promise<Command>>;

async function main(argv: readonly string[], commands: CommandTable): Promise<number> {
  let at = 0;
  while (at < argv.length && argv[at]!.startsWith('-')) {
    const word = argv[at]!;
    if (word === '-h' || word === '--help') return (await import('./help.ts')).printHelp();
    if (word === '-V' || word === '--version') return (await import('./help.ts')).printVersion();
    const traceArgument = word === '-T' || word === '--trace';
    if (traceArgument) at += 2;
    else if (word.startsWith('-T') || word.startsWith('--trace=')) at++;
    else usageError(`unrecognized option '${word}'`);
  }
  if (at >= argv.length) usageError('Not enough arguments');
  const name = argv[at]!;
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!load) usageError(`Command not found: ${name}`);
  const command = await load();
  return command(argv.slice(at + 1));
}

/**
 * Arguments as they were given: bytes that are no UTF-8 come back as lone surrogates, which the disk layer turns into the same
 * bytes again. (The runtime has replaced them for good in process.argv.)
 */
function exactArgs(argv: readonly string[]): readonly string[] {
  if (!argv.some((a) => a.includes('\ufffd'))) return argv;
  const raw = process.getBuiltinModule('node:fs').readFileSync('/proc/self/cmdline');
  const all: string[] = [];
  for (let at = 0; at < raw.length; ) {
    const end = raw.indexOf(0, at);
    all.push(nameOfBytes(raw.subarray(at, end)));
    at = end + 1;
  }
  return all.slice(all.length - argv.length);
}

/** Runs wemu-img and returns its exit code. */
async function runImg(argv: readonly string[], commands: CommandTable): Promise<number> {
  try {
    return await main(argv, commands);
  } catch (error) {
    if (error instanceof ExitError) return error.code;
    try {
      reportError(asBlockError(error));
    } catch (unexpected) {
      sayError(`internal error: ${(unexpected as Error)?.message ?? String(unexpected)}`);
      if (process.env['WEMU_DEBUG']) sayError(String((unexpected as Error)?.stack));
    }
    return 1;
  }
}

/** Runs the process's own command line and sets its exit code. */
export function start(commands: CommandTable): void {
  // No top-level await: it would keep the file from being compiled ahead.
  void runImg(exactArgs(process.argv.slice(2)), commands).then((code) => {
    process.exitCode = code;
  });
}
