// Runs one wemu-img command: global options, arguments as exact bytes, and errors as one line with an exit code.
import { nameOfBytes } from '../../block/bytes.ts';
import { ignoreSignal } from '../../block/libc.ts';
import { sendWarnings } from '../../block/warnings.ts';
import {
  asBlockError,
  ExitError,
  finalCode,
  print,
  reportError,
  sayError,
  setCommand,
  TOOL,
  usageError,
} from './common.ts';

const SIGUSR1 = 10;

/** A command takes its arguments and returns the exit code. */
export type Command = (argv: readonly string[]) => Promise<number>;

/** Commands by name; each one's code is loaded when it is used. */
export type CommandTable = Record<string, () => Promise<Command>>;

/** The standard options, before the command; long names may be shortened. */
const STANDARD = { h: 'help', V: 'version', T: 'trace' } as const;

/** Handles one standard option; returns how many words it took, or the exit code if it ends the command. */
async function standardOption(
  word: string,
  next: string | undefined,
  shown: string,
): Promise<{ words: number } | number> {
  const eq = word.startsWith('--') ? word.indexOf('=') : -1;
  const long = word.startsWith('--') ? word.slice(2, eq < 0 ? undefined : eq) : undefined;
  const names = Object.values(STANDARD);
  const name = long === undefined ? STANDARD[word[1] as keyof typeof STANDARD] : names.find((n) => n.startsWith(long));
  const takesNone = name === 'help' || name === 'version';
  if (!name || long === '' || (takesNone && eq >= 0)) usageError(`unrecognized option '${shown}'`);
  if (takesNone) {
    const { helpText, versionText } = await import('./help.ts');
    print(name === 'help' ? helpText() : versionText());
    return 0;
  }
  const attached = eq >= 0 ? word.slice(eq + 1) : long === undefined && word.length > 2 ? word.slice(2) : undefined;
  const text = attached ?? next;
  if (text === undefined) usageError(`missing argument for option '${word}'`);
  if ((await import('./trace.ts')).traceOption(text)) return 0;
  return { words: attached === undefined ? 2 : 1 };
}

async function main(argv: readonly string[], commands: CommandTable): Promise<number> {
  let at = 0;
  while (at < argv.length && argv[at]!.startsWith('-') && argv[at] !== '-') {
    const word = argv[at]!;
    if (word === '--') {
      at++;
      break;
    }
    // (getopt names the word before the one it is not done with.)
    const shown = word.length > 2 && word[1] !== '-' ? (argv[at - 1] ?? TOOL) : word;
    const done = await standardOption(word, argv[at + 1], shown);
    if (typeof done === 'number') return done;
    at += done.words;
  }
  if (at >= argv.length) usageError('Not enough arguments');
  const name = argv[at]!;
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!load) usageError(`Command not found: ${name}`);
  setCommand(name);
  const command = await load();
  return command(argv.slice(at + 1));
}

/**
 * Arguments as they were given: bytes that are no UTF-8 come back as lone surrogates, which the disk layer turns into the same
 * bytes again. (The runtime has replaced them for good in process.argv.)
 */
function exactArgs(argv: readonly string[]): readonly string[] {
  // (Array methods written in JavaScript, as some() is, are compiled by the engine when first used: a fiftieth of a command.)
  let replaced = false;
  for (const a of argv) replaced ||= a.includes('\ufffd');
  if (!replaced) return argv;
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
  // Whoever asks how far a command is must not end one that does not tell.
  ignoreSignal(SIGUSR1);
  sendWarnings((text) => sayError(`warning: ${text}`));
  // No top-level await: it would keep the file from being compiled ahead.
  void runImg(exactArgs(process.argv.slice(2)), commands).then((code) => {
    process.exitCode = finalCode(code);
  });
}
