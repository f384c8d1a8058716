// The files of /proc/self that the emulator itself reads: also where the guest has left /proc behind (chroot).

import { readWholeFile } from '../util/read-file.ts';
import { HostBuffer, SYS, sys1, sys3, sys4 } from './syscall.ts';

const O_CLOEXEC = 0x80000;
const CHUNK = 65536;
const PATH_MAX = 4096;
const AT_FDCWD = -100;

let directory = -1;

/** From now on files are found by this descriptor of /proc. */
export function setProcDirectory(fd: number): void {
  directory = fd;
}

/** Begins names of files behind descriptors; the second slash tells them from a guest's names. */
const DESCRIPTOR = '/proc/self//fd/';

/** A host name for the file behind a descriptor, or for one below it: for `locate`, and for the host where /proc is in reach. */
export function descriptorName(fd: number, rest = ''): string {
  return `${DESCRIPTOR}${fd}${rest}`;
}

/** Directory and name by which the host finds a file: those of `descriptorName` also where /proc is out of reach. */
export function locate(file: string): readonly [directory: number, name: string] {
  if (directory < 0 || !file.startsWith(DESCRIPTOR)) return [AT_FDCWD, file];
  return [directory, file.slice('/proc/'.length)];
}

/** What the link /proc/self/`name` leads to, bytes as latin1 text; undefined when it cannot be read. */
export function readOwnLink(name: string): string | undefined {
  const { u8, address } = new HostBuffer(PATH_MAX);
  const link = Buffer.from(directory < 0 ? `/proc/self/${name}\0` : `self/${name}\0`, 'latin1');
  const length = sys4(SYS.readlinkat, directory < 0 ? AT_FDCWD : directory, link, address, PATH_MAX);
  return length < 0 ? undefined : Buffer.from(u8.subarray(0, length)).toString('latin1');
}

/** The contents of /proc/self/`name`. Throws when it cannot be read. */
export function readOwnProc(name: string): Buffer {
  if (directory < 0) return Buffer.from(readWholeFile(`/proc/self/${name}`));
  const fd = sys4(SYS.openat, directory, Buffer.from(`self/${name}\0`), O_CLOEXEC, 0);
  if (fd < 0) throw new Error(`/proc/self/${name} cannot be read`);
  const { u8, address } = new HostBuffer(CHUNK);
  const pieces: Buffer[] = [];
  for (;;) {
    const length = sys3(SYS.read, fd, address, CHUNK);
    if (length <= 0) break;
    pieces.push(Buffer.from(u8.subarray(0, length)));
  }
  sys1(SYS.close, fd);
  return Buffer.concat(pieces);
}
