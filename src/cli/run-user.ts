// Puts guest CPU, Linux and program together and runs them, for every command that runs Linux programs.
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { ABIS } from '../../linux-user/abi/registry.ts';
import { arrangeDescriptors, hideDescriptor } from '../../linux-user/host-descriptors.ts';
import { Process } from '../../linux-user/process.ts';
import { runProcess } from '../../linux-user/process-loop.ts';
import { Signals } from '../../linux-user/signals.ts';
import { createMemory, startProgram } from '../../linux-user/start.ts';
import { SystemCalls } from '../../linux-user/syscalls/dispatch.ts';
import { GUESTS } from '../../targets/registry.ts';
import { HEADER } from '../../targets/state-layout.ts';
import type { Guest } from '../../targets/target.ts';
import type { CodeMemory } from '../exec/code-memory.ts';
import { Cpu } from '../exec/cpu.ts';
import type { Disassembler } from '../exec/log-block.ts';
import { type CpuOptions, DEFAULT_OPTIONS } from '../exec/options.ts';
import { withoutEngineSettings } from '../host/engine-settings.ts';
import { threadsMissing } from '../host/signals.ts';
import { counterReport } from '../log/counters.ts';
import { configureLog, LOG, logMask, openLogFile, parseLogFilter, parseLogItems, writeLog } from '../log/log.ts';
import { reportWarning, UserError } from '../util/errors.ts';
import { applyExecState, type ExecState, makeRelaunch, setName } from './exec-state.ts';
import { openTranslations, saveTranslations } from './translation-file.ts';
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
  if (options.strace) mask |= LOG.strace;
  const fd = options.logFile === null ? 2 : hideDescriptor(opened >= 0 ? opened : openLogFile(options.logFile));
  if (mask !== 0) configureLog({ mask, fd, filter: parseLogFilter(options.logFilter) });
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
  /** Makes the CPU; for CPUs that do more than run. */
  readonly makeCpu?: (guest: Guest, memory: CodeMemory, options: CpuOptions) => Cpu;
  /** Called once before the process ends, however it does. */
  readonly atEnd?: () => void;
}

/** Runs a program in this process, which ends with it. Throws UserError when it cannot be started. */
export async function runUserProgram(command: UserCommand): Promise<never> {
  const { options, program } = command;
  const guest = GUESTS[command.guest];
  const abi = ABIS[command.guest];
  if (!guest || !abi)
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
    disassemble = await loadCapstone(command.guest);
  }
  const memory = createMemory(options);
  const switches = cpuOptions(options, disassemble);
  const store = command.makeCpu
    ? null
    : openTranslations(command.guest, program[0]!, options, switches, variables(command.environment));
  const cpu = command.makeCpu?.(guest, memory, switches) ?? new Cpu(guest, memory, switches, 0, store);
  const model = options.cpu || guest.models[0]!.name;
  // Executed by a guest: said once, when the first program was started.
  if (!execState) for (const text of guest.modelWarnings?.(model) ?? []) reportWarning(text, `wemu-${command.guest}`);
  guest.reset(memory.view, cpu.env, model);
  const file = program[0]!;
  const guestProcess = new Process({
    memory,
    abi,
    env: cpu.env,
    pollWord: memory.base + cpu.env + HEADER.poll,
    prefix,
    executable: isAbsolute(file) ? file : resolve(file),
    ...(options.release === null ? {} : { release: options.release }),
  });
  const signals = new Signals(memory, cpu.env, abi.signals, cpu.env + HEADER.poll);
  guestProcess.signals = signals;
  const calls = new SystemCalls(guestProcess);
  startProgram(guestProcess, {
    file,
    execFn: execState?.execFn ?? file,
    argv: [options.argv0 ?? file, ...program.slice(1)],
    envp: guestEnvironment(command.environment, options),
    stackSize: options.stackSize,
    guestBase: options.guestBase,
    seed: options.seed,
  });
  signals.inherit();
  if (execState) applyExecState(guestProcess, signals, execState);
  else setName(file);
  guestProcess.beforeFork.push(() => cpu.prepareFork());
  guestProcess.inChild.push(() => {
    if (threadsMissing()) cpu.stopCompiling();
  });
  const atEnd: (() => void)[] = [];
  if (store) {
    guestProcess.inChild.push(() => store.stopSaving());
    guestProcess.beforeRootChange.push(() => store.stopSaving());
    atEnd.push(() => saveTranslations(store, cpu.cache));
  }
  guestProcess.abis = ABIS;
  guestProcess.relaunch = makeRelaunch(guestProcess, signals, command.guest, options);
  if (logMask & LOG.strace) {
    const { Strace } = require('../../linux-user/strace.ts') as typeof import('../../linux-user/strace.ts');
    const strace = new Strace(guestProcess, calls, writeLog);
    guestProcess.tracer = strace;
    signals.onSignal = (info) => strace.signal(info);
  }
  if (options.counters) atEnd.push(() => writeLog(counterReport()));
  if (command.atEnd) atEnd.push(command.atEnd);
  if (atEnd.length > 0) {
    const end = () => {
      for (const run of atEnd) run();
    };
    guestProcess.onExit.push(end);
    signals.beforeDeath = end;
  }
  runProcess(guestProcess, cpu, calls, signals);
}
