// Makes one module of several blocks: their functions, the helpers they import, their places in the shared table.
import type { CodegenLayout } from '../engine.ts';
import type { Block } from '../ir/block.ts';
import type { HelperRow } from '../ir/helper-table.ts';
import type { Type } from '../ir/types.ts';
import { Lowering } from './lower.ts';
import { assembleModule, type FuncType, type Limits, VALTYPE_NUMBER, type ValType } from './module-writer.ts';

/** A block to compile, and where. */
export interface GroupUnit {
  /** Its `sync` lists are set (opt/state-sync.ts). */
  readonly block: Block;
  /** The slot of the shared table that its function goes to. */
  readonly slot: number;
  /** Absolute address of a word that counts down the runs until the function returns HOT; none: never. */
  readonly counter?: number;
  /**
   * Absolute address of PROFILE_ENTRIES words to which its indirect jumps (not returns) write their last targets; needs a
   * counter.
   */
  readonly profile?: number;
}

export interface GroupOptions {
  readonly layout: CodegenLayout;
  /** Continue by tail calls through the table; otherwise return LOOKUP at every exit. */
  readonly chain: boolean;
  /** The table slot through which the block at `pc` (0..2^32-1) is entered, whether translated yet or not. */
  slotOf(pc: number): number;
  /**
   * Offset from `env` of a word nobody reads. Loops that poll store to it, because the engine may otherwise load the poll
   * word once for all; without it they use a fence, which is slower.
   */
  readonly scratch?: number;
  /** Pages of the shared memory; 65536 unless given. */
  readonly memory?: Limits;
  /** Limits stated for the imported table; at least none unless given. */
  readonly table?: Limits;
}

/** An import of a module, in order. Functions: ('h', helper name) for TypeScript, (module, name) for wasm helpers. */
export interface GroupImport {
  readonly module: string;
  readonly name: string;
  readonly helper?: HelperRow;
}

export interface Group {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Functions first, then memory ('e', 'm') and table ('e', 't'). */
  readonly imports: GroupImport[];
  /** Number of imported functions: function k of the group has the index `helperCount + k`. */
  readonly helperCount: number;
}

/** Module and names of the engine's own imports, and the module of helpers written in TypeScript. */
export const ENGINE_MODULE = 'e';
export const MEMORY_NAME = 'm';
export const TABLE_NAME = 't';
export const HELPER_MODULE = 'h';

const ALL_PAGES: Limits = { initial: 65536, maximum: 65536 };
const ANY_TABLE: Limits = { initial: 0 };
const BLOCK_TYPE: FuncType = { params: [0], results: [0] };

/** Kept from group to group for its buffers. */
let lowering: Lowering | null = null;

function valTypes(types: readonly Type[]): ValType[] {
  return types.map((type) => VALTYPE_NUMBER[type]);
}

/** Throws for a helper in TypeScript whose values cannot cross to it. */
function checkHelper(helper: HelperRow): void {
  if (helper.module !== undefined) return;
  for (const type of [...helper.args, helper.result]) {
    if (type === 'i64' || type === 'v128') {
      throw new Error(`helper ${helper.name}: ${type} cannot cross to TypeScript; pass it through CPU state`);
    }
  }
}

/**
 * Compiles blocks to one module. Instantiating it with the shared memory and table enters the functions into their slots.
 * Throws for helper calls that cannot be, and for functions of more than 2 MB.
 */
export function compileGroup(units: readonly GroupUnit[], options: GroupOptions): Group {
  const l = lowering ?? new Lowering();
  // An error leaves its tables half filled: they are only used again after a success.
  lowering = null;
  const helpers: HelperRow[] = [];
  l.begin({
    layout: options.layout,
    scratch: options.scratch,
    chain: options.chain,
    slotOf: options.slotOf,
    indexOf(helper) {
      const index = helpers.indexOf(helper);
      if (index >= 0) return index;
      checkHelper(helper);
      return helpers.push(helper) - 1;
    },
  });
  const slots: number[] = [];
  for (const unit of units) {
    l.lowerBlock(unit.block, unit.counter ?? 0, unit.profile);
    slots.push(unit.slot);
  }

  const types: FuncType[] = [BLOCK_TYPE];
  const typeIndex = new Map<string, number>();
  const imports: GroupImport[] = [];
  const functions: { module: string; name: string; type: number }[] = [];
  for (const helper of helpers) {
    const signature = `${helper.args} ${helper.result}`;
    let type = typeIndex.get(signature);
    if (type === undefined) {
      const results = helper.result === null ? [] : valTypes([helper.result]);
      type = types.push({ params: [0, ...valTypes(helper.args)], results }) - 1;
      typeIndex.set(signature, type);
    }
    const module = helper.module ?? HELPER_MODULE;
    functions.push({ module, name: helper.name, type });
    imports.push({ module, name: helper.name, helper });
  }
  imports.push({ module: ENGINE_MODULE, name: MEMORY_NAME }, { module: ENGINE_MODULE, name: TABLE_NAME });
  const bytes = assembleModule({
    types,
    functions,
    memory: { module: ENGINE_MODULE, name: MEMORY_NAME, limits: options.memory ?? ALL_PAGES },
    table: { module: ENGINE_MODULE, name: TABLE_NAME, limits: options.table ?? ANY_TABLE },
    slots,
    code: l,
  });
  lowering = l;
  return { bytes, imports, helperCount: helpers.length };
}
