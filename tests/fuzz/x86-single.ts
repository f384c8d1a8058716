// Fuzzer of single i386 instructions from random states: every opening of the rows, any prefixes and operands, raw bytes;
// faults, traps and single-stepping included. Registers, flags, memory, x87, XMM and MXCSR must be the host CPU's.

import { DecodeFault } from '../../targets/x86/decode.ts';
import type { X86Feature, X86Mnemonic } from '../../targets/x86/insns.ts';
import { RowBit } from '../../targets/x86/insns-table.ts';
import { hostFeatures } from '../insn/x86/integer/optional.ts';
import { EBP, EDI, ESI, ESP, le32 } from '../oracle/asm-i386.ts';
import {
  AC,
  type CaseResult,
  CF,
  DF,
  type InsnCase,
  MEMORY_MAP,
  RF,
  SEGMENT_KINDS,
  STATUS_FLAGS,
  TF,
} from '../oracle/insn-case.ts';
import { Random } from '../oracle/random.ts';
import { decodeBytes, type Opening } from './x86-openings.ts';

const DATA = MEMORY_MAP.DATA;
/** The memory that is filled and captured: around DATA, where pointers point, and around the stack pointer. */
const DATA_FROM = DATA - 0x80;
const DATA_BYTES = 0x180;
const STACK = MEMORY_MAP.STACK;
const STACK_FROM = STACK - 0x40;
const STACK_BYTES = 0x80;
const FXSAVE_BYTES = 512;
const FSAVE_BYTES = 108;
const LONGEST = 15;

/** Instructions not run, and why. */
export const NOT_COMPARED: Readonly<Record<string, string>> = {
  CPUID: 'names the processor',
  RDTSC: 'not deterministic',
  RDTSCP: 'not deterministic',
  RDRAND: 'not deterministic',
  RDSEED: 'not deterministic',
  RDPID: 'not deterministic',
  INT1: 'the saved EIP depends on the hypervisor',
  RDPMC: 'whether it faults is up to the kernel',
  XGETBV: 'the host has more state components',
  XSAVE: 'the host has more state components',
  XRSTOR: 'the host has more state components',
  XSAVEOPT: 'the host has more state components',
  SYSENTER: 'a system call on some processors, #UD on others',
  SYSCALL: 'a system call on some processors, #UD on others',
  MONITOR: 'whether it is #UD or waits is up to the kernel',
  MWAIT: 'whether it is #UD or waits is up to the kernel',
  RCPPS: 'an approximation, different on every processor',
  RCPSS: 'an approximation, different on every processor',
  RSQRTPS: 'an approximation, different on every processor',
  RSQRTSS: 'an approximation, different on every processor',
  FXSAVE: 'stores what MXCSR can hold, which is more on the processors of AMD',
  FSIN: 'within one unit in the last place; measured by tests/insn/x86/x87/fuzz.ts',
  FCOS: 'see FSIN',
  FSINCOS: 'see FSIN',
  FPTAN: 'see FSIN',
  FPATAN: 'see FSIN',
  F2XM1: 'see FSIN',
  FYL2X: 'see FSIN',
  FYL2XP1: 'see FSIN',
  // Emulated by the kernel with constants of its version.
  SGDT: 'constants of the kernel',
  SIDT: 'constants of the kernel',
  SMSW: 'constants of the kernel',
  SLDT: 'constants of the kernel',
  STR: 'constants of the kernel',
};

/** Selectors that mean something, or nothing, to a 64-bit kernel; not 0x33, which is 64-bit code. */
const SELECTORS = [0, 1, 2, 3, 0x10, 0x18, 0x20, 0x23, 0x28, 0x2b, 0x2a, 0x4b, 0x63, 0x6b, 0x73, 0x83, 4, 7, 0xffff];
const LONG_MODE = 0x30;
/** Around the borders of limited segments and of 16-bit offsets. */
const OFFSETS = [
  0, 1, 0x30, 0x38, 0x3c, 0x3d, 0x3e, 0x3f, 0x40, 0x41, 0xff0, 0xffc, 0xfff, 0x1000, 0xfffc, 0xfffe, 0xffff, 0x10000,
];

