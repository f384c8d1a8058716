// Becoming another program: finds out what a file is (guest program, script, host program) and has the host execute it.

import { E2BIG, EACCES, EFAULT, ELOOP, ENAMETOOLONG, ENOENT, ENOEXEC, EPERM } from '../src/host/errno.ts';
import { locate } from '../src/host/own-proc.ts';
import { HostBuffer, SYS, sys1, sys2, sys3, sys4 } from '../src/host/syscall.ts';
import { checkSegments, PT_INTERP, parseElf } from '../src/loader/elf.ts';
import { unimpOnce } from '../src/log/log.ts';
import { UserError } from '../src/util/errors.ts';
import { canStay, rehearseLeave } from './exec-in-place.ts';
import type { ExecTarget } from './exec-target.ts';
import type { Process } from './process.ts';
import { releaseRobustList } from './robust-list.ts';

const PATH_MAX = 4096;
/** MAX_ARG_STRLEN: the longest single argument, its zero byte included. */
const MAX_ARGUMENT = 131072;
/** No stack limit lets arguments become longer than this (three quarters of _STK_LIM). */
const MAX_ARGUMENTS = 6 << 20;
/** How much of a script's first line counts (BINPRM_BUF_SIZE). */
const SCRIPT_LINE = 256;
/** Interpreters of interpreters that are followed. */
const MAX_SCRIPTS = 5;

const AT_FDCWD = -100;
const AT_EACCESS = 0x200;
const X_OK = 1;
const O_CLOEXEC = 0x80000;
/** Offset and values of st_mode in struct stat of x86-64. */
const ST_MODE = 24;
const ST_SIZE = 48;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_ISUID = 0o4000;
/** S_ISGID and S_IXGRP: without the latter the former says nothing about rights. */
const SET_GROUP = 0o2010;
const F_GETFD = 1;
const FD_CLOEXEC = 1;
const EM_OFFSET = 18;

/** The NULL-terminated vector of strings at `vector` as latin1 text, or -errno. NULL is an empty vector. */
function readStrings(p: Process, vector: number): string[] | number {
  const strings: string[] = [];
  vector >>>= 0;
  if (vector === 0) return strings;
  let total = 0;
  for (let at = vector; ; at += p.abi.model.longSize) {
    const pointer = p.readWord(at);
    if (pointer === undefined) return -EFAULT;
    if (pointer === 0) return strings;
    const bytes = p.memory.readCString(pointer, MAX_ARGUMENT);
    if (!bytes) return -EFAULT;
    if (bytes.length >= MAX_ARGUMENT) return -E2BIG;
    total += bytes.length + 9;
    if (total > MAX_ARGUMENTS) return -E2BIG;
    strings.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1'));
  }
}

/** Text of bytes with its zero byte. */
function cString(text: string): Uint8Array {
  return Buffer.from(`${text}\0`, 'latin1');
}

/** An executable file's beginning, its size and a descriptor to read on with (-1: it cannot be read). */
interface OpenExecutable {
  readonly fd: number;
  readonly mode: number;
  readonly size: number;
  readonly start: Uint8Array;
}

/** Opens a file as exec does; -errno where that is refused. */
function openExecutable(file: string): OpenExecutable | number {
  const [directory, place] = locate(file);
  const path = cString(place);
  const allowed = sys4(SYS.faccessat2, directory, path, X_OK, AT_EACCESS);
  if (allowed < 0) return allowed;
  const fd = sys4(SYS.openat, directory, path, O_CLOEXEC, 0);
  // Executable but not readable: the host can still run its own programs.
  if (fd === -EACCES) return { fd: -1, mode: 0, size: 0, start: new Uint8Array(0) };
  if (fd < 0) return fd;
  const buffer = new HostBuffer(PATH_MAX);
  const result = sys2(SYS.fstat, fd, buffer.address);
  const mode = buffer.view.getUint32(ST_MODE, true);
  if (result < 0 || (mode & S_IFMT) !== S_IFREG) {
    sys1(SYS.close, fd);
    return result < 0 ? result : -EACCES;
  }
  const size = buffer.view.getUint32(ST_SIZE, true) + buffer.view.getUint32(ST_SIZE + 4, true) * 2 ** 32;
  const length = sys4(SYS.pread64, fd, buffer.address, PATH_MAX, 0);
  return { fd, mode, size, start: buffer.u8.subarray(0, Math.max(0, length)) };
}

/** Whether execve of this file gives rights. */
function givesRights({ fd, mode }: OpenExecutable): boolean {
  if (mode & S_ISUID || (mode & SET_GROUP) === SET_GROUP) return true;
  return fd >= 0 && sys4(SYS.fgetxattr, fd, cString('security.capability'), 0, 0) > 0;
}

