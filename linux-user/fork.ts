// Making processes: the host's fork of the emulator with all its threads, and the memory a vfork child gives back.

import { forgetAlarm } from '../src/host/alarm.ts';
import { EAGAIN, EINTR, EINVAL, ENOSYS } from '../src/host/errno.ts';
import { readOwnProc } from '../src/host/own-proc.ts';
import { prepareShownArguments } from '../src/host/shown-arguments.ts';
import { forkAll } from '../src/host/signals.ts';
import { HostBuffer, SYS, sys0, sys1, sys2, sys3, sys4, sys5 } from '../src/host/syscall.ts';
import { unimpOnce } from '../src/log/log.ts';
import { PAGE_SHARED, PAGE_SIZE, PAGE_WRITE } from '../src/memory/page-flags.ts';
import { closeHidden, hideDescriptor, openProc } from './host-descriptors.ts';
import type { Process } from './process.ts';

export const CLONE_VM = 0x100;
const CLONE_FILES = 0x400;
const CLONE_SIGHAND = 0x800;
const CLONE_PIDFD = 0x1000;
export const CLONE_VFORK = 0x4000;
const CLONE_THREAD = 0x10000;
const CLONE_SETTLS = 0x80000;
const CLONE_PARENT_SETTID = 0x100000;
const CLONE_CHILD_CLEARTID = 0x200000;
const CLONE_CHILD_SETTID = 0x1000000;

const SIGCHLD = 17;
const MADV_DOFORK = 11;
const PR_GET_TID_ADDRESS = 40;
const O_CLOEXEC = 0x80000;

/** A process to make, from fork, vfork, clone or clone3. */
export interface CloneRequest {
  /** CLONE_* */
  readonly flags: number;
  readonly exitSignal: number;
  /** Stack pointer of the child; 0: as the parent's. */
  readonly stack: number;
  /** Guest addresses for CLONE_PARENT_SETTID, CLONE_CHILD_SETTID/CLEARTID and CLONE_PIDFD. */
  readonly parentTid: number;
  readonly childTid: number;
  readonly pidfd: number;
  /** Argument of CLONE_SETTLS. */
  readonly tls: number;
}

let prepared = false;
/** The number of this process; the engine keeps the one it was started with. */
let ownPid = 0;
/** Where the C library keeps the thread's number, so that the kernel corrects it in the child; 0: unknown. */
let tidAddress = 0;

/** Once per process family: the engine excludes its machine code from being inherited. */
function prepareOnce(): void {
  if (prepared) return;
  prepared = true;
  for (const line of readOwnProc('maps').toString('latin1').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rwxp/.exec(line);
    if (!match) continue;
    const start = Number.parseInt(match[1]!, 16);
    sys3(SYS.madvise, start, Number.parseInt(match[2]!, 16) - start, MADV_DOFORK);
  }
  prepareShownArguments();
  ownPid = sys0(SYS.getpid);
  Object.defineProperty(process, 'pid', { get: () => ownPid, configurable: true, enumerable: true });
  const { view, address } = new HostBuffer(8);
  if (sys5(SYS.prctl, PR_GET_TID_ADDRESS, address, 0, 0, 0) === 0) tidAddress = Number(view.getBigUint64(0, true));
}

/** What this process was made with that only a real execve undoes: another signal at its end, shared descriptors. */
let madeSpecially = false;

/** Whether execve has to be the kernel's own. */
export function needsKernelExec(): boolean {
  return madeSpecially;
}

/** In a vfork child: the pipe that tells the parent what was written, or -1. */
let backPipe = -1;

/** Makes the process. Returns its number, 0 in the child, or -errno. */
export function cloneProcess(p: Process, request: CloneRequest): number {
  const { flags } = request;
  if (flags & CLONE_THREAD) {
    if (!(flags & CLONE_SIGHAND) || !(flags & CLONE_VM)) return -EINVAL;
    unimpOnce('threads (clone with CLONE_THREAD)');
    return -EAGAIN;
  }
  if (flags & CLONE_SIGHAND && !(flags & CLONE_VM)) return -EINVAL;
  if (flags & CLONE_VM && !(flags & CLONE_VFORK)) {
    unimpOnce('processes sharing memory (clone with CLONE_VM alone)');
    return -EAGAIN;
  }
  const hooks = p.signals;
  if (hooks === null) return -ENOSYS;
  prepareOnce();
  const proc = openProc();
  if (proc < 0) {
    unimpOnce('fork without /proc');
    return -EAGAIN;
  }
  for (const run of p.beforeFork) run();
  const pipe = flags & CLONE_VFORK ? makePipe() : null;
  if (typeof pipe === 'number') return pipe;
  const ours = CLONE_VM | CLONE_SIGHAND | CLONE_VFORK | CLONE_SETTLS | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID;
  const tidFlags = tidAddress === 0 ? 0 : CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  const hostFlags = ((flags & ~ours) | tidFlags | request.exitSignal) >>> 0;
  const told = flags & CLONE_PIDFD ? request.pidfd : flags & CLONE_PARENT_SETTID ? request.parentTid : 0;
  const hostTold = told === 0 ? 0 : p.out(told, 4);
  const result = hooks.aroundFork((mask) => {
    const pid = forkAll(proc, hostFlags, hostTold, tidAddress, mask);
    if (pid === 0) enterChild(p);
    return pid;
  });
  if (result === 0) {
    if (pipe) {
      sys1(SYS.close, pipe.read);
      // Without CLONE_VM the parent only waits; closing the descriptor is the sign.
      const place = (fd: number): number => (backPipe = fd);
      place(hideDescriptor(pipe.write, place));
      if (flags & CLONE_VM) p.beforeEnd.push(() => giveBack(p));
      p.beforeEnd.push(() => {
        closeHidden(backPipe);
        backPipe = -1;
      });
    }
    madeSpecially = request.exitSignal !== SIGCHLD || (flags & CLONE_FILES) !== 0;
    startChild(p, request);
    return 0;
  }
  if (flags & CLONE_FILES && result > 0) madeSpecially = true;
  if (pipe) {
    sys1(SYS.close, pipe.write);
    if (result > 0) takeBack(p, pipe.read);
    sys1(SYS.close, pipe.read);
  }
  return result;
}

