/** Functions of the host's C library, bound when first asked for: only what a plain system call cannot do (fork). */

import { dlopen, type FFITypeOrString } from 'bun:ffi';

const bound = new Map<string, (...args: never[]) => unknown>();

/**
 * The C library function `name`. The first caller's types count; binding takes ~10 us, so call this where the function
 * is needed, not when a module loads.
 */
export function libcFunction<F extends (...args: never[]) => unknown>(
  name: string,
  args: FFITypeOrString[],
  returns: FFITypeOrString,
): F {
  let f = bound.get(name);
  if (!f) {
    f = dlopen('libc.so.6', { [name]: { args, returns } }).symbols[name] as unknown as (...args: never[]) => unknown;
    bound.set(name, f);
  }
  return f as F;
}
