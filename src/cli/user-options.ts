// The options of wemu-<guest> commands: one row each gives command line, environment variable, help and effect.
import { UserError } from '../util/errors.ts';

/** Everything the options of a user-mode command can say. */
export interface UserOptions {
  /** Directory below which the guest's ELF interpreter and absolute paths are looked for first. */
  prefix: string;
  /** Bytes of the guest stack. */
  stackSize: number;
  cpu: string;
  setEnv: string[];
  unsetEnv: string[];
  argv0: string | null;
  release: string | null;
  guestBase: number;
  reservedVa: number;
  logItems: string;
  logFilter: string;
  logFile: string | null;
  pageSize: number;
  oneInsnPerBlock: boolean;
  strace: boolean;
  /** Calls that -strace shows and counts, '' for all; whether with durations; whether to count them. */
  straceFilter: string;
  straceTime: boolean;
  straceSummary: boolean;
  seed: number | null;
  gdb: string | null;
  /** How guest code is run; not in QEMU. */
  engine: 'wasm' | 'interp';
  /** Passes and tiers switched off, by name. */
  disable: string[];
  counters: boolean;
  /** Programs of the host are refused as the guest's own kernel would refuse them. */
  guestOnly: boolean;
  /** Directory for translations kept between runs, 'off', or null: below the user's cache directory. */
  translations: string | null;
  /** -h, -version: what to print instead of running. */
  show: 'help' | 'version' | null;
}

const DEFAULT_STACK = 8 << 20;

/** The state before any option. */
export function defaultOptions(guest: string): UserOptions {
  return {
    prefix: `/etc/qemu-binfmt/${guest}`,
    stackSize: DEFAULT_STACK,
    cpu: '',
    setEnv: [],
    unsetEnv: [],
    argv0: null,
    release: null,
    guestBase: 0,
    reservedVa: 0,
    logItems: '',
    logFilter: '',
    logFile: null,
    pageSize: 4096,
    oneInsnPerBlock: false,
    strace: false,
    straceFilter: '',
    straceTime: false,
    straceSummary: false,
    seed: null,
    gdb: null,
    engine: 'wasm',
    disable: [],
    counters: false,
    guestOnly: false,
    translations: null,
    show: null,
  };
}

interface OptionRow {
  /** Names without the dash; the first is the one in the help. */
  readonly names: readonly string[];
  /** Environment variable without its QEMU_ or WEMU_ prefix, or null. */
  readonly variable: string | null;
  /** Name of the argument, or null for a switch. */
  readonly arg: string | null;
  readonly help: string;
  readonly apply: (options: UserOptions, value: string) => void;
}

/** A number with an optional k, M or G behind it. Throws UserError naming the option. */
function size(option: string, text: string): number {
  const match = /^(0x[0-9a-f]+|\d+)([kmg]?)$/i.exec(text);
  if (!match)
    throw new UserError(`-${option}: '${text}' is no size; write a number, optionally with k, M or G behind it`);
  const scale = { '': 1, k: 1 << 10, m: 1 << 20, g: 1 << 30 }[match[2]!.toLowerCase()]!;
  return Number(match[1]) * scale;
}

/** What `-disable` takes: passes, chaining, joined blocks, regions, sparse saving of state, interpreting cold code. */
const CAN_BE_OFF = ['fold', 'dead-code', 'chain', 'join', 'regions', 'spans', 'cold'];

