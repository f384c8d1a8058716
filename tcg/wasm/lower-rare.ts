// Prepares code that runs only sometimes: which values it may compute itself, and which are to be computed in front of it.
import { OPS } from '../ir/ops.ts';
import { Const, type Value } from '../ir/value.ts';
import { Locals } from './lower-locals.ts';
import { C_PURE, CLASS, PENDING, SPENT } from './lower-runs.ts';

/** In place of a version number: the operand is a constant. */
export const CONST_REF = -1;
const OR_I32 = OPS.or_i32.code;

/** The part of the lowering that delays values into such code. Its tables are kept from block to block. */
export abstract class RareCode extends Locals {
  private readonly alternatives: number[] = [];
  /** Versions that the code under preparation needs, and how often. */
  private readonly inner: number[] = [];
  private readonly innerUses: number[] = [];

  /** Computes a version that is still pending. */
  protected abstract settlePending(version: number): void;

  /**
   * Takes the operand `value` apart into alternatives, of which any makes it not 0, and prepares these and `more` to be put
   * on the stack in this order in code that runs only sometimes: what other code needs too is computed now.
   */
  splitRare(value: Value, more: Value): readonly number[] {
    const alternatives = this.alternatives;
    alternatives.length = 0;
    const parts = value instanceof Const ? [] : [this.current[value.id]!];
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const or = part < this.first && this.place[part] === PENDING && this.left[part] === 1 ? this.ops[part]! : null;
      if (or === null || or.row.code !== OR_I32 || this.refA[part] === CONST_REF || this.refB[part] === CONST_REF) {
        alternatives.push(part);
        continue;
      }
      this.left[part] = 0;
      this.place[part] = SPENT;
      parts.push(this.refB[part]!, this.refA[part]!);
    }
    for (let k = 0; k < alternatives.length; k++) this.settleShared(alternatives[k]!);
    if (!(more instanceof Const)) this.settleShared(this.current[more.id]!);
    return alternatives;
  }

  /** Prepares a value to be put on the stack once, in code that runs only sometimes. */
  delayValue(value: Value): void {
    if (!(value instanceof Const)) this.settleShared(this.current[value.id]!);
  }

  /** Computes those of the values a version hangs on, or the version itself, that are needed for anything else. */
  private settleShared(root: number): void {
    const { inner, innerUses, ops, place, left } = this;
    inner.length = innerUses.length = 0;
    this.noteInner(root);
    while (inner.length > 0) {
      // The latest first: all its uses for the root are known by then.
      let k = 0;
      for (let j = 1; j < inner.length; j++) if (inner[j]! > inner[k]!) k = j;
      const version = inner[k]!;
      const uses = innerUses[k]!;
      inner[k] = inner[inner.length - 1]!;
      innerUses[k] = innerUses[inner.length - 1]!;
      inner.length = --innerUses.length;
      if (place[version] !== PENDING) continue;
      if (version >= this.first || left[version]! > uses || CLASS[ops[version]!.row.code] !== C_PURE) {
        this.settlePending(version);
        continue;
      }
      const op = ops[version]!;
      if (op.a !== null) this.noteInner(this.refA[version]!);
      if (op.b !== null) this.noteInner(this.refB[version]!);
      if (op.c !== null) this.noteInner(this.refC[version]!);
    }
  }

  private noteInner(version: number): void {
    if (version === CONST_REF) return;
    const at = this.inner.indexOf(version);
    if (at >= 0) this.innerUses[at]!++;
    else {
      this.inner.push(version);
      this.innerUses.push(1);
    }
  }
}
