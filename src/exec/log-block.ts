// What `-d in_asm,op,op_opt,out_asm,exec,cpu` prints of a block on its way through the stages.
import type { Guest } from '../../targets/target.ts';
import type { Block } from '../../tcg/ir/block.ts';
import type { Entry } from './code-cache.ts';
import type { Cpu } from './cpu.ts';

/** The hooks of the execution loop; null in CpuOptions when nothing is logged. */
export interface BlockLog {
  translated(guest: Guest, bytes: Uint8Array, block: Block, end: number): void;
  optimized(block: Block): void;
  compiled(bytes: Uint8Array): void;
  enter(cpu: Cpu, entry: Entry): void;
}
