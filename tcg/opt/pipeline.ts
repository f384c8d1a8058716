// The passes over a block: one table with their order, switches and purpose.
import type { Block } from '../ir/block.ts';
import { type SyncMode, syncState } from './state-sync.ts';

/** Which passes run; everything is on by default. */
export interface PassSwitches {
  readonly stateSync?: SyncMode;
}

/** Makes a block as the translator left it ready for an engine. */
export function optimize(block: Block, switches: PassSwitches = {}): void {
  syncState(block, switches.stateSync ?? 'spans');
}

/** Makes a block of one instruction ready for the replay of a fault: CPU state is precise at every `insn_start`. */
export function prepareForReplay(block: Block): void {
  syncState(block, 'every');
}
