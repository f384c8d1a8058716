// What the execution loop needs of guest memory; `GuestMemory` provides it, tests may bring their own.

/** Guest memory as seen by translator, interpreter and invalidation. Addresses are guest addresses, 0 to 2^32 - 1. */
export interface CodeMemory {
  readonly memory: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly view: DataView;
  /** From STATE_BASE on. */
  readonly stateView: DataView;
  checkRead(address: number, length: number): boolean;
  checkWrite(address: number, length: number): boolean;
  /** `checkWrite`, and no page in reach holds translated code. */
  checkWriteNoCode(address: number, length: number): boolean;
  /** Whether the byte may be executed. */
  canFetch(address: number): boolean;
  isMapped(address: number): boolean;
  /** Like `checkWrite`; pages with translations lose them first and become writable on the host. */
  prepareWrite(address: number, length: number): boolean;
  /** Write-protects a page on the host because code was translated from it. */
  protectCode(firstPage: number, lastPage?: number): void;
  unprotectCode(firstPage: number, lastPage?: number): void;
  /** What was found out about file pages may have changed: the guest has been in the kernel. */
  forgetPopulated(): void;
  /** Called before pages that hold translated code are written, unmapped or mapped anew. */
  onCodeWrite: (firstPage: number, lastPage: number) => void;
}
