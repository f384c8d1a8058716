// Puts guest CPU, Linux and program together and runs them, for every command that runs Linux programs.
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { ABIS } from '../../linux-user/abi/registry.ts';
import { rehearseExec } from '../../linux-user/exec.ts';
import { leaveProgram } from '../../linux-user/exec-in-place.ts';
import { arrangeDescriptors, hideDescriptor, openProc } from '../../linux-user/host-descriptors.ts';
import { announceProgram } from '../../linux-user/other-guests.ts';
import { Process } from '../../linux-user/process.ts';
import { loadSemihosting, runProcess } from '../../linux-user/process-loop.ts';
import { releaseRobustList } from '../../linux-user/robust-list.ts';
import { Signals } from '../../linux-user/signals.ts';
import { createMemory, startProgram } from '../../linux-user/start.ts';
import type { StraceFilter } from '../../linux-user/strace-filter.ts';
import type { StraceSummary } from '../../linux-user/strace-summary.ts';
import { SystemCalls } from '../../linux-user/syscalls/dispatch.ts';
import { GUESTS } from '../../targets/registry.ts';
import { HEADER } from '../../targets/state-layout.ts';
import type { Guest } from '../../targets/target.ts';
import { NOTES_SIZE } from '../exec/child-notes.ts';
import type { CodeMemory } from '../exec/code-memory.ts';
import { Cpu } from '../exec/cpu.ts';
import { COUNTER_BASE } from '../exec/layout.ts';
import type { Disassembler } from '../exec/log-block.ts';
import { type CpuOptions, DEFAULT_OPTIONS } from '../exec/options.ts';
import { StoredTranslations, writePrivate } from '../exec/stored-translations.ts';
import { dieOfSentFaults } from '../host/early-signals.ts';
import { withoutEngineSettings } from '../host/engine-settings.ts';
import { sharedWords, windowOf } from '../host/shared-words.ts';
import { layOutArguments, showArguments } from '../host/shown-arguments.ts';
import { frozenThreads, loadHandlerCode, makeThreads } from '../host/signals.ts';
import { SYS, sys1 } from '../host/syscall.ts';
import { counterReport } from '../log/counters.ts';
import {
  configureLog,
  LOG,
  logConfig,
  logMask,
  openLogFile,
  parseLogFilter,
  parseLogItems,
  writeLog,
} from '../log/log.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import { STATE_BASE, STATE_SIZE } from '../memory/guest-pages.ts';
import { PAGE_SIZE } from '../memory/page-flags.ts';
import { reportWarning, UserError } from '../util/errors.ts';
import { applyExecState, type ExecState, makeRelaunch, setName } from './exec-state.ts';
import { STANDALONE_GUEST } from './standalone.ts';
import { findTranslations, saveTranslations } from './translation-file.ts';
import type { UserOptions } from './user-options.ts';

/** QEMU's exit status for options it does not know, bad models and the like. */
export const EXIT_USAGE = 1;

/** Words of a NUL-separated file of /proc, as latin1 so that no byte is lost. */
function wordsOf(path: string): string[] {
  const text = readFileSync(path, 'latin1');
  return text === '' ? [] : text.replace(/\0$/, '').split('\0');
}

/** The last `count` words of our command line, byte for byte: what the runtime hands over is decoded as UTF-8. */
export function lastRawArguments(count: number): string[] {
  return count > 0 ? wordsOf('/proc/self/cmdline').slice(-count) : [];
}

/** The environment we were called with as text of bytes, in order. */
export function rawEnvironment(): string[] {
  return withoutEngineSettings(wordsOf('/proc/self/environ'));
}

/** An environment by name. */
export function variables(environment: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const item of environment) {
    const at = item.indexOf('=');
    if (at > 0) found[item.slice(0, at)] = item.slice(at + 1);
  }
  return found;
}

/** What the guest gets: our environment without the variables that are for us, changed as -E and -U say. */
function guestEnvironment(environment: readonly string[], options: UserOptions): string[] {
  const changed = new Set([...options.unsetEnv, ...options.setEnv.map((item) => item.slice(0, item.indexOf('=')))]);
  const kept = environment.filter((item) => {
    const name = item.slice(0, item.indexOf('='));
    return !changed.has(name);
  });
  return [...options.setEnv, ...kept];
}

