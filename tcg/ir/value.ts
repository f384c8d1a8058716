// IR values: guest-register globals, temporaries, constants and labels.
import type { Type } from './types.ts';

/** A guest register (or lazily kept flag word): a name for a field of CPU state. One object per guest, shared by all blocks. */
export class Global {
  readonly kind = 'global' as const;
  /**
   * Whether the ops of an instruction, as the translator makes them, show that it reads this: `ops` says they always do,
   * `hidden` that otherwise the word of its `insn_start` is not 0.
   */
  tracked: 'no' | 'ops' | 'hidden' = 'no';
  constructor(
    readonly type: Type,
    /** Index in the guest's global list; also its value id in every block. */
    readonly id: number,
    readonly name: string,
    /** Byte offset from the start of the CPU state block. */
    readonly offset: number,
  ) {}
}

/** A temporary of one block. It may be written more than once and its value does not outlive the block. */
export class Temp {
  declare readonly kind: 'temp';
  declare readonly type: Type;
  /** Value id, unique in the block, counted from the number of globals. */
  declare readonly id: number;

  constructor(type: Type, id: number) {
    this.type = type;
    this.id = id;
  }
}

/**
 * A constant. i32 constants are kept as signed 32-bit numbers, i64 as signed BigInt, floats as numbers (never NaN: build
 * those from bits with `reinterpret`), v128 as 16 bytes.
 */
export class Const {
  declare readonly kind: 'const';
  declare readonly type: Type;
  declare readonly value: number | bigint | Uint8Array;

  constructor(type: Type, value: number | bigint | Uint8Array) {
    this.type = type;
    this.value = value;
  }
}

// On the prototypes, and fields declared rather than defined: these objects are made by the thousand before the engine
// compiles anything, when each definition of a field costs as much as a call.
(Temp.prototype as { kind: 'temp' }).kind = 'temp';
(Const.prototype as { kind: 'const' }).kind = 'const';

export type Variable = Global | Temp;
export type Value = Variable | Const;

/** A place in a block that branches name. */
export class Label {
  /** How many branches name it; a label nobody names needs no code. */
  uses = 0;
  constructor(readonly id: number) {}
}

const SMALL_FIRST = -128;
const SMALL_LAST = 256;
const SMALL: Const[] = [];
for (let value = SMALL_FIRST; value <= SMALL_LAST; value++) SMALL.push(new Const('i32', value));

/** The i32 constant `value` (any number; wrapped to signed 32 bits). */
export function const32(value: number): Const {
  value |= 0;
  return value >= SMALL_FIRST && value <= SMALL_LAST ? SMALL[value - SMALL_FIRST]! : new Const('i32', value);
}

/** The i64 constant `value` (wrapped to signed 64 bits). */
export function const64(value: bigint): Const {
  return new Const('i64', BigInt.asIntN(64, value));
}
