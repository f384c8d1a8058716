// Descriptors of this process that are not the guest's: the engine's own and the emulator's, kept out of the guest's way.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setProcDirectory } from '../src/host/own-proc.ts';
import { HostBuffer, SYS, sys1, sys3, sys4, sys6 } from '../src/host/syscall.ts';

const AT_FDCWD = -100;
const O_CLOEXEC = 0x80000;
const O_DIRECTORY = 0x10000;
const F_GETFD = 1;
const FD_CLOEXEC = 1;
const F_SETFD = 2;
const F_DUPFD_CLOEXEC = 1030;
const RLIMIT_NOFILE = 7;
/** How many descriptors we may come to own: the floor leaves room for them below the limit. */
const ROOM = 32;
/**
 * Never higher: the engine comes with a table for 1024 descriptors, and to let it grow in a process with threads the
 * kernel waits until no CPU uses the old one, 8-16 ms measured.
 */
const HIGHEST_FLOOR = 1024 - ROOM;

/** Our descriptors, each with what has to be told its number when the guest wants that for itself; null: it cannot be moved. */
const hidden = new Map<number, ((fd: number) => void) | null>();
/** Those of the engine's event loop: of epoll and of what wakes it; -1: not known. */
let eventLoop: readonly [epoll: number, wake: number] = [-1, -1];
/** No number below is hidden. */
let lowestHidden = Number.MAX_SAFE_INTEGER;
let floor = -1;

function hide(fd: number, moved: ((fd: number) => void) | null = null): void {
  hidden.set(fd, moved);
  lowestHidden = Math.min(lowestHidden, fd);
}

/** Whether `fd` is ours: to the guest it is not open. */
export function isHidden(fd: number): boolean {
  return fd >= lowestHidden && hidden.has(fd);
}

/** Whether a number below `count` may be ours: what looks at many descriptors asks first. */
export function mayBeHiddenBelow(count: number): boolean {
  return count > lowestHidden;
}

/** Our descriptors in ascending order. */
export function hiddenDescriptors(): readonly number[] {
  return [...hidden.keys()].sort((a, b) => a - b);
}

/**
 * Moves a descriptor of ours to a high number and hides it; returns the number. Where that fails it is hidden in place.
 * @param moved is told another number when the guest wants this one; without, it stays
 */
export function hideDescriptor(fd: number, moved: ((fd: number) => void) | null = null): number {
  if (floor < 0) floor = chooseFloor(-1);
  let high = sys3(SYS.fcntl, fd, F_DUPFD_CLOEXEC, floor);
  // The guest has lowered the limit: as high as that allows.
  if (high < 0) high = sys3(SYS.fcntl, fd, F_DUPFD_CLOEXEC, Math.max(3, openFileLimits()[0] - ROOM));
  if (high < 0) {
    hide(fd, moved);
    return fd;
  }
  sys1(SYS.close, fd);
  hidden.delete(fd);
  hide(high, moved);
  return high;
}

/** Where hidden descriptors begin; few are in use below this number. */
export function hiddenFloor(): number {
  if (floor < 0) floor = chooseFloor(-1);
  return floor;
}

/** Makes a number free that the guest gives to a descriptor of its own (dup2). False: what is there must stay. */
export function vacate(fd: number): boolean {
  if (eventLoop.includes(fd)) return moveEventLoop(eventLoop[0], fd) && !hidden.has(fd);
  const moved = hidden.get(fd);
  if (!moved) return false;
  moved(hideDescriptor(fd, moved));
  return !hidden.has(fd);
}

/** Takes a descriptor out of hiding when it is closed. */
export function closeHidden(fd: number): void {
  hidden.delete(fd);
  sys1(SYS.close, fd);
}

let procDirectory = -1;

/**
 * A descriptor of /proc, where this process is `self`; -1 when there is none. To be called before the guest can leave the
 * directory behind (chroot): from then on it is kept.
 */
export function openProc(): number {
  if (procDirectory < 0) {
    const fd = sys4(SYS.openat, AT_FDCWD, Buffer.from('/proc\0'), O_DIRECTORY | O_CLOEXEC, 0);
    if (fd >= 0) {
      const place = (number: number): void => setProcDirectory((procDirectory = number));
      place(hideDescriptor(fd, place));
    }
  }
  return procDirectory;
}

/** Closes what the guest wants closed when another program is executed, or only looks for it. Returns the numbers. */
export function closeOnExec(really = true): number[] {
  const closed: number[] = [];
  for (const fd of openDescriptors()) {
    if (hidden.has(fd) || (sys3(SYS.fcntl, fd, F_GETFD, 0) & FD_CLOEXEC) === 0) continue;
    if (really) sys1(SYS.close, fd);
    closed.push(fd);
  }
  return closed;
}

/** Numbers that are in use, and maybe some that are not. */
function openDescriptors(): number[] {
  const directory = sys4(SYS.openat, openProc(), Buffer.from('self/fd\0'), O_DIRECTORY | O_CLOEXEC, 0);
  const numbers: number[] = [];
  if (directory < 0) {
    for (let fd = 0; fd < HIGHEST_FLOOR; fd++) numbers.push(fd);
    return numbers;
  }
  const { u8, view, address } = new HostBuffer(4096);
  for (;;) {
    const length = sys3(SYS.getdents64, directory, address, u8.length);
    if (length <= 0) break;
    // struct linux_dirent64: inode, offset, 16 bits of length, type, name.
    for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
      let number = 0;
      for (let k = at + 19; u8[k] !== 0; k++) number = number * 10 + u8[k]! - 0x30;
      if (number >= 0 && number !== directory) numbers.push(number);
    }
  }
  sys1(SYS.close, directory);
  return numbers;
}

