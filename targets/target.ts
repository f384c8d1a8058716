// The Guest interface: everything the execution loop and the tools may know of a guest CPU.
import type { Builder } from '../tcg/ir/builder.ts';
import type { HelperRow } from '../tcg/ir/helper-table.ts';
import type { StateLayout } from './state-layout.ts';

/** What a translator may ask of memory while it reads code. */
export interface CodeSource {
  /** All 4 GiB of guest memory; read only what `canFetch` allows. */
  readonly bytes: Uint8Array;
  /** Whether the page holding `address` may be read as code. */
  canFetch(address: number): boolean;
  /** Whether there is a page at all. */
  isMapped(address: number): boolean;
}

/** One request to translate the straight run of guest code at `pc`. */
export interface TranslateRequest {
  readonly builder: Builder;
  readonly code: CodeSource;
  readonly pc: number;
  /** The part of CPU state the translation may take for granted, as `Guest.blockFlags` returned it. */
  readonly flags: number;
  /**
   * What the predecessor in the same region left behind, in the guest's own numbering (x86: the kind of the lazily kept
   * flags); -1 when nothing is known.
   */
  readonly context: number;
  /** Stop after this many guest instructions. */
  readonly maxInsns: number;
  /** Stop before an instruction at which somebody else's block starts (end of the neighbourhood), or -1. */
  readonly stopAt: number;
  /** If given, `cold` ops leave the block where they would call, but for those of the instruction at this address. */
  readonly coldAt?: number;
  /** What the guest checks of its state in each block (`Guest.checkEntry`) was checked where control came from. */
  readonly checked?: boolean;
}

/** What came of a request. The builder's block ends with `goto_tb`, `goto_ptr` or `exit_tb` on every path. */
export interface TranslatedBlock {
  /** Address behind the last byte that was translated. */
  readonly end: number;
  /** PC of the instruction there, as the guest's calls leave it in return addresses (ARM: bit 0 says Thumb). */
  readonly next: number;
  readonly insnCount: number;
  /** The translation is only good for predecessors that leave the same context. */
  readonly usedContext: boolean;
  /** The context left behind at each way out, in the order of the `goto_tb` ops. */
  readonly exitContexts: readonly number[];
  /** With `checked`: the translation relies on that. */
  readonly needsCheck?: boolean;
  /** It changes what is checked, so that other translations behind it may not take it for checked. */
  readonly undoesCheck?: boolean;
  /** Name of an instruction that is known but not translated yet; the guest gets its undefined-instruction exception. */
  readonly unimplemented: string | null;
  /** The address that cannot be fetched, when that is all there is to say about the first instruction; else -1. */
  readonly fetchFault: number;
}

/** Thrown by a helper to raise a guest exception; the execution loop finds the precise state. */
export class GuestException extends Error {
  constructor(
    readonly exception: number,
    readonly errorCode = 0,
    readonly address = 0,
  ) {
    super(`guest exception ${exception}`);
  }
}

/** What helpers written in TypeScript are given to work with. */
export interface HelperPort {
  /** All of the shared memory, CPU state included. */
  readonly view: DataView;
  /** Whether `length` guest bytes at `address` may be read. */
  canRead(address: number, length: number): boolean;
  /** The same for writing, without disturbing any translation: false also where code was translated from. */
  canWrite(address: number, length: number): boolean;
  /** Whether the bytes may be written; translations made from them are dropped, so the block must end behind the call. */
  prepareWrite(address: number, length: number): boolean;
  /** Whether there is a page at all. */
  isMapped(address: number): boolean;
  /** Nanoseconds since some moment, never going back; for time stamp counters. */
  clock(): number;
  /** Names something the guest asked for that is not there, once, where the user asks for such messages. */
  unimplemented?(what: string): void;
}

export type HelperFunction = (env: number, ...args: never[]) => number | bigint | undefined;

/** How a guest access failed, for `Guest.describeFault`. */
export interface AccessFault {
  readonly address: number;
  readonly kind: 'read' | 'write' | 'fetch';
  /** The page is mapped, only not for this. */
  readonly mapped: boolean;
  /** The access was misaligned where alignment is required: its size in bytes, else 0. */
  readonly misaligned?: number;
  /** The access goes on behind the last byte of the 4 GiB. */
  readonly wraps?: boolean;
}

/** A guest CPU. Stateless: all state is in the CPU state block, so several can live in one process. */
export interface Guest {
  readonly name: string;
  readonly bigEndian: boolean;
  readonly layout: StateLayout;
  /** Names of the models `-cpu` accepts, first the default. */
  readonly models: readonly { readonly name: string; readonly text: string }[];
  /** What `-cpu help` prints, where a list of the models is not all. */
  modelHelp?(): string;
  /** What is to be said about an argument of `-cpu` before it is used. Throws UserError for what cannot be used. */
  modelWarnings?(option: string): readonly string[];
  /**
   * Puts CPU state into the state a fresh user process sees. `model` is a name of `models`, with properties behind it where
   * the guest knows some. Throws UserError for an unknown one.
   */
  reset(view: DataView, env: number, model: string): void;
  /** The state that selects among translations of the same address. */
  blockFlags(view: DataView, env: number): number;
  translate(request: TranslateRequest): TranslatedBlock;
  /**
   * Emits what looks at state that translations for `flags` rely on beyond the flags themselves, and leaves for the execution
   * loop, with the PC given, where it is not so. Absent: there is none.
   */
  checkEntry?(builder: Builder, flags: number, pc: number): void;
  /** No instruction writes a global before a `cold` op of its own: it can be begun anew there. */
  readonly restartsAtCold?: boolean;
  /** The helper functions in TypeScript, by row name. */
  helpers(port: HelperPort): Record<string, HelperFunction>;
  /** Helper modules in WebAssembly by the name rows give in `module`; instantiated on first use. */
  readonly helperModules: Record<string, (memory: WebAssembly.Memory) => Record<string, unknown>>;
  /** Turns a failed access into the guest's exception; CPU state is that of the instruction that made it. */
  describeFault(fault: AccessFault, view?: DataView, env?: number): GuestException;
  /** Registers as text, one dump as `-d cpu` prints it. */
  dump(view: DataView, env: number): string;
  /** Registers that lockstep compares: name and value, flags computed. */
  registers(view: DataView, env: number): [name: string, value: number][];
  /** The address of the instruction that a PC names, where the PC says more than that (ARM: bit 0 means Thumb). */
  codeAddress?(pc: number): number;
  /** Disassembly of one instruction: text and length in bytes (at least 1). */
  disassemble(bytes: Uint8Array, pc: number): { text: string; length: number };
  /** The encoding row an instruction decodes to, as text; for `explain`. */
  describeRow?(bytes: Uint8Array, pc: number): string;
}

/**
 * How a helper module gives TypeScript a helper with vectors or floats in its signature: under this name, as a function of
 * the address of CPU state, the address of 16-byte boxes and the other arguments. The boxes hold the vectors and floats in
 * order; such a result is put into the first.
 */
export function boxedName(name: string): string {
  return `${name}_boxed`;
}

export type { HelperRow };
