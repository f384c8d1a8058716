// The Abi interface: everything Linux emulation may know of one guest's binary interface (numbers, registers, layouts).

import type { SignalAbi } from './signal-interface.ts';

/** What the layout of C types depends on. */
export interface DataModel {
  readonly bigEndian: boolean;
  /** Bytes of `long` and of a pointer. */
  readonly longSize: 4 | 8;
  /** Alignment in bytes of 64-bit integers inside structures: 4 on i386, 8 elsewhere. */
  readonly align64: 4 | 8;
}

/**
 * Structure declarations, name to text. The text lists members as `type name`, separated by commas. Types are
 * u8 s8 char u16 s16 u32 s32 int uint u64 s64 long ulong ptr, or other structures; `name[n]` makes an array (n may be
 * `a-b*long` or `a+b*long`, for padding that makes up for long members and unions that hold them); `!` after the name asks for an overflow check when converting;
 * `=format` says how strace prints the member; a text starting with `packed ` has no padding.
 */
export type StructTable = Readonly<Record<string, string>>;

/** Memory as far as an ABI may touch it. */
export interface AbiMemory {
  readonly view: DataView;
  /** The same as words in the host's byte order, which CPU state is kept in: index = address >>> 2. */
  readonly i32: Int32Array;
  checkRead(address: number, length: number): boolean;
  prepareWrite(address: number, length: number): boolean;
}

/** What loading and starting a program depends on. */
export interface ProgramAbi {
  /** What executables must be made for (loader/elf.ts). */
  readonly elf: {
    readonly name: string;
    readonly machines: readonly number[];
    readonly elfClass: 32 | 64;
    readonly bigEndian: boolean;
  };
  /** Programs in bFLT format are for this guest. */
  readonly flat?: boolean;
  /** Where position-independent programs with an interpreter go (ELF_ET_DYN_BASE). */
  readonly pieBase: number;
  /** A file without PT_GNU_STACK gets an executable stack and READ_IMPLIES_EXEC. */
  readonly execStackByDefault: boolean;
  /** AT_PLATFORM, or what tells it for the CPU model in the state; undefined when the ABI has none. */
  readonly platform: string | undefined | ((view: DataView, env: number) => string);
  /** AT_HWCAP, AT_HWCAP2 and AT_MINSIGSTKSZ for the CPU model in the state. */
  hwcaps(view: DataView, env: number): { hwcap: number; hwcap2?: number; minSignalStack?: number };
  /** Pages the kernel gives every process at addresses above its own (ARM's helper page): readable and executable. */
  readonly fixedPages?: readonly { readonly address: number; readonly contents: () => Uint8Array }[];
  /**
   * A shared object of one page that the kernel maps into every process (vdso(7)): its contents, the entries of the auxiliary
   * vector that tell of it, and what the CPU must know of where it is.
   */
  readonly vdso?: {
    readonly contents: () => Uint8Array;
    readonly aux: (base: number) => readonly (readonly [type: number, value: number])[];
    readonly mapped: (view: DataView, env: number, base: number) => void;
  };
  /** Points a CPU fresh from its reset at the program's first instruction. `image` tells of the program. */
  enter(view: DataView, env: number, start: number, stackPointer: number, image: EnteredImage): void;
}

/** What a CPU may have to know of the program it starts. */
export interface EnteredImage {
  /** e_flags. */
  readonly elfFlags: number;
  readonly flat: boolean;
  readonly dataStart: number;
}

/** A guest's Linux binary interface. Stateless; CPU state is the block at `env` of the memory's view. */
export interface Abi {
  /** Guest name as in the command's name: `i386`. */
  readonly name: string;
  /** What uname(2) says the machine is, or what tells it for the CPU model in the state. */
  readonly machine: string | ((view: DataView, env: number) => string);
  /** Contents of /proc/cpuinfo; without it the host's is shown. */
  readonly cpuInfo?: (view: DataView, env: number) => string;
  readonly model: DataModel;
  /** Structures this ABI declares differently from, or in addition to, the common table. */
  readonly structs: StructTable;
  /** System call names by number, `-` where there is none; as `-strace` prints them. */
  syscallNames(): readonly string[];
  /** Row names for calls whose name on this ABI means another row: `getuid` with 16-bit results is row `getuid16`. */
  readonly rowNames: Readonly<Record<string, string>>;
  /** The calls that SECCOMP_MODE_STRICT leaves: read, write, exit, and the return from handlers. */
  readonly strictCalls: readonly number[];
  /** 64-bit arguments in registers start at an even argument number (ARM EABI, MIPS o32, PowerPC). */
  readonly pairedRegisters: boolean;
  /** Flags of open(2) where they are not the host's: turns the guest's into the host's, and the host's into the guest's. */
  readonly openFlags?: (flags: number) => number;
  /** Number of the system call the guest asks for. */
  syscallNumber(view: DataView, env: number): number;
  /** Its six argument registers, as signed 32-bit numbers on 32-bit ABIs. False: arguments on the stack are unreadable. */
  syscallArguments(memory: AbiMemory, env: number, into: number[]): boolean;
  /** Stores the result: a value, or -1..-4095 for an error. */
  setSyscallResult(view: DataView, env: number, result: number): void;
  stackPointer(view: DataView, env: number): number;
  setStackPointer(view: DataView, env: number, address: number): void;
  /** Order of the last arguments of clone(2): TLS before the child's tid word (CONFIG_CLONE_BACKWARDS), or behind it. */
  readonly cloneTlsFirst: boolean;
  /**
   * The calls by which this guest sets up thread-local storage and descriptors, by row name. Each returns 0 or -errno.
   * Rows named here replace the common ones.
   */
  readonly archCalls: Readonly<Record<string, ArchCall>>;
  readonly program: ProgramAbi;
  readonly signals: SignalAbi;
  /** How the guest asks for semihosting: the exception, its operation and argument, and where the result goes. */
  readonly semihosting?: {
    readonly vector: number;
    request(view: DataView, env: number): readonly [operation: number, argument: number];
    finish(view: DataView, env: number, result: number): void;
  };
  /** Points the thread-local storage of the CPU at `env` to the argument that clone(2) was given. 0 or -errno. */
  setTls(memory: AbiMemory, env: number, argument: number): number;
}

/**
 * Negated, the result of an `ArchCall` whose number is no call but an exception of the guest, which becomes a signal. Above
 * the error numbers, below what linux-user/errno.ts adds.
 */
export const NO_CALL = 599;

/** A system call only this guest has: its argument declaration (see syscalls/row.ts) and what it does. */
export interface ArchCall {
  readonly args: string;
  readonly run: (memory: AbiMemory, env: number, a: number, b: number, c: number) => number;
}