/** Current limits of open files of this process: soft and hard. */
function openFileLimits(): [soft: number, hard: number] {
  const limits = new HostBuffer(16);
  sys4(SYS.prlimit64, 0, RLIMIT_NOFILE, 0, limits.address);
  return [Number(limits.view.getBigUint64(0, true)), Number(limits.view.getBigUint64(8, true))];
}

function chooseFloor(guestLimit: number): number {
  const [soft] = openFileLimits();
  // Numbers from the guest's limit on can never be its own.
  if (guestLimit >= 0 && guestLimit + ROOM <= soft && guestLimit <= HIGHEST_FLOOR) return Math.max(guestLimit, 3);
  return Math.max(3, Math.min(soft - ROOM, HIGHEST_FLOOR));
}

/**
 * Makes this process's descriptors look as the guest expects: what was inherited survives exec again (the engine marks all
 * of it close-on-exec), the engine's own are moved away from the low numbers, and the limit the engine raised is the
 * caller's again. Call once, before the guest or anything else opens files.
 * @param guestLimit soft RLIMIT_NOFILE as the caller had it; -1 when unknown: then it stays as it is
 */
export function arrangeDescriptors(guestLimit = -1): void {
  floor = chooseFloor(guestLimit);
  openProc();
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (fd < 3 || hidden.has(fd)) continue;
    let link: string;
    try {
      link = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      continue; // the directory's own descriptor, closed by now
    }
    if (link === 'anon_inode:[eventpoll]' && moveEventLoop(fd)) continue;
    const flags = sys3(SYS.fcntl, fd, F_GETFD, 0);
    if (flags > 0 && !hidden.has(fd)) sys3(SYS.fcntl, fd, F_SETFD, 0);
  }
  const [soft, hard] = openFileLimits();
  if (guestLimit >= 0 && guestLimit < soft) {
    const limits = new HostBuffer(16);
    limits.view.setBigUint64(0, BigInt(guestLimit), true);
    limits.view.setBigUint64(8, BigInt(hard), true);
    sys4(SYS.prlimit64, 0, RLIMIT_NOFILE, limits.address, 0);
  }
}

/** In a poll object of the event loop (uSockets): the descriptor is the low 27 bits of the first word. */
const POLL_FD_MASK = 0x07ffffff;
/** Offset of the loop's address in the poll object of its wake-up descriptor. */
const POLL_LOOP = 16;
/** Offset of the epoll descriptor in the loop object, as in the Bun this package pins (1.4.5); checked before use. */
const LOOP_FD = 228;

/**
 * Moves the event loop with epoll descriptor `fd` and the descriptor that wakes it. Both numbers stand in the engine's
 * memory too: the kernel tells where (the address the loop registered), and they are only changed when everything found
 * there is as expected. Otherwise both stay where they are, hidden. False when this is no event loop of this process.
 * @param wanted number that the guest wants
 */
function moveEventLoop(fd: number, wanted = -1): boolean {
  // Lines 'tfd: NUMBER events: HEX data: HEX pos: ...', one per watched descriptor.
  for (const line of readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1').split('\n')) {
    if (!line.startsWith('tfd:')) continue;
    // The number it was registered by, which is not changed with its own.
    const wakeFd = eventLoop[0] === fd ? eventLoop[1] : Number.parseInt(line.slice(4), 10);
    const data = line.slice(line.indexOf('data:') + 5).trimStart();
    // The upper 16 bits are a tag.
    const poll = Number.parseInt(data.slice(0, data.indexOf(' ')).slice(-12), 16);
    const state = readWord(poll, 4);
    if ((state & POLL_FD_MASK) !== wakeFd) continue;
    const loop = readWord(poll + POLL_LOOP, 8);
    if (readWord(loop + LOOP_FD, 4) === fd) {
      // The wanted number stays open until the other one has its own.
      const wakeFirst = fd === wanted ? hideDescriptor(wakeFd) : -1;
      const epoll = hideDescriptor(fd);
      eventLoop = [epoll, wakeFirst < 0 ? hideDescriptor(wakeFd) : wakeFirst];
      writeWord(poll, (state & ~POLL_FD_MASK) | eventLoop[1]);
      writeWord(loop + LOOP_FD, eventLoop[0]);
    } else {
      hide(fd);
      hide(wakeFd);
    }
    return true;
  }
  return false;
}

/** Reads 4 or 8 bytes of our own memory by the kernel, which refuses what is not mapped; then -1. */
function readWord(address: number, size: 4 | 8): number {
  if (!transfer(SYS.process_vm_readv, address, size)) return -1;
  const { view } = transferBuffer!;
  return size === 4 ? view.getInt32(0, true) : Number(view.getBigUint64(0, true));
}

function writeWord(address: number, value: number): void {
  transferBuffer!.view.setInt32(0, value, true);
  transfer(SYS.process_vm_writev, address, 4);
}

/** The word, then the local and the remote iovec. */
let transferBuffer: HostBuffer | undefined;

function transfer(call: number, address: number, size: number): boolean {
  const { view, address: local } = (transferBuffer ??= new HostBuffer(40));
  const words = [local, size, address, size];
  words.forEach((word, i) => {
    view.setUint32(8 + i * 8, word, true);
    view.setUint32(12 + i * 8, Math.floor(word / 2 ** 32), true);
  });
  return sys6(call, process.pid, local + 8, 1, local + 24, 1, 0) === size;
}