/** Floating-point encodings that matter: zeros, ones, denormals, extremes, infinities, NaNs, of 32 and of 64 bits. */
const FLOATS = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 1, 0x007fffff, 0x00800000, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000,
  0xffc00000, 0x7f800001, 0x4f000000, 0xcf000000, 0x3fc00000, 0x40200000, 0x4b000001,
];
const DOUBLE_TOPS = [
  0, 0x80000000, 0x3ff00000, 0xbff00000, 0x000fffff, 0x00100000, 0x7fefffff, 0x7ff00000, 0xfff00000, 0x7ff80000,
  0x7ff00001, 0x41e00000, 0xc1e00000, 0x3ff80000, 0x40040000, 0x36a00000, 0x47efffff,
];

/** Fills bytes with integers, corner values, singles and doubles. */
export function fillMixed(random: Random, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    switch (random.below(6)) {
      case 0:
        view.setUint32(at, random.pick(FLOATS), true);
        view.setUint32(at + 4, random.pick(FLOATS), true);
        break;
      case 1:
        view.setUint32(at, random.bool() ? 0 : random.u32(), true);
        view.setUint32(at + 4, random.pick(DOUBLE_TOPS), true);
        break;
      case 2:
        view.setFloat32(at, (random.u32() | 0) / 2 ** random.below(40), true);
        view.setFloat32(at + 4, (random.u32() | 0) / 2 ** random.below(40), true);
        break;
      case 3:
        view.setFloat64(at, ((random.u32() | 0) * 2 ** (random.below(80) - 40)) / 3, true);
        break;
      case 4:
        view.setUint32(at, random.value(32), true);
        view.setUint32(at + 4, random.value(32), true);
        break;
      default:
        view.setUint32(at, random.u32(), true);
        view.setUint32(at + 4, random.u32(), true);
    }
  }
}

/** A random x87 register image of ten bytes at `at`. */
function fillX87(random: Random, image: Uint8Array, at: number): void {
  const view = new DataView(image.buffer);
  const top = random.below(3) === 0 ? random.pick([0x80000000, 0xffffffff, 0xc0000000]) : random.u32() | 0x80000000;
  view.setUint32(at, random.below(3) ? random.u32() : 0, true);
  view.setUint32(at + 4, random.below(12) === 0 ? random.u32() : top, true);
  const exponent = random.below(4) === 0 ? random.pick([0, 1, 0x7fff, 0x7ffe, 0x3fff]) : 0x3fff + random.range(-70, 70);
  view.setUint16(at + 8, exponent | (random.u32() & 0x8000), true);
  // Zeros and denormals have no integer bit.
  if (exponent === 0 && random.below(4))
    view.setUint32(at + 4, random.bool() ? 0 : view.getUint32(at + 4, true) & 0x7fffffff, true);
}

/** An FXSAVE image; exceptions are unmasked in a few, and none is pending. */
export function randomFxsave(random: Random): Uint8Array {
  const image = new Uint8Array(FXSAVE_BYTES);
  const view = new DataView(image.buffer);
  let control = 0x37f;
  if (random.below(2)) control = (control & ~0xf00) | (random.u32() & 0xf00);
  if (random.below(8) === 0) control &= ~(random.u32() & 0x3f);
  view.setUint16(0, control, true);
  view.setUint16(2, (random.u32() & 0x7f00) | (random.u32() & control & 0x3f), true);
  image[4] = random.pick([0xff, 0, random.u32() & 0xff, random.u32() & 0xff]);
  let mxcsr = 0x1f80 | (random.u32() & 0x3f);
  if (random.below(2)) mxcsr |= random.u32() & 0xe040;
  if (random.below(8) === 0) mxcsr &= ~(random.u32() & 0x1f80);
  view.setUint32(24, mxcsr, true);
  for (let n = 0; n < 8; n++) {
    if (random.below(4) === 0) {
      fillMixed(random, image.subarray(32 + 16 * n, 40 + 16 * n));
      view.setUint16(40 + 16 * n, 0xffff, true);
    } else fillX87(random, image, 32 + 16 * n);
  }
  fillMixed(random, image.subarray(160, 288));
  return image;
}

