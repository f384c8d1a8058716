// The command line by which an emulator becomes the next one when its guest executes a program, and what it passes on.

import { hostExec } from '../../linux-user/exec.ts';
import type { ExecTarget } from '../../linux-user/exec-target.ts';
import type { Process } from '../../linux-user/process.ts';
import type { SavedSeccomp, Seccomp } from '../../linux-user/seccomp.ts';
import type { SigInfo } from '../../linux-user/siginfo.ts';
import { NSIG, SIG_IGN, type Signals } from '../../linux-user/signals.ts';
import { ENGINE_SETTINGS } from '../host/engine-settings.ts';
import { HostBuffer, SYS, sys1, sys3, sys4, sys5 } from '../host/syscall.ts';
import { logConfig } from '../log/log.ts';
import { ownCommand } from './standalone.ts';
import type { UserOptions } from './user-options.ts';

/** The first argument of such a command line; the next one is the state. */
export const EXEC_STATE = '-exec-state';

/** What an executed program inherits that the host cannot keep for it, because the engine changes it when it starts. */
export interface ExecState {
  /** The guest the program is for. */
  readonly guest: string;
  /** AT_EXECFN, latin1 as all text here. */
  readonly execFn: string;
  /** Soft limit of open files. */
  readonly files: number;
  /** Ignored signals. */
  readonly ignored: readonly number[];
  /** The blocked signals: 1 to 32, 33 to 64. */
  readonly blocked: readonly [number, number];
  /** Standard descriptors that are closed. */
  readonly closed: readonly number[];
  /** Resource limits kept by the emulator: number, soft, hard (null: infinite). */
  readonly limits: readonly (readonly [number, number | null, number | null])[];
  /** Signals that had arrived and were blocked. */
  readonly pending: readonly SigInfo[];
  /** What the process is confined to (Seccomp.save); null: not at all. */
  readonly seccomp: SavedSeccomp | null;
  /** The open log file, or -1. */
  readonly logFd: number;
  /** Process.kernelStarts. */
  readonly kernelStarts: boolean;
}

const RLIMIT_NOFILE = 7;
const F_SETFD = 2;
const PR_SET_NAME = 15;

/** Options that go on unchanged: name and value as options take them, of those that are not the default. */
function optionWords(options: UserOptions, prefix: string, sameGuest: boolean): string[] {
  const words = ['-L', prefix || '/', '-s', String(options.stackSize)];
  const add = (name: string, value: string | number | null, unless: string | number | null): void => {
    if (value !== unless) words.push(`-${name}`, String(value));
  };
  if (sameGuest) add('cpu', options.cpu, '');
  add('r', options.release, null);
  add('B', options.guestBase, 0);
  add('R', options.reservedVa, 0);
  add('d', options.logItems, '');
  add('dfilter', options.logFilter, '');
  add('D', options.logFile, null);
  add('seed', options.seed, null);
  add('engine', options.engine, 'wasm');
  add('disable', [...options.disable].join(','), '');
  if (options.guestOnly) words.push('-guest-only');
  if (options.oneInsnPerBlock) words.push('-one-insn-per-tb');
  if (options.strace) words.push('-strace');
  add('strace-filter', options.straceFilter, '');
  if (options.straceTime) words.push('-strace-time');
  if (options.straceSummary) words.push('-strace-summary');
  if (options.counters) words.push('-counters');
  add('translations', options.translations, null);
  return words;
}

/** The open files limit, as the kernel has it: infinite ones come out as 2^64. */
function openFiles(): number {
  const { view, address } = new HostBuffer(16);
  sys4(SYS.prlimit64, 0, RLIMIT_NOFILE, 0, address);
  return Number(view.getBigUint64(0, true));
}

/** The environment for the emulator itself: with the settings that the launcher would add. */
export function withEngineSettings(environment: readonly string[]): string[] {
  const added = ENGINE_SETTINGS.filter((setting) => {
    const name = setting.slice(0, setting.indexOf('=') + 1);
    return !environment.some((item) => item.startsWith(name));
  });
  return [...environment, ...added];
}

/** Makes the function that executes the emulator again for another program (Process.relaunch). */
export function makeRelaunch(p: Process, signals: Signals, guest: string, options: UserOptions) {
  return (target: ExecTarget, environment: readonly string[], closed: readonly number[]): number => {
    const pending = signals.handOver();
    const ignored: number[] = [];
    for (let n = 1; n <= NSIG; n++) if (signals.action(n).handler === SIG_IGN) ignored.push(n);
    const logFd = options.logFile === null ? -1 : logConfig().fd;
    if (logFd >= 0) sys3(SYS.fcntl, logFd, F_SETFD, 0);
    const finite = (n: number): number | null => (n >= 2 ** 64 ? null : n);
    const state: ExecState = {
      guest: target.guest!,
      execFn: target.execFn,
      files: openFiles(),
      ignored,
      blocked: [signals.blockedLow, signals.blockedHigh],
      closed,
      limits: [...p.limits].map(([n, { soft, hard }]) => [n, finite(soft), finite(hard)] as const),
      pending,
      seccomp: (p.seccomp as Seccomp | null)?.save() ?? null,
      logFd,
      kernelStarts: p.kernelStarts,
    };
    const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
    const words = [
      ...ownCommand(target.guest!).map(utf8),
      ...[EXEC_STATE, JSON.stringify(state)].map(utf8),
      ...optionWords(options, p.paths.prefix, target.guest === guest),
      ...['-0', target.argv[0]!, '--', target.file, ...target.argv.slice(1)],
    ];
    const result = hostExec(words[0]!, words, withEngineSettings(environment));
    signals.stay();
    return result;
  };
}

/** Reads what `makeRelaunch` wrote; the text is latin1 of UTF-8. */
export function parseExecState(text: string): ExecState {
  return JSON.parse(Buffer.from(text, 'latin1').toString('utf8')) as ExecState;
}

/** Loads what only confined processes need. */
function loadSeccomp(): typeof import('../../linux-user/seccomp.ts').Seccomp {
  return (require('../../linux-user/seccomp.ts') as typeof import('../../linux-user/seccomp.ts')).Seccomp;
}

/** Gives the process what the state says, once its signals are set up. */
export function applyExecState(p: Process, signals: Signals, state: ExecState): void {
  for (const n of state.ignored) signals.setAction(n, { ...signals.action(n), handler: SIG_IGN });
  signals.setBlocked(...state.blocked);
  for (const info of state.pending) signals.queue(info);
  if (state.seccomp !== null) p.seccomp = loadSeccomp().restore(state.seccomp);
  for (const fd of state.closed) sys1(SYS.close, fd);
  for (const [n, soft, hard] of state.limits) p.limits.set(n, { soft: soft ?? 2 ** 64, hard: hard ?? 2 ** 64 });
  setName(state.execFn);
}

/** Names the process as the kernel does for a program executed by this name (comm). */
export function setName(file: string): void {
  const name = Buffer.from(`${file.slice(file.lastIndexOf('/') + 1).slice(0, 15)}\0`, 'latin1');
  sys5(SYS.prctl, PR_SET_NAME, name, 0, 0, 0);
}
