// What the forward pass knows of each variable at the op it has reached: copies, possible bits, defining ops.
import type { Block, Op } from '../ir/block.ts';
import type { Label, Value, Variable } from '../ir/value.ts';

/**
 * Facts about variables by value id. Time is counted in ticks, one per write or branch, and goes on over blocks, so that
 * nothing must be cleared: a fact holds if it was recorded in the present stretch of code and what it speaks of has not been written
 * since. At a label with a single branch knowledge from before the branch is taken up again; the ticks between the branch
 * and the label are then a hole whose facts do not hold.
 */
export class Knowledge {
  private tick = 0;
  /** First tick whose facts hold. */
  private since = 0;
  private holeStart = 0;
  private holeEnd = 0;
  /** When all globals were last written at once (by a helper). */
  private globalsWritten = 0;

  private size = 0;
  /** When the fact about each variable was recorded: the tick of its last write. */
  private written: Int32Array = new Int32Array(0);
  /** The value it was copied from. */
  private source: (Value | null)[] = [];
  /** For i32: bits that may be set. */
  private mask: Int32Array = new Int32Array(0);
  /** The op that computed it. */
  private def: (Op | null)[] = [];

  /** Of a v128: the f32 or f64 in its lowest lane, and when it was put there. */
  private low: (Value | null)[] = [];
  private lowSince: Int32Array = new Int32Array(0);

  /** Per label: tick, `since`, `holeStart` and `holeEnd` at the last branch to it. */
  private atBranch: Int32Array = new Int32Array(0);
  private blockStart = 0;

  /** Begins a block: nothing is known. */
  begin(block: Block): void {
    const count = block.valueCount;
    if (this.size < count || this.tick > 0x3fffffff) {
      this.size = Math.max(256, count * 2);
      this.written = new Int32Array(this.size);
      this.mask = new Int32Array(this.size);
      this.source = new Array(this.size).fill(null);
      this.def = new Array(this.size).fill(null);
      this.low = new Array(this.size).fill(null);
      this.lowSince = new Int32Array(this.size);
      this.atBranch.fill(0);
      this.tick = 0;
      this.globalsWritten = 0;
    }
    if (this.atBranch.length < block.labelCount * 4) this.atBranch = new Int32Array(block.labelCount * 8);
    this.forget();
    this.blockStart = this.since;
  }

  /** Control may come from elsewhere: nothing is known any more. */
  forget(): void {
    this.since = ++this.tick;
    this.holeStart = 0;
    this.holeEnd = 0;
  }

  /** A branch to `label` is taken from here. */
  branch(label: Label): void {
    const at = label.id * 4;
    const cells = this.atBranch;
    cells[at] = ++this.tick;
    cells[at + 1] = this.since;
    cells[at + 2] = this.holeStart;
    cells[at + 3] = this.holeEnd;
  }

  /** Control comes to `label` by its only branch: what was known there is known again, if the branch was before. */
  resume(label: Label): void {
    const at = label.id * 4;
    const cells = this.atBranch;
    const branched = cells[at]!;
    if (branched < this.blockStart) {
      this.forget();
      return;
    }
    const since = cells[at + 1]!;
    const oldEnd = cells[at + 3]!;
    // Only one hole is kept: a second one costs the facts before the first.
    this.since = Math.max(oldEnd, since);
    this.holeStart = branched;
    this.holeEnd = ++this.tick;
  }

  /** All globals may have changed. */
  globalsLost(): void {
    this.globalsWritten = ++this.tick;
  }

  private holds(variable: Variable): boolean {
    const when = this.written[variable.id]!;
    return (
      when >= this.since &&
      !(when > this.holeStart && when < this.holeEnd) &&
      (variable.kind === 'temp' || when >= this.globalsWritten)
    );
  }

  /** Whether `variable` still has the value it had at tick `when`. */
  private unchanged(variable: Variable, when: number): boolean {
    return this.written[variable.id]! < when && (variable.kind === 'temp' || this.globalsWritten <= when);
  }

  /** The simplest value known to equal `value`: a constant, the variable it was copied from, or itself. */
  resolve(value: Value): Value {
    if (value.kind === 'const') return value;
    const source = this.source[value.id];
    if (!source || !this.holds(value)) return value;
    if (source.kind === 'const' || this.unchanged(source, this.written[value.id]!)) return source;
    return value;
  }

  /** Bits of an i32 that may be set. */
  maskOf(value: Value): number {
    if (value.kind === 'const') return typeof value.value === 'number' ? value.value : -1;
    return this.holds(value) ? this.mask[value.id]! : -1;
  }

  /** The op that computed `value`, if its operands still have the values they had. */
  definition(value: Value): Op | null {
    if (value.kind === 'const') return null;
    const op = this.def[value.id];
    if (!op || !this.holds(value)) return null;
    const when = this.written[value.id]!;
    const { a, b, c } = op;
    if (a !== null && a.kind !== 'const' && !this.unchanged(a, when)) return null;
    if (b !== null && b.kind !== 'const' && !this.unchanged(b, when)) return null;
    if (c !== null && c.kind !== 'const' && !this.unchanged(c, when)) return null;
    return op;
  }

  /** The f32 or f64 known to be in the lowest lane of a v128, or null. */
  lowLane(value: Value): Value | null {
    if (value.kind === 'const') return null;
    const lane = this.low[value.id];
    if (!lane || !this.holds(value)) return null;
    return lane.kind === 'const' || this.unchanged(lane, this.lowSince[value.id]!) ? lane : null;
  }

  /** `out`, just written, has `lane` in its lowest lane. */
  wroteLowLane(out: Variable, lane: Value): void {
    this.low[out.id] = lane;
    this.lowSince[out.id] = this.written[out.id]!;
  }

  /** `out` now has the result of `op`, of which the bits of `mask` may be set. */
  wrote(out: Variable, op: Op, mask: number): void {
    const { id } = out;
    this.written[id] = ++this.tick;
    this.source[id] = null;
    this.def[id] = op;
    this.mask[id] = mask;
    if (out.type === 'v128') this.low[id] = null;
  }

  /** `out` is now a copy of `source`, which is another variable or a constant. */
  copied(out: Variable, source: Value): void {
    const { id } = out;
    this.mask[id] = this.maskOf(source);
    if (out.type === 'v128') {
      this.low[id] = this.lowLane(source);
      if (source.kind !== 'const') this.lowSince[id] = this.lowSince[source.id]!;
    }
    this.written[id] = ++this.tick;
    this.def[id] = null;
    // A global is not replaced by the temporary it was set from: that would only keep the temporary alive for longer.
    this.source[id] = out.kind === 'global' && source.kind === 'temp' ? null : source;
  }
}