/** An FSAVE image, as randomFxsave. */
function randomFsave(random: Random): Uint8Array {
  const full = randomFxsave(random);
  const from = new DataView(full.buffer);
  const image = new Uint8Array(FSAVE_BYTES);
  const view = new DataView(image.buffer);
  view.setUint32(0, from.getUint16(0, true) | 0xffff0000, true);
  view.setUint32(4, from.getUint16(2, true) | 0xffff0000, true);
  view.setUint32(8, random.pick([0xffff, 0, random.u32() & 0xffff]) | 0xffff0000, true);
  view.setUint32(24, 0xffff0000, true);
  for (let n = 0; n < 8; n++) image.set(full.subarray(32 + 16 * n, 42 + 16 * n), 28 + 10 * n);
  return image;
}

export interface SingleOptions {
  readonly openings: readonly Opening[];
  /** Whether both sides have a feature. */
  readonly has: (feature: X86Feature) => boolean;
  /** Whether wemu has a handler. */
  readonly executes: (mnemonic: X86Mnemonic) => boolean;
  /** The form in which x87 state, and with FXSAVE that of XMM and MXCSR, is set and compared. */
  readonly fpu: 'fxsave' | 'fsave';
}

/** Registers: pointers into the data, selectors, anything. */
function randomRegisters(random: Random, aligned: boolean): Uint32Array {
  const regs = new Uint32Array(8);
  for (let n = 0; n < 8; n++) {
    const kind = random.below(16);
    if (kind < 9) regs[n] = DATA + (aligned ? random.below(8) * 16 : random.below(0x80));
    else if (kind === 9) regs[n] = random.pick(OFFSETS);
    else if (kind < 11) regs[n] = random.pick(SELECTORS);
    else if (kind < 13) regs[n] = random.below(0x40);
    else regs[n] = random.value(32);
    // Where a native process has its stack and its libraries there is memory.
    if (regs[n]! >= 0xf0000000 && regs[n]! < 0xffff0000) regs[n]! &= 0xefffffff;
  }
  if (random.below(8)) regs[ESP] = STACK + 4 * random.range(-4, 4);
  if (random.below(3) === 0) regs[EBP] = STACK;
  if (random.below(2)) {
    regs[ESI] = DATA + random.below(0x80);
    regs[EDI] = DATA + random.below(0x80);
  }
  return regs;
}

/** Bytes of a memory operand: ModRM, SIB, displacement. */
function memoryForm(random: Random, reg: number, aligned: boolean): number[] {
  const near = () => (aligned ? 16 * random.range(-2, 4) : random.range(-0x20, 0x60));
  const kind = random.below(12);
  if (kind === 0) return [(reg << 3) | 5, ...le32(DATA + near())];
  if (kind === 1) {
    // An index: its register has often a small value.
    const mod = random.below(3);
    const sib = random.below(256);
    const wide = mod === 2 || (mod === 0 && (sib & 7) === 5);
    return [(mod << 6) | (reg << 3) | 4, sib, ...(wide ? le32(near()) : mod === 1 ? [near() & 0xff] : [])];
  }
  let rm = random.below(8);
  if (rm === 4) return [0x40 | (reg << 3) | 4, 0x24, near() & 0xff];
  if (rm === 5 && kind < 6) rm = 6;
  if (kind < 5 && rm !== 5) return [(reg << 3) | rm];
  if (kind < 11) return [0x40 | (reg << 3) | rm, near() & 0xff];
  return [0x80 | (reg << 3) | rm, ...le32(near())];
}

