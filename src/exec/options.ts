// How guest code is run: the switches of the execution loop, their defaults and the measurements behind them.
import type { Guest } from '../../targets/target.ts';
import type { Block } from '../../tcg/ir/block.ts';
import type { PassSwitches } from '../../tcg/opt/pipeline.ts';
import type { Entry } from './code-cache.ts';

/** Hooks by which blocks are logged on their way; see log-block.ts. */
export interface BlockHooks {
  /** A block as the translator made it, before any pass. */
  translated(guest: Guest, bytes: Uint8Array, block: Block, end: number): void;
  /** The same block after the passes. */
  optimized(block: Block): void;
  /** A finished module. */
  compiled(bytes: Uint8Array): void;
  /** The loop enters a block; CPU state is at `env` of `view`. */
  enter(guest: Guest, view: DataView, env: number, entry: Entry): void;
}

/** How guest code is run. Every switch exists so that tests can run the same program both ways. */
export interface CpuOptions {
  readonly engine: 'wasm' | 'interp';
  readonly passes: PassSwitches;
  /** Blocks jump to each other directly; off: every block returns to the loop. */
  readonly chain: boolean;
  /** Warm blocks that lead to each other only are compiled as one function. */
  readonly join: boolean;
  /** Hot blocks become regions. */
  readonly regions: boolean;
  /** Longest block in guest instructions; 1 for `-one-insn-per-tb`. */
  readonly maxInsns: number;
  /** How often a block is interpreted at least before it is compiled; 0: compiled at once, with what it jumps to. */
  readonly coldRuns: number;
  /** Runs of a block before it becomes a region. */
  readonly hotThreshold: number;
  readonly log: BlockHooks | null;
  /** What time stamp counters read, nanoseconds; undefined: the host's monotonic clock. */
  readonly clock?: () => number;
}

/**
 * Blocks longer than this are cut. Long enough that real basic blocks are not, short enough that replaying one (at most
 * this many interpreted instructions) costs less than the fault itself.
 */
export const MAX_BLOCK_INSNS = 128;

/**
 * A block that has run this often is worth a region. Making one costs 1 to 3 ms and saves a few ns per block run. Measured:
 * the bench programs do not notice anything from 1,000 to 64,000, but starting python made 740 regions (of 5 times as many
 * instructions as the blocks themselves) at 1,000, 190 at 4,000 and 20 at 32,000, and took 1.6 times as long with the first.
 */
export const HOT_THRESHOLD = 32_000;

/**
 * Most blocks of a starting program run a few times: of the 2,250 that a dynamic hello reaches, 64 % once, 83 % up to three
 * times, 94 % up to twenty. Compiling one costs about 30 us (5 of them in the engine), interpreting it 3 us.
 */
export const COLD_RUNS = 10;

export const DEFAULT_OPTIONS: CpuOptions = {
  engine: 'wasm',
  passes: {},
  chain: true,
  join: true,
  regions: true,
  maxInsns: MAX_BLOCK_INSNS,
  coldRuns: COLD_RUNS,
  hotThreshold: HOT_THRESHOLD,
  log: null,
};

/**
 * When garbage is collected: first when this many blocks have been translated, then whenever a third more have been. The engine
 * does not do it by itself for a long time, as it takes guest memory for 8 GiB of its own heap that are in use, and lets
 * garbage grow in proportion. Measured on python loading its test library (61,000 blocks): 390 MB in place of 870, at 0.3 s of
 * 11 s, about what the page faults of so much memory cost; small programs never get that far.
 */
export const COLLECT_BLOCKS = 8000;
export const COLLECT_SHARE = 1 / 3;