// biome-ignore format: a table, one row per option
const ROWS: readonly OptionRow[] = [
  { names: ['h', 'help'], variable: null, arg: null, help: 'print this help', apply: (o) => { o.show = 'help'; } },
  { names: ['g'], variable: 'GDB', arg: 'port', help: "wait gdb connection to 'port' (not built yet: refused by name)", apply: (o, v) => { o.gdb = v; } },
  { names: ['L'], variable: 'LD_PREFIX', arg: 'path', help: "set the elf interpreter prefix to 'path'", apply: (o, v) => { o.prefix = v; } },
  { names: ['s'], variable: 'STACK_SIZE', arg: 'size', help: "set the stack size to 'size' bytes", apply: (o, v) => { o.stackSize = size('s', v); } },
  { names: ['cpu'], variable: 'CPU', arg: 'model', help: 'select CPU (-cpu help for list)', apply: (o, v) => { if (v === '') throw new UserError('-cpu option cannot be empty', 1); o.cpu = v; } },
  { names: ['E'], variable: 'SET_ENV', arg: 'var=value', help: 'sets guest environment variable (see below)', apply: (o, v) => { for (const item of v.split(',')) setVariable(o, item); } },
  { names: ['U'], variable: 'UNSET_ENV', arg: 'var', help: 'unsets guest environment variable (see below)', apply: (o, v) => { for (const item of v.split(',')) unsetVariable(o, item); } },
  { names: ['0'], variable: 'ARGV0', arg: 'argv0', help: "forces guest process argv[0] to be 'argv0'", apply: (o, v) => { o.argv0 = v; } },
  { names: ['r'], variable: 'UNAME', arg: 'uname', help: "set uname release string to 'uname'", apply: (o, v) => { o.release = v; } },
  { names: ['B'], variable: 'GUEST_BASE', arg: 'address', help: 'move programs that may lie anywhere up by address', apply: (o, v) => { o.guestBase = size('B', v); } },
  { names: ['R'], variable: 'RESERVED_VA', arg: 'size', help: "end the guest's address space at 'size' bytes", apply: (o, v) => { o.reservedVa = size('R', v); } },
  { names: ['d'], variable: 'LOG', arg: 'item[,...]', help: "enable logging of specified items ('-d help' lists them)", apply: (o, v) => { o.logItems = v; } },
  { names: ['dfilter'], variable: 'DFILTER', arg: 'range[,...]', help: 'filter logging based on address range', apply: (o, v) => { o.logFilter = v; } },
  { names: ['D'], variable: 'LOG_FILENAME', arg: 'logfile', help: "write logs to 'logfile' (default stderr)", apply: (o, v) => { o.logFile = v; } },
  { names: ['p'], variable: 'PAGESIZE', arg: 'pagesize', help: "act as if the host page size were 'pagesize'", apply: (o, v) => { o.pageSize = size('p', v); } },
  { names: ['singlestep', 'one-insn-per-tb'], variable: 'SINGLESTEP', arg: null, help: 'one guest instruction per block', apply: (o) => { o.oneInsnPerBlock = true; } },
  { names: ['strace'], variable: 'STRACE', arg: null, help: 'log system calls', apply: (o) => { o.strace = true; } },
  { names: ['strace-filter'], variable: 'STRACE_FILTER', arg: 'call[,...]', help: 'like -strace for these calls only: names, classes as %file, !name for all but; with -strace-summary counts these', apply: (o, v) => { o.straceFilter = v; } },
  { names: ['strace-time'], variable: 'STRACE_TIME', arg: null, help: 'like -strace, with the seconds each system call took', apply: (o) => { o.straceTime = true; } },
  { names: ['strace-summary'], variable: 'STRACE_SUMMARY', arg: null, help: 'count system calls, their time and errors, and what is not supported; print it at exit', apply: (o) => { o.straceSummary = true; } },
  { names: ['seed'], variable: 'RAND_SEED', arg: 'number', help: 'seed of the random bytes the program starts with', apply: (o, v) => { o.seed = seed(v); } },
  { names: ['engine'], variable: 'ENGINE', arg: 'wasm|interp', help: 'run generated code, or interpret the IR (slow, for comparison)', apply: (o, v) => { o.engine = engine(v); } },
  { names: ['disable'], variable: 'DISABLE', arg: 'name[,...]', help: `run without ${CAN_BE_OFF.join(', ')}`, apply: (o, v) => { o.disable = disabled(v); } },
  { names: ['translations'], variable: 'TRANSLATIONS', arg: 'dir|off', help: 'keep translated code for the next run there (default: in the user\'s cache)', apply: (o, v) => { o.translations = v; } },
  { names: ['guest-only'], variable: 'GUEST_ONLY', arg: null, help: 'let the program execute no programs of the host (they run natively), only those of guests', apply: (o) => { o.guestOnly = true; } },
  { names: ['counters'], variable: 'COUNTERS', arg: null, help: 'print counts of what the emulator did at exit', apply: (o) => { o.counters = true; } },
  { names: ['version'], variable: 'VERSION', arg: null, help: 'display version information and exit', apply: (o) => { o.show = 'version'; } },
];

