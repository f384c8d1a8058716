// Declares a guest's CPU state once: named fields in order, from which come offsets, IR globals and register dumps.
import type { Type } from '../tcg/ir/types.ts';
import { Global } from '../tcg/ir/value.ts';

/** One field of CPU state. */
export interface StateField {
  readonly name: string;
  /** Byte offset from the start of the block; ascending and naturally aligned. */
  readonly offset: number;
  /** Size in bytes of one element. */
  readonly size: number;
  /** Number of elements; 1 for a plain field. */
  readonly count: number;
  /** The IR global standing for it, when it is one. */
  readonly global: Type | null;
}

/**
 * Builds a layout field by field. Every guest starts with the same header (PC, poll word, exception record), which
 * generated code and the execution loop use without knowing the guest.
 */
export class StateLayout {
  readonly fields: StateField[] = [];
  readonly globals: Global[] = [];
  private next = 0;

  /** Bytes used so far. */
  get size(): number {
    return this.next;
  }

  /** Adds `count` elements of `size` bytes; returns the offset. */
  field(name: string, size = 4, count = 1, align = Math.min(size, 16)): number {
    const offset = Math.ceil(this.next / align) * align;
    this.fields.push({ name, offset, size, count, global: null });
    this.next = offset + size * count;
    return offset;
  }

  /** Adds a field that is an IR global. */
  global(name: string, type: Type = 'i32'): Global {
    const size = type === 'v128' ? 16 : type === 'i64' || type === 'f64' ? 8 : 4;
    const offset = Math.ceil(this.next / size) * size;
    this.fields.push({ name, offset, size, count: 1, global: type });
    this.next = offset + size;
    const global = new Global(type, this.globals.length, name, offset);
    this.globals.push(global);
    return global;
  }

  /** Continues at a fixed offset, for parts whose place others rely on. */
  skipTo(offset: number): void {
    if (offset < this.next) throw new Error(`CPU state: offset ${offset} is already in use (next free ${this.next})`);
    this.next = offset;
  }
}

/** The header every guest's CPU state begins with. Offsets in bytes; all fields are 32 bits. */
export const HEADER = {
  /** Guest PC, exact whenever generated code is not running. */
  pc: 0,
  /** Not 0: leave generated code at the next poll. Set by signal handlers and other threads. */
  poll: 4,
  /** Exception number of the guest's own numbering, when an exit says EXCEPTION. */
  exception: 8,
  errorCode: 12,
  /** Faulting address of memory exceptions. */
  faultAddress: 16,
  /** Two words in which the signal trampoline collects signals 1-64. */
  pendingSignals: 20,
  pendingSignalsHigh: 24,
  /** Written by loops that poll, read by nobody: keeps the engine from loading the poll word only once. */
  pollScratch: 28,
} as const;

/** First byte after the header. */
export const HEADER_SIZE = 32;
