// One guest process as system calls see it: memory, ABI, names, and what Linux keeps per process for the guest.

import { EINTR, ERESTARTSYS } from '../src/host/errno.ts';
import { HostBuffer, NOT_BEGUN, SYS, sys1, sysInterruptible } from '../src/host/syscall.ts';
import type { GuestMemory } from '../src/memory/guest-memory.ts';
import { STATE_BASE } from '../src/memory/guest-pages.ts';
import type { Abi } from './abi/interface.ts';
import { ERESTARTNOINTR } from './errno.ts';
import type { ExecTarget } from './exec-target.ts';
import { decideUnbegun, isAlwaysRepeated } from './late-signals.ts';
import { badAddress, Paths } from './paths.ts';
import type { ProgramLayout } from './program-layout.ts';
import { RestOfWait, startOfWait } from './rest-of-wait.ts';
import { HOST_MODEL, StructSet } from './structs.ts';
import { COMMON_STRUCTS, HOST_STRUCTS } from './structs-table.ts';

/** Room for the largest I/O vector and its neighbours without growing. */
const SCRATCH_SIZE = 65536;

/** What a process starts with. */
export interface ProcessOptions {
  readonly memory: GuestMemory;
  readonly abi: Abi;
  /** Guest address of the CPU state block. */
  readonly env: number;
  /** Host address of the word that signal handlers set when system calls must not wait any more. */
  readonly pollWord: number;
  /** Absolute name of the -L directory, without a slash at its end; '' for none. */
  readonly prefix?: string;
  /** Absolute host name of the guest program. */
  readonly executable?: string;
  /** The guest's argument vector, bytes as latin1 text. */
  readonly argv?: readonly string[];
  /** The auxiliary vector as the guest got it. */
  readonly auxv?: Uint8Array;
  /** Kernel release for uname(2), from `-r`; undefined: the host's. */
  readonly release?: string;
}

/** A guest program that this process becomes without leaving the emulator. Strings are bytes as latin1 text. */
export interface NextProgram {
  readonly target: ExecTarget;
  readonly environment: readonly string[];
}

/** A resource limit in its own unit; 2^64 is "infinite". */
export interface Limit {
  readonly soft: number;
  readonly hard: number;
}

/** Prints system calls; made by strace.ts when asked for. */
export interface Tracer {
  /** Runs before the call; returns what `after` needs. */
  before(number: number, args: readonly number[]): unknown;
  after(token: unknown, result: number): void;
}

/** What system calls about other things need of signal handling; set by signals.ts. */
export interface SignalHooks {
  /**
   * Runs `wait` with the thread's mask replaced by the set (signals 1-32 in `low`). A signal that the new mask lets
   * through interrupts the wait, and its handler runs before the old mask is back. But first `look` is asked, which does not
   * wait: its result is the call's then, null that there is none.
   */
  withMask(low: number, high: number, wait: () => number, look?: () => number | null): number;
  /** The page with the ABI's code for returning from handlers; 0 until it is needed or the vDSO is mapped. */
  trampolinePage: number;
  /** Called before every wait in the kernel, with the host call: the thread's mask there must be the guest's from here on. */
  beforeWait(call: number, descriptor: number): void;
  /**
   * Whether a wait was interrupted by signals that the kernel would not have interrupted it by: the guest blocks them (those that
   * the engine needs cannot be blocked on the host), or they do nothing, but were still caught because the guest had blocked them.
   * @param result how the wait ended: -EINTR, or below -511 where it can be repeated without anybody noticing
   */
  interruptedInVain(call: number, result: number): boolean;
  /** Runs `call` with all signals blocked that can be. */
  withAllBlocked(call: () => number): number;
  /** Makes actions, mask and queue on the host what a host program that this process becomes must inherit. */
  prepareExec(): void;
  /** The exec has failed. */
  stay(): void;
  /**
   * Runs `fork` with the mask that the process has on the host, and has all blocked before and after, until the child is ready
   * for signals of its own. Unless it did not begin because a signal waits (-ERESTARTNOINTR), the result is that of `fork`: 0 in
   * the child.
   */
  aroundFork(fork: (mask: readonly [low: number, high: number]) => number): number;
  /** By number of POSIX timer: the overrun of its last signal, of which the kernel may know a part only. */
  readonly overruns: Map<number, number>;
}

/** What the process's system calls are confined to (seccomp.ts). */
export interface Confinement {
  /** SECCOMP_MODE_* */
  readonly currentMode: number;
  /** The filters. */
  readonly all: readonly unknown[];
  /**
   * Looks at a system call before it is made. Undefined lets it be made; otherwise its result, or -NO_RESULT after the guest
   * has been given a signal. May end the process.
   */
  enter(p: Process, number: number, args: readonly number[]): number | undefined;
}

