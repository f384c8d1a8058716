// Checks that a block is well-formed IR; tests and `-d` run it after every pass.
import { type Block, callsHelper, type Op } from './block.ts';
import type { ImmKind, OpRow } from './ops.ts';
import { printBlock, printOp } from './print.ts';
import { COND_NAMES, MO_32, MO_BE, MO_RMW, MO_SIGN, MO_SIZE, type Type } from './types.ts';
import type { Value } from './value.ts';

/** What a caller may allow. */
export interface VerifyOptions {
  /** Ops behind one that ends a run, up to the next label: translators may leave them, passes may not. */
  readonly allowUnreachable?: boolean;
}

/**
 * Everything that is wrong with the block, one sentence each, beginning with the number of the op (from 0) and its text.
 * Empty when the block is well-formed.
 */
export function verify(block: Block, options: VerifyOptions = {}): string[] {
  return new Verifier(block, options).run();
}

/** Throws an Error with all that is wrong and the block printed; `where` says who made it so. */
export function assertValid(block: Block, where: string, options: VerifyOptions = {}): void {
  const errors = verify(block, options);
  if (errors.length > 0) throw new Error(`invalid IR ${where}:\n${errors.join('\n')}\n${printBlock(block)}`);
}

/** The lane widths ops allow, where they are not all of 8 16 32 64. */
const LANES: Readonly<Record<string, readonly number[]>> = {
  splat_i32: [8, 16, 32],
  lane_i32: [8, 16, 32],
  setlane_i32: [8, 16, 32],
  mul_vec: [16, 32, 64],
  mins_vec: [8, 16, 32],
  minu_vec: [8, 16, 32],
  maxs_vec: [8, 16, 32],
  maxu_vec: [8, 16, 32],
  addsats_vec: [8, 16],
  addsatu_vec: [8, 16],
  subsats_vec: [8, 16],
  subsatu_vec: [8, 16],
  avgu_vec: [8, 16],
  narrows_vec: [16, 32],
  narrowu_vec: [16, 32],
  widens_vec: [8, 16, 32],
  widenu_vec: [8, 16, 32],
  mulwides_vec: [8, 16, 32],
  mulwideu_vec: [8, 16, 32],
  addpairs_vec: [8, 16],
  addpairu_vec: [8, 16],
};
const ALL_LANES = [8, 16, 32, 64];
const FLOAT_LANES = [32, 64];

/** The lane widths (in bits) an op with a `lane` immediate allows. */
export function lanesOf(row: OpRow): readonly number[] {
  return LANES[row.name] ?? (/^f[a-z]+_vec$/.test(row.name) ? FLOAT_LANES : ALL_LANES);
}

/** How many conditions an op with a `cond` immediate allows: 6 for floats, 10 (no `tst`) for lanes, else 12. */
export function condCount(row: OpRow, lane: number): number {
  if (row.name === 'cmp_vec') return lane === 64 ? 6 : 10;
  return row.name === 'fcmp_vec' || row.ins[0] === 'f32' || row.ins[0] === 'f64' ? 6 : COND_NAMES.length;
}

/** log2 of the largest access of each type, and whether smaller ones exist. */
const ACCESS: Readonly<Record<Type, { readonly log: number; readonly narrow: boolean }>> = {
  i32: { log: 2, narrow: true },
  i64: { log: 3, narrow: true },
  f32: { log: 2, narrow: false },
  f64: { log: 3, narrow: false },
  v128: { log: 4, narrow: true },
};

/** Whether a `memop` immediate fits an op that accesses a value of `type`. */
export function memOpFits(row: OpRow, type: Type, memOp: number): boolean {
  if (!Number.isInteger(memOp) || memOp < 0 || memOp > 127) return false;
  const { log, narrow } = ACCESS[type];
  const size = memOp & MO_SIZE;
  if (narrow && !row.name.endsWith('cas_i64') ? size > log : size !== log) return false;
  // A part of a vector is 32 or 64 bits, low byte first.
  if (type === 'v128' && size < log && (size < MO_32 || memOp & MO_BE)) return false;
  if (memOp & MO_RMW && !row.name.startsWith('guest_ld')) return false;
  const extends_ = row.name.startsWith('guest_ld_i') || row.name.startsWith('env_ld_i');
  return (memOp & MO_SIGN) === 0 || (extends_ && size < log);
}

class Verifier {
  private readonly errors: string[] = [];
  private readonly placed: number[] = [];
  private readonly branches: number[] = [];

  constructor(
    private readonly block: Block,
    private readonly options: VerifyOptions,
  ) {}

