// CPU state of the 32-bit ARM guest: core registers, split flags, exclusive monitor, vector registers.
import type { Global } from '../../tcg/ir/value.ts';
import { HEADER, HEADER_SIZE, StateLayout } from '../state-layout.ts';

const layout = new StateLayout();
layout.skipTo(HEADER_SIZE);

/**
 * R0 to R14. R15 is the PC of the header, which holds the address of the instruction and in bit 0 whether it is a Thumb
 * instruction: blocks of the two instruction sets are found by different PCs, and interworking jumps cost no more than others.
 */
export const REGS: readonly Global[] = Array.from({ length: 15 }, (_, n) => layout.global(`r${n}`));
for (const global of REGS) global.tracked = 'ops';

/**
 * The condition flags: N is bit 31 of `nz`, Z is set when `nz` is 0, C when `ca` >= `cb` (unsigned), V when `ca` - `cb`
 * overflows, exclusive or bit 31 of `vx`. Bit 0 of `vx` is only set where `nz` is 0: then N is set too, as a program may have
 * it. A comparison only has to leave its operands and its result: in a loop nothing is computed that nobody looks at.
 */
export const NZ = layout.global('nz');
export const CA = layout.global('ca');
export const CB = layout.global('cb');
export const VX = layout.global('vx');
// A condition is often decided by the operands of the comparison, which are at hand.
for (const global of [NZ, CA, CB, VX]) global.tracked = 'hidden';
/** Cumulative saturation, 0 or 1. */
export const QF = layout.global('qf');
/** The four greater-or-equal flags of SIMD instructions, bits 0-3. */
export const GE = layout.global('ge');
/** ITSTATE before the instruction at the PC; 0 outside of IT blocks. */
export const ITSTATE = layout.global('itstate');
/** The exclusive monitor: address of the last exclusive load (all ones: none) and what it loaded. */
export const EXCLUSIVE_ADDRESS = layout.global('exaddr');
export const EXCLUSIVE_LOW = layout.global('exlow');
export const EXCLUSIVE_HIGH = layout.global('exhigh');

/** TPIDRURO, which the kernel points to thread-local storage, and TPIDRURW, which is the program's own. */
const tpidruro = layout.field('tpidruro');
const tpidrurw = layout.field('tpidrurw');
/** Index of the CPU model in ARM_MODELS. */
const model = layout.field('model');
/** CPSR.E: data accesses are big-endian. */
const bigEndian = layout.field('bigEndian');
/** What translations depend on besides ITSTATE, in one word; see mode.ts. */
const mode = layout.field('mode');

layout.skipTo(256);
/**
 * Q0 to Q15. D and S registers are parts of them: D(2n) and D(2n+1) are the low and high half of Qn, S(4n) to S(4n+3) its
 * words, as in memory.
 */
export const QREGS: readonly Global[] = Array.from({ length: 16 }, (_, n) => layout.global(`q${n}`, 'v128'));
/** FPSCR.NZCV in bits 28-31. */
export const FPFLAGS = layout.global('fpflags');

// Behind what changes little: helper modules have these places compiled in.
/** FPSCR without its flags: those of comparisons are in `fpflags`, the cumulative ones in `fpexc`. See fpscr.ts. */
const fpscr = layout.field('fpscr');
/** The cumulative flags IOC DZC OFC UFC IXC IDC QC at their places in FPSCR. */
const fpexc = layout.field('fpexc');
/** How the arithmetic of src/softfloat is to compute: made from FPSCR when that is written. */
const fpmode = layout.field('fpmode');
/** The same for half precision, which has its own flushing of denormals. */
const fpmode16 = layout.field('fpmode16');
/** What translations depend on of all this, as bits of the block flags. */
const fpstate = layout.field('fpstate');
/** Blocks that are still to be run by helpers. */
const fpcareful = layout.field('fpcareful');
const scratch = layout.field('scratch', 16, 4);

/** Offsets of fields from the start of CPU state. */
export const ARM_OFFSETS = {
  ...HEADER,
  regs: REGS[0]!.offset,
  nz: NZ.offset,
  ca: CA.offset,
  cb: CB.offset,
  vx: VX.offset,
  qf: QF.offset,
  ge: GE.offset,
  itstate: ITSTATE.offset,
  exclusiveAddress: EXCLUSIVE_ADDRESS.offset,
  exclusiveLow: EXCLUSIVE_LOW.offset,
  exclusiveHigh: EXCLUSIVE_HIGH.offset,
  tpidruro,
  tpidrurw,
  model,
  bigEndian,
  mode,
  fpscr,
  fpexc,
  fpmode,
  fpmode16,
  fpstate,
  fpcareful,
  qregs: QREGS[0]!.offset,
  fpflags: FPFLAGS.offset,
  scratch,
} as const;

export const ARM_STATE = layout;
