// The commands of futex (linux/futex.h) that more than one file must tell apart.

/** The part of the operation that is the command; the rest are flags. */
export const FUTEX_COMMAND = 0x7f;
export const FUTEX_WAIT = 0;
export const FUTEX_LOCK_PI = 6;
export const FUTEX_WAIT_BITSET = 9;
export const FUTEX_LOCK_PI2 = 13;
