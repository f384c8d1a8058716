// What files of /proc say about guests of other emulators: each tells about itself in a small file that it keeps open.

import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { withoutEngineSettings } from '../src/host/engine-settings.ts';
import { readOwnLink } from '../src/host/own-proc.ts';
import { HostBuffer, SYS, sys2, sys4 } from '../src/host/syscall.ts';
import { PF_X, PT_LOAD, parseElf } from '../src/loader/elf.ts';
import { closeHidden, hiddenFloor, hideDescriptor } from './host-descriptors.ts';
import type { ProgramLayout } from './program-layout.ts';

/** Name of the file, which is in no directory (memfd_create(2)). */
const NAME = 'wemu-guest';
const LINK = `/memfd:${NAME} (deleted)`;
const MFD_CLOEXEC = 1;
const PAGE_SIZE = 4096;

/** What a guest tells about itself when its program begins. Its children say the same until they execute another one. */
export interface GuestInfo {
  /** Host address of guest address 0, and where guest addresses end. */
  readonly base: number;
  readonly taskSize: number;
  /** Absolute host name of the program. */
  readonly executable: string;
  /** Where the kernel shows what the emulator was started with: the guest's own, as bytes in latin1 text. */
  readonly argv: readonly string[] | null;
  readonly environment: readonly string[] | null;
  /** base64 */
  readonly auxv: string;
  readonly layout: ProgramLayout;
  readonly brkStart: number;
  readonly vdso: number;
  /** Descriptors from here on are the emulator's. */
  readonly floor: number;
}

/** A guest that was found. */
export interface OtherGuest extends GuestInfo {
  readonly pid: number;
}

/** What of a process is told. */
interface Told extends Pick<GuestInfo, 'base' | 'layout' | 'vdso'> {
  readonly memory: { readonly taskSize: number; readonly brkStart: number };
  readonly paths: { readonly executable: string };
  readonly argv: readonly string[];
  readonly environment: readonly string[];
  readonly auxv: Uint8Array;
}

let announced = -1;

/** Tells other emulators about the program that this process has loaded. `isFirst`: the kernel shows the emulator's arguments. */
export function announceProgram(p: Told, isFirst: boolean): void {
  if (announced >= 0) closeHidden(announced);
  announced = -1;
  const fd = sys2(SYS.memfd_create, Buffer.from(`${NAME}\0`), MFD_CLOEXEC);
  if (fd < 0) return;
  const place = (number: number): void => {
    announced = number;
  };
  place(hideDescriptor(fd, place));
  const info: GuestInfo = {
    base: p.base,
    taskSize: p.memory.taskSize,
    executable: p.paths.executable,
    argv: isFirst ? p.argv : null,
    environment: isFirst ? p.environment : null,
    auxv: Buffer.from(p.auxv).toString('base64'),
    layout: p.layout,
    brkStart: p.memory.brkStart,
    vdso: p.vdso,
    floor: hiddenFloor(),
  };
  const text = new HostBuffer(0x10000);
  const bytes = Buffer.from(JSON.stringify(info));
  // Too long for the buffer are arguments that nobody can be told of.
  if (bytes.length > text.u8.length) return;
  text.u8.set(bytes);
  sys4(SYS.pwrite64, announced, text.address, bytes.length, 0);
}

const withoutDeleted = (link: string | undefined): string | undefined => link?.replace(/ \(deleted\)$/, '');

