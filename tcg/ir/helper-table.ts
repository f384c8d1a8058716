// The form of a helper row: signature and the effects that optimiser and code generator rely on.
import type { Type } from './types.ts';

/**
 * One helper: a function beside its guest that generated code calls. Its first argument is always the address of the CPU
 * state block (i32); the row lists the others. The effects are a contract: what a row does not admit, the helper must not do.
 */
export interface HelperRow {
  readonly name: string;
  readonly args: readonly Type[];
  readonly result: Type | null;
  /** It reads guest registers that are IR globals: they are stored to CPU state before the call. */
  readonly readsGlobals?: boolean;
  /** It writes guest registers that are IR globals: they are loaded again after the call. */
  readonly writesGlobals?: boolean;
  /** It changes CPU state outside the globals or guest memory: it cannot be run twice for one instruction. */
  readonly sideEffects?: boolean;
  /**
   * It sets bits in CPU state outside the globals that nothing but the guest clears, such as sticky exception flags: running
   * it twice for one instruction does no harm, leaving it out does.
   */
  readonly accumulates?: boolean;
  /** It may leave by a guest exception or touch guest memory: CPU state must be precise at the start of its instruction. */
  readonly raises?: boolean;
  /** Which wasm helper module implements it (instantiated on the same memory, called wasm to wasm); absent: TypeScript. */
  readonly module?: string;
}
