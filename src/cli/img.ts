// wemu-img: finds the command and runs it; every error ends as one line and an exit code.
import { nameOfBytes } from '../block/bytes.ts';
import { asBlockError, ExitError, reportError, sayError, usageError } from './img/common.ts';

/** A command takes its arguments and returns the exit code. */
type Command = (argv: readonly string[]) => Promise<number>;

/** The commands; each one's code is loaded when it is used. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  amend: async () => (await import('./img/amend.ts')).amend,
  bench: async () => (await import('./img/bench.ts')).bench,
  bitmap: async () => (await import('./img/bitmap.ts')).bitmap,
  check: async () => (await import('./img/check.ts')).check,
  commit: async () => (await import('./img/commit.ts')).commit,
  compare: async () => (await import('./img/compare.ts')).compare,
  convert: async () => (await import('./img/convert.ts')).convert,
  create: async () => (await import('./img/create.ts')).create,
  dd: async () => (await import('./img/dd.ts')).dd,
  info: async () => (await import('./img/info.ts')).info,
  map: async () => (await import('./img/map.ts')).map,
  measure: async () => (await import('./img/measure.ts')).measure,
  snapshot: async () => (await import('./img/snapshot.ts')).snapshot,
  rebase: async () => (await import('./img/rebase.ts')).rebase,
  resize: async () => (await import('./img/resize.ts')).resize,
};

async function main(argv: readonly string[]): Promise<number> {
  let at = 0;
  while (at < argv.length && argv[at]!.startsWith('-')) {
    const word = argv[at]!;
    if (word === '-h' || word === '--help') return (await import('./img/help.ts')).printHelp();
    if (word === '-V' || word === '--version') return (await import('./img/help.ts')).printVersion();
    const traceArgument = word === '-T' || word === '--trace';
    if (traceArgument) at += 2;
    else if (word.startsWith('-T') || word.startsWith('--trace=')) at++;
    else usageError(`unrecognized option '${word}'`);
  }
  if (at >= argv.length) usageError('Not enough arguments');
  const name = argv[at]!;
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
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
export async function runImg(argv: readonly string[]): Promise<number> {
  try {
    return await main(argv);
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

if (import.meta.main) {
  // No top-level await: it would keep the file from being compiled ahead.
  void runImg(exactArgs(process.argv.slice(2))).then((code) => {
    process.exitCode = code;
  });
}
