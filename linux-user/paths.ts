// File names: which ones mean a file below the -L prefix, and which ones below /proc must tell the guest's truth.

import { ENOENT, EXDEV } from '../src/host/errno.ts';
import { HostBuffer, SYS, sys1, sys3, sys4, sys5 } from '../src/host/syscall.ts';
import type { GuestMemory } from '../src/memory/guest-memory.ts';
import { closeHidden, hideDescriptor, isHidden } from './host-descriptors.ts';
import { otherGuestFile } from './other-guests.ts';

/** PATH_MAX of Linux, the zero byte included. */
const PATH_MAX = 4096;
/** An address that no process has mapped (vm.mmap_min_addr): what the host is given in place of a bad pointer. */
export const BAD_ADDRESS = 0x1000;

/** The host's address for a guest's bad one: as bad, and aligned alike. */
export function badAddress(pointer: number): number {
  return BAD_ADDRESS + (pointer & 0xfff);
}

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
/** Size of the host's struct stat, and of device and inode, which it begins with. */
const STAT_SIZE = 144;
const STAT_DEVICE_INODE = 16;
const F_OK = 0;
const O_PATH = 0x200000;
const O_CLOEXEC = 0x80000;
const O_NOFOLLOW = 0x20000;
const O_DIRECTORY = 0x10000;
const RESOLVE_BENEATH = 8;
/** Symbolic links followed in one name before it counts as a loop, as in the kernel (MAXSYMLINKS). */
const MAX_LINKS = 40;
/** A name that leads nowhere, as that of a descriptor that is not open. */
const NO_DESCRIPTOR = '/proc/self/fd/-';
/** The bytes '/pro' as a little-endian word. */
const SLASH_PRO = 0x6f72702f;

const OTHER_PROGRAM = /^\/+proc\/+\d+\/+exe$/;
const KERNEL_DIRECTORY = /^\/+(?:proc|sys)\/*$/;

/** How a name is looked up: following a link at its end, not following it, or never below the prefix. */
export type PathKind = 'path' | 'lpath' | 'rawpath' | 'str';

/** Translates the names one process uses. */
export class Paths {
  /** Two names can be in use at once (link, rename). */
  private readonly buffers: (HostBuffer | undefined)[] = [undefined, undefined];
  private next = 0;
  private prefixDescriptor = -1;
  private readonly how = new HostBuffer(24);

  /**
   * @param prefix absolute name of the -L directory, without a slash at its end; '' for none
   * @param executable absolute host name of the guest program, what /proc/self/exe leads to
   */
  constructor(
    private readonly memory: GuestMemory,
    public prefix: string,
    public executable: string,
  ) {}

  /**
   * Host address of the name the host should use for the guest's name at `pointer`: the guest's own bytes where nothing
   * has to change (a bad pointer is left to the host kernel to find). Valid until the call after next.
   */
  resolve(pointer: number, kind: PathKind): number {
    pointer >>>= 0;
    if (pointer === 0) return 0;
    const memory = this.memory;
    if (pointer >= memory.taskSize) return BAD_ADDRESS;
    const plain = memory.base + pointer;
    if (kind === 'str' || (this.prefix === '' && !this.mayBeProc(pointer)) || kind === 'rawpath') return plain;
    const bytes = memory.readCString(pointer, PATH_MAX);
    if (bytes?.[0] !== 0x2f || bytes.length === PATH_MAX) return plain;
    const name = latin1(bytes);
    const replacement = this.redirect(name, kind === 'path');
    return replacement === name ? plain : this.store(replacement);
  }

  /** The guest's name at `pointer` as text of bytes (latin1); undefined when it cannot be read or is too long. */
  read(pointer: number): string | undefined {
    const bytes = this.memory.readCString(pointer, PATH_MAX);
    return bytes && bytes.length < PATH_MAX ? latin1(bytes) : undefined;
  }

  /** Host address of a copy of `name` (text of bytes), valid until the call after next. */
  store(name: string): number {
    const slot = (this.next ^= 1);
    const buffer = (this.buffers[slot] ??= new HostBuffer(2 * PATH_MAX));
    const length = Math.min(name.length, 2 * PATH_MAX - 1);
    for (let i = 0; i < length; i++) buffer.u8[i] = name.charCodeAt(i);
    buffer.u8[length] = 0;
    return buffer.address;
  }

  /** Cheap test before anything is decoded: does the name start like /proc? */
  mayBeProc(pointer: number): boolean {
    // 12 bytes: less than '/proc/1/exe' cannot name anything of interest.
    return this.memory.checkRead(pointer, 12) && this.memory.read32(pointer) === SLASH_PRO;
  }

  /** The part behind /proc/self/ (or the same by number) of a name; undefined for any other name. */
  procSelfEntry(name: string): string | undefined {
    const match = /^\/+proc\/+(self|thread-self|\d+)(?:\/+task\/+\d+)?\/+(.+)$/.exec(name);
    if (!match) return undefined;
    const who = match[1]!;
    return who === 'self' || who === 'thread-self' || Number(who) === process.pid ? match[2]! : undefined;
  }

