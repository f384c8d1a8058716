// The part of an ABI that signals need: exceptions as signals, frames on the guest's stack, repeating a system call.

import type { GuestMemory } from '../../src/memory/guest-memory.ts';
import type { CpuException } from '../cpu.ts';
import type { SigInfo } from '../siginfo.ts';

/** An alternate signal stack as sigaltstack(2) has it; size 0: none. */
export interface AltStack {
  readonly sp: number;
  readonly flags: number;
  readonly size: number;
}

/** What the last fault left behind; frames show it (x86: trapno, err, cr2). */
export interface TrapState {
  number: number;
  errorCode: number;
  address: number;
}

/** Everything that goes into one frame. */
export interface Delivery {
  readonly info: SigInfo;
  readonly handler: number;
  /** SA_* flags of the action. */
  readonly flags: number;
  /** sa_restorer; counts when `flags` has SA_RESTORER. */
  readonly restorer: number;
  /** The mask to come back to: signals 1-32 and 33-64. */
  readonly maskLow: number;
  readonly maskHigh: number;
  /** Where the frame goes below: the guest's stack pointer, or the end of the alternate stack. */
  readonly stackTop: number;
  readonly altStack: AltStack;
  readonly trap: Readonly<TrapState>;
  /** Address of a page with the ABI's code for returning, for actions without a restorer; makes it on first use. */
  readonly trampoline: () => number;
}

/** What a frame says beside the registers, which are back in CPU state. */
export interface RestoredFrame {
  readonly maskLow: number;
  readonly maskHigh: number;
  /** Only frames of SA_SIGINFO handlers have it. */
  readonly altStack: AltStack | null;
}

export interface SignalAbi {
  /** The exception by which the guest asks for a system call. */
  readonly syscallVector: number;
  /** The signal an exception becomes, or null where the kernel does nothing. Sets `trap`. */
  exceptionToSignal(memory: GuestMemory, env: number, exit: CpuException, trap: TrapState): SigInfo | null;
  programCounter(memory: GuestMemory, env: number): number;
  stackPointer(memory: GuestMemory, env: number): number;
  /** Builds a frame and points the CPU at the handler. False when the stack cannot be written. */
  pushFrame(memory: GuestMemory, env: number, delivery: Delivery): boolean;
  /** Takes back what a frame saved; null when it cannot be read or holds what no program may load. */
  popFrame(memory: GuestMemory, env: number, siginfoFrame: boolean): RestoredFrame | null;
  /** Moves the PC back onto the system call instruction; its registers still hold number and arguments. */
  restartSyscall(memory: GuestMemory, env: number): void;
  /** Code of the page that `Delivery.trampoline` makes. */
  readonly trampolineCode: Uint8Array;
}