/** The -L directory, absolute and without links; '' when there is none. Throws UserError for one that cannot be used. */
function prefixDirectory(options: UserOptions, named: boolean): string {
  const { prefix } = options;
  try {
    if (!statSync(prefix).isDirectory()) throw new UserError(`-L ${prefix}: Not a directory`, EXIT_USAGE);
    const real = realpathSync(prefix);
    return real === '/' ? '' : real;
  } catch (error) {
    if (error instanceof UserError) throw error;
    // The default need not exist; one that was asked for must.
    if (!named) return '';
    const { code } = error as { code?: string };
    const reason = code === 'EACCES' ? 'Permission denied' : 'No such file or directory';
    throw new UserError(`-L ${prefix}: ${reason}`, EXIT_USAGE);
  }
}

function setUpLog(options: UserOptions, opened = -1): void {
  let mask = parseLogItems(options.logItems) ?? 0;
  const { strace, straceTime, straceFilter, straceSummary } = options;
  if (strace || straceTime || (straceFilter !== '' && !straceSummary)) mask |= LOG.strace;
  const moved = (fd: number): void => configureLog({ ...logConfig(), fd });
  const fd = options.logFile === null ? 2 : hideDescriptor(opened >= 0 ? opened : openLogFile(options.logFile), moved);
  if (mask !== 0 || options.logFile !== null) configureLog({ mask, fd, filter: parseLogFilter(options.logFilter) });
}

/** The switches of the execution loop that the options ask for. */
function cpuOptions(options: UserOptions, disassemble: Disassembler | null): CpuOptions {
  const off = new Set(options.disable);
  const logsCode = LOG.in_asm | LOG.op | LOG.op_opt | LOG.out_asm | LOG.exec | LOG.cpu;
  const chain = !off.has('chain') && !options.oneInsnPerBlock && !(logMask & LOG.nochain);
  const passes = {
    ...(off.has('fold') ? { forward: false } : {}),
    ...(off.has('dead-code') ? { deadCode: false } : {}),
    ...(off.has('spans') ? { stateSync: 'every' as const } : {}),
  };
  return {
    ...DEFAULT_OPTIONS,
    engine: options.engine,
    passes,
    chain,
    join: !off.has('join'),
    regions: chain && !off.has('regions'),
    ...(off.has('cold') ? { coldRuns: 0 } : {}),
    ...(options.oneInsnPerBlock ? { maxInsns: 1 } : {}),
    log: logMask & logsCode ? makeBlockLog(disassemble) : null,
  };
}

/** Loaded only when asked for: printers are not part of a normal start. */
function makeBlockLog(disassemble: Disassembler | null) {
  const { BlockLog } = require('../exec/log-block.ts') as typeof import('../exec/log-block.ts');
  return new BlockLog(disassemble);
}

/** A command line with everything known that running it needs. */
export interface UserCommand {
  /** Name of the guest, as in the registries. */
  readonly guest: string;
  readonly options: UserOptions;
  /** The program and its arguments as latin1 text; at least one word. */
  readonly program: readonly string[];
  /** Our environment: NAME=VALUE, latin1. */
  readonly environment: readonly string[];
  /** Whether -L was asked for (it must exist then) or is the default. */
  readonly prefixNamed: boolean;
  /** Set when a guest executed the program: what it inherits. */
  readonly execState?: ExecState;
  /** The program's file, open, where its name need not lead to it (binfmt_misc); closed when it is loaded. */
  readonly execFd?: number;
  /** Process.kernelStarts, where the command line tells. */
  readonly kernelStarts?: boolean;
  /** Started with more rights than its caller has: nothing that his variables name is used. */
  readonly secure?: boolean;
  /** Makes the CPU; for CPUs that do more than run. */
  readonly makeCpu?: (guest: Guest, memory: CodeMemory, options: CpuOptions) => Cpu;
  /** Called once before the process ends, however it does. */
  readonly atEnd?: () => void;
}

