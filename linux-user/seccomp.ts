// Seccomp (seccomp(2)): filters over the guest's system calls, run before a call is made; checked and executed as the kernel does.

import { ENOSYS } from '../src/host/errno.ts';
import type { Abi } from './abi/interface.ts';
import { NO_RESULT } from './errno.ts';
import type { Confinement, Process } from './process.ts';
import { CARRIER, CONTINUE, pack } from './seccomp-notify.ts';
import { SIGKILL, SIGSYS, type SigInfo } from './siginfo.ts';
import type { Signals } from './signals.ts';

/** Modes, as PR_GET_SECCOMP gives them. */
export const SECCOMP_MODE_STRICT = 1;
export const SECCOMP_MODE_FILTER = 2;

/** The upper half of what a filter returns, as signed numbers: the smallest one of several filters counts. */
export const RET_KILL_PROCESS = 0x80000000 | 0;
export const RET_KILL_THREAD = 0;
export const RET_TRAP = 0x30000;
export const RET_ERRNO = 0x50000;
export const RET_USER_NOTIF = 0x7fc00000;
export const RET_TRACE = 0x7ff00000;
export const RET_LOG = 0x7ffc0000;
export const RET_ALLOW = 0x7fff0000;
const RET_ACTION_FULL = 0xffff0000 | 0;
const RET_DATA = 0xffff;

const MAX_ERRNO = 4095;
/** si_code of SIGSYS. */
const SYS_SECCOMP = 1;

/** Bytes of struct seccomp_data: number, architecture, program counter, six arguments. */
const DATA_SIZE = 64;
/** Words of the scratch memory M[]. */
const MEMORY_WORDS = 16;
/** BPF_MAXINSNS. */
export const MAX_INSTRUCTIONS = 4096;
/** Most instructions of all filters together, each counted as four more (MAX_INSNS_PER_PATH). */
const MAX_PATH = 32768;

// Classic BPF (linux/filter.h): class, then what the class says.
const LD = 0x00;
const LDX = 0x01;
const ST = 0x02;
const STX = 0x03;
const ALU = 0x04;
const JMP = 0x05;
const RET = 0x06;
const MISC = 0x07;
const IMM = 0x00;
const ABS = 0x20;
const MEM = 0x60;
const LEN = 0x80;
const X = 0x08;
const A = 0x10;
const TXA = 0x80;
const [ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, XOR] = [0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0xa0];
const [JA, JEQ, JGT, JGE, JSET] = [0, 0x10, 0x20, 0x30, 0x40];

/** struct sock_filter. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  /** Unsigned. */
  readonly k: number;
}

export type Filter = readonly Instruction[];

const ARITHMETIC: readonly number[] = [ADD, SUB, MUL, DIV, AND, OR, XOR, LSH, RSH];

/** The instructions that seccomp takes (kernel/seccomp.c, seccomp_check_filter). */
const ALLOWED: ReadonlySet<number> = new Set([
  ...[LD | ABS, LD | LEN, LDX | LEN, LD | IMM, LDX | IMM, LD | MEM, LDX | MEM, ST, STX, RET, RET | A],
  ...[MISC, MISC | TXA, ALU | NEG, JMP | JA],
  ...[...ARITHMETIC].flatMap((op) => [ALU | op, ALU | op | X]),
  ...[JEQ, JGT, JGE, JSET].flatMap((op) => [JMP | op, JMP | op | X]),
]);

/** Whether the kernel would take the filter (net/core/filter.c, bpf_check_classic; seccomp_check_filter). */
export function isValidFilter(filter: Filter): boolean {
  const last = filter.at(-1);
  if (!last || (last.code !== RET && last.code !== (RET | A))) return false;
  const left = (pc: number): number => filter.length - pc - 1;
  return filter.every(({ code, jt, jf, k }, pc) => isValid(code, jt, jf, k, left(pc))) && storesBeforeLoads(filter);
}

function isValid(code: number, jt: number, jf: number, k: number, left: number): boolean {
  if (!ALLOWED.has(code)) return false;
  switch (code) {
    case LD | ABS:
      return k % 4 === 0 && k < DATA_SIZE;
    case LD | MEM:
    case LDX | MEM:
    case ST:
    case STX:
      return k < MEMORY_WORDS;
    case ALU | DIV:
      return k !== 0;
    case ALU | LSH:
    case ALU | RSH:
      return k < 32;
    case JMP | JA:
      return k < left;
    default:
      return (code & 7) !== JMP || (jt < left && jf < left);
  }
}