/** The guest whose programs look like this, or null. */
function guestOf(p: Process, start: Uint8Array): string | null {
  if (start.length < 52 || start[0] !== 0x7f || start[1] !== 0x45 || start[2] !== 0x4c || start[3] !== 0x46)
    return null;
  const big = start[5] === 2;
  const machine = big
    ? (start[EM_OFFSET]! << 8) | start[EM_OFFSET + 1]!
    : start[EM_OFFSET]! | (start[EM_OFFSET + 1]! << 8);
  for (const [name, { program }] of Object.entries(p.abis)) {
    const { machines, elfClass, bigEndian } = program.elf;
    if (machines.includes(machine) && bigEndian === big && (elfClass === 64 ? 2 : 1) === start[4]) return name;
  }
  return null;
}

/** Interpreter and optional argument of a script's first line; undefined when it names none. */
function scriptLine(start: Uint8Array): { interpreter: string; argument: string | undefined } | undefined {
  const text = Buffer.from(start.subarray(2, SCRIPT_LINE)).toString('latin1');
  const end = text.search(/[\n\0]/);
  // A line that is cut within the interpreter's name is none.
  if (end < 0 && !/^[ \t]*[^ \t]+[ \t]/.test(text)) return undefined;
  const match = /^[ \t]*([^ \t]+)(?:[ \t]+(.*?))?[ \t]*$/s.exec(end < 0 ? text : text.slice(0, end));
  return match ? { interpreter: match[1]!, argument: match[2] || undefined } : undefined;
}

/** Checks what would make the program fail after the point of no return; 0 or -errno. */
function checkGuestProgram(
  p: Process,
  guest: string,
  file: string,
  fd: number,
  size: number,
  start: Uint8Array,
): number {
  const read = (offset: number, length: number): Uint8Array => {
    const { u8, address } = new HostBuffer(length);
    return u8.subarray(0, Math.max(0, sys4(SYS.pread64, fd, address, length, offset)));
  };
  try {
    const header = parseElf(file, start, read, p.abis[guest]!.program.elf);
    checkSegments(file, header, size, p.memory.taskSize);
    const segment = header.segments.find((s) => s.type === PT_INTERP);
    if (!segment) return 0;
    if (segment.fileSize < 2 || segment.fileSize > PATH_MAX) return -ENOEXEC;
    const name = Buffer.from(read(segment.offset, segment.fileSize)).toString('latin1').replace(/\0.*$/s, '');
    return Math.min(0, sys4(SYS.faccessat2, AT_FDCWD, cString(p.paths.redirect(name, true)), X_OK, AT_EACCESS));
  } catch (error) {
    if (error instanceof UserError) return -ENOEXEC;
    throw error;
  }
}

/**
 * Follows `name` (the guest's name of a file; `file` its host name, open as `first`) through scripts to a program, and
 * closes what is open. Returns -errno when the kernel would refuse it.
 */
function findProgram(
  p: Process,
  name: string,
  file: string,
  first: OpenExecutable,
  argv: readonly string[],
  closes: boolean,
): ExecTarget | number {
  const execFn = name;
  let args = argv.length > 0 ? argv : [''];
  for (let depth = 0; ; depth++) {
    const opened = depth === 0 ? first : openExecutable(file);
    if (typeof opened === 'number') return opened;
    const { fd, size, start } = opened;
    try {
      if (start[0] !== 0x23 || start[1] !== 0x21) {
        const guest = guestOf(p, start);
        const wrong = guest === null ? 0 : checkGuestProgram(p, guest, file, fd, size, start);
        return wrong < 0 ? wrong : { guest, file, execFn, argv: args, privileged: givesRights(opened) };
      }
    } finally {
      if (fd >= 0) sys1(SYS.close, fd);
    }
    if (depth === MAX_SCRIPTS) return -ELOOP;
    const line = scriptLine(start);
    if (!line) return -ENOEXEC;
    // The interpreter could not open it.
    if (closes) return -ENOENT;
    const { interpreter, argument } = line;
    args = [interpreter, ...(argument === undefined ? [] : [argument]), name, ...args.slice(1)];
    name = interpreter;
    file = p.paths.redirect(interpreter, true);
  }
}