/** Runs a program in this process, which ends with it. Throws UserError when it cannot be started. */
export async function runUserProgram(command: UserCommand): Promise<never> {
  const { options, program } = command;
  if (!GUESTS[command.guest] || !ABIS[command.guest])
    throw new UserError(`no guest '${command.guest}'; there are: ${Object.keys(GUESTS).join(', ')}`, EXIT_USAGE);
  if (options.gdb !== null) throw new UserError('-g: the gdb stub is not built yet', EXIT_USAGE);
  if (options.pageSize !== 4096) {
    throw new UserError(`-p: only pages of 4096 bytes are supported, not ${options.pageSize}`, EXIT_USAGE);
  }
  const { execState } = command;
  arrangeDescriptors(execState?.files);
  setUpLog(options, execState?.logFd);
  const prefix = prefixDirectory(options, command.prefixNamed);

  let disassemble: Disassembler | null = null;
  if (logMask & LOG.in_asm) {
    const { loadCapstone } = require('./capstone.ts') as typeof import('./capstone.ts');
    disassemble = await loadCapstone(command.guest, GUESTS[command.guest]!.disassemble);
  }
  const memory = createMemory(options);
  dieOfSentFaults();
  const emulator: Emulator = {
    command,
    memory,
    prefix,
    switches: cpuOptions(options, disassemble),
    signals: null,
    rehearsed: false,
    rootChanged: false,
    translations: { place: null, store: null, compiledBefore: 0 },
    summary: null,
  };
  const file = program[0]!;
  const { execFd } = command;
  let loaded = prepare(emulator, null, {
    guest: command.guest,
    model: options.cpu,
    file: execFd === undefined ? file : `/proc/self/fd/${execFd}`,
    execFn: execState?.execFn ?? file,
    argv: [options.argv0 ?? file, ...program.slice(1)],
    environment: guestEnvironment(command.environment, options),
  });
  if (execFd !== undefined) sys1(SYS.close, execFd);
  loaded.signals.inherit();
  if (execState) {
    applyExecState(loaded.process, loaded.signals, execState);
    showArguments(loaded.process.argv, loaded.process.environment);
  } else {
    setName(file);
  }
  for (;;) {
    const { process: p, cpu, calls, signals } = loaded;
    const { target, environment } = runProcess(p, cpu, calls, signals);
    cpu.tellAll();
    keepTranslations(emulator, cpu);
    leaveProgram(p);
    const { guest, file, execFn, argv } = target;
    const model = guest === command.guest ? options.cpu : '';
    const next: Program = { guest: guest!, model, file, execFn, argv, environment };
    const staysOnCpu = keepsCpu(emulator, p, next, cpu) && cpu.setAside();
    memory.clear(staysOnCpu ? COUNTER_BASE - STATE_BASE : STATE_SIZE);
    memory.setMmapBase(Math.ceil(options.stackSize / PAGE_SIZE) * PAGE_SIZE);
    if (staysOnCpu) {
      emulator.translations = {
        place: translationsOf(emulator, next),
        store: null,
        compiledBefore: cpu.compiledBlocks,
      };
      cpu.useAgain(programNumber(next));
      p.becomeProgram();
      load(emulator, p, cpu, next);
    } else {
      makeThreads();
      loaded = prepare(emulator, p, next);
      loaded.cpu.tellAs(cpu);
    }
    signals.becomeProgram(loaded.process.abi.signals);
    setName(execFn);
    showArguments(argv, environment);
  }
}

/** What stays when one guest program is followed by another (exec). */
interface Emulator {
  readonly command: UserCommand;
  readonly memory: GuestMemory;
  readonly prefix: string;
  readonly switches: CpuOptions;
  /** Made with the first program. */
  signals: Signals | null;
  /** Whether the engine was prepared for what children do (`prepareChildren`). */
  rehearsed: boolean;
  /** File names may mean something else than when the emulator was started. */
  rootChanged: boolean;
  translations: Translations;
  /** Counts of system calls, once there is something to count. */
  summary: StraceSummary | null;
}

/** What becomes of the translations of the program that runs. */
interface Translations {
  /** Where they are kept; null: nowhere. */
  readonly place: { readonly path: string; readonly identity: string } | null;
  /** Those kept from earlier runs; null also for a program that goes on with the CPU of the one before. */
  readonly store: StoredTranslations | null;
  /** How many blocks had been compiled when it began. */
  readonly compiledBefore: number;
}

/** A program to load. Strings are bytes as latin1 text. */
interface Program {
  /** Names of the guest and of the CPU model; '': the default. */
  readonly guest: string;
  readonly model: string;
  /** Host name of the file, and the name it was executed by. */
  readonly file: string;
  readonly execFn: string;
  readonly argv: readonly string[];
  readonly environment: readonly string[];
}