function setVariable(options: UserOptions, item: string): void {
  if (!item.includes('=')) throw new UserError(`-E: '${item}' sets nothing; write NAME=VALUE`);
  const name = item.slice(0, item.indexOf('=') + 1);
  options.setEnv = options.setEnv.filter((other) => !other.startsWith(name));
  options.setEnv.push(item);
  options.unsetEnv = options.unsetEnv.filter((other) => other !== name.slice(0, -1));
}

function unsetVariable(options: UserOptions, name: string): void {
  options.setEnv = options.setEnv.filter((other) => !other.startsWith(`${name}=`));
  options.unsetEnv.push(name);
}

function seed(text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isSafeInteger(value) || value < 0) throw new UserError(`-seed: '${text}' is no number`);
  return value;
}

function engine(text: string): 'wasm' | 'interp' {
  if (text !== 'wasm' && text !== 'interp') throw new UserError(`-engine: '${text}' is neither wasm nor interp`);
  return text;
}

function disabled(text: string): string[] {
  const names = text.split(',');
  for (const name of names) {
    if (!CAN_BE_OFF.includes(name)) {
      throw new UserError(`-disable: '${name}' cannot be left out; these can: ${CAN_BE_OFF.join(', ')}`);
    }
  }
  return names;
}

/** What a command line came to: options, and the program with its arguments (empty when none is named). */
export interface ParsedCommand {
  readonly options: UserOptions;
  readonly program: string[];
}

/**
 * Parses arguments (without the command itself) and environment. Options stop at the first word that does not start with
 * a dash: the program. Variables named WEMU_X win over QEMU_X, the command line over both. Throws UserError.
 */
export function parseUserCommand(
  guest: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ParsedCommand {
  const options = defaultOptions(guest);
  for (const row of ROWS) {
    if (!row.variable) continue;
    const value = env[`WEMU_${row.variable}`] ?? env[`QEMU_${row.variable}`];
    if (value !== undefined) row.apply(options, value);
  }
  let at = 0;
  for (; at < args.length; at++) {
    const word = args[at]!;
    if (word[0] !== '-') break;
    if (word === '-') break;
    const name = word.startsWith('--') ? word.slice(2) : word.slice(1);
    if (name === '') {
      at++;
      break;
    }
    const row = ROWS.find((candidate) => candidate.names.includes(name));
    if (!row) throw new UserError(`unknown option '${name}'`);
    if (row.arg === null) {
      row.apply(options, '');
    } else {
      if (at + 1 >= args.length) throw new UserError(`missing argument for option '${name}'`);
      row.apply(options, args[++at]!);
    }
  }
  return { options, program: args.slice(at) };
}

/** The text of -h. */
export function helpText(guest: string): string {
  const defaults = defaultOptions(guest);
  const rows = ROWS.flatMap((row) =>
    row.names.map((name, n) => {
      const left = `-${name}${row.arg ? ` ${row.arg}` : ''}`;
      const variable = row.variable && n === 0 ? `QEMU_${row.variable}` : '';
      return `${left.padEnd(20)} ${variable.padEnd(18)}${n === 0 ? row.help : `the same as -${row.names[0]}`}`;
    }),
  );
  return `usage: wemu-${guest} [options] program [arguments...]
Runs a Linux program for ${guest} processors.

Options and associated environment variables (WEMU_X works like QEMU_X and wins):

${'Argument'.padEnd(20)} ${'Env-variable'.padEnd(18)}Description
${rows.join('\n')}

Defaults:
QEMU_LD_PREFIX  = ${defaults.prefix}
QEMU_STACK_SIZE = ${defaults.stackSize} byte

-E and -U may be repeated, and take several items separated by commas; of several changes to one variable the last
counts. The program's own options come after its name and are not looked at here.
`;
}
