// The wiring of `wemu binfmt` and its commands; what they do is in binfmt.ts.
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { UserError } from '../util/errors.ts';
import {
  type BinfmtOptions,
  exportFiles,
  formatsOf,
  isNative,
  list,
  register,
  registration,
  remove,
} from './binfmt.ts';

/** Options of the commands that make entries. */
interface Words {
  interpreter?: string;
  path: string;
  suffix: string;
  credential: boolean;
  persistent: boolean;
  preserveArgv0: boolean;
  open: boolean;
  ignoreFamily?: boolean;
}

function yesOrNo(text: string): boolean {
  if (text !== 'yes' && text !== 'no') throw new InvalidArgumentError('It must be yes or no.');
  return text === 'yes';
}

function withOptions(command: Command): Command {
  return command
    .option('-i, --interpreter <file>', 'the emulator (for one guest)')
    .option('--path <dir>', 'directory of the emulators, which are called wemu-<guest>', '/usr/local/bin')
    .option('--suffix <text>', 'behind the names of the emulators', '')
    .option('-c, --credential <yes|no>', 'give a program the rights its file says (setuid), flag C', yesOrNo, false)
    .option('-p, --persistent <yes|no>', 'open the emulator now, so that it works in chroots, flag F', yesOrNo, true)
    .option('-g, --preserve-argv0 <yes|no>', 'keep the argv[0] a program is called with, flag P', yesOrNo, true)
    .option('--open <yes|no>', 'pass the program open, for those that cannot be read, flag O', yesOrNo, false)
    .option('--ignore-family', 'also guests whose programs the kernel runs by itself');
}

function optionsOf(words: Words, guests: readonly string[]): BinfmtOptions {
  if (words.interpreter !== undefined && guests.length !== 1) {
    throw new UserError('--interpreter is for one guest; name it, or use --path');
  }
  const { credential, persistent, preserveArgv0, open } = words;
  return {
    interpreter: (guest) => resolve(words.interpreter ?? `${words.path}/wemu-${guest}${words.suffix}`),
    credential,
    persistent,
    preserveArgv0,
    open,
  };
}

/** The guests meant: those named, or all whose programs do not run here anyway. */
function guestsOf(named: readonly string[], all: readonly string[], words: Words): string[] {
  const guests = named.length > 0 ? [...named] : all.filter((guest) => words.ignoreFamily || !isNative(guest));
  for (const guest of guests) {
    formatsOf(guest);
    if (isNative(guest) && !words.ignoreFamily) {
      throw new UserError(`${guest} programs run on this kernel by themselves; --ignore-family takes them from it`);
    }
  }
  return guests;
}

/** Adds `binfmt` to the general command. */
export function addBinfmt(wemu: Command, all: readonly string[]): void {
  const binfmt = wemu
    .command('binfmt')
    .summary('let the kernel start guest programs by themselves')
    .description(
      'Guest programs then start like any other: the kernel (binfmt_misc) calls the emulator. --persistent, --open, ' +
        '--preserve-argv0 and --credential need an emulator in one file, see wemu standalone.',
    );
  const guestNames = `guests: ${all.join(', ')} (default: all that do not run here natively)`;
  withOptions(binfmt.command('print'))
    .summary('print what would be registered')
    .argument('[guests...]', guestNames)
    .action((named: string[], words: Words) => {
      const guests = named.length > 0 ? named : [...all];
      const options = optionsOf(words, guests);
      process.stdout.write(
        guests
          .flatMap(formatsOf)
          .map((format) => `${registration(format, options)}\n`)
          .join(''),
      );
    });
  withOptions(binfmt.command('register'))
    .summary('tell the kernel')
    .argument('[guests...]', guestNames)
    .action((named: string[], words: Words) => {
      const guests = guestsOf(named, all, words);
      for (const name of register(guests, optionsOf(words, guests))) process.stdout.write(`${name}\n`);
    });
  withOptions(binfmt.command('export'))
    .summary('write files for systemd (binfmt.d)')
    .argument('<dir>', 'where to write them, such as /etc/binfmt.d')
    .argument('[guests...]', guestNames)
    .action((directory: string, named: string[], words: Words) => {
      const guests = guestsOf(named, all, words);
      for (const path of exportFiles(directory, guests, optionsOf(words, guests))) process.stdout.write(`${path}\n`);
    });
  binfmt
    .command('list')
    .summary('show what is registered')
    .action(() => {
      process.stdout.write(list());
    });
  binfmt
    .command('remove')
    .summary('take entries back')
    .argument('[guests...]', `guests: ${all.join(', ')} (default: all entries of wemu)`)
    .action((named: string[]) => {
      for (const name of remove(named)) process.stdout.write(`${name}\n`);
    });
  for (const command of binfmt.commands) command.exitOverride().configureOutput(wemu.configureOutput());
}
