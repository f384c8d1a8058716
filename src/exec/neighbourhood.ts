// Translate-ahead: from a cold PC, follows direct jumps and emits the blocks found as one module.
import { HEADER } from '../../targets/state-layout.ts';
import { Block } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';
import { OPS } from '../../tcg/ir/ops.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { compileGroup, type GroupUnit } from '../../tcg/wasm/group.ts';
import { defineCounter } from '../log/counters.ts';
import { unimpOnce } from '../log/log.ts';
import { type Entry, Tier } from './code-cache.ts';
import type { Cpu } from './cpu.ts';
import { CODEGEN_LAYOUT, COUNTER_BASE } from './layout.ts';

/**
 * Blocks per module at most. A module costs about 90 us to compile and instantiate and a block in it 4 us, but blocks that
 * never run cost their translation (about 20 us cold); measured on dynamic hello and `perl -e 1`, 8 to 32 are alike.
 */
const MAX_BLOCKS = 16;

const BLOCKS = defineCounter('exec.blocks', 'blocks translated');
const MODULES = defineCounter('exec.modules', 'wasm modules made');

/** Translates the block at `pc` and those that direct jumps lead to, and enters them in the shared table. */
export function translateNeighbourhood(cpu: Cpu, pc: number, flags: number): void {
  const { cache, guest, memory, options } = cpu;
  const log = options.log;
  const queue: Entry[] = [cache.get(pc, flags)];
  const units: GroupUnit[] = [];
  const ends: number[] = [];
  const seen = new Set<Entry>(queue);
  const limit = options.chain && options.maxInsns > 1 ? MAX_BLOCKS : 1;
  for (let n = 0; n < queue.length && units.length < limit; n++) {
    const entry = queue[n]!;
    const block = new Block(entry.pc, guest.layout.globals);
    const request = {
      builder: new Builder(block),
      code: cpu.code,
      pc: entry.pc,
      flags,
      context: -1,
      maxInsns: options.maxInsns,
      stopAt: -1,
    };
    const { end, unimplemented } = guest.translate(request);
    if (unimplemented) unimpOnce(unimplemented);
    if (options.chain) {
      for (const op of block.ops) {
        if (op.row !== OPS.goto_tb) continue;
        const next = cache.get(op.imm, flags);
        if (next.tier === Tier.NONE && !seen.has(next) && memory.canFetch(op.imm)) {
          seen.add(next);
          queue.push(next);
        }
      }
    }
    log?.translated(guest, memory.u8, block, end);
    optimize(block, options.passes);
    log?.optimized(block);
    let counter: number | undefined;
    if (options.regions) {
      counter = COUNTER_BASE + 4 * entry.slot;
      memory.view.setInt32(counter, options.hotThreshold, true);
    }
    const unit: GroupUnit = { block, slot: entry.slot, ...(counter === undefined ? {} : { counter }) };
    units.push(unit);
    ends.push(end);
  }
  instantiate(cpu, units, flags);
  for (let n = 0; n < units.length; n++) {
    const entry = cache.get(units[n]!.block.pc, flags);
    cache.setTranslated(entry, Tier.BLOCK, cpu.pagesOf(entry.pc, ends[n]!));
  }
  BLOCKS.n += units.length;
}

/** Compiles units to one module, which writes its functions into the shared table. */
export function instantiate(cpu: Cpu, units: readonly GroupUnit[], flags: number): void {
  const { cache, options } = cpu;
  const { bytes, imports } = compileGroup(units, {
    layout: CODEGEN_LAYOUT,
    chain: options.chain,
    scratch: HEADER.pollScratch,
    slotOf: (pc) => cache.get(pc, flags).slot,
  });
  for (const { module, name } of imports) if (module !== 'e' && module !== 'h') cpu.moduleHelper(module, name);
  options.log?.compiled(bytes);
  MODULES.n++;
  new WebAssembly.Instance(new WebAssembly.Module(bytes), cpu.imports as never);
}
