// The data model of one i386 instruction case, the guest addresses it may use, and the result it produces.

import { REG32, type Reg32 } from './asm-i386.ts';

/** EFLAGS bits. */
export const CF = 0x0001;
export const PF = 0x0004;
export const AF = 0x0010;
export const ZF = 0x0040;
export const SF = 0x0080;
export const TF = 0x0100;
export const IF = 0x0200;
export const DF = 0x0400;
export const OF = 0x0800;
export const NT = 0x4000;
export const RF = 0x10000;
export const AC = 0x40000;
export const ID = 0x200000;
/** The six status flags. */
export const STATUS_FLAGS = CF | PF | AF | ZF | SF | OF;

/**
 * Addresses every case may use. Pages not listed here are unmapped, in particular the one below SCRATCH, the one at
 * SCRATCH_END, and everything below the first 64 KiB.
 */
export const MEMORY_MAP = {
  /** Two read-write pages. */
  SCRATCH: 0x20000000,
  /** The border between the two pages. */
  SCRATCH_BORDER: 0x20001000,
  /** First address after them: unmapped. */
  SCRATCH_END: 0x20002000,
  /** A read-only page (zeros) between two read-write pages. */
  READ_ONLY: 0x20011000,
  READ_ONLY_END: 0x20012000,
  /** 64 KiB + one page, read-write: what 16-bit addresses reach when a segment is based here. */
  SEGMENT: 0x30000000,
  SEGMENT_BYTES: 0x11000,
  /** Ordinary cases: the middle of the first scratch page. */
  DATA: 0x20000400,
  /** Ordinary cases: a stack pointer with room on both sides. */
  STACK: 0x20000c00,
  /** A page that may be read and written but not executed. */
  NO_EXECUTE: 0x20010000,
} as const;

/**
 * What a segment register holds when the case starts: the flat data segment, a null selector, a segment based at
 * MEMORY_MAP.SEGMENT with a limit of 4 GiB (`based`) made by set_thread_area, or one of LDT_SEGMENTS.
 */
export const SEGMENT_KINDS = [
  'flat',
  'null',
  'based',
  'limited',
  'down',
  'down16',
  'readOnly',
  'code',
  'pages',
] as const;
export type SegmentKind = (typeof SEGMENT_KINDS)[number];

/** A segment made by modify_ldt(2), as struct user_desc says it (asm/ldt.h); its selector is index * 8 + 7. */
export interface LdtSegment {
  readonly kind: SegmentKind;
  readonly base: number;
  readonly limit: number;
  /** seg_32bit 1, contents 0-3 << 1, read_exec_only 8, limit_in_pages 16, seg_not_present 32, useable 64. */
  readonly flags: number;
}

/** Last offset of the limited segments, and the border of those that expand down. */
export const SEGMENT_LIMIT = 0x3f;

/** The segments of the LDT, by index. */
export const LDT_SEGMENTS: readonly LdtSegment[] = [
  { kind: 'limited', base: 0x30000000, limit: SEGMENT_LIMIT, flags: 0x41 },
  // Expand-down: offsets above the limit, up to 4 GiB or 64 KiB.
  { kind: 'down', base: 0x30000000, limit: SEGMENT_LIMIT, flags: 0x43 },
  { kind: 'down16', base: 0x30000000, limit: SEGMENT_LIMIT, flags: 0x42 },
  { kind: 'readOnly', base: 0, limit: 0xfffff, flags: 0x59 },
  { kind: 'code', base: 0, limit: 0xfffff, flags: 0x55 },
  { kind: 'pages', base: 0x30000000, limit: 0, flags: 0x51 },
];
/** A run of bytes at a guest address; both address range ends are free, the length is a multiple of 4. */
export interface MemoryInit {
  at: number;
  bytes: Uint8Array;
}

/** A range captured after the case; `bytes` is a multiple of 4. */
export interface MemoryWindow {
  at: number;
  bytes: number;
}

/** x87 or SSE state: an FSAVE image (108 bytes) or an FXSAVE image (512 bytes) loaded before and stored after. */
export interface FpuImage {
  format: 'fsave' | 'fxsave';
  image: Uint8Array;
}

/** Where the case's own code address is added to a 32-bit value before it runs. */
export type CodeReference =
  | { in: 'code'; offset: number }
  | { in: 'reg'; reg: Reg32 }
  | { in: 'memory'; window: number; offset: number };

/** One instruction, or a few, run from a given state. */
export interface InsnCase {
  name: string;
  /** Falls through its end to the harness. May also jump out of the end; must not change CS, SS or TF for good. */
  code: Uint8Array;
  /** Initial registers in encoding order (eax ecx edx ebx esp ebp esi edi). */
  regs: Uint32Array;
  /** Initial EFLAGS; TF must be clear. */
  eflags: number;
  /** Initial memory. */
  memory: MemoryInit[];
  /** Captured memory; by default the same ranges as `memory`. */
  memBytes?: MemoryWindow[];
  fpu?: FpuImage;
  /** EFLAGS bits the manual leaves undefined here: not compared. */
  flagMask: number;
  /** The manual leaves the result itself undefined: registers and memory are compared only when all undefined is. */
  undefinedResult?: boolean;
  /** Why CPUs differ here in more than that: not compared at all unless all undefined is. */
  hostSpecific?: string;
  /**
   * The case ends in a signal, or may. Such cases are left out when the harness runs without handlers; the corpora's
   * test checks that no other case raises a signal natively.
   */
  faults?: boolean;
  /** Initial segment registers; needed too when the code writes FS or GS. Default: ds, es flat; fs, gs null. */
  segments?: { ds?: SegmentKind; es?: SegmentKind; fs?: SegmentKind; gs?: SegmentKind };
  /** Adds the code address to these values. */
  codeReferences?: CodeReference[];
  /** Offset of the code within its page (so that an instruction can straddle two pages). */
  pageOffset?: number;
  /** The code's last byte is the last byte of a page, the next page is unmapped, and nothing follows the code. */
  beforeUnmapped?: boolean;
}

/** What the signal handler saw. */
export interface SignalInfo {
  signo: number;
  code: number;
  address: number;
  trapno: number;
  error: number;
  /** Only meaningful when trapno is 14 (#PF): Linux leaves the previous value otherwise. */
  cr2: number;
  /** EIP relative to the start of the case's code. */
  eipOffset: number;
}

/** The state after a case. */
export interface CaseResult {
  regs: Uint32Array;
  eflags: number;
  /** ds, es, fs, gs. The run-time selector of the `based` segment reads as BASED_SELECTOR. */
  segments: [number, number, number, number];
  signal?: SignalInfo;
  fpu?: Uint8Array;
  memory: Uint8Array[];
}

/** Stands for the selector set_thread_area handed out, which differs between kernels. */
export const BASED_SELECTOR = 0xffff;

/** The ranges captured after a case. */
export function capturedWindows(insn: InsnCase): MemoryWindow[] {
  return insn.memBytes ?? insn.memory.map(({ at, bytes }) => ({ at, bytes: bytes.length }));
}

/** Eight registers from names; the others get `fill`. */
export function regsFrom(values: Partial<Record<Reg32, number>>, fill = 0): Uint32Array {
  return Uint32Array.from(REG32, (name) => values[name] ?? fill);
}
