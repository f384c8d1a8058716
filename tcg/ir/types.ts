// The value types of the IR and the small enumerations its ops carry as immediates.

/** Types of IR values: WebAssembly's own. Guest registers of other widths live in the next larger one. */
export type Type = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** Comparison conditions of `setcond`, `brcond` and `select`; `*u` compare unsigned, `tst*` compare (a & b) with 0. */
export enum Cond {
  EQ = 0,
  NE = 1,
  LT = 2,
  GE = 3,
  LE = 4,
  GT = 5,
  LTU = 6,
  GEU = 7,
  LEU = 8,
  GTU = 9,
  TSTEQ = 10,
  TSTNE = 11,
}

/** Names of the conditions in text form, indexed by `Cond`. */
export const COND_NAMES = ['eq', 'ne', 'lt', 'ge', 'le', 'gt', 'ltu', 'geu', 'leu', 'gtu', 'tsteq', 'tstne'] as const;

/** The condition that holds exactly when `cond` does not (integers only). */
export function invertCond(cond: Cond): Cond {
  return cond ^ 1;
}

const SWAPPED = [
  Cond.EQ,
  Cond.NE,
  Cond.GT,
  Cond.LE,
  Cond.GE,
  Cond.LT,
  Cond.GTU,
  Cond.LEU,
  Cond.GEU,
  Cond.LTU,
  Cond.TSTEQ,
  Cond.TSTNE,
];

/** The condition that gives the same answer with its operands exchanged. */
export function swapCond(cond: Cond): Cond {
  return SWAPPED[cond]!;
}

/**
 * A memory access: log2 of its size in bytes (bits 0-2; 4 = 16 bytes), sign extension (bit 3), big-endian bytes (bit 4),
 * natural alignment required (bit 5; otherwise any address is fine), first half of a read-modify-write (bit 6: a load that
 * is not allowed where a store is not, and whose fault is reported as a store's; generated code need not tell: the replay
 * does), with bit 5 only an alignment of 4 bytes required of larger accesses (bit 7).
 */
export type MemOp = number;
export const MO_8 = 0;
export const MO_16 = 1;
export const MO_32 = 2;
export const MO_64 = 3;
export const MO_128 = 4;
export const MO_SIZE = 7;
export const MO_SIGN = 8;
export const MO_BE = 16;
export const MO_ALIGN = 32;
export const MO_RMW = 64;
export const MO_WORD = 128;

/** The bits of an address that must be zero for an access that requires alignment. */
export function alignmentMask(memOp: MemOp): number {
  return memOp & MO_WORD ? 3 : (1 << (memOp & MO_SIZE)) - 1;
}

/** Text form of a memory access: `u8`, `s16be`, `u32al`, `u8rw` … */
export function memOpName(memOp: MemOp): string {
  const size = 8 << (memOp & MO_SIZE);
  return `${memOp & MO_SIGN ? 's' : 'u'}${size}${memOp & MO_BE ? 'be' : ''}${memOp & MO_ALIGN ? (memOp & MO_WORD ? 'aw' : 'al') : ''}${memOp & MO_RMW ? 'rw' : ''}`;
}

/** The inverse of `memOpName`, or -1 when the text is not one. */
export function parseMemOp(text: string): MemOp | -1 {
  const match = /^([us])(8|16|32|64|128)(be)?(al|aw)?(rw)?$/.exec(text);
  if (!match) return -1;
  const size = Math.log2(Number(match[2]) / 8);
  const sign = match[1] === 's' ? MO_SIGN : 0;
  const align = match[4] === 'al' ? MO_ALIGN : match[4] === 'aw' ? MO_ALIGN | MO_WORD : 0;
  return size | sign | (match[3] ? MO_BE : 0) | align | (match[5] ? MO_RMW : 0);
}

/** Why generated code returned to the execution loop; the PC is in CPU state in every case. */
export enum Exit {
  /** No translation is known for the PC (or chaining is off): look one up and go on. */
  LOOKUP = 0,
  /** The poll word was set: signals, other threads or the debugger want attention. */
  POLL = 1,
  /** The guest raised an exception; number, error code and address are in CPU state. */
  EXCEPTION = 2,
  /** A first-tier block has run often enough to be worth a region. */
  HOT = 3,
}
