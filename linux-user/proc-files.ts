// Files of /proc whose contents would show the emulator instead of the guest: made when opened.

import { EIO } from '../src/host/errno.ts';
import { HostBuffer, SYS, sys1, sys2, sys3, sys4 } from '../src/host/syscall.ts';
import type { Region } from '../src/memory/regions.ts';
import { isHidden, openProc } from './host-descriptors.ts';
import { otherGuest, otherGuestContents, otherGuestFile } from './other-guests.ts';
import { statmText, statText, statusText } from './proc-status.ts';
import type { Process } from './process.ts';

const AT_FDCWD = -100;
const MFD_CLOEXEC = 1;
const SEEK_SET = 0;
const RLIMIT_FSIZE = 1;
const SMALL_FILE = 65536;
const O_CLOEXEC = 0x80000;
/** Column at which the kernel starts the file name in maps (25 + 6 * 8 bytes, for compatibility tasks too). */
const MAPS_NAME_COLUMN = 73;

/** What makes the contents of each file, by its name below /proc/self, with a slash in front below /proc. */
const CONTENTS: Readonly<Record<string, (p: Process, host: () => string) => Uint8Array>> = {
  maps: (p) => Buffer.from(mapsText(p), 'latin1'),
  cmdline: (p) => Buffer.from(p.argv.map((argument) => `${argument}\0`).join(''), 'latin1'),
  environ: (p) => Buffer.from(p.environment.map((variable) => `${variable}\0`).join(''), 'latin1'),
  auxv: (p) => p.auxv,
  status: (p, host) => Buffer.from(statusText(p, host()), 'latin1'),
  stat: (p, host) => Buffer.from(statText(p, host()), 'latin1'),
  statm: (p, host) => Buffer.from(statmText(p, host()), 'latin1'),
  '/cpuinfo': (p) => Buffer.from(p.abi.cpuInfo!(p.view, p.env), 'latin1'),
};

/** Makes the contents of a file from those of the host's. */
export type MakeContents = (host: () => string) => Uint8Array;

/** The key in CONTENTS of a file named `name`, where it is one of the process's or the guest has processors of its own. */
export function procEntry(p: Process, name: string): string | undefined {
  return p.paths.procSelfEntry(name) ?? (p.abi.cpuInfo && /^\/+proc\/+cpuinfo$/.test(name) ? '/cpuinfo' : undefined);
}

/** What makes the contents of the file `name` of this process (`entry`: its `procEntry`) or of another guest; undefined: nothing does. */
export function procFile(p: Process, name: string, entry: string | undefined): MakeContents | undefined {
  if (entry !== undefined) {
    return Object.hasOwn(CONTENTS, entry) ? (host) => CONTENTS[entry]!(p, host) : undefined;
  }
  const other = otherGuestFile(name);
  return other && other.entry !== 'exe' ? (host) => otherGuestContents(other.guest, other.entry, host) : undefined;
}

/**
 * Opens the guest's view of a file of /proc, whose name stands at guest address `name`. The host's own is opened first:
 * where it cannot be (no /proc in a chroot, no permission), neither can this.
 */
export function openProcFile(p: Process, make: MakeContents, name: number, flags: number): number {
  const real = sys4(SYS.openat, AT_FDCWD, p.in(name), flags, 0);
  if (real < 0) return real;
  const contents = make(() => readText(real));
  sys1(SYS.close, real);
  const label = new HostBuffer(16);
  const fd = sys2(SYS.memfd_create, label.address, flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
  if (fd < 0) return fd;
  const done = withoutFileLimit(() => writeAll(fd, contents));
  if (done < 0) {
    sys1(SYS.close, fd);
    return done;
  }
  sys3(SYS.lseek, fd, 0, SEEK_SET);
  return fd;
}

/** The contents of an open file as latin1 text. */
function readText(fd: number): string {
  const { u8, address } = new HostBuffer(SMALL_FILE);
  let text = '';
  for (;;) {
    const length = sys4(SYS.pread64, fd, address, SMALL_FILE, text.length);
    if (length <= 0) return text;
    text += Buffer.from(u8.subarray(0, length)).toString('latin1');
  }
}

/** Type of the /proc file system, the first word of struct statfs. */
const PROC_SUPER_MAGIC = 0x9fa0;
const PATH_MAX = 4096;

const statfs = new HostBuffer(128);

/**
 * Which entries of the directory open as `fd` the guest sees, when that depends on the name: descriptors and the thread of
 * its own or of another guest, below /proc. Null: all of them.
 */
export function shownEntries(fd: number): ((name: string) => boolean) | null {
  if (sys2(SYS.fstatfs, fd, statfs.address) < 0 || statfs.view.getUint32(0, true) !== PROC_SUPER_MAGIC) return null;
  const { u8, address } = new HostBuffer(PATH_MAX);
  const length = sys4(SYS.readlinkat, openProc(), Buffer.from(`self/fd/${fd}\0`), address, PATH_MAX);
  const link = length < 0 ? '' : Buffer.from(u8.subarray(0, length)).toString('latin1');
  const match = /\/(\d+)(?:\/task\/\d+)?\/(fd|fdinfo|task)$/.exec(link);
  if (!match) return null;
  const pid = Number(match[1]);
  const other = pid === process.pid ? undefined : otherGuest(pid);
  if (pid !== process.pid && other === undefined) return null;
  if (match[2] === 'task') return (name) => !/^\d/.test(name) || Number(name) === pid;
  if (other !== undefined) return (name) => !/^\d/.test(name) || Number(name) < other.floor;
  return (name) => !/^\d/.test(name) || !isHidden(Number(name));
}

function writeAll(fd: number, contents: Uint8Array): number {
  for (let at = 0; at < contents.length; ) {
    const done = sys3(SYS.write, fd, contents.subarray(at), contents.length - at);
    if (done <= 0) return done === 0 ? -EIO : done;
    at += done;
  }
  return 0;
}

/** Runs `write` with the limit on file sizes as high as it may be: a file of the kernel's has none, ours is a file. */
function withoutFileLimit(write: () => number): number {
  const old = new HostBuffer(16);
  const raised = new HostBuffer(16);
  if (sys4(SYS.prlimit64, 0, RLIMIT_FSIZE, 0, old.address) !== 0) return write();
  raised.u8.set(old.u8.subarray(8), 0);
  raised.u8.set(old.u8.subarray(8), 8);
  sys4(SYS.prlimit64, 0, RLIMIT_FSIZE, raised.address, 0);
  const result = write();
  sys4(SYS.prlimit64, 0, RLIMIT_FSIZE, old.address, 0);
  return result;
}

function mapsText(p: Process): string {
  const stack = p.abi.stackPointer(p.view, p.env) >>> 0;
  return p.memory
    .regions()
    .map((region) => mapsLine(region, stack, p.vdso))
    .join('');
}

function mapsLine(region: Region, stack: number, vdso: number): string {
  const hex = (value: number) => value.toString(16).padStart(8, '0');
  const access = `${region.prot & 1 ? 'r' : '-'}${region.prot & 2 ? 'w' : '-'}${region.prot & 4 ? 'x' : '-'}`;
  const head =
    `${hex(region.start)}-${hex(region.end)} ${access}${region.shared ? 's' : 'p'} ${hex(region.offset)} ` +
    `${region.device} ${region.inode} `;
  let name = region.path;
  if (name === '' && region.start <= stack && stack < region.end) name = '[stack]';
  if (name === '' && vdso !== 0 && region.start === vdso) name = '[vdso]';
  return name === '' ? `${head}\n` : `${head.padEnd(MAPS_NAME_COLUMN)}${name}\n`;
}
