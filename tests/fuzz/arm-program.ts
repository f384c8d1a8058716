/** Builds ARM ELF programs that run many instruction cases and write what each left behind; for qemu-arm and wemu-arm alike. */
import type { Random } from '../oracle/random.ts';

/** Words of the buffer that memory operands lie in. */
export const BUFFER_WORDS = 64;

/** One case: a few instructions with the state they start in. */
export interface ArmCase {
  /** A32 words, or Thumb halfwords in order of execution. */
  readonly code: readonly number[];
  readonly thumb: boolean;
  /** R0 to R14. */
  readonly regs: readonly number[];
  /** NZCVQ and GE as in the CPSR. */
  readonly flags: number;
  readonly fpscr?: number;
  /** D0 to D31 as 64 words; zero when absent. */
  readonly vectors?: readonly number[];
}

/** A case with random flags (GE too, and Q) and vectors. */
export function startOf(random: Random, thumb: boolean, code: number[], regs: number[]): ArmCase {
  const flags = (random.u32() & 0xf80f0000) >>> 0;
  return { code, thumb, regs, flags, vectors: Array.from({ length: 64 }, () => random.u32()) };
}

/** What a case left behind. */
export interface ArmResult {
  /** R0 to R14 and CPSR. */
  readonly regs: readonly number[];
  /** Signal number and si_code; 0: none. */
  readonly signal: number;
  readonly code: number;
  readonly faultAddress: number;
  readonly faultPc: number;
  readonly faultCpsr: number;
  readonly fpscr: number;
  readonly vectors: readonly number[];
  readonly memory: readonly number[];
}

const TEXT = 0x00100000;
const DATA = 0x02000000;
/** Places in the data segment. */
export const BUFFER = DATA + 0x100;
const PRISTINE = DATA + 0x300;
const CURRENT = DATA;
const STACK = DATA + 0x1000;
const STACK_SIZE = 0x4000;
const SIGACTION = DATA + 0x400;
const SIGSTACK = DATA + 0x440;
const RECORDS = DATA + 0x6000;

/** Whether an address may be in the data of the program; qemu-arm also reserves what lies between text and data. */
export function isProgram(address: number): boolean {
  return address >= DATA && address < DATA + 0x1000000;
}

/** A record: registers, flags, where to go on, the result's address, FPSCR, D registers. */
const RECORD = { regs: 0, flags: 60, resume: 64, out: 68, fpscr: 72, vectors: 80, size: 336 } as const;
/** A result. */
const OUT = {
  regs: 0,
  cpsr: 60,
  signal: 64,
  address: 68,
  pc: 72,
  fpscr: 76,
  vectors: 80,
  memory: 336,
  faultCpsr: 592,
  size: 600,
} as const;

const SIGNALS = [4, 5, 7, 8, 11];

/** Of data and instructions: both little-endian, only data big-endian (BE8), both big-endian (BE32). */
export const BYTE_ORDERS = ['little', 'be8', 'be32'] as const;
export type ByteOrder = (typeof BYTE_ORDERS)[number];

/** What the frame around the cases may use of the processor. */
export interface ArmFrame {
  readonly order: ByteOrder;
  /** BX, and loads of the PC into Thumb code (ARMv5). */
  readonly interworks: boolean;
  /** CLREX and a thread ID register that holds R0 for a moment (ARMv6K); without, a case ends with a signal. */
  readonly threadId: boolean;
  /** D registers. */
  readonly vectors: 0 | 16 | 32;
}

/** The frame of a processor that has everything. */
export function fullFrame(order: ByteOrder = 'little'): ArmFrame {
  return { order, interworks: true, threadId: true, vectors: 32 };
}

/** bx lr or mov pc, lr. */
const ret = ({ interworks }: ArmFrame): number => (interworks ? 0xe12fff1e : 0xe1a0f00e);

/** Emits A32 words with labels and literals. */
class Code {
  readonly words: number[] = [];
  private readonly literals: { at: number; value: number }[] = [];

  constructor(readonly frame: ArmFrame) {}

  get address(): number {
    return TEXT + 4 * this.words.length;
  }

  put(...words: number[]): void {
    for (const word of words) this.words.push(word >>> 0);
  }

  /** A word that is read as data. */
  data(value: number): void {
    const swapped = ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
    this.put(this.frame.order === 'be8' ? swapped : value);
  }

