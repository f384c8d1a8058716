// Executing a guest program without leaving the emulator: when that is the same as execve, and what it does to the process.

import { HostBuffer, SYS, sys0, sys1, sys2, sys3, sys5 } from '../src/host/syscall.ts';
import { needsKernelExec } from './fork.ts';
import { closeOnExec } from './host-descriptors.ts';
import type { Process } from './process.ts';
import { forgetNotes } from './syscalls/descriptor-notes.ts';

const PR_SET_DUMPABLE = 4;
const PR_SET_KEEPCAPS = 8;
const PR_CAPBSET_READ = 23;
const PR_GET_SECUREBITS = 27;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_IS_SET = 1;
const SECBIT_NOROOT = 1;
/** _LINUX_CAPABILITY_VERSION_3. */
const CAPABILITY_VERSION = 0x20080522;
/** Most capabilities there can be; the kernel refuses to tell about those it does not know. */
const MAX_CAPABILITIES = 64;

type Set64 = readonly [low: number, high: number];

const equal = (a: Set64, b: Set64): boolean => a[0] === b[0] && a[1] === b[1];

/** The set of capabilities for which prctl says 1. */
function capabilities(ask: (capability: number) => number): Set64 {
  const set: [number, number] = [0, 0];
  for (let n = 0; n < MAX_CAPABILITIES; n++) {
    const has = ask(n);
    if (has < 0) break;
    if (has === 1) set[n >> 5]! |= 1 << (n & 31);
  }
  return set;
}

/**
 * Whether execve of a file without privileges of its own would leave the capabilities as they are (capabilities(7),
 * "Transformation of capabilities during execve()").
 */
function keepsCapabilities(): boolean {
  const { view, address } = new HostBuffer(32);
  view.setUint32(0, CAPABILITY_VERSION, true);
  if (sys2(SYS.capget, address, address + 8) < 0) return false;
  const word = (n: number): number => view.getInt32(8 + 4 * n, true);
  // Two structures of effective, permitted and inheritable: capabilities 0-31 and 32-63.
  const effective: Set64 = [word(0), word(3)];
  const permitted: Set64 = [word(1), word(4)];
  const inheritable: Set64 = [word(2), word(5)];
  const real = sys0(SYS.getuid);
  const effectiveUser = sys0(SYS.geteuid);
  const rootCounts = (sys5(SYS.prctl, PR_GET_SECUREBITS, 0, 0, 0, 0) & SECBIT_NOROOT) === 0;
  if (rootCounts && (real === 0 || effectiveUser === 0)) {
    const bounding = capabilities((n) => sys5(SYS.prctl, PR_CAPBSET_READ, n, 0, 0, 0));
    const all: Set64 = [bounding[0] | inheritable[0], bounding[1] | inheritable[1]];
    return equal(permitted, all) && (effectiveUser === 0 ? equal(effective, all) : equal(effective, [0, 0]));
  }
  if (equal(permitted, [0, 0]) && equal(effective, [0, 0])) return true;
  const ambient = capabilities((n) => sys5(SYS.prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, n, 0, 0));
  return equal(permitted, ambient) && equal(effective, ambient);
}

/** Whether nothing but the kernel could do what execve does to this process's credentials and to what it shares. */
export function canStay(): boolean {
  return !needsKernelExec() && keepsCapabilities();
}

/**
 * Does to the process what execve does (execve(2), "Effect on process attributes"), but for its memory, its signals and
 * its name. Kept without doing anything, being the kernel's: interval timers, record locks, working and root directory,
 * umask, priority, session, limits, dispositions of what is ignored, controlling terminal, semaphore adjustments.
 */
export function leaveProgram(p: Process): void {
  for (const run of p.beforeEnd.splice(0)) run();
  for (const fd of closeOnExec()) forgetNotes(fd);
  for (const timer of p.timers) sys1(SYS.timer_delete, timer);
  sys5(SYS.prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0);
  sys5(SYS.prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
  sys3(SYS.setresuid, -1, -1, sys0(SYS.geteuid));
  sys3(SYS.setresgid, -1, -1, sys0(SYS.getegid));
  sys0(SYS.munlockall);
}
