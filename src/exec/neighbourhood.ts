// Compiling blocks in groups: those interpreted often enough, or ahead of time what direct jumps lead to from a cold PC.
import { HEADER } from '../../targets/state-layout.ts';
import { GuestException } from '../../targets/target.ts';
import type { Block } from '../../tcg/ir/block.ts';
import { Jump, OPS } from '../../tcg/ir/ops.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { compileGroup, type GroupUnit } from '../../tcg/wasm/group.ts';
import { defineCounter } from '../log/counters.ts';
import { type Entry, Tier } from './code-cache.ts';
import { enterInner, joinBlocks } from './join.ts';
import { CODEGEN_LAYOUT, COUNTER_BASE } from './layout.ts';
import type { RecordedUnit, Translator } from './translator.ts';

/**
 * Blocks per module at most. A module costs about 90 us to compile and instantiate and a block in it 4 us, but blocks that
 * never run cost their translation (about 20 us cold); measured on dynamic hello and `perl -e 1`, 8 to 32 are alike.
 */
const MAX_BLOCKS = 16;

export const COMPILED = defineCounter('exec.compiled', 'blocks compiled on their own');
const MODULES = defineCounter('exec.modules', 'wasm modules made');

/** Translates the block at `pc` and those that direct jumps lead to, and enters them in the shared table. */
export function translateNeighbourhood(cpu: Translator, pc: number, flags: number): void {
  const { cache, memory, options } = cpu;
  const queue: Entry[] = [cache.get(pc, flags)];
  const entries: Entry[] = [];
  const units: GroupUnit[] = [];
  const ends: number[] = [];
  const seen = new Set<Entry>(queue);
  const limit = options.chain && options.maxInsns > 1 ? MAX_BLOCKS : 1;
  for (let n = 0; n < queue.length && units.length < limit; n++) {
    const entry = queue[n]!;
    const block = n === 0 ? cpu.translateOne(pc, flags, options.maxInsns) : tryTranslate(cpu, entry);
    if (block === null) continue;
    entries.push(entry);
    ends.push(cpu.lastEnd);
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
    units.push(unitOf(cpu, entry, block));
  }
  enter(cpu, units, entries, ends, flags);
}

/** Compiles units to one module and enters them as blocks of their own. */
function enter(cpu: Translator, units: GroupUnit[], entries: Entry[], ends: number[], flags: number): void {
  const recorded = entries.map((entry, n) => ({ entry, ranges: [entry.pc, ends[n]!] }));
  instantiate(cpu, units, flags, Tier.BLOCK, recorded);
  entries.forEach((entry, n) => {
    entry.end = ends[n]!;
    cpu.cache.setTranslated(entry, Tier.BLOCK, cpu.pagesOf(entry.pc, ends[n]!));
  });
}

/** Translates and compiles blocks that have not been interpreted, as one module. Those without code are left out. */
export function translateTogether(cpu: Translator, wanted: readonly Entry[], flags: number): void {
  const entries: Entry[] = [];
  const units: GroupUnit[] = [];
  const ends: number[] = [];
  for (const entry of wanted) {
    const block = tryTranslate(cpu, entry);
    if (block === null) continue;
    entries.push(entry);
    ends.push(cpu.lastEnd);
    units.push(unitOf(cpu, entry, block));
  }
  if (units.length > 0) enter(cpu, units, entries, ends, flags);
}

/**
 * Compiles blocks of another program as one module; `cpu` reads its code. Those that do not end at `end`, where the program
 * itself saw them end, are left out. Returns those compiled, which are entered nowhere.
 */
export function translateForOthers(
  cpu: Translator,
  wanted: readonly { readonly entry: Entry; readonly end: number }[],
  flags: number,
): Entry[] {
  const entries: Entry[] = [];
  const units: GroupUnit[] = [];
  for (const { entry, end } of wanted) {
    const block = tryTranslate(cpu, entry);
    if (block === null || cpu.lastEnd !== end) continue;
    entries.push(entry);
    units.push(unitOf(cpu, entry, block));
  }
  if (units.length > 0) instantiate(cpu, units, flags, Tier.BLOCK, []);
  for (const entry of entries) entry.tier = Tier.BLOCK;
  return entries;
}