  /** Thumb halfwords, an even number. */
  halves(halves: readonly number[]): void {
    const swaps = this.frame.order === 'be32';
    for (let k = 0; k < halves.length; k += 2) {
      const [low, high] = swaps ? [halves[k + 1]!, halves[k]!] : [halves[k]!, halves[k + 1]!];
      this.put(low | (high << 16));
    }
  }

  /** ldr rd, =value; the value comes to stand where `pool` is called next. */
  literal(rd: number, value: number): void {
    this.literals.push({ at: this.words.length, value });
    this.put(0xe59f0000 | (rd << 12));
  }

  pool(): void {
    for (const { at, value } of this.literals.splice(0)) {
      this.words[at] = (this.words[at]! | (4 * (this.words.length - at) - 8)) >>> 0;
      this.data(value);
    }
  }

  /** b or bl to an address. */
  branch(target: number, link = false): void {
    this.put((link ? 0xeb000000 : 0xea000000) | (((target - this.address - 8) >> 2) & 0xffffff));
  }

  /** A branch forward to where `land` is called with the result. */
  jump(): number {
    this.put(0);
    return this.words.length - 1;
  }

  land(at: number): void {
    this.words[at] = (0xea000000 | ((this.words.length - at - 2) & 0xffffff)) >>> 0;
  }
}

/** Copies the buffer from r1 to r2 (both move on), 16 words a round; r3 to r7 are used. */
function copyBuffer(code: Code): void {
  code.put(0xe3a03000 | (BUFFER_WORDS / 4)); // mov r3, #16
  code.put(0xe8b100f0, 0xe8a200f0); // ldm r1!, {r4-r7}; stm r2!, {r4-r7}
  code.put(0xe2533001, 0x1afffffb); // subs r3, r3, #1; bne
}

function emitHandler(code: Code): number {
  const at = code.address;
  code.literal(3, CURRENT);
  code.put(0xe5933000); // ldr r3, [r3]
  code.put(0xe593c000 | RECORD.out); // ldr r12, [r3, #out]
  if (!code.frame.threadId) emitEnd(code);
  code.put(0xe5914008, 0xe1800404); // ldr r4, [r1, #8]; orr r0, r0, r4, lsl #8
  code.put(0xe58c0000 | OUT.signal);
  code.put(0xe591000c, 0xe58c0000 | OUT.address); // ldr r0, [r1, #12]
  code.put(0xe592005c, 0xe58c0000 | OUT.pc); // ldr r0, [r2, #92]
  code.put(0xe5921060, 0xe58c1000 | OUT.faultCpsr); // ldr r1, [r2, #96]
  code.put(0xe3c11020, 0xe3c11b3f, 0xe3c11406); // bic r1, r1: T, IT[7:2], IT[1:0]
  if (code.frame.order !== 'be8') code.put(0xe3c11c02); // bic r1, r1: E
  code.put(0xe5821060); // str r1, [r2, #96]
  code.put(0xe5930000 | RECORD.resume, 0xe582005c); // ldr r0, [r3, #resume]; str r0, [r2, #92]
  code.put(ret(code.frame));
  code.pool();
  return at;
}

/** In the handler: at the undefined instruction behind a case, stores the registers of the signal frame and goes on behind it. */
function emitEnd(code: Code): void {
  code.put(0xe592505c, 0xe5936000 | RECORD.resume, 0xe1550006); // ldr r5, [r2, #92]; ldr r6, [r3, #resume]; cmp r5, r6
  const over = code.words.length;
  code.put(0);
  code.put(0xe2824020); // add r4, r2, #32
  for (let n = 0; n < 3; n++) code.put(0xe8b407c0, 0xe8ac07c0); // ldm r4!, {r6-r10}; stm r12!, {r6-r10}
  code.put(0xe5926060); // ldr r6, [r2, #96]
  code.literal(7, 0xf80f021f);
  code.put(0xe0066007, 0xe58c6000); // and r6, r6, r7; str r6, [r12]
  code.put(0xe2855004, 0xe582505c, ret(code.frame)); // add r5, r5, #4; str r5, [r2, #92]
  code.words[over] = (0x1a000000 | (code.words.length - over - 2)) >>> 0; // bne
}

