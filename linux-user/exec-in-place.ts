// Executing a guest program without leaving the emulator: when that is the same as execve, and what it does to the process.

import { HostBuffer, SYS, sys0, sys1, sys2, sys3, sys5 } from '../src/host/syscall.ts';
import { needsKernelExec } from './fork.ts';
import { closeOnExec } from './host-descriptors.ts';
import type { Process } from './process.ts';
import { releaseRobustList } from './robust-list.ts';
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

interface Capabilities {
  readonly effective: Set64;
  readonly permitted: Set64;
  readonly inheritable: Set64;
}

/** Words of the two structures that capget fills (capabilities 0-31, 32-63), behind the header of 8 bytes. */
const CAP_WORDS = 6;

function ownCapabilities(): Capabilities | undefined {
  const { view, address } = new HostBuffer(8 + 4 * CAP_WORDS);
  view.setUint32(0, CAPABILITY_VERSION, true);
  if (sys2(SYS.capget, address, address + 8) < 0) return undefined;
  const word = (n: number): number => view.getInt32(8 + 4 * n, true);
  return { effective: [word(0), word(3)], permitted: [word(1), word(4)], inheritable: [word(2), word(5)] };
}

/**
 * The capabilities that execve of a file without privileges of its own leaves (capabilities(7), "Transformation of
 * capabilities during execve()").
 */
function capabilitiesAfterExec({ inheritable }: Capabilities): Capabilities {
  const ambientSet = (): Set64 => capabilities((n) => sys5(SYS.prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, n, 0, 0));
  const effectiveUser = sys0(SYS.geteuid);
  const rootCounts = (sys5(SYS.prctl, PR_GET_SECUREBITS, 0, 0, 0, 0) & SECBIT_NOROOT) === 0;
  if (!rootCounts || (sys0(SYS.getuid) !== 0 && effectiveUser !== 0)) {
    const ambient = ambientSet();
    return { effective: ambient, permitted: ambient, inheritable };
  }
  const bounding = capabilities((n) => sys5(SYS.prctl, PR_CAPBSET_READ, n, 0, 0, 0));
  const all: Set64 = [bounding[0] | inheritable[0], bounding[1] | inheritable[1]];
  return { effective: effectiveUser === 0 ? all : ambientSet(), permitted: all, inheritable };
}

/** What `canStay` has found out last: until `leaveProgram` the program does nothing any more that could change it. */
let change: { readonly now: Capabilities; readonly after: Capabilities } | undefined;

/** Whether the process can do to itself what execve does to its credentials: it may only lose capabilities. */
export function canStay(): boolean {
  if (needsKernelExec()) return false;
  const now = ownCapabilities();
  if (!now) return false;
  const after = capabilitiesAfterExec(now);
  change = { now, after };
  const [low, high] = after.permitted;
  return (low & ~now.permitted[0]) === 0 && (high & ~now.permitted[1]) === 0;
}

/** Whether the process has a capability (of the first 64) in its effective set. */
export function hasEffectiveCapability(capability: number): boolean {
  const set = ownCapabilities()?.effective;
  return set !== undefined && ((set[capability >> 5]! >>> (capability & 31)) & 1) === 1;
}

function changeCredentials(): void {
  const { now, after } = change!;
  const [effectiveUser, effectiveGroup] = [sys0(SYS.geteuid), sys0(SYS.getegid)];
  sys3(SYS.setresuid, -1, -1, effectiveUser);
  sys3(SYS.setresgid, -1, -1, effectiveGroup);
  if (!equal(now.effective, after.effective) || !equal(now.permitted, after.permitted)) {
    const { view, address } = new HostBuffer(8 + 4 * CAP_WORDS);
    view.setUint32(0, CAPABILITY_VERSION, true);
    const words = [0, 1].flatMap((n) => [after.effective[n]!, after.permitted[n]!, after.inheritable[n]!]);
    words.forEach((word, n) => {
      view.setInt32(8 + 4 * n, word, true);
    });
    sys2(SYS.capset, address, address + 8);
  }
  const plain = effectiveUser === sys0(SYS.getuid) && effectiveGroup === sys0(SYS.getgid);
  sys5(SYS.prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0);
  sys5(SYS.prctl, PR_SET_DUMPABLE, plain ? 1 : 0, 0, 0, 0);
}

/** The part of `leaveProgram` that changes nothing; see `rehearseExec`. */
export function rehearseLeave(): void {
  closeOnExec(false);
  if (change) equal(change.now.permitted, change.after.permitted);
}

/**
 * Does to the process what execve does (execve(2), "Effect on process attributes"), but for its memory, its signals and
 * its name. Kept without doing anything, being the kernel's: interval timers, record locks, working and root directory,
 * umask, priority, session, limits, dispositions of what is ignored, controlling terminal, semaphore adjustments.
 */
export function leaveProgram(p: Process): void {
  releaseRobustList(p);
  for (const run of p.beforeEnd.splice(0)) run();
  for (const fd of closeOnExec()) forgetNotes(fd);
  for (const timer of p.timers) sys1(SYS.timer_delete, timer);
  changeCredentials();
  sys0(SYS.munlockall);
}
