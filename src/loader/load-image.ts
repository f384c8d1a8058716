/** Maps an ELF program and its interpreter into guest memory the way the kernel's binfmt_elf does. */

import { EACCES, EINTR, ENOENT, ENOEXEC, EPERM } from '../host/errno.ts';
import { locate, readOwnLink } from '../host/own-proc.ts';
import { HostBuffer, SYS, sys1, sys2, sys4 } from '../host/syscall.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  PAGE_SIZE,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../memory/page-flags.ts';
import { UserError } from '../util/errors.ts';
import {
  checkSegments,
  type ElfHeader,
  type ElfTarget,
  ET_DYN,
  EXIT_BAD_IMAGE,
  PF_R,
  PF_W,
  PF_X,
  PT_GNU_STACK,
  PT_INTERP,
  PT_PHDR,
  parseElf,
  type Segment,
} from './elf.ts';
import { flatSize, isFlat, makeFlatImage } from './flat.ts';

/** Where things go and what the ABI wants, besides the file itself. */
export interface LoadOptions {
  readonly target: ElfTarget;
  /** Where position-independent programs with an interpreter go (ELF_ET_DYN_BASE). */
  readonly pieBase: number;
  /** A file without PT_GNU_STACK gets an executable stack and READ_IMPLIES_EXEC (i386 does). */
  readonly execStackByDefault: boolean;
  /** bFLT programs can be loaded, too. */
  readonly flat?: boolean;
  /** Gives the host name of the interpreter: found below the -L prefix first, else the name itself. */
  readonly findInterpreter: (path: string) => string;
}

/** What came of loading. Addresses are guest addresses. */
export interface LoadedImage {
  /** The file's own absolute host path, symbolic links resolved (/proc/PID/exe). */
  readonly path: string;
  /** Where execution starts: in the interpreter if there is one. */
  readonly start: number;
  /** The program's own entry (AT_ENTRY). */
  readonly entry: number;
  /** AT_PHDR, AT_PHENT, AT_PHNUM. */
  readonly programHeaders: number;
  readonly programHeaderSize: number;
  readonly programHeaderCount: number;
  /** AT_BASE: where the interpreter was loaded; 0 without one. */
  readonly interpreterBase: number;
  /** Host name of the interpreter, if any. */
  readonly interpreter: string | undefined;
  /** What was added to the program's addresses. */
  readonly loadBias: number;
  /** Bounds of code and data as /proc/PID/stat shows them. */
  readonly codeStart: number;
  readonly codeEnd: number;
  readonly dataStart: number;
  readonly dataEnd: number;
  readonly executableStack: boolean;
  /** Null for a bFLT program. */
  readonly header: ElfHeader | null;
  /** e_flags. */
  readonly elfFlags: number;
  /** A bFLT program: it finds argc and two pointers on its stack, to the arguments and to the environment. */
  readonly flat: boolean;
}

const O_RDONLY = 0;
const O_CLOEXEC = 0x80000;
/** Bytes read at first: the file header and, in every file linked with ordinary tools, the program headers. */
const FIRST_READ = 4096;
const PATH_MAX = 4096;

/** Offsets in struct stat of x86-64. */
const ST_MODE = 24;
const ST_SIZE = 48;
const STAT_SIZE = 144;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const ANY_EXECUTE = 0o111;

const ERROR_TEXTS: Readonly<Record<number, string>> = {
  [EPERM]: 'Operation not permitted',
  [ENOENT]: 'No such file or directory',
  [ENOEXEC]: 'Exec format error',
  [EACCES]: 'Permission denied',
  12: 'Cannot allocate memory',
  20: 'Not a directory',
  21: 'Is a directory',
  22: 'Invalid argument',
  24: 'Too many open files',
  36: 'File name too long',
  40: 'Too many levels of symbolic links',
};

/** strerror(3) for what opening and mapping programs commonly runs into. */
function errorText(error: number): string {
  return ERROR_TEXTS[-error] ?? `error ${-error}`;
}

/** An open executable file. */
class ImageFile {
  private constructor(
    readonly name: string,
    readonly fd: number,
    readonly size: number,
    readonly start: Uint8Array,
  ) {}