/** The bytes of a random instruction with an opening, and what follows it: 15 bytes and more. */
function randomBytes(random: Random, opening: Opening, aligned: boolean, fixed = false): number[] {
  const bytes: number[] = [];
  const legacy = opening.prefix === 0 && !opening.attributes.includes('np');
  if (random.below(12) === 0) bytes.push(random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]));
  if (random.below(24) === 0) bytes.push(0x67);
  if (legacy && random.below(4) === 0) bytes.push(0x66);
  if (random.below(opening.attributes.includes('lock') ? 6 : 60) === 0) bytes.push(0xf0);
  if (opening.attributes.includes('str') ? random.below(2) : random.below(60) === 0)
    bytes.push(random.pick([0xf2, 0xf3]));
  if (opening.prefix) bytes.push(opening.prefix);
  if (random.below(200) === 0)
    while (bytes.length < random.range(8, 15)) bytes.unshift(random.pick([0x2e, 0x66, 0x3e]));
  bytes.push(...opening.opcode);
  bytes[bytes.length - 1]! |= random.below(16) & opening.free;
  if (opening.modrm >= 0xc0) bytes.push(opening.modrm | (random.below(8) & opening.modrmFree));
  else {
    const reg = opening.modrm >= 0 ? opening.modrm : random.below(8);
    const register = opening.form === 'reg' || (opening.form === 'any' && random.below(2) === 0);
    // A wrong form now and then, for its #UD.
    if (random.below(50) ? register : !register) bytes.push(0xc0 | (reg << 3) | random.below(8));
    else if (fixed && random.below(8))
      bytes.push((reg << 3) | 5, ...le32(DATA + (aligned ? 16 * random.range(-4, 8) : random.range(-0x40, 0x80))));
    else bytes.push(...memoryForm(random, reg, aligned));
  }
  if (opening.suffix >= 0) bytes.push(opening.suffix);
  const immediate = random.value(32);
  bytes.push(...le32(immediate), random.u32() & 0xff, random.u32() & 0xff, random.u32() & 0xff, random.u32() & 0xff);
  while (bytes.length < 32) bytes.push(random.u32() & 0xff);
  return bytes;
}

/** Decoded differently by processors: what tests/sweep lists, and VEX, EVEX and XOP, which no model here has. */
function hostDecodesMore(bytes: Uint8Array, opcode: number): boolean {
  const first = bytes[opcode]!;
  if ([0xc4, 0xc5, 0x62].includes(first)) return (bytes[opcode + 1]! & 0xc0) === 0xc0;
  if (first === 0x8f) return ((bytes[opcode + 1]! >> 3) & 7) !== 0;
  if (first === 0xc6 || first === 0xc7) return bytes[opcode + 1] === 0xf8;
  return first === 0x0f;
}

const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];

/** push flags; popf: the way to set TF. */
const SET_FLAGS = (eflags: number) => [0x68, ...le32(eflags), 0x9d];

/** In the memory of based segments: the lowest offsets, and those around 64 KiB. */
const SEGMENT_WINDOWS = [MEMORY_MAP.SEGMENT, MEMORY_MAP.SEGMENT + 0xff80, MEMORY_MAP.SEGMENT + 0x10000];

function mixed(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  fillMixed(random, bytes);
  return bytes;
}

export interface SingleCase {
  readonly insn: InsnCase;
  readonly mnemonic: string;
}

