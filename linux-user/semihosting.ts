// Semihosting: the calls by which programs made for bare ARM processors ("Angel") reach the files and the console of the host.

import { EINVAL, ENOSYS } from '../src/host/errno.ts';
import { HostBuffer, SYS, sys1, sys2, sys3, sys4 } from '../src/host/syscall.ts';
import { unimpOnce } from '../src/log/log.ts';
import type { Process } from './process.ts';

/** Operation numbers (Semihosting for AArch32 and AArch64, Arm). */
enum Operation {
  OPEN = 0x01,
  CLOSE = 0x02,
  WRITEC = 0x03,
  WRITE0 = 0x04,
  WRITE = 0x05,
  READ = 0x06,
  READC = 0x07,
  ISERROR = 0x08,
  ISTTY = 0x09,
  SEEK = 0x0a,
  FLEN = 0x0c,
  REMOVE = 0x0e,
  RENAME = 0x0f,
  CLOCK = 0x10,
  TIME = 0x11,
  ERRNO = 0x13,
  GET_CMDLINE = 0x15,
  HEAPINFO = 0x16,
  EXIT = 0x18,
  EXIT_EXTENDED = 0x20,
  ELAPSED = 0x30,
  TICKFREQ = 0x31,
}

const AT_FDCWD = -100;
/** Flags of open(2) for the modes r, w, a and their variants with +; two modes each, text and binary. */
const OPEN_FLAGS = [0, 2, 0x241, 0x242, 0x441, 0x442];
const TCGETS = 0x5401;
const SEEK_SET = 0;
/** ADP_Stopped_ApplicationExit: the reason of an exit that went well. */
const APPLICATION_EXIT = 0x20026;
/** Bytes of heap that programs are given. */
const HEAP_SIZE = 64 << 20;
const NANOSECONDS = 1_000_000_000;

/** The semihosting of one process. */
export class Semihosting {
  private errno = 0;
  private heap: readonly [base: number, limit: number] | null = null;
  private readonly started = Bun.nanoseconds();

  constructor(private readonly process: Process) {}

  /** Carries out one operation; `argument` is the block of arguments or the only one. Returns the result. */
  run(operation: number, argument: number): number {
    const p = this.process;
    /** Word `n` of the argument block; an unreadable one ends in the error of the call. */
    const word = (n: number): number => p.readWord((argument >>> 0) + 4 * n) ?? 0;
    switch (operation) {
      case Operation.OPEN:
        return this.open(word(0), word(1), word(2));
      case Operation.CLOSE:
        return this.note(sys1(SYS.close, word(0) | 0));
      case Operation.WRITEC:
        this.note(sys3(SYS.write, 2, p.in(argument), 1));
        return 0;
      case Operation.WRITE0: {
        const text = p.memory.readCString(argument, 1 << 20) ?? new Uint8Array(0);
        if (text.length > 0) this.note(sys3(SYS.write, 2, p.in(argument), text.length));
        return 0;
      }
      case Operation.WRITE:
        return this.rest(word(2), sys3(SYS.write, word(0) | 0, p.in(word(1)), p.room(word(1), word(2))));
      case Operation.READ: {
        const length = word(2) >>> 0;
        return this.rest(length, sys3(SYS.read, word(0) | 0, p.out(word(1), length), p.room(word(1), length)));
      }
      case Operation.READC: {
        const { view, address } = new HostBuffer(8);
        return sys3(SYS.read, 0, address, 1) === 1 ? view.getUint8(0) : -1;
      }
      case Operation.ISERROR:
        return (word(0) | 0) < 0 ? 1 : 0;
      case Operation.ISTTY:
        return sys3(SYS.ioctl, word(0) | 0, TCGETS, new HostBuffer(64).address) === 0 ? 1 : 0;
      case Operation.SEEK:
        return this.note(sys3(SYS.lseek, word(0) | 0, word(1) >>> 0, SEEK_SET)) < 0 ? -1 : 0;
      case Operation.FLEN:
        return this.length(word(0) | 0);
      case Operation.REMOVE:
        return this.note(sys3(SYS.unlinkat, AT_FDCWD, p.paths.resolve(word(0), 'rawpath'), 0));
      case Operation.RENAME: {
        const from = p.paths.resolve(word(0), 'rawpath');
        return this.note(sys4(SYS.renameat, AT_FDCWD, from, AT_FDCWD, p.paths.resolve(word(2), 'rawpath')));
      }
      case Operation.CLOCK:
        return Math.floor((Bun.nanoseconds() - this.started) / (NANOSECONDS / 100));
      case Operation.TIME:
        return Math.floor(Date.now() / 1000);
      case Operation.ERRNO:
        return this.errno;
      case Operation.GET_CMDLINE:
        return this.commandLine(argument >>> 0, word(0), word(1) >>> 0);
      case Operation.HEAPINFO:
        return this.heapInfo(word(0));
      case Operation.EXIT:
        return p.exitGroup(argument >>> 0 === APPLICATION_EXIT ? 0 : 1);
      case Operation.EXIT_EXTENDED:
        return p.exitGroup(word(0) >>> 0 === APPLICATION_EXIT ? word(1) : 1);
      case Operation.ELAPSED:
        return this.elapsed(argument);
      case Operation.TICKFREQ:
        return NANOSECONDS;
      default:
        unimpOnce(`semihosting operation 0x${operation.toString(16)}`);
        this.errno = ENOSYS;
        return -1;
    }
  }

