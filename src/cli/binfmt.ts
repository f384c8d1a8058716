// `wemu binfmt`: what the kernel (binfmt_misc) and systemd (binfmt.d) are told so that guest programs start by themselves.

import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { ABIS } from '../../linux-user/abi/registry.ts';
import { UserError } from '../util/errors.ts';

/** Where the kernel's list is mounted. */
export const BINFMT_MISC = '/proc/sys/fs/binfmt_misc';
/** Names of our entries begin with it. */
const PREFIX = 'wemu-';

/** Which programs one entry is for. */
export interface Format {
  /** Name of the entry. */
  readonly name: string;
  readonly guest: string;
  readonly magic: Uint8Array;
  readonly mask: Uint8Array;
}

/** The beginning of an ELF file, up to e_machine. */
const HEADER_BYTES = 20;

/** Every format of a guest: one for each e_machine it takes. */
export function formatsOf(guest: string): Format[] {
  const elf = ABIS[guest]?.program.elf;
  if (!elf) throw new UserError(`no guest '${guest}'; there are: ${Object.keys(ABIS).join(', ')}`);
  return elf.machines.map((machine, i) => {
    const magic = new Uint8Array(HEADER_BYTES);
    magic.set([0x7f, 0x45, 0x4c, 0x46, elf.elfClass === 64 ? 2 : 1, elf.bigEndian ? 2 : 1, 1]);
    // e_type: ET_EXEC, or ET_DYN, which differs in the lowest bit.
    const words = new DataView(magic.buffer);
    words.setUint16(16, 2, !elf.bigEndian);
    words.setUint16(18, machine, !elf.bigEndian);
    const mask = new Uint8Array(HEADER_BYTES).fill(0xff);
    // The system a file names counts little.
    mask[7] = 0;
    mask[elf.bigEndian ? 17 : 16] = 0xfe;
    return { name: i === 0 ? PREFIX + guest : `${PREFIX}${guest}-${machine}`, guest, magic, mask };
  });
}

/** How entries are made. */
export interface BinfmtOptions {
  /** Absolute path of the emulator for a guest. */
  readonly interpreter: (guest: string) => string;
  /** C: rights are those of the program, not of the emulator. */
  readonly credential: boolean;
  /** F: the emulator is opened now, so that it works in chroots and containers where it has no name. */
  readonly persistent: boolean;
  /** P: the program's argv[0] is passed on. */
  readonly preserveArgv0: boolean;
  /** O: the program is passed on open, which allows programs that cannot be read. */
  readonly open: boolean;
}

function escaped(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

/** The line the kernel takes for one format (Documentation/admin-guide/binfmt-misc.rst). */
export function registration(format: Format, options: BinfmtOptions): string {
  const flags = [
    options.preserveArgv0 ? 'P' : '',
    options.open || options.credential ? 'O' : '',
    options.credential ? 'C' : '',
    options.persistent ? 'F' : '',
  ].join('');
  const path = options.interpreter(format.guest);
  if (path.includes(':') || path.length > 127) {
    throw new UserError(`${path}: the kernel takes at most 127 characters and no colon`);
  }
  return `:${format.name}:M::${escaped(format.magic)}:${escaped(format.mask)}:${path}:${flags}`;
}

/** Throws UserError when the emulator at `path` is not what the flags need. */
export function checkInterpreter(path: string, options: BinfmtOptions): void {
  let start: string;
  try {
    const fd = openSync(path, 'r');
    const bytes = new Uint8Array(4);
    readSync(fd, bytes);
    closeSync(fd);
    start = Buffer.from(bytes).toString('latin1');
  } catch {
    throw new UserError(`${path}: no such emulator; 'wemu standalone' makes one`);
  }
  if (start === '\x7fELF') return;
  for (const [flag, name] of [
    [options.persistent, '--persistent'],
    [options.preserveArgv0, '--preserve-argv0'],
    [options.open, '--open'],
    [options.credential, '--credential'],
  ] as const) {
    if (flag)
      throw new UserError(`${path}: ${name} needs an executable file, not a script; 'wemu standalone' makes one`);
  }
}

/** Whether this machine's kernel runs a guest's programs by itself. */
export function isNative(guest: string): boolean {
  return process.arch === 'x64' && guest === 'i386';
}

function needMount(): void {
  if (existsSync(join(BINFMT_MISC, 'register'))) return;
  throw new UserError(`${BINFMT_MISC} is not mounted; as root: mount -t binfmt_misc binfmt_misc ${BINFMT_MISC}`);
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new UserError(
      `${path}: ${(error as Error).message.replace(/^(E[A-Z]+): (.*?)(, write.*|, open.*)?$/, '$2')}`,
    );
  }
}

/** Tells the kernel of every format of the guests; entries of the same name are replaced. Throws UserError. */
export function register(guests: readonly string[], options: BinfmtOptions): string[] {
  needMount();
  const names: string[] = [];
  for (const format of guests.flatMap(formatsOf)) {
    checkInterpreter(options.interpreter(format.guest), options);
    const entry = join(BINFMT_MISC, format.name);
    if (existsSync(entry)) write(entry, '-1');
    write(join(BINFMT_MISC, 'register'), registration(format, options));
    names.push(format.name);
  }
  return names;
}

/** Takes entries back; those of all guests when none is named. Returns their names. Throws UserError. */
export function remove(guests: readonly string[]): string[] {
  needMount();
  const wanted = new Set(guests.flatMap(formatsOf).map(({ name }) => name));
  const names = readdirSync(BINFMT_MISC).filter((name) =>
    guests.length === 0 ? name.startsWith(PREFIX) : wanted.has(name),
  );
  for (const name of names) write(join(BINFMT_MISC, name), '-1');
  return names;
}

/** Our entries as the kernel describes them. Throws UserError. */
export function list(): string {
  needMount();
  const names = readdirSync(BINFMT_MISC).filter((name) => name.startsWith(PREFIX));
  return names
    .map((name) => `${name}\n${readFileSync(join(BINFMT_MISC, name), 'latin1').replace(/^/gm, '  ').trimEnd()}\n`)
    .join('');
}

/** Writes one file for each format into `directory`, as systemd reads them from binfmt.d. Returns their paths. Throws UserError. */
export function exportFiles(directory: string, guests: readonly string[], options: BinfmtOptions): string[] {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new UserError(`${directory}: ${(error as Error).message}`);
  }
  return guests.flatMap(formatsOf).map((format) => {
    const path = join(resolve(directory), `${format.name}.conf`);
    write(path, `${registration(format, options)}\n`);
    return path;
  });
}