/** Makes a case of an instruction's bytes; null where it cannot be compared. */
export function singleCase(random: Random, bytes: Uint8Array, options: SingleOptions): SingleCase | null {
  const insn = decodeBytes(bytes);
  let opcode = 0;
  while (opcode < LONGEST && PREFIXES.includes(bytes[opcode]!)) opcode++;
  const { row } = insn;
  if (insn.fault === DecodeFault.Fetch) return null;
  if (insn.fault === DecodeFault.Undefined && hostDecodesMore(bytes, opcode)) return null;
  if (row.mnemonic in NOT_COMPARED || !options.has(row.feature) || !options.executes(row.mnemonic)) return null;
  if (row.mnemonic === 'INT' && insn.imm === 0x80) return null;
  // A repeat prefix chooses the condition of LOOPcc on AMD's processors; the manual reserves it.
  if (row.mnemonic.startsWith('LOOP') && insn.rep !== 0) return null;
  // When its last access faults, what it has written so far may be written twice, differently where frames overlap.
  if (row.mnemonic === 'ENTER' && (insn.imm2 & 31) > 1) return null;
  if (insn.lock && ['VERW', 'MOV'].includes(row.mnemonic)) return null;
  // Register forms of prefetches are NOPs on Intel's processors, #UD on AMD's.
  if (bytes[opcode] === 0x0f && bytes[opcode + 1] === 0x0d && bytes[opcode + 2]! >= 0xc0) return null;
  if (row.mnemonic === 'PREFETCHW' || (insn.fault && bytes[opcode] === 0x0f)) return null;
  // A selector of another privilege lets AMD's processors read the outer stack before they see it.
  if (/^(RETF|IRET)$/.test(row.mnemonic)) return null;
  if (/^(JMPF|CALLF)$/.test(row.mnemonic) && (insn.imm2 & 0xfff8) === LONG_MODE) return null;
  // A count beyond 16 has no 16-bit result.
  const double = row.mnemonic === 'SHLD' || row.mnemonic === 'SHRD';
  const ends = (row.bits & (RowBit.EndsBlock | RowBit.String)) !== 0 || insn.fault !== DecodeFault.None;
  const trace = ends || random.below(4) === 0;
  const eflags = 2 | (random.u32() & (STATUS_FLAGS | (random.below(4) ? 0 : DF) | (random.below(30) ? 0 : AC)));
  const segments = random.below(8) === 0;
  // Ends right before a page that is not there, perhaps too early.
  // UD0 and UD1 have a ModRM byte on Intel's processors only.
  const edge = !trace && random.below(25) === 0 && !/^UD[01]$/.test(row.mnemonic);
  const length = Math.min(insn.fault === DecodeFault.None ? insn.length : LONGEST, 31);
  const regs = randomRegisters(random, /SSE|MMX|FXSR|AES|SHA|GFNI|PCLMUL/.test(row.feature));
  if (segments && random.bool()) for (let n = 0; n < 8; n++) if (random.below(3)) regs[n] = random.pick(OFFSETS);
  const body = bytes.slice(0, edge && random.bool() ? random.range(1, length) : length);
  const code = trace ? [...SET_FLAGS(eflags | TF), ...body] : [...body];
  if (trace && !(regs[ESP]! >= STACK_FROM + 8 && regs[ESP]! < STACK_FROM + STACK_BYTES)) regs[ESP] = STACK;
  // A bit offset reaches far from its operand.
  if (/^BT/.test(row.mnemonic) && insn.modrm < 0xc0) regs[insn.reg]! &= random.bool() ? 0xff : 0x1f;
  const data = new Uint8Array(DATA_BYTES);
  fillMixed(random, data);
  const stack = new Uint8Array(STACK_BYTES);
  fillMixed(random, stack);
  // What returns and loads of segment registers find.
  for (let at = 0; at < STACK_BYTES; at += 4) {
    if (random.below(4) === 0) new DataView(stack.buffer).setUint32(at, random.pick(SELECTORS), true);
  }
  let flagMask = row.flags.undefined;
  const narrow = insn.op0.size < 4;
  if (narrow && /^SH[LR]$/.test(row.mnemonic)) flagMask |= CF;
  // Whether EFLAGS.RF is set in a trap between two iterations differs from one microcode path to the next.
  if (row.bits & RowBit.String && insn.rep) flagMask |= RF;
  const undefinedResult = double && insn.operandSize === 2;
  return {
    mnemonic: row.mnemonic,
    insn: {
      name: row.mnemonic,
      code: Uint8Array.from(code),
      regs,
      eflags,
      memory: [
        { at: DATA_FROM, bytes: data },
        { at: STACK_FROM, bytes: stack },
        ...(segments ? SEGMENT_WINDOWS.map((at) => ({ at, bytes: mixed(random, 0x80) })) : []),
      ],
      fpu: { format: options.fpu, image: options.fpu === 'fxsave' ? randomFxsave(random) : randomFsave(random) },
      flagMask,
      ...(undefinedResult ? { undefinedResult } : {}),
      faults: true,
      ...(edge ? { beforeUnmapped: true } : {}),
      ...(segments
        ? {
            segments: {
              fs: random.pick(SEGMENT_KINDS),
              gs: random.pick(SEGMENT_KINDS),
              ...(random.below(3) ? {} : { es: random.pick(SEGMENT_KINDS) }),
              ...(random.below(3) ? {} : { ds: random.pick(SEGMENT_KINDS) }),
            },
          }
        : { segments: {} }),
    },
  };
}

