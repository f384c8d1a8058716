// What differs when the emulator is one executable (`wemu standalone`), and what the kernel says when it starts one by binfmt_misc.

import { readlinkSync } from 'node:fs';
import { SYS, sys1, sys5 } from '../host/syscall.ts';
import { readWholeFile } from '../util/read-file.ts';

// Defined by src/tools/build-standalone.ts: the guest the executable is for.
declare const WEMU_STANDALONE: string | undefined;

/** The guest this executable is for; undefined in the package, where the command line names it. */
export const STANDALONE_GUEST = typeof WEMU_STANDALONE === 'undefined' ? undefined : WEMU_STANDALONE;

/** The command that starts this emulator again for `guest`, up to its options. */
export function ownCommand(guest: string): string[] {
  // By this name also where the file's own is out of reach (chroot).
  if (STANDALONE_GUEST !== undefined) return ['/proc/self/exe'];
  // Scripts of an executable have names no file has (src/tools/build.ts). Its own may be gone: it is replaced by each build.
  if (Bun.main.startsWith('/$bunfs/')) return ['/proc/self/exe', 'user-mode', guest];
  return [process.execPath, ...process.execArgv, Bun.main, guest];
}

/** Words of the command line that come before our own. */
export const WORDS_BEFORE = STANDALONE_GUEST === undefined ? 3 : 2;

/** As the start names its memory files (src/tools/standalone-start.ts). */
const LIBRARY = '/memfd:wemu-library (deleted)';
/** The start takes free numbers from here on. */
const FIRST_LIBRARY = 64;

/** Closes the descriptors through which the C library was loaded. */
export function closeLibraries(): void {
  if (STANDALONE_GUEST === undefined) return;
  for (let fd = FIRST_LIBRARY, missed = 0; missed < 64; fd++) {
    let link = '';
    try {
      link = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      missed++;
    }
    if (link === LIBRARY) sys1(SYS.close, fd);
  }
}

const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;

/**
 * Reads files of /proc/self. Of a process with another's rights they belong to root, and it may not read them itself unless
 * it is dumpable. Its caller gets no access by that: the user numbers differ.
 */
export function withOwnFiles<T>(read: () => T): T {
  const prctl = (option: number, value: number): number => sys5(SYS.prctl, option, value, 0, 0, 0);
  if (STANDALONE_GUEST === undefined || prctl(PR_GET_DUMPABLE, 0) === 1) return read();
  prctl(PR_SET_DUMPABLE, 1);
  try {
    return read();
  } finally {
    prctl(PR_SET_DUMPABLE, 0);
  }
}

/** Entries of the auxiliary vector (elf.h) and a bit of one. */
const AT_EXECFD = 2;
const AT_FLAGS = 8;
const AT_SECURE = 23;
const AT_FLAGS_PRESERVE_ARGV0 = 1;

/** How the kernel started this process. */
export interface KernelStart {
  /** binfmt_misc with flag P: behind the program's file stands its own argv[0]. */
  readonly preserved: boolean;
  /** Flag O or C: the program's file, open; -1 otherwise. */
  readonly execFd: number;
  /** Flag C on a program with more rights than its caller: what the caller says in variables is not obeyed. */
  readonly secure: boolean;
}

/** Reads the auxiliary vector, which only an executable started by the kernel itself has to itself. */
export function kernelStart(): KernelStart {
  const start = { preserved: false, execFd: -1, secure: false };
  if (STANDALONE_GUEST === undefined) return start;
  const bytes = withOwnFiles(() => readWholeFile('/proc/self/auxv'));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    const value = view.getUint32(at + 8, true);
    switch (view.getUint32(at, true)) {
      case AT_EXECFD:
        start.execFd = value;
        break;
      case AT_FLAGS:
        start.preserved = (value & AT_FLAGS_PRESERVE_ARGV0) !== 0;
        break;
      case AT_SECURE:
        start.secure = value !== 0;
    }
  }
  return start;
}