/**
 * Programs whose kept translations are fewer bytes are better served by those of the program before them: most of what they
 * run is in libraries that both use. Loading this much takes as long as translating what such a program has of its own.
 */
const SMALL_TRANSLATIONS = 1 << 20;
/** The same of programs that the process has learnt from its children: not all of such a program is worth learning. */
const MEDIUM_TRANSLATIONS = 4 << 20;
/** A program that compiles more blocks than this is not small. */
const MANY_BLOCKS = 1000;

/** Where the translations of a program are kept, or null. */
function translationsOf({ command, rootChanged, switches }: Emulator, { guest, file }: Program) {
  if (command.makeCpu || command.secure || rootChanged) return null;
  return findTranslations(guest, file, command.options, switches, variables(command.environment));
}

/** Tells the programs of a guest apart; 0 where the name of the file says nothing. */
function programNumber({ file }: Program): number {
  return file.includes('/proc/') ? 0 : Bun.hash.xxHash32(file) | 1;
}

/** Whether the next program goes on with the CPU of the last one, and does not load translations of its own. */
function keepsCpu(emulator: Emulator, old: Process, next: Program, cpu: Cpu): boolean {
  if (emulator.command.makeCpu || old.abi !== ABIS[next.guest]) return false;
  const place = translationsOf(emulator, next);
  if (place === null) return true;
  try {
    const { size } = statSync(place.path);
    return size > 0 && size < (cpu.knowsProgram(programNumber(next)) ? MEDIUM_TRANSLATIONS : SMALL_TRANSLATIONS);
  } catch {
    return true;
  }
}

/** Saves what a program has translated that is about to end or be replaced. */
function keepTranslations({ translations: { place, store, compiledBefore } }: Emulator, cpu: Cpu): void {
  if (store) saveTranslations(store, cpu.cache);
  // It was taken for a small program: an empty file says that the next time it shall keep what it translates.
  else if (place && cpu.compiledBlocks - compiledBefore > MANY_BLOCKS) markLarge(place.path);
}

function markLarge(path: string): void {
  try {
    writePrivate(path, new Uint8Array(0));
  } catch {
    // Where nothing can be kept, nothing is.
  }
}

/** Makes CPU and process for a program in empty memory, and loads it. `old` is the process it replaces. */
function prepare(emulator: Emulator, old: Process | null, program: Program) {
  const { command, memory, prefix, switches } = emulator;
  const { options } = command;
  const guest = GUESTS[program.guest]!;
  const abi = ABIS[program.guest]!;
  const place = translationsOf(emulator, program);
  const store = place === null ? null : new StoredTranslations(place.path, place.identity);
  const cpu = command.makeCpu?.(guest, memory, switches) ?? new Cpu(guest, memory, switches, 0, store);
  emulator.translations = { place, store, compiledBefore: cpu.compiledBlocks };
  cpu.setProgram(programNumber(program));
  cpu.cache.onCrowded = () => keepTranslations(emulator, cpu);
  const p = new Process({
    memory,
    abi,
    env: cpu.env,
    pollWord: memory.base + cpu.env + HEADER.poll,
    prefix: old?.paths.prefix ?? prefix,
    ...(options.release === null ? {} : { release: options.release }),
  });
  const signals = (emulator.signals ??= new Signals(memory, cpu.env, abi.signals, cpu.env + HEADER.poll));
  p.signals = signals;
  cpu.onFirstRegion = () => signals.settle();
  for (const [resource, limit] of old?.limits ?? []) p.limits.set(resource, limit);
  const calls = new SystemCalls(p);
  load(emulator, p, cpu, program, !old);
  p.beforeFork.push(() => {
    cpu.prepareFork();
    prepareChildren(emulator, p, cpu, program);
  });
  p.inChild.push(() => {
    cpu.becomeChild();
    cpu.compileWhenZero(frozenThreads());
    emulator.translations.store?.stopSaving();
  });
  p.beforeRootChange.push(openProc, () => {
    loadAll(emulator);
    emulator.rootChanged = true;
    emulator.translations.store?.stopSaving();
  });
  p.abis = ABIS;
  p.hostPrograms = !options.guestOnly;
  p.kernelStarts = command.kernelStarts ?? command.execState?.kernelStarts ?? false;
  p.relaunch = makeRelaunch(p, signals, program.guest, options);
  if (logMask & LOG.strace || options.straceSummary) trace(emulator, p, calls, signals);
  const atEnd: (() => void)[] = [() => cpu.tellAll(), () => keepTranslations(emulator, cpu)];
  if (options.straceSummary) atEnd.push(() => writeLog(emulator.summary!.report(process.pid)));
  if (options.counters) atEnd.push(() => writeLog(counterReport()));
  if (command.atEnd) atEnd.push(command.atEnd);
  const end = () => {
    for (const run of atEnd) run();
  };
  p.onExit.push(end);
  signals.beforeDeath = () => {
    releaseRobustList(p);
    end();
  };
  return { process: p, cpu, calls, signals };
}

