// The container of IR: ops in order, with the temporaries and labels they use.
import type { HelperRow } from './helper-table.ts';
import type { OpName, OpRow } from './ops.ts';
import { OPS } from './ops.ts';
import type { Type } from './types.ts';
import { type Global, Label, Temp, type Value, type Variable } from './value.ts';

/**
 * One op. All ops have the same shape so that passes stay fast; unused fields are null or 0. Fields are declared, not
 * defined: thousands of ops are made before the engine compiles anything, and defining fields would double what one costs.
 */
export class Op {
  /**
   * Globals to store to CPU state before this op (set by the state-sync pass). Not null on an `insn_start` means that
   * CPU state becomes precise here: the PC is stored too and a fault further on replays from this instruction.
   */
  declare sync: readonly Global[] | null;
  declare row: OpRow<OpName>;
  declare out: Variable | null;
  declare a: Value | null;
  declare b: Value | null;
  declare c: Value | null;
  declare imm: number;
  declare imm2: number;
  /** Target of `br` and `brcond`, place of `label`. */
  declare label: Label | null;
  /** The function of `call` and `cold`. */
  declare helper: HelperRow | null;
  /** The arguments of `call` and `cold`. */
  declare args: readonly Value[] | null;

  constructor(
    row: OpRow<OpName>,
    out: Variable | null,
    a: Value | null,
    b: Value | null,
    c: Value | null,
    imm: number,
    imm2: number,
    label: Label | null,
    helper: HelperRow | null,
    args: readonly Value[] | null,
  ) {
    this.sync = null;
    this.row = row;
    this.out = out;
    this.a = a;
    this.b = b;
    this.c = c;
    this.imm = imm;
    this.imm2 = imm2;
    this.label = label;
    this.helper = helper;
    this.args = args;
  }
}

const NO_ARGS: readonly Value[] = [];

/** Whether ops of a row have a helper and arguments: `call`, and the `cold` ops, which call theirs under a condition. */
export function callsHelper({ name }: OpRow): boolean {
  return name === 'call' || name.startsWith('cold_');
}

/**
 * A block of IR: one translation block, or several joined by labels into a region. Control enters at the first op and
 * leaves by `goto_tb`, `goto_ptr`, `exit_tb`, `poll` or an exception; it never runs off the end.
 */
export class Block {
  ops: Op[] = [];
  /** Number of value ids in use: globals first, then temporaries. */
  valueCount: number;
  labelCount = 0;

  constructor(
    /** Guest address of the entry. */
    readonly pc: number,
    readonly globals: readonly Global[],
  ) {
    this.valueCount = globals.length;
  }

  /** A fresh temporary. */
  temp(type: Type): Temp {
    return new Temp(type, this.valueCount++);
  }

  /** A fresh label; place it with a `label` op. */
  label(): Label {
    return new Label(this.labelCount++);
  }
}

/** Builds an op without going through the builder's folding; passes and the parser use it. */
export function makeOp(
  name: OpName,
  out: Variable | null,
  a: Value | null = null,
  b: Value | null = null,
  c: Value | null = null,
  imm = 0,
  imm2 = 0,
): Op {
  return new Op(OPS[name], out, a, b, c, imm, imm2, null, null, callsHelper(OPS[name]) ? NO_ARGS : null);
}
