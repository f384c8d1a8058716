// CPU state of the 32-bit x86 guest: general registers, lazily kept flags, segments, x87, XMM.
import { HEADER, HEADER_SIZE, StateLayout } from '../state-layout.ts';

const layout = new StateLayout();
layout.skipTo(HEADER_SIZE);

/** General registers in encoding order: eax ecx edx ebx esp ebp esi edi. */
export const REGS = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'].map((name) => layout.global(name));

/**
 * The arithmetic flags are kept as the operation that set them: `ccOp` says which (see flags.ts), `ccDst` is its result,
 * `ccSrc` its second operand, `ccSrc2` a third value where the operation needs one.
 */
export const CC_OP = layout.global('ccOp');
export const CC_DST = layout.global('ccDst');
export const CC_SRC = layout.global('ccSrc');
export const CC_SRC2 = layout.global('ccSrc2');
// Conditions are often decided by the operands of a comparison, which are at hand.
for (const global of [CC_OP, CC_DST, CC_SRC, CC_SRC2]) global.tracked = 'hidden';
/** Direction of string instructions: 1 or -1 (EFLAGS.DF clear or set). */
export const DF = layout.global('df');
/** Linear base addresses of ES CS SS DS FS GS. */
export const SEG_BASES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'].map((name) => layout.global(`${name}Base`));

/** EFLAGS without the arithmetic flags and DF: TF IF IOPL NT RF VM AC ID. */
const eflags = layout.field('eflags');
/** Index of the CPU model; see modelAt. */
const model = layout.field('model');
/** Selectors of ES CS SS DS FS GS. */
const selectors = layout.field('selectors', 4, 6);
/**
 * Segment limits in bytes minus 1, and attributes: descriptor bits 40-55 as in its second word, shifted right by 8, and
 * above them what mode.ts adds.
 */
const limits = layout.field('limits', 4, 6);
const attributes = layout.field('attributes', 4, 6);
/** The thread's three TLS descriptors, GDT entries 12-14, eight bytes each as in memory. */
const tls = layout.field('tls', 8, 3);
/** Host address independent: guest-visible LDT base (0: none) and number of entries. */
const ldtBase = layout.field('ldtBase');
const ldtEntries = layout.field('ldtEntries');
/** What translations depend on, in one word; see mode.ts. */
const mode = layout.field('mode');
/** Where SYSENTER comes back to, in the vDSO; 0: nowhere. */
const sysenterReturn = layout.field('sysenterReturn');
layout.skipTo(256);
/** The x87 area; its fields are declared in x87-state.ts. */
const fpu = layout.field('fpu', 256, 1, 16);
/** XMM registers. */
export const XMM = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => layout.global(`xmm${n}`, 'v128'));
const mxcsr = layout.field('mxcsr');
/** Not 0 after an SSE helper: an unmasked exception was found, and nothing may be written. */
const sseFault = layout.field('sseFault');
/** 1: translations take MXCSR into account, see FLAG_SSE_SLOW. */
const sseSlow = layout.field('sseSlow');
const scratch = layout.field('scratch', 16, 4);

/** MXCSR after power-up and in a new process: all exceptions masked, round to nearest. */
export const MXCSR_RESET = 0x1f80;
/** The bits of MXCSR that can be set; 1 in any other raises #GP (SDM vol. 1, 11.6.6: MXCSR_MASK). */
export const MXCSR_MASK = 0xffff;

/** Offsets of the fields that are not IR globals, from the start of CPU state. */
export const X86_OFFSETS = {
  ...HEADER,
  regs: REGS[0]!.offset,
  ccOp: CC_OP.offset,
  ccDst: CC_DST.offset,
  ccSrc: CC_SRC.offset,
  ccSrc2: CC_SRC2.offset,
  df: DF.offset,
  segBases: SEG_BASES[0]!.offset,
  eflags,
  model,
  selectors,
  limits,
  attributes,
  tls,
  ldtBase,
  ldtEntries,
  mode,
  sysenterReturn,
  fpu,
  xmm: XMM[0]!.offset,
  mxcsr,
  sseFault,
  sseSlow,
  scratch,
} as const;

/** Segment register numbers in encoding order. */
export enum Seg {
  ES = 0,
  CS = 1,
  SS = 2,
  DS = 3,
  FS = 4,
  GS = 5,
}

export const X86_STATE = layout;
