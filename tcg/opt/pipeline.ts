// The passes over a block: one table with their order, switches and purpose.
import type { Block } from '../ir/block.ts';
import type { assertValid } from '../ir/verify.ts';
import { removeDeadCode, removeUnreachable } from './dead-code.ts';
import { propagateForward } from './forward.ts';
import { findOverwritten } from './overwritten.ts';
import { type SyncMode, syncState } from './state-sync.ts';

/** Which passes run; an absent switch means its default: everything on. */
export interface PassSwitches {
  /** Which registers precise points need not store; default true. */
  readonly overwritten?: boolean;
  /** Constants, copies, decided branches; default true. */
  readonly forward?: boolean;
  /** Where CPU state becomes precise; cannot be off; default 'spans'. */
  readonly stateSync?: SyncMode;
  /** Removal of what has no effect; default true. */
  readonly deadCode?: boolean;
  /** Called before the first pass and after each: `assertValid`, for tests and debugging (so that others need not load it). */
  readonly verify?: typeof assertValid;
}

/** A row of the pass table. */
export interface Pass {
  /** The switch that belongs to it. */
  readonly name: Exclude<keyof PassSwitches, 'verify'>;
  readonly text: string;
  run(block: Block, switches: PassSwitches): void;
}

/** All passes in the order they run. */
export const PASSES: readonly Pass[] = [
  {
    name: 'overwritten',
    text: 'find the guest registers that are overwritten before anything needs them',
    run(block, switches) {
      findOverwritten(block, switches.overwritten ?? true);
    },
  },
  {
    name: 'forward',
    text: 'fold constants, propagate copies, decide branches, in one walk',
    run(block, switches) {
      if (switches.forward ?? true) propagateForward(block);
    },
  },
  {
    name: 'stateSync',
    text: 'decide where guest registers are stored to CPU state (always; the mode is a switch)',
    run(block, switches) {
      syncState(block, switches.stateSync ?? 'spans');
    },
  },
  {
    name: 'deadCode',
    text: 'remove unused results, overwritten flag words and unreachable code (unreachable code always)',
    run(block, switches) {
      if (switches.deadCode ?? true) removeDeadCode(block);
      else removeUnreachable(block);
    },
  },
];

/** Makes a block as the translator left it ready for an engine, in place. */
export function optimize(block: Block, switches: PassSwitches = {}): void {
  const { verify } = switches;
  verify?.(block, 'from the translator', { allowUnreachable: true });
  for (let i = 0; i < PASSES.length; i++) {
    const pass = PASSES[i]!;
    pass.run(block, switches);
    verify?.(block, `after ${pass.name}`, { allowUnreachable: pass.name !== 'deadCode' });
  }
}

/** Makes a block of one instruction ready for the replay of a fault: CPU state is precise at every `insn_start`. */
export function prepareForReplay(block: Block): void {
  syncState(block, 'every');
}