function emitSetup(code: Code): number {
  const at = code.address;
  code.literal(1, CURRENT);
  code.put(0xe5810000); // str r0, [r1]
  code.literal(1, PRISTINE);
  code.literal(2, BUFFER);
  copyBuffer(code);
  const { threadId, vectors } = code.frame;
  if (vectors) {
    code.put(0xe5901000 | RECORD.fpscr, 0xeee11a10); // ldr r1; vmsr fpscr, r1
    code.put(0xe2801000 | RECORD.vectors, 0xecb10b20); // add r1; vldm r1!, {d0-d15}
  }
  if (vectors > 16) code.put(0xecd10b20); // vldm r1, {d16-d31}
  if (threadId) code.put(0xf57ff01f); // clrex
  code.put(ret(code.frame));
  code.pool();
  return at;
}

/** r0 is the result, r1 the CPSR; r0 of the case is in TPIDRURW where there is one. */
function emitCollect(code: Code): number {
  const at = code.address;
  const { threadId, vectors } = code.frame;
  // str r1; mrc p15, 0, r1, c13, c0, 2; str r1, [r0]
  if (threadId) code.put(0xe5801000 | OUT.cpsr, 0xee1d1f50, 0xe5801000);
  if (vectors) code.put(0xeef12a10, 0xe5802000 | OUT.fpscr); // vmrs r2, fpscr; str r2
  code.put(0xe2802000 | OUT.vectors); // add r2
  if (vectors) code.put(0xeca20b20); // vstm r2!, {d0-d15}
  if (vectors > 16) code.put(0xece20b20); // vstm r2!, {d16-d31}
  if (vectors < 32) code.put(0xe2802e15); // add r2, r0, #memory
  code.literal(1, BUFFER);
  copyBuffer(code);
  code.put(ret(code.frame));
  code.pool();
  return at;
}

function emitStart(code: Code): void {
  code.literal(0, SIGSTACK);
  code.put(0xe3a01000, 0xe3a070ba, 0xef000000); // sigaltstack(SIGSTACK, 0)
  for (const signal of SIGNALS) {
    code.put(0xe3a00000 | signal);
    code.literal(1, SIGACTION);
    code.put(0xe3a02000, 0xe3a03008, 0xe3a070ae, 0xef000000); // rt_sigaction(signal, SIGACTION, 0, 8)
  }
  const over = code.jump();
  code.pool();
  code.land(over);
}

/** The order of words in memory: with big-endian data (BE8) the words of a doubleword change places. */
function wordIndex(k: number, big: boolean): number {
  return big ? k ^ 1 : k;
}

/** The ELF file of a program that runs the cases. */
export function buildProgram(
  cases: readonly ArmCase[],
  memory: readonly number[],
  frame: ArmFrame = fullFrame(),
): Uint8Array {
  const { order, threadId } = frame;
  const big = order !== 'little';
  const code = new Code(frame);
  const outAddress = (n: number): number => RECORDS + cases.length * RECORD.size + n * OUT.size;
  const data = new DataView(new ArrayBuffer(outAddress(0) - DATA));
  const put = (address: number, value: number): void => data.setUint32(address - DATA, value >>> 0, !big);

  const toStart = code.jump();
  const handler = emitHandler(code);
  const restorer = code.address;
  code.put(0xe3a070ad, 0xef000000); // rt_sigreturn
  const setup = emitSetup(code);
  const collect = emitCollect(code);
  code.land(toStart);
  emitStart(code);

  put(SIGACTION, handler);
  put(SIGACTION + 4, 0x4 | 0x04000000 | 0x08000000 | 0x40000000); // SIGINFO, RESTORER, ONSTACK, NODEFER
  put(SIGACTION + 8, restorer);
  put(SIGSTACK, STACK);
  put(SIGSTACK + 8, STACK_SIZE);
  memory.slice(0, BUFFER_WORDS).forEach((word, k) => {
    put(PRISTINE + 4 * k, word);
  });

  cases.forEach((one, n) => {
    const record = RECORDS + n * RECORD.size;
    one.regs.slice(0, 15).forEach((value, k) => {
      put(record + 4 * k, value);
    });
    put(record + RECORD.flags, one.flags);
    put(record + RECORD.out, outAddress(n));
    put(record + RECORD.fpscr, one.fpscr ?? 0);
    one.vectors?.forEach((value, k) => {
      put(record + RECORD.vectors + 4 * wordIndex(k, big), value);
    });
    code.literal(0, record);
    code.branch(setup, true);
    code.put(0xe5901000 | RECORD.flags, 0xe12cf001, 0xe8907fff); // ldr r1; msr cpsr_fs, r1; ldm r0, {r0-r14}
    if (one.thumb) {
      const halves = [...one.code];
      // bx pc must stand on a word.
      if (halves.length % 2) halves.push(0x46c0);
      halves.push(0x4778, 0x46c0);
      code.put(0xe51ff004); // ldr pc, [pc, #-4]
      code.data(code.address + 4 + 1);
      code.halves(halves);
    } else {
      code.put(...one.code);
    }
    put(record + RECORD.resume, code.address);
    code.put(threadId ? 0xee0d0f50 : 0xe7f000f0); // mcr p15, 0, r0, c13, c0, 2; or udf
    code.literal(0, outAddress(n));
    if (threadId) code.put(0xe9807ffe, 0xe10f1000); // stmib r0, {r1-r14}; mrs r1, cpsr
    code.branch(collect, true);
    const over = code.jump();
    code.pool();
    code.land(over);
  });

  // write(1, results, size) until all is written, then exit(0).
  code.literal(4, outAddress(0));
  code.literal(5, cases.length * OUT.size);
  code.put(0xe3a00001, 0xe1a01004, 0xe1a02005, 0xe3a07004, 0xef000000); // r0 = 1; r1 = r4; r2 = r5; write
  code.put(0xe3500000, 0xda000002); // cmp r0, #0; ble exit
  code.put(0xe0844000, 0xe0555000, 0x1afffff5); // r4 += r0; r5 -= r0; bne
  code.put(0xe3a00000, 0xe3a07001, 0xef000000);
  code.pool();
  return elf(code.words, new Uint8Array(data.buffer), outAddress(cases.length) - DATA, order);
}

