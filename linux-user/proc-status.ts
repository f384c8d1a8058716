// What /proc/self/status and /proc/self/stat say of a guest: the host's words, with what belongs to the guest in its place.

import { PAGE_SIZE } from '../src/memory/page-flags.ts';
import type { Process } from './process.ts';
import { NSIG, SIG_IGN, type Signals } from './signals.ts';

const RLIMIT_SIGPENDING = 11;
/** A limit that there is not, as the kernel prints it. */
const INFINITE = '18446744073709551615';

/** Sets of signals, each as two words: 1 to 32, 33 to 64. */
interface SignalSets {
  readonly pending: readonly [number, number];
  readonly blocked: readonly [number, number];
  readonly ignored: readonly [number, number];
  readonly caught: readonly [number, number];
}

function signalSets(p: Process): SignalSets {
  const signals = p.signals as Signals | null;
  const ignored: [number, number] = [0, 0];
  const caught: [number, number] = [0, 0];
  for (let n = 1; n <= NSIG; n++) {
    const handler = signals?.action(n).handler ?? 0;
    const set = handler === SIG_IGN ? ignored : handler > SIG_IGN ? caught : null;
    if (set) set[n <= 32 ? 0 : 1]! |= 1 << ((n - 1) & 31);
  }
  return {
    pending: signals?.pending() ?? [0, 0],
    blocked: [signals?.blockedLow ?? 0, signals?.blockedHigh ?? 0],
    ignored,
    caught,
  };
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
const set = ([low, high]: readonly [number, number]): string => hex(high) + hex(low);

/** Bytes mapped, and those of the stack. */
function sizes(p: Process): { all: number; stack: number } {
  const pointer = p.abi.stackPointer(p.view, p.env) >>> 0;
  let all = 0;
  let stack = 0;
  for (const { start, end } of p.memory.regions()) {
    all += end - start;
    if (start <= pointer && pointer < end) stack = end - start;
  }
  return { all, stack };
}

/**
 * The contents of status from those of the host's. What memory is in use (VmRSS and the like) stays that of the emulator, which is
 * what the system spends; nothing tells the most that was mapped, so that VmPeak is what is mapped.
 */
export function statusText(p: Process, host: string): string {
  const { pending, blocked, ignored, caught } = signalSets(p);
  const { all, stack } = sizes(p);
  // Signals of the thread alone are in the kernel; what waits in the emulator came to the process.
  const own = /^SigPnd:\t([0-9a-f]{8})([0-9a-f]{8})$/m.exec(host);
  const alone = own ? [Number.parseInt(own[2]!, 16), Number.parseInt(own[1]!, 16)] : [0, 0];
  // What waits in the emulator counts with what the kernel queues for the user.
  const queue = /^SigQ:\t(\d+)\/(\d+)$/m.exec(host);
  const queued = Number(queue?.[1] ?? 0) + ((p.signals as Signals | null)?.waitingCount ?? 0);
  const most = p.limits.get(RLIMIT_SIGPENDING)?.soft;
  const kilobytes = (bytes: number): string => `${(bytes / 1024).toString().padStart(8)} kB`;
  const { seccomp } = p;
  const values: Readonly<Record<string, string>> = {
    ...(seccomp && { Seccomp: String(seccomp.currentMode), Seccomp_filters: String(seccomp.all.length) }),
    VmPeak: kilobytes(all),
    VmSize: kilobytes(all),
    VmStk: kilobytes(stack),
    Threads: '1',
    SigQ: `${queued}/${most === undefined ? (queue?.[2] ?? 0) : most >= 2 ** 64 ? INFINITE : most}`,
    SigPnd: set([alone[0]! & pending[0], alone[1]! & pending[1]]),
    ShdPnd: set([pending[0] & ~alone[0]!, pending[1] & ~alone[1]!]),
    SigBlk: set(blocked),
    SigIgn: set(ignored),
    SigCgt: set(caught),
  };
  return host.replace(/^(\w+):\t.*$/gm, (line, name: string) =>
    Object.hasOwn(values, name) ? `${name}:\t${values[name]}` : line,
  );
}

/** What stat shows in these fields, numbered as in proc(5): numbers of 31 bits for sets of signals. */
function statFields(p: Process, pending: number): Readonly<Record<number, number>> {
  const { pending: all, blocked, ignored, caught } = signalSets(p);
  const small = ([low]: readonly [number, number]): number => low & 0x7fffffff;
  const { layout } = p;
  return {
    20: 1,
    23: sizes(p).all,
    26: layout.codeStart,
    27: layout.codeEnd,
    28: layout.stackStart,
    // The host's, of the thread alone: some may have been ours.
    31: pending & small(all),
    32: small(blocked),
    33: small(ignored),
    34: small(caught),
    45: layout.dataStart,
    46: layout.dataEnd,
    47: p.memory.brkStart,
    48: layout.argStart,
    49: layout.argEnd,
    50: layout.argEnd,
    51: layout.envEnd,
  };
}

/** The contents of stat from those of the host's. */
export function statText(p: Process, host: string): string {
  // The second field is a name in parentheses, which may hold anything.
  const behind = host.lastIndexOf(')') + 2;
  const fields = host.slice(behind).replace(/\n$/, '').split(' ');
  for (const [number, value] of Object.entries(statFields(p, Number(fields[31 - 3]))))
    fields[Number(number) - 3] = String(value);
  return `${host.slice(0, behind)}${fields.join(' ')}\n`;
}

/** The contents of statm: the first number is what is mapped. */
export function statmText(p: Process, host: string): string {
  return host.replace(/^\d+/, String(sizes(p).all / PAGE_SIZE));
}
