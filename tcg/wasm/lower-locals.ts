// The locals of the function being lowered: which there are, of which types, and which may be used again.
import { RunAnalysis } from './lower-runs.ts';
import type { ValType } from './module-writer.ts';

/** The locals of one function at a time. Its tables are kept from block to block. */
export class Locals extends RunAnalysis {
  /** The number of the next new local; 0 is the parameter. */
  protected nextLocal = 1;
  protected localType = new Uint8Array(64);
  /** Homes of variables are never free. */
  protected localIsHome = new Uint8Array(64);
  /** Locals to use again, by type; the first `freeCount` of each list count. */
  private readonly freeLocals: number[][] = [[], [], [], [], []];
  private readonly freeCount = new Int32Array(5);

  protected beginLocals(): void {
    this.nextLocal = 1;
    this.freeCount.fill(0);
  }

  /** A local of the given type whose content nobody needs. */
  allocate(type: ValType): number {
    const free = this.freeCount[type]!;
    if (free === 0) return this.newLocal(type);
    this.freeCount[type] = free - 1;
    return this.freeLocals[type]![free - 1]!;
  }

  /** Gives back a local got from `allocate`; homes stay. */
  release(local: number): void {
    if (this.localIsHome[local] !== 0) return;
    const type = this.localType[local]!;
    this.freeLocals[type]![this.freeCount[type]!++] = local;
  }

  protected newLocal(type: ValType): number {
    const local = this.nextLocal++;
    if (local === this.localType.length) {
      const types = new Uint8Array(local * 2);
      types.set(this.localType);
      this.localType = types;
      const homes = new Uint8Array(local * 2);
      homes.set(this.localIsHome);
      this.localIsHome = homes;
    }
    this.localType[local] = type;
    this.localIsHome[local] = 0;
    return local;
  }
}