/** A static ELF file: text to read and execute, data to read and write. */
function elf(words: readonly number[], data: Uint8Array, dataSize: number, order: ByteOrder): Uint8Array {
  const big = order !== 'little';
  const align = (n: number): number => (n + 4095) & ~4095;
  const textSize = 4 * words.length;
  const dataOffset = 4096 + align(textSize);
  const file = new Uint8Array(dataOffset + data.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, big ? 2 : 1, 1]);
  view.setUint16(16, 2, !big);
  view.setUint16(18, 40, !big);
  // EF_ARM_EABI_VER5, EF_ARM_BE8.
  const fields = [1, TEXT, 52, 0, order === 'be8' ? 0x05800000 : 0x05000000];
  fields.forEach((value, k) => {
    view.setUint32(20 + 4 * k, value, !big);
  });
  [52, 32, 3, 40, 0, 0].forEach((value, k) => {
    view.setUint16(40 + 2 * k, value, !big);
  });
  [1, 4096, TEXT, TEXT, textSize, textSize, 5, 4096].forEach((value, k) => {
    view.setUint32(52 + 4 * k, value, !big);
  });
  [1, dataOffset, DATA, DATA, data.length, dataSize, 6, 4096].forEach((value, k) => {
    view.setUint32(84 + 4 * k, value, !big);
  });
  // PT_GNU_STACK: without it the kernel would let data be executed.
  [0x6474e551, 0, 0, 0, 0, 0, 6, 4].forEach((value, k) => {
    view.setUint32(116 + 4 * k, value, !big);
  });
  words.forEach((word, k) => {
    view.setUint32(4096 + 4 * k, word, order !== 'be32');
  });
  file.set(data, dataOffset);
  return file;
}

/** Takes a program's output apart; fewer results than cases when it died. */
export function readResults(output: Uint8Array, big = false): ArmResult[] {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
  const results: ArmResult[] = [];
  for (let at = 0; at + OUT.size <= output.length; at += OUT.size) {
    const words = (offset: number, count: number): number[] =>
      Array.from({ length: count }, (_, k) => view.getUint32(at + offset + 4 * k, !big));
    const signal = view.getUint32(at + OUT.signal, !big);
    results.push({
      regs: words(OUT.regs, 16),
      signal: signal & 0xff,
      code: signal >>> 8,
      faultAddress: view.getUint32(at + OUT.address, !big),
      faultPc: view.getUint32(at + OUT.pc, !big),
      faultCpsr: view.getUint32(at + OUT.faultCpsr, !big),
      fpscr: view.getUint32(at + OUT.fpscr, !big),
      vectors: words(OUT.vectors, 64).map((_, k, all) => all[wordIndex(k, big)]!),
      memory: words(OUT.memory, BUFFER_WORDS),
    });
  }
  return results;
}
