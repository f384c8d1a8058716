// Regions: a hot block and the hot blocks around it as one function, with guest registers in locals across their jumps.
import { PROFILE_ENTRIES } from '../../tcg/engine.ts';
import { Block, makeOp, type Op } from '../../tcg/ir/block.ts';
import { Builder } from '../../tcg/ir/builder.ts';
import { Jump, OPS } from '../../tcg/ir/ops.ts';
import { Cond } from '../../tcg/ir/types.ts';
import { const32, type Label, type Temp } from '../../tcg/ir/value.ts';
import { optimize } from '../../tcg/opt/pipeline.ts';
import { defineCounter } from '../log/counters.ts';
import { type Entry, Tier } from './code-cache.ts';
import { COUNTER_BASE } from './layout.ts';
import { instantiate } from './neighbourhood.ts';
import type { Translator } from './translator.ts';

/**
 * Guest instructions per region at most. The engine's optimiser takes time more than linear in the size of a function;
 * beyond about this size it gives up late or not at all.
 */
const MAX_INSNS = 400;
const MAX_NODES = 100;

/** Calls followed into each other. Each level is a copy of the callee; deeper ones are rarely worth it. */
const MAX_CALL_DEPTH = 4;

/** How often one function may be on the path of followed calls: 2 unrolls a recursion once. */
const MAX_RECURSION = 2;

/** Versions of one block for different kinds of lazily kept flags; another one takes the general way. */
const MAX_CONTEXTS = 3;

/** Targets of one indirect jump that are compared at most: about 0.5 ns each when they miss. */
const MAX_INDIRECT = 12;

/** Rounds of loops from one checkpoint to the next: so many, of instructions that write nothing, are replayed at a fault. */
const CHECKPOINT_ROUNDS = 63;

/** A block counts as hot when it ran at least this fraction of the threshold (1 / 2^n). */
const WARM_SHIFT = 4;

const REGIONS = defineCounter('exec.regions', 'regions made of hot blocks');
const REGION_INSNS = defineCounter('exec.region-insns', 'guest instructions in them');

/** One translated block of a region, for one path of followed calls and one context. */
class RegionNode {
  ops: Op[] = [];
  /** Context its translation relies on, or -1 when it relies on none. */
  context: number;
  isLoop = false;
  translated = false;
  end = 0;
  /** PC behind it, as calls leave it. */
  next = 0;

  constructor(
    readonly pc: number,
    readonly index: number,
    readonly label: Label,
    /** Return addresses of the calls followed to get here, innermost last. */
    readonly calls: readonly number[],
    context: number,
  ) {
    this.context = context;
  }
}

/** Collects the nodes of one region. */
class RegionBuilder {
  readonly block: Block;
  readonly nodes: RegionNode[] = [];
  private readonly byKey = new Map<string, RegionNode[]>();
  private readonly builder: Builder;
  /** Rounds of loops to go until the next checkpoint. */
  private readonly rounds: Temp;
  insns = 0;
  /** Some block relies on the guest's check at the entry. */
  private needsCheck = false;
  /** Some block changes what was checked there. */
  undoesCheck = false;

  /** @param checked blocks need not check what the guest checks at the entry */
  constructor(
    private readonly cpu: Translator,
    private readonly entry: Entry,
    private readonly checked: boolean,
  ) {
    this.block = new Block(entry.pc, cpu.guest.layout.globals);
    this.builder = new Builder(this.block);
    this.rounds = this.block.temp('i32');
  }