/** A vector of strings as the host takes it. Keep the result until the call is made. */
function hostStrings(strings: readonly string[]): HostBuffer {
  const table = 8 * (strings.length + 1);
  const buffer = new HostBuffer(strings.reduce((size, s) => size + s.length + 1, table));
  let at = table;
  strings.forEach((s, i) => {
    const address = buffer.address + at;
    buffer.view.setUint32(8 * i, address >>> 0, true);
    buffer.view.setUint32(8 * i + 4, Math.floor(address / 2 ** 32), true);
    buffer.u8.set(Buffer.from(s, 'latin1'), at);
    at += s.length + 1;
  });
  return buffer;
}

/** Standard descriptors that this exec closes: the engine would open others in their place. */
function closedStandard(): number[] {
  return [0, 1, 2].filter((fd) => {
    const flags = sys3(SYS.fcntl, fd, F_GETFD, 0);
    return flags < 0 || (flags & FD_CLOEXEC) !== 0;
  });
}

/** execve(2) of the host with strings of bytes as latin1 text; -errno when it fails. */
export function hostExec(file: string, argv: readonly string[], environment: readonly string[]): number {
  const vector = hostStrings(argv);
  const variables = hostStrings(environment);
  return sys3(SYS.execve, cString(file), vector.address, variables.address);
}

/** What is to be executed, and how: by the kernel, or in this emulator. */
interface Found {
  readonly args: readonly string[];
  readonly environment: readonly string[];
  readonly target: ExecTarget;
  readonly byKernel: boolean;
  readonly stays: boolean;
}

/** The part of exec that changes nothing; -errno where it is refused. */
function lookAt(p: Process, name: string, file: string, argv: number, envp: number, closes: boolean): Found | number {
  if (name === '') return -ENOENT;
  // The kernel opens the file before it looks at the vectors, and looks into it afterwards.
  const opened = openExecutable(file);
  if (typeof opened === 'number') return opened;
  const args = readStrings(p, argv);
  const environment = typeof args === 'number' ? args : readStrings(p, envp);
  if (typeof args === 'number' || typeof environment === 'number') {
    if (opened.fd >= 0) sys1(SYS.close, opened.fd);
    return environment as number;
  }
  const target = findProgram(p, name, file, opened, args, closes);
  if (typeof target === 'number') return target;
  if (target.guest === null && !p.hostPrograms) return -ENOEXEC;
  // Only the kernel can give rights; where it starts the guest's programs it does so for the emulator (flag C).
  const byKernel = target.guest === null || (p.kernelStarts && target.privileged);
  return { args, environment, target, byKernel, stays: !byKernel && canStay() };
}

/**
 * Becomes the program `name` (host name `file`). Returns -errno when that fails, and 0 with `Process.next` set when the
 * emulator goes on with another guest program.
 * @param closes the file is named by a descriptor that exec closes
 */
export function execProgram(
  p: Process,
  name: string,
  file: string,
  argv: number,
  envp: number,
  closes = false,
): number {
  const found = lookAt(p, name, file, argv, envp, closes);
  if (typeof found === 'number') return found;
  const { args, environment, target, byKernel, stays } = found;
  if (stays) {
    p.next = { target, environment };
    return 0;
  }
  if (!byKernel) {
    if (p.relaunch === null) return -ENOEXEC;
    releaseRobustList(p);
    p.endProgram();
    return p.relaunch(target, environment, closedStandard());
  }
  if (p.seccomp !== null) {
    unimpOnce('executing a program outside of this emulator under seccomp, which could not confine it');
    return -EPERM;
  }
  p.endProgram();
  p.signals?.prepareExec();
  const result =
    target.guest === null
      ? hostExec(target.file, target.argv, environment)
      : hostExec(file, args.length > 0 ? args : [''], environment);
  p.signals?.stay();
  return result;
}

/**
 * Does what execve of the running program would do, up to where it would change something. Children of a fork find the
 * engine prepared then for what most of them are about to do; otherwise each prepares it for itself.
 */
export function rehearseExec(p: Process): void {
  const { argStart, stackStart } = p.layout;
  const { longSize } = p.abi.model;
  readName(p, argStart);
  // There is no file of this name.
  execProgram(p, '', '', 0, 0);
  const argv = stackStart + longSize;
  const name = p.paths.executable;
  p.paths.redirect(name, true);
  lookAt(p, name, name, argv, argv + longSize * (p.argv.length + 1), false);
  rehearseLeave();
}

/** The name at `pointer`, or -errno. */
export function readName(p: Process, pointer: number): string | number {
  if (pointer >>> 0 >= p.memory.taskSize) return -EFAULT;
  const bytes = p.memory.readCString(pointer, PATH_MAX);
  if (!bytes) return -EFAULT;
  if (bytes.length >= PATH_MAX) return -ENAMETOOLONG;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
