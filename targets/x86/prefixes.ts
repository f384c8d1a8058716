// Instruction prefixes: which bytes are one, and of which group.

/** Prefix class of a byte; Segment + n is the override for segment register n. */
export enum Prefix {
  None,
  OperandSize,
  AddressSize,
  Lock,
  Rep,
  Repne,
  Segment,
}

/** Prefix class by byte (SDM volume 2, 2.1.1); REX prefixes of 64-bit mode are not in it. */
export const PREFIX = new Uint8Array(256);
PREFIX[0x26] = Prefix.Segment + 0;
PREFIX[0x2e] = Prefix.Segment + 1;
PREFIX[0x36] = Prefix.Segment + 2;
PREFIX[0x3e] = Prefix.Segment + 3;
PREFIX[0x64] = Prefix.Segment + 4;
PREFIX[0x65] = Prefix.Segment + 5;
PREFIX[0x66] = Prefix.OperandSize;
PREFIX[0x67] = Prefix.AddressSize;
PREFIX[0xf0] = Prefix.Lock;
PREFIX[0xf2] = Prefix.Repne;
PREFIX[0xf3] = Prefix.Rep;

/** The longest instruction; anything longer raises #GP(0) (SDM volume 3, 6.15, interrupt 13). */
export const MAX_LENGTH = 15;
