// Exceptions of the ARM guest, in our own numbering: what the execution loop hands to Linux.

export enum Vector {
  /** An undefined instruction. */
  UNDEFINED = 1,
  /** SVC: a system call. */
  SVC = 2,
  /** An instruction that cannot be fetched. */
  PREFETCH_ABORT = 3,
  /** A data access that cannot be done. */
  DATA_ABORT = 4,
  /** BKPT. */
  BREAKPOINT = 5,
  /** The semihosting call: SVC 0x123456, SVC 0xab in Thumb, HLT 0xf000, HLT 0x3c, BKPT 0xab. */
  SEMIHOST = 6,
  /** An old system call, by a number in the SVC instruction; the error code is that number. */
  OABI_CALL = 7,
}

/** Bits of the error code of aborts. */
export const ABORT_WRITE = 1;
/** There is a page, only not for this. */
export const ABORT_MAPPED = 2;
export const ABORT_ALIGNMENT = 4;