/** Whether no word of M[] is read that was not written on every way there (check_load_and_stores). */
function storesBeforeLoads(filter: Filter): boolean {
  const known = new Array<number>(filter.length).fill(-1);
  let written = 0;
  for (const [pc, { code, jt, jf, k }] of filter.entries()) {
    written &= known[pc]!;
    if (code === ST || code === STX) written |= 1 << k;
    else if (code === (LD | MEM) || code === (LDX | MEM)) {
      if (!((written >> k) & 1)) return false;
    } else if ((code & 7) === JMP) {
      for (const distance of code === (JMP | JA) ? [k] : [jt, jf]) known[pc + 1 + distance]! &= written;
      written = -1;
    }
  }
  return true;
}

/** Runs a valid filter on the words of a struct seccomp_data; what it returns, signed. */
function runFilter(filter: Filter, data: Int32Array): number {
  const memory = new Int32Array(MEMORY_WORDS);
  let a = 0;
  let x = 0;
  for (let pc = 0; ; pc++) {
    const { code, jt, jf, k } = filter[pc]!;
    switch (code) {
      case LD | ABS:
        a = data[k >> 2]!;
        continue;
      case LD | LEN:
        a = DATA_SIZE;
        continue;
      case LDX | LEN:
        x = DATA_SIZE;
        continue;
      case LD | IMM:
        a = k | 0;
        continue;
      case LDX | IMM:
        x = k | 0;
        continue;
      case LD | MEM:
        a = memory[k]!;
        continue;
      case LDX | MEM:
        x = memory[k]!;
        continue;
      case ST:
        memory[k] = a;
        continue;
      case STX:
        memory[k] = x;
        continue;
      case MISC:
        x = a;
        continue;
      case MISC | TXA:
        a = x;
        continue;
      case RET:
        return k | 0;
      case RET | A:
        return a;
      case JMP | JA:
        pc += k;
        continue;
    }
    const operand = code & X ? x : k | 0;
    const operation = code & 0xf0;
    if ((code & 7) === JMP) {
      pc += compare(operation, a >>> 0, operand >>> 0) ? jt : jf;
      continue;
    }
    // Division by nothing ends the filter.
    if (operation === DIV && operand === 0) return RET_KILL_THREAD;
    a = calculate(operation, a, operand);
  }
}

function compare(operation: number, a: number, operand: number): boolean {
  switch (operation) {
    case JEQ:
      return a === operand;
    case JGT:
      return a > operand;
    case JGE:
      return a >= operand;
    default:
      return (a & operand) !== 0;
  }
}

function calculate(operation: number, a: number, operand: number): number {
  switch (operation) {
    case ADD:
      return (a + operand) | 0;
    case SUB:
      return (a - operand) | 0;
    case MUL:
      return Math.imul(a, operand);
    case DIV:
      return ((a >>> 0) / (operand >>> 0)) | 0;
    case AND:
      return a & operand;
    case OR:
      return a | operand;
    case XOR:
      return a ^ operand;
    case LSH:
      return a << operand;
    case RSH:
      return (a >>> operand) | 0;
    default:
      return -a | 0;
  }
}

/** AUDIT_ARCH_*: the ELF machine, with bits for 64 bits and for little-endian. */
function auditArchitecture({ program: { elf } }: Abi): number {
  return elf.machines[0]! | (elf.elfClass === 64 ? 0x80000000 : 0) | (elf.bigEndian ? 0 : 0x40000000);
}

/** For another emulator: filters as base64 of struct sock_filter, little-endian, newest first. */
export interface SavedSeccomp {
  readonly mode: number;
  readonly filters: readonly string[];
  /** Which of them somebody listens to, or did; -1: none. */
  readonly listener: number;
}

/** Bytes of struct sock_filter: 16 bits of code, two jumps of 8, 32 bits. */
export const INSTRUCTION_SIZE = 8;

function encode(filter: Filter): string {
  const bytes = Buffer.alloc(filter.length * INSTRUCTION_SIZE);
  for (const [n, { code, jt, jf, k }] of filter.entries()) {
    const at = n * INSTRUCTION_SIZE;
    bytes.writeUInt16LE(code, at);
    bytes[at + 2] = jt;
    bytes[at + 3] = jf;
    bytes.writeUInt32LE(k, at + 4);
  }
  return bytes.toString('base64');
}

