// What the process loop needs of a guest CPU; src/exec provides it.

/** Why `run` returned. Exception numbers, error codes and addresses are the guest CPU's own. */
export type CpuExit =
  | { readonly kind: 'exception'; readonly vector: number; readonly errorCode: number; readonly address: number }
  | { readonly kind: 'poll' }
  | { readonly kind: 'trapped' };

/** An exception that is dealt with without leaving `run`. */
export interface Trap {
  readonly vector: number;
  /** Deals with it. False: `run` has to return, with the exit `trapped`. */
  handle(): boolean;
}

export type CpuException = Extract<CpuExit, { kind: 'exception' }>;

export interface GuestCpu {
  /** Guest address of the CPU state block. */
  readonly env: number;
  /** Runs guest code until something needs the caller: an exception or a set poll word. `trap` may be left to it, too. */
  run(trap: Trap | null): CpuExit;
  getPc(): number;
  setPc(pc: number): void;
}