  /**
   * Opens a file that must be regular and, for a program, executable by somebody. `describe` turns the reason of a
   * failure into the message.
   */
  static open(name: string, program: boolean, describe: (reason: string) => UserError): ImageFile {
    const [directory, place] = locate(name);
    const path = Buffer.from(`${place}\0`, 'latin1');
    const fd = sys4(SYS.openat, directory, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) throw describe(errorText(fd));
    const buffer = new HostBuffer(STAT_SIZE);
    const result = sys2(SYS.fstat, fd, buffer.address);
    const mode = buffer.view.getUint32(ST_MODE, true);
    const refused = (mode & S_IFMT) !== S_IFREG || (program && !(mode & ANY_EXECUTE));
    if (result < 0 || refused) {
      sys1(SYS.close, fd);
      throw describe(errorText(result < 0 ? result : -EACCES));
    }
    const size = buffer.view.getUint32(ST_SIZE, true) + buffer.view.getUint32(ST_SIZE + 4, true) * 2 ** 32;
    const file = new ImageFile(name, fd, size, new Uint8Array(0));
    return new ImageFile(name, fd, size, file.read(0, FIRST_READ));
  }

  /** Bytes of the file; fewer than asked for at its end. */
  read(offset: number, length: number): Uint8Array {
    const { u8, address } = new HostBuffer(length);
    let have = 0;
    while (have < length) {
      const n = sys4(SYS.pread64, this.fd, address + have, length - have, offset + have);
      if (n === -EINTR) continue;
      if (n <= 0) break;
      have += n;
    }
    return u8.subarray(0, have);
  }

  /** Absolute path as the kernel knows it. */
  path(): string {
    return readOwnLink(`fd/${this.fd}`) ?? this.name;
  }

  close(): void {
    sys1(SYS.close, this.fd);
  }
}

/**
 * Loads the program `name` (a host path, bytes as latin1 text) and its interpreter, sets the start of the heap, and says
 * where to begin. Throws UserError.
 */
export function loadProgram(memory: GuestMemory, name: string, options: LoadOptions): LoadedImage {
  const file = ImageFile.open(name, true, (reason) => new UserError(`Error while loading ${name}: ${reason}`));
  try {
    return loadOpened(memory, file, options);
  } finally {
    file.close();
  }
}

function loadOpened(memory: GuestMemory, file: ImageFile, options: LoadOptions): LoadedImage {
  if (options.flat && isFlat(file.start)) return loadFlat(memory, file, options);
  const header = parseElf(file.name, file.start, (offset, length) => file.read(offset, length), options.target);
  const loads = checkSegments(file.name, header, file.size, memory.taskSize);
  const interpreterName = readInterpreterName(file, header);
  const stack = header.segments.find((s) => s.type === PT_GNU_STACK);
  const executableStack = stack ? (stack.flags & PF_X) !== 0 : options.execStackByDefault;
  memory.readImpliesExec = !stack && options.execStackByDefault;

  const hasInterpreter = interpreterName !== undefined;
  const loadBias =
    header.type === ET_DYN ? placeImage(memory, file.name, loads, hasInterpreter ? options.pieBase : 0) : 0;
  for (const s of loads) mapSegment(memory, file, s, loadBias);

  let start = loadBias + header.entry;
  let interpreterBase = 0;
  let interpreter: string | undefined;
  if (hasInterpreter) {
    interpreter = options.findInterpreter(interpreterName);
    const loaded = loadInterpreter(memory, interpreter, interpreterName, options.target);
    start = loaded.start;
    interpreterBase = loaded.base;
  }

  const end = Math.max(...loads.map((s) => s.vaddr + s.memSize)) + loadBias;
  // A program that is its own interpreter lies among the mappings: its heap goes where programs usually are.
  const brk = header.type === ET_DYN && !hasInterpreter ? options.pieBase : end;
  memory.setBrkStart(Math.min(Math.ceil(brk / PAGE_SIZE) * PAGE_SIZE, memory.taskSize));

  const code = loads.filter((s) => s.flags & PF_X);
  const data = loads.filter((s) => s.flags & PF_W);
  const endOf = (s: Segment): number => s.vaddr + s.fileSize;
  return {
    path: file.path(),
    start,
    entry: loadBias + header.entry,
    programHeaders: programHeaderAddress(header, loads, loadBias),
    programHeaderSize: header.phEntrySize,
    programHeaderCount: header.segments.length,
    interpreterBase,
    interpreter,
    loadBias,
    codeStart: loadBias + Math.min(...code.map((s) => s.vaddr), ...(code.length ? [] : [0])),
    codeEnd: loadBias + Math.max(0, ...code.map(endOf)),
    dataStart: loadBias + Math.max(0, ...data.map((s) => s.vaddr)),
    dataEnd: loadBias + Math.max(0, ...data.map(endOf)),
    executableStack,
    header,
    elfFlags: header.flags,
    flat: false,
  };
}