function decode(text: string): Filter {
  const bytes = Buffer.from(text, 'base64');
  return readInstructions(
    new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    0,
    bytes.length / INSTRUCTION_SIZE,
    true,
  );
}

/** `length` structures sock_filter at `from`. */
export function readInstructions(view: DataView, from: number, length: number, little: boolean): Filter {
  return Array.from({ length }, (_, n) => {
    const at = from + n * INSTRUCTION_SIZE;
    const [jt, jf] = [view.getUint8(at + 2), view.getUint8(at + 3)];
    return { code: view.getUint16(at, little), jt, jf, k: view.getUint32(at + 4, little) };
  });
}

/** What a process is confined to: inherited by its children and kept over exec. */
export class Seccomp implements Confinement {
  /** Newest first. */
  private filters: readonly Filter[] = [];
  /** The one that somebody listens to: there can be one only. */
  private listenedTo: Filter | null = null;
  /** The filter that the last result is of. */
  private matched: Filter | null = null;
  private mode: number;
  private readonly data = new Int32Array(DATA_SIZE / 4);

  constructor(mode: number) {
    this.mode = mode;
  }

  get currentMode(): number {
    return this.mode;
  }

  /** All filters, newest first. */
  get all(): readonly Filter[] {
    return this.filters;
  }

  /** Whether one more of `length` instructions may be added. */
  hasRoom(length: number): boolean {
    return this.filters.reduce((sum, filter) => sum + filter.length + 4, length) <= MAX_PATH;
  }

  /** What `restore` makes the same of, as JSON can hold it. */
  save(): SavedSeccomp {
    const { listenedTo, filters } = this;
    const listener = listenedTo === null ? -1 : filters.indexOf(listenedTo);
    return { mode: this.mode, filters: filters.map(encode), listener };
  }

  static restore({ mode, filters, listener }: SavedSeccomp): Seccomp {
    const seccomp = new Seccomp(mode);
    seccomp.filters = filters.map(decode);
    seccomp.listenedTo = seccomp.filters[listener] ?? null;
    return seccomp;
  }

  /** @param listened the host has made a descriptor that listens to this filter */
  add(filter: Filter, listened = false): void {
    this.filters = [filter, ...this.filters];
    if (listened) this.listenedTo = filter;
  }

  enter(p: Process, number: number, args: readonly number[]): number | undefined {
    if (this.mode === SECCOMP_MODE_STRICT) {
      if (!p.abi.strictCalls.includes(number))
        (p.signals as Signals).die({ signal: SIGKILL, error: 0, code: 0, words: [] });
      return undefined;
    }
    const pc = p.abi.signals.programCounter(p.memory, p.env);
    const architecture = auditArchitecture(p.abi);
    const result = this.evaluate(number, architecture, pc, args, p.little);
    const data = result & RET_DATA;
    const info = (): SigInfo => ({ signal: SIGSYS, error: data, code: SYS_SECCOMP, words: [pc, number, architecture] });
    switch (result & RET_ACTION_FULL) {
      case RET_ALLOW:
      case RET_LOG:
        return undefined;
      case RET_ERRNO:
        return -Math.min(data, MAX_ERRNO);
      case RET_TRACE:
        // Nobody traces.
        return -ENOSYS;
      case RET_USER_NOTIF: {
        // Nobody has ever listened.
        if (this.listenedTo === null || this.matched !== this.listenedTo) return -ENOSYS;
        const [a, b, c, d, e, f] = pack({ number, architecture, pc, args });
        const answer = p.wait(CARRIER, a!, b!, c!, d!, e!, f!);
        return answer === CONTINUE ? undefined : answer;
      }
      case RET_TRAP:
        (p.signals as Signals).force(info());
        return -NO_RESULT;
      default:
        return (p.signals as Signals).die(info());
    }
  }

  private evaluate(number: number, architecture: number, pc: number, args: readonly number[], little: boolean): number {
    const { data } = this;
    data[0] = number;
    data[1] = architecture;
    const low = little ? 0 : 1;
    data[2 + low] = pc;
    for (let k = 0; k < 6; k++) data[4 + 2 * k + low] = args[k]!;
    let result = RET_ALLOW;
    this.matched = null;
    for (const filter of this.filters) {
      const one = runFilter(filter, data);
      if ((one & RET_ACTION_FULL) >= (result & RET_ACTION_FULL)) continue;
      result = one;
      this.matched = filter;
    }
    return result;
  }
}