/** The context every system call handler gets. One per guest thread; what threads share lives in memory or in the host. */
export class Process {
  readonly memory: GuestMemory;
  readonly view: DataView;
  /** Host address of guest address 0. */
  readonly base: number;
  readonly abi: Abi;
  /** Guest address of the CPU state block. */
  readonly env: number;
  /** The same block for fast access: `stateView` at `stateEnv` (see GuestPages). */
  readonly stateView: DataView;
  readonly stateEnv: number;
  readonly pollWord: number;
  readonly release: string | undefined;
  /** Structure layouts of the guest and of the host. */
  readonly structs: StructSet;
  readonly hostStructs: StructSet;
  readonly paths: Paths;
  argv: readonly string[];
  auxv: Uint8Array;
  /** As the program was started with: NAME=value, bytes as latin1 text. */
  environment: readonly string[] = [];
  /** Persona as personality(2) sets it. */
  persona = 0;
  /** Resource limits that are not the host's business, by resource number (see syscalls/limits.ts). */
  readonly limits = new Map<number, Limit>();
  /** Address set_tid_address asked to be cleared at the thread's end; 0: none. */
  clearTid = 0;
  /** Where the program's parts are, as /proc/self/stat shows them: set when it is loaded. */
  layout: ProgramLayout = {
    ...{ codeStart: 0, codeEnd: 0, dataStart: 0, dataEnd: 0 },
    ...{ stackStart: 0, argStart: 0, argEnd: 0, envEnd: 0 },
  };
  /** Address of the vDSO; 0: none. */
  vdso = 0;
  /** The robust futex list: head address and length as the guest gave them. */
  robustList = 0;
  robustListSize = 0;
  signals: SignalHooks | null = null;
  /** Null: system calls are not confined. */
  seccomp: Confinement | null = null;
  /** Set while system calls are to be printed. */
  tracer: Tracer | null = null;
  /** The ABIs of all guests by name: what exec finds the guest of a file by. */
  abis: Readonly<Record<string, Abi>> = {};
  /**
   * Executes this emulator again, for a guest program in place of this process (strings as latin1, `closed` the standard
   * descriptors that are closed by it). Returns -errno when that fails; null: this process cannot be left.
   */
  relaunch: ((target: ExecTarget, environment: readonly string[], closed: readonly number[]) => number) | null = null;
  /** Whether programs of the host may be executed; they run natively. */
  hostPrograms = true;
  /** Whether the kernel itself starts guest programs (binfmt_misc): it started this emulator. */
  kernelStarts = false;
  /** Set by exec: the program to load in place of the one that runs, its environment included. */
  next: NextProgram | null = null;
  /** Ids of POSIX timers, which end with the program. */
  readonly timers = new Set<number>();
  /** Run before the process is forked, and in the child before it does anything. */
  /** Made when the program makes its first semihosting call. */
  semihosting: { run(operation: number, argument: number): number } | null = null;
  readonly beforeFork: (() => void)[] = [];
  readonly inChild: (() => void)[] = [];
  /**
   * Run before the guest changes what file names mean (chroot and the like), after which files of the emulator itself
   * cannot be opened any more: whatever is loaded on first use is loaded now.
   */
  readonly beforeRootChange: (() => void)[] = [];
  /** Run before the process ends by exit_group (flush caches, summaries). */
  readonly onExit: (() => void)[] = [];
  /** Run before the process ends or becomes another program: whoever waits for its memory (vfork) gets it now. */
  readonly beforeEnd: (() => void)[] = [];

  private scratchBuffer = new HostBuffer(SCRATCH_SIZE);
  private retiredScratch: HostBuffer | undefined;

  constructor(options: ProcessOptions) {
    this.memory = options.memory;
    this.view = options.memory.view;
    this.base = options.memory.base;
    this.abi = options.abi;
    this.env = options.env;
    this.stateView = options.memory.stateView;
    // The engine keeps a difference of numbers above 2^31 as a double, and an index that is one costs ten times as much.
    this.stateEnv = (options.env - STATE_BASE) | 0;
    this.pollWord = options.pollWord;
    this.release = options.release;
    this.structs = new StructSet(options.abi.model, [COMMON_STRUCTS, options.abi.structs]);
    this.hostStructs = new StructSet(HOST_MODEL, [COMMON_STRUCTS, HOST_STRUCTS]);
    this.paths = new Paths(options.memory, options.prefix ?? '', options.executable ?? '');
    this.argv = options.argv ?? [];
    this.auxv = options.auxv ?? new Uint8Array(0);
  }