/** Largest bFLT file that is read. */
const MAX_FLAT_FILE = 256 << 20;

/** Loads a bFLT program: everything in one piece that may be read, written and executed, the heap behind it. */
function loadFlat(memory: GuestMemory, file: ImageFile, options: LoadOptions): LoadedImage {
  const size = Math.ceil(flatSize(file.name, file.start) / PAGE_SIZE) * PAGE_SIZE;
  if (file.size > MAX_FLAT_FILE)
    throw new UserError(`Error while loading ${file.name}: File too large`, EXIT_BAD_IMAGE);
  const prot = PROT_READ | PROT_WRITE | PROT_EXEC;
  const base = memory.map(options.pieBase, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base < 0) throw new UserError(`Error while loading ${file.name}: Cannot allocate memory`);
  const image = makeFlatImage(file.name, file.read(0, file.size), base, options.target.bigEndian);
  memory.u8.set(image.bytes, base);
  memory.readImpliesExec = true;
  memory.setBrkStart(base + size);
  const data = base + image.dataStart;
  return {
    path: file.path(),
    start: base + image.entry,
    entry: base + image.entry,
    programHeaders: 0,
    programHeaderSize: 0,
    programHeaderCount: 0,
    interpreterBase: 0,
    interpreter: undefined,
    loadBias: base,
    codeStart: base,
    codeEnd: base + image.textSize,
    dataStart: data,
    dataEnd: base + image.bytes.length,
    executableStack: true,
    header: null,
    elfFlags: 0,
    flat: true,
  };
}

function readInterpreterName(file: ImageFile, header: ElfHeader): string | undefined {
  const segment = header.segments.find((s) => s.type === PT_INTERP);
  if (!segment) return undefined;
  const bad = (reason: string): UserError =>
    new UserError(`${file.name}: Invalid PT_INTERP entry (${reason})`, EXIT_BAD_IMAGE);
  if (segment.fileSize < 2 || segment.fileSize > PATH_MAX) throw bad(`${segment.fileSize} bytes`);
  const bytes = file.read(segment.offset, segment.fileSize);
  if (bytes.length < segment.fileSize) throw bad('beyond the end of the file');
  if (bytes[bytes.length - 1] !== 0) throw bad('no zero byte at its end');
  return Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString('latin1');
}

/** Loads the interpreter anywhere. */
function loadInterpreter(
  memory: GuestMemory,
  name: string,
  wanted: string,
  target: ElfTarget,
): { start: number; base: number } {
  const file = ImageFile.open(name, false, (reason) => {
    const where = name === wanted ? '' : ` (${name})`;
    return new UserError(`Could not open '${wanted}'${where}: ${reason}`, EXIT_BAD_IMAGE);
  });
  try {
    if (file.start.length < 4 || file.start[0] !== 0x7f) {
      throw new UserError(`${name}: Invalid ELF image for this architecture (not an ELF file)`, EXIT_BAD_IMAGE);
    }
    const header = parseElf(name, file.start, (offset, length) => file.read(offset, length), target);
    const loads = checkSegments(name, header, file.size, memory.taskSize);
    const bias = header.type === ET_DYN ? placeImage(memory, name, loads, 0) : 0;
    for (const s of loads) mapSegment(memory, file, s, bias);
    return { start: bias + header.entry, base: bias + (header.type === ET_DYN ? 0 : loads[0]!.vaddr) };
  } finally {
    file.close();
  }
}