/** What the guest that is process `pid` (of the host's /proc) tells; undefined: it is none, or may not be looked at. */
export function otherGuest(pid: number): OtherGuest | undefined {
  try {
    const emulator = withoutDeleted(readOwnLink('exe'));
    if (withoutDeleted(readlinkSync(`/proc/${pid}/exe`)) !== emulator) return undefined;
    // Those of the emulator come last.
    const numbers = readdirSync(`/proc/${pid}/fd`)
      .map(Number)
      .sort((a, b) => b - a);
    const found = numbers.find((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === LINK);
    if (found === undefined) return undefined;
    return { ...(JSON.parse(readFileSync(`/proc/${pid}/fd/${found}`, 'utf8')) as GuestInfo), pid };
  } catch {
    return undefined;
  }
}

const PROC_NAME = /^\/+proc\/+(\d+)(?:\/+task\/+(\d+))?\/+(\w+)$/;

/** The guest of another emulator that a name below /proc is about, and the name of the file; undefined for any other name. */
export function otherGuestFile(name: string): { readonly guest: OtherGuest; readonly entry: string } | undefined {
  const match = PROC_NAME.exec(name);
  if (!match || Number(match[1]) === process.pid) return undefined;
  if (match[3] !== 'exe' && !Object.hasOwn(CONTENTS, match[3]!)) return undefined;
  const guest = otherGuest(Number(match[1]));
  return guest && { guest, entry: match[3]! };
}

/** What makes the contents of each file, from the host's own. */
const CONTENTS: Readonly<Record<string, (guest: OtherGuest, host: () => string) => Uint8Array>> = {
  cmdline: ({ argv }, host) => Buffer.from(argv?.map((word) => `${word}\0`).join('') ?? host(), 'latin1'),
  environ: ({ environment }, host) => {
    const variables = environment ?? withoutEngineSettings(host().split('\0').slice(0, -1));
    return Buffer.from(variables.map((variable) => `${variable}\0`).join(''), 'latin1');
  },
  auxv: ({ auxv }) => Buffer.from(auxv, 'base64'),
  maps: (guest, host) => Buffer.from(mapsText(guest, host()), 'latin1'),
  stat: (guest, host) => Buffer.from(statText(guest, host()), 'latin1'),
  status: (guest, host) => Buffer.from(statusText(guest, host()), 'latin1'),
};

/** The contents of a file found by `otherGuestFile`, but for exe. */
export function otherGuestContents(guest: OtherGuest, entry: string, host: () => string): Uint8Array {
  return CONTENTS[entry]!(guest, host);
}

/** Bytes that the guest has mapped, as far as `mapsText` finds them. */
function mappedBytes(guest: OtherGuest): number {
  let total = 0;
  for (const line of mapsText(guest, readFileSync(`/proc/${guest.pid}/maps`, 'latin1')).split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (match) total += Number.parseInt(match[2]!, 16) - Number.parseInt(match[1]!, 16);
  }
  return total;
}

/** As of the process itself (proc-status.ts), but for signals, of which the host's words stand. */
function statusText(guest: OtherGuest, host: string): string {
  const size = `${(mappedBytes(guest) / 1024).toString().padStart(8)} kB`;
  const values: Readonly<Record<string, string>> = { Threads: '1', VmPeak: size, VmSize: size };
  return host.replace(/^(Threads|VmPeak|VmSize):\t.*$/gm, (_line, name: string) => `${name}:\t${values[name]}`);
}

/** What stat shows in these fields, numbered as in proc(5). */
function statText(guest: OtherGuest, host: string): string {
  const { layout } = guest;
  const behind = host.lastIndexOf(')') + 2;
  const fields = host.slice(behind).replace(/\n$/, '').split(' ');
  const values: Readonly<Record<number, number>> = {
    20: 1,
    23: mappedBytes(guest),
    26: layout.codeStart,
    27: layout.codeEnd,
    28: layout.stackStart,
    45: layout.dataStart,
    46: layout.dataEnd,
    47: guest.brkStart,
    48: layout.argStart,
    49: layout.argEnd,
    50: layout.argEnd,
    51: layout.envEnd,
  };
  // Addresses that the kernel does not show (no permission) are 0 or 1.
  const hidden = Number(fields[28 - 3]) <= 1;
  for (const [number, value] of Object.entries(values)) {
    if (!hidden || Number(number) < 26) fields[Number(number) - 3] = String(value);
  }
  return `${host.slice(0, behind)}${fields.join(' ')}\n`;
}

const MAPS_LINE = /^([0-9a-f]+)-([0-9a-f]+) (...)(.) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+)\s*(.*)$/;
/** Column at which the kernel starts the file name (25 + 6 * 8 bytes, for compatibility tasks too). */
const NAME_COLUMN = 73;

/**
 * The other guest's mappings as the host has them. What may be executed the host does not know: it is read from the programs'
 * files. Reserved addresses and mappings without access look alike, and are left out.
 */
function mapsText({ base, taskSize, layout, vdso, brkStart }: GuestInfo, host: string): string {
  const hex = (value: number): string => value.toString(16).padStart(8, '0');
  let text = '';
  for (const line of host.split('\n')) {
    const match = MAPS_LINE.exec(line);
    if (!match) continue;
    const start = Number.parseInt(match[1]!, 16) - base;
    const end = Number.parseInt(match[2]!, 16) - base;
    const [, , , access, sharing, offset, device, inode, path] = match;
    if (start < 0 || end > taskSize || (access === '---' && inode === '0')) continue;
    let name = inode === '0' ? '' : path!;
    if (name === '' && start <= layout.stackStart && layout.stackStart < end) name = '[stack]';
    if (name === '' && vdso !== 0 && start === vdso) name = '[vdso]';
    if (name === '' && start === brkStart) name = '[heap]';
    const from = Number.parseInt(offset!, 16);
    // The host has neighbours that differ in this alone as one.
    for (const [begin, stop, executable] of splitByCode(path!, from, from + end - start)) {
      const [first, last] = [start + begin - from, start + stop - from];
      const access3 = `${access!.slice(0, 2)}${executable || start === vdso ? 'x' : '-'}`;
      const head = `${hex(first)}-${hex(last)} ${access3}${sharing} ${hex(inode === '0' ? 0 : begin)} ${device} ${inode} `;
      text += name === '' ? `${head}\n` : `${head.padEnd(NAME_COLUMN)}${name}\n`;
    }
  }
  return text;
}

const executableRanges = new Map<string, readonly (readonly [start: number, end: number])[]>();

/** The part [start, end) of a file in pieces of which all or nothing is code of a program. */
function splitByCode(path: string, start: number, end: number): [start: number, end: number, code: boolean][] {
  let ranges = executableRanges.get(path);
  if (!ranges) executableRanges.set(path, (ranges = path.startsWith('/') ? codeOf(path) : []));
  const pieces: [number, number, boolean][] = [];
  let at = start;
  for (const [first, last] of ranges) {
    if (last <= at || first >= end) continue;
    if (first > at) pieces.push([at, first, false]);
    pieces.push([Math.max(at, first), Math.min(end, last), true]);
    at = Math.min(end, last);
  }
  if (at < end) pieces.push([at, end, false]);
  return pieces;
}

function codeOf(path: string): [number, number][] {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return [];
  }
  try {
    const read = (offset: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
    };
    const start = read(0, 64);
    const bigEndian = start[5] === 2;
    const machine = new DataView(start.buffer, 0, start.length).getUint16(18, !bigEndian);
    const target = { name: '', machines: [machine], elfClass: start[4] === 2 ? 64 : 32, bigEndian } as const;
    return parseElf(path, start, read, target)
      .segments.filter(({ type, flags }) => type === PT_LOAD && (flags & PF_X) !== 0)
      .map(({ offset, fileSize }) => [offset & -PAGE_SIZE, Math.ceil((offset + fileSize) / PAGE_SIZE) * PAGE_SIZE]);
  } catch {
    return [];
  } finally {
    closeSync(fd);
  }
}
