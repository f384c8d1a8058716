// What code generation must know of its surroundings: the shared conventions of generated functions, engines and loop.

/**
 * Places and switches that are the same for every function generated for one CPU. A generated function has the wasm type
 * (env: i32) -> i32: it is given the address of the CPU state block and returns an `Exit`. It ends by tail calls through
 * the shared table, so the host stack does not grow.
 */
export interface CodegenLayout {
  /** Offsets from `env` of the header fields. */
  readonly pc: number;
  readonly poll: number;
  /** Offset from `env` of the jump cache: entries of two words, guest PC and table slot. */
  readonly jumpCache: number;
  /** log2 of the number of jump cache entries. */
  readonly jumpCacheBits: number;
}

/** Jump cache index of a guest PC; generated code computes the same. `bits` is log2 of the number of entries. */
export function jumpCacheIndex(pc: number, bits: number): number {
  return (pc ^ (pc >>> bits)) & ((1 << bits) - 1);
}

/** Words in a block's ring of recent indirect jump targets; a power of two. */
export const PROFILE_ENTRIES = 16;