/**
 * Before the first fork of a process: makes memory in which its children tell what they interpret. Before the second, as
 * more are likely to come then: runs through what children do that they would have to do for the first time each, as far as it
 * changes nothing here.
 */
function prepareChildren(emulator: Emulator, p: Process, cpu: Cpu, program: Program): void {
  if (!cpu.hearsChildren) {
    const words = sharedWords(NOTES_SIZE);
    if (words !== null) cpu.hearChildren(words, () => windowOf(2 ** 32));
    emulator.rehearsed = false;
  } else if (!emulator.rehearsed) {
    emulator.rehearsed = true;
    rehearseExec(p);
    keepsCpu(emulator, p, program, cpu);
    translationsOf(emulator, program);
    layOutArguments(p.argv, p.environment);
    cpu.rehearseChange();
    emulator.signals?.action(1);
    frozenThreads();
  }
}

/** Loads what comes from files when it is first used: all guests, as their programs may be executed, and their helpers. */
function loadAll({ memory }: Emulator): void {
  if (STANDALONE_GUEST !== undefined) return;
  loadHandlerCode();
  loadSemihosting();
  for (const [name, guest] of Object.entries(GUESTS)) {
    for (const instantiate of Object.values(guest.helperModules)) instantiate(memory.memory);
    // Touched, it is there.
    if (!ABIS[name]) throw new Error(`no ABI for ${name}`);
  }
}

/** Makes the tracer of system calls that the options ask for; loaded only then. */
function trace(emulator: Emulator, p: Process, calls: SystemCalls, signals: Signals): void {
  const { options } = emulator.command;
  const { Strace } = require('../../linux-user/strace.ts') as typeof import('../../linux-user/strace.ts');
  let filter: StraceFilter | undefined;
  if (options.straceFilter !== '') {
    const { parseStraceFilter } =
      require('../../linux-user/strace-filter.ts') as typeof import('../../linux-user/strace-filter.ts');
    const { allRows } =
      require('../../linux-user/syscalls/table.ts') as typeof import('../../linux-user/syscalls/table.ts');
    filter = parseStraceFilter(options.straceFilter, new Set([...p.abi.syscallNames(), ...allRows().keys()]));
  }
  if (options.straceSummary && !emulator.summary) {
    const { StraceSummary } =
      require('../../linux-user/strace-summary.ts') as typeof import('../../linux-user/strace-summary.ts');
    emulator.summary = new StraceSummary();
  }
  const { summary } = emulator;
  if (summary) p.inChild.push(() => summary.reset());
  const strace = new Strace(p, calls, writeLog, {
    lines: (logMask & LOG.strace) !== 0,
    times: options.straceTime,
    ...(filter ? { filter } : {}),
    ...(summary ? { summary } : {}),
  });
  p.tracer = strace;
  signals.onSignal = (info) => strace.signal(info);
}

/** Loads a program into empty memory and points the CPU at its first instruction. */
function load({ command, memory }: Emulator, p: Process, cpu: Cpu, program: Program, first = false): void {
  const { options, guest: name, execState } = command;
  const { guest } = cpu;
  const model = program.model || guest.models[0]!.name;
  // Executed by a guest: said once, when the first program was started.
  if (first && !execState) for (const text of guest.modelWarnings?.(model) ?? []) reportWarning(text, `wemu-${name}`);
  guest.reset(memory.view, cpu.env, model);
  startProgram(p, {
    file: program.file,
    execFn: program.execFn,
    argv: program.argv,
    envp: program.environment,
    stackSize: options.stackSize,
    guestBase: options.guestBase,
    seed: options.seed,
    secure: first && command.secure === true,
  });
  announceProgram(p, first && !execState);
}