/** cmp ecx,edx: defines all status flags. */
const DEFINE_FLAGS = [0x39, 0xd1];
/** What a chain cannot have: instructions that leave it, load EFLAGS or segments, or have no defined result. */
const NOT_IN_CHAINS =
  /^(POPF|POP|LDS|LES|LFS|LGS|LSS|SH[LR]D|ENTER|LEAVE|POPA|MASKMOV.*|FLDCW|FLDENV|FRSTOR|FXRSTOR|LDMXCSR)$/;

/**
 * Several instructions in a row, up to the first that faults. No flag that is undefined is tested; those undefined at any
 * point are not compared, as the fault may come anywhere. Memory operands have fixed addresses, mostly.
 */
export function chainCase(random: Random, options: SingleOptions): SingleCase | null {
  const first = singleCase(random, Uint8Array.from([0x90, ...new Uint8Array(31)]), options);
  if (!first) return null;
  const code: number[] = [];
  const names: string[] = [];
  let undefinedNow = 0;
  let flagMask = 0;
  for (let n = random.range(2, 10); n > 0; n--) {
    const opening = random.pick(options.openings);
    const aligned = /SSE|FXSR|AES|SHA|GFNI|PCLMUL/.test(opening.feature);
    const bytes = Uint8Array.from(randomBytes(random, opening, aligned, true));
    const insn = decodeBytes(bytes);
    const { row } = insn;
    if (insn.fault !== DecodeFault.None || row.bits & (RowBit.EndsBlock | RowBit.String)) continue;
    // Everything that a single instruction may not be, a chain may not hold.
    if (NOT_IN_CHAINS.test(row.mnemonic) || !singleCase(new Random(1), bytes, options)) continue;
    if (row.mnemonic === 'MOV' && bytes.includes(0x8e)) continue;
    if (/^BT/.test(row.mnemonic) && insn.modrm < 0xc0) continue;
    if (row.flags.tested & undefinedNow) {
      code.push(...DEFINE_FLAGS);
      undefinedNow = 0;
    }
    code.push(...bytes.subarray(0, insn.length));
    names.push(row.mnemonic);
    let lost = row.flags.undefined;
    if (insn.op0.size < 4 && /^SH[LR]$/.test(row.mnemonic)) lost |= CF;
    undefinedNow = (undefinedNow & ~row.flags.killed) | lost;
    flagMask |= lost;
  }
  if (names.length === 0) return null;
  const name = names.join(' ');
  return {
    mnemonic: name,
    insn: { ...first.insn, name, code: Uint8Array.from(code), flagMask, beforeUnmapped: false },
  };
}

/** The chains of a seed. */
export function drawChains(seed: number, count: number, options: SingleOptions): SingleCase[] {
  const random = new Random(seed ^ 0x5eed);
  const cases: SingleCase[] = [];
  while (cases.length < count) {
    const made = chainCase(random, options);
    if (made) cases.push(made);
  }
  return cases;
}

