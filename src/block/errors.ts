// Errors of the disk layer: a message as the tools print it, plus the host's errno where one exists.

/** Linux errno values the disk layer raises or tests for (asm-generic/errno-base.h, errno.h). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EPIPE: 32,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ELOOP: 40,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  ECANCELED: 125,
  EDQUOT: 122,
  EMEDIUMTYPE: 124,
} as const;

/** What the C library's strerror says for each number above. */
const ERRNO_TEXT: Record<number, string> = {
  1: 'Operation not permitted',
  2: 'No such file or directory',
  4: 'Interrupted system call',
  5: 'Input/output error',
  6: 'No such device or address',
  9: 'Bad file descriptor',
  11: 'Resource temporarily unavailable',
  12: 'Cannot allocate memory',
  13: 'Permission denied',
  16: 'Device or resource busy',
  17: 'File exists',
  18: 'Invalid cross-device link',
  19: 'No such device',
  20: 'Not a directory',
  21: 'Is a directory',
  22: 'Invalid argument',
  23: 'Too many open files in system',
  24: 'Too many open files',
  25: 'Inappropriate ioctl for device',
  26: 'Text file busy',
  27: 'File too large',
  28: 'No space left on device',
  29: 'Illegal seek',
  30: 'Read-only file system',
  32: 'Broken pipe',
  34: 'Numerical result out of range',
  36: 'File name too long',
  38: 'Function not implemented',
  40: 'Too many levels of symbolic links',
  75: 'Value too large for defined data type',
  95: 'Operation not supported',
  110: 'Connection timed out',
  111: 'Connection refused',
  122: 'Disk quota exceeded',
  124: 'Wrong medium type',
  125: 'Operation canceled',
};

/** Text of an errno, as strerror(3) in the C locale. */
export function strerror(errno: number): string {
  return ERRNO_TEXT[errno] ?? `Unknown error ${errno}`;
}

/** A failed disk-layer operation. `message` is one line without tool name or final period; `hint` lines follow it. */
export class BlockError extends Error {
  readonly errno: number;
  hint: string;

  constructor(message: string, errno: number = ERRNO.EINVAL, hint = '') {
    super(message);
    this.errno = errno;
    this.hint = hint;
  }

  /** The same error with text put before its message. */
  prefixed(prefix: string): BlockError {
    return new BlockError(prefix + this.message, this.errno, this.hint);
  }
}

/** An error that says only what the errno says: I/O failures, unsupported operations. */
export function errnoError(errno: number): BlockError {
  return new BlockError(strerror(errno), errno);
}

/** The errno of anything thrown: our own errors, Node's system errors, and EIO for the rest. */
export function errnoOf(error: unknown): number {
  if (error instanceof BlockError) return error.errno;
  const e = error as { errno?: number; code?: string };
  if (typeof e?.errno === 'number' && e.errno !== 0) return Math.abs(e.errno);
  if (typeof e?.code === 'string' && e.code in ERRNO) return ERRNO[e.code as keyof typeof ERRNO];
  return ERRNO.EIO;
}

/** An error that tells what could not be done, and the errno's text of why. */
export function failureOf(what: string, error: unknown): BlockError {
  const errno = errnoOf(error);
  return new BlockError(`${what}: ${strerror(errno)}`, errno);
}

/** Does something; what goes wrong is told as `what` with the errno's text. */
export async function failingAs<T>(what: string, action: () => T | Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw failureOf(what, error);
  }
}

/** Does something; what goes wrong is told behind `prefix`, which ends with a colon and a space. */
export async function prefixing<T>(prefix: string, action: () => T | Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw error instanceof BlockError ? error.prefixed(prefix) : error;
  }
}

/** True for the error a driver raises for an operation it does not have; callers fall back on it. */
export function isUnsupported(error: unknown): boolean {
  return error instanceof BlockError && error.errno === ERRNO.EOPNOTSUPP;
}
