// What the process loop needs of a guest CPU; src/exec provides it.

/** Why `run` returned. Exception numbers, error codes and addresses are the guest CPU's own. */
export type CpuExit =
  | { readonly kind: 'exception'; readonly vector: number; readonly errorCode: number; readonly address: number }
  | { readonly kind: 'poll' };

export type CpuException = Extract<CpuExit, { kind: 'exception' }>;

export interface GuestCpu {
  /** Guest address of the CPU state block. */
  readonly env: number;
  /** Runs guest code until something needs the caller: an exception (system calls included) or a set poll word. */
  run(): CpuExit;
  getPc(): number;
  setPc(pc: number): void;
}