/**
 * Finds room for a position-independent image of these segments, at `wanted` if it is not 0 and free, and returns what to
 * add to its addresses.
 */
function placeImage(memory: GuestMemory, name: string, loads: readonly Segment[], wanted: number): number {
  const low = Math.min(...loads.map((s) => s.vaddr));
  const high = Math.max(...loads.map((s) => s.vaddr + s.memSize));
  const first = low - (low % PAGE_SIZE);
  const size = Math.ceil((high - first) / PAGE_SIZE) * PAGE_SIZE;
  const align = Math.max(...loads.map((s) => (isPowerOfTwo(s.align) ? s.align : 0)), PAGE_SIZE);
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  let at = memory.map(wanted, size, PROT_NONE, flags, -1, 0);
  if (at > 0 && at % align !== 0) {
    memory.unmap(at, size);
    at = memory.map(0, size + align - PAGE_SIZE, PROT_NONE, flags, -1, 0);
    if (at > 0) {
      memory.unmap(at, size + align - PAGE_SIZE);
      at = Math.floor((at + align - PAGE_SIZE) / align) * align;
    }
  } else if (at > 0) {
    memory.unmap(at, size);
  }
  if (at < 0) throw mappingError(name, at);
  return at - first;
}

function isPowerOfTwo(v: number): boolean {
  return v > 0 && Number.isInteger(Math.log2(v));
}

function mappingError(name: string, error: number): UserError {
  return new UserError(`${name}: Error mapping file: ${errorText(error)}`, EXIT_BAD_IMAGE);
}

/** Maps one segment: the file's pages, then zeroes up to its size in memory. */
function mapSegment(memory: GuestMemory, file: ImageFile, s: Segment, bias: number): void {
  const prot = (s.flags & PF_R ? PROT_READ : 0) | (s.flags & PF_W ? PROT_WRITE : 0) | (s.flags & PF_X ? PROT_EXEC : 0);
  const vaddr = bias + s.vaddr;
  const skew = vaddr % PAGE_SIZE;
  const page = vaddr - skew;
  const fileEnd = vaddr + s.fileSize;
  const zeroPage = s.fileSize > 0 ? Math.ceil(fileEnd / PAGE_SIZE) * PAGE_SIZE : page;
  if (s.fileSize > 0) {
    // Neighbouring segments may share a page; then the later one replaces it, as in the kernel.
    const result = memory.map(page, zeroPage - page, prot, MAP_PRIVATE | MAP_FIXED, file.fd, s.offset - skew);
    if (result < 0) throw mappingError(file.name, result);
  }
  const end = vaddr + s.memSize;
  if (s.memSize <= s.fileSize) return;
  // The rest of the last page holds what follows in the file; only a writable segment can have it cleared.
  const clear = Math.min(zeroPage, Math.ceil(end / PAGE_SIZE) * PAGE_SIZE) - fileEnd;
  if (s.fileSize > 0 && clear > 0 && memory.prepareWrite(fileEnd, clear)) memory.u8.fill(0, fileEnd, fileEnd + clear);
  if (end <= zeroPage) return;
  const size = Math.ceil(end / PAGE_SIZE) * PAGE_SIZE - zeroPage;
  const zeroProt = PROT_READ | PROT_WRITE | (prot & PROT_EXEC);
  const result = memory.map(zeroPage, size, zeroProt, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (result < 0) throw mappingError(file.name, result);
}

/** AT_PHDR: where PT_PHDR says, or in the segment that holds the table; 0 when no segment does. */
function programHeaderAddress(header: ElfHeader, loads: readonly Segment[], bias: number): number {
  const phdr = header.segments.find((s) => s.type === PT_PHDR);
  if (phdr) return bias + phdr.vaddr;
  const holder = loads.find((s) => s.offset <= header.phOffset && header.phOffset < s.offset + s.fileSize);
  return holder ? bias + holder.vaddr + (header.phOffset - holder.offset) : 0;
}
