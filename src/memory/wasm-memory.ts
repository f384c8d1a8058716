// The WebAssembly memory that a guest's 4 GiB are: where it comes from, and when it is made.

/** 4 GiB. */
const WASM_PAGES = 65536;

function makeMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: WASM_PAGES, maximum: WASM_PAGES, shared: true });
}

/** Where the memory waits that was made early, perhaps by a script of its own (src/tools/build.ts). */
const EARLY = Symbol.for('wemu.memory');
const place = globalThis as { [EARLY]?: WebAssembly.Memory | undefined };

/** What to tell of the RangeError with which the functions below answer when the system has not so much address space. */
export const NO_ADDRESS_SPACE =
  'cannot reserve 4 GiB of address space for the guest; check the limit of virtual memory (ulimit -v)';

/** A new memory, all zero. Throws RangeError. */
export function newMemory(): WebAssembly.Memory {
  const memory = place[EARLY] ?? makeMemory();
  place[EARLY] = undefined;
  return memory;
}

/**
 * Makes the memory that the next call of `newMemory` returns. The engine takes its 4 GiB for that much allocated and collects
 * garbage at once: half a millisecond while the heap is empty, ten once our code and tables are in it.
 * Throws RangeError.
 */
export function makeMemoryEarly(): void {
  place[EARLY] ??= makeMemory();
  // It is the buffer that counts.
  place[EARLY].buffer;
}