  build(): void {
    this.nodeFor(this.entry.pc, [], -1);
    for (let n = 0; n < this.nodes.length; n++) this.translate(this.nodes[n]!);
    const { rounds } = this;
    // At first 0: a region that is entered often must not put off polls for ever.
    const ops: Op[] = [makeOp('mov_i32', rounds, const32(0))];
    if (this.needsCheck) {
      this.block.ops = ops;
      this.cpu.guest.checkEntry!(this.builder, this.entry.flags, this.entry.pc);
    }
    for (const node of this.nodes) {
      const place = makeOp('label', null);
      place.label = node.label;
      if (node.index > 0 || node.label.uses > 0) ops.push(place);
      if (node.isLoop) ops.push(makeOp('checkpoint_i32', rounds, rounds, null, null, node.pc, CHECKPOINT_ROUNDS));
      for (const op of node.ops) this.append(ops, op);
    }
    this.block.ops = ops;
  }

  /**
   * Adds an op of a node. Where a cold op would call, the region is left instead for the block at the instruction, which calls:
   * a call, even one that never happens, would keep all floats in memory. At the region's own entry it must call.
   */
  private append(ops: Op[], op: Op): void {
    if (!op.row.name.startsWith('cold_') || !this.cpu.guest.restartsAtCold || op.imm === this.entry.pc) {
      ops.push(op);
      return;
    }
    ops.push(makeOp('leave_if', null, op.b, op.c, null, op.imm));
    ops.push(makeOp(`mov_${op.out!.type}`, op.out, op.a));
  }

  /** The node of a jump's target, made now if it is fit to be in the region; null: leave the region for it. */
  private nodeFor(pc: number, calls: readonly number[], context: number): RegionNode | null {
    const key = `${pc} ${calls.join(' ')}`;
    let variants = this.byKey.get(key);
    if (!variants) this.byKey.set(key, (variants = []));
    for (const node of variants) if (node.context === -1 || node.context === context) return node;
    if (this.nodes.length > 0 && !this.isHot(pc)) return null;
    if (this.insns >= MAX_INSNS || this.nodes.length >= MAX_NODES) return null;
    const given = variants.length < MAX_CONTEXTS ? context : -1;
    const node = new RegionNode(pc, this.nodes.length, this.block.label(), calls, given);
    variants.push(node);
    this.nodes.push(node);
    return node;
  }

  private isHot(pc: number): boolean {
    const { cpu, entry } = this;
    const target = cpu.cache.find(pc, entry.flags);
    if (!target || !(target.inner ? !cpu.cache.isAside(target) : cpu.cache.holds(target))) return false;
    if (target.tier === Tier.REGION) return true;
    const { hotThreshold } = cpu.options;
    const runs = hotThreshold - cpu.view.getInt32(COUNTER_BASE + 4 * target.slot, true);
    return runs >= hotThreshold >> WARM_SHIFT;
  }

  private translate(node: RegionNode): void {
    const { cpu, block, entry } = this;
    block.ops = node.ops;
    const result = cpu.guest.translate({
      builder: this.builder,
      code: cpu.code,
      pc: node.pc,
      flags: entry.flags,
      context: node.context,
      maxInsns: cpu.options.maxInsns,
      stopAt: -1,
      ...(cpu.guest.restartsAtCold ? { coldAt: entry.pc } : {}),
      checked: this.checked,
    });
    if (!result.usedContext) node.context = -1;
    if (result.needsCheck) this.needsCheck = true;
    if (result.undoesCheck) this.undoesCheck = true;
    node.end = result.end;
    node.next = result.next;
    this.insns += result.insnCount;
    this.link(node, result.exitContexts);
  }

