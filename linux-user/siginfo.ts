// siginfo_t: what a signal says about itself, read from the host and written as 32-bit ABIs lay it out.

export const SI_USER = 0;
export const SI_KERNEL = 0x80;
export const SI_QUEUE = -1;
export const SI_TIMER = -2;
export const SI_SIGIO = -5;
export const SI_TKILL = -6;

export const SIGHUP = 1;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGSEGV = 11;
export const SIGPIPE = 13;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGWINCH = 28;
export const SIGPOLL = 29;
export const SIGSYS = 31;

/** Codes of faults (kernel header asm-generic/siginfo.h). */
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const BUS_ADRALN = 1;
export const BUS_ADRERR = 2;
export const ILL_ILLOPN = 2;
export const FPE_INTDIV = 1;
export const FPE_FLTDIV = 3;
export const FPE_FLTOVF = 4;
export const FPE_FLTUND = 5;
export const FPE_FLTRES = 6;
export const FPE_FLTINV = 7;
export const TRAP_BRKPT = 1;
export const TRAP_TRACE = 2;

/**
 * A signal with its details. `words` are the members behind si_code in the order in which a 32-bit siginfo_t has them,
 * one 32-bit word each: pid and uid, then what the kind of signal adds (value; status and times), or the address.
 */
export interface SigInfo {
  readonly signal: number;
  readonly error: number;
  readonly code: number;
  readonly words: readonly number[];
  /** Sent to the thread by a call that does not say so in `code`. */
  readonly thread?: boolean;
  /** The queue was full: nothing is known but that it is pending. */
  readonly lost?: boolean;
}

/** Whether the signal was sent to one thread: those are taken before what was sent to the process. */
export function isForThread(info: SigInfo): boolean {
  return info.code === SI_TKILL || info.thread === true;
}

/** Which members si_code announces (kernel/signal.c, siginfo_layout), as offsets in the host's siginfo_t. */
const KILL = [16, 20];
const TIMER = [16, 20, 24];
const QUEUED = [16, 20, 24];
const CHILD = [16, 20, 24, 32, 40];
const FAULT = [16];
const POLL = [16, 24];
const SYSTEM_CALL = [16, 24, 28];

function hostMembers(signal: number, code: number): readonly number[] {
  if (code > SI_USER && code < SI_KERNEL) {
    switch (signal) {
      case SIGILL:
      case SIGTRAP:
      case SIGBUS:
      case SIGFPE:
      case SIGSEGV:
        return FAULT;
      case SIGCHLD:
        return CHILD;
      case SIGPOLL:
        return POLL;
      case SIGSYS:
        return SYSTEM_CALL;
      default:
        // Codes of SIGPOLL under a signal of the program's choice (F_SETSIG).
        return code <= 6 ? POLL : KILL;
    }
  }
  if (code === SI_TIMER) return TIMER;
  if (code === SI_SIGIO) return POLL;
  return code < 0 ? QUEUED : KILL;
}

/** How often a timer can be said to have expired unnoticed (DELAYTIMER_MAX of the kernel). */
const MAX_OVERRUN = 0x7fffffff;

/**
 * What the kernel would have made of two expirations of one POSIX timer that wait together: one signal, which counts the
 * others. Undefined when the two are not that.
 */
export function mergeExpirations(older: SigInfo, newer: SigInfo): SigInfo | undefined {
  if (older.code !== SI_TIMER || newer.code !== SI_TIMER || older.signal !== newer.signal) return undefined;
  const [timer, overrun, ...value] = older.words;
  if (timer !== newer.words[0]) return undefined;
  return { ...older, words: [timer!, Math.min(overrun! + 1 + newer.words[1]!, MAX_OVERRUN), ...value] };
}

/** Reads the host's siginfo_t (x86-64 layout) at `at`. */
export function readHostInfo(view: DataView, at = 0): SigInfo {
  const signal = view.getInt32(at, true);
  const code = view.getInt32(at + 8, true);
  const members = hostMembers(signal, code);
  return {
    signal,
    error: view.getInt32(at + 4, true),
    code,
    words: members.map((offset) => view.getInt32(at + offset, true)),
  };
}