  run(): string[] {
    const { ops } = this.block;
    ops.forEach((op, index) => {
      this.operands(op, index);
      this.immediates(op, index);
      this.labels(op, index);
      this.sync(op, index);
      const previous = ops[index - 1];
      if (previous?.row.flags.ends && op.row.name !== 'label' && !this.options.allowUnreachable) {
        this.error(index, 'is behind an op that ends the run and is not a label');
      }
    });
    ops.forEach((op, index) => {
      if (op.label !== null && op.row.name !== 'label' && this.placed[op.label.id] === undefined) {
        this.error(index, `goes to L${op.label.id}, which is not placed`);
      }
      if (op.row.name === 'label' && op.label !== null && op.label.uses !== (this.branches[op.label.id] ?? 0)) {
        this.error(index, `has ${this.branches[op.label.id] ?? 0} branches but says ${op.label.uses}`);
      }
    });
    if (this.errors.length === 0) this.flow();
    return this.errors;
  }

  private error(index: number, text: string): void {
    const op = this.block.ops[index];
    const where = op ? `op ${index} (${printOp(op, this.block.globals.length)})` : 'the block';
    this.errors.push(`${where} ${text}`);
  }

  private value(index: number, value: Value | null, type: Type, role: string): void {
    if (value === null) {
      this.error(index, `lacks ${role}`);
      return;
    }
    if (value.type !== type) this.error(index, `has ${role} of type ${value.type}, not ${type}`);
    if (value.kind === 'const') {
      if (!constFits(value.type, value.value)) this.error(index, `has a malformed constant as ${role}`);
      return;
    }
    const globalCount = this.block.globals.length;
    if (value.kind === 'global') {
      if (this.block.globals[value.id] !== value) this.error(index, `has a global of another guest as ${role}`);
    } else if (value.id < globalCount || value.id >= this.block.valueCount) {
      this.error(index, `has a temporary of another block as ${role}`);
    }
  }

  private operands(op: Op, index: number): void {
    const { row } = op;
    const values = [op.a, op.b, op.c];
    const call = callsHelper(row);
    values.forEach((value, i) => {
      const type = row.ins[i];
      if (type !== undefined) this.value(index, value, type, `operand ${'abc'[i]}`);
      else if (value !== null) this.error(index, `has an operand ${'abc'[i]} too many`);
    });
    if (row.name === 'shuffle_v128') {
      if (op.c?.kind !== 'const') this.error(index, 'needs a constant as operand c');
      else if ((op.c.value as Uint8Array).some((byte) => byte > 31)) this.error(index, 'picks a byte above 31');
    }
    if (!call) {
      if (op.helper !== null || op.args !== null) this.error(index, 'has a helper but is no call');
      if (row.out !== null) this.value(index, op.out, row.out, 'result');
      else if (op.out !== null) this.error(index, 'has a result but its row has none');
      return;
    }
    const { helper, args } = op;
    if (helper === null || args === null) {
      this.error(index, 'calls no helper');
      return;
    }
    if (args.length !== helper.args.length) this.error(index, `has ${args.length} arguments for ${helper.args.length}`);
    helper.args.forEach((type, i) => {
      if (type === 'v128' && helper.module === undefined)
        this.error(index, 'passes a vector, which the host cannot take');
      if (i < args.length) this.value(index, args[i]!, type, `argument ${i + 1}`);
    });
    if (helper.result === 'v128' && helper.module === undefined)
      this.error(index, 'returns a vector, which the host cannot give');
    if (row.out !== null) {
      if (helper.result !== row.out) this.error(index, `calls ${helper.name}, which does not return ${row.out}`);
      const { readsGlobals, writesGlobals, sideEffects, raises } = helper;
      if (readsGlobals || writesGlobals || sideEffects || raises)
        this.error(index, `calls ${helper.name}, which has effects`);
      if (op.out === null) this.error(index, 'lacks a result');
    }
    if (op.out !== null) {
      if (helper.result === null) this.error(index, `has a result but helper ${helper.name} has none`);
      else this.value(index, op.out, helper.result, 'result');
    }
  }

  private immediates(op: Op, index: number): void {
    const { row } = op;
    this.imm(op, index, row.imm, op.imm, 'imm');
    this.imm(op, index, row.imm2, op.imm2, 'imm2');
    if (row.imm === 'bits' && (op.imm2 < 1 || op.imm + op.imm2 > 32)) this.error(index, 'has no such bits');
  }

  private imm(op: Op, index: number, kind: ImmKind | null, imm: number, role: string): void {
    if (!this.immFits(op, kind, imm)) this.error(index, `has ${role} ${imm}, no valid ${kind ?? 'immediate'}`);
  }