function enterChild(p: Process): void {
  if (backPipe >= 0) closeHidden(backPipe);
  backPipe = -1;
  p.beforeEnd.length = 0;
  ownPid = sys0(SYS.getpid);
  forgetAlarm();
  for (const run of p.inChild) run();
}

function startChild(p: Process, request: CloneRequest): void {
  const { flags } = request;
  if (request.stack !== 0) p.abi.setStackPointer(p.view, p.env, request.stack);
  if (flags & CLONE_SETTLS) p.abi.setTls(p.memory, p.env, request.tls);
  if (flags & CLONE_CHILD_SETTID) p.writeU32(request.childTid, process.pid);
  p.clearTid = flags & CLONE_CHILD_CLEARTID ? request.childTid : 0;
  p.robustList = 0;
}

// vfork and posix_spawn: the parent waits, and what the child writes meanwhile is the parent's memory. The child is a copy
// here; before it ends or becomes another program it sends the pages it has written through a pipe.

function makePipe(): { read: number; write: number } | number {
  const { view, address } = new HostBuffer(8);
  const result = sys2(SYS.pipe2, address, O_CLOEXEC);
  return result < 0 ? result : { read: view.getInt32(0, true), write: view.getInt32(4, true) };
}

/** In a page's entry of /proc/self/pagemap: bits 32 to 63. Only this process maps the page; it is in memory. */
const MAPPED_ONCE = 1 << 24;
const PRESENT = 1 << 31;
/** An address word and the page. */
const RECORD = 8 + PAGE_SIZE;

/** Sends the pages that are not the parent's any more: those copied when the child wrote to them. */
function giveBack(p: Process): void {
  if (backPipe < 0) return;
  const map = sys4(SYS.openat, openProc(), Buffer.from('self/pagemap\0'), O_CLOEXEC, 0);
  const { pages } = p.memory;
  const record = new HostBuffer(RECORD);
  for (const [first, end] of map < 0 ? [] : privateRanges(p)) {
    const entries = new HostBuffer(8 * (end - first));
    const place = 8 * Math.floor(p.base / PAGE_SIZE + first);
    const length = sys4(SYS.pread64, map, entries.address, 8 * (end - first), place);
    for (let n = 0; n < length / 8; n++) {
      const high = entries.view.getInt32(8 * n + 4, true);
      if (!(high & PRESENT) || !(high & MAPPED_ONCE)) continue;
      if ((pages[first + n]! & (PAGE_WRITE | PAGE_SHARED)) !== PAGE_WRITE) continue;
      const at = (first + n) * PAGE_SIZE;
      record.view.setUint32(0, at, true);
      record.u8.set(p.memory.u8.subarray(at, at + PAGE_SIZE), 8);
      writeAll(record);
    }
  }
  if (map >= 0) sys1(SYS.close, map);
}

/**
 * The guest's private mappings as the host has them, first page and end: to look for such pages in the page table of a million
 * takes a child that compiles nothing 40 ms.
 */
function privateRanges({ base, memory }: Process): [first: number, end: number][] {
  const ranges: [number, number][] = [];
  for (const line of readOwnProc('maps').toString('latin1').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) (?!---).{3}p/.exec(line);
    if (!match) continue;
    const start = Math.max(Number.parseInt(match[1]!, 16) - base, 0);
    const end = Math.min(Number.parseInt(match[2]!, 16) - base, memory.taskSize);
    if (start < end) ranges.push([start / PAGE_SIZE, end / PAGE_SIZE]);
  }
  return ranges;
}

function writeAll(record: HostBuffer): void {
  for (let at = 0; at < RECORD; ) {
    const done = sys3(SYS.write, backPipe, record.address + at, RECORD - at);
    if (done === -EINTR) continue;
    if (done <= 0) return;
    at += done;
  }
}

/** Waits until the child has ended or become another program, and takes over the pages it sends. */
function takeBack(p: Process, fd: number): void {
  const record = new HostBuffer(RECORD);
  for (let at = 0; ; ) {
    const done = sys3(SYS.read, fd, record.address + at, RECORD - at);
    if (done === -EINTR) continue;
    if (done <= 0) return;
    at += done;
    if (at < RECORD) continue;
    at = 0;
    const address = record.view.getUint32(0, true);
    const flags = p.memory.pages[address >>> 12]!;
    if (flags & PAGE_WRITE) p.memory.writeBytes(address, record.u8.subarray(8));
  }
}