  /** Notes an error of the host; -1 for it, else the result. */
  private note(result: number): number {
    if (result >= 0) return result;
    this.errno = -result;
    return -1;
  }

  /** What READ and WRITE return: how many bytes were not transferred. */
  private rest(length: number, done: number): number {
    return (length >>> 0) - Math.max(0, this.note(done));
  }

  private open(name: number, mode: number, length: number): number {
    const p = this.process;
    const text = p.memory.readCString(name, 4096);
    const flags = OPEN_FLAGS[(mode >>> 1) % 6];
    if (!text || mode >>> 0 > 11 || flags === undefined) {
      this.errno = EINVAL;
      return -1;
    }
    // The console: standard input, output or error by the mode.
    if (length === 3 && Buffer.from(text).toString('latin1') === ':tt') return mode < 4 ? 0 : mode < 8 ? 1 : 2;
    return this.note(sys4(SYS.openat, AT_FDCWD, p.paths.resolve(name, 'path'), flags, 0o644));
  }

  /** The length of a file, where it has one. */
  private length(fd: number): number {
    const { view, address } = new HostBuffer(144);
    if (this.note(sys2(SYS.fstat, fd, address)) < 0) return -1;
    return view.getUint32(48, true);
  }

  /** The command line goes to the buffer that the block names; its length goes into the block. */
  private commandLine(block: number, buffer: number, size: number): number {
    const { argv, memory, view, little } = this.process;
    const line = Buffer.from(argv.join(' '), 'latin1');
    if (line.length + 1 > size || !memory.prepareWrite(buffer, line.length + 1)) return -1;
    if (!memory.prepareWrite(block, 8)) return -1;
    memory.u8.set(line, buffer >>> 0);
    memory.u8[(buffer >>> 0) + line.length] = 0;
    view.setUint32(block + 4, line.length, little);
    return 0;
  }

  /** Base and limit of the heap, base and limit of the stack. */
  private heapInfo(block: number): number {
    const { memory, view, little, abi, stateView, stateEnv } = this.process;
    if (!this.heap) {
      const base = memory.brk(0);
      const limit = memory.brk(base + HEAP_SIZE);
      this.heap = [base, limit];
    }
    if (!memory.prepareWrite(block, 16)) return -1;
    const stack = abi.stackPointer(stateView, stateEnv);
    [...this.heap, stack, 0].forEach((value, k) => {
      view.setUint32((block >>> 0) + 4 * k, value, little);
    });
    return 0;
  }

  /** Ticks since the program began, 64 bits. */
  private elapsed(block: number): number {
    const { memory, view, little } = this.process;
    if (!memory.prepareWrite(block, 8)) return -1;
    const ticks = Bun.nanoseconds() - this.started;
    const low = ticks >>> 0;
    const high = Math.floor(ticks / 2 ** 32);
    view.setUint32((block >>> 0) + (little ? 0 : 4), low, little);
    view.setUint32((block >>> 0) + (little ? 4 : 0), high, little);
    return 0;
  }
}