  /** Whether integers in guest memory have the low byte first. */
  get little(): boolean {
    return !this.abi.model.bigEndian;
  }

  /**
   * Host address of bytes the host will only read: NULL stays NULL, an address outside the guest's range becomes one that
   * fails. The host finds out by itself whether the pages may be read.
   */
  in(address: number): number {
    address >>>= 0;
    if (address === 0) return 0;
    return address < this.memory.taskSize ? this.base + address : badAddress(address);
  }

  /** Host address of `length` bytes the host will write; as `in`, and translated code there is dropped first. */
  out(address: number, length: number): number {
    address >>>= 0;
    if (address === 0) return 0;
    if (address >= this.memory.taskSize) return badAddress(address);
    return this.memory.prepareHostWrite(address, length) ? this.base + address : badAddress(address);
  }

  /**
   * What a transfer of `length` bytes at `address` is cut to so that it stays in the guest's range. An address outside is
   * left with its length: `in` and `out` make it one that fails.
   */
  room(address: number, length: number): number {
    const room = this.memory.taskSize - (address >>> 0);
    return room > 0 ? Math.min(length >>> 0, room) : length >>> 0;
  }

  /**
   * A host call that may wait. Signals that do nothing are not noticed. Another one interrupts it: -EINTR; -ERESTARTSYS: what
   * follows is up to the guest's action; -ERESTARTNOINTR: it is to be made after the handler.
   */
  wait(call: number, a: number, b: number, c: number, d: number, e: number, f: number): number {
    const { signals } = this;
    if (signals === null) return sysInterruptible(call, a, b, c, d, e, f, this.pollWord);
    signals.beforeWait(call, a);
    const started = startOfWait(call, b, c, d);
    let result = sysInterruptible(call, a, b, c, d, e, f, this.pollWord);
    if (result !== -EINTR && result > -ERESTARTSYS) return result;
    let rest: RestOfWait | null = null;
    while (signals.interruptedInVain(call, result)) {
      rest ??= new RestOfWait(call, started, this.pollWord);
      signals.beforeWait(call, a);
      result = rest.again(result, a, b, c, d, e, f);
      if (result !== -EINTR && result > -ERESTARTSYS) return result;
    }
    if (result === NOT_BEGUN) result = decideUnbegun(call, a, b, rest?.request(c) ?? c, d, e, f);
    return result === -ERESTARTSYS && isAlwaysRepeated(call, b) ? -ERESTARTNOINTR : result;
  }

  /** Memory the host can be pointed at, at least `size` bytes; its contents last until the next call uses it. */
  scratch(size: number): HostBuffer {
    if (this.scratchBuffer.u8.length < size) {
      // Addresses within the old buffer may already be meant for the host: it stays alive one more round.
      this.retiredScratch = this.scratchBuffer;
      this.scratchBuffer = new HostBuffer(size * 2);
      this.scratchBuffer.u8.set(this.retiredScratch.u8);
    }
    return this.scratchBuffer;
  }

  /** Reads an `int` or `u32` of the guest; undefined when it cannot be read. */
  readU32(address: number): number | undefined {
    return this.memory.checkRead(address, 4) ? this.view.getUint32(address >>> 0, this.little) : undefined;
  }

  /** Stores 32 bits; false when they cannot be written. */
  writeU32(address: number, value: number): boolean {
    if (!this.memory.prepareWrite(address, 4)) return false;
    this.view.setUint32(address >>> 0, value, this.little);
    return true;
  }

  /** Reads a `long`, pointer or size_t as an unsigned number. */
  readWord(address: number): number | undefined {
    const size = this.abi.model.longSize;
    if (!this.memory.checkRead(address, size)) return undefined;
    return size === 4 ? this.view.getUint32(address >>> 0, this.little) : this.readHigh(address >>> 0);
  }

  private readHigh(at: number): number {
    const high = this.view.getUint32(this.little ? at + 4 : at, this.little);
    return high * 0x1_0000_0000 + this.view.getUint32(this.little ? at : at + 4, this.little);
  }

  /** Forgets what ends with the program when another one of the same ABI is executed. */
  becomeProgram(): void {
    this.next = null;
    this.clearTid = 0;
    this.robustList = 0;
    this.robustListSize = 0;
    this.timers.clear();
  }

  /** Whoever waits for this program's memory gets it now: before the host is asked to execute another one. */
  endProgram(): void {
    for (const run of this.beforeEnd) run();
  }

  /** Ends the whole process at once with an exit status of 0..255. */
  exitGroup(status: number): never {
    this.endProgram();
    for (const run of this.onExit) run();
    sys1(SYS.exit_group, status & 0xff);
    throw new Error('exit_group returned');
  }
}