/** The translation of a block nobody has jumped to yet; null when its first instruction cannot be fetched. */
function tryTranslate(cpu: Translator, entry: Entry): Block | null {
  try {
    return cpu.translateOne(entry.pc, entry.flags, cpu.options.maxInsns);
  } catch (error) {
    if (error instanceof GuestException) return null;
    throw error;
  }
}

/** Optimises a block and makes it a unit with its own run counter. */
function unitOf(cpu: Translator, entry: Entry, block: Block): GroupUnit {
  const { cache, options } = cpu;
  optimize(block, options.passes);
  options.log?.optimized(block);
  COMPILED.n++;
  if (!options.regions) return { block, slot: entry.slot };
  const counter = COUNTER_BASE + 4 * entry.slot;
  cpu.view.setInt32(counter, options.hotThreshold, true);
  const last = block.ops[block.ops.length - 1]!;
  const jumpsByValue = last.row === OPS.goto_ptr && last.imm !== Jump.RETURN;
  return { block, slot: entry.slot, counter, ...(jumpsByValue ? { profile: cache.giveProfile(entry) } : {}) };
}

/** Compiles blocks that were interpreted so far, as one module. Entries that lost their IR meanwhile are left out. */
export function compileEntries(cpu: Translator, entries: readonly Entry[], flags: number): void {
  const units: GroupUnit[] = [];
  const recorded: RecordedUnit[] = [];
  const { cache, options } = cpu;
  const all = entries.filter(({ ir, tier, flags: its }) => ir !== null && tier === Tier.NONE && its === flags);
  // The log shows blocks one by one.
  const joins = options.chain && options.join && options.log === null;
  const joined = joins ? joinBlocks(cpu, all, flags) : all.map((root) => ({ root, block: root.ir!, inner: [] }));
  for (const { root, block, inner } of joined) {
    units.push(unitOf(cpu, root, block));
    const ranges = [root.pc, root.end];
    let pages = root.pages!;
    for (const entry of inner) {
      ranges.push(entry.pc, entry.end);
      for (const page of entry.pages!) if (!pages.includes(page)) pages = [...pages, page];
      enterInner(cpu, entry);
    }
    recorded.push({ entry: root, ranges });
    root.ir = null;
    cache.setTranslated(root, Tier.BLOCK, pages);
  }
  if (units.length === 0) return;
  instantiate(cpu, units, flags, Tier.BLOCK, recorded);
}

/**
 * Compiles units to one module, which writes its functions into the shared table. `tier` and `recorded` say what they are
 * for whoever keeps translations.
 */
export function instantiate(
  cpu: Translator,
  units: readonly GroupUnit[],
  flags: number,
  tier: Tier,
  recorded: readonly RecordedUnit[],
): void {
  const { cache, options } = cpu;
  const { bytes, imports } = compileGroup(units, {
    layout: CODEGEN_LAYOUT,
    chain: options.chain,
    scratch: HEADER.pollScratch,
    slotOf(pc) {
      const target = cache.get(pc, flags);
      target.linked = true;
      return target.slot;
    },
  });
  const modules = new Set<string>();
  for (const { module } of imports) if (module !== 'e' && module !== 'h') modules.add(module);
  for (const module of modules) cpu.helperModule(module);
  options.log?.compiled(bytes);
  MODULES.n++;
  new WebAssembly.Instance(new WebAssembly.Module(bytes), cpu.imports as never);
  cache.noteCompiled();
  if (cpu.store === null) return;
  let mask = 0;
  Object.keys(cpu.guest.helperModules).forEach((module, n) => {
    if (modules.has(module)) mask |= 1 << n;
  });
  cpu.store.record(cpu, bytes, tier, recorded, mask);
}