/** The inverse of `readHostInfo`, at offset 0. */
export function writeHostInfo(view: DataView, info: SigInfo): void {
  for (let k = 0; k < SIGINFO_SIZE; k += 4) view.setInt32(k, 0, true);
  view.setInt32(0, info.signal, true);
  view.setInt32(4, info.error, true);
  view.setInt32(8, info.code, true);
  hostMembers(info.signal, info.code).forEach((offset, k) => {
    view.setInt32(offset, info.words[k] ?? 0, true);
  });
}

/** Bytes of siginfo_t on every ABI. */
export const SIGINFO_SIZE = 128;

/** Memory that a siginfo_t is written to: words in the guest's byte order. */
export interface InfoMemory {
  write32(address: number, value: number): void;
}

/** Writes a siginfo_t for a 32-bit ABI; that the memory can be written is the caller's to check. */
export function writeInfo32(memory: InfoMemory, at: number, info: SigInfo): void {
  memory.write32(at, info.signal);
  memory.write32(at + 4, info.error);
  memory.write32(at + 8, info.code);
  const { words } = info;
  for (let k = 0; k < (SIGINFO_SIZE - 12) / 4; k++) memory.write32(at + 12 + 4 * k, k < words.length ? words[k]! : 0);
}

/** Writes the host's siginfo_t from a 32-bit one that a program made up (rt_sigqueueinfo): what signal and code announce. */
export function hostInfoFrom32(from: DataView, at: number, little: boolean, signal: number, to: DataView): void {
  for (let k = 0; k < SIGINFO_SIZE; k += 4) to.setInt32(k, 0, true);
  for (let k = 4; k < 12; k += 4) to.setInt32(k, from.getInt32(at + k, little), true);
  to.setInt32(0, signal, true);
  hostMembers(signal, to.getInt32(8, true)).forEach((offset, k) => {
    to.setInt32(offset, from.getInt32(at + 12 + 4 * k, little), true);
  });
}

/** Texts as strsignal(3) gives them, for the signals that end a program. */
const SIGNAL_TEXTS: Readonly<Record<number, string>> = {
  1: 'Hangup',
  2: 'Interrupt',
  3: 'Quit',
  4: 'Illegal instruction',
  5: 'Trace/breakpoint trap',
  6: 'Aborted',
  7: 'Bus error',
  8: 'Floating point exception',
  11: 'Segmentation fault',
  13: 'Broken pipe',
  14: 'Alarm clock',
  15: 'Terminated',
  24: 'CPU time limit exceeded',
  25: 'File size limit exceeded',
  31: 'Bad system call',
};

/** strsignal(3). */
export function signalText(signal: number): string {
  return SIGNAL_TEXTS[signal] ?? (signal >= 32 ? `Real-time signal ${signal - 34}` : `Signal ${signal}`);
}

const CODE_NAMES: Readonly<Record<number, string>> = {
  [SI_USER]: 'SI_USER',
  [SI_KERNEL]: 'SI_KERNEL',
  [SI_QUEUE]: 'SI_QUEUE',
  [SI_TIMER]: 'SI_TIMER',
  [-3]: 'SI_MESGQ',
  [-4]: 'SI_ASYNCIO',
  [SI_SIGIO]: 'SI_SIGIO',
  [SI_TKILL]: 'SI_TKILL',
};

/** si_code and what it announces, as -strace shows them: `SI_USER, si_pid=1, si_uid=0`. */
export function infoText({ signal, code, words }: SigInfo): string {
  const address = (v: number): string => (v === 0 ? 'NULL' : `0x${(v >>> 0).toString(16).padStart(8, '0')}`);
  const members = hostMembers(signal, code);
  const parts = [CODE_NAMES[code] ?? String(code)];
  const [a, b, c, d, e] = words as [number, number, number, number, number];
  if (members === FAULT) parts.push(`si_addr=${address(a)}`);
  else if (members === POLL) parts.push(`si_band=${a}`, `si_fd=${b}`);
  else if (members === SYSTEM_CALL) parts.push(`si_call_addr=${address(a)}`, `si_syscall=${b}`);
  else if (members === TIMER) parts.push(`si_timerid=${a}`, `si_overrun=${b}`, `si_sigval=${c}`);
  else {
    parts.push(`si_pid=${a}`, `si_uid=${b}`);
    if (members === CHILD) parts.push(`si_status=${c}`, `si_utime=${d}`, `si_stime=${e}`);
    else if (code === SI_QUEUE) parts.push(`si_sigval=${c}`);
  }
  return parts.join(', ');
}