  /** The host name for an absolute guest name. */
  redirect(name: string, follow: boolean): string {
    const entry = this.procSelfEntry(name);
    if (entry !== undefined) {
      if (follow && this.executable !== '' && entry === 'exe') return this.executable;
      const descriptor = /^fd(?:info)?\/+(\d+)(?:\/|$)/.exec(entry);
      if (descriptor && isHidden(Number(descriptor[1]))) return NO_DESCRIPTOR;
    } else if (follow && OTHER_PROGRAM.test(name)) {
      const other = otherGuestFile(name);
      if (other) return other.guest.executable;
    }
    // The kernel's own: a tree has empty directories of these names.
    if (KERNEL_DIRECTORY.test(name)) return name;
    return this.prefix === '' ? name : this.belowPrefix(name, follow);
  }

  /**
   * The name below the prefix when the file exists there, as QEMU does it; otherwise the name itself. Symbolic links are
   * followed as if the prefix were the root; one that leads to nothing there is tried on the host.
   */
  private belowPrefix(name: string, follow: boolean): string {
    const descriptor = this.openPrefix();
    if (descriptor < 0) return name;
    const relative = name.replace(/^\/+/, '') || '.';
    const { view, address } = this.how;
    view.setUint32(0, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW), true);
    view.setUint32(16, RESOLVE_BENEATH, true);
    const found = sys4(SYS.openat2, descriptor, this.store(relative), address, 24);
    if (found >= 0) {
      sys1(SYS.close, found);
      return `${this.prefix}/${relative}`;
    }
    // EXDEV: '..' above the prefix, or an absolute link. Kernels without openat2 answer ENOSYS: walk as well.
    if (found === -ENOENT) return name;
    if (found !== -EXDEV && sys3(SYS.faccessat, descriptor, this.store(relative), F_OK) < 0) return name;
    return this.walk(name, follow) ?? name;
  }

  /** Walks a name below the prefix link by link; undefined when it leads nowhere. */
  private walk(name: string, follow: boolean): string | undefined {
    let rest = name.split('/').filter((part) => part !== '' && part !== '.');
    let done: string[] = [];
    for (let links = 0; links <= MAX_LINKS; ) {
      const part = rest.shift();
      if (part === undefined) {
        const host = [this.prefix, ...done].join('/');
        return this.exists(host) ? host : undefined;
      }
      if (part === '..') {
        done.pop();
        continue;
      }
      const link = rest.length > 0 || follow ? this.readLink([this.prefix, ...done, part].join('/')) : undefined;
      if (link === undefined) {
        done.push(part);
        continue;
      }
      links++;
      const target = link.split('/').filter((piece) => piece !== '' && piece !== '.');
      if (link.startsWith('/')) {
        if (!this.exists([this.prefix, ...target].join('/'))) return [link, ...rest].join('/');
        done = [];
      }
      rest = [...target, ...rest];
    }
    return undefined;
  }

  /** To be called before file names may come to mean something else: the prefix is kept to compare with. */
  beforeRootChange(): void {
    if (this.prefix !== '') this.openPrefix();
  }

  /**
   * To be called when they do: a guest in another root directory sees nothing but what is there, and the prefix ends with
   * the old one, unless its name still leads to the same directory.
   */
  afterRootChange(): void {
    if (this.prefix === '') return;
    const identity = (directory: number, name: string): string => {
      const { u8, address } = new HostBuffer(STAT_SIZE);
      const result = sys4(SYS.newfstatat, directory, this.store(name), address, AT_EMPTY_PATH);
      return result < 0 ? '' : Buffer.from(u8.subarray(0, STAT_DEVICE_INODE)).toString('latin1');
    };
    const kept = identity(this.prefixDescriptor, '');
    if (kept !== '' && kept === identity(AT_FDCWD, this.prefix)) return;
    this.prefix = '';
    if (this.prefixDescriptor >= 0) closeHidden(this.prefixDescriptor);
  }

  private exists(host: string): boolean {
    return sys4(SYS.faccessat2, AT_FDCWD, this.store(host), F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
  }

  private readLink(host: string): string | undefined {
    const buffer = new HostBuffer(PATH_MAX);
    const length = sys3(SYS.readlink, this.store(host), buffer.address, PATH_MAX);
    return length < 0 ? undefined : latin1(buffer.u8.subarray(0, length));
  }

  private openPrefix(): number {
    if (this.prefixDescriptor === -1) {
      const flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
      const opened = sys5(SYS.openat, AT_FDCWD, this.store(this.prefix), flags, 0, 0);
      const place = (fd: number): void => {
        this.prefixDescriptor = fd;
      };
      place(opened < 0 ? -2 : hideDescriptor(opened, place));
    }
    return this.prefixDescriptor;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
