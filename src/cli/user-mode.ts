// The wemu-<guest> commands: reads the command line, answers what needs no program, and runs the program.
import './early.ts';

import { writeSync } from 'node:fs';
import { GUESTS } from '../../targets/registry.ts';
import type { Guest } from '../../targets/target.ts';
import { logHelp, parseLogItems } from '../log/log.ts';
import { reportFatal, UserError } from '../util/errors.ts';
import { EXEC_STATE, parseExecState } from './exec-state.ts';
import { EXIT_USAGE, lastRawArguments, rawEnvironment, runUserProgram, variables } from './run-user.ts';
import { closeLibraries, kernelStart, STANDALONE_GUEST, WORDS_BEFORE, withOwnFiles } from './standalone.ts';
import { helpText, type ParsedCommand, parseUserCommand } from './user-options.ts';

function print(text: string): void {
  writeSync(1, text);
}

/** Answers options that print something instead of running a program; true when there was one. */
function answered(name: string, guest: Guest, { options, program }: ParsedCommand): boolean {
  if (options.show === 'help') print(helpText(name));
  else if (options.show === 'version')
    print(`wemu-${name} version ${version()}\nCopyright (c) 2026 the wemu authors\n`);
  else if (options.cpu === 'help' || options.cpu === '?') {
    print(
      guest.modelHelp?.() ??
        `Available CPUs:\n${guest.models.map((m) => `${name} ${m.name.padEnd(16)} ${m.text}\n`).join('')}`,
    );
  } else if (options.logItems !== '' && parseLogItems(options.logItems) === undefined) {
    print(logHelp());
    process.exit(EXIT_USAGE);
  } else if (program.length === 0) {
    throw new UserError(`no user program specified; wemu-${name} -h prints how to name one`, EXIT_USAGE);
  } else {
    return false;
  }
  return true;
}

function version(): string {
  return (require('../../package.json') as { version: string }).version;
}

/** Runs the command line of wemu-<name>; does not return when a program is run. Throws UserError. */
async function main(name: string): Promise<void> {
  const guest = GUESTS[name];
  if (!guest) throw new UserError(`no guest '${name}'; there are: ${Object.keys(GUESTS).join(', ')}`, EXIT_USAGE);
  const words = lastRawArguments(process.argv.length - WORDS_BEFORE);
  closeLibraries();
  // Executed by a guest: the options are all there, and variables are the guest's alone.
  const execState = isOwnCommand(words) ? parseExecState(words[1]!) : undefined;
  const args = execState ? words.slice(2) : words;
  const environment = withOwnFiles(rawEnvironment);
  const given = execState || start.secure ? {} : variables(environment);
  const fromKernel = start.preserved || start.execFd >= 0;
  // The kernel names the program first, and nobody names options.
  const command = parseUserCommand(name, fromKernel ? ['--', ...args] : args, given);
  if (fromKernel && start.preserved && command.program.length > 1) {
    command.options.argv0 = command.program.splice(1, 1)[0]!;
  }
  if (answered(name, guest, command)) return;
  const { options, program } = command;
  const prefixNamed = given.QEMU_LD_PREFIX !== undefined || given.WEMU_LD_PREFIX !== undefined || args.includes('-L');
  await runUserProgram({
    guest: name,
    options,
    program,
    environment,
    prefixNamed,
    secure: start.secure,
    ...(execState ? { execState } : { kernelStarts: fromKernel }),
    ...(start.execFd >= 0 ? { execFd: start.execFd } : {}),
  });
}

const start = kernelStart();

/**
 * Whether the command line is what an emulator makes when its guest executes a program. The kernel's begins with the caller's
 * name for a program that may have more rights than he has (flag C), and goes on with his words: there it is only a name.
 */
function isOwnCommand(words: readonly string[]): boolean {
  return words[0] === EXEC_STATE && !start.preserved && start.execFd < 0;
}

/** A program that is executed may be for another guest than this executable. */
function nameOfGuest(): string {
  if (STANDALONE_GUEST === undefined) return process.argv[2] ?? '';
  const words = lastRawArguments(process.argv.length - WORDS_BEFORE);
  return isOwnCommand(words) ? parseExecState(words[1]!).guest : STANDALONE_GUEST;
}

const guestName = nameOfGuest();
main(guestName).catch((error) => process.exit(reportFatal(error, `wemu-${guestName}`)));
