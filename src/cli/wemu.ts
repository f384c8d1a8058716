// The general command `wemu`: wiring of its commands, one row each; what they do is in src/tools.
import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { GUESTS } from '../../targets/registry.ts';
import { reportFatal, UserError } from '../util/errors.ts';
import { addBinfmt } from './binfmt-command.ts';
import { EXIT_USAGE, lastRawArguments } from './run-user.ts';

function version(): string {
  return (require('../../package.json') as { version: string }).version;
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

/** Options of `wemu lockstep` as commander hands them over. */
interface LockstepWords {
  guest: string;
  prefix?: string;
  cpu?: string;
  regions?: boolean;
  hot?: number;
  chain: boolean;
  strace?: boolean;
  counters?: boolean;
  /** -d */
  log?: string;
  /** -D */
  logFile?: string;
}

function commandLine(): Command {
  const guests = Object.keys(GUESTS).join(', ');
  const wemu = new Command('wemu')
    .description(
      'Looks into the emulator. Programs are run by wemu-<guest> (wemu-i386 -h), disk images are made by wemu-img.',
    )
    .version(`wemu ${version()}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      // One line: name, what is wrong, what was probably meant.
      outputError: (text, write) =>
        write(
          `wemu: ${text
            .replace(/^error: /, '')
            .trim()
            .replaceAll('\n', ' ')}\n`,
        ),
    })
    .addHelpText('after', '\nwemu help COMMAND tells more about a command.');

  wemu
    .command('explain')
    .summary('show instructions at every stage, from bytes to generated code')
    .description(
      'Shows what becomes of a few instructions: disassembly with the row of the instruction table each is decoded by, ' +
        'the IR made of them, the IR after the optimiser, the WebAssembly, and which registers and bytes of memory change.',
    )
    .argument('<guest>', `the guest CPU: ${guests}`)
    .argument('<bytes...>', 'the bytes of whole instructions, in hexadecimal')
    .addHelpText(
      'after',
      '\nExamples:\n  wemu explain i386 01 d8\n  wemu explain i386 "f3 a4"\n  wemu explain i386 d9e8dec1',
    )
    .action(async (guest: string, bytes: string[]) => {
      const { explain, parseCode } = await import('../tools/explain.ts');
      process.stdout.write(explain(guest, parseCode(bytes.join(' '))));
    });

  wemu
    .command('lockstep')
    .summary('run a program on both engines at once and report the first difference')
    .description(
      'Runs a Linux program once, but each step twice: by the interpreter, then, after everything is undone, as generated ' +
        'code. Where registers or memory differ it stops, prints both states with the instructions, and ends with status 70; ' +
        'otherwise it prints the number of comparisons and ends as the program does. 20 to 100 times slower than a plain run.',
    )
    .argument('<program...>', 'the program and its arguments; put -- before it if you like')
    .option('-g, --guest <name>', `the guest CPU: ${guests}`, 'i386')
    .option('-L, --prefix <dir>', 'directory of the guest, as for wemu-i386 -L (default: QEMU_LD_PREFIX)')
    .option('--cpu <model>', 'CPU model, as for wemu-i386 -cpu')
    .option('--regions', 'also join hot blocks into regions (slower: the interpreter runs further ahead)')
    .option('--hot <runs>', 'runs of a block before it is hot', positive)
    .option('--no-chain', 'no jumps from block to block')
    .option('--strace', 'log system calls')
    .option('--counters', 'print counts of what the emulator did')
    .option('-d, --log <items>', 'log items, as for wemu-i386 -d')
    .option('-D, --log-file <file>', 'write the log to a file')
    .addHelpText('after', '\nExample:\n  wemu lockstep -L /srv/i386 -- /srv/i386/usr/bin/perl -e "print 6 * 7"')
    .passThroughOptions()
    .action(async (program: string[], words: LockstepWords) => {
      const { lockstep } = await import('../tools/lockstep.ts');
      await lockstep(
        {
          guest: words.guest,
          ...(words.prefix === undefined ? {} : { prefix: words.prefix }),
          regions: words.regions === true,
          ...(words.hot === undefined ? {} : { hot: words.hot }),
          chain: words.chain,
          user: {
            cpu: words.cpu ?? '',
            strace: words.strace === true,
            counters: words.counters === true,
            logItems: words.log ?? '',
            logFile: words.logFile ?? null,
          },
        },
        lastRawArguments(program.length),
      );
    });

  wemu
    .command('standalone')
    .summary('make one executable of the emulator, which needs no other file')
    .description(
      'Writes an executable that runs programs of one guest and brings along all it needs, the C library included: for ' +
        'chroots, containers, and the kernel (wemu binfmt). It must be able to read /proc. -d in_asm does not work in it.',
    )
    .argument('<guest>', `the guest CPU: ${guests}`)
    .option('-o, --output <file>', 'where to write it (default: wemu-<guest> in this directory)')
    .action(async (guest: string, words: { output?: string }) => {
      if (!Object.hasOwn(GUESTS, guest)) throw new UserError(`no guest '${guest}'; there are: ${guests}`, EXIT_USAGE);
      const output = resolve(words.output ?? `wemu-${guest}`);
      const { buildStandalone } = await import('../tools/build-standalone.ts');
      await buildStandalone(guest, output);
      process.stdout.write(`${output}\n`);
    });

  addBinfmt(wemu, Object.keys(GUESTS));

  for (const command of wemu.commands) command.exitOverride().configureOutput(wemu.configureOutput());
  return wemu;
}

async function main(): Promise<number> {
  try {
    await commandLine().parseAsync();
    return 0;
  } catch (error) {
    // Commander has already said what was wrong, or printed what was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    return reportFatal(error);
  }
}

// No top-level await: it would keep the file from being compiled ahead.
void main().then((code) => {
  process.exitCode = code;
});
