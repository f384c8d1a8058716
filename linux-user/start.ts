// Starts a program: guest memory, the loaded image, the stack with its first contents, registers.

import { SYS, sys0 } from '../src/host/syscall.ts';
import { type LoadedImage, loadProgram } from '../src/loader/load-image.ts';
import { type StackImage, writeStackImage } from '../src/loader/stack-image.ts';
import { GuestMemory } from '../src/memory/guest-memory.ts';
import { STATE_BASE } from '../src/memory/guest-pages.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_NORESERVE,
  MAP_PRIVATE,
  PAGE_SIZE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../src/memory/page-flags.ts';
import { UserError } from '../src/util/errors.ts';
import type { Process } from './process.ts';

/** Clock ticks a second that times(2) counts in, on every Linux. */
const CLOCK_TICKS = 100;
/** Smaller stacks become this large, as in QEMU; programs cannot start with less. */
const MIN_STACK = 32 * PAGE_SIZE;

/** What the command line says about memory. */
export interface MemoryOptions {
  /** Bytes of the stack (-s). */
  readonly stackSize: number;
  /** End of the guest's address space (-R), or 0. */
  readonly reservedVa: number;
}

/** Makes the memory a program will run in. Throws UserError for sizes that cannot be. */
export function createMemory({ stackSize, reservedVa }: MemoryOptions): GuestMemory {
  const taskSize = reservedVa === 0 ? STATE_BASE : Math.min(Math.floor(reservedVa / PAGE_SIZE) * PAGE_SIZE, STATE_BASE);
  if (stackSize > taskSize / 2) {
    throw new UserError(`-s: a stack of ${stackSize} bytes does not fit into ${taskSize} bytes of guest addresses`);
  }
  const memory = new GuestMemory(taskSize);
  memory.setMmapBase(Math.ceil(stackSize / PAGE_SIZE) * PAGE_SIZE);
  return memory;
}

/** What to run. Strings are bytes as latin1 text. */
export interface ProgramOptions {
  /** The file, as exec would be given it. */
  readonly file: string;
  /** AT_EXECFN: the name the program was executed by, if that is another. */
  readonly execFn?: string;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  readonly stackSize: number;
  /** Moves position-independent programs up (-B). */
  readonly guestBase: number;
  /** Makes AT_RANDOM repeatable (-seed); null: random. */
  readonly seed: number | null;
  /** AT_SECURE also where the user and group numbers do not ask for it (capabilities of the file). */
  readonly secure?: boolean;
}

export interface StartedProgram {
  readonly image: LoadedImage;
  readonly stack: StackImage;
  /** First address above the stack and the size it was given. */
  readonly stackTop: number;
  readonly stackSize: number;
}

/**
 * Loads a program into the process's memory and points its CPU (reset, with its model chosen) at the first instruction.
 * Throws UserError.
 */
export function startProgram(p: Process, options: ProgramOptions): StartedProgram {
  const { memory, abi, env } = p;
  const { program } = abi;
  const image = loadProgram(memory, options.file, {
    target: program.elf,
    pieBase: program.pieBase + Math.ceil(options.guestBase / PAGE_SIZE) * PAGE_SIZE,
    execStackByDefault: program.execStackByDefault,
    ...(program.flat ? { flat: true } : {}),
    findInterpreter: (path) => p.paths.redirect(path, true),
  });

  // A page stays free above, so that running over the end is noticed.
  const stackTop = memory.taskSize - PAGE_SIZE;
  const stackSize = Math.ceil(Math.max(options.stackSize, MIN_STACK) / PAGE_SIZE) * PAGE_SIZE;
  const prot = PROT_READ | PROT_WRITE | (image.executableStack ? PROT_EXEC : 0);
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN | MAP_NORESERVE;
  if (memory.map(stackTop - stackSize, stackSize, prot, flags, -1, 0) < 0) {
    throw new UserError(`Error while loading ${options.file}: no room for the stack`);
  }

  for (const page of program.fixedPages ?? []) memory.mapKernelPage(page.address, page.contents());

  const vdso = mapVdso(p);

  const ids = [SYS.getuid, SYS.geteuid, SYS.getgid, SYS.getegid].map((call) => sys0(call));
  const [uid, euid, gid, egid] = ids as [number, number, number, number];
  const stack = writeStackImage(memory, {
    top: stackTop,
    size: stackSize,
    argv: options.argv,
    envp: options.envp,
    execFn: options.execFn ?? options.file,
    platform: typeof program.platform === 'function' ? program.platform(memory.view, env) : program.platform,
    random: randomBytes(options.seed),
    aux: {
      programHeaders: image.programHeaders,
      programHeaderSize: image.programHeaderSize,
      programHeaderCount: image.programHeaderCount,
      interpreterBase: image.interpreterBase,
      entry: image.entry,
      uid,
      euid,
      gid,
      egid,
      secure: options.secure === true || uid !== euid || gid !== egid,
      ...program.hwcaps(memory.view, env),
      ...(vdso === 0 ? {} : { extra: program.vdso!.aux(vdso) }),
      clockTicks: CLOCK_TICKS,
      pageSize: PAGE_SIZE,
    },
    wordSize: abi.model.longSize,
    bigEndian: abi.model.bigEndian,
  });
  if (!stack) throw new UserError(`Error while loading ${options.file}: Argument list too long`);

  const stackPointer = image.flat ? pushPointers(memory, stack.stackPointer, !abi.model.bigEndian) : stack.stackPointer;
  program.enter(memory.view, env, image.start, stackPointer, image);
  p.argv = options.argv;
  p.environment = options.envp;
  p.auxv = stack.auxv;
  const { codeStart, codeEnd, dataStart, dataEnd } = image;
  const { argStart, argEnd, envEnd } = stack;
  p.layout = { codeStart, codeEnd, dataStart, dataEnd, stackStart: stack.stackPointer, argStart, argEnd, envEnd };
  p.paths.executable = image.path;
  return { image, stack, stackTop, stackSize };
}

/** Maps the ABI's vDSO where there is room; its address, 0 without one. Signal handlers return by its code. */
function mapVdso(p: Process): number {
  const { memory, abi, env } = p;
  const { vdso } = abi.program;
  if (!vdso) return 0;
  const base = memory.map(0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base < 0) return 0;
  memory.writeBytes(base, vdso.contents());
  memory.protect(base, PAGE_SIZE, PROT_READ | PROT_EXEC);
  vdso.mapped(memory.view, env, base);
  p.vdso = base;
  if (p.signals) p.signals.trampolinePage = base;
  return base;
}

/** Puts argc and pointers to the arguments and to the environment below a stack's first word; the new stack pointer. */
function pushPointers(memory: GuestMemory, at: number, little: boolean): number {
  const { view } = memory;
  const argc = view.getUint32(at, little);
  const sp = at - 16;
  memory.prepareWrite(sp, 16);
  [argc, at + 4, at + 4 + 4 * (argc + 1), 0].forEach((value, n) => {
    view.setUint32(sp + 4 * n, value, little);
  });
  return sp;
}

/** 16 bytes for AT_RANDOM; with a seed always the same ones (xorshift32). */
function randomBytes(seed: number | null): Uint8Array {
  const bytes = new Uint8Array(16);
  if (seed === null) return crypto.getRandomValues(bytes);
  // Any seed but 0 starts the generator; 0 is given a number of its own.
  let x = (seed ^ Math.floor(seed / 2 ** 32)) | 0 || 0x6d2b79f5;
  for (let k = 0; k < bytes.length; k++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[k] = x >>> 8;
  }
  return bytes;
}