/** Feature names of rows as /proc/cpuinfo has them. */
const CPUINFO: Partial<Record<X86Feature, string>> = {
  SSE3: 'pni',
  'SSE4.1': 'sse4_1',
  'SSE4.2': 'sse4_2',
  LZCNT: 'abm',
  SHA: 'sha_ni',
  PREFETCHW: '3dnowprefetch',
  CLFSH: 'clflush',
  SYSCALL: '-',
  SMAP: '-',
  PMC: '-',
};

/** Whether the host CPU executes the instructions of a feature. */
export function hostHas(feature: X86Feature, features = hostFeatures()): boolean {
  return feature === '' || features.has(CPUINFO[feature] ?? feature.toLowerCase());
}

/** The cases of a seed. */
export function drawSingles(seed: number, count: number, options: SingleOptions): SingleCase[] {
  const random = new Random(seed);
  const cases: SingleCase[] = [];
  const { openings } = options;
  while (cases.length < count) {
    const opening = random.pick(openings);
    const raw = random.below(20) === 0;
    const aligned = /SSE|FXSR|AES|SHA|GFNI|PCLMUL/.test(opening.feature) && random.below(8) !== 0;
    const bytes = raw ? [...random.bytes(32)] : randomBytes(random, opening, aligned);
    const made = singleCase(random, Uint8Array.from(bytes), options);
    if (made) cases.push(made);
  }
  return cases;
}

/** In the FXSAVE image: opcode and pointers, MXCSR_MASK, and what the kernel puts behind it in a signal frame. */
const IN_POINTERS = (offset: number) => offset >= 6 && offset < 24;
const IN_MASK = (offset: number) => offset >= 28 && offset < 32;
const SOFTWARE_BYTES = 464;

/**
 * Bytes of an FPU image that are not compared: AMD's processors save opcode and pointers by FXSAVE and XSAVE (which the
 * kernel uses) only while an exception is pending, and have a bit more in MXCSR.
 */
export function ignoreFpuByte(offset: number, insn: InsnCase, expected: CaseResult): boolean {
  if (insn.fpu!.format === 'fxsave') return IN_POINTERS(offset) || IN_MASK(offset) || offset >= SOFTWARE_BYTES;
  return expected.signal !== undefined && offset >= 12 && offset < 28;
}

/** Numbers of CPUs are below, where the number of the node stands above them. */
const MAX_CPUS = 4096;

/**
 * Where a process has memory of its own, natively or under an emulator: its stack (a 64-bit kernel lets it end at FFFFE000),
 * the kernel's page; the harness's.
 */
const OWN_MEMORY = (address: number) =>
  (address >= 0xf0000000 && address < 0xffffe000) || (address >= 0x08000000 && address < 0x0e000000);

/**
 * Whether a difference is none: an access to where one side happens to have memory, or a masked store that faults (which
 * byte is reported, and whether the MMX state is entered before, is up to the processor), or the limit of the segment that
 * tells on which CPU the process runs.
 */
export function isAccident({ name }: InsnCase, { signal, regs }: CaseResult, other: CaseResult): boolean {
  if (name.startsWith('MASKMOV') && signal !== undefined && signal.trapno !== 1) return true;
  if (name === 'LSL' && signal === undefined && regs.every((value, n) => value === other.regs[n] || value < MAX_CPUS))
    return true;
  // Segments of 4 GiB do not look whether an access goes on behind the last offset.
  const below = other.signal?.cr2 ?? 0;
  if (
    signal?.trapno === 13 &&
    other.signal?.trapno === 14 &&
    below < MEMORY_MAP.SEGMENT &&
    below > MEMORY_MAP.SEGMENT - 16
  )
    return true;
  return [signal, other.signal].some((one) => one !== undefined && one.trapno === 14 && OWN_MEMORY(one.cr2));
}