  /** Turns the node's ways out into branches where their target is in the region. */
  private link(node: RegionNode, contexts: readonly number[]): void {
    const { ops } = node;
    let jumps = 0;
    for (let n = 0; n < ops.length; n++) {
      const op = ops[n]!;
      if (op.row === OPS.goto_tb) {
        const context = contexts[jumps++] ?? -1;
        const calls = op.imm2 === Jump.CALL ? this.follow(node, op.imm) : node.calls;
        const target = calls && this.nodeFor(op.imm, calls, context);
        if (!target) continue;
        const branch = makeOp('br', null);
        branch.label = this.arrive(node, target);
        ops[n] = branch;
        // Inside the region it is loops that poll, at their checkpoints.
        if (n > 0 && ops[n - 1]!.row === OPS.poll) ops.splice(--n, 1);
      } else if (op.row === OPS.goto_ptr && op.imm === Jump.RETURN && node.calls.length > 0) {
        const back = node.calls[node.calls.length - 1]!;
        const target = this.nodeFor(back, node.calls.slice(0, -1), -1);
        if (!target) continue;
        const check = makeOp('brcond_i32', null, op.a, const32(back), null, Cond.EQ);
        check.label = this.arrive(node, target);
        ops.splice(n++, 0, check);
      } else if (op.row === OPS.goto_ptr && op.imm !== Jump.RETURN) {
        n += this.linkIndirect(node, op, n);
      }
    }
  }

  /**
   * Compares the target of an indirect jump, the op at `index`, with the targets seen most often lately and branches to them
   * inside the region. Returns how many ops were put in front of it.
   */
  private linkIndirect(node: RegionNode, op: Op, index: number): number {
    let added = 0;
    for (const pc of this.recentTargets(node.pc)) {
      if (added === MAX_INDIRECT) break;
      const calls = op.imm === Jump.CALL ? this.follow(node, pc) : node.calls;
      const target = calls && this.nodeFor(pc, calls, -1);
      if (!target) continue;
      const check = makeOp('brcond_i32', null, op.a, const32(pc), null, Cond.EQ);
      check.label = this.arrive(node, target);
      node.ops.splice(index + added++, 0, check);
    }
    return added;
  }

  /** Targets of the indirect jump at the end of the block at `pc`, the most frequent first. */
  private recentTargets(pc: number): number[] {
    const ring = this.cpu.cache.find(pc, this.entry.flags)?.profile ?? 0;
    if (ring === 0) return [];
    const counts = new Map<number, number>();
    for (let n = 0; n < PROFILE_ENTRIES; n++) {
      const target = this.cpu.view.getUint32(ring + 4 * n, true);
      if (target !== 0) counts.set(target, (counts.get(target) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1]).map(([target]) => target);
  }

  private arrive(from: RegionNode, target: RegionNode): Label {
    if (target.index <= from.index) target.isLoop = true;
    target.label.uses++;
    return target.label;
  }

  /** The path of calls after following one from the end of `node`, or null when it is not worth it. */
  private follow(node: RegionNode, callee: number): readonly number[] | null {
    const back = node.next;
    if (node.calls.length >= MAX_CALL_DEPTH) return null;
    let same = 0;
    for (const other of node.calls) if (other === back) same++;
    if (same >= MAX_RECURSION || callee === back) return null;
    return [...node.calls, back];
  }
}

/** Replaces the translation of `entry` by a region that begins there. */
export function buildRegion(cpu: Translator, entry: Entry): void {
  // The counter has run out; in case the entry is not replaced it must not do so again soon.
  cpu.view.setInt32(COUNTER_BASE + 4 * entry.slot, 0x7fffffff, true);
  let region = new RegionBuilder(cpu, entry, cpu.guest.checkEntry !== undefined);
  region.build();
  if (region.undoesCheck) {
    region = new RegionBuilder(cpu, entry, false);
    region.build();
  }
  const { block, nodes } = region;
  optimize(block, cpu.options.passes);
  cpu.options.log?.optimized(block);
  const ranges = nodes.flatMap((node) => [node.pc, node.end]);
  instantiate(cpu, [{ block, slot: entry.slot }], entry.flags, Tier.REGION, [{ entry, ranges }]);
  const pages = new Set<number>();
  for (const node of nodes) for (const page of cpu.pagesOf(node.pc, node.end)) pages.add(page);
  cpu.cache.setTranslated(entry, Tier.REGION, [...pages]);
  entry.regionBlocks = nodes.length;
  REGIONS.n++;
  REGION_INSNS.n += region.insns;
}
