// What lowering must know of its surroundings: layout, chaining, slots and helper indices.
import type { CodegenLayout } from '../engine.ts';
import type { HelperRow } from '../ir/helper-table.ts';

/** What the lowering must know of its surroundings. */
export interface LoweringOptions {
  readonly layout: CodegenLayout;
  /** Offset from `env` of a word that nobody reads; loops store to it so that the engine loads the poll word each time. */
  readonly scratch?: number;
  /** Leave by tail calls through the table; otherwise every exit returns to the execution loop. */
  readonly chain: boolean;
  /** The table slot through which the block at `pc` is entered. */
  slotOf(pc: number): number;
  /** The function index of a helper. */
  indexOf(helper: HelperRow): number;
}