  private immFits(op: Op, kind: ImmKind | null, imm: number): boolean {
    const { row } = op;
    const between = (least: number, most: number) => Number.isInteger(imm) && imm >= least && imm <= most;
    switch (kind) {
      case null:
        return imm === 0;
      case 'cond':
        return between(0, condCount(row, op.imm) - 1);
      case 'memop':
        return memOpFits(row, (row.out ?? row.ins[row.ins.length - 1]) as Type, imm);
      case 'offset':
        return between(0, 0xffffff);
      case 'pc':
        return between(0, 0xffffffff);
      case 'exit':
        return between(0, 3);
      case 'bits':
        return between(0, 32);
      case 'lane':
        return lanesOf(row).includes(imm);
      case 'index':
        return between(0, 128 / (row.imm === 'lane' ? op.imm : /32$/.test(row.name) ? 32 : 64) - 1);
      case 'half':
        return between(0, 1);
      case 'fpround':
        return between(0, 3);
      case 'word':
        return between(-0x80000000, 0xffffffff);
      case 'jump':
        return between(0, 2);
    }
  }

  private labels(op: Op, index: number): void {
    const { name } = op.row;
    const needs = name === 'label' || name === 'br' || name.startsWith('brcond');
    if (!needs) {
      if (op.label !== null) this.error(index, 'has a label but goes nowhere');
      return;
    }
    if (op.label === null) {
      this.error(index, 'lacks a label');
      return;
    }
    const { id } = op.label;
    if (id < 0 || id >= this.block.labelCount) this.error(index, `has label L${id} of another block`);
    if (name !== 'label') this.branches[id] = (this.branches[id] ?? 0) + 1;
    else if (this.placed[id] !== undefined)
      this.error(index, `is placed a second time (first at op ${this.placed[id]})`);
    else this.placed[id] = index;
  }

  private sync(op: Op, index: number): void {
    for (const global of op.sync ?? []) {
      if (this.block.globals[global.id] !== global) this.error(index, `stores ${global.name}, no global of this guest`);
    }
  }

  /**
   * Follows every path: temporaries must be written before they are read, and control must not run off the end. A forward
   * data-flow problem: the set of written temporaries at a label is the intersection over all ways there.
   */
  private flow(): void {
    const { ops } = this.block;
    const words = (this.block.valueCount + 31) >> 5;
    const atLabel: (Int32Array | null)[] = new Array(this.block.labelCount).fill(null);
    const reported = new Set<string>();
    let changed = true;
    const meet = (id: number, written: Int32Array): void => {
      const old = atLabel[id];
      if (!old) {
        atLabel[id] = written.slice();
        changed = true;
        return;
      }
      for (let i = 0; i < words; i++) {
        const both = old[i]! & written[i]!;
        if (both !== old[i]) changed = true;
        old[i] = both;
      }
    };
    while (changed) {
      changed = false;
      reported.clear();
      let written: Int32Array | null = new Int32Array(words);
      for (let index = 0; index < ops.length; index++) {
        const op = ops[index]!;
        if (op.row.name === 'label') {
          const { id } = op.label!;
          if (written !== null) meet(id, written);
          written = atLabel[id] ? atLabel[id]!.slice() : null;
          continue;
        }
        if (written === null) continue;
        const now: Int32Array = written;
        for (const value of [op.a, op.b, op.c, ...(op.args ?? [])]) {
          if (value?.kind === 'temp' && !(now[value.id >> 5]! & (1 << (value.id & 31)))) {
            reported.add(`${index} t${value.id - this.block.globals.length} may be read before it is written`);
          }
        }
        if (op.out !== null) now[op.out.id >> 5]! |= 1 << (op.out.id & 31);
        if (op.label !== null) meet(op.label.id, now);
        if (op.row.flags.ends) written = null;
      }
      if (written !== null) reported.add(`${ops.length} can run off its end`);
    }
    for (const text of reported) {
      const space = text.indexOf(' ');
      const temp = text.slice(space + 1);
      this.error(Number(text.slice(0, space)), temp.startsWith('t') ? `has ${temp}` : temp);
    }
  }
}

/** Whether a constant is in the form `Const` asks for. */
function constFits(type: Type, value: unknown): boolean {
  switch (type) {
    case 'i32':
      return typeof value === 'number' && (value | 0) === value;
    case 'i64':
      return typeof value === 'bigint' && BigInt.asIntN(64, value) === value;
    case 'f32':
      return typeof value === 'number' && Object.is(Math.fround(value), value) && !Number.isNaN(value);
    case 'f64':
      return typeof value === 'number' && !Number.isNaN(value);
    case 'v128':
      return value instanceof Uint8Array && value.length === 16;
  }
}
